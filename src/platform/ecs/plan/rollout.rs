//! Changes of the rollout in progress: taken back, or let go on.

use crate::domain::{Note, Plan, RolloutId, text::quoted};
use crate::platform::ecs::{
    operate::receipt::{Action, Tracking},
    plan::{
        change::{Built, Change, step},
        snapshot::Snapshot,
    },
};
use crate::platform::operation::back_on;

/// What ends the deployment under way and puts back what ran before: the one call that goes back to what was recorded.
pub(super) fn take_back(snapshot: &Snapshot, plan: &mut Plan) -> Built {
    let name = snapshot.name();
    let Some(rollout) = snapshot.app.rollout.as_ref() else {
        return Err(format!("{name} has no rollout to cancel"));
    };
    let Some(live) = &snapshot.live else {
        return Err(if snapshot.service.current_service_deployment.is_some() && !snapshot.blind {
            format!(
                "what {name} is being deployed to is not on record yet: try again in a moment, or roll back to a revision instead"
            )
        } else {
            format!(
                "{name} has no rollout to cancel by a call: this region or login has no service deployments; roll back to a revision instead"
            )
        });
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
        goal: back_on(from.name()),
        leaving: snapshot.leaving(Some(from.id.as_str())),
        undoes: true,
        rollout: Some(RolloutId::new(arn)),
        tracking,
        ..Change::default()
    })
}

/// Cancels the rollout in progress.
pub(super) fn cancel(snapshot: &Snapshot, plan: &mut Plan) -> Built {
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

/// Lets a hook that waits go on.
pub(super) fn carry_on(snapshot: &Snapshot, plan: &mut Plan) -> Built {
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
        goal: format!("on {to}").into(),
        leaving: rollout.and_then(|one| one.from.as_ref()).map(crate::domain::RevisionRef::name),
        rollout: Some(RolloutId::new(arn)),
        tracking,
        ..Change::default()
    })
}
