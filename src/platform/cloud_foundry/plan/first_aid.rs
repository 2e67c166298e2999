//! What helps an app through the next minutes without another revision: scaling, stopping, starting, and one instance
//! started anew.

use super::{
    capacity,
    draft::{blank, finish},
    recipe::{new_id, recipe},
    snapshot::Snapshot,
};
use crate::platform::cloud_foundry::operate::receipt::{Action, Aid, Tracking};
use crate::{
    domain::{
        INSTANCE, InstanceReading, InstanceState, Note, Plan, Recipe, Request, RevisionSummary,
        SCALE_TO, revision_name, text::quoted,
    },
    platform::{
        Error,
        cloud_foundry::{foundation::CloudFoundry, model::wire},
    },
};

fn instances(count: u32) -> String {
    if count == 1 { "1 instance".to_owned() } else { format!("{count} instances") }
}

fn of(aid: Aid) -> Tracking {
    Tracking { aid: Some(aid), ..Tracking::default() }
}

/// Whether a deployment is in flight. While one is being cancelled the platform would scale, and what it scales may go with
/// the cancel (`deployment_updater/actions/cancel.rb`).
fn in_flight(snapshot: &Snapshot) -> bool {
    snapshot.active().is_some()
}

/// ` of rev 8`, of the deployment in flight.
fn coming(snapshot: &Snapshot) -> String {
    let to = snapshot.active().and_then(|one| one.revision.as_ref()?.version);
    to.map(|version| format!(" of {}", revision_name(version))).unwrap_or_default()
}

pub(super) async fn scale(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    request: Request,
) -> Plan {
    let name = &snapshot.name;
    let wanted = request.options.number(SCALE_TO.name).unwrap_or_default();
    let mut plan = blank(snapshot, request, format!("SCALE {name} to {}", instances(wanted)));
    let web = snapshot.web();
    let Some(process) = web.last() else {
        return plan.refuse(format!("{name} has no web process: scale its others with cf scale"));
    };
    let now = process.instances;
    plan.from = Some(RevisionSummary::named(instances(now)));
    plan.to = Some(RevisionSummary::named(instances(wanted)));
    if in_flight(snapshot) {
        return plan.refuse(format!(
            "Cloud Foundry does not scale while a rollout is in progress: cancel that of {name}, or let it end"
        ));
    }
    if now == wanted {
        return plan.refuse(format!("nothing would change: {name} has {} already", instances(now)));
    }
    "the number of its web instances; what runs stays as it is".clone_into(&mut plan.method);
    if snapshot.stopped() {
        let text = "the app is stopped: none of them runs before it is started";
        plan.notes.push(Note::Warning(text.to_owned()));
    } else if wanted == 0 {
        let text = "no instance is left: nothing serves until it is scaled up again";
        plan.notes.push(Note::Warning(text.to_owned()));
    } else if wanted > now {
        let instances = u64::from(wanted - now);
        let need = capacity::Need { megabytes: process.memory_in_mb * instances, instances };
        capacity::room(foundation, snapshot, need, &mut plan).await;
    }
    plan.notes.push(Note::Info(format!(
        "an autoscaler that is bound to it, if there is one, may change this again; before it had {}",
        instances(now)
    )));
    plan.by_hand.push(format!("cf scale {} -i {wanted}", quoted(name)));
    let process = process.guid.clone();
    let tracking = of(Aid::Scaled { process: process.clone(), before: now, instances: wanted });
    let steps = vec![Action::Scale { process, instances: wanted }];
    let goal = format!("at {}", instances(wanted));
    let recipe = recipe(new_id(), snapshot, steps, &tracking);
    finish(plan, Recipe { former: Some(now), ..recipe }, goal, None)
}

pub(super) fn stop(snapshot: &Snapshot, request: Request) -> Plan {
    let name = &snapshot.name;
    let mut plan = blank(snapshot, request, format!("STOP {name}"));
    if snapshot.stopped() {
        return plan.refuse(format!("{name} is stopped already"));
    }
    let (running, wanted) = Snapshot::running(&snapshot.processes.iter().collect::<Vec<_>>());
    plan.from = Some(RevisionSummary::named(format!("started, {} wanted", instances(wanted))));
    plan.to = Some(RevisionSummary::named("stopped, no instance".to_owned()));
    let goes = running.map_or_else(|| instances(wanted), instances);
    plan.notes.push(Note::Warning(format!(
        "{goes} of all its processes end at once: nothing serves until it is started"
    )));
    if in_flight(snapshot) {
        plan.notes.push(Note::Warning(format!(
            "the rollout{} in progress stays, and goes on with the next start: roll back first if it is to go",
            coming(snapshot)
        )));
    }
    "the platform stops all of its instances, and keeps how many there are"
        .clone_into(&mut plan.method);
    plan.by_hand.push(format!("cf stop {}", quoted(name)));
    let tracking = of(Aid::State { started: false });
    let steps = vec![Action::State { started: false }];
    finish(plan, recipe(new_id(), snapshot, steps, &tracking), "stopped".to_owned(), None)
}

