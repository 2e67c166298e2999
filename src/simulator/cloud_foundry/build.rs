//! Building the world: from a scenario, or thousands of plain apps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    deploy::Wish,
    error::ApiError,
    health::Health,
    revise::{self, Configuration},
    updater::TICK,
    world::{
        App, Deployment, Droplet, History, Metadata, Org, Process, Sidecar, Space, Stage, World,
    },
};
use crate::simulator::{
    clock::{Clock, after},
    guid::{self, Kind, scramble},
    scenario::{Action, AppPlan, RevisionPlan, Scenario},
};

/// Words that name the plain apps of a large world.
const WORDS: [&str; 16] = [
    "billing", "cart", "notify", "ledger", "media", "quote", "route", "stock", "track", "vault",
    "audit", "batch", "claim", "draft", "fleet", "index",
];
/// How many revisions a plain app has.
const PLAIN_REVISIONS: usize = 100;

impl World {
    /// The world of a scenario, played up to the clock's present, with plain apps added up to `apps` in all.
    pub(crate) fn build(
        scenario: &Scenario,
        clock: Clock,
        seed: u64,
        apps: usize,
    ) -> Result<Self, String> {
        let present = clock.now();
        let mut world = Self {
            clock,
            seed,
            now: present,
            next_tick: present,
            orgs: Vec::new(),
            spaces: Vec::new(),
            apps: Vec::new(),
            rolling: BTreeSet::new(),
            staging: BTreeSet::new(),
        };
        let born = after(present, -400.0 * 86_400.0);
        for plan in &scenario.org {
            let org = world.orgs.len();
            let guid = guid::make(seed, Kind::Org, org, 0);
            world.orgs.push(Org {
                guid,
                name: plan.name.clone(),
                created_at: born,
                memory_limit: plan.memory,
                instance_limit: plan.instances,
            });
            for space in &plan.spaces {
                let guid = guid::make(seed, Kind::Space, world.spaces.len(), 0);
                world.spaces.push(Space {
                    guid,
                    name: space.name.clone(),
                    org,
                    created_at: born,
                    memory_limit: space.memory,
                    instance_limit: space.instances,
                });
            }
        }
        if world.spaces.is_empty() {
            return Err("the scenario has no organization with a space".to_owned());
        }
        for plan in &scenario.app {
            let app = world.app_from(plan, present)?;
            world.apps.push(app);
        }
        world.play_scripts(scenario, present)?;
        // Plain apps leave the story's quotas as tight and as roomy as they are.
        let roomy = |at: &usize| world.spaces[*at].memory_limit.is_none();
        let homes: Vec<_> = (0..world.spaces.len()).filter(roomy).collect();
        for index in world.apps.len()..apps {
            let Some(app) = plain_app(&world, &homes, index, present) else { break };
            let org = world.spaces[app.space].org;
            if let Some(limit) = &mut world.orgs[org].memory_limit {
                *limit += app.memory_used();
            }
            world.apps.push(app);
        }
        world.play_to(present);
        Ok(world)
    }

    fn app_from(&self, plan: &AppPlan, present: Timestamp) -> Result<App, String> {
        let said = |what: String| format!("scenario app {:?}: {what}", plan.name);
        let space = self
            .spaces
            .iter()
            .position(|space| format!("{}/{}", self.orgs[space.org].name, space.name) == plan.space)
            .ok_or_else(|| said(format!("there is no space {:?}", plan.space)))?;
        let born = after(present, -plan.revision.first().map_or(0.0, |revision| revision.age));
        let mut app = empty_app(self.seed, self.apps.len(), &plan.name, space, born);
        app.started = !plan.stopped;
        app.revisions_enabled = plan.revisions;
        app.docker = plan.docker.is_some();
        app.buildpack_sidecars.clone_from(&plan.buildpack_sidecars);
        app.droplets_kept = plan.droplets_kept;
        app.metadata.annotations.clone_from(&plan.annotations);
        app.history.told = true;
        app.processes.push(process(
            self.seed,
            &mut app.made,
            &app.guid,
            "web",
            plan.memory,
            plan.instances,
            born,
        ));
        for (kind, instances) in &plan.processes {
            let guid = app.new_guid(self.seed, Kind::Process);
            app.processes.push(process(
                self.seed,
                &mut app.made,
                &guid,
                kind,
                plan.memory,
                *instances,
                born,
            ));
        }
        let mut health = Health::default();
        for revision in &plan.revision {
            if let Some(text) = &revision.health {
                health = Health::parse(text).map_err(said)?;
            }
            release(&mut app, self.seed, after(present, -revision.age), revision, &health);
        }
        Ok(app)
    }

