//! Reading a journal: the events, and the operations that have no end.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::VERSION;
use crate::domain::{AppKey, Outcome, Receipt};

/// One event of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// The operation's name.
    pub operation: String,
    /// `intent`, `sent`, `resumed` or `ended`.
    pub event: String,
    /// The app's name, where the line or an earlier one of the operation says it.
    pub app: String,
    /// What happened, in one line.
    pub text: String,
    /// The whole line.
    pub line: Value,
}

/// An operation that was sent and has no end.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// What to follow it by.
    pub receipt: Receipt,
    /// When it was sent.
    pub at: Timestamp,
    /// Whether another program that still runs follows it.
    pub followed: bool,
    /// The kind of platform that it is on.
    pub platform: String,
}

/// What a journal tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// The events, oldest first.
    pub entries: Vec<Entry>,
    /// What could not be read, a sentence each.
    pub complaints: Vec<String>,
    /// The operations that another program follows.
    followed: Vec<String>,
    /// The lines of a newer revdeck, as they are.
    newer: Vec<Newer>,
    /// Whether an operation may be without an end that nobody goes on with: it is not among the open ones.
    pub uncertain: bool,
}

/// A line of a newer revdeck: of what it says only this is relied on.
#[derive(Clone, Debug, PartialEq)]
struct Newer {
    operation: String,
    ends: bool,
    line: String,
}

impl Story {
    pub(super) fn unreadable(called: &str, error: &io::Error) -> Self {
        let complaint = format!("{called} cannot be read ({error})");
        Self { complaints: vec![complaint], uncertain: true, ..Self::default() }
    }

