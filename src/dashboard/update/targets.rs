//! Where to look: how much of the logins, and which of them.

use super::{
    super::{
        Command, Effect, State, TargetState,
        dialog::{Layer, TargetsDialog},
        key::{Key, Name},
    },
    deck, is,
};
use crate::domain::Scope;

/// Where to look, in the order of the dialog.
pub const SCOPES: [Scope; 3] = [Scope::Home, Scope::Organization, Scope::Everything];

pub(super) fn open(state: &mut State) {
    let at = SCOPES.iter().position(|scope| scope == state.scope()).unwrap_or(0);
    let dialog = TargetsDialog { at, search: String::new(), typing: false };
    state.layers.push(Layer::Targets(dialog));
}

/// The logins that the dialog lists, by their place among all.
pub fn found(state: &State, search: &str) -> Vec<usize> {
    let words: Vec<_> = search.split_whitespace().map(str::to_lowercase).collect();
    let has = |one: &TargetState| {
        let target = &one.target;
        let text = format!(
            "{} {} {} {} {}",
            target.platform.name,
            target.id,
            one.scope_label(),
            target.api,
            target.user
        );
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let all = state.targets.iter().enumerate();
    all.filter(|(_, one)| has(one)).map(|(at, _)| at).collect()
}

/// A key in the dialog.
pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    let moving = state.keymap.deck(key);
    let page = usize::from(state.size.1 / 2).max(1);
    let Some(Layer::Targets(dialog)) = state.layers.last() else { return Vec::new() };
    let mut dialog = dialog.clone();
    let listed = found(state, &dialog.search);
    let rows = SCOPES.len() + listed.len();
    let mut effects = Vec::new();
    if dialog.typing {
        if is(key, Name::Esc) {
            dialog.search.clear();
            dialog.typing = false;
        } else if is(key, Name::Enter) {
            dialog.typing = false;
        } else if is(key, Name::Backspace) {
            dialog.search.pop();
        } else if let Some(letter) = key.typed() {
            dialog.search.push(letter);
        }
    } else if is(key, Name::Esc) && !dialog.search.is_empty() {
        dialog.search.clear();
    } else if is(key, Name::Esc) {
        state.layers.pop();
        return Vec::new();
    } else if is(key, Name::Enter) || is(key, Name::Space) {
        match dialog.at.checked_sub(SCOPES.len()) {
            Some(login) => {
                if let Some(one) = listed.get(login).and_then(|at| state.targets.get_mut(*at)) {
                    one.off = !one.off;
                    deck::list(state);
                }
            }
            None => {
                let scope = SCOPES[dialog.at].clone();
                state.layers.pop();
                if scope != state.attention.scope {
                    state.attention.scope = scope;
                    effects.push(Effect::Attention(state.attention.clone()));
                }
                return effects;
            }
        }
    } else {
        match moving {
            Some(Command::Filter) => dialog.typing = true,
            Some(Command::Targets) => dialog.at = (dialog.at + 1) % rows,
            Some(command) => dialog.at = deck::moved(command, dialog.at, rows, page),
            None => {}
        }
    }
    let rows = SCOPES.len() + found(state, &dialog.search).len();
    dialog.at = dialog.at.min(rows - 1);
    if !dialog.search.is_empty() {
        // Who looks for a login that is not there chooses nothing else by that.
        dialog.at = dialog.at.max(SCOPES.len());
    }
    if let Some(Layer::Targets(shown)) = state.layers.last_mut() {
        *shown = dialog;
    }
    effects
}
