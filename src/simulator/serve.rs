//! Serving a simulated platform: the listener, the faults, and the end of it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    Options, StartError,
    clock::{Clock, seconds_between},
    fault::{Faults, Kind},
    listener::{CuttableListener, Scissors},
    tls::Certificate,
};

/// The largest body that is taken or cut, in bytes.
pub(crate) const BODY_LIMIT: usize = 512 * 1_048_576;

/// A world that can be served.
pub(crate) trait Served: Send + Sync + Sized + 'static {
    /// Builds the world, to be served at `base`.
    fn build(options: &Options, clock: Clock, faults: Faults, base: String)
    -> Result<Self, String>;

    /// Writes the files with which a client is logged in; with the certificate, in PEM, where TLS is served.
    fn write_login(&self, home: &Path, certificate: Option<&str>) -> io::Result<()>;

    /// The one line of JSON that tells a client where to go.
    fn banner(&self, home: &Path) -> serde_json::Value;

    /// The variables of the environment by which a client finds the login.
    fn environment(&self, home: &Path) -> Vec<(String, String)>;

    /// The routes; called once.
    fn router(self: Arc<Self>) -> Router;
}

/// A simulator that is running; it stops when this is dropped.
#[derive(Debug)]
pub struct Simulator<W> {
    world: Arc<W>,
    faults: Faults,
    home: tempfile::TempDir,
    server: JoinHandle<()>,
    clock: Clock,
    banner: String,
    environment: Vec<(String, String)>,
}

/// Starts a simulator on a clock of the caller's.
pub(super) async fn start<W: Served>(
    options: &Options,
    clock: Clock,
) -> Result<Simulator<W>, StartError> {
    let failed = |at: String| move |source| StartError::Io { at, source };
    let faults = Faults::default();
    faults.set(&options.faults).map_err(StartError::Options)?;
    if !(options.speed.is_finite() && options.speed > 0.0) {
        return Err(StartError::Options("the speed must be a number above 0".to_owned()));
    }
    let at = options.listen.to_string();
    let listener = TcpListener::bind(options.listen).await.map_err(failed(at.clone()))?;
    let address = listener.local_addr().map_err(failed(at))?;
    let certificate = options.tls.then(|| Certificate::make(address.ip().to_string()));
    let certificate = certificate.transpose().map_err(StartError::Options)?;
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let world = W::build(options, clock.clone(), faults.clone(), format!("{scheme}://{address}"));
    let world = Arc::new(world.map_err(StartError::Options)?);
    let home = tempfile::Builder::new()
        .prefix("revdeck-simulator-")
        .tempdir()
        .map_err(failed("a temporary directory".to_owned()))?;
    let (pem, acceptor) = certificate.map(|one| (one.pem, one.acceptor)).unzip();
    let written = world.write_login(home.path(), pem.as_deref());
    written.map_err(failed(home.path().display().to_string()))?;
    let banner = world.banner(home.path()).to_string();
    let environment = world.environment(home.path());
    let service = world.clone().router().into_make_service_with_connect_info::<Scissors>();
    let listener = CuttableListener::new(listener, acceptor);
    let server = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, service).await {
            tracing::error!(%error, "the simulator stopped serving");
        }
    });
    Ok(Simulator { world, faults, home, server, clock, banner, environment })
}

impl<W> Simulator<W> {
    /// The one line of JSON that tells a client where to go.
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// The variables of the environment by which a client finds the login.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }

    /// The directory with the files of a login; gone when the simulator is.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The same, to be kept beyond the simulator's life.
    pub fn home_buf(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// The faults, which may be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The simulated time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The world, to be asked what it has seen.
    pub fn world(&self) -> &W {
        &self.world
    }
}

impl<W> Drop for Simulator<W> {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What is still to be done to an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct After {
    reset: bool,
    truncate: bool,
    /// A watch is to be told that its place is forgotten.
    pub(crate) compact: bool,
    /// A list or watch is to be told that its revision is not reached yet.
    pub(crate) future: bool,
    /// The request is to take effect after so long of simulated time.
    late: Option<Duration>,
}

/// Does to a request what the faults say. `refuse` makes the platform's own error answer for a status.
///
/// # Errors
/// The answer that takes the place of the platform's.
pub(crate) async fn strike(
    faults: &Faults,
    scissors: &Scissors,
    (method, path): (&str, &str),
    refuse: impl Fn(u16) -> Response,
) -> Result<After, Response> {
    let mut after = After::default();
    for fault in faults.strike(method, path) {
        match fault {
            Kind::Latency(time) => tokio::time::sleep(time).await,
            Kind::Hang => tokio::time::sleep(Duration::from_hours(1)).await,
            Kind::ResetBefore => {
                scissors.cut();
                return Err(StatusCode::OK.into_response());
            }
            Kind::Status(status) => return Err(refuse(status)),
            Kind::RateLimited(seconds) => {
                let mut response = refuse(429);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                return Err(response);
            }
            Kind::Html(status) => return Err(html(status)),
            Kind::ResetAfter => after.reset = true,
            Kind::Truncate => after.truncate = true,
            Kind::Compact => after.compact = true,
            Kind::Future => after.future = true,
            // What has no effect is not late, and neither is a login.
            Kind::Late(_) if method == "GET" || path.starts_with("/oauth") => {}
            Kind::Late(time) => after.late = Some(time),
            Kind::Redirect => {
                let away = [(header::LOCATION, "/login-page")];
                return Err((StatusCode::FOUND, away).into_response());
            }
            Kind::TokenLife(_)
            | Kind::Limit(_)
            | Kind::WatchLife(_)
            | Kind::Digests
            | Kind::Role(_)
            | Kind::Api(..)
            | Kind::Diego
            | Kind::Stale(_) => {}
        }
    }
    Ok(after)
}

/// How often is looked whether it is late enough.
const LATE_LOOK: Duration = Duration::from_millis(5);

impl After {
    /// Works on a request. One that is late is worked on after its time, as servers do whose client has gone: neither
    /// Puma nor the API server stops then. Its answer comes to nobody.
    pub(crate) async fn work(
        self,
        clock: &Clock,
        work: impl Future<Output = Response> + Send + 'static,
    ) -> Response {
        let Some(late) = self.late else { return work.await };
        let (clock, from) = (clock.clone(), clock.now());
        tokio::spawn(async move {
            while seconds_between(from, clock.now()) < late.as_secs_f64() {
                tokio::time::sleep(LATE_LOOK).await;
            }
            work.await
        });
        tokio::time::sleep(Duration::from_hours(1)).await;
        StatusCode::GATEWAY_TIMEOUT.into_response()
    }

    /// The answer with the faults that strike after the effect.
    pub(crate) async fn finish(self, response: Response, scissors: &Scissors) -> Response {
        if self.reset {
            scissors.cut();
        }
        if self.truncate { truncate(response).await } else { response }
    }
}

fn html(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let page = "<html><head><title>Gateway</title></head><body><h1>Something is in between</h1></body></html>";
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

async fn truncate(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes.slice(..bytes.len() / 2)))
}

/// Name and value pairs of a query or form, percent-decoded.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (decode(&name.replace('+', " ")), decode(&value.replace('+', " "))))
        .collect()
}

/// Percent-decoded text.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        decoded.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
