//! Everything that the dashboard knows.

use std::collections::{BTreeSet, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    dialog::{DiffPreview, Layer},
    keymap::Keymap,
    mouse::Mouse,
    notify::Notifying,
    target_state::TargetState,
    wide::Wide,
};
use crate::domain::{
    App, AppEvent, AppKey, Capabilities, Condition, History, Interest, Judgement, LogLine, Outcome,
    Phase, Receipt, Recording, Revision, RevisionId, RolloutId, Scope, Standing, Target, TargetId,
    Thresholds, Verb, Verdict, last_good,
};

/// The least time between two samples.
pub const SAMPLE: SignedDuration = SignedDuration::from_secs(4);
/// How many samples of old and new are kept for a rollout.
const SAMPLES: usize = 240;
/// How much of what was seen of an app's rollouts is kept.
const SEEN: usize = 300;
/// How a note of a verdict begins.
const VERDICT: &str = "the new side is ";
/// Of how many apps the details are kept.
const DETAILED: usize = 40;

/// What the dashboard starts with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Where it looks; at least one.
    pub targets: Vec<Target>,
    /// Whether this is the demo.
    pub demo: bool,
    /// How many seconds of the clock pass in a real one.
    pub speed: f64,
    /// Whether every operation is refused.
    pub read_only: bool,
    /// The key table.
    pub keymap: Keymap,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The present time.
    pub now: Timestamp,
    /// Operations of earlier runs that have no end yet.
    pub open: Vec<Receipt>,
    /// What could not be read of the journal, a sentence each.
    pub complaints: Vec<String>,
    /// How the apps are ordered at first.
    pub sort: Sort,
    /// Whether only what is rolling or broken is listed at first.
    pub only_active: bool,
    /// How much is looked at, at first.
    pub scope: Scope,
    /// From where on the new side counts as worse than the old one.
    pub thresholds: Thresholds,
    /// Whether the mouse is wanted at first.
    pub mouse: bool,
    /// Apps that stand above others of their class.
    pub pinned: BTreeSet<AppKey>,
    /// The app that was selected when the deck was left last.
    pub last: Option<AppKey>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Whether it stays exactly where it was, rather than below those that need somebody now.
    pub firm: bool,
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

/// All that is known of one app.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The app.
    pub app: App,
    /// Its revisions, where they have been read.
    pub history: Option<History>,
    /// What can be done with it, where that is not what its target can do.
    pub allowed: Option<Capabilities>,
    /// Its latest events, newest first, where they have been read.
    pub events: Option<Vec<AppEvent>>,
    /// What its new instances said last while they crash, oldest first.
    pub crash_logs: Vec<LogLine>,
    /// Set where it keeps its row for a while: a list that jumps is one in which the wrong row is hit.
    pub held: Option<Held>,
    /// What its instances use, where somebody looked at them lately.
    pub recording: Option<Recording>,
    /// Old and new over time, of the rollout in progress.
    pub trend: Option<(RolloutId, Trend)>,
    /// How its rollouts were seen to go, the oldest first: for the record of an incident.
    pub seen: VecDeque<AppEvent>,
}

impl Known {
    pub(super) fn new(app: App) -> Self {
        Self {
            app,
            history: None,
            allowed: None,
            events: None,
            crash_logs: Vec::new(),
            held: None,
            recording: None,
            trend: None,
            seen: VecDeque::new(),
        }
    }

    /// Notes how its rollout stands, where that is not what was noted last.
    pub(super) fn note_progress(&mut self, at: Timestamp) {
        let Some(rollout) = &self.app.rollout else { return };
        let (what, bad) = (rollout.progress(), rollout.phase == Phase::Stuck);
        let last = self.seen.iter().rev().find(|one| !one.what.starts_with(VERDICT));
        if last.is_none_or(|last| last.what != what) {
            self.note(at, what, bad);
        }
    }

    /// Notes whether its new side is worse, where that is not what was noted last: its figures change all the time.
    pub(super) fn note_verdict(&mut self, at: Timestamp, verdict: &Verdict) {
        let word = format!("{VERDICT}{}: ", verdict.judgement.word());
        let last = self.seen.iter().rev().find(|one| one.what.starts_with(VERDICT));
        if last.is_none_or(|last| !last.what.starts_with(&word)) {
            let bad = verdict.judgement == Judgement::Worse;
            self.note(at, word + &verdict.why(), bad);
        }
    }

    fn note(&mut self, at: Timestamp, what: String, bad: bool) {
        let who = "revdeck".to_owned();
        self.seen.push_back(AppEvent { at, who, what, bad, routine: true });
        if self.seen.len() > SEEN {
            self.seen.pop_front();
        }
    }

    /// Whether the new side of the rollout in progress is worse than the old one, by what was read lately.
    pub fn verdict(&self, thresholds: &Thresholds, now: Timestamp) -> Option<Verdict> {
        let recording = self.recording.as_ref()?;
        let read = recording.latest()?;
        let old = now.duration_since(read.at) > read.pace * 3;
        (self.app.rolls() && !old).then(|| Verdict::of(recording, thresholds))?
    }

