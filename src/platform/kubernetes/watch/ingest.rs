//! Taking in what the streams tell.

use std::{collections::HashSet, time::Duration};

use crate::platform::kubernetes::{
    client::stream::WatchUpdate,
    model::store::{Kind, Kinded},
    model::wire::{Pod, ReplicaSet},
    watch::{StreamKind, StreamMessage, Watcher},
};
use crate::platform::{Error, feed::Gone};

/// What is not seen where only the home namespace may be.
const ELSEWHERE: &str = "other namespaces";

impl Watcher {
    pub(in crate::platform::kubernetes) async fn apply(
        &mut self,
        message: StreamMessage,
    ) -> Result<(), Gone> {
        match message {
            StreamMessage::Workloads(kind, change) => {
                let source = StreamKind::Workloads(kind);
                match change {
                    WatchUpdate::All(items) => {
                        let kept: HashSet<_> =
                            items.iter().map(|one| one.metadata.uid.clone()).collect();
                        let of_kind = |uid: &&String| {
                            self.store.workloads.get(uid).is_some_and(|one| one.kind == kind)
                        };
                        let gone: Vec<_> = self
                            .store
                            .workloads
                            .uids()
                            .filter(of_kind)
                            .filter(|uid| !kept.contains(*uid))
                            .cloned()
                            .collect();
                        for uid in gone {
                            self.forget_workload(uid);
                        }
                        for object in items {
                            self.put_workload(Kinded { kind, object });
                        }
                        self.sees(source, true);
                    }
                    WatchUpdate::Put(object) => {
                        self.put_workload(Kinded { kind, object: *object });
                        self.sees(source, false);
                    }
                    WatchUpdate::Gone(uid) => {
                        self.forget_workload(uid);
                        self.sees(source, false);
                    }
                    WatchUpdate::Alive => self.sees(source, false),
                    WatchUpdate::Narrowed => self.hide(ELSEWHERE),
                    WatchUpdate::Widened => self.reveal(ELSEWHERE),
                    WatchUpdate::Blind(error, wait) => self.blinded(source, error, wait).await?,
                }
            }
            StreamMessage::Sets(change) => match change {
                WatchUpdate::All(items) => {
                    let kept: HashSet<_> =
                        items.iter().map(|one| one.metadata.uid.clone()).collect();
                    let gone: Vec<_> = self
                        .store
                        .sets
                        .uids()
                        .filter(|uid| !kept.contains(*uid))
                        .cloned()
                        .collect();
                    for uid in gone {
                        self.forget_set(&uid);
                    }
                    for set in items {
                        self.put_set(set);
                    }
                    self.sees(StreamKind::Sets, true);
                }
                WatchUpdate::Put(set) => {
                    self.put_set(*set);
                    self.sees(StreamKind::Sets, false);
                }
                WatchUpdate::Gone(uid) => {
                    self.forget_set(&uid);
                    self.sees(StreamKind::Sets, false);
                }
                WatchUpdate::Alive => self.sees(StreamKind::Sets, false),
                WatchUpdate::Narrowed => self.hide(ELSEWHERE),
                WatchUpdate::Widened => self.reveal(ELSEWHERE),
                WatchUpdate::Blind(error, wait) => {
                    self.blinded(StreamKind::Sets, error, wait).await?;
                }
            },
            StreamMessage::Pods(workload, change) => self.take_pods(workload, change),
            StreamMessage::Named(uid) => drop(self.dirty.insert(uid)),
        }
        Ok(())
    }

    fn forget_workload(&mut self, uid: String) {
        self.store.workloads.remove(&uid);
        self.store.own.remove(&uid);
        self.cluster.forget(&uid);
        self.dirty.insert(uid);
    }

    fn put_workload(&mut self, workload: Kinded) {
        let uid = workload.object.metadata.uid.clone();
        self.cluster.learn(&uid, workload.address());
        self.store.workloads.put(workload);
        self.dirty.insert(uid);
    }

    fn put_set(&mut self, set: ReplicaSet) {
        self.dirty.extend(set.metadata.owner().map(str::to_owned));
        self.store.sets.put(set);
    }

    fn forget_set(&mut self, uid: &str) {
        self.store.served.remove(uid);
        self.store.failed.remove(uid);
        self.cluster.forget_revision(uid);
        if let Some(set) = self.store.sets.remove(uid) {
            self.dirty.extend(set.metadata.owner().map(str::to_owned));
        }
    }

    fn take_pods(&mut self, workload: String, change: WatchUpdate<Pod>) {
        if !self.pods.contains_key(&workload) {
            return;
        }
        match change {
            WatchUpdate::All(items) => {
                self.drop_pods(&workload);
                for pod in items {
                    self.store.pods.put(pod);
                }
                self.store.with_pods.insert(workload.clone());
            }
            WatchUpdate::Put(pod) => self.store.pods.put(*pod),
            WatchUpdate::Gone(uid) => drop(self.store.pods.remove(&uid)),
            WatchUpdate::Alive | WatchUpdate::Narrowed | WatchUpdate::Widened => return,
            // The numbers of the ReplicaSets are shown instead.
            WatchUpdate::Blind(..) => drop(self.store.with_pods.remove(&workload)),
        }
        self.dirty.insert(workload);
    }

    pub(in crate::platform::kubernetes) fn drop_pods(&mut self, workload: &str) {
        let mut owners: Vec<_> =
            self.store.sets.owned(workload).iter().map(|set| set.metadata.uid.clone()).collect();
        owners.push(workload.to_owned());
        for owner in owners {
            let uids: Vec<_> =
                self.store.pods.owned(&owner).iter().map(|pod| pod.metadata.uid.clone()).collect();
            for uid in uids {
                self.store.pods.remove(&uid);
            }
        }
        self.store.with_pods.remove(workload);
    }

    /// Remembers what the login may not see.
    fn hide(&mut self, what: &str) {
        self.hidden.insert(what.to_owned());
    }

    /// What was hidden can be seen again.
    fn reveal(&mut self, what: &str) {
        self.hidden.remove(what);
    }

    fn sees(&mut self, source: StreamKind, all: bool) {
        // A refusal or a fault that has passed must not narrow the view for good.
        if self.synced.contains(&source) || all {
            self.hidden.remove(source.plural());
        }
        if all && source == StreamKind::Sets && self.store.no_sets {
            self.store.no_sets = false;
            self.dirty.extend(self.store.workloads.uids().cloned());
        }
        if self.blind.remove(&source) && self.blind.is_empty() {
            // Whoever was told of the problem is told of its end, also where nothing has changed.
            self.recovered = true;
        }
        if all {
            self.synced.insert(source);
        }
    }

    async fn blinded(
        &mut self,
        source: StreamKind,
        error: Error,
        wait: Duration,
    ) -> Result<(), Gone> {
        // A login that may not see one kind may see the others, and a kind that its API cannot serve, or that cannot be
        // read, hides only itself.
        let main = matches!(source, StreamKind::Sets | StreamKind::Workloads(Kind::Deployment));
        let alone = match &error {
            Error::Forbidden { .. } => source != StreamKind::Workloads(Kind::Deployment),
            Error::Garbled { .. } | Error::Api { .. } => !main,
            _ => false,
        };
        if alone {
            self.synced.insert(source);
            self.blind.remove(&source);
            if source == StreamKind::Sets {
                self.store.no_sets = true;
                self.dirty.extend(self.store.workloads.uids().cloned());
            }
            self.hide(source.plural());
            return Ok(());
        }
        self.blind.insert(source);
        self.feed.problem(&error, (self.cluster.now)(), wait).await
    }
}
