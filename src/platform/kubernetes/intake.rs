//! Taking in what the streams tell.

use std::{collections::HashSet, time::Duration};

use jiff::SignedDuration;

use super::{
    store::{Kind, Kinded},
    stream::Change,
    watch::{Gone, News, Source, Watcher},
    wire::{Pod, ReplicaSet},
};
use crate::{domain::Report, platform::Error};

impl Watcher {
    pub(super) async fn take(&mut self, news: News) -> Result<(), Gone> {
        match news {
            News::Workloads(kind, change) => {
                let source = Source::Workloads(kind);
                match change {
                    Change::All(items) => {
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
                            self.store.workloads.remove(&uid);
                            self.dirty.insert(uid);
                        }
                        for object in items {
                            self.put_workload(Kinded { kind, object });
                        }
                        self.sees(source, true);
                    }
                    Change::Put(object) => {
                        self.put_workload(Kinded { kind, object: *object });
                        self.sees(source, false);
                    }
                    Change::Gone(uid) => {
                        self.store.workloads.remove(&uid);
                        self.dirty.insert(uid);
                        self.sees(source, false);
                    }
                    Change::Alive => self.sees(source, false),
                    Change::Narrowed => self.hide("other namespaces"),
                    Change::Blind(error, wait) => self.blinded(source, error, wait).await?,
                }
            }
            News::Sets(change) => match change {
                Change::All(items) => {
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
                    self.sees(Source::Sets, true);
                }
                Change::Put(set) => {
                    self.put_set(*set);
                    self.sees(Source::Sets, false);
                }
                Change::Gone(uid) => {
                    self.forget_set(&uid);
                    self.sees(Source::Sets, false);
                }
                Change::Alive => self.sees(Source::Sets, false),
                Change::Narrowed => self.hide("other namespaces"),
                Change::Blind(error, wait) => self.blinded(Source::Sets, error, wait).await?,
            },
            News::Pods(workload, change) => self.take_pods(workload, change),
            News::Named(uid) => drop(self.dirty.insert(uid)),
        }
        Ok(())
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
        if let Some(set) = self.store.sets.remove(uid) {
            self.dirty.extend(set.metadata.owner().map(str::to_owned));
        }
    }

    fn take_pods(&mut self, workload: String, change: Change<Pod>) {
        if !self.pods.contains_key(&workload) {
            return;
        }
        match change {
            Change::All(items) => {
                self.drop_pods(&workload);
                for pod in items {
                    self.store.pods.put(pod);
                }
                self.store.with_pods.insert(workload.clone());
            }
            Change::Put(pod) => self.store.pods.put(*pod),
            Change::Gone(uid) => drop(self.store.pods.remove(&uid)),
            Change::Alive | Change::Narrowed => return,
            // The numbers of the ReplicaSets are shown instead.
            Change::Blind(..) => drop(self.store.with_pods.remove(&workload)),
        }
        self.dirty.insert(workload);
    }

    pub(super) fn drop_pods(&mut self, workload: &str) {
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

    fn sees(&mut self, source: Source, all: bool) {
        if self.blind.remove(&source) && self.blind.is_empty() {
            // Whoever was told of the trouble is told of its end, also where nothing has changed.
            self.recovered = true;
        }
        if all {
            self.synced.insert(source);
        }
    }

    async fn blinded(&mut self, source: Source, error: Error, wait: Duration) -> Result<(), Gone> {
        // A login that may not see one kind may see the others.
        if matches!(error, Error::Forbidden { .. }) && source != Source::Workloads(Kind::Deployment)
        {
            self.synced.insert(source);
            self.blind.remove(&source);
            let what = match source {
                Source::Workloads(kind) => kind.plural(),
                Source::Sets => {
                    self.store.no_sets = true;
                    self.dirty.extend(self.store.workloads.uids().cloned());
                    "replicasets"
                }
            };
            self.hide(what);
            return Ok(());
        }
        self.blind.insert(source);
        let at = (self.cluster.now)();
        let span = SignedDuration::try_from(wait).unwrap_or_default();
        let retry_at = at.checked_add(span).unwrap_or(at);
        self.report(Report::Trouble { trouble: error.trouble(), retry_at }).await
    }
}
