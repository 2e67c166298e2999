//! Keys, as they are written in the key table and shown on screen.

use std::{fmt, str::FromStr};

/// What was pressed, modifiers aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A character, in the case in which it was typed.
    Char(char),
    /// A key with a name.
    Named(Name),
    /// A function key, 1 to 12.
    F(u8),
}

/// Keys that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Name {
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PgUp,
    PgDn,
    Enter,
    Esc,
    Tab,
    BackTab,
    Space,
    Backspace,
    Delete,
}

const NAMES: [(&str, Name); 15] = [
    ("Up", Name::Up),
    ("Down", Name::Down),
    ("Left", Name::Left),
    ("Right", Name::Right),
    ("Home", Name::Home),
    ("End", Name::End),
    ("PgUp", Name::PgUp),
    ("PgDn", Name::PgDn),
    ("Enter", Name::Enter),
    ("Esc", Name::Esc),
    ("Tab", Name::Tab),
    ("BackTab", Name::BackTab),
    ("Space", Name::Space),
    ("Backspace", Name::Backspace),
    ("Delete", Name::Delete),
];

/// A key with its modifiers. Shift is part of the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// What was pressed.
    pub code: Code,
    /// With Ctrl.
    pub ctrl: bool,
    /// With Alt.
    pub alt: bool,
}

impl Key {
    /// A key without modifiers.
    pub fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false }
    }

    /// A named key without modifiers.
    pub fn named(name: Name) -> Self {
        Self::plain(Code::Named(name))
    }

    /// The character that this key types, if it types one.
    pub fn typed(self) -> Option<char> {
        match self.code {
            _ if self.ctrl || self.alt => None,
            Code::Char(letter) => Some(letter),
            Code::Named(Name::Space) => Some(' '),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("C-")?;
        }
        if self.alt {
            f.write_str("M-")?;
        }
        match self.code {
            Code::Char(letter) => write!(f, "{letter}"),
            Code::F(number) => write!(f, "F{number}"),
            Code::Named(name) => {
                let word =
                    NAMES.iter().find(|(_, known)| *known == name).map_or("", |(word, _)| word);
                f.write_str(word)
            }
        }
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let (mut ctrl, mut alt) = (false, false);
        loop {
            match (rest.strip_prefix("C-"), rest.strip_prefix("M-")) {
                (Some(tail), _) if !tail.is_empty() => (ctrl, rest) = (true, tail),
                (_, Some(tail)) if !tail.is_empty() => (alt, rest) = (true, tail),
                _ => break,
            }
        }
        let mut letters = rest.chars();
        let code = match (letters.next(), letters.next()) {
            (Some(' '), None) => Code::Named(Name::Space),
            (Some(letter), None) if !letter.is_control() => Code::Char(letter),
            _ => {
                let named = NAMES
                    .iter()
                    .find(|(word, _)| *word == rest)
                    .map(|(_, name)| Code::Named(*name));
                let function = rest.strip_prefix('F').and_then(|number| number.parse().ok());
                let function = function.filter(|number| (1..=12).contains(number)).map(Code::F);
                named.or(function).ok_or_else(|| format!("{text:?} is no key"))?
            }
        };
        Ok(Self { code, ctrl, alt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_key() -> impl Strategy<Value = Key> {
        let code = prop_oneof![
            any::<char>()
                .prop_filter("printable", |c| !c.is_control() && *c != ' ')
                .prop_map(Code::Char),
            (0..NAMES.len()).prop_map(|at| Code::Named(NAMES[at].1)),
            (1_u8..=12).prop_map(Code::F),
        ];
        (code, any::<bool>(), any::<bool>()).prop_map(|(code, ctrl, alt)| Key { code, ctrl, alt })
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read(key in any_key()) {
            prop_assert_eq!(key.to_string().parse::<Key>(), Ok(key));
        }

        #[test]
        fn other_text_never_panics(text: String) {
            let _ = text.parse::<Key>();
        }
    }
}
