//! Calls in JSON 1.1, signed, by the rules of every API: a read is repeated where the fault passes, a change is sent once.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::{connector, login::Login, pace::Pace, settings::Settings};
use crate::platform::sync::lock;
use crate::platform::{
    Environment, Error, OpenError,
    ecs::model::dialect,
    http::{
        self, Meter, WRITES_WAIT, WriteError, collect,
        exchange::{self, Answer, Api, NoAnswer, Said},
    },
};

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform::ecs) enum Service {
    /// Amazon ECS.
    Ecs,
    /// Application Auto Scaling.
    Scaling,
    /// CloudWatch Logs.
    Logs,
}

/// The way to one region, with one login. Clones share it.
#[derive(Clone)]
pub(in crate::platform::ecs) struct Connection(Arc<Inner>);

struct Inner {
    settings: Settings,
    login: Login,
    client: reqwest::Client,
    timeout: Duration,
    meter: Meter,
    pace: Pace,
    /// What the login was refused, by operation and cluster, and when.
    denied: Mutex<HashMap<(&'static str, String), Instant>>,
    /// How far the server's clock is ahead of ours, in seconds.
    skew: AtomicI64,
}

/// A call that can be sent.
pub(in crate::platform::ecs) struct Call {
    operation: &'static str,
    body: Vec<u8>,
    timeout: Duration,
}

struct Endpoint<'a> {
    inner: &'a Inner,
    service: Service,
}

impl Connection {
    /// Prepares the way; speaks to nobody yet.
    pub(in crate::platform::ecs) fn open(
        environment: &Environment,
        settings: Settings,
        named: bool,
        timeout: Duration,
    ) -> Result<Self, OpenError> {
        let client = http::client(&http::Settings {
            api: settings.ecs.clone(),
            skip_verification: false,
            authorities: settings.bundle.clone(),
            timeout,
            login_command: String::new(),
            tls_advice: TLS_ADVICE,
        });
        let client = client.map_err(|why| {
            OpenError::unreachable(format!(
                "cannot prepare a connection to {}: {why}",
                settings.ecs
            ))
        })?;
        // Logins are elsewhere, whatever the address of the API is.
        let outside = http::client(&http::Settings {
            api: "https://amazonaws.com".to_owned(),
            skip_verification: false,
            authorities: settings.bundle.clone(),
            timeout,
            login_command: String::new(),
            tls_advice: TLS_ADVICE,
        });
        let outside = outside.unwrap_or_else(|_| client.clone());
        let login = Login::new(environment, &settings, named, connector::client(outside));
        Ok(Self(Arc::new(Inner {
            settings,
            login,
            client,
            timeout,
            meter: Meter::default(),
            pace: Pace::default(),
            denied: Mutex::default(),
            skew: AtomicI64::new(0),
        })))
    }

    pub(in crate::platform::ecs) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Whether the login was refused this in a cluster a little while ago.
    pub(in crate::platform::ecs) fn denied(&self, operation: &'static str, cluster: &str) -> bool {
        let denied = lock(&self.0.denied);
        let at = denied.get(&(operation, cluster.to_owned()));
        at.is_some_and(|at| at.elapsed() < REFUSED)
    }

    /// How fast a watch may ask.
    pub(in crate::platform::ecs) fn pace(&self) -> &Pace {
        &self.0.pace
    }

    /// Reads, and takes the answer as what is wanted.
    pub(in crate::platform::ecs) async fn ask<T: DeserializeOwned>(
        &self,
        service: Service,
        operation: &'static str,
        body: &Value,
    ) -> Result<T, Error> {
        let api = Endpoint { inner: &self.0, service };
        let bytes = body.to_string().into_bytes();
        let make = || Ok(Call { operation, body: bytes.clone(), timeout: self.0.timeout });
        let answer = exchange::read(&api, operation, make).await?;
        exchange::decode(api.address(), operation, &answer)
    }

    /// Changes something, once.
    pub(in crate::platform::ecs) async fn change(
        &self,
        service: Service,
        operation: &'static str,
        body: &Value,
    ) -> Result<Value, WriteError> {
        let api = Endpoint { inner: &self.0, service };
        let bytes = body.to_string().into_bytes();
        let timeout = self.0.timeout * WRITES_WAIT;
        let make = || Ok(Call { operation, body: bytes.clone(), timeout });
        let answer = exchange::write(&api, operation, make).await;
        if let Err(WriteError::NoEffect(Error::Forbidden { .. })) = &answer {
            lock(&self.0.denied).insert((operation, cluster_of(body)), Instant::now());
        }
        let answer = answer?;
        // What came is not what was to come: it may have had its effect.
        exchange::decode(api.address(), operation, &answer).map_err(WriteError::Lost)
    }
}

/// For how long a refusal is taken for granted: permissions are given, too.
const REFUSED: Duration = Duration::from_mins(5);

/// The cluster that a call is about.
fn cluster_of(body: &Value) -> String {
    let named = body["cluster"].as_str().map(|arn| arn.rsplit('/').next());
    let of_arn = || body["serviceDeploymentArn"].as_str().map(|arn| arn.rsplit('/').nth(2));
    named.or_else(of_arn).flatten().unwrap_or_default().to_owned()
}

