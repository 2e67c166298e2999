//! When the next frame may be painted: what a key did at once, reports after a moment of quiet at once, a storm of reports as
//! it fits a slow link.

use std::time::Duration;

use tokio::time::Instant;

/// So soon after a frame the next one may be painted: what belongs together comes within this.
const SOON: Duration = Duration::from_millis(4);
/// In a storm at most so often.
const FRAME: Duration = Duration::from_millis(33);
/// Reports after so long a quiet are painted at once.
const QUIET: Duration = Duration::from_millis(300);
/// The bytes a second that a storm of reports may take.
const RATE: f64 = 400.0;
/// The bytes that it may take at once.
const BURST: f64 = 1_000.0;
/// However many there are: the screen is never older than this. Where the link is slower, writing blocks, and no frame is
/// begun until the one before is through.
const OLDEST: Duration = Duration::from_millis(150);

/// Paces the frames.
#[derive(Debug)]
pub(super) struct Pace {
    /// What reports may take now; below zero where they have taken more.
    budget: f64,
    /// When the last frame was painted.
    last: Option<Instant>,
    /// When the last report came.
    report: Option<Instant>,
    /// Whether the next frame shows the first report after a quiet.
    first: bool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { budget: BURST, last: None, report: None, first: false }
    }

    /// The platform told something.
    pub(super) fn reported(&mut self, now: Instant) {
        self.first |= self.report.is_none_or(|last| now.duration_since(last) >= QUIET);
        self.report = Some(now);
    }

    /// When a frame may be painted, `None` for at once; one is `urgent` where somebody waits for it.
    pub(super) fn due(&self, urgent: bool) -> Option<Instant> {
        let last = self.last?;
        let wait = if urgent || self.first || self.budget >= 0.0 {
            SOON
        } else {
            Duration::from_secs_f64(-self.budget / RATE).clamp(FRAME, OLDEST)
        };
        Some(last + wait)
    }

    /// A frame of so many bytes was painted. One that showed nothing new does not count.
    pub(super) fn painted(&mut self, bytes: usize, urgent: bool, now: Instant) {
        self.first = false;
        if bytes == 0 {
            return;
        }
        let passed = self.last.map_or(Duration::ZERO, |last| now.duration_since(last));
        self.budget = (self.budget + passed.as_secs_f64() * RATE).min(BURST);
        if !urgent {
            self.budget -= bytes as f64;
        }
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_the_first_news_are_painted_at_once_a_storm_as_it_fits() {
        let start = Instant::now();
        let mut pace = Pace::new();
        assert_eq!(pace.due(false), None);
        pace.painted(5_000, true, start);
        let mut now = start + Duration::from_secs(1);
        assert_eq!(pace.due(false), Some(start + SOON));
        for _ in 0..20 {
            pace.painted(200, false, now);
            now += FRAME;
        }
        let last = now - FRAME;
        assert!(pace.due(false).is_some_and(|due| due > now && due <= last + OLDEST));
        assert_eq!(pace.due(true), Some(last + SOON));
        pace.painted(9_000, false, now);
        assert_eq!(pace.due(false), Some(now + OLDEST));
        pace.reported(now);
        assert_eq!(pace.due(false), Some(now + SOON));
        pace.painted(100, false, now);
        pace.reported(now + QUIET / 2);
        assert_eq!(pace.due(false), Some(now + OLDEST));
        now += Duration::from_secs(200);
        pace.painted(1, false, now);
        assert_eq!(pace.due(false), Some(now + SOON));
    }

    #[test]
    fn an_event_a_second_is_never_held_up() {
        let mut now = Instant::now();
        let mut pace = Pace::new();
        for _ in 0..1_000 {
            now += Duration::from_secs(1);
            assert!(pace.due(false).is_none_or(|due| due <= now));
            pace.painted(75, false, now);
        }
    }
}
