//! A frame over the deck.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::Line,
    widgets::{Clear, Widget},
};

use unicode_width::UnicodeWidthStr;

use super::super::{
    text,
    theme::{Role, Theme},
};

/// Clears a frame of this size in the middle of the area, and returns what is inside of it.
pub(crate) fn popup(
    theme: &Theme,
    area: Rect,
    size: (u16, u16),
    title: &str,
    role: Role,
    buffer: &mut Buffer,
) -> Rect {
    let (width, height) = (size.0.min(area.width), size.1.min(area.height));
    let frame = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(frame, buffer);
    // A wide letter just left of the frame would reach into it.
    if let Some(left) = frame.x.checked_sub(1) {
        for row in frame.y..frame.bottom() {
            let cell = &mut buffer[(left, row)];
            if cell.symbol().width() > 1 {
                cell.set_symbol(" ");
            }
        }
    }
    let glyphs = &theme.glyphs;
    let rule = theme.style(Role::Rule);
    let inner = usize::from(width.saturating_sub(2));
    let line = |left: char, right: char| {
        format!("{left}{}{right}", glyphs.across.to_string().repeat(inner))
    };
    let [tl, tr, bl, br] = glyphs.corners;
    buffer.set_string(frame.x, frame.y, line(tl, tr), rule);
    for row in 1..height.saturating_sub(1) {
        let beside = glyphs.beside.to_string();
        buffer.set_string(frame.x, frame.y + row, &beside, rule);
        buffer.set_string(frame.x + width - 1, frame.y + row, &beside, rule);
    }
    if height > 1 {
        buffer.set_string(frame.x, frame.y + height - 1, line(bl, br), rule);
    }
    let title = text::cut(&format!(" {title} "), inner.saturating_sub(2));
    let title = Line::styled(title, theme.style(role));
    buffer.set_line(frame.x + 1, frame.y, &title, width.saturating_sub(2));
    let inside = Rect {
        x: frame.x + 2.min(width),
        y: frame.y + 1,
        width: width.saturating_sub(4),
        height: height.saturating_sub(2),
    };
    buffer.set_style(inside, Style::new());
    inside
}
