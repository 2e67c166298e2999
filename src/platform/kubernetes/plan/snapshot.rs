//! The state that a plan stands on, read when it is made.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::platform::kubernetes::{
    cluster::Cluster,
    model::store::{Address, Kind, Kinded, Store},
    model::wire::{self, ReplicaSet, Workload, WorkloadSpec},
    operate::guard::Guard,
    read::convert::{CAUSE, REASON, images},
};
use crate::{
    domain::{
        AppId, History, Revision, RevisionId, RevisionSummary,
        text::{clean, quoted},
    },
    platform::Error,
};

/// The state that a plan stands on.
pub(in crate::platform::kubernetes) struct Snapshot {
    pub(in crate::platform::kubernetes) address: Address,
    pub(in crate::platform::kubernetes) whole: Value,
    pub(in crate::platform::kubernetes) workload: Kinded,
    pub(in crate::platform::kubernetes) history: History,
    pub(in crate::platform::kubernetes) rolling: bool,
    /// The change-causes of its ReplicaSets, by UID.
    causes: HashMap<String, String>,
    /// The flags by which kubectl acts as this login does.
    login: String,
    /// What stands before a command that would use another kubeconfig otherwise.
    own: Option<String>,
}

impl Snapshot {
    pub(in crate::platform::kubernetes) async fn read(
        cluster: &Cluster,
        app: &AppId,
    ) -> Result<Self, Error> {
        let address = cluster.address(app)?;
        let whole = cluster.whole(&address).await?;
        if whole["metadata"]["uid"] != app.as_str() {
            return Err(Error::NotFound {
                what: format!(
                    "{} was deleted and made anew since it was shown",
                    clean(&address.name)
                ),
            });
        }
        let object: Workload =
            serde_json::from_value(whole.clone()).map_err(|error| Error::Garbled {
                api: cluster.connection.api.clone(),
                location: address.path(),
                why: clean(&error.to_string()),
            })?;
        let sets = if address.kind.has_sets() {
            cluster.whole_sets(&address, &whole).await?
        } else {
            Vec::new()
        };
        let history = cluster.history(app).await?;
        let workload = Kinded { kind: address.kind, object };
        let mut store = Store::default();
        store.workloads.put(workload.clone());
        let mut causes = HashMap::new();
        for set in sets {
            if let Ok(set) = serde_json::from_value::<ReplicaSet>(set) {
                let cause = set.metadata.annotations.get(CAUSE).cloned();
                causes.extend(cause.map(|cause| (set.metadata.uid.clone(), cause)));
                store.sets.put(set);
            }
        }
        let shown = store.app(&cluster.target, app.as_str(), (cluster.now)());
        let rolling = shown.is_some_and(|app| app.rollout.is_some());
        let flags = cluster.connection.kubectl_flags();
        let own = cluster.connection.own_file.as_ref();
        let own = own.map(|file| format!("KUBECONFIG={} ", quoted(&file.display().to_string())));
        let login = flags.iter().fold(String::new(), |all, flag| all + " " + &quoted(flag));
        Ok(Self { address, whole, workload, history, rolling, causes, login, own })
    }

    pub(in crate::platform::kubernetes) fn deployed(&self) -> Option<&Revision> {
        self.history
            .revisions
            .iter()
            .find(|one| one.incoming)
            .or_else(|| self.history.revisions.iter().find(|one| one.deployed))
    }

    /// What serves while a rollout brings another one.
    pub(in crate::platform::kubernetes) fn serving(&self) -> Option<&Revision> {
        self.history.revisions.iter().find(|one| one.deployed && !one.incoming)
    }

    /// Which instances a change reaches, where a partition keeps some from it.
    pub(in crate::platform::kubernetes) fn above(&self) -> String {
        let partition = self.workload.object.spec.as_ref().map_or(0, WorkloadSpec::partition);
        match partition {
            0 => String::new(),
            _ => format!(" from number {partition} up"),
        }
    }

    pub(in crate::platform::kubernetes) fn template(&self) -> &Value {
        &self.whole["spec"]["template"]
    }

    /// Why its template cannot be changed here, where it is another object's.
    pub(in crate::platform::kubernetes) fn elsewhere(&self) -> Option<String> {
        let of = &self.whole["spec"]["workloadRef"];
        of["name"].as_str().map(|name| {
            format!(
                "the template of {} is that of {} {}: change that one",
                clean(&self.address.name),
                clean(of["kind"].as_str().unwrap_or("workload")),
                clean(name)
            )
        })
    }

