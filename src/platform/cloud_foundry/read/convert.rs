//! From the API's JSON to the deck's nouns. Everything that a person will read is cleaned here.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Deployable, Detail, Fact, Group, Instance, InstanceState, Phase, Revision, RevisionId,
    RevisionRef, Rollout, RolloutId, Secret, Side, Stage, StageState, Strategy, TrackRecord,
    text::clean,
};
use crate::platform::cloud_foundry::{foundation::Labels, model::wire};

/// The annotation that says which operation of ours made a deployment.
pub(in crate::platform::cloud_foundry) const OPERATION: &str = "revdeck-operation";
/// A revision and the deployment that it is made with are made within so long.
const MADE_TOGETHER: SignedDuration = SignedDuration::from_secs(60);
/// How long fetching a droplet or an image may take before its instance starts.
const FETCHING: SignedDuration = SignedDuration::from_secs(60);
/// The annotation that says why.
pub(in crate::platform::cloud_foundry) const REASON: &str = "revdeck-reason";

/// A word of the API in one spelling: some servers and documents double the L.
pub(in crate::platform::cloud_foundry) fn word(text: &str) -> String {
    text.to_ascii_uppercase().replace("CANCELL", "CANCEL")
}

/// The phase that a deployment's status stands for.
pub(in crate::platform::cloud_foundry) fn phase(deployment: &wire::Deployment) -> Phase {
    let (value, reason) = status(deployment);
    match (value.as_str(), reason.as_str()) {
        ("ACTIVE", "PAUSED") => Phase::Paused,
        ("ACTIVE", "CANCELING") => Phase::Cancelling,
        ("ACTIVE", _) => Phase::Rolling,
        (_, "DEPLOYED") => Phase::Done,
        (_, "CANCELED") => Phase::Cancelled,
        (_, "SUPERSEDED") => Phase::Superseded,
        _ => Phase::Failed,
    }
}

/// Value and reason; servers before 3.74 had a `state` instead.
pub(in crate::platform::cloud_foundry) fn status(
    deployment: &wire::Deployment,
) -> (String, String) {
    if !deployment.status.value.is_empty() {
        return (word(&deployment.status.value), word(&deployment.status.reason));
    }
    let state = word(deployment.state.as_deref().unwrap_or_default());
    let value = match state.as_str() {
        "DEPLOYING" | "CANCELING" | "PAUSED" | "PREPAUSED" => "ACTIVE",
        _ => "FINALIZED",
    };
    let reason = if state == "PREPAUSED" { "DEPLOYING".to_owned() } else { state };
    (value.to_owned(), reason)
}

pub(in crate::platform::cloud_foundry) fn instance_state(
    state: &str,
    routable: Option<bool>,
) -> InstanceState {
    match state.to_ascii_uppercase().as_str() {
        "RUNNING" if routable == Some(false) => InstanceState::NotReady,
        "RUNNING" => InstanceState::Running,
        "STARTING" => InstanceState::Starting,
        "CRASHED" => InstanceState::Crashed,
        "DOWN" => InstanceState::Down,
        "STOPPING" => InstanceState::Stopping,
        _ => InstanceState::Unknown,
    }
}

fn ago(now: Timestamp, seconds: Option<f64>) -> Option<Timestamp> {
    let span = SignedDuration::try_from_secs_f64(seconds?).ok()?;
    now.checked_sub(span).ok()
}

/// As logs and `cf` name an instance: `web/3`.
fn name(process: &str, index: u32) -> String {
    if process.is_empty() { index.to_string() } else { clean(&format!("{process}/{index}")) }
}

/// The instances of a process, where the answer had them.
pub(in crate::platform::cloud_foundry) fn embedded(
    process: &wire::Process,
    now: Timestamp,
) -> Option<Vec<Instance>> {
    let instances = process.embedded.as_ref()?;
    let shown = instances.iter().map(|one| Instance {
        name: Some(name(&process.kind, one.index)),
        state: instance_state(&one.state, None),
        since: ago(now, one.since),
        reason: None,
    });
    Some(shown.collect())
}

pub(in crate::platform::cloud_foundry) fn stats(
    stats: &wire::Stats,
    now: Timestamp,
) -> Vec<Instance> {
    stats
        .resources
        .iter()
        .map(|one| Instance {
            name: Some(name(&one.kind, one.index)),
            state: instance_state(&one.state, one.routable),
            since: ago(now, one.uptime),
            reason: one.details.as_deref().map(clean).filter(|text| !text.is_empty()),
        })
        .collect()
}

pub(in crate::platform::cloud_foundry) fn reference(guid: &str, labels: &Labels) -> RevisionRef {
    RevisionRef { id: RevisionId::new(guid), label: labels.get(guid).cloned() }
}

/// The processes of one app, each with its instances.
pub(in crate::platform::cloud_foundry) struct Read<'a> {
    pub(in crate::platform::cloud_foundry) process: &'a wire::Process,
    pub(in crate::platform::cloud_foundry) instances: Option<Vec<Instance>>,
}

