//! Where to look: how much, and every login with what it is, what it may do, and how fresh what it shows is.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::super::{
    text::{cut, fit, names, piece, put},
    theme::{Role, Theme},
    widgets::popup,
};
use super::header::liveness;
use crate::{
    dashboard::{
        Command, State, TargetState,
        dialog::TargetsDialog,
        plan_view::wrap,
        update::targets::{SCOPES, found},
    },
    domain::{Scope, VERBS},
};

/// How many rows say what the selected login may do.
const RIGHTS: u16 = 3;

pub(crate) fn draw(
    state: &State,
    dialog: &TargetsDialog,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let listed = found(state, &dialog.search);
    let fixed = SCOPES.len() as u16 + 6 + RIGHTS;
    let room = area.height.saturating_sub(fixed + 2).max(1);
    let logins = (listed.len() as u16).clamp(1, room);
    let inside = popup(
        theme,
        area,
        (area.width.saturating_sub(4).min(120), fixed + logins),
        "WHERE TO LOOK",
        Role::Title,
        buffer,
    );
    let width = usize::from(inside.width);
    for (row, scope) in SCOPES.iter().enumerate() {
        let here = if scope == state.scope() { " (here)" } else { "" };
        let text = match scope {
            Scope::Home => {
                let all: Vec<_> = state.targets.iter().map(TargetState::scope_label).collect();
                format!("where the logins point{here}: {}", all.join(", "))
            }
            Scope::Organization => {
                format!("all around it{here}: the organization, account or cluster")
            }
            Scope::Everything => format!("everything that these logins can see{here}"),
        };
        let line = Line::from(vec![
            mark(theme, row == dialog.at),
            piece(cut(&text, width.saturating_sub(1)), theme.style(role(row == dialog.at))),
        ]);
        put(buffer, inside, row as u16, &line);
    }
    let search = match (dialog.typing, dialog.search.is_empty()) {
        (true, _) => format!("LOGINS   search: {}▏", dialog.search),
        (false, false) => format!("LOGINS   search: {}", dialog.search),
        (false, true) => "LOGINS".to_owned(),
    };
    let mut row = SCOPES.len() as u16 + 1;
    put(buffer, inside, row, &Line::styled(cut(&search, width), theme.style(Role::Dim)));
    row += 1;
    let at = dialog.at.checked_sub(SCOPES.len());
    let first = (at.unwrap_or(0) + 1).saturating_sub(usize::from(logins));
    if listed.is_empty() {
        put(buffer, inside, row, &Line::styled("no login is like that", theme.style(Role::Dim)));
    }
    let shown: Vec<_> = listed.iter().filter_map(|at| state.targets.get(*at)).skip(first).collect();
    let wide = width.saturating_sub(1 + 4 + 5 + 2 + 24) / 2;
    let called: Vec<_> = shown.iter().map(|one| one.name()).collect();
    let called = names(&called, wide);
    let rows = shown.iter().zip(called).take(usize::from(logins)).enumerate();
    for (line, (one, name)) in rows {
        let (text, alive) = liveness(&one.connection, state.now);
        let target = &one.target;
        let is_selected = at == Some(first + line);
        let on = if one.off { "[ ] " } else { "[x] " };
        let text_role = if one.off { Role::Dim } else { role(is_selected) };
        let login = format!("{} as {}", target.api, target.user);
        let room = width.saturating_sub(1 + 4 + 5 + wide + 1 + text.chars().count() + 2);
        let spans = vec![
            mark(theme, is_selected),
            piece(on, theme.style(Role::Key)),
            piece(fit(target.platform.short, 5), theme.style(text_role)),
            piece(name, theme.style(text_role)),
            piece(" ", theme.style(Role::Dim)),
            piece(fit(&login, room), theme.style(Role::Dim)),
            piece(format!("  {text}"), theme.style(alive)),
        ];
        put(buffer, inside, row + line as u16, &Line::from(spans));
    }
    row += logins + 1;
    if let Some(one) = at.and_then(|at| listed.get(at)).and_then(|at| state.targets.get(*at)) {
        let rights = rights(state, one);
        for (line, text) in wrap(&rights, width).into_iter().take(usize::from(RIGHTS)).enumerate() {
            put(buffer, inside, row + line as u16, &Line::styled(text, theme.style(Role::Text)));
        }
    }
    let filter = state.keymap.hint(Command::Filter);
    let keys = match at {
        _ if dialog.typing => "[Esc all]  Enter done".to_owned(),
        Some(_) => format!("[Esc leave]  Enter lists it or not  {filter} search"),
        None => format!("[Esc leave]  Enter looks there  {filter} search the logins"),
    };
    let last = inside.height.saturating_sub(1);
    put(buffer, inside, last, &Line::styled(cut(&keys, width), theme.style(Role::Key)));
}

fn mark(theme: &Theme, selected: bool) -> ratatui::text::Span<'static> {
    let mark = if selected { theme.glyphs.select } else { ' ' };
    piece(mark.to_string(), theme.style(Role::Key))
}

fn role(selected: bool) -> Role {
    if selected { Role::Title } else { Role::Text }
}

/// What a login may do, as far as it is known without looking at one of its apps.
fn rights(state: &State, one: &TargetState) -> String {
    if state.read_only {
        return "nothing is changed: revdeck was started with --read-only".to_owned();
    }
    let denied: Vec<_> = VERBS
        .iter()
        .filter_map(|spec| {
            let reason = one.capabilities.reason(spec.verb)?;
            Some(format!("{} ({reason})", spec.words))
        })
        .collect();
    let rest = match denied.as_slice() {
        [] => "it may do everything, as far as is known".to_owned(),
        denied => format!("it does all but: {}", denied.join("; ")),
    };
    match (&one.connection.problem, one.connection.read_at) {
        (Some((problem, _)), None) => format!("{}. What it may do is not known", problem.text),
        (Some((problem, _)), Some(_)) => format!("{}. {rest}", problem.text),
        (None, _) => rest,
    }
}
