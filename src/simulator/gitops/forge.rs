//! Pull requests, as GitHub (`/api/v3`), GitLab (`/api/v4`) and Gitea (`/api/v1`) tell of them: the same ones behind all
//! three. Branches and merges are those of the real repository.
//!
//! Documents: <https://docs.github.com/en/rest/pulls/pulls>, <https://docs.gitlab.com/api/merge_requests/>,
//! <https://docs.gitea.com/api/>.

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::git::{Bare, Who};
use crate::simulator::clock::seconds_between;

/// How long checks take, in seconds.
const CHECKS: f64 = 20.0;

/// How far a pull request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Closed,
    Merged,
}

/// What the repository asks of who merges.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// How many reviews the branch asks for.
    pub(crate) approvals: usize,
    /// Whether pull requests can only be squashed.
    pub(crate) only_squashed: bool,
}

/// Pull requests, and what they have to meet.
#[derive(Debug, Default)]
pub(crate) struct Forge {
    pub(crate) pulls: Vec<Pull>,
    pub(crate) rules: Rules,
    /// What others report of commits: commit, context and state.
    pub(crate) statuses: Vec<(String, String, String)>,
}

/// A pull request.
#[derive(Clone, Debug)]
pub(crate) struct Pull {
    pub(crate) number: u64,
    pub(crate) branch: String,
    pub(crate) base: String,
    pub(crate) head: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) by: String,
    pub(crate) opened: Timestamp,
    pub(crate) state: State,
    pub(crate) merged_as: Option<String>,
    /// Who has reviewed it, and whether they would take it. What somebody says again counts.
    pub(crate) reviews: Vec<(String, bool)>,
    /// How many reviews were ever given.
    pub(crate) reviewed: u64,
}

impl Pull {
    /// Takes a review in.
    pub(crate) fn review(&mut self, by: &str, takes_it: bool) {
        self.reviews.retain(|(known, _)| known != by);
        self.reviews.push((by.to_owned(), takes_it));
        self.reviewed += 1;
    }

    /// Why the rules do not let it be merged, as GitLab's `detailed_merge_status` calls it.
    fn held_by(&self, rules: Rules) -> Option<&'static str> {
        if self.reviews.iter().any(|(_, takes_it)| !takes_it) && rules.approvals > 0 {
            return Some("requested_changes");
        }
        let given = self.reviews.iter().filter(|(_, takes_it)| *takes_it).count();
        (given < rules.approvals).then_some("not_approved")
    }
}

/// A request to a forge.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    /// What follows the API's root.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(String, String)],
    pub(crate) body: &'a Value,
    /// The repository's address for people, without `.git`.
    pub(crate) home: &'a str,
    pub(crate) project: &'a str,
    pub(crate) now: Timestamp,
}

pub(crate) type Answer = (StatusCode, Value);

/// Which forge a path belongs to, and what follows its root.
pub(crate) fn root(path: &str) -> Option<(&'static str, &str)> {
    if let Some(rest) = path.strip_prefix("/api/v3/") {
        return Some(("github", rest));
    }
    if let Some(rest) = path.strip_prefix("/api/v4/") {
        return Some(("gitlab", rest));
    }
    let rest = path.strip_prefix("/api/v1/")?;
    rest.starts_with("repos/").then_some(("gitea", rest))
}

fn refuse(status: u16, message: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, json!({ "message": message }))
}

fn missing() -> Answer {
    refuse(404, "Not Found")
}

