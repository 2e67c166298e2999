//! Moving about on the deck: selection, order and filter of the apps.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use nucleo_matcher::{
    Config, Matcher,
    pattern::{CaseMatching, Normalization, Pattern},
};

use super::{
    super::{
        Command, Effect, Known, Notice, Panel, Sort, State,
        key::{Key, Name},
        state::Held,
    },
    is,
};
use crate::domain::{App, AppKey, Condition};

/// How many labels are asked for at a time.
const INCOMPLETE: usize = 8;

/// How long an app may lack instances before it moves up in the list: most are well again in a moment.
const BLIP: SignedDuration = SignedDuration::from_secs(10);

/// How long an app that is well again keeps its place, so that its end is seen where its way was watched.
const WELL: SignedDuration = SignedDuration::from_mins(1);

/// How much an app needs somebody, for the order of the list; one that is only held among those that do comes after
/// them.
fn need(known: &Known) -> (Condition, bool) {
    match known.held {
        Some(held) => (held.by, held.by.needs_attention() && !held.firm),
        None => (known.app.condition(), false),
    }
}

/// What a change of an app does to the row that it keeps.
pub(super) enum Hold {
    /// It is kept or not as before.
    Same,
    /// It goes to where it belongs.
    Release,
    /// It keeps its row, until then.
    Keep(Held),
}

impl Hold {
    pub(super) fn apply(self, held: &mut Option<Held>) {
        match self {
            Self::Same => {}
            Self::Release => *held = None,
            Self::Keep(keep) => match held {
                Some(known) if known.by != keep.by => {}
                _ => *held = Some(keep),
            },
        }
    }
}

/// Whether an app keeps its row, told by what it was and what it is now.
pub(super) fn hold(before: Option<&App>, app: &App, now: Timestamp) -> Hold {
    use Condition::{Cancelling, Degraded, Ok, Paused, Rolling, Slow, Stopped, Stuck};
    let (by, time) = match (before.map(App::condition), app.condition()) {
        (Some(Ok | Stopped), Degraded) => (Ok, BLIP),
        (Some(before), Ok | Stopped) if before.needs_attention() => (before, WELL),
        // Its rollout is over, and some instances are still on their way.
        (Some(before @ (Stuck | Slow | Rolling | Cancelling | Paused)), Degraded) => (before, WELL),
        (Some(Ok | Stopped), Ok | Stopped) | (_, Degraded) => return Hold::Same,
        _ => return Hold::Release,
    };
    Hold::Keep(Held { by, until: now.checked_add(time).unwrap_or(now), firm: false })
}

/// The rows of apps with an operation of ours keep their places from here on, until it is over.
pub(super) fn keep_places(state: &mut State) {
    for one in &state.running {
        if let Some(known) = state.apps.get_mut(&one.app) {
            let by = known.held.map_or_else(|| known.app.condition(), |held| held.by);
            let until = state.now.checked_add(WELL).unwrap_or(state.now);
            known.held = Some(Held { by, until, firm: true });
        }
    }
}

/// Lets apps go to where they belong by now.
pub(super) fn tick(state: &mut State) {
    keep_places(state);
    let now = state.now;
    let mut moved = false;
    for (key, known) in &mut state.apps {
        let Some(held) = known.held else { continue };
        let looked_at = state.selected.as_ref() == Some(key) && held.by.needs_attention();
        if held.until <= now && !looked_at {
            known.held = None;
            moved = true;
        }
    }
    if moved {
        list(state);
    }
}

