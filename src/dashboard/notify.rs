//! A word when it matters: what an operator who looks elsewhere should hear of, once.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::{Effect, State};
use crate::domain::{App, AppKey, Condition, Outcome};

/// For so long after a key somebody looks at the screen, where the terminal does not say so.
const LOOKS: SignedDuration = SignedDuration::from_secs(20);

/// How a message reaches the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Message {
    /// Not at all.
    #[default]
    None,
    /// OSC 9, as iTerm2 and Windows Terminal have it.
    Osc9,
    /// OSC 777, as rxvt, foot and VTE have it.
    Osc777,
}

/// How somebody is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// Whether the terminal's title says what needs somebody most.
    pub title: bool,
    /// Whether the bell rings.
    pub bell: bool,
    /// How a message reaches the terminal.
    pub message: Message,
    /// A program and its arguments; the text is in a variable, and no shell is in between.
    pub command: Vec<String>,
}

/// What is known of who looks, and of what they do not want to hear.
#[derive(Clone, Debug, Default)]
pub struct Notifying {
    /// Whether the terminal has the focus; `None` where it does not tell.
    pub focused: Option<bool>,
    /// When the last key was pressed.
    pub(super) pressed_at: Option<Timestamp>,
    /// Apps of which nothing is told.
    pub(super) muted: HashSet<AppKey>,
    /// Apps whose new side was called worse, with the rollout of which that was said.
    pub(super) worse: HashSet<(AppKey, String)>,
}

impl State {
    /// Whether nothing is told of an app.
    pub fn muted(&self, app: &AppKey) -> bool {
        self.notifying.muted.contains(app)
            || self.target_state(&app.target).is_some_and(|target| target.off)
    }

    /// Whether somebody sees what happens to an app anyway: it is selected, and they look.
    fn seen(&self, app: &AppKey) -> bool {
        let pressed = self.notifying.pressed_at;
        let lately = pressed.is_some_and(|at| self.now.duration_since(at) < LOOKS);
        self.selected.as_ref() == Some(app) && self.notifying.focused.unwrap_or(lately)
    }

    /// What the terminal is called: what needs somebody most, or the program alone. Of several alike it is the first row;
    /// what a filter hides counts as well.
    pub fn title(&self) -> String {
        let rows = self.listed.iter().filter_map(|key| self.apps.get(key));
        let worst = rows.chain(self.apps.values()).map(|known| &known.app);
        let worst =
            worst.filter(|app| matters(app) && !self.is_off(app)).min_by_key(|app| app.condition());
        match worst {
            Some(app) => {
                format!("{} {} · revdeck", app.condition().word().to_uppercase(), app.name)
            }
            None => "revdeck".to_owned(),
        }
    }
}

fn matters(app: &App) -> bool {
    matches!(app.condition(), Condition::Stuck | Condition::Down)
}

fn tell(state: &State, app: &AppKey, text: String) -> Option<Effect> {
    let quiet = state.muted(app) || state.seen(app);
    (!quiet).then_some(Effect::Notify(text))
}

/// What to say of an app that has changed; nothing of one that was not known before.
pub(super) fn changed(state: &State, before: &App, after: &App) -> Option<Effect> {
    let (was, is) = (before.condition(), after.condition());
    if was == is {
        return None;
    }
    // An operation of ours says itself how it ends.
    let ours = state.running.iter().any(|one| one.app == after.key());
    let text = match is {
        Condition::Stuck => {
            let why = after.rollout.as_ref().and_then(|one| one.stuck.as_ref());
            let why = why.map(|stuck| format!(": {}", stuck.why)).unwrap_or_default();
            format!("STUCK {}{why}", after.name)
        }
        Condition::Down => format!("DOWN {}: none of its instances runs", after.name),
        Condition::Paused if after.rollout.is_some() && !ours => {
            format!("{} waits for somebody to let it go on", after.name)
        }
        _ => return None,
    };
    tell(state, &after.key(), text)
}

/// What to say of an operation of ours that has ended.
pub(super) fn ended(state: &State, app: &AppKey, outcome: &Outcome) -> Option<Effect> {
    tell(state, app, format!("{} {}", outcome.word(), outcome.text()))
}

/// What to say where the new side of a rollout turns out to be worse: once a rollout.
pub(super) fn judged(state: &mut State, app: &AppKey) -> Option<Effect> {
    let known = state.apps.get(app)?;
    let verdict = known.verdict(&state.thresholds, state.now)?;
    let rollout = known.app.rollout.as_ref()?.id.to_string();
    let name = known.app.name.clone();
    if verdict.judgement != crate::domain::Judgement::Worse
        || !state.notifying.worse.insert((app.clone(), rollout))
    {
        return None;
    }
    tell(state, app, format!("WORSE {name}: {}", verdict.why()))
}
