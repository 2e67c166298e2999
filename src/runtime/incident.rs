//! The record of an incident: what is known of an app afterwards, put together from the platform, from what was read of
//! its instances, and from the journal. Values of environment variables are never in it.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::journal::Journal;
use crate::{
    domain::{
        App, AppEvent, Difference, LogLine, Reading, Recording, SideName, Target, Thresholds,
        Verdict, differences, text::span,
    },
    platform::{Error, Platform},
};

/// How many of the last error lines are kept.
const LINES: usize = 12;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// When.
    pub at: Timestamp,
    /// Who, or what part of the platform.
    pub who: String,
    /// What, in a clause.
    pub what: String,
}

/// An operation of ours, from its plan to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnOperation {
    /// What it was to do.
    pub title: String,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// Who agreed to it.
    pub by: String,
    /// The plan, line by line.
    pub plan: Vec<String>,
    /// How it ended; `None` where it has no end yet.
    pub outcome: Option<String>,
}

/// The record of an incident.
#[derive(Clone, Debug)]
pub struct Incident {
    target: Target,
    app: App,
    since: Timestamp,
    at: Timestamp,
    happened: Vec<Happened>,
    operations: Vec<OwnOperation>,
    reading: Option<Reading>,
    verdict: Option<Verdict>,
    changes: Option<(String, String, Vec<Difference>)>,
    lines: Vec<LogLine>,
    unknown: Vec<String>,
}

impl Incident {
    /// Reads what is known of an app from a time on.
    ///
    /// # Errors
    /// Where not even the app can be read; what else cannot is named in the record.
    pub async fn read(
        platform: &dyn Platform,
        app: App,
        journal: &Journal,
        since: Timestamp,
        thresholds: &Thresholds,
    ) -> Result<Self, Error> {
        let (events, logs, reading, history) = tokio::join!(
            platform.events(&app.id),
            platform.logs(&app.id),
            platform.instances(&app.id),
            platform.revisions(&app.id),
        );
        let mut unknown = Vec::new();
        let mut note = |what: &str, error: &Error| unknown.push(format!("{what}: {error}"));
        let mut happened = Vec::new();
        match &events {
            Ok(events) => happened.extend(events.iter().map(|event| Happened {
                at: event.at,
                who: event.who.clone(),
                what: event.what.clone(),
            })),
            Err(error) => note("events", error),
        }
        let mut changes = None;
        match &history {
            Ok(history) => {
                let made = |one: &crate::domain::Revision| {
                    let who = one.by.clone().unwrap_or_else(|| "somebody".to_owned());
                    let what = format!("{} was made: {}", one_name(&one.label), one.description);
                    Some(Happened { at: one.created_at?, who, what })
                };
                happened.extend(history.revisions.iter().filter_map(made));
                let serving = history.revisions.iter().find(|one| one.deployed && !one.incoming);
                let coming = history.revisions.iter().find(|one| one.incoming);
                if let (Some(serving), Some(coming)) = (serving, coming) {
                    let read = tokio::try_join!(
                        platform.detail(&app.id, &serving.id),
                        platform.detail(&app.id, &coming.id)
                    );
                    match read {
                        Ok((old, new)) => {
                            let found = differences(&old, &new);
                            let labels = (one_name(&serving.label), one_name(&coming.label));
                            changes = Some((labels.0, labels.1, found));
                        }
                        Err(error) => note("what the rollout changes", &error),
                    }
                }
            }
            Err(error) => note("revisions", error),
        }
        let mut lines = Vec::new();
        match logs {
            Ok(all) => {
                lines.extend(all.into_iter().filter(|line| line.error && line.at >= since));
                lines.drain(..lines.len().saturating_sub(LINES));
            }
            Err(error) => note("log lines", &error),
        }
        if let Err(error) = &reading {
            note("instances", error);
        }
        let reading = reading.ok();
        let mut verdict = None;
        if let (Some(reading), true) = (&reading, app.rolls()) {
            let mut recording = Recording::default();
            recording.take(reading.clone());
            verdict = Verdict::of(&recording, thresholds);
            unknown.extend(reading.unmeasured.clone());
        }
        if let Some(rollout) = &app.rollout {
            let on = "platform".to_owned();
            let begun = rollout.started_at.map(|at| (at, "the rollout began".to_owned()));
            let stuck = rollout.stuck.as_ref();
            let stuck = stuck.map(|one| (one.since, format!("it moved last; then: {}", one.why)));
            happened.extend(begun.into_iter().chain(stuck).map(|(at, what)| Happened {
                at,
                who: on.clone(),
                what,
            }));
        }
        let (own, operations) = operations(journal, &app, since);
        happened.extend(own);
        happened.retain(|one| one.at >= since);
        happened.sort_by(|a, b| (a.at, &a.what).cmp(&(b.at, &b.what)));
        happened.dedup();
        Ok(Self {
            target: platform.target(),
            at: platform.now(),
            since,
            app,
            happened,
            operations,
            reading,
            verdict,
            changes,
            lines,
            unknown,
        })
    }

