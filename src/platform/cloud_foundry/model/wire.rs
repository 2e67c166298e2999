//! The JSON of Cloud Foundry's API v3, as far as it is read. The reference is
//! <https://v3-apidocs.cloudfoundry.org>; every field that some server leaves out is optional here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::domain::revision_name;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Page<T> {
    pub(in crate::platform::cloud_foundry) pagination: Pagination,
    pub(in crate::platform::cloud_foundry) resources: Vec<T>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) included: Included,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Pagination {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) total_results: u64,
    pub(in crate::platform::cloud_foundry) next: Option<Link>,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Included {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) spaces: Vec<Space>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) organizations: Vec<Named>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Link {
    pub(in crate::platform::cloud_foundry) href: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Named {
    pub(in crate::platform::cloud_foundry) guid: String,
    pub(in crate::platform::cloud_foundry) name: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) relationships: Relationships,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Space {
    pub(in crate::platform::cloud_foundry) guid: String,
    pub(in crate::platform::cloud_foundry) name: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) relationships: Relationships,
}

/// `relationships`, whatever of it a resource has.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Relationships {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) app: Relation,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) space: Relation,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) organization: Relation,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) current_droplet: Relation,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) quota: Relation,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) revision: Relation,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Relation {
    pub(in crate::platform::cloud_foundry) data: Option<Reference>,
}

impl Relation {
    pub(in crate::platform::cloud_foundry) fn guid(&self) -> Option<&str> {
        self.data.as_ref().and_then(|data| data.guid.as_deref())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Reference {
    pub(in crate::platform::cloud_foundry) guid: Option<String>,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// `GET /`.
#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Root {
    pub(in crate::platform::cloud_foundry) links: RootLinks,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct RootLinks {
    pub(in crate::platform::cloud_foundry) cloud_controller_v3: Option<RootLink>,
    pub(in crate::platform::cloud_foundry) log_cache: Option<RootLink>,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct RootLink {
    pub(in crate::platform::cloud_foundry) href: Option<String>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) meta: RootMeta,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct RootMeta {
    pub(in crate::platform::cloud_foundry) version: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct App {
    pub(in crate::platform::cloud_foundry) guid: String,
    pub(in crate::platform::cloud_foundry) name: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) state: String,
    pub(in crate::platform::cloud_foundry) updated_at: Option<Timestamp>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) lifecycle: Lifecycle,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) relationships: Relationships,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Lifecycle {
    #[serde(default, rename = "type")]
    pub(in crate::platform::cloud_foundry) kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Metadata {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) annotations: BTreeMap<String, Option<String>>,
}

impl Metadata {
    pub(in crate::platform::cloud_foundry) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).and_then(Option::as_deref)
    }
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Feature {
    pub(in crate::platform::cloud_foundry) enabled: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Process {
    pub(in crate::platform::cloud_foundry) guid: String,
    #[serde(rename = "type")]
    pub(in crate::platform::cloud_foundry) kind: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) instances: u32,
    /// Redacted in lists.
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) command: Option<String>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) memory_in_mb: u64,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) relationships: Relationships,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) health_check: HealthCheck,
    pub(in crate::platform::cloud_foundry) created_at: Option<Timestamp>,
    /// Only where the list was asked to embed them.
    #[serde(rename = "process_instances")]
    pub(in crate::platform::cloud_foundry) embedded: Option<Vec<ProcessInstance>>,
}

/// How the platform finds out whether an instance is well.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct HealthCheck {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) data: HealthCheckData,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct HealthCheckData {
    /// How long an instance may take to start, in seconds; the platform's own limit where it is none.
    pub(in crate::platform::cloud_foundry) timeout: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct ProcessInstance {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) index: u32,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) state: String,
    /// Seconds in this state.
    pub(in crate::platform::cloud_foundry) since: Option<f64>,
}

