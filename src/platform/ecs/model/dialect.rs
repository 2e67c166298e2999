//! The errors of JSON 1.1: a type and a message, nearly all with status 400. The types are those of
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html> and of each operation.

use reqwest::StatusCode;
use serde_json::Value;

use crate::platform::http::exchange::Said;

/// Type and message; either is spelled in two ways, and some servers send both.
fn body(bytes: &[u8]) -> Option<(String, String)> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let text = |names: [&str; 2]| names.iter().find_map(|name| value[*name].as_str());
    let kind = text(["__type", "code"])?.rsplit('#').next()?.split(':').next()?;
    Some((kind.to_owned(), text(["message", "Message"]).unwrap_or_default().to_owned()))
}

/// Type and message of an error.
pub(in crate::platform::ecs) fn said(bytes: &[u8]) -> Option<Said> {
    let (title, detail) = body(bytes)?;
    Some(Said { code: 0, title, detail })
}

/// The status that an error would have elsewhere: what it means is in its type.
pub(in crate::platform::ecs) fn meaning(status: StatusCode, bytes: &[u8]) -> StatusCode {
    if status.is_success() {
        return status;
    }
    let Some((kind, _)) = body(bytes) else { return status };
    match kind.as_str() {
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "IncompleteSignature"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "NotAuthorized" => StatusCode::UNAUTHORIZED,
        "AccessDeniedException" | "AccessDenied" | "OptInRequired" => StatusCode::FORBIDDEN,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded" => StatusCode::TOO_MANY_REQUESTS,
        "ConflictException" | "ConcurrentUpdateException" => StatusCode::CONFLICT,
        missing if missing.ends_with("NotFoundException") => StatusCode::NOT_FOUND,
        _ => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_tell_what_status_400_means() {
        let of = |body: &str| meaning(StatusCode::BAD_REQUEST, body.as_bytes());
        assert_eq!(
            of(r#"{"__type":"com.amazonaws.ecs#ServiceNotFoundException","message":"m"}"#),
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            of(r#"{"__type":"ThrottlingException","Message":"Rate exceeded"}"#),
            StatusCode::TOO_MANY_REQUESTS
        );
        assert_eq!(
            of(r#"{"__type":"ClientException","message":"m","Message":"m"}"#),
            StatusCode::BAD_REQUEST
        );
        assert_eq!(of("<html>"), StatusCode::BAD_REQUEST);
        let said = said(br#"{"__type":"ClientException","message":"a","Message":"a"}"#).unwrap();
        assert_eq!((said.title.as_str(), said.detail.as_str()), ("ClientException", "a"));
    }
}