/// Answers a call.
pub(crate) fn answer(bare: &Bare, of: &mut Forge, forge: &str, call: &Call<'_>) -> Answer {
    let (pulls, rules, statuses) = (&mut of.pulls, of.rules, of.statuses.as_slice());
    // A branch that somebody pushed to takes its pull request along.
    for pull in pulls.iter_mut().filter(|pull| pull.state == State::Open) {
        if let Some(head) = bare.head(&pull.branch) {
            pull.head = head;
        }
    }
    match forge {
        "github" => github(bare, pulls, (rules, statuses), call),
        "gitlab" => gitlab(bare, pulls, rules, call),
        _ => gitea(bare, pulls, rules, call),
    }
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

fn asked<'a>(call: &'a Call<'_>, name: &str) -> Option<&'a str> {
    call.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Whether the branch can be merged without a conflict: the tree of the merge.
fn merged_tree(bare: &Bare, pull: &Pull) -> Option<String> {
    let base = bare.head(&pull.base)?;
    let told = bare.run(&["merge-tree", "--write-tree", &base, &pull.head], None).ok()?;
    told.lines().next().map(str::to_owned)
}

fn checked(pull: &Pull, now: Timestamp) -> bool {
    seconds_between(pull.opened, now) >= CHECKS
}

/// Opens one; `Err` where there is one of the branch, or nothing to merge.
fn open(
    bare: &Bare,
    pulls: &mut Vec<Pull>,
    call: &Call<'_>,
    names: [&str; 3],
) -> Result<Pull, &'static str> {
    let [branch, base, body] = names.map(|name| text(call.body, name).to_owned());
    if pulls.iter().any(|pull| pull.branch == branch && pull.state == State::Open) {
        return Err("already");
    }
    let Some(head) = bare.head(&branch) else { return Err("branch") };
    let pull = Pull {
        number: pulls.iter().map(|pull| pull.number).max().unwrap_or(0) + 1,
        branch,
        base,
        head,
        title: text(call.body, "title").to_owned(),
        body,
        by: "hana".to_owned(),
        opened: call.now,
        state: State::Open,
        merged_as: None,
        reviews: Vec::new(),
        reviewed: 0,
    };
    pulls.push(pull.clone());
    Ok(pull)
}

/// Merges one; `how` is `merge`, `squash` or `rebase`.
fn merge(
    bare: &Bare,
    pull: &mut Pull,
    how: &str,
    head: Option<&str>,
    (rules, now): (Rules, Timestamp),
) -> Result<(), (u16, String)> {
    if pull.state != State::Open {
        return Err((405, "Pull Request is not mergeable".to_owned()));
    }
    if head.is_some_and(|head| head != pull.head) {
        return Err((409, "Head branch was modified. Review and try the merge again.".to_owned()));
    }
    if rules.only_squashed && how != "squash" {
        return Err((405, "Merge commits are not allowed on this repository.".to_owned()));
    }
    if pull.held_by(rules).is_some() {
        return Err((405, "Does not have enough approvals".to_owned()));
    }
    let Some(tree) = merged_tree(bare, pull) else {
        return Err((405, "Pull Request has merge conflicts".to_owned()));
    };
    let failed = |why: String| (500, why);
    let base = bare.head(&pull.base).ok_or_else(|| failed("no base".to_owned()))?;
    let who = Who { name: "GitHub", at: now };
    let title = format!("{} (#{})\n\n{}", pull.title, pull.number, pull.body);
    let commit = match how {
        "squash" => bare.commit(&[&base], &tree, &title, &who),
        "rebase" => bare
            .run(&["log", "-1", "--format=%B", &pull.head], None)
            .and_then(|message| bare.commit(&[&base], &tree, &message, &who)),
        _ => {
            let message = format!(
                "Merge pull request #{} from {}\n\n{}",
                pull.number, pull.branch, pull.title
            );
            bare.commit(&[&base, &pull.head], &tree, &message, &who)
        }
    };
    let commit = commit.map_err(failed)?;
    bare.move_branch(&pull.base, &commit, &base).map_err(|why| (409, why))?;
    pull.state = State::Merged;
    pull.merged_as = Some(commit);
    Ok(())
}

/// The reviews of one, with the words for no and for yes.
fn reviews(pulls: &[Pull], number: u64, words: [&str; 2]) -> Value {
    let pull = pulls.iter().find(|pull| pull.number == number);
    let all = pull.into_iter().flat_map(|pull| &pull.reviews);
    let tell = |(by, takes_it): &(String, bool)| {
        json!({
            "user": { "login": by }, "state": words[usize::from(*takes_it)],
            "official": true, "dismissed": false, "stale": false,
        })
    };
    all.map(tell).collect()
}

/// The repository itself, with how pull requests are merged.
fn repository(call: &Call<'_>, rules: Rules, names: [&str; 3]) -> Value {
    let [merge, squash, rebase] = names;
    let other = !rules.only_squashed;
    json!({ "full_name": call.project, merge: other, squash: true, rebase: other })
}

fn number(part: &str) -> u64 {
    part.parse().unwrap_or(0)
}

/// What the repository asks for, and what is reported of its commits.
type Asked<'a> = (Rules, &'a [(String, String, String)]);

