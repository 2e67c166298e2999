//! What every plan begins and ends with.

use super::snapshot::Snapshot;
use crate::domain::{Goal, Note, Plan, Recipe, Request, revision_name};
use crate::platform::operation::supersedes;

/// A plan with nothing in it yet but what every plan has.
pub(super) fn blank(snapshot: &Snapshot, request: Request, title: String) -> Plan {
    Plan::draft(request, snapshot.name.clone(), title, snapshot.read_at)
}

/// Sets what carrying it out consists of.
pub(super) fn finish(
    mut plan: Plan,
    recipe: Recipe,
    goal: impl Into<Goal>,
    leaving: Option<String>,
) -> Plan {
    plan.recipe = Some(Recipe { goal: goal.into(), leaving, ..recipe });
    plan
}

/// Warns that a rollout in progress would be superseded.
pub(super) fn superseding(snapshot: &Snapshot) -> Option<Note> {
    let active = snapshot.active()?;
    let revision = active.revision.as_ref().and_then(|of| of.version);
    let of = revision.map(|version| format!(" of {}", revision_name(version))).unwrap_or_default();
    Some(supersedes(&of, ": its instances are drained too"))
}
