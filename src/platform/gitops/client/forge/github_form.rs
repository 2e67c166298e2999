//! Pull requests in the form of GitHub, which Gitea and Forgejo have taken over.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    looks::{Looks, Seen},
    pull::{Dialect, Opening, Pull, id, send, text},
};
use crate::platform::{
    Error,
    http::{Http, WriteError},
};

/// What those who have this form do each in their own way.
#[async_trait]
pub(super) trait Form: Send + Sync {
    /// The newest pull request of a branch.
    async fn find(&self, hub: &Hub, branch: &str) -> Result<Option<Pull>, Error>;
    /// One that is open, with what there is to know around it.
    ///
    /// # Errors
    /// Where that cannot be read now; what the login may not see is missing, and no error.
    async fn around(&self, hub: &Hub, one: Value) -> Result<Seen, Error>;
    /// A pull request with what is missing.
    fn told(&self, seen: &Seen) -> Pull;
    /// How pull requests of a repository are merged, as the forge calls it: by a merge commit, else as it is allowed.
    fn way(&self, repository: &Value) -> Option<String>;
    /// How one is merged in this way if its branch is at this commit.
    fn merging(&self, head: &str, way: Option<&str>) -> (Method, Value);
}

/// A repository at one of them.
pub(super) struct Hub {
    pub(super) http: Http,
    pub(super) project: String,
    pub(super) form: Box<dyn Form>,
    looks: Looks,
}

impl Hub {
    pub(super) fn new(http: Http, project: String, form: impl Form + 'static) -> Self {
        Self { http, project, form: Box::new(form), looks: Looks::default() }
    }

    /// The path of its pull requests.
    pub(super) fn pulls(&self) -> String {
        format!("/repos/{}/pulls", self.project)
    }

    /// What there is to know around a pull request, as far as the login may see it.
    pub(super) async fn seen(&self, path: &str) -> Result<Value, Error> {
        match self.http.get_changed::<Value>(path).await {
            Ok((told, _)) => Ok(told),
            Err(Error::Forbidden { .. } | Error::NotFound { .. }) => Ok(Value::Null),
            Err(Error::Api { status: 400..500, .. }) => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }

    fn at(&self, number: u64) -> String {
        format!("{}/{number}", self.pulls())
    }
}

/// The first of these ways that a repository allows; each with the name of the setting that allows it.
pub(super) fn first_allowed(repository: &Value, ways: &[(&str, &str)]) -> Option<String> {
    let allowed = ways.iter().find(|(setting, _)| repository[*setting] == true);
    allowed.map(|(_, way)| (*way).to_owned())
}

/// A pull request, without what is missing.
pub(super) fn pull(one: &Value) -> Pull {
    let merged = one["merged"] == true || one["merged_at"].is_string();
    Pull {
        number: one["number"].as_u64().unwrap_or(0),
        address: text(&one["html_url"]),
        body: text(&one["body"]),
        head: text(&one["head"]["sha"]),
        open: one["state"] == "open",
        merged,
        merge_commit: id(&one["merge_commit_sha"]).filter(|_| merged),
        mergeable: one["mergeable"].as_bool(),
        missing: Vec::new(),
    }
}

#[async_trait]
impl Dialect for Hub {
    async fn check(&self) -> Result<(), Error> {
        self.http.get_changed::<Value>(&format!("/repos/{}", self.project)).await.map(drop)
    }

    async fn find(&self, branch: &str) -> Result<Option<Pull>, Error> {
        self.form.find(self, branch).await
    }

    async fn read(&self, number: u64) -> Result<Pull, Error> {
        let (one, _) = self.http.get_changed::<Value>(&self.at(number)).await?;
        let seen = if pull(&one).open {
            self.form.around(self, one).await?
        } else {
            Seen { one, ..Seen::default() }
        };
        Ok(self.form.told(&self.looks.keep(number, seen)))
    }

    async fn look(&self, number: u64) -> Result<Pull, Error> {
        match self.looks.look(&self.http, number, &self.at(number)).await? {
            Some(seen) => Ok(self.form.told(&seen)),
            None => self.read(number).await,
        }
    }

    async fn open(&self, opening: &Opening<'_>) -> Result<Pull, WriteError> {
        let body = json!({
            "title": opening.title, "head": opening.branch, "base": opening.base,
            "body": opening.body,
        });
        send(&self.http, Method::POST, &self.pulls(), &body).await.map(|one| pull(&one))
    }

    async fn way(&self) -> Option<String> {
        let repository = self.seen(&format!("/repos/{}", self.project)).await.unwrap_or_default();
        self.form.way(&repository)
    }

    async fn merge(&self, number: u64, head: &str, way: Option<&str>) -> Result<(), WriteError> {
        let (method, body) = self.form.merging(head, way);
        send(&self.http, method, &format!("{}/merge", self.at(number)), &body).await.map(drop)
    }

    async fn close(&self, number: u64) -> Result<(), WriteError> {
        let body = json!({ "state": "closed" });
        send(&self.http, Method::PATCH, &self.at(number), &body).await.map(drop)
    }
}
