//! Counting requests: our own, and what the server says is left.

use std::sync::Mutex;

use crate::platform::sync::lock;

use reqwest::header::HeaderMap;

/// Counts the requests of one target.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    total: u64,
    left: Option<(u64, u64)>,
}

impl Meter {
    pub(in crate::platform) fn count(&self) {
        lock(&self.0).total += 1;
    }

    pub(super) fn note(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
        if let (Some(left), Some(limit)) =
            (number("x-ratelimit-remaining"), number("x-ratelimit-limit"))
        {
            lock(&self.0).left = Some((left, limit));
        }
    }

    /// All requests so far.
    pub fn total(&self) -> u64 {
        lock(&self.0).total
    }

    /// What the server says is left, and of how many.
    pub fn left(&self) -> Option<(u64, u64)> {
        lock(&self.0).left
    }
}
