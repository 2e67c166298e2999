//! Finding and opening clusters: the contexts of a kubeconfig.

use std::{path::PathBuf, sync::Arc};

use crate::platform::kubernetes::{KIND, Kubernetes, Options};
use crate::{
    domain::PlatformKind,
    platform::{Environment, Now, OpenError, Platform, Setting, TargetSpec, registry},
};

/// Kubernetes with the login of a kubeconfig.
#[derive(Clone, Copy, Debug)]
pub struct Provider;

const KUBECONFIG: &str = "KUBECONFIG";
const AS: &str = "REVDECK_AS";
const AS_GROUP: &str = "REVDECK_AS_GROUP";

/// Context and namespace of a location. The names of contexts on EKS hold colons and slashes: the last part is the
/// namespace.
fn parts(location: &str) -> (&str, Option<&str>) {
    match location.rsplit_once('/') {
        Some((context, namespace)) if !context.starts_with("arn:") => (context, Some(namespace)),
        _ => (location, None),
    }
}

impl registry::Provider for Provider {
    fn kind(&self) -> PlatformKind {
        KIND
    }

    fn usage(&self) -> &'static str {
        "kubernetes[:CONTEXT[/NAMESPACE]]"
    }

    fn login_hint(&self) -> &'static str {
        "name a cluster in a kubeconfig (KUBECONFIG, ~/.kube/config)"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting {
                name: "kubeconfig",
                variable: KUBECONFIG,
                flag: None,
                value: "FILE",
                help: "The kubeconfig",
            },
            Setting {
                name: "as",
                variable: AS,
                flag: Some("as"),
                value: "USER",
                help: "Whom to act as on Kubernetes, such as system:serviceaccount:NAMESPACE:NAME",
            },
            Setting {
                name: "as-group",
                variable: AS_GROUP,
                flag: Some("as-group"),
                value: "GROUPS",
                help: "The groups that --as is in, with commas",
            },
        ]
    }

    fn discover(&self, environment: &Environment) -> Vec<TargetSpec> {
        let usual = || environment.home().is_some_and(|home| home.join(".kube/config").exists());
        let here = environment.variable(KUBECONFIG).is_some() || usual();
        here.then(|| TargetSpec::new(KIND.name, None)).into_iter().collect()
    }

    fn check_location(&self, location: &str) -> Result<(), String> {
        match parts(location) {
            ("", _) => Err(format!("{location:?} names no context")),
            (_, Some("")) => Err(format!("{location:?} names no namespace after the slash")),
            _ => Ok(()),
        }
    }

    fn open(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
    ) -> Result<Arc<dyn Platform>, OpenError> {
        let (context, namespace) = match spec.location.as_deref().map(parts) {
            Some((context, namespace)) => (Some(context), namespace),
            None => (None, None),
        };
        let named = environment.variable(KUBECONFIG).map(PathBuf::from);
        let usual = || environment.home().map(|home| home.join(".kube/config"));
        let groups = environment.variable(AS_GROUP).unwrap_or_default().split(',');
        let groups = groups.map(str::trim).filter(|group| !group.is_empty()).map(str::to_owned);
        let groups: Vec<_> = groups.collect();
        let name = environment.variable(AS).filter(|name| !name.is_empty());
        if name.is_none() && !groups.is_empty() {
            return Err(OpenError::login("--as-group names groups of nobody: say --as USER, too"));
        }
        let impersonate = name.map(|name| (name.to_owned(), groups));
        let options = Options {
            kubeconfig: named.or_else(|| usual().filter(|file| file.exists())),
            context: context.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
            impersonate,
            state: environment.state().cloned(),
            ..Options::default()
        };
        Ok(Arc::new(Kubernetes::open(spec.id.clone(), &options, now.clone())?))
    }
}
