//! What the API sends, and what is kept of it.

pub(super) mod dialect;
pub(super) mod wire;
