//! revdeck
pub mod domain;
pub mod platform;
pub mod simulator;
