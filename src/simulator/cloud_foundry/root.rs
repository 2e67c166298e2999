//! What needs no login: where things are, and what the API is.

use serde_json::{Map, Value, json};

use super::call::{Call, Reply};

/// The API version that is simulated where no other is asked for.
pub(crate) const VERSION: (u32, u32) = (3, 228);

const RESOURCES: [&str; 31] = [
    "app_usage_events",
    "apps",
    "audit_events",
    "buildpacks",
    "builds",
    "deployments",
    "domains",
    "droplets",
    "environment_variable_groups",
    "feature_flags",
    "info",
    "isolation_segments",
    "organizations",
    "organization_quotas",
    "packages",
    "processes",
    "resource_matches",
    "roles",
    "routes",
    "security_groups",
    "service_brokers",
    "service_instances",
    "service_credential_bindings",
    "service_offerings",
    "service_plans",
    "service_route_bindings",
    "spaces",
    "space_quotas",
    "stacks",
    "tasks",
    "users",
];

pub(crate) fn root(call: &Call) -> Reply {
    let base = &call.base;
    let version = format!("{}.{}.0", call.api.0, call.api.1);
    Reply::ok(json!({ "links": {
        "self": { "href": base },
        "cloud_controller_v2": null,
        "cloud_controller_v3": { "href": format!("{base}/v3"), "meta": { "version": version } },
        "network_policy_v0": { "href": format!("{base}/networking/v0/external") },
        "network_policy_v1": { "href": format!("{base}/networking/v1/external") },
        "login": { "href": base }, "uaa": { "href": base },
        "credhub": null, "routing": { "href": format!("{base}/routing") },
        "logging": { "href": base.replacen("http", "ws", 1) },
        "log_cache": { "href": base }, "log_stream": { "href": base },
        "app_ssh": { "href": "127.0.0.1:2222", "meta": { "host_key_fingerprint": "demo", "oauth_client": "ssh-proxy" } },
    } }))
}

pub(crate) fn v3(call: &Call) -> Reply {
    let mut links = Map::new();
    links.insert("self".to_owned(), json!({ "href": format!("{}/v3", call.base) }));
    for name in RESOURCES {
        links.insert(name.to_owned(), json!({ "href": format!("{}/v3/{name}", call.base) }));
    }
    links.insert(
        "service_usage_events".to_owned(),
        json!({ "href": format!("{}/v3/service_usage_events", call.base) }),
    );
    Reply::ok(json!({ "links": Value::Object(links) }))
}

pub(crate) fn info(call: &Call) -> Reply {
    Reply::ok(json!({
        "build": "simulated", "cli_version": { "minimum": "", "recommended": "" }, "custom": {},
        "description": "revdeck's simulated foundation", "name": "revdeck simulator", "version": 0,
        "osbapi_version": "2.15",
        "rate_limits": { "enabled": false, "general_limit": 2000, "reset_interval_in_minutes": 60 },
        "links": { "self": { "href": format!("{}/v3/info", call.base) }, "support": { "href": "" } },
    }))
}

/// `GET /login`, as a client asks before it logs in.
pub(crate) fn login(call: &Call) -> Reply {
    let base = &call.base;
    Reply::ok(json!({
        "app": { "version": "77.0.0" },
        "links": { "uaa": base, "login": base, "passwd": "/forgot_password", "register": "/create_account" },
        "zone_name": "uaa", "entityID": "revdeck-simulator",
        "prompts": {
            "username": ["text", "Email"], "password": ["password", "Password"],
            "passcode": ["password", format!("Temporary Authentication Code (Get one at {base}/passcode)")],
        },
    }))
}
