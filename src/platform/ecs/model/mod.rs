//! What the API says: its objects and its errors.

pub(super) mod dialect;
pub(super) mod wire;
