//! Going back: by stopping the deployment under way, or by deploying an earlier task definition.

use crate::domain::{
    Note, Plan, Revision, RollBackTo, TrackRecord, differences, last_good,
    text::{clean, quoted, span},
};
use crate::platform::{
    Error,
    ecs::{
        Region,
        model::wire::last,
        plan::{Built, Change, Snapshot, take_back, update, warnings},
        read::definition::detail,
    },
};

/// What a roll back is told that nothing asks for.
const WELL: &str = "all instances of what runs now are well: this goes back further";

pub(super) async fn roll_back(
    region: &Region,
    snapshot: &Snapshot,
    plan: &mut Plan,
    goal: &RollBackTo,
) -> Result<Built, Error> {
    let name = snapshot.name().to_owned();
    let revisions = &snapshot.history.revisions;
    let rollout = snapshot.app.rollout.as_ref();
    let (wanted, last) = match goal {
        RollBackTo::LastGood => match last_good(revisions, rollout.is_some()) {
            Some((one, sure)) => (one, Some(sure)),
            None => return Ok(Err(format!("{name} has no earlier revision to go back to"))),
        },
        RollBackTo::Revision(id) => match revisions.iter().find(|one| one.id == *id) {
            Some(one) => (one, None),
            None => {
                return Ok(Err(format!("there is no revision {} of {name}", clean(id.as_str()))));
            }
        },
    };
    let label = crate::domain::revision_name(&wanted.label);
    plan.title = format!("ROLL BACK {name} to {label}{}", how_sure(last, wanted));
    plan.to = Some(snapshot.end(wanted));
    let now = region.definition(&snapshot.service.task_definition).await?;
    let then = region.definition(wanted.id.as_str()).await?;
    plan.differs = differences(&detail(&now), &detail(&then));
    if wanted.track_record == TrackRecord::Unfinished {
        plan.notes
            .push(Note::Warning(format!("{label} FAILED: no deployment of it came to its end")));
    }
    if last == Some(false) {
        plan.notes.push(Note::Warning(format!(
            "that {label} was well is inferred: no deployment of it is on record"
        )));
    }
    // The one call that goes back to all that was recorded, where it leads there.
    let before = rollout.and_then(|one| one.from.as_ref());
    if before.is_some_and(|before| before.id == wanted.id) && snapshot.live.is_some() {
        return Ok(take_back(snapshot, plan));
    }
    if wanted.deployed && rollout.is_none() {
        return Ok(Err(format!("nothing would change: {name} runs {label} already")));
    }
    if let crate::domain::Deployable::No(why) = &wanted.deployable {
        return Ok(Err(format!("{label} of {name} cannot be deployed: {why}")));
    }
    if last.is_some()
        && rollout.is_none()
        && snapshot.service.running_count >= snapshot.service.desired_count
    {
        plan.notes.push(Note::Warning(WELL.to_owned()));
    }
    plan.method = format!(
        "the task definition {} again, as a deployment of its own",
        clean(last_part(wanted))
    );
    warnings::not_restored(region, snapshot, plan, wanted).await?;
    plan.by_hand.push(snapshot.by_hand(&format!(
        "update-service {} --task-definition {}",
        snapshot.named(),
        quoted(last_part(wanted))
    )));
    let (step, tracking) = update(
        snapshot,
        Some(wanted.id.as_str()),
        format!("update the service to {}", last_part(wanted)),
    );
    Ok(Ok(Change {
        steps: vec![step],
        goal: format!("back on {label}"),
        leaving: snapshot.leaving(Some(wanted.id.as_str())),
        tracking,
        ..Change::default()
    }))
}

fn last_part(revision: &Revision) -> &str {
    last(revision.id.as_str())
}

fn how_sure(last: Option<bool>, wanted: &Revision) -> String {
    match (last, wanted.served) {
        (Some(true), _) => " (last good)".to_owned(),
        (Some(false), Some(lived)) => {
            format!(" (it lived {}; no record that it was well)", span(lived))
        }
        (Some(false), None) => " (no record that it was well)".to_owned(),
        (None, _) => String::new(),
    }
}
