//! The bytes of a frame: cells in the fewest moves and colours.

use std::io::Write;

use crossterm::{
    cursor::MoveTo,
    queue,
    style::{Color as Painted, Colored},
};
use ratatui::{
    backend::IntoCrossterm,
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};
use unicode_width::UnicodeWidthStr;

/// The modifiers that are drawn, each with what begins it and what ends it.
const MODIFIERS: [(Modifier, &str, &str); 5] = [
    (Modifier::BOLD, "1", "22"),
    (Modifier::DIM, "2", "22"),
    (Modifier::ITALIC, "3", "23"),
    (Modifier::UNDERLINED, "4", "24"),
    (Modifier::REVERSED, "7", "27"),
];

/// The longest run of unchanged cells that is written again instead of a move over it.
const BRIDGE: u16 = 4;

/// From so many blanks in a row on, they are erased instead of written.
const ERASED: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Style {
    foreground: Color,
    background: Color,
    modifiers: Modifier,
}

impl Style {
    const PLAIN: Self =
        Self { foreground: Color::Reset, background: Color::Reset, modifiers: Modifier::empty() };

    fn of(cell: &Cell) -> Self {
        if is_blank(cell) {
            // Nothing is seen of its colour.
            return Self { background: cell.bg, ..Self::PLAIN };
        }
        Self { foreground: cell.fg, background: cell.bg, modifiers: cell.modifier }
    }

    /// Whether a blank on this background can be written in this style.
    fn suits_blank(self, background: Color) -> bool {
        self.background == background && !self.modifiers.intersects(SEEN_ON_BLANK)
    }
}

/// The modifiers that show where there is no letter.
const SEEN_ON_BLANK: Modifier = Modifier::REVERSED.union(Modifier::UNDERLINED);

fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(SEEN_ON_BLANK)
}

/// Whether two cells look the same.
pub(super) fn alike(one: &Cell, other: &Cell) -> bool {
    one == other || (is_blank(one) && is_blank(other) && one.bg == other.bg)
}

/// Writes cells. What the terminal's colours are at the end of a frame is remembered for the next one.
#[derive(Debug)]
pub(super) struct Pen {
    style: Style,
}

impl Pen {
    pub(super) fn new() -> Self {
        Self { style: Style::PLAIN }
    }

    /// Forgets the terminal's colours: they are set back with the bytes that are returned.
    pub(super) fn reset(&mut self) -> &'static [u8] {
        self.style = Style::PLAIN;
        b"\x1b[m"
    }

    /// Writes the cells of `after` at these indices. A colour is set once a frame, since it takes more bytes than a
    /// move; the frame is shown at once, so that the order is not seen.
    pub(super) fn write(&mut self, bytes: &mut Vec<u8>, changes: &[usize], after: &Buffer) {
        let cell = |at: usize| &after.content[at];
        let mut styles = vec![self.style];
        let mut rank = |style: Style| {
            styles.iter().position(|known| *known == style).unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            })
        };
        let width = usize::from(after.area.width);
        let mut order: Vec<(usize, usize)> = Vec::with_capacity(changes.len());
        let mut before: Option<(usize, Style)> = None;
        for (index, at) in changes.iter().enumerate() {
            let mut style = Style::of(cell(*at));
            if is_blank(cell(*at)) {
                let next = |offset: &usize| {
                    changes.get(index + offset).is_some_and(|other| {
                        *other == at + offset
                            && other / width == at / width
                            && alike(cell(*other), cell(*at))
                    })
                };
                let long = (0..ERASED).all(|offset| next(&offset));
                // A blank within a text is written with it, unless a run of them is erased.
                match before.filter(|(last, _)| *last + 1 == *at && at % width != 0) {
                    Some((_, text)) if !long && text.suits_blank(style.background) => style = text,
                    _ => {}
                }
            }
            before = Some((*at, style));
            order.push((rank(style), *at));
        }
        order.sort_unstable();
        // Where the cursor is: a cell's index, on the row of the last cell.
        let mut cursor = None;
        let mut rest = order.as_slice();
        while let Some(&(rank, at)) = rest.first() {
            let style = styles[rank];
            self.set(bytes, style);
            go(bytes, cursor, at, style, after);
            // Only in no colour, since terminals differ in what colour they erase with.
            if style == Style::PLAIN && cell(at).symbol() == " " {
                // Over what is blank anyway up to the last one that was not.
                let blank = |next: &usize| Style::of(cell(*next)) == style && is_blank(cell(*next));
                let end = (at..(at / width + 1) * width).take_while(blank).last().unwrap_or(at);
                // At least `at` itself.
                let erased = rest.iter().take_while(|one| one.0 == rank && one.1 <= end).count();
                let blanks = rest[erased - 1].1 + 1 - at;
                if blanks >= ERASED {
                    // The cursor stays. Writing to memory cannot fail.
                    let _ = write!(bytes, "\x1b[{blanks}X");
                    cursor = Some(at);
                    rest = &rest[erased..];
                    continue;
                }
            }
            rest = &rest[1..];
            bytes.extend_from_slice(cell(at).symbol().as_bytes());
            let end = at + cell(at).symbol().width().max(1);
            // At the right edge, terminals differ in where the cursor is.
            cursor = (end / width == at / width).then_some(end);
        }
    }

    fn set(&mut self, bytes: &mut Vec<u8>, style: Style) {
        if style == self.style {
            return;
        }
        if style == Style::PLAIN {
            bytes.extend_from_slice(self.reset());
            return;
        }
        let mut codes: Vec<String> = Vec::new();
        let mut have = self.style.modifiers;
        let gone = have - style.modifiers;
        for (modifier, _, end) in MODIFIERS {
            if gone.contains(modifier) && !codes.iter().any(|code| code == end) {
                codes.push(end.to_owned());
            }
        }
        if gone.intersects(Modifier::BOLD | Modifier::DIM) {
            have -= Modifier::BOLD | Modifier::DIM;
        }
        for (modifier, begin, _) in MODIFIERS {
            if (style.modifiers - have).contains(modifier) {
                codes.push(begin.to_owned());
            }
        }
        if style.foreground != self.style.foreground {
            codes.push(color(style.foreground, 30));
        }
        if style.background != self.style.background {
            codes.push(color(style.background, 40));
        }
        // Writing to memory cannot fail.
        let _ = write!(bytes, "\x1b[{}m", codes.join(";"));
        self.style = style;
    }
}

