//! An Application of Argo CD and its controller on the world's clock, in the place of Flux.
//!
//! After argo-cd 3.4: an Application is compared with its branch every 120 seconds (`defaultAppResyncPeriod`), or when a
//! refresh is asked for; one that syncs by itself does so where it is out of sync, and not twice for one revision
//! (`controller/appcontroller.go`, `autoSync`). Its health is the worst of what it has.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    git::{BRANCH, Bare},
    render::{self, Built},
};
use crate::simulator::{
    clock::seconds_between,
    kubernetes::{
        Cluster,
        resources::{APPLICATIONS, NAMESPACES},
        store::Key,
        world::{World, stamp},
    },
};

/// Where it lives, and its name.
const HOME: &str = "argocd";
const NAME: &str = "apps";
const PATH: &str = "apps";
/// Between two comparisons, in seconds.
const RESYNC: f64 = 120.0;

pub(super) fn key() -> Key {
    Key::new(APPLICATIONS, HOME, NAME)
}

/// The Application, with what has been done so far.
pub(crate) fn create(cluster: &Cluster, bare: &Bare, repository: &str) {
    let head = bare.head(BRANCH).unwrap_or_default();
    cluster.with(|world| {
        let home = json!({ "metadata": { "name": HOME, "labels": { "kubernetes.io/metadata.name": HOME } }, "status": { "phase": "Active" } });
        world.create(NAMESPACES, "", home);
        let at = stamp(world.now);
        let source = json!({ "repoURL": repository, "path": PATH, "targetRevision": BRANCH });
        let application = json!({
            "metadata": { "name": NAME },
            "spec": {
                "project": "default", "source": source, "destination": { "server": "https://kubernetes.default.svc" },
                "syncPolicy": { "automated": { "prune": true } },
            },
            "status": {
                "sync": { "status": "Synced", "revision": head }, "health": { "status": "Healthy" }, "reconciledAt": at,
                "history": [{ "id": 0, "revision": head, "deployedAt": at, "source": source }],
                "operationState": operated(&head, &at, true),
            },
        });
        world.create(APPLICATIONS, HOME, application);
    });
}

fn operated(revision: &str, at: &str, automated: bool) -> Value {
    json!({
        "phase": "Succeeded", "message": "successfully synced (all tasks run)", "startedAt": at, "finishedAt": at,
        "operation": { "initiatedBy": { "automated": automated }, "sync": { "revision": revision } },
        "syncResult": { "revision": revision },
    })
}

/// Its controller.
#[derive(Debug, Default)]
pub(crate) struct ArgoCd {
    compared_at: Option<Timestamp>,
}

impl ArgoCd {
    /// Lets it work at the clock's present.
    pub(crate) fn work(&mut self, cluster: &Cluster, bare: &Bare, now: Timestamp) {
        let Some(object) = cluster.with(|world| world.store.get(&key()).cloned()) else { return };
        let Some(head) = bare.head(BRANCH) else { return };
        let asked = object["operation"]["sync"].is_object();
        let refresh = object["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_string();
        let due = self.compared_at.is_none_or(|at| seconds_between(at, now) >= RESYNC);
        let built = bare.files(&head, PATH).and_then(|files| render::build(&files, PATH));
        let Ok(built) = built else { return };
        cluster.with(|world| {
            if due || refresh || asked {
                self.compared_at = Some(now);
                compare(world, &built, &head, asked);
            }
            health(world, &built);
        });
    }
}

/// Compares what is declared with the cluster, and syncs where that is asked for, or to be done by itself.
fn compare(world: &mut World, built: &[Built], head: &str, asked: bool) {
    let at = stamp(world.now);
    let Some(object) = world.store.get(&key()).cloned() else { return };
    let differs = built.iter().any(|one| one.differs(world));
    let automated = &object["spec"]["syncPolicy"]["automated"];
    let itself = automated.is_object() && automated["enabled"] != false;
    let attempted = object["status"]["operationState"]["syncResult"]["revision"] == head;
    let syncs = asked || (itself && differs && !attempted);
    if syncs {
        render::apply(world, built, "argocd-controller");
    }
    let status = if differs && !syncs { "OutOfSync" } else { "Synced" };
    world.change(&key(), |object| {
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.remove("argocd.argoproj.io/refresh");
        }
        object["status"]["sync"] = json!({ "status": status, "revision": head });
        object["status"]["reconciledAt"] = at.clone().into();
        if !syncs {
            return;
        }
        if let Some(object) = object.as_object_mut() {
            object.remove("operation");
        }
        object["status"]["operationState"] = operated(head, &at, !asked);
        let source = object["spec"]["source"].clone();
        if let Some(history) = object["status"]["history"].as_array_mut() {
            let id = history.len();
            history.push(json!({ "id": id, "revision": head, "deployedAt": at, "source": source }));
        }
    });
}

/// What the Deployments are like, and the Application with them.
fn health(world: &mut World, built: &[Built]) {
    let told: Vec<Value> = built
        .iter()
        .filter_map(|one| {
            let object = world.store.get(&one.key())?;
            let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
            let late = conditions.clone().any(|one| one["reason"] == "ProgressDeadlineExceeded");
            let health = match render::healthy(object) {
                _ if late => json!({ "status": "Degraded", "message": format!("Deployment \"{}\" exceeded its progress deadline", one.name) }),
                true => json!({ "status": "Healthy" }),
                false => json!({ "status": "Progressing", "message": "Waiting for rollout to finish" }),
            };
            Some(json!({
                "group": "apps", "version": "v1", "kind": "Deployment", "namespace": one.namespace, "name": one.name,
                "status": if one.differs(world) { "OutOfSync" } else { "Synced" }, "health": health,
            }))
        })
        .collect();
    let worst = ["Degraded", "Progressing"]
        .into_iter()
        .find(|word| told.iter().any(|one| one["health"]["status"] == *word))
        .unwrap_or("Healthy");
    world.change(&key(), |object| {
        object["status"]["health"] = json!({ "status": worst });
        object["status"]["resources"] = told.into();
    });
}
