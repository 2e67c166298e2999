//! The simulated Amazon ECS: its JSON 1.1 API, with Application Auto Scaling, the lines of CloudWatch Logs, and the call by which
//! a login asks who it is, all at one address.
//!
//! States, stages, limits and errors are those of the API model and the developer guide; what neither says is named where
//! it is decided. To make a task misbehave, give a container the variable `SIMULATE`: `good=SECONDS`, `crash=CODE`,
//! `unhealthy`, `unplaced` or `image`.
//!
//! For faults an operation's name is the path, and one that only reads has the method GET: `reset-after@POST:/UpdateService`.

mod buckets;
mod build;
mod call;
mod definitions;
mod deployments;
mod error;
mod health;
mod logs;
mod page;
mod present;
mod scaling;
mod scheduler;
mod services;
mod signature;
mod tasks;
mod traffic;
mod world;

use std::{
    collections::VecDeque,
    fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::to_bytes,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::{
    buckets::Buckets,
    call::{Answer, Call, answer},
    error::ApiError,
    world::{ACCOUNT, REGION, World},
};
use super::{
    Options,
    clock::{Clock, seconds_between},
    fault::Faults,
    listener::Scissors,
    scenario::Scenario,
    serve::{BODY_LIMIT, Served, strike},
};

/// The kinds of faults that it has besides those of every simulator.
pub(super) const FAULTS: &str = "stale=TIME";

/// A region that is being served.
#[derive(Debug)]
pub struct Region {
    world: Mutex<World>,
    /// The world as it was before each late change, oldest first: the API "follows an eventual consistency model" (API
    /// reference, `RunTask`).
    before: Mutex<VecDeque<(Instant, World)>>,
    clock: Clock,
    faults: Faults,
    buckets: Buckets,
    base: String,
    log: Mutex<Vec<String>>,
    keep_log: bool,
}

impl Served for Region {
    fn build(
        options: &Options,
        clock: Clock,
        faults: Faults,
        base: String,
    ) -> Result<Self, String> {
        let scenario = Scenario::load(&options.scenario)?;
        Ok(Self {
            world: Mutex::new(World::build(&scenario, clock.clone(), options.seed, options.apps)?),
            before: Mutex::default(),
            clock,
            faults,
            buckets: Buckets::default(),
            base,
            log: Mutex::default(),
            keep_log: options.keep_log,
        })
    }

    /// A profile as the `aws` CLI reads it.
    fn write_login(&self, home: &Path, certificate: Option<&str>) -> io::Result<()> {
        let keys = format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            signature::KEY,
            signature::SECRET
        );
        fs::write(home.join("credentials"), keys)?;
        let mut config = format!("[default]\nregion = {REGION}\nendpoint_url = {}\n", self.base);
        if let Some(certificate) = certificate {
            fs::write(home.join("ca.pem"), certificate)?;
            config.push_str(&format!("ca_bundle = {}\n", home.join("ca.pem").display()));
        }
        fs::write(home.join("config"), config)
    }

    fn environment(&self, home: &Path) -> Vec<(String, String)> {
        let file = |name: &str| home.join(name).display().to_string();
        [
            ("AWS_CONFIG_FILE", file("config")),
            ("AWS_SHARED_CREDENTIALS_FILE", file("credentials")),
            ("AWS_PROFILE", "default".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn banner(&self, home: &Path) -> Value {
        json!({
            "platform": "ecs", "endpoint": self.base, "region": REGION, "account": ACCOUNT,
            "access_key_id": signature::KEY, "secret_access_key": signature::SECRET,
            "config_file": home.join("config"), "credentials_file": home.join("credentials"),
        })
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(handle).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(self)
    }
}

impl Region {
    /// The requests so far as `METHOD /OPERATION BODY`, where the options asked for them to be kept; the method is GET for
    /// what only reads.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds members to a task definition, as a newer platform may know them.
    pub fn amend(&self, family: &str, revision: usize, members: &Value) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let all = world.definitions.get_mut(family);
        let one = all.and_then(|all| all.get_mut(revision.checked_sub(1)?));
        if let (Some(Value::Object(one)), Value::Object(members)) = (one, members) {
            one.extend(members.clone());
        }
    }

    fn work(&self, call: &Call) -> Answer {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.catch_up();
        let answer = match self.faults.stale() {
            Some(stale) => self.work_behind(stale, &mut world, call),
            None => dispatch(&mut world, call),
        };
        tracing::debug!(operation = call.operation, failed = answer.is_err(), "simulated");
        answer
    }
}

impl Region {
    /// Works where reads do not see a change before it is so old.
    fn work_behind(&self, stale: Duration, world: &mut World, call: &Call) -> Answer {
        let now = Instant::now();
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that only tests move stands still while somebody waits.
        before.retain(|(at, then)| {
            let passed = seconds_between(then.now, world.now);
            now.duration_since(*at).as_secs_f64().max(passed) < stale.as_secs_f64()
        });
        if !call::reads(&call.operation) {
            before.push_back((now, world.clone()));
            return dispatch(world, call);
        }
        match before.front_mut() {
            Some((_, seen)) => dispatch(seen, call),
            None => dispatch(world, call),
        }
    }
}

async fn handle(
    State(region): State<Arc<Region>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
        return ApiError::client("The request body is too large.").into_response();
    };
    let Some((api, operation)) = call::target(&parts.headers) else {
        return who_am_i(&region, &parts.uri, &parts.headers, &bytes);
    };
    let method = if call::reads(&operation) { "GET" } else { "POST" };
    let path = format!("/{operation}");
    if region.keep_log {
        let line = format!("{method} {path} {}", String::from_utf8_lossy(&bytes));
        region.log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
    let refuse = |status| ApiError::injected(status, &operation).into_response();
    let after = match strike(&region.faults, &scissors, (method, &path), refuse).await {
        Ok(after) => after,
        Err(response) => return response,
    };
    if let Err(error) = signature::check(&region.base, &parts.uri, &parts.headers, &bytes) {
        return error.into_response();
    }
    if let Err(error) = region.buckets.take(&operation) {
        return error.into_response();
    }
    let body = if bytes.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&bytes) };
    let Ok(body) = body else {
        return ApiError::new("SerializationException", "The request is no JSON.").into_response();
    };
    let own = region.clone();
    let work = async move {
        match own.work(&Call { api, operation, body }) {
            Ok(told) => answer(StatusCode::OK, &told),
            Err(error) => error.into_response(),
        }
    };
    let response = after.work(&region.clock, work).await;
    after.finish(response, &scissors).await
}

