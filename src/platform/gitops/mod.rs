//! GitOps: a repository that Flux (or Argo CD) applies. What runs is what a branch says; a roll back is a commit.
//!
//! Facts come from three places. Which versions there were is told by what the commits' diffs do. What runs is told by the
//! cluster, where one is known: `lastAppliedRevision` of a Kustomization lags behind it. What is being changed is told by the
//! branch, by ancestry: it moves on meanwhile. Nothing of kustomize is rendered, neither to plan nor to follow.

mod client;
mod model;
mod operate;
mod plan;
mod provider;
mod read;
mod watch;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    sync::{Mutex, mpsc, watch as channel},
    time::Instant,
};

pub use provider::Provider;

use self::{
    client::{
        flux::Cluster,
        forge::{Forge, Pull},
        mirror::{Mirror, ObjectId, Remote},
    },
    model::image,
    read::{
        apps::{Proposal, Setting, View},
        cluster::Known,
        history::{FIRST, Past},
        snapshot::{self, Blobs, Entry, Snapshot},
    },
};
use super::{
    Error, Now, OpenError, Platform,
    cluster::Connection,
    operation::{Learned, Order, Progress, StepError},
};
use crate::domain::{
    App, AppEvent, AppId, Capabilities, Capability, Detail, Fact, Group, History, Interest,
    LogLine, Observation, Plan, PlatformKind, Receipt, Report, Request, RevisionId, Scope, Secret,
    Step, Target, TargetId, Verb, text::clean,
};

/// What kind of platform this is.
pub const KIND: PlatformKind =
    PlatformKind { name: "gitops", short: "git", options: plan::options::OPTIONS };

/// How the names of our branches begin.
const OURS: [&str; 2] = ["rollback-", "revdeck-"];
/// The trailer by which a commit is known to be ours.
const OPERATION: &str = "Revdeck-Operation: ";
/// For how long a push may still take effect whose client has gone: hooks of servers take their time, and go on.
const LONGEST_PUSH: SignedDuration = SignedDuration::from_mins(15);
/// Between two looks at one pull request while nobody operates.
const PULLS: Duration = Duration::from_secs(30);
/// How many events and log lines of the workloads of one app are shown.
const EVENTS: usize = 60;

/// Where a commit goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Push {
    /// To the branch.
    #[default]
    Direct,
    /// To a branch of its own, for a pull request.
    PullRequest,
}

/// Which repository, and how to reach what belongs to it.
pub struct Options {
    /// An address, or the path of a clone.
    pub repository: String,
    /// The branch that is applied; the remote's own where it is `None`.
    pub branch: Option<String>,
    /// The directories that are looked at by default; all where there is none.
    pub paths: Vec<String>,
    /// Where commits go.
    pub push: Push,
    /// The directory for private copies.
    pub cache: PathBuf,
    /// Variables that git gets besides the program's own.
    pub variables: Vec<(String, String)>,
    /// The longest that git or an answer may take.
    pub timeout: Duration,
    /// Which forge it is, where its API is, what the repository is called there, and a token; none of it where it is not
    /// known.
    pub forge: Option<ForgeOptions>,
    /// The cluster that it is applied to.
    pub cluster: Option<Arc<dyn Platform>>,
    /// How to reach that cluster.
    pub connection: Option<super::cluster::Options>,
}

/// A forge, and a login there.
#[derive(Clone, Debug)]
pub struct ForgeOptions {
    /// `github`, `gitlab`, `gitea` or `forgejo`.
    pub kind: String,
    /// Its API, without a slash at the end.
    pub api: String,
    /// `OWNER/NAME`.
    pub project: String,
    /// The token.
    pub token: secrecy::SecretString,
}

/// A repository, seen with one login. Clones are the same one.
#[derive(Clone)]
pub struct GitOps(Arc<Repository>);

/// What is known of a repository, and the ways to it.
struct Repository {
    target: TargetId,
    /// What it is called.
    name: String,
    mirror: Mirror,
    paths: Vec<String>,
    push: Push,
    /// The forge, or why there is none.
    forge: Result<Forge, String>,
    cluster: Option<Cluster>,
    images: Known,
    now: Now,
    state: Mutex<State>,
    /// Whether the forge is to be asked again, since something was sent.
    sent: AtomicBool,
}

