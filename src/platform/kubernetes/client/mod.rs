//! The client of a cluster: how one connects, one request, and one list with the watch that goes on from it.

pub(super) mod connect;
mod request;
pub(super) mod stream;
mod transport;
