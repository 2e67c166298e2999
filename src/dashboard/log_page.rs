//! The page of a log: the lines that are kept, which of them are shown, and where the reader stands.

use std::collections::VecDeque;

use crate::domain::{AppKey, LogBatch, LogLine, LogQuery, Problem, SideName, revision_name};

/// From so many columns on old lines may stand beside new ones.
pub const BESIDE: u16 = 120;

/// How many rows are kept.
const KEPT: usize = 10_000;

/// A row of the page.
#[derive(Clone, Debug, PartialEq)]
pub enum LogRow {
    /// A line.
    Line(LogLine),
    /// What the reader should know at this place.
    Mark(String),
}

/// A log that is followed.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// Which request belongs to it.
    pub id: u64,
    /// Whose.
    pub app: AppKey,
    /// The app's name.
    pub name: String,
    /// What is asked of the platform.
    pub query: LogQuery,
    /// What has come, the oldest first.
    pub rows: VecDeque<LogRow>,
    /// Whether anything has come yet, be it nothing.
    pub begun: bool,
    /// How it ended, where it did.
    pub ended: Option<Result<(), Problem>>,
    /// How many rows wait below what is shown, while it is held.
    pub held: Option<usize>,
    /// How many rows of those that are shown lie below the last one on screen.
    pub below: usize,
    /// The side that is shown; both where it is none.
    pub side: Option<SideName>,
    /// Whether only lines that tell of errors are shown.
    pub errors: bool,
    /// Whether long lines go on in the next row.
    pub wraps: bool,
    /// Whether old lines stand beside new ones, where there is room.
    pub beside: bool,
    /// Whether times are local ones.
    pub local: bool,
    /// What is looked for.
    pub search: String,
    /// Whether that is being typed.
    pub typing: bool,
}

impl LogPage {
    /// A page that has nothing yet.
    pub fn new(id: u64, app: AppKey, name: String, query: LogQuery) -> Self {
        Self {
            id,
            app,
            name,
            query,
            rows: VecDeque::new(),
            begun: false,
            ended: None,
            held: None,
            below: 0,
            side: None,
            errors: false,
            wraps: true,
            beside: false,
            local: false,
            search: String::new(),
            typing: false,
        }
    }

    /// What is shown, as lines of a file: in UTC, with the date.
    pub(super) fn text(&self) -> String {
        let line = |row: &LogRow| match row {
            LogRow::Mark(mark) => format!("-- {mark}\n"),
            LogRow::Line(line) => {
                let side = line.side.map_or("", SideName::word);
                let revision = line.revision.as_deref().map(|of| format!(" {}", revision_name(of)));
                let (at, revision) = (line.at, revision.unwrap_or_default());
                format!("{at:.3} {side:<3}{revision} {} {}\n", line.source, line.text)
            }
        };
        self.shown().map(line).collect()
    }

    fn shows(&self, row: &LogRow) -> bool {
        match row {
            LogRow::Mark(_) => true,
            LogRow::Line(line) => {
                // What is the platform's own belongs to both.
                let side = self.side.is_none_or(|side| line.side.is_none_or(|of| of == side));
                side && (!self.errors || line.error)
            }
        }
    }

    /// The rows that are shown, the oldest first.
    pub fn shown(&self) -> impl DoubleEndedIterator<Item = &LogRow> {
        self.rows.iter().filter(|row| self.shows(row))
    }

    /// Takes what has come.
    pub(super) fn take(&mut self, batch: LogBatch) {
        self.begun = true;
        let rows = batch.mark.into_iter().map(LogRow::Mark);
        let mut came = 0;
        for row in rows.chain(batch.lines.into_iter().map(LogRow::Line)) {
            came += usize::from(self.shows(&row));
            // The streams of several instances come as they like: a line stands where its time puts it.
            let at = match &row {
                LogRow::Line(line) => self.place_of(line),
                LogRow::Mark(_) => self.rows.len(),
            };
            self.rows.insert(at, row);
        }
        let surplus = self.rows.len().saturating_sub(KEPT);
        self.rows.drain(..surplus);
        if let Some(waiting) = &mut self.held {
            *waiting += came;
        }
        // What is read does not move away.
        if self.held.is_some() || self.below > 0 {
            self.below += came;
        }
        self.below = self.below.min(self.shown().count().saturating_sub(1));
    }

    fn place_of(&self, new: &LogLine) -> usize {
        let later = |row: &&LogRow| matches!(row, LogRow::Line(line) if line.at > new.at);
        self.rows.len() - self.rows.iter().rev().take_while(later).count()
    }

    /// Holds what is shown, or goes on with what comes.
    pub(super) fn hold(&mut self) {
        match self.held {
            Some(_) => (self.held, self.below) = (None, 0),
            None => self.held = Some(self.below),
        }
    }

