//! The revisions of a service: those of its task definition's family, with what came of deploying each.

use std::collections::HashMap;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::domain::{
    AppId, Deployable, History, Revision, RevisionId, TrackRecord,
    text::{clean, span},
};
use crate::platform::sync::lock;
use crate::platform::{
    Error,
    ecs::{
        client::api::Service as Of,
        model::wire::{self, Service, ServiceDeployment, family, last},
        read::{
            convert::{ends, reference},
            definition::{images, short_image},
            lists::{broken, known, missing},
        },
        region::Region,
    },
};

/// How many revisions are listed, and of how many the newest ones is said what they run.
const LISTED: usize = 100;
const DESCRIBED: usize = 20;
const MOST: usize = 60;
/// How many task definitions are asked for at once.
const TOGETHER: usize = 5;
/// How many service revisions one call describes.
const REVISIONS: usize = 20;

/// What came of deploying a task definition.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    served: bool,
    tried: bool,
    failed: bool,
    lived: Option<SignedDuration>,
    /// When it served last.
    until: Option<Timestamp>,
}

impl Region {
    /// The revisions of a service, newest first.
    pub(in crate::platform::ecs) async fn history(&self, app: &AppId) -> Result<History, Error> {
        let service = self.service(app).await?;
        self.history_of(&service).await
    }

    pub(in crate::platform::ecs) async fn history_of(
        &self,
        service: &Service,
    ) -> Result<History, Error> {
        let own = family(&service.task_definition).0.to_owned();
        let primary = service.deployments.iter().find(|one| one.primary());
        let current: Vec<_> = service.current_service_deployment.iter().cloned().collect();
        let current = match self.deployments(&current, false).await {
            Err(error) if broken(&error) => Vec::new(),
            current => current?,
        };
        let about = self.revisions_of(&current).await;
        let ends = ends(service, known(current.iter().find(|one| one.live()), &about));
        let (active, inactive, past) = tokio::join!(
            self.definition_arns(&own, "ACTIVE"),
            self.definition_arns(&own, "INACTIVE"),
            self.past(service)
        );
        let (active, more) = active?;
        let inactive = inactive.map(|(arns, _)| arns).unwrap_or_default();
        let (past, mut remark) = match past {
            Ok(past) => (past, None),
            Err(error) if broken(&error) => {
                (HashMap::new(), Some(format!("what came of each is not known: {error}")))
            }
            Err(error) => return Err(error),
        };
        let mut arns: Vec<(String, bool)> = active.into_iter().map(|arn| (arn, true)).collect();
        arns.extend(inactive.into_iter().map(|arn| (arn, false)));
        // What runs, and what has served, is listed whatever its family and number.
        let running = service.deployments.iter().map(|one| &one.task_definition);
        for arn in running.chain(past.keys()) {
            if !arn.is_empty() && !arns.iter().any(|(known, _)| known == arn) {
                arns.push((arn.clone(), true));
            }
        }
        arns.sort_by_key(|(arn, _)| std::cmp::Reverse(family(arn).1.parse::<u64>().unwrap_or(0)));
        let sets = service.task_sets.iter().find(|one| one.status == "PRIMARY");
        let own = primary.map(|one| one.task_definition.as_str());
        let own = own.or(sets.map(|one| one.task_definition.as_str()));
        let own = own.or(Some(service.task_definition.as_str()));
        let (deployed, incoming) =
            if ends.rolling { (ends.from, ends.to.filter(|_| !ends.turned)) } else { (own, None) };
        let mut described = HashMap::new();
        let wanted: Vec<_> = arns
            .iter()
            .enumerate()
            .filter(|(place, (arn, _))| {
                *place < DESCRIBED || past.contains_key(arn) || Some(arn.as_str()) == deployed
            })
            .map(|(_, (arn, _))| arn.clone())
            .take(MOST)
            .collect();
        for some in wanted.chunks(TOGETHER) {
            let told = join_all(some.iter().map(|arn| self.definition(arn))).await;
            for (arn, told) in some.iter().zip(told) {
                described.insert(arn.clone(), told?);
            }
        }
        let revisions = arns
            .iter()
            .map(|(arn, active)| {
                let past = past.get(arn).copied().unwrap_or_default();
                let mut one = revision(service, arn, *active, described.get(arn), past);
                one.deployed = Some(arn.as_str()) == deployed;
                one.incoming = Some(arn.as_str()) == incoming;
                one
            })
            .collect();
        if remark.is_none() && past.is_empty() {
            remark = Some(
                "no deployments are on record: the platform keeps those of 90 days".to_owned(),
            );
        }
        Ok(History { revisions, remark, truncated: more })
    }

    /// The ARNs of a family's task definitions, newest first, and whether there are more.
    async fn definition_arns(
        &self,
        family: &str,
        status: &str,
    ) -> Result<(Vec<String>, bool), Error> {
        let body = json!({ "familyPrefix": family, "status": status, "sort": "DESC", "maxResults": LISTED });
        let page: wire::DefinitionArns =
            self.connection.ask(Of::Ecs, "ListTaskDefinitions", &body).await?;
        Ok((page.task_definition_arns, page.next_token.is_some()))
    }

