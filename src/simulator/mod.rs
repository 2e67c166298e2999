//! Simulated platforms: real HTTP APIs on loopback, with worlds, clocks and faults of their own.
//!
//! They know nothing of the adapters: both sides are written from the platforms' documentation, so that a mistake on
//! one side shows as a failure and not as an agreement.

pub mod clock;
pub mod cloud_foundry;
#[cfg(feature = "ecs")]
pub mod ecs;
pub mod fault;
#[cfg(feature = "gitops")]
pub mod gitops;
mod guid;
pub mod kubernetes;
mod listener;
mod scenario;
mod serve;
mod tls;

use std::{io, net::SocketAddr, pin::Pin};

pub use serve::Simulator;

#[cfg(feature = "ecs")]
use self::ecs::Region;
use self::{clock::Clock, cloud_foundry::Foundation, fault::Faults, kubernetes::Cluster};

/// What a simulator is asked to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// How many simulated seconds pass in a real one.
    pub speed: f64,
    /// Makes GUIDs and chances repeatable.
    pub seed: u64,
    /// The name of a shipped scenario, or a TOML file.
    pub scenario: String,
    /// Faults to inject, see [`fault`].
    pub faults: String,
    /// At least so many apps; plain ones are added to the scenario's.
    pub apps: usize,
    /// Whether the requests are kept for `log` of the world.
    pub keep_log: bool,
    /// Whether to serve TLS, with a certificate of its own.
    pub tls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            speed: 1.0,
            seed: 7,
            scenario: "default".to_owned(),
            faults: String::new(),
            apps: 0,
            keep_log: false,
            tls: false,
        }
    }
}

/// A simulator that serves, whatever it simulates. It serves until it is dropped.
pub trait Serving: Send {
    /// The one line of JSON that tells a client where to go.
    fn banner(&self) -> &str;

    /// The variables of the environment by which a client finds the login.
    fn environment(&self) -> Vec<(String, String)>;

    /// The faults that it injects.
    fn faults(&self) -> &Faults;
}

impl<W: Send + Sync> Serving for Simulator<W> {
    fn banner(&self) -> &str {
        Self::banner(self)
    }

    fn environment(&self) -> Vec<(String, String)> {
        Self::environment(self)
    }

    fn faults(&self) -> &Faults {
        Self::faults(self)
    }
}

type Starting = Pin<Box<dyn Future<Output = Result<Box<dyn Serving>, StartError>> + Send>>;

/// A platform that can be simulated.
#[derive(Clone, Copy)]
pub struct Simulated {
    /// The name of the platform.
    pub name: &'static str,
    /// The kinds of faults that it has besides those of every simulator, see [`fault::KINDS`].
    pub faults: &'static str,
    /// Starts a simulator of it on a clock.
    pub start: fn(Options, Clock) -> Starting,
}

fn starting<W: serve::Served>(options: Options, clock: Clock) -> Starting {
    Box::pin(async move {
        let simulator = serve::start::<W>(&options, clock).await?;
        Ok(Box::new(simulator) as Box<dyn Serving>)
    })
}

/// Every platform that can be simulated, one line each.
pub const SIMULATED: &[Simulated] = &[
    Simulated {
        name: "cloud-foundry",
        faults: cloud_foundry::FAULTS,
        start: starting::<Foundation>,
    },
    Simulated { name: "kubernetes", faults: kubernetes::FAULTS, start: starting::<Cluster> },
    #[cfg(feature = "ecs")]
    Simulated { name: "ecs", faults: ecs::FAULTS, start: starting::<Region> },
    // Its cluster is a simulated Kubernetes.
    #[cfg(feature = "gitops")]
    Simulated { name: "gitops", faults: kubernetes::FAULTS, start: starting::<gitops::Delivery> },
];

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options do not make sense; the text says which.
    #[error("{0}")]
    Options(String),
    /// The address cannot be listened at, or the session file not written.
    #[error("cannot start the simulator at {at}: {source}")]
    Io {
        /// The address or file.
        at: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Simulator<Foundation> {
    /// Starts a simulated foundation on the wall clock, times the options' speed.
    pub async fn cloud_foundry(options: &Options) -> Result<Self, StartError> {
        Self::cloud_foundry_at(options, Clock::running(options.speed)).await
    }

    /// Starts a simulated foundation on a clock of the caller's.
    pub async fn cloud_foundry_at(options: &Options, clock: Clock) -> Result<Self, StartError> {
        serve::start(options, clock).await
    }
}

impl Simulator<Cluster> {
    /// Starts a simulated cluster on the wall clock, times the options' speed.
    pub async fn kubernetes(options: &Options) -> Result<Self, StartError> {
        Self::kubernetes_at(options, Clock::running(options.speed)).await
    }

    /// Starts a simulated cluster on a clock of the caller's.
    pub async fn kubernetes_at(options: &Options, clock: Clock) -> Result<Self, StartError> {
        serve::start(options, clock).await
    }
}

#[cfg(feature = "ecs")]
impl Simulator<Region> {
    /// Starts a simulated region of Amazon ECS on the wall clock, times the options' speed.
    pub async fn ecs(options: &Options) -> Result<Self, StartError> {
        Self::ecs_at(options, Clock::running(options.speed)).await
    }

    /// Starts a simulated region of Amazon ECS on a clock of the caller's.
    pub async fn ecs_at(options: &Options, clock: Clock) -> Result<Self, StartError> {
        serve::start(options, clock).await
    }
}

#[cfg(feature = "gitops")]
impl Simulator<gitops::Delivery> {
    /// Starts a simulated repository with its forge and cluster on a clock of the caller's.
    pub async fn gitops_at(options: &Options, clock: Clock) -> Result<Self, StartError> {
        serve::start(options, clock).await
    }
}
