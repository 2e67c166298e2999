//! A target that could not be opened: it says why, and comes to life as soon as it can be.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Error, Now, OpenError, Platform,
    feed::Feed,
    operation::{Learned, Order, Progress, StepError},
    registry,
};
use crate::domain::{
    App, AppEvent, AppId, Capabilities, Detail, History, Interest, LogBatch, LogLine, LogQuery,
    Observation, Plan, PlatformKind, Reading, Receipt, Report, Request, RevisionId, Scope, Shell,
    Step, Target,
};

/// How often opening it is tried again: it reads a file at most.
const AGAIN: Duration = Duration::from_secs(15);

pub(super) struct Unopened {
    registry: registry::Registry,
    kind: PlatformKind,
    spec: registry::TargetSpec,
    environment: registry::Environment,
    now: Now,
    error: OpenError,
    opened: OnceLock<Arc<dyn Platform>>,
}

impl Unopened {
    pub(super) fn new(
        (registry, kind): (registry::Registry, PlatformKind),
        spec: registry::TargetSpec,
        environment: registry::Environment,
        now: Now,
        error: OpenError,
    ) -> Self {
        Self { registry, kind, spec, environment, now, error, opened: OnceLock::new() }
    }

    /// The platform, where it can be opened by now.
    fn platform(&self) -> Result<&Arc<dyn Platform>, Error> {
        if let Some(platform) = self.opened.get() {
            return Ok(platform);
        }
        match self.registry.open_one(&self.spec, &self.environment, &self.now) {
            Ok(platform) => Ok(self.opened.get_or_init(|| platform)),
            Err(error) => Err(Error::Unopened(error)),
        }
    }
}

#[async_trait]
impl Platform for Unopened {
    fn target(&self) -> Target {
        if let Some(platform) = self.opened.get() {
            return platform.target();
        }
        Target {
            id: self.spec.id.clone(),
            platform: self.kind,
            api: String::new(),
            scope_label: {
                let id = self.spec.id.as_str();
                let own =
                    id.strip_prefix(self.spec.platform).and_then(|rest| rest.strip_prefix(':'));
                own.unwrap_or(id).to_owned()
            },
            user: "nobody".to_owned(),
            badge: None,
        }
    }

    fn unopened(&self) -> Option<&OpenError> {
        self.opened.get().is_none().then_some(&self.error)
    }

    async fn capabilities(&self) -> Result<Capabilities, Error> {
        self.platform()?.capabilities().await
    }

    async fn watch(&self, mut interest: watch::Receiver<Interest>, reports: mpsc::Sender<Report>) {
        loop {
            match self.platform() {
                Ok(platform) => {
                    if reports.send(Report::Target(platform.target())).await.is_ok() {
                        platform.watch(interest, reports).await;
                    }
                    return;
                }
                Err(error) => {
                    let feed = Feed::new(reports.clone());
                    if feed.problem(&error, (self.now)(), AGAIN).await.is_err() {
                        return;
                    }
                }
            }
            // Whoever asks to read again has perhaps just logged in.
            if let Ok(Err(_)) = timeout(AGAIN, interest.changed()).await {
                return;
            }
        }
    }

    async fn apps(&self, scope: &Scope) -> Result<Vec<App>, Error> {
        self.platform()?.apps(scope).await
    }

    async fn unseen(&self) -> Vec<String> {
        match self.platform() {
            Ok(platform) => platform.unseen().await,
            Err(_) => Vec::new(),
        }
    }

    async fn app(&self, name: &str) -> Result<App, Error> {
        self.platform()?.app(name).await
    }

    async fn revisions(&self, app: &AppId) -> Result<History, Error> {
        self.platform()?.revisions(app).await
    }

    async fn detail(&self, app: &AppId, revision: &RevisionId) -> Result<Detail, Error> {
        self.platform()?.detail(app, revision).await
    }

    async fn prepare(&self, request: Request) -> Result<Plan, Error> {
        self.platform()?.prepare(request).await
    }

    async fn changed(
        &self,
        app: &AppId,
        guard: &serde_json::Value,
    ) -> Result<Option<String>, Error> {
        self.platform()?.changed(app, guard).await
    }

    async fn send(&self, order: Order<'_>, progress: &Progress) -> Result<Learned, StepError> {
        self.platform()?.send(order, progress).await
    }

    async fn took_effect(&self, receipt: &Receipt, step: &Step) -> Result<Option<bool>, Error> {
        self.platform()?.took_effect(receipt, step).await
    }

    async fn outdated(&self, receipt: &Receipt) -> Result<Option<String>, Error> {
        self.platform()?.outdated(receipt).await
    }

    async fn observe(&self, receipt: &Receipt) -> Result<Observation, Error> {
        self.platform()?.observe(receipt).await
    }

    fn longest_write(&self) -> SignedDuration {
        self.opened.get().map_or(SignedDuration::MAX, |platform| platform.longest_write())
    }

    fn tracking(&self, app: &App) -> Option<serde_json::Value> {
        self.opened.get()?.tracking(app)
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error> {
        self.platform()?.events(app).await
    }

    async fn shell(&self, app: &AppId, instance: &str) -> Result<Shell, Error> {
        self.platform()?.shell(app, instance).await
    }

    async fn instances(&self, app: &AppId) -> Result<Reading, Error> {
        self.platform()?.instances(app).await
    }

    async fn log(
        &self,
        app: &AppId,
        query: &LogQuery,
        lines: mpsc::Sender<LogBatch>,
    ) -> Result<(), Error> {
        self.platform()?.log(app, query, lines).await
    }

    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error> {
        self.platform()?.logs(app).await
    }
}
