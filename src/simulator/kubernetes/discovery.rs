//! What clients ask before they ask for anything: versions, groups, kinds, and which parameters are understood.

use serde_json::{Value, json};

use super::resources::{ALL, GROUPS, version};

/// `/version`.
pub(crate) fn server_version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-06-10T12:00:00Z", "goVersion": "go1.26", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// `/api`.
pub(crate) fn core_versions() -> Value {
    json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
}

fn group(name: &str) -> Value {
    let version =
        json!({ "groupVersion": format!("{name}/{}", version(name)), "version": version(name) });
    json!({ "name": name, "versions": [version], "preferredVersion": version })
}

/// `/apis`.
pub(crate) fn groups() -> Value {
    let groups: Vec<_> = GROUPS.iter().map(|name| group(name)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// `/apis/GROUP`.
pub(crate) fn one_group(name: &str) -> Option<Value> {
    GROUPS.contains(&name).then(|| {
        let mut group = group(name);
        group["kind"] = "APIGroup".into();
        group["apiVersion"] = "v1".into();
        group
    })
}

/// `/api/v1` or `/apis/GROUP/VERSION`.
pub(crate) fn kinds(group: &str) -> Value {
    let mut kinds = Vec::new();
    for one in ALL.iter().filter(|one| one.group == group) {
        kinds.push(json!({
            "name": one.plural, "singularName": one.kind.to_lowercase(), "namespaced": one.namespaced,
            "kind": one.kind, "shortNames": one.short, "categories": if group == "apps" { json!(["all"]) } else { json!([]) },
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        }));
        for sub in one.subresources {
            let (kind, scale) = match *sub {
                "scale" => ("Scale", true),
                "eviction" => ("Eviction", false),
                _ => (one.kind, false),
            };
            let mut entry = json!({
                "name": format!("{}/{sub}", one.plural), "singularName": "", "namespaced": one.namespaced, "kind": kind,
                "verbs": match *sub {
                    "log" => json!(["get"]),
                    "eviction" => json!(["create"]),
                    _ => json!(["get", "patch", "update"]),
                },
            });
            if scale {
                entry["group"] = "autoscaling".into();
                entry["version"] = "v1".into();
            } else if *sub == "eviction" {
                entry["group"] = "policy".into();
                entry["version"] = "v1".into();
            }
            kinds.push(entry);
        }
    }
    if group == "authorization.k8s.io" {
        kinds.push(json!({
            "name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview", "namespaced": false,
            "kind": "SelfSubjectAccessReview", "verbs": ["create"],
        }));
    }
    let group_version =
        if group.is_empty() { "v1".to_owned() } else { format!("{group}/{}", version(group)) };
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": kinds })
}

/// `/openapi/v3`: one document a group and version.
pub(crate) fn documents() -> Value {
    let mut paths = json!({ "api/v1": { "serverRelativeURL": "/openapi/v3/api/v1?hash=1" } });
    for group in GROUPS {
        let name = format!("apis/{group}/{}", version(group));
        paths[&name] = json!({ "serverRelativeURL": format!("/openapi/v3/{name}?hash=1") });
    }
    json!({ "paths": paths })
}

/// The document of a group: enough for a client to learn that the server validates fields and can do a dry run.
pub(crate) fn document(group: &str) -> Value {
    let mut paths = json!({});
    for one in ALL.iter().filter(|one| one.group == group) {
        let root = if group.is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{}", one.api_version())
        };
        let place = if one.namespaced { "/namespaces/{namespace}" } else { "" };
        let kind = json!({ "group": one.group, "version": one.version, "kind": one.kind });
        let parameters: Vec<_> = ["dryRun", "fieldManager", "fieldValidation"]
            .iter()
            .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }))
            .collect();
        let operation = json!({ "parameters": parameters, "x-kubernetes-group-version-kind": kind, "responses": {} });
        let path = format!("{root}{place}/{}/{{name}}", one.plural);
        paths[&path] = json!({ "patch": operation, "put": operation });
        paths[format!("{root}{place}/{}", one.plural)] = json!({ "post": operation });
    }
    json!({ "openapi": "3.0.0", "info": { "title": "Kubernetes", "version": "v1.36.2" }, "paths": paths })
}
