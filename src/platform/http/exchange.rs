//! One request by the rules that hold for every API: a read is repeated where the fault passes, a write is sent once, and
//! a login that is refused is renewed once. An adapter brings how a request travels and how its API words errors.

use std::{error::Error as StdError, io, iter, time::Duration};

use async_trait::async_trait;
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
};
use serde::de::DeserializeOwned;

use super::{Backoff, Incomplete};
use crate::{domain::text::clean, platform::Error};

/// How often a read is tried in all.
const TRIES: u32 = 3;
/// How long is waited where the server asks for fewer requests and does not say for how long, and the longest that it may
/// ask for.
const PAUSE: Duration = Duration::from_secs(15);
/// A pause that a read itself waits for: API servers that are busy ask for a second, and AWS says nothing.
const SHORT_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// The longest text of a server that is shown, in characters: some quote whole objects.
const LONGEST: usize = 300;

/// An answer, taken whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// For how long the server asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
    /// The mark of this state of what was asked for, where the server gives one.
    pub etag: Option<HeaderValue>,
    /// The login that the request was sent with, where the adapter needs it to get another.
    pub login: Option<HeaderValue>,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct NoAnswer {
    /// What happened.
    pub error: Error,
    /// Whether the server can have received the request.
    pub received: bool,
}

impl NoAnswer {
    /// The request never left.
    pub fn unsent(error: Error) -> Self {
        Self { error, received: false }
    }

    /// The request may have been received.
    pub fn lost(error: Error) -> Self {
        Self { error, received: true }
    }
}

/// What became of a write.
#[derive(Debug)]
pub enum WriteError {
    /// It is certain that it had no effect.
    NoEffect(Error),
    /// It may have had its effect: the answer was lost, or was a server error.
    Lost(Error),
}

/// What an API says in the error bodies that its documents describe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its number of the error, 0 where it has none.
    pub code: u32,
    /// Its name of the error.
    pub title: String,
    /// Its text.
    pub detail: String,
}

/// An API as one login sees it.
#[async_trait]
pub trait Api: Sync {
    /// A request that can be sent.
    type Request: Send;

    /// Its address, as it stands in sentences.
    fn address(&self) -> &str;

    /// Sends a request once, with the login at hand, and takes the whole answer.
    async fn exchange(&self, request: Self::Request) -> Result<Answer, NoAnswer>;

    /// The login of this answer was refused: the next request is to have another.
    async fn renew(&self, refused: &Answer) -> Result<(), Error>;

    /// What an error body says; `None` where it is not of this API's kind, as a proxy's page is not.
    fn said(&self, body: &[u8]) -> Option<Said>;

    /// The login does not work: why, and how to get one that does.
    fn login(&self, why: &str) -> Error;

    /// How the operator can have a certificate trusted.
    fn tls_advice(&self) -> &'static str;
}

/// Reads what `make` asks for. Repeated on passing faults, with a new login where the old one ran out.
pub async fn read<A: Api>(
    api: &A,
    path: &str,
    make: impl Fn() -> Result<A::Request, Error> + Send + Sync,
) -> Result<Vec<u8>, Error> {
    read_answer(api, path, false, make).await.map(|answer| answer.body)
}

/// The same with the whole answer; `conditional` requests may be told that nothing has changed (304).
pub async fn read_answer<A: Api>(
    api: &A,
    path: &str,
    conditional: bool,
    make: impl Fn() -> Result<A::Request, Error> + Send + Sync,
) -> Result<Answer, Error> {
    let (mut tried, mut renewed) = (0, false);
    loop {
        tried += 1;
        let mut pause = None;
        let error = match api.exchange(make()?).await {
            Ok(answer) => {
                let (status, bytes) = (answer.status.as_u16(), answer.body.len());
                tracing::debug!(path, status, bytes, "read");
                let unchanged = conditional && answer.status == StatusCode::NOT_MODIFIED;
                if answer.status.is_success() || unchanged {
                    return Ok(answer);
                }
                if answer.status == StatusCode::UNAUTHORIZED && !renewed {
                    renewed = true;
                    api.renew(&answer).await?;
                    continue;
                }
                pause = answer.retry_after;
                refusal(api, path, &answer)
            }
            Err(none) => none.error,
        };
        let passing = match error {
            Error::Unreachable { .. } | Error::Api { status: 500.., .. } => true,
            // Too fast for a moment, and not for an hour.
            Error::RateLimited { .. } => pause.is_none_or(|pause| pause <= SHORT_PAUSE),
            _ => false,
        };
        if !passing || tried >= TRIES {
            return Err(error);
        }
        let delay = Backoff::QUICK.delay(tried, fastrand::f64());
        tokio::time::sleep(pause.map_or(delay, |pause| pause.min(SHORT_PAUSE).max(delay))).await;
    }
}

