//! Organizations, spaces and their quotas.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Reply},
    error::ApiError,
    list::{self, Item, Spec},
    present,
    world::{Org, Space, World},
};
use crate::simulator::guid::{self, Kind};

impl Item for &Org {
    fn guid(&self) -> &str {
        &self.guid
    }
    fn created_at(&self) -> Timestamp {
        self.created_at
    }
    fn field(&self, _: &str) -> String {
        self.name.clone()
    }
}

impl Item for &Space {
    fn guid(&self) -> &str {
        &self.guid
    }
    fn created_at(&self) -> Timestamp {
        self.created_at
    }
    fn field(&self, _: &str) -> String {
        self.name.clone()
    }
}

impl World {
    pub(crate) fn org_quota(&self, org: usize) -> String {
        guid::make(self.seed, Kind::Quota, org, 1)
    }

    pub(crate) fn space_quota(&self, space: usize) -> Option<String> {
        let of = &self.spaces[space];
        let limited = of.memory_limit.is_some() || of.instance_limit.is_some();
        limited.then(|| guid::make(self.seed, Kind::Quota, space, 2))
    }

    pub(crate) fn show_org(&self, base: &str, org: &Org) -> Value {
        let index = self.orgs.iter().position(|other| other.guid == org.guid).unwrap_or(0);
        present::org(base, org, &self.org_quota(index))
    }

    pub(crate) fn show_space(&self, base: &str, space: &Space) -> Value {
        let index = self.spaces.iter().position(|other| other.guid == space.guid).unwrap_or(0);
        present::space(base, space, &self.orgs[space.org], self.space_quota(index).as_deref())
    }
}

pub(crate) fn list_orgs(world: &World, call: &Call) -> Answer {
    let names = call.list("names");
    let items = world
        .orgs
        .iter()
        .filter(|org| names.as_ref().is_none_or(|names| names.contains(&org.name)));
    let spec = Spec { path: "/v3/organizations", filters: &["names"], orders: &["name"] };
    list::page(call, &spec, items, |org| world.show_org(&call.base, org)).map(Reply::ok)
}

pub(crate) fn org(world: &World, call: &Call, guid: &str, tail: &[&str]) -> Answer {
    let index = world.orgs.iter().position(|org| org.guid == guid);
    let index = index.ok_or_else(|| ApiError::not_found("Organization not found"))?;
    match tail {
        [] => Ok(Reply::ok(world.show_org(&call.base, &world.orgs[index]))),
        ["usage_summary"] => {
            let here = |space: usize| world.spaces[space].org == index;
            Ok(Reply::ok(usage(world, &format!("{}/v3/organizations/{guid}", call.base), here)))
        }
        ["domains", "default"] => Ok(Reply::ok(super::places::domain(call))),
        ["domains"] => {
            Ok(super::places::domains(call, &format!("/v3/organizations/{guid}/domains")))
        }
        _ => Err(ApiError::unknown_request()),
    }
}

pub(crate) fn list_spaces(world: &World, call: &Call) -> Answer {
    let (names, orgs) = (call.list("names"), call.list("organization_guids"));
    check_include(call, &["organization", "org"])?;
    let items = world.spaces.iter().filter(|space| {
        names.as_ref().is_none_or(|names| names.contains(&space.name))
            && orgs.as_ref().is_none_or(|orgs| orgs.contains(&world.orgs[space.org].guid))
    });
    let filters = ["names", "organization_guids", "include"];
    let spec = Spec { path: "/v3/spaces", filters: &filters, orders: &["name"] };
    let mut body = list::page(call, &spec, items, |space| world.show_space(&call.base, space))?;
    if call.param("include").is_some() {
        let orgs: Vec<_> = world.orgs.iter().map(|org| world.show_org(&call.base, org)).collect();
        body["included"] = json!({ "organizations": orgs });
    }
    Ok(Reply::ok(body))
}

