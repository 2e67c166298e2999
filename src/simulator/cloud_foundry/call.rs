//! One request and its answer, as the handlers see them.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::error::ApiError;
use crate::simulator::fault::Role;

/// A request, taken apart.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Percent-decoded path segments.
    pub(crate) path: Vec<String>,
    /// Percent-decoded query parameters in their order.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: String,
    /// Who calls, from the access token.
    pub(crate) actor: String,
    /// `http://HOST:PORT`, for links.
    pub(crate) base: String,
    /// The version of the API.
    pub(crate) api: (u32, u32),
    /// Whether the runtime cannot be asked for instances.
    pub(crate) diego_is_away: bool,
    /// What the caller is in every space.
    pub(crate) role: Role,
}

impl Call {
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The values of a comma-separated parameter; a comma in a value is written `%2C` once more.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        let value = self.param(name)?;
        Some(value.split(',').map(|part| part.replace("%2C", ",").replace("%2c", ",")).collect())
    }

    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        match serde_json::from_str(&self.body) {
            Ok(Value::Object(map)) => Ok(Value::Object(map)),
            _ => Err(ApiError::bad_json()),
        }
    }

    /// The body, refused where it has keys that are not known.
    pub(crate) fn json_with(&self, known: &[&str]) -> Result<Value, ApiError> {
        let body = self.json()?;
        let unknown: Vec<_> = body
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys())
            .filter(|key| !known.contains(&key.as_str()))
            .map(|key| format!("'{key}'"))
            .collect();
        if unknown.is_empty() {
            return Ok(body);
        }
        Err(ApiError::unprocessable(format!("Unknown field(s): {}", unknown.join(", "))))
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Value>,
    pub(crate) headers: HeaderMap,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self::status(StatusCode::OK, body)
    }

    pub(crate) fn status(status: StatusCode, body: Value) -> Self {
        Self { status, body: Some(body), headers: HeaderMap::new() }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, body: None, headers: HeaderMap::new() }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        let mut response = match self.body {
            Some(body) => {
                let mut response = (self.status, body.to_string()).into_response();
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
            None => self.status.into_response(),
        };
        response.headers_mut().extend(self.headers);
        response
    }
}

pub(crate) type Answer = Result<Reply, ApiError>;
