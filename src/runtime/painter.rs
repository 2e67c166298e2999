//! Painting: only cells that changed, in one write, on a thread of its own so that a slow terminal never holds the
//! loop up.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use crossterm::{clipboard::CopyToClipboard, queue, terminal};
use ratatui::{
    backend::{Backend, CrosstermBackend},
    buffer::{Buffer, Cell},
    layout::Rect,
};
use tokio::sync::Notify;
use unicode_width::UnicodeWidthStr;

/// The largest terminal that is drawn, in cells, so that a mad size cannot take all memory.
const LARGEST: u32 = 400_000;

pub(super) struct Painter {
    shown: Buffer,
    next: Buffer,
    /// Nothing is known of what the terminal shows.
    blank: bool,
    writer: mpsc::Sender<Vec<u8>>,
    busy: Arc<AtomicBool>,
    done: Arc<Notify>,
    extra: Vec<u8>,
}

/// The cells that differ. Where a wide character goes, the column that it covered is written too, even if it is blank
/// in both: terminals differ in what they leave there.
fn changes<'a>(before: &Buffer, after: &'a Buffer) -> Vec<(u16, u16, &'a Cell)> {
    let mut changes = Vec::new();
    let (mut covered, mut disturbed) = (0, 0);
    for (at, (old, new)) in before.content.iter().zip(&after.content).enumerate() {
        if covered == 0 && (old != new || disturbed > 0) {
            let (column, row) = after.pos_of(at);
            changes.push((column, row, new));
        }
        let (old_width, new_width) = (old.symbol().width(), new.symbol().width());
        covered = new_width.max(covered).saturating_sub(1);
        let touched = if old == new { disturbed } else { old_width.max(new_width).max(disturbed) };
        disturbed = touched.saturating_sub(1);
    }
    changes
}

/// Cells of one style one after the other: a colour takes more bytes than a move, and the frame is shown at once.
fn by_style(changes: &mut [(u16, u16, &Cell)]) {
    let mut styles = Vec::new();
    let mut rank = |cell: &Cell| {
        let style = cell.style();
        styles.iter().position(|known| *known == style).unwrap_or_else(|| {
            styles.push(style);
            styles.len() - 1
        })
    };
    let ranks: Vec<_> = changes.iter().map(|(_, _, cell)| rank(cell)).collect();
    let mut order: Vec<_> = (0..changes.len()).collect();
    order.sort_by_key(|at| ranks[*at]);
    let sorted: Vec<_> = order.into_iter().map(|at| changes[at]).collect();
    changes.copy_from_slice(&sorted);
}

/// The end of what the backend writes: four resets, of which the last one does what all of them do.
const RESETS: &[u8] = b"\x1b[39m\x1b[49m\x1b[59m\x1b[0m";
const RESET: &[u8] = b"\x1b[0m";

fn area(size: (u16, u16)) -> Rect {
    let rows = (LARGEST / u32::from(size.0.max(1))).min(u32::from(size.1)) as u16;
    Rect::new(0, 0, size.0, rows)
}

impl Painter {
    pub(super) fn new(size: (u16, u16)) -> Self {
        let (writer, frames) = mpsc::channel::<Vec<u8>>();
        let (busy, done) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let (is_busy, is_done) = (busy.clone(), done.clone());
        std::thread::spawn(move || {
            while let Ok(frame) = frames.recv() {
                let mut out = io::stdout().lock();
                // A terminal that is gone is noticed elsewhere.
                let _ = out.write_all(&frame).and_then(|()| out.flush());
                is_busy.store(false, Ordering::Release);
                is_done.notify_one();
            }
        });
        Self {
            shown: Buffer::empty(area(size)),
            next: Buffer::empty(area(size)),
            blank: true,
            writer,
            busy,
            done,
            extra: Vec::new(),
        }
    }

    /// Whether a frame is still being written.
    pub(super) fn busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// Waits until the last frame has been written.
    pub(super) async fn idle(&self) {
        while self.busy() {
            self.done.notified().await;
        }
    }

    /// The terminal has another size, or shows something else: everything is painted anew.
    pub(super) fn resize(&mut self, size: (u16, u16)) {
        self.shown = Buffer::empty(area(size));
        self.next = Buffer::empty(area(size));
        self.blank = true;
    }

    /// Puts text on the operator's clipboard with the next frame.
    pub(super) fn copy(&mut self, text: &str) {
        // Writing to memory cannot fail.
        let _ = queue!(self.extra, CopyToClipboard::to_clipboard_from(text));
    }

    /// Draws a frame and sends what differs from the last one; nothing at all where nothing does. Whether it did.
    pub(super) fn paint(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> bool {
        self.next.reset();
        draw(self.next.area, &mut self.next);
        let mut bytes = std::mem::take(&mut self.extra);
        let mut updates = changes(&self.shown, &self.next);
        by_style(&mut updates);
        if !updates.is_empty() || self.blank {
            // Writing to memory cannot fail.
            let _ = queue!(bytes, terminal::BeginSynchronizedUpdate);
            if self.blank {
                let _ = queue!(bytes, terminal::Clear(terminal::ClearType::All));
            }
            let _ = CrosstermBackend::new(&mut bytes).draw(updates.into_iter());
            if bytes.ends_with(RESETS) {
                bytes.truncate(bytes.len() - RESETS.len());
                bytes.extend_from_slice(RESET);
            }
            let _ = queue!(bytes, terminal::EndSynchronizedUpdate);
        }
        self.blank = false;
        std::mem::swap(&mut self.shown, &mut self.next);
        if bytes.is_empty() {
            return false;
        }
        self.busy.store(true, Ordering::Release);
        // The thread ends with the program.
        let _ = self.writer.send(bytes);
        true
    }

    /// Lets the last frame out before the terminal is given back, unless the terminal does not take it.
    pub(super) async fn finish(&self) {
        let _ = tokio::time::timeout(Duration::from_millis(300), self.idle()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    #[test]
    fn a_style_is_set_once_a_frame() {
        let area = Rect::new(0, 0, 6, 2);
        let (red, blue) = (Style::new().red(), Style::new().blue());
        let mut buffer = Buffer::empty(area);
        for row in 0..2 {
            buffer.set_string(0, row, "ab", red);
            buffer.set_string(3, row, "cd", blue);
        }
        let before = Buffer::empty(area);
        let mut found = changes(&before, &buffer);
        by_style(&mut found);
        let places: Vec<_> = found.iter().map(|(column, row, _)| (*column, *row)).collect();
        assert_eq!(places, [(0, 0), (1, 0), (0, 1), (1, 1), (3, 0), (4, 0), (3, 1), (4, 1)]);
    }

    #[test]
    fn what_a_wide_character_covered_is_written() {
        let area = Rect::new(0, 0, 6, 1);
        let with = |text: &str| {
            let mut buffer = Buffer::empty(area);
            buffer.set_string(0, 0, text, Style::new());
            buffer
        };
        let columns = |before: &str, after: &str| {
            let (before, after) = (with(before), with(after));
            changes(&before, &after).iter().map(|(column, ..)| *column).collect::<Vec<_>>()
        };
        assert_eq!(columns("在庫", "| 庫"), [0, 1]);
        assert_eq!(columns("ab", "在"), [0]);
        assert_eq!(columns("在庫", "在庫"), Vec::<u16>::new());
        assert_eq!(columns("在庫", ""), [0, 1, 2, 3]);
    }
}
