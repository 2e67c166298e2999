//! The plan, and the keys that answer it.

use ratatui::{buffer::Buffer, layout::Rect, text::Line, widgets::Widget};

use super::super::{
    text::{age, cut, fit, piece, put},
    theme::{Role, Theme},
    widgets::popup,
};
use crate::{
    dashboard::{Command, State, dialog::PlanDialog, plan_view, update::plans::confirm_blocker},
    domain::Operation,
};

pub(crate) fn draw(
    state: &State,
    dialog: &PlanDialog,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let view = plan_view::lay_out(dialog, (area.width, area.height));
    let body = view.lines.len().clamp(3, view.height);
    let title = match &dialog.plan {
        Some(Ok(plan)) => plan.title.clone(),
        _ => format!("{} {}", dialog.request.operation.verb().words().to_uppercase(), dialog.name),
    };
    let title = match whose(state, dialog) {
        Some(target) => format!("{title}, on {target}"),
        None => title,
    };
    let role = match (&dialog.plan, &dialog.request.operation) {
        (Some(Ok(plan)), _) if plan.refused.is_some() => Role::Bad,
        (_, Operation::Continue) => Role::New,
        _ => Role::Warn,
    };
    let inside = popup(theme, area, (view.width, body as u16 + 5), &title, role, buffer);
    let width = usize::from(inside.width);
    match &dialog.plan {
        None => put(
            buffer,
            inside,
            0,
            &Line::styled(
                "working out what would happen, from fresh data …",
                theme.style(Role::Dim),
            ),
        ),
        Some(Err(problem)) => {
            for (row, line) in plan_view::wrap(&problem.text, width).iter().enumerate() {
                put(
                    buffer,
                    inside,
                    row as u16,
                    &Line::styled(line.clone(), theme.style(Role::Bad)),
                );
            }
        }
        Some(Ok(_)) => {
            for (row, (label, text)) in view.lines.iter().skip(dialog.scroll).take(body).enumerate()
            {
                put(buffer, inside, row as u16, &line(theme, label, text));
            }
        }
    }
    let foot = inside.height.saturating_sub(3);
    why(dialog, theme, inside, foot, buffer);
    let answer = answer(state, dialog, theme, width, view.most());
    put(buffer, inside, foot + 2, &answer);
}

/// The target of a plan, where another one may have an app of that name.
fn whose<'a>(state: &'a State, dialog: &PlanDialog) -> Option<&'a str> {
    let (own, others): (Vec<_>, Vec<_>) =
        state.targets.iter().partition(|one| one.target.id == dialog.target);
    let own = own.first()?;
    let alike = others.iter().any(|other| other.target.platform == own.target.platform);
    let named = own.target.own_name().is_some() && !others.is_empty();
    (alike || named).then(|| own.name())
}

fn line(theme: &Theme, label: &str, text: &str) -> Line<'static> {
    let role = match label {
        "WARNING" => Role::Warn,
        "REFUSED" => Role::Bad,
        "from" => Role::Old,
        "to" => Role::New,
        _ => Role::Text,
    };
    let label_role = if matches!(label, "WARNING" | "REFUSED") { role } else { Role::Dim };
    Line::from(vec![
        piece(fit(label, 8), theme.style(label_role)),
        piece(text.to_owned(), theme.style(role)),
    ])
}

fn why(dialog: &PlanDialog, theme: &Theme, inside: Rect, row: u16, buffer: &mut Buffer) {
    let place = Rect {
        x: inside.x + 8,
        y: inside.y + row,
        width: inside.width.saturating_sub(8),
        height: 1,
    };
    put(buffer, inside, row, &Line::styled("reason", theme.style(Role::Dim)));
    match (&dialog.why, &dialog.request.reason) {
        (Some(area), _) => {
            let mut area = (**area).clone();
            area.set_cursor_line_style(theme.style(Role::Text));
            (&area).render(place, buffer);
        }
        (None, Some(reason)) => {
            buffer.set_string(
                place.x,
                place.y,
                cut(&reason.replace('\n', " "), usize::from(place.width)),
                theme.style(Role::Text),
            );
        }
        (None, None) => {
            buffer.set_string(
                place.x,
                place.y,
                "w to write one (kept in the journal)",
                theme.style(Role::Dim),
            );
        }
    }
}

fn answer(
    state: &State,
    dialog: &PlanDialog,
    theme: &Theme,
    width: usize,
    most: usize,
) -> Line<'static> {
    let hint = |command| state.keymap.hint(command);
    let mut line = Line::default();
    if dialog.why.is_some() {
        line.push_span(piece("Enter keeps it   Esc leaves it", theme.style(Role::Key)));
        return line;
    }
    // Leaving is what is preselected.
    line.push_span(piece(format!("[{} leave]", hint(Command::Leave)), theme.style(Role::Title)));
    line.push_span("  ");
    match confirm_blocker(state, dialog) {
        None => {
            let verb = dialog.request.operation.verb().words();
            line.push_span(piece(hint(Command::Confirm), theme.style(Role::Key)));
            line.push_span(piece(format!(" {verb}  "), theme.style(Role::Warn)));
        }
        Some(reason) => {
            line.push_span(piece(cut(&reason, width.saturating_sub(14)), theme.style(Role::Warn)));
            line.push_span("  ");
        }
    }
    if dialog.void.is_none()
        && let Some(Ok(plan)) = &dialog.plan
    {
        let mut extra = vec![format!("{} copy by hand", hint(Command::CopyByHand))];
        if !plan.differs.is_empty() {
            extra.push(format!("{} values", hint(Command::Reveal)));
        }
        if most > 0 {
            extra.push(format!("{}/{} lines", dialog.scroll, most));
        }
        extra.push(format!("checked {} ago", age(Some(plan.checked_at), state.now, false)));
        let text = extra.join("  ");
        let room = width.saturating_sub(line.width() + 1);
        line.push_span(piece(cut(&text, room), theme.style(Role::Dim)));
    }
    line
}
