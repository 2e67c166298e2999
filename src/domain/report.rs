//! What a target reports while it is watched, and what the watcher is told to look at.

use jiff::Timestamp;

use serde::{Deserialize, Serialize};

use super::{App, AppId, Capabilities, History, LogLine, Target};

/// How much of a target is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Where the login points.
    #[default]
    Home,
    /// All that belongs to the same organization, account or cluster.
    Organization,
    /// All that the login can see.
    Everything,
}

/// What the screen shows, so that no more is asked for than that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// How much is looked at.
    pub scope: Scope,
    /// The app that is selected.
    pub focus: Option<AppId>,
    /// Apps in sight of which something is not known yet: what their deployed revision is called, or how many instances run.
    pub incomplete: Vec<AppId>,
    /// Changed to have everything read again at once.
    pub nudge: u64,
}

/// What kind of problem it is; decides the advice and the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Nobody is logged in, or the login has run out.
    Login,
    /// The login may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The API does not answer or cannot be reached.
    Unreachable,
    /// The API asks for fewer requests.
    RateLimited,
    /// The platform said no.
    Refused,
    /// The answer made no sense.
    Garbled,
}

/// Something went wrong, in one sentence of what, where and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// One sentence.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// How a target is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The version of its API.
    pub api_version: Option<String>,
    /// Requests that the server still allows in its present window, and of how many.
    pub requests_left: Option<(u64, u64)>,
    /// Where the scope points, such as `acme/prod`.
    pub scope_label: Option<String>,
    /// Whether changes come by themselves, rather than being asked for now and then.
    pub watched: bool,
    /// What of the scope is not shown because the login may not see it, such as `daemonsets`.
    pub hidden: Vec<String>,
}

/// News of a target. Only what has changed travels.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// These apps are new or have changed, those are gone; read at `at`.
    Apps {
        /// New or changed.
        changed: Vec<App>,
        /// No longer there.
        gone: Vec<AppId>,
        /// When it was read.
        at: Timestamp,
        /// How long until the next reading at the latest; data older than twice this is stale.
        fresh_for: jiff::SignedDuration,
    },
    /// The target is another than was known at the start: it could be opened by now.
    Target(Target),
    /// The scope changed: forget all apps.
    Reset,
    /// The revisions of the focused app.
    History {
        /// Which app.
        app: AppId,
        /// Its revisions.
        history: History,
    },
    /// What can be done with the focused app, where that is not what the target can do.
    Allowed {
        /// Which app.
        app: AppId,
        /// What can be done with it.
        capabilities: Capabilities,
    },
    /// Log lines of the focused app, while its new instances are broken, oldest first.
    Logs {
        /// Which app.
        app: AppId,
        /// The lines.
        lines: Vec<LogLine>,
    },
    /// The latest events of the focused app, newest first.
    Events {
        /// Which app.
        app: AppId,
        /// What happened.
        events: Vec<AppEvent>,
    },
    /// The target's status changed.
    Status(Status),
    /// A reading failed; the next one is tried at `retry_at`.
    Problem {
        /// What went wrong.
        problem: Problem,
        /// When it is tried again.
        retry_at: Timestamp,
    },
}

/// Something that happened to an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppEvent {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What, in a clause such as `created a deployment of rev 8`.
    pub what: String,
    /// Whether it is a crash or a failure.
    pub bad: bool,
    /// Whether it is only a step of what the rollout shows anyway.
    pub routine: bool,
}
