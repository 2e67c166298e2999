//! Reading a foundation with few, large requests.

use std::collections::HashMap;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{
    CloudFoundry, Facts,
    convert::{self, Read},
    wire::{self, Page},
};
use crate::{
    domain::{
        self, AppId, AppState, Count, Detail, Happening, History, LogLine, PlatformKind, Rollout,
        Scope, text::clean,
    },
    platform::Error,
};

/// The largest page that the API gives.
const LARGE: u32 = 5_000;
/// How many deployments are looked through for the labels of deployed revisions.
const RECENT: u32 = 500;
/// How many deployed revisions are looked up one by one, at most.
const FEW: usize = 25;

/// Everything that one look at a scope gives.
pub(super) struct Overview {
    pub(super) apps: Vec<domain::App>,
}

/// Query parameters.
pub(super) type Query<'a> = Vec<(&'a str, String)>;

impl CloudFoundry {
    /// What is asked once: the version of the API, and the GUIDs of an org and space that were given by name.
    pub(super) async fn facts(&self) -> Result<Facts, Error> {
        let facts = self.facts.get_or_try_init(|| async {
            let root: wire::Root = self.http.get("/", &[]).await?;
            let version = root.links.cloud_controller_v3.and_then(|link| link.meta.version);
            let log_cache = root.links.log_cache.and_then(|link| link.href);
            let (mut org, mut space) = (self.session.org.clone(), self.session.space.clone());
            if let Some(name) = &self.wanted.0 {
                org = Some(self.place("organizations", name, &[]).await?);
                space = None;
            }
            if let Some(name) = &self.wanted.1 {
                let filter: Query<'_> =
                    org.iter().map(|(guid, _)| ("organization_guids", guid.clone())).collect();
                space = Some(self.place("spaces", name, &filter).await?);
            }
            let log_cache = log_cache.unwrap_or_else(|| self.session.log_cache.clone());
            let log_cache = log_cache.trim_end_matches('/').to_owned();
            Ok(Facts { version, log_cache, org, space })
        });
        facts.await.cloned()
    }

    async fn place(
        &self,
        kind: &str,
        name: &str,
        filter: &[(&str, String)],
    ) -> Result<(String, String), Error> {
        let mut query: Query<'_> = vec![("names", name.replace(',', "%2C"))];
        query.extend_from_slice(filter);
        let page: Page<wire::Named> = self.http.get(&format!("/v3/{kind}"), &query).await?;
        page.resources.into_iter().next().map(|one| (one.guid, clean(&one.name))).ok_or_else(|| {
            let what = kind.trim_end_matches('s');
            Error::NotFound {
                what: format!(
                    "there is no {what} {name:?} at {}, or this login may not see it",
                    self.session.api
                ),
            }
        })
    }

