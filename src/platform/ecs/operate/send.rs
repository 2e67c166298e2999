//! Sending one step of a plan, once, and finding out whether one that was lost took effect.

use serde_json::{Value, json};

use crate::domain::{AppId, Finding, Receipt, RolloutId, Scope, text::clean};
use crate::platform::{
    Error,
    ecs::{
        client::api::Service as Of,
        model::wire::{self, Service, last},
        operate::{
            lookup::{find_registered, scaled},
            observe,
            receipt::{Action, Guard, Tracking},
        },
        read::{lists::broken, scaling::scaling_body},
        region::Region,
    },
    http::WriteError,
    operation::{Learned, Order, StepError},
};

/// What has changed since the plan was made, in a clause.
pub(in crate::platform::ecs) async fn changed(
    region: &Region,
    app: &AppId,
    guard: &Value,
) -> Result<Option<String>, Error> {
    let guard: Guard = region.read_own("the plan", guard)?;
    let service = region.service(app).await?;
    let current: Vec<_> = service.current_service_deployment.iter().cloned().collect();
    let current = match region.deployments(&current, false).await {
        Err(error) if broken(&error) && !guard.needs_record() => Vec::new(),
        current => current?,
    };
    let live = current.iter().find(|one| one.live());
    Ok(guard.difference(&Guard::of(&service, live)))
}

/// Sends one step, once.
pub(in crate::platform::ecs) async fn send(
    region: &Region,
    order: Order<'_>,
) -> Result<Learned, StepError> {
    let tracking: Tracking = region.read_own("the plan", &order.receipt().recipe.tracking)?;
    match region.read_own("the plan", &order.step().action)? {
        Action::Update { cluster, service, task_definition, registered } => {
            let wanted = match (task_definition, registered, &tracking.wanted) {
                (Some(wanted), ..) => Some(wanted),
                // Its answer may have been lost: then it is found by what it is.
                (None, Some(_), Some(wanted)) => Some(wanted.clone()),
                (None, Some(registered), None) => Some(registered_as(region, &registered).await?),
                (None, None, _) => None,
            };
            let mut body = json!({ "cluster": cluster, "service": service });
            match &wanted {
                Some(wanted) => body["taskDefinition"] = wanted.clone().into(),
                None => body["forceNewDeployment"] = true.into(),
            }
            let answer = region.connection.change(Of::Ecs, "UpdateService", &body).await?;
            begun(region, &tracking, wanted, &answer)
        }
        Action::Stop { arn } => {
            let body = json!({ "serviceDeploymentArn": arn, "stopType": "ROLLBACK" });
            region.connection.change(Of::Ecs, "StopServiceDeployment", &body).await?;
            Ok(Learned::default())
        }
        Action::Continue { arn, hook, back } => {
            let action = if back { "ROLLBACK" } else { "CONTINUE" };
            let body = json!({ "serviceDeploymentArn": arn, "hookId": hook, "action": action });
            region.connection.change(Of::Ecs, "ContinueServiceDeployment", &body).await?;
            Ok(Learned::default())
        }
        Action::Scaling { resource, state } => {
            let body = scaling_body(&resource, &state);
            region.connection.change(Of::Scaling, "RegisterScalableTarget", &body).await?;
            region.note_suspended(&resource, &state);
            Ok(Learned::default())
        }
        Action::Scale { cluster, service, before, wanted } => {
            let now = region.service(&order.receipt().app.app).await?.desired_count;
            if now != before {
                return Err(StepError::Changed(format!("somebody has scaled it to {now}")));
            }
            let body = json!({ "cluster": cluster, "service": service, "desiredCount": wanted });
            region.connection.change(Of::Ecs, "UpdateService", &body).await?;
            Ok(Learned::default())
        }
        Action::StopTask { cluster, task } => {
            let reason = "restarted with revdeck";
            let body = json!({ "cluster": cluster, "task": task, "reason": reason });
            region.connection.change(Of::Ecs, "StopTask", &body).await?;
            Ok(Learned::default())
        }
        Action::Deregister { arn } => {
            if let Some(what) = used(region, &arn).await? {
                return Err(StepError::NoEffect(Error::Refused { what }));
            }
            let body = json!({ "taskDefinition": arn });
            region.connection.change(Of::Ecs, "DeregisterTaskDefinition", &body).await?;
            region.forget_definition(&arn);
            Ok(Learned::default())
        }
        Action::Register { body, .. } => {
            let answer = region.connection.change(Of::Ecs, "RegisterTaskDefinition", &body).await?;
            let arn = answer["taskDefinition"]["taskDefinitionArn"].as_str();
            let arn = arn.ok_or_else(|| {
                let (api, why) = (
                    region.connection.settings().ecs.clone(),
                    "it names no task definition".to_owned(),
                );
                StepError::from(WriteError::Lost(Error::Garbled {
                    api,
                    location: "RegisterTaskDefinition".to_owned(),
                    why,
                }))
            })?;
            let tracking = Tracking { wanted: Some(arn.to_owned()), ..tracking };
            Ok(Learned { tracking: Some(tracking.json()), ..Learned::default() })
        }
    }
}

