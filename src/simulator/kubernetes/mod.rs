//! The simulated Kubernetes: the API paths that workloads and their rollouts need, with lists and watches, patches of
//! every kind, dry runs and access reviews, and the controllers behind them.
//!
//! The controllers follow Kubernetes 1.36: surge and unavailability, numbers that are given anew when a template comes
//! back, conditions that lag behind (`deployment`), StatefulSets that stay stuck (`stateful`). What a container
//! does follows from its image's tag, see `pods`.

mod access;
mod build;
mod copy;
mod daemon;
mod defaults;
mod deployment;
mod discovery;
mod error;
mod evict;
mod forms;
mod history;
mod log;
mod metrics;
mod objects;
mod page;
mod patch;
mod pods;
pub(in crate::simulator) mod resources;
mod review;
mod rollout;
mod route;
mod selector;
mod stateful;
pub(in crate::simulator) mod store;
#[cfg(test)]
mod tests;
mod watch;
pub(in crate::simulator) mod world;

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::sync::watch as channel;

use self::{
    access::User,
    error::{ApiError, json_response},
    forms::Form,
    objects::Write,
    resources::ALL,
    route::Target,
    selector::Selector,
    world::World,
};
use super::{
    Options,
    clock::Clock,
    fault::Faults,
    listener::Scissors,
    scenario::Scenario,
    serve::{BODY_LIMIT, Served, decode, pairs, strike},
};

/// The kinds of faults that it has besides those of every simulator.
pub(super) const FAULTS: &str = "watch=TIME, 410, future, admission=digests";
/// How often the controllers are given time while something moves, and while nothing does.
const LIVELY: Duration = Duration::from_millis(20);
const CALM: Duration = Duration::from_millis(200);

/// A cluster that is being served.
#[derive(Debug)]
pub struct Cluster {
    world: Mutex<World>,
    /// The newest revision, for those who watch.
    changed: channel::Sender<u64>,
    faults: Faults,
    base: String,
    user: String,
    log: Mutex<Vec<String>>,
    keep_log: bool,
    running: AtomicBool,
}

impl Cluster {
    /// The cluster of a scenario.
    pub(in crate::simulator) fn of(
        scenario: &Scenario,
        options: &Options,
        clock: Clock,
        faults: Faults,
        base: String,
    ) -> Result<Self, String> {
        let world = World::build(scenario, clock, options.seed, options.apps)?;
        let (changed, _) = channel::channel(world.store.revision());
        Ok(Self {
            world: Mutex::new(world),
            changed,
            faults,
            base,
            user: scenario.user.clone(),
            log: Mutex::default(),
            keep_log: options.keep_log,
            running: AtomicBool::new(false),
        })
    }

    /// Does something with the world, at the clock's present, and tells those who watch.
    #[cfg(feature = "gitops")]
    pub(in crate::simulator) fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.catch_up();
        let done = work(&mut world);
        self.tell(&world);
        done
    }

    /// The requests so far as `METHOD PATH?QUERY`, where the options asked for them to be kept.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the controllers work until the clock's present, as they do by themselves now and then.
    pub fn catch_up(&self) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.catch_up();
        self.tell(&world);
    }

    fn tell(&self, world: &World) {
        let revision = world.store.revision();
        self.changed.send_if_modified(|known| std::mem::replace(known, revision) != revision);
    }
}

impl Served for Cluster {
    fn build(
        options: &Options,
        clock: Clock,
        faults: Faults,
        base: String,
    ) -> Result<Self, String> {
        Self::of(&Scenario::load(&options.scenario)?, options, clock, faults, base)
    }

    /// A kubeconfig with a context for the operator and one for somebody who may only look.
    fn write_login(&self, home: &Path, certificate: Option<&str>) -> io::Result<()> {
        let kubeconfig = access::kubeconfig(&self.base, &self.user, certificate);
        fs::write(home.join("kubeconfig"), kubeconfig)
    }

    fn environment(&self, home: &Path) -> Vec<(String, String)> {
        vec![("KUBECONFIG".to_owned(), home.join("kubeconfig").display().to_string())]
    }

    fn banner(&self, home: &Path) -> Value {
        json!({
            "platform": "kubernetes", "api": self.base, "user": self.user, "context": access::CONTEXT,
            "kubeconfig": home.join("kubeconfig"),
        })
    }

    fn router(self: Arc<Self>) -> Router {
        if !self.running.swap(true, Ordering::AcqRel) {
            tokio::spawn(live(Arc::downgrade(&self)));
        }
        Router::new().fallback(handle).with_state(self)
    }
}

