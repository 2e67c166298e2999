//! The simulated delivery of a repository: a real git repository over smart HTTP, the calls of three forges, and a cluster
//! with the objects and controllers of Flux, all at one address.
//!
//! For faults, requests of git that only read have the method GET, whatever they are on the wire; a push is
//! `POST:/OWNER/NAME.git/git-receive-pack`.

mod argo_cd;
mod build;
mod flux;
mod forge;
mod git;
mod render;
mod serve_git;

use std::{
    fs,
    hash::{Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::to_bytes,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use self::{
    argo_cd::ArgoCd,
    flux::Controllers,
    forge::{Call, Forge, Rules},
    git::{BRANCH, Bare, Who},
};
use super::{
    Options,
    clock::Clock,
    fault::Faults,
    kubernetes::{
        Cluster,
        resources::{IMAGE_AUTOMATIONS, IMAGE_POLICIES},
        store::Key,
    },
    listener::Scissors,
    scenario::Scenario,
    serve::{BODY_LIMIT, Served, pairs, strike},
};

/// Owner and name of the repository.
const PROJECT: &str = "acme/shop-config";
/// The token of the forge.
const TOKEN: &str = "simulated-token";
/// How often the controllers look.
const LOOK: Duration = Duration::from_millis(250);

/// A repository with its forge and its cluster, being served.
#[derive(Debug)]
pub struct Delivery {
    cluster: Arc<Cluster>,
    bare: Bare,
    root: tempfile::TempDir,
    forge: Mutex<Forge>,
    controllers: Mutex<Controllers>,
    /// In the place of Flux.
    argo_cd: Option<Mutex<ArgoCd>>,
    clock: Clock,
    faults: Faults,
    base: String,
    log: Mutex<Vec<String>>,
    keep_log: bool,
    running: AtomicBool,
}

/// What is inside of a lock.
fn lock<T>(inside: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Served for Delivery {
    fn build(
        options: &Options,
        clock: Clock,
        faults: Faults,
        base: String,
    ) -> Result<Self, String> {
        let scenario = Scenario::load(&options.scenario)?;
        let root = tempfile::Builder::new()
            .prefix("revdeck-repository-")
            .tempdir()
            .map_err(|error| error.to_string())?;
        let bare = Bare::make(&root.path().join(format!("{PROJECT}.git")))?;
        let present = clock.now();
        let pulls = build::history(&bare, &scenario, present)?;
        let workload = scenario.image.iter().map(super::scenario::PlacePlan::workload).collect();
        let world = Scenario { workload, ..scenario.clone() };
        let plain = Options { apps: 0, ..options.clone() };
        let cluster = Cluster::of(&world, &plain, clock.clone(), faults.clone(), base.clone())?;
        let head = bare.head(BRANCH).ok_or("the branch was not made")?;
        let before = bare.run(&["rev-parse", &format!("{BRANCH}~1")], None).ok();
        let address = format!("{base}/{PROJECT}.git");
        if scenario.argo_cd {
            argo_cd::create(&cluster, &bare, &address);
        } else {
            build::flux(&cluster, &scenario, &address, (&head, before.as_deref()));
        }
        Ok(Self {
            cluster: Arc::new(cluster),
            bare,
            root,
            forge: Mutex::new(Forge { pulls, ..Forge::default() }),
            controllers: Mutex::new(Controllers::new(scenario.cancel_health_checks)),
            argo_cd: scenario.argo_cd.then(Mutex::default),
            clock,
            faults,
            base,
            log: Mutex::default(),
            keep_log: options.keep_log,
            running: AtomicBool::new(false),
        })
    }

    /// A kubeconfig, and who commits.
    fn write_login(&self, home: &Path, certificate: Option<&str>) -> io::Result<()> {
        self.cluster.write_login(home, certificate)?;
        fs::create_dir_all(home.join("cache"))?;
        let mut config = "[user]\n\tname = Hana Okoye\n\temail = hana@acme.example\n".to_owned();
        if let Some(certificate) = certificate {
            fs::write(home.join("ca.pem"), certificate)?;
            config.push_str(&format!("[http]\n\tsslCAInfo = {}\n", home.join("ca.pem").display()));
        }
        fs::write(home.join("gitconfig"), config)
    }

    fn environment(&self, home: &Path) -> Vec<(String, String)> {
        let file = |name: &str| home.join(name).display().to_string();
        [
            ("REVDECK_GITOPS_REPOSITORY", self.repository()),
            ("REVDECK_GITOPS_BRANCH", BRANCH.to_owned()),
            ("REVDECK_GITOPS_PATHS", "apps".to_owned()),
            ("REVDECK_GITOPS_FORGE", "github".to_owned()),
            ("REVDECK_GITOPS_FORGE_API", format!("{}/api/v3", self.base)),
            ("GH_TOKEN", TOKEN.to_owned()),
            ("REVDECK_GITOPS_CLUSTER", "kubernetes".to_owned()),
            ("REVDECK_GITOPS_KUBECONFIG", file("kubeconfig")),
            ("GIT_CONFIG_GLOBAL", file("gitconfig")),
            ("XDG_CACHE_HOME", file("cache")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn banner(&self, home: &Path) -> Value {
        json!({
            "platform": "gitops", "repository": self.repository(), "branch": BRANCH, "project": PROJECT,
            "forge": { "github": format!("{}/api/v3", self.base), "gitlab": format!("{}/api/v4", self.base), "gitea": format!("{}/api/v1", self.base) },
            "token": TOKEN, "cluster": "kubernetes", "kubeconfig": home.join("kubeconfig"), "gitconfig": home.join("gitconfig"),
        })
    }

    fn router(self: Arc<Self>) -> Router {
        if !self.running.swap(true, Ordering::AcqRel) {
            tokio::spawn(live(Arc::downgrade(&self)));
        }
        Router::new().fallback(handle).with_state(self)
    }
}

/// The controllers' own time, until the world is gone.
async fn live(delivery: Weak<Delivery>) {
    loop {
        let Some(delivery) = delivery.upgrade() else { return };
        // A clock that only tests move has its controllers moved by them, too.
        let looked = tokio::task::spawn_blocking(move || delivery.catch_up()).await;
        if looked.is_err() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Delivery {
    /// The repository's address, with name and password.
    pub fn repository(&self) -> String {
        let (scheme, host) = self.base.split_once("://").unwrap_or(("http", &self.base));
        format!("{scheme}://{}:{}@{host}/{PROJECT}.git", serve_git::USER, serve_git::PASSWORD)
    }

    /// The requests so far that change something, or ask git or a forge, where the options asked for them to be kept.
    pub fn log(&self) -> Vec<String> {
        let mut log = lock(&self.log).clone();
        log.extend(self.cluster.log());
        log
    }

    /// Lets the controllers work at the clock's present, as they do by themselves now and then.
    pub fn catch_up(&self) {
        self.cluster.catch_up();
        let now = self.clock.now();
        match &self.argo_cd {
            Some(argo_cd) => lock(argo_cd).work(&self.cluster, &self.bare, now),
            None => lock(&self.controllers).work(&self.cluster, &self.bare, now),
        }
        self.cluster.catch_up();
    }

    /// The bare repository on disk.
    pub fn directory(&self) -> PathBuf {
        self.bare.directory.clone()
    }

    /// Commits some files on the branch, as somebody else does it; returns the commit.
    ///
    /// # Errors
    /// What git says.
    pub fn commit(
        &self,
        by: &str,
        subject: &str,
        files: &[(String, String)],
    ) -> Result<String, String> {
        let head = self.bare.head(BRANCH).ok_or("there is no branch")?;
        let tree = self.bare.tree(Some(&head), files)?;
        let commit =
            self.bare.commit(&[&head], &tree, subject, &Who { name: by, at: self.clock.now() })?;
        self.bare.move_branch(BRANCH, &commit, &head)?;
        Ok(commit)
    }

    /// Makes a tag the newest that a policy finds in the registry.
    pub fn publish(&self, policy: &str, tag: &str) {
        self.cluster.with(|world| {
            let key = Key::new(IMAGE_POLICIES, build::FLUX, policy);
            world.change(&key, |object| object["status"]["latestRef"]["tag"] = tag.into());
        });
    }

    /// Has Flux give up waiting for the health of a revision when there is a newer one, as the feature gate
    /// `CancelHealthCheckOnNewRevision` has it.
    pub fn cancel_health_checks(&self) {
        lock(&self.controllers).cancels = true;
    }

    /// Has Argo CD sync when somebody does it alone, or by itself again.
    pub fn sync_by_hand(&self, by_hand: bool) {
        self.cluster.with(|world| {
            world.change(&argo_cd::key(), |object| {
                let automated = json!({ "prune": true, "enabled": !by_hand });
                object["spec"]["syncPolicy"]["automated"] = automated;
            });
        });
    }

    /// How often image automation runs, as Go writes it.
    pub fn automate_every(&self, interval: &str) {
        self.cluster.with(|world| {
            let key = Key::new(IMAGE_AUTOMATIONS, build::FLUX, "apps");
            world.change(&key, |object| object["spec"]["interval"] = interval.into());
        });
    }

    /// Where a branch points to.
    pub fn head(&self, branch: &str) -> Option<String> {
        self.bare.head(branch)
    }

    /// Points a branch to a commit by force, or removes it where there is none.
    ///
    /// # Errors
    /// What git says.
    pub fn force(&self, branch: &str, to: Option<&str>) -> Result<(), String> {
        match to {
            Some(to) => {
                self.bare.run(&["update-ref", &format!("refs/heads/{branch}"), to], None).map(drop)
            }
            None => self.bare.remove_branch(branch),
        }
    }

    /// Runs git in the repository, and returns what it prints.
    ///
    /// # Errors
    /// What git says.
    pub fn git(&self, arguments: &[&str]) -> Result<String, String> {
        self.bare.run(arguments, None)
    }

    /// Makes the server refuse pushes with these words, by a hook; an empty text allows them again.
    ///
    /// # Errors
    /// What the system says.
    pub fn protect(&self, words: &str) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let hook = self.bare.directory.join("hooks/pre-receive");
        if words.is_empty() {
            return fs::remove_file(hook);
        }
        fs::create_dir_all(self.bare.directory.join("hooks"))?;
        fs::write(&hook, format!("#!/bin/sh\necho '{words}' >&2\nexit 1\n"))?;
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755))
    }

    /// Has the branch ask for so many reviews of a pull request, and for its checks; and where it is said that they are only
    /// squashed, merges them in no other way.
    pub fn protect_by_review(&self, approvals: usize, only_squashed: bool) {
        lock(&self.forge).rules = Rules { approvals, only_squashed };
    }

    /// Has somebody review a pull request.
    pub fn review(&self, number: u64, by: &str, takes_it: bool) {
        let mut forge = lock(&self.forge);
        if let Some(pull) = forge.pulls.iter_mut().find(|pull| pull.number == number) {
            pull.review(by, takes_it);
        }
    }

    /// Has something that is no app of the forge report of a branch's head: `success`, `failure`, `error` or `pending`.
    pub fn report(&self, branch: &str, context: &str, state: &str) {
        let Some(head) = self.head(branch) else { return };
        let statuses = &mut lock(&self.forge).statuses;
        statuses.retain(|(commit, known, _)| (commit.as_str(), known.as_str()) != (&head, context));
        statuses.push((head, context.to_owned(), state.to_owned()));
    }

    /// Merges a pull request, as somebody does it at the forge: `merge`, `squash` or `rebase`.
    ///
    /// # Errors
    /// What the forge says.
    pub fn merge(&self, number: u64, how: &str) -> Result<(), String> {
        let body = json!({ "merge_method": how });
        let path = format!("repos/{PROJECT}/pulls/{number}/merge");
        let (status, told) = self.call("github", &Method::PUT, &path, &[], &body);
        if status.is_success() { Ok(()) } else { Err(told.to_string()) }
    }

    /// Closes a pull request without merging it, as somebody does it at the forge.
    pub fn close(&self, number: u64) {
        let path = format!("repos/{PROJECT}/pulls/{number}");
        self.call("github", &Method::PATCH, &path, &[], &json!({ "state": "closed" }));
    }

    fn call(
        &self,
        forge: &str,
        method: &Method,
        path: &str,
        query: &[(String, String)],
        body: &Value,
    ) -> forge::Answer {
        let home = format!("{}/{PROJECT}", self.base);
        let call = Call {
            method,
            path,
            query,
            body,
            home: &home,
            project: PROJECT,
            now: self.clock.now(),
        };
        forge::answer(&self.bare, &mut lock(&self.forge), forge, &call)
    }
}

/// An answer with its `ETag`, or that nothing has changed: GitHub's REST API ("Use conditional requests if appropriate") and
/// Rails' `Rack::ETag` in GitLab. Gitea gives none.
fn conditional(forge: &str, known: Option<HeaderValue>, told: &Value) -> Response {
    if forge == "gitea" {
        return axum::Json(told).into_response();
    }
    let mut hasher = std::hash::DefaultHasher::new();
    told.to_string().hash(&mut hasher);
    let etag = format!("W/\"{:016x}\"", hasher.finish());
    if known.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    ([(header::ETAG, etag)], axum::Json(told)).into_response()
}

/// Whether a request to a forge has the token.
fn has_token(headers: &HeaderMap) -> bool {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let private =
        headers.get("private-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    [format!("Bearer {TOKEN}"), format!("token {TOKEN}")].contains(&bearer.to_owned())
        || private == TOKEN
}

async fn handle(
    State(delivery): State<Arc<Delivery>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response {
    let path = request.uri().path().to_owned();
    let forge = forge::root(&path).map(|(forge, rest)| (forge, rest.to_owned()));
    let git = serve_git::is_git(&path);
    if !git && forge.is_none() {
        // All else is the cluster's.
        return delivery.cluster.clone().router().oneshot(request).await.into_response();
    }
    let (parts, body) = request.into_parts();
    let writes = if git { serve_git::writes(&path) } else { parts.method != Method::GET };
    let method = if writes { "POST" } else { "GET" };
    if delivery.keep_log {
        lock(&delivery.log).push(format!("{method} {path}"));
    }
    let refuse = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, axum::Json(json!({ "message": "injected" }))).into_response()
    };
    let after = match strike(&delivery.faults, &scissors, (method, &path), refuse).await {
        Ok(after) => after,
        Err(mut response) => {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
    };
    let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (own, logs) = (delivery.clone(), delivery.keep_log);
    let work = async move {
        let delivery = own.clone();
        if git {
            if !serve_git::authorized(&parts.headers) {
                return serve_git::challenge();
            }
            return serve_git::answer(own.root.path(), &parts, bytes).await;
        }
        let Some((forge, rest)) = forge else { return StatusCode::NOT_FOUND.into_response() };
        if !has_token(&parts.headers) {
            return (StatusCode::UNAUTHORIZED, axum::Json(json!({ "message": "Bad credentials" })))
                .into_response();
        }
        let query = pairs(parts.uri.query().unwrap_or_default());
        let known = parts.headers.get(header::IF_NONE_MATCH).cloned();
        let reads = parts.method == Method::GET;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let told = tokio::task::spawn_blocking(move || {
            own.call(forge, &parts.method, &rest, &query, &body)
        })
        .await;
        match told {
            Ok((status, told)) if reads && status.is_success() => {
                let response = conditional(forge, known, &told);
                if response.status() == StatusCode::NOT_MODIFIED && logs {
                    lock(&delivery.log).push(format!("304 {path}"));
                }
                response
            }
            Ok((status, told)) => (status, axum::Json(told)).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    };
    let response = after.work(&delivery.clock, work).await;
    after.finish(response, &scissors).await
}