    /// All pages of a list.
    pub(super) async fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        query: Query<'_>,
    ) -> Result<Vec<T>, Error> {
        Ok(self.all_with(path, query).await?.0)
    }

    async fn all_with<T: DeserializeOwned>(
        &self,
        path: &str,
        mut query: Query<'_>,
    ) -> Result<(Vec<T>, wire::Included), Error> {
        query.push(("per_page", LARGE.to_string()));
        let mut page: Page<T> = self.http.get(path, &query).await?;
        let (mut items, mut included) = (page.resources, page.included);
        // A page that leads to itself would never end.
        let mut left = page.pagination.total_results / u64::from(LARGE) + 1;
        while let Some(next) = page.pagination.next.filter(|_| left > 0) {
            left -= 1;
            page = self.http.get(&next.href, &[]).await?;
            items.extend(page.resources);
            included.spaces.extend(page.included.spaces);
            included.organizations.extend(page.included.organizations);
        }
        Ok((items, included))
    }

    /// The filter of a scope.
    fn filter(facts: &Facts, scope: &Scope) -> Query<'static> {
        match (scope, &facts.space, &facts.org) {
            (Scope::Home, Some((guid, _)), _) => vec![("space_guids", guid.clone())],
            (Scope::Home | Scope::Organization, _, Some((guid, _))) => {
                vec![("organization_guids", guid.clone())]
            }
            _ => Vec::new(),
        }
    }

    /// Whether the API embeds instances into lists of processes.
    fn embeds(facts: &Facts) -> bool {
        Self::at_least(facts.version.as_deref(), 3, 211) && facts.version.is_some()
    }

    /// What a scope is called.
    pub(super) fn place_of(facts: &Facts, scope: &Scope) -> String {
        match (scope, &facts.space, &facts.org) {
            (Scope::Home, Some((_, space)), Some((_, org))) => format!("{org}/{space}"),
            (Scope::Home | Scope::Organization, _, Some((_, org))) => format!("{org}/*"),
            _ => "all".to_owned(),
        }
    }

    /// All apps of a scope: three lists, and statistics of rolling apps where the API does not embed instances.
    pub(super) async fn overview(&self, scope: &Scope) -> Result<Overview, Error> {
        let facts = self.facts().await?;
        let mut apps_query = Self::filter(&facts, scope);
        apps_query.push(("order_by", "name".to_owned()));
        apps_query.push(("include", "space.organization".to_owned()));
        let mut processes_query = Self::filter(&facts, scope);
        if Self::embeds(&facts) {
            processes_query.push(("embed", "process_instances".to_owned()));
        }
        let recent = [("order_by", "-created_at".to_owned()), ("per_page", RECENT.to_string())];
        let first_look = self.labels.lock().map(|labels| labels.is_empty()).unwrap_or(false);
        let known = async {
            if !first_look {
                return Ok(None);
            }
            self.http.get::<Page<wire::Deployment>>("/v3/deployments", &recent).await.map(Some)
        };
        let active = vec![("status_values", "ACTIVE".to_owned())];
        let (apps, processes, active, known) = tokio::try_join!(
            self.all_with::<wire::App>("/v3/apps", apps_query),
            self.all::<wire::Process>("/v3/processes", processes_query),
            self.all::<wire::Deployment>("/v3/deployments", active),
            known,
        )?;
        if let Some(known) = known {
            self.learn_all(&known.resources);
        }
        self.learn_all(&active);
        let (apps, included) = apps;
        let spaces = places(&included);
        Ok(Overview { apps: self.assemble(apps, &processes, &active, &spaces).await })
    }

    /// Apps from what the lists said.
    async fn assemble(
        &self,
        apps: Vec<wire::App>,
        processes: &[wire::Process],
        active: &[wire::Deployment],
        spaces: &HashMap<String, String>,
    ) -> Vec<domain::App> {
        let mut by_app: HashMap<&str, Vec<&wire::Process>> = HashMap::new();
        for process in processes {
            by_app
                .entry(process.relationships.app.guid().unwrap_or_default())
                .or_default()
                .push(process);
        }
        let mut rolling: HashMap<&str, &wire::Deployment> = HashMap::new();
        for deployment in active {
            let app = deployment.relationships.app.guid().unwrap_or_default();
            let newer =
                rolling.get(app).is_none_or(|known| known.created_at <= deployment.created_at);
            if newer {
                rolling.insert(app, deployment);
            }
        }
        let labels = self.labels();
        let mut shown = Vec::with_capacity(apps.len());
        for app in apps {
            let mine = by_app.get(app.guid.as_str()).map_or(&[][..], Vec::as_slice);
            let reads = self.reads(mine, rolling.contains_key(app.guid.as_str())).await;
            let place = app.relationships.space.guid().and_then(|guid| spaces.get(guid)).cloned();
            let deployment = rolling.get(app.guid.as_str()).copied();
            let base = Base::read(&app, place.unwrap_or_default());
            shown.push(self.app_from(base, &reads, deployment, &labels));
        }
        shown
    }

    /// Processes with their instances; those of a rolling app are asked for where they did not come with the list.
    async fn reads<'a>(&self, processes: &[&'a wire::Process], rolling: bool) -> Vec<Read<'a>> {
        let now = (self.now)();
        let read = |process: &'a wire::Process| async move {
            let mut instances = convert::embedded(process, now);
            if instances.is_none() && rolling && process.kind == "web" {
                instances = self.stats(&process.guid).await.ok();
            }
            Read { process, instances }
        };
        if !rolling {
            return processes
                .iter()
                .map(|process| Read { process, instances: convert::embedded(process, now) })
                .collect();
        }
        join_all(processes.iter().map(|process| read(process))).await
    }

    pub(super) async fn stats(&self, process: &str) -> Result<Vec<domain::Instance>, Error> {
        let stats: wire::Stats =
            self.http.get(&format!("/v3/processes/{process}/stats"), &[]).await?;
        Ok(convert::stats(&stats, (self.now)()))
    }

    pub(super) fn app_from(
        &self,
        base: Base,
        reads: &[Read<'_>],
        deployment: Option<&wire::Deployment>,
        labels: &convert::Labels,
    ) -> domain::App {
        let mut web: Vec<_> = reads.iter().filter(|read| read.process.kind == "web").collect();
        web.sort_by_key(|read| read.process.created_at);
        let shown = |of: &[&Read<'_>]| Count {
            desired: of.iter().map(|read| read.process.instances).sum(),
            running: of
                .iter()
                .map(|read| {
                    let instances = read.instances.as_ref()?;
                    Some(
                        instances
                            .iter()
                            .filter(|one| one.state == domain::InstanceState::Running)
                            .count() as u32,
                    )
                })
                .sum(),
        };
        let instances = shown(&web);
        let rollout = deployment.map(|deployment| {
            let copies: Vec<_> = web
                .iter()
                .map(|read| Read { process: read.process, instances: read.instances.clone() })
                .collect();
            self.judged(convert::rollout(deployment, &copies, labels))
        });
        let all: Vec<_> = reads.iter().collect();
        let state = if base.stopped { AppState::Stopped } else { AppState::judge(shown(&all)) };
        let deployed = match &rollout {
            Some(rollout) => rollout.from.clone(),
            None => {
                let newest = web.last().and_then(|read| read.process.relationships.revision.guid());
                newest.map(|guid| convert::reference(guid, labels))
            }
        };
        let broken = rollout.is_none() && matches!(state, AppState::Degraded | AppState::Down);
        let serving = broken.then(|| domain::Side {
            desired: instances.desired,
            instances: web
                .iter()
                .map(|read| read.instances.clone())
                .collect::<Option<Vec<_>>>()
                .map(|all| all.concat()),
        });
        domain::App {
            target: self.target.clone(),
            platform: PlatformKind::CloudFoundry,
            id: AppId::new(base.guid),
            name: base.name,
            scope: base.scope,
            state,
            instances,
            deployed,
            rollout,
            serving,
            updated_at: base.updated_at,
            versioned: None,
        }
    }

    /// A rollout with what can be said of it from one look: the watcher, which remembers, knows more.
    fn judged(&self, mut rollout: Rollout) -> Rollout {
        if rollout.stands_still(false, (self.now)()) {
            rollout.phase = domain::Phase::Stuck;
            let since = rollout.moved_at.unwrap_or((self.now)());
            rollout.stuck = Some(domain::Stuck { since, why: why_stuck(&rollout, None) });
        }
        rollout
    }

    /// Looks up the labels of deployed revisions that no list has told, as long as they are few.
    pub(super) async fn learn_few(&self, apps: &mut [domain::App]) {
        fn unnamed(app: &mut domain::App) -> Option<&mut domain::RevisionRef> {
            app.deployed.as_mut().filter(|of| of.label.is_none())
        }
        let few: Vec<_> = apps.iter_mut().filter_map(unnamed).take(FEW).collect();
        let labels = join_all(few.iter().map(|of| {
            let guid = of.id.as_str().to_owned();
            async move { self.label(&guid).await }
        }));
        for (of, label) in few.into_iter().zip(labels.await) {
            of.label = label;
        }
        for app in apps {
            if let Some(rollout) = &mut app.rollout {
                rollout.from.clone_from(&app.deployed);
            }
        }
    }

    /// The number of a revision.
    pub(super) async fn label(&self, guid: &str) -> Option<String> {
        if let Some(label) = self.labels().get(guid) {
            return Some(label.clone());
        }
        let revision: wire::Revision =
            self.http.get(&format!("/v3/revisions/{guid}"), &[]).await.ok()?;
        let label = revision.version.to_string();
        self.learn(guid, label.clone());
        Some(label)
    }

    /// One app by name, `space/name`, `org/space/name` or GUID.
    pub(super) async fn find(&self, name: &str) -> Result<domain::App, Error> {
        let facts = self.facts().await?;
        let bare = name.rsplit('/').next().unwrap_or(name);
        let include = ("include", "space.organization".to_owned());
        let mut query = vec![("names", bare.replace(',', "%2C")), include.clone()];
        if !name.contains('/') {
            query.extend(Self::filter(&facts, &Scope::Home));
        }
        let (mut apps, mut included) = self.all_with::<wire::App>("/v3/apps", query).await?;
        if apps.is_empty() && looks_like_guid(name) {
            let query = vec![("guids", name.to_owned()), include];
            (apps, included) = self.all_with("/v3/apps", query).await?;
        }
        let spaces = places(&included);
        let place = |app: &wire::App| {
            app.relationships
                .space
                .guid()
                .and_then(|guid| spaces.get(guid))
                .cloned()
                .unwrap_or_default()
        };
        if name.contains('/') {
            apps.retain(|app| {
                format!("/{}/{}", place(app), app.name).ends_with(&format!("/{name}"))
            });
        }
        if apps.len() > 1 {
            let all: Vec<_> =
                apps.iter().map(|app| clean(&format!("{}/{}", place(app), app.name))).collect();
            return Err(Error::NotFound {
                what: format!("{name:?} names several apps: say which of {}", all.join(", ")),
            });
        }
        let Some(app) = apps.into_iter().next() else {
            let place = Self::place_of(&facts, &Scope::Home);
            return Err(Error::NotFound {
                what: format!(
                    "there is no app {:?} in {place}; `revdeck apps` lists them, ORG/SPACE/APP names one elsewhere",
                    clean(name)
                ),
            });
        };
        let scope = place(&app);
        let mut one = self.rolling(vec![Base::read(&app, scope)]).await?;
        self.learn_few(&mut one).await;
        let stuck = |app: &&mut domain::App| app.condition() == domain::Condition::Stuck;
        for app in one.iter_mut().filter(stuck) {
            let crash = self.crash_reason(app.id.as_str()).await;
            if let (Some((reason, _)), Some(rollout)) = (crash, &mut app.rollout) {
                let why = why_stuck(rollout, Some(&reason));
                rollout.stuck = rollout.stuck.take().map(|stuck| domain::Stuck { why, ..stuck });
            }
        }
        one.pop().ok_or_else(|| Error::NotFound { what: "the app is gone".to_owned() })
    }

    pub(super) async fn processes_of(
        &self,
        app: &str,
        embed: bool,
    ) -> Result<Vec<wire::Process>, Error> {
        let mut query = vec![("app_guids", app.to_owned())];
        if embed {
            query.push(("embed", "process_instances".to_owned()));
        }
        self.all("/v3/processes", query).await
    }

    /// The active deployments of these apps, oldest first.
    pub(super) async fn active_of(&self, apps: &[&str]) -> Result<Vec<wire::Deployment>, Error> {
        let query = vec![("app_guids", apps.join(",")), ("status_values", "ACTIVE".to_owned())];
        self.all("/v3/deployments", query).await
    }

    /// Processes with instances and active deployments of a few apps: two requests, whatever their number, where the
    /// API embeds instances.
    pub(super) async fn rolling(&self, known: Vec<Base>) -> Result<Vec<domain::App>, Error> {
        let facts = self.facts().await?;
        let guids: Vec<_> = known.iter().map(|app| app.guid.as_str()).collect();
        let mut query = vec![("app_guids", guids.join(","))];
        if Self::embeds(&facts) {
            query.push(("embed", "process_instances".to_owned()));
        }
        let (processes, active) = tokio::try_join!(
            self.all::<wire::Process>("/v3/processes", query),
            self.active_of(&guids)
        )?;
        self.learn_all(&active);
        let labels = self.labels();
        let mut apps = Vec::new();
        for one in known {
            let of_app = |relation: &wire::Relationships| relation.app.guid() == Some(&one.guid);
            let mine: Vec<_> = processes.iter().filter(|p| of_app(&p.relationships)).collect();
            let deployment = active.iter().rfind(|d| of_app(&d.relationships));
            let reads = self.reads(&mine, deployment.is_some()).await;
            apps.push(self.app_from(one, &reads, deployment, &labels));
        }
        Ok(apps)
    }

    /// One app with the deployment that is known to be active.
    pub(super) async fn one(
        &self,
        base: Base,
        deployment: Option<&wire::Deployment>,
    ) -> Result<domain::App, Error> {
        let facts = self.facts().await?;
        let processes = self.processes_of(&base.guid, Self::embeds(&facts)).await?;
        let refs: Vec<_> = processes.iter().collect();
        let reads = self.reads(&refs, true).await;
        Ok(self.app_from(base, &reads, deployment, &self.labels()))
    }

    /// The revisions of an app, with who made them and whether they served.
    pub(super) async fn history(&self, app: &AppId) -> Result<History, Error> {
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

    pub(super) async fn events_of(
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

    pub(super) async fn happenings(&self, app: &AppId, most: u32) -> Result<Vec<Happening>, Error> {
        let events = self.events_of(app.as_str(), "", most).await?;
        let labels = self.labels();
        let noise = |event: &&wire::AuditEvent| !event.kind.ends_with("environment_variables.show");
        Ok(events.iter().filter(noise).map(|event| convert::happening(event, &labels)).collect())
    }

    /// The configuration of a revision; its environment only where the login may see it.
    pub(super) async fn configuration(&self, revision: &str) -> Result<Detail, Error> {
        let (path, env) = (
            format!("/v3/revisions/{revision}"),
            format!("/v3/revisions/{revision}/environment_variables"),
        );
        let (revision, environment) = tokio::join!(
            self.http.get::<wire::Revision>(&path, &[]),
            self.http.get::<wire::Environment>(&env, &[]),
        );
        let environment = match environment {
            Ok(environment) => Some(environment),
            Err(Error::Forbidden { .. } | Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(convert::detail(&revision?, environment.as_ref()))
    }

    pub(super) async fn log_lines(&self, app: &AppId) -> Result<Vec<LogLine>, Error> {
        let facts = self.facts().await?;
        let query = [
            ("envelope_types", "LOG".to_owned()),
            ("descending", "true".to_owned()),
            ("limit", "200".to_owned()),
            ("start_time", i64::MIN.to_string()),
        ];
        let path = format!("{}/api/v1/read/{}", facts.log_cache, app.as_str());
        let read: wire::LogRead = self.http.get(&path, &query).await?;
        Ok(read.envelopes.batch.iter().rev().filter_map(convert::log_line).collect())
    }

    /// Why instances crashed lately, from the newest crash event.
    pub(super) async fn crash_reason(&self, app: &str) -> Option<(String, Timestamp)> {
        let events = self.events_of(app, "audit.app.process.crash", 1).await.ok()?;
        let event = events.first()?;
        let text = event.data.get("exit_description").and_then(serde_json::Value::as_str)?;
        Some((clean(text), event.created_at))
    }
}

/// What of an app does not change from one look at its rollout to the next.
#[derive(Clone, Debug)]
pub(super) struct Base {
    guid: String,
    name: String,
    stopped: bool,
    updated_at: Option<Timestamp>,
    scope: String,
}

impl Base {
    pub(super) fn read(app: &wire::App, scope: String) -> Self {
        Self {
            guid: app.guid.clone(),
            name: clean(&app.name),
            stopped: app.state == "STOPPED",
            updated_at: app.updated_at,
            scope,
        }
    }

    pub(super) fn named(guid: &str, name: &str) -> Self {
        Self {
            guid: guid.to_owned(),
            name: name.to_owned(),
            stopped: false,
            updated_at: None,
            scope: String::new(),
        }
    }

    pub(super) fn known(app: &domain::App) -> Self {
        Self {
            guid: app.id.as_str().to_owned(),
            name: app.name.clone(),
            stopped: app.state == AppState::Stopped,
            updated_at: app.updated_at,
            scope: app.scope.clone(),
        }
    }
}

/// Names of spaces as `org/space`, by GUID.
fn places(included: &wire::Included) -> HashMap<String, String> {
    let orgs: HashMap<_, _> =
        included.organizations.iter().map(|org| (org.guid.as_str(), org.name.as_str())).collect();
    included
        .spaces
        .iter()
        .map(|space| {
            let org = space.relationships.organization.guid().and_then(|guid| orgs.get(guid));
            let name = match org {
                Some(org) => format!("{org}/{}", space.name),
                None => space.name.clone(),
            };
            (space.guid.clone(), clean(&name))
        })
        .collect()
}

fn looks_like_guid(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-')
}

/// One clause on why a rollout does not move.
pub(super) fn why_stuck(rollout: &Rollout, crash: Option<&str>) -> String {
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
