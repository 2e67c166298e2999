//! Colours, by what they mean. A word or a glyph always stands beside them.

use ratatui::style::{Color, Modifier, Style};

use super::glyphs::Glyphs;

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// None: bold, reverse and dim only.
    None,
    /// The terminal's own sixteen, in the operator's own palette.
    Sixteen,
    /// All of them.
    True,
}

impl Depth {
    /// What the environment says: `NO_COLOR`, `COLORTERM` and `TERM`, asked by name.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        if set("NO_COLOR").is_some() || term == "dumb" || term.starts_with("vt") {
            return Self::None;
        }
        match set("COLORTERM").as_deref() {
            Some("truecolor" | "24bit") => Self::True,
            _ => Self::Sixteen,
        }
    }
}

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Plain text.
    Text,
    /// Less important.
    Dim,
    /// Headings.
    Title,
    /// The old side: calm.
    Old,
    /// The new side: bright.
    New,
    /// Something is broken.
    Bad,
    /// Something needs somebody.
    Warn,
    /// All is well.
    Good,
    /// A key to press.
    Key,
    /// A mark that must be seen.
    Badge,
    /// Lines between panels.
    Rule,
}

/// How everything looks.
#[derive(Clone, Debug)]
pub struct Theme {
    depth: Depth,
    /// The glyphs.
    pub glyphs: Glyphs,
}

impl Theme {
    /// A theme for a terminal.
    pub fn new(depth: Depth, ascii: bool) -> Self {
        Self { depth, glyphs: if ascii { Glyphs::ASCII } else { Glyphs::UNICODE } }
    }

    /// Whether only plain characters are drawn.
    pub fn ascii(&self) -> bool {
        self.glyphs == Glyphs::ASCII
    }

    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let dim = Style::new().add_modifier(Modifier::DIM);
        let reverse = bold.add_modifier(Modifier::REVERSED);
        match self.depth {
            Depth::None => match role {
                Role::Text | Role::Old | Role::Good => Style::new(),
                Role::Dim | Role::Rule => dim,
                Role::Title | Role::New | Role::Key | Role::Warn | Role::Bad => bold,
                Role::Badge => reverse,
            },
            Depth::Sixteen => match role {
                Role::Text => Style::new(),
                Role::Dim | Role::Rule => Style::new().fg(Color::DarkGray),
                Role::Title => bold,
                Role::Old => Style::new().fg(Color::Blue),
                Role::New => bold.fg(Color::Cyan),
                Role::Bad => bold.fg(Color::Red),
                Role::Warn => bold.fg(Color::Yellow),
                Role::Good => Style::new().fg(Color::Green),
                Role::Key => bold.fg(Color::Magenta),
                Role::Badge => reverse.fg(Color::Yellow),
            },
            Depth::True => match role {
                Role::Text => Style::new(),
                Role::Dim => Style::new().fg(Color::Rgb(0x80, 0x86, 0x90)),
                Role::Rule => Style::new().fg(Color::Rgb(0x50, 0x56, 0x60)),
                Role::Title => bold.fg(Color::Rgb(0xc8, 0xd0, 0xe0)),
                Role::Old => Style::new().fg(Color::Rgb(0x7a, 0x9c, 0xc8)),
                Role::New => bold.fg(Color::Rgb(0x4f, 0xd6, 0xbe)),
                Role::Bad => bold.fg(Color::Rgb(0xff, 0x6b, 0x70)),
                Role::Warn => bold.fg(Color::Rgb(0xe5, 0xb5, 0x4b)),
                Role::Good => Style::new().fg(Color::Rgb(0x8f, 0xc4, 0x78)),
                Role::Key => bold.fg(Color::Rgb(0xc7, 0x92, 0xea)),
                Role::Badge => Style::new()
                    .fg(Color::Rgb(0x20, 0x20, 0x20))
                    .bg(Color::Rgb(0xe5, 0xb5, 0x4b))
                    .add_modifier(Modifier::BOLD),
            },
        }
    }

    /// The style of the selected row: a bar stands beside it too.
    pub fn selected(&self) -> Style {
        match self.depth {
            Depth::True => Style::new().bg(Color::Rgb(0x2c, 0x33, 0x3f)),
            _ => Style::new().add_modifier(Modifier::BOLD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_environment() {
        let depth = |pairs: &[(&str, &str)]| {
            Depth::detect(|name| {
                pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())
            })
        };
        assert_eq!(depth(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]), Depth::None);
        assert_eq!(depth(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "dumb")]), Depth::None);
    }
}