fn github_pull(bare: &Bare, pull: &Pull, (rules, statuses): Asked<'_>, call: &Call<'_>) -> Value {
    let mut own = statuses.iter().filter(|(commit, ..)| *commit == pull.head);
    let mergeable = merged_tree(bare, pull).is_some();
    let state = if !mergeable {
        "dirty"
    } else if pull.held_by(rules).is_some() {
        "blocked"
    } else if checked(pull, call.now) && own.all(|(.., state)| state == "success") {
        "clean"
    } else {
        "unstable"
    };
    json!({
        "number": pull.number, "state": if pull.state == State::Open { "open" } else { "closed" },
        "title": pull.title, "body": pull.body, "user": { "login": pull.by },
        "html_url": format!("{}/pull/{}", call.home, pull.number),
        "head": { "ref": pull.branch, "sha": pull.head }, "base": { "ref": pull.base },
        "merged": pull.state == State::Merged, "merged_at": pull.merged_as.as_ref().map(|_| call.now.to_string()),
        "merge_commit_sha": pull.merged_as, "mergeable": mergeable,
        "mergeable_state": state,
    })
}

fn github(bare: &Bare, pulls: &mut Vec<Pull>, of: Asked<'_>, call: &Call<'_>) -> Answer {
    let (rules, statuses) = of;
    if call.path == format!("repos/{}", call.project) {
        let names = ["allow_merge_commit", "allow_squash_merge", "allow_rebase_merge"];
        return (StatusCode::OK, repository(call, rules, names));
    }
    let Some(rest) = call.path.strip_prefix(&format!("repos/{}/", call.project)) else {
        return missing();
    };
    let parts: Vec<_> = rest.split('/').collect();
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["pulls"]) => {
            let branch = asked(call, "head")
                .map(|head| head.split_once(':').map_or(head, |(_, branch)| branch));
            let found =
                pulls.iter().rev().filter(|pull| branch.is_none_or(|branch| pull.branch == branch));
            (StatusCode::OK, found.map(|pull| github_pull(bare, pull, of, call)).collect())
        }
        ("POST", ["pulls"]) => match open(bare, pulls, call, ["head", "base", "body"]) {
            Ok(pull) => (StatusCode::CREATED, github_pull(bare, &pull, of, call)),
            Err("already") => (
                StatusCode::UNPROCESSABLE_ENTITY,
                json!({ "message": "Validation Failed", "errors": [{ "resource": "PullRequest", "message": "A pull request already exists for that branch." }] }),
            ),
            Err(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                json!({ "message": "Validation Failed", "errors": [{ "resource": "PullRequest", "field": "head", "code": "invalid" }] }),
            ),
        },
        ("GET", ["pulls", one]) => match pulls.iter().find(|pull| pull.number == number(one)) {
            Some(pull) => (StatusCode::OK, github_pull(bare, pull, of, call)),
            None => missing(),
        },
        ("GET", ["pulls", one, "reviews"]) => {
            let words = ["CHANGES_REQUESTED", "APPROVED"];
            (StatusCode::OK, reviews(pulls, number(one), words))
        }
        ("GET", ["commits", sha, "check-runs"]) => {
            let done = pulls.iter().any(|pull| pull.head == *sha && checked(pull, call.now));
            let status = if done { "completed" } else { "in_progress" };
            let conclusion = if done { json!("success") } else { Value::Null };
            (
                StatusCode::OK,
                json!({ "total_count": 1, "check_runs": [{ "name": "validate", "status": status, "conclusion": conclusion }] }),
            )
        }
        // The newest of each context; none at all is `pending`, too.
        ("GET", ["commits", sha, "status"]) => {
            let own = statuses.iter().filter(|(commit, ..)| commit == sha);
            let all: Vec<_> = own
                .map(|(_, context, state)| json!({ "context": context, "state": state }))
                .collect();
            (
                StatusCode::OK,
                json!({ "state": "pending", "total_count": all.len(), "statuses": all, "sha": sha }),
            )
        }
        ("PUT", ["pulls", one, "merge"]) => {
            let Some(pull) = pulls.iter_mut().find(|pull| pull.number == number(one)) else {
                return missing();
            };
            let how = call.body["merge_method"].as_str().unwrap_or("merge");
            match merge(bare, pull, how, call.body["sha"].as_str(), (rules, call.now)) {
                Ok(()) => (
                    StatusCode::OK,
                    json!({ "sha": pull.merged_as, "merged": true, "message": "Pull Request successfully merged" }),
                ),
                Err((status, why)) => refuse(status, &why),
            }
        }
        ("PATCH", ["pulls", one]) => {
            let Some(pull) = pulls.iter_mut().find(|pull| pull.number == number(one)) else {
                return missing();
            };
            if text(call.body, "state") == "closed" && pull.state == State::Open {
                pull.state = State::Closed;
            }
            (StatusCode::OK, github_pull(bare, pull, of, call))
        }
        _ => missing(),
    }
}

