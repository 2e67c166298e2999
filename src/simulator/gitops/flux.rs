//! The controllers of Flux on the world's clock: the source fetches, kustomizations are built, applied and waited for, and
//! image automation commits and pushes.
//!
//! After kustomize-controller 1.9 (`internal/controller/kustomization_controller.go`, `reconcile`): `lastAttemptedRevision` is
//! set when a build starts, the manifests are applied, then health is awaited, and `lastAppliedRevision` is set only when
//! that succeeded. While it waits, a newer revision is not applied, unless the feature gate `CancelHealthCheckOnNewRevision`
//! is on, which it is not as it comes (`internal/features/features.go`): then the waiting is given up.
//! Of kustomize it knows `images:` with names, tags and digests, from the inside out; that is all that the worlds use.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    build::{FLUX, SOURCE},
    git::{BRANCH, Bare, Who},
    render::{self, Built},
};
use crate::simulator::{
    clock::{after, seconds_between},
    fault,
    kubernetes::{
        Cluster,
        resources::{
            DEPLOYMENTS, GIT_REPOSITORIES, IMAGE_AUTOMATIONS, IMAGE_POLICIES, KUSTOMIZATIONS,
        },
        store::Key,
        world::{World, stamp},
    },
};

/// How long fetching takes, in seconds, and applying.
const WORKS: f64 = 1.0;

/// What a Kustomization waits for.
#[derive(Clone, Debug)]
struct Waiting {
    revision: String,
    /// What was built of it.
    digest: String,
    until: Timestamp,
    began: Timestamp,
}

/// The controllers.
#[derive(Debug, Default)]
pub(crate) struct Controllers {
    fetched_at: Option<Timestamp>,
    automated_at: Option<Timestamp>,
    waiting: BTreeMap<String, Waiting>,
    retried_at: BTreeMap<String, Timestamp>,
    /// Whether waiting for health is given up for a newer revision.
    pub(crate) cancels: bool,
}

fn seconds(text: &Value, otherwise: f64) -> f64 {
    let text = text.as_str().unwrap_or_default();
    // `1m30s` in parts; the worlds use no others.
    let mut sum = 0.0;
    let mut part = String::new();
    for letter in text.chars() {
        part.push(letter);
        if letter.is_ascii_alphabetic() {
            sum += fault::duration(&part).map_or(0.0, |span| span.as_secs_f64());
            part.clear();
        }
    }
    if sum > 0.0 { sum } else { otherwise }
}

fn requested(object: &Value) -> Option<&str> {
    let asked = object["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].as_str()?;
    (object["status"]["lastHandledReconcileAt"].as_str() != Some(asked)).then_some(asked)
}

fn set_condition(
    object: &mut Value,
    kind: &str,
    status: &str,
    (reason, message): (&str, &str),
    at: &str,
) {
    let condition = json!({
        "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at,
    });
    let Some(all) = object["status"]["conditions"].as_array_mut() else {
        object["status"]["conditions"] = json!([condition]);
        return;
    };
    match all.iter_mut().find(|one| one["type"] == kind) {
        Some(one)
            if one["status"] == status && one["reason"] == reason && one["message"] == message => {}
        Some(one) => *one = condition,
        None => all.push(condition),
    }
}

/// The history has one entry for what is built alike and ended alike, the latest first, with the revision that was so last
/// (fluxcd/pkg `apis/meta`, `History.Upsert`).
fn remember(object: &mut Value, (revision, digest): (&str, &str), how: &str, at: &str) {
    let Some(history) = object["status"]["history"].as_array_mut() else { return };
    let alike = |one: &Value| one["digest"] == digest && one["lastReconciledStatus"] == how;
    let known = history.iter().position(alike);
    let before = known.map(|at| history.remove(at));
    let first = before.as_ref().map_or_else(|| json!(at), |one| one["firstReconciled"].clone());
    let times = before.and_then(|one| one["totalReconciliations"].as_u64()).unwrap_or(0) + 1;
    let entry = json!({
        "digest": digest, "firstReconciled": first, "lastReconciled": at, "lastReconciledDuration": "1s",
        "lastReconciledStatus": how, "totalReconciliations": times, "metadata": { "revision": revision },
    });
    history.insert(0, entry);
    history.truncate(5);
}

fn drop_condition(object: &mut Value, kind: &str) {
    if let Some(all) = object["status"]["conditions"].as_array_mut() {
        all.retain(|one| one["type"] != kind);
    }
}

/// Notes that what is asked for now was seen: in the status, and in each condition.
fn observed(world: &mut World, key: &Key) {
    world.change(key, |object| {
        if object["spec"]["suspend"] == true {
            return;
        }
        let generation = object["metadata"]["generation"].clone();
        object["status"]["observedGeneration"] = generation.clone();
        for one in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
            one["observedGeneration"] = generation.clone();
        }
    });
}

