//! The contract against a real cluster, where `REVDECK_TEST_KUBECONFIG` names one: each promise in a namespace of its
//! own, made before and removed after it. What needs faults is for the simulator.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::Request;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use revdeck::{
    domain::{INSTANCE, LogBatch, LogQuery, Operation, Request as Wish, TargetId},
    platform::{
        Platform,
        kubernetes::{Kubernetes, Options},
    },
    runtime::clock,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{Fault, Fixture, Harness, Role};

fn kubeconfig() -> Option<PathBuf> {
    let named = std::env::var_os("REVDECK_TEST_KUBECONFIG").filter(|value| !value.is_empty());
    if named.is_none() {
        crate::skipped::skipped("cluster", "REVDECK_TEST_KUBECONFIG names no cluster");
    }
    named.map(PathBuf::from)
}

pub struct Real(PathBuf);

struct Cluster {
    platform: Kubernetes,
    client: Client,
    namespace: String,
    runtime: tokio::runtime::Handle,
}

impl Cluster {
    async fn send(&self, method: &str, path: &str, kind: &str, body: &Value) -> Value {
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        self.client.request(request.body(body.to_string().into_bytes()).unwrap()).await.unwrap()
    }

    fn path(&self) -> String {
        format!("/apis/apps/v1/namespaces/{}/deployments", self.namespace)
    }

    async fn create(&self, name: &str, replicas: u32) {
        let labels = json!({ "app": name });
        let body = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
            "spec": {
                "replicas": replicas, "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [{ "name": "app", "image": "registry.k8s.io/pause:3.1" }] },
                },
            },
        });
        self.send("POST", &self.path(), "application/json", &body).await;
        self.done(name).await;
    }

    async fn patch(&self, name: &str, spec: Value) {
        let path = format!("{}/{name}", self.path());
        let body = json!({ "spec": spec });
        self.send("PATCH", &path, "application/strategic-merge-patch+json", &body).await;
    }

    async fn image(&self, name: &str, tag: &str) {
        let image = format!("registry.k8s.io/pause:{tag}");
        let containers = json!([{ "name": "app", "image": image }]);
        self.patch(name, json!({ "template": { "spec": { "containers": containers } } })).await;
    }

    async fn get(&self, path: &str) -> Value {
        self.client.request(Request::get(path).body(Vec::new()).unwrap()).await.unwrap()
    }

    /// Waits until a Deployment is complete: by the four numbers.
    async fn done(&self, name: &str) {
        for _ in 0..600 {
            let now = self.get(&format!("{}/{name}", self.path())).await;
            let number = |field: &str| now["status"][field].as_i64().unwrap_or(0);
            let wanted = now["spec"]["replicas"].as_i64().unwrap_or(1);
            let all = ["replicas", "updatedReplicas", "availableReplicas"];
            let observed =
                number("observedGeneration") >= now["metadata"]["generation"].as_i64().unwrap_or(0);
            if observed && all.iter().all(|field| number(field) == wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{name} never becomes complete");
    }

    async fn history(&self, name: &str, replicas: u32, tags: &[&str]) {
        self.create(name, replicas).await;
        for tag in tags {
            self.image(name, tag).await;
            self.done(name).await;
        }
    }
}

impl Real {
    /// The cluster, with a namespace of its own and nothing in it.
    async fn begin(&self) -> Cluster {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let namespace = format!("revdeck-contract-{:08x}", fastrand::u32(..));
        let read = Kubeconfig::read_from(&self.0).unwrap();
        let config =
            Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let options = Options {
            kubeconfig: Some(self.0.clone()),
            namespace: Some(namespace.clone()),
            ..Options::default()
        };
        let platform = Kubernetes::open(TargetId::new("k8s"), &options, clock::system()).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let cluster = Cluster { platform, client, namespace, runtime };
        let home = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": cluster.namespace } });
        cluster.send("POST", "/api/v1/namespaces", "application/json", &home).await;
        cluster
    }
}

#[async_trait]
impl Harness for Real {
    async fn start(&self) -> Box<dyn Fixture> {
        let cluster = self.begin().await;
        tokio::join!(
            cluster.history("healthy", 4, &["3.2", "3.3", "3.4"]),
            cluster.history("repeated", 3, &["3.2", "3.3", "3.2", "3.3"]),
            cluster.create("single", 1),
            async {
                cluster.create("stuck", 3).await;
                let nowhere = json!({ "nodeSelector": { "revdeck": "nowhere" } });
                cluster.patch("stuck", json!({ "template": { "spec": nowhere } })).await;
            },
            async {
                cluster.create("waiting", 6).await;
                cluster.patch("waiting", json!({ "minReadySeconds": 4 })).await;
                cluster.done("waiting").await;
                cluster.image("waiting", "3.2").await;
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                cluster.patch("waiting", json!({ "paused": true })).await;
            },
        );
        // What finds no node is called stuck only after a while.
        tokio::time::sleep(Duration::from_secs(11)).await;
        Box::new(cluster)
    }
}

#[async_trait]
impl Fixture for Cluster {
    fn platform(&self) -> Arc<dyn Platform> {
        Arc::new(self.platform.clone())
    }

    fn name(&self, role: Role) -> &'static str {
        match role {
            Role::Stuck => "stuck",
            Role::Healthy => "healthy",
            Role::Waiting => "waiting",
            Role::CancelledRollBack => "repeated",
            Role::NoWayBack => "single",
        }
    }

    fn pass(&self, seconds: f64) {
        // Real time passes by itself; a little of it is enough for the next look.
        std::thread::sleep(Duration::from_secs_f64(seconds.min(0.3)));
    }

    fn break_reads(&self, _: Fault, _: Option<u32>) {}
    fn break_writes(&self, _: Fault) {}
    fn mend(&self) {}
    fn short_logins(&self) {}

    fn writes(&self) -> usize {
        0
    }

    fn counts_writes(&self) -> bool {
        false
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let (client, path) =
            (self.client.clone(), format!("/api/v1/namespaces/{}", self.namespace));
        let removed = self.runtime.spawn(async move {
            let request = Request::delete(path).body(b"{}".to_vec()).unwrap();
            let _ = client.request::<Value>(request).await;
        });
        while !removed.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

macro_rules! referee {
    ($($module:ident: $($name:ident),+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(kubeconfig) = kubeconfig() {
                    crate::$module::$name(&Real(kubeconfig)).await;
                }
            }
        )+)+
    };
}

