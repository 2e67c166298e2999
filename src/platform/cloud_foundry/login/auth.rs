//! Access tokens: kept, renewed before they run out, one renewal at a time.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use reqwest::{StatusCode, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::platform::cloud_foundry::{
    login::session::{self, Owner, Session, Tokens},
    login::token::claims,
};
use crate::{
    domain::text::clean,
    platform::{Error, Now, http::Authorize},
};

/// A token with less than this to live is renewed, in seconds; the cf CLI does the same.
const MARGIN: i64 = 60;

pub(in crate::platform::cloud_foundry) struct Auth {
    client: reqwest::Client,
    timeout: Duration,
    api: String,
    uaa: String,
    file: PathBuf,
    owner: Owner,
    client_id: String,
    client_secret: SecretString,
    by_client: bool,
    now: Now,
    tokens: Mutex<Tokens>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
}

#[derive(Default, Deserialize)]
struct Denied {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Auth {
    pub(in crate::platform::cloud_foundry) fn new(
        client: reqwest::Client,
        session: &Session,
        timeout: Duration,
        now: Now,
    ) -> Self {
        Self {
            client,
            timeout,
            api: session.api.clone(),
            uaa: session.uaa.clone(),
            file: session.file.clone(),
            owner: Owner { api: session.api.clone(), name: session::name_in(&session.tokens) },
            client_id: session.client.clone(),
            client_secret: session.client_secret.clone(),
            by_client: session.by_client,
            now,
            tokens: Mutex::new(session.tokens.clone()),
        }
    }

    fn fresh(&self, token: &SecretString) -> bool {
        // Where a token's end cannot be read, the server will say when it is over.
        claims(token).is_none_or(|claims| {
            let half = claims.iat.map_or(MARGIN, |born| (claims.exp - born) / 2);
            claims.exp - (self.now)().as_second() > MARGIN.min(half)
        })
    }

    async fn renew(&self, tokens: &Tokens) -> Result<Tokens, Error> {
        let client_id = self.client_id.as_str();
        let secret = self.client_secret.expose_secret();
        let request = self.client.post(format!("{}/oauth/token", self.uaa));
        let request = request.header("accept", "application/json").timeout(self.timeout);
        let request = if self.by_client {
            request.form(&[
                ("grant_type", "client_credentials"),
                ("client_id", client_id),
                ("client_secret", secret),
            ])
        } else {
            request.basic_auth(client_id, Some(secret)).form(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", tokens.refresh.expose_secret()),
            ])
        };
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            api: self.uaa.clone(),
            why: clean(&error.without_url().to_string()),
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            let granted: Granted = serde_json::from_slice(&body).map_err(|_| Error::Garbled {
                api: self.uaa.clone(),
                location: "/oauth/token".to_owned(),
                why: "no access token in the answer".to_owned(),
            })?;
            let refresh = granted.refresh_token.unwrap_or_else(|| tokens.refresh.clone());
            return Ok(Tokens { access: granted.access_token, refresh });
        }
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::BAD_REQUEST {
            let denied: Denied = serde_json::from_slice(&body).unwrap_or_default();
            let why = format!("{}: {}", denied.error, denied.error_description);
            return Err(self.login(&clean(&why)));
        }
        Err(Error::Api {
            api: self.uaa.clone(),
            status: status.as_u16(),
            code: 0,
            title: status.canonical_reason().unwrap_or("error").to_owned(),
            detail: "the login server cannot renew the login now".to_owned(),
            page: false,
        })
    }

    fn login(&self, why: &str) -> Error {
        Error::Login {
            api: self.api.clone(),
            why: why.to_owned(),
            command: if self.by_client {
                format!("cf auth {} SECRET --client-credentials", self.client_id)
            } else {
                format!("cf login -a {}", self.api)
            },
        }
    }
}

fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("bearer {}", token.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[async_trait]
impl Authorize for Auth {
    async fn header(&self, rejected: Option<&HeaderValue>) -> Result<HeaderValue, Error> {
        // Whoever comes while another renews waits here and then finds the new token.
        let mut tokens = self.tokens.lock().await;
        let usable = |tokens: &Tokens| {
            let header = bearer(&tokens.access)?;
            (rejected != Some(&header) && (rejected.is_some() || self.fresh(&tokens.access)))
                .then_some(header)
        };
        if let Some(header) = usable(&tokens) {
            return Ok(header);
        }
        // The cf CLI may have renewed them meanwhile; with rotation its refresh token is the only good one.
        let (file, owner) = (self.file.clone(), self.owner.clone());
        let stored = tokio::task::spawn_blocking(move || session::tokens_in(&file, &owner));
        let stored = stored.await.ok().flatten();
        if let Some(stored) = stored {
            let other = stored.access.expose_secret() != tokens.access.expose_secret();
            if other
                && self.fresh(&stored.access)
                && let Some(header) = usable(&stored)
            {
                *tokens = stored;
                return Ok(header);
            }
            tokens.refresh = stored.refresh;
        }
        let nothing_to_renew_with = if self.by_client {
            // The cf CLI keeps no client's secret, and an empty one counts as a failed login.
            self.client_secret.expose_secret().is_empty()
        } else {
            tokens.refresh.expose_secret().is_empty()
        };
        if nothing_to_renew_with {
            return Err(self.login("it has run out"));
        }
        *tokens = self.renew(&tokens).await?;
        let (file, owner, renewed) = (self.file.clone(), self.owner.clone(), tokens.clone());
        let written =
            tokio::task::spawn_blocking(move || session::write_tokens(&file, &owner, &renewed))
                .await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the renewed login could not be written back");
        }
        bearer(&tokens.access).ok_or_else(|| self.login("the login server sent no usable token"))
    }
}