    /// Adds what was seen by who watched.
    pub fn saw(&mut self, seen: Vec<AppEvent>) {
        let seen = seen.into_iter().filter(|one| one.at >= self.since);
        self.happened.extend(seen.map(|one| Happened { at: one.at, who: one.who, what: one.what }));
        self.happened.sort_by(|a, b| (a.at, &a.what).cmp(&(b.at, &b.what)));
    }

    /// For people, with times in UTC and in a zone of theirs.
    pub fn markdown(&self, zone: &TimeZone) -> String {
        let cell = |text: &str| text.replace('|', "\\|");
        let when = |at: Timestamp| {
            let local = at.to_zoned(zone.clone());
            format!("{} | {}", at.strftime("%H:%M:%SZ"), local.strftime("%H:%M:%S %Z"))
        };
        let app = &self.app;
        let mut text = format!("# Incident record: {}\n\n", app.name);
        text += &format!(
            "- where: {} of {} ({}), as {}\n",
            app.scope, self.target.id, self.target.api, self.target.user
        );
        let (from, to) = (self.since.strftime("%Y-%m-%d %H:%M:%SZ"), self.at.strftime("%H:%M:%SZ"));
        text += &format!("- from {from} to {to} ({})\n", span(self.at.duration_since(self.since)));
        text += &format!("- state: {}\n", app.condition());
        let running = app.instances.running.map_or_else(|| "?".to_owned(), |it| it.to_string());
        text += &format!("- instances: {running} of {} wanted run\n", app.instances.desired);
        if let Some(rollout) = &app.rollout {
            text += &format!("- rollout: {}\n", rollout.progress());
        }
        if let Some(verdict) = &self.verdict {
            text += &format!("- verdict: {}: {}\n", verdict.judgement.word(), verdict.why());
        }
        text += "\n## Time line\n\n| UTC | local | who | what |\n|---|---|---|---|\n";
        for one in &self.happened {
            text += &format!("| {} | {} | {} |\n", when(one.at), cell(&one.who), cell(&one.what));
        }
        if self.happened.is_empty() {
            text += "| | | | nothing is on record |\n";
        }
        if let Some((from, to, changes)) = &self.changes {
            text += &format!("\n## What changes from {from} to {to}\n\n");
            for one in changes {
                text += &format!("- {} {}\n", one.group.word(), one.line(false));
            }
            if changes.is_empty() {
                text += "- nothing that can be read\n";
            }
        }
        if let Some(reading) = self.reading.as_ref().filter(|one| !one.instances.is_empty()) {
            text += "\n## Instances\n\n| side | instance | state | restarts | last word |\n|---|---|---|---|---|\n";
            for one in &reading.instances {
                let restarts = one.crashes().map_or_else(String::new, |count| count.to_string());
                text += &format!(
                    "| {} | {} | {} | {restarts} | {} |\n",
                    if app.rolls() { one.side.word() } else { "" },
                    cell(one.instance.name.as_deref().unwrap_or(&one.id)),
                    one.instance.state.word(),
                    cell(one.instance.reason.as_deref().unwrap_or_default())
                );
            }
        }
        if !self.lines.is_empty() {
            text += "\n## The last error lines\n\n```text\n";
            for line in &self.lines {
                let side = line.side.map_or("", SideName::word);
                let at = line.at.strftime("%H:%M:%SZ");
                text += &format!("{at} {side:<3} {} {}\n", line.source, line.text);
            }
            text += "```\n";
        }
        text += "\n## What was done with revdeck\n\n";
        for one in &self.operations {
            text += &format!("### {}\n\n", one.title);
            text += &format!("- by {}\n", one.by);
            text += &format!("- why: {}\n", one.reason.as_deref().unwrap_or("nobody said"));
            let outcome = one.outcome.as_deref().unwrap_or("it has no end yet");
            text +=
                &format!("- how it ended: {outcome}\n\n```text\n{}\n```\n\n", one.plan.join("\n"));
        }
        if self.operations.is_empty() {
            text += "Nothing that is in the journal here.\n";
        }
        text += "\n## What is not known\n\n";
        for one in &self.unknown {
            text += &format!("- {one}\n");
        }
        text += "- what happened before the time line begins, and what the platform has forgotten since\n";
        text
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let happened = self
            .happened
            .iter()
            .map(|one| json!({ "at": one.at.to_string(), "who": one.who, "what": one.what }));
        let operations = self.operations.iter().map(|one| {
            json!({
                "title": one.title, "reason": one.reason, "by": one.by, "plan": one.plan, "outcome": one.outcome,
            })
        });
        let changes = self.changes.as_ref().map(|(from, to, changes)| {
            json!({ "from": from, "to": to, "lines": changes.iter().map(|one| one.line(false)).collect::<Vec<_>>() })
        });
        json!({
            "target": self.target.id.as_str(), "api": self.target.api, "app": self.app.name, "scope": self.app.scope,
            "since": self.since.to_string(), "at": self.at.to_string(), "state": self.app.condition().word(),
            "verdict": self.verdict.as_ref().map(|one| json!({ "verdict": one.judgement.word().to_lowercase(), "reasons": one.reasons })),
            "happened": happened.collect::<Vec<_>>(), "operations": operations.collect::<Vec<_>>(), "changes": changes,
            "errors": self.lines.iter().map(|line| json!({ "at": line.at.to_string(), "instance": line.source, "text": line.text })).collect::<Vec<_>>(),
            "unknown": self.unknown,
        })
    }
}

