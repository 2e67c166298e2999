//! Watching a repository by asking: where its branches are now and then, the cluster more often while something moves.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch as channel};

use crate::domain::{Interest, Report, Status};
use crate::platform::{
    feed::{Failed, Feed, crash_lines},
    gitops::repository::Repository,
    polling::{self, ALL, ROLLING, Reader, Schedule},
};

/// Reports until nobody listens any more.
pub(in crate::platform::gitops) async fn run(
    repository: &Repository,
    interest: channel::Receiver<Interest>,
    reports: mpsc::Sender<Report>,
) {
    // The rest of the history comes in the background.
    let completing = async {
        while repository.view().snapshot.commit.is_empty() {
            tokio::time::sleep(ROLLING).await;
        }
        if let Err(error) = repository.complete().await {
            tracing::warn!(%error, "the history cannot be read to its beginning");
        }
    };
    polling::run(Watch(repository), interest, reports, completing).await;
}

struct Watch<'a>(&'a Repository);

#[async_trait]
impl Reader for Watch<'_> {
    fn rolls(&self, feed: &Feed) -> bool {
        self.0.cluster.is_some() && feed.apps().any(|app| app.rolls() || app.serving.is_some())
    }

    async fn read(&mut self, schedule: &mut Schedule, feed: &mut Feed) -> Result<(), Failed> {
        let all = schedule.all_due();
        if all || (self.rolls(feed) && schedule.rolling_due()) {
            let view = self.0.look(all).await?;
            let apps = self.0.within(&view, &schedule.wanted.scope);
            let gone = feed.missing(&apps);
            let fresh_for = SignedDuration::try_from(ALL).unwrap_or_default();
            feed.tell(apps, gone, self.now(), fresh_for, true).await?;
            schedule.rolling_read();
            if all {
                schedule.all_read();
            }
        }
        self.detail(schedule, feed).await
    }

    async fn status(&self, schedule: &Schedule) -> Status {
        let hidden = self.0.unseen();
        let view = self.0.view();
        let paths = if self.0.paths.is_empty() {
            String::new()
        } else {
            format!("/{}", self.0.paths.join(","))
        };
        let label = match schedule.wanted.scope {
            crate::domain::Scope::Home => {
                format!("{}@{}{paths}", self.0.name, view.branch)
            }
            _ => format!("{}@{}", self.0.name, view.branch),
        };
        Status {
            api_version: None,
            requests_left: None,
            scope_label: Some(label),
            watched: false,
            hidden,
        }
    }

    fn now(&self) -> Timestamp {
        (self.0.now)()
    }
}

impl Watch<'_> {
    /// Revisions and events of the selected app.
    async fn detail(&self, schedule: &mut Schedule, feed: &Feed) -> Result<(), Failed> {
        let Some((app, stuck)) = schedule.detail_due(feed) else { return Ok(()) };
        let repository = self.0;
        let view = repository.view();
        let Ok(entry) = repository.entry(&view, &app.id) else { return Ok(()) };
        let capabilities = repository.allowed(entry);
        feed.report(Report::Allowed { app: app.id.clone(), capabilities }).await?;
        let history = repository.history(&view, entry).await;
        feed.report(Report::History { app: app.id.clone(), history }).await?;
        let events = repository.events(&view, entry).await;
        feed.report(Report::Events { app: app.id.clone(), events }).await?;
        if stuck {
            let lines = repository.logs(&view, entry).await.unwrap_or_default();
            if !lines.is_empty() {
                feed.report(crash_lines(app.id, lines)).await?;
            }
        }
        Ok(())
    }
}
