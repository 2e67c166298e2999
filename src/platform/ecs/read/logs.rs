//! What containers print: the log driver `awslogs`, read through CloudWatch Logs.
//!
//! `FilterLogEvents` of the API of CloudWatch Logs; streams are called `PREFIX/CONTAINER/TASK` ("Send Amazon ECS logs to
//! CloudWatch", `awslogs-stream-prefix`). A prefix is asked for rather than the streams: of a task that has printed nothing
//! yet there is none, and one that is missing fails the whole call.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::{definition::containers, events::lines, instances::rolls};
use crate::domain::{
    AppId, LogBatch, LogLine, LogQuery, SideName,
    text::{clean, quoted, short},
};
use crate::platform::{
    Error,
    ecs::{
        client::api::Service as Of,
        model::wire::{self, Service, Task, family, last},
        region::Region,
    },
    follow::Follower,
};

/// How often lines are asked for. An account has five of these calls a second, for all that it does.
const EVERY: Duration = Duration::from_secs(5);
/// How often the tasks are listed anew.
const TASKS_EVERY: Duration = Duration::from_mins(1);
/// The latest lines are those of so long.
const LATELY: SignedDuration = SignedDuration::from_mins(2);
/// How many lines a call returns, and how many calls one reading makes of one log.
const LINES: u32 = 1_000;
const CALLS: usize = 5;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    events: Vec<LogEvent>,
    next_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LogEvent {
    log_stream_name: String,
    /// Milliseconds since 1970.
    timestamp: i64,
    message: String,
}

/// What the lines of a task are called.
#[derive(Clone, Debug)]
struct Tag {
    source: String,
    revision: String,
    side: Option<SideName>,
}

/// Where the lines of an app are.
struct Sources {
    /// Groups with the prefixes of their streams.
    logs: BTreeSet<(String, String)>,
    /// The tasks, by identifier.
    tasks: HashMap<String, Tag>,
    /// What is to be said of it: what stopped tasks tell, and what cannot be read here.
    told: Vec<LogLine>,
    at: Instant,
}

impl Sources {
    fn say(&mut self, at: Timestamp, text: String) {
        let source = "ECS".to_owned();
        let line = LogLine { at, source, revision: None, side: None, text, error: false };
        if !self.told.contains(&line) {
            self.told.push(line);
        }
    }

    /// Adds the logs of a task's containers.
    fn add(
        &mut self,
        (task, tag): (&Task, Tag),
        definition: &serde_json::Value,
        query: &LogQuery,
        (region, since): (&str, Timestamp),
    ) {
        let id = last(&task.task_arn);
        for container in containers(definition) {
            let name = container["name"].as_str().unwrap_or_default();
            if query.container.as_deref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            let configuration = &container["logConfiguration"];
            let option = |name: &str| configuration["options"][name].as_str();
            let shown = clean(name);
            match (configuration["logDriver"].as_str(), option("awslogs-group")) {
                (Some("awslogs"), Some(group)) => {
                    let elsewhere = option("awslogs-region").filter(|other| *other != region);
                    let Some(prefix) = option("awslogs-stream-prefix") else {
                        let text = format!(
                            "the log of {shown} has no awslogs-stream-prefix, so that its streams cannot be told apart: aws logs tail {} --follow",
                            quoted(&clean(group))
                        );
                        self.say(since, text);
                        continue;
                    };
                    if let Some(other) = elsewhere {
                        let text = format!(
                            "the log of {shown} is in another region: aws logs tail {} --region {} --follow",
                            quoted(&clean(group)),
                            quoted(&clean(other))
                        );
                        self.say(since, text);
                        continue;
                    }
                    let whole = if query.instance.is_some() { id } else { "" };
                    self.logs.insert((group.to_owned(), format!("{prefix}/{name}/{whole}")));
                }
                (Some(driver), _) => {
                    let text = format!(
                        "the log of {shown} goes through the driver {}: it is not read here",
                        clean(driver)
                    );
                    self.say(since, text);
                }
                (None, _) => {
                    self.say(since, format!("{shown} has no log driver: its log is kept nowhere"));
                }
            }
        }
        self.tasks.insert(id.to_owned(), tag);
    }
}

fn tag(task: &Task, service: &Service, rolling: bool) -> Tag {
    let deployment = service.deployments.iter().find(|one| one.id == task.started_by);
    let new = deployment.is_some_and(wire::Deployment::primary);
    let side = if new { SideName::New } else { SideName::Old };
    Tag {
        source: short(last(&task.task_arn)),
        revision: family(&task.task_definition_arn).1.to_owned(),
        side: rolling.then_some(side),
    }
}

