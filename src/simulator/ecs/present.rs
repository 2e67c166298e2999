//! Services, deployments, revisions and tasks as the API tells them.

use serde_json::{Map, Value, json};

use super::world::{
    Deployment, Service, ServiceDeployment, ServiceRevision, Task, World, arn, stamp,
};

pub(crate) fn service(service: &Service, tags: bool) -> Value {
    let running: u32 = service.deployments.iter().map(Deployment::running).sum();
    let pending: u32 = service.deployments.iter().map(Deployment::pending).sum();
    let external = service.controller() != "ECS";
    let mut told = service.settings.clone();
    let more = json!({
        "serviceArn": service.arn(), "serviceName": service.name, "clusterArn": arn(&format!("cluster/{}", service.cluster)),
        "status": service.status, "desiredCount": service.desired, "runningCount": running, "pendingCount": pending,
        "taskDefinition": service.task_definition,
        "deployments": if service.status == "INACTIVE" || external { Vec::new() } else { deployments(service) },
        "events": service.events.iter().map(|(at, id, text)| json!({ "id": id, "createdAt": stamp(*at), "message": text })).collect::<Vec<_>>(),
        "createdAt": stamp(service.created_at),
    });
    extend(&mut told, more);
    if external {
        let sets = service.deployments.iter().map(|one| json!({
            "id": one.id, "status": "PRIMARY", "taskDefinition": one.task_definition, "runningCount": one.running(),
            "pendingCount": one.pending(), "computedDesiredCount": service.desired, "stabilityStatus": "STEADY_STATE",
            "scale": { "value": 100.0, "unit": "PERCENT" }, "createdAt": stamp(one.created_at), "updatedAt": stamp(one.updated_at),
        }));
        told.insert("taskSets".to_owned(), sets.collect());
    }
    if let Some(latest) = service.live().map(|at| &service.history[at]).or(service.history.last()) {
        told.insert(
            "currentServiceDeployment".to_owned(),
            service.deployment_arn(&latest.id).into(),
        );
        let mut arns: Vec<_> = service.deployments.iter().map(|one| &one.revision).collect();
        arns.dedup();
        let revisions = arns.iter().map(|arn| counted(service, arn, service.desired));
        told.insert("currentServiceRevisions".to_owned(), revisions.collect());
    }
    if tags {
        told.insert("tags".to_owned(), json!([]));
    }
    Value::Object(told)
}

fn extend(told: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        told.extend(more);
    }
}

fn deployments(service: &Service) -> Vec<Value> {
    let tell = |(place, one): (usize, &Deployment)| {
        let desired = match (place, one.begun) {
            // A deployment that was just created tells nothing yet.
            (0, false) => 0,
            (0, true) => service.desired,
            _ => one.tasks.len() as u32,
        };
        let mut told = json!({
            "id": one.id, "status": if place == 0 { "PRIMARY" } else { "ACTIVE" }, "taskDefinition": one.task_definition,
            "desiredCount": desired, "pendingCount": one.pending(), "runningCount": one.running(), "failedTasks": one.failed,
            "createdAt": stamp(one.created_at), "updatedAt": stamp(one.updated_at),
            "rolloutState": one.state, "rolloutStateReason": one.reason,
        });
        for name in ["launchType", "platformVersion", "platformFamily", "networkConfiguration"] {
            if let Some(value) = service.settings.get(name) {
                told[name] = value.clone();
            }
        }
        told
    };
    service.deployments.iter().enumerate().map(tell).collect()
}

/// A service revision with its tasks.
fn counted(service: &Service, arn: &str, wanted: u32) -> Value {
    let (running, pending) = service.counts(arn);
    json!({ "arn": arn, "requestedTaskCount": wanted, "runningTaskCount": running, "pendingTaskCount": pending })
}

pub(crate) fn brief(service: &Service, one: &ServiceDeployment) -> Value {
    let mut told = times(one);
    let more = json!({
        "serviceDeploymentArn": service.deployment_arn(&one.id), "serviceArn": service.arn(),
        "clusterArn": arn(&format!("cluster/{}", service.cluster)), "status": one.status.word(),
        "targetServiceRevisionArn": one.target,
    });
    extend(&mut told, more);
    if let Some(reason) = &one.reason {
        told.insert("statusReason".to_owned(), reason.clone().into());
    }
    Value::Object(told)
}

fn times(one: &ServiceDeployment) -> Map<String, Value> {
    let times = [
        ("createdAt", Some(one.created_at)),
        ("startedAt", one.started_at),
        ("stoppedAt", one.stopped_at),
        ("finishedAt", one.finished_at),
    ];
    times.iter().filter_map(|(name, at)| Some(((*name).to_owned(), stamp((*at)?)))).collect()
}

