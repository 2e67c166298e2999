//! From a service to an app: counts of the old and the new tasks, phase, stages, and why it does not move.

use jiff::Timestamp;

use crate::domain::{
    App, AppId, AppState, Count, Instance, InstanceState, Phase, RevisionId, RevisionRef, Rollout,
    RolloutId, Side, Strategy, TargetId,
    text::{clean, span},
};
use crate::platform::ecs::{
    model::wire::{Deployment, Service, ServiceDeployment, family, last},
    options::KIND,
    read::stages::stages,
};

/// What is known of a service besides itself.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::platform::ecs) struct Known<'a> {
    /// Its service deployment that is under way, or was last.
    pub(in crate::platform::ecs) current: Option<&'a ServiceDeployment>,
    /// Why its tasks stopped last.
    pub(in crate::platform::ecs) reason: Option<&'a str>,
    /// What of its scaling is suspended.
    pub(in crate::platform::ecs) on_hold: Option<&'a str>,
    /// The task definition that the service deployment was to bring.
    pub(in crate::platform::ecs) target: Option<&'a str>,
    /// The one that served before it.
    pub(in crate::platform::ecs) source: Option<&'a str>,
}

/// A task definition as others refer to it: by its number, and by its whole name where it is of another family than usual.
pub(in crate::platform::ecs) fn reference(arn: &str, service: &Service) -> RevisionRef {
    let (name, number) = family(arn);
    let own = family(&service.task_definition).0 == name;
    let label = if own && !number.is_empty() { number.to_owned() } else { last(arn).to_owned() };
    RevisionRef { id: RevisionId::new(arn), label: Some(clean(&label)) }
}

/// Why nothing can be changed here, in a clause; `None` where ECS itself rolls out. What is under way in an Express
/// service can be stopped all the same.
pub(in crate::platform::ecs) fn read_only(service: &Service) -> Option<String> {
    match service.deployment_controller.kind.as_str() {
        "" | "ECS" if service.express() => {
            Some("an Express service is changed by UpdateExpressGatewayService only".to_owned())
        }
        "" | "ECS" => None,
        "CODE_DEPLOY" => {
            Some("AWS CodeDeploy rolls this service out: use its own tools".to_owned())
        }
        other => Some(format!("something else rolls this service out ({})", clean(other))),
    }
}

pub(in crate::platform::ecs) fn app(
    target: &TargetId,
    service: &Service,
    known: Known<'_>,
    now: Timestamp,
) -> App {
    let count = Count { desired: service.desired_count, running: Some(service.running_count) };
    let rollout = rollout(service, known, now);
    let primary = service.deployments.iter().find(|one| one.primary());
    let sets = service.task_sets.iter().find(|one| one.status == "PRIMARY");
    let serving = match &rollout {
        Some(rollout) => rollout.from.clone().or(rollout.to.clone()),
        None => {
            let arn =
                primary.map(|one| &one.task_definition).or(sets.map(|one| &one.task_definition));
            let arn = arn.unwrap_or(&service.task_definition);
            Some(reference(arn, service)).filter(|_| !arn.is_empty())
        }
    };
    let short = rollout.is_none() && service.running_count < service.desired_count;
    let state = match service.status.as_str() {
        "DRAINING" | "INACTIVE" => AppState::Stopped,
        _ if service.desired_count == 0 => AppState::Stopped,
        _ => AppState::judge(count),
    };
    App {
        target: target.clone(),
        platform: KIND,
        id: AppId::new(&service.service_arn),
        name: clean(&service.service_name),
        scope: clean(last(&service.cluster_arn)),
        state,
        instances: count,
        deployed: serving,
        serving: short.then(|| {
            let pending = primary.map_or(0, |one| one.pending_count);
            let failed = primary.map_or(0, |one| one.failed_tasks);
            side(service.desired_count, service.running_count, pending, failed, known.reason)
        }),
        rollout,
        updated_at: primary
            .and_then(|one| one.updated_at)
            .or(sets.and_then(|one| one.updated_at))
            .or(service.created_at),
        versioned: Some(true),
        paused: false,
        on_hold: known.on_hold.map(str::to_owned),
        takes: &[],
    }
}

