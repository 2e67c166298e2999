//! Where files are, and what they say: the configuration, read once and checked with line numbers, and the key table.

mod file;
mod notify;
mod paths;
mod source;
mod theme;
mod verdict;
mod words;

pub use file::{Config, Flags, SHIPPED};
pub use notify::NotifySettings;
pub use paths::{Paths, keymap};
pub use source::{ConfigError, Origin, Setting};
pub use theme::ThemeSettings;
pub use verdict::VerdictSettings;
pub use words::{Colour, Column, Order, ScopeWord, ThemeWord};
