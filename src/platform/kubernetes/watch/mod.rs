//! Watching: a handful of open watches, no polling, and only what has changed travels on.

mod ingest;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::SignedDuration;
use tokio::{
    sync::{mpsc, watch as channel},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::domain::{App, AppId, History, Interest, Report, Scope, Status};
use crate::platform::feed::{DetailState, Feed, Gone, crash_lines};
use crate::platform::kubernetes::{
    client::stream::{self, WatchUpdate, Watched},
    cluster::Cluster,
    model::rows::RowsAsked,
    model::store::{Kind, Store},
    model::wire::{Pod, ReplicaSet, Workload},
};
use crate::platform::sync::lock;

/// How often what stands still is judged anew, and the connection vouched for.
const JUDGE: Duration = Duration::from_secs(15);
/// How long data stays fresh: bookmarks come every minute.
const FRESH: SignedDuration = SignedDuration::from_secs(75);
/// Of how many rolling workloads the Pods are watched, besides those of the selected one.
const ROLLING: usize = 6;
/// How many changes are taken in before they are told on.
const BATCH: usize = 4_000;

/// What one of the streams says.
pub(in crate::platform::kubernetes) enum StreamMessage {
    Workloads(Kind, WatchUpdate<Workload>),
    Sets(WatchUpdate<ReplicaSet>),
    Pods(String, WatchUpdate<Pod>),
    /// The revisions of this workload have their numbers now.
    Named(String),
}

/// What a stream is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::platform::kubernetes) enum StreamKind {
    Workloads(Kind),
    Sets,
}

impl StreamKind {
    /// Its name in the API.
    pub(in crate::platform::kubernetes) fn plural(self) -> &'static str {
        match self {
            Self::Workloads(kind) => kind.plural(),
            Self::Sets => "replicasets",
        }
    }
}

/// Watches until nobody listens.
pub(in crate::platform::kubernetes) async fn run(
    cluster: &Arc<Cluster>,
    mut interest: channel::Receiver<Interest>,
    reports: mpsc::Sender<Report>,
) {
    let mut first = true;
    loop {
        let scope = interest.borrow_and_update().scope.clone();
        let mut watcher = Watcher::new(cluster, reports.clone(), scope);
        if !first && watcher.feed.reset().await.is_err() {
            return;
        }
        first = false;
        match watcher.run(&mut interest).await {
            Ok(()) => {}
            Err(Gone) => return,
        }
    }
}

pub(in crate::platform::kubernetes) struct Watcher {
    pub(in crate::platform::kubernetes) cluster: Arc<Cluster>,
    pub(in crate::platform::kubernetes) feed: Feed,
    pub(in crate::platform::kubernetes) scope: Scope,
    pub(in crate::platform::kubernetes) store: Store,
    /// Which streams have told all there is, or cannot.
    pub(in crate::platform::kubernetes) synced: BTreeSet<StreamKind>,
    pub(in crate::platform::kubernetes) blind: BTreeSet<StreamKind>,
    /// What the login may not see.
    pub(in crate::platform::kubernetes) hidden: BTreeSet<String>,
    pub(in crate::platform::kubernetes) recovered: bool,
    pub(in crate::platform::kubernetes) dirty: HashSet<String>,
    pub(in crate::platform::kubernetes) focus: Option<AppId>,
    pub(in crate::platform::kubernetes) history: Option<(AppId, History)>,
    /// For which state of which app events were read.
    pub(in crate::platform::kubernetes) told: Option<DetailState>,
    pub(in crate::platform::kubernetes) looked_up: HashSet<String>,
    pub(in crate::platform::kubernetes) nudge: u64,
    pub(in crate::platform::kubernetes) streams: JoinSet<()>,
    pub(in crate::platform::kubernetes) pods: HashMap<String, tokio::task::AbortHandle>,
    pub(in crate::platform::kubernetes) messages:
        (mpsc::Sender<StreamMessage>, mpsc::Receiver<StreamMessage>),
    pub(in crate::platform::kubernetes) nudger: channel::Sender<u64>,
    /// Who asks for the instances of what is watched.
    asked: mpsc::Receiver<RowsAsked>,
}

