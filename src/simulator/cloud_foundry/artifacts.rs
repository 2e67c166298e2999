//! Packages, builds and droplets: how code becomes something that can be deployed.

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    build::expire_droplets,
    call::{Answer, Call, Reply},
    error::ApiError,
    health::Health,
    list::{self, Item, Spec},
    present,
    uaa::Uaa,
    world::{App, Build, Droplet, Package, World},
};
use crate::simulator::{clock::after, guid::Kind};

/// Simulated seconds that processing an upload and staging take.
const PROCESSING: f64 = 2.0;
const STAGING: f64 = 8.0;

struct Shown<'a, T> {
    app: &'a App,
    thing: &'a T,
}

macro_rules! items {
    ($($kind:ty),*) => {$(
        impl Item for Shown<'_, $kind> {
            fn guid(&self) -> &str {
                &self.thing.guid
            }
            fn created_at(&self) -> Timestamp {
                self.thing.created_at
            }
        }
    )*};
}
items!(Droplet, Package, Build);

impl World {
    /// Makes droplets of the builds whose staging is over.
    pub(crate) fn finish_staging(&mut self) {
        let (seed, now) = (self.seed, self.now);
        for index in self.staging.iter().copied().collect::<Vec<_>>() {
            let app = &mut self.apps[index];
            let mut waiting = false;
            for at in 0..app.history.builds.len() {
                let build = &app.history.builds[at];
                if build.droplet.is_some() || build.error.is_some() {
                    continue;
                }
                if build.done_at > now {
                    waiting = true;
                    continue;
                }
                let (done, package) = (build.done_at, build.package.clone());
                let package = app.history.packages.iter().find(|one| one.guid == package).cloned();
                let fails = package.as_ref().is_some_and(|package| package.staging_fails)
                    || app.env.get("SIMULATE").is_some_and(|word| word == "staging-failure");
                if let Some(why) = package.as_ref().and_then(unread) {
                    app.history.builds[at].error = Some(why.to_owned());
                    app.note(done, "STG", "Failed to talk to docker registry: unauthorized");
                    continue;
                }
                if fails {
                    app.history.builds[at].error =
                        Some("BuildpackCompileFailed - App staging failed in the buildpack compile phase".to_owned());
                    app.note(done, "STG", "Failed to compile droplet: exit status 223");
                    continue;
                }
                let guid = app.new_guid(seed, Kind::Droplet);
                app.history.droplets.push(Droplet {
                    guid: guid.clone(),
                    expired: false,
                    health: package
                        .as_ref()
                        .and_then(|package| package.health.clone())
                        .unwrap_or_default(),
                    image: package.as_ref().and_then(|package| package.docker.clone()),
                    package: package.map(|package| package.guid),
                    created_at: done,
                });
                expire_droplets(app);
                app.note(done, "STG", "Exit status 0");
                app.note(done, "STG", "Uploading droplet, build artifacts cache...");
                app.history.builds[at].droplet = Some(guid.clone());
                app.record(
                    seed,
                    done,
                    "audit.app.build.staged",
                    "ci",
                    json!({ "droplet_guid": guid }),
                );
            }
            if !waiting {
                self.staging.remove(&index);
            }
        }
    }

    /// Bytes that were uploaded for a package. A file named `simulate` in the zip says how the app will fare.
    fn receive(&mut self, guid: &str, bytes: &[u8]) -> Result<(), ApiError> {
        let missing = || ApiError::not_found("Package not found");
        let index = self.owner(guid).ok_or_else(missing)?;
        let now = self.now;
        let app = self.app(index);
        let package = app
            .history
            .packages
            .iter_mut()
            .find(|package| package.guid == guid)
            .ok_or_else(missing)?;
        if package.size.is_some() {
            return Err(ApiError::unprocessable(
                "Bits may be uploaded only once. Create a new package to upload different bits.",
            ));
        }
        if !bytes.starts_with(b"PK") {
            return Err(ApiError::unprocessable("bits must be a zip file"));
        }
        package.size = Some(bytes.len());
        package.ready_at = Some(after(now, PROCESSING));
        if let Some(word) = simulated(bytes) {
            package.staging_fails = word == "staging-failure";
            package.health = Health::parse(&word).ok();
        }
        Ok(())
    }

