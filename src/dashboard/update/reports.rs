//! News of the target.

use super::{
    super::{Effect, State, dialog::Layer},
    deck, running,
};
use crate::domain::{App, Report};

pub(super) fn take(state: &mut State, report: Report) -> Vec<Effect> {
    match report {
        Report::Apps { changed, gone, at, fresh_for } => {
            state.connection.read_at = Some(at);
            state.connection.fresh_for = fresh_for;
            state.connection.trouble = None;
            let relist =
                !gone.is_empty() || changed.iter().any(|app| moves(state.apps.get(&app.id), app));
            for id in &gone {
                state.apps.remove(id);
            }
            state.sample(&changed);
            for app in changed {
                void_plans(state, &app);
                state.apps.insert(app.id.clone(), app);
            }
            if relist || state.listed.is_empty() {
                deck::list(state);
            }
            state.trim();
            return running::seen(state);
        }
        Report::Reset => {
            state.apps.clear();
            state.listed.clear();
            state.selected = None;
            state.chosen = false;
            state.connection.read_at = None;
        }
        Report::History { app, history } => {
            state.histories.insert(app, history);
        }
        Report::Events { app, events } => {
            state.events.insert(app, events);
        }
        Report::Logs { app, lines } => {
            state.crash_logs = Some((app, lines));
        }
        Report::Status(status) => state.connection.status = status,
        Report::Trouble { trouble, retry_at } => {
            state.connection.trouble = Some((trouble, retry_at));
        }
    }
    Vec::new()
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
