//! What is done around a change: auto scaling held back and released, the task definition that is left deregistered.

use serde_json::Value;

use crate::domain::{Note, Plan, Step, text::quoted};
use crate::platform::{
    Error,
    ecs::{
        model::wire::last,
        operate::receipt::Action,
        options,
        plan::{
            change::{Built, Change, step},
            snapshot::Snapshot,
        },
        read::scaling::{DIMENSION, PARTS, resource, state, suspended},
        region::Region,
    },
};

fn scaling(snapshot: &Snapshot, label: &str, state: Value) -> Step {
    let resource = resource(&snapshot.service);
    let parts = PARTS.iter().map(|part| format!("{part}={}", state[*part]));
    let parts = parts.collect::<Vec<_>>().join(",");
    let hand = format!(
        "application-autoscaling register-scalable-target --service-namespace ecs --scalable-dimension {DIMENSION} --resource-id {} --suspended-state {parts}",
        quoted(&resource)
    );
    let call = format!("RegisterScalableTarget {parts}");
    let action = Action::Scaling { resource, state };
    Step { by_hand: snapshot.by_hand_of("aws", &hand), ..step(label, &call, &action) }
}

/// Releases auto scaling that is suspended, and nothing else.
pub(super) async fn release(
    region: &Region,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<Built, Error> {
    let name = snapshot.name();
    let Some(target) = region.scalable(&snapshot.service).await? else {
        return Ok(Err(format!("nothing scales {name}: there is nothing to release")));
    };
    if suspended(&target) == state(false) {
        return Ok(Err(format!("auto scaling of {name} is not suspended")));
    }
    let step = scaling(snapshot, "release auto scaling", state(false));
    plan.title = format!("RELEASE the auto scaling of {name}");
    plan.method = format!(
        "auto scaling may change the number of tasks again: {} to {}, now {}",
        target["MinCapacity"], target["MaxCapacity"], snapshot.service.desired_count
    );
    plan.by_hand.push(step.by_hand.clone());
    let goal = "released: auto scaling may change its number of tasks".into();
    Ok(Ok(Change { steps: vec![step], goal, ..Change::default() }))
}

/// Adds to a change what was asked for around it.
pub(super) async fn add(
    region: &Region,
    snapshot: &Snapshot,
    plan: &mut Plan,
    change: &mut Change,
) -> Result<(), Error> {
    let asked = |name: &str| plan.request.options.flag(name);
    let hold = asked(options::HOLD);
    let (suspend, release) = (hold || asked(options::SUSPEND), hold || asked(options::RESUME));
    let deregister = asked(options::DEREGISTER);
    let mut notes = Vec::new();
    let scalable = match region.scalable(&snapshot.service).await {
        Ok(scalable) => scalable,
        Err(error) if suspend || release => return Err(error),
        // Whether something scales it is good to know, and no more than that.
        Err(_) => None,
    };
    match &scalable {
        None if suspend || release => {
            notes.push(Note::Info(
                "nothing scales this service: there is nothing to suspend or release".to_owned(),
            ));
        }
        None => {}
        Some(target) => {
            let (before, none) = (suspended(target), state(false));
            let already = before == state(true);
            let (least, most) = (&target["MinCapacity"], &target["MaxCapacity"]);
            if suspend && !already {
                let first = scaling(snapshot, "suspend auto scaling", state(true));
                plan.by_hand.insert(0, first.by_hand.clone());
                if let Some(next) = change.steps.first_mut() {
                    next.guard = Some(snapshot.guard());
                }
                change.steps.insert(0, first);
            }
            // What somebody else holds back stays so, unless its release was asked for by name.
            let theirs = already && !asked(options::RESUME);
            if release && theirs {
                notes.push(Note::Warning(
                    "auto scaling was suspended by somebody before: it stays so".to_owned(),
                ));
            } else if release {
                let wanted = if asked(options::RESUME) { none } else { before };
                let after = scaling(snapshot, "release auto scaling", wanted);
                plan.by_hand.push(format!("{}  # when it is over", after.by_hand));
                change.afterwards.push(after);
                notes.push(Note::Info("auto scaling is released when it is over, however it ends; `revdeck resume` keeps the promise if revdeck is ended before".to_owned()));
            } else if suspend {
                notes.push(Note::Warning(
                    "auto scaling stays suspended: `revdeck release`, or its key, lets it go on"
                        .to_owned(),
                ));
            } else if already {
                notes.push(Note::Warning(
                    "auto scaling of this service is suspended: `revdeck release`, or its key, lets it go on"
                        .to_owned(),
                ));
            } else {
                notes.push(Note::Info(format!("auto scaling may change the number of tasks meanwhile ({least} to {most}); --hold suspends it")));
            }
        }
    }
    let left = snapshot.service.task_definition.clone();
    let stays = change.tracking.wanted.as_ref() == Some(&left);
    if deregister && stays {
        let name = last(&left);
        notes.push(Note::Warning(format!("{name} stays deployed, so that it is not deregistered")));
    } else if deregister {
        let arn = left;
        let hand = format!("deregister-task-definition --task-definition {}", quoted(last(&arn)));
        let label = format!("deregister {}", last(&arn));
        let call = format!("DeregisterTaskDefinition taskDefinition={}", last(&arn));
        let after = Step {
            only_if_done: true,
            by_hand: snapshot.by_hand(&hand),
            ..step(label, &call, &Action::Deregister { arn: arn.clone() })
        };
        notes.push(Note::Warning(format!(
            "{} will be deregistered: after that nobody can deploy it again",
            last(&arn)
        )));
        plan.by_hand.push(format!("{}  # when it is done", after.by_hand));
        change.afterwards.push(after);
    }
    plan.notes.extend(notes);
    Ok(())
}