    fn show_package(&self, call: &Call, guid: &str) -> Option<Value> {
        let app = &self.apps[self.owner(guid)?];
        let package = app.history.packages.iter().find(|package| package.guid == guid)?;
        Some(present::package(&call.base, app, package, self.now))
    }
}

/// The text of the file `simulate` in a zip.
fn simulated(bytes: &[u8]) -> Option<String> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).ok()?;
    let mut file = zip.by_name("simulate").ok()?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut file, &mut text).ok()?;
    Some(text.trim().to_owned())
}

pub(crate) fn upload(world: &mut World, call: &Call, guid: &str, bits: &[u8]) -> Answer {
    if bits.is_empty() {
        return Err(ApiError::unprocessable("Upload must include either resources or bits"));
    }
    world.receive(guid, bits)?;
    let shown = world.show_package(call, guid);
    Ok(Reply::ok(shown.unwrap_or_default()))
}

pub(crate) fn packages(world: &mut World, call: &Call, path: &[&str]) -> Answer {
    let (seed, now) = (world.seed, world.now);
    match (&call.method, path) {
        (&Method::GET, []) => {
            let (apps, states, types) =
                (call.list("app_guids"), call.list("states"), call.list("types"));
            let items = of_apps(world, apps.as_ref(), |app| &app.history.packages);
            let shown = |shown: &Shown<'_, Package>| {
                present::package(&call.base, shown.app, shown.thing, now)
            };
            let items = items.into_iter().filter(|item| {
                let json = shown(item);
                one_of(states.as_ref(), &json["state"]) && one_of(types.as_ref(), &json["type"])
            });
            let filters = ["app_guids", "states", "types", "space_guids", "organization_guids"];
            let spec = Spec { path: "/v3/packages", filters: &filters, orders: &[] };
            list::page(call, &spec, items, shown).map(Reply::ok)
        }
        (&Method::POST, []) => {
            let body = call.json_with(&["type", "relationships", "data", "metadata"])?;
            let guid = body["relationships"]["app"]["data"]["guid"].as_str().unwrap_or_default();
            let index = world.app_index(guid).ok_or_else(|| {
                ApiError::unprocessable(
                    "App is invalid. Ensure it exists and you have access to it.",
                )
            })?;
            let docker = (body["type"] == "docker")
                .then(|| body["data"]["image"].as_str().unwrap_or_default().to_owned());
            if docker.is_none() && body["type"] != "bits" {
                return Err(ApiError::unprocessable("Type must be one of 'bits, docker'"));
            }
            let app = world.app(index);
            if docker.is_some() != app.docker {
                return Err(ApiError::unprocessable(if app.docker {
                    "Cannot create bits package for a Docker app."
                } else {
                    "Cannot create Docker package for a buildpack app."
                }));
            }
            let guid = app.new_guid(seed, Kind::Package);
            app.history.packages.push(Package {
                guid: guid.clone(),
                docker,
                reader: body["data"]["username"].as_str().map(|user| {
                    let password = body["data"]["password"].as_str().unwrap_or_default();
                    (user.to_owned(), password.to_owned())
                }),
                size: None,
                ready_at: None,
                created_at: now,
                health: None,
                staging_fails: false,
            });
            let shown = world.show_package(call, &guid);
            Ok(Reply::status(StatusCode::CREATED, shown.unwrap_or_default()))
        }
        (&Method::GET, [guid]) => {
            let shown = world.show_package(call, guid);
            shown.map(Reply::ok).ok_or_else(|| ApiError::not_found("Package not found"))
        }
        (&Method::GET, [guid, "droplets"]) => {
            let index =
                world.owner(guid).ok_or_else(|| ApiError::not_found("Package not found"))?;
            let app = &world.apps[index];
            let items = app
                .history
                .droplets
                .iter()
                .filter(|droplet| droplet.package.as_deref() == Some(guid));
            droplet_page(
                call,
                &format!("/v3/packages/{guid}/droplets"),
                items.map(|thing| Shown { app, thing }).collect(),
            )
        }
        _ => Err(ApiError::unknown_request()),
    }
}

/// Why the image of a package cannot be read: one of the registry `private.example` needs a login.
fn unread(package: &Package) -> Option<&'static str> {
    let private =
        package.docker.as_ref().is_some_and(|image| image.starts_with("private.example/"));
    let known = package.reader.as_ref().is_some_and(|(_, password)| password == REGISTRY_PASSWORD);
    (private && !known).then_some("StagingError - Staging error: staging failed")
}

