//! Kubernetes under the contract.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use revdeck::{
    domain::{
        Condition, Consent, Note, Operation, Outcome, Request, RollBackTo, Scope, Settlement,
        TargetId, TrackRecord,
    },
    platform::{
        Platform,
        kubernetes::{Kubernetes, Options},
        operation::{self, NoRecord, Sent},
    },
    simulator::{self, Simulator, clock::Clock, kubernetes::Cluster},
};
use tokio::sync::mpsc;

use crate::harness::{Deck, Fault, Fixture, Harness, Role, done};

/// A simulated cluster, and what holds of it from beginning to end.
pub struct Simulated {
    /// As `--faults` takes it: something that is broken or in between.
    pub standing: &'static str,
    /// The login.
    pub context: Option<&'static str>,
    /// How long the adapter waits.
    pub timeout: Duration,
}

/// As it is, with little patience.
pub const PLAIN: Simulated =
    Simulated { standing: "", context: None, timeout: Duration::from_millis(800) };

struct Bench {
    simulator: Simulator<Cluster>,
    platform: Kubernetes,
    standing: &'static str,
}

impl Bench {
    fn faults(&self, more: &str) {
        let all = [self.standing, more].into_iter().filter(|one| !one.is_empty());
        self.simulator.faults().set(&all.collect::<Vec<_>>().join(",")).unwrap();
    }
}

/// A cluster on a clock of the test's own, and the adapter for it.
pub async fn cluster() -> (Simulator<Cluster>, Kubernetes) {
    PLAIN.cluster(0).await
}

impl Simulated {
    /// The same with so many apps at least.
    async fn cluster(&self, apps: usize) -> (Simulator<Cluster>, Kubernetes) {
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let options = simulator::Options { keep_log: true, apps, ..simulator::Options::default() };
        let simulator = Simulator::kubernetes_at(&options, clock.clone()).await.unwrap();
        simulator.faults().set(self.standing).unwrap();
        let options = Options {
            kubeconfig: Some(simulator.home().join("kubeconfig")),
            context: self.context.map(str::to_owned),
            timeout: self.timeout,
            ..Options::default()
        };
        let now = Arc::new(move || clock.now());
        let platform = Kubernetes::open(TargetId::new("k8s"), &options, now).unwrap();
        (simulator, platform)
    }
}

#[async_trait]
impl Harness for Simulated {
    async fn start(&self) -> Box<dyn Fixture> {
        let (simulator, platform) = self.cluster(0).await;
        Box::new(Bench { simulator, platform, standing: self.standing })
    }
}

#[async_trait]
impl Fixture for Bench {
    fn platform(&self) -> Arc<dyn Platform> {
        Arc::new(self.platform.clone())
    }

    fn name(&self, role: Role) -> &'static str {
        match role {
            Role::Stuck => "storefront",
            Role::Healthy => "inventory",
            Role::Waiting => "invoices",
            Role::CancelledRollBack => "wishlist",
            Role::NoWayBack => "mailroom",
        }
    }

    fn pass(&self, seconds: f64) {
        self.simulator.clock().advance(seconds);
        self.simulator.world().catch_up();
    }

    fn break_reads(&self, fault: Fault, times: Option<u32>) {
        let count = times.map(|times| format!("#{times}")).unwrap_or_default();
        self.faults(&format!("{}@GET:/api{count}", fault.specification()));
    }

    fn break_writes(&self, fault: Fault) {
        let fault = format!("{}@PATCH:/apis/apps/v1#1", fault.specification());
        self.faults(&fault);
    }

    fn mend(&self) {
        self.faults("");
    }

    fn short_logins(&self) {
        self.faults("401@GET:/apis#1");
    }

    fn requests(&self) -> Option<usize> {
        Some(self.simulator.world().log().len())
    }

    fn writes(&self) -> usize {
        let asks = |line: &&String| {
            line.starts_with("GET") || line.contains("accessreviews") || line.contains("dryRun=All")
        };
        self.simulator.world().log().iter().filter(|line| !asks(line)).count()
    }
}

crate::contract!(PLAIN);

