//! Rollouts: one change of the deployed revision, in progress or done.

use jiff::{SignedDuration, Timestamp};

use super::{Count, RevisionRef, RolloutId, Stage, StageState, Strategy};

/// How far a rollout has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Taken by the platform, nothing seen yet.
    Accepted,
    /// Instances are coming and going.
    Rolling,
    /// It does not move, and nothing is known to be broken: it takes its time.
    Slow,
    /// It does not move, and something is broken, or the platform's own deadline for it has passed.
    Stuck,
    /// It waits for somebody to let it go on.
    Paused,
    /// The platform is undoing it.
    Cancelling,
    /// The new side has replaced the old.
    Done,
    /// The old side has been restored.
    Cancelled,
    /// Another rollout took its place.
    Superseded,
    /// The platform gave it up.
    Failed,
}

impl Phase {
    /// The word that scripts and screens show.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rolling => "rolling",
            Self::Slow => "slow",
            Self::Stuck => "stuck",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
        }
    }

    /// Whether it is still under way.
    pub fn active(self) -> bool {
        !matches!(self, Self::Done | Self::Cancelled | Self::Superseded | Self::Failed)
    }
}

/// What one instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstanceState {
    /// Runs and takes requests.
    Running,
    /// Runs, but its readiness check does not pass.
    NotReady,
    /// On its way up.
    Starting,
    /// Fell over; the platform will try again.
    Crashed,
    /// Wanted but not there.
    Down,
    /// On its way out.
    Stopping,
    /// The platform did not say, or used a word that is not known.
    Unknown,
}

impl InstanceState {
    /// The word beside every glyph.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::NotReady => "not ready",
            Self::Starting => "starting",
            Self::Crashed => "crashed",
            Self::Down => "down",
            Self::Stopping => "stopping",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it stands in the way of a rollout.
    pub fn bad(self) -> bool {
        matches!(self, Self::Crashed | Self::Down)
    }
}

/// One running copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// What the platform calls it: a Pod's name, `web/3`; `None` where instances are only counted.
    pub name: Option<String>,
    /// What it does.
    pub state: InstanceState,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why it does not run, where the platform says so.
    pub reason: Option<String>,
}

/// The old or the new instances of a rollout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Side {
    /// How many the platform wants here now.
    pub desired: u32,
    /// The instances; `None` where they could not be read, which is not the same as none.
    pub instances: Option<Vec<Instance>>,
}

impl Side {
    /// How many instances are in one of these states; `None` where they are not known.
    pub fn tally(&self, states: &[InstanceState]) -> Option<u32> {
        let instances = self.instances.as_ref()?;
        Some(instances.iter().filter(|one| states.contains(&one.state)).count() as u32)
    }

    /// Desired and running.
    pub fn count(&self) -> Count {
        Count { desired: self.desired, running: self.tally(&[InstanceState::Running]) }
    }

    /// Several sides as one; its instances are known where those of all are.
    pub fn sum<'a>(sides: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self { desired: 0, instances: Some(Vec::new()) };
        for side in sides {
            sum.desired += side.desired;
            sum.instances = match (sum.instances.take(), &side.instances) {
                (Some(mut all), Some(more)) => {
                    all.extend(more.iter().cloned());
                    Some(all)
                }
                _ => None,
            };
        }
        sum
    }

    /// Whether an instance is crashed or missing.
    pub fn has_bad(&self) -> bool {
        self.instances.iter().flatten().any(|one| one.state.bad())
    }
}

/// The place of a rollout that goes in stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanaryStep {
    /// Counted from 1.
    pub current: u32,
    /// How many there are.
    pub total: u32,
}

/// Since when a rollout does not move, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The last time it moved.
    pub since: Timestamp,
    /// One clause, such as `new instances crash: Exited with status 137`.
    pub why: String,
    /// Whether the platform's own deadline for it has passed.
    pub late: bool,
}

