//! The controllers, look by look: the shape of a rollout, the three traps of a stale status, numbers that are given
//! anew, and what stays stuck.

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    deployment::{REVISION, revision},
    objects::{self, Write},
    resources::{DEPLOYMENTS, NAMESPACES, NODES, PODS, REPLICA_SETS, STATEFUL_SETS},
    store::Key,
    world::{World, number},
};
use crate::simulator::clock::Clock;

struct Bench {
    world: World,
    key: Key,
}

impl Bench {
    fn new(kind: super::resources::Kind, replicas: u32) -> Self {
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let mut world = World::new(clock, 7);
        world.create(NAMESPACES, "", json!({ "metadata": { "name": "shop" } }));
        world.create(NODES, "", json!({ "metadata": { "name": "node-1" } }));
        let mut bench = Self { world, key: Key::new(kind, "shop", "web") };
        let labels = json!({ "app": "web" });
        let object = json!({
            "metadata": { "name": "web" },
            "spec": {
                "replicas": replicas, "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "app", "image": "web:1" }] } },
            },
        });
        bench.write(&Method::POST, "application/json", &object).unwrap();
        bench.pass(20.0);
        bench
    }

    fn write(&mut self, method: &Method, content_type: &str, body: &Value) -> Result<Value, ()> {
        let body = body.to_string();
        let write = Write {
            method,
            key: &self.key,
            subresource: None,
            content_type,
            body: body.as_bytes(),
            dry_run: false,
            manager: "test",
        };
        objects::write(&mut self.world, &write).map(|(_, object)| object).map_err(drop)
    }

    fn image(&mut self, image: &str) {
        let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": image }] } } } });
        self.write(&Method::PATCH, "application/strategic-merge-patch+json", &patch).unwrap();
    }

    fn pass(&mut self, seconds: f64) {
        self.world.clock.advance(seconds);
        self.world.catch_up();
    }

    fn object(&self) -> Value {
        (**self.world.store.get(&self.key).unwrap()).clone()
    }

    fn sets(&self) -> Vec<Value> {
        let uid = self.object()["metadata"]["uid"].as_str().unwrap().to_owned();
        let mut sets: Vec<_> = self
            .world
            .store
            .owned(&uid, REPLICA_SETS)
            .into_iter()
            .map(|(_, set)| (*set).clone())
            .collect();
        sets.sort_by_key(revision);
        sets
    }

    /// Old and new as the ReplicaSets want them.
    fn sizes(&self) -> (i64, i64) {
        let sets = self.sets();
        let new = sets.last().unwrap();
        let old = sets.iter().rev().skip(1).map(|set| number(set, "/spec/replicas")).sum();
        (old, number(new, "/spec/replicas"))
    }

