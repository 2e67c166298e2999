//! Revisions: a Deployment's ReplicaSets, and the ControllerRevisions of the other kinds.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::platform::kubernetes::{
    client::stream,
    cluster::Cluster,
    model::store::{Kind, Kinded, Store},
    model::wire::{self, Pod, ReplicaSet, Workload},
    read::argo,
    read::controlled::{Mix, mix},
    read::convert,
    read::template,
};
use crate::{
    domain::{
        self, AppId, Deployable, Detail, History, Revision, RevisionId, RevisionRef, TrackRecord,
        text::clean,
    },
    platform::Error,
};

impl Cluster {
    pub(in crate::platform::kubernetes) async fn history(
        &self,
        app: &AppId,
    ) -> Result<History, Error> {
        let address = self.address(app)?;
        if !address.kind.has_sets() {
            return self.other_history(app).await;
        }
        let workload: Workload = self.connection.get(&address.path(), &[]).await?;
        let selector = workload.spec.as_ref().map(|spec| spec.selector.query()).unwrap_or_default();
        let sets: Vec<ReplicaSet> =
            self.all("replicasets", Some(&address.namespace), &selector).await?;
        let mut store = Store::default();
        store.workloads.put(Kinded { kind: address.kind, object: workload });
        store.sets.put_all(sets);
        let mut history = store
            .history(app.as_str())
            .ok_or_else(|| Error::NotFound { what: format!("{} is gone", clean(&address.name)) })?;
        for one in &mut history.revisions {
            if one.track_record == TrackRecord::Unknown {
                one.track_record = self.sightings.of(one.id.as_str());
            }
        }
        Ok(history)
    }

    async fn other_history(&self, app: &AppId) -> Result<History, Error> {
        let address = self.address(app)?;
        let object: Workload = self.connection.get(&address.path(), &[]).await?;
        let all = self.controlled(app).await?;
        let mut store = Store::default();
        let selector = object.spec.as_ref().map(|spec| spec.selector.query()).unwrap_or_default();
        let workload = Kinded { kind: address.kind, object };
        store.workloads.put(workload.clone());
        if workload.kind == Kind::DaemonSet
            && let Some(own) = self.read_own_of(&workload).await
        {
            store.own.insert(app.to_string(), own);
        }
        let mixed = mix(&workload) != Mix::None;
        if mixed {
            let path = format!("/api/v1/namespaces/{}/pods", address.namespace);
            let (pods, _) = stream::list::<Pod>(self, &path, &selector).await?;
            store.pods.put_all(pods);
            store.with_pods.insert(app.to_string());
        }
        // During a rollout the newest is on its way, and what the other Pods carry serves.
        let shown = store.controlled(&workload, Store::base(&self.target, &workload), (self.now)());
        let (update, current) = match &shown.rollout {
            Some(rollout) => (rollout.to.clone(), rollout.from.clone()),
            None => (shown.deployed.clone(), shown.deployed),
        };
        let name_of = |of: Option<RevisionRef>| of.map(|of| of.id.to_string()).unwrap_or_default();
        let (update, current) = (name_of(update), name_of(current));
        let revisions = all.iter().map(|one| {
            let template = wire::Template::read(one.data["spec"]["template"].clone());
            let name = &one.metadata.name;
            let incoming = mixed && *name == update && update != current;
            Revision {
                id: RevisionId::new(name),
                label: one.revision.to_string(),
                made_from: None,
                description: convert::images(&template),
                created_at: one.metadata.creation_timestamp,
                by: None,
                deployable: Deployable::Yes,
                deployed: *name == update || *name == current,
                incoming,
                artifact: Some(format!("{:016x}", template.hash)),
                track_record: if incoming {
                    TrackRecord::Unfinished
                } else if *name == current {
                    TrackRecord::Served
                } else {
                    self.sightings.of(name)
                },
                served: None,
                served_until: None,
                note: None,
            }
        });
        Ok(History { revisions: revisions.collect(), remark: None, truncated: false })
    }

    /// The Pod template of a revision.
    pub(in crate::platform::kubernetes) async fn template(
        &self,
        app: &AppId,
        revision: &RevisionId,
    ) -> Result<Value, Error> {
        let address = self.address(app)?;
        let gone = || Error::NotFound {
            what: format!(
                "this revision of {} is gone: it was pruned (revisionHistoryLimit)",
                clean(&address.name)
            ),
        };
        if !address.kind.has_sets() {
            let all = self.controlled(app).await?;
            let one = all
                .into_iter()
                .find(|one| one.metadata.name == revision.as_str())
                .ok_or_else(gone)?;
            return Ok(one.data["spec"]["template"].clone());
        }
        let workload = self.whole(&address).await?;
        let sets = self.whole_sets(&address, &workload).await?;
        let set = sets
            .into_iter()
            .find(|set| set["metadata"]["uid"] == revision.as_str())
            .ok_or_else(gone)?;
        Ok(set["spec"]["template"].clone())
    }

    pub(in crate::platform::kubernetes) async fn configuration(
        &self,
        app: &AppId,
        revision: &RevisionId,
    ) -> Result<Detail, Error> {
        Ok(template::of_template(&self.template(app, revision).await?))
    }
}