/// What the registry `private.example` takes, whoever asks.
const REGISTRY_PASSWORD: &str = "simulated";

fn of_apps<'a, T>(
    world: &'a World,
    apps: Option<&Vec<String>>,
    things: impl Fn(&'a App) -> &'a Vec<T>,
) -> Vec<Shown<'a, T>> {
    world
        .apps
        .iter()
        .filter(|app| apps.is_none_or(|apps| apps.contains(&app.guid)))
        .flat_map(|app| things(app).iter().map(move |thing| Shown { app, thing }))
        .collect()
}

fn one_of(wanted: Option<&Vec<String>>, value: &Value) -> bool {
    wanted.is_none_or(|wanted| wanted.iter().any(|word| value == word))
}

fn droplet_page(call: &Call, path: &str, items: Vec<Shown<'_, Droplet>>) -> Answer {
    let states = call.list("states");
    let shown = |shown: &Shown<'_, Droplet>| present::droplet(&call.base, shown.app, shown.thing);
    let items = items.into_iter().filter(|item| one_of(states.as_ref(), &shown(item)["state"]));
    let filters =
        ["states", "app_guids", "current", "space_guids", "organization_guids", "versions"];
    list::page(call, &Spec { path, filters: &filters, orders: &[] }, items, shown).map(Reply::ok)
}

pub(crate) fn droplets(world: &mut World, call: &Call, path: &[&str]) -> Answer {
    match (&call.method, path) {
        (&Method::GET, []) => {
            let apps = call.list("app_guids");
            for index in
                apps.iter().flatten().filter_map(|guid| world.app_index(guid)).collect::<Vec<_>>()
            {
                world.app(index);
            }
            droplet_page(
                call,
                "/v3/droplets",
                of_apps(world, apps.as_ref(), |app| &app.history.droplets),
            )
        }
        (&Method::GET, [guid]) => {
            let missing = || ApiError::not_found("Droplet not found");
            let index = world.owner(guid).ok_or_else(missing)?;
            let app = &*world.app(index);
            let droplet = app.droplet_of(guid).ok_or_else(missing)?;
            Ok(Reply::ok(present::droplet(&call.base, app, droplet)))
        }
        _ => Err(ApiError::unknown_request()),
    }
}

/// `/v3/apps/:guid/{droplets,packages,builds,relationships/current_droplet}`.
pub(crate) fn of_app(
    world: &mut World,
    call: &Call,
    index: usize,
    tail: &[&str],
    uaa: &Uaa,
) -> Answer {
    let now = world.now;
    let app = &*world.app(index);
    let own = format!("/v3/apps/{}", app.guid);
    match (&call.method, tail) {
        (&Method::GET, ["droplets"]) => {
            let items = app.history.droplets.iter().map(|thing| Shown { app, thing }).collect();
            droplet_page(call, &format!("{own}/droplets"), items)
        }
        (&Method::GET, ["droplets", "current"]) => {
            let droplet = app.droplet.as_ref().and_then(|guid| app.droplet_of(guid));
            let droplet = droplet.ok_or_else(|| ApiError::not_found("Droplet not found"))?;
            Ok(Reply::ok(present::droplet(&call.base, app, droplet)))
        }
        (&Method::GET, ["packages"]) => {
            let items = app.history.packages.iter().map(|thing| Shown { app, thing });
            let path = format!("{own}/packages");
            let spec = Spec { path: &path, filters: &["states", "types"], orders: &[] };
            list::page(call, &spec, items, |shown| {
                present::package(&call.base, app, shown.thing, now)
            })
            .map(Reply::ok)
        }
        (&Method::GET, ["builds"]) => {
            let items = app.history.builds.iter().map(|thing| Shown { app, thing });
            let path = format!("{own}/builds");
            let spec = Spec { path: &path, filters: &["states"], orders: &[] };
            list::page(call, &spec, items, |shown| show_build(call, app, shown.thing, uaa))
                .map(Reply::ok)
        }
        (_, ["relationships", "current_droplet"]) => {
            let relation = |guid: &str| {
                json!({
                    "data": { "guid": guid },
                    "links": {
                        "self": { "href": format!("{}{own}/relationships/current_droplet", call.base) },
                        "related": { "href": format!("{}{own}/droplets/current", call.base) },
                    },
                })
            };
            if call.method == Method::GET {
                return Ok(Reply::ok(relation(app.droplet.as_deref().unwrap_or_default())));
            }
            let body = call.json_with(&["data"])?;
            let guid = body["data"]["guid"].as_str().unwrap_or_default();
            if app.active_deployment().is_some() {
                return Err(ApiError::unprocessable(
                    "Unable to assign current droplet while the app has a deployment in progress. Wait for the deployment to complete or cancel it.",
                ));
            }
            if app.droplet_of(guid).is_none_or(|droplet| droplet.expired) {
                return Err(ApiError::unprocessable(
                    "Unable to assign current droplet. Ensure the droplet exists and belongs to this app.",
                ));
            }
            let shown = relation(guid);
            let (seed, actor) = (world.seed, call.actor.clone());
            let app = world.app(index);
            app.check_sidecars()?;
            app.bring_sidecars(seed, now);
            app.droplet = Some(guid.to_owned());
            app.record(seed, now, "audit.app.droplet.mapped", &actor, json!({ "request": body }));
            Ok(Reply::ok(shown))
        }
        _ => Err(ApiError::unknown_request()),
    }
}

