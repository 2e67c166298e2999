//! Where apps live, and what can be done there.

use std::{collections::BTreeMap, fmt};

use super::{OptionSpec, TargetId, Verb, VerbOptions};

/// A kind of platform, as its adapter describes it. Two are the same where their names are.
#[derive(Clone, Copy, Debug)]
pub struct PlatformKind {
    /// Its name, such as `cloud-foundry`.
    pub name: &'static str,
    /// A name for a crowded line.
    pub short: &'static str,
    /// The options of its verbs.
    pub options: &'static [VerbOptions],
}

impl PartialEq for PlatformKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for PlatformKind {}

impl PlatformKind {
    /// The options of a verb, in the order of the form.
    pub fn options(&self, verb: Verb) -> Vec<OptionSpec> {
        let of_verb = self.options.iter().filter(|table| table.verbs.contains(&verb));
        of_verb.flat_map(|table| table.options).copied().collect()
    }
}

impl fmt::Display for PlatformKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One login, and what it reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name used in this run.
    pub id: TargetId,
    /// What kind of platform it is.
    pub platform: PlatformKind,
    /// The address of its API.
    pub api: String,
    /// Where the login points by default, such as `acme/prod`.
    pub scope_label: String,
    /// Who is logged in.
    pub user: String,
    /// A warning that must stay in sight, such as certificates that are not verified.
    pub badge: Option<String>,
}

impl Target {
    /// The name that somebody gave it, where it is not called by its platform and location.
    pub fn own_name(&self) -> Option<&str> {
        let id = self.id.as_str();
        let platform = id.split(':').next();
        let named = [self.platform.name, self.platform.short];
        (!named.iter().any(|name| platform == Some(name))).then_some(id)
    }
}

/// Whether something can be done, and if not, why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// It can.
    Yes,
    /// It cannot; the text is one clause such as `this API has no canary deployments`.
    No(String),
}

impl Capability {
    /// The reason why not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Yes => None,
            Self::No(reason) => Some(reason),
        }
    }
}

/// What a target, or an app of it, can do at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeMap<Verb, Capability>);

impl Capabilities {
    /// Everything can be done, as far as is known.
    pub fn all() -> Self {
        Self::default()
    }

    /// The same, with what is known of one more verb.
    #[must_use]
    pub fn with(mut self, verb: Verb, capability: Capability) -> Self {
        self.0.insert(verb, capability);
        self
    }

    /// The same without this verb, and why.
    #[must_use]
    pub fn without(self, verb: Verb, reason: impl Into<String>) -> Self {
        self.with(verb, Capability::No(reason.into()))
    }

    /// Why a verb cannot be done.
    pub fn reason(&self, verb: Verb) -> Option<&str> {
        self.0.get(&verb)?.reason()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_from_a_platform_and_its_location() {
        let platform = PlatformKind { name: "cloud-foundry", short: "cf", options: &[] };
        for (id, own) in [
            ("prod-eu", Some("prod-eu")),
            ("cloud-foundry", None),
            ("cf", None),
            ("cloud-foundry:acme/prod", None),
            ("cloud-foundry-eu", Some("cloud-foundry-eu")),
        ] {
            let target = Target {
                id: TargetId::new(id),
                platform,
                api: String::new(),
                scope_label: "acme/prod".to_owned(),
                user: String::new(),
                badge: None,
            };
            assert_eq!(target.own_name(), own, "{id}");
        }
    }
}
