//! What a wide screen asks for besides; a narrow one asks for none of it.

use jiff::SignedDuration;

use super::super::{
    Effect, State,
    log_page::LogPage,
    wide::{FIGURES, LOG},
};
use crate::domain::{App, AppKey, LogQuery, PACE, Reading, SideName};

/// Of how many rollouts at a time figures are read; the first ones of the list, and the selected one.
const ROLLOUTS: usize = 4;
/// How long the selection rests before its log is followed: who scrolls through apps begins nothing.
const RESTS: SignedDuration = SignedDuration::from_secs(2);
/// After how long a log that has ended is begun anew.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);
/// When is asked again where a platform measures nothing.
const UNMEASURED: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn tick(state: &mut State) -> Vec<Effect> {
    let mut effects = figures(state);
    effects.extend(log(state));
    effects
}

/// Asks for figures of the rollouts that are on top of the list.
fn figures(state: &mut State) -> Vec<Effect> {
    let wanted: Vec<AppKey> = if state.size.0 >= FIGURES && state.layers.is_empty() {
        let rolls = |key: &&AppKey| {
            let app = state.apps.get(key).map(|known| &known.app);
            app.is_some_and(|app| app.rolls() && state.live_app(app))
        };
        state.selected.iter().chain(&state.listed).filter(rolls).cloned().collect()
    } else {
        Vec::new()
    };
    let mut first: Vec<AppKey> = Vec::new();
    for key in wanted {
        if !first.contains(&key) && first.len() < ROLLOUTS {
            first.push(key);
        }
    }
    state.wide.asked.retain(|key, _| first.contains(key));
    let mut effects = Vec::new();
    for app in first {
        let read = state.apps.get(&app).and_then(|known| known.recording.as_ref()?.latest());
        let pause = read.map_or(PACE, pause);
        let asked = state.wide.asked.get(&app).copied();
        let last = asked.max(read.map(|read| read.at));
        if last.is_some_and(|last| state.now.duration_since(last) < pause) {
            continue;
        }
        state.wide.asked.insert(app.clone(), state.now);
        let id = state.fresh_id();
        effects.push(Effect::Instances { id, app });
    }
    effects
}

/// When a reading is worth repeating.
fn pause(read: &Reading) -> SignedDuration {
    let measured = read.instances.iter().any(|one| one.cpu.is_some() || one.memory.is_some());
    if measured { read.pace } else { read.pace.max(UNMEASURED) }
}

/// Follows the log of the selected app while it has a rollout, once the selection rests.
fn log(state: &mut State) -> Vec<Effect> {
    let rolls = |app: &&App| app.rolls() && state.live_app(app);
    let app = state.app().filter(|_| state.size.0 >= LOG).filter(rolls);
    let Some((key, name)) = app.map(|app| (app.key(), app.name.clone())) else {
        state.wide.resting = None;
        return end(state);
    };
    let now = state.now;
    let mut effects = Vec::new();
    let since = state.wide.resting.as_ref().map(|(_, since)| *since);
    let again = since.is_some_and(|since| now.duration_since(since) >= AGAIN);
    if let Some(log) = &state.wide.log
        && (log.app != key || (log.ended.is_some() && again))
    {
        effects = end(state);
        state.wide.resting = None;
    }
    match &state.wide.resting {
        Some((app, _)) if *app != key => state.wide.resting = Some((key, now)),
        None => state.wide.resting = Some((key, now)),
        Some((_, since)) if state.wide.log.is_none() && now.duration_since(*since) >= RESTS => {
            let (id, query) = (state.fresh_id(), LogQuery { follow: true, ..LogQuery::default() });
            let page = LogPage::new(id, key.clone(), name, query.clone());
            // What comes is what matters.
            let page = LogPage { side: Some(SideName::New), ..page };
            state.wide.log = Some(Box::new(page));
            effects.push(Effect::Log { id, app: key, query });
        }
        Some(_) => {}
    }
    effects
}

fn end(state: &mut State) -> Vec<Effect> {
    let log = state.wide.log.take();
    log.map(|log| Effect::EndLog { id: log.id }).into_iter().collect()
}
