//! The key table, and the palette over it.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::super::{
    text::{cut, fit, piece, put},
    theme::{Role, Theme},
    widgets::{page, popup},
};
use crate::dashboard::{State, guard, keymap::COMMANDS, plan_view::wrap, update::dialogs::found};

pub(crate) fn draw(state: &State, scroll: usize, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    // What a command is called in the key table is of use only to who changes that.
    let wide = area.width >= 100;
    let room = usize::from(area.width.saturating_sub(2).min(120));
    let mut rows = Vec::new();
    let tables = [("deck", "on the deck"), ("plan", "in a plan"), ("logs", "in a log")];
    for (table, title) in tables {
        rows.push(Line::styled(title, theme.style(Role::Title)));
        for (command, _, name, text) in COMMANDS.iter().filter(|one| one.1 == table) {
            let keys: Vec<_> =
                state.keymap.keys(*command).iter().map(ToString::to_string).collect();
            let reason = if table == "deck" { guard::can(state, *command).err() } else { None };
            let role = if reason.is_some() { Role::Dim } else { Role::Key };
            let text = match reason {
                Some(reason) => format!("{text} (not now: {reason})"),
                None => (*text).to_owned(),
            };
            let text_role = if role == Role::Dim { Role::Dim } else { Role::Text };
            let mut lead = Line::from(piece(fit(&keys.join(" "), 15), theme.style(role)));
            if wide {
                lead.push_span(piece(fit(name, 21), theme.style(Role::Dim)));
            }
            let indent = lead.width();
            for part in wrap(&text, room.saturating_sub(indent).max(8)) {
                lead.push_span(piece(part, theme.style(text_role)));
                let next = Line::from(" ".repeat(indent));
                rows.push(std::mem::replace(&mut lead, next));
            }
        }
        rows.push(Line::default());
    }
    let glyphs = &theme.glyphs;
    rows.push(Line::from(format!(
        "{} running  {} starting  {} crashed  {} down  {} not ready",
        glyphs.running, glyphs.starting, glyphs.crashed, glyphs.down, glyphs.half
    )));
    let title = "KEYS   (Esc closes, keybindings.toml changes them)";
    let inside = page(theme, area, title, buffer);
    let most = rows.len().saturating_sub(usize::from(inside.height));
    for (row, line) in
        rows.iter().skip(scroll.min(most)).take(usize::from(inside.height)).enumerate()
    {
        put(buffer, inside, row as u16, line);
    }
}

pub(crate) fn palette(
    state: &State,
    text: &str,
    at: usize,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let rows = found(text);
    let height = (rows.len() as u16 + 3).clamp(4, area.height.saturating_sub(4));
    let inside = popup(
        theme,
        area,
        (area.width.saturating_sub(8).min(90), height),
        "COMMANDS",
        Role::Title,
        buffer,
    );
    put(buffer, inside, 0, &Line::styled(format!(": {text}▏"), theme.style(Role::Key)));
    let room = usize::from(inside.height.saturating_sub(1));
    let first = if at < room { 0 } else { at + 1 - room };
    for (row, (command, name, what)) in rows.iter().skip(first).take(room).enumerate() {
        let selected = first + row == at;
        let reason = guard::can(state, *command).err();
        let mark = if selected { theme.glyphs.select } else { ' ' };
        let role = if reason.is_some() { Role::Dim } else { Role::Text };
        let what = reason.map_or_else(|| (*what).to_owned(), |reason| format!("not now: {reason}"));
        let line = Line::from(vec![
            piece(mark.to_string(), theme.style(Role::Key)),
            piece(fit(&state.keymap.hint(*command), 8), theme.style(Role::Key)),
            piece(fit(name, 21), theme.style(role)),
            piece(cut(&what, usize::from(inside.width).saturating_sub(30)), theme.style(role)),
        ]);
        put(buffer, inside, row as u16 + 1, &line);
    }
}
