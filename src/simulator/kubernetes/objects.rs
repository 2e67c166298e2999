//! Reading and writing objects, as the API server does it for every kind.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    defaults,
    error::ApiError,
    patch,
    resources::{ALL, DEPLOYMENTS, Kind, ROLLOUTS},
    store::Key,
    world::{World, is_workload, number, stamp},
};

/// A request on one object, or for a new one.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) method: &'a Method,
    pub(crate) key: &'a Key,
    pub(crate) subresource: Option<&'a str>,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
    /// Nothing is stored.
    pub(crate) dry_run: bool,
    pub(crate) manager: &'a str,
}

/// Carries a write out, and returns the object as it is then, with the status of the answer.
pub(crate) fn write(world: &mut World, write: &Write<'_>) -> Result<(u16, Value), ApiError> {
    match *write.method {
        Method::POST if write.subresource == Some("eviction") => {
            super::evict::evict(world, write).map(|status| (201, status))
        }
        Method::POST => create(world, write).map(|object| (201, object)),
        Method::DELETE => delete(world, write).map(|object| (200, object)),
        Method::PUT | Method::PATCH => {
            let applies = write.content_type.starts_with("application/apply-patch");
            if applies && world.store.get(write.key).is_none() {
                return create(world, write).map(|object| (201, object));
            }
            modify(world, write).map(|object| (200, object))
        }
        _ => Err(ApiError::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

fn read(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body)
        .or_else(|_| yaml_serde::from_slice::<Value>(body))
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| ApiError::new(400, "BadRequest", "the object provided is unrecognized: the body is neither JSON nor YAML of an object"))
}

fn create(world: &mut World, write: &Write<'_>) -> Result<Value, ApiError> {
    let kind = write.key.kind;
    let resource = &ALL[kind];
    let mut object = read(write.body)?;
    without_nulls(&mut object);
    if object["metadata"]["name"].is_null()
        && let Some(prefix) = object["metadata"]["generateName"].as_str()
    {
        object["metadata"]["name"] = format!("{prefix}{:05x}", world.fresh() & 0xf_ffff).into();
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(ApiError::new(
            422,
            "Invalid",
            format!(
                "{} \"\" is invalid: metadata.name: Required value: name or generateName is required",
                resource.kind
            ),
        ));
    }
    let key = Key { name: name.clone(), ..write.key.clone() };
    if world.store.get(&key).is_some() {
        return Err(ApiError::already_exists(resource.plural, resource.group, &name));
    }
    if resource.namespaced {
        let home = Key::new(super::resources::NAMESPACES, "", key.namespace.clone());
        if world.store.get(&home).is_none() {
            return Err(ApiError::not_found("namespaces", "", &key.namespace));
        }
    }
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    admit(world, kind, &mut object);
    defaults::fill(kind, &mut object);
    defaults::check(kind, &object)?;
    manage(&mut object, write, &stamp(world.now));
    if kind == super::resources::NAMESPACES {
        object["status"] = json!({ "phase": "Active" });
    }
    if write.dry_run {
        object["apiVersion"] = resource.api_version().into();
        object["kind"] = resource.kind.into();
        object["metadata"]["uid"] = world.uid().into();
        object["metadata"]["generation"] = 1.into();
        return Ok(object);
    }
    Ok((*world.create(kind, &key.namespace, object)).clone())
}

/// What admission plugins do to an object before it is stored: where they are asked for, digests in place of tags, as
/// Kyverno's `verifyImages` does it to workloads (`mutateDigest`).
fn admit(world: &World, kind: Kind, object: &mut Value) {
    if !world.digests || !is_workload(kind) {
        return;
    }
    let containers = object.pointer_mut("/spec/template/spec/containers");
    for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
        let image = container["image"].as_str().unwrap_or_default().to_owned();
        if !image.is_empty() && !image.contains('@') {
            let digest = super::world::hash_of(&json!(image));
            container["image"] = format!("{image}@sha256:{digest:0>64}").into();
        }
    }
}

/// A null in an object of a known kind is the same as nothing.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn operation(write: &Write<'_>) -> &'static str {
    if write.content_type.starts_with("application/apply-patch") { "Apply" } else { "Update" }
}

/// Notes who changed an object last.
fn manage(object: &mut Value, write: &Write<'_>, at: &str) {
    let (manager, operation) = (write.manager, operation(write));
    let part = write.subresource.unwrap_or_default();
    let managers = &mut object["metadata"]["managedFields"];
    if !managers.is_array() {
        *managers = json!([]);
    }
    let Some(managers) = managers.as_array_mut() else { return };
    managers.retain(|one| {
        one["manager"] != manager
            || one["operation"] != operation
            || one["subresource"].as_str().unwrap_or_default() != part
    });
    let mut entry = json!({
        "manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": at,
        "fieldsType": "FieldsV1", "fieldsV1": {},
    });
    if !part.is_empty() {
        entry["subresource"] = part.into();
    }
    managers.push(entry);
}

fn existing(world: &World, key: &Key) -> Result<Arc<Value>, ApiError> {
    let resource = &ALL[key.kind];
    let found = world.store.get(key).cloned();
    found.ok_or_else(|| ApiError::not_found(resource.plural, resource.group, &key.name))
}

fn unsupported() -> ApiError {
    ApiError::new(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, application/strategic-merge-patch+json",
    )
}

