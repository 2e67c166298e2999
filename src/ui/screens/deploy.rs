//! The form of a verb's options, such as what to deploy.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::super::{
    text::{cut, fit, piece, put},
    theme::{Role, Theme},
    widgets::popup,
};
use crate::{dashboard::dialog::DeployDialog, domain::Verb};

pub(crate) fn draw(dialog: &DeployDialog, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let verb = dialog.verb.words().to_uppercase();
    let title = match dialog.verb {
        Verb::Deploy => format!("{verb} to {}", dialog.name),
        _ => format!("{verb} {}", dialog.name),
    };
    let rows = dialog.fields.len() as u16;
    let inside = popup(
        theme,
        area,
        (area.width.saturating_sub(4).min(90), rows + 7),
        &title,
        Role::Warn,
        buffer,
    );
    let width = usize::from(inside.width);
    for (row, (field, value)) in dialog.fields.iter().zip(&dialog.values).enumerate() {
        let here = dialog.at == row;
        let mark = if here { theme.glyphs.select } else { ' ' };
        let cursor = if here { "▏" } else { "" };
        let line = Line::from(vec![
            piece(mark.to_string(), theme.style(Role::Key)),
            piece(fit(field.name, 15), theme.style(if here { Role::Title } else { Role::Dim })),
            piece(
                format!("{}{cursor}", cut(value, width.saturating_sub(18))),
                theme.style(Role::Text),
            ),
        ]);
        put(buffer, inside, row as u16, &line);
    }
    let hint = dialog.fields.get(dialog.at).map_or("", |field| field.hint);
    put(buffer, inside, rows + 1, &Line::styled(cut(hint, width), theme.style(Role::Dim)));
    if let Some(wrong) = &dialog.wrong {
        put(buffer, inside, rows + 2, &Line::styled(cut(wrong, width), theme.style(Role::Bad)));
    }
    let keys = "[Esc leave]  Enter shows the plan  Tab next field  C-u clears it";
    put(buffer, inside, rows + 4, &Line::styled(cut(keys, width), theme.style(Role::Key)));
}
