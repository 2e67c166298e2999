//! Pull requests of a forge: found by their branch, opened, merged with the head that was looked at, closed.
//!
//! The calls are those of <https://docs.github.com/en/rest/pulls/pulls>,
//! <https://docs.gitlab.com/api/merge_requests/> and <https://docs.gitea.com/api/> (Forgejo has the same).

mod gitea;
mod github;
mod github_form;
mod gitlab;
mod looks;
mod pull;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

pub(in crate::platform::gitops) use self::pull::{OPERATION, Opening, Pull};
use self::{github_form::Hub, pull::Dialect};
use crate::{
    domain::text::clean,
    platform::{
        Error,
        http::{self, Authorize, Http, Meter, WriteError, exchange::Said},
    },
};

/// Which forge it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) enum ForgeKind {
    GitHub,
    GitLab,
    Gitea,
}

impl ForgeKind {
    /// By its name in the configuration.
    pub(in crate::platform::gitops) fn named(name: &str) -> Option<Self> {
        match name {
            "github" => Some(Self::GitHub),
            "gitlab" => Some(Self::GitLab),
            "gitea" | "forgejo" => Some(Self::Gitea),
            _ => None,
        }
    }

    /// By the host of a repository, where that says it beyond doubt: a token goes there.
    pub(in crate::platform::gitops) fn of_host(host: &str) -> Option<Self> {
        match host {
            "github.com" => Some(Self::GitHub),
            "codeberg.org" | "gitea.com" => Some(Self::Gitea),
            "gitlab.com" => Some(Self::GitLab),
            _ => None,
        }
    }

    /// Variables that hold a token, as the forges' own tools read them.
    pub(in crate::platform::gitops) fn variables(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["GH_TOKEN", "GITHUB_TOKEN"],
            Self::GitLab => &["GITLAB_TOKEN"],
            Self::Gitea => &["GITEA_TOKEN", "FORGEJO_TOKEN"],
        }
    }

    /// Where its API is, for a host.
    pub(in crate::platform::gitops) fn api(self, scheme: &str, host: &str) -> String {
        match self {
            Self::GitHub if host == "github.com" => "https://api.github.com".to_owned(),
            Self::GitHub => format!("{scheme}://{host}/api/v3"),
            Self::GitLab => format!("{scheme}://{host}/api/v4"),
            Self::Gitea => format!("{scheme}://{host}/api/v1"),
        }
    }
}

/// A repository at a forge.
#[derive(Clone)]
pub(in crate::platform::gitops) struct Forge {
    dialect: Arc<dyn Dialect>,
    /// As it stands in sentences.
    pub(in crate::platform::gitops) name: String,
}

/// The token of a login; there is no other to be had.
struct Token {
    header: HeaderValue,
    api: String,
    hint: String,
}

#[async_trait]
impl Authorize for Token {
    async fn header(&self, rejected: Option<&HeaderValue>) -> Result<HeaderValue, Error> {
        match rejected {
            None => Ok(self.header.clone()),
            Some(_) => Err(Error::Login {
                api: self.api.clone(),
                why: "the token is not accepted".to_owned(),
                command: self.hint.clone(),
            }),
        }
    }
}

/// The error bodies of the forges: `message`, and for GitHub a list of errors.
fn said(body: &[u8]) -> Option<Said> {
    #[derive(Deserialize)]
    struct Body {
        message: Option<Value>,
        error: Option<Value>,
        #[serde(default)]
        errors: Vec<Value>,
    }
    let Body { message, error, errors } = serde_json::from_slice(body).ok()?;
    let plain = |value: Value| match value {
        Value::String(text) => text,
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    };
    let mut detail = plain(message.or(error)?);
    for error in errors {
        let text = error.get("message").and_then(Value::as_str).or_else(|| error.as_str());
        if let Some(text) = text {
            detail.push_str(&format!("; {text}"));
        }
    }
    Some(Said { detail, ..Said::default() })
}

