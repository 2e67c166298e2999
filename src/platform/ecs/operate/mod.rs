//! Sending the steps of a plan, and seeing what came of them.

pub(super) mod observe;
pub(super) mod send;