/// The rollout that a deployment is, from the app's web processes, oldest first. Old and new are told apart by the
/// deployment's `new_processes`: a restart has the same revision on both sides.
pub(in crate::platform::cloud_foundry) fn rollout(
    deployment: &wire::Deployment,
    web: &[Read<'_>],
    labels: &Labels,
) -> Rollout {
    let is_new =
        |read: &&Read<'_>| deployment.new_processes.iter().any(|new| new.guid == read.process.guid);
    let side = |wanted: bool| {
        let mine: Vec<_> = web.iter().filter(|read| is_new(read) == wanted).collect();
        let known = mine.iter().all(|read| read.instances.is_some());
        let instances: Vec<_> =
            mine.iter().flat_map(|read| read.instances.iter().flatten().cloned()).collect();
        Side {
            desired: mine.iter().map(|read| read.process.instances).sum(),
            instances: known.then_some(instances),
        }
    };
    let (old, new) = (side(false), side(true));
    let from = survivor(web, is_new).and_then(|read| read.process.relationships.revision.guid());
    let (value, reason) = status(deployment);
    let details = &deployment.status.details;
    Rollout {
        id: RolloutId::new(deployment.guid.clone()),
        phase: phase(deployment),
        reason: clean(&format!("{value}/{reason}")),
        strategy: match deployment.strategy.as_deref() {
            Some("canary") => Strategy::Canary,
            _ => Strategy::Rolling,
        },
        max_in_flight: deployment.options.max_in_flight,
        limits: None,
        stages: stages(deployment),
        wanted: deployment.options.web_instances.unwrap_or_else(|| wanted(&old, &new, deployment)),
        from: from.map(|guid| reference(guid, labels)),
        to: deployment.revision.as_ref().map(|revision| RevisionRef {
            id: RevisionId::new(revision.guid.clone()),
            label: revision.version.map(|version| version.to_string()),
        }),
        started_at: deployment.created_at,
        moved_at: moved(deployment),
        deadline: None,
        stuck: None,
        proposed: false,
        held: None,
        error: details.error.as_deref().map(clean),
        note: deployment.metadata.annotation(REASON).map(clean),
        old,
        overlap: Vec::new(),
        new,
    }
}

/// When a deployment last moved.
pub(in crate::platform::cloud_foundry) fn moved(
    deployment: &wire::Deployment,
) -> Option<Timestamp> {
    let details = &deployment.status.details;
    details.last_successful_healthcheck.max(details.last_status_change).or(deployment.created_at)
}

/// How long the new instances of a deployment are given to start, and to be fetched before that.
pub(in crate::platform::cloud_foundry) fn start_time(
    deployment: &wire::Deployment,
    web: &[Read<'_>],
) -> Option<SignedDuration> {
    let new = web
        .iter()
        .filter(|read| deployment.new_processes.iter().any(|new| new.guid == read.process.guid));
    let longest = new.filter_map(|read| read.process.health_check.data.timeout).max()?;
    Some(SignedDuration::from_secs(longest) + FETCHING)
}

/// The process of the old side that a cancel leaves: where rollouts have superseded one another, the newest that still has
/// a running instance, else the oldest of all (`deployment_updater/actions/cancel.rb`). All but the oldest are left of
/// rollouts that were superseded.
fn survivor<'a, 'b>(
    web: &'a [Read<'b>],
    is_new: impl Fn(&&Read<'b>) -> bool,
) -> Option<&'a Read<'b>> {
    let old = || web.iter().filter(|read| !is_new(read));
    let runs = |read: &&Read<'b>| {
        read.process.instances > 0
            && read
                .instances
                .as_ref()
                .is_some_and(|all| all.iter().any(|one| one.state == InstanceState::Running))
    };
    old().skip(1).filter(runs).last().or_else(|| old().next())
}

/// The steps of a canary deployment, called by the share of instances after each.
fn stages(deployment: &wire::Deployment) -> Vec<Stage> {
    let Some(canary) = &deployment.status.canary else { return Vec::new() };
    let weights = deployment.options.canary.as_ref();
    let name = |number: u32| {
        let step = weights.and_then(|canary| canary.steps.get(number as usize - 1));
        match step.and_then(|step| step.instance_weight) {
            Some(weight) => format!("{weight} %"),
            None => format!("step {number}"),
        }
    };
    let (state, since) = match phase(deployment) {
        Phase::Paused => (StageState::Waiting, deployment.status.details.last_status_change),
        Phase::Done => (StageState::Done, None),
        Phase::Cancelling | Phase::Cancelled | Phase::Failed => (StageState::Failed, None),
        _ => (StageState::Active, None),
    };
    let names = (1..=canary.steps.total).map(name);
    Stage::sequence(names, canary.steps.current, state, since)
}

/// The API does not say how many there will be, but the updater keeps old and new together at that number plus what is
/// in flight, until the new side alone has reached it.
fn wanted(old: &Side, new: &Side, deployment: &wire::Deployment) -> u32 {
    let in_flight = deployment.options.max_in_flight.unwrap_or(1);
    new.desired.max((old.desired + new.desired).saturating_sub(in_flight)).max(1)
}

pub(in crate::platform::cloud_foundry) fn revision(
    revision: &wire::Revision,
    deployments: &[wire::Deployment],
    deployed: &[String],
    incoming: Option<&str>,
    versioned: bool,
) -> Revision {
    let deployable = match revision.deployable {
        _ if !versioned => Deployable::No("revisions are switched off for this app".to_owned()),
        Some(true) => Deployable::Yes,
        Some(false) => Deployable::No("its droplet no longer exists".to_owned()),
        None => Deployable::Unknown,
    };
    let mine = || {
        deployments
            .iter()
            .filter(|one| one.revision.as_ref().is_some_and(|of| of.guid == revision.guid))
    };
    // A restart has the revision that is there (`revision_resolver.rb`): that one did not finish says nothing of what it
    // runs. Only the rollout that the revision was made with does.
    let with_it = |one: &&wire::Deployment| {
        one.created_at.zip(revision.created_at).is_none_or(|(deployment, revision)| {
            deployment.duration_since(revision).abs() < MADE_TOGETHER
        })
    };
    let track_record = if mine().any(|one| phase(one) == Phase::Done) {
        TrackRecord::Served
    } else if mine().any(|one| with_it(&one)) {
        TrackRecord::Unfinished
    } else {
        TrackRecord::Unknown
    };
    Revision {
        id: RevisionId::new(revision.guid.clone()),
        label: revision.version.to_string(),
        made_from: made_from(&revision.description),
        description: clean(&revision.description),
        created_at: revision.created_at,
        by: None,
        deployable,
        deployed: deployed.contains(&revision.guid),
        incoming: incoming == Some(&revision.guid),
        artifact: revision.droplet.guid.clone(),
        track_record,
        served: served(revision, deployments),
        served_until: None,
        note: mine().filter_map(|one| one.metadata.annotation(REASON)).next_back().map(clean),
    }
}

/// From the end of the revision's rollout to the end of the next finished one.
fn served(revision: &wire::Revision, deployments: &[wire::Deployment]) -> Option<SignedDuration> {
    let done: Vec<_> = deployments.iter().filter(|one| phase(one) == Phase::Done).collect();
    let at = done
        .iter()
        .position(|one| one.revision.as_ref().is_some_and(|of| of.guid == revision.guid))?;
    let end = |one: &wire::Deployment| one.status.details.last_status_change.or(one.updated_at);
    let until = done.get(at + 1).and_then(|next| next.created_at)?;
    Some(until.duration_since(end(done[at])?)).filter(SignedDuration::is_positive)
}

/// The configuration of a revision; `environment` is `None` where it may not be read.
pub(in crate::platform::cloud_foundry) fn detail(
    revision: &wire::Revision,
    environment: Option<&wire::Environment>,
) -> Detail {
    let fact = |group, key: &str, value: &str, secret| Fact {
        group,
        key: clean(key),
        value: Secret::new(clean(value)),
        secret,
    };
    let mut facts = Vec::new();
    if let Some(droplet) = &revision.droplet.guid {
        facts.push(fact(Group::Artifact, "droplet", droplet, false));
    }
    for (kind, process) in &revision.processes {
        let command = process.command.as_deref().unwrap_or("(the droplet's own)");
        facts.push(fact(Group::Command, kind, command, false));
    }
    for sidecar in &revision.sidecars {
        let memory =
            sidecar.memory_in_mb.map(|memory| format!(", {memory} MB")).unwrap_or_default();
        let value =
            format!("{} (beside {}{memory})", sidecar.command, sidecar.process_types.join(", "));
        facts.push(fact(Group::Sidecar, &sidecar.name, &value, false));
    }
    let mut hidden = Vec::new();
    match environment {
        Some(environment) => {
            for (name, value) in variables(environment) {
                facts.push(fact(Group::Environment, &name, &value, true));
            }
        }
        None => hidden.push("this login may not read the environment of revisions".to_owned()),
    }
    Detail { facts, hidden }
}

/// Environment variables as text.
pub(in crate::platform::cloud_foundry) fn variables(
    environment: &wire::Environment,
) -> Vec<(String, String)> {
    let text =
        |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    environment.var.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The number of the revision that this one was made from by rolling back: the API says it in words only.
fn made_from(description: &str) -> Option<String> {
    let (_, number) = description.rsplit_once("Rolled back to revision ")?;
    let number = number.trim_end_matches('.');
    number.chars().all(|digit| digit.is_ascii_digit()).then(|| number.to_owned())
}
