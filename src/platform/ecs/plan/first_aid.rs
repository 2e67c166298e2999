//! What helps a service through the next minutes without another task definition: another number of tasks, and one task
//! that is stopped, so that another one takes its place.

use crate::domain::{
    INSTANCE, InstanceState, Note, Operation, Plan, RevisionSummary, SCALE_TO, SideName,
    text::clean,
};
use crate::platform::{
    Error,
    ecs::{
        model::wire::last,
        operate::receipt::{Action, Tracking},
        plan::{
            change::{Built, Change, step},
            snapshot::Snapshot,
        },
        read::scaling::{state, suspended},
        region::Region,
    },
};

/// Another number of tasks.
pub(super) async fn scale(
    region: &Region,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<Built, Error> {
    let name = snapshot.name().to_owned();
    let service = &snapshot.service;
    if service.scheduling_strategy == "DAEMON" {
        return Ok(Err(format!("{name} is a DAEMON service: it has one task on every instance")));
    }
    let now = service.desired_count;
    let asked = plan.request.options.number(SCALE_TO.name);
    let (title, wanted, goal) = match (&plan.request.operation, asked) {
        (Operation::Stop, _) => (format!("STOP {name}: {now} tasks go"), 0, "stopped".to_owned()),
        (Operation::Start, _) if now > 0 => {
            return Ok(Err(format!("{name} is started already: it wants {now} tasks")));
        }
        (Operation::Start, None) => {
            return Ok(Err(format!(
                "how many tasks {name} had before is not in the journal here: say how many (--instances N)"
            )));
        }
        (Operation::Start, Some(wanted)) => {
            let goal = format!("started with {wanted} tasks");
            (format!("START {name} with {wanted} tasks"), wanted, goal)
        }
        (_, asked) => {
            let wanted = asked.unwrap_or(now);
            let title = format!("SCALE {name} from {now} to {wanted} tasks");
            (title, wanted, format!("at {wanted} tasks"))
        }
    };
    if now == wanted {
        return Ok(Err(format!("nothing would change: {name} wants {now} tasks already")));
    }
    plan.title = title;
    plan.from =
        Some(RevisionSummary::named(format!("{now} tasks wanted, {} run", service.running_count)));
    plan.to = Some(RevisionSummary::named(format!("{wanted} tasks wanted")));
    "the desired count; no deployment begins with it".clone_into(&mut plan.method);
    if wanted == 0 {
        let text = "no task is left: nothing serves until it is started again";
        plan.notes.push(Note::Warning(text.to_owned()));
    }
    if let Some(target) = region.scalable(service).await? {
        let (least, most) = (&target["MinCapacity"], &target["MaxCapacity"]);
        plan.notes.push(if suspended(&target) == state(false) {
            Note::Warning(format!(
                "auto scaling decides how many there are ({least} to {most}): it may put this back"
            ))
        } else {
            Note::Info("auto scaling is suspended, at least in part".to_owned())
        });
    }
    if snapshot.rolling() {
        let text = "a rollout is in progress: it goes on towards the new number";
        plan.notes.push(Note::Info(text.to_owned()));
    }
    let hand = format!("update-service {} --desired-count {wanted}", snapshot.named());
    plan.by_hand.push(snapshot.by_hand(&hand));
    let action = Action::Scale {
        cluster: service.cluster_arn.clone(),
        service: service.service_name.clone(),
        before: now,
        wanted,
    };
    let tracking = Tracking { scaled: Some((now, wanted)), ..Tracking::default() };
    let steps = vec![step("scale", &format!("UpdateService desiredCount={wanted}"), &action)];
    Ok(Ok(Change { steps, goal: goal.into(), tracking, ..Change::default() }))
}

/// One task is stopped.
pub(super) async fn stop_task(
    region: &Region,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<Built, Error> {
    let text = plan.request.options.get(INSTANCE.name).unwrap_or_default().to_owned();
    let reading = region.reading(&plan.request.app).await?;
    let one = match reading.find(&text) {
        Ok(one) => one,
        Err(why) => return Ok(Err(why)),
    };
    if one.instance.state == InstanceState::Crashed {
        return Ok(Err(format!("task {} has stopped already", clean(&one.id))));
    }
    let (name, task) = (snapshot.name(), clean(&one.id));
    plan.title = format!("RESTART {} of {name}", reading.called(one, &task));
    plan.from = Some(RevisionSummary::named(format!("{task}, {}", one.instance.state.word())));
    plan.to = Some(RevisionSummary::named(
        "another task of the same task definition in its place".to_owned(),
    ));
    "the task is stopped, and the service starts another one".clone_into(&mut plan.method);
    if one.instance.state == InstanceState::Running && reading.ready() <= 1 {
        plan.notes.push(Note::Warning(
            "it is the only one that runs: nothing serves until another one does".to_owned(),
        ));
    }
    if one.side == SideName::Old && reading.rolls() {
        let text = "a rollout is in progress: what ECS starts now is of the new task definition, and this old task may not come back";
        plan.notes.push(Note::Warning(text.to_owned()));
    }
    let cluster = snapshot.service.cluster_arn.clone();
    let hand = format!("stop-task --cluster {} --task {task}", last(&cluster));
    plan.by_hand.push(snapshot.by_hand(&hand));
    let action = Action::StopTask { cluster, task: one.id.clone() };
    let tracking = Tracking { stopped: Some(one.id.clone()), ..Tracking::default() };
    let steps = vec![step(format!("stop task {task}"), &format!("StopTask {task}"), &action)];
    let goal = format!("running another task than {task}");
    Ok(Ok(Change { steps, goal: goal.into(), tracking, ..Change::default() }))
}
