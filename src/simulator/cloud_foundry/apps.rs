//! Apps: lists, features, environment, start and stop, sidecars.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    build,
    call::{Answer, Call, Reply},
    error::ApiError,
    jobs::{self, Job},
    list::{self, Item, Spec},
    orgs::check_include,
    present,
    world::{App, Metadata, World},
};
use crate::simulator::guid::Kind;

impl Item for &App {
    fn guid(&self) -> &str {
        &self.guid
    }
    fn created_at(&self) -> Timestamp {
        self.created_at
    }
    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.metadata.labels)
    }
    fn field(&self, name: &str) -> String {
        if name == "name" { self.name.clone() } else { self.started.to_string() }
    }
}

pub(crate) fn list(world: &World, call: &Call) -> Answer {
    check_include(call, &["space", "space.organization", "org"])?;
    let (names, spaces, orgs) =
        (call.list("names"), call.list("space_guids"), call.list("organization_guids"));
    let kind = call.param("lifecycle_type");
    let items = world.apps.iter().filter(|app| !app.deleted).filter(|app| {
        let space = &world.spaces[app.space];
        names.as_ref().is_none_or(|names| names.contains(&app.name))
            && spaces.as_ref().is_none_or(|spaces| spaces.contains(&space.guid))
            && orgs.as_ref().is_none_or(|orgs| orgs.contains(&world.orgs[space.org].guid))
            && kind.is_none_or(|kind| (kind == "docker") == app.docker)
    });
    let filters =
        ["names", "space_guids", "organization_guids", "stacks", "include", "lifecycle_type"];
    let spec = Spec { path: "/v3/apps", filters: &filters, orders: &["name", "state"] };
    let mut body = list::page(call, &spec, items, |app| world.show_app(call, app))?;
    if let Some(included) = included(world, call, None) {
        body["included"] = included;
    }
    Ok(Reply::ok(body))
}

fn included(world: &World, call: &Call, space: Option<usize>) -> Option<Value> {
    let wanted = call.list("include")?;
    let here = |index: usize| space.is_none_or(|space| space == index);
    let spaces = world.spaces.iter().enumerate().filter(|(index, _)| here(*index));
    let shown: Vec<_> = spaces.map(|(_, space)| world.show_space(&call.base, space)).collect();
    let mut included = json!({ "spaces": shown });
    if wanted.iter().any(|name| name != "space") {
        let own = space.map(|space| world.spaces[space].org);
        let orgs =
            world.orgs.iter().enumerate().filter(|(index, _)| own.is_none_or(|own| own == *index));
        included["organizations"] = orgs.map(|(_, org)| world.show_org(&call.base, org)).collect();
    }
    Some(included)
}

impl World {
    pub(crate) fn show_app(&self, call: &Call, app: &App) -> Value {
        present::app(&call.base, app, &self.spaces[app.space].guid)
    }

    fn find_app(&self, guid: &str) -> Result<usize, ApiError> {
        self.app_index(guid).ok_or_else(|| ApiError::not_found("App not found"))
    }
}

pub(crate) fn create(world: &mut World, call: &Call) -> Answer {
    let body = call.json_with(&[
        "name",
        "relationships",
        "environment_variables",
        "lifecycle",
        "metadata",
    ])?;
    let name = body["name"].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ApiError::unprocessable("Name must be a string"))?;
    let guid = body["relationships"]["space"]["data"]["guid"].as_str().unwrap_or_default();
    let space = world.spaces.iter().position(|space| space.guid == guid);
    let space = space.ok_or_else(|| {
        ApiError::unprocessable(
            "Invalid space. Ensure that the space exists and you have access to it.",
        )
    })?;
    if world.apps.iter().any(|app| app.space == space && app.name == name && !app.deleted) {
        return Err(ApiError::unprocessable(format!("App with the name '{name}' already exists.")));
    }
    let mut app = build::new_app(world, name, space);
    app.docker = body["lifecycle"]["type"] == "docker";
    app.env = strings(&body["environment_variables"]);
    apply_metadata(&mut app.metadata, &body["metadata"])?;
    app.record(world.seed, world.now, "audit.app.create", &call.actor, json!({}));
    let shown = world.show_app(call, &app);
    world.apps.push(app);
    Ok(Reply::status(StatusCode::CREATED, shown))
}

