//! One look at an operation: what the platform shows of it.

use crate::platform::cloud_foundry::{
    foundation::CloudFoundry, model::wire, operate::aided, operate::receipt::Tracking,
    operate::send::by_mark, read::convert, read::history::why_stuck, read::overview::Base,
};
use crate::{
    domain::{
        App, Finding, Observation, Overtaken, Phase, Receipt, RevisionRef, RolloutId, text::clean,
    },
    platform::Error,
};

pub(in crate::platform::cloud_foundry) async fn observe(
    foundation: &CloudFoundry,
    receipt: &Receipt,
) -> Result<Observation, Error> {
    let tracking: Tracking = foundation.read_own("the receipt", &receipt.recipe.tracking)?;
    if tracking.feature {
        return feature(foundation, receipt).await;
    }
    if let Some(aid) = &tracking.aid {
        return aided::observe(foundation, receipt, aid).await;
    }
    let found = match &tracking.deployment {
        Some(guid) => {
            let path = format!("/v3/deployments/{guid}");
            match foundation.http.get::<wire::Deployment>(&path, &[]).await {
                Ok(found) => Some(found),
                Err(Error::NotFound { .. }) => return forgotten(foundation, receipt).await,
                Err(error) => return Err(error),
            }
        }
        None => by_mark(foundation, &receipt.app.app, receipt).await?.0,
    };
    let Some(deployment) = found else { return Ok(Finding::NotArrived.into()) };
    let id = Some(RolloutId::new(deployment.guid.clone()));
    let look = Look { foundation, receipt, tracking, deployment };
    Ok(Observation { id, ..look.judge().await? })
}

/// The platform keeps a number of deployments only, and none of an app that is gone.
async fn forgotten(foundation: &CloudFoundry, receipt: &Receipt) -> Result<Observation, Error> {
    let path = format!("/v3/apps/{}", receipt.app.app);
    match foundation.http.get::<wire::App>(&path, &[]).await {
        Ok(_) => Ok(Finding::Overtaken { what: Overtaken::Followed, by: None }.into()),
        Err(Error::NotFound { .. }) => {
            Ok(Finding::Overtaken { what: Overtaken::Deleted, by: None }.into())
        }
        Err(error) => Err(error),
    }
}

/// Switching on what is on changes nothing, so its effect can be read.
async fn feature(foundation: &CloudFoundry, receipt: &Receipt) -> Result<Observation, Error> {
    let path = format!("/v3/apps/{}/features/revisions", receipt.app.app);
    let feature: wire::Feature = foundation.http.get(&path, &[]).await?;
    let arrived = Finding::Arrived { count: None, label: None };
    Ok(if feature.enabled { arrived } else { Finding::NotArrived }.into())
}

struct Look<'a> {
    foundation: &'a CloudFoundry,
    receipt: &'a Receipt,
    tracking: Tracking,
    deployment: wire::Deployment,
}

