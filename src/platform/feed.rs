//! What a watch tells, whether it polls or listens: only what differs from what was told before travels on.

use std::{collections::HashMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};

use super::{Error, Platform};
use crate::domain::{App, AppId, Interest, LogLine, Report, RolloutId, Status};

/// How many log lines of a crashing app are told without being asked for.
const CRASH_LINES: usize = 30;

/// Whoever the reports are for has ended.
#[derive(Debug)]
pub struct Gone;

/// Why a turn of a watch that polls came to nothing.
#[derive(Debug)]
pub enum Failed {
    /// Whoever the reports are for has ended.
    Gone,
    /// Something could not be read.
    Error(Error),
}

impl From<Gone> for Failed {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Where a watch sends its reports, and what it has told so far.
pub struct Feed {
    reports: mpsc::Sender<Report>,
    apps: HashMap<AppId, App>,
    status: Status,
}

/// The state of an app for which its details (history, events, log lines) were read: in another they are read anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailState {
    app: AppId,
    rollout: Option<RolloutId>,
    /// Whether the rollout is stuck, so that the last log lines say why.
    pub stuck: bool,
}

impl DetailState {
    /// That of this app.
    pub fn of(app: &App) -> Self {
        let rollout = app.rollout.as_ref();
        Self {
            app: app.id.clone(),
            rollout: rollout.map(|rollout| rollout.id.clone()),
            stuck: rollout.is_some_and(|rollout| rollout.stuck.is_some()),
        }
    }

    /// Whether it is of this app.
    pub fn is_of(&self, app: &AppId) -> bool {
        self.app == *app
    }
}

impl Feed {
    /// A feed that has told nothing yet.
    pub fn new(reports: mpsc::Sender<Report>) -> Self {
        Self { reports, apps: HashMap::new(), status: Status::default() }
    }

    /// Where reports go, for a task that reads on its own.
    pub fn sender(&self) -> mpsc::Sender<Report> {
        self.reports.clone()
    }

    /// Ends when nobody listens any more.
    pub async fn closed(&self) {
        self.reports.closed().await;
    }

    /// Sends a report as it is.
    pub async fn report(&self, report: Report) -> Result<(), Gone> {
        self.reports.send(report).await.map_err(|_| Gone)
    }

    /// The apps as they were told last.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    /// An app as it was told last.
    pub fn app(&self, id: &str) -> Option<&App> {
        self.apps.get(id)
    }

    /// Whether no app was told.
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }

    /// The apps that were told and are not among these.
    pub fn missing(&self, present: &[App]) -> Vec<AppId> {
        let present: std::collections::HashSet<_> = present.iter().map(|app| &app.id).collect();
        self.apps.keys().filter(|id| !present.contains(id)).cloned().collect()
    }

    /// Takes all back: what comes is of another scope.
    pub async fn reset(&mut self) -> Result<(), Gone> {
        self.apps.clear();
        self.report(Report::Reset).await
    }

    /// Tells those of these apps that differ from what was told, and which are gone; with `always` also that nothing has
    /// changed, as of `at`. The next reading follows within `fresh_for`.
    pub async fn tell(
        &mut self,
        apps: Vec<App>,
        gone: Vec<AppId>,
        at: Timestamp,
        fresh_for: SignedDuration,
        always: bool,
    ) -> Result<(), Gone> {
        let mut changed = Vec::new();
        for app in apps {
            if self.apps.get(&app.id) != Some(&app) {
                self.apps.insert(app.id.clone(), app.clone());
                changed.push(app);
            }
        }
        let gone: Vec<_> = gone.into_iter().filter(|id| self.apps.remove(id).is_some()).collect();
        if !always && changed.is_empty() && gone.is_empty() {
            return Ok(());
        }
        self.report(Report::Apps { changed, gone, at, fresh_for }).await
    }

    /// Tells the target's status where it has changed.
    pub async fn status(&mut self, status: Status) -> Result<(), Gone> {
        if status == self.status {
            return Ok(());
        }
        self.status = status.clone();
        self.report(Report::Status(status)).await
    }

    /// Tells that reading failed at `at` and is tried again after `wait`.
    pub async fn problem(&self, error: &Error, at: Timestamp, wait: Duration) -> Result<(), Gone> {
        let wait = SignedDuration::try_from(wait).unwrap_or_default();
        let retry_at = at.checked_add(wait).unwrap_or(at);
        self.report(Report::Problem { problem: error.problem(), retry_at }).await
    }
}

/// Watches a platform that is quickly read as a whole, by reading it every so often: for those that need no budget of
/// requests and cannot tell changes by themselves.
pub async fn poll(
    platform: &dyn Platform,
    mut interest: watch::Receiver<Interest>,
    reports: mpsc::Sender<Report>,
    every: Duration,
) {
    let (mut feed, mut before) = (Feed::new(reports), None);
    let fresh_for = SignedDuration::try_from(every).unwrap_or_default();
    loop {
        let wanted = interest.borrow_and_update().clone();
        let told = async {
            if before.replace(wanted.scope.clone()).is_some_and(|scope| scope != wanted.scope) {
                feed.reset().await?;
            }
            let at = platform.now();
            match platform.apps(&wanted.scope).await {
                Err(error) => feed.problem(&error, at, every).await?,
                Ok(apps) => {
                    let gone = feed.missing(&apps);
                    feed.tell(apps, gone, at, fresh_for, true).await?;
                }
            }
            if let Some(app) = wanted.focus
                && let Ok(history) = platform.revisions(&app).await
            {
                feed.report(Report::History { app, history }).await?;
            }
            Ok::<_, Gone>(())
        };
        if told.await.is_err() {
            return;
        }
        tokio::select! {
            changed = interest.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(every) => {}
            () = feed.closed() => return,
        }
    }
}

/// The log lines of a crashing app that are told without being asked for: its last ones.
pub fn crash_lines(app: AppId, mut lines: Vec<LogLine>) -> Report {
    lines.drain(..lines.len().saturating_sub(CRASH_LINES));
    Report::Logs { app, lines }
}
