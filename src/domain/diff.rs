//! What differs between two revisions.

use std::{collections::BTreeMap, fmt};

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What is run: droplet, image.
    Artifact,
    /// How it is started.
    Command,
    /// What runs beside it.
    Sidecar,
    /// Its environment variables.
    Environment,
}

impl Group {
    /// The heading on screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Artifact => "artifact",
            Self::Command => "command",
            Self::Sidecar => "sidecar",
            Self::Environment => "env",
        }
    }
}

/// A value that may be a secret: it is shown only through [`Secret::reveal`], never by accident in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("••••")
    }
}

/// One fact of a revision's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is about.
    pub group: Group,
    /// Its name, such as `MEMORY_LIMIT` or `web`.
    pub key: String,
    /// Its value, cleaned.
    pub value: Secret,
    /// Whether the value is shown only when asked for.
    pub secret: bool,
}

/// All that is known of a revision's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The facts, in no particular order.
    pub facts: Vec<Fact>,
    /// What could not be read, such as an environment that the login may not see.
    pub hidden: Vec<String>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub group: Group,
    /// The name.
    pub key: String,
    /// The value before; `None` where there was none.
    pub before: Option<Secret>,
    /// The value after; `None` where there is none.
    pub after: Option<Secret>,
    /// Whether the values are shown only when asked for.
    pub secret: bool,
}

impl Difference {
    /// `KEY before → after`, with values masked unless `reveal`.
    pub fn line(&self, reveal: bool) -> String {
        let shown = |value: &Option<Secret>| match value {
            None => "(none)".to_owned(),
            Some(_) if self.secret && !reveal => "••••".to_owned(),
            Some(value) => value.reveal().to_owned(),
        };
        format!("{} {} → {}", self.key, shown(&self.before), shown(&self.after))
    }
}

/// What changes from one configuration to another, by group and name.
pub fn differences(before: &Detail, after: &Detail) -> Vec<Difference> {
    fn index(detail: &Detail) -> BTreeMap<(Group, &str), &Fact> {
        detail.facts.iter().map(|fact| ((fact.group, fact.key.as_str()), fact)).collect()
    }
    let (old, new) = (index(before), index(after));
    let mut names: Vec<_> = old.keys().chain(new.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let (before, after) = (old.get(&name), new.get(&name));
            let value = |fact: Option<&&Fact>| fact.map(|fact| fact.value.clone());
            (value(before) != value(after)).then(|| Difference {
                group: name.0,
                key: name.1.to_owned(),
                before: value(before),
                after: value(after),
                secret: before.or(after).is_some_and(|fact| fact.secret),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(key: &str, value: &str) -> Fact {
        Fact {
            group: Group::Environment,
            key: key.to_owned(),
            value: Secret::new(value),
            secret: true,
        }
    }

    #[test]
    fn values_stay_masked_until_asked_for() {
        let before = Detail { facts: vec![env("A", "1"), env("B", "x")], hidden: vec![] };
        let after = Detail { facts: vec![env("A", "2"), env("C", "y")], hidden: vec![] };
        let lines: Vec<_> =
            differences(&before, &after).iter().map(|one| one.line(false)).collect();
        assert_eq!(lines, ["A •••• → ••••", "B •••• → (none)", "C (none) → ••••"]);
        assert_eq!(differences(&before, &after)[0].line(true), "A 1 → 2");
        assert!(differences(&before, &before).is_empty());
    }
}
