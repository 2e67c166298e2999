//! What differs between two revisions, as lines.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::super::{
    text::{cut, fit, piece, put},
    theme::{Role, Theme},
};
use crate::{
    dashboard::{
        dialog::{DiffPreview, Found},
        plan_view::wrap,
    },
    domain::{Secret, revision_name},
};

/// A heading for each thing that differs, and its value before and after.
pub(super) fn lines(
    found: &Found,
    reveal: bool,
    theme: &Theme,
    width: usize,
) -> Vec<Line<'static>> {
    let (differs, hidden) = found;
    let mut lines = Vec::new();
    if differs.is_empty() {
        lines.push(Line::styled("nothing differs", theme.style(Role::Good)));
    }
    for one in differs {
        lines.push(Line::from(vec![
            piece(fit(one.group.word(), 10), theme.style(Role::Dim)),
            piece(one.key.clone(), theme.style(Role::Title)),
        ]));
        let value = |value: Option<&Secret>| match value {
            None => "(none)".to_owned(),
            Some(_) if one.secret && !reveal => "••••".to_owned(),
            Some(value) => value.reveal().to_owned(),
        };
        for (sign, value, role) in [
            ("-", value(one.before.as_ref()), Role::Old),
            ("+", value(one.after.as_ref()), Role::New),
        ] {
            for part in wrap(&value, width.saturating_sub(14)) {
                let text = format!("          {sign} {part}");
                lines.push(Line::styled(cut(&text, width), theme.style(role)));
            }
        }
    }
    lines.extend(hidden.iter().map(|text| Line::styled(text.clone(), theme.style(Role::Warn))));
    lines
}

/// The comparison below the revisions; values stay hidden here.
pub(super) fn beside(preview: &DiffPreview, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    // A short line: it comes and goes with the selection.
    let rule = theme.glyphs.across.to_string();
    buffer.set_string(area.x, area.y, rule, theme.style(Role::Rule));
    let (from, to) = (revision_name(&preview.labels.0), revision_name(&preview.labels.1));
    let title = cut(&format!(" WHAT CHANGES from {from} to {to} "), width.saturating_sub(2));
    buffer.set_string(area.x + 1, area.y, title, theme.style(Role::Dim));
    let body = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(1),
        height: area.height.saturating_sub(1),
    };
    let lines = match &preview.found {
        None => vec![Line::styled("reading …", theme.style(Role::Dim))],
        Some(found) => lines(found, false, theme, usize::from(body.width)),
    };
    let rows = usize::from(body.height);
    let surplus = lines.len().saturating_sub(rows);
    let shown = if surplus > 0 { rows.saturating_sub(1) } else { rows };
    for (row, line) in lines.iter().take(shown).enumerate() {
        put(buffer, body, row as u16, line);
    }
    if surplus > 0 {
        let more = Line::styled(format!("and {} lines more", surplus + 1), theme.style(Role::Dim));
        put(buffer, body, shown as u16, &more);
    }
}
