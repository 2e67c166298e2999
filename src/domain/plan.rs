//! Plans: the exact effect of an operation, worked out from fresh data before anything is sent.

use jiff::Timestamp;

use super::{Difference, Recipe, Request};

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
pub struct RevisionSummary {
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
    pub from: Option<RevisionSummary>,
    /// What will run.
    pub to: Option<RevisionSummary>,
    /// What differs between the two.
    pub differs: Vec<Difference>,
    /// How it will run: rolling or all at once, and what capacity it needs.
    pub capacity: Vec<String>,
    /// Traps that apply.
    pub notes: Vec<Note>,
    /// The same by hand, line by line.
    pub by_hand: Vec<String>,
    /// When the data that this stands on was read.
    pub checked_at: Timestamp,
    /// What carrying it out consists of; `None` where it is refused.
    pub recipe: Option<Recipe>,
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
    /// The plan as labelled lines: the same on screen, in a dry run and in the journal. Values that may be secret are
    /// masked unless `reveal`.
    pub fn lines(&self, reveal: bool) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let end = |end: &RevisionSummary| {
            let parts = [Some(end.name.clone()), end.artifact.clone(), end.remark.clone()];
            parts.into_iter().flatten().collect::<Vec<_>>().join("   ")
        };
        if let Some(refused) = &self.refused {
            lines.push(("REFUSED", refused.clone()));
        }
        if !self.way.is_empty() {
            lines.push(("way", self.way.clone()));
        }
        lines.extend(self.from.as_ref().map(|from| ("from", end(from))));
        lines.extend(self.to.as_ref().map(|to| ("to", end(to))));
        lines.extend(
            self.differs
                .iter()
                .map(|one| ("differs", format!("{} {}", one.group.word(), one.line(reveal)))),
        );
        if self.from.is_some() && self.to.is_some() && self.differs.is_empty() && self.compares() {
            lines.push(("differs", "nothing that can be compared".to_owned()));
        }
        lines.extend(self.capacity.iter().map(|line| ("runs", line.clone())));
        lines.extend(self.notes.iter().map(|note| match note {
            Note::Info(text) => ("note", text.clone()),
            Note::Warning(text) => ("WARNING", text.clone()),
        }));
        lines.extend(self.calls().map(|call| ("call", call.to_owned())));
        lines.extend(self.by_hand.iter().map(|line| ("by hand", line.clone())));
        lines
    }

    /// The calls that will be made, in order.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        let steps = self.recipe.iter().flat_map(|recipe| &recipe.steps);
        steps.flat_map(|step| &step.calls).map(String::as_str)
    }

    /// Whether this operation changes the configuration to a known one.
    fn compares(&self) -> bool {
        self.refused.is_none() && matches!(self.request.operation, super::Operation::RollBack(_))
    }

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
