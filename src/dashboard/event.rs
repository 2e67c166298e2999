//! What comes in and what goes out.

use super::{
    key::Key,
    mouse::{Gesture, Spot},
    state::Attention,
};
use crate::domain::{
    AppEvent, AppKey, Capabilities, Confirmed, Detail, LogBatch, LogQuery, Outcome, Plan, Problem,
    Reading, Receipt, Report, Request, RevisionId, Settlement, Shell, TargetId,
};

/// Where copied text is, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// The terminal was told; it says nothing of what it does with it.
    Offered,
    /// tmux has it in its buffer and has told the terminal.
    InTmux,
    /// tmux or screen was told to pass it on to the terminal, and may not do so.
    Through,
}

impl Copied {
    /// The same in a clause.
    pub fn words(self) -> &'static str {
        match self {
            Self::Offered => "offered to your terminal's clipboard",
            Self::InTmux => "in tmux's buffer, and offered to your terminal's clipboard",
            Self::Through => {
                "offered to your terminal's clipboard, if what is in between passes it on"
            }
        }
    }
}

/// Everything that can happen to the dashboard.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// A frame with the present state is on its way to the terminal.
    Painted,
    /// The mouse did something on the deck.
    Mouse {
        /// What is under it.
        spot: Spot,
        /// Column and row.
        at: (u16, u16),
        /// What it did.
        gesture: Gesture,
    },
    /// The terminal has got the focus, or lost it.
    Focus(bool),
    /// Time has passed.
    Tick,
    /// Text was put on the clipboard, as far as that is known.
    Copied {
        /// What of it is shown.
        shown: String,
        /// Where it is now.
        how: Copied,
    },
    /// News of a target.
    Report {
        /// Which one.
        target: TargetId,
        /// What it reports.
        report: Report,
    },
    /// What a target can do.
    Capabilities {
        /// Which one.
        target: TargetId,
        /// What it can do.
        capabilities: Capabilities,
    },
    /// A plan is ready, or could not be made.
    Planned {
        /// Which dialog asked.
        id: u64,
        /// The plan.
        plan: Box<Result<Plan, Problem>>,
    },
    /// An operation says what it is doing.
    Progress {
        /// Which operation.
        id: u64,
        /// One line.
        line: String,
        /// Whether it replaces the line before.
        replaces: bool,
    },
    /// The end of an operation was written down.
    Journalled {
        /// Why it could not be.
        failed: Option<String>,
    },
    /// An operation was taken, or its answer was lost.
    Accepted {
        /// Which operation.
        id: u64,
        /// What to follow it by.
        receipt: Box<Receipt>,
    },
    /// An operation of an earlier run cannot be gone on with now; it is followed all the same.
    NotTakenUp {
        /// Which operation.
        id: u64,
        /// What to follow it by.
        receipt: Box<Receipt>,
        /// Why.
        why: Hindrance,
    },
    /// Another program has ended an operation, and has written that down.
    EndedElsewhere {
        /// Which operation.
        id: u64,
        /// How.
        outcome: Outcome,
    },
    /// An operation was not sent, since it could not be written down before.
    NoJournal {
        /// Which operation.
        id: u64,
        /// Why.
        why: String,
    },
    /// An operation has ended.
    Ended {
        /// Which operation.
        id: u64,
        /// How.
        outcome: Outcome,
    },
    /// One look at an operation under way.
    Settled {
        /// Which operation.
        id: u64,
        /// What was found.
        settlement: Box<Result<Settlement, Problem>>,
    },
    /// The configurations of two revisions.
    Details {
        /// Which dialog asked.
        id: u64,
        /// From and to.
        details: Box<Result<(Detail, Detail), Problem>>,
    },
    /// The command for a shell in an instance, or why there is none.
    Shell {
        /// Which page asked.
        id: u64,
        /// The command.
        shell: Result<Shell, Problem>,
    },
    /// The program that had the terminal has given it back.
    ShellEnded {
        /// What it was, or what became of it, in a sentence.
        text: String,
    },
    /// The instances of an app.
    Instances {
        /// Which page asked.
        id: u64,
        /// Whose.
        app: AppKey,
        /// What was read.
        reading: Box<Result<Reading, Problem>>,
    },
    /// A file was written, or could not be.
    Written {
        /// What is in it, such as `incident record`.
        what: &'static str,
        /// Its name.
        file: Result<String, Problem>,
    },
    /// Lines of a log that is followed.
    Log {
        /// Which page asked.
        id: u64,
        /// What has come.
        batch: LogBatch,
    },
    /// A log has come to its end.
    LogEnded {
        /// Which page asked.
        id: u64,
        /// How.
        how: Result<(), Problem>,
    },
    /// Events of an app.
    Events {
        /// Which dialog asked.
        id: u64,
        /// Newest first.
        events: Result<Vec<AppEvent>, Problem>,
    },
}

