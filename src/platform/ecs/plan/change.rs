//! What a change consists of, and the steps that deploy a task definition.

use serde_json::Value;

use crate::domain::{Goal, Plan, RolloutId, Step, text::quoted};
use crate::platform::ecs::{
    model::wire::{family, last},
    operate::receipt::{Action, Tracking},
    plan::snapshot::Snapshot,
};

/// What a change consists of, before it is a recipe.
#[derive(Default)]
pub(super) struct Change {
    pub(super) steps: Vec<Step>,
    pub(super) afterwards: Vec<Step>,
    pub(super) goal: Goal,
    pub(super) leaving: Option<String>,
    pub(super) undoes: bool,
    pub(super) rollout: Option<RolloutId>,
    pub(super) tracking: Tracking,
}

/// A change, or why there is none.
pub(super) type Built = Result<Change, String>;

/// One call of the API as a step.
pub(super) fn step(label: impl Into<String>, operation: &str, action: &Action) -> Step {
    Step {
        label: label.into(),
        calls: vec![operation.to_owned()],
        action: action.json(),
        ..Step::default()
    }
}

/// A deployment of a task definition, or of the same one once more.
pub(super) fn update(snapshot: &Snapshot, wanted: Option<&str>, label: String) -> (Step, Tracking) {
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

/// A task definition that is registered and then deployed, and the number that it gets at least.
pub(super) fn registered(
    snapshot: &Snapshot,
    of: &str,
    body: &Value,
) -> (Vec<Step>, Tracking, u64) {
    let known = snapshot.history.revisions.iter().map(|one| family(one.id.as_str()));
    let known = known.filter(|(name, _)| *name == of);
    let newest = known.filter_map(|(_, number)| number.parse().ok()).max().unwrap_or(0);
    let register = Action::Register { family: of.to_owned(), above: newest, body: body.clone() };
    let (mut second, mut tracking) = update(snapshot, None, "update the service to it".to_owned());
    second.calls = vec![format!("UpdateService taskDefinition={of}:{}", newest + 1)];
    second.guard = Some(snapshot.guard());
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

/// The same by hand.
pub(super) fn by_hand_registered(snapshot: &Snapshot, plan: &mut Plan, of: &str, number: u64) {
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
