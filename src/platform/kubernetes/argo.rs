//! Argo Rollouts: a canary or blue-green rollout in steps, as `status` of `argoproj.io/v1alpha1` tells it, and its
//! verbs. Here the platform has a real cancel: abort.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    changes::Mutation,
    convert::{reference, sides, sizes},
    instances::side,
    snapshot::Snapshot,
    store::{Kinded, Store},
    wire::{CanaryStep, ReplicaSet, WorkloadStatus},
};
use crate::domain::{
    App, AppState, Count, Phase, Plan, Stage, StageState, Strategy, Stuck, TargetId, text::clean,
};

/// The label that tells the ReplicaSets of a Rollout apart.
pub(super) const HASH: &str = "rollouts-pod-template-hash";

/// Whether it waits for somebody.
fn waits(workload: &Kinded, status: &WorkloadStatus) -> bool {
    let paused = workload.object.spec.as_ref().is_some_and(|spec| spec.paused);
    paused || !status.pause_conditions.is_empty()
}

/// The ReplicaSet that is stable: that serves, and that an abort goes back to.
pub(super) fn stable<'a>(workload: &Kinded, sets: &[&'a ReplicaSet]) -> Option<&'a ReplicaSet> {
    let hash = &workload.object.status.as_ref()?.stable_rs;
    sets.iter().copied().find(|set| set.metadata.labels.get(HASH) == Some(hash))
}

impl Store {
    /// A Rollout as an app.
    pub(super) fn argo(&self, target: &TargetId, workload: &Kinded, now: Timestamp) -> App {
        let object = &workload.object;
        let uid = &object.metadata.uid;
        let mut app = Self::base(target, workload);
        let sets = self.sets.owned(uid);
        let sides = sides(workload, &sets);
        let stable = stable(workload, &sets);
        let status = object.status.clone().unwrap_or_default();
        let spec = object.spec.as_ref();
        let wanted = spec.map_or(1, |spec| spec.replicas.unwrap_or(1));
        let observed = status.observed_generation >= object.metadata.generation;
        let sum = |part: fn((u32, u32, u32)) -> u32| -> u32 {
            sets.iter().map(|set| part(sizes(set))).sum()
        };
        let ready =
            |set: &&ReplicaSet| set.status.as_ref().map_or(0, |status| status.ready_replicas);
        let available = sum(|(_, _, available)| available);
        app.instances = Count {
            desired: sum(|(wanted, ..)| wanted).max(wanted),
            running: Some(sets.iter().map(ready).sum()),
        };
        let count = Count { desired: wanted, running: Some(available) };
        app.state = if wanted == 0 { AppState::Stopped } else { AppState::judge(count) };
        app.deployed = stable.or(sides.new).map(reference);
        let new_sizes = sides.new.map_or((0, 0, 0), sizes);
        let promoted = matches!((stable, sides.new), (Some(stable), Some(new)) if stable.metadata.uid == new.metadata.uid);
        let aborted = observed && status.abort;
        if promoted && observed && sides.old.is_empty() {
            app.instances.desired = wanted;
            let broken = matches!(app.state, AppState::Degraded | AppState::Down);
            app.serving = stable.filter(|_| broken).map(|set| {
                let (wanted, there, available) = sizes(set);
                side(self.pods_of(uid, &set.metadata.uid), wanted, there, available, now)
            });
            return app;
        }
        let mut rollout = self.rollout(workload, &sides, wanted, observed, now);
        rollout.from = stable.map(reference).or(rollout.from);
        let steps =
            spec.and_then(|spec| spec.strategy.canary.as_ref()).map_or(0, |one| one.steps.len());
        if steps > 0 {
            rollout.strategy = Strategy::Canary;
            let current = status.current_step_index.unwrap_or(0).min(steps as u32 - 1) + 1;
            let state = match () {
                () if aborted => StageState::Failed,
                () if waits(workload, &status) => StageState::Waiting,
                () => StageState::Active,
            };
            let all = spec.and_then(|spec| spec.strategy.canary.as_ref()).into_iter();
            let names = all.flat_map(|canary| &canary.steps).map(CanaryStep::name);
            rollout.stages = Stage::sequence(names, current, state, None);
        }
        if observed && !status.phase.is_empty() {
            rollout.reason = clean(&status.phase);
            if !status.message.is_empty() {
                rollout.reason += &format!(": {}", clean(&status.message));
            }
        }
        let held = |phase: Phase| (phase, None);
        (rollout.phase, rollout.stuck) = match () {
            () if !observed => held(Phase::Accepted),
            // Aborted, what it was aborted from still stands in the specification: somebody has to go back, or on.
            () if aborted && new_sizes.1 == 0 => held(Phase::Cancelled),
            () if aborted => held(Phase::Cancelling),
            () if waits(workload, &status) => held(Phase::Paused),
            () if status.phase == "Degraded" => (
                Phase::Stuck,
                Some(Stuck {
                    since: rollout.moved_at.unwrap_or(now),
                    why: format!("{} ({})", super::rollout::why(&rollout), clean(&status.message)),
                    late: false,
                }),
            ),
            () => (rollout.phase, rollout.stuck),
        };
        if matches!(rollout.phase, Phase::Paused | Phase::Cancelling | Phase::Cancelled) {
            rollout.deadline = None;
        }
        app.rollout = Some(rollout);
        app
    }
}

