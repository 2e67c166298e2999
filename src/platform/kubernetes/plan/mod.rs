//! Plans: what an operation would do, from data read now, tried as a dry run on the server.

mod argo;
mod changes;
mod first_aid;
mod snapshot;
mod warnings;

use http::Method;
use serde_json::Value;

use crate::platform::cluster::Connection;
use crate::platform::kubernetes::{
    cluster::Act,
    cluster::Cluster,
    model::store::Kind,
    model::wire::{self, Template},
    operate::observe::Tracking,
    operate::send::{Action, JSON_PATCH, MANAGER},
    options::{NOT_APPLIED, NOTHING_HELD},
    plan::argo as argo_verbs,
    plan::changes::{Mutation, deploy, hold, restart, template_patch},
    plan::snapshot::{Cause, Snapshot, end},
    plan::warnings::warnings,
    read::instances,
    read::template,
};
use crate::platform::operation::back_on;
use crate::{
    domain::{
        Group, INSTANCE, Note, Operation, Plan, Recipe, Request, Revision, RollBackTo, RolloutId,
        Step, TrackRecord, differences, last_good,
        text::{clean, quoted, span},
    },
    platform::{Error, http::WriteError, operation},
};

/// What a roll back is told that nothing asks for.
const WELL: &str = "all instances of what runs now are well: this goes back further";

/// Works out a plan.
pub(in crate::platform::kubernetes) async fn make(
    cluster: &Cluster,
    request: Request,
) -> Result<Plan, Error> {
    let snapshot = Snapshot::read(cluster, &request.app).await?;
    let name = clean(&snapshot.address.name);
    let title = format!("{} {name}", request.operation.verb().words().to_uppercase());
    let mut plan = Plan::draft(request, name.clone(), title, (cluster.now)());
    plan.from = snapshot.deployed().map(end);
    match plan.request.operation {
        Operation::Scale | Operation::Stop | Operation::Start => {
            return first_aid::scale(cluster, &snapshot, plan).await;
        }
        Operation::Restart if plan.request.options.get(INSTANCE.name).is_some() => {
            return first_aid::restart_instance(cluster, &snapshot, plan).await;
        }
        _ => {}
    }
    let argo = snapshot.address.kind == Kind::Rollout;
    let built = match plan.request.operation.clone() {
        Operation::RollBack(_) | Operation::Deploy if let Some(why) = snapshot.elsewhere() => {
            Err(why)
        }
        Operation::RollBack(goal) => roll_back(cluster, &snapshot, &mut plan, &goal).await?,
        Operation::Cancel if argo => argo_verbs::abort(&snapshot, &mut plan),
        Operation::Continue if argo => argo_verbs::promote(&snapshot, &mut plan),
        Operation::Restart if argo => {
            Ok(argo_verbs::restart(&snapshot, &mut plan, (cluster.now)()))
        }
        Operation::Cancel => cancel(cluster, &snapshot, &mut plan).await?,
        Operation::Deploy => deploy(&snapshot, &mut plan),
        Operation::Restart => restart(cluster, &snapshot, &mut plan),
        Operation::Continue => {
            let serving = match (snapshot.pending(), snapshot.deployed()) {
                (Some(_), Some(one)) => Some(cluster.template(&plan.request.app, &one.id).await?),
                _ => None,
            };
            hold(&snapshot, &mut plan, false, serving.as_ref())
        }
        Operation::Pause => hold(&snapshot, &mut plan, true, None),
        Operation::Release => Err(NOTHING_HELD.to_owned()),
        Operation::Reconcile => Err(NOT_APPLIED.to_owned()),
        Operation::Scale | Operation::Stop | Operation::Start | Operation::EnableRevisions => {
            Err("Kubernetes keeps revisions by itself: see revisionHistoryLimit".to_owned())
        }
    };
    let change = match built {
        Ok(change) => change,
        Err(why) => {
            return Ok(plan.refuse(why));
        }
    };
    finish(cluster, &snapshot, plan, change).await
}