    fn reason(&self) -> String {
        let object = self.object();
        let all = object["status"]["conditions"].as_array().unwrap();
        all.iter().find(|one| one["type"] == "Progressing").unwrap()["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[test]
fn five_instances_roll_in_the_measured_shape() {
    let mut bench = Bench::new(DEPLOYMENTS, 5);
    bench.image("web:2");
    let mut seen = vec![];
    for _ in 0..200 {
        bench.pass(0.1);
        let sizes = bench.sizes();
        if seen.last() != Some(&sizes) && bench.sets().len() > 1 {
            seen.push(sizes);
        }
    }
    assert_eq!(seen.first(), Some(&(5, 2)));
    assert_eq!(seen.last(), Some(&(0, 5)));
    for (old, new) in &seen {
        assert!(old + new <= 7, "surge of 2: {seen:?}");
    }
    let object = bench.object();
    assert_eq!(object["metadata"]["annotations"][REVISION], "2");
    assert_eq!(bench.reason(), "NewReplicaSetAvailable");
    assert!(object["status"]["unavailableReplicas"].is_null(), "zeros are left out");
}

#[test]
fn the_status_is_stale_in_three_ways() {
    let mut bench = Bench::new(DEPLOYMENTS, 4);
    // 1. Right after a change: the old generation is observed and says that all is done.
    bench.image("web:2");
    let object = bench.object();
    assert!(
        number(&object, "/status/observedGeneration") < number(&object, "/metadata/generation")
    );
    assert_eq!(bench.reason(), "NewReplicaSetAvailable");
    bench.pass(30.0);
    // 2. After an undo: the generation is observed, nothing is updated, and the condition still says done.
    bench.image("web:1");
    bench.pass(0.25);
    let object = bench.object();
    assert_eq!(
        number(&object, "/status/observedGeneration"),
        number(&object, "/metadata/generation")
    );
    assert!(number(&object, "/status/updatedReplicas") < 4);
    assert_eq!(bench.reason(), "NewReplicaSetAvailable");
    bench.pass(0.4);
    assert_eq!(bench.reason(), "ReplicaSetUpdated");
    bench.pass(30.0);
    // 3. After the undo of one that timed out: the deadline is still in the status.
    let deadline = json!({ "spec": { "progressDeadlineSeconds": 8 } });
    bench.write(&Method::PATCH, "application/merge-patch+json", &deadline).unwrap();
    bench.image("web:3-typo");
    bench.pass(20.0);
    assert_eq!(bench.reason(), "ProgressDeadlineExceeded");
    bench.image("web:1");
    assert_eq!(bench.reason(), "ProgressDeadlineExceeded");
    bench.pass(20.0);
    assert_eq!(bench.reason(), "NewReplicaSetAvailable");
}

#[test]
fn going_back_gives_the_old_one_a_new_number() {
    let mut bench = Bench::new(DEPLOYMENTS, 2);
    bench.image("web:2");
    bench.pass(20.0);
    let first = bench.sets()[0]["metadata"]["uid"].clone();
    bench.image("web:1");
    bench.pass(20.0);
    let sets = bench.sets();
    let numbers: Vec<_> = sets.iter().map(revision).collect();
    assert_eq!(numbers, [2, 3]);
    assert_eq!(sets[1]["metadata"]["uid"], first, "it is the same ReplicaSet");
    assert_eq!(
        sets[1]["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"],
        "1"
    );
}

#[test]
fn a_guarded_patch_is_refused_once_the_world_has_moved() {
    let mut bench = Bench::new(DEPLOYMENTS, 2);
    let generation = number(&bench.object(), "/metadata/generation");
    let guarded = |image: &str| {
        json!([
            { "op": "test", "path": "/metadata/generation", "value": generation },
            { "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image },
        ])
    };
    let patch = "application/json-patch+json";
    bench.write(&Method::PATCH, patch, &guarded("web:2")).unwrap();
    assert!(bench.write(&Method::PATCH, patch, &guarded("web:3")).is_err());
}

#[test]
fn a_stateful_set_stays_stuck_until_its_pod_is_deleted() {
    let mut bench = Bench::new(STATEFUL_SETS, 3);
    bench.pass(20.0);
    assert_eq!(number(&bench.object(), "/status/readyReplicas"), 3);
    bench.image("web:2-typo");
    bench.pass(20.0);
    bench.image("web:1");
    bench.pass(60.0);
    assert_eq!(number(&bench.object(), "/status/readyReplicas"), 2, "the trap");
    let pod = Key::new(PODS, "shop", "web-2");
    super::pods::end(&mut bench.world, &pod);
    bench.pass(20.0);
    assert_eq!(number(&bench.object(), "/status/readyReplicas"), 3);
}

#[test]
fn a_crashing_container_backs_off_and_events_are_folded() {
    let mut bench = Bench::new(DEPLOYMENTS, 4);
    bench.image("web:2-crash");
    bench.pass(40.0);
    let pods = bench.world.store.list(PODS, Some("shop"));
    let waiting = pods.iter().filter(|(_, pod)| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    });
    assert!(waiting.count() > 0);
    assert_eq!(bench.sizes().0, 3, "one may be unavailable, the others stay");
    for _ in 0..4 {
        bench.image("web:3");
        bench.pass(30.0);
        bench.image("web:4");
        bench.pass(30.0);
    }
    let events = bench.world.store.list(super::resources::EVENTS, Some("shop"));
    let folded = |event: &Value| {
        event["message"].as_str().unwrap().starts_with("(combined from similar events)")
    };
    assert!(events.iter().any(|(_, event)| folded(event)));
}

/// A copy is an object of its own, and its controllers work on it.
#[test]
fn a_copy_stands_for_itself() {
    let mut bench = Bench::new(DEPLOYMENTS, 3);
    let model = bench.key.clone();
    bench.world.copy(&model, "shop-2");
    let uids = |world: &World| {
        let all = [DEPLOYMENTS, REPLICA_SETS, PODS]
            .into_iter()
            .flat_map(|kind| world.store.list(kind, None));
        all.map(|(_, object)| object["metadata"]["uid"].to_string())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(uids(&bench.world).len(), 2 * (1 + 1 + 3));
    assert!(!bench.world.busy(), "it is at rest as the model is");
    bench.key = Key::new(DEPLOYMENTS, "shop", "shop-2");
    bench.image("web:2");
    bench.pass(60.0);
    let images = |name: &str| -> Vec<Value> {
        let pods = bench.world.store.list(PODS, None).into_iter();
        pods.filter(|(key, _)| key.name.starts_with(name))
            .map(|(_, pod)| pod["spec"]["containers"][0]["image"].clone())
            .collect()
    };
    assert_eq!(images("shop-2-"), ["web:2"; 3]);
    assert_eq!(images("web-"), ["web:1"; 3], "the model is left alone");
}
