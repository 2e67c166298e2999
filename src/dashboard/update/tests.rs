//! Key scripts: what was pressed, what came of it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::{
    super::{Effect, Event, Panel, TargetState, dialog::Layer, keymap::COMMANDS},
    script::{Script, app, plan, receipt, start},
};
use crate::domain::{AppId, AppKey, Note, Phase, Problem, ProblemKind, Report, TargetId, VERBS};

#[test]
fn the_broken_app_is_on_top_and_selected() {
    let script = Script::incident();
    assert_eq!(script.state.app().unwrap().name, "checkout");
    assert_eq!(script.state.selected_revision().unwrap().label, "7");
}

#[test]
fn two_keys_roll_back() {
    let mut script = Script::incident();
    script.keys("R");
    script.planned();
    script.pass(400);
    script.keys("y");
    assert!(script.executed().is_some());
    assert!(script.state.layers.is_empty());
}

#[test]
fn a_key_pressed_before_the_plan_was_seen_does_not_confirm() {
    let mut script = Script::incident();
    script.keys("R y");
    assert_eq!(script.executed(), None, "the plan is not there");
    let mut script = Script::incident();
    script.keys("R");
    script.planned();
    script.keys("y");
    assert_eq!(script.executed(), None, "the plan was only just painted");
    assert!(script.hint().contains("read it first"));
    script.pass(400);
    script.keys("y");
    assert!(script.executed().is_some());
}

/// A reason is no news: what was read before it was written needs not be read once more.
#[test]
fn a_plan_that_got_a_reason_was_read_before() {
    let mut script = Script::incident();
    script.keys("R");
    script.planned();
    script.pass(400);
    script.keys("w s l o w Enter");
    assert_eq!(script.executed(), None);
    script.planned();
    script.keys("y");
    assert!(script.executed().is_some(), "{}", script.hint());
}

#[test]
fn a_plan_longer_than_the_screen_must_be_scrolled_to_its_end() {
    let mut script = Script::incident();
    script.event(Event::Resize(60, 12));
    script.keys("R");
    let Effect::Plan { id, request, .. } = script.effects[0].clone() else { panic!() };
    let mut long = plan(request, script.at);
    long.notes = (0..20).map(|n| Note::Info(format!("note {n}"))).collect();
    script.event(Event::Planned { id, plan: Box::new(Ok(long)) });
    script.event(Event::Painted);
    script.pass(1_000);
    script.keys("y");
    assert_eq!(script.executed(), None);
    assert!(script.hint().contains("scroll"));
    script.keys("Down Down Down Down Down Down Down Down");
    script.pass(1_000);
    script.keys("y");
    assert!(script.executed().is_some());
}

#[test]
fn neither_enter_nor_the_opening_key_confirms() {
    for keys in ["Enter", "R", "Enter Enter", "Space", "Tab"] {
        let mut script = Script::incident();
        script.keys("R");
        script.planned();
        script.pass(1_000);
        script.keys(keys);
        assert_eq!(script.executed(), None, "{keys}");
    }
}

#[test]
fn leaving_sends_nothing() {
    for key in ["Esc", "n"] {
        let mut script = Script::incident();
        script.keys("R");
        script.planned();
        script.pass(1_000);
        script.keys(key);
        assert!(script.state.layers.is_empty());
        assert_eq!(script.executed(), None);
    }
}

#[test]
fn a_changed_world_voids_the_plan_until_it_is_made_anew() {
    let mut script = Script::incident();
    script.keys("R");
    script.planned();
    script.pass(1_000);
    script.apps(vec![app("checkout", None)]);
    script.keys("y");
    assert_eq!(script.executed(), None);
    assert!(
        script.hint().contains("CHANGED: the rollout in progress has ended"),
        "{}",
        script.hint()
    );
    script.keys("p");
    script.planned();
    script.pass(1_000);
    script.keys("y");
    assert!(script.executed().is_some());
}

#[test]
fn while_blind_nothing_is_sent_and_nothing_is_lost() {
    let mut script = Script::incident();
    let problem =
        Problem { kind: ProblemKind::Unreachable, text: "the API cannot be reached".to_owned() };
    let retry_at = script.at;
    script.event(Event::Report {
        target: TargetId::new("cf"),
        report: Report::Problem { problem, retry_at },
    });
    assert_eq!(script.state.listed.len(), 3, "the rows stay");
    script.keys("R");
    assert!(script.state.layers.is_empty());
    assert!(script.hint().contains("nothing is sent while blind"), "{}", script.hint());
    script.apps(vec![app("checkout", Some(Phase::Stuck))]);
    script.keys("R");
    assert_eq!(script.state.layers.len(), 1);
}

