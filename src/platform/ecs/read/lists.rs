//! Lists: clusters, services in tens, and the deployments of those that roll.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::domain::{App, AppId, Scope, text::clean};
use crate::platform::sync::lock;
use crate::platform::{
    Error,
    ecs::{
        client::api::Service as Of,
        model::wire::{self, Service, ServiceDeployment, last},
        read::{
            convert::{Known, app},
            events::reason,
            scaling::resource,
        },
        region::Region,
    },
};

/// How many services one call describes, as the API allows.
pub(in crate::platform::ecs) const AT_ONCE: usize = 10;
/// How many service deployments one call describes.
const DEPLOYMENTS: usize = 20;
/// For how long the reason why tasks stop is good.
const REASON: jiff::SignedDuration = jiff::SignedDuration::from_secs(20);
/// Of how many services the reason is asked at a time.
const REASONS: usize = 3;

impl Region {
    /// The clusters of a scope, by name.
    pub(in crate::platform::ecs) async fn clusters(
        &self,
        scope: &Scope,
        paced: bool,
    ) -> Result<Vec<String>, Error> {
        if let (Scope::Home, Some(cluster)) = (scope, &self.cluster) {
            return Ok(vec![cluster.clone()]);
        }
        let (mut names, mut next) = (Vec::new(), None);
        loop {
            let mut body = json!({ "maxResults": 100 });
            turn(&mut body, next.as_deref());
            let page: wire::Clusters = self.call("ListClusters", &body, paced).await?;
            names.extend(page.cluster_arns.iter().map(|arn| last(arn).to_owned()));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(names);
            }
        }
    }

    /// The services of a cluster, by ARN, or by name where only one is looked at.
    pub(in crate::platform::ecs) async fn service_arns(
        &self,
        scope: &Scope,
        cluster: &str,
        paced: bool,
    ) -> Result<Vec<String>, Error> {
        if let (Scope::Home, Some(service)) = (scope, &self.service) {
            return Ok(vec![service.clone()]);
        }
        let (mut arns, mut next) = (Vec::new(), None);
        loop {
            let mut body = json!({ "cluster": cluster, "maxResults": 100 });
            turn(&mut body, next.as_deref());
            let page: wire::ServiceArns = match self.call("ListServices", &body, paced).await {
                Err(Error::NotFound { .. }) => {
                    let region = clean(&self.connection.settings().region);
                    let what = format!("there is no cluster {:?} in {region}", clean(cluster));
                    return Err(Error::NotFound { what });
                }
                page => page?,
            };
            arns.extend(page.service_arns);
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(arns);
            }
        }
    }

    /// Describes up to ten services; what is gone is left out.
    pub(in crate::platform::ecs) async fn describe(
        &self,
        cluster: &str,
        services: &[String],
        paced: bool,
    ) -> Result<Vec<Service>, Error> {
        let body = json!({ "cluster": cluster, "services": services });
        let told: wire::Services = self.call("DescribeServices", &body, paced).await?;
        let services = told.services.into_iter().filter(|one| one.status != "INACTIVE");
        Ok(services.map(|one| self.not_behind(one)).collect())
    }

    /// A call that reads; where it is paced it waits for its turn.
    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        operation: &'static str,
        body: &Value,
        paced: bool,
    ) -> Result<T, Error> {
        if paced {
            self.connection.pace().wait(operation).await;
        }
        self.connection.ask(Of::Ecs, operation, body).await
    }

    /// Describes any number of services of a cluster, ten at a time, several calls at once.
    pub(in crate::platform::ecs) async fn describe_all(
        &self,
        cluster: &str,
        services: &[String],
        paced: bool,
    ) -> Result<Vec<Service>, Error> {
        let calls = services.chunks(AT_ONCE).map(|some| self.describe(cluster, some, paced));
        let told: Result<Vec<_>, _> = join_all(calls).await.into_iter().collect();
        Ok(told?.into_iter().flatten().collect())
    }

    /// The service deployments of those services that roll. Where the API has none, there are none to tell.
    pub(in crate::platform::ecs) async fn currents(
        &self,
        services: &[Service],
        paced: bool,
    ) -> Result<Vec<ServiceDeployment>, Error> {
        let rolls = |one: &&Service| {
            let primary = one.deployments.iter().find(|one| one.primary());
            let moves = primary
                .and_then(|one| one.rollout_state.as_deref())
                .is_some_and(|word| word != "COMPLETED");
            one.deployments.len() > 1 || moves
        };
        let arns: Vec<_> = services
            .iter()
            .filter(rolls)
            .filter_map(|one| one.current_service_deployment.clone())
            .collect();
        self.deployments(&arns, paced).await
    }

    /// Describes service deployments; none where the API does not have them or the login may not see them.
    pub(in crate::platform::ecs) async fn deployments(
        &self,
        arns: &[String],
        paced: bool,
    ) -> Result<Vec<ServiceDeployment>, Error> {
        if arns.is_empty() || self.unavailable().is_some() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for some in arns.chunks(DEPLOYMENTS) {
            let body = json!({ "serviceDeploymentArns": some });
            match self
                .call::<wire::ServiceDeployments>("DescribeServiceDeployments", &body, paced)
                .await
            {
                Ok(told) => found.extend(told.service_deployments),
                Err(error) if missing(&error) => {
                    self.note_unavailable(&error);
                    return Ok(Vec::new());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The service revisions that these deployments are about; what cannot be read is left out.
    pub(in crate::platform::ecs) async fn revisions_of(
        &self,
        deployments: &[ServiceDeployment],
    ) -> HashMap<String, Value> {
        let ends = |one: &ServiceDeployment| {
            let source = one.source_service_revisions.first().map(|one| one.arn.clone());
            source.into_iter().chain(one.target().map(str::to_owned))
        };
        let arns: Vec<_> = deployments.iter().filter(|one| one.live()).flat_map(ends).collect();
        self.service_revisions(&arns).await.unwrap_or_default()
    }

    /// Services as apps, with all that is known of their rollouts.
    pub(in crate::platform::ecs) async fn convert(
        &self,
        services: &[Service],
        paced: bool,
    ) -> Result<Vec<App>, Error> {
        // What only they tell is missed; all else is told all the same.
        let currents = match self.currents(services, paced).await {
            Err(error) if broken(&error) => Vec::new(),
            currents => currents?,
        };
        self.explain(services, paced).await;
        let revisions = self.revisions_of(&currents).await;
        let now = (self.now)();
        let (reasons, suspended) = (lock(&self.reasons), lock(&self.suspended));
        let apps = services.iter().map(|service| {
            let is = |one: &&ServiceDeployment| {
                service.current_service_deployment.as_ref() == Some(&one.arn)
            };
            let primary = service.deployments.iter().find(|one| one.primary());
            let reason =
                primary.and_then(|one| reasons.get(&one.id)).map(|(reason, _)| reason.as_str());
            let current = currents.iter().find(is);
            let on_hold = suspended.get(&resource(service)).map(String::as_str);
            let known = Known { reason, on_hold, ..known(current, &revisions) };
            app(&self.target, service, known, now)
        });
        Ok(apps.collect())
    }

    /// Asks why tasks stop, of a few services, now and then. What cannot be told is left out.
    async fn explain(&self, services: &[Service], paced: bool) {
        let now = (self.now)();
        let failing = services.iter().filter_map(|service| {
            let primary =
                service.deployments.iter().find(|one| one.primary() && one.failed_tasks > 0)?;
            let asked = lock(&self.reasons).get(&primary.id).map(|(_, at)| *at);
            asked.is_none_or(|at| now.duration_since(at) > REASON).then_some((service, primary))
        });
        for (service, primary) in failing.take(REASONS) {
            if paced {
                self.connection.pace().wait("ListTasks").await;
                self.connection.pace().wait("DescribeTasks").await;
            }
            let Ok(tasks) = self.fallen(service).await else { return };
            let own = tasks.iter().find(|task| task.task_definition_arn == primary.task_definition);
            if let Some(task) = own {
                lock(&self.reasons).insert(primary.id.clone(), (reason(task), now));
            }
        }
    }

    /// All services of a scope, once.
    pub(in crate::platform::ecs) async fn list(&self, scope: &Scope) -> Result<Vec<App>, Error> {
        let mut apps = Vec::new();
        for cluster in self.clusters(scope, false).await? {
            let arns = self.service_arns(scope, &cluster, false).await?;
            let services = self.describe_all(&cluster, &arns, false).await?;
            apps.extend(self.convert(&services, false).await?);
        }
        Ok(apps)
    }

    /// A service as it is now.
    pub(in crate::platform::ecs) async fn service(&self, app: &AppId) -> Result<Service, Error> {
        let mut parts = app.as_str().rsplit('/');
        let (name, cluster) = (parts.next().unwrap_or_default(), parts.next());
        // ARNs of before 2021 do not name the cluster.
        let cluster = cluster.filter(|part| !part.contains(':')).or(self.cluster.as_deref());
        let gone = || Error::NotFound {
            what: format!("there is no service {}, or it was deleted", clean(name)),
        };
        let Some(cluster) = cluster.filter(|_| app.as_str().starts_with("arn:")) else {
            return Err(gone());
        };
        let told = self.describe(cluster, &[name.to_owned()], false).await?;
        told.into_iter().next().ok_or_else(gone)
    }

    /// One service by its name, `cluster/name` or ARN.
    pub(in crate::platform::ecs) async fn find(&self, name: &str) -> Result<App, Error> {
        let services = if name.starts_with("arn:") {
            vec![self.service(&AppId::new(name)).await?]
        } else if let Some((cluster, name)) = name.split_once('/') {
            match self.describe(cluster, &[name.to_owned()], false).await {
                // The sentence below says more.
                Err(Error::NotFound { .. }) => Vec::new(),
                told => told?,
            }
        } else {
            let mut found = Vec::new();
            for cluster in self.clusters(&Scope::Home, false).await? {
                found.extend(self.describe(&cluster, &[name.to_owned()], false).await?);
            }
            found
        };
        let place = self.scope_label(&Scope::Home);
        match services.as_slice() {
            [] => Err(Error::NotFound {
                what: format!("there is no service {:?} in {place}", clean(name)),
            }),
            [one] => {
                self.learn_suspended(std::slice::from_ref(one), false).await;
                let apps = self.convert(std::slice::from_ref(one), false).await?;
                apps.into_iter()
                    .next()
                    .ok_or_else(|| Error::NotFound { what: format!("{} is gone", clean(name)) })
            }
            several => {
                let names: Vec<_> = several
                    .iter()
                    .map(|one| {
                        format!("{}/{}", clean(last(&one.cluster_arn)), clean(&one.service_name))
                    })
                    .collect();
                Err(Error::NotFound {
                    what: format!(
                        "several services are called {:?}: {}",
                        clean(name),
                        names.join(", ")
                    ),
                })
            }
        }
    }
}

/// What is known of a service by its service deployment and the service revisions that this is about.
pub(in crate::platform::ecs) fn known<'a>(
    current: Option<&'a ServiceDeployment>,
    revisions: &'a HashMap<String, Value>,
) -> Known<'a> {
    let definition = |arn: &str| revisions.get(arn)?["taskDefinition"].as_str();
    let source = current.and_then(|one| one.source_service_revisions.first());
    Known {
        current,
        target: current.and_then(ServiceDeployment::target).and_then(definition),
        source: source.and_then(|one| definition(&one.arn)),
        reason: None,
        on_hold: None,
    }
}

fn turn(body: &mut Value, next: Option<&str>) {
    if let Some(next) = next {
        body["nextToken"] = next.into();
    }
}

/// Whether an error says that a call does not exist here, or not for this login.
pub(in crate::platform::ecs) fn missing(error: &Error) -> bool {
    match error {
        Error::Forbidden { .. } => true,
        Error::Api { title, status, page, .. } => {
            title.contains("Unsupported")
                || title.contains("UnknownOperation")
                // Stand-ins that do not have a call break (moto's server, 500) or say so (LocalStack, 501). Proxies answer
                // with other numbers.
                || *status == 501
                || (*status == 500 && *page)
        }
        _ => false,
    }
}

/// Whether an error is of this one call: the API answers, and others may be asked.
pub(in crate::platform::ecs) fn broken(error: &Error) -> bool {
    missing(error) || matches!(error, Error::Api { .. } | Error::RateLimited { .. })
}
