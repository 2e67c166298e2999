//! Following the logs of a workload's Pods: a stream each, begun anew from its last line where it breaks.

use std::{
    collections::{HashMap, HashSet},
    io,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{AsyncBufRead, AsyncBufReadExt};
use http::{Request, StatusCode};
use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::platform::cluster::Connection;
use crate::platform::kubernetes::{cluster::Cluster, model::rows::Rows, read::logs::log_line};
use crate::platform::sync::lock;
use crate::{
    domain::{AppId, InstanceReading, LogBatch, LogLine, LogQuery, SideName, text::clean},
    platform::{
        Error,
        http::exchange::{self, Answer},
    },
};

/// Of how many Pods logs are followed, those of the new side first.
const STREAMS: usize = 20;
/// How many of the latest lines of each are read at first.
const LATEST: &str = "60";
/// How often it is looked for Pods that have come.
const LOOK: Duration = Duration::from_secs(5);
/// How long a stream that ended rests before it is begun anew.
const AGAIN: Duration = Duration::from_secs(2);
/// For how long a log may be silent before it is begun anew: a dead connection is silent, too.
const SILENCE: Duration = Duration::from_mins(3);
/// How long a line may be, in bytes.
const LONGEST: usize = 64 * 1_024;
/// How many lines are gathered before they are sent on.
const BATCH: usize = 500;
/// For how long they are.
const GATHER: Duration = Duration::from_millis(100);

/// One log: of a container of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ContainerLog {
    pod: String,
    /// What tells the Pod from another one of its name.
    uid: String,
    container: String,
}

/// What the lines of each source are called by now: a rollout that begins or ends gives Pods another side.
type Tags = Arc<Mutex<HashMap<ContainerLog, Tag>>>;

/// What its lines are called.
#[derive(Clone, Debug, Default)]
struct Tag {
    name: String,
    side: Option<SideName>,
    revision: Option<String>,
}