    fn play_scripts(&mut self, scenario: &Scenario, present: Timestamp) -> Result<(), String> {
        let mut steps: Vec<_> = scenario
            .app
            .iter()
            .enumerate()
            .flat_map(|(index, plan)| plan.script.iter().map(move |step| (index, step)))
            .collect();
        steps.sort_by(|a, b| b.1.ago.total_cmp(&a.1.ago));
        let Some(first) = steps.first() else { return Ok(()) };
        self.now = after(present, -first.1.ago);
        self.next_tick = after(self.now, TICK);
        for (index, step) in steps {
            self.play_to(after(present, -step.ago));
            self.play(index, &step.action, &step.by).map_err(|error| {
                format!("scenario app {:?}: {}", self.apps[index].name, error.detail())
            })?;
        }
        Ok(())
    }

    fn play(&mut self, index: usize, action: &Action, by: &str) -> Result<(), ApiError> {
        let (seed, now) = (self.seed, self.now);
        let app = self.app(index);
        let current = app.active_deployment().map(|deployment| deployment.guid.clone());
        match action {
            Action::Deploy { health, env, sidecars, canary, max_in_flight } => {
                let health = match health {
                    Some(text) => Health::parse(text).map_err(ApiError::unprocessable)?,
                    None => Health::default(),
                };
                let droplet = add_droplet(app, seed, now, health);
                app.env.extend(env.clone());
                if !sidecars.is_empty() {
                    app.sidecars = sidecars_from(app, seed, now, sidecars);
                }
                let wish = Wish {
                    droplet: Some(droplet),
                    canary: !canary.is_empty(),
                    steps: canary.clone(),
                    max_in_flight: max_in_flight.unwrap_or(1) as u32,
                    ..Wish::default()
                };
                self.deploy(index, &wish, by).map(drop)
            }
            Action::RollBack { to } => {
                let revision =
                    app.history.revisions.iter().find(|revision| revision.version == *to);
                let revision = revision.map(|revision| revision.guid.clone());
                let wish = Wish { revision, max_in_flight: 1, ..Wish::default() };
                self.deploy(index, &wish, by).map(drop)
            }
            Action::Cancel => self.cancel(index, &current.unwrap_or_default(), by),
            Action::Continue => self.go_on(index, &current.unwrap_or_default(), by),
        }
    }
}

fn empty_app(seed: u64, index: usize, name: &str, space: usize, born: Timestamp) -> App {
    App {
        guid: guid::make(seed, Kind::App, index, 0),
        index,
        name: name.to_owned(),
        space,
        deleted: false,
        started: true,
        created_at: born,
        updated_at: born,
        revisions_enabled: true,
        docker: false,
        env: BTreeMap::new(),
        droplet: None,
        droplets_kept: 5,
        metadata: Metadata::default(),
        sidecars: Vec::new(),
        buildpack_sidecars: BTreeMap::new(),
        processes: Vec::new(),
        history: History::default(),
        made: 0,
    }
}

/// An app as `POST /v3/apps` makes it: stopped, with a web process and no droplet.
pub(crate) fn new_app(world: &World, name: &str, space: usize) -> App {
    let index = world.apps.len();
    let mut app = empty_app(world.seed, index, name, space, world.now);
    app.started = false;
    app.history.told = true;
    app.processes.push(process(world.seed, &mut app.made, &app.guid, "web", 256, 1, world.now));
    app
}