    /// The samples of the rollout in progress.
    pub fn trend(&self) -> Option<&Trend> {
        let rollout = self.app.rollout.as_ref()?;
        self.trend.as_ref().filter(|(id, _)| *id == rollout.id).map(|(_, trend)| trend)
    }

    /// Takes a sample of the sides of the rollout in progress.
    pub(super) fn sample(&mut self, now: Timestamp) {
        let Some(rollout) = &self.app.rollout else {
            self.trend = None;
            return;
        };
        if self.trend.as_ref().is_none_or(|(id, _)| *id != rollout.id) {
            self.trend = Some((rollout.id.clone(), Trend::default()));
        }
        let Some((_, trend)) = &mut self.trend else { return };
        trend.guess(rollout.time_left(now), now);
        // What is told many times a second need not be drawn as often.
        if trend.at.is_some_and(|at| now.duration_since(at) < SAMPLE) {
            return;
        }
        let running = |side: &crate::domain::Side| side.count().running.unwrap_or(0);
        trend.at = Some(now);
        trend.samples.push_back((running(&rollout.old), running(&rollout.new)));
        if trend.samples.len() > SAMPLES {
            trend.samples.pop_front();
        }
    }
}

/// What the screen shows, over all targets, so that no more is asked for than that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    /// How much is looked at.
    pub scope: Scope,
    /// The app that is selected.
    pub focus: Option<AppKey>,
    /// Apps in sight whose deployed revision has no label yet.
    pub incomplete: Vec<AppKey>,
    /// Changed to have everything read again at once.
    pub nudge: u64,
}

impl Attention {
    /// The part of it that one target is told.
    pub fn of(&self, target: &TargetId) -> Interest {
        let own = |key: &&AppKey| key.target == *target;
        Interest {
            scope: self.scope.clone(),
            focus: self.focus.as_ref().filter(own).map(|key| key.app.clone()),
            incomplete: self.incomplete.iter().filter(own).map(|key| key.app.clone()).collect(),
            nudge: self.nudge,
        }
    }
}

/// An operation of ours under way.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its number.
    pub id: u64,
    /// The app.
    pub app: AppKey,
    /// Its name.
    pub name: String,
    /// What was asked for.
    pub verb: Verb,
    /// Its name in the journal.
    pub operation: Option<String>,
    /// What to follow it by, once it has been sent.
    pub receipt: Option<Receipt>,
    /// How far it is.
    pub standing: Option<Standing>,
    /// The last thing it said.
    pub line: String,
    /// What it said before, the latest last.
    pub said: Vec<String>,
    /// Whether a look at it is under way.
    pub looking: bool,
    /// When it may be looked at again.
    pub look_at: Timestamp,
    /// Whether what was left of it has been sent, or tried.
    pub resumed: bool,
    /// Why nothing more of it is sent now, in a clause.
    pub hindered: Option<String>,
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
    /// From where on the new side counts as worse than the old one.
    pub thresholds: Thresholds,
    /// Who looks, and what they do not want to hear.
    pub notifying: Notifying,
    /// The mouse.
    pub mouse: Mouse,
    /// Columns and rows.
    pub size: (u16, u16),
    /// All apps, and what is known of each.
    pub apps: HashMap<AppKey, Known>,
    /// Those that are listed, in order.
    pub listed: Vec<AppKey>,
    /// The selected one.
    pub selected: Option<AppKey>,
    /// Whether the operator has chosen it, rather than the order.
    pub chosen: bool,
    /// The filter's text.
    pub filter: String,
    /// Whether the filter is being typed.
    pub filtering: bool,
    /// What was selected before the filter was typed, and whether by hand.
    pub(super) before_filter: Option<(AppKey, bool)>,
    /// Whether only what is rolling or broken is listed.
    pub only_active: bool,
    /// How the apps are ordered.
    pub sort: Sort,
    /// Apps that stand above others of their class.
    pub pinned: BTreeSet<AppKey>,
    /// The app that the operator selected last, in this run or an earlier one.
    pub last: Option<AppKey>,
    /// The panel that has the keys.
    pub panel: Panel,
    /// Whether that panel has all the room.
    pub zoomed: bool,
    /// The revision that was selected by hand.
    pub revision: Option<RevisionId>,
    /// The revision that a diff starts from, where marked.
    pub marked: Option<RevisionId>,
    /// Comparisons that have been asked for, oldest first.
    pub diff_previews: VecDeque<DiffPreview>,
    /// The revision on which the selection rests, and since when, until its comparison is asked for.
    pub resting: Option<(RevisionId, Timestamp)>,
    /// Dialogs, the top one last.
    pub layers: Vec<Layer>,
    /// Operations of ours under way.
    pub running: Vec<Running>,
    /// What the operator should read.
    pub notice: Option<Notice>,
    /// Since when it stands there, where it had to wait or is an outcome.
    pub(super) noticed_at: Option<Timestamp>,
    /// What waits until that has stood for a while.
    pub waiting: VecDeque<Notice>,
    /// Apps that a roll back of ours has brought back, and when.
    pub(super) rolled_back: HashMap<AppKey, Timestamp>,
    /// What is watched.
    pub attention: Attention,
    /// Numbers dialogs and operations.
    pub next_id: u64,
    /// What is asked for because the screen is wide.
    pub wide: Wide,
    /// How far the rollout panel is scrolled.
    pub scrolled: u16,
    /// Whether the operator has asked to leave while something is being sent.
    pub leaving: bool,
    /// Operations of earlier runs that have no end yet, until they are taken up.
    pub(super) open: Vec<Receipt>,
    /// What could not be read of the journal, until it is said.
    pub(super) complaints: Vec<String>,
}

