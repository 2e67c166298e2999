//! Following a log by reading it again and again: every line once, in the order of its time.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::mpsc, time::sleep};

use super::{Error, http::Backoff};
use crate::domain::{LogBatch, LogLine, LogQuery};

/// How often it is read: the rhythm of `cf logs`.
pub const EVERY: Duration = Duration::from_secs(2);
/// For how long a line may come late, where a platform does not take its time: what is younger is looked at again, and
/// known lines are passed over.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// How many readings in a row may come no further where nobody follows.
const STALLED: u32 = 20;

/// What a reading has found.
#[derive(Debug, Default)]
pub struct Lines {
    /// The lines, in the order of their time.
    pub lines: Vec<LogLine>,
    /// Where there is more: until when all of it is here.
    pub until: Option<Timestamp>,
}

/// Which lines were sent already.
#[derive(Debug)]
struct Sent {
    /// For how long a line may come late.
    late: SignedDuration,
    newest: Option<Timestamp>,
    /// The oldest line of the first reading: what is older was left out, and is not late.
    floor: Option<Timestamp>,
    /// Known lines, and which of those it is that are the same in every way.
    lines: HashSet<(Timestamp, String, String, u32)>,
}

impl Sent {
    /// From when on it is to be read again; `None` before anything was sent.
    fn from(&self) -> Option<Timestamp> {
        self.newest.map(|newest| newest - self.late)
    }

    /// There is more than can be looked at twice: goes on from here, and waits for nothing that comes late. Whether that
    /// leads on.
    fn hurry(&mut self, from: Timestamp) -> bool {
        let leads_on = self.from().is_none_or(|before| from > before);
        if leads_on {
            self.newest = Some(from + self.late);
        }
        leads_on
    }

    /// Those of the lines that were not sent yet, in the order of their time.
    fn fresh(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let from = self.from();
        let from = from.max(self.floor);
        let young = |line: &LogLine| from.is_none_or(|from| line.at >= from);
        let mut alike = HashMap::new();
        let mut fresh: Vec<_> = lines
            .into_iter()
            .filter(|line| {
                // Lines of one moment may well be the same, as the braces of a document are.
                let key = (line.at, line.source.clone(), line.text.clone());
                let count = alike.entry(key.clone()).or_insert(0_u32);
                *count += 1;
                young(line) && self.lines.insert((key.0, key.1, key.2, *count))
            })
            .collect();
        fresh.sort_by_key(|line| line.at);
        if self.newest.is_none() {
            self.floor = fresh.first().map(|line| line.at);
        }
        self.newest = self.newest.max(fresh.last().map(|line| line.at));
        if let Some(from) = self.from() {
            self.lines.retain(|(at, ..)| *at >= from);
        }
        fresh
    }
}

/// Whether a line is one of those that are wanted.
fn wanted(query: &LogQuery, line: &LogLine) -> bool {
    let side = query.side.is_none_or(|side| line.side.is_none_or(|of| of == side));
    let instance = query.instance.as_ref().is_none_or(|wanted| {
        let whole = line.side.map(|side| format!("{}/{}", side.word(), line.source));
        line.source == *wanted || whole.as_ref() == Some(wanted)
    });
    side && instance && query.since.is_none_or(|since| line.at >= since)
}

/// Sends what is wanted of each reading, and says when to read again.
pub struct Follower<'a> {
    query: &'a LogQuery,
    lines: mpsc::Sender<LogBatch>,
    every: Duration,
    sent: Sent,
    failures: u32,
    mark: Option<String>,
    first: bool,
    /// How many readings in a row have said that there is more, and have come no further.
    stalled: u32,
}

impl<'a> Follower<'a> {
    /// A follower that reads so often.
    pub fn new(query: &'a LogQuery, lines: mpsc::Sender<LogBatch>, every: Duration) -> Self {
        let sent = Sent { late: LATE, newest: None, floor: None, lines: HashSet::new() };
        Self { query, lines, every, sent, failures: 0, mark: None, first: true, stalled: 0 }
    }

    /// The same where lines may come so late.
    #[must_use]
    pub fn late(mut self, late: SignedDuration) -> Self {
        self.sent.late = late;
        self
    }