/// What was read last.
#[derive(Default)]
struct State {
    remote: Option<Remote>,
    blobs: Blobs,
    view: Arc<View>,
    pulls: HashMap<String, (Instant, Option<Pull>)>,
    /// Commits on branches of ours, by commit.
    proposed: HashMap<ObjectId, Option<read::history::Commit>>,
    /// Ancestry never changes.
    reached: BTreeMap<(String, String), bool>,
    /// Why the cluster, or the forge, cannot be read.
    trouble: Option<String>,
    forge_trouble: Option<String>,
    checked: bool,
}

impl GitOps {
    /// Prepares the private copy; speaks to nobody yet.
    pub fn open(target: TargetId, options: Options, now: Now) -> Result<Self, OpenError> {
        let mirror = Mirror::open(
            &options.repository,
            options.branch.as_deref(),
            &options.cache,
            options.variables,
            options.timeout,
        )?;
        let name =
            mirror.git.remote.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        let name = clean(name.trim_end_matches(".git"));
        let forge = match options.forge {
            None => Err("no forge is known for this repository".to_owned()),
            Some(forge) => match client::forge::Kind::named(&forge.kind) {
                None => Err(format!(
                    "there is no forge {:?}: github, gitlab, gitea or forgejo",
                    forge.kind
                )),
                Some(kind) => {
                    Forge::open(kind, &forge.api, &forge.project, &forge.token, options.timeout)
                }
            },
        };
        let cluster = match (options.cluster, options.connection) {
            (Some(platform), Some(connection)) => {
                Some(Cluster::new(platform, Connection::open(&connection)?))
            }
            _ => None,
        };
        Ok(Self(Arc::new(Repository {
            target,
            name,
            mirror,
            paths: options.paths,
            push: options.push,
            forge,
            cluster,
            images: Known::default(),
            now,
            state: Mutex::default(),
            sent: AtomicBool::new(false),
        })))
    }
}

impl Repository {
    fn setting(&self) -> Setting {
        Setting { target: self.target.clone(), repository: self.name.clone(), now: (self.now)() }
    }

    /// Looks at the cluster, and with `remote` also at where the branches are; says what is known then.
    ///
    /// # Errors
    /// Where git fails; and where the cluster does that was read before.
    async fn look(&self, remote: bool) -> Result<Arc<View>, Error> {
        self.look_at(remote, true).await
    }

    /// The same; with `strict` off, a cluster that cannot be read now is as it was seen before: what is down must not
    /// keep a roll back from being planned.
    async fn look_at(&self, remote: bool, strict: bool) -> Result<Arc<View>, Error> {
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
        let mut view = View::clone(&state.view);
        if state.view.snapshot.commit != at.head {
            if !self.mirror.has(&at.head).await {
                self.mirror.fetch(&[&at.branch]).await?;
            }
            view.snapshot = snapshot::read(&self.mirror, &mut state.blobs, &at.head).await?;
            let past = if state.view.past.head.is_empty() {
                Past::load(&self.mirror).unwrap_or_default()
            } else {
                state.view.past.clone()
            };
            view.past = past.advance(&self.mirror, &mut state.blobs, &at.head, Some(FIRST)).await?;
            if view.past.complete {
                view.past.save(&self.mirror);
            }
            view.branch.clone_from(&at.branch);
        }
        view.proposals = self.proposals(&mut state, &at).await?;
        if let Some(cluster) = &self.cluster {
            match self.images.look(cluster).await {
                Ok(seen) => {
                    view.seen = Some(seen.of(&self.mirror.git.remote, &at.branch));
                    state.trouble = None;
                }
                // What was seen before stays what it was, with its age.
                Err(error) if strict && view.seen.is_some() => return Err(error),
                Err(error) => state.trouble = Some(error.to_string()),
            }
        }
        self.reach(&mut state, &mut view).await?;
        state.remote = Some(at);
        state.view = Arc::new(view);
        Ok(state.view.clone())
    }

