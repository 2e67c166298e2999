//! What an operation consists of, and what is needed to find it again after it was sent.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AppKey, Outcome, RolloutId, Target, Verb};

/// One step of an operation: what is sent in one go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it does, in a clause such as `cancel the rollout`.
    pub label: String,
    /// The calls that it makes, such as `POST /v3/deployments`.
    pub calls: Vec<String>,
    /// What the adapter needs to send it. Opaque to all others; it holds no secrets.
    pub action: Value,
    /// What must still be so just before it, where that is read again because of the steps before. Opaque like the one of
    /// the recipe, which it may differ from by what these steps change.
    #[serde(default)]
    pub guard: Option<Value>,
    /// Whether it completes what the steps before began, so that it is right to send it also after a restart.
    #[serde(default)]
    pub completes: bool,
    /// Whether the operation goes on where this fails.
    #[serde(default)]
    pub optional: bool,
    /// Of what comes afterwards: whether it is left out where the operation did not get there.
    #[serde(default)]
    pub only_if_done: bool,
    /// Of what comes afterwards: the same by hand, for whoever has to do it.
    #[serde(default)]
    pub by_hand: String,
}

/// What an app will be when an operation has got there; as a text a clause that follows `is`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Goal {
    /// On a revision that it has been on before, which is called so, such as `rev 7`: its number may be another one then.
    BackOn {
        /// What the revision is called when the operation is planned.
        back_on: String,
    },
    /// Anything else, such as `on rev 9` or `at 3 instances`.
    Other(String),
}

impl Default for Goal {
    fn default() -> Self {
        Self::Other("done".to_owned())
    }
}

impl From<String> for Goal {
    fn from(clause: String) -> Self {
        Self::Other(clause)
    }
}

impl From<&str> for Goal {
    fn from(clause: &str) -> Self {
        Self::Other(clause.to_owned())
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackOn { back_on } => write!(f, "back on {back_on}"),
            Self::Other(clause) => f.write_str(clause),
        }
    }
}

/// What carrying a plan out consists of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// A name that no other operation has, ever; the platform keeps it where it can.
    pub id: String,
    /// What must still be so when it is carried out. Opaque to all but the adapter.
    pub guard: Value,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What is promised for when it is over, however it ends, such as to release what was held back. Each leads to the same
    /// when it is sent twice.
    #[serde(default)]
    pub afterwards: Vec<Step>,
    /// What the app will be.
    pub goal: Goal,
    /// What it will no longer be on, such as `rev 8`.
    pub leaving: Option<String>,
    /// Whether it ends the rollout in progress rather than beginning one.
    #[serde(default)]
    pub undoes: bool,
    /// How many instances there were before, where it changes that.
    #[serde(default)]
    pub former: Option<u32>,
    /// The rollout that it makes or changes, once that is known.
    pub rollout: Option<RolloutId>,
    /// What the adapter needs to recognise it. Opaque to all others.
    pub tracking: Value,
}

/// What is needed to find an operation again that was sent; it is in the journal before it is needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The app.
    pub app: AppKey,
    /// Its name.
    pub name: String,
    /// The API that it was sent to: a target of the same name may lead elsewhere by the time that it is looked for. Empty
    /// in receipts of earlier versions.
    #[serde(default)]
    pub api: String,
    /// What was asked for.
    pub verb: Verb,
    /// What it consists of, with what has been learned since.
    pub recipe: Recipe,
    /// How many of its steps are known to have taken effect.
    pub done: usize,
    /// Whether the next step was sent and its answer is missing.
    pub lost: bool,
    /// When the latest step was sent.
    pub sent_at: Option<Timestamp>,
    /// Whether somebody else began it: then a pause is not its end.
    #[serde(default)]
    pub theirs: bool,
    /// Whether the next step has been sent a second time; there is no third.
    #[serde(default)]
    pub resent: bool,
    /// Since when its rollout is seen to be over while instances are missing.
    #[serde(default)]
    pub settling: Option<Timestamp>,
    /// Since when something of its rollout is seen broken, and when the rollout had moved last by then.
    #[serde(default)]
    pub broken: Option<(Timestamp, Option<Timestamp>)>,
    /// What the operator should know of it when it is over, in a clause.
    #[serde(default)]
    pub remark: Option<String>,
    /// How it ended, while what comes afterwards is left to be sent.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// How much of what comes afterwards was dealt with.
    #[serde(default)]
    pub closed: usize,
}

impl Receipt {
    /// Of an operation of which nothing was sent yet.
    pub fn unsent(app: AppKey, name: String, verb: Verb, recipe: Recipe) -> Self {
        Self {
            app,
            name,
            api: String::new(),
            verb,
            recipe,
            done: 0,
            lost: false,
            sent_at: None,
            theirs: false,
            resent: false,
            settling: None,
            broken: None,
            remark: None,
            outcome: None,
            closed: 0,
        }
    }

    /// Whether it was sent to this target, wherever that leads now.
    pub fn is_of(&self, target: &Target) -> bool {
        self.app.target == target.id && (self.api.is_empty() || self.api == target.api)
    }

    /// The rollout that it makes or changes, once that is known.
    pub fn rollout(&self) -> Option<&RolloutId> {
        self.recipe.rollout.as_ref()
    }

    /// Whether something is promised for when it is over, and left to be done.
    pub fn promises(&self) -> bool {
        self.closed < self.recipe.afterwards.len()
    }

    /// Whether no step is left to be sent.
    pub fn complete(&self) -> bool {
        self.done + usize::from(self.lost) >= self.recipe.steps.len()
    }

    /// Whether something of it may have to be sent yet: a step, a lost one that completes it once more, or what was promised
    /// for when it is over.
    pub fn may_send(&self) -> bool {
        let again = self.recipe.steps.get(self.done).is_some_and(|step| step.completes);
        !self.complete() || (self.lost && !self.resent && again) || self.promises()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_kept_as_what_it_is() {
        let back = Goal::BackOn { back_on: "rev 7".to_owned() };
        for (goal, told) in
            [(back, "back on rev 7"), (Goal::from("at 3 instances"), "at 3 instances")]
        {
            assert_eq!(goal.to_string(), told);
            let kept = serde_json::to_string(&goal).unwrap_or_default();
            assert_eq!(serde_json::from_str::<Goal>(&kept).ok(), Some(goal));
        }
        // What an earlier version has written down.
        let earlier = serde_json::from_str::<Goal>("\"back on rev 7\"").ok();
        assert_eq!(earlier, Some(Goal::from("back on rev 7")));
    }
}