/// Lists the apps anew: filtered, ordered, with the selection kept.
pub(super) fn list(state: &mut State) {
    let before = state.selected_at();
    let off: HashSet<_> =
        state.targets.iter().filter(|one| one.off).map(|one| &one.target.id).collect();
    let active = |known: &&Known| {
        !off.contains(&known.app.target) && (!state.only_active || need(known).0.needs_attention())
    };
    let mut rows: Vec<(u32, &Known)> = if state.filter.is_empty() {
        state.apps.values().filter(active).map(|known| (0, known)).collect()
    } else {
        let mut matcher = Matcher::new(Config::DEFAULT);
        let pattern = Pattern::parse(&state.filter, CaseMatching::Smart, Normalization::Smart);
        let mut buffer = Vec::new();
        state
            .apps
            .values()
            .filter(active)
            .filter_map(|known| {
                let text = format!("{} {}", known.app.name, known.app.scope);
                let text = nucleo_matcher::Utf32Str::new(&text, &mut buffer);
                pattern.score(text, &mut matcher).map(|score| (score, known))
            })
            .collect()
    };
    // Two logins may reach the same app: the target is the last word.
    let exact = |a: &App, b: &App| (&a.id, &a.target).cmp(&(&b.id, &b.target));
    let pinned = &state.pinned;
    rows.sort_by(|(_, one), (_, other)| {
        let (a, b) = (&one.app, &other.app);
        // What is pinned comes first among its like.
        let pinned = || pinned.contains(&b.key()).cmp(&pinned.contains(&a.key()));
        let name = || a.name.cmp(&b.name).then_with(|| a.scope.cmp(&b.scope));
        match state.sort {
            Sort::Need => need(one).cmp(&need(other)).then_with(pinned).then_with(name),
            Sort::Name => pinned().then_with(name),
            Sort::Scope => pinned().then_with(|| a.scope.cmp(&b.scope)).then_with(name),
        }
        .then_with(|| exact(a, b))
    });
    if !state.filter.is_empty() {
        rows.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    }
    state.listed = rows.into_iter().map(|(_, known)| known.app.key()).collect();
    let here = state.selected.as_ref().is_some_and(|id| state.listed.contains(id));
    if here && state.chosen {
        return;
    }
    if state.chosen {
        // The selected one is gone: stay at the same place.
        let at = before.unwrap_or(0).min(state.listed.len().saturating_sub(1));
        state.selected = state.listed.get(at).cloned();
    } else {
        let first = state.listed.first();
        let calm = first.and_then(|key| state.apps.get(key));
        let calm = calm.is_some_and(|known| !need(known).0.needs_attention());
        // Who comes back finds the app that they left, unless something needs them more.
        let last = state.last.as_ref().filter(|key| calm && state.listed.contains(key));
        state.selected = last.or(first).cloned();
    }
    forget_choice(state);
}

/// Apps about the selection of which something is not known yet.
pub(super) fn incomplete(state: &State) -> Vec<AppKey> {
    let rows = usize::from(state.size.1 / 2);
    let first = state.selected_at().unwrap_or(0).saturating_sub(rows);
    let in_sight = state.listed.iter().skip(first).take(rows * 2);
    let is_incomplete = |id: &&AppKey| {
        state.apps.get(*id).is_some_and(|known| {
            let nameless = known.app.deployed.as_ref().is_some_and(|of| of.label.is_none());
            nameless || known.app.instances.running.is_none()
        })
    };
    in_sight.filter(is_incomplete).take(INCOMPLETE).cloned().collect()
}

/// What was chosen for one app does not hold for another.
fn forget_choice(state: &mut State) {
    state.revision = None;
    state.marked = None;
    state.scrolled = 0;
}

pub(super) fn dispatch(state: &mut State, command: Command) {
    match command {
        Command::NextPanel => state.panel = turn(state.panel, 1),
        Command::PreviousPanel => state.panel = turn(state.panel, 2),
        Command::Open | Command::RevisionsPanel => state.panel = Panel::Revisions,
        Command::AppsPanel => state.panel = Panel::Apps,
        Command::RolloutPanel => state.panel = Panel::Rollout,
        Command::Zoom => state.zoomed = !state.zoomed,
        Command::Back => back(state),
        Command::Filter => {
            if !state.filtering && state.filter.is_empty() {
                state.before_filter = state.selected.clone().map(|key| (key, state.chosen));
            }
            state.filtering = true;
            state.panel = Panel::Apps;
        }
        Command::OnlyActive => {
            state.only_active = !state.only_active;
            list(state);
        }
        Command::Sort => {
            state.sort = match state.sort {
                Sort::Need => Sort::Name,
                Sort::Name => Sort::Scope,
                Sort::Scope => Sort::Need,
            };
            list(state);
        }
        Command::Pin => pin(state),
        Command::Mark => state.marked = state.selected_revision().map(|one| one.id.clone()),
        moving => step(state, moving),
    }
}