impl Store {
    /// The revisions of a Deployment, the newest number first.
    pub(in crate::platform::kubernetes) fn history(&self, uid: &str) -> Option<History> {
        let workload = self.workloads.get(uid)?;
        if !workload.kind.has_sets() {
            return None;
        }
        let mut sets = self.sets.owned(uid);
        sets.sort_by_key(|set| {
            std::cmp::Reverse((convert::number(set), set.metadata.creation_timestamp))
        });
        let sides = convert::sides(workload, &sets);
        let rolling = self
            .app(&domain::TargetId::default(), uid, Timestamp::UNIX_EPOCH)
            .is_some_and(|app| app.rollout.is_some());
        let is = |set: &ReplicaSet, other: Option<&&ReplicaSet>| {
            other.is_some_and(|other| other.metadata.uid == set.metadata.uid)
        };
        let stable = argo::stable(workload, &sets);
        let serving = match workload.kind {
            Kind::Rollout => stable.as_ref(),
            _ if rolling => sides.old.first(),
            _ => sides.new.as_ref(),
        };
        let mut revisions = Vec::new();
        for (index, set) in sets.iter().enumerate() {
            let template = set.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
            let before = sets.get(index + 1);
            let incoming = rolling && is(set, sides.new.as_ref());
            let serves = is(set, serving);
            let manager = workload.object.metadata.manager.as_ref();
            revisions.push(Revision {
                id: RevisionId::new(&set.metadata.uid),
                label: convert::number(set).to_string(),
                made_from: None,
                description: describe(set, &template, before.copied()),
                created_at: set.metadata.creation_timestamp,
                by: manager
                    .filter(|_| is(set, sides.new.as_ref()))
                    .map(|manager| clean(&manager.name)),
                deployable: Deployable::Yes,
                deployed: incoming || serves,
                incoming,
                artifact: Some(format!("{:016x}", template.hash)),
                track_record: convert::track_record(
                    set,
                    self.served.contains(&set.metadata.uid),
                    incoming
                        || left_behind(set, serving.copied())
                        || self.failed.contains(&set.metadata.uid),
                ),
                served: lived(set, &sets),
                served_until: None,
                note: reason(set, template.hash),
            });
        }
        let limit = workload
            .object
            .spec
            .as_ref()
            .and_then(|spec| spec.revision_history_limit)
            .unwrap_or(10);
        let lowest = revisions.last().and_then(|one| one.label.parse::<i64>().ok()).unwrap_or(1);
        let remark = match limit {
            _ if self.no_sets => {
                Some("the login may not list replicasets: revisions are unknown".to_owned())
            }
            0 => Some("revisionHistoryLimit is 0: nothing is kept to go back to".to_owned()),
            limit if lowest > 1 && revisions.len() as i64 > limit => {
                Some(format!("older revisions were pruned (revisionHistoryLimit {limit})"))
            }
            _ => None,
        };
        Some(History { revisions, remark, truncated: false })
    }
}

/// How long a revision was the newest one: until the next ReplicaSet was made.
fn lived(set: &ReplicaSet, all: &[&ReplicaSet]) -> Option<SignedDuration> {
    let born = set.metadata.creation_timestamp?;
    let later = all.iter().filter_map(|one| one.metadata.creation_timestamp);
    let next = later.filter(|at| *at > born).min()?;
    Some(next.duration_since(born))
}

/// Why we made it, where somebody said so: what was inherited is of another template.
fn reason(set: &ReplicaSet, template: u64) -> Option<String> {
    let (hash, reason) = set.metadata.annotations.get(convert::REASON)?.split_once(' ')?;
    (hash == format!("{template:016x}")).then(|| clean(reason))
}

/// Whether somebody went back from this revision: it is younger than what serves, and yet behind it.
fn left_behind(set: &ReplicaSet, serving: Option<&ReplicaSet>) -> bool {
    serving.is_some_and(|serving| {
        set.metadata.creation_timestamp > serving.metadata.creation_timestamp
            && convert::number(set) < convert::number(serving)
    })
}

/// What a revision is, in a line: its image, whether it is only a restart, the number that it had before, and the
/// change-cause where it is its own: it is copied forward and lies.
fn describe(set: &ReplicaSet, template: &wire::Template, before: Option<&ReplicaSet>) -> String {
    let earlier = before.and_then(|set| set.spec.as_ref()).map(|spec| &spec.template);
    let mut text = convert::images(template);
    if earlier.is_some_and(|earlier| {
        earlier.images == template.images && earlier.restarted_at != template.restarted_at
    }) {
        text += ", restart";
    }
    if let Some(history) = convert::numbers_before(set) {
        text += &format!(" (was {})", clean(history).replace(',', ", "));
    }
    let cause = |set: &ReplicaSet| set.metadata.annotations.get(convert::CAUSE).cloned();
    let own = cause(set).filter(|own| before.and_then(cause).as_ref() != Some(own));
    if let Some(own) = own {
        text += &format!(": {}", clean(&own));
    }
    text
}
