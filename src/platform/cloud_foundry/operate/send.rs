//! Sending one step of a plan, once, and finding out whether one that was lost took effect.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::platform::cloud_foundry::{
    foundation::CloudFoundry,
    model::wire::{self, Page},
    operate::{
        aided,
        receipt::{Action, Aid, Guard, Tracking, configuration_mark},
    },
    push,
    read::convert,
};
use crate::platform::operation::{BEGUN_SINCE, took_the_place};
use crate::{
    domain::{
        AppId, Finding, Phase, Receipt, RolloutId, revision_name,
        text::{clean, span},
    },
    platform::{
        Error,
        http::WriteError,
        operation::{Learned, Order, Progress, StepError, say},
    },
};

/// Compares what a plan stands on with what is now. The API has no conditional requests, so this is as late and as
/// short as it can be.
pub(in crate::platform::cloud_foundry) async fn changed(
    foundation: &CloudFoundry,
    app: &AppId,
    guard: &Value,
) -> Result<Option<String>, Error> {
    let guard: Guard = foundation.read_own("the plan", guard)?;
    let app = app.as_str();
    let (own, revisions) = (format!("/v3/apps/{app}"), format!("/v3/apps/{app}/revisions"));
    let newest = [("order_by", "-created_at".to_owned()), ("per_page", "1".to_owned())];
    let of_app = [newest.to_vec(), vec![("app_guids", app.to_owned())]].concat();
    let apps = [app];
    let (now, active, latest, newest, configuration) = tokio::try_join!(
        foundation.http.get::<wire::App>(&own, &[]),
        foundation.active_of(&apps),
        foundation.http.get::<Page<wire::Revision>>(&revisions, &newest),
        foundation.http.get::<Page<wire::Deployment>>("/v3/deployments", &of_app),
        configuration(foundation, app, guard.configuration.is_some()),
    )?;
    let known = Guard {
        newest: newest.resources.first().map(|one| one.guid.clone()),
        configuration,
        ..Guard::of(&now, active.last(), latest.resources.first())
    };
    let Some(change) = guard.difference(&known) else { return Ok(None) };
    let who = foundation.events_of(app, "", 5).await.unwrap_or_default();
    let who = who
        .iter()
        .find(|event| !event.kind.contains("environment_variables") && event.actor.kind == "user");
    let by = who.map(|event| {
        let name = event.actor.name.as_deref().unwrap_or("somebody");
        format!(
            " (last change by {}, {} ago)",
            clean(name),
            span((foundation.now)().duration_since(event.created_at))
        )
    });
    Ok(Some(change + &by.unwrap_or_default()))
}

/// A mark of environment and sidecars, where a plan stands on them.
async fn configuration(
    foundation: &CloudFoundry,
    app: &str,
    wanted: bool,
) -> Result<Option<u64>, Error> {
    if !wanted {
        return Ok(None);
    }
    let path = format!("/v3/apps/{app}/environment_variables");
    let sidecars = format!("/v3/apps/{app}/sidecars");
    let (environment, sidecars) = tokio::join!(
        // What was hidden when the plan was made is hidden now.
        foundation.environment(&path),
        foundation.all(&sidecars, Vec::new()),
    );
    Ok(Some(configuration_mark(environment?.as_ref(), &sidecars?)))
}