fn dispatch(world: &mut World, call: &Call) -> Answer {
    match (call.api, call.operation.as_str()) {
        ("ecs", "ListClusters") => services::clusters(world, call),
        ("ecs", "DescribeClusters") => Ok(services::describe_clusters(world, call)),
        ("ecs", "CreateCluster") => Ok(services::create_cluster(world, call)),
        ("ecs", "ListServices") => services::list(world, call),
        ("ecs", "DescribeServices") => services::describe(world, call),
        ("ecs", "CreateService") => services::create(world, call),
        ("ecs", "UpdateService") => services::update(world, call),
        ("ecs", "DeleteService") => services::delete(world, call),
        ("ecs", "RegisterTaskDefinition") => definitions::register(world, call),
        ("ecs", "DescribeTaskDefinition") => definitions::describe(world, call),
        ("ecs", "DeregisterTaskDefinition") => definitions::deregister(world, call),
        ("ecs", "ListTaskDefinitions") => definitions::list(world, call),
        ("ecs", "ListTaskDefinitionFamilies") => definitions::families(world, call),
        ("ecs", "ListServiceDeployments") => deployments::list(world, call),
        ("ecs", "DescribeServiceDeployments") => deployments::describe(world, call),
        ("ecs", "DescribeServiceRevisions") => deployments::revisions(world, call),
        ("ecs", "StopServiceDeployment") => deployments::stop(world, call),
        ("ecs", "ContinueServiceDeployment") => deployments::carry_on(world, call),
        ("ecs", "ListTasks") => tasks::list(world, call),
        ("ecs", "StopTask") => tasks::stop(world, call),
        ("ecs", "DescribeTasks") => tasks::describe(world, call),
        ("ecs", "TagResource" | "UntagResource") => Ok(json!({})),
        ("ecs", "ListTagsForResource") => Ok(json!({ "tags": [] })),
        ("application-autoscaling", "RegisterScalableTarget") => scaling::register(world, call),
        ("application-autoscaling", "DescribeScalableTargets") => {
            Ok(scaling::describe(world, call))
        }
        ("application-autoscaling", "DescribeScalingPolicies") => {
            Ok(json!({ "ScalingPolicies": [] }))
        }
        ("logs", "FilterLogEvents") => logs::filter(world, call),
        _ => Err(ApiError::new(
            "UnknownOperationException",
            format!("{} is not simulated.", call.operation),
        )),
    }
}

/// `GetCallerIdentity` of STS, in the older protocol that it speaks.
fn who_am_i(region: &Region, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response {
    if !String::from_utf8_lossy(body).contains("Action=GetCallerIdentity") {
        return ApiError::new("UnknownOperationException", "This is not simulated.")
            .into_response();
    }
    if let Err(error) = signature::check(&region.base, uri, headers, body) {
        return error.into_response();
    }
    let xml = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT}:user/operator</Arn><UserId>AIDASIMULATED</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    );
    let mut response = (StatusCode::OK, xml).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
