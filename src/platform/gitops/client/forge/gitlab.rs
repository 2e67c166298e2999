//! GitLab: <https://docs.gitlab.com/api/merge_requests/>.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use super::pull::{Dialect, Opening, Pull, id, send, text};
use crate::platform::{
    Error,
    http::{Http, WriteError},
};

pub(super) struct GitLab {
    pub(super) http: Http,
    pub(super) project: String,
}

fn pull(one: &Value) -> Pull {
    let merged = one["state"] == "merged";
    let became = id(&one["merge_commit_sha"]).or_else(|| id(&one["squash_commit_sha"]));
    let status = one["detailed_merge_status"].as_str().unwrap_or_default();
    let mut pull = Pull {
        number: one["iid"].as_u64().unwrap_or(0),
        address: text(&one["web_url"]),
        body: text(&one["description"]),
        head: text(&one["sha"]),
        open: one["state"] == "opened",
        merged,
        // Of a fast-forward the branch's own commit is what it became.
        merge_commit: became.or_else(|| id(&one["sha"])).filter(|_| merged),
        mergeable: match status {
            "mergeable" => Some(true),
            "" | "unchecked" | "checking" | "preparing" | "approvals_syncing" => None,
            _ => Some(false),
        },
        missing: Vec::new(),
    };
    if pull.open {
        let missing = match status {
            "" | "mergeable" | "unchecked" | "checking" | "preparing" | "approvals_syncing" => None,
            "not_approved" => Some("a review".to_owned()),
            "ci_must_pass" | "ci_still_running" | "status_checks_must_pass" => {
                Some("checks".to_owned())
            }
            "conflict" => Some("a conflict with the branch".to_owned()),
            "need_rebase" => Some("the branch's newest commits".to_owned()),
            "draft_status" => Some("it is a draft".to_owned()),
            "discussions_not_resolved" => Some("threads that are not resolved".to_owned()),
            "requested_changes" => Some("changes that a review asks for".to_owned()),
            other => Some(other.replace('_', " ")),
        };
        pull.missing.extend(missing);
        if one["head_pipeline"]["status"] == "failed" {
            pull.missing.push("a pipeline that failed".to_owned());
        }
    }
    pull
}

impl GitLab {
    fn base(&self) -> String {
        format!("/projects/{}/merge_requests", self.project.replace('/', "%2F"))
    }
}

#[async_trait]
impl Dialect for GitLab {
    async fn check(&self) -> Result<(), Error> {
        let path = format!("/projects/{}", self.project.replace('/', "%2F"));
        self.http.get_changed::<Value>(&path).await.map(drop)
    }

    async fn find(&self, branch: &str) -> Result<Option<Pull>, Error> {
        let query = [
            ("source_branch", branch.to_owned()),
            ("state", "all".to_owned()),
            ("order_by", "created_at".to_owned()),
            ("sort", "desc".to_owned()),
            ("per_page", "1".to_owned()),
        ];
        let all: Vec<Value> = self.http.get(&self.base(), &query).await?;
        Ok(all.first().map(pull))
    }

    async fn read(&self, number: u64) -> Result<Pull, Error> {
        let (one, _) = self.http.get_changed::<Value>(&format!("{}/{number}", self.base())).await?;
        Ok(pull(&one))
    }

    async fn look(&self, number: u64) -> Result<Pull, Error> {
        self.read(number).await
    }

    async fn open(&self, opening: &Opening<'_>) -> Result<Pull, WriteError> {
        let body = json!({
            "title": opening.title, "source_branch": opening.branch, "target_branch": opening.base,
            "description": opening.body, "remove_source_branch": true,
        });
        send(&self.http, Method::POST, &self.base(), &body).await.map(|one| pull(&one))
    }

    /// A project has one way, which the server takes.
    async fn way(&self) -> Option<String> {
        None
    }

    async fn merge(&self, number: u64, head: &str, _: Option<&str>) -> Result<(), WriteError> {
        let path = format!("{}/{number}/merge", self.base());
        send(&self.http, Method::PUT, &path, &json!({ "sha": head })).await.map(drop)
    }

    async fn close(&self, number: u64) -> Result<(), WriteError> {
        let path = format!("{}/{number}", self.base());
        send(&self.http, Method::PUT, &path, &json!({ "state_event": "close" })).await.map(drop)
    }
}
