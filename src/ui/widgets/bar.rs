//! Bars and instances.

use ratatui::text::Span;

use super::super::{
    glyphs::Glyphs,
    theme::{Role, Theme},
};
use crate::domain::{InstanceState, Side};

/// The glyph and the role of an instance.
pub(crate) fn glyph(glyphs: &Glyphs, state: InstanceState, side: Role) -> (char, Role) {
    match state {
        InstanceState::Running => (glyphs.running, side),
        InstanceState::NotReady => (glyphs.half, Role::Warn),
        InstanceState::Starting => (glyphs.starting, side),
        InstanceState::Crashed => (glyphs.crashed, Role::Bad),
        InstanceState::Down => (glyphs.down, Role::Bad),
        InstanceState::Stopping => (glyphs.down, Role::Dim),
        InstanceState::Unknown => (glyphs.unknown, Role::Dim),
    }
}

/// A side as a bar: what runs, what is on its way, what is broken, and the room up to the wanted number.
///
/// While there are no more instances than columns each has one of its own.
pub(crate) fn bar(
    theme: &Theme,
    side: &Side,
    role: Role,
    wanted: u32,
    width: usize,
) -> Vec<Span<'static>> {
    let glyphs = &theme.glyphs;
    let span = |glyph: char, count: usize, role: Role| {
        Span::styled(glyph.to_string().repeat(count), theme.style(role))
    };
    let Some(instances) = &side.instances else {
        return vec![span(glyphs.unknown, width.min(side.desired as usize).max(1), Role::Dim)];
    };
    let total = (wanted.max(side.desired).max(instances.len() as u32) as usize).max(1);
    let order = |state: InstanceState| match state {
        InstanceState::Running => 0,
        InstanceState::NotReady => 1,
        InstanceState::Starting => 2,
        InstanceState::Crashed => 3,
        InstanceState::Down => 4,
        InstanceState::Stopping => 5,
        InstanceState::Unknown => 6,
    };
    let mut states: Vec<_> = instances.iter().map(|one| one.state).collect();
    states.sort_by_key(|state| order(*state));
    let columns = total.min(width);
    let mut spans = Vec::new();
    let mut shown = Vec::with_capacity(columns);
    for column in 0..columns {
        // The instance in the middle of what this column stands for.
        let at = (column * 2 + 1) * total / (columns * 2);
        shown.push(states.get(at).copied());
    }
    // Neither the last instances of a side nor a broken one are ever lost to rounding.
    if let (Some(first), Some(one)) = (shown.first_mut(), states.first()) {
        first.get_or_insert(*one);
    }
    if let (Some(bad), true) = (states.iter().find(|state| state.bad()), columns > 1) {
        let filled = shown.iter().filter(|one| one.is_some()).count();
        if !shown.iter().flatten().any(|state| state.bad()) {
            let at = filled.min(columns - 1);
            shown[at] = Some(*bad);
        }
    }
    for state in shown {
        let (mark, role) = match state {
            Some(InstanceState::Running) => (glyphs.full, role),
            Some(state) => glyph(glyphs, state, role),
            None => (glyphs.empty, role),
        };
        spans.push(span(mark, 1, role));
    }
    if columns < width {
        spans.push(Span::raw(" ".repeat(width - columns)));
    }
    spans
}

/// Values from 0 to `most` as a line of little columns, the newest at the right.
pub(crate) fn levels(glyphs: &Glyphs, values: &[u32], most: u32, width: usize) -> String {
    let from = values.len().saturating_sub(width);
    values[from..]
        .iter()
        .map(|value| match value {
            0 => ' ',
            value => {
                let step = (value * 8).div_ceil(most.max(1)).clamp(1, 8) as usize;
                glyphs.levels[step - 1]
            }
        })
        .collect()
}
