//! Task definitions: what they run and how, as facts that can be compared. They never change, so each is read once.

use serde_json::{Value, json};

use crate::domain::{Detail, Fact, Group, Secret, text::clean};
use crate::platform::{
    Error,
    ecs::{client::api::Service, region::Region},
};

impl Region {
    /// A task definition as it is, by its ARN or `family:N`.
    pub(in crate::platform::ecs) async fn definition(&self, arn: &str) -> Result<Value, Error> {
        if let Some(known) = self.known_definition(arn) {
            return Ok(known);
        }
        let body = json!({ "taskDefinition": arn, "include": ["TAGS"] });
        let told: Value =
            self.connection.ask(Service::Ecs, "DescribeTaskDefinition", &body).await?;
        let mut definition = told["taskDefinition"].clone();
        // They travel beside it, and belong to it.
        definition["tags"] = told["tags"].clone();
        self.keep_definition(arn, definition.clone());
        Ok(definition)
    }
}

/// The containers of a task definition.
pub(in crate::platform::ecs) fn containers(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["containerDefinitions"].as_array().into_iter().flatten()
}

/// The images of a task definition, in order.
pub(in crate::platform::ecs) fn images(definition: &Value) -> Vec<String> {
    containers(definition).filter_map(|one| one["image"].as_str().map(clean)).collect()
}

/// An image without the registry that all of them share.
pub(in crate::platform::ecs) fn short_image(image: &str) -> &str {
    image.rsplit('/').next().unwrap_or(image)
}

/// Members of a container that are told on their own.
const TOLD: [&str; 4] = ["name", "image", "environment", "secrets"];

/// Members of a task definition that say nothing of what it runs.
pub(in crate::platform::ecs) const READ_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// The facts of a task definition. What is not known by name is compared as a whole.
pub(in crate::platform::ecs) fn detail(definition: &Value) -> Detail {
    let mut facts = Vec::new();
    let mut add = |group, key: String, value: String, secret| {
        facts.push(Fact { group, key: clean(&key), value: Secret::new(clean(&value)), secret });
    };
    for (place, container) in containers(definition).enumerate() {
        let name = container["name"].as_str().unwrap_or_default();
        // The first container is the app, as a rule; others are named.
        let of = |what: &str| if place == 0 { what.to_owned() } else { format!("{name}: {what}") };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        add(Group::Artifact, name.to_owned(), text(&container["image"]), false);
        for variable in container["environment"].as_array().into_iter().flatten() {
            add(
                Group::Environment,
                of(variable["name"].as_str().unwrap_or_default()),
                text(&variable["value"]),
                true,
            );
        }
        for secret in container["secrets"].as_array().into_iter().flatten() {
            // Where it comes from is no secret.
            add(
                Group::Environment,
                of(secret["name"].as_str().unwrap_or_default()),
                text(&secret["valueFrom"]),
                false,
            );
        }
        let group = if place == 0 { Group::Command } else { Group::Sidecar };
        for (key, value) in container.as_object().into_iter().flatten() {
            let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            if !TOLD.contains(&key.as_str()) && !empty {
                add(group, of(key), text(value), false);
            }
        }
    }
    for (key, value) in definition.as_object().into_iter().flatten() {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if key != "containerDefinitions"
            && key != "family"
            && !READ_ONLY.contains(&key.as_str())
            && !empty
        {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            add(Group::Command, key.clone(), text, false);
        }
    }
    Detail { facts, hidden: Vec::new() }
}

/// A task definition as it can be registered anew: with all that it has, known to this build or not, but what is only told.
pub(in crate::platform::ecs) fn registrable(definition: &Value) -> Value {
    let mut body = definition.clone();
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, value| !READ_ONLY.contains(&name.as_str()) && !value.is_null());
        // AWS keeps tags of its own, which nobody else may set; and an empty list is refused.
        if let Some(tags) = members.get_mut("tags").and_then(Value::as_array_mut) {
            tags.retain(|tag| !tag["key"].as_str().unwrap_or_default().starts_with("aws:"));
            if tags.is_empty() {
                members.remove("tags");
            }
        }
    }
    body
}

/// Whether two task definitions say the same, members that say nothing left out.
pub(in crate::platform::ecs) fn same(a: &Value, b: &Value) -> bool {
    fn strip(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let kept = members.iter().map(|(name, value)| (name.clone(), strip(value)));
                let empty =
                    |value: &Value| value.is_null() || *value == json!([]) || *value == json!({});
                Value::Object(kept.filter(|(_, value)| !empty(value)).collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(strip).collect()),
            other => other.clone(),
        }
    }
    strip(a) == strip(b)
}
