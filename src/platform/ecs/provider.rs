//! Finding and opening regions: the login of the AWS CLI, a region, and perhaps one cluster.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    domain::PlatformKind,
    platform::{
        Environment, Now, OpenError, Platform, Setting, TargetSpec,
        ecs::{Ecs, Options, options::KIND},
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

/// What a configuration of ecspresso says of its service: <https://github.com/kayac/ecspresso#configuration-file>.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ecspresso {
    region: Option<String>,
    cluster: Option<String>,
    service: Option<String>,
}

/// Whether a location is a file of ecspresso's.
fn is_file(location: &str) -> bool {
    [".yml", ".yaml"].iter().any(|end| location.ends_with(end))
}

/// Reads a file of ecspresso's.
fn read(file: &str) -> Result<Ecspresso, OpenError> {
    let wrong = |why: String| OpenError::login(format!("{file}: {why}"));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    if let Some(line) = text.lines().position(|line| line.contains("{{")) {
        return Err(wrong(format!(
            "line {} has a template, which ecspresso fills in and revdeck does not: say `--target ecs:REGION/CLUSTER`",
            line + 1
        )));
    }
    yaml_serde::from_str(&text).map_err(|error| wrong(error.to_string()))
}

impl registry::Provider for Provider {
    fn kind(&self) -> PlatformKind {
        KIND
    }

    fn usage(&self) -> &'static str {
        "ecs[:[PROFILE@]REGION[/CLUSTER]|:ecspresso.yml]"
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
        if is_file(location) {
            return Ok(());
        }
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
        if let Some(file) = spec.location.as_deref().filter(|location| is_file(location)) {
            let Ecspresso { region, cluster, service } = read(file)?;
            // As ecspresso has it where nothing is said.
            let cluster = cluster.or_else(|| Some("default".to_owned()));
            let options = Options { region, cluster, service, ..Options::default() };
            return Ok(Arc::new(Ecs::open(spec.id.clone(), &options, environment, now.clone())?));
        }
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
