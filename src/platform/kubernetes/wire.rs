//! The JSON of the Kubernetes API, as far as it is read: groups `apps/v1` and the core by their API reference, and
//! Argo Rollouts by its CRD.
//!
//! Everything else is dropped while decoding, above all `metadata.managedFields` but for who was the last.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::Value;

/// An object with metadata; `spec` and `status` as far as they are wanted.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Object<S, T = ()> {
    pub(super) metadata: Metadata,
    #[serde(default = "none", deserialize_with = "maybe", bound = "S: DeserializeOwned")]
    pub(super) spec: Option<S>,
    #[serde(default = "none", deserialize_with = "maybe", bound = "T: DeserializeOwned")]
    pub(super) status: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

/// What is missing, null, or of no interest is nothing.
fn maybe<'de, D: Deserializer<'de>, T: DeserializeOwned>(input: D) -> Result<Option<T>, D::Error> {
    Option::<T>::deserialize(input)
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) generation: i64,
    pub(super) creation_timestamp: Option<Timestamp>,
    pub(super) deletion_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "texts")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "texts")]
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) owner_references: Vec<Owner>,
    #[serde(rename = "managedFields", deserialize_with = "last_manager")]
    pub(super) manager: Option<Manager>,
}

/// Annotations that are long and not read.
const SKIPPED: [&str; 1] = ["kubectl.kubernetes.io/last-applied-configuration"];

fn texts<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut texts = Option::<BTreeMap<String, String>>::deserialize(input)?.unwrap_or_default();
    for name in SKIPPED {
        texts.remove(name);
    }
    Ok(texts)
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Owner {
    pub(super) uid: String,
    #[serde(default)]
    pub(super) controller: bool,
}

/// Who changed an object last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) at: Option<Timestamp>,
    /// Whether it applies on the server's side, so that others' changes are conflicts to it.
    pub(super) applies: bool,
}

fn last_manager<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Manager>, D::Error> {
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        manager: String,
        #[serde(default)]
        operation: String,
        time: Option<Timestamp>,
        #[serde(default)]
        subresource: String,
    }
    let all = Option::<Vec<One>>::deserialize(input)?.unwrap_or_default();
    let theirs =
        |one: &&One| one.subresource.is_empty() && !one.manager.contains("controller-manager");
    let applies = all.iter().any(|one| one.operation == "Apply");
    let last = all.iter().filter(theirs).max_by_key(|one| one.time);
    Ok(last.map(|one| Manager { name: one.manager.clone(), at: one.time, applies }))
}

impl Metadata {
    /// The UID of the object that controls this one.
    pub(super) fn owner(&self) -> Option<&str> {
        self.owner_references.iter().find(|owner| owner.controller).map(|owner| owner.uid.as_str())
    }
}

/// A Deployment, StatefulSet or DaemonSet, as far as all three are alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkloadSpec {
    pub(super) replicas: Option<u32>,
    #[serde(default)]
    pub(super) paused: bool,
    #[serde(default)]
    pub(super) selector: Selector,
    #[serde(default)]
    pub(super) template: Template,
    #[serde(default)]
    pub(super) strategy: Strategy,
    #[serde(default)]
    pub(super) update_strategy: Strategy,
    #[serde(default)]
    pub(super) pod_management_policy: String,
    pub(super) progress_deadline_seconds: Option<i64>,
    pub(super) revision_history_limit: Option<i64>,
    /// Of a Rollout: Pods that are older are replaced.
    pub(super) restart_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Strategy {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) rolling_update: Option<Limits>,
    /// Of a Rollout.
    pub(super) canary: Option<Canary>,
}

/// The canary strategy of a Rollout, `argoproj.io/v1alpha1`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Canary {
    pub(super) steps: Vec<CanaryStep>,
}

/// One step of a canary: a weight to be set, a pause, or something else.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CanaryStep {
    pub(super) set_weight: Option<i64>,
    pub(super) pause: Option<IgnoredAny>,
    pub(super) analysis: Option<IgnoredAny>,
    pub(super) experiment: Option<IgnoredAny>,
}

