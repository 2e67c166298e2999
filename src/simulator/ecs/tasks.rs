//! Tasks: listed and described.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call},
    error::ApiError,
    page, present,
    world::{Service, Stopped, Task, World, arn},
};

/// All tasks of a service, the stopped ones last.
fn all(service: &Service) -> impl Iterator<Item = &Task> {
    service.deployments.iter().flat_map(|one| &one.tasks).chain(&service.stopped)
}

pub(crate) fn list(world: &World, call: &Call) -> Answer {
    let cluster = world.cluster(call.text("cluster"))?;
    let name = call.text("serviceName").map(|given| given.rsplit('/').next().unwrap_or(given));
    let desired = call.text("desiredStatus").unwrap_or("RUNNING");
    let (family, by) = (call.text("family"), call.text("startedBy"));
    let mut arns = Vec::new();
    for service in world.services.iter().filter(|one| one.cluster == cluster) {
        if name.is_some_and(|name| name != service.name) {
            continue;
        }
        for task in all(service) {
            let is = if task.stopped.is_some() { "STOPPED" } else { "RUNNING" };
            let of = task.definition.rsplit('/').next().and_then(|short| short.split(':').next());
            if is == desired
                && family.is_none_or(|wanted| of == Some(wanted))
                && by.is_none_or(|by| by == task.deployment)
            {
                arns.push(arn(&format!("task/{cluster}/{}", task.id)));
            }
        }
    }
    let (arns, next) = page::part(call, arns, 100, 100)?;
    Ok(page::told("taskArns", arns.into(), next))
}

pub(crate) fn describe(world: &World, call: &Call) -> Answer {
    let cluster = world.cluster(call.text("cluster"))?;
    let (mut found, mut failures): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for given in call.list("tasks", 100)? {
        let id = given.rsplit('/').next().unwrap_or(given);
        let services = world.services.iter().filter(|one| one.cluster == cluster);
        let task = services.flat_map(|service| all(service).map(move |task| (service, task)));
        match task.into_iter().find(|(_, task)| task.id == id) {
            Some((service, task)) => found.push(present::task(world, service, task)),
            None => failures.push(json!({ "arn": given, "reason": "MISSING" })),
        }
    }
    Ok(json!({ "tasks": found, "failures": failures }))
}

/// `StopTask`: a task of a service goes, and the scheduler starts another one.
pub(crate) fn stop(world: &mut World, call: &Call) -> Answer {
    let cluster = world.cluster(call.text("cluster"))?.clone();
    let given = call.text("task").unwrap_or_default();
    let id = given.rsplit('/').next().unwrap_or(given).to_owned();
    let reason = call.text("reason").unwrap_or("Task stopped by user").to_owned();
    let now = world.now;
    let missing = || ApiError::invalid("The referenced task was not found.");
    let at = world
        .services
        .iter()
        .position(|one| one.cluster == cluster && all(one).any(|task| task.id == id));
    let at = at.ok_or_else(missing)?;
    world.moving.insert(at);
    let service = &mut world.services[at];
    let mut stopped = None;
    for deployment in &mut service.deployments {
        if let Some(place) = deployment.tasks.iter().position(|task| task.id == id) {
            let mut task = deployment.tasks.remove(place);
            let exit = Some(143).filter(|_| task.running_at.is_some());
            task.stopped =
                Some(Stopped { at: now, code: "UserInitiated", reason: reason.clone(), exit });
            stopped = Some(task);
        }
    }
    // One that has stopped before is answered as it is.
    if let Some(task) = stopped {
        service.bury(task);
    }
    let service = &world.services[at];
    let task = all(service).find(|task| task.id == id).ok_or_else(missing)?;
    Ok(json!({ "task": present::task(world, service, task) }))
}
