//! How many calls the platform takes: token buckets for each kind of operation, as
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html> lists them by account and region. They
//! fill by real time, whatever the world's speed is: it is real requests that they hold back.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use super::error::ApiError;

/// What operations share: how many at once, and how many a second in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bucket {
    name: &'static str,
    burst: u32,
    sustained: u32,
}

const fn bucket(name: &'static str, burst: u32, sustained: u32) -> Bucket {
    Bucket { name, burst, sustained }
}

/// The bucket of an operation; `None` for those of which the table says nothing, such as `StopServiceDeployment`.
fn of(operation: &str) -> Option<Bucket> {
    Some(match operation {
        "ListClusters" | "DescribeClusters" => bucket("cluster read", 50, 20),
        "ListServices" | "DescribeServices" => bucket("service read", 100, 20),
        "CreateService" | "UpdateService" | "DeleteService" => bucket("service modify", 50, 5),
        "ListServiceDeployments" | "DescribeServiceDeployments" => {
            bucket("service deployment", 50, 20)
        }
        "DescribeServiceRevisions" => bucket("service revision", 50, 20),
        "ListTaskDefinitions" | "ListTaskDefinitionFamilies" | "DescribeTaskDefinition" => {
            bucket("task definition read", 50, 20)
        }
        "RegisterTaskDefinition" | "DeregisterTaskDefinition" => {
            bucket("task definition modify", 20, 1)
        }
        "ListTasks" | "DescribeTasks" => bucket("cluster resource read", 100, 20),
        "StopTask" => bucket("cluster resource modify", 100, 40),
        _ => return None,
    })
}

#[derive(Debug)]
struct Level {
    left: f64,
    at: Instant,
}

/// The buckets of one account in one region.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<HashMap<Bucket, Level>>);

impl Buckets {
    /// Takes a token.
    ///
    /// # Errors
    /// The bucket is empty.
    pub(super) fn take(&self, operation: &str) -> Result<(), ApiError> {
        let Some(bucket) = of(operation) else { return Ok(()) };
        let now = Instant::now();
        let (burst, sustained) = (f64::from(bucket.burst), f64::from(bucket.sustained));
        let mut levels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let level = levels.entry(bucket).or_insert(Level { left: burst, at: now });
        let gained = now.duration_since(level.at).as_secs_f64() * sustained;
        level.left = (level.left + gained).min(burst);
        level.at = now;
        if level.left < 1.0 {
            tracing::debug!(operation, bucket = bucket.name, "throttled");
            return Err(ApiError::throttled());
        }
        level.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_as_many_as_come_back() {
        let buckets = Buckets::default();
        let taken = |operation| (0..200).filter(|_| buckets.take(operation).is_ok()).count();
        assert_eq!(taken("RegisterTaskDefinition"), 20);
        // Kinds of operations have buckets of their own, and some have none.
        assert_eq!(taken("DescribeServices"), 100);
        assert_eq!(taken("StopServiceDeployment"), 200);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(taken("DeregisterTaskDefinition"), 3);
        assert_eq!(taken("ListServices"), 60);
    }
}
