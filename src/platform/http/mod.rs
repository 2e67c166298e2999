//! HTTP as the adapters speak it: [`exchange`] has the rules of reading and writing, [`Http`] is a client for APIs that
//! take an `Authorization` header.

mod body;
pub mod exchange;
mod meter;
mod retry;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{AUTHORIZATION, ETAG, HeaderValue, IF_NONE_MATCH},
};
use serde::de::DeserializeOwned;

pub use body::{Incomplete, collect};
pub use exchange::{WriteError, causes};
pub use meter::Meter;
pub use retry::Backoff;

use super::{Error, sync::lock};
use exchange::{Answer, Api, NoAnswer, Said};

/// How long an answer may take to begin, and each of its parts to come, where nobody asks for more or less.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// How much longer than that of a read the answer to a write may take: servers go on with a write whose client has left, so
/// that leaving early only loses the answer.
pub const WRITES_WAIT: u32 = 4;
/// How long the answer to an upload may take, which begins only when all has been sent.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_mins(30);

/// How many answers are kept to be compared with.
const STATES: usize = 200;

/// Who provides the `Authorization` header.
#[async_trait]
pub trait Authorize: Send + Sync {
    /// The header to send. `rejected` is one that the server has just refused: a new one is wanted.
    async fn header(&self, rejected: Option<&HeaderValue>) -> Result<HeaderValue, Error>;
}

/// Where the connection goes, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://api.example.org`, without a slash at the end.
    pub api: String,
    /// Whether certificates are accepted unverified.
    pub skip_verification: bool,
    /// A file of certificates that are trusted besides the system's.
    pub authorities: Option<PathBuf>,
    /// How long an answer may take to begin, and each of its parts to come.
    pub timeout: Duration,
    /// The command that logs in, for advice.
    pub login_command: String,
    /// How the operator can have a certificate trusted.
    pub tls_advice: &'static str,
}

/// A request, and how long its answer may take to begin.
pub struct Timed {
    request: reqwest::Request,
    timeout: Duration,
}

/// What the error bodies of an API say.
pub type Dialect = fn(&[u8]) -> Option<Said>;

/// An HTTP client for one API. Clones share connections and meter.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    settings: Arc<Settings>,
    authorize: Arc<dyn Authorize>,
    dialect: Dialect,
    meter: Arc<Meter>,
    /// What was read conditionally.
    states: Arc<Mutex<States>>,
}

/// By its address: the mark of a state, and the body that has it.
type States = HashMap<String, (HeaderValue, Vec<u8>)>;

/// A plain client with the timeouts and trust that the settings ask for.
pub fn client(settings: &Settings) -> Result<reqwest::Client, String> {
    // Fails only where a provider has been installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("revdeck/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(6))
        .pool_idle_timeout(Duration::from_secs(50))
        // A proxy that sends writes to a login page would turn them into reads of that page.
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true);
    if is_plain(&settings.api) {
        // No certificate is needed, and a machine without any must still be able to run the demo.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(&settings.api) {
        builder = builder.no_proxy();
    }
    if let Some(file) = &settings.authorities {
        let unusable = |why: String| format!("the certificates in {}: {why}", file.display());
        let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
        let all = reqwest::Certificate::from_pem_bundle(&pem);
        builder = builder.tls_certs_merge(all.map_err(|error| unusable(causes(&error)))?);
    }
    if settings.skip_verification {
        builder = builder.danger_accept_invalid_certs(true);
    }
    builder.build().map_err(|error| {
        let why = causes(&error);
        if why.contains("CA certificates") {
            return format!("{why}; install the ca-certificates package or set SSL_CERT_FILE");
        }
        why
    })
}

fn is_plain(api: &str) -> bool {
    api.starts_with("http://")
}

fn is_loopback(api: &str) -> bool {
    let host = api.split_once("://").map_or(api, |(_, rest)| rest);
    host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]")
}

impl Http {
    /// A client with its authorisation, and what its API's error bodies say.
    pub fn new(
        client: reqwest::Client,
        settings: Settings,
        authorize: Arc<dyn Authorize>,
        dialect: Dialect,
        meter: Arc<Meter>,
    ) -> Self {
        Self {
            client,
            settings: Arc::new(settings),
            authorize,
            dialect,
            meter,
            states: Arc::default(),
        }
    }

    /// How many requests were made and are left.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Reads JSON. `address` is a path of the API, or a whole URL. Repeated on passing faults, with a new login
    /// where the old one ran out.
    pub async fn get<T: DeserializeOwned>(
        &self,
        address: &str,
        query: &[(&str, String)],
    ) -> Result<T, Error> {
        let make = || self.timed(self.client.get(self.url(address)).query(query), self.timeout());
        let body = exchange::read(self, address, make).await?;
        self.decode(address, &body)
    }