/// A log that the server does not give is told of, once for each Pod, while it is tried again: kwok's nodes, and servers that
/// do not let their kubelets be asked, answer with 405.
#[tokio::test]
async fn a_log_that_cannot_be_read_is_told_of() {
    let (simulator, platform) = PLAIN.cluster(0).await;
    let app = platform.app("inventory").await.unwrap();
    simulator.faults().set("405@GET:/api/v1/namespaces/shop/pods/").unwrap();
    let query = revdeck::domain::LogQuery { follow: true, ..Default::default() };
    let (sender, mut batches) = mpsc::channel::<revdeck::domain::LogBatch>(64);
    let (mut marks, wanted) = (Vec::new(), app.instances.running.unwrap() as usize);
    let told = async {
        while let Some(batch) = batches.recv().await {
            marks.extend(batch.mark);
            if marks.len() == wanted {
                return;
            }
        }
    };
    tokio::select! {
        () = told => {}
        ended = platform.log(&app.id, &query, sender) => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(20)) => {}
    }
    assert_eq!(marks.len(), wanted, "{marks:?}");
    let pods: std::collections::HashSet<_> = marks.iter().collect();
    assert_eq!(pods.len(), wanted, "each once: {marks:?}");
    assert!(marks.iter().all(|mark| mark.contains("cannot be read: ")), "{marks:?}");
}

/// The status lies for a moment in three ways; an operation is neither done nor failed for it.
#[tokio::test]
async fn a_stale_status_is_not_believed() {
    let deck = Deck::open(&PLAIN).await;
    // Taken a moment ago: the old generation is observed, and all is as it was wanted then.
    let plan = deck.plan(Role::Healthy, Operation::RollBack(RollBackTo::LastGood)).await;
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    let pending = |settlement: Settlement| {
        assert!(matches!(settlement, Settlement::Pending { .. }), "{settlement:?}");
    };
    pending(deck.look(&receipt).await);
    assert!(deck.app(Role::Healthy).await.rollout.is_some());
    // Observed, nothing is updated, and the condition still says that all is done.
    deck.fixture.pass(0.25);
    pending(deck.look(&receipt).await);
    assert!(deck.app(Role::Healthy).await.rollout.is_some());
    done(&deck.follow(receipt).await);
    // Going back from a rollout that timed out: the deadline is still in the status.
    let plan = deck.plan(Role::Stuck, Operation::RollBack(RollBackTo::LastGood)).await;
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    pending(deck.look(&receipt).await);
    let app = deck.app(Role::Stuck).await;
    assert!(app.rollout.is_none_or(|rollout| rollout.stuck.is_none()), "it is not stuck any more");
    done(&deck.follow(receipt).await);
}

/// Going back gives the old ReplicaSet a new number: it is the same revision all the same.
#[tokio::test]
async fn a_revision_stays_itself_under_a_new_number() {
    let deck = Deck::open(&PLAIN).await;
    let app = deck.app(Role::Healthy).await;
    let before = deck.platform.revisions(&app.id).await.unwrap().revisions;
    let wanted = before[2].clone();
    let goal = RollBackTo::Revision(wanted.id.clone());
    done(&deck.carry_out(Role::Healthy, Operation::RollBack(goal)).await);
    let after = deck.platform.revisions(&app.id).await.unwrap().revisions;
    assert_eq!(after[0].id, wanted.id);
    assert_ne!(after[0].label, wanted.label);
    assert!(after[0].description.contains(&format!("(was {})", wanted.label)), "{:?}", after[0]);
    let left = after.iter().find(|one| one.id == before[0].id).unwrap();
    assert_eq!(left.track_record, TrackRecord::Unfinished, "somebody went back from it");
}

/// A deploy on top of another one: each of what serves and what is new are told apart.
#[tokio::test]
async fn overlapping_rollouts_keep_their_sides() {
    let deck = Deck::open(&PLAIN).await;
    for image in ["inventory:9", "inventory:9-typo"] {
        let plan = deck.plan_image(Role::Healthy, image).await;
        assert!(matches!(deck.execute(plan).await, Sent::Accepted(_)));
        for _ in 0..40 {
            deck.fixture.pass(0.5);
            let rollout = deck.app(Role::Healthy).await.rollout.unwrap();
            if rollout.new.count().running > Some(0) || rollout.stuck.is_some() {
                break;
            }
        }
    }
    let app = deck.app(Role::Healthy).await;
    let rollout = app.rollout.unwrap();
    let sides: Vec<_> = rollout.overlap.iter().map(|(_, side)| side.count()).collect();
    assert_eq!(sides.len(), 2, "{rollout:#?}");
    assert!(sides.iter().all(|side| side.running > Some(0)), "{sides:?}");
    assert!(rollout.overlap.iter().any(|(revision, _)| Some(revision) == app.deployed.as_ref()));
    let sum: u32 = sides.iter().map(|count| count.desired).sum();
    assert_eq!(rollout.old.desired, sum);
    let left = rollout.deadline.unwrap().duration_since(rollout.moved_at.unwrap());
    assert_eq!(left.as_secs(), 600, "the deadline counts from the last move");
    // One that is past its deadline has none to wait for.
    let late = deck.app(Role::Stuck).await.rollout.unwrap();
    assert!(late.stuck.is_some() && late.deadline.is_none(), "{late:#?}");
}