/// `GET /v3/processes/:guid/stats`: a list without pages.
#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Stats {
    pub(in crate::platform::cloud_foundry) resources: Vec<Stat>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Stat {
    #[serde(default, rename = "type")]
    pub(in crate::platform::cloud_foundry) kind: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) index: u32,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) state: String,
    pub(in crate::platform::cloud_foundry) routable: Option<bool>,
    pub(in crate::platform::cloud_foundry) uptime: Option<f64>,
    pub(in crate::platform::cloud_foundry) details: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) usage: StatUsage,
    /// In bytes.
    pub(in crate::platform::cloud_foundry) mem_quota: Option<f64>,
    /// In bytes.
    pub(in crate::platform::cloud_foundry) disk_quota: Option<f64>,
    pub(in crate::platform::cloud_foundry) host: Option<String>,
    pub(in crate::platform::cloud_foundry) instance_internal_ip: Option<String>,
    pub(in crate::platform::cloud_foundry) instance_guid: Option<String>,
    pub(in crate::platform::cloud_foundry) isolation_segment: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) instance_ports: Vec<StatPort>,
}

/// What an instance uses; any member may be missing while log-cache is away.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct StatUsage {
    /// In cores.
    pub(in crate::platform::cloud_foundry) cpu: Option<f64>,
    /// The part of what it is entitled to, 1 being all of it; above 1 where the cell has room.
    pub(in crate::platform::cloud_foundry) cpu_entitlement: Option<f64>,
    /// In bytes.
    pub(in crate::platform::cloud_foundry) mem: Option<f64>,
    /// In bytes.
    pub(in crate::platform::cloud_foundry) disk: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct StatPort {
    pub(in crate::platform::cloud_foundry) external: Option<u32>,
    pub(in crate::platform::cloud_foundry) internal: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Revision {
    pub(in crate::platform::cloud_foundry) guid: String,
    pub(in crate::platform::cloud_foundry) version: u64,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) droplet: Reference,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) processes: BTreeMap<String, Command>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) sidecars: Vec<Sidecar>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) description: String,
    pub(in crate::platform::cloud_foundry) deployable: Option<bool>,
    pub(in crate::platform::cloud_foundry) created_at: Option<Timestamp>,
}

impl Revision {
    /// What it is called in a sentence, such as `rev 7`.
    pub(in crate::platform::cloud_foundry) fn name(&self) -> String {
        revision_name(self.version)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Command {
    pub(in crate::platform::cloud_foundry) command: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Sidecar {
    /// Absent where a sidecar is part of a revision.
    pub(in crate::platform::cloud_foundry) guid: Option<String>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) name: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) command: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) process_types: Vec<String>,
    pub(in crate::platform::cloud_foundry) memory_in_mb: Option<u64>,
    /// `user`, or `buildpack`; absent where a sidecar is part of a revision.
    pub(in crate::platform::cloud_foundry) origin: Option<String>,
}

impl Sidecar {
    /// Whether the buildpack has brought it: then every droplet of that app brings it anew.
    pub(in crate::platform::cloud_foundry) fn of_buildpack(&self) -> bool {
        self.origin.as_deref() == Some("buildpack")
    }
}

