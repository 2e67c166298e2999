//! What the cluster tells: which versions of which images serve, and how far Flux is.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use futures_util::future::join_all;
use serde_json::Value;

use super::delivery::{
    Automation, FluxSource, Kustomization, Policy, of_application, of_automation, of_kustomization,
    of_policy, of_source,
};
use crate::domain::{App, AppId, Group, History, RevisionId, Scope, TrackRecord};
use crate::platform::sync::lock;
use crate::platform::{
    Error,
    gitops::{
        client::flux::{Cluster, FluxKind},
        model::image::{self, Version},
    },
};

/// Images by name, of one revision of a workload.
type Images = Arc<Vec<(String, Version)>>;

/// The images of revisions of workloads; they never change.
#[derive(Default)]
pub(in crate::platform::gitops) struct Known(Mutex<HashMap<(AppId, RevisionId), Images>>);

/// A workload, and what it runs.
#[derive(Clone, Debug)]
pub(in crate::platform::gitops) struct Workload {
    pub(in crate::platform::gitops) app: App,
    /// Images of what serves, and of what a rollout brings.
    pub(in crate::platform::gitops) serves: Images,
    pub(in crate::platform::gitops) comes: Images,
}

impl Workload {
    /// The version of an image that serves.
    pub(in crate::platform::gitops) fn serving(&self, image: &str) -> Option<&Version> {
        version(&self.serves, image)
    }

    /// The version of an image that comes.
    pub(in crate::platform::gitops) fn coming(&self, image: &str) -> Option<&Version> {
        version(&self.comes, image)
    }
}

fn version<'a>(images: &'a [(String, Version)], image: &str) -> Option<&'a Version> {
    images.iter().find(|(name, _)| name == image).map(|(_, version)| version)
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub(in crate::platform::gitops) struct Seen {
    pub(in crate::platform::gitops) workloads: Vec<Workload>,
    pub(in crate::platform::gitops) sources: Vec<FluxSource>,
    pub(in crate::platform::gitops) kustomizations: Vec<Kustomization>,
    pub(in crate::platform::gitops) automations: Vec<Automation>,
    pub(in crate::platform::gitops) policies: Vec<Policy>,
    /// What could not be seen.
    pub(in crate::platform::gitops) hidden: Vec<String>,
}

/// Host and path of a repository's address, as all its forms have them.
fn place(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = if url.contains("://") { rest.to_owned() } else { rest.replacen(':', "/", 1) };
    rest.trim_end_matches('/').trim_end_matches(".git").to_ascii_lowercase()
}

impl Seen {
    /// What of it is about this branch of this repository: another team's objects are not ours to suspend.
    pub(in crate::platform::gitops) fn of(mut self, remote: &str, branch: &str) -> Self {
        let own = |one: &FluxSource| {
            place(&one.url) == place(remote) && one.branch.as_deref().unwrap_or(branch) == branch
        };
        self.sources.retain(own);
        let sources: BTreeSet<_> =
            self.sources.iter().map(|one| (one.namespace.clone(), one.name.clone())).collect();
        self.kustomizations.retain(|one| sources.contains(&one.source));
        // Where Flux says what it applied, nobody else's workloads are taken for ours.
        let ours: BTreeSet<_> =
            self.kustomizations.iter().flat_map(|one| one.inventory.clone()).collect();
        self.workloads.retain(|one| {
            ours.is_empty() || ours.contains(&(one.app.scope.clone(), one.app.name.clone()))
        });
        self
    }

    /// The Kustomization that applies a file: the one with the longest path that leads to it.
    pub(in crate::platform::gitops) fn applies(&self, file: &str) -> Option<&Kustomization> {
        let leads =
            |path: &str| path.is_empty() || file == path || file.starts_with(&format!("{path}/"));
        let all = self.kustomizations.iter().filter(|one| leads(&one.path));
        all.max_by_key(|one| one.path.len())
    }

    /// The source of a Kustomization.
    pub(in crate::platform::gitops) fn source(&self, of: &Kustomization) -> Option<&FluxSource> {
        self.sources.iter().find(|one| (&one.namespace, &one.name) == (&of.source.0, &of.source.1))
    }

