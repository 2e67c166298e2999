//! GitHub: <https://docs.github.com/en/rest/pulls/pulls>, reviews and check runs beside it.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    github_form::{self, pull},
    looks::{Looks, Seen},
    pull::{Dialect, Opening, Pull, send, text},
};
use crate::platform::{
    Error,
    http::{Http, WriteError},
};

pub(super) struct GitHub {
    pub(super) http: Http,
    pub(super) project: String,
    pub(super) looks: Looks,
}

impl GitHub {
    fn at(&self, number: u64) -> String {
        format!("/repos/{}/pulls/{number}", self.project)
    }
}

/// A pull request with what is missing.
fn told(seen: &Seen) -> Pull {
    let Seen { one, checks, reviews, .. } = seen;
    let mut pull = pull(one);
    let Some((_, checks)) = checks else { return pull };
    let runs = checks["check_runs"].as_array().into_iter().flatten();
    let names = |wanted: &dyn Fn(&Value) -> bool| -> Vec<String> {
        runs.clone().filter(|run| wanted(run)).map(|run| text(&run["name"])).collect()
    };
    let under_way = names(&|run| run["status"] != "completed");
    let failed = names(&|run| {
        ["failure", "timed_out", "cancelled", "action_required"]
            .iter()
            .any(|conclusion| run["conclusion"] == *conclusion)
    });
    if !failed.is_empty() {
        pull.missing.push(format!("failed checks ({})", failed.join(", ")));
    }
    if !under_way.is_empty() {
        pull.missing.push(format!("checks ({})", under_way.join(", ")));
    }
    let reviews = reviews.as_array().into_iter().flatten();
    let approved = reviews.clone().any(|review| review["state"] == "APPROVED");
    if reviews.clone().any(|review| review["state"] == "CHANGES_REQUESTED") && !approved {
        pull.missing.push("changes that a review asks for".to_owned());
    }
    match one["mergeable_state"].as_str() {
        Some("dirty") => pull.missing.push("a conflict with the branch".to_owned()),
        Some("blocked") if pull.missing.is_empty() && !approved => {
            pull.missing.push("a review".to_owned());
        }
        Some("draft") => pull.missing.push("it is a draft".to_owned()),
        Some("behind") => pull.missing.push("the branch's newest commits".to_owned()),
        _ => {}
    }
    pull
}

#[async_trait]
impl Dialect for GitHub {
    async fn find(&self, branch: &str) -> Result<Option<Pull>, Error> {
        let owner = self.project.split('/').next().unwrap_or_default();
        let query = [
            ("head", format!("{owner}:{branch}")),
            ("state", "all".to_owned()),
            ("sort", "created".to_owned()),
            ("direction", "desc".to_owned()),
            ("per_page", "1".to_owned()),
        ];
        let all: Vec<Value> =
            self.http.get(&format!("/repos/{}/pulls", self.project), &query).await?;
        Ok(all.first().map(pull))
    }

    async fn read(&self, number: u64) -> Result<Pull, Error> {
        let (one, _) = self.http.get_changed::<Value>(&self.at(number)).await?;
        let known = pull(&one);
        // Where GitHub would merge it at once, nothing is missing, and nothing more is asked.
        if !known.open || one["mergeable_state"] == "clean" {
            return Ok(told(&self.looks.keep(number, Seen { one, ..Seen::default() })));
        }
        // What is missing is told as far as the login may see it.
        let path = format!("/repos/{}/commits/{}/check-runs", self.project, known.head);
        let reviews = format!("{}/reviews", self.at(number));
        let (checks, reviews) = tokio::join!(
            self.http.get_changed::<Value>(&path),
            self.http.get_changed::<Value>(&reviews)
        );
        let checks = Some((path, checks.unwrap_or_default().0));
        let reviews = reviews.unwrap_or_default().0;
        Ok(told(&self.looks.keep(number, Seen { one, checks, reviews })))
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
        send(&self.http, Method::PUT, &path, &json!({ "sha": head })).await.map(drop)
    }

    async fn close(&self, number: u64) -> Result<(), WriteError> {
        github_form::close(&self.http, &self.project, number).await
    }
}
