//! Operations under way: followed, taken up again after a restart, and not left by accident.

use super::{
    super::{Effect, Event, Hindrance, Notice, dialog::Layer},
    script::{Script, app, receipt},
};
use crate::domain::{Outcome, Receipt, Report, Settlement, Standing, Target, TargetId};

#[test]
fn an_operation_is_followed_to_its_end() {
    let mut script = Script::incident();
    let id = script.roll_back();
    let receipt = receipt(Some("rollout-1"), true);
    script.event(Event::Accepted { id, receipt: Box::new(receipt.clone()) });
    let settles = |script: &Script| {
        script.effects.iter().filter(|one| matches!(one, Effect::Settle { .. })).count()
    };
    assert_eq!(settles(&script), 1, "a lost answer is looked for at once");
    script.event(Event::Tick);
    assert_eq!(settles(&script), 0, "one look at a time");
    let pending = Settlement::Pending {
        standing: Standing::Rolling,
        receipt: Box::new(receipt),
        rollout: None,
    };
    script.event(Event::Settled { id, settlement: Box::new(Ok(pending)) });
    script.pass(6_000);
    script.event(Event::Tick);
    assert_eq!(settles(&script), 1);
    let done = Outcome::Done("checkout is back on rev 7".to_owned());
    script.event(Event::Settled { id, settlement: Box::new(Ok(Settlement::Ended(done.clone()))) });
    assert_eq!(script.state.notice, Some(Notice::Outcome(done)));
    assert!(script.state.running.is_empty());
    assert!(script.effects.iter().any(|one| matches!(one, Effect::Journal { .. })));
    // Pressed once more by nerves, the plan says what that would leave.
    let warned = |script: &Script| {
        let Some(Layer::Plan(dialog)) = script.state.layers.last() else { panic!("no plan") };
        let plan = dialog.plan.as_ref().unwrap().as_ref().unwrap();
        plan.notes.first().is_some_and(|note| note.text().contains("goes one further back"))
    };
    script.apps(vec![app("checkout", None)]);
    script.keys("R");
    script.planned();
    assert!(warned(&script));
    script.keys("Esc");
    script.pass(3_600_000);
    script.apps(vec![app("checkout", None)]);
    script.keys("R");
    script.planned();
    assert!(!warned(&script), "an hour later it is another story");
}

/// What an earlier run has sent and not seen the end of is taken up again.
#[test]
fn operations_of_earlier_runs_are_taken_up() {
    let mut script = Script::incident();
    let mut elsewhere = receipt(None, true);
    elsewhere.app.target = TargetId::new("gone");
    script.state.open = vec![receipt(Some("rollout-1"), true), elsewhere];
    let effects = super::begin(&mut script.state);
    assert!(matches!(effects.as_slice(), [Effect::Resume { .. }]), "{effects:?}");
    assert!(script.hint().contains("cancel of checkout"), "{}", script.hint());
    script.keys("R");
    assert!(script.hint().contains("is being sent"), "one at a time: {}", script.hint());
    // Nothing is sent where nothing may be.
    let mut script = Script::incident();
    script.state.read_only = true;
    script.state.open = vec![receipt(Some("rollout-1"), true)];
    assert!(super::begin(&mut script.state).is_empty());
    script.event(Event::Tick);
    assert!(script.effects.iter().any(|effect| matches!(effect, Effect::Settle { .. })));
}

#[test]
fn leaving_while_something_is_sent_asks_once() {
    let mut script = Script::incident();
    script.keys("R");
    script.planned();
    script.pass(400);
    script.keys("y q");
    assert!(script.hint().contains("is being sent: q again leaves"), "{}", script.hint());
    assert!(!script.effects.contains(&Effect::Quit));
    script.keys("q");
    assert!(script.effects.contains(&Effect::Quit));
}

#[test]
fn without_a_journal_nothing_is_sent_until_somebody_agrees() {
    let mut script = Script::incident();
    let id = script.roll_back();
    script.event(Event::NoJournal { id, why: "read-only file system".to_owned() });
    let Some(Notice::Outcome(Outcome::Refused(text))) = &script.state.notice else { panic!() };
    assert!(text.contains("read-only file system") && text.contains("C-j goes on"), "{text}");
    assert!(script.state.running.is_empty());
    script.keys("C-j");
    assert_eq!(script.effects, [Effect::WithoutJournal]);
}

/// Two that end at the same moment are both read; whoever goes on has read the first one.
#[test]
fn no_outcome_takes_the_place_of_one_that_nobody_has_read() {
    let mut script = Script::incident();
    let end = |script: &mut Script, text: &str| {
        script.keys("s");
        script.planned();
        script.pass(1_000);
        script.keys("y");
        let id = script.executed().unwrap();
        script.event(Event::Accepted { id, receipt: Box::new(receipt(Some("rollout-1"), false)) });
        (id, Outcome::Done(text.to_owned()))
    };
    let shown = |script: &Script| match &script.state.notice {
        Some(Notice::Outcome(outcome)) => outcome.text().to_owned(),
        other => panic!("{other:?}"),
    };
    let ends = [end(&mut script, "one"), end(&mut script, "two"), end(&mut script, "three")];
    script.pass(1_000);
    for (id, outcome) in ends {
        script.event(Event::Ended { id, outcome });
    }
    assert_eq!(shown(&script), "one");
    script.pass(5_000);
    script.event(Event::Tick);
    assert_eq!(shown(&script), "one", "it stands for a while");
    script.pass(4_000);
    script.event(Event::Tick);
    assert_eq!(shown(&script), "two");
    script.pass(1_000);
    script.keys("j");
    script.event(Event::Tick);
    assert_eq!(shown(&script), "three", "who goes on has read it");
}

