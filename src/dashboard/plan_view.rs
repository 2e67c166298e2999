//! A plan laid out for the screen. The heart needs it too: only a plan that was on screen whole can be confirmed.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::dialog::PlanDialog;
use crate::domain::{Plan, RevisionSummary};

/// The width of the labels.
const LABEL: usize = 8;

/// A plan in lines, and how many of them are visible at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanView {
    /// Label and text; the label is empty on continued lines.
    pub lines: Vec<(String, String)>,
    /// How many lines fit.
    pub height: usize,
    /// Columns of the dialog, borders included.
    pub width: u16,
}

impl PlanView {
    /// How far it can be scrolled.
    pub fn most(&self) -> usize {
        self.lines.len().saturating_sub(self.height)
    }
}

/// Lays a plan dialog out for a terminal of this size.
pub fn lay_out(dialog: &PlanDialog, size: (u16, u16)) -> PlanView {
    let width = size.0.saturating_sub(2).clamp(20, 110);
    let text_width = usize::from(width).saturating_sub(LABEL + 5).max(8);
    let mut lines = Vec::new();
    if let Some(Ok(plan)) = &dialog.plan {
        for (label, text) in rows(plan, dialog.reveal) {
            let mut label = label.to_owned();
            for line in wrap(&text, text_width) {
                lines.push((std::mem::take(&mut label), line));
            }
        }
    }
    // Borders, the line for the reason, an empty one and the keys.
    let height = usize::from(size.1).saturating_sub(6).max(1);
    PlanView { lines, height, width }
}

/// The rows of a plan, shorter than the dry run: differences share a line while they are masked, calls are left out.
fn rows(plan: &Plan, reveal: bool) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(refused) = &plan.refused {
        rows.push(("REFUSED", refused.clone()));
    }
    if !plan.way.is_empty() {
        rows.push(("way", plan.way.clone()));
    }
    let end = |end: &RevisionSummary| {
        let parts = [Some(end.name.clone()), end.artifact.clone(), end.remark.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
    };
    rows.extend(plan.from.as_ref().map(|from| ("from", end(from))));
    rows.extend(plan.to.as_ref().map(|to| ("to", end(to))));
    if reveal {
        rows.extend(
            plan.differs
                .iter()
                .map(|one| ("differs", format!("{} {}", one.group.word(), one.line(true)))),
        );
    } else if !plan.differs.is_empty() {
        let names: Vec<_> = plan
            .differs
            .iter()
            .map(|one| {
                if one.secret {
                    format!("{} (value hidden)", one.key)
                } else {
                    format!("{} {}", one.group.word(), one.key)
                }
            })
            .collect();
        rows.push(("differs", names.join(" · ")));
    }
    rows.extend(plan.capacity.iter().map(|line| ("runs", line.clone())));
    rows.extend(plan.notes.iter().map(|note| match note {
        crate::domain::Note::Info(text) => ("note", text.clone()),
        crate::domain::Note::Warning(text) => ("WARNING", text.clone()),
    }));
    if let Some(first) = plan.by_hand.first() {
        let more = if plan.by_hand.len() > 1 {
            format!("  (+{} more, Y copies)", plan.by_hand.len() - 1)
        } else {
            String::new()
        };
        rows.push(("by hand", format!("{first}{more}")));
    }
    rows
}

/// Breaks text into lines of at most this many columns, at spaces where it can.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last().map_or(0, |line| line.width());
        if last > 0 && last + 1 + word.width() <= width {
            if let Some(line) = lines.last_mut() {
                line.push(' ');
                line.push_str(word);
            }
            continue;
        }
        if last > 0 {
            lines.push(String::new());
        }
        for letter in word.chars() {
            let full =
                lines.last().is_some_and(|line| line.width() + letter.width().unwrap_or(0) > width);
            if full {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(letter);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wrapping_loses_nothing_and_fits(text in "[a-z 在庫é]{0,200}", width in 2_usize..60) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.width() <= width));
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(&lines.concat()), bare(&text));
        }
    }
}
