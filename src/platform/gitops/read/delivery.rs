//! Objects of Flux and of Argo CD: what they fetch, what they apply, and what they move.
//!
//! `lastAppliedRevision` of a Kustomization lags behind the cluster where it waits for health: the manifests are applied
//! before (`reconcile` in kustomize-controller, `internal/controller/kustomization_controller.go`). So the attempted
//! revision and the Pods are what is believed.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::domain::text::{clean, span};

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

pub(super) fn of_kustomization(object: &Value) -> Kustomization {
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

/// An Application of Argo CD as what it is to us: something that applies a path of a source, or of several
/// (argo-cd, `pkg/apis/application/v1alpha1/types.go`).
pub(super) fn of_application(object: &Value) -> Vec<(FluxSource, Kustomization)> {
    let spec = &object["spec"];
    match spec["sources"].as_array().filter(|sources| !sources.is_empty()) {
        Some(sources) => sources
            .iter()
            .enumerate()
            .map(|(at, source)| of_application_source(object, source, Some(at)))
            .collect(),
        None => vec![of_application_source(object, &spec["source"], None)],
    }
}

/// The same of one of its sources; where there are several, by its number.
fn of_application_source(
    object: &Value,
    from: &Value,
    number: Option<usize>,
) -> (FluxSource, Kustomization) {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let more = match number {
        None | Some(0) => String::new(),
        Some(number) => format!(" (source {})", number + 1),
    };
    let (namespace, name) =
        (text(&metadata["namespace"]), format!("argo-cd/{}{more}", text(&metadata["name"])));
    let revision = |of: &Value| match number {
        Some(number) => commit(&text(&of["revisions"][number])),
        None => commit(&text(&of["revision"])),
    };
    let (sync, health) = (&status["sync"], &status["health"]);
    let operation = &status["operationState"];
    let seen = revision(sync);
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
    let deployed = history.filter_map(revision);
    let source = FluxSource {
        namespace: namespace.clone(),
        name: name.clone(),
        url: text(&from["repoURL"]),
        branch: from["targetRevision"]
            .as_str()
            .filter(|revision| !["", "HEAD"].contains(revision))
            .map(str::to_owned),
        fetched: seen.clone(),
        fetched_at: time(&status["reconciledAt"]),
        ..FluxSource::default()
    };
    let kustomization = Kustomization {
        path: plain_path(from["path"].as_str().unwrap_or_default()),
        source: (namespace.clone(), name.clone()),
        waits: true,
        attempted: revision(&operation["syncResult"]).or_else(|| seen.clone().filter(|_| synced)),
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

pub(super) fn of_source(object: &Value) -> FluxSource {
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

pub(super) fn of_automation(object: &Value) -> Automation {
    let (metadata, spec) = (&object["metadata"], &object["spec"]);
    Automation {
        namespace: text(&metadata["namespace"]),
        name: text(&metadata["name"]),
        suspended: spec["suspend"] == true,
        interval: spec["interval"].as_str().and_then(duration),
        path: plain_path(spec["update"]["path"].as_str().unwrap_or_default()),
    }
}

pub(super) fn of_policy(object: &Value) -> Policy {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn only(object: &Value) -> (FluxSource, Kustomization) {
        of_application(object).remove(0)
    }

    /// As Argo CD 3 tells of an Application whose sync has failed to become healthy.
    #[test]
    fn an_application_of_argo_cd_is_told_like_a_kustomization() {
        let id = "0123456789012345678901234567890123456789";
        let (source, one) = only(&serde_json::json!({
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

    /// Of several sources each has its own revision, in the order of `spec.sources`.
    #[test]
    fn an_application_of_several_sources_is_told_for_each() {
        let (own, other) = ("0123456789".repeat(4), "9876543210".repeat(4));
        let told = of_application(&serde_json::json!({
            "metadata": { "namespace": "argocd", "name": "shop" },
            "spec": { "sources": [
                { "repoURL": "https://charts.example.org", "chart": "web", "targetRevision": "1.2.3" },
                { "repoURL": "https://x/y", "path": "apps/shop" },
                { "repoURL": "https://x/values", "ref": "values" },
            ] },
            "status": {
                "sync": { "status": "Synced", "revisions": ["1.2.3", own, other] }, "health": { "status": "Healthy" },
                "operationState": { "phase": "Succeeded", "syncResult": { "revisions": ["1.2.3", own, other] } },
                "history": [{ "revisions": ["1.2.2", other, other] }, { "revisions": ["1.2.3", own, other] }],
            },
        }));
        let told: Vec<_> = told
            .iter()
            .map(|(source, one)| (source.url.as_str(), one.path.as_str(), one.applied.clone()))
            .collect();
        let expected = [
            ("https://charts.example.org", "", None),
            ("https://x/y", "apps/shop", Some(own)),
            ("https://x/values", "", Some(other)),
        ];
        assert_eq!(told, expected);
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
    }
}