#[test]
fn stale_data_is_blind_too() {
    let mut script = Script::incident();
    script.pass(60_000);
    script.event(Event::Tick);
    script.keys("c");
    assert!(script.hint().contains("old"), "{}", script.hint());
}

#[test]
fn read_only_refuses_every_operation() {
    let changing = COMMANDS.iter().filter(|(command, ..)| !command.verbs().is_empty());
    let of_deck: BTreeSet<_> = changing.clone().flat_map(|(command, ..)| command.verbs()).collect();
    assert_eq!(of_deck.len(), VERBS.len(), "a verb has no key");
    for (command, ..) in changing {
        let mut script = Script::incident();
        script.state.read_only = true;
        let key = script.state.keymap.hint(*command);
        script.keys(&key);
        assert!(script.state.layers.is_empty(), "{key}");
        assert!(script.hint().contains("--read-only"), "{key}");
    }
}

#[test]
fn what_a_platform_cannot_do_is_refused_with_its_reason() {
    let commands = COMMANDS.iter().filter(|(command, ..)| !command.verbs().is_empty());
    for (command, ..) in commands {
        let mut script = Script::incident();
        for verb in command.verbs() {
            let target = TargetId::new("cf");
            if let Some(of) = script.state.targets.iter_mut().find(|one| one.target.id == target) {
                of.capabilities = of.capabilities.clone().without(*verb, "not on Sundays");
            }
        }
        let key = script.state.keymap.hint(*command);
        script.keys(&key);
        assert!(script.state.layers.is_empty(), "{key}");
        assert!(script.hint().contains("not on Sundays"), "{key}: {}", script.hint());
    }
}

#[test]
fn what_cannot_be_done_says_why() {
    let mut script = Script::incident();
    script.keys("n");
    assert!(script.hint().contains("does not wait for anybody"));
    script.keys("Tab G");
    assert_eq!(script.state.selected_revision().unwrap().label, "5");
    script.keys("r");
    assert!(
        script.hint().contains("rev 5 cannot be deployed: its droplet no longer exists"),
        "{}",
        script.hint()
    );
}

#[test]
fn a_revision_that_was_pruned_while_selected_is_not_silently_another_one() {
    let mut script = Script::incident();
    script.keys("Tab Down Down");
    let selected = script.state.selected_revision().unwrap().clone();
    let mut history = script.state.history().unwrap().clone();
    history.revisions.retain(|one| one.id != selected.id);
    let report = Report::History { app: AppId::new("checkout"), history };
    script.event(Event::Report { target: TargetId::new("cf"), report });
    script.keys("r");
    assert!(script.state.layers.is_empty());
    assert!(script.hint().contains("it was pruned"), "{}", script.hint());
    script.keys("Up r");
    assert_eq!(script.state.layers.len(), 1, "{}", script.hint());
}

#[test]
fn an_app_that_is_deleted_under_its_plan_voids_it() {
    let mut script = Script::incident();
    script.keys("R");
    script.planned();
    script.pass(1_000);
    let (at, fresh_for) = (script.at, SignedDuration::from_secs(5));
    let gone = vec![AppId::new("checkout")];
    let report = Report::Apps { changed: Vec::new(), gone, at, fresh_for };
    script.event(Event::Report { target: TargetId::new("cf"), report });
    script.keys("y");
    assert_eq!(script.executed(), None);
    assert!(script.hint().contains("the app is gone"), "{}", script.hint());
}

#[test]
fn what_is_new_is_painted_at_once_and_mere_progress_in_its_time() {
    let mut script = Script::incident();
    let mut rolling = app("checkout", Some(Phase::Rolling));
    script.apps(vec![rolling.clone()]);
    assert!(script.effects.contains(&Effect::ShowNow));
    rolling.rollout.as_mut().unwrap().new.desired += 1;
    script.apps(vec![rolling.clone()]);
    assert!(!script.effects.contains(&Effect::ShowNow), "one more instance");
    rolling.rollout.as_mut().unwrap().phase = Phase::Paused;
    script.apps(vec![rolling]);
    assert!(script.effects.contains(&Effect::ShowNow));
}

