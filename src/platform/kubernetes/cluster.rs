//! A cluster as one login sees it: the way to it, and what is kept of it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{OnceCell, mpsc};

use super::model::{
    rows::RowsAsked,
    store::{Address, Kinded, OwnRevision},
};
use crate::domain::{AppId, RevisionId, TargetId, text::clean};
use crate::platform::{Error, Now, cluster::Connection, sightings::Sightings, sync::lock};

/// Something that the login may do or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::platform::kubernetes) struct Act {
    pub(in crate::platform::kubernetes) verb: &'static str,
    pub(in crate::platform::kubernetes) group: &'static str,
    /// With its subresource where it is about that: `pods/log`.
    pub(in crate::platform::kubernetes) resource: &'static str,
    pub(in crate::platform::kubernetes) namespace: String,
}

/// An answer and when it came.
pub(in crate::platform::kubernetes) type Answer = (bool, Timestamp);

/// What is known of a cluster, and the way to it.
pub(in crate::platform::kubernetes) struct Cluster {
    pub(in crate::platform::kubernetes) target: TargetId,
    pub(in crate::platform::kubernetes) connection: Connection,
    pub(in crate::platform::kubernetes) now: Now,
    pub(in crate::platform::kubernetes) version: OnceCell<String>,
    /// Where the workloads are that were seen, by UID.
    pub(in crate::platform::kubernetes) addresses: Mutex<HashMap<String, Address>>,
    /// Which revisions were seen with all their Pods available, and which failing.
    pub(in crate::platform::kubernetes) sightings: Sightings,
    /// What the login may do, as far as it was asked.
    pub(in crate::platform::kubernetes) allowed: Mutex<HashMap<Act, Answer>>,
    /// The ControllerRevisions of DaemonSets, by UID and generation: their status names none.
    pub(in crate::platform::kubernetes) own: Mutex<HashMap<(String, i64), Vec<OwnRevision>>>,
    /// Numbers of ControllerRevisions, by name.
    pub(in crate::platform::kubernetes) labels: Mutex<HashMap<String, String>>,
    /// Who watches Pods anyway, while somebody does.
    pub(in crate::platform::kubernetes) watcher: Mutex<Option<mpsc::Sender<RowsAsked>>>,
    /// What the last reading of all workloads could not show.
    pub(in crate::platform::kubernetes) unseen: Mutex<BTreeSet<String>>,
}

impl Cluster {
    pub(in crate::platform::kubernetes) fn version(&self) -> Option<String> {
        self.version.get().cloned()
    }

    /// What a scope is called.
    pub(in crate::platform::kubernetes) fn scope_label(&self, namespace: Option<&str>) -> String {
        format!(
            "{}/{}",
            clean(&self.connection.context),
            namespace.map_or_else(|| "*".to_owned(), clean)
        )
    }

    pub(in crate::platform::kubernetes) fn learn(&self, uid: &str, address: Address) {
        lock(&self.addresses).insert(uid.to_owned(), address);
    }

    pub(in crate::platform::kubernetes) fn address(&self, app: &AppId) -> Result<Address, Error> {
        lock(&self.addresses).get(app.as_str()).cloned().ok_or_else(|| Error::NotFound {
            what: format!(
                "there is no workload with the UID {}, or it was not seen yet",
                clean(app.as_str())
            ),
        })
    }

    /// Reads back what this adapter has put into a plan or a receipt.
    pub(in crate::platform::kubernetes) fn read_own<T: DeserializeOwned>(
        &self,
        location: &str,
        value: &Value,
    ) -> Result<T, Error> {
        T::deserialize(value).map_err(|error| Error::Garbled {
            api: self.connection.api.clone(),
            location: location.to_owned(),
            why: error.to_string(),
        })
    }

    /// Forgets a workload that is gone: preview environments come and go for weeks.
    pub(in crate::platform::kubernetes) fn forget(&self, uid: &str) {
        lock(&self.addresses).remove(uid);
        lock(&self.own).retain(|(of, _), _| of != uid);
    }

    /// Forgets a revision that was pruned.
    pub(in crate::platform::kubernetes) fn forget_revision(&self, id: &str) {
        self.sightings.forget(id);
        lock(&self.labels).remove(id);
    }

    pub(in crate::platform::kubernetes) fn number_of(
        &self,
        revision: &RevisionId,
    ) -> Option<String> {
        lock(&self.labels).get(revision.as_str()).cloned()
    }

    /// The revisions of a DaemonSet, newest first, where they were read since its generation changed.
    pub(in crate::platform::kubernetes) fn own_of(
        &self,
        workload: &Kinded,
    ) -> Option<Vec<OwnRevision>> {
        let metadata = &workload.object.metadata;
        lock(&self.own).get(&(metadata.uid.clone(), metadata.generation)).cloned()
    }
}