/// An object of 10 MB is an app like any other.
#[tokio::test]
async fn an_object_of_ten_megabytes_is_read() {
    let deck = Deck::open(&PLAIN).await;
    let app = deck.app(Role::Waiting).await;
    let api = deck.platform.target().api;
    let value = "x".repeat(10_000_000);
    let _ = rustls::crypto::ring::default_provider().install_default();
    // It is paused: the template changes, and no Pod takes it.
    let body = format!(
        r#"{{"spec":{{"template":{{"spec":{{"containers":[{{"name":"app","env":[{{"name":"BIG","value":"{value}"}}]}}]}}}}}}}}"#
    );
    let patched = reqwest::Client::new()
        .patch(format!("{api}/apis/apps/v1/namespaces/shop/deployments/{}", app.name))
        .header("content-type", "application/strategic-merge-patch+json")
        .body(body)
        .send();
    assert!(patched.await.unwrap().status().is_success());
    assert_eq!(deck.app(Role::Waiting).await.id, app.id);
    let plan = deck.plan(Role::Waiting, Operation::RollBack(RollBackTo::LastGood)).await;
    assert_eq!(plan.refused, None);
    let line = plan.differs.iter().map(|one| one.line(true)).find(|line| line.contains("BIG"));
    let line = line.expect("the variable goes away again");
    assert!(line.len() < 500 && line.contains("10000000 bytes"), "{line}");
    assert!(deck.platform.apps(&Scope::Home).await.unwrap().iter().any(|one| one.id == app.id));
}