/// A name may lead elsewhere by now, lines of the journal may be unreadable, and an end may not get into it: each is said.
#[test]
fn what_the_journal_cannot_tell_or_take_is_said() {
    let mut script = Script::incident();
    let receipt = receipt(Some("rollout-1"), true);
    let elsewhere = Receipt { api: "https://api.other".to_owned(), ..receipt };
    script.state.open = vec![elsewhere];
    script.state.complaints =
        vec!["line 3 of the journal is cut in half".to_owned(), "more".to_owned()];
    assert!(
        super::begin(&mut script.state).is_empty(),
        "nothing of it is sent or looked for there"
    );
    assert!(script.state.running.is_empty());
    let said = script.hint().to_owned();
    assert!(
        said.contains("cancel of checkout") && said.contains("line 3 of the journal"),
        "{said}"
    );
    assert!(said.contains("1 more"), "{said}");
    script.state.notice = Some(Notice::Outcome(Outcome::Done("it is so".to_owned())));
    script.event(Event::Journalled { failed: Some("disk full".to_owned()) });
    let Some(Notice::Outcome(outcome)) = &script.state.notice else { panic!() };
    assert!(outcome.text().starts_with("it is so; its end could not be written down (disk full)"));
}

/// What cannot be gone on with is followed at the usual pace and tried again, never at once: the platform would be asked
/// without end.
#[test]
fn what_is_not_taken_up_is_tried_again_after_a_while() {
    let settles = |script: &mut Script| {
        script.event(Event::Tick);
        script.effects.iter().any(|effect| matches!(effect, Effect::Settle { .. }))
    };
    for why in [Hindrance::Followed, Hindrance::Journal("read-only file system".to_owned())] {
        let mut script = Script::incident();
        let open = receipt(Some("rollout-1"), true);
        script.state.open = vec![open.clone()];
        let [Effect::Resume { id, .. }] = super::begin(&mut script.state)[..] else { panic!() };
        let refuse = |script: &mut Script| {
            let (receipt, why) = (Box::new(open.clone()), why.clone());
            script.event(Event::NotTakenUp { id, receipt, why });
        };
        for _ in 0..3 {
            refuse(&mut script);
            script.state.running[0].standing = Some(Standing::Rolling);
            assert!(!settles(&mut script), "at once");
            script.pass(4_000);
            assert!(!settles(&mut script), "too early");
            script.apps(vec![app("checkout", None)]);
            let news = script.effects.iter().any(|one| matches!(one, Effect::Settle { .. }));
            assert!(!news, "whatever comes in between");
            script.pass(2_000);
            assert!(settles(&mut script), "it is followed");
            let settlement = Box::new(Ok(Settlement::Unfinished(Box::new(open.clone()))));
            script.event(Event::Settled { id, settlement });
            assert!(matches!(script.effects.as_slice(), [Effect::Resume { .. }]));
        }
        refuse(&mut script);
        let line = script.state.running[0].line.clone();
        match why {
            Hindrance::Followed => assert!(line.contains("another revdeck follows it"), "{line}"),
            Hindrance::Journal(_) => {
                assert!(line.contains("read-only file system"), "{line}");
                assert!(line.contains("C-j goes on without the journal"), "{line}");
                script.keys("C-j");
                assert!(settles(&mut script), "somebody has agreed");
            }
        }
        // Whoever follows it has ended it: that is told, and not written down once more.
        let outcome = Outcome::Done("checkout is back on rev 7".to_owned());
        script.event(Event::EndedElsewhere { id, outcome });
        assert!(script.state.running.is_empty());
        assert!(!script.effects.iter().any(|effect| matches!(effect, Effect::Journal { .. })));
        script.pass(10_000);
        script.event(Event::Tick);
        let Some(Notice::Outcome(Outcome::Done(_))) = &script.state.notice else { panic!() };
    }
}

/// What the look finds and the sending cannot confirm is not asked for without a pause either.
#[test]
fn what_is_left_is_not_tried_at_once_where_it_was_tried_in_vain() {
    let mut script = Script::incident();
    let id = script.roll_back();
    let lost = Receipt { lost: true, ..receipt(Some("rollout-1"), true) };
    let settles = |script: &Script| {
        script.effects.iter().any(|effect| matches!(effect, Effect::Settle { .. }))
    };
    script.event(Event::Accepted { id, receipt: Box::new(lost.clone()) });
    assert!(settles(&script), "a lost answer is looked for at once");
    for _ in 0..3 {
        let settlement = Box::new(Ok(Settlement::Unfinished(Box::new(lost.clone()))));
        script.event(Event::Settled { id, settlement });
        assert!(matches!(script.effects.as_slice(), [Effect::Resume { .. }]));
        script.event(Event::Accepted { id, receipt: Box::new(lost.clone()) });
        assert!(!settles(&script), "at once");
        script.pass(5_000);
        script.event(Event::Tick);
        assert!(settles(&script));
    }
}

/// A login that can be opened later only: what was sent there is taken up then.
#[test]
fn what_is_on_a_target_that_opens_later_is_taken_up_then() {
    let mut script = Script::incident();
    let target = script.state.targets[0].target.clone();
    script.state.targets[0].target.api.clear();
    let api = "https://api.example".to_owned();
    script.state.open = vec![Receipt { api: api.clone(), ..receipt(Some("rollout-1"), true) }];
    assert!(super::begin(&mut script.state).is_empty());
    assert!(script.hint().contains("as soon as their targets can be opened"), "{}", script.hint());
    let report = Report::Target(Target { api, ..target.clone() });
    script.event(Event::Report { target: target.id, report });
    assert!(matches!(script.effects.as_slice(), [Effect::Resume { .. }]), "{:?}", script.effects);
    assert!(script.state.open.is_empty());
}
