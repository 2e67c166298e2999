//! From the API's objects to the deck's nouns. What rolls is judged by numbers, never by a condition alone: conditions
//! lag behind, see the three traps in [`super`].

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    self, App, AppId, AppState, Count, RevisionId, RevisionRef, TargetId, text::clean,
};
use crate::platform::kubernetes::{
    model::store::{Kind, Kinded, Store},
    model::wire::{
        Condition, HASH, Metadata, Pod, ReplicaSet, Template, WorkloadSpec, WorkloadStatus,
    },
    read::instances::side,
};

/// The annotations with the number of a revision.
const REVISION: [&str; 2] = ["deployment.kubernetes.io/revision", "rollout.argoproj.io/revision"];
/// The annotations with the numbers that it had before.
const HISTORY: [&str; 2] =
    ["deployment.kubernetes.io/revision-history", "rollout.argoproj.io/revision-history"];
/// The annotation with why we changed it, after the hash of the template that was asked for.
pub(in crate::platform::kubernetes) const REASON: &str = "revdeck/reason";
/// The annotation with why somebody changed it.
pub(in crate::platform::kubernetes) const CAUSE: &str = "kubernetes.io/change-cause";

/// For how long a ReplicaSet without anything older beside it counts as a rollout of its own.
const FIRST: SignedDuration = SignedDuration::from_mins(10);

/// The sides of a Deployment: its ReplicaSets, and which of them is the new one.
pub(in crate::platform::kubernetes) struct Sides<'a> {
    pub(in crate::platform::kubernetes) new: Option<&'a ReplicaSet>,
    /// The others that have Pods or want some, the one with most of them first.
    pub(in crate::platform::kubernetes) old: Vec<&'a ReplicaSet>,
}

/// The number of a ReplicaSet's revision.
pub(in crate::platform::kubernetes) fn number(set: &ReplicaSet) -> i64 {
    one_of(&set.metadata, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The numbers that it had before.
pub(in crate::platform::kubernetes) fn numbers_before(set: &ReplicaSet) -> Option<&String> {
    one_of(&set.metadata, HISTORY)
}

fn one_of<'a>(metadata: &'a Metadata, names: [&str; 2]) -> Option<&'a String> {
    names.iter().find_map(|name| metadata.annotations.get(*name))
}

/// How revisions are named on screen.
pub(in crate::platform::kubernetes) fn reference(set: &ReplicaSet) -> RevisionRef {
    RevisionRef { id: RevisionId::new(&set.metadata.uid), label: Some(number(set).to_string()) }
}

fn template(set: &ReplicaSet) -> u64 {
    set.spec.as_ref().map_or(0, |spec| spec.template.hash)
}

/// How many Pods a ReplicaSet wants, has, and has available.
pub(in crate::platform::kubernetes) fn sizes(set: &ReplicaSet) -> (u32, u32, u32) {
    let status = set.status.as_ref();
    (
        set.spec.as_ref().map_or(0, |spec| spec.replicas),
        status.map_or(0, |status| status.replicas),
        status.map_or(0, |status| status.available_replicas),
    )
}

