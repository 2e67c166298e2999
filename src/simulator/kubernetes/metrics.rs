//! `metrics.k8s.io/v1beta1`: what Pods use, as metrics-server measures it every 15 seconds. A Pod that has not run for that
//! long has not been measured yet (`pkg/storage/pod.go` of metrics-server).
//!
//! An image whose tag contains `heavy` uses three times the processor and ever more memory.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    error::ApiError,
    resources::PODS,
    selector::Selector,
    store::Key,
    world::{World, stamp},
};
use crate::simulator::{
    clock::{after, seconds_between},
    guid::scramble,
};

/// How often Pods are measured, in seconds.
const EVERY: f64 = 15.0;
/// How long it takes one that leaks to fill its memory, in seconds.
const FILLS: f64 = 240.0;
const MEGA: f64 = 1_048_576.0;

/// `GET …/pods`.
pub(super) fn list(world: &World, namespace: Option<&str>, selector: &Selector) -> Value {
    let pods = world.store.list(PODS, namespace).into_iter();
    let pods = pods.filter(|(_, pod)| selector.matches(pod));
    let items: Vec<_> = pods.filter_map(|(_, pod)| of(pod, world.now)).collect();
    json!({ "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items })
}

/// `GET …/pods/NAME`.
pub(super) fn one(world: &World, key: &Key) -> Result<Value, ApiError> {
    let pod = world.store.get(&Key::new(PODS, &key.namespace, &key.name));
    let measured = pod.and_then(|pod| of(pod, world.now));
    measured.ok_or_else(|| ApiError::not_found("pods", "metrics.k8s.io", &key.name))
}

fn of(pod: &Value, now: Timestamp) -> Option<Value> {
    let states = pod["status"]["containerStatuses"].as_array()?;
    let since: Timestamp =
        states.first()?["state"]["running"]["startedAt"].as_str()?.parse().ok()?;
    let at = after(
        Timestamp::UNIX_EPOCH,
        (seconds_between(Timestamp::UNIX_EPOCH, now) / EVERY).floor() * EVERY,
    );
    let ran = seconds_between(since, at);
    if ran < EVERY {
        return None;
    }
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let luck = uid.bytes().fold(7_u64, |sum, byte| scramble(sum ^ u64::from(byte)));
    let luck = (luck % 1_000) as f64 / 1_000.0;
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten().map(|one| {
        let heavy = one["image"].as_str().is_some_and(|image| image.contains("heavy"));
        let limit = one["resources"]["limits"]["memory"].as_str();
        let limit = limit.and_then(|text| text.strip_suffix("Mi")?.parse::<f64>().ok());
        let limit = limit.unwrap_or(256.0);
        let (cpu, memory) = if heavy {
            (0.36 + luck * 0.03, limit * (0.34 + 0.64 * (ran / FILLS).min(1.0)))
        } else {
            (0.10 + luck * 0.03, limit * (0.31 + luck * 0.04))
        };
        json!({
            "name": one["name"],
            "usage": { "cpu": format!("{:.0}n", cpu * 1e9), "memory": format!("{:.0}Ki", memory * MEGA / 1024.0) },
        })
    });
    Some(json!({
        "metadata": {
            "name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"],
            "creationTimestamp": stamp(now), "labels": pod["metadata"]["labels"],
        },
        "timestamp": stamp(at), "window": "15s", "containers": containers.collect::<Vec<_>>(),
    }))
}
