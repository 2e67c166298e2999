//! How instances fare: the state of every instance is a function of when it was started, what it runs, and the time.

use jiff::Timestamp;

use crate::simulator::clock::{after, seconds_between};

/// How instances of a droplet behave. Written as `good`, `good=8`, `heavy`, `crash=REASON`, `crash-after=14:REASON`, `unready`,
/// `unplaced=REASON`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Health {
    /// Runs and is routable after so many seconds.
    Good(f64),
    /// Runs and takes requests, with three times the processor, ever more memory, and errors in its log.
    Heavy,
    /// Crashes two seconds after every start; where `lasts` is not 0, the first run is routable for so many seconds.
    Crash { reason: String, lasts: f64 },
    /// Runs but its readiness check never passes.
    Unready,
    /// No cell has room for it.
    Unplaced(String),
}

impl Default for Health {
    fn default() -> Self {
        Self::Good(4.0)
    }
}

impl Health {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (word, value) = text.split_once('=').unwrap_or((text, ""));
        match word {
            "good" if value.is_empty() => Ok(Self::default()),
            "good" => value
                .parse()
                .map(Self::Good)
                .map_err(|_| format!("health {text:?}: {value:?} is no number of seconds")),
            "heavy" if value.is_empty() => Ok(Self::Heavy),
            "crash" if value.is_empty() => Ok(Self::Crash {
                reason: "APP/PROC/WEB: Exited with status 1".to_owned(),
                lasts: 0.0,
            }),
            "crash" => Ok(Self::Crash { reason: value.to_owned(), lasts: 0.0 }),
            "crash-after" => {
                let (lasts, reason) =
                    value.split_once(':').unwrap_or((value, "Exited with status 1"));
                let lasts = lasts.parse();
                let lasts = lasts.map_err(|_| format!("health {text:?}: no number of seconds"))?;
                Ok(Self::Crash { reason: reason.to_owned(), lasts })
            }
            "unready" => Ok(Self::Unready),
            "unplaced" if value.is_empty() => {
                Ok(Self::Unplaced("insufficient resources: memory".to_owned()))
            }
            "unplaced" => Ok(Self::Unplaced(value.to_owned())),
            _ => Err(format!("health {text:?}: use good, heavy, crash, unready or unplaced")),
        }
    }
}

/// The words of `/v3/processes/:guid/stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Running,
    Crashed,
    Down,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Crashed => "CRASHED",
            Self::Down => "DOWN",
        }
    }
}

/// One instance at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InstanceNow {
    pub(crate) state: State,
    pub(crate) routable: bool,
    pub(crate) since: Timestamp,
    pub(crate) crashes: u32,
    pub(crate) details: Option<String>,
}

/// Seconds from a start to the crash of a crashing instance.
const CRASH_AFTER: f64 = 2.0;
/// Seconds that a start takes where it succeeds.
const START: f64 = 4.0;

/// Seconds from the `attempt`-th start, counted from 0, to its crash.
fn falls_after(attempt: u32, lasts: f64) -> f64 {
    if attempt == 0 && lasts > 0.0 { START + lasts } else { CRASH_AFTER }
}
/// How long a crashed instance waits before it is started again: three times at once, then ever longer.
fn wait_after_crash(crashes: u32) -> f64 {
    match crashes {
        0..=3 => 1.0,
        more => (30.0 * f64::from(2_u32.pow((more - 4).min(10)))).min(960.0),
    }
}

/// What an instance that was started at `started` is doing at `now`.
pub(crate) fn read(health: &Health, started: Timestamp, now: Timestamp) -> InstanceNow {
    let at =
        |state, routable, since| InstanceNow { state, routable, since, crashes: 0, details: None };
    let elapsed = seconds_between(started, now);
    match health {
        Health::Good(seconds) if elapsed >= *seconds => {
            at(State::Running, true, after(started, *seconds))
        }
        Health::Good(_) => at(State::Starting, false, started),
        Health::Heavy if elapsed >= START => at(State::Running, true, after(started, START)),
        Health::Heavy => at(State::Starting, false, started),
        Health::Unready if elapsed >= START => at(State::Running, false, after(started, START)),
        Health::Unready => at(State::Starting, false, started),
        Health::Unplaced(reason) => {
            InstanceNow { details: Some(reason.clone()), ..at(State::Down, false, started) }
        }
        Health::Crash { lasts, .. } => {
            let mut begun = 0.0;
            let mut crashes = 0;
            loop {
                let fell = begun + falls_after(crashes, *lasts);
                if crashes == 0 && *lasts > 0.0 && (START..fell).contains(&elapsed) {
                    return at(State::Running, true, after(started, START));
                }
                if elapsed < fell {
                    let since = after(started, begun);
                    return InstanceNow { crashes, ..at(State::Starting, false, since) };
                }
                crashes += 1;
                begun = fell + wait_after_crash(crashes);
                if elapsed < begun || crashes >= 200 {
                    let since = after(started, fell);
                    return InstanceNow { crashes, ..at(State::Crashed, false, since) };
                }
            }
        }
    }
}

/// When an instance crashed, after `from` and up to `to`, with the number of the crash.
pub(crate) fn crashes_between(
    health: &Health,
    started: Timestamp,
    from: Timestamp,
    to: Timestamp,
) -> Vec<(Timestamp, u32)> {
    let Health::Crash { lasts, .. } = health else { return Vec::new() };
    let mut fell = Vec::new();
    let mut at = falls_after(0, *lasts);
    for crash in 1..=200 {
        let when = after(started, at);
        if when > to {
            break;
        }
        if when > from {
            fell.push((when, crash));
        }
        at += wait_after_crash(crash) + CRASH_AFTER;
    }
    fell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> InstanceNow {
        let started = Timestamp::UNIX_EPOCH;
        read(&Health::parse("crash").unwrap(), started, after(started, seconds))
    }

    #[test]
    fn a_crash_loop_backs_off() {
        assert_eq!(at(1.0).state, State::Starting);
        assert_eq!((at(2.5).state, at(2.5).crashes), (State::Crashed, 1));
        assert_eq!(at(3.5).state, State::Starting);
        // The fourth crash, at second 11, is the first that waits 30 s.
        assert_eq!((at(20.0).state, at(20.0).crashes), (State::Crashed, 4));
        assert_eq!((at(41.5).state, at(41.5).crashes), (State::Starting, 4));
    }

    #[test]
    fn crash_times_agree_with_readings() {
        for health in ["crash", "crash-after=14:oom"] {
            crash_times_agree(&Health::parse(health).unwrap());
        }
    }

    fn crash_times_agree(health: &Health) {
        let started = Timestamp::UNIX_EPOCH;
        let until = after(started, 600.0);
        let crashes = crashes_between(health, started, started, until);
        assert_eq!(crashes.len() as u32, read(health, started, until).crashes);
        for (when, number) in crashes {
            let reading = read(health, started, when);
            assert_eq!((reading.state, reading.crashes), (State::Crashed, number));
        }
    }
}
