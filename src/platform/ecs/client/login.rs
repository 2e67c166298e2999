//! Credentials: found where every AWS tool finds them, kept until shortly before they run out, and found anew where they
//! are refused.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use aws_config::{
    ecs::EcsCredentialsProvider, imds::credentials::ImdsCredentialsProvider,
    meta::credentials::CredentialsProviderChain, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::region::Region;

use super::settings::Settings;
use crate::platform::sync::lock;
use crate::platform::{Environment, http::causes};

/// Credentials that run out within so long are not used any more.
const RESERVE: Duration = Duration::from_mins(1);

/// Where credentials come from.
#[derive(Debug)]
pub(in crate::platform::ecs) struct Login {
    provider: SharedCredentialsProvider,
    known: Mutex<Option<Credentials>>,
    command: String,
    /// Whether nothing says where the credentials are, so that it was only tried.
    guessed: bool,
}

impl Login {
    /// Keys in the environment come first, unless a profile was named outright; then the profile with all that it may say
    /// (SSO, roles, processes), a web identity, and what a container or a machine is given.
    pub(in crate::platform::ecs) fn new(
        environment: &Environment,
        settings: &Settings,
        named: bool,
        client: SharedHttpClient,
    ) -> Self {
        let config = ProviderConfig::without_region()
            .with_region(Some(Region::new(settings.region.clone())))
            .with_use_fips(Some(settings.use_fips))
            .with_use_dual_stack(Some(settings.use_dual_stack))
            .with_behavior_version(Some(aws_config::BehaviorVersion::latest()))
            .with_http_client(client);
        let mut profile = ProfileFileCredentialsProvider::builder()
            .configure(&config)
            .profile_files(settings.files.clone());
        if let Some(name) = &settings.profile {
            profile = profile.profile_name(name);
        }
        let profile = profile.build();
        let key = environment.variable("AWS_ACCESS_KEY_ID").filter(|_| !named);
        let keys = key.zip(environment.variable("AWS_SECRET_ACCESS_KEY")).map(|(key, secret)| {
            let token = environment.variable("AWS_SESSION_TOKEN").map(str::to_owned);
            Credentials::new(key, secret, token, None, "environment")
        });
        let guessed = keys.is_none() && settings.profile.is_none();
        let provider = match keys {
            Some(keys) => SharedCredentialsProvider::new(keys),
            None if settings.profile.is_some() => SharedCredentialsProvider::new(profile),
            None => {
                let web = WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
                let container = EcsCredentialsProvider::builder().configure(&config).build();
                let machine = ImdsCredentialsProvider::builder().configure(&config).build();
                SharedCredentialsProvider::new(
                    CredentialsProviderChain::first_try("profile", profile)
                        .or_else("web identity", web)
                        .or_else("container", container)
                        .or_else("machine", machine),
                )
            }
        };
        let of =
            settings.profile.as_ref().map(|name| format!(" --profile {name}")).unwrap_or_default();
        let command =
            if settings.sso { format!("aws sso login{of}") } else { format!("aws configure{of}") };
        Self { provider, known: Mutex::default(), command, guessed }
    }

    /// Whether nothing says where the credentials are.
    pub(in crate::platform::ecs) fn guessed(&self) -> bool {
        self.guessed
    }

    /// The command that logs in.
    pub(in crate::platform::ecs) fn command(&self) -> &str {
        &self.command
    }

    /// Credentials that are good now.
    ///
    /// # Errors
    /// Why there are none, in a clause.
    pub(in crate::platform::ecs) async fn credentials(
        &self,
        now: SystemTime,
    ) -> Result<Credentials, String> {
        let known = lock(&self.known).clone();
        let lasts = |one: &Credentials| one.expiry().is_none_or(|until| until > now + RESERVE);
        if let Some(known) = known.filter(lasts) {
            return Ok(known);
        }
        let found = self.provider.provide_credentials().await.map_err(|error| reason(&error))?;
        *lock(&self.known) = Some(found.clone());
        Ok(found)
    }

    /// Forgets credentials that were refused.
    pub(in crate::platform::ecs) fn forget(&self) {
        *lock(&self.known) = None;
    }
}

fn reason(error: &CredentialsError) -> String {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => "there are no credentials".to_owned(),
        other => causes(other),
    }
}
