//! Dialogs other than plans.

use super::{
    super::{
        Command, Effect, State,
        dialog::{DeployDialog, DiffDialog, Layer, Page},
        key::{Key, Name},
        keymap::COMMANDS,
        state::Notice,
    },
    deck, dispatch, instances, is, logs, plans, targets,
};
use crate::domain::{AppEvent, Detail, OptionSpec, Problem, Verb, differences};

/// Opens the form of a verb's options.
pub(super) fn open_form(state: &mut State, verb: Verb) {
    let Some(app) = state.app() else { return };
    let mut fields = app.platform.options(verb);
    let takes = |name: &str| app.takes.is_empty() || app.takes.contains(&name);
    let fits =
        |field: &OptionSpec| (!field.artifact || takes(field.name)) && field.with.is_none_or(takes);
    fields.retain(|field| verb != Verb::Deploy || fits(field));
    let dialog = DeployDialog {
        verb,
        app: app.key(),
        name: match verb {
            Verb::Scale => format!("{} (now {} wanted)", app.name, app.instances.desired),
            _ => app.name.clone(),
        },
        platform: app.platform,
        at: 0,
        values: vec![String::new(); fields.len()],
        fields,
        wrong: None,
    };
    state.layers.push(Layer::Deploy(Box::new(dialog)));
}

pub(super) fn open_diff(state: &mut State) -> Vec<Effect> {
    let (Some(app), Some(history)) = (state.app(), state.history()) else { return Vec::new() };
    let to = state.selected_revision();
    let marked =
        state.marked.as_ref().and_then(|id| history.revisions.iter().find(|one| &one.id == id));
    let serving = || history.revisions.iter().find(|one| one.deployed && !one.incoming);
    let from = marked.or_else(serving);
    let from = from.or_else(|| history.revisions.iter().find(|one| one.deployed));
    // What serves is selected: what the rollout brings is what it is compared with.
    let incoming = || history.revisions.iter().find(|one| one.incoming);
    let same = from.zip(to).is_some_and(|(from, to)| from.id == to.id);
    let to = if same { incoming().or(to) } else { to };
    let (Some(from), Some(to)) = (from, to) else {
        state.notice =
            Some(Notice::Hint("nothing is deployed: mark a revision to compare from".to_owned()));
        return Vec::new();
    };
    let (app, labels) = (app.key(), (from.label.clone(), to.label.clone()));
    let (from, to) = (from.id.clone(), to.id.clone());
    let id = state.fresh_id();
    state.layers.push(Layer::Diff(Box::new(DiffDialog {
        id,
        labels,
        found: None,
        reveal: false,
        scroll: 0,
    })));
    vec![Effect::Details { id, app, from, to }]
}

pub(super) fn open_events(state: &mut State) -> Vec<Effect> {
    let id = state.fresh_id();
    let Some(app) = state.app() else { return Vec::new() };
    let (app, name) = (app.key(), app.name.clone());
    let rows = state.known().and_then(|known| known.events.clone()).map(Ok);
    state.layers.push(Layer::Events(Page { id, app: app.clone(), name, rows, scroll: 0 }));
    vec![Effect::Events { id, app }]
}

pub(super) fn details(state: &mut State, id: u64, details: Result<(Detail, Detail), Problem>) {
    for layer in &mut state.layers {
        if let Layer::Diff(dialog) = layer
            && dialog.id == id
        {
            dialog.found = Some(details.map(|(from, to)| (differences(&from, &to), to.hidden)));
            return;
        }
    }
}

pub(super) fn events(state: &mut State, id: u64, events: Result<Vec<AppEvent>, Problem>) {
    for layer in &mut state.layers {
        if let Layer::Events(page) = layer
            && page.id == id
        {
            page.rows = Some(events);
            return;
        }
    }
}

/// The commands that a palette's text names, best first.
pub fn found(text: &str) -> Vec<(Command, &'static str, &'static str)> {
    let words: Vec<_> = text.to_lowercase().split_whitespace().map(str::to_owned).collect();
    COMMANDS
        .iter()
        .filter(|(_, table, ..)| *table == "deck")
        .filter(|(_, _, name, text)| {
            words.iter().all(|word| {
                name.contains(word.as_str()) || text.to_lowercase().contains(word.as_str())
            })
        })
        .map(|(command, _, name, text)| (*command, *name, *text))
        .collect()
}

