//! The simulated foundation: organizations, spaces, apps and all that belongs to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::health::{self, Health, InstanceNow};
use crate::simulator::{
    clock::Clock,
    guid::{self, Kind},
};

/// How many audit events an app keeps.
const EVENTS_KEPT: usize = 300;

pub(crate) type Env = BTreeMap<String, String>;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    /// The time up to which the world has been played.
    pub(crate) now: Timestamp,
    pub(crate) next_tick: Timestamp,
    pub(crate) orgs: Vec<Org>,
    pub(crate) spaces: Vec<Space>,
    pub(crate) apps: Vec<App>,
    /// Apps with an ACTIVE deployment.
    pub(crate) rolling: BTreeSet<usize>,
    /// Apps with builds or packages under way.
    pub(crate) staging: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Org {
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) instance_limit: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) org: usize,
    pub(crate) created_at: Timestamp,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) instance_limit: Option<u32>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) guid: String,
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) space: usize,
    /// It keeps its place among the apps, since others are found by theirs.
    pub(crate) deleted: bool,
    pub(crate) started: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) revisions_enabled: bool,
    pub(crate) docker: bool,
    pub(crate) env: Env,
    pub(crate) droplet: Option<String>,
    pub(crate) droplets_kept: usize,
    pub(crate) metadata: Metadata,
    pub(crate) sidecars: Vec<Sidecar>,
    /// Names and commands of those that each of its droplets brings.
    pub(crate) buildpack_sidecars: BTreeMap<String, String>,
    pub(crate) processes: Vec<Process>,
    pub(crate) history: History,
    /// Numbers the app's own GUIDs.
    pub(crate) made: usize,
}

/// What happened to an app. That of the many apps of a large world is made up when first asked for.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) told: bool,
    /// How many revisions an untold history will have.
    pub(crate) untold_revisions: usize,
    pub(crate) revisions: Vec<Revision>,
    pub(crate) droplets: Vec<Droplet>,
    pub(crate) packages: Vec<Package>,
    pub(crate) builds: Vec<Build>,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) events: VecDeque<AuditEvent>,
    /// Platform log lines: when, source type, text.
    pub(crate) notes: VecDeque<(Timestamp, String, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sidecar {
    pub(crate) guid: String,
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) process_types: Vec<String>,
    pub(crate) memory: Option<u64>,
    /// Whether the app's buildpack has brought it, and not the app's owner.
    pub(crate) of_buildpack: bool,
    pub(crate) created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) guid: String,
    pub(crate) kind: String,
    pub(crate) memory: u64,
    pub(crate) disk: u64,
    pub(crate) command: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) health: Health,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// When each desired instance was started.
    pub(crate) started: Vec<Timestamp>,
    /// Crashes up to here have been written to the audit events.
    pub(crate) crashes_told: Timestamp,
}

impl Process {
    pub(crate) fn instances(&self) -> u32 {
        self.started.len() as u32
    }

    pub(crate) fn scale(&mut self, instances: u32, now: Timestamp) {
        self.started.resize(instances as usize, now);
        self.updated_at = now;
    }

    pub(crate) fn readings(&self, now: Timestamp) -> impl Iterator<Item = InstanceNow> {
        self.started.iter().map(move |started| health::read(&self.health, *started, now))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Revision {
    pub(crate) guid: String,
    pub(crate) version: u32,
    pub(crate) droplet: String,
    pub(crate) env: Env,
    pub(crate) commands: BTreeMap<String, Option<String>>,
    pub(crate) sidecars: Vec<Sidecar>,
    pub(crate) description: String,
    pub(crate) created_at: Timestamp,
    pub(crate) metadata: Metadata,
}

#[derive(Clone, Debug)]
pub(crate) struct Droplet {
    pub(crate) guid: String,
    pub(crate) expired: bool,
    pub(crate) health: Health,
    pub(crate) package: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) guid: String,
    pub(crate) docker: Option<String>,
    /// Who reads the image from its registry, and with which password.
    pub(crate) reader: Option<(String, String)>,
    /// Bytes received, once they have been.
    pub(crate) size: Option<usize>,
    pub(crate) ready_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) health: Option<Health>,
    pub(crate) staging_fails: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) guid: String,
    pub(crate) package: String,
    pub(crate) droplet: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) done_at: Timestamp,
    pub(crate) created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Deploying,
    Prepaused,
    Paused,
    Canceling,
    Deployed,
    Canceled,
}

