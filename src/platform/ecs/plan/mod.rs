//! Plans: what an operation would do, from data read now.

pub(super) mod around;
pub(super) mod options;
mod roll_back;
mod snapshot;
mod warnings;

use serde_json::{Value, json};

use self::{roll_back::roll_back, snapshot::Snapshot};
use crate::domain::{
    Note, Operation, Plan, Recipe, Request, RevisionSummary, RolloutId, Step, differences,
    text::{clean, quoted},
};
use crate::platform::{
    Error,
    ecs::{
        Region,
        model::wire::{family, last},
        operate::{
            observe::Tracking,
            send::{Action, registrable},
        },
        read::{
            convert::{read_only, reference},
            definition::{containers, detail, short_image},
        },
    },
    operation,
};

/// What a change consists of, before it is a recipe.
#[derive(Default)]
struct Change {
    steps: Vec<Step>,
    afterwards: Vec<Step>,
    goal: String,
    leaving: Option<String>,
    undoes: bool,
    rollout: Option<RolloutId>,
    tracking: Tracking,
}

/// A change, or why there is none.
type Built = Result<Change, String>;

/// Works out a plan.
pub(in crate::platform::ecs) async fn make(
    region: &Region,
    request: Request,
) -> Result<Plan, Error> {
    let snapshot = Snapshot::read(region, &request.app).await?;
    let name = snapshot.name().to_owned();
    let title = format!("{} {name}", request.operation.verb().words().to_uppercase());
    let mut plan = Plan::draft(request, name.clone(), title, (region.now)());
    plan.from = snapshot.deployed().map(|one| snapshot.end(one));
    let built = match plan.request.operation.clone() {
        _ if let Some(why) = read_only(&snapshot.service) => {
            Err(format!("{name} cannot be changed here: {why}"))
        }
        Operation::RollBack(goal) => roll_back(region, &snapshot, &mut plan, &goal).await?,
        Operation::Cancel => cancel(&snapshot, &mut plan),
        Operation::Continue => carry_on(&snapshot, &mut plan),
        Operation::Restart => Ok(restart(&snapshot, &mut plan)),
        Operation::Deploy => deploy(region, &snapshot, &mut plan).await?,
        Operation::Release => around::release(region, &snapshot, &mut plan).await?,
        Operation::Pause => Err("Amazon ECS cannot hold a rollout where it is".to_owned()),
        Operation::EnableRevisions => Err("Amazon ECS keeps task definitions by itself".to_owned()),
    };
    let mut change = match built {
        Ok(change) => change,
        Err(why) => {
            plan.refused = Some(why);
            return Ok(plan);
        }
    };
    if !matches!(plan.request.operation, Operation::Continue | Operation::Release) {
        warnings::common(&snapshot, &mut plan, change.undoes);
        around::add(region, &snapshot, &mut plan, &mut change).await?;
    }
    plan.recipe = Some(Recipe {
        id: operation::new_id(),
        guard: snapshot.guard(),
        steps: change.steps,
        afterwards: change.afterwards,
        goal: change.goal,
        leaving: change.leaving,
        undoes: change.undoes,
        rollout: change.rollout,
        tracking: change.tracking.json(),
    });
    Ok(plan)
}

/// One call of the API as a step.
fn step(label: impl Into<String>, operation: &str, action: &Action) -> Step {
    Step {
        label: label.into(),
        calls: vec![operation.to_owned()],
        action: action.json(),
        ..Step::default()
    }
}

/// A deployment of a task definition, or of the same one once more.
fn update(snapshot: &Snapshot, wanted: Option<&str>, label: String) -> (Step, Tracking) {
    let service = &snapshot.service;
    let action = Action::Update {
        cluster: service.cluster_arn.clone(),
        service: service.service_name.clone(),
        task_definition: wanted.map(str::to_owned),
        registered: None,
    };
    let tracking = Tracking {
        before: service.deployments.iter().map(|one| one.id.clone()).collect(),
        was: service.current_service_deployment.clone(),
        wanted: Some(wanted.unwrap_or(&service.task_definition).to_owned()),
        ..Tracking::default()
    };
    let call = match wanted {
        Some(wanted) => format!("UpdateService taskDefinition={}", last(wanted)),
        None => "UpdateService forceNewDeployment=true".to_owned(),
    };
    (step(label, &call, &action), tracking)
}