/// A key in the top dialog.
pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    let moving = state.keymap.deck(key);
    let page = usize::from(state.size.1 / 2).max(1);
    let leaves = is(key, Name::Esc);
    // A hint was for the key before.
    if matches!(state.notice, Some(Notice::Hint(_))) {
        state.notice = None;
    }
    match state.layers.last_mut() {
        Some(Layer::Plan(_)) => return plans::press(state, key),
        Some(Layer::Instances(_)) => return instances::press(state, key),
        Some(Layer::Logs(_)) => return logs::press(state, key),
        Some(Layer::Targets(_)) => return targets::press(state, key),
        Some(Layer::Palette { text, at }) => {
            let rows = found(text);
            if leaves {
                state.layers.pop();
            } else if is(key, Name::Enter) {
                let command = rows.get(*at).map(|row| row.0);
                state.layers.pop();
                // What a page is of is what is meant there, and the deck may have another one selected by now.
                let page = match state.layers.last() {
                    Some(Layer::Instances(page)) => Some(&page.app),
                    Some(Layer::Logs(page)) => Some(&page.app),
                    _ => None,
                };
                if page.is_some_and(|app| state.selected.as_ref() != Some(app)) {
                    let text = "another app is selected on the deck: go back there first";
                    state.notice = Some(Notice::Hint(text.to_owned()));
                    return Vec::new();
                }
                return command
                    .map(|command| dispatch(state, command, Some(key)))
                    .unwrap_or_default();
            } else if is(key, Name::Up) || is(key, Name::Down) {
                *at = deck::moved(
                    if is(key, Name::Up) { Command::Up } else { Command::Down },
                    *at,
                    rows.len(),
                    page,
                );
            } else if is(key, Name::Backspace) {
                text.pop();
                *at = 0;
            } else if let Some(letter) = key.typed() {
                text.push(letter);
                *at = 0;
            }
        }
        Some(Layer::Deploy(dialog)) => {
            if leaves {
                state.layers.pop();
            } else if is(key, Name::Enter) {
                return finish_deploy(state, key);
            } else if is(key, Name::Tab) || is(key, Name::Down) {
                dialog.at = (dialog.at + 1) % dialog.fields.len().max(1);
            } else if is(key, Name::BackTab) || is(key, Name::Up) {
                let fields = dialog.fields.len().max(1);
                dialog.at = (dialog.at + fields - 1) % fields;
            } else if is(key, Name::Backspace) {
                dialog.value().pop();
            } else if key.ctrl && key.typed().is_none() && key.to_string() == "C-u" {
                dialog.value().clear();
            } else if let Some(letter) = key.typed() {
                dialog.value().push(letter);
            }
        }
        Some(Layer::Help { scroll }) => {
            let length = COMMANDS.len() + 6;
            match moving {
                Some(Command::Help | Command::Quit | Command::Back) => drop(state.layers.pop()),
                Some(command) => *scroll = deck::moved(command, *scroll, length, page),
                None => {}
            }
        }
        Some(Layer::Diff(dialog)) => {
            let reveals = state.keymap.plan(key) == Some(Command::Reveal);
            let length = dialog
                .found
                .as_ref()
                .and_then(|found| found.as_ref().ok())
                .map_or(0, |found| found.0.len());
            match moving {
                _ if reveals => dialog.reveal = !dialog.reveal,
                Some(Command::Diff | Command::Quit | Command::Back) => drop(state.layers.pop()),
                Some(command) => dialog.scroll = deck::moved(command, dialog.scroll, length, page),
                None => {}
            }
        }
        Some(Layer::Events(Page { scroll, rows, .. })) => {
            let length = rows.as_ref().and_then(|rows| rows.as_ref().ok()).map_or(0, Vec::len);
            match moving {
                Some(Command::Events | Command::Quit | Command::Back) => drop(state.layers.pop()),
                Some(Command::Refresh) => return again(state),
                Some(command) => *scroll = deck::moved(command, *scroll, length, page),
                None => {}
            }
        }
        None => {}
    }
    Vec::new()
}

/// Reads the rows of the top dialog again.
fn again(state: &State) -> Vec<Effect> {
    match state.layers.last() {
        Some(Layer::Events(Page { id, app, .. })) => {
            let (id, app) = (*id, app.clone());
            vec![Effect::Events { id, app }]
        }
        _ => Vec::new(),
    }
}

fn finish_deploy(state: &mut State, key: Key) -> Vec<Effect> {
    let Some(Layer::Deploy(mut dialog)) = state.layers.pop() else { return Vec::new() };
    match plans::deploy(state, &dialog, key) {
        Ok(effects) => effects,
        Err(wrong) => {
            dialog.wrong = Some(wrong);
            state.layers.push(Layer::Deploy(dialog));
            Vec::new()
        }
    }
}

/// Puts pasted text where text is typed; `false` where none is.
pub(super) fn paste(state: &mut State, text: &str) -> bool {
    match state.layers.last_mut() {
        Some(Layer::Palette { text: typed, .. }) => typed.push_str(text),
        Some(Layer::Deploy(dialog)) => dialog.value().push_str(text),
        Some(Layer::Plan(dialog)) => {
            if let Some(area) = &mut dialog.why {
                area.insert_str(text);
            }
        }
        Some(_) => {}
        None => return false,
    }
    true
}