/// The places of a side: those that run, those whose task has failed and is tried again, and those on their way.
fn side(wanted: u32, running: u32, pending: u32, failed: u32, reason: Option<&str>) -> Side {
    let open = wanted.saturating_sub(running);
    let crashed = failed.min(open);
    let starting = pending.min(open - crashed);
    let instance = |state, reason: Option<&str>| Instance {
        name: None,
        state,
        since: None,
        reason: reason.map(str::to_owned),
    };
    let some = |count: u32, state, reason| (0..count).map(move |_| instance(state, reason));
    let instances: Vec<_> = some(running, InstanceState::Running, None)
        .chain(some(starting, InstanceState::Starting, None))
        .chain(some(crashed, InstanceState::Crashed, reason))
        .collect();
    Side { desired: instances.len() as u32, instances: Some(instances) }
}

/// The tasks of an old deployment: those that do not run yet are stopped first.
fn leaving(running: u32, pending: u32) -> Side {
    side(running + pending, running, pending, 0, None)
}

/// What a service moves between, as ARNs of task definitions.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::platform::ecs) struct Ends<'a> {
    /// Whether it moves at all.
    pub(in crate::platform::ecs) rolling: bool,
    /// Whether it is being taken back.
    pub(in crate::platform::ecs) back: bool,
    /// Whether the way back has begun: what was before is the primary one again.
    pub(in crate::platform::ecs) turned: bool,
    /// What served before, or is put back.
    pub(in crate::platform::ecs) from: Option<&'a str>,
    /// What was to come.
    pub(in crate::platform::ecs) to: Option<&'a str>,
}

pub(in crate::platform::ecs) fn ends<'a>(service: &'a Service, known: Known<'a>) -> Ends<'a> {
    let Some(primary) = service.deployments.iter().find(|one| one.primary()) else {
        return Ends::default();
    };
    let mut others = service.deployments.iter().filter(|one| !one.primary());
    let live = known.current.filter(|one| one.live());
    let unsettled = match primary.rollout_state.as_deref() {
        Some("COMPLETED") => false,
        Some(_) => true,
        // Older services and those behind a Classic Load Balancer do not say.
        None => primary.running_count < service.desired_count && others.clone().next().is_some(),
    };
    let rolling = live.is_some() || unsettled || others.clone().next().is_some();
    let back = match live {
        Some(live) => live.goes_back(),
        // Without service deployments only a text tells it.
        None => primary
            .rollout_state_reason
            .as_deref()
            .is_some_and(|text| text.contains("rolling back")),
    };
    let own = primary.task_definition.as_str();
    let turned = back && known.target.is_none_or(|target| target != own);
    let (from, to) = if turned {
        let other = others.find(|one| one.task_definition != own);
        // Its last task may be gone already.
        (Some(own), other.map(|one| one.task_definition.as_str()).or(known.target))
    } else {
        // And so may the last one of what was before.
        let before = others.next_back().map(|one| one.task_definition.as_str());
        (before.or(known.source.filter(|_| live.is_some())), Some(own))
    };
    Ends { rolling, back, turned, from, to }
}

