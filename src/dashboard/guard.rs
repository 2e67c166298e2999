//! Which commands can be used here and now, and why the others cannot.

use super::{Command, Liveness, Running, State, TargetState};
use crate::domain::{
    App, AppState, Deployable, Needs, Phase, TargetId, Verb, VerbSpec, text::span,
};

/// Whether a command would do something; the text says why not.
pub fn can(state: &State, command: Command) -> Result<(), String> {
    if let Some(verb) = verb(state, command) {
        return can_change(state, command, verb);
    }
    match command {
        Command::Events
        | Command::Logs
        | Command::Instances
        | Command::Shell
        | Command::Incident
        | Command::Notify => selected(state).map(drop),
        Command::Diff => {
            selected(state)?;
            let known = state.history().is_some_and(|history| history.revisions.len() > 1);
            let missing = || "there are no two revisions to compare".to_owned();
            known.then_some(()).ok_or_else(missing)
        }
        _ => Ok(()),
    }
}

/// What a command does to the selected app: of several verbs the first one that makes sense for it.
pub fn verb(state: &State, command: Command) -> Option<Verb> {
    let verbs = command.verbs();
    let fits = |verb: &&Verb| {
        state.app().is_some_and(|app| needs(state, app, command, verb.spec()).is_ok())
    };
    verbs.iter().find(fits).or(verbs.first()).copied()
}

fn selected(state: &State) -> Result<&App, String> {
    state.app().ok_or_else(|| "no app is selected".to_owned())
}

/// What every verb must pass, in this order: an app, the right to change anything, data that is fresh, no operation
/// that is just being sent, what the platform and the login can do, and what the verb itself needs.
fn can_change(state: &State, command: Command, verb: Verb) -> Result<(), String> {
    let app = selected(state)?;
    if state.read_only {
        return Err("revdeck was started with --read-only".to_owned());
    }
    blind(state, &app.target)?;
    let key = app.key();
    if let Some(own) = state.running.iter().find(|one| one.app == key && one.receipt.is_none()) {
        return Err(format!("your {} of {} is being sent", own.verb.words(), own.name));
    }
    // Pressed once more in a hurry, it would go back one further.
    let going_back =
        |one: &&Running| one.app == key && matches!(one.verb, Verb::RollBack | Verb::Cancel);
    if command == Command::RollBackLastGood
        && let Some(own) = state.running.iter().find(going_back)
    {
        let select = state.keymap.hint(Command::RollBackSelected);
        return Err(format!(
            "your {} of {} is under way; {select} goes to the selected revision instead",
            own.verb.words(),
            own.name
        ));
    }
    let of_target = state.target_state(&app.target).map(|one| &one.capabilities);
    let of_app = state.known().and_then(|known| known.allowed.as_ref());
    if let Some(reason) = of_app.or(of_target).and_then(|capabilities| capabilities.reason(verb)) {
        return Err(reason.to_owned());
    }
    needs(state, app, command, verb.spec())
}

fn needs(state: &State, app: &App, command: Command, verb: &VerbSpec) -> Result<(), String> {
    let (name, words) = (&app.name, verb.words);
    let phase = app.rollout.as_ref().map(|rollout| rollout.phase);
    match (verb.needs, phase) {
        (Needs::App, _) => Ok(()),
        (Needs::NotStopped, _) if app.state == AppState::Stopped => {
            Err(format!("{name} is stopped already"))
        }
        (Needs::Stopped, _) if app.state != AppState::Stopped => {
            Err(format!("{name} is not stopped"))
        }
        (Needs::NotStopped | Needs::Stopped, _) => Ok(()),
        (Needs::EarlierRevision, _) => can_roll_back(state, command),
        (Needs::Rollout | Needs::RolloutToCancel, None) => {
            Err(format!("{name} has no rollout to {words}"))
        }
        (Needs::RolloutToCancel, Some(Phase::Cancelling)) => {
            Err(format!("the rollout of {name} is being cancelled already"))
        }
        (Needs::RolloutToCancel, Some(Phase::Cancelled)) => {
            Err(format!("the rollout of {name} is cancelled already"))
        }
        (Needs::Rollout | Needs::RolloutToCancel, Some(_)) => Ok(()),
        (Needs::WaitingRollout, Some(Phase::Paused | Phase::Cancelled)) => Ok(()),
        (Needs::WaitingRollout, _) => Err(format!("{name} does not wait for anybody")),
        (Needs::NoRevisions, _) => match state.history() {
            Some(history) if history.remark.is_none() => {
                Err(format!("revisions of {name} are kept already"))
            }
            _ => Ok(()),
        },
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
            return Err(format!("{} cannot be deployed: {reason}", revision.name()));
        }
    }
    Ok(())
}

/// While the API of a target is out of reach nothing is sent to it.
pub fn blind(state: &State, target: &TargetId) -> Result<(), String> {
    let Some(TargetState { connection, .. }) = state.target_state(target) else {
        return Err(format!("there is no target {target}"));
    };
    let age = |at| span(state.now.duration_since(at));
    match connection.liveness(state.now) {
        Liveness::Live => Ok(()),
        Liveness::Lost { problem, read_at: Some(at), .. } => {
            Err(format!("nothing is sent while blind for {}: {problem}", age(at)))
        }
        Liveness::Lost { problem, read_at: None, .. } => {
            Err(format!("nothing has been read yet: {problem}"))
        }
        Liveness::Stale { read_at } => {
            Err(format!("what is shown is {} old: nothing is sent while blind", age(read_at)))
        }
        Liveness::Unread => Err("nothing has been read yet".to_owned()),
    }
}
