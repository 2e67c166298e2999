//! What the API sends, and what is kept of it.

pub(super) mod quantity;
pub(super) mod rows;
pub(super) mod store;
pub(super) mod wire;
