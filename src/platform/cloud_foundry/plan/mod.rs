//! Plans: what an operation would do, from data read now.

mod action;
mod capacity;
mod deploy;
mod options;
mod roll_back;
mod rollout;
mod snapshot;

pub(super) use action::{Action, ON_THE_NEW, Tracking};
use action::{deployment_body, new_id, recipe};
pub(super) use options::OPTIONS;
use options::RolloutOptions;
pub(super) use snapshot::{Guard, Snapshot};

use super::CloudFoundry;
use crate::{
    domain::{Note, Operation, Plan, Recipe, Request},
    platform::Error,
};

/// Works out a plan.
pub(super) async fn make(foundation: &CloudFoundry, request: Request) -> Result<Plan, Error> {
    let snapshot = Snapshot::read(foundation, &request.app).await?;
    match request.operation.clone() {
        Operation::RollBack(goal) => roll_back::plan(foundation, &snapshot, request, &goal).await,
        Operation::Deploy => deploy::plan(foundation, &snapshot, request).await,
        Operation::Restart => deploy::restart(foundation, &snapshot, request).await,
        Operation::Cancel => rollout::cancel(foundation, &snapshot, request).await,
        Operation::Continue => Ok(rollout::go_on(&snapshot, request)),
        Operation::Pause => {
            let mut plan = blank(&snapshot, request, format!("PAUSE {}", snapshot.name));
            plan.refused = Some("Cloud Foundry cannot hold a rollout: cancel it".to_owned());
            Ok(plan)
        }
        Operation::EnableRevisions => Ok(rollout::enable_revisions(&snapshot, request)),
    }
}

/// A plan with nothing in it yet but what every plan has.
fn blank(snapshot: &Snapshot, request: Request, title: String) -> Plan {
    Plan {
        request,
        app: snapshot.name.clone(),
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
        checked_at: snapshot.read_at,
        recipe: None,
    }
}

/// Sets what carrying it out consists of.
fn finish(mut plan: Plan, recipe: Recipe, goal: String, leaving: Option<String>) -> Plan {
    plan.recipe = Some(Recipe { goal, leaving, ..recipe });
    plan
}

/// Warns that a rollout in progress would be superseded.
fn superseding(snapshot: &Snapshot) -> Option<Note> {
    let active = snapshot.active()?;
    let revision = active.revision.as_ref().and_then(|of| of.version);
    let of = revision.map(|version| format!(" of rev {version}")).unwrap_or_default();
    Some(Note::Warning(format!(
        "the rollout{of} in progress is superseded: its instances are drained too"
    )))
}
