//! Colours that somebody wants other than the theme has them.

use std::{collections::BTreeMap, str::FromStr};

use ratatui::style::{Color, Modifier, Style};

use super::Role;

/// The names of what can be coloured: the roles, and the background of the selected row.
pub const PARTS: [&str; 12] = [
    "text", "dim", "title", "old", "new", "bad", "warn", "good", "key", "badge", "rule", "selected",
];

/// Colours of one's own, by the names of [`PARTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnColours {
    fronts: BTreeMap<&'static str, Color>,
    backgrounds: BTreeMap<&'static str, Color>,
}

impl OwnColours {
    /// Sets one: a name of the terminal's sixteen, a number from 0 to 255 or `#rrggbb`; of the badge two, as in
    /// `black on yellow`. An empty text leaves it to the theme.
    ///
    /// # Errors
    /// One sentence where there is no such part, or the text is no colour.
    pub fn set(&mut self, part: &str, text: &str) -> Result<(), String> {
        let Some(part) = PARTS.iter().find(|known| **known == part) else {
            return Err(format!("there is no {part:?} in [theme]: it has {}", PARTS.join(", ")));
        };
        if text.is_empty() {
            return Ok(());
        }
        let colour = |text: &str| {
            Color::from_str(text.trim()).map_err(|_| {
                format!(
                    "{part} in [theme] is no colour: {text:?}; use a name such as \"lightblue\", a number from 0 to 255, or \"#rrggbb\""
                )
            })
        };
        match *part {
            "badge" => {
                let (front, background) = text.split_once(" on ").ok_or_else(|| {
                    format!("badge in [theme] is no pair such as \"black on yellow\": {text:?}")
                })?;
                self.fronts.insert(part, colour(front)?);
                self.backgrounds.insert(part, colour(background)?);
            }
            "selected" => {
                self.backgrounds.insert(part, colour(text)?);
            }
            _ => {
                self.fronts.insert(part, colour(text)?);
            }
        }
        Ok(())
    }

    /// The background of the selected row.
    pub(super) fn selected(&self) -> Option<Color> {
        self.backgrounds.get("selected").copied()
    }

    /// The style of a role with what is wanted other.
    pub(super) fn over(&self, role: Role, style: Style) -> Style {
        let Some(front) = self.fronts.get(name(role)) else { return style };
        match self.backgrounds.get(name(role)) {
            Some(background) => {
                style.fg(*front).bg(*background).remove_modifier(Modifier::REVERSED)
            }
            None => style.fg(*front),
        }
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Text => "text",
        Role::Dim => "dim",
        Role::Title => "title",
        Role::Old => "old",
        Role::New => "new",
        Role::Bad => "bad",
        Role::Warn => "warn",
        Role::Good => "good",
        Role::Key => "key",
        Role::Badge => "badge",
        Role::Rule => "rule",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    #[test]
    fn an_own_colour_stands_over_that_of_the_theme() {
        let mut own = OwnColours::default();
        for (part, text) in
            [("bad", "#ff8700"), ("good", "33"), ("badge", "black on lightyellow"), ("dim", "")]
        {
            own.set(part, text).unwrap();
        }
        for depth in [Depth::Sixteen, Depth::Many] {
            let plain = Theme::new(depth, false);
            let theme = plain.clone().coloured(Colours::Standard, own.clone());
            assert_eq!(theme.style(Role::Bad).fg, Some(Color::Rgb(255, 135, 0)));
            assert_eq!(theme.style(Role::Good).fg, Some(Color::Indexed(33)));
            let badge = theme.style(Role::Badge);
            assert_eq!((badge.fg, badge.bg), (Some(Color::Black), Some(Color::LightYellow)));
            assert!(!badge.add_modifier.contains(Modifier::REVERSED));
            assert_eq!(theme.style(Role::Dim), plain.style(Role::Dim));
        }
    }

    #[test]
    fn what_is_no_colour_is_told_in_a_sentence() {
        let mut own = OwnColours::default();
        for (part, text, said) in [
            ("moon", "red", "there is no \"moon\" in [theme]: it has text, dim, title"),
            ("bad", "reddish", "bad in [theme] is no colour: \"reddish\"; use a name"),
            ("bad", "256", "bad in [theme] is no colour"),
            ("badge", "red", "badge in [theme] is no pair such as \"black on yellow\": \"red\""),
        ] {
            let error = own.set(part, text).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        assert_eq!(own, OwnColours::default());
    }
}
