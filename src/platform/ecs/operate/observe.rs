//! How an operation stands: whether the deployment that it began or changed is there, and what became of it.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::domain::{
    App, Count, Finding, Observation, Overtaken, Receipt, Rollout, RolloutId, Scope, text::clean,
};
use crate::platform::{
    Error,
    ecs::{
        client::api::Service as Of,
        model::wire::{self, Deployment, Service, ServiceDeployment},
        operate::{
            lookup,
            receipt::{Tracking, is_service_deployment},
        },
        read::{
            convert::reference,
            lists::{broken, missing},
        },
        region::Region,
    },
};

/// What is read lags behind what was changed, hardly ever for so long: what is as it was before then has been put back.
const LATE: SignedDuration = SignedDuration::from_secs(45);

fn overtaken(what: Overtaken) -> Finding {
    Finding::Overtaken { what, by: None }
}

/// Looks, without changing anything, how an operation stands.
pub(in crate::platform::ecs) async fn observe(
    region: &Region,
    receipt: &Receipt,
) -> Result<Observation, Error> {
    let mut tracking: Tracking = region.read_own("the receipt", &receipt.recipe.tracking)?;
    if let [step] = receipt.recipe.steps.as_slice()
        && let Some(arrived) = lookup::scaled(region, &step.action).await?
    {
        let done = Finding::Arrived { count: None, label: None };
        return Ok(if arrived { done } else { Finding::NotArrived }.into());
    }
    if tracking.wanted.is_none() {
        // The answer that would have told it was lost.
        tracking.wanted = lookup::registered_by(region, receipt).await?;
    }
    let service = match region.service(&receipt.app.app).await {
        Ok(service) => service,
        Err(Error::NotFound { .. }) => {
            own_account(region, receipt.app.app.as_str()).await?;
            return Ok(overtaken(Overtaken::Deleted).into());
        }
        Err(error) => return Err(error),
    };
    if let Some((before, wanted)) = tracking.scaled {
        let sent = receipt.sent_at.filter(|_| !receipt.lost);
        let rested = sent.is_some_and(|sent| (region.now)().duration_since(sent) > LATE);
        return Ok(scaled(&service, before, wanted, rested).into());
    }
    if let Some(task) = &tracking.stopped {
        return stopped(region, &service, task).await;
    }
    let apps = region.convert(std::slice::from_ref(&service), false).await?;
    let app = apps.into_iter().next();
    let rollout = app.as_ref().and_then(|app| app.rollout.clone());
    let learned = receipt.rollout().map(|id| id.as_str().to_owned());
    let known = tracking
        .service_deployment
        .clone()
        .or(learned.clone().filter(|id| is_service_deployment(id)));
    let own = own(&service, &tracking, learned.as_deref());
    let known = match (known, own) {
        (Some(known), _) => Some(known),
        // It may have come and gone: only the record tells.
        (None, None) if tracking.deployment.is_none() && learned.is_none() => {
            match find_ended(region, &service, &tracking).await? {
                Some(ended) => Some(ended),
                None => return Ok(Observation { finding: Finding::NotArrived, rollout, id: None }),
            }
        }
        // It is the current one as soon as it is on record.
        (None, Some(own)) if own.primary() => service
            .current_service_deployment
            .clone()
            .filter(|current| Some(current) != tracking.was.as_ref()),
        (None, _) => find_ended(region, &service, &tracking).await?,
    };
    let id = known.clone().or_else(|| own.map(|one| one.id.clone())).map(RolloutId::new);
    let told = match &known {
        Some(arn) => match region.deployments(std::slice::from_ref(arn), false).await {
            // The counts of its own entry tell it as well.
            Err(error) if broken(&error) && own.is_some() => None,
            told => told?.into_iter().next(),
        },
        None => None,
    };
    if known.is_some() && told.is_none() && own.is_none() {
        // That it cannot be read says nothing of it.
        let what = "what became of the deployment cannot be read just now".to_owned();
        return Err(Error::Refused { what });
    }
    let finding = match &told {
        Some(told) => by_record(receipt, &tracking, &service, told, rollout.as_ref()),
        None if own.is_none() && unseen(receipt, &tracking, &service, (region.now)()) => {
            Finding::NotArrived
        }
        None => by_counts(receipt, &service, own, app.as_ref()),
    };
    Ok(Observation { finding, rollout, id })
}

