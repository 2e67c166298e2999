//! The revisions of the selected app.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::super::{
    text::{age, cut, fit, piece, put},
    theme::{Role, Theme},
};
use super::difference;
use crate::{
    dashboard::{Panel, State, dialog::DiffPreview, update::diff_preview},
    domain::{Deployable, History, Revision, TrackRecord, last_good, text::brief},
};

pub(crate) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width).saturating_sub(1);
    let rule = theme.style(Role::Rule);
    let across = theme.glyphs.across.to_string().repeat(usize::from(area.width));
    buffer.set_string(area.x, area.y, across, rule);
    let Some(app) = state.app() else { return };
    let role = if state.panel == Panel::Revisions { Role::Title } else { Role::Dim };
    let title = cut(&format!(" REVISIONS {} ", app.name), width.saturating_sub(2));
    buffer.set_string(area.x + 1, area.y, title, theme.style(role));
    let (body, beside) = split(state, area);
    if let Some((preview, area)) = beside {
        difference::beside(preview, theme, area, buffer);
    }
    let Some(history) = state.history() else {
        put(buffer, body, 0, &Line::styled("  reading …", theme.style(Role::Dim)));
        return;
    };
    if history.revisions.is_empty() {
        put(buffer, body, 0, &Line::styled("  there are no revisions", theme.style(Role::Dim)));
    }
    let rows = rows(history, body);
    if let Some(remark) = &history.remark {
        for (at, line) in crate::dashboard::plan_view::wrap(remark, width.saturating_sub(2))
            .iter()
            .take(2)
            .enumerate()
        {
            let row = (rows + at) as u16;
            put(buffer, body, row, &Line::styled(format!(" {line}"), theme.style(Role::Warn)));
        }
    }
    let at = selected_at(state, history);
    let first = (at + 1).saturating_sub(rows);
    let good = last_good(&history.revisions, app.rolls());
    let shown = history.revisions.iter().skip(first).take(rows);
    let longest = shown.map(|one| one.label.chars().count()).max().unwrap_or(0);
    let label_width = longest.clamp(4, (width / 3).max(4));
    let names = history.revisions.iter().map(|one| who(one).chars().count());
    let who_width = names.max().unwrap_or(0).clamp(6, 8);
    for (row, one) in history.revisions.iter().skip(first).take(rows).enumerate() {
        let is_selected = first + row == at;
        let good = good.filter(|(good, _)| good.id == one.id).map(|(_, sure)| sure);
        let line =
            row_line(state, theme, one, (is_selected, good), (label_width, who_width, width));
        put(buffer, body, row as u16, &line);
        if is_selected && state.panel == Panel::Revisions {
            buffer.set_style(
                Rect { y: body.y + row as u16, height: 1, width: width as u16, ..body },
                theme.selected(),
            );
        }
    }
}

fn selected_at(state: &State, history: &History) -> usize {
    let selected = state.selected_revision().map(|one| &one.id);
    history.revisions.iter().position(|one| Some(&one.id) == selected).unwrap_or(0)
}

/// How many revisions fit; two rows are a remark's where there is one.
fn rows(history: &History, body: Rect) -> usize {
    usize::from(body.height).saturating_sub(if history.remark.is_some() { 2 } else { 0 })
}

/// The revision in a row of the panel, its title being row 0.
pub(crate) fn row_at(state: &State, area: Rect, row: usize) -> Option<&Revision> {
    let history = state.history()?;
    let rows = rows(history, split(state, area).0);
    let row = row.checked_sub(1).filter(|row| *row < rows)?;
    let first = (selected_at(state, history) + 1).saturating_sub(rows);
    history.revisions.get(first + row)
}

/// The rows below the title; with room for the comparison where the revisions do not need all of them.
fn split(state: &State, area: Rect) -> (Rect, Option<(&DiffPreview, Rect)>) {
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let Some(preview) = diff_preview::current(state).filter(|_| body.height >= 16) else {
        return (body, None);
    };
    let wanted = state.history().map_or(0, |history| history.revisions.len() + 2);
    let rows = u16::try_from(wanted).unwrap_or(u16::MAX).min(body.height / 2).max(4);
    let below = Rect { y: body.y + rows, height: body.height - rows, ..body };
    (
        Rect { height: rows, ..body },
        Some((preview, Rect { width: body.width.saturating_sub(1), ..below })),
    )
}

/// How wide the word is that says what is known of a revision.
const WORD: usize = 10;

/// Who made a revision, without the domain of an address.
fn who(one: &Revision) -> &str {
    one.by.as_deref().map_or("", |by| by.split('@').next().unwrap_or(by))
}

/// `▌ 8 new       New droplet deployed.   4m hana`
fn row_line(
    state: &State,
    theme: &Theme,
    one: &Revision,
    (selected, good): (bool, Option<bool>),
    (label_width, who_width, width): (usize, usize, usize),
) -> Line<'static> {
    let mut line = Line::default();
    let mark = if selected { theme.glyphs.select } else { ' ' };
    line.push_span(piece(mark.to_string(), theme.style(Role::Key)));
    // Numbers stand below one another by their last digit, tags by their first letter.
    let number =
        one.label.starts_with(|first: char| first.is_ascii_digit()) && one.label.len() <= 4;
    let label = if number {
        format!("{:>label_width$} ", one.label)
    } else {
        format!("{} ", fit(&one.label, label_width))
    };
    line.push_span(piece(label, theme.style(Role::Text)));
    let rolling = state.app().is_some_and(|app| app.rollout.is_some());
    let dot = theme.glyphs.mark;
    let (word, role) = match one {
        one if one.incoming => ("new".to_owned(), Role::New),
        one if one.deployed => {
            (format!("{dot}serving"), if rolling { Role::Old } else { Role::Good })
        }
        Revision { deployable: Deployable::No(_), .. } => ("expired".to_owned(), Role::Dim),
        one if one.track_record == TrackRecord::Unfinished => ("failed".to_owned(), Role::Warn),
        one => {
            // What is known of it, and no guess: how long it served, or lived where nobody knows whether it was well.
            let word = match (one.track_record, one.served) {
                (TrackRecord::Served, Some(served)) => format!("ran {}", brief(served)),
                (TrackRecord::Served, None) => "ran".to_owned(),
                (_, Some(lived)) => format!("lived {}", brief(lived)),
                (_, None) => String::new(),
            };
            (word, if good == Some(true) { Role::Good } else { Role::Dim })
        }
    };
    line.push_span(piece(fit(&word, WORD.max(word.chars().count() + 1)), theme.style(role)));
    let exact = width >= 90;
    let when = match one.created_at {
        Some(at) if exact => at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        at => age(at, state.now, false),
    };
    let tail = if width >= 44 {
        format!(" {} {}", fit(&when, if exact { 20 } else { 6 }), fit(who(one), who_width))
    } else {
        format!(" {}", fit(&when, 6))
    };
    let room = width.saturating_sub(line.width() + tail.chars().count());
    let gone = matches!(one.deployable, Deployable::No(_));
    let mut text = one.description.trim_end_matches('.').to_owned();
    // Where there is no room for all of an image's name, its tag is what tells it apart.
    if text.chars().count() > room
        && let Some(tag) = state.app().and_then(|app| text.strip_prefix(&format!("{}:", app.name)))
    {
        text = tag.to_owned();
    }
    if let Some(note) = &one.note {
        text = format!("{note} ({text})");
    }
    line.push_span(piece(fit(&text, room), theme.style(if gone { Role::Dim } else { Role::Text })));
    line.push_span(piece(tail, theme.style(Role::Dim)));
    line
}
