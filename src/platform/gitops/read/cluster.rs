//! What the cluster tells: which versions of which images serve, and how far Flux is.
//!
//! `lastAppliedRevision` of a Kustomization lags behind the cluster where it waits for health: the manifests are applied
//! before (`reconcile` in kustomize-controller, `internal/controller/kustomization_controller.go`). So the attempted
//! revision and the Pods are what is believed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::domain::{
    App, AppId, Group, History, RevisionId, Scope, TrackRecord,
    text::{clean, span},
};
use crate::platform::sync::lock;
use crate::platform::{
    Error,
    gitops::{
        client::flux::{Cluster, FluxKind},
        model::image::{self, Version},
    },
};

/// Images by name, of one revision of a workload.
type Images = Arc<Vec<(String, Version)>>;

/// The images of revisions of workloads; they never change.
#[derive(Default)]
pub(in crate::platform::gitops) struct Known(Mutex<HashMap<(AppId, RevisionId), Images>>);

/// A workload, and what it runs.
#[derive(Clone, Debug)]
pub(in crate::platform::gitops) struct Workload {
    pub(in crate::platform::gitops) app: App,
    /// Images of what serves, and of what a rollout brings.
    pub(in crate::platform::gitops) serves: Images,
    pub(in crate::platform::gitops) comes: Images,
}

impl Workload {
    /// The version of an image that serves.
    pub(in crate::platform::gitops) fn serving(&self, image: &str) -> Option<&Version> {
        version(&self.serves, image)
    }

    /// The version of an image that comes.
    pub(in crate::platform::gitops) fn coming(&self, image: &str) -> Option<&Version> {
        version(&self.comes, image)
    }
}

fn version<'a>(images: &'a [(String, Version)], image: &str) -> Option<&'a Version> {
    images.iter().find(|(name, _)| name == image).map(|(_, version)| version)
}

/// A condition of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Condition {
    pub(in crate::platform::gitops) status: String,
    pub(in crate::platform::gitops) reason: String,
    pub(in crate::platform::gitops) message: String,
    pub(in crate::platform::gitops) since: Option<Timestamp>,
}

impl Condition {
    /// How much longer a wait for health may take that it tells of, in words.
    pub(in crate::platform::gitops) fn waits(&self, now: Timestamp) -> Option<String> {
        let timeout = self.message.rsplit_once("timeout of ")?.1.split_whitespace().next()?;
        let timeout = duration(timeout)?;
        // The cluster's clock may be another.
        let waited = now.duration_since(self.since?).max(SignedDuration::ZERO);
        let left = timeout - waited;
        (left > SignedDuration::ZERO).then(|| span(left))
    }
}

/// Where Flux fetches from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct FluxSource {
    pub(in crate::platform::gitops) namespace: String,
    pub(in crate::platform::gitops) name: String,
    pub(in crate::platform::gitops) url: String,
    /// The branch that is fetched; `None` where none is named. A tag or a commit is no branch of ours.
    pub(in crate::platform::gitops) branch: Option<String>,
    pub(in crate::platform::gitops) suspended: bool,
    /// The commit that was fetched, and when.
    pub(in crate::platform::gitops) fetched: Option<String>,
    pub(in crate::platform::gitops) fetched_at: Option<Timestamp>,
    pub(in crate::platform::gitops) ready: Option<Condition>,
    /// The request that was dealt with last.
    pub(in crate::platform::gitops) handled: String,
}

/// What Flux applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Kustomization {
    pub(in crate::platform::gitops) namespace: String,
    pub(in crate::platform::gitops) name: String,
    /// Without a leading `./`.
    pub(in crate::platform::gitops) path: String,
    pub(in crate::platform::gitops) source: (String, String),
    pub(in crate::platform::gitops) suspended: bool,
    pub(in crate::platform::gitops) waits: bool,
    pub(in crate::platform::gitops) attempted: Option<String>,
    pub(in crate::platform::gitops) applied: Option<String>,
    pub(in crate::platform::gitops) ready: Option<Condition>,
    pub(in crate::platform::gitops) reconciling: Option<Condition>,
    /// Whether the health of what it has applied is being looked at: it applies nothing else meanwhile.
    pub(in crate::platform::gitops) checking: bool,
    /// Commits that are known to have been healthy.
    pub(in crate::platform::gitops) healthy: Vec<String>,
    /// Commits that were not healthy in time when they were looked at last.
    pub(in crate::platform::gitops) ill: Vec<String>,
    /// Namespace and name of what it applied.
    pub(in crate::platform::gitops) inventory: BTreeSet<(String, String)>,
    pub(in crate::platform::gitops) handled: String,
    /// Where it is an Application of Argo CD, whether that syncs by itself.
    pub(in crate::platform::gitops) argo: Option<bool>,
}

