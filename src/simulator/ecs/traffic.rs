//! Deployments that shift traffic (blue/green, linear, canary): stages, weights, bake times, and hooks that wait for
//! somebody.
//!
//! The stages and their order are those of `lifecycleStage` in the API model; linear and canary deployments come to the
//! production shift once for every step.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::world::{Service, Status, World, stamp};
use crate::simulator::clock::{after, seconds_between};

/// Seconds that a stage without any time of its own takes.
const SHORT: f64 = 2.0;

const PRE_PRODUCTION: &str = "PRE_PRODUCTION_TRAFFIC_SHIFT";
const PRODUCTION: &str = "PRODUCTION_TRAFFIC_SHIFT";

/// Where a deployment that shifts traffic stands.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    pub(crate) stage: &'static str,
    since: Timestamp,
    /// The share of production traffic that the target has, in percent.
    pub(crate) weight: f64,
    pub(crate) test: f64,
    pub(crate) hook: Option<Hook>,
}

#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    expires_at: Timestamp,
    action: String,
}

impl Traffic {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { stage: "PRE_SCALE_UP", since: now, weight: 0.0, test: 0.0, hook: None }
    }

    pub(crate) fn awaits(&self) -> bool {
        self.hook.as_ref().is_some_and(|hook| hook.status == "AWAITING_ACTION")
    }
}

impl Hook {
    pub(crate) fn json(&self) -> Value {
        json!({
            "hookId": self.id, "targetType": "PAUSE", "status": self.status,
            "expiresAt": stamp(self.expires_at), "timeoutAction": self.action,
        })
    }
}

/// The shares that production traffic goes through, in percent.
fn steps(service: &Service) -> Vec<f64> {
    let number = |path: &str, usual: f64| {
        service.setting(&format!("deploymentConfiguration.{path}")).as_f64().unwrap_or(usual)
    };
    match service.strategy().as_str() {
        "CANARY" => vec![number("canaryConfiguration.canaryPercent", 5.0), 100.0],
        "LINEAR" => {
            let step = number("linearConfiguration.stepPercent", 10.0).max(1.0);
            let count = (100.0 / step).ceil() as u32;
            (1..=count).map(|at| (f64::from(at) * step).min(100.0)).collect()
        }
        _ => vec![100.0],
    }
}

/// Minutes of a setting, in seconds.
fn minutes(service: &Service, path: &str, usual: f64) -> f64 {
    service.setting(&format!("deploymentConfiguration.{path}")).as_f64().unwrap_or(usual) * 60.0
}

pub(crate) fn proceed(world: &mut World, service: &mut Service, live: usize) {
    let now = world.now;
    let Some(mut traffic) = service.history[live].traffic.clone() else { return };
    if traffic.awaits() {
        let Some(hook) = &mut traffic.hook else { return };
        if hook.expires_at > now {
            return;
        }
        hook.status = "TIMED_OUT";
        let back = hook.action == "ROLLBACK";
        service.history[live].traffic = Some(traffic);
        service.history[live].updated_at = now;
        if back {
            service.history[live].status = Status::RollbackRequested;
            service.history[live].reason = Some(
                "Service deployment rolled back because a lifecycle hook timed out.".to_owned(),
            );
        }
        return;
    }
    let spent = seconds_between(traffic.since, now);
    let green = service.deployments.first();
    let whole = green.is_some_and(|one| one.running() == service.desired);
    let shifting = service.strategy() != "BLUE_GREEN";
    let bake = match service.strategy().as_str() {
        "CANARY" => minutes(service, "canaryConfiguration.canaryBakeTimeInMinutes", 10.0),
        "LINEAR" => minutes(service, "linearConfiguration.stepBakeTimeInMinutes", 6.0),
        _ => SHORT,
    };
    let more = traffic.weight < 100.0;
    let over = |seconds: f64| spent >= seconds;
    let next = match traffic.stage {
        "PRE_SCALE_UP" => over(SHORT).then_some("SCALE_UP"),
        "SCALE_UP" => whole.then_some("POST_SCALE_UP"),
        "POST_SCALE_UP" => over(SHORT).then_some("TEST_TRAFFIC_SHIFT"),
        "TEST_TRAFFIC_SHIFT" => over(SHORT).then_some("POST_TEST_TRAFFIC_SHIFT"),
        "POST_TEST_TRAFFIC_SHIFT" => {
            over(SHORT).then_some(if shifting { PRE_PRODUCTION } else { PRODUCTION })
        }
        PRE_PRODUCTION => over(SHORT).then_some(PRODUCTION),
        PRODUCTION if more => over(bake).then_some(PRE_PRODUCTION),
        PRODUCTION => over(SHORT).then_some("POST_PRODUCTION_TRAFFIC_SHIFT"),
        "POST_PRODUCTION_TRAFFIC_SHIFT" => over(SHORT).then_some("BAKE_TIME"),
        "BAKE_TIME" => over(minutes(service, "bakeTimeInMinutes", 0.0)).then_some("CLEAN_UP"),
        _ => None,
    };
    let Some(next) = next else { return };
    traffic.stage = next;
    traffic.since = now;
    traffic.hook = None;
    if next == "TEST_TRAFFIC_SHIFT" {
        traffic.test = 100.0;
    }
    if next == PRODUCTION {
        let reached = traffic.weight;
        traffic.weight = steps(service).into_iter().find(|step| *step > reached).unwrap_or(100.0);
    }
    traffic.hook = pause(world, service, next);
    service.history[live].traffic = Some(traffic);
    service.history[live].updated_at = now;
}

/// The hook that waits at a stage, where one is set.
fn pause(world: &mut World, service: &Service, stage: &str) -> Option<Hook> {
    let hooks = service.setting("deploymentConfiguration.lifecycleHooks");
    let at = |hook: &&Value| {
        let stages = hook["lifecycleStages"].as_array();
        hook["targetType"] == "PAUSE"
            && stages.is_some_and(|stages| stages.iter().any(|one| one == stage))
    };
    let hook = hooks.as_array()?.iter().find(at)?;
    let timeout = &hook["timeoutConfiguration"];
    let minutes = timeout["timeoutInMinutes"].as_f64().unwrap_or(1_440.0);
    let action = timeout["action"].as_str().unwrap_or("ROLLBACK").to_owned();
    let expires_at = after(world.now, minutes * 60.0);
    Some(Hook { id: world.short(), status: "AWAITING_ACTION", expires_at, action })
}

/// New tasks come beside all old ones; those go at the end.
pub(crate) fn scale(world: &mut World, service: &mut Service, live: usize) {
    let stage = service.history[live].traffic.as_ref().map_or("", |traffic| traffic.stage);
    match stage {
        "PRE_SCALE_UP" => {}
        "CLEAN_UP" => world.scale(service),
        _ => {
            let desired = service.desired;
            if service.deployments.first().is_some_and(|one| (one.tasks.len() as u32) < desired) {
                world.start(service);
            }
        }
    }
}
