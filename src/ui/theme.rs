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
    /// 256 at least. The fixed ones of them are used: a true colour takes twice the bytes on a slow link.
    Many,
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
            Some("truecolor" | "24bit") => Self::Many,
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
            Depth::Many => match role {
                Role::Text => Style::new(),
                Role::Dim => Style::new().fg(Color::Indexed(102)),
                Role::Rule => Style::new().fg(Color::Indexed(240)),
                Role::Title => bold.fg(Color::Indexed(188)),
                Role::Old => Style::new().fg(Color::Indexed(110)),
                Role::New => Style::new().fg(Color::Indexed(79)),
                Role::Bad => bold.fg(Color::Indexed(203)),
                Role::Warn => bold.fg(Color::Indexed(179)),
                Role::Good => Style::new().fg(Color::Indexed(114)),
                Role::Key => bold.fg(Color::Indexed(176)),
                Role::Badge => Style::new()
                    .fg(Color::Indexed(234))
                    .bg(Color::Indexed(179))
                    .add_modifier(Modifier::BOLD),
            },
        }
    }

    /// The style of the selected row: a bar stands beside it too.
    pub fn selected(&self) -> Style {
        match self.depth {
            Depth::Many => Style::new().bg(Color::Indexed(237)),
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
        assert_eq!(depth(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")]), Depth::Many);
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "dumb")]), Depth::None);
    }
}
