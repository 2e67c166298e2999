//! CloudWatch Logs, as far as `awslogs` needs it: what the containers of tasks print, by `FilterLogEvents`.
//!
//! Events come oldest first, at most `limit` of them; a group that no task definition names is not there
//! (`ResourceNotFoundException`), and so is a stream that is named and has no line yet. An answer may hold nothing and a
//! token all the same: "This operation can return empty results while there are more log events available through the
//! token" (API reference, `FilterLogEvents`).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    call::{Answer, Call},
    error::ApiError,
    health::Health,
    world::{Task, World},
};
use crate::simulator::clock::{after, seconds_between};

/// A task prints a line so often, in seconds.
const EVERY: f64 = 5.0;
/// In a group of more streams the first answer has found nothing yet.
const FOUND_AT_ONCE: usize = 4;
/// The most events of an answer.
const MOST: u64 = 10_000;

/// What a task has printed as its line of this number.
fn line(task: &Task, number: usize) -> String {
    match (&task.health, number) {
        (Health::Crash(_), 0) => "opening the index".to_owned(),
        (_, 0) => "listening on :8080".to_owned(),
        (Health::Crash(_), _) => "fatal: cannot open the index: no such file".to_owned(),
        _ => format!("GET /health 200 {} ms", 2 + (number * 7) % 11),
    }
}

/// The lines of a task with their times.
fn printed(task: &Task, now: Timestamp) -> Vec<(Timestamp, String)> {
    // A container that crashes has printed before its task counts as running.
    let crashed = matches!(task.health, Health::Crash(_)) && task.stopped.is_some();
    let Some(begun) = task.running_at.or_else(|| crashed.then_some(task.created_at)) else {
        return Vec::new();
    };
    let end = task.stopped.as_ref().map_or(now, |stopped| stopped.at);
    if crashed {
        return vec![(begun, line(task, 0)), (end, line(task, 1))];
    }
    let count = (seconds_between(begun, end) / EVERY).floor().max(0.0) as usize;
    let times = (0..=count).map(|number| after(begun, number as f64 * EVERY));
    times.enumerate().map(|(number, at)| (at, line(task, number))).collect()
}

pub(crate) fn filter(world: &World, call: &Call) -> Answer {
    let group = call.required("logGroupName")?;
    let prefix = call.text("logStreamNamePrefix");
    let named: Option<Vec<&str>> = call.body["logStreamNames"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).collect());
    if prefix.is_some() && named.is_some() {
        return Err(ApiError::invalid(
            "The parameters logStreamNames and logStreamNamePrefix cannot both be given.",
        ));
    }
    let time = |name: &str| call.body[name].as_i64();
    let (from, to) = (time("startTime").unwrap_or(0), time("endTime").unwrap_or(i64::MAX));
    let (mut events, mut there, mut streams) = (Vec::new(), false, Vec::new());
    for service in &world.services {
        let running = service.deployments.iter().flat_map(|one| &one.tasks);
        for task in running.chain(&service.stopped) {
            let Some(definition) = world.definition(&task.definition) else { continue };
            for container in definition["containerDefinitions"].as_array().into_iter().flatten() {
                let options = &container["logConfiguration"]["options"];
                if options["awslogs-group"] != group {
                    continue;
                }
                there = true;
                let stream = format!(
                    "{}/{}/{}",
                    options["awslogs-stream-prefix"].as_str().unwrap_or_default(),
                    container["name"].as_str().unwrap_or_default(),
                    task.id
                );
                let lines = printed(task, world.now);
                if !lines.is_empty() {
                    streams.push(stream.clone());
                }
                let wanted = prefix.is_none_or(|prefix| stream.starts_with(prefix))
                    && named.as_ref().is_none_or(|named| named.contains(&stream.as_str()));
                if !wanted {
                    continue;
                }
                for (number, (at, message)) in lines.into_iter().enumerate() {
                    let at = at.as_millisecond();
                    if (from..to).contains(&at) {
                        events.push(json!({
                            "logStreamName": stream, "timestamp": at, "message": message, "ingestionTime": at + 900,
                            "eventId": format!("{at}{number:04}"),
                        }));
                    }
                }
            }
        }
    }
    let missing = |what: &str| {
        ApiError::new(
            "ResourceNotFoundException",
            format!("The specified log {what} does not exist."),
        )
    };
    if !there {
        return Err(missing("group"));
    }
    if named.is_some_and(|named| named.iter().any(|name| !streams.iter().any(|one| one == name))) {
        return Err(missing("stream"));
    }
    events.sort_by_key(|event| event["timestamp"].as_i64());
    if call.text("nextToken").is_none() && streams.len() > FOUND_AT_ONCE {
        return Ok(json!({ "events": [], "searchedLogStreams": [], "nextToken": "0" }));
    }
    let begin = call.text("nextToken").and_then(|token| token.parse().ok()).unwrap_or(0_usize);
    let most = call.body["limit"].as_u64().unwrap_or(MOST).clamp(1, MOST) as usize;
    let part: Vec<_> = events.iter().skip(begin).take(most).cloned().collect();
    let end = begin + part.len();
    let mut told = json!({ "events": part, "searchedLogStreams": [] });
    if end < events.len() {
        told["nextToken"] = end.to_string().into();
    }
    Ok(told)
}
