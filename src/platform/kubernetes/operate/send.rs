//! Sending one step of a plan, once, and finding out whether one that was lost took effect.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::platform::cluster::Connection;
use crate::platform::kubernetes::{
    cluster::Cluster,
    model::wire::{Pod, Template},
    operate::{
        guard::{Guard, by_whom},
        observe::Tracking,
    },
    read::instances,
};
use crate::{
    domain::{InstanceState, Receipt, RolloutId},
    platform::{
        Error,
        http::WriteError,
        operation::{Learned, Order, Progress, StepError, say},
    },
};

/// Who the server is told makes the change.
pub(in crate::platform::kubernetes) const MANAGER: &str = "revdeck";
pub(in crate::platform::kubernetes) const JSON_PATCH: &str = "application/json-patch+json";
/// How often a patch is tried that somebody's scaling has overtaken.
const TRIES: u32 = 4;

/// One step.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::platform::kubernetes) enum Action {
    /// A JSON Patch that the server takes only while nobody else has changed the object.
    Patch { path: String, patch: Value },
    /// Another number of instances, as long as it is what it was.
    Scale { path: String, before: u32, wanted: u32 },
    /// A Pod that makes room for another one, if disruption budgets allow it.
    Evict { namespace: String, name: String, uid: String },
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
    Ok(guard.difference(&now))
}

/// Sends one step, once.
pub(in crate::platform::kubernetes) async fn send(
    cluster: &Cluster,
    order: Order<'_>,
    progress: &Progress,
) -> Result<Learned, StepError> {
    match cluster.read_own("the plan", &order.step().action)? {
        Action::Patch { path, patch } => send_patch(cluster, order.receipt(), &path, &patch).await,
        Action::Scale { path, before, wanted } => {
            send_scale(cluster, order.receipt(), &path, before, wanted).await
        }
        Action::Evict { namespace, name, uid } => {
            let path = format!("{}/eviction", pod_path(&namespace, &name));
            let body = eviction(&namespace, &name, &uid);
            match cluster.connection.write(Method::POST, &path, "application/json", &body).await {
                Ok(_) => Ok(Learned::default()),
                Err(WriteError::NoEffect(Error::RateLimited { said, .. })) if !said.is_empty() => {
                    let what = format!("the server lets it not go now: {said}");
                    Err(StepError::NoEffect(Error::Refused { what }))
                }
                Err(error) => Err(error.into()),
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

/// A patch of the scale of a workload that is void where it is another one, or somebody has scaled it.
pub(in crate::platform::kubernetes) fn scale_patch(uid: &str, before: u32, wanted: u32) -> Value {
    let mut steps = vec![json!({ "op": "test", "path": "/metadata/uid", "value": uid })];
    // A scale of none leaves the number out.
    if before > 0 {
        steps.push(json!({ "op": "test", "path": "/spec/replicas", "value": before }));
    }
    steps.push(json!({ "op": "add", "path": "/spec/replicas", "value": wanted }));
    Value::Array(steps)
}

/// `policy/v1` Eviction of the very Pod that was seen.
pub(in crate::platform::kubernetes) fn eviction(namespace: &str, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": { "name": name, "namespace": namespace },
        "deleteOptions": { "preconditions": { "uid": uid } },
    })
}

async fn send_scale(
    cluster: &Cluster,
    receipt: &Receipt,
    path: &str,
    before: u32,
    wanted: u32,
) -> Result<Learned, StepError> {
    let guard: Guard = cluster.read_own("the plan", &receipt.recipe.guard)?;
    let now: Value = cluster.connection.get(&guard.path, &[]).await?;
    let has = now["spec"]["replicas"].as_u64().unwrap_or(1);
    if has != u64::from(before) {
        return Err(StepError::Changed(format!("{} has scaled it to {has}", by_whom(&now))));
    }
    let address = Connection::address(path, &[("fieldManager", MANAGER)]);
    let patch = scale_patch(&guard.uid, before, wanted);
    cluster.connection.write(Method::PATCH, &address, JSON_PATCH, &patch).await?;
    Ok(Learned::default())
}

/// Sends a patch that the server takes only while the object is as it was a moment ago. One that it refused for that
/// reason alone had no effect, and is sent again on what there is by then, if that still is what the plan stands on.
async fn send_patch(
    cluster: &Cluster,
    receipt: &Receipt,
    path: &str,
    patch: &Value,
) -> Result<Learned, StepError> {
    let guard: Guard = cluster.read_own("the plan", &receipt.recipe.guard)?;
    let address = Connection::address(path, &[("fieldManager", MANAGER)]);
    let mut tried = 0;
    loop {
        tried += 1;
        let now: Value = cluster.connection.get(&guard.path, &[]).await?;
        if let Some(what) = guard.difference(&now) {
            return Err(StepError::Changed(what));
        }
        let patch = guarded(&now, patch);
        match cluster.connection.write(Method::PATCH, &address, JSON_PATCH, &patch).await {
            Ok(object) => return Ok(learned(cluster, receipt, &object)),
            Err(WriteError::NoEffect(Error::Api { status: 409 | 422, .. }))
                if tried < TRIES && moved(cluster, &guard, &now).await => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A patch with the tests that void it as soon as anybody else changes the object.
fn guarded(now: &Value, patch: &Value) -> Value {
    let metadata = &now["metadata"];
    let mut steps = vec![
        json!({ "op": "test", "path": "/metadata/uid", "value": metadata["uid"] }),
        json!({ "op": "test", "path": "/metadata/generation", "value": metadata["generation"] }),
    ];
    steps.extend(patch.as_array().into_iter().flatten().cloned());
    Value::Array(steps)
}

/// Whether an object has moved on since it was read.
async fn moved(cluster: &Cluster, guard: &Guard, before: &Value) -> bool {
    let now = cluster.connection.get::<Value>(&guard.path, &[]).await;
    now.is_ok_and(|now| now["metadata"]["generation"] != before["metadata"]["generation"])
}

/// What the answer tells: admission may have changed the template on its way.
fn learned(cluster: &Cluster, receipt: &Receipt, object: &Value) -> Learned {
    let tracking = cluster.read_own::<Tracking>("the receipt", &receipt.recipe.tracking).ok();
    let tracking = tracking.filter(|tracking| tracking.template.is_some());
    let hash = Template::read(object["spec"]["template"].clone()).hash;
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    Learned {
        rollout: tracking.as_ref().map(|_| RolloutId::new(format!("{uid}/{hash:016x}"))),
        tracking: tracking.map(|known| Tracking { template: Some(hash), ..known }.json()),
        ..Learned::default()
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

/// Whether a step whose answer was lost took effect.
pub(in crate::platform::kubernetes) async fn took_effect(
    cluster: &Cluster,
    receipt: &Receipt,
    action: &Value,
) -> Result<Option<bool>, Error> {
    match cluster.read_own("the receipt", action)? {
        Action::Patch { .. } | Action::Scale { .. } | Action::Evict { .. } => {
            let seen =
                crate::platform::kubernetes::operate::observe::observe(cluster, receipt).await?;
            Ok(Some(seen.finding != crate::domain::Finding::NotArrived))
        }
        Action::DeletePod { namespace, name, uid } => {
            let path = pod_path(&namespace, &name);
            Ok(Some(!still_stuck(cluster, &path, &uid, receipt.app.app.as_str()).await?))
        }
    }
}
