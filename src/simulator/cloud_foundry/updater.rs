//! The deployment updater: the loop of the real platform that moves instances from old to new, tick by tick.
//!
//! It follows `lib/cloud_controller/deployment_updater` of Cloud Controller: a rollout goes on only while every new
//! instance is healthy, and one that crashes is never given up.

use jiff::Timestamp;
use serde_json::json;

use super::{
    health::{self, State},
    world::{App, Deployment, Stage, World},
};
use crate::simulator::clock::after;

/// Seconds between two ticks, as the platform's default has it.
pub(crate) const TICK: f64 = 5.0;

impl World {
    /// Plays the world up to the clock's time.
    pub(crate) fn catch_up(&mut self) {
        self.play_to(self.clock.now());
    }

    /// Plays the world up to a time: ticks, crashes and staging in the order in which they happen.
    pub(crate) fn play_to(&mut self, until: Timestamp) {
        while self.next_tick <= until {
            self.now = self.next_tick;
            if self.rolling.is_empty() {
                // Nothing can change at a tick: go straight to the last one that is due.
                let ahead = super::super::clock::seconds_between(self.next_tick, until);
                self.next_tick = after(self.next_tick, (ahead / TICK).floor() * TICK);
            }
            self.tick();
            self.next_tick = after(self.next_tick, TICK);
        }
        self.now = until;
        self.tell_crashes();
        self.finish_staging();
    }

    /// One tick of the updater over all active deployments.
    pub(crate) fn tick(&mut self) {
        for index in self.rolling.iter().copied().collect::<Vec<_>>() {
            let Some(at) =
                self.apps[index].history.deployments.iter().rposition(|d| d.stage.active())
            else {
                self.rolling.remove(&index);
                continue;
            };
            match self.apps[index].history.deployments[at].stage {
                Stage::Deploying | Stage::Prepaused => self.scale(index, at),
                Stage::Canceling => cancel(&mut self.apps[index], at, self.now),
                Stage::Paused | Stage::Deployed | Stage::Canceled => {}
            }
            if self.apps[index].active_deployment().is_none() {
                self.rolling.remove(&index);
            }
        }
    }

    fn scale(&mut self, index: usize, at: usize) {
        let now = self.now;
        let app = &self.apps[index];
        let deployment = &app.history.deployments[at];
        let Some(new_guid) = deployment.process.clone() else { return };
        let Some(new) = app.process(&new_guid) else { return };
        let (mut starting, mut routable, mut unhealthy) = (0, 0, 0);
        for reading in new.readings(now) {
            match reading.state {
                State::Running if reading.routable && app.started => routable += 1,
                State::Running | State::Starting if app.started => starting += 1,
                _ => unhealthy += 1,
            }
        }
        let (total, interim) = targets(deployment);
        let in_flight = deployment.max_in_flight;
        let instances = new.instances();
        let can_up = starting < in_flight && unhealthy == 0 && routable + in_flight >= instances;
        let want_old = total.saturating_sub(routable);
        let old: u32 = app
            .web_processes()
            .filter(|p| p.guid != new_guid)
            .map(super::world::Process::instances)
            .sum();
        let can_down = old > want_old;
        if !can_up && !can_down {
            return;
        }
        let finished = instances >= interim && routable >= interim;
        let wanted = (routable + in_flight).min(interim);
        if can_up && !finished && wanted > instances {
            // Only what is added beyond what goes in the same tick needs room.
            let freed = u64::from(old.saturating_sub(want_old)) * new.memory;
            let added = u64::from(wanted - instances) * new.memory;
            let more = (wanted - instances).saturating_sub(old.saturating_sub(want_old));
            if let Some(why) = self.quota_error(index, added.saturating_sub(freed), more) {
                let deployment = &mut self.apps[index].history.deployments[at];
                // The words of the validation alone, without those for who deploys.
                let why = why.split(" for ").next().unwrap_or_default();
                deployment.error = Some(why.to_owned());
                return;
            }
        }
        let app = &mut self.apps[index];
        app.history.deployments[at].error = None;
        let abandoned: Vec<String> = app
            .history
            .deployments
            .iter()
            .filter(|d| d.superseded && d.stage == Stage::Canceled)
            .filter_map(|d| d.process.clone())
            .collect();
        for process in app.processes.iter_mut().filter(|p| abandoned.contains(&p.guid)) {
            process.scale(0, now);
        }
        if can_down {
            drain(app, &new_guid, old - want_old, now);
        }
        if finished {
            finish(app, at, &new_guid, now);
        } else if can_up && wanted > instances {
            if let Some(process) = app.processes.iter_mut().find(|p| p.guid == new_guid) {
                process.scale(wanted, now);
            }
            let deployment = &mut app.history.deployments[at];
            deployment.last_scaled = now;
            deployment.updated_at = now;
        }
    }

