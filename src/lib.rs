//! revdeck
pub mod simulator;