pub(crate) fn whole(service: &Service, one: &ServiceDeployment) -> Value {
    let mut told = times(one);
    let back = one.rollback.as_ref();
    let live = one.status.live();
    let desired = service.desired;
    // What has ended is told as it ended.
    let count = |arn: &str, wanted: u32| {
        if live {
            return counted(service, arn, wanted);
        }
        let left =
            if back.is_some_and(|(_, _, to)| to == arn) || (back.is_none() && arn == one.target) {
                desired
            } else {
                0
            };
        json!({ "arn": arn, "requestedTaskCount": left, "runningTaskCount": left, "pendingTaskCount": 0 })
    };
    let mut target = count(&one.target, if back.is_some() { 0 } else { desired });
    let mut source: Vec<_> = one
        .source
        .iter()
        .filter(|arn| **arn != one.target)
        .map(|arn| count(arn, desired))
        .collect();
    if let Some(traffic) = &one.traffic {
        target["requestedProductionTrafficWeight"] = json!(traffic.weight);
        target["requestedTestTrafficWeight"] = json!(traffic.test);
        for one in &mut source {
            one["requestedProductionTrafficWeight"] = json!(100.0 - traffic.weight);
            one["requestedTestTrafficWeight"] = json!(0.0);
        }
    }
    let breaker = service.breaker();
    let status = match breaker {
        None => "DISABLED",
        Some(_) if one.triggered => "TRIGGERED",
        Some(_) if live => "MONITORING",
        Some(_) => "MONITORING_COMPLETE",
    };
    let more = json!({
        "serviceDeploymentArn": service.deployment_arn(&one.id), "serviceArn": service.arn(),
        "clusterArn": arn(&format!("cluster/{}", service.cluster)), "status": one.status.word(), "updatedAt": stamp(one.updated_at),
        "sourceServiceRevisions": source, "targetServiceRevision": target,
        "deploymentConfiguration": service.setting("deploymentConfiguration"),
        "deploymentCircuitBreaker": {
            "status": status, "failureCount": one.failures, "threshold": breaker.map_or(0, |(threshold, _)| threshold),
        },
        "alarms": { "status": "DISABLED" },
    });
    extend(&mut told, more);
    if let Some(reason) = &one.reason {
        told.insert("statusReason".to_owned(), reason.clone().into());
    }
    if let Some((reason, at, revision)) = back {
        let back =
            json!({ "reason": reason, "startedAt": stamp(*at), "serviceRevisionArn": revision });
        told.insert("rollback".to_owned(), back);
    }
    if let Some(traffic) = &one.traffic {
        told.insert("lifecycleStage".to_owned(), traffic.stage.into());
        if let Some(hook) = &traffic.hook {
            told.insert("lifecycleHookDetails".to_owned(), json!([hook.json()]));
        }
    }
    Value::Object(told)
}

pub(crate) fn revision(service: &Service, one: &ServiceRevision) -> Value {
    let images = one.images.iter().map(|(name, image, digest)| {
        json!({ "containerName": name, "image": image, "imageDigest": digest })
    });
    let mut told = Map::new();
    for name in [
        "launchType",
        "platformVersion",
        "platformFamily",
        "networkConfiguration",
        "loadBalancers",
        "serviceRegistries",
        "capacityProviderStrategy",
    ] {
        if let Some(value) = one.settings.get(name) {
            told.insert(name.to_owned(), value.clone());
        }
    }
    let more = json!({
        "serviceRevisionArn": service.revision_arn(one.number), "serviceArn": service.arn(),
        "clusterArn": arn(&format!("cluster/{}", service.cluster)), "taskDefinition": one.task_definition,
        "containerImages": images.collect::<Vec<_>>(), "guardDutyEnabled": false, "createdAt": stamp(one.created_at),
    });
    extend(&mut told, more);
    Value::Object(told)
}

pub(crate) fn task(world: &World, service: &Service, one: &Task) -> Value {
    let (last, desired) = match (&one.stopped, one.running_at) {
        (Some(_), _) => ("STOPPED", "STOPPED"),
        (None, Some(_)) => ("RUNNING", "RUNNING"),
        (None, None) => ("PENDING", "RUNNING"),
    };
    let task_arn = arn(&format!("task/{}/{}", service.cluster, one.id));
    let containers =
        world.definition(&one.definition).and_then(|one| one["containerDefinitions"].as_array());
    let containers = containers.into_iter().flatten().map(|container| {
        let mut told = json!({
            "name": container["name"], "image": container["image"], "taskArn": task_arn, "lastStatus": last, "healthStatus": "UNKNOWN",
        });
        if let Some(exit) = one.stopped.as_ref().and_then(|stopped| stopped.exit) {
            told["exitCode"] = exit.into();
        }
        told
    });
    let mut told = json!({
        "taskArn": task_arn, "clusterArn": arn(&format!("cluster/{}", service.cluster)), "taskDefinitionArn": one.definition,
        "group": format!("service:{}", service.name), "startedBy": one.deployment, "enableExecuteCommand": one.exec, "lastStatus": last, "desiredStatus": desired,
        "healthStatus": "UNKNOWN", "launchType": service.setting("launchType"), "createdAt": stamp(one.created_at),
        "containers": containers.collect::<Vec<_>>(),
    });
    if let Some(at) = one.running_at {
        told["startedAt"] = stamp(at);
    }
    if let Some(stopped) = &one.stopped {
        told["stoppedAt"] = stamp(stopped.at);
        told["stopCode"] = stopped.code.into();
        told["stoppedReason"] = stopped.reason.clone().into();
    }
    told
}
