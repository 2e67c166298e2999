//! Rolling back: the quickest way that works.

use serde_json::Value;

use super::{
    capacity,
    draft::{blank, finish, superseding},
    recipe::{deployment_body, new_id, recipe},
    snapshot::Snapshot,
};
use crate::platform::cloud_foundry::operate::receipt::{Action, Tracking};
use crate::platform::operation::back_on;
use crate::{
    domain::{
        Deployable, Detail, Note, Phase, Plan, Request, RollBackTo, TrackRecord, differences,
        last_good, revision_name,
        text::{quoted, span},
    },
    platform::{
        Error,
        cloud_foundry::{
            foundation::CloudFoundry, model::wire, options::RolloutOptions, read::convert,
        },
    },
};

pub(super) async fn plan(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    request: Request,
    goal: &RollBackTo,
) -> Result<Plan, Error> {
    let name = &snapshot.name;
    let mut plan = blank(snapshot, request, format!("ROLL BACK {name}"));
    let from = snapshot
        .active()
        .and_then(|one| one.revision.as_ref())
        .and_then(|of| snapshot.revision(&of.guid));
    let from = from.or_else(|| snapshot.deployed());
    plan.from = from.map(|revision| snapshot.end(revision));
    if !snapshot.versioned {
        plan.refused = Some(format!(
            "revisions are switched off for {name}, so the platform keeps nothing to go back to"
        ));
        plan.by_hand = vec![format!(
            "cf curl /v3/apps/{}/features/revisions -X PATCH -d '{{\"enabled\":true}}'",
            snapshot.guid
        )];
        return Ok(plan);
    }
    let history = snapshot.history();
    let rolling = snapshot.active().is_some();
    let (chosen, sure) = match goal {
        RollBackTo::LastGood => match last_good(&history, rolling) {
            Some((revision, sure)) => (Some(revision), sure),
            None => {
                plan.refused =
                    Some(format!("{name} has no earlier revision that can be deployed again"));
                return Ok(plan);
            }
        },
        RollBackTo::Revision(id) => (history.iter().find(|one| &one.id == id), true),
    };
    let Some((chosen, target)) =
        chosen.and_then(|one| Some((one, snapshot.revision(one.id.as_str())?)))
    else {
        return Ok(plan.refuse(format!("{name} no longer has that revision")));
    };
    let mut why = Vec::new();
    if *goal == RollBackTo::LastGood {
        why.push(
            if sure { "last good" } else { "last one before, good only by inference" }.to_owned(),
        );
    }
    if let Some(served) = chosen.served {
        why.push(format!("served {}", span(served)));
    }
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    plan.title = format!("ROLL BACK {name} to {}{why}", target.name());
    plan.to = Some(snapshot.end(target));
    if let Deployable::No(reason) = &chosen.deployable {
        return Ok(plan.refuse(format!("{} cannot be deployed: {reason}", target.name())));
    }
    let (running, wanted) = Snapshot::running(&snapshot.web());
    let well = running.is_some_and(|running| running >= wanted) && wanted > 0;
    if *goal == RollBackTo::LastGood && !rolling && well && !snapshot.stopped() {
        plan.notes.push(Note::Warning(
            "all instances of what runs now are well: this goes back further".to_owned(),
        ));
    }
    if chosen.track_record == TrackRecord::Unfinished && !chosen.deployed {
        plan.notes.push(Note::Warning(format!("no rollout of {} ever finished", target.name())));
    }
    if !sure {
        plan.notes.push(Note::Info(
            "there is no record that it served: it was pushed without a rollout".to_owned(),
        ));
    }
    let is_old_side = rolling && snapshot.deployed().is_some_and(|old| old.guid == target.guid);
    if chosen.incoming && rolling && !is_old_side {
        plan.refused = Some(format!("{} is what the rollout in progress brings", target.name()));
        return Ok(plan);
    }
    if chosen.deployed && !rolling {
        plan.refused = Some(format!("{} is what runs now: nothing would change", target.name()));
        return Ok(plan);
    }
    let details = Details::read(foundation, from, target, snapshot.revisions.first()).await?;
    if let Some(from) = &details.from {
        plan.differs = differences(from, &details.to);
    }
    plan.notes.extend(
        details.to.hidden.iter().map(|text| Note::Info(format!("{text}: it is not compared"))),
    );
    // A cancel gives the app the droplet that it had when the rollout began (`deployment_cancel.rb`), which in a chain of
    // rollouts is that of the one before and not that of the process which it leaves.
    let its_droplet = snapshot.active().and_then(|one| one.previous_droplet.guid.as_ref());
    let right_droplet = its_droplet.is_none() || its_droplet == target.droplet.guid.as_ref();
    if is_old_side && right_droplet && cancelling_is_quickest(snapshot) {
        if details.environment.is_some() {
            return Ok(by_cancel(snapshot, plan, target, &details));
        }
        plan.notes.push(Note::Info(
            "a cancel would be quicker, but leaves the environment of the new revision, and this login may not read or put back environments: a rollout of the revision does"
                .to_owned(),
        ));
    }
    Ok(by_deployment(foundation, snapshot, plan, target, &details).await)
}

