//! The controller of Argo Rollouts, for the canary without a traffic router: it walks its steps, waits at a pause until
//! somebody promotes it, and goes back to the stable side when it is aborted.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    defaults::whole,
    deployment,
    resources::{PODS, REPLICA_SETS},
    store::Key,
    world::{World, hash_of, number, owner_reference, stamp, strip_hash, without_zeros},
};
use crate::simulator::clock::seconds_between;

/// The annotation with a revision's number.
pub(crate) const REVISION: &str = "rollout.argoproj.io/revision";
/// The label that tells the ReplicaSets of a Rollout apart.
pub(crate) const HASH: &str = "rollouts-pod-template-hash";
/// How long the controller takes to observe a change, in seconds.
const OBSERVES: f64 = 0.15;

type Set = (Key, Arc<Value>);

/// One look at a Rollout. Whether it still moves.
pub(crate) fn sync(world: &mut World, key: &Key, object: &Value) -> bool {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    if observed(object) < number(object, "/metadata/generation") {
        let touched = world.touched.get(&uid).copied().unwrap_or(world.now);
        if seconds_between(touched, world.now) < OBSERVES {
            return true;
        }
    }
    // Compared with its defaults, which a Rollout's own template has not (`utils/replicaset/replicaset.go`).
    let hash = hash_of(&whole(&object["spec"]["template"]));
    let mut sets = world.store.owned(&uid, REPLICA_SETS);
    sets.sort_by_key(|(_, set)| revision(set));
    match sets.iter().position(|(_, set)| hash_of(&set["spec"]["template"]) == hash) {
        Some(at) => restamp(world, key, &sets, at),
        None => create_set(world, key, object, &sets, &hash),
    }
    let mut status = object["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    if status["stableRS"].is_null() {
        status["stableRS"] = hash.clone().into();
    }
    let stable = status["stableRS"].as_str().unwrap_or_default().to_owned();
    let steps = object["spec"]["strategy"]["canary"]["steps"].as_array().cloned();
    let steps = steps.unwrap_or_default();
    if status["currentPodHash"] != hash.as_str() {
        // Going back to what is stable skips the steps.
        let first = if hash == stable { steps.len() } else { 0 };
        status["currentStepIndex"] = first.into();
        status["currentPodHash"] = hash.clone().into();
        for field in ["pauseConditions", "controllerPause", "abort", "abortedAt", "promoteFull"] {
            remove(&mut status, field);
        }
    }
    let aborted = status["abort"] == true && hash != stable;
    if aborted {
        remove(&mut status, "pauseConditions");
        remove(&mut status, "controllerPause");
        if status["abortedAt"].is_null() {
            status["abortedAt"] = stamp(world.now).into();
        }
    }
    let paused = object["spec"]["paused"] == true;
    let index = status["currentStepIndex"].as_u64().unwrap_or(0) as usize;
    let full = status["promoteFull"] == true || index >= steps.len();
    let weight = match () {
        () if aborted => 0,
        () if full => 100,
        () => steps[..=index].iter().rev().find_map(|step| step["setWeight"].as_i64()).unwrap_or(0),
    };
    let wanted = number(object, "/spec/replicas");
    let new_wanted = if hash == stable { wanted } else { (wanted * weight + 99) / 100 };
    if !paused {
        scale(world, key, &uid, &hash, (wanted, new_wanted));
    }
    let restarting = restart(world, object, &uid, &mut status);
    let sides = Sides::of(&world.store.owned(&uid, REPLICA_SETS), &hash);
    let there = sides.new_available >= new_wanted && sides.new_wanted == new_wanted;
    if !paused && !aborted && !full && there {
        advance(&mut status, &steps, index, world.now);
    }
    let complete = full && !aborted && there && sides.old == 0 && sides.new == wanted;
    if complete {
        status["stableRS"] = hash.clone().into();
        status["currentStepIndex"] = steps.len().into();
        remove(&mut status, "promoteFull");
    }
    let (phase, message) = phase(object, &status, &sides, (complete, aborted, paused));
    let late = progress(object, &mut status, &sides, world.now, phase == "Progressing");
    status["phase"] = if late { "Degraded" } else { phase }.into();
    status["message"] = if late {
        let set = format!("{}-{hash}", key.name);
        format!("ProgressDeadlineExceeded: ReplicaSet \"{set}\" has timed out progressing.").into()
    } else {
        message.into()
    };
    status["observedGeneration"] = number(object, "/metadata/generation").to_string().into();
    let counts = without_zeros(json!({
        "replicas": sides.new + sides.old, "updatedReplicas": sides.new, "readyReplicas": sides.ready,
        "availableReplicas": sides.available,
    }));
    for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        remove(&mut status, field);
        if !counts[field].is_null() {
            status[field] = counts[field].clone();
        }
    }
    let settled = complete || (aborted && sides.new == 0 && sides.available == wanted);
    let waits = paused || (!full && !status["pauseConditions"].is_null() && !timed(&steps, index));
    world.change(key, |object| object["status"] = status);
    restarting || !(settled || late || (waits && there))
}

