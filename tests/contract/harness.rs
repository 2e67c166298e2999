//! What the contract needs of a platform under test.

use std::sync::Arc;

use async_trait::async_trait;
use revdeck::{
    domain::{
        App, Consent, Operation, Outcome, Plan, Receipt, Request, RollBackTo, Settlement, Verb,
    },
    platform::{
        Platform,
        operation::{self, NoRecord, Sent},
    },
};
use tokio::sync::mpsc;

/// Apps that every world of the contract has.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// Its rollout does not move; before it another revision served.
    Stuck,
    /// Nothing rolls; it has several revisions that can be deployed.
    Healthy,
    /// Its canary waits, with steps left.
    Waiting,
    /// A roll back of it to its second newest revision was cancelled half-way.
    CancelledRollBack,
    /// No earlier revision can be deployed.
    NoWayBack,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    ResetBefore,
    ResetAfter,
    Status(u16),
    RateLimited,
    Html,
    CutJson,
    Slow,
    /// No answer comes.
    Hang,
}

impl Fault {
    /// As the simulators take it.
    pub fn specification(self) -> String {
        match self {
            Self::ResetBefore => "reset-before".to_owned(),
            Self::ResetAfter => "reset-after".to_owned(),
            Self::Status(status) => status.to_string(),
            Self::RateLimited => "429=7s".to_owned(),
            Self::Html => "html".to_owned(),
            Self::CutJson => "truncate".to_owned(),
            Self::Slow => "latency=150ms".to_owned(),
            Self::Hang => "hang".to_owned(),
        }
    }
}

/// A platform under test, with its simulator.
#[async_trait]
pub trait Fixture: Send + Sync {
    fn platform(&self) -> Arc<dyn Platform>;
    fn name(&self, role: Role) -> &'static str;
    /// Lets simulated time pass.
    fn pass(&self, seconds: f64);
    /// Makes reads fail so; so often, or always.
    fn break_reads(&self, fault: Fault, times: Option<u32>);
    /// Makes the request that begins a rollout fail so, once.
    fn break_writes(&self, fault: Fault);
    /// Makes the request that changes the number of instances fail so, once.
    fn break_scaling(&self, fault: Fault) {
        self.break_writes(fault);
    }
    fn mend(&self);
    /// Makes logins run out soon.
    fn short_logins(&self);
    /// How many requests that change something have come in.
    fn writes(&self) -> usize;
    /// Whether they are counted.
    fn counts_writes(&self) -> bool {
        true
    }
    /// How many requests an open page of instances may cost in a minute.
    fn page_costs(&self) -> f64 {
        30.0
    }
    /// How many requests have come in at all; `None` where nobody counts.
    fn requests(&self) -> Option<usize> {
        None
    }
}

#[async_trait]
pub trait Harness: Send + Sync {
    async fn start(&self) -> Box<dyn Fixture>;
}

/// Things that tests do again and again.
pub struct Deck {
    pub fixture: Box<dyn Fixture>,
    pub platform: Arc<dyn Platform>,
}

impl Deck {
    pub async fn open(harness: &dyn Harness) -> Self {
        let fixture = harness.start().await;
        let platform = fixture.platform();
        Self { fixture, platform }
    }

    pub async fn app(&self, role: Role) -> App {
        self.platform.app(self.fixture.name(role)).await.unwrap()
    }

    pub async fn plan(&self, role: Role, operation: Operation) -> Plan {
        let app = self.app(role).await;
        self.platform.plan(Request::new(app.id, operation)).await.unwrap()
    }

    /// The plan of deploying an image.
    #[cfg(feature = "kubernetes")]
    pub async fn plan_image(&self, role: Role, image: &str) -> Plan {
        let app = self.app(role).await;
        let request = Request::new(app.id, Operation::Deploy).with("image", image);
        self.platform.plan(request).await.unwrap()
    }

    /// Whether the platform cannot do something at all; then it refuses it with this reason.
    pub async fn lacks(&self, verb: Verb) -> Option<String> {
        let capabilities = self.platform.capabilities().await.unwrap();
        capabilities.reason(verb).map(str::to_owned)
    }

    /// What begins a rollout of an app that nothing is wrong with: a restart, else a roll back to its `back`th revision
    /// before the one that runs.
    pub async fn beginning(&self, role: Role, back: usize) -> Operation {
        if self.lacks(Verb::Restart).await.is_none() {
            return Operation::Restart;
        }
        let app = self.app(role).await;
        let history = self.platform.revisions(&app.id).await.unwrap();
        let at = history.revisions.iter().position(|one| one.deployed).unwrap();
        let wanted = history.revisions[at + back].id.clone();
        Operation::RollBack(RollBackTo::Revision(wanted))
    }

    pub async fn execute(&self, plan: Plan) -> Sent {
        let (progress, _lines) = mpsc::unbounded_channel();
        let confirmed = plan.confirm(Consent::Flag).unwrap();
        operation::execute(self.platform.as_ref(), confirmed, &progress, &NoRecord).await
    }

    /// Follows a receipt to its end, letting time pass between the looks.
    pub async fn follow(&self, mut receipt: Receipt) -> Outcome {
        for look in 0..200 {
            match operation::settle(self.platform.as_ref(), &receipt).await {
                Ok(Settlement::Ended(outcome)) => return outcome,
                // It may still come: that is waited for.
                Ok(Settlement::Open(outcome)) => assert!(matches!(outcome, Outcome::Unknown(_))),
                Ok(Settlement::Pending { receipt: learned, .. }) => receipt = *learned,
                Ok(Settlement::Unfinished(learned)) => {
                    let (progress, _lines) = mpsc::unbounded_channel();
                    let platform = self.platform.as_ref();
                    match operation::resume(platform, *learned, &progress, &NoRecord).await {
                        Sent::Unrecorded(_, why) => panic!("{why}"),
                        Sent::Ended(outcome) => return outcome,
                        Sent::Accepted(learned) | Sent::Lost(learned) => receipt = learned,
                    }
                }
                Err(error) => panic!("cannot look: {error}"),
            }
            // What takes a quarter of an hour is not looked at every five seconds.
            self.fixture.pass(if look < 60 { 5.0 } else { 30.0 });
        }
        panic!("it never ends");
    }

    /// One look.
    pub async fn look(&self, receipt: &Receipt) -> Settlement {
        operation::settle(self.platform.as_ref(), receipt).await.unwrap()
    }

    pub async fn carry_out(&self, role: Role, operation: Operation) -> Outcome {
        let plan = self.plan(role, operation).await;
        assert_eq!(plan.refused, None);
        match self.execute(plan).await {
            Sent::Accepted(receipt) | Sent::Lost(receipt) => self.follow(receipt).await,
            Sent::Unrecorded(_, why) => panic!("{why}"),
            Sent::Ended(outcome) => outcome,
        }
    }
}

pub fn done(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Done(text) => text,
        other => panic!("not done: {other:?}"),
    }
}