impl Controllers {
    /// With the feature gate `CancelHealthCheckOnNewRevision` on or off.
    pub(crate) fn new(cancels: bool) -> Self {
        Self { cancels, ..Self::default() }
    }

    /// Lets all of them work at the clock's present.
    pub(crate) fn work(&mut self, cluster: &Cluster, bare: &Bare, now: Timestamp) {
        self.automate(cluster, bare, now);
        self.fetch(cluster, bare, now);
        for name in ["apps", "infrastructure"] {
            self.kustomize(cluster, bare, name, now);
        }
        cluster.with(|world| {
            observed(world, &Key::new(GIT_REPOSITORIES, FLUX, SOURCE));
            observed(world, &Key::new(IMAGE_AUTOMATIONS, FLUX, "apps"));
            for name in ["apps", "infrastructure"] {
                observed(world, &Key::new(KUSTOMIZATIONS, FLUX, name));
            }
        });
    }

    fn fetch(&mut self, cluster: &Cluster, bare: &Bare, now: Timestamp) {
        let Some(head) = bare.head(BRANCH) else { return };
        cluster.with(|world| {
            let key = Key::new(GIT_REPOSITORIES, FLUX, SOURCE);
            let Some(source) = world.store.get(&key).cloned() else { return };
            if source["spec"]["suspend"] == true {
                return;
            }
            let interval = seconds(&source["spec"]["interval"], 60.0);
            let due = self.fetched_at.is_none_or(|at| seconds_between(at, now) >= interval);
            let asked = requested(&source).map(str::to_owned);
            if !due && asked.is_none() {
                return;
            }
            self.fetched_at = Some(now);
            let revision = format!("{BRANCH}@sha1:{head}");
            let at = stamp(now);
            world.change(&key, |object| {
                if let Some(asked) = &asked {
                    object["status"]["lastHandledReconcileAt"] = asked.clone().into();
                }
                if object["status"]["artifact"]["revision"] != revision {
                    object["status"]["artifact"] = json!({ "revision": revision, "lastUpdateTime": at, "digest": "sha256:0", "path": "", "url": "" });
                    let message = format!("stored artifact for revision '{revision}'");
                    set_condition(object, "Ready", "True", ("Succeeded", &message), &at);
                }
            });
        });
    }

