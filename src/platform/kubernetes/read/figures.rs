//! Instances with what they use: Pods, their restarts, and figures of metrics.k8s.io where the cluster serves them.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use crate::platform::kubernetes::{
    cluster::Cluster,
    model::{
        quantity::amount,
        rows::{Rows, RowsAsked},
        store::Store,
        wire::{self, Container, Pod, PodMetrics},
    },
    read::{controlled::MARK, convert::reference, instances},
};
use crate::platform::sync::lock;
use crate::{
    domain::{
        AppId, Instance, InstanceReading, InstanceState, PACE, Reading, Restarts, RevisionRef,
        SideName, Usage, text::clean, text::span,
    },
    platform::Error,
};

/// How long a Pod may take to become ready where its probes do not say.
const START: SignedDuration = SignedDuration::from_secs(60);
/// How long one that is ready needs until its figures are those of one that works.
const SETTLES: SignedDuration = SignedDuration::from_secs(30);
/// How old a figure may be before it is not shown as present: metrics-server measures once a minute where nobody says
/// otherwise (`options.go`), and that takes its time.
const FRESH: SignedDuration = SignedDuration::from_secs(150);

impl Store {
    /// The Pods of a workload as instances, where they are known.
    pub(in crate::platform::kubernetes) fn rows(
        &self,
        target: &crate::domain::TargetId,
        uid: &str,
        now: Timestamp,
    ) -> Option<Rows> {
        let workload = self.workloads.get(uid)?;
        // Without ReplicaSets nothing says which Pods are old and which are new.
        let blind = self.no_sets && workload.kind.has_sets();
        if blind || !self.with_pods.contains(uid) {
            return None;
        }
        let app = self.app(target, uid, now)?;
        let rollout = app.rollout.as_ref();
        let to = rollout.and_then(|rollout| rollout.to.as_ref());
        let mut rows = Rows {
            namespace: workload.object.metadata.namespace.clone(),
            selector: workload
                .object
                .spec
                .as_ref()
                .map(|spec| spec.selector.query())
                .unwrap_or_default(),
            instances: Vec::new(),
            containers: HashMap::new(),
            uids: HashMap::new(),
        };
        if workload.kind.has_sets() {
            for set in self.sets.owned(uid) {
                let new = to.is_some_and(|to| to.id.as_str() == set.metadata.uid);
                let side = if new { SideName::New } else { SideName::Old };
                for pod in self.pods.owned(&set.metadata.uid) {
                    // One that has failed for good is counted by nobody: another one took its place
                    // (`controller_utils.go`).
                    let failed = pod.status.as_ref().is_some_and(|status| status.phase == "Failed");
                    if !failed {
                        rows.put(pod, side, Some(reference(set)), now);
                    }
                }
            }
        } else {
            let newest = self.newest(workload).0;
            for pod in self.pods.owned(uid) {
                let carries = newest.is_some() && pod.metadata.labels.get(MARK) == newest.as_ref();
                let new = rollout.is_some() && carries;
                let side = if new { SideName::New } else { SideName::Old };
                let from = rollout.and_then(|rollout| rollout.from.as_ref());
                let of = if new { to } else { from.or(app.deployed.as_ref()) };
                rows.put(pod, side, of.cloned(), now);
            }
        }
        rows.instances.sort_by(|a, b| {
            b.side.cmp(&a.side).then_with(|| a.instance.name.cmp(&b.instance.name))
        });
        Some(rows)
    }
}

impl Rows {
    fn put(&mut self, pod: &Pod, side: SideName, revision: Option<RevisionRef>, now: Timestamp) {
        let instance = instances::young(instances::instance(pod), now);
        // What has run to its end is no instance any more.
        let over = pod.status.as_ref().is_some_and(|status| status.phase == "Succeeded");
        if over || instance.state == InstanceState::Stopping {
            return;
        }
        let spec = pod.spec.clone().unwrap_or_default();
        self.containers.insert(pod.metadata.name.clone(), spec.containers);
        self.uids.insert(pod.metadata.name.clone(), pod.metadata.uid.clone());
        self.instances.push(reading(pod, instance, side, revision));
    }

