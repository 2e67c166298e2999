//! What is around a change: how it will run, and who may fight it.

use serde::Deserialize;
use serde_json::Value;

use crate::domain::{Note, Operation, Plan, text::clean};
use crate::platform::kubernetes::{
    cluster::Cluster, model::store::Kind, model::wire, plan::snapshot::Snapshot, read::convert,
};
use crate::platform::operation::supersedes;

/// How it will run, and who may fight it.
pub(in crate::platform::kubernetes) async fn warnings(
    cluster: &Cluster,
    snapshot: &Snapshot,
    plan: &mut Plan,
) {
    let object = &snapshot.workload.object;
    let spec = object.spec.as_ref();
    let replicas = spec.and_then(|spec| spec.replicas);
    match (snapshot.address.kind, spec) {
        (Kind::Deployment, Some(spec)) if spec.strategy.kind == "Recreate" => {
            plan.capacity
                .push("Recreate: ALL AT ONCE, nothing serves until the new ones are up".to_owned());
        }
        (Kind::Deployment, Some(spec)) => {
            plan.capacity.push(format!(
                "rolling, {}: {} instances",
                convert::limits(spec),
                replicas.unwrap_or(1)
            ));
        }
        (Kind::StatefulSet | Kind::DaemonSet, Some(spec)) if spec.on_delete() => {
            plan.capacity.push(
                "OnDelete: NOTHING is replaced until somebody deletes its Pods, one after the other"
                    .to_owned(),
            );
        }
        (Kind::StatefulSet, Some(spec)) if spec.partition() > 0 => {
            plan.capacity.push(format!(
                "partition {0}: only from number {0} up, from the highest down; those below keep what they have",
                spec.partition()
            ));
        }
        (Kind::StatefulSet, _) => {
            plan.capacity.push("one by one, from the highest number down".to_owned());
        }
        (Kind::Rollout, Some(spec)) => plan.capacity.push(match &spec.strategy.canary {
            Some(canary) => format!(
                "canary in {} steps: {} instances",
                canary.steps.len(),
                replicas.unwrap_or(1)
            ),
            None => {
                format!("blue-green: {} instances beside those that serve", replicas.unwrap_or(1))
            }
        }),
        (Kind::DaemonSet, _) => plan.capacity.push("node by node".to_owned()),
        _ => {}
    }
    if snapshot.rolling
        && !matches!(
            plan.request.operation,
            Operation::Cancel | Operation::Continue | Operation::Pause
        )
    {
        plan.notes.push(supersedes("", ""));
    }
    let (labels, annotations) = (&object.metadata.labels, &object.metadata.annotations);
    let owner = owner(snapshot);
    let helm = annotations.get("meta.helm.sh/release-name");
    if owner.is_none()
        && (helm.is_some()
            || labels.get("app.kubernetes.io/managed-by").is_some_and(|by| by == "Helm"))
    {
        let release = helm.map(|name| format!(" (release {})", clean(name))).unwrap_or_default();
        plan.notes.push(Note::Warning(format!(
            "Helm installed this{release}: its next upgrade will overwrite the change"
        )));
    }
    if let Some(owner) = owner {
        plan.notes.push(Note::Warning(format!(
            "{owner} owns this and will put it back: change it in git as well"
        )));
    }
    if object.metadata.manager.as_ref().is_some_and(|manager| manager.applies) {
        plan.notes.push(Note::Warning("a pipeline applies this on the server's side: its next run will conflict unless it forces".to_owned()));
    }
    if spec.is_some_and(|spec| spec.revision_history_limit == Some(0)) {
        plan.notes.push(Note::Warning(
            "revisionHistoryLimit is 0: there will be no way back from this".to_owned(),
        ));
    }
    in_play(&mut plan.notes, cluster, snapshot).await;
}

/// What applies the workload from a repository, and puts back what was changed.
pub(super) fn owner(snapshot: &Snapshot) -> Option<&'static str> {
    let metadata = &snapshot.workload.object.metadata;
    let (labels, annotations) = (&metadata.labels, &metadata.annotations);
    // Argo CD 2 marks with a label that others use, too; what it has written it has written as itself.
    let argo_cd = metadata.manager.as_ref().is_some_and(|manager| manager.argo_cd);
    let by_argo = annotations.contains_key("argocd.argoproj.io/tracking-id")
        || labels.contains_key("argocd.argoproj.io/instance")
        || (argo_cd && labels.contains_key("app.kubernetes.io/instance"));
    let by_flux = labels.keys().any(|label| {
        label.starts_with("kustomize.toolkit.fluxcd.io/")
            || label.starts_with("helm.toolkit.fluxcd.io/")
    });
    match (by_argo, by_flux) {
        (true, _) => Some("Argo CD"),
        (false, true) => Some("Flux"),
        (false, false) => None,
    }
}

/// What decides by itself how many instances there are, and in which bounds.
pub(super) struct Scaler {
    pub(super) name: String,
    pub(super) least: i64,
    pub(super) most: i64,
}

/// The objects of a kind beside a workload; whoever may not see them is not told of them.
async fn beside(cluster: &Cluster, snapshot: &Snapshot, group: &str, plural: &str) -> Vec<Value> {
    let path = format!("/apis/{group}/namespaces/{}/{plural}", snapshot.address.namespace);
    let read: Result<wire::List<Value>, _> = cluster.connection.get(&path, &[]).await;
    read.map(|list| list.items).unwrap_or_default()
}

/// The autoscaler of a workload, if there is one.
pub(super) async fn autoscaler(cluster: &Cluster, snapshot: &Snapshot) -> Option<Scaler> {
    let all = beside(cluster, snapshot, "autoscaling/v2", "horizontalpodautoscalers").await;
    let aims = |one: &&Value| {
        let aim = &one["spec"]["scaleTargetRef"];
        let kind = aim["kind"].as_str().unwrap_or_default();
        aim["name"] == snapshot.address.name.as_str()
            && kind.eq_ignore_ascii_case(snapshot.address.kind.word())
    };
    let one = all.iter().find(aims)?;
    Some(Scaler {
        name: clean(one["metadata"]["name"].as_str().unwrap_or_default()),
        least: one["spec"]["minReplicas"].as_i64().unwrap_or(1),
        most: one["spec"]["maxReplicas"].as_i64().unwrap_or(1),
    })
}

/// Who else has a hand in how many instances there are.
async fn in_play(notes: &mut Vec<Note>, cluster: &Cluster, snapshot: &Snapshot) {
    let (scaler, budgets) = tokio::join!(
        autoscaler(cluster, snapshot),
        beside(cluster, snapshot, "policy/v1", "poddisruptionbudgets")
    );
    if let Some(Scaler { name, least, most }) = scaler {
        notes.push(Note::Info(format!(
            "autoscaler {name} is in play ({least} to {most} instances)"
        )));
    }
    let labels = &snapshot.template()["metadata"]["labels"];
    let covers = |one: &&Value| {
        let selector = wire::Selector::deserialize(&one["spec"]["selector"]);
        selector.is_ok_and(|selector| selector.matches(labels))
    };
    if let Some(one) = budgets.iter().find(covers) {
        let allowed = one["status"]["disruptionsAllowed"].as_i64();
        let allowed = allowed.map_or_else(String::new, |count| format!(": {count} may go now"));
        notes.push(Note::Info(format!(
            "disruption budget {} is in play{allowed}",
            clean(one["metadata"]["name"].as_str().unwrap_or_default())
        )));
    }
}
