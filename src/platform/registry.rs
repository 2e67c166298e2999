//! The platforms of this build: how each finds its logins, reads a target's text and opens one.
//!
//! A platform is one folder with an adapter, and one line in [`Registry::built_in`].

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use super::{Now, Platform, Unopened};
use crate::domain::{PlatformKind, Problem, ProblemKind, TargetId};

/// The environment that logins are found in: variables and the operator's home, as they were when the program started.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// The variables that other programs do not have.
    own: BTreeSet<String>,
    home: Option<PathBuf>,
    state: Option<PathBuf>,
}

impl Environment {
    /// An environment of nothing but a home.
    pub fn new(home: Option<PathBuf>) -> Self {
        Self { home, ..Self::default() }
    }

    /// The same with these variables set; one that is set already is replaced.
    #[must_use]
    pub fn with(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// The same with what a flag or the configuration says instead of some variables: no other program knows of that.
    #[must_use]
    pub fn over(mut self, variables: &BTreeMap<String, String>) -> Self {
        self.own.extend(variables.keys().cloned());
        self.with(variables.clone())
    }

    /// A variable that is set by a flag or the configuration only, so that a command which is copied elsewhere must say it.
    pub fn own(&self, name: &str) -> Option<&str> {
        self.variable(name).filter(|_| self.own.contains(name))
    }

    /// The same with a directory for what is to outlive the program.
    #[must_use]
    pub fn keeping(self, state: Option<PathBuf>) -> Self {
        Self { state, ..self }
    }

    /// The directory for what is to outlive the program.
    pub fn state(&self) -> Option<&PathBuf> {
        self.state.as_ref()
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The operator's home.
    pub fn home(&self) -> Option<&PathBuf> {
        self.home.as_ref()
    }
}

/// Something that a provider reads from the environment, and that a flag or the configuration may say instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name in a `[[target]]` of the configuration.
    pub name: &'static str,
    /// The variable of the environment that it stands for.
    pub variable: &'static str,
    /// The flag for all targets of the platform, where there is one.
    pub flag: Option<&'static str>,
    /// What its value is called in help, such as `DIR`.
    pub value: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
}

/// A target that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// What it is called in this run.
    pub id: TargetId,
    /// The name of its platform.
    pub platform: &'static str,
    /// Where, in the platform's own notation, such as `ORG/SPACE`; where the login points by default if `None`.
    pub location: Option<String>,
    /// Variables of the environment that are other for this target.
    pub variables: BTreeMap<String, String>,
}

impl TargetSpec {
    /// A target that is called by its platform and location.
    pub fn new(platform: &'static str, location: Option<&str>) -> Self {
        Self {
            id: Self::named(platform, location),
            platform,
            location: location.map(str::to_owned),
            variables: BTreeMap::new(),
        }
    }

    fn named(platform: &str, location: Option<&str>) -> TargetId {
        TargetId::new(match location {
            Some(location) => format!("{platform}:{location}"),
            None => platform.to_owned(),
        })
    }
}

/// Why a target cannot be opened, in one sentence with what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct OpenError {
    /// What kind of problem it is; decides the exit code.
    pub kind: ProblemKind,
    /// The sentence.
    pub text: String,
}

impl OpenError {
    /// The login is missing or cannot be used.
    pub fn login(text: impl Into<String>) -> Self {
        Self { kind: ProblemKind::Login, text: text.into() }
    }

    /// No connection can be prepared.
    pub fn unreachable(text: impl Into<String>) -> Self {
        Self { kind: ProblemKind::Unreachable, text: text.into() }
    }

    /// The same as the rest of the program knows it.
    pub fn problem(&self) -> Problem {
        Problem { kind: self.kind, text: self.text.clone() }
    }
}

/// What a platform brings so that its targets can be found and opened.
pub trait Provider: Send + Sync {
    /// What kind of platform it is.
    fn kind(&self) -> PlatformKind;

    /// How a target is written, such as `kubernetes[:CONTEXT[/NAMESPACE]]`; its name where there are no locations.
    fn usage(&self) -> &'static str {
        self.kind().name
    }

    /// How to log in, in a clause such as ``log in with `cf login -a API` ``.
    fn login_hint(&self) -> &'static str;

    /// What it reads from the environment.
    fn settings(&self) -> &'static [Setting];

    /// The targets that the environment has logins for. Reads names of files at most.
    fn discover(&self, environment: &Environment) -> Vec<TargetSpec>;

    /// Checks the location of a target as it was written. A platform has none unless it says so here.
    ///
    /// # Errors
    /// One clause of what is wrong.
    fn check_location(&self, location: &str) -> Result<(), String> {
        Err(format!("{location:?}: a target of {} has no location", self.kind().name))
    }

    /// Checks the value of a setting as the configuration says it. Any text will do unless it says otherwise here.
    ///
    /// # Errors
    /// One clause of what is wrong.
    fn check_setting(&self, _name: &str, _value: &str) -> Result<(), String> {
        Ok(())
    }

    /// A location, or the value of a setting, as it may be shown and kept: without what logs in.
    fn shown(&self, text: &str) -> String {
        text.to_owned()
    }

    /// The target at a location, called by its platform and by what may be shown of that.
    fn spec(&self, location: Option<&str>) -> TargetSpec {
        let platform = self.kind().name;
        let shown = location.map(|location| self.shown(location));
        let id = TargetSpec::named(platform, shown.as_deref());
        TargetSpec { id, ..TargetSpec::new(platform, location) }
    }

    /// The target that this one is read together with, such as the cluster that a repository is applied to. `environment`
    /// has the target's own variables.
    fn beside(&self, _spec: &TargetSpec, _environment: &Environment) -> Option<TargetSpec> {
        None
    }

    /// Opens a target; speaks to nobody yet.
    fn open(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
    ) -> Result<Arc<dyn Platform>, OpenError>;

    /// The same with the target that it is read together with.
    fn open_beside(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
        _beside: Option<Arc<dyn Platform>>,
    ) -> Result<Arc<dyn Platform>, OpenError> {
        self.open(spec, environment, now)
    }
}

