//! Application Auto Scaling, as far as services need it: scalable targets, and that they can be suspended.

use serde_json::{Map, Value, json};

use super::{
    call::{Answer, Call},
    error::ApiError,
    world::{ACCOUNT, REGION, World, stamp},
};

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

pub(crate) fn register(world: &mut World, call: &Call) -> Answer {
    let Some(resource) = call.text("ResourceId").map(str::to_owned) else {
        return Err(invalid("ResourceId must not be null"));
    };
    if call.text("ServiceNamespace") != Some("ecs") {
        return Err(invalid("ServiceNamespace is not supported"));
    }
    let fresh = !world.scalable.contains_key(&resource);
    if fresh && (call.body["MinCapacity"].is_null() || call.body["MaxCapacity"].is_null()) {
        return Err(invalid(
            "MinCapacity and MaxCapacity are required when registering a new scalable target",
        ));
    }
    let now = stamp(world.now);
    let target =
        world.scalable.entry(resource.clone()).or_insert_with(|| scalable(&resource, &now));
    for name in ["MinCapacity", "MaxCapacity", "RoleARN"] {
        if !call.body[name].is_null() {
            target[name] = call.body[name].clone();
        }
    }
    if let Some(state) = call.body["SuspendedState"].as_object() {
        for (name, value) in state {
            target["SuspendedState"][name] = value.clone();
        }
    }
    Ok(json!({ "ScalableTargetARN": target["ScalableTargetARN"] }))
}

/// A scalable target that nothing is suspended of.
pub(crate) fn scalable(resource: &str, created: &Value) -> Value {
    json!({
        "ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 1, "MaxCapacity": 10, "CreationTime": created,
        "RoleARN": format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"),
        "ScalableTargetARN": format!("arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/{}", &super::world::digest_of(resource)[7..43]),
        "SuspendedState": { "DynamicScalingInSuspended": false, "DynamicScalingOutSuspended": false, "ScheduledScalingSuspended": false },
    })
}

pub(crate) fn describe(world: &World, call: &Call) -> Value {
    if call.text("ServiceNamespace") != Some("ecs") {
        return json!({ "ScalableTargets": [] });
    }
    let wanted = call.body["ResourceIds"].as_array().cloned();
    let is =
        |resource: &String| wanted.as_ref().is_none_or(|all| all.iter().any(|one| one == resource));
    let all: Vec<_> = world
        .scalable
        .iter()
        .filter(|(resource, _)| is(resource))
        .map(|(_, one)| one.clone())
        .collect();
    let mut told = Map::new();
    told.insert("ScalableTargets".to_owned(), all.into());
    Value::Object(told)
}
