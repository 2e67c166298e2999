//! Which commands can be used here and now, and why the others cannot.

use super::{Command, Running, State, TargetState};
use crate::domain::{Condition, Deployable, Operation, Phase, TargetId, text::span};

/// Whether a command would do something; the text says why not.
pub fn can(state: &State, command: Command) -> Result<(), String> {
    use Command::{
        Cancel, Continue, Deploy, Diff, EnableRevisions, Events, Logs, Pause, Restart,
        RollBackLastGood, RollBackSelected,
    };
    let needs_app = [
        Cancel,
        Continue,
        Deploy,
        Diff,
        Events,
        Logs,
        Pause,
        Restart,
        RollBackLastGood,
        RollBackSelected,
    ];
    if !needs_app.contains(&command) {
        return Ok(());
    }
    let app = state.app().ok_or_else(|| "no app is selected".to_owned())?;
    if matches!(command, Events | Logs) {
        return Ok(());
    }
    if command == Diff {
        let known = state.history().is_some_and(|history| history.revisions.len() > 1);
        return if known {
            Ok(())
        } else {
            Err("there are no two revisions to compare".to_owned())
        };
    }
    if state.read_only {
        return Err("revdeck was started with --read-only".to_owned());
    }
    blind(state, &app.target)?;
    let key = app.key();
    if let Some(own) = state.running.iter().find(|one| one.app == key && one.receipt.is_none()) {
        return Err(format!("your {} of {} is being sent", own.operation.verb(), own.name));
    }
    // Pressed once more in a hurry, it would go back one further.
    let going_back = |one: &&Running| {
        one.app == key && matches!(one.operation, Operation::RollBack(_) | Operation::Cancel)
    };
    if command == RollBackLastGood
        && let Some(own) = state.running.iter().find(going_back)
    {
        let select = state.keymap.hint(RollBackSelected);
        return Err(format!(
            "your {} of {} is under way; {select} goes to the selected revision instead",
            own.operation.verb(),
            own.name
        ));
    }
    let Some(place) = state.target_state(&app.target) else { return Ok(()) };
    let capabilities =
        state.known().and_then(|known| known.allowed.as_ref()).unwrap_or(&place.capabilities);
    let capability = match command {
        Cancel => &capabilities.cancel,
        Continue => &capabilities.go_on,
        Pause => &capabilities.pause,
        Deploy => &capabilities.deploy,
        Restart => &capabilities.restart,
        EnableRevisions => &capabilities.enable_revisions,
        _ => &capabilities.roll_back,
    };
    if let Some(reason) = capability.reason() {
        return Err(reason.to_owned());
    }
    let rollout = app.rollout.as_ref();
    match command {
        Cancel if rollout.is_none() => Err(format!("{} has no rollout to cancel", app.name)),
        Cancel if app.condition() == Condition::Cancelling => {
            Err(format!("the rollout of {} is being cancelled already", app.name))
        }
        Pause if rollout.is_none() => Err(format!("{} has no rollout to hold", app.name)),
        Cancel if rollout.is_some_and(|rollout| rollout.phase == Phase::Cancelled) => {
            Err(format!("the rollout of {} is cancelled already", app.name))
        }
        Continue
            if rollout.is_none_or(|rollout| {
                !matches!(rollout.phase, Phase::Paused | Phase::Cancelled)
            }) =>
        {
            Err(format!("{} does not wait for anybody", app.name))
        }
        EnableRevisions if state.history().is_some_and(|history| history.remark.is_none()) => {
            Err(format!("revisions of {} are kept already", app.name))
        }
        RollBackLastGood | RollBackSelected => can_roll_back(state, command),
        _ => Ok(()),
    }
}

fn can_roll_back(state: &State, command: Command) -> Result<(), String> {
    let Some(history) = state.history() else {
        // The plan reads its own data: what is not on screen yet is no reason to wait.
        return if command == Command::RollBackLastGood {
            Ok(())
        } else {
            Err("the revisions are still being read".to_owned())
        };
    };
    if let (Some(remark), true) = (
        &history.remark,
        history.revisions.iter().all(|one| matches!(one.deployable, Deployable::No(_))),
    ) {
        return Err(remark.clone());
    }
    if command == Command::RollBackSelected {
        let Some(revision) = state.selected_revision() else {
            let gone = state.revision.is_some();
            let why = if gone {
                "the selected revision is gone: it was pruned"
            } else {
                "no revision is selected"
            };
            return Err(format!("{why}; select another one"));
        };
        if let Deployable::No(reason) = &revision.deployable {
            return Err(format!("rev {} cannot be deployed: {reason}", revision.label));
        }
    }
    Ok(())
}

/// While the API of a target is out of reach nothing is sent to it.
pub fn blind(state: &State, target: &TargetId) -> Result<(), String> {
    let Some(TargetState { connection, .. }) = state.target_state(target) else {
        return Err(format!("there is no target {target}"));
    };
    if connection.live(state.now) {
        return Ok(());
    }
    let age = connection.read_at.map(|at| span(state.now.duration_since(at)));
    match (&connection.problem, age) {
        (Some((problem, _)), Some(age)) => {
            Err(format!("nothing is sent while blind for {age}: {problem}"))
        }
        (Some((problem, _)), None) => Err(format!("nothing has been read yet: {problem}")),
        (None, Some(age)) => {
            Err(format!("what is shown is {age} old: nothing is sent while blind"))
        }
        (None, None) => Err("nothing has been read yet".to_owned()),
    }
}
