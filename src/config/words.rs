//! The words that a setting of the dashboard can be, in the file and as flags.

use clap::ValueEnum;

use crate::{dashboard::Sort, domain::Scope};

/// How the apps are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// What needs an operator first.
    Need,
    /// By name.
    Name,
    /// By scope, then name.
    Scope,
}

impl From<Order> for Sort {
    fn from(order: Order) -> Self {
        match order {
            Order::Need => Self::Need,
            Order::Name => Self::Name,
            Order::Scope => Self::Scope,
        }
    }
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScopeWord {
    /// Where the login points.
    Home,
    /// The whole organization, account or cluster.
    Org,
    /// All that the login may see.
    All,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Home => Self::Home,
            ScopeWord::Org => Self::Organization,
            ScopeWord::All => Self::Everything,
        }
    }
}

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// As the terminal and `NO_COLOR` say.
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

/// What the colours are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ThemeWord {
    /// What the terminal is, as far as it says so.
    Auto,
    /// A dark background.
    Dark,
    /// A light background.
    Light,
    /// The terminal's own sixteen colours.
    Terminal,
    /// More contrast, on the background that the terminal has.
    HighContrast,
    /// Colours that are told apart without red against green, on the background that the terminal has.
    #[value(alias = "color-blind")]
    ColourBlind,
}

/// A column of the list of apps that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Column {
    /// Where an app is.
    Scope,
    /// The deployed revision, and the one that comes.
    Revision,
    /// When what is well was changed last.
    Changed,
}
