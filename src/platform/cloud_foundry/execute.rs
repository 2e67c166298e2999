//! Carrying out a plan, once.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    CloudFoundry, convert,
    plan::{Action, Guard, ON_THE_NEW, Recipe, Tracking},
    push, wire,
};
use crate::{
    domain::{
        Confirmed, Outcome, Phase, Receipt, RolloutId,
        text::{clean, span},
    },
    platform::{Error, Progress, Sent, http::WriteError},
};

/// How long a lost cancel is looked for before it is called unknown.
const LOOKS: u32 = 3;

pub(super) async fn run(foundation: &CloudFoundry, plan: &Confirmed, progress: &Progress) -> Sent {
    let request = &plan.plan().request;
    let recipe: Recipe = match serde_json::from_value(plan.plan().recipe.clone()) {
        Ok(recipe) => recipe,
        Err(error) => {
            return Sent::Ended(Outcome::Refused(format!(
                "this plan cannot be carried out: {error}"
            )));
        }
    };
    let mut receipt = Receipt {
        app: request.app.clone(),
        name: plan.plan().app.clone(),
        operation: request.operation.clone(),
        rollout: recipe.tracking.deployment.clone().map(RolloutId::new),
        lost: false,
        tracking: Value::Null,
    };
    if let Err(refused) = check(foundation, &recipe.guard).await {
        return Sent::Ended(Outcome::Refused(refused));
    }
    let mut run = Run {
        foundation,
        guard: &recipe.guard,
        progress,
        tracking: recipe.tracking.clone(),
        began: false,
    };
    run.tracking.sent_at = Some((foundation.now)());
    for step in &recipe.steps {
        match run.step(step).await {
            Ok(()) => run.began = true,
            Err(Stop::Ended(outcome)) => return Sent::Ended(outcome),
            Err(Stop::Lost) => {
                receipt.lost = true;
                receipt.tracking = clue_json(&run.tracking);
                return Sent::Lost(receipt);
            }
        }
    }
    receipt.rollout = run.tracking.deployment.clone().map(RolloutId::new);
    receipt.tracking = clue_json(&run.tracking);
    Sent::Accepted(receipt)
}

fn clue_json(tracking: &Tracking) -> Value {
    // Texts and times only: it cannot fail to become JSON.
    serde_json::to_value(tracking).unwrap_or_default()
}

/// Compares what the plan stands on with what is now. The API has no conditional requests, so this is as late and as
/// short as it can be.
async fn check(foundation: &CloudFoundry, guard: &Guard) -> Result<(), String> {
    let app = &guard.app;
    let (own, revisions) = (format!("/v3/apps/{app}"), format!("/v3/apps/{app}/revisions"));
    let newest = [("order_by", "-created_at".to_owned()), ("per_page", "1".to_owned())];
    let apps = [app.as_str()];
    let read = tokio::try_join!(
        foundation.http.get::<wire::App>(&own, &[]),
        foundation.active_of(&apps),
        foundation.http.get::<wire::Page<wire::Revision>>(&revisions, &newest),
    );
    let (now, active, latest) = read.map_err(|error| format!("nothing was sent: {error}"))?;
    let Some(change) = guard.difference(&Guard::of(&now, active.last(), latest.resources.first()))
    else {
        return Ok(());
    };
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
    Err(format!(
        "CHANGED since the plan was made: {change}{}. Nothing was sent; look again",
        by.unwrap_or_default()
    ))
}

enum Stop {
    Ended(Outcome),
    Lost,
}

struct Run<'a> {
    foundation: &'a CloudFoundry,
    guard: &'a Guard,
    progress: &'a Progress,
    tracking: Tracking,
    /// Whether an earlier step has taken effect.
    began: bool,
}