/// Sends one step, once.
pub(in crate::platform::cloud_foundry) async fn send(
    foundation: &CloudFoundry,
    order: Order<'_>,
    progress: &Progress,
) -> Result<Learned, StepError> {
    let receipt = order.receipt();
    let action: Action = foundation.read_own("the plan", &order.step().action)?;
    let sender = Sender { foundation, receipt, app: receipt.app.app.as_str(), progress };
    match action {
        Action::Deploy { body, staged } => sender.deploy(body, staged).await,
        Action::Cancel { deployment } => sender.act(&deployment, "cancel").await,
        Action::Continue { deployment } => sender.act(&deployment, "continue").await,
        Action::EnableRevisions => {
            let path = format!("/v3/apps/{}/features/revisions", sender.app);
            sender.patch(&path, &json!({ "enabled": true })).await
        }
        Action::RestoreEnvironment { revision } => sender.restore_environment(&revision).await,
        Action::RestoreSidecars { revision } => sender.restore_sidecars(&revision).await,
        Action::RestoreCommand { process, revision } => {
            let command = command_of(foundation, &revision).await?;
            let path = format!("/v3/processes/{process}");
            sender.patch(&path, &json!({ "command": command })).await
        }
        Action::Scale { process, instances } => {
            let path = format!("/v3/processes/{process}/actions/scale");
            sender.post(&path, Some(&json!({ "instances": instances }))).await
        }
        Action::State { started } => {
            let verb = if started { "start" } else { "stop" };
            sender.post(&format!("/v3/apps/{}/actions/{verb}", sender.app), None).await
        }
        Action::RestartInstance { process, index } => {
            sender.still_there(&process, index).await?;
            let path = format!("/v3/processes/{process}/instances/{index}");
            foundation.http.write(Method::DELETE, &path, None).await?;
            Ok(Learned::default())
        }
        Action::StageDirectory { directory } => {
            sender.staged(foundation.droplet_of_directory(sender.app, &directory, progress).await)
        }
        Action::StageImage { image, username } => {
            let staging =
                foundation.droplet_of_image(sender.app, &image, username.as_deref(), progress);
            sender.staged(staging.await)
        }
    }
}

/// Whether a step whose answer was lost took effect.
pub(in crate::platform::cloud_foundry) async fn took_effect(
    foundation: &CloudFoundry,
    receipt: &Receipt,
    action: &Value,
) -> Result<Option<bool>, Error> {
    let app = receipt.app.app.as_str();
    let action: Action = foundation.read_own("the receipt", action)?;
    Ok(Some(match action {
        Action::Deploy { .. } => {
            let (found, whole) = by_mark(foundation, &receipt.app.app, receipt).await?;
            if found.is_none() && !whole {
                return Ok(None);
            }
            found.is_some()
        }
        Action::Cancel { deployment } => {
            let path = format!("/v3/deployments/{deployment}");
            let found: wire::Deployment = foundation.http.get(&path, &[]).await?;
            match convert::phase(&found) {
                Phase::Cancelling | Phase::Cancelled => true,
                phase if phase.active() => false,
                // It is over in another way: whether the cancel came before that cannot be read.
                _ => return Ok(None),
            }
        }
        Action::Continue { .. } | Action::EnableRevisions => return Ok(None),
        Action::RestoreEnvironment { revision } => {
            environment_patch(foundation, app, &revision).await?.is_empty()
        }
        Action::RestoreSidecars { revision } => {
            let (wanted, now) = sidecars(foundation, app, &revision).await?;
            wanted.iter().all(|one| now.iter().any(|other| same(one, other)))
                && now.len() == wanted.len()
        }
        Action::RestoreCommand { process, revision } => {
            let wanted = command_of(foundation, &revision).await?;
            let path = format!("/v3/processes/{process}");
            let now: wire::Process = foundation.http.get(&path, &[]).await?;
            now.command == wanted
        }
        Action::Scale { .. } | Action::State { .. } | Action::RestartInstance { .. } => {
            let tracking: Tracking =
                foundation.read_own("the receipt", &receipt.recipe.tracking)?;
            let Some(aid) = &tracking.aid else { return Ok(None) };
            let seen = aided::observe(foundation, receipt, aid).await?;
            seen.finding != Finding::NotArrived
        }
        // A package that was made and not used changes nothing that runs.
        Action::StageDirectory { .. } | Action::StageImage { .. } => false,
    }))
}

