//! The verbs of Argo Rollouts. Here the platform has a real cancel: abort.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::Goal;
use crate::platform::kubernetes::plan::{
    changes::{Mutation, stays},
    snapshot::Snapshot,
};
use crate::platform::operation::back_on;
use crate::{domain::Plan, platform::kubernetes::operate::observe::Asked};

fn change(patch: Value, goal: impl Into<Goal>) -> Mutation {
    Mutation { patch, goal: goal.into(), status: true, ..Mutation::default() }
}

fn by_hand(snapshot: &Snapshot, verb: &str) -> String {
    snapshot.by_hand("kubectl argo rollouts", &format!("{verb} {}", snapshot.address.name))
}

/// Abort: the stable side goes back to full.
pub(in crate::platform::kubernetes) fn abort(
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<Mutation, String> {
    let stable = snapshot.history.revisions.iter().find(|one| one.deployed && !one.incoming);
    let Some(stable) = stable.filter(|_| snapshot.rolling) else {
        return Err(format!("{} has no rollout to cancel", plan.app));
    };
    let name = stable.name();
    if snapshot.workload.object.status.as_ref().is_some_and(|status| status.abort) {
        return Err(format!(
            "the rollout of {} is aborted already: roll back to {name} for good, or continue to try again",
            plan.app
        ));
    }
    plan.title = format!("CANCEL the rollout of {}: back to {name}", plan.app);
    plan.method = format!(
        "abort: {name} serves alone again, at once; the specification still names the new one until you roll back"
    );
    plan.by_hand.push(by_hand(snapshot, "abort"));
    let set = json!({ "op": "add", "path": "/status/abort", "value": true });
    Ok(Mutation {
        ends: Some(true),
        asked: Some(Asked::Abort),
        ..change(json!([set]), back_on(name))
    })
}

/// Promote: the next step, out of a pause or an abort.
pub(in crate::platform::kubernetes) fn promote(
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<Mutation, String> {
    let status = snapshot.workload.object.status.clone().unwrap_or_default();
    let goal =
        plan.from.as_ref().map_or_else(|| "on".to_owned(), |from| format!("on {}", from.name));
    stays(snapshot, plan);
    if status.abort {
        "retry: the aborted rollout begins again at its first step".clone_into(&mut plan.method);
        plan.by_hand.push(by_hand(snapshot, "retry rollout"));
        let unset = json!({ "op": "replace", "path": "/status/abort", "value": false });
        let base = change(json!([unset]), goal);
        return Ok(Mutation { asked: Some(Asked::Retry), ..base });
    }
    if snapshot.paused() {
        "the rollout goes on where it was held".clone_into(&mut plan.method);
        plan.by_hand.push(by_hand(snapshot, "promote"));
        let base = change(json!([{ "op": "remove", "path": "/spec/paused" }]), goal);
        return Ok(Mutation { status: false, paused: Some(false), ..base });
    }
    if status.pause_conditions.is_empty() {
        return Err(format!("{} does not wait for anybody: it is not paused", plan.app));
    }
    "promote: the step that it waits at is over, and the next one begins"
        .clone_into(&mut plan.method);
    plan.by_hand.push(by_hand(snapshot, "promote"));
    // Whoever else lets it go on in between must not make this one step more.
    let step = status.current_step_index;
    let patch = json!([
        { "op": "test", "path": "/status/currentStepIndex", "value": step },
        { "op": "remove", "path": "/status/pauseConditions" },
    ]);
    Ok(Mutation { asked: Some(Asked::Promote(step)), ..change(patch, goal) })
}

/// Restart: every Pod that is older than now is replaced, of the same revision.
pub(in crate::platform::kubernetes) fn restart(
    snapshot: &Snapshot,
    plan: &mut Plan,
    now: Timestamp,
) -> Mutation {
    plan.to.clone_from(&plan.from);
    "every instance is replaced by a new one of the same revision".clone_into(&mut plan.method);
    plan.by_hand.push(by_hand(snapshot, "restart"));
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let set = json!({ "op": "add", "path": "/spec/restartAt", "value": at });
    Mutation {
        status: false,
        asked: Some(Asked::Restart(at)),
        ..change(json!([set]), "on new instances".to_owned())
    }
}