/// The controllers' own time, until the cluster is gone.
async fn live(cluster: Weak<Cluster>) {
    loop {
        let Some(cluster) = cluster.upgrade() else { return };
        let busy = {
            let mut world = cluster.world.lock().unwrap_or_else(PoisonError::into_inner);
            world.catch_up();
            cluster.tell(&world);
            world.busy()
        };
        drop(cluster);
        tokio::time::sleep(if busy { LIVELY } else { CALM }).await;
    }
}

async fn handle(
    State(cluster): State<Arc<Cluster>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let method = parts.method.to_string();
    let (path, login) = access::split(parts.uri.path());
    if cluster.keep_log {
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let line = format!("{method} {path}{query}");
        cluster.log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
    let refuse = |status| ApiError::injected(status).into_response();
    let after = match strike(&cluster.faults, &scissors, (&method, path), refuse).await {
        Ok(after) => after,
        Err(response) => return response,
    };
    let (path, login) = (path.to_owned(), login.map(str::to_owned));
    let clock = cluster.world.lock().unwrap_or_else(PoisonError::into_inner).clock.clone();
    let work = async move {
        let fault = WatchFault { compact: after.compact, future: after.future };
        let answer = respond(&cluster, &parts, (&path, login.as_deref()), body, fault).await;
        answer.unwrap_or_else(IntoResponse::into_response)
    };
    let response = after.work(&clock, work).await;
    after.finish(response, &scissors).await
}

/// How the history of changes is broken.
#[derive(Clone, Copy)]
struct WatchFault {
    compact: bool,
    future: bool,
}

fn header(parts: &Parts, name: header::HeaderName) -> &str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn respond(
    cluster: &Arc<Cluster>,
    parts: &Parts,
    (path, login): (&str, Option<&str>),
    body: Body,
    WatchFault { compact, future }: WatchFault,
) -> Result<Response, ApiError> {
    let path: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let query: BTreeMap<_, _> = pairs(parts.uri.query().unwrap_or_default()).into_iter().collect();
    let user = access::who(header(parts, header::AUTHORIZATION), login)?;
    let user = user.acting_as(parts.headers.get("impersonate-user").map(HeaderValue::as_bytes))?;
    let bytes = to_bytes(body, BODY_LIMIT)
        .await
        .map_err(|_| ApiError::new(413, "RequestEntityTooLarge", "the request is too large"))?;
    let asked = |name: &str| query.get(name).map_or("", String::as_str);
    let (kind, namespace, key, subresource) = match route::read(&path) {
        Target::Other => return other(&path, &bytes, user),
        Target::Many { kind, namespace } => (kind, namespace, None, None),
        Target::One { key, subresource } => {
            (key.kind, Some(key.namespace.clone()), Some(key), subresource)
        }
    };
    let watching = matches!(asked("watch"), "1" | "true");
    let verb = match (&parts.method, key.is_some()) {
        (&Method::GET, _) if watching => "watch",
        (&Method::GET, true) => "get",
        (&Method::GET, false) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        _ => "delete",
    };
    let place = namespace.as_deref().filter(|namespace| !namespace.is_empty());
    user.may(verb, kind, subresource.as_deref().unwrap_or_default(), place)?;
    if future && parts.method == Method::GET && !matches!(asked("resourceVersion"), "" | "0") {
        return Err(ApiError::future(asked("resourceVersion")));
    }
    let form = Form::asked(header(parts, header::ACCEPT));
    if parts.method == Method::GET {
        if watching {
            let selector = selector_of(&query, key.as_ref());
            let revision = asked("resourceVersion").parse().ok().filter(|revision| *revision > 0);
            return Ok(start_watch(
                cluster,
                (kind, namespace, selector),
                revision,
                &query,
                compact,
                form,
            ));
        }
        return read(
            cluster,
            kind,
            namespace.as_deref(),
            key.as_ref(),
            subresource.as_deref(),
            &query,
            (form, compact),
        );
    }
    let key = key.unwrap_or_else(|| store::Key::new(kind, namespace.unwrap_or_default(), ""));
    let write = Write {
        method: &parts.method,
        key: &key,
        subresource: subresource.as_deref(),
        content_type: header(parts, header::CONTENT_TYPE),
        body: &bytes,
        dry_run: asked("dryRun") == "All"
            || String::from_utf8_lossy(&bytes).contains("\"dryRun\":[\"All\"]"),
        manager: match asked("fieldManager") {
            "" => header(parts, header::USER_AGENT).split('/').next().unwrap_or("unknown"),
            manager => manager,
        },
    };
    let mut world = cluster.world.lock().unwrap_or_else(PoisonError::into_inner);
    world.catch_up();
    world.digests = cluster.faults.digests();
    let (status, object) = objects::write(&mut world, &write)?;
    cluster.tell(&world);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let shown = if object["kind"] == "Status" || subresource.is_some() {
        object
    } else {
        form.of(kind, &object, world.now)
    };
    Ok(json_response(status, &shown))
}

fn selector_of(query: &BTreeMap<String, String>, key: Option<&store::Key>) -> Selector {
    let asked = |name: &str| query.get(name).map_or("", String::as_str);
    let field = match key {
        Some(key) => format!("metadata.name={}", key.name),
        None => asked("fieldSelector").to_owned(),
    };
    Selector::parse(asked("labelSelector"), &field)
}

fn start_watch(
    cluster: &Arc<Cluster>,
    (kind, namespace, selector): (resources::Kind, Option<String>, Selector),
    revision: Option<u64>,
    query: &BTreeMap<String, String>,
    compact: bool,
    form: Form,
) -> Response {
    let is = |name: &str| query.get(name).is_some_and(|value| value == "true" || value == "1");
    let forgotten = {
        let world = cluster.world.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = revision.is_some_and(|revision| world.store.since(revision).is_none());
        (gone || (compact && revision.is_some())).then(|| world.store.revision())
    };
    if let (Some(now), Some(from)) = (forgotten, revision) {
        return watch::expired(from, now);
    }
    let seconds =
        query.get("timeoutSeconds").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let asked = watch::Asked {
        kind,
        namespace,
        selector,
        revision,
        initial: is("sendInitialEvents"),
        bookmarks: is("allowWatchBookmarks"),
        life: cluster.faults.watch_life().or(seconds),
        form,
    };
    watch::begin(cluster.clone(), asked)
}

fn read(
    cluster: &Arc<Cluster>,
    kind: resources::Kind,
    namespace: Option<&str>,
    key: Option<&store::Key>,
    subresource: Option<&str>,
    query: &BTreeMap<String, String>,
    (form, compact): (Form, bool),
) -> Result<Response, ApiError> {
    let mut world = cluster.world.lock().unwrap_or_else(PoisonError::into_inner);
    world.catch_up();
    cluster.tell(&world);
    let Some(key) = key else {
        let selector = selector_of(query, None);
        if kind == resources::POD_METRICS {
            return Ok(json_response(StatusCode::OK, &metrics::list(&world, namespace, &selector)));
        }
        let page = page::read(&world.store, (kind, namespace), &selector, query, compact)?;
        let mut list = form.list(kind, &page.items, page.revision, world.now);
        if let Some(next) = page.next {
            list["metadata"]["continue"] = next.into();
        }
        return Ok(json_response(StatusCode::OK, &list));
    };
    if kind == resources::POD_METRICS {
        return Ok(json_response(StatusCode::OK, &metrics::one(&world, key)?));
    }
    let resource = &ALL[kind];
    let object = world
        .store
        .get(key)
        .ok_or_else(|| ApiError::not_found(resource.plural, resource.group, &key.name))?;
    Ok(match subresource {
        Some("log") => {
            access::container(object, query)?;
            let (text, now) = (log::read(object, world.now, query)?, world.now);
            if log::follows(query) {
                return Ok(log::follow(cluster.clone(), key, query, text, now));
            }
            text.into_response()
        }
        Some("scale") => json_response(StatusCode::OK, &objects::scale_of(object)),
        Some(_) => json_response(StatusCode::OK, object),
        None => json_response(StatusCode::OK, &form.of(kind, object, world.now)),
    })
}

/// Discovery, health, and what a login may do.
fn other(path: &[String], body: &[u8], user: User) -> Result<Response, ApiError> {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let found = match parts.as_slice() {
        ["version"] => discovery::server_version(),
        ["api"] => discovery::core_versions(),
        ["apis"] => discovery::groups(),
        ["api", "v1"] => discovery::kinds(""),
        ["apis", group] => discovery::one_group(group).ok_or_else(ApiError::unknown_path)?,
        ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => {
            return Ok(json_response(StatusCode::CREATED, &review::answer(user, body)?));
        }
        ["apis", group, version]
            if resources::GROUPS.contains(group) && resources::version(group) == *version =>
        {
            discovery::kinds(group)
        }
        ["openapi", "v3"] => discovery::documents(),
        ["openapi", "v3", "api", "v1"] => discovery::document(""),
        ["openapi", "v3", "apis", group, _] => discovery::document(group),
        ["healthz" | "livez" | "readyz"] => return Ok("ok".into_response()),
        _ => return Err(ApiError::unknown_path()),
    };
    Ok(json_response(StatusCode::OK, &found))
}
