//! Argo Rollouts: read, promoted, aborted, undone, restarted; and a cluster that has none.

use std::time::Duration;

use revdeck::{
    domain::{
        App, CanaryStep, Condition, Interest, Operation, Outcome, Phase, Receipt, Report, Request,
        RollBackTo, Scope, Settlement, Standing, Strategy,
    },
    platform::{
        Platform,
        kubernetes::Kubernetes,
        operation::{self, NoRecord, Sent},
    },
    simulator::{Simulator, kubernetes::Cluster},
};

use tokio::sync::{mpsc, watch};

use crate::harness::done;

struct Bench {
    simulator: Simulator<Cluster>,
    platform: Kubernetes,
}

impl Bench {
    async fn start() -> Self {
        let (simulator, platform) = crate::kubernetes::cluster().await;
        Self { simulator, platform }
    }

    fn pass(&self, seconds: f64) {
        self.simulator.clock().advance(seconds);
        self.simulator.world().catch_up();
    }

    async fn app(&self) -> App {
        self.platform.app("pricing").await.unwrap()
    }

    async fn send(&self, operation: Operation) -> Receipt {
        self.request(Request::new(self.app().await.id, operation)).await
    }

    async fn send_image(&self, image: &str) -> Receipt {
        let app = self.app().await.id;
        self.request(Request::new(app, Operation::Deploy).with("image", image)).await
    }

    async fn request(&self, request: Request) -> Receipt {
        let plan = self.platform.plan(request).await.unwrap();
        assert_eq!(plan.refused, None);
        let (progress, _lines) = mpsc::unbounded_channel();
        let consent = revdeck::domain::Consent::Flag;
        let confirmed = plan.confirm(consent).unwrap();
        match operation::execute(&self.platform, confirmed, &progress, &NoRecord).await {
            Sent::Accepted(receipt) => receipt,
            other => panic!("not taken: {other:?}"),
        }
    }

    /// Looks until it has ended, or waits for somebody.
    async fn follow(&self, receipt: &Receipt) -> Result<Outcome, Standing> {
        for _ in 0..60 {
            self.pass(2.0);
            match operation::settle(&self.platform, receipt).await.unwrap() {
                Settlement::Unfinished(receipt) => panic!("it is one step: {receipt:?}"),
                Settlement::Ended(outcome) | Settlement::Open(outcome) => return Ok(outcome),
                Settlement::Pending { standing: Standing::Paused, .. } => {
                    return Err(Standing::Paused);
                }
                Settlement::Pending { .. } => {}
            }
        }
        panic!("it never ends: {:#?}", self.app().await);
    }

    async fn labels(&self) -> Vec<(String, bool, bool)> {
        let history = self.platform.revisions(&self.app().await.id).await.unwrap();
        history.revisions.into_iter().map(|one| (one.label, one.deployed, one.incoming)).collect()
    }
}

fn label(of: Option<&revdeck::domain::RevisionRef>) -> &str {
    of.and_then(|of| of.label.as_deref()).unwrap_or("-")
}

#[tokio::test]
async fn a_canary_that_waits_is_promoted_to_its_end() {
    let bench = Bench::start().await;
    let app = bench.app().await;
    assert_eq!(app.condition(), Condition::Paused, "{app:#?}");
    let rollout = app.rollout.unwrap();
    assert_eq!(rollout.strategy, Strategy::Canary);
    assert_eq!(rollout.step(), Some(CanaryStep { current: 2, total: 4 }));
    assert_eq!((label(rollout.from.as_ref()), label(rollout.to.as_ref())), ("2", "3"));
    assert_eq!((rollout.old.count().running, rollout.new.count().running), (Some(4), Some(1)));
    assert!(rollout.reason.contains("CanaryPauseStep"), "{}", rollout.reason);
    let receipt = bench.send(Operation::Continue).await;
    // It is where it was sent to: whoever asked for it is not kept waiting for somebody else.
    let text = done(&bench.follow(&receipt).await.unwrap()).to_owned();
    assert_eq!(text, "pricing waits at step 4 of 4: continue it or cancel it");
    assert_eq!(bench.app().await.rollout.unwrap().step().unwrap().current, 4);
    let receipt = bench.send(Operation::Continue).await;
    done(&bench.follow(&receipt).await.unwrap());
    let app = bench.app().await;
    assert_eq!((app.condition(), label(app.deployed.as_ref())), (Condition::Ok, "3"));
}

