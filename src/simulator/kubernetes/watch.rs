//! Watches: changes as lines of JSON, from where the client has come to.

use std::{
    convert::Infallible,
    sync::{Arc, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    Cluster,
    error::ApiError,
    forms::Form,
    resources::{ALL, Kind},
    selector::Selector,
};

/// How often a bookmark is sent.
const BOOKMARK: Duration = Duration::from_mins(1);

/// What a watch is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    pub(crate) namespace: Option<String>,
    pub(crate) selector: Selector,
    /// From here on; from the present where it is none.
    pub(crate) revision: Option<u64>,
    pub(crate) initial: bool,
    pub(crate) bookmarks: bool,
    pub(crate) life: Option<Duration>,
    pub(crate) form: Form,
}

/// Begins a watch: a stream that ends with its life, or when the faults change.
pub(crate) fn begin(cluster: Arc<Cluster>, asked: Asked) -> Response {
    let (lines, received) = mpsc::channel::<String>(64);
    tokio::spawn(async move { run(&cluster, &asked, &lines).await });
    let body = stream::unfold(received, |mut received| async move {
        let line = received.recv().await?;
        Some((Ok::<_, Infallible>(Bytes::from(line)), received))
    });
    let mut response = (StatusCode::OK, Body::from_stream(body)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The first line of a watch whose place is forgotten.
pub(crate) fn expired(from: u64, now: u64) -> Response {
    let line = json!({ "type": "ERROR", "object": ApiError::expired(from, now).status() });
    let mut response = (StatusCode::OK, format!("{line}\n")).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn now() -> Instant {
    Instant::now()
}

async fn run(cluster: &Cluster, asked: &Asked, lines: &mpsc::Sender<String>) {
    let mut faults = cluster.faults.changes();
    let until = asked.life.map(|life| now() + life);
    let mut changed = cluster.changed.subscribe();
    let mut at = match asked.revision {
        Some(revision) if !asked.initial => revision,
        _ => match first(cluster, asked, lines).await {
            Some(revision) => revision,
            None => return,
        },
    };
    let mut bookmark = now() + BOOKMARK;
    loop {
        changed.borrow_and_update();
        let text = match since(cluster, asked, &mut at) {
            Ok(text) => text,
            Err(line) => {
                let _ = lines.send(line).await;
                return;
            }
        };
        if !text.is_empty() && lines.send(text).await.is_err() {
            return;
        }
        let next = until.map_or(bookmark, |until| until.min(bookmark));
        tokio::select! {
            () = lines.closed() => return,
            _ = faults.changed() => return,
            result = timeout_at(next, changed.changed()) => match result {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    let over = until.is_some_and(|until| now() >= until);
                    if asked.bookmarks {
                        let own = ALL[asked.kind].api_version();
                        let object = json!({ "kind": ALL[asked.kind].kind, "apiVersion": own, "metadata": { "resourceVersion": at.to_string(), "creationTimestamp": null } });
                        let _ = lines.send(format!("{}\n", json!({ "type": "BOOKMARK", "object": object }))).await;
                    }
                    if over {
                        return;
                    }
                    bookmark = now() + BOOKMARK;
                }
            },
        }
    }
}

/// The lines of what has changed since then, or the line that says that this is forgotten.
fn since(cluster: &Cluster, asked: &Asked, at: &mut u64) -> Result<String, String> {
    let world = cluster.world.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(changes) = world.store.since(*at) else {
        let error = ApiError::expired(*at, world.store.revision()).status();
        return Err(format!("{}\n", json!({ "type": "ERROR", "object": error })));
    };
    let mut text = String::new();
    for change in changes {
        *at = change.revision;
        text.extend(line(change, asked, world.now));
    }
    Ok(text)
}

/// What is there already, and the bookmark that ends it where the client asked for that.
async fn first(cluster: &Cluster, asked: &Asked, lines: &mpsc::Sender<String>) -> Option<u64> {
    let (text, revision) = {
        let world = cluster.world.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (_, object) in world.store.list(asked.kind, asked.namespace.as_deref()) {
            if asked.selector.matches(object) {
                let object = asked.form.of(asked.kind, object, world.now);
                text += &format!("{}\n", json!({ "type": "ADDED", "object": object }));
            }
        }
        let revision = world.store.revision();
        if asked.initial {
            let object = json!({
                "kind": ALL[asked.kind].kind, "apiVersion": ALL[asked.kind].api_version(),
                "metadata": { "resourceVersion": revision.to_string(), "annotations": { "k8s.io/initial-events-end": "true" } },
            });
            text += &format!("{}\n", json!({ "type": "BOOKMARK", "object": object }));
        }
        (text, revision)
    };
    if !text.is_empty() && lines.send(text).await.is_err() {
        return None;
    }
    Some(revision)
}

/// A change as this watch sees it: an object may come into its selection or leave it.
fn line(change: &super::store::StoreEvent, asked: &Asked, now: jiff::Timestamp) -> Option<String> {
    let mine = change.key.kind == asked.kind
        && asked.namespace.as_ref().is_none_or(|wanted| change.key.namespace == *wanted);
    if !mine {
        return None;
    }
    let matches = |object: &Option<Arc<Value>>| {
        object.as_ref().is_some_and(|object| asked.selector.matches(object))
    };
    let (kind, object) = match (matches(&change.before), matches(&change.after)) {
        (false, false) => return None,
        (false, true) => ("ADDED", change.after.as_ref()?),
        (true, true) => ("MODIFIED", change.after.as_ref()?),
        (true, false) => ("DELETED", change.last.as_ref().or(change.before.as_ref())?),
    };
    let object = asked.form.of(asked.kind, object, now);
    Some(format!("{}\n", json!({ "type": kind, "object": object })))
}
