//! The patches of operations: a new image, a restart, a pause and its end.

use serde_json::{Value, json};

use crate::domain::{
    Goal, IMAGE, Plan, RevisionSummary, differences,
    text::{clean, quoted},
};
use crate::platform::kubernetes::operate::observe::Asked;
use crate::platform::kubernetes::{
    cluster::Cluster,
    model::store::Kind,
    model::wire,
    plan::snapshot::{Cause, Snapshot, end},
    read::template,
};

/// A patch, and how to tell that it took effect.
#[derive(Default)]
pub(in crate::platform::kubernetes) struct Mutation {
    pub(in crate::platform::kubernetes) patch: Value,
    pub(in crate::platform::kubernetes) template: Option<Value>,
    pub(in crate::platform::kubernetes) goal: Goal,
    pub(in crate::platform::kubernetes) leaving: Option<String>,
    pub(in crate::platform::kubernetes) paused: Option<bool>,
    /// Pods to be deleted after the patch, by name and UID.
    pub(in crate::platform::kubernetes) pods: Vec<(String, String)>,
    /// Whether it is about the status rather than the specification.
    pub(in crate::platform::kubernetes) status: bool,
    /// What is asked of an Argo Rollout.
    pub(super) asked: Option<Asked>,
    /// Whether the rollout in progress ends with it, one way or the other.
    pub(in crate::platform::kubernetes) ends: Option<bool>,
}

/// A patch that puts a template in place, out of a pause too.
pub(in crate::platform::kubernetes) fn template_patch(
    snapshot: &Snapshot,
    template: &Value,
    reason: Option<&str>,
    cause: Cause<'_>,
) -> Value {
    let mut steps = vec![json!({ "op": "replace", "path": "/spec/template", "value": template })];
    if snapshot.paused() {
        steps.push(json!({ "op": "remove", "path": "/spec/paused" }));
    }
    if reason.is_some() || !matches!(cause, Cause::Keep) {
        steps.extend(snapshot.annotate(template, reason, cause));
    }
    Value::Array(steps)
}