impl Look<'_> {
    async fn judge(&self) -> Result<Observation, Error> {
        let undoes = self.receipt.recipe.undoes;
        let phase = convert::phase(&self.deployment);
        Ok(match phase {
            Phase::Cancelled if undoes => return self.converge().await,
            Phase::Done if undoes => {
                Finding::Overtaken { what: Overtaken::Finished, by: None }.into()
            }
            Phase::Done => return self.converge().await,
            Phase::Cancelled => {
                let by = self.who("audit.app.deployment.cancel").await;
                Finding::Overtaken { what: Overtaken::Cancelled, by }.into()
            }
            Phase::Superseded => {
                let by = self.who("audit.app.deployment.create").await;
                Finding::Overtaken { what: Overtaken::Superseded, by }.into()
            }
            Phase::Failed => Finding::Failed(clean(&self.deployment.status.reason)).into(),
            Phase::Paused if !undoes && !self.waits_as_before() => {
                let canary = self.deployment.status.canary.as_ref();
                let step = canary.map(|canary| (canary.steps.current, canary.steps.total));
                let mut seen = self.under_way().await?;
                seen.finding = Finding::Waiting(step);
                seen
            }
            _ => {
                let untouched = (undoes && phase != Phase::Cancelling) || self.waits_as_before();
                let mut seen = self.under_way().await?;
                if untouched && self.receipt.lost {
                    seen.finding = Finding::NotArrived;
                }
                seen
            }
        })
    }

    /// Whether a rollout that was to go on has not moved yet.
    fn waits_as_before(&self) -> bool {
        let (value, reason) = convert::status(&self.deployment);
        let step = self.deployment.status.canary.as_ref().map_or(0, |canary| canary.steps.current);
        self.tracking.before.as_deref() == Some(&format!("{value}/{reason} {step}"))
    }

    /// Nothing is decided yet.
    async fn under_way(&self) -> Result<Observation, Error> {
        let app = self.app().await?;
        let Some(mut rollout) = app.rollout else {
            return Ok(Finding::Settling { count: app.instances, since: None }.into());
        };
        if rollout.stuck.is_some() {
            let crash = self.foundation.crash_reason(self.receipt.app.app.as_str()).await;
            let why = why_stuck(&rollout, crash.as_ref().map(|(reason, _)| reason.as_str()));
            rollout.stuck = rollout.stuck.map(|stuck| crate::domain::Stuck { why, ..stuck });
        }
        Ok(Observation { finding: Finding::Moving, rollout: Some(rollout), id: None })
    }

    /// The rollout is over: are its instances there, and only they?
    async fn converge(&self) -> Result<Observation, Error> {
        let app = self.app().await?;
        if app.rollout.is_some() || self.is_followed().await? {
            return Ok(Finding::Overtaken { what: Overtaken::Followed, by: None }.into());
        }
        let count = app.instances;
        if count.running.is_some_and(|running| running >= count.desired) {
            // Of several that a chain of rollouts has left, the platform chooses which one it puts back.
            let serves = app.deployed.as_ref().map(|of| of.id.as_str());
            if let (Some(wanted), Some(serves)) = (self.tracking.target.as_deref(), serves)
                && wanted != serves
            {
                let name = app.deployed.as_ref().map(RevisionRef::name).unwrap_or_default();
                return Ok(Finding::Overtaken { what: Overtaken::PutBack(name), by: None }.into());
            }
            // What was cancelled is not what serves.
            let made = self.deployment.revision.as_ref().filter(|_| !self.receipt.recipe.undoes);
            let label = made.and_then(|of| of.version).map(|version| version.to_string());
            return Ok(Finding::Arrived { count: Some(count), label }.into());
        }
        let since =
            self.deployment.status.details.last_status_change.or(self.deployment.updated_at);
        Ok(Finding::Settling { count, since }.into())
    }

    /// The app as it is now: its processes, and the rollout if it is still under way.
    async fn app(&self) -> Result<App, Error> {
        let guid = self.receipt.app.app.as_str();
        let base = Base::named(guid, &self.receipt.name);
        if convert::phase(&self.deployment).active() {
            return self.foundation.one(base, Some(&self.deployment)).await;
        }
        let another = self.foundation.active_of(&[guid]).await?;
        self.foundation.one(base, another.last()).await
    }

    /// Whether there is a newer deployment, finished or not.
    async fn is_followed(&self) -> Result<bool, Error> {
        let query = [
            ("app_guids", self.receipt.app.app.as_str().to_owned()),
            ("order_by", "-created_at".to_owned()),
            ("per_page", "1".to_owned()),
        ];
        let page: wire::Page<wire::Deployment> =
            self.foundation.http.get("/v3/deployments", &query).await?;
        Ok(page.resources.first().is_some_and(|newest| newest.guid != self.deployment.guid))
    }

    /// Who caused the newest event of a kind.
    async fn who(&self, kind: &str) -> Option<String> {
        let app = self.receipt.app.app.as_str();
        let events = self.foundation.events_of(app, kind, 1).await.ok()?;
        events.first()?.actor.name.as_deref().map(clean)
    }
}
