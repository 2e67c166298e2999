//! Apps and the condition that they are in.

use std::fmt;

use jiff::Timestamp;

use super::{AppId, AppKey, Phase, PlatformKind, RevisionRef, Rollout, Side, TargetId};

/// How many instances are wanted and how many of them run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Wanted by the platform now.
    pub desired: u32,
    /// Running and ready; `None` where the platform did not say, which is not zero.
    pub running: Option<u32>,
}

/// What an app is asked to be, and whether it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppState {
    /// All instances that are wanted run.
    Ok,
    /// Some instances do not run.
    Degraded,
    /// No instance runs though some are wanted.
    Down,
    /// Switched off by somebody.
    Stopped,
    /// The platform did not say.
    Unknown,
}

impl AppState {
    /// Judges the instances of a started app.
    pub fn judge(count: Count) -> Self {
        match count.running {
            None => Self::Unknown,
            Some(running) if running >= count.desired => Self::Ok,
            Some(0) => Self::Down,
            Some(_) => Self::Degraded,
        }
    }
}

/// One app: what is deployed and rolled back as one.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// Where it lives.
    pub target: TargetId,
    /// What kind of platform that is.
    pub platform: PlatformKind,
    /// Its identifier there.
    pub id: AppId,
    /// Its name, cleaned.
    pub name: String,
    /// The group that it belongs to, such as `acme/prod`.
    pub scope: String,
    /// Whether it runs, rollouts aside.
    pub state: AppState,
    /// How many instances are wanted in the end, and how many run on both sides of a rollout.
    pub instances: Count,
    /// What serves now; during a rollout the old side's.
    pub deployed: Option<RevisionRef>,
    /// The rollout in progress.
    pub rollout: Option<Rollout>,
    /// Its instances, where nothing rolls and not all of them run.
    pub serving: Option<Side>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Whether the platform keeps revisions of it; `None` until asked.
    pub versioned: Option<bool>,
    /// Whether nothing new rolls out until somebody lets it, also while nothing rolls.
    pub paused: bool,
    /// What would move it besides rollouts and is held back until it is released, such as `auto scaling`.
    pub on_hold: Option<String>,
    /// The options of a deploy that can bring it something new, by name; all that its platform has where it is empty.
    pub takes: &'static [&'static str],
}

/// What an operator sees of an app in one word, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Its rollout does not move, and something is broken.
    Stuck,
    /// Its rollout does not move, and nothing is known to be broken.
    Slow,
    /// Its rollout moves.
    Rolling,
    /// Its rollout is being undone by the platform.
    Cancelling,
    /// Its rollout waits for somebody, or the next one would.
    Paused,
    /// No instance runs.
    Down,
    /// Some instances do not run.
    Degraded,
    /// Nobody knows.
    Unknown,
    /// All is well.
    Ok,
    /// Switched off.
    Stopped,
}

impl Condition {
    /// The word that scripts see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Slow => "slow",
            Self::Rolling => "rolling",
            Self::Cancelling => "cancelling",
            Self::Paused => "paused",
            Self::Down => "down",
            Self::Degraded => "degraded",
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Stopped => "stopped",
        }
    }

    /// Whether an operator should look at it.
    pub fn needs_attention(self) -> bool {
        self < Self::Unknown
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl App {
    /// What it is known by on the deck.
    pub fn key(&self) -> AppKey {
        AppKey::new(self.target.clone(), self.id.clone())
    }

    /// Whether something else than what serves is on its way, or was begun.
    pub fn rolls(&self) -> bool {
        self.rollout.as_ref().is_some_and(|rollout| !rollout.proposed)
    }

    /// What to say of it in one word.
    pub fn condition(&self) -> Condition {
        if let Some(rollout) = &self.rollout {
            match rollout.phase {
                Phase::Stuck => return Condition::Stuck,
                Phase::Slow => return Condition::Slow,
                Phase::Accepted | Phase::Rolling => return Condition::Rolling,
                Phase::Cancelling => return Condition::Cancelling,
                // What was cancelled and is still asked for waits for somebody to take it back.
                Phase::Paused | Phase::Cancelled => return Condition::Paused,
                Phase::Done | Phase::Superseded | Phase::Failed => {}
            }
        }
        match self.state {
            AppState::Ok if self.paused => Condition::Paused,
            AppState::Ok => Condition::Ok,
            AppState::Degraded => Condition::Degraded,
            AppState::Down => Condition::Down,
            AppState::Stopped => Condition::Stopped,
            AppState::Unknown => Condition::Unknown,
        }
    }
}