impl Cluster {
    /// Sends what of the logs of a workload is wanted.
    pub(in crate::platform::kubernetes) async fn follow_log(
        self: &Arc<Self>,
        app: &AppId,
        query: &LogQuery,
        lines: mpsc::Sender<LogBatch>,
    ) -> Result<(), Error> {
        let mut streams: JoinSet<(ContainerLog, Result<(), Error>)> = JoinSet::new();
        let mut begun: HashSet<ContainerLog> = HashSet::new();
        let mut told: HashSet<ContainerLog> = HashSet::new();
        let tags = Tags::default();
        let mut first = true;
        loop {
            let rows = match self.rows(app).await {
                Ok(rows) => rows,
                Err(error) if first => return Err(error),
                Err(error) => {
                    let mark = Some(format!("Pods that come now are missing: {error}"));
                    if lines.send(LogBatch { lines: Vec::new(), mark }).await.is_err() {
                        return Ok(());
                    }
                    sleep(LOOK).await;
                    continue;
                }
            };
            let (sources, left_out) = sources(&rows, query)?;
            if first {
                let mark = (left_out > 0).then(|| {
                    format!("of {left_out} more Pods nothing is followed: {STREAMS} are the most")
                });
                if lines.send(LogBatch { lines: Vec::new(), mark }).await.is_err() {
                    return Ok(());
                }
            }
            // A Pod that is gone may come again under its name.
            begun.retain(|source| rows.uids.get(&source.pod) == Some(&source.uid));
            told.retain(|source| rows.uids.get(&source.pod) == Some(&source.uid));
            for (source, tag) in sources {
                lock(&tags).insert(source.clone(), tag);
                if !begun.insert(source.clone()) {
                    continue;
                }
                let (cluster, query, tags) = (self.clone(), query.clone(), tags.clone());
                let (namespace, lines) = (rows.namespace.clone(), lines.clone());
                streams.spawn(async move {
                    let from = Stream { cluster: &cluster, namespace, source, tags, lines };
                    let ended = from.run(&query).await;
                    (from.source, ended)
                });
            }
            if !query.follow {
                // What one of them lacks the others may have.
                let (mut read, mut failed) = (begun.is_empty(), None);
                while let Some(ended) = streams.join_next().await {
                    match ended {
                        Ok((_, Err(error))) => failed = Some(error),
                        _ => read = true,
                    }
                }
                return match failed {
                    Some(error) if !read => Err(error),
                    _ => Ok(()),
                };
            }
            first = false;
            tokio::select! {
                () = sleep(LOOK) => {}
                () = lines.closed() => return Ok(()),
            }
            while let Some(ended) = streams.try_join_next() {
                let Ok((source, ended)) = ended else { continue };
                match ended {
                    Ok(()) => {}
                    Err(error @ (Error::Forbidden { .. } | Error::Login { .. })) => {
                        return Err(error);
                    }
                    Err(error) => {
                        begun.remove(&source);
                        // A container that has not started has no log yet; of what else fails the reader should know,
                        // once, while it is tried again.
                        let waits = matches!(
                            error,
                            Error::Api { status: 400, .. } | Error::NotFound { .. }
                        );
                        if !waits && told.insert(source.clone()) {
                            let mark = format!("the log of {} cannot be read: {error}", source.pod);
                            let batch = LogBatch { lines: Vec::new(), mark: Some(mark) };
                            if lines.send(batch).await.is_err() {
                                return Ok(());
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The logs that are wanted, and of how many Pods none is.
fn sources(rows: &Rows, query: &LogQuery) -> Result<(Vec<(ContainerLog, Tag)>, usize), Error> {
    let rolls = rows.instances.iter().any(|one| one.side == SideName::New);
    let refuse = |what: String| Error::Refused { what };
    let named = |one: &&InstanceReading| {
        query.instance.as_ref().is_none_or(|wanted| {
            let short = one.id.rsplit('-').next();
            one.id == *wanted
                || short == Some(wanted)
                || format!("{}/{}", one.side.word(), one.id) == *wanted
        })
    };
    let side = |one: &&InstanceReading| query.side.is_none_or(|side| !rolls || one.side == side);
    let chosen: Vec<_> = rows.instances.iter().filter(named).filter(side).collect();
    if let (Some(wanted), true) = (&query.instance, chosen.is_empty()) {
        return Err(refuse(format!("there is no instance {:?} now", clean(wanted))));
    }
    let mut sources = Vec::new();
    for one in chosen.iter().take(STREAMS) {
        let containers = rows.containers.get(&one.id).map(Vec::as_slice).unwrap_or_default();
        let container = match &query.container {
            Some(name) => containers.iter().find(|one| one.name == *name).ok_or_else(|| {
                let known: Vec<_> = containers.iter().map(|one| clean(&one.name)).collect();
                let name = clean(name);
                refuse(format!("there is no container {name:?}: there are {}", known.join(", ")))
            })?,
            None => match containers.first() {
                Some(first) => first,
                None => continue,
            },
        };
        let short = one.id.rsplit('-').next().unwrap_or_default();
        let name = match &query.container {
            Some(container) => format!("{short}/{container}"),
            None => short.to_owned(),
        };
        let tag = Tag {
            name: clean(&name),
            side: rolls.then_some(one.side),
            revision: one.revision.as_ref().map(|of| of.shown().to_owned()),
        };
        let source = ContainerLog {
            pod: one.id.clone(),
            uid: rows.uids.get(&one.id).cloned().unwrap_or_default(),
            container: container.name.clone(),
        };
        sources.push((source, tag));
    }
    Ok((sources, chosen.len().saturating_sub(STREAMS)))
}

/// How far a log was read: a stream that begins anew repeats the second in which it broke.
#[derive(Debug, Default)]
struct ReadUntil {
    last: Option<Timestamp>,
    /// What was written in that second.
    recent: HashSet<(Timestamp, String)>,
    /// Until when lines may be repeated ones.
    replayed: Option<Timestamp>,
}

impl ReadUntil {
    /// The stream begins anew.
    fn replay(&mut self) {
        self.replayed = self.last;
    }

    /// Whether a line was not read before. Two outputs of a container are stamped before they are written, so that lines
    /// may be a little out of order: only what is repeated is looked for.
    fn passes(&mut self, line: &LogLine) -> bool {
        let key = (line.at, line.text.clone());
        if self.replayed.is_some_and(|until| line.at <= until) && self.recent.contains(&key) {
            return false;
        }
        let before = self.last.map(Timestamp::as_second);
        self.last = self.last.max(Some(line.at));
        let second = self.last.map(Timestamp::as_second);
        // Once a second: a flood has many lines in one.
        if second != before {
            self.recent.retain(|(at, _)| Some(at.as_second()) >= second);
        }
        if Some(line.at.as_second()) >= second {
            self.recent.insert(key);
        }
        true
    }
}

/// The log of one container, on its way to who reads it.
struct Stream<'a> {
    cluster: &'a Cluster,
    namespace: String,
    source: ContainerLog,
    tags: Tags,
    lines: mpsc::Sender<LogBatch>,
}

impl Stream<'_> {
    fn tag(&self) -> Tag {
        lock(&self.tags).get(&self.source).cloned().unwrap_or_default()
    }

    /// Sends the log on, until its Pod is gone.
    async fn run(&self, query: &LogQuery) -> Result<(), Error> {
        let path = format!("/api/v1/namespaces/{}/pods/{}/log", self.namespace, self.source.pod);
        let mut place = ReadUntil::default();
        let mut mark = None;
        loop {
            // The server knows whole seconds only.
            let since = place.last.or(query.since).map(|since| {
                Timestamp::from_second(since.as_second()).unwrap_or(since).to_string()
            });
            let mut asked =
                vec![("container", self.source.container.as_str()), ("timestamps", "true")];
            match &since {
                Some(since) => asked.push(("sinceTime", since)),
                None => asked.push(("tailLines", LATEST)),
            }
            if query.previous {
                asked.push(("previous", "true"));
            } else if query.follow {
                asked.push(("follow", "true"));
            }
            let began = Instant::now();
            place.replay();
            let address = Connection::address(&path, &asked);
            let ended = self.once(&path, &address, &mut place, &mut mark).await;
            if query.previous || !query.follow {
                return ended;
            }
            match ended {
                Err(Error::NotFound { .. }) => return Ok(()),
                Err(error @ (Error::Forbidden { .. } | Error::Login { .. })) => return Err(error),
                Err(error) if place.last.is_none() => return Err(error),
                Err(error) => {
                    mark = Some(format!("the log of {} broke here: {error}", self.tag().name));
                }
                // Its container has ended, the server ends streams from time to time, or nothing came for long.
                Ok(()) => {}
            }
            if self.lines.is_closed() {
                return Ok(());
            }
            sleep(AGAIN.saturating_sub(began.elapsed()).max(Duration::from_millis(200))).await;
        }
    }

    /// Reads one stream to its end.
    async fn once(
        &self,
        path: &str,
        address: &str,
        place: &mut ReadUntil,
        mark: &mut Option<String>,
    ) -> Result<(), Error> {
        let connection = &self.cluster.connection;
        let client = connection.client().await?;
        connection.meter.count();
        let request = Request::get(address).body(Vec::new());
        let request = request.map_err(|error| connection.unreachable(&error))?;
        let started = timeout(connection.timeout, client.request_stream(request)).await;
        let body = match started {
            Err(_) => return Err(exchange::silent(connection, connection.timeout).error),
            Ok(Err(kube::Error::Api(status))) => {
                let body =
                    serde_json::json!({ "message": status.message, "reason": status.reason });
                let code = StatusCode::from_u16(status.code);
                let answer = Answer {
                    status: code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                    retry_after: None,
                    body: body.to_string().into_bytes(),
                    etag: None,
                    login: None,
                };
                return Err(exchange::refusal(connection, path, &answer));
            }
            Ok(Err(error)) => return Err(connection.unreachable(&error)),
            Ok(Ok(body)) => body,
        };
        let mut read = pin!(body);
        let mut partial = Vec::new();
        loop {
            let mut gathered: Vec<LogLine> = Vec::new();
            let until = Instant::now() + GATHER;
            let mut over = None;
            let tag = self.tag();
            while gathered.len() < BATCH {
                let next = if gathered.is_empty() {
                    tokio::select! {
                        next = timeout(SILENCE, next_line(&mut read, &mut partial)) => match next {
                            Ok(next) => next,
                            // A line that is dead says nothing, either.
                            Err(_) => return Ok(()),
                        },
                        () = self.lines.closed() => return Ok(()),
                    }
                } else {
                    let next = next_line(&mut read, &mut partial);
                    match tokio::time::timeout_at(until, next).await {
                        Ok(next) => next,
                        Err(_) => break,
                    }
                };
                match next {
                    Ok(Some(text)) => {
                        let line = log_line(&String::from_utf8_lossy(&text), &tag.name, false);
                        gathered.extend(line.map(|line| LogLine {
                            side: tag.side,
                            revision: tag.revision.clone(),
                            ..line
                        }));
                    }
                    Ok(None) => {
                        over = Some(Ok(()));
                        break;
                    }
                    Err(error) => {
                        over = Some(Err(connection.unreachable(&error)));
                        break;
                    }
                }
            }
            let fresh: Vec<_> = gathered.into_iter().filter(|line| place.passes(line)).collect();
            if !fresh.is_empty() {
                let batch = LogBatch { lines: fresh, mark: mark.take() };
                if self.lines.send(batch).await.is_err() {
                    return Ok(());
                }
            }
            if let Some(over) = over {
                return over;
            }
        }
    }
}

/// The next line, as bytes: a log holds what its app writes. Of one that is longer than anybody reads the rest is left out.
/// What was read of a line before this is cancelled is kept in `partial`.
async fn next_line(
    read: &mut (impl AsyncBufRead + Unpin),
    partial: &mut Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    loop {
        let available = read.fill_buf().await?;
        if available.is_empty() {
            return Ok((!partial.is_empty()).then(|| std::mem::take(partial)));
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        let room = LONGEST.saturating_sub(partial.len());
        partial.extend_from_slice(&part[..part.len().min(room)]);
        let consumed = part.len() + usize::from(end.is_some());
        read.consume_unpin(consumed);
        if end.is_some() {
            return Ok(Some(std::mem::take(partial)));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn lines_are_bytes_and_have_an_end() {
        let long = [b"x".repeat(LONGEST * 2), b"\nend".to_vec()].concat();
        let mut read = Cursor::new([b"a\n\xff\xfe\n".to_vec(), long].concat());
        let mut partial = Vec::new();
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut read, &mut partial).await.unwrap() {
            lines.push(line);
        }
        assert_eq!(lines[..2], [b"a".to_vec(), vec![0xff, 0xfe]]);
        assert_eq!((lines[2].len(), lines[3].as_slice()), (LONGEST, b"end".as_slice()));
    }

    #[test]
    fn what_is_repeated_is_passed_over_and_nothing_else() {
        let line = |second: i64, nanos: i32, text: &str| LogLine {
            at: Timestamp::new(second, nanos).unwrap(),
            source: "a".to_owned(),
            revision: None,
            side: None,
            text: text.to_owned(),
            error: false,
        };
        let mut place = ReadUntil::default();
        assert!(place.passes(&line(10, 5, "a")));
        assert!(place.passes(&line(10, 3, "b")), "a little out of order");
        assert!(place.passes(&line(10, 5, "a")), "written twice");
        place.replay();
        assert!(!place.passes(&line(10, 5, "a")) && !place.passes(&line(10, 3, "b")));
        assert!(place.passes(&line(10, 4, "c")), "of that second, and not read before");
        assert!(place.passes(&line(11, 0, "d")));
    }
}
