//! Reading once: for commands, and for what no watch tells.

use serde::Deserialize;
use serde_json::Value;

use crate::platform::kubernetes::{
    client::stream,
    cluster::Cluster,
    model::store::{Address, Kind, Kinded, OwnRevision, Store},
    model::wire::{self, Controlled, Pod, ReplicaSet, Workload},
    read::{controlled::MARK, events},
};
use crate::platform::sync::lock;
use crate::{
    domain::{App, AppEvent, AppId, RevisionId, RevisionRef, Scope, text::clean},
    platform::Error,
};

/// How many events are read.
const EVENTS: &str = "500";

impl Cluster {
    /// Learns the version of the API.
    pub(in crate::platform::kubernetes) async fn read_version(&self) -> Result<(), Error> {
        let read = self.version.get_or_try_init(|| async {
            let version: Value = self.connection.get("/version", &[]).await?;
            let text = version["gitVersion"].as_str().unwrap_or("v?");
            Ok(clean(text.trim_start_matches('v')))
        });
        read.await.map(drop)
    }

    /// The only namespace of a scope; `None` where it has all of them.
    pub(in crate::platform::kubernetes) fn within(&self, scope: &Scope) -> Option<&str> {
        let home = *scope == Scope::Home && !self.connection.everywhere;
        home.then_some(self.connection.namespace.as_str())
    }

