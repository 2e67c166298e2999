//! The UAA: logins and tokens.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, StatusCode, header};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::call::Reply;
use crate::simulator::{
    clock::wall_seconds,
    fault::Faults,
    guid::{self, Kind, scramble},
};

/// Who may log in, and with what.
#[derive(Debug)]
pub(crate) struct Uaa {
    seed: u64,
    pub(crate) user: String,
    pub(crate) password: String,
    faults: Faults,
    issued: Mutex<Issued>,
}

#[derive(Debug, Default)]
struct Issued {
    count: u64,
    refresh: HashSet<String>,
}

/// Seconds that an access token lives, as the client `cf` has it.
const LIFE: Duration = Duration::from_mins(20);
const SCOPES: [&str; 4] = ["openid", "cloud_controller.read", "cloud_controller.write", "uaa.user"];
/// The one-time code of single sign-on.
pub(crate) const PASSCODE: &str = "demo-passcode";

impl Uaa {
    pub(crate) fn new(seed: u64, user: &str, faults: Faults) -> Self {
        Self {
            seed,
            user: user.to_owned(),
            password: "demo".to_owned(),
            faults,
            issued: Mutex::default(),
        }
    }

    pub(crate) fn user_guid(&self, name: &str) -> String {
        let number = name.bytes().fold(7_u64, |sum, byte| scramble(sum ^ u64::from(byte)));
        guid::make(self.seed, Kind::User, number as usize & 0xffff, 0)
    }

    /// `POST /oauth/token`.
    pub(crate) fn token(&self, headers: &HeaderMap, form: &BTreeMap<String, String>) -> Reply {
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let client = basic(headers).unwrap_or_else(|| field("client_id").to_owned());
        let bad = |error: &str, text: &str| {
            let body = json!({ "error": error, "error_description": text });
            Reply::status(StatusCode::UNAUTHORIZED, body)
        };
        match field("grant_type") {
            "client_credentials" => {
                let secret = field("client_secret");
                if client != "revdeck-ci" || secret != "demo" {
                    return bad("invalid_client", "Bad credentials");
                }
                Reply::ok(self.grant("revdeck-ci", "client_credentials", "revdeck-ci", false))
            }
            _ if client != "cf" => bad("invalid_client", "Bad credentials"),
            "password" if form.contains_key("passcode") => {
                if field("passcode") == PASSCODE {
                    return Reply::ok(self.grant(&self.user, "password", "cf", true));
                }
                bad("unauthorized", "Invalid passcode")
            }
            "password" => {
                if field("password") != self.password || field("username").is_empty() {
                    return bad("unauthorized", "Bad credentials");
                }
                Reply::ok(self.grant(field("username"), "password", "cf", true))
            }
            "refresh_token" => {
                let known = {
                    let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
                    issued.refresh.remove(field("refresh_token"))
                };
                if known {
                    return Reply::ok(self.grant(&self.user, "password", "cf", true));
                }
                bad("invalid_token", "Invalid refresh token (expired or revoked)")
            }
            other => {
                let body = json!({ "error": "unsupported_grant_type", "error_description": format!("Unsupported grant type: {other}") });
                Reply::status(StatusCode::BAD_REQUEST, body)
            }
        }
    }

    fn grant(&self, user: &str, grant: &str, client: &str, refreshable: bool) -> Value {
        let life = self.faults.token_life().unwrap_or(LIFE).as_secs() as i64;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.count += 1;
        let jti = format!(
            "{:016x}{:016x}",
            scramble(self.seed),
            scramble(self.seed ^ issued.count ^ fastrand::u64(..))
        );
        let claims = json!({
            "jti": jti, "exp": wall_seconds() + life, "iat": wall_seconds(),
            "user_id": self.user_guid(user), "user_name": user, "email": user, "origin": "uaa",
            "client_id": client, "cid": client, "grant_type": grant, "scope": SCOPES,
        });
        let head = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"demo","typ":"JWT"}"#);
        let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        let sign = self.sign(&claims);
        let mut body = json!({
            "access_token": format!("{head}.{claims}.{sign}"), "token_type": "bearer",
            "expires_in": (life - 1).max(0), "scope": SCOPES.join(" "), "jti": jti,
        });
        if refreshable {
            let refresh = format!("{jti}-r");
            body["refresh_token"] = json!(refresh);
            issued.refresh.insert(refresh);
        }
        body
    }

    /// A session as `cf login` leaves it: access and refresh token.
    pub(crate) fn session(&self) -> (String, String) {
        let body = self.grant(&self.user, "password", "cf", true);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    fn sign(&self, claims: &str) -> String {
        let sum = claims.bytes().fold(self.seed, |sum, byte| scramble(sum ^ u64::from(byte)));
        BASE64_URL_SAFE_NO_PAD.encode(sum.to_be_bytes())
    }

    /// The user whom a request's access token names; `Err(true)` where a token came but is not good.
    pub(crate) fn who(&self, headers: &HeaderMap) -> Result<String, bool> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token)
            .ok_or(false)?;
        let mut parts = token.split('.');
        let (Some(_), Some(claims), Some(sign)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(true);
        };
        if self.sign(claims) != sign {
            return Err(true);
        }
        let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).map_err(|_| true)?;
        let claims: Value = serde_json::from_slice(&claims).map_err(|_| true)?;
        if claims["exp"].as_i64().unwrap_or(0) <= wall_seconds() {
            return Err(true);
        }
        Ok(claims["user_name"].as_str().unwrap_or_default().to_owned())
    }
}

/// The client of a `Basic` header.
fn basic(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, value) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
    decoded.split_once(':').map(|(client, _)| client.to_owned())
}
