//! The JSON of Cloud Foundry's API v3, as far as it is read. The reference is
//! <https://v3-apidocs.cloudfoundry.org>; every field that some server leaves out is optional here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) pagination: Pagination,
    pub(super) resources: Vec<T>,
    #[serde(default)]
    pub(super) included: Included,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pagination {
    #[serde(default)]
    pub(super) total_results: u64,
    pub(super) next: Option<Link>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Included {
    #[serde(default)]
    pub(super) spaces: Vec<Space>,
    #[serde(default)]
    pub(super) organizations: Vec<Named>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Link {
    pub(super) href: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    pub(super) guid: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) relationships: Relationships,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Space {
    pub(super) guid: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) relationships: Relationships,
}

/// `relationships`, whatever of it a resource has.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Relationships {
    #[serde(default)]
    pub(super) app: Relation,
    #[serde(default)]
    pub(super) space: Relation,
    #[serde(default)]
    pub(super) organization: Relation,
    #[serde(default)]
    pub(super) current_droplet: Relation,
    #[serde(default)]
    pub(super) quota: Relation,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) revision: Relation,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Relation {
    pub(super) data: Option<Reference>,
}

impl Relation {
    pub(super) fn guid(&self) -> Option<&str> {
        self.data.as_ref().and_then(|data| data.guid.as_deref())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Reference {
    pub(super) guid: Option<String>,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// `GET /`.
#[derive(Debug, Deserialize)]
pub(super) struct Root {
    pub(super) links: RootLinks,
}

#[derive(Debug, Deserialize)]
pub(super) struct RootLinks {
    pub(super) cloud_controller_v3: Option<RootLink>,
    pub(super) log_cache: Option<RootLink>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RootLink {
    pub(super) href: Option<String>,
    #[serde(default)]
    pub(super) meta: RootMeta,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RootMeta {
    pub(super) version: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct App {
    pub(super) guid: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) state: String,
    pub(super) updated_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) lifecycle: Lifecycle,
    #[serde(default)]
    pub(super) relationships: Relationships,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Lifecycle {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) annotations: BTreeMap<String, Option<String>>,
}

impl Metadata {
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).and_then(Option::as_deref)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Feature {
    pub(super) enabled: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Process {
    pub(super) guid: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) instances: u32,
    /// Redacted in lists.
    #[serde(default)]
    pub(super) command: Option<String>,
    #[serde(default)]
    pub(super) memory_in_mb: u64,
    #[serde(default)]
    pub(super) relationships: Relationships,
    pub(super) created_at: Option<Timestamp>,
    /// Only where the list was asked to embed them.
    #[serde(rename = "process_instances")]
    pub(super) embedded: Option<Vec<ProcessInstance>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ProcessInstance {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default)]
    pub(super) state: String,
    /// Seconds in this state.
    pub(super) since: Option<f64>,
}

/// `GET /v3/processes/:guid/stats`: a list without pages.
#[derive(Debug, Deserialize)]
pub(super) struct Stats {
    pub(super) resources: Vec<Stat>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stat {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default)]
    pub(super) state: String,
    pub(super) routable: Option<bool>,
    pub(super) uptime: Option<f64>,
    pub(super) details: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Revision {
    pub(super) guid: String,
    pub(super) version: u64,
    #[serde(default)]
    pub(super) droplet: Reference,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) processes: BTreeMap<String, Command>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) sidecars: Vec<Sidecar>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) description: String,
    pub(super) deployable: Option<bool>,
    pub(super) created_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(super) struct Command {
    pub(super) command: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Sidecar {
    /// Absent where a sidecar is part of a revision.
    pub(super) guid: Option<String>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) command: String,
    #[serde(default)]
    pub(super) process_types: Vec<String>,
    pub(super) memory_in_mb: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Environment {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) var: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Deployment {
    pub(super) guid: String,
    #[serde(default)]
    pub(super) status: DeploymentStatus,
    /// What older servers have instead of `status`.
    pub(super) state: Option<String>,
    pub(super) strategy: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) options: DeploymentOptions,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) new_processes: Vec<NewProcess>,
    pub(super) revision: Option<DeploymentRevision>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) updated_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) relationships: Relationships,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct DeploymentStatus {
    #[serde(default)]
    pub(super) value: String,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) details: DeploymentDetails,
    pub(super) canary: Option<Canary>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct DeploymentDetails {
    pub(super) last_successful_healthcheck: Option<Timestamp>,
    pub(super) last_status_change: Option<Timestamp>,
    pub(super) error: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Canary {
    pub(super) steps: CanarySteps,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct CanarySteps {
    pub(super) current: u32,
    pub(super) total: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct DeploymentOptions {
    pub(super) max_in_flight: Option<u32>,
    pub(super) web_instances: Option<u32>,
    #[serde(default)]
    pub(super) canary: Option<CanaryOptions>,
}

/// `options.canary` of a deployment.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct CanaryOptions {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) steps: Vec<CanaryOptionStep>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct CanaryOptionStep {
    pub(super) instance_weight: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct NewProcess {
    pub(super) guid: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct DeploymentRevision {
    pub(super) guid: String,
    pub(super) version: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Droplet {
    pub(super) guid: String,
    #[serde(default)]
    pub(super) state: String,
    pub(super) image: Option<String>,
    pub(super) created_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) guid: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) data: PackageData,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct PackageData {
    pub(super) error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Build {
    pub(super) guid: String,
    #[serde(default)]
    pub(super) state: String,
    pub(super) error: Option<String>,
    pub(super) droplet: Option<Reference>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct AuditEvent {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) created_at: Timestamp,
    #[serde(default)]
    pub(super) actor: Actor,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) data: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Actor {
    pub(super) name: Option<String>,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
}

/// `GET /v3/organization_quotas/:guid` and `GET /v3/space_quotas/:guid`.
#[derive(Debug, Deserialize)]
pub(super) struct Quota {
    pub(super) apps: QuotaApps,
}

#[derive(Debug, Deserialize)]
pub(super) struct QuotaApps {
    pub(super) total_memory_in_mb: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Usage {
    pub(super) usage_summary: UsageSummary,
}

#[derive(Debug, Deserialize)]
pub(super) struct UsageSummary {
    #[serde(default)]
    pub(super) memory_in_mb: u64,
}

/// log-cache's `GET /api/v1/read/:source`; numbers come as strings.
#[derive(Debug, Deserialize)]
pub(super) struct LogRead {
    #[serde(default)]
    pub(super) envelopes: LogBatch,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct LogBatch {
    #[serde(default)]
    pub(super) batch: Vec<Envelope>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    #[serde(default)]
    pub(super) timestamp: String,
    pub(super) instance_id: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    pub(super) log: Option<Log>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Log {
    #[serde(default)]
    pub(super) payload: String,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
}
