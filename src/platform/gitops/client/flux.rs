//! Objects of Flux, and of Argo CD, in the cluster: listed, and changed by a merge patch, under the version that the
//! cluster serves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use http::Method;
use serde_json::Value;

use crate::platform::sync::lock;
use crate::platform::{
    Error, Platform,
    cluster::{Connection, Options},
    http::WriteError,
};

/// By this name the cluster knows who changed an object. It must not begin with `kubectl`: kustomize-controller takes back
/// what such a manager did (`internal/controller/kustomization_controller.go`).
const MANAGER: &str = "revdeck";

/// A cluster: its workloads through the port, and the objects of Flux through the same login.
pub(in crate::platform::gitops) struct Cluster {
    pub(in crate::platform::gitops) platform: Arc<dyn Platform>,
    options: Options,
    /// The way to it: a kubeconfig may come later.
    opened: OnceLock<Connection>,
    /// The version of a group that is served; none where it is not installed.
    versions: Mutex<HashMap<&'static str, Option<String>>>,
}

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::platform::gitops) enum FluxKind {
    GitRepository,
    Kustomization,
    Automation,
    Policy,
    /// Of Argo CD; it is only read.
    Application,
}

impl FluxKind {
    fn group(self) -> &'static str {
        match self {
            Self::GitRepository => "source.toolkit.fluxcd.io",
            Self::Kustomization => "kustomize.toolkit.fluxcd.io",
            Self::Automation | Self::Policy => "image.toolkit.fluxcd.io",
            Self::Application => "argoproj.io",
        }
    }

    /// As it stands in paths and commands.
    pub(in crate::platform::gitops) fn plural(self) -> &'static str {
        match self {
            Self::GitRepository => "gitrepositories",
            Self::Kustomization => "kustomizations",
            Self::Automation => "imageupdateautomations",
            Self::Policy => "imagepolicies",
            Self::Application => "applications",
        }
    }
}

impl Cluster {
    /// The cluster of these two.
    pub(in crate::platform::gitops) fn new(platform: Arc<dyn Platform>, options: Options) -> Self {
        Self { platform, options, opened: OnceLock::new(), versions: Mutex::default() }
    }

    fn connection(&self) -> Result<&Connection, Error> {
        if let Some(connection) = self.opened.get() {
            return Ok(connection);
        }
        let connection = Connection::open(&self.options).map_err(Error::Unopened)?;
        Ok(self.opened.get_or_init(|| connection))
    }

    /// What it is called in sentences.
    pub(in crate::platform::gitops) fn name(&self) -> &str {
        let named = self.options.context.as_deref().unwrap_or("the cluster");
        self.connection().map_or(named, |connection| &connection.context)
    }

    async fn version(&self, kind: FluxKind) -> Result<Option<String>, Error> {
        let group = kind.group();
        let known = lock(&self.versions).get(group).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let told = self.connection()?.get::<Value>(&format!("/apis/{group}"), &[]).await;
        let version = match told {
            Ok(told) => told["preferredVersion"]["version"].as_str().map(str::to_owned),
            Err(Error::NotFound { .. } | Error::Api { status: 404, .. }) => None,
            Err(error) => return Err(error),
        };
        // Flux may be installed later.
        if version.is_some() {
            lock(&self.versions).insert(group, version.clone());
        }
        Ok(version)
    }

    /// All objects of a kind; none where the kind is not installed.
    pub(in crate::platform::gitops) async fn list(
        &self,
        kind: FluxKind,
    ) -> Result<Vec<Value>, Error> {
        let Some(version) = self.version(kind).await? else { return Ok(Vec::new()) };
        let path = format!("/apis/{}/{version}/{}", kind.group(), kind.plural());
        match self.connection()?.get::<Value>(&path, &[]).await {
            Ok(Value::Object(mut list)) => match list.remove("items") {
                Some(Value::Array(items)) => Ok(items),
                _ => Ok(Vec::new()),
            },
            // The group has other kinds alone, as with Argo Rollouts.
            Err(Error::NotFound { .. } | Error::Api { status: 404, .. }) => Ok(Vec::new()),
            Ok(_) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The path of one object.
    async fn path(&self, kind: FluxKind, namespace: &str, name: &str) -> Result<String, Error> {
        let Some(version) = self.version(kind).await? else {
            return Err(Error::NotFound {
                what: format!("{} has no {}", self.name(), kind.plural()),
            });
        };
        Ok(format!(
            "/apis/{}/{version}/namespaces/{namespace}/{}/{name}",
            kind.group(),
            kind.plural()
        ))
    }

    /// One object.
    pub(in crate::platform::gitops) async fn get(
        &self,
        kind: FluxKind,
        namespace: &str,
        name: &str,
    ) -> Result<Value, Error> {
        let path = self.path(kind, namespace, name).await?;
        self.connection()?.get(&path, &[]).await
    }

    /// Changes one object by a merge patch, once.
    pub(in crate::platform::gitops) async fn patch(
        &self,
        kind: FluxKind,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, WriteError> {
        let path = self.path(kind, namespace, name).await.map_err(WriteError::NoEffect)?;
        let address = Connection::address(&path, &[("fieldManager", MANAGER)]);
        self.connection()
            .map_err(WriteError::NoEffect)?
            .write(Method::PATCH, &address, "application/merge-patch+json", patch)
            .await
    }
}
