//! Argo Rollouts: a canary or blue-green rollout in steps, as `status` of `argoproj.io/v1alpha1` tells it.

use jiff::Timestamp;

use crate::domain::{App, AppState, Count, Phase, Stage, StageState, Strategy, Stuck, text::clean};
use crate::platform::kubernetes::{
    model::store::{Kinded, Store},
    model::wire::{CanaryStep, HASH, ReplicaSet, WorkloadStatus},
    read::convert::{reference, sides, sizes},
    read::instances::side,
};

/// Whether nothing goes on until somebody lets it: it is paused as a whole, or in a step that does not end by itself.
pub(in crate::platform::kubernetes) fn waits_for_somebody(workload: &Kinded) -> bool {
    let Some(spec) = &workload.object.spec else { return false };
    let status = workload.object.status.as_ref();
    let step = status.and_then(|status| {
        let steps = &spec.strategy.canary.as_ref()?.steps;
        steps.get(status.current_step_index? as usize)?.pause.as_ref()
    });
    let timed = step.is_some_and(|pause| pause.duration.is_some());
    spec.paused || (!timed && status.is_some_and(|status| !status.pause_conditions.is_empty()))
}

/// Whether it is paused.
fn waits(workload: &Kinded, status: &WorkloadStatus) -> bool {
    let paused = workload.object.spec.as_ref().is_some_and(|spec| spec.paused);
    paused || !status.pause_conditions.is_empty()
}

/// The ReplicaSet that is stable: that serves, and that an abort goes back to.
pub(in crate::platform::kubernetes) fn stable<'a>(
    workload: &Kinded,
    sets: &[&'a ReplicaSet],
) -> Option<&'a ReplicaSet> {
    let hash = &workload.object.status.as_ref()?.stable_rs;
    sets.iter().copied().find(|set| set.metadata.labels.get(HASH) == Some(hash))
}

impl Store {
    /// A Rollout as an app.
    pub(super) fn argo(&self, workload: &Kinded, mut app: App, now: Timestamp) -> App {
        let object = &workload.object;
        let uid = &object.metadata.uid;
        let sets = self.sets.owned(uid);
        let sides = sides(workload, &sets);
        let stable = stable(workload, &sets);
        let status = object.status.clone().unwrap_or_default();
        let spec = object.spec.as_ref();
        let wanted = spec.map_or(1, |spec| spec.replicas.unwrap_or(1));
        let observed = status.observed_generation >= object.metadata.generation;
        let ready =
            |set: &&ReplicaSet| set.status.as_ref().map_or(0, |status| status.ready_replicas);
        let available: u32 = sets.iter().map(|set| sizes(set).2).sum();
        app.instances = Count { desired: wanted, running: Some(sets.iter().map(ready).sum()) };
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
                    why: format!(
                        "{} ({})",
                        crate::platform::kubernetes::read::instances::why(&rollout),
                        clean(&status.message)
                    ),
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
