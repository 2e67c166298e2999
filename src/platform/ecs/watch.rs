//! Watching a region by asking: all services in turn, those that roll more often, and the selected one in detail, within
//! a pace that leaves room for others.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use tokio::{
    sync::{mpsc, watch as channel},
    time::Instant,
};

use crate::domain::{App, Interest, Report, Status};
use crate::platform::{
    Error,
    ecs::{
        Region,
        model::wire::Service,
        read::{events, lists::AT_ONCE},
    },
    feed::{DetailState, Failed, Feed, Gone, crash_lines},
    http::Backoff,
};

/// Between two rounds of all services, and between two looks at those that roll.
const ALL: Duration = Duration::from_secs(15);
const ROLLING: Duration = Duration::from_secs(2);
/// Between two readings of the selected service's revisions and events.
const FOCUS: Duration = Duration::from_secs(20);
/// How many services are told of at once: several calls side by side.
const CHUNK: usize = 5 * AT_ONCE;

struct Watch<'a> {
    region: &'a Region,
    feed: Feed,
    wanted: Interest,
    next_all: Instant,
    next_rolling: Instant,
    next_focus: Instant,
    detailed: Option<DetailState>,
    failures: u32,
    /// How long a whole round took last.
    round: Duration,
    hidden: Vec<String>,
}

