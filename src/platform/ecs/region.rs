//! A region as one login sees it: the way to it, and what is kept of it.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::{client::api::Connection, model::wire::Service};
use crate::domain::{Scope, TargetId, text::clean};
use crate::platform::{Error, Now, sync::lock};

/// For how long calls that the server does not have are not tried again.
const UNAVAILABLE: Duration = Duration::from_mins(1);

/// For how long what is read may be older than an answer to a change.
const BEHIND: Duration = Duration::from_mins(1);

/// What is known of a region, and the way to it.
pub(in crate::platform::ecs) struct Region {
    pub(in crate::platform::ecs) target: TargetId,
    pub(in crate::platform::ecs) connection: Connection,
    pub(in crate::platform::ecs) cluster: Option<String>,
    pub(in crate::platform::ecs) service: Option<String>,
    pub(in crate::platform::ecs) now: Now,
    /// Task definitions by ARN; they never change.
    pub(in crate::platform::ecs) definitions: Mutex<HashMap<String, Value>>,
    /// Service revisions by ARN; they never change.
    pub(in crate::platform::ecs) revisions: Mutex<HashMap<String, Value>>,
    /// Why the tasks of a deployment stop, by its identifier, and when that was asked.
    pub(in crate::platform::ecs) reasons: Mutex<HashMap<String, (String, Timestamp)>>,
    /// Of the services that are scaled automatically, what of that is suspended, by resource.
    pub(in crate::platform::ecs) suspended: Mutex<HashMap<String, String>>,
    /// Services as an update of ours was answered, by ARN, and when.
    pub(in crate::platform::ecs) updated: Mutex<HashMap<String, (Service, Instant)>>,
    /// Why service deployments cannot be asked for, and since when.
    pub(in crate::platform::ecs) unavailable: Mutex<Option<(String, Instant)>>,
}

impl Region {
    pub(in crate::platform::ecs) fn known_definition(&self, arn: &str) -> Option<Value> {
        lock(&self.definitions).get(arn).cloned()
    }

    pub(in crate::platform::ecs) fn keep_definition(&self, arn: &str, definition: Value) {
        lock(&self.definitions).insert(arn.to_owned(), definition);
    }

    /// Forgets a task definition of which the status has changed.
    pub(in crate::platform::ecs) fn forget_definition(&self, arn: &str) {
        lock(&self.definitions).remove(arn);
    }

    /// Keeps what an update of ours was answered with.
    pub(in crate::platform::ecs) fn keep_updated(&self, service: Service) {
        lock(&self.updated).insert(service.service_arn.clone(), (service, Instant::now()));
    }

    /// The service as it was answered by an update of ours where what is read is older than that: "the result of an API
    /// command you run that affects your Amazon ECS resources might not be immediately visible to all subsequent
    /// commands you run" (API reference, `RunTask`).
    pub(in crate::platform::ecs) fn not_behind(&self, read: Service) -> Service {
        let mut updated = lock(&self.updated);
        let Some((answered, at)) = updated.get(&read.service_arn) else { return read };
        if at.elapsed() < BEHIND && read.is_older_than(answered) {
            return answered.clone();
        }
        updated.remove(&read.service_arn);
        read
    }

    /// Why service deployments are not to be asked for now.
    pub(in crate::platform::ecs) fn unavailable(&self) -> Option<String> {
        let unavailable = lock(&self.unavailable);
        let (why, since) = unavailable.as_ref()?;
        (since.elapsed() < UNAVAILABLE).then(|| why.clone())
    }

    /// Notes that service deployments cannot be asked for here.
    pub(in crate::platform::ecs) fn note_unavailable(&self, error: &Error) {
        *lock(&self.unavailable) = Some((error.to_string(), Instant::now()));
    }

    /// Reads back what this adapter has put into a plan or a receipt.
    pub(in crate::platform::ecs) fn read_own<T: DeserializeOwned>(
        &self,
        location: &str,
        value: &Value,
    ) -> Result<T, Error> {
        T::deserialize(value).map_err(|error| Error::Garbled {
            api: self.connection.settings().ecs.clone(),
            location: location.to_owned(),
            why: error.to_string(),
        })
    }

    pub(in crate::platform::ecs) fn scope_label(&self, scope: &Scope) -> String {
        let region = &self.connection.settings().region;
        match &self.cluster {
            Some(cluster) if *scope == Scope::Home => {
                format!("{}/{}", clean(region), clean(cluster))
            }
            _ => clean(region),
        }
    }
}
