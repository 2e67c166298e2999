//! Watching by polling, since the API has no watch: few, large requests, no more often than what is on screen needs.

mod stall;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::{
    sync::{mpsc, watch as interest},
    time::{Instant, sleep_until},
};

use crate::platform::cloud_foundry::{
    foundation::CloudFoundry,
    read::overview::Base,
    watch::stall::{StallMemory, steady},
};
use crate::{
    domain::{App, AppId, History, Interest, ProblemKind, Report, Status},
    platform::{
        feed::{DetailState, Failed, Feed, Gone, crash_lines},
        http::Backoff,
    },
};

/// The rhythm of the platform's own updater: nothing changes more often.
const ROLLING: Duration = Duration::from_secs(5);
/// How long an app is watched closely after its rollout.
const SETTLING: Duration = Duration::from_secs(90);
/// The whole scope while something rolls in it, and while nothing does.
const ALL_WHILE_ROLLING: Duration = Duration::from_mins(1);
const ALL_WHILE_IDLE: Duration = Duration::from_secs(30);
/// History and events of the selected app.
const FOCUS: Duration = Duration::from_mins(2);
/// How long the selection rests before its details are asked for.
const DEBOUNCE: Duration = Duration::from_millis(150);
/// Own requests a minute above which the watcher holds back.
const BUDGET: usize = 26;
/// How many events are read: each crash makes two.
const EVENTS: u32 = 200;
/// How many labels are looked up in one turn.
const FEW: usize = 4;
/// How long a number of instances holds that was asked for by itself.
const COUNTED: Duration = Duration::from_secs(50);
const MINUTE: Duration = Duration::from_mins(1);

/// Watches until nobody listens.
pub(in crate::platform::cloud_foundry) async fn run(
    foundation: &CloudFoundry,
    mut interest: interest::Receiver<Interest>,
    reports: mpsc::Sender<Report>,
) {
    let mut watcher = Watcher::new(foundation, reports);
    loop {
        let wanted = interest.borrow_and_update().clone();
        let next = match watcher.tick(&wanted).await {
            Ok(next) => next,
            Err(Gone) => return,
        };
        tokio::select! {
            changed = interest.changed() => if changed.is_err() { return },
            () = sleep_until(next) => {}
            () = watcher.feed.closed() => return,
        }
    }
}

struct Watcher<'a> {
    foundation: &'a CloudFoundry,
    feed: Feed,
    wanted: Interest,
    stalls: StallMemory,
    failures: u32,
    next_all: Instant,
    next_rolling: Instant,
    next_focus: Instant,
    /// For which state of the focused app its details were read.
    focus_read: Option<DetailState>,
    started: bool,
    /// Apps whose rollout has just ended, and until when they are looked at as often as while it rolled.
    settling: HashMap<AppId, Instant>,
    /// When the instances of apps were counted one by one, where lists do not tell them.
    counted: HashMap<AppId, Instant>,
    /// When the watcher's own requests of the last minute were made.
    spent: VecDeque<Instant>,
}

fn instant() -> Instant {
    Instant::now()
}

impl<'a> Watcher<'a> {
    fn new(foundation: &'a CloudFoundry, reports: mpsc::Sender<Report>) -> Self {
        let now = instant();
        Self {
            foundation,
            feed: Feed::new(reports),
            wanted: Interest::default(),
            stalls: StallMemory::default(),
            failures: 0,
            next_all: now,
            next_rolling: now,
            next_focus: now,
            focus_read: None,
            started: false,
            settling: HashMap::new(),
            counted: HashMap::new(),
            spent: VecDeque::new(),
        }
    }

    /// Reads what is due, and says when to come back.
    async fn tick(&mut self, wanted: &Interest) -> Result<Instant, Gone> {
        let now = instant();
        if wanted.scope != self.wanted.scope && self.started {
            self.feed.reset().await?;
            self.next_all = now;
        }
        if wanted.nudge != self.wanted.nudge {
            self.foundation.ask_roles_anew();
            self.next_all = now;
            self.next_rolling = now;
            self.next_focus = now;
        }
        if wanted.focus != self.wanted.focus {
            self.next_focus =
                now + if self.focus_read.is_some() { DEBOUNCE } else { Duration::ZERO };
        }
        self.wanted = wanted.clone();
        let before = self.foundation.http.meter().total();
        let read = self.read(now).await;
        let made = self.foundation.http.meter().total() - before;
        self.spent.extend((0..made).map(|_| now));
        while self.spent.front().is_some_and(|at| at.elapsed() > MINUTE) {
            self.spent.pop_front();
        }
        match read {
            Ok(()) => {
                self.failures = 0;
                self.report_status().await?;
                Ok(self.next())
            }
            Err(Failed::Gone) => Err(Gone),
            Err(Failed::Error(error)) => {
                self.failures += 1;
                let wait = error
                    .retry_after()
                    .unwrap_or_else(|| Backoff::PATIENT.delay(self.failures, fastrand::f64()));
                let at = instant() + wait;
                self.next_all = at;
                self.next_rolling = at;
                self.next_focus = self.next_focus.max(at);
                self.feed.problem(&error, (self.foundation.now)(), wait).await?;
                Ok(at)
            }
        }
    }