/// The deployment that an operation has made, told by its mark, and whether all deployments were looked at.
pub(in crate::platform::cloud_foundry) async fn by_mark(
    foundation: &CloudFoundry,
    app: &AppId,
    receipt: &Receipt,
) -> Result<(Option<wire::Deployment>, bool), Error> {
    let query = [
        ("app_guids", app.as_str().to_owned()),
        ("order_by", "-created_at".to_owned()),
        ("per_page", "100".to_owned()),
    ];
    let page: Page<wire::Deployment> = foundation.http.get("/v3/deployments", &query).await?;
    let mark = Some(receipt.recipe.id.as_str());
    let marked = |one: &wire::Deployment| one.metadata.annotation(convert::OPERATION) == mark;
    let whole = page.pagination.next.is_none();
    Ok((page.resources.into_iter().find(marked), whole))
}

/// What somebody has done since an operation was cut short: another deployment, or another revision.
pub(in crate::platform::cloud_foundry) async fn outdated(
    foundation: &CloudFoundry,
    receipt: &Receipt,
) -> Result<Option<String>, Error> {
    let tracking: Tracking = foundation.read_own("the receipt", &receipt.recipe.tracking)?;
    let guard: Guard = foundation.read_own("the receipt", &receipt.recipe.guard)?;
    let app = receipt.app.app.as_str();
    let newest = [("order_by", "-created_at".to_owned()), ("per_page", "1".to_owned())];
    let of_app = [newest.to_vec(), vec![("app_guids", app.to_owned())]].concat();
    let revisions = format!("/v3/apps/{app}/revisions");
    // As long as nothing of it was put back, it must be as it was when the plan was made.
    let first = receipt.recipe.steps.iter().position(|step| step.completes);
    let untouched = first == Some(receipt.done) && guard.configuration.is_some();
    let (deployments, revisions, now) = tokio::try_join!(
        foundation.http.get::<Page<wire::Deployment>>("/v3/deployments", &of_app),
        foundation.http.get::<Page<wire::Revision>>(&revisions, &newest),
        configuration(foundation, app, untouched),
    )?;
    let deployment = deployments.resources.first().map(|one| one.guid.as_str());
    let revision = revisions.resources.first().map(|one| one.guid.as_str());
    Ok(match () {
        () if deployment != tracking.deployment.as_deref() => Some(BEGUN_SINCE.to_owned()),
        () if revision != guard.latest.as_deref() => {
            Some("there is a newer revision by now".to_owned())
        }
        () if untouched && now != guard.configuration => {
            Some("its environment or sidecars were changed since".to_owned())
        }
        () => None,
    })
}

struct Sender<'a> {
    foundation: &'a CloudFoundry,
    receipt: &'a Receipt,
    app: &'a str,
    progress: &'a Progress,
}

