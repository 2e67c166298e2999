//! From what the API sends to the nouns of the deck.

pub(super) mod argo;
pub(super) mod controlled;
pub(super) mod convert;
pub(super) mod events;
pub(super) mod figures;
mod follow;
pub(super) mod history;
pub(super) mod instances;
pub(super) mod lists;
mod logs;
pub(super) mod rollout;
mod shell;
pub(super) mod template;
