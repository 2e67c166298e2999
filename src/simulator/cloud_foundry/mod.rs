//! The simulated Cloud Foundry: API v3, UAA and log-cache over HTTP.
//!
//! The state machine of deployments (`updater`), the rules of revisions (`revise`) and the texts of errors
//! (`deploy`, `deployments`) follow Cloud Controller 3.228. Everything is served by one address.
//!
//! To make an app misbehave by hand, set its environment variable `SIMULATE` (or put a file of that name, in lower
//! case, into the directory that is pushed) to `good=SECONDS`, `crash=REASON`, `unready`, `unplaced=REASON` or
//! `staging-failure`.

mod apps;
mod artifacts;
mod build;
mod call;
mod deploy;
mod deployments;
mod error;
mod events;
mod health;
mod jobs;
mod limiter;
mod list;
mod logs;
mod orgs;
mod places;
mod present;
mod processes;
mod revise;
mod revisions;
mod role;
mod root;
mod route;
mod session;
mod uaa;
mod updater;
mod world;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Multipart, Request, State},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use self::{call::Call, error::ApiError, limiter::Limiter, uaa::Uaa, world::World};
use super::{
    Options,
    clock::Clock,
    fault::Faults,
    listener::Scissors,
    scenario::Scenario,
    serve::{BODY_LIMIT, Served, decode, pairs, strike},
};

/// The kinds of faults that it has besides those of every simulator.
pub(super) const FAULTS: &str = "token=TIME, limit=N, role=ROLE, api=VERSION, diego";

/// A foundation that is being served.
#[derive(Debug)]
pub struct Foundation {
    world: Mutex<World>,
    uaa: Uaa,
    limiter: Limiter,
    clock: Clock,
    faults: Faults,
    base: String,
    requests: AtomicU64,
    log: Mutex<Vec<String>>,
    keep_log: bool,
}

impl Served for Foundation {
    fn build(
        options: &Options,
        clock: Clock,
        faults: Faults,
        base: String,
    ) -> Result<Self, String> {
        let scenario = Scenario::load(&options.scenario)?;
        let world = World::build(&scenario, clock.clone(), options.seed, options.apps)?;
        Ok(Self {
            uaa: Uaa::new(options.seed, &scenario.user, faults.clone()),
            world: Mutex::new(world),
            limiter: Limiter::default(),
            clock,
            faults,
            base,
            requests: AtomicU64::new(0),
            log: Mutex::default(),
            keep_log: options.keep_log,
        })
    }

    /// The session file of a `cf login` that targets the first space.
    fn write_login(&self, home: &Path, certificate: Option<&str>) -> io::Result<()> {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        session::write(home, (&self.base, certificate.is_some()), &self.uaa, &world)
    }

    fn environment(&self, home: &Path) -> Vec<(String, String)> {
        vec![("CF_HOME".to_owned(), home.display().to_string())]
    }

    fn banner(&self, home: &Path) -> Value {
        json!({
            "platform": "cloud-foundry",
            "api": self.base,
            "user": self.uaa.user,
            "password": self.uaa.password,
            "cf_home": home,
        })
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(handle).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(self)
    }
}

impl Foundation {
    /// How many requests have been answered.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The requests so far as `METHOD PATH?QUERY`, where the options asked for them to be kept.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn handle(
    State(foundation): State<Arc<Foundation>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    foundation.requests.fetch_add(1, Ordering::Relaxed);
    if foundation.keep_log {
        let line = format!("{method} {}", parts.uri);
        foundation.log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
    let refuse = |status| dress(ApiError::injected(status).into_response(), &parts, None);
    let after = match strike(&foundation.faults, &scissors, (&method, &path), refuse).await {
        Ok(after) => after,
        Err(response) => return response,
    };
    let who = foundation.uaa.who(&parts.headers);
    let allowance = who.as_ref().ok().zip(foundation.faults.limit()).and_then(|(user, limit)| {
        foundation.limiter.count(user, &path, limit, foundation.clock.now())
    });
    let mut response = match allowance.and_then(|allowance| allowance.refused) {
        Some(seconds) => {
            let mut refused = ApiError::injected(429).into_response();
            refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            refused.headers_mut().insert(header::CONTENT_TYPE, plain);
            refused
        }
        None => {
            let (own, head, who) = (foundation.clone(), parts.clone(), who.clone());
            let work = async move { own.respond(&head, body, who).await };
            after.work(&foundation.clock, work).await
        }
    };
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    let response = dress(response, &parts, who.ok().map(|user| foundation.uaa.user_guid(&user)));
    after.finish(response, &scissors).await
}

impl Foundation {
    async fn respond(&self, parts: &Parts, body: Body, who: Result<String, bool>) -> Response {
        let path: Vec<String> =
            parts.uri.path().split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        if segments == ["healthz"] {
            return "OK".into_response();
        }
        let actor = match who {
            Ok(user) => user,
            Err(_) if route::open(&segments) => String::new(),
            Err(true) => return ApiError::invalid_token().into_response(),
            Err(false) => return ApiError::not_authenticated().into_response(),
        };
        let upload = match segments.as_slice() {
            ["v3", "packages", guid, "upload"] => Some((*guid).to_owned()),
            _ => None,
        };
        let query = pairs(parts.uri.query().unwrap_or_default());
        let mut call = Call {
            method: parts.method.clone(),
            path,
            query,
            body: String::new(),
            actor,
            base: self.base.clone(),
            api: self.faults.api().unwrap_or(root::VERSION),
            diego_is_away: self.faults.diego_is_away(),
            role: self.faults.role(),
        };
        if let Err(error) = role::check(&call) {
            return error.into_response();
        }
        if let Some(guid) = upload {
            let request = Request::from_parts(parts.clone(), body);
            let bits = match bits(request).await {
                Ok(bits) => bits,
                Err(detail) => return ApiError::unprocessable(detail).into_response(),
            };
            let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
            world.catch_up();
            return artifacts::upload(&mut world, &call, &guid, &bits).into_response();
        }
        let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
            return ApiError::bad_json().into_response();
        };
        call.body = String::from_utf8_lossy(&bytes).into_owned();
        if call.path == ["oauth", "token"] {
            let form: BTreeMap<_, _> = pairs(&call.body).into_iter().collect();
            return self.uaa.token(&parts.headers, &form).into_response();
        }
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.catch_up();
        route::answer(&mut world, &call, &self.uaa).into_response()
    }
}

async fn bits(request: Request) -> Result<Bytes, String> {
    let mut form =
        Multipart::from_request(request, &()).await.map_err(|error| error.to_string())?;
    let mut bits = Bytes::new();
    while let Some(field) = form.next_field().await.map_err(|error| error.to_string())? {
        if field.name() == Some("bits") {
            bits = field.bytes().await.map_err(|error| error.to_string())?;
        }
    }
    Ok(bits)
}

/// Adds the headers that every answer carries.
fn dress(mut response: Response, parts: &Parts, user: Option<String>) -> Response {
    let own = format!("{:016x}", fastrand::u64(..));
    let given = ["x-vcap-request-id", "x-request-id"]
        .iter()
        .find_map(|name| parts.headers.get(*name))
        .and_then(|value| value.to_str().ok());
    let id = given.map_or_else(|| own.clone(), |given| format!("{given}::{own}"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-vcap-request-id", value);
    }
    if let Some(value) = user.and_then(|user| HeaderValue::from_str(&user).ok()) {
        response.headers_mut().insert("x-user-guid", value);
    }
    response
}
