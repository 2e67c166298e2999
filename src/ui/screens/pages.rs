//! Pages over the deck: events and differences.

use ratatui::{buffer::Buffer, layout::Rect, style::Style, text::Line};
use unicode_width::UnicodeWidthStr;

use super::super::{
    text::{age, fit, piece, put},
    theme::{Role, Theme},
    widgets::page as sheet,
};
use super::difference;
use crate::{
    dashboard::{
        Command, State,
        dialog::{DiffDialog, Page},
        plan_view::wrap,
    },
    domain::{AppEvent, Problem, revision_name},
};

/// Says that rows are not there yet, or why they will not be.
fn missing<T>(rows: Option<&Result<T, Problem>>, theme: &Theme, inside: Rect, buffer: &mut Buffer) {
    match rows {
        None => put(buffer, inside, 0, &Line::styled("reading …", theme.style(Role::Dim))),
        Some(Err(problem)) => {
            for (row, line) in wrap(&problem.text, usize::from(inside.width)).iter().enumerate() {
                put(
                    buffer,
                    inside,
                    row as u16,
                    &Line::styled(line.clone(), theme.style(Role::Bad)),
                );
            }
        }
        Some(Ok(_)) => {}
    }
}

pub(crate) fn events(
    state: &State,
    page: &Page<AppEvent>,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let inside = sheet(theme, area, &format!("EVENTS of {}, newest first", page.name), buffer);
    let Some(Ok(rows)) = &page.rows else {
        missing(page.rows.as_ref(), theme, inside, buffer);
        return;
    };
    if rows.is_empty() {
        put(buffer, inside, 0, &Line::styled("nothing is on record", theme.style(Role::Dim)));
    }
    let width = usize::from(inside.width);
    let who = if width >= 100 { 24 } else { 12 };
    let mut lines = Vec::new();
    for one in rows.iter().skip(page.scroll.min(rows.len().saturating_sub(1))) {
        if lines.len() >= usize::from(inside.height) {
            break;
        }
        let role = if one.bad { Role::Bad } else { Role::Text };
        let name = if width >= 100 { &one.who } else { one.who.split('@').next().unwrap_or("") };
        let lead = format!("{} {} ", fit(&age(Some(one.at), state.now, true), 5), fit(name, who));
        lines.extend(hanging(lead, &one.what, width, (theme.style(Role::Dim), theme.style(role))));
    }
    for (row, line) in lines.iter().enumerate() {
        put(buffer, inside, row as u16, line);
    }
}

/// A text of several lines beside what leads it.
pub(super) fn hanging(
    lead: String,
    text: &str,
    width: usize,
    (dim, style): (Style, Style),
) -> Vec<Line<'static>> {
    let indent = lead.width();
    let mut first = Some(lead);
    let part = |part: String| {
        let lead = first.take().unwrap_or_else(|| " ".repeat(indent));
        Line::from(vec![piece(lead, dim), piece(part, style)])
    };
    wrap(text, width.saturating_sub(indent).max(8)).into_iter().map(part).collect()
}

pub(crate) fn diff(
    state: &State,
    dialog: &DiffDialog,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let (from, to) = (revision_name(&dialog.labels.0), revision_name(&dialog.labels.1));
    let reveal = state.keymap.hint(Command::Reveal);
    let title = format!("WHAT DIFFERS from {from} to {to}   ({reveal} shows values)");
    let inside = sheet(theme, area, &title, buffer);
    let Some(Ok(found)) = &dialog.found else {
        missing(dialog.found.as_ref(), theme, inside, buffer);
        return;
    };
    let lines = difference::lines(found, dialog.reveal, theme, usize::from(inside.width));
    let most = lines.len().saturating_sub(usize::from(inside.height));
    for (row, line) in
        lines.iter().skip(dialog.scroll.min(most)).take(usize::from(inside.height)).enumerate()
    {
        put(buffer, inside, row as u16, line);
    }
}
