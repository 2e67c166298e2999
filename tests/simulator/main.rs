//! The simulator by itself, asked over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

mod client;
mod openapi;
mod push;
#[path = "../support/skipped.rs"]
mod skipped;
