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
pub(in crate::platform::kubernetes) struct Object<S, T = ()> {
    pub(in crate::platform::kubernetes) metadata: Metadata,
    #[serde(default = "none", deserialize_with = "maybe", bound = "S: DeserializeOwned")]
    pub(in crate::platform::kubernetes) spec: Option<S>,
    #[serde(default = "none", deserialize_with = "maybe", bound = "T: DeserializeOwned")]
    pub(in crate::platform::kubernetes) status: Option<T>,
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
pub(in crate::platform::kubernetes) struct Metadata {
    pub(in crate::platform::kubernetes) name: String,
    pub(in crate::platform::kubernetes) namespace: String,
    pub(in crate::platform::kubernetes) uid: String,
    pub(in crate::platform::kubernetes) resource_version: String,
    pub(in crate::platform::kubernetes) generation: i64,
    pub(in crate::platform::kubernetes) creation_timestamp: Option<Timestamp>,
    pub(in crate::platform::kubernetes) deletion_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "texts")]
    pub(in crate::platform::kubernetes) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "texts")]
    pub(in crate::platform::kubernetes) annotations: BTreeMap<String, String>,
    pub(in crate::platform::kubernetes) owner_references: Vec<Owner>,
    #[serde(rename = "managedFields", deserialize_with = "last_manager")]
    pub(in crate::platform::kubernetes) manager: Option<Manager>,
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
pub(in crate::platform::kubernetes) struct Owner {
    pub(in crate::platform::kubernetes) uid: String,
    #[serde(default)]
    pub(in crate::platform::kubernetes) controller: bool,
}

/// Who changed an object last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::kubernetes) struct Manager {
    pub(in crate::platform::kubernetes) name: String,
    pub(in crate::platform::kubernetes) at: Option<Timestamp>,
    /// Whether it applies on the server's side, so that others' changes are conflicts to it.
    pub(in crate::platform::kubernetes) applies: bool,
    /// Whether Argo CD has written any of it.
    pub(in crate::platform::kubernetes) argo_cd: bool,
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
    let argo_cd = all.iter().any(|one| one.manager.starts_with("argocd"));
    let last = all.iter().filter(theirs).max_by_key(|one| one.time);
    Ok(last.map(|one| Manager { name: one.manager.clone(), at: one.time, applies, argo_cd }))
}

impl Metadata {
    /// The UID of the object that controls this one.
    pub(in crate::platform::kubernetes) fn owner(&self) -> Option<&str> {
        self.owner_references.iter().find(|owner| owner.controller).map(|owner| owner.uid.as_str())
    }
}

/// A Deployment, StatefulSet or DaemonSet, as far as all three are alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::platform::kubernetes) struct WorkloadSpec {
    pub(in crate::platform::kubernetes) replicas: Option<u32>,
    #[serde(default)]
    pub(in crate::platform::kubernetes) paused: bool,
    #[serde(default)]
    pub(in crate::platform::kubernetes) selector: Selector,
    #[serde(default)]
    pub(in crate::platform::kubernetes) template: Template,
    #[serde(default)]
    pub(in crate::platform::kubernetes) strategy: Strategy,
    #[serde(default)]
    pub(in crate::platform::kubernetes) update_strategy: Strategy,
    #[serde(default)]
    pub(in crate::platform::kubernetes) pod_management_policy: String,
    pub(in crate::platform::kubernetes) progress_deadline_seconds: Option<i64>,
    pub(in crate::platform::kubernetes) revision_history_limit: Option<i64>,
    /// Of a Rollout: Pods that are older are replaced.
    pub(in crate::platform::kubernetes) restart_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Strategy {
    #[serde(rename = "type")]
    pub(in crate::platform::kubernetes) kind: String,
    pub(in crate::platform::kubernetes) rolling_update: Option<Limits>,
    /// Of a Rollout.
    pub(in crate::platform::kubernetes) canary: Option<Canary>,
}

/// The canary strategy of a Rollout, `argoproj.io/v1alpha1`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::kubernetes) struct Canary {
    pub(in crate::platform::kubernetes) steps: Vec<CanaryStep>,
}

