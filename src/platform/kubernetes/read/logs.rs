//! Log lines of a workload's Pods.

use std::collections::HashSet;

use crate::platform::kubernetes::{
    client::stream,
    cluster::Cluster,
    model::store::Address,
    model::wire::{ContainerState, Pod, ReplicaSet, Workload},
    read::instances,
};
use crate::{
    domain::{AppId, LogLine, text::clean},
    platform::Error,
};

/// Of how many Pods log lines are read.
const PODS: usize = 6;
/// How many lines of each.
const LINES: &str = "60";
/// The annotation that names the container which kubectl takes.
const DEFAULT: &str = "kubectl.kubernetes.io/default-container";

impl Cluster {
    /// The UIDs of what controls the Pods of a workload: itself, or its ReplicaSets; `None` where they may not be seen.
    async fn owners(
        &self,
        address: &Address,
        app: &AppId,
        selector: &str,
    ) -> Option<HashSet<String>> {
        if !address.kind.has_sets() {
            return Some([app.to_string()].into());
        }
        let sets = self.all::<ReplicaSet>("replicasets", Some(&address.namespace), selector).await;
        let own = |set: &ReplicaSet| set.metadata.owner() == Some(app.as_str());
        Some(sets.ok()?.into_iter().filter(own).map(|set| set.metadata.uid).collect())
    }

    /// The latest log lines of a workload's Pods, oldest first; only of those that do not run where that is asked for.
    pub(in crate::platform::kubernetes) async fn log_lines(
        &self,
        app: &AppId,
        broken: bool,
    ) -> Result<Vec<LogLine>, Error> {
        let address = self.address(app)?;
        let workload: Workload = self.connection.get(&address.path(), &[]).await?;
        let selector = workload.spec.as_ref().map(|spec| spec.selector.query()).unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/pods", address.namespace);
        let (mut pods, _) = stream::list::<Pod>(self, &path, &selector).await?;
        if let Some(owners) = self.owners(&address, app, &selector).await {
            pods.retain(|pod| pod.metadata.owner().is_some_and(|owner| owners.contains(owner)));
        }
        let bad = |pod: &Pod| instances::instance(pod).state.bad();
        if broken {
            pods.retain(bad);
        }
        pods.sort_by_key(|pod| (!bad(pod), std::cmp::Reverse(pod.metadata.creation_timestamp)));
        let mut lines = Vec::new();
        let mut unread = None;
        for pod in pods.iter().take(PODS) {
            for (container, previous) in containers_to_read(pod, bad(pod)) {
                let path = format!("{path}/{}/log", pod.metadata.name);
                let mut query =
                    vec![("tailLines", LINES), ("timestamps", "true"), ("container", &container)];
                if previous {
                    query.push(("previous", "true"));
                }
                let body = match self.connection.get_bytes(&path, &query).await {
                    Ok(body) => body,
                    Err(error @ (Error::Forbidden { .. } | Error::Login { .. })) => {
                        return Err(error);
                    }
                    // A container that has not started yet has none.
                    Err(error) => {
                        unread = Some(error);
                        continue;
                    }
                };
                // The name of the Pod tells instances apart, that of the container what speaks.
                let short = pod.metadata.name.rsplit('-').next().unwrap_or_default();
                let several = pod.spec.as_ref().is_some_and(|spec| spec.containers.len() > 1);
                let source =
                    if several { format!("{short}/{container}") } else { short.to_owned() };
                let text = String::from_utf8_lossy(&body).into_owned();
                lines.extend(text.lines().filter_map(|line| log_line(line, &source, bad(pod))));
            }
        }
        if let (true, Some(error)) = (lines.is_empty(), unread) {
            return Err(error);
        }
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }
}

/// The containers of a Pod whose log is read, and whether that of their last run: those that fail, else the one that
/// kubectl takes. Where there are several, the server wants one named.
pub(super) fn containers_to_read(pod: &Pod, broken: bool) -> Vec<(String, bool)> {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let mut chosen = Vec::new();
    let statuses = status.init_container_statuses.iter().chain(&status.container_statuses);
    for one in statuses.filter(|one| broken && !one.ready) {
        let failed = |state: &ContainerState| {
            state.terminated.as_ref().is_some_and(|ended| ended.exit_code != 0)
        };
        let waiting = one.state.waiting.as_ref().is_some_and(|waiting| {
            !matches!(waiting.reason.as_str(), "ContainerCreating" | "PodInitializing")
        });
        if failed(&one.last_state) || failed(&one.state) || waiting {
            // Of one that runs again the last run says why it fell over.
            if one.state.running.is_some() && failed(&one.last_state) {
                chosen.push((one.name.clone(), true));
            }
            chosen.push((one.name.clone(), false));
        }
    }
    if chosen.is_empty() {
        let named = pod.metadata.annotations.get(DEFAULT).cloned();
        let known = |name: &String| spec.containers.iter().any(|one| one.name == *name);
        let first = || spec.containers.first().map(|one| one.name.clone());
        chosen.extend(named.filter(known).or_else(first).map(|name| (name, false)));
    }
    chosen
}

pub(super) fn log_line(line: &str, source: &str, broken: bool) -> Option<LogLine> {
    let (at, text) = line.split_once(' ')?;
    let lower = text.to_ascii_lowercase();
    let bad = ["error", "fatal", "panic", "exception"].iter().any(|word| lower.contains(word));
    Some(LogLine {
        at: at.parse().ok()?,
        source: clean(source),
        revision: None,
        side: None,
        text: clean(text),
        error: broken && bad || lower.starts_with("error") || lower.starts_with("fatal"),
    })
}
