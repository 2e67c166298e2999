//! Where a change does not do what it looks like: tags that have moved, settings that do not go back, deployments that are
//! superseded.

use serde_json::Value;

use crate::domain::{
    Note, Plan, Revision,
    text::{clean, short},
};
use crate::platform::operation::supersedes;
use crate::platform::{
    Error,
    ecs::{
        options,
        plan::snapshot::Snapshot,
        read::{definition::short_image, lists::broken},
        region::Region,
    },
};

/// Members of a service revision that `UpdateService` with a task definition leaves as they are, with what they are called.
const SETTINGS: [(&str, &str); 9] = [
    ("networkConfiguration", "network"),
    ("platformVersion", "platform version"),
    ("loadBalancers", "load balancers"),
    ("serviceRegistries", "service registries"),
    ("serviceConnectConfiguration", "Service Connect"),
    ("volumeConfigurations", "volumes"),
    ("vpcLatticeConfigurations", "VPC Lattice"),
    ("capacityProviderStrategy", "capacity providers"),
    ("launchType", "launch type"),
];

/// What applies to every change that starts tasks.
pub(super) fn common(snapshot: &Snapshot, plan: &mut Plan, undoes: bool) {
    let service = &snapshot.service;
    let configuration = &service.deployment_configuration;
    let desired = service.desired_count;
    if desired == 0 {
        plan.capacity
            .push("no tasks are wanted: nothing starts until the service is scaled up".to_owned());
    } else {
        let percent =
            |share: Option<u32>, usual: u32| u64::from(share.unwrap_or(usual)) * u64::from(desired);
        let least = percent(configuration.minimum_healthy_percent, 100).div_ceil(100);
        let most = percent(configuration.maximum_percent, 200) / 100;
        plan.capacity.push(format!("rolling: between {least} and {most} tasks for {desired}"));
    }
    match &configuration.deployment_circuit_breaker {
        Some(breaker) if breaker.enable && breaker.rollback => {
            plan.capacity
                .push("the circuit breaker takes it back if tasks fail to start".to_owned());
        }
        Some(breaker) if breaker.enable => {
            plan.capacity.push(
                "the circuit breaker stops it if tasks fail to start, and takes nothing back"
                    .to_owned(),
            );
        }
        _ if undoes => {}
        _ => plan
            .capacity
            .push("no circuit breaker: if tasks fail to start it goes on trying".to_owned()),
    }
    if snapshot.rolling() && !undoes {
        let to = snapshot.app.rollout.as_ref().and_then(|one| one.to.as_ref());
        let to = to.map(|to| format!(" to {}", to.name())).unwrap_or_default();
        plan.notes.push(supersedes(&to, ""));
    }
    if !undoes {
        plan.notes.push(Note::Info(
            "the number of tasks and the settings of the service stay as they are".to_owned(),
        ));
    }
}

/// What a deployment of an earlier task definition does not bring back. The images that it ran are returned, each with its
/// digest, as far as they are on record.
pub(super) async fn not_restored(
    region: &Region,
    snapshot: &Snapshot,
    plan: &mut Plan,
    wanted: &Revision,
) -> Result<Vec<(String, String)>, Error> {
    let deployments = match region.service_deployments(&snapshot.service).await {
        Ok(deployments) => deployments,
        Err(error) if broken(&error) => {
            plan.notes.push(Note::Info(
                "which images its tags stood for is not on record here".to_owned(),
            ));
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let arns: Vec<_> =
        deployments.iter().filter_map(|one| one.target().map(str::to_owned)).collect();
    let revisions = region.service_revisions(&arns).await?;
    // Newest first, as the deployments are.
    let known: Vec<_> = arns.iter().filter_map(|arn| revisions.get(arn)).collect();
    let of_wanted = known.iter().find(|one| one["taskDefinition"] == wanted.id.as_str());
    let of_now =
        known.iter().find(|one| one["taskDefinition"] == snapshot.service.task_definition.as_str());
    let Some(then) = of_wanted else { return Ok(Vec::new()) };
    let mut ran = Vec::new();
    let label = wanted.name();
    for image in then["containerImages"].as_array().into_iter().flatten() {
        let (Some(name), Some(digest)) = (image["image"].as_str(), image["imageDigest"].as_str())
        else {
            continue;
        };
        if name.contains('@') {
            continue;
        }
        ran.push((name.to_owned(), digest.to_owned()));
        let newest = known.iter().find_map(|one| digest_of(one, name));
        let moved = newest
            .filter(|newest| *newest != digest && !plan.request.options.flag(options::REGISTER));
        if let Some(newest) = moved {
            plan.notes.push(Note::Warning(format!(
                "the tag of {} has moved: {label} ran {}, and the tag stood for {} when it was deployed last; what starts is what the tag stands for now (--re-register starts what ran)",
                clean(short_image(name)),
                short_digest(digest),
                short_digest(newest)
            )));
        }
    }
    if let Some(now) = of_now {
        let other: Vec<_> = SETTINGS
            .iter()
            .filter(|(member, _)| now[*member] != then[*member])
            .map(|(_, name)| *name)
            .collect();
        if !other.is_empty() {
            plan.notes.push(Note::Warning(format!(
                "this does NOT go back, it stays as it is now: {}",
                other.join(", ")
            )));
        }
    }
    Ok(ran)
}

/// The digest that an image had in a service revision.
fn digest_of<'a>(revision: &'a Value, name: &str) -> Option<&'a str> {
    let images = revision["containerImages"].as_array()?;
    images.iter().find(|one| one["image"] == name)?["imageDigest"].as_str()
}

fn short_digest(digest: &str) -> String {
    let bare = digest.strip_prefix("sha256:").unwrap_or(digest);
    format!("sha256:{}", short(bare))
}
