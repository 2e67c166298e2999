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
//! | room | holds | may use |
//! |---|---|---|
//! | [`domain`] | apps, revisions, rollouts, operations, plans, outcomes | std, `serde_json`'s value, jiff |
//! | [`platform`] | the port, its errors, HTTP, one adapter a platform (Kubernetes on `kube`, a feature) | `domain` |
//! | [`dashboard`] | state, events, effects, keys, dialogs | `domain`, the text area |
//! | [`ui`] | drawing | `dashboard` (read only), `domain`, ratatui |
//! | [`simulator`] | real HTTP APIs on loopback | axum, its own JSON; never `platform` |
//! | [`runtime`] | loop, terminal, input, executor, journal, headless commands | all but `simulator` |
//! | [`config`], [`cli`], [`telemetry`] | files, the command line, logs | what they set up |
//!
//! `tests/architecture.rs` holds this table. Rules that follow from it: the loop never waits for I/O; reads coalesce
//! and writes do not; only a confirmed plan changes anything; every fact on screen has an age; text from outside is
//! cleaned before it is kept; time is injected.

pub mod cli;
pub mod config;
pub mod dashboard;
pub mod domain;
pub mod platform;
pub mod runtime;
pub mod simulator;
pub mod telemetry;
pub mod ui;
