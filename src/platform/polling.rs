//! Watching a platform by asking: all of it in turn, what moves more often, and the selected app in detail.

use std::{pin::pin, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    feed::{DetailState, Failed, Feed, Gone},
    http::Backoff,
};
use crate::domain::{App, Interest, Report, Status};

/// Between two readings of all.
pub const ALL: Duration = Duration::from_secs(15);
/// Between two looks at what moves.
pub const ROLLING: Duration = Duration::from_secs(2);
/// Between two readings of the selected app's revisions and events.
const FOCUS: Duration = Duration::from_secs(20);

/// When what is to be read.
#[derive(Debug)]
pub struct Schedule {
    /// What the screen shows now.
    pub wanted: Interest,
    next_all: Instant,
    next_rolling: Instant,
    next_focus: Instant,
    detailed: Option<DetailState>,
    failures: u32,
}

impl Schedule {
    fn new(wanted: Interest) -> Self {
        let now = Instant::now();
        Self {
            wanted,
            next_all: now,
            next_rolling: now,
            next_focus: now,
            detailed: None,
            failures: 0,
        }
    }

    /// Whether all is to be read now.
    pub fn all_due(&self) -> bool {
        Instant::now() >= self.next_all
    }

    /// All was read.
    pub fn all_read(&mut self) {
        self.next_all = Instant::now() + ALL;
    }

    /// Whether what moves is to be read now.
    pub fn rolling_due(&self) -> bool {
        Instant::now() >= self.next_rolling
    }

    /// What moves was read.
    pub fn rolling_read(&mut self) {
        self.next_rolling = Instant::now() + ROLLING;
    }

    /// The selected app where its details are to be read now, since it is another one, or in another state, or it is time
    /// again; and whether its rollout is stuck. They count as read from here on.
    pub fn detail_due(&mut self, feed: &Feed) -> Option<(App, bool)> {
        let app = feed.app(self.wanted.focus.as_ref()?.as_str())?.clone();
        let state = DetailState::of(&app);
        if Instant::now() < self.next_focus && self.detailed.as_ref() == Some(&state) {
            return None;
        }
        self.next_focus = Instant::now() + FOCUS;
        let stuck = state.stuck;
        self.detailed = Some(state);
        Some((app, stuck))
    }

    /// Takes up what the screen shows now.
    async fn take(&mut self, wanted: Interest, feed: &mut Feed) -> Result<(), Gone> {
        let now = Instant::now();
        if wanted.scope != self.wanted.scope {
            feed.reset().await?;
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

    fn next(&self, rolls: bool, feed: &Feed) -> Instant {
        let mut next = self.next_all;
        if rolls && self.failures == 0 {
            next = next.min(self.next_rolling);
        }
        let focus = self.wanted.focus.as_ref();
        let known = focus.is_some_and(|focus| feed.app(focus.as_str()).is_some());
        if known && self.failures == 0 {
            next = next.min(self.next_focus);
        }
        next
    }

    /// Reading failed: everything waits.
    fn failed(&mut self, asked: Option<Duration>) -> Duration {
        self.failures += 1;
        let wait = Backoff::PATIENT.delay(self.failures, fastrand::f64());
        let wait = asked.unwrap_or(wait);
        let at = Instant::now() + wait;
        (self.next_all, self.next_rolling) = (at, at);
        self.next_focus = self.next_focus.max(at);
        wait
    }
}

/// What an adapter reads when its time has come.
#[async_trait]
pub trait Reader: Send {
    /// Whether something moves, so that it is looked at more often.
    fn rolls(&self, feed: &Feed) -> bool;

    /// Reads and tells what is due.
    async fn read(&mut self, schedule: &mut Schedule, feed: &mut Feed) -> Result<(), Failed>;

    /// What the target says of itself after a reading.
    async fn status(&self, schedule: &Schedule) -> Status;

    /// The present time.
    fn now(&self) -> Timestamp;
}

/// Reads and reports until nobody listens any more. When `aside` ends, which goes on beside it, the details are read anew.
pub async fn run(
    mut reader: impl Reader,
    mut interest: watch::Receiver<Interest>,
    reports: mpsc::Sender<Report>,
    aside: impl Future<Output = ()> + Send,
) {
    let mut feed = Feed::new(reports);
    let mut schedule = Schedule::new(interest.borrow_and_update().clone());
    let (mut aside, mut over) = (pin!(aside), false);
    loop {
        if turn(&mut reader, &mut schedule, &mut feed).await.is_err() {
            return;
        }
        let next = schedule.next(reader.rolls(&feed), &feed);
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = feed.closed() => return,
            () = &mut aside, if !over => {
                over = true;
                schedule.next_focus = Instant::now();
            }
            changed = interest.changed() => {
                let wanted = interest.borrow_and_update().clone();
                if changed.is_err() || schedule.take(wanted, &mut feed).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn turn(
    reader: &mut impl Reader,
    schedule: &mut Schedule,
    feed: &mut Feed,
) -> Result<(), Gone> {
    match reader.read(schedule, feed).await {
        Ok(()) => {
            schedule.failures = 0;
            feed.status(reader.status(schedule).await).await
        }
        Err(Failed::Gone) => Err(Gone),
        Err(Failed::Error(error)) => {
            let wait = schedule.failed(error.retry_after());
            feed.problem(&error, reader.now(), wait).await
        }
    }
}
