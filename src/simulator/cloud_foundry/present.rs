//! How each resource is shown: the JSON objects of the API reference.

use jiff::{Timestamp, Unit};
use serde_json::{Map, Value, json};

use super::world::{
    App, AuditEvent, Build, Deployment, Droplet, Metadata, Org, Package, Process, Revision,
    Sidecar, Space,
};

/// A time as the API writes it: UTC, whole seconds.
pub(crate) fn time(at: Timestamp) -> String {
    let whole = at.round(Unit::Second).unwrap_or(at);
    let whole =
        if whole > at { Timestamp::from_second(at.as_second()).unwrap_or(at) } else { whole };
    whole.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn metadata(metadata: &Metadata) -> Value {
    json!({ "labels": metadata.labels, "annotations": metadata.annotations })
}

/// Links of a resource: names to paths below the API, and methods where they are not GET.
fn links(base: &str, links: &[(&str, String, Option<&str>)]) -> Value {
    let mut map = Map::new();
    for (name, path, method) in links {
        let mut link = json!({ "href": format!("{base}{path}") });
        if let Some(method) = method {
            link["method"] = json!(method);
        }
        map.insert((*name).to_owned(), link);
    }
    Value::Object(map)
}

pub(crate) fn org(base: &str, org: &Org, quota: &str) -> Value {
    let own = format!("/v3/organizations/{}", org.guid);
    json!({
        "guid": org.guid, "created_at": time(org.created_at), "updated_at": time(org.created_at),
        "name": org.name, "suspended": false,
        "relationships": { "quota": { "data": { "guid": quota } } },
        "metadata": { "labels": {}, "annotations": {} },
        "links": links(base, &[
            ("self", own.clone(), None),
            ("domains", format!("{own}/domains"), None),
            ("default_domain", format!("{own}/domains/default"), None),
            ("quota", format!("/v3/organization_quotas/{quota}"), None),
        ]),
    })
}

pub(crate) fn space(base: &str, space: &Space, org: &Org, quota: Option<&str>) -> Value {
    let own = format!("/v3/spaces/{}", space.guid);
    json!({
        "guid": space.guid, "created_at": time(space.created_at), "updated_at": time(space.created_at),
        "name": space.name, "suspended": false,
        "relationships": {
            "organization": { "data": { "guid": org.guid } },
            "quota": { "data": quota.map(|guid| json!({ "guid": guid })) },
        },
        "metadata": { "labels": {}, "annotations": {} },
        "links": links(base, &[
            ("self", own.clone(), None),
            ("features", format!("{own}/features"), None),
            ("organization", format!("/v3/organizations/{}", org.guid), None),
            ("apply_manifest", format!("{own}/actions/apply_manifest"), Some("POST")),
        ]),
    })
}

pub(crate) fn app(base: &str, app: &App, space_guid: &str) -> Value {
    let own = format!("/v3/apps/{}", app.guid);
    let at = |tail: &str| format!("{own}/{tail}");
    let lifecycle = if app.docker {
        json!({ "type": "docker", "data": {} })
    } else {
        json!({ "type": "buildpack", "data": { "buildpacks": [], "stack": "cflinuxfs4" } })
    };
    json!({
        "guid": app.guid, "name": app.name, "state": if app.started { "STARTED" } else { "STOPPED" },
        "created_at": time(app.created_at), "updated_at": time(app.updated_at),
        "lifecycle": lifecycle,
        "relationships": {
            "space": { "data": { "guid": space_guid } },
            "current_droplet": { "data": app.droplet.as_ref().map(|guid| json!({ "guid": guid })) },
        },
        "metadata": metadata(&app.metadata),
        "links": links(base, &[
            ("self", own.clone(), None),
            ("environment_variables", at("environment_variables"), None),
            ("space", format!("/v3/spaces/{space_guid}"), None),
            ("processes", at("processes"), None),
            ("packages", at("packages"), None),
            ("current_droplet", at("droplets/current"), None),
            ("droplets", at("droplets"), None),
            ("tasks", at("tasks"), None),
            ("start", at("actions/start"), Some("POST")),
            ("stop", at("actions/stop"), Some("POST")),
            ("clear_buildpack_cache", at("actions/clear_buildpack_cache"), Some("POST")),
            ("revisions", at("revisions"), None),
            ("deployed_revisions", at("revisions/deployed"), None),
            ("features", at("features"), None),
        ]),
    })
}

pub(crate) fn revision(base: &str, app: &App, revision: &Revision) -> Value {
    let own = format!("/v3/revisions/{}", revision.guid);
    let processes: Map<String, Value> = revision
        .commands
        .iter()
        .map(|(kind, command)| (kind.clone(), json!({ "command": command })))
        .collect();
    let sidecars: Vec<_> = revision
        .sidecars
        .iter()
        .map(|sidecar| {
            json!({
                "name": sidecar.name, "command": sidecar.command, "memory_in_mb": sidecar.memory,
                "process_types": sidecar.process_types,
            })
        })
        .collect();
    json!({
        "guid": revision.guid, "version": revision.version, "droplet": { "guid": revision.droplet },
        "processes": processes, "sidecars": sidecars, "description": revision.description,
        "deployable": app.deployable(revision),
        "relationships": { "app": { "data": { "guid": app.guid } } },
        "created_at": time(revision.created_at), "updated_at": time(revision.created_at),
        "metadata": metadata(&revision.metadata),
        "links": links(base, &[
            ("self", own.clone(), None),
            ("app", format!("/v3/apps/{}", app.guid), None),
            ("environment_variables", format!("{own}/environment_variables"), None),
        ]),
    })
}

/// `in_list` hides the start command, as the platform does.
pub(crate) fn process(
    base: &str,
    app: &App,
    space: &str,
    process: &Process,
    in_list: bool,
) -> Value {
    let own = format!("/v3/processes/{}", process.guid);
    let command = match &process.command {
        Some(_) if in_list => json!("[PRIVATE DATA HIDDEN IN LISTS]"),
        command => json!(command),
    };
    json!({
        "guid": process.guid, "type": process.kind, "command": command, "user": "vcap",
        "instances": process.instances(), "memory_in_mb": process.memory, "disk_in_mb": process.disk,
        "log_rate_limit_in_bytes_per_second": -1,
        "health_check": { "type": if process.kind == "web" { "port" } else { "process" }, "data": { "timeout": null, "invocation_timeout": null } },
        "readiness_health_check": { "type": "process", "data": { "invocation_timeout": null } },
        "relationships": {
            "app": { "data": { "guid": app.guid } },
            "revision": process.revision.as_ref().map(|guid| json!({ "data": { "guid": guid } })),
        },
        "metadata": { "labels": {}, "annotations": {} },
        "created_at": time(process.created_at), "updated_at": time(process.updated_at),
        "version": process.guid,
        "links": links(base, &[
            ("self", own.clone(), None),
            ("scale", format!("{own}/actions/scale"), Some("POST")),
            ("app", format!("/v3/apps/{}", app.guid), None),
            ("space", format!("/v3/spaces/{space}"), None),
            ("stats", format!("{own}/stats"), None),
            ("process_instances", format!("{own}/process_instances"), None),
        ]),
    })
}

pub(crate) fn sidecar(app: &App, sidecar: &Sidecar) -> Value {
    json!({
        "guid": sidecar.guid, "name": sidecar.name, "command": sidecar.command,
        "process_types": sidecar.process_types, "memory_in_mb": sidecar.memory, "origin": if sidecar.of_buildpack { "buildpack" } else { "user" },
        "relationships": { "app": { "data": { "guid": app.guid } } },
        "created_at": time(sidecar.created_at), "updated_at": time(sidecar.created_at),
    })
}

pub(crate) fn deployment(base: &str, app: &App, deployment: &Deployment) -> Value {
    let own = format!("/v3/deployments/{}", deployment.guid);
    let mut status = json!({
        "value": deployment.value(), "reason": deployment.reason(),
        "details": {
            "last_successful_healthcheck": time(deployment.last_scaled),
            "last_status_change": time(deployment.last_change),
        },
    });
    if let Some(error) = &deployment.error {
        status["details"]["error"] = json!(error);
    }
    let mut options = json!({ "max_in_flight": deployment.max_in_flight });
    let mut option = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options[name] = value;
        }
    };
    option("web_instances", deployment.web_instances.map(Value::from));
    option("memory_in_mb", deployment.memory.map(Value::from));
    option("disk_in_mb", deployment.disk.map(Value::from));
    option("log_rate_limit_in_bytes_per_second", deployment.log_rate.map(Value::from));
    if deployment.canary {
        status["canary"] = json!({
            "steps": { "current": deployment.step + 1, "total": deployment.steps.len().max(1) },
        });
        if !deployment.steps.is_empty() {
            let steps: Vec<_> = deployment
                .steps
                .iter()
                .map(|weight| json!({ "instance_weight": weight }))
                .collect();
            options["canary"] = json!({ "steps": steps });
        }
    }
    let mut hrefs =
        vec![("self", own.clone(), None), ("app", format!("/v3/apps/{}", app.guid), None)];
    if deployment.stage.active() {
        hrefs.push(("cancel", format!("{own}/actions/cancel"), Some("POST")));
    }
    if deployment.stage == super::world::Stage::Paused {
        hrefs.push(("continue", format!("{own}/actions/continue"), Some("POST")));
    }
    let new: Vec<_> =
        deployment.process.iter().map(|guid| json!({ "guid": guid, "type": "web" })).collect();
    json!({
        "guid": deployment.guid, "created_at": time(deployment.created_at), "updated_at": time(deployment.updated_at),
        "status": status, "strategy": if deployment.canary { "canary" } else { "rolling" }, "options": options,
        "droplet": { "guid": deployment.droplet }, "previous_droplet": { "guid": deployment.previous_droplet },
        "new_processes": new,
        "revision": deployment.revision.as_ref().map(|(guid, version)| json!({ "guid": guid, "version": version })),
        "relationships": { "app": { "data": { "guid": app.guid } } },
        "metadata": metadata(&deployment.metadata),
        "links": links(base, &hrefs),
    })
}

