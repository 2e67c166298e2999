//! What a wide screen shows besides: figures of rollouts in their rows, and the log beside the rollout of the selected app.

use std::collections::HashMap;

use jiff::Timestamp;

use super::log_page::LogPage;
use crate::domain::AppKey;

/// From so many columns on the rows of rollouts have figures.
pub const FIGURES: u16 = 140;
/// From so many columns on the log stands beside the rollout.
pub const LOG: u16 = 200;

/// What was asked for because the screen is wide.
#[derive(Clone, Debug, Default)]
pub struct Wide {
    /// Of which apps figures were asked for, and when last.
    pub(super) asked: HashMap<AppKey, Timestamp>,
    /// The log of the selected app, while it has a rollout.
    pub log: Option<Box<LogPage>>,
    /// The app on which the selection rests, and since when.
    pub(super) resting: Option<(AppKey, Timestamp)>,
}
