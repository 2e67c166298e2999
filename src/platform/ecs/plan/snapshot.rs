//! What a plan stands on, read at one time.

use std::time::Duration;

use serde_json::Value;

use crate::domain::{App, AppId, History, Revision, RevisionRef, RevisionSummary, text::quoted};
use crate::platform::{
    Error,
    ecs::{
        model::wire::{Deployment, Service, ServiceDeployment, last},
        operate::receipt::Guard,
        read::{
            convert::{ago, reference},
            definition::short_image,
            history::lived,
            lists::broken,
        },
        region::Region,
    },
};

/// How often, a second apart, a deployment that has just been begun is looked for.
const LOOKS: u32 = 10;

/// A service with all that a plan needs of it.
pub(in crate::platform::ecs) struct Snapshot {
    pub(in crate::platform::ecs) service: Service,
    pub(in crate::platform::ecs) app: App,
    pub(in crate::platform::ecs) history: History,
    /// The service deployment that is under way.
    pub(in crate::platform::ecs) live: Option<ServiceDeployment>,
    /// Whether service deployments cannot be asked for here.
    pub(in crate::platform::ecs) blind: bool,
    /// Where ECS goes back to when that is stopped: what was deployed successfully last.
    pub(in crate::platform::ecs) way_back: Option<RevisionRef>,
    /// `--region R --profile P`, for commands by hand.
    login: String,
    now: jiff::Timestamp,
}

impl Snapshot {
    pub(in crate::platform::ecs) async fn read(
        region: &Region,
        app: &AppId,
    ) -> Result<Self, Error> {
        let service = region.service(app).await?;
        let history = region.history_of(&service).await?;
        let (current, broken) = match current(region, &service).await {
            Err(error) if broken(&error) => (None, true),
            current => (current?, false),
        };
        let apps = region.convert(std::slice::from_ref(&service), false).await?;
        let app = apps.into_iter().next();
        let app = app.ok_or_else(|| Error::NotFound { what: "the service is gone".to_owned() })?;
        let flags = region.connection.settings().flags();
        let login = flags.iter().fold(String::new(), |all, flag| all + " " + &quoted(flag));
        let live = current.filter(ServiceDeployment::live);
        let way_back = match &live {
            Some(live) => way_back(region, &service, live).await?,
            None => None,
        };
        let (blind, now) = (broken || region.unavailable().is_some(), (region.now)());
        Ok(Self { service, app, history, live, blind, way_back, login, now })
    }

    pub(in crate::platform::ecs) fn name(&self) -> &str {
        &self.app.name
    }

    pub(in crate::platform::ecs) fn rolling(&self) -> bool {
        self.app.rollout.is_some()
    }

    /// What serves now.
    pub(in crate::platform::ecs) fn deployed(&self) -> Option<&Revision> {
        self.history.revisions.iter().find(|one| one.deployed)
    }

    /// The name of what a change takes the app away from: what comes in, where something does.
    pub(in crate::platform::ecs) fn leaving(&self, kept: Option<&str>) -> Option<String> {
        let rollout = self.app.rollout.as_ref();
        let left = rollout.and_then(|one| one.to.clone()).or_else(|| self.app.deployed.clone())?;
        (Some(left.id.as_str()) != kept).then(|| left.name())
    }

    /// `aws ecs VERB …`, to be copied.
    pub(in crate::platform::ecs) fn by_hand(&self, rest: &str) -> String {
        self.by_hand_of("aws ecs", rest)
    }

    /// `PROGRAM …`, with the login.
    pub(in crate::platform::ecs) fn by_hand_of(&self, program: &str, rest: &str) -> String {
        format!("{program} {rest}{}", self.login)
    }

    /// `--cluster C --service S`.
    pub(in crate::platform::ecs) fn named(&self) -> String {
        format!(
            "--cluster {} --service {}",
            quoted(last(&self.service.cluster_arn)),
            quoted(&self.service.service_name)
        )
    }

    pub(in crate::platform::ecs) fn guard(&self) -> Value {
        // Texts: it cannot fail to become JSON.
        serde_json::to_value(Guard::of(&self.service, self.live.as_ref())).unwrap_or_default()
    }

    /// A revision as an end of a change.
    pub(in crate::platform::ecs) fn end(&self, revision: &Revision) -> RevisionSummary {
        let artifact = revision.artifact.as_deref();
        let images =
            artifact.map(|all| all.split(' ').map(short_image).collect::<Vec<_>>().join(" "));
        let by = revision.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        let registered =
            ago(revision.created_at, self.now).map(|ago| format!("registered {ago}{by}"));
        let served = lived(revision).map(|lived| format!("served {lived}"));
        let remark: Vec<_> = registered.into_iter().chain(served).collect();
        RevisionSummary {
            name: revision.name(),
            artifact: images,
            remark: (!remark.is_empty()).then(|| remark.join(", ")),
        }
    }
}

/// The current service deployment. One that has just been begun may not be listed yet: it is waited for.
async fn current(region: &Region, service: &Service) -> Result<Option<ServiceDeployment>, Error> {
    let Some(arn) = &service.current_service_deployment else { return Ok(None) };
    let state = |one: &Deployment| one.primary().then(|| one.rollout_state.clone()).flatten();
    let begun = service.deployments.iter().find_map(state).as_deref() == Some("IN_PROGRESS");
    for look in 1.. {
        let told = region.deployments(std::slice::from_ref(arn), false).await?;
        if !told.is_empty() || !begun || region.unavailable().is_some() || look == LOOKS {
            return Ok(told.into_iter().next());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(None)
}

/// The task definition of the last deployment that was successful before one.
async fn way_back(
    region: &Region,
    service: &Service,
    live: &ServiceDeployment,
) -> Result<Option<RevisionRef>, Error> {
    let all = match region.service_deployments(service).await {
        Err(error) if broken(&error) => return Ok(None),
        all => all?,
    };
    let before = all.iter().skip_while(|one| one.arn != live.arn).skip(1);
    let last = before
        .into_iter()
        .find(|one| matches!(one.status.as_str(), "SUCCESSFUL" | "ROLLBACK_SUCCESSFUL"));
    let arn = match last {
        // The brief record does not say where a roll back went to.
        Some(one) if one.status == "ROLLBACK_SUCCESSFUL" => {
            let whole = region.deployments(std::slice::from_ref(&one.arn), false).await?;
            whole.into_iter().find_map(|one| one.rollback?.service_revision_arn)
        }
        Some(one) => one.target().map(str::to_owned),
        None => None,
    };
    let Some(arn) = arn else { return Ok(None) };
    let revisions = region.service_revisions(std::slice::from_ref(&arn)).await?;
    let definition = revisions.get(&arn).and_then(|one| one["taskDefinition"].as_str());
    Ok(definition.map(|definition| reference(definition, service)))
}