/// What moves images by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Automation {
    pub(in crate::platform::gitops) namespace: String,
    pub(in crate::platform::gitops) name: String,
    pub(in crate::platform::gitops) suspended: bool,
    pub(in crate::platform::gitops) interval: Option<SignedDuration>,
    pub(in crate::platform::gitops) path: String,
}

/// Which version an image is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Policy {
    /// Namespace and name, as markers write them.
    pub(in crate::platform::gitops) name: String,
    pub(in crate::platform::gitops) latest: Option<String>,
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub(in crate::platform::gitops) struct Seen {
    pub(in crate::platform::gitops) workloads: Vec<Workload>,
    pub(in crate::platform::gitops) sources: Vec<FluxSource>,
    pub(in crate::platform::gitops) kustomizations: Vec<Kustomization>,
    pub(in crate::platform::gitops) automations: Vec<Automation>,
    pub(in crate::platform::gitops) policies: Vec<Policy>,
    /// What could not be seen.
    pub(in crate::platform::gitops) hidden: Vec<String>,
}

/// The commit of a revision such as `main@sha1:<40 hex>`: what follows the last `@`, then the colon
/// (fluxcd/pkg, `git/git.go`).
fn commit(revision: &str) -> Option<String> {
    let last = revision.rsplit('@').next()?;
    let id = last.split_once(':').map_or(last, |(_, id)| id);
    (id.len() >= 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// A path as files of the repository have it.
fn plain_path(path: &str) -> String {
    path.trim_start_matches("./").trim_matches('/').to_owned()
}

fn condition(object: &Value, kind: &str) -> Option<Condition> {
    let all = object["status"]["conditions"].as_array()?;
    let one = all.iter().find(|one| one["type"] == kind)?;
    Some(Condition {
        status: text(&one["status"]),
        reason: text(&one["reason"]),
        message: clean(one["message"].as_str().unwrap_or_default()),
        since: time(&one["lastTransitionTime"]),
    })
}

/// A duration as Go writes it: `1m0s`, `10m`, `1h30m`.
fn duration(text: &str) -> Option<SignedDuration> {
    let mut seconds = 0.0;
    let mut number = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() || letter == '.' {
            number.push(letter);
            continue;
        }
        let unit = match (letter, letters.peek()) {
            ('m', Some('s')) => {
                letters.next();
                0.001
            }
            ('h', _) => 3_600.0,
            ('m', _) => 60.0,
            ('s', _) => 1.0,
            _ => return None,
        };
        seconds += std::mem::take(&mut number).parse::<f64>().ok()? * unit;
    }
    SignedDuration::try_from_secs_f64(seconds).ok()
}

fn of_kustomization(object: &Value) -> Kustomization {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let namespace = text(&metadata["namespace"]);
    let source = &spec["sourceRef"];
    let of_source = source["namespace"].as_str().map_or_else(|| namespace.clone(), str::to_owned);
    let waits =
        spec["wait"] == true || spec["healthChecks"].as_array().is_some_and(|all| !all.is_empty());
    let ended = |how: &str| -> Vec<String> {
        let history = status["history"].as_array().into_iter().flatten();
        let own = history.filter(|one| waits && one["lastReconciledStatus"] == how);
        own.filter_map(|one| commit(&text(&one["metadata"]["revision"]))).collect()
    };
    let inventory =
        status["inventory"]["entries"].as_array().into_iter().flatten().filter_map(|entry| {
            let mut parts = entry["id"].as_str()?.split('_');
            Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
        });
    // What has failed and waits to be tried again keeps its condition with this reason (kustomize-controller 1.9,
    // `finalizeStatus`): nothing goes on meanwhile.
    let reconciling =
        condition(object, "Reconciling").filter(|one| one.reason != "ProgressingWithRetry");
    Kustomization {
        name: text(&metadata["name"]),
        path: plain_path(spec["path"].as_str().unwrap_or_default()),
        source: (of_source, text(&source["name"])),
        suspended: spec["suspend"] == true,
        waits,
        attempted: commit(&text(&status["lastAttemptedRevision"])),
        applied: commit(&text(&status["lastAppliedRevision"])),
        ready: condition(object, "Ready"),
        // It is unknown while it is looked at, and only then (`checkHealth`).
        checking: reconciling.is_some()
            && condition(object, "Healthy").is_some_and(|one| one.status == "Unknown"),
        reconciling,
        healthy: ended("ReconciliationSucceeded"),
        ill: ended("HealthCheckFailed"),
        inventory: inventory.collect(),
        handled: text(&status["lastHandledReconcileAt"]),
        argo: None,
        namespace,
    }
}

impl Kustomization {
    /// Who applies it.
    pub(in crate::platform::gitops) fn by(&self) -> &'static str {
        if self.argo.is_some() { "Argo CD" } else { "Flux" }
    }
}

