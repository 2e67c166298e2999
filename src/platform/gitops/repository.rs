//! What is known of a repository, and how that is kept up to date: where its branches are, what they say, what waits on
//! branches of ours, and what the cluster runs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex as SyncMutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};

use crate::domain::{
    App, AppEvent, AppId, Capabilities, Detail, Fact, Group, History, LogBatch, LogLine, LogQuery,
    Reading, Scope, Secret, Shell, SideName, TargetId, Verb, text::clean,
};
use crate::platform::sync::lock;
use crate::platform::{
    Error, Now,
    gitops::{
        client::{
            flux::Cluster,
            forge::{Forge, OPERATION, Pull},
            mirror::{Mirror, ObjectId, Remote},
        },
        model::{image, places::Sited},
        options::{self, OURS, Push},
        read::{
            apps::{Proposal, Setting, View},
            cluster::Known,
            history::{Commit, FIRST, Past},
            snapshot::{self, Blobs, Entry, Snapshot},
        },
    },
};

/// How many commits that others have put on a branch of ours are looked through for ours.
const ON_TOP: usize = 30;
/// Between two looks at one pull request while nobody operates.
const PULLS: SignedDuration = SignedDuration::from_secs(30);
/// Why nothing is known of what runs.
const NO_CLUSTER: &str =
    "no cluster is known for this repository: name one (cluster = in the configuration)";
/// How many events of an app are shown.
const EVENTS: usize = 60;

/// What is known of a repository, and the ways to it.
pub(super) struct Repository {
    pub(super) target: TargetId,
    /// What it is called.
    pub(super) name: String,
    pub(super) mirror: Mirror,
    pub(super) paths: Vec<String>,
    pub(super) push: Push,
    /// The forge, or why there is none.
    pub(super) forge: Result<Forge, String>,
    pub(super) cluster: Option<Cluster>,
    pub(super) images: Known,
    pub(super) now: Now,
    /// What was read last. Never held while anybody is waited for.
    pub(super) latest: SyncMutex<Latest>,
    /// What a look goes on from; who has it looks.
    pub(super) state: Mutex<State>,
    pub(super) blobs: Mutex<Blobs>,
    /// Whether the forge is to be asked again, since something was sent.
    pub(super) sent: AtomicBool,
}

/// What was told of a branch's pull request, or why nothing was.
pub(super) type Looked = Result<Option<Pull>, String>;

/// What was read last.
#[derive(Default)]
pub(super) struct Latest {
    pub(super) view: Arc<View>,
    /// When the cluster was read for it.
    pub(super) seen_at: Option<Timestamp>,
    pub(super) pulls: HashMap<String, (Timestamp, Looked)>,
    /// Why the cluster, or the forge, cannot be read.
    pub(super) cluster_problem: Option<String>,
    pub(super) forge_problem: Option<String>,
}

/// What a look goes on from.
#[derive(Default)]
pub(super) struct State {
    pub(super) remote: Option<Remote>,
    /// Commits on branches of ours, by commit.
    pub(super) proposed: HashMap<ObjectId, Option<Commit>>,
    /// Ancestry never changes.
    pub(super) reached: BTreeMap<(String, String), bool>,
    pub(super) checked: bool,
}

impl Repository {
    pub(super) fn setting(&self) -> Setting {
        Setting { target: self.target.clone(), repository: self.name.clone(), now: (self.now)() }
    }

    /// Looks at the cluster, and with `remote` also at where the branches are; says what is known then.
    ///
    /// # Errors
    /// Where git fails; and where the cluster does that was read before.
    pub(super) async fn look(&self, remote: bool) -> Result<Arc<View>, Error> {
        self.look_at(remote, true).await
    }

