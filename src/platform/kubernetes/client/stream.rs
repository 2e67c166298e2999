//! One list and the watch that goes on from it, for ever: it resumes where it broke, lists again where its revision is
//! forgotten, and says when it is blind.

use std::{pin::pin, time::Duration};

use futures_util::TryStreamExt;
use http::{Request, StatusCode};
use kube::core::WatchEvent;
use serde::de::DeserializeOwned;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

use crate::platform::kubernetes::{cluster::Cluster, model::store::Kept, model::wire::List};
use crate::platform::{
    Error,
    http::{
        Backoff,
        exchange::{self, Answer},
    },
};

/// Bookmarks come every minute: a watch that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(75);
/// How long the server keeps a watch open.
const LIFE: &str = "290";
/// How many objects a page of a list has.
const PAGE: &str = "500";
/// So often a list is begun anew because the server has forgotten its beginning.
const ANEW: u32 = 3;
/// For how long a broken watch is tried again in quick succession, and how quick that is.
const EAGER: Duration = Duration::from_mins(1);
const QUICK: Duration = Duration::from_millis(700);

/// The least time between two beginnings of a watch.
const SHORTEST: Duration = Duration::from_millis(200);

/// What has happened to the objects of a stream.
#[derive(Debug)]
pub(in crate::platform::kubernetes) enum WatchUpdate<T> {
    /// These are all there are.
    All(Vec<T>),
    /// This one is new or has changed.
    Put(Box<T>),
    /// The one with this UID is gone.
    Gone(String),
    /// Nothing; but the connection stands.
    Alive,
    /// Only the home namespace is seen from here on: looking everywhere is forbidden.
    Narrowed,
    /// Everything is seen again.
    Widened,
    /// Nothing is seen until it is tried again, after so long.
    Blind(Error, Duration),
}

/// What is watched.
#[derive(Clone, Debug)]
pub(in crate::platform::kubernetes) struct Watched {
    /// Such as `/apis/apps/v1` or `/api/v1`.
    pub(in crate::platform::kubernetes) root: &'static str,
    pub(in crate::platform::kubernetes) plural: &'static str,
    /// All namespaces where it is none.
    pub(in crate::platform::kubernetes) namespace: Option<String>,
    /// Where to look when looking everywhere is forbidden.
    pub(in crate::platform::kubernetes) home: String,
    pub(in crate::platform::kubernetes) selector: String,
    /// Whether the cluster may not have the kind at all.
    pub(in crate::platform::kubernetes) optional: bool,
}

impl Watched {
    fn path(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/namespaces/{namespace}/{}", self.root, self.plural),
            None => format!("{}/{}", self.root, self.plural),
        }
    }
}

fn now() -> Instant {
    Instant::now()
}

/// Follows until nobody listens. A change of `nudge` has a broken watch tried again at once.
pub(in crate::platform::kubernetes) async fn follow<T, N>(
    cluster: &Cluster,
    mut watched: Watched,
    wrap: impl Fn(WatchUpdate<T>) -> N,
    message: mpsc::Sender<N>,
    mut nudge: watch::Receiver<u64>,
) where
    T: Kept + DeserializeOwned + Clone,
{
    let mut resource_version: Option<String> = None;
    let (mut failures, mut silences) = (0, 0);
    let mut broken_since: Option<Instant> = None;
    nudge.borrow_and_update();
    let home_only = watched.namespace.is_some();
    loop {
        let began = now();
        let turn = turn(cluster, &watched, &mut resource_version, &wrap, &message).await;
        let missing = match &turn {
            Turn::Failed(Error::NotFound { .. }) => watched.optional,
            // A login is told that it may not see what is not there, too.
            Turn::Failed(Error::Forbidden { .. }) => {
                watched.optional && !there(cluster, watched.root).await
            }
            _ => false,
        };
        if missing {
            // Nothing is there to be watched, until the operator has it looked for again.
            let told = message.send(wrap(WatchUpdate::All(Vec::new()))).await;
            if told.is_err() || nudge.changed().await.is_err() {
                return;
            }
            continue;
        }
        let error = match turn {
            Turn::NobodyListens => return,
            Turn::Silent => {
                // A new connection tells; a second silence is about the revision.
                silences += 1;
                if silences > 1 {
                    (silences, resource_version) = (0, None);
                }
                continue;
            }
            Turn::Again => {
                (failures, broken_since, silences) = (0, None, 0);
                // What was forbidden for a moment must not narrow the view for good.
                if watched.namespace.is_some() && !home_only && can_list(cluster, &watched).await {
                    watched.namespace = None;
                    resource_version = None;
                    if message.send(wrap(WatchUpdate::Widened)).await.is_err() {
                        return;
                    }
                }
                // A server or proxy that ends every watch at once is not asked in a tight loop.
                sleep(SHORTEST.saturating_sub(began.elapsed())).await;
                continue;
            }
            Turn::Failed(Error::Forbidden { .. }) if watched.namespace.is_none() => {
                watched.namespace = Some(watched.home.clone());
                resource_version = None;
                if message.send(wrap(WatchUpdate::Narrowed)).await.is_err() {
                    return;
                }
                continue;
            }
            Turn::Failed(error) => error,
        };
        failures += 1;
        let since = *broken_since.get_or_insert_with(now);
        let wait = match error.retry_after() {
            Some(wait) => wait,
            None if since.elapsed() < EAGER => {
                QUICK.min(Duration::from_millis(100) * (1 << failures.min(4)))
            }
            None => Backoff::PATIENT.delay(failures, fastrand::f64()),
        };
        if message.send(wrap(WatchUpdate::Blind(error, wait))).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(wait) => {}
            changed = nudge.changed() => if changed.is_err() { return },
            () = message.closed() => return,
        }
    }
}

