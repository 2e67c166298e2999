//! First aid: another number of instances, a stop and a start, one instance started anew.

use revdeck::{
    domain::{
        INSTANCE, InstanceState, Operation, Outcome, Plan, Request, SCALE_TO, START_WITH,
        Settlement, Verb,
    },
    platform::operation::Sent,
};

use crate::harness::{Deck, Fault, Harness, Role, done};

/// The plan of an operation with an option.
async fn plan(deck: &Deck, role: Role, operation: Operation, option: (&str, &str)) -> Plan {
    let app = deck.app(role).await;
    let request = Request::new(app.id, operation).with(option.0, option.1);
    deck.platform.plan(request).await.unwrap()
}

/// Carries a plan out to its end.
async fn carry_out(deck: &Deck, plan: Plan) -> Outcome {
    assert_eq!(plan.refused, None);
    match deck.execute(plan).await {
        Sent::Accepted(receipt) | Sent::Lost(receipt) => deck.follow(receipt).await,
        Sent::Unrecorded(_, why) => panic!("{why}"),
        Sent::Ended(outcome) => outcome,
    }
}

/// Where a platform cannot do it, it says why, and what to do instead.
async fn lacks(deck: &Deck, verb: Verb, operation: Operation, option: (&str, &str)) -> bool {
    let Some(why) = deck.lacks(verb).await else { return false };
    assert!(why.len() > 10, "{why}");
    let app = deck.app(Role::Healthy).await;
    let mut request = Request::new(app.id, operation);
    if deck.platform.target().platform.options(verb).iter().any(|one| one.name == option.0) {
        request = request.with(option.0, option.1);
    }
    let refused = deck.platform.plan(request).await.unwrap().refused;
    assert!(refused.is_some_and(|refused| refused.len() > 10));
    true
}

pub async fn an_app_is_scaled(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    if lacks(&deck, Verb::Scale, Operation::Scale, (SCALE_TO.name, "7")).await {
        return;
    }
    let before = deck.app(Role::Healthy).await.instances.desired;
    let scaled = plan(&deck, Role::Healthy, Operation::Scale, (SCALE_TO.name, "7")).await;
    assert_eq!(scaled.recipe.as_ref().and_then(|recipe| recipe.former), Some(before));
    let writes = deck.fixture.writes();
    let outcome = carry_out(&deck, scaled).await;
    if deck.fixture.counts_writes() {
        assert_eq!(deck.fixture.writes(), writes + 1, "one request");
    }
    assert!(done(&outcome).contains("at 7"), "{}", outcome.text());
    assert_eq!(deck.app(Role::Healthy).await.instances.desired, 7);
    let again = plan(&deck, Role::Healthy, Operation::Scale, (SCALE_TO.name, "7")).await;
    assert!(again.refused.is_some_and(|why| why.contains("nothing would change")));

    // Somebody else was quicker: nothing of it is undone.
    let stale = plan(&deck, Role::Healthy, Operation::Scale, (SCALE_TO.name, "3")).await;
    let theirs = plan(&deck, Role::Healthy, Operation::Scale, (SCALE_TO.name, "9")).await;
    done(&carry_out(&deck, theirs).await);
    if let Sent::Accepted(receipt) = deck.execute(stale.clone()).await {
        // Cloud Foundry has no conditional requests: there the last one wins, and says so.
        assert!(matches!(deck.follow(receipt).await, Outcome::Done(_)), "{}", stale.title);
    } else {
        assert_eq!(deck.app(Role::Healthy).await.instances.desired, 9);
    }
}

pub async fn an_app_is_stopped_and_started(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    if lacks(&deck, Verb::Stop, Operation::Stop, ("", "")).await {
        return;
    }
    let app = deck.app(Role::Healthy).await;
    let before = app.instances.desired;
    let stop = deck.plan(Role::Healthy, Operation::Stop).await;
    assert!(stop.notes.iter().any(|note| note.text().contains("nothing serves")));
    let outcome = carry_out(&deck, stop).await;
    assert!(done(&outcome).ends_with("is stopped"), "{}", outcome.text());
    let stopped = deck.app(Role::Healthy).await;
    assert_eq!(stopped.condition().word(), "stopped");

    let mut request = Request::new(app.id, Operation::Start);
    if !deck.platform.target().platform.options(Verb::Start).is_empty() {
        // What had how many is in the journal, which the platform does not know.
        let unsaid = deck.platform.plan(request.clone()).await.unwrap();
        assert!(unsaid.refused.is_some_and(|why| why.contains("--instances")));
        request = request.with(START_WITH.name, &before.to_string());
    }
    let start = deck.platform.plan(request).await.unwrap();
    let outcome = carry_out(&deck, start).await;
    assert!(done(&outcome).contains("started"), "{}", outcome.text());
    let started = deck.app(Role::Healthy).await;
    assert_eq!((started.instances.desired, started.instances.running), (before, Some(before)));
}

