//! The simulated region: clusters, services, task definitions and what runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{error::ApiError, health::Health};
use crate::simulator::{clock::Clock, guid::scramble};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";
/// How many events a service keeps, as the API documents it.
const EVENTS_KEPT: usize = 100;
/// How many stopped tasks a service keeps; the platform keeps them for an hour.
const STOPPED_KEPT: usize = 60;

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    /// The time up to which the world has been played.
    pub(crate) now: Timestamp,
    pub(crate) next_tick: Timestamp,
    pub(crate) clusters: Vec<String>,
    /// Task definitions as they are told, by family, oldest first.
    pub(crate) definitions: BTreeMap<String, Vec<Value>>,
    /// Tags of task definitions, by ARN.
    pub(crate) tags: BTreeMap<String, Vec<Value>>,
    pub(crate) services: Vec<Service>,
    /// What a tag of an image points to now.
    pub(crate) digests: BTreeMap<String, String>,
    /// Scalable targets of Application Auto Scaling, by resource.
    pub(crate) scalable: BTreeMap<String, Value>,
    /// Services of which something moves.
    pub(crate) moving: BTreeSet<usize>,
    ids: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Service {
    pub(crate) cluster: String,
    pub(crate) name: String,
    /// Members that are only told back, such as `networkConfiguration`.
    pub(crate) settings: Map<String, Value>,
    pub(crate) desired: u32,
    pub(crate) status: &'static str,
    /// What was asked for last.
    pub(crate) task_definition: String,
    /// `deployments[]`, newest first; the first one is PRIMARY.
    pub(crate) deployments: Vec<Deployment>,
    /// Service deployments, oldest first.
    pub(crate) history: Vec<ServiceDeployment>,
    pub(crate) revisions: Vec<ServiceRevision>,
    /// Newest first.
    pub(crate) events: VecDeque<(Timestamp, String, String)>,
    /// Newest first.
    pub(crate) stopped: VecDeque<Task>,
    pub(crate) created_at: Timestamp,
}

/// An entry of `deployments[]`.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) revision: String,
    pub(crate) task_definition: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) state: &'static str,
    pub(crate) reason: String,
    /// Tasks that failed in a row.
    pub(crate) failed: u32,
    /// When the next task may be started; failures hold it back.
    pub(crate) resumes_at: Timestamp,
    /// Whether the scheduler has taken it up; before it tells a desired count of 0.
    pub(crate) begun: bool,
    pub(crate) tasks: Vec<Task>,
}

#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) deployment: String,
    pub(crate) definition: String,
    pub(crate) health: Health,
    /// Whether it was started with ECS Exec: a service that gets it gives it to new tasks alone.
    pub(crate) exec: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) running_at: Option<Timestamp>,
    pub(crate) stopped: Option<Stopped>,
}

#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    pub(crate) at: Timestamp,
    pub(crate) code: &'static str,
    pub(crate) reason: String,
    pub(crate) exit: Option<i64>,
}

/// States of a service deployment, in the words of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    InProgress,
    RollbackRequested,
    RollbackInProgress,
    Successful,
    Stopped,
    RollbackSuccessful,
    RollbackFailed,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::RollbackRequested => "ROLLBACK_REQUESTED",
            Self::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Self::Successful => "SUCCESSFUL",
            Self::Stopped => "STOPPED",
            Self::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            Self::RollbackFailed => "ROLLBACK_FAILED",
        }
    }

    pub(crate) fn live(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::InProgress | Self::RollbackRequested | Self::RollbackInProgress
        )
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ServiceDeployment {
    pub(crate) id: String,
    /// The entry of `deployments[]` that it began.
    pub(crate) deployment: String,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) updated_at: Timestamp,
    pub(crate) stopped_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) source: Vec<String>,
    pub(crate) target: String,
    pub(crate) rollback: Option<(String, Timestamp, String)>,
    /// How many tasks have failed, as the circuit breaker counts them.
    pub(crate) failures: u32,
    pub(crate) triggered: bool,
    pub(crate) traffic: Option<super::traffic::Traffic>,
}