/// What uses a task definition, in a sentence: any service or task of the region.
async fn used(region: &Region, arn: &str) -> Result<Option<String>, Error> {
    let name = clean(last(arn));
    for cluster in region.clusters(&Scope::Everything, true).await? {
        let services = region.service_arns(&Scope::Everything, &cluster, true).await?;
        for service in region.describe_all(&cluster, &services, true).await? {
            let mut deployed = service.deployments.iter().map(|one| &one.task_definition);
            if service.task_definition == arn || deployed.any(|one| one == arn) {
                let of = clean(&service.service_name);
                return Ok(Some(format!("{name} is deployed in {of} ({})", clean(&cluster))));
            }
        }
        let mut next: Option<String> = None;
        loop {
            let mut list = json!({ "cluster": cluster, "family": wire::family(arn).0, "desiredStatus": "RUNNING" });
            if let Some(next) = next {
                list["nextToken"] = next.into();
            }
            let listed: wire::TaskArns = region.connection.ask(Of::Ecs, "ListTasks", &list).await?;
            if !listed.task_arns.is_empty() {
                let body = json!({ "cluster": cluster, "tasks": listed.task_arns });
                let told: wire::Tasks =
                    region.connection.ask(Of::Ecs, "DescribeTasks", &body).await?;
                if told.tasks.iter().any(|task| task.task_definition_arn == arn) {
                    return Ok(Some(format!("tasks in {} still run {name}", clean(&cluster))));
                }
            }
            next = listed.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
    }
    Ok(None)
}

/// What the answer to `UpdateService` tells: the deployment that is new.
fn begun(
    region: &Region,
    tracking: &Tracking,
    wanted: Option<String>,
    answer: &Value,
) -> Result<Learned, StepError> {
    let service: Service = serde_json::from_value(answer["service"].clone()).unwrap_or_default();
    let new = service.deployments.iter().find(|one| !tracking.before.contains(&one.id));
    // An update that changes nothing is taken, and begins nothing.
    let id = new.map(|one| one.id.clone());
    let id = Some(id.ok_or_else(|| StepError::Failed("ECS has begun no deployment".to_owned()))?);
    region.keep_updated(service);
    let wanted = wanted.or_else(|| tracking.wanted.clone());
    let tracking = Tracking { deployment: id.clone(), wanted, ..tracking.clone() };
    Ok(Learned {
        rollout: id.map(RolloutId::new),
        tracking: Some(tracking.json()),
        ..Learned::default()
    })
}

/// The task definition that was registered, found by its content.
async fn registered_as(region: &Region, action: &Action) -> Result<String, StepError> {
    let found = find_registered(region, action).await?;
    found.ok_or_else(|| {
        StepError::Failed("the task definition that was registered is not to be found".to_owned())
    })
}

/// Whether a step whose answer was lost took effect.
pub(in crate::platform::ecs) async fn took_effect(
    region: &Region,
    receipt: &Receipt,
    action: &Value,
) -> Result<Option<bool>, Error> {
    match region.read_own::<Action>("the receipt", action)? {
        register @ Action::Register { .. } => {
            Ok(Some(find_registered(region, &register).await?.is_some()))
        }
        Action::Scaling { .. } => scaled(region, action).await,
        Action::Deregister { arn } => {
            region.forget_definition(&arn);
            Ok(Some(region.definition(&arn).await?["status"] == "INACTIVE"))
        }
        _ => {
            let arrived = observe::observe(region, receipt).await?.finding != Finding::NotArrived;
            // Without a record, what has come and gone leaves no trace.
            Ok((arrived || region.unavailable().is_none()).then_some(arrived))
        }
    }
}
