//! How fast a watch may ask: AWS counts requests by kind of operation, account and region, and others ask there, too
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>).

use std::{collections::HashMap, sync::Mutex, time::Duration};

use crate::platform::sync::lock;

use tokio::time::Instant;

/// So many requests at once, to have something to show.
const BURST: f64 = 20.0;
/// And so many a second in the long run, well below two.
const RATE: f64 = 1.5;
/// How much slower after having been throttled, and how long it takes to forget that.
const THROTTLED: f64 = 4.0;
const FORGIVEN: Duration = Duration::from_mins(1);

/// What requests of one kind share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::platform::ecs) enum Bucket {
    Clusters,
    Services,
    Deployments,
    Revisions,
    Definitions,
    Tasks,
    Scaling,
}

/// The bucket of an operation.
pub(in crate::platform::ecs) fn bucket(operation: &str) -> Bucket {
    match operation {
        "ListClusters" | "DescribeClusters" => Bucket::Clusters,
        "ListServices" | "DescribeServices" => Bucket::Services,
        "ListServiceDeployments" | "DescribeServiceDeployments" => Bucket::Deployments,
        "DescribeServiceRevisions" => Bucket::Revisions,
        "ListTasks" | "DescribeTasks" => Bucket::Tasks,
        "DescribeScalableTargets" => Bucket::Scaling,
        _ => Bucket::Definitions,
    }
}

#[derive(Clone, Copy, Debug)]
struct Level {
    left: f64,
    at: Instant,
}

/// The pace of one watch.
#[derive(Debug, Default)]
pub(in crate::platform::ecs) struct Pace {
    levels: Mutex<HashMap<Bucket, Level>>,
    throttled: Mutex<Option<Instant>>,
}

impl Pace {
    /// Takes a turn: how long to wait for it.
    fn turn(&self, bucket: Bucket, now: Instant) -> Duration {
        let slower = self.slowed(now);
        let rate = if slower { RATE / THROTTLED } else { RATE };
        let mut levels = lock(&self.levels);
        let level = levels.entry(bucket).or_insert(Level { left: BURST, at: now });
        let gained = now.duration_since(level.at).as_secs_f64() * rate;
        level.left = (level.left + gained).min(BURST) - 1.0;
        level.at = now;
        if level.left >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-level.left / rate) }
    }

    /// Waits until a request of this kind may be sent.
    pub(in crate::platform::ecs) async fn wait(&self, operation: &str) {
        let wait = self.turn(bucket(operation), Instant::now());
        if !wait.is_zero() {
            // A little apart, so that many who look do not do it together.
            tokio::time::sleep(wait.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
        }
    }

    /// The platform asked for fewer requests.
    pub(in crate::platform::ecs) fn throttled(&self) {
        *lock(&self.throttled) = Some(Instant::now());
    }

    /// Whether it did so lately.
    pub(in crate::platform::ecs) fn slowed(&self, now: Instant) -> bool {
        let throttled = *lock(&self.throttled);
        throttled.is_some_and(|at| now.duration_since(at) < FORGIVEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_a_steady_pace() {
        let pace = Pace::default();
        let began = Instant::now();
        for _ in 0..80 {
            pace.wait("DescribeServices").await;
        }
        let took = began.elapsed().as_secs_f64();
        assert!((35.0..46.0).contains(&took), "{took}");
        // Another kind has a bucket of its own.
        assert_eq!(pace.turn(Bucket::Tasks, Instant::now()), Duration::ZERO);
    }
}