#[derive(Clone, Debug)]
pub(crate) struct ServiceRevision {
    pub(crate) number: u64,
    pub(crate) task_definition: String,
    /// Container, image, digest.
    pub(crate) images: Vec<(String, String, String)>,
    pub(crate) created_at: Timestamp,
    pub(crate) settings: Map<String, Value>,
}

impl World {
    pub(crate) fn new(clock: Clock, seed: u64) -> Self {
        let now = clock.now();
        Self {
            clock,
            now,
            next_tick: now,
            clusters: Vec::new(),
            definitions: BTreeMap::new(),
            tags: BTreeMap::new(),
            services: Vec::new(),
            digests: BTreeMap::new(),
            scalable: BTreeMap::new(),
            moving: BTreeSet::new(),
            ids: scramble(seed),
        }
    }

    fn random(&mut self) -> u64 {
        self.ids = self.ids.wrapping_add(1);
        scramble(self.ids)
    }

    /// Nineteen digits, as deployments and service revisions are numbered.
    pub(crate) fn number(&mut self) -> u64 {
        1_000_000_000_000_000_000 + self.random() % 8_000_000_000_000_000_000
    }

    /// 32 hexadecimal digits, as tasks are called.
    pub(crate) fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.random(), self.random())
    }

    /// As service deployments are called.
    pub(crate) fn short(&mut self) -> String {
        format!("{:016x}_{:05x}", self.random(), self.random() % 0xf_ffff)
    }

    /// The digest that an image has now.
    pub(crate) fn digest(&self, image: &str) -> String {
        if let Some((_, digest)) = image.split_once('@') {
            return digest.to_owned();
        }
        self.digests.get(image).cloned().unwrap_or_else(|| digest_of(image))
    }

    /// The name of a cluster that exists, from its name or ARN.
    pub(crate) fn cluster(&self, given: Option<&str>) -> Result<String, ApiError> {
        let given = given.filter(|given| !given.is_empty()).unwrap_or("default");
        let name = given.rsplit('/').next().unwrap_or(given);
        let known = self.clusters.iter().find(|known| *known == name).cloned();
        known.ok_or_else(|| ApiError::new("ClusterNotFoundException", "Cluster not found."))
    }

    /// Where a service is, from its name or ARN.
    pub(crate) fn service(&self, cluster: &str, given: &str) -> Option<usize> {
        let name = given.rsplit('/').next().unwrap_or(given);
        let is = |one: &Service| one.cluster == cluster && one.name == name;
        self.services.iter().position(is)
    }

    /// A task definition by `family`, `family:N` or its ARN; the newest ACTIVE one where no number is said.
    pub(crate) fn definition(&self, given: &str) -> Option<&Value> {
        let short = given.rsplit('/').next().unwrap_or(given);
        match short.split_once(':') {
            Some((family, number)) => {
                let number: usize = number.parse().ok()?;
                self.definitions.get(family)?.get(number.checked_sub(1)?)
            }
            None => {
                let all = self.definitions.get(short)?;
                all.iter().rev().find(|one| one["status"] == "ACTIVE")
            }
        }
    }

    /// How the tasks of a task definition fare.
    pub(crate) fn health(&self, task_definition: &str) -> Health {
        let Some(definition) = self.definition(task_definition) else { return Health::default() };
        let containers = definition["containerDefinitions"].as_array();
        let variables =
            containers.into_iter().flatten().filter_map(|one| one["environment"].as_array());
        let said = variables.flatten().find(|one| one["name"] == "SIMULATE");
        said.and_then(|one| Health::parse(one["value"].as_str()?).ok()).unwrap_or_default()
    }
}

pub(crate) fn arn(rest: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:{rest}")
}

/// Looks like a digest, and is the same for the same text.
pub(crate) fn digest_of(text: &str) -> String {
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut digest = "sha256:".to_owned();
    for _ in 0..4 {
        hash = scramble(hash);
        digest.push_str(&format!("{hash:016x}"));
    }
    digest
}

