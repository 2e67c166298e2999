//! Following an operation to its end by reading.

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{Error, Platform},
    words,
};
use crate::domain::{
    Finding, Observation, Outcome, Phase, Receipt, Rollout, Settlement, Standing, Step,
};

/// For how long is looked for the effect of a request whose answer was lost, from when it was sent. Where the platform
/// may take longer, it is left open then.
const LATE: SignedDuration = SignedDuration::from_mins(3);
/// How long a rollout for which the platform has no deadline may be stuck before it counts as failed.
const STUCK: SignedDuration = SignedDuration::from_secs(120);
/// How long the last instances may take to settle.
const SETTLING: SignedDuration = SignedDuration::from_secs(300);

/// Looks, without changing anything, how an operation is going. Where something was promised for its end, it is not over
/// before that is sent.
///
/// # Errors
/// Where it cannot be read; that says nothing about the operation.
pub async fn settle(platform: &dyn Platform, receipt: &Receipt) -> Result<Settlement, Error> {
    if receipt.outcome.is_some() {
        return Ok(Settlement::Unfinished(Box::new(receipt.clone())));
    }
    Ok(match look(platform, receipt).await? {
        Settlement::Ended(outcome) => {
            let outcome = words::remarked(receipt, outcome);
            if receipt.promises() {
                let ended = Receipt { outcome: Some(outcome), ..receipt.clone() };
                Settlement::Unfinished(Box::new(ended))
            } else {
                Settlement::Ended(outcome)
            }
        }
        settlement => settlement,
    })
}

async fn look(platform: &dyn Platform, receipt: &Receipt) -> Result<Settlement, Error> {
    let now = platform.now();
    let waited = since(receipt.sent_at, now);
    let late = is_late(platform, receipt);
    // After that it cannot come any more.
    let certain = waited.is_none_or(|waited| waited >= platform.longest_write());
    let mut receipt = receipt.clone();
    let mut untold = false;
    if receipt.lost
        && let Some(step) = receipt.recipe.steps.get(receipt.done)
    {
        match platform.took_effect(&receipt, step).await? {
            Some(true) if receipt.complete() => {
                receipt.done += 1;
                receipt.lost = false;
            }
            Some(true) => return Ok(Settlement::Unfinished(Box::new(receipt))),
            // What completes an operation leads to the same when it is sent once more.
            Some(false) if may_resend(platform, &receipt, step) => {
                return Ok(Settlement::Unfinished(Box::new(receipt)));
            }
            Some(false) if late => {
                // It may have come too late for something else: that is worth more than "never".
                let seen = if receipt.complete() && !step.completes {
                    Some(platform.observe(&receipt).await?.finding)
                } else {
                    None
                };
                return Ok(match seen {
                    Some(Finding::Overtaken { what, by }) => {
                        Settlement::Ended(words::overtaken(&receipt, what, by.as_deref()))
                    }
                    Some(Finding::Failed(why)) => {
                        Settlement::Ended(words::given_up(&receipt, &why))
                    }
                    _ => not_seen(&receipt, certain),
                });
            }
            Some(false) => return Ok(pending(Standing::Accepted, receipt, None)),
            None if receipt.complete() => untold = true,
            None if certain => return Ok(Settlement::Ended(words::not_known(&receipt))),
            None if late => return Ok(Settlement::Open(words::not_known(&receipt))),
            None => return Ok(pending(Standing::Accepted, receipt, None)),
        }
    }
    let Observation { finding, rollout, id } = platform.observe(&receipt).await?;
    receipt.recipe.rollout = id.or(receipt.recipe.rollout.take());
    if receipt.lost && finding != Finding::NotArrived {
        // It has been seen.
        receipt.lost = false;
        receipt.done = receipt.recipe.steps.len();
    }
    Ok(match finding {
        // That it was not found is not that it is not there, where not all could be looked at.
        Finding::NotArrived if receipt.lost && certain && untold => {
            Settlement::Ended(words::not_known(&receipt))
        }
        Finding::NotArrived if receipt.lost && late => not_seen(&receipt, certain && !untold),
        Finding::NotArrived => pending(Standing::Accepted, receipt, rollout),
        Finding::Overtaken { what, by } => {
            Settlement::Ended(words::overtaken(&receipt, what, by.as_deref()))
        }
        Finding::Moving => match rollout.as_ref().and_then(|one| stuck(&mut receipt, one, now)) {
            Some(outcome) => Settlement::Ended(outcome),
            None => {
                let standing = match rollout.as_ref().map(|rollout| rollout.phase) {
                    Some(Phase::Paused) => Standing::Paused,
                    None | Some(Phase::Accepted) => Standing::Accepted,
                    Some(_) => Standing::Rolling,
                };
                pending(standing, receipt, rollout)
            }
        },
        // What was promised for its end is not due while it only waits.
        Finding::Waiting(_) if receipt.theirs || receipt.promises() => {
            pending(Standing::Paused, receipt, rollout)
        }
        Finding::Waiting(step) => Settlement::Ended(words::waits(&receipt, step)),
        Finding::Settling { count, since: ended } => {
            // Where the platform does not say when it ended, the first look that saw it counts; what cannot be counted
            // is waited for.
            let ended = ended.or(receipt.settling).or(Some(now));
            receipt.settling = ended;
            let ended = ended.filter(|_| count.running.is_some());
            match since(ended, now).filter(|settling| *settling > SETTLING) {
                Some(after) => Settlement::Ended(words::short_of_instances(&receipt, count, after)),
                None => pending(Standing::Converging, receipt, rollout),
            }
        }
        Finding::Arrived { count, label } => {
            Settlement::Ended(words::arrived(&receipt, count, label.as_deref(), waited))
        }
        Finding::Held(_) if receipt.theirs => pending(Standing::Paused, receipt, rollout),
        Finding::Held(what) => Settlement::Ended(words::held(&receipt, &what)),
        Finding::Failed(why) => Settlement::Ended(words::given_up(&receipt, &why)),
    })
}