    /// Adds what the cluster measured, as far as it is fresh.
    fn measure(mut self, metrics: Result<Vec<PodMetrics>, String>, now: Timestamp) -> Reading {
        let (metrics, mut unmeasured) = match metrics {
            Ok(metrics) => (metrics, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let by_name: HashMap<_, _> =
            metrics.into_iter().map(|one| (one.metadata.name.clone(), one)).collect();
        let mut measured_at = None;
        let mut stale: Option<SignedDuration> = None;
        for one in &mut self.instances {
            let Some(metrics) = by_name.get(&one.id) else { continue };
            let age = metrics.timestamp.map_or(SignedDuration::ZERO, |at| now.duration_since(at));
            if age > FRESH {
                stale = stale.max(Some(age));
                continue;
            }
            // What was measured before it ran is of its start.
            let window = metrics.window.as_deref().and_then(|text| text.parse().ok());
            let from = metrics.timestamp.map(|at| at - window.unwrap_or(SETTLES));
            if from.zip(one.began_at).is_some_and(|(from, began)| from < began) {
                continue;
            }
            measured_at = measured_at.max(metrics.timestamp);
            let limits = self.containers.get(&one.id).map(Vec::as_slice).unwrap_or_default();
            one.cpu = usage(metrics, limits, "cpu");
            one.memory = usage(metrics, limits, "memory");
        }
        if let Some(age) = stale {
            let age = span(age);
            unmeasured =
                Some(format!("figures are {age} old, or the clock of this machine goes wrong"));
        } else if unmeasured.is_none() && measured_at.is_none() && !self.instances.is_empty() {
            unmeasured = Some("metrics.k8s.io has measured none of these Pods yet".to_owned());
        }
        Reading {
            at: now,
            measured_at,
            unmeasured,
            pace: PACE,
            instances: self.instances,
            errors: None,
        }
    }
}

/// What all containers use together, with the part of its own limit that the fullest one uses: it is what is ended.
fn usage(metrics: &PodMetrics, limits: &[Container], what: &str) -> Option<Usage> {
    let used = |one: &wire::ContainerMetrics| amount(one.usage.get(what)?);
    let all: Option<Vec<f64>> = metrics.containers.iter().map(used).collect();
    let mut usage = Usage::of(all.map(|all| all.iter().sum()), None)?;
    // A sidecar that has a limit says nothing of an app that has none.
    let share = |container: &Container| {
        let own = metrics.containers.iter().find(|one| one.name == container.name)?;
        Usage::of(used(own), amount(container.resources.limits.get(what)?))?.share
    };
    let shares: Option<Vec<f64>> = limits.iter().map(share).collect();
    usage.share = shares.and_then(|shares| shares.into_iter().reduce(f64::max));
    Some(usage)
}

fn reading(
    pod: &Pod,
    instance: Instance,
    side: SideName,
    revision: Option<RevisionRef>,
) -> InstanceReading {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let running = instance.state == InstanceState::Running;
    // One that was started anew in place has its time to start again.
    let states = || status.init_container_statuses.iter().chain(&status.container_statuses);
    let started = states().filter_map(|one| one.state.running.as_ref()?.started_at).max();
    let began_at =
        if running { instance.since } else { started.or(pod.metadata.creation_timestamp) };
    let restarts = states().map(|one| one.restart_count).sum();
    let mut facts = vec![
        ("node".to_owned(), clean(spec.node_name.as_deref().unwrap_or_default())),
        ("address".to_owned(), clean(&status.pod_ip)),
    ];
    for one in status.init_container_statuses.iter().chain(&status.container_statuses) {
        facts.push((format!("container {}", clean(&one.name)), clean(&container(one))));
    }
    facts.retain(|(_, value)| !value.is_empty());
    InstanceReading {
        id: pod.metadata.name.clone(),
        side,
        revision,
        began_at,
        grace: if running {
            SETTLES
        } else {
            spec.containers.iter().map(start).max().unwrap_or(START)
        },
        restarts: pod.metadata.creation_timestamp.map(|since| Restarts { count: restarts, since }),
        cpu: None,
        memory: None,
        facts,
        instance,
    }
}

/// How long a container may take until it is ready.
fn start(container: &Container) -> SignedDuration {
    let seconds = |probe: &wire::Probe, times: bool| {
        // The server's own defaults.
        let period = probe.period_seconds.unwrap_or(10);
        let threshold = if times { probe.failure_threshold.unwrap_or(3) } else { 1 };
        probe.initial_delay_seconds.unwrap_or(0).saturating_add(period.saturating_mul(threshold))
    };
    let startup = container.startup_probe.as_ref().map_or(0, |probe| seconds(probe, true));
    let readiness = container.readiness_probe.as_ref().map_or(0, |probe| seconds(probe, false));
    SignedDuration::from_secs(startup.saturating_add(readiness)).max(START)
}

/// `running, 2 restarts, last exit 137 (OOMKilled)`
fn container(one: &wire::ContainerStatus) -> String {
    let state = match (&one.state.running, &one.state.waiting, &one.state.terminated) {
        (Some(_), ..) if one.ready => "ready".to_owned(),
        (Some(_), ..) => "running, not ready".to_owned(),
        (None, Some(waiting), _) => waiting.reason.clone(),
        (None, None, Some(ended)) => format!("ended with {}", ended.exit_code),
        (None, None, None) => "not started".to_owned(),
    };
    let restarts = match one.restart_count {
        0 => String::new(),
        1 => ", 1 restart".to_owned(),
        many => format!(", {many} restarts"),
    };
    let last = one.last_state.terminated.as_ref();
    let last = last.map(|last| format!(", last exit {} ({})", last.exit_code, last.reason));
    format!("{state}{restarts}{}", last.unwrap_or_default())
}

impl Cluster {
    /// The instances of a workload: of who watches them, else from lists; and one list of figures.
    pub(in crate::platform::kubernetes) async fn reading(
        &self,
        app: &AppId,
    ) -> Result<Reading, Error> {
        let rows = self.rows(app).await?;
        let metrics = self.metrics(&rows).await;
        Ok(rows.measure(metrics, (self.now)()))
    }

    /// The instances of a workload, without figures.
    pub(super) async fn rows(&self, app: &AppId) -> Result<Rows, Error> {
        match self.watched_rows(app).await {
            Some(rows) => Ok(rows),
            None => self.listed_rows(app).await,
        }
    }

    async fn watched_rows(&self, app: &AppId) -> Option<Rows> {
        let watcher = lock(&self.watcher).clone()?;
        let (answer, answered) = oneshot::channel();
        watcher.send(RowsAsked { app: app.clone(), answer }).await.ok()?;
        answered.await.ok()?
    }

    async fn listed_rows(&self, app: &AppId) -> Result<Rows, Error> {
        let store = self.load_one(app).await?;
        if store.no_sets {
            let what = "this login may not list ReplicaSets, and only they say which instances are old and which are new";
            return Err(Error::Refused { what: what.to_owned() });
        }
        let now = (self.now)();
        store.rows(&self.target, app.as_str(), now).ok_or_else(|| Error::NotFound {
            what: format!("there is no workload with the UID {} any more", clean(app.as_str())),
        })
    }

    /// What the cluster measured of these Pods; why it did not, in a clause.
    async fn metrics(&self, rows: &Rows) -> Result<Vec<PodMetrics>, String> {
        let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods", rows.namespace);
        let query = [("labelSelector", rows.selector.as_str())];
        let read = self.connection.get::<wire::List<PodMetrics>>(&path, &query).await;
        read.map(|list| list.items).map_err(|error| match error {
            Error::NotFound { .. } => {
                "this cluster serves no metrics (metrics.k8s.io is not installed)".to_owned()
            }
            Error::Forbidden { .. } => "this login may not list Pods of metrics.k8s.io".to_owned(),
            other => format!("metrics.k8s.io does not answer: {other}"),
        })
    }
}
