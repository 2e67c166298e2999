//! Operations: planned, carried out once, followed to their end.

use revdeck::{
    domain::{
        App, Condition, Note, Operation, Outcome, Request, RevisionId, RollBackTo, Scope,
        Settlement, Strategy, Verb, differences,
    },
    platform::operation::{self, Sent},
};

use crate::harness::{Deck, Harness, Role, done};

pub async fn the_stuck_rollout_is_rolled_back(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let before = deck.app(Role::Stuck).await;
    let plan = deck.plan(Role::Stuck, Operation::RollBack(RollBackTo::LastGood)).await;
    assert_eq!(plan.refused, None);
    let way_back = before.deployed.as_ref().unwrap();
    assert!(plan.to.as_ref().is_some_and(|end| end.name.contains(way_back.shown())), "{plan:?}");
    assert!(!plan.method.is_empty() && !plan.by_hand.is_empty() && plan.calls().next().is_some());
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    let outcome = deck.follow(receipt).await;
    assert!(done(&outcome).contains(&deck.app(Role::Stuck).await.name));
    let after = deck.app(Role::Stuck).await;
    assert_eq!(after.rollout, None);
    assert_eq!(after.condition(), Condition::Ok);
    assert!(deck_is_back(&deck, &before, &after).await, "{after:?}");
}

/// Whether what serves is what served before: that revision, or one that was made by going back to it.
async fn deck_is_back(deck: &Deck, before: &App, after: &App) -> bool {
    if id_of(after) == id_of(before) {
        return true;
    }
    let history = deck.platform.revisions(&after.id).await.unwrap();
    let of = |app: &App| history.revisions.iter().find(|one| Some(&one.id) == id_of(app)).unwrap();
    let (was, is) = (of(before), of(after));
    is.made_from.as_ref() == Some(&was.label) && is.artifact == was.artifact
}

/// The deployed revision. Its label may change where the platform counts anew.
fn id_of(app: &App) -> Option<&RevisionId> {
    app.deployed.as_ref().map(|of| &of.id)
}

pub async fn a_chosen_revision_is_rolled_back(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let app = deck.app(Role::Healthy).await;
    let history = deck.platform.revisions(&app.id).await.unwrap();
    let wanted = history.revisions.iter().filter(|one| !one.deployed).nth(1).unwrap().clone();
    let plan = deck
        .plan(Role::Healthy, Operation::RollBack(RollBackTo::Revision(wanted.id.clone())))
        .await;
    assert_eq!(plan.refused, None);
    assert!(!plan.differs.is_empty(), "what differs is said");
    assert!(!plan.capacity.is_empty(), "how it runs is said");
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    let rolling = deck.app(Role::Healthy).await;
    assert_eq!(rolling.condition(), Condition::Rolling);
    done(&deck.follow(receipt).await);
    let after = deck.platform.revisions(&app.id).await.unwrap();
    let deployed = after.revisions.iter().find(|one| one.deployed).unwrap();
    assert_eq!(deployed.artifact, wanted.artifact);
}

pub async fn a_restart_replaces_all(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    if let Some(why) = deck.lacks(Verb::Restart).await {
        let refused = deck.plan(Role::Healthy, Operation::Restart).await.refused;
        assert_eq!(
            refused,
            Some(why),
            "what the platform does not have is refused with its reason"
        );
        return;
    }
    let before = deck.app(Role::Healthy).await;
    done(&deck.carry_out(Role::Healthy, Operation::Restart).await);
    let after = deck.app(Role::Healthy).await;
    let detail = |app: &App| {
        let (id, revision) = (app.id.clone(), id_of(app).unwrap().clone());
        let platform = deck.platform.clone();
        async move { platform.detail(&id, &revision).await.unwrap() }
    };
    let (was, is) = (detail(&before).await, detail(&after).await);
    assert_eq!(differences(&was, &is), [], "what runs stays");
    assert_eq!(after.instances, before.instances);
}

pub async fn a_rollout_is_cancelled(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let before = deck.app(Role::Waiting).await;
    done(&deck.carry_out(Role::Waiting, Operation::Cancel).await);
    let after = deck.app(Role::Waiting).await;
    assert_eq!(after.rollout, None);
    assert_eq!(id_of(&after), id_of(&before));
    let again = deck.plan(Role::Waiting, Operation::Cancel).await;
    assert!(again.refused.is_some_and(|why| why.contains("no rollout")));
}

