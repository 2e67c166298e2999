//! What has happened to an app: its revisions, events, logs, and why it crashes.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::platform::cloud_foundry::{
    foundation::CloudFoundry,
    model::wire::{self, Page},
    read::convert,
    read::events,
};
use crate::{
    domain::{self, AppEvent, AppId, Detail, History, Rollout, text::clean},
    platform::Error,
};

impl CloudFoundry {
    /// The revisions of an app, with who made them and whether they served.
    pub(in crate::platform::cloud_foundry) async fn history(
        &self,
        app: &AppId,
    ) -> Result<History, Error> {
        let guid = app.as_str();
        let newest = [("order_by", "-created_at".to_owned()), ("per_page", "100".to_owned())];
        let revisions_path = format!("/v3/apps/{guid}/revisions");
        let feature_path = format!("/v3/apps/{guid}/features/revisions");
        let deployments = vec![("app_guids", guid.to_owned())];
        let (feature, revisions, processes, deployments, events) = tokio::join!(
            self.http.get::<wire::Feature>(&feature_path, &[]),
            self.http.get::<Page<wire::Revision>>(&revisions_path, &newest),
            self.processes_of(guid, false),
            self.all::<wire::Deployment>("/v3/deployments", deployments),
            self.events_of(guid, "audit.app.deployment.create,audit.app.revision.create", 100),
        );
        // A login that may not see the feature may still see the revisions.
        let versioned = feature.map(|feature| feature.enabled).unwrap_or(true);
        let (revisions, processes, deployments) = (revisions?, processes?, deployments?);
        self.learn_all(&deployments);
        for revision in &revisions.resources {
            self.learn(&revision.guid, revision.version.to_string());
        }
        let deployed: Vec<_> = processes
            .iter()
            .filter(|process| process.kind == "web")
            .filter_map(|process| process.relationships.revision.guid().map(str::to_owned))
            .collect();
        let active = deployments.iter().rfind(|one| convert::phase(one).active());
        let incoming = active.and_then(|one| one.revision.as_ref()).map(|of| of.guid.clone());
        let mut makers = HashMap::new();
        for event in events.unwrap_or_default() {
            let of = event.data.get("revision_guid").and_then(serde_json::Value::as_str);
            if let (Some(of), Some(name)) = (of, event.actor.name.as_deref()) {
                makers.insert(of.to_owned(), clean(name));
            }
        }
        let mut shown: Vec<_> = revisions
            .resources
            .iter()
            .map(|one| {
                convert::revision(one, &deployments, &deployed, incoming.as_deref(), versioned)
            })
            .collect();
        for revision in &mut shown {
            revision.by = makers.get(revision.id.as_str()).cloned();
        }
        let remark = (!versioned).then(|| {
            format!("Revisions are switched off. On: cf curl /v3/apps/{guid}/features/revisions -X PATCH -d '{{\"enabled\":true}}'")
        });
        Ok(History { revisions: shown, remark, truncated: revisions.pagination.next.is_some() })
    }

    pub(in crate::platform::cloud_foundry) async fn events_of(
        &self,
        app: &str,
        types: &str,
        most: u32,
    ) -> Result<Vec<wire::AuditEvent>, Error> {
        let mut query = vec![
            ("target_guids", app.to_owned()),
            ("order_by", "-created_at".to_owned()),
            ("per_page", most.to_string()),
        ];
        if !types.is_empty() {
            query.push(("types", types.to_owned()));
        }
        Ok(self.http.get::<Page<wire::AuditEvent>>("/v3/audit_events", &query).await?.resources)
    }

    pub(in crate::platform::cloud_foundry) async fn app_events(
        &self,
        app: &AppId,
        most: u32,
    ) -> Result<Vec<AppEvent>, Error> {
        let events = self.events_of(app.as_str(), "", most).await?;
        Ok(events::told(&events, &self.labels()))
    }

    /// The environment of a path; none where the login may not see it, or it is gone.
    pub(in crate::platform::cloud_foundry) async fn environment(
        &self,
        path: &str,
    ) -> Result<Option<wire::Environment>, Error> {
        match self.http.get::<wire::Environment>(path, &[]).await {
            Ok(environment) => Ok(Some(environment)),
            Err(Error::Forbidden { .. } | Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The configuration of a revision; its environment only where the login may see it.
    pub(in crate::platform::cloud_foundry) async fn configuration(
        &self,
        revision: &str,
    ) -> Result<Detail, Error> {
        let (path, env) = (
            format!("/v3/revisions/{revision}"),
            format!("/v3/revisions/{revision}/environment_variables"),
        );
        let (revision, environment) =
            tokio::join!(self.http.get::<wire::Revision>(&path, &[]), self.environment(&env),);
        Ok(convert::detail(&revision?, environment?.as_ref()))
    }

    /// Why instances crashed lately, from the newest crash event.
    pub(in crate::platform::cloud_foundry) async fn crash_reason(
        &self,
        app: &str,
    ) -> Option<(String, Timestamp)> {
        let events = self.events_of(app, "audit.app.process.crash", 1).await.ok()?;
        let event = events.first()?;
        let text = event.data.get("exit_description").and_then(serde_json::Value::as_str)?;
        Some((clean(text), event.created_at))
    }
}

/// One clause on why a rollout does not move.
pub(in crate::platform::cloud_foundry) fn why_stuck(
    rollout: &Rollout,
    crash: Option<&str>,
) -> String {
    use domain::InstanceState::{Crashed, Down, NotReady, Starting};
    let new = &rollout.new;
    if let Some(error) = &rollout.error {
        return format!("the platform says: {error}");
    }
    let placed = new.instances.iter().flatten().find_map(|one| one.reason.as_deref());
    if new.tally(&[Crashed]).unwrap_or(0) > 0 || crash.is_some() {
        return match crash {
            Some(reason) => format!("new instances crash: {reason}"),
            None => "new instances crash".to_owned(),
        };
    }
    if new.tally(&[Down]).unwrap_or(0) > 0 {
        return match placed {
            Some(reason) => format!("new instances find no place: {reason}"),
            None => "new instances find no place".to_owned(),
        };
    }
    if new.tally(&[NotReady]).unwrap_or(0) > 0 {
        return "new instances run but their readiness check does not pass".to_owned();
    }
    if new.tally(&[Starting]).unwrap_or(0) > 0 {
        return "new instances take long to start".to_owned();
    }
    "the platform does not go on".to_owned()
}