    /// The same; with `strict` off, a cluster that cannot be read now is as it was seen before: what is down must not
    /// keep a roll back from being planned.
    pub(super) async fn look_at(&self, remote: bool, strict: bool) -> Result<Arc<View>, Error> {
        let mut state = self.state.lock().await;
        if !state.checked {
            self.mirror.check_version().await?;
            state.checked = true;
        }
        let known = state.remote.clone();
        let at = match known {
            Some(known) if !remote => known,
            _ => self.mirror.look(&OURS).await?,
        };
        let known = self.view();
        let mut view = View::clone(&known);
        if known.snapshot.commit != at.head {
            if !self.mirror.has(&at.head).await {
                self.mirror.fetch(&[&at.branch]).await?;
            }
            let mut blobs = self.blobs.lock().await;
            view.snapshot = snapshot::read(&self.mirror, &mut blobs, &at.head).await?;
            let past = if known.past.head.is_empty() {
                Past::load(&self.mirror).unwrap_or_default()
            } else {
                known.past.clone()
            };
            view.past = past.advance(&self.mirror, &mut blobs, &at.head, Some(FIRST)).await?;
            if view.past.complete {
                view.past.save(&self.mirror);
            }
            view.branch.clone_from(&at.branch);
        }
        view.proposals = self.proposals(&mut state, &at).await?;
        let mut seen_at = None;
        if let Some(cluster) = &self.cluster {
            match self.images.look(cluster).await {
                Ok(seen) => {
                    seen_at = Some((self.now)());
                    view.seen = Some(seen.of(&self.mirror.git.remote, &at.branch));
                    lock(&self.latest).cluster_problem = None;
                }
                // What was seen before stays what it was, with its age.
                Err(error) if strict && view.seen.is_some() => return Err(error),
                Err(error) => lock(&self.latest).cluster_problem = Some(error.to_string()),
            }
        }
        self.reach(&mut state, &mut view).await?;
        state.remote = Some(at);
        let view = Arc::new(view);
        let mut latest = lock(&self.latest);
        latest.seen_at = seen_at;
        latest.view = view.clone();
        Ok(view)
    }

    /// What was read last.
    pub(super) fn view(&self) -> Arc<View> {
        lock(&self.latest).view.clone()
    }

    /// What was read within the last minute, else what there is now: which workloads run an app does not change often, and
    /// how they do is asked of the cluster in any case.
    pub(super) async fn lately(&self) -> Result<Arc<View>, Error> {
        const LATELY: SignedDuration = SignedDuration::from_mins(1);
        let (view, seen_at) = {
            let latest = lock(&self.latest);
            (latest.view.clone(), latest.seen_at)
        };
        if seen_at.is_some_and(|at| (self.now)().duration_since(at).abs() < LATELY) {
            return Ok(view);
        }
        self.look(false).await
    }

    /// Reads the history down to its first commit, where that was not done yet.
    pub(super) async fn complete(&self) -> Result<Arc<View>, Error> {
        let view = self.view();
        if view.past.complete || view.snapshot.commit.is_empty() {
            return Ok(view);
        }
        // With blobs of its own, which are forgotten afterwards: there are many.
        let mut blobs = Blobs::new();
        let past = Past::default().advance(&self.mirror, &mut blobs, &view.past.head, None).await?;
        // No look goes on from a view without it.
        let _looking = self.state.lock().await;
        let mut newer = View::clone(&self.view());
        let head = newer.snapshot.commit.clone();
        newer.past = past.advance(&self.mirror, &mut blobs, &head, None).await?;
        newer.past.save(&self.mirror);
        let newer = Arc::new(newer);
        lock(&self.latest).view = newer.clone();
        Ok(newer)
    }

