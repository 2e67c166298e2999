//! Task definitions: registered, told, deregistered.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call},
    error::ApiError,
    page,
    world::{World, arn, stamp},
};

pub(crate) fn register(world: &mut World, call: &Call) -> Answer {
    let family = call.text("family").unwrap_or_default().to_owned();
    if family.is_empty() {
        return Err(ApiError::client("Family should not be empty."));
    }
    if call.body["containerDefinitions"].as_array().is_none_or(Vec::is_empty) {
        return Err(ApiError::client("Container list cannot be empty."));
    }
    let tags = &call.body["tags"];
    if tags.as_array().is_some_and(Vec::is_empty) {
        return Err(ApiError::invalid("Tags can not be empty."));
    }
    let tags = tags.as_array().cloned().unwrap_or_default();
    let definition =
        add(world, &family, call.body.clone(), "arn:aws:iam::111122223333:user/operator");
    let arn = definition["taskDefinitionArn"].as_str().unwrap_or_default().to_owned();
    world.tags.insert(arn, tags.clone());
    Ok(json!({ "taskDefinition": definition, "tags": tags }))
}

/// Adds the next revision of a family.
pub(crate) fn add(world: &mut World, family: &str, body: Value, by: &str) -> Value {
    let now = world.now;
    let all = world.definitions.entry(family.to_owned()).or_default();
    let number = all.len() + 1;
    let mut definition = body;
    if let Some(members) = definition.as_object_mut() {
        members.remove("tags");
        let usual = [("volumes", json!([])), ("placementConstraints", json!([]))];
        for (name, value) in usual {
            members.entry(name).or_insert(value);
        }
    }
    definition["family"] = family.into();
    definition["revision"] = number.into();
    definition["taskDefinitionArn"] = arn(&format!("task-definition/{family}:{number}")).into();
    definition["status"] = "ACTIVE".into();
    definition["registeredAt"] = stamp(now);
    definition["registeredBy"] = by.into();
    definition["compatibilities"] = json!(["EC2", "FARGATE"]);
    definition["requiresAttributes"] = json!([]);
    all.push(definition.clone());
    definition
}

pub(crate) fn describe(world: &World, call: &Call) -> Answer {
    let missing = || ApiError::client("Unable to describe task definition.");
    let definition = world.definition(call.required("taskDefinition")?).ok_or_else(missing)?;
    let mut told = json!({ "taskDefinition": definition });
    if call.body["include"].as_array().is_some_and(|all| all.iter().any(|one| one == "TAGS")) {
        let arn = definition["taskDefinitionArn"].as_str().unwrap_or_default();
        told["tags"] = world.tags.get(arn).cloned().unwrap_or_default().into();
    }
    Ok(told)
}

pub(crate) fn deregister(world: &mut World, call: &Call) -> Answer {
    let given = call.required("taskDefinition")?.to_owned();
    let short = given.rsplit('/').next().unwrap_or(&given);
    let Some((family, number)) = short.split_once(':') else {
        return Err(ApiError::client("Revision is missing."));
    };
    let now = world.now;
    let number = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let found = world.definitions.get_mut(family).zip(number).and_then(|(all, at)| all.get_mut(at));
    let definition =
        found.ok_or_else(|| ApiError::client("The specified task definition does not exist."))?;
    definition["status"] = "INACTIVE".into();
    definition["deregisteredAt"] = stamp(now);
    Ok(json!({ "taskDefinition": definition }))
}

pub(crate) fn list(world: &World, call: &Call) -> Answer {
    let status = call.text("status").unwrap_or("ACTIVE");
    let family = call.text("familyPrefix");
    let families =
        world.definitions.iter().filter(|(name, _)| family.is_none_or(|wanted| wanted == *name));
    let mut arns: Vec<_> = families
        .flat_map(|(_, all)| all)
        .filter(|one| one["status"] == status)
        .filter_map(|one| one["taskDefinitionArn"].as_str().map(str::to_owned))
        .collect();
    if call.text("sort") == Some("DESC") {
        arns.reverse();
    }
    let (arns, next) = page::part(call, arns, 100, 100)?;
    Ok(page::told("taskDefinitionArns", arns.into(), next))
}

pub(crate) fn families(world: &World, call: &Call) -> Answer {
    let prefix = call.text("familyPrefix").unwrap_or_default();
    let names: Vec<_> =
        world.definitions.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
    let (names, next) = page::part(call, names, 100, 100)?;
    Ok(page::told("families", names.into(), next))
}