/// Reports until nobody listens any more.
pub(in crate::platform::ecs) async fn run(
    region: &Region,
    mut interest: channel::Receiver<Interest>,
    reports: mpsc::Sender<Report>,
) {
    let now = Instant::now();
    let mut watch = Watch {
        region,
        feed: Feed::new(reports),
        wanted: interest.borrow_and_update().clone(),
        next_all: now,
        next_rolling: now,
        next_focus: now,
        detailed: None,
        failures: 0,
        round: Duration::ZERO,
        hidden: Vec::new(),
    };
    loop {
        if watch.turn().await.is_err() {
            return;
        }
        let next = watch.next();
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = watch.feed.closed() => return,
            changed = interest.changed() => {
                if changed.is_err() {
                    return;
                }
                let wanted = interest.borrow_and_update().clone();
                if watch.take(wanted).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Watch<'_> {
    /// Takes up what the screen shows now.
    async fn take(&mut self, wanted: Interest) -> Result<(), Gone> {
        let now = Instant::now();
        if wanted.scope != self.wanted.scope {
            self.feed.reset().await?;
            self.detailed = None;
        }
        if wanted.scope != self.wanted.scope || wanted.nudge != self.wanted.nudge {
            (self.next_all, self.next_focus, self.failures) = (now, now, 0);
        }
        if wanted.focus != self.wanted.focus {
            self.next_focus = now;
        }
        self.wanted = wanted;
        Ok(())
    }

    fn next(&self) -> Instant {
        let mut next = self.next_all;
        if self.rolls() && self.failures == 0 {
            next = next.min(self.next_rolling);
        }
        if self.wanted.focus.is_some() && self.failures == 0 {
            next = next.min(self.next_focus);
        }
        next
    }

    fn rolls(&self) -> bool {
        self.feed.apps().any(moves)
    }

    async fn turn(&mut self) -> Result<(), Gone> {
        match self.read().await {
            Ok(()) => {
                self.failures = 0;
                self.status().await
            }
            Err(Failed::Gone) => Err(Gone),
            Err(Failed::Error(error)) => {
                self.failures += 1;
                let wait = Backoff::PATIENT.delay(self.failures, fastrand::f64());
                let wait = error.retry_after().unwrap_or(wait);
                let at = Instant::now() + wait;
                (self.next_all, self.next_rolling) = (at, at);
                self.next_focus = self.next_focus.max(at);
                self.feed.problem(&error, (self.region.now)(), wait).await
            }
        }
    }

    async fn read(&mut self) -> Result<(), Failed> {
        let now = Instant::now();
        if now >= self.next_all {
            self.round().await?;
            self.round = now.elapsed();
            self.next_all = Instant::now() + ALL;
        } else if self.rolls() && now >= self.next_rolling {
            self.rolling().await?;
        }
        self.focus().await
    }

    /// All services of the scope. The first are told as soon as they are known.
    async fn round(&mut self) -> Result<(), Failed> {
        let region = self.region;
        let mut hidden = Vec::new();
        let mut present = Vec::new();
        let clusters = self.region.clusters(&self.wanted.scope, true).await?;
        let scope = &self.wanted.scope;
        let lists = clusters.iter().map(|cluster| self.region.service_arns(scope, cluster, true));
        let lists = join_all(lists).await;
        let mut services = Vec::new();
        for (cluster, list) in clusters.iter().zip(lists) {
            match list {
                Ok(arns) => services.extend(arns.into_iter().map(|arn| (cluster.clone(), arn))),
                Err(Error::Forbidden { .. }) => hidden.push(format!("cluster {cluster}")),
                Err(error) => return Err(error.into()),
            }
        }
        if services.is_empty() {
            self.tell(Vec::new()).await?;
        }
        for some in services.chunks(CHUNK) {
            if self.rolls() && Instant::now() >= self.next_rolling {
                self.rolling().await?;
            }
            let calls = clusters.iter().filter_map(|cluster| {
                let of =
                    some.iter().filter(|(name, _)| name == cluster).map(|(_, arn)| arn.clone());
                let of: Vec<_> = of.collect();
                (!of.is_empty())
                    .then_some(async move { region.describe_all(cluster, &of, true).await })
            });
            let told: Result<Vec<Vec<Service>>, Error> =
                join_all(calls).await.into_iter().collect();
            let apps = self.region.convert(&told?.concat(), true).await?;
            present.extend(apps.iter().cloned());
            self.tell(apps).await?;
        }
        let gone = self.feed.missing(&present);
        if !gone.is_empty() {
            let at = (self.region.now)();
            self.feed.tell(Vec::new(), gone, at, self.fresh_for(), true).await?;
        }
        self.hidden = hidden;
        Ok(())
    }

    /// Those that roll, once more.
    async fn rolling(&mut self) -> Result<(), Failed> {
        let mut by_cluster: Vec<(String, Vec<String>)> = Vec::new();
        for app in self.feed.apps().filter(|app| moves(app)) {
            let arn = app.id.as_str().to_owned();
            match by_cluster.iter_mut().find(|(cluster, _)| *cluster == app.scope) {
                Some((_, arns)) => arns.push(arn),
                None => by_cluster.push((app.scope.clone(), vec![arn])),
            }
        }
        for (cluster, arns) in by_cluster {
            let services = self.region.describe_all(&cluster, &arns, true).await?;
            let apps = self.region.convert(&services, true).await?;
            self.tell(apps).await?;
        }
        self.next_rolling = Instant::now() + ROLLING;
        Ok(())
    }

    /// Revisions and events of the selected service.
    async fn focus(&mut self) -> Result<(), Failed> {
        let focused = self.wanted.focus.as_ref().and_then(|focus| self.feed.app(focus.as_str()));
        let Some(app) = focused.cloned() else { return Ok(()) };
        let state = DetailState::of(&app);
        if Instant::now() < self.next_focus && self.detailed.as_ref() == Some(&state) {
            return Ok(());
        }
        self.next_focus = Instant::now() + FOCUS;
        let stuck = state.stuck;
        self.detailed = Some(state);
        let service = match self.region.service(&app.id).await {
            Ok(service) => service,
            Err(Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let capabilities = self.region.allowed(&service);
        self.feed.report(Report::Allowed { app: app.id.clone(), capabilities }).await?;
        let history = self.region.history_of(&service).await;
        // That one service's history cannot be read says nothing of the others.
        let history = history.unwrap_or_else(|error| crate::domain::History {
            remark: Some(error.to_string()),
            ..crate::domain::History::default()
        });
        self.feed.report(Report::History { app: app.id.clone(), history }).await?;
        // Where tasks may not be listed, the service's own events are still something.
        let fallen = self.region.fallen(&service).await.unwrap_or_default();
        let events = events::events(&service, &fallen);
        self.feed.report(Report::Events { app: app.id.clone(), events }).await?;
        if stuck && !fallen.is_empty() {
            self.feed.report(crash_lines(app.id.clone(), events::lines(fallen))).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, apps: Vec<App>) -> Result<(), Failed> {
        let at = (self.region.now)();
        let fresh_for = self.fresh_for();
        Ok(self.feed.tell(apps, Vec::new(), at, fresh_for, true).await?)
    }

    /// How long until the next round at the latest: a large region takes its time.
    fn fresh_for(&self) -> SignedDuration {
        SignedDuration::try_from(ALL + self.round).unwrap_or_default()
    }

    async fn status(&mut self) -> Result<(), Gone> {
        let mut hidden = self.hidden.clone();
        if self.region.unavailable().is_some() {
            hidden.push("service deployments".to_owned());
        }
        let slowed = self.region.connection.pace().slowed(Instant::now());
        if slowed {
            hidden.push("some changes for a while (throttled)".to_owned());
        }
        self.feed
            .status(Status {
                api_version: None,
                requests_left: None,
                scope_label: Some(self.region.scope_label(&self.wanted.scope)),
                watched: false,
                hidden,
            })
            .await
    }
}

/// Whether something of an app moves, so that it is looked at more often.
fn moves(app: &App) -> bool {
    app.rollout.is_some() || app.serving.is_some()
}
