//! Creating, cancelling and continuing deployments, as Cloud Controller's actions do it.

use jiff::Timestamp;
use serde_json::json;

use super::{
    error::ApiError,
    health::Health,
    revise::{self, Configuration},
    updater::canary_step,
    world::{App, Deployment, Metadata, Process, Revision, Sidecar, Stage, World},
};
use crate::simulator::guid::Kind;

/// A request for a deployment, already validated in its form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) droplet: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) canary: bool,
    pub(crate) steps: Vec<u64>,
    pub(crate) max_in_flight: u32,
    pub(crate) web_instances: Option<u32>,
    pub(crate) memory: Option<u64>,
    pub(crate) disk: Option<u64>,
    pub(crate) log_rate: Option<i64>,
    pub(crate) metadata: Metadata,
    /// The body as it came, for the audit event.
    pub(crate) request: serde_json::Value,
}

const GONE: &str =
    "Unable to assign current droplet. Ensure the droplet exists and belongs to this app.";

impl World {
    /// Creates a deployment and returns its GUID.
    pub(crate) fn deploy(
        &mut self,
        index: usize,
        wish: &Wish,
        actor: &str,
    ) -> Result<String, ApiError> {
        let (seed, now) = (self.seed, self.now);
        let app = self.app(index);
        let (droplet, revision) = target(app, wish)?;
        let started = app.started;
        let new_memory = wish.memory.or_else(|| app.web_processes().next_back().map(|p| p.memory));
        if started {
            let needed = new_memory.unwrap_or(0);
            if let Some(error) = self.quota_error(index, needed, 1) {
                return Err(ApiError::unprocessable(error));
            }
        }
        let app = self.app(index);
        let rolled_back = match &revision {
            Some(target) => Some(roll_back_configuration(app, target)?),
            None => None,
        };
        app.check_sidecars()?;
        app.bring_sidecars(seed, now);
        let previous_droplet = app.droplet.replace(droplet.clone());
        let noted = revision.as_ref().map(|target| target.version);
        let deployed = if let Some((configuration, description)) = rolled_back {
            app.env = configuration.env.clone();
            // Made anew from the revision, which does not tell where they came from (`deployment_target_state.rb`).
            app.sidecars.clone_from(&configuration.sidecars);
            for sidecar in &mut app.sidecars {
                sidecar.of_buildpack = false;
            }
            Some(revise::add(app, seed, now, actor, configuration, description))
        } else {
            revise::for_app(app, seed, now, actor)
        };
        let original_instances = app.active_deployment().map_or_else(
            || app.web_processes().next().map_or(1, Process::instances),
            |d| d.original_instances,
        );
        let guid = app.new_guid(seed, Kind::Deployment);
        let mut deployment = Deployment {
            guid: guid.clone(),
            stage: if wish.canary { Stage::Prepaused } else { Stage::Deploying },
            superseded: false,
            canary: wish.canary,
            steps: wish.steps.clone(),
            step: 0,
            max_in_flight: wish.max_in_flight,
            web_instances: wish.web_instances,
            memory: wish.memory,
            disk: wish.disk,
            log_rate: wish.log_rate,
            original_instances,
            droplet: Some(droplet.clone()),
            previous_droplet,
            process: None,
            revision: deployed.clone(),
            error: None,
            last_scaled: now,
            last_change: now,
            created_at: now,
            updated_at: now,
            metadata: wish.metadata.clone(),
        };
        let health =
            app.droplet_of(&droplet).map(|droplet| droplet.health.clone()).unwrap_or_default();
        let health =
            app.env.get("SIMULATE").and_then(|word| Health::parse(word).ok()).unwrap_or(health);
        if started {
            let target = if deployment.canary {
                canary_step(&deployment, 0).0
            } else {
                wish.web_instances.unwrap_or(original_instances)
            };
            let commands = noted.and_then(|_| app.latest_revision()).map(|r| r.commands.clone());
            let mut process = clone_of_newest(app, seed, health);
            process.created_at = now;
            process.updated_at = now;
            process.crashes_told = now;
            process.revision = deployed.as_ref().map(|(guid, _)| guid.clone());
            if let Some(command) = commands.and_then(|mut commands| commands.remove("web")) {
                process.command = command;
            }
            process.memory = wish.memory.unwrap_or(process.memory);
            process.disk = wish.disk.unwrap_or(process.disk);
            process.started.clear();
            process.scale(wish.max_in_flight.min(target), now);
            deployment.process = Some(process.guid.clone());
            app.processes.push(process);
        } else {
            // A stopped app has nothing to roll: it is started as it is now configured.
            deployment.stage = Stage::Deployed;
            app.started = true;
            for process in &mut app.processes {
                process.revision = deployed.as_ref().map(|(guid, _)| guid.clone());
                process.health = health.clone();
                process.started.fill(now);
                process.crashes_told = now;
            }
        }
        for before in app.history.deployments.iter_mut().filter(|d| d.stage.active()) {
            let ended = match before.stage {
                Stage::Deploying => Stage::Deployed,
                _ => Stage::Canceled,
            };
            before.superseded = true;
            before.enter(ended, now);
        }
        app.updated_at = now;
        app.history.deployments.push(deployment);
        let data = json!({
            "deployment_guid": guid, "droplet_guid": droplet, "type": noted.map(|_| "rollback"),
            "revision_guid": deployed.as_ref().map(|(guid, _)| guid), "request": wish.request,
            "strategy": if wish.canary { "canary" } else { "rolling" },
        });
        app.record(seed, now, "audit.app.deployment.create", actor, data);
        let app_guid = app.guid.clone();
        app.note(now, "API", format!("Creating deployment for app with guid {app_guid}"));
        if started {
            self.rolling.insert(index);
        }
        Ok(guid)
    }

