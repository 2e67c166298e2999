//! The terminal's background: the question for it, and the answer among the keys.

use std::{
    io::{self, Write},
    mem,
    time::Duration,
};

use crossterm::event::{Event as Raw, KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use crate::ui::theme::Background;

/// "What colour is the background?", as xterm has it (`ctlseqs`, OSC 11).
const QUESTION: &[u8] = b"\x1b]11;?\x1b\\";
/// What an answer begins with, after its introducer.
const PREFIX: &str = "11;rgb:";
/// The longest answer: three numbers of four digits, and room for an alpha.
const LONGEST: usize = 40;
/// For how long after the question an answer is looked out for: longer than any link takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks the terminal. It answers among the keys, or never.
pub(super) fn ask() -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(QUESTION)?;
    out.flush()
}

/// Keeps the answer from being taken for keys. The terminal library does not know it: it reads Alt-], its characters, and
/// Alt-\ or Control-g at its end.
#[derive(Debug)]
pub(super) struct Answer {
    until: Option<Instant>,
    held: Vec<Raw>,
    text: String,
}

/// What has become of something read.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// What the operator did, in order.
    pub(super) input: Vec<Raw>,
    /// What the terminal has answered.
    pub(super) background: Option<Background>,
}

impl Answer {
    /// Looks out for an answer from now on, where one was asked for.
    pub(super) fn new(asked: bool, now: Instant) -> Self {
        Self { until: asked.then(|| now + PATIENCE), held: Vec::new(), text: String::new() }
    }

    /// Tells an answer from what the operator does.
    pub(super) fn sort(&mut self, raw: Raw, now: Instant) -> Sorted {
        let mut sorted = Sorted::default();
        if self.until.is_none_or(|until| now > until) && self.held.is_empty() {
            sorted.input.push(raw);
            return sorted;
        }
        let key = match &raw {
            Raw::Key(KeyEvent { code: KeyCode::Char(letter), modifiers, .. }) => {
                Some((*letter, *modifiers))
            }
            _ => None,
        };
        let begun = !self.held.is_empty();
        self.held.push(raw);
        match key {
            Some((']', KeyModifiers::ALT)) if !begun => return sorted,
            Some(('\\', KeyModifiers::ALT) | ('g', KeyModifiers::CONTROL)) if begun => {
                if let Some(background) = self.text.strip_prefix(PREFIX).and_then(background) {
                    *self = Self { until: None, held: Vec::new(), text: String::new() };
                    sorted.background = Some(background);
                    return sorted;
                }
            }
            // A letter in capitals comes with Shift.
            Some((letter, modifiers)) if begun && (modifiers - KeyModifiers::SHIFT).is_empty() => {
                self.text.push(letter);
                let fits = self.text.starts_with(PREFIX) || PREFIX.starts_with(&self.text);
                if fits && self.text.len() <= LONGEST {
                    return sorted;
                }
            }
            _ => {}
        }
        // It was the operator after all.
        self.text.clear();
        sorted.input = mem::take(&mut self.held);
        sorted
    }
}

/// Light or dark, from `RRRR/GGGG/BBBB` with one to four digits each: by the luminance that the eye weighs them with.
fn background(colour: &str) -> Option<Background> {
    let parts = colour.split('/').map(|part| {
        let most = 16_u32.checked_pow(part.len() as u32).filter(|most| *most > 1)? - 1;
        Some(f64::from(u32::from_str_radix(part, 16).ok()?) / f64::from(most))
    });
    let parts: Vec<f64> = parts.collect::<Option<_>>()?;
    let [red, green, blue] = parts.get(..3)?.try_into().ok()?;
    let light = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5;
    Some(if light { Background::Light } else { Background::Dark })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: char, modifiers: KeyModifiers) -> Raw {
        Raw::Key(KeyEvent::new(KeyCode::Char(code), modifiers))
    }

    fn text(text: &str) -> Vec<Raw> {
        text.chars().map(|letter| key(letter, KeyModifiers::NONE)).collect()
    }

    /// What the terminal library makes of an answer that ends so.
    fn reply(colour: &str, end: Raw) -> Vec<Raw> {
        let mut keys = vec![key(']', KeyModifiers::ALT)];
        keys.extend(text(&format!("{PREFIX}{colour}")));
        keys.push(end);
        keys
    }

    fn sort(answer: &mut Answer, keys: Vec<Raw>) -> (Vec<Raw>, Option<Background>) {
        let (mut input, mut background) = (Vec::new(), None);
        for raw in keys {
            let sorted = answer.sort(raw, Instant::now());
            input.extend(sorted.input);
            background = background.or(sorted.background);
        }
        (input, background)
    }

    #[test]
    fn an_answer_is_no_keys() {
        for (colour, end, expected) in [
            ("ffff/ffff/dddd", key('\\', KeyModifiers::ALT), Background::Light),
            ("1e1e/1e1e/1e1e", key('g', KeyModifiers::CONTROL), Background::Dark),
            ("f/f/f", key('g', KeyModifiers::CONTROL), Background::Light),
        ] {
            let mut answer = Answer::new(true, Instant::now());
            let mut keys = text("j");
            keys.extend(reply(colour, end));
            keys.extend(text("k"));
            assert_eq!(sort(&mut answer, keys), (text("jk"), Some(expected)), "{colour}");
        }
    }

    #[test]
    fn what_only_begins_like_one_is_given_back() {
        let mut answer = Answer::new(true, Instant::now());
        let mut keys = vec![key(']', KeyModifiers::ALT)];
        keys.extend(text("1R"));
        assert_eq!(sort(&mut answer, keys.clone()), (keys, None));
        // A broken one as well, and the next is still understood.
        let broken = reply("zz/zz", key('\\', KeyModifiers::ALT));
        assert_eq!(sort(&mut answer, broken.clone()), (broken, None));
        let whole = reply("ffff/ffff/ffff", key('\\', KeyModifiers::ALT));
        assert_eq!(sort(&mut answer, whole), (Vec::new(), Some(Background::Light)));
    }

    #[test]
    fn nothing_is_held_where_nothing_was_asked() {
        let mut answer = Answer::new(false, Instant::now());
        let keys = vec![key(']', KeyModifiers::ALT)];
        assert_eq!(sort(&mut answer, keys.clone()), (keys, None));
    }
}
