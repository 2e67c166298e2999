//! The nouns of the deck and their rules: apps, revisions, rollouts, operations, plans and outcomes.
//!
//! Pure data and pure functions. Nothing here knows a platform, a terminal, a clock or a socket; times come in as
//! [`jiff::Timestamp`]s.

mod app;
mod diff;
mod ids;
mod log;
mod operation;
mod options;
mod outcome;
mod plan;
mod reading;
mod receipt;
mod report;
mod revision;
mod rollout;
mod shell;
mod stage;
mod target;
pub mod text;
mod verb;
mod verdict;

pub use app::{App, AppState, Condition, Count};
pub use diff::{Detail, Difference, Fact, Group, Secret, differences};
pub use ids::{AppId, AppKey, RevisionId, RolloutId, TargetId};
pub use log::{LogBatch, LogLine, LogQuery};
pub use operation::{Operation, Request, RollBackTo, Strategy};
pub use options::{
    IMAGE, INSTANCE, OptionKind, OptionSpec, Options, SCALE_TO, START_WITH, VerbOptions,
};
pub use outcome::{Finding, LOOKING, Observation, Outcome, Overtaken, Settlement, Standing};
pub use plan::{
    Confirmed, Consent, Detail as PlanDetail, Note, Plan, RevisionSummary, Section, SectionKind,
};
pub use reading::{
    ErrorCount, ErrorLines, InstanceReading, PACE, Reading, Recording, Restarts, Sample, Series,
    SideName, SideSample, Usage,
};
pub use receipt::{Goal, Receipt, Recipe, Step};
pub use report::{AppEvent, Interest, Problem, ProblemKind, Report, Scope, Status};
pub use revision::{
    Deployable, History, Revision, RevisionRef, TrackRecord, last_good, revision_name,
    revision_names,
};
pub use rollout::{CanaryStep, Instance, InstanceState, Phase, Rollout, Side, Stuck};
pub use shell::Shell;
pub use stage::{Stage, StageState};
pub use target::{Capabilities, Capability, PlatformKind, Target};
pub use verb::{Needs, VERBS, Verb, VerbSpec};
pub use verdict::{Judgement, Thresholds, Verdict};
