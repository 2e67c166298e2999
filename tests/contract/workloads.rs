//! What revdeck concludes of workloads that do not roll as a Deployment does: each test names where the server's own rule
//! stands.

use revdeck::{
    domain::{
        App, Condition, Consent, History, Operation, Outcome, Phase, Plan, Request, RollBackTo,
        Settlement, Verb,
    },
    platform::{
        Platform,
        kubernetes::{Kubernetes, Options},
        operation::{self, NoRecord, Sent},
    },
    simulator::{Simulator, kubernetes::Cluster},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::done;

struct Bench {
    simulator: Simulator<Cluster>,
    platform: Kubernetes,
    client: reqwest::Client,
}

impl Bench {
    async fn start() -> Self {
        let (simulator, platform) = crate::kubernetes::cluster().await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { simulator, platform, client: reqwest::Client::new() }
    }

    fn pass(&self, seconds: f64) {
        self.simulator.clock().advance(seconds);
        self.simulator.world().catch_up();
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.platform.target().api)
    }

    /// What somebody else does with kubectl.
    async fn patch(&self, path: &str, patch: Value) {
        let request = self.client.patch(self.url(path)).body(patch.to_string());
        let request = request.header("content-type", "application/merge-patch+json");
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        self.pass(1.0);
    }

    async fn read(&self, path: &str) -> Value {
        let text = self.client.get(self.url(path)).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn app(&self, name: &str) -> App {
        self.platform.app(name).await.unwrap()
    }

    async fn history(&self, name: &str) -> History {
        self.platform.revisions(&self.app(name).await.id).await.unwrap()
    }

    async fn plan(&self, name: &str, operation: Operation) -> Plan {
        let app = self.app(name).await.id;
        self.platform.plan(Request::new(app, operation)).await.unwrap()
    }

    async fn plan_image(&self, name: &str, image: &str) -> Plan {
        let request = Request::new(self.app(name).await.id, Operation::Deploy).with("image", image);
        self.platform.plan(request).await.unwrap()
    }

    async fn execute(&self, plan: Plan) -> Sent {
        assert_eq!(plan.refused, None);
        let (progress, _lines) = mpsc::unbounded_channel();
        let confirmed = plan.confirm(Consent::Flag).unwrap();
        operation::execute(&self.platform, confirmed, &progress, &NoRecord).await
    }

    async fn run(&self, plan: Plan) -> Outcome {
        let Sent::Accepted(mut receipt) = self.execute(plan).await else { panic!("not taken") };
        for _ in 0..120 {
            self.pass(5.0);
            match operation::settle(&self.platform, &receipt).await.unwrap() {
                Settlement::Ended(outcome) | Settlement::Open(outcome) => return outcome,
                Settlement::Pending { receipt: learned, .. } => receipt = *learned,
                Settlement::Unfinished(_) => panic!("it was sent whole"),
            }
        }
        panic!("it never ends: {receipt:#?}");
    }
}

fn back() -> Operation {
    Operation::RollBack(RollBackTo::LastGood)
}

const DB: &str = "/apis/apps/v1/namespaces/shop/statefulsets/db";
const AGENT: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/agent";

/// With `OnDelete` the controller replaces nothing (`stateful_set_control.go`, "Pods will be updated when they are manually
/// deleted"), and `kubectl rollout status` refuses to say that it is done.
#[tokio::test]
async fn what_is_replaced_only_when_deleted_is_not_done() {
    let bench = Bench::start().await;
    for (path, name, pods) in [
        (DB, "db", "/api/v1/namespaces/shop/pods"),
        (AGENT, "kube-system/agent", "/api/v1/namespaces/kube-system/pods"),
    ] {
        bench.patch(path, json!({ "spec": { "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } } })).await;
        assert_eq!(bench.app(name).await.condition(), Condition::Ok, "{name}");
        let plan = bench.plan_image(name, "other:2").await;
        let lines = plan.lines(false);
        let text = format!("{lines:?}");
        assert!(text.contains("OnDelete: NOTHING is replaced until somebody deletes"), "{text}");
        let outcome = bench.run(plan).await;
        let Outcome::Failed(text) = outcome else { panic!("{name}: {outcome:?}") };
        assert!(text.contains("is not on other:2 yet") && text.contains("(OnDelete)"), "{text}");
        let app = bench.app(name).await;
        assert_eq!(app.condition(), Condition::Paused, "{app:#?}");
        let rollout = app.rollout.unwrap();
        assert!(rollout.held.unwrap().contains("must be deleted"));
        // Both sides are told by what the Pods carry.
        assert_eq!(rollout.new.count().running, Some(0), "{name}");
        assert_ne!(rollout.from, rollout.to);
        // Somebody deletes them one after the other: then it is done.
        let own = bench.read(pods).await;
        let stem = name.rsplit('/').next().unwrap();
        for pod in own["items"].as_array().unwrap() {
            let pod = pod["metadata"]["name"].as_str().unwrap();
            if pod.starts_with(stem) {
                bench.client.delete(bench.url(&format!("{pods}/{pod}"))).send().await.unwrap();
                bench.pass(40.0);
            }
        }
        let app = bench.app(name).await;
        assert_eq!(app.condition(), Condition::Ok, "{app:#?}");
        let history = bench.history(name).await;
        assert!(history.revisions[0].deployed, "{history:#?}");
    }
}

/// `kubectl rollout status` is done when those above the partition are of the new revision (`rollout_status.go`).
#[tokio::test]
async fn a_partition_is_kept_and_told() {
    let bench = Bench::start().await;
    bench
        .patch(DB, json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": 2 } } } }))
        .await;
    let plan = bench.plan_image("db", "db:17").await;
    let outcome = bench.run(plan).await;
    let text = done(&outcome);
    assert!(text.contains("db is on db:17 from number 2 up: 1 of 1 running"), "{outcome:?}");
    assert!(!text.contains("gone"), "below the partition what served serves on: {text}");
    bench.pass(600.0);
    let app = bench.app("db").await;
    assert_eq!(app.condition(), Condition::Paused, "{app:#?}");
    let rollout = app.rollout.clone().unwrap();
    assert!(rollout.held.unwrap().contains("those below number 2 keep the old revision"));
    assert_eq!((rollout.old.count().running, rollout.new.count().running), (Some(2), Some(1)));
    // Who only watches is told the end, too.
    let receipt = operation::follow(&bench.platform, &app).unwrap();
    let looked = operation::settle(&bench.platform, &receipt).await.unwrap();
    assert!(matches!(&looked, Settlement::Ended(Outcome::Done(_))), "{looked:?}");
    // A Pod below the partition that is made anew is of the old revision.
    bench.client.delete(bench.url("/api/v1/namespaces/shop/pods/db-0")).send().await.unwrap();
    bench.pass(60.0);
    let images = |pod: Value| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    assert_ne!(images(bench.read("/api/v1/namespaces/shop/pods/db-0").await), "db:17");
    // The way back is the revision that the others have, and then all are of one again.
    let plan = bench.plan("db", back()).await;
    done(&bench.run(plan).await);
    assert_eq!(bench.app("db").await.condition(), Condition::Ok);
}

/// A DaemonSet that sticks half-way goes back to what the other Pods carry, as `kubectl rollout undo` does
/// (`polymorphichelpers/rollback.go`), and what sticks is never called good.
#[tokio::test]
async fn a_daemon_set_that_sticks_goes_back() {
    let bench = Bench::start().await;
    let name = "kube-system/agent";
    let before = bench.app(name).await.deployed.unwrap();
    let plan = bench.plan_image(name, "agent:9-crash").await;
    assert!(matches!(bench.execute(plan).await, Sent::Accepted(_)));
    bench.pass(60.0);
    let app = bench.app(name).await;
    assert_eq!(app.condition(), Condition::Stuck, "{app:#?}");
    let rollout = app.rollout.unwrap();
    assert_eq!(rollout.from.as_ref(), Some(&before));
    assert_ne!(rollout.to.as_ref(), Some(&before));
    assert_eq!((rollout.old.count().running, rollout.new.count().running), (Some(2), Some(0)));
    let history = bench.history(name).await;
    assert!(history.revisions[0].incoming && history.revisions[0].id != before.id);
    assert_ne!(history.revisions[0].track_record, revdeck::domain::TrackRecord::Served);
    let plan = bench.plan(name, back()).await;
    let label = before.label.clone().unwrap();
    assert!(plan.title.contains(&format!("to rev {label}")), "{}", plan.title);
    done(&bench.run(plan).await);
    assert_eq!(bench.app(name).await.condition(), Condition::Ok);
    assert_eq!(bench.app(name).await.deployed.unwrap().id, before.id);
    // The same as a cancel.
    let plan = bench.plan_image(name, "agent:9-crash").await;
    assert!(matches!(bench.execute(plan).await, Sent::Accepted(_)));
    bench.pass(60.0);
    let plan = bench.plan(name, Operation::Cancel).await;
    done(&bench.run(plan).await);
    assert_eq!(bench.app(name).await.deployed.unwrap().id, before.id);
}

/// While it is paused no ReplicaSet is made for a new template (`sync` in `deployment/sync.go`): it waits, and says so.
#[tokio::test]
async fn a_paused_deployment_with_a_pending_template_waits() {
    let bench = Bench::start().await;
    let path = "/apis/apps/v1/namespaces/shop/deployments/inventory";
    bench.patch(path, json!({ "spec": { "paused": true } })).await;
    bench.pass(30.0);
    let app = bench.app("inventory").await;
    assert!(app.paused && app.rollout.is_none());
    assert_eq!(app.condition(), Condition::Paused, "what comes next would wait");
    let serving = app.deployed.clone();
    let template = json!({ "spec": { "template": { "metadata": { "labels": { "lot": "2" } } } } });
    bench.patch(path, template).await;
    bench.pass(300.0);
    let app = bench.app("inventory").await;
    let rollout = app.rollout.clone().expect("a template waits");
    assert_eq!((rollout.phase, app.condition()), (Phase::Paused, Condition::Paused));
    assert_eq!((&app.deployed, &rollout.from), (&serving, &serving));
    // There is no ReplicaSet for it yet: it is called by the tag of its image.
    let to = rollout.to.as_ref().and_then(|to| to.label.as_deref());
    assert_eq!(to, Some("2.2.0"));
    // Going back takes the template and the pause away.
    let plan = bench.plan("inventory", back()).await;
    done(&bench.run(plan).await);
    assert_eq!(bench.app("inventory").await.condition(), Condition::Ok);
}

/// Scaling moves the generation of an object (`deployment/strategy.go`), and so does an annotation: neither is a reason to
/// refuse a plan, and a change of the template is one.
#[tokio::test]
async fn what_does_not_matter_does_not_void_a_plan() {
    let bench = Bench::start().await;
    let path = "/apis/apps/v1/namespaces/shop/deployments/inventory";
    for change in [
        json!({ "spec": { "replicas": 5 } }),
        json!({ "metadata": { "annotations": { "team": "stock" } } }),
    ] {
        let plan = bench.plan("inventory", Operation::Restart).await;
        bench.patch(path, change).await;
        done(&bench.run(plan).await);
    }
    assert_eq!(bench.read(path).await["spec"]["replicas"], 5, "nobody's scaling is undone");
    let plan = bench.plan("inventory", Operation::Restart).await;
    bench
        .patch(
            path,
            json!({ "spec": { "template": { "metadata": { "labels": { "lot": "3" } } } } }),
        )
        .await;
    let sent = bench.execute(plan).await;
    let Sent::Ended(Outcome::Refused(text)) = sent else { panic!("{sent:?}") };
    assert!(text.contains("has changed its template"), "{text}");
    // How Pods are replaced matters, too: with another partition more of them would roll than was agreed to.
    let partition = |below: u32| json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": below } } } });
    bench.patch(DB, partition(2)).await;
    let plan = bench.plan_image("db", "db:17").await;
    bench.patch(DB, partition(0)).await;
    let sent = bench.execute(plan).await;
    let Sent::Ended(Outcome::Refused(text)) = sent else { panic!("{sent:?}") };
    assert!(text.contains("has changed how its Pods are replaced"), "{text}");
}

/// Neither a StatefulSet nor a DaemonSet has a deadline, and each Pod takes its time: that is no failure.
#[tokio::test]
async fn pods_that_take_their_time_are_waited_for() {
    let bench = Bench::start().await;
    bench.patch(DB, json!({ "spec": { "minReadySeconds": 0, "replicas": 5 } })).await;
    bench.pass(120.0);
    let plan = bench.plan_image("db", "db:17-crawl").await;
    done(&bench.run(plan).await);
}

/// In a chain the last that was rolled out to the end is what one goes back to (`currentRevision`), and not what crashes.
#[tokio::test]
async fn in_a_chain_of_a_stateful_set_the_last_whole_one_is_good() {
    let bench = Bench::start().await;
    bench.patch(DB, json!({ "spec": { "replicas": 1 } })).await;
    bench.pass(60.0);
    let good = bench.app("db").await.deployed.unwrap();
    for image in ["db:17-crash", "db:18-crash"] {
        let plan = bench.plan_image("db", image).await;
        assert!(matches!(bench.execute(plan).await, Sent::Accepted(_)));
        bench.pass(40.0);
    }
    let app = bench.app("db").await;
    assert_eq!(app.rollout.unwrap().from.map(|from| from.id), Some(good.id));
    let plan = bench.plan("db", back()).await;
    assert!(plan.title.contains(&format!("to rev {}", good.label.unwrap())), "{}", plan.title);
    done(&bench.run(plan).await);
}

/// A Rollout's template has no defaults and that of its ReplicaSets has (`argo-rollouts`, `utils/replicaset`): paused as a
/// whole, its sides are told all the same.
#[tokio::test]
async fn a_paused_rollout_keeps_its_sides() {
    let bench = Bench::start().await;
    let before = bench.app("pricing").await.rollout.unwrap();
    let path = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/pricing";
    bench.patch(path, json!({ "spec": { "paused": true } })).await;
    let paused = bench.app("pricing").await.rollout.unwrap();
    assert_eq!((paused.from, paused.to), (before.from, before.to));
    assert_eq!(paused.new.count().running, Some(1));
}

/// Admission that puts a digest in place of a tag (Kyverno's `mutateDigest`) is not another rollout.
#[tokio::test]
async fn what_admission_changes_is_still_ours() {
    let bench = Bench::start().await;
    bench.simulator.faults().set("admission=digests").unwrap();
    let plan = bench.plan_image("inventory", "inventory:9").await;
    let notes = format!("{:?}", plan.notes);
    assert!(
        notes.contains("admission changes the template") && notes.contains("@sha256:"),
        "{notes}"
    );
    let outcome = bench.run(plan).await;
    assert!(done(&outcome).contains("inventory is on inventory:9"), "{outcome:?}");
    // What it makes of the same image is what runs already.
    let again = bench.plan_image("inventory", "inventory:9").await;
    assert!(again.refused.unwrap().contains("nothing would change"));
    // The same where the answer is lost.
    let plan = bench.plan_image("inventory", "inventory:10").await;
    bench.simulator.faults().set("admission=digests,reset-after@PATCH:/apis#1").unwrap();
    let Sent::Lost(receipt) = bench.execute(plan).await else { panic!("the answer is lost") };
    bench.pass(60.0);
    let settled = operation::settle(&bench.platform, &receipt).await.unwrap();
    let Settlement::Ended(outcome) = settled else { panic!("{settled:?}") };
    done(&outcome);
}

/// Where a Pod has several containers the server wants one named (`pod/strategy.go`), and what fails is what is read.
#[tokio::test]
async fn logs_of_several_containers_are_read() {
    let bench = Bench::start().await;
    let proxy = json!([
        { "name": "proxy", "image": "proxy:1" }, { "name": "app", "image": "inventory:4" },
    ]);
    let path = "/apis/apps/v1/namespaces/shop/deployments/inventory";
    bench.patch(path, json!({ "spec": { "template": { "spec": { "containers": proxy } } } })).await;
    bench.pass(120.0);
    let app = bench.app("inventory").await;
    let lines = bench.platform.logs(&app.id).await.unwrap();
    assert!(!lines.is_empty());
    assert!(lines.iter().all(|line| line.source.ends_with("/proxy")), "kubectl takes the first");
    let chosen = json!({ "kubectl.kubernetes.io/default-container": "app" });
    let template = json!({ "metadata": { "annotations": chosen } });
    bench.patch(path, json!({ "spec": { "template": template } })).await;
    bench.pass(120.0);
    let lines = bench.platform.logs(&app.id).await.unwrap();
    assert!(lines.iter().all(|line| line.source.ends_with("/app")), "{lines:?}");
    // That they cannot be read is not the same as that there are none.
    bench.simulator.faults().set("400@GET:/api/v1/namespaces/shop/pods/").unwrap();
    bench.platform.logs(&app.id).await.unwrap_err();
}

/// A selector of expressions alone selects something, and what it selects is still told apart by its owner.
#[tokio::test]
async fn selectors_of_expressions_are_understood() {
    let bench = Bench::start().await;
    let made = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": "queue", "namespace": "shop" },
        "spec": {
            "replicas": 2, "serviceName": "queue",
            "selector": { "matchExpressions": [{ "key": "app", "operator": "In", "values": ["queue"] }] },
            "template": {
                "metadata": { "labels": { "app": "queue" } },
                "spec": { "containers": [{ "name": "app", "image": "queue:1" }] },
            },
        },
    });
    let request = bench.client.post(bench.url("/apis/apps/v1/namespaces/shop/statefulsets"));
    let request = request.header("content-type", "application/json").body(made.to_string());
    assert!(request.send().await.unwrap().status().is_success());
    bench.pass(60.0);
    let broken = bench.plan_image("queue", "queue:2-typo").await;
    assert!(matches!(bench.execute(broken).await, Sent::Accepted(_)));
    bench.pass(40.0);
    let plan = bench.plan("queue", back()).await;
    let deletes: Vec<_> = plan.calls().filter(|call| call.starts_with("DELETE")).collect();
    assert_eq!(deletes, ["DELETE /api/v1/namespaces/shop/pods/queue-1"]);
    done(&bench.run(plan).await);
}

/// A server that was restored has not reached the revision that is asked for: the watch begins anew, and goes on.
#[tokio::test]
async fn a_server_that_went_back_in_time_is_listed_anew() {
    let bench = Bench::start().await;
    let (interest, interested) = tokio::sync::watch::channel(revdeck::domain::Interest::default());
    let (reports, mut reported) = mpsc::channel(64);
    let watching = bench.platform.clone();
    // The first lists ask for no revision: it is the watches that begin in a future.
    bench.simulator.faults().set("future@GET:/apis/apps#8").unwrap();
    let task = tokio::spawn(async move { watching.watch(interested, reports).await });
    let mut seen = async |text: &str| {
        loop {
            match reported.recv().await.unwrap() {
                revdeck::domain::Report::Apps { changed, .. } => {
                    let found =
                        |app: &App| app.name == "inventory" && app.condition().word() == text;
                    if changed.iter().any(found) {
                        return;
                    }
                }
                revdeck::domain::Report::Problem { problem, .. } => panic!("{problem}"),
                _ => {}
            }
        }
    };
    let limit = std::time::Duration::from_secs(20);
    tokio::time::timeout(limit, seen("ok")).await.unwrap();
    let path = "/apis/apps/v1/namespaces/shop/deployments/inventory";
    bench.patch(path, json!({ "spec": { "paused": true } })).await;
    tokio::time::timeout(limit, seen("paused")).await.unwrap();
    task.abort();
    drop(interest);
}

/// Argo CD 2 marks with a label that others use, too; Helm puts nothing back by itself.
#[tokio::test]
async fn who_will_undo_it_is_named() {
    let bench = Bench::start().await;
    let path = "/apis/apps/v1/namespaces/shop/deployments/inventory";
    let notes = async || format!("{:?}", bench.plan("inventory", Operation::Restart).await.notes);
    bench
        .patch(path, json!({ "metadata": { "labels": { "app.kubernetes.io/instance": "stock" } } }))
        .await;
    let told = notes().await;
    assert!(!told.contains("Argo CD") && !told.contains("Helm"), "{told}");
    let helm = json!({ "meta.helm.sh/release-name": "stock" });
    bench.patch(path, json!({ "metadata": { "annotations": helm } })).await;
    let told = notes().await;
    assert!(told.contains("Helm installed this (release stock): its next upgrade"), "{told}");
    let query = format!("{path}?fieldManager=argocd-controller");
    bench.patch(&query, json!({ "metadata": { "annotations": { "synced": "1" } } })).await;
    let told = notes().await;
    assert!(told.contains("Argo CD owns this and will put it back"), "{told}");
    assert!(bench.platform.capabilities().await.unwrap().reason(Verb::Restart).is_none());
}

/// Good, then a crash, then fixed forward: what crashed is not the way back, whoever asks, and also after a restart.
#[tokio::test]
async fn what_crashed_is_not_the_way_back() {
    let bench = Bench::start().await;
    let state = tempfile::tempdir().unwrap();
    let open = |state: Option<&std::path::Path>| {
        let options = Options {
            kubeconfig: Some(bench.simulator.home().join("kubeconfig")),
            state: state.map(std::path::Path::to_owned),
            ..Options::default()
        };
        let clock = bench.simulator.clock().clone();
        let now = std::sync::Arc::new(move || clock.now());
        Kubernetes::open(revdeck::domain::TargetId::new("k8s"), &options, now).unwrap()
    };
    let seeing = open(Some(state.path()));
    let (interest, interested) = tokio::sync::watch::channel(revdeck::domain::Interest::default());
    let (reports, mut reported) = mpsc::channel(64);
    let watching = seeing.clone();
    let task = tokio::spawn(async move { watching.watch(interested, reports).await });
    let mut until = async |wanted: Condition| loop {
        if let Some(revdeck::domain::Report::Apps { changed, .. }) = reported.recv().await
            && changed.iter().any(|app| app.name == "inventory" && app.condition() == wanted)
        {
            return;
        }
    };
    until(Condition::Ok).await;
    let good = bench.app("inventory").await.deployed.unwrap();
    let plan = bench.plan_image("inventory", "inventory:bad-crash").await;
    assert!(matches!(bench.execute(plan).await, Sent::Accepted(_)));
    bench.pass(30.0);
    until(Condition::Stuck).await;
    let bad = bench.app("inventory").await.rollout.unwrap().to.unwrap();
    // While it is rolled over by a fix, and afterwards.
    let plan = bench.plan_image("inventory", "inventory:fixed").await;
    done(&bench.run(plan).await);
    until(Condition::Ok).await;
    task.abort();
    drop(interest);
    // One that has seen nothing prefers what lived for days to what lived for seconds, and says that it is not sure.
    let (fresh, next) = (open(None), open(Some(state.path())));
    for (platform, sure) in [(&fresh, false), (&next, true)] {
        let app = platform.app("inventory").await.unwrap();
        let plan = platform.plan(Request::new(app.id.clone(), back())).await.unwrap();
        let title = &plan.title;
        assert!(title.contains(&format!("to rev {}", good.label.clone().unwrap())), "{title}");
        assert_eq!(title.contains("(last good)"), sure, "{title}");
        assert_eq!(title.contains("no record that it was well"), !sure, "{title}");
    }
    let app = next.app("inventory").await.unwrap();
    let to = Operation::RollBack(RollBackTo::Revision(bad.id));
    let plan = next.plan(Request::new(app.id, to)).await.unwrap();
    assert!(plan.notes[0].text().contains("FAILED: it was never well"), "{:?}", plan.notes);
}

/// A release over a rollout that is stuck replaces what served before it as well.
#[tokio::test]
async fn what_is_gone_is_both_sides() {
    let bench = Bench::start().await;
    let plan = bench.plan_image("storefront", "registry.acme.example/storefront:2.0").await;
    let outcome = bench.run(plan).await;
    let text = done(&outcome);
    assert!(text.contains("rev 4 and rev 3 are gone"), "the one that served, too: {text}");
}

/// `kubectl rollout undo` gives the change-cause of the target back (`polymorphichelpers/rollback.go`); our own reason stays
/// with the revision that it is of.
#[tokio::test]
async fn a_reason_is_not_inherited() {
    let bench = Bench::start().await;
    let path = "/apis/apps/v1/namespaces/shop/deployments/inventory";
    let cause = async || {
        let object = bench.read(path).await;
        object["metadata"]["annotations"]["kubernetes.io/change-cause"].clone()
    };
    let app = bench.app("inventory").await.id;
    let to = bench.history("inventory").await.revisions[1].clone();
    let mut request = Request::new(app.clone(), Operation::RollBack(RollBackTo::Revision(to.id)));
    request.reason = Some("too slow".to_owned());
    let plan = bench.platform.plan(request).await.unwrap();
    done(&bench.run(plan).await);
    assert_ne!(cause().await, "too slow");
    let note = async |at: usize| bench.history("inventory").await.revisions[at].note.clone();
    assert_eq!(note(0).await.as_deref(), Some("too slow"));
    // The next release has the annotation, too, and it is not of that.
    let plan = bench.plan_image("inventory", "inventory:next").await;
    done(&bench.run(plan).await);
    assert_eq!((note(0).await, note(1).await.as_deref()), (None, Some("too slow")));
}
