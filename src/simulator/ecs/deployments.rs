//! Service deployments and service revisions: listed, described, stopped and continued.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call},
    error::ApiError,
    page, present,
    world::{Status, World},
};

pub(crate) fn list(world: &World, call: &Call) -> Answer {
    let given = call.required("service")?;
    // A service's ARN names its cluster.
    let of_arn = given.rsplit('/').nth(1).filter(|_| given.starts_with("arn:"));
    let cluster = world.cluster(call.text("cluster").or(of_arn))?;
    let index = world.service(&cluster, given);
    let service = &world.services
        [index.ok_or_else(|| ApiError::new("ServiceNotFoundException", "Service not found."))?];
    let wanted: Vec<_> =
        call.body["status"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let bound = |name: &str| call.body["createdAt"][name].as_f64();
    let seen = |one: &&super::world::ServiceDeployment| {
        let at = one.created_at.as_millisecond() as f64 / 1000.0;
        (wanted.is_empty() || wanted.contains(&one.status.word()))
            && bound("after").is_none_or(|after| at >= after)
            && bound("before").is_none_or(|before| at <= before)
    };
    let all: Vec<_> =
        service.history.iter().rev().filter(seen).map(|one| present::brief(service, one)).collect();
    let (part, next) = page::part(call, all, 20, 100)?;
    Ok(page::told("serviceDeployments", part.into(), next))
}

/// Where a service deployment is, from its ARN.
fn find(world: &World, arn: &str) -> Option<(usize, usize)> {
    let mut parts = arn.rsplit('/');
    let (id, name, cluster) = (parts.next()?, parts.next()?, parts.next()?);
    let index = world.service(cluster, name)?;
    let at = world.services[index].history.iter().position(|one| one.id == id)?;
    Some((index, at))
}

pub(crate) fn describe(world: &World, call: &Call) -> Answer {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in call.list("serviceDeploymentArns", 20)? {
        match find(world, arn) {
            Some((index, at)) => {
                let service = &world.services[index];
                found.push(present::whole(service, &service.history[at]));
            }
            None => failures.push(json!({ "arn": arn, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "serviceDeployments": found, "failures": failures }))
}

pub(crate) fn revisions(world: &World, call: &Call) -> Answer {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in call.list("serviceRevisionArns", 20)? {
        let mut parts = arn.rsplit('/').skip(1);
        let (name, cluster) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let service = world.service(cluster, name).map(|index| &world.services[index]);
        match service.and_then(|service| Some((service, service.revision(arn)?))) {
            Some((service, one)) => found.push(present::revision(service, one)),
            None => failures.push(json!({ "arn": arn, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "serviceRevisions": found, "failures": failures }))
}

fn missing() -> ApiError {
    ApiError::new("ServiceDeploymentNotFoundException", "Service deployment not found.")
}

/// The state decides, as the developer guide's page on stopping has it: what is being rolled back already goes on so.
pub(crate) fn stop(world: &mut World, call: &Call) -> Answer {
    let arn = call.required("serviceDeploymentArn")?.to_owned();
    if call.text("stopType").is_some_and(|how| how != "ROLLBACK") {
        return Err(ApiError::invalid(
            "The stop type is not supported. The valid values are ROLLBACK.",
        ));
    }
    let (index, at) = find(world, &arn).ok_or_else(missing)?;
    let now = world.now;
    let service = &mut world.services[index];
    match service.history[at].status {
        Status::Pending | Status::InProgress => {
            if service.way_back(at).is_none() {
                return Err(ApiError::invalid(
                    "There is no previous service revision to roll back to.",
                ));
            }
            let one = &mut service.history[at];
            one.status = Status::RollbackRequested;
            one.updated_at = now;
            one.reason =
                Some("Service deployment rolled back because of a user request.".to_owned());
            world.moving.insert(index);
        }
        Status::RollbackRequested | Status::RollbackInProgress => {}
        _ => {
            return Err(ApiError::new(
                "ConflictException",
                "The service deployment has finished and cannot be stopped.",
            ));
        }
    }
    Ok(json!({ "serviceDeploymentArn": arn }))
}

pub(crate) fn carry_on(world: &mut World, call: &Call) -> Answer {
    let arn = call.required("serviceDeploymentArn")?.to_owned();
    let hook_id = call.required("hookId")?;
    let action = call.text("action").unwrap_or("CONTINUE");
    let (index, at) = find(world, &arn).ok_or_else(missing)?;
    let now = world.now;
    let one = &mut world.services[index].history[at];
    let hook = one.traffic.as_mut().and_then(|traffic| traffic.hook.as_mut());
    let Some(hook) = hook.filter(|hook| hook.id == hook_id && hook.status == "AWAITING_ACTION")
    else {
        return Err(ApiError::invalid("The lifecycle hook is not awaiting an action."));
    };
    match action {
        "CONTINUE" => hook.status = "SUCCEEDED",
        "ROLLBACK" => {
            hook.status = "FAILED";
            one.status = Status::RollbackRequested;
            one.reason =
                Some("Service deployment rolled back because of a user request.".to_owned());
        }
        _ => return Err(ApiError::invalid("The action is not supported.")),
    }
    one.updated_at = now;
    world.moving.insert(index);
    Ok(json!({ "serviceDeploymentArn": arn }))
}
