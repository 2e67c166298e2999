//! The platform's errors, as the API words them.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// An error answer of Cloud Controller.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: u16,
    code: u32,
    title: &'static str,
    detail: String,
}

impl ApiError {
    pub(crate) fn new(
        status: u16,
        code: u32,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, code, title, detail: detail.into() }
    }

    pub(crate) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(422, 10_008, "CF-UnprocessableEntity", detail)
    }

    /// `detail` names what was not found, as in `App not found`.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, 10_010, "CF-ResourceNotFound", detail)
    }

    pub(crate) fn unknown_request() -> Self {
        Self::new(404, 10_000, "CF-NotFound", "Unknown request")
    }

    pub(crate) fn bad_query(detail: impl Into<String>) -> Self {
        Self::new(
            400,
            10_005,
            "CF-BadQueryParameter",
            format!("The query parameter is invalid: {}", detail.into()),
        )
    }

    pub(crate) fn bad_json() -> Self {
        Self::new(
            400,
            1_001,
            "CF-MessageParseError",
            "Request invalid due to parse error: invalid request body",
        )
    }

    pub(crate) fn not_authenticated() -> Self {
        Self::new(401, 10_002, "CF-NotAuthenticated", "Authentication error")
    }

    pub(crate) fn invalid_token() -> Self {
        Self::new(401, 1_000, "CF-InvalidAuthToken", "Invalid Auth Token")
    }

    pub(crate) fn not_authorized() -> Self {
        Self::injected(403)
    }

    /// The runtime cannot be asked for instances (`bbs_instances_client.rb`).
    pub(crate) fn no_instances() -> Self {
        Self::new(
            503,
            220_002,
            "CF-InstancesUnavailable",
            "Instances information unavailable: The LRP BBS cannot be reached",
        )
    }

    /// The error that an injected fault of this status stands for.
    pub(crate) fn injected(status: u16) -> Self {
        match status {
            401 => Self::invalid_token(),
            403 => Self::new(
                403,
                10_003,
                "CF-NotAuthorized",
                "You are not authorized to perform the requested action",
            ),
            404 => Self::not_found("Resource not found"),
            422 => Self::unprocessable("Injected fault."),
            429 => Self::new(429, 10_013, "CF-RateLimitExceeded", "Rate Limit Exceeded"),
            503 => Self::new(503, 10_015, "CF-ServiceUnavailable", "Service unavailable"),
            500 => Self::new(500, 10_001, "UnknownError", "An unknown error occurred."),
            other => Self::new(other, 10_001, "UnknownError", format!("Injected fault {other}.")),
        }
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "errors": [{ "code": self.code, "title": self.title, "detail": self.detail }] });
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body.to_string()).into_response();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}