impl State {
    /// The state before anything is known.
    pub fn new(start: Start) -> Self {
        Self {
            now: start.now,
            targets: start
                .targets
                .into_iter()
                .map(|target| {
                    let mut one = TargetState::new(target);
                    one.connection.speed = start.speed;
                    one
                })
                .collect(),
            demo: start.demo,
            read_only: start.read_only,
            keymap: start.keymap,
            thresholds: start.thresholds,
            notifying: Notifying::default(),
            mouse: Mouse { on: start.mouse, ..Mouse::default() },
            size: start.size,
            apps: HashMap::new(),
            listed: Vec::new(),
            selected: None,
            chosen: false,
            filter: String::new(),
            filtering: false,
            before_filter: None,
            only_active: start.only_active,
            sort: start.sort,
            pinned: start.pinned,
            last: start.last,
            panel: Panel::Apps,
            zoomed: false,
            revision: None,
            marked: None,
            diff_previews: VecDeque::new(),
            resting: None,
            layers: Vec::new(),
            running: Vec::new(),
            notice: None,
            noticed_at: None,
            waiting: VecDeque::new(),
            rolled_back: HashMap::new(),
            attention: Attention { scope: start.scope, ..Attention::default() },
            next_id: 1,
            wide: Wide::default(),
            scrolled: 0,
            leaving: false,
            open: start.open,
            complaints: start.complaints,
        }
    }

    /// What is known of the selected app.
    pub fn known(&self) -> Option<&Known> {
        self.apps.get(self.selected.as_ref()?)
    }

    /// The selected app.
    pub fn app(&self) -> Option<&App> {
        self.known().map(|known| &known.app)
    }

    /// The revisions of the selected app.
    pub fn history(&self) -> Option<&History> {
        self.known()?.history.as_ref()
    }

    /// The selected revision: the one chosen by hand, else the last good one, else the first.
    pub fn selected_revision(&self) -> Option<&Revision> {
        let history = self.history()?;
        if let Some(id) = &self.revision {
            // One that is gone is not silently another one.
            return history.revisions.iter().find(|one| &one.id == id);
        }
        let rolling = self.app().is_some_and(App::rolls);
        let good = || last_good(&history.revisions, rolling).map(|(one, _)| one);
        good().or_else(|| history.revisions.first())
    }

    /// The place of the selected app in the list.
    pub fn selected_at(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.listed.iter().position(|id| id == selected)
    }

    /// Whether the mouse is wanted now: pages and plans leave it to the terminal, so that their text can be selected.
    pub fn mouse_wanted(&self) -> bool {
        self.mouse.on && self.layers.is_empty()
    }

    /// What is known of a target.
    pub fn target_state(&self, target: &TargetId) -> Option<&TargetState> {
        self.targets.iter().find(|one| &one.target.id == target)
    }

    /// What is known of a target, to be changed.
    pub(super) fn target_state_mut(&mut self, target: &TargetId) -> Option<&mut TargetState> {
        self.targets.iter_mut().find(|one| &one.target.id == target)
    }

    /// The target of the selected app; the first target where none is selected.
    pub fn here(&self) -> Option<&TargetState> {
        self.app().and_then(|app| self.target_state(&app.target)).or_else(|| self.targets.first())
    }

    /// Whether what is shown of the selected app can be relied on.
    pub fn live(&self) -> bool {
        self.here().is_some_and(|one| one.connection.live(self.now))
    }

    /// Whether what is shown of an app can be relied on.
    pub fn live_app(&self, app: &App) -> bool {
        self.target_state(&app.target).is_some_and(|one| one.connection.live(self.now))
    }

    /// Whether an app is left out of the list with all others of its login.
    pub fn is_off(&self, app: &App) -> bool {
        self.target_state(&app.target).is_some_and(|target| target.off)
    }

    /// The next number for a dialog or an operation.
    pub(super) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Forgets the details of apps that have not been selected for long.
    pub(super) fn trim(&mut self) {
        if self.apps.values().filter(|known| known.history.is_some()).count() <= DETAILED {
            return;
        }
        for (key, known) in &mut self.apps {
            if Some(key) != self.selected.as_ref() {
                (known.history, known.allowed) = (None, None);
                (known.events, known.crash_logs) = (None, Vec::new());
                known.recording = None;
            }
        }
    }

    /// How much is looked at.
    pub fn scope(&self) -> &Scope {
        &self.attention.scope
    }
}
