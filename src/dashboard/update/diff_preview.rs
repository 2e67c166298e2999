//! What would change, shown beside the revisions where there is room for it.

use jiff::SignedDuration;

use super::super::{Effect, State, dialog::DiffPreview};
use crate::domain::{Detail, Problem, differences};

/// The smallest terminal that has room, in columns and rows.
const ROOM: (u16, u16) = (120, 36);
/// How long the selection rests before the configurations are read.
const REST: SignedDuration = SignedDuration::from_millis(300);
/// How many comparisons are kept: a revision does not change any more.
const KEPT: usize = 30;

/// The comparison that belongs to the selection, if it is there or on its way.
pub fn current(state: &State) -> Option<&DiffPreview> {
    let (from, to) = pair(state)?;
    let app = state.selected.as_ref()?;
    state.diff_previews.iter().find(|one| one.app == *app && one.from == from && one.to == to)
}

fn pair(state: &State) -> Option<(crate::domain::RevisionId, crate::domain::RevisionId)> {
    if state.size.0 < ROOM.0 || state.size.1 < ROOM.1 {
        return None;
    }
    let from = state.history()?.revisions.iter().find(|one| one.deployed)?;
    let to = state.selected_revision()?;
    (from.id != to.id).then(|| (from.id.clone(), to.id.clone()))
}

/// Asks for the comparison that the selection has rested on.
pub(super) fn follow(state: &mut State) -> Vec<Effect> {
    let Some((from, to)) = pair(state) else {
        state.resting = None;
        return Vec::new();
    };
    if current(state).is_some() {
        state.resting = None;
        return Vec::new();
    }
    let since = match &state.resting {
        Some((on, since)) if *on == to => *since,
        _ => {
            state.resting = Some((to, state.now));
            return Vec::new();
        }
    };
    if state.now.duration_since(since) < REST || !state.live() {
        return Vec::new();
    }
    let Some(app) = state.selected.clone() else { return Vec::new() };
    state.resting = None;
    let label = |id| {
        let revisions = &state.history()?.revisions;
        revisions.iter().find(|one| &one.id == id).map(|one| one.label.clone())
    };
    let labels = (label(&from).unwrap_or_default(), label(&to).unwrap_or_default());
    let id = state.fresh_id();
    if state.diff_previews.len() >= KEPT {
        state.diff_previews.pop_front();
    }
    state.diff_previews.push_back(DiffPreview {
        id,
        app: app.clone(),
        from: from.clone(),
        to: to.clone(),
        labels,
        found: None,
    });
    vec![Effect::Details { id, app, from, to }]
}

/// Takes an answer; `false` where it was for somebody else.
pub(super) fn apply(
    state: &mut State,
    id: u64,
    details: &Result<(Detail, Detail), Problem>,
) -> bool {
    let Some(at) = state.diff_previews.iter().position(|one| one.id == id) else { return false };
    match details {
        Ok((from, to)) => {
            state.diff_previews[at].found = Some((differences(from, to), to.hidden.clone()));
        }
        // It is asked for again when the selection comes back to it.
        Err(_) => drop(state.diff_previews.remove(at)),
    }
    true
}
