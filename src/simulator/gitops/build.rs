//! The world of a scenario: a history of commits, Deployments that run what the branch says, and the objects of Flux.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    forge::{Pull, State},
    git::{BRANCH, Bare, Who, imported},
};
use crate::simulator::{
    clock::after,
    kubernetes::{
        Cluster,
        resources::{
            DEPLOYMENTS, GIT_REPOSITORIES, IMAGE_AUTOMATIONS, IMAGE_POLICIES, IMAGE_REPOSITORIES,
            KUSTOMIZATIONS, NAMESPACES,
        },
        store::Key,
        world::World,
    },
    scenario::{PlacePlan, Scenario},
};

/// Where the objects of Flux are.
pub(crate) const FLUX: &str = "flux-system";
/// What the source is called.
pub(crate) const SOURCE: &str = "shop-config";

/// The manifest of a Deployment, with its image's line as it stands at a tag.
fn manifest(plan: &PlacePlan, tag: &str) -> String {
    let (short, namespace, replicas) = (plan.short(), &plan.namespace, plan.replicas);
    let image = if plan.kustomized { plan.name.clone() } else { format!("{}:{tag}", plan.name) };
    let marker = match (&plan.policy, plan.kustomized) {
        (Some(policy), false) => format!(" # {{\"$imagepolicy\": \"{policy}\"}}"),
        _ => String::new(),
    };
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {short}\n  namespace: {namespace}\nspec:\n  replicas: {replicas}\n  selector:\n    matchLabels:\n      app: {short}\n  template:\n    metadata:\n      labels:\n        app: {short}\n    spec:\n      containers:\n        - name: app\n          image: {image}{marker}\n"
    )
}

/// The kustomization of a directory.
fn kustomization(plan: &PlacePlan, tag: &str) -> String {
    let mut text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - deployment.yaml\n".to_owned();
    if plan.kustomized {
        let marker = plan
            .policy
            .as_ref()
            .map(|policy| format!(" # {{\"$imagepolicy\": \"{policy}:tag\"}}"))
            .unwrap_or_default();
        let _ = write!(text, "images:\n  - name: {}\n    newTag: \"{tag}\"{marker}\n", plan.name);
    }
    text
}

/// The file that holds the tag, with its text at a tag.
fn holder(plan: &PlacePlan, tag: &str) -> (String, String) {
    if plan.kustomized {
        (format!("{}/kustomization.yaml", plan.directory), kustomization(plan, tag))
    } else {
        (format!("{}/deployment.yaml", plan.directory), manifest(plan, tag))
    }
}

fn other(plan: &PlacePlan, tag: &str) -> (String, String) {
    if plan.kustomized {
        (format!("{}/deployment.yaml", plan.directory), manifest(plan, tag))
    } else {
        (format!("{}/kustomization.yaml", plan.directory), kustomization(plan, tag))
    }
}

