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

/// A roll back to a revision makes sidecars of the buildpack the app's own (`deployment_target_state.rb`), and what is deployed
/// after it brings them a second time (`sidecar_synchronize_from_app_droplet.rb`).
const SIDECAR: &str = "conflicts with an existing user-defined sidecar";
const DELETE_IT: &str = " Delete the app's own first: `cf curl /v3/apps/GUID/sidecars`, `cf curl -X DELETE /v3/sidecars/GUID`.";

/// The first error's number and name, and what all of them say.
pub(in crate::platform::cloud_foundry) fn said(body: &[u8]) -> Option<Said> {
    let Errors { errors } = serde_json::from_slice(body).ok()?;
    let details: Vec<_> = errors.iter().map(|one| one.detail.as_str()).collect();
    let mut detail = details.join("; ");
    if detail.contains(SIDECAR) {
        detail.push_str(DELETE_IT);
    }
    let first = errors.into_iter().next()?;
    Some(Said { code: first.code, title: first.title, detail })
}