impl Stage {
    pub(crate) fn active(self) -> bool {
        !matches!(self, Self::Deployed | Self::Canceled)
    }

    /// The internal name, which the `states` filter takes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deploying => "DEPLOYING",
            Self::Prepaused => "PREPAUSED",
            Self::Paused => "PAUSED",
            Self::Canceling => "CANCELING",
            Self::Deployed => "DEPLOYED",
            Self::Canceled => "CANCELED",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) guid: String,
    pub(crate) stage: Stage,
    pub(crate) superseded: bool,
    pub(crate) canary: bool,
    pub(crate) steps: Vec<u64>,
    pub(crate) step: usize,
    pub(crate) max_in_flight: u32,
    pub(crate) web_instances: Option<u32>,
    pub(crate) memory: Option<u64>,
    pub(crate) disk: Option<u64>,
    pub(crate) log_rate: Option<i64>,
    pub(crate) original_instances: u32,
    pub(crate) droplet: Option<String>,
    pub(crate) previous_droplet: Option<String>,
    pub(crate) process: Option<String>,
    pub(crate) revision: Option<(String, u32)>,
    pub(crate) error: Option<String>,
    pub(crate) last_scaled: Timestamp,
    pub(crate) last_change: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) metadata: Metadata,
}

impl Deployment {
    pub(crate) fn value(&self) -> &'static str {
        if self.stage.active() { "ACTIVE" } else { "FINALIZED" }
    }

    pub(crate) fn reason(&self) -> &'static str {
        match self.stage {
            _ if self.superseded => "SUPERSEDED",
            Stage::Prepaused => "DEPLOYING",
            stage => stage.word(),
        }
    }

    pub(crate) fn enter(&mut self, stage: Stage, now: Timestamp) {
        if self.stage != stage {
            self.stage = stage;
            self.last_change = now;
        }
        self.updated_at = now;
    }
}

#[derive(Clone, Debug)]
pub(crate) struct AuditEvent {
    pub(crate) guid: String,
    pub(crate) at: Timestamp,
    pub(crate) kind: String,
    pub(crate) actor: String,
    pub(crate) actor_type: &'static str,
    pub(crate) data: serde_json::Value,
}

impl AuditEvent {
    /// The process that a crash is of: it is its own actor (`process_event_repository.rb`).
    pub(crate) fn process(&self) -> Option<&str> {
        (self.actor_type == "process").then(|| self.data["version"].as_str())?
    }
}

impl App {
    /// The app's next own GUID of a kind.
    pub(crate) fn new_guid(&mut self, seed: u64, kind: Kind) -> String {
        self.made += 1;
        guid::make(seed, kind, self.index, self.made)
    }

    pub(crate) fn latest_revision(&self) -> Option<&Revision> {
        self.history.revisions.last()
    }

    pub(crate) fn droplet_of(&self, guid: &str) -> Option<&Droplet> {
        self.history.droplets.iter().find(|droplet| droplet.guid == guid)
    }

    pub(crate) fn deployable(&self, revision: &Revision) -> bool {
        self.droplet_of(&revision.droplet).is_some_and(|droplet| !droplet.expired)
    }

    pub(crate) fn active_deployment(&self) -> Option<&Deployment> {
        self.history.deployments.iter().rev().find(|deployment| deployment.stage.active())
    }

