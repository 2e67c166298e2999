//! Events in few words: names without that of the app, a reason only where something went wrong, and what many Pods did
//! alike said once.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{AppEvent, text::clean};
use crate::platform::kubernetes::{
    model::store::{Address, Kind},
    model::wire::Event,
};

/// What is alike and happened within so long is said once.
const TOGETHER: SignedDuration = SignedDuration::from_mins(5);

/// So many of the objects of one line are named.
const NAMED: usize = 3;

/// What the API's own recorder puts before the last of many; how many they were is said anyway.
const COMBINED: &str = "(combined from similar events): ";

fn time(event: &Event) -> Timestamp {
    let again = event.series.as_ref().and_then(|series| series.last_observed_time);
    let at = event.last_timestamp.or(again).or(event.at).or(event.metadata.creation_timestamp);
    at.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn times(event: &Event) -> u32 {
    let series = event.series.as_ref().map(|series| series.count);
    event.count.or(series).unwrap_or(1).max(1)
}

fn component(event: &Event) -> &str {
    let source = event.source.component.as_str();
    if source.is_empty() { &event.reporting_component } else { source }
}

/// The letters of the names that controllers make up.
const MADE_UP: &str = "bcdfghjklmnpqrstvwxz2456789";
/// A longer name is cut where a controller adds to it.
const WHOLE: usize = 46;

/// Whether an event is about a workload, or about what its controllers have named after it: `web-api-5d8f7-x2b4c` is
/// not of `web`.
pub(in crate::platform::kubernetes) fn concerns(
    event: &Event,
    address: &Address,
    uid: &str,
) -> bool {
    let about = &event.involved_object;
    let workload = Kind::ALL.iter().any(|kind| about.kind.eq_ignore_ascii_case(kind.word()));
    if about.uid == uid || workload {
        return about.uid == uid;
    }
    if address.name.len() > WHOLE {
        return about.name.get(..WHOLE) == address.name.get(..WHOLE);
    }
    let Some(rest) = about.name.strip_prefix(&address.name) else { return false };
    let Some(rest) = rest.strip_prefix('-') else { return rest.is_empty() };
    let made_up = |part: &str| part.len() <= 10 && part.chars().all(|one| MADE_UP.contains(one));
    let last = |part: &str| part.len() == 5 && made_up(part);
    match (about.kind.as_str(), address.kind) {
        ("ReplicaSet", kind) if kind.has_sets() => made_up(rest),
        ("Pod", kind) if kind.has_sets() => {
            rest.split_once('-').is_some_and(|(hash, end)| made_up(hash) && last(end))
        }
        ("Pod", Kind::StatefulSet) => rest.parse::<u32>().is_ok(),
        ("Pod", Kind::DaemonSet) => last(rest),
        _ => false,
    }
}

/// Events that are told in one line.
struct Group<'a> {
    newest: &'a Event,
    times: u32,
    /// What they are about, each once.
    about: Vec<&'a str>,
}

/// The events of an app, newest first.
pub(in crate::platform::kubernetes) fn told(mut events: Vec<Event>, app: &str) -> Vec<AppEvent> {
    events.sort_by_key(|event| std::cmp::Reverse(time(event)));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for event in &events {
        let times = times(event);
        let about = event.involved_object.name.as_str();
        let near = |group: &&mut Group<'_>| {
            alike(group.newest, event) && time(group.newest).duration_since(time(event)) < TOGETHER
        };
        match groups.iter_mut().rev().find(near) {
            Some(group) => {
                group.times = group.times.saturating_add(times);
                if !group.about.contains(&about) {
                    group.about.push(about);
                }
            }
            None => groups.push(Group { newest: event, times, about: vec![about] }),
        }
    }
    groups.iter().map(|group| event_of(group, app)).collect()
}

/// Whether two events say the same of different objects; of what went wrong, only if their words are the same too.
fn alike(one: &Event, other: &Event) -> bool {
    one.kind == other.kind
        && one.reason == other.reason
        && component(one) == component(other)
        && (one.kind == "Normal" || general(one) == general(other))
}

/// The message without what is only about this one object: the kubelet adds the Pod and its uid to some.
fn general(event: &Event) -> String {
    let message = event.message.strip_prefix(COMBINED).unwrap_or(&event.message);
    let message = message.split(" in pod ").next().unwrap_or(message);
    message.replace(&event.involved_object.name, "")
}