    async fn read(&mut self, now: Instant) -> Result<(), Failed> {
        if now >= self.next_all {
            let overview = self.foundation.overview(&self.wanted.scope).await?;
            self.started = true;
            self.apply(overview.apps, true).await?;
            let pause = if self.is_rolling() { ALL_WHILE_ROLLING } else { ALL_WHILE_IDLE };
            self.next_all = instant() + self.stretched(pause);
            self.next_rolling = instant() + self.stretched(ROLLING);
        } else if self.is_rolling() && now >= self.next_rolling {
            self.settling.retain(|_, until| *until > now);
            let known: Vec<_> =
                self.feed.apps().filter(|app| self.moves(app)).map(Base::known).collect();
            let apps = self.foundation.rolling(known).await?;
            self.apply(apps, false).await?;
            self.next_rolling = instant() + self.stretched(ROLLING);
        }
        let focused = self.wanted.focus.as_ref().and_then(|focus| self.feed.app(focus.as_str()));
        if let Some(app) = focused {
            let state = DetailState::of(app);
            let read = self.focus_read.as_ref();
            let other = read != Some(&state) && read.is_some_and(|read| read.is_of(&app.id));
            if instant() >= self.next_focus || other {
                let app = app.clone();
                self.read_focus(app, state).await?;
            }
        }
        self.complete_a_few().await
    }

    /// Looks up what is not known of apps in sight, labels and numbers of instances, a few at a time and only while there
    /// is room for it.
    async fn complete_a_few(&mut self) -> Result<(), Failed> {
        if self.wanted.incomplete.is_empty() || self.spent.len() + FEW > BUDGET {
            return Ok(());
        }
        let nameless = |app: &App| app.deployed.as_ref().is_some_and(|of| of.label.is_none());
        let uncounted = |app: &App| app.rollout.is_none() && app.instances.running.is_none();
        let mut few: Vec<_> = self
            .wanted
            .incomplete
            .iter()
            .filter_map(|id| self.feed.app(id.as_str()))
            .filter(|app| nameless(app) || uncounted(app))
            .take(FEW)
            .cloned()
            .collect();
        if few.is_empty() {
            return Ok(());
        }
        self.foundation.learn_few(&mut few).await;
        self.foundation.count_few(&mut few).await;
        let counted = few.iter().filter(|app| !uncounted(app)).map(|app| app.id.clone());
        self.counted.extend(counted.map(|id| (id, instant())));
        self.tell(few, Vec::new()).await
    }

    async fn read_focus(&mut self, mut known: App, state: DetailState) -> Result<(), Failed> {
        let app = known.id.clone();
        let (history, events, allowed) = tokio::join!(
            self.foundation.history(&app),
            self.foundation.app_events(&app, EVENTS),
            self.foundation.allowed(&app),
        );
        let stuck = state.stuck;
        self.focus_read = Some(state);
        self.next_focus = instant() + self.stretched(FOCUS);
        // That one app's history cannot be read says nothing of the others.
        let history = match history {
            Ok(history) => history,
            Err(error) => match error.kind() {
                ProblemKind::Login | ProblemKind::Unreachable | ProblemKind::RateLimited => {
                    return Err(error.into());
                }
                _ => History { remark: Some(error.to_string()), ..History::default() },
            },
        };
        // The deployed revision's number may have been learned with it.
        let new = known.rollout.as_ref().and_then(|rollout| rollout.to.as_ref()?.label.clone());
        if let Some(deployed) = known.deployed.as_mut().filter(|deployed| deployed.label.is_none())
            && let Some(label) = self.foundation.labels().get(deployed.id.as_str())
        {
            deployed.label = Some(label.clone());
            self.tell(vec![known], Vec::new()).await?;
        }
        self.feed.report(Report::History { app: app.clone(), history }).await?;
        if let Ok(events) = events {
            self.feed.report(Report::Events { app: app.clone(), events }).await?;
        }
        if let Ok(capabilities) = allowed {
            self.feed.report(Report::Allowed { app: app.clone(), capabilities }).await?;
        }
        if stuck { self.read_crash_logs(app, new).await } else { Ok(()) }
    }