    /// Reads the history down to its first commit, where that was not done yet.
    async fn complete(&self) -> Result<Arc<View>, Error> {
        let view = self.state.lock().await.view.clone();
        if view.past.complete || view.snapshot.commit.is_empty() {
            return Ok(view);
        }
        // With blobs of its own, which are forgotten afterwards: there are many.
        let mut blobs = Blobs::new();
        let past = Past::default().advance(&self.mirror, &mut blobs, &view.past.head, None).await?;
        let mut state = self.state.lock().await;
        let mut newer = View::clone(&state.view);
        let head = newer.snapshot.commit.clone();
        newer.past = past.advance(&self.mirror, &mut blobs, &head, None).await?;
        newer.past.save(&self.mirror);
        state.view = Arc::new(newer);
        Ok(state.view.clone())
    }

    /// The changes that wait on branches of ours.
    async fn proposals(&self, state: &mut State, at: &Remote) -> Result<Vec<Proposal>, Error> {
        let mut proposals = Vec::new();
        state.forge_trouble = None;
        if self.sent.swap(false, Ordering::AcqRel) {
            state.pulls.clear();
        }
        state.pulls.retain(|branch, _| at.ours.iter().any(|(known, _)| known == branch));
        for (branch, head) in &at.ours {
            if !state.proposed.contains_key(head) {
                if !self.mirror.has(head).await {
                    self.mirror.fetch(&[branch]).await?;
                }
                let mut blobs = std::mem::take(&mut state.blobs);
                let past = Past::default().advance(&self.mirror, &mut blobs, head, Some(1)).await;
                state.blobs = blobs;
                // A branch that only has such a name, or holds somebody's own commits, is not ours to merge or to delete.
                let commit = past?.commits.into_iter().next();
                let commit = commit.filter(|commit| commit.body.contains(OPERATION));
                let commit = match commit.as_ref().and_then(|commit| commit.parent.clone()) {
                    Some(parent) if self.mirror.contains(&at.head, &parent).await? => commit,
                    _ => None,
                };
                state.proposed.insert(head.clone(), commit);
            }
            let Some(Some(commit)) = state.proposed.get(head).cloned() else { continue };
            if self.mirror.has(&at.head).await && self.mirror.contains(&at.head, head).await? {
                continue;
            }
            let pull = match (&self.forge, state.pulls.get(branch)) {
                (Err(_), _) => None,
                (Ok(_), Some((since, pull))) if since.elapsed() < PULLS => pull.clone(),
                (Ok(forge), _) => {
                    let pull = match forge.find(branch).await {
                        Ok(pull) => pull,
                        // git goes on without the forge.
                        Err(error) => {
                            state.forge_trouble = Some(error.to_string());
                            None
                        }
                    };
                    state.pulls.insert(branch.clone(), (Instant::now(), pull.clone()));
                    pull
                }
            };
            // Closed, or merged in another shape: it does not wait any more.
            if pull.as_ref().is_none_or(|pull| pull.open || pull.head != *head) {
                proposals.push(Proposal { branch: branch.clone(), commit, pull });
            }
        }
        Ok(proposals)
    }