/// The rollout in progress.
fn rollout(service: &Service, known: Known<'_>, now: Timestamp) -> Option<Rollout> {
    let primary = service.deployments.iter().find(|one| one.primary())?;
    let Ends { rolling, back, turned, from, to } = ends(service, known);
    if !rolling {
        return None;
    }
    let others: Vec<_> = service.deployments.iter().filter(|one| !one.primary()).collect();
    let live = known.current.filter(|one| one.live());
    let failed = primary.rollout_state.as_deref() == Some("FAILED");
    let (own, apart): (Vec<&Deployment>, Vec<&Deployment>) =
        others.iter().partition(|one| turned && one.task_definition == primary.task_definition);
    let sum = |all: &[&Deployment]| {
        all.iter().fold((0, 0), |sum, one| (sum.0 + one.running_count, sum.1 + one.pending_count))
    };
    let named = |arn: Option<&str>| arn.map(|arn| reference(arn, service));
    let wanted = service.desired_count;
    let (kept, left) = (sum(&own), sum(&apart));
    let (running, pending) = (primary.running_count + kept.0, primary.pending_count + kept.1);
    let coming = side(wanted.max(running), running, pending, primary.failed_tasks, known.reason);
    let going = leaving(left.0, left.1);
    let (old_side, new_side) = if turned { (coming, going) } else { (going, coming) };
    let overlap = match apart.len() {
        0 | 1 => Vec::new(),
        _ if turned => Vec::new(),
        _ => apart
            .iter()
            .map(|one| {
                (
                    reference(&one.task_definition, service),
                    leaving(one.running_count, one.pending_count),
                )
            })
            .collect(),
    };
    let phase = match () {
        () if back => Phase::Cancelling,
        () if live.is_some_and(|one| one.waiting().is_some()) => Phase::Paused,
        () if live.is_some_and(|one| one.status == "PENDING") => Phase::Accepted,
        () => Phase::Rolling,
    };
    let configuration = &service.deployment_configuration;
    let stages = live.map(|one| stages(one, configuration, now)).unwrap_or_default();
    let id = live.map_or(primary.id.as_str(), |one| one.arn.as_str());
    let mut rollout = Rollout {
        id: RolloutId::new(id),
        phase,
        reason: word(primary, live),
        strategy: if stages.is_empty() { Strategy::Rolling } else { Strategy::Canary },
        max_in_flight: None,
        limits: limits(service, live),
        stages,
        wanted,
        old: old_side,
        overlap,
        new: new_side,
        from: named(from),
        to: named(to),
        started_at: live.and_then(|one| one.created_at).or(primary.created_at),
        moved_at: moved(primary, live),
        deadline: None,
        stuck: None,
        proposed: false,
        held: None,
        error: live.and_then(|one| one.status_reason.as_deref()).map(clean),
        note: None,
    };
    let failing = primary.failed_tasks > 0 && !back;
    rollout.judge(failing, failed, None, now, |_| why(primary, known.reason, failed));
    Some(rollout)
}

/// When it moved last. Tasks that are started again and again are no progress.
fn moved(primary: &Deployment, live: Option<&ServiceDeployment>) -> Option<Timestamp> {
    if primary.failed_tasks > 0 && primary.running_count == 0 {
        return primary.created_at;
    }
    primary.updated_at.max(live.and_then(|one| one.updated_at))
}

/// The platform's own words for where it stands.
fn word(primary: &Deployment, live: Option<&ServiceDeployment>) -> String {
    let word = match live {
        Some(one) => match &one.lifecycle_stage {
            Some(stage) => format!("{}/{stage}", one.status),
            None => one.status.clone(),
        },
        // Without service deployments the counts are those of `deployments[]`, and this is all there is.
        None => primary.rollout_state.clone().unwrap_or_else(|| primary.status.clone()),
    };
    clean(&word)
}

/// How far it may go at a time, and what gives it up.
fn limits(service: &Service, live: Option<&ServiceDeployment>) -> Option<String> {
    let configuration = &service.deployment_configuration;
    let bounds = configuration.minimum_healthy_percent.zip(configuration.maximum_percent);
    let bounds =
        bounds.map(|(least, most)| format!("{least}% to {most}% of {}", service.desired_count));
    let parts: Vec<_> = bounds.into_iter().chain(breaker(service, live)).collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// How near the circuit breaker is.
fn breaker(service: &Service, live: Option<&ServiceDeployment>) -> Option<String> {
    let told = live?.deployment_circuit_breaker.as_ref()?;
    if told.status == "DISABLED" {
        return Some("no circuit breaker".to_owned());
    }
    let then = match &service.deployment_configuration.deployment_circuit_breaker {
        Some(setting) if setting.rollback => "rolls back",
        _ => "stops",
    };
    Some(format!(
        "circuit breaker {then} at {} failed tasks, {} so far",
        told.threshold, told.failure_count
    ))
}

fn why(primary: &Deployment, reason: Option<&str>, given_up: bool) -> String {
    let what = reason.map(clean).unwrap_or_else(|| "tasks stop before they run".to_owned());
    let times = primary.failed_tasks;
    let tries = if times == 1 { "once".to_owned() } else { format!("{times} times in a row") };
    if given_up {
        return format!("the circuit breaker gave it up: {what}");
    }
    format!("new instances crash: {what}, {tries}")
}

/// How long ago something was, for a sentence.
pub(in crate::platform::ecs) fn ago(at: Option<Timestamp>, now: Timestamp) -> Option<String> {
    at.map(|at| format!("{} ago", span(now.duration_since(at))))
}
