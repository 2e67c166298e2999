//! What containers print: the log driver `awslogs`, read through CloudWatch Logs.
//!
//! `FilterLogEvents` of the API of CloudWatch Logs; streams are called `PREFIX/CONTAINER/TASK` ("Send Amazon ECS logs to
//! CloudWatch", `awslogs-stream-prefix`). A prefix is asked for rather than the streams: of a task that has printed nothing
//! yet there is none, and one that is missing fails the whole call.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
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
    follow::{Follower, Lines},
};

/// How often lines are asked for. An account has five of these calls a second, for all that it does.
const EVERY: Duration = Duration::from_secs(5);
/// How often the tasks are listed anew, and how soon after the last time because of one that is not known.
const TASKS_EVERY: Duration = Duration::from_mins(1);
const UNKNOWN_EVERY: Duration = Duration::from_secs(15);
/// The latest lines are those of so long; of a task that has stopped those of so long before its end.
const LATELY: SignedDuration = SignedDuration::from_mins(2);
const LAST: SignedDuration = SignedDuration::from_mins(10);
/// For how long a line may come late: the driver sends what it has every five seconds, and taking it in needs its time.
const LATE: SignedDuration = SignedDuration::from_secs(20);
/// How far the clock of a task may be behind.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// How many lines a call returns, and how many calls one reading makes of one log: of those that return something, and at
/// all.
const LINES: u32 = 1_000;
const CALLS: u32 = 5;
const MOST_CALLS: u32 = 25;
/// How many readings the latest lines may take.
const READINGS: usize = 20;

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

/// A group, and the prefix of its streams.
type LogPlace = (String, String);

/// Where the lines of an app are.
struct Sources {
    /// Where they are, and from when on they are read first.
    logs: BTreeMap<LogPlace, Timestamp>,
    /// Readings that came to no end: from when they are, and the token that leads on.
    open: HashMap<LogPlace, (i64, String)>,
    /// The tasks, by identifier. Those that are gone keep their names: their last lines come late.
    tasks: HashMap<String, Tag>,
    /// Streams of others that log in the same place.
    foreign: HashSet<String>,
    /// What is to be said of it: what stopped tasks tell, and what cannot be read here.
    told: Vec<LogLine>,
    /// When the tasks were listed.
    at: Instant,
    listed_at: Timestamp,
}

impl Sources {
    fn say(&mut self, at: Timestamp, text: String, error: bool) {
        // Once is enough, whenever it is found out.
        if !self.told.iter().any(|line| line.text == text) {
            let source = "ECS".to_owned();
            self.told.push(LogLine { at, source, revision: None, side: None, text, error });
        }
    }

    /// The same after the tasks were listed anew.
    fn renew(&mut self, now: Self) {
        for line in now.told {
            if !self.told.contains(&line) {
                self.told.push(line);
            }
        }
        for (place, from) in now.logs {
            self.logs.entry(place).or_insert(from);
        }
        self.tasks.extend(now.tasks);
        (self.at, self.listed_at) = (now.at, now.listed_at);
    }

