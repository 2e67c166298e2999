//! Clusters and services: listed, described, made and updated.

use serde_json::{Map, Value, json};

use super::{
    call::{Answer, Call},
    error::ApiError,
    page, present,
    world::{Deployment, Service, World, arn},
};

/// Members of a service whose change begins a deployment, as the API model says of `UpdateService`.
const DEPLOYED: [&str; 7] = [
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

pub(crate) fn clusters(world: &World, call: &Call) -> Answer {
    let arns: Vec<_> = world.clusters.iter().map(|name| arn(&format!("cluster/{name}"))).collect();
    let (arns, next) = page::part(call, arns, 100, 100)?;
    Ok(page::told("clusterArns", arns.into(), next))
}

fn cluster_json(world: &World, name: &str) -> Value {
    let own = || world.services.iter().filter(|one| one.cluster == name);
    let services = own().filter(|one| one.status == "ACTIVE").count();
    let all = || own().flat_map(|one| &one.deployments);
    let running: u32 = all().map(Deployment::running).sum();
    let pending: u32 = all().map(Deployment::pending).sum();
    json!({
        "clusterArn": arn(&format!("cluster/{name}")), "clusterName": name, "status": "ACTIVE",
        "registeredContainerInstancesCount": 0, "runningTasksCount": running, "pendingTasksCount": pending, "activeServicesCount": services,
    })
}

pub(crate) fn describe_clusters(world: &World, call: &Call) -> Value {
    let given = call.body["clusters"].as_array().cloned().unwrap_or_else(|| vec!["default".into()]);
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for given in given.iter().filter_map(Value::as_str) {
        match world.cluster(Some(given)) {
            Ok(name) => found.push(cluster_json(world, &name)),
            Err(_) => failures
                .push(json!({ "arn": arn(&format!("cluster/{given}")), "reason": "MISSING" })),
        }
    }
    json!({ "clusters": found, "failures": failures })
}

pub(crate) fn create_cluster(world: &mut World, call: &Call) -> Value {
    let name = call.text("clusterName").unwrap_or("default").to_owned();
    if !world.clusters.contains(&name) {
        world.clusters.push(name.clone());
    }
    json!({ "cluster": cluster_json(world, &name) })
}

pub(crate) fn list(world: &World, call: &Call) -> Answer {
    let cluster = world.cluster(call.text("cluster"))?;
    let scheduling = call.text("schedulingStrategy");
    let wanted = |one: &&Service| {
        let strategy = one.setting("schedulingStrategy");
        one.cluster == cluster
            && one.status != "INACTIVE"
            && scheduling.is_none_or(|wanted| strategy.as_str().unwrap_or("REPLICA") == wanted)
    };
    let arns: Vec<_> = world.services.iter().filter(wanted).map(Service::arn).collect();
    let (arns, next) = page::part(call, arns, 10, 100)?;
    Ok(page::told("serviceArns", arns.into(), next))
}

pub(crate) fn describe(world: &World, call: &Call) -> Answer {
    let given = call.list("services", 10)?;
    let cluster = world.cluster(call.text("cluster"))?;
    let tags =
        call.body["include"].as_array().is_some_and(|all| all.iter().any(|one| one == "TAGS"));
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for given in given {
        match world.service(&cluster, given) {
            Some(index) => found.push(present::service(&world.services[index], tags)),
            None => {
                let name = given.rsplit('/').next().unwrap_or(given);
                failures.push(json!({ "arn": arn(&format!("service/{cluster}/{name}")), "reason": "MISSING" }));
            }
        }
    }
    Ok(json!({ "services": found, "failures": failures }))
}

/// The service that a call is about, to be changed.
fn active(world: &World, call: &Call) -> Result<usize, ApiError> {
    let cluster = world.cluster(call.text("cluster"))?;
    let index = world.service(&cluster, call.required("service")?);
    let index =
        index.ok_or_else(|| ApiError::new("ServiceNotFoundException", "Service not found."))?;
    if world.services[index].status != "ACTIVE" {
        return Err(ApiError::new("ServiceNotActiveException", "Service was not ACTIVE."));
    }
    Ok(index)
}

/// The ARN of a task definition that can be deployed.
fn deployable(world: &World, given: &str) -> Result<String, ApiError> {
    let definition =
        world.definition(given).ok_or_else(|| ApiError::client("TaskDefinition not found."))?;
    if definition["status"] != "ACTIVE" {
        return Err(ApiError::client("TaskDefinition is inactive"));
    }
    Ok(definition["taskDefinitionArn"].as_str().unwrap_or_default().to_owned())
}

pub(crate) fn create(world: &mut World, call: &Call) -> Answer {
    let cluster = world.cluster(call.text("cluster"))?;
    let name = call.required("serviceName")?.to_owned();
    if world.service(&cluster, &name).is_some() {
        return Err(ApiError::invalid("Creation of service was not idempotent."));
    }
    let definition = deployable(world, call.required("taskDefinition")?)?;
    let mut settings = call.body.as_object().cloned().unwrap_or_default();
    for own in [
        "cluster",
        "serviceName",
        "service",
        "taskDefinition",
        "desiredCount",
        "clientToken",
        "tags",
    ] {
        settings.remove(own);
    }
    let desired = call.body["desiredCount"].as_u64().unwrap_or(1) as u32;
    let index = add(world, &cluster, &name, desired, settings);
    world.begin(index, &definition);
    Ok(json!({ "service": present::service(&world.services[index], false) }))
}

/// Adds a service that runs nothing yet.
pub(crate) fn add(
    world: &mut World,
    cluster: &str,
    name: &str,
    desired: u32,
    settings: Map<String, Value>,
) -> usize {
    let mut settings = settings;
    let usual = [
        ("launchType", json!("FARGATE")),
        ("platformVersion", json!("LATEST")),
        ("platformFamily", json!("Linux")),
        ("schedulingStrategy", json!("REPLICA")),
        ("deploymentController", json!({ "type": "ECS" })),
        ("loadBalancers", json!([])),
        ("serviceRegistries", json!([])),
        ("placementConstraints", json!([])),
        ("placementStrategy", json!([])),
        ("enableExecuteCommand", json!(false)),
    ];
    for (member, value) in usual {
        settings.entry(member).or_insert(value);
    }
    let configuration = settings.entry("deploymentConfiguration").or_insert(json!({}));
    for (member, value) in [
        ("maximumPercent", json!(200)),
        ("minimumHealthyPercent", json!(100)),
        ("strategy", json!("ROLLING")),
    ] {
        if configuration[member].is_null() {
            configuration[member] = value;
        }
    }
    let created_at = world.now;
    world.services.push(Service {
        cluster: cluster.to_owned(),
        name: name.to_owned(),
        settings,
        desired,
        status: "ACTIVE",
        created_at,
        ..Service::default()
    });
    world.services.len() - 1
}

pub(crate) fn update(world: &mut World, call: &Call) -> Answer {
    let index = active(world, call)?;
    let wanted = call.text("taskDefinition").map(|given| deployable(world, given)).transpose()?;
    let force = call.body["forceNewDeployment"] == true;
    let controller = world.services[index].controller();
    let changes = |name: &str| call.body.get(name).is_some_and(|value| !value.is_null());
    let deployed = DEPLOYED.iter().any(|name| changes(name));
    if controller == "CODE_DEPLOY" && (wanted.is_some() || force || deployed) {
        return Err(ApiError::invalid(
            "Unable to update task definition on services with a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to trigger a new deployment.",
        ));
    }
    // In which words that is refused is told nowhere.
    if world.services[index].setting("resourceManagementType") == "ECS" {
        return Err(ApiError::invalid(
            "The service is managed by an Express gateway service. Use UpdateExpressGatewayService.",
        ));
    }
    let service = &mut world.services[index];
    if let Some(count) = call.body["desiredCount"].as_u64() {
        service.desired = count as u32;
        world.moving.insert(index);
    }
    let kept = [
        "deploymentConfiguration",
        "healthCheckGracePeriodSeconds",
        "enableExecuteCommand",
        "capacityProviderStrategy",
        "placementStrategy",
        "placementConstraints",
        "propagateTags",
        "enableECSManagedTags",
        "availabilityZoneRebalancing",
    ];
    for name in kept.iter().chain(&DEPLOYED).filter(|name| changes(name)) {
        service.settings.insert((*name).to_owned(), call.body[*name].clone());
    }
    let other = wanted.as_ref().is_some_and(|wanted| *wanted != service.task_definition);
    if other || force || deployed {
        let definition = wanted.unwrap_or_else(|| service.task_definition.clone());
        world.begin(index, &definition);
    }
    Ok(json!({ "service": present::service(&world.services[index], false) }))
}

pub(crate) fn delete(world: &mut World, call: &Call) -> Answer {
    let index = active(world, call)?;
    let service = &mut world.services[index];
    if service.desired > 0 && call.body["force"] != true {
        return Err(ApiError::invalid("The service cannot be stopped while it is scaled above 0."));
    }
    service.status = "INACTIVE";
    service.desired = 0;
    service.deployments.clear();
    world.moving.remove(&index);
    Ok(json!({ "service": present::service(&world.services[index], false) }))
}