/// Whether the effect of a request whose answer was lost is not waited for any more.
pub(super) fn is_late(platform: &dyn Platform, receipt: &Receipt) -> bool {
    let patience = LATE.min(platform.longest_write());
    since(receipt.sent_at, platform.now()).is_none_or(|waited| waited >= patience)
}

/// Whether a lost step may be sent once more: it completes the operation, so that it leads to the same when it arrives
/// twice, it is late, and it was sent once.
pub(super) fn may_resend(platform: &dyn Platform, receipt: &Receipt, step: &Step) -> bool {
    step.completes && !receipt.resent && is_late(platform, receipt)
}

/// No sign has come of a request whose answer was lost: the end of it, where it is certain that none will come.
fn not_seen(receipt: &Receipt, certain: bool) -> Settlement {
    if certain {
        Settlement::Ended(words::never_arrived(receipt))
    } else {
        Settlement::Open(words::not_arrived_yet(receipt))
    }
}

/// How long ago something was.
fn since(at: Option<Timestamp>, now: Timestamp) -> Option<SignedDuration> {
    at.map(|at| now.duration_since(at))
}

/// The end of a rollout that does not move: the platform's own deadline has passed, or ours where it has none. That
/// something is broken for a moment is no end: it counts from when it was first seen without progress since.
fn stuck(receipt: &mut Receipt, rollout: &Rollout, now: Timestamp) -> Option<Outcome> {
    if receipt.broken.is_some_and(|(_, moved)| moved != rollout.moved_at) {
        receipt.broken = None;
    }
    let stuck = rollout.stuck.as_ref().filter(|_| !receipt.recipe.undoes)?;
    let (seen, _) = *receipt.broken.get_or_insert((now, rollout.moved_at));
    let patient = now.duration_since(seen) >= STUCK;
    // What was promised for its end is not due while the platform goes on trying.
    let over = (stuck.late || (rollout.deadline.is_none() && patient)) && !receipt.promises();
    over.then(|| words::stuck(receipt, &stuck.why, now.duration_since(stuck.since)))
}

fn pending(standing: Standing, receipt: Receipt, rollout: Option<Rollout>) -> Settlement {
    Settlement::Pending { standing, receipt: Box::new(receipt), rollout: rollout.map(Box::new) }
}