    pub(crate) fn process(&self, guid: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.guid == guid)
    }

    pub(crate) fn web_processes(&self) -> impl DoubleEndedIterator<Item = &Process> {
        self.processes.iter().filter(|process| process.kind == "web")
    }

    /// Megabytes that the started instances may use.
    pub(crate) fn memory_used(&self) -> u64 {
        if !self.started {
            return 0;
        }
        self.processes.iter().map(|process| process.memory * u64::from(process.instances())).sum()
    }

    pub(crate) fn note(&mut self, at: Timestamp, source: &str, text: impl Into<String>) {
        self.history.notes.push_back((at, source.to_owned(), text.into()));
        if self.history.notes.len() > EVENTS_KEPT {
            self.history.notes.pop_front();
        }
    }

    pub(crate) fn record(
        &mut self,
        seed: u64,
        at: Timestamp,
        kind: &str,
        actor: &str,
        data: serde_json::Value,
    ) {
        let guid = self.new_guid(seed, Kind::Event);
        let actor_type = if actor == "web" { "process" } else { "user" };
        self.history.events.push_back(AuditEvent {
            guid,
            at,
            kind: kind.to_owned(),
            actor: actor.to_owned(),
            actor_type,
            data,
        });
        if self.history.events.len() > EVENTS_KEPT {
            self.history.events.pop_front();
        }
    }
}

impl World {
    /// The index of the app that a GUID of any of its things belongs to.
    pub(crate) fn owner(&self, guid: &str) -> Option<usize> {
        let (kind, index, _) = guid::read(guid)?;
        let of_app = !matches!(kind, Kind::Org | Kind::Space | Kind::Quota | Kind::User);
        let there = self.apps.get(index).is_some_and(|app| !app.deleted);
        (of_app && there).then_some(index)
    }

    pub(crate) fn app_index(&self, guid: &str) -> Option<usize> {
        self.owner(guid).filter(|index| self.apps[*index].guid == guid)
    }

    /// An app, its history made up where nobody has asked for it yet.
    pub(crate) fn app(&mut self, index: usize) -> &mut App {
        let (seed, now) = (self.seed, self.now);
        let app = &mut self.apps[index];
        if !app.history.told {
            super::build::tell_history(app, seed, now);
        }
        app
    }

    pub(crate) fn memory_used(&self, space: impl Fn(usize) -> bool) -> u64 {
        self.apps.iter().filter(|app| space(app.space)).map(App::memory_used).sum()
    }

    /// The instances that started apps want.
    pub(crate) fn instances_started(&self, space: impl Fn(usize) -> bool) -> u32 {
        let apps = self.apps.iter().filter(|app| app.started && space(app.space));
        apps.flat_map(|app| &app.processes).map(Process::instances).sum()
    }

    /// The limit that one more use of so many megabytes and instances by the app would break, in the platform's words
    /// (`app/models/runtime/process_model.rb`, and `DeploymentCreate.enhanced_deployment_create_error`).
    pub(crate) fn quota_error(&self, app: usize, memory: u64, instances: u32) -> Option<String> {
        let index = self.apps[app].space;
        let space = &self.spaces[index];
        let org = &self.orgs[space.org];
        let in_space = |s: usize| s == index;
        let in_org = |s: usize| self.spaces[s].org == space.org;
        let small = "quota may not be large enough to support rolling deployments or your configured max-in-flight.";
        let over =
            |limit: Option<u64>, used: u64, more: u64| limit.is_some_and(|l| used + more > l);
        let over_count =
            |limit: Option<u32>, used: u32| limit.is_some_and(|l| used + instances > l);
        let of_space =
            |what: &str| Some(format!("{what} for space {}. This space's {small}", space.name));
        let of_org = |what: &str| {
            Some(format!("{what} for organization {}. This organization's {small}", org.name))
        };
        if over(space.memory_limit, self.memory_used(in_space), memory) {
            of_space("memory space_quota_exceeded")
        } else if over(org.memory_limit, self.memory_used(in_org), memory) {
            of_org("memory quota_exceeded")
        } else if over_count(org.instance_limit, self.instances_started(in_org)) {
            of_org("app_instance_limit app_instance_limit_exceeded")
        } else if over_count(space.instance_limit, self.instances_started(in_space)) {
            of_space("app_instance_limit space_app_instance_limit_exceeded")
        } else {
            None
        }
    }
}
