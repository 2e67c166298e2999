//! The API's objects, as much of them as is used: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Types.html>.
//! Every member may be missing, and words of enumerations stay words: newer ones must not break anything.

#![allow(clippy::struct_field_names, reason = "they are named as the API names them")]

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A time on the wire: seconds since 1970 with a fraction, or, as some servers have it, text.
fn time<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::Number(seconds) => seconds.as_f64().and_then(|seconds| {
            Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// `null` is the same as missing.
fn lenient<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Clusters {
    pub(in crate::platform::ecs) cluster_arns: Vec<String>,
    pub(in crate::platform::ecs) next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct ServiceArns {
    pub(in crate::platform::ecs) service_arns: Vec<String>,
    pub(in crate::platform::ecs) next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct DefinitionArns {
    pub(in crate::platform::ecs) task_definition_arns: Vec<String>,
    pub(in crate::platform::ecs) next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct TaskArns {
    pub(in crate::platform::ecs) task_arns: Vec<String>,
    pub(in crate::platform::ecs) next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::ecs) struct Services {
    pub(in crate::platform::ecs) services: Vec<Service>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Service {
    pub(in crate::platform::ecs) service_arn: String,
    pub(in crate::platform::ecs) service_name: String,
    pub(in crate::platform::ecs) cluster_arn: String,
    pub(in crate::platform::ecs) status: String,
    pub(in crate::platform::ecs) health_check_grace_period_seconds: Option<i64>,
    pub(in crate::platform::ecs) desired_count: u32,
    pub(in crate::platform::ecs) running_count: u32,
    pub(in crate::platform::ecs) task_definition: String,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) deployments: Vec<Deployment>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) task_sets: Vec<TaskSet>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) events: Vec<Event>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) deployment_controller: Controller,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) deployment_configuration: Configuration,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) scheduling_strategy: String,
    /// `ECS` where an Express gateway service manages it.
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) resource_management_type: String,
    pub(in crate::platform::ecs) current_service_deployment: Option<String>,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) created_at: Option<Timestamp>,
}

impl Service {
    /// Whether an Express gateway service manages it.
    pub(in crate::platform::ecs) fn express(&self) -> bool {
        self.resource_management_type == "ECS"
    }

    /// Whether this was read before what `other` tells: its newest deployment is older than that one's, which it lacks.
    pub(in crate::platform::ecs) fn is_older_than(&self, other: &Self) -> bool {
        let newest = |all: &Self| all.deployments.iter().map(|one| one.created_at).max();
        let begun = other.deployments.iter().max_by_key(|one| one.created_at);
        let lacks =
            begun.is_some_and(|begun| self.deployments.iter().all(|one| one.id != begun.id));
        lacks && newest(self) < newest(other)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Controller {
    #[serde(rename = "type")]
    pub(in crate::platform::ecs) kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Configuration {
    pub(in crate::platform::ecs) maximum_percent: Option<u32>,
    pub(in crate::platform::ecs) minimum_healthy_percent: Option<u32>,
    pub(in crate::platform::ecs) strategy: Option<String>,
    pub(in crate::platform::ecs) bake_time_in_minutes: Option<u32>,
    pub(in crate::platform::ecs) deployment_circuit_breaker: Option<BreakerSetting>,
    pub(in crate::platform::ecs) canary_configuration: Option<Canary>,
    pub(in crate::platform::ecs) linear_configuration: Option<Linear>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct BreakerSetting {
    pub(in crate::platform::ecs) enable: bool,
    pub(in crate::platform::ecs) rollback: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Canary {
    pub(in crate::platform::ecs) canary_percent: Option<f64>,
    pub(in crate::platform::ecs) canary_bake_time_in_minutes: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Linear {
    pub(in crate::platform::ecs) step_percent: Option<f64>,
    pub(in crate::platform::ecs) step_bake_time_in_minutes: Option<u32>,
}

/// An entry of `deployments[]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Deployment {
    pub(in crate::platform::ecs) id: String,
    pub(in crate::platform::ecs) status: String,
    pub(in crate::platform::ecs) task_definition: String,
    pub(in crate::platform::ecs) pending_count: u32,
    pub(in crate::platform::ecs) running_count: u32,
    pub(in crate::platform::ecs) failed_tasks: u32,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) created_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) updated_at: Option<Timestamp>,
    pub(in crate::platform::ecs) rollout_state: Option<String>,
    pub(in crate::platform::ecs) rollout_state_reason: Option<String>,
}

impl Deployment {
    pub(in crate::platform::ecs) fn primary(&self) -> bool {
        self.status == "PRIMARY"
    }
}

/// A task set, where something else than ECS rolls out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct TaskSet {
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) updated_at: Option<Timestamp>,
    pub(in crate::platform::ecs) status: String,
    pub(in crate::platform::ecs) task_definition: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Event {
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) created_at: Option<Timestamp>,
    pub(in crate::platform::ecs) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct ServiceDeployments {
    pub(in crate::platform::ecs) service_deployments: Vec<ServiceDeployment>,
    pub(in crate::platform::ecs) next_token: Option<String>,
}

/// A service deployment, whole or in brief.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct ServiceDeployment {
    #[serde(rename = "serviceDeploymentArn")]
    pub(in crate::platform::ecs) arn: String,
    pub(in crate::platform::ecs) status: String,
    pub(in crate::platform::ecs) status_reason: Option<String>,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) created_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) started_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) updated_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) finished_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) source_service_revisions: Vec<Counted>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) target_service_revision: Counted,
    /// In brief only this.
    pub(in crate::platform::ecs) target_service_revision_arn: Option<String>,
    pub(in crate::platform::ecs) lifecycle_stage: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) lifecycle_hook_details: Vec<Hook>,
    pub(in crate::platform::ecs) deployment_circuit_breaker: Option<Breaker>,
    pub(in crate::platform::ecs) alarms: Option<Alarms>,
    pub(in crate::platform::ecs) rollback: Option<Rollback>,
}

