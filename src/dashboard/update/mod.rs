//! One event in, the new state and effects out.

mod deck;
pub mod dialogs;
pub mod diff_preview;
mod instances;
mod logs;
mod mouse;
pub mod plans;
mod reports;
mod running;
pub mod targets;
mod wide;

pub use running::begin;

#[cfg(test)]
mod around_tests;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod running_tests;
#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::domain::Verb;

use super::{
    Command, Effect, Event, State, guard,
    key::{Code, Key, Name},
    notify,
    state::Notice,
};

/// The longest text that a paste may bring, in characters.
const PASTE: usize = 4_000;

/// Takes one event at a time of the clock.
#[must_use = "what an effect asks for is waited for: one that is dropped is never answered"]
pub fn update(state: &mut State, event: Event, at: Timestamp) -> Vec<Effect> {
    state.now = state.now.max(at);
    let mut effects = match event {
        Event::Key(key) => {
            state.notifying.pressed_at = Some(state.now);
            press(state, key)
        }
        Event::Mouse { spot, at, gesture } => mouse::apply(state, &spot, at, gesture),
        Event::Focus(focused) => {
            state.notifying.focused = Some(focused);
            Vec::new()
        }
        Event::Paste(text) => paste(state, &text),
        Event::Resize(columns, rows) => {
            state.size = (columns, rows);
            Vec::new()
        }
        Event::Copied { shown, how } => {
            answer(state, format!("{shown}   ({})", how.words()));
            Vec::new()
        }
        Event::Painted => {
            plans::painted(state);
            Vec::new()
        }
        Event::Tick => {
            deck::tick(state);
            let mut effects = running::tick(state);
            effects.extend(instances::tick(state));
            effects.extend(wide::tick(state));
            effects
        }
        Event::Report { target, report } => reports::apply(state, &target, report),
        Event::Capabilities { target, capabilities } => {
            if let Some(known) = state.target_state_mut(&target) {
                known.capabilities = capabilities;
            }
            Vec::new()
        }
        Event::Planned { id, plan } => {
            plans::planned(state, id, *plan);
            Vec::new()
        }
        Event::Progress { id, line, replaces } => {
            running::progress(state, id, line, replaces);
            Vec::new()
        }
        Event::Accepted { id, receipt } => running::accepted(state, id, *receipt),
        Event::NotTakenUp { id, receipt, why } => running::not_taken_up(state, id, *receipt, why),
        Event::EndedElsewhere { id, outcome } => running::ended_elsewhere(state, id, outcome),
        Event::NoJournal { id, why } => running::no_journal(state, id, &why),
        Event::Ended { id, outcome } => running::ended(state, id, outcome),
        Event::Settled { id, settlement } => running::settled(state, id, *settlement),
        Event::Details { id, details } => {
            if !diff_preview::apply(state, id, &details) {
                dialogs::details(state, id, *details);
            }
            Vec::new()
        }
        Event::Instances { id, app, reading } => {
            instances::apply(state, id, &app, *reading);
            notify::judged(state, &app).into_iter().collect()
        }
        Event::Journalled { failed } => {
            if let Some(why) = failed {
                running::unwritten(state, &why);
            }
            Vec::new()
        }
        Event::Shell { id, shell } => instances::shell(state, id, shell),
        Event::ShellEnded { text } => {
            state.notice = Some(Notice::Hint(text));
            Vec::new()
        }
        Event::Written { what, file } => {
            let text = match file {
                Ok(file) => format!("{what}: {file}"),
                Err(problem) => format!("no {what} was written: {}", problem.text),
            };
            answer(state, text);
            Vec::new()
        }
        Event::Log { id, batch } => {
            logs::take(state, id, batch);
            Vec::new()
        }
        Event::LogEnded { id, how } => {
            logs::ended(state, id, how);
            Vec::new()
        }
        Event::Events { id, events } => {
            dialogs::events(state, id, events);
            Vec::new()
        }
    };
    effects.extend(diff_preview::follow(state));
    let incomplete = deck::incomplete(state);
    if state.attention.focus != state.selected || state.attention.incomplete != incomplete {
        state.attention.focus.clone_from(&state.selected);
        state.attention.incomplete = incomplete;
        effects.push(Effect::Attention(state.attention.clone()));
    }
    effects
}

/// A key goes to the top dialog, then to the filter, then to the deck.
fn press(state: &mut State, key: Key) -> Vec<Effect> {
    let command = state.keymap.deck(key);
    let hard = key.ctrl && matches!(key.code, Code::Char('c' | 'z'));
    if hard {
        // These two work everywhere, even while text is typed.
        match command {
            Some(Command::Quit) => return quit(state),
            Some(Command::Suspend) => return vec![Effect::Suspend],
            _ => {}
        }
    }
    if !state.layers.is_empty() {
        return dialogs::press(state, key);
    }
    // From the first key on the selection stays where it is, whatever the order does.
    state.chosen |= state.selected.is_some();
    if state.filtering {
        deck::type_filter(state, key);
        return Vec::new();
    }
    match command {
        Some(command) => dispatch(state, command, Some(key)),
        None => Vec::new(),
    }
}

