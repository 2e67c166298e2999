//! One look at what was asked of an app without a deployment.

use jiff::SignedDuration;

use crate::platform::cloud_foundry::{
    foundation::CloudFoundry,
    model::wire,
    operate::receipt::Aid,
    read::convert::{self, instance_state},
    read::overview::Base,
};
use crate::{
    domain::{Count, Finding, InstanceState, Observation, Overtaken, Receipt},
    platform::Error,
};

/// How long after it was sent a number that is what it was before has been put back by somebody.
const PUT_BACK: SignedDuration = SignedDuration::from_secs(10);
const GONE: Finding = Finding::Overtaken { what: Overtaken::Deleted, by: None };

pub(super) async fn observe(
    foundation: &CloudFoundry,
    receipt: &Receipt,
    aid: &Aid,
) -> Result<Observation, Error> {
    let finding = match aid {
        Aid::Scaled { process, before, instances } => {
            scaled(foundation, receipt, process, (*before, *instances)).await
        }
        Aid::State { started } => state(foundation, receipt, *started).await,
        Aid::Instance { process, index, before } => {
            instance(foundation, receipt, process, *index, before.as_deref()).await
        }
    };
    match finding {
        Ok(finding) => Ok(finding.into()),
        Err(Error::NotFound { .. }) => gone(foundation, receipt).await,
        Err(error) => Err(error),
    }
}

/// What was asked about is not there: the app, or only the process that went with a rollout.
async fn gone(foundation: &CloudFoundry, receipt: &Receipt) -> Result<Observation, Error> {
    let path = format!("/v3/apps/{}", receipt.app.app);
    match foundation.http.get::<wire::App>(&path, &[]).await {
        Ok(_) => Ok(Finding::Held("its process went with a rollout".to_owned()).into()),
        Err(Error::NotFound { .. }) => Ok(GONE.into()),
        Err(error) => Err(error),
    }
}

async fn scaled(
    foundation: &CloudFoundry,
    receipt: &Receipt,
    process: &str,
    (before, wanted): (u32, u32),
) -> Result<Finding, Error> {
    let found: wire::Process =
        foundation.http.get(&format!("/v3/processes/{process}"), &[]).await?;
    let now = (foundation.now)();
    let sent = receipt.sent_at.filter(|_| !receipt.lost);
    // What was taken and is as before was put back.
    let rested = sent.is_some_and(|sent| now.duration_since(sent) > PUT_BACK);
    if found.instances == before && !rested {
        return Ok(Finding::NotArrived);
    }
    if found.instances != wanted {
        let what = Overtaken::Rescaled(found.instances);
        return Ok(Finding::Overtaken { what, by: None });
    }
    let instances = foundation.stats(process).await?;
    let running = instances.iter().filter(|one| one.state == InstanceState::Running).count();
    let count = Count { desired: wanted, running: Some(running as u32) };
    if (running as u32) < wanted {
        let path = format!("/v3/apps/{}", receipt.app.app);
        let app: wire::App = foundation.http.get(&path, &[]).await?;
        if app.state == "STOPPED" {
            return Ok(Finding::Arrived { count: None, label: None });
        }
    }
    Ok(if running as u32 >= wanted {
        Finding::Arrived { count: Some(count), label: None }
    } else {
        Finding::Settling { count, since: None }
    })
}

async fn state(
    foundation: &CloudFoundry,
    receipt: &Receipt,
    started: bool,
) -> Result<Finding, Error> {
    let guid = receipt.app.app.as_str();
    let app: wire::App = foundation.http.get(&format!("/v3/apps/{guid}"), &[]).await?;
    if (app.state == "STARTED") != started {
        return Ok(Finding::NotArrived);
    }
    if !started {
        return Ok(Finding::Arrived { count: None, label: None });
    }
    let active = foundation.active_of(&[guid]).await?;
    let app = foundation.one(Base::named(guid, &receipt.name), active.last()).await?;
    let count = app.instances;
    Ok(match count.running {
        Some(running) if running >= count.desired => {
            Finding::Arrived { count: Some(count), label: None }
        }
        _ => Finding::Settling { count, since: None },
    })
}

async fn instance(
    foundation: &CloudFoundry,
    receipt: &Receipt,
    process: &str,
    index: u32,
    before: Option<&str>,
) -> Result<Finding, Error> {
    let stats: wire::Stats =
        foundation.http.get(&format!("/v3/processes/{process}/stats"), &[]).await?;
    let Some(one) = stats.resources.iter().find(|one| one.index == index) else {
        return Ok(Finding::Held("there is no instance of that number any more".to_owned()));
    };
    let since = convert::stats(&stats, (foundation.now)())
        .into_iter()
        .zip(&stats.resources)
        .find(|(_, stat)| stat.index == index)
        .and_then(|(instance, _)| instance.since);
    let state = instance_state(&one.state, one.routable);
    let another = match (before, one.instance_guid.as_deref()) {
        (Some(before), Some(now)) => before != now,
        // Servers before 3.191 do not tell instances apart: one that is younger than the request is another one. While
        // none is there it is not told how old it is.
        _ => match (since, receipt.sent_at) {
            (Some(since), Some(sent)) => since >= sent,
            _ => state != InstanceState::Running,
        },
    };
    if !another {
        return Ok(Finding::NotArrived);
    }
    let running = u32::from(state == InstanceState::Running);
    let count = Count { desired: 1, running: Some(running) };
    Ok(match running {
        0 => Finding::Settling { count, since: None },
        _ => Finding::Arrived { count: None, label: None },
    })
}
