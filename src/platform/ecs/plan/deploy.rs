//! New deployments: of an image, of a task definition that is registered, or of the same one once more.

use crate::domain::{
    IMAGE, Note, Plan, RevisionSummary, differences, revision_name,
    text::{clean, quoted},
};
use crate::platform::{
    Error,
    ecs::{
        model::wire::{family, last},
        options,
        plan::{
            change::{Built, Change, by_hand_registered, registered, update},
            snapshot::Snapshot,
        },
        read::{
            convert::reference,
            definition::{containers, detail, registrable, short_image},
        },
        region::Region,
    },
};

/// Replaces all tasks by new ones of the same task definition.
pub(super) fn restart(snapshot: &Snapshot, plan: &mut Plan) -> Change {
    let now = reference(&snapshot.service.task_definition, &snapshot.service);
    plan.title = format!("RESTART {}: all tasks anew, of {}", snapshot.name(), now.name());
    plan.method =
        "a new deployment of the same task definition; image tags are resolved anew".to_owned();
    plan.by_hand.push(
        snapshot.by_hand(&format!("update-service {} --force-new-deployment", snapshot.named())),
    );
    let (step, tracking) = update(snapshot, None, "force a new deployment".to_owned());
    Change {
        steps: vec![step],
        goal: format!("restarted on {}", now.name()).into(),
        tracking,
        ..Change::default()
    }
}

/// Deploys a new image, or a task definition that is registered.
pub(super) async fn deploy(
    region: &Region,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<Built, Error> {
    let name = snapshot.name().to_owned();
    let options = plan.request.options.clone();
    let now = region.definition(&snapshot.service.task_definition).await?;
    if let Some(given) = options.get(options::TASK_DEFINITION) {
        let wanted = match region.definition(given).await {
            Ok(wanted) => wanted,
            Err(Error::Api { .. } | Error::NotFound { .. }) => {
                return Ok(Err(format!("there is no task definition {:?}", clean(given))));
            }
            Err(error) => return Err(error),
        };
        let arn = wanted["taskDefinitionArn"].as_str().unwrap_or(given).to_owned();
        if wanted["status"] != "ACTIVE" {
            return Ok(Err(format!(
                "{} cannot be deployed: it was deregistered",
                clean(last(&arn))
            )));
        }
        if arn == snapshot.service.task_definition {
            return Ok(Err(format!(
                "nothing would change: {name} runs {} already",
                clean(last(&arn))
            )));
        }
        plan.differs = differences(&detail(&now), &detail(&wanted));
        if family(&arn).0 != family(&snapshot.service.task_definition).0 {
            let (is, other) = (last(&snapshot.service.task_definition), last(&arn));
            let text = format!("{other} is of another family than {is}, which runs now");
            plan.notes.push(Note::Warning(clean(&text)));
        }
        plan.to = Some(RevisionSummary { name: clean(last(&arn)), artifact: None, remark: None });
        plan.title = format!("DEPLOY {} to {name}", clean(last(&arn)));
        plan.method = "a deployment of a task definition that is registered".to_owned();
        plan.by_hand.push(snapshot.by_hand(&format!(
            "update-service {} --task-definition {}",
            snapshot.named(),
            quoted(last(&arn))
        )));
        let (step, tracking) =
            update(snapshot, Some(&arn), format!("update the service to {}", last(&arn)));
        let goal = format!("on {}", reference(&arn, &snapshot.service).name()).into();
        return Ok(Ok(Change {
            steps: vec![step],
            goal,
            leaving: snapshot.leaving(Some(&arn)),
            tracking,
            ..Change::default()
        }));
    }
    let given = options.get(IMAGE.name).unwrap_or_default();
    if given.contains(char::is_whitespace) {
        return Ok(Err(format!("{:?} is no image: there are blanks in it", clean(given))));
    }
    let names: Vec<_> = containers(&now).filter_map(|one| one["name"].as_str()).collect();
    let (container, image) = match given.split_once('=') {
        Some((container, image)) if names.contains(&container) => (container.to_owned(), image),
        Some((container, _)) if !container.contains(['/', ':', '@']) => {
            return Ok(Err(format!(
                "{name} has no container {:?}: it has {}",
                clean(container),
                names.join(", ")
            )));
        }
        _ if names.len() > 1 => {
            return Ok(Err(format!(
                "{name} has several containers: say which one as CONTAINER=IMAGE, of {}",
                names.join(", ")
            )));
        }
        _ => (names.first().map(|name| (*name).to_owned()).unwrap_or_default(), given),
    };
    let mut body = registrable(&now);
    let mut same = true;
    for one in body["containerDefinitions"].as_array_mut().into_iter().flatten() {
        if one["name"] == container.as_str() {
            same &= one["image"] == image;
            one["image"] = image.into();
        }
    }
    if same {
        return Ok(Err(format!(
            "nothing would change: {name} runs {} already; restart it to have its tag resolved anew",
            clean(image)
        )));
    }
    plan.differs = differences(&detail(&now), &detail(&body));
    let of = family(&snapshot.service.task_definition).0.to_owned();
    let (steps, tracking, number) = registered(snapshot, &of, &body);
    plan.title = format!("DEPLOY {} to {name}", clean(short_image(image)));
    plan.to = Some(RevisionSummary {
        name: format!("{} (new)", revision_name(number)),
        artifact: Some(clean(short_image(image))),
        remark: None,
    });
    plan.method = format!(
        "the task definition is registered anew with the image, as {of}:{number} or higher, and deployed"
    );
    by_hand_registered(snapshot, plan, &of, number);
    let goal = format!("on {}", short_image(image)).into();
    let leaving = snapshot.leaving(None);
    Ok(Ok(Change { steps, goal, leaving, tracking, ..Change::default() }))
}
