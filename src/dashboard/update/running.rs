//! Operations of ours, followed to their end.

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{
        Command, Effect, Hindrance, State, notify,
        state::{Notice, Running},
    },
    instances,
};
use crate::domain::{App, LOOKING, Outcome, Phase, Problem, Receipt, Settlement, Standing, Verb};

/// How long an outcome stands before another one takes its place.
const READ: SignedDuration = SignedDuration::from_secs(8);
/// How many lines of an operation are kept.
const SAID: usize = 40;
/// How soon an operation is looked at again.
const LOOK: SignedDuration = SignedDuration::from_secs(5);
/// How long a rollout is left alone while the watcher sees it moving.
const CALM: SignedDuration = SignedDuration::from_secs(45);

/// Takes up operations of earlier runs: what was sent is followed, and what completes it is sent. What cannot be taken up is
/// said.
pub fn begin(state: &mut State) -> Vec<Effect> {
    let effects = take_up(state);
    let unopened = |receipt: &Receipt| {
        let here = state.targets.iter().find(|one| one.target.id == receipt.app.target);
        here.is_some_and(|one| one.target.api.is_empty())
    };
    let (later, elsewhere): (Vec<_>, Vec<_>) = state.open.iter().partition(|one| unopened(one));
    let mut said = Vec::new();
    for (receipts, why) in [
        (later, "taken up as soon as their targets can be opened"),
        (elsewhere, "on targets that are not here"),
    ] {
        let named = receipts.iter().map(|one| format!("{} of {}", one.verb.words(), one.name));
        let named: Vec<_> = named.take(2).collect();
        let more = receipts.len() - named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if !named.is_empty() {
            let named = named.join(", ");
            said.push(format!("without an end, {why}: {named}{more} (`revdeck resume --list`)"));
        }
    }
    let complaints = std::mem::take(&mut state.complaints);
    if let Some(first) = complaints.first() {
        let more = complaints.len() - 1;
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        said.push(format!("{first}{more} (`revdeck journal`)"));
    }
    if !said.is_empty() {
        state.notice = Some(Notice::Hint(said.join("; ")));
    }
    effects
}

/// Takes up those whose targets are here by now.
pub(super) fn take_up(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    let here = |receipt: &Receipt| state.targets.iter().any(|one| receipt.is_of(&one.target));
    let (here, left): (Vec<_>, Vec<_>) =
        std::mem::take(&mut state.open).into_iter().partition(|receipt| here(receipt));
    state.open = left;
    for receipt in here {
        let id = state.fresh_id();
        state.running.push(Running {
            id,
            app: receipt.app.clone(),
            name: receipt.name.clone(),
            verb: receipt.verb,
            operation: Some(receipt.recipe.id.clone()),
            // Where nothing may be sent it is followed all the same.
            receipt: state.read_only.then(|| receipt.clone()),
            standing: None,
            line: "was sent by an earlier run and has no end yet: looking".to_owned(),
            said: Vec::new(),
            looking: false,
            look_at: state.now,
            resumed: true,
            hindered: None,
            began: receipt.sent_at.unwrap_or(state.now),
        });
        if !state.read_only {
            effects.push(Effect::Resume { id, receipt: Box::new(receipt) });
        }
    }
    effects
}

/// It is looked at as before, and what is left of it is tried again after a while: whoever follows it may end, and the journal
/// may be written again.
pub(super) fn not_taken_up(
    state: &mut State,
    id: u64,
    receipt: Receipt,
    why: Hindrance,
) -> Vec<Effect> {
    let (now, key) = (state.now, state.keymap.hint(Command::WithoutJournal));
    if let Some(running) = find(state, id) {
        let why = match why {
            Hindrance::Followed => {
                "another revdeck follows it, and sends what is left of it".to_owned()
            }
            Hindrance::Journal(why) => format!(
                "{key} goes on without the journal: it cannot be written ({why}), and nothing more is sent"
            ),
        };
        running.line.clone_from(&why);
        running.hindered = Some(why);
        running.receipt = Some(receipt);
        running.look_at = now + LOOK;
    }
    Vec::new()
}

/// Another program has ended it and written that down: the end is worth telling here, too.
pub(super) fn ended_elsewhere(state: &mut State, id: u64, outcome: Outcome) -> Vec<Effect> {
    if let Some(running) = find(state, id) {
        running.operation = None;
    }
    ended(state, id, outcome)
}

/// Somebody has agreed to go on without the journal: what waits for it is looked at now.
pub(super) fn without_journal(state: &mut State) {
    let now = state.now;
    for running in state.running.iter_mut().filter(|one| one.hindered.is_some()) {
        running.look_at = now;
    }
}

pub(super) fn no_journal(state: &mut State, id: u64, why: &str) -> Vec<Effect> {
    let key = state.keymap.hint(Command::WithoutJournal);
    if let Some(running) = find(state, id) {
        // What was not written down has no end to be written down either.
        running.operation = None;
    }
    ended(state, id, Outcome::no_journal(why, &key))
}

