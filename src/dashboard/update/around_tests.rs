//! What stands around a rollout: the page of instances, the log, and words for those who look elsewhere.

use jiff::SignedDuration;

use super::{
    super::{
        Effect, Event, Panel,
        dialog::{InstanceOrder, Layer},
        log_page::LogRow,
    },
    script::{Script, app, key, reference, side},
};
use crate::domain::{
    INSTANCE, InstanceState, Judgement, LogBatch, LogLine, Note, Operation, Phase, Problem,
    ProblemKind, Reading, SideName,
};

fn told(script: &Script) -> Vec<String> {
    let text = |effect: &Effect| match effect {
        Effect::Notify(text) => Some(text.clone()),
        _ => None,
    };
    script.effects.iter().filter_map(text).collect()
}

/// The identifier of the page on top, which was asked for.
fn asked(script: &Script) -> u64 {
    let id = script.effects.iter().find_map(|effect| match effect {
        Effect::Instances { id, .. } | Effect::Log { id, .. } => Some(*id),
        _ => None,
    });
    id.expect("nothing was asked for")
}

fn read(script: &mut Script, id: u64, reading: Result<Reading, Problem>) {
    script.event(Event::Instances { id, app: key("checkout"), reading: Box::new(reading) });
}

fn checkout(script: &Script) -> Reading {
    let mut app = app("checkout", Some(Phase::Stuck));
    let rollout = app.rollout.as_mut().unwrap();
    rollout.new = side(2, &[InstanceState::Crashed, InstanceState::Running]);
    (rollout.from, rollout.to) = (Some(reference("7")), Some(reference("8")));
    let mut reading = Reading::of(&app, script.at);
    for one in &mut reading.instances {
        let since = script.at - SignedDuration::from_mins(5);
        let count = u32::from(one.side == SideName::New) * 3;
        one.restarts = Some(crate::domain::Restarts { count, since });
        one.id = format!("{}/{}", one.side.word(), one.id);
    }
    reading
}

#[test]
fn what_matters_is_told_once_to_who_looks_elsewhere() {
    let mut script = Script::incident();
    assert_eq!(script.state.title(), "STUCK checkout · revdeck");
    script.apps(vec![app("web", Some(Phase::Rolling))]);
    assert!(told(&script).is_empty(), "that it rolls is no news");
    script.apps(vec![app("web", Some(Phase::Stuck))]);
    assert!(told(&script)[0].starts_with("STUCK web"), "{:?}", told(&script));
    script.apps(vec![app("web", Some(Phase::Stuck))]);
    assert!(told(&script).is_empty(), "once");

    // Who has just pressed a key sees what is selected.
    script.keys("k");
    let selected = script.state.app().unwrap().name.clone();
    script.apps(vec![app(&selected, None)]);
    script.apps(vec![app(&selected, Some(Phase::Stuck))]);
    assert!(told(&script).is_empty());
    script.event(Event::Focus(false));
    script.apps(vec![app(&selected, None)]);
    script.apps(vec![app(&selected, Some(Phase::Stuck))]);
    assert_eq!(told(&script).len(), 1, "the window is in the background");
    script.keys("N");
    script.apps(vec![app(&selected, None)]);
    script.apps(vec![app(&selected, Some(Phase::Stuck))]);
    assert!(told(&script).is_empty(), "it is kept quiet");
}

#[test]
fn instances_are_read_while_somebody_looks_and_only_then() {
    let mut script = Script::incident();
    script.keys("i");
    let id = asked(&script);
    let reading = checkout(&script);
    read(&mut script, id, Ok(reading));
    script.event(Event::Focus(false));
    let verdict = script.state.known().unwrap().verdict(&script.state.thresholds, script.at);
    assert_eq!(verdict.unwrap().judgement, Judgement::Worse);
    script.pass(14_000);
    script.event(Event::Tick);
    assert!(script.effects.iter().all(|effect| !matches!(effect, Effect::Instances { .. })));
    script.pass(2_000);
    script.event(Event::Tick);
    assert_eq!(asked(&script), id, "after its pace it is read again");
    script.event(Event::Tick);
    assert!(
        script.effects.iter().all(|effect| !matches!(effect, Effect::Instances { .. })),
        "once"
    );
    // What fails leaves what was read.
    let problem = Problem { kind: ProblemKind::Unreachable, text: "it does not answer".to_owned() };
    read(&mut script, id, Err(problem));
    assert!(script.state.known().unwrap().recording.is_some());
    script.pass(20_000);
    script.event(Event::Tick);
    assert_eq!(asked(&script), id, "and is tried again");
    script.keys("Esc");
    script.pass(60_000);
    script.event(Event::Tick);
    assert!(script.effects.iter().all(|effect| !matches!(effect, Effect::Instances { .. })));
}