pub(super) async fn start(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    request: Request,
) -> Plan {
    let name = &snapshot.name;
    let mut plan = blank(snapshot, request, format!("START {name}"));
    if !snapshot.stopped() {
        return plan.refuse(format!("{name} is started already"));
    }
    let all: u32 = snapshot.processes.iter().map(|one| one.instances).sum();
    plan.from = Some(RevisionSummary::named("stopped".to_owned()));
    plan.to = Some(RevisionSummary::named(format!("started, {}", instances(all))));
    if snapshot.app.relationships.current_droplet.guid().is_none() {
        return plan.refuse(format!("{name} has no droplet: deploy one first"));
    }
    "the platform starts all of its instances at once, from the current droplet"
        .clone_into(&mut plan.method);
    if in_flight(snapshot) {
        plan.notes.push(Note::Warning(format!(
            "this starts the rollout{} in progress, too, which goes on until it is done: roll back instead if it is to go",
            coming(snapshot)
        )));
    }
    // What was changed while it was stopped becomes a new revision with the start (`app_start.rb`).
    if let Some(latest) = snapshot.revisions.first() {
        let droplet = snapshot.app.relationships.current_droplet.guid();
        let another = latest.droplet.guid.as_deref().zip(droplet).is_some_and(|(a, b)| a != b);
        let path = format!("/v3/revisions/{}/environment_variables", latest.guid);
        let environment = foundation.http.get::<wire::Environment>(&path, &[]).await.ok();
        let drift = environment.and_then(|environment| snapshot.drift(&environment));
        let names = drift.unwrap_or_default();
        let names: Vec<_> = names.iter().map(|name| crate::domain::text::clean(name)).collect();
        let mut changed = Vec::new();
        changed.extend(another.then(|| "its droplet".to_owned()));
        changed.extend((!names.is_empty()).then(|| names.join(", ")));
        if !changed.is_empty() {
            plan.notes.push(Note::Warning(format!(
                "{} changed since {}: this starts something new, as another revision",
                changed.join(" and "),
                latest.name()
            )));
        }
    }
    if all == 0 {
        let text = "it is scaled to no instance: nothing runs before it is scaled up";
        plan.notes.push(Note::Warning(text.to_owned()));
    }
    plan.by_hand.push(format!("cf start {}", quoted(name)));
    let tracking = of(Aid::State { started: true });
    let steps = vec![Action::State { started: true }];
    finish(plan, recipe(new_id(), snapshot, steps, &tracking), "started".to_owned(), None)
}

/// One instance ends and is started anew, on the process that it belongs to: the old or the new one.
pub(super) async fn restart_instance(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    request: Request,
) -> Result<Plan, Error> {
    let name = &snapshot.name;
    let text = request.options.get(INSTANCE.name).unwrap_or_default().to_owned();
    let mut plan = blank(snapshot, request, format!("RESTART an instance of {name}"));
    if snapshot.stopped() {
        return Ok(plan.refuse(format!("{name} is stopped: start it")));
    }
    let reading = foundation.reading(&plan.request.app).await?;
    let one = match reading.find(&text) {
        Ok(one) => one,
        Err(why) => return Ok(plan.refuse(why)),
    };
    let (process, index) = one.id.rsplit_once('/').unwrap_or((&one.id, "0"));
    let index: u32 = index.parse().unwrap_or(0);
    let label = one.instance.name.clone().unwrap_or_else(|| text.clone());
    plan.title = format!("RESTART {} of {name}", reading.called(one, &label));
    plan.from = Some(RevisionSummary::named(format!("{label}, {}", told(one))));
    plan.to = Some(RevisionSummary::named(format!("{label}, started anew")));
    "the platform ends this instance and starts it again; the others stay"
        .clone_into(&mut plan.method);
    let kind = label.split('/').next().unwrap_or("web");
    let newest = snapshot.processes.iter().filter(|one| one.kind == kind);
    let newest = newest.max_by_key(|one| one.created_at).map(|one| one.guid.as_str());
    plan.by_hand.push(if newest == Some(process) {
        format!("cf restart-app-instance {} {index} --process {kind}", quoted(name))
    } else {
        // The cf CLI reaches the newest process of a type only.
        format!("cf curl -X DELETE /v3/processes/{process}/instances/{index}")
    });
    plan.notes.extend(alone(one, reading.ready()));
    let stats: wire::Stats =
        foundation.http.get(&format!("/v3/processes/{process}/stats"), &[]).await?;
    let before = stats.resources.into_iter().find(|one| one.index == index);
    let before = before.and_then(|one| one.instance_guid);
    let process = process.to_owned();
    let tracking = of(Aid::Instance { process: process.clone(), index, before });
    let steps = vec![Action::RestartInstance { process, index }];
    let goal = format!("running {label} anew");
    Ok(finish(plan, recipe(new_id(), snapshot, steps, &tracking), goal, None))
}

fn told(one: &InstanceReading) -> String {
    let why = one.instance.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{}{why}", one.instance.state.word())
}

/// What to say where it is the last one that serves.
fn alone(one: &InstanceReading, ready: usize) -> Option<Note> {
    let serves = one.instance.state == InstanceState::Running;
    (serves && ready <= 1).then(|| {
        Note::Warning(
            "it is the only one that is ready: nothing serves until it is back".to_owned(),
        )
    })
}
