//! The Deployment controller: new and old ReplicaSets, scaled by surge and unavailability, and the status that lags
//! behind them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    resources::REPLICA_SETS,
    store::Key,
    world::{World, hash_of, number, owner_reference, stamp, strip_hash, without_zeros},
};
use crate::simulator::clock::seconds_between;

/// The annotation with a revision's number.
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// How long the controller takes to observe a change, in seconds.
const OBSERVES: f64 = 0.15;
/// How long its conditions lag behind what it observed, in seconds.
const LAG: f64 = 0.3;

type Set = (Key, Arc<Value>);

/// One look at a Deployment. Whether it still moves.
pub(crate) fn sync(world: &mut World, key: &Key, object: &Value) -> bool {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let generation = number(object, "/metadata/generation");
    if number(object, "/status/observedGeneration") < generation {
        let touched = world.touched.get(&uid).copied().unwrap_or(world.now);
        if seconds_between(touched, world.now) < OBSERVES {
            return true;
        }
        world.observed.insert(uid.clone(), world.now);
    }
    let mut sets = world.store.owned(&uid, REPLICA_SETS);
    sets.sort_by_key(|(key, set)| (revision(set), key.clone()));
    let paused = object["spec"]["paused"] == true;
    let hash = hash_of(&object["spec"]["template"]);
    let is_new = |set: &Set| hash_of(&set.1["spec"]["template"]) == hash;
    let at = sets.iter().position(is_new);
    let mut created = false;
    match at {
        Some(at) => restamp(world, key, object, &sets, at),
        None if paused => {}
        None => {
            create_set(world, key, object, &sets, &hash);
            created = true;
        }
    }
    if !paused && !created {
        roll(world, key, object, &uid, &hash);
    }
    let moved = status(world, key, &uid, &hash, created);
    let Some(object) = world.store.get(key).cloned() else { return false };
    prune(world, &object, &uid, &hash);
    moved
}

