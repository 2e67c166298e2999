//! The error bodies of the Kubernetes API, which are objects of the kind `Status`:
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>.

use serde::Deserialize;

use crate::platform::http::exchange::Said;

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

/// The reason of a cause that says which disruption budget is in the way (`policy/v1`, `DisruptionBudgetCause`).
const DISRUPTION_BUDGET: &str = "DisruptionBudget";

/// Reason and message of a `Status`.
pub(in crate::platform) fn said(body: &[u8]) -> Option<Said> {
    // A group that is not installed is answered in plain text.
    if body.starts_with(b"404 page not found") {
        let detail = "it does not have this API".to_owned();
        return Some(Said { detail, ..Said::default() });
    }
    let Status { mut message, reason, details } = serde_json::from_slice(body).ok()?;
    let causes = details.map(|details| details.causes).unwrap_or_default();
    // The message itself does not say which.
    for cause in causes.iter().filter(|cause| cause.reason == DISRUPTION_BUDGET) {
        message = format!("{} {}", message.trim_end(), cause.message).trim().to_owned();
    }
    Some(Said { code: 0, title: reason, detail: message })
}
