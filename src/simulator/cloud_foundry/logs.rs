//! Log-cache: plausible lines of every instance, and what the platform itself logged.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Reply},
    error::ApiError,
    health::{self, Health},
    world::{App, Process, World},
};
use crate::simulator::{
    clock::{after, seconds_between},
    guid::scramble,
};

struct Line {
    at: i128,
    process: String,
    kind: String,
    index: usize,
    source: String,
    text: String,
    error: bool,
}

/// `GET /api/v1/read/:guid`.
pub(crate) fn read(world: &mut World, call: &Call, guid: &str) -> Answer {
    let index = world.app_index(guid).ok_or_else(|| ApiError::not_found("App not found"))?;
    let now = world.now;
    let app = &*world.app(index);
    let number = |name: &str| call.param(name).and_then(|text| text.parse::<i128>().ok());
    let start = number("start_time").unwrap_or(0);
    let end = number("end_time").unwrap_or(i128::MAX);
    let limit = number("limit").unwrap_or(100).clamp(0, 1_000) as usize;
    let descending = call.param("descending") == Some("true");
    let mut lines = lines(app, now);
    lines.retain(|line| line.at >= start && line.at < end && line.at <= now.as_nanosecond());
    lines.sort_by_key(|line| line.at);
    if descending {
        lines.reverse();
    }
    lines.truncate(limit);
    let batch: Vec<_> = lines.into_iter().map(|line| envelope(app, line)).collect();
    Ok(Reply::ok(json!({ "envelopes": { "batch": batch } })))
}

fn envelope(app: &App, line: Line) -> Value {
    json!({
        "timestamp": line.at.to_string(), "source_id": app.guid, "instance_id": line.index.to_string(),
        "deprecated_tags": {},
        "tags": {
            "app_id": app.guid, "app_name": app.name, "process_id": line.process, "process_type": line.kind,
            "source_type": line.source, "instance_id": line.index.to_string(),
        },
        "log": { "payload": BASE64_STANDARD.encode(line.text), "type": if line.error { "ERR" } else { "OUT" } },
    })
}

fn lines(app: &App, now: Timestamp) -> Vec<Line> {
    let mut lines: Vec<_> = app
        .history
        .notes
        .iter()
        .map(|(at, source, text)| Line {
            at: at.as_nanosecond(),
            process: String::new(),
            kind: String::new(),
            index: 0,
            source: source.clone(),
            text: text.clone(),
            error: text.starts_with("Failed"),
        })
        .collect();
    if app.started {
        for process in &app.processes {
            let version = process.revision.as_ref().and_then(|guid| {
                app.history
                    .revisions
                    .iter()
                    .find(|revision| &revision.guid == guid)
                    .map(|r| r.version)
            });
            let place = match version {
                Some(version) => format!("APP/REV/{version}/PROC/{}", process.kind.to_uppercase()),
                None => format!("APP/PROC/{}", process.kind.to_uppercase()),
            };
            for (index, started) in process.started.iter().enumerate() {
                instance_lines(&mut lines, process, &place, index, *started, now);
            }
        }
    }
    lines
}

fn instance_lines(
    lines: &mut Vec<Line>,
    process: &Process,
    place: &str,
    index: usize,
    started: Timestamp,
    now: Timestamp,
) {
    let mut say = |at: Timestamp, text: String, error: bool| {
        lines.push(Line {
            at: at.as_nanosecond() + index as i128,
            process: process.guid.clone(),
            kind: process.kind.clone(),
            index,
            source: place.to_owned(),
            text,
            error,
        });
    };
    match &process.health {
        Health::Crash { reason, .. } => {
            let recent =
                health::crashes_between(&process.health, started, after(now, -3_600.0), now);
            for (fell, count) in recent {
                say(after(fell, -1.8), format!("starting, attempt {count}"), false);
                if reason.contains("memory") {
                    say(
                        after(fell, -0.3),
                        "warming cache: 61 MB of 64 MB in use".to_owned(),
                        false,
                    );
                    say(after(fell, -0.1), "fatal: cannot allocate memory".to_owned(), true);
                } else {
                    say(after(fell, -0.1), "fatal: startup failed".to_owned(), true);
                }
                say(fell, format!("Exited: {reason}"), true);
            }
        }
        _ => {
            let elapsed = seconds_between(started, now);
            say(after(started, 1.0), "listening on 0.0.0.0:8080".to_owned(), false);
            // A request about every eleven seconds, the last few minutes' worth.
            let first = ((elapsed - 300.0) / 11.0).max(0.0) as u64;
            for beat in first..=(elapsed.max(0.0) / 11.0) as u64 {
                let mixed = scramble(beat ^ (index as u64) << 32);
                let at =
                    after(started, 3.0 + beat as f64 * 11.0 + (mixed % 3_000) as f64 / 1_000.0);
                let path = ["/", "/items", "/cart", "/health"][(mixed >> 8) as usize % 4];
                say(at, format!("GET {path} 200 {}ms", 3 + (mixed >> 16) % 40), false);
                if process.health == Health::Heavy {
                    for (after_it, path) in [(0.4, "/items"), (3.1, "/cart"), (6.7, "/items")] {
                        let text = format!("error: GET {path}: upstream timed out after 2000ms");
                        say(after(at, after_it), text, true);
                    }
                }
            }
        }
    }
}