    /// The changes that wait on branches of ours.
    pub(super) async fn proposals(
        &self,
        state: &mut State,
        at: &Remote,
    ) -> Result<Vec<Proposal>, Error> {
        let mut proposals = Vec::new();
        {
            let mut latest = lock(&self.latest);
            latest.forge_problem = None;
            if self.sent.swap(false, Ordering::AcqRel) {
                latest.pulls.clear();
            }
            latest.pulls.retain(|branch, _| at.ours.iter().any(|(known, _)| known == branch));
        }
        for (branch, head) in &at.ours {
            if !state.proposed.contains_key(head) {
                if !self.mirror.has(head).await {
                    self.mirror.fetch(&[branch]).await?;
                }
                let mut blobs = self.blobs.lock().await;
                let past = Past::default();
                let past = past.advance(&self.mirror, &mut blobs, head, Some(ON_TOP)).await;
                drop(blobs);
                // A branch that only has such a name is not ours; what others have put on ours, such as the base's newest
                // commits, does not make it theirs.
                let mut commits = past?.commits.into_iter();
                let commit = commits.find(|commit| commit.body.contains(OPERATION));
                let commit = match commit.as_ref().and_then(|commit| commit.parent.clone()) {
                    Some(parent) if self.mirror.contains(&at.head, &parent).await? => commit,
                    _ => None,
                };
                // One that is on the base already is not what waits here.
                let merged = match &commit {
                    Some(commit) if commit.id != *head => {
                        self.mirror.contains(&at.head, &commit.id).await?
                    }
                    _ => false,
                };
                let commit = commit.filter(|_| !merged);
                state.proposed.insert(head.clone(), commit);
            }
            let Some(Some(commit)) = state.proposed.get(head).cloned() else { continue };
            if self.mirror.has(&at.head).await && self.mirror.contains(&at.head, head).await? {
                continue;
            }
            let now = (self.now)();
            let known = lock(&self.latest).pulls.get(branch).cloned();
            let looked = match (&self.forge, known) {
                (Err(why), _) => Err(why.clone()),
                (Ok(_), Some((at, looked))) if now.duration_since(at).abs() < PULLS => looked,
                (Ok(forge), known) => {
                    // One that is known is asked for by its number: one request.
                    let known = known.and_then(|(_, looked)| looked.ok()?);
                    let known = known.filter(|pull| pull.is_of(head, &commit.body));
                    let told = match known.map(|pull| pull.number) {
                        Some(number) => forge.look(number).await.map(Some),
                        None => forge.find(branch, head, &commit.body).await,
                    };
                    let looked = told.map_err(|error| error.to_string());
                    lock(&self.latest).pulls.insert(branch.clone(), (now, looked.clone()));
                    looked
                }
            };
            // git goes on without the forge.
            let (pull, unseen) = match looked {
                Ok(pull) => (pull, None),
                Err(why) => (None, Some(why)),
            };
            if self.forge.is_ok() && unseen.is_some() {
                lock(&self.latest).forge_problem.clone_from(&unseen);
            }
            // Closed, or merged in another shape: it does not wait any more.
            if pull.as_ref().is_none_or(|pull| pull.open) {
                let (branch, head) = (branch.clone(), head.clone());
                proposals.push(Proposal { branch, head, commit, pull, unseen });
            }
        }
        Ok(proposals)
    }

    /// Finds out which of the newest changes the commits that Flux names hold.
    pub(super) async fn reach(&self, state: &mut State, view: &mut View) -> Result<(), Error> {
        let Some(seen) = &view.seen else { return Ok(()) };
        let mut at: Vec<String> =
            seen.sources.iter().filter_map(|one| one.fetched.clone()).collect();
        at.extend(
            seen.kustomizations
                .iter()
                .flat_map(|one| [one.attempted.clone(), one.applied.clone()])
                .flatten(),
        );
        at.sort();
        at.dedup();
        let mut wanted: Vec<String> =
            view.proposals.iter().map(|one| one.commit.id.clone()).collect();
        for entry in &view.snapshot.entries {
            let entry_state = view.entry_state(entry);
            let moves = entry_state.workloads.iter().any(|one| one.app.rollout.is_some());
            let behind =
                entry_state.serving.as_ref().is_some_and(|serving| *serving != entry_state.wanted);
            if (moves || behind)
                && let Some((commit, _)) = entry_state.revisions.first()
            {
                wanted.push(commit.id.clone());
            }
        }
        for at in at {
            for commit in &wanted {
                let key = (at.clone(), commit.clone());
                if state.reached.contains_key(&key) {
                    continue;
                }
                if !self.mirror.has(&at).await {
                    continue;
                }
                let holds = self.mirror.contains(&at, commit).await.unwrap_or(false);
                state.reached.insert(key, holds);
            }
        }
        view.reached.clone_from(&state.reached);
        Ok(())
    }

    /// Why the cluster, and why the forge, cannot be read.
    pub(super) fn problems(&self) -> (Option<String>, Option<String>) {
        let latest = lock(&self.latest);
        (latest.cluster_problem.clone(), latest.forge_problem.clone())
    }

    /// What of the repository, its cluster and its forge is not seen.
    pub(super) fn unseen(&self) -> Vec<String> {
        let state = lock(&self.latest);
        let mut unseen =
            state.view.seen.as_ref().map(|seen| seen.hidden.clone()).unwrap_or_default();
        unseen.extend(state.cluster_problem.as_ref().map(|why| format!("the cluster ({why})")));
        unseen.extend(state.forge_problem.as_ref().map(|why| format!("pull requests ({why})")));
        if let Some(((file, why), more)) = state.view.snapshot.unreadable.split_first() {
            let more =
                if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            unseen.push(clean(&format!("{file}{more} ({why})")));
        }
        unseen
    }

