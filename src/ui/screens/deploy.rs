//! Small forms: what to deploy, and where to look.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::super::{
    text::{cut, fit, piece, put},
    theme::{Role, Theme},
    widgets::popup,
};
use super::header::liveness;
use crate::{
    dashboard::{State, dialog::DeployDialog, update::dialogs::SCOPES},
    domain::{Scope, Verb},
};

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

pub(crate) fn targets(state: &State, at: usize, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let inside = popup(
        theme,
        area,
        (area.width.saturating_sub(4).min(110), 8 + state.targets.len() as u16),
        "WHERE TO LOOK",
        Role::Title,
        buffer,
    );
    for (row, scope) in SCOPES.iter().enumerate() {
        let text = match scope {
            Scope::Home => {
                let names: Vec<_> =
                    state.targets.iter().map(|one| one.target.scope_label.as_str()).collect();
                format!("where the login points: {}", names.join(", "))
            }
            Scope::Organization => "all around it: the organization, account or cluster".to_owned(),
            Scope::Everything => "everything that this login can see".to_owned(),
        };
        let mark = if row == at { theme.glyphs.select } else { ' ' };
        let role = if row == at { Role::Title } else { Role::Text };
        let line = Line::from(vec![
            piece(mark.to_string(), theme.style(Role::Key)),
            piece(text, theme.style(role)),
        ]);
        put(buffer, inside, row as u16, &line);
    }
    for (row, one) in state.targets.iter().enumerate() {
        let (alive, role) = liveness(&one.connection, state.now);
        let width = usize::from(inside.width);
        let room = width.saturating_sub(alive.chars().count() + 2);
        let (name, target) = (one.name(), &one.target);
        let login = format!("{} {name}  {} as {}", target.platform.short, target.api, target.user);
        let line = Line::from(vec![
            piece(fit(&login, room), theme.style(Role::Dim)),
            piece(format!("  {alive}"), theme.style(role)),
        ]);
        put(buffer, inside, row as u16 + 4, &line);
    }
    put(
        buffer,
        inside,
        inside.height.saturating_sub(1),
        &Line::styled("[Esc leave]  Enter looks there", theme.style(Role::Key)),
    );
}
