//! Audit events as clauses. The crashes of one storm are said once, so that they do not hide who did what before.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{AppEvent, revision_name, text::clean};
use crate::platform::cloud_foundry::{foundation::Labels, model::wire};

/// Crashes for one reason with less than this between them are one storm.
const TOGETHER: SignedDuration = SignedDuration::from_mins(10);

/// Crashes for one reason.
struct Storm<'a> {
    why: &'a str,
    /// How often each instance has crashed by now.
    times: BTreeMap<i64, i64>,
    oldest: Timestamp,
    /// Where it is told.
    at: usize,
}

impl Storm<'_> {
    fn told(&self) -> String {
        let instances: Vec<_> = self.times.keys().map(ToString::to_string).collect();
        let several = if instances.len() > 1 { "s" } else { "" };
        let times = self.times.values().fold(0_i64, |sum, times| sum.saturating_add(*times));
        let (instances, why) = (instances.join(" "), self.why);
        clean(&format!("instance{several} {instances} crashed, {times}x by now: {why}"))
    }
}

fn text<'a>(event: &'a wire::AuditEvent, name: &str) -> &'a str {
    event.data.get(name).and_then(serde_json::Value::as_str).unwrap_or_default()
}

fn number(event: &wire::AuditEvent, name: &str) -> i64 {
    event.data.get(name).and_then(serde_json::Value::as_i64).unwrap_or_default()
}

/// What happened, from events that come newest first.
pub(in crate::platform::cloud_foundry) fn told(
    events: &[wire::AuditEvent],
    labels: &Labels,
) -> Vec<AppEvent> {
    let mut told: Vec<AppEvent> = Vec::new();
    let mut storms: Vec<Storm<'_>> = Vec::new();
    // Each crash is recorded twice, of the process and of the app (`app_crashed_controller.rb`): once is enough.
    let told_once = |event: &&wire::AuditEvent| {
        event.kind != "app.crash" && !event.kind.ends_with("environment_variables.show")
    };
    for event in events.iter().filter(told_once) {
        if !event.kind.ends_with("process.crash") {
            told.push(event_of(event, labels));
            continue;
        }
        let (why, index) = (text(event, "exit_description"), number(event, "index"));
        let times = number(event, "crash_count").max(1);
        let near = |storm: &&mut Storm<'_>| {
            storm.why == why && storm.oldest.duration_since(event.created_at) < TOGETHER
        };
        if let Some(storm) = storms.iter_mut().find(near) {
            // Later ones of an instance count those before them.
            storm.times.entry(index).or_insert(times);
            storm.oldest = event.created_at;
            continue;
        }
        let times = BTreeMap::from([(index, times)]);
        storms.push(Storm { why, times, oldest: event.created_at, at: told.len() });
        told.push(event_of(event, labels));
    }
    for storm in storms {
        told[storm.at].what = storm.told();
        told[storm.at].bad = true;
    }
    told
}

/// What an audit event says, in a clause.
fn event_of(event: &wire::AuditEvent, labels: &Labels) -> AppEvent {
    let text = |name| text(event, name);
    let revision = || match labels.get(text("revision_guid")) {
        Some(label) => format!(" of {}", revision_name(label)),
        None => String::new(),
    };
    let kind = event.kind.strip_prefix("audit.app.").unwrap_or(&event.kind);
    let (what, bad) = match kind {
        "deployment.create" if text("type") == "rollback" => {
            (format!("began a roll back, a rollout{}", revision()), false)
        }
        "deployment.create" => (format!("began a rollout{}", revision()), false),
        "deployment.cancel" => ("cancelled the rollout".to_owned(), true),
        "deployment.continue" => ("let the rollout go on".to_owned(), false),
        "revision.create" => {
            (format!("made {}", revision_name(number(event, "revision_version"))), false)
        }
        "process.scale" => ("scaled a process".to_owned(), false),
        "build.create" => ("began staging".to_owned(), false),
        "build.staged" => ("staging finished".to_owned(), false),
        "build.failed" => ("staging failed".to_owned(), true),
        "droplet.mapped" => ("set the current droplet".to_owned(), false),
        "update" => ("changed the app".to_owned(), false),
        "start" => ("started the app".to_owned(), false),
        "stop" => ("stopped the app".to_owned(), true),
        "restart" => ("restarted the app".to_owned(), false),
        "restage" => ("restaged the app".to_owned(), false),
        other => {
            (other.replace(['.', '_'], " "), other.contains("crash") || other.contains("fail"))
        }
    };
    let who = match event.actor.name.as_deref() {
        Some(name) if !name.is_empty() && event.actor.kind != "process" => clean(name),
        _ if event.actor.kind == "process" => "platform".to_owned(),
        _ => "somebody".to_owned(),
    };
    AppEvent {
        at: event.created_at,
        who,
        what: clean(&what),
        bad,
        routine: kind == "revision.create",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn crash(index: i64, count: i64, why: &str, at: &str) -> wire::AuditEvent {
        event(
            "audit.app.process.crash",
            at,
            &json!({
                "index": index, "crash_count": count, "exit_description": why,
            }),
        )
    }

    fn event(kind: &str, at: &str, data: &serde_json::Value) -> wire::AuditEvent {
        let actor = json!({ "name": "web", "type": "process" });
        serde_json::from_value(json!({
            "type": kind, "created_at": at, "actor": actor, "data": data,
        }))
        .unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_crashes_of_a_storm_are_said_once() {
        let events = [
            crash(1, 6, "out of memory", "2026-03-01T12:09:00Z"),
            crash(0, 5, "out of memory", "2026-03-01T12:08:00Z"),
            crash(1, 5, "out of memory", "2026-03-01T12:05:00Z"),
            event("app.crash", "2026-03-01T12:05:00Z", &json!({ "index": 1 })),
            event("audit.app.deployment.create", "2026-03-01T12:04:00Z", &json!({})),
            crash(0, 4, "out of memory", "2026-03-01T12:03:00Z"),
            crash(2, 1, "exit 1", "2026-03-01T12:02:00Z"),
            crash(0, 1, "out of memory", "2026-03-01T11:00:00Z"),
        ];
        let told: Vec<_> =
            told(&events, &Labels::new()).into_iter().map(|one| (one.what, one.bad)).collect();
        assert_eq!(
            told,
            [
                ("instances 0 1 crashed, 11x by now: out of memory".to_owned(), true),
                ("began a rollout".to_owned(), false),
                ("instance 2 crashed, 1x by now: exit 1".to_owned(), true),
                ("instance 0 crashed, 1x by now: out of memory".to_owned(), true),
            ]
        );
    }
}
