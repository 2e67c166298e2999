//! The Eviction API of Pods (`pkg/registry/core/pod/storage/eviction.go`): a Pod goes as by a delete, unless a disruption
//! budget would be broken, which is answered with 429.

use serde_json::{Value, json};

use super::{
    error::ApiError,
    objects::Write,
    pods::{end, ending, ready_since},
    resources::{DISRUPTION_BUDGETS, PODS},
    selector::Selector,
    world::World,
};

/// Carries an eviction out; what it returns is a `Status`.
pub(super) fn evict(world: &mut World, write: &Write<'_>) -> Result<Value, ApiError> {
    let asked: Value = serde_json::from_slice(write.body).unwrap_or_default();
    let missing = || ApiError::not_found("pods", "", &write.key.name);
    let pod = world.store.get(write.key).cloned().ok_or_else(missing)?;
    if asked["metadata"]["name"] != write.key.name.as_str() {
        return Err(ApiError::new(
            400,
            "BadRequest",
            "name in URL does not match name in Eviction object",
        ));
    }
    let (wanted, now) = (&asked["deleteOptions"]["preconditions"]["uid"], &pod["metadata"]["uid"]);
    if wanted.as_str().is_some_and(|wanted| now.as_str() != Some(wanted)) {
        return Err(ApiError::precondition(("Pod", "", &write.key.name), "UID", (wanted, now)));
    }
    let budgets = world.store.list(DISRUPTION_BUDGETS, Some(&write.key.namespace));
    for (key, budget) in budgets {
        let covered = covered(budget);
        if !covered.matches(&pod) {
            continue;
        }
        let pods = world.store.list(PODS, Some(&write.key.namespace));
        let pods: Vec<_> = pods.into_iter().filter(|(_, one)| covered.matches(one)).collect();
        let healthy = pods.iter().filter(|(_, one)| ready_since(one).is_some() && !ending(one));
        let (healthy, all) = (healthy.count() as i64, pods.len() as i64);
        let spec = &budget["spec"];
        let least = match (spec["minAvailable"].is_null(), spec["maxUnavailable"].is_null()) {
            (false, _) => part(&spec["minAvailable"], all),
            (true, false) => all - part(&spec["maxUnavailable"], all),
            (true, true) => all - 1,
        };
        // One that is not ready may go while the others are enough (`IfHealthyBudget`).
        let allowed = if ready_since(&pod).is_some() { healthy > least } else { healthy >= least };
        if !allowed {
            let mut error = ApiError::new(
                429,
                "TooManyRequests",
                "Cannot evict pod as it would violate the pod's disruption budget.",
            );
            error.details = json!({ "causes": [{
                "reason": "DisruptionBudget",
                "message": format!("The disruption budget {} needs {least} healthy pods and has {healthy} currently", key.name),
            }] });
            return Err(error);
        }
    }
    if !write.dry_run {
        end(world, write.key);
    }
    Ok(
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }),
    )
}

fn covered(budget: &Value) -> Selector {
    let labels = budget["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let labels =
        labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    Selector::parse(&labels.collect::<Vec<_>>().join(","), "")
}

/// A number, or a share of all that is rounded up.
fn part(value: &Value, all: i64) -> i64 {
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok());
    percent.map_or_else(|| value.as_i64().unwrap_or(0), |percent| (all * percent + 99) / 100)
}
