//! Deployments: the requests about them.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    apps::apply_metadata,
    call::{Answer, Call, Reply},
    deploy::Wish,
    error::ApiError,
    list::{self, Item, Spec},
    present,
    world::{App, Deployment, World},
};

/// The versions of the API with which options and canary deployments came.
const OPTIONS: (u32, u32) = (3, 164);
const CANARY: (u32, u32) = (3, 173);

struct Shown<'a> {
    app: &'a App,
    deployment: &'a Deployment,
}

impl Item for Shown<'_> {
    fn guid(&self) -> &str {
        &self.deployment.guid
    }
    fn created_at(&self) -> Timestamp {
        self.deployment.created_at
    }
    fn updated_at(&self) -> Timestamp {
        self.deployment.updated_at
    }
    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.deployment.metadata.labels)
    }
}

pub(crate) fn list(world: &mut World, call: &Call) -> Answer {
    let apps = call.list("app_guids");
    let (states, values, reasons) =
        (call.list("states"), call.list("status_values"), call.list("status_reasons"));
    for index in apps.iter().flatten().filter_map(|guid| world.app_index(guid)).collect::<Vec<_>>()
    {
        world.app(index);
    }
    let has = |wanted: &Option<Vec<String>>, word: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|one| one == word))
    };
    let items = world
        .apps
        .iter()
        .filter(|app| has(&apps, &app.guid))
        .flat_map(|app| {
            app.history.deployments.iter().map(move |deployment| Shown { app, deployment })
        })
        .filter(|shown| {
            has(&states, shown.deployment.stage.word())
                && has(&values, shown.deployment.value())
                && has(&reasons, shown.deployment.reason())
        });
    let mut items: Vec<_> = items.collect();
    items.sort_by_key(|shown| shown.deployment.created_at);
    let filters = ["app_guids", "states", "status_values", "status_reasons"];
    let spec = Spec { path: "/v3/deployments", filters: &filters, orders: &[] };
    let show = |shown: &Shown<'_>| presented(call, shown.app, shown.deployment);
    list::page(call, &spec, items.into_iter(), show).map(Reply::ok)
}

/// A deployment as this version of the API shows it.
fn presented(call: &Call, app: &App, deployment: &Deployment) -> Value {
    let mut shown = present::deployment(&call.base, app, deployment);
    if call.api < OPTIONS
        && let Some(shown) = shown.as_object_mut()
    {
        shown.remove("options");
    }
    shown
}

pub(crate) fn create(world: &mut World, call: &Call) -> Answer {
    let mut known = vec!["relationships", "droplet", "revision", "strategy", "metadata"];
    if call.api >= OPTIONS {
        known.push("options");
    }
    let body = call.json_with(&known)?;
    let wish = wish(&body, call.api >= CANARY)?;
    let guid = body["relationships"]["app"]["data"]["guid"].as_str().unwrap_or_default();
    let index = world.app_index(guid).ok_or_else(|| {
        ApiError::unprocessable(
            "Unable to use app. Ensure that the app exists and you have access to it.",
        )
    })?;
    let guid = world.deploy(index, &wish, &call.actor)?;
    let app = &world.apps[index];
    let made = app.history.deployments.iter().find(|deployment| deployment.guid == guid);
    let shown = made.map(|deployment| presented(call, app, deployment));
    Ok(Reply::status(StatusCode::CREATED, shown.unwrap_or_default()))
}

