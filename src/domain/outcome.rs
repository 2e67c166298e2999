//! How operations go and end.

use super::{AppId, Operation, Rollout, RolloutId};

/// How an operation ended. Each text is one sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for is so.
    Done(String),
    /// The platform, or a check before it, said no; nothing has changed.
    Refused(String),
    /// It was begun and did not get there.
    Failed(String),
    /// It was sent and the answer was lost; only reading can tell.
    Unknown(String),
}

impl Outcome {
    /// The sentence.
    pub fn text(&self) -> &str {
        match self {
            Self::Done(text) | Self::Refused(text) | Self::Failed(text) | Self::Unknown(text) => {
                text
            }
        }
    }

    /// The word that stands before it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "DONE",
            Self::Refused(_) => "REFUSED",
            Self::Failed(_) => "FAILED",
            Self::Unknown(_) => "UNKNOWN",
        }
    }
}

/// What is needed to find an operation again that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The app.
    pub app: AppId,
    /// Its name.
    pub name: String,
    /// What was asked for.
    pub operation: Operation,
    /// The rollout that it made or changed, once that is known.
    pub rollout: Option<RolloutId>,
    /// Whether the answer was lost, so that it is not certain whether it took effect.
    pub lost: bool,
    /// What the adapter needs to recognise it. Opaque to all others.
    pub tracking: serde_json::Value,
}

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The platform has taken it.
    Accepted,
    /// Instances are coming and going.
    Rolling,
    /// It waits for somebody to let it go on.
    Paused,
    /// The rollout is over, the last instances are settling.
    Converging,
}

/// What one look at an operation under way has found.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// Not over yet.
    Pending {
        /// How far it is.
        stage: Stage,
        /// The receipt, with what has been learned since.
        receipt: Box<Receipt>,
        /// The rollout as it is.
        rollout: Option<Box<Rollout>>,
    },
    /// Over.
    Ended(Outcome),
}