/// The number of a ReplicaSet's revision.
pub(crate) fn revision(set: &Value) -> i64 {
    let text = set["metadata"]["annotations"][REVISION].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The annotations of a Deployment that its ReplicaSets carry along.
fn carried(object: &Value, revision: i64) -> Value {
    let mut annotations = object["metadata"]["annotations"].clone();
    if !annotations.is_object() {
        annotations = json!({});
    }
    if let Some(fields) = annotations.as_object_mut() {
        fields.remove("kubectl.kubernetes.io/last-applied-configuration");
        fields.remove(HISTORY);
    }
    let (surge, _) = limits(object);
    let replicas = number(object, "/spec/replicas");
    annotations[REVISION] = revision.to_string().into();
    annotations["deployment.kubernetes.io/desired-replicas"] = replicas.to_string().into();
    annotations["deployment.kubernetes.io/max-replicas"] = (replicas + surge).to_string().into();
    annotations
}

fn create_set(world: &mut World, key: &Key, object: &Value, sets: &[Set], hash: &str) {
    let number_of = sets.iter().map(|(_, set)| revision(set)).max().unwrap_or(0) + 1;
    let mut template = object["spec"]["template"].clone();
    strip_hash(&mut template);
    template["metadata"]["labels"]["pod-template-hash"] = hash.into();
    let mut selector = object["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = hash.into();
    let name = format!("{}-{hash}", key.name);
    let first = sets.is_empty();
    let (surge, _) = limits(object);
    let wanted = number(object, "/spec/replicas");
    let running: i64 = sets.iter().map(|(_, set)| number(set, "/spec/replicas")).sum();
    let recreate = object["spec"]["strategy"]["type"] == "Recreate";
    let size = if first {
        wanted
    } else if recreate {
        0
    } else {
        (wanted + surge - running).clamp(0, wanted)
    };
    let set = json!({
        "metadata": {
            "name": name, "labels": template["metadata"]["labels"],
            "annotations": carried(object, number_of), "ownerReferences": owner_reference(key, object),
        },
        "spec": {
            "replicas": size, "selector": selector, "template": template,
            "minReadySeconds": object["spec"]["minReadySeconds"],
        },
        "status": { "replicas": 0 },
    });
    world.create(REPLICA_SETS, &key.namespace, set);
    let number_of = number_of.to_string();
    world.change(key, |object| object["metadata"]["annotations"][REVISION] = number_of.into());
    if size > 0 {
        let text = format!("Scaled up replica set {name} from 0 to {size}");
        world.event(key, "Normal", "ScalingReplicaSet", &text, "deployment-controller");
    }
}

/// Going back gives the old ReplicaSet a new number, and what the Deployment's annotations say now.
fn restamp(world: &mut World, key: &Key, object: &Value, sets: &[Set], at: usize) {
    let (own, set) = &sets[at];
    let others = sets.iter().enumerate().filter(|(index, _)| *index != at);
    let highest = others.map(|(_, (_, set))| revision(set)).max().unwrap_or(0);
    let before = revision(set);
    let now = if before > highest { before } else { highest + 1 };
    let annotations = carried(object, now);
    world.change(own, |set| {
        let mut history =
            set["metadata"]["annotations"][HISTORY].as_str().unwrap_or_default().to_owned();
        if now != before {
            if !history.is_empty() {
                history.push(',');
            }
            history += &before.to_string();
        }
        set["metadata"]["annotations"] = annotations;
        if !history.is_empty() {
            set["metadata"]["annotations"][HISTORY] = history.into();
        }
    });
    world
        .change(key, |object| object["metadata"]["annotations"][REVISION] = now.to_string().into());
}

/// Surge and unavailability in Pods: surge is rounded up, unavailability down, and not both are nothing.
pub(crate) fn limits(object: &Value) -> (i64, i64) {
    let replicas = number(object, "/spec/replicas");
    let rolling = &object["spec"]["strategy"]["rollingUpdate"];
    let share = |value: &Value, up: bool| match value {
        Value::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(25);
            if up { (replicas * percent + 99) / 100 } else { replicas * percent / 100 }
        }
        value => value.as_i64().unwrap_or(if up {
            (replicas * 25 + 99) / 100
        } else {
            replicas * 25 / 100
        }),
    };
    if object["spec"]["strategy"]["type"] == "Recreate" {
        return (0, replicas);
    }
    let (surge, unavailable) =
        (share(&rolling["maxSurge"], true), share(&rolling["maxUnavailable"], false));
    (surge, if surge == 0 && unavailable == 0 { 1 } else { unavailable })
}

/// One direction a look: up first, then down.
fn roll(world: &mut World, key: &Key, object: &Value, uid: &str, hash: &str) {
    let sets = world.store.owned(uid, REPLICA_SETS);
    let new = sets.iter().find(|(_, set)| hash_of(&set["spec"]["template"]) == hash);
    let Some((new_key, new)) = new else { return };
    let mut old: Vec<_> = sets
        .iter()
        .filter(|(key, set)| key != new_key && number(set, "/spec/replicas") > 0)
        .collect();
    old.sort_by_key(|(key, set)| {
        (
            set["metadata"]["creationTimestamp"].as_str().map(str::to_owned),
            revision(set),
            key.clone(),
        )
    });
    let wanted = number(object, "/spec/replicas");
    let (surge, unavailable) = limits(object);
    let size = |set: &Value| number(set, "/spec/replicas");
    let total: i64 = size(new) + old.iter().map(|(_, set)| size(set)).sum::<i64>();
    let recreate = object["spec"]["strategy"]["type"] == "Recreate";
    if size(new) > wanted {
        return scale(world, key, new_key, size(new), wanted);
    }
    if size(new) < wanted {
        let left: i64 = sets
            .iter()
            .filter(|(key, _)| key != new_key)
            .map(|(_, set)| {
                number(set, "/status/replicas") + number(set, "/status/terminatingReplicas")
            })
            .sum();
        let more = match (recreate, left) {
            (true, 0) => wanted - size(new),
            (true, _) => 0,
            (false, _) => (wanted + surge - total).min(wanted - size(new)),
        };
        if more > 0 {
            return scale(world, key, new_key, size(new), size(new) + more);
        }
    }
    if recreate {
        for (set_key, set) in &old {
            scale(world, key, set_key, size(set), 0);
        }
        return;
    }
    let least = wanted - unavailable;
    let new_missing = size(new) - number(new, "/status/availableReplicas");
    let mut may_go = total - least - new_missing;
    if may_go <= 0 {
        return;
    }
    for (set_key, set) in &old {
        let bad = (size(set) - number(set, "/status/availableReplicas")).clamp(0, may_go);
        if bad > 0 {
            may_go -= bad;
            scale(world, key, set_key, size(set), size(set) - bad);
        }
    }
    let sets = world.store.owned(uid, REPLICA_SETS);
    let available: i64 = sets.iter().map(|(_, set)| number(set, "/status/availableReplicas")).sum();
    let mut may_go = (available - least).min(may_go);
    for (set_key, _) in &old {
        let Some(set) = world.store.get(set_key).cloned() else { continue };
        let goes = size(&set).min(may_go);
        if goes > 0 {
            may_go -= goes;
            scale(world, key, set_key, size(&set), size(&set) - goes);
        }
    }
}

/// Gives a ReplicaSet another size, and says so.
pub(crate) fn scale(world: &mut World, key: &Key, set: &Key, from: i64, to: i64) {
    world.change(set, |set| {
        set["spec"]["replicas"] = to.into();
        set["metadata"]["generation"] = (number(set, "/metadata/generation") + 1).into();
    });
    world.stir(set);
    let way = if to > from { "up" } else { "down" };
    let text = format!("Scaled {way} replica set {} from {from} to {to}", set.name);
    world.event(key, "Normal", "ScalingReplicaSet", &text, "deployment-controller");
}

/// Writes the status; its conditions lag behind what was observed. Whether the rollout still moves.
fn status(world: &mut World, key: &Key, uid: &str, hash: &str, created: bool) -> bool {
    let Some(object) = world.store.get(key).cloned() else { return false };
    let sets = world.store.owned(uid, REPLICA_SETS);
    let sum = |field: &str| -> i64 { sets.iter().map(|(_, set)| number(set, field)).sum() };
    let new = sets.iter().find(|(_, set)| hash_of(&set["spec"]["template"]) == hash);
    let wanted = number(&object, "/spec/replicas");
    let (replicas, available) = (sum("/status/replicas"), sum("/status/availableReplicas"));
    let updated = new.map_or(0, |(_, set)| number(set, "/status/replicas"));
    let mut status = without_zeros(json!({
        "replicas": replicas, "updatedReplicas": updated, "readyReplicas": sum("/status/readyReplicas"),
        "availableReplicas": available, "unavailableReplicas": (sum("/spec/replicas") - available).max(0),
        "terminatingReplicas": sum("/status/terminatingReplicas"),
    }));
    status["observedGeneration"] = object["metadata"]["generation"].clone();
    let before = &object["status"];
    let better = |field: &str, now: i64| now > before[field].as_i64().unwrap_or(0);
    let old_before = number(before, "/replicas") - number(before, "/updatedReplicas");
    let progress = better("updatedReplicas", updated)
        || better("readyReplicas", sum("/status/readyReplicas"))
        || better("availableReplicas", available)
        || replicas - updated < old_before;
    let complete = updated == wanted && replicas == wanted && available == wanted && new.is_some();
    let set_name = new.map(|(key, _)| key.name.as_str()).unwrap_or_default();
    let lagging = world.observed.get(uid).is_some_and(|at| seconds_between(*at, world.now) < LAG);
    status["conditions"] = if lagging && !before["conditions"].is_null() {
        before["conditions"].clone()
    } else {
        conditions(&object, world.now, set_name, (complete, progress, created), available)
    };
    let timed_out = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["reason"] == "ProgressDeadlineExceeded");
    world.change(key, |object| object["status"] = status);
    let paused = object["spec"]["paused"] == true;
    let held = timed_out || paused;
    lagging || (!complete && !held) || sum("/status/terminatingReplicas") > 0
}

