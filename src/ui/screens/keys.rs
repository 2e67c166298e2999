//! The last line: the keys that work here and now.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};
use unicode_width::UnicodeWidthStr;

use super::super::{
    text::{piece, put},
    theme::{Role, Theme},
};
use crate::{
    dashboard::{Command, Panel, State, dialog::Layer, guard},
    domain::last_good,
};

pub(crate) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if let Some(layer) = state.layers.last() {
        of_layer(state, layer, theme, area, buffer);
        return;
    }
    let mut line = Line::from(" ");
    let width = usize::from(area.width);
    for (command, text) in wanted(state) {
        let key = state.keymap.hint(command);
        let works = guard::can(state, command).is_ok();
        let length = key.width() + text.width() + 3;
        if line.width() + length > width {
            continue;
        }
        let (key_role, text_role) =
            if works { (Role::Key, Role::Text) } else { (Role::Dim, Role::Dim) };
        line.push_span(piece(key, theme.style(key_role)));
        line.push_span(piece(format!(" {text}  "), theme.style(text_role)));
    }
    put(buffer, area, 0, &line);
}

/// The keys of what is open: those of the deck do not work there.
fn of_layer(state: &State, layer: &Layer, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let hint = |command| state.keymap.hint(command);
    let scroll = format!("{} {}", hint(Command::Up), hint(Command::Down));
    let pairs: Vec<(String, &str)> = match layer {
        Layer::Plan(dialog) => vec![
            match &dialog.plan {
                Some(Ok(plan)) if plan.refused.is_some() => (String::new(), ""),
                Some(Ok(_)) if dialog.shown_at.is_none() => {
                    (hint(Command::ScrollDown), "read to its end, then confirm")
                }
                Some(Ok(_)) => (hint(Command::Confirm), "confirm"),
                Some(Err(_)) | None => (String::new(), ""),
            },
            ("Esc".to_owned(), "leave it"),
            (hint(Command::Replan), "plan anew"),
            (hint(Command::CopyByHand), "copy by hand"),
            (scroll, "scroll"),
        ],
        Layer::Deploy(_) => vec![
            ("Enter".to_owned(), "plan it"),
            ("Tab".to_owned(), "next field"),
            ("C-u".to_owned(), "clear"),
            ("Esc".to_owned(), "leave it"),
        ],
        Layer::Palette { .. } | Layer::Targets(_) => {
            vec![("Enter".to_owned(), "choose"), (scroll, "move"), ("Esc".to_owned(), "leave it")]
        }
        Layer::Diff(_) => vec![
            ("Esc".to_owned(), "back to the deck"),
            (hint(Command::Reveal), "show values"),
            (scroll, "scroll"),
        ],
        Layer::Help { .. } => vec![("Esc".to_owned(), "back to the deck"), (scroll, "scroll")],
        Layer::Instances(_) => vec![
            ("Esc".to_owned(), "deck"),
            (hint(Command::Logs), "logs"),
            (hint(Command::Sort), "order"),
            ("Enter".to_owned(), "all of it"),
            (hint(Command::RestartInstance), "restart it"),
            (hint(Command::Shell), "shell"),
            (hint(Command::Scale), "scale"),
            (hint(Command::RollBackLastGood), "roll back"),
        ],
        Layer::Logs(_) => vec![
            ("Esc".to_owned(), "back"),
            (hint(Command::Hold), "hold"),
            (
                [Command::OldLines, Command::NewLines, Command::BothLines].map(hint).join(" "),
                "old new both",
            ),
            (hint(Command::ErrorLines), "errors"),
            (hint(Command::Search), "search"),
            (hint(Command::Wrap), "wrap"),
            (hint(Command::PreviousRun), "before"),
            (hint(Command::Beside), "beside"),
            (hint(Command::Save), "save"),
            (hint(Command::LocalTime), "time"),
        ],
        Layer::Events(_) => vec![
            ("Esc".to_owned(), "back to the deck"),
            (hint(Command::Refresh), "read again"),
            (scroll, "scroll"),
        ],
    };
    let mut line = Line::from(" ");
    for (key, text) in pairs.into_iter().filter(|(_, text)| !text.is_empty()) {
        // What does not fit whole is left out; help has all of them.
        if line.width() + key.width() + 1 + text.width() > usize::from(area.width) {
            break;
        }
        line.push_span(piece(key, theme.style(Role::Key)));
        line.push_span(piece(format!(" {text}  "), theme.style(Role::Text)));
    }
    put(buffer, area, 0, &line);
}

/// From so many columns on there is room for nearly all keys.
const ROOMY: u16 = 110;

/// What fits, in the order of what is needed now.
fn wanted(state: &State) -> Vec<(Command, String)> {
    let rolling = state.app().is_some_and(crate::domain::App::rolls);
    let good = state.history().and_then(|history| last_good(&history.revisions, rolling));
    let back =
        good.map_or_else(|| "roll back".to_owned(), |(one, _)| format!("back to {}", one.name()));
    let text = |command: Command, text: &str| (command, text.to_owned());
    // As long as most are, so that the other keys keep their places.
    let mut keys = vec![(Command::RollBackLastGood, format!("{back:<14}"))];
    // Where there is room for all of them, every key keeps its place.
    if rolling || state.size.0 >= ROOMY {
        keys.push(text(Command::Cancel, "cancel"));
        keys.push(text(Command::Continue, "continue"));
    }
    if state.panel == Panel::Revisions
        && let Some(one) = state.selected_revision()
    {
        keys.push((Command::RollBackSelected, format!("to {}", one.name())));
    }
    keys.extend([
        text(Command::Help, "help"),
        text(Command::Instances, "instances"),
        text(Command::Diff, "diff"),
        text(Command::Logs, "logs"),
        text(Command::NextPanel, "panel"),
        text(Command::Deploy, "deploy"),
        text(Command::Events, "events"),
        text(Command::Restart, "restart"),
        text(Command::Filter, "filter"),
        text(Command::OnlyActive, "active"),
        text(Command::Targets, "where"),
        text(Command::Quit, "quit"),
    ]);
    keys
}
