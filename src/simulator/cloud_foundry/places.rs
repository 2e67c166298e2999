//! Routes, domains, stacks and manifests: what a client wants to see beside an app, kept simple.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    build,
    call::{Answer, Call, Reply},
    error::ApiError,
    jobs::{self, Job},
    list::{self, Item, Spec},
    present,
    world::{App, World},
};
use crate::simulator::guid::{self, Kind};

const DOMAIN: &str = "apps.example.test";

struct Route<'a>(String, &'a App);

impl Item for Route<'_> {
    fn guid(&self) -> &str {
        &self.0
    }
    fn created_at(&self) -> Timestamp {
        self.1.created_at
    }
}

fn domain_guid() -> String {
    guid::make(0, Kind::Other, 0, 1)
}

pub(crate) fn domain(call: &Call) -> Value {
    let guid = domain_guid();
    json!({
        "guid": guid, "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z",
        "name": DOMAIN, "internal": false, "router_group": null, "supported_protocols": ["http"],
        "metadata": { "labels": {}, "annotations": {} },
        "relationships": { "organization": { "data": null }, "shared_organizations": { "data": [] } },
        "links": {
            "self": { "href": format!("{}/v3/domains/{guid}", call.base) },
            "route_reservations": { "href": format!("{}/v3/domains/{guid}/route_reservations", call.base) },
        },
    })
}

pub(crate) fn domains(call: &Call, path: &str) -> Reply {
    let wanted = call.list("names");
    let known = wanted.is_none_or(|names| names.iter().any(|name| name == DOMAIN));
    let href = json!({ "href": format!("{}{path}?page=1&per_page=50", call.base) });
    Reply::ok(json!({
        "pagination": { "total_results": usize::from(known), "total_pages": 1, "first": href, "last": href, "next": null, "previous": null },
        "resources": if known { vec![domain(call)] } else { Vec::new() },
    }))
}

pub(crate) fn routes(world: &World, call: &Call, path: &str, only: Option<usize>) -> Answer {
    let (apps, spaces) = (call.list("app_guids"), call.list("space_guids"));
    let items = world
        .apps
        .iter()
        .filter(|app| !app.deleted)
        .filter(|app| {
            only.is_none_or(|only| app.index == only)
                && apps.as_ref().is_none_or(|apps| apps.contains(&app.guid))
                && spaces
                    .as_ref()
                    .is_none_or(|spaces| spaces.contains(&world.spaces[app.space].guid))
        })
        .map(|app| Route(guid::make(world.seed, Kind::Route, app.index, 0), app));
    let filters = [
        "app_guids",
        "space_guids",
        "organization_guids",
        "hosts",
        "paths",
        "domain_guids",
        "ports",
        "include",
    ];
    let show = |route: &Route<'_>| {
        let Route(guid, app) = route;
        let host: String =
            app.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let at = present::time(app.created_at);
        json!({
            "guid": guid, "protocol": "http", "port": null, "created_at": at, "updated_at": at,
            "host": host, "path": "", "url": format!("{host}.{DOMAIN}"), "options": {},
            "destinations": [{
                "guid": guid::make(world.seed, Kind::Route, app.index, 1),
                "app": { "guid": app.guid, "process": { "type": "web" } },
                "weight": null, "port": 8080, "protocol": "http1", "created_at": at, "updated_at": at,
            }],
            "metadata": { "labels": {}, "annotations": {} },
            "relationships": {
                "space": { "data": { "guid": world.spaces[app.space].guid } },
                "domain": { "data": { "guid": domain_guid() } },
            },
            "links": {
                "self": { "href": format!("{}/v3/routes/{guid}", call.base) },
                "space": { "href": format!("{}/v3/spaces/{}", call.base, world.spaces[app.space].guid) },
                "domain": { "href": format!("{}/v3/domains/{}", call.base, domain_guid()) },
                "destinations": { "href": format!("{}/v3/routes/{guid}/destinations", call.base) },
            },
        })
    };
    list::page(call, &Spec { path, filters: &filters, orders: &[] }, items, show).map(Reply::ok)
}