impl Watcher {
    fn new(cluster: &Arc<Cluster>, reports: mpsc::Sender<Report>, scope: Scope) -> Self {
        let (asks, asked) = mpsc::channel(4);
        *lock(&cluster.watcher) = Some(asks);
        Self {
            cluster: cluster.clone(),
            feed: Feed::new(reports),
            scope,
            store: Store::default(),
            synced: BTreeSet::new(),
            blind: BTreeSet::new(),
            hidden: BTreeSet::new(),
            recovered: false,
            dirty: HashSet::new(),
            focus: None,
            history: None,
            told: None,
            looked_up: HashSet::new(),
            nudge: 0,
            streams: JoinSet::new(),
            pods: HashMap::new(),
            messages: mpsc::channel(256),
            nudger: channel::channel(0).0,
            asked,
        }
    }

    fn namespace(&self) -> Option<String> {
        self.cluster.within(&self.scope).map(str::to_owned)
    }

    fn watched(&self, root: &'static str, plural: &'static str) -> Watched {
        let home = self.cluster.connection.namespace.clone();
        Watched {
            root,
            plural,
            namespace: self.namespace(),
            home,
            selector: String::new(),
            optional: false,
        }
    }

    fn start(&mut self) {
        for kind in Kind::ALL {
            let (cluster, message, nudge) =
                (self.cluster.clone(), self.messages.0.clone(), self.nudger.subscribe());
            let watched = Watched {
                optional: kind == Kind::Rollout,
                ..self.watched(kind.root(), kind.plural())
            };
            self.streams.spawn(async move {
                let wrap = |change: WatchUpdate<Workload>| StreamMessage::Workloads(kind, change);
                stream::follow(&cluster, watched, wrap, message, nudge).await;
            });
        }
        let (cluster, message, nudge) =
            (self.cluster.clone(), self.messages.0.clone(), self.nudger.subscribe());
        let watched = self.watched("/apis/apps/v1", "replicasets");
        self.streams.spawn(async move {
            stream::follow(&cluster, watched, StreamMessage::Sets, message, nudge).await;
        });
    }

    /// Runs until the scope changes.
    async fn run(&mut self, interest: &mut channel::Receiver<Interest>) -> Result<(), Gone> {
        self.start();
        self.nudge = interest.borrow().nudge;
        let mut judge = now() + JUDGE;
        loop {
            let mut asked = false;
            tokio::select! {
                biased;
                changed = interest.changed() => {
                    changed.map_err(|_| Gone)?;
                    let wanted = interest.borrow_and_update().clone();
                    if wanted.scope != self.scope {
                        return Ok(());
                    }
                    if wanted.nudge != self.nudge {
                        self.nudge = wanted.nudge;
                        self.nudger.send_replace(wanted.nudge);
                        self.cluster.ask_rights_anew();
                        self.told = None;
                        asked = true;
                    }
                    if wanted.focus != self.focus {
                        self.focus = wanted.focus;
                        self.history = None;
                        self.told = None;
                    }
                }
                message = self.messages.1.recv() => {
                    let Some(message) = message else { return Err(Gone) };
                    self.apply(message).await?;
                    for _ in 0..BATCH {
                        let Ok(message) = self.messages.1.try_recv() else { break };
                        self.apply(message).await?;
                    }
                }
                () = sleep_until(judge) => {
                    judge = now() + JUDGE;
                    asked = true;
                    let rolling = self.feed.apps().filter(|app| app.rollout.is_some() || app.serving.is_some());
                    self.dirty.extend(rolling.map(|app| app.id.as_str().to_owned()));
                }
                Some(RowsAsked { app, answer }) = self.asked.recv() => {
                    let now = (self.cluster.now)();
                    // Whoever asked may have gone.
                    let _ = answer.send(self.store.rows(&self.cluster.target, app.as_str(), now));
                    continue;
                }
                () = self.feed.closed() => return Err(Gone),
            }
            // Before all is known once, an app would be shown without its revisions.
            if self.synced.len() == Kind::ALL.len() + 1 {
                let asked = asked || std::mem::take(&mut self.recovered);
                self.emit(asked).await?;
                self.look_at_pods();
                self.report_focus().await?;
            }
        }
    }

