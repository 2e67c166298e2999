//! What the watches have told: workloads, their ReplicaSets and Pods, by who controls them.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::domain::{RevisionRef, RolloutId};
use crate::platform::kubernetes::model::wire::{Metadata, Pod, ReplicaSet, Workload};

/// The kinds of workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::platform::kubernetes) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    /// Of Argo Rollouts, where that is installed.
    Rollout,
}

impl Kind {
    pub(in crate::platform::kubernetes) const ALL: [Self; 4] =
        [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::Rollout];

    /// Its place in the API.
    pub(in crate::platform::kubernetes) fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            Self::Rollout => "rollouts",
        }
    }

    /// As kubectl takes it.
    pub(in crate::platform::kubernetes) fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Rollout => "rollout",
        }
    }

    /// The group of its API.
    pub(in crate::platform::kubernetes) fn group(self) -> &'static str {
        if self == Self::Rollout { "argoproj.io" } else { "apps" }
    }

    /// Where its API is.
    pub(in crate::platform::kubernetes) fn root(self) -> &'static str {
        if self == Self::Rollout { "/apis/argoproj.io/v1alpha1" } else { "/apis/apps/v1" }
    }

    /// Whether its revisions are ReplicaSets.
    pub(in crate::platform::kubernetes) fn has_sets(self) -> bool {
        matches!(self, Self::Deployment | Self::Rollout)
    }
}

/// Where a workload is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::platform::kubernetes) struct Address {
    pub(in crate::platform::kubernetes) kind: Kind,
    pub(in crate::platform::kubernetes) namespace: String,
    pub(in crate::platform::kubernetes) name: String,
}

impl Address {
    /// The workload of a path in the API.
    pub(in crate::platform::kubernetes) fn of_path(path: &str) -> Option<Self> {
        let (root, rest) = path.split_once("/namespaces/")?;
        let mut parts = rest.split('/');
        let (namespace, plural, name) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = Kind::ALL.into_iter().find(|kind| {
            kind.root() == root && kind.plural() == plural && parts.clone().next().is_none()
        })?;
        Some(Self { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Its path in the API.
    pub(in crate::platform::kubernetes) fn path(&self) -> String {
        format!(
            "{}/namespaces/{}/{}/{}",
            self.kind.root(),
            self.namespace,
            self.kind.plural(),
            self.name
        )
    }
}

/// Something that can be kept in the store.
pub(in crate::platform::kubernetes) trait Kept {
    fn metadata(&self) -> &Metadata;
}

impl<S, T> Kept for crate::platform::kubernetes::model::wire::Object<S, T> {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// Objects of a kind by UID, and by the UID of who controls them.
#[derive(Debug)]
pub(in crate::platform::kubernetes) struct Shelf<T> {
    objects: HashMap<String, T>,
    owned: HashMap<String, BTreeSet<String>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { objects: HashMap::new(), owned: HashMap::new() }
    }
}

impl<T: Kept> Shelf<T> {
    pub(in crate::platform::kubernetes) fn put(&mut self, object: T) {
        let metadata = object.metadata();
        if let Some(owner) = metadata.owner() {
            self.owned.entry(owner.to_owned()).or_default().insert(metadata.uid.clone());
        }
        self.objects.insert(metadata.uid.clone(), object);
    }

    pub(in crate::platform::kubernetes) fn put_all(&mut self, objects: Vec<T>) {
        for object in objects {
            self.put(object);
        }
    }

    pub(in crate::platform::kubernetes) fn remove(&mut self, uid: &str) -> Option<T> {
        let object = self.objects.remove(uid)?;
        if let Some(owner) = object.metadata().owner()
            && let Some(owned) = self.owned.get_mut(owner)
        {
            owned.remove(uid);
            if owned.is_empty() {
                self.owned.remove(owner);
            }
        }
        Some(object)
    }

    pub(in crate::platform::kubernetes) fn get(&self, uid: &str) -> Option<&T> {
        self.objects.get(uid)
    }

    pub(in crate::platform::kubernetes) fn owned(&self, owner: &str) -> Vec<&T> {
        self.owned
            .get(owner)
            .into_iter()
            .flatten()
            .filter_map(|uid| self.objects.get(uid))
            .collect()
    }

    pub(in crate::platform::kubernetes) fn uids(&self) -> impl Iterator<Item = &String> {
        self.objects.keys()
    }
}

/// Everything of one scope.
#[derive(Debug, Default)]
pub(in crate::platform::kubernetes) struct Store {
    pub(in crate::platform::kubernetes) workloads: Shelf<Kinded>,
    pub(in crate::platform::kubernetes) sets: Shelf<ReplicaSet>,
    pub(in crate::platform::kubernetes) pods: Shelf<Pod>,
    /// Whether ReplicaSets may not be seen: what rolls is then judged by the numbers of the Deployment alone.
    pub(in crate::platform::kubernetes) no_sets: bool,
    /// Workloads of which the Pods are known.
    pub(in crate::platform::kubernetes) with_pods: BTreeSet<String>,
    /// Since when a template of a workload rolls, as far as it was seen.
    pub(in crate::platform::kubernetes) began: HashMap<(String, u64), Timestamp>,
    /// What was live when it began, kept when its last instance is gone.
    pub(in crate::platform::kubernetes) origins: HashMap<RolloutId, RevisionRef>,
    /// The ControllerRevisions of DaemonSets by their UID, newest first: their status names none.
    pub(in crate::platform::kubernetes) own: HashMap<String, Vec<OwnRevision>>,
    /// ReplicaSets that were seen with all their Pods available.
    pub(in crate::platform::kubernetes) served: BTreeSet<String>,
    /// Revisions that were seen failing, and never well.
    pub(in crate::platform::kubernetes) failed: BTreeSet<String>,
}

/// A ControllerRevision, and what its Pods carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::kubernetes) struct OwnRevision {
    pub(in crate::platform::kubernetes) reference: RevisionRef,
    pub(in crate::platform::kubernetes) mark: String,
}

/// A workload and what kind it is.
#[derive(Clone, Debug)]
pub(in crate::platform::kubernetes) struct Kinded {
    pub(in crate::platform::kubernetes) kind: Kind,
    pub(in crate::platform::kubernetes) object: Workload,
}

impl Kept for Kinded {
    fn metadata(&self) -> &Metadata {
        &self.object.metadata
    }
}

impl Kinded {
    pub(in crate::platform::kubernetes) fn address(&self) -> Address {
        let metadata = &self.object.metadata;
        Address {
            kind: self.kind,
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
        }
    }
}