/// An empty page, for collections that the simulator has nothing in.
pub(crate) fn nothing(call: &Call, path: &str) -> Reply {
    let href = json!({ "href": format!("{}{path}?page=1&per_page=50", call.base) });
    Reply::ok(json!({
        "pagination": { "total_results": 0, "total_pages": 1, "first": href, "last": href, "next": null, "previous": null },
        "resources": [],
    }))
}

pub(crate) fn stacks(call: &Call) -> Reply {
    let guid = guid::make(0, Kind::Other, 0, 2);
    let href = json!({ "href": format!("{}/v3/stacks?page=1&per_page=50", call.base) });
    Reply::ok(json!({
        "pagination": { "total_results": 1, "total_pages": 1, "first": href, "last": href, "next": null, "previous": null },
        "resources": [{
            "guid": guid, "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z",
            "name": "cflinuxfs4", "description": "Cloud Foundry Linux-based filesystem (Ubuntu 22.04)",
            "state": "ACTIVE", "state_reason": null,
            "build_rootfs_image": "cflinuxfs4", "run_rootfs_image": "cflinuxfs4", "default": true,
            "metadata": { "labels": {}, "annotations": {} },
            "links": { "self": { "href": format!("{}/v3/stacks/{guid}", call.base) } },
        }],
    }))
}

#[derive(Debug, Deserialize)]
struct Manifest {
    #[serde(default)]
    applications: Vec<ManifestApp>,
}

#[derive(Debug, Deserialize)]
struct ManifestApp {
    name: String,
    instances: Option<u32>,
    memory: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, yaml_serde::Value>,
    docker: Option<yaml_serde::Value>,
    #[serde(default)]
    processes: Vec<ManifestProcess>,
}

#[derive(Debug, Deserialize)]
struct ManifestProcess {
    #[serde(rename = "type")]
    kind: String,
    instances: Option<u32>,
    memory: Option<String>,
}

/// `POST /v3/spaces/:guid/actions/apply_manifest`, which `cf push` begins with.
pub(crate) fn apply_manifest(world: &mut World, call: &Call, space: &str) -> Answer {
    let space = world.spaces.iter().position(|one| one.guid == space);
    let space = space.ok_or_else(|| ApiError::not_found("Space not found"))?;
    let manifest: Manifest = yaml_serde::from_str(&call.body)
        .map_err(|error| ApiError::unprocessable(format!("Manifest is invalid: {error}")))?;
    for wanted in manifest.applications {
        let is = |app: &App| app.space == space && app.name == wanted.name;
        let known = world.apps.iter().position(|app| is(app) && !app.deleted);
        let index = known.unwrap_or_else(|| {
            let app = build::new_app(world, &wanted.name, space);
            world.apps.push(app);
            world.apps.len() - 1
        });
        let now = world.now;
        let app = world.app(index);
        app.docker |= wanted.docker.is_some() && known.is_none();
        for (name, value) in wanted.env {
            let text = match value {
                yaml_serde::Value::String(text) => text,
                other => yaml_serde::to_string(&other).unwrap_or_default().trim().to_owned(),
            };
            app.env.insert(name, text);
        }
        let rolling = app.active_deployment().is_some();
        let web = ManifestProcess {
            kind: "web".to_owned(),
            instances: wanted.instances,
            memory: wanted.memory,
        };
        for wanted in std::iter::once(web).chain(wanted.processes) {
            let meant =
                |process: &&mut super::world::Process| process.kind == wanted.kind && !rolling;
            for process in app.processes.iter_mut().filter(meant) {
                if let Some(instances) = wanted.instances {
                    process.scale(instances, now);
                }
                if let Some(memory) = wanted.memory.as_deref().and_then(megabytes) {
                    process.memory = memory;
                }
            }
        }
    }
    Ok(jobs::accepted(world, call, Job::Manifest))
}

fn megabytes(text: &str) -> Option<u64> {
    let upper = text.trim().to_ascii_uppercase();
    let digits = upper.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number = digits.parse::<u64>().ok()?;
    match &upper[digits.len()..] {
        "M" | "MB" => Some(number),
        "G" | "GB" => Some(number * 1_024),
        _ => None,
    }
}