/// Tells old from new: by the template, and where none is the same, by the number once that is up to date.
pub(in crate::platform::kubernetes) fn sides<'a>(
    workload: &Kinded,
    sets: &[&'a ReplicaSet],
) -> Sides<'a> {
    let object = &workload.object;
    let hash = object.spec.as_ref().map_or(0, |spec| spec.template.hash);
    let mut same: Vec<_> = sets.iter().copied().filter(|set| template(set) == hash).collect();
    same.sort_by_key(|set| set.metadata.creation_timestamp);
    let observed = object
        .status
        .as_ref()
        .is_some_and(|status| status.observed_generation >= object.metadata.generation);
    let own = one_of(&object.metadata, REVISION);
    let by_number = || {
        sets.iter()
            .copied()
            .find(|set| observed && own.is_some() && one_of(&set.metadata, REVISION) == own)
    };
    // While it is paused no ReplicaSet is made for a new template, and its number stays that of the old one.
    let paused =
        workload.kind == Kind::Deployment && object.spec.as_ref().is_some_and(|spec| spec.paused);
    // The template of a Rollout is not defaulted and that of its ReplicaSets is, so that they are never the same: it
    // names the newest one by its hash (argo-rollouts, `utils/replicaset/replicaset.go`).
    let by_hash = || {
        let hash = object.status.as_ref().map(|status| &status.current_pod_hash)?;
        sets.iter()
            .copied()
            .find(|set| observed && !hash.is_empty() && set.metadata.labels.get(HASH) == Some(hash))
    };
    let new = same.first().copied().or_else(by_hash);
    let new = new.or_else(|| if paused { None } else { by_number() });
    let other = |set: &&ReplicaSet| new.is_none_or(|new| new.metadata.uid != set.metadata.uid);
    let alive = |set: &&ReplicaSet| {
        let (wanted, there, _) = sizes(set);
        wanted > 0 || there > 0
    };
    let mut old: Vec<_> = sets.iter().copied().filter(other).filter(alive).collect();
    old.sort_by_key(|set| std::cmp::Reverse((sizes(set).2, number(set))));
    Sides { new, old }
}

/// The condition of a type.
pub(in crate::platform::kubernetes) fn condition<'a>(
    status: Option<&'a WorkloadStatus>,
    kind: &str,
) -> Option<&'a Condition> {
    status?.conditions.iter().find(|one| one.kind == kind)
}

impl Store {
    /// The Pods of a controller, where they are known.
    pub(in crate::platform::kubernetes) fn pods_of(
        &self,
        workload: &str,
        controller: &str,
    ) -> Option<Vec<&Pod>> {
        self.with_pods.contains(workload).then(|| self.pods.owned(controller))
    }

    /// An app as the store knows it.
    pub(in crate::platform::kubernetes) fn app(
        &self,
        target: &TargetId,
        uid: &str,
        now: Timestamp,
    ) -> Option<App> {
        let workload = self.workloads.get(uid)?;
        let base = Self::base(target, workload);
        Some(match workload.kind {
            kind if kind.has_sets() && self.no_sets => self.without_sets(workload, base, now),
            Kind::Deployment => self.deployment(workload, base, now),
            Kind::Rollout => self.argo(workload, base, now),
            Kind::StatefulSet | Kind::DaemonSet => self.controlled(workload, base, now),
        })
    }

    pub(in crate::platform::kubernetes) fn base(target: &TargetId, workload: &Kinded) -> App {
        let metadata = &workload.object.metadata;
        App {
            target: target.clone(),
            platform: crate::platform::kubernetes::options::KIND,
            id: AppId::new(&metadata.uid),
            name: clean(&metadata.name),
            scope: clean(&metadata.namespace),
            state: AppState::Unknown,
            instances: Count::default(),
            deployed: None,
            rollout: None,
            serving: None,
            updated_at: metadata
                .manager
                .as_ref()
                .and_then(|manager| manager.at)
                .or(metadata.creation_timestamp),
            versioned: Some(true),
            paused: false,
            on_hold: None,
            takes: &[],
        }
    }

