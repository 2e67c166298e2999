//! Finding and opening regions: the login of the AWS CLI, a region, and perhaps one cluster.

use std::sync::Arc;

use crate::{
    domain::PlatformKind,
    platform::{
        Environment, Now, OpenError, Platform, Setting, TargetSpec,
        ecs::{Ecs, KIND, Options},
        registry,
    },
};

/// Amazon ECS with the login of the AWS CLI.
#[derive(Clone, Copy, Debug)]
pub struct Provider;

const PROFILE: &str = "AWS_PROFILE";
const REGION: &str = "AWS_REGION";

/// Profile, region and cluster of a location such as `prod@eu-west-1/shop`.
fn parts(location: &str) -> (Option<&str>, Option<&str>, Option<&str>) {
    let (profile, rest) = match location.split_once('@') {
        Some((profile, rest)) => (Some(profile), rest),
        None => (None, location),
    };
    let (region, cluster) = match rest.split_once('/') {
        Some((region, cluster)) => (region, Some(cluster)),
        None => (rest, None),
    };
    (profile, Some(region).filter(|region| !region.is_empty()), cluster)
}

impl registry::Provider for Provider {
    fn kind(&self) -> PlatformKind {
        KIND
    }

    fn usage(&self) -> &'static str {
        "ecs[:[PROFILE@]REGION[/CLUSTER]]"
    }

    fn login_hint(&self) -> &'static str {
        "set AWS_PROFILE and AWS_REGION"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting {
                name: "profile",
                variable: PROFILE,
                flag: None,
                value: "PROFILE",
                help: "The profile of the AWS CLI",
            },
            Setting {
                name: "region",
                variable: REGION,
                flag: None,
                value: "REGION",
                help: "The AWS region",
            },
        ]
    }

    fn discover(&self, environment: &Environment) -> Vec<TargetSpec> {
        let keys = environment.variable("AWS_ACCESS_KEY_ID").is_some();
        let login = environment.variable(PROFILE).is_some() || keys;
        let here = login && environment.variable(REGION).is_some();
        here.then(|| TargetSpec::new(KIND.name, None)).into_iter().collect()
    }

    fn check_location(&self, location: &str) -> Result<(), String> {
        match parts(location) {
            (Some(""), ..) => Err(format!("{location:?} names no profile before the @")),
            (_, None, _) => Err(format!("{location:?} names no region")),
            (_, _, Some("")) => Err(format!("{location:?} names no cluster after the slash")),
            _ => Ok(()),
        }
    }

    fn open(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
    ) -> Result<Arc<dyn Platform>, OpenError> {
        let (profile, region, cluster) = spec.location.as_deref().map(parts).unwrap_or_default();
        let options = Options {
            profile: profile.map(str::to_owned),
            region: region.map(str::to_owned),
            cluster: cluster.map(str::to_owned),
            ..Options::default()
        };
        Ok(Arc::new(Ecs::open(spec.id.clone(), &options, environment, now.clone())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_taken_apart() {
        assert_eq!(parts("prod@eu-west-1/shop"), (Some("prod"), Some("eu-west-1"), Some("shop")));
        assert_eq!(parts("eu-west-1"), (None, Some("eu-west-1"), None));
        for wrong in ["@eu-west-1", "prod@", "eu-west-1/"] {
            assert!(registry::Provider::check_location(&Provider, wrong).is_err(), "{wrong}");
        }
    }
}
