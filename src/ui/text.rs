//! Text in columns: cut and padded by what a terminal shows, not by bytes.

use jiff::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::domain::text::{brief, span};

/// At most this many columns; what is cut ends in `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let own = letter.width().unwrap_or(0);
        if used + own + 1 > width {
            break;
        }
        used += own;
        kept.push(letter);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// Exactly this many columns; what is too long loses its middle, since names differ at both ends.
pub(super) fn fit_middle(text: &str, width: usize) -> String {
    if text.width() <= width || width < 5 {
        return fit(text, width);
    }
    let tail_width = (width - 1) / 2;
    let mut tail = Vec::new();
    let mut used = 0;
    for letter in text.chars().rev() {
        let own = letter.width().unwrap_or(0);
        if used + own > tail_width {
            break;
        }
        used += own;
        tail.push(letter);
    }
    let tail: String = tail.into_iter().rev().collect();
    let head = cut(text, width - used);
    fit(&format!("{head}{tail}"), width)
}

/// Exactly this many columns.
pub(super) fn fit(text: &str, width: usize) -> String {
    let kept = cut(text, width);
    let gap = width.saturating_sub(kept.width());
    format!("{kept}{}", " ".repeat(gap))
}

/// Exactly this many columns, to the right.
pub(super) fn right(text: &str, width: usize) -> String {
    let kept = cut(text, width);
    let gap = width.saturating_sub(kept.width());
    format!("{}{kept}", " ".repeat(gap))
}

/// How long ago; `<1m` below a minute unless `fine`, so that what stands still does not change on screen.
pub(super) fn age(at: Option<Timestamp>, now: Timestamp, fine: bool) -> String {
    let Some(at) = at else { return "?".to_owned() };
    let passed = now.duration_since(at);
    if !fine && passed.as_secs() < 60 { "<1m".to_owned() } else { span(passed) }
}

/// How long ago in few steps, so that a list of what is well need not be written anew every minute: `<5m`, `<1h`, `3h`.
pub(super) fn within(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return "?".to_owned() };
    let passed = now.duration_since(at);
    match passed.as_secs() {
        ..60 => "<1m".to_owned(),
        60..300 => "<5m".to_owned(),
        300..900 => "<15m".to_owned(),
        900..3_600 => "<1h".to_owned(),
        _ => brief(passed),
    }
}

/// Puts a line into one row of an area.
pub(super) fn put(buffer: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    if row < area.height {
        buffer.set_line(area.x, area.y + row, line, area.width);
    }
}

/// A piece of text in a style.
pub(super) fn piece<'a>(text: impl Into<String>, style: Style) -> Span<'a> {
    Span::styled(text.into(), style)
}
