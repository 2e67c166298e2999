//! Where files are, and what they say: the configuration, read once and checked with line numbers, and the key table.

mod file;
mod notify;
mod paths;
mod theme;
mod verdict;

pub use file::{
    Colour, Column, Config, ConfigError, Flags, Order, Origin, SHIPPED, ScopeWord, Setting,
    ThemeWord,
};
pub use notify::NotifySettings;
pub use paths::{Paths, keymap};
pub use theme::ThemeSettings;
pub use verdict::VerdictSettings;
