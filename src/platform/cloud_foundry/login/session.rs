//! The session that `cf login` leaves in `$CF_HOME/.cf/config.json`, shared with the cf CLI.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::platform::cloud_foundry::login::token::claims;
use crate::{domain::text::clean, platform::OpenError};

/// What a session file says.
#[derive(Clone, Debug)]
pub(in crate::platform::cloud_foundry) struct Session {
    pub(in crate::platform::cloud_foundry) file: PathBuf,
    pub(in crate::platform::cloud_foundry) api: String,
    pub(in crate::platform::cloud_foundry) uaa: String,
    pub(in crate::platform::cloud_foundry) log_cache: String,
    pub(in crate::platform::cloud_foundry) client: String,
    pub(in crate::platform::cloud_foundry) client_secret: SecretString,
    pub(in crate::platform::cloud_foundry) by_client: bool,
    pub(in crate::platform::cloud_foundry) skip_verification: bool,
    /// GUID and name.
    pub(in crate::platform::cloud_foundry) org: Option<(String, String)>,
    /// GUID and name.
    pub(in crate::platform::cloud_foundry) space: Option<(String, String)>,
    pub(in crate::platform::cloud_foundry) tokens: Tokens,
}

/// The two tokens of a session.
#[derive(Clone, Debug)]
pub(in crate::platform::cloud_foundry) struct Tokens {
    /// Without the word `bearer`.
    pub(in crate::platform::cloud_foundry) access: SecretString,
    pub(in crate::platform::cloud_foundry) refresh: SecretString,
}

/// The session file below a home directory.
pub(in crate::platform::cloud_foundry) fn file_in(home: &Path) -> PathBuf {
    home.join(".cf").join("config.json")
}

impl Session {
    pub(in crate::platform::cloud_foundry) fn read(file: &Path) -> Result<Self, OpenError> {
        let bad = |why: &str| unusable(file, why);
        let config = read_config(file)?;
        let text =
            |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if config.get("ConfigVersion").and_then(Value::as_u64).is_some_and(|version| version != 4) {
            return Err(bad("it is of another version than that of the cf CLI 7 and 8"));
        }
        let api = text("Target").trim_end_matches('/').to_owned();
        if api.is_empty() {
            return Err(bad("it names no API"));
        }
        let tokens = tokens_of(&config);
        if tokens.access.expose_secret().is_empty() {
            return Err(bad("nobody is logged in"));
        }
        let place = |name: &str| {
            let fields = config.get(name)?;
            let field =
                |key: &str| fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            Some((field("GUID")?.to_owned(), clean(field("Name")?)))
        };
        let first = |names: [&str; 2]| {
            names
                .iter()
                .map(|name| text(name))
                .find(|text| !text.is_empty())
                .unwrap_or_else(|| api.clone())
        };
        let client = text("UAAOAuthClient");
        Ok(Self {
            file: file.to_owned(),
            uaa: first(["AuthorizationEndpoint", "UaaEndpoint"]).trim_end_matches('/').to_owned(),
            log_cache: text("LogCacheEndPoint").trim_end_matches('/').to_owned(),
            client: if client.is_empty() { "cf".to_owned() } else { client },
            client_secret: SecretString::from(text("UAAOAuthClientSecret")),
            by_client: text("UAAGrantType") == "client_credentials",
            skip_verification: config.get("SSLDisabled").and_then(Value::as_bool).unwrap_or(false),
            org: place("OrganizationFields"),
            space: place("SpaceFields"),
            api,
            tokens,
        })
    }
}

fn unusable(file: &Path, why: &str) -> OpenError {
    OpenError::login(format!(
        "the session in {} cannot be used: {why}. Log in again with `cf login`",
        file.display()
    ))
}

fn read_config(file: &Path) -> Result<Map<String, Value>, OpenError> {
    let bad = |why: String| unusable(file, &why);
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::login(format!(
                "nobody is logged in to Cloud Foundry: there is no {}. Log in with `cf login -a API`, or try `revdeck demo`",
                file.display()
            )));
        }
        Err(error) => return Err(bad(error.to_string())),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| bad(format!("it is not the JSON that it should be ({error})")))
}

fn tokens_of(config: &Map<String, Value>) -> Tokens {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    let access = text("AccessToken");
    let access = match access.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        _ => access,
    };
    Tokens {
        access: SecretString::from(access.to_owned()),
        refresh: SecretString::from(text("RefreshToken").to_owned()),
    }
}