/// What is not there may only be of another account than the one that this login is of by now.
async fn own_account(region: &Region, arn: &str) -> Result<(), Error> {
    let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
    let clusters = match region.clusters(&Scope::Everything, false).await {
        // Who may not list them cannot be told.
        Err(Error::Forbidden { .. }) => return Ok(()),
        told => told?,
    };
    match (account(arn), clusters.first().and_then(|cluster| account(cluster))) {
        (Some(wanted), Some(now)) if wanted != now => Err(Error::Refused {
            what: format!(
                "this login is of account {}, and that is of {}: log in there again",
                clean(&now),
                clean(&wanted)
            ),
        }),
        _ => Ok(()),
    }
}

/// How a service stands that is to have another number of tasks.
fn scaled(service: &Service, before: u32, wanted: u32, rested: bool) -> Finding {
    match service.desired_count {
        now if now == before && !rested => Finding::NotArrived,
        now if now != wanted => overtaken(Overtaken::Rescaled(now)),
        _ => whole(service),
    }
}

/// Whether as many tasks run as are wanted.
fn whole(service: &Service) -> Finding {
    let (desired, running) = (service.desired_count, service.running_count);
    let count = Count { desired, running: Some(running.min(desired)) };
    match running {
        // While it rolls more run than are wanted.
        running if running == desired || (running > desired && service.deployments.len() > 1) => {
            Finding::Arrived { count: (desired > 0).then_some(count), label: None }
        }
        _ => Finding::Settling { count: Count { running: Some(running), ..count }, since: None },
    }
}

/// How it stands with a task that is to be stopped, and with the one that takes its place.
async fn stopped(region: &Region, service: &Service, task: &str) -> Result<Observation, Error> {
    let body = json!({ "cluster": service.cluster_arn, "tasks": [task] });
    let told: wire::Tasks = region.connection.ask(Of::Ecs, "DescribeTasks", &body).await?;
    Ok(match told.tasks.first() {
        Some(task) if task.desired_status == "RUNNING" => Finding::NotArrived,
        Some(task) if task.last_status != "STOPPED" => Finding::Moving,
        // Of a task that stopped an hour ago nothing is told any more.
        _ => whole(service),
    }
    .into())
}

/// Whether a service stands just as it did before, so shortly after it was changed that this may be read too early.
fn unseen(receipt: &Receipt, tracking: &Tracking, service: &Service, now: Timestamp) -> bool {
    let lately = receipt.sent_at.is_some_and(|sent| now.duration_since(sent) <= LATE);
    let mut ids = service.deployments.iter().map(|one| &one.id);
    lately && !tracking.before.is_empty() && ids.all(|id| tracking.before.contains(id))
}

/// The entry of `deployments[]` that is ours.
fn own<'a>(
    service: &'a Service,
    tracking: &Tracking,
    learned: Option<&str>,
) -> Option<&'a Deployment> {
    let named = tracking.deployment.as_deref().or(learned.filter(|id| !is_service_deployment(id)));
    if let Some(id) = named {
        return service.deployments.iter().find(|one| one.id == id);
    }
    if tracking.before.is_empty() {
        return None;
    }
    // A lost answer: it is the one that is new and has the wanted task definition.
    let new = service.deployments.iter().filter(|one| !tracking.before.contains(&one.id));
    new.into_iter().find(|one| tracking.wanted.as_deref() == Some(one.task_definition.as_str()))
}

/// The service deployment that was ours and is not the current one any more.
async fn find_ended(
    region: &Region,
    service: &Service,
    tracking: &Tracking,
) -> Result<Option<String>, Error> {
    if region.unavailable().is_some() || tracking.wanted.is_none() {
        return Ok(None);
    }
    let all = match region.service_deployments(service).await {
        Err(error) if missing(&error) => {
            region.note_unavailable(&error);
            return Ok(None);
        }
        all => all?,
    };
    let newer: Vec<_> =
        all.iter().take_while(|one| Some(&one.arn) != tracking.was.as_ref()).collect();
    let arns: Vec<_> = newer.iter().filter_map(|one| one.target().map(str::to_owned)).collect();
    let revisions = region.service_revisions(&arns).await?;
    let ours = newer.iter().rev().find(|one| {
        let revision = one.target().and_then(|arn| revisions.get(arn));
        revision.and_then(|one| one["taskDefinition"].as_str()) == tracking.wanted.as_deref()
    });
    Ok(ours.map(|one| one.arn.clone()))
}