    fn kustomize(&mut self, cluster: &Cluster, bare: &Bare, name: &str, now: Timestamp) {
        let key = Key::new(KUSTOMIZATIONS, FLUX, name);
        let source = Key::new(GIT_REPOSITORIES, FLUX, SOURCE);
        let (object, artifact, artifact_at) = cluster.with(|world| {
            let object = world.store.get(&key).cloned();
            let source = world.store.get(&source);
            let revision = source
                .and_then(|one| one["status"]["artifact"]["revision"].as_str().map(str::to_owned));
            let at = source.and_then(|one| {
                one["status"]["artifact"]["lastUpdateTime"].as_str()?.parse::<Timestamp>().ok()
            });
            (object, revision, at)
        });
        let (Some(object), Some(artifact)) = (object, artifact) else { return };
        if object["spec"]["suspend"] == true {
            return;
        }
        let at = stamp(now);
        if let Some(waiting) = self.waiting.get(name).cloned() {
            if !self.cancels || waiting.revision == artifact {
                self.health(cluster, &key, &waiting, now);
                return;
            }
            self.waiting.remove(name);
            cluster.with(|world| {
                let message =
                    format!("New reconciliation triggered by GitRepository/{FLUX}/{SOURCE}");
                world.change(&key, |object| {
                    let canceled = ("HealthCheckCanceled", message.as_str());
                    set_condition(object, "Ready", "False", canceled, &at);
                });
            });
        }
        let asked = requested(&object).map(str::to_owned);
        let attempted = object["status"]["lastAttemptedRevision"] == artifact;
        let failed = object["status"]["lastAppliedRevision"] != artifact;
        let retry = seconds(&object["spec"]["retryInterval"], 60.0);
        let due = failed
            && self.retried_at.get(name).is_none_or(|last| seconds_between(*last, now) >= retry);
        let ready = artifact_at.is_none_or(|stored| seconds_between(stored, now) >= WORKS);
        if (attempted && !due && asked.is_none()) || !ready {
            return;
        }
        self.retried_at.insert(name.to_owned(), now);
        let commit = artifact.rsplit(':').next().unwrap_or_default().to_owned();
        let path =
            object["spec"]["path"].as_str().unwrap_or("./").trim_start_matches("./").to_owned();
        let files = bare.files(&commit, &path);
        let mut hasher = std::hash::DefaultHasher::new();
        format!("{files:?}").hash(&mut hasher);
        let digest = format!("sha256:{:016x}", hasher.finish());
        let built = files.and_then(|files| render::build(&files, &path));
        cluster.with(|world| {
            let applied = built.map(|deployments| {
                render::apply(world, &deployments, "kustomize-controller");
                let entry = |one: &Built| json!({ "id": format!("{}_{}_apps_Deployment", one.namespace, one.name), "v": "v1" });
                deployments.iter().map(entry).collect::<Vec<_>>()
            });
            world.change(&key, |object| {
                object["status"]["lastAttemptedRevision"] = artifact.clone().into();
                if let Some(asked) = &asked {
                    object["status"]["lastHandledReconcileAt"] = asked.clone().into();
                }
                match &applied {
                    Err(why) => {
                        set_condition(object, "Ready", "False", ("BuildFailed", why), &at);
                        drop_condition(object, "Reconciling");
                    }
                    Ok(entries) => {
                        object["status"]["inventory"] = json!({ "entries": entries });
                        let timeout = object["spec"]["timeout"].as_str().unwrap_or("1m0s").to_owned();
                        let message = format!("Running health checks for revision {artifact} with a timeout of {timeout}");
                        let doing = ("Progressing", "Reconciliation in progress");
                        set_condition(object, "Ready", "Unknown", doing, &at);
                        set_condition(object, "Reconciling", "True", ("Progressing", &message), &at);
                        set_condition(object, "Healthy", "Unknown", ("Progressing", &message), &at);
                    }
                }
            });
            if applied.is_ok() {
                let until = after(now, seconds(&object["spec"]["timeout"], 60.0));
                let waiting = Waiting { revision: artifact.clone(), digest, until, began: now };
                self.waiting.insert(name.to_owned(), waiting);
            }
        });
    }

    /// Waits for the health of what was applied.
    fn health(&mut self, cluster: &Cluster, key: &Key, waiting: &Waiting, now: Timestamp) {
        // The first look is not the same as the applying.
        if seconds_between(waiting.began, now) < WORKS {
            return;
        }
        let at = stamp(now);
        let over = cluster.with(|world| {
            let Some(object) = world.store.get(key).cloned() else { return true };
            let entries = object["status"]["inventory"]["entries"].as_array().into_iter().flatten();
            let ill: Vec<String> = entries
                .filter_map(|entry| {
                    let mut parts = entry["id"].as_str()?.split('_');
                    let (namespace, name) = (parts.next()?, parts.next()?);
                    let deployment = world.store.get(&Key::new(DEPLOYMENTS, namespace, name))?;
                    (!render::healthy(deployment)).then(|| format!("Deployment/{namespace}/{name}"))
                })
                .collect();
            let waited = seconds_between(waiting.began, now);
            let (status, reason, message, health) = if ill.is_empty() {
                let message = format!("Applied revision: {}", waiting.revision);
                (
                    "True",
                    "ReconciliationSucceeded",
                    message,
                    format!("Health check passed in {waited:.0}s"),
                )
            } else if now >= waiting.until {
                let why = format!("timeout waiting for: [{} status: 'InProgress']", ill.join(", "));
                (
                    "False",
                    "HealthCheckFailed",
                    format!("health check failed after {waited:.0}s: {why}"),
                    why,
                )
            } else {
                return false;
            };
            world.change(key, |object| {
                set_condition(object, "Ready", status, (reason, &message), &at);
                if status == "True" {
                    set_condition(object, "Healthy", status, ("Succeeded", &health), &at);
                    drop_condition(object, "Reconciling");
                    object["status"]["lastAppliedRevision"] = waiting.revision.clone().into();
                } else {
                    // It keeps saying what it did last, for another reason.
                    set_condition(object, "Healthy", status, (reason, &health), &at);
                    let timeout = object["spec"]["timeout"].as_str().unwrap_or("1m0s");
                    let message = format!(
                        "Running health checks for revision {} with a timeout of {timeout}",
                        waiting.revision
                    );
                    set_condition(
                        object,
                        "Reconciling",
                        "True",
                        ("ProgressingWithRetry", &message),
                        &at,
                    );
                }
                remember(object, (&waiting.revision, &waiting.digest), reason, &at);
            });
            true
        });
        if over {
            self.waiting.remove(&key.name);
            self.retried_at.insert(key.name.clone(), now);
        }
    }

