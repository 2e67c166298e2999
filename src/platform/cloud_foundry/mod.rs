//! Cloud Foundry, API v3, with the login of the cf CLI.

mod login;
mod model;
mod operate;
mod plan;
mod provider;
mod push;
mod read;
#[cfg(test)]
mod samples;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{OnceCell, mpsc, watch as interest};

pub use provider::Provider;

use self::{
    login::{
        auth::Auth,
        session::{self, Session},
    },
    model::wire,
    operate::{observe, receipt::Tracking, send},
    read::convert::Labels,
};
use super::{
    Error, Now, OpenError, Platform,
    http::{self, Http, Meter, Settings},
    operation::{Learned, Order, Progress, StepError},
};
use crate::domain::{
    App, AppEvent, AppId, Capabilities, Capability, Detail, History, Interest, LogBatch, LogLine,
    LogQuery, Observation, Plan, PlatformKind, Reading, Receipt, Report, Request, RevisionId,
    Scope, Shell, Step, Target, TargetId, Verb, text::clean,
};
use crate::platform::sync::lock;

/// What kind of platform this is.
pub const KIND: PlatformKind =
    PlatformKind { name: "cloud-foundry", short: "cf", options: plan::OPTIONS };

/// Which session to use, and where in it to look.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory that holds `.cf`, as `CF_HOME` names it.
    pub home: PathBuf,
    /// Another organization than the session's, by name.
    pub org: Option<String>,
    /// Another space than the session's, by name.
    pub space: Option<String>,
    /// How long an answer may take to begin, and each of its parts to come.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { home: PathBuf::new(), org: None, space: None, timeout: http::TIMEOUT }
    }
}

/// A foundation, seen with one login.
pub struct CloudFoundry {
    target: TargetId,
    session: Session,
    user: String,
    http: Http,
    now: Now,
    wanted: (Option<String>, Option<String>),
    api_info: OnceCell<ApiInfo>,
    labels: Mutex<Labels>,
}

/// What is asked of a foundation once.
#[derive(Clone, Debug)]
struct ApiInfo {
    version: Option<String>,
    log_cache: String,
    org: Option<(String, String)>,
    space: Option<(String, String)>,
}

impl CloudFoundry {
    /// Opens the session file; speaks to nobody yet.
    pub fn open(target: TargetId, options: &Options, now: Now) -> Result<Self, OpenError> {
        let session = Session::read(&session::file_in(&options.home))?;
        let settings = Settings {
            api: session.api.clone(),
            skip_verification: session.skip_verification,
            authorities: None,
            timeout: options.timeout,
            login_command: format!("cf login -a {}", session.api),
            tls_advice: "set SSL_CERT_FILE to your CA, or log in with --skip-ssl-validation if you must",
        };
        let client = http::client(&settings).map_err(|why| {
            OpenError::unreachable(format!("cannot prepare a connection to {}: {why}", session.api))
        })?;
        let user = session::name_in(&session.tokens);
        let user = user.unwrap_or_else(|| "unknown user".to_owned());
        let auth = Auth::new(client.clone(), &session, options.timeout, now.clone());
        Ok(Self {
            target,
            user: clean(&user),
            http: Http::new(
                client,
                settings,
                Arc::new(auth),
                model::dialect::said,
                Arc::new(Meter::default()),
            ),
            session,
            now,
            wanted: (options.org.clone(), options.space.clone()),
            api_info: OnceCell::new(),
            labels: Mutex::default(),
        })
    }

    /// The session file that [`CloudFoundry::open`] reads for a home directory.
    pub fn session_file(home: &Path) -> PathBuf {
        session::file_in(home)
    }

    /// Requests made so far.
    pub fn requests(&self) -> u64 {
        self.http.meter().total()
    }

    /// Reads back what this adapter has put into a plan or a receipt.
    fn read_own<T: DeserializeOwned>(&self, location: &str, value: &Value) -> Result<T, Error> {
        T::deserialize(value).map_err(|error| Error::Garbled {
            api: self.session.api.clone(),
            location: location.to_owned(),
            why: error.to_string(),
        })
    }

    fn learn(&self, guid: &str, label: String) {
        lock(&self.labels).insert(guid.to_owned(), label);
    }

    fn learn_all(&self, deployments: &[wire::Deployment]) {
        let mut labels = lock(&self.labels);
        for revision in deployments.iter().filter_map(|one| one.revision.as_ref()) {
            if let Some(version) = revision.version {
                labels.insert(revision.guid.clone(), version.to_string());
            }
        }
    }

    fn labels(&self) -> Labels {
        lock(&self.labels).clone()
    }

    /// Why the API does not have something that came with a version.
    fn lacks(api_info: &ApiInfo, major: u32, minor: u32, what: &str) -> Option<String> {
        let version = api_info.version.as_deref();
        let has = Self::at_least(version, major, minor);
        (!has).then(|| format!("API {} has no {what}", version.unwrap_or_default()))
    }

    /// Whether the API is of this version or newer; `true` where it does not say.
    fn at_least(version: Option<&str>, major: u32, minor: u32) -> bool {
        let Some(version) = version else { return true };
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
    }
}

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
        let api_info = self.api_info().await?;
        let since = |major, minor, what: &str| {
            Self::lacks(&api_info, major, minor, what).map_or(Capability::Yes, Capability::No)
        };
        Ok(Capabilities::all()
            .with(Verb::RollBack, since(3, 66, "roll back to a revision"))
            .with(Verb::Deploy, since(3, 44, "rolling deployments"))
            .with(Verb::Cancel, since(3, 57, "cancelling of deployments"))
            .with(Verb::Continue, since(3, 173, "canary deployments"))
            .without(Verb::Pause, "Cloud Foundry cannot hold a rollout")
            .with(Verb::Restart, since(3, 44, "rolling deployments"))
            .without(Verb::Release, plan::NOTHING_HELD)
            .without(Verb::Reconcile, plan::NOT_APPLIED)
            .with(Verb::EnableRevisions, since(3, 65, "switch for revisions")))
    }

    async fn watch(&self, interest: interest::Receiver<Interest>, reports: mpsc::Sender<Report>) {
        watch::run(self, interest, reports).await;
    }

    async fn apps(&self, scope: &Scope) -> Result<Vec<App>, Error> {
        let mut apps = self.overview(scope).await?.apps;
        self.learn_few(&mut apps).await;
        self.count_few(&mut apps).await;
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
