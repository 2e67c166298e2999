//! The page of instances: read again and again while it is open, and only then.

use jiff::SignedDuration;

use super::{
    super::{
        Command, Effect, State,
        dialog::{InstanceOrder, InstancesPage, Layer},
        guard, instance_rows,
        key::{Key, Name},
        state::Notice,
    },
    deck, dispatch, is, logs, palette, plans,
};
use crate::domain::{AppKey, PACE, Problem, Reading, Shell};

/// For how long an answer is waited for before it is asked for again.
const LOST: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn open(state: &mut State) -> Vec<Effect> {
    let id = state.fresh_id();
    let now = state.now;
    let Some(app) = state.app() else { return Vec::new() };
    let page = InstancesPage {
        id,
        app: app.key(),
        name: app.name.clone(),
        order: InstanceOrder::Side,
        selected: None,
        whole: false,
        asked: Some(now),
        problem: None,
        shell: None,
    };
    let app = page.app.clone();
    state.layers.push(Layer::Instances(Box::new(page)));
    vec![Effect::Instances { id, app }]
}

/// Asks anew where the last answer is old enough.
pub(super) fn tick(state: &mut State) -> Vec<Effect> {
    let (now, apps) = (state.now, &state.apps);
    let mut effects = Vec::new();
    for layer in &mut state.layers {
        let Layer::Instances(page) = layer else { continue };
        let read = apps.get(&page.app).and_then(|known| known.recording.as_ref()?.latest());
        let due = match (page.asked, read) {
            (Some(asked), _) => now.duration_since(asked) >= LOST,
            (None, Some(read)) if page.problem.is_none() => {
                now.duration_since(read.at) >= read.pace
            }
            (None, _) => true,
        };
        if due && apps.contains_key(&page.app) {
            page.asked = Some(now);
            effects.push(Effect::Instances { id: page.id, app: page.app.clone() });
        }
    }
    effects
}

/// Asks anew at once: something was done to the app.
pub(super) fn anew(state: &mut State, app: &AppKey) -> Vec<Effect> {
    let now = state.now;
    let mut effects = Vec::new();
    for layer in &mut state.layers {
        if let Layer::Instances(page) = layer
            && page.app == *app
        {
            page.asked = Some(now);
            effects.push(Effect::Instances { id: page.id, app: app.clone() });
        }
    }
    effects
}

/// Takes a reading. One that failed leaves what was read before, which is shown with its age.
pub(super) fn apply(state: &mut State, id: u64, app: &AppKey, reading: Result<Reading, Problem>) {
    let now = state.now;
    let problem = match reading {
        Ok(reading) => {
            if let Some(known) = state.apps.get_mut(app) {
                known.recording.get_or_insert_default().take(reading);
                if let Some(verdict) = known.verdict(&state.thresholds, now) {
                    known.note_verdict(now, &verdict);
                }
            }
            None
        }
        Err(problem) => Some(problem),
    };
    let apps = &state.apps;
    for layer in &mut state.layers {
        if let Layer::Instances(page) = layer
            && page.id == id
        {
            if page.selected.is_none() {
                // The first one is selected from then on, whatever the order does.
                let read = apps.get(app).and_then(|known| known.recording.as_ref()?.latest());
                let rows = read.map(|read| instance_rows::ordered(&read.instances, page.order));
                let first = rows.as_ref().and_then(|rows| rows.first());
                page.selected = first.map(|one| one.id.clone());
            }
            // What failed is tried again no sooner than what did not.
            page.asked = problem.as_ref().map(|_| now - LOST + PACE);
            page.problem = problem;
            return;
        }
    }
}

/// Hands the terminal over, while the page that asked is still in front: nobody else expects that.
pub(super) fn shell(state: &mut State, id: u64, shell: Result<Shell, Problem>) -> Vec<Effect> {
    let Some(Layer::Instances(page)) = state.layers.last_mut() else { return Vec::new() };
    if page.shell != Some(id) {
        return Vec::new();
    }
    page.shell = None;
    match shell {
        Ok(shell) => {
            state.notice = None;
            vec![Effect::HandOver(shell)]
        }
        Err(problem) => {
            state.notice = Some(Notice::Hint(problem.text));
            Vec::new()
        }
    }
}