/// Two operators roll back at once: one does, the other is told, and nothing is undone twice.
#[tokio::test]
async fn two_operators_at_once_undo_once() {
    let simulator = Simulator::kubernetes(&simulator::Options::default()).await.unwrap();
    let operators = [
        crate::rights::open(&simulator, "demo").unwrap(),
        crate::rights::open(&simulator, "demo").unwrap(),
    ];
    let mut plans = Vec::new();
    for operator in &operators {
        let app = operator.app("storefront").await.unwrap();
        let back = Request::new(app.id, Operation::RollBack(RollBackTo::LastGood));
        plans.push(operator.plan(back).await.unwrap().confirm(Consent::Flag).unwrap());
    }
    let wanted = plans[0].plan().to.clone().unwrap().artifact.unwrap();
    let mut sent = Vec::new();
    for (operator, plan) in operators.iter().zip(plans) {
        let operator = operator.clone();
        sent.push(tokio::spawn(async move {
            operation::execute(&operator, plan, &mpsc::unbounded_channel().0, &NoRecord).await
        }));
    }
    let (mut taken, mut refused) = (0, Vec::new());
    for one in sent {
        match one.await.unwrap() {
            Sent::Accepted(_) => taken += 1,
            Sent::Ended(Outcome::Refused(why)) => refused.push(why),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((taken, refused.len()), (1, 1));
    assert!(refused[0].contains("CHANGED") && refused[0].contains("revdeck"), "{refused:?}");
    let app = operators[1].app("storefront").await.unwrap();
    let settled = async {
        loop {
            let history = operators[1].revisions(&app.id).await.unwrap();
            if history.revisions[0].description.starts_with(&wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), settled).await.expect("it is gone back once");
}

#[tokio::test]
async fn a_rollout_that_turns_round_goes_on_to_its_end() {
    crate::watching::a_rollout_that_turns_round_goes_on_to_its_end(&PLAIN).await;
}

/// What is pasted elsewhere must not go to whichever cluster is current there.
#[tokio::test]
async fn commands_by_hand_name_their_context() {
    let deck = Deck::open(&PLAIN).await;
    for (role, operation) in [
        (Role::Healthy, Operation::RollBack(RollBackTo::LastGood)),
        (Role::Healthy, Operation::Restart),
        (Role::Stuck, Operation::Pause),
        (Role::Waiting, Operation::Continue),
    ] {
        let plan = deck.plan(role, operation).await;
        let named = |command: &String| command.contains("--context demo -n shop");
        assert!(!plan.by_hand.is_empty() && plan.by_hand.iter().all(named), "{:?}", plan.by_hand);
    }
}

/// Long lists come in pages, and begin anew where the server forgets their beginning.
#[tokio::test]
async fn a_long_list_is_read_whole() {
    let (simulator, platform) = PLAIN.cluster(700).await;
    simulator.faults().set("410@GET:/apis/apps/v1/deployments#2").unwrap();
    let apps = platform.apps(&Scope::Everything).await.unwrap();
    assert_eq!(apps.len(), 700);
    let pages = simulator.world().log().iter().filter(|one| one.contains("continue=")).count();
    assert!(pages > 2, "{pages}");
}

/// The events of a busy namespace come in many pages; those of the app are found among them, and only those.
#[tokio::test]
async fn a_crowd_does_not_hide_the_events_of_an_app() {
    let deck = Deck::open(&PLAIN).await;
    let api = deck.platform.target().api;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    for number in 0..520 {
        let body = serde_json::json!({
            "metadata": { "name": format!("aaa.{number:04}") }, "type": "Normal", "reason": "Started",
            "message": "Started container", "lastTimestamp": "2026-03-01T12:00:00Z",
            "involvedObject": { "kind": "Pod", "name": "storefront-blue-7d9f8c7b6d-x2b4c", "namespace": "shop" },
        });
        let request = client.post(format!("{api}/api/v1/namespaces/shop/events")).json(&body);
        assert!(request.send().await.unwrap().status().is_success());
    }
    let app = deck.platform.app("storefront").await.unwrap();
    let told = deck.platform.events(&app.id).await.unwrap();
    let all = format!("{told:?}");
    assert!(told.iter().any(|one| one.bad && one.what.contains("BackOff")), "{all}");
    assert!(told.iter().any(|one| one.what.contains("Scaled up replica set")), "{all}");
    assert!(
        told.iter().all(|one| !one.what.contains("blue") && !one.what.contains("520")),
        "{all}"
    );
}

/// Whoever else has a hand in how many instances there are is named in the plan.
#[tokio::test]
async fn autoscalers_and_budgets_are_named() {
    let deck = Deck::open(&PLAIN).await;
    let api = deck.platform.target().api;
    let _ = rustls::crypto::ring::default_provider().install_default();
    for (path, body) in [
        (
            "autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
            r#"{"metadata":{"name":"scaler"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"inventory"},"minReplicas":2,"maxReplicas":9}}"#,
        ),
        (
            "policy/v1/namespaces/shop/poddisruptionbudgets",
            r#"{"metadata":{"name":"budget"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"inventory"}}}}"#,
        ),
    ] {
        let request = reqwest::Client::new().post(format!("{api}/apis/{path}"));
        let request = request.header("content-type", "application/json").body(body);
        assert!(request.send().await.unwrap().status().is_success());
    }
    let plan = deck.plan(Role::Healthy, Operation::RollBack(RollBackTo::LastGood)).await;
    let notes: Vec<_> = plan.notes.iter().map(Note::text).collect();
    assert!(notes.contains(&"autoscaler scaler is in play (2 to 9 instances)"), "{notes:?}");
    assert!(notes.contains(&"disruption budget budget is in play"), "{notes:?}");
    let plan = deck.plan(Role::Waiting, Operation::Continue).await;
    assert!(plan.notes.iter().all(|note| !note.text().contains("in play")), "{:?}", plan.notes);
    // One that lets nothing go says which one it is (`details.causes` of the eviction's 429).
    let request = reqwest::Client::new()
        .patch(format!("{api}/apis/policy/v1/namespaces/shop/poddisruptionbudgets/budget"));
    let request = request.header("content-type", "application/merge-patch+json");
    let answer = request.body(r#"{"spec":{"minAvailable":4}}"#).send().await.unwrap();
    assert!(answer.status().is_success());
    let app = deck.app(Role::Healthy).await;
    let one = deck.platform.instances(&app.id).await.unwrap().instances[0].id.clone();
    let request = Request::new(app.id, Operation::Restart).with("instance", &one);
    let refused = deck.platform.plan(request).await.unwrap().refused.unwrap();
    let wanted = "The disruption budget budget needs 4 healthy pods and has 4 currently";
    assert!(refused.contains(wanted), "{refused}");
}

/// A StatefulSet that a Pod holds up for ever is freed by going back.
#[tokio::test]
async fn a_stuck_stateful_set_is_freed() {
    let deck = Deck::open(&PLAIN).await;
    let app = deck.platform.app("db").await.unwrap();
    let broken = Request::new(app.id.clone(), Operation::Deploy).with("image", "db:16-typo");
    let plan = deck.platform.plan(broken).await.unwrap();
    assert!(matches!(deck.execute(plan).await, Sent::Accepted(_)));
    deck.fixture.pass(30.0);
    let stuck = deck.platform.app("db").await.unwrap();
    assert_eq!(stuck.condition(), Condition::Stuck, "{stuck:#?}");
    let back = Operation::RollBack(RollBackTo::LastGood);
    let plan = deck.platform.plan(Request::new(app.id.clone(), back)).await.unwrap();
    assert!(
        plan.notes.iter().any(|note| note.text().contains("db-2 will be deleted")),
        "{plan:#?}"
    );
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    done(&deck.follow(receipt).await);
    assert_eq!(deck.platform.app("db").await.unwrap().condition(), Condition::Ok);
}

/// Every kind of workload: who only watches is told the end that it really has.
#[tokio::test]
async fn rollouts_of_every_kind_are_followed() {
    let deck = Deck::open(&PLAIN).await;
    for name in ["inventory", "db", "kube-system/agent", "pricing"] {
        let app = deck.platform.app(name).await.unwrap();
        let restart = Request::new(app.id.clone(), Operation::Restart);
        let plan = deck.platform.plan(restart).await.unwrap();
        assert_eq!(plan.refused, None, "{name}");
        assert!(matches!(deck.execute(plan).await, Sent::Accepted(_)), "{name}");
        let mut followed = None;
        for _ in 0..40 {
            deck.fixture.pass(0.5);
            let app = deck.platform.app(name).await.unwrap();
            followed = operation::follow(deck.platform.as_ref(), &app);
            if followed.is_some() {
                break;
            }
        }
        let Some(receipt) = followed else { panic!("{name} never rolls") };
        if name == "pricing" {
            // It waits at a step for somebody: that is not its end.
            let look = deck.look(&receipt).await;
            assert!(matches!(look, Settlement::Pending { .. }), "{look:?}");
        } else {
            done(&deck.follow(receipt).await);
        }
    }
}

/// A selector may find Pods of others, too: only those of the very object are deleted, and only while they are stuck.
#[tokio::test]
async fn only_its_own_stuck_pods_are_deleted() {
    let (simulator, platform) = cluster().await;
    let pass = |seconds: f64| {
        simulator.clock().advance(seconds);
        simulator.world().catch_up();
    };
    let db = platform.app("db").await.unwrap();
    // A Deployment with the labels of the StatefulSet and one more, whose Pods crash.
    let api = platform.target().api;
    let exporter = serde_json::json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "db-exporter", "namespace": "shop" },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "db", "part": "exporter" } },
            "template": {
                "metadata": { "labels": { "app": "db", "part": "exporter" } },
                "spec": { "containers": [{ "name": "app", "image": "exporter:1-crash" }] },
            },
        },
    });
    let client = reqwest::Client::new();
    let made = client
        .post(format!("{api}/apis/apps/v1/namespaces/shop/deployments"))
        .header("content-type", "application/json")
        .body(exporter.to_string());
    assert!(made.send().await.unwrap().status().is_success());
    pass(30.0);
    let broken = Request::new(db.id.clone(), Operation::Deploy).with("image", "db:16-typo");
    let plan = platform.plan(broken).await.unwrap();
    let progress = || mpsc::unbounded_channel().0;
    let confirm = |plan: revdeck::domain::Plan| plan.confirm(Consent::Flag).unwrap();
    operation::execute(&platform, confirm(plan), &progress(), &NoRecord).await;
    pass(30.0);
    let back = Request::new(db.id.clone(), Operation::RollBack(RollBackTo::LastGood));
    let plan = platform.plan(back).await.unwrap();
    let calls: Vec<_> = plan.calls().map(str::to_owned).collect();
    assert!(calls.iter().any(|call| call.starts_with("DELETE") && call.contains("pods/db-")));
    assert!(!calls.iter().any(|call| call.contains("exporter")), "{calls:?}");
    // While the plan is read the Pod is replaced by another one of the same name: that one is left alone.
    let Some(pod) = calls.iter().find_map(|call| call.strip_prefix("DELETE ")) else { panic!() };
    assert!(client.delete(format!("{api}{pod}")).send().await.unwrap().status().is_success());
    pass(30.0);
    let uid = |body: String| {
        let pod: serde_json::Value = serde_json::from_str(&body).unwrap();
        pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    };
    let read = || async {
        uid(client.get(format!("{api}{pod}")).send().await.unwrap().text().await.unwrap())
    };
    let before = read().await;
    let sent = operation::execute(&platform, confirm(plan), &progress(), &NoRecord).await;
    assert!(matches!(sent, Sent::Accepted(_)), "{sent:?}");
    assert_eq!(read().await, before);
    // Should it be replaced between the last look and the request, the server itself refuses, as
    // k8s.io/apiserver/pkg/registry/rest/delete.go (BeforeDelete) does.
    let another = client
        .delete(format!("{api}{pod}"))
        .header("content-type", "application/json")
        .body(r#"{"preconditions":{"uid":"of-another"}}"#);
    let answer = another.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 409);
    let text = answer.text().await.unwrap();
    assert!(text.contains("the UID in the precondition (of-another) does not match"), "{text}");
    assert_eq!(read().await, before);
    // Should the server take the request late, another Pod has the name by then: what is sent names the one that was meant.
    let broken = Request::new(db.id.clone(), Operation::Deploy).with("image", "db:17-typo");
    let plan = platform.plan(broken).await.unwrap();
    operation::execute(&platform, confirm(plan), &progress(), &NoRecord).await;
    pass(30.0);
    let back = Request::new(db.id.clone(), Operation::RollBack(RollBackTo::LastGood));
    let plan = platform.plan(back).await.unwrap();
    assert!(plan.calls().any(|call| *call == format!("DELETE {pod}")), "{plan:?}");
    simulator.faults().set("late=20s@DELETE:#1").unwrap();
    let mut strikes = simulator.faults().strikes();
    let listening = progress();
    let execute = operation::execute(&platform, confirm(plan), &listening, &NoRecord);
    let replace = async {
        assert!(strikes.recv().await.unwrap().contains("DELETE"));
        let gone = client.delete(format!("{api}{pod}")).send().await.unwrap();
        assert!(gone.status().is_success());
        pass(30.0);
        read().await
    };
    let (_, another) = tokio::join!(execute, replace);
    assert_ne!(another, before);
    tokio::time::sleep(Duration::from_secs(1)).await;
    pass(60.0);
    assert_eq!(read().await, another);
}

