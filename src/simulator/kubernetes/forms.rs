//! Other forms of an answer than the whole object: the printed table, and metadata alone.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    resources::{DAEMON_SETS, DEPLOYMENTS, EVENTS, Kind, PODS, REPLICA_SETS, STATEFUL_SETS},
    world::number,
};
use crate::simulator::clock::seconds_between;

/// The form that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Table,
    Metadata,
}

impl Form {
    /// What an `Accept` header asks for first.
    pub(crate) fn asked(accept: &str) -> Self {
        let first = accept.split(',').next().unwrap_or_default();
        if first.contains("as=Table") {
            Self::Table
        } else if first.contains("as=PartialObjectMetadata") {
            Self::Metadata
        } else {
            Self::Whole
        }
    }

    /// One object in this form; a table has one row.
    pub(crate) fn of(self, kind: Kind, object: &Value, now: Timestamp) -> Value {
        match self {
            Self::Whole => object.clone(),
            Self::Table => table(kind, std::slice::from_ref(object), "", now),
            Self::Metadata => partial(object),
        }
    }

    /// A list in this form.
    pub(crate) fn list(self, kind: Kind, items: &[Value], revision: u64, now: Timestamp) -> Value {
        match self {
            Self::Whole => super::objects::list(kind, items, revision),
            Self::Table => table(kind, items, &revision.to_string(), now),
            Self::Metadata => json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": { "resourceVersion": revision.to_string() },
                "items": items.iter().map(partial).collect::<Vec<_>>(),
            }),
        }
    }
}

fn partial(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

fn age(text: &Value, now: Timestamp) -> String {
    let Some(at) = text.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return "<unknown>".to_owned();
    };
    let seconds = seconds_between(at, now).max(0.0) as i64;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn images(object: &Value) -> (String, String) {
    let containers = object["spec"]["template"]["spec"]["containers"].as_array();
    let field = |name: &str| {
        let all = containers.into_iter().flatten().filter_map(|one| one[name].as_str());
        all.collect::<Vec<_>>().join(",")
    };
    (field("name"), field("image"))
}

fn selector(object: &Value) -> String {
    let labels = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let all: Vec<_> = labels
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    all.join(",")
}

/// Columns of a kind: name, and 0 where it is always shown, 1 where only the wide form shows it.
fn columns(kind: Kind) -> &'static [(&'static str, u8)] {
    match kind {
        DEPLOYMENTS => &[
            ("Name", 0),
            ("Ready", 0),
            ("Up-to-date", 0),
            ("Available", 0),
            ("Age", 0),
            ("Containers", 1),
            ("Images", 1),
            ("Selector", 1),
        ],
        REPLICA_SETS => &[
            ("Name", 0),
            ("Desired", 0),
            ("Current", 0),
            ("Ready", 0),
            ("Age", 0),
            ("Containers", 1),
            ("Images", 1),
            ("Selector", 1),
        ],
        STATEFUL_SETS => &[("Name", 0), ("Ready", 0), ("Age", 0), ("Containers", 1), ("Images", 1)],
        DAEMON_SETS => &[
            ("Name", 0),
            ("Desired", 0),
            ("Current", 0),
            ("Ready", 0),
            ("Up-to-date", 0),
            ("Available", 0),
            ("Age", 0),
        ],
        PODS => &[
            ("Name", 0),
            ("Ready", 0),
            ("Status", 0),
            ("Restarts", 0),
            ("Age", 0),
            ("IP", 1),
            ("Node", 1),
        ],
        EVENTS => &[("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Message", 0)],
        _ => &[("Name", 0), ("Age", 0)],
    }
}

fn cells(kind: Kind, object: &Value, now: Timestamp) -> Value {
    let name = &object["metadata"]["name"];
    let age_of = age(&object["metadata"]["creationTimestamp"], now);
    let status = |field: &str| number(&object["status"], &format!("/{field}"));
    let wanted = number(object, "/spec/replicas");
    let (containers, pictures) = images(object);
    match kind {
        DEPLOYMENTS => json!([
            name,
            format!("{}/{wanted}", status("readyReplicas")),
            status("updatedReplicas"),
            status("availableReplicas"),
            age_of,
            containers,
            pictures,
            selector(object)
        ]),
        REPLICA_SETS => json!([
            name,
            wanted,
            status("replicas"),
            status("readyReplicas"),
            age_of,
            containers,
            pictures,
            selector(object)
        ]),
        STATEFUL_SETS => json!([
            name,
            format!("{}/{wanted}", status("readyReplicas")),
            age_of,
            containers,
            pictures
        ]),
        DAEMON_SETS => json!([
            name,
            status("desiredNumberScheduled"),
            status("currentNumberScheduled"),
            status("numberReady"),
            status("updatedNumberScheduled"),
            status("numberAvailable"),
            age_of
        ]),
        PODS => {
            let all = object["status"]["containerStatuses"].as_array();
            let ready = all.into_iter().flatten().filter(|one| one["ready"] == true).count();
            let total = object["spec"]["containers"].as_array().map_or(0, Vec::len);
            let restarts: i64 =
                all.into_iter().flatten().map(|one| number(one, "/restartCount")).sum();
            let waiting = all
                .into_iter()
                .flatten()
                .find_map(|one| one["state"]["waiting"]["reason"].as_str());
            let phase = object["status"]["phase"].as_str().unwrap_or("Pending");
            let state =
                if super::pods::ending(object) { "Terminating" } else { waiting.unwrap_or(phase) };
            json!([
                name,
                format!("{ready}/{total}"),
                state,
                restarts.to_string(),
                age_of,
                object["status"]["podIP"].as_str().unwrap_or("<none>"),
                object["spec"]["nodeName"].as_str().unwrap_or("<none>")
            ])
        }
        EVENTS => {
            let about = &object["involvedObject"];
            let of = format!(
                "{}/{}",
                about["kind"].as_str().unwrap_or_default().to_lowercase(),
                about["name"].as_str().unwrap_or_default()
            );
            json!([
                age(&object["lastTimestamp"], now),
                object["type"],
                object["reason"],
                of,
                object["message"]
            ])
        }
        _ => json!([name, age_of]),
    }
}

fn table(kind: Kind, items: &[Value], revision: &str, now: Timestamp) -> Value {
    let columns: Vec<_> = columns(kind)
        .iter()
        .map(|(name, priority)| {
            json!({
                "name": name, "type": "string", "format": if *name == "Name" { "name" } else { "" },
                "description": "", "priority": priority,
            })
        })
        .collect();
    let rows: Vec<_> = items
        .iter()
        .map(|item| json!({ "cells": cells(kind, item, now), "object": partial(item) }))
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": { "resourceVersion": revision },
        "columnDefinitions": columns, "rows": rows,
    })
}
