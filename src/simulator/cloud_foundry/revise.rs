//! When a change makes a new revision, and what its description says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::world::{App, Revision, Sidecar};
use crate::simulator::guid::Kind;

/// The configuration that a revision records, as the app has it now.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    pub(crate) droplet: String,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) commands: BTreeMap<String, Option<String>>,
    pub(crate) sidecars: Vec<Sidecar>,
}

impl Configuration {
    pub(crate) fn of_app(app: &App) -> Option<Self> {
        let mut commands = BTreeMap::new();
        for process in &app.processes {
            commands.insert(process.kind.clone(), process.command.clone());
        }
        Some(Self {
            droplet: app.droplet.clone()?,
            env: app.env.clone(),
            commands,
            sidecars: app.sidecars.clone(),
        })
    }

    pub(crate) fn of_revision(revision: &Revision) -> Self {
        Self {
            droplet: revision.droplet.clone(),
            env: revision.env.clone(),
            commands: revision.commands.clone(),
            sidecars: revision.sidecars.clone(),
        }
    }

    /// Why this differs from a revision, as the platform words it; empty when it does not.
    pub(crate) fn reasons(&self, latest: &Revision) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.droplet != latest.droplet {
            reasons.push("New droplet deployed.".to_owned());
        }
        if self.env != latest.env {
            reasons.push("New environment variables deployed.".to_owned());
        }
        for (kind, command) in &self.commands {
            match latest.commands.get(kind) {
                None => reasons.push(format!("New process type '{kind}' added.")),
                Some(before) if before == command => {}
                Some(before) => {
                    let verb = match (before, command) {
                        (None, _) => "added",
                        (_, None) => "removed",
                        _ => "updated",
                    };
                    reasons.push(format!("Custom start command {verb} for '{kind}' process."));
                }
            }
        }
        for kind in latest.commands.keys().filter(|kind| !self.commands.contains_key(*kind)) {
            reasons.push(format!("Process type '{kind}' removed."));
        }
        let bare = |sidecars: &[Sidecar]| {
            let mut bare: Vec<_> = sidecars
                .iter()
                .map(|s| (s.name.clone(), s.command.clone(), s.process_types.clone(), s.memory))
                .collect();
            bare.sort();
            bare
        };
        if bare(&self.sidecars) != bare(&latest.sidecars) {
            reasons.push("Sidecars updated.".to_owned());
        }
        reasons.sort();
        reasons
    }
}

/// Adds a revision with this configuration and returns its GUID and version.
pub(crate) fn add(
    app: &mut App,
    seed: u64,
    now: Timestamp,
    actor: &str,
    configuration: Configuration,
    description: String,
) -> (String, u32) {
    let version = match app.latest_revision().map_or(0, |latest| latest.version) {
        9_999 => 1,
        version => version + 1,
    };
    app.history.revisions.retain(|revision| revision.version != version);
    let guid = app.new_guid(seed, Kind::Revision);
    app.history.revisions.push(Revision {
        guid: guid.clone(),
        version,
        droplet: configuration.droplet,
        env: configuration.env,
        commands: configuration.commands,
        sidecars: configuration.sidecars,
        description,
        created_at: now,
        metadata: super::world::Metadata::default(),
    });
    let data = json!({ "revision_guid": guid, "revision_version": version });
    app.record(seed, now, "audit.app.revision.create", actor, data);
    (guid, version)
}

/// The revision for what the app is configured to run now: the latest one where nothing differs, else a new one.
pub(crate) fn for_app(
    app: &mut App,
    seed: u64,
    now: Timestamp,
    actor: &str,
) -> Option<(String, u32)> {
    if !app.revisions_enabled {
        return None;
    }
    let configuration = Configuration::of_app(app)?;
    let description = match app.latest_revision() {
        None => "Initial revision.".to_owned(),
        Some(latest) => {
            let reasons = configuration.reasons(latest);
            if reasons.is_empty() {
                return Some((latest.guid.clone(), latest.version));
            }
            reasons.join(" ")
        }
    };
    Some(add(app, seed, now, actor, configuration, description))
}