/// Reads and checks a request; what is wrong is listed in one detail.
fn wish(body: &Value, has_canary: bool) -> Result<Wish, ApiError> {
    let mut wrong = Vec::new();
    let text = |value: &Value| value["guid"].as_str().map(str::to_owned);
    let strategy = body.get("strategy").filter(|value| !value.is_null());
    let canary = match strategy {
        None => false,
        Some(Value::String(word)) if word == "rolling" => false,
        Some(Value::String(word)) if word == "canary" && has_canary => true,
        Some(other) => {
            let word = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            wrong.push(format!("Strategy '{word}' is not a supported deployment strategy"));
            false
        }
    };
    let (droplet, revision) = (text(&body["droplet"]), text(&body["revision"]));
    if droplet.is_some() && revision.is_some() {
        wrong.push("Droplet Cannot set both fields 'droplet' and 'revision'".to_owned());
    }
    let empty = Value::Null;
    let options = body.get("options").unwrap_or(&empty);
    let known = [
        "max_in_flight",
        "web_instances",
        "memory_in_mb",
        "disk_in_mb",
        "log_rate_limit_in_bytes_per_second",
        "canary",
    ];
    let unknown: Vec<_> = options
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys())
        .filter(|key| !known.contains(&key.as_str()))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        wrong.push(format!("Options has unsupported key(s): {}", unknown.join(", ")));
    }
    let in_flight = &options["max_in_flight"];
    let max_in_flight = match (in_flight, in_flight.as_u64()) {
        (Value::Null, _) => 1,
        (_, Some(number @ 1..)) => number.min(u64::from(u32::MAX)) as u32,
        _ => {
            wrong.push("Max in flight must be an integer greater than 0".to_owned());
            1
        }
    };
    let web = &options["web_instances"];
    match web {
        Value::Null => {}
        Value::Number(number) if number.as_u64().is_some() => {}
        Value::Number(_) => {
            wrong.push("Web instances must be greater than or equal to 0".to_owned());
        }
        _ => wrong.push("Web instances is not a number".to_owned()),
    }
    for (name, shown) in [("memory_in_mb", "Memory in mb"), ("disk_in_mb", "Disk in mb")] {
        if !options[name].is_null() && options[name].as_u64().is_none_or(|number| number == 0) {
            wrong.push(format!("{shown} must be greater than 0"));
        }
    }
    let steps = steps(&options["canary"], canary, &mut wrong);
    if !wrong.is_empty() {
        return Err(ApiError::unprocessable(wrong.join(", ")));
    }
    let mut metadata = super::world::Metadata::default();
    apply_metadata(&mut metadata, &body["metadata"])?;
    let mut request = body.clone();
    request["metadata"] = Value::Null;
    Ok(Wish {
        droplet,
        revision,
        canary,
        steps,
        max_in_flight,
        web_instances: web.as_u64().map(|number| number as u32),
        memory: options["memory_in_mb"].as_u64(),
        disk: options["disk_in_mb"].as_u64(),
        log_rate: options["log_rate_limit_in_bytes_per_second"].as_i64(),
        metadata,
        request,
    })
}

fn steps(options: &Value, canary: bool, wrong: &mut Vec<String>) -> Vec<u64> {
    if options.is_null() {
        return Vec::new();
    }
    if !canary {
        wrong.push("Options canary are only valid for Canary deployments".to_owned());
        return Vec::new();
    }
    let Some(listed) = options["steps"].as_array() else {
        if !options["steps"].is_null() {
            wrong.push("Options canary steps must be an array of objects".to_owned());
        }
        return Vec::new();
    };
    let mut weights = Vec::new();
    for step in listed {
        let Some(step) = step.as_object() else {
            wrong.push("Options canary steps must be an array of objects".to_owned());
            return Vec::new();
        };
        let Some(weight) = step.get("instance_weight") else {
            wrong.push("Options canary steps missing key: \"instance_weight\"".to_owned());
            return Vec::new();
        };
        let Some(weight) = weight.as_u64().filter(|weight| (1..=100).contains(weight)) else {
            wrong.push(
                "Options canary steps instance weight must be an Integer between 1-100 (inclusive)"
                    .to_owned(),
            );
            return Vec::new();
        };
        weights.push(weight);
    }
    if !weights.is_sorted() {
        wrong.push("Options canary steps must be sorted in ascending order".to_owned());
    }
    weights
}

/// Everything below `/v3/deployments/:guid`.
pub(crate) fn one(world: &mut World, call: &Call, guid: &str, tail: &[&str]) -> Answer {
    let missing = || ApiError::not_found("Deployment not found");
    let index = world.owner(guid).ok_or_else(missing)?;
    let now = world.now;
    let app = world.app(index);
    let at = app.history.deployments.iter().position(|deployment| deployment.guid == guid);
    let at = at.ok_or_else(missing)?;
    match (&call.method, tail) {
        (&Method::GET, []) => {}
        (&Method::PATCH, []) => {
            let body = call.json_with(&["metadata"])?;
            apply_metadata(&mut app.history.deployments[at].metadata, &body["metadata"])?;
            app.history.deployments[at].updated_at = now;
        }
        (&Method::POST, ["actions", "cancel"]) => {
            world.cancel(index, guid, &call.actor)?;
            return Ok(Reply::empty(StatusCode::OK));
        }
        (&Method::POST, ["actions", "continue"]) => {
            world.go_on(index, guid, &call.actor)?;
            return Ok(Reply::empty(StatusCode::OK));
        }
        _ => return Err(ApiError::unknown_request()),
    }
    let app = &world.apps[index];
    Ok(Reply::ok(presented(call, app, &app.history.deployments[at])))
}
