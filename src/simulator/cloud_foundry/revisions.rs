//! Revisions of an app.

use std::collections::BTreeMap;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::{
    apps::apply_metadata,
    call::{Answer, Call, Reply},
    error::ApiError,
    list::{self, Item, Spec},
    present,
    world::{Revision, World},
};

impl Item for &Revision {
    fn guid(&self) -> &str {
        &self.guid
    }
    fn created_at(&self) -> Timestamp {
        self.created_at
    }
    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.metadata.labels)
    }
}

pub(crate) fn list(world: &mut World, call: &Call, index: usize) -> Answer {
    let versions = call.list("versions");
    let app = &*world.app(index);
    let path = format!("/v3/apps/{}/revisions", app.guid);
    let items = app.history.revisions.iter().filter(|revision| {
        versions.as_ref().is_none_or(|versions| versions.contains(&revision.version.to_string()))
    });
    let spec = Spec { path: &path, filters: &["versions", "deployable"], orders: &[] };
    list::page(call, &spec, items, |revision| present::revision(&call.base, app, revision))
        .map(Reply::ok)
}

/// The revisions that the processes of a started app run.
pub(crate) fn deployed(world: &mut World, call: &Call, index: usize) -> Answer {
    let app = &*world.app(index);
    let path = format!("/v3/apps/{}/revisions/deployed", app.guid);
    let items = app.history.revisions.iter().filter(|revision| {
        app.started && app.processes.iter().any(|p| p.revision.as_ref() == Some(&revision.guid))
    });
    let spec = Spec { path: &path, filters: &[], orders: &[] };
    list::page(call, &spec, items, |revision| present::revision(&call.base, app, revision))
        .map(Reply::ok)
}

/// Everything below `/v3/revisions/:guid`.
pub(crate) fn one(world: &mut World, call: &Call, guid: &str, tail: &[&str]) -> Answer {
    let missing = || ApiError::not_found("Revision not found");
    let index = world.owner(guid).ok_or_else(missing)?;
    let (seed, now) = (world.seed, world.now);
    let app = world.app(index);
    let at = app
        .history
        .revisions
        .iter()
        .position(|revision| revision.guid == guid)
        .ok_or_else(missing)?;
    match (&call.method, tail) {
        (&Method::GET, []) => {}
        (&Method::PATCH, []) => {
            let body = call.json_with(&["metadata"])?;
            apply_metadata(&mut app.history.revisions[at].metadata, &body["metadata"])?;
        }
        (&Method::GET, ["environment_variables"]) => {
            let data = json!({ "revision_guid": guid, "revision_version": app.history.revisions[at].version });
            app.record(
                seed,
                now,
                "audit.app.revision.environment_variables.show",
                &call.actor,
                data,
            );
            let own = format!("{}/v3/revisions/{guid}", call.base);
            return Ok(Reply::ok(json!({
                "var": app.history.revisions[at].env,
                "links": {
                    "self": { "href": format!("{own}/environment_variables") }, "revision": { "href": own },
                    "app": { "href": format!("{}/v3/apps/{}", call.base, app.guid) },
                },
            })));
        }
        _ => return Err(ApiError::unknown_request()),
    }
    Ok(Reply::ok(present::revision(&call.base, app, &app.history.revisions[at])))
}