    /// Finds out which of the newest changes the commits that Flux names hold.
    async fn reach(&self, state: &mut State, view: &mut View) -> Result<(), Error> {
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
            let standing = view.standing(entry);
            let moves = standing.workloads.iter().any(|one| one.app.rollout.is_some());
            let behind =
                standing.serving.as_ref().is_some_and(|serving| *serving != standing.wanted);
            if (moves || behind)
                && let Some((commit, _)) = standing.revisions.first()
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
    async fn troubles(&self) -> (Option<String>, Option<String>) {
        let state = self.state.lock().await;
        (state.trouble.clone(), state.forge_trouble.clone())
    }

    /// Has the next look ask the forge again: something was sent.
    fn forget_looks(&self) {
        self.sent.store(true, Ordering::Release);
    }

    /// The app of an identifier.
    fn entry<'a>(&self, view: &'a View, app: &AppId) -> Result<&'a Entry, Error> {
        view.entry(app.as_str()).ok_or_else(|| Error::NotFound {
            what: format!(
                "{} has no place any more that names the image {}",
                self.name,
                clean(app.as_str())
            ),
        })
    }

    /// What a commit says.
    async fn snapshot(&self, commit: &str) -> Result<Snapshot, Error> {
        let mut state = self.state.lock().await;
        snapshot::read(&self.mirror, &mut state.blobs, commit).await
    }

    /// The revisions of an app, with what the cluster knows of them.
    async fn history(&self, view: &View, entry: &Entry) -> History {
        let mut records = Vec::new();
        if let Some(cluster) = &self.cluster {
            for workload in view.standing(entry).workloads {
                records.extend(self.images.records(cluster, &workload.app, &entry.image).await);
            }
        }
        view.history(entry, &records, (self.now)())
    }

    /// What a commit says of an app's places.
    async fn detail(&self, app: &AppId, commit: &str) -> Result<Detail, Error> {
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
    fn at_home(&self, entry: &Entry) -> bool {
        let within = |file: &str| {
            self.paths.iter().any(|path| {
                path.is_empty() || file == path || file.starts_with(&format!("{path}/"))
            })
        };
        self.paths.is_empty() || entry.places.iter().any(|one| within(&one.file))
    }

    /// The apps of a scope.
    fn within(&self, view: &View, scope: &Scope) -> Vec<App> {
        let setting = self.setting();
        let home = *scope == Scope::Home;
        let entries = view.snapshot.entries.iter().filter(|entry| !home || self.at_home(entry));
        entries.map(|entry| view.app(entry, &setting)).collect()
    }

    /// Reads back what this adapter has put into a plan or a receipt.
    fn read_own<T: DeserializeOwned>(&self, location: &str, value: &Value) -> Result<T, Error> {
        T::deserialize(value).map_err(|error| Error::Garbled {
            api: self.mirror.git.remote.clone(),
            location: location.to_owned(),
            why: error.to_string(),
        })
    }

    fn capabilities(&self) -> Capabilities {
        let no = |what: &str| Capability::No(what.to_owned());
        let all = Capabilities::all()
            .with(Verb::Restart, no(plan::RESTART))
            .with(Verb::EnableRevisions, no(plan::ENABLE));
        if self.cluster.is_some() {
            return all;
        }
        let why = "this target has no cluster: name one in the configuration";
        all.with(Verb::Pause, no(why)).with(Verb::Reconcile, no(why))
    }

    /// The same for one app: what cannot be edited is greyed with the reason.
    fn allowed(&self, entry: &Entry) -> Capabilities {
        let fixed = entry.lead().and_then(|lead| lead.place.fixed.clone().map(|why| (lead, why)));
        let Some((lead, why)) = fixed else { return self.capabilities() };
        let why = clean(&format!("{} cannot be edited: {why}", lead.file));
        [Verb::RollBack, Verb::Deploy]
            .into_iter()
            .fold(self.capabilities(), |all, verb| all.with(verb, Capability::No(why.clone())))
    }
}

#[async_trait]
impl Platform for GitOps {
    fn target(&self) -> Target {
        let git = &self.0.mirror.git;
        let user = git
            .config
            .iter()
            .rfind(|(name, _)| name == "user.email")
            .map(|(_, value)| clean(value));
        Target {
            id: self.0.target.clone(),
            platform: KIND,
            api: git.remote.clone(),
            scope_label: self.0.name.clone(),
            user: user.unwrap_or_else(|| "git".to_owned()),
            badge: self.0.cluster.is_none().then(|| "NO CLUSTER".to_owned()),
        }
    }

    async fn capabilities(&self) -> Result<Capabilities, Error> {
        self.0.look(true).await?;
        Ok(self.0.capabilities())
    }

    async fn watch(&self, interest: channel::Receiver<Interest>, reports: mpsc::Sender<Report>) {
        watch::run(&self.0, interest, reports).await;
    }

    async fn apps(&self, scope: &Scope) -> Result<Vec<App>, Error> {
        let view = self.0.look(true).await?;
        Ok(self.0.within(&view, scope))
    }

