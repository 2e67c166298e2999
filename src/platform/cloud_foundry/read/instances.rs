//! Instances with what they use: `GET /v3/processes/:guid/stats` of every process that serves, crashes from audit events,
//! and error lines from log-cache.

use std::collections::HashMap;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::platform::cloud_foundry::{
    foundation::CloudFoundry, foundation::Labels, model::wire, read::convert,
};
use crate::{
    domain::{
        AppId, ErrorCount, ErrorLines, InstanceReading, InstanceState, PACE, Reading, Restarts,
        SideName, Usage, text::clean,
    },
    platform::Error,
};

/// How many crashes are looked through, the newest first.
const CRASHES: u32 = 100;
/// For how long back crashes count where nothing rolls.
const LATELY: SignedDuration = SignedDuration::from_hours(1);
/// The time in which error lines are counted.
const ERRORS_IN: SignedDuration = SignedDuration::from_secs(60);
/// The most lines that log-cache gives at once.
const LINES: usize = 1_000;
/// How long a start may take where the process does not say.
const START: SignedDuration = SignedDuration::from_secs(60);
/// How long one that runs needs until its figures are those of one that works: caches fill, code is compiled, and for a
/// moment Cloud Controller has the figures of the run before (`container_metric_batcher.rb`).
const SETTLES: SignedDuration = SignedDuration::from_secs(45);

/// A process with its statistics.
struct Measured<'a> {
    process: &'a wire::Process,
    side: SideName,
    stats: wire::Stats,
}

