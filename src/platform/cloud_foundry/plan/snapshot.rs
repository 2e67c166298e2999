//! The state that a plan stands on.

use jiff::Timestamp;

use crate::{
    domain::{
        AppId, Phase, Revision, RevisionSummary,
        text::{clean, short, span},
    },
    platform::{
        Error,
        cloud_foundry::{
            foundation::CloudFoundry,
            model::wire,
            operate::receipt::{Guard, configuration_mark},
            read::convert,
        },
    },
};

/// Everything about one app, read at once.
pub(in super::super) struct Snapshot {
    pub(in super::super) guid: String,
    pub(super) name: String,
    pub(super) app: wire::App,
    pub(super) versioned: bool,
    /// Newest first.
    pub(super) revisions: Vec<wire::Revision>,
    pub(super) processes: Vec<wire::Process>,
    /// Oldest first.
    pub(super) deployments: Vec<wire::Deployment>,
    /// `None` where the login may not see it.
    pub(super) environment: Option<wire::Environment>,
    pub(super) sidecars: Vec<wire::Sidecar>,
    /// Why the API has no canary deployments, where it has none.
    pub(super) no_canary: Option<String>,
    pub(super) read_at: Timestamp,
}

impl Snapshot {
    pub(super) async fn read(foundation: &CloudFoundry, app: &AppId) -> Result<Self, Error> {
        let guid = app.as_str();
        let at = |tail: &str| format!("/v3/apps/{guid}{tail}");
        let (own, feature, revisions) = (at(""), at("/features/revisions"), at("/revisions"));
        let (environment, sidecars) = (at("/environment_variables"), at("/sidecars"));
        let newest = [("order_by", "-created_at".to_owned()), ("per_page", "100".to_owned())];
        let api_info = foundation.api_info().await?;
        let embed = CloudFoundry::embeds(&api_info);
        let read_at = (foundation.now)();
        let (app, feature, revisions, processes, deployments, environment, sidecars) = tokio::join!(
            foundation.http.get::<wire::App>(&own, &[]),
            foundation.http.get::<wire::Feature>(&feature, &[]),
            foundation.http.get::<wire::Page<wire::Revision>>(&revisions, &newest),
            foundation.processes_of(guid, embed),
            foundation
                .all::<wire::Deployment>("/v3/deployments", vec![("app_guids", guid.to_owned())]),
            foundation.environment(&environment),
            foundation.all::<wire::Sidecar>(&sidecars, Vec::new()),
        );
        let (app, deployments) = (app?, deployments?);
        foundation.learn_all(&deployments);
        let revisions = revisions?.resources;
        for revision in &revisions {
            foundation.learn(&revision.guid, revision.version.to_string());
        }
        let environment = environment?;
        let mut processes = processes?;
        foundation.embed_stats(&mut processes, &deployments).await;
        Ok(Self {
            guid: guid.to_owned(),
            name: clean(&app.name),
            app,
            versioned: feature.map(|feature| feature.enabled).unwrap_or(true),
            revisions,
            processes,
            deployments,
            environment,
            sidecars: sidecars.unwrap_or_default(),
            no_canary: CloudFoundry::lacks(&api_info, 3, 173, "canary deployments"),
            read_at,
        })
    }

    /// What a plan stands on; one that overwrites environment or sidecars stands on these, too.
    pub(super) fn guard(&self, overwrites: bool) -> Guard {
        let mark = || configuration_mark(self.environment.as_ref(), &self.sidecars);
        Guard {
            newest: self.deployments.last().map(|one| one.guid.clone()),
            configuration: overwrites.then(mark),
            ..Guard::of(&self.app, self.active(), self.revisions.first())
        }
    }

    pub(super) fn active(&self) -> Option<&wire::Deployment> {
        self.deployments.iter().rfind(|one| convert::phase(one).active())
    }

    pub(super) fn stopped(&self) -> bool {
        self.app.state == "STOPPED"
    }

    /// The web processes, oldest first.
    pub(super) fn web(&self) -> Vec<&wire::Process> {
        let mut web: Vec<_> =
            self.processes.iter().filter(|process| process.kind == "web").collect();
        web.sort_by_key(|process| process.created_at);
        web
    }

    /// The web process that a cancel of the active deployment leaves: of the rollouts that it has superseded the newest
    /// that still has a running instance, else the oldest process of all (`deployment_updater/actions/cancel.rb`).
    pub(super) fn survivor(&self) -> Option<&wire::Process> {
        // A canary that was superseded while it waited counts as cancelled there, and its process goes.
        let waited = |one: &wire::Deployment| {
            let canary = one.status.canary.as_ref();
            canary.is_some_and(|canary| canary.steps.current < canary.steps.total)
        };
        let old = self.old_web();
        let superseded =
            |one: &&wire::Deployment| convert::phase(one) == Phase::Superseded && !waited(one);
        let interim = self.deployments.iter().rev().filter(superseded).find_map(|one| {
            let brought = |process: &&&wire::Process| {
                one.new_processes.iter().any(|new| new.guid == process.guid)
            };
            let runs = |process: &&&wire::Process| {
                let instances = process.embedded.as_ref();
                process.instances > 0
                    && instances.is_some_and(|all| all.iter().any(|one| one.state == "RUNNING"))
            };
            old.iter().filter(brought).find(runs).copied()
        });
        interim.or_else(|| old.first().copied())
    }

