//! A panel of the deck: a rule above it and one on its left.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::ui::theme::{Role, Theme};

/// Draws the rules of a panel, and returns what is inside of them.
pub(crate) fn panel(theme: &Theme, area: Rect, buffer: &mut Buffer) -> Rect {
    let rule = theme.style(Role::Rule);
    let across = theme.glyphs.across.to_string().repeat(usize::from(area.width));
    buffer.set_string(area.x, area.y, across, rule);
    for row in 1..area.height {
        buffer.set_string(area.x, area.y + row, theme.glyphs.beside.to_string(), rule);
    }
    Rect {
        x: area.x + 2,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(1),
    }
}
