//! The port: what an adapter implements, and all that the rest of the program knows of a platform.

pub mod cloud_foundry;
mod error;
pub mod http;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod registry;
mod unopened;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

pub use error::Error;
pub use registry::{Environment, OpenError, Provider, Registry, Setting, TargetSpec};
use unopened::Unopened;

use crate::domain::{
    App, AppEvent, AppId, Capabilities, Confirmed, Detail, History, Interest, LogLine, Outcome,
    Plan, Receipt, Report, Request, RevisionId, Scope, Settlement, Target,
};

/// The present time, from whoever owns the clock.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where an operation that takes several steps says what it is doing, one line a step.
pub type Progress = mpsc::UnboundedSender<String>;

/// What sending an operation led to.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    /// The platform has taken it; [`Platform::settle`] tells how it goes.
    Accepted(Receipt),
    /// It was sent and the answer was lost; [`Platform::settle`] finds out.
    Lost(Receipt),
    /// It is over already: refused, failed before anything was begun, or done at once.
    Ended(Outcome),
}

/// A platform, seen from one login.
///
/// Reading may be done at any time and as often as wanted. Only [`Platform::execute`] changes anything, and it takes
/// nothing but a confirmed plan.
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

    /// Carries out a plan, once: it reads again what the plan stands on, refuses if that has changed, and sends.
    async fn execute(&self, plan: Confirmed, progress: Progress) -> Sent;

    /// Looks, without changing anything, how an operation is going.
    async fn settle(&self, receipt: &Receipt) -> Result<Settlement, Error>;

    /// A receipt for the rollout in progress of an app, whoever began it, so that its end can be told.
    fn follow(&self, app: &App) -> Option<Receipt>;

    /// The latest events of an app, newest first.
    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error>;

    /// The latest log lines of an app, oldest first.
    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error>;
}