impl Run<'_> {
    fn say(&self, text: impl Into<String>) {
        let _ = self.progress.send(text.into());
    }

    async fn step(&mut self, step: &Action) -> Result<(), Stop> {
        match step {
            Action::Deploy { body } => self.deploy(body).await,
            Action::Cancel { deployment } => self.cancel(deployment).await,
            Action::Continue { deployment } => {
                self.say("continuing the rollout");
                let path = format!("/v3/deployments/{deployment}/actions/continue");
                self.sent(self.foundation.http.write(Method::POST, &path, None).await).map(drop)
            }
            Action::EnableRevisions => self.enable_revisions().await,
            Action::RestoreEnvironment { revision } => self.restore_environment(revision).await,
            Action::RestoreSidecars { revision } => self.restore_sidecars(revision).await,
            Action::RestoreCommand { process, revision } => {
                let revision: wire::Revision =
                    self.read(&format!("/v3/revisions/{revision}")).await?;
                let command =
                    revision.processes.get("web").and_then(|process| process.command.clone());
                let path = format!("/v3/processes/{process}");
                self.sent(
                    self.foundation
                        .http
                        .write(Method::PATCH, &path, Some(&json!({ "command": command })))
                        .await,
                )
                .map(drop)
            }
            Action::Push { directory, body } => {
                let made = self
                    .foundation
                    .droplet_of_directory(&self.guard.app, directory, self.progress)
                    .await;
                self.deploy_droplet(made, body).await
            }
            Action::Image { image, body } => {
                let made =
                    self.foundation.droplet_of_image(&self.guard.app, image, self.progress).await;
                self.deploy_droplet(made, body).await
            }
        }
    }

    async fn deploy_droplet(
        &mut self,
        made: Result<String, push::Failed>,
        body: &Value,
    ) -> Result<(), Stop> {
        let droplet = made.map_err(|push::Failed(why)| {
            Stop::Ended(Outcome::Failed(format!("{why}. Nothing that runs has changed")))
        })?;
        // Staging takes minutes: the world may have moved meanwhile.
        check(self.foundation, self.guard)
            .await
            .map_err(|why| Stop::Ended(Outcome::Refused(why)))?;
        let mut body = body.clone();
        body["droplet"] = json!({ "guid": droplet });
        self.deploy(&body).await
    }

    async fn deploy(&mut self, body: &Value) -> Result<(), Stop> {
        self.say("asking for the rollout");
        let answer = self.foundation.http.write(Method::POST, "/v3/deployments", Some(body)).await;
        let answer = self.sent(answer)?;
        // What was made can also be found by its mark, should the answer make no sense.
        let made: Result<wire::Deployment, _> =
            self.foundation.http.decode("/v3/deployments", &answer);
        match made {
            Ok(made) => {
                self.foundation.learn_all(std::slice::from_ref(&made));
                if let Some(version) = made.revision.as_ref().and_then(|of| of.version) {
                    self.say(format!("taken: rolling to rev {version}"));
                    if self.tracking.goal == ON_THE_NEW {
                        self.tracking.goal = format!("on rev {version}");
                    }
                }
                self.tracking.deployment = Some(made.guid);
                Ok(())
            }
            Err(_) => Err(Stop::Lost),
        }
    }

    async fn cancel(&mut self, deployment: &str) -> Result<(), Stop> {
        self.say("cancelling the rollout");
        let path = format!("/v3/deployments/{deployment}/actions/cancel");
        let error = match self.foundation.http.write(Method::POST, &path, None).await {
            Ok(_) => return Ok(()),
            Err(WriteError::NoEffect(error)) => return Err(self.refused(&error)),
            Err(WriteError::Lost(error)) => error,
        };
        // What comes after the cancel depends on it: look for its effect, never send it again.
        tracing::warn!(%error, "the answer to the cancel was lost");
        self.say("the answer was lost after the request left: looking");
        for look in 1..=LOOKS {
            let found = self
                .foundation
                .http
                .get::<wire::Deployment>(&format!("/v3/deployments/{deployment}"), &[])
                .await;
            if found.is_ok_and(|found| {
                matches!(convert::phase(&found), Phase::Cancelling | Phase::Cancelled)
            }) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(u64::from(look))).await;
        }
        Err(Stop::Lost)
    }

    /// Switching on what is on changes nothing, so its effect can be read.
    async fn enable_revisions(&mut self) -> Result<(), Stop> {
        let path = format!("/v3/apps/{}/features/revisions", self.guard.app);
        let answer = self
            .foundation
            .http
            .write(Method::PATCH, &path, Some(&json!({ "enabled": true })))
            .await;
        if let Err(WriteError::NoEffect(error)) = answer {
            return Err(self.refused(&error));
        }
        let feature: wire::Feature = self.read(&path).await?;
        let outcome = if feature.enabled {
            Outcome::Done("revisions are kept from the next deploy or restart on".to_owned())
        } else {
            Outcome::Failed("the platform did not switch revisions on".to_owned())
        };
        Err(Stop::Ended(outcome))
    }

    async fn restore_environment(&mut self, revision: &str) -> Result<(), Stop> {
        self.say("putting the environment back");
        let own = format!("/v3/apps/{}/environment_variables", self.guard.app);
        let wanted: wire::Environment =
            self.read(&format!("/v3/revisions/{revision}/environment_variables")).await?;
        let now: wire::Environment = self.read(&own).await?;
        let patch = patch(&now.var, &wanted.var);
        if patch.is_empty() {
            return Ok(());
        }
        let body = json!({ "var": patch });
        match self.foundation.http.write(Method::PATCH, &own, Some(&body)).await {
            Ok(_) => Ok(()),
            Err(WriteError::NoEffect(error)) => Err(self.refused(&error)),
            Err(WriteError::Lost(error)) => {
                let after: wire::Environment = self.read(&own).await?;
                if after.var == wanted.var { Ok(()) } else { Err(self.refused(&error)) }
            }
        }
    }

    async fn restore_sidecars(&mut self, revision: &str) -> Result<(), Stop> {
        self.say("putting the sidecars back");
        let own = format!("/v3/apps/{}/sidecars", self.guard.app);
        let wanted: wire::Revision = self.read(&format!("/v3/revisions/{revision}")).await?;
        let now = self
            .foundation
            .all::<wire::Sidecar>(&own, Vec::new())
            .await
            .map_err(|error| self.refused(&error))?;
        for sidecar in &wanted.sidecars {
            let body = json!({
                "name": sidecar.name, "command": sidecar.command, "process_types": sidecar.process_types,
                "memory_in_mb": sidecar.memory_in_mb,
            });
            let known = now.iter().find(|one| one.name == sidecar.name);
            let (method, path) = match known.and_then(|one| one.guid.as_ref()) {
                Some(guid) => (Method::PATCH, format!("/v3/sidecars/{guid}")),
                None => (Method::POST, own.clone()),
            };
            let same = known.is_some_and(|one| {
                one.command == sidecar.command && one.process_types == sidecar.process_types
            });
            if !same {
                self.sent(self.foundation.http.write(method, &path, Some(&body)).await)?;
            }
        }
        for surplus in
            now.iter().filter(|one| !wanted.sidecars.iter().any(|wanted| wanted.name == one.name))
        {
            if let Some(guid) = &surplus.guid {
                self.sent(
                    self.foundation
                        .http
                        .write(Method::DELETE, &format!("/v3/sidecars/{guid}"), None)
                        .await,
                )?;
            }
        }
        Ok(())
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Stop> {
        self.foundation.http.get(path, &[]).await.map_err(|error| self.refused(&error))
    }

    fn sent(&self, answer: Result<Vec<u8>, WriteError>) -> Result<Vec<u8>, Stop> {
        match answer {
            Ok(body) => Ok(body),
            Err(WriteError::NoEffect(error)) => Err(self.refused(&error)),
            Err(WriteError::Lost(error)) => {
                tracing::warn!(%error, "the answer was lost");
                Err(Stop::Lost)
            }
        }
    }

    /// The outcome of a step that is known to have had no effect.
    fn refused(&self, error: &Error) -> Stop {
        let outcome = if self.began {
            Outcome::Failed(format!(
                "the first part was done, then: {error}. See the plan for what is left to do by hand"
            ))
        } else {
            Outcome::Refused(error.to_string())
        };
        Stop::Ended(outcome)
    }
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