    /// Asks for the cancellation of a deployment; the next tick carries it out.
    pub(crate) fn cancel(&mut self, index: usize, guid: &str, actor: &str) -> Result<(), ApiError> {
        let (seed, now) = (self.seed, self.now);
        let app = self.app(index);
        let deployment = active(app, guid, "cancel")?;
        let previous = deployment.previous_droplet.clone();
        if let Some(droplet) = &previous
            && app.droplet_of(droplet).is_none_or(|droplet| droplet.expired)
        {
            return Err(ApiError::unprocessable(GONE));
        }
        app.check_sidecars()?;
        app.bring_sidecars(seed, now);
        let mut droplet_guid = None;
        for deployment in app.history.deployments.iter_mut().filter(|d| d.guid == guid) {
            deployment.enter(Stage::Canceling, now);
            droplet_guid.clone_from(&deployment.droplet);
        }
        app.droplet = previous;
        let data = json!({ "deployment_guid": guid, "droplet_guid": droplet_guid });
        app.record(seed, now, "audit.app.deployment.cancel", actor, data);
        let app_guid = app.guid.clone();
        app.note(now, "API", format!("Cancelling deployment for app with guid {app_guid}"));
        Ok(())
    }

    /// Lets a paused canary go on.
    pub(crate) fn go_on(&mut self, index: usize, guid: &str, actor: &str) -> Result<(), ApiError> {
        let (seed, now) = (self.seed, self.now);
        let app = self.app(index);
        let deployment = active(app, guid, "continue")?;
        if deployment.stage != Stage::Paused {
            return Err(wrong_state("continue", deployment));
        }
        let mut droplet_guid = None;
        for deployment in app.history.deployments.iter_mut().filter(|d| d.guid == guid) {
            droplet_guid.clone_from(&deployment.droplet);
            if deployment.step + 1 < deployment.steps.len() {
                deployment.step += 1;
                deployment.enter(Stage::Prepaused, now);
            } else {
                deployment.enter(Stage::Deploying, now);
            }
        }
        let data = json!({ "deployment_guid": guid, "droplet_guid": droplet_guid });
        app.record(seed, now, "audit.app.deployment.continue", actor, data);
        let app_guid = app.guid.clone();
        app.note(now, "API", format!("Continuing deployment for app with guid {app_guid}"));
        Ok(())
    }
}

fn active<'a>(app: &'a App, guid: &str, verb: &str) -> Result<&'a Deployment, ApiError> {
    let found = app.history.deployments.iter().find(|deployment| deployment.guid == guid);
    let deployment = found.ok_or_else(|| ApiError::not_found("Deployment not found"))?;
    if deployment.stage.active() { Ok(deployment) } else { Err(wrong_state(verb, deployment)) }
}

