//! Apps with their processes and rollouts: a handful of lists, whatever their number.

use std::collections::HashMap;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::platform::cloud_foundry::{
    foundation::{CloudFoundry, Labels},
    model::wire::{self, Page},
    read::convert::{self, Read},
    read::history::why_stuck,
    read::lists,
};
use crate::{
    domain::{self, AppId, AppState, Count, Rollout, Scope, text::clean},
    platform::Error,
};

/// How many deployments are looked through for the labels of deployed revisions.
const RECENT: u32 = 500;
/// How long finding a place for an instance may take before it counts as missing.
const PLACING: SignedDuration = SignedDuration::from_secs(10);
/// How long a rollout rests before its new instances are asked for one by one.
const RESTS: SignedDuration = SignedDuration::from_secs(15);
/// Of how many resting rollouts at a time.
const AT_ONCE: usize = 4;
/// GUIDs in one filter: more make an address longer than routers take.
const IN_A_FILTER: usize = 150;

/// Everything that one look at a scope gives.
pub(in crate::platform::cloud_foundry) struct Overview {
    pub(in crate::platform::cloud_foundry) apps: Vec<domain::App>,
}

impl CloudFoundry {
    /// All apps of a scope: three lists, and statistics of rolling apps where the API does not embed instances.
    pub(in crate::platform::cloud_foundry) async fn overview(
        &self,
        scope: &Scope,
    ) -> Result<Overview, Error> {
        let api_info = self.api_info().await?;
        let mut apps_query = Self::filter(&api_info, scope);
        apps_query.push(("order_by", "name".to_owned()));
        apps_query.push(("include", "space.organization".to_owned()));
        let processes_query = Self::filter(&api_info, scope);
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
            self.processes(processes_query, Self::embeds(&api_info)),
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
            let place = app.relationships.space.guid().and_then(|guid| spaces.get(guid)).cloned();
            let deployment = rolling.get(app.guid.as_str()).copied();
            let reads = self.reads(mine, deployment, &mut 0).await;
            let base = Base::read(&app, place.unwrap_or_default());
            shown.push(self.app_from(base, &reads, deployment, &labels));
        }
        shown
    }

    /// Processes with their instances. Those of a rolling app are asked for where they did not come with the list, and
    /// where it has not moved for a while: only then it matters whether what runs is ready, and which place is missing,
    /// which lists do not tell (`embed_process_instances_decorator.rb`).
    async fn reads<'a>(
        &self,
        processes: &[&'a wire::Process],
        deployment: Option<&wire::Deployment>,
        budget: &mut usize,
    ) -> Vec<Read<'a>> {
        let now = (self.now)();
        let rests = *budget > 0
            && deployment.is_some_and(|one| {
                convert::moved(one).is_some_and(|moved| now.duration_since(moved) >= RESTS)
            });
        *budget -= usize::from(rests);
        let read = |process: &'a wire::Process| async move {
            let mut instances = convert::embedded(process, now);
            let new = deployment
                .is_some_and(|one| one.new_processes.iter().any(|new| new.guid == process.guid));
            if process.kind == "web" && (instances.is_none() || (rests && new)) {
                instances = self.stats(&process.guid).await.ok().or(instances);
            }
            // What was just asked for and has no cell yet is told as DOWN, without an age (`instances_stats_reporter.rb`).
            let just = deployment.and_then(convert::moved);
            let just = just.is_some_and(|moved| now.duration_since(moved) < PLACING);
            for one in instances.iter_mut().flatten() {
                let unplaced = one.state == domain::InstanceState::Down && one.reason.is_none();
                if just && new && unplaced {
                    one.state = domain::InstanceState::Starting;
                }
            }
            Read { process, instances }
        };
        if deployment.is_none() {
            return processes
                .iter()
                .map(|process| Read { process, instances: convert::embedded(process, now) })
                .collect();
        }
        join_all(processes.iter().map(|process| read(process))).await
    }

    /// Where rollouts overlap, whether an instance of each process runs decides what a cancel leaves: it is asked for
    /// where the list did not tell.
    pub(in crate::platform::cloud_foundry) async fn embed_stats(
        &self,
        processes: &mut [wire::Process],
        deployments: &[wire::Deployment],
    ) {
        let rolling = deployments.iter().any(|one| convert::phase(one).active());
        let web = processes.iter_mut().filter(|one| one.kind == "web" && one.embedded.is_none());
        let unknown: Vec<_> = web.collect();
        if !rolling || unknown.len() < 3 {
            return;
        }
        for process in unknown {
            let path = format!("/v3/processes/{}/stats", process.guid);
            let Ok(stats) = self.http.get::<wire::Stats>(&path, &[]).await else { continue };
            let one = |one: wire::Stat| wire::ProcessInstance {
                index: one.index,
                state: one.state,
                since: one.uptime,
            };
            process.embedded = Some(stats.resources.into_iter().map(one).collect());
        }
    }

    pub(in crate::platform::cloud_foundry) async fn stats(
        &self,
        process: &str,
    ) -> Result<Vec<domain::Instance>, Error> {
        let stats: wire::Stats =
            self.http.get(&format!("/v3/processes/{process}/stats"), &[]).await?;
        Ok(convert::stats(&stats, (self.now)()))
    }

    pub(in crate::platform::cloud_foundry) fn app_from(
        &self,
        base: Base,
        reads: &[Read<'_>],
        deployment: Option<&wire::Deployment>,
        labels: &Labels,
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
        let mut instances = shown(&web);
        let rollout = deployment.map(|deployment| {
            let copies: Vec<_> = web
                .iter()
                .map(|read| Read { process: read.process, instances: read.instances.clone() })
                .collect();
            let start_time = convert::start_time(deployment, &copies);
            self.judged(convert::rollout(deployment, &copies, labels), start_time)
        });
        if let Some(rollout) = &rollout {
            // Both sides add up to more than anybody wants.
            instances.desired = rollout.wanted;
        }
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
            platform: crate::platform::cloud_foundry::options::KIND,
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
            paused: false,
            on_hold: None,
            takes: base.takes,
        }
    }

    /// A rollout with what can be said of it from one look: the watcher, which remembers, knows more.
    fn judged(&self, mut rollout: Rollout, start_time: Option<SignedDuration>) -> Rollout {
        rollout.judge(false, false, start_time, (self.now)(), |rollout| why_stuck(rollout, None));
        rollout
    }

    /// The processes of an app, or of several with commas between.
    pub(in crate::platform::cloud_foundry) async fn processes_of(
        &self,
        apps: &str,
        embed: bool,
    ) -> Result<Vec<wire::Process>, Error> {
        self.processes(vec![("app_guids", apps.to_owned())], embed).await
    }

    /// Processes, with their instances where that is asked for. Where the runtime cannot be asked for these (503
    /// `InstancesUnavailable`, `bbs_instances_client.rb`), all else is still true: the instances are not known then.
    async fn processes(
        &self,
        query: lists::Query<'_>,
        embed: bool,
    ) -> Result<Vec<wire::Process>, Error> {
        if embed {
            let mut query = query.clone();
            query.push(("embed", "process_instances".to_owned()));
            match self.all("/v3/processes", query).await {
                Err(Error::Api { status: 503, .. }) => {}
                read => return read,
            }
        }
        self.all("/v3/processes", query).await
    }

    /// The active deployments of these apps, oldest first.
    pub(in crate::platform::cloud_foundry) async fn active_of(
        &self,
        apps: &[&str],
    ) -> Result<Vec<wire::Deployment>, Error> {
        let query = vec![("app_guids", apps.join(",")), ("status_values", "ACTIVE".to_owned())];
        self.all("/v3/deployments", query).await
    }

    /// Processes with instances and active deployments of a few apps: two requests, whatever their number, where the
    /// API embeds instances.
    pub(in crate::platform::cloud_foundry) async fn rolling(
        &self,
        known: Vec<Base>,
    ) -> Result<Vec<domain::App>, Error> {
        let api_info = self.api_info().await?;
        let guids: Vec<_> = known.iter().map(|app| app.guid.as_str()).collect();
        let (mut processes, mut active) = (Vec::new(), Vec::new());
        for some in guids.chunks(IN_A_FILTER) {
            let apps = some.join(",");
            let read = tokio::try_join!(
                self.processes_of(&apps, Self::embeds(&api_info)),
                self.active_of(some)
            )?;
            processes.extend(read.0);
            active.extend(read.1);
        }
        self.learn_all(&active);
        let labels = self.labels();
        let mut apps = Vec::new();
        let mut budget = AT_ONCE;
        for one in known {
            let of_app = |relation: &wire::Relationships| relation.app.guid() == Some(&one.guid);
            let mine: Vec<_> = processes.iter().filter(|p| of_app(&p.relationships)).collect();
            let deployment = active.iter().rfind(|d| of_app(&d.relationships));
            let reads = self.reads(&mine, deployment, &mut budget).await;
            apps.push(self.app_from(one, &reads, deployment, &labels));
        }
        Ok(apps)
    }

    /// One app with the deployment that is known to be active.
    pub(in crate::platform::cloud_foundry) async fn one(
        &self,
        base: Base,
        deployment: Option<&wire::Deployment>,
    ) -> Result<domain::App, Error> {
        let api_info = self.api_info().await?;
        let processes = self.processes_of(&base.guid, Self::embeds(&api_info)).await?;
        let refs: Vec<_> = processes.iter().collect();
        let mut reads = self.reads(&refs, deployment, &mut 1).await;
        for read in reads.iter_mut().filter(|read| read.process.kind == "web") {
            if read.instances.is_none() {
                read.instances = self.stats(&read.process.guid).await.ok();
            }
        }
        Ok(self.app_from(base, &reads, deployment, &self.labels()))
    }
}