referee!(
    reading: apps_are_listed_with_their_condition, revisions_come_newest_first, one_app_by_name,
        details_differ, unknown_names_are_refused_in_a_sentence;
    operations: the_stuck_rollout_is_rolled_back, a_chosen_revision_is_rolled_back,
        a_restart_replaces_all, a_rollout_is_cancelled, a_canary_goes_on, what_cannot_be_is_refused,
        a_changed_world_refuses_the_plan, a_cancelled_roll_back_is_repeated, taken_back_is_failed,
        a_plan_sends_nothing;
    watching: the_watch_follows_a_rollout_to_its_end;
    first_aid: an_app_is_scaled, an_app_is_stopped_and_started, one_instance_is_started_anew;
);

/// The server's own word decides whether an instance may go: a budget that allows none refuses the plan.
#[tokio::test(flavor = "multi_thread")]
async fn a_disruption_budget_is_honoured() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let cluster = Real(kubeconfig).begin().await;
    cluster.create("guarded", 2).await;
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "guarded" },
        "spec": { "minAvailable": 2, "selector": { "matchLabels": { "app": "guarded" } } },
    });
    let budgets = format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", cluster.namespace);
    cluster.send("POST", &budgets, "application/json", &budget).await;
    // Its controller must have counted the Pods.
    let path = format!("{budgets}/guarded");
    for _ in 0..100 {
        let now = cluster.get(&path).await;
        if now["status"]["currentHealthy"] == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let app = cluster.platform.app("guarded").await.unwrap();
    let reading = cluster.platform.instances(&app.id).await.unwrap();
    let one = reading.instances.first().unwrap().id.clone();
    let request = Wish::new(app.id.clone(), Operation::Restart).with(INSTANCE.name, &one);
    let refused = cluster.platform.plan(request.clone()).await.unwrap().refused.unwrap();
    assert!(refused.contains("The disruption budget guarded needs 2 healthy pods"), "{refused}");
    let still = cluster.platform.instances(&app.id).await.unwrap();
    assert!(still.find(&one).is_ok(), "the plan has sent nothing away");
    let free = json!({ "spec": { "minAvailable": 1 } });
    cluster.send("PATCH", &path, "application/merge-patch+json", &free).await;
    for _ in 0..100 {
        if cluster.platform.plan(request.clone()).await.unwrap().refused.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the budget allows one and the plan is still refused");
}

/// What a real kubelet serves of a log that is written while it is followed: every line once, in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_where_kubelets_serve_logs() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let cluster = Real(kubeconfig).begin().await;
    let labels = json!({ "app": "chatty" });
    let count = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.2; done";
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "chatty" },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [{
                "name": "app", "image": "docker.io/library/busybox:stable", "command": ["sh", "-c", count],
            }] } },
        },
    });
    cluster.send("POST", &cluster.path(), "application/json", &body).await;
    cluster.done("chatty").await;
    let app = cluster.platform.app("chatty").await.unwrap();
    let query = LogQuery { follow: true, ..LogQuery::default() };
    let (sender, mut batches) = mpsc::channel::<LogBatch>(64);
    let (platform, id) = (cluster.platform.clone(), app.id);
    let follows = tokio::spawn(async move { platform.log(&id, &query, sender).await });
    let (mut lines, mut unread) = (Vec::new(), None);
    while lines.len() < 20 && unread.is_none() {
        let next = tokio::time::timeout(Duration::from_secs(30), batches.recv()).await;
        let batch = next.expect("neither a line nor a reason comes").unwrap_or_default();
        unread = batch.mark.filter(|mark| mark.contains("cannot be read"));
        lines.extend(batch.lines.into_iter().map(|line| line.text));
    }
    follows.abort();
    if let Some(why) = unread {
        crate::skipped::skipped("kubelet-logs", &format!("its nodes serve no logs: {why}"));
        return;
    }
    let numbers = lines.iter().filter_map(|line| line.strip_prefix("line ")?.parse::<u32>().ok());
    let numbers: Vec<_> = numbers.collect();
    if numbers.is_empty() {
        // A simulated node has lines of its own.
        crate::skipped::skipped("kubelet-logs", "its nodes do not run what a Pod says");
        return;
    }
    assert_eq!(numbers.len(), lines.len(), "{lines:?}");
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}
