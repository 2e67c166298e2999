//! The rollout of a Deployment: what its ReplicaSets and its conditions say together.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    App, AppState, Count, Phase, RevisionId, RevisionRef, Rollout, RolloutId, Side, Strategy,
    text::clean,
};
use crate::platform::kubernetes::{
    model::store::{Kind, Kinded, Store},
    model::wire::ReplicaSet,
    read::convert::{Sides, condition, images, limits, reference, sizes},
    read::instances::{side, why},
};

/// A progress deadline of so many seconds stands for none.
const NEVER: i64 = i32::MAX as i64;

/// What waits while a Deployment is paused: it has no ReplicaSet yet, and is called by its image.
fn pending(workload: &Kinded, paused: bool) -> Option<RevisionRef> {
    let template = &workload.object.spec.as_ref().filter(|_| paused)?.template;
    let name = images(template);
    let tag = name.rsplit_once(':').map_or(name.as_str(), |(_, tag)| tag);
    let label = Some(if template.images.len() == 1 { tag.to_owned() } else { name.clone() });
    Some(RevisionRef { id: RevisionId::new(format!("{:016x}", template.hash)), label })
}

impl Store {
    /// The rollout of a Deployment.
    pub(in crate::platform::kubernetes) fn rollout(
        &self,
        workload: &Kinded,
        sides: &Sides<'_>,
        wanted: u32,
        observed: bool,
        now: Timestamp,
    ) -> Rollout {
        let object = &workload.object;
        let uid = &object.metadata.uid;
        let status = object.status.as_ref();
        let spec = object.spec.as_ref();
        let hash = spec.map_or(0, |spec| spec.template.hash);
        let one_side = |set: &ReplicaSet| {
            let (wanted, there, available) = sizes(set);
            side(self.pods_of(uid, &set.metadata.uid), wanted, there, available, now)
        };
        let mut overlap: Vec<_> =
            sides.old.iter().map(|set| (reference(set), one_side(set))).collect();
        let old = Side::sum(overlap.iter().map(|(_, side)| side));
        if overlap.len() < 2 {
            overlap.clear();
        }
        overlap.sort_by_key(|(revision, _)| {
            std::cmp::Reverse(revision.shown().parse::<i64>().unwrap_or_default())
        });
        let new = sides.new.map_or(Side { desired: 0, instances: Some(Vec::new()) }, one_side);
        let progressing = condition(status, "Progressing").filter(|_| observed);
        let late = progressing.filter(|one| one.reason == "ProgressDeadlineExceeded");
        let paused = spec.is_some_and(|spec| spec.paused);
        let deadline = spec.and_then(|spec| spec.progress_deadline_seconds).unwrap_or(600);
        let moved_at = progressing.and_then(|one| one.last_update_time);
        let began = self.began.get(&(uid.clone(), hash)).copied();
        let changed = object.metadata.manager.as_ref().and_then(|manager| manager.at);
        let created = sides.new.and_then(|set| set.metadata.creation_timestamp);
        let started_at = began.or(changed.max(created)).or(moved_at);
        let failure = condition(status, "ReplicaFailure").filter(|one| one.status == "True");
        let id = RolloutId::new(format!("{uid}/{hash:016x}"));
        let from = sides.old.first().map(|set| reference(set));
        let mut rollout = Rollout {
            from: from.or_else(|| self.origins.get(&id).cloned()),
            id,
            phase: match () {
                () if paused => Phase::Paused,
                () if sides.new.is_none() || !observed => Phase::Accepted,
                () => Phase::Rolling,
            },
            reason: if paused { "paused".to_owned() } else { "progressing".to_owned() },
            strategy: Strategy::Rolling,
            max_in_flight: None,
            limits: spec.filter(|_| workload.kind == Kind::Deployment).map(limits),
            stages: Vec::new(),
            wanted,
            old,
            overlap,
            new,
            to: sides.new.map(reference).or_else(|| pending(workload, paused)),
            started_at,
            moved_at: moved_at.max(started_at),
            deadline: moved_at
                .filter(|moved| {
                    !paused && late.is_none() && deadline < NEVER && Some(*moved) >= began
                })
                .and_then(|moved| moved.checked_add(SignedDuration::from_secs(deadline)).ok()),
            stuck: None,
            proposed: false,
            held: None,
            error: failure.map(|one| clean(&one.message)),
            note: None,
        };
        let start_time = Some(deadline).filter(|deadline| *deadline < NEVER);
        let start_time = start_time.map(SignedDuration::from_secs);
        let (failed, late) = (rollout.error.is_some(), late.is_some());
        rollout.judge(failed, late, start_time, now, |rollout| match why(rollout) {
            why if late => format!("{why} (over its deadline of {deadline}s)"),
            why => why,
        });
        rollout
    }

    /// A Deployment or Rollout whose ReplicaSets may not be seen: its own numbers say how many are new, and nothing says
    /// which revision they are of.
    pub(in crate::platform::kubernetes) fn without_sets(
        &self,
        workload: &Kinded,
        mut app: App,
        now: Timestamp,
    ) -> App {
        let object = &workload.object;
        let status = object.status.clone().unwrap_or_default();
        let wanted = object.spec.as_ref().map_or(1, |spec| spec.replicas.unwrap_or(1));
        let observed = status.observed_generation >= object.metadata.generation;
        app.instances = Count { desired: wanted, running: Some(status.ready_replicas) };
        app.state = if wanted == 0 { AppState::Stopped } else { AppState::judge(app.instances) };
        let old = status.replicas.saturating_sub(status.updated_replicas);
        if !observed || old > 0 || status.updated_replicas < wanted {
            let sides = Sides { new: None, old: Vec::new() };
            let mut rollout = self.rollout(workload, &sides, wanted, observed, now);
            let new = status.updated_replicas;
            rollout.old = side(None, old, old, status.available_replicas.min(old), now);
            rollout.new = side(None, new, new, status.available_replicas.saturating_sub(old), now);
            if observed && rollout.phase == Phase::Accepted {
                rollout.phase = Phase::Rolling;
            }
            app.rollout = Some(rollout);
        }
        app
    }
}