/// Everything below `/v3/apps/:guid` that is about the app itself.
pub(crate) fn app(world: &mut World, call: &Call, guid: &str, tail: &[&str]) -> Answer {
    let index = world.find_app(guid)?;
    let (seed, now) = (world.seed, world.now);
    match (&call.method, tail) {
        (&Method::GET, []) => {
            check_include(call, &["space", "space.organization", "org"])?;
            let mut body = world.show_app(call, &world.apps[index]);
            if let Some(included) = included(world, call, Some(world.apps[index].space)) {
                body["included"] = included;
            }
            Ok(Reply::ok(body))
        }
        (&Method::PATCH, []) => {
            let body = call.json_with(&["name", "lifecycle", "metadata"])?;
            let app = world.app(index);
            if let Some(name) = body["name"].as_str() {
                name.clone_into(&mut app.name);
            }
            apply_metadata(&mut app.metadata, &body["metadata"])?;
            app.updated_at = now;
            Ok(Reply::ok(world.show_app(call, &world.apps[index])))
        }
        (&Method::DELETE, []) => {
            delete(world, index, &call.actor);
            Ok(jobs::accepted(world, call, Job::Deletion))
        }
        (&Method::GET, ["features"]) => Ok(Reply::ok(json!({
            "resources": [feature(&world.apps[index], "ssh"), feature(&world.apps[index], "revisions")],
            "pagination": {
                "total_results": 2, "total_pages": 1, "next": null, "previous": null,
                "first": { "href": format!("{}/v3/apps/{guid}/features", call.base) },
                "last": { "href": format!("{}/v3/apps/{guid}/features", call.base) },
            },
        }))),
        (&Method::GET, ["features", name @ ("ssh" | "revisions")]) => {
            Ok(Reply::ok(feature(&world.apps[index], name)))
        }
        (&Method::PATCH, ["features", name @ ("ssh" | "revisions")]) => {
            let enabled = call.json_with(&["enabled"])?["enabled"].as_bool();
            let enabled =
                enabled.ok_or_else(|| ApiError::unprocessable("Enabled must be a boolean"))?;
            if *name == "revisions" {
                world.app(index).revisions_enabled = enabled;
            }
            Ok(Reply::ok(feature(&world.apps[index], name)))
        }
        (_, ["features", _]) => Err(ApiError::not_found("Feature not found")),
        (&Method::GET, ["ssh_enabled"]) => Ok(Reply::ok(json!({ "enabled": true, "reason": "" }))),
        (&Method::GET, ["environment_variables"]) => {
            Ok(Reply::ok(environment(call, &world.apps[index])))
        }
        (&Method::GET, ["env"]) => Ok(Reply::ok(json!({
            "environment_variables": world.apps[index].env, "staging_env_json": {}, "running_env_json": {},
            "system_env_json": { "VCAP_SERVICES": {} },
            "application_env_json": { "VCAP_APPLICATION": { "application_name": world.apps[index].name, "application_id": guid } },
        }))),
        (&Method::PATCH, ["environment_variables"]) => {
            let body = call.json_with(&["var"])?;
            let wanted = body["var"].as_object();
            let wanted =
                wanted.ok_or_else(|| ApiError::unprocessable("Var must be an object"))?.clone();
            let app = world.app(index);
            for (name, value) in wanted {
                match value {
                    Value::Null => drop(app.env.remove(&name)),
                    Value::String(value) => drop(app.env.insert(name, value)),
                    other => drop(app.env.insert(name, other.to_string())),
                }
            }
            app.updated_at = now;
            app.record(
                seed,
                now,
                "audit.app.update",
                &call.actor,
                json!({ "request": { "environment_variables": "[PRIVATE DATA HIDDEN]" } }),
            );
            Ok(Reply::ok(environment(call, &world.apps[index])))
        }
        (&Method::POST, ["actions", verb @ ("start" | "stop" | "restart")]) => {
            let app = world.app(index);
            if *verb != "stop" && app.droplet.is_none() {
                return Err(ApiError::unprocessable("Assign a droplet before starting this app."));
            }
            power(app, seed, now, &call.actor, verb);
            Ok(Reply::ok(world.show_app(call, &world.apps[index])))
        }
        (&Method::POST, ["actions", "clear_buildpack_cache"]) => {
            Ok(Reply::empty(StatusCode::ACCEPTED))
        }
        (&Method::GET, ["sidecars"]) => {
            sidecars(world, call, index, &format!("/v3/apps/{guid}/sidecars"))
        }
        (&Method::POST, ["sidecars"]) => {
            let body = call.json_with(&["name", "command", "process_types", "memory_in_mb"])?;
            let app = world.app(index);
            let sidecar = super::world::Sidecar {
                guid: app.new_guid(seed, Kind::Sidecar),
                name: body["name"].as_str().unwrap_or_default().to_owned(),
                command: body["command"].as_str().unwrap_or_default().to_owned(),
                process_types: list_of(&body["process_types"]),
                memory: body["memory_in_mb"].as_u64(),
                of_buildpack: false,
                created_at: now,
            };
            let shown = present::sidecar(app, &sidecar);
            app.sidecars.push(sidecar);
            Ok(Reply::status(StatusCode::CREATED, shown))
        }
        _ => Err(ApiError::unknown_request()),
    }
}

