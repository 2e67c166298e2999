//! The objects and the history of their changes: what etcd and the watch cache are to a real cluster.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use serde_json::Value;

use super::resources::Kind;

/// How many changes are remembered: a watch from before them is told that they are gone.
const REMEMBERED: usize = 6_000;

/// Where an object is: its kind, namespace (empty for cluster-wide kinds) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

/// One change, with the object before and after it.
#[derive(Clone, Debug)]
pub(crate) struct StoreEvent {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    /// None where the object was deleted; `last` is then what it was, with the revision of its end.
    pub(crate) after: Option<Arc<Value>>,
    pub(crate) last: Option<Arc<Value>>,
}

/// All objects.
#[derive(Debug)]
pub(crate) struct Store {
    revision: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    /// Objects by the UID of their controller.
    owned: HashMap<String, BTreeSet<Key>>,
    changes: VecDeque<StoreEvent>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            revision: 1_000,
            objects: BTreeMap::new(),
            owned: HashMap::new(),
            changes: VecDeque::new(),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// Objects of a kind in a namespace, or in all where none is named, by name.
    pub(crate) fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<(&Key, &Arc<Value>)> {
        let from = Key::new(kind, namespace.unwrap_or_default(), "");
        self.objects
            .range(from..)
            .take_while(|(key, _)| {
                key.kind == kind && namespace.is_none_or(|wanted| key.namespace == wanted)
            })
            .collect()
    }

    /// Objects of a kind that are controlled by another.
    pub(crate) fn owned(&self, owner: &str, kind: Kind) -> Vec<(Key, Arc<Value>)> {
        let keys = self.owned.get(owner).into_iter().flatten();
        keys.filter(|key| key.kind == kind)
            .filter_map(|key| Some((key.clone(), self.objects.get(key)?.clone())))
            .collect()
    }

    /// All that is controlled by an object.
    pub(crate) fn dependents(&self, owner: &str) -> Vec<Key> {
        self.owned.get(owner).into_iter().flatten().cloned().collect()
    }

    /// Stores an object under a new revision.
    pub(crate) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        if let Some(owner) = controller(&object) {
            self.owned.entry(owner.to_owned()).or_default().insert(key.clone());
        }
        let before = self.objects.insert(key.clone(), object.clone());
        self.remember(StoreEvent {
            revision: self.revision,
            key,
            before,
            after: Some(object.clone()),
            last: None,
        });
        object
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        if let Some(owned) = controller(&before).and_then(|owner| self.owned.get_mut(owner)) {
            owned.remove(key);
        }
        if let Some(uid) = before["metadata"]["uid"].as_str() {
            self.owned.remove(uid);
        }
        self.revision += 1;
        let mut last = (*before).clone();
        last["metadata"]["resourceVersion"] = self.revision.to_string().into();
        self.remember(StoreEvent {
            revision: self.revision,
            key: key.clone(),
            before: Some(before.clone()),
            after: None,
            last: Some(Arc::new(last)),
        });
        Some(before)
    }

    fn remember(&mut self, change: StoreEvent) {
        self.changes.push_back(change);
        if self.changes.len() > REMEMBERED {
            self.changes.pop_front();
        }
    }

    /// The changes since a revision; `None` where some of them are forgotten.
    pub(crate) fn since(&self, revision: u64) -> Option<impl Iterator<Item = &StoreEvent>> {
        let oldest = self.changes.front().map_or(self.revision + 1, |change| change.revision);
        if revision + 1 < oldest && revision < self.revision {
            return None;
        }
        let at = self.changes.partition_point(|change| change.revision <= revision);
        Some(self.changes.range(at..))
    }
}

/// The UID of the object that controls this one.
fn controller(object: &Value) -> Option<&str> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}
