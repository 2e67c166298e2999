//! What helps a workload through the next minutes without another template: scaling, stopping, starting, and one Pod that
//! is evicted, so that another one takes its place.

use http::Method;
use serde_json::Value;

use crate::platform::cluster::Connection;
use crate::platform::kubernetes::{
    cluster::Act,
    cluster::Cluster,
    model::store::Kind,
    operate::observe::Tracking,
    operate::send::{Action, JSON_PATCH, MANAGER, eviction, scale_patch},
    plan::snapshot::Snapshot,
    plan::warnings::{Scaler, autoscaler, owner},
};
use crate::{
    domain::{
        INSTANCE, InstanceState, Note, Operation, Plan, Recipe, RevisionSummary, SCALE_TO,
        SideName, Step, text::clean,
    },
    platform::{Error, http::WriteError, operation},
};

/// Works out how many instances there will be.
pub(super) async fn scale(
    cluster: &Cluster,
    snapshot: &Snapshot,
    mut plan: Plan,
) -> Result<Plan, Error> {
    let name = plan.app.clone();
    let refuse = |plan: Plan, why: String| Ok(plan.refuse(why));
    if snapshot.address.kind == Kind::DaemonSet {
        return refuse(plan, format!("{name} is a DaemonSet: it has one instance on every node"));
    }
    let now = snapshot.whole["spec"]["replicas"].as_u64().unwrap_or(1) as u32;
    let asked = plan.request.options.number(SCALE_TO.name);
    let (verb, wanted) = match plan.request.operation {
        Operation::Stop => ("STOP", 0),
        Operation::Start => match asked {
            Some(wanted) => ("START", wanted),
            None => {
                return refuse(
                    plan,
                    format!(
                        "how many instances {name} had before is not in the journal here: say how many (--instances N)"
                    ),
                );
            }
        },
        _ => ("SCALE", asked.unwrap_or(now)),
    };
    plan.title = match verb {
        "SCALE" => format!("SCALE {name} from {now} to {wanted} instances"),
        "START" => format!("START {name} with {wanted} instances"),
        _ => format!("STOP {name}: {now} instances go"),
    };
    plan.from = Some(RevisionSummary::named(format!("{now} instances")));
    plan.to = Some(RevisionSummary::named(format!("{wanted} instances")));
    if verb == "START" && now > 0 {
        return refuse(plan, format!("{name} is started already: it has {now} instances"));
    }
    if now == wanted {
        return refuse(plan, format!("nothing would change: {name} has {now} instances already"));
    }
    let kind = snapshot.address.kind;
    let resource = match kind {
        Kind::Deployment => "deployments/scale",
        Kind::StatefulSet => "statefulsets/scale",
        _ => "rollouts/scale",
    };
    let namespace = snapshot.address.namespace.clone();
    let act = Act { verb: "patch", group: kind.group(), resource, namespace };
    if let Some(why) = cluster.may(act).await?.reason() {
        return refuse(plan, why.to_owned());
    }
    "the number of its Pods; their template stays as it is".clone_into(&mut plan.method);
    notes(cluster, snapshot, &mut plan, now, wanted).await;
    let path = format!("{}/scale", snapshot.address.path());
    let command = format!("scale {} --replicas={wanted}", snapshot.named());
    plan.by_hand.push(snapshot.by_hand("kubectl", &command));
    let guard = snapshot.guard();
    let dry = Connection::address(&path, &[("dryRun", "All"), ("fieldManager", MANAGER)]);
    let patch = scale_patch(&guard.uid, now, wanted);
    match cluster.connection.write(Method::PATCH, &dry, JSON_PATCH, &patch).await {
        Ok(_) => {}
        Err(WriteError::NoEffect(error @ (Error::Api { .. } | Error::Forbidden { .. }))) => {
            return refuse(plan, format!("the server would refuse it: {error}"));
        }
        // Nothing can have had an effect: it was a dry run.
        Err(WriteError::NoEffect(error) | WriteError::Lost(error)) => return Err(error),
    }
    let goal = match verb {
        "STOP" => "stopped".to_owned(),
        "START" => format!("started with {wanted} instances"),
        _ => format!("at {wanted} instances"),
    };
    let action = Action::Scale { path: path.clone(), before: now, wanted };
    let tracking = Tracking { scaled: Some((now, wanted)), ..Tracking::default() };
    let step = Step {
        label: "scale".to_owned(),
        calls: vec![format!("PATCH {path}")],
        action: action.json(),
        ..Step::default()
    };
    let recipe = recipe(snapshot, step, goal, &tracking);
    plan.recipe = Some(Recipe { former: Some(now), ..recipe });
    Ok(plan)
}

fn recipe(snapshot: &Snapshot, step: Step, goal: String, tracking: &Tracking) -> Recipe {
    Recipe {
        id: operation::new_id(),
        // Texts and numbers: it cannot fail to become JSON.
        guard: serde_json::to_value(snapshot.guard()).unwrap_or_default(),
        steps: vec![step],
        goal: goal.into(),
        tracking: tracking.json(),
        ..Recipe::default()
    }
}

