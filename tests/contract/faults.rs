//! Bad days: nothing panics, nothing is sent twice, and everything is said.

use revdeck::{
    domain::{Operation, Outcome, RollBackTo, Scope, Settlement},
    platform::operation::Sent,
};

use crate::harness::{Deck, Fault, Harness, Role, done};

const ALL: [Fault; 14] = [
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::Status(401),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(409),
    Fault::Status(422),
    Fault::Status(500),
    Fault::Status(503),
    Fault::RateLimited,
    Fault::Html,
    Fault::CutJson,
    Fault::Slow,
    Fault::Hang,
];

pub async fn reads_survive_or_say_why(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    deck.platform.capabilities().await.unwrap();
    for fault in ALL {
        deck.fixture.break_reads(fault, None);
        match deck.platform.apps(&Scope::Home).await {
            Ok(apps) => assert!(fault == Fault::Slow && !apps.is_empty(), "{fault:?}"),
            Err(error) => {
                let text = error.to_string();
                assert!(
                    text.len() > 20 && !text.chars().any(char::is_control),
                    "{fault:?}: {text}"
                );
            }
        }
        deck.fixture.mend();
        deck.platform
            .apps(&Scope::Home)
            .await
            .unwrap_or_else(|error| panic!("after {fault:?}: {error}"));
    }
    // A fault that passes is not even noticed.
    for fault in [Fault::Status(503), Fault::ResetBefore, Fault::ResetAfter, Fault::Status(401)] {
        deck.fixture.break_reads(fault, Some(1));
        deck.platform.apps(&Scope::Home).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    }
}

pub async fn a_lost_answer_is_settled_by_reading(harness: &dyn Harness) {
    for fault in [Fault::ResetAfter, Fault::CutJson] {
        let deck = Deck::open(harness).await;
        let plan = deck.plan(Role::Healthy, Operation::RollBack(RollBackTo::LastGood)).await;
        deck.fixture.break_writes(fault);
        let sent = deck.execute(plan).await;
        let Sent::Lost(receipt) = sent else { panic!("{fault:?}: {sent:?}") };
        assert_eq!(deck.fixture.writes(), 1, "it is sent once");
        done(&deck.follow(receipt).await);
        assert_eq!(deck.fixture.writes(), 1, "settling only reads");
    }
    // The same for a cancel, whose other steps wait for it.
    let deck = Deck::open(harness).await;
    let plan = deck.plan(Role::Stuck, Operation::RollBack(RollBackTo::LastGood)).await;
    deck.fixture.break_writes(Fault::ResetAfter);
    let sent = deck.execute(plan).await;
    let (Sent::Lost(receipt) | Sent::Accepted(receipt)) = sent else { panic!("{sent:?}") };
    done(&deck.follow(receipt).await);
}

pub async fn a_lost_request_is_known_to_be_lost(harness: &dyn Harness) {
    for (rolls_back, fault) in [(true, Fault::ResetBefore), (false, Fault::Hang)] {
        let deck = Deck::open(harness).await;
        let operation = if rolls_back {
            Operation::RollBack(RollBackTo::LastGood)
        } else {
            deck.beginning(Role::Healthy, 1).await
        };
        let plan = deck.plan(Role::Healthy, operation.clone()).await;
        deck.fixture.break_writes(fault);
        let sent = deck.execute(plan).await;
        let Sent::Lost(receipt) = sent else { panic!("{sent:?}") };
        let first = deck.look(&receipt).await;
        assert!(matches!(first, Settlement::Pending { .. }), "it may still take effect: {first:?}");
        let outcome = deck.follow(receipt).await;
        let Outcome::Failed(text) = &outcome else { panic!("{outcome:?}") };
        assert!(text.contains("never took effect") && text.contains("safe to try again"), "{text}");
        done(&deck.carry_out(Role::Healthy, operation).await);
    }
}

pub async fn refusals_change_nothing(harness: &dyn Harness) {
    let certain = [401, 403, 404, 409, 422].map(Fault::Status);
    for fault in certain.into_iter().chain([Fault::RateLimited]) {
        let deck = Deck::open(harness).await;
        let plan = deck.plan(Role::Healthy, deck.beginning(Role::Healthy, 1).await).await;
        deck.fixture.break_writes(fault);
        let sent = deck.execute(plan).await;
        match (fault, sent) {
            // The login is renewed and the request, refused before it was looked at, sent again.
            (Fault::Status(401), Sent::Accepted(_)) => continue,
            (_, Sent::Ended(Outcome::Refused(text))) => assert!(text.len() > 20, "{text}"),
            (_, other) => panic!("{fault:?}: {other:?}"),
        }
        assert_eq!(deck.app(Role::Healthy).await.rollout, None);
        assert_eq!(deck.fixture.writes(), 1);
    }
    // A server error may have had its effect: it is looked for, never sent again.
    let deck = Deck::open(harness).await;
    let plan = deck.plan(Role::Healthy, deck.beginning(Role::Healthy, 1).await).await;
    deck.fixture.break_writes(Fault::Status(500));
    let Sent::Lost(receipt) = deck.execute(plan).await else {
        panic!("a server error is not certain")
    };
    assert!(matches!(deck.follow(receipt).await, Outcome::Failed(_)));
    assert_eq!(deck.fixture.writes(), 1);
}

pub async fn a_slow_platform_is_waited_for(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let plan = deck.plan(Role::Healthy, deck.beginning(Role::Healthy, 1).await).await;
    deck.fixture.break_writes(Fault::Slow);
    assert!(matches!(deck.execute(plan).await, Sent::Accepted(_)));
}

pub async fn tokens_are_renewed(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    deck.fixture.short_logins();
    for _ in 0..4 {
        deck.platform.apps(&Scope::Home).await.unwrap();
    }
}