async fn roll_back(
    cluster: &Cluster,
    snapshot: &Snapshot,
    plan: &mut Plan,
    goal: &RollBackTo,
) -> Result<Result<Mutation, String>, Error> {
    let name = plan.app.clone();
    let revisions = &snapshot.history.revisions;
    let (wanted, sure) = match goal {
        RollBackTo::LastGood => match last_good(revisions, snapshot.rolling) {
            Some(found) => found,
            None => {
                let why = snapshot
                    .history
                    .remark
                    .clone()
                    .unwrap_or_else(|| format!("{name} has no earlier revision to go back to"));
                return Ok(Err(if why.contains(&name) { why } else { format!("{name}: {why}") }));
            }
        },
        RollBackTo::Revision(id) => match revisions.iter().find(|one| one.id == *id) {
            Some(one) => (one, true),
            None => {
                return Ok(Err(format!(
                    "this revision of {name} is gone: it was pruned (revisionHistoryLimit)"
                )));
            }
        },
    };
    let template = cluster.template(&plan.request.app, &wanted.id).await?;
    back_to(
        cluster,
        snapshot,
        plan,
        wanted,
        template,
        if *goal == RollBackTo::LastGood { Some(sure) } else { None },
    )
    .await
}

async fn back_to(
    cluster: &Cluster,
    snapshot: &Snapshot,
    plan: &mut Plan,
    wanted: &Revision,
    mut template: Value,
    last: Option<bool>,
) -> Result<Result<Mutation, String>, Error> {
    let name = plan.app.clone();
    wire::strip(&mut template);
    let mut now = snapshot.template().clone();
    wire::strip(&mut now);
    plan.title = format!(
        "ROLL BACK {name} to {}{}",
        wanted.name(),
        match (last, wanted.served) {
            (Some(true), _) => " (last good)".to_owned(),
            (Some(false), Some(lived)) =>
                format!(" (it lived {}; no record that it was well)", span(lived)),
            (Some(false), None) => " (no record that it was well)".to_owned(),
            (None, _) => String::new(),
        }
    );
    plan.to = Some(end(wanted));
    if now == template && !(snapshot.paused() && snapshot.rolling) {
        return Ok(Err(format!(
            "nothing would change: {name} has the template of {} already",
            wanted.name()
        )));
    }
    plan.differs = differences(&template::of_template(&now), &template::of_template(&template));
    let on_delete =
        snapshot.workload.object.spec.as_ref().is_some_and(wire::WorkloadSpec::on_delete);
    plan.method = if on_delete {
        format!(
            "the template of {} again: Pods that have another must be deleted for it",
            wanted.name()
        )
    } else if snapshot.rolling {
        format!(
            "the template of {} again: old instances still serve, and the rollout turns round",
            wanted.name()
        )
    } else {
        format!("the template of {} again, as a rollout of its own", wanted.name())
    };
    if wanted.track_record == TrackRecord::Unfinished {
        let text = format!("{} FAILED: it was never well for as long as it ran", wanted.name());
        plan.notes.push(Note::Warning(text));
    }
    let whole = snapshot.workload.object.status.as_ref().is_some_and(|status| {
        let replicas = snapshot.workload.object.spec.as_ref().and_then(|spec| spec.replicas);
        let wanted = replicas.unwrap_or(status.desired_number_scheduled.max(1));
        status.ready_replicas.max(status.number_ready) >= wanted
    });
    if last.is_some() && !snapshot.rolling && whole {
        plan.notes.push(Note::Warning(WELL.to_owned()));
    }
    if last == Some(false) {
        plan.notes.push(Note::Warning(format!(
            "that {} was well is inferred: the platform keeps no record of it",
            wanted.name()
        )));
    }
    if snapshot.paused() {
        plan.notes.push(Note::Info("the rollout is paused: the pause ends with this".to_owned()));
    }
    plan.notes.push(Note::Info(
        "ConfigMaps, Secrets and the number of instances do not roll back".to_owned(),
    ));
    if let Some(pending) = snapshot.pending() {
        plan.from = Some(pending);
    }
    // kubectl does not undo what is paused, and going on first would roll out what waits.
    if snapshot.paused() && snapshot.address.kind == Kind::Deployment {
        if plan.differs.iter().all(|one| one.group == Group::Artifact) {
            let images = Template::read(template.clone()).images;
            let images: Vec<_> =
                images.iter().map(|(name, image)| format!("{name}={}", quoted(image))).collect();
            let set = format!("set image {} {}", snapshot.named(), images.join(" "));
            plan.by_hand.push(snapshot.by_hand("kubectl", &set));
            let resume = format!("rollout resume {}", snapshot.named());
            plan.by_hand.push(snapshot.by_hand("kubectl", &resume));
        } else {
            let edit = snapshot.by_hand("kubectl", &format!("edit {}", snapshot.named()));
            let revision = wanted.name();
            plan.by_hand.push(format!("{edit}  # spec.template as in {revision}, paused: false"));
        }
    } else {
        plan.by_hand.push(if snapshot.address.kind == Kind::Rollout {
            let undo = format!("undo {} --to-revision={}", snapshot.address.name, wanted.label);
            snapshot.by_hand("kubectl argo rollouts", &undo)
        } else {
            let undo = format!("rollout undo {} --to-revision={}", snapshot.named(), wanted.label);
            snapshot.by_hand("kubectl", &undo)
        });
    }
    let leaving = snapshot.leaving(Some(&wanted.id));
    let goal = back_on(format!("{}{}", wanted.name(), snapshot.above()));
    let reason = plan.request.reason.clone();
    let patch = template_patch(snapshot, &template, reason.as_deref(), Cause::Of(&wanted.id));
    let pods = stuck_pods(cluster, snapshot, wanted).await?;
    if !pods.is_empty() {
        let names: Vec<_> = pods.iter().map(|(name, _)| clean(name)).collect();
        let act = Act {
            verb: "delete",
            group: "",
            resource: "pods",
            namespace: snapshot.address.namespace.clone(),
        };
        if let Some(why) = cluster.may(act).await?.reason() {
            plan.notes.push(Note::Warning(format!("{why}: have somebody do it who may")));
        }
        plan.notes.push(Note::Warning(format!(
            "a StatefulSet waits for ever for a Pod that does not become ready: {} will be deleted after the patch",
            names.join(", ")
        )));
    }
    Ok(Ok(Mutation { patch, template: Some(template), goal, leaving, pods, ..Mutation::default() }))
}

