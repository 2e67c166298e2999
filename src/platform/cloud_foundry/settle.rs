//! Following an operation to its end by reading.

use jiff::SignedDuration;

use super::{
    CloudFoundry, convert,
    history::why_stuck,
    overview::Base,
    plan::Tracking,
    wire::{self, Page},
};
use crate::{
    domain::{
        App, AppId, Operation, Outcome, Phase, Receipt, Rollout, RolloutId, Settlement, Stage,
        Strategy,
        text::{clean, span},
    },
    platform::Error,
};

/// How long a lost request may take to show its effect.
const LOST: SignedDuration = SignedDuration::from_secs(12);
/// How long a rollout may be stuck before the operation that began it counts as failed.
const STUCK: SignedDuration = SignedDuration::from_secs(120);
/// How long the last instances may take to settle.
const SETTLING: SignedDuration = SignedDuration::from_secs(300);

pub(super) async fn look(
    foundation: &CloudFoundry,
    receipt: &Receipt,
) -> Result<Settlement, Error> {
    let tracking: Tracking =
        serde_json::from_value(receipt.tracking.clone()).map_err(|error| Error::Garbled {
            api: foundation.session.api.clone(),
            location: "the receipt".to_owned(),
            why: error.to_string(),
        })?;
    let found = match &tracking.deployment {
        Some(guid) => Some(
            foundation
                .http
                .get::<wire::Deployment>(&format!("/v3/deployments/{guid}"), &[])
                .await?,
        ),
        None => by_mark(foundation, &receipt.app, &tracking.operation).await?,
    };
    let now = (foundation.now)();
    let waited = tracking.sent_at.map(|sent| now.duration_since(sent)).unwrap_or_default();
    let mut receipt = receipt.clone();
    let Some(deployment) = found else {
        if waited < LOST {
            return Ok(pending(Stage::Accepted, receipt, None));
        }
        return Ok(Settlement::Ended(Outcome::Failed(format!(
            "the answer was lost, and reading shows that the request never took effect: nothing has changed for {}. It is safe to try again",
            receipt.name
        ))));
    };
    receipt.rollout = Some(RolloutId::new(deployment.guid.clone()));
    let mut learned = tracking.clone();
    learned.deployment = Some(deployment.guid.clone());
    receipt.tracking = serde_json::to_value(learned).unwrap_or_default();
    let look = Look { foundation, tracking, deployment, receipt, waited };
    look.judge().await
}

/// A receipt for a rollout that somebody else began.
pub(super) fn receipt(app: &App) -> Option<Receipt> {
    let rollout = app.rollout.as_ref()?;
    let named =
        |of: Option<&crate::domain::RevisionRef>| of.map(|of| format!("rev {}", of.shown()));
    let cancelling = rollout.phase == Phase::Cancelling;
    let (goal, leaving) =
        if cancelling { (&rollout.from, &rollout.to) } else { (&rollout.to, &rollout.from) };
    let tracking = Tracking {
        deployment: Some(rollout.id.as_str().to_owned()),
        goal: named(goal.as_ref()).map_or_else(|| "done".to_owned(), |name| format!("on {name}")),
        leaving: named(leaving.as_ref()),
        sent_at: rollout.started_at,
        through_pauses: true,
        ..Tracking::default()
    };
    Some(Receipt {
        app: app.id.clone(),
        name: app.name.clone(),
        operation: if cancelling { Operation::Cancel } else { Operation::Restart },
        rollout: Some(rollout.id.clone()),
        lost: false,
        tracking: serde_json::to_value(tracking).ok()?,
    })
}

async fn by_mark(
    foundation: &CloudFoundry,
    app: &AppId,
    operation: &str,
) -> Result<Option<wire::Deployment>, Error> {
    let query = [
        ("app_guids", app.as_str().to_owned()),
        ("order_by", "-created_at".to_owned()),
        ("per_page", "20".to_owned()),
    ];
    let page: Page<wire::Deployment> = foundation.http.get("/v3/deployments", &query).await?;
    Ok(page
        .resources
        .into_iter()
        .find(|one| one.metadata.annotation(convert::OPERATION) == Some(operation)))
}

fn pending(stage: Stage, mut receipt: Receipt, rollout: Option<Rollout>) -> Settlement {
    if rollout.is_some() {
        receipt.lost = false;
    }
    Settlement::Pending { stage, receipt: Box::new(receipt), rollout: rollout.map(Box::new) }
}

struct Look<'a> {
    foundation: &'a CloudFoundry,
    tracking: Tracking,
    deployment: wire::Deployment,
    receipt: Receipt,
    waited: SignedDuration,
}

