//! What happened last: how our operation goes or ended, hints, and the app's events.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::Line,
    widgets::{Clear, Widget},
};

use super::super::{
    text::{cut, piece, put},
    theme::{Role, Theme},
};
use crate::{
    dashboard::{Liveness, Notice, State, plan_view::wrap},
    domain::{Outcome, text::span},
};

/// How many rows a message takes at most.
const LONGEST: u16 = 5;

pub(crate) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let notice = notice(state, theme, width);
    // What is to be read is not cut: on a small screen it takes rows of what is above it, as long as it stands there.
    let more = (notice.len() as u16).clamp(1, LONGEST) - 1;
    let has_rule = area.height > 1;
    let area = if area.height == 1 && more > 0 {
        let taken = Rect { y: area.y.saturating_sub(more), height: 1 + more, ..area };
        Clear.render(taken, buffer);
        taken
    } else {
        area
    };
    let mut lines = notice;
    lines.extend(messages(state, theme, width));
    if has_rule {
        let across = theme.glyphs.across.to_string().repeat(width);
        lines.insert(0, Line::styled(across, theme.style(Role::Rule)));
    }
    let events = state.known().and_then(|known| known.events.as_ref());
    for one in events.into_iter().flatten().filter(|one| !one.routine) {
        let role = if one.bad { Role::Bad } else { Role::Dim };
        let passed = state.now.duration_since(one.at);
        // Younger than a minute goes without saying.
        let age = (passed.as_secs() >= 60).then(|| format!(", {} ago", span(passed)));
        let text = format!(" {}: {}{}", one.who, one.what, age.unwrap_or_default());
        lines.push(Line::styled(cut(&text, width), theme.style(role)));
    }
    for (row, line) in lines.iter().take(usize::from(area.height)).enumerate() {
        put(buffer, area, row as u16, line);
    }
}

/// What the operator should read, whole.
fn notice(state: &State, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let (head, text, roles) = match &state.notice {
        Some(Notice::Outcome(outcome)) => {
            let role = match outcome {
                Outcome::Done(_) => Role::Good,
                Outcome::Refused(_) | Outcome::Unknown(_) => Role::Warn,
                Outcome::Failed(_) => Role::Bad,
            };
            (format!(" {}  ", outcome.word()), outcome.text(), (role, Role::Text))
        }
        Some(Notice::Hint(text)) => (" ".to_owned(), text.as_str(), (Role::Warn, Role::Warn)),
        None => return Vec::new(),
    };
    let texts = wrap(text, width.saturating_sub(head.len() + 1));
    let lines = texts.into_iter().enumerate().map(|(at, text)| {
        let lead = if at == 0 { head.clone() } else { " ".repeat(head.len()) };
        Line::from(vec![piece(lead, theme.style(roles.0)), piece(text, theme.style(roles.1))])
    });
    lines.collect()
}

/// What goes on besides, the most important first.
fn messages(state: &State, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for one in &state.running {
        let passed = span(state.now.duration_since(one.began));
        let text = format!(" {} {}: {} ({passed})", one.verb.words(), one.name, one.line);
        lines.push(Line::styled(cut(&text, width), theme.style(Role::New)));
    }
    for target in &state.targets {
        let liveness = target.connection.liveness(state.now);
        if let Liveness::Lost { problem, read_at: Some(_), .. } = liveness {
            lines.push(Line::styled(cut(&format!(" {problem}"), width), theme.style(Role::Bad)));
        }
    }
    lines
}