/// The configurations that are compared.
struct Details {
    from: Option<Detail>,
    to: Detail,
    /// The target's environment, where it may be read.
    environment: Option<wire::Environment>,
    /// Whether the newest revision is configured just like the target, so that the platform refuses the roll back.
    same_as_latest: bool,
}

impl Details {
    async fn read(
        foundation: &CloudFoundry,
        from: Option<&wire::Revision>,
        target: &wire::Revision,
        latest: Option<&wire::Revision>,
    ) -> Result<Self, Error> {
        let environment = |revision: Option<&wire::Revision>| {
            let path =
                revision.map(|one| format!("/v3/revisions/{}/environment_variables", one.guid));
            async move {
                let Some(path) = path else { return Ok(None) };
                foundation.environment(&path).await
            }
        };
        let newest = latest.filter(|latest| {
            latest.guid != target.guid
                && Some(latest.guid.as_str()) != from.map(|from| from.guid.as_str())
        });
        let (from_env, to_env, latest_env) =
            tokio::try_join!(environment(from), environment(Some(target)), environment(newest))?;
        let same_as_latest = latest.is_some_and(|latest| {
            let env = match (from, newest) {
                _ if latest.guid == target.guid => to_env.as_ref(),
                (_, Some(_)) => latest_env.as_ref(),
                _ => from_env.as_ref(),
            };
            // What cannot be read is not the same: the platform, which can, refuses where it is.
            let same = matches!((env, &to_env), (Some(a), Some(b)) if a.var == b.var);
            latest.droplet.guid == target.droplet.guid
                && latest.processes == target.processes
                && latest.sidecars == target.sidecars
                && same
        });
        Ok(Self {
            from: from.map(|from| convert::detail(from, from_env.as_ref())),
            to: convert::detail(target, to_env.as_ref()),
            environment: to_env,
            same_as_latest,
        })
    }
}

/// Cancelling is quickest while old instances serve, or while no new one does: nothing has to be started anew.
fn cancelling_is_quickest(snapshot: &Snapshot) -> bool {
    let old = snapshot.old_web();
    let new: Vec<_> = snapshot
        .web()
        .into_iter()
        .filter(|one| !old.iter().any(|old| old.guid == one.guid))
        .collect();
    let (old_running, old_wanted) = Snapshot::running(&old);
    let (new_running, _) = Snapshot::running(&new);
    old_running.unwrap_or(old_wanted) > 0 || new_running == Some(0)
}

fn by_cancel(
    snapshot: &Snapshot,
    mut plan: Plan,
    target: &wire::Revision,
    details: &Details,
) -> Plan {
    let Some(active) = snapshot.active() else { return plan };
    let old = snapshot.old_web();
    let (running, wanted) = Snapshot::running(&old);
    let new = active.revision.as_ref().and_then(|of| of.version);
    let of = new.map(|version| format!(" of {}", revision_name(version))).unwrap_or_default();
    let serve = match running {
        Some(running) => format!("{running} old instances still serve"),
        None => format!("{wanted} old instances still stand"),
    };
    plan.method = format!("cancel the rollout{of}: {serve}, so this is the quickest way");
    plan.capacity.push("missing old instances start again at once; nothing is built".to_owned());
    let mut steps = vec![Action::Cancel { deployment: active.guid.clone() }];
    plan.by_hand.push(format!("cf cancel-deployment {}", quoted(&snapshot.name)));
    restore(snapshot, &mut plan, target, details, &mut steps, "the cancel leaves behind");
    if convert::phase(active) == Phase::Cancelling {
        plan.notes.push(Note::Info("the platform is cancelling already".to_owned()));
    }
    let tracking = Tracking {
        deployment: Some(active.guid.clone()),
        target: Some(target.guid.clone()),
        ..Tracking::default()
    };
    let goal = back_on(target.name());
    let leaving = new.filter(|version| *version != target.version);
    let leaving = leaving.map(revision_name);
    finish(plan, recipe(new_id(), snapshot, steps, &tracking), goal, leaving)
}

