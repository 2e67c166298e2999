//! Sending one step of a plan, once, and finding out whether one that was lost took effect.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::{AppId, Receipt, RolloutId, Scope, Verdict, text::clean};
use crate::platform::{
    Error,
    ecs::{
        Region,
        client::api::Service as Of,
        model::wire::{self, Service, ServiceDeployment, last},
        operate::observe::{self, Tracking},
        plan::{
            around::{scaling_body, suspended},
            same,
        },
        read::definition::READ_ONLY,
    },
    http::WriteError,
    operation::{Learned, Order, StepError},
};

/// What a plan stands on. Scaling and the counts of a rollout that goes on do not matter.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(in crate::platform::ecs) struct Guard {
    task_definition: String,
    /// The PRIMARY deployment.
    primary: Option<String>,
    /// The service deployment under way.
    live: Option<String>,
    /// Whether it is being taken back.
    goes_back: bool,
    /// The hook that waits for somebody.
    hook: Option<String>,
}

impl Guard {
    pub(in crate::platform::ecs) fn of(
        service: &Service,
        live: Option<&ServiceDeployment>,
    ) -> Self {
        let primary = service.deployments.iter().find(|one| one.primary());
        Self {
            task_definition: service.task_definition.clone(),
            primary: primary.map(|one| one.id.clone()),
            live: live.map(|one| one.arn.clone()),
            goes_back: live.is_some_and(ServiceDeployment::goes_back),
            hook: live.and_then(|one| Some(one.waiting()?.key())),
        }
    }
}

/// One step.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::platform::ecs) enum Action {
    /// A new deployment: of this task definition, of the one that was registered a step before, or of the same once more.
    Update {
        cluster: String,
        service: String,
        task_definition: Option<String>,
        registered: Option<Box<Self>>,
    },
    /// The deployment under way is stopped and taken back.
    Stop { arn: String },
    /// A hook that waits is answered.
    Continue { arn: String, hook: String, back: bool },
    /// Auto scaling is suspended or released.
    Scaling { resource: String, state: Value },
    /// A task definition is deregistered, unless something uses it.
    Deregister { arn: String },
    /// A task definition is registered, above the newest one that was seen.
    Register { family: String, above: u64, body: Value },
}

impl Action {
    /// The same as a plan keeps it.
    pub(in crate::platform::ecs) fn json(&self) -> Value {
        // Texts and JSON: it cannot fail to become JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
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

/// What has changed since the plan was made, in a clause.
pub(in crate::platform::ecs) async fn changed(
    region: &Region,
    app: &AppId,
    guard: &Value,
) -> Result<Option<String>, Error> {
    let guard: Guard = region.read_own("the plan", guard)?;
    let service = region.service(app).await?;
    let current: Vec<_> = service.current_service_deployment.iter().cloned().collect();
    let current = region.deployments(&current, false).await?;
    let live = current.iter().find(|one| one.live());
    let now = Guard::of(&service, live);
    Ok(match () {
        () if now == guard => None,
        () if now.task_definition != guard.task_definition => Some(format!(
            "somebody has begun a deployment of {}",
            clean(last(&now.task_definition))
        )),
        () if now.primary != guard.primary => {
            Some("somebody has begun another deployment".to_owned())
        }
        () if guard.live.is_some() && now.live.is_none() => {
            Some("the rollout has come to its end".to_owned())
        }
        () if now.goes_back && !guard.goes_back => {
            Some("the rollout is being taken back".to_owned())
        }
        () if guard.hook.is_some() && now.hook.is_none() => {
            Some("somebody has let the rollout go on".to_owned())
        }
        () => None,
    })
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
            begun(&tracking, wanted, &answer)
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
    tracking: &Tracking,
    wanted: Option<String>,
    answer: &Value,
) -> Result<Learned, StepError> {
    let service: Service = serde_json::from_value(answer["service"].clone()).unwrap_or_default();
    let new = service.deployments.iter().find(|one| !tracking.before.contains(&one.id));
    // An update that changes nothing is taken, and begins nothing.
    let id = new.map(|one| one.id.clone());
    let id = Some(id.ok_or_else(|| StepError::Failed("ECS has begun no deployment".to_owned()))?);
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

async fn find_registered(region: &Region, action: &Action) -> Result<Option<String>, Error> {
    let Action::Register { family, above, body } = action else { return Ok(None) };
    // It may have been deregistered since.
    for status in ["ACTIVE", "INACTIVE"] {
        let list =
            json!({ "familyPrefix": family, "status": status, "sort": "DESC", "maxResults": 10 });
        let page: wire::DefinitionArns =
            region.connection.ask(Of::Ecs, "ListTaskDefinitions", &list).await?;
        for arn in page.task_definition_arns {
            let number = wire::family(&arn).1.parse::<u64>().unwrap_or(0);
            if number > *above && same(&registrable(&region.definition(&arn).await?), body) {
                return Ok(Some(arn));
            }
        }
    }
    Ok(None)
}

/// The task definition that a step of this operation registered, where one did.
pub(in crate::platform::ecs) async fn registered_by(
    region: &Region,
    receipt: &Receipt,
) -> Result<Option<String>, Error> {
    for step in &receipt.recipe.steps {
        if let register @ Action::Register { .. } = region.read_own("the receipt", &step.action)? {
            return find_registered(region, &register).await;
        }
    }
    Ok(None)
}

/// Whether auto scaling is as a step wants it; `None` where the step is about something else, or nothing scales the service.
pub(in crate::platform::ecs) async fn scaled(
    region: &Region,
    action: &Value,
) -> Result<Option<bool>, Error> {
    let Action::Scaling { resource, state } = region.read_own("the receipt", action)? else {
        return Ok(None);
    };
    let target = region.scalable_of(&resource).await?;
    Ok(target.map(|target| suspended(&target) == state))
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
            let arrived = observe::observe(region, receipt).await?.verdict != Verdict::NotArrived;
            // Without a record, what has come and gone leaves no trace.
            Ok((arrived || region.unavailable().is_none()).then_some(arrived))
        }
    }
}