/// A key on the page.
pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    let command = state.keymap.deck(key);
    let half = usize::from(state.size.1 / 2).max(1);
    let Some(Layer::Instances(page)) = state.layers.last_mut() else { return Vec::new() };
    let known = state.apps.get(&page.app);
    let rows = known.and_then(|known| known.recording.as_ref()?.latest());
    let rows = rows.map(|read| instance_rows::ordered(&read.instances, page.order));
    let rows = rows.unwrap_or_default();
    let at = page.selected.as_ref().and_then(|id| rows.iter().position(|one| one.id == *id));
    match command {
        _ if is(key, Name::Esc) && page.whole => page.whole = false,
        _ if is(key, Name::Esc) => drop(state.layers.pop()),
        Some(Command::Instances | Command::Quit | Command::Back) => drop(state.layers.pop()),
        // What is typed after it must not be taken for keys.
        Some(Command::Palette) => state.layers.push(palette()),
        Some(Command::Open) => page.whole = !page.whole,
        Some(Command::Sort) => page.order = page.order.next(),
        Some(Command::Refresh) => {
            page.asked = Some(state.now);
            let (id, app) = (page.id, page.app.clone());
            return vec![Effect::Instances { id, app }];
        }
        Some(
            moving @ (Command::Up
            | Command::Down
            | Command::HalfPageUp
            | Command::HalfPageDown
            | Command::PageUp
            | Command::PageDown
            | Command::Top
            | Command::Bottom),
        ) => {
            let to = deck::moved(moving, at.unwrap_or(0), rows.len(), half);
            page.selected = rows.get(to).map(|one| one.id.clone());
        }
        Some(Command::RestartInstance) => {
            let gone = page.selected.is_some() && at.is_none();
            let chosen = at.and_then(|at| rows.get(at)).or_else(|| rows.first());
            let Some(id) = chosen.map(|one| one.id.clone()) else { return Vec::new() };
            let app = page.app.clone();
            if gone {
                page.selected = None;
                let text = "the instance that was selected is gone: look which one is meant";
                state.notice = Some(Notice::Hint(text.to_owned()));
                return Vec::new();
            }
            if state.selected.as_ref() == Some(&app) {
                return match guard::can(state, Command::RestartInstance) {
                    Ok(()) => plans::open_instance(state, &app, &id, key),
                    Err(reason) => {
                        state.notice = Some(Notice::Hint(reason));
                        Vec::new()
                    }
                };
            }
        }
        Some(Command::Shell) => {
            let Some(instance) = at.and_then(|at| rows.get(at)).map(|one| one.id.clone()) else {
                let text = "the instance that was selected is gone: select another one";
                state.notice = Some(Notice::Hint(text.to_owned()));
                return Vec::new();
            };
            let app = page.app.clone();
            if state.demo {
                // The platform's program would ask the real one.
                let text = "what is simulated has no shell";
                state.notice = Some(Notice::Hint(text.to_owned()));
                return Vec::new();
            }
            if state.read_only {
                let text = "a shell changes what runs: revdeck was started with --read-only";
                state.notice = Some(Notice::Hint(text.to_owned()));
                return Vec::new();
            }
            state.notice = Some(Notice::Hint(format!("asking how to get into {instance} …")));
            let id = state.fresh_id();
            let Some(Layer::Instances(page)) = state.layers.last_mut() else { return Vec::new() };
            // Who presses twice means one shell.
            if page.shell.is_some() {
                return Vec::new();
            }
            page.shell = Some(id);
            return vec![Effect::Shell { id, app, instance }];
        }
        Some(Command::Logs) if state.selected.as_ref() == Some(&page.app) => {
            let chosen = at.and_then(|at| rows.get(at)).map(|one| one.id.clone());
            return logs::open(state, chosen);
        }
        // What is done to the app, and what it says, is done from here, too; only to the app that the page is of.
        Some(
            other @ (Command::RollBackLastGood
            | Command::Cancel
            | Command::Continue
            | Command::Pause
            | Command::Scale
            | Command::StopOrStart
            | Command::Events
            | Command::Incident
            | Command::Notify
            | Command::Help),
        ) if state.selected.as_ref() == Some(&page.app) => {
            return dispatch(state, other, Some(key));
        }
        _ => {}
    }
    Vec::new()
}