impl CanaryStep {
    /// What it is called.
    pub(super) fn name(&self) -> String {
        match self {
            Self { set_weight: Some(weight), .. } => format!("{weight} %"),
            Self { pause: Some(_), .. } => "pause".to_owned(),
            Self { analysis: Some(_), .. } => "analysis".to_owned(),
            Self { experiment: Some(_), .. } => "experiment".to_owned(),
            _ => "step".to_owned(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Limits {
    pub(super) max_surge: Option<Value>,
    pub(super) max_unavailable: Option<Value>,
    pub(super) partition: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Selector {
    pub(super) match_labels: BTreeMap<String, String>,
}

impl Selector {
    /// As `labelSelector` has it.
    pub(super) fn query(&self) -> String {
        let terms: Vec<_> =
            self.match_labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        terms.join(",")
    }
}

/// What of a Pod template tells revisions apart: the template itself is read when it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    /// The same for the same template, whatever the controller added to it.
    pub(super) hash: u64,
    /// `container=image`, in order.
    pub(super) images: Vec<(String, String)>,
    pub(super) restarted_at: Option<String>,
}

/// The label that tells the ReplicaSets of an Argo Rollout apart.
pub(super) const HASH: &str = "rollouts-pod-template-hash";
/// The annotation that a restart leaves in a template.
pub(super) const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

impl Template {
    /// Reads what tells a template apart.
    pub(super) fn read(mut template: Value) -> Self {
        strip(&mut template);
        let containers = template["spec"]["containers"].as_array();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let images = containers
            .into_iter()
            .flatten()
            .map(|one| (text(&one["name"]), text(&one["image"])))
            .collect();
        let restarted_at =
            template["metadata"]["annotations"][RESTARTED].as_str().map(str::to_owned);
        let hash = template.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { hash, images, restarted_at }
    }
}

/// Takes away what the controllers add to a template.
pub(super) fn strip(template: &mut Value) {
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    if let Some(metadata) = template.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("creationTimestamp");
    }
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
        labels.remove(HASH);
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Value::deserialize(input).map(Self::read)
    }
}

/// The status of a Deployment; the fields of the others beside it. Zeros are left out by the server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WorkloadStatus {
    #[serde(deserialize_with = "number_or_text")]
    pub(super) observed_generation: i64,
    pub(super) replicas: u32,
    pub(super) updated_replicas: u32,
    pub(super) ready_replicas: u32,
    pub(super) available_replicas: u32,
    pub(super) conditions: Vec<Condition>,
    // StatefulSet
    pub(super) current_revision: String,
    pub(super) update_revision: String,
    // DaemonSet
    pub(super) desired_number_scheduled: u32,
    pub(super) updated_number_scheduled: u32,
    pub(super) number_ready: u32,
    pub(super) number_available: u32,
    // Rollout
    pub(super) phase: String,
    pub(super) message: String,
    #[serde(rename = "stableRS")]
    pub(super) stable_rs: String,
    pub(super) current_step_index: Option<u32>,
    #[serde(deserialize_with = "nullable")]
    pub(super) pause_conditions: Vec<IgnoredAny>,
    pub(super) abort: bool,
    pub(super) restarted_at: Option<Timestamp>,
}

/// A Rollout writes its generation as a text.
fn number_or_text<'de, D: Deserializer<'de>>(input: D) -> Result<i64, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::Number(number) => number.as_i64().unwrap_or(0),
        Value::String(text) => text.parse().unwrap_or(0),
        _ => 0,
    })
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) last_update_time: Option<Timestamp>,
    pub(super) last_transition_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SetSpec {
    pub(super) replicas: u32,
    pub(super) template: Template,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SetStatus {
    pub(super) replicas: u32,
    pub(super) ready_replicas: u32,
    pub(super) available_replicas: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    pub(super) node_name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    pub(super) phase: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) conditions: Vec<Condition>,
    pub(super) container_statuses: Vec<ContainerStatus>,
    pub(super) init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ContainerStatus {
    pub(super) name: String,
    pub(super) ready: bool,
    pub(super) restart_count: u32,
    pub(super) state: ContainerState,
    pub(super) last_state: ContainerState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ContainerState {
    pub(super) waiting: Option<Waiting>,
    pub(super) running: Option<Running>,
    pub(super) terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Waiting {
    pub(super) reason: String,
    pub(super) message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Running {
    pub(super) started_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Terminated {
    pub(super) exit_code: i64,
    pub(super) reason: String,
    pub(super) finished_at: Option<Timestamp>,
}

/// A ControllerRevision.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Controlled {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) revision: i64,
    #[serde(default)]
    pub(super) data: Value,
}

/// An Event of the core group.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Event {
    pub(super) metadata: Metadata,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) count: Option<u32>,
    pub(super) last_timestamp: Option<Timestamp>,
    #[serde(rename = "eventTime")]
    pub(super) at: Option<Timestamp>,
    pub(super) involved_object: Involved,
    /// Who said so, in the events of older recorders; empty in those of `events.k8s.io`, as of the scheduler.
    pub(super) source: Source,
    pub(super) reporting_component: String,
    /// How often and until when, in the events of `events.k8s.io`.
    pub(super) series: Option<Series>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Series {
    pub(super) count: u32,
    pub(super) last_observed_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Involved {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    pub(super) component: String,
}

/// A list.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct List<T> {
    #[serde(default)]
    pub(super) metadata: ListMetadata,
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMetadata {
    pub(super) resource_version: String,
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

pub(super) type Workload = Object<WorkloadSpec, WorkloadStatus>;
pub(super) type ReplicaSet = Object<SetSpec, SetStatus>;
pub(super) type Pod = Object<PodSpec, PodStatus>;
