//! Following the logs of a workload's Pods: a stream each, begun anew from its last line where it breaks.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use futures_util::{AsyncBufReadExt, TryStreamExt};
use http::{Request, StatusCode};
use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::platform::kubernetes::{
    Cluster, Connection,
    read::{figures::Rows, logs::log_line},
};
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
/// How many lines are gathered before they are sent on.
const BATCH: usize = 500;
/// For how long they are.
const GATHER: Duration = Duration::from_millis(100);

/// One log: of a container of a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Source {
    pod: String,
    container: String,
}

/// What its lines are called.
#[derive(Clone, Debug)]
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
        let mut streams: JoinSet<(Source, Result<(), Error>)> = JoinSet::new();
        let mut begun: HashMap<Source, bool> = HashMap::new();
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
            for (source, tag) in sources {
                if begun.insert(source.clone(), true).is_some() {
                    continue;
                }
                let (cluster, query) = (self.clone(), query.clone());
                let (namespace, lines) = (rows.namespace.clone(), lines.clone());
                streams.spawn(async move {
                    let ended = stream(&cluster, &namespace, &source, &tag, &query, &lines).await;
                    (source, ended)
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
                    // A container that has not started has no log yet: it is looked for again.
                    Err(_) => drop(begun.remove(&source)),
                }
            }
        }
    }
}

/// The logs that are wanted, and of how many Pods none is.
fn sources(rows: &Rows, query: &LogQuery) -> Result<(Vec<(Source, Tag)>, usize), Error> {
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
        let source = Source { pod: one.id.clone(), container: container.name.clone() };
        sources.push((source, tag));
    }
    Ok((sources, chosen.len().saturating_sub(STREAMS)))
}

/// Sends the log of one container on, until its Pod is gone.
async fn stream(
    cluster: &Cluster,
    namespace: &str,
    source: &Source,
    tag: &Tag,
    query: &LogQuery,
    lines: &mpsc::Sender<LogBatch>,
) -> Result<(), Error> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{}/log", source.pod);
    let mut place = Place::default();
    let mut mark = None;
    loop {
        let since = place.last.or(query.since);
        // The server knows whole seconds only.
        let since = since
            .map(|since| Timestamp::from_second(since.as_second()).unwrap_or(since).to_string());
        let mut asked = vec![("container", source.container.as_str()), ("timestamps", "true")];
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
        let address = Connection::address(&path, &asked);
        let ended = one_stream(cluster, &path, &address, tag, &mut place, &mut mark, lines).await;
        if query.previous || !query.follow {
            return ended;
        }
        match ended {
            Err(
                error @ (Error::NotFound { .. } | Error::Forbidden { .. } | Error::Login { .. }),
            ) => {
                return match error {
                    Error::NotFound { .. } => Ok(()),
                    error => Err(error),
                };
            }
            Err(error) if place.last.is_none() => return Err(error),
            Err(error) => {
                mark = Some(format!("the log of {} broke here: {error}", tag.name));
            }
            // Its container has ended, or the server ends streams from time to time.
            Ok(()) => {}
        }
        if lines.is_closed() {
            return Ok(());
        }
        sleep(AGAIN.saturating_sub(began.elapsed()).max(Duration::from_millis(200))).await;
    }
}

/// How far a log was read: a stream that begins anew repeats the second in which it broke.
#[derive(Debug, Default)]
struct Place {
    last: Option<Timestamp>,
    /// What was written at that very time.
    texts: Vec<String>,
}

impl Place {
    /// Whether a line was not read before.
    fn passes(&mut self, line: &LogLine) -> bool {
        match self.last {
            Some(last) if line.at < last => return false,
            Some(last) if line.at == last => {
                if self.texts.contains(&line.text) {
                    return false;
                }
            }
            _ => self.texts.clear(),
        }
        self.last = Some(line.at);
        self.texts.push(line.text.clone());
        true
    }
}

async fn one_stream(
    cluster: &Cluster,
    path: &str,
    address: &str,
    tag: &Tag,
    place: &mut Place,
    mark: &mut Option<String>,
    lines: &mpsc::Sender<LogBatch>,
) -> Result<(), Error> {
    let connection = &cluster.connection;
    let client = connection.client().await?;
    connection.meter.count();
    let request = Request::get(address).body(Vec::new());
    let request = request.map_err(|error| connection.unreachable(&error))?;
    let started = timeout(connection.timeout, client.request_stream(request)).await;
    let body = match started {
        Err(_) => return Err(exchange::silent(connection, connection.timeout).error),
        Ok(Err(kube::Error::Api(status))) => {
            let body = serde_json::json!({ "message": status.message, "reason": status.reason });
            let code = StatusCode::from_u16(status.code);
            let answer = Answer {
                status: code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                retry_after: None,
                body: body.to_string().into_bytes(),
                login: None,
            };
            return Err(exchange::refusal(connection, path, &answer));
        }
        Ok(Err(error)) => return Err(connection.unreachable(&error)),
        Ok(Ok(body)) => body,
    };
    let mut read = pin!(body.lines());
    loop {
        let mut gathered: Vec<LogLine> = Vec::new();
        let until = Instant::now() + GATHER;
        let mut over = None;
        while gathered.len() < BATCH {
            let next = if gathered.is_empty() {
                tokio::select! {
                    next = read.try_next() => next,
                    () = lines.closed() => return Ok(()),
                }
            } else {
                match tokio::time::timeout_at(until, read.try_next()).await {
                    Ok(next) => next,
                    Err(_) => break,
                }
            };
            match next {
                Ok(Some(text)) => gathered.extend(log_line(&text, &tag.name, false).map(|line| {
                    LogLine { side: tag.side, revision: tag.revision.clone(), ..line }
                })),
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
            if lines.send(batch).await.is_err() {
                return Ok(());
            }
        }
        if let Some(over) = over {
            return over;
        }
    }
}
