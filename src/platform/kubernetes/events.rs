//! Events in few words: names without that of the app, a reason only where something went wrong, and what many Pods did
//! alike said once.

use jiff::{SignedDuration, Timestamp};

use super::wire::Event;
use crate::domain::{Happening, text::clean};

/// What is alike and happened within so long is said once.
const TOGETHER: SignedDuration = SignedDuration::from_mins(5);

/// So many of the objects of one line are named.
const NAMED: usize = 3;

/// What the API's own recorder puts before the last of many; how many they were is said anyway.
const COMBINED: &str = "(combined from similar events): ";

fn time(event: &Event) -> Timestamp {
    let at = event.last_timestamp.or(event.at).or(event.metadata.creation_timestamp);
    at.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Events that are told in one line.
struct Group<'a> {
    newest: &'a Event,
    times: u32,
    /// What they are about, each once.
    about: Vec<&'a str>,
}

/// The events of an app, newest first.
pub(super) fn told(mut events: Vec<Event>, app: &str) -> Vec<Happening> {
    events.sort_by_key(|event| std::cmp::Reverse(time(event)));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for event in &events {
        let times = event.count.unwrap_or(1).max(1);
        let about = event.involved_object.name.as_str();
        let near = |group: &&mut Group<'_>| {
            alike(group.newest, event) && time(group.newest).duration_since(time(event)) < TOGETHER
        };
        match groups.iter_mut().rev().find(near) {
            Some(group) => {
                group.times += times;
                if !group.about.contains(&about) {
                    group.about.push(about);
                }
            }
            None => groups.push(Group { newest: event, times, about: vec![about] }),
        }
    }
    groups.iter().map(|group| happening(group, app)).collect()
}

/// Whether two events say the same of different objects; of what went wrong, only if their words are the same too.
fn alike(one: &Event, other: &Event) -> bool {
    one.kind == other.kind
        && one.reason == other.reason
        && one.source.component == other.source.component
        && (one.kind == "Normal" || general(one) == general(other))
}

/// The message without what is only about this one object: the kubelet adds the Pod and its uid to some.
fn general(event: &Event) -> String {
    let message = event.message.strip_prefix(COMBINED).unwrap_or(&event.message);
    let message = message.split(" in pod ").next().unwrap_or(message);
    message.replace(&event.involved_object.name, "")
}

fn happening(group: &Group<'_>, app: &str) -> Happening {
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
    let from = event.source.component.trim_end_matches("-controller");
    Happening {
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