    /// Image automation: every marker gets what its policy wants, as one commit without force.
    fn automate(&mut self, cluster: &Cluster, bare: &Bare, now: Timestamp) {
        let key = Key::new(IMAGE_AUTOMATIONS, FLUX, "apps");
        let (object, policies) = cluster.with(|world| {
            let policies: BTreeMap<String, (String, String)> = world
                .store
                .list(IMAGE_POLICIES, Some(FLUX))
                .into_iter()
                .map(|(key, one)| {
                    let latest = &one["status"]["latestRef"];
                    let part = |name: &str| latest[name].as_str().unwrap_or_default().to_owned();
                    (format!("{FLUX}:{}", key.name), (part("name"), part("tag")))
                })
                .collect();
            (world.store.get(&key).cloned(), policies)
        });
        let Some(object) = object.filter(|object| object["spec"]["suspend"] != true) else {
            return;
        };
        let interval = seconds(&object["spec"]["interval"], 60.0);
        // The first run is an interval after the start.
        let last = *self.automated_at.get_or_insert(now);
        if seconds_between(last, now) < interval && requested(&object).is_none() {
            return;
        }
        self.automated_at = Some(now);
        let Some(head) = bare.head(BRANCH) else { return };
        let path = object["spec"]["update"]["path"]
            .as_str()
            .unwrap_or("./")
            .trim_start_matches("./")
            .to_owned();
        let Ok(files) = bare.files(&head, &path) else { return };
        let mut updated = Vec::new();
        let changed: Vec<(String, String)> = files
            .into_iter()
            .filter_map(|(file, text)| {
                let new = set_markers(&text, &policies, &mut updated);
                (new != text).then_some((file, new))
            })
            .collect();
        let asked = requested(&object).map(str::to_owned);
        let mut pushed = None;
        if !changed.is_empty() {
            let message = format!("[ci skip] {}\n", updated.join(" "));
            let commit = bare.tree(Some(&head), &changed).and_then(|tree| {
                bare.commit(&[&head], &tree, &message, &Who { name: "fluxbot", at: now })
            });
            if let Ok(commit) = commit
                && bare.move_branch(BRANCH, &commit, &head).is_ok()
            {
                pushed = Some(commit);
            }
        }
        let at = stamp(now);
        cluster.with(|world| {
            world.change(&key, |object| {
                if let Some(asked) = &asked {
                    object["status"]["lastHandledReconcileAt"] = asked.clone().into();
                }
                if let Some(commit) = &pushed {
                    object["status"]["lastPushCommit"] = commit.clone().into();
                    object["status"]["lastPushTime"] = at.clone().into();
                }
                object["status"]["lastAutomationRunTime"] = at.clone().into();
                set_condition(object, "Ready", "True", ("Succeeded", "repository up-to-date"), &at);
            });
        });
    }
}

/// Replaces the value before each marker by what its policy wants, as the setters of kyaml do.
fn set_markers(
    text: &str,
    policies: &BTreeMap<String, (String, String)>,
    updated: &mut Vec<String>,
) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let Some((before, marker)) = line.split_once("# {\"$imagepolicy\": \"") else {
            return line.to_owned();
        };
        let name = marker.split('"').next().unwrap_or_default();
        let (policy, part) = match name.strip_suffix(":tag") {
            Some(policy) => (policy, "tag"),
            None => (name, ""),
        };
        let Some((image, tag)) = policies.get(policy) else { return line.to_owned() };
        let Some((key, value)) = before.split_once(": ") else { return line.to_owned() };
        let blanks = &value[value.trim_end().len()..];
        let wanted = if part == "tag" { format!("\"{tag}\"") } else { format!("{image}:{tag}") };
        if value.trim_end() == wanted {
            return line.to_owned();
        }
        updated.push(format!("{image}:{tag}"));
        format!("{key}: {wanted}{blanks}# {{\"$imagepolicy\": \"{marker}")
    });
    lines.collect()
}
