//! Drawing: the state in, cells out. Nothing here changes anything.

pub mod glyphs;
mod screens;
mod text;
pub mod theme;
mod widgets;

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    widgets::{Clear, Widget},
};

use self::theme::Theme;
use crate::dashboard::{Notice, Panel, State, dialog::Layer, mouse::Spot, wide::LOG};

/// The smallest terminal in which anything useful fits.
const SMALLEST: (u16, u16) = (40, 10);

/// From so many rows on, the latest events have a panel of their own.
const TALL: u16 = 36;

/// Draws one frame.
///
/// ```text
/// header      where am I, is it live
/// counts      how much is wrong, filter
/// apps        what is wrong, first row selected
/// revisions │ rollout
/// news        what happened last, or how an operation ended
/// keys        which key puts it right
/// ```
pub fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        screens::tiny(state, theme, area, buffer);
        return;
    }
    let Places { header, counts, apps, revisions, rollout, log, events, keys } =
        Places::of(state, area);
    screens::header::draw(state, theme, header, buffer);
    screens::apps::draw_counts(state, theme, counts, buffer);
    let shown = |panel: Panel| !state.zoomed || state.panel == panel;
    if shown(Panel::Apps) {
        screens::apps::draw(state, theme, apps, buffer);
    }
    if shown(Panel::Revisions) {
        screens::revisions::draw(state, theme, revisions, buffer);
    }
    if shown(Panel::Rollout) {
        screens::rollout::draw(state, theme, rollout, buffer);
    }
    if log.width > 0 {
        screens::logs::beside(state, theme, log, buffer);
    }
    screens::events::draw(state, theme, events, buffer);
    screens::keys::draw(state, theme, keys, buffer);
    for layer in &state.layers {
        match layer {
            Layer::Plan(dialog) => screens::plan::draw(state, dialog, theme, area, buffer),
            Layer::Help { scroll } => screens::help::draw(state, *scroll, theme, area, buffer),
            Layer::Palette { text, at } => {
                screens::help::palette(state, text, *at, theme, area, buffer);
            }
            Layer::Events(page) => screens::pages::events(state, page, theme, area, buffer),
            Layer::Logs(page) => screens::logs::draw(state, page, theme, area, buffer),
            Layer::Instances(page) => screens::instances::draw(state, page, theme, area, buffer),
            Layer::Diff(dialog) => screens::pages::diff(state, dialog, theme, area, buffer),
            Layer::Deploy(dialog) => screens::deploy::draw(dialog, theme, area, buffer),
            Layer::Targets(dialog) => screens::targets::draw(state, dialog, theme, area, buffer),
        }
    }
    // A page covers the line of messages, and is where the keys are pressed that lead to them.
    let paged = match state.layers.last() {
        Some(Layer::Instances(_) | Layer::Logs(_)) => {
            state.notice.is_some() || !state.running.is_empty()
        }
        // Why a key has not confirmed it.
        Some(Layer::Plan(_)) => matches!(state.notice, Some(Notice::Hint(_))),
        _ => false,
    };
    if paged {
        let row = Rect { y: keys.y.saturating_sub(1), height: 1, ..keys };
        Clear.render(row, buffer);
        screens::events::draw(state, theme, row, buffer);
    }
    if theme.ascii() {
        plain(buffer);
    }
}

/// Where everything of the deck is.
struct Places {
    header: Rect,
    counts: Rect,
    apps: Rect,
    revisions: Rect,
    rollout: Rect,
    /// The log, where there is room for it.
    log: Rect,
    events: Rect,
    keys: Rect,
}

impl Places {
    fn of(state: &State, area: Rect) -> Self {
        let apps = apps_height(state, area.height);
        let events = if area.height >= TALL { (area.height - 30).clamp(4, 10) } else { 1 };
        let [header, counts, apps, below, events, keys] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(apps),
            Constraint::Min(3),
            Constraint::Length(events),
            Constraint::Length(1),
        ])
        .areas(area);
        let rollout_share = if area.width >= 120 { 55 } else { 52 };
        // The columns stay where they are, whatever is selected.
        let shares = if area.width >= LOG {
            [Constraint::Percentage(28), Constraint::Percentage(34), Constraint::Fill(1)]
        } else {
            let rollout = Constraint::Percentage(rollout_share);
            [Constraint::Fill(1), rollout, Constraint::Length(0)]
        };
        let [revisions, rollout, log] = Layout::horizontal(shares).areas(below);
        if state.zoomed {
            // The others are not drawn, and take no click.
            let all = Rect { height: apps.height + below.height, ..apps };
            let nothing = Rect { height: 0, ..apps };
            let room = |panel: Panel| if state.panel == panel { all } else { nothing };
            let (apps, revisions) = (room(Panel::Apps), room(Panel::Revisions));
            let (rollout, log) = (room(Panel::Rollout), Rect { width: 0, ..nothing });
            return Self { header, counts, apps, revisions, rollout, log, events, keys };
        }
        Self { header, counts, apps, revisions, rollout, log, events, keys }
    }
}

/// What is at a place of the deck, as [`draw`] puts it there; `None` where the mouse does nothing.
pub fn spot(state: &State, area: Rect, at: Position) -> Option<Spot> {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return None;
    }
    let Places { counts, apps, revisions, rollout, .. } = Places::of(state, area);
    let row = |within: Rect| usize::from(at.y - within.y);
    if counts.contains(at) {
        return Some(Spot::Heading);
    }
    if apps.contains(at) {
        let app = screens::apps::row_at(state, apps, row(apps));
        return Some(app.map_or(Spot::Panel(Panel::Apps), |app| Spot::App(app.clone())));
    }
    if revisions.contains(at) {
        let one = screens::revisions::row_at(state, revisions, row(revisions));
        let nothing = Spot::Panel(Panel::Revisions);
        return Some(one.map_or(nothing, |one| Spot::Revision(one.id.clone())));
    }
    rollout.contains(at).then_some(Spot::Panel(Panel::Rollout))
}

/// The few marks that stand in texts, as plain characters; names stay as their owners wrote them.
fn plain(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let plain = match cell.symbol() {
            "…" => "~",
            "▏" => "_",
            "→" => ">",
            "•" => "*",
            "·" => "-",
            _ => continue,
        };
        cell.set_symbol(plain);
    }
}

/// As many rows as there are apps, up to two fifths of the screen.
fn apps_height(state: &State, height: u16) -> u16 {
    let rows = u16::try_from(state.listed.len()).unwrap_or(u16::MAX).max(3);
    rows.min(height * 2 / 5).max(3)
}