    /// The service deployments of a service, newest first.
    pub(in crate::platform::ecs) async fn service_deployments(
        &self,
        service: &Service,
    ) -> Result<Vec<ServiceDeployment>, Error> {
        let body = json!({ "cluster": service.cluster_arn, "service": service.service_arn, "maxResults": 100 });
        let page: wire::ServiceDeployments =
            self.connection.ask(Of::Ecs, "ListServiceDeployments", &body).await?;
        Ok(page.service_deployments)
    }

    /// What came of each deployment of a service, by the ARN of its task definition.
    async fn past(&self, service: &Service) -> Result<HashMap<String, Past>, Error> {
        if self.unavailable().is_some() {
            return Ok(HashMap::new());
        }
        let all = match self.service_deployments(service).await {
            Ok(all) => all,
            Err(error) => {
                if missing(&error) {
                    self.note_unavailable(&error);
                }
                return Err(error);
            }
        };
        let arns: Vec<_> = all.iter().filter_map(|one| one.target().map(str::to_owned)).collect();
        let revisions = self.service_revisions(&arns).await?;
        let now = (self.now)();
        let mut past: HashMap<String, Past> = HashMap::new();
        for (place, one) in all.iter().enumerate() {
            let revision = one.target().and_then(|arn| revisions.get(arn));
            let Some(definition) = revision.and_then(|one| one["taskDefinition"].as_str()) else {
                continue;
            };
            let entry = past.entry(definition.to_owned()).or_default();
            entry.tried = true;
            // The one after it, which is before it in the list, ended its time.
            let until = place.checked_sub(1).and_then(|at| all[at].created_at).unwrap_or(now);
            match one.status.as_str() {
                "SUCCESSFUL" => {
                    entry.served = true;
                    entry.until = entry.until.max(Some(until));
                    let lived = one.finished_at.map(|from| until.duration_since(from));
                    entry.lived = entry.lived.max(lived);
                }
                "ROLLBACK_SUCCESSFUL" | "ROLLBACK_FAILED" | "STOPPED" => {
                    entry.failed = true;
                }
                _ => {}
            }
        }
        Ok(past)
    }

    /// Service revisions by their ARNs; what is known is not asked for again.
    pub(in crate::platform::ecs) async fn service_revisions(
        &self,
        arns: &[String],
    ) -> Result<HashMap<String, Value>, Error> {
        let mut unknown: Vec<_> = {
            let known = lock(&self.revisions);
            arns.iter().filter(|arn| !known.contains_key(*arn)).cloned().collect()
        };
        unknown.sort_unstable();
        unknown.dedup();
        for some in unknown.chunks(REVISIONS) {
            let body = json!({ "serviceRevisionArns": some });
            let told: wire::ServiceRevisions =
                self.connection.ask(Of::Ecs, "DescribeServiceRevisions", &body).await?;
            let mut known = lock(&self.revisions);
            for one in told.service_revisions {
                if let Some(arn) = one["serviceRevisionArn"].as_str() {
                    known.insert(arn.to_owned(), one.clone());
                }
            }
        }
        let known = lock(&self.revisions);
        Ok(arns.iter().filter_map(|arn| Some((arn.clone(), known.get(arn)?.clone()))).collect())
    }
}

fn revision(
    service: &Service,
    arn: &str,
    active: bool,
    definition: Option<&Value>,
    past: Past,
) -> Revision {
    let none = Value::Null;
    let definition = definition.unwrap_or(&none);
    let images = images(definition);
    let shown: Vec<_> = images.iter().map(|image| short_image(image).to_owned()).collect();
    let registered = definition["registeredAt"].as_f64();
    let created_at =
        registered.and_then(|at| Timestamp::from_millisecond((at * 1000.0) as i64).ok());
    let active = active && definition["status"] != "INACTIVE";
    let deployable = if active {
        Deployable::Yes
    } else {
        Deployable::No("it was deregistered; deploying its image registers it anew".to_owned())
    };
    let track_record = match past {
        Past { served: true, .. } => TrackRecord::Served,
        Past { tried: true, .. } => TrackRecord::Unfinished,
        _ => TrackRecord::Unknown,
    };
    let taken_back = past.failed && !past.served;
    let description = if taken_back && !shown.is_empty() {
        format!("{}, taken back", shown.join(" "))
    } else {
        shown.join(" ")
    };
    Revision {
        id: RevisionId::new(arn),
        label: reference(arn, service).label.unwrap_or_else(|| clean(last(arn))),
        description,
        created_at,
        by: definition["registeredBy"].as_str().map(|by| clean(last(by))),
        deployable,
        deployed: false,
        incoming: false,
        artifact: (!images.is_empty()).then(|| images.join(" ")),
        made_from: None,
        track_record,
        served: past.lived,
        served_until: past.until,
        note: None,
    }
}

/// How long a revision served, for a sentence.
pub(in crate::platform::ecs) fn lived(revision: &Revision) -> Option<String> {
    revision.served.map(span)
}
