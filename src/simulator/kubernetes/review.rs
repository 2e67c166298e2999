//! `SelfSubjectAccessReview`: may I? Asked in JSON, or as client-go asks it, in protobuf.

use serde_json::{Value, json};

use super::{
    access::{User, with},
    error::ApiError,
};

/// What a body in protobuf begins with.
const MAGIC: &[u8] = b"k8s\0";
/// The fields of `ResourceAttributes` in `authorization/v1/generated.proto`, from number 1 on.
const ATTRIBUTES: [&str; 7] =
    ["namespace", "verb", "group", "version", "resource", "subresource", "name"];

/// Answers a review.
pub(super) fn answer(user: User, body: &[u8]) -> Result<Value, ApiError> {
    let spec = match body.strip_prefix(MAGIC) {
        Some(message) => binary(message),
        None => serde_json::from_slice::<Value>(body).ok().map(|body| body["spec"].clone()),
    };
    let spec = spec
        .filter(Value::is_object)
        .ok_or_else(|| ApiError::new(400, "BadRequest", "the body of the review cannot be read"))?;
    let asked = &spec["resourceAttributes"];
    let namespace = asked["namespace"].as_str().filter(|name| !name.is_empty());
    let text = |field: &str| asked[field].as_str().unwrap_or_default();
    let resource = with(text("resource"), text("subresource"));
    let allowed = user.allowed(text("verb"), &resource, namespace);
    Ok(json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": spec, "status": { "allowed": allowed },
    }))
}

/// The specification in a `runtime.Unknown`, whose field 2 is the object, whose field 2 is the specification.
fn binary(message: &[u8]) -> Option<Value> {
    let attributes = field(field(field(message, 2)?, 2)?, 1)?;
    let named = (1..).zip(ATTRIBUTES).filter_map(|(number, name)| {
        let text = std::str::from_utf8(field(attributes, number)?).ok()?;
        Some((name.to_owned(), json!(text)))
    });
    Some(json!({ "resourceAttributes": named.collect::<serde_json::Map<_, _>>() }))
}

/// The first field of a number in a message, if it is a text or a message.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match key & 7 {
            0 => drop(varint(&mut message)?),
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (value, rest) = message.split_at_checked(length)?;
                if key >> 3 == wanted {
                    return Some(value);
                }
                message = rest;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, value.len() as u8];
        bytes.extend_from_slice(value);
        bytes
    }

    #[test]
    fn a_review_is_read_in_both_forms() {
        let attributes = [message(1, b"shop"), message(2, b"patch"), message(5, b"deployments")];
        let spec = message(2, &message(1, &attributes.concat()));
        let body = [MAGIC, &message(1, b"type"), &message(2, &spec)].concat();
        let text = br#"{"spec":{"resourceAttributes":{"namespace":"shop","verb":"patch","resource":"deployments"}}}"#;
        for (user, allowed) in [(User::Tenant, true), (User::Viewer, false)] {
            let read = answer(user, &body).unwrap_or_default();
            assert_eq!(read["spec"]["resourceAttributes"]["resource"], "deployments");
            assert_eq!(read["status"]["allowed"], allowed);
            assert_eq!(Some(read), answer(user, text).ok());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for body in [&b"k8s\0\xff\xff"[..], b"k8s\0\x12\x7f", b"", b"[]", b"{}"] {
            assert!(answer(User::Operator, body).is_err());
        }
    }
}
