//! The sentences of operations, the same for every platform.

use jiff::SignedDuration;

use crate::domain::{Count, Goal, Note, Outcome, Overtaken, Receipt, Step, text::span};

/// The goal of what goes back to a revision, which is called so.
pub fn back_on(revision: impl Into<String>) -> Goal {
    Goal::BackOn { back_on: revision.into() }
}

/// What voids what is left of an operation.
pub const BEGUN_SINCE: &str = "another rollout has begun since";

/// Warns that the rollout in progress, such as ` of rev 8`, gives way to what is planned; `more` is what comes of that.
pub fn supersedes(of: &str, more: &str) -> Note {
    Note::Warning(format!("the rollout in progress{of} is superseded by this{more}"))
}

/// What is remarked where another rollout, such as ` of rev 8`, was found just before one's own.
pub fn took_the_place(of: &str) -> String {
    format!("another rollout{of} had begun a moment before, and this one took its place")
}

/// The world is another one than the plan was made for.
pub(super) fn changed(what: &str) -> String {
    format!("CHANGED since the plan was made: {what}")
}

/// Without the journal nothing is sent.
pub(super) fn no_journal(why: &str) -> String {
    format!("the journal cannot be written ({why})")
}

/// The end of an operation of which nothing was sent.
pub(super) fn unsent(why: &str) -> Outcome {
    Outcome::Refused(format!("{why}. Nothing was sent; look again"))
}

fn labels(receipt: &Receipt, range: std::ops::Range<usize>) -> String {
    let steps = receipt.recipe.steps.get(range).unwrap_or_default();
    steps.iter().map(|step| step.label.as_str()).collect::<Vec<_>>().join(", ")
}

/// An operation of which some steps were done and others were not: each is named.
pub(super) fn cut_short(receipt: &Receipt, why: &str) -> Outcome {
    let (verb, name) = (receipt.verb.words(), &receipt.name);
    let (done, all) = (receipt.done, receipt.recipe.steps.len());
    Outcome::Failed(format!(
        "the {verb} of {name} was cut short: {why}. Done: {}; not done: {}. Plan it again, or do the rest by hand",
        labels(receipt, 0..done),
        labels(receipt, done..all)
    ))
}

/// Something that was promised for the end and could not be done.
pub(super) fn not_afterwards(step: &Step, why: &str) -> String {
    let hand = if step.by_hand.is_empty() { String::new() } else { format!(": {}", step.by_hand) };
    format!("NOT done: {} ({why}); do it by hand{hand}", step.label)
}

/// The end of an operation with what came afterwards.
pub(super) fn closed(outcome: Outcome, done: &[String], failed: &[String]) -> Outcome {
    if !failed.is_empty() {
        return Outcome::Failed(format!("{}. But {}", outcome.text(), failed.join("; ")));
    }
    if done.is_empty() {
        return outcome;
    }
    outcome.map(|text| format!("{text}; afterwards: {}", done.join(", ")))
}

/// A lost request of which no sign has come.
pub(super) fn never_arrived(receipt: &Receipt) -> Outcome {
    if receipt.done > 0 {
        return cut_short(
            receipt,
            "the answer was lost, and reading shows that it never took effect",
        );
    }
    Outcome::Failed(format!(
        "the answer was lost, and reading shows that the {} of {} never took effect: nothing has changed. It is safe to try again",
        receipt.verb.words(),
        receipt.name
    ))
}

/// A lost request of which no sign has come, and that may still take effect.
pub(super) fn not_arrived_yet(receipt: &Receipt) -> Outcome {
    Outcome::Unknown(format!(
        "the answer was lost, and no sign of the {} of {} has come: it may still take effect. Look before you try again; `revdeck resume` tells what became of it",
        receipt.verb.words(),
        receipt.name
    ))
}

/// A lost step of which nothing can be read.
pub(super) fn not_known(receipt: &Receipt) -> Outcome {
    let (done, all) = (receipt.done, receipt.recipe.steps.len());
    Outcome::Unknown(format!(
        "the answer to a step of the {} of {} was lost ({}), and whether it took effect cannot be read: look before you try again",
        receipt.verb.words(),
        receipt.name,
        labels(receipt, done..all)
    ))
}

