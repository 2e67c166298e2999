//! `[notify]`: how somebody who looks elsewhere is told.

use serde::Deserialize;
use toml::Spanned;

use super::source::{ConfigError, ConfigText, Origin, Row, Setting};
use crate::dashboard::notify::{Channels, Message};

/// What the file says.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    title: Option<Spanned<bool>>,
    bell: Option<Spanned<bool>>,
    message: Option<Spanned<String>>,
    command: Option<Spanned<Vec<String>>>,
}

/// How somebody is told, and where each setting came from.
#[derive(Clone, Debug)]
pub struct NotifySettings {
    title: Setting<bool>,
    bell: Setting<bool>,
    message: Setting<Message>,
    command: Setting<Vec<String>>,
}

const MESSAGES: [(&str, Message); 3] =
    [("none", Message::None), ("9", Message::Osc9), ("777", Message::Osc777)];

impl NotifySettings {
    pub(super) fn read(source: &ConfigText<'_>, table: &Table) -> Result<Self, ConfigError> {
        let message = match &table.message {
            None => Setting { value: Message::None, origin: Origin::Default },
            Some(word) => {
                let at = word.span().start;
                let found = MESSAGES.iter().find(|(known, _)| *known == word.get_ref());
                let found = found.ok_or_else(|| {
                    let text = format!("message is none of none, 9, 777: {:?}", word.get_ref());
                    source.wrong(at, text)
                })?;
                Setting { value: found.1, origin: source.origin(at) }
            }
        };
        Ok(Self {
            title: source.setting(table.title.as_ref(), true),
            bell: source.setting(table.bell.as_ref(), true),
            message,
            command: source.setting(table.command.as_ref(), Vec::new()),
        })
    }

    /// How somebody is told.
    pub fn channels(&self) -> Channels {
        Channels {
            title: self.title.value,
            bell: self.bell.value,
            message: self.message.value,
            command: self.command.value.clone(),
        }
    }

    /// Every setting as name, value in TOML, and where it came from.
    pub fn settings(&self) -> Vec<Row<'_>> {
        let word = MESSAGES.iter().find(|(_, message)| *message == self.message.value);
        vec![
            ("title", self.title.value.to_string(), &self.title.origin),
            ("bell", self.bell.value.to_string(), &self.bell.origin),
            (
                "message",
                format!("{:?}", word.map_or("none", |(word, _)| *word)),
                &self.message.origin,
            ),
            ("command", format!("{:?}", self.command.value), &self.command.origin),
        ]
    }
}