    async fn app(&self, name: &str) -> Result<App, Error> {
        // Whoever asks for one is about to plan: what is down must not keep them from that.
        let view = self.0.look_at(true, false).await?;
        let setting = self.0.setting();
        let all = view.apps(&setting);
        let whole = |app: &App| format!("{}/{}", app.scope, app.name);
        let image =
            |app: &App| app.id.as_str().split_once('|').is_some_and(|(_, image)| image == name);
        let found: Vec<_> = all
            .into_iter()
            .filter(|app| {
                app.id.as_str() == name || app.name == name || whole(app) == name || image(app)
            })
            .collect();
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Error::NotFound {
                what: format!(
                    "no file of {} on {} names an image {name:?}",
                    self.0.name, view.branch
                ),
            }),
            several => Err(Error::NotFound {
                what: format!(
                    "there are several {name:?}: {}",
                    several.iter().map(whole).collect::<Vec<_>>().join(", ")
                ),
            }),
        }
    }

    async fn revisions(&self, app: &AppId) -> Result<History, Error> {
        self.0.look(false).await?;
        let view = self.0.complete().await?;
        let entry = self.0.entry(&view, app)?;
        Ok(self.0.history(&view, entry).await)
    }

    async fn detail(&self, app: &AppId, revision: &RevisionId) -> Result<Detail, Error> {
        if !self.0.mirror.has(revision.as_str()).await {
            return Err(Error::NotFound {
                what: format!("there is no commit {}", clean(revision.as_str())),
            });
        }
        self.0.detail(app, revision.as_str()).await
    }

    async fn prepare(&self, request: Request) -> Result<Plan, Error> {
        self.0.look_at(true, false).await?;
        self.0.complete().await?;
        plan::make(&self.0, request).await
    }

    async fn changed(&self, _: &AppId, guard: &Value) -> Result<Option<String>, Error> {
        self.0.changed(guard).await
    }

    async fn send(&self, order: Order<'_>, _: &Progress) -> Result<Learned, StepError> {
        self.0.send(order).await
    }

    async fn took_effect(&self, receipt: &Receipt, step: &Step) -> Result<Option<bool>, Error> {
        self.0.took_effect(receipt, step).await
    }

    async fn observe(&self, receipt: &Receipt) -> Result<Observation, Error> {
        self.0.observe(receipt).await
    }

    fn longest_write(&self) -> SignedDuration {
        LONGEST_PUSH
    }

    fn tracking(&self, app: &App) -> Option<Value> {
        let rollout = app.rollout.as_ref()?;
        // Nobody waits here: it was read just before.
        let view = self.0.state.try_lock().ok()?.view.clone();
        let entry = view.entry(app.id.as_str())?;
        let standing = view.standing(entry);
        let (version, own) = match standing.proposal {
            Some(proposal) => (proposal.version(entry)?.clone(), Some(proposal.branch.clone())),
            None => (standing.wanted.clone(), None),
        };
        let tracking = operate::receipt::Tracking {
            commit: rollout.id.as_str().to_owned(),
            branch: view.branch.clone(),
            version: Some(version),
            own,
            ..operate::receipt::Tracking::default()
        };
        serde_json::to_value(tracking).ok()
    }

    fn now(&self) -> Timestamp {
        (self.0.now)()
    }

    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error> {
        let view = self.0.look(false).await?;
        let entry = self.0.entry(&view, app)?;
        Ok(self.0.events(&view, entry).await)
    }

    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error> {
        let view = self.0.look(false).await?;
        let entry = self.0.entry(&view, app)?;
        Ok(self.0.logs(&view, entry).await)
    }
}

impl Repository {
    /// What happened to an app's workloads, and what its commits did, newest first.
    async fn events(&self, view: &View, entry: &Entry) -> Vec<AppEvent> {
        let standing = view.standing(entry);
        let mut events = Vec::new();
        if let Some(cluster) = &self.cluster {
            for workload in &standing.workloads {
                events.extend(cluster.platform.events(&workload.app.id).await.unwrap_or_default());
            }
        }
        for (commit, version) in &standing.revisions {
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

    async fn logs(&self, view: &View, entry: &Entry) -> Vec<LogLine> {
        let mut lines = Vec::new();
        if let Some(cluster) = &self.cluster {
            for workload in &view.standing(entry).workloads {
                lines.extend(cluster.platform.logs(&workload.app.id).await.unwrap_or_default());
            }
        }
        lines.sort_by_key(|line| line.at);
        lines
    }
}
