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
}

/// Reason and message of a `Status`.
pub(in crate::platform) fn said(body: &[u8]) -> Option<Said> {
    // A group that is not installed is answered in plain text.
    if body.starts_with(b"404 page not found") {
        let detail = "it does not have this API".to_owned();
        return Some(Said { detail, ..Said::default() });
    }
    let Status { message, reason } = serde_json::from_slice(body).ok()?;
    Some(Said { code: 0, title: reason, detail: message })
}