/// One step of a canary: a weight to be set, a pause, or something else.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct CanaryStep {
    pub(in crate::platform::kubernetes) set_weight: Option<i64>,
    pub(in crate::platform::kubernetes) pause: Option<CanaryPause>,
    pub(in crate::platform::kubernetes) analysis: Option<IgnoredAny>,
    pub(in crate::platform::kubernetes) experiment: Option<IgnoredAny>,
}

/// A pause of a canary: it ends by itself after its duration, or when somebody ends it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::kubernetes) struct CanaryPause {
    pub(in crate::platform::kubernetes) duration: Option<Value>,
}

impl CanaryStep {
    /// What it is called.
    pub(in crate::platform::kubernetes) fn name(&self) -> String {
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
pub(in crate::platform::kubernetes) struct Limits {
    pub(in crate::platform::kubernetes) max_surge: Option<Value>,
    pub(in crate::platform::kubernetes) max_unavailable: Option<Value>,
    pub(in crate::platform::kubernetes) partition: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Selector {
    pub(in crate::platform::kubernetes) match_labels: BTreeMap<String, String>,
    pub(in crate::platform::kubernetes) match_expressions: Vec<Expression>,
}

/// A requirement of a selector that is more than an equality.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::kubernetes) struct Expression {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl Selector {
    /// As `labelSelector` has it.
    pub(in crate::platform::kubernetes) fn query(&self) -> String {
        let equal = self.match_labels.iter().map(|(name, value)| format!("{name}={value}"));
        // An operator that does not exist yet is left out: what is found is told apart by its owner anyway.
        let more = self.match_expressions.iter().filter_map(|one| {
            let (key, values) = (&one.key, one.values.join(","));
            match one.operator.as_str() {
                "In" => Some(format!("{key} in ({values})")),
                "NotIn" => Some(format!("{key} notin ({values})")),
                "Exists" => Some(key.clone()),
                "DoesNotExist" => Some(format!("!{key}")),
                _ => None,
            }
        });
        equal.chain(more).collect::<Vec<_>>().join(",")
    }

    /// Whether it selects what has these labels; one that says nothing selects everything.
    pub(in crate::platform::kubernetes) fn matches(&self, labels: &Value) -> bool {
        let label = |key: &str| labels[key].as_str();
        self.match_labels.iter().all(|(key, value)| label(key) == Some(value))
            && self.match_expressions.iter().all(|one| {
                let own = label(&one.key);
                let among = own.is_some_and(|own| one.values.iter().any(|value| value == own));
                match one.operator.as_str() {
                    "In" => among,
                    "NotIn" => !among,
                    "Exists" => own.is_some(),
                    "DoesNotExist" => own.is_none(),
                    _ => false,
                }
            })
    }
}

impl WorkloadSpec {
    /// Whether Pods are replaced only when somebody deletes them.
    pub(in crate::platform::kubernetes) fn on_delete(&self) -> bool {
        self.update_strategy.kind == "OnDelete"
    }

    /// Of a StatefulSet: Pods with a lower number keep the template that they have.
    pub(in crate::platform::kubernetes) fn partition(&self) -> u32 {
        self.update_strategy.rolling_update.as_ref().and_then(|one| one.partition).unwrap_or(0)
    }
}

/// What of a Pod template tells revisions apart: the template itself is read when it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::kubernetes) struct Template {
    /// The same for the same template, whatever the controller added to it.
    pub(in crate::platform::kubernetes) hash: u64,
    /// `container=image`, in order.
    pub(in crate::platform::kubernetes) images: Vec<(String, String)>,
    pub(in crate::platform::kubernetes) restarted_at: Option<String>,
}

/// The label that tells the ReplicaSets of an Argo Rollout apart.
pub(in crate::platform::kubernetes) const HASH: &str = "rollouts-pod-template-hash";
/// The annotation that a restart leaves in a template.
pub(in crate::platform::kubernetes) const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

impl Template {
    /// Reads what tells a template apart.
    pub(in crate::platform::kubernetes) fn read(mut template: Value) -> Self {
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
        Self { hash: hash(&template), images, restarted_at }
    }
}

/// The same for the same JSON, also in another run of the program (FNV-1a).
pub(in crate::platform::kubernetes) fn hash(value: &Value) -> u64 {
    value.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Takes away what the controllers add to a template.
pub(in crate::platform::kubernetes) fn strip(template: &mut Value) {
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
pub(in crate::platform::kubernetes) struct WorkloadStatus {
    #[serde(deserialize_with = "number_or_text")]
    pub(in crate::platform::kubernetes) observed_generation: i64,
    pub(in crate::platform::kubernetes) replicas: u32,
    pub(in crate::platform::kubernetes) updated_replicas: u32,
    pub(in crate::platform::kubernetes) ready_replicas: u32,
    pub(in crate::platform::kubernetes) available_replicas: u32,
    pub(in crate::platform::kubernetes) conditions: Vec<Condition>,
    // StatefulSet
    pub(in crate::platform::kubernetes) current_revision: String,
    pub(in crate::platform::kubernetes) update_revision: String,
    // DaemonSet
    pub(in crate::platform::kubernetes) desired_number_scheduled: u32,
    pub(in crate::platform::kubernetes) updated_number_scheduled: u32,
    pub(in crate::platform::kubernetes) number_ready: u32,
    pub(in crate::platform::kubernetes) number_available: u32,
    // Rollout
    pub(in crate::platform::kubernetes) phase: String,
    pub(in crate::platform::kubernetes) message: String,
    #[serde(rename = "stableRS")]
    pub(in crate::platform::kubernetes) stable_rs: String,
    pub(in crate::platform::kubernetes) current_step_index: Option<u32>,
    pub(in crate::platform::kubernetes) current_pod_hash: String,
    #[serde(deserialize_with = "nullable")]
    pub(in crate::platform::kubernetes) pause_conditions: Vec<IgnoredAny>,
    pub(in crate::platform::kubernetes) abort: bool,
    pub(in crate::platform::kubernetes) restarted_at: Option<Timestamp>,
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
pub(in crate::platform::kubernetes) struct Condition {
    #[serde(rename = "type")]
    pub(in crate::platform::kubernetes) kind: String,
    pub(in crate::platform::kubernetes) status: String,
    pub(in crate::platform::kubernetes) reason: String,
    pub(in crate::platform::kubernetes) message: String,
    pub(in crate::platform::kubernetes) last_update_time: Option<Timestamp>,
    pub(in crate::platform::kubernetes) last_transition_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct SetSpec {
    pub(in crate::platform::kubernetes) replicas: u32,
    pub(in crate::platform::kubernetes) template: Template,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct SetStatus {
    pub(in crate::platform::kubernetes) replicas: u32,
    pub(in crate::platform::kubernetes) ready_replicas: u32,
    pub(in crate::platform::kubernetes) available_replicas: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct PodSpec {
    pub(in crate::platform::kubernetes) node_name: Option<String>,
    pub(in crate::platform::kubernetes) containers: Vec<Container>,
    pub(in crate::platform::kubernetes) init_containers: Vec<Container>,
}

/// A container of a Pod, as far as it matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Container {
    pub(in crate::platform::kubernetes) name: String,
    pub(in crate::platform::kubernetes) resources: Resources,
    pub(in crate::platform::kubernetes) startup_probe: Option<Probe>,
    pub(in crate::platform::kubernetes) readiness_probe: Option<Probe>,
}

/// What a container may use at most: quantities by name, see [`super::quantity`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::kubernetes) struct Resources {
    pub(in crate::platform::kubernetes) limits: BTreeMap<String, Value>,
}

/// When a container is looked at for the first time, and how often until it is given up; in seconds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Probe {
    pub(in crate::platform::kubernetes) initial_delay_seconds: Option<i64>,
    pub(in crate::platform::kubernetes) period_seconds: Option<i64>,
    pub(in crate::platform::kubernetes) failure_threshold: Option<i64>,
}

/// What metrics.k8s.io/v1beta1 says of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::kubernetes) struct PodMetrics {
    pub(in crate::platform::kubernetes) metadata: MetricsMetadata,
    /// When the measuring ended.
    pub(in crate::platform::kubernetes) timestamp: Option<Timestamp>,
    /// How long it took, such as `15s`.
    pub(in crate::platform::kubernetes) window: Option<String>,
    pub(in crate::platform::kubernetes) containers: Vec<ContainerMetrics>,
}

/// Metrics have no UID.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::kubernetes) struct MetricsMetadata {
    pub(in crate::platform::kubernetes) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::kubernetes) struct ContainerMetrics {
    pub(in crate::platform::kubernetes) name: String,
    pub(in crate::platform::kubernetes) usage: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct PodStatus {
    pub(in crate::platform::kubernetes) phase: String,
    pub(in crate::platform::kubernetes) reason: String,
    pub(in crate::platform::kubernetes) message: String,
    #[serde(rename = "podIP")]
    pub(in crate::platform::kubernetes) pod_ip: String,
    pub(in crate::platform::kubernetes) conditions: Vec<Condition>,
    pub(in crate::platform::kubernetes) container_statuses: Vec<ContainerStatus>,
    pub(in crate::platform::kubernetes) init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct ContainerStatus {
    pub(in crate::platform::kubernetes) name: String,
    pub(in crate::platform::kubernetes) ready: bool,
    pub(in crate::platform::kubernetes) restart_count: u32,
    pub(in crate::platform::kubernetes) state: ContainerState,
    pub(in crate::platform::kubernetes) last_state: ContainerState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct ContainerState {
    pub(in crate::platform::kubernetes) waiting: Option<Waiting>,
    pub(in crate::platform::kubernetes) running: Option<Running>,
    pub(in crate::platform::kubernetes) terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Waiting {
    pub(in crate::platform::kubernetes) reason: String,
    pub(in crate::platform::kubernetes) message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Running {
    pub(in crate::platform::kubernetes) started_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Terminated {
    pub(in crate::platform::kubernetes) exit_code: i64,
    pub(in crate::platform::kubernetes) reason: String,
    pub(in crate::platform::kubernetes) finished_at: Option<Timestamp>,
}

/// A ControllerRevision.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::kubernetes) struct Controlled {
    pub(in crate::platform::kubernetes) metadata: Metadata,
    #[serde(default)]
    pub(in crate::platform::kubernetes) revision: i64,
    #[serde(default)]
    pub(in crate::platform::kubernetes) data: Value,
}

/// An Event of the core group.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Event {
    pub(in crate::platform::kubernetes) metadata: Metadata,
    #[serde(rename = "type")]
    pub(in crate::platform::kubernetes) kind: String,
    pub(in crate::platform::kubernetes) reason: String,
    pub(in crate::platform::kubernetes) message: String,
    pub(in crate::platform::kubernetes) count: Option<u32>,
    pub(in crate::platform::kubernetes) last_timestamp: Option<Timestamp>,
    #[serde(rename = "eventTime")]
    pub(in crate::platform::kubernetes) at: Option<Timestamp>,
    pub(in crate::platform::kubernetes) involved_object: Involved,
    /// Who said so, in the events of older recorders; empty in those of `events.k8s.io`, as of the scheduler.
    pub(in crate::platform::kubernetes) source: EventSource,
    pub(in crate::platform::kubernetes) reporting_component: String,
    /// How often and until when, in the events of `events.k8s.io`.
    pub(in crate::platform::kubernetes) series: Option<Series>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Series {
    pub(in crate::platform::kubernetes) count: u32,
    pub(in crate::platform::kubernetes) last_observed_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct Involved {
    pub(in crate::platform::kubernetes) kind: String,
    pub(in crate::platform::kubernetes) name: String,
    pub(in crate::platform::kubernetes) uid: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::platform::kubernetes) struct EventSource {
    pub(in crate::platform::kubernetes) component: String,
}

/// A list.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::kubernetes) struct List<T> {
    #[serde(default)]
    pub(in crate::platform::kubernetes) metadata: ListMetadata,
    #[serde(default = "Vec::new")]
    pub(in crate::platform::kubernetes) items: Vec<T>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::platform::kubernetes) struct ListMetadata {
    pub(in crate::platform::kubernetes) resource_version: String,
    #[serde(rename = "continue")]
    pub(in crate::platform::kubernetes) next: Option<String>,
}

pub(in crate::platform::kubernetes) type Workload = Object<WorkloadSpec, WorkloadStatus>;
pub(in crate::platform::kubernetes) type ReplicaSet = Object<SetSpec, SetStatus>;
pub(in crate::platform::kubernetes) type Pod = Object<PodSpec, PodStatus>;
