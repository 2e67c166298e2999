//! Plans: the exact effect of an operation, worked out from fresh data before anything is sent.

use jiff::Timestamp;

use super::{Difference, Request};

/// A line that the operator should read before confirming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Good to know.
    Info(String),
    /// Something may go wrong.
    Warning(String),
}

impl Note {
    /// The text.
    pub fn text(&self) -> &str {
        match self {
            Self::Info(text) | Self::Warning(text) => text,
        }
    }
}

/// One end of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanEnd {
    /// `rev 7`, or another name.
    pub name: String,
    /// What it runs, shortened.
    pub artifact: Option<String>,
    /// What else is known, such as `deployed 2d ago by mika`.
    pub remark: Option<String>,
}

/// The exact effect of an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What was asked for.
    pub request: Request,
    /// The app's name.
    pub app: String,
    /// One line: what happens, to what.
    pub title: String,
    /// Why it is not possible; such a plan cannot be confirmed.
    pub refused: Option<String>,
    /// Which way it goes and why that way.
    pub way: String,
    /// What runs now.
    pub from: Option<PlanEnd>,
    /// What will run.
    pub to: Option<PlanEnd>,
    /// What differs between the two.
    pub differs: Vec<Difference>,
    /// How it will run: rolling or all at once, and what capacity it needs.
    pub capacity: Vec<String>,
    /// Traps that apply.
    pub notes: Vec<Note>,
    /// The same by hand, line by line.
    pub by_hand: Vec<String>,
    /// The calls that will be made.
    pub calls: Vec<String>,
    /// When the data that this stands on was read.
    pub checked_at: Timestamp,
    /// What the adapter needs to carry it out and to see whether the world has changed since. Opaque to all others;
    /// it holds no secrets.
    pub recipe: serde_json::Value,
}

/// How an operator agreed to a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// With the confirming key, after the whole plan was on screen.
    AtScreen,
    /// By answering the question of a command.
    Answered,
    /// With `--yes`.
    Flag,
}

/// A plan that somebody agreed to: the only thing that an adapter executes.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmed {
    plan: Plan,
    consent: Consent,
}

impl Plan {
    /// Confirms the plan; a refused one comes back as the reason.
    pub fn confirm(self, consent: Consent) -> Result<Confirmed, String> {
        match self.refused {
            Some(reason) => Err(reason),
            None => Ok(Confirmed { plan: self, consent }),
        }
    }
}

impl Confirmed {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How it was agreed to.
    pub fn consent(&self) -> Consent {
        self.consent
    }
}
