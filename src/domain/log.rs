//! Logs: lines with their side, and what of them is wanted.

use jiff::Timestamp;

use super::SideName;

/// One line of an app's log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// Which instance, such as `web/1`; `API` or `STG` for the platform's own.
    pub source: String,
    /// The label of the revision that wrote it, where known.
    pub revision: Option<String>,
    /// The side of the rollout in progress that wrote it; `None` where nothing rolls, or it is the platform's own.
    pub side: Option<SideName>,
    /// The text, cleaned.
    pub text: String,
    /// Whether it tells of an error, or went to standard error.
    pub error: bool,
}

/// What of a log is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// From then on; the latest lines where it is none.
    pub since: Option<Timestamp>,
    /// Of one instance, by its identifier or name; of all where it is none.
    pub instance: Option<String>,
    /// Of one container of each instance, where an instance has several.
    pub container: Option<String>,
    /// Of one side; of both where it is none.
    pub side: Option<SideName>,
    /// Of the run before, of instances that fell over.
    pub previous: bool,
    /// Whether it goes on with what is written from now on.
    pub follow: bool,
}

/// Some lines of a log that is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogBatch {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// What the reader should know before them, such as that lines may be missing there, in a clause.
    pub mark: Option<String>,
}