pub(super) fn overtaken(receipt: &Receipt, what: Overtaken, by: Option<&str>) -> Outcome {
    let (verb, name) = (receipt.verb.words(), &receipt.name);
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    Outcome::Failed(match what {
        Overtaken::Cancelled => format!("the {verb} of {name} was cancelled{by} and taken back"),
        Overtaken::Superseded => {
            format!("the {verb} of {name} was superseded: another rollout{by} took its place")
        }
        Overtaken::Followed => {
            format!("{name} was {}, but {BEGUN_SINCE}{by}", receipt.recipe.goal)
        }
        Overtaken::Finished => {
            format!("the rollout of {name} had finished before it could be cancelled")
        }
        Overtaken::Deleted => format!("{name} was deleted meanwhile{by}"),
        Overtaken::MovedBack(branch) => {
            format!(
                "the {verb} of {name} was taken back{by}: {branch} does not hold its commit any more"
            )
        }
        Overtaken::PutBack(other) => format!(
            "{name} is not {}: the platform put {other} back instead. Roll back to the one that you want",
            receipt.recipe.goal
        ),
        Overtaken::Rescaled(now) => format!(
            "{name} does not stay {}: somebody, or an autoscaler, has set it to {now} since{by}",
            receipt.recipe.goal
        ),
    })
}

/// An end with what the operator should know of it besides.
pub(super) fn remarked(receipt: &Receipt, outcome: Outcome) -> Outcome {
    match &receipt.remark {
        Some(remark) => outcome.map(|text| format!("{text}; {remark}")),
        None => outcome,
    }
}

pub(super) fn waits(receipt: &Receipt, step: Option<(u32, u32)>) -> Outcome {
    let step = step.map(|(current, total)| format!(" at step {current} of {total}"));
    Outcome::Done(format!(
        "{} waits{}: continue it or cancel it",
        receipt.name,
        step.unwrap_or_default()
    ))
}

pub(super) fn stuck(receipt: &Receipt, why: &str, since: SignedDuration) -> Outcome {
    Outcome::Failed(format!(
        "{} does not get there: {why}, for {}. The platform goes on trying: cancel, or roll back",
        receipt.name,
        span(since)
    ))
}

pub(super) fn given_up(receipt: &Receipt, why: &str) -> Outcome {
    Outcome::Failed(format!(
        "the platform gave the {} of {} up: {why}",
        receipt.verb.words(),
        receipt.name
    ))
}

pub(super) fn held(receipt: &Receipt, what: &str) -> Outcome {
    let (name, goal) = (&receipt.name, &receipt.recipe.goal);
    Outcome::Failed(format!("{name} is not {goal} yet: {what}"))
}

pub(super) fn short_of_instances(
    receipt: &Receipt,
    count: Count,
    after: SignedDuration,
) -> Outcome {
    Outcome::Failed(format!(
        "{} is {}, but only {} of {} instances run after {}",
        receipt.name,
        receipt.recipe.goal,
        count.running.unwrap_or(0),
        count.desired,
        span(after)
    ))
}

/// What was asked for is so; `label` is what the revision that serves now is called.
pub(super) fn arrived(
    receipt: &Receipt,
    count: Option<Count>,
    label: Option<&str>,
    took: Option<SignedDuration>,
) -> Outcome {
    let (name, goal) = (&receipt.name, &receipt.recipe.goal);
    // Going back may have given the old revision a new number.
    let renamed = match (goal, label.map(crate::domain::revision_name)) {
        (Goal::BackOn { back_on }, Some(now)) if *back_on != now => format!(" (now {now})"),
        _ => String::new(),
    };
    let Some(count) = count else { return Outcome::Done(format!("{name} is {goal}")) };
    let leaving = receipt.recipe.leaving.as_deref();
    let gone = |name: &str| {
        let verb = if name.contains(" and ") { "are" } else { "is" };
        format!(", {name} {verb} gone")
    };
    let leaving = leaving.map(gone).unwrap_or_default();
    let took = took.map(|took| format!(", after {}", span(took))).unwrap_or_default();
    Outcome::Done(format!(
        "{name} is {goal}{renamed}: {} of {} running{leaving}{took}",
        count.running.unwrap_or(0),
        count.desired
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_cut_short_is_never_said_to_be_unsent() {
        let step = |label: &str| json!({ "label": label, "calls": [], "action": null });
        let receipt: Receipt = serde_json::from_value(json!({
            "app": { "target": "cf", "app": "guid" }, "name": "checkout", "verb": "deploy",
            "done": 1, "lost": false, "sent_at": null,
            "recipe": {
                "id": "1", "guard": null, "goal": "on rev 9", "leaving": null, "rollout": null, "tracking": null,
                "steps": [step("make the package"), step("ask for the rollout")],
            },
        }))
        .unwrap();
        for why in [changed("another revision is deployed"), no_journal("disk full")] {
            let text = cut_short(&receipt, &why).text().to_owned();
            assert!(
                text.contains("Done: make the package; not done: ask for the rollout"),
                "{text}"
            );
            assert!(!text.to_lowercase().contains("nothing was sent"), "{text}");
            assert!(unsent(&why).text().contains("Nothing was sent"));
        }
    }
}