impl Region {
    async fn sources(
        &self,
        app: &AppId,
        query: &LogQuery,
        since: Timestamp,
    ) -> Result<Sources, Error> {
        let service = self.service(app).await?;
        // Where stopped tasks may not be listed, the others are still something.
        let fallen = self.fallen(&service).await.unwrap_or_default();
        let mut tasks = if query.previous { Vec::new() } else { self.tasks(&service).await? };
        tasks.extend(fallen.iter().cloned());
        let rolling = rolls(&service);
        let (logs, at) = (BTreeSet::new(), Instant::now());
        let mut sources = Sources { logs, tasks: HashMap::new(), told: lines(fallen), at };
        let region = &self.connection.settings().region;
        for task in &tasks {
            let tag = tag(task, &service, rolling);
            let id = last(&task.task_arn);
            let is = |wanted: &String| {
                let whole = tag.side.map(|side| format!("{}/{}", side.word(), tag.source));
                id == wanted || tag.source == *wanted || whole.as_ref() == Some(wanted)
            };
            if query.instance.as_ref().is_some_and(|wanted| !is(wanted)) {
                continue;
            }
            let definition = self.definition(&task.task_definition_arn).await?;
            sources.add((task, tag), &definition, query, (region, since));
        }
        if query.instance.is_some() {
            let told = sources.tasks.values().map(|tag| format!("ECS/{}", tag.source));
            let own: Vec<_> = told.chain(["ECS".to_owned()]).collect();
            sources.told.retain(|line| own.contains(&line.source));
        }
        Ok(sources)
    }

    /// The lines from then on, with whether there is more.
    async fn lines_from(
        &self,
        sources: &Sources,
        from: Option<Timestamp>,
    ) -> Result<(Vec<LogLine>, bool), Error> {
        let start = from.unwrap_or_else(|| (self.now)() - LATELY);
        let (mut all, mut until) = (Vec::new(), None::<Timestamp>);
        for (group, prefix) in &sources.logs {
            let mut body = json!({
                "logGroupName": group, "logStreamNamePrefix": prefix, "startTime": start.as_millisecond(), "limit": LINES,
            });
            let mut newest = start;
            for call in 1.. {
                let told = self.connection.ask::<Page>(Of::Logs, "FilterLogEvents", &body).await;
                let page = match told {
                    Ok(page) => page,
                    // What may not be read, or is not there yet, hides nothing else.
                    Err(error @ (Error::Forbidden { .. } | Error::NotFound { .. })) => {
                        all.push(LogLine {
                            at: start,
                            source: "ECS".to_owned(),
                            revision: None,
                            side: None,
                            text: format!("the log group {} cannot be read: {error}", clean(group)),
                            error: true,
                        });
                        break;
                    }
                    Err(error) => return Err(error),
                };
                for event in page.events {
                    let at = Timestamp::from_millisecond(event.timestamp).unwrap_or(start);
                    newest = newest.max(at);
                    let id = event.log_stream_name.rsplit('/').next().unwrap_or_default();
                    // Of an earlier deployment, or of another service that logs there.
                    let Some(tag) = sources.tasks.get(id) else { continue };
                    all.extend(event.message.lines().map(|text| LogLine {
                        at,
                        source: tag.source.clone(),
                        revision: Some(tag.revision.clone()),
                        side: tag.side,
                        text: clean(text),
                        error: false,
                    }));
                }
                let Some(next) = page.next_token.filter(|token| !token.is_empty()) else { break };
                if call == CALLS {
                    until = Some(until.map_or(newest, |until| until.min(newest)));
                    break;
                }
                body["nextToken"] = next.into();
            }
        }
        // Of the same moment: what it printed before what ECS says of its end.
        all.extend(sources.told.iter().cloned());
        // Where one log has more, the others wait for it: lines come in order.
        if let Some(until) = until {
            all.retain(|line| line.at <= until);
        }
        all.sort_by_key(|line| line.at);
        Ok((all, until.is_some()))
    }

    /// Sends what is wanted of an app's log.
    pub(in crate::platform::ecs) async fn follow_log(
        &self,
        app: &AppId,
        query: &LogQuery,
        lines: mpsc::Sender<LogBatch>,
    ) -> Result<(), Error> {
        let since = (self.now)();
        let mut sources = self.sources(app, query, since).await?;
        // The instance has been looked for by its task already.
        let all = LogQuery { instance: None, ..query.clone() };
        let mut follower = Follower::new(&all, lines, EVERY);
        loop {
            if sources.at.elapsed() >= TASKS_EVERY
                && let Ok(now) = self.sources(app, query, since).await
            {
                sources = now;
            }
            let read = self.lines_from(&sources, follower.from()).await;
            if !follower.take(read).await? {
                return Ok(());
            }
        }
    }

    /// The latest lines of an app.
    pub(in crate::platform::ecs) async fn latest_lines(
        &self,
        app: &AppId,
    ) -> Result<Vec<LogLine>, Error> {
        let sources = self.sources(app, &LogQuery::default(), (self.now)()).await?;
        self.lines_from(&sources, None).await.map(|(lines, _)| lines)
    }
}
