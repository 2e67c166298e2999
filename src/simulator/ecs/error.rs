//! The platform's errors: a type and a sentence, as JSON 1.1 has them.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::call::answer;

/// An error answer.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: u16,
    kind: &'static str,
    message: String,
}

impl ApiError {
    /// One of the client's making; all of them have status 400.
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, kind, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(crate) fn client(message: impl Into<String>) -> Self {
        Self::new("ClientException", message)
    }

    /// The error that an injected fault of this status stands for.
    pub(crate) fn injected(status: u16, operation: &str) -> Self {
        match status {
            401 => Self::new(
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ),
            403 => Self::denied(operation),
            404 => Self::new("ServiceNotFoundException", "Service not found."),
            409 => Self::new(
                "ConflictException",
                "The request could not be processed because of conflict in the current state of the resource.",
            ),
            422 => Self::invalid("Injected fault."),
            429 => Self::throttled(),
            503 => Self {
                status,
                kind: "ServiceUnavailable",
                message: "Service Unavailable".to_owned(),
            },
            500 => Self {
                status,
                kind: "ServerException",
                message: "Service Unavailable. Please try again later.".to_owned(),
            },
            other => Self {
                status: other,
                kind: "ServerException",
                message: format!("Injected fault {other}."),
            },
        }
    }

    /// What is said where requests come too fast.
    pub(crate) fn throttled() -> Self {
        Self::new("ThrottlingException", "Rate exceeded")
    }

    /// What IAM says of an operation that no policy allows.
    pub(crate) fn denied(operation: &str) -> Self {
        Self::new(
            "AccessDeniedException",
            format!(
                "User: arn:aws:iam::{}:user/operator is not authorized to perform: ecs:{operation} on resource: * because no identity-based policy allows the ecs:{operation} action",
                super::world::ACCOUNT
            ),
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer(status, &json!({ "__type": self.kind, "message": self.message }))
    }
}
