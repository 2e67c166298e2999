//! What carrying a plan out consists of, and the body of a deployment.

use serde_json::{Value, json};

use super::snapshot::Snapshot;
use crate::{
    domain::{Recipe, RolloutId, Step, Strategy},
    platform::{
        cloud_foundry::{
            operate::receipt::{Action, Tracking},
            options::RolloutOptions,
            read::convert,
        },
        operation,
    },
};

/// A recipe of these actions.
pub(super) fn recipe(
    id: String,
    snapshot: &Snapshot,
    actions: Vec<Action>,
    tracking: &Tracking,
) -> Recipe {
    let cancels = matches!(actions.first(), Some(Action::Cancel { .. }));
    let overwrites = actions.iter().any(|action| {
        matches!(action, Action::RestoreEnvironment { .. } | Action::RestoreSidecars { .. })
    });
    let guard = |configuration: bool| {
        // Texts only: it cannot fail to become JSON.
        serde_json::to_value(snapshot.guard(configuration)).unwrap_or_default()
    };
    let steps = actions.into_iter().enumerate().map(|(index, action)| {
        let deploys_late = index > 0 && matches!(action, Action::Deploy { .. });
        let step = action.step(&snapshot.guid, cancels && index > 0);
        // The steps before it may have changed the configuration: that was agreed to.
        Step { guard: deploys_late.then(|| guard(false)), ..step }
    });
    Recipe {
        id,
        guard: guard(overwrites),
        steps: steps.collect(),
        undoes: cancels,
        rollout: tracking.deployment.clone().map(RolloutId::new),
        tracking: tracking.json(),
        ..Recipe::default()
    }
}

/// The body of `POST /v3/deployments`; `what` is the droplet or revision, if any.
pub(super) fn deployment_body(
    snapshot: &Snapshot,
    options: &RolloutOptions,
    what: Option<(&str, &str)>,
    reason: Option<&str>,
    id: &str,
) -> Value {
    let mut body = json!({
        "relationships": { "app": { "data": { "guid": snapshot.guid } } },
        "strategy": options.strategy.to_string(),
        "metadata": { "annotations": { convert::OPERATION: id } },
    });
    if let Some((kind, guid)) = what {
        body[kind] = json!({ "guid": guid });
    }
    if let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) {
        let reason: String = reason.trim().chars().take(4_000).collect();
        body["metadata"]["annotations"][convert::REASON] = json!(reason);
    }
    let mut fields = json!({});
    if let Some(most) = options.max_in_flight {
        fields["max_in_flight"] = json!(most);
    }
    if let Some(instances) = options.instances {
        fields["web_instances"] = json!(instances);
    }
    if options.strategy == Strategy::Canary && !options.steps.is_empty() {
        let steps: Vec<_> =
            options.steps.iter().map(|weight| json!({ "instance_weight": weight })).collect();
        fields["canary"] = json!({ "steps": steps });
    }
    if fields.as_object().is_some_and(|fields| !fields.is_empty()) {
        body["options"] = fields;
    }
    body
}

/// A name for an operation, which marks its deployment.
pub(super) fn new_id() -> String {
    operation::new_id()
}
