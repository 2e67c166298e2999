//! Pods: how many there are of a ReplicaSet, and how they fare.
//!
//! What a container does follows from its image's tag: one that contains `crash` exits and is restarted with growing
//! pauses, `typo` cannot be pulled, `unready` never passes its readiness check, `slow` takes eight seconds to. A Pod
//! with a `nodeSelector` finds no node.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    resources::{PODS, REPLICA_SETS},
    store::Key,
    world::{LETTERS, World, number, owner_reference, stamp, without_zeros},
};
use crate::simulator::{
    clock::{after, seconds_between},
    guid::scramble,
};

/// How long a Pod takes to end, in seconds.
const GRACE: f64 = 1.5;
/// How long a crashing container runs, in seconds.
const RUNS: f64 = 2.0;

/// What a Pod's container does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Nature {
    Good(f64),
    Crash,
    NoPull,
    Unready,
    Unplaced,
}

/// The state of a Pod at a moment.
#[derive(Clone, Debug, PartialEq)]
struct Life {
    scheduled: bool,
    /// `running`, `waiting REASON` or `terminated`.
    waiting: Option<(&'static str, String)>,
    running_since: Option<Timestamp>,
    ready_since: Option<Timestamp>,
    restarts: i64,
    crashed_at: Option<Timestamp>,
}

fn nature(pod: &Value) -> Nature {
    let selects = pod["spec"]["nodeSelector"].as_object().is_some_and(|labels| !labels.is_empty());
    if selects {
        return Nature::Unplaced;
    }
    let containers = pod["spec"]["containers"].as_array();
    let images = containers.into_iter().flatten().filter_map(|one| one["image"].as_str());
    for image in images {
        let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
        match tag {
            tag if tag.contains("crash") => return Nature::Crash,
            tag if tag.contains("typo") => return Nature::NoPull,
            tag if tag.contains("unready") => return Nature::Unready,
            tag if tag.contains("slow") => return Nature::Good(8.0),
            tag if tag.contains("crawl") => return Nature::Good(50.0),
            _ => {}
        }
    }
    Nature::Good(1.0)
}

fn life(pod: &Value, born: Timestamp, now: Timestamp) -> Life {
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let luck = scramble(uid.bytes().fold(7_u64, |sum, byte| scramble(sum ^ u64::from(byte))));
    let luck = (luck % 1_000) as f64 / 1_000.0;
    let age = seconds_between(born, now);
    let started = 0.7 + luck * 0.6;
    let mut life = Life {
        scheduled: true,
        waiting: Some(("ContainerCreating", String::new())),
        running_since: None,
        ready_since: None,
        restarts: 0,
        crashed_at: None,
    };
    match nature(pod) {
        Nature::Unplaced => {
            life.scheduled = false;
            life.waiting = None;
        }
        _ if age < started => {}
        Nature::NoPull => {
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
            let pulls = ((age - started) as i64 / 10) % 2 == 0 && age - started < 4.0;
            life.waiting = Some(if pulls {
                ("ErrImagePull", format!("failed to pull and unpack image \"{image}\": not found"))
            } else {
                ("ImagePullBackOff", format!("Back-off pulling image \"{image}\": not found"))
            });
        }
        Nature::Good(takes) => {
            life.waiting = None;
            life.running_since = Some(after(born, started));
            let ready = started + takes * (0.7 + luck * 0.6);
            life.ready_since = (age >= ready).then(|| after(born, ready));
        }
        Nature::Unready => {
            life.waiting = None;
            life.running_since = Some(after(born, started));
        }
        Nature::Crash => {
            let (mut at, mut pause) = (started, 10.0);
            loop {
                if age < at + RUNS {
                    life.waiting = None;
                    life.running_since = Some(after(born, at));
                    break;
                }
                life.crashed_at = Some(after(born, at + RUNS));
                if age < at + RUNS + pause {
                    let text = format!(
                        "back-off {} restarting failed container",
                        if pause >= 60.0 {
                            format!("{}m{}s", pause as i64 / 60, pause as i64 % 60)
                        } else {
                            format!("{pause}s")
                        }
                    );
                    life.waiting = Some(("CrashLoopBackOff", text));
                    break;
                }
                at += RUNS + pause;
                pause = (pause * 2.0_f64).min(300.0);
                life.restarts += 1;
            }
        }
    }
    life
}

/// Makes or ends Pods until a ReplicaSet has as many as it wants. Whether that goes on.
pub(crate) fn scale(world: &mut World, key: &Key) -> bool {
    let Some(set) = world.store.get(key).cloned() else { return false };
    let uid = set["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let pods = world.store.owned(&uid, PODS);
    let mut active: Vec<_> = pods.iter().filter(|(_, pod)| !ending(pod)).collect();
    let wanted = usize::try_from(number(&set, "/spec/replicas")).unwrap_or(0);
    for _ in active.len()..wanted {
        spawn(world, key, &set, None, &set["spec"]["template"], &[]);
    }
    // Those that are not ready go first, then the youngest.
    active.sort_by_key(|(key, pod)| {
        (
            ready_since(pod).is_some(),
            std::cmp::Reverse(pod["metadata"]["creationTimestamp"].as_str().map(str::to_owned)),
            key.clone(),
        )
    });
    let surplus = active.len().saturating_sub(wanted);
    for (pod, _) in active.iter().take(surplus) {
        end(world, pod);
        world.event(
            key,
            "Normal",
            "SuccessfulDelete",
            &format!("Deleted pod: {}", pod.name),
            "replicaset-controller",
        );
    }
    count(world, key, &uid);
    false
}

/// Makes a Pod of a template.
pub(crate) fn spawn(
    world: &mut World,
    owner: &Key,
    object: &Value,
    name: Option<String>,
    template: &Value,
    labels: &[(&str, &str)],
) {
    let name = name.unwrap_or_else(|| {
        let mut mixed = world.fresh();
        let tail: String = (0..5)
            .map(|_| {
                let letter = LETTERS[(mixed % LETTERS.len() as u64) as usize];
                mixed /= LETTERS.len() as u64;
                char::from(letter)
            })
            .collect();
        format!("{}-{tail}", owner.name)
    });
    let mut pod = json!({ "metadata": template["metadata"], "spec": template["spec"] });
    if !pod["metadata"].is_object() {
        pod["metadata"] = json!({});
    }
    pod["metadata"]["name"] = name.clone().into();
    pod["metadata"]["ownerReferences"] = owner_reference(owner, object);
    for (label, value) in labels {
        pod["metadata"]["labels"][*label] = (*value).into();
    }
    let node = format!("node-{}", world.fresh() % 3 + 1);
    if nature(&pod) != Nature::Unplaced {
        pod["spec"]["nodeName"] = node.into();
    }
    pod["status"] = json!({ "phase": "Pending" });
    world.create(PODS, &owner.namespace, pod);
    if owner.kind == REPLICA_SETS {
        world.event(
            owner,
            "Normal",
            "SuccessfulCreate",
            &format!("Created pod: {name}"),
            "replicaset-controller",
        );
    }
}

/// Whether a Pod is on its way out.
pub(crate) fn ending(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

/// Begins the end of a Pod.
pub(crate) fn end(world: &mut World, key: &Key) {
    let until = after(world.now, GRACE);
    world.touched.insert(format!("end {}/{}", key.namespace, key.name), until);
    world.change(key, |pod| {
        pod["metadata"]["deletionTimestamp"] = stamp(until).into();
        pod["metadata"]["deletionGracePeriodSeconds"] = 1.into();
    });
    world.stir(key);
}

/// Since when a Pod is ready.
pub(crate) fn ready_since(pod: &Value) -> Option<Timestamp> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let ready = conditions.iter().find(|one| one["type"] == "Ready" && one["status"] == "True")?;
    ready["lastTransitionTime"].as_str()?.parse().ok()
}

/// Lets the Pods of an owner live. Whether any of them still changes.
pub(crate) fn live(world: &mut World, owner: &Key) -> bool {
    let Some(object) = world.store.get(owner).cloned() else { return false };
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let mut moving = false;
    for (key, _) in world.store.owned(&uid, PODS) {
        moving |= live_one(world, &key);
    }
    if owner.kind == REPLICA_SETS {
        count(world, owner, &uid);
        moving |= waits_to_be_available(world, &object, &uid);
    }
    moving
}

fn waits_to_be_available(world: &World, set: &Value, uid: &str) -> bool {
    let least = number(set, "/spec/minReadySeconds") as f64;
    least > 0.0
        && world.store.owned(uid, PODS).iter().any(|(_, pod)| {
            ready_since(pod).is_some_and(|since| seconds_between(since, world.now) < least + 1.0)
        })
}

/// Lets one Pod live. Whether it still changes.
pub(crate) fn live_one(world: &mut World, key: &Key) -> bool {
    let Some(pod) = world.store.get(key).cloned() else { return false };
    if ending(&pod) {
        let mark = format!("end {}/{}", key.namespace, key.name);
        if world.touched.get(&mark).is_none_or(|until| *until <= world.now) {
            world.touched.remove(&mark);
            world.remove(key);
        }
        return true;
    }
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let born = world.touched.get(uid).copied().unwrap_or(world.now);
    let now = life(&pod, born, world.now);
    let status = status(&pod, &now, born);
    let before = pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
    if world.change(key, |pod| pod["status"] = status) {
        tell(world, key, &now, &before);
        world.stir(key);
    }
    let settled = match nature(&pod) {
        Nature::Good(_) => now.ready_since.is_some(),
        Nature::Unready => now.running_since.is_some(),
        Nature::Unplaced => true,
        Nature::NoPull => seconds_between(born, world.now) > 8.0,
        Nature::Crash => false,
    };
    !settled
}

fn tell(world: &mut World, key: &Key, life: &Life, before: &Value) {
    match &life.waiting {
        _ if !life.scheduled => world.event(
            key,
            "Warning",
            "FailedScheduling",
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
            "default-scheduler",
        ),
        Some(("CrashLoopBackOff", _)) if before != "CrashLoopBackOff" => world.event(
            key,
            "Warning",
            "BackOff",
            "Back-off restarting failed container",
            "kubelet",
        ),
        Some((reason @ ("ErrImagePull" | "ImagePullBackOff"), message)) if before != *reason => {
            world.event(key, "Warning", "Failed", message, "kubelet");
        }
        None if life.ready_since.is_none() && life.running_since.is_some() => {
            world.event(key, "Normal", "Started", "Started container", "kubelet");
        }
        _ => {}
    }
}

fn status(pod: &Value, life: &Life, born: Timestamp) -> Value {
    let condition =
        |kind: &str, is: bool, since: Option<Timestamp>, reason: &str, message: &str| {
            let mut condition = json!({
                "type": kind, "status": if is { "True" } else { "False" },
                "lastProbeTime": null, "lastTransitionTime": stamp(since.unwrap_or(born)),
            });
            if !is && !reason.is_empty() {
                condition["reason"] = reason.into();
                condition["message"] = message.into();
            }
            condition
        };
    let ready = life.ready_since.is_some();
    let mut conditions = vec![condition(
        "PodScheduled",
        life.scheduled,
        None,
        "Unschedulable",
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
    )];
    if life.scheduled {
        let names: Vec<_> = pod["spec"]["containers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["name"].as_str())
            .collect();
        let unready = format!("containers with unready status: [{}]", names.join(" "));
        conditions.insert(0, condition("Initialized", true, None, "", ""));
        conditions.push(condition(
            "Ready",
            ready,
            life.ready_since,
            "ContainersNotReady",
            &unready,
        ));
        conditions.push(condition(
            "ContainersReady",
            ready,
            life.ready_since,
            "ContainersNotReady",
            &unready,
        ));
    }
    let state = match (&life.waiting, life.running_since) {
        (Some((reason, message)), _) if message.is_empty() => {
            json!({ "waiting": { "reason": reason } })
        }
        (Some((reason, message)), _) => {
            json!({ "waiting": { "reason": reason, "message": message } })
        }
        (None, Some(since)) => json!({ "running": { "startedAt": stamp(since) } }),
        (None, None) => json!({}),
    };
    let last = match life.crashed_at {
        Some(at) => {
            json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "startedAt": stamp(after(at, -RUNS)), "finishedAt": stamp(at) } })
        }
        None => json!({}),
    };
    let containers: Vec<_> = pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| json!({
            "name": container["name"], "image": container["image"], "imageID": "", "ready": ready,
            "started": life.running_since.is_some(), "restartCount": life.restarts,
            "state": state, "lastState": last,
        }))
        .collect();
    let mut status = json!({
        "phase": if life.running_since.is_some() || life.crashed_at.is_some() { "Running" } else { "Pending" },
        "conditions": conditions,
        "qosClass": "BestEffort",
    });
    if life.scheduled {
        status["startTime"] = stamp(born).into();
        status["containerStatuses"] = containers.into();
        status["hostIP"] = "10.0.0.1".into();
        if life.running_since.is_some() {
            status["podIP"] = "10.1.0.7".into();
        }
    }
    status
}

/// Writes a ReplicaSet's status from its Pods.
fn count(world: &mut World, key: &Key, uid: &str) {
    let pods = world.store.owned(uid, PODS);
    let Some(set) = world.store.get(key).cloned() else { return };
    let least = number(&set, "/spec/minReadySeconds") as f64;
    let active: Vec<&Arc<Value>> =
        pods.iter().map(|(_, pod)| pod).filter(|pod| !ending(pod)).collect();
    let ready: Vec<_> = active.iter().filter_map(|pod| ready_since(pod)).collect();
    let available =
        ready.iter().filter(|since| seconds_between(**since, world.now) >= least).count();
    let mut status = without_zeros(json!({
        "fullyLabeledReplicas": active.len(), "readyReplicas": ready.len(), "availableReplicas": available,
    }));
    status["replicas"] = active.len().into();
    status["observedGeneration"] = set["metadata"]["generation"].clone();
    let ending = pods.len() - active.len();
    if ending > 0 {
        status["terminatingReplicas"] = ending.into();
    }
    if world.change(key, |set| set["status"] = status) {
        world.stir(key);
    }
}
