//! The nouns of the deck and their rules: apps, revisions, rollouts, operations, plans and outcomes.
//!
//! Pure data and pure functions. Nothing here knows a platform, a terminal, a clock or a socket; times come in as
//! [`jiff::Timestamp`]s.

mod app;
mod diff;
mod ids;
mod operation;
mod outcome;
mod plan;
mod report;
mod revision;
mod rollout;
mod target;
pub mod text;

pub use app::{App, AppState, Condition, Count};
pub use diff::{Detail, Difference, Fact, Group, Masked, differences};
pub use ids::{AppId, RevisionId, RolloutId, TargetId};
pub use operation::{Goal, Manner, Operation, Request, Source, Strategy};
pub use outcome::{Outcome, Receipt, Settlement, Stage};
pub use plan::{Confirmed, Consent, Note, Plan, PlanEnd};
pub use report::{Happening, Interest, LogLine, Report, Scope, Status, Trouble, TroubleKind};
pub use revision::{Deployable, History, Proven, Revision, RevisionRef, last_good};
pub use rollout::{Instance, InstanceState, Phase, Rollout, Side, Step, Stuck};
pub use target::{Capabilities, Capability, PlatformKind, Target};
