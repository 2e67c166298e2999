//! News of the target.

use std::collections::hash_map::Entry;

use super::{
    super::{Effect, Known, State, dialog::Layer, notify},
    deck, running,
};
use crate::domain::{App, AppId, AppKey, Report, TargetId};

pub(super) fn apply(state: &mut State, target: &TargetId, report: Report) -> Vec<Effect> {
    let Some(target_state) = state.target_state_mut(target) else { return Vec::new() };
    let connection = &mut target_state.connection;
    match report {
        Report::Apps { changed, gone, at, fresh_for } => {
            connection.read_at = Some(at);
            connection.fresh_for = fresh_for;
            connection.problem = None;
            return apps(state, target, changed, &gone);
        }
        Report::Reset => {
            connection.read_at = None;
            state.apps.retain(|key, _| key.target != *target);
            if state.app().is_none() {
                state.selected = None;
                state.chosen = false;
            }
            deck::list(state);
        }
        Report::History { app, history } => {
            known(state, target, app, |known| known.history = Some(history));
            state.trim();
        }
        Report::Allowed { app, capabilities } => {
            known(state, target, app, |known| known.allowed = Some(capabilities));
        }
        Report::Events { app, events } => {
            known(state, target, app, |known| known.events = Some(events));
        }
        Report::Logs { app, lines } => {
            known(state, target, app, |known| known.crash_logs = lines);
        }
        Report::Target(target) => {
            target_state.target = target;
            return running::take_up(state);
        }
        Report::Status(status) => connection.status = status,
        Report::Problem { problem, retry_at } => connection.problem = Some((problem, retry_at)),
    }
    Vec::new()
}

/// Notes something of an app that is on the deck; what comes too late for one that is gone is dropped.
fn known(state: &mut State, target: &TargetId, app: AppId, note: impl FnOnce(&mut Known)) {
    if let Some(known) = state.apps.get_mut(&AppKey::new(target.clone(), app)) {
        note(known);
    }
}

fn apps(state: &mut State, target: &TargetId, changed: Vec<App>, gone: &[AppId]) -> Vec<Effect> {
    let mut new = !gone.is_empty();
    let mut relist = new || state.listed.is_empty();
    for id in gone {
        let key = AppKey::new(target.clone(), id.clone());
        state.apps.remove(&key);
        void(state, &key, "the app is gone");
    }
    let now = state.now;
    debug_assert!(changed.iter().all(|app| app.target == *target), "a row of another target");
    if state.apps.is_empty() {
        state.apps.reserve(changed.len());
    }
    let mut told = Vec::new();
    for app in changed {
        let key = app.key();
        let known_before = state.apps.get(&key).map(|known| &known.app);
        told.extend(known_before.and_then(|before| notify::changed(state, before, &app)));
        void_plans(state, &key, &app);
        let before = state.apps.get(&key).map(|known| &known.app);
        new |= is_new(before, &app);
        relist |= moves(before, &app);
        // While an operation of ours is open, no row changes its place under the hands of who watches it.
        let ours = state.running.iter().any(|one| one.app == key);
        let held = if ours { deck::Hold::Same } else { deck::hold(before, &app, now) };
        let known = match state.apps.entry(key) {
            Entry::Vacant(place) => place.insert(Known::new(app)),
            Entry::Occupied(place) => {
                let known = place.into_mut();
                let id = |app: &App| app.rollout.as_ref().map(|one| one.id.clone());
                // What was measured of another rollout says nothing of this one: its sides were others.
                if app.rollout.is_some() && id(&known.app) != id(&app) {
                    known.recording = None;
                }
                known.app = app;
                known
            }
        };
        known.note_progress(now);
        held.apply(&mut known.held);
        known.sample(now);
    }
    if relist {
        deck::list(state);
    }
    let mut effects = running::seen(state);
    effects.extend(told);
    if new {
        effects.push(Effect::ShowNow);
    }
    effects
}

/// Whether a change of an app is news rather than the progress of what is known.
fn is_new(before: Option<&App>, after: &App) -> bool {
    let state = |app: &App| {
        let rollout = app.rollout.as_ref();
        // While it rolls, the number of instances that are wanted changes with every step.
        let wanted = rollout.map_or(app.instances.desired, |one| one.wanted);
        let rollout = rollout.map(|one| (one.id.clone(), one.phase, one.step()));
        (app.condition(), app.deployed.clone(), wanted, rollout)
    };
    before.is_none_or(|before| state(before) != state(after))
}

fn void(state: &mut State, app: &AppKey, why: &str) {
    for layer in &mut state.layers {
        if let Layer::Plan(dialog) = layer
            && dialog.app() == *app
            && dialog.void.is_none()
        {
            dialog.void = Some(why.to_owned());
        }
    }
}

/// Whether a change of an app moves it in the list.
fn moves(before: Option<&App>, after: &App) -> bool {
    before.is_none_or(|before| {
        before.condition() != after.condition()
            || before.name != after.name
            || before.scope != after.scope
    })
}

/// A rollout that began, ended or changed its phase makes an open plan for its app void.
fn void_plans(state: &mut State, key: &AppKey, app: &App) {
    let now = super::plans::seen(app);
    for layer in &mut state.layers {
        let Layer::Plan(dialog) = layer else { continue };
        if dialog.app() != *key || dialog.seen == now || dialog.void.is_some() {
            continue;
        }
        let what = match (&dialog.seen, &now) {
            (None, Some(_)) => "a rollout has begun",
            (Some(_), None) => "the rollout in progress has ended",
            (Some((before, _)), Some((after, _))) if before != after => "another rollout has begun",
            _ => "the rollout has changed its state",
        };
        dialog.void = Some(what.to_owned());
    }
}