fn event_of(group: &Group<'_>, app: &str) -> AppEvent {
    let (event, times) = (group.newest, group.times);
    let bad = event.kind == "Warning";
    let bare = |text: &str| text.replace(&format!("{app}-"), "");
    let message = event.message.strip_prefix(COMBINED).unwrap_or(&event.message);
    let mut what = bare(message);
    let many = matches!(event.involved_object.kind.as_str(), "Pod" | "ReplicaSet");
    if group.about.len() > 1 && bad {
        what = general(event);
    }
    if times > 1 && !bad && many {
        event.reason.clone_into(&mut what);
    } else {
        if what.is_empty() || (bad && !what.contains(&event.reason)) {
            what = format!("{}: {what}", event.reason);
        }
        let about: Vec<_> = group.about.iter().map(|name| bare(name)).collect();
        match about.as_slice() {
            [one] if one == app || what.contains(one) => {}
            [one] => what += &format!(" ({one})"),
            many if bad => {
                let rest = many.len().saturating_sub(NAMED);
                let more = if rest > 0 { format!(" +{rest}") } else { String::new() };
                what += &format!(" ({}{more})", many[..many.len() - rest].join(" "));
            }
            _ => {}
        }
    }
    if times > 1 && !bad && !many {
        what += &format!(", and {} like it", times - 1);
    } else if times > 1 {
        what += &format!(", {times}x");
    }
    let from = component(event).trim_end_matches("-controller");
    AppEvent {
        at: time(event),
        who: clean(if from.is_empty() { "platform" } else { from }),
        what: clean(&what),
        bad,
        routine: !bad && many,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, reason: &str, name: &str, message: &str, at: &str) -> Event {
        serde_json::from_value(serde_json::json!({
            "metadata": {}, "type": kind, "reason": reason, "message": message, "lastTimestamp": at,
            "involvedObject": { "kind": "Pod", "name": name }, "source": { "component": "kubelet" },
        }))
        .unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn an_event_says_what_matters_once() {
        let at = "2026-03-01T12:00:00Z";
        let one = |kind, reason, name, message| {
            told(vec![event(kind, reason, name, message, at)], "web").remove(0).what
        };
        assert_eq!(
            one("Normal", "SuccessfulDelete", "web-7d", "Deleted pod: web-7d-x2"),
            "Deleted pod: 7d-x2"
        );
        assert_eq!(
            one("Warning", "BackOff", "web-7d-x2", "Back-off restarting failed container"),
            "BackOff: Back-off restarting failed container (7d-x2)"
        );
    }

    #[test]
    fn a_neighbour_with_a_longer_name_is_another_app() {
        let mine = |kind: Kind, about: &str, name: &str| {
            let mut event = event("Normal", "Started", name, "", "2026-03-01T12:00:00Z");
            about.clone_into(&mut event.involved_object.kind);
            let address = Address { kind, namespace: "shop".to_owned(), name: "web".to_owned() };
            concerns(&event, &address, "uid")
        };
        assert!(mine(Kind::Deployment, "Pod", "web-5d8f7c6b49-x2b4c"));
        assert!(mine(Kind::Deployment, "ReplicaSet", "web-5d8f7c6b49"));
        assert!(mine(Kind::Deployment, "HorizontalPodAutoscaler", "web"));
        assert!(mine(Kind::StatefulSet, "Pod", "web-12"));
        assert!(mine(Kind::DaemonSet, "Pod", "web-x2b4c"));
        assert!(!mine(Kind::Deployment, "StatefulSet", "web"));
        assert!(!mine(Kind::Deployment, "Pod", "web-db-5d8f7c6b49-x2b4c"));
        assert!(!mine(Kind::Deployment, "ReplicaSet", "web-api"));
        assert!(!mine(Kind::StatefulSet, "Pod", "web-db-0"));
        assert!(!mine(Kind::DaemonSet, "Pod", "website-x2b4c"));
    }

    #[test]
    fn events_of_both_apis_are_read() {
        let event = serde_json::from_value(serde_json::json!({
            "metadata": {}, "type": "Warning", "reason": "FailedScheduling", "message": "0/3 nodes are available",
            "involvedObject": { "kind": "Pod", "name": "web-7d-a" }, "source": {}, "count": null,
            "firstTimestamp": null, "lastTimestamp": null, "eventTime": "2026-03-01T12:00:00.000001Z",
            "reportingComponent": "default-scheduler",
            "series": { "count": 4, "lastObservedTime": "2026-03-01T12:05:00.000000Z" },
        }));
        let told = told(vec![event.unwrap_or_default()], "web");
        assert_eq!(told[0].who, "default-scheduler");
        assert_eq!(told[0].what, "FailedScheduling: 0/3 nodes are available (7d-a), 4x");
        assert_eq!(told[0].at.to_string(), "2026-03-01T12:05:00Z");
    }

    #[test]
    fn what_many_did_alike_is_said_once() {
        let started =
            |name: &str, at: &str| event("Normal", "Started", name, "Started container", at);
        let events = vec![
            started("web-7d-a", "2026-03-01T12:00:00Z"),
            event("Warning", "BackOff", "web-7d-a", "Back-off", "2026-03-01T12:00:30Z"),
            started("web-7d-b", "2026-03-01T12:01:00Z"),
            event(
                "Warning",
                "BackOff",
                "web-7d-b",
                "Back-off in pod web-7d-b_shop(1f)",
                "2026-03-01T12:00:20Z",
            ),
            started("web-6c-a", "2026-02-01T12:00:00Z"),
        ];
        let told: Vec<_> = told(events, "web").into_iter().map(|one| one.what).collect();
        assert_eq!(
            told,
            ["Started, 2x", "BackOff: Back-off (7d-a 7d-b), 2x", "Started container (6c-a)"]
        );
    }
}
