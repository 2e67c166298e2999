//! Gitea and Forgejo: `/api/v1`, <https://docs.gitea.com/api/>.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    github_form::{Form, Hub, pull},
    looks::Seen,
    pull::Pull,
};
use crate::platform::Error;

/// How many pull requests are looked through for one of a branch; newest first.
const NEWEST: u32 = 50;

pub(super) struct Gitea;

#[async_trait]
impl Form for Gitea {
    async fn find(&self, hub: &Hub, branch: &str) -> Result<Option<Pull>, Error> {
        // A filter by branch exists only where the base is named, too, and then shows open ones alone.
        let query = [
            ("state", "all".to_owned()),
            ("sort", "newest".to_owned()),
            ("limit", NEWEST.to_string()),
        ];
        let all: Vec<Value> = hub.http.get(&hub.pulls(), &query).await?;
        let own = |one: &&Value| one["head"]["ref"] == branch || one["head"]["label"] == branch;
        Ok(all.iter().filter(own).max_by_key(|one| one["number"].as_u64()).map(pull))
    }

    async fn around(&self, hub: &Hub, one: Value) -> Result<Seen, Error> {
        let path = format!("/repos/{}/commits/{}/status", hub.project, pull(&one).head);
        let checks = hub.seen(&path).await?;
        Ok(Seen { one, checks: Some((path, checks)), ..Seen::default() })
    }

    fn told(&self, seen: &Seen) -> Pull {
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

    fn merging(&self, head: &str) -> (Method, Value) {
        (Method::POST, json!({ "Do": "merge", "head_commit_id": head }))
    }
}
