//! GitHub: <https://docs.github.com/en/rest/pulls/pulls>, reviews and check runs beside it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    github_form::{Form, Hub, first_allowed, pull},
    looks::Seen,
    pull::{Pull, text},
};
use crate::platform::Error;

pub(super) struct GitHub;

#[async_trait]
impl Form for GitHub {
    async fn find(&self, hub: &Hub, branch: &str) -> Result<Option<Pull>, Error> {
        let owner = hub.project.split('/').next().unwrap_or_default();
        let query = [
            ("head", format!("{owner}:{branch}")),
            ("state", "all".to_owned()),
            ("sort", "created".to_owned()),
            ("direction", "desc".to_owned()),
            ("per_page", "1".to_owned()),
        ];
        let all: Vec<Value> = hub.http.get(&hub.pulls(), &query).await?;
        Ok(all.first().map(pull))
    }

    /// Checks and reviews, as far as the login may see them.
    async fn around(&self, hub: &Hub, one: Value) -> Result<Seen, Error> {
        // Where GitHub would merge it at once, nothing is missing, and nothing more is asked.
        if one["mergeable_state"] == "clean" {
            return Ok(Seen { one, ..Seen::default() });
        }
        let known = pull(&one);
        let path = format!("/repos/{}/commits/{}/check-runs", hub.project, known.head);
        let reviews = format!("{}/{}/reviews", hub.pulls(), known.number);
        let of_others = format!("/repos/{}/commits/{}/status", hub.project, known.head);
        let (checks, reviews, statuses) =
            tokio::try_join!(hub.seen(&path), hub.seen(&reviews), hub.seen(&of_others))?;
        let checks = vec![(path, checks), (of_others, statuses)];
        Ok(Seen { one, checks, reviews, ..Seen::default() })
    }

    fn told(&self, seen: &Seen) -> Pull {
        let Seen { one, checks, reviews, .. } = seen;
        let mut pull = pull(one);
        let [(_, checks), (_, statuses)] = checks.as_slice() else { return pull };
        let runs = checks["check_runs"].as_array().into_iter().flatten();
        let names = |wanted: &dyn Fn(&Value) -> bool| -> Vec<String> {
            runs.clone().filter(|run| wanted(run)).map(|run| text(&run["name"])).collect()
        };
        // <https://docs.github.com/en/rest/commits/statuses>: what reports without being an app of GitHub.
        let reported = |states: &[&str]| -> Vec<String> {
            let all = statuses["statuses"].as_array().into_iter().flatten();
            let own = all.filter(|one| states.iter().any(|state| one["state"] == *state));
            own.map(|one| text(&one["context"])).collect()
        };
        let mut under_way = names(&|run| run["status"] != "completed");
        under_way.extend(reported(&["pending"]));
        let mut failed = names(&|run| {
            ["failure", "timed_out", "cancelled", "action_required"]
                .iter()
                .any(|conclusion| run["conclusion"] == *conclusion)
        });
        failed.extend(reported(&["failure", "error"]));
        if !failed.is_empty() {
            pull.missing.push(format!("failed checks ({})", failed.join(", ")));
        }
        if !under_way.is_empty() {
            pull.missing.push(format!("checks ({})", under_way.join(", ")));
        }
        // What somebody says last counts; a comment says nothing.
        let mut last = BTreeMap::new();
        for review in reviews.as_array().into_iter().flatten() {
            let said = review["state"].as_str().unwrap_or_default();
            if said != "COMMENTED" {
                last.insert(review["user"]["login"].as_str().unwrap_or_default(), said);
            }
        }
        let said = |word: &str| last.values().any(|said| *said == word);
        if said("CHANGES_REQUESTED") {
            pull.missing.push("changes that a review asks for".to_owned());
        }
        match one["mergeable_state"].as_str() {
            Some("dirty") => pull.missing.push("a conflict with the branch".to_owned()),
            Some("blocked") if pull.missing.is_empty() => {
                let more = "another review, or what else a rule of the branch asks for";
                pull.missing.push(if said("APPROVED") { more } else { "a review" }.to_owned());
            }
            Some("draft") => pull.missing.push("it is a draft".to_owned()),
            Some("behind") => pull.missing.push("the branch's newest commits".to_owned()),
            _ => {}
        }
        pull
    }

    fn way(&self, repository: &Value) -> Option<String> {
        let ways = [
            ("allow_merge_commit", "merge"),
            ("allow_squash_merge", "squash"),
            ("allow_rebase_merge", "rebase"),
        ];
        first_allowed(repository, &ways)
    }

    fn merging(&self, head: &str, way: Option<&str>) -> (Method, Value) {
        (Method::PUT, json!({ "sha": head, "merge_method": way.unwrap_or("merge") }))
    }
}
