//! StatefulSets and DaemonSets as apps: their revisions are ControllerRevisions, and each Pod says of which it is.
//!
//! When a rollout of theirs is over is told by the rules of kubectl (`rollout_status.go` of kubernetes 1.36): a StatefulSet
//! with a partition is done when those above it are of the new revision, and one that replaces nothing by itself
//! (`OnDelete`) is never done by itself.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{
    App, AppState, Count, Instance, InstanceState, Phase, RevisionId, RevisionRef, Rollout,
    RolloutId, Side, Strategy,
};
use crate::platform::kubernetes::{
    model::store::{Kind, Kinded, OwnRevision, Store},
    model::wire::Pod,
    read::instances::{instance, side, why},
};

/// The label of a Pod that says of which ControllerRevision it is.
pub(in crate::platform::kubernetes) const MARK: &str = "controller-revision-hash";
/// How many Pods are named in a clause.
const NAMED: usize = 4;

/// How many Pods are wanted, are there, are of the newest template, and are ready.
struct Numbers {
    wanted: u32,
    there: u32,
    updated: u32,
    ready: u32,
}

impl Numbers {
    fn of(workload: &Kinded) -> Self {
        let status = workload.object.status.clone().unwrap_or_default();
        let replicas = workload.object.spec.as_ref().and_then(|spec| spec.replicas);
        if workload.kind == Kind::DaemonSet {
            return Self {
                wanted: status.desired_number_scheduled,
                there: status.desired_number_scheduled,
                updated: status.updated_number_scheduled,
                ready: status.number_ready,
            };
        }
        Self {
            wanted: replicas.unwrap_or(1),
            there: status.replicas,
            updated: status.updated_replicas,
            ready: status.ready_replicas,
        }
    }
}

/// Whether Pods of two revisions run, and what keeps it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::kubernetes) enum Mix {
    /// All are of one revision.
    None,
    /// The old ones are being replaced.
    Moving,
    /// They are replaced only when somebody deletes them.
    OnDelete,
    /// Those with a lower number keep what they have.
    Partition(u32),
}

/// Whether a StatefulSet or DaemonSet has Pods of two revisions.
pub(in crate::platform::kubernetes) fn mix(workload: &Kinded) -> Mix {
    let Numbers { wanted, there, updated, ready } = Numbers::of(workload);
    let object = &workload.object;
    let status = object.status.clone().unwrap_or_default();
    let differs =
        workload.kind != Kind::DaemonSet && status.current_revision != status.update_revision;
    let Some(spec) = &object.spec else { return Mix::None };
    let partition = spec.partition().min(wanted);
    match () {
        () if status.observed_generation < object.metadata.generation => Mix::Moving,
        // The server never moves currentRevision on then.
        () if spec.on_delete() && updated < there => Mix::OnDelete,
        () if spec.on_delete() => Mix::None,
        () if partition > 0 && differs && updated >= wanted - partition && ready >= wanted => {
            Mix::Partition(partition)
        }
        () if differs || updated < there => Mix::Moving,
        () => Mix::None,
    }
}

fn named(revision: &str) -> RevisionRef {
    RevisionRef { id: RevisionId::new(revision), label: None }
}

