//! What each role may do in a space, as `lib/cloud_controller/permissions.rb` and the controllers of Cloud Controller have it.

use axum::http::Method;

use super::{call::Call, error::ApiError};
use crate::simulator::fault::Role;

/// Refuses what the role of the login may not do.
pub(crate) fn check(role: Role, call: &Call) -> Result<(), ApiError> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    if call.method == Method::GET {
        let allowed = match path.as_slice() {
            // ROLES_FOR_SPACE_SECRETS_READING
            ["v3", "revisions", _, "environment_variables"] | ["v3", "apps", _, "env"] => {
                role == Role::Developer
            }
            // ROLES_FOR_APP_ENVIRONMENT_VARIABLES_READING
            ["v3", "apps", _, "environment_variables"] => {
                matches!(role, Role::Developer | Role::Supporter)
            }
            _ => true,
        };
        return if allowed { Ok(()) } else { Err(ApiError::not_authorized()) };
    }
    let allowed = match path.as_slice() {
        ["oauth", ..] => true,
        // What supporters may do, too: `untrusted_can_write_to_space?`.
        ["v3", "deployments", ..]
        | ["v3", "apps", _, "actions", _]
        | ["v3", "processes", _, "actions", "scale"]
        | ["v3", "apps", _, "processes", _, "actions", "scale"] => {
            matches!(role, Role::Developer | Role::Supporter)
        }
        _ => role == Role::Developer,
    };
    if allowed { Ok(()) } else { Err(ApiError::not_authorized()) }
}