    /// Adds the logs of a task's containers.
    fn add(
        &mut self,
        (task, tag): (&Task, Tag),
        definition: &serde_json::Value,
        query: &LogQuery,
        (region, from, since): (&str, Timestamp, Timestamp),
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
                        self.say(since, text, false);
                        continue;
                    };
                    if let Some(other) = elsewhere {
                        let text = format!(
                            "the log of {shown} is in another region: aws logs tail {} --region {} --follow",
                            quoted(&clean(group)),
                            quoted(&clean(other))
                        );
                        self.say(since, text, false);
                        continue;
                    }
                    // Of single tasks only their own streams are read.
                    let whole = if query.instance.is_some() || query.previous { id } else { "" };
                    let place = (group.to_owned(), format!("{prefix}/{name}/{whole}"));
                    let first = self.logs.entry(place).or_insert(from);
                    *first = (*first).min(from);
                }
                (Some(driver), _) => {
                    let text = format!(
                        "the log of {shown} goes through the driver {}: it is not read here",
                        clean(driver)
                    );
                    self.say(since, text, false);
                }
                (None, _) => {
                    let text = format!("{shown} has no log driver: its log is kept nowhere");
                    self.say(since, text, false);
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
        let mut sources = Sources {
            logs: BTreeMap::new(),
            open: HashMap::new(),
            tasks: HashMap::new(),
            foreign: HashSet::new(),
            told: lines(fallen),
            at: Instant::now(),
            listed_at: (self.now)(),
        };
        let region = &self.connection.settings().region;
        for task in &tasks {
            let tag = tag(task, &service, rolling);
            let id = last(&task.task_arn);
            if query.instance.as_ref().is_some_and(|wanted| !is_called(wanted, id, &tag)) {
                continue;
            }
            let definition = self.definition(&task.task_definition_arn).await?;
            // What one that has stopped has said is as old as its end.
            let whole = query.instance.is_some() || query.previous;
            let end = task.stopped_at.filter(|_| whole).map(|at| at - LAST);
            let from = end.unwrap_or(since - LATELY);
            sources.add((task, tag), &definition, query, (region, from, since));
        }
        if query.instance.is_some() {
            let told = sources.tasks.values().map(|tag| format!("ECS/{}", tag.source));
            let own: Vec<_> = told.chain(["ECS".to_owned()]).collect();
            sources.told.retain(|line| own.contains(&line.source));
        }
        Ok(sources)
    }

    /// The lines from then on, or the latest ones; with them the streams that are of no known task, and their first lines.
    async fn lines_from(
        &self,
        sources: &mut Sources,
        from: Option<Timestamp>,
        since: Timestamp,
    ) -> Result<(Lines, HashMap<String, Timestamp>), Error> {
        let (mut all, mut until, mut unknown) = (Vec::new(), None::<Timestamp>, HashMap::new());
        for (place, first) in sources.logs.clone() {
            let start = from.unwrap_or(first);
            let (group, prefix) = &place;
            let mut body = json!({
                "logGroupName": group, "logStreamNamePrefix": prefix, "startTime": start.as_millisecond(), "limit": LINES,
            });
            // A reading that found nothing for long goes on where it was.
            if let Some((begun, token)) = sources.open.remove(&place)
                && begun == start.as_millisecond()
            {
                body["nextToken"] = token.into();
            }
            let (mut newest, mut calls, mut found) = (start, 0, 0);
            loop {
                calls += 1;
                let told = self.connection.ask::<Page>(Of::Logs, "FilterLogEvents", &body).await;
                let page = match told {
                    Ok(page) => page,
                    // What may not be read, or is not there yet, hides nothing else.
                    Err(error @ (Error::Forbidden { .. } | Error::NotFound { .. })) => {
                        let text =
                            format!("the log group {} cannot be read: {error}", clean(group));
                        sources.say(since, text, true);
                        break;
                    }
                    Err(error) => return Err(error),
                };
                found += u32::from(!page.events.is_empty());
                for event in page.events {
                    let at = Timestamp::from_millisecond(event.timestamp).unwrap_or(start);
                    newest = newest.max(at);
                    let id = event.log_stream_name.rsplit('/').next().unwrap_or_default();
                    let Some(tag) = sources.tasks.get(id) else {
                        // Of a task that has begun since they were listed, or of another service that logs there.
                        let later = at > sources.listed_at - SKEW;
                        if later && !sources.foreign.contains(id) {
                            let first = unknown.entry(id.to_owned()).or_insert(at);
                            *first = at.min(*first);
                        }
                        continue;
                    };
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
                if found >= CALLS || calls >= MOST_CALLS {
                    until = Some(until.map_or(newest, |until| until.min(newest)));
                    if newest == start {
                        sources.open.insert(place.clone(), (start.as_millisecond(), next));
                    }
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
        Ok((Lines { lines: all, until }, unknown))
    }

    /// The same, with the tasks listed anew where one is met that is not known: its first lines are what it fails with.
    async fn lines_of(
        &self,
        (app, query, since): (&AppId, &LogQuery, Timestamp),
        sources: &mut Sources,
        from: Option<Timestamp>,
    ) -> Result<Lines, Error> {
        if sources.at.elapsed() >= TASKS_EVERY {
            self.renew(app, query, since, sources).await;
        }
        let (mut lines, unknown) = self.lines_from(sources, from, since).await?;
        let Some(first) = unknown.into_values().min() else { return Ok(lines) };
        if sources.at.elapsed() < UNKNOWN_EVERY {
            // What comes after it waits until it is known.
            lines.lines.retain(|line| line.at < first);
            lines.until = Some(lines.until.map_or(first, |until| until.min(first)));
            return Ok(lines);
        }
        self.renew(app, query, since, sources).await;
        let (lines, unknown) = self.lines_from(sources, from, since).await?;
        sources.foreign.extend(unknown.into_keys());
        Ok(lines)
    }

    async fn renew(&self, app: &AppId, query: &LogQuery, since: Timestamp, sources: &mut Sources) {
        // Where it fails it is not tried at once again.
        sources.at = Instant::now();
        if let Ok(now) = self.sources(app, query, since).await {
            sources.renew(now);
        }
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
        let mut follower = Follower::new(&all, lines, EVERY).late(LATE);
        loop {
            let read = self.lines_of((app, query, since), &mut sources, follower.from()).await;
            if !follower.take(read).await? {
                return Ok(());
            }
        }
    }

    /// The latest lines of an app, and the last ones of the task that has stopped last.
    pub(in crate::platform::ecs) async fn latest_lines(
        &self,
        app: &AppId,
    ) -> Result<Vec<LogLine>, Error> {
        let since = (self.now)();
        let service = self.service(app).await?;
        let fallen = self.fallen(&service).await.unwrap_or_default();
        let fallen = fallen.first().map(|task| last(&task.task_arn).to_owned());
        let fallen =
            fallen.map(|id| LogQuery { previous: true, instance: Some(id), ..LogQuery::default() });
        let mut found = Vec::new();
        for query in std::iter::once(LogQuery::default()).chain(fallen) {
            let mut sources = self.sources(app, &query, since).await?;
            let mut from = None;
            for _ in 0..READINGS {
                let (read, _) = self.lines_from(&mut sources, from, since).await?;
                found.extend(read.lines);
                // Where it comes no further, it goes on by its token.
                from = read.until.or(from);
                if read.until.is_none() {
                    break;
                }
            }
        }
        found.sort_by(|a, b| (a.at, &a.source).cmp(&(b.at, &b.source)));
        found.dedup();
        Ok(found)
    }
}

/// Whether a task is what somebody calls so: by its identifier, a beginning of it, and its side.
fn is_called(wanted: &str, id: &str, tag: &Tag) -> bool {
    let name = match wanted.split_once('/') {
        Some((side, name)) => {
            // Where nothing rolls all of them are old.
            if tag.side.unwrap_or(SideName::Old).word() != side {
                return false;
            }
            name
        }
        None => wanted,
    };
    id == name || tag.source == name || (name.len() >= 5 && id.starts_with(name))
}
