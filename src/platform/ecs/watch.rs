//! Watching a region by asking: all services in turn, those that roll more often, and the selected one in detail, within
//! a pace that leaves room for others.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, watch as channel},
    time::Instant,
};

use crate::domain::{App, Interest, Report, Status};
use crate::platform::{
    Error,
    ecs::{
        model::wire::Service,
        read::{events, lists::AT_ONCE},
        region::Region,
    },
    feed::{Failed, Feed, crash_lines},
    polling::{self, ALL, Reader, Schedule},
};

/// How many services are told of at once: several calls side by side.
const CHUNK: usize = 5 * AT_ONCE;

/// Reports until nobody listens any more.
pub(in crate::platform::ecs) async fn run(
    region: &Region,
    interest: channel::Receiver<Interest>,
    reports: mpsc::Sender<Report>,
) {
    let watch = Watch { region, round: Duration::ZERO, hidden: Vec::new(), scaling: None };
    polling::run(watch, interest, reports, std::future::pending()).await;
}

struct Watch<'a> {
    region: &'a Region,
    /// How long a whole round took last.
    round: Duration,
    hidden: Vec<String>,
    /// When it was asked of which services auto scaling is suspended.
    scaling: Option<Instant>,
}

/// How often that is asked.
const SCALING: Duration = Duration::from_mins(2);

#[async_trait]
impl Reader for Watch<'_> {
    fn rolls(&self, feed: &Feed) -> bool {
        feed.apps().any(moves)
    }

    async fn read(&mut self, schedule: &mut Schedule, feed: &mut Feed) -> Result<(), Failed> {
        if schedule.all_due() {
            let began = Instant::now();
            self.round(schedule, feed).await?;
            self.round = began.elapsed();
            schedule.all_read();
        } else if self.rolls(feed) && schedule.rolling_due() {
            self.rolling(schedule, feed).await?;
        }
        self.detail(schedule, feed).await
    }

    async fn status(&self, schedule: &Schedule) -> Status {
        let mut hidden = self.hidden.clone();
        if self.region.unavailable().is_some() {
            hidden.push("service deployments".to_owned());
        }
        let slowed = self.region.connection.pace().slowed(Instant::now());
        if slowed {
            hidden.push("some changes for a while (throttled)".to_owned());
        }
        Status {
            api_version: None,
            requests_left: None,
            scope_label: Some(self.region.scope_label(&schedule.wanted.scope)),
            watched: false,
            hidden,
        }
    }

    fn now(&self) -> Timestamp {
        (self.region.now)()
    }
}

impl Watch<'_> {
    /// All services of the scope. The first are told as soon as they are known.
    async fn round(&mut self, schedule: &mut Schedule, feed: &mut Feed) -> Result<(), Failed> {
        let region = self.region;
        // Nothing is held up by it before there is something to show.
        let asks_scaling =
            self.scaling.is_none_or(|at| at.elapsed() > SCALING) && feed.apps().next().is_some();
        let mut hidden = Vec::new();
        let mut present = Vec::new();
        let clusters = self.region.clusters(&schedule.wanted.scope, true).await?;
        let scope = &schedule.wanted.scope;
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
            self.tell(feed, Vec::new()).await?;
        }
        for some in services.chunks(CHUNK) {
            if self.rolls(feed) && schedule.rolling_due() {
                self.rolling(schedule, feed).await?;
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
            let told = told?.concat();
            if asks_scaling {
                region.learn_suspended(&told, true).await;
            }
            let apps = region.convert(&told, true).await?;
            present.extend(apps.iter().cloned());
            self.tell(feed, apps).await?;
        }
        let gone = feed.missing(&present);
        if !gone.is_empty() {
            let at = (self.region.now)();
            feed.tell(Vec::new(), gone, at, self.fresh_for(), true).await?;
        }
        self.hidden = hidden;
        if asks_scaling {
            self.scaling = Some(Instant::now());
        }
        Ok(())
    }

    /// Those that roll, once more.
    async fn rolling(&self, schedule: &mut Schedule, feed: &mut Feed) -> Result<(), Failed> {
        let mut by_cluster: Vec<(String, Vec<String>)> = Vec::new();
        for app in feed.apps().filter(|app| moves(app)) {
            let arn = app.id.as_str().to_owned();
            match by_cluster.iter_mut().find(|(cluster, _)| *cluster == app.scope) {
                Some((_, arns)) => arns.push(arn),
                None => by_cluster.push((app.scope.clone(), vec![arn])),
            }
        }
        for (cluster, arns) in by_cluster {
            let services = self.region.describe_all(&cluster, &arns, true).await?;
            let apps = self.region.convert(&services, true).await?;
            self.tell(feed, apps).await?;
        }
        schedule.rolling_read();
        Ok(())
    }

    /// Revisions and events of the selected service.
    async fn detail(&self, schedule: &mut Schedule, feed: &Feed) -> Result<(), Failed> {
        let Some((app, stuck)) = schedule.detail_due(feed) else { return Ok(()) };
        let service = match self.region.service(&app.id).await {
            Ok(service) => service,
            Err(Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let capabilities = self.region.allowed(&service);
        feed.report(Report::Allowed { app: app.id.clone(), capabilities }).await?;
        let history = self.region.history_of(&service).await;
        // That one service's history cannot be read says nothing of the others.
        let history = history.unwrap_or_else(|error| crate::domain::History {
            remark: Some(error.to_string()),
            ..crate::domain::History::default()
        });
        feed.report(Report::History { app: app.id.clone(), history }).await?;
        // Where tasks may not be listed, the service's own events are still something.
        let fallen = self.region.fallen(&service).await.unwrap_or_default();
        let events = events::events(&service, &fallen);
        feed.report(Report::Events { app: app.id.clone(), events }).await?;
        if stuck && !fallen.is_empty() {
            feed.report(crash_lines(app.id.clone(), events::lines(fallen))).await?;
        }
        Ok(())
    }

    async fn tell(&self, feed: &mut Feed, apps: Vec<App>) -> Result<(), Failed> {
        let fresh_for = self.fresh_for();
        Ok(feed.tell(apps, Vec::new(), self.now(), fresh_for, true).await?)
    }

    /// How long until the next round at the latest: a large region takes its time.
    fn fresh_for(&self) -> SignedDuration {
        SignedDuration::try_from(ALL + self.round).unwrap_or_default()
    }
}

/// Whether something of an app moves, so that it is looked at more often.
fn moves(app: &App) -> bool {
    app.rollout.is_some() || app.serving.is_some()
}
