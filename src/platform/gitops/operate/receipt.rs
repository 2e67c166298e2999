//! What steps and receipts hold. No secrets: the remote is configured, and the commit's identifier is the receipt.

use serde::{Deserialize, Serialize};

use crate::platform::gitops::{client::mirror::ObjectId, model::image::Version};

/// What a step sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(in crate::platform::gitops) enum Action {
    /// Points a branch to a commit, if it points to `expected`; an empty commit deletes it.
    Push {
        commit: ObjectId,
        branch: String,
        expected: ObjectId,
    },
    /// Opens a pull request.
    Open {
        branch: String,
        commit: ObjectId,
        base: String,
        title: String,
        body: String,
    },
    Merge {
        number: u64,
        head: ObjectId,
        /// How, as the forge calls it.
        #[serde(default)]
        way: Option<String>,
    },
    Close {
        number: u64,
    },
    /// Suspends an object of Flux, or lets it go on.
    Suspend {
        kind: String,
        namespace: String,
        name: String,
        on: bool,
    },
    /// Has Flux look now.
    Reconcile {
        kind: String,
        namespace: String,
        name: String,
        at: String,
    },
}

/// What a plan stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::platform::gitops) struct Guard {
    pub(in crate::platform::gitops) branch: String,
    pub(in crate::platform::gitops) head: ObjectId,
    /// The commit that is to be sent, where there is one: what it changes is what others may have changed since.
    #[serde(default)]
    pub(in crate::platform::gitops) commit: Option<ObjectId>,
}

/// How an operation is recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::platform::gitops) struct Tracking {
    /// The commit that brings it, before it is merged.
    pub(in crate::platform::gitops) commit: ObjectId,
    /// The branch that it is for.
    pub(in crate::platform::gitops) branch: String,
    /// The branch of its own that it travels on.
    pub(in crate::platform::gitops) own: Option<String>,
    pub(in crate::platform::gitops) pull: Option<u64>,
    /// What the app is to be at; `None` where that is not what it is about.
    pub(in crate::platform::gitops) version: Option<Version>,
    /// The object of Flux that it is about, and whether it is to be suspended, or when it was asked to look.
    pub(in crate::platform::gitops) object: Option<(String, String)>,
    pub(in crate::platform::gitops) state: Option<bool>,
    pub(in crate::platform::gitops) asked: Option<String>,
    /// Whether image automation is held back by it.
    pub(in crate::platform::gitops) held: bool,
    /// Whether the plan was made without seeing what runs.
    pub(in crate::platform::gitops) blind: bool,
    /// A place of the app, by which it is found again: file and path.
    pub(in crate::platform::gitops) lead: Option<(String, String)>,
}
