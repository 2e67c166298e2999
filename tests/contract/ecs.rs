//! Amazon ECS under the contract.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use revdeck::{
    domain::TargetId,
    platform::{
        Environment, Platform,
        ecs::{Ecs, Options},
    },
    simulator::{self, Simulator, clock::Clock},
};

use crate::harness::{Fault, Fixture, Harness, Role};

/// A simulated region, and what holds of it from beginning to end.
pub struct Simulated {
    /// As `--faults` takes it.
    pub standing: &'static str,
    /// How long the adapter waits.
    pub timeout: Duration,
}

/// As it is, with little patience.
const PLAIN: Simulated = Simulated { standing: "", timeout: Duration::from_millis(800) };

struct Region {
    simulator: Simulator<simulator::ecs::Region>,
    platform: Arc<Ecs>,
    standing: &'static str,
}

impl Region {
    fn faults(&self, more: &str) {
        let all = [self.standing, more].into_iter().filter(|one| !one.is_empty());
        self.simulator.faults().set(&all.collect::<Vec<_>>().join(",")).unwrap();
    }
}

/// The cluster that the login looks at, of two.
pub fn open(
    simulator: &Simulator<simulator::ecs::Region>,
    timeout: Duration,
    clock: Clock,
) -> Arc<Ecs> {
    let environment = Environment::default().with(simulator.environment());
    let options = Options { cluster: Some("retail".to_owned()), timeout, ..Options::default() };
    let now = Arc::new(move || clock.now());
    Arc::new(Ecs::open(TargetId::new("ecs"), &options, &environment, now).unwrap())
}

#[async_trait]
impl Harness for Simulated {
    async fn start(&self) -> Box<dyn Fixture> {
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let options = simulator::Options { keep_log: true, ..simulator::Options::default() };
        let simulator = Simulator::ecs_at(&options, clock.clone()).await.unwrap();
        simulator.faults().set(self.standing).unwrap();
        let platform = open(&simulator, self.timeout, clock);
        Box::new(Region { simulator, platform, standing: self.standing })
    }
}

impl Fixture for Region {
    fn platform(&self) -> Arc<dyn Platform> {
        self.platform.clone()
    }

    fn name(&self, role: Role) -> &'static str {
        match role {
            Role::Stuck => "orders-api",
            Role::Healthy => "search",
            Role::Waiting => "quotes",
            Role::CancelledRollBack => "notify",
            Role::NoWayBack => "ledger",
        }
    }

    fn pass(&self, seconds: f64) {
        self.simulator.clock().advance(seconds);
    }

    fn break_reads(&self, fault: Fault, times: Option<u32>) {
        let count = times.map(|times| format!("#{times}")).unwrap_or_default();
        self.faults(&format!("{}@GET:/{count}", fault.specification()));
    }

    fn break_writes(&self, fault: Fault) {
        self.faults(&format!("{}@POST:/#1", fault.specification()));
    }

    fn mend(&self) {
        self.faults("");
    }

    fn short_logins(&self) {
        self.faults("401@GET:/DescribeServices#1");
    }

    fn writes(&self) -> usize {
        self.simulator.world().log().iter().filter(|line| line.starts_with("POST")).count()
    }
}

crate::contract!(PLAIN);