fn conditions(
    object: &Value,
    now: Timestamp,
    set: &str,
    (complete, progress, created): (bool, bool, bool),
    available: i64,
) -> Value {
    let known = |kind: &str| {
        let all = object["status"]["conditions"].as_array();
        all.into_iter().flatten().find(|one| one["type"] == kind).cloned()
    };
    let make = |kind: &str, is: &str, reason: &str, message: String, renew: bool| {
        let before = known(kind);
        let time =
            |field: &str| before.as_ref().and_then(|one| one[field].as_str().map(str::to_owned));
        let same = before.as_ref().is_some_and(|one| one["status"] == is);
        let same_reason = before.as_ref().is_some_and(|one| one["reason"] == reason);
        let transition = if same { time("lastTransitionTime") } else { None };
        let update = if same && same_reason && !renew { time("lastUpdateTime") } else { None };
        json!({
            "type": kind, "status": is, "reason": reason, "message": message,
            "lastTransitionTime": transition.unwrap_or_else(|| stamp(now)),
            "lastUpdateTime": update.unwrap_or_else(|| stamp(now)),
        })
    };
    let wanted = number(object, "/spec/replicas");
    let (_, unavailable) = limits(object);
    let enough = available >= wanted - unavailable;
    let availability = if enough {
        make(
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.".to_owned(),
            false,
        )
    } else {
        make(
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.".to_owned(),
            false,
        )
    };
    let before = known("Progressing");
    let reason =
        before.as_ref().and_then(|one| one["reason"].as_str()).unwrap_or_default().to_owned();
    let deadline = object["spec"]["progressDeadlineSeconds"].as_i64().unwrap_or(600) as f64;
    let last =
        before.as_ref().and_then(|one| one["lastUpdateTime"].as_str()?.parse::<Timestamp>().ok());
    let late = last.is_some_and(|last| seconds_between(last, now) > deadline);
    let paused = object["spec"]["paused"] == true;
    let progressing = if paused && reason != "NewReplicaSetAvailable" {
        make("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused".to_owned(), false)
    } else if complete {
        make(
            "Progressing",
            "True",
            "NewReplicaSetAvailable",
            format!("ReplicaSet \"{set}\" has successfully progressed."),
            false,
        )
    } else if created {
        make(
            "Progressing",
            "True",
            "NewReplicaSetCreated",
            format!("Created new replica set \"{set}\""),
            true,
        )
    } else if reason == "DeploymentPaused" {
        make(
            "Progressing",
            "Unknown",
            "DeploymentResumed",
            "Deployment is resumed".to_owned(),
            true,
        )
    } else if progress || reason == "NewReplicaSetAvailable" || before.is_none() {
        make(
            "Progressing",
            "True",
            "ReplicaSetUpdated",
            format!("ReplicaSet \"{set}\" is progressing."),
            true,
        )
    } else if late || reason == "ProgressDeadlineExceeded" {
        make(
            "Progressing",
            "False",
            "ProgressDeadlineExceeded",
            format!("ReplicaSet \"{set}\" has timed out progressing."),
            false,
        )
    } else {
        return json!([availability, before]);
    };
    json!([availability, progressing])
}

/// Once a rollout is complete, old ReplicaSets beyond the limit go.
fn prune(world: &mut World, object: &Value, uid: &str, hash: &str) {
    let limit = object["spec"]["revisionHistoryLimit"].as_i64().unwrap_or(10);
    let complete = number(object, "/status/replicas") == number(object, "/status/updatedReplicas");
    if !complete {
        return;
    }
    let mut old: Vec<_> = world
        .store
        .owned(uid, REPLICA_SETS)
        .into_iter()
        .filter(|(_, set)| {
            hash_of(&set["spec"]["template"]) != hash
                && number(set, "/spec/replicas") == 0
                && number(set, "/status/replicas") == 0
        })
        .collect();
    old.sort_by_key(|(_, set)| revision(set));
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    for (key, _) in old.into_iter().take(surplus) {
        world.remove(&key);
    }
}