    /// Has the next look ask the forge again: something was sent.
    pub(super) fn forget_looks(&self) {
        self.sent.store(true, Ordering::Release);
    }

    /// The app of an identifier.
    pub(super) fn entry<'a>(&self, view: &'a View, app: &AppId) -> Result<&'a Entry, Error> {
        view.entry(app.as_str()).ok_or_else(|| Error::NotFound {
            what: format!(
                "{} has no place any more that names the image {}",
                self.name,
                clean(app.as_str())
            ),
        })
    }

    /// What a commit says.
    pub(super) async fn snapshot(&self, commit: &str) -> Result<Snapshot, Error> {
        let mut blobs = self.blobs.lock().await;
        snapshot::read(&self.mirror, &mut blobs, commit).await
    }

    /// The revisions of an app, with what the cluster knows of them.
    pub(super) async fn history(&self, view: &View, entry: &Entry) -> History {
        let mut records = Vec::new();
        if let Some(cluster) = &self.cluster {
            for workload in view.entry_state(entry).workloads {
                records.extend(self.images.records(cluster, &workload.app, &entry.image).await);
            }
        }
        view.history(entry, &records, (self.now)())
    }

    /// What a commit says of an app's places.
    pub(super) async fn detail(&self, app: &AppId, commit: &str) -> Result<Detail, Error> {
        let snapshot = self.snapshot(commit).await?;
        let Some((scope, of)) = app.as_str().split_once('|') else {
            return Err(Error::NotFound {
                what: format!("there is no app {}", clean(app.as_str())),
            });
        };
        let entries = snapshot.entries.iter().filter(|one| one.image == of);
        let alone = entries.clone().count() == 1;
        let places = entries.filter(|one| alone || one.scope == scope).flat_map(|one| &one.places);
        let mut detail = Detail::default();
        for one in places {
            let value = clean(&image::write(of, &one.place.version));
            let key = format!("{} {}", one.file, one.place.path);
            detail.facts.push(Fact {
                group: Group::Artifact,
                key: clean(&key),
                value: Secret::new(value),
                secret: false,
            });
            if let Some(why) = &one.place.fixed {
                detail.hidden.push(clean(&format!("{}: not edited, since {why}", one.file)));
            }
        }
        Ok(detail)
    }

    /// Whether an app is in the directories that are looked at by default.
    pub(super) fn at_home(&self, entry: &Entry) -> bool {
        let within = |file: &str| {
            self.paths.iter().any(|path| {
                path.is_empty() || file == path || file.starts_with(&format!("{path}/"))
            })
        };
        // A line of a base is at home where it is built.
        let at_home = |one: &Sited| within(&one.file) || one.built.iter().any(|of| within(of));
        self.paths.is_empty() || entry.places.iter().any(at_home)
    }

    /// The apps of a scope.
    pub(super) fn within(&self, view: &View, scope: &Scope) -> Vec<App> {
        let setting = self.setting();
        let home = *scope == Scope::Home;
        let entries = view.snapshot.entries.iter().filter(|entry| !home || self.at_home(entry));
        entries.map(|entry| view.app(entry, &setting)).collect()
    }

    /// Reads back what this adapter has put into a plan or a receipt.
    pub(super) fn read_own<T: DeserializeOwned>(
        &self,
        location: &str,
        value: &Value,
    ) -> Result<T, Error> {
        T::deserialize(value).map_err(|error| Error::Garbled {
            api: self.mirror.git.remote.clone(),
            location: location.to_owned(),
            why: error.to_string(),
        })
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        let all = Capabilities::all()
            .without(Verb::Restart, options::RESTART)
            .without(Verb::Scale, options::NUMBER)
            .without(Verb::Stop, options::NUMBER)
            .without(Verb::Start, options::NUMBER)
            .without(Verb::EnableRevisions, options::ENABLE);
        if self.cluster.is_some() {
            return all;
        }
        let why = "this target has no cluster: name one in the configuration";
        all.without(Verb::Pause, why).without(Verb::Reconcile, why)
    }

    /// The same for one app: what cannot be edited is greyed with the reason.
    pub(super) fn allowed(&self, entry: &Entry) -> Capabilities {
        let fixed = entry.lead().and_then(|lead| lead.place.fixed.clone().map(|why| (lead, why)));
        let Some((lead, why)) = fixed else { return self.capabilities() };
        let why = clean(&format!("{} cannot be edited: {why}", lead.file));
        [Verb::RollBack, Verb::Deploy]
            .into_iter()
            .fold(self.capabilities(), |all, verb| all.without(verb, why.clone()))
    }
}