impl Store {
    /// A StatefulSet or DaemonSet as an app.
    pub(super) fn controlled(&self, workload: &Kinded, mut app: App, now: Timestamp) -> App {
        let object = &workload.object;
        let uid = &object.metadata.uid;
        let status = object.status.clone().unwrap_or_default();
        let Numbers { wanted, updated, ready, .. } = Numbers::of(workload);
        let observed = status.observed_generation >= object.metadata.generation;
        app.instances = Count { desired: wanted, running: Some(ready) };
        app.state = if wanted == 0 { AppState::Stopped } else { AppState::judge(app.instances) };
        let pods = self.pods_of(uid, uid);
        let (new_mark, new) = self.newest(workload);
        let mix = mix(workload);
        if mix == Mix::None || wanted == 0 {
            app.deployed = new;
            if let (Some(pods), true) = (pods, ready < wanted) {
                app.serving = Some(side(Some(pods), wanted, wanted, ready, now));
            }
            return app;
        }
        let carries = |pod: &&Pod| pod.metadata.labels.get(MARK) == new_mark.as_ref();
        let split = |new: bool| {
            pods.as_ref().filter(|_| new_mark.is_some()).map(|pods| {
                pods.iter().copied().filter(|pod| carries(pod) == new).collect::<Vec<_>>()
            })
        };
        let old_wanted = wanted.saturating_sub(updated);
        let old = side(split(false), old_wanted, old_wanted, ready.min(old_wanted), now);
        let before = self.before(workload, split(false).unwrap_or_default().as_slice());
        app.deployed = before.clone().or_else(|| new.clone());
        let hash = object.spec.as_ref().map_or(0, |spec| spec.template.hash);
        let held = held(&mix, &old);
        let started_at = object.metadata.manager.as_ref().and_then(|manager| manager.at);
        // Neither kind says when it moved last: its new Pods do. Where these are not known, nothing is concluded.
        let moved_at = split(true).map(|new| {
            let steps = new.iter().flat_map(|pod| {
                let status = pod.status.as_ref();
                let conditions = status.into_iter().flat_map(|status| &status.conditions);
                let ready = conditions.filter(|one| one.kind == "Ready" && one.status == "True");
                let ready = ready.filter_map(|one| one.last_transition_time);
                ready.chain(pod.metadata.creation_timestamp).collect::<Vec<_>>()
            });
            steps.chain(started_at).max()
        });
        let mut rollout = Rollout {
            proposed: false,
            id: RolloutId::new(format!("{uid}/{hash:016x}")),
            phase: match () {
                () if held.is_some() => Phase::Paused,
                () if observed => Phase::Rolling,
                () => Phase::Accepted,
            },
            reason: if held.is_some() { "held".to_owned() } else { "progressing".to_owned() },
            strategy: Strategy::Rolling,
            max_in_flight: held.is_none().then_some(1),
            limits: None,
            stages: Vec::new(),
            wanted,
            new: side(split(true), updated, updated, ready.saturating_sub(old_wanted), now),
            old,
            overlap: Vec::new(),
            from: before,
            to: new,
            started_at,
            moved_at: moved_at.flatten(),
            deadline: None,
            stuck: None,
            held,
            error: None,
            note: None,
        };
        // In order, one old Pod that is not well holds all others up for ever.
        let ordered = workload.kind == Kind::StatefulSet
            && object.spec.as_ref().is_some_and(|spec| spec.pod_management_policy != "Parallel");
        let blocked = ordered && rollout.old.has_bad() && mix == Mix::Moving;
        rollout.judge(blocked, false, None, now, why);
        app.rollout = Some(rollout);
        app
    }

    /// What Pods of the newest revision carry, and that revision.
    pub(super) fn newest(&self, workload: &Kinded) -> (Option<String>, Option<RevisionRef>) {
        if workload.kind == Kind::DaemonSet {
            let newest = self.own_of(workload).first();
            return (newest.map(|one| one.mark.clone()), newest.map(|one| one.reference.clone()));
        }
        let status = workload.object.status.as_ref();
        let update = status.map(|status| &status.update_revision).filter(|name| !name.is_empty());
        (update.cloned(), update.map(|name| named(name)))
    }

    /// The revision before the newest one: that which most of the old Pods carry that are ready, else what the status
    /// names, which is the last that was rolled out to the end.
    fn before(&self, workload: &Kinded, old: &[&Pod]) -> Option<RevisionRef> {
        let ready = |pod: &&&Pod| instance(pod).state == InstanceState::Running;
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for mark in old.iter().filter(ready).filter_map(|pod| pod.metadata.labels.get(MARK)) {
            *counts.entry(mark).or_default() += 1;
        }
        let highest = counts.values().copied().max();
        let mut leading = counts.iter().filter(|(_, count)| Some(**count) == highest);
        // Of several that are equal none is chosen.
        let most = leading.next().filter(|_| leading.next().is_none()).map(|(mark, _)| *mark);
        if workload.kind == Kind::DaemonSet {
            let own = self.own_of(workload);
            let carried = own.iter().find(|one| most == Some(&one.mark));
            return carried.or_else(|| own.get(1)).map(|one| one.reference.clone());
        }
        let status = workload.object.status.as_ref()?;
        let current = Some(&status.current_revision).filter(|name| !name.is_empty());
        most.or(current).map(|name| named(name))
    }

    fn own_of(&self, workload: &Kinded) -> &[OwnRevision] {
        self.own.get(&workload.object.metadata.uid).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What is waited for, in a clause, where nothing goes on by itself.
fn held(mix: &Mix, old: &Side) -> Option<String> {
    let instances = old.instances.as_deref().unwrap_or_default();
    match mix {
        Mix::None | Mix::Moving => None,
        Mix::OnDelete => {
            let names: Vec<_> = instances.iter().filter_map(name_of).take(NAMED).collect();
            let more = if instances.len() > names.len() { " and others" } else { "" };
            let which = if names.is_empty() {
                format!("{} instances", old.desired)
            } else {
                names.join(", ") + more
            };
            Some(format!("it replaces nothing by itself (OnDelete): {which} must be deleted"))
        }
        Mix::Partition(partition) => Some(format!(
            "those below number {partition} keep the old revision until somebody lowers the partition"
        )),
    }
}

fn name_of(instance: &Instance) -> Option<&str> {
    instance.name.as_deref()
}