/// What the record of a service deployment says.
fn by_record(
    receipt: &Receipt,
    tracking: &Tracking,
    service: &Service,
    told: &ServiceDeployment,
    rollout: Option<&Rollout>,
) -> Finding {
    let undoes = receipt.recipe.undoes;
    let reason =
        || told.status_reason.as_deref().map_or_else(|| "it says no more".to_owned(), clean);
    match told.status.as_str() {
        "SUCCESSFUL" if undoes => overtaken(Overtaken::Finished),
        "SUCCESSFUL" => {
            let primary = service.deployments.iter().find(|one| one.primary());
            let serves = primary.is_none_or(|one| {
                tracking.wanted.is_none()
                    || tracking.wanted.as_deref() == Some(one.task_definition.as_str())
            });
            let current = service.current_service_deployment.as_deref() == Some(told.arn.as_str());
            if serves || current { arrived(service, told) } else { overtaken(Overtaken::Followed) }
        }
        "ROLLBACK_SUCCESSFUL" if undoes => {
            let primary = service.deployments.iter().find(|one| one.primary());
            let other = primary.zip(tracking.wanted.as_deref());
            match other.filter(|(one, wanted)| one.task_definition != *wanted) {
                Some(_) if !receipt.theirs => overtaken(Overtaken::PutBack(primary_name(service))),
                _ => arrived(service, told),
            }
        }
        "ROLLBACK_SUCCESSFUL" if told.given_up() => {
            let back = primary_name(service);
            Finding::Failed(format!("{}: {back} is back", reason().trim_end_matches('.')))
        }
        "ROLLBACK_SUCCESSFUL" => overtaken(Overtaken::Cancelled),
        "ROLLBACK_FAILED" => Finding::Failed(format!("going back failed: {}", reason())),
        "STOPPED" if told.given_up() => Finding::Failed(reason()),
        "STOPPED" => overtaken(Overtaken::Superseded),
        _ if told.goes_back() => Finding::Moving,
        _ if undoes && !receipt.theirs => Finding::NotArrived,
        _ => match told.waiting() {
            Some(hook) if tracking.hook.as_ref() == Some(&hook.key()) && !receipt.theirs => {
                Finding::NotArrived
            }
            Some(_) => Finding::Waiting(
                rollout.and_then(Rollout::step).map(|step| (step.current, step.total)),
            ),
            None => Finding::Moving,
        },
    }
}

fn primary_name(service: &Service) -> String {
    let primary = service.deployments.iter().find(|one| one.primary());
    primary.map_or_else(
        || "what was before".to_owned(),
        |one| reference(&one.task_definition, service).name(),
    )
}

/// It came to its end: whether all of its tasks run.
fn arrived(service: &Service, told: &ServiceDeployment) -> Finding {
    settled(service, told.finished_at)
}

fn settled(service: &Service, since: Option<Timestamp>) -> Finding {
    let primary = service.deployments.iter().find(|one| one.primary());
    let others = service.deployments.iter().filter(|one| !one.primary());
    if others.into_iter().any(|one| one.running_count + one.pending_count > 0) {
        // It counts as successful before the old tasks are gone (`earlySuccessCriteria`).
        return Finding::Moving;
    }
    let running = primary.map_or(service.running_count, |one| one.running_count);
    let count = Count { desired: service.desired_count, running: Some(running) };
    if running < service.desired_count {
        return Finding::Settling { count, since };
    }
    let label = primary.and_then(|one| reference(&one.task_definition, service).label);
    let count = Count { running: Some(running.min(service.desired_count)), ..count };
    Finding::Arrived { count: Some(count), label }
}

/// What `deployments[]` says, where there is no record.
fn by_counts(
    receipt: &Receipt,
    service: &Service,
    own: Option<&Deployment>,
    app: Option<&App>,
) -> Finding {
    let Some(own) = own else {
        // It was there, and is not any more: another one has taken its place, or it was taken back.
        return overtaken(Overtaken::Superseded);
    };
    let reason =
        || own.rollout_state_reason.as_deref().map_or_else(|| "it says no more".to_owned(), clean);
    let rolls = app.is_some_and(|app| app.rollout.is_some());
    match own.rollout_state.as_deref() {
        Some("FAILED") => Finding::Failed(reason()),
        _ if !own.primary() && !receipt.recipe.undoes => overtaken(Overtaken::Superseded),
        Some("COMPLETED") => settled(service, own.updated_at),
        None if !rolls => settled(service, own.updated_at),
        _ => Finding::Moving,
    }
}
