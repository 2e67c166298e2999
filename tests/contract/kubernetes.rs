//! Kubernetes under the contract.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use revdeck::{
    domain::TargetId,
    platform::{
        Platform,
        kubernetes::{Kubernetes, Options},
    },
    simulator::{self, Simulator, clock::Clock, kubernetes::Cluster},
};

use crate::harness::{Fault, Harness, Role, Stage};

pub struct Simulated;

struct Bench {
    simulator: Simulator<Cluster>,
    platform: Arc<Kubernetes>,
}

#[async_trait]
impl Harness for Simulated {
    async fn start(&self) -> Box<dyn Stage> {
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let options = simulator::Options { keep_log: true, ..simulator::Options::default() };
        let simulator = Simulator::kubernetes_at(&options, clock.clone()).await.unwrap();
        let options = Options {
            kubeconfig: Some(simulator.home().join("kubeconfig")),
            patience: Duration::from_millis(800),
            ..Options::default()
        };
        let now = Arc::new(move || clock.now());
        let platform = Kubernetes::open(TargetId::new("k8s"), &options, now).unwrap();
        Box::new(Bench { simulator, platform })
    }
}

#[async_trait]
impl Stage for Bench {
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
        self.simulator.faults().set(&format!("{}@GET:/api{count}", kind(fault))).unwrap();
    }

    fn break_writes(&self, fault: Fault) {
        let fault = format!("{}@PATCH:/apis/apps/v1#1", kind(fault));
        self.simulator.faults().set(&fault).unwrap();
    }

    fn mend(&self) {
        self.simulator.faults().set("").unwrap();
    }

    fn short_logins(&self) {
        self.simulator.faults().set("401@GET:/apis#1").unwrap();
    }

    fn writes(&self) -> usize {
        let asks = |line: &&String| {
            line.starts_with("GET") || line.contains("accessreviews") || line.contains("dryRun=All")
        };
        self.simulator.world().log().iter().filter(|line| !asks(line)).count()
    }
}

fn kind(fault: Fault) -> String {
    match fault {
        Fault::ResetBefore => "reset-before".to_owned(),
        Fault::ResetAfter => "reset-after".to_owned(),
        Fault::Status(status) => status.to_string(),
        Fault::RateLimited => "429=7s".to_owned(),
        Fault::Html => "html".to_owned(),
        Fault::CutJson => "truncate".to_owned(),
        Fault::Slow => "latency=150ms".to_owned(),
        Fault::Hang => "hang".to_owned(),
    }
}

crate::contract!(Simulated);