/// A colour's code in the fewest bytes: the sixteen have codes of their own.
fn color(color: Color, base: u8) -> String {
    match color.into_crossterm() {
        Painted::Reset => (base + 9).to_string(),
        painted => {
            let set = if base == 30 { Colored::ForegroundColor } else { Colored::BackgroundColor };
            let code = set(painted).to_string();
            let number = code.rsplit_once("8;5;").and_then(|(_, number)| number.parse().ok());
            match number {
                Some(plain @ 0..8u8) => (base + plain).to_string(),
                Some(bright @ 8..16) => (base + 52 + bright).to_string(),
                _ => code,
            }
        }
    }
}

/// Moves to a cell: not at all where the cursor is there, over a few cells of the same style by writing them again,
/// else within the row, else anywhere.
fn go(bytes: &mut Vec<u8>, cursor: Option<usize>, to: usize, style: Style, after: &Buffer) {
    let width = usize::from(after.area.width);
    match cursor {
        Some(from) if from == to => {}
        Some(from) if from / width == to / width => {
            let between = after.content.get(from..to).unwrap_or_default();
            let plain = |cell: &Cell| {
                let suits = is_blank(cell) && style.suits_blank(cell.bg);
                (suits || Style::of(cell) == style) && cell.symbol().is_ascii()
            };
            if from < to && to - from <= usize::from(BRIDGE) && between.iter().all(plain) {
                for cell in between {
                    bytes.extend_from_slice(cell.symbol().as_bytes());
                }
            } else {
                // Writing to memory cannot fail.
                let _ = write!(bytes, "\x1b[{}G", to % width + 1);
            }
        }
        _ => {
            let _ = queue!(bytes, MoveTo((to % width) as u16, (to / width) as u16));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use proptest::prelude::*;
    use ratatui::{layout::Rect, style::Style as Look};

    use super::*;
    use crate::runtime::painter::changes;

    const AREA: Rect = Rect::new(0, 0, 12, 4);

    fn look() -> impl Strategy<Value = Look> {
        let color = prop_oneof![
            Just(Color::Reset),
            Just(Color::Blue),
            Just(Color::Indexed(79)),
            Just(Color::Rgb(1, 2, 3))
        ];
        // Terminals differ in what bold and dim together are.
        let weight =
            prop_oneof![Just(Modifier::empty()), Just(Modifier::BOLD), Just(Modifier::DIM)];
        let reversed = prop_oneof![Just(Modifier::empty()), Just(Modifier::REVERSED)];
        (color.clone(), color, weight, reversed).prop_map(
            |(foreground, background, weight, reversed)| {
                Look::reset().fg(foreground).bg(background).add_modifier(weight | reversed)
            },
        )
    }

    fn frame() -> impl Strategy<Value = Buffer> {
        // Wide characters have a row of their own, so that none is drawn over half of another one.
        let narrow = prop_oneof!["[a-c ]{1,6}", Just("●█".to_owned())];
        let wide = (0u16..6, look()).prop_map(|(x, look)| (x * 2, 3, "在庫".to_owned(), look));
        let piece = prop_oneof![4 => (0u16..12, 0u16..3, narrow, look()), 1 => wide];
        prop::collection::vec(piece, 0..10).prop_map(|pieces| {
            let mut buffer = Buffer::empty(AREA);
            for (x, y, text, look) in pieces {
                buffer.set_string(x, y, text, look);
            }
            buffer
        })
    }

    fn terminal() -> vt100::Parser {
        let size = |cells| NonZero::new(cells).unwrap_or(NonZero::<u16>::MIN);
        vt100::Parser::new(size(AREA.height), size(AREA.width), 0)
    }

    fn shown(
        parser: &vt100::Parser,
    ) -> Vec<(String, vt100::Color, vt100::Color, bool, bool, bool)> {
        let cells = (0..4).flat_map(|row| (0..12).map(move |column| (row, column)));
        cells
            .filter_map(|(row, column)| parser.screen().cell(row, column))
            .filter(|cell| !cell.is_wide_continuation())
            .map(|cell| {
                let text = Some(cell.contents()).filter(|text| !text.is_empty()).unwrap_or(" ");
                let (bold, dim) = (cell.bold(), cell.dim());
                let blank = text == " " && !cell.inverse();
                let (bold, dim) = (bold && !blank, dim && !blank);
                let color = if blank { vt100::Color::Default } else { cell.fgcolor() };
                (text.to_owned(), color, cell.bgcolor(), bold, dim, cell.inverse())
            })
            .collect()
    }

    proptest! {
        #[test]
        fn frame_after_frame_looks_like_the_last_one_alone(
            frames in prop::collection::vec(frame(), 1..5),
        ) {
            let mut pen = Pen::new();
            let mut one = terminal();
            let mut before = Buffer::empty(AREA);
            for after in &frames {
                let mut bytes = Vec::new();
                pen.write(&mut bytes, &changes(&before, after), after);
                one.process(&bytes);
                before = after.clone();
            }
            let mut alone = terminal();
            let every: Vec<_> = changes(&Buffer::filled(AREA, Cell::new("?")), &before);
            let mut bytes = Vec::new();
            Pen::new().write(&mut bytes, &every, &before);
            alone.process(&bytes);
            prop_assert_eq!(shown(&one), shown(&alone));
            let texts: String = shown(&one).into_iter().map(|cell| cell.0).collect();
            let mut wanted = String::new();
            let mut covered = 0;
            for cell in &before.content {
                if covered == 0 {
                    wanted += cell.symbol();
                }
                covered = cell.symbol().width().max(covered).saturating_sub(1);
            }
            prop_assert_eq!(texts, wanted);
        }
    }

    #[test]
    fn a_style_is_set_once_and_stays_for_the_next_frame() {
        let mut buffer = Buffer::empty(AREA);
        buffer.set_string(0, 0, "ab", Look::new().fg(Color::Indexed(9)));
        buffer.set_string(4, 0, "cd", Look::new().fg(Color::Indexed(10)));
        buffer.set_string(0, 1, "ef", Look::new().fg(Color::Indexed(9)));
        let mut pen = Pen::new();
        let mut bytes = Vec::new();
        pen.write(&mut bytes, &[0, 1, 4, 5, 12, 13], &buffer);
        let shown = String::from_utf8_lossy(&bytes).replace('\x1b', "^");
        assert_eq!(shown, "^[91m^[1;1Hab^[2;1Hef^[92m^[1;5Hcd");
        bytes.clear();
        pen.write(&mut bytes, &[4, 5], &buffer);
        assert_eq!(String::from_utf8_lossy(&bytes).replace('\x1b', "^"), "^[1;5Hcd");
    }

    #[test]
    fn blanks_are_erased_at_once_over_what_is_blank_anyway() {
        let mut bytes = Vec::new();
        Pen::new().write(&mut bytes, &[1, 4, 8, 13], &Buffer::empty(AREA));
        assert_eq!(String::from_utf8_lossy(&bytes).replace('\x1b', "^"), "^[1;2H^[8X^[2;2H ");
    }

    #[test]
    fn colours_take_few_bytes() {
        let code = |wanted, base| color(wanted, base);
        assert_eq!(code(Color::Reset, 30), "39");
        assert_eq!(code(Color::Blue, 30), "34");
        assert_eq!(code(Color::DarkGray, 30), "90");
        assert_eq!(code(Color::White, 40), "107");
        assert_eq!(code(Color::Indexed(79), 40), "48;5;79");
        assert_eq!(code(Color::Rgb(1, 2, 3), 30), "38;2;1;2;3");
    }
}