impl Look<'_> {
    async fn judge(self) -> Result<Settlement, Error> {
        let cancels = self.cancels();
        match convert::phase(&self.deployment) {
            Phase::Cancelled if cancels => self.converge("the old instances are back").await,
            Phase::Cancelling if cancels => self.under_way().await,
            Phase::Done if cancels => {
                let name = &self.receipt.name;
                Ok(ended(Outcome::Failed(format!(
                    "the rollout of {name} had finished before it could be cancelled"
                ))))
            }
            Phase::Done => self.converge("the old instances are gone").await,
            Phase::Cancelled => {
                let by = self.who("audit.app.deployment.cancel").await;
                Ok(ended(Outcome::Failed(format!(
                    "the rollout of {} was cancelled{by} and taken back",
                    self.receipt.name
                ))))
            }
            Phase::Superseded => {
                let by = self.who("audit.app.deployment.create").await;
                Ok(ended(Outcome::Failed(format!(
                    "another rollout of {} took its place{by}",
                    self.receipt.name
                ))))
            }
            Phase::Failed => Ok(ended(Outcome::Failed(format!(
                "the platform gave the rollout of {} up: {}",
                self.receipt.name,
                clean(&self.deployment.status.reason)
            )))),
            Phase::Paused
                if !cancels && !self.tracking.through_pauses && !self.waits_as_before() =>
            {
                let step = self.deployment.status.canary.as_ref();
                let step = step.map(|canary| {
                    format!(" at step {} of {}", canary.steps.current, canary.steps.total)
                });
                Ok(ended(Outcome::Done(format!(
                    "{} waits{}: continue it or cancel it",
                    self.receipt.name,
                    step.unwrap_or_default()
                ))))
            }
            _ => self.under_way().await,
        }
    }

    /// Whether the operation was a cancel, or a roll back that cancels.
    fn cancels(&self) -> bool {
        let of_another = self.deployment.metadata.annotation(convert::OPERATION)
            != Some(&self.tracking.operation);
        match self.receipt.operation {
            Operation::Cancel => true,
            Operation::RollBack(_) => of_another,
            _ => false,
        }
    }

    /// Whether a rollout that was to go on has not moved yet.
    fn waits_as_before(&self) -> bool {
        let (value, reason) = convert::status(&self.deployment);
        let step = self.deployment.status.canary.as_ref().map_or(0, |canary| canary.steps.current);
        self.tracking.before.as_deref() == Some(&format!("{value}/{reason} {step}"))
    }

    /// Nothing is decided yet: says how it goes.
    async fn under_way(self) -> Result<Settlement, Error> {
        let app = self.app().await?;
        let phase = convert::phase(&self.deployment);
        let untouched = self.receipt.lost
            && ((self.cancels() && phase != Phase::Cancelling) || self.waits_as_before());
        if untouched && self.waited >= LOST {
            return Ok(ended(Outcome::Failed(format!(
                "the answer was lost, and reading shows that the request never took effect for {}: the rollout goes on as before. It is safe to try again",
                self.receipt.name
            ))));
        }
        let Some(rollout) = app.rollout else {
            return Ok(pending(Stage::Converging, self.receipt, None));
        };
        let now = (self.foundation.now)();
        let long_stuck =
            rollout.stuck.as_ref().filter(|stuck| now.duration_since(stuck.since) >= STUCK);
        if let (Some(stuck), false) = (long_stuck, self.cancels()) {
            let crash = self.foundation.crash_reason(self.receipt.app.as_str()).await;
            let why = why_stuck(&rollout, crash.as_ref().map(|(reason, _)| reason.as_str()));
            return Ok(ended(Outcome::Failed(format!(
                "{} does not get there: {why}, for {}. The platform goes on trying: cancel, or roll back",
                self.receipt.name,
                span(now.duration_since(stuck.since))
            ))));
        }
        let stage = match rollout.phase {
            Phase::Paused => Stage::Paused,
            _ if self.waited < SignedDuration::from_secs(2) => Stage::Accepted,
            _ => Stage::Rolling,
        };
        Ok(pending(stage, self.receipt, Some(rollout)))
    }

    /// The rollout is over: are its instances there, and only they?
    async fn converge(self, what: &str) -> Result<Settlement, Error> {
        let app = self.app().await?;
        let (name, goal) = (&self.receipt.name, &self.tracking.goal);
        if app.rollout.is_some() {
            return Ok(ended(Outcome::Failed(format!(
                "{name} was {goal}, but another rollout has begun since"
            ))));
        }
        let count = app.instances;
        let running = count.running.unwrap_or(0);
        if count.running.is_some() && running >= count.desired {
            let leaving = self.tracking.leaving.as_deref().map(|name| format!(", {name} is gone"));
            let took =
                self.tracking.sent_at.map(|sent| (self.foundation.now)().duration_since(sent));
            let took = took.map(|took| format!(", after {}", span(took))).unwrap_or_default();
            let canary = self.deployment.strategy.as_deref() == Some(&Strategy::Canary.to_string());
            let verb = if canary { "is fully" } else { "is" };
            return Ok(ended(Outcome::Done(format!(
                "{name} {verb} {goal}: {running} of {} running{}{took}",
                count.desired,
                leaving.unwrap_or_else(|| format!(", {what}"))
            ))));
        }
        let ended_at =
            self.deployment.status.details.last_status_change.or(self.deployment.updated_at);
        let settling =
            ended_at.map(|at| (self.foundation.now)().duration_since(at)).unwrap_or_default();
        if settling > SETTLING {
            return Ok(ended(Outcome::Failed(format!(
                "{name} is {goal}, but only {running} of {} instances run after {}",
                count.desired,
                span(settling)
            ))));
        }
        Ok(pending(Stage::Converging, self.receipt, None))
    }

    /// The app as it is now: its processes, and the rollout if it is still under way.
    async fn app(&self) -> Result<App, Error> {
        let base = Base::named(self.receipt.app.as_str(), &self.receipt.name);
        if convert::phase(&self.deployment).active() {
            return self.foundation.one(base, Some(&self.deployment)).await;
        }
        let guid = self.receipt.app.as_str();
        let another = self.foundation.active_of(&[guid]).await?;
        self.foundation.one(base, another.last()).await
    }

    /// ` by NAME` of the newest such event.
    async fn who(&self, kind: &str) -> String {
        let events =
            self.foundation.events_of(self.receipt.app.as_str(), kind, 1).await.unwrap_or_default();
        let name = events.first().and_then(|event| event.actor.name.as_deref());
        name.map(|name| format!(" by {}", clean(name))).unwrap_or_default()
    }
}

fn ended(outcome: Outcome) -> Settlement {
    Settlement::Ended(outcome)
}
