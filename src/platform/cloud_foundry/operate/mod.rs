//! Sending a step, and seeing what became of it.

mod aided;
pub(super) mod observe;
pub(super) mod receipt;
pub(super) mod send;
