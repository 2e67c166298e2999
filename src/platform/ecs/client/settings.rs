//! What a login and the environment say of a region: its name, its addresses, its profile. Files and variables are read as
//! the AWS SDKs read them: <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>.

use std::path::PathBuf;

use aws_runtime::env_config::{
    EnvConfigValue,
    file::{EnvConfigFileKind, EnvConfigFiles},
    section::EnvConfigSections,
    source,
};
use aws_types::os_shim_internal::{Env, Fs};
use futures_util::FutureExt as _;

use crate::platform::{Environment, OpenError};

/// The variables that the environment is asked for.
const VARIABLES: [&str; 15] = [
    "HOME",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_ECS",
    "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING",
    "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_CA_BUNDLE",
    "AWS_SESSION_TOKEN",
];

/// What is known of a region before anything is asked.
#[derive(Clone, Debug)]
pub(in crate::platform::ecs) struct Settings {
    pub(in crate::platform::ecs) region: String,
    /// The profile that was chosen, where one was.
    pub(in crate::platform::ecs) profile: Option<String>,
    /// Whether the login is keys of the environment.
    pub(in crate::platform::ecs) by_keys: bool,
    /// Whether that profile signs in by SSO.
    pub(in crate::platform::ecs) sso: bool,
    /// Where the API of ECS is, without a slash at the end.
    pub(in crate::platform::ecs) ecs: String,
    /// Where that of Application Auto Scaling is.
    pub(in crate::platform::ecs) scaling: String,
    /// Where that of CloudWatch Logs is.
    pub(in crate::platform::ecs) logs: String,
    pub(in crate::platform::ecs) files: EnvConfigFiles,
    /// Certificates to trust besides those of the system.
    pub(in crate::platform::ecs) bundle: Option<PathBuf>,
    pub(in crate::platform::ecs) use_fips: bool,
    pub(in crate::platform::ecs) use_dual_stack: bool,
}

impl Settings {
    /// The flags by which the aws CLI uses the same login and region.
    pub(in crate::platform::ecs) fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--region".to_owned(), self.region.clone()];
        // `--profile` makes the aws CLI pass over the keys of the environment, which come before `AWS_PROFILE`.
        if let Some(profile) = self.profile.as_ref().filter(|_| !self.by_keys) {
            flags.extend(["--profile".to_owned(), profile.clone()]);
        }
        flags
    }

    /// Reads them. A profile or region that is named outright comes before what the environment says.
    pub(in crate::platform::ecs) fn read(
        environment: &Environment,
        profile: Option<&str>,
        region: Option<&str>,
    ) -> Result<Self, OpenError> {
        let home = environment.home().map(|home| home.display().to_string());
        let mut variables: Vec<_> = VARIABLES
            .iter()
            .filter_map(|name| Some((*name, environment.variable(name)?)))
            .filter(|(name, _)| *name != "HOME")
            .collect();
        variables.extend(home.as_deref().map(|home| ("HOME", home)));
        let env = Env::from_slice(&variables);
        let by_keys = profile.is_none() && environment.variable("AWS_ACCESS_KEY_ID").is_some();
        let profile = profile.or_else(|| environment.variable("AWS_PROFILE"));
        let files = files(environment);
        let unreadable = |why: String| {
            OpenError::login(format!("the files of the AWS login cannot be read: {why}"))
        };
        // It reads files and waits for nothing.
        let read = source::load(&env, &Fs::real(), &files).now_or_never();
        let read = read.ok_or_else(|| unreadable("it takes too long".to_owned()))?;
        let mut read = read.map_err(|error| unreadable(error.to_string()))?;
        if let Some(profile) = profile {
            read.profile = profile.to_owned().into();
        }
        let sections =
            EnvConfigSections::parse(read).map_err(|error| unreadable(error.to_string()))?;
        if let Some(profile) = profile
            && sections.get_profile(profile).is_none()
        {
            let known: Vec<_> = sections.profiles().collect();
            let known = if known.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            return Err(OpenError::login(format!(
                "there is no AWS profile {profile:?}: {known}; make it with `aws configure --profile {profile}`"
            )));
        }
        let value = |variable: &str, key: &str, service: Option<&str>| {
            let value = EnvConfigValue::new().env(variable).profile(key);
            let value = match service {
                Some(service) => value.service_id(service),
                None => value,
            };
            let found = value.validate(&env, Some(&sections), |text: &str| {
                Ok::<_, std::convert::Infallible>(text.to_owned())
            });
            found.ok().flatten().filter(|text| !text.is_empty())
        };
        let is = |variable: &str, key: &str| {
            value(variable, key, None).is_some_and(|text| text.eq_ignore_ascii_case("true"))
        };
        let region = region
            .map(str::to_owned)
            .or_else(|| value("AWS_REGION", "region", None))
            .or_else(|| environment.variable("AWS_DEFAULT_REGION").map(str::to_owned))
            .ok_or_else(|| {
                OpenError::login("no AWS region is known: set AWS_REGION, give the profile one, or say `--target ecs:REGION`")
            })?;
        let (fips, dual) = (
            is("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            is("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
        );
        let configured =
            !is("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");
        let address = |service: &str, host: &str| {
            let said =
                value("AWS_ENDPOINT_URL", "endpoint_url", Some(service)).filter(|_| configured);
            let said = said.unwrap_or_else(|| endpoint(host, &region, fips, dual));
            said.trim_end_matches('/').to_owned()
        };
        let chosen = sections.get_profile(sections.selected_profile());
        Ok(Self {
            ecs: address("ecs", "ecs"),
            // By their service identifiers: variables and profiles name them after these.
            scaling: address("Application Auto Scaling", "application-autoscaling"),
            logs: address("CloudWatch Logs", "logs"),
            sso: chosen.is_some_and(|one| {
                one.get("sso_session").is_some() || one.get("sso_start_url").is_some()
            }),
            bundle: value("AWS_CA_BUNDLE", "ca_bundle", None).map(PathBuf::from),
            profile: profile.map(str::to_owned),
            by_keys,
            use_fips: fips,
            use_dual_stack: dual,
            region,
            files,
        })
    }
}