/// Why nothing more of an operation is sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// Another program that runs follows it.
    Followed,
    /// It cannot be written down, for this reason.
    Journal(String),
}

/// Everything that the dashboard can want.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Paint without waiting: something new has happened, not merely some progress.
    ShowNow,
    /// Watch this.
    Attention(Attention),
    /// Work out a plan.
    Plan {
        /// Which dialog asks.
        id: u64,
        /// Where.
        target: TargetId,
        /// What for.
        request: Request,
    },
    /// Carry out a plan, once.
    Execute {
        /// The operation's number.
        id: u64,
        /// Where.
        target: TargetId,
        /// What was agreed to.
        plan: Box<Confirmed>,
    },
    /// Look how an operation is going.
    Settle {
        /// Which operation.
        id: u64,
        /// What to follow it by.
        receipt: Box<Receipt>,
    },
    /// Send what is left of an operation that was cut short.
    Resume {
        /// Which operation.
        id: u64,
        /// What to go on with.
        receipt: Box<Receipt>,
    },
    /// Write down how an operation ended.
    Journal {
        /// Its name in the journal.
        operation: String,
        /// How.
        outcome: Outcome,
    },
    /// Read the configurations of two revisions.
    Details {
        /// Which dialog asks.
        id: u64,
        /// Whose.
        app: AppKey,
        /// From.
        from: RevisionId,
        /// To.
        to: RevisionId,
    },
    /// Read the instances of an app.
    Instances {
        /// Which page asks.
        id: u64,
        /// Whose.
        app: AppKey,
    },
    /// Ask for the command for a shell in an instance.
    Shell {
        /// Which page asks.
        id: u64,
        /// Whose.
        app: AppKey,
        /// Which one, as its reading calls it.
        instance: String,
    },
    /// Hand the terminal to a program until it ends.
    HandOver(Shell),
    /// Write the record of an incident.
    Incident {
        /// The app.
        app: AppKey,
        /// What was seen of its rollouts.
        seen: Vec<AppEvent>,
    },
    /// Send the lines of a log, until it is ended.
    Log {
        /// Which page asks.
        id: u64,
        /// Whose.
        app: AppKey,
        /// What of it.
        query: LogQuery,
    },
    /// Nobody reads a log any more.
    EndLog {
        /// Which page asked for it.
        id: u64,
    },
    /// Read events.
    Events {
        /// Which dialog asks.
        id: u64,
        /// Whose.
        app: AppKey,
    },
    /// Save lines of a log into a file.
    SaveLog {
        /// The app's name.
        name: String,
        /// The lines.
        text: String,
    },
    /// Write nothing into the journal from here on.
    WithoutJournal,
    /// Tell somebody who looks elsewhere.
    Notify(String),
    /// Put text on the operator's clipboard.
    Copy {
        /// The text.
        text: String,
        /// What of it is shown when that is done.
        shown: String,
    },
    /// Go to the background until woken.
    Suspend,
    /// Leave.
    Quit,
}
