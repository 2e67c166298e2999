//! One look at an operation: what the cluster shows of it.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::platform::kubernetes::{
    cluster::Cluster,
    model::store::{Address, Kind, Kinded, Store},
    model::wire::{ReplicaSet, Workload},
    operate::guard::Guard,
    read::argo::waits_for_somebody,
    read::controlled::{Mix, mix},
};
use crate::{
    domain::{App, Count, Finding, Observation, Overtaken, Phase, Receipt, RolloutId, text::clean},
    platform::Error,
};

/// What is needed to recognise an operation.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(in crate::platform::kubernetes) struct Tracking {
    /// The template that was asked for, by its hash; none where the template stays.
    pub(in crate::platform::kubernetes) template: Option<u64>,
    /// The template before.
    pub(in crate::platform::kubernetes) before: Option<u64>,
    /// The generation before.
    pub(in crate::platform::kubernetes) generation: i64,
    /// Whether it is to be paused afterwards, or no longer.
    pub(in crate::platform::kubernetes) paused: Option<bool>,
    /// Whether the rollout in progress is ended by it.
    pub(in crate::platform::kubernetes) ends: Option<bool>,
    /// What was asked of an Argo Rollout, which no template shows.
    #[serde(default)]
    pub(in crate::platform::kubernetes) asked: Option<Asked>,
    /// How many instances there were, and how many there shall be.
    #[serde(default)]
    pub(in crate::platform::kubernetes) scaled: Option<(u32, u32)>,
    /// The Pod that is to go: its namespace, name and UID.
    #[serde(default)]
    pub(in crate::platform::kubernetes) evicted: Option<(String, String, String)>,
}

/// What was asked of an Argo Rollout.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::platform::kubernetes) enum Asked {
    /// Every Pod older than this is to be replaced.
    Restart(String),
    /// The stable side is to serve alone.
    Abort,
    /// An aborted rollout is to begin again.
    Retry,
    /// The step that it waits at, by its index, is to be over.
    Promote(Option<u32>),
}

impl Asked {
    /// What is known already: that it has not come, or came too late.
    fn finding(&self, object: &Workload) -> Option<Finding> {
        let status = object.status.as_ref()?;
        let came = match self {
            Self::Restart(at) => {
                let asked = object.spec.as_ref().and_then(|spec| spec.restart_at);
                asked.is_some() && at.parse().ok() <= asked
            }
            Self::Abort => status.abort,
            Self::Retry => !status.abort,
            Self::Promote(step) => {
                status.pause_conditions.is_empty() || status.current_step_index != *step
            }
        };
        (!came).then_some(Finding::NotArrived)
    }
}

