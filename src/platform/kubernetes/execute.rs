//! Carrying out a plan, once.

use http::Method;
use serde_json::{Value, json};

use super::{
    Connection, Kubernetes,
    plan::{JSON_PATCH, MANAGER, Recipe},
};
use crate::{
    domain::{Confirmed, Outcome, Receipt, RolloutId, text::clean},
    platform::{Error, Progress, Sent, http::WriteError},
};

pub(super) async fn run(cluster: &Kubernetes, plan: &Confirmed, progress: &Progress) -> Sent {
    let refused = |text: String| Sent::Ended(Outcome::Refused(text));
    let plan = plan.plan();
    let Ok(recipe) = serde_json::from_value::<Recipe>(plan.recipe.clone()) else {
        return refused("this plan cannot be carried out: make it anew".to_owned());
    };
    let now: Value = match cluster.connection.get(&cluster.meter, &recipe.path, &[]).await {
        Ok(now) => now,
        Err(error) => return refused(format!("nothing was sent: {error}")),
    };
    if let Some(what) = changed(&recipe, &now) {
        return refused(format!("CHANGED since the plan was made, so nothing was sent: {what}"));
    }
    let _ = progress.send("patching".to_owned());
    let part = if recipe.status { "/status" } else { "" };
    let address =
        Connection::address(&format!("{}{part}", recipe.path), &[("fieldManager", MANAGER)]);
    let mut tracking = recipe.tracking.clone();
    tracking.sent_at = Some((cluster.now)());
    let receipt = |tracking: &super::plan::Tracking, lost: bool| Receipt {
        app: plan.request.app.clone(),
        name: plan.app.clone(),
        operation: plan.request.operation.clone(),
        rollout: tracking
            .template
            .or(tracking.before)
            .map(|hash| RolloutId::new(format!("{}/{hash:016x}", recipe.uid))),
        lost,
        tracking: serde_json::to_value(tracking).unwrap_or_default(),
    };
    let answer = cluster
        .connection
        .write(&cluster.meter, Method::PATCH, &address, JSON_PATCH, &recipe.patch)
        .await;
    match answer {
        Ok(_) => {}
        Err(WriteError::Lost(error)) => {
            tracing::warn!(%error, "the answer to the patch was lost");
            return Sent::Lost(receipt(&tracking, true));
        }
        Err(WriteError::NoEffect(error)) => return refused(why(cluster, &recipe, error).await),
    }
    for pod in &recipe.pods {
        let _ = progress.send(format!("deleting Pod {pod}, which holds the others up"));
        let namespace = recipe.path.split('/').nth(5).unwrap_or_default();
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let deleted = cluster
            .connection
            .write(&cluster.meter, Method::DELETE, &path, "application/json", &json!({}))
            .await;
        if let Err(WriteError::NoEffect(error) | WriteError::Lost(error)) = deleted {
            let _ =
                progress.send(format!("Pod {pod} was not deleted ({error}): delete it by hand"));
        }
    }
    Sent::Accepted(receipt(&tracking, false))
}

/// What is no longer as it was when the plan was made.
fn changed(recipe: &Recipe, now: &Value) -> Option<String> {
    if now["metadata"]["uid"] != recipe.uid.as_str() {
        return Some("it was deleted and made anew".to_owned());
    }
    (now["metadata"]["generation"].as_i64() != Some(recipe.generation)).then(|| by_whom(now))
}

/// Who changed an object last.
fn by_whom(now: &Value) -> String {
    let managers = now["metadata"]["managedFields"].as_array();
    let theirs = managers
        .into_iter()
        .flatten()
        .filter(|one| one["subresource"].as_str().is_none_or(str::is_empty));
    let last = theirs.max_by_key(|one| one["time"].as_str().unwrap_or_default().to_owned());
    let who =
        last.and_then(|one| one["manager"].as_str()).map_or_else(|| "somebody".to_owned(), clean);
    format!("{who} has changed its specification")
}

/// A rejected patch says nothing: reading again tells whether somebody else was quicker.
async fn why(cluster: &Kubernetes, recipe: &Recipe, error: Error) -> String {
    if let Error::Api { status: 422 | 409, .. } = &error
        && let Ok(now) = cluster.connection.get::<Value>(&cluster.meter, &recipe.path, &[]).await
        && let Some(what) = changed(recipe, &now)
    {
        return format!("CHANGED under the plan, so the server took nothing: {what}");
    }
    error.to_string()
}