/// The platforms that can be opened.
#[derive(Clone, Default)]
pub struct Registry {
    providers: Vec<Arc<dyn Provider>>,
}

impl Registry {
    /// The platforms of this build, one line each.
    pub fn built_in() -> Self {
        let registry = Self::default().with(super::cloud_foundry::provider::Provider);
        #[cfg(feature = "kubernetes")]
        let registry = registry.with(super::kubernetes::provider::Provider);
        #[cfg(feature = "ecs")]
        let registry = registry.with(super::ecs::provider::Provider);
        #[cfg(feature = "gitops")]
        let registry = registry.with(super::gitops::provider::Provider);
        registry
    }

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, provider: impl Provider + 'static) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// All of them, in order.
    pub fn providers(&self) -> impl Iterator<Item = &dyn Provider> {
        self.providers.iter().map(AsRef::as_ref)
    }

    /// The platform of this name or short name.
    pub fn provider(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        let named = |kind: PlatformKind| kind.name == name || kind.short == name;
        self.providers.iter().find(|provider| named(provider.kind()))
    }

    /// How targets are written, for help.
    pub fn usage(&self) -> String {
        self.providers().map(Provider::usage).collect::<Vec<_>>().join(", ")
    }

    /// Reads a target as it is written on the command line.
    ///
    /// # Errors
    /// One clause of what is wrong.
    pub fn target(&self, text: &str) -> Result<TargetSpec, String> {
        let (name, location) = match text.split_once(':') {
            Some((name, location)) => (name, Some(location)),
            None => (text, None),
        };
        let Some(provider) = self.provider(name) else {
            return Err(format!("no platform {name:?} in this revdeck: use {}", self.usage()));
        };
        match location {
            Some("") => return Err("there is nothing after the colon".to_owned()),
            Some(location) => provider.check_location(location)?,
            None => {}
        }
        Ok(provider.spec(location))
    }

    /// A target as it was written, without what logs in.
    pub fn shown(&self, text: &str) -> String {
        let parts = text.split_once(':');
        let of = parts.and_then(|(name, location)| Some((name, location, self.provider(name)?)));
        of.map_or_else(
            || text.to_owned(),
            |(name, location, provider)| format!("{name}:{}", provider.shown(location)),
        )
    }

    /// Every target that the environment has a login for.
    pub fn discover(&self, environment: &Environment) -> Vec<TargetSpec> {
        self.providers().flat_map(|provider| provider.discover(environment)).collect()
    }

    /// What to do where there is no login at all.
    pub fn nobody(&self) -> OpenError {
        let hints: Vec<_> = self.providers().map(Provider::login_hint).collect();
        OpenError::login(format!(
            "nobody is logged in: {}; or try `revdeck demo`",
            hints.join(", or ")
        ))
    }

    /// Opens one target, with the one that it is read together with.
    pub(super) fn open_one(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
    ) -> Result<Arc<dyn Platform>, OpenError> {
        let unknown = || OpenError::login(format!("there is no platform {}", spec.platform));
        let provider = self.provider(spec.platform).ok_or_else(unknown)?;
        let environment = environment.clone().over(&spec.variables);
        let beside = provider.beside(spec, &environment);
        let beside =
            beside.map(|beside| self.open_or_wait(&beside, &environment, now)).transpose()?;
        provider.open_beside(spec, &environment, now, beside.map(|(platform, _)| platform))
    }

    /// Opens one target; where that fails it stands for itself with its reason, and is tried again.
    fn open_or_wait(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
    ) -> Result<(Arc<dyn Platform>, Option<OpenError>), OpenError> {
        let error = match self.open_one(spec, environment, now) {
            Ok(platform) => return Ok((platform, None)),
            Err(error) => error,
        };
        let Some(provider) = self.provider(spec.platform) else { return Err(error) };
        let unopened = Unopened::new(
            (self.clone(), provider.kind()),
            spec.clone(),
            environment.clone(),
            now.clone(),
            error.clone(),
        );
        Ok((Arc::new(unopened), Some(error)))
    }

    /// Opens targets. One that cannot be opened keeps no other out: it stands for itself with its reason, and is tried
    /// again.
    ///
    /// # Errors
    /// Where not one of them could be opened; the reason of each.
    pub fn open(
        &self,
        specs: &[TargetSpec],
        environment: &Environment,
        now: &Now,
    ) -> Result<Vec<Arc<dyn Platform>>, OpenError> {
        let mut platforms: Vec<Arc<dyn Platform>> = Vec::new();
        let mut errors: Vec<(&TargetId, OpenError)> = Vec::new();
        for spec in specs {
            let Ok((platform, error)) = self.open_or_wait(spec, environment, now) else { continue };
            platforms.push(platform);
            errors.extend(error.map(|error| (&spec.id, error)));
        }
        let none = platforms.iter().all(|platform| platform.unopened().is_some());
        match errors.as_slice() {
            [(_, only)] if none => Err(only.clone()),
            [(_, first), ..] if none => {
                let texts = errors.iter().map(|(id, error)| format!("{id}: {error}"));
                let text = texts.collect::<Vec<_>>().join("\nrevdeck: ");
                Err(OpenError { kind: first.kind, text })
            }
            _ if platforms.is_empty() => Err(self.nobody()),
            _ => Ok(platforms),
        }
    }
}