pub(crate) fn droplet(base: &str, app: &App, droplet: &Droplet) -> Value {
    let own = format!("/v3/droplets/{}", droplet.guid);
    let docker = droplet.image.is_some();
    let mut hrefs = vec![
        ("self", own.clone(), None),
        ("app", format!("/v3/apps/{}", app.guid), None),
        (
            "assign_current_droplet",
            format!("/v3/apps/{}/relationships/current_droplet", app.guid),
            Some("PATCH"),
        ),
    ];
    if let Some(package) = &droplet.package {
        hrefs.push(("package", format!("/v3/packages/{package}"), None));
    }
    json!({
        "guid": droplet.guid, "state": if droplet.expired { "EXPIRED" } else { "STAGED" }, "error": null,
        "lifecycle": { "type": if docker { "docker" } else { "buildpack" }, "data": {} },
        "execution_metadata": "",
        "process_types": { "web": "bin/server --port $PORT" },
        "checksum": if docker { Value::Null } else { json!({ "type": "sha256", "value": checksum(&droplet.guid) }) },
        "buildpacks": if docker { Value::Null } else { json!([{ "name": "binary_buildpack", "detect_output": "binary", "version": "1.1.0", "buildpack_name": "binary" }]) },
        "stack": if docker { Value::Null } else { json!("cflinuxfs4") },
        "image": droplet.image,
        "created_at": time(droplet.created_at), "updated_at": time(droplet.created_at),
        "relationships": { "app": { "data": { "guid": app.guid } } },
        "metadata": { "labels": {}, "annotations": {} },
        "links": links(base, &hrefs),
    })
}

