//! The first line: where am I, and is it live.

use jiff::Timestamp;
use ratatui::{buffer::Buffer, layout::Rect, text::Line};
use unicode_width::UnicodeWidthStr;

use super::super::{
    text::{age, cut, piece, put},
    theme::{Role, Theme},
};
use crate::{
    dashboard::{Connection, Liveness, State, TargetState},
    domain::{ProblemKind, text::span},
};

pub(crate) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let mut right = Vec::new();
    if let [one] = state.targets.as_slice() {
        let status = &one.connection.status;
        right.extend(status.api_version.iter().map(|api| (format!("API {api}"), Role::Dim)));
        if let Some((left, limit)) = status.requests_left {
            let role = if left * 5 < limit { Role::Warn } else { Role::Dim };
            right.push((format!("{left} requests left"), role));
        }
    }
    right.push(worst(state));
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
    for text in state.targets.iter().filter_map(|one| one.target.badge.as_ref()) {
        badge(text);
    }
    let room = width.saturating_sub(used + right_width);
    let texts = wordings(state, theme.glyphs.dot);
    let fitting = texts.iter().find(|text| text.width() <= room).or(texts.last());
    let text = cut(fitting.map_or("", String::as_str), room);
    used += text.width();
    line.push_span(piece(text, theme.style(Role::Title)));
    line.push_span(" ".repeat(width.saturating_sub(used + right_width)));
    for (text, role) in right {
        line.push_span(piece(format!("  {text}"), theme.style(role)));
    }
    put(buffer, area, 0, &line);
}

/// Where the deck looks, the longest wording first.
fn wordings(state: &State, dot: &str) -> Vec<String> {
    if let [one] = state.targets.as_slice() {
        let target = &one.target;
        let host = target.api.split_once("://").map_or(target.api.as_str(), |(_, host)| host);
        let own = target.own_name().map(|name| format!("{name}{dot}")).unwrap_or_default();
        let scope = one.scope_label();
        let some = format!("{}{dot}{own}{scope}{dot}{}", target.platform.short, target.user);
        return vec![format!("{some}{dot}{host}"), some];
    }
    let each = |one: &TargetState| format!("{}{dot}{}", one.target.platform.short, one.name());
    let all: Vec<_> = state.targets.iter().filter(|one| !one.off).map(each).collect();
    let here: Vec<_> = state.here().into_iter().map(each).collect();
    vec![all.join("  "), format!("{} (1 of {})", here.join(""), state.targets.len())]
}

/// How the connections are doing: the worst one, named where there are several.
fn worst(state: &State) -> (String, Role) {
    let rank = |one: &&TargetState| match one.connection.liveness(state.now) {
        Liveness::Lost { .. } => 0,
        Liveness::Stale { .. } => 1,
        Liveness::Unread => 2,
        Liveness::Live => 3,
    };
    let Some(one) = state.targets.iter().min_by_key(rank) else {
        return (String::new(), Role::Dim);
    };
    let (text, role) = liveness(&one.connection, state.now);
    let several = state.targets.len() > 1 && role != Role::Good;
    if several {
        let alike = state
            .targets
            .iter()
            .filter(|other| other.target.platform == one.target.platform)
            .count();
        let short = one.target.platform.short;
        let name = if alike > 1 { one.name() } else { one.target.own_name().unwrap_or(short) };
        (format!("{name}: {text}"), role)
    } else {
        (text, role)
    }
}

/// Whether what is shown can be relied on. The age is shown as soon as it is more than it should be.
pub(super) fn liveness(connection: &Connection, now: Timestamp) -> (String, Role) {
    match connection.liveness(now) {
        Liveness::Lost { problem, retry_at, read_at } => {
            let left = span(retry_at.duration_since(now));
            let old = match read_at {
                Some(at) => format!("{} old", age(Some(at), now, true)),
                None => "never read".to_owned(),
            };
            let what = match problem.kind {
                ProblemKind::Forbidden => "NOT ALLOWED",
                ProblemKind::Login => "NO LOGIN",
                _ => "NO CONTACT",
            };
            (format!("{what}, {old}, again in {left}"), Role::Bad)
        }
        Liveness::Unread => ("reading …".to_owned(), Role::Warn),
        Liveness::Live => ("live".to_owned(), Role::Good),
        Liveness::Stale { read_at } => {
            (format!("STALE, {} old", age(Some(read_at), now, true)), Role::Warn)
        }
    }
}
