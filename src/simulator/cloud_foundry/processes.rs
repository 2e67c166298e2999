//! Processes, their instances and statistics.

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Reply},
    error::ApiError,
    health::{Health, InstanceNow, State},
    list::{self, Item, Spec},
    orgs::check_include,
    present,
    world::{App, Process, World},
};
use crate::simulator::{clock::seconds_between, guid::scramble};

/// How long it takes until a cell has taken an instance, in seconds.
const PLACING: f64 = 1.0;

struct Shown<'a> {
    app: &'a App,
    process: &'a Process,
}

impl Item for Shown<'_> {
    fn guid(&self) -> &str {
        &self.process.guid
    }
    fn created_at(&self) -> Timestamp {
        self.process.created_at
    }
    fn updated_at(&self) -> Timestamp {
        self.process.updated_at
    }
}

pub(crate) fn list(world: &World, call: &Call) -> Answer {
    let (apps, types) = (call.list("app_guids"), call.list("types"));
    let (spaces, orgs) = (call.list("space_guids"), call.list("organization_guids"));
    let embed = embedded(call)?;
    let items = world
        .apps
        .iter()
        .filter(|app| {
            let space = &world.spaces[app.space];
            apps.as_ref().is_none_or(|apps| apps.contains(&app.guid))
                && spaces.as_ref().is_none_or(|spaces| spaces.contains(&space.guid))
                && orgs.as_ref().is_none_or(|orgs| orgs.contains(&world.orgs[space.org].guid))
        })
        .flat_map(|app| app.processes.iter().map(move |process| Shown { app, process }))
        .filter(|shown| types.as_ref().is_none_or(|types| types.contains(&shown.process.kind)));
    let filters = ["app_guids", "space_guids", "organization_guids", "types", "embed"];
    let spec = Spec { path: "/v3/processes", filters: &filters, orders: &[] };
    list::page(call, &spec, items, |shown| {
        world.show_process(call, shown.app, shown.process, true, embed)
    })
    .map(Reply::ok)
}

fn embedded(call: &Call) -> Result<bool, ApiError> {
    match call.param("embed") {
        None => Ok(false),
        // It came with 3.211.
        Some(_) if call.api < (3, 211) => {
            Err(ApiError::bad_query("Unknown query parameter(s): 'embed'"))
        }
        Some("process_instances") if call.diego_is_away => Err(ApiError::no_instances()),
        Some("process_instances") => Ok(true),
        Some(other) => Err(ApiError::bad_query(format!(
            "Invalid embedded resource: '{other}'. Valid embedded resources are: 'process_instances'"
        ))),
    }
}

impl World {
    fn show_process(
        &self,
        call: &Call,
        app: &App,
        process: &Process,
        listed: bool,
        embed: bool,
    ) -> Value {
        let space = &self.spaces[app.space].guid;
        let mut shown = present::process(&call.base, app, space, process, listed);
        if embed {
            shown["process_instances"] = self.instances(app, process).into();
        }
        shown
    }

    fn instances(&self, app: &App, process: &Process) -> Vec<Value> {
        readings(app, process, self.now)
            .map(|(index, reading)| {
                let since = seconds_between(reading.since, self.now).max(0.0) as i64;
                let since = (reading.state != State::Down).then_some(since);
                json!({ "index": index, "state": reading.state.word(), "since": since })
            })
            .collect()
    }
}

/// Every desired instance's reading; those of a stopped app are all down.
fn readings<'a>(
    app: &'a App,
    process: &'a Process,
    now: Timestamp,
) -> impl Iterator<Item = (usize, InstanceNow)> + 'a {
    process.readings(now).enumerate().map(move |(index, reading)| {
        if app.started {
            // Until a cell has taken it, an instance that is wanted is told as DOWN (`instances_stats_reporter.rb`).
            let unplaced = reading.state == State::Starting
                && seconds_between(reading.since, now) < PLACING
                && reading.crashes == 0;
            let state = if unplaced { State::Down } else { reading.state };
            (index, InstanceNow { state, ..reading })
        } else {
            (index, InstanceNow { state: State::Down, routable: false, details: None, ..reading })
        }
    })
}

/// The list of an app's processes, or the newest of one type.
pub(crate) fn of_app(world: &mut World, call: &Call, index: usize, tail: &[&str]) -> Answer {
    let app = &world.apps[index];
    let Some((kind, rest)) = tail.split_first() else {
        check_include(call, &[])?;
        let embed = embedded(call)?;
        let path = format!("/v3/apps/{}/processes", app.guid);
        let types = call.list("types");
        let items = app
            .processes
            .iter()
            .filter(|process| types.as_ref().is_none_or(|types| types.contains(&process.kind)))
            .map(|process| Shown { app, process });
        let spec = Spec { path: &path, filters: &["types", "embed"], orders: &[] };
        return list::page(call, &spec, items, |shown| {
            world.show_process(call, app, shown.process, true, embed)
        })
        .map(Reply::ok);
    };
    let newest = app.processes.iter().rev().find(|process| process.kind == *kind);
    let guid = newest.map(|process| process.guid.clone());
    one(world, call, &guid.ok_or_else(|| ApiError::not_found("Process not found"))?, rest)
}

