//! revdeck: see every app, watch its rollout, roll it back.
//!
//! Ports and adapters outside, a pure state machine inside:
//!
//! ```text
//! keyboard ──► runtime::input ──► Event ──┐
//! platform::*::watch ──► Report ──► Event ┼─► dashboard::update(&mut State, Event) ──► Effect ──► runtime::executor
//! clock ──► Event::Tick ──────────────────┘            │                                              │
//!                                                      ▼                                              ▼
//!                                   ui::draw(&State) ──► runtime::painter        dyn Platform ──► HTTP ──► the platform,
//!                                                      only changed cells                             or the simulator
//! ```
//!
//! ARCHITECTURE.md has the rooms and who may use whom, the life of a key press and of a report, how a platform is added,
//! and the glossary; `tests/architecture.rs` holds the table.

pub mod cli;
pub mod config;
pub mod dashboard;
pub mod domain;
pub mod platform;
pub mod runtime;
pub mod simulator;
pub mod telemetry;
pub mod ui;

#[cfg(test)]
#[path = "../tests/support/skipped.rs"]
mod skipped;