/// An Application of Argo CD as what it is to us: something that applies a path of a source
/// (argo-cd, `pkg/apis/application/v1alpha1/types.go`).
fn of_application(object: &Value) -> (FluxSource, Kustomization) {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let (namespace, name) =
        (text(&metadata["namespace"]), format!("argo-cd/{}", text(&metadata["name"])));
    let (sync, health) = (&status["sync"], &status["health"]);
    let operation = &status["operationState"];
    let seen = commit(&text(&sync["revision"]));
    let message = clean(operation["message"].as_str().unwrap_or_default());
    let (state, reason) = match (health["status"].as_str(), operation["phase"].as_str()) {
        (_, Some(phase @ ("Failed" | "Error"))) => ("False", phase),
        (Some(word @ ("Degraded" | "Missing")), _) => ("False", word),
        (Some("Healthy"), _) => ("True", "Healthy"),
        (word, _) => ("Unknown", word.unwrap_or("Unknown")),
    };
    let message = match health["message"].as_str() {
        Some(said) if message.is_empty() => clean(said),
        _ => message,
    };
    let since = time(&operation["finishedAt"]).or_else(|| time(&operation["startedAt"]));
    let ready = Condition { status: state.to_owned(), reason: reason.to_owned(), message, since };
    let synced = sync["status"] == "Synced";
    let automated = &spec["syncPolicy"]["automated"];
    let resources = status["resources"].as_array().into_iter().flatten();
    let inventory = resources.filter_map(|one| {
        Some((one["namespace"].as_str()?.to_owned(), one["name"].as_str()?.to_owned()))
    });
    let history = status["history"].as_array().into_iter().flatten();
    let deployed = history.filter_map(|one| commit(&text(&one["revision"])));
    let source = FluxSource {
        namespace: namespace.clone(),
        name: name.clone(),
        url: text(&spec["source"]["repoURL"]),
        branch: spec["source"]["targetRevision"]
            .as_str()
            .filter(|revision| !["", "HEAD"].contains(revision))
            .map(str::to_owned),
        fetched: seen.clone(),
        fetched_at: time(&status["reconciledAt"]),
        ..FluxSource::default()
    };
    let kustomization = Kustomization {
        path: plain_path(spec["source"]["path"].as_str().unwrap_or_default()),
        source: (namespace.clone(), name.clone()),
        waits: true,
        attempted: commit(&text(&operation["syncResult"]["revision"]))
            .or_else(|| seen.clone().filter(|_| synced)),
        applied: seen.filter(|_| synced && state == "True"),
        ready: Some(ready),
        healthy: if state == "True" { deployed.collect() } else { Vec::new() },
        ill: Vec::new(),
        inventory: inventory.collect(),
        argo: Some(automated.is_object() && automated["enabled"] != false),
        namespace,
        name,
        ..Kustomization::default()
    };
    (source, kustomization)
}

/// The branch of a reference; that of a tag, version or commit is none of ours.
fn branch_of(reference: &Value) -> Option<String> {
    let other =
        ["tag", "semver", "name", "commit"].iter().find_map(|kind| reference[*kind].as_str());
    reference["branch"].as_str().or(other).map(str::to_owned)
}

fn of_source(object: &Value) -> FluxSource {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    FluxSource {
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]),
        url: text(&spec["url"]),
        branch: branch_of(&spec["ref"]),
        suspended: spec["suspend"] == true,
        fetched: commit(&text(&status["artifact"]["revision"])),
        fetched_at: time(&status["artifact"]["lastUpdateTime"]),
        ready: condition(object, "Ready"),
        handled: text(&status["lastHandledReconcileAt"]),
    }
}

fn of_automation(object: &Value) -> Automation {
    let (metadata, spec) = (&object["metadata"], &object["spec"]);
    Automation {
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]),
        suspended: spec["suspend"] == true,
        interval: spec["interval"].as_str().and_then(duration),
        path: plain_path(spec["update"]["path"].as_str().unwrap_or_default()),
    }
}

