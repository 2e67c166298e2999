//! Pages: a list in parts, with an opaque token for the next one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{call::Call, error::ApiError};

/// The part of a list that a call asks for, and the token of the next one.
pub(crate) fn part<T>(
    call: &Call,
    all: Vec<T>,
    usual: usize,
    most: usize,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = match &call.body["maxResults"] {
        Value::Null => usual,
        value => match value.as_u64() {
            Some(number @ 1..) if number <= most as u64 => number as usize,
            _ => {
                return Err(ApiError::invalid(format!(
                    "maxResults should be between 1 and {most}."
                )));
            }
        },
    };
    let from = match call.text("nextToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            let number = text.and_then(|text| text.strip_prefix("from ")?.parse().ok());
            number.ok_or_else(|| ApiError::invalid("Invalid token"))?
        }
    };
    let total = all.len();
    let part: Vec<_> = all.into_iter().skip(from).take(size).collect();
    let next = (from + part.len() < total)
        .then(|| URL_SAFE_NO_PAD.encode(format!("from {}", from + part.len())));
    Ok((part, next))
}

/// A page as it is told.
pub(crate) fn told(name: &str, part: Value, next: Option<String>) -> Value {
    let mut told = Value::Object(serde_json::Map::new());
    told[name] = part;
    if let Some(next) = next {
        told["nextToken"] = next.into();
    }
    told
}
