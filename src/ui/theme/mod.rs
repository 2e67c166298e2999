//! Colours, by what they mean. A word or a glyph always stands beside them.

mod own;
mod palette;

use ratatui::style::{Color, Modifier, Style};

pub use self::own::{OwnColours, PARTS};
use self::palette::Palette;
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
        // SSH passes `TERM` on, and not `COLORTERM`.
        match set("COLORTERM").as_deref() {
            Some("truecolor" | "24bit") => Self::Many,
            _ if term.contains("256color") || term.contains("direct") => Self::Many,
            _ => Self::Sixteen,
        }
    }
}

/// What the terminal's own background is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// Dark.
    #[default]
    Dark,
    /// Light.
    Light,
}

impl Background {
    /// What `COLORFGBG` says, which some terminals set: the foreground and the background by number.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let pair = variable("COLORFGBG")?;
        match pair.rsplit(';').next()?.parse().ok()? {
            7 | 9..=15 => Some(Self::Light),
            0..=6 | 8 => Some(Self::Dark),
            _ => None,
        }
    }
}

/// The columns of the list of apps that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Where an app is.
    pub scope: bool,
    /// The deployed revision, and the one that comes.
    pub revision: bool,
    /// When what is well was changed last.
    pub changed: bool,
}

impl Default for Columns {
    fn default() -> Self {
        Self { scope: true, revision: true, changed: true }
    }
}

/// What colours are made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colours {
    /// Most people.
    #[default]
    Standard,
    /// People who need more contrast, or sit in the sun.
    HighContrast,
    /// People who cannot tell red from green, or blue from yellow.
    ColourBlind,
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
    background: Background,
    colours: Colours,
    own: OwnColours,
    /// Which columns the list of apps has.
    pub columns: Columns,
    /// The glyphs.
    pub glyphs: Glyphs,
}

impl Theme {
    /// A theme for a terminal, on a dark background.
    pub fn new(depth: Depth, ascii: bool) -> Self {
        let glyphs = if ascii { Glyphs::ASCII } else { Glyphs::UNICODE };
        Self {
            depth,
            background: Background::Dark,
            colours: Colours::Standard,
            own: OwnColours::default(),
            columns: Columns::default(),
            glyphs,
        }
    }

    /// The same on this background.
    #[must_use]
    pub fn on(self, background: Background) -> Self {
        Self { background, ..self }
    }

    /// The same with these columns.
    #[must_use]
    pub fn with(self, columns: Columns) -> Self {
        Self { columns, ..self }
    }

    /// The same with these colours, and what somebody wants other than they are.
    #[must_use]
    pub fn coloured(self, colours: Colours, own: OwnColours) -> Self {
        Self { colours, own, ..self }
    }

    fn palette(&self) -> &'static Palette {
        Palette::of(self.colours, self.background)
    }

    /// Whether only plain characters are drawn.
    pub fn ascii(&self) -> bool {
        self.glyphs == Glyphs::ASCII
    }

    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        let style = match self.depth {
            Depth::None => return Self::colourless(role),
            Depth::Sixteen => self.sixteen(role),
            Depth::Many => self.many(role),
        };
        self.own.over(role, style)
    }

    fn colourless(role: Role) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match role {
            Role::Text | Role::Old | Role::Good => Style::new(),
            Role::Dim | Role::Rule => Style::new().add_modifier(Modifier::DIM),
            Role::Title | Role::New | Role::Key | Role::Warn | Role::Bad => bold,
            Role::Badge => bold.add_modifier(Modifier::REVERSED),
        }
    }

    /// In the terminal's own palette, of which nothing is known but the names.
    fn sixteen(&self, role: Role) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match (role, self.colours) {
            (Role::Text, _) | (Role::Dim | Role::Rule, Colours::HighContrast) => Style::new(),
            (Role::Dim | Role::Rule, _) => Style::new().fg(Color::DarkGray),
            (Role::Title, _) => bold,
            (Role::Old, Colours::ColourBlind) => Style::new(),
            (Role::Old, _) => Style::new().fg(Color::Blue),
            (Role::New, _) => bold.fg(Color::Cyan),
            (Role::Bad, _) => bold.fg(Color::Red),
            (Role::Warn, _) => bold.fg(Color::Yellow),
            (Role::Good, Colours::ColourBlind) => Style::new().fg(Color::Blue),
            (Role::Good, _) => Style::new().fg(Color::Green),
            (Role::Key, _) => bold.fg(Color::Magenta),
            (Role::Badge, _) => bold.fg(Color::Yellow).add_modifier(Modifier::REVERSED),
        }
    }

    fn many(&self, role: Role) -> Style {
        let palette = self.palette();
        let style = Style { fg: palette.colour(role).map(Color::Indexed), ..Style::new() };
        match role {
            Role::Text | Role::Dim | Role::Rule | Role::Old | Role::New | Role::Good => style,
            Role::Title | Role::Bad | Role::Warn | Role::Key => style.add_modifier(Modifier::BOLD),
            Role::Badge => style.bg(Color::Indexed(palette.badge.1)).add_modifier(Modifier::BOLD),
        }
    }

    /// The style of the selected row: a bar stands beside it too.
    pub fn selected(&self) -> Style {
        match (self.depth, self.own.selected()) {
            (Depth::None, _) | (Depth::Sixteen, None) => Style::new().add_modifier(Modifier::BOLD),
            (_, Some(colour)) => Style::new().bg(colour),
            (Depth::Many, None) => Style::new().bg(Color::Indexed(self.palette().selected)),
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
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Many);
        assert_eq!(depth(&[("TERM", "screen")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "dumb")]), Depth::None);
    }
    #[test]
    fn the_ground_is_told_by_some_terminals() {
        let background = |text: &str| Background::detect(|_| Some(text.to_owned()));
        assert_eq!(background("15;0"), Some(Background::Dark));
        assert_eq!(background("0;default;15"), Some(Background::Light));
        assert_eq!(background("0;default"), None);
        assert_eq!(Background::detect(|_| None), None);
    }

    #[test]
    fn without_colours_there_are_none() {
        let mut own = OwnColours::default();
        own.set("bad", "#ff0000").unwrap();
        own.set("selected", "blue").unwrap();
        let theme = Theme::new(Depth::None, false).coloured(Colours::HighContrast, own);
        for role in [Role::Bad, Role::Badge, Role::Dim] {
            let style = theme.style(role);
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
        assert_eq!(theme.selected().bg, None);
    }
}