#[test]
fn the_selected_instance_is_restarted_by_a_plan_and_its_log_is_opened() {
    let mut script = Script::incident();
    script.keys("i");
    let id = asked(&script);
    let reading = checkout(&script);
    read(&mut script, id, Ok(reading));
    script.keys("o");
    let Some(Layer::Instances(page)) = script.state.layers.last() else { panic!("it is open") };
    assert_eq!(page.order, InstanceOrder::State);
    script.keys("j x");
    let asked = script.effects.iter().find_map(|effect| match effect {
        Effect::Plan { request, .. } => Some(request.clone()),
        _ => None,
    });
    let request = asked.unwrap();
    assert_eq!(request.operation, Operation::Restart);
    let chosen = request.options.get(INSTANCE.name).unwrap().to_owned();
    script.keys("Esc L");
    let query = script.effects.iter().find_map(|effect| match effect {
        Effect::Log { query, .. } => Some(query.clone()),
        _ => None,
    });
    assert_eq!(query.unwrap().instance, Some(chosen));
}

#[test]
fn who_lets_a_rollout_go_on_is_told_that_its_new_side_is_worse() {
    let mut script = Script::incident();
    let mut waits = app("checkout", Some(Phase::Paused));
    waits.rollout.as_mut().unwrap().new = side(2, &[InstanceState::Crashed]);
    script.apps(vec![waits]);
    let warned = |script: &mut Script| {
        script.keys("n");
        script.planned();
        let Some(Layer::Plan(dialog)) = script.state.layers.last() else { panic!("it is open") };
        let Some(Ok(plan)) = &dialog.plan else { panic!("it is there") };
        assert_eq!(plan.request.operation, Operation::Continue);
        let notes: Vec<_> = plan.notes.clone();
        script.keys("Esc");
        notes
    };
    assert!(warned(&mut script).is_empty(), "nothing was read, and nothing is said");
    script.keys("i");
    let id = asked(&script);
    let reading = checkout(&script);
    read(&mut script, id, Ok(reading));
    script.keys("Esc");
    let notes = warned(&mut script);
    let [Note::Warning(text)] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(text.starts_with("the new side is WORSE: "), "{text}");
}

#[test]
fn a_log_is_ended_with_its_page() {
    let mut script = Script::incident();
    script.keys("L");
    let id = asked(&script);
    let line = LogLine {
        at: script.at,
        source: "web/0".to_owned(),
        revision: None,
        side: Some(SideName::New),
        text: "fatal".to_owned(),
        error: true,
    };
    script.event(Event::Log { id, batch: LogBatch { lines: vec![line], mark: None } });
    script.keys("1");
    let Some(Layer::Logs(page)) = script.state.layers.last() else { panic!("it is open") };
    assert_eq!(page.shown().count(), 0, "it is of the new side");
    script.keys("3 /");
    script.keys("f a t Enter");
    let Some(Layer::Logs(page)) = script.state.layers.last() else { panic!("it is open") };
    assert!(page.shown().any(|row| page.matches(row) && matches!(row, LogRow::Line(_))));
    script.keys("p");
    let ends = |script: &Script, of: u64| script.effects.contains(&Effect::EndLog { id: of });
    assert!(ends(&script, id), "another one is asked for in its place");
    let id = asked(&script);
    script.keys("q");
    assert!(ends(&script, id));
    assert!(script.state.layers.is_empty());
}

#[test]
fn a_panel_is_reached_by_its_number_and_takes_all_the_room() {
    let mut script = Script::incident();
    script.keys("2");
    assert_eq!(script.state.panel, Panel::Revisions);
    script.keys("3 z");
    assert!(script.state.zoomed && script.state.panel == Panel::Rollout);
    script.keys("Esc");
    assert!(!script.state.zoomed && script.state.panel == Panel::Rollout);
    script.keys("1");
    assert_eq!(script.state.panel, Panel::Apps);
}

#[test]
fn the_lines_of_a_log_are_saved_and_it_is_said_where() {
    let mut script = Script::incident();
    script.keys("L C-s");
    let saved = script.effects.iter().any(
        |effect| matches!(effect, Effect::SaveLog { name, text } if name == "checkout" && text.is_empty()),
    );
    assert!(saved, "{:?}", script.effects);
    script.event(Event::Written { what: "log", file: Ok("/tmp/checkout.log".to_owned()) });
    assert_eq!(script.hint(), "log: /tmp/checkout.log");
    // 80 columns have no room for both beside each other, and say so.
    script.keys("|");
    assert!(script.hint().contains("from 120 columns on"), "{}", script.hint());
}

