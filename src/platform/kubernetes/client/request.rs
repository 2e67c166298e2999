//! One request: sent once where it writes, and again where it reads and the fault passes.

use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::platform::kubernetes::client::connect::Connection;
use crate::{
    domain::text::clean,
    platform::{
        Error,
        http::{Backoff, Incomplete, Meter, WriteError, causes, collect},
    },
};

/// How often a read is tried in all.
const TRIES: u32 = 3;
/// The longest text of a server that is shown, in characters: some quote whole objects.
const LONGEST: usize = 300;

/// An answer: status, what `Retry-After` says in seconds, and the body.
type Answer = (StatusCode, Option<u64>, Vec<u8>);

/// Why there was no answer, and whether the request can have been received.
struct Lost {
    error: Error,
    received: bool,
}

impl Connection {
    /// A path with its query, percent-encoded.
    pub(in crate::platform::kubernetes) fn address(path: &str, query: &[(&str, &str)]) -> String {
        let mut address = path.to_owned();
        for (index, (name, value)) in query.iter().enumerate() {
            address.push(if index == 0 { '?' } else { '&' });
            address.push_str(name);
            address.push('=');
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                    address.push(char::from(byte));
                } else {
                    address.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        address
    }

    async fn send(&self, meter: &Meter, request: Request<Body>) -> Result<Answer, Lost> {
        let client = self.client().await.map_err(|error| Lost { error, received: false })?;
        meter.count();
        let sent = timeout(self.timeout, client.send(request)).await;
        let response = match sent {
            Err(_) => return Err(Lost { error: self.silent(), received: true }),
            Ok(Err(error)) => {
                let received = !never_stood(&error);
                let error = self.unreachable(&error);
                let received = received && matches!(error, Error::Unreachable { .. });
                return Err(Lost { error, received });
            }
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        let after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.into_body().into_data_stream();
        match collect(body, self.timeout).await {
            Ok(body) => Ok((status, after, body)),
            Err(error) => Err(Lost { error: self.incomplete(error), received: true }),
        }
    }

    /// Reads JSON; repeated on passing faults, with a new login where the old one ran out.
    pub(in crate::platform::kubernetes) async fn get<T: DeserializeOwned>(
        &self,
        meter: &Meter,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Error> {
        let body = self.get_bytes(meter, path, query).await?;
        self.decode(path, &body)
    }

    /// Decodes JSON, naming the place of what does not fit.
    pub(in crate::platform::kubernetes) fn decode<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
    ) -> Result<T, Error> {
        let mut json = serde_json::Deserializer::from_slice(body);
        serde_path_to_error::deserialize(&mut json)
            .map_err(|error| self.garbled(path, &error.path().to_string(), error.inner(), body))
    }

    /// Reads a body as it is.
    pub(in crate::platform::kubernetes) async fn get_bytes(
        &self,
        meter: &Meter,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<u8>, Error> {
        let address = Self::address(path, query);
        let (mut tried, mut renewed) = (0, false);
        loop {
            tried += 1;
            let request = Request::get(&address).header(header::ACCEPT, "application/json");
            let request = request.body(Body::empty()).map_err(|error| self.unreachable(&error))?;
            let sent = self.send(meter, request).await;
            if let Ok((status, _, body)) = &sent {
                tracing::debug!(address, status = status.as_u16(), bytes = body.len(), "read");
            }
            let error = match sent {
                Ok((status, _, body)) if status.is_success() => return Ok(body),
                Ok((StatusCode::UNAUTHORIZED, ..)) if !renewed => {
                    renewed = true;
                    self.forget().await;
                    continue;
                }
                Ok((status, after, body)) => self.refusal(status, after, &body),
                Err(lost) => lost.error,
            };
            let passing =
                matches!(error, Error::Unreachable { .. } | Error::Api { status: 500.., .. });
            if !passing || tried >= TRIES {
                return Err(error);
            }
            tokio::time::sleep(Backoff::QUICK.delay(tried, fastrand::f64())).await;
        }
    }

    /// Writes, once.
    pub(in crate::platform::kubernetes) async fn write(
        &self,
        meter: &Meter,
        method: Method,
        address: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, WriteError> {
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, content_type)
            .body(Body::from(body.to_string().into_bytes()));
        let request = request.map_err(|error| WriteError::NoEffect(self.unreachable(&error)))?;
        let (status, after, body) = match self.send(meter, request).await {
            Ok(answer) => answer,
            Err(Lost { error, received: false }) => return Err(WriteError::NoEffect(error)),
            Err(Lost { error, received: true }) => return Err(WriteError::Lost(error)),
        };
        tracing::info!(address, status = status.as_u16(), "write");
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| WriteError::Lost(self.garbled(address, ".", &error, &body)));
        }
        let error = self.refusal(status, after, &body);
        Err(if status.is_server_error() {
            WriteError::Lost(error)
        } else {
            WriteError::NoEffect(error)
        })
    }

    /// Why a body did not come whole.
    fn incomplete(&self, error: Incomplete<kube::Error>) -> Error {
        match error {
            Incomplete::Silent => self.silent(),
            Incomplete::TooLarge => Error::Garbled {
                api: self.api.clone(),
                location: "the body".to_owned(),
                why: Incomplete::<kube::Error>::TooLarge.to_string(),
            },
            Incomplete::Broken(error) => self.unreachable(&error),
        }
    }

    fn silent(&self) -> Error {
        Error::Silent { api: self.api.clone(), waited: self.timeout }
    }

    /// What a failed connection means.
    pub(in crate::platform::kubernetes) fn unreachable(
        &self,
        error: &(dyn std::error::Error + 'static),
    ) -> Error {
        let why = clean(&causes(error));
        let api = self.api.clone();
        if why.contains("certificate") || why.contains("UnknownIssuer") {
            let advice = "name its CA in the kubeconfig (certificate-authority of the cluster)";
            return Error::Tls { api, why, advice };
        }
        if why.contains("exec")
            && (why.contains("auth") || why.contains("plugin") || why.contains("command"))
        {
            return self.login(&why);
        }
        Error::Unreachable { api, why }
    }

    fn garbled(&self, path: &str, at: &str, error: &serde_json::Error, body: &[u8]) -> Error {
        let why = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'<') => "an HTML page instead of JSON".to_owned(),
            None => "an empty body".to_owned(),
            Some(_) => clean(&error.to_string()),
        };
        let location = if at == "." { path.to_owned() } else { format!("{path}, {at}") };
        Error::Garbled { api: self.api.clone(), location: clean(&location), why }
    }