    /// The automation that would move a file's marker of this policy, unless it is suspended.
    pub(in crate::platform::gitops) fn moves(
        &self,
        file: &str,
        policy: &str,
    ) -> Option<&Automation> {
        let namespace = policy.split(':').next().unwrap_or_default();
        self.automations.iter().find(|one| {
            let path = &one.path;
            let leads = path.is_empty() || file.starts_with(&format!("{path}/"));
            !one.suspended && one.namespace == namespace && leads
        })
    }
}

impl Known {
    /// The images of a revision of a workload; none of one that is gone.
    ///
    /// # Errors
    /// Where they cannot be read: that is not the same as none.
    async fn images(
        &self,
        cluster: &Cluster,
        app: &AppId,
        revision: &RevisionId,
    ) -> Result<Images, Error> {
        let key = (app.clone(), revision.clone());
        let known = lock(&self.0).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let detail = match cluster.platform.detail(app, revision).await {
            Ok(detail) => detail,
            Err(Error::NotFound { .. }) => return Ok(Images::default()),
            Err(error) => return Err(error),
        };
        let facts = detail.facts.iter().filter(|fact| fact.group == Group::Artifact);
        let images: Images =
            Arc::new(facts.map(|fact| image::parse(fact.value.reveal())).collect());
        lock(&self.0).insert(key, images.clone());
        Ok(images)
    }

    /// Looks at the cluster.
    pub(in crate::platform::gitops) async fn look(&self, cluster: &Cluster) -> Result<Seen, Error> {
        let everything = async {
            match cluster.platform.apps(&Scope::Everything).await {
                Err(Error::Forbidden { .. }) => cluster.platform.apps(&Scope::Home).await,
                told => told,
            }
        };
        let (apps, sources, kustomizations, automations, policies, applications) = tokio::join!(
            everything,
            cluster.list(FluxKind::GitRepository),
            cluster.list(FluxKind::Kustomization),
            cluster.list(FluxKind::Automation),
            cluster.list(FluxKind::Policy),
            cluster.list(FluxKind::Application),
        );
        let mut hidden = Vec::new();
        let mut may = |told: Result<Vec<Value>, Error>, kind: FluxKind| match told {
            Ok(all) => Ok(all),
            Err(Error::Forbidden { .. }) => {
                hidden.push(kind.plural().to_owned());
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        };
        let mut sources: Vec<_> =
            may(sources, FluxKind::GitRepository)?.iter().map(of_source).collect();
        let mut kustomizations: Vec<_> =
            may(kustomizations, FluxKind::Kustomization)?.iter().map(of_kustomization).collect();
        let automations =
            may(automations, FluxKind::Automation)?.iter().map(of_automation).collect();
        let policies = may(policies, FluxKind::Policy)?.iter().map(of_policy).collect();
        for (source, application) in
            may(applications, FluxKind::Application)?.iter().flat_map(of_application)
        {
            sources.push(source);
            kustomizations.push(application);
        }
        let apps = apps?.into_iter();
        let workloads = join_all(apps.map(|app| async {
            let images = async |of: Option<&RevisionId>| match of {
                Some(id) => self.images(cluster, &app.id, id).await,
                None => Ok(Images::default()),
            };
            let serves = images(app.deployed.as_ref().map(|of| &of.id)).await?;
            let to = app.rollout.as_ref().and_then(|rollout| rollout.to.as_ref());
            let comes = images(to.map(|of| &of.id)).await?;
            Ok(Workload { app, serves, comes })
        }));
        let workloads = workloads.await.into_iter().collect::<Result<_, Error>>()?;
        Ok(Seen { workloads, sources, kustomizations, automations, policies, hidden })
    }

    /// The versions of an image that a workload is known to have run well, and those that did not finish.
    pub(in crate::platform::gitops) async fn records(
        &self,
        cluster: &Cluster,
        workload: &App,
        image: &str,
    ) -> Vec<(Version, TrackRecord)> {
        let Ok(History { revisions, .. }) = cluster.platform.revisions(&workload.id).await else {
            return Vec::new();
        };
        let mut records = Vec::new();
        for one in revisions {
            // What cannot be read now is no record.
            let images = self.images(cluster, &workload.id, &one.id).await.unwrap_or_default();
            if let Some(version) = version(&images, image) {
                records.push((version.clone(), one.track_record));
            }
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_repository_are_one_place() {
        for url in [
            "git@github.com:Acme/shop.git",
            "https://me:x@github.com/acme/shop",
            "ssh://git@github.com/acme/shop.git/",
        ] {
            assert_eq!(place(url), "github.com/acme/shop");
        }
    }
}