/// Whether all namespaces may be listed by now.
async fn can_list(cluster: &Cluster, watched: &Watched) -> bool {
    let path = Watched { namespace: None, ..watched.clone() }.path();
    let page = cluster.connection.get_bytes(&path, &[("limit", "1")]).await;
    page.is_ok()
}

/// Whether the cluster has a group of its API; everybody may ask that.
async fn there(cluster: &Cluster, root: &str) -> bool {
    cluster.connection.get::<serde_json::Value>(root, &[]).await.is_ok()
}

enum Turn {
    /// The watch has ended as watches do.
    Again,
    /// Nothing came, not even a bookmark: the connection is dead, the kind is quiet on a server that sends none for it, or
    /// the server was restored from a backup and has not reached the revision yet.
    Silent,
    Failed(Error),
    NobodyListens,
}

/// Lists where there is no revision to go on from, then watches until that ends.
async fn turn<T, N>(
    cluster: &Cluster,
    watched: &Watched,
    resource_version: &mut Option<String>,
    wrap: &impl Fn(WatchUpdate<T>) -> N,
    message: &mpsc::Sender<N>,
) -> Turn
where
    T: Kept + DeserializeOwned + Clone,
{
    let path = watched.path();
    let from = match resource_version.clone() {
        Some(resource_version) => resource_version,
        None => match list::<T>(cluster, &path, &watched.selector).await {
            Err(error) => return Turn::Failed(error),
            Ok((items, revision)) => {
                if message.send(wrap(WatchUpdate::All(items))).await.is_err() {
                    return Turn::NobodyListens;
                }
                *resource_version = Some(revision.clone());
                revision
            }
        },
    };
    let connection = &cluster.connection;
    let address = crate::platform::cluster::Connection::address(
        &path,
        &[
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", LIFE),
            ("resourceVersion", &from),
            ("labelSelector", &watched.selector),
        ],
    );
    let client = match connection.client().await {
        Ok(client) => client,
        Err(error) => return Turn::Failed(error),
    };
    connection.meter.count();
    tracing::debug!(path, from, "watch");
    let request = match Request::get(&address).body(Vec::new()) {
        Ok(request) => request,
        Err(error) => return Turn::Failed(connection.unreachable(&error)),
    };
    let started = timeout(connection.timeout, client.request_events::<T>(request)).await;
    let stream = match started {
        Err(_) => {
            return Turn::Failed(exchange::silent(connection, connection.timeout).error);
        }
        Ok(Err(error)) => return broken(cluster, &path, resource_version, error).await,
        Ok(Ok(stream)) => stream,
    };
    let mut stream = pin!(stream);
    if message.send(wrap(WatchUpdate::Alive)).await.is_err() {
        return Turn::NobodyListens;
    }
    loop {
        let next = tokio::select! {
            next = timeout(SILENCE, stream.try_next()) => next,
            () = message.closed() => return Turn::NobodyListens,
        };
        let change = match next {
            Err(_) => return Turn::Silent,
            Ok(Ok(None)) => return Turn::Again,
            Ok(Ok(Some(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                *resource_version = Some(object.metadata().resource_version.clone());
                WatchUpdate::Put(Box::new(object))
            }
            Ok(Ok(Some(WatchEvent::Deleted(object)))) => {
                *resource_version = Some(object.metadata().resource_version.clone());
                WatchUpdate::Gone(object.metadata().uid.clone())
            }
            Ok(Ok(Some(WatchEvent::Bookmark(bookmark)))) => {
                *resource_version = Some(bookmark.metadata.resource_version);
                WatchUpdate::Alive
            }
            Ok(Ok(Some(WatchEvent::Error(status)))) => {
                return broken(cluster, &path, resource_version, kube::Error::Api(status)).await;
            }
            Ok(Err(kube::Error::SerdeError(error))) => {
                // An object that cannot be read must not stop the others; listing again shows whether it stays so.
                tracing::warn!(%error, path, "an object of a watch cannot be read");
                *resource_version = None;
                return Turn::Again;
            }
            Ok(Err(error)) => return broken(cluster, &path, resource_version, error).await,
        };
        if message.send(wrap(change)).await.is_err() {
            return Turn::NobodyListens;
        }
    }
}

/// What a watch that did not begin, or broke, leads to.
async fn broken(
    cluster: &Cluster,
    path: &str,
    resource_version: &mut Option<String>,
    error: kube::Error,
) -> Turn {
    let connection = &cluster.connection;
    let kube::Error::Api(status) = &error else {
        return Turn::Failed(connection.unreachable(&error));
    };
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // A revision of the future is answered as a time-out with a cause (`apiserver/pkg/storage/errors.go`).
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let future = causes.into_iter().any(|cause| cause.reason == "ResourceVersionTooLarge");
    if code == StatusCode::GONE || status.reason == "Expired" || future {
        *resource_version = None;
        return Turn::Again;
    }
    if code == StatusCode::UNAUTHORIZED {
        connection.forget().await;
    }
    let body = serde_json::json!({ "message": status.message, "reason": status.reason });
    let answer = Answer {
        status: code,
        retry_after: None,
        body: body.to_string().into_bytes(),
        etag: None,
        login: None,
    };
    Turn::Failed(exchange::refusal(connection, path, &answer))
}

/// One page of a list. An object that cannot be read hides only itself.
async fn page<T: DeserializeOwned>(
    cluster: &Cluster,
    path: &str,
    query: &[(&str, &str)],
) -> Result<List<T>, Error> {
    let body = cluster.connection.get_bytes(path, query).await?;
    let error = match cluster.connection.decode::<List<T>>(path, &body) {
        Ok(page) => return Ok(page),
        Err(error) => error,
    };
    let Ok(whole) = serde_json::from_slice::<List<serde_json::Value>>(&body) else {
        return Err(error);
    };
    tracing::warn!(%error, path, "an object of a list cannot be read");
    let items = whole.items.into_iter().filter_map(|item| T::deserialize(item).ok()).collect();
    Ok(List { metadata: whole.metadata, items })
}

/// All objects of a path, page by page, and the revision that the list stands for.
pub(in crate::platform::kubernetes) async fn list<T: DeserializeOwned>(
    cluster: &Cluster,
    path: &str,
    selector: &str,
) -> Result<(Vec<T>, String), Error> {
    let mut items = Vec::new();
    let mut next = String::new();
    let mut anew = 0;
    loop {
        let mut query = vec![("limit", PAGE)];
        if !selector.is_empty() {
            query.push(("labelSelector", selector));
        }
        if !next.is_empty() {
            query.push(("continue", &next));
        }
        let page = match page(cluster, path, &query).await {
            // The server has forgotten what the first pages were of: the list begins anew.
            Err(Error::Api { status: 410, .. }) if !next.is_empty() && anew < ANEW => {
                anew += 1;
                items.clear();
                next.clear();
                continue;
            }
            page => page?,
        };
        items.extend(page.items);
        match page.metadata.next.filter(|next| !next.is_empty()) {
            Some(more) => next = more,
            None => return Ok((items, page.metadata.resource_version)),
        }
    }
}
