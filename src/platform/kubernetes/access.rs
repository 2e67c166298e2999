//! What the login may do: asked with `SelfSubjectAccessReview`, and remembered for a while.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::platform::kubernetes::{
    cluster::{Act, Cluster},
    model::store::Kind,
    options::{NOT_APPLIED, NOTHING_HELD},
};
use crate::platform::sync::lock;
use crate::{
    domain::{Capabilities, Capability, Verb, text::clean},
    platform::Error,
};

/// How long an answer is believed.
const BELIEVED: SignedDuration = SignedDuration::from_mins(5);

impl Cluster {
    /// Whether the login may do something. Where the server does not answer that, the answer to the operation will say.
    pub(super) async fn may(&self, act: Act) -> Result<Capability, Error> {
        let now = (self.now)();
        let known = lock(&self.allowed).get(&act).copied();
        let allowed = match known.filter(|(_, at)| now.duration_since(*at) < BELIEVED) {
            Some((allowed, _)) => allowed,
            None => {
                let allowed = self.review(&act).await?;
                lock(&self.allowed).insert(act.clone(), (allowed, now));
                allowed
            }
        };
        if allowed {
            return Ok(Capability::Yes);
        }
        Ok(Capability::No(format!(
            "{} may not {} {} in {}",
            clean(&self.connection.user),
            act.verb,
            act.resource,
            clean(&act.namespace)
        )))
    }

    /// Forgets what was answered: somebody may have been given more since.
    pub(super) fn ask_rights_anew(&self) {
        lock(&self.allowed).clear();
    }

    async fn review(&self, act: &Act) -> Result<bool, Error> {
        let (resource, subresource) = act.resource.split_once('/').unwrap_or((act.resource, ""));
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": act.verb, "group": act.group, "resource": resource, "subresource": subresource,
                "namespace": act.namespace,
            } },
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer =
            self.connection.write(http::Method::POST, path, "application/json", &body).await;
        Ok(answer.map_or(true, |review: Value| review["status"]["allowed"] != false))
    }

    /// What can be done with workloads of a kind in a namespace.
    pub(super) async fn allowed(&self, kind: Kind, namespace: &str) -> Result<Capabilities, Error> {
        let act =
            |verb, group, resource| Act { verb, group, resource, namespace: namespace.to_owned() };
        let revisions = if kind.has_sets() { "replicasets" } else { "controllerrevisions" };
        let (patch, list) = tokio::try_join!(
            self.may(act("patch", kind.group(), kind.plural())),
            self.may(act("list", "apps", revisions))
        )?;
        let argo = kind == Kind::Rollout;
        let status = if argo {
            self.may(act("patch", kind.group(), "rollouts/status")).await?
        } else {
            patch.clone()
        };
        let back = if patch.reason().is_some() { patch.clone() } else { list };
        let hold = match kind {
            Kind::Deployment | Kind::Rollout => patch.clone(),
            _ => Capability::No(format!("a {} cannot be paused", kind.word())),
        };
        let whole = kind == Kind::DaemonSet;
        let one_a_node = "a DaemonSet has one instance on every node".to_owned();
        let number = if whole { Capability::No(one_a_node) } else { Capability::Yes };
        let no_switch = "Kubernetes has no switch for revisions: see revisionHistoryLimit";
        Ok(Capabilities::all()
            .with(Verb::RollBack, back.clone())
            .with(Verb::Deploy, patch.clone())
            .with(Verb::Cancel, if argo { status.clone() } else { back })
            .with(Verb::Continue, if argo { status } else { hold.clone() })
            .with(Verb::Pause, hold)
            .with(Verb::Restart, patch)
            .without(Verb::Release, NOTHING_HELD)
            .with(Verb::Scale, number.clone())
            .with(Verb::Stop, number.clone())
            .with(Verb::Start, number)
            .without(Verb::Reconcile, NOT_APPLIED)
            .without(Verb::EnableRevisions, no_switch))
    }
}