fn process(
    seed: u64,
    made: &mut usize,
    guid: &str,
    kind: &str,
    memory: u64,
    instances: u32,
    born: Timestamp,
) -> Process {
    // Instances did not all start in the same second.
    let spread = |place: u32| {
        *made += 1;
        after(born, (scramble(seed ^ *made as u64) % 40) as f64 + f64::from(place) * 0.1)
    };
    Process {
        guid: guid.to_owned(),
        kind: kind.to_owned(),
        memory,
        disk: 1024,
        command: None,
        revision: None,
        health: Health::default(),
        created_at: born,
        updated_at: born,
        started: (0..instances).map(spread).collect(),
        crashes_told: born,
    }
}

fn sidecars_from(
    app: &mut App,
    seed: u64,
    now: Timestamp,
    plan: &BTreeMap<String, String>,
) -> Vec<Sidecar> {
    plan.iter()
        .map(|(name, command)| Sidecar {
            guid: app.new_guid(seed, Kind::Sidecar),
            name: name.clone(),
            command: command.clone(),
            process_types: vec!["web".to_owned()],
            memory: None,
            of_buildpack: false,
            created_at: now,
        })
        .collect()
}

/// Adds a staged droplet and expires those that the platform would not keep.
pub(crate) fn add_droplet(app: &mut App, seed: u64, now: Timestamp, health: Health) -> String {
    let guid = app.new_guid(seed, Kind::Droplet);
    app.history.droplets.push(Droplet {
        guid: guid.clone(),
        expired: false,
        health,
        package: None,
        image: None,
        created_at: now,
    });
    expire_droplets(app);
    guid
}

/// Expires all droplets but the newest few and the current one.
pub(crate) fn expire_droplets(app: &mut App) {
    let kept = app.droplets_kept;
    let surplus = app.history.droplets.len().saturating_sub(kept + 1);
    let current = app.droplet.clone();
    for droplet in app.history.droplets.iter_mut().take(surplus) {
        droplet.expired = current.as_deref() != Some(&droplet.guid);
    }
}

/// One finished release of the past: its droplet, revision, deployment and audit events.
fn release(app: &mut App, seed: u64, at: Timestamp, plan: &RevisionPlan, health: &Health) {
    let previous_droplet = app.droplet.clone();
    if plan.droplet || app.droplet.is_none() {
        let droplet = add_droplet(app, seed, at, health.clone());
        app.droplet = Some(droplet);
        expire_droplets(app);
    }
    app.env.extend(plan.env.clone());
    app.sidecars = sidecars_from(app, seed, at, &plan.sidecars);
    app.bring_sidecars(seed, at);
    if plan.command.is_some() {
        for process in app.processes.iter_mut().filter(|process| process.kind == "web") {
            process.command.clone_from(&plan.command);
        }
    }
    let revision = revise::for_app(app, seed, at, &plan.by);
    let original = app.web_processes().next().map_or(1, Process::instances);
    for process in &mut app.processes {
        process.revision = revision.as_ref().map(|(guid, _)| guid.clone());
        process.health = health.clone();
        let moved: Vec<_> =
            (0..process.instances()).map(|i| after(at, f64::from(i) * 5.0)).collect();
        process.started = moved;
        process.updated_at = at;
        process.crashes_told = after(at, 10.0 * 86_400.0);
    }
    let mut deployment = finished_deployment(seed, app, at, revision.clone(), original);
    deployment.previous_droplet = previous_droplet;
    let data = serde_json::json!({
        "deployment_guid": deployment.guid, "droplet_guid": deployment.droplet, "type": null,
        "revision_guid": revision.map(|(guid, _)| guid), "strategy": "rolling", "request": {},
    });
    app.history.deployments.push(deployment);
    app.updated_at = at;
    app.record(seed, at, "audit.app.deployment.create", &plan.by, data);
}

