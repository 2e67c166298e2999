//! Text in columns: cut and padded by what a terminal shows, not by bytes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::domain::text::{brief, span};

/// At most this many columns; what is cut ends in `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let own = letter.width().unwrap_or(0);
        if used + own + 1 > width {
            break;
        }
        used += own;
        kept.push(letter);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// Exactly this many columns; what is too long loses its middle, since names differ at both ends.
pub(super) fn fit_middle(text: &str, width: usize) -> String {
    if text.width() <= width || width < 5 {
        return fit(text, width);
    }
    let tail_width = (width - 1) / 2;
    let mut tail = Vec::new();
    let mut used = 0;
    for letter in text.chars().rev() {
        let own = letter.width().unwrap_or(0);
        if used + own > tail_width {
            break;
        }
        used += own;
        tail.push(letter);
    }
    let tail: String = tail.into_iter().rev().collect();
    let head = cut(text, width - used);
    fit(&format!("{head}{tail}"), width)
}

/// Names that stand below each other, in exactly this many columns: different ones look different. Those that lose their
/// middle to the same look are shown from where they differ on.
pub(super) fn names(names: &[&str], width: usize) -> Vec<String> {
    let mut shown: Vec<_> = names.iter().map(|name| fit_middle(name, width)).collect();
    let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, look) in shown.iter().enumerate().filter(|(at, _)| names[*at].width() > width) {
        alike.entry(look.clone()).or_default().push(at);
    }
    for places in alike.into_values() {
        let different: BTreeSet<_> = places.iter().map(|at| names[*at]).collect();
        if different.len() < 2 {
            continue;
        }
        let longest = different.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let common = common_beginning(&different);
        let looks = |from: usize| different.iter().map(move |name| fit_from(name, from, width));
        let tells_apart =
            |from: &usize| looks(*from).collect::<BTreeSet<_>>().len() == different.len();
        if let Some(from) = (0..=common).rev().chain(common..longest).find(tells_apart) {
            for at in places {
                shown[at] = fit_from(names[at], from, width);
            }
        }
    }
    shown
}

/// How many letters all of them begin with.
fn common_beginning(texts: &BTreeSet<&str>) -> usize {
    // In order, the first and the last differ the earliest.
    let (Some(first), Some(last)) = (texts.first(), texts.last()) else { return 0 };
    first.chars().zip(last.chars()).take_while(|(a, b)| a == b).count()
}

/// Exactly this many columns of the text from a letter on, counted from 0, after its beginning.
fn fit_from(text: &str, from: usize, width: usize) -> String {
    const BEGINNING: usize = 2;
    if from <= BEGINNING + 1 {
        return fit(text, width);
    }
    let beginning: String = text.chars().take(BEGINNING).collect();
    let rest: String = text.chars().skip(from).collect();
    fit(&format!("{beginning}…{rest}"), width)
}

/// Exactly this many columns.
pub(super) fn fit(text: &str, width: usize) -> String {
    let kept = cut(text, width);
    let gap = width.saturating_sub(kept.width());
    format!("{kept}{}", " ".repeat(gap))
}

/// Exactly this many columns, to the right.
pub(super) fn right(text: &str, width: usize) -> String {
    let kept = cut(text, width);
    let gap = width.saturating_sub(kept.width());
    format!("{}{kept}", " ".repeat(gap))
}

/// How long ago; `<1m` below a minute unless `fine`, so that what stands still does not change on screen.
pub(super) fn age(at: Option<Timestamp>, now: Timestamp, fine: bool) -> String {
    let Some(at) = at else { return "?".to_owned() };
    let passed = now.duration_since(at);
    if !fine && passed.as_secs() < 60 { "<1m".to_owned() } else { span(passed) }
}

/// How long ago in few steps, so that a list of what is well need not be written anew every minute: `<5m`, `<1h`, `3h`.
pub(super) fn within(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return "?".to_owned() };
    let passed = now.duration_since(at);
    match passed.as_secs() {
        ..60 => "<1m".to_owned(),
        60..300 => "<5m".to_owned(),
        300..900 => "<15m".to_owned(),
        900..3_600 => "<1h".to_owned(),
        _ => brief(passed),
    }
}

/// Puts a line into one row of an area.
pub(super) fn put(buffer: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    if row < area.height {
        buffer.set_line(area.x, area.y + row, line, area.width);
    }
}

/// A piece of text in a style.
pub(super) fn piece<'a>(text: impl Into<String>, style: Style) -> Span<'a> {
    Span::styled(text.into(), style)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_in_its_middle_is_shown_from_there_on() {
        let twins = [
            "customer-notification-blue-dispatcher-eu-1",
            "customer-notification-green-dispatcher-eu-1",
            "web",
        ];
        let shown = names(&twins, 15);
        assert_eq!(shown, ["cu…blue-dispat…", "cu…green-dispa…", "web            "]);
        assert_eq!(names(&["checkout-service-of-the-shop"], 15), ["checkou…he-shop"]);
    }

    proptest! {
        #[test]
        fn different_names_look_different(
            twins in ("[a-c]{12,20}", "[a-c]{1,3}", "[a-c]{1,3}", "[a-c]{12,20}"),
            width in 10_usize..20,
        ) {
            let (head, one, other, tail) = twins;
            prop_assume!(one != other);
            let both = [format!("{head}{one}{tail}"), format!("{head}{other}{tail}")];
            prop_assume!(both[0] != both[1]);
            let shown = names(&[&both[0], &both[1]], width);
            prop_assert_ne!(&shown[0], &shown[1]);
            prop_assert!(shown.iter().all(|look| look.width() == width));
        }
    }
}