fn modify(world: &mut World, write: &Write<'_>) -> Result<Value, ApiError> {
    let key = write.key;
    let before = existing(world, key)?;
    let mut object = (*before).clone();
    let scale = write.subresource == Some("scale");
    if scale {
        object = scale_of(&before);
    }
    if *write.method == Method::PUT {
        object = read(write.body)?;
    } else if key.kind == ROLLOUTS && write.content_type.contains("strategic") {
        // The server knows no merge keys of custom resources.
        return Err(unsupported());
    } else {
        let applied = patch::apply(&mut object, write.content_type, write.body);
        applied.map_err(|failed| match failed {
            patch::Failed::Malformed(why) => {
                ApiError::new(400, "BadRequest", format!("error decoding patch: {why}"))
            }
            patch::Failed::Rejected => ApiError::rejected(),
            patch::Failed::Unsupported => unsupported(),
        })?;
    }
    without_nulls(&mut object);
    let (own, sent) =
        (&before["metadata"]["resourceVersion"], &object["metadata"]["resourceVersion"]);
    if !sent.is_null() && own != sent {
        return Err(ApiError::conflict(ALL[key.kind].plural, ALL[key.kind].group, &key.name));
    }
    if scale {
        let replicas = object["spec"]["replicas"].clone();
        object = (*before).clone();
        object["spec"]["replicas"] = replicas;
    }
    // Nobody but the server changes these.
    for field in [
        "uid",
        "creationTimestamp",
        "generation",
        "resourceVersion",
        "name",
        "namespace",
        "managedFields",
    ] {
        if before["metadata"][field].is_null() {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove(field);
            }
        } else {
            object["metadata"][field] = before["metadata"][field].clone();
        }
    }
    if write.subresource == Some("status") {
        let status = object["status"].clone();
        object = (*before).clone();
        object["status"] = status;
    } else {
        object["status"] = before["status"].clone();
        admit(world, key.kind, &mut object);
        defaults::fill(key.kind, &mut object);
        defaults::check(key.kind, &object)?;
        if is_workload(key.kind) && object["spec"]["selector"] != before["spec"]["selector"] {
            return Err(ApiError::new(
                422,
                "Invalid",
                format!(
                    "{} \"{}\" is invalid: spec.selector: field is immutable",
                    ALL[key.kind].kind, key.name
                ),
            ));
        }
    }
    if object["status"].is_null()
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    let renews = object["spec"] != before["spec"]
        || (key.kind == DEPLOYMENTS
            && object["metadata"]["annotations"] != before["metadata"]["annotations"]);
    if renews && !before["metadata"]["generation"].is_null() {
        object["metadata"]["generation"] = (number(&before, "/metadata/generation") + 1).into();
    }
    if object == *before {
        return Ok(if scale { scale_of(&object) } else { object });
    }
    manage(&mut object, write, &stamp(world.now));
    if write.dry_run {
        return Ok(object);
    }
    if renews && let Some(uid) = object["metadata"]["uid"].as_str() {
        world.touched.insert(uid.to_owned(), world.now);
    }
    let stored = world.store.put(key.clone(), object);
    world.stir(key);
    Ok(if scale { scale_of(&stored) } else { (*stored).clone() })
}

fn delete(world: &mut World, write: &Write<'_>) -> Result<Value, ApiError> {
    let object = existing(world, write.key)?;
    // `DeleteOptions.preconditions`, see k8s.io/apiserver/pkg/registry/rest/delete.go.
    let options: Value = serde_json::from_slice(write.body).unwrap_or_default();
    for (name, found) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let (wanted, now) = (&options["preconditions"][name], &object["metadata"][name]);
        if wanted.as_str().is_some_and(|wanted| now.as_str() != Some(wanted)) {
            let resource = &ALL[write.key.kind];
            let about = (resource.kind, resource.group, write.key.name.as_str());
            return Err(ApiError::precondition(about, found, (wanted, now)));
        }
    }
    if write.dry_run {
        return Ok((*object).clone());
    }
    if write.key.kind == super::resources::PODS {
        super::pods::end(world, write.key);
    } else if write.key.kind == super::resources::NAMESPACES {
        for (kind, resource) in ALL.iter().enumerate() {
            let inside: Vec<_> = world
                .store
                .list(kind, Some(&write.key.name))
                .into_iter()
                .map(|(key, _)| key.clone())
                .collect();
            for key in inside.iter().filter(|_| resource.namespaced) {
                world.remove(key);
            }
        }
        world.remove(write.key);
    } else {
        world.remove(write.key);
    }
    Ok(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": { "name": write.key.name, "kind": ALL[write.key.kind].plural, "uid": object["metadata"]["uid"] },
    }))
}

/// The `Scale` of a workload.
pub(crate) fn scale_of(object: &Value) -> Value {
    let labels = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector: Vec<_> = labels
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
            "uid": object["metadata"]["uid"], "resourceVersion": object["metadata"]["resourceVersion"],
        },
        "spec": { "replicas": object["spec"]["replicas"] },
        "status": { "replicas": number(object, "/status/replicas"), "selector": selector.join(",") },
    })
}

/// A list object.
pub(crate) fn list(kind: Kind, items: &[Value], revision: u64) -> Value {
    json!({
        "kind": format!("{}List", ALL[kind].kind), "apiVersion": ALL[kind].api_version(),
        "metadata": { "resourceVersion": revision.to_string() }, "items": items,
    })
}