/// Name and UID of the Pods of a StatefulSet that are not ready and not of the revision that is gone back to: they hold
/// it up for ever. A selector may find Pods of others, too: only those that it controls are its own.
async fn stuck_pods(
    cluster: &Cluster,
    snapshot: &Snapshot,
    wanted: &Revision,
) -> Result<Vec<(String, String)>, Error> {
    let spec = snapshot.workload.object.spec.as_ref();
    let ordered = spec.is_some_and(|spec| spec.pod_management_policy != "Parallel");
    if snapshot.address.kind != Kind::StatefulSet || !ordered {
        return Ok(Vec::new());
    }
    let selector = spec.map(|spec| spec.selector.query()).unwrap_or_default();
    let path = format!("/api/v1/namespaces/{}/pods", snapshot.address.namespace);
    let (pods, _) =
        crate::platform::kubernetes::client::stream::list::<wire::Pod>(cluster, &path, &selector)
            .await?;
    let stuck = |pod: &&wire::Pod| {
        let own = pod
            .metadata
            .labels
            .get("controller-revision-hash")
            .is_some_and(|hash| hash == wanted.id.as_str());
        let theirs = pod.metadata.owner() != Some(snapshot.workload.object.metadata.uid.as_str());
        !theirs
            && !own
            && !matches!(
                instances::instance(pod).state,
                crate::domain::InstanceState::Running | crate::domain::InstanceState::Stopping
            )
    };
    let named = |pod: &wire::Pod| (pod.metadata.name.clone(), pod.metadata.uid.clone());
    Ok(pods.iter().filter(stuck).map(named).collect())
}

