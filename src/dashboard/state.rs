//! Everything that the dashboard knows.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{
    dialog::{DiffPreview, Layer},
    keymap::Keymap,
    target_state::TargetState,
};
use crate::domain::{
    App, AppEvent, AppId, Capabilities, Condition, History, Interest, LogLine, Operation, Outcome,
    Receipt, Revision, RevisionId, RolloutId, Scope, Stage, Target, TargetId, last_good,
};

/// The least time between two samples.
const SAMPLE: SignedDuration = SignedDuration::from_secs(4);
/// How many samples of old and new are kept for a rollout.
const SAMPLES: usize = 240;
/// How many apps' histories are kept.
const HISTORIES: usize = 40;

/// What the dashboard starts with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Where it looks; at least one.
    pub targets: Vec<Target>,
    /// Whether this is the demo.
    pub demo: bool,
    /// Whether every operation is refused.
    pub read_only: bool,
    /// The key table.
    pub keymap: Keymap,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The present time.
    pub now: Timestamp,
}

/// The panels of the deck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// All apps.
    Apps,
    /// The revisions of the selected app.
    Revisions,
    /// Its rollout.
    Rollout,
}

/// How the apps are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// What needs an operator first.
    Need,
    /// By name.
    Name,
    /// By scope, then name.
    Scope,
}

/// The place of an app that keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The condition that it is listed by.
    pub by: Condition,
    /// Until when. One that is well again keeps its place for as long as it is selected.
    pub until: Timestamp,
}

/// Old and new running instances over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    /// Oldest first: old and new.
    pub samples: VecDeque<(u32, u32)>,
    /// When the newest of them was taken.
    pub at: Option<Timestamp>,
    /// When the rollout may be done: a guess that is kept while it is about right, so that it does not flicker.
    pub end: Option<Timestamp>,
}

impl Trend {
    fn guess(&mut self, left: Option<SignedDuration>, now: Timestamp) {
        let Some(left) = left else { return };
        let kept = self.end.map(|end| now.duration_since(end).abs());
        let fits = kept.is_some_and(|kept| {
            let (kept, left) = (kept.as_secs_f64(), left.as_secs_f64());
            (kept - left).abs() <= 10.0 + left / 3.0
        });
        if !fits || self.end.is_some_and(|end| end < now) {
            self.end = now.checked_add(left).ok();
        }
    }
}

/// An operation of ours under way.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its number.
    pub id: u64,
    /// Where the app lives.
    pub target: TargetId,
    /// The app.
    pub app: AppId,
    /// Its name.
    pub name: String,
    /// What was asked for.
    pub operation: Operation,
    /// What to follow it by, once it has been sent.
    pub receipt: Option<Receipt>,
    /// How far it is.
    pub stage: Option<Stage>,
    /// The last thing it said.
    pub line: String,
    /// What it said before, the latest last.
    pub said: Vec<String>,
    /// Whether a look at it is under way.
    pub looking: bool,
    /// When it may be looked at again.
    pub look_at: Timestamp,
    /// When it began.
    pub began: Timestamp,
}

/// Something that the operator should read; it stays until dismissed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// How an operation ended.
    Outcome(Outcome),
    /// A hint, such as why a key does nothing now.
    Hint(String),
}

/// The whole state.
#[derive(Clone, Debug)]
pub struct State {
    /// The time of the last event.
    pub now: Timestamp,
    /// Where it looks.
    pub targets: Vec<TargetState>,
    /// Whether this is the demo.
    pub demo: bool,
    /// Whether every operation is refused.
    pub read_only: bool,
    /// The key table.
    pub keymap: Keymap,
    /// Columns and rows.
    pub size: (u16, u16),
    /// All apps.
    pub apps: HashMap<AppId, App>,
    /// Those that are listed, in order.
    pub listed: Vec<AppId>,
    /// The selected one.
    pub selected: Option<AppId>,
    /// Whether the operator has chosen it, rather than the order.
    pub chosen: bool,
    /// The filter's text.
    pub filter: String,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// Whether only what is rolling or broken is listed.
    pub only_active: bool,
    /// Apps that keep their place for a while: a list that jumps is one in which the wrong row is hit.
    pub held: HashMap<AppId, Held>,
    /// How the apps are ordered.
    pub sort: Sort,
    /// The panel that has the keys.
    pub panel: Panel,
    /// Revisions by app.
    pub histories: HashMap<AppId, History>,
    /// What can be done with an app, where that is not what its target can do.
    pub allowed: HashMap<AppId, Capabilities>,
    /// Events by app, newest first.
    pub events: HashMap<AppId, Vec<AppEvent>>,
    /// Log lines of the app that crashes, oldest first.
    pub crash_logs: Option<(AppId, Vec<LogLine>)>,
    /// The revision that was selected by hand.
    pub revision: Option<RevisionId>,
    /// The revision that a diff starts from, where marked.
    pub marked: Option<RevisionId>,
    /// Comparisons that have been asked for, oldest first.
    pub diff_previews: VecDeque<DiffPreview>,
    /// The revision on which the selection rests, and since when, until its comparison is asked for.
    pub resting: Option<(RevisionId, Timestamp)>,
    /// Old and new over time.
    pub trends: HashMap<RolloutId, Trend>,
    /// Dialogs, the top one last.
    pub layers: Vec<Layer>,
    /// Operations of ours under way.
    pub running: Vec<Running>,
    /// What the operator should read.
    pub notice: Option<Notice>,
    /// What is watched.
    pub interest: Interest,
    /// Numbers dialogs and operations.
    pub next_id: u64,
    /// How far the rollout panel is scrolled.
    pub scrolled: u16,
}