impl ServiceDeployment {
    /// Whether it is under way.
    pub(in crate::platform::ecs) fn live(&self) -> bool {
        !matches!(
            self.status.as_str(),
            "" | "SUCCESSFUL" | "STOPPED" | "ROLLBACK_SUCCESSFUL" | "ROLLBACK_FAILED"
        )
    }

    /// Whether it is being taken back.
    pub(in crate::platform::ecs) fn goes_back(&self) -> bool {
        self.live() && (self.status.starts_with("ROLLBACK") || self.status == "STOP_REQUESTED")
    }

    /// The hook that waits for somebody.
    pub(in crate::platform::ecs) fn waiting(&self) -> Option<&Hook> {
        self.lifecycle_hook_details.iter().find(|hook| hook.status == "AWAITING_ACTION")
    }

    /// Whether the platform itself gave it up.
    pub(in crate::platform::ecs) fn given_up(&self) -> bool {
        let breaker = self.deployment_circuit_breaker.as_ref();
        let alarms = self.alarms.as_ref();
        breaker.is_some_and(|one| one.status == "TRIGGERED")
            || alarms.is_some_and(|one| {
                one.status == "TRIGGERED" || !one.triggered_alarm_names.is_empty()
            })
    }

    pub(in crate::platform::ecs) fn target(&self) -> Option<&str> {
        let whole = Some(self.target_service_revision.arn.as_str()).filter(|arn| !arn.is_empty());
        whole.or(self.target_service_revision_arn.as_deref())
    }
}

/// Tasks of a service revision.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Counted {
    pub(in crate::platform::ecs) arn: String,
    pub(in crate::platform::ecs) running_task_count: u32,
    pub(in crate::platform::ecs) pending_task_count: u32,
    pub(in crate::platform::ecs) requested_production_traffic_weight: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Hook {
    pub(in crate::platform::ecs) hook_id: String,
    pub(in crate::platform::ecs) status: String,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) expires_at: Option<Timestamp>,
    pub(in crate::platform::ecs) timeout_action: Option<String>,
}

impl Hook {
    /// What tells one visit of a hook from the next: whether each has an identifier of its own is not documented.
    pub(in crate::platform::ecs) fn key(&self) -> String {
        let until = self.expires_at.map(|at| at.to_string()).unwrap_or_default();
        format!("{} {until}", self.hook_id)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Breaker {
    pub(in crate::platform::ecs) status: String,
    pub(in crate::platform::ecs) failure_count: u32,
    pub(in crate::platform::ecs) threshold: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Alarms {
    pub(in crate::platform::ecs) status: String,
    pub(in crate::platform::ecs) triggered_alarm_names: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Rollback {
    pub(in crate::platform::ecs) reason: Option<String>,
    pub(in crate::platform::ecs) service_revision_arn: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct ServiceRevisions {
    pub(in crate::platform::ecs) service_revisions: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::ecs) struct Tasks {
    pub(in crate::platform::ecs) tasks: Vec<Task>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Task {
    pub(in crate::platform::ecs) task_arn: String,
    pub(in crate::platform::ecs) task_definition_arn: String,
    pub(in crate::platform::ecs) stopped_reason: Option<String>,
    pub(in crate::platform::ecs) stop_code: Option<String>,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) stopped_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) created_at: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    pub(in crate::platform::ecs) started_at: Option<Timestamp>,
    pub(in crate::platform::ecs) last_status: String,
    pub(in crate::platform::ecs) desired_status: String,
    /// The deployment that it belongs to.
    pub(in crate::platform::ecs) started_by: String,
    pub(in crate::platform::ecs) health_status: String,
    pub(in crate::platform::ecs) availability_zone: String,
    pub(in crate::platform::ecs) launch_type: String,
    pub(in crate::platform::ecs) capacity_provider_name: Option<String>,
    pub(in crate::platform::ecs) enable_execute_command: bool,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::platform::ecs) containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::ecs) struct Container {
    pub(in crate::platform::ecs) name: String,
    pub(in crate::platform::ecs) last_status: String,
    pub(in crate::platform::ecs) exit_code: Option<i64>,
    pub(in crate::platform::ecs) reason: Option<String>,
}

/// What comes after the last slash of an ARN, such as `web:3` of a task definition or a service's name.
pub(in crate::platform::ecs) fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Family and number of a task definition, from its ARN or short name.
pub(in crate::platform::ecs) fn family(arn: &str) -> (&str, &str) {
    last(arn).split_once(':').unwrap_or((last(arn), ""))
}