fn pin(state: &mut State) {
    let Some(key) = state.selected.clone() else { return };
    let name = state.app().map(|app| app.name.clone()).unwrap_or_default();
    let pinned = !state.pinned.remove(&key);
    if pinned {
        state.pinned.insert(key);
    }
    let what = if pinned { "is pinned above its like" } else { "is pinned no more" };
    state.notice = Some(Notice::Hint(format!("{name} {what}")));
    // It moves, and stays selected.
    state.chosen = true;
    list(state);
}

fn turn(panel: Panel, by: usize) -> Panel {
    let panels = [Panel::Apps, Panel::Revisions, Panel::Rollout];
    let at = panels.iter().position(|one| *one == panel).unwrap_or(0);
    panels[(at + by) % panels.len()]
}

fn back(state: &mut State) {
    if state.notice.take().is_some() {
        return;
    }
    if !state.filter.is_empty() {
        state.filter.clear();
        list(state);
        return;
    }
    if state.zoomed {
        state.zoomed = false;
        return;
    }
    state.panel = Panel::Apps;
}

/// How far a command moves within `length` rows from `at`.
pub(super) fn moved(command: Command, at: usize, length: usize, page: usize) -> usize {
    let last = length.saturating_sub(1);
    let to = match command {
        Command::Up => at.saturating_sub(1),
        Command::Down => at + 1,
        Command::HalfPageUp => at.saturating_sub(page.div_ceil(2)),
        Command::HalfPageDown => at + page.div_ceil(2),
        Command::PageUp => at.saturating_sub(page),
        Command::PageDown => at + page,
        Command::Top => 0,
        Command::Bottom => last,
        _ => at,
    };
    to.min(last)
}

/// Selects an app, as the operator's own choice.
pub(super) fn select(state: &mut State, app: AppKey) {
    state.chosen = true;
    state.last = Some(app.clone());
    if state.selected.as_ref() != Some(&app) {
        state.selected = Some(app);
        forget_choice(state);
    }
}

fn step(state: &mut State, command: Command) {
    let rows = if state.zoomed { state.size.1.saturating_sub(4) } else { state.size.1 / 3 };
    let page = usize::from(rows).max(1);
    match state.panel {
        Panel::Apps => {
            let at = state.selected_at().unwrap_or(0);
            let to = moved(command, at, state.listed.len(), page);
            if let Some(id) = state.listed.get(to).cloned() {
                select(state, id);
            }
        }
        Panel::Revisions => {
            let Some(history) = state.history() else { return };
            let at = state.selected_revision().map(|one| one.id.clone());
            let at =
                history.revisions.iter().position(|one| Some(&one.id) == at.as_ref()).unwrap_or(0);
            let to = moved(command, at, history.revisions.len(), page);
            state.revision = history.revisions.get(to).map(|one| one.id.clone());
            // Whoever chooses a revision has chosen its app.
            state.chosen = true;
        }
        Panel::Rollout => {
            state.scrolled = moved(command, usize::from(state.scrolled), 200, page) as u16;
        }
    }
}

/// A key while the filter is typed.
pub(super) fn type_filter(state: &mut State, key: Key) {
    if is(key, Name::Enter) {
        state.filtering = false;
        return;
    }
    if is(key, Name::Esc) {
        state.filtering = false;
        state.filter.clear();
        list(state);
        // Who leaves the filter wanted nothing of it: keys mean the app that they meant before.
        if let Some((key, chosen)) = state.before_filter.take()
            && state.apps.contains_key(&key)
        {
            if state.selected.as_ref() != Some(&key) {
                state.selected = Some(key);
                forget_choice(state);
            }
            state.chosen = chosen;
        }
        return;
    } else if is(key, Name::Backspace) {
        if state.filter.pop().is_none() {
            state.filtering = false;
        }
    } else if let Some(letter) = key.typed() {
        state.filter.push(letter);
        // What is typed for decides what is selected.
        state.chosen = false;
    } else if let Some(
        command @ (Command::Up | Command::Down | Command::PageUp | Command::PageDown),
    ) = state.keymap.deck(key)
    {
        step(state, command);
        return;
    } else {
        return;
    }
    list(state);
    state.chosen = state.selected.is_some() && !state.filter.is_empty();
}

pub(super) fn copy(state: &State) -> Vec<Effect> {
    let text = match state.panel {
        Panel::Revisions => state.selected_revision().map(|one| one.id.to_string()),
        _ => state.app().map(|app| app.name.clone()),
    };
    text.map(|text| Effect::Copy { shown: text.clone(), text }).into_iter().collect()
}