fn checksum(guid: &str) -> String {
    let digits: String = guid.chars().filter(char::is_ascii_hexdigit).collect();
    format!("{digits}{digits}")
}

pub(crate) fn package(base: &str, app: &App, package: &Package, now: Timestamp) -> Value {
    let own = format!("/v3/packages/{}", package.guid);
    let ready = package.ready_at.is_some_and(|at| at <= now);
    let state = match (&package.docker, package.size) {
        (Some(_), _) => "READY",
        (None, None) => "AWAITING_UPLOAD",
        (None, Some(_)) if ready => "READY",
        (None, Some(_)) => "PROCESSING_UPLOAD",
    };
    let data = match &package.docker {
        Some(image) => {
            let user = package.reader.as_ref().map(|(user, _)| user);
            let hidden = user.map(|_| "***");
            json!({ "image": image, "username": user, "password": hidden })
        }
        None => json!({
            "error": null,
            "checksum": { "type": "sha256", "value": if ready { json!(checksum(&package.guid)) } else { Value::Null } },
        }),
    };
    let mut hrefs =
        vec![("self", own.clone(), None), ("app", format!("/v3/apps/{}", app.guid), None)];
    if package.docker.is_none() {
        hrefs.push(("upload", format!("{own}/upload"), Some("POST")));
        hrefs.push(("download", format!("{own}/download"), Some("GET")));
    }
    json!({
        "guid": package.guid, "type": if package.docker.is_some() { "docker" } else { "bits" }, "data": data, "state": state,
        "created_at": time(package.created_at), "updated_at": time(package.created_at),
        "relationships": { "app": { "data": { "guid": app.guid } } },
        "metadata": { "labels": {}, "annotations": {} },
        "links": links(base, &hrefs),
    })
}

