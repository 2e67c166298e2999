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
pub enum Ground {
    /// Dark.
    #[default]
    Dark,
    /// Light.
    Light,
}

impl Ground {
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

/// The fixed colours of a ground, by number: each can be read on it and on the selected row.
struct Palette {
    dim: u8,
    rule: u8,
    title: u8,
    old: u8,
    new: u8,
    bad: u8,
    warn: u8,
    good: u8,
    key: u8,
    badge: (u8, u8),
    selected: u8,
}

const DARK: Palette = Palette {
    dim: 248,
    rule: 246,
    title: 188,
    old: 110,
    new: 79,
    bad: 210,
    warn: 179,
    good: 114,
    key: 176,
    badge: (234, 179),
    selected: 237,
};
const LIGHT: Palette = Palette {
    dim: 240,
    rule: 242,
    title: 235,
    old: 25,
    new: 23,
    bad: 124,
    warn: 94,
    good: 22,
    key: 90,
    badge: (231, 94),
    selected: 255,
};

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
    ground: Ground,
    /// Which columns the list of apps has.
    pub columns: Columns,
    /// The glyphs.
    pub glyphs: Glyphs,
}

impl Theme {
    /// A theme for a terminal, on a dark ground.
    pub fn new(depth: Depth, ascii: bool) -> Self {
        let glyphs = if ascii { Glyphs::ASCII } else { Glyphs::UNICODE };
        Self { depth, ground: Ground::Dark, columns: Columns::default(), glyphs }
    }

    /// The same on this ground.
    #[must_use]
    pub fn on(self, ground: Ground) -> Self {
        Self { ground, ..self }
    }

    /// The same with these columns.
    #[must_use]
    pub fn with(self, columns: Columns) -> Self {
        Self { columns, ..self }
    }

    fn palette(&self) -> &'static Palette {
        match self.ground {
            Ground::Dark => &DARK,
            Ground::Light => &LIGHT,
        }
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
            Depth::Many => {
                let palette = self.palette();
                let plain = |colour| Style::new().fg(Color::Indexed(colour));
                match role {
                    Role::Text => Style::new(),
                    Role::Dim => plain(palette.dim),
                    Role::Rule => plain(palette.rule),
                    Role::Title => plain(palette.title).add_modifier(Modifier::BOLD),
                    Role::Old => plain(palette.old),
                    Role::New => plain(palette.new),
                    Role::Bad => plain(palette.bad).add_modifier(Modifier::BOLD),
                    Role::Warn => plain(palette.warn).add_modifier(Modifier::BOLD),
                    Role::Good => plain(palette.good),
                    Role::Key => plain(palette.key).add_modifier(Modifier::BOLD),
                    Role::Badge => {
                        let (front, back) = palette.badge;
                        plain(front).bg(Color::Indexed(back)).add_modifier(Modifier::BOLD)
                    }
                }
            }
        }
    }

    /// The style of the selected row: a bar stands beside it too.
    pub fn selected(&self) -> Style {
        match self.depth {
            Depth::Many => Style::new().bg(Color::Indexed(self.palette().selected)),
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
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Many);
        assert_eq!(depth(&[("TERM", "screen")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "dumb")]), Depth::None);
    }
    #[test]
    fn the_ground_is_told_by_some_terminals() {
        let ground = |text: &str| Ground::detect(|_| Some(text.to_owned()));
        assert_eq!(ground("15;0"), Some(Ground::Dark));
        assert_eq!(ground("0;default;15"), Some(Ground::Light));
        assert_eq!(ground("0;default"), None);
        assert_eq!(Ground::detect(|_| None), None);
    }

    /// The colour of a number of 16 and more, as every terminal has it.
    fn rgb(colour: Color) -> [f64; 3] {
        let Color::Indexed(number @ 16..) = colour else { panic!("{colour} differs by terminal") };
        let level = |step: u8| if step == 0 { 0.0 } else { f64::from(step) * 40.0 + 55.0 };
        match number {
            232.. => [f64::from(number - 232) * 10.0 + 8.0; 3],
            _ => {
                let cube = number - 16;
                [level(cube / 36), level(cube / 6 % 6), level(cube % 6)]
            }
        }
    }

    /// Contrast as WCAG 2.2 defines it.
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let luminance = |colour: [f64; 3]| {
            let part = |value: f64| match value / 255.0 {
                value if value <= 0.04045 => value / 12.92,
                value => ((value + 0.055) / 1.055).powf(2.4),
            };
            0.2126 * part(colour[0]) + 0.7152 * part(colour[1]) + 0.0722 * part(colour[2])
        };
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn every_text_can_be_read_on_its_ground() {
        let roles = [
            Role::Dim,
            Role::Title,
            Role::Old,
            Role::New,
            Role::Bad,
            Role::Warn,
            Role::Good,
            Role::Key,
        ];
        // Usual backgrounds: black, and what popular themes have.
        let dark = [[0.0; 3], [30.0, 30.0, 30.0], [0.0, 43.0, 54.0]];
        let light = [[255.0; 3], [253.0, 246.0, 227.0]];
        for (ground, own) in [(Ground::Dark, dark.as_slice()), (Ground::Light, light.as_slice())] {
            let theme = Theme::new(Depth::Many, false).on(ground);
            let selected = rgb(theme.selected().bg.unwrap());
            for role in roles {
                let colour = rgb(theme.style(role).fg.unwrap());
                for back in own.iter().copied().chain([selected]) {
                    let contrast = contrast(colour, back);
                    assert!(contrast >= 4.5, "{role:?} on {back:?}: {contrast:.2}");
                }
            }
            let badge = theme.style(Role::Badge);
            assert!(contrast(rgb(badge.fg.unwrap()), rgb(badge.bg.unwrap())) >= 4.5);
            let rule = rgb(theme.style(Role::Rule).fg.unwrap());
            assert!(own.iter().all(|back| contrast(rule, *back) >= 4.5), "{ground:?}");
        }
    }
}
