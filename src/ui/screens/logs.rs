//! The page of a log that is followed.

use std::collections::VecDeque;

use jiff::tz::TimeZone;
use ratatui::{buffer::Buffer, layout::Rect, style::Modifier, text::Line};

use super::{
    super::{
        text::{cut, fit, piece, put},
        theme::{Role, Theme},
        widgets::{page as sheet, panel},
    },
    pages::hanging,
};
use crate::{
    dashboard::{
        Command, State,
        log_page::{BESIDE, LogPage, LogRow},
        plan_view::wrap,
    },
    domain::{LogLine, SideName, revision_name},
};

pub(crate) fn draw(state: &State, page: &LogPage, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let inside = sheet(theme, area, &title(state, page), buffer);
    let (width, height) = (usize::from(inside.width), usize::from(inside.height));
    let mut lines: VecDeque<Line<'static>> = VecDeque::new();
    if let Some(Err(problem)) = &page.ended {
        for text in wrap(&problem.text, width) {
            lines.push_back(Line::styled(text, theme.style(Role::Bad)));
        }
    } else if !page.begun {
        lines.push_back(Line::styled("reading …", theme.style(Role::Dim)));
    } else if page.shown().next().is_none() {
        let text = if page.rows.is_empty() {
            "no line has come yet"
        } else {
            "no line of those that have come is like that"
        };
        lines.push_back(Line::styled(text, theme.style(Role::Dim)));
    }
    if page.beside && page.side.is_none() && area.width >= BESIDE && lines.is_empty() {
        draw_beside(page, theme, inside, buffer);
        return;
    }
    for row in page.shown().rev().skip(page.below) {
        if lines.len() >= height {
            break;
        }
        for line in row_lines(page, row, theme, width).into_iter().rev() {
            lines.push_front(line);
        }
    }
    // Near the beginning what comes after fills the page.
    if page.below > 0 && lines.len() < height {
        let later: Vec<_> = page.shown().rev().take(page.below).collect();
        for row in later.into_iter().rev() {
            lines.extend(row_lines(page, row, theme, width));
            if lines.len() >= height {
                break;
            }
        }
        lines.truncate(height);
    }
    let surplus = lines.len().saturating_sub(height);
    for (row, line) in lines.iter().skip(surplus).enumerate() {
        put(buffer, inside, row as u16, line);
    }
}

/// The latest lines of the new side of the selected app, in a panel of the deck.
pub(crate) fn beside(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let inside = panel(theme, area, buffer);
    let Some(app) = state.app() else { return };
    let title = cut(&format!(" LOG of {} · new ", app.name), usize::from(inside.width));
    buffer.set_string(area.x + 1, area.y, title, theme.style(Role::Dim));
    // What is of another app is gone at once.
    let Some(page) = state.wide.log.as_ref().filter(|page| page.app == app.key()) else {
        let text = if app.rolls() {
            "reading …".to_owned()
        } else {
            format!("nothing rolls; {} shows its log", state.keymap.hint(Command::Logs))
        };
        put(buffer, inside, 0, &Line::styled(text, theme.style(Role::Dim)));
        return;
    };
    let (width, height) = (usize::from(inside.width), usize::from(inside.height));
    let mut lines: VecDeque<Line<'static>> = VecDeque::new();
    match &page.ended {
        Some(Err(problem)) => {
            let role = theme.style(Role::Warn);
            lines.extend(
                wrap(&problem.text, width).into_iter().map(|text| Line::styled(text, role)),
            );
        }
        _ if page.shown().next().is_none() => {
            let text = if page.begun { "no line has come yet" } else { "reading …" };
            lines.push_back(Line::styled(text, theme.style(Role::Dim)));
        }
        _ => {}
    }
    for row in page.shown().rev() {
        if lines.len() >= height {
            break;
        }
        for line in row_lines(page, row, theme, width).into_iter().rev() {
            lines.push_front(line);
        }
    }
    let surplus = lines.len().saturating_sub(height);
    for (row, line) in lines.iter().skip(surplus).enumerate() {
        put(buffer, inside, row as u16, line);
    }
}

