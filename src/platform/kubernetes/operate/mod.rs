//! Sending a step, and seeing what became of it.

pub(super) mod guard;
pub(super) mod observe;
pub(super) mod send;
