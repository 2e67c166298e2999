//! What an operator asks for.

use std::fmt;

use super::{AppId, Options, RevisionId, Verb};

/// Where a roll back goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollBackTo {
    /// The newest earlier revision that is known to have served, see [`super::last_good`].
    LastGood,
    /// This one.
    Revision(RevisionId),
}

/// How a rollout proceeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Instance by instance.
    #[default]
    Rolling,
    /// In steps, waiting at each for somebody to let it go on.
    Canary,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rolling => "rolling",
            Self::Canary => "canary",
        })
    }
}

/// What shall be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Make an earlier revision the deployed one.
    RollBack(RollBackTo),
    /// Deploy something new; the options say what.
    Deploy,
    /// Stop the rollout in progress and return to what was.
    Cancel,
    /// Let a rollout that waits go on.
    Continue,
    /// Hold a rollout where it is.
    Pause,
    /// Replace all instances by new ones of the same revision, or one where the options name it.
    Restart,
    /// Let what moves the app besides a rollout go on, such as auto scaling.
    Release,
    /// Have what applies a repository look at it now.
    Reconcile,
    /// Change how many instances there are; the options say to how many.
    Scale,
    /// Let no instance run.
    Stop,
    /// Let instances run again.
    Start,
    /// Have the platform keep revisions from now on.
    EnableRevisions,
}

impl Operation {
    /// Its verb.
    pub fn verb(&self) -> Verb {
        match self {
            Self::RollBack(_) => Verb::RollBack,
            Self::Deploy => Verb::Deploy,
            Self::Cancel => Verb::Cancel,
            Self::Continue => Verb::Continue,
            Self::Pause => Verb::Pause,
            Self::Restart => Verb::Restart,
            Self::Release => Verb::Release,
            Self::Reconcile => Verb::Reconcile,
            Self::Scale => Verb::Scale,
            Self::Stop => Verb::Stop,
            Self::Start => Verb::Start,
            Self::EnableRevisions => Verb::EnableRevisions,
        }
    }
}

impl From<Verb> for Operation {
    /// A verb without anything more said; a roll back goes to the last good revision.
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::RollBack => Self::RollBack(RollBackTo::LastGood),
            Verb::Deploy => Self::Deploy,
            Verb::Cancel => Self::Cancel,
            Verb::Continue => Self::Continue,
            Verb::Pause => Self::Pause,
            Verb::Restart => Self::Restart,
            Verb::Release => Self::Release,
            Verb::Reconcile => Self::Reconcile,
            Verb::Scale => Self::Scale,
            Verb::Stop => Self::Stop,
            Verb::Start => Self::Start,
            Verb::EnableRevisions => Self::EnableRevisions,
        }
    }
}

/// An operation on an app, with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which app.
    pub app: AppId,
    /// What.
    pub operation: Operation,
    /// How, and what with.
    pub options: Options,
    /// Why, to be stored where the platform can store it.
    pub reason: Option<String>,
}

impl Request {
    /// A request without options or a reason.
    pub fn new(app: AppId, operation: Operation) -> Self {
        Self { app, operation, options: Options::default(), reason: None }
    }

    /// The same with an option.
    #[must_use]
    pub fn with(mut self, option: &str, value: &str) -> Self {
        self.options = self.options.with(option, value);
        self
    }
}
