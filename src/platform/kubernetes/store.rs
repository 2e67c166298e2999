//! What the watches have told: workloads, their ReplicaSets and Pods, by who controls them.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::wire::{Metadata, Pod, ReplicaSet, Workload};
use crate::domain::{RevisionRef, RolloutId};

/// The kinds of workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    /// Of Argo Rollouts, where that is installed.
    Rollout,
}

impl Kind {
    pub(super) const ALL: [Self; 4] =
        [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::Rollout];

    /// Its place in the API.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            Self::Rollout => "rollouts",
        }
    }

    /// As kubectl takes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Rollout => "rollout",
        }
    }

    /// The group of its API.
    pub(super) fn group(self) -> &'static str {
        if self == Self::Rollout { "argoproj.io" } else { "apps" }
    }

    /// Where its API is.
    pub(super) fn root(self) -> &'static str {
        if self == Self::Rollout { "/apis/argoproj.io/v1alpha1" } else { "/apis/apps/v1" }
    }

    /// Whether its revisions are ReplicaSets.
    pub(super) fn has_sets(self) -> bool {
        matches!(self, Self::Deployment | Self::Rollout)
    }
}

/// Where a workload is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Address {
    /// The workload of a path in the API.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        let (root, rest) = path.split_once("/namespaces/")?;
        let mut parts = rest.split('/');
        let (namespace, plural, name) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = Kind::ALL.into_iter().find(|kind| {
            kind.root() == root && kind.plural() == plural && parts.clone().next().is_none()
        })?;
        Some(Self { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Its path in the API.
    pub(super) fn path(&self) -> String {
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
pub(super) trait Kept {
    fn metadata(&self) -> &Metadata;
}

impl<S, T> Kept for super::wire::Object<S, T> {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// Objects of a kind by UID, and by the UID of who controls them.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    objects: HashMap<String, T>,
    owned: HashMap<String, BTreeSet<String>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { objects: HashMap::new(), owned: HashMap::new() }
    }
}

impl<T: Kept> Shelf<T> {
    pub(super) fn put(&mut self, object: T) {
        let metadata = object.metadata();
        if let Some(owner) = metadata.owner() {
            self.owned.entry(owner.to_owned()).or_default().insert(metadata.uid.clone());
        }
        self.objects.insert(metadata.uid.clone(), object);
    }

    pub(super) fn put_all(&mut self, objects: Vec<T>) {
        for object in objects {
            self.put(object);
        }
    }

    pub(super) fn remove(&mut self, uid: &str) -> Option<T> {
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

    pub(super) fn get(&self, uid: &str) -> Option<&T> {
        self.objects.get(uid)
    }

    pub(super) fn owned(&self, owner: &str) -> Vec<&T> {
        self.owned
            .get(owner)
            .into_iter()
            .flatten()
            .filter_map(|uid| self.objects.get(uid))
            .collect()
    }

    pub(super) fn uids(&self) -> impl Iterator<Item = &String> {
        self.objects.keys()
    }
}

/// Everything of one scope.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) workloads: Shelf<Kinded>,
    pub(super) sets: Shelf<ReplicaSet>,
    pub(super) pods: Shelf<Pod>,
    /// Whether ReplicaSets may not be seen: what rolls is then judged by the numbers of the Deployment alone.
    pub(super) no_sets: bool,
    /// Workloads of which the Pods are known.
    pub(super) with_pods: BTreeSet<String>,
    /// Since when a template of a workload rolls, as far as it was seen.
    pub(super) began: HashMap<(String, u64), Timestamp>,
    /// What was live when it began, kept when its last instance is gone.
    pub(super) origins: HashMap<RolloutId, RevisionRef>,
    /// ReplicaSets that were seen with all their Pods available.
    pub(super) served: BTreeSet<String>,
}

/// A workload and what kind it is.
#[derive(Clone, Debug)]
pub(super) struct Kinded {
    pub(super) kind: Kind,
    pub(super) object: Workload,
}

impl Kept for Kinded {
    fn metadata(&self) -> &Metadata {
        &self.object.metadata
    }
}

impl Kinded {
    pub(super) fn address(&self) -> Address {
        let metadata = &self.object.metadata;
        Address {
            kind: self.kind,
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
        }
    }
}