pub async fn one_instance_is_started_anew(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let options = deck.platform.target().platform.options(Verb::Restart);
    let can = options.iter().any(|one| one.name == INSTANCE.name);
    if !can || deck.lacks(Verb::Restart).await.is_some() {
        return;
    }
    let app = deck.app(Role::Healthy).await;
    // What has just begun is not as old as what it is compared with.
    deck.fixture.pass(30.0);
    let reading = deck.platform.instances(&app.id).await.unwrap();
    let one = reading.instances.first().unwrap().clone();
    let wrong = plan(&deck, Role::Healthy, Operation::Restart, (INSTANCE.name, "web/99")).await;
    assert!(wrong.refused.is_some_and(|why| why.contains("web/99")));
    let restart = plan(&deck, Role::Healthy, Operation::Restart, (INSTANCE.name, &one.id)).await;
    let outcome = carry_out(&deck, restart).await;
    done(&outcome);
    let after = deck.platform.instances(&app.id).await.unwrap();
    assert_eq!(after.instances.len(), reading.instances.len());
    assert!(after.instances.iter().all(|one| one.instance.state == InstanceState::Running));
    let same = |now: &&revdeck::domain::InstanceReading| {
        now.id == one.id && now.instance.since == one.instance.since
    };
    assert!(after.instances.iter().find(same).is_none(), "it is another one");
    let others = reading.instances.iter().skip(1);
    let kept = others.filter(|other| {
        let since = other.instance.since;
        after.instances.iter().any(|now| {
            now.id == other.id
                && now
                    .instance
                    .since
                    .zip(since)
                    .is_some_and(|(now, then)| now.duration_since(then).abs().as_secs() < 3)
        })
    });
    assert_eq!(kept.count(), reading.instances.len() - 1, "the others stay");
}

pub async fn a_lost_scale_is_settled_by_reading(harness: &dyn Harness) {
    for (fault, arrives) in [(Fault::ResetAfter, true), (Fault::ResetBefore, false)] {
        let deck = Deck::open(harness).await;
        if deck.lacks(Verb::Scale).await.is_some() {
            return;
        }
        let scaled = plan(&deck, Role::Healthy, Operation::Scale, (SCALE_TO.name, "7")).await;
        deck.fixture.break_scaling(fault);
        let sent = deck.execute(scaled).await;
        deck.fixture.mend();
        let (Sent::Lost(receipt) | Sent::Accepted(receipt)) = sent else {
            // What never left is known never to have arrived.
            assert!(!arrives, "{sent:?}");
            continue;
        };
        let outcome = deck.follow(receipt.clone()).await;
        let now = deck.app(Role::Healthy).await.instances.desired;
        assert_eq!(now == 7, arrives);
        assert_eq!(matches!(outcome, Outcome::Done(_)), arrives, "{}", outcome.text());
        if !arrives {
            assert!(outcome.text().contains("never took effect"), "{}", outcome.text());
        }
        assert!(matches!(deck.look(&receipt).await, Settlement::Ended(_)));
    }
}

/// The command for a shell in an instance is what somebody would type, or there is a reason why there is none.
pub async fn a_shell_leads_into_an_instance(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let writes = deck.fixture.writes();
    let app = deck.app(Role::Healthy).await;
    let reading = deck.platform.instances(&app.id).await.unwrap();
    let running = reading.instances.iter().find(|one| one.instance.state == InstanceState::Running);
    match deck.platform.shell(&app.id, &running.unwrap().id).await {
        Ok(shell) => {
            let line = shell.line();
            let (_, last) =
                running.unwrap().id.rsplit_once('/').unwrap_or(("", &running.unwrap().id));
            assert!(line.starts_with(shell.program) && line.contains(last), "{line}");
            // It says whose login it is of, in its words or by what it is started with.
            let says = ["--context", "--region"].iter().any(|flag| line.contains(flag));
            assert!(says || !shell.environment.is_empty(), "{line}");
        }
        Err(error) => assert!(error.to_string().len() > 20, "{error}"),
    }
    let gone = deck.platform.shell(&app.id, "no-such-instance").await.unwrap_err();
    assert!(gone.to_string().len() > 10, "{gone}");
    // What is broken is no place for one: the sentence says in what state it is.
    let stuck = deck.app(Role::Stuck).await;
    let reading = deck.platform.instances(&stuck.id).await.unwrap();
    let crashed = reading.instances.iter().find(|one| one.instance.state == InstanceState::Crashed);
    if let Some(crashed) = crashed {
        let refused = deck.platform.shell(&stuck.id, &crashed.id).await.unwrap_err();
        assert!(refused.to_string().contains("no shell in"), "{refused}");
    }
    assert_eq!(deck.fixture.writes(), writes, "nothing is sent");
}