fn show_build(call: &Call, app: &App, build: &Build, uaa: &Uaa) -> Value {
    present::build(&call.base, app, build, (&uaa.user_guid(&uaa.user), &uaa.user))
}

pub(crate) fn builds(world: &mut World, call: &Call, path: &[&str], uaa: &Uaa) -> Answer {
    let (seed, now) = (world.seed, world.now);
    let missing = || ApiError::not_found("Build not found");
    match (&call.method, path) {
        (&Method::GET, []) => {
            let apps = call.list("app_guids");
            let items = of_apps(world, apps.as_ref(), |app| &app.history.builds);
            let spec = Spec {
                path: "/v3/builds",
                filters: &["app_guids", "states", "package_guids"],
                orders: &[],
            };
            list::page(call, &spec, items.into_iter(), |shown| {
                show_build(call, shown.app, shown.thing, uaa)
            })
            .map(Reply::ok)
        }
        (&Method::POST, []) => {
            let body = call.json_with(&[
                "package",
                "lifecycle",
                "staging_memory_in_mb",
                "staging_disk_in_mb",
                "staging_log_rate_limit_bytes_per_second",
                "metadata",
            ])?;
            let package = body["package"]["guid"].as_str().unwrap_or_default().to_owned();
            let shown = world.show_package(call, &package);
            let shown = shown.ok_or_else(|| {
                ApiError::unprocessable("Unable to use package. Ensure that the package exists and you have access to it.")
            })?;
            if shown["state"] != "READY" {
                return Err(ApiError::unprocessable(
                    "Package cannot be staged: its state is not READY",
                ));
            }
            let index = world.owner(&package).ok_or_else(missing)?;
            let actor = call.actor.clone();
            let app = world.app(index);
            let guid = app.new_guid(seed, Kind::Build);
            app.history.builds.push(Build {
                guid: guid.clone(),
                package,
                droplet: None,
                error: None,
                done_at: after(now, STAGING),
                created_at: now,
            });
            for (delay, text) in [
                (0.0, "Downloading binary_buildpack..."),
                (1.0, "Cell creating container for instance"),
                (3.0, "-----> Binary Buildpack version 1.1.0"),
            ] {
                app.note(after(now, delay), "STG", text);
            }
            app.record(seed, now, "audit.app.build.create", &actor, json!({ "build_guid": guid }));
            world.staging.insert(index);
            let app = &world.apps[index];
            let build = app.history.builds.last().ok_or_else(missing)?;
            Ok(Reply::status(StatusCode::CREATED, show_build(call, app, build, uaa)))
        }
        (&Method::GET, [guid]) => {
            let index = world.owner(guid).ok_or_else(missing)?;
            let app = &world.apps[index];
            let build =
                app.history.builds.iter().find(|build| build.guid == *guid).ok_or_else(missing)?;
            Ok(Reply::ok(show_build(call, app, build, uaa)))
        }
        _ => Err(ApiError::unknown_request()),
    }
}
