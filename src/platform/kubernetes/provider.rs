//! Finding and opening clusters: the contexts of a kubeconfig.

use std::sync::Arc;

use crate::platform::kubernetes::{Kubernetes, Options, options::KIND};
use crate::{
    domain::PlatformKind,
    platform::{Environment, Now, OpenError, Platform, Setting, TargetSpec, registry},
};

/// Kubernetes with the login of a kubeconfig.
#[derive(Clone, Copy, Debug)]
pub struct Provider;

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
                variable: Options::KUBECONFIG,
                flag: None,
                value: "FILE",
                help: "The kubeconfig",
            },
            Setting {
                name: "as",
                variable: Options::AS,
                flag: Some("as"),
                value: "USER",
                help: "Whom to act as on Kubernetes, such as system:serviceaccount:NAMESPACE:NAME",
            },
            Setting {
                name: "as-group",
                variable: Options::AS_GROUP,
                flag: Some("as-group"),
                value: "GROUPS",
                help: "The groups that --as is in, with commas",
            },
        ]
    }

    fn discover(&self, environment: &Environment) -> Vec<TargetSpec> {
        let usual = || environment.home().is_some_and(|home| home.join(".kube/config").exists());
        let here = environment.variable(Options::KUBECONFIG).is_some() || usual();
        here.then(|| TargetSpec::new(KIND.name, None)).into_iter().collect()
    }

    fn check_location(&self, location: &str) -> Result<(), String> {
        match Options::parts(location) {
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
        let options = Options::read(spec.location.as_deref(), environment)?;
        Ok(Arc::new(Kubernetes::open(spec.id.clone(), &options, now.clone())?))
    }
}