#[tokio::test]
async fn abort_is_the_cancel_and_undo_ends_it() {
    let bench = Bench::start().await;
    let receipt = bench.send(Operation::Cancel).await;
    let text = done(&bench.follow(&receipt).await.unwrap()).to_owned();
    assert!(text.contains("back on rev 2"), "{text}");
    let app = bench.app().await;
    assert_eq!((app.condition(), label(app.deployed.as_ref())), (Condition::Paused, "2"));
    assert_eq!(app.rollout.as_ref().map(|rollout| rollout.phase), Some(Phase::Cancelled));
    let own = |label: &str, deployed, incoming| (label.to_owned(), deployed, incoming);
    let labels = bench.labels().await;
    assert_eq!(labels, [own("3", true, true), own("2", true, false), own("1", false, false)]);
    let again = Request::new(app.id, Operation::Cancel);
    let refused = bench.platform.plan(again).await.unwrap().refused.unwrap();
    assert!(refused.contains("aborted already"), "{refused}");
    // The specification still names what was aborted: the last good one is what serves, and puts that right.
    let receipt = bench.send(Operation::RollBack(RollBackTo::LastGood)).await;
    let text = done(&bench.follow(&receipt).await.unwrap()).to_owned();
    assert!(text.contains("back on rev 2"), "{text}");
    assert_eq!(bench.labels().await[0], own("4", true, false));
    assert_eq!(bench.app().await.condition(), Condition::Ok);
}

#[tokio::test]
async fn a_roll_back_out_of_the_canary_skips_its_steps() {
    let bench = Bench::start().await;
    let receipt = bench.send(Operation::RollBack(RollBackTo::LastGood)).await;
    done(&bench.follow(&receipt).await.unwrap());
    let app = bench.app().await;
    assert_eq!((app.condition(), label(app.deployed.as_ref())), (Condition::Ok, "4"));
}

#[tokio::test]
async fn a_deploy_walks_the_steps_and_a_broken_one_is_stuck() {
    let bench = Bench::start().await;
    let receipt = bench.send_image("pricing:8-crash").await;
    bench.pass(60.0);
    assert!(matches!(
        operation::settle(&bench.platform, &receipt).await,
        Ok(Settlement::Pending { .. })
    ));
    let app = bench.app().await;
    assert_eq!(app.condition(), Condition::Stuck, "{app:#?}");
    let rollout = app.rollout.unwrap();
    assert_eq!(rollout.phase, Phase::Stuck);
    assert!(rollout.stuck.unwrap().why.contains("crash"));
    let receipt = bench.send(Operation::Cancel).await;
    done(&bench.follow(&receipt).await.unwrap());
}

#[tokio::test]
async fn a_restart_replaces_every_instance() {
    let bench = Bench::start().await;
    let receipt = bench.send(Operation::RollBack(RollBackTo::LastGood)).await;
    done(&bench.follow(&receipt).await.unwrap());
    let receipt = bench.send(Operation::Restart).await;
    let looked = operation::settle(&bench.platform, &receipt).await.unwrap();
    assert!(matches!(looked, Settlement::Pending { .. }), "{looked:?}");
    done(&bench.follow(&receipt).await.unwrap());
    assert_eq!(bench.app().await.condition(), Condition::Ok);
}

/// Most clusters have no Rollouts: nothing is said of them, and nothing else is missing.
/// What is written elsewhere is not changed here; what needs no template can be done all the same.
#[tokio::test]
async fn a_template_of_another_object_is_left_to_it() {
    let bench = Bench::start().await;
    let app = bench.app().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let api = bench.platform.target().api;
    let path = format!("{api}/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/pricing");
    let patch = reqwest::Client::new()
        .patch(path)
        .header("content-type", "application/merge-patch+json")
        .body(r#"{"spec":{"workloadRef":{"kind":"Deployment","name":"prices"}}}"#);
    assert!(patch.send().await.unwrap().status().is_success());
    let plan = async |operation| {
        bench.platform.plan(Request::new(app.id.clone(), operation)).await.unwrap().refused
    };
    let image = |request: Request| request.with("image", "pricing:8");
    for request in [
        Request::new(app.id.clone(), Operation::RollBack(RollBackTo::LastGood)),
        image(Request::new(app.id.clone(), Operation::Deploy)),
    ] {
        let why = bench.platform.plan(request).await.unwrap().refused.unwrap();
        assert!(why.contains("that of Deployment prices: change that one"), "{why}");
    }
    for operation in [Operation::Cancel, Operation::Continue, Operation::Restart] {
        assert_eq!(plan(operation).await, None);
    }
}

#[tokio::test]
async fn a_cluster_without_rollouts_is_as_before() {
    let bench = Bench::start().await;
    bench.simulator.faults().set("404@GET:/apis/argoproj.io").unwrap();
    let apps = bench.platform.apps(&Scope::Home).await.unwrap();
    assert!(apps.iter().all(|app| app.name != "pricing"));
    assert!(apps.iter().any(|app| app.name == "storefront"));
    let (interest, interested) = watch::channel(Interest::default());
    let (reports, mut reported) = mpsc::channel(64);
    let watching = bench.platform.clone();
    let task = tokio::spawn(async move { watching.watch(interested, reports).await });
    let mut told = async || {
        let told = async {
            loop {
                match reported.recv().await.expect("the watch goes on") {
                    Report::Apps { changed, .. } if !changed.is_empty() => return changed,
                    Report::Problem { problem, .. } => panic!("{problem}"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.unwrap()
    };
    assert!(told().await.iter().any(|app| app.name == "storefront"));
    // Installed meanwhile: the operator has everything read again.
    bench.simulator.faults().set("").unwrap();
    interest.send_modify(|interest| interest.nudge += 1);
    while !told().await.iter().any(|app| app.name == "pricing") {}
    task.abort();
}
