//! The toy under the contract.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use revdeck::{
    domain::TargetId,
    platform::{Now, Platform},
    simulator::clock::Clock,
};

use super::{Toy, World};
use crate::harness::{Fault, Fixture, Harness, Role};

struct Simulated;

struct Bench {
    clock: Clock,
    toy: Toy,
}

#[async_trait]
impl Harness for Simulated {
    async fn start(&self) -> Box<dyn Fixture> {
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let time = clock.clone();
        let world = Arc::new(Mutex::new(World::new(clock.now())));
        let now: Now = Arc::new(move || time.now());
        let toy = Toy { target: TargetId::new("toy"), world, now };
        Box::new(Bench { clock, toy })
    }
}

impl Fixture for Bench {
    fn platform(&self) -> Arc<dyn Platform> {
        Arc::new(self.toy.clone())
    }

    fn name(&self, role: Role) -> &'static str {
        match role {
            Role::Stuck => "torn",
            Role::Healthy => "greeting",
            Role::Waiting => "novel",
            Role::CancelledRollBack => "postcard",
            Role::NoWayBack => "diary",
        }
    }

    fn pass(&self, seconds: f64) {
        self.clock.advance(seconds);
    }

    fn break_reads(&self, fault: Fault, times: Option<u32>) {
        self.toy.world().reads = Some((fault, times));
    }

    fn break_writes(&self, fault: Fault) {
        self.toy.world().writes = Some(fault);
    }

    fn mend(&self) {
        self.toy.world().reads = None;
    }

    fn short_logins(&self) {}

    fn writes(&self) -> usize {
        self.toy.world().written
    }
}

crate::contract!(Simulated);