/// There is no cancel: it is going back to what was live when this rollout began.
async fn cancel(
    cluster: &Cluster,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<Result<Mutation, String>, Error> {
    let name = plan.app.clone();
    if !snapshot.rolling {
        return Ok(Err(format!("{name} has no rollout to cancel")));
    }
    let before = snapshot.serving();
    let Some(before) = before.cloned() else {
        return Ok(Err(format!(
            "{name} had nothing before this rollout that it could go back to: roll back to a revision instead"
        )));
    };
    let template = cluster.template(&plan.request.app, &before.id).await?;
    let change = back_to(cluster, snapshot, plan, &before, template, None).await?;
    plan.title = format!("CANCEL the rollout of {name}: back to {}", before.name());
    plan.method = format!(
        "Kubernetes has no cancel: the template of {} again, which was live when this began",
        before.name()
    );
    Ok(change)
}

/// What the server makes of a template on its way, such as a digest in place of a tag.
fn admitted(plan: &mut Plan, snapshot: &Snapshot, sent: &Value, stored: &Value) {
    let changed = differences(&template::of_template(sent), &template::of_template(stored));
    let lines: Vec<_> = changed.iter().map(|one| one.line(false)).collect();
    let what = if lines.is_empty() { String::new() } else { format!(": {}", lines.join(", ")) };
    plan.notes.push(Note::Info(format!("admission changes the template on its way{what}")));
    let mut now = snapshot.template().clone();
    wire::strip(&mut now);
    if now == *stored {
        plan.refused = Some(format!(
            "nothing would change: what the server makes of it is what {} runs already",
            plan.app
        ));
    }
    plan.differs = differences(&template::of_template(&now), &template::of_template(stored));
}

/// Tries the patch on the server without effect, and adds what applies to every change.
async fn finish(
    cluster: &Cluster,
    snapshot: &Snapshot,
    mut plan: Plan,
    mut change: Mutation,
) -> Result<Plan, Error> {
    let path = snapshot.address.path();
    let sent_to = if change.status { format!("{path}/status") } else { path.clone() };
    let dry = Connection::address(&sent_to, &[("dryRun", "All"), ("fieldManager", MANAGER)]);
    let mut stored = None;
    match cluster.connection.write(Method::PATCH, &dry, JSON_PATCH, &change.patch).await {
        Ok(object) => stored = change.template.as_ref().map(|_| object["spec"]["template"].clone()),
        Err(WriteError::NoEffect(error @ (Error::Api { .. } | Error::Forbidden { .. }))) => {
            plan.refused = Some(format!("the server would refuse it: {error}"));
        }
        // Nothing can have had an effect: it was a dry run.
        Err(WriteError::NoEffect(error) | WriteError::Lost(error)) => return Err(error),
    }
    // What is stored is what counts: admission may change it on its way.
    if let (Some(mut stored), Some(sent)) = (stored, &change.template) {
        wire::strip(&mut stored);
        if stored != *sent {
            admitted(&mut plan, snapshot, sent, &stored);
            change.template = Some(stored);
        }
    }
    warnings(cluster, snapshot, &mut plan).await;
    let hash = |template: &Value| Template::read(template.clone()).hash;
    let generation = snapshot.whole["metadata"]["generation"].as_i64().unwrap_or(0);
    let tracking = Tracking {
        template: change.template.as_ref().map(hash),
        before: Some(hash(snapshot.template())),
        generation,
        paused: change.paused,
        ends: change.ends,
        asked: change.asked,
        ..Tracking::default()
    };
    let guard = snapshot.guard();
    let rollout = tracking.template.or(tracking.before);
    let rollout = rollout.map(|hash| RolloutId::new(format!("{}/{hash:016x}", guard.uid)));
    let mut steps = vec![Step {
        label: "patch".to_owned(),
        calls: vec![format!("PATCH {sent_to}")],
        action: Action::Patch { path: sent_to, patch: change.patch }.json(),
        ..Step::default()
    }];
    let namespace = &snapshot.address.namespace;
    steps.extend(change.pods.into_iter().map(|(name, uid)| Step {
        label: format!("delete Pod {}, which holds the others up", clean(&name)),
        calls: vec![format!("DELETE /api/v1/namespaces/{namespace}/pods/{name}")],
        action: Action::DeletePod { namespace: namespace.clone(), name, uid }.json(),
        completes: true,
        optional: true,
        ..Step::default()
    }));
    plan.recipe = Some(Recipe {
        id: operation::new_id(),
        // Texts and numbers: it cannot fail to become JSON.
        guard: serde_json::to_value(&guard).unwrap_or_default(),
        steps,
        afterwards: Vec::new(),
        goal: change.goal,
        leaving: change.leaving,
        undoes: change.ends == Some(true),
        former: None,
        rollout,
        tracking: tracking.json(),
    });
    Ok(plan)
}