    /// Reports what has changed, and nothing where nothing has, unless that is asked for.
    async fn emit(&mut self, asked: bool) -> Result<(), Gone> {
        if !self.blind.is_empty() {
            // What cannot be read now may contradict what can: what has changed is told when all is seen again.
            return Ok(());
        }
        let at = (self.cluster.now)();
        let (mut apps, mut gone) = (Vec::new(), Vec::new());
        // There may be no apps at all, and whoever waits is told so.
        let always = asked || self.feed.is_empty();
        for uid in std::mem::take(&mut self.dirty) {
            self.find_own(&uid);
            match self.store.app(&self.cluster.target, &uid, at) {
                None => gone.push(AppId::new(uid)),
                Some(mut app) => {
                    self.name(&mut app);
                    self.remember(&uid, &app, at);
                    apps.push(app);
                }
            }
        }
        self.feed.tell(apps, gone, at, FRESH, always).await?;
        // The rows come first: whoever waits, waits for them.
        let status = Status {
            api_version: self.cluster.version(),
            requests_left: None,
            scope_label: Some(self.cluster.scope_label(self.namespace().as_deref())),
            watched: true,
            hidden: self.hidden.iter().cloned().collect(),
        };
        self.feed.status(status).await
    }

    /// Finds the revisions of a DaemonSet; what is not known is looked up once.
    fn find_own(&mut self, uid: &str) {
        let workload = self.store.workloads.get(uid).filter(|one| one.kind == Kind::DaemonSet);
        let Some(workload) = workload else { return };
        if let Some(own) = self.cluster.own_of(workload) {
            self.store.own.insert(uid.to_owned(), own);
            return;
        }
        let metadata = &workload.object.metadata;
        let status = workload.object.status.as_ref();
        let observed =
            status.is_some_and(|status| status.observed_generation >= metadata.generation);
        if observed && self.looked_up.insert(format!("{uid}/{}", metadata.generation)) {
            let (cluster, message) = (self.cluster.clone(), self.messages.0.clone());
            let (workload, uid) = (workload.clone(), uid.to_owned());
            self.streams.spawn(async move {
                if cluster.read_own_of(&workload).await.is_some() {
                    let _ = message.send(StreamMessage::Named(uid)).await;
                }
            });
        }
    }

    /// Gives revisions of StatefulSets their numbers; what is not known is looked up once.
    fn name(&mut self, app: &mut App) {
        let mut unknown = false;
        let rollout =
            app.rollout.iter_mut().flat_map(|rollout| [&mut rollout.from, &mut rollout.to]);
        for of in rollout.chain([&mut app.deployed]).flatten().filter(|of| of.label.is_none()) {
            of.label = self.cluster.number_of(&of.id);
            unknown |= of.label.is_none() && self.looked_up.insert(of.id.to_string());
        }
        if unknown {
            let (cluster, message, id) =
                (self.cluster.clone(), self.messages.0.clone(), app.id.clone());
            self.streams.spawn(async move {
                if cluster.controlled(&id).await.is_ok() {
                    let _ = message.send(StreamMessage::Named(id.as_str().to_owned())).await;
                }
            });
        }
    }

    /// What was seen is the only record of when a rollout began, and of what was ever well.
    fn remember(&mut self, uid: &str, app: &App, at: jiff::Timestamp) {
        let Some(workload) = self.store.workloads.get(uid) else { return };
        let hash = workload.object.spec.as_ref().map_or(0, |spec| spec.template.hash);
        let key = (uid.to_owned(), hash);
        match &app.rollout {
            Some(rollout) => {
                let turned = |known: &App| {
                    known.rollout.as_ref().is_none_or(|before| before.id != rollout.id)
                };
                if self.feed.app(uid).is_some_and(turned) {
                    self.store.began.insert(key, at);
                }
                if let (Some(_), Some(to)) = (&rollout.stuck, &rollout.to)
                    && !self.store.served.contains(to.id.as_str())
                    && self.store.failed.insert(to.id.as_str().to_owned())
                {
                    self.cluster.sightings.note(to.id.as_str(), false);
                }
                if let Some(from) = &rollout.from {
                    self.store.origins.insert(rollout.id.clone(), from.clone());
                }
            }
            None => {
                self.store.began.retain(|(known, _), _| known != uid);
                let over = self.feed.app(uid).and_then(|known| known.rollout.as_ref());
                if let Some(over) = over {
                    self.store.origins.remove(&over.id);
                }
                if app.state == crate::domain::AppState::Ok {
                    let served = app.deployed.as_ref().map(|of| of.id.as_str());
                    if let Some(served) = served.filter(|id| !self.store.served.contains(*id)) {
                        self.store.served.insert(served.to_owned());
                        self.store.failed.remove(served);
                        self.cluster.sightings.note(served, true);
                    }
                }
            }
        }
    }

