//! The rate limit of Cloud Controller: so many requests an hour and user, told by headers.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use axum::http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};

const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// The requests of each user in the running hour.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<HashMap<String, Window>>);

#[derive(Debug)]
struct Window {
    until: Timestamp,
    made: u32,
}

/// What a request was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    limit: u32,
    left: u32,
    until: Timestamp,
    /// Seconds to wait, where the request is refused.
    pub(crate) refused: Option<u64>,
}

impl Limiter {
    /// Counts a request. Addresses outside `/v3/` are free, as are the root documents.
    pub(crate) fn count(
        &self,
        user: &str,
        path: &str,
        limit: u32,
        now: Timestamp,
    ) -> Option<Allowance> {
        if !path.starts_with("/v3/") {
            return None;
        }
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Window { until: now.checked_add(WINDOW).unwrap_or(now), made: 0 };
        let window = windows.entry(user.to_owned()).or_insert_with(fresh);
        if window.until <= now {
            *window = fresh();
        }
        window.made = window.made.saturating_add(1);
        let wait = window.until.duration_since(now).as_secs().max(1).unsigned_abs();
        Some(Allowance {
            limit,
            left: limit.saturating_sub(window.made),
            until: window.until,
            refused: (window.made > limit).then_some(wait),
        })
    }
}

impl Allowance {
    /// The headers of an answer. What is left is an estimate in steps of a tenth, as the platform gives it.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let step = (self.limit / 10).max(1);
        headers.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(self.left / step * step));
        headers.insert("x-ratelimit-reset", HeaderValue::from(self.until.as_second()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_so_many_requests() {
        let limiter = Limiter::default();
        let at = |minutes| {
            Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_mins(minutes)).unwrap()
        };
        let count = |path, minutes| limiter.count("hana", path, 20, at(minutes));
        assert!(count("/v3", 0).is_none());
        for _ in 0..20 {
            assert!(count("/v3/apps", 0).unwrap().refused.is_none());
        }
        assert_eq!(count("/v3/apps", 10).unwrap().refused, Some(50 * 60));
        let mut headers = HeaderMap::new();
        let next = count("/v3/apps", 61).unwrap();
        next.write(&mut headers);
        assert!(next.refused.is_none());
        assert_eq!(headers["x-ratelimit-remaining"], "18");
    }
}