    /// What an answer other than a success means: the API's `Status` objects.
    pub(in crate::platform::kubernetes) fn refusal(
        &self,
        status: StatusCode,
        after: Option<u64>,
        body: &[u8],
    ) -> Error {
        let parsed: Option<Value> = serde_json::from_slice(body).ok();
        let text =
            |name: &str| parsed.as_ref().and_then(|body| body[name].as_str()).unwrap_or_default();
        let message = clean(text("message"));
        let message: String = message.chars().take(LONGEST).collect();
        let api = self.api.clone();
        match status {
            StatusCode::UNAUTHORIZED => self.login("it is not accepted"),
            StatusCode::FORBIDDEN => Error::Forbidden {
                api,
                what: if message.is_empty() { "the request".to_owned() } else { message },
            },
            StatusCode::NOT_FOUND if parsed.is_some() => {
                Error::NotFound { what: format!("{api} says: {message}") }
            }
            // An API that is not installed, in the server's own words.
            StatusCode::NOT_FOUND if body.starts_with(b"404 page not found") => {
                Error::NotFound { what: format!("{api} does not have this API") }
            }
            StatusCode::TOO_MANY_REQUESTS => Error::RateLimited {
                api,
                after: std::time::Duration::from_secs(after.unwrap_or(5).min(900)),
            },
            _ => {
                let page = parsed.is_none()
                    && body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
                Error::Api {
                    api,
                    status: status.as_u16(),
                    code: 0,
                    title: clean(text("reason")),
                    detail: if page {
                        "an HTML page came instead of an answer; is a proxy in between?".to_owned()
                    } else {
                        message
                    },
                }
            }
        }
    }
}

/// Whether a connection never stood, so that nothing was sent on it.
fn never_stood(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let of_client = error.downcast_ref::<hyper_util::client::legacy::Error>();
        if of_client.is_some_and(hyper_util::client::legacy::Error::is_connect) {
            return true;
        }
        next = error.source();
    }
    false
}