impl Sender<'_> {
    async fn deploy(&self, mut body: Value, staged: bool) -> Result<Learned, StepError> {
        let http = &self.foundation.http;
        let mut tracking: Tracking =
            self.foundation.read_own("the plan", &self.receipt.recipe.tracking)?;
        if staged {
            body["droplet"] = json!({ "guid": tracking.droplet });
        }
        let answer = http.write(Method::POST, "/v3/deployments", Some(&body)).await?;
        // What was made can also be found by its mark, should the answer make no sense.
        let made: wire::Deployment =
            http.decode("/v3/deployments", &answer).map_err(StepError::Lost)?;
        self.foundation.learn_all(std::slice::from_ref(&made));
        let version = made.revision.as_ref().and_then(|of| of.version);
        if let Some(version) = version {
            say(self.progress, format!("accepted: rolling to {}", revision_name(version)));
        }
        let remark = self.between(&made.guid).await;
        if let Some(remark) = &remark {
            say(self.progress, remark.clone());
        }
        tracking.deployment = Some(made.guid.clone());
        Ok(Learned {
            rollout: Some(RolloutId::new(made.guid)),
            goal: version
                .filter(|_| staged)
                .map(|version| format!("on {}", revision_name(version)).into()),
            tracking: Some(tracking.json()),
            remark,
        })
    }

    /// The API has no conditional requests: whether another rollout began between the last look and ours, which ended it.
    async fn between(&self, made: &str) -> Option<String> {
        let guard: Guard = self.foundation.read_own("the plan", &self.receipt.recipe.guard).ok()?;
        let query = [
            ("app_guids", self.app.to_owned()),
            ("order_by", "-created_at".to_owned()),
            ("per_page", "2".to_owned()),
        ];
        let page = self.foundation.http.get::<Page<wire::Deployment>>("/v3/deployments", &query);
        let newest = page.await.ok()?.resources;
        let before = newest.iter().skip_while(|one| one.guid != made).nth(1)?;
        if Some(&before.guid) == guard.newest.as_ref() {
            return None;
        }
        let of = before.revision.as_ref().and_then(|of| of.version);
        let of = of.map(|version| format!(" of {}", revision_name(version))).unwrap_or_default();
        Some(took_the_place(&of))
    }

    async fn act(&self, deployment: &str, action: &str) -> Result<Learned, StepError> {
        let path = format!("/v3/deployments/{deployment}/actions/{action}");
        self.foundation.http.write(Method::POST, &path, None).await?;
        Ok(Learned::default())
    }

    /// The API has no precondition for it: whether the instance is the one that was seen is asked as late as it can be.
    async fn still_there(&self, process: &str, index: u32) -> Result<(), StepError> {
        let tracking: Tracking =
            self.foundation.read_own("the plan", &self.receipt.recipe.tracking)?;
        let Some(Aid::Instance { before: Some(before), .. }) = tracking.aid else { return Ok(()) };
        let path = format!("/v3/processes/{process}/stats");
        let stats: wire::Stats = self.foundation.http.get(&path, &[]).await?;
        let now = stats.resources.into_iter().find(|one| one.index == index);
        if now.and_then(|one| one.instance_guid).is_some_and(|now| now != before) {
            let what = "the instance was started anew by itself".to_owned();
            return Err(StepError::Changed(what));
        }
        Ok(())
    }

    async fn post(&self, path: &str, body: Option<&Value>) -> Result<Learned, StepError> {
        self.foundation.http.write(Method::POST, path, body).await?;
        Ok(Learned::default())
    }

    async fn patch(&self, path: &str, body: &Value) -> Result<Learned, StepError> {
        self.foundation.http.write(Method::PATCH, path, Some(body)).await?;
        Ok(Learned::default())
    }

    fn staged(&self, made: Result<String, push::Failed>) -> Result<Learned, StepError> {
        let droplet = made.map_err(|push::Failed(why)| StepError::Failed(why))?;
        let mut tracking: Tracking =
            self.foundation.read_own("the plan", &self.receipt.recipe.tracking)?;
        tracking.droplet = Some(droplet);
        Ok(Learned { tracking: Some(tracking.json()), ..Learned::default() })
    }

    async fn restore_environment(&self, revision: &str) -> Result<Learned, StepError> {
        let patch = environment_patch(self.foundation, self.app, revision).await?;
        if patch.is_empty() {
            return Ok(Learned::default());
        }
        let path = format!("/v3/apps/{}/environment_variables", self.app);
        self.patch(&path, &json!({ "var": patch })).await
    }

    /// The answer to one of several calls of a step: after the first has had its effect, none of the others can say that
    /// nothing has changed.
    #[expect(clippy::unused_self, reason = "it belongs to the step")]
    fn one_of_several(
        &self,
        begun: &mut bool,
        answer: Result<Vec<u8>, WriteError>,
    ) -> Result<(), StepError> {
        match answer {
            Ok(_) => {
                *begun = true;
                Ok(())
            }
            Err(WriteError::NoEffect(error)) if *begun => Err(StepError::Lost(error)),
            Err(error) => Err(error.into()),
        }
    }

    async fn restore_sidecars(&self, revision: &str) -> Result<Learned, StepError> {
        let (wanted, now) = sidecars(self.foundation, self.app, revision).await?;
        let http = &self.foundation.http;
        let mut begun = false;
        for sidecar in wanted.iter().filter(|one| !now.iter().any(|other| same(one, other))) {
            let body = json!({
                "name": sidecar.name, "command": sidecar.command, "process_types": sidecar.process_types,
                "memory_in_mb": sidecar.memory_in_mb,
            });
            let known = now.iter().find(|one| one.name == sidecar.name);
            let (method, path) = match known.and_then(|one| one.guid.as_ref()) {
                Some(guid) => (Method::PATCH, format!("/v3/sidecars/{guid}")),
                None => (Method::POST, format!("/v3/apps/{}/sidecars", self.app)),
            };
            let made = http.write(method, &path, Some(&body)).await;
            self.one_of_several(&mut begun, made)?;
        }
        let surplus = now.iter().filter(|one| !wanted.iter().any(|wanted| wanted.name == one.name));
        for guid in surplus.filter_map(|one| one.guid.as_ref()) {
            let gone = http.write(Method::DELETE, &format!("/v3/sidecars/{guid}"), None).await;
            self.one_of_several(&mut begun, gone)?;
        }
        Ok(Learned::default())
    }
}