/// Who may put it back, and what goes with it.
async fn notes(cluster: &Cluster, snapshot: &Snapshot, plan: &mut Plan, now: u32, wanted: u32) {
    let mut warn = |text: String| plan.notes.push(Note::Warning(text));
    if wanted == 0 {
        warn("no instance is left: nothing serves until it is started again".to_owned());
    }
    match autoscaler(cluster, snapshot).await {
        // The controller leaves alone what has no replicas (`horizontal.go`).
        Some(Scaler { name, .. }) if wanted == 0 => {
            plan.notes.push(Note::Info(format!("autoscaler {name} rests while there are none")));
        }
        Some(Scaler { name, least, most }) => warn(format!(
            "autoscaler {name} decides how many there are ({least} to {most}): it will put this back"
        )),
        None => {}
    }
    if let Some(owner) = owner(snapshot) {
        plan.notes.push(Note::Warning(format!(
            "{owner} owns this and may put the number back: change it in git as well"
        )));
    }
    if snapshot.rolling {
        let text = "a rollout is in progress: old and new instances are scaled in proportion";
        plan.notes.push(Note::Info(text.to_owned()));
    }
    if snapshot.address.kind == Kind::StatefulSet && wanted < now {
        let text = "those with the highest numbers go first; their volumes stay";
        plan.notes.push(Note::Info(text.to_owned()));
    }
}

/// Works out the eviction of one Pod.
pub(super) async fn restart_instance(
    cluster: &Cluster,
    snapshot: &Snapshot,
    mut plan: Plan,
) -> Result<Plan, Error> {
    let text = plan.request.options.get(INSTANCE.name).unwrap_or_default().to_owned();
    let app = plan.app.clone();
    plan.title = format!("RESTART an instance of {app}");
    let reading = cluster.reading(&plan.request.app).await?;
    let one = match reading.find(&text) {
        Ok(one) => one,
        Err(why) => return Ok(plan.refuse(why)),
    };
    let (pod, namespace) = (one.id.clone(), snapshot.address.namespace.clone());
    let shown = clean(&pod);
    plan.title = format!("RESTART {} of {app}", reading.called(one, &shown));
    let why = one.instance.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    plan.from =
        Some(RevisionSummary::named(format!("{shown}, {}{why}", one.instance.state.word())));
    // These two kinds make what is missing of the newest template (`stateful_set_utils.go`, `daemon_controller.go`).
    let newest = !snapshot.address.kind.has_sets() && one.side == SideName::Old && reading.rolls();
    plan.to = Some(RevisionSummary::named(if newest {
        "a Pod of the NEW template in its place"
    } else {
        "another Pod of the same template in its place"
    }));
    if newest {
        plan.notes.push(Note::Warning(format!(
            "a {} makes what is missing of the newest template: this takes {shown} to the new revision, unless a partition keeps it",
            snapshot.address.kind.word()
        )));
    }
    "the Pod is evicted, which honours disruption budgets; its controller makes another one"
        .clone_into(&mut plan.method);
    if one.instance.state == InstanceState::Running && reading.ready() <= 1 {
        plan.notes.push(Note::Warning(
            "it is the only one that is ready: nothing serves until another one is".to_owned(),
        ));
    }
    // kubectl has no command that evicts one Pod.
    let command = format!("delete pod {shown}");
    plan.by_hand
        .push(format!("{}   # asks no disruption budget", snapshot.by_hand("kubectl", &command)));
    let act =
        Act { verb: "create", group: "", resource: "pods/eviction", namespace: namespace.clone() };
    if let Some(why) = cluster.may(act).await?.reason() {
        return Ok(plan.refuse(why));
    }
    let found: Value =
        cluster.connection.get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}"), &[]).await?;
    let uid = found["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
    let dry = Connection::address(&path, &[("dryRun", "All")]);
    let body = eviction(&namespace, &pod, &uid);
    match cluster.connection.write(Method::POST, &dry, "application/json", &body).await {
        Ok(_) => {}
        // The eviction API answers 429 where a budget allows none (`eviction.go`).
        // Where it only asks for fewer requests it says nothing of it.
        Err(WriteError::NoEffect(Error::RateLimited { said, .. })) if !said.is_empty() => {
            return Ok(plan.refuse(format!("the server lets no instance of {app} go now: {said}")));
        }
        Err(WriteError::NoEffect(error @ (Error::Api { .. } | Error::Forbidden { .. }))) => {
            return Ok(plan.refuse(format!("the server would refuse it: {error}")));
        }
        Err(WriteError::NoEffect(error) | WriteError::Lost(error)) => return Err(error),
    }
    let action =
        Action::Evict { namespace: namespace.clone(), name: pod.clone(), uid: uid.clone() };
    let tracking = Tracking { evicted: Some((namespace, pod, uid)), ..Tracking::default() };
    let step = Step {
        label: format!("evict Pod {shown}"),
        calls: vec![format!("POST {path}")],
        action: action.json(),
        ..Step::default()
    };
    plan.recipe =
        Some(recipe(snapshot, step, format!("running another Pod than {shown}"), &tracking));
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_is_void_where_somebody_else_has_scaled() {
        let patch = scale_patch("u", 3, 5);
        assert_eq!(
            patch,
            json!([
                { "op": "test", "path": "/metadata/uid", "value": "u" },
                { "op": "test", "path": "/spec/replicas", "value": 3 },
                { "op": "add", "path": "/spec/replicas", "value": 5 },
            ])
        );
        // A scale of none leaves the number out (`omitempty` of autoscaling/v1): there is nothing to test.
        assert_eq!(scale_patch("u", 0, 5).as_array().map(Vec::len), Some(2));
    }
}