impl State {
    /// The state before anything is known.
    pub fn new(start: Start) -> Self {
        Self {
            now: start.now,
            targets: start.targets.into_iter().map(TargetState::new).collect(),
            demo: start.demo,
            read_only: start.read_only,
            keymap: start.keymap,
            size: start.size,
            apps: HashMap::new(),
            listed: Vec::new(),
            selected: None,
            chosen: false,
            filter: String::new(),
            filtering: false,
            only_active: false,
            held: HashMap::new(),
            sort: Sort::Need,
            panel: Panel::Apps,
            histories: HashMap::new(),
            allowed: HashMap::new(),
            events: HashMap::new(),
            crash_logs: None,
            revision: None,
            marked: None,
            diff_previews: VecDeque::new(),
            resting: None,
            trends: HashMap::new(),
            layers: Vec::new(),
            running: Vec::new(),
            notice: None,
            interest: Interest::default(),
            next_id: 1,
            scrolled: 0,
        }
    }

    /// The selected app.
    pub fn app(&self) -> Option<&App> {
        self.apps.get(self.selected.as_ref()?)
    }

    /// The revisions of the selected app.
    pub fn history(&self) -> Option<&History> {
        self.histories.get(self.selected.as_ref()?)
    }

    /// The selected revision: the one chosen by hand, else the last good one, else the first.
    pub fn selected_revision(&self) -> Option<&Revision> {
        let history = self.history()?;
        if let Some(id) = &self.revision {
            // One that is gone is not silently another one.
            return history.revisions.iter().find(|one| &one.id == id);
        }
        let rolling = self.app().is_some_and(|app| app.rollout.is_some());
        let good = || last_good(&history.revisions, rolling).map(|(one, _)| one);
        good().or_else(|| history.revisions.first())
    }

    /// The place of the selected app in the list.
    pub fn selected_at(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.listed.iter().position(|id| id == selected)
    }

    /// A target's place.
    pub fn target_state(&self, target: &TargetId) -> Option<&TargetState> {
        self.targets.iter().find(|place| &place.target.id == target)
    }

    /// A target's place, to be changed.
    pub(super) fn target_state_mut(&mut self, target: &TargetId) -> Option<&mut TargetState> {
        self.targets.iter_mut().find(|place| &place.target.id == target)
    }

    /// Where the selected app lives; the first place where none is selected.
    pub fn here(&self) -> Option<&TargetState> {
        self.app().and_then(|app| self.target_state(&app.target)).or_else(|| self.targets.first())
    }

    /// Whether what is shown of the selected app can be relied on.
    pub fn live(&self) -> bool {
        self.here().is_some_and(|place| place.connection.live(self.now))
    }

    /// Whether what is shown of an app can be relied on.
    pub fn live_app(&self, app: &App) -> bool {
        self.target_state(&app.target).is_some_and(|place| place.connection.live(self.now))
    }

    /// The target of an app that is or was on the deck.
    pub(super) fn target_of(&self, app: &AppId) -> TargetId {
        let known = self.apps.get(app).map(|app| app.target.clone());
        let only = || self.targets.first().map(|place| place.target.id.clone());
        known.or_else(only).unwrap_or_default()
    }

    /// The next number for a dialog or an operation.
    pub(super) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Takes a sample of every rollout's sides.
    pub(super) fn sample(&mut self, apps: &[App]) {
        for rollout in apps.iter().filter_map(|app| app.rollout.as_ref()) {
            let running = |side: &crate::domain::Side| side.count().running.unwrap_or(0);
            let trend = self.trends.entry(rollout.id.clone()).or_default();
            trend.guess(rollout.time_left(self.now), self.now);
            // What is told many times a second need not be drawn as often.
            if trend.at.is_some_and(|at| self.now.duration_since(at) < SAMPLE) {
                continue;
            }
            trend.at = Some(self.now);
            trend.samples.push_back((running(&rollout.old), running(&rollout.new)));
            if trend.samples.len() > SAMPLES {
                trend.samples.pop_front();
            }
        }
    }

    /// Forgets histories of apps that have not been selected for long.
    pub(super) fn trim(&mut self) {
        if self.histories.len() > HISTORIES {
            let selected = self.selected.clone();
            self.histories.retain(|id, _| Some(id) == selected.as_ref());
            self.events.retain(|id, _| Some(id) == selected.as_ref());
            self.allowed.retain(|id, _| Some(id) == selected.as_ref());
        }
        if self.trends.len() > 200 {
            let alive: std::collections::HashSet<_> = self
                .apps
                .values()
                .filter_map(|app| app.rollout.as_ref())
                .map(|one| &one.id)
                .collect();
            self.trends.retain(|id, _| alive.contains(id));
        }
    }

    /// How much is looked at.
    pub fn scope(&self) -> &Scope {
        &self.interest.scope
    }
}
