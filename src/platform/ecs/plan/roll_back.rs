//! Going back: by stopping the deployment under way, or by deploying an earlier task definition.

use serde_json::Value;

use crate::domain::{
    Deployable, Note, Plan, Revision, RollBackTo, TrackRecord, differences, last_good,
    text::{clean, quoted, span},
};
use crate::platform::operation::back_on;
use crate::platform::{
    Error,
    ecs::{
        model::wire::{family, last},
        options,
        plan::{
            change::{Built, Change, by_hand_registered, registered, update},
            rollout::take_back,
            snapshot::Snapshot,
            warnings,
        },
        read::definition::{detail, registrable, short_image},
        region::Region,
    },
};

/// What a roll back is told that nothing asks for.
const WELL: &str = "all instances of what runs now are well: this goes back further";

/// Works out a roll back.
pub(super) async fn plan(
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
    let label = wanted.name();
    plan.title = format!("ROLL BACK {name} to {label}{}", how_sure(last, wanted));
    plan.to = Some(snapshot.end(wanted));
    // While something comes in, that is what is left.
    let incoming = revisions.iter().find(|one| one.incoming);
    plan.from = incoming.map(|one| snapshot.end(one)).or(plan.from.take());
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
    let before = snapshot.way_back.as_ref().or(rollout.and_then(|one| one.from.as_ref()));
    if before.is_some_and(|before| before.id == wanted.id) && snapshot.live.is_some() {
        return Ok(take_back(snapshot, plan));
    }
    if wanted.id.as_str() == snapshot.service.task_definition {
        let is = if rollout.is_none() { "runs" } else { "is being deployed to" };
        return Ok(Err(format!("nothing would change: {name} {is} {label} already")));
    }
    let again = plan.request.options.flag(options::REGISTER);
    if let Deployable::No(why) = &wanted.deployable
        && !again
    {
        return Ok(Err(format!(
            "{label} of {name} cannot be deployed: {why}; --re-register registers it again"
        )));
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
    let ran = warnings::not_restored(region, snapshot, plan, wanted).await?;
    if again {
        return Ok(Ok(register_again(snapshot, plan, wanted, &then, &ran)));
    }
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
        goal: back_on(label.clone()),
        leaving: snapshot.leaving(Some(wanted.id.as_str())),
        tracking,
        ..Change::default()
    }))
}

/// Registers what a task definition says once more, with the images that it ran, and deploys that.
fn register_again(
    snapshot: &Snapshot,
    plan: &mut Plan,
    wanted: &Revision,
    then: &Value,
    ran: &[(String, String)],
) -> Change {
    let mut body = registrable(then);
    let mut pinned = Vec::new();
    for container in body["containerDefinitions"].as_array_mut().into_iter().flatten() {
        let image = container["image"].as_str().unwrap_or_default().to_owned();
        if let Some((_, digest)) = ran.iter().find(|(name, _)| *name == image) {
            // A tag comes after the last slash; a port does not.
            let (path, last) =
                image.rsplit_once('/').map_or(("", image.as_str()), |(path, last)| (path, last));
            let bare = last.split(':').next().unwrap_or(last);
            let slash = if path.is_empty() { "" } else { "/" };
            container["image"] = format!("{path}{slash}{bare}@{digest}").into();
            pinned.push(clean(short_image(&image)));
        }
    }
    let of = family(wanted.id.as_str()).0.to_owned();
    let (steps, tracking, number) = registered(snapshot, &of, &body);
    plan.method = format!(
        "{} is registered again, as {of}:{number} or higher, and deployed",
        clean(last_part(wanted))
    );
    plan.notes.push(Note::Info(if pinned.is_empty() {
        "which images it ran is not on record: its tags are resolved anew".to_owned()
    } else {
        format!("by digest, as it ran: {}", pinned.join(", "))
    }));
    by_hand_registered(snapshot, plan, &of, number);
    Change {
        steps,
        goal: back_on(wanted.name()),
        leaving: snapshot.leaving(None),
        tracking,
        ..Change::default()
    }
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
