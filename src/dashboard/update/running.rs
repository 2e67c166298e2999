//! Operations of ours, followed to their end.

use jiff::SignedDuration;

use super::super::{
    Effect, State,
    state::{Notice, Running},
};
use crate::domain::{App, Outcome, Phase, Problem, Receipt, Settlement};

/// How many lines of an operation are kept.
const SAID: usize = 40;
/// How soon an operation is looked at again.
const LOOK: SignedDuration = SignedDuration::from_secs(5);
/// How long a rollout is left alone while the watcher sees it moving.
const CALM: SignedDuration = SignedDuration::from_secs(45);

pub(super) fn progress(state: &mut State, id: u64, line: String) {
    if let Some(running) = find(state, id) {
        // A step that counts up replaces its own line.
        let word = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        if running
            .said
            .last()
            .is_some_and(|last| word(last) == "uploading" && word(&line) == "uploading")
        {
            running.said.pop();
        }
        running.said.push(line.clone());
        if running.said.len() > SAID {
            running.said.remove(0);
        }
        running.line = line;
    }
}

fn find(state: &mut State, id: u64) -> Option<&mut Running> {
    state.running.iter_mut().find(|one| one.id == id)
}

pub(super) fn accepted(state: &mut State, id: u64, receipt: Receipt) -> Vec<Effect> {
    let now = state.now;
    let Some(running) = find(state, id) else { return Vec::new() };
    let lost = receipt.lost;
    if lost {
        "UNKNOWN: the answer was lost after the request left: looking (it is sent once)"
            .clone_into(&mut running.line);
    } else {
        "taken by the platform".clone_into(&mut running.line);
    }
    running.look_at = if lost { now } else { now + LOOK };
    running.receipt = Some(receipt);
    state.attention.nudge += 1;
    let mut effects = vec![Effect::Attention(state.attention.clone())];
    effects.extend(tick(state));
    effects
}

pub(super) fn ended(state: &mut State, id: u64, outcome: Outcome) -> Vec<Effect> {
    let known = state.running.len();
    state.running.retain(|one| one.id != id);
    if state.running.len() == known {
        return Vec::new();
    }
    state.notice = Some(Notice::Outcome(outcome.clone()));
    state.attention.nudge += 1;
    vec![Effect::Journal { id, outcome }, Effect::Attention(state.attention.clone())]
}

pub(super) fn settled(
    state: &mut State,
    id: u64,
    settlement: Result<Settlement, Problem>,
) -> Vec<Effect> {
    let now = state.now;
    match settlement {
        Ok(Settlement::Ended(outcome)) => return ended(state, id, outcome),
        Ok(Settlement::Pending { stage, receipt, .. }) => {
            if let Some(running) = find(state, id) {
                running.looking = false;
                running.stage = Some(stage);
                running.look_at = now + LOOK;
                running.line = match stage {
                    crate::domain::Stage::Accepted => "taken, waiting for the platform to begin",
                    crate::domain::Stage::Rolling => "rolling",
                    crate::domain::Stage::Paused => "waits",
                    crate::domain::Stage::Converging => {
                        "the rollout is over, the last instances are starting"
                    }
                }
                .to_owned();
                running.receipt = Some(*receipt);
            }
        }
        Err(problem) => {
            if let Some(running) = find(state, id) {
                running.looking = false;
                running.look_at = now + LOOK;
                running.line = format!("cannot look: {problem}");
            }
        }
    }
    Vec::new()
}

/// Looks at those operations that are due.
pub(super) fn tick(state: &mut State) -> Vec<Effect> {
    look(state, false)
}

/// The watcher has news: those operations whose rollout it does not see moving are looked at.
pub(super) fn seen(state: &mut State) -> Vec<Effect> {
    look(state, true)
}

fn look(state: &mut State, news: bool) -> Vec<Effect> {
    let now = state.now;
    let State { running, apps, .. } = state;
    let mut effects = Vec::new();
    for one in running.iter_mut().filter(|one| !one.looking) {
        let Some(receipt) = &one.receipt else { continue };
        let moving = apps.get(&one.app).is_some_and(|known| moving(&known.app, receipt));
        // While the watcher sees it move there is nothing to ask that is not on screen.
        let due = if moving { one.look_at + CALM } else { one.look_at };
        if now >= due || (news && !moving && now + LOOK >= one.look_at && one.stage.is_some()) {
            one.looking = true;
            let (target, receipt) = (one.app.target.clone(), Box::new(receipt.clone()));
            effects.push(Effect::Settle { id: one.id, target, receipt });
        }
    }
    effects
}

fn moving(app: &App, receipt: &Receipt) -> bool {
    !receipt.lost
        && app.rollout.as_ref().is_some_and(|rollout| {
            receipt.rollout.as_ref() == Some(&rollout.id)
                && matches!(rollout.phase, Phase::Accepted | Phase::Rolling | Phase::Cancelling)
        })
}
