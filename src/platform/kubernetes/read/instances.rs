//! Pods as instances: what each of them does, and why it does not run.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Instance, InstanceState, Rollout, Side, text::clean};
use crate::platform::kubernetes::model::wire::Pod;

/// What a Pod does.
pub(in crate::platform::kubernetes) fn instance(pod: &Pod) -> Instance {
    let name = Some(clean(&pod.metadata.name));
    let status = pod.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|one| one.kind == "Ready");
    let containers = || status.init_container_statuses.iter().chain(&status.container_statuses);
    let created = pod.metadata.creation_timestamp;
    let since = ready.and_then(|one| one.last_transition_time).or(created);
    let plain = |state, since, reason| Instance { name: name.clone(), state, since, reason };
    if pod.metadata.deletion_timestamp.is_some() {
        return plain(InstanceState::Stopping, pod.metadata.deletion_timestamp, None);
    }
    if ready.is_some_and(|one| one.status == "True") {
        return plain(InstanceState::Running, since, None);
    }
    if status.phase == "Failed" {
        let why = clean(if status.message.is_empty() { &status.reason } else { &status.message });
        return plain(InstanceState::Crashed, created, Some(why));
    }
    if let Some(placed) =
        status.conditions.iter().find(|one| one.kind == "PodScheduled" && one.status == "False")
    {
        return plain(
            InstanceState::Down,
            created,
            Some(clean(&format!("{}: {}", placed.reason, placed.message))),
        );
    }
    let crash = containers().filter(|one| !one.ready).find_map(|one| {
        let last = one.last_state.terminated.as_ref().or(one.state.terminated.as_ref());
        last.filter(|last| last.exit_code != 0).map(|last| (one, last))
    });
    if let Some((container, last)) = crash {
        let times = container.restart_count.max(1);
        let restarts = if times == 1 { "restart" } else { "restarts" };
        let why = format!(
            "{} exits with {} ({}), {times} {restarts}",
            container.name, last.exit_code, last.reason
        );
        return plain(InstanceState::Crashed, last.finished_at.or(created), Some(clean(&why)));
    }
    let waiting = containers()
        .filter_map(|one| one.state.waiting.as_ref())
        .find(|one| !one.reason.is_empty());
    match waiting {
        Some(waiting)
            if !matches!(waiting.reason.as_str(), "ContainerCreating" | "PodInitializing") =>
        {
            let text = if waiting.message.is_empty() {
                waiting.reason.clone()
            } else {
                format!("{}: {}", waiting.reason, waiting.message)
            };
            plain(InstanceState::Down, created, Some(clean(&text)))
        }
        Some(_) => plain(InstanceState::Starting, created, None),
        None => {
            let running =
                containers().filter_map(|one| one.state.running.as_ref()?.started_at).max();
            match running {
                Some(at) => plain(
                    InstanceState::NotReady,
                    Some(at),
                    Some("its readiness check does not pass".to_owned()),
                ),
                None => plain(InstanceState::Starting, created, None),
            }
        }
    }
}

/// A side by its Pods where they are known, else by the numbers that its controller tells.
pub(in crate::platform::kubernetes) fn side(
    pods: Option<Vec<&Pod>>,
    wanted: u32,
    there: u32,
    available: u32,
    now: Timestamp,
) -> Side {
    let instances: Vec<_> = match pods {
        Some(mut pods) => {
            pods.sort_by(|a, b| {
                (a.metadata.creation_timestamp, &a.metadata.name)
                    .cmp(&(b.metadata.creation_timestamp, &b.metadata.name))
            });
            let all = pods.iter().map(|pod| young(instance(pod), now));
            all.filter(|one| one.state != InstanceState::Stopping).collect()
        }
        None => (0..there)
            .map(|index| Instance {
                name: None,
                state: if index < available {
                    InstanceState::Running
                } else {
                    InstanceState::Starting
                },
                since: None,
                reason: None,
            })
            .collect(),
    };
    Side { desired: wanted, instances: Some(instances) }
}

/// What has only just started is on its way: a readiness check takes its time, and so does finding a node.
pub(in crate::platform::kubernetes) fn young(one: Instance, now: Timestamp) -> Instance {
    let age = one.since.map(|since| now.duration_since(since));
    let placing = one.reason.as_deref().is_some_and(|why| why.starts_with("Unschedulable"));
    let timeout = match one.state {
        InstanceState::NotReady => SignedDuration::from_secs(30),
        InstanceState::Down if placing => SignedDuration::from_secs(10),
        _ => return one,
    };
    if age.is_some_and(|age| age < timeout) {
        return Instance { state: InstanceState::Starting, reason: None, ..one };
    }
    one
}

/// One clause on why a rollout does not move.
pub(in crate::platform::kubernetes) fn why(rollout: &Rollout) -> String {
    use InstanceState::{Crashed, Down, NotReady};
    if let Some(error) = &rollout.error {
        return format!("the platform says: {error}");
    }
    let all = || rollout.new.instances.iter().chain(&rollout.old.instances).flatten();
    let reason = |state: InstanceState| {
        all().find(|one| one.state == state).and_then(|one| one.reason.clone())
    };
    if all().any(|one| one.state == Crashed) {
        return reason(Crashed).map_or_else(
            || "new instances crash".to_owned(),
            |why| format!("new instances crash: {why}"),
        );
    }
    if all().any(|one| one.state == Down) {
        return reason(Down).map_or_else(
            || "new instances do not start".to_owned(),
            |why| format!("new instances do not start: {why}"),
        );
    }
    if rollout.new.tally(&[NotReady]).unwrap_or(0) > 0 {
        return "new instances run but their readiness check does not pass".to_owned();
    }
    "new instances take long to become available".to_owned()
}
