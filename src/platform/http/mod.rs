//! HTTP as all adapters speak it: authorised, metered, with reads that are repeated and writes that are not.

mod body;
mod meter;
mod retry;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
};
use serde::de::DeserializeOwned;

pub use body::{Incomplete, collect};
pub use meter::Meter;
pub use retry::Backoff;

use super::Error;
use crate::domain::text::clean;

/// How long an answer may take to begin, and each of its parts to come, where nobody asks for more or less.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// How long the answer to an upload may take, which begins only when all has been sent.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_mins(30);
/// How often a read is tried in all.
const TRIES: u32 = 3;

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
    /// How long an answer may take to begin, and each of its parts to come.
    pub timeout: Duration,
    /// The command that logs in, for advice.
    pub login_command: String,
}

/// What became of a write.
#[derive(Debug)]
pub enum WriteError {
    /// It is certain that it had no effect.
    NoEffect(Error),
    /// It may have had its effect: the answer was lost, or was a server error.
    Lost(Error),
}

/// An HTTP client for one API. Clones share connections and meter.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    settings: Arc<Settings>,
    authorize: Arc<dyn Authorize>,
    meter: Arc<Meter>,
}

/// A plain client with the timeouts and trust that the settings ask for.
pub fn client(settings: &Settings) -> Result<reqwest::Client, String> {
    // Fails only where a provider has been installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("revdeck/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(6))
        .pool_idle_timeout(Duration::from_secs(50))
        .tcp_nodelay(true);
    if is_plain(&settings.api) {
        // No certificate is needed, and a machine without any must still be able to run the demo.
        builder = builder.tls_certs_only([]);
    }
    if is_loopback(&settings.api) {
        builder = builder.no_proxy();
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
    /// A client with its authorisation.
    pub fn new(
        client: reqwest::Client,
        settings: Settings,
        authorize: Arc<dyn Authorize>,
        meter: Arc<Meter>,
    ) -> Self {
        Self { client, settings: Arc::new(settings), authorize, meter }
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
        let mut rejected = None;
        let mut tried = 0;
        loop {
            tried += 1;
            let header = self.authorize.header(rejected.as_ref()).await?;
            let request = self.client.get(self.url(address)).query(query);
            let error = match self.answer(request, &header, address).await {
                Ok((status, _, body)) if status.is_success() => return self.decode(address, &body),
                Ok((StatusCode::UNAUTHORIZED, ..)) if rejected.is_none() => {
                    rejected = Some(header);
                    continue;
                }
                Ok((status, headers, body)) => self.refusal(status, &headers, &body, address),
                Err(error) => error,
            };
            let passing =
                matches!(error, Error::Unreachable { .. } | Error::Api { status: 500.., .. });
            if !passing || tried >= TRIES {
                return Err(error);
            }
            tokio::time::sleep(Backoff::QUICK.delay(tried, fastrand::f64())).await;
        }
    }

    /// Writes, once. It is sent again only where the server has refused the login before looking at the request.
    pub async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Vec<u8>, WriteError> {
        self.write_with(path, self.settings.timeout, || {
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
        make: impl Fn() -> Result<RequestBuilder, Error>,
    ) -> Result<Vec<u8>, WriteError> {
        let mut rejected = None;
        loop {
            let header =
                self.authorize.header(rejected.as_ref()).await.map_err(WriteError::NoEffect)?;
            let request = make().map_err(WriteError::NoEffect)?.build();
            let request =
                request.map_err(|error| WriteError::NoEffect(self.unreachable(&error)))?;
            let sent =
                tokio::time::timeout(timeout, self.client.execute(with(request, &header))).await;
            self.meter.count();
            let response = match sent {
                Ok(Ok(response)) => response,
                // A connection that never stood carried nothing.
                Ok(Err(error)) if error.is_connect() => {
                    return Err(WriteError::NoEffect(self.unreachable(&error)));
                }
                Ok(Err(error)) => return Err(WriteError::Lost(self.unreachable(&error))),
                Err(_) => return Err(WriteError::Lost(self.silent(timeout))),
            };
            let (status, headers, body) = self.take(response).await.map_err(WriteError::Lost)?;
            tracing::info!(path, status = status.as_u16(), "write");
            if status.is_success() {
                return Ok(body);
            }
            if status == StatusCode::UNAUTHORIZED && rejected.is_none() {
                rejected = Some(header);
                continue;
            }
            let error = self.refusal(status, &headers, &body, path);
            return Err(if status.is_server_error() {
                WriteError::Lost(error)
            } else {
                WriteError::NoEffect(error)
            });
        }
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
        let mut json = serde_json::Deserializer::from_slice(body);
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
            let why = match start {
                Some(b'<') => "an HTML page instead of JSON".to_owned(),
                None => "an empty body".to_owned(),
                Some(_) => clean(&error.inner().to_string()),
            };
            let at = error.path().to_string();
            let location = if at == "." { address.to_owned() } else { format!("{address}, {at}") };
            Error::Garbled { api: self.settings.api.clone(), location: clean(&location), why }
        })
    }

    async fn answer(
        &self,
        request: RequestBuilder,
        header: &HeaderValue,
        address: &str,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Error> {
        let request = request.build().map_err(|error| self.unreachable(&error))?;
        let timeout = self.settings.timeout;
        let sent = tokio::time::timeout(timeout, self.client.execute(with(request, header))).await;
        self.meter.count();
        let sent = sent.map_err(|_| self.silent(timeout))?;
        let response = sent.map_err(|error| self.unreachable(&error))?;
        let taken = self.take(response).await?;
        tracing::debug!(address, status = taken.0.as_u16(), bytes = taken.2.len(), "read");
        Ok(taken)
    }

    async fn take(&self, response: Response) -> Result<(StatusCode, HeaderMap, Vec<u8>), Error> {
        self.meter.note(response.headers());
        let (status, headers) = (response.status(), response.headers().clone());
        let timeout = self.settings.timeout;
        let body =
            collect(response.bytes_stream(), timeout).await.map_err(|error| match error {
                Incomplete::Silent => self.silent(timeout),
                Incomplete::TooLarge => Error::Garbled {
                    api: self.settings.api.clone(),
                    location: "the body".to_owned(),
                    why: Incomplete::<reqwest::Error>::TooLarge.to_string(),
                },
                Incomplete::Broken(error) => self.unreachable(&error),
            })?;
        Ok((status, headers, body))
    }

    fn silent(&self, waited: Duration) -> Error {
        Error::Silent { api: self.settings.api.clone(), waited }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let api = self.settings.api.clone();
        let why = if error.is_timeout() {
            "no connection in time".to_owned()
        } else {
            clean(&causes(error))
        };
        if why.contains("certificate") || why.contains("UnknownIssuer") {
            let advice =
                "set SSL_CERT_FILE to your CA, or log in with --skip-ssl-validation if you must";
            return Error::Tls { api, why, advice };
        }
        Error::Unreachable { api, why }
    }

    /// What an answer other than a success means.
    fn refusal(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        address: &str,
    ) -> Error {
        let api = self.settings.api.clone();
        let (code, title, detail) = api_error(body);
        match status {
            StatusCode::UNAUTHORIZED => {
                Error::Login { api, why: detail, command: self.settings.login_command.clone() }
            }
            StatusCode::FORBIDDEN => Error::Forbidden {
                api,
                what: if detail.is_empty() { clean(address) } else { detail },
            },
            StatusCode::NOT_FOUND if code != 0 => {
                Error::NotFound { what: format!("{api} says: {detail}") }
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let seconds = asked.and_then(|text| text.parse().ok()).unwrap_or(30).min(900);
                Error::RateLimited { api, after: Duration::from_secs(seconds) }
            }
            _ if code == 0 && is_html(headers) => Error::Api {
                api,
                status: status.as_u16(),
                code: 0,
                title: status.canonical_reason().unwrap_or("error").to_owned(),
                detail: "an HTML page came instead of an answer; is a proxy in between?".to_owned(),
            },
            _ => Error::Api { api, status: status.as_u16(), code, title, detail },
        }
    }
}

fn with(mut request: reqwest::Request, header: &HeaderValue) -> reqwest::Request {
    request.headers_mut().insert(AUTHORIZATION, header.clone());
    request
}

fn is_html(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.contains("html"))
}

/// Code, title and detail of an error body of the form `{"errors":[{code,title,detail}]}`.
fn api_error(body: &[u8]) -> (u32, String, String) {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        #[serde(default)]
        code: u32,
        #[serde(default)]
        title: String,
        #[serde(default)]
        detail: String,
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return (
            0,
            String::new(),
            clean(&String::from_utf8_lossy(body.get(..200).unwrap_or(body))),
        );
    };
    let details: Vec<_> = body.errors.iter().map(|one| clean(&one.detail)).collect();
    let first = body.errors.first();
    (
        first.map_or(0, |one| one.code),
        first.map(|one| clean(&one.title)).unwrap_or_default(),
        details.join("; "),
    )
}

/// The innermost cause of an error that says anything, in one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !text.is_empty() {
            last = text;
        }
        source = error.source();
    }
    last
}