fn gitlab_pull(bare: &Bare, pull: &Pull, rules: Rules, call: &Call<'_>) -> Value {
    let state = match pull.state {
        State::Open => "opened",
        State::Closed => "closed",
        State::Merged => "merged",
    };
    let status = if pull.state != State::Open {
        "not_open"
    } else if merged_tree(bare, pull).is_none() {
        "conflict"
    } else if let Some(why) = pull.held_by(rules) {
        why
    } else if checked(pull, call.now) {
        "mergeable"
    } else {
        "ci_still_running"
    };
    json!({
        "iid": pull.number, "id": 1_000 + pull.number, "state": state, "title": pull.title, "description": pull.body,
        "web_url": format!("{}/-/merge_requests/{}", call.home, pull.number), "sha": pull.head,
        "source_branch": pull.branch, "target_branch": pull.base, "detailed_merge_status": status,
        "merge_commit_sha": pull.merged_as, "squash_commit_sha": null, "author": { "username": pull.by },
    })
}

fn gitlab(bare: &Bare, pulls: &mut Vec<Pull>, rules: Rules, call: &Call<'_>) -> Answer {
    let encoded = call.project.replace('/', "%2F");
    let own = [format!("projects/{encoded}"), format!("projects/{}", call.project)];
    if own.iter().any(|own| own == call.path) {
        return (StatusCode::OK, json!({ "path_with_namespace": call.project }));
    }
    let base = [
        format!("projects/{encoded}/merge_requests"),
        format!("projects/{}/merge_requests", call.project),
    ];
    let Some(rest) = base.iter().find_map(|base| call.path.strip_prefix(base.as_str())) else {
        return missing();
    };
    let parts: Vec<_> = rest.split('/').filter(|part| !part.is_empty()).collect();
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", []) => {
            let branch = asked(call, "source_branch");
            let found =
                pulls.iter().rev().filter(|pull| branch.is_none_or(|branch| pull.branch == branch));
            (StatusCode::OK, found.map(|pull| gitlab_pull(bare, pull, rules, call)).collect())
        }
        ("POST", []) => {
            match open(bare, pulls, call, ["source_branch", "target_branch", "description"]) {
                Ok(pull) => (StatusCode::CREATED, gitlab_pull(bare, &pull, rules, call)),
                Err("already") => (
                    StatusCode::CONFLICT,
                    json!({ "message": ["Another open merge request already exists for this source branch: !1"] }),
                ),
                Err(_) => refuse(400, "source_branch does not exist"),
            }
        }
        ("GET", [one]) => match pulls.iter().find(|pull| pull.number == number(one)) {
            Some(pull) => (StatusCode::OK, gitlab_pull(bare, pull, rules, call)),
            None => missing(),
        },
        ("PUT", [one, "merge"]) => {
            let Some(pull) = pulls.iter_mut().find(|pull| pull.number == number(one)) else {
                return missing();
            };
            let how = if call.body["squash"] == true { "squash" } else { "merge" };
            match merge(bare, pull, how, call.body["sha"].as_str(), (rules, call.now)) {
                Ok(()) => (StatusCode::OK, gitlab_pull(bare, pull, rules, call)),
                Err((status, why)) => refuse(status, &why),
            }
        }
        ("PUT", [one]) => {
            let Some(pull) = pulls.iter_mut().find(|pull| pull.number == number(one)) else {
                return missing();
            };
            if text(call.body, "state_event") == "close" && pull.state == State::Open {
                pull.state = State::Closed;
            }
            (StatusCode::OK, gitlab_pull(bare, pull, rules, call))
        }
        _ => missing(),
    }
}

