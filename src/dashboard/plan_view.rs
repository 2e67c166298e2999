//! A plan laid out for the screen. The heart needs it too: only a plan that was on screen whole can be confirmed.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::dialog::PlanDialog;
use crate::domain::PlanDetail;

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
    let width = size.0.clamp(20, 112);
    let text_width = usize::from(width).saturating_sub(LABEL + 5).max(8);
    let mut lines = Vec::new();
    if let Some(Ok(plan)) = &dialog.plan {
        for section in plan.sections(PlanDetail::Brief { reveal: dialog.reveal }) {
            let broken = if section.kind.preformatted() { fold } else { wrap };
            // A label stands once before a diff, and before each line of the rest.
            let mut label = section.kind.label().to_owned();
            for text in &section.lines {
                for line in broken(text, text_width) {
                    lines.push((std::mem::take(&mut label), line));
                }
                if !section.kind.preformatted() {
                    section.kind.label().clone_into(&mut label);
                }
            }
        }
    }
    // Borders, the line for the reason, an empty one and the keys.
    let height = usize::from(size.1).saturating_sub(6).max(1);
    PlanView { lines, height, width }
}

/// Cuts text into lines of at most this many columns, blanks and all.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for letter in text.chars() {
        let columns = letter.width().unwrap_or(0);
        if used + columns > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.push(letter);
        }
        used += columns;
    }
    lines
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
