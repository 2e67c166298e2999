//! Simulated platforms: real HTTP APIs on loopback, with worlds, clocks and faults of their own.
//!
//! They know nothing of the adapters: both sides are written from the platforms' documentation, so that a mistake on
//! one side shows as a failure and not as an agreement.

pub mod clock;
pub mod cloud_foundry;
pub mod fault;
mod guid;
mod listener;
mod scenario;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{net::TcpListener, task::JoinHandle};

use self::{
    clock::Clock,
    cloud_foundry::Foundation,
    fault::Faults,
    listener::{CuttableListener, Scissors},
};

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
    /// Whether the requests are kept for [`Foundation::log`].
    pub keep_log: bool,
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
        }
    }
}

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

/// A simulator that is running; it stops when this is dropped.
#[derive(Debug)]
pub struct Simulator {
    foundation: Arc<Foundation>,
    faults: Faults,
    home: tempfile::TempDir,
    server: JoinHandle<()>,
    clock: Clock,
}

impl Simulator {
    /// Starts a simulated foundation on the wall clock, times the options' speed.
    pub async fn cloud_foundry(options: &Options) -> Result<Self, StartError> {
        Self::cloud_foundry_at(options, Clock::running(options.speed)).await
    }

    /// Starts a simulated foundation on a clock of the caller's.
    pub async fn cloud_foundry_at(options: &Options, clock: Clock) -> Result<Self, StartError> {
        let failed = |at: String| move |source| StartError::Io { at, source };
        let faults = Faults::default();
        faults.set(&options.faults).map_err(StartError::Options)?;
        if !(options.speed.is_finite() && options.speed > 0.0) {
            return Err(StartError::Options("the speed must be a number above 0".to_owned()));
        }
        let at = options.listen.to_string();
        let listener = TcpListener::bind(options.listen).await.map_err(failed(at.clone()))?;
        let address = listener.local_addr().map_err(failed(at))?;
        let foundation =
            Foundation::new(options, clock.clone(), faults.clone(), format!("http://{address}"));
        let foundation = Arc::new(foundation.map_err(StartError::Options)?);
        let home = tempfile::Builder::new()
            .prefix("revdeck-simulator-")
            .tempdir()
            .map_err(failed("a temporary directory".to_owned()))?;
        foundation.write_session(home.path()).map_err(failed(home.path().display().to_string()))?;
        let router = foundation.clone().router();
        let service = router.into_make_service_with_connect_info::<Scissors>();
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(CuttableListener(listener), service).await {
                tracing::error!(%error, "the simulator stopped serving");
            }
        });
        Ok(Self { foundation, faults, home, server, clock })
    }

    /// The one line of JSON that tells a client where to go.
    pub fn banner(&self) -> String {
        cloud_foundry::banner(&self.foundation, self.home.path()).to_string()
    }

    /// The directory in which `.cf/config.json` is a logged-in session.
    pub fn cf_home(&self) -> &Path {
        self.home.path()
    }

    /// The same, to be kept beyond the simulator's life.
    pub fn cf_home_buf(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// The faults, which may be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The foundation, to be asked what it has seen.
    pub fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    /// The simulated time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}
