//! One list, with the watch that goes on from it.

pub(super) mod stream;