/// Starts, stops or restarts an app in place; only a web process outside a deployment gets the app's present state.
pub(crate) fn power(app: &mut App, seed: u64, now: Timestamp, actor: &str, verb: &str) {
    app.started = verb != "stop";
    app.updated_at = now;
    let rolling = app.active_deployment().is_some();
    let revision =
        (app.started && !rolling).then(|| super::revise::for_app(app, seed, now, actor)).flatten();
    let health = app
        .droplet
        .as_ref()
        .and_then(|guid| app.droplet_of(guid))
        .map(|droplet| droplet.health.clone());
    let health = match app.env.get("SIMULATE").map(|word| super::health::Health::parse(word)) {
        Some(Ok(said)) => Some(said),
        _ => health,
    };
    if app.started {
        for process in &mut app.processes {
            process.started.fill(now);
            process.crashes_told = now;
            if rolling {
                continue;
            }
            process.revision =
                revision.as_ref().map(|(guid, _)| guid.clone()).or(process.revision.take());
            if let Some(health) = &health {
                process.health = health.clone();
            }
        }
    }
    app.record(seed, now, &format!("audit.app.{verb}"), actor, json!({}));
}

/// What `AppDelete` leaves of an app (`app/actions/app_delete.rb`): its audit events.
fn delete(world: &mut World, index: usize, actor: &str) {
    let (seed, now) = (world.seed, world.now);
    let app = world.app(index);
    app.record(seed, now, "audit.app.delete-request", actor, json!({}));
    app.deleted = true;
    app.started = false;
    app.droplet = None;
    app.processes.clear();
    app.sidecars.clear();
    let events = std::mem::take(&mut app.history.events);
    app.history = super::world::History { told: true, events, ..Default::default() };
    world.rolling.remove(&index);
    world.staging.remove(&index);
}

fn feature(app: &App, name: &str) -> Value {
    match name {
        "ssh" => {
            json!({ "name": "ssh", "description": "Enable SSHing into the app.", "enabled": true })
        }
        _ => {
            json!({ "name": "revisions", "description": "Enable versioning of an application", "enabled": app.revisions_enabled })
        }
    }
}

fn environment(call: &Call, app: &App) -> Value {
    let own = format!("{}/v3/apps/{}", call.base, app.guid);
    json!({ "var": app.env, "links": { "self": { "href": format!("{own}/environment_variables") }, "app": { "href": own } } })
}

pub(crate) fn sidecars(world: &World, call: &Call, index: usize, path: &str) -> Answer {
    struct Shown<'a>(&'a super::world::Sidecar);
    impl Item for Shown<'_> {
        fn guid(&self) -> &str {
            &self.0.guid
        }
        fn created_at(&self) -> Timestamp {
            self.0.created_at
        }
    }
    let app = &world.apps[index];
    let spec = Spec { path, filters: &[], orders: &[] };
    list::page(call, &spec, app.sidecars.iter().map(Shown), |sidecar| {
        present::sidecar(app, sidecar.0)
    })
    .map(Reply::ok)
}

/// `/v3/sidecars/:guid`.
pub(crate) fn sidecar(world: &mut World, call: &Call, guid: &str) -> Answer {
    let missing = || ApiError::not_found("Sidecar not found");
    let index = world.owner(guid).ok_or_else(missing)?;
    let app = world.app(index);
    let at = app.sidecars.iter().position(|sidecar| sidecar.guid == guid).ok_or_else(missing)?;
    match call.method {
        Method::GET => {}
        Method::DELETE => {
            app.sidecars.remove(at);
            return Ok(Reply::empty(StatusCode::NO_CONTENT));
        }
        Method::PATCH => {
            let body = call.json_with(&["name", "command", "process_types", "memory_in_mb"])?;
            let sidecar = &mut app.sidecars[at];
            if let Some(command) = body["command"].as_str() {
                command.clone_into(&mut sidecar.command);
            }
            if body["process_types"].is_array() {
                sidecar.process_types = list_of(&body["process_types"]);
            }
            if let Some(memory) = body["memory_in_mb"].as_u64() {
                sidecar.memory = Some(memory);
            }
        }
        _ => return Err(ApiError::unknown_request()),
    }
    Ok(Reply::ok(present::sidecar(app, &app.sidecars[at])))
}

fn list_of(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn strings(value: &Value) -> BTreeMap<String, String> {
    let map = value.as_object().cloned().unwrap_or_else(Map::new);
    map.into_iter()
        .map(|(name, value)| {
            (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect()
}

/// Merges the metadata of a request: a null takes a key away.
pub(crate) fn apply_metadata(metadata: &mut Metadata, wanted: &Value) -> Result<(), ApiError> {
    let parts = [("labels", &mut metadata.labels), ("annotations", &mut metadata.annotations)];
    for (name, map) in parts {
        for (key, value) in wanted[name].as_object().into_iter().flatten() {
            match value {
                Value::Null => drop(map.remove(key)),
                Value::String(value) if value.chars().count() <= 5_000 => {
                    map.insert(key.clone(), value.clone());
                }
                Value::String(_) => {
                    return Err(ApiError::unprocessable(format!(
                        "Metadata {name} error: '{key}' is greater than 5000 characters"
                    )));
                }
                _ => {
                    return Err(ApiError::unprocessable(format!(
                        "Metadata {name} error: '{key}' must be a string"
                    )));
                }
            }
        }
    }
    Ok(())
}