/// Writes the history of a scenario, and the branches of its proposals; returns the pull requests.
pub(crate) fn history(
    bare: &Bare,
    scenario: &Scenario,
    present: Timestamp,
) -> Result<Vec<Pull>, String> {
    let mut stream = String::new();
    let first = after(present, -200.0 * 86_400.0);
    let mut files =
        vec![("README.md".to_owned(), "What runs is what this branch says.\n".to_owned())];
    for plan in &scenario.image {
        if let Some(one) = plan.release.first() {
            files.extend([holder(plan, &one.tag), other(plan, &one.tag)]);
        }
    }
    imported(&mut stream, BRANCH, ("Hana", first), "The shop's configuration", &files);
    let mut releases: Vec<_> = scenario
        .image
        .iter()
        .flat_map(|plan| plan.release.iter().skip(1).map(move |release| (plan, release)))
        .collect();
    releases.sort_by(|a, b| b.1.age.total_cmp(&a.1.age));
    for (plan, release) in releases {
        let subject = release
            .subject
            .clone()
            .unwrap_or_else(|| format!("[ci skip] {}:{}", plan.name, release.tag));
        let at = after(present, -release.age);
        imported(&mut stream, BRANCH, (&release.by, at), &subject, &[holder(plan, &release.tag)]);
    }
    bare.import(&stream)?;
    let head = bare.head(BRANCH).ok_or("the branch was not made")?;
    let mut pulls = Vec::new();
    for plan in &scenario.image {
        let Some(proposal) = &plan.proposal else { continue };
        let at = after(present, -proposal.age);
        // As a roll back holds automation back: without its marker.
        let held = PlacePlan { policy: None, ..plan.clone() };
        let tree = bare.tree(Some(&head), &[holder(&held, &proposal.tag)])?;
        let title = format!("Roll back {} to {}", plan.name, proposal.tag);
        let trailer = plan
            .policy
            .as_ref()
            .map(|policy| format!("Revdeck-Held: {policy}\n"))
            .unwrap_or_default();
        let message = format!("{title}\n\nRevdeck-Operation: {}\n{trailer}", plan.short());
        let commit = bare.commit(&[&head], &tree, &message, &Who { name: "Noor", at })?;
        let branch = format!("rollback-{}", plan.short());
        if !proposal.closed {
            bare.move_branch(&branch, &commit, "")?;
        }
        pulls.push(Pull {
            reviews: Vec::new(),
            reviewed: 0,
            number: pulls.len() as u64 + 1,
            branch,
            base: BRANCH.to_owned(),
            head: commit,
            title,
            body: String::new(),
            by: "Noor".to_owned(),
            opened: at,
            state: if proposal.closed { State::Closed } else { State::Open },
            merged_as: None,
        });
    }
    Ok(pulls)
}

/// The cluster of a scenario's images, with the objects of Flux as they stand when all is applied.
pub(crate) fn flux(
    cluster: &Cluster,
    scenario: &Scenario,
    repository: &str,
    (head, before): (&str, Option<&str>),
) {
    cluster.with(|world| {
        let home = Key::new(NAMESPACES, "", FLUX);
        if world.store.get(&home).is_none() {
            world.create(NAMESPACES, "", json!({
                "metadata": { "name": FLUX, "labels": { "kubernetes.io/metadata.name": FLUX } }, "status": { "phase": "Active" },
            }));
        }
        let source = json!({
            "metadata": { "name": SOURCE },
            "spec": { "interval": "15s", "ref": { "branch": BRANCH }, "url": repository, "timeout": "60s" },
        });
        world.create(GIT_REPOSITORIES, FLUX, source);
        for (name, path) in [("apps", "./apps"), ("infrastructure", "./infrastructure")] {
            let kustomization = json!({
                "metadata": { "name": name },
                "spec": {
                    "interval": "10m0s", "retryInterval": "20s", "timeout": "1m0s", "path": path, "prune": true, "wait": true,
                    "sourceRef": { "kind": "GitRepository", "name": SOURCE },
                },
            });
            world.create(KUSTOMIZATIONS, FLUX, kustomization);
        }
        let policies: Vec<_> = scenario.image.iter().filter_map(|plan| Some((plan, plan.policy.as_ref()?))).collect();
        if !policies.is_empty() {
            let automation = json!({
                "metadata": { "name": "apps" },
                "spec": {
                    "interval": "1m0s", "sourceRef": { "kind": "GitRepository", "name": SOURCE },
                    "git": { "checkout": { "ref": { "branch": BRANCH } }, "commit": { "author": { "name": "fluxbot", "email": "fluxbot@acme.example" } }, "push": { "branch": BRANCH } },
                    "update": { "path": "./apps", "strategy": "Setters" },
                },
            });
            world.create(IMAGE_AUTOMATIONS, FLUX, automation);
        }
        for (plan, policy) in policies {
            policy_objects(world, plan, policy);
        }
        ready(world, scenario, head, before);
    });
}