/// The latest lines of the old side, beside those of the new one. What the platform says stands with the new ones: it is
/// of them that it tells while they come.
fn draw_beside(page: &LogPage, theme: &Theme, inside: Rect, buffer: &mut Buffer) {
    let half = Rect { width: inside.width / 2 - 1, ..inside };
    let columns =
        [(SideName::Old, half), (SideName::New, Rect { x: inside.x + half.width + 2, ..half })];
    let height = usize::from(inside.height);
    for (side, area) in columns {
        let mut lines = VecDeque::new();
        let own = page.shown().rev().skip(page.below).filter(|row| match row {
            LogRow::Mark(_) => true,
            LogRow::Line(line) => line.side.unwrap_or(SideName::New) == side,
        });
        for row in own {
            if lines.len() >= height {
                break;
            }
            for line in row_lines(page, row, theme, usize::from(area.width)).into_iter().rev() {
                lines.push_front(line);
            }
        }
        let surplus = lines.len().saturating_sub(height);
        for (row, line) in lines.iter().skip(surplus).enumerate() {
            put(buffer, area, row as u16, line);
        }
    }
    for row in 0..inside.height {
        let rule = theme.glyphs.beside.to_string();
        buffer.set_string(inside.x + half.width, inside.y + row, rule, theme.style(Role::Rule));
    }
}

/// `LOGS of checkout · new · only errors   HELD, 12 lines wait`
fn title(state: &State, page: &LogPage) -> String {
    let mut title = format!("LOGS of {}", page.name);
    if let Some(instance) = &page.query.instance {
        let known = state.apps.get(&page.app).and_then(|known| known.recording.as_ref()?.latest());
        let named = known.and_then(|read| read.find(instance).ok());
        let named = named.map(|one| {
            let name = one.instance.name.clone().unwrap_or_default();
            format!("{} {name}", one.side.word())
        });
        title += &format!(" · {}", named.unwrap_or_else(|| instance.clone()));
    }
    if let Some(side) = page.side {
        title += &format!(" · {}", side.word());
    }
    if page.errors {
        title += " · only errors";
    }
    if page.query.previous {
        title += " · the run before";
    }
    title += if page.local { " · local time" } else { " · UTC" };
    let hold = state.keymap.hint(Command::Hold);
    title += &match (page.held, &page.ended) {
        (_, Some(_)) => "   ended".to_owned(),
        (Some(waiting), None) => format!("   HELD, {waiting} lines wait ({hold} goes on)"),
        (None, None) if page.below > 0 => format!("   {} lines below", page.below),
        (None, None) => "   following".to_owned(),
    };
    if page.typing {
        title += &format!("   / {}▏", page.search);
    } else if !page.search.is_empty() {
        let found = page.shown().filter(|row| page.matches(row)).count();
        title += &format!("   / {}: {found}", page.search);
    }
    title
}

fn row_lines(page: &LogPage, row: &LogRow, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let line = match row {
        LogRow::Mark(mark) => {
            let text = cut(&format!("── {mark} "), width);
            return vec![Line::styled(text, theme.style(Role::Warn))];
        }
        LogRow::Line(line) => line,
    };
    let role = match line.side {
        _ if line.error => Role::Bad,
        Some(SideName::New) => Role::New,
        _ => Role::Text,
    };
    let mut style = theme.style(role);
    if page.matches(row) {
        style = style.add_modifier(Modifier::REVERSED);
    }
    let (lead, dim) = (lead(page, line, width), theme.style(Role::Dim));
    if page.wraps {
        return hanging(lead, &line.text, width, (dim, style));
    }
    let room = width.saturating_sub(lead.chars().count());
    vec![Line::from(vec![piece(lead, dim), piece(cut(&line.text, room), style)])]
}

/// Time, side, instance, and where there is room the revision.
fn lead(page: &LogPage, line: &LogLine, width: usize) -> String {
    let zone = if page.local { TimeZone::system() } else { TimeZone::UTC };
    let at = line.at.to_zoned(zone).strftime("%H:%M:%S ").to_string();
    let side = line.side.map_or("", SideName::word);
    let revision = line.revision.as_deref().filter(|_| width >= 100);
    let revision = revision.map(|of| fit(&revision_name(of), 10)).unwrap_or_default();
    format!("{at}{}{revision}{} ", fit(side, 4), fit(&line.source, 8))
}
