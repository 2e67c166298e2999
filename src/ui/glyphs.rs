//! Glyphs and their plain twins.

/// The glyphs of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Glyphs {
    pub full: char,
    pub half: char,
    pub empty: char,
    pub running: char,
    pub crashed: char,
    pub starting: char,
    pub down: char,
    pub unknown: char,
    pub select: char,
    pub mark: char,
    pub across: char,
    pub beside: char,
    pub arrow: &'static str,
    pub dot: &'static str,
    pub levels: [char; 8],
    pub corners: [char; 4],
}

impl Glyphs {
    /// For terminals that show Unicode.
    pub const UNICODE: Self = Self {
        full: '█',
        half: '▒',
        empty: '░',
        running: '●',
        crashed: '✖',
        starting: '◌',
        down: '·',
        unknown: '?',
        select: '▌',
        mark: '●',
        across: '─',
        beside: '│',
        arrow: "→",
        dot: " · ",
        levels: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
        corners: ['┌', '┐', '└', '┘'],
    };

    /// For all others.
    pub const ASCII: Self = Self {
        full: '#',
        half: '+',
        empty: '.',
        running: 'o',
        crashed: 'x',
        starting: '~',
        down: '.',
        unknown: '?',
        select: '>',
        mark: '*',
        across: '-',
        beside: '|',
        arrow: "->",
        dot: " - ",
        levels: ['_', '_', '.', '.', '-', '-', '=', '#'],
        corners: ['+', '+', '+', '+'],
    };
}
