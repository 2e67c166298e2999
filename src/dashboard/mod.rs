//! The pure heart of the dashboard: state, events, effects, and what a key means.
//!
//! [`update()`] takes the state and one event and returns effects. It never waits, reads no clock and touches nothing
//! outside: time comes with the events, and everything that is to happen is an [`Effect`].

pub mod dialog;
mod event;
pub mod guard;
pub mod instance_rows;
pub mod key;
pub mod keymap;
pub mod log_page;
pub mod mouse;
pub mod notify;
pub mod plan_view;
mod state;
mod target_state;
pub mod update;
pub mod view;
pub mod wide;

pub use event::{Copied, Effect, Event, Hindrance};
pub use keymap::{Command, Keymap};
pub use state::{Attention, Known, Notice, Panel, Running, SAMPLE, Sort, Start, State, Trend};
pub use target_state::{Connection, Liveness, TargetState};
pub use update::{begin, update};