fn one_name(label: &str) -> String {
    crate::domain::revision_name(label)
}

/// What the journal tells of an app: for the time line, and whole.
fn operations(
    journal: &Journal,
    app: &App,
    since: Timestamp,
) -> (Vec<Happened>, Vec<OwnOperation>) {
    let story = journal.history();
    let mut happened = Vec::new();
    let mut operations: Vec<(String, OwnOperation)> = Vec::new();
    for entry in story.entries.iter().filter(|entry| entry.at >= since) {
        let line = &entry.line;
        let own = operations.iter().position(|(id, _)| *id == entry.operation);
        match entry.event.as_str() {
            "intent" if line["app"] == app.id.as_str() && line["target"] == app.target.as_str() => {
                let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
                let plan = line["plan"].as_array().into_iter().flatten();
                let one = OwnOperation {
                    title: word("title"),
                    reason: line["reason"].as_str().map(str::to_owned),
                    by: word("user"),
                    plan: plan.filter_map(|line| line.as_str().map(str::to_owned)).collect(),
                    outcome: None,
                };
                let what = format!("agreed to: {}", one.title);
                happened.push(Happened { at: entry.at, who: one.by.clone(), what });
                operations.push((entry.operation.clone(), one));
            }
            "ended" => {
                if let Some((_, one)) = own.map(|at| &mut operations[at]) {
                    one.outcome = Some(entry.text.clone());
                    let (at, who) = (entry.at, "revdeck".to_owned());
                    happened.push(Happened { at, who, what: entry.text.clone() });
                }
            }
            _ => {}
        }
    }
    (happened, operations.into_iter().map(|(_, one)| one).collect())
}
