//! The simulated platforms' time: the wall clock, faster if wanted, or a clock that only tests move.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use jiff::{SignedDuration, Timestamp};

/// A source of simulated time; clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<TimeSource>);

#[derive(Debug)]
enum TimeSource {
    Running { from: Timestamp, began: Instant, speed: f64 },
    Manual(Mutex<Timestamp>),
}

impl Clock {
    /// A clock that starts at the present and runs `speed` times as fast as the wall clock.
    #[expect(clippy::disallowed_methods, reason = "this is the simulator's clock")]
    pub fn running(speed: f64) -> Self {
        Self(Arc::new(TimeSource::Running { from: Timestamp::now(), began: Instant::now(), speed }))
    }

    /// A clock that stands at `from` until it is moved by [`Clock::advance`].
    pub fn manual(from: Timestamp) -> Self {
        Self(Arc::new(TimeSource::Manual(Mutex::new(from))))
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            TimeSource::Running { from, began, speed } => {
                after(*from, began.elapsed().as_secs_f64() * speed)
            }
            TimeSource::Manual(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a manual clock forward; a running clock goes its own way.
    pub fn advance(&self, seconds: f64) {
        if let TimeSource::Manual(at) = &*self.0 {
            let mut at = at.lock().unwrap_or_else(PoisonError::into_inner);
            *at = after(*at, seconds);
        }
    }

    /// How many simulated seconds pass in one real second.
    pub fn speed(&self) -> f64 {
        match &*self.0 {
            TimeSource::Running { speed, .. } => *speed,
            TimeSource::Manual(_) => 1.0,
        }
    }
}

/// `at` moved by a number of seconds, which may be negative; stays put at the ends of time.
pub(crate) fn after(at: Timestamp, seconds: f64) -> Timestamp {
    SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|span| at.checked_add(span).ok())
        .unwrap_or(at)
}

/// Seconds from `from` to `to`; negative when `to` is earlier.
pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// The real time in seconds since 1970: what access tokens expire by.
#[expect(clippy::disallowed_methods, reason = "this is the simulator's clock")]
pub(crate) fn wall_seconds() -> i64 {
    Timestamp::now().as_second()
}
