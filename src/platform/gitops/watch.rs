//! Watching a repository by asking: where its branches are now and then, the cluster more often while something moves.

use std::{pin::pin, time::Duration};

use jiff::SignedDuration;
use tokio::{
    sync::{mpsc, watch as channel},
    time::Instant,
};

use crate::domain::{Interest, Report, Status, text::clean};
use crate::platform::{
    feed::{DetailState, Failed, Feed, Gone, crash_lines},
    gitops::Repository,
    http::Backoff,
};

/// Between two looks at the branches, and between two looks at the cluster while something moves there.
const ALL: Duration = Duration::from_secs(15);
const ROLLING: Duration = Duration::from_secs(2);
/// Between two readings of the selected app's revisions and events.
const FOCUS: Duration = Duration::from_secs(20);

struct Watch<'a> {
    repository: &'a Repository,
    feed: Feed,
    wanted: Interest,
    next_all: Instant,
    next_rolling: Instant,
    next_focus: Instant,
    detailed: Option<DetailState>,
    failures: u32,
}

/// Reports until nobody listens any more.
pub(in crate::platform::gitops) async fn run(
    repository: &Repository,
    mut interest: channel::Receiver<Interest>,
    reports: mpsc::Sender<Report>,
) {
    let now = Instant::now();
    let mut watch = Watch {
        repository,
        feed: Feed::new(reports),
        wanted: interest.borrow_and_update().clone(),
        next_all: now,
        next_rolling: now,
        next_focus: now,
        detailed: None,
        failures: 0,
    };
    // The rest of the history comes in the background.
    let mut completing = pin!(async {
        while repository.state.lock().await.view.snapshot.commit.is_empty() {
            tokio::time::sleep(ROLLING).await;
        }
        repository.complete().await
    });
    let mut complete = false;
    loop {
        if watch.turn().await.is_err() {
            return;
        }
        let next = watch.next();
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = watch.feed.closed() => return,
            completed = &mut completing, if !complete => {
                complete = true;
                watch.next_focus = Instant::now();
                if let Err(error) = completed {
                    tracing::warn!(%error, "the history cannot be read to its beginning");
                }
            }
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

    fn rolls(&self) -> bool {
        self.repository.cluster.is_some()
            && self.feed.apps().any(|app| app.rolls() || app.serving.is_some())
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
                self.feed.problem(&error, (self.repository.now)(), wait).await
            }
        }
    }

    async fn read(&mut self) -> Result<(), Failed> {
        let now = Instant::now();
        let all = now >= self.next_all;
        if all || (self.rolls() && now >= self.next_rolling) {
            let view = self.repository.look(all).await?;
            let apps = self.repository.within(&view, &self.wanted.scope);
            let gone = self.feed.missing(&apps);
            let fresh_for = SignedDuration::try_from(ALL).unwrap_or_default();
            self.feed.tell(apps, gone, (self.repository.now)(), fresh_for, true).await?;
            let now = Instant::now();
            self.next_rolling = now + ROLLING;
            if all {
                self.next_all = now + ALL;
            }
        }
        self.focus().await
    }

    /// Revisions and events of the selected app.
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
        let repository = self.repository;
        let view = repository.state.lock().await.view.clone();
        let Ok(entry) = repository.entry(&view, &app.id) else { return Ok(()) };
        let capabilities = repository.allowed(entry);
        self.feed.report(Report::Allowed { app: app.id.clone(), capabilities }).await?;
        let history = repository.history(&view, entry).await;
        self.feed.report(Report::History { app: app.id.clone(), history }).await?;
        let events = repository.events(&view, entry).await;
        self.feed.report(Report::Events { app: app.id.clone(), events }).await?;
        if stuck {
            let lines = repository.logs(&view, entry).await.unwrap_or_default();
            if !lines.is_empty() {
                self.feed.report(crash_lines(app.id, lines)).await?;
            }
        }
        Ok(())
    }

    async fn status(&mut self) -> Result<(), Gone> {
        let state = self.repository.state.lock().await;
        let view = state.view.clone();
        let mut hidden = view.seen.as_ref().map(|seen| seen.hidden.clone()).unwrap_or_default();
        hidden.extend(state.trouble.as_ref().map(|why| format!("the cluster ({why})")));
        hidden.extend(state.forge_trouble.as_ref().map(|why| format!("pull requests ({why})")));
        if let Some(((file, why), more)) = view.snapshot.unreadable.split_first() {
            let more =
                if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            hidden.push(clean(&format!("{file}{more} ({why})")));
        }
        drop(state);
        let paths = if self.repository.paths.is_empty() {
            String::new()
        } else {
            format!("/{}", self.repository.paths.join(","))
        };
        let label = match self.wanted.scope {
            crate::domain::Scope::Home => {
                format!("{}@{}{paths}", self.repository.name, view.branch)
            }
            _ => format!("{}@{}", self.repository.name, view.branch),
        };
        self.feed
            .status(Status {
                api_version: None,
                requests_left: None,
                scope_label: Some(label),
                watched: false,
                hidden,
            })
            .await
    }
}