impl Forge {
    /// Opens the forge of a repository; speaks to nobody yet. `project` is `OWNER/NAME`.
    pub(in crate::platform::gitops) fn open(
        kind: ForgeKind,
        api: &str,
        project: &str,
        token: &SecretString,
        timeout: Duration,
    ) -> Result<Self, String> {
        let word = if kind == ForgeKind::Gitea { "token" } else { "Bearer" };
        let mut header = HeaderValue::from_str(&format!("{word} {}", token.expose_secret()))
            .map_err(|_| {
                "the token of the forge has characters that no header can have".to_owned()
            })?;
        header.set_sensitive(true);
        let hint = format!("export {}=…", kind.variables().first().copied().unwrap_or_default());
        let settings = http::Settings {
            api: api.to_owned(),
            skip_verification: false,
            authorities: None,
            timeout,
            login_command: hint.clone(),
            tls_advice: "set SSL_CERT_FILE to its CA",
        };
        let client = http::client(&settings)?;
        let token = Token { header, api: api.to_owned(), hint };
        let http = Http::new(client, settings, Arc::new(token), said, Arc::new(Meter::default()));
        let project = project.to_owned();
        let dialect: Arc<dyn Dialect> = match kind {
            ForgeKind::GitHub => Arc::new(Hub::new(http, project.clone(), github::GitHub)),
            ForgeKind::GitLab => Arc::new(gitlab::GitLab { http, project: project.clone() }),
            ForgeKind::Gitea => Arc::new(Hub::new(http, project.clone(), gitea::Gitea)),
        };
        Ok(Self { dialect, name: format!("{} at {api}", clean(&project)) })
    }

    /// Whether the forge answers, and lets this login see the repository.
    pub(in crate::platform::gitops) async fn check(&self) -> Result<(), Error> {
        self.dialect.check().await
    }

    /// The pull request of a branch with this commit, whose message is given, with what is missing: one that is open, or that was
    /// closed or merged with it. Another one is of an earlier branch of that name.
    pub(in crate::platform::gitops) async fn find(
        &self,
        branch: &str,
        commit: &str,
        message: &str,
    ) -> Result<Option<Pull>, Error> {
        let found = self.dialect.find(branch).await?;
        match found.filter(|pull| pull.is_of(commit, message)) {
            Some(found) => self.dialect.read(found.number).await.map(Some),
            None => Ok(None),
        }
    }

    /// One pull request, with what is missing.
    pub(in crate::platform::gitops) async fn read(&self, number: u64) -> Result<Pull, Error> {
        self.dialect.read(number).await
    }

    /// One pull request for who watches it: see [`Dialect::look`].
    pub(in crate::platform::gitops) async fn look(&self, number: u64) -> Result<Pull, Error> {
        self.dialect.look(number).await
    }

    /// Opens a pull request; where there is one of the branch already, that one.
    pub(in crate::platform::gitops) async fn create(
        &self,
        opening: &Opening<'_>,
    ) -> Result<Pull, WriteError> {
        match self.dialect.open(opening).await {
            // That is how they say that there is one, among other things (GitHub 422, Gitea 409).
            Err(WriteError::NoEffect(refused @ Error::Api { status: 409 | 422, .. })) => {
                let found = self.dialect.find(opening.branch).await.ok().flatten();
                found.filter(|pull| pull.open).ok_or(WriteError::NoEffect(refused))
            }
            told => told,
        }
    }

    /// How pull requests are merged here: see [`Dialect::way`].
    pub(in crate::platform::gitops) async fn way(&self) -> Option<String> {
        self.dialect.way().await
    }

    /// Merges a pull request, if its branch is still at this head.
    pub(in crate::platform::gitops) async fn merge(
        &self,
        number: u64,
        head: &str,
        way: Option<&str>,
    ) -> Result<(), WriteError> {
        self.dialect.merge(number, head, way).await.map_err(|error| {
            let words = |error: Error| match error {
                Error::Api { status: 405, detail, .. } => Error::Refused {
                    what: format!("pull request {number} cannot be merged: {detail}"),
                },
                Error::Api { status: 409, detail, .. } => Error::Refused {
                    what: format!(
                        "pull request {number} has moved since it was looked at: {detail}"
                    ),
                },
                other => other,
            };
            match error {
                WriteError::NoEffect(error) => WriteError::NoEffect(words(error)),
                lost @ WriteError::Lost(_) => lost,
            }
        })
    }

    /// Closes a pull request.
    pub(in crate::platform::gitops) async fn close(&self, number: u64) -> Result<(), WriteError> {
        self.dialect.close(number).await
    }
}
