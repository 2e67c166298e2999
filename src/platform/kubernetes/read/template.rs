//! What a Pod template says, as facts that can be compared: readable, and without what the server fills in.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use crate::domain::{Detail, Fact, Group, Secret, text::clean};
use crate::platform::kubernetes::model::wire::RESTARTED;

/// From so many bytes on, a value is shown by its beginning, its length and a mark that tells it from another one.
const LONG: usize = 2_000;

fn bounded(value: &str) -> String {
    if value.len() < LONG {
        return clean(value);
    }
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    let beginning: String = value.chars().take(60).collect();
    format!("{}… ({} bytes, {:08x})", clean(&beginning), value.len(), hasher.finish() as u32)
}

/// The facts of a Pod template. Values of environment variables are shown only when asked for; what comes from a
/// Secret or ConfigMap is named and never read.
pub(in crate::platform::kubernetes) fn of_template(template: &Value) -> Detail {
    let mut facts = Vec::new();
    let mut add = |group: Group, key: String, value: String, secret: bool| {
        facts.push(Fact { group, key: clean(&key), value: Secret::new(bounded(&value)), secret });
    };
    let spec = &template["spec"];
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default();
            let text = |field: &str| container[field].as_str().unwrap_or_default().to_owned();
            add(Group::Artifact, name.to_owned(), text("image"), false);
            for field in ["command", "args"] {
                if let Some(words) = container[field].as_array() {
                    let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
                    add(Group::Command, format!("{name} {field}"), words.join(" "), false);
                }
            }
            for one in container["env"].as_array().into_iter().flatten() {
                let (value, secret) = match one["value"].as_str() {
                    Some(value) => (value.to_owned(), true),
                    None => (source(&one["valueFrom"]), false),
                };
                add(
                    Group::Environment,
                    one["name"].as_str().unwrap_or_default().to_owned(),
                    value,
                    secret,
                );
            }
            for (index, one) in container["envFrom"].as_array().into_iter().flatten().enumerate() {
                add(Group::Environment, format!("{name} from {index}"), source(one), false);
            }
            for field in [
                "resources",
                "ports",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
                "volumeMounts",
                "lifecycle",
            ] {
                if empty(&container[field]) {
                    continue;
                }
                for (path, value) in flat(&container[field]) {
                    add(Group::Command, format!("{name} {field}{path}"), value, false);
                }
            }
        }
    }
    for field in
        ["volumes", "nodeSelector", "serviceAccountName", "tolerations", "affinity", "hostNetwork"]
    {
        if empty(&spec[field]) {
            continue;
        }
        for (path, value) in flat(&spec[field]) {
            add(Group::Command, format!("pod {field}{path}"), value, false);
        }
    }
    for (name, value) in template["metadata"]["annotations"].as_object().into_iter().flatten() {
        if name != RESTARTED {
            add(
                Group::Command,
                format!("annotation {name}"),
                value.as_str().unwrap_or_default().to_owned(),
                false,
            );
        }
    }
    Detail { facts, hidden: Vec::new() }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Where a value comes from, by name: `secret db/password`.
fn source(from: &Value) -> String {
    for (field, word) in [
        ("secretKeyRef", "secret"),
        ("configMapKeyRef", "configmap"),
        ("secretRef", "secret"),
        ("configMapRef", "configmap"),
    ] {
        let one = &from[field];
        if let Some(name) = one["name"].as_str() {
            return match one["key"].as_str() {
                Some(key) => format!("{word} {name}/{key}"),
                None => format!("{word} {name}"),
            };
        }
    }
    flat(from)
        .into_iter()
        .map(|(path, value)| format!("{path}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The leaves of a value, each with its path.
fn flat(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                flat(value).into_iter().map(move |(path, leaf)| (format!(".{name}{path}"), leaf))
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, value)| {
                let key = value["name"].as_str().or_else(|| value["mountPath"].as_str());
                let key = key.map_or_else(|| index.to_string(), str::to_owned);
                flat(value).into_iter().map(move |(path, leaf)| (format!("[{key}]{path}"), leaf))
            })
            .collect(),
        Value::String(text) => vec![(String::new(), text.clone())],
        other => vec![(String::new(), other.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::differences;
    use serde_json::json;

    #[test]
    fn long_values_that_differ_late_differ() {
        let long = "x".repeat(5_000);
        let (one, other) = (bounded(&format!("{long}a")), bounded(&format!("{long}b")));
        assert_ne!(one, other);
        assert!(one.chars().count() < 100, "{one}");
        assert_eq!(bounded("short"), "short");
    }

    #[test]
    fn a_change_is_named_where_it_is() {
        let template = |image: &str, memory: &str, at: &str| {
            json!({
                "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": at } },
                "spec": { "containers": [{
                    "name": "app", "image": image, "resources": { "limits": { "memory": memory } },
                    "env": [{ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "db", "key": "password" } } }],
                }] },
            })
        };
        let (before, after) = (
            of_template(&template("web:1", "64Mi", "x")),
            of_template(&template("web:2", "1Gi", "y")),
        );
        let lines: Vec<_> =
            differences(&before, &after).iter().map(|one| one.line(false)).collect();
        assert_eq!(lines, ["app web:1 → web:2", "app resources.limits.memory 64Mi → 1Gi"]);
        let key = before.facts.iter().find(|fact| fact.key == "KEY").unwrap();
        assert_eq!(key.value.reveal(), "secret db/password");
    }
}