fn gitea_pull(bare: &Bare, pull: &Pull, call: &Call<'_>) -> Value {
    json!({
        "number": pull.number, "id": 1_000 + pull.number, "state": if pull.state == State::Open { "open" } else { "closed" },
        "title": pull.title, "body": pull.body, "html_url": format!("{}/pulls/{}", call.home, pull.number),
        "head": { "label": pull.branch, "ref": pull.branch, "sha": pull.head }, "base": { "label": pull.base, "ref": pull.base },
        "merged": pull.state == State::Merged, "mergeable": merged_tree(bare, pull).is_some(),
        "merge_commit_sha": pull.merged_as, "user": { "login": pull.by }, "review_comments": pull.reviewed,
    })
}

fn gitea(bare: &Bare, pulls: &mut Vec<Pull>, rules: Rules, call: &Call<'_>) -> Answer {
    if call.path == format!("repos/{}", call.project) {
        let names = ["allow_merge_commits", "allow_squash_merge", "allow_rebase"];
        return (StatusCode::OK, repository(call, rules, names));
    }
    let Some(rest) = call.path.strip_prefix(&format!("repos/{}/", call.project)) else {
        return missing();
    };
    let parts: Vec<_> = rest.split('/').collect();
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["pulls"]) => {
            (StatusCode::OK, pulls.iter().rev().map(|pull| gitea_pull(bare, pull, call)).collect())
        }
        ("POST", ["pulls"]) => match open(bare, pulls, call, ["head", "base", "body"]) {
            Ok(pull) => (StatusCode::CREATED, gitea_pull(bare, &pull, call)),
            Err("already") => refuse(409, "pull request already exists for these targets"),
            Err(_) => missing(),
        },
        ("GET", ["pulls", one]) => match pulls.iter().find(|pull| pull.number == number(one)) {
            Some(pull) => (StatusCode::OK, gitea_pull(bare, pull, call)),
            None => missing(),
        },
        ("GET", ["pulls", one, "reviews"]) => {
            (StatusCode::OK, reviews(pulls, number(one), ["REQUEST_CHANGES", "APPROVED"]))
        }
        ("GET", ["branches", name]) => {
            let contexts: &[&str] = if rules.approvals > 0 { &["validate"] } else { &[] };
            let told = json!({
                "name": name, "protected": rules.approvals > 0, "required_approvals": rules.approvals,
                "enable_status_check": rules.approvals > 0, "status_check_contexts": contexts,
            });
            (StatusCode::OK, told)
        }
        ("GET", ["commits", sha, "status"]) => {
            let done = pulls.iter().any(|pull| pull.head == *sha && checked(pull, call.now));
            let state = if done { "success" } else { "pending" };
            (
                StatusCode::OK,
                json!({ "state": state, "total_count": 1, "statuses": [{ "context": "validate", "status": state }] }),
            )
        }
        ("POST", ["pulls", one, "merge"]) => {
            let Some(pull) = pulls.iter_mut().find(|pull| pull.number == number(one)) else {
                return missing();
            };
            let how = call.body["Do"].as_str().unwrap_or("merge");
            match merge(bare, pull, how, call.body["head_commit_id"].as_str(), (rules, call.now)) {
                Ok(()) => (StatusCode::OK, Value::Null),
                Err((status, why)) => refuse(status, &why),
            }
        }
        ("PATCH", ["pulls", one]) => {
            let Some(pull) = pulls.iter_mut().find(|pull| pull.number == number(one)) else {
                return missing();
            };
            if text(call.body, "state") == "closed" && pull.state == State::Open {
                pull.state = State::Closed;
            }
            (StatusCode::CREATED, gitea_pull(bare, pull, call))
        }
        _ => missing(),
    }
}
