//! The way to a repository: the git program, and a private copy that it works in.

pub(super) mod address;
pub(super) mod flux;
pub(super) mod forge;
pub(super) mod git;
pub(super) mod mirror;
pub(super) mod push;