#[test]
fn a_second_roll_back_in_a_hurry_goes_no_further_back() {
    let mut script = Script::incident();
    let id = script.roll_back();
    let receipt = receipt(None, false);
    script.event(Event::Accepted { id, receipt: Box::new(receipt) });
    script.keys("R");
    assert!(script.state.layers.is_empty());
    assert!(script.hint().contains("is under way"), "{}", script.hint());
}

/// Two logins that reach the same app, as `kubernetes:a` and `kubernetes:a/shop` do.
#[test]
fn two_targets_that_overlap_have_a_row_each_and_lose_only_their_own() {
    let mut script = Script::incident();
    let other = TargetId::new("cf:acme/prod");
    let mut target = script.state.targets[0].target.clone();
    target.id = other.clone();
    script.state.targets.push(TargetState::new(target));
    let mut twin = app("checkout", Some(Phase::Stuck));
    twin.target = other.clone();
    let (at, fresh_for) = (script.at, SignedDuration::from_secs(5));
    let report = |changed| Report::Apps { changed, gone: Vec::new(), at, fresh_for };
    script.event(Event::Report { target: other.clone(), report: report(vec![twin.clone()]) });
    assert_eq!(script.state.listed.len(), 4);
    // What one of them reports changes nothing of the other's row.
    twin.rollout = None;
    script.event(Event::Report { target: other.clone(), report: report(vec![twin]) });
    assert_eq!(script.state.app().unwrap().target, TargetId::new("cf"));
    assert!(script.state.app().unwrap().rollout.is_some());
    script.state.selected = Some(AppKey::new(other.clone(), AppId::new("checkout")));
    script.keys("R");
    let through = script.effects.iter().find_map(|effect| match effect {
        Effect::Plan { target, .. } => Some(target.clone()),
        _ => None,
    });
    assert_eq!(through, Some(other.clone()), "each acts through its own login");
    script.event(Event::Report { target: other, report: Report::Reset });
    assert_eq!(script.state.listed.len(), 3, "and takes only its own rows away");
}

#[test]
fn a_problem_of_one_target_does_not_blind_the_other() {
    let mut script = Script::incident();
    let other = TargetId::new("k8s");
    let mut target = script.state.targets[0].target.clone();
    target.id = other.clone();
    script.state.targets.push(TargetState::new(target));
    let mut there = app("there", Some(Phase::Rolling));
    there.target = other.clone();
    let (at, fresh_for) = (script.at, SignedDuration::from_secs(5));
    let report = Report::Apps { changed: vec![there], gone: Vec::new(), at, fresh_for };
    script.event(Event::Report { target: other.clone(), report });
    let problem = Problem { kind: ProblemKind::Unreachable, text: "no route".to_owned() };
    let report = Report::Problem { problem, retry_at: script.at };
    script.event(Event::Report { target: TargetId::new("cf"), report });
    script.keys("R");
    assert!(script.hint().contains("no route"), "{}", script.hint());
    script.keys("Esc Down");
    assert_eq!(script.state.app().unwrap().name, "there");
    script.keys("R");
    let asked = script
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Plan { target, .. } if *target == other));
    assert!(asked, "{:?}", script.effects);
    script.event(Event::Report { target: other, report: Report::Reset });
    assert_eq!(script.state.apps.len(), 3, "the other target's apps stay");
}

#[test]
fn the_reason_goes_into_a_new_plan() {
    let mut script = Script::incident();
    script.keys("R");
    script.planned();
    script.keys("w o o m Enter");
    let Some(Effect::Plan { request, .. }) = script.effects.first() else { panic!("no new plan") };
    assert_eq!(request.reason.as_deref(), Some("oom"));
    assert_eq!(script.executed(), None);
}

#[test]
fn deploy_asks_for_a_plan_with_its_fields() {
    let mut script = Script::incident();
    script.keys("d Enter");
    let Some(Layer::Deploy(form)) = script.state.layers.last() else { panic!("it stays open") };
    assert_eq!(form.wrong.as_deref(), Some("say what to deploy: one of image"));
    script.keys("w e b : 2 Tab c a n a r y Enter");
    let Some(Effect::Plan { request, .. }) = script.effects.first() else {
        panic!("no plan: {:?}", script.state.layers)
    };
    assert_eq!(request.options.get("image"), Some("web:2"));
    assert_eq!(request.options.get("strategy"), Some("canary"));
}