/// What ends the deployment under way and puts back what ran before: the one call that goes back to what was recorded.
fn take_back(snapshot: &Snapshot, plan: &mut Plan) -> Built {
    let name = snapshot.name();
    let Some(rollout) = snapshot.app.rollout.as_ref() else {
        return Err(format!("{name} has no rollout to cancel"));
    };
    let Some(live) = &snapshot.live else {
        return Err(format!(
            "{name} has no rollout to cancel by a call: this region or login has no service deployments; roll back to a revision instead"
        ));
    };
    if live.goes_back() {
        return Err(format!("the rollout of {name} is being taken back already"));
    }
    let Some(from) = snapshot.way_back.clone().or_else(|| rollout.from.clone()) else {
        return Err(format!(
            "{name} had nothing before this rollout that it could go back to: this is its first deployment"
        ));
    };
    let arn = live.arn.clone();
    let (step, by_hand, hook) = match live.waiting() {
        Some(hook) => {
            let action =
                Action::Continue { arn: arn.clone(), hook: hook.hook_id.clone(), back: true };
            plan.method = format!(
                "it waits at a hook: the hook is answered with ROLLBACK, and ECS puts {} back",
                from.name()
            );
            let hand = format!(
                "continue-service-deployment --service-deployment-arn {} --hook-id {} --action ROLLBACK",
                quoted(&arn),
                quoted(&hook.hook_id)
            );
            (
                step(
                    "answer the hook with ROLLBACK",
                    "ContinueServiceDeployment action=ROLLBACK",
                    &action,
                ),
                hand,
                Some(hook.key()),
            )
        }
        None => {
            let action = Action::Stop { arn: arn.clone() };
            plan.method = format!(
                "the deployment is stopped, and ECS puts the service as it was back: {} with its recorded images and settings",
                from.name()
            );
            let hand = format!(
                "stop-service-deployment --service-deployment-arn {} --stop-type ROLLBACK",
                quoted(&arn)
            );
            (
                step(
                    "stop the deployment, rolling back",
                    "StopServiceDeployment stopType=ROLLBACK",
                    &action,
                ),
                hand,
                None,
            )
        }
    };
    plan.by_hand.push(snapshot.by_hand(&by_hand));
    let incoming = snapshot.history.revisions.iter().find(|one| one.incoming);
    plan.from = incoming.map(|one| snapshot.end(one)).or(plan.from.take());
    let kept = rollout.old.count().running.unwrap_or(0);
    if rollout.stages.is_empty() && kept > 0 {
        plan.notes.push(Note::Info(format!(
            "ECS starts new tasks of {} for it, also in place of the {kept} that still run",
            from.name()
        )));
    }
    let tracking = Tracking {
        service_deployment: Some(arn.clone()),
        hook,
        wanted: Some(from.id.as_str().to_owned()),
        ..Tracking::default()
    };
    Ok(Change {
        steps: vec![step],
        goal: format!("back on {}", from.name()),
        leaving: snapshot.leaving(Some(from.id.as_str())),
        undoes: true,
        rollout: Some(RolloutId::new(arn)),
        tracking,
        ..Change::default()
    })
}

fn cancel(snapshot: &Snapshot, plan: &mut Plan) -> Built {
    let change = take_back(snapshot, plan)?;
    let name = snapshot.name();
    let before = snapshot.app.rollout.as_ref().and_then(|one| one.from.as_ref());
    if let Some(from) = snapshot.way_back.as_ref().or(before) {
        plan.title = format!("CANCEL the rollout of {name}: back to {}", from.name());
        let before = snapshot.history.revisions.iter().find(|one| one.id == from.id);
        plan.to = before.map(|one| snapshot.end(one));
    }
    Ok(change)
}

