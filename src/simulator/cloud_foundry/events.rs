//! Audit events: who did what to which app.

use jiff::Timestamp;

use super::{
    call::{Answer, Call, Reply},
    error::ApiError,
    list::{self, Item, Spec},
    present,
    uaa::Uaa,
    world::{App, AuditEvent, World},
};

struct Shown<'a> {
    app: &'a App,
    event: &'a AuditEvent,
}

impl Item for Shown<'_> {
    fn guid(&self) -> &str {
        &self.event.guid
    }
    fn created_at(&self) -> Timestamp {
        self.event.at
    }
}

pub(crate) fn list(world: &mut World, call: &Call, uaa: &Uaa) -> Answer {
    let (targets, types) = (call.list("target_guids"), call.list("types"));
    let (spaces, orgs) = (call.list("space_guids"), call.list("organization_guids"));
    for index in
        targets.iter().flatten().filter_map(|guid| world.app_index(guid)).collect::<Vec<_>>()
    {
        world.app(index);
    }
    let has = |wanted: &Option<Vec<String>>, word: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|one| one == word))
    };
    let mut items: Vec<_> = world
        .apps
        .iter()
        .filter(|app| {
            let space = &world.spaces[app.space];
            has(&targets, &app.guid)
                && has(&spaces, &space.guid)
                && has(&orgs, &world.orgs[space.org].guid)
        })
        .flat_map(|app| app.history.events.iter().map(move |event| Shown { app, event }))
        .filter(|shown| has(&types, &shown.event.kind))
        .collect();
    items.sort_by_key(|shown| shown.event.at);
    let filters = ["target_guids", "types", "space_guids", "organization_guids"];
    let spec = Spec { path: "/v3/audit_events", filters: &filters, orders: &[] };
    let show = |shown: &Shown<'_>| {
        let space = &world.spaces[shown.app.space];
        let places = (space.guid.as_str(), world.orgs[space.org].guid.as_str());
        present::event(
            &call.base,
            shown.app,
            shown.event,
            places,
            &uaa.user_guid(&shown.event.actor),
        )
    };
    list::page(call, &spec, items.into_iter(), show).map(Reply::ok)
}

pub(crate) fn one(world: &mut World, call: &Call, guid: &str, uaa: &Uaa) -> Answer {
    let missing = || ApiError::not_found("Event not found");
    let index = world.owner(guid).ok_or_else(missing)?;
    let app = &world.apps[index];
    let event = app.history.events.iter().find(|event| event.guid == guid).ok_or_else(missing)?;
    let space = &world.spaces[app.space];
    let places = (space.guid.as_str(), world.orgs[space.org].guid.as_str());
    Ok(Reply::ok(present::event(&call.base, app, event, places, &uaa.user_guid(&event.actor))))
}
