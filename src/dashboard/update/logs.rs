//! The page of a log: begun, fed, searched and ended.

use super::{
    super::{
        Command, Effect, State,
        dialog::Layer,
        key::{Key, Name},
        log_page::{BESIDE, LogPage},
        state::Notice,
    },
    is, palette,
};
use crate::domain::{LogBatch, LogQuery, Problem, SideName};

/// Opens the log of the selected app, of one instance where that is named.
pub(super) fn open(state: &mut State, instance: Option<String>) -> Vec<Effect> {
    let id = state.fresh_id();
    let Some(app) = state.app() else { return Vec::new() };
    let query = LogQuery { instance, follow: true, ..LogQuery::default() };
    let page = LogPage::new(id, app.key(), app.name.clone(), query.clone());
    let app = page.app.clone();
    state.layers.push(Layer::Logs(Box::new(page)));
    vec![Effect::Log { id, app, query }]
}

fn page(state: &mut State, id: u64) -> Option<&mut LogPage> {
    let pages = state.layers.iter_mut().filter_map(|layer| match layer {
        Layer::Logs(page) => Some(page),
        _ => None,
    });
    let mut all = pages.chain(&mut state.wide.log);
    all.find(|page| page.id == id).map(AsMut::as_mut)
}

pub(super) fn take(state: &mut State, id: u64, batch: LogBatch) {
    if let Some(page) = page(state, id) {
        page.take(batch);
    }
}

pub(super) fn ended(state: &mut State, id: u64, how: Result<(), Problem>) {
    if let Some(page) = page(state, id) {
        page.begun = true;
        page.ended = Some(how);
    }
}

/// Asks for another log in the place of the one that is shown.
fn anew(page: &mut LogPage, fresh: u64) -> Vec<Effect> {
    let old = page.id;
    let (app, query) = (page.app.clone(), page.query.clone());
    let LogPage { side, wraps, beside, local, .. } = *page;
    *page = LogPage {
        side,
        wraps,
        beside,
        local,
        ..LogPage::new(fresh, app.clone(), page.name.clone(), query.clone())
    };
    vec![Effect::EndLog { id: old }, Effect::Log { id: fresh, app, query }]
}

/// A key on the page.
pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    let (own, moving) = (state.keymap.logs(key), state.keymap.deck(key));
    let half = usize::from(state.size.1 / 2).max(1);
    let columns = state.size.0;
    let fresh = state.fresh_id();
    let Some(Layer::Logs(page)) = state.layers.last_mut() else { return Vec::new() };
    if page.typing {
        if is(key, Name::Esc) {
            page.typing = false;
            page.search.clear();
        } else if is(key, Name::Enter) {
            page.typing = false;
            let _ = page.find(true);
        } else if is(key, Name::Backspace) {
            page.search.pop();
        } else if let Some(letter) = key.typed() {
            page.search.push(letter);
        }
        return Vec::new();
    }
    let mut missed = None;
    match own {
        Some(Command::Hold) => page.hold(),
        Some(Command::OldLines) => page.show(Some(SideName::Old)),
        Some(Command::NewLines) => page.show(Some(SideName::New)),
        Some(Command::BothLines) => page.show(None),
        Some(Command::ErrorLines) => {
            page.errors = !page.errors;
            page.go(page.below);
        }
        Some(Command::Search) => {
            page.typing = true;
            page.search.clear();
        }
        Some(next @ (Command::NextMatch | Command::PreviousMatch)) => {
            let up = next == Command::NextMatch;
            if !page.find(up) {
                let whither = if up { "above" } else { "below" };
                missed = Some(format!("no more {:?} {whither}", page.search));
            }
        }
        Some(Command::Wrap) => page.wraps = !page.wraps,
        Some(Command::LocalTime) => page.local = !page.local,
        Some(Command::Beside) => {
            page.beside = !page.beside;
            if page.beside && columns < BESIDE {
                missed = Some(format!(
                    "there is room for both beside each other from {BESIDE} columns on"
                ));
            }
        }
        Some(Command::Save) => {
            return vec![Effect::SaveLog { name: page.name.clone(), text: page.text() }];
        }
        Some(Command::PreviousRun) => {
            page.query.previous = !page.query.previous;
            page.query.follow = !page.query.previous;
            return anew(page, fresh);
        }
        Some(Command::AllInstances) => {
            if page.query.instance.take().is_some() {
                return anew(page, fresh);
            }
        }
        _ => match moving {
            Some(Command::Refresh) => return anew(page, fresh),
            Some(Command::Palette) => state.layers.push(palette()),
            Some(Command::Help) => state.layers.push(Layer::Help { scroll: 0 }),
            Some(Command::Logs | Command::Quit | Command::Back) => {
                let id = page.id;
                state.layers.pop();
                return vec![Effect::EndLog { id }];
            }
            // The newest line is at the bottom: up goes back in time.
            Some(Command::Up) => page.go(page.below + 1),
            Some(Command::Down) => page.go(page.below.saturating_sub(1)),
            Some(Command::HalfPageUp) => page.go(page.below + half.div_ceil(2)),
            Some(Command::HalfPageDown) => page.go(page.below.saturating_sub(half.div_ceil(2))),
            Some(Command::PageUp) => page.go(page.below + half),
            Some(Command::PageDown) => page.go(page.below.saturating_sub(half)),
            Some(Command::Top) => page.go(usize::MAX),
            Some(Command::Bottom) => page.go(0),
            _ => {}
        },
    }
    if let Some(missed) = missed {
        state.notice = Some(Notice::Hint(missed));
    }
    Vec::new()
}
