//! What lies over the deck: dialogs, the top one first to take a key.

use jiff::Timestamp;
use tui_textarea::TextArea;

use crate::domain::{
    AppEvent, AppKey, Difference, OptionSpec, Plan, PlatformKind, Problem, Request, RevisionId,
    TargetId, Verb,
};

use super::{key::Key, log_page::LogPage};

/// One dialog.
#[derive(Clone, Debug)]
pub enum Layer {
    /// A plan to confirm or leave.
    Plan(Box<PlanDialog>),
    /// The key table.
    Help {
        /// Rows scrolled.
        scroll: usize,
    },
    /// Commands by name.
    Palette {
        /// What was typed.
        text: String,
        /// The row that is selected.
        at: usize,
    },
    /// What happened to an app.
    Events(Page<AppEvent>),
    /// Log lines of an app.
    Logs(Box<LogPage>),
    /// The instances of an app, old and new.
    Instances(Box<InstancesPage>),
    /// What differs between two revisions.
    Diff(Box<DiffDialog>),
    /// What to deploy.
    Deploy(Box<DeployDialog>),
    /// Where to look.
    Targets(TargetsDialog),
}

/// How much is looked at, and which logins are listed.
#[derive(Clone, Debug, Default)]
pub struct TargetsDialog {
    /// The row that is selected: first come the scopes, then the logins.
    pub at: usize,
    /// What is looked for among the logins.
    pub search: String,
    /// Whether that is being typed.
    pub typing: bool,
}

/// Rows that have been asked for.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Which request belongs to it.
    pub id: u64,
    /// Whose.
    pub app: AppKey,
    /// The app's name.
    pub name: String,
    /// The rows, once they are there.
    pub rows: Option<Result<Vec<T>, Problem>>,
    /// Rows scrolled from the newest.
    pub scroll: usize,
}

/// In which order instances stand; the worst come first in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InstanceOrder {
    /// New ones, then old ones; of each what is broken first.
    #[default]
    Side,
    /// What is broken first, whatever its side.
    State,
    /// What was started anew most often.
    Restarts,
    /// What uses most processor.
    Cpu,
    /// What uses most of its memory.
    Memory,
    /// What has changed last.
    Since,
}

impl InstanceOrder {
    const ALL: [Self; 6] =
        [Self::Side, Self::State, Self::Restarts, Self::Cpu, Self::Memory, Self::Since];

    /// The next one.
    pub(super) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|one| *one == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Side => "side",
            Self::State => "state",
            Self::Restarts => "restarts",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Since => "since",
        }
    }
}

/// The instances of an app, read again and again while the page is open.
#[derive(Clone, Debug)]
pub struct InstancesPage {
    /// Which request belongs to it.
    pub id: u64,
    /// Whose.
    pub app: AppKey,
    /// The app's name.
    pub name: String,
    /// How they are ordered.
    pub order: InstanceOrder,
    /// The one that is selected, by its identifier; the first one where it is none or gone.
    pub selected: Option<String>,
    /// Whether everything about the selected one is shown.
    pub whole: bool,
    /// Since when an answer is waited for.
    pub asked: Option<Timestamp>,
    /// Why the last reading failed.
    pub problem: Option<Problem>,
    /// The request for a shell that has no answer yet.
    pub shell: Option<u64>,
}

/// A plan, from the question to the answer.
#[derive(Clone, Debug)]
pub struct PlanDialog {
    /// Which request belongs to it.
    pub id: u64,
    /// Where the app lives.
    pub target: TargetId,
    /// What was asked for.
    pub request: Request,
    /// The app's name.
    pub name: String,
    /// The key that opened it: it never confirms.
    pub opened_by: Option<Key>,
    /// The plan, once it is there.
    pub plan: Option<Result<Plan, Problem>>,
    /// When the whole plan was first on screen.
    pub shown_at: Option<Timestamp>,
    /// What was read of a plan that is made anew for its reason alone, and when that was first on screen.
    pub read: Option<(Timestamp, Vec<(&'static str, String)>)>,
    /// Why the plan no longer holds.
    pub void: Option<String>,
    /// Rows scrolled.
    pub scroll: usize,
    /// Whether values are shown.
    pub reveal: bool,
    /// The reason that is being typed.
    pub why: Option<Box<TextArea<'static>>>,
    /// The rollout of the app when the dialog was opened, as identifier and phase.
    pub seen: Option<(String, String)>,
}

/// Differences, and what could not be read.
pub type Found = (Vec<Difference>, Vec<String>);

/// What differs between the deployed and the selected revision, shown beside the revisions.
#[derive(Clone, Debug)]
pub struct DiffPreview {
    /// Which request belongs to it.
    pub id: u64,
    /// Whose revisions.
    pub app: AppKey,
    /// The deployed revision.
    pub from: RevisionId,
    /// The selected one.
    pub to: RevisionId,
    /// Labels: from and to.
    pub labels: (String, String),
    /// The differences and what could not be read, once they are there.
    pub found: Option<Found>,
}

/// What differs between two revisions.
#[derive(Clone, Debug)]
pub struct DiffDialog {
    /// Which request belongs to it.
    pub id: u64,
    /// Labels: from and to.
    pub labels: (String, String),
    /// The differences and what could not be read, once they are there.
    pub found: Option<Result<Found, Problem>>,
    /// Whether values are shown.
    pub reveal: bool,
    /// Rows scrolled.
    pub scroll: usize,
}

/// A form of the options of a verb, such as what to deploy, and how.
#[derive(Clone, Debug)]
pub struct DeployDialog {
    /// What the form is for.
    pub verb: Verb,
    /// The app.
    pub app: AppKey,
    /// Its name.
    pub name: String,
    /// Its platform.
    pub platform: PlatformKind,
    /// The field that has the keys.
    pub at: usize,
    /// The options that the platform has.
    pub fields: Vec<OptionSpec>,
    /// What each field holds.
    pub values: Vec<String>,
    /// What is wrong with them.
    pub wrong: Option<String>,
}

impl DeployDialog {
    /// The text of the field that has the keys.
    pub(super) fn value(&mut self) -> &mut String {
        if self.values.is_empty() {
            self.values.push(String::new());
        }
        let at = self.at.min(self.values.len() - 1);
        &mut self.values[at]
    }
}

impl PlanDialog {
    /// The app that it is about.
    pub fn app(&self) -> AppKey {
        AppKey::new(self.target.clone(), self.request.app.clone())
    }
}