/// Puts right environment and sidecars, which the platform does not.
fn restore(
    snapshot: &Snapshot,
    plan: &mut Plan,
    target: &wire::Revision,
    details: &Details,
    steps: &mut Vec<Action>,
    why: &str,
) {
    let drift = details.environment.as_ref().and_then(|environment| snapshot.drift(environment));
    match drift {
        Some(names) if !names.is_empty() => {
            let names: Vec<_> = names.iter().map(|name| crate::domain::text::clean(name)).collect();
            let listed = names.join(", ");
            plan.notes.push(Note::Warning(format!(
                "{why} the environment of another revision: {listed} will be set as in {}",
                target.name()
            )));
            for name in names {
                plan.by_hand.push(format!(
                    "cf set-env {} {} VALUE-OF-REV-{}",
                    quoted(&snapshot.name),
                    quoted(&name),
                    target.version
                ));
            }
            steps.push(Action::RestoreEnvironment { revision: target.guid.clone() });
        }
        Some(_) => {}
        None => plan.notes.push(Note::Warning(
            "the environment cannot be read with this login: check it yourself".to_owned(),
        )),
    }
    if snapshot.sidecars_drift(target) {
        plan.notes.push(Note::Warning(format!(
            "{why} other sidecars: they will be set as in {}",
            target.name()
        )));
        plan.by_hand.push(format!(
            "cf curl /v3/apps/{}/sidecars   # set as in {}",
            snapshot.guid,
            target.name()
        ));
        steps.push(Action::RestoreSidecars { revision: target.guid.clone() });
    }
}

async fn by_deployment(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    mut plan: Plan,
    target: &wire::Revision,
    details: &Details,
) -> Plan {
    let options = RolloutOptions::read(&plan.request.options);
    if let Some(wrong) = options.unfit(snapshot.no_canary.as_deref()) {
        return plan.refuse(wrong);
    }
    let operation = new_id();
    let reason = plan.request.reason.clone();
    let mut steps = Vec::new();
    let body = |kind: &str, guid: &str| -> Value {
        deployment_body(snapshot, &options, Some((kind, guid)), reason.as_deref(), &operation)
    };
    plan.notes.extend(superseding(snapshot));
    if details.same_as_latest {
        let droplet = target.droplet.guid.clone().unwrap_or_default();
        plan.method = format!(
            "deploy the droplet of {}: the platform refuses to repeat a roll back that was cancelled, and this is the way that works",
            target.name()
        );
        restore(snapshot, &mut plan, target, details, &mut steps, "the app has");
        restore_command(snapshot, target, &mut steps);
        let hand = body("droplet", &droplet);
        plan.by_hand.push(format!("cf curl /v3/deployments -X POST -d '{}'", bare(&hand)));
        steps.push(Action::Deploy { body: hand, staged: false });
    } else {
        plan.method = match snapshot.active() {
            Some(_) => format!(
                "a new rollout of {}; the old instances of the one in progress go with it",
                target.name()
            ),
            None => format!("a new rollout of {}, as a new revision", target.name()),
        };
        plan.by_hand.push(format!(
            "cf rollback {} --version {} {}",
            quoted(&snapshot.name),
            target.version,
            options.cli_flags()
        ));
        steps.push(Action::Deploy { body: body("revision", &target.guid), staged: false });
        let brought: Vec<_> =
            snapshot.brought().map(|one| crate::domain::text::clean(&one.name)).collect();
        if !brought.is_empty() {
            plan.notes.push(Note::Warning(format!(
                "by this the platform makes the sidecars of the buildpack ({}) the app's own, and refuses the next deployment, and to cancel this one, until they are deleted (cf curl -X DELETE /v3/sidecars/GUID)",
                brought.join(", ")
            )));
        }
    }
    capacity::describe(foundation, snapshot, &options, &mut plan).await;
    plan.notes.push(Note::Info(
        "service bindings do not roll back; a pipeline that deploys again will undo this"
            .to_owned(),
    ));
    let leaving = plan.from.as_ref().map(|end| end.name.clone());
    let goal = back_on(target.name());
    finish(plan, recipe(operation, snapshot, steps, &Tracking::default()), goal, leaving)
}

/// A droplet is started with the command of the newest process, not with that of the revision.
fn restore_command(snapshot: &Snapshot, target: &wire::Revision, steps: &mut Vec<Action>) {
    let now = snapshot.deployed().and_then(|revision| revision.processes.get("web"));
    if snapshot.active().is_none()
        && now != target.processes.get("web")
        && let Some(process) = snapshot.web().last()
    {
        steps.push(Action::RestoreCommand {
            process: process.guid.clone(),
            revision: target.guid.clone(),
        });
    }
}

/// A body without the marks that only revdeck needs.
fn bare(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(map) = body.as_object_mut() {
        map.remove("metadata");
    }
    body
}
