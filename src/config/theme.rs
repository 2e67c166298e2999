//! `[theme]`: colours of one's own.

use std::collections::BTreeMap;

use toml::Spanned;

use super::source::{ConfigError, ConfigText, Origin, Row, Setting};
use crate::ui::theme::{OwnColours, PARTS};

/// What the file says, by name.
pub(super) type Table = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

/// Colours of one's own, and where each came from, in the order of the shipped configuration.
#[derive(Clone, Debug)]
pub struct ThemeSettings {
    /// The colours.
    pub colours: OwnColours,
    texts: Vec<(&'static str, Setting<String>)>,
}

impl ThemeSettings {
    pub(super) fn read(source: &ConfigText<'_>, table: &Table) -> Result<Self, ConfigError> {
        let mut colours = OwnColours::default();
        let unsaid = || Setting { value: String::new(), origin: Origin::Default };
        let mut texts: Vec<_> = PARTS.iter().map(|part| (*part, unsaid())).collect();
        for (name, value) in table {
            let wrong = |why: String| source.wrong(name.span().start, why);
            let text = match value.get_ref() {
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                _ => {
                    let why = format!("{} in [theme] is no text in quotes", name.get_ref());
                    return Err(wrong(why));
                }
            };
            colours.set(name.get_ref(), &text).map_err(wrong)?;
            if let Some(slot) = texts.iter_mut().find(|(part, _)| part == name.get_ref()) {
                let origin = source.origin(value.span().start);
                slot.1 = Setting { value: text, origin };
            }
        }
        Ok(Self { colours, texts })
    }

    /// Every setting as name, value in TOML, and where it came from.
    pub fn settings(&self) -> Vec<Row<'_>> {
        self.texts
            .iter()
            .map(|(part, text)| (*part, format!("{:?}", text.value), &text.origin))
            .collect()
    }
}