async fn command_of(foundation: &CloudFoundry, revision: &str) -> Result<Option<String>, Error> {
    let path = format!("/v3/revisions/{revision}");
    let revision: wire::Revision = foundation.http.get(&path, &[]).await?;
    Ok(revision.processes.get("web").and_then(|process| process.command.clone()))
}

/// The app's own sidecars in a revision, and those of now.
async fn sidecars(
    foundation: &CloudFoundry,
    app: &str,
    revision: &str,
) -> Result<(Vec<wire::Sidecar>, Vec<wire::Sidecar>), Error> {
    let wanted: wire::Revision =
        foundation.http.get(&format!("/v3/revisions/{revision}"), &[]).await?;
    let now: Vec<wire::Sidecar> =
        foundation.all(&format!("/v3/apps/{app}/sidecars"), Vec::new()).await?;
    // Those of the buildpack come with the droplet, which is refused where the app has its own of the same name.
    let (brought, now): (Vec<_>, Vec<_>) = now.into_iter().partition(wire::Sidecar::of_buildpack);
    let mut wanted = wanted.sidecars;
    wanted.retain(|one| !brought.iter().any(|brought| brought.name == one.name));
    Ok((wanted, now))
}

fn same(one: &wire::Sidecar, other: &wire::Sidecar) -> bool {
    let types = |one: &wire::Sidecar| one.process_types.iter().cloned().collect::<BTreeSet<_>>();
    one.name == other.name
        && one.command == other.command
        && types(one) == types(other)
        && one.memory_in_mb == other.memory_in_mb
}

/// What must be set to get from the app's environment to that of a revision.
async fn environment_patch(
    foundation: &CloudFoundry,
    app: &str,
    revision: &str,
) -> Result<Map<String, Value>, Error> {
    let wanted = format!("/v3/revisions/{revision}/environment_variables");
    let now = format!("/v3/apps/{app}/environment_variables");
    let (wanted, now) = tokio::try_join!(
        foundation.http.get::<wire::Environment>(&wanted, &[]),
        foundation.http.get::<wire::Environment>(&now, &[]),
    )?;
    Ok(patch(&now.var, &wanted.var))
}

/// What must be set, and taken away with a null, to get from one environment to another.
fn patch(now: &BTreeMap<String, Value>, wanted: &BTreeMap<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (name, value) in wanted.iter().filter(|(name, value)| now.get(*name) != Some(value)) {
        patch.insert(name.clone(), value.clone());
    }
    for name in now.keys().filter(|name| !wanted.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_leads_from_one_environment_to_the_other() {
        let env = |text: &str| serde_json::from_str::<BTreeMap<String, Value>>(text).unwrap();
        let (now, wanted) =
            (env(r#"{"A":"1","B":"2","C":"3"}"#), env(r#"{"A":"1","B":"9","D":"4"}"#));
        assert_eq!(Value::Object(patch(&now, &wanted)), json!({ "B": "9", "C": null, "D": "4" }));
        assert!(patch(&wanted, &wanted).is_empty());
    }
}