pub(crate) fn build(base: &str, app: &App, build: &Build, user: (&str, &str)) -> Value {
    let own = format!("/v3/builds/{}", build.guid);
    let state = match (&build.error, &build.droplet) {
        (Some(_), _) => "FAILED",
        (None, Some(_)) => "STAGED",
        (None, None) => "STAGING",
    };
    let mut hrefs =
        vec![("self", own.clone(), None), ("app", format!("/v3/apps/{}", app.guid), None)];
    if let Some(droplet) = &build.droplet {
        hrefs.push(("droplet", format!("/v3/droplets/{droplet}"), None));
    }
    json!({
        "guid": build.guid, "created_at": time(build.created_at), "updated_at": time(build.done_at),
        "created_by": { "guid": user.0, "name": user.1, "email": user.1 },
        "state": state, "error": build.error,
        "staging_memory_in_mb": 1024, "staging_disk_in_mb": 1024, "staging_log_rate_limit_bytes_per_second": -1,
        "lifecycle": if app.docker { json!({ "type": "docker", "data": {} }) } else { json!({ "type": "buildpack", "data": { "buildpacks": [], "stack": "cflinuxfs4" } }) },
        "package": { "guid": build.package },
        "droplet": build.droplet.as_ref().map(|guid| json!({ "guid": guid })),
        "relationships": { "app": { "data": { "guid": app.guid } } },
        "metadata": { "labels": {}, "annotations": {} },
        "links": links(base, &hrefs),
    })
}

pub(crate) fn event(
    base: &str,
    app: &App,
    event: &AuditEvent,
    places: (&str, &str),
    actor: &str,
) -> Value {
    json!({
        "guid": event.guid, "created_at": time(event.at), "updated_at": time(event.at), "type": event.kind,
        "actor": { "guid": event.process().unwrap_or(actor), "type": event.actor_type, "name": event.actor },
        "target": { "guid": app.guid, "type": "app", "name": app.name },
        "data": event.data,
        "space": { "guid": places.0 }, "organization": { "guid": places.1 },
        "links": links(base, &[("self", format!("/v3/audit_events/{}", event.guid), None)]),
    })
}