    /// Goes to so many rows above the newest one.
    pub(super) fn go(&mut self, below: usize) {
        self.below = below.min(self.shown().count().saturating_sub(1));
        if self.below == 0 && self.held.is_some() {
            self.held = Some(0);
        }
    }

    /// Whether a row has what is looked for.
    pub fn matches(&self, row: &LogRow) -> bool {
        let LogRow::Line(line) = row else { return false };
        let wanted = self.search.to_lowercase();
        !wanted.is_empty()
            && (line.text.to_lowercase().contains(&wanted)
                || line.source.to_lowercase().contains(&wanted))
    }

    /// Goes to the next row that has what is looked for: upwards, or downwards.
    pub(super) fn find(&mut self, up: bool) -> bool {
        let here = self.below;
        let mut found: Vec<_> = self
            .shown()
            .rev()
            .enumerate()
            .filter(|(_, row)| self.matches(row))
            .map(|(below, _)| below)
            .collect();
        let next = if up {
            found.into_iter().find(|below| *below > here)
        } else {
            found.retain(|below| *below < here);
            found.pop()
        };
        if let Some(next) = next {
            self.below = next;
        }
        next.is_some()
    }

    /// Shows one side, or both; the place is kept as far as that is possible.
    pub(super) fn show(&mut self, side: Option<SideName>) {
        self.side = side;
        self.go(self.below);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::TargetId;

    fn page() -> LogPage {
        let app = AppKey::new(TargetId::new("cf"), crate::domain::AppId::new("a"));
        LogPage::new(1, app, "checkout".to_owned(), LogQuery::default())
    }

    fn line(second: i64, side: SideName, text: &str) -> LogLine {
        LogLine {
            at: Timestamp::from_second(second).unwrap(),
            source: "web/0".to_owned(),
            revision: None,
            side: Some(side),
            text: text.to_owned(),
            error: text.starts_with("error"),
        }
    }

    fn batch(lines: Vec<LogLine>) -> LogBatch {
        LogBatch { lines, mark: None }
    }

    fn texts(page: &LogPage) -> Vec<&str> {
        let mut texts = Vec::new();
        for row in page.shown() {
            texts.push(match row {
                LogRow::Line(line) => line.text.as_str(),
                LogRow::Mark(mark) => mark.as_str(),
            });
        }
        texts
    }

    #[test]
    fn streams_are_woven_by_time_and_sides_and_errors_are_picked() {
        let mut page = page();
        page.take(batch(vec![line(1, SideName::Old, "a"), line(3, SideName::Old, "c")]));
        page.take(batch(vec![line(2, SideName::New, "error b"), line(4, SideName::New, "d")]));
        assert_eq!(texts(&page), ["a", "error b", "c", "d"]);
        page.show(Some(SideName::New));
        assert_eq!(texts(&page), ["error b", "d"]);
        page.errors = true;
        assert_eq!(texts(&page), ["error b"]);
    }

    #[test]
    fn what_is_held_does_not_move_and_what_waits_is_counted() {
        let mut page = page();
        page.take(batch((0..5).map(|at| line(at, SideName::Old, "old")).collect()));
        page.hold();
        page.take(batch((5..8).map(|at| line(at, SideName::Old, "new")).collect()));
        assert_eq!((page.held, page.below), (Some(3), 3));
        page.hold();
        assert_eq!((page.held, page.below), (None, 0));
    }

    #[test]
    fn a_search_goes_up_and_down() {
        let mut page = page();
        let text = |at: i64| if at % 4 == 0 { "needle" } else { "hay" };
        page.take(batch((0..10).map(|at| line(at, SideName::Old, text(at))).collect()));
        page.search = "NEED".to_owned();
        assert!(page.find(true));
        assert_eq!(page.below, 1, "line 8");
        assert!(page.find(true));
        assert_eq!(page.below, 5, "line 4");
        assert!(page.find(false));
        assert_eq!(page.below, 1);
        assert!(!page.find(false));
    }

    #[test]
    fn what_is_saved_is_what_is_shown_with_its_date() {
        let mut page = page();
        page.take(LogBatch {
            lines: vec![line(0, SideName::Old, "hello"), line(1, SideName::New, "error: no")],
            mark: Some("it began".to_owned()),
        });
        let whole = "-- it began\n1970-01-01T00:00:00.000Z old web/0 hello\n1970-01-01T00:00:01.000Z new web/0 error: no\n";
        assert_eq!(page.text(), whole);
        page.errors = true;
        assert_eq!(page.text().lines().count(), 2);
    }

    #[test]
    fn no_more_than_so_many_rows_are_kept() {
        let mut page = page();
        page.take(batch((0..12_000).map(|at| line(at, SideName::Old, "x")).collect()));
        assert_eq!(page.rows.len(), KEPT);
    }
}