    /// Watches the Pods of what is selected and of what rolls, and of nothing else.
    fn look_at_pods(&mut self) {
        let focus = self.focus.as_ref().map(|focus| focus.as_str().to_owned());
        let mut wanted: BTreeSet<String> =
            focus.into_iter().filter(|uid| self.feed.app(uid).is_some()).collect();
        let rolling = self.feed.apps().filter(|app| app.rollout.is_some());
        let mut rolling: Vec<_> = rolling.map(|app| app.id.as_str().to_owned()).collect();
        rolling.sort();
        wanted.extend(rolling.into_iter().take(ROLLING));
        let unwanted: Vec<_> =
            self.pods.keys().filter(|uid| !wanted.contains(*uid)).cloned().collect();
        for uid in unwanted {
            if let Some(stream) = self.pods.remove(&uid) {
                stream.abort();
            }
            self.drop_pods(&uid);
            self.dirty.insert(uid);
        }
        for uid in wanted {
            if self.pods.contains_key(&uid) {
                continue;
            }
            let Some(workload) = self.store.workloads.get(&uid) else { continue };
            let metadata = &workload.object.metadata;
            let selector =
                workload.object.spec.as_ref().map(|spec| spec.selector.query()).unwrap_or_default();
            let watched = Watched {
                root: "/api/v1",
                plural: "pods",
                namespace: Some(metadata.namespace.clone()),
                home: metadata.namespace.clone(),
                selector,
                optional: false,
            };
            let (cluster, message, nudge) =
                (self.cluster.clone(), self.messages.0.clone(), self.nudger.subscribe());
            let own = uid.clone();
            let handle = self.streams.spawn(async move {
                let wrap = |change: WatchUpdate<Pod>| StreamMessage::Pods(own.clone(), change);
                stream::follow(&cluster, watched, wrap, message, nudge).await;
            });
            self.pods.insert(uid, handle);
        }
        while self.streams.try_join_next().is_some() {}
    }

    /// Revisions of the selected app, from what the watches told; events and logs when its state changes.
    async fn report_focus(&mut self) -> Result<(), Gone> {
        let Some(focus) = self.focus.clone() else { return Ok(()) };
        let Some(state) = self.feed.app(focus.as_str()).map(DetailState::of) else { return Ok(()) };
        if let Some(history) = self.store.history(focus.as_str()) {
            let known =
                self.history.as_ref().is_some_and(|(id, known)| *id == focus && *known == history);
            if !known {
                self.history = Some((focus.clone(), history.clone()));
                self.feed.report(Report::History { app: focus.clone(), history }).await?;
            }
        }
        let stuck = state.stuck;
        if self.told.as_ref() == Some(&state) {
            return Ok(());
        }
        self.told = Some(state);
        let (cluster, reports) = (self.cluster.clone(), self.feed.sender());
        let Some(workload) = self.store.workloads.get(focus.as_str()) else { return Ok(()) };
        let (kind, namespace) = (workload.kind, workload.object.metadata.namespace.clone());
        let other = !kind.has_sets();
        self.streams.spawn(async move {
            if let Ok(capabilities) = cluster.allowed(kind, &namespace).await {
                let _ = reports.send(Report::Allowed { app: focus.clone(), capabilities }).await;
            }
            if other && let Ok(history) = cluster.history(&focus).await {
                let _ = reports.send(Report::History { app: focus.clone(), history }).await;
            }
            if let Ok(events) = cluster.app_events(&focus).await {
                let _ = reports.send(Report::Events { app: focus.clone(), events }).await;
            }
            if stuck && let Ok(lines) = cluster.log_lines(&focus, true).await {
                let _ = reports.send(crash_lines(focus, lines)).await;
            }
        });
        Ok(())
    }
}

fn now() -> Instant {
    Instant::now()
}
