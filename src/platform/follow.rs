//! Following a log by reading it again and again: every line once, in the order of its time.

use std::{collections::HashSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::mpsc, time::sleep};

use super::{Error, http::Backoff};
use crate::domain::{LogBatch, LogLine, LogQuery};

/// How often it is read: the rhythm of `cf logs`.
pub const EVERY: Duration = Duration::from_secs(2);
/// For how long a line may come late: what is younger is looked at again, and known lines are passed over.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// Which lines were sent already.
#[derive(Debug, Default)]
struct Sent {
    newest: Option<Timestamp>,
    /// The oldest line of the first reading: what is older was left out, and is not late.
    floor: Option<Timestamp>,
    lines: HashSet<(Timestamp, String, String)>,
}

impl Sent {
    /// From when on it is to be read again; `None` before anything was sent.
    fn from(&self) -> Option<Timestamp> {
        self.newest.map(|newest| newest - LATE)
    }

    /// There is more than can be looked at twice: goes on from here, and waits for nothing that comes late.
    fn hurry(&mut self, from: Timestamp) {
        self.newest = Some(from + LATE);
    }

    /// Those of the lines that were not sent yet, in the order of their time.
    fn fresh(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let from = self.from();
        let from = from.max(self.floor);
        let young = |line: &LogLine| from.is_none_or(|from| line.at >= from);
        let mut fresh: Vec<_> = lines
            .into_iter()
            .filter(|line| {
                let key = (line.at, line.source.clone(), line.text.clone());
                young(line) && self.lines.insert(key)
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
}

impl<'a> Follower<'a> {
    /// A follower that reads so often.
    pub fn new(query: &'a LogQuery, lines: mpsc::Sender<LogBatch>, every: Duration) -> Self {
        let sent = Sent::default();
        Self { query, lines, every, sent, failures: 0, mark: None, first: true }
    }

    /// From when on it is to be read; `None` for the latest lines.
    pub fn from(&self) -> Option<Timestamp> {
        self.sent.from().or(self.query.since)
    }

    /// Takes a reading, with whether there is more from where it ends. Returns when it is time for the next one; `false`
    /// where there is none.
    ///
    /// # Errors
    /// Where the first reading fails; later ones are tried again, and a gap is marked.
    pub async fn take(&mut self, read: Result<(Vec<LogLine>, bool), Error>) -> Result<bool, Error> {
        match read {
            Ok((all, more)) => {
                self.failures = 0;
                let full = more && self.from().is_some();
                let newest = all.last().map(|line| line.at);
                let fresh = self.sent.fresh(all).into_iter();
                if let (true, Some(newest)) = (full, newest) {
                    self.sent.hurry(newest);
                }
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
        if !self.query.follow {
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
    while follower.take(read().await.map(|all| (all, false))).await? {}
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
        let mut sent = Sent::default();
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
    }
}
