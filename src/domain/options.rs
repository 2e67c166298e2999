//! Options of an operation: an adapter declares those that its platform has, with what they take.

use std::collections::BTreeMap;

use super::Verb;

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// A whole number of at least this.
    Number(u32),
    /// Percentages from 1 to 100 in ascending order, with commas between them.
    Percentages,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Nothing on the command line; `yes` or `no` in a form.
    Flag,
}

/// One option of a verb, as an adapter declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name, on the command line and in forms, such as `max-in-flight`.
    pub name: &'static str,
    /// Its one-letter name on the command line.
    pub short: Option<char>,
    /// What its value is called in help, such as `DIR`.
    pub value: &'static str,
    /// What it is for, in one line.
    pub hint: &'static str,
    /// What it takes.
    pub kind: OptionKind,
    /// Whether it names what is deployed; exactly one such option is given.
    pub artifact: bool,
    /// The option without which it says nothing.
    pub with: Option<&'static str>,
}

impl OptionSpec {
    /// An option that is said or not.
    pub const fn flag(name: &'static str, hint: &'static str) -> Self {
        Self {
            name,
            short: None,
            value: "yes|no",
            hint,
            kind: OptionKind::Flag,
            artifact: false,
            with: None,
        }
    }

    /// What is wrong with a value, in one sentence.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let name = self.name;
        match self.kind {
            OptionKind::Text => Ok(()),
            OptionKind::Number(least) => match value.parse::<u32>() {
                Ok(number) if number >= least => Ok(()),
                Ok(_) => Err(format!("{name} must be at least {least}")),
                Err(_) => Err(format!("{name}: {value:?} is no number")),
            },
            OptionKind::Percentages => {
                let steps: Result<Vec<u32>, _> =
                    value.split(',').map(|step| step.trim().parse()).collect();
                match steps {
                    Ok(steps)
                        if steps.iter().all(|step| (1..=100).contains(step))
                            && steps.is_sorted() =>
                    {
                        Ok(())
                    }
                    _ => Err(format!(
                        "{name} must be percentages from 1 to 100 in ascending order, such as 10,50,100"
                    )),
                }
            }
            OptionKind::Flag if ["yes", "no"].contains(&value) => Ok(()),
            OptionKind::Flag => Err(format!("{name}: {value:?} is neither yes nor no")),
            OptionKind::Choice(words) if words.contains(&value) => Ok(()),
            OptionKind::Choice(words) => {
                Err(format!("{name}: {value:?} is none of {}", words.join(", ")))
            }
        }
    }
}

/// To how many instances an app is scaled.
pub const SCALE_TO: OptionSpec = OptionSpec {
    name: "instances",
    short: None,
    value: "N",
    hint: "how many instances there shall be",
    kind: OptionKind::Number(0),
    artifact: true,
    with: None,
};
/// With how many instances an app is started that was stopped by having none.
pub const START_WITH: OptionSpec = OptionSpec {
    hint: "how many instances there shall be; as many as before it was stopped if not said",
    kind: OptionKind::Number(1),
    artifact: false,
    ..SCALE_TO
};
/// The image that is deployed, where an app has one or several containers.
pub const IMAGE: OptionSpec = OptionSpec {
    name: "image",
    short: None,
    value: "IMAGE",
    hint: "an image, or CONTAINER=IMAGE where there are several containers",
    kind: OptionKind::Text,
    artifact: true,
    with: None,
};
/// The one instance that is restarted.
pub const INSTANCE: OptionSpec = OptionSpec {
    name: "instance",
    short: None,
    value: "INSTANCE",
    hint: "one instance instead of all, as `revdeck instances` calls it",
    kind: OptionKind::Text,
    artifact: false,
    with: None,
};

/// The options that one or more verbs of a platform take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerbOptions {
    /// The verbs.
    pub verbs: &'static [Verb],
    /// Their options, in the order of the form.
    pub options: &'static [OptionSpec],
}

/// Options with their values, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// The same with one more; an empty value is no value.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !value.trim().is_empty() {
            self.0.insert(name.to_owned(), value.trim().to_owned());
        }
        self
    }

    /// The value of an option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("yes")
    }

    /// The value of a number; `None` where it is not given.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.get(name)?.parse().ok()
    }

    /// The value of percentages; empty where they are not given.
    pub fn percentages(&self, name: &str) -> Vec<u32> {
        let value = self.get(name).unwrap_or_default();
        value.split(',').filter_map(|step| step.trim().parse().ok()).collect()
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What is wrong with these options for a verb of a platform: one that it does not have is refused by name, never
    /// ignored.
    pub fn check(&self, platform: &str, verb: Verb, specs: &[OptionSpec]) -> Result<(), String> {
        for (name, value) in self.iter() {
            let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
                let known: Vec<_> = specs.iter().map(|spec| spec.name).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(format!(
                    "{platform} has no option {name:?} for {}; it has {known}",
                    verb.words()
                ));
            };
            spec.check(value)?;
            if let Some(other) = spec.with.filter(|other| self.get(other).is_none()) {
                return Err(format!("{name} goes with {other}: say both"));
            }
        }
        let artifacts: Vec<_> = specs.iter().filter(|spec| spec.artifact).collect();
        let given = artifacts.iter().filter(|spec| self.get(spec.name).is_some()).count();
        if artifacts.is_empty() || given == 1 {
            return Ok(());
        }
        let names: Vec<_> = artifacts.iter().map(|spec| spec.name).collect();
        Err(format!("say what to {}: one of {}", verb.words(), names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: OptionSpec = OptionSpec {
        name: "image",
        short: None,
        value: "IMAGE",
        hint: "an image",
        kind: OptionKind::Text,
        artifact: true,
        with: None,
    };
    const STEPS: OptionSpec =
        OptionSpec { name: "steps", kind: OptionKind::Percentages, artifact: false, ..IMAGE };

    #[test]
    fn what_a_platform_does_not_have_is_refused_by_name() {
        let options = Options::default().with("image", "web:2").with("strategy", "canary");
        let wrong = options.check("toy", Verb::Deploy, &[IMAGE]).unwrap_err();
        assert_eq!(wrong, "toy has no option \"strategy\" for deploy; it has image");
        let wrong = options.check("toy", Verb::Restart, &[]).unwrap_err();
        assert_eq!(wrong, "toy has no option \"image\" for restart; it has none");
    }

    #[test]
    fn values_are_checked_and_an_artifact_is_wanted() {
        let steps = |value: &str| {
            let options = Options::default().with("image", "web:2").with("steps", value);
            options.check("toy", Verb::Deploy, &[IMAGE, STEPS])
        };
        assert_eq!(steps("10,50, 100"), Ok(()));
        assert_eq!(steps(" "), Ok(()), "an empty field is none");
        assert!(steps("50,10").is_err() && steps("0").is_err() && steps("ten").is_err());
        let nothing = Options::default().check("toy", Verb::Deploy, &[IMAGE, STEPS]).unwrap_err();
        assert_eq!(nothing, "say what to deploy: one of image");
    }
}
