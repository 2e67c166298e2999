//! Counting requests: our own, and what the server says is left.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::header::HeaderMap;
use tokio::time::Instant;

/// Counts the requests of one target.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    recent: VecDeque<Instant>,
    total: u64,
    left: Option<(u64, u64)>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Meter {
    #[expect(clippy::disallowed_methods, reason = "tokio's clock, which tests can pause")]
    pub(super) fn count(&self) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total += 1;
        counts.recent.push_back(Instant::now());
        counts.forget();
    }

    pub(super) fn note(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
        if let (Some(left), Some(limit)) =
            (number("x-ratelimit-remaining"), number("x-ratelimit-limit"))
        {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).left = Some((left, limit));
        }
    }

    /// Requests of the last minute.
    pub fn last_minute(&self) -> usize {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.forget();
        counts.recent.len()
    }

    /// All requests so far.
    pub fn total(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// What the server says is left, and of how many.
    pub fn left(&self) -> Option<(u64, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).left
    }
}

impl Counts {
    fn forget(&mut self) {
        while self.recent.front().is_some_and(|at| at.elapsed() > MINUTE) {
            self.recent.pop_front();
        }
    }
}