    /// What a crashing app says last; log-cache answers it, not the API whose requests are counted.
    async fn read_crash_logs(&mut self, app: AppId, new: Option<String>) -> Result<(), Failed> {
        let Ok(mut lines) = self.foundation.log_lines(&app).await else { return Ok(()) };
        if lines.iter().any(|line| line.revision.is_some()) {
            lines.retain(|line| line.revision == new);
        }
        Ok(self.feed.report(crash_lines(app, lines)).await?)
    }

    /// Takes what was read: judges rollouts by what is remembered of them, and reports what differs.
    async fn apply(&mut self, mut apps: Vec<App>, complete: bool) -> Result<(), Failed> {
        let now = (self.foundation.now)();
        for app in &mut apps {
            self.stalls.judge(app, now);
        }
        self.stalls.explain(self.foundation, &mut apps, self.wanted.focus.as_ref()).await;
        let was_rolling = |app: &&App| {
            app.rollout.is_none()
                && self.feed.app(app.id.as_str()).is_some_and(|known| known.rollout.is_some())
        };
        let over: Vec<_> = apps.iter().filter(was_rolling).map(|app| app.id.clone()).collect();
        let ended = !over.is_empty();
        if ended {
            self.foundation.learn_few(&mut apps).await;
            // Older servers do not tell with a list what runs now; whoever has followed it wants to know at once.
            let (mut ends, rest): (Vec<_>, _) =
                apps.into_iter().partition(|app| over.contains(&app.id));
            self.foundation.count_few(&mut ends).await;
            let counted = ends.iter().filter(|app| app.instances.running.is_some());
            self.counted.extend(counted.map(|app| (app.id.clone(), instant())));
            apps = rest;
            apps.extend(ends);
            // Its other processes and state are read again soon.
            self.next_all = self.next_all.min(instant() + ROLLING);
        }
        self.settling.extend(over.into_iter().map(|id| (id, instant() + SETTLING)));
        let gone = if complete { self.feed.missing(&apps) } else { Vec::new() };
        for app in &mut apps {
            let Some(known) = self.feed.app(app.id.as_str()) else { continue };
            steady(known, app);
            let counted = self.counted.get(&app.id).is_some_and(|at| at.elapsed() < COUNTED);
            if counted && app.rollout.is_none() && app.instances.running.is_none() {
                app.instances = known.instances;
                app.state = known.state;
                app.serving.clone_from(&known.serving);
            }
            if app.deployed.as_ref().is_some_and(|of| of.label.is_none()) {
                let same = known.deployed.as_ref().map(|of| &of.id)
                    == app.deployed.as_ref().map(|of| &of.id);
                if same {
                    app.deployed.clone_from(&known.deployed);
                }
            }
        }
        self.tell(apps, gone).await
    }

    async fn tell(&mut self, apps: Vec<App>, gone: Vec<AppId>) -> Result<(), Failed> {
        let rolling = self.is_rolling() || apps.iter().any(|app| self.moves(app));
        let pause = if rolling { ROLLING } else { ALL_WHILE_IDLE };
        let fresh_for = SignedDuration::try_from(self.stretched(pause)).unwrap_or_default();
        let at = (self.foundation.now)();
        Ok(self.feed.tell(apps, gone, at, fresh_for, true).await?)
    }

    async fn report_status(&mut self) -> Result<(), Gone> {
        let api_info = self.foundation.api_info.get();
        let status = Status {
            hidden: Vec::new(),
            api_version: api_info.and_then(|api_info| api_info.version.clone()),
            requests_left: self.foundation.http.meter().left(),
            watched: false,
            scope_label: api_info
                .map(|api_info| CloudFoundry::scope_label(api_info, &self.wanted.scope)),
        };
        self.feed.status(status).await
    }

    fn is_rolling(&self) -> bool {
        self.feed.apps().any(|app| self.moves(app))
    }

    /// Whether an app is rolling, or settling after a rollout.
    fn moves(&self, app: &App) -> bool {
        app.rollout.is_some() || (app.serving.is_some() && self.settling.contains_key(&app.id))
    }

    /// A pause, longer the less the server still allows, and longer when the last minute was busy.
    fn stretched(&self, pause: Duration) -> Duration {
        let meter = self.foundation.http.meter();
        let scarce = match meter.left() {
            Some((left, limit)) if left * 10 < limit => 6,
            Some((left, limit)) if left * 10 < limit * 3 => 2,
            _ => 1,
        };
        let busy = if self.spent.len() > BUDGET { 2 } else { 1 };
        pause * scarce * busy
    }

    fn next(&self) -> Instant {
        let mut next = self.next_all;
        if self.is_rolling() {
            next = next.min(self.next_rolling);
        }
        if self.wanted.focus.as_ref().is_some_and(|focus| self.feed.app(focus.as_str()).is_some()) {
            next = next.min(self.next_focus);
        }
        next
    }
}