impl Repository {
    /// What happened to an app's workloads, and what its commits did, newest first.
    pub(super) async fn events(&self, view: &View, entry: &Entry) -> Vec<AppEvent> {
        let entry_state = view.entry_state(entry);
        let mut events = Vec::new();
        if let Some(cluster) = &self.cluster {
            for workload in &entry_state.workloads {
                // Where the cluster's cannot be read, the commits are still something.
                events.extend(cluster.platform.events(&workload.app.id).await.unwrap_or_default());
            }
        }
        for (commit, version) in &entry_state.revisions {
            let short = commit.id.get(..7).unwrap_or(&commit.id);
            events.push(AppEvent {
                at: commit.committed,
                who: clean(&commit.author),
                what: clean(&format!("set {} ({short} {})", version.label(), commit.subject)),
                bad: false,
                routine: false,
            });
        }
        events.sort_by_key(|event| std::cmp::Reverse(event.at));
        events.truncate(EVENTS);
        events
    }

    /// The command for a shell in an instance of what runs an image, as its cluster gives it.
    pub(super) async fn shell_in(
        &self,
        view: &View,
        entry: &Entry,
        instance: &str,
    ) -> Result<Shell, Error> {
        let cluster =
            self.cluster.as_ref().ok_or_else(|| Error::Refused { what: NO_CLUSTER.to_owned() })?;
        let what = format!("nothing in the cluster runs {}", clean(entry.id.as_str()));
        let mut told = Err(Error::NotFound { what });
        for workload in &view.entry_state(entry).workloads {
            told = cluster.platform.shell(&workload.app.id, instance).await;
            if told.is_ok() {
                break;
            }
        }
        told
    }

    /// The instances of what runs an image, as its cluster tells them.
    pub(super) async fn reading(&self, view: &View, entry: &Entry) -> Result<Reading, Error> {
        let entry_state = view.entry_state(entry);
        let cluster =
            self.cluster.as_ref().ok_or_else(|| Error::Refused { what: NO_CLUSTER.to_owned() })?;
        let mut whole: Option<Reading> = None;
        for workload in &entry_state.workloads {
            let mut reading = cluster.platform.instances(&workload.app.id).await?;
            // What the cluster rolls may be what this rollout takes back: then nothing of it is there yet.
            let comes = workload.coming(&entry.image);
            let ours = comes.is_some_and(|version| *version == entry_state.wanted);
            for one in &mut reading.instances {
                let version = match one.side {
                    SideName::New => comes,
                    SideName::Old => workload.serving(&entry.image),
                };
                // They are called as on the deck.
                if let (Some(version), Some(revision)) = (version, &mut one.revision) {
                    revision.label = Some(clean(&version.label()));
                }
                if !ours {
                    one.side = SideName::Old;
                }
            }
            match &mut whole {
                None => whole = Some(reading),
                Some(whole) => {
                    whole.instances.extend(reading.instances);
                    whole.unmeasured = whole.unmeasured.take().or(reading.unmeasured);
                }
            }
        }
        whole.ok_or_else(|| Error::NotFound {
            what: format!("nothing in the cluster runs {}", clean(entry.id.as_str())),
        })
    }

    /// Sends what is wanted of the logs of what runs an image, as its cluster tells them.
    pub(super) async fn follow_log(
        &self,
        view: &View,
        entry: &Entry,
        query: &LogQuery,
        lines: mpsc::Sender<LogBatch>,
    ) -> Result<(), Error> {
        let Some(cluster) = &self.cluster else {
            return Err(Error::Refused { what: NO_CLUSTER.to_owned() });
        };
        let entry_state = view.entry_state(entry);
        let all = entry_state.workloads.iter().map(|workload| {
            let (platform, lines) = (cluster.platform.clone(), lines.clone());
            async move { platform.log(&workload.app.id, query, lines).await }
        });
        try_join_all(all).await.map(drop)
    }

    /// The latest log lines of an app's workloads, oldest first.
    pub(super) async fn logs(&self, view: &View, entry: &Entry) -> Result<Vec<LogLine>, Error> {
        let mut lines = Vec::new();
        if let Some(cluster) = &self.cluster {
            for workload in &view.entry_state(entry).workloads {
                lines.extend(cluster.platform.logs(&workload.app.id).await?);
            }
        }
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }
}
