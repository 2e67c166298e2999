//! Sending the steps of an operation, and seeing how it goes.

pub(super) mod observe;
pub(super) mod receipt;
pub(super) mod send;