    /// Reads the lines of a journal, which is called so in complaints.
    pub(super) fn parse(text: &str, called: &str) -> Self {
        let mut story = Self::default();
        let mut names: HashMap<String, String> = HashMap::new();
        // The lines with a receipt that cannot be read, and their operations.
        let mut unreadable: Vec<(String, String)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let Ok(value) = serde_json::from_str::<Value>(line) else {
                let why = format!(
                    "line {number} of {called} is cut in half, or none of its own: it is passed over"
                );
                story.complaints.push(why);
                continue;
            };
            let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            let operation = value["operation"]
                .as_str()
                .map_or_else(|| value["operation"].to_string(), str::to_owned);
            // Lines of before there were versions tell what happened, and cannot be followed.
            if value["version"].as_u64().is_some_and(|version| version > VERSION) {
                story.complaints.push(format!(
                    "line {number} of {called} is of a newer revdeck: it is left to that"
                ));
                let ends = word("event") == "ended";
                story.newer.push(Newer { operation, ends, line: line.to_owned() });
                continue;
            }
            if !word("name").is_empty() {
                names.insert(operation.clone(), word("name"));
            }
            let Ok(at) = word("at").parse() else {
                let why = format!("line {number} of {called} says no time: it is passed over");
                story.complaints.push(why);
                continue;
            };
            let event = word("event");
            if event == "sent" && Receipt::deserialize(&value["receipt"]).is_err() {
                let why = format!(
                    "line {number} of {called} has a receipt that this revdeck cannot read: look yourself how its operation ended"
                );
                unreadable.push((operation.clone(), why));
            }
            let text = match event.as_str() {
                "intent" => word("title"),
                "sent" => {
                    let after = if value["afterwards"] == true { "afterwards, " } else { "" };
                    let (step, of) = (&value["step"], &value["of"]);
                    format!("{after}step {step} of {of}: {}", word("doing"))
                }
                "resumed" => "followed by another run".to_owned(),
                _ => format!("{}: {}", word("outcome").to_uppercase(), word("text")),
            };
            let app = names.get(&operation).cloned().unwrap_or_default();
            story.entries.push(Entry { at, operation, event, app, text, line: value });
        }
        let ended = story.ended();
        let unreadable: Vec<_> = unreadable
            .into_iter()
            .filter(|(operation, _)| !ended.contains(operation.as_str()))
            .collect();
        story.uncertain = !unreadable.is_empty();
        story.complaints.extend(unreadable.into_iter().map(|(_, why)| why));
        story
    }

    /// Earlier lines and later ones; what was taken over into the later journal stands once.
    pub(super) fn followed_by(mut self, later: Self) -> Self {
        let known: HashSet<String> = later.entries.iter().map(|one| one.line.to_string()).collect();
        self.entries.retain(|entry| !known.contains(&entry.line.to_string()));
        self.entries.extend(later.entries);
        // What was taken over stands before what came after it.
        self.entries.sort_by_key(|entry| entry.at);
        self.complaints.extend(later.complaints);
        self.newer.retain(|one| !later.newer.contains(one));
        self.newer.extend(later.newer);
        self.uncertain |= later.uncertain;
        self.followed = later.followed;
        self
    }

    /// The operations that have an end.
    fn ended(&self) -> HashSet<&str> {
        let ended = |entry: &&Entry| matches!(entry.event.as_str(), "ended" | "outcome");
        let own = self.entries.iter().filter(ended).map(|entry| entry.operation.as_str());
        let newer = self.newer.iter().filter(|one| one.ends).map(|one| one.operation.as_str());
        own.chain(newer).collect()
    }

    /// How an operation ended, where that is told.
    pub(super) fn end_of(&self, operation: &str) -> Option<Outcome> {
        let mut own = self.entries.iter().rev().filter(|entry| entry.operation == operation);
        let word =
            |entry: &Entry, name: &str| entry.line[name].as_str().unwrap_or_default().to_owned();
        let told =
            own.find_map(|entry| Outcome::of_word(&word(entry, "outcome"), &word(entry, "text")));
        let newer = || self.newer.iter().any(|one| one.operation == operation && one.ends);
        told.or_else(|| {
            let text = "a newer revdeck has ended it: its `revdeck journal` tells how";
            newer().then(|| Outcome::Unknown(text.to_owned()))
        })
    }

    /// Whether a newer revdeck has gone on with an operation.
    pub(super) fn is_of_newer(&self, operation: &str) -> bool {
        self.newer.iter().any(|one| one.operation == operation)
    }

    /// The operations that were sent and have no end, oldest first. One that a newer revdeck has gone on with is its own.
    pub fn open(&self) -> Vec<Open> {
        let ended = self.ended();
        let newer: HashSet<_> = self.newer.iter().map(|one| one.operation.as_str()).collect();
        let mut platforms: HashMap<&str, &str> = HashMap::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut open: Vec<Open> = Vec::new();
        for entry in &self.entries {
            let operation = entry.operation.as_str();
            if ended.contains(operation) || newer.contains(operation) {
                continue;
            }
            if let Some(platform) = entry.line["platform"].as_str() {
                platforms.insert(operation, platform);
            }
            if entry.event != "sent" {
                continue;
            }
            let Ok(receipt) = Receipt::deserialize(&entry.line["receipt"]) else { continue };
            let followed = self.followed.contains(&entry.operation);
            let platform = platforms.get(operation).copied().unwrap_or("its platform").to_owned();
            let one = Open { receipt, at: entry.at, followed, platform };
            match places.get(operation) {
                Some(at) => open[*at] = one,
                None => {
                    places.insert(operation, open.len());
                    open.push(one);
                }
            }
        }
        open
    }

    /// How many instances an app had before it was stopped or scaled to none last.
    pub fn former(&self, app: &AppKey) -> Option<u32> {
        let sent = self.entries.iter().rev().filter(|entry| entry.event == "sent");
        let receipts = sent.filter_map(|entry| {
            serde_json::from_value::<Receipt>(entry.line["receipt"].clone()).ok()
        });
        let mut own = receipts.filter(|receipt| receipt.app == *app);
        own.find_map(|receipt| receipt.recipe.former.filter(|count| *count > 0))
    }

    /// Marks the open operations that another program follows.
    pub(super) fn find_followed(&mut self, by_another: impl Fn(&str) -> bool) {
        let open = self.open().into_iter().map(|one| one.receipt.recipe.id);
        self.followed = open.filter(|operation| by_another(operation)).collect();
    }

    /// The lines of what has no end, to be kept when a journal is put aside.
    pub(super) fn open_lines(&self) -> String {
        let ended = self.ended();
        let own = self.entries.iter().map(|entry| (&entry.operation, entry.line.to_string()));
        // A newer revdeck's are left to it as they are.
        let newer = self.newer.iter().map(|one| (&one.operation, one.line.clone()));
        let open = own.chain(newer).filter(|(operation, _)| !ended.contains(operation.as_str()));
        open.fold(String::new(), |lines, (_, line)| lines + &line + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(operation: &str) -> String {
        let receipt = serde_json::json!({
            "app": { "target": "cf", "app": "guid" }, "name": "checkout", "verb": "rollback", "done": 0, "lost": true,
            "sent_at": null,
            "recipe": {
                "id": operation, "guard": null, "steps": [], "goal": "back on rev 7", "leaving": null,
                "rollout": null, "tracking": null,
            },
        });
        serde_json::json!({
            "version": 1, "at": "2026-01-01T00:00:00Z", "operation": operation, "event": "sent", "name": "checkout",
            "receipt": receipt,
        })
        .to_string()
    }

    #[test]
    fn what_was_sent_and_has_no_end_is_found() {
        let ended = |operation: &str| {
            format!(
                r#"{{"version":1,"at":"2026-01-01T00:01:00Z","operation":"{operation}","event":"ended","outcome":"done","text":"it is"}}"#
            )
        };
        let text = [sent("a"), sent("b"), ended("a")].join("\n");
        let story = Story::parse(&text, "the journal");
        let open = story.open();
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].receipt.recipe.id, "b");
        assert_eq!(
            Story::parse(&story.open_lines(), "the journal").open(),
            open,
            "it survives being put aside"
        );
        assert_eq!(story.entries.last().unwrap().app, "checkout");
    }

    #[test]
    fn what_cannot_be_read_is_said_and_loses_nothing_else() {
        let newer = r#"{"version":2,"at":"2026-01-01T00:00:00Z","operation":"c","event":"sent"}"#;
        let old =
            r#"{"at":"2026-01-01T00:00:00Z","operation":7,"event":"intent","title":"ROLL BACK"}"#;
        let cut = &sent("a")[..40];
        let story = Story::parse(&[newer, old, &sent("b"), cut].join("\n"), "the journal");
        assert_eq!(story.open().len(), 1);
        assert_eq!(story.entries.len(), 2);
        assert_eq!(
            story.complaints,
            [
                "line 1 of the journal is of a newer revdeck: it is left to that",
                "line 4 of the journal is cut in half, or none of its own: it is passed over",
            ]
        );
    }

    /// What a newer revdeck has written is left to it: its operations, however they began, and its lines as they are.
    #[test]
    fn what_a_newer_revdeck_goes_on_with_is_its_own() {
        let newer = |operation: &str, event: &str| {
            format!(
                r#"{{"version":2,"at":"2026-01-01T00:01:00Z","operation":"{operation}","event":"{event}","x":[1]}}"#
            )
        };
        let lines = [
            sent("a"),
            newer("a", "ended"),
            sent("b"),
            newer("b", "sent"),
            sent("c"),
            newer("d", "sent"),
        ];
        let story = Story::parse(&lines.join("\n"), "the journal");
        let open: Vec<_> = story.open().into_iter().map(|one| one.receipt.recipe.id).collect();
        assert_eq!(open, ["c"], "the others are the newer one's");
        assert!(!story.uncertain, "b and d are somebody's");
        assert_eq!(story.end_of("b"), None);
        assert!(story.is_of_newer("b") && !story.is_of_newer("c"));
        assert!(matches!(story.end_of("a"), Some(Outcome::Unknown(_))));
        let kept = story.open_lines();
        assert!(kept.contains(&newer("b", "sent")) && kept.contains(&newer("d", "sent")), "{kept}");
        assert!(!kept.contains("\"operation\":\"a\""), "{kept}");
        let ended =
            Story::parse(&[newer("d", "sent"), newer("d", "ended")].join("\n"), "the journal");
        assert!(!ended.uncertain && ended.open_lines().is_empty());
    }

    #[test]
    fn what_may_hide_an_operation_is_not_said_to_be_over() {
        let timeless = r#"{"version":1,"at":"soon","operation":"a","event":"sent"}"#;
        let story = Story::parse(&["null", "[]", timeless].join("\n"), "the journal");
        assert_eq!(story.complaints.len(), 3, "{:?}", story.complaints);
        assert!(story.complaints[2].contains("line 3 of the journal says no time"));
        let unreadable = r#"{"version":1,"at":"2026-01-01T00:00:00Z","operation":"a","event":"sent","receipt":7}"#;
        let story = Story::parse(unreadable, "the journal");
        assert!(story.uncertain && story.complaints[0].contains("cannot read"), "{story:?}");
        let ended = r#"{"version":1,"at":"2026-01-01T00:01:00Z","operation":"a","event":"ended","outcome":"done","text":"it is"}"#;
        let story = Story::parse(&[unreadable, ended].join("\n"), "the journal");
        assert!(!story.uncertain && story.complaints.is_empty(), "{story:?}");
        assert_eq!(story.end_of("a"), Some(Outcome::Done("it is".to_owned())));
    }
}