fn wrong_state(verb: &str, deployment: &Deployment) -> ApiError {
    ApiError::unprocessable(format!(
        "Cannot {verb} a deployment with status: {} and reason: {}",
        deployment.value(),
        deployment.reason()
    ))
}

/// The droplet, and for a roll back the revision, that a wish names.
fn target(app: &App, wish: &Wish) -> Result<(String, Option<Revision>), ApiError> {
    if let Some(guid) = &wish.revision {
        if !app.revisions_enabled {
            return Err(ApiError::unprocessable(
                "Cannot create deployment from a revision for an app without revisions enabled",
            ));
        }
        let revision = app.history.revisions.iter().find(|revision| &revision.guid == guid);
        let revision =
            revision.ok_or_else(|| ApiError::unprocessable("The revision does not exist"))?;
        if !app.deployable(revision) {
            return Err(ApiError::unprocessable(
                "Unable to deploy this revision, the droplet for this revision no longer exists.",
            ));
        }
        return Ok((revision.droplet.clone(), Some(revision.clone())));
    }
    if let Some(guid) = &wish.droplet {
        let droplet = app.droplet_of(guid).filter(|droplet| !droplet.expired);
        return droplet
            .map(|droplet| (droplet.guid.clone(), None))
            .ok_or_else(|| ApiError::unprocessable(GONE));
    }
    app.droplet.clone().map(|droplet| (droplet, None)).ok_or_else(|| {
        ApiError::unprocessable(
            "Invalid droplet. Please specify a droplet in the request or set a current droplet for the app.",
        )
    })
}

/// What a roll back to `target` configures, and the description of the revision that it makes.
fn roll_back_configuration(
    app: &App,
    target: &Revision,
) -> Result<(Configuration, String), ApiError> {
    let mut configuration = Configuration::of_revision(target);
    // Only the process types that the app has now can be compared.
    for process in &app.processes {
        configuration
            .commands
            .entry(process.kind.clone())
            .or_insert_with(|| process.command.clone());
    }
    let reasons =
        app.latest_revision().map(|latest| configuration.reasons(latest)).unwrap_or_default();
    if reasons.is_empty() {
        return Err(ApiError::unprocessable(
            "Unable to rollback. The code and configuration you are rolling back to is the same as the deployed revision.",
        ));
    }
    let description = format!("{} Rolled back to revision {}.", reasons.join(" "), target.version);
    Ok((configuration, description))
}

impl App {
    /// Whether the sidecars of its buildpack can be brought: not beside those of the app's own of the same name
    /// (`app/actions/sidecar_synchronize_from_app_droplet.rb`).
    pub(crate) fn check_sidecars(&self) -> Result<(), ApiError> {
        let own = |name: &&String| {
            self.sidecars.iter().any(|one| one.name == **name && !one.of_buildpack)
        };
        match self.buildpack_sidecars.keys().find(own) {
            Some(name) => Err(ApiError::unprocessable(format!(
                "Buildpack defined sidecar '{name}' conflicts with an existing user-defined sidecar. Consider renaming '{name}'."
            ))),
            None => Ok(()),
        }
    }

    /// Brings the sidecars of its buildpack, as each droplet does that becomes the app's.
    pub(crate) fn bring_sidecars(&mut self, seed: u64, now: Timestamp) {
        self.sidecars.retain(|one| !one.of_buildpack);
        for (name, command) in self.buildpack_sidecars.clone() {
            let guid = self.new_guid(seed, Kind::Sidecar);
            self.sidecars.push(Sidecar {
                guid,
                name,
                command,
                process_types: vec!["web".to_owned()],
                memory: None,
                of_buildpack: true,
                created_at: now,
            });
        }
    }
}

fn clone_of_newest(app: &mut App, seed: u64, health: Health) -> Process {
    let guid = app.new_guid(seed, Kind::Process);
    let newest = app.web_processes().next_back().cloned();
    match newest {
        Some(newest) => Process { guid, health, ..newest },
        None => Process {
            guid,
            kind: "web".to_owned(),
            memory: 256,
            disk: 1024,
            command: None,
            revision: None,
            health,
            created_at: app.updated_at,
            updated_at: app.updated_at,
            started: Vec::new(),
            crashes_told: app.updated_at,
        },
    }
}