/// Reports of a watch until what is hidden is this; how many apps have come by then.
async fn until_hidden(
    platform: &Kubernetes,
    wanted: &[&[&str]],
) -> Result<usize, tokio::time::error::Elapsed> {
    let (interest, interested) = tokio::sync::watch::channel(revdeck::domain::Interest::default());
    let (reports, mut reported) = mpsc::channel(64);
    let watching = platform.clone();
    let task = tokio::spawn(async move { watching.watch(interested, reports).await });
    let seen = async {
        let (mut apps, mut hidden, mut left) = (0, Vec::new(), wanted.iter());
        let mut next = left.next();
        while let Some(now) = next {
            if apps > 0 && hidden == *now {
                next = left.next();
                continue;
            }
            match reported.recv().await {
                Some(revdeck::domain::Report::Apps { changed, .. }) => apps += changed.len(),
                Some(revdeck::domain::Report::Status(status)) => hidden = status.hidden,
                Some(revdeck::domain::Report::Problem { problem, .. }) => panic!("{problem}"),
                Some(_) => {}
                None => break,
            }
        }
        apps
    };
    let apps = tokio::time::timeout(Duration::from_secs(20), seen).await;
    task.abort();
    drop(interest);
    apps
}

/// One broken kind hides only itself.
#[tokio::test]
async fn a_kind_that_cannot_be_read_hides_only_itself() {
    let (simulator, platform) = cluster().await;
    let all = platform.apps(&Scope::Home).await.unwrap().len();
    simulator.faults().set("503@GET:/apis/argoproj.io/v1alpha1").unwrap();
    assert_eq!(until_hidden(&platform, &[&["rollouts"]]).await, Ok(all - 1));
}

/// A refusal that passes does not narrow the view for good.
#[tokio::test]
async fn what_was_forbidden_for_a_moment_is_seen_again() {
    let (simulator, platform) = cluster().await;
    simulator.faults().set("403@GET:/apis/apps/v1/namespaces/shop/replicasets#1").unwrap();
    until_hidden(&platform, &[&["replicasets"], &[]]).await.expect("it is seen again");
}