fn usual(environment: &Environment, name: &str) -> PathBuf {
    environment.home().cloned().unwrap_or_default().join(".aws").join(name)
}

/// The files of the login that exist, where the environment names them or where they usually are.
fn files(environment: &Environment) -> EnvConfigFiles {
    let named = [
        (EnvConfigFileKind::Config, "AWS_CONFIG_FILE", "config"),
        (EnvConfigFileKind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ];
    let mut files = EnvConfigFiles::builder();
    let mut any = false;
    for (kind, variable, name) in named {
        let file =
            environment.variable(variable).map_or_else(|| usual(environment, name), PathBuf::from);
        if file.exists() {
            files = files.with_file(kind, file);
            any = true;
        }
    }
    if any { files.build() } else { files.with_contents(EnvConfigFileKind::Config, "").build() }
}

/// Where a service is by default: <https://docs.aws.amazon.com/general/latest/gr/ecs-service.html>.
fn endpoint(host: &str, region: &str, fips: bool, dual: bool) -> String {
    let china = region.starts_with("cn-");
    let suffix = match (china, dual) {
        (true, true) => "api.amazonwebservices.com.cn",
        (true, false) => "amazonaws.com.cn",
        (false, true) => "api.aws",
        (false, false) => match region.split('-').collect::<Vec<_>>()[..] {
            ["us", "iso", ..] => "c2s.ic.gov",
            ["us", "isob", ..] => "sc2s.sgov.gov",
            ["eu", "isoe", ..] => "cloud.adc-e.uk",
            ["us", "isof", ..] => "csp.hci.ic.gov",
            ["eusc", ..] => "amazonaws.eu",
            _ => "amazonaws.com",
        },
    };
    let fips = if fips { "-fips" } else { "" };
    format!("https://{host}{fips}.{region}.{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_partition_and_kind() {
        assert_eq!(
            endpoint("ecs", "eu-west-1", false, false),
            "https://ecs.eu-west-1.amazonaws.com"
        );
        assert_eq!(
            endpoint("ecs", "us-east-1", true, false),
            "https://ecs-fips.us-east-1.amazonaws.com"
        );
        assert_eq!(endpoint("ecs", "eu-west-1", false, true), "https://ecs.eu-west-1.api.aws");
        assert_eq!(
            endpoint("ecs", "cn-north-1", false, false),
            "https://ecs.cn-north-1.amazonaws.com.cn"
        );
    }

    fn environment(files: &tempfile::TempDir, config: &str, more: &[(&str, &str)]) -> Environment {
        std::fs::create_dir_all(files.path().join(".aws")).unwrap();
        std::fs::write(files.path().join(".aws/config"), config).unwrap();
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::new(Some(files.path().to_owned())).with(more)
    }

    #[test]
    fn profiles_say_region_and_address() {
        let home = tempfile::tempdir().unwrap();
        let config = "[profile prod]\nregion = eu-central-1\nsso_session = corp\nservices = local\n[services local]\necs =\n  endpoint_url = http://127.0.0.1:9/\n";
        let found =
            Settings::read(&environment(&home, config, &[("AWS_PROFILE", "prod")]), None, None)
                .unwrap();
        assert_eq!(
            (found.region.as_str(), found.ecs.as_str(), found.sso),
            ("eu-central-1", "http://127.0.0.1:9", true)
        );
        assert_eq!(found.scaling, "https://application-autoscaling.eu-central-1.amazonaws.com");
        // A variable comes before a profile, and what is named outright before both.
        let env = environment(
            &home,
            config,
            &[
                ("AWS_PROFILE", "prod"),
                ("AWS_REGION", "us-east-2"),
                ("AWS_ENDPOINT_URL_ECS", "http://127.0.0.1:8"),
                ("AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING", "http://127.0.0.1:7"),
                ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:6"),
            ],
        );
        let found = Settings::read(&env, None, None).unwrap();
        assert_eq!((&*found.scaling, &*found.logs), ("http://127.0.0.1:7", "http://127.0.0.1:6"));
        assert_eq!(
            (found.region.as_str(), found.ecs.as_str()),
            ("us-east-2", "http://127.0.0.1:8")
        );
        assert_eq!(Settings::read(&env, None, Some("us-west-2")).unwrap().region, "us-west-2");
    }

    #[test]
    fn what_is_missing_is_named() {
        let home = tempfile::tempdir().unwrap();
        let env = environment(&home, "[profile prod]\nregion = eu-central-1\n", &[]);
        let wrong = Settings::read(&env, Some("pord"), None).unwrap_err().to_string();
        assert!(wrong.contains("no AWS profile \"pord\"") && wrong.contains("prod"), "{wrong}");
        let wrong = Settings::read(&env, None, None).unwrap_err().to_string();
        assert!(wrong.contains("no AWS region"), "{wrong}");
    }
}