    /// The web processes that the active deployment did not bring.
    pub(super) fn old_web(&self) -> Vec<&wire::Process> {
        let new: Vec<_> =
            self.active().iter().flat_map(|one| &one.new_processes).map(|new| &new.guid).collect();
        self.web().into_iter().filter(|process| !new.contains(&&process.guid)).collect()
    }

    /// How many of these processes' instances run, and how many are wanted; `None` where that is not known.
    pub(super) fn running(processes: &[&wire::Process]) -> (Option<u32>, u32) {
        let running = processes
            .iter()
            .map(|process| {
                let instances = process.embedded.as_ref()?;
                Some(instances.iter().filter(|one| one.state == "RUNNING").count() as u32)
            })
            .sum();
        (running, processes.iter().map(|process| process.instances).sum())
    }

    /// The revision that serves now; during a rollout that of the old side which a cancel leaves.
    pub(super) fn deployed(&self) -> Option<&wire::Revision> {
        let web = self.web();
        let newest = || web.iter().rev().find(|one| one.relationships.revision.guid().is_some());
        let process = match self.active() {
            Some(_) => self.survivor().or_else(|| newest().copied()),
            None => newest().copied(),
        };
        self.revision(process?.relationships.revision.guid()?)
    }

    /// The revisions as the deck has them, newest first.
    pub(super) fn history(&self) -> Vec<Revision> {
        let deployed: Vec<_> = self
            .web()
            .iter()
            .filter_map(|process| process.relationships.revision.guid().map(str::to_owned))
            .collect();
        let incoming =
            self.active().and_then(|one| one.revision.as_ref()).map(|of| of.guid.as_str());
        self.revisions
            .iter()
            .map(|one| {
                convert::revision(one, &self.deployments, &deployed, incoming, self.versioned)
            })
            .collect()
    }

    /// The revision that a rollout without a droplet of its own would start: the deployed one where it has the app's current
    /// droplet, which a rollout in progress has set to its own (`lib/cloud_controller/deployments/deployment_target_state.rb`), else the
    /// newest that has.
    pub(super) fn current(&self) -> Option<&wire::Revision> {
        let droplet = self.app.relationships.current_droplet.guid()?;
        let has = |one: &&wire::Revision| one.droplet.guid.as_deref() == Some(droplet);
        self.deployed().filter(has).or_else(|| self.revisions.iter().find(has))
    }

    pub(super) fn revision(&self, guid: &str) -> Option<&wire::Revision> {
        self.revisions.iter().find(|revision| revision.guid == guid)
    }

    /// One end of a change: `rev 7`, its droplet, and what is known of it.
    pub(super) fn end(&self, revision: &wire::Revision) -> RevisionSummary {
        let history = self.history();
        let known = history.iter().find(|one| one.id.as_str() == revision.guid);
        let mut remarks = Vec::new();
        if let Some(created) = revision.created_at {
            remarks.push(format!("made {} ago", span(self.read_at.duration_since(created))));
        }
        if let Some(served) = known.and_then(|one| one.served) {
            remarks.push(format!("served {}", span(served)));
        }
        if known.is_some_and(|one| one.track_record == crate::domain::TrackRecord::Unfinished) {
            remarks.push("its rollout never finished".to_owned());
        }
        RevisionSummary {
            name: revision.name(),
            artifact: revision
                .droplet
                .guid
                .as_deref()
                .map(|guid| format!("droplet {}", short(guid))),
            remark: (!remarks.is_empty()).then(|| remarks.join(", ")),
        }
    }

    /// How the env of the app differs from that of a revision: names only.
    pub(super) fn drift(&self, environment: &wire::Environment) -> Option<Vec<String>> {
        let now = self.environment.as_ref()?;
        let mut names: Vec<_> = now.var.keys().chain(environment.var.keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| now.var.get(name) != environment.var.get(name));
        Some(names)
    }

    /// The app's sidecars that its buildpack has brought.
    pub(super) fn brought(&self) -> impl Iterator<Item = &wire::Sidecar> {
        self.sidecars.iter().filter(|one| one.of_buildpack())
    }

    /// Whether the app's own sidecars differ from those of a revision.
    pub(super) fn sidecars_drift(&self, revision: &wire::Revision) -> bool {
        // Those of the buildpack come with the droplet.
        let brought = |name: &str| self.brought().any(|one| one.name == name);
        let bare = |sidecars: &[wire::Sidecar]| {
            let mut bare: Vec<_> = sidecars
                .iter()
                .filter(|one| !brought(&one.name))
                .map(|one| (one.name.clone(), one.command.clone(), one.process_types.clone()))
                .collect();
            bare.sort();
            bare
        };
        bare(&self.sidecars) != bare(&revision.sidecars)
    }
}
