//! How tasks fare: what a task definition's variable `SIMULATE` says of its containers.

/// How a task behaves. Written as `good`, `good=8`, `crash=CODE`, `unhealthy`, `unplaced`, `image`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Health {
    /// Runs after so many seconds.
    Good(f64),
    /// Its container exits with this code, before the task counts as running.
    Crash(i64),
    /// Runs, and fails its health checks a little later.
    Unhealthy,
    /// No instance has room for it.
    Unplaced,
    /// Its image cannot be pulled.
    Image,
}

impl Default for Health {
    fn default() -> Self {
        Self::Good(4.0)
    }
}

impl Health {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (word, value) = text.split_once('=').unwrap_or((text, ""));
        let wrong = || format!("health {text:?}: {value:?} is no number");
        match word {
            "good" if value.is_empty() => Ok(Self::default()),
            "good" => value.parse().map(Self::Good).map_err(|_| wrong()),
            "crash" if value.is_empty() => Ok(Self::Crash(1)),
            "crash" => value.parse().map(Self::Crash).map_err(|_| wrong()),
            "unhealthy" => Ok(Self::Unhealthy),
            "unplaced" => Ok(Self::Unplaced),
            "image" => Ok(Self::Image),
            _ => Err(format!("health {text:?}: use good, crash, unhealthy, unplaced or image")),
        }
    }
}