#[test]
fn panels_turn_both_ways() {
    let mut script = Script::incident();
    script.keys("Tab");
    assert_eq!(script.state.panel, Panel::Revisions);
    script.keys("BackTab BackTab");
    assert_eq!(script.state.panel, Panel::Rollout);
}

fn any_event() -> impl Strategy<Value = Event> {
    let keys = [
        "R", "r", "y", "n", "c", "d", "s", "Enter", "Esc", "Tab", "j", "k", "g", "G", "/", "f",
        "D", "e", "L", "t", ":", "?", "w", "p", "v", "Space", "Down", "x", "C-u",
    ];
    prop_oneof![
        8 => (0..keys.len()).prop_map(move |at| Event::Key(keys[at].parse().unwrap())),
        2 => Just(Event::Painted),
        1 => Just(Event::Tick),
        1 => (1_u16..200, 1_u16..80).prop_map(|(columns, rows)| Event::Resize(columns, rows)),
        1 => any::<String>().prop_map(Event::Paste),
        1 => any::<bool>().prop_map(|rolling| {
            let phase = rolling.then_some(Phase::Stuck);
            let fresh_for = SignedDuration::from_secs(3_600);
            Event::Report { target: TargetId::new("cf"), report: Report::Apps { changed: vec![app("checkout", phase)], gone: vec![], at: start(), fresh_for } }
        }),
        1 => Just(Event::Report { target: TargetId::new("cf"), report: Report::Reset }),
    ]
}

proptest! {
    /// Whatever is pressed: nothing is sent but by `y` on a plan that is there, whole, seen, and still true; and never
    /// twice for one plan.
    #[test]
    fn only_a_seen_plan_is_ever_executed(events in proptest::collection::vec((any_event(), 0_i64..800), 0..120)) {
        let mut script = Script::incident();
        for (event, wait) in events {
            script.pass(wait);
            let confirmable = match script.state.layers.last() {
                Some(Layer::Plan(dialog)) => {
                    let seen = dialog.shown_at.is_some_and(|at| script.at.duration_since(at) >= SignedDuration::from_millis(250));
                    seen && dialog.void.is_none() && dialog.why.is_none() && matches!(dialog.plan, Some(Ok(_)))
                }
                _ => false,
            };
            let is_yes = matches!(&event, Event::Key(key) if key.to_string() == "y");
            script.event(event);
            let sent = script.effects.iter().filter(|one| matches!(one, Effect::Execute { .. })).count();
            prop_assert!(sent <= usize::from(confirmable && is_yes));
            let plans: Vec<_> = script.effects.iter().filter_map(|one| match one {
                Effect::Plan { id, request, .. } => Some((*id, request.clone())),
                _ => None,
            }).collect();
            for (id, request) in plans {
                let made = plan(request, script.at);
                script.event(Event::Planned { id, plan: Box::new(Ok(made)) });
            }
        }
    }
}

/// Who leaves the filter wanted nothing of it: the keys mean the app that they meant before.
#[test]
fn leaving_the_filter_selects_what_was_selected() {
    let mut script = Script::incident();
    script.keys("Down");
    let selected = script.state.selected.clone();
    let name = |script: &Script| script.state.app().map(|app| app.name.clone()).unwrap();
    assert_ne!(name(&script), "checkout");
    for typed in ["c h e c k", "z z z"] {
        script.keys(&format!("/ {typed}"));
        assert_ne!(script.state.selected, selected);
        script.keys("Esc");
        assert_eq!(script.state.selected, selected, "{typed}");
    }
    // Enter keeps what was found.
    script.keys("/ c h e c k Enter");
    assert_eq!(name(&script), "checkout");
}

/// While an operation of ours is open no row changes its place.
#[test]
fn rows_keep_their_places_while_something_of_ours_runs() {
    let mut script = Script::incident();
    script.apps(vec![app("zebra", Some(Phase::Stuck))]);
    let before = script.state.listed.clone();
    assert_eq!(script.state.selected, before.first().cloned());
    script.keys("R");
    script.planned();
    script.pass(400);
    script.keys("y");
    assert_eq!(script.state.running.len(), 1);
    let mut one = script.state.app().unwrap().clone();
    one.rollout.as_mut().unwrap().phase = Phase::Cancelling;
    script.apps(vec![one]);
    assert_eq!(script.state.listed, before);
}