impl Service {
    pub(crate) fn arn(&self) -> String {
        arn(&format!("service/{}/{}", self.cluster, self.name))
    }

    pub(crate) fn revision_arn(&self, number: u64) -> String {
        arn(&format!("service-revision/{}/{}/{number}", self.cluster, self.name))
    }

    pub(crate) fn deployment_arn(&self, id: &str) -> String {
        arn(&format!("service-deployment/{}/{}/{id}", self.cluster, self.name))
    }

    pub(crate) fn revision(&self, arn: &str) -> Option<&ServiceRevision> {
        let number = arn.rsplit('/').next()?.parse::<u64>().ok()?;
        self.revisions.iter().find(|one| one.number == number)
    }

    /// The service deployment that is under way.
    pub(crate) fn live(&self) -> Option<usize> {
        self.history.iter().rposition(|one| one.status.live())
    }

    pub(crate) fn setting(&self, path: &str) -> Value {
        let mut value = Value::Object(self.settings.clone());
        for part in path.split('.') {
            value = value[part].take();
        }
        value
    }

    /// How a deployment proceeds.
    pub(crate) fn strategy(&self) -> String {
        let said = self.setting("deploymentConfiguration.strategy");
        said.as_str().unwrap_or("ROLLING").to_owned()
    }

    pub(crate) fn controller(&self) -> String {
        self.setting("deploymentController.type").as_str().unwrap_or("ECS").to_owned()
    }

    /// The least and the most tasks while a deployment is under way.
    pub(crate) fn bounds(&self) -> (u32, u32) {
        let percent = |name: &str, usual: u64| {
            self.setting(&format!("deploymentConfiguration.{name}")).as_u64().unwrap_or(usual)
        };
        let desired = u64::from(self.desired);
        let least = (desired * percent("minimumHealthyPercent", 100)).div_ceil(100);
        let most = desired * percent("maximumPercent", 200) / 100;
        (least as u32, most as u32)
    }

    /// How many failed tasks trigger the circuit breaker, where it is on, and whether it rolls back.
    pub(crate) fn breaker(&self) -> Option<(u32, bool)> {
        let breaker = self.setting("deploymentConfiguration.deploymentCircuitBreaker");
        if breaker["enable"] != true {
            return None;
        }
        let value = breaker["thresholdConfiguration"]["value"].as_f64();
        let share = |value: f64| (f64::from(self.desired) * value / 100.0).ceil() as u32;
        let threshold = match breaker["thresholdConfiguration"]["type"].as_str() {
            Some("COUNT") => value.unwrap_or(3.0) as u32,
            Some("UNBOUNDED_PERCENT") => share(value.unwrap_or(50.0)),
            _ => share(value.unwrap_or(50.0)).clamp(3, 200),
        };
        Some((threshold, breaker["rollback"] == true))
    }

    pub(crate) fn tell(&mut self, at: Timestamp, id: String, text: &str) {
        self.events.push_front((at, id, format!("(service {}) {text}", self.name)));
        self.events.truncate(EVENTS_KEPT);
    }

    pub(crate) fn bury(&mut self, task: Task) {
        self.stopped.push_front(task);
        self.stopped.truncate(STOPPED_KEPT);
    }

    /// Running and pending tasks of a service revision.
    pub(crate) fn counts(&self, revision: &str) -> (u32, u32) {
        let of = self.deployments.iter().filter(|one| one.revision == revision);
        of.fold((0, 0), |(running, pending), one| {
            (running + one.running(), pending + one.pending())
        })
    }
}

impl Deployment {
    pub(crate) fn running(&self) -> u32 {
        self.tasks.iter().filter(|task| task.running_at.is_some()).count() as u32
    }

    pub(crate) fn pending(&self) -> u32 {
        self.tasks.len() as u32 - self.running()
    }
}

/// A time as the wire has it: seconds since 1970, with a fraction.
pub(crate) fn stamp(at: Timestamp) -> Value {
    json!(at.as_millisecond() as f64 / 1000.0)
}
