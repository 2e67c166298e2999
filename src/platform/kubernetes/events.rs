//! Events in few words: names without that of the app, a reason only where something went wrong, and what many Pods did
//! alike said once.

use jiff::{SignedDuration, Timestamp};

use super::wire::Event;
use crate::domain::{Happening, text::clean};

/// What is alike and happened within so long is said once.
const TOGETHER: SignedDuration = SignedDuration::from_mins(5);

/// What the API's own recorder puts before the last of many; how many they were is said anyway.
const COMBINED: &str = "(combined from similar events): ";

fn time(event: &Event) -> Timestamp {
    let at = event.last_timestamp.or(event.at).or(event.metadata.creation_timestamp);
    at.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The events of an app, newest first.
pub(super) fn told(mut events: Vec<Event>, app: &str) -> Vec<Happening> {
    events.sort_by_key(|event| std::cmp::Reverse(time(event)));
    let mut groups: Vec<(Event, u32)> = Vec::new();
    for event in events {
        let times = event.count.unwrap_or(1).max(1);
        let of_many = |one: &Event| one.kind == "Normal";
        let alike = |(one, _): &&mut (Event, u32)| {
            of_many(one)
                && of_many(&event)
                && one.reason == event.reason
                && one.source.component == event.source.component
                && time(one).duration_since(time(&event)) < TOGETHER
        };
        match groups.iter_mut().rev().find(alike) {
            Some((_, count)) => *count += times,
            None => groups.push((event, times)),
        }
    }
    groups.iter().map(|(event, times)| happening(event, *times, app)).collect()
}

fn happening(event: &Event, times: u32, app: &str) -> Happening {
    let bad = event.kind == "Warning";
    let bare = |text: &str| text.replace(&format!("{app}-"), "");
    let message = event.message.strip_prefix(COMBINED).unwrap_or(&event.message);
    let mut what = bare(message);
    let many = matches!(event.involved_object.kind.as_str(), "Pod" | "ReplicaSet");
    if times > 1 && !bad && many {
        event.reason.clone_into(&mut what);
    } else {
        if what.is_empty() || (bad && !what.contains(&event.reason)) {
            what = format!("{}: {what}", event.reason);
        }
        let about = bare(&event.involved_object.name);
        if about != app && !what.contains(&about) {
            what += &format!(" ({about})");
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
            started("web-6c-a", "2026-02-01T12:00:00Z"),
        ];
        let told: Vec<_> = told(events, "web").into_iter().map(|one| one.what).collect();
        assert_eq!(told, ["Started, 2x", "BackOff: Back-off (7d-a)", "Started container (6c-a)"]);
    }
}
