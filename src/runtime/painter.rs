//! Painting: only cells that changed, in one write, on a thread of its own so that a slow terminal never holds the
//! loop up.

use std::{
    io::{self, Write},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use crossterm::{queue, terminal};
use ratatui::{
    buffer::Buffer,
    layout::{Layout, Rect},
};
use tokio::sync::Notify;
use unicode_width::UnicodeWidthStr;

use super::{
    notify,
    pen::{self, Pen},
    terminal::{MOUSE, NO_MOUSE},
};

/// The largest terminal that is drawn, in cells, so that a mad size cannot take all memory.
const LARGEST: u32 = 400_000;

pub(super) struct Painter {
    shown: Buffer,
    next: Buffer,
    /// Nothing is known of what the terminal shows.
    blank: bool,
    pen: Pen,
    writer: mpsc::Sender<Vec<u8>>,
    busy: Arc<AtomicBool>,
    done: Arc<Notify>,
    /// What the terminal is called.
    title: String,
    /// Whether the mouse is taken; `None` where that is not known.
    mouse: Option<bool>,
    extra: Vec<u8>,
}

/// The indices of the cells that differ. Where a wide character goes, the column that it covered is written too, even
/// if it is blank in both: terminals differ in what they leave there.
pub(super) fn changes(before: &Buffer, after: &Buffer) -> Vec<usize> {
    let mut changes = Vec::new();
    let (mut covered, mut disturbed) = (0, 0);
    for (at, (old, new)) in before.content.iter().zip(&after.content).enumerate() {
        if covered == 0 && (!pen::alike(old, new) || disturbed > 0) {
            changes.push(at);
        }
        let (old_width, new_width) = (old.symbol().width(), new.symbol().width());
        covered = new_width.max(covered).saturating_sub(1);
        let touched = if old == new { disturbed } else { old_width.max(new_width).max(disturbed) };
        disturbed = touched.saturating_sub(1);
    }
    changes
}

/// A frame of at most so many bytes comes in one piece by itself; a larger one is announced, so that no half of it is
/// shown.
const ONE_PIECE: usize = 400;

fn area(size: (u16, u16)) -> Rect {
    let rows = (LARGEST / u32::from(size.0.max(1))).min(u32::from(size.1)) as u16;
    Rect::new(0, 0, size.0, rows)
}

/// Of so many screens the division is remembered: the deck is divided in two ways, and the usual room, for 500, takes half a
/// megabyte.
const LAYOUTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

impl Painter {
    pub(super) fn new(size: (u16, u16)) -> Self {
        Layout::init_cache(LAYOUTS);
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
            pen: Pen::new(),
            writer,
            busy,
            done,
            title: String::new(),
            mouse: Some(false),
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
        // It may have been given back.
        self.mouse = None;
    }

    /// Writes this with the next frame: what is for the terminal and not for the screen.
    pub(super) fn extra(&mut self, bytes: &[u8]) {
        self.extra.extend_from_slice(bytes);
    }

    /// Takes the mouse with the next frame, or leaves it to the terminal: buttons and wheel, not where it moves.
    pub(super) fn capture_mouse(&mut self, wanted: bool) {
        if self.mouse != Some(wanted) {
            self.mouse = Some(wanted);
            self.extra.extend_from_slice(if wanted { MOUSE } else { NO_MOUSE });
        }
    }

    /// Names the terminal with the next frame, where that differs from before.
    pub(super) fn name(&mut self, title: &str) {
        if self.title != title {
            title.clone_into(&mut self.title);
            self.extra.extend(notify::title(title));
        }
    }

    /// Draws a frame and sends what differs from the last one; nothing at all where nothing does. How many bytes that
    /// took.
    pub(super) fn paint(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> usize {
        self.next.reset();
        draw(self.next.area, &mut self.next);
        let mut bytes = std::mem::take(&mut self.extra);
        if self.blank {
            bytes.extend_from_slice(self.pen.reset());
            // Writing to memory cannot fail.
            let _ = queue!(bytes, terminal::Clear(terminal::ClearType::All));
        }
        self.pen.write(&mut bytes, &changes(&self.shown, &self.next), &self.next);
        if bytes.len() > ONE_PIECE {
            let frame = std::mem::take(&mut bytes);
            let _ = queue!(bytes, terminal::BeginSynchronizedUpdate);
            bytes.extend(frame);
            let _ = queue!(bytes, terminal::EndSynchronizedUpdate);
        }
        self.blank = false;
        std::mem::swap(&mut self.shown, &mut self.next);
        let count = bytes.len();
        if count > 0 {
            self.busy.store(true, Ordering::Release);
            // The thread ends with the program.
            let _ = self.writer.send(bytes);
        }
        count
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
    fn what_a_wide_character_covered_is_written() {
        let area = Rect::new(0, 0, 6, 1);
        let with = |text: &str| {
            let mut buffer = Buffer::empty(area);
            buffer.set_string(0, 0, text, Style::new());
            buffer
        };
        let columns = |before: &str, after: &str| {
            let (before, after) = (with(before), with(after));
            changes(&before, &after)
        };
        assert_eq!(columns("在庫", "| 庫"), [0, 1]);
        assert_eq!(columns("ab", "在"), [0]);
        assert_eq!(columns("在庫", "在庫"), Vec::<usize>::new());
        assert_eq!(columns("在庫", ""), [0, 1, 2, 3]);
    }
}
