//! The steps of a plan as this adapter sends them, and how they are listed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{options::RolloutOptions, snapshot::Snapshot};
use crate::{
    domain::{Recipe, RolloutId, Step, Strategy},
    platform::{cloud_foundry::read::convert, operation},
};

/// One call, or a few that belong together. Values of environment variables are not kept here: they are read when the
/// step is carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) enum Action {
    /// `POST /v3/deployments`; `staged` says that the droplet is that of the step before.
    Deploy { body: Value, staged: bool },
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
    /// `POST /v3/processes/:guid/actions/scale`.
    Scale { process: String, instances: u32 },
    /// `POST /v3/apps/:guid/actions/start` or `stop`.
    State { started: bool },
    /// `DELETE /v3/processes/:guid/instances/:index`.
    RestartInstance { process: String, index: u32 },
    /// A directory is uploaded and staged.
    StageDirectory { directory: PathBuf },
    /// An image is staged.
    StageImage { image: String },
}

impl Action {
    fn label(&self) -> &'static str {
        match self {
            Self::Deploy { .. } => "ask for the rollout",
            Self::Cancel { .. } => "cancel the rollout",
            Self::Continue { .. } => "continue the rollout",
            Self::EnableRevisions => "switch revisions on",
            Self::RestoreEnvironment { .. } => "put the environment back",
            Self::RestoreSidecars { .. } => "put the sidecars back",
            Self::RestoreCommand { .. } => "put the start command back",
            Self::Scale { .. } => "scale",
            Self::State { started: true } => "start",
            Self::State { started: false } => "stop",
            Self::RestartInstance { .. } => "restart the instance",
            Self::StageDirectory { .. } => "upload and stage the directory",
            Self::StageImage { .. } => "stage the image",
        }
    }

    fn calls(&self, app: &str) -> Vec<String> {
        match self {
            Self::Deploy { .. } => vec!["POST /v3/deployments".to_owned()],
            Self::Cancel { deployment } => {
                vec![format!("POST /v3/deployments/{deployment}/actions/cancel")]
            }
            Self::Continue { deployment } => {
                vec![format!("POST /v3/deployments/{deployment}/actions/continue")]
            }
            Self::EnableRevisions => vec![format!("PATCH /v3/apps/{app}/features/revisions")],
            Self::RestoreEnvironment { .. } => {
                vec![format!("PATCH /v3/apps/{app}/environment_variables")]
            }
            Self::RestoreSidecars { .. } => {
                vec![format!("POST, PATCH or DELETE sidecars of /v3/apps/{app}/sidecars")]
            }
            Self::RestoreCommand { process, .. } => vec![format!("PATCH /v3/processes/{process}")],
            Self::Scale { process, .. } => {
                vec![format!("POST /v3/processes/{process}/actions/scale")]
            }
            Self::State { started } => {
                let verb = if *started { "start" } else { "stop" };
                vec![format!("POST /v3/apps/{app}/actions/{verb}")]
            }
            Self::RestartInstance { process, index } => {
                vec![format!("DELETE /v3/processes/{process}/instances/{index}")]
            }
            Self::StageDirectory { .. } | Self::StageImage { .. } => {
                vec!["POST /v3/packages".to_owned(), "POST /v3/builds".to_owned()]
            }
        }
    }

    /// The step of a plan. What follows a cancel completes it; what comes before a deploy does not.
    pub(super) fn step(self, app: &str, completes: bool) -> Step {
        Step {
            label: self.label().to_owned(),
            calls: self.calls(app),
            rechecks: matches!(self, Self::Deploy { staged: true, .. }),
            completes,
            // An action is made of texts and JSON: it cannot fail to become JSON.
            action: serde_json::to_value(self).unwrap_or_default(),
            ..Step::default()
        }
    }
}

/// What this adapter needs to recognise an operation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in super::super) struct Tracking {
    /// The deployment that is made, cancelled or continued.
    pub(in super::super) deployment: Option<String>,
    /// The status of a deployment that is continued, before, as `VALUE/REASON STEP`.
    pub(in super::super) before: Option<String>,
    /// The droplet that was staged.
    pub(in super::super) droplet: Option<String>,
    /// Whether it is about the keeping of revisions, and no deployment.
    #[serde(default)]
    pub(in super::super) feature: bool,
    /// The revision that a cancel is to lead back to.
    #[serde(default)]
    pub(in super::super) target: Option<String>,
    /// What is asked of the app as it is, without a deployment.
    #[serde(default)]
    pub(in super::super) aid: Option<Aid>,
}

/// What is asked of an app without a deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) enum Aid {
    /// A process is to have so many instances.
    Scaled { process: String, before: u32, instances: u32 },
    /// The app is to be started, or stopped.
    State { started: bool },
    /// An instance is to be another one than this, by its GUID where the API tells that.
    Instance { process: String, index: u32, before: Option<String> },
}

impl Tracking {
    pub(in super::super) fn json(&self) -> Value {
        // Texts only: it cannot fail to become JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// A recipe of these actions.
pub(super) fn recipe(
    id: String,
    snapshot: &Snapshot,
    actions: Vec<Action>,
    tracking: &Tracking,
) -> Recipe {
    let cancels = matches!(actions.first(), Some(Action::Cancel { .. }));
    let overwrites = actions.iter().any(|action| {
        matches!(action, Action::RestoreEnvironment { .. } | Action::RestoreSidecars { .. })
    });
    let steps = actions.into_iter().enumerate();
    Recipe {
        id,
        // Texts only: it cannot fail to become JSON.
        guard: serde_json::to_value(snapshot.guard(overwrites)).unwrap_or_default(),
        steps: steps
            .map(|(index, action)| action.step(&snapshot.guid, cancels && index > 0))
            .collect(),
        undoes: cancels,
        rollout: tracking.deployment.clone().map(RolloutId::new),
        tracking: tracking.json(),
        ..Recipe::default()
    }
}

/// The body of `POST /v3/deployments`; `what` is the droplet or revision, if any.
pub(super) fn deployment_body(
    snapshot: &Snapshot,
    options: &RolloutOptions,
    what: Option<(&str, &str)>,
    reason: Option<&str>,
    id: &str,
) -> Value {
    let mut body = json!({
        "relationships": { "app": { "data": { "guid": snapshot.guid } } },
        "strategy": options.strategy.to_string(),
        "metadata": { "annotations": { convert::OPERATION: id } },
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

/// A name for an operation, which marks its deployment.
pub(super) fn new_id() -> String {
    operation::new_id()
}
