//! One file a panel.

pub(super) mod apps;
pub(super) mod deploy;
mod difference;
pub(super) mod events;
pub(super) mod header;
pub(super) mod help;
pub(super) mod instances;
pub(super) mod keys;
pub(super) mod logs;
pub(super) mod pages;
pub(super) mod plan;
pub(super) mod revisions;
pub(super) mod rollout;
mod sides;
pub(super) mod targets;

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::{
    text::{cut, put},
    theme::{Role, Theme},
};
use crate::dashboard::State;

/// A terminal too small for the deck still says what matters.
pub(super) fn tiny(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let mut lines = vec!["revdeck: make the".to_owned(), "window larger".to_owned()];
    if let Some(app) = state.app() {
        lines.push(format!("{} {}", app.name, app.condition()));
    }
    lines.push(format!("{} quits", state.keymap.hint(crate::dashboard::Command::Quit)));
    for (row, line) in lines.iter().enumerate() {
        put(buffer, area, row as u16, &Line::styled(cut(line, width), theme.style(Role::Text)));
    }
}
