//! Events of a service, and why its tasks stopped.

use serde_json::json;

use crate::domain::{
    AppEvent, LogLine, revision_name,
    text::{clean, short},
};
use crate::platform::{
    Error,
    ecs::{
        client::api::Service as Of,
        model::wire::{self, Service, Task, family, last},
        region::Region,
    },
};

/// Words by which an event is known to tell of a failure.
const BAD: [&str; 5] = ["failed", "unhealthy", "unable to", "rolling back", "was stopped"];
/// How many stopped tasks are looked at.
const STOPPED: usize = 50;

/// The events of a service, newest first, without its name before each, and the tasks that stopped: of those its own
/// events say nothing.
pub(in crate::platform::ecs) fn events(service: &Service, fallen: &[Task]) -> Vec<AppEvent> {
    let prefix = format!("(service {}) ", service.service_name);
    let tell = |event: &wire::Event| {
        let what = event.message.strip_prefix(&prefix).unwrap_or(&event.message);
        AppEvent {
            at: event.created_at.unwrap_or_default(),
            who: "ECS".to_owned(),
            bad: BAD.iter().any(|word| what.contains(word)),
            routine: what.starts_with("has started") || what.starts_with("has stopped"),
            what: clean(what),
        }
    };
    // Newest first: what many tasks did alike is said once.
    let mut alike: Vec<(&Task, String, usize)> = Vec::new();
    for task in fallen {
        let why = reason(task);
        let same = |one: &&mut (&Task, String, usize)| {
            one.0.task_definition_arn == task.task_definition_arn && one.1 == why
        };
        match alike.iter_mut().find(same) {
            Some(one) => one.2 += 1,
            None => alike.push((task, why, 1)),
        }
    }
    let stopped = |(task, why, count): &(&Task, String, usize)| {
        let revision = revision_name(clean(family(&task.task_definition_arn).1));
        let id = short(last(&task.task_arn));
        let what = match count {
            1 => format!("task {id} of {revision} stopped: {why}"),
            count => format!("{count} tasks of {revision} stopped, the last one {id}: {why}"),
        };
        let (at, who) = (task.stopped_at.unwrap_or_default(), "ECS".to_owned());
        AppEvent { at, who, what, bad: true, routine: false }
    };
    let mut events: Vec<_> =
        service.events.iter().map(tell).chain(alike.iter().map(stopped)).collect();
    events.sort_by_key(|one| std::cmp::Reverse(one.at));
    events
}

/// Why a task stopped, in a clause: what the platform says, and how its containers ended.
pub(in crate::platform::ecs) fn reason(task: &Task) -> String {
    let said = task.stopped_reason.as_deref().map(clean).filter(|text| !text.is_empty());
    let said = said.unwrap_or_else(|| "it stopped".to_owned());
    let exits: Vec<_> = task
        .containers
        .iter()
        .filter_map(|one| {
            let why =
                one.reason.as_deref().map(|why| format!(": {}", clean(why))).unwrap_or_default();
            match one.exit_code {
                Some(code) if code != 0 => {
                    Some(format!("{} exited with {code}{why}", clean(&one.name)))
                }
                _ if !why.is_empty() => Some(format!("{}{why}", clean(&one.name))),
                _ => None,
            }
        })
        .collect();
    if exits.is_empty() { said } else { format!("{said} ({})", exits.join(", ")) }
}

/// Whether a task stopped because something is wrong, and not because the service was scaled or deployed.
fn wrong(task: &Task) -> bool {
    let said = task.stopped_reason.as_deref().unwrap_or_default();
    let scheduled =
        said.starts_with("Scaling activity") || task.stop_code.as_deref() == Some("UserInitiated");
    !scheduled
}

impl Region {
    /// The tasks of a service that stopped lately because something is wrong, newest first.
    pub(in crate::platform::ecs) async fn fallen(
        &self,
        service: &Service,
    ) -> Result<Vec<Task>, Error> {
        let cluster = &service.cluster_arn;
        let body = json!({ "cluster": cluster, "serviceName": service.service_name, "desiredStatus": "STOPPED", "maxResults": STOPPED });
        let listed: wire::TaskArns = self.connection.ask(Of::Ecs, "ListTasks", &body).await?;
        if listed.task_arns.is_empty() {
            return Ok(Vec::new());
        }
        let body = json!({ "cluster": cluster, "tasks": listed.task_arns });
        let told: wire::Tasks = self.connection.ask(Of::Ecs, "DescribeTasks", &body).await?;
        let mut tasks: Vec<_> = told.tasks.into_iter().filter(wrong).collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(task.stopped_at));
        Ok(tasks)
    }
}

/// What stopped tasks tell, as lines: what ECS itself knows of a crash.
pub(in crate::platform::ecs) fn lines(mut tasks: Vec<Task>) -> Vec<LogLine> {
    tasks.reverse();
    let line = |task: &Task| LogLine {
        at: task.stopped_at.unwrap_or_default(),
        source: format!("ECS/{}", short(last(&task.task_arn))),
        revision: Some(family(&task.task_definition_arn).1.to_owned()),
        side: None,
        text: reason(task),
        error: true,
    };
    tasks.iter().map(line).collect()
}
