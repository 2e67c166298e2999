//! What the containers of Pods print: `GET …/pods/NAME/log`, with `follow`, `previous`, `sinceTime`, `sinceSeconds`,
//! `tailLines` and `timestamps` as the kubelet has them.
//!
//! An image whose tag contains `heavy` tells of errors, one that contains `flood` prints a thousand lines a second.

use std::{
    collections::BTreeMap,
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
use jiff::Timestamp;
use serde_json::Value;
use tokio::{sync::mpsc, time::sleep};

use super::{Cluster, error::ApiError, store::Key};
use crate::simulator::clock::{after, seconds_between};

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// For how long back a container's lines are kept, in seconds.
const KEPT: f64 = 300.0;
/// Seconds between two requests that a container serves.
const BEAT: f64 = 3.0;

type Query = BTreeMap<String, String>;

fn is(query: &Query, name: &str) -> bool {
    query.get(name).is_some_and(|text| text == "true" || text == "1")
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The lines of the present run of a container up to a time, or those of the run before.
fn lines(pod: &Value, now: Timestamp, previous: bool) -> Vec<(Timestamp, String)> {
    let state = &pod["status"]["containerStatuses"][0];
    let ended = &state["lastState"]["terminated"];
    let started = time(&state["state"]["running"]["startedAt"]);
    let fell = time(&ended["finishedAt"]);
    match (previous, started, fell) {
        (true, _, Some(fell)) | (false, None, Some(fell)) => vec![
            (after(fell, -1.8), "starting".to_owned()),
            (after(fell, -0.9), "warming cache: 61 MB of 64 MB in use".to_owned()),
            (after(fell, -0.1), "fatal: cannot allocate memory".to_owned()),
        ],
        (false, Some(started), Some(_)) => vec![(after(started, 0.2), "starting".to_owned())],
        (false, Some(started), None) => running(pod, started, now),
        (true, _, None) | (false, None, None) => Vec::new(),
    }
}

fn running(pod: &Value, started: Timestamp, now: Timestamp) -> Vec<(Timestamp, String)> {
    let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    let elapsed = seconds_between(started, now).max(0.0);
    if image.contains("flood") {
        let first = ((elapsed - 2.0).max(0.0) * 1_000.0) as u64;
        return (first..=(elapsed * 1_000.0) as u64)
            .map(|at| (after(started, at as f64 / 1_000.0), format!("line {at} of many")))
            .collect();
    }
    let mut lines = vec![(after(started, 0.1), "listening on :8080".to_owned())];
    let first = ((elapsed - KEPT) / BEAT).max(0.0) as u64;
    for beat in first..=(elapsed / BEAT) as u64 {
        let at = after(started, 0.5 + beat as f64 * BEAT);
        lines.push((at, format!("GET /items 200 {}ms", 12 + beat % 7)));
        if image.contains("heavy") {
            lines.push((after(at, 0.7), "error: upstream timed out after 2000ms".to_owned()));
        }
    }
    lines.retain(|(at, _)| *at <= now && seconds_between(*at, now) <= KEPT);
    lines
}

/// Which of the lines are asked for.
fn asked(
    mut lines: Vec<(Timestamp, String)>,
    now: Timestamp,
    query: &Query,
) -> Vec<(Timestamp, String)> {
    let since = query.get("sinceTime").and_then(|text| text.parse().ok());
    let seconds = query.get("sinceSeconds").and_then(|text| text.parse::<f64>().ok());
    let since: Option<Timestamp> = since.or(seconds.map(|seconds| after(now, -seconds)));
    lines.retain(|(at, _)| since.is_none_or(|since| *at >= since));
    let most = query.get("tailLines").and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
    let skipped = lines.len().saturating_sub(most);
    lines.drain(..skipped);
    lines
}

fn written(lines: &[(Timestamp, String)], query: &Query) -> String {
    let stamps = is(query, "timestamps");
    let line = |(at, text): &(Timestamp, String)| {
        // The kubelet stamps with nanoseconds.
        if stamps { format!("{at} {text}\n") } else { format!("{text}\n") }
    };
    lines.iter().map(line).collect()
}

/// What a container has printed.
pub(super) fn read(pod: &Value, now: Timestamp, query: &Query) -> Result<String, ApiError> {
    let state = &pod["status"]["containerStatuses"][0];
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let container = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
    if is(query, "previous") && state["lastState"]["terminated"].is_null() {
        let why =
            format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return Err(ApiError::new(400, "BadRequest", why));
    }
    let began = !state["state"]["running"].is_null() || !state["lastState"]["terminated"].is_null();
    if !began {
        let reason = state["state"]["waiting"]["reason"].as_str().unwrap_or("ContainerCreating");
        let why =
            format!("container \"{container}\" in pod \"{name}\" is waiting to start: {reason}");
        return Err(ApiError::new(400, "BadRequest", why));
    }
    Ok(written(&asked(lines(pod, now, is(query, "previous")), now, query), query))
}

/// Whether a log is to be followed.
pub(super) fn follows(query: &Query) -> bool {
    is(query, "follow") && !is(query, "previous")
}

/// The same, and what is printed from now on, until the run ends, the Pod is gone, or the faults change.
pub(super) fn follow(
    cluster: Arc<Cluster>,
    key: &Key,
    query: &Query,
    first: String,
    now: Timestamp,
) -> Response {
    let (sender, received) = mpsc::channel::<String>(16);
    let (key, query) = (key.clone(), query.clone());
    tokio::spawn(async move {
        let mut faults = cluster.faults.changes();
        let (mut at, mut text) = (now, first);
        let mut run: Option<Value> = None;
        loop {
            if !text.is_empty() && sender.send(std::mem::take(&mut text)).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = sender.closed() => return,
                _ = faults.changed() => return,
            }
            let mut world = cluster.world.lock().unwrap_or_else(PoisonError::into_inner);
            world.catch_up();
            cluster.tell(&world);
            let Some(pod) = world.store.get(&key) else { return };
            let running = pod["status"]["containerStatuses"][0]["state"]["running"].clone();
            // A container that was started anew is another run.
            let same = run.get_or_insert_with(|| running.clone());
            if running.is_null() || *same != running {
                return;
            }
            let now = world.now;
            let mut new = lines(pod, now, false);
            new.retain(|(when, _)| *when > at && *when <= now);
            at = now;
            text = written(&new, &query);
        }
    });
    let body = stream::unfold(received, |mut received| async move {
        let text = received.recv().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), received))
    });
    let mut response = (StatusCode::OK, Body::from_stream(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