pub async fn a_canary_goes_on(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    // Stages of a rollout that is no canary are not steps that somebody lets go on.
    let step = |app: &App| {
        let canary = app.rollout.as_ref().filter(|one| one.strategy == Strategy::Canary);
        canary.and_then(revdeck::domain::Rollout::step)
    };
    let before = step(&deck.app(Role::Waiting).await);
    let plan = deck.plan(Role::Waiting, Operation::Continue).await;
    if let (Some(from), Some(to)) = (&plan.from, &plan.to) {
        assert_ne!(from.name, to.name, "from what serves to what comes");
    }
    done(&deck.carry_out(Role::Waiting, Operation::Continue).await);
    let after = deck.app(Role::Waiting).await;
    match before {
        Some(before) => {
            assert_eq!(after.condition(), Condition::Paused);
            assert_eq!(step(&after).unwrap().current, before.current + 1);
        }
        // Where a rollout is held rather than stepped, it goes on to its end.
        None => assert_eq!(after.condition(), Condition::Ok),
    }
    let refused = deck.plan(Role::Stuck, Operation::Continue).await.refused;
    assert!(refused.is_some_and(|why| why.contains("does not wait")));
}

pub async fn a_newer_rollout_supersedes(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let (one, other) =
        (deck.beginning(Role::Healthy, 1).await, deck.beginning(Role::Healthy, 2).await);
    let Sent::Accepted(first) = deck.execute(deck.plan(Role::Healthy, one).await).await else {
        panic!("not taken")
    };
    deck.fixture.pass(1.0);
    let plan = deck.plan(Role::Healthy, other).await;
    let warned = plan
        .notes
        .iter()
        .any(|note| matches!(note, Note::Warning(text) if text.contains("superseded")));
    assert!(warned, "{:?}", plan.notes);
    let Sent::Accepted(second) = deck.execute(plan).await else { panic!("not taken") };
    let outcome = deck.follow(first).await;
    assert!(
        matches!(&outcome, Outcome::Failed(text) if text.contains("took its place")),
        "{outcome:?}"
    );
    done(&deck.follow(second).await);
}

pub async fn what_cannot_be_is_refused(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let app = deck.app(Role::NoWayBack).await;
    let refused =
        deck.plan(Role::NoWayBack, Operation::RollBack(RollBackTo::LastGood)).await.refused;
    assert!(refused.is_some_and(|why| why.contains(&app.name)));
    let history = deck.platform.revisions(&app.id).await.unwrap();
    let oldest = history.revisions.last().unwrap().id.clone();
    let plan = deck.plan(Role::NoWayBack, Operation::RollBack(RollBackTo::Revision(oldest))).await;
    assert!(
        plan.refused.as_ref().is_some_and(|why| {
            why.contains("cannot be deployed") || why.contains("nothing would change")
        }),
        "{:?}",
        plan.refused
    );
    assert!(plan.confirm(revdeck::domain::Consent::Flag).is_err());
    let healthy = deck.app(Role::Healthy).await;
    let now = healthy.deployed.clone().unwrap().id;
    let same =
        deck.plan(Role::Healthy, Operation::RollBack(RollBackTo::Revision(now))).await.refused;
    assert!(same.is_some_and(|why| why.contains("nothing would change")));
    let unknown = Request::new(healthy.id.clone(), Operation::Restart).with("colour", "blue");
    let refused = deck.platform.plan(unknown).await.unwrap_err().to_string();
    assert!(refused.contains("has no option \"colour\" for restart"), "{refused}");
    let nothing = Request::new(healthy.id, Operation::Deploy);
    let refused = deck.platform.plan(nothing).await.unwrap_err().to_string();
    assert!(refused.contains("say what to deploy"), "{refused}");
    assert_eq!(deck.fixture.writes(), 0);
}

pub async fn a_changed_world_refuses_the_plan(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let mine = deck.plan(Role::Healthy, deck.beginning(Role::Healthy, 2).await).await;
    let theirs = deck.plan(Role::Healthy, Operation::RollBack(RollBackTo::LastGood)).await;
    assert!(matches!(deck.execute(theirs).await, Sent::Accepted(_)));
    let writes = deck.fixture.writes();
    let Sent::Ended(Outcome::Refused(why)) = deck.execute(mine).await else {
        panic!("it was sent")
    };
    assert!(why.contains("CHANGED"), "{why}");
    assert_eq!(deck.fixture.writes(), writes, "nothing was sent");
}

