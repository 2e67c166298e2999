//! Which handler answers which request.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::{
    apps, artifacts,
    call::{Answer, Call, Reply},
    deployments,
    error::ApiError,
    events, jobs, logs, orgs, places, processes, revisions, role, root,
    uaa::Uaa,
    world::World,
};

/// Requests that need no access token.
pub(crate) fn open(path: &[&str]) -> bool {
    matches!(
        path,
        [] | ["v3" | "login" | "healthz" | "token_keys"]
            | ["v3", "info"]
            | ["oauth", "token"]
            | ["api", "v1", "info"]
    )
}

/// Answers a request on a world that is up to date.
pub(crate) fn answer(world: &mut World, call: &Call, uaa: &Uaa) -> Answer {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let get = call.method == Method::GET;
    let post = call.method == Method::POST;
    match path.as_slice() {
        [] if get => Ok(root::root(call)),
        ["v3"] if get => Ok(root::v3(call)),
        ["v3", "info"] if get => Ok(root::info(call)),
        ["login"] if get => Ok(root::login(call)),
        ["token_keys"] if get => Ok(Reply::ok(json!({ "keys": [] }))),
        ["api", "v1", "info"] if get => {
            Ok(Reply::ok(json!({ "version": "3.1.0", "vm_uptime": "86400" })))
        }
        ["api", "v1", "read", guid] if get => logs::read(world, call, guid),
        ["v3", "organizations"] if get => orgs::list_orgs(world, call),
        ["v3", "organizations", guid, tail @ ..] if get => orgs::org(world, call, guid, tail),
        ["v3", "organization_quotas", guid] if get => orgs::org_quota(world, call, guid),
        ["v3", "space_quotas", guid] if get => orgs::space_quota(world, call, guid),
        ["v3", "spaces"] if get => orgs::list_spaces(world, call),
        ["v3", "spaces", guid, "actions", "apply_manifest"] if post => {
            places::apply_manifest(world, call, guid)
        }
        ["v3", "spaces", _, "manifest_diff"] if post => {
            Ok(Reply::status(StatusCode::CREATED, json!({ "diff": [] })))
        }
        ["v3", "spaces", guid, tail @ ..] if get => orgs::space(world, call, guid, tail),
        ["v3", "jobs", guid] if get => Ok(Reply::ok(jobs::show(world, call, guid))),
        ["v3", "domains"] if get => Ok(places::domains(call, "/v3/domains")),
        ["v3", "domains", _] if get => Ok(Reply::ok(places::domain(call))),
        ["v3", "stacks"] if get => Ok(places::stacks(call)),
        ["v3", "routes"] if get => places::routes(world, call, "/v3/routes", None),
        // A route is that of an app here, and goes with it: `cf delete -r` asks for it all the same.
        ["v3", "routes", guid] if world.owner(guid).is_none() => {
            Err(ApiError::not_found("Route not found"))
        }
        ["v3", "resource_matches"] if post => {
            Ok(Reply::status(StatusCode::CREATED, json!({ "resources": [] })))
        }
        ["v3", "apps"] if get => apps::list(world, call),
        ["v3", "apps"] if post => apps::create(world, call),
        ["v3", "apps", guid, tail @ ..] => of_app(world, call, guid, tail, uaa),
        ["v3", "sidecars", guid] => apps::sidecar(world, call, guid),
        ["v3", "revisions", guid, tail @ ..] => revisions::one(world, call, guid, tail),
        ["v3", "processes"] if get => processes::list(world, call),
        ["v3", "processes", guid, tail @ ..] => processes::one(world, call, guid, tail),
        ["v3", "deployments"] if get => deployments::list(world, call),
        ["v3", "deployments"] if post => deployments::create(world, call),
        ["v3", "deployments", guid, tail @ ..] => deployments::one(world, call, guid, tail),
        ["v3", "packages", tail @ ..] => artifacts::packages(world, call, tail),
        ["v3", "builds", tail @ ..] => artifacts::builds(world, call, tail, uaa),
        ["v3", "droplets", tail @ ..] => artifacts::droplets(world, call, tail),
        ["v3", "audit_events"] if get => events::list(world, call, uaa),
        ["v3", "audit_events", guid] if get => events::one(world, call, guid, uaa),
        ["v3", "roles"] if get => role::list(world, call, uaa),
        [
            "v3",
            "buildpacks"
            | "feature_flags"
            | "tasks"
            | "users"
            | "security_groups"
            | "isolation_segments"
            | "service_instances"
            | "service_credential_bindings"
            | "service_offerings"
            | "service_plans"
            | "service_route_bindings"
            | "service_brokers",
        ] if get => Ok(places::nothing(call, &format!("/{}", path.join("/")))),
        _ => Err(ApiError::unknown_request()),
    }
}

fn of_app(world: &mut World, call: &Call, guid: &str, tail: &[&str], uaa: &Uaa) -> Answer {
    let index = world.app_index(guid).ok_or_else(|| ApiError::not_found("App not found"))?;
    let get = call.method == Method::GET;
    match tail {
        ["revisions"] if get => revisions::list(world, call, index),
        ["revisions", "deployed"] if get => revisions::deployed(world, call, index),
        ["processes", rest @ ..] => processes::of_app(world, call, index, rest),
        ["droplets" | "packages" | "builds", ..] | ["relationships", "current_droplet"] => {
            artifacts::of_app(world, call, index, tail, uaa)
        }
        ["routes"] if get => {
            places::routes(world, call, &format!("/v3/apps/{guid}/routes"), Some(index))
        }
        ["tasks"] if get => Ok(places::nothing(call, &format!("/v3/apps/{guid}/tasks"))),
        _ => apps::app(world, call, guid, tail),
    }
}
