//! A foundation as one login sees it: the way to it, and what is kept of it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    login::{
        auth::Auth,
        session::{self, Session},
    },
    model::{dialect, wire},
};
use crate::domain::{TargetId, text::clean};
use crate::platform::{
    Error, Now, OpenError,
    http::{self, Http, Meter, Settings},
    sync::lock,
};

/// Labels of revisions that have been seen, by GUID; a revision's number never changes.
pub(in crate::platform::cloud_foundry) type Labels = HashMap<String, String>;

/// Which session to use, and where in it to look.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory that holds `.cf`, as `CF_HOME` names it.
    pub home: PathBuf,
    /// Whether the cf CLI would look elsewhere, unless it is told.
    pub own_home: bool,
    /// Another organization than the session's, by name.
    pub org: Option<String>,
    /// Another space than the session's, by name.
    pub space: Option<String>,
    /// How long an answer may take to begin, and each of its parts to come.
    pub timeout: Duration,
    /// The password of a registry that images are read from.
    pub docker_password: Option<SecretString>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            home: PathBuf::new(),
            own_home: false,
            org: None,
            space: None,
            timeout: http::TIMEOUT,
            docker_password: None,
        }
    }
}

/// A foundation, seen with one login.
pub struct CloudFoundry {
    pub(in crate::platform::cloud_foundry) target: TargetId,
    /// What `CF_HOME` must say for the cf CLI to use the same login, where that is not what it says anyway.
    pub(in crate::platform::cloud_foundry) own_home: Option<PathBuf>,
    pub(in crate::platform::cloud_foundry) session: Session,
    pub(in crate::platform::cloud_foundry) user: String,
    pub(in crate::platform::cloud_foundry) http: Http,
    pub(in crate::platform::cloud_foundry) now: Now,
    pub(in crate::platform::cloud_foundry) wanted: (Option<String>, Option<String>),
    pub(in crate::platform::cloud_foundry) docker_password: Option<SecretString>,
    pub(in crate::platform::cloud_foundry) api_info: OnceCell<ApiInfo>,
    pub(in crate::platform::cloud_foundry) labels: Mutex<Labels>,
    /// The spaces of apps that were looked at, by their GUIDs.
    pub(in crate::platform::cloud_foundry) spaces: Mutex<HashMap<String, String>>,
    /// Why the login may change nothing in a space, where that was asked, and when.
    pub(in crate::platform::cloud_foundry) roles:
        Mutex<HashMap<String, (Option<String>, Timestamp)>>,
}

/// What is asked of a foundation once.
#[derive(Clone, Debug)]
pub(in crate::platform::cloud_foundry) struct ApiInfo {
    pub(in crate::platform::cloud_foundry) version: Option<String>,
    pub(in crate::platform::cloud_foundry) log_cache: String,
    pub(in crate::platform::cloud_foundry) org: Option<(String, String)>,
    pub(in crate::platform::cloud_foundry) space: Option<(String, String)>,
}

impl CloudFoundry {
    /// Opens the session file; speaks to nobody yet.
    pub fn open(target: TargetId, options: &Options, now: Now) -> Result<Self, OpenError> {
        let session = Session::read(&session::file_in(&options.home))?;
        let settings = Settings {
            api: session.api.clone(),
            skip_verification: session.skip_verification,
            authorities: None,
            timeout: options.timeout,
            login_command: format!("cf login -a {}", session.api),
            tls_advice: "set SSL_CERT_FILE to your CA, or log in with --skip-ssl-validation if you must",
        };
        let client = http::client(&settings).map_err(|why| {
            OpenError::unreachable(format!("cannot prepare a connection to {}: {why}", session.api))
        })?;
        let user = session::name_in(&session.tokens);
        let user = user.unwrap_or_else(|| "unknown user".to_owned());
        let auth = Auth::new(client.clone(), &session, options.timeout, now.clone());
        Ok(Self {
            own_home: options.own_home.then(|| options.home.clone()),
            target,
            user: clean(&user),
            http: Http::new(
                client,
                settings,
                Arc::new(auth),
                dialect::said,
                Arc::new(Meter::default()),
            ),
            session,
            now,
            wanted: (options.org.clone(), options.space.clone()),
            docker_password: options.docker_password.clone(),
            api_info: OnceCell::new(),
            labels: Mutex::default(),
            spaces: Mutex::default(),
            roles: Mutex::default(),
        })
    }

    /// The session file that [`CloudFoundry::open`] reads for a home directory.
    pub fn session_file(home: &Path) -> PathBuf {
        session::file_in(home)
    }

    /// Requests made so far.
    pub fn requests(&self) -> u64 {
        self.http.meter().total()
    }

    /// Reads back what this adapter has put into a plan or a receipt.
    pub(in crate::platform::cloud_foundry) fn read_own<T: DeserializeOwned>(
        &self,
        location: &str,
        value: &Value,
    ) -> Result<T, Error> {
        T::deserialize(value).map_err(|error| Error::Garbled {
            api: self.session.api.clone(),
            location: location.to_owned(),
            why: error.to_string(),
        })
    }

    pub(in crate::platform::cloud_foundry) fn learn(&self, guid: &str, label: String) {
        lock(&self.labels).insert(guid.to_owned(), label);
    }

    pub(in crate::platform::cloud_foundry) fn learn_all(&self, deployments: &[wire::Deployment]) {
        let mut labels = lock(&self.labels);
        for revision in deployments.iter().filter_map(|one| one.revision.as_ref()) {
            if let Some(version) = revision.version {
                labels.insert(revision.guid.clone(), version.to_string());
            }
        }
    }

    pub(in crate::platform::cloud_foundry) fn labels(&self) -> Labels {
        lock(&self.labels).clone()
    }

    /// Why the API does not have something that came with a version.
    pub(in crate::platform::cloud_foundry) fn lacks(
        api_info: &ApiInfo,
        major: u32,
        minor: u32,
        what: &str,
    ) -> Option<String> {
        let version = api_info.version.as_deref();
        let has = Self::at_least(version, major, minor);
        (!has).then(|| format!("API {} has no {what}", version.unwrap_or_default()))
    }

    /// Whether the API is of this version or newer; `true` where it does not say.
    pub(in crate::platform::cloud_foundry) fn at_least(
        version: Option<&str>,
        major: u32,
        minor: u32,
    ) -> bool {
        let Some(version) = version else { return true };
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
    }
}
