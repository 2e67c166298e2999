//! Gitea and Forgejo: `/api/v1`, <https://docs.gitea.com/api/>.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    github_form::{self, pull},
    looks::{Looks, Seen},
    pull::{Dialect, Opening, Pull, send},
};
use crate::platform::{
    Error,
    http::{Http, WriteError},
};

/// How many pull requests are looked through for one of a branch; newest first.
const NEWEST: u32 = 50;

pub(super) struct Gitea {
    pub(super) http: Http,
    pub(super) project: String,
    pub(super) looks: Looks,
}

impl Gitea {
    fn at(&self, number: u64) -> String {
        format!("/repos/{}/pulls/{number}", self.project)
    }
}

/// A pull request with what is missing.
fn told(seen: &Seen) -> Pull {
    let mut pull = pull(&seen.one);
    let Some((_, checks)) = &seen.checks else { return pull };
    match checks["state"].as_str() {
        Some("pending") if checks["total_count"].as_u64().unwrap_or(1) > 0 => {
            pull.missing.push("checks".to_owned());
        }
        Some("failure" | "error") => pull.missing.push("failed checks".to_owned()),
        _ => {}
    }
    if pull.mergeable == Some(false) && pull.missing.is_empty() {
        pull.missing.push("a review, or a conflict with the branch".to_owned());
    }
    pull
}

#[async_trait]
impl Dialect for Gitea {
    async fn find(&self, branch: &str) -> Result<Option<Pull>, Error> {
        // A filter by branch exists only where the base is named, too, and then shows open ones alone.
        let query = [
            ("state", "all".to_owned()),
            ("sort", "newest".to_owned()),
            ("limit", NEWEST.to_string()),
        ];
        let all: Vec<Value> =
            self.http.get(&format!("/repos/{}/pulls", self.project), &query).await?;
        let own = |one: &&Value| one["head"]["ref"] == branch || one["head"]["label"] == branch;
        Ok(all.iter().filter(own).max_by_key(|one| one["number"].as_u64()).map(pull))
    }

    async fn read(&self, number: u64) -> Result<Pull, Error> {
        let (one, _) = self.http.get_changed::<Value>(&self.at(number)).await?;
        let known = pull(&one);
        if !known.open {
            return Ok(told(&self.looks.keep(number, Seen { one, ..Seen::default() })));
        }
        let path = format!("/repos/{}/commits/{}/status", self.project, known.head);
        let checks = self.http.get_changed::<Value>(&path).await.unwrap_or_default().0;
        let checks = Some((path, checks));
        Ok(told(&self.looks.keep(number, Seen { one, checks, ..Seen::default() })))
    }

    async fn look(&self, number: u64) -> Result<Pull, Error> {
        match self.looks.look(&self.http, number, &self.at(number)).await? {
            Some(seen) => Ok(told(&seen)),
            None => self.read(number).await,
        }
    }

    async fn open(&self, opening: &Opening<'_>) -> Result<Pull, WriteError> {
        github_form::open(&self.http, &self.project, opening).await
    }

    async fn merge(&self, number: u64, head: &str) -> Result<(), WriteError> {
        let path = format!("/repos/{}/pulls/{number}/merge", self.project);
        send(&self.http, Method::POST, &path, &json!({ "Do": "merge", "head_commit_id": head }))
            .await
            .map(drop)
    }

    async fn close(&self, number: u64) -> Result<(), WriteError> {
        github_form::close(&self.http, &self.project, number).await
    }
}
