//! Following an operation to its end by reading.

use jiff::SignedDuration;

use super::{
    Kubernetes,
    plan::Tracking,
    store::{Kinded, Store},
    wire::{ReplicaSet, Workload},
};
use crate::{
    domain::{App, Outcome, Phase, Receipt, Settlement, Stage, text::span},
    platform::Error,
};

/// How long a request whose answer was lost may still take effect.
const LATE: SignedDuration = SignedDuration::from_secs(20);

/// A receipt for a rollout that somebody else began.
pub(super) fn receipt(app: &App) -> Option<Receipt> {
    let rollout = app.rollout.as_ref()?;
    let hash =
        rollout.id.as_str().rsplit('/').next().and_then(|hash| u64::from_str_radix(hash, 16).ok());
    let named =
        |of: Option<&crate::domain::RevisionRef>| of.map(|of| format!("rev {}", of.shown()));
    let tracking = Tracking {
        template: hash,
        goal: named(rollout.to.as_ref())
            .map_or_else(|| "done".to_owned(), |name| format!("on {name}")),
        leaving: named(rollout.from.as_ref()),
        sent_at: rollout.started_at,
        ..Tracking::default()
    };
    Some(Receipt {
        app: app.id.clone(),
        name: app.name.clone(),
        operation: crate::domain::Operation::Continue,
        rollout: Some(rollout.id.clone()),
        lost: false,
        tracking: serde_json::to_value(tracking).unwrap_or_default(),
    })
}

/// One look at an operation.
pub(super) async fn look(cluster: &Kubernetes, receipt: &Receipt) -> Result<Settlement, Error> {
    let tracking: Tracking = serde_json::from_value(receipt.tracking.clone()).unwrap_or_default();
    let address = cluster.address(&receipt.app)?;
    let name = &receipt.name;
    let gone = || Ok(Settlement::Ended(Outcome::Failed(format!("{name} was deleted meanwhile"))));
    let object: Workload = match cluster.connection.get(&cluster.meter, &address.path(), &[]).await
    {
        Ok(object) => object,
        Err(Error::NotFound { .. }) => return gone(),
        Err(error) => return Err(error),
    };
    if object.metadata.uid != receipt.app.as_str() {
        return gone();
    }
    let now = (cluster.now)();
    let generation = object.metadata.generation;
    let hash = object.spec.as_ref().map_or(0, |spec| spec.template.hash);
    let paused = object.spec.as_ref().is_some_and(|spec| spec.paused);
    let observed =
        object.status.as_ref().is_some_and(|status| status.observed_generation >= generation);
    let wanted = tracking.template.is_none_or(|template| template == hash)
        && tracking.paused.is_none_or(|wanted| wanted == paused)
        && (tracking.ends.is_none() || tracking.before == Some(hash));
    let waited = tracking.sent_at.map(|sent| now.duration_since(sent));
    if !wanted {
        let untouched = generation <= tracking.generation && receipt.lost;
        if untouched {
            if waited.is_some_and(|waited| waited > LATE) {
                return Ok(Settlement::Ended(Outcome::Failed(format!(
                    "the {} of {name} never took effect: nothing has changed, it is safe to try again",
                    receipt.operation.verb().words()
                ))));
            }
            return Ok(Settlement::Pending {
                stage: Stage::Accepted,
                receipt: Box::new(receipt.clone()),
                rollout: None,
            });
        }
        let who = object
            .metadata
            .manager
            .as_ref()
            .map_or("somebody", |manager| manager.name.as_str())
            .to_owned();
        let text = if tracking.before == Some(hash) && tracking.template.is_some() {
            format!(
                "the {} of {name} was cancelled by {who}: it goes back to what was before",
                receipt.operation.verb().words()
            )
        } else {
            format!(
                "the {} of {name} was superseded: another rollout, by {who}, took its place",
                receipt.operation.verb().words()
            )
        };
        return Ok(Settlement::Ended(Outcome::Failed(text)));
    }
    if tracking.paused == Some(true) {
        return Ok(Settlement::Ended(Outcome::Done(format!(
            "{name} is held: nothing moves until it is let go on"
        ))));
    }
    let asked = object.spec.as_ref().and_then(|spec| spec.restart_at);
    if asked > object.status.as_ref().and_then(|status| status.restarted_at) {
        return Ok(Settlement::Pending {
            stage: Stage::Rolling,
            receipt: Box::new(receipt.clone()),
            rollout: None,
        });
    }
    let mut store = Store::default();
    let selector = object.spec.as_ref().map(|spec| spec.selector.query()).unwrap_or_default();
    store.workloads.put(Kinded { kind: address.kind, object });
    if address.kind.has_sets() {
        let path = format!("/apis/apps/v1/namespaces/{}/replicasets", address.namespace);
        let (sets, _) = super::stream::list::<ReplicaSet>(cluster, &path, &selector).await?;
        store.sets.put_all(sets);
    }
    let path = format!("/api/v1/namespaces/{}/pods", address.namespace);
    let (pods, _) = super::stream::list(cluster, &path, &selector).await?;
    store.pods.put_all(pods);
    store.with_pods.insert(receipt.app.as_str().to_owned());
    let Some(app) = store.app(&cluster.target, receipt.app.as_str(), now) else { return gone() };
    Ok(judge(receipt, &tracking, &app, observed, waited))
}

