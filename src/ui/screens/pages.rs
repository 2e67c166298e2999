//! Pages over the deck: events, log lines, differences.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::super::{
    text::{age, cut, fit, piece, put},
    theme::{Role, Theme},
    widgets::popup,
};
use crate::{
    dashboard::{
        Command, State,
        dialog::{DiffDialog, Page},
        plan_view::wrap,
    },
    domain::{Happening, LogLine, Trouble},
};

fn frame(theme: &Theme, area: Rect, title: &str, buffer: &mut Buffer) -> Rect {
    popup(
        theme,
        area,
        (area.width.saturating_sub(2), area.height.saturating_sub(2)),
        title,
        Role::Title,
        buffer,
    )
}

/// Says that rows are not there yet, or why they will not be.
fn missing<T>(rows: Option<&Result<T, Trouble>>, theme: &Theme, inside: Rect, buffer: &mut Buffer) {
    match rows {
        None => put(buffer, inside, 0, &Line::styled("reading …", theme.style(Role::Dim))),
        Some(Err(trouble)) => {
            for (row, line) in wrap(&trouble.text, usize::from(inside.width)).iter().enumerate() {
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
    page: &Page<Happening>,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let inside = frame(theme, area, &format!("EVENTS of {}, newest first", page.name), buffer);
    let Some(Ok(rows)) = &page.rows else {
        missing(page.rows.as_ref(), theme, inside, buffer);
        return;
    };
    if rows.is_empty() {
        put(buffer, inside, 0, &Line::styled("nothing is on record", theme.style(Role::Dim)));
    }
    let most = rows.len().saturating_sub(usize::from(inside.height));
    for (row, one) in
        rows.iter().skip(page.scroll.min(most)).take(usize::from(inside.height)).enumerate()
    {
        let role = if one.bad { Role::Bad } else { Role::Text };
        let line = Line::from(vec![
            piece(fit(&age(Some(one.at), state.now, true), 8), theme.style(Role::Dim)),
            piece(fit(&one.who, 20), theme.style(Role::Dim)),
            piece(format!(" {}", one.what), theme.style(role)),
        ]);
        put(buffer, inside, row as u16, &line);
    }
}

pub(crate) fn logs(
    state: &State,
    page: &Page<LogLine>,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let refresh = state.keymap.hint(Command::Refresh);
    let inside = frame(
        theme,
        area,
        &format!("LOGS of {}, newest last ({refresh} reads again)", page.name),
        buffer,
    );
    let Some(Ok(rows)) = &page.rows else {
        missing(page.rows.as_ref(), theme, inside, buffer);
        return;
    };
    if rows.is_empty() {
        put(buffer, inside, 0, &Line::styled("there are no log lines", theme.style(Role::Dim)));
    }
    let height = usize::from(inside.height);
    let end = rows.len().saturating_sub(page.scroll.min(rows.len().saturating_sub(height)));
    let new = state
        .apps
        .get(&page.app)
        .and_then(|app| app.rollout.as_ref())
        .and_then(|rollout| rollout.to.as_ref());
    let new = new.and_then(|of| of.label.as_deref());
    for (row, one) in rows[end.saturating_sub(height)..end].iter().enumerate() {
        let role = match one.revision.as_deref() {
            _ if one.error => Role::Bad,
            Some(revision) if Some(revision) == new => Role::New,
            _ => Role::Text,
        };
        let revision =
            one.revision.as_deref().map(|revision| format!("rev {revision}")).unwrap_or_default();
        let line = Line::from(vec![
            piece(one.at.strftime("%H:%M:%S ").to_string(), theme.style(Role::Dim)),
            piece(fit(&one.source, 9), theme.style(Role::Dim)),
            piece(fit(&revision, 8), theme.style(Role::Dim)),
            piece(one.text.clone(), theme.style(role)),
        ]);
        put(buffer, inside, row as u16, &line);
    }
}

pub(crate) fn diff(
    state: &State,
    dialog: &DiffDialog,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let (from, to) = &dialog.labels;
    let reveal = state.keymap.hint(Command::Reveal);
    let title = format!("WHAT DIFFERS from rev {from} to rev {to}   ({reveal} shows values)");
    let inside = frame(theme, area, &title, buffer);
    let Some(Ok((differs, hidden))) = &dialog.found else {
        missing(dialog.found.as_ref(), theme, inside, buffer);
        return;
    };
    let width = usize::from(inside.width);
    let mut lines = Vec::new();
    if differs.is_empty() {
        lines.push(Line::styled("nothing differs", theme.style(Role::Good)));
    }
    for one in differs {
        lines.push(Line::from(vec![
            piece(fit(one.group.word(), 10), theme.style(Role::Dim)),
            piece(one.key.clone(), theme.style(Role::Title)),
        ]));
        let value = |value: Option<&crate::domain::Masked>| match value {
            None => "(none)".to_owned(),
            Some(_) if one.secret && !dialog.reveal => "••••".to_owned(),
            Some(value) => value.reveal().to_owned(),
        };
        for (sign, value, role) in [
            ("-", value(one.before.as_ref()), Role::Old),
            ("+", value(one.after.as_ref()), Role::New),
        ] {
            for part in wrap(&value, width.saturating_sub(14)) {
                lines.push(Line::styled(
                    cut(&format!("          {sign} {part}"), width),
                    theme.style(role),
                ));
            }
        }
    }
    lines.extend(hidden.iter().map(|text| Line::styled(text.clone(), theme.style(Role::Warn))));
    let most = lines.len().saturating_sub(usize::from(inside.height));
    for (row, line) in
        lines.iter().skip(dialog.scroll.min(most)).take(usize::from(inside.height)).enumerate()
    {
        put(buffer, inside, row as u16, line);
    }
}