    /// The same by hand. It names the context: where it is pasted, another one may be the current one.
    pub(in crate::platform::kubernetes) fn by_hand(&self, tool: &str, command: &str) -> String {
        let (own, login) = (self.own.as_deref().unwrap_or_default(), &self.login);
        format!("{own}{tool}{login} -n {} {command}", self.address.namespace)
    }

    /// As kubectl names it: `deployment/web`.
    pub(in crate::platform::kubernetes) fn named(&self) -> String {
        format!("{}/{}", self.address.kind.word(), self.address.name)
    }

    pub(in crate::platform::kubernetes) fn paused(&self) -> bool {
        self.whole["spec"]["paused"] == true
    }

    /// What a plan stands on: the object, its template, and whether it is paused. That somebody scales it, or writes an
    /// annotation, does not matter.
    pub(in crate::platform::kubernetes) fn guard(&self) -> Guard {
        Guard::of(&self.address.path(), &self.whole)
    }

    /// The template that waits while it is paused, of which there is no revision yet.
    pub(in crate::platform::kubernetes) fn pending(&self) -> Option<RevisionSummary> {
        let serving = self.history.revisions.iter().any(|one| one.incoming);
        if !self.paused() || !self.rolling || serving || self.address.kind == Kind::Rollout {
            return None;
        }
        let template = &self.workload.object.spec.as_ref()?.template;
        Some(RevisionSummary {
            name: "a new revision".to_owned(),
            artifact: Some(images(template)),
            remark: Some("it waits since the pause".to_owned()),
        })
    }

    /// The steps that write the annotations of a change: why it was made, and what is asked for by it. The change-cause
    /// is the platform's own word: `kubectl rollout undo` has it as the target's, and all later releases inherit it.
    pub(in crate::platform::kubernetes) fn annotate(
        &self,
        template: &Value,
        reason: Option<&str>,
        cause: Cause<'_>,
    ) -> Vec<Value> {
        let own = &self.whole["metadata"]["annotations"];
        let path = |name: &str| format!("/metadata/annotations/{}", name.replace('/', "~1"));
        let mut steps = Vec::new();
        if !own.is_object() {
            steps.push(json!({ "op": "add", "path": "/metadata/annotations", "value": {} }));
        }
        match cause {
            Cause::Keep => {}
            Cause::Is(cause) => {
                steps.push(json!({ "op": "add", "path": path(CAUSE), "value": cause }));
            }
            Cause::Of(revision) => match self.causes.get(revision.as_str()) {
                Some(cause) => {
                    steps.push(json!({ "op": "add", "path": path(CAUSE), "value": cause }));
                }
                None if own[CAUSE].is_string() => {
                    steps.push(json!({ "op": "remove", "path": path(CAUSE) }));
                }
                None => {}
            },
        }
        if let Some(reason) = reason {
            // It is inherited like every annotation: the template says of which revision it is.
            let hash = format!("{:016x}", wire::Template::read(template.clone()).hash);
            let value = format!("{hash} {reason}");
            steps.push(json!({ "op": "add", "path": path(REASON), "value": value }));
        }
        steps
    }

    /// The revisions that serve or come, but for one: they will be gone.
    pub(in crate::platform::kubernetes) fn leaving(
        &self,
        except: Option<&RevisionId>,
    ) -> Option<String> {
        // A partition keeps some of what served.
        if !self.above().is_empty() {
            return None;
        }
        let gone = self.history.revisions.iter().filter(|one| one.deployed || one.incoming);
        let gone = gone.filter(|one| Some(&one.id) != except);
        let names: Vec<_> = gone.map(Revision::name).collect();
        (!names.is_empty()).then(|| names.join(" and "))
    }
}

/// What becomes of the change-cause with a change.
#[derive(Clone, Copy)]
pub(in crate::platform::kubernetes) enum Cause<'a> {
    /// It stays.
    Keep,
    /// It is this.
    Is(&'a str),
    /// It is that of this revision.
    Of(&'a RevisionId),
}

/// One end of a change.
pub(super) fn end(one: &Revision) -> RevisionSummary {
    RevisionSummary { name: one.name(), artifact: Some(one.description.clone()), remark: None }
}
