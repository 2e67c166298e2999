//! What an access token says of itself.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The claims of an access token that are used.
#[derive(Debug, Default, Deserialize)]
pub(in crate::platform::cloud_foundry) struct Claims {
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) exp: i64,
    pub(in crate::platform::cloud_foundry) iat: Option<i64>,
    pub(in crate::platform::cloud_foundry) user_name: Option<String>,
    pub(in crate::platform::cloud_foundry) client_id: Option<String>,
    /// Who it is, in UAA and in Cloud Controller; a client is nobody.
    pub(in crate::platform::cloud_foundry) user_id: Option<String>,
    /// What the token may be used for.
    #[serde(default)]
    pub(in crate::platform::cloud_foundry) scope: Vec<String>,
}

/// Reads the claims of a JWT; the signature is the server's to check.
pub(in crate::platform::cloud_foundry) fn claims(token: &SecretString) -> Option<Claims> {
    let middle = token.expose_secret().split('.').nth(1)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(middle.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}
