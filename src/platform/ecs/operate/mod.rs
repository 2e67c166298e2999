//! Sending the steps of a plan, and seeing what came of them.

pub(super) mod lookup;
pub(super) mod observe;
pub(super) mod receipt;
pub(super) mod send;
