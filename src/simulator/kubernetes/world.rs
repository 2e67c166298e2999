//! The simulated cluster: its objects, its time, and the loop of its controllers.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    daemon, defaults, deployment, pods,
    resources::{
        ALL, DAEMON_SETS, DEPLOYMENTS, EVENTS, Kind, PODS, REPLICA_SETS, ROLLOUTS, STATEFUL_SETS,
    },
    rollout, stateful,
    store::{Key, Store},
};
use crate::simulator::{
    clock::{Clock, after, seconds_between},
    guid::scramble,
};

/// How often the controllers look, in simulated seconds.
const STEP: f64 = 0.1;
/// What lies further back than this is played in larger steps, in simulated seconds.
const FAR: f64 = 30.0;
/// How many events are kept.
const EVENTS_KEPT: usize = 3_000;

/// A cluster.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    /// The simulated time up to which everything has happened.
    pub(crate) now: Timestamp,
    pub(crate) store: Store,
    /// Workloads that are not at rest.
    dirty: BTreeSet<Key>,
    /// When a workload's specification was last changed.
    pub(crate) touched: HashMap<String, Timestamp>,
    /// When a Deployment's newest generation was observed.
    pub(crate) observed: HashMap<String, Timestamp>,
    /// Whether an admission plugin puts digests in place of tags.
    pub(crate) digests: bool,
    /// The events about an object, by its UID, and all of them, oldest first.
    events_about: HashMap<String, Vec<Key>>,
    events: VecDeque<(String, Key)>,
    counter: u64,
}

impl World {
    pub(crate) fn new(clock: Clock, seed: u64) -> Self {
        Self {
            now: clock.now(),
            clock,
            seed,
            store: Store::new(),
            dirty: BTreeSet::new(),
            touched: HashMap::new(),
            observed: HashMap::new(),
            digests: false,
            events_about: HashMap::new(),
            events: VecDeque::new(),
            counter: 0,
        }
    }