pub async fn a_cancelled_roll_back_is_repeated(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let app = deck.app(Role::CancelledRollBack).await;
    let history = deck.platform.revisions(&app.id).await.unwrap();
    let at = history.revisions.iter().position(|one| one.deployed).unwrap();
    let wanted = history.revisions[at + 1].id.clone();
    done(
        &deck
            .carry_out(
                Role::CancelledRollBack,
                Operation::RollBack(RollBackTo::Revision(wanted.clone())),
            )
            .await,
    );
    let after = deck.platform.revisions(&app.id).await.unwrap();
    let artifact =
        |id| after.revisions.iter().find(|one| &one.id == id).and_then(|one| one.artifact.clone());
    let deployed = after.revisions.iter().find(|one| one.deployed).unwrap();
    assert_eq!(deployed.artifact, artifact(&wanted));
    // Not only what runs, but how it is configured.
    let (is, was) = tokio::try_join!(
        deck.platform.detail(&app.id, &deployed.id),
        deck.platform.detail(&app.id, &wanted)
    )
    .unwrap();
    assert_eq!(differences(&was, &is), []);
}

pub async fn taken_back_is_failed(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let plan = deck.plan(Role::Healthy, Operation::RollBack(RollBackTo::LastGood)).await;
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    let cancel = deck.plan(Role::Healthy, Operation::Cancel).await;
    // What cannot be cancelled any more says what to do instead, and that is done.
    let (back, told) = match &cancel.refused {
        None => (cancel, "cancelled"),
        Some(why) => {
            assert!(why.contains("roll back instead"), "{why}");
            (
                deck.plan(Role::Healthy, Operation::RollBack(RollBackTo::LastGood)).await,
                "took its place",
            )
        }
    };
    assert_eq!(back.refused, None);
    assert!(matches!(deck.execute(back).await, Sent::Accepted(_)));
    let outcome = deck.follow(receipt).await;
    assert!(matches!(&outcome, Outcome::Failed(text) if text.contains(told)), "{outcome:?}");
}

pub async fn a_plan_sends_nothing(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    for role in
        [Role::Stuck, Role::Healthy, Role::Waiting, Role::CancelledRollBack, Role::NoWayBack]
    {
        let app = deck.app(role).await;
        for operation in [
            Operation::RollBack(RollBackTo::LastGood),
            Operation::Cancel,
            Operation::Continue,
            Operation::Restart,
        ] {
            deck.platform.plan(Request::new(app.id.clone(), operation)).await.unwrap();
        }
    }
    assert_eq!(deck.fixture.writes(), 0);
}

/// The end of a rollout is told, whoever began it; its receipt can be written down and read again.
pub async fn a_rollout_of_somebody_else_is_followed(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let plan = deck.plan(Role::Healthy, Operation::RollBack(RollBackTo::LastGood)).await;
    assert!(matches!(deck.execute(plan).await, Sent::Accepted(_)));
    let mut followed = None;
    for _ in 0..40 {
        let app = deck.app(Role::Healthy).await;
        followed = operation::follow(deck.platform.as_ref(), &app);
        if followed.is_some() {
            break;
        }
        deck.fixture.pass(0.5);
    }
    let receipt = followed.expect("it rolls");
    let text = serde_json::to_string(&receipt).unwrap();
    let read: revdeck::domain::Receipt = serde_json::from_str(&text).unwrap();
    assert_eq!(read, receipt);
    let told = done(&deck.follow(read).await).to_owned();
    assert!(told.contains(" is on "), "{told}");
    // Nothing rolls any more, so there is nothing to follow.
    assert_eq!(operation::follow(deck.platform.as_ref(), &deck.app(Role::Healthy).await), None);
}

/// Every rollout in progress can be followed, of whatever kind its app is, and is not taken for somebody else's.
pub async fn every_rollout_is_followed(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let apps = deck.platform.apps(&Scope::Everything).await.unwrap();
    let mut followed = 0;
    for app in apps.iter().filter(|app| app.rollout.is_some()) {
        let receipt = operation::follow(deck.platform.as_ref(), app);
        let receipt = receipt.unwrap_or_else(|| panic!("{} cannot be followed", app.name));
        let settled = operation::settle(deck.platform.as_ref(), &receipt).await.unwrap();
        match settled {
            Settlement::Pending { .. } => {}
            // What is stuck may be called failed, for a reason of its own.
            Settlement::Ended(outcome) | Settlement::Open(outcome) => {
                let stuck = app.rollout.as_ref().is_some_and(|one| one.stuck.is_some());
                assert!(stuck, "{}: {outcome:?}", app.name);
                assert!(!outcome.text().contains("took its place"), "{}: {outcome:?}", app.name);
            }
            Settlement::Unfinished(_) => panic!("nothing of {} is ours to finish", app.name),
        }
        followed += 1;
    }
    assert!(followed >= 2, "{followed} of {} roll", apps.len());
}