    pub(in crate::platform::kubernetes) async fn all<T: serde::de::DeserializeOwned>(
        &self,
        plural: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<T>, Error> {
        self.all_of("/apis/apps/v1", plural, namespace, selector).await
    }

    async fn all_of<T: serde::de::DeserializeOwned>(
        &self,
        root: &str,
        plural: &str,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<T>, Error> {
        let place =
            namespace.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
        Ok(stream::list(self, &format!("{root}{place}/{plural}"), selector).await?.0)
    }

    /// Workloads and ReplicaSets of a scope. Kinds that the login may not see are left out.
    async fn load(&self, namespace: Option<&str>) -> Result<Store, Error> {
        lock(&self.unseen).clear();
        let optional = async |kind: Kind| {
            let read = self.all_of::<Workload>(kind.root(), kind.plural(), namespace, "").await;
            match read {
                Err(Error::NotFound { .. }) if kind == Kind::Rollout => Ok(Vec::new()),
                // A kind that the login may not see, or that its API cannot serve, hides only itself.
                Err(Error::Forbidden { .. }) if kind != Kind::Deployment => {
                    lock(&self.unseen).insert(kind.plural().to_owned());
                    Ok(Vec::new())
                }
                Err(why @ (Error::Api { .. } | Error::Garbled { .. }))
                    if kind != Kind::Deployment =>
                {
                    lock(&self.unseen).insert(format!("{} ({why})", kind.plural()));
                    Ok(Vec::new())
                }
                other => other,
            }
        };
        let seen_sets = async {
            match self.all::<ReplicaSet>("replicasets", namespace, "").await {
                Err(Error::Forbidden { .. }) => {
                    lock(&self.unseen).insert("replicasets".to_owned());
                    Ok(None)
                }
                other => other.map(Some),
            }
        };
        let (deployments, stateful, daemons, rollouts, sets) = tokio::try_join!(
            optional(Kind::Deployment),
            optional(Kind::StatefulSet),
            optional(Kind::DaemonSet),
            optional(Kind::Rollout),
            seen_sets,
        )?;
        let mut store = Store::default();
        for (kind, objects) in [
            (Kind::Deployment, deployments),
            (Kind::StatefulSet, stateful),
            (Kind::DaemonSet, daemons),
            (Kind::Rollout, rollouts),
        ] {
            for object in objects {
                let uid = object.metadata.uid.clone();
                let kinded = Kinded { kind, object };
                self.learn(&uid, kinded.address());
                store.workloads.put(kinded);
            }
        }
        store.no_sets = sets.is_none();
        store.sets.put_all(sets.unwrap_or_default());
        Ok(store)
    }

    /// The same; where all namespaces are asked for and may not be seen, that of the context.
    async fn load_or_home(&self, namespace: Option<&str>) -> Result<Store, Error> {
        match self.load(namespace).await {
            Err(Error::Forbidden { .. }) if namespace.is_none() => {
                let home = &self.connection.namespace;
                let store = self.load(Some(home)).await?;
                lock(&self.unseen).insert(format!("other namespaces than {home}"));
                Ok(store)
            }
            other => other,
        }
    }

    /// Adds the Pods of a workload to a store.
    async fn load_pods(&self, store: &mut Store, uid: &str) -> Result<(), Error> {
        let Some(workload) = store.workloads.get(uid) else { return Ok(()) };
        let selector =
            workload.object.spec.as_ref().map(|spec| spec.selector.query()).unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/pods", workload.object.metadata.namespace);
        let (pods, _) = stream::list::<Pod>(self, &path, &selector).await?;
        store.pods.put_all(pods);
        store.with_pods.insert(uid.to_owned());
        Ok(())
    }

    /// One workload with what belongs to it.
    pub(in crate::platform::kubernetes) async fn load_one(
        &self,
        app: &AppId,
    ) -> Result<Store, Error> {
        let address = self.address(app)?;
        let object: Workload = self.connection.get(&address.path(), &[]).await?;
        let selector = object.spec.as_ref().map(|spec| spec.selector.query()).unwrap_or_default();
        let uid = object.metadata.uid.clone();
        let mut store = Store::default();
        store.workloads.put(Kinded { kind: address.kind, object });
        if address.kind.has_sets() {
            match self.all::<ReplicaSet>("replicasets", Some(&address.namespace), &selector).await {
                Ok(sets) => store.sets.put_all(sets),
                Err(Error::Forbidden { .. }) => store.no_sets = true,
                Err(error) => return Err(error),
            }
        }
        self.load_pods(&mut store, &uid).await?;
        self.load_own(&mut store).await;
        Ok(store)
    }

    fn apps_of(&self, store: &Store) -> Vec<App> {
        let now = (self.now)();
        store.workloads.uids().filter_map(|uid| store.app(&self.target, uid, now)).collect()
    }

    pub(in crate::platform::kubernetes) async fn list(
        &self,
        scope: &Scope,
    ) -> Result<Vec<App>, Error> {
        let mut store = self.load_or_home(self.within(scope)).await?;
        let rolling: Vec<_> =
            self.apps_of(&store).into_iter().filter(|app| app.rollout.is_some()).collect();
        for app in rolling {
            self.load_pods(&mut store, app.id.as_str()).await?;
        }
        self.load_own(&mut store).await;
        let mut apps = self.apps_of(&store);
        self.label(&mut apps).await;
        apps.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(apps)
    }

    /// Adds the revisions of the DaemonSets of a store.
    async fn load_own(&self, store: &mut Store) {
        let all = store.workloads.uids().filter_map(|uid| store.workloads.get(uid));
        let daemons: Vec<_> = all.filter(|one| one.kind == Kind::DaemonSet).cloned().collect();
        for workload in daemons {
            if let Some(own) = self.read_own_of(&workload).await {
                store.own.insert(workload.object.metadata.uid.clone(), own);
            }
        }
    }

    /// Gives revisions of StatefulSets their numbers.
    async fn label(&self, apps: &mut [App]) {
        for app in
            apps.iter_mut().filter(|app| app.deployed.as_ref().is_some_and(|of| of.label.is_none()))
        {
            let Ok(all) = self.controlled(&app.id).await else { continue };
            let label = |id: &RevisionId| {
                all.iter()
                    .find(|one| one.metadata.name == id.as_str())
                    .map(|one| one.revision.to_string())
            };
            if let Some(of) = &mut app.deployed {
                of.label = label(&of.id);
            }
            if let Some(rollout) = &mut app.rollout {
                for of in rollout.from.iter_mut().chain(&mut rollout.to) {
                    of.label = label(&of.id);
                }
            }
        }
    }

    pub(in crate::platform::kubernetes) async fn find(&self, name: &str) -> Result<App, Error> {
        let (namespace, bare) = match name.rsplit_once('/') {
            Some((namespace, bare)) => {
                (Some(namespace.rsplit('/').next().unwrap_or(namespace)), bare)
            }
            None => (None, name),
        };
        let is_uid = name.len() == 36
            && name.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-');
        let known = is_uid.then(|| self.address(&AppId::new(name)).ok()).flatten();
        let place = match (&known, namespace) {
            (Some(address), _) => Some(address.namespace.clone()),
            (None, _) if is_uid => None,
            (None, Some(namespace)) => Some(namespace.to_owned()),
            (None, None) => self.within(&Scope::Home).map(str::to_owned),
        };
        let mut store = self.load_or_home(place.as_deref()).await?;
        let named = |app: &App| if is_uid { app.id.as_str() == name } else { app.name == bare };
        let mut found: Vec<_> = self.apps_of(&store).into_iter().filter(named).collect();
        if found.len() > 1 {
            return Err(Error::NotFound {
                what: format!(
                    "{:?} names several workloads: say NAMESPACE/APP, or its UID",
                    clean(name)
                ),
            });
        }
        let Some(app) = found.pop() else {
            let place = self.scope_label(place.as_deref());
            return Err(Error::NotFound {
                what: format!(
                    "there is no app {:?} in {place}; `revdeck apps` lists them, NAMESPACE/APP names one elsewhere",
                    clean(name)
                ),
            });
        };
        self.load_pods(&mut store, app.id.as_str()).await?;
        let found = store.workloads.get(app.id.as_str()).cloned();
        if let Some(daemon) = found.filter(|one| one.kind == Kind::DaemonSet)
            && let Some(own) = self.read_own_of(&daemon).await
        {
            store.own.insert(app.id.to_string(), own);
        }
        let mut apps: Vec<_> =
            store.app(&self.target, app.id.as_str(), (self.now)()).into_iter().collect();
        self.label(&mut apps).await;
        apps.pop().ok_or_else(|| Error::NotFound { what: format!("{} is gone", app.name) })
    }

    /// The workload as it is on the server, with all its fields.
    pub(in crate::platform::kubernetes) async fn whole(
        &self,
        address: &Address,
    ) -> Result<Value, Error> {
        self.connection.get(&address.path(), &[]).await
    }

    /// The ReplicaSets of a Deployment, with all their fields.
    pub(in crate::platform::kubernetes) async fn whole_sets(
        &self,
        address: &Address,
        workload: &Value,
    ) -> Result<Vec<Value>, Error> {
        let selector = wire::Selector::deserialize(&workload["spec"]["selector"]);
        let selector = selector.unwrap_or_default().query();
        let sets: Vec<Value> = self.all("replicasets", Some(&address.namespace), &selector).await?;
        let uid = &workload["metadata"]["uid"];
        let own = |set: &Value| {
            let owners = set["metadata"]["ownerReferences"].as_array();
            owners
                .into_iter()
                .flatten()
                .any(|owner| owner["controller"] == true && owner["uid"] == *uid)
        };
        Ok(sets.into_iter().filter(own).collect())
    }

    /// Reads the revisions of a DaemonSet, newest first.
    pub(in crate::platform::kubernetes) async fn read_own_of(
        &self,
        workload: &Kinded,
    ) -> Option<Vec<OwnRevision>> {
        let metadata = &workload.object.metadata;
        let all = self.controlled(&AppId::new(&metadata.uid)).await.ok()?;
        let own = all.iter().map(|one| {
            let mark = one.metadata.labels.get(MARK).cloned();
            let bare = || one.metadata.name.strip_prefix(&format!("{}-", metadata.name));
            OwnRevision {
                reference: RevisionRef {
                    id: RevisionId::new(&one.metadata.name),
                    label: Some(one.revision.to_string()),
                },
                mark: mark.or_else(|| bare().map(str::to_owned)).unwrap_or_default(),
            }
        });
        let own: Vec<_> = own.collect();
        let status = workload.object.status.as_ref();
        // Before, its newest revision may not have been made yet.
        if status.is_some_and(|status| status.observed_generation >= metadata.generation) {
            let key = (metadata.uid.clone(), metadata.generation);
            lock(&self.own).insert(key, own.clone());
        }
        (!own.is_empty()).then_some(own)
    }

    /// The ControllerRevisions of a StatefulSet or DaemonSet, the newest first.
    pub(in crate::platform::kubernetes) async fn controlled(
        &self,
        app: &AppId,
    ) -> Result<Vec<Controlled>, Error> {
        let address = self.address(app)?;
        let all: Vec<Controlled> =
            self.all("controllerrevisions", Some(&address.namespace), "").await?;
        let mut own: Vec<_> =
            all.into_iter().filter(|one| one.metadata.owner() == Some(app.as_str())).collect();
        own.sort_by_key(|one| std::cmp::Reverse(one.revision));
        let numbers = own.iter().map(|one| (one.metadata.name.clone(), one.revision.to_string()));
        lock(&self.labels).extend(numbers);
        Ok(own)
    }

    /// Events of a workload and all that belongs to it, newest first.
    pub(in crate::platform::kubernetes) async fn app_events(
        &self,
        app: &AppId,
    ) -> Result<Vec<AppEvent>, Error> {
        let address = self.address(app)?;
        let path = format!("/api/v1/namespaces/{}/events", address.namespace);
        let some = async |selector: &str| {
            let query = [("limit", EVENTS), ("fieldSelector", selector)];
            self.connection.get::<wire::List<wire::Event>>(&path, &query).await
        };
        let mut found = some("").await?;
        if found.metadata.next.as_ref().is_some_and(|next| !next.is_empty()) {
            // There are more than one cares to read: those that matter are asked for.
            let own = format!("involvedObject.uid={app}");
            let (own, bad) = tokio::try_join!(some(&own), some("type=Warning"))?;
            found.items.extend(own.items.into_iter().chain(bad.items));
        }
        let mut read = std::collections::HashSet::new();
        found.items.retain(|event| {
            events::concerns(event, &address, app.as_str())
                && read.insert(event.metadata.uid.clone())
        });
        Ok(events::told(found.items, &address.name))
    }
}
