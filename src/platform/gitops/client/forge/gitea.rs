//! Gitea and Forgejo: `/api/v1`, <https://docs.gitea.com/api/>.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    github_form::{Form, Hub, first_allowed, pull},
    looks::Seen,
    pull::{Pull, text},
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
        let known = pull(&one);
        let path = format!("/repos/{}/commits/{}/status", hub.project, known.head);
        let reviews = format!("{}/{}/reviews", hub.pulls(), known.number);
        let base = format!("/repos/{}/branches/{}", hub.project, text(&one["base"]["ref"]));
        let (checks, reviews, base) =
            tokio::try_join!(hub.seen(&path), hub.seen(&reviews), hub.seen(&base))?;
        Ok(Seen { one, checks: vec![(path, checks)], reviews, base })
    }

    /// That it is mergeable says that it has no conflict and is no draft (`models/issues/pull.go`, `Mergeable`): what rules of
    /// the branch ask for is told by the branch and by the reviews.
    fn told(&self, seen: &Seen) -> Pull {
        let mut pull = pull(&seen.one);
        let Some((_, checks)) = seen.checks.first() else { return pull };
        pull.missing.extend(missing_checks(checks, &seen.base));
        pull.missing.extend(missing_reviews(&seen.reviews, &seen.base));
        if pull.mergeable == Some(false) {
            let draft = seen.one["draft"] == true;
            let conflict = "a conflict with the branch, or the forge is still looking for one";
            pull.missing.push(if draft { "it is a draft" } else { conflict }.to_owned());
        }
        pull
    }

    fn way(&self, repository: &Value) -> Option<String> {
        let ways = [
            ("allow_merge_commits", "merge"),
            ("allow_squash_merge", "squash"),
            ("allow_rebase", "rebase"),
            ("allow_rebase_explicit", "rebase-merge"),
            ("allow_fast_forward_only_merge", "fast-forward-only"),
        ];
        first_allowed(repository, &ways)
    }

    fn merging(&self, head: &str, way: Option<&str>) -> (Method, Value) {
        (Method::POST, json!({ "Do": way.unwrap_or("merge"), "head_commit_id": head }))
    }
}

/// The checks that have failed, that are under way, and that the branch asks for and nobody has begun.
fn missing_checks(checks: &Value, base: &Value) -> Vec<String> {
    let all = || checks["statuses"].as_array().into_iter().flatten();
    let of = |words: &[&str]| -> Vec<String> {
        let some = all().filter(|one| words.iter().any(|word| one["status"] == **word));
        some.map(|one| text(&one["context"])).collect()
    };
    let begun = |name: &str| all().any(|one| one["context"] == name);
    // A pattern may be met by any.
    let plain = |name: &&str| !name.contains(['*', '?', '[', '{']);
    let wanted = base["status_check_contexts"].as_array().into_iter().flatten();
    let wanted = wanted.filter_map(Value::as_str).filter(|_| base["enable_status_check"] == true);
    let mut under_way = of(&["pending"]);
    under_way.extend(wanted.filter(plain).filter(|name| !begun(name)).map(str::to_owned));
    let failed = of(&["failure", "error"]);
    let mut missing = Vec::new();
    if !failed.is_empty() {
        missing.push(format!("failed checks ({})", failed.join(", ")));
    }
    if !under_way.is_empty() {
        missing.push(format!("checks ({})", under_way.join(", ")));
    }
    missing
}

/// The reviews that the branch asks for: those count that are official and were not dismissed (`models/issues/pull.go`,
/// `GetGrantedApprovalsCount`).
fn missing_reviews(reviews: &Value, base: &Value) -> Vec<String> {
    let counts = |one: &&Value| one["official"] == true && one["dismissed"] != true;
    let all = || reviews.as_array().into_iter().flatten().filter(counts);
    let mut missing = Vec::new();
    if all().any(|one| one["state"] == "REQUEST_CHANGES") {
        missing.push("changes that a review asks for".to_owned());
    }
    let wanted = base["required_approvals"].as_u64().unwrap_or(0);
    let given = all().filter(|one| one["state"] == "APPROVED").count() as u64;
    match wanted.saturating_sub(given) {
        0 => {}
        1 if wanted == 1 => missing.push("a review".to_owned()),
        _ => missing.push(format!("reviews ({given} of {wanted})")),
    }
    missing
}