    fn deployment(&self, workload: &Kinded, mut app: App, now: Timestamp) -> App {
        let object = &workload.object;
        let uid = &object.metadata.uid;
        app.paused = object.spec.as_ref().is_some_and(|spec| spec.paused);
        let sets = self.sets.owned(uid);
        let sides = sides(workload, &sets);
        let wanted = object.spec.as_ref().map_or(1, |spec| spec.replicas.unwrap_or(1));
        let status = object.status.as_ref();
        // The status of the Deployment lags behind that of its ReplicaSets.
        let available: u32 = sets.iter().map(|set| sizes(set).2).sum();
        let ready =
            |set: &&ReplicaSet| set.status.as_ref().map_or(0, |status| status.ready_replicas);
        let ready: u32 = sets.iter().map(ready).sum();
        app.instances = Count { desired: wanted, running: Some(ready) };
        let new_sizes = sides.new.map_or((0, 0, 0), sizes);
        let old_there = sides.old.iter().any(|set| sizes(set).0 > 0 || sizes(set).1 > 0);
        let observed =
            status.is_some_and(|status| status.observed_generation >= object.metadata.generation);
        let progressing = condition(status, "Progressing");
        let reason = progressing.filter(|_| observed).map_or("", |one| one.reason.as_str());
        let hash = object.spec.as_ref().map_or(0, |spec| spec.template.hash);
        let young = sides.new.and_then(|set| set.metadata.creation_timestamp);
        let young = young.is_some_and(|born| now.duration_since(born) < FIRST);
        let begun = young || self.began.contains_key(&(uid.clone(), hash));
        // Without anything old it is a rollout only where it is the first one, or was seen to begin: else somebody
        // has scaled, or Pods have fallen over.
        let alone = match reason {
            "ProgressDeadlineExceeded" => true,
            "NewReplicaSetAvailable" | "DeploymentPaused" | "" => false,
            _ => begun,
        };
        let complete =
            new_sizes.0 == wanted && new_sizes.1 == wanted && new_sizes.2 >= wanted && !old_there;
        // A template that no ReplicaSet has yet was taken a moment ago.
        let rolls =
            !complete && (old_there || sides.new.is_none() || (alone && new_sizes.2 < wanted));
        if rolls && (wanted > 0 || old_there) {
            app.rollout = Some(self.rollout(workload, &sides, wanted, observed, now));
            app.deployed = sides.old.first().copied().or(sides.new).map(reference);
        } else {
            app.deployed = sides.new.map(reference);
        }
        let count = Count { desired: wanted, running: Some(available) };
        app.state = if wanted == 0 { AppState::Stopped } else { AppState::judge(count) };
        if app.rollout.is_none() {
            app.instances.desired = wanted;
            let broken = matches!(app.state, AppState::Degraded | AppState::Down);
            app.serving = sides.new.filter(|_| broken).map(|set| {
                side(
                    self.pods_of(uid, &set.metadata.uid),
                    new_sizes.0,
                    new_sizes.1,
                    new_sizes.2,
                    now,
                )
            });
        }
        app
    }
}

/// Images in a few words: `web:1.17`, with the container's name where there are several.
pub(in crate::platform::kubernetes) fn images(template: &Template) -> String {
    let short = |image: &str| clean(image.rsplit('/').next().unwrap_or(image));
    match template.images.as_slice() {
        [(_, image)] => short(image),
        many => many
            .iter()
            .map(|(name, image)| format!("{}={}", clean(name), short(image)))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// Surge and unavailability as the specification has them.
pub(in crate::platform::kubernetes) fn limits(spec: &WorkloadSpec) -> String {
    if spec.strategy.kind == "Recreate" {
        return "recreate: all at once".to_owned();
    }
    let text = |value: Option<&serde_json::Value>, usual: &str| match value {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => usual.to_owned(),
    };
    let rolling = spec.strategy.rolling_update.as_ref();
    format!(
        "surge {}, unavailable {}",
        text(rolling.and_then(|limits| limits.max_surge.as_ref()), "25%"),
        text(rolling.and_then(|limits| limits.max_unavailable.as_ref()), "25%")
    )
}

/// What is known of an old revision's worth.
pub(in crate::platform::kubernetes) fn track_record(
    set: &ReplicaSet,
    store_saw: bool,
    rolling_new: bool,
) -> domain::TrackRecord {
    let (wanted, _, available) = sizes(set);
    if store_saw || (wanted > 0 && available >= wanted && !rolling_new) {
        domain::TrackRecord::Served
    } else if rolling_new {
        domain::TrackRecord::Unfinished
    } else {
        domain::TrackRecord::Unknown
    }
}
