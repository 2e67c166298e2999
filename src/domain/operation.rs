//! What an operator asks for.

use std::{fmt, path::PathBuf};

use super::{AppId, RevisionId};

/// Where a roll back goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollBackTo {
    /// The newest earlier revision that is known to have served, see [`super::last_good`].
    LastGood,
    /// This one.
    Revision(RevisionId),
}

/// What a deploy brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Something the platform has already, such as a droplet, by its identifier.
    Artifact(String),
    /// A directory of source code, to be uploaded and built.
    Directory(PathBuf),
    /// A container image.
    Image(String),
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

/// The settings of a new rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutOptions {
    /// How it proceeds.
    pub strategy: Strategy,
    /// The share of instances after each canary step, 1 to 100, ascending; empty for one step of one instance.
    pub steps: Vec<u32>,
    /// How many instances may be on their way at a time, at least 1; the platform's default when `None`.
    pub max_in_flight: Option<u32>,
    /// How many instances there shall be at the end; as many as now when `None`.
    pub instances: Option<u32>,
}

/// What shall be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Make an earlier revision the deployed one.
    RollBack(RollBackTo),
    /// Deploy something new.
    Deploy(Source),
    /// Stop the rollout in progress and return to what was.
    Cancel,
    /// Let a rollout that waits go on.
    Continue,
    /// Hold a rollout where it is.
    Pause,
    /// Replace all instances by new ones of the same revision.
    Restart,
    /// Have the platform keep revisions from now on.
    EnableRevisions,
}

impl Operation {
    /// The verb, as screens and the journal have it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::RollBack(_) => "roll back",
            Self::Deploy(_) => "deploy",
            Self::Cancel => "cancel",
            Self::Continue => "continue",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::EnableRevisions => "switch revisions on",
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
    /// How.
    pub manner: RolloutOptions,
    /// Why, to be stored where the platform can store it.
    pub reason: Option<String>,
}

impl Request {
    /// A request in the platform's default manner and without a reason.
    pub fn new(app: AppId, operation: Operation) -> Self {
        Self { app, operation, manner: RolloutOptions::default(), reason: None }
    }
}
