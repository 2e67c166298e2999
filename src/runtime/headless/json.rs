//! The JSON that scripts read; documented in the README and stable.

use serde_json::{Value, json};

use super::super::journal::Open;

use crate::domain::{
    App, Count, Deployable, Difference, InstanceReading, LogLine, Plan, Reading, Revision,
    RevisionRef, SideName, Target, TrackRecord, Usage, Verdict,
};

pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

pub(super) fn list(values: impl Iterator<Item = Value>) -> String {
    pretty(&Value::Array(values.collect()))
}

fn count(count: Count) -> Value {
    json!({ "desired": count.desired, "running": count.running })
}

fn reference(reference: &RevisionRef) -> Value {
    json!({ "id": reference.id.as_str(), "label": reference.label })
}

pub(super) fn app(app: &App) -> Value {
    let rollout = app.rollout.as_ref().map(|rollout| {
        let reason = match &rollout.stuck {
            Some(stuck) => stuck.why.clone(),
            None => rollout.reason.clone(),
        };
        json!({
            "id": rollout.id.as_str(), "phase": rollout.phase.word(), "reason": reason,
            "strategy": rollout.strategy.to_string(),
            "old": count(rollout.old.count()), "new": count(rollout.new.count()),
            "sides": rollout.overlap.iter().map(|(revision, side)| json!({
                "revision": reference(revision), "instances": count(side.count()),
            })).collect::<Vec<_>>(),
            "stages": rollout.stages.iter().map(|stage| json!({
                "name": stage.name, "state": stage.state.word(), "since": stage.since.map(|at| at.to_string()),
                "detail": stage.detail,
            })).collect::<Vec<_>>(),
            "deadline": rollout.deadline.map(|at| at.to_string()),
            "started_at": rollout.started_at.map(|at| at.to_string()),
        })
    });
    json!({
        "target": app.target.as_str(), "platform": app.platform.to_string(), "id": app.id.as_str(),
        "name": app.name, "scope": app.scope, "state": app.condition().word(), "instances": count(app.instances),
        "deployed": app.deployed.as_ref().map(reference), "rollout": rollout, "on_hold": app.on_hold,
    })
}

pub(super) fn revision(revision: &Revision) -> Value {
    let deployable = match revision.deployable {
        Deployable::Yes => Some(true),
        Deployable::No(_) => Some(false),
        Deployable::Unknown => None,
    };
    json!({
        "id": revision.id.as_str(), "label": revision.label, "description": revision.description,
        "created_at": revision.created_at.map(|at| at.to_string()), "deployable": deployable,
        "deployed": revision.deployed, "incoming": revision.incoming, "by": revision.by,
        "artifact": revision.artifact, "made_from": revision.made_from, "note": revision.note,
        "record": match revision.track_record {
            TrackRecord::Served => "served",
            TrackRecord::Unfinished => "unfinished",
            TrackRecord::Unknown => "unknown",
        },
        "served_seconds": revision.served.map(|served| served.as_secs()),
    })
}

pub(super) fn verdict(verdict: &Verdict) -> Value {
    let word = verdict.judgement.word().to_lowercase();
    json!({ "verdict": word, "reasons": verdict.reasons })
}

pub(super) fn reading(reading: &Reading, verdict: Option<&Verdict>) -> Value {
    let usage = |usage: Option<Usage>| {
        usage.map(|usage| json!({ "used": usage.used, "share": usage.share }))
    };
    let instance = |one: &InstanceReading| {
        json!({
            "id": one.id, "name": one.instance.name, "side": one.side.word(), "state": one.instance.state.word(),
            "revision": one.revision.as_ref().map(reference), "since": one.instance.since.map(|at| at.to_string()),
            "reason": one.instance.reason, "restarts": one.restarts.map(|it| it.count),
            "restarts_since": one.restarts.map(|it| it.since.to_string()),
            "cpu": usage(one.cpu), "memory": usage(one.memory),
            "facts": one.facts.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        })
    };
    json!({
        "read_at": reading.at.to_string(), "measured_at": reading.measured_at.map(|at| at.to_string()),
        "unmeasured": reading.unmeasured, "verdict": verdict.map(self::verdict),
        "errors": reading.errors.map(|errors| json!({ "since": errors.since.to_string(), "old": errors.old.lines, "new": errors.new.lines })),
        "instances": reading.instances.iter().map(instance).collect::<Vec<_>>(),
    })
}

/// One line of a log; printed as one line, so that it can be read as it comes.
pub(super) fn line(line: &LogLine) -> Value {
    json!({
        "at": line.at.to_string(), "instance": line.source, "side": line.side.map(SideName::word),
        "revision": line.revision, "error": line.error, "text": line.text,
    })
}

pub(super) fn difference(one: &Difference, reveal: bool) -> Value {
    let shown = |value: &Option<crate::domain::Secret>| {
        value
            .as_ref()
            .map(|value| if one.secret && !reveal { "••••" } else { value.reveal() }.to_owned())
    };
    json!({ "group": one.group.word(), "key": one.key, "before": shown(&one.before), "after": shown(&one.after) })
}

pub(super) fn target(target: &Target, reached: bool) -> Value {
    json!({
        "target": target.id.as_str(), "platform": target.platform.to_string(), "api": target.api,
        "scope": target.scope_label, "user": target.user, "reached": reached,
    })
}

pub(super) fn plan(plan: &Plan) -> Value {
    let end = |end: &crate::domain::RevisionSummary| json!({ "name": end.name, "artifact": end.artifact, "remark": end.remark });
    json!({
        "title": plan.title, "refused": plan.refused, "way": plan.method, "patch": plan.patch, "sections": plan.sections(crate::domain::PlanDetail::Full { reveal: false })
            .into_iter().map(|one| json!({ "label": one.kind.label(), "lines": one.lines })).collect::<Vec<_>>(),
        "from": plan.from.as_ref().map(end), "to": plan.to.as_ref().map(end),
        "differs": plan.differs.iter().map(|one| difference(one, false)).collect::<Vec<_>>(),
        "capacity": plan.capacity, "notes": plan.notes.iter().map(crate::domain::Note::text).collect::<Vec<_>>(),
        "calls": plan.calls().collect::<Vec<_>>(), "by_hand": plan.by_hand, "checked_at": plan.checked_at.to_string(),
    })
}

/// How an operation ended; `operation` is its name in the journal.
pub(super) fn outcome(operation: &str, word: &str, text: &str) -> Value {
    let operation = (!operation.is_empty()).then_some(operation);
    json!({ "outcome": word, "text": text, "operation": operation })
}

pub(super) fn open(open: &Open) -> Value {
    let receipt = &open.receipt;
    json!({
        "operation": receipt.recipe.id, "target": receipt.app.target.as_str(), "app": receipt.app.app.as_str(),
        "name": receipt.name, "verb": receipt.verb, "goal": receipt.recipe.goal.to_string(), "sent_at": open.at.to_string(),
        "steps": receipt.recipe.steps.len(), "done": receipt.done, "followed": open.followed,
    })
}
