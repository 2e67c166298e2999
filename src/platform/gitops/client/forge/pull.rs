//! A pull request, and what each forge can do with one.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::Value;

use crate::platform::{
    Error,
    gitops::client::mirror::ObjectId,
    http::{Http, WriteError},
};

/// The trailer by which a commit, and its pull request, are known to be ours.
pub(in crate::platform::gitops) const OPERATION: &str = "Revdeck-Operation: ";

/// A pull request, as far as following it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Pull {
    pub(in crate::platform::gitops) number: u64,
    /// Where people read it.
    pub(in crate::platform::gitops) address: String,
    /// What it says below its title.
    pub(in crate::platform::gitops) body: String,
    /// The commit that its branch points to.
    pub(in crate::platform::gitops) head: ObjectId,
    pub(in crate::platform::gitops) open: bool,
    pub(in crate::platform::gitops) merged: bool,
    /// What it became on the branch.
    pub(in crate::platform::gitops) merge_commit: Option<ObjectId>,
    /// Whether the forge would merge it; `None` while it works that out.
    pub(in crate::platform::gitops) mergeable: Option<bool>,
    /// What is missing, each in a clause.
    pub(in crate::platform::gitops) missing: Vec<String>,
}

impl Pull {
    /// Whether it is about a branch that is at this commit: it is open, it ended with that, or it says itself that it is of
    /// that commit's operation, whatever came on top of it since.
    pub(in crate::platform::gitops) fn is_of(&self, commit: &str, message: &str) -> bool {
        let mark = message.lines().find(|line| line.starts_with(OPERATION));
        self.open || self.head == commit || mark.is_some_and(|mark| self.body.contains(mark))
    }

    /// What it waits for.
    pub(in crate::platform::gitops) fn waits_for(&self) -> String {
        let number = self.number;
        if self.missing.is_empty() {
            return format!("pull request {number} waits to be merged");
        }
        format!("pull request {number} waits: {}", self.missing.join(", "))
    }
}

/// What a new pull request says.
#[derive(Clone, Debug)]
pub(in crate::platform::gitops) struct Opening<'a> {
    pub(in crate::platform::gitops) branch: &'a str,
    pub(in crate::platform::gitops) base: &'a str,
    pub(in crate::platform::gitops) title: &'a str,
    pub(in crate::platform::gitops) body: &'a str,
}

/// What differs between the forges.
#[async_trait]
pub(super) trait Dialect: Send + Sync {
    /// Asks for the repository.
    async fn check(&self) -> Result<(), Error>;
    /// The newest pull request of a branch.
    async fn find(&self, branch: &str) -> Result<Option<Pull>, Error>;
    /// One pull request, with what is missing.
    async fn read(&self, number: u64) -> Result<Pull, Error>;
    /// The same for who has read it before, in one request where nothing has changed: parts of it may be as old as the
    /// look before.
    async fn look(&self, number: u64) -> Result<Pull, Error>;
    async fn open(&self, opening: &Opening<'_>) -> Result<Pull, WriteError>;
    /// How pull requests are merged here, as the forge calls it; `None` where it decides that itself, or does not say.
    async fn way(&self) -> Option<String>;
    async fn merge(&self, number: u64, head: &str, way: Option<&str>) -> Result<(), WriteError>;
    async fn close(&self, number: u64) -> Result<(), WriteError>;
}

/// A write whose answer is JSON.
pub(super) async fn send(
    http: &Http,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<Value, WriteError> {
    let bytes = http.write(method, path, Some(body)).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    http.decode(path, &bytes).map_err(WriteError::Lost)
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn id(value: &Value) -> Option<ObjectId> {
    value.as_str().filter(|id| id.len() >= 40).map(str::to_owned)
}