/// A patch of the status, which only holds while nobody else has changed the specification.
fn on_status(snapshot: &Snapshot, step: Value) -> Value {
    let mut steps = snapshot.guards();
    steps.push(step);
    Value::Array(steps)
}

fn change(patch: Value, goal: String) -> Mutation {
    Mutation { patch, goal, status: true, ..Mutation::default() }
}

fn by_hand(snapshot: &Snapshot, verb: &str) -> String {
    snapshot.by_hand("kubectl argo rollouts", &format!("{verb} {}", snapshot.address.name))
}

/// Abort: the stable side goes back to full.
pub(super) fn abort(snapshot: &Snapshot, plan: &mut Plan) -> Result<Mutation, String> {
    let stable = snapshot.history.revisions.iter().find(|one| one.deployed && !one.incoming);
    let Some(stable) = stable.filter(|_| snapshot.rolling) else {
        return Err(format!("{} has no rollout to cancel", plan.app));
    };
    let label = stable.label.clone();
    if snapshot.workload.object.status.as_ref().is_some_and(|status| status.abort) {
        return Err(format!(
            "the rollout of {} is aborted already: roll back to rev {label} for good, or continue to try again",
            plan.app
        ));
    }
    plan.title = format!("CANCEL the rollout of {}: back to rev {label}", plan.app);
    plan.method = format!(
        "abort: rev {label} serves alone again, at once; the specification still names the new one until you roll back"
    );
    plan.by_hand.push(by_hand(snapshot, "abort"));
    let set = json!({ "op": "add", "path": "/status/abort", "value": true });
    Ok(Mutation {
        ends: Some(true),
        ..change(on_status(snapshot, set), format!("back on rev {label}"))
    })
}

/// Promote: the next step, out of a pause or an abort.
pub(super) fn promote(snapshot: &Snapshot, plan: &mut Plan) -> Result<Mutation, String> {
    let status = snapshot.workload.object.status.clone().unwrap_or_default();
    let goal =
        plan.from.as_ref().map_or_else(|| "on".to_owned(), |from| format!("on {}", from.name));
    plan.to.clone_from(&plan.from);
    if status.abort {
        "retry: the aborted rollout begins again at its first step".clone_into(&mut plan.method);
        plan.by_hand.push(by_hand(snapshot, "retry rollout"));
        let unset = json!({ "op": "replace", "path": "/status/abort", "value": false });
        return Ok(change(on_status(snapshot, unset), goal));
    }
    if snapshot.paused() {
        "the rollout goes on where it was held".clone_into(&mut plan.method);
        plan.by_hand.push(by_hand(snapshot, "promote"));
        let mut steps = snapshot.guards();
        steps.push(json!({ "op": "remove", "path": "/spec/paused" }));
        let base = change(Value::Array(steps), goal);
        return Ok(Mutation { status: false, paused: Some(false), ..base });
    }
    if status.pause_conditions.is_empty() {
        return Err(format!("{} does not wait for anybody: it is not paused", plan.app));
    }
    "promote: the step that it waits at is over, and the next one begins"
        .clone_into(&mut plan.method);
    plan.by_hand.push(by_hand(snapshot, "promote"));
    let unset = json!({ "op": "remove", "path": "/status/pauseConditions" });
    Ok(change(on_status(snapshot, unset), goal))
}

/// Restart: every Pod that is older than now is replaced, of the same revision.
pub(super) fn restart(snapshot: &Snapshot, plan: &mut Plan, now: Timestamp) -> Mutation {
    plan.to.clone_from(&plan.from);
    "every instance is replaced by a new one of the same revision".clone_into(&mut plan.method);
    plan.by_hand.push(by_hand(snapshot, "restart"));
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let set = json!({ "op": "add", "path": "/spec/restartAt", "value": at });
    Mutation { status: false, ..change(on_status(snapshot, set), "on new instances".to_owned()) }
}