    /// Reads JSON that was mostly read before: the server is told what is known, and where it says that nothing has
    /// changed, that is returned with `false`. Servers that give no `ETag` are simply read.
    pub async fn get_changed<T: DeserializeOwned>(
        &self,
        address: &str,
    ) -> Result<(T, bool), Error> {
        let known = lock(&self.states).get(address).cloned();
        let make = || {
            let mut request = self.client.get(self.url(address));
            if let Some((etag, _)) = &known {
                request = request.header(IF_NONE_MATCH, etag);
            }
            self.timed(request, self.timeout())
        };
        let answer = exchange::read_answer(self, address, known.is_some(), make).await?;
        match known {
            Some((_, body)) if answer.status == StatusCode::NOT_MODIFIED => {
                Ok((self.decode(address, &body)?, false))
            }
            _ => {
                let told = self.decode(address, &answer.body)?;
                let mut states = lock(&self.states);
                if states.len() >= STATES {
                    states.clear();
                }
                match answer.etag {
                    Some(etag) => states.insert(address.to_owned(), (etag, answer.body)),
                    None => states.remove(address),
                };
                Ok((told, true))
            }
        }
    }

    /// Writes, once. It is sent again only where the server has refused the login before looking at the request.
    pub async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Vec<u8>, WriteError> {
        self.write_with(path, self.timeout() * WRITES_WAIT, || {
            let request = self.client.request(method.clone(), self.url(path));
            Ok(match body {
                Some(body) => request.json(body),
                None => request,
            })
        })
        .await
    }

    /// Writes what `make` builds and waits so long for an answer; `make` is called again only where the first try is
    /// known to have had no effect.
    pub async fn write_with(
        &self,
        path: &str,
        timeout: Duration,
        make: impl Fn() -> Result<RequestBuilder, Error> + Send + Sync,
    ) -> Result<Vec<u8>, WriteError> {
        exchange::write(self, path, || self.timed(make()?, timeout)).await
    }

    /// The plain client, for building requests with bodies of their own.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The whole URL of a path of the API.
    pub fn url(&self, address: &str) -> String {
        if address.starts_with("http://") || address.starts_with("https://") {
            return address.to_owned();
        }
        format!("{}{address}", self.settings.api)
    }

    /// Decodes JSON, naming the place of what does not fit.
    pub fn decode<T: DeserializeOwned>(&self, address: &str, body: &[u8]) -> Result<T, Error> {
        exchange::decode(&self.settings.api, address, body)
    }

    fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    fn timed(&self, request: RequestBuilder, timeout: Duration) -> Result<Timed, Error> {
        let request = request.build().map_err(|error| self.unreachable(&error))?;
        Ok(Timed { request, timeout })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        exchange::unreachable(self, error)
    }
}

#[async_trait]
impl Api for Http {
    type Request = Timed;

    fn address(&self) -> &str {
        &self.settings.api
    }

    async fn exchange(&self, timed: Timed) -> Result<Answer, NoAnswer> {
        let Timed { mut request, timeout } = timed;
        let header = self.authorize.header(None).await.map_err(NoAnswer::unsent)?;
        request.headers_mut().insert(AUTHORIZATION, header.clone());
        self.meter.count();
        let sent = tokio::time::timeout(timeout, self.client.execute(request)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            // A connection that never stood carried nothing.
            Ok(Err(error)) if error.is_connect() => {
                return Err(NoAnswer::unsent(self.unreachable(&error)));
            }
            Ok(Err(error)) => return Err(NoAnswer::lost(self.unreachable(&error))),
            Err(_) => return Err(exchange::silent(self, timeout)),
        };
        self.meter.note(response.headers());
        let (status, retry_after) = (response.status(), exchange::retry_after(response.headers()));
        let etag = response.headers().get(ETAG).cloned();
        let body = collect(response.bytes_stream(), self.timeout())
            .await
            .map_err(|error| exchange::incomplete(self, self.timeout(), &error))?;
        Ok(Answer { status, retry_after, body, etag, login: Some(header) })
    }

    async fn renew(&self, refused: &Answer) -> Result<(), Error> {
        self.authorize.header(refused.login.as_ref()).await.map(drop)
    }

    fn said(&self, body: &[u8]) -> Option<Said> {
        (self.dialect)(body)
    }

    fn login(&self, why: &str) -> Error {
        let (api, command) = (self.settings.api.clone(), self.settings.login_command.clone());
        Error::Login { api, why: why.to_owned(), command }
    }

    fn tls_advice(&self) -> &'static str {
        self.settings.tls_advice
    }
}
