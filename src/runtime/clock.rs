//! The program's clock: the one place that asks the system for the time.

use std::sync::Arc;

use jiff::Timestamp;

use crate::platform::Now;

/// The system's clock.
#[expect(clippy::disallowed_methods, reason = "this is the program's clock")]
pub fn system() -> Now {
    Arc::new(Timestamp::now)
}
