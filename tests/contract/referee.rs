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
    domain::TargetId,
    platform::{
        Platform,
        kubernetes::{Kubernetes, Options},
    },
    runtime::clock,
};
use serde_json::{Value, json};

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

    /// Waits until a Deployment is complete: by the four numbers.
    async fn done(&self, name: &str) {
        for _ in 0..600 {
            let path = format!("{}/{name}", self.path());
            let request = Request::get(path).body(Vec::new()).unwrap();
            let now: Value = self.client.request(request).await.unwrap();
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

#[async_trait]
impl Harness for Real {
    async fn start(&self) -> Box<dyn Fixture> {
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
);
