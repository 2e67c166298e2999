//! The port: what an adapter implements, and all that the rest of the program knows of a platform.

pub mod cloud_foundry;
mod error;
pub mod http;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

pub use error::Error;

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
    async fn plan(&self, request: Request) -> Result<Plan, Error>;

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

/// Why no session could be opened, for the text that a user sees.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no session file.
    #[error(
        "nobody is logged in to Cloud Foundry: there is no {file}. Log in with `cf login -a API`, or try `revdeck demo`"
    )]
    NoSession {
        /// The file that was looked for.
        file: PathBuf,
    },
    /// There is one and it cannot be used.
    #[error("the session in {file} cannot be used: {why}. Log in again with `cf login`")]
    BadSession {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no kubeconfig, or it cannot be used.
    #[error(
        "the kubeconfig cannot be used: {why}. See `kubectl config view`, or try `revdeck demo`"
    )]
    Kubeconfig {
        /// What is wrong with it.
        why: String,
    },
    /// The HTTP client could not be made.
    #[error("cannot prepare a connection to {api}: {why}")]
    Client {
        /// The API.
        api: String,
        /// What is wrong.
        why: String,
    },
}
