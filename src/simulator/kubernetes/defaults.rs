//! What the API server adds to an object that leaves it out, and what it does not take.

use serde_json::{Value, json};

use super::{
    error::ApiError,
    resources::{ALL, DAEMON_SETS, DEPLOYMENTS, Kind, REPLICA_SETS, ROLLOUTS, STATEFUL_SETS},
    world::is_workload,
};

fn set(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

/// Fills in the defaults of a kind.
pub(crate) fn fill(kind: Kind, object: &mut Value) {
    let spec = &mut object["spec"];
    if kind == DEPLOYMENTS {
        set(spec, "replicas", json!(1));
        set(spec, "revisionHistoryLimit", json!(10));
        set(spec, "progressDeadlineSeconds", json!(600));
        set(spec, "strategy", json!({}));
        set(&mut spec["strategy"], "type", json!("RollingUpdate"));
        if spec["strategy"]["type"] == "RollingUpdate" {
            set(&mut spec["strategy"], "rollingUpdate", json!({}));
            set(&mut spec["strategy"]["rollingUpdate"], "maxSurge", json!("25%"));
            set(&mut spec["strategy"]["rollingUpdate"], "maxUnavailable", json!("25%"));
        } else if let Some(strategy) = spec["strategy"].as_object_mut() {
            strategy.remove("rollingUpdate");
        }
    }
    if kind == ROLLOUTS {
        set(spec, "replicas", json!(1));
    }
    if kind == STATEFUL_SETS {
        set(spec, "replicas", json!(1));
        set(spec, "podManagementPolicy", json!("OrderedReady"));
        set(spec, "revisionHistoryLimit", json!(10));
        set(
            spec,
            "updateStrategy",
            json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } }),
        );
    }
    if kind == DAEMON_SETS {
        set(spec, "revisionHistoryLimit", json!(10));
        set(
            spec,
            "updateStrategy",
            json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } }),
        );
    }
    if kind == REPLICA_SETS {
        set(spec, "replicas", json!(1));
    }
    // The schema of a custom resource has no defaults for its template.
    if is_workload(kind) && kind != ROLLOUTS {
        fill_template(&mut spec["template"]);
    }
}

/// The defaults of a Pod template.
pub(crate) fn fill_template(template: &mut Value) {
    let template = &mut template["spec"];
    set(template, "restartPolicy", json!("Always"));
    set(template, "terminationGracePeriodSeconds", json!(30));
    set(template, "dnsPolicy", json!("ClusterFirst"));
    set(template, "schedulerName", json!("default-scheduler"));
    set(template, "securityContext", json!({}));
    for container in template["containers"].as_array_mut().into_iter().flatten() {
        let image = container["image"].as_str().unwrap_or_default();
        let tag = image.rsplit('/').next().unwrap_or_default().split_once(':');
        let moves = tag.is_none_or(|(_, tag)| tag == "latest");
        let policy = if moves { "Always" } else { "IfNotPresent" };
        set(container, "imagePullPolicy", json!(policy));
        set(container, "resources", json!({}));
        set(container, "terminationMessagePath", json!("/dev/termination-log"));
        set(container, "terminationMessagePolicy", json!("File"));
    }
}

/// A template as the server stores it in a ReplicaSet.
pub(crate) fn whole(template: &Value) -> Value {
    let mut template = template.clone();
    fill_template(&mut template);
    template
}

/// The status of a new object: what the API always shows of it is there from the beginning.
pub(crate) fn fill_status(kind: Kind, object: &mut Value) {
    if !object["status"].is_null() {
        return;
    }
    object["status"] = match kind {
        DEPLOYMENTS => json!({}),
        REPLICA_SETS => json!({ "replicas": 0 }),
        STATEFUL_SETS => json!({ "replicas": 0, "availableReplicas": 0 }),
        DAEMON_SETS => json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0,
            "numberReady": 0,
        }),
        _ => return,
    };
}

/// Refuses an object that makes no sense.
pub(crate) fn check(kind: Kind, object: &Value) -> Result<(), ApiError> {
    if !is_workload(kind) {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let wrong = |what: &str| {
        ApiError::new(
            422,
            "Invalid",
            format!("{}.apps \"{name}\" is invalid: {what}", ALL[kind].kind),
        )
    };
    let containers = object["spec"]["template"]["spec"]["containers"].as_array();
    let Some(containers) = containers.filter(|containers| !containers.is_empty()) else {
        return Err(wrong("spec.template.spec.containers: Required value"));
    };
    if containers.iter().any(|one| one["image"].as_str().is_none_or(str::is_empty)) {
        return Err(wrong("spec.template.spec.containers[0].image: Required value"));
    }
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    for (label, value) in
        object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten()
    {
        if labels[label] != *value {
            return Err(wrong(
                "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`",
            ));
        }
    }
    let selector = &object["spec"]["selector"];
    let says_nothing = selector["matchLabels"].as_object().is_none_or(serde_json::Map::is_empty)
        && selector["matchExpressions"].as_array().is_none_or(Vec::is_empty);
    if says_nothing {
        return Err(wrong("spec.selector: Required value"));
    }
    if object["spec"]["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        return Err(wrong("spec.replicas: Invalid value: must be greater than or equal to 0"));
    }
    Ok(())
}
