//! What a plan and a receipt keep of an operation, for this adapter's eyes only.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{RevisionRef, RolloutId, text::clean};
use crate::platform::ecs::model::wire::{Service, ServiceDeployment, last};

/// What a plan stands on. Scaling and the counts of a rollout that goes on do not matter.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(in crate::platform::ecs) struct Guard {
    task_definition: String,
    /// The PRIMARY deployment.
    primary: Option<String>,
    /// The service deployment under way.
    live: Option<String>,
    /// Whether it is being taken back.
    goes_back: bool,
    /// The hook that waits for somebody.
    hook: Option<String>,
}

impl Guard {
    pub(in crate::platform::ecs) fn of(
        service: &Service,
        live: Option<&ServiceDeployment>,
    ) -> Self {
        let primary = service.deployments.iter().find(|one| one.primary());
        Self {
            task_definition: service.task_definition.clone(),
            primary: primary.map(|one| one.id.clone()),
            live: live.map(|one| one.arn.clone()),
            goes_back: live.is_some_and(ServiceDeployment::goes_back),
            hook: live.and_then(|one| Some(one.waiting()?.key())),
        }
    }

    /// Whether it can only be compared where service deployments can be read.
    pub(in crate::platform::ecs) fn needs_record(&self) -> bool {
        self.live.is_some()
    }

    /// What has changed by now, in a clause; `None` where nothing has that matters.
    pub(in crate::platform::ecs) fn difference(&self, now: &Self) -> Option<String> {
        match () {
            () if now == self => None,
            () if now.task_definition != self.task_definition => Some(format!(
                "somebody has begun a deployment of {}",
                clean(last(&now.task_definition))
            )),
            () if now.primary != self.primary => {
                Some("somebody has begun another deployment".to_owned())
            }
            () if self.live.is_some() && now.live.is_none() => {
                Some("the rollout has come to its end".to_owned())
            }
            () if now.goes_back && !self.goes_back => {
                Some("the rollout is being taken back".to_owned())
            }
            () if self.hook.is_some() && now.hook != self.hook => {
                Some("somebody has let the rollout go on".to_owned())
            }
            () => None,
        }
    }
}

/// One step.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::platform::ecs) enum Action {
    /// A new deployment: of this task definition, of the one that was registered a step before, or of the same once more.
    Update {
        cluster: String,
        service: String,
        task_definition: Option<String>,
        registered: Option<Box<Self>>,
    },
    /// The deployment under way is stopped and taken back.
    Stop { arn: String },
    /// A hook that waits is answered.
    Continue { arn: String, hook: String, back: bool },
    /// Another number of tasks, as long as it is what it was.
    Scale { cluster: String, service: String, before: u32, wanted: u32 },
    /// A task is stopped, and the service starts another one.
    StopTask { cluster: String, task: String },
    /// Auto scaling is suspended or released.
    Scaling { resource: String, state: Value },
    /// A task definition is deregistered, unless something uses it.
    Deregister { arn: String },
    /// A task definition is registered, above the newest one that was seen.
    Register { family: String, above: u64, body: Value },
}

impl Action {
    /// The same as a plan keeps it.
    pub(in crate::platform::ecs) fn json(&self) -> Value {
        // Texts and JSON: it cannot fail to become JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// What is needed to recognise the deployment of an operation.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(in crate::platform::ecs) struct Tracking {
    /// The entries of `deployments[]` that were there before.
    #[serde(default)]
    pub(in crate::platform::ecs) before: Vec<String>,
    /// The service deployment that was the current one before.
    pub(in crate::platform::ecs) was: Option<String>,
    /// The task definition that is wanted.
    pub(in crate::platform::ecs) wanted: Option<String>,
    /// The entry of `deployments[]` that is ours.
    pub(in crate::platform::ecs) deployment: Option<String>,
    /// The service deployment that is changed or followed.
    pub(in crate::platform::ecs) service_deployment: Option<String>,
    /// The hook that is answered, see [`crate::platform::ecs::model::wire::Hook::key`].
    pub(in crate::platform::ecs) hook: Option<String>,
    /// How many tasks were wanted, and how many shall be.
    #[serde(default)]
    pub(in crate::platform::ecs) scaled: Option<(u32, u32)>,
    /// The task that is to be stopped.
    #[serde(default)]
    pub(in crate::platform::ecs) stopped: Option<String>,
}

impl Tracking {
    /// That of a rollout that is only followed.
    pub(in crate::platform::ecs) fn of(id: &RolloutId, to: Option<&RevisionRef>) -> Self {
        let wanted = to.map(|to| to.id.as_str().to_owned());
        let id = Some(id.as_str().to_owned());
        if is_service_deployment(id.as_deref().unwrap_or_default()) {
            Self { service_deployment: id, wanted, ..Self::default() }
        } else {
            Self { deployment: id, wanted, ..Self::default() }
        }
    }

    /// The same as a plan keeps it.
    pub(in crate::platform::ecs) fn json(&self) -> Value {
        // Texts: it cannot fail to become JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Whether an identifier is that of a service deployment, and not of an entry of `deployments[]`.
pub(in crate::platform::ecs) fn is_service_deployment(id: &str) -> bool {
    id.contains(":service-deployment/")
}