#[test]
fn a_wide_screen_reads_what_rolls_and_follows_its_log() {
    let logs = |script: &Script| -> Vec<u64> {
        let log = |effect: &Effect| match effect {
            Effect::Log { id, .. } => Some(*id),
            _ => None,
        };
        script.effects.iter().filter_map(log).collect()
    };
    let reads = |script: &Script| {
        script.effects.iter().filter(|effect| matches!(effect, Effect::Instances { .. })).count()
    };
    let mut script = Script::incident();
    let tick = |script: &mut Script, milliseconds: i64| {
        script.pass(milliseconds);
        let apps = vec![app("quiet", None), app("checkout", Some(Phase::Stuck)), app("web", None)];
        script.apps(apps);
        script.event(Event::Tick);
    };
    // As narrow as most, it asks for nothing.
    tick(&mut script, 3_000);
    assert_eq!((reads(&script), logs(&script).len()), (0, 0));
    script.event(Event::Resize(160, 50));
    tick(&mut script, 1_000);
    assert_eq!((reads(&script), logs(&script).len()), (1, 0), "only what rolls");
    let id = asked(&script);
    let mut reading = checkout(&script);
    for one in &mut reading.instances {
        one.memory = crate::domain::Usage::of(Some(1.0), Some(2.0));
    }
    read(&mut script, id, Ok(reading));
    tick(&mut script, 10_000);
    assert_eq!(reads(&script), 0, "at its pace");
    tick(&mut script, 6_000);
    assert_eq!(reads(&script), 1);
    script.event(Event::Resize(220, 60));
    tick(&mut script, 1_000);
    assert_eq!(logs(&script).len(), 0, "who scrolls through apps begins nothing");
    tick(&mut script, 2_000);
    let begun = logs(&script);
    assert_eq!(begun.len(), 1);
    tick(&mut script, 2_000);
    assert_eq!(logs(&script).len(), 0, "once");
    script.keys("j");
    tick(&mut script, 1_000);
    let ended = script
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::EndLog { id } if *id == begun[0]));
    assert!(ended, "what does not roll has no log there");
    assert!(script.state.wide.log.is_none());
}

#[test]
fn a_login_is_found_and_left_out_of_the_list_and_nothing_is_said_of_it() {
    let mut script = Script::incident();
    script.keys("t / h a n a Enter Enter");
    assert!(script.state.targets[0].off);
    assert!(script.state.listed.is_empty());
    script.keys("Esc Esc");
    assert!(script.state.layers.is_empty(), "the first Esc ends the search");
    script.event(Event::Focus(false));
    script.apps(vec![app("web", Some(Phase::Stuck))]);
    assert!(told(&script).is_empty());
    assert_eq!(script.state.title(), "revdeck");
    script.keys("R");
    assert!(script.state.layers.is_empty() && script.hint().contains("no app is selected"));
    script.keys("t / n o Enter Space Esc Esc");
    assert!(script.state.targets[0].off, "no login is like that");
    script.keys("t j j j Space Esc");
    assert_eq!(script.state.listed.len(), 3);
    // Where to look is still the first thing there.
    script.keys("t j Enter");
    assert_eq!(*script.state.scope(), crate::domain::Scope::Organization);
}

#[test]
fn the_record_tells_how_the_rollout_went_while_somebody_watched() {
    let mut script = Script::incident();
    script.apps(vec![app("checkout", Some(Phase::Stuck))]);
    script.pass(1_000);
    script.apps(vec![app("checkout", Some(Phase::Cancelling))]);
    script.keys("i");
    let id = asked(&script);
    for _ in 0..2 {
        let reading = checkout(&script);
        read(&mut script, id, Ok(reading));
    }
    script.keys("Esc E");
    let seen = script.effects.iter().find_map(|effect| match effect {
        Effect::Incident { seen, .. } => Some(seen),
        _ => None,
    });
    let seen: Vec<_> = seen.unwrap().iter().map(|one| one.what.as_str()).collect();
    assert_eq!(seen.len(), 3, "each state once: {seen:#?}");
    assert!(seen[0].contains("old ") && seen[0].contains(", stuck (new"), "{seen:#?}");
    assert!(seen[1].ends_with("cancelling"), "{seen:#?}");
    assert!(seen[2].starts_with("the new side is WORSE: "), "{seen:#?}");
}
