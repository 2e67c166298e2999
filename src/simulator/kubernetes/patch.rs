//! The kinds of patches that an API server takes.

use serde_json::{Map, Value};

/// Lists that are merged by a key of their items, by the field's name; all other lists are replaced.
const KEYS: &[(&str, &str)] = &[
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("imagePullSecrets", "name"),
    ("conditions", "type"),
    ("ownerReferences", "uid"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
];

/// Why a patch does not apply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The body is none.
    Malformed(String),
    /// A test failed, or a path is not there.
    Rejected,
    /// This content type is not taken.
    Unsupported,
}

/// Applies a patch of a content type to an object.
pub(crate) fn apply(object: &mut Value, content_type: &str, body: &[u8]) -> Result<(), Failed> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let malformed = |error: serde_json::Error| Failed::Malformed(error.to_string());
    match kind {
        "application/json-patch+json" => {
            let patch: json_patch::Patch = serde_json::from_slice(body).map_err(malformed)?;
            json_patch::patch(object, &patch).map_err(|_| Failed::Rejected)
        }
        "application/merge-patch+json" => {
            let patch: Value = serde_json::from_slice(body).map_err(malformed)?;
            json_patch::merge(object, &patch);
            Ok(())
        }
        "application/strategic-merge-patch+json" => {
            let patch: Value = serde_json::from_slice(body).map_err(malformed)?;
            merge(object, &patch);
            Ok(())
        }
        "application/apply-patch+yaml" => {
            let patch: Value = yaml_serde::from_slice(body)
                .map_err(|error| Failed::Malformed(error.to_string()))?;
            merge(object, &patch);
            Ok(())
        }
        _ => Err(Failed::Unsupported),
    }
}

/// A strategic merge patch.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        *target = Value::Object(plain(patch));
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().map_or(&[][..], Vec::as_slice);
            if let Some(items) = fields.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
        } else if name == "$retainKeys" {
            let kept = value.as_array().map_or(&[][..], Vec::as_slice);
            fields.retain(|field, _| kept.iter().any(|name| name.as_str() == Some(field)));
        } else if name.starts_with('$') {
            // The order of list items says nothing here.
        } else if value.is_null() {
            fields.remove(name);
        } else if let (Some(key), Some(items)) = (key_of(name, value), value.as_array()) {
            let list = fields.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
            merge_list(list, key, items);
        } else if value.is_object() {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
}

/// By which key a list is merged. Ports have one name and different keys in containers and services.
fn key_of(field: &str, list: &Value) -> Option<&'static str> {
    if field == "ports" {
        let container = list.as_array()?.iter().any(|item| item.get("containerPort").is_some());
        return Some(if container { "containerPort" } else { "port" });
    }
    KEYS.iter().find(|(name, _)| *name == field).map(|(_, key)| *key)
}

fn merge_list(list: &mut Value, key: &str, patches: &[Value]) {
    let Some(items) = list.as_array_mut() else { return };
    for patch in patches {
        if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
            items.clear();
            continue;
        }
        let at = items.iter().position(|item| item.get(key) == patch.get(key));
        let deletes = patch.get("$patch").and_then(Value::as_str) == Some("delete");
        match at {
            Some(at) if deletes => drop(items.remove(at)),
            Some(at) => merge(&mut items[at], patch),
            None if deletes => {}
            None => {
                let mut item = Value::Null;
                merge(&mut item, patch);
                items.push(item);
            }
        }
    }
}

/// A map without the directives of a patch.
fn plain(patch: &Map<String, Value>) -> Map<String, Value> {
    patch
        .iter()
        .filter(|(name, value)| !name.starts_with('$') && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containers_are_merged_by_name() {
        let mut object = json!({ "containers": [{ "name": "a", "image": "x:1" }, { "name": "b", "image": "y:1" }] });
        let patch = json!({
            "$setElementOrder/containers": [{ "name": "a" }, { "name": "b" }],
            "containers": [{ "name": "a", "image": "x:2" }, { "name": "b", "$patch": "delete" }],
        });
        merge(&mut object, &patch);
        assert_eq!(object, json!({ "containers": [{ "name": "a", "image": "x:2" }] }));
    }

    #[test]
    fn null_removes_and_replace_replaces() {
        let mut object = json!({ "paused": true, "template": { "a": 1, "b": 2 } });
        merge(&mut object, &json!({ "paused": null, "template": { "$patch": "replace", "c": 3 } }));
        assert_eq!(object, json!({ "template": { "c": 3 } }));
    }

    #[test]
    fn a_failed_test_rejects_the_whole_patch() {
        let mut object = json!({ "metadata": { "generation": 3 }, "spec": 1 });
        let patch = br#"[{"op":"replace","path":"/spec","value":2},{"op":"test","path":"/metadata/generation","value":2}]"#;
        let failed = apply(&mut object, "application/json-patch+json", patch);
        assert_eq!(failed, Err(Failed::Rejected));
        assert_eq!(object["spec"], 1);
    }
}