fn carry_on(snapshot: &Snapshot, plan: &mut Plan) -> Built {
    let name = snapshot.name();
    let waiting = snapshot.live.as_ref().and_then(|live| Some((live, live.waiting()?)));
    let Some((live, hook)) = waiting else {
        return Err(format!("the rollout of {name} does not wait for anybody"));
    };
    let rollout = snapshot.app.rollout.as_ref();
    let to = rollout
        .and_then(|one| one.to.as_ref())
        .map_or_else(|| "the new one".to_owned(), crate::domain::RevisionRef::name);
    let stage = rollout.and_then(|one| Some((one.step()?, &one.stages)));
    plan.title = format!("CONTINUE the rollout of {name} to {to}");
    let weight = live.target_service_revision.requested_production_traffic_weight.unwrap_or(0.0);
    plan.method = match stage {
        Some((step, stages)) => {
            let at = stages.get(step.current as usize - 1);
            let at = at.map(|stage| stage.name.clone()).unwrap_or_default();
            format!(
                "the hook at {at:?} (stage {} of {}) is let go on; {to} has {weight} % of the traffic now",
                step.current, step.total
            )
        }
        None => format!("the hook is let go on; {to} has {weight} % of the traffic now"),
    };
    let incoming = snapshot.history.revisions.iter().find(|one| one.incoming);
    plan.to = incoming.map(|one| snapshot.end(one));
    let arn = live.arn.clone();
    plan.by_hand.push(snapshot.by_hand(&format!(
        "continue-service-deployment --service-deployment-arn {} --hook-id {} --action CONTINUE",
        quoted(&arn),
        quoted(&hook.hook_id)
    )));
    let action = Action::Continue { arn: arn.clone(), hook: hook.hook_id.clone(), back: false };
    let tracking = Tracking {
        service_deployment: Some(arn.clone()),
        hook: Some(hook.key()),
        wanted: rollout.and_then(|one| one.to.as_ref()).map(|to| to.id.as_str().to_owned()),
        ..Tracking::default()
    };
    Ok(Change {
        steps: vec![step(
            "let the hook go on",
            "ContinueServiceDeployment action=CONTINUE",
            &action,
        )],
        goal: format!("on {to}"),
        leaving: rollout.and_then(|one| one.from.as_ref()).map(crate::domain::RevisionRef::name),
        rollout: Some(RolloutId::new(arn)),
        tracking,
        ..Change::default()
    })
}

fn restart(snapshot: &Snapshot, plan: &mut Plan) -> Change {
    let now = reference(&snapshot.service.task_definition, &snapshot.service);
    plan.title = format!("RESTART {}: all tasks anew, of {}", snapshot.name(), now.name());
    plan.method =
        "a new deployment of the same task definition; image tags are resolved anew".to_owned();
    plan.by_hand.push(
        snapshot.by_hand(&format!("update-service {} --force-new-deployment", snapshot.named())),
    );
    let (step, tracking) = update(snapshot, None, "force a new deployment".to_owned());
    Change {
        steps: vec![step],
        goal: format!("restarted on {}", now.name()),
        tracking,
        ..Change::default()
    }
}

