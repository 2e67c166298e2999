//! The first line: where am I, and is it live.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};
use unicode_width::UnicodeWidthStr;

use super::super::{
    text::{age, cut, piece, put},
    theme::{Role, Theme},
};
use crate::{dashboard::State, domain::text::span};

pub(crate) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let dot = theme.glyphs.dot;
    let mut right = Vec::new();
    if let Some(version) = &state.connection.status.api_version {
        right.push((format!("API {version}"), Role::Dim));
    }
    if let Some((left, limit)) = state.connection.status.requests_left {
        let role = if left * 5 < limit { Role::Warn } else { Role::Dim };
        right.push((format!("{left} requests left"), role));
    }
    right.push(liveness(state));
    let right_width: usize = right.iter().map(|(text, _)| text.width() + 2).sum();
    let mut line = Line::default();
    let mut used = 1;
    line.push_span(" ");
    let mut badge = |text: &str| {
        line.push_span(piece(format!(" {text} "), theme.style(Role::Badge)));
        line.push_span(" ");
        used += text.width() + 3;
    };
    if state.demo {
        badge("DEMO");
    }
    if state.read_only {
        badge("READ ONLY");
    }
    if let Some(text) = &state.target.badge {
        badge(text);
    }
    let place = state.connection.status.place.as_ref().unwrap_or(&state.target.place);
    let host =
        state.target.api.split_once("://").map_or(state.target.api.as_str(), |(_, host)| host);
    let room = width.saturating_sub(used + right_width);
    let full = format!("{}{dot}{place}{dot}{}{dot}{host}", short(state), state.target.user);
    let some = format!("{}{dot}{place}{dot}{}", short(state), state.target.user);
    let text = if full.width() <= room { full } else { some };
    let text = cut(&text, room);
    used += text.width();
    line.push_span(piece(text, theme.style(Role::Title)));
    line.push_span(" ".repeat(width.saturating_sub(used + right_width)));
    for (text, role) in right {
        line.push_span(piece(format!("  {text}"), theme.style(role)));
    }
    put(buffer, area, 0, &line);
}

fn short(state: &State) -> &'static str {
    match state.target.platform {
        crate::domain::PlatformKind::CloudFoundry => "cf",
    }
}

/// Whether what is shown can be relied on. The age is shown as soon as it is more than it should be.
fn liveness(state: &State) -> (String, Role) {
    let connection = &state.connection;
    match (&connection.trouble, connection.read_at) {
        (Some((_, retry_at)), read_at) => {
            let left = span(retry_at.duration_since(state.now));
            let old = match read_at {
                Some(at) => format!("{} old", age(Some(at), state.now, true)),
                None => "never read".to_owned(),
            };
            (format!("NO CONTACT, {old}, again in {left}"), Role::Bad)
        }
        (None, None) => ("reading …".to_owned(), Role::Warn),
        (None, Some(_)) if state.live() => {
            let seconds = connection.fresh_for.as_secs();
            (format!("live, every {seconds}s"), Role::Good)
        }
        (None, Some(at)) => (format!("STALE, {} old", age(Some(at), state.now, true)), Role::Warn),
    }
}
