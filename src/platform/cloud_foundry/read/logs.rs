//! Logs, from log-cache: walked every two seconds, as `cf logs` does it. What has left its buffer is lost, and said.

use std::collections::HashSet;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::platform::cloud_foundry::{foundation::CloudFoundry, model::wire};
use crate::{
    domain::{AppId, LogBatch, LogLine, LogQuery, SideName, text::clean},
    platform::{
        Error,
        follow::{EVERY, Follower, Lines},
    },
};

/// How many of the latest lines are read at first.
const LATEST: usize = 200;
/// The most lines that log-cache gives at once.
const MOST: usize = 1_000;
/// After so many readings it is asked anew which processes are new.
const SIDES: u32 = 8;

/// Which processes the rollout in progress has brought; `None` where nothing rolls.
type NewProcesses = Option<HashSet<String>>;

impl CloudFoundry {
    /// The latest log lines of an app, oldest first.
    pub(in crate::platform::cloud_foundry) async fn log_lines(
        &self,
        app: &AppId,
    ) -> Result<Vec<LogLine>, Error> {
        // Without it lines have no side, and are still lines.
        let new = self.new_processes(app).await.unwrap_or_default();
        Ok(self.read_log(app, None, LATEST, &new).await?.lines)
    }

    async fn new_processes(&self, app: &AppId) -> Result<NewProcesses, Error> {
        let active = self.active_of(&[app.as_str()]).await?;
        let newest = active.into_iter().last();
        Ok(newest.map(|one| one.new_processes.into_iter().map(|one| one.guid).collect()))
    }

    /// Lines from a time on, or the latest ones, and whether there may be more.
    async fn read_log(
        &self,
        app: &AppId,
        since: Option<Timestamp>,
        limit: usize,
        new: &NewProcesses,
    ) -> Result<Lines, Error> {
        let api_info = self.api_info().await?;
        let start = since.map_or_else(|| i64::MIN.to_string(), |at| at.as_nanosecond().to_string());
        let mut query = vec![
            ("envelope_types", "LOG".to_owned()),
            ("limit", limit.to_string()),
            ("start_time", start),
        ];
        if since.is_none() {
            query.push(("descending", "true".to_owned()));
        }
        let path = format!("{}/api/v1/read/{}", api_info.log_cache, app.as_str());
        let read: wire::LogRead = self.http.get(&path, &query).await?;
        let batch = read.envelopes.batch;
        let mut lines: Vec<_> = batch.iter().filter_map(|one| line(one, new)).collect();
        lines.sort_by_key(|line| line.at);
        // The latest ones are all that is wanted at first.
        let until = lines.last().map(|line| line.at);
        let until = until.filter(|_| since.is_some() && batch.len() >= limit);
        Ok(Lines { lines, until })
    }

    /// Sends what of a log is wanted.
    pub(in crate::platform::cloud_foundry) async fn follow_log(
        &self,
        app: &AppId,
        query: &LogQuery,
        lines: mpsc::Sender<LogBatch>,
    ) -> Result<(), Error> {
        if query.previous {
            let what =
                "log-cache tells no runs apart: the lines before a crash stand among the others";
            return Err(Error::Refused { what: what.to_owned() });
        }
        if query.container.is_some() {
            let what = "instances of Cloud Foundry have no containers to choose from";
            return Err(Error::Refused { what: what.to_owned() });
        }
        // An identifier of an instance is its process and number, which lines do not carry: they carry side and name.
        let mut query = query.clone();
        if let Some(wanted) = query.instance.clone() {
            let reading = self.reading(app).await?;
            let several = reading
                .instances
                .iter()
                .any(|one| one.instance.name.as_deref() == Some(wanted.as_str()));
            match reading.find(&wanted) {
                Ok(one) => {
                    query.side = reading.rolls().then_some(one.side);
                    query.instance.clone_from(&one.instance.name);
                }
                // One of each side: lines tell which.
                Err(_) if several => {}
                Err(what) => return Err(Error::Refused { what }),
            }
        }
        let mut follower = Follower::new(&query, lines, EVERY);
        let (mut new, mut looks) = (None, 0);
        loop {
            if looks % SIDES == 0 {
                // What was known is better than nothing.
                new = self.new_processes(app).await.unwrap_or(new);
            }
            looks += 1;
            let since = follower.from();
            let limit = if since.is_none() { LATEST } else { MOST };
            if !follower.take(self.read_log(app, since, limit, &new).await).await? {
                return Ok(());
            }
        }
    }
}

/// A log line, or nothing where the envelope holds none.
fn line(envelope: &wire::Envelope, new: &NewProcesses) -> Option<LogLine> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let log = envelope.log.as_ref()?;
    let payload = BASE64_STANDARD.decode(&log.payload).ok()?;
    let nanos = envelope.timestamp.parse::<i128>().ok()?;
    let source = envelope.tags.get("source_type").map(String::as_str).unwrap_or_default();
    let instance = envelope.instance_id.as_deref().unwrap_or("0");
    let mut revision = None;
    let name = if let Some(rest) = source.strip_prefix("APP/REV/") {
        revision = rest.split('/').next().map(clean);
        format!("{}/{instance}", rest.rsplit('/').next().unwrap_or("app").to_lowercase())
    } else if source.starts_with("APP") {
        format!("{}/{instance}", source.rsplit('/').next().unwrap_or("app").to_lowercase())
    } else {
        source.to_owned()
    };
    let process = envelope.tags.get("process_id").filter(|_| source.starts_with("APP"));
    let side = new
        .as_ref()
        .zip(process)
        .map(|(new, process)| if new.contains(process) { SideName::New } else { SideName::Old });
    Some(LogLine {
        at: Timestamp::from_nanosecond(nanos).ok()?,
        source: clean(&name),
        revision,
        side,
        text: clean(String::from_utf8_lossy(&payload).trim_end()),
        error: log.kind == "ERR",
    })
}
