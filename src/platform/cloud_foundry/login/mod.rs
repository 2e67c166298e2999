//! The session of the cf CLI, and its tokens.

pub(super) mod auth;
pub(super) mod session;
pub(super) mod token;