const TLS_ADVICE: &str = "set SSL_CERT_FILE to your CA, or AWS_CA_BUNDLE as the AWS CLI has it";

impl Service {
    /// The prefix of the header that names an operation, and the name that requests are signed for.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Ecs => ("AmazonEC2ContainerServiceV20141113", "ecs"),
            Self::Scaling => ("AnyScaleFrontendService", "application-autoscaling"),
            Self::Logs => ("Logs_20140328", "logs"),
        }
    }
}

/// Signatures are checked against the real time, whatever clock the rest of the program goes by.
#[expect(clippy::disallowed_methods, reason = "signatures expire by the real time")]
fn real_time() -> SystemTime {
    SystemTime::now()
}

impl Endpoint<'_> {
    fn now(&self) -> SystemTime {
        let skew = self.inner.skew.load(Ordering::Relaxed);
        let offset = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 { real_time() - offset } else { real_time() + offset }
    }

    fn no_credentials(&self, why: &str) -> Error {
        if !self.inner.login.guessed() {
            return self.login(why);
        }
        Error::Unopened(OpenError::login(format!(
            "nobody is logged in to AWS ({why}): set AWS_PROFILE, or keys, or log in with `aws configure` or `aws sso login`"
        )))
    }

    async fn signed(&self, call: &Call) -> Result<reqwest::Request, Error> {
        let now = self.now();
        let credentials =
            self.inner.login.credentials(now).await.map_err(|why| self.no_credentials(&why))?;
        let (prefix, name) = self.service.names();
        let target = format!("{prefix}.{}", call.operation);
        let address = format!("{}/", self.address());
        let host = address
            .split("://")
            .nth(1)
            .unwrap_or_default()
            .trim_end_matches('/')
            .split('/')
            .next()
            .unwrap_or_default();
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("host", host),
            ("x-amz-target", target.as_str()),
        ];
        let identity = credentials.into();
        let broken =
            |why: String| Error::Refused { what: format!("the request cannot be signed: {why}") };
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.inner.settings.region)
            .name(name)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| broken(error.to_string()))?
            .into();
        let signable = SignableRequest::new(
            "POST",
            &address,
            headers.into_iter(),
            SignableBody::Bytes(&call.body),
        )
        .map_err(|error| broken(error.to_string()))?;
        let (instructions, _) =
            sign(signable, &parameters).map_err(|error| broken(error.to_string()))?.into_parts();
        let mut request = self.inner.client.post(&address).body(call.body.clone());
        request = request.header(CONTENT_TYPE, headers[0].1).header("x-amz-target", &target);
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        request.build().map_err(|error| broken(error.to_string()))
    }

    /// A server that finds the request's time wrong tells its own.
    fn note_time(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let ours = real_time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if let Some(date) = date {
            let skew = date.timestamp().as_second() - ours.as_secs() as i64;
            // Within a minute it is the way that takes its time.
            self.inner.skew.store(if skew.abs() > 60 { skew } else { 0 }, Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl Api for Endpoint<'_> {
    type Request = Call;

    fn address(&self) -> &str {
        match self.service {
            Service::Ecs => &self.inner.settings.ecs,
            Service::Scaling => &self.inner.settings.scaling,
            Service::Logs => &self.inner.settings.logs,
        }
    }

    async fn exchange(&self, call: Call) -> Result<Answer, NoAnswer> {
        let request = self.signed(&call).await.map_err(NoAnswer::unsent)?;
        self.inner.meter.count();
        let unreachable = |error: &reqwest::Error| exchange::unreachable(self, error);
        let sent = tokio::time::timeout(call.timeout, self.inner.client.execute(request)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => {
                return Err(NoAnswer::unsent(unreachable(&error)));
            }
            Ok(Err(error)) => return Err(NoAnswer::lost(unreachable(&error))),
            Err(_) => return Err(exchange::silent(self, call.timeout)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = collect(response.bytes_stream(), self.inner.timeout)
            .await
            .map_err(|error| exchange::incomplete(self, self.inner.timeout, &error))?;
        let status = dialect::meaning(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            self.note_time(&headers);
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            self.inner.pace.throttled();
        }
        let login =
            (status == StatusCode::UNAUTHORIZED).then(|| HeaderValue::from_static("credentials"));
        let retry_after = exchange::retry_after(&headers);
        Ok(Answer { status, retry_after, body, etag: None, login })
    }

    async fn renew(&self, _: &Answer) -> Result<(), Error> {
        self.inner.login.forget();
        self.inner.login.credentials(self.now()).await.map(drop).map_err(|why| self.login(&why))
    }

    fn said(&self, body: &[u8]) -> Option<Said> {
        dialect::said(body)
    }

    fn login(&self, why: &str) -> Error {
        Error::Login {
            api: self.address().to_owned(),
            why: why.to_owned(),
            command: self.inner.login.command().to_owned(),
        }
    }

    fn tls_advice(&self) -> &'static str {
        TLS_ADVICE
    }
}