pub(crate) fn space(world: &World, call: &Call, guid: &str, tail: &[&str]) -> Answer {
    let index = world.spaces.iter().position(|space| space.guid == guid);
    let index = index.ok_or_else(|| ApiError::not_found("Space not found"))?;
    match tail {
        [] => Ok(Reply::ok(world.show_space(&call.base, &world.spaces[index]))),
        ["usage_summary"] => {
            let own = format!("{}/v3/spaces/{guid}", call.base);
            Ok(Reply::ok(usage(world, &own, |space| space == index)))
        }
        ["features", "ssh"] => Ok(Reply::ok(
            json!({ "name": "ssh", "description": "Enable SSHing into apps in the space.", "enabled": true }),
        )),
        _ => Err(ApiError::unknown_request()),
    }
}

fn usage(world: &World, own: &str, here: impl Fn(usize) -> bool) -> Value {
    let instances = world.instances_started(&here);
    json!({
        "usage_summary": {
            "started_instances": instances, "memory_in_mb": world.memory_used(&here), "routes": 0,
            "service_instances": 0, "reserved_ports": 0, "domains": 0, "per_app_tasks": 0, "service_keys": 0,
        },
        "links": { "self": { "href": format!("{own}/usage_summary") } },
    })
}

fn quota(
    call: &Call,
    guid: &str,
    kind: &str,
    name: &str,
    (memory, instances): (Option<u64>, Option<u32>),
    at: Timestamp,
) -> Value {
    json!({
        "guid": guid, "name": name, "created_at": present::time(at), "updated_at": present::time(at),
        "apps": {
            "total_memory_in_mb": memory, "per_process_memory_in_mb": null, "total_instances": instances,
            "per_app_tasks": null, "log_rate_limit_in_bytes_per_second": null,
        },
        "services": { "paid_services_allowed": true, "total_service_instances": null, "total_service_keys": null },
        "routes": { "total_routes": null, "total_reserved_ports": null },
        "relationships": {},
        "links": { "self": { "href": format!("{}/v3/{kind}/{guid}", call.base) } },
    })
}

pub(crate) fn org_quota(world: &World, call: &Call, guid: &str) -> Answer {
    let index = (0..world.orgs.len()).find(|index| world.org_quota(*index) == guid);
    let org =
        &world.orgs[index.ok_or_else(|| ApiError::not_found("Organization quota not found"))?];
    let mut shown = quota(
        call,
        guid,
        "organization_quotas",
        &org.name,
        (org.memory_limit, org.instance_limit),
        org.created_at,
    );
    shown["domains"] = json!({ "total_domains": null });
    shown["relationships"] = json!({ "organizations": { "data": [{ "guid": org.guid }] } });
    Ok(Reply::ok(shown))
}

pub(crate) fn space_quota(world: &World, call: &Call, guid: &str) -> Answer {
    let index =
        (0..world.spaces.len()).find(|index| world.space_quota(*index).as_deref() == Some(guid));
    let space = &world.spaces[index.ok_or_else(|| ApiError::not_found("Space quota not found"))?];
    let mut shown = quota(
        call,
        guid,
        "space_quotas",
        &space.name,
        (space.memory_limit, space.instance_limit),
        space.created_at,
    );
    shown["relationships"] = json!({
        "organization": { "data": { "guid": world.orgs[space.org].guid } },
        "spaces": { "data": [{ "guid": space.guid }] },
    });
    Ok(Reply::ok(shown))
}

/// Refuses what cannot be included.
pub(crate) fn check_include(call: &Call, known: &[&str]) -> Result<(), ApiError> {
    for wanted in call.list("include").unwrap_or_default() {
        if !known.contains(&wanted.as_str()) {
            let known: Vec<_> = known.iter().map(|name| format!("'{name}'")).collect();
            return Err(ApiError::bad_query(format!(
                "Invalid included resource: '{wanted}'. Valid included resources are: {}",
                known.join(", ")
            )));
        }
    }
    Ok(())
}
