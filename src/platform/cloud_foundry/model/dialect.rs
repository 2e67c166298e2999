//! The error bodies of Cloud Foundry's API v3, `{"errors":[{code,title,detail}]}`:
//! <https://v3-apidocs.cloudfoundry.org/#errors>.

use serde::Deserialize;

use crate::platform::http::exchange::Said;

#[derive(Deserialize)]
struct Errors {
    errors: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

/// The first error's number and name, and what all of them say.
pub(in crate::platform::cloud_foundry) fn said(body: &[u8]) -> Option<Said> {
    let Errors { errors } = serde_json::from_slice(body).ok()?;
    let details: Vec<_> = errors.iter().map(|one| one.detail.as_str()).collect();
    let detail = details.join("; ");
    let first = errors.into_iter().next()?;
    Some(Said { code: first.code, title: first.title, detail })
}
