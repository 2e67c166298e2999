//! Who asks, and what they may do; and what a container prints.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    error::ApiError,
    resources::{ALL, Kind},
};
use crate::simulator::tls::Certificate;

/// The context that the kubeconfig points at.
pub(crate) const CONTEXT: &str = "demo";
const OPERATOR: &str = "operator-token";
const VIEWER: &str = "viewer-token";
const TENANT: &str = "tenant-token";
const JUNIOR: &str = "junior-token";
/// The only namespace of the tenant.
const HOME: &str = "shop";

/// What stands before the path of a request of the others: kubectl sends no token over plain HTTP.
const AS: &str = "/as/";

/// A kubeconfig with four contexts: who may all, who may look, who knows one namespace, and who has few rights.
pub(crate) fn kubeconfig(base: &str, user: &str, certificate: Option<&str>) -> String {
    let authority = certificate.map(Certificate::base64);
    let authority = authority.map(|one| format!(", certificate-authority-data: {one}"));
    let authority = authority.unwrap_or_default();
    let context = |name: &str, user: &str| {
        format!(
            "- name: {name}\n  context: {{ cluster: {name}, user: \"{user}\", namespace: {HOME} }}\n"
        )
    };
    let cluster = |name: &str| {
        let path = if name == CONTEXT { String::new() } else { format!("{AS}{name}") };
        format!("- name: {name}\n  cluster: {{ server: \"{base}{path}\"{authority} }}\n")
    };
    let login =
        |name: &str, token: &str| format!("- name: \"{name}\"\n  user: {{ token: {token} }}\n");
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {CONTEXT}\nclusters:\n{}{}{}{}contexts:\n{}{}{}{}users:\n{}{}{}{}",
        cluster(CONTEXT),
        cluster("viewer"),
        cluster("tenant"),
        cluster("junior"),
        context(CONTEXT, user),
        context("viewer", "viewer"),
        context("tenant", "tenant"),
        context("junior", "junior"),
        login(user, OPERATOR),
        login("viewer", VIEWER),
        login("tenant", TENANT),
        login("junior", JUNIOR),
    )
}

/// Somebody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// May do everything.
    Operator,
    /// May look at everything.
    Viewer,
    /// May do everything in one namespace.
    Tenant,
    /// May look at most things and change Deployments, but sees neither ReplicaSets nor DaemonSets nor logs.
    Junior,
}

/// The path of a request without the login that stands before it, and that login.
pub(crate) fn split(path: &str) -> (&str, Option<&str>) {
    match path.strip_prefix(AS).and_then(|rest| rest.find('/').map(|at| rest.split_at(at))) {
        Some((login, path)) => (path, Some(login)),
        None => (path, None),
    }
}

/// Who a request comes from, by its token, or else by the login in its path. Without either it is the operator: the
/// API is on loopback and for trying things.
pub(crate) fn who(authorization: &str, login: Option<&str>) -> Result<User, ApiError> {
    let token = authorization.trim_start_matches("Bearer ").trim_start_matches("bearer ");
    match (token, login) {
        (OPERATOR, _) | ("", None) => Ok(User::Operator),
        (VIEWER, _) | ("", Some("viewer")) => Ok(User::Viewer),
        (TENANT, _) | ("", Some("tenant")) => Ok(User::Tenant),
        (JUNIOR, _) | ("", Some("junior")) => Ok(User::Junior),
        _ => Err(ApiError::new(401, "Unauthorized", "Unauthorized")),
    }
}

impl User {
    /// Whom a request is made as (`filters/impersonation.go`): the operator may act as anybody, the others as nobody.
    pub(super) fn acting_as(self, name: Option<&[u8]>) -> Result<Self, ApiError> {
        let Some(name) = name else { return Ok(self) };
        if self != Self::Operator {
            return Err(ApiError::new(403, "Forbidden", "users is forbidden: cannot impersonate"));
        }
        Ok(match name {
            b"viewer" => Self::Viewer,
            b"tenant" => Self::Tenant,
            b"junior" => Self::Junior,
            _ => Self::Operator,
        })
    }

    pub(super) fn allowed(self, verb: &str, resource: &str, namespace: Option<&str>) -> bool {
        match self {
            Self::Operator => true,
            Self::Viewer => matches!(verb, "get" | "list" | "watch"),
            Self::Tenant => namespace == Some(HOME),
            Self::Junior => match resource {
                "replicasets" | "daemonsets" | "pods/log" => false,
                "deployments" => true,
                _ => matches!(verb, "get" | "list" | "watch"),
            },
        }
    }

    /// Refuses what this user may not do; with a subresource, what it may not do with that.
    pub(crate) fn may(
        self,
        verb: &str,
        kind: Kind,
        subresource: &str,
        namespace: Option<&str>,
    ) -> Result<(), ApiError> {
        let resource = with(ALL[kind].plural, subresource);
        if self.allowed(verb, &resource, namespace) {
            return Ok(());
        }
        let place = namespace.map_or("at the cluster scope".to_owned(), |name| {
            format!("in the namespace \"{name}\"")
        });
        let name = match self {
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Tenant => "tenant",
            Self::Junior => "junior",
        };
        Err(ApiError::forbidden(name, verb, &resource, ALL[kind].group, &place))
    }
}

/// `pods/log`
pub(super) fn with(resource: &str, subresource: &str) -> String {
    if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") }
}

/// Which container a log is asked of: where there are several, one must be named (`LogLocation` in
/// `pkg/registry/core/pod/strategy.go`).
pub(crate) fn container(pod: &Value, query: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let names = |field: &str| -> Vec<&str> {
        let containers = pod["spec"][field].as_array();
        containers.into_iter().flatten().filter_map(|one| one["name"].as_str()).collect()
    };
    let (own, init) = (names("containers"), names("initContainers"));
    let why = match query.get("container").map(String::as_str).filter(|name| !name.is_empty()) {
        Some(name) if own.contains(&name) || init.contains(&name) => return Ok(()),
        Some(name) => format!("container {name} is not valid for pod {pod_name}"),
        None if own.len() == 1 => return Ok(()),
        None => {
            let more = if init.is_empty() {
                String::new()
            } else {
                format!(" or one of the init containers: [{}]", init.join(" "))
            };
            format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{}]{more}",
                own.join(" ")
            )
        }
    };
    Err(ApiError::new(400, "BadRequest", why))
}
