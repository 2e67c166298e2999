//! How operations go and end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Count, Receipt, Rollout, RolloutId};

/// How an operation ended. Each text is one sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What is said while the effect of a request is looked for whose answer was lost.
pub const LOOKING: &str = "the answer was lost after the request left: looking (it is sent once)";

impl Outcome {
    /// The end of an operation that could not be written down, for this reason; `without` is what goes on all the same.
    pub fn no_journal(why: &str, without: &str) -> Self {
        Self::Refused(format!(
            "the journal cannot be written ({why}), so nothing was sent; {without} goes on without it"
        ))
    }

    /// An end as the journal has written it down, by its word in any case; `None` where the word is none of the four.
    pub fn of_word(word: &str, text: &str) -> Option<Self> {
        let text = text.to_owned();
        let ends = [Self::Done, Self::Refused, Self::Failed, Self::Unknown];
        ends.into_iter()
            .map(|end| end(text.clone()))
            .find(|end| end.word().eq_ignore_ascii_case(word))
    }

    /// The sentence.
    pub fn text(&self) -> &str {
        match self {
            Self::Done(text) | Self::Refused(text) | Self::Failed(text) | Self::Unknown(text) => {
                text
            }
        }
    }

    /// The same end in another sentence.
    #[must_use]
    pub fn map(self, words: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Done(text) => Self::Done(words(text)),
            Self::Refused(text) => Self::Refused(words(text)),
            Self::Failed(text) => Self::Failed(words(text)),
            Self::Unknown(text) => Self::Unknown(words(text)),
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

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The platform has taken it, or may yet take it.
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
        standing: Standing,
        /// The receipt, with what has been learned since.
        receipt: Box<Receipt>,
        /// The rollout as it is.
        rollout: Option<Box<Rollout>>,
    },
    /// The step whose answer was lost has taken effect, and others are left to be sent.
    Unfinished(Box<Receipt>),
    /// No sign of it has come for long, and it may still take effect: what to say of it for now. It has no end yet.
    Open(Outcome),
    /// Over.
    Ended(Outcome),
}

/// Why an operation did not come to its own end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overtaken {
    /// Its rollout was cancelled and taken back.
    Cancelled,
    /// Another rollout took its place.
    Superseded,
    /// It got there, and another rollout has begun since.
    Followed,
    /// The rollout that was to be cancelled had finished before.
    Finished,
    /// The app is gone.
    Deleted,
    /// This branch of a repository, which held its commit, was moved back.
    MovedBack(String),
    /// The platform has put back the revision that is called so, and not the one that was wanted.
    PutBack(String),
    /// The number of instances that was asked for was changed to this one.
    Rescaled(u32),
}

/// What an adapter sees of an operation, as data; what it means for the operator is worded once for all platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is no sign of it: what was there before is there, as it was.
    NotArrived,
    /// Something else came in between, by somebody.
    Overtaken {
        /// What.
        what: Overtaken,
        /// Who, where the platform says so.
        by: Option<String>,
    },
    /// It is under way.
    Moving,
    /// It stands at a step, current of total where they are counted, until somebody lets it go on.
    Waiting(Option<(u32, u32)>),
    /// The rollout is over and not all instances run yet.
    Settling {
        /// The instances.
        count: Count,
        /// When the rollout ended.
        since: Option<Timestamp>,
    },
    /// What was asked for is so.
    Arrived {
        /// The instances; `None` where it is not about instances.
        count: Option<Count>,
        /// The label of the revision that serves now.
        label: Option<String>,
    },
    /// What was asked for is known to the platform, and it does not go on by itself: what is waited for, in a clause.
    Held(String),
    /// The platform gave it up, and why.
    Failed(String),
}

/// One look of an adapter at an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// What it sees.
    pub finding: Finding,
    /// The rollout in progress.
    pub rollout: Option<Rollout>,
    /// The rollout that belongs to the operation, where that was learned.
    pub id: Option<RolloutId>,
}

impl From<Finding> for Observation {
    fn from(finding: Finding) -> Self {
        Self { finding, rollout: None, id: None }
    }
}