/// Everything below `/v3/processes/:guid`.
pub(crate) fn one(world: &mut World, call: &Call, guid: &str, tail: &[&str]) -> Answer {
    let missing = || ApiError::not_found("Process not found");
    let index = world.owner(guid).ok_or_else(missing)?;
    let (seed, now) = (world.seed, world.now);
    let at = world.apps[index]
        .processes
        .iter()
        .position(|process| process.guid == guid)
        .ok_or_else(missing)?;
    let app = &world.apps[index];
    let process = &app.processes[at];
    match (&call.method, tail) {
        (&Method::GET, []) => {
            Ok(Reply::ok(world.show_process(call, app, process, false, embedded(call)?)))
        }
        (&Method::GET, ["stats" | "process_instances"]) if call.diego_is_away => {
            Err(ApiError::no_instances())
        }
        (&Method::GET, ["stats"]) => {
            let stats: Vec<_> = readings(app, process, now)
                .map(|(index, reading)| stat(process, index, &reading, now))
                .collect();
            Ok(Reply::ok(json!({ "resources": stats })))
        }
        (&Method::GET, ["process_instances"]) => {
            let own = format!("{}/v3/processes/{guid}", call.base);
            let links = json!({ "self": { "href": format!("{own}/process_instances") }, "process": { "href": own } });
            Ok(Reply::ok(json!({ "resources": world.instances(app, process), "links": links })))
        }
        (&Method::GET, ["sidecars"]) => {
            super::apps::sidecars(world, call, index, &format!("/v3/processes/{guid}/sidecars"))
        }
        (&Method::POST, ["actions", "scale"]) => {
            let body = call.json_with(&[
                "instances",
                "memory_in_mb",
                "disk_in_mb",
                "log_rate_limit_in_bytes_per_second",
            ])?;
            if in_flight(app, process) {
                return Err(ApiError::unprocessable(
                    "Cannot scale this process while a deployment is in flight.",
                ));
            }
            let instances =
                body["instances"].as_u64().unwrap_or(u64::from(process.instances())) as u32;
            let more = instances.saturating_sub(process.instances());
            let extra = u64::from(more) * process.memory;
            if let Some(error) = world.quota_error(index, extra, more) {
                return Err(ApiError::unprocessable(error));
            }
            let app = world.app(index);
            let process = &mut app.processes[at];
            process.scale(instances, now);
            process.memory = body["memory_in_mb"].as_u64().unwrap_or(process.memory);
            process.disk = body["disk_in_mb"].as_u64().unwrap_or(process.disk);
            app.record(
                seed,
                now,
                "audit.app.process.scale",
                &call.actor,
                json!({ "process_guid": guid, "request": body }),
            );
            let app = &world.apps[index];
            let shown = world.show_process(call, app, &app.processes[at], false, false);
            Ok(Reply::status(StatusCode::ACCEPTED, shown))
        }
        (&Method::PATCH, []) => {
            let body = call.json_with(&[
                "command",
                "health_check",
                "readiness_health_check",
                "metadata",
                "user",
            ])?;
            if in_flight(app, process) {
                return Err(ApiError::unprocessable(
                    "Cannot update this process while a deployment is in flight.",
                ));
            }
            let process = &mut world.app(index).processes[at];
            if let Some(command) = body.get("command") {
                process.command = command.as_str().map(str::to_owned);
            }
            process.updated_at = now;
            let app = &world.apps[index];
            Ok(Reply::ok(world.show_process(call, app, &app.processes[at], false, false)))
        }
        (&Method::DELETE, ["instances", place]) => {
            let place = place.parse::<usize>().ok().filter(|place| *place < process.started.len());
            let place = place.ok_or_else(|| ApiError::not_found("Instance not found"))?;
            world.app(index).processes[at].started[place] = now;
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(ApiError::unknown_request()),
    }
}

fn in_flight(app: &App, process: &Process) -> bool {
    process.kind == "web"
        && app.active_deployment().is_some_and(|deployment| deployment.reason() != "CANCELING")
}

fn stat(process: &Process, index: usize, reading: &InstanceNow, now: Timestamp) -> Value {
    let uptime = seconds_between(reading.since, now).max(0.0) as i64;
    let started = process.started.get(index).copied().unwrap_or(now);
    if reading.state == State::Down {
        return json!({
            "type": process.kind, "index": index, "state": "DOWN", "routable": null, "uptime": 0,
            "isolation_segment": null, "details": reading.details,
        });
    }
    let running = reading.state == State::Running;
    let mega = 1_048_576;
    let whole = (process.memory * mega) as f64;
    let (load, memory) = match process.health {
        _ if !running => (0.0, 0.0),
        // It fills what it may use in four minutes.
        Health::Heavy => {
            let filled = (uptime as f64 / 240.0).min(1.0);
            (0.36 + 0.005 * (index % 7) as f64, whole * (0.34 + 0.64 * filled))
        }
        _ => (0.1 + 0.006 * (index % 7) as f64, whole * (0.31 + 0.01 * (index % 5) as f64)),
    };
    json!({
        "type": process.kind, "index": index, "instance_guid": format!("{:016x}-{index}", scramble(started.as_second() as u64)),
        "state": reading.state.word(), "routable": running && reading.routable,
        "usage": {
            "time": present::time(now), "cpu": load, "cpu_entitlement": load * 2.0,
            "mem": memory as u64, "disk": 80 * mega, "log_rate": 120,
        },
        "host": format!("10.0.0.{}", 10 + index % 200), "instance_internal_ip": format!("10.255.0.{}", 10 + index % 200),
        "instance_ports": [{ "external": 61_000 + index, "internal": 8080, "external_tls_proxy_port": 62_000 + index, "internal_tls_proxy_port": 61_001 }],
        "uptime": uptime, "mem_quota": process.memory * mega, "disk_quota": process.disk * mega,
        "log_rate_limit": -1, "fds_quota": 16_384, "isolation_segment": null, "details": reading.details,
    })
}
