//! What happened last: how our operation goes or ended, hints, and the app's events.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::super::{
    text::{cut, piece, put},
    theme::{Role, Theme},
};
use crate::{
    dashboard::{Liveness, Notice, State, plan_view::wrap},
    domain::{Outcome, text::span},
};

pub(crate) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let mut lines = messages(state, theme, width, area.height);
    if area.height > 1 {
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

/// The most important first: on a small screen there is one line.
fn messages(state: &State, theme: &Theme, width: usize, height: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    match &state.notice {
        Some(Notice::Outcome(outcome)) => {
            let role = match outcome {
                Outcome::Done(_) => Role::Good,
                Outcome::Refused(_) | Outcome::Unknown(_) => Role::Warn,
                Outcome::Failed(_) => Role::Bad,
            };
            let head = format!(" {}  ", outcome.word());
            let room = width.saturating_sub(head.len() + 1);
            let texts = if height > 1 {
                wrap(outcome.text(), room)
            } else {
                vec![cut(outcome.text(), room)]
            };
            for (at, text) in texts.into_iter().enumerate() {
                let lead = if at == 0 { head.clone() } else { " ".repeat(head.len()) };
                lines.push(Line::from(vec![
                    piece(lead, theme.style(role)),
                    piece(text, theme.style(Role::Text)),
                ]));
            }
        }
        Some(Notice::Hint(text)) => {
            lines.push(Line::styled(cut(&format!(" {text}"), width), theme.style(Role::Warn)));
        }
        None => {}
    }
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