pub(super) fn progress(state: &mut State, id: u64, line: String, replaces: bool) {
    if let Some(running) = find(state, id) {
        if replaces {
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
    running.hindered = None;
    if lost {
        running.line = format!("UNKNOWN: {LOOKING}");
    } else {
        "accepted by the platform".clone_into(&mut running.line);
    }
    // One that could not be gone on with has just been looked at.
    running.look_at = if lost && !running.resumed { now } else { now + LOOK };
    running.receipt = Some(receipt);
    state.attention.nudge += 1;
    let mut effects = vec![Effect::Attention(state.attention.clone())];
    effects.extend(tick(state));
    effects
}

/// Shows what waits, once the one before has stood for long enough to be read, or somebody has gone on with
/// another key; and not over what a key of theirs has just been answered with.
pub(super) fn show(state: &mut State) {
    let young = |at: Timestamp| state.now.duration_since(at) < READ;
    let pressed = state.notifying.pressed_at;
    let stands = match &state.notice {
        Some(Notice::Outcome(_)) => state
            .noticed_at
            .is_some_and(|at| young(at) && pressed.is_none_or(|pressed| pressed <= at)),
        Some(Notice::Hint(_)) => pressed.is_some_and(young),
        None => false,
    };
    if !stands && let Some(next) = state.waiting.pop_front() {
        state.notice = Some(next);
        state.noticed_at = Some(state.now);
    }
}

/// The end that is shown is not on disk: the next run looks for it again.
pub(super) fn unwritten(state: &mut State, why: &str) {
    let add = |text| {
        format!("{text}; its end could not be written down ({why}): the next run looks again")
    };
    match state.notice.take() {
        Some(Notice::Outcome(outcome)) => {
            state.notice = Some(Notice::Outcome(outcome.map(add)));
        }
        _ => state.notice = Some(Notice::Hint(add("an operation has ended".to_owned()))),
    }
}

pub(super) fn ended(state: &mut State, id: u64, outcome: Outcome) -> Vec<Effect> {
    let Some(at) = state.running.iter().position(|one| one.id == id) else { return Vec::new() };
    let ended = state.running.remove(at);
    state.leaving = false;
    state.waiting.push_back(Notice::Outcome(outcome.clone()));
    show(state);
    state.attention.nudge += 1;
    if matches!((ended.verb, &outcome), (Verb::RollBack, Outcome::Done(_))) {
        state.rolled_back.insert(ended.app.clone(), state.now);
    }
    let mut effects = vec![Effect::Attention(state.attention.clone())];
    effects.extend(notify::ended(state, &ended.app, &outcome));
    effects.extend(instances::anew(state, &ended.app));
    // What was left in the middle of sending has no end yet: the next run follows it.
    let left = ended.receipt.is_none() && matches!(outcome, Outcome::Unknown(_));
    let operation = ended.operation.filter(|_| !left);
    effects.extend(operation.map(|operation| Effect::Journal { operation, outcome }));
    effects
}

pub(super) fn settled(
    state: &mut State,
    id: u64,
    settlement: Result<Settlement, Problem>,
) -> Vec<Effect> {
    let now = state.now;
    match settlement {
        Ok(Settlement::Ended(outcome)) => return ended(state, id, outcome),
        Ok(Settlement::Pending { standing, receipt, .. }) => {
            if let Some(running) = find(state, id) {
                running.looking = false;
                running.standing = Some(standing);
                running.look_at = now + LOOK;
                let standing_line = match standing {
                    Standing::Accepted => "accepted, waiting for the platform to begin",
                    Standing::Rolling => "rolling",
                    Standing::Paused => "waits",
                    Standing::Converging => {
                        "it is as asked, and the last instances are on their way"
                    }
                };
                running.line = match &running.hindered {
                    Some(why) => format!("{standing_line}; {why}"),
                    None => standing_line.to_owned(),
                };
                running.receipt = Some(*receipt);
            }
        }
        Ok(Settlement::Open(outcome)) => {
            if let Some(running) = find(state, id) {
                running.looking = false;
                running.look_at = now + CALM;
                running.line = format!("{}: {}", outcome.word(), outcome.text());
            }
        }
        Ok(Settlement::Unfinished(receipt)) => {
            let read_only = state.read_only;
            let Some(running) = find(state, id) else { return Vec::new() };
            running.looking = false;
            if read_only {
                running.look_at = now + CALM;
                "a part of it is left to be sent, which --read-only does not"
                    .clone_into(&mut running.line);
                return Vec::new();
            }
            running.receipt = None;
            running.resumed = true;
            if running.hindered.is_none() {
                match receipt.outcome {
                    Some(_) => "it is over: what was promised for its end is sent",
                    None => "its first part has taken effect: going on",
                }
                .clone_into(&mut running.line);
            }
            return vec![Effect::Resume { id, receipt }];
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
    show(state);
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
        // What cannot be gone on with is waited for whatever moves.
        let calm = moving && one.hindered.is_none();
        let due = if calm { one.look_at + CALM } else { one.look_at };
        // News come as often as they like: what cannot be gone on with keeps its pace.
        let news = news && one.hindered.is_none();
        if now >= due || (news && !moving && now + LOOK >= one.look_at && one.standing.is_some()) {
            one.looking = true;
            let receipt = Box::new(receipt.clone());
            effects.push(Effect::Settle { id: one.id, receipt });
        }
    }
    effects
}

fn moving(app: &App, receipt: &Receipt) -> bool {
    !receipt.lost
        && app.rollout.as_ref().is_some_and(|rollout| {
            receipt.rollout() == Some(&rollout.id)
                && matches!(
                    rollout.phase,
                    Phase::Accepted | Phase::Rolling | Phase::Slow | Phase::Cancelling
                )
        })
}
