//! Cancelling a rollout, letting one go on, and switching revisions on.

use super::{
    capacity,
    draft::{blank, finish},
    recipe::{new_id, recipe},
    snapshot::Snapshot,
};
use crate::platform::cloud_foundry::operate::receipt::{Action, Tracking};
use crate::platform::operation::back_on;
use crate::{
    domain::{Note, Phase, Plan, Request, RevisionSummary, text::quoted},
    platform::{
        Error,
        cloud_foundry::{foundation::CloudFoundry, model::wire, read::convert},
    },
};

pub(super) async fn cancel(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    request: Request,
) -> Result<Plan, Error> {
    let name = &snapshot.name;
    let mut plan = blank(snapshot, request, format!("CANCEL the rollout of {name}"));
    let Some(active) = snapshot.active() else {
        return Ok(plan.refuse(format!("{name} has no rollout in progress")));
    };
    if convert::phase(active) == Phase::Cancelling {
        return Ok(plan.refuse(format!("the rollout of {name} is being cancelled already")));
    }
    let new = active.revision.as_ref().and_then(|of| snapshot.revision(&of.guid));
    let old = snapshot.deployed();
    plan.from = new.map(|revision| snapshot.end(revision));
    plan.to = old.map(|revision| snapshot.end(revision));
    plan.method =
        "the platform destroys the new instances and scales the old ones up again".to_owned();
    let (running, wanted) = Snapshot::running(&snapshot.old_web());
    match running {
        Some(0) if wanted == 0 => plan.notes.push(Note::Warning(
            "no old instance stands any more: nothing serves until they have started".to_owned(),
        )),
        Some(running) => plan.capacity.push(format!(
            "{running} of {wanted} old instances serve; what is missing starts again at once"
        )),
        None => plan.capacity.push(format!("{wanted} old instances stand")),
    }
    plan.by_hand.push(format!("cf cancel-deployment {}", quoted(name)));
    let mut steps = vec![Action::Cancel { deployment: active.guid.clone() }];
    if let Some(old) = old {
        let leaves = active.previous_droplet.guid.as_ref();
        if leaves.is_some() && leaves != old.droplet.guid.as_ref() {
            plan.notes.push(Note::Warning(format!(
                "the app keeps the droplet of the rollout before this one: the next restart would start that. Roll back to {} instead",
                old.name()
            )));
        }
        let path = format!("/v3/revisions/{}/environment_variables", old.guid);
        let environment = foundation.http.get::<wire::Environment>(&path, &[]).await.ok();
        if environment.is_none() || snapshot.environment.is_none() {
            plan.notes.push(Note::Warning(
                "the cancel leaves the app's environment as it is, and this login may not read it: check it, or roll back instead, which puts it back"
                    .to_owned(),
            ));
        }
        let drift = environment.and_then(|environment| snapshot.drift(&environment));
        if let Some(names) = drift.filter(|names| !names.is_empty()) {
            let names: Vec<_> = names.iter().map(|name| crate::domain::text::clean(name)).collect();
            plan.notes.push(Note::Warning(format!(
                "the cancel leaves the new environment behind: {} will be set as in {}",
                names.join(", "),
                old.name()
            )));
            steps.push(Action::RestoreEnvironment { revision: old.guid.clone() });
        }
        if snapshot.sidecars_drift(old) {
            plan.notes.push(Note::Warning(format!("sidecars will be set as in {}", old.name())));
            steps.push(Action::RestoreSidecars { revision: old.guid.clone() });
        }
    }
    let goal = match old {
        Some(old) => back_on(old.name()),
        None => back_on("what it ran before"),
    };
    let leaving = new.map(wire::Revision::name);
    let tracking = Tracking {
        deployment: Some(active.guid.clone()),
        target: old.map(|old| old.guid.clone()),
        ..Tracking::default()
    };
    Ok(finish(plan, recipe(new_id(), snapshot, steps, &tracking), goal, leaving))
}

pub(super) fn go_on(snapshot: &Snapshot, request: Request) -> Plan {
    let name = &snapshot.name;
    let mut plan = blank(snapshot, request, format!("CONTINUE the rollout of {name}"));
    let Some(active) = snapshot.active() else {
        return plan.refuse(format!("{name} has no rollout in progress"));
    };
    if convert::phase(active) != Phase::Paused {
        let (value, reason) = convert::status(active);
        return plan.refuse(format!(
            "the rollout of {name} does not wait for anybody: it is {value}/{reason}"
        ));
    }
    let old = snapshot.deployed();
    let new = active.revision.as_ref().and_then(|of| snapshot.revision(&of.guid));
    plan.from = old.map(|revision| snapshot.end(revision));
    plan.to = new.map(|revision| snapshot.end(revision));
    let step =
        active.status.canary.as_ref().map(|canary| (canary.steps.current, canary.steps.total));
    plan.method = match step {
        Some((current, total)) if current < total => {
            format!("on to step {} of {total}, where it waits again", current + 1)
        }
        _ => "the last step: all old instances are replaced".to_owned(),
    };
    let last = step.is_none_or(|(current, total)| current >= total);
    if last {
        capacity::bulk(snapshot, &mut plan);
    }
    plan.by_hand.push(format!("cf continue-deployment {}", quoted(name)));
    let goal =
        new.map_or_else(|| "on the new revision".to_owned(), |new| format!("on {}", new.name()));
    let (value, reason) = convert::status(active);
    let tracking = Tracking {
        deployment: Some(active.guid.clone()),
        before: Some(format!("{value}/{reason} {}", step.map_or(0, |(current, _)| current))),
        ..Tracking::default()
    };
    let leaving = plan.from.as_ref().map(|end: &RevisionSummary| end.name.clone());
    let steps = vec![Action::Continue { deployment: active.guid.clone() }];
    finish(plan, recipe(new_id(), snapshot, steps, &tracking), goal, leaving)
}

pub(super) fn enable_revisions(snapshot: &Snapshot, request: Request) -> Plan {
    let name = &snapshot.name;
    let mut plan = blank(snapshot, request, format!("SWITCH REVISIONS ON for {name}"));
    if snapshot.versioned {
        return plan.refuse(format!("the platform keeps revisions of {name} already"));
    }
    plan.method = "from the next deploy or restart on, the platform keeps a revision to go back to"
        .to_owned();
    plan.capacity.push("nothing that runs changes".to_owned());
    plan.by_hand.push(format!(
        "cf curl /v3/apps/{}/features/revisions -X PATCH -d '{{\"enabled\":true}}'",
        snapshot.guid
    ));
    let tracking = Tracking { feature: true, ..Tracking::default() };
    let goal = "keeping revisions from the next deploy or restart on".to_owned();
    finish(plan, recipe(new_id(), snapshot, vec![Action::EnableRevisions], &tracking), goal, None)
}
