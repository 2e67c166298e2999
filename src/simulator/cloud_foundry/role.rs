//! What each role may do in a space, as `lib/cloud_controller/permissions.rb` and the controllers of Cloud Controller have it.

use axum::http::Method;

use jiff::Timestamp;
use serde_json::json;

use super::{
    call::{Answer, Call, Reply},
    error::ApiError,
    list::{self, Item, Spec},
    present::time,
    uaa::Uaa,
    world::{Space, World},
};
use crate::simulator::fault::Role;

/// A role of the caller in a space.
struct Held<'a>(String, &'a Space);

impl Item for Held<'_> {
    fn guid(&self) -> &str {
        &self.0
    }
    fn created_at(&self) -> Timestamp {
        self.1.created_at
    }
}

/// `GET /v3/roles`: those of the caller, who has the same one in every space (CAPI V3, "List roles"; `roles_controller.rb`).
pub(crate) fn list(world: &World, call: &Call, uaa: &Uaa) -> Answer {
    let kind = match call.role {
        Role::Auditor => "space_auditor",
        Role::Supporter => "space_supporter",
        Role::Manager => "space_manager",
        Role::Developer => "space_developer",
    };
    let user = uaa.user_guid(&call.actor);
    let wanted =
        |name: &str, own: &str| call.list(name).is_none_or(|all| all.iter().any(|one| one == own));
    let mine = wanted("user_guids", &user) && wanted("types", kind);
    let spaces = world.spaces.iter().filter(|space| mine && wanted("space_guids", &space.guid));
    // A role is told apart by its space here: there is one in each.
    let held = spaces.map(|space| Held(format!("role-{}", space.guid), space));
    let filters = ["types", "user_guids", "space_guids", "organization_guids", "include"];
    let spec = Spec { path: "/v3/roles", filters: &filters, orders: &[] };
    let body = list::page(call, &spec, held, |Held(guid, space)| {
        json!({
            "guid": guid, "created_at": time(space.created_at), "updated_at": time(space.created_at), "type": kind,
            "relationships": {
                "user": { "data": { "guid": user } }, "organization": { "data": null },
                "space": { "data": { "guid": space.guid } },
            },
            "links": { "self": { "href": format!("{}/v3/roles/{guid}", call.base) } },
        })
    })?;
    Ok(Reply::ok(body))
}

/// Refuses what the role of the login may not do.
pub(crate) fn check(call: &Call) -> Result<(), ApiError> {
    let role = call.role;
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
