//! Deploying something new, and restarting what runs.

use std::path::PathBuf;

use super::{
    capacity,
    draft::{blank, finish, superseding},
    recipe::{deployment_body, new_id, recipe},
    snapshot::Snapshot,
};
use crate::platform::cloud_foundry::operate::receipt::{Action, Tracking};
use crate::{
    domain::{
        Note, Plan, Request, RevisionSummary,
        text::{clean, quoted, short, span},
    },
    platform::{
        Error,
        cloud_foundry::{
            foundation::CloudFoundry,
            model::wire,
            options::{DOCKER_PASSWORD, DOCKER_USERNAME, DROPLET, IMAGE, PATH, RolloutOptions},
            push,
        },
    },
};

/// Where a deploy leads whose revision is made by its last step.
const ON_THE_NEW: &str = "on the new revision";

pub(super) async fn plan(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    request: Request,
) -> Result<Plan, Error> {
    let name = &snapshot.name;
    let options = RolloutOptions::read(&request.options);
    let reason = request.reason.clone();
    let wanted = request.options.clone();
    let mut plan = blank(snapshot, request, format!("DEPLOY {name}"));
    plan.from = snapshot.deployed().map(|revision| snapshot.end(revision));
    if let Some(wrong) = options.unfit(snapshot.no_canary.as_deref()) {
        return Ok(plan.refuse(wrong));
    }
    let docker = snapshot.app.lifecycle.kind == "docker";
    let operation = new_id();
    let body = |what: Option<(&str, &str)>| {
        deployment_body(snapshot, &options, what, reason.as_deref(), &operation)
    };
    let given = |name: &str| wanted.get(name).map(str::to_owned);
    let (steps, goal) = match (given(DROPLET), given(PATH)) {
        (Some(guid), _) => {
            let droplet =
                foundation.http.get::<wire::Droplet>(&format!("/v3/droplets/{guid}"), &[]).await;
            let droplet = match droplet {
                Ok(droplet) => droplet,
                Err(Error::NotFound { .. }) => {
                    return Ok(plan.refuse(format!("there is no droplet {}", clean(&guid))));
                }
                Err(error) => return Err(error),
            };
            if droplet.state != "STAGED" {
                return Ok(plan.refuse(format!(
                    "droplet {} is {}: it cannot be deployed",
                    short(&guid),
                    clean(&droplet.state)
                )));
            }
            let age = droplet
                .created_at
                .map(|at| format!("staged {} ago", span(snapshot.read_at.duration_since(at))));
            plan.to = Some(RevisionSummary {
                name: format!("droplet {}", short(&droplet.guid)),
                artifact: droplet.image.as_deref().map(clean),
                remark: age,
            });
            plan.method = "a new rollout of an existing droplet with the app's present environment"
                .to_owned();
            let body = body(Some(("droplet", &guid)));
            let mut bare = body.clone();
            if let Some(map) = bare.as_object_mut() {
                map.remove("metadata");
            }
            plan.by_hand.push(format!("cf curl /v3/deployments -X POST -d '{bare}'"));
            (vec![Action::Deploy { body, staged: false }], format!("on droplet {}", short(&guid)))
        }
        (_, Some(directory)) => {
            let directory = PathBuf::from(directory);
            if docker {
                return Ok(plan.refuse(format!(
                    "{name} runs docker images: deploy an image instead of a directory"
                )));
            }
            let size = match push::measure(&directory).await {
                Ok(size) => size,
                Err(why) => {
                    return Ok(plan.refuse(why));
                }
            };
            plan.to = Some(RevisionSummary {
                name: format!("directory {}", clean(&directory.display().to_string())),
                artifact: Some(format!("{} files, {:.1} MB", size.files, size.bytes as f64 / 1e6)),
                remark: None,
            });
            plan.method = "upload, staging, then a new rollout; nothing that runs changes before staging has succeeded".to_owned();
            let path = quoted(&directory.display().to_string());
            plan.by_hand.push(format!(
                "cf push {} -p {path} {}",
                quoted(name),
                options.cli_flags()
            ));
            let deploy = Action::Deploy { body: body(None), staged: true };
            (vec![Action::StageDirectory { directory }, deploy], ON_THE_NEW.to_owned())
        }
        (None, None) => {
            let image = given(IMAGE).unwrap_or_default();
            if !docker {
                return Ok(plan.refuse(format!(
                    "{name} is built from source: deploy a directory instead of an image"
                )));
            }
            plan.to = Some(RevisionSummary {
                name: format!("image {}", clean(&image)),
                artifact: None,
                remark: None,
            });
            plan.method = "staging, then a new rollout".to_owned();
            let username = given(DOCKER_USERNAME);
            let reader = match &username {
                Some(user) if foundation.docker_password.is_none() => {
                    return Ok(plan.refuse(format!(
                        "{DOCKER_PASSWORD} is not set: export the password of {} at the registry",
                        clean(user)
                    )));
                }
                Some(user) => format!(" --docker-username {}", quoted(user)),
                None => {
                    plan.notes.extend(read_before(foundation, snapshot).await);
                    String::new()
                }
            };
            plan.by_hand.push(format!(
                "cf push {} --docker-image {}{reader} {}",
                quoted(name),
                quoted(&image),
                options.cli_flags()
            ));
            let deploy = Action::Deploy { body: body(None), staged: true };
            (vec![Action::StageImage { image, username }, deploy], ON_THE_NEW.to_owned())
        }
    };
    if let Some(end) = &plan.to {
        plan.title = format!("DEPLOY {} to {name}", end.name);
    }
    plan.notes.extend(superseding(snapshot));
    capacity::describe(foundation, snapshot, &options, &mut plan).await;
    let leaving = plan.from.as_ref().map(|end| end.name.clone());
    Ok(finish(plan, recipe(operation, snapshot, steps, &Tracking::default()), goal, leaving))
}

