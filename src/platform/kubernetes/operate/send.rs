//! Sending one step of a plan, once, and finding out whether one that was lost took effect.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::platform::kubernetes::{Cluster, Connection, model::wire::Pod, read::instances};
use crate::{
    domain::{InstanceState, Receipt, text::clean},
    platform::{
        Error,
        http::WriteError,
        operation::{Learned, Order, Progress, StepError, say},
    },
};

/// Who the server is told makes the change.
pub(in crate::platform::kubernetes) const MANAGER: &str = "revdeck";
pub(in crate::platform::kubernetes) const JSON_PATCH: &str = "application/json-patch+json";

/// What a plan stands on.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::platform::kubernetes) struct Guard {
    pub(in crate::platform::kubernetes) path: String,
    pub(in crate::platform::kubernetes) uid: String,
    pub(in crate::platform::kubernetes) generation: i64,
}

/// One step.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::platform::kubernetes) enum Action {
    /// A JSON Patch that the server takes only while nobody else has changed the object.
    Patch { path: String, patch: Value },
    /// A Pod that holds the others of its StatefulSet up.
    DeletePod { namespace: String, name: String, uid: String },
}

impl Action {
    /// The same as a plan keeps it.
    pub(in crate::platform::kubernetes) fn json(&self) -> Value {
        // Texts and JSON: it cannot fail to become JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}

fn pod_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods/{name}")
}

/// What has changed since the plan was made, in a clause.
pub(in crate::platform::kubernetes) async fn changed(
    cluster: &Cluster,
    guard: &Value,
) -> Result<Option<String>, Error> {
    let guard: Guard = cluster.read_own("the plan", guard)?;
    let now: Value = cluster.connection.get(&guard.path, &[]).await?;
    Ok(difference(&guard, &now))
}

fn difference(guard: &Guard, now: &Value) -> Option<String> {
    if now["metadata"]["uid"] != guard.uid.as_str() {
        return Some("it was deleted and made anew".to_owned());
    }
    (now["metadata"]["generation"].as_i64() != Some(guard.generation)).then(|| by_whom(now))
}

/// Who changed an object last.
fn by_whom(now: &Value) -> String {
    let managers = now["metadata"]["managedFields"].as_array();
    let theirs = managers
        .into_iter()
        .flatten()
        .filter(|one| one["subresource"].as_str().is_none_or(str::is_empty));
    let last = theirs.max_by_key(|one| one["time"].as_str().unwrap_or_default().to_owned());
    let who =
        last.and_then(|one| one["manager"].as_str()).map_or_else(|| "somebody".to_owned(), clean);
    format!("{who} has changed its specification")
}

/// Sends one step, once.
pub(in crate::platform::kubernetes) async fn send(
    cluster: &Cluster,
    order: Order<'_>,
    progress: &Progress,
) -> Result<Learned, StepError> {
    match cluster.read_own("the plan", &order.step().action)? {
        Action::Patch { path, patch } => {
            let address = Connection::address(&path, &[("fieldManager", MANAGER)]);
            let answer =
                cluster.connection.write(Method::PATCH, &address, JSON_PATCH, &patch).await;
            match answer {
                Ok(_) => Ok(Learned::default()),
                Err(WriteError::NoEffect(error)) => {
                    Err(StepError::NoEffect(why(cluster, order.receipt(), error).await))
                }
                Err(WriteError::Lost(error)) => Err(StepError::Lost(error)),
            }
        }
        Action::DeletePod { namespace, name, uid } => {
            let path = pod_path(&namespace, &name);
            let owner = order.receipt().app.app.as_str();
            if !still_stuck(cluster, &path, &uid, owner).await? {
                say(progress, format!("Pod {name} is another one or ready by now: left alone"));
                return Ok(Learned::default());
            }
            let body = json!({ "preconditions": { "uid": uid } });
            let deleted =
                cluster.connection.write(Method::DELETE, &path, "application/json", &body).await;
            match deleted {
                Ok(_) | Err(WriteError::NoEffect(Error::NotFound { .. })) => Ok(Learned::default()),
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// Whether a Pod is still the one that was seen, of the workload, and not ready.
async fn still_stuck(cluster: &Cluster, path: &str, uid: &str, owner: &str) -> Result<bool, Error> {
    let pod: Pod = match cluster.connection.get(path, &[]).await {
        Ok(pod) => pod,
        Err(Error::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    let state = instances::instance(&pod).state;
    Ok(pod.metadata.uid == uid
        && pod.metadata.owner() == Some(owner)
        && !matches!(state, InstanceState::Running | InstanceState::Stopping))
}

/// A rejected patch says nothing: reading again tells whether somebody else was quicker.
async fn why(cluster: &Cluster, receipt: &Receipt, error: Error) -> Error {
    if !matches!(error, Error::Api { status: 422 | 409, .. }) {
        return error;
    }
    let Ok(guard) = cluster.read_own::<Guard>("the plan", &receipt.recipe.guard) else {
        return error;
    };
    match cluster.connection.get::<Value>(&guard.path, &[]).await {
        Ok(now) => match difference(&guard, &now) {
            Some(what) => Error::Refused {
                what: format!("CHANGED under the plan, so the server took nothing: {what}"),
            },
            None => error,
        },
        Err(_) => error,
    }
}

/// Whether a step whose answer was lost took effect.
pub(in crate::platform::kubernetes) async fn took_effect(
    cluster: &Cluster,
    receipt: &Receipt,
    action: &Value,
) -> Result<Option<bool>, Error> {
    match cluster.read_own("the receipt", action)? {
        Action::Patch { .. } => {
            let seen =
                crate::platform::kubernetes::operate::observe::observe(cluster, receipt).await?;
            Ok(Some(seen.verdict != crate::domain::Verdict::NotArrived))
        }
        Action::DeletePod { namespace, name, uid } => {
            let path = pod_path(&namespace, &name);
            Ok(Some(!still_stuck(cluster, &path, &uid, receipt.app.app.as_str()).await?))
        }
    }
}
