//! Tasks as instances. The API of Amazon ECS measures none of them: what CloudWatch has is of the service as a whole, old
//! and new together, from which nothing can be concluded.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::domain::{
    AppId, Instance, InstanceReading, InstanceState, Reading, Restarts, SideName, text::clean,
    text::short,
};
use crate::platform::{
    Error,
    ecs::{
        client::api::Service as Of,
        model::wire::{self, Service, Task, last},
        read::{convert::reference, events::reason},
        region::Region,
    },
};

/// How long a task may take to become healthy where the service does not say.
const START: SignedDuration = SignedDuration::from_secs(60);
/// How long each call of a reading lets the next one wait: two a minute.
const EACH_CALL: i32 = 30;
/// How many tasks one call describes.
const AT_ONCE: usize = 100;

impl Region {
    /// The tasks of a service: those that run or start, and those of its deployments that fell over.
    pub(in crate::platform::ecs) async fn reading(&self, app: &AppId) -> Result<Reading, Error> {
        let service = self.service(app).await?;
        let mut tasks = self.tasks(&service).await?;
        let rolls = rolls(&service);
        let mut calls = 3;
        if rolls || service.running_count < service.desired_count {
            // Where stopped tasks may not be listed, those that run are still something.
            calls += 2;
            tasks.extend(self.fallen(&service).await.unwrap_or_default());
        }
        let now = (self.now)();
        let rows = tasks.iter().filter_map(|task| row(task, &service, rolls));
        let mut instances: Vec<_> = rows.collect();
        instances.sort_by(|a, b| b.side.cmp(&a.side).then_with(|| a.id.cmp(&b.id)));
        Ok(Reading {
            at: now,
            measured_at: None,
            unmeasured: Some(
                "Amazon ECS measures services as a whole, old and new together".to_owned(),
            ),
            pace: SignedDuration::from_secs(i64::from(calls * EACH_CALL)),
            instances,
            errors: None,
        })
    }

    pub(in crate::platform::ecs) async fn tasks(
        &self,
        service: &Service,
    ) -> Result<Vec<Task>, Error> {
        let cluster = &service.cluster_arn;
        let mut body = json!({ "cluster": cluster, "serviceName": service.service_name, "maxResults": AT_ONCE });
        let mut tasks = Vec::new();
        loop {
            let listed: wire::TaskArns = self.connection.ask(Of::Ecs, "ListTasks", &body).await?;
            if !listed.task_arns.is_empty() {
                let asked = json!({ "cluster": cluster, "tasks": listed.task_arns });
                let told: wire::Tasks =
                    self.connection.ask(Of::Ecs, "DescribeTasks", &asked).await?;
                tasks.extend(told.tasks);
            }
            match listed.next_token.filter(|token| !token.is_empty()) {
                Some(token) => body["nextToken"] = token.into(),
                None => return Ok(tasks),
            }
        }
    }
}

pub(super) fn rolls(service: &Service) -> bool {
    let primary = service.deployments.iter().find(|one| one.primary());
    let moves = primary.and_then(|one| one.rollout_state.as_deref()) == Some("IN_PROGRESS");
    service.deployments.len() > 1 || moves
}

fn state(task: &Task) -> InstanceState {
    match task.last_status.as_str() {
        "RUNNING" if task.health_status == "UNHEALTHY" => InstanceState::NotReady,
        "RUNNING" => InstanceState::Running,
        "PROVISIONING" | "PENDING" | "ACTIVATING" => InstanceState::Starting,
        "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" => InstanceState::Stopping,
        "STOPPED" | "DELETED" => InstanceState::Crashed,
        _ => InstanceState::Unknown,
    }
}

fn row(task: &Task, service: &Service, rolls: bool) -> Option<InstanceReading> {
    let state = state(task);
    let deployment = service.deployments.iter().find(|one| one.id == task.started_by);
    let over = state == InstanceState::Crashed;
    // What the platform took away says nothing of what ran there.
    let taken = matches!(
        task.stop_code.as_deref(),
        Some("SpotInterruption" | "TerminationNotice" | "InfrastructureHealth")
    );
    if taken {
        return None;
    }
    // Tasks that somebody ran by hand are none of the service's; those of earlier deployments are history.
    if state == InstanceState::Stopping || (over && deployment.is_none()) {
        return None;
    }
    let new = rolls && deployment.is_some_and(wire::Deployment::primary);
    let created: Option<Timestamp> = task.created_at;
    let instance = Instance {
        name: Some(short(last(&task.task_arn))),
        state,
        since: if over { task.stopped_at } else { task.started_at.or(created) },
        reason: over.then(|| reason(task)),
    };
    let grace = service.health_check_grace_period_seconds.map(SignedDuration::from_secs);
    let mut facts = vec![
        ("task".to_owned(), clean(last(&task.task_arn))),
        ("task definition".to_owned(), clean(last(&task.task_definition_arn))),
        ("zone".to_owned(), clean(&task.availability_zone)),
        ("health".to_owned(), clean(&task.health_status)),
        (
            "capacity".to_owned(),
            clean(task.capacity_provider_name.as_deref().unwrap_or(&task.launch_type)),
        ),
    ];
    facts.extend(task.containers.iter().map(|one| {
        let exit = one.exit_code.map(|code| format!(", exited with {code}")).unwrap_or_default();
        let why = one.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        let what = clean(&format!("{}{exit}{why}", one.last_status));
        (format!("container {}", clean(&one.name)), what)
    }));
    facts.retain(|(_, value)| !value.is_empty());
    Some(InstanceReading {
        id: last(&task.task_arn).to_owned(),
        side: if new { SideName::New } else { SideName::Old },
        revision: Some(reference(&task.task_definition_arn, service)),
        began_at: if over { None } else { task.started_at },
        // A task that stopped is no instance that is expected to get ready: another one took its place.
        grace: if over { SignedDuration::MAX } else { grace.unwrap_or(START).max(START) },
        restarts: created.map(|since| Restarts { count: u32::from(over), since }),
        cpu: None,
        memory: None,
        facts,
        instance,
    })
}
