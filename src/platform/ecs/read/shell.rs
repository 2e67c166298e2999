//! The command for a shell in a task: `aws ecs execute-command`.

use crate::{
    domain::{AppId, InstanceState, Shell, text::clean},
    platform::{
        Error,
        ecs::{model::wire::last, region::Region},
    },
};

impl Region {
    /// ECS Exec opens a shell in a container of a task that was started with it (ECS developer guide, "Monitor Amazon ECS
    /// containers with ECS Exec"; `ExecuteCommand` is interactive only).
    pub(in crate::platform::ecs) async fn shell_in(
        &self,
        app: &AppId,
        instance: &str,
    ) -> Result<Shell, Error> {
        let refused = |what: String| Err(Error::Refused { what });
        let service = self.service(app).await?;
        let reading = self.reading(app).await?;
        let one = reading.find(instance).map_err(|what| Error::Refused { what })?;
        let shown = one.instance.name.as_deref().unwrap_or(&one.id);
        if !matches!(one.instance.state, InstanceState::Running | InstanceState::NotReady) {
            return refused(format!(
                "task {shown} is {}: no shell in it",
                one.instance.state.word()
            ));
        }
        let tasks = self.tasks(&service).await?;
        let Some(task) = tasks.iter().find(|task| last(&task.task_arn) == one.id) else {
            return refused(format!("task {shown} is gone"));
        };
        if !task.enable_execute_command {
            return refused(format!(
                "task {shown} was started without ECS Exec: switch it on for the service (`aws ecs update-service --enable-execute-command`), and tasks that are started from then on have it"
            ));
        }
        let running = task.containers.iter().find(|one| one.last_status == "RUNNING");
        let Some(container) = running.or_else(|| task.containers.first()) else {
            return refused(format!("ECS tells of no container in task {}", clean(shown)));
        };
        let cluster = last(&service.cluster_arn);
        let words = [
            "ecs",
            "execute-command",
            "--cluster",
            cluster,
            "--task",
            &one.id,
            "--container",
            &container.name,
            "--interactive",
            "--command",
            "/bin/sh",
        ];
        let mut arguments = words.map(str::to_owned).to_vec();
        arguments.extend(self.connection.settings().flags());
        Ok(Shell { program: "aws", arguments, environment: Vec::new() })
    }
}
