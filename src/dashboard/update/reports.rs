//! News of the target.

use super::{
    super::{Effect, State, dialog::Layer},
    deck, running,
};
use crate::domain::{App, AppId, Report, TargetId};

pub(super) fn apply(state: &mut State, target: &TargetId, report: Report) -> Vec<Effect> {
    let Some(place) = state.target_state_mut(target) else { return Vec::new() };
    let connection = &mut place.connection;
    match report {
        Report::Apps { changed, gone, at, fresh_for } => {
            connection.read_at = Some(at);
            connection.fresh_for = fresh_for;
            connection.problem = None;
            return apps(state, changed, &gone);
        }
        Report::Reset => {
            connection.read_at = None;
            state.apps.retain(|_, app| app.target != *target);
            if state.app().is_none() {
                state.selected = None;
                state.chosen = false;
            }
            deck::list(state);
        }
        Report::History { app, history } => {
            state.histories.insert(app, history);
        }
        Report::Allowed { app, capabilities } => {
            state.allowed.insert(app, capabilities);
        }
        Report::Events { app, events } => {
            state.events.insert(app, events);
        }
        Report::Logs { app, lines } => {
            state.crash_logs = Some((app, lines));
        }
        Report::Status(status) => connection.status = status,
        Report::Problem { problem, retry_at } => connection.problem = Some((problem, retry_at)),
    }
    Vec::new()
}

fn apps(state: &mut State, changed: Vec<App>, gone: &[AppId]) -> Vec<Effect> {
    let new = !gone.is_empty() || changed.iter().any(|app| is_new(state.apps.get(&app.id), app));
    let relist = !gone.is_empty() || changed.iter().any(|app| moves(state.apps.get(&app.id), app));
    for id in gone {
        state.apps.remove(id);
        state.held.remove(id);
        void(state, id, "the app is gone");
    }
    state.sample(&changed);
    for app in changed {
        void_plans(state, &app);
        deck::hold(state, &app);
        state.apps.insert(app.id.clone(), app);
    }
    if relist || state.listed.is_empty() {
        deck::list(state);
    }
    state.trim();
    let mut effects = running::seen(state);
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
        let rollout = rollout.map(|one| (one.id.clone(), one.phase, one.step));
        (app.condition(), app.deployed.clone(), wanted, rollout)
    };
    before.is_none_or(|before| state(before) != state(after))
}

fn void(state: &mut State, app: &AppId, why: &str) {
    for layer in &mut state.layers {
        if let Layer::Plan(dialog) = layer
            && dialog.request.app == *app
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
fn void_plans(state: &mut State, app: &App) {
    let now = super::plans::seen(app);
    for layer in &mut state.layers {
        let Layer::Plan(dialog) = layer else { continue };
        if dialog.request.app != app.id || dialog.seen == now || dialog.void.is_some() {
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
