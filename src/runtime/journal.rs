//! The audit trail: what was asked for is on disk before it is sent, and how it ended is added.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::PathBuf,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::{Confirmed, Outcome, Target};

/// A file of JSON lines; nothing is written where there is no place for it.
#[derive(Clone, Debug)]
pub struct Journal {
    file: Option<PathBuf>,
}

impl Journal {
    /// The journal in this directory.
    pub fn in_directory(directory: Option<PathBuf>) -> Self {
        Self { file: directory.map(|directory| directory.join("journal.jsonl")) }
    }

    /// A journal that keeps nothing, for demos and tests.
    pub fn nowhere() -> Self {
        Self { file: None }
    }

    /// Writes down what is about to be sent.
    ///
    /// # Errors
    /// The operation must not be sent where this fails.
    pub fn intend(
        &self,
        at: Timestamp,
        id: u64,
        target: &Target,
        plan: &Confirmed,
    ) -> io::Result<()> {
        let text: Vec<_> = plan
            .plan()
            .lines(false)
            .into_iter()
            .map(|(label, text)| format!("{label}: {text}"))
            .collect();
        self.write(&json!({
            "at": at.to_string(), "operation": id, "event": "intent", "api": target.api, "user": target.user,
            "app": plan.plan().request.app.as_str(), "name": plan.plan().app, "title": plan.plan().title,
            "reason": plan.plan().request.reason, "consent": format!("{:?}", plan.consent()), "plan": text,
        }))
    }

    /// Adds how it ended.
    pub fn end(&self, at: Timestamp, id: u64, outcome: &Outcome) {
        let line = json!({
            "at": at.to_string(), "operation": id, "event": "outcome", "outcome": outcome.word().to_lowercase(),
            "text": outcome.text(),
        });
        if let Err(error) = self.write(&line) {
            tracing::warn!(%error, "the journal cannot be written");
        }
    }

    fn write(&self, line: &Value) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(file)?;
        // One write, so that two programs at once do not mix their lines.
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()
    }
}
