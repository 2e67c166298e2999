//! Reading a journal: the events, and the operations that have no end.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::VERSION;
use crate::domain::{AppKey, Receipt};

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
}

impl Story {
    pub(super) fn unreadable(called: &str, error: &io::Error) -> Self {
        let complaint = format!("{called} cannot be read ({error})");
        Self { complaints: vec![complaint], ..Self::default() }
    }

    /// Reads the lines of a journal, which is called so in complaints.
    pub(super) fn parse(text: &str, called: &str) -> Self {
        let mut story = Self::default();
        let mut names: HashMap<String, String> = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let Ok(value) = serde_json::from_str::<Value>(line) else {
                let why = format!("line {number} of {called} is cut in half: it is passed over");
                story.complaints.push(why);
                continue;
            };
            // Lines of before there were versions tell what happened, and cannot be followed.
            if value["version"].as_u64().is_some_and(|version| version > VERSION) {
                story.complaints.push(format!(
                    "line {number} of {called} is of a newer revdeck: it is left to that"
                ));
                continue;
            }
            let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            let operation = value["operation"]
                .as_str()
                .map_or_else(|| value["operation"].to_string(), str::to_owned);
            if !word("name").is_empty() {
                names.insert(operation.clone(), word("name"));
            }
            let Ok(at) = word("at").parse() else { continue };
            let event = word("event");
            if event == "sent" && Receipt::deserialize(&value["receipt"]).is_err() {
                story.complaints.push(format!(
                    "line {number} of {called} has a receipt that this revdeck cannot read: look yourself how its operation ended"
                ));
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
        self.followed = later.followed;
        self
    }

    fn ended(&self, operation: &str) -> bool {
        self.entries.iter().any(|entry| {
            entry.operation == operation && matches!(entry.event.as_str(), "ended" | "outcome")
        })
    }

    /// The operations that were sent and have no end, oldest first.
    pub fn open(&self) -> Vec<Open> {
        let mut open: Vec<Open> = Vec::new();
        for entry in self.entries.iter().filter(|entry| !self.ended(&entry.operation)) {
            let known = open.iter().position(|one| one.receipt.recipe.id == entry.operation);
            if entry.event != "sent" {
                continue;
            }
            let Ok(receipt) = serde_json::from_value(entry.line["receipt"].clone()) else {
                continue;
            };
            let followed = self.followed.contains(&entry.operation);
            let intent = self
                .entries
                .iter()
                .find(|one| one.operation == entry.operation && one.event == "intent");
            let platform = intent.and_then(|one| one.line["platform"].as_str());
            let platform = platform.unwrap_or("its platform").to_owned();
            let one = Open { receipt, at: entry.at, followed, platform };
            match known {
                Some(at) => open[at] = one,
                None => open.push(one),
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
        let open = self.entries.iter().filter(|entry| !self.ended(&entry.operation));
        open.fold(String::new(), |lines, entry| lines + &entry.line.to_string() + "\n")
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
                "line 4 of the journal is cut in half: it is passed over",
            ]
        );
    }
}