fn finished_deployment(
    seed: u64,
    app: &mut App,
    at: Timestamp,
    revision: Option<(String, u32)>,
    original_instances: u32,
) -> Deployment {
    let ended = after(at, f64::from(original_instances) * TICK);
    Deployment {
        guid: app.new_guid(seed, Kind::Deployment),
        stage: Stage::Deployed,
        superseded: false,
        canary: false,
        steps: Vec::new(),
        step: 0,
        max_in_flight: 1,
        web_instances: None,
        memory: None,
        disk: None,
        log_rate: None,
        original_instances,
        droplet: app.droplet.clone(),
        previous_droplet: None,
        process: Some(app.guid.clone()),
        revision,
        error: None,
        last_scaled: ended,
        last_change: ended,
        created_at: at,
        updated_at: ended,
        metadata: Metadata::default(),
    }
}

fn plain_app(world: &World, homes: &[usize], index: usize, present: Timestamp) -> Option<App> {
    let mixed = scramble(world.seed ^ index as u64);
    let name = format!("{}-{index:05}", WORDS[(mixed % WORDS.len() as u64) as usize]);
    let space = *homes.get((mixed >> 8) as usize % homes.len().max(1))?;
    let born = after(present, -300.0 * 86_400.0);
    let mut app = empty_app(world.seed, index, &name, space, born);
    let instances = 1 + (mixed >> 16) as u32 % 4;
    app.processes.push(process(world.seed, &mut app.made, &app.guid, "web", 64, instances, born));
    app.started = !mixed.is_multiple_of(23);
    app.history.untold_revisions = PLAIN_REVISIONS;
    app.processes[0].revision =
        Some(guid::make(world.seed, Kind::Revision, index, UNTOLD + PLAIN_REVISIONS));
    app.droplet = Some(guid::make(world.seed, Kind::Droplet, index, UNTOLD + PLAIN_REVISIONS));
    Some(app)
}

/// Where the GUID numbers of untold histories begin, out of the way of those given later.
const UNTOLD: usize = 0x40_0000;

/// Makes up the history of a plain app: the same one every time.
pub(crate) fn tell_history(app: &mut App, seed: u64, now: Timestamp) {
    app.history.told = true;
    let born = app.created_at;
    let count = app.history.untold_revisions;
    let age = super::super::clock::seconds_between(born, now);
    let instances = app.processes.first().map_or(1, Process::instances);
    for version in 1..=count {
        let at = after(born, age * version as f64 / (count + 1) as f64);
        let droplet = guid::make(seed, Kind::Droplet, app.index, UNTOLD + version);
        app.history.droplets.push(Droplet {
            guid: droplet.clone(),
            expired: version + app.droplets_kept < count,
            health: Health::default(),
            package: None,
            image: None,
            created_at: at,
        });
        let guid = guid::make(seed, Kind::Revision, app.index, UNTOLD + version);
        let description = if version == 1 { "Initial revision." } else { "New droplet deployed." };
        app.droplet = Some(droplet.clone());
        let configuration = Configuration::of_app(app).unwrap_or_else(|| Configuration {
            droplet: droplet.clone(),
            env: BTreeMap::new(),
            commands: BTreeMap::new(),
            sidecars: Vec::new(),
        });
        app.history.revisions.push(super::world::Revision {
            guid: guid.clone(),
            version: version as u32,
            droplet,
            env: configuration.env,
            commands: configuration.commands,
            sidecars: configuration.sidecars,
            description: description.to_owned(),
            created_at: at,
            metadata: Metadata::default(),
        });
        if version + 3 > count {
            let revision = Some((guid, version as u32));
            let deployment = finished_deployment(seed, app, at, revision, instances);
            app.history.deployments.push(deployment);
            app.record(seed, at, "audit.app.deployment.create", "ci", serde_json::json!({}));
        }
    }
}
