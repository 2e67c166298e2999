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

impl RevisionSummary {
    /// An end that is no more than what it is called.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), artifact: None, remark: None }
    }
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
    pub method: String,
    /// What runs now.
    pub from: Option<RevisionSummary>,
    /// What will run.
    pub to: Option<RevisionSummary>,
    /// What differs between the two.
    pub differs: Vec<Difference>,
    /// How it will run: rolling or all at once, and what capacity it needs.
    pub capacity: Vec<String>,
    /// The exact change as a unified diff, where the change is one of text.
    pub patch: Option<String>,
    /// Traps that apply.
    pub notes: Vec<Note>,
    /// The same by hand, line by line.
    pub by_hand: Vec<String>,
    /// When the data that this stands on was read.
    pub checked_at: Timestamp,
    /// What carrying it out consists of; `None` where it is refused.
    pub recipe: Option<Recipe>,
}

/// How much of a plan is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// For a screen: masked differences share a line, calls and most commands by hand are left out.
    Brief {
        /// Whether values that may be secret are shown.
        reveal: bool,
    },
    /// All of it.
    Full {
        /// Whether values that may be secret are shown.
        reveal: bool,
    },
}

/// What a part of a plan is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// Why it is not possible.
    Refused,
    /// Which way it goes.
    Method,
    /// What runs now.
    From,
    /// What will run.
    To,
    /// What differs.
    Differs,
    /// How it will run.
    Runs,
    /// Good to know.
    Note,
    /// Something may go wrong.
    Warning,
    /// The change as a diff.
    Patch,
    /// A call that will be made.
    Call,
    /// The same by hand.
    ByHand,
}

impl SectionKind {
    /// The word that stands before it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "REFUSED",
            Self::Method => "method",
            Self::From => "from",
            Self::To => "to",
            Self::Differs => "differs",
            Self::Runs => "runs",
            Self::Note => "note",
            Self::Warning => "WARNING",
            Self::Patch => "patch",
            Self::Call => "call",
            Self::ByHand => "by hand",
        }
    }

    /// Whether its lines are shown as they are, with their blanks.
    pub fn preformatted(self) -> bool {
        self == Self::Patch
    }
}

/// A part of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it is about.
    pub kind: SectionKind,
    /// Its lines, at least one.
    pub lines: Vec<String>,
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
    /// A plan with nothing in it yet but what every plan has.
    pub fn draft(request: Request, app: String, title: String, checked_at: Timestamp) -> Self {
        Self {
            request,
            app,
            title,
            refused: None,
            method: String::new(),
            from: None,
            to: None,
            differs: Vec::new(),
            capacity: Vec::new(),
            patch: None,
            notes: Vec::new(),
            by_hand: Vec::new(),
            checked_at,
            recipe: None,
        }
    }

    /// The same, refused: it cannot be carried out, and this clause says why.
    #[must_use]
    pub fn refuse(self, why: impl Into<String>) -> Self {
        Self { refused: Some(why.into()), ..self }
    }

    /// The plan laid out: what screens, dry runs, the journal and scripts show is rendered from this.
    pub fn sections(&self, how: Detail) -> Vec<Section> {
        use SectionKind::{
            ByHand, Call, Differs, From, Method, Note, Patch, Refused, Runs, To, Warning,
        };
        let mut sections = Vec::new();
        let mut add = |kind: SectionKind, lines: Vec<String>| {
            if !lines.is_empty() {
                sections.push(Section { kind, lines });
            }
        };
        let end = |end: &Option<RevisionSummary>| -> Vec<String> {
            let parts = |one: &RevisionSummary| {
                let parts = [Some(one.name.clone()), one.artifact.clone(), one.remark.clone()];
                parts.into_iter().flatten().collect::<Vec<_>>().join("   ")
            };
            end.iter().map(parts).collect()
        };
        add(Refused, self.refused.iter().cloned().collect());
        let (notes, warnings): (Vec<_>, Vec<_>) =
            self.notes.iter().partition(|note| matches!(note, self::Note::Info(_)));
        for warning in warnings {
            add(Warning, vec![warning.text().to_owned()]);
        }
        add(
            Method,
            Some(self.method.clone()).into_iter().filter(|text| !text.is_empty()).collect(),
        );
        add(From, end(&self.from));
        add(To, end(&self.to));
        add(Differs, self.differences(how));
        add(Runs, self.capacity.clone());
        for note in notes {
            add(Note, vec![note.text().to_owned()]);
        }
        add(Patch, self.patch.iter().flat_map(|patch| patch.lines()).map(str::to_owned).collect());
        if let Detail::Full { .. } = how {
            add(Call, self.calls().map(str::to_owned).collect());
            add(ByHand, self.by_hand.clone());
        } else if let Some(first) = self.by_hand.first() {
            let more = self.by_hand.len() - 1;
            let more = if more > 0 { format!("  (+{more} more, Y copies)") } else { String::new() };
            add(ByHand, vec![format!("{first}{more}")]);
        }
        sections
    }

    fn differences(&self, how: Detail) -> Vec<String> {
        let full = |reveal: bool| -> Vec<String> {
            let line = |one: &Difference| format!("{} {}", one.group.word(), one.line(reveal));
            self.differs.iter().map(line).collect()
        };
        match how {
            Detail::Full { reveal } => {
                let lines = full(reveal);
                let compared = self.from.is_some() && self.to.is_some() && self.compares();
                if lines.is_empty() && compared {
                    return vec!["nothing that can be compared".to_owned()];
                }
                lines
            }
            Detail::Brief { reveal: true } => full(true),
            // While they are masked, names are enough and share a line.
            Detail::Brief { reveal: false } if self.differs.is_empty() => Vec::new(),
            Detail::Brief { reveal: false } => {
                let name = |one: &Difference| {
                    if one.secret {
                        format!("{} (value hidden)", one.key)
                    } else if one.group == super::Group::Artifact && one.line(false).contains('/') {
                        // Of an image the registry matters as much as the tag.
                        format!("{} {}", one.group.word(), one.line(false))
                    } else {
                        format!("{} {}", one.group.word(), one.key)
                    }
                };
                vec![self.differs.iter().map(name).collect::<Vec<_>>().join(" · ")]
            }
        }
    }

    /// The plan as labelled lines: the same in a dry run and in the journal. Values that may be secret are masked unless
    /// `reveal`.
    pub fn lines(&self, reveal: bool) -> Vec<(&'static str, String)> {
        let sections = self.sections(Detail::Full { reveal }).into_iter();
        sections
            .flat_map(|section| {
                let label = section.kind.label();
                section.lines.into_iter().map(move |line| (label, line))
            })
            .collect()
    }

    /// The calls that will be made, in order, with those that come when it is over.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        let steps =
            self.recipe.iter().flat_map(|recipe| recipe.steps.iter().chain(&recipe.afterwards));
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