    /// From when on it is to be read; `None` for the latest lines.
    pub fn from(&self) -> Option<Timestamp> {
        self.sent.from().or(self.query.since)
    }

    /// Takes a reading. Returns when it is time for the next one; `false` where there is none.
    ///
    /// # Errors
    /// Where the first reading fails; later ones are tried again, and a gap is marked.
    pub async fn take(&mut self, read: Result<Lines, Error>) -> Result<bool, Error> {
        // There is more, and it is waited for, or not.
        let (mut more, mut full) = (false, false);
        match read {
            Ok(Lines { lines: all, until }) => {
                self.failures = 0;
                more = until.is_some();
                let fresh = self.sent.fresh(all).into_iter();
                full = until.is_some_and(|until| self.sent.hurry(until));
                let fresh = fresh.filter(|line| wanted(self.query, line));
                let batch = LogBatch { lines: fresh.collect(), mark: self.mark.take() };
                // The first one says that it could be read, also where there is nothing.
                let tell = self.first || !batch.lines.is_empty();
                if tell && self.lines.send(batch).await.is_err() {
                    return Ok(false);
                }
                self.first = false;
                if full {
                    return Ok(true);
                }
            }
            Err(error) if self.first => return Err(error),
            Err(error) => {
                self.failures += 1;
                self.mark = Some(format!("lines may be missing here: {error}"));
            }
        }
        self.stalled = if more && !full { self.stalled + 1 } else { 0 };
        if !self.query.follow && (!more || self.stalled > STALLED) {
            return Ok(false);
        }
        let pause = match self.failures {
            0 => self.every,
            failures => Backoff::PATIENT.delay(failures, fastrand::f64()).max(self.every),
        };
        tokio::select! {
            () = sleep(pause) => Ok(true),
            () = self.lines.closed() => Ok(false),
        }
    }
}

/// Reads the latest lines again and again, so often.
///
/// # Errors
/// Where the first reading fails; later ones are tried again, and a gap is marked.
pub async fn poll<F: Future<Output = Result<Vec<LogLine>, Error>>>(
    query: &LogQuery,
    lines: mpsc::Sender<LogBatch>,
    every: Duration,
    read: impl Fn() -> F,
) -> Result<(), Error> {
    let mut follower = Follower::new(query, lines, every);
    let whole = |lines| Lines { lines, until: None };
    while follower.take(read().await.map(whole)).await? {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: i64, text: &str) -> LogLine {
        LogLine {
            at: Timestamp::from_second(second).unwrap(),
            source: "web/0".to_owned(),
            revision: None,
            side: None,
            text: text.to_owned(),
            error: false,
        }
    }

    #[test]
    fn every_line_is_sent_once_and_late_ones_are_not_lost() {
        let mut sent = Sent { late: LATE, newest: None, floor: None, lines: HashSet::new() };
        let texts = |lines: Vec<LogLine>| -> Vec<String> {
            lines.into_iter().map(|line| line.text).collect()
        };
        assert_eq!(texts(sent.fresh(vec![line(10, "b"), line(9, "a")])), ["a", "b"]);
        assert_eq!(texts(sent.fresh(vec![line(10, "b"), line(9, "a")])), [""; 0]);
        // One that was written at the same time, and one that came late.
        let more =
            vec![line(10, "b"), line(10, "c"), line(9, "late"), line(8, "before"), line(11, "d")];
        assert_eq!(texts(sent.fresh(more)), ["late", "c", "d"]);
        assert_eq!(sent.from(), Some(Timestamp::from_second(6).unwrap()));
        assert_eq!(texts(sent.fresh(vec![line(5, "much too late")])), [""; 0]);
        // What is the same in every way is as many lines as there are.
        let braces = || vec![line(12, "{"), line(12, "}"), line(12, "}")];
        assert_eq!(texts(sent.fresh(braces())), ["{", "}", "}"]);
        assert_eq!(texts(sent.fresh(braces())), [""; 0]);
        // Nothing leads back.
        assert!(!sent.hurry(Timestamp::from_second(3).unwrap()));
        assert_eq!(sent.from(), Some(Timestamp::from_second(7).unwrap()));
        assert!(sent.hurry(Timestamp::from_second(12).unwrap()));
    }
}