fn policy_objects(world: &mut World, plan: &PlacePlan, policy: &str) {
    let name = policy.split(':').nth(1).unwrap_or(policy);
    let latest = plan.release.last().map(|one| one.tag.clone()).unwrap_or_default();
    let repository = json!({
        "metadata": { "name": name }, "spec": { "image": plan.name, "interval": "1m0s" },
        "status": { "canonicalImageName": plan.name, "conditions": [{ "type": "Ready", "status": "True", "reason": "Succeeded", "message": "successful scan" }] },
    });
    world.create(IMAGE_REPOSITORIES, FLUX, repository);
    let object = json!({
        "metadata": { "name": name },
        "spec": { "imageRepositoryRef": { "name": name }, "policy": { "alphabetical": { "order": "asc" } } },
        "status": { "latestRef": { "name": plan.name, "tag": latest }, "conditions": [{ "type": "Ready", "status": "True", "reason": "Succeeded", "message": format!("Latest image tag for {} resolved to {latest}", plan.name) }] },
    });
    world.create(IMAGE_POLICIES, FLUX, object);
}

/// What Flux has done so far.
fn ready(world: &mut World, scenario: &Scenario, head: &str, before: Option<&str>) {
    let revision = format!("{BRANCH}@sha1:{head}");
    let at = super::super::kubernetes::world::stamp(world.now);
    let condition = |kind: &str, reason: &str, message: String| -> Value {
        json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": at, "observedGeneration": 1 })
    };
    let key = Key::new(GIT_REPOSITORIES, FLUX, SOURCE);
    world.change(&key, |object| {
        object["status"] = json!({
            "artifact": { "revision": revision, "lastUpdateTime": at },
            "conditions": [
                condition("Ready", "Succeeded", format!("stored artifact for revision '{revision}'")),
                condition("ArtifactInStorage", "Succeeded", format!("stored artifact for revision '{revision}'")),
            ],
            "observedGeneration": 1,
        });
    });
    for (name, path) in [("apps", "apps/"), ("infrastructure", "infrastructure/")] {
        let own = || scenario.image.iter().filter(|plan| plan.directory.starts_with(path));
        // What crashes has not become healthy.
        let ill =
            own().find(|plan| plan.release.last().is_some_and(|one| one.tag.contains("crash")));
        for plan in own() {
            // By these labels kustomize-controller, and `flux trace`, know what they have applied
            // (`internal/controller/kustomization_controller.go`, `SetOwnerLabels`).
            let key = Key::new(DEPLOYMENTS, plan.namespace.clone(), plan.short());
            world.change(&key, |object| {
                for (label, value) in [("name", name), ("namespace", FLUX)] {
                    object["metadata"]["labels"][format!("kustomize.toolkit.fluxcd.io/{label}")] =
                        value.into();
                }
            });
        }
        let entries: Vec<Value> = own()
            .map(|plan| json!({ "id": format!("{}_{}_apps_Deployment", plan.namespace, plan.short()), "v": "v1" }))
            .collect();
        let key = Key::new(KUSTOMIZATIONS, FLUX, name);
        world.change(&key, |object| {
            object["status"] = json!({
                "lastAttemptedRevision": revision, "lastAppliedRevision": revision, "observedGeneration": 1,
                "inventory": { "entries": entries },
                "conditions": [condition("Ready", "ReconciliationSucceeded", format!("Applied revision: {revision}"))],
                "history": [],
            });
            if let Some((plan, before)) = ill.zip(before) {
                let message = format!("health check failed after 1m0s: timeout waiting for: [Deployment/{}/{} status: 'InProgress']", plan.namespace, plan.short());
                object["status"]["lastAppliedRevision"] = format!("{BRANCH}@sha1:{before}").into();
                object["status"]["conditions"][0] = condition("Ready", "HealthCheckFailed", message);
                object["status"]["conditions"][0]["status"] = "False".into();
                let why = format!("timeout waiting for: [Deployment/{}/{} status: 'InProgress']", plan.namespace, plan.short());
                let mut health = condition("Healthy", "HealthCheckFailed", why);
                health["status"] = "False".into();
                if let Some(all) = object["status"]["conditions"].as_array_mut() {
                    all.push(health);
                }
            }
        });
    }
}
