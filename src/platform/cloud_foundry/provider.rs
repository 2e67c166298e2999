//! Finding and opening foundations: the session that the cf CLI has left.

use std::{path::PathBuf, sync::Arc};

use crate::platform::cloud_foundry::{
    foundation::CloudFoundry,
    foundation::Options,
    login::session,
    options::{DOCKER_PASSWORD, KIND},
};
use crate::{
    domain::PlatformKind,
    platform::{Environment, Now, OpenError, Platform, Setting, TargetSpec, registry},
};

/// Cloud Foundry with the login of the cf CLI.
#[derive(Clone, Copy, Debug)]
pub struct Provider;

/// Where `.cf` is looked for.
const HOME: &str = "CF_HOME";

fn home(environment: &Environment) -> PathBuf {
    let named = environment.variable(HOME).map(PathBuf::from);
    named.or_else(|| environment.home().cloned()).unwrap_or_else(|| PathBuf::from("."))
}

impl registry::Provider for Provider {
    fn kind(&self) -> PlatformKind {
        KIND
    }

    fn usage(&self) -> &'static str {
        "cloud-foundry[:ORG[/SPACE]]"
    }

    fn login_hint(&self) -> &'static str {
        "log in with `cf login -a API`"
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting {
            name: "home",
            variable: HOME,
            flag: Some("cf-home"),
            value: "DIR",
            help: "The directory that holds the cf CLI's .cf/config.json",
        }]
    }

    fn discover(&self, environment: &Environment) -> Vec<TargetSpec> {
        // Where somebody names a home, a missing login there is worth a sentence.
        let named = environment.variable(HOME).is_some();
        let here = named || session::file_in(&home(environment)).exists();
        here.then(|| TargetSpec::new(KIND.name, None)).into_iter().collect()
    }

    fn check_location(&self, location: &str) -> Result<(), String> {
        let (org, space) = location.split_once('/').unwrap_or((location, ""));
        if org.is_empty() || space.contains('/') {
            return Err(format!("{location:?} is no ORG or ORG/SPACE"));
        }
        Ok(())
    }

    fn open(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
    ) -> Result<Arc<dyn Platform>, OpenError> {
        let (org, space) = match spec.location.as_deref().map(|text| text.split_once('/')) {
            Some(Some((org, space))) => (Some(org), Some(space).filter(|space| !space.is_empty())),
            Some(None) => (spec.location.as_deref(), None),
            None => (None, None),
        };
        let options = Options {
            home: home(environment),
            own_home: environment.own(HOME).is_some(),
            org: org.map(str::to_owned),
            space: space.map(str::to_owned),
            docker_password: environment
                .variable(DOCKER_PASSWORD)
                .map(|password| password.to_owned().into()),
            ..Options::default()
        };
        Ok(Arc::new(CloudFoundry::open(spec.id.clone(), &options, now.clone())?))
    }
}