/// What the ReplicaSets add up to.
struct Sides {
    new: i64,
    new_wanted: i64,
    new_available: i64,
    old: i64,
    ready: i64,
    available: i64,
}

impl Sides {
    fn of(sets: &[Set], hash: &str) -> Self {
        let is_new = |set: &&Set| hash_of(&set.1["spec"]["template"]) == hash;
        let new = sets.iter().find(is_new).map(|(_, set)| set.clone()).unwrap_or_default();
        let sum = |field: &str| -> i64 { sets.iter().map(|(_, set)| number(set, field)).sum() };
        let own = number(&new, "/status/replicas");
        Self {
            new: own,
            new_wanted: number(&new, "/spec/replicas"),
            new_available: number(&new, "/status/availableReplicas"),
            old: sum("/status/replicas") - own,
            ready: sum("/status/readyReplicas"),
            available: sum("/status/availableReplicas"),
        }
    }
}

/// `observedGeneration` is a text here.
fn observed(object: &Value) -> i64 {
    object["status"]["observedGeneration"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn revision(set: &Value) -> i64 {
    let text = set["metadata"]["annotations"][REVISION].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

fn create_set(world: &mut World, key: &Key, object: &Value, sets: &[Set], hash: &str) {
    let number_of = sets.iter().map(|(_, set)| revision(set)).max().unwrap_or(0) + 1;
    let mut template = whole(&object["spec"]["template"]);
    strip_hash(&mut template);
    template["metadata"]["labels"][HASH] = hash.into();
    let mut selector = object["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = hash.into();
    let size = if sets.is_empty() { object["spec"]["replicas"].clone() } else { 0.into() };
    let set = json!({
        "metadata": {
            "name": format!("{}-{hash}", key.name), "labels": template["metadata"]["labels"],
            "annotations": { REVISION: number_of.to_string() }, "ownerReferences": owner_reference(key, object),
        },
        "spec": { "replicas": size, "selector": selector, "template": template },
        "status": { "replicas": 0 },
    });
    world.create(REPLICA_SETS, &key.namespace, set);
    world.change(key, |object| {
        object["metadata"]["annotations"][REVISION] = number_of.to_string().into();
    });
    let text = format!("Rollout updated to revision {number_of}");
    world.event(key, "Normal", "RolloutUpdated", &text, "rollouts-controller");
}

/// Going back gives the old ReplicaSet a new number.
fn restamp(world: &mut World, key: &Key, sets: &[Set], at: usize) {
    let highest = sets.iter().map(|(_, set)| revision(set)).max().unwrap_or(0);
    let (own, set) = &sets[at];
    if revision(set) == highest {
        return;
    }
    let now = (highest + 1).to_string();
    world.change(own, |set| set["metadata"]["annotations"][REVISION] = now.clone().into());
    world.change(key, |object| object["metadata"]["annotations"][REVISION] = now.into());
}

/// The new side up to its share first, then the old side down as far as enough are available.
fn scale(world: &mut World, key: &Key, uid: &str, hash: &str, (wanted, new_wanted): (i64, i64)) {
    let sets = world.store.owned(uid, REPLICA_SETS);
    let size = |set: &Value| number(set, "/spec/replicas");
    let is_new = |set: &Set| hash_of(&set.1["spec"]["template"]) == hash;
    let Some((new_key, new)) = sets.iter().find(|set| is_new(set)) else { return };
    if size(new) < new_wanted {
        return deployment::scale(world, key, new_key, size(new), new_wanted);
    }
    let mut old: Vec<_> = sets.iter().filter(|set| !is_new(set)).collect();
    old.sort_by_key(|(_, set)| std::cmp::Reverse(revision(set)));
    // The stable one comes last: it fills up what the others leave.
    let mut left = wanted - number(new, "/status/availableReplicas").min(new_wanted);
    let stable = world.store.get(key).map(|object| object["status"]["stableRS"].clone());
    for (set_key, set) in old {
        let is_stable =
            stable.as_ref().is_some_and(|stable| set["metadata"]["labels"][HASH] == *stable);
        let share = if is_stable { left } else { 0 };
        left -= share;
        if size(set) != share {
            deployment::scale(world, key, set_key, size(set), share);
        }
    }
    // It goes down only as the others come up.
    let available: i64 = sets.iter().map(|(_, set)| number(set, "/status/availableReplicas")).sum();
    let may_go = (available - wanted).max(0) + size(new) - number(new, "/status/availableReplicas");
    let less = new_wanted.max(size(new) - may_go);
    if size(new) > less {
        deployment::scale(world, key, new_key, size(new), less);
    }
}

/// The next step, once all of this one is there.
fn advance(status: &mut Value, steps: &[Value], index: usize, now: Timestamp) {
    let next = |status: &mut Value| {
        status["currentStepIndex"] = (index + 1).into();
        remove(status, "pauseConditions");
        remove(status, "controllerPause");
    };
    let pause = &steps[index]["pause"];
    if pause.is_null() {
        return next(status);
    }
    let waits = status["pauseConditions"][0]["startTime"].as_str().map(str::to_owned);
    match waits {
        // Somebody took the condition away: it is promoted.
        None if status["controllerPause"] == true => next(status),
        None => {
            status["controllerPause"] = true.into();
            status["pauseConditions"] =
                json!([{ "reason": "CanaryPauseStep", "startTime": stamp(now) }]);
        }
        Some(since) => {
            let since: Timestamp = since.parse().unwrap_or(now);
            if pause["duration"].as_f64().is_some_and(|long| seconds_between(since, now) >= long) {
                next(status);
            }
        }
    }
}

fn timed(steps: &[Value], index: usize) -> bool {
    steps.get(index).is_some_and(|step| step["pause"]["duration"].is_number())
}

fn phase(
    object: &Value,
    status: &Value,
    sides: &Sides,
    (complete, aborted, paused): (bool, bool, bool),
) -> (&'static str, String) {
    if aborted {
        let number = object["metadata"]["annotations"][REVISION].as_str().unwrap_or("?");
        return (
            "Degraded",
            format!("RolloutAborted: Rollout aborted update to revision {number}"),
        );
    }
    if paused {
        return ("Paused", "manually paused".to_owned());
    }
    if let Some(reason) = status["pauseConditions"][0]["reason"].as_str() {
        return ("Paused", reason.to_owned());
    }
    if complete {
        return ("Healthy", String::new());
    }
    if sides.old > 0 {
        return ("Progressing", "more replicas need to be updated".to_owned());
    }
    ("Progressing", "updated replicas are still becoming available".to_owned())
}

/// Keeps the `Progressing` condition. Whether the deadline has passed.
fn progress(
    object: &Value,
    status: &mut Value,
    sides: &Sides,
    now: Timestamp,
    moves: bool,
) -> bool {
    let mark = format!("{}/{}/{}", sides.new, sides.old, sides.available);
    let before = status["conditions"][0].clone();
    let same = before["message"] == mark.as_str() && moves;
    let since = if same { before["lastUpdateTime"].clone() } else { stamp(now).into() };
    let at = since.as_str().and_then(|text| text.parse().ok()).unwrap_or(now);
    let deadline = object["spec"]["progressDeadlineSeconds"].as_f64().unwrap_or(600.0);
    let late = same && seconds_between(at, now) > deadline;
    status["conditions"] = json!([{
        "type": "Progressing", "status": if late { "False" } else { "True" }, "message": mark,
        "reason": if late { "ProgressDeadlineExceeded" } else { "ReplicaSetUpdated" },
        "lastUpdateTime": since, "lastTransitionTime": since,
    }]);
    late
}

/// Replaces the Pods that are older than the restart that somebody asked for. Whether there still are some.
fn restart(world: &mut World, object: &Value, uid: &str, status: &mut Value) -> bool {
    let asked = &object["spec"]["restartAt"];
    let Some(at) = asked.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return false;
    };
    if status["restartedAt"] == *asked {
        return false;
    }
    let older = |pod: &Value| {
        let born = pod["metadata"]["creationTimestamp"].as_str();
        pod["metadata"]["deletionTimestamp"].is_null()
            && born.and_then(|text| text.parse::<Timestamp>().ok()).is_some_and(|born| born < at)
    };
    let sets = world.store.owned(uid, REPLICA_SETS);
    let pods = sets.iter().flat_map(|(_, set)| {
        world.store.owned(set["metadata"]["uid"].as_str().unwrap_or_default(), PODS)
    });
    let old: Vec<_> = pods.filter(|(_, pod)| older(pod)).map(|(key, _)| key).collect();
    let whole = sets
        .iter()
        .all(|(_, set)| number(set, "/status/availableReplicas") == number(set, "/spec/replicas"));
    match old.first() {
        Some(pod) if whole => super::pods::end(world, pod),
        Some(_) => {}
        None => status["restartedAt"] = asked.clone(),
    }
    true
}