/// Whether `cf ssh` may reach an app: `GET /v3/apps/:guid/ssh_enabled`.
#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct SshEnabled {
    pub(in crate::platform::cloud_foundry) enabled: bool,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) reason: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Environment {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) var: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Deployment {
    pub(in crate::platform::cloud_foundry) guid: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) status: DeploymentStatus,
    /// What older servers have instead of `status`.
    pub(in crate::platform::cloud_foundry) state: Option<String>,
    pub(in crate::platform::cloud_foundry) strategy: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) options: DeploymentOptions,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) new_processes: Vec<NewProcess>,
    /// The droplet that the app had when it began, and gets again when it is cancelled.
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) previous_droplet: Reference,
    pub(in crate::platform::cloud_foundry) revision: Option<DeploymentRevision>,
    pub(in crate::platform::cloud_foundry) created_at: Option<Timestamp>,
    pub(in crate::platform::cloud_foundry) updated_at: Option<Timestamp>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) metadata: Metadata,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) relationships: Relationships,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct DeploymentStatus {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) value: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) reason: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) details: DeploymentDetails,
    pub(in crate::platform::cloud_foundry) canary: Option<Canary>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct DeploymentDetails {
    pub(in crate::platform::cloud_foundry) last_successful_healthcheck: Option<Timestamp>,
    pub(in crate::platform::cloud_foundry) last_status_change: Option<Timestamp>,
    pub(in crate::platform::cloud_foundry) error: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Canary {
    pub(in crate::platform::cloud_foundry) steps: CanarySteps,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct CanarySteps {
    pub(in crate::platform::cloud_foundry) current: u32,
    pub(in crate::platform::cloud_foundry) total: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct DeploymentOptions {
    pub(in crate::platform::cloud_foundry) max_in_flight: Option<u32>,
    pub(in crate::platform::cloud_foundry) web_instances: Option<u32>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) canary: Option<CanaryOptions>,
}

/// `options.canary` of a deployment.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct CanaryOptions {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) steps: Vec<CanaryOptionStep>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct CanaryOptionStep {
    pub(in crate::platform::cloud_foundry) instance_weight: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct NewProcess {
    pub(in crate::platform::cloud_foundry) guid: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct DeploymentRevision {
    pub(in crate::platform::cloud_foundry) guid: String,
    pub(in crate::platform::cloud_foundry) version: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Droplet {
    pub(in crate::platform::cloud_foundry) guid: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) state: String,
    pub(in crate::platform::cloud_foundry) image: Option<String>,
    pub(in crate::platform::cloud_foundry) created_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Package {
    pub(in crate::platform::cloud_foundry) guid: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) state: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) data: PackageData,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct PackageData {
    /// Who reads an image from its registry.
    pub(in crate::platform::cloud_foundry) username: Option<String>,
    pub(in crate::platform::cloud_foundry) error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Build {
    pub(in crate::platform::cloud_foundry) guid: String,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) state: String,
    pub(in crate::platform::cloud_foundry) error: Option<String>,
    pub(in crate::platform::cloud_foundry) droplet: Option<Reference>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct AuditEvent {
    #[serde(rename = "type")]
    pub(in crate::platform::cloud_foundry) kind: String,
    pub(in crate::platform::cloud_foundry) created_at: Timestamp,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) actor: Actor,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(in crate::platform::cloud_foundry) data: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Actor {
    pub(in crate::platform::cloud_foundry) guid: Option<String>,
    pub(in crate::platform::cloud_foundry) name: Option<String>,
    #[serde(default, rename = "type")]
    pub(in crate::platform::cloud_foundry) kind: String,
}

/// `GET /v3/organization_quotas/:guid` and `GET /v3/space_quotas/:guid`.
#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Quota {
    pub(in crate::platform::cloud_foundry) apps: QuotaApps,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct QuotaApps {
    pub(in crate::platform::cloud_foundry) total_memory_in_mb: Option<u64>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) total_instances: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Usage {
    pub(in crate::platform::cloud_foundry) usage_summary: UsageSummary,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct UsageSummary {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) memory_in_mb: u64,
    /// Instances that started processes want.
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) started_instances: u64,
}

/// log-cache's `GET /api/v1/read/:source`; numbers come as strings.
#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct LogRead {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) envelopes: LogBatch,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct LogBatch {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) batch: Vec<Envelope>,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Envelope {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) timestamp: String,
    pub(in crate::platform::cloud_foundry) instance_id: Option<String>,
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) tags: BTreeMap<String, String>,
    pub(in crate::platform::cloud_foundry) log: Option<Log>,
}

#[derive(Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Log {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) payload: String,
    #[serde(default, rename = "type")]
    pub(in crate::platform::cloud_foundry) kind: String,
}

/// A role of somebody in a space or an organization (`GET /v3/roles`).
#[derive(Clone, Debug, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Role {
    /// Such as `space_auditor`.
    #[serde(rename = "type")]
    pub(in crate::platform::cloud_foundry) kind: String,
}
