//! What is remembered from one look at a rollout to the next: whether it moves, and why not.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{App, AppId, Instance, Phase, RolloutId, Side, Stuck};
use crate::platform::cloud_foundry::{foundation::CloudFoundry, read::history::why_stuck};

/// How often the reason for crashes is asked for.
const REASONS: SignedDuration = SignedDuration::from_secs(60);
/// Reasons asked for in one turn, besides that of the selected app.
const AT_ONCE: u32 = 3;
/// Rollouts remembered before those not seen in the last turn are forgotten.
const MANY: usize = 1_000;

#[derive(Clone, Debug)]
struct Observed {
    shape: (u32, u32, u32),
    moved_at: Timestamp,
    seen_at: Timestamp,
    bad_seen: bool,
    crash: Option<(String, Timestamp)>,
}

/// Rollouts seen so far.
#[derive(Debug, Default)]
pub(in crate::platform::cloud_foundry) struct StallMemory(HashMap<RolloutId, Observed>);

impl StallMemory {
    /// Whether the rollout of an app moves.
    pub(in crate::platform::cloud_foundry) fn judge(&mut self, app: &mut App, now: Timestamp) {
        let Some(rollout) = &mut app.rollout else { return };
        // Whether what runs has had the time that the platform gives it was judged by the look itself.
        let overdue = rollout.stuck.take().is_some() && !rollout.new.has_bad();
        if matches!(rollout.phase, Phase::Slow | Phase::Stuck) {
            rollout.phase = Phase::Rolling;
        }
        let running = rollout.new.count().running.unwrap_or(0);
        let shape = (rollout.old.desired, rollout.new.desired, running);
        let memory = self.0.entry(rollout.id.clone()).or_insert_with(|| Observed {
            shape,
            moved_at: rollout.moved_at.unwrap_or(now),
            seen_at: now,
            bad_seen: false,
            crash: None,
        });
        memory.seen_at = now;
        // Fewer running ones are no progress; a crash loop goes up and down without getting anywhere.
        let moved =
            shape.0 != memory.shape.0 || shape.1 != memory.shape.1 || shape.2 > memory.shape.2;
        if moved {
            *memory = Observed { shape, moved_at: now, seen_at: now, bad_seen: false, crash: None };
        }
        memory.bad_seen |= rollout.new.has_bad();
        rollout.moved_at = rollout.moved_at.max(Some(memory.moved_at));
        let crash = memory.crash.as_ref().map(|(reason, _)| reason.as_str());
        rollout.judge(
            memory.bad_seen || overdue,
            false,
            Some(SignedDuration::MAX),
            now,
            |rollout| why_stuck(rollout, crash),
        );
    }

    /// Asks why new instances crash, for the selected app and a few others, now and then.
    pub(in crate::platform::cloud_foundry) async fn explain(
        &mut self,
        foundation: &CloudFoundry,
        apps: &mut [App],
        focus: Option<&AppId>,
    ) {
        let now = (foundation.now)();
        let mut asked = 0;
        for app in apps {
            let Some(rollout) = &mut app.rollout else { continue };
            let Some(memory) = self.0.get_mut(&rollout.id) else { continue };
            let due = memory.crash.as_ref().is_none_or(|(_, at)| now.duration_since(*at) > REASONS);
            if rollout.stuck.is_none() || !due || (asked >= AT_ONCE && focus != Some(&app.id)) {
                continue;
            }
            asked += 1;
            let Some((reason, _)) = foundation.crash_reason(app.id.as_str()).await else {
                continue;
            };
            if (rollout.new.has_bad() || memory.bad_seen)
                && let Some(stuck) = &rollout.stuck
            {
                let why = why_stuck(rollout, Some(&reason));
                rollout.stuck = Some(Stuck { why, ..stuck.clone() });
            }
            memory.crash = Some((reason, now));
        }
        if self.0.len() > MANY {
            let old = |memory: &Observed| now.duration_since(memory.seen_at) > REASONS * 5;
            self.0.retain(|_, memory| !old(memory));
        }
    }
}

/// Times that are worked out from "seconds in this state" waver by a second: those that say the same stay the same.
pub(in crate::platform::cloud_foundry) fn steady(known: &App, app: &mut App) {
    if let (Some(before), Some(now)) = (&known.rollout, &mut app.rollout) {
        steady_side(&before.old, &mut now.old);
        steady_side(&before.new, &mut now.new);
    }
    if let (Some(before), Some(now)) = (&known.serving, &mut app.serving) {
        steady_side(before, now);
    }
}

fn steady_side(before: &Side, now: &mut Side) {
    let find = |instance: &Instance| {
        let known = before.instances.iter().flatten().find(|known| known.name == instance.name)?;
        let (a, b) = (known.since?, instance.since?);
        let close = a.duration_since(b).abs() <= SignedDuration::from_secs(4);
        (known.state == instance.state && close).then_some(a)
    };
    for instance in now.instances.iter_mut().flatten() {
        if let Some(since) = find(instance) {
            instance.since = Some(since);
        }
    }
}
