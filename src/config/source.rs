//! What a configuration is read from: the text of the file, and what `--set` says over it. Every value knows where it came
//! from.

use std::fmt;

use clap::ValueEnum;
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is what revdeck does where nobody says anything.
    Default,
    /// A line of the configuration file, counted from 1.
    File(usize),
    /// A flag of this run.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(line) => write!(f, "line {line}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A setting as it is shown: its name, its value in TOML, and where that came from.
pub type Row<'a> = (&'static str, String, &'a Origin);

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// What is wrong with a configuration: where it stands, and one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {file}: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        why: String,
    },
    /// A line of the file makes no sense.
    #[error("{file}, line {line}: {text}")]
    Wrong {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        text: String,
    },
    /// What a `--set` says makes no sense.
    #[error("--set {set}: {text}")]
    WrongSet {
        /// What it says.
        set: String,
        /// What is wrong.
        text: String,
    },
}

/// What a configuration is read from. Every value has a position: those up to the end of the file are in the file, and behind
/// them follow, one after another, those of what `--set` says.
pub(super) struct ConfigText<'a> {
    file: &'a str,
    text: &'a str,
    set: Vec<Override<'a>>,
}

/// What one `--set` says.
struct Override<'a> {
    /// As it was said.
    said: &'a str,
    /// As a line of TOML, moved to its position by blanks; `None` where it is none.
    line: Option<String>,
    /// The same with the value as a word.
    word: String,
}

impl Override<'_> {
    /// The position behind it.
    fn end(&self) -> usize {
        self.word.len().max(self.line.as_ref().map_or(0, String::len))
    }
}

impl<'a> ConfigText<'a> {
    /// `text` is what the file `file` says, and `set` is said over it, each as `SECTION.NAME=VALUE`. What is no value in TOML
    /// is a word.
    ///
    /// # Errors
    /// Of what `--set` says no setting can be read.
    pub(super) fn new(
        file: &'a str,
        text: &'a str,
        set: &'a [String],
    ) -> Result<Self, ConfigError> {
        let mut source = Self { file, text, set: Vec::new() };
        for said in set {
            let start = source.set.last().map_or(text.len(), Override::end) + 1;
            let wrong =
                |text: &str| ConfigError::WrongSet { set: said.clone(), text: text.to_owned() };
            let shape = || wrong("it is SECTION.NAME=VALUE, such as notify.bell=false");
            let (name, value) = said.split_once('=').ok_or_else(shape)?;
            if !name.contains('.') {
                return Err(shape());
            }
            let (blanks, value) = (" ".repeat(start), value.trim());
            let line = format!("{blanks}{name} = {value}");
            let targets = |table: Spanned<DeTable<'_>>| table.get_ref().contains_key("target");
            let word = format!("{blanks}{name} = {}", serde_json::Value::from(value));
            if DeTable::parse(&word).is_ok_and(targets) {
                return Err(wrong("a target is said with --target"));
            }
            let line = DeTable::parse(&line).is_ok().then_some(line);
            source.set.push(Override { said, line, word });
        }
        Ok(source)
    }

    /// Everything that is said.
    ///
    /// # Errors
    /// What is no TOML, or no setting.
    pub(super) fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, ConfigError> {
        let wrong = |error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(at, error.message().trim().to_owned())
        };
        // What fits as no value may fit as a word: `9` is a number, and one of the ways to tell somebody.
        let mut words = vec![false; self.set.len()];
        loop {
            let mut table = DeTable::parse(self.text).map_err(wrong)?;
            for (set, word) in self.set.iter().zip(&words) {
                let line = set.line.as_ref().filter(|_| !word).unwrap_or(&set.word);
                let over = DeTable::parse(line).map_err(wrong)?;
                lay_over(table.get_mut(), over.into_inner());
            }
            let error = match T::deserialize(Deserializer::from(table)) {
                Ok(read) => return Ok(read),
                Err(error) => error,
            };
            let at = error.span().and_then(|span| self.set_at(span.start));
            match at.filter(|at| !words[*at] && self.set[*at].line.is_some()) {
                Some(at) => words[at] = true,
                None => return Err(wrong(error)),
            }
        }
    }

    /// Which `--set` stands at this position.
    fn set_at(&self, at: usize) -> Option<usize> {
        self.set.iter().position(|set| at > self.text.len() && at < set.end())
    }

    /// Where what stands at this position came from.
    pub(super) fn origin(&self, at: usize) -> Origin {
        if at > self.text.len() { Origin::Flag("--set") } else { Origin::File(self.line(at)) }
    }

    pub(super) fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1
    }

    pub(super) fn wrong(&self, at: usize, text: impl Into<String>) -> ConfigError {
        let text = text.into();
        match self.set_at(at).map(|at| &self.set[at]) {
            Some(set) => ConfigError::WrongSet { set: set.said.to_owned(), text },
            None => ConfigError::Wrong { file: self.file.to_owned(), line: self.line(at), text },
        }
    }

    pub(super) fn setting<T: Clone>(&self, value: Option<&Spanned<T>>, default: T) -> Setting<T> {
        match value {
            Some(value) => {
                Setting { value: value.get_ref().clone(), origin: self.origin(value.span().start) }
            }
            None => Setting { value: default, origin: Origin::Default },
        }
    }

    /// One of several words.
    pub(super) fn word<T: ValueEnum>(
        &self,
        name: &str,
        value: Option<&Spanned<String>>,
        default: T,
    ) -> Result<Setting<T>, ConfigError> {
        let Some(value) = value else {
            return Ok(Setting { value: default, origin: Origin::Default });
        };
        let origin = self.origin(value.span().start);
        Ok(Setting { value: self.parse(name, value)?, origin })
    }

    /// A list of words; all there are where nothing is said.
    pub(super) fn words<T: ValueEnum>(
        &self,
        name: &str,
        value: Option<&Spanned<Vec<Spanned<String>>>>,
    ) -> Result<Setting<Vec<T>>, ConfigError> {
        let Some(list) = value else {
            return Ok(Setting { value: T::value_variants().to_vec(), origin: Origin::Default });
        };
        let mut words = Vec::new();
        for word in list.get_ref() {
            words.push(self.parse(name, word)?);
        }
        Ok(Setting { value: words, origin: self.origin(list.span().start) })
    }

    fn parse<T: ValueEnum>(&self, name: &str, value: &Spanned<String>) -> Result<T, ConfigError> {
        let words = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let words: Vec<_> = words.map(|word| word.get_name().to_owned()).collect();
        T::from_str(value.get_ref(), false).map_err(|_| {
            let text = format!("{name} is none of {}: {:?}", words.join(", "), value.get_ref());
            self.wrong(value.span().start, text)
        })
    }
}

/// Lays a table over another: what both have is the upper one's, tables are laid over each other in turn.
fn lay_over<'i>(table: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, mut value) in over {
        if let (Some(below), DeValue::Table(above)) = (table.get_mut(&key), value.get_mut())
            && let DeValue::Table(below) = below.get_mut()
        {
            lay_over(below, std::mem::take(above));
            continue;
        }
        // The key is the upper one's, too: it says where an error is.
        table.remove(&key);
        table.insert(key, value);
    }
}