fn of_policy(object: &Value) -> Policy {
    let metadata = &object["metadata"];
    let latest = &object["status"]["latestRef"];
    // Before the API was stable, it was one text.
    let latest = latest["tag"].as_str().or_else(|| {
        object["status"]["latestImage"]
            .as_str()
            .and_then(|image| image.rsplit_once(':'))
            .map(|(_, tag)| tag)
    });
    Policy {
        name: format!("{}:{}", text(&metadata["namespace"]), text(&metadata["name"])),
        latest: latest.map(str::to_owned),
    }
}

/// Host and path of a repository's address, as all its forms have them.
fn place(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = if url.contains("://") { rest.to_owned() } else { rest.replacen(':', "/", 1) };
    rest.trim_end_matches('/').trim_end_matches(".git").to_ascii_lowercase()
}

impl Seen {
    /// What of it is about this branch of this repository: another team's objects are not ours to suspend.
    pub(in crate::platform::gitops) fn of(mut self, remote: &str, branch: &str) -> Self {
        let own = |one: &FluxSource| {
            place(&one.url) == place(remote) && one.branch.as_deref().unwrap_or(branch) == branch
        };
        self.sources.retain(own);
        let sources: BTreeSet<_> =
            self.sources.iter().map(|one| (one.namespace.clone(), one.name.clone())).collect();
        self.kustomizations.retain(|one| sources.contains(&one.source));
        // Where Flux says what it applied, nobody else's workloads are taken for ours.
        let ours: BTreeSet<_> =
            self.kustomizations.iter().flat_map(|one| one.inventory.clone()).collect();
        self.workloads.retain(|one| {
            ours.is_empty() || ours.contains(&(one.app.scope.clone(), one.app.name.clone()))
        });
        self
    }

    /// The Kustomization that applies a file: the one with the longest path that leads to it.
    pub(in crate::platform::gitops) fn applies(&self, file: &str) -> Option<&Kustomization> {
        let leads =
            |path: &str| path.is_empty() || file == path || file.starts_with(&format!("{path}/"));
        let all = self.kustomizations.iter().filter(|one| leads(&one.path));
        all.max_by_key(|one| one.path.len())
    }

    /// The source of a Kustomization.
    pub(in crate::platform::gitops) fn source(&self, of: &Kustomization) -> Option<&FluxSource> {
        self.sources.iter().find(|one| (&one.namespace, &one.name) == (&of.source.0, &of.source.1))
    }

    /// The automation that would move a file's marker of this policy, unless it is suspended.
    pub(in crate::platform::gitops) fn moves(
        &self,
        file: &str,
        policy: &str,
    ) -> Option<&Automation> {
        let namespace = policy.split(':').next().unwrap_or_default();
        self.automations.iter().find(|one| {
            let path = &one.path;
            let leads = path.is_empty() || file.starts_with(&format!("{path}/"));
            !one.suspended && one.namespace == namespace && leads
        })
    }
}

impl Known {
    /// The images of a revision of a workload; none of one that is gone.
    ///
    /// # Errors
    /// Where they cannot be read: that is not the same as none.
    async fn images(
        &self,
        cluster: &Cluster,
        app: &AppId,
        revision: &RevisionId,
    ) -> Result<Images, Error> {
        let key = (app.clone(), revision.clone());
        let known = lock(&self.0).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let detail = match cluster.platform.detail(app, revision).await {
            Ok(detail) => detail,
            Err(Error::NotFound { .. }) => return Ok(Images::default()),
            Err(error) => return Err(error),
        };
        let facts = detail.facts.iter().filter(|fact| fact.group == Group::Artifact);
        let images: Images =
            Arc::new(facts.map(|fact| image::parse(fact.value.reveal())).collect());
        lock(&self.0).insert(key, images.clone());
        Ok(images)
    }

