//! From what the API sends to the nouns of the deck.

pub(super) mod convert;
pub(super) mod events;
pub(super) mod history;
pub(super) mod instances;
pub(super) mod lists;
mod logs;
pub(super) mod names;
pub(super) mod overview;
mod shell;
