//! What a plan and a receipt keep of an operation, for this adapter's eyes only.

use std::{
    hash::{Hash, Hasher},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Step, text::clean};
use crate::platform::cloud_foundry::{model::wire, read::convert};

/// One call, or a few that belong together. Values of environment variables are not kept here: they are read when the
/// step is carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::platform::cloud_foundry) enum Action {
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
    StageImage {
        image: String,
        /// Who reads it from its registry; the password is no part of a receipt.
        #[serde(default)]
        username: Option<String>,
    },
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

    /// The step of a plan. What follows a cancel completes it; what comes before a deploy does not, and what the plan
    /// stands on is read again before that.
    pub(in crate::platform::cloud_foundry) fn step(self, app: &str, completes: bool) -> Step {
        Step {
            label: self.label().to_owned(),
            calls: self.calls(app),
            completes,
            // An action is made of texts and JSON: it cannot fail to become JSON.
            action: serde_json::to_value(self).unwrap_or_default(),
            ..Step::default()
        }
    }
}

/// What this adapter needs to recognise an operation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Tracking {
    /// The deployment that is made, cancelled or continued.
    pub(in crate::platform::cloud_foundry) deployment: Option<String>,
    /// The status of a deployment that is continued, before, as `VALUE/REASON STEP`.
    pub(in crate::platform::cloud_foundry) before: Option<String>,
    /// The droplet that was staged.
    pub(in crate::platform::cloud_foundry) droplet: Option<String>,
    /// Whether it is about the keeping of revisions, and no deployment.
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) feature: bool,
    /// The revision that a cancel is to lead back to.
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) target: Option<String>,
    /// What is asked of the app as it is, without a deployment.
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) aid: Option<Aid>,
}

/// What is asked of an app without a deployment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::platform::cloud_foundry) enum Aid {
    /// A process is to have so many instances.
    Scaled { process: String, before: u32, instances: u32 },
    /// The app is to be started, or stopped.
    State { started: bool },
    /// An instance is to be another one than this, by its GUID where the API tells that.
    Instance { process: String, index: u32, before: Option<String> },
}

impl Tracking {
    pub(in crate::platform::cloud_foundry) fn json(&self) -> Value {
        // Texts only: it cannot fail to become JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// What must still be so when a plan is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Guard {
    pub(in crate::platform::cloud_foundry) app: String,
    pub(in crate::platform::cloud_foundry) state: String,
    pub(in crate::platform::cloud_foundry) droplet: Option<String>,
    /// The active deployment with its status.
    pub(in crate::platform::cloud_foundry) active: Option<(String, String)>,
    /// The newest revision.
    pub(in crate::platform::cloud_foundry) latest: Option<String>,
    /// The newest deployment, over or not.
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) newest: Option<String>,
    /// A mark of the environment and the sidecars, where the plan would overwrite them.
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) configuration: Option<u64>,
}

/// A mark of an environment and sidecars: the same for the same ones. No value can be told from it.
pub(in crate::platform::cloud_foundry) fn configuration_mark(
    environment: Option<&wire::Environment>,
    sidecars: &[wire::Sidecar],
) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    for (name, value) in environment.iter().flat_map(|environment| &environment.var) {
        (name, value.to_string()).hash(&mut hasher);
    }
    let mut sidecars: Vec<_> = sidecars
        .iter()
        .map(|one| (&one.name, &one.command, &one.process_types, one.memory_in_mb))
        .collect();
    sidecars.sort();
    sidecars.hash(&mut hasher);
    hasher.finish()
}

impl Guard {
    pub(in crate::platform::cloud_foundry) fn of(
        app: &wire::App,
        active: Option<&wire::Deployment>,
        latest: Option<&wire::Revision>,
    ) -> Self {
        Self {
            app: app.guid.clone(),
            state: app.state.clone(),
            droplet: app.relationships.current_droplet.guid().map(str::to_owned),
            active: active.map(|one| (one.guid.clone(), status_text(one))),
            latest: latest.map(|one| one.guid.clone()),
            newest: None,
            configuration: None,
        }
    }

    /// What has changed since, in a clause.
    pub(in crate::platform::cloud_foundry) fn difference(&self, now: &Self) -> Option<String> {
        let verb = match (&self.active, &now.active) {
            (None, Some(_)) => "a rollout has begun".to_owned(),
            (Some(_), None) => "the rollout in progress has ended".to_owned(),
            (Some((before, _)), Some((after, _))) if before != after => {
                "another rollout has begun".to_owned()
            }
            (Some((_, before)), Some((_, after))) if before != after => {
                format!("the rollout went from {before} to {after}")
            }
            _ if self.state != now.state => {
                format!("the app is now {}", clean(&now.state.to_lowercase()))
            }
            _ if self.latest != now.latest => "there is a new revision".to_owned(),
            _ if self.droplet != now.droplet => "the app has another droplet".to_owned(),
            _ if self.newest != now.newest => "another rollout has come and gone".to_owned(),
            _ if self.configuration.is_some() && self.configuration != now.configuration => {
                "its environment or sidecars were changed, which this would undo".to_owned()
            }
            _ => return None,
        };
        Some(verb)
    }
}

fn status_text(deployment: &wire::Deployment) -> String {
    let (value, reason) = convert::status(deployment);
    // One step more is another state: letting a canary go on twice would skip one.
    match &deployment.status.canary {
        Some(canary) => format!("{value}/{reason} at step {}", canary.steps.current),
        None => format!("{value}/{reason}"),
    }
}