    /// A number that was never given before.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.counter += 1;
        scramble(self.seed ^ scramble(self.counter))
    }

    pub(crate) fn uid(&mut self) -> String {
        let (a, b) = (self.fresh(), self.fresh());
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        )
    }

    /// Lets the controllers work until the clock's present.
    pub(crate) fn catch_up(&mut self) {
        self.run_to(self.clock.now());
    }

    /// Lets the controllers work until then; a long time passes in larger steps.
    pub(crate) fn run_to(&mut self, until: Timestamp) {
        while !self.dirty.is_empty() {
            let left = seconds_between(self.now, until);
            if left < STEP {
                return;
            }
            self.now = after(self.now, if left > FAR { 1.0 } else { STEP });
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// One look of the controllers, now.
    pub(crate) fn look(&mut self) {
        self.step();
    }

    /// Whether anything moves by itself.
    pub(crate) fn busy(&self) -> bool {
        !self.dirty.is_empty()
    }

    fn step(&mut self) {
        for key in self.dirty.clone() {
            let Some(object) = self.store.get(&key).cloned() else {
                self.dirty.remove(&key);
                continue;
            };
            let moving = match key.kind {
                DEPLOYMENTS => deployment::sync(self, &key, &object),
                REPLICA_SETS => pods::scale(self, &key) | pods::live(self, &key),
                STATEFUL_SETS => stateful::sync(self, &key, &object),
                ROLLOUTS => rollout::sync(self, &key, &object),
                DAEMON_SETS => daemon::sync(self, &key, &object),
                PODS => pods::live_one(self, &key),
                _ => false,
            };
            if !moving {
                self.dirty.remove(&key);
            }
        }
    }

    /// Something about a workload has changed: its controllers look at it again.
    pub(crate) fn stir(&mut self, key: &Key) {
        if key.kind == REPLICA_SETS || is_workload(key.kind) {
            self.dirty.insert(key.clone());
        }
        let owner = self.store.get(key).and_then(|object| owner_of(object, &key.namespace));
        if let Some(owner) = owner {
            self.stir(&owner);
        } else if key.kind == PODS {
            self.dirty.insert(key.clone());
        }
    }

    /// Makes an object: gives it what the server gives every new one.
    pub(crate) fn create(&mut self, kind: Kind, namespace: &str, mut object: Value) -> Arc<Value> {
        let resource = &ALL[kind];
        object["apiVersion"] = resource.api_version().into();
        object["kind"] = resource.kind.into();
        let uid = self.uid();
        let at = stamp(self.now);
        let metadata = &mut object["metadata"];
        metadata["uid"] = uid.clone().into();
        metadata["creationTimestamp"] = at.into();
        if resource.namespaced {
            metadata["namespace"] = namespace.into();
        }
        let generations = matches!(kind, REPLICA_SETS | PODS) || is_workload(kind);
        if generations || resource.group.ends_with(".toolkit.fluxcd.io") {
            metadata["generation"] = 1.into();
        }
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        defaults::fill_status(kind, &mut object);
        let key = Key::new(kind, if resource.namespaced { namespace } else { "" }, name);
        self.touched.insert(uid, self.now);
        let object = self.store.put(key.clone(), object);
        self.stir(&key);
        object
    }

    /// Changes an object; nothing happens where that changes nothing, or where it is gone.
    pub(crate) fn change(&mut self, key: &Key, work: impl FnOnce(&mut Value)) -> bool {
        let Some(before) = self.store.get(key).cloned() else { return false };
        let mut object = (*before).clone();
        work(&mut object);
        if object == *before {
            return false;
        }
        self.store.put(key.clone(), object);
        true
    }

    /// Removes an object and all that it controls.
    pub(crate) fn remove(&mut self, key: &Key) {
        let Some(object) = self.store.remove(key) else { return };
        self.dirty.remove(key);
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        self.touched.remove(uid);
        self.observed.remove(uid);
        for dependent in self.store.dependents(uid) {
            if dependent.kind == PODS {
                pods::end(self, &dependent);
                self.dirty.insert(dependent);
            } else {
                self.remove(&dependent);
            }
        }
        if let Some(owner) = owner_of(&object, &key.namespace) {
            self.stir(&owner);
        }
    }

    /// Records an event. One that is alike is counted; more than ten of a kind are folded into one.
    pub(crate) fn event(
        &mut self,
        about: &Key,
        kind: &str,
        reason: &str,
        message: &str,
        from: &str,
    ) {
        let Some(object) = self.store.get(about).cloned() else { return };
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let at = stamp(self.now);
        let known = self.events_about.get(&uid).into_iter().flatten();
        let known = known.filter_map(|key| Some((key, self.store.get(key)?)));
        let (mut alike, mut same, mut folded) = (0, None, None);
        for (key, event) in known.filter(|(_, event)| event["reason"] == reason) {
            let text = event["message"].as_str().unwrap_or_default();
            alike += 1;
            if text == message {
                same = Some(key.clone());
            } else if text.starts_with("(combined from similar events): ") {
                folded = Some(key.clone());
            }
        }
        let again = same.or_else(|| folded.filter(|_| alike > 10));
        if let Some(key) = again {
            self.change(&key, |event| {
                let combined = event["message"].as_str() != Some(message);
                if combined {
                    event["message"] = format!("(combined from similar events): {message}").into();
                }
                event["count"] = (event["count"].as_u64().unwrap_or(1) + 1).into();
                event["lastTimestamp"] = at.into();
            });
            return;
        }
        let message = if alike >= 10 {
            format!("(combined from similar events): {message}")
        } else {
            message.to_owned()
        };
        let name = format!("{}.{:016x}", about.name, self.fresh());
        let event = json!({
            "metadata": { "name": name.clone() },
            "involvedObject": {
                "kind": ALL[about.kind].kind, "namespace": about.namespace, "name": about.name,
                "uid": uid, "apiVersion": ALL[about.kind].api_version(),
                "resourceVersion": object["metadata"]["resourceVersion"],
            },
            "reason": reason, "message": message, "type": kind, "count": 1,
            "source": { "component": from }, "reportingComponent": from, "reportingInstance": "",
            "firstTimestamp": at, "lastTimestamp": at, "eventTime": null,
        });
        let key = Key::new(EVENTS, about.namespace.clone(), name);
        self.create(EVENTS, &about.namespace, event);
        self.events_about.entry(uid.clone()).or_default().push(key.clone());
        self.events.push_back((uid, key));
        if self.events.len() > EVENTS_KEPT
            && let Some((uid, key)) = self.events.pop_front()
        {
            self.store.remove(&key);
            if let Some(about) = self.events_about.get_mut(&uid) {
                about.retain(|known| *known != key);
                if about.is_empty() {
                    self.events_about.remove(&uid);
                }
            }
        }
    }
}

/// Where the controller of an object is.
fn owner_of(object: &Value, namespace: &str) -> Option<Key> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let kind = ALL.iter().position(|one| Some(one.kind) == owner["kind"].as_str())?;
    Some(Key::new(kind, namespace, owner["name"].as_str()?))
}

/// The reference by which an object controls another.
pub(crate) fn owner_reference(key: &Key, object: &Value) -> Value {
    json!([{
        "apiVersion": ALL[key.kind].api_version(), "kind": ALL[key.kind].kind, "name": key.name,
        "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

/// A time as the API writes it, to the second.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A number at a place of an object, 0 where there is none.
pub(crate) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// The letters of generated names: none that could spell a word.
pub(crate) const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash that names a Pod template.
pub(crate) fn hash_of(template: &Value) -> String {
    let mut template = template.clone();
    strip_hash(&mut template);
    let sum = template.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut mixed = scramble(sum);
    (0..10)
        .map(|_| {
            let letter = LETTERS[(mixed % LETTERS.len() as u64) as usize];
            mixed /= LETTERS.len() as u64;
            char::from(letter)
        })
        .collect()
}

/// A template without the label that its ReplicaSet added.
pub(crate) fn strip_hash(template: &mut Value) {
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
        labels.remove(rollout::HASH);
    }
}

/// A status without its zeros: the server leaves them out.
pub(crate) fn without_zeros(status: Value) -> Value {
    match status {
        Value::Object(fields) => {
            fields.into_iter().filter(|(_, value)| value.as_i64() != Some(0)).collect()
        }
        other => other,
    }
}

/// Whether a kind rolls out Pods.
pub(crate) fn is_workload(kind: Kind) -> bool {
    matches!(kind, DEPLOYMENTS | STATEFUL_SETS | DAEMON_SETS | ROLLOUTS)
}
