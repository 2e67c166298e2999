//! The stages of a deployment that shifts traffic, from its lifecycle stage, weights and hooks.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html>, `lifecycleStage`: linear and
//! canary deployments come to the shift of production traffic once for every step, which are told apart by the weight.

use jiff::Timestamp;

use crate::domain::{Stage, StageState, text::span};
use crate::platform::ecs::model::wire::{Configuration, ServiceDeployment};

/// The shares of production traffic that the new side goes through, in percent.
fn steps(configuration: &Configuration) -> Vec<f64> {
    match configuration.strategy.as_deref() {
        Some("CANARY") => {
            let canary = configuration.canary_configuration.as_ref();
            vec![canary.and_then(|one| one.canary_percent).unwrap_or(5.0), 100.0]
        }
        Some("LINEAR") => {
            let linear = configuration.linear_configuration.as_ref();
            let step = linear.and_then(|one| one.step_percent).unwrap_or(10.0).max(1.0);
            (1..=(100.0 / step).ceil() as u32).map(|at| (f64::from(at) * step).min(100.0)).collect()
        }
        _ => vec![100.0],
    }
}

/// The stages in order with their states; empty where traffic is not shifted.
pub(in crate::platform::ecs) fn stages(
    deployment: &ServiceDeployment,
    configuration: &Configuration,
    now: Timestamp,
) -> Vec<Stage> {
    let Some(word) = deployment.lifecycle_stage.as_deref() else { return Vec::new() };
    let steps = steps(configuration);
    let weight =
        deployment.target_service_revision.requested_production_traffic_weight.unwrap_or(0.0);
    let shares = steps.iter().map(|share| match steps.len() {
        1 => "production traffic".to_owned(),
        _ => format!("{share} %"),
    });
    let names: Vec<_> = ["scale up".to_owned(), "test traffic".to_owned()]
        .into_iter()
        .chain(shares)
        .chain(["bake".to_owned(), "clean up".to_owned()])
        .collect();
    // How many shares are reached, and which is the next one.
    let reached = steps.iter().filter(|share| **share <= weight + 0.01).count() as u32;
    let last_share = 2 + steps.len() as u32;
    let current = match word {
        "RECONCILE_SERVICE" | "PRE_SCALE_UP" | "SCALE_UP" | "POST_SCALE_UP" => 1,
        "TEST_TRAFFIC_SHIFT" | "POST_TEST_TRAFFIC_SHIFT" => 2,
        "PRE_PRODUCTION_TRAFFIC_SHIFT" => (3 + reached).min(last_share),
        "PRODUCTION_TRAFFIC_SHIFT" => (2 + reached.max(1)).min(last_share),
        "POST_PRODUCTION_TRAFFIC_SHIFT" => last_share,
        "BAKE_TIME" => last_share + 1,
        "CLEAN_UP" => last_share + 2,
        // A word that is not known yet stands for itself.
        other => {
            let name = other.to_lowercase().replace('_', " ");
            return vec![Stage { name, state: StageState::Active, since: None, detail: None }];
        }
    };
    let hook = deployment.waiting();
    let state = if hook.is_some() { StageState::Waiting } else { StageState::Active };
    let mut stages = Stage::sequence(names, current, state, deployment.updated_at);
    let detail = match hook {
        Some(hook) => {
            let left = hook
                .expires_at
                .map(|at| at.duration_since(now))
                .filter(jiff::SignedDuration::is_positive);
            let then = match hook.timeout_action.as_deref() {
                Some("CONTINUE") => "goes on",
                _ => "rolls back",
            };
            left.map(|left| format!("{then} in {}", span(left)))
        }
        None => rest(word, deployment, configuration, now),
    };
    if let Some(stage) = stages.get_mut(current as usize - 1) {
        stage.detail = detail;
    }
    stages
}

/// How long a stage that bakes has left.
fn rest(
    word: &str,
    deployment: &ServiceDeployment,
    configuration: &Configuration,
    now: Timestamp,
) -> Option<String> {
    let minutes = match (word, configuration.strategy.as_deref()) {
        ("BAKE_TIME", _) => configuration.bake_time_in_minutes,
        ("PRODUCTION_TRAFFIC_SHIFT", Some("CANARY")) => {
            configuration.canary_configuration.as_ref()?.canary_bake_time_in_minutes
        }
        ("PRODUCTION_TRAFFIC_SHIFT", Some("LINEAR")) => {
            configuration.linear_configuration.as_ref()?.step_bake_time_in_minutes
        }
        _ => None,
    }?;
    let spent = now.duration_since(deployment.updated_at?);
    let left = jiff::SignedDuration::from_mins(i64::from(minutes)) - spent;
    left.is_positive().then(|| format!("bakes for {} more", span(left)))
}
