//! One request and its answer, as the handlers see them: JSON 1.1, where the operation stands in a header.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::error::ApiError;

/// The operations that only read.
const READS: [&str; 5] = ["Describe", "List", "Get", "Discover", "Filter"];

/// A request, taken apart.
#[derive(Debug)]
pub(crate) struct Call {
    /// `ecs`, `application-autoscaling` or `logs`.
    pub(crate) api: &'static str,
    /// Such as `DescribeServices`.
    pub(crate) operation: String,
    pub(crate) body: Value,
}

/// The API and the operation that the header names.
pub(crate) fn target(headers: &HeaderMap) -> Option<(&'static str, String)> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    let (prefix, operation) = target.split_once('.')?;
    let api = match prefix {
        "AmazonEC2ContainerServiceV20141113" => "ecs",
        "AnyScaleFrontendService" => "application-autoscaling",
        "Logs_20140328" => "logs",
        _ => return None,
    };
    Some((api, operation.to_owned()))
}

/// Whether an operation changes nothing.
pub(crate) fn reads(operation: &str) -> bool {
    READS.iter().any(|prefix| operation.starts_with(prefix))
}

impl Call {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| ApiError::invalid(format!("{name} can not be blank.")))
    }

    /// A list of texts; `least` and `most` bound its length.
    pub(crate) fn list(&self, name: &str, most: usize) -> Result<Vec<&str>, ApiError> {
        let list = self.body[name].as_array().map(Vec::as_slice).unwrap_or_default();
        if list.is_empty() {
            return Err(ApiError::invalid(format!("{name} cannot be empty.")));
        }
        if list.len() > most {
            return Err(ApiError::invalid(format!("{name} can have at most {most} items.")));
        }
        Ok(list.iter().filter_map(Value::as_str).collect())
    }
}

/// An answer as every one is dressed.
pub(crate) fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    let json = HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let id = format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        fastrand::u32(..),
        fastrand::u16(..),
        fastrand::u16(..),
        fastrand::u16(..),
        fastrand::u64(..) & 0xffff_ffff_ffff
    );
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

pub(crate) type Answer = Result<Value, ApiError>;
