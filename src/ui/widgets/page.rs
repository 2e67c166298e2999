//! A page in the place of the deck.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::Line,
    widgets::{Clear, Widget},
};

use super::super::{
    text,
    theme::{Role, Theme},
};

/// Clears everything between the header and the line of keys, puts a rule with the title at its top, and returns what is
/// below that.
pub(crate) fn page(theme: &Theme, area: Rect, title: &str, buffer: &mut Buffer) -> Rect {
    let page = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    Clear.render(page, buffer);
    let across = theme.glyphs.across.to_string().repeat(usize::from(page.width));
    buffer.set_string(page.x, page.y, across, theme.style(Role::Rule));
    let title = text::cut(&format!(" {title} "), usize::from(page.width.saturating_sub(2)));
    buffer.set_line(
        page.x + 1,
        page.y,
        &Line::styled(title, theme.style(Role::Title)),
        page.width.saturating_sub(2),
    );
    let inside = Rect {
        x: page.x + 1.min(page.width),
        y: page.y + 1,
        width: page.width.saturating_sub(2),
        height: page.height.saturating_sub(1),
    };
    buffer.set_style(inside, Style::new());
    inside
}
