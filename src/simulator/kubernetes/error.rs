//! The API server's errors, as `Status` objects.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// An error answer.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    code: u16,
    reason: &'static str,
    message: String,
    pub(super) details: Value,
}

impl ApiError {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: json!({}) }
    }

    /// An error about one object: `deployments.apps "web" not found`.
    fn about(
        code: u16,
        reason: &'static str,
        (plural, group, name): (&str, &str, &str),
        text: impl FnOnce(&str) -> String,
    ) -> Self {
        let mut error = Self::new(code, reason, text(&format!("{} \"{name}\"", of(plural, group))));
        error.details = json!({ "name": name, "group": group, "kind": plural });
        error
    }

    pub(crate) fn not_found(plural: &str, group: &str, name: &str) -> Self {
        Self::about(404, "NotFound", (plural, group, name), |it| format!("{it} not found"))
    }

    pub(crate) fn already_exists(plural: &str, group: &str, name: &str) -> Self {
        Self::about(409, "AlreadyExists", (plural, group, name), |it| {
            format!("{it} already exists")
        })
    }

    /// The server has not reached this revision, as `NewTooLargeResourceVersionError` in
    /// k8s.io/apiserver/pkg/storage/errors.go has it: a time-out with a cause.
    pub(crate) fn future(wanted: &str) -> Self {
        let text = format!("Timeout: Too large resource version: {wanted}, current: 1");
        let mut error = Self::new(504, "Timeout", text);
        error.details = json!({
            "retryAfterSeconds": 1,
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
        });
        error
    }

    /// There is no such API: the one answer that is no `Status`.
    pub(crate) fn unknown_path() -> Self {
        Self::new(404, "", "404 page not found\n")
    }

    pub(crate) fn forbidden(
        user: &str,
        verb: &str,
        plural: &str,
        group: &str,
        place: &str,
    ) -> Self {
        Self::new(
            403,
            "Forbidden",
            format!(
                "{} is forbidden: User \"{user}\" cannot {verb} resource \"{plural}\" in API group \"{group}\" {place}",
                of(plural, group),
            ),
        )
    }

    pub(crate) fn conflict(plural: &str, group: &str, name: &str) -> Self {
        Self::about(409, "Conflict", (plural, group, name), |it| {
            format!(
                "Operation cannot be fulfilled on {it}: the object has been modified; please apply your changes to the latest version and try again"
            )
        })
    }

    /// A delete whose precondition does not hold, as k8s.io/apiserver/pkg/registry/rest/delete.go words it.
    pub(crate) fn precondition(
        (kind, group, name): (&str, &str, &str),
        field: &str,
        (wanted, now): (&Value, &Value),
    ) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (wanted, now) = (text(wanted), text(now));
        let how = if field == "UID" { "deleted and then recreated" } else { "modified" };
        Self::about(409, "Conflict", (kind, group, name), |_| {
            format!(
                "Operation cannot be fulfilled on {kind} \"{name}\": the {field} in the precondition ({wanted}) does not match the {field} in record ({now}). The object might have been {how}"
            )
        })
    }

    /// What a rejected JSON Patch gets: no detail at all.
    pub(crate) fn rejected() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    pub(crate) fn expired(from: u64, now: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {from} ({now})"))
    }

    /// The error that an injected fault of this status stands for.
    pub(crate) fn injected(status: u16) -> Self {
        match status {
            401 => Self::new(401, "Unauthorized", "Unauthorized"),
            403 => Self::new(403, "Forbidden", "the request is forbidden by an injected fault"),
            404 => Self::unknown_path(),
            409 => Self::conflict("deployments", "apps", "it"),
            422 => Self::rejected(),
            429 => Self::new(429, "TooManyRequests", "Too many requests, please try again later."),
            500 => Self::new(500, "InternalError", "Internal error occurred: injected fault"),
            503 => Self::new(
                503,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            other => Self::new(other, "Unknown", format!("injected fault {other}")),
        }
    }

    /// The `Status` object.
    pub(crate) fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": self.details, "code": self.code,
        })
    }
}

/// `deployments.apps`
fn of(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if self.reason.is_empty() {
            return (status, self.message).into_response();
        }
        json_response(status, &self.status())
    }
}

/// An answer in JSON.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
