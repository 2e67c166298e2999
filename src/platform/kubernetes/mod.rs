//! Kubernetes: Deployments, StatefulSets and DaemonSets, and Argo Rollouts where they are installed, with the login of a
//! kubeconfig.
//!
//! There is no rollout object on the server: a rollout is what the numbers of the ReplicaSets say. Three things make
//! the status lie for a moment, and none of them is believed: right after a change the status is of the generation
//! before; after going back the generation is observed while the condition still says `NewReplicaSetAvailable`; and
//! after going back from a rollout that timed out it still says `ProgressDeadlineExceeded`. So a condition counts only
//! where the generation is observed, and "done" is four numbers: updated, there and available are as many as wanted,
//! and nothing old is left.

mod access;
mod client;
mod cluster;
mod model;
mod operate;
mod options;
mod plan;
pub mod provider;
mod read;
mod watch;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{OnceCell, mpsc, watch as channel};

pub use super::cluster::Options;
pub use options::KIND;

use self::{
    cluster::Cluster,
    model::store::Kind,
    operate::{observe, send},
};
use super::{
    Error, Now, OpenError, Platform,
    cluster::Connection,
    operation::{Learned, Order, Progress, StepError},
    sightings::Sightings,
    sync::lock,
};
use crate::domain::{
    App, AppEvent, AppId, Capabilities, Detail, History, Interest, LogBatch, LogLine, LogQuery,
    Observation, Plan, Reading, Receipt, Report, Request, RevisionId, Scope, Shell, Step, Target,
    TargetId, text::clean,
};

/// A cluster, seen with one login. Clones are the same one.
#[derive(Clone)]
pub struct Kubernetes(Arc<Cluster>);

impl Kubernetes {
    /// Opens the kubeconfig; speaks to nobody yet.
    pub fn open(target: TargetId, options: &Options, now: Now) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Cluster {
            target,
            connection: Connection::open(options)?,
            now,
            version: OnceCell::new(),
            addresses: Mutex::default(),
            sightings: Sightings::read(options.state.as_deref()),
            allowed: Mutex::default(),
            own: Mutex::default(),
            labels: Mutex::default(),
            watcher: Mutex::default(),
            unseen: Mutex::default(),
        })))
    }
}

#[async_trait]
impl Platform for Kubernetes {
    fn target(&self) -> Target {
        let connection = &self.0.connection;
        Target {
            id: self.0.target.clone(),
            platform: KIND,
            api: connection.api.clone(),
            scope_label: self.0.scope_label(self.0.within(&Scope::Home)),
            user: clean(&connection.user),
            badge: connection.insecure.then(|| "TLS NOT VERIFIED".to_owned()),
        }
    }

    async fn capabilities(&self) -> Result<Capabilities, Error> {
        self.0.read_version().await?;
        self.0.allowed(Kind::Deployment, &self.0.connection.namespace).await
    }

    async fn watch(&self, interest: channel::Receiver<Interest>, reports: mpsc::Sender<Report>) {
        let version = self.0.read_version();
        tokio::join!(watch::run(&self.0, interest, reports), async { drop(version.await) });
    }

    async fn apps(&self, scope: &Scope) -> Result<Vec<App>, Error> {
        self.0.list(scope).await
    }

    async fn unseen(&self) -> Vec<String> {
        lock(&self.0.unseen).iter().cloned().collect()
    }

    async fn app(&self, name: &str) -> Result<App, Error> {
        self.0.find(name).await
    }

    async fn revisions(&self, app: &AppId) -> Result<History, Error> {
        self.0.history(app).await
    }

    async fn detail(&self, app: &AppId, revision: &RevisionId) -> Result<Detail, Error> {
        self.0.configuration(app, revision).await
    }

    async fn prepare(&self, request: Request) -> Result<Plan, Error> {
        plan::make(&self.0, request).await
    }

    async fn changed(&self, _: &AppId, guard: &Value) -> Result<Option<String>, Error> {
        send::changed(&self.0, guard).await
    }

    async fn send(&self, order: Order<'_>, progress: &Progress) -> Result<Learned, StepError> {
        send::send(&self.0, order, progress).await
    }

    async fn took_effect(&self, receipt: &Receipt, step: &Step) -> Result<Option<bool>, Error> {
        send::took_effect(&self.0, receipt, &step.action).await
    }

    async fn observe(&self, receipt: &Receipt) -> Result<Observation, Error> {
        observe::observe(&self.0, receipt).await
    }

    fn longest_write(&self) -> SignedDuration {
        // The API server gives a write 34 seconds; before it may come a few that were refused because somebody scaled.
        SignedDuration::from_mins(3)
    }

    fn tracking(&self, app: &App) -> Option<Value> {
        Some(observe::Tracking::of(&app.rollout.as_ref()?.id).json())
    }

    fn now(&self) -> Timestamp {
        (self.0.now)()
    }

    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error> {
        self.0.app_events(app).await
    }

    async fn shell(&self, app: &AppId, instance: &str) -> Result<Shell, Error> {
        self.0.shell_in(app, instance).await
    }

    async fn instances(&self, app: &AppId) -> Result<Reading, Error> {
        self.0.reading(app).await
    }

    async fn log(
        &self,
        app: &AppId,
        query: &LogQuery,
        lines: mpsc::Sender<LogBatch>,
    ) -> Result<(), Error> {
        self.0.follow_log(app, query, lines).await
    }

    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error> {
        self.0.log_lines(app, false).await
    }
}
