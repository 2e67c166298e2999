//! Where apps live, and what can be done there.

use std::fmt;

use super::TargetId;

/// A kind of platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlatformKind {
    /// Cloud Foundry, API v3.
    CloudFoundry,
    /// Kubernetes, API group `apps/v1`.
    Kubernetes,
}

impl PlatformKind {
    /// The short name for a crowded line.
    pub fn short(self) -> &'static str {
        match self {
            Self::CloudFoundry => "cf",
            Self::Kubernetes => "k8s",
        }
    }
}

impl fmt::Display for PlatformKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CloudFoundry => "cloud-foundry",
            Self::Kubernetes => "kubernetes",
        })
    }
}

/// One place that one login reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name used in this run.
    pub id: TargetId,
    /// What kind of platform it is.
    pub platform: PlatformKind,
    /// The address of its API.
    pub api: String,
    /// Where the login points by default, such as `acme/prod`.
    pub scope_label: String,
    /// Who is logged in.
    pub user: String,
    /// A warning that must stay in sight, such as certificates that are not verified.
    pub badge: Option<String>,
}

/// Whether something can be done, and if not, why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// It can.
    Yes,
    /// It cannot; the text is one clause such as `this API has no canary deployments`.
    No(String),
}

impl Capability {
    /// The reason why not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Yes => None,
            Self::No(reason) => Some(reason),
        }
    }
}

/// What a target can do at all, whatever the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Going back to an earlier revision.
    pub roll_back: Capability,
    /// Deploying something new.
    pub deploy: Capability,
    /// Deploying step by step, waiting in between.
    pub canary: Capability,
    /// Stopping a rollout and returning to what was.
    pub cancel: Capability,
    /// Letting a waiting rollout go on.
    pub go_on: Capability,
    /// Holding a rollout where it is.
    pub pause: Capability,
    /// Replacing all instances by new ones of the same revision.
    pub restart: Capability,
    /// Switching the keeping of revisions on, where it can be off.
    pub enable_revisions: Capability,
}

impl Capabilities {
    /// Everything can be done.
    pub fn all() -> Self {
        Self {
            roll_back: Capability::Yes,
            deploy: Capability::Yes,
            canary: Capability::Yes,
            cancel: Capability::Yes,
            go_on: Capability::Yes,
            pause: Capability::Yes,
            restart: Capability::Yes,
            enable_revisions: Capability::Yes,
        }
    }
}