/// Carries out a command of the deck, by key or from the palette.
fn dispatch(state: &mut State, command: Command, key: Option<Key>) -> Vec<Effect> {
    if let Err(reason) = guard::can(state, command) {
        state.notice = Some(Notice::Hint(reason));
        return Vec::new();
    }
    if matches!(state.notice, Some(Notice::Hint(_))) {
        state.notice = None;
    }
    match command {
        Command::Quit => return quit(state),
        Command::WithoutJournal => {
            let text = "from here on nothing is written into the journal".to_owned();
            state.notice = Some(Notice::Hint(text));
            running::without_journal(state);
            return vec![Effect::WithoutJournal];
        }
        Command::Suspend => return vec![Effect::Suspend],
        Command::Deploy => dialogs::open_form(state, Verb::Deploy),
        Command::Scale => dialogs::open_form(state, Verb::Scale),
        Command::RestartInstance | Command::Shell => return instances::open(state),
        Command::StopOrStart => {
            let Some(verb) = guard::verb(state, command) else { return Vec::new() };
            // Where nothing but the journal knows how many there were, they can be said.
            let asks = state.app().is_some_and(|app| !app.platform.options(verb).is_empty());
            if asks {
                dialogs::open_form(state, verb);
            } else {
                return plans::open_verb(state, verb, key);
            }
        }
        changing if !changing.verbs().is_empty() => return plans::open(state, changing, key),
        Command::Diff => return dialogs::open_diff(state),
        Command::Open if state.panel == super::Panel::Revisions => {
            return dialogs::open_diff(state);
        }
        Command::Open if state.panel == super::Panel::Rollout => {
            return dialogs::open_events(state);
        }
        Command::Events => return dialogs::open_events(state),
        Command::Instances => return instances::open(state),
        Command::Logs => return logs::open(state, None),
        Command::Notify => {
            let Some(app) = state.app() else { return Vec::new() };
            let (key, name) = (app.key(), app.name.clone());
            let muted = !state.notifying.muted.remove(&key);
            let what = if muted {
                state.notifying.muted.insert(key);
                "nothing is said"
            } else {
                "it is said when something happens"
            };
            state.notice = Some(Notice::Hint(format!("{name}: {what}")));
        }
        Command::Incident => {
            let app = state.known().map(|known| Effect::Incident {
                app: known.app.key(),
                seen: known.seen.iter().cloned().collect(),
            });
            state.notice = Some(Notice::Hint("writing the record of the last hour …".to_owned()));
            return app.into_iter().collect();
        }
        Command::Mouse => {
            state.mouse.on = !state.mouse.on;
            let text = if state.mouse.on {
                "the mouse selects and scrolls; pages and plans leave it to the terminal"
            } else {
                "the mouse is the terminal's"
            };
            state.notice = Some(Notice::Hint(text.to_owned()));
        }
        Command::Targets => targets::open(state),
        Command::Help => state.layers.push(super::dialog::Layer::Help { scroll: 0 }),
        Command::Palette => state.layers.push(palette()),
        Command::Copy => {
            // Who goes on with another key has read how an operation ended.
            state.notice = None;
            return deck::copy(state);
        }
        Command::Refresh => {
            state.attention.nudge += 1;
            return vec![Effect::Attention(state.attention.clone())];
        }
        other => deck::dispatch(state, other),
    }
    Vec::new()
}

/// Says what became of a key. Where an operation has ended meanwhile that is worth more, and this waits.
fn answer(state: &mut State, text: String) {
    if matches!(state.notice, Some(Notice::Outcome(_))) {
        state.waiting.push_back(Notice::Hint(text));
        running::show(state);
    } else {
        state.notice = Some(Notice::Hint(text));
    }
}

/// An empty palette.
fn palette() -> super::dialog::Layer {
    super::dialog::Layer::Palette { text: String::new(), at: 0 }
}

/// Leaves; while something is being sent only when asked twice, since its answer would go unheard.
fn quit(state: &mut State) -> Vec<Effect> {
    let sending = state.running.iter().find(|one| one.receipt.is_none());
    match sending {
        Some(own) if !state.leaving => {
            let key = state.keymap.hint(Command::Quit);
            state.notice = Some(Notice::Hint(format!(
                "your {} of {} is being sent: {key} again leaves, and `revdeck resume` follows it",
                own.verb.words(),
                own.name
            )));
            state.leaving = true;
            Vec::new()
        }
        _ => vec![Effect::Quit],
    }
}

/// Pasted text goes where text is typed, and nowhere else: it never works as keys.
fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let text: String = text.chars().filter(|letter| !letter.is_control()).take(PASTE).collect();
    if dialogs::paste(state, &text) {
        return Vec::new();
    }
    if state.filtering && state.layers.is_empty() {
        state.filter.push_str(&text);
        deck::list(state);
    }
    Vec::new()
}

/// Whether a key is this named one.
fn is(key: Key, name: Name) -> bool {
    key == Key::named(name)
}