/// Whether an abort has taken its effect: the new side is gone, and the old one whole.
fn aborted(app: &App) -> bool {
    app.rollout.as_ref().is_some_and(|rollout| {
        let (old, new) = (rollout.old.count(), rollout.new.count());
        new.desired == 0 && new.running == Some(0) && old.running >= Some(rollout.wanted)
    })
}

fn judge(
    receipt: &Receipt,
    tracking: &Tracking,
    app: &App,
    observed: bool,
    waited: Option<SignedDuration>,
) -> Settlement {
    let name = &receipt.name;
    let pending = |stage: Stage| Settlement::Pending {
        stage,
        receipt: Box::new(Receipt {
            rollout: app
                .rollout
                .as_ref()
                .map(|one| one.id.clone())
                .or_else(|| receipt.rollout.clone()),
            ..receipt.clone()
        }),
        rollout: app.rollout.clone().map(Box::new),
    };
    let over = tracking.ends == Some(true) && observed && aborted(app);
    if let Some(rollout) = app.rollout.as_ref().filter(|_| !over) {
        let late = rollout.stuck.as_ref().filter(|stuck| stuck.why.contains("over its deadline"));
        if let (Some(stuck), true) = (late, observed) {
            return Settlement::Ended(Outcome::Failed(format!(
                "{name} does not get there: {}. The platform goes on trying; roll back or cancel",
                stuck.why
            )));
        }
        return pending(match rollout.phase {
            Phase::Paused => Stage::Paused,
            Phase::Accepted => Stage::Accepted,
            _ => Stage::Rolling,
        });
    }
    if !observed {
        return pending(Stage::Accepted);
    }
    let count = app.instances;
    let running = count.running.unwrap_or(0);
    if running < count.desired {
        return pending(Stage::Converging);
    }
    let label = app.deployed.as_ref().and_then(|of| of.label.as_deref());
    let goal = match label {
        Some(label)
            if tracking.goal.starts_with("back on")
                && tracking.goal != format!("back on rev {label}") =>
        {
            format!("{} (now rev {label})", tracking.goal)
        }
        _ => tracking.goal.clone(),
    };
    let leaving =
        tracking.leaving.as_deref().map(|name| format!(", {name} is gone")).unwrap_or_default();
    let took = waited.map(|waited| format!(", after {}", span(waited))).unwrap_or_default();
    Settlement::Ended(Outcome::Done(format!(
        "{name} is {goal}: {running} of {} running{leaving}{took}",
        count.desired
    )))
}
