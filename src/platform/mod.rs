//! The port: what an adapter implements, and all that the rest of the program knows of a platform.

pub mod cloud_foundry;
#[cfg(feature = "kubernetes")]
pub mod cluster;
#[cfg(feature = "ecs")]
pub mod ecs;
mod error;
pub mod feed;
pub mod follow;
#[cfg(feature = "gitops")]
pub mod gitops;
pub mod http;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod operation;
pub mod polling;
pub mod registry;
pub mod sightings;
mod sync;
mod unopened;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};

pub use error::Error;
use operation::{Learned, Order, Progress, StepError};
pub use registry::{Environment, OpenError, Provider, Registry, Setting, TargetSpec};
use unopened::Unopened;

use crate::domain::{
    App, AppEvent, AppId, Capabilities, Detail, History, Interest, LogBatch, LogLine, LogQuery,
    Observation, Plan, Reading, Receipt, Report, Request, RevisionId, Scope, Shell, Step, Target,
};

/// The present time, from whoever owns the clock.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A platform, seen from one login.
///
/// Reading may be done at any time and as often as wanted. Only [`Platform::send`] changes anything, and it takes
/// nothing but an order, which is made of a confirmed plan.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Where this is.
    fn target(&self) -> Target;

    /// Why it could not be opened; `None` where it is open.
    fn unopened(&self) -> Option<&OpenError> {
        None
    }

    /// What can be done there at all.
    async fn capabilities(&self) -> Result<Capabilities, Error>;

    /// Reports the apps that the interest is about, and goes on reporting what changes, until the receiver of
    /// `reports` is dropped. Never fails: problems are reported and reading is tried again.
    async fn watch(&self, interest: watch::Receiver<Interest>, reports: mpsc::Sender<Report>);

    /// All apps of a scope, with their rollouts, once. Labels of deployed revisions may be missing in a large scope.
    async fn apps(&self, scope: &Scope) -> Result<Vec<App>, Error>;

    /// What of its scope the last reading of apps could not show, each in a clause; see [`crate::domain::Status::hidden`].
    async fn unseen(&self) -> Vec<String> {
        Vec::new()
    }

    /// One app by its name, `scope/name` or identifier, with the label of its deployed revision.
    ///
    /// # Errors
    /// [`Error::NotFound`] also where several apps have that name; the text lists them.
    async fn app(&self, name: &str) -> Result<App, Error>;

    /// The revisions of an app, newest first.
    async fn revisions(&self, app: &AppId) -> Result<History, Error>;

    /// The configuration of a revision.
    async fn detail(&self, app: &AppId, revision: &RevisionId) -> Result<Detail, Error>;

    /// Works out the exact effect of an operation, from data read now. A plan that cannot be carried out says why in
    /// [`Plan::refused`].
    ///
    /// # Errors
    /// [`Error::Refused`] where the request has an option that the platform does not have.
    async fn plan(&self, request: Request) -> Result<Plan, Error> {
        let (verb, kind) = (request.operation.verb(), self.target().platform);
        request
            .options
            .check(kind.name, verb, &kind.options(verb))
            .map_err(|what| Error::Refused { what })?;
        self.prepare(request).await
    }

    /// The same for a request whose options have been checked.
    async fn prepare(&self, request: Request) -> Result<Plan, Error>;

    /// Reads again what a plan stands on: what has changed since in a clause, `None` where nothing has that matters.
    /// `guard` is that of the plan's [`crate::domain::Recipe`].
    async fn changed(
        &self,
        app: &AppId,
        guard: &serde_json::Value,
    ) -> Result<Option<String>, Error>;

    /// Sends one step, once. It is called by [`operation::execute`] and [`operation::resume`], which alone make orders.
    async fn send(&self, order: Order<'_>, progress: &Progress) -> Result<Learned, StepError>;

    /// Whether a step whose answer was lost took effect, told by reading; `None` where that cannot be told.
    async fn took_effect(&self, receipt: &Receipt, step: &Step) -> Result<Option<bool>, Error>;

    /// What has happened since an operation was cut short, in a clause, so that the steps that complete it must not be
    /// sent any more; `None` where they still make sense.
    async fn outdated(&self, _receipt: &Receipt) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// Looks, without changing anything, how an operation stands.
    async fn observe(&self, receipt: &Receipt) -> Result<Observation, Error>;

    /// For how long after it was sent a request may still take effect, whether anybody waits for its answer or not.
    fn longest_write(&self) -> SignedDuration {
        SignedDuration::from_mins(1)
    }

    /// What [`Platform::observe`] needs to recognise the rollout in progress of an app, whoever began it.
    fn tracking(&self, app: &App) -> Option<serde_json::Value>;

    /// The present time, by the clock that it was opened with.
    fn now(&self) -> Timestamp;

    /// The latest events of an app, newest first.
    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error>;

    /// The instances of an app with what they use, read now; as the deck shows them where a platform measures nothing.
    async fn instances(&self, app: &AppId) -> Result<Reading, Error> {
        Ok(Reading::of(&self.app(app.as_str()).await?, self.now()))
    }

    /// The command that opens a shell in an instance, as its reading calls it. Nothing is run.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason where there can be none.
    async fn shell(&self, app: &AppId, instance: &str) -> Result<Shell, Error> {
        let _ = (app, instance);
        Err(Error::Refused {
            what: format!("no shell in instances of {}", self.target().platform.name),
        })
    }

    /// The latest log lines of an app, oldest first.
    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error>;

    /// Sends what of a log is wanted, every line once; where it is followed, until nobody listens. What breaks is begun
    /// anew from its last line, with a mark where lines may be missing.
    ///
    /// # Errors
    /// Where nothing could be read at all.
    async fn log(
        &self,
        app: &AppId,
        query: &LogQuery,
        lines: mpsc::Sender<LogBatch>,
    ) -> Result<(), Error> {
        follow::poll(query, lines, follow::EVERY, || self.logs(app)).await
    }
}