/// One rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Its identifier.
    pub id: RolloutId,
    /// How far it has come.
    pub phase: Phase,
    /// Whether it is only proposed: nothing of it runs, or will, until somebody agrees to it.
    pub proposed: bool,
    /// The platform's own word for its state, such as `ACTIVE/DEPLOYING`.
    pub reason: String,
    /// How it proceeds.
    pub strategy: Strategy,
    /// How many instances may be on their way at a time.
    pub max_in_flight: Option<u32>,
    /// How far it may go at a time, in the platform's words, such as `surge 25%, unavailable 0`.
    pub limits: Option<String>,
    /// Its stages in order, if it goes in stages.
    pub stages: Vec<Stage>,
    /// How many instances there will be at its end.
    pub wanted: u32,
    /// What was there before; where rollouts overlap, all of it.
    pub old: Side,
    /// Where rollouts overlap, each of the sides that are added up in `old` with its revision; else empty.
    pub overlap: Vec<(RevisionRef, Side)>,
    /// What comes.
    pub new: Side,
    /// The revision before.
    pub from: Option<RevisionRef>,
    /// The revision that comes.
    pub to: Option<RevisionRef>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it last moved, as far as is known.
    pub moved_at: Option<Timestamp>,
    /// When the platform gives it up if nothing moves any more, where it says so.
    pub deadline: Option<Timestamp>,
    /// Set where it does not move.
    pub stuck: Option<Stuck>,
    /// What it waits for, in a clause, where neither continuing nor the platform itself makes it go on, such as Pods that
    /// somebody must delete.
    pub held: Option<String>,
    /// An error that the platform attached to it.
    pub error: Option<String>,
    /// Why somebody began it, where they said so.
    pub note: Option<String>,
}

/// How long a rollout with no bad instance may stand still before it counts as slow.
const PATIENCE: SignedDuration = SignedDuration::from_secs(120);

impl Rollout {
    /// How it stands in a clause, such as `rev 7 to rev 8: old 2 of 2, new 0 of 4, stuck (new instances crash)`.
    pub fn progress(&self) -> String {
        let name = |of: Option<&RevisionRef>| of.map_or_else(|| "?".to_owned(), RevisionRef::name);
        let count = |side: &Side| {
            let count = side.count();
            let running = count.running.map_or_else(|| "?".to_owned(), |it| it.to_string());
            format!("{running} of {}", count.desired)
        };
        let why = self.stuck.as_ref().map(|stuck| format!(" ({})", stuck.why));
        format!(
            "{} to {}: old {}, new {}, {}{}",
            name(self.from.as_ref()),
            name(self.to.as_ref()),
            count(&self.old),
            count(&self.new),
            self.phase.word(),
            why.unwrap_or_default()
        )
    }

    /// Judges at `now` whether it moves. It is *stuck*, for the reason that `why` gives, where the platform's own deadline
    /// has passed (`late`), an instance was bad since it last moved (`bad_seen`), or instances that run have not become
    /// ready in the time that the platform gives them (`start_time`, two minutes at least). It is *slow* where it has only
    /// not moved for two minutes. One that waits for somebody, or is being taken back, is not judged.
    pub fn judge(
        &mut self,
        bad_seen: bool,
        late: bool,
        start_time: Option<SignedDuration>,
        now: Timestamp,
        why: impl FnOnce(&Self) -> String,
    ) {
        if !matches!(self.phase, Phase::Accepted | Phase::Rolling | Phase::Slow | Phase::Stuck) {
            return;
        }
        let idle = self.moved_at.map_or(SignedDuration::ZERO, |moved| now.duration_since(moved));
        let overdue = idle >= start_time.unwrap_or(PATIENCE).max(PATIENCE);
        let unready = self.new.tally(&[InstanceState::NotReady]).unwrap_or(0) > 0;
        if late || bad_seen || self.new.has_bad() || (overdue && unready) {
            let since = self.moved_at.unwrap_or(now);
            self.stuck = Some(Stuck { since, why: why(self), late });
            self.phase = Phase::Stuck;
        } else if idle >= PATIENCE {
            self.phase = Phase::Slow;
        }
    }

    /// Where it stands, if it goes in stages.
    pub fn step(&self) -> Option<CanaryStep> {
        let total = self.stages.len() as u32;
        let done = self.stages.iter().take_while(|stage| stage.state == StageState::Done).count();
        (total > 0).then(|| CanaryStep { current: (done as u32 + 1).min(total), total })
    }

    /// The time until it is done at the pace that it had since it began.
    ///
    /// `None` while nothing can be said: nothing has come yet, or it does not move.
    pub fn time_left(&self, now: Timestamp) -> Option<SignedDuration> {
        if self.phase != Phase::Rolling {
            return None;
        }
        let running = self.new.count().running.filter(|running| *running > 0)?;
        let elapsed = now.duration_since(self.started_at?).as_secs_f64();
        if elapsed < 1.0 {
            return None;
        }
        let per_second = f64::from(running) / elapsed;
        let left = f64::from(self.wanted.saturating_sub(running)) / per_second;
        SignedDuration::try_from_secs_f64(left).ok()
    }
}