    fn tell_crashes(&mut self) {
        let (now, seed) = (self.now, self.seed);
        for index in self.rolling.iter().copied().collect::<Vec<_>>() {
            let app = &mut self.apps[index];
            if !app.started {
                continue;
            }
            let mut told = Vec::new();
            for process in &mut app.processes {
                let health::Health::Crash { reason, .. } = &process.health else { continue };
                for (place, started) in process.started.iter().enumerate() {
                    let from = process.crashes_told;
                    for (when, count) in
                        health::crashes_between(&process.health, *started, from, now)
                    {
                        told.push((when, place, count, reason.clone(), process.guid.clone()));
                    }
                }
                process.crashes_told = now;
            }
            told.sort_by_key(|crash| crash.0);
            for (when, place, count, reason, process) in told {
                let data = json!({
                    "instance": format!("{process}-{place}"), "index": place, "exit_description": reason,
                    "reason": "CRASHED", "crash_count": count, "crash_timestamp": when.as_nanosecond() as i64,
                    "cell_id": format!("cell-{}", place % 3), "version": process,
                });
                // Cloud Controller records each crash twice (`app_crashed_controller.rb`).
                app.record(seed, when, "app.crash", "web", data.clone());
                app.record(seed, when, "audit.app.process.crash", "web", data);
                app.note(when, "API", "Process has crashed with type: \"web\"");
            }
        }
    }
}

/// The total and the interim number of instances that the present step wants.
pub(crate) fn targets(deployment: &Deployment) -> (u32, u32) {
    let wanted = deployment.web_instances.unwrap_or(deployment.original_instances);
    if deployment.canary && deployment.stage == Stage::Prepaused {
        let (canary, original) = canary_step(deployment, deployment.step);
        (canary + original, canary)
    } else {
        (wanted, wanted)
    }
}

/// Canary and original instances at a step, counted from 0.
pub(crate) fn canary_step(deployment: &Deployment, step: usize) -> (u32, u32) {
    let original = deployment.original_instances;
    if deployment.steps.is_empty() {
        return (1, original);
    }
    let base = deployment.web_instances.map_or(original, |wanted| wanted.min(original));
    let weight = deployment.steps.get(step).copied().unwrap_or(100);
    let canary = ((f64::from(base) * weight as f64 / 100.0).round() as u32).max(1);
    let left = if weight == 100 { 0 } else { (base + 1).saturating_sub(canary) };
    (canary, left)
}

/// Takes instances from the other web processes, oldest first; only the very oldest survives without any.
fn drain(app: &mut App, new_guid: &str, mut surplus: u32, now: Timestamp) {
    let oldest = app.web_processes().next().map(|process| process.guid.clone());
    for process in app.processes.iter_mut().filter(|p| p.kind == "web" && p.guid != new_guid) {
        let taken = surplus.min(process.instances());
        if taken > 0 {
            process.scale(process.instances() - taken, now);
            surplus -= taken;
        }
    }
    app.processes.retain(|process| {
        process.kind != "web"
            || process.guid == new_guid
            || process.instances() > 0
            || Some(&process.guid) == oldest.as_ref()
    });
}

fn finish(app: &mut App, at: usize, new_guid: &str, now: Timestamp) {
    let deployment = &mut app.history.deployments[at];
    deployment.updated_at = now;
    if deployment.stage == Stage::Prepaused {
        deployment.last_scaled = now;
        deployment.enter(Stage::Paused, now);
        return;
    }
    deployment.enter(Stage::Deployed, now);
    let revision = deployment.revision.as_ref().map(|(guid, _)| guid.clone());
    app.processes.retain(|process| process.kind != "web" || process.guid == new_guid);
    // The other processes are restarted in place, all at once.
    for process in app.processes.iter_mut().filter(|process| process.kind != "web") {
        process.revision.clone_from(&revision);
        process.started.fill(now);
        process.updated_at = now;
    }
}

fn cancel(app: &mut App, at: usize, now: Timestamp) {
    let original = app.history.deployments[at].original_instances;
    let running = |guid: &str| {
        app.process(guid).is_some_and(|process| {
            process.readings(now).any(|reading| reading.state == State::Running)
        })
    };
    let interim = app
        .history
        .deployments
        .iter()
        .rev()
        .filter(|d| d.superseded && d.stage == Stage::Deployed)
        .filter_map(|d| d.process.clone())
        .find(|guid| running(guid));
    let prior = interim.or_else(|| app.web_processes().next().map(|p| p.guid.clone()));
    if let Some(prior) = prior {
        app.processes.retain(|process| process.kind != "web" || process.guid == prior);
        if let Some(process) = app.processes.iter_mut().find(|p| p.guid == prior) {
            process.scale(original, now);
        }
    }
    app.history.deployments[at].enter(Stage::Canceled, now);
}