/// What of an app does not change from one look at its rollout to the next.
#[derive(Clone, Debug)]
pub(in crate::platform::cloud_foundry) struct Base {
    guid: String,
    name: String,
    stopped: bool,
    updated_at: Option<Timestamp>,
    scope: String,
    takes: &'static [&'static str],
}

impl Base {
    pub(in crate::platform::cloud_foundry) fn read(app: &wire::App, scope: String) -> Self {
        Self {
            guid: app.guid.clone(),
            name: clean(&app.name),
            stopped: app.state == "STOPPED",
            updated_at: app.updated_at,
            scope,
            takes: match app.lifecycle.kind.as_str() {
                "docker" => &["droplet", "image"],
                "buildpack" | "cnb" => &["path", "droplet"],
                _ => &[],
            },
        }
    }

    pub(in crate::platform::cloud_foundry) fn named(guid: &str, name: &str) -> Self {
        Self {
            guid: guid.to_owned(),
            name: name.to_owned(),
            stopped: false,
            updated_at: None,
            scope: String::new(),
            takes: &[],
        }
    }

    pub(in crate::platform::cloud_foundry) fn known(app: &domain::App) -> Self {
        Self {
            guid: app.id.as_str().to_owned(),
            name: app.name.clone(),
            stopped: app.state == AppState::Stopped,
            updated_at: app.updated_at,
            scope: app.scope.clone(),
            takes: app.takes,
        }
    }
}

/// Names of spaces as `org/space`, by GUID.
pub(in crate::platform::cloud_foundry) fn places(
    included: &wire::Included,
) -> HashMap<String, String> {
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