/// Writes what `make` builds, once. It is sent again only where the server has refused the login before it looked at the
/// request.
pub async fn write<A: Api>(
    api: &A,
    path: &str,
    make: impl Fn() -> Result<A::Request, Error> + Send + Sync,
) -> Result<Vec<u8>, WriteError> {
    let mut renewed = false;
    loop {
        let request = make().map_err(WriteError::NoEffect)?;
        let answer = match api.exchange(request).await {
            Ok(answer) => answer,
            Err(NoAnswer { error, received: false }) => return Err(WriteError::NoEffect(error)),
            Err(NoAnswer { error, received: true }) => return Err(WriteError::Lost(error)),
        };
        tracing::info!(path, status = answer.status.as_u16(), "write");
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        if answer.status == StatusCode::UNAUTHORIZED && !renewed {
            renewed = true;
            api.renew(&answer).await.map_err(WriteError::NoEffect)?;
            continue;
        }
        let error = refusal(api, path, &answer);
        return Err(if answer.status.is_server_error() {
            WriteError::Lost(error)
        } else {
            WriteError::NoEffect(error)
        });
    }
}

/// Decodes JSON, naming the place of what does not fit.
pub fn decode<T: DeserializeOwned>(api: &str, path: &str, body: &[u8]) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let why = match first(body) {
            Some(b'<') => "an HTML page instead of JSON".to_owned(),
            None => "an empty body".to_owned(),
            Some(_) => clean(&error.inner().to_string()),
        };
        let at = error.path().to_string();
        let location = if at == "." { path.to_owned() } else { format!("{path}, {at}") };
        Error::Garbled { api: api.to_owned(), location: clean(&location), why }
    })
}

/// What an answer other than a success means.
pub fn refusal<A: Api>(api: &A, path: &str, answer: &Answer) -> Error {
    let said = api.said(&answer.body);
    let known = said.is_some();
    let Said { code, title, detail } = said.unwrap_or_default();
    let detail: String = clean(&detail).chars().take(LONGEST).collect();
    let address = api.address().to_owned();
    match answer.status {
        StatusCode::UNAUTHORIZED if detail.is_empty() => api.login("it is not accepted"),
        StatusCode::UNAUTHORIZED => api.login(&detail),
        StatusCode::FORBIDDEN => {
            let what = if detail.is_empty() { clean(path) } else { detail };
            Error::Forbidden { api: address, what }
        }
        StatusCode::NOT_FOUND if known => {
            Error::NotFound { what: format!("{address} says: {detail}") }
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let after = answer.retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE);
            Error::RateLimited { api: address, after, said: detail }
        }
        status => Error::Api {
            api: address,
            status: status.as_u16(),
            code,
            title: match clean(&title) {
                title if title.is_empty() => {
                    status.canonical_reason().unwrap_or("error").to_owned()
                }
                title => title,
            },
            detail: match first(&answer.body) {
                _ if known => detail,
                _ if answer.status.is_redirection() => {
                    "it sends elsewhere instead of answering; is a proxy in between?".to_owned()
                }
                Some(b'<') => {
                    "an HTML page came instead of an answer; is a proxy in between?".to_owned()
                }
                _ => clean(&String::from_utf8_lossy(&answer.body)).chars().take(LONGEST).collect(),
            },
            page: !known && first(&answer.body) == Some(&b'<'),
        },
    }
}

/// What a failed connection means.
pub fn unreachable<A: Api>(api: &A, error: &(dyn StdError + 'static)) -> Error {
    let timed_out =
        chain(error).any(|error| error.downcast_ref().is_some_and(reqwest::Error::is_timeout));
    let why = if timed_out { "no connection in time".to_owned() } else { clean(&causes(error)) };
    let address = api.address().to_owned();
    if chain(error).any(is_untrusted) {
        return Error::Tls { api: address, why, advice: api.tls_advice() };
    }
    Error::Unreachable { api: address, why }
}

/// Whether an error says that the server's certificate is not accepted.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    use rustls::Error as Tls;
    matches!(
        error.downcast_ref(),
        Some(
            Tls::InvalidCertificate(_)
                | Tls::InvalidCertRevocationList(_)
                | Tls::NoCertificatesPresented
                | Tls::UnsupportedNameType
        )
    )
}

/// No answer has come in time.
pub fn silent<A: Api>(api: &A, waited: Duration) -> NoAnswer {
    NoAnswer::lost(Error::Silent { api: api.address().to_owned(), waited })
}

/// Why a body did not come whole.
pub fn incomplete<A: Api, E: StdError + 'static>(
    api: &A,
    waited: Duration,
    error: &Incomplete<E>,
) -> NoAnswer {
    match error {
        Incomplete::Silent => silent(api, waited),
        Incomplete::TooLarge => NoAnswer::lost(Error::Garbled {
            api: api.address().to_owned(),
            location: "the body".to_owned(),
            why: error.to_string(),
        }),
        Incomplete::Broken(error) => NoAnswer::lost(unreachable(api, error)),
    }
}

/// For how long the headers of an answer ask to be left alone.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// An error and what led to it, the outermost first.
pub fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| {
        // What an error of input and output holds is passed over by its `source`.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

/// The innermost cause of an error that says anything, in one line.
pub fn causes(error: &(dyn StdError + 'static)) -> String {
    let chain: Vec<_> =
        chain(error).map(ToString::to_string).filter(|text| !text.is_empty()).collect();
    // A screen has room for one; the log keeps what led to it.
    tracing::debug!(?chain, "an exchange failed");
    chain.into_iter().next_back().unwrap_or_default()
}

fn first(body: &[u8]) -> Option<&u8> {
    body.iter().find(|byte| !byte.is_ascii_whitespace())
}
