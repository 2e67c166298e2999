//! How long to wait before trying again.

use std::time::Duration;

/// An exponential back-off with jitter.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    /// Within one read: a passing fault.
    pub const QUICK: Self =
        Self { first: Duration::from_millis(250), most: Duration::from_secs(2) };
    /// Between readings while the API is out of reach.
    pub const PATIENT: Self = Self { first: Duration::from_secs(2), most: Duration::from_mins(1) };

    /// The wait after the `failures`-th failure in a row, counted from 1. `chance` in 0..1 spreads it over the upper
    /// half, so that many clients do not come back at once.
    pub fn delay(self, failures: u32, chance: f64) -> Duration {
        let doubled =
            self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
        doubled.min(self.most).mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_within_its_bounds(failures in 0_u32..1_000, chance in 0.0_f64..1.0) {
            for backoff in [Backoff::QUICK, Backoff::PATIENT] {
                let delay = backoff.delay(failures, chance);
                prop_assert!(delay >= backoff.first / 2 && delay <= backoff.most);
            }
        }
    }
}