    /// Looks at the cluster.
    pub(in crate::platform::gitops) async fn look(&self, cluster: &Cluster) -> Result<Seen, Error> {
        let everything = async {
            match cluster.platform.apps(&Scope::Everything).await {
                Err(Error::Forbidden { .. }) => cluster.platform.apps(&Scope::Home).await,
                told => told,
            }
        };
        let (apps, sources, kustomizations, automations, policies, applications) = tokio::join!(
            everything,
            cluster.list(FluxKind::GitRepository),
            cluster.list(FluxKind::Kustomization),
            cluster.list(FluxKind::Automation),
            cluster.list(FluxKind::Policy),
            cluster.list(FluxKind::Application),
        );
        let mut hidden = Vec::new();
        let mut may = |told: Result<Vec<Value>, Error>, kind: FluxKind| match told {
            Ok(all) => Ok(all),
            Err(Error::Forbidden { .. }) => {
                hidden.push(kind.plural().to_owned());
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        };
        let mut sources: Vec<_> =
            may(sources, FluxKind::GitRepository)?.iter().map(of_source).collect();
        let mut kustomizations: Vec<_> =
            may(kustomizations, FluxKind::Kustomization)?.iter().map(of_kustomization).collect();
        let automations =
            may(automations, FluxKind::Automation)?.iter().map(of_automation).collect();
        let policies = may(policies, FluxKind::Policy)?.iter().map(of_policy).collect();
        for (source, application) in
            may(applications, FluxKind::Application)?.iter().map(of_application)
        {
            sources.push(source);
            kustomizations.push(application);
        }
        let apps = apps?.into_iter();
        let workloads = join_all(apps.map(|app| async {
            let images = async |of: Option<&RevisionId>| match of {
                Some(id) => self.images(cluster, &app.id, id).await,
                None => Ok(Images::default()),
            };
            let serves = images(app.deployed.as_ref().map(|of| &of.id)).await?;
            let to = app.rollout.as_ref().and_then(|rollout| rollout.to.as_ref());
            let comes = images(to.map(|of| &of.id)).await?;
            Ok(Workload { app, serves, comes })
        }));
        let workloads = workloads.await.into_iter().collect::<Result<_, Error>>()?;
        Ok(Seen { workloads, sources, kustomizations, automations, policies, hidden })
    }

    /// The versions of an image that a workload is known to have run well, and those that did not finish.
    pub(in crate::platform::gitops) async fn records(
        &self,
        cluster: &Cluster,
        workload: &App,
        image: &str,
    ) -> Vec<(Version, TrackRecord)> {
        let Ok(History { revisions, .. }) = cluster.platform.revisions(&workload.id).await else {
            return Vec::new();
        };
        let mut records = Vec::new();
        for one in revisions {
            // What cannot be read now is no record.
            let images = self.images(cluster, &workload.id, &one.id).await.unwrap_or_default();
            if let Some(version) = version(&images, image) {
                records.push((version.clone(), one.track_record));
            }
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Argo CD 3 tells of an Application whose sync has failed to become healthy.
    #[test]
    fn an_application_of_argo_cd_is_told_like_a_kustomization() {
        let id = "0123456789012345678901234567890123456789";
        let (source, one) = of_application(&serde_json::json!({
            "metadata": { "namespace": "argocd", "name": "shop" },
            "spec": { "source": { "repoURL": "https://x/y", "path": "apps/shop" }, "syncPolicy": { "automated": { "prune": true } } },
            "status": {
                "sync": { "status": "Synced", "revision": id }, "health": { "status": "Degraded" },
                "operationState": { "phase": "Succeeded", "message": "successfully synced", "syncResult": { "revision": id }, "finishedAt": "2026-01-01T00:00:00Z" },
                "resources": [{ "kind": "Deployment", "namespace": "shop", "name": "web" }],
            },
        }));
        assert_eq!((source.fetched.as_deref(), one.attempted.as_deref()), (Some(id), Some(id)));
        assert_eq!((one.applied, one.argo, one.path.as_str()), (None, Some(true), "apps/shop"));
        assert_eq!(one.ready.map(|ready| ready.reason).as_deref(), Some("Degraded"));
        assert!(one.inventory.contains(&("shop".to_owned(), "web".to_owned())));
    }

    #[test]
    fn revisions_and_durations_as_flux_writes_them() {
        let id = "0123456789012345678901234567890123456789";
        assert_eq!(commit(&format!("main@sha1:{id}")).as_deref(), Some(id));
        assert_eq!(commit(&format!("a@b@sha1:{id}")).as_deref(), Some(id));
        assert_eq!(commit("main/short"), None);
        assert_eq!(duration("1m30s"), Some(SignedDuration::from_secs(90)));
        assert_eq!(duration("500ms"), Some(SignedDuration::from_millis(500)));
        assert_eq!(duration("soon"), None);
        for url in [
            "git@github.com:Acme/shop.git",
            "https://me:x@github.com/acme/shop",
            "ssh://git@github.com/acme/shop.git/",
        ] {
            assert_eq!(place(url), "github.com/acme/shop");
        }
    }
}
