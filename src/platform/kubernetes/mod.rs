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
mod model;
mod operate;
mod plan;
mod provider;
mod read;
mod watch;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{OnceCell, mpsc, watch as channel};

pub use super::cluster::Options;
pub use provider::Provider;

use self::{
    model::store::{Address, Kind, Kinded, OwnRevision},
    operate::{observe, send},
    read::{controlled::MARK, figures::RowsAsked},
};
use super::{
    Error, Now, OpenError, Platform,
    cluster::Connection,
    operation::{Learned, Order, Progress, StepError},
    sightings::Sightings,
};
use crate::domain::{
    App, AppEvent, AppId, Capabilities, Detail, History, IMAGE, INSTANCE, Interest, LogBatch,
    LogLine, LogQuery, Observation, Plan, PlatformKind, Reading, Receipt, Report, Request,
    RevisionId, RevisionRef, SCALE_TO, START_WITH, Scope, Shell, Step, Target, TargetId, Verb,
    VerbOptions, text::clean,
};
use crate::platform::sync::lock;

/// What kind of platform this is.
pub const KIND: PlatformKind = PlatformKind {
    name: "kubernetes",
    short: "k8s",
    options: &[
        VerbOptions { verbs: &[Verb::Scale], options: &[SCALE_TO] },
        VerbOptions { verbs: &[Verb::Start], options: &[START_WITH] },
        VerbOptions { verbs: &[Verb::Restart], options: &[INSTANCE] },
        VerbOptions { verbs: &[Verb::Deploy], options: &[IMAGE] },
    ],
};

/// A cluster, seen with one login. Clones are the same one.
#[derive(Clone)]
pub struct Kubernetes(Arc<Cluster>);

/// What is known of a cluster, and the way to it.
struct Cluster {
    target: TargetId,
    connection: Connection,
    now: Now,
    version: OnceCell<String>,
    /// Where the workloads are that were seen, by UID.
    addresses: Mutex<HashMap<String, Address>>,
    /// Which revisions were seen with all their Pods available, and which failing.
    sightings: Sightings,
    /// What the login may do, as far as it was asked.
    allowed: Mutex<HashMap<access::Act, access::Answer>>,
    /// The ControllerRevisions of DaemonSets, by UID and generation: their status names none.
    own: Mutex<HashMap<(String, i64), Vec<OwnRevision>>>,
    /// Numbers of ControllerRevisions, by name.
    labels: Mutex<HashMap<String, String>>,
    /// Who watches Pods anyway, while somebody does.
    watcher: Mutex<Option<mpsc::Sender<RowsAsked>>>,
}

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
        })))
    }
}

impl Cluster {
    fn version(&self) -> Option<String> {
        self.version.get().cloned()
    }

    /// What a scope is called.
    fn scope_label(&self, namespace: Option<&str>) -> String {
        format!(
            "{}/{}",
            clean(&self.connection.context),
            namespace.map_or_else(|| "*".to_owned(), clean)
        )
    }

    fn learn(&self, uid: &str, address: Address) {
        lock(&self.addresses).insert(uid.to_owned(), address);
    }

    fn address(&self, app: &AppId) -> Result<Address, Error> {
        lock(&self.addresses).get(app.as_str()).cloned().ok_or_else(|| Error::NotFound {
            what: format!(
                "there is no workload with the UID {}, or it was not seen yet",
                clean(app.as_str())
            ),
        })
    }

    /// Where the app of a receipt is; one from before a restart was not seen yet, and its guard says it.
    async fn located(&self, receipt: &Receipt) -> Result<Address, Error> {
        let app = &receipt.app.app;
        if let Ok(address) = self.address(app) {
            return Ok(address);
        }
        if let Ok(guard) = self.read_own::<send::Guard>("the receipt", &receipt.recipe.guard)
            && let Some(address) = Address::of_path(&guard.path)
        {
            self.learn(app.as_str(), address.clone());
            return Ok(address);
        }
        self.find(app.as_str()).await?;
        self.address(app)
    }

    /// Reads back what this adapter has put into a plan or a receipt.
    fn read_own<T: DeserializeOwned>(&self, location: &str, value: &Value) -> Result<T, Error> {
        T::deserialize(value).map_err(|error| Error::Garbled {
            api: self.connection.api.clone(),
            location: location.to_owned(),
            why: error.to_string(),
        })
    }

    /// Forgets a workload that is gone: preview environments come and go for weeks.
    fn forget(&self, uid: &str) {
        lock(&self.addresses).remove(uid);
        lock(&self.own).retain(|(of, _), _| of != uid);
    }

    /// Forgets a revision that was pruned.
    fn forget_revision(&self, id: &str) {
        self.sightings.forget(id);
        lock(&self.labels).remove(id);
    }

    fn number_of(&self, revision: &RevisionId) -> Option<String> {
        lock(&self.labels).get(revision.as_str()).cloned()
    }

    /// The revisions of a DaemonSet, newest first, where they were read since its generation changed.
    fn own_of(&self, workload: &Kinded) -> Option<Vec<OwnRevision>> {
        let metadata = &workload.object.metadata;
        lock(&self.own).get(&(metadata.uid.clone(), metadata.generation)).cloned()
    }

    /// Reads the revisions of a DaemonSet, newest first.
    async fn read_own_of(&self, workload: &Kinded) -> Option<Vec<OwnRevision>> {
        let metadata = &workload.object.metadata;
        let all = self.controlled(&AppId::new(&metadata.uid)).await.ok()?;
        let own = all.iter().map(|one| {
            let mark = one.metadata.labels.get(MARK).cloned();
            let bare = || one.metadata.name.strip_prefix(&format!("{}-", metadata.name));
            OwnRevision {
                reference: RevisionRef {
                    id: RevisionId::new(&one.metadata.name),
                    label: Some(one.revision.to_string()),
                },
                mark: mark.or_else(|| bare().map(str::to_owned)).unwrap_or_default(),
            }
        });
        let own: Vec<_> = own.collect();
        let status = workload.object.status.as_ref();
        // Before, its newest revision may not have been made yet.
        if status.is_some_and(|status| status.observed_generation >= metadata.generation) {
            let key = (metadata.uid.clone(), metadata.generation);
            lock(&self.own).insert(key, own.clone());
        }
        (!own.is_empty()).then_some(own)
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