pub(in crate::platform::kubernetes) fn deploy(
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<Mutation, String> {
    let name = plan.app.clone();
    let text = plan.request.options.get(IMAGE.name).unwrap_or_default().to_owned();
    let mut template = snapshot.template().clone();
    let (container, image) = match text.split_once('=') {
        Some((container, image)) => (Some(container.trim()), image.trim()),
        None => (None, text.trim()),
    };
    if image.is_empty() || image.chars().any(char::is_whitespace) {
        return Err(format!("{image:?} is no image"));
    }
    let Some(containers) = template["spec"]["containers"].as_array_mut() else {
        return Err(format!("{name} has no containers"));
    };
    let names: Vec<_> =
        containers.iter().filter_map(|one| one["name"].as_str()).map(clean).collect();
    let at = match container {
        Some(container) => containers.iter().position(|one| one["name"] == container),
        None if containers.len() == 1 => Some(0),
        None => None,
    };
    let Some(at) = at else {
        return Err(format!(
            "say which container of {name}: CONTAINER=IMAGE, one of {}",
            names.join(", ")
        ));
    };
    containers[at]["image"] = image.into();
    let mut now = snapshot.template().clone();
    wire::strip(&mut now);
    let mut stripped = template.clone();
    wire::strip(&mut stripped);
    if now == stripped {
        return Err(format!("nothing would change: {name} runs {image} already"));
    }
    plan.title = format!("DEPLOY {image} to {name}");
    plan.to = Some(RevisionSummary {
        name: "a new revision".to_owned(),
        artifact: Some(clean(image)),
        remark: None,
    });
    plan.differs = differences(&template::of_template(&now), &template::of_template(&stripped));
    "a new image, as a rollout".clone_into(&mut plan.method);
    let command = format!("set image {} {}={}", snapshot.named(), names[at], quoted(image));
    plan.by_hand.push(snapshot.by_hand("kubectl", &command));
    let reason = plan.request.reason.clone();
    let cause = reason.as_deref().map_or(Cause::Keep, Cause::Is);
    Ok(Mutation {
        patch: template_patch(snapshot, &template, reason.as_deref(), cause),
        template: Some(stripped),
        goal: format!("on {}{}", clean(image), snapshot.above()).into(),
        leaving: snapshot.leaving(None),
        ..Mutation::default()
    })
}

pub(in crate::platform::kubernetes) fn restart(
    cluster: &Cluster,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<Mutation, String> {
    if snapshot.paused() {
        return Err(format!("{} is paused: let it go on first", plan.app));
    }
    let mut template = snapshot.template().clone();
    let at = (cluster.now)().strftime("%Y-%m-%dT%H:%M:%S.%fZ").to_string();
    if !template["metadata"].is_object() {
        template["metadata"] = json!({});
    }
    if !template["metadata"]["annotations"].is_object() {
        template["metadata"]["annotations"] = json!({});
    }
    template["metadata"]["annotations"][wire::RESTARTED] = at.into();
    stays(snapshot, plan);
    "the same template with a new mark: every instance is replaced, as a new revision"
        .clone_into(&mut plan.method);
    plan.by_hand
        .push(snapshot.by_hand("kubectl", &format!("rollout restart {}", snapshot.named())));
    let reason = plan.request.reason.clone();
    let patch = template_patch(snapshot, &template, reason.as_deref(), Cause::Keep);
    wire::strip(&mut template);
    Ok(Mutation {
        patch,
        template: Some(template),
        goal: format!("on new instances{}", snapshot.above()).into(),
        leaving: snapshot.above().is_empty().then(|| "what ran before".to_owned()),
        ..Mutation::default()
    })
}

/// What is wanted stays what it is: from what serves, where a rollout is under way.
pub(in crate::platform::kubernetes) fn stays(snapshot: &Snapshot, plan: &mut Plan) {
    plan.to.clone_from(&plan.from);
    if let Some(serving) = snapshot.serving().filter(|_| snapshot.rolling) {
        plan.from = Some(end(serving));
    }
}

/// Pausing and going on.
pub(in crate::platform::kubernetes) fn hold(
    snapshot: &Snapshot,
    plan: &mut Plan,
    pause: bool,
    serving: Option<&Value>,
) -> Result<Mutation, String> {
    let name = plan.app.clone();
    if !snapshot.address.kind.has_sets() {
        return Err(format!(
            "{name} is a {}: only Deployments and Rollouts can be paused",
            snapshot.address.kind.word()
        ));
    }
    match (pause, snapshot.paused()) {
        (true, true) => return Err(format!("{name} is paused already")),
        (false, false) => {
            return Err(format!("{name} does not wait for anybody: it is not paused"));
        }
        _ => {}
    }
    stays(snapshot, plan);
    let verb = if pause { "pause" } else { "resume" };
    plan.method = if pause {
        "instances stay as they are now, old and new; the deadline stops".to_owned()
    } else {
        "the rollout goes on where it was held".to_owned()
    };
    plan.by_hand.push(if snapshot.address.kind == Kind::Rollout {
        snapshot.by_hand("kubectl argo rollouts", &format!("pause {}", snapshot.address.name))
    } else {
        snapshot.by_hand("kubectl", &format!("rollout {verb} {}", snapshot.named()))
    });
    let steps = vec![if pause {
        json!({ "op": "add", "path": "/spec/paused", "value": true })
    } else {
        json!({ "op": "remove", "path": "/spec/paused" })
    }];
    let shown = plan
        .to
        .as_ref()
        .map_or_else(|| "on what it was".to_owned(), |to| format!("on {}", to.name));
    let shown = match snapshot.pending().filter(|_| !pause) {
        Some(new) => {
            // Going on is a release of what waits: it is compared like one.
            let goal = new.artifact.as_ref().map_or(shown, |image| format!("on {image}"));
            if let Some(serving) = serving {
                let mut now = snapshot.template().clone();
                wire::strip(&mut now);
                plan.differs =
                    differences(&template::of_template(serving), &template::of_template(&now));
            }
            plan.from = snapshot.deployed().map(end);
            plan.to = Some(new);
            "the rollout of what was changed during the pause begins".clone_into(&mut plan.method);
            goal
        }
        None => shown,
    };
    Ok(Mutation {
        patch: Value::Array(steps),
        template: None,
        goal: if pause { "held".into() } else { shown.into() },
        leaving: None,
        paused: Some(pause),
        ..Mutation::default()
    })
}