async fn deploy(region: &Region, snapshot: &Snapshot, plan: &mut Plan) -> Result<Built, Error> {
    let name = snapshot.name().to_owned();
    let options = plan.request.options.clone();
    let now = region.definition(&snapshot.service.task_definition).await?;
    if let Some(given) = options.get(options::TASK_DEFINITION) {
        let wanted = match region.definition(given).await {
            Ok(wanted) => wanted,
            Err(Error::Api { .. } | Error::NotFound { .. }) => {
                return Ok(Err(format!("there is no task definition {:?}", clean(given))));
            }
            Err(error) => return Err(error),
        };
        let arn = wanted["taskDefinitionArn"].as_str().unwrap_or(given).to_owned();
        if wanted["status"] != "ACTIVE" {
            return Ok(Err(format!(
                "{} cannot be deployed: it was deregistered",
                clean(last(&arn))
            )));
        }
        if arn == snapshot.service.task_definition {
            return Ok(Err(format!(
                "nothing would change: {name} runs {} already",
                clean(last(&arn))
            )));
        }
        plan.differs = differences(&detail(&now), &detail(&wanted));
        if family(&arn).0 != family(&snapshot.service.task_definition).0 {
            let (is, other) = (last(&snapshot.service.task_definition), last(&arn));
            let text = format!("{other} is of another family than {is}, which runs now");
            plan.notes.push(Note::Warning(clean(&text)));
        }
        plan.to = Some(RevisionSummary { name: clean(last(&arn)), artifact: None, remark: None });
        plan.title = format!("DEPLOY {} to {name}", clean(last(&arn)));
        plan.method = "a deployment of a task definition that is registered".to_owned();
        plan.by_hand.push(snapshot.by_hand(&format!(
            "update-service {} --task-definition {}",
            snapshot.named(),
            quoted(last(&arn))
        )));
        let (step, tracking) =
            update(snapshot, Some(&arn), format!("update the service to {}", last(&arn)));
        let goal = format!("on {}", reference(&arn, &snapshot.service).name());
        return Ok(Ok(Change {
            steps: vec![step],
            goal,
            leaving: snapshot.leaving(Some(&arn)),
            tracking,
            ..Change::default()
        }));
    }
    let given = options.get(options::IMAGE).unwrap_or_default();
    if given.contains(char::is_whitespace) {
        return Ok(Err(format!("{:?} is no image: there are blanks in it", clean(given))));
    }
    let names: Vec<_> = containers(&now).filter_map(|one| one["name"].as_str()).collect();
    let (container, image) = match given.split_once('=') {
        Some((container, image)) if names.contains(&container) => (container.to_owned(), image),
        Some((container, _)) if !container.contains(['/', ':', '@']) => {
            return Ok(Err(format!(
                "{name} has no container {:?}: it has {}",
                clean(container),
                names.join(", ")
            )));
        }
        _ if names.len() > 1 => {
            return Ok(Err(format!(
                "{name} has several containers: say which one as CONTAINER=IMAGE, of {}",
                names.join(", ")
            )));
        }
        _ => (names.first().map(|name| (*name).to_owned()).unwrap_or_default(), given),
    };
    let mut body = registrable(&now);
    let mut same = true;
    for one in body["containerDefinitions"].as_array_mut().into_iter().flatten() {
        if one["name"] == container.as_str() {
            same &= one["image"] == image;
            one["image"] = image.into();
        }
    }
    if same {
        return Ok(Err(format!(
            "nothing would change: {name} runs {} already; restart it to have its tag resolved anew",
            clean(image)
        )));
    }
    plan.differs = differences(&detail(&now), &detail(&body));
    let of = family(&snapshot.service.task_definition).0.to_owned();
    let (steps, tracking, number) = registered(snapshot, &of, &body);
    plan.title = format!("DEPLOY {} to {name}", clean(short_image(image)));
    plan.to = Some(RevisionSummary {
        name: format!("rev {number} (new)"),
        artifact: Some(clean(short_image(image))),
        remark: None,
    });
    plan.method = format!(
        "the task definition is registered anew with the image, as {of}:{number} or higher, and deployed"
    );
    by_hand_registered(snapshot, plan, &of, number);
    let goal = format!("on {}", short_image(image));
    let leaving = snapshot.leaving(None);
    Ok(Ok(Change { steps, goal, leaving, tracking, ..Change::default() }))
}

/// A task definition that is registered and then deployed, and the number that it gets at least.
fn registered(snapshot: &Snapshot, of: &str, body: &Value) -> (Vec<Step>, Tracking, u64) {
    let known = snapshot.history.revisions.iter().map(|one| family(one.id.as_str()));
    let known = known.filter(|(name, _)| *name == of);
    let newest = known.filter_map(|(_, number)| number.parse().ok()).max().unwrap_or(0);
    let register = Action::Register { family: of.to_owned(), above: newest, body: body.clone() };
    let (mut second, mut tracking) = update(snapshot, None, "update the service to it".to_owned());
    second.calls = vec![format!("UpdateService taskDefinition={of}:{}", newest + 1)];
    second.rechecks = true;
    second.action = Action::Update {
        cluster: snapshot.service.cluster_arn.clone(),
        service: snapshot.service.service_name.clone(),
        task_definition: None,
        registered: Some(Box::new(register.clone())),
    }
    .json();
    tracking.wanted = None;
    let call = format!("RegisterTaskDefinition family={of}");
    let first = step("register the task definition", &call, &register);
    (vec![first, second], tracking, newest + 1)
}

fn by_hand_registered(snapshot: &Snapshot, plan: &mut Plan, of: &str, number: u64) {
    let now = quoted(last(&snapshot.service.task_definition));
    let wanted = quoted(&format!("{of}:{number}"));
    let lines = [
        format!(
            "describe-task-definition --query taskDefinition --task-definition {now} > task-definition.json  # set the image, and drop what is only told"
        ),
        "register-task-definition --cli-input-json file://task-definition.json".to_owned(),
        format!("update-service {} --task-definition {wanted}", snapshot.named()),
    ];
    plan.by_hand.extend(lines.iter().map(|line| match line.split_once(" > ") {
        Some((call, rest)) => format!("{} > {rest}", snapshot.by_hand(call)),
        None => snapshot.by_hand(line),
    }));
}

/// A body of JSON with members that say nothing to a comparison left out.
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