impl Tracking {
    pub(in crate::platform::kubernetes) fn json(&self) -> Value {
        // Numbers only: it cannot fail to become JSON.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// That of a rollout which somebody else began.
    pub(in crate::platform::kubernetes) fn of(rollout: &RolloutId) -> Self {
        let (_, hash) = rollout.as_str().rsplit_once('/').unwrap_or_default();
        Self { template: u64::from_str_radix(hash, 16).ok(), ..Self::default() }
    }
}

/// How long after it was sent a number that is what it was before has been put back by somebody.
const PUT_BACK: SignedDuration = SignedDuration::from_secs(10);

pub(in crate::platform::kubernetes) async fn observe(
    cluster: &Cluster,
    receipt: &Receipt,
) -> Result<Observation, Error> {
    let tracking: Tracking = cluster.read_own("the receipt", &receipt.recipe.tracking)?;
    let uid = receipt.app.app.as_str();
    let gone = || Ok(Finding::Overtaken { what: Overtaken::Deleted, by: None }.into());
    let address = match cluster.located(receipt).await {
        Ok(address) => address,
        Err(Error::NotFound { .. }) => return gone(),
        Err(error) => return Err(error),
    };
    let object: Workload = match cluster.connection.get(&address.path(), &[]).await {
        Ok(object) => object,
        Err(Error::NotFound { .. }) => return gone(),
        Err(error) => return Err(error),
    };
    if object.metadata.uid != uid {
        return gone();
    }
    if let Some((before, wanted)) = tracking.scaled {
        let rested = receipt
            .sent_at
            .is_some_and(|sent| !receipt.lost && (cluster.now)().duration_since(sent) > PUT_BACK);
        return Ok(scaled(&object, before, wanted, rested).into());
    }
    if let Some(pod) = &tracking.evicted {
        return evicted(cluster, &object, pod).await;
    }
    let generation = object.metadata.generation;
    let spec = object.spec.as_ref();
    let hash = spec.map_or(0, |spec| spec.template.hash);
    let paused = spec.is_some_and(|spec| spec.paused);
    let status = object.status.as_ref();
    let observed = status.is_some_and(|status| status.observed_generation >= generation);
    let wanted = tracking.template.is_none_or(|template| template == hash)
        && tracking.paused.is_none_or(|wanted| wanted == paused)
        && (tracking.ends.is_none() || tracking.before == Some(hash));
    if !wanted {
        // The template of before is there, whatever else has changed since: a lost patch has not come.
        let as_before = tracking.before == Some(hash);
        if receipt.lost && (generation <= tracking.generation || as_before) {
            return Ok(Finding::NotArrived.into());
        }
        let what = if tracking.before == Some(hash) && tracking.template.is_some() {
            Overtaken::Cancelled
        } else {
            Overtaken::Superseded
        };
        let by = object.metadata.manager.as_ref().map(|manager| clean(&manager.name));
        return Ok(Finding::Overtaken { what, by }.into());
    }
    if let Some(asked) = &tracking.asked
        && let Some(finding) = asked.finding(&object)
    {
        return Ok(finding.into());
    }
    if tracking.paused == Some(true) {
        return Ok(Finding::Arrived { count: None, label: None }.into());
    }
    let asked = spec.and_then(|spec| spec.restart_at);
    if asked > status.and_then(|status| status.restarted_at) {
        return Ok(Finding::Moving.into());
    }
    let mut store = Store::default();
    let selector = spec.map(|spec| spec.selector.query()).unwrap_or_default();
    store.workloads.put(Kinded { kind: address.kind, object });
    if address.kind.has_sets() {
        let path = format!("/apis/apps/v1/namespaces/{}/replicasets", address.namespace);
        let (sets, _) = crate::platform::kubernetes::client::stream::list::<ReplicaSet>(
            cluster, &path, &selector,
        )
        .await?;
        store.sets.put_all(sets);
    }
    let path = format!("/api/v1/namespaces/{}/pods", address.namespace);
    let (pods, _) =
        crate::platform::kubernetes::client::stream::list(cluster, &path, &selector).await?;
    store.pods.put_all(pods);
    store.with_pods.insert(uid.to_owned());
    let daemon = store.workloads.get(uid).filter(|one| one.kind == Kind::DaemonSet).cloned();
    if let Some(daemon) = daemon
        && let Some(own) = cluster.read_own_of(&daemon).await
    {
        store.own.insert(uid.to_owned(), own);
    }
    let endless = store.workloads.get(uid).is_some_and(waits_for_somebody);
    let mix = store.workloads.get(uid).filter(|one| !one.kind.has_sets()).map_or(Mix::None, mix);
    let Some(app) = store.app(&cluster.target, uid, (cluster.now)()) else { return gone() };
    Ok(judge(&tracking, app, observed, endless, &mix))
}

impl Cluster {
    /// Where the app of a receipt is; one from before a restart was not seen yet, and its guard says it.
    async fn located(&self, receipt: &Receipt) -> Result<Address, Error> {
        let app = &receipt.app.app;
        if let Ok(address) = self.address(app) {
            return Ok(address);
        }
        if let Ok(guard) = self.read_own::<Guard>("the receipt", &receipt.recipe.guard)
            && let Some(address) = Address::of_path(&guard.path)
        {
            self.learn(app.as_str(), address.clone());
            return Ok(address);
        }
        self.find(app.as_str()).await?;
        self.address(app)
    }
}

/// How a workload stands that is to have another number of instances.
fn scaled(object: &Workload, before: u32, wanted: u32, rested: bool) -> Finding {
    let asked = object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    if asked == before && !rested {
        return Finding::NotArrived;
    }
    if asked != wanted {
        return Finding::Overtaken { what: Overtaken::Rescaled(asked), by: None };
    }
    whole(object, wanted, wanted < before)
}

/// Whether as many Pods are there and ready as are wanted.
fn whole(object: &Workload, wanted: u32, fewer: bool) -> Finding {
    let status = object.status.clone().unwrap_or_default();
    let observed = status.observed_generation >= object.metadata.generation;
    let (there, ready) = match status.desired_number_scheduled {
        0 => (status.replicas, status.ready_replicas),
        scheduled => (scheduled, status.number_ready),
    };
    // While it rolls there are more than are wanted.
    let rolls = status.updated_replicas > 0 && status.updated_replicas < there;
    let gone = !fewer || there <= wanted || (rolls && wanted > 0);
    if observed && gone && ready >= wanted {
        let count = Count { desired: wanted, running: Some(ready) };
        return Finding::Arrived { count: (wanted > 0).then_some(count), label: None };
    }
    let running = if wanted == 0 { there } else { ready.min(wanted) };
    Finding::Settling { count: Count { desired: wanted, running: Some(running) }, since: None }
}

/// How it stands with a Pod that is to go, and with the one that takes its place.
async fn evicted(
    cluster: &Cluster,
    object: &Workload,
    (namespace, name, uid): &(String, String, String),
) -> Result<Observation, Error> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    let pod = match cluster.connection.get::<Value>(&path, &[]).await {
        Ok(pod) => Some(pod).filter(|pod| pod["metadata"]["uid"] == uid.as_str()),
        Err(Error::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let status = object.status.clone().unwrap_or_default();
    let wanted = match status.desired_number_scheduled {
        0 => object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
        scheduled => scheduled,
    };
    Ok(match pod {
        Some(pod) if pod["metadata"]["deletionTimestamp"].is_null() => Finding::NotArrived,
        Some(_) => Finding::Moving,
        None => whole(object, wanted, false),
    }
    .into())
}

/// Whether an abort has taken its effect: the new side is gone, and the old one whole.
fn aborted(app: &App) -> bool {
    app.rollout.as_ref().is_some_and(|rollout| {
        let (old, new) = (rollout.old.count(), rollout.new.count());
        new.desired == 0 && new.running == Some(0) && old.running >= Some(rollout.wanted)
    })
}

fn judge(tracking: &Tracking, app: App, observed: bool, endless: bool, mix: &Mix) -> Observation {
    let over = tracking.ends == Some(true) && observed && aborted(&app);
    if let Some(mut rollout) = app.rollout.filter(|_| !over) {
        if !observed {
            // A deadline of the generation before has not passed for this one.
            rollout.stuck = None;
        }
        let id = Some(rollout.id.clone());
        let step = rollout.step().map(|step| (step.current, step.total));
        if let Some(held) = rollout.held.clone().filter(|_| observed) {
            let label = rollout.to.as_ref().and_then(|to| to.label.clone());
            let new = rollout.new.count();
            let finding = match mix {
                // Those above the partition are all that were asked for.
                Mix::Partition(below) => {
                    let desired = rollout.wanted.saturating_sub(*below);
                    Finding::Arrived { count: Some(Count { desired, ..new }), label }
                }
                _ => Finding::Held(held),
            };
            return Observation { finding, rollout: Some(rollout), id };
        }
        let waits = observed && endless && rollout.phase == Phase::Paused;
        let finding = if waits { Finding::Waiting(step) } else { Finding::Moving };
        return Observation { finding, rollout: Some(rollout), id };
    }
    if !observed {
        return Finding::Moving.into();
    }
    if tracking.ends == Some(true) && !over {
        // There was nothing left to end.
        return Finding::Overtaken { what: Overtaken::Finished, by: None }.into();
    }
    let count = app.instances;
    if count.running.unwrap_or(0) < count.desired {
        return Finding::Settling { count, since: None }.into();
    }
    let label = app.deployed.and_then(|of| of.label);
    Finding::Arrived { count: Some(count), label }.into()
}
