//! Pull requests in the form of GitHub, which Gitea and Forgejo have taken over.

use reqwest::Method;
use serde_json::{Value, json};

use super::pull::{Opening, Pull, id, send, text};
use crate::platform::http::{Http, WriteError};

/// Reads one.
pub(super) fn pull(one: &Value) -> Pull {
    let merged = one["merged"] == true || one["merged_at"].is_string();
    Pull {
        number: one["number"].as_u64().unwrap_or(0),
        address: text(&one["html_url"]),
        head: text(&one["head"]["sha"]),
        open: one["state"] == "open",
        merged,
        merge_commit: id(&one["merge_commit_sha"]).filter(|_| merged),
        mergeable: one["mergeable"].as_bool(),
        missing: Vec::new(),
    }
}

/// Opens one.
pub(super) async fn open(
    http: &Http,
    project: &str,
    opening: &Opening<'_>,
) -> Result<Pull, WriteError> {
    let body = json!({
        "title": opening.title, "head": opening.branch, "base": opening.base, "body": opening.body,
    });
    let opened = send(http, Method::POST, &format!("/repos/{project}/pulls"), &body).await;
    opened.map(|one| pull(&one))
}

/// Closes one without merging it.
pub(super) async fn close(http: &Http, project: &str, number: u64) -> Result<(), WriteError> {
    let path = format!("/repos/{project}/pulls/{number}");
    send(http, Method::PATCH, &path, &json!({ "state": "closed" })).await.map(drop)
}
