//! Cloud Foundry, API v3, with the login of the cf CLI.

mod access;
mod foundation;
mod login;
mod model;
mod operate;
mod options;
mod plan;
pub mod provider;
mod push;
mod read;
#[cfg(test)]
mod samples;
mod watch;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{mpsc, watch as interest};

pub use foundation::{CloudFoundry, Options};
pub use options::KIND;

use self::operate::{observe, receipt::Tracking, send};
use super::{
    Error, Platform,
    operation::{Learned, Order, Progress, StepError},
};
use crate::domain::{
    App, AppEvent, AppId, Capabilities, Detail, History, Interest, LogBatch, LogLine, LogQuery,
    Observation, Plan, Reading, Receipt, Report, Request, RevisionId, Scope, Shell, Step, Target,
};

#[async_trait]
impl Platform for CloudFoundry {
    fn target(&self) -> Target {
        let place = match (&self.session.org, &self.session.space) {
            (Some((_, org)), Some((_, space))) => format!("{org}/{space}"),
            (Some((_, org)), None) => org.clone(),
            _ => "everything".to_owned(),
        };
        Target {
            id: self.target.clone(),
            platform: KIND,
            api: self.session.api.clone(),
            scope_label: match &self.wanted {
                (Some(org), Some(space)) => format!("{org}/{space}"),
                (Some(org), None) => org.clone(),
                _ => place,
            },
            user: self.user.clone(),
            badge: self.session.skip_verification.then(|| "TLS NOT VERIFIED".to_owned()),
        }
    }

    async fn capabilities(&self) -> Result<Capabilities, Error> {
        Ok(Self::capable(&self.api_info().await?))
    }

    async fn watch(&self, interest: interest::Receiver<Interest>, reports: mpsc::Sender<Report>) {
        watch::run(self, interest, reports).await;
    }

    async fn apps(&self, scope: &Scope) -> Result<Vec<App>, Error> {
        let mut apps = self.overview(scope).await?.apps;
        self.learn_few(&mut apps).await;
        self.count_few(&mut apps).await;
        self.explain_few(&mut apps).await;
        Ok(apps)
    }

    async fn app(&self, name: &str) -> Result<App, Error> {
        self.find(name).await
    }

    async fn revisions(&self, app: &AppId) -> Result<History, Error> {
        self.history(app).await
    }

    async fn detail(&self, _: &AppId, revision: &RevisionId) -> Result<Detail, Error> {
        self.configuration(revision.as_str()).await
    }

    async fn prepare(&self, request: Request) -> Result<Plan, Error> {
        plan::make(self, request).await
    }

    async fn changed(&self, app: &AppId, guard: &Value) -> Result<Option<String>, Error> {
        send::changed(self, app, guard).await
    }

    async fn send(&self, order: Order<'_>, progress: &Progress) -> Result<Learned, StepError> {
        send::send(self, order, progress).await
    }

    async fn took_effect(&self, receipt: &Receipt, step: &Step) -> Result<Option<bool>, Error> {
        send::took_effect(self, receipt, &step.action).await
    }

    async fn outdated(&self, receipt: &Receipt) -> Result<Option<String>, Error> {
        send::outdated(self, receipt).await
    }

    async fn observe(&self, receipt: &Receipt) -> Result<Observation, Error> {
        observe::observe(self, receipt).await
    }

    fn longest_write(&self) -> SignedDuration {
        // The router lets a request run for 15 minutes (`request_timeout_in_seconds` of gorouter), and Cloud Controller
        // goes on with one whose client has left.
        SignedDuration::from_mins(15)
    }

    fn tracking(&self, app: &App) -> Option<Value> {
        let deployment = Some(app.rollout.as_ref()?.id.as_str().to_owned());
        Some(Tracking { deployment, ..Tracking::default() }.json())
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error> {
        self.app_events(app, 100).await
    }

    async fn shell(&self, app: &AppId, instance: &str) -> Result<Shell, Error> {
        self.shell_in(app, instance).await
    }

    async fn instances(&self, app: &AppId) -> Result<Reading, Error> {
        self.reading(app).await
    }

    async fn log(
        &self,
        app: &AppId,
        query: &LogQuery,
        lines: mpsc::Sender<LogBatch>,
    ) -> Result<(), Error> {
        self.follow_log(app, query, lines).await
    }

    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error> {
        self.log_lines(app).await
    }
}
