//! Amazon ECS: services, the revisions of their task definitions and their deployments, with the login of the AWS CLI.
//!
//! Two objects tell of a rollout. `deployments[]` of a service has the counts of every side, of whichever age the service
//! is; a *service deployment* (since October 2024) has its state, stage and end. Their identifiers have nothing in common.
//! What is believed: counts and task definitions are those of `deployments[]`, the end is that of the service deployment,
//! and "done" is only where the deployment that serves is the one that was begun, by its identifier: the circuit breaker
//! puts the old task definition back as a deployment of its own, and every waiter calls that stable.
//!
//! Left out: the *managed daemons* of 2026, which have deployments of their own and no way to stop one, and task sets, which
//! are told and not changed.

mod access;
mod client;
mod model;
mod operate;
mod options;
mod plan;
pub mod provider;
mod read;
mod region;
#[cfg(test)]
mod samples;
mod watch;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, watch as channel};

pub use options::KIND;

use self::{
    client::{api::Connection, settings::Settings},
    operate::{observe, receipt, send},
    region::Region,
};
use super::{
    Environment, Error, Now, OpenError, Platform, http,
    operation::{Learned, Order, Progress, StepError},
};
use crate::domain::{
    App, AppEvent, AppId, Capabilities, Detail, History, Interest, LogBatch, LogLine, LogQuery,
    Observation, Plan, Reading, Receipt, Report, Request, RevisionId, Scope, Shell, Step, Target,
    TargetId, text::clean,
};

/// Which login to use, and where to look.
#[derive(Clone, Debug)]
pub struct Options {
    /// The profile, where one is named outright.
    pub profile: Option<String>,
    /// The region, where one is named outright.
    pub region: Option<String>,
    /// The one cluster that is looked at; all of the region's where it is `None`.
    pub cluster: Option<String>,
    /// The one service of it that is looked at; all of them where it is `None`.
    pub service: Option<String>,
    /// How long an answer may take to begin, and each of its parts to come.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { profile: None, region: None, cluster: None, service: None, timeout: http::TIMEOUT }
    }
}

/// A region, seen with one login. Clones are the same one.
#[derive(Clone)]
pub struct Ecs(Arc<Region>);

impl Ecs {
    /// Reads the login; speaks to nobody yet.
    pub fn open(
        target: TargetId,
        options: &Options,
        environment: &Environment,
        now: Now,
    ) -> Result<Self, OpenError> {
        let settings =
            Settings::read(environment, options.profile.as_deref(), options.region.as_deref())?;
        let named = options.profile.is_some();
        let connection = Connection::open(environment, settings, named, options.timeout)?;
        Ok(Self(Arc::new(Region {
            target,
            connection,
            cluster: options.cluster.clone(),
            service: options.service.clone(),
            now,
            definitions: Mutex::default(),
            revisions: Mutex::default(),
            reasons: Mutex::default(),
            suspended: Mutex::default(),
            updated: Mutex::default(),
            unavailable: Mutex::default(),
        })))
    }
}

#[async_trait]
impl Platform for Ecs {
    fn target(&self) -> Target {
        let settings = self.0.connection.settings();
        Target {
            id: self.0.target.clone(),
            platform: KIND,
            api: settings.ecs.clone(),
            scope_label: self.0.scope_label(&Scope::Home),
            user: settings.profile.as_deref().map_or_else(|| "default".to_owned(), clean),
            badge: None,
        }
    }

    async fn capabilities(&self) -> Result<Capabilities, Error> {
        // Whether the login is good is asked, too; what it may not list says nothing of the rest.
        match self.0.clusters(&Scope::Everything, false).await {
            Ok(_) | Err(Error::Forbidden { .. }) => Ok(Region::capabilities()),
            Err(error) => Err(error),
        }
    }

    async fn watch(&self, interest: channel::Receiver<Interest>, reports: mpsc::Sender<Report>) {
        watch::run(&self.0, interest, reports).await;
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

    async fn detail(&self, _: &AppId, revision: &RevisionId) -> Result<Detail, Error> {
        Ok(read::definition::detail(&self.0.definition(revision.as_str()).await?))
    }

    async fn prepare(&self, request: Request) -> Result<Plan, Error> {
        plan::make(&self.0, request).await
    }

    async fn changed(&self, app: &AppId, guard: &Value) -> Result<Option<String>, Error> {
        send::changed(&self.0, app, guard).await
    }

    async fn send(&self, order: Order<'_>, _: &Progress) -> Result<Learned, StepError> {
        send::send(&self.0, order).await
    }

    async fn took_effect(&self, receipt: &Receipt, step: &Step) -> Result<Option<bool>, Error> {
        send::took_effect(&self.0, receipt, &step.action).await
    }

    async fn observe(&self, receipt: &Receipt) -> Result<Observation, Error> {
        observe::observe(&self.0, receipt).await
    }

    fn tracking(&self, app: &App) -> Option<Value> {
        let rollout = app.rollout.as_ref()?;
        Some(receipt::Tracking::of(&rollout.id, rollout.to.as_ref()).json())
    }

    fn now(&self) -> Timestamp {
        (self.0.now)()
    }

    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error> {
        let service = self.0.service(app).await?;
        // Where tasks may not be listed, the service's own events are still something.
        let fallen = self.0.fallen(&service).await.unwrap_or_default();
        Ok(read::events::events(&service, &fallen))
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
        let mut query = query.clone();
        if let Some(wanted) = &query.instance {
            let reading = self.0.reading(app).await?;
            match reading.find(wanted) {
                Ok(one) => query.instance = Some(one.id.clone()),
                // One that has stopped is none of those that run.
                Err(_) if query.previous => {}
                Err(what) => return Err(Error::Refused { what }),
            }
        }
        self.0.follow_log(app, &query, lines).await
    }

    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error> {
        self.0.latest_lines(app).await
    }
}
