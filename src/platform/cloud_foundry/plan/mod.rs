//! Plans: what an operation would do, from data read now.

mod capacity;
mod deploy;
mod options;
mod roll_back;
mod rollout;
mod snapshot;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) use options::OPTIONS;
use options::RolloutOptions;
pub(super) use snapshot::{Guard, Snapshot};

use super::{CloudFoundry, convert};
use crate::{
    domain::{Note, Operation, Plan, Request, Strategy},
    platform::Error,
};

/// Where an operation leads that makes a revision whose number is not known yet.
pub(super) const ON_THE_NEW: &str = "on the new revision";

/// What carrying out a plan consists of, and the state that it stands on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Recipe {
    pub(super) guard: Guard,
    pub(super) steps: Vec<Action>,
    pub(super) tracking: Tracking,
}

/// One call, or a few that belong together. Values of environment variables are not kept here: they are read when the
/// step is carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Action {
    /// `POST /v3/deployments`.
    Deploy { body: Value },
    /// `POST /v3/deployments/:guid/actions/cancel`.
    Cancel { deployment: String },
    /// `POST /v3/deployments/:guid/actions/continue`.
    Continue { deployment: String },
    /// `PATCH /v3/apps/:guid/features/revisions`.
    EnableRevisions,
    /// The app's environment is set to that of a revision.
    RestoreEnvironment { revision: String },
    /// The app's sidecars are set to those of a revision.
    RestoreSidecars { revision: String },
    /// The web process's start command is set to that of a revision.
    RestoreCommand { process: String, revision: String },
    /// A directory is uploaded and staged, then deployed.
    Push { directory: PathBuf, body: Value },
    /// An image is staged, then deployed.
    Image { image: String, body: Value },
}

/// How the end is recognised, and what it is called.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tracking {
    /// The annotation that marks a deployment of ours.
    pub(super) operation: String,
    /// The deployment that is cancelled or continued.
    pub(super) deployment: Option<String>,
    /// Its status before, as `VALUE/REASON`.
    pub(super) before: Option<String>,
    /// What the app will be on, such as `rev 7`.
    pub(super) goal: String,
    /// What it will no longer be on.
    pub(super) leaving: Option<String>,
    /// Whether a pause is not the end.
    #[serde(default)]
    pub(super) through_pauses: bool,
    /// When it was sent.
    pub(super) sent_at: Option<Timestamp>,
}

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
        way: String::new(),
        from: None,
        to: None,
        differs: Vec::new(),
        capacity: Vec::new(),
        notes: Vec::new(),
        by_hand: Vec::new(),
        calls: Vec::new(),
        checked_at: snapshot.read_at,
        recipe: Value::Null,
    }
}

/// Sets the recipe and lists its calls.
fn finish(mut plan: Plan, snapshot: &Snapshot, steps: Vec<Action>, tracking: Tracking) -> Plan {
    let app = &snapshot.guid;
    plan.calls = steps
        .iter()
        .flat_map(|step| match step {
            Action::Deploy { .. } => vec!["POST /v3/deployments".to_owned()],
            Action::Cancel { deployment } => {
                vec![format!("POST /v3/deployments/{deployment}/actions/cancel")]
            }
            Action::Continue { deployment } => {
                vec![format!("POST /v3/deployments/{deployment}/actions/continue")]
            }
            Action::EnableRevisions => vec![format!("PATCH /v3/apps/{app}/features/revisions")],
            Action::RestoreEnvironment { .. } => {
                vec![format!("PATCH /v3/apps/{app}/environment_variables")]
            }
            Action::RestoreSidecars { .. } => {
                vec![format!("POST, PATCH or DELETE sidecars of /v3/apps/{app}/sidecars")]
            }
            Action::RestoreCommand { process, .. } => {
                vec![format!("PATCH /v3/processes/{process}")]
            }
            Action::Push { .. } | Action::Image { .. } => ["packages", "builds", "deployments"]
                .map(|name| format!("POST /v3/{name}"))
                .to_vec(),
        })
        .collect();
    let recipe = Recipe { guard: snapshot.guard(), steps, tracking };
    // A recipe is made of texts and numbers: it cannot fail to become JSON.
    plan.recipe = serde_json::to_value(recipe).unwrap_or_default();
    plan
}

/// A name that no other operation has.
fn operation_name() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

/// The body of `POST /v3/deployments`; `what` is the droplet or revision, if any.
fn deployment_body(
    snapshot: &Snapshot,
    options: &RolloutOptions,
    what: Option<(&str, &str)>,
    reason: Option<&str>,
    operation: &str,
) -> Value {
    let mut body = json!({
        "relationships": { "app": { "data": { "guid": snapshot.guid } } },
        "strategy": options.strategy.to_string(),
        "metadata": { "annotations": { convert::OPERATION: operation } },
    });
    if let Some((kind, guid)) = what {
        body[kind] = json!({ "guid": guid });
    }
    if let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) {
        let reason: String = reason.trim().chars().take(4_000).collect();
        body["metadata"]["annotations"][convert::REASON] = json!(reason);
    }
    let mut fields = json!({});
    if let Some(most) = options.max_in_flight {
        fields["max_in_flight"] = json!(most);
    }
    if let Some(instances) = options.instances {
        fields["web_instances"] = json!(instances);
    }
    if options.strategy == Strategy::Canary && !options.steps.is_empty() {
        let steps: Vec<_> =
            options.steps.iter().map(|weight| json!({ "instance_weight": weight })).collect();
        fields["canary"] = json!({ "steps": steps });
    }
    if fields.as_object().is_some_and(|fields| !fields.is_empty()) {
        body["options"] = fields;
    }
    body
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
