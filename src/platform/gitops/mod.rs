//! GitOps: a repository that Flux (or Argo CD) applies. What runs is what a branch says; a roll back is a commit.
//!
//! Facts come from three places. Which versions there were is told by what the commits' diffs do. What runs is told by the
//! cluster, where one is known: `lastAppliedRevision` of a Kustomization lags behind it. What is being changed is told by the
//! branch, by ancestry: it moves on meanwhile. Nothing of kustomize is rendered, neither to plan nor to follow.

mod client;
mod model;
mod operate;
mod options;
mod plan;
pub mod provider;
mod read;
mod repository;
mod watch;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc, watch as channel};

pub use options::{KIND, Push};

use self::{
    client::{flux::Cluster, forge::Forge, mirror::Mirror},
    read::cluster::Known,
    repository::Repository,
};
use super::{
    Error, Now, OpenError, Platform,
    operation::{Learned, Order, Progress, StepError},
};
use crate::domain::{
    App, AppEvent, AppId, Capabilities, Detail, History, Interest, LogBatch, LogLine, LogQuery,
    Observation, Plan, Reading, Receipt, Report, Request, RevisionId, Scope, Shell, Step, Target,
    TargetId, text::clean,
};

/// For how long a push may still take effect whose client has gone: hooks of servers take their time, and go on.
const LONGEST_PUSH: SignedDuration = SignedDuration::from_mins(15);

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
    /// Which forge it is, where its API is, what the repository is called there, and a token; else why it cannot be asked.
    pub forge: Result<ForgeOptions, String>,
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
            Err(why) => Err(why),
            Ok(forge) => match client::forge::ForgeKind::named(&forge.kind) {
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
            (Some(platform), Some(connection)) => Some(Cluster::new(platform, connection)),
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
            latest: std::sync::Mutex::default(),
            blobs: Mutex::default(),
            state: Mutex::default(),
            sent: AtomicBool::new(false),
        })))
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

    async fn unseen(&self) -> Vec<String> {
        self.0.unseen()
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

    async fn outdated(&self, receipt: &Receipt) -> Result<Option<String>, Error> {
        self.0.outdated(receipt).await
    }

    async fn observe(&self, receipt: &Receipt) -> Result<Observation, Error> {
        self.0.observe(receipt).await
    }

    fn longest_write(&self) -> SignedDuration {
        LONGEST_PUSH
    }

    fn tracking(&self, app: &App) -> Option<Value> {
        let rollout = app.rollout.as_ref()?;
        let view = self.0.view();
        let entry = view.entry(app.id.as_str())?;
        let entry_state = view.entry_state(entry);
        let (version, own) = match entry_state.proposal {
            Some(proposal) => (proposal.version(entry)?.clone(), Some(proposal.branch.clone())),
            None => (entry_state.wanted.clone(), None),
        };
        let tracking = operate::receipt::Tracking {
            commit: rollout.id.as_str().to_owned(),
            branch: view.branch.clone(),
            version: Some(version),
            own,
            blind: entry_state.workloads.is_empty(),
            ..operate::receipt::Tracking::default()
        };
        serde_json::to_value(tracking).ok()
    }

    fn now(&self) -> Timestamp {
        (self.0.now)()
    }

    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error> {
        let view = self.0.lately().await?;
        let entry = self.0.entry(&view, app)?;
        Ok(self.0.events(&view, entry).await)
    }

    async fn shell(&self, app: &AppId, instance: &str) -> Result<Shell, Error> {
        let view = self.0.lately().await?;
        let entry = self.0.entry(&view, app)?;
        self.0.shell_in(&view, entry, instance).await
    }

    async fn instances(&self, app: &AppId) -> Result<Reading, Error> {
        let view = self.0.lately().await?;
        let entry = self.0.entry(&view, app)?;
        self.0.reading(&view, entry).await
    }

    async fn log(
        &self,
        app: &AppId,
        query: &LogQuery,
        lines: mpsc::Sender<LogBatch>,
    ) -> Result<(), Error> {
        let view = self.0.lately().await?;
        let entry = self.0.entry(&view, app)?;
        self.0.follow_log(&view, entry, query, lines).await
    }

    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error> {
        let view = self.0.lately().await?;
        let entry = self.0.entry(&view, app)?;
        self.0.logs(&view, entry).await
    }
}