/// Where the image before was read from its registry by somebody, and nobody is named for the new one.
async fn read_before(foundation: &CloudFoundry, snapshot: &Snapshot) -> Option<Note> {
    let path = format!("/v3/apps/{}/packages", snapshot.app.guid);
    let query = [("order_by", "-created_at".to_owned()), ("per_page", "1".to_owned())];
    let newest: wire::Page<wire::Package> = foundation.http.get(&path, &query).await.ok()?;
    let user = clean(newest.resources.first()?.data.username.as_deref()?);
    Some(Note::Warning(format!(
        "the image before was read from its registry as {user}: without --docker-username {user} and {DOCKER_PASSWORD} a private one cannot be staged"
    )))
}

/// A deployment of nothing new: all instances are replaced, with the app's present environment.
pub(super) async fn restart(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    request: Request,
) -> Result<Plan, Error> {
    let name = &snapshot.name;
    let options = RolloutOptions::read(&request.options);
    let reason = request.reason.clone();
    let mut plan = blank(snapshot, request, format!("RESTART {name}"));
    plan.from = snapshot.deployed().map(|revision| snapshot.end(revision));
    plan.to = snapshot.current().map(|revision| snapshot.end(revision)).or(plan.from.clone());
    if let Some(wrong) = options.unfit(snapshot.no_canary.as_deref()) {
        return Ok(plan.refuse(wrong));
    }
    plan.method =
        "a rollout of the current droplet: every instance is replaced by a new one".to_owned();
    if snapshot.active().is_some() {
        plan.notes.extend(superseding(snapshot));
        plan.notes.push(Note::Warning(
            "the current droplet is that of the rollout in progress: this brings it anew"
                .to_owned(),
        ));
    }
    if let Some(deployed) = snapshot.deployed() {
        let path = format!("/v3/revisions/{}/environment_variables", deployed.guid);
        let environment = foundation.http.get::<wire::Environment>(&path, &[]).await.ok();
        let drift =
            environment.and_then(|environment| snapshot.drift(&environment)).unwrap_or_default();
        if !drift.is_empty() {
            let names: Vec<_> = drift.iter().map(|name| clean(name)).collect();
            plan.notes.push(Note::Warning(format!(
                "this also brings changed environment variables: {}",
                names.join(", ")
            )));
        }
    }
    capacity::describe(foundation, snapshot, &options, &mut plan).await;
    plan.by_hand.push(format!("cf restart {} {}", quoted(name), options.cli_flags()));
    let operation = new_id();
    let body = deployment_body(snapshot, &options, None, reason.as_deref(), &operation);
    let steps = vec![Action::Deploy { body, staged: false }];
    let (goal, leaving) = ("on new instances".to_owned(), Some("what ran before".to_owned()));
    Ok(finish(plan, recipe(operation, snapshot, steps, &Tracking::default()), goal, leaving))
}
