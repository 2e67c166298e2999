//! Where files are, and what they say: the configuration, read once and checked with line numbers, and the key table.

mod file;
mod notify;
mod paths;
mod theme;
mod verdict;
mod words;

pub use file::{Config, ConfigError, Flags, Origin, SHIPPED, Setting};
pub use notify::NotifySettings;
pub use paths::{Paths, keymap};
pub use theme::ThemeSettings;
pub use verdict::VerdictSettings;
pub use words::{Colour, Column, Order, ScopeWord, ThemeWord};