impl CloudFoundry {
    /// The instances of an app: of its web processes while it rolls, else of all.
    pub(in crate::platform::cloud_foundry) async fn reading(
        &self,
        app: &AppId,
    ) -> Result<Reading, Error> {
        let guid = app.as_str();
        let apps = [guid];
        let (processes, active) =
            tokio::try_join!(self.processes_of(guid, false), self.active_of(&apps))?;
        self.learn_all(&active);
        let deployment = active.last();
        let shown: Vec<_> = processes
            .iter()
            .filter(|one| one.instances > 0 && (deployment.is_none() || one.kind == "web"))
            .collect();
        let now = (self.now)();
        let since = deployment.and_then(|one| one.created_at).unwrap_or(now - LATELY);
        let stats = join_all(shown.iter().map(|one| self.measured(&one.guid)));
        let (stats, crashes, lines) = tokio::join!(
            stats,
            self.crashes_since(guid, since, deployment),
            self.error_lines(guid, now)
        );
        let is_new = |process: &wire::Process| {
            deployment
                .is_some_and(|one| one.new_processes.iter().any(|new| new.guid == process.guid))
        };
        let mut all = Vec::new();
        for (process, stats) in shown.into_iter().zip(stats) {
            let side = if is_new(process) { SideName::New } else { SideName::Old };
            match stats {
                Ok(stats) => all.push(Measured { process, side, stats }),
                // A process of the old side goes while this is read.
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(told(&all, crashes.as_ref(), lines, &self.labels(), now))
    }

    async fn measured(&self, process: &str) -> Result<wire::Stats, Error> {
        self.http.get(&format!("/v3/processes/{process}/stats"), &[]).await
    }

    /// How often each instance of each process has crashed since then, where that can be read.
    async fn crashes_since(
        &self,
        app: &str,
        since: Timestamp,
        deployment: Option<&wire::Deployment>,
    ) -> Option<Crashes> {
        let types = "audit.app.process.crash,audit.app.deployment.create";
        let events = self.events_of(app, types, CRASHES).await.ok()?;
        // Managers are answered with an empty list (`permissions.rb`): who does not see that the rollout began does not
        // see that its instances crash.
        let began = |event: &wire::AuditEvent| {
            let guid = event.data.get("deployment_guid").and_then(serde_json::Value::as_str);
            deployment.is_some_and(|one| guid == Some(&one.guid))
        };
        let whole = events.len() < CRASHES as usize;
        if deployment.is_some() && whole && !events.iter().any(began) {
            return None;
        }
        let events: Vec<_> =
            events.into_iter().filter(|event| event.kind.ends_with("process.crash")).collect();
        let mut crashes = Crashes { since, times: HashMap::new() };
        if !whole {
            // There may have been more before.
            crashes.since = events.last().map_or(since, |event| event.created_at.max(since));
        }
        for event in events.iter().filter(|event| event.created_at >= crashes.since) {
            // The actor of a crash is the process (`process_event_repository.rb`).
            let Some(process) = event.actor.guid.clone() else { continue };
            let index = event.data.get("index").and_then(serde_json::Value::as_u64);
            let why = event.data.get("exit_description").and_then(serde_json::Value::as_str);
            let entry = crashes.times.entry((process, index.unwrap_or(0))).or_default();
            entry.0 += 1;
            // They come newest first.
            entry.1.get_or_insert_with(|| clean(bare(why.unwrap_or_default())));
        }
        Some(crashes)
    }

    /// The lines on standard error of the last minute, by process; none where log-cache is away.
    async fn error_lines(&self, app: &str, now: Timestamp) -> Option<Lines> {
        let log_cache = self.api_info().await.ok()?.log_cache;
        let since = now - ERRORS_IN;
        let query = [
            ("envelope_types", "LOG".to_owned()),
            ("descending", "true".to_owned()),
            ("limit", LINES.to_string()),
            ("start_time", since.as_nanosecond().to_string()),
        ];
        let path = format!("{log_cache}/api/v1/read/{app}");
        let read: wire::LogRead = self.http.get(&path, &query).await.ok()?;
        let batch = read.envelopes.batch;
        // Nothing at all is what a clock that goes wrong looks like, too.
        if batch.is_empty() {
            return None;
        }
        let at = |one: &wire::Envelope| {
            Timestamp::from_nanosecond(one.timestamp.parse::<i128>().ok()?).ok()
        };
        // Each cell stamps lines by its own clock. Where that is ahead of ours, the minute is one of it.
        let mut newest: HashMap<Option<&str>, Timestamp> = HashMap::new();
        for one in batch.iter().rev() {
            newest.extend(at(one).map(|at| (one.instance_id.as_deref(), at)));
        }
        let ahead = |one: &wire::Envelope| {
            let newest = newest.get(&one.instance_id.as_deref());
            let ahead = newest.map(|newest| newest.duration_since(now));
            ahead.unwrap_or_default().max(SignedDuration::ZERO)
        };
        let mut lines = Lines { since, by_instance: HashMap::new() };
        if batch.len() >= LINES {
            let oldest = batch.last().and_then(|one| Some(at(one)? - ahead(one)));
            lines.since = oldest.unwrap_or(since).max(since);
        }
        let counted = |one: &&wire::Envelope| at(one).is_none_or(|at| at - ahead(one) >= since);
        for one in batch.iter().filter(counted) {
            let of_app = one.tags.get("source_type").is_some_and(|of| of.starts_with("APP"));
            let number = one.instance_id.as_deref().and_then(|id| id.parse().ok());
            if of_app
                && one.log.as_ref().is_some_and(|log| log.kind == "ERR")
                && let (Some(process), Some(number)) = (one.tags.get("process_id"), number)
            {
                *lines.by_instance.entry((process.clone(), number)).or_default() += 1;
            }
        }
        Some(lines)
    }
}

/// Why an instance crashed, without what was run: `APP/PROC/WEB: Exited with status 1` is of a web process anyway.
fn bare(why: &str) -> &str {
    match why.split_once(": ") {
        Some((what, why)) if what.starts_with("APP/") => why,
        _ => why,
    }
}

/// How often an instance has crashed, and why it did last.
type Crashed = (u32, Option<String>);

struct Crashes {
    since: Timestamp,
    times: HashMap<(String, u64), Crashed>,
}

struct Lines {
    since: Timestamp,
    by_instance: HashMap<(String, u32), u32>,
}

fn told(
    all: &[Measured<'_>],
    crashes: Option<&Crashes>,
    lines: Option<Lines>,
    labels: &Labels,
    now: Timestamp,
) -> Reading {
    let mut instances = Vec::new();
    for one in all {
        for (stat, instance) in one.stats.resources.iter().zip(convert::stats(&one.stats, now)) {
            if instance.state == InstanceState::Stopping {
                continue;
            }
            let own = crashes.map(|crashes| {
                let key = (one.process.guid.clone(), u64::from(stat.index));
                (crashes.since, crashes.times.get(&key).cloned().unwrap_or_default())
            });
            instances.push(instance_reading(one, stat, instance, own, labels));
        }
    }
    instances.sort_by_key(|one: &InstanceReading| std::cmp::Reverse(one.side));
    let runs = instances.iter().any(|one| one.instance.state == InstanceState::Running);
    let figures = instances.iter().any(|one| one.memory.is_some());
    let errors = lines.map(|lines| {
        // Only those that had started before the first line that is counted.
        let count = |side| {
            let settled = |one: &&InstanceReading| {
                let began = one.began_at.map(|began| began + one.grace);
                one.side == side && began.is_some_and(|began| began <= lines.since)
            };
            let mut count = ErrorCount::default();
            for one in instances.iter().filter(settled) {
                let (process, number) = one.id.rsplit_once('/').unwrap_or((&one.id, ""));
                let key = (process.to_owned(), number.parse().unwrap_or_default());
                count.instances += 1;
                count.lines += lines.by_instance.get(&key).copied().unwrap_or_default();
            }
            count
        };
        ErrorLines { since: lines.since, old: count(SideName::Old), new: count(SideName::New) }
    });
    Reading {
        at: now,
        // The time that Cloud Controller tells is that of the request.
        measured_at: None,
        unmeasured: (runs && !figures)
            .then(|| "Cloud Foundry tells no figures now: its log-cache may be away".to_owned()),
        pace: PACE,
        instances,
        errors,
    }
}

fn instance_reading(
    of: &Measured<'_>,
    stat: &wire::Stat,
    mut instance: crate::domain::Instance,
    crashes: Option<(Timestamp, Crashed)>,
    labels: &Labels,
) -> InstanceReading {
    let running = matches!(instance.state, InstanceState::Running | InstanceState::NotReady);
    // What does not run uses nothing; its zeroes were not measured.
    // What was not measured is sent as zeroes (`instances_stats_reporter.rb`), and nothing that runs needs no memory.
    let measured = running && stat.usage.mem.is_some_and(|memory| memory > 0.0);
    let usage = measured.then_some(&stat.usage);
    let cpu = usage.and_then(|usage| {
        let mut cpu = Usage::of(usage.cpu, None)?;
        cpu.share = usage.cpu_entitlement.filter(|share| share.is_finite() && *share >= 0.0);
        Some(cpu)
    });
    let memory = usage.and_then(|usage| Usage::of(usage.mem, stat.mem_quota));
    let timeout = of.process.health_check.data.timeout.map(SignedDuration::from_secs);
    if instance.reason.is_none() && instance.state != InstanceState::Running {
        instance.reason = crashes.as_ref().and_then(|(_, (_, why))| why.clone());
    }
    let began_at = running.then_some(instance.since).flatten();
    // How often an instance crashed is counted from when there could be one at all.
    let restarts = crashes.map(|(since, (count, _))| Restarts {
        count,
        since: of.process.created_at.map_or(since, |made| made.max(since)),
    });
    InstanceReading {
        id: format!("{}/{}", of.process.guid, stat.index),
        side: of.side,
        revision: of
            .process
            .relationships
            .revision
            .guid()
            .map(|guid| convert::reference(guid, labels)),
        began_at,
        grace: if running { SETTLES } else { timeout.unwrap_or(START) },
        restarts,
        cpu,
        memory,
        facts: facts(of.process, stat),
        instance,
    }
}

fn facts(process: &wire::Process, stat: &wire::Stat) -> Vec<(String, String)> {
    let mega = |bytes: f64| format!("{:.0} MB", bytes / 1_048_576.0);
    let ports = stat
        .instance_ports
        .iter()
        .filter_map(|port| Some(format!("{} → {}", port.external?, port.internal?)));
    let ports = ports.collect::<Vec<_>>().join(", ");
    let disk = stat.usage.disk.map(|used| match stat.disk_quota {
        Some(quota) => format!("{} of {}", mega(used), mega(quota)),
        None => mega(used),
    });
    let pairs = [
        ("process", Some(process.guid.clone())),
        ("instance", stat.instance_guid.clone()),
        ("cell", stat.host.clone()),
        ("address", stat.instance_internal_ip.clone()),
        ("ports", Some(ports)),
        ("disk", disk),
        ("routable", stat.routable.map(|is| if is { "yes" } else { "no" }.to_owned())),
        ("isolation segment", stat.isolation_segment.clone()),
        ("said", stat.details.clone()),
    ];
    pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), clean(&value?))))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}
