//! From the files and commits of a repository, and from what its cluster tells, to the nouns of the deck.

pub(super) mod apps;
mod build;
pub(super) mod cluster;
pub(super) mod delivery;
pub(super) mod history;
mod rollout;
pub(super) mod snapshot;