/// Whose login it is. A `cf login` elsewhere, or as somebody else, changes the file under a running program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::cloud_foundry) struct Owner {
    pub(in crate::platform::cloud_foundry) api: String,
    /// The name in the access token, of a user or a client.
    pub(in crate::platform::cloud_foundry) name: Option<String>,
}

impl Owner {
    fn of(config: &Map<String, Value>) -> Self {
        let api = config.get("Target").and_then(Value::as_str).unwrap_or_default();
        Self { api: api.trim_end_matches('/').to_owned(), name: name_in(&tokens_of(config)) }
    }

    fn owns(&self, config: &Map<String, Value>) -> bool {
        let other = Self::of(config);
        self.api == other.api && (self.name.is_none() || self.name == other.name)
    }
}

/// The user or client that an access token was given to.
pub(in crate::platform::cloud_foundry) fn name_in(tokens: &Tokens) -> Option<String> {
    let claims = claims(&tokens.access)?;
    claims.user_name.or(claims.client_id)
}

/// The tokens that the file holds now: the cf CLI may have renewed them. None where they are somebody else's.
pub(in crate::platform::cloud_foundry) fn tokens_in(file: &Path, owner: &Owner) -> Option<Tokens> {
    let config = read_config(file).ok()?;
    owner.owns(&config).then(|| tokens_of(&config))
}

/// Writes new tokens back as the cf CLI does: nothing else changes, a temporary file is renamed over the old one, and
/// the mode is kept. A file that has become somebody else's session is left alone.
pub(in crate::platform::cloud_foundry) fn write_tokens(
    file: &Path,
    owner: &Owner,
    tokens: &Tokens,
) -> io::Result<()> {
    // A link stays a link.
    let file = fs::canonicalize(file)?;
    let bytes = fs::read(&file)?;
    let mut config: Map<String, Value> = serde_json::from_slice(&bytes)?;
    if !owner.owns(&config) {
        return Ok(());
    }
    config.insert(
        "AccessToken".to_owned(),
        format!("bearer {}", tokens.access.expose_secret()).into(),
    );
    config.insert("RefreshToken".to_owned(), tokens.refresh.expose_secret().into());
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut written = tempfile::Builder::new().prefix("temp-config").tempfile_in(directory)?;
    written.write_all(serde_json::to_string_pretty(&config)?.as_bytes())?;
    written.as_file().set_permissions(fs::metadata(&file)?.permissions())?;
    written.as_file().sync_all()?;
    written.persist(&file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tokens_change() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.json");
        fs::write(&file, r#"{"ConfigVersion":4,"Target":"https://api.x","AccessToken":"bearer old","RefreshToken":"r","Unknown":{"b":1,"a":2}}"#).unwrap();
        let session = Session::read(&file).unwrap();
        assert_eq!(session.tokens.access.expose_secret(), "old");
        let tokens = Tokens { access: "new".into(), refresh: "r2".into() };
        let owner = Owner { api: "https://api.x".to_owned(), name: None };
        let elsewhere = Owner { api: "https://api.y".to_owned(), name: None };
        let before = fs::read_to_string(&file).unwrap();
        write_tokens(&file, &elsewhere, &tokens).unwrap();
        assert_eq!(before, fs::read_to_string(&file).unwrap(), "somebody else's session");
        assert!(tokens_in(&file, &elsewhere).is_none());
        write_tokens(&file, &owner, &tokens).unwrap();
        let after: Map<String, Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(after["AccessToken"], "bearer new");
        assert_eq!(after["RefreshToken"], "r2");
        assert_eq!(after["Unknown"], serde_json::json!({ "b": 1, "a": 2 }));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.json");
        let said = |text: &str| {
            fs::write(&file, text).unwrap();
            Session::read(&file).unwrap_err().to_string()
        };
        assert!(said("{}").contains("names no API"));
        assert!(said("[]").contains("JSON"));
        assert!(said(r#"{"Target":"https://x"}"#).contains("nobody is logged in"));
        assert!(said(r#"{"ConfigVersion":3,"Target":"https://x"}"#).contains("version"));
        let missing = Session::read(&home.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("cf login") && missing.contains("revdeck demo"));
    }
}
