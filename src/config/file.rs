//! `config.toml`: the targets, and how the dashboard starts. What one run wants otherwise is said by `--set`, and much of it
//! by a flag of its own.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use serde::Deserialize;
use toml::Spanned;

use super::{
    notify::{self, NotifySettings},
    source::{ConfigError, ConfigText, Origin, Row, Setting},
    theme::{self, ThemeSettings},
    verdict::{self, VerdictSettings},
    words::{Colour, Column, Order, ScopeWord, ThemeWord},
};
use crate::{
    domain::TargetId,
    platform::{Registry, TargetSpec},
};

/// The shipped configuration: every setting with its default, documented in place.
pub const SHIPPED: &str = include_str!("../../assets/config.toml");

/// What flags of a run say; `None` and `false` say nothing.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--order`
    pub order: Option<Order>,
    /// `--scope`
    pub scope: Option<ScopeWord>,
    /// `--color`
    pub color: Option<Colour>,
    /// `--theme`
    pub theme: Option<ThemeWord>,
    /// `--columns`
    pub columns: Option<Vec<Column>>,
    /// `--only-active`
    pub only_active: bool,
    /// `--ascii`
    pub ascii: bool,
    /// `--mouse`
    pub mouse: bool,
    /// `--read-only`
    pub read_only: bool,
    /// `--keys`
    pub keys: Option<PathBuf>,
    /// `--set`, each as `SECTION.NAME=VALUE`
    pub set: Vec<String>,
}

/// The configuration of a run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read, if there is one.
    pub file: Option<PathBuf>,
    /// How the apps are ordered.
    pub order: Setting<Order>,
    /// How much is looked at.
    pub scope: Setting<ScopeWord>,
    /// Whether only what is rolling or broken is listed.
    pub only_active: Setting<bool>,
    /// Whether colours are used.
    pub color: Setting<Colour>,
    /// What the colours are made for.
    pub theme: Setting<ThemeWord>,
    /// The columns of the list of apps, besides name, state and instances.
    pub columns: Setting<Vec<Column>>,
    /// Whether plain ASCII characters are drawn only.
    pub ascii: Setting<bool>,
    /// Whether the mouse selects and scrolls.
    pub mouse: Setting<bool>,
    /// Whether every operation is refused.
    pub read_only: Setting<bool>,
    /// Another key table than the usual one.
    pub keys: Setting<Option<PathBuf>>,
    /// From where on new instances count as worse than old ones.
    pub verdict: VerdictSettings,
    /// How somebody is told who looks elsewhere.
    pub notify: NotifySettings,
    /// Colours of one's own.
    pub colours: ThemeSettings,
    /// The targets, in order.
    pub targets: Vec<Setting<TargetSpec>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    dashboard: Dashboard,
    #[serde(default)]
    verdict: verdict::Table,
    #[serde(default)]
    notify: notify::Table,
    #[serde(default)]
    theme: theme::Table,
    #[serde(default)]
    target: Vec<Spanned<Entry>>,
}

/// What a `[[target]]` says.
type Entry = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Dashboard {
    order: Option<Spanned<String>>,
    scope: Option<Spanned<String>>,
    only_active: Option<Spanned<bool>>,
    color: Option<Spanned<String>>,
    theme: Option<Spanned<String>>,
    columns: Option<Spanned<Vec<Spanned<String>>>>,
    ascii: Option<Spanned<bool>>,
    mouse: Option<Spanned<bool>>,
    read_only: Option<Spanned<bool>>,
    keys: Option<Spanned<PathBuf>>,
}

fn or_flag<T>(setting: Setting<T>, flag: Option<T>, name: &'static str) -> Setting<T> {
    match flag {
        Some(value) => Setting { value, origin: Origin::Flag(name) },
        None => setting,
    }
}

impl Config {
    /// Reads a configuration. `named` is a file that must exist; `usual` one that may.
    ///
    /// # Errors
    /// One sentence with the file and the line.
    pub fn read(
        named: Option<&Path>,
        usual: Option<&Path>,
        registry: &Registry,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let Some(file) = named.or(usual) else { return Self::parse(None, registry, flags) };
        match fs::read_to_string(file) {
            Ok(text) => Self::parse(Some((file, &text)), registry, flags),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Self::parse(None, registry, flags)
            }
            Err(error) => Err(ConfigError::Unreadable {
                file: file.display().to_string(),
                why: error.to_string(),
            }),
        }
    }

    fn parse(
        file: Option<(&Path, &str)>,
        registry: &Registry,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let name = file.map(|(file, _)| file.display().to_string()).unwrap_or_default();
        let text = file.map(|(_, text)| text).unwrap_or_default();
        let source = ConfigText::new(&name, text, &flags.set)?;
        let parsed: File = source.read()?;
        let own = parsed.dashboard;
        let keys = own.keys.as_ref().filter(|keys| !keys.get_ref().as_os_str().is_empty());
        let keys = keys.map(|keys| Setting {
            value: Some(keys.get_ref().clone()),
            origin: source.origin(keys.span().start),
        });
        let keys = keys.unwrap_or(Setting { value: None, origin: Origin::Default });
        let on = |flag: bool| flag.then_some(true);
        Ok(Self {
            file: file.map(|(file, _)| file.to_owned()),
            order: or_flag(
                source.word("order", own.order.as_ref(), Order::Need)?,
                flags.order,
                "--order",
            ),
            scope: or_flag(
                source.word("scope", own.scope.as_ref(), ScopeWord::Home)?,
                flags.scope,
                "--scope",
            ),
            only_active: or_flag(
                source.setting(own.only_active.as_ref(), false),
                on(flags.only_active),
                "--only-active",
            ),
            color: or_flag(
                source.word("color", own.color.as_ref(), Colour::Auto)?,
                flags.color,
                "--color",
            ),
            theme: or_flag(
                source.word("theme", own.theme.as_ref(), ThemeWord::Auto)?,
                flags.theme,
                "--theme",
            ),
            columns: or_flag(
                source.words("columns", own.columns.as_ref())?,
                flags.columns.clone(),
                "--columns",
            ),
            ascii: or_flag(source.setting(own.ascii.as_ref(), false), on(flags.ascii), "--ascii"),
            mouse: or_flag(source.setting(own.mouse.as_ref(), false), on(flags.mouse), "--mouse"),
            read_only: or_flag(
                source.setting(own.read_only.as_ref(), false),
                on(flags.read_only),
                "--read-only",
            ),
            keys: or_flag(keys, flags.keys.clone().map(Some), "--keys"),
            verdict: VerdictSettings::read(&source, &parsed.verdict)?,
            notify: NotifySettings::read(&source, &parsed.notify)?,
            colours: ThemeSettings::read(&source, &parsed.theme)?,
            targets: targets(&source, registry, parsed.target)?,
        })
    }
}

fn targets(
    source: &ConfigText<'_>,
    registry: &Registry,
    entries: Vec<Spanned<Entry>>,
) -> Result<Vec<Setting<TargetSpec>>, ConfigError> {
    let mut targets: Vec<Setting<TargetSpec>> = Vec::new();
    for entry in entries {
        let start = entry.span().start;
        let entry = entry.into_inner();
        let entry = texts(source, &entry)?;
        let field = |name: &str| {
            let found = entry.iter().find(|(key, _)| key.get_ref() == name);
            found.map(|(_, (at, value))| (*at, value.as_str()))
        };
        let Some((at, platform)) = field("platform") else {
            return Err(source.wrong(start, "this target says no platform"));
        };
        let Some(provider) = registry.provider(platform) else {
            let known: Vec<_> = registry.providers().map(|one| one.kind().name).collect();
            let text =
                format!("no platform {platform:?} in this revdeck: it has {}", known.join(", "));
            return Err(source.wrong(at, text));
        };
        let location = field("location");
        if let Some((at, location)) = location {
            provider.check_location(location).map_err(|why| source.wrong(at, why))?;
        }
        let mut spec = provider.spec(location.map(|(_, text)| text));
        if let Some((at, name)) = field("name") {
            check_name(registry, name).map_err(|why| source.wrong(at, why))?;
            spec.id = TargetId::new(name);
        }
        for (key, value) in &entry {
            if matches!(key.get_ref().as_str(), "name" | "platform" | "location") {
                continue;
            }
            let setting = provider.settings().iter().find(|one| one.name == key.get_ref());
            let Some(setting) = setting else {
                let own: Vec<_> = provider.settings().iter().map(|one| one.name).collect();
                return Err(source.wrong(
                    key.span().start,
                    format!(
                        "there is no {:?} in a target of {}: it has name, platform, location, {}",
                        key.get_ref(),
                        provider.kind().name,
                        own.join(", ")
                    ),
                ));
            };
            let (at, value) = value;
            provider.check_setting(setting.name, value).map_err(|why| source.wrong(*at, why))?;
            spec.variables.insert(setting.variable.to_owned(), value.clone());
        }
        let line = source.line(start);
        if let Some(twin) = targets.iter().find(|one| one.value.id == spec.id) {
            let first = match twin.origin {
                Origin::File(line) => line,
                _ => 0,
            };
            let text =
                format!("the target {:?} is named twice, first in line {first}", spec.id.as_str());
            return Err(source.wrong(start, text));
        }
        targets.push(Setting { value: spec, origin: Origin::File(line) });
    }
    Ok(targets)
}

/// What an entry says, by key: where it stands, and the text.
fn texts<'a>(
    source: &ConfigText<'_>,
    entry: &'a Entry,
) -> Result<BTreeMap<&'a Spanned<String>, (usize, String)>, ConfigError> {
    let text = |(key, value): (&'a Spanned<String>, &Spanned<toml::Value>)| {
        let at = value.span().start;
        let text = match value.get_ref() {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            _ => return Err(source.wrong(at, format!("{} is no text in quotes", key.get_ref()))),
        };
        Ok((key, (at, text)))
    };
    entry.iter().map(text).collect()
}

/// A name stands on screen, and in `--target` beside what platforms read there.
fn check_name(registry: &Registry, name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(format!("{name:?} is no name for a target"));
    }
    let first = name.split(':').next().unwrap_or_default();
    if registry.provider(first).is_some() {
        return Err(format!(
            "{name:?} is what a platform is called in --target: take another name"
        ));
    }
    Ok(())
}

fn word<T: ValueEnum>(value: &T) -> String {
    value.to_possible_value().map(|word| word.get_name().to_owned()).unwrap_or_default()
}

impl Config {
    /// Every section with its settings, in the order of the shipped configuration: name, value in TOML, and where it came
    /// from.
    pub fn sections(&self) -> [(&'static str, Vec<Row<'_>>); 4] {
        [
            ("dashboard", self.dashboard()),
            ("verdict", self.verdict.settings()),
            ("notify", self.notify.settings()),
            ("theme", self.colours.settings()),
        ]
    }

    fn dashboard(&self) -> Vec<Row<'_>> {
        let quoted = |text: String| format!("{text:?}");
        let keys = self.keys.value.as_ref().map(|file| file.display().to_string());
        let columns: Vec<_> = self.columns.value.iter().map(word).collect();
        vec![
            ("order", quoted(word(&self.order.value)), &self.order.origin),
            ("scope", quoted(word(&self.scope.value)), &self.scope.origin),
            ("only-active", self.only_active.value.to_string(), &self.only_active.origin),
            ("color", quoted(word(&self.color.value)), &self.color.origin),
            ("theme", quoted(word(&self.theme.value)), &self.theme.origin),
            ("columns", format!("{columns:?}"), &self.columns.origin),
            ("ascii", self.ascii.value.to_string(), &self.ascii.origin),
            ("mouse", self.mouse.value.to_string(), &self.mouse.origin),
            ("read-only", self.read_only.value.to_string(), &self.read_only.origin),
            ("keys", quoted(keys.unwrap_or_default()), &self.keys.origin),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let registry = Registry::built_in();
        Config::parse(Some((Path::new("config.toml"), text)), &registry, &Flags::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_shipped_configuration_is_the_defaults() {
        let shipped = read(SHIPPED).unwrap();
        let registry = Registry::built_in();
        let none = Config::parse(None, &registry, &Flags::default()).unwrap();
        let values = |config: &Config| {
            let settings = config.sections().into_iter().flat_map(|(_, settings)| settings);
            settings.map(|(name, value, _)| (name, value)).collect::<Vec<_>>()
        };
        assert_eq!(values(&shipped), values(&none));
        for (name, _) in values(&none) {
            assert!(SHIPPED.contains(&format!("{name} = ")), "{name} is not documented");
        }
        // What stands in comments is an example that works, too.
        let example: String = SHIPPED
            .lines()
            .map(|line| line.strip_prefix("#| ").unwrap_or(line).to_owned() + "\n")
            .collect();
        assert!(!read(&example).unwrap().targets.is_empty());
    }

    #[test]
    fn mistakes_stop_the_start_with_their_line() {
        for (text, said) in [
            (
                "[dashboard]\n\norder = \"size\"\n",
                "config.toml, line 3: order is none of need, name, scope: \"size\"",
            ),
            (
                "[dashboard]\ncolumns = [\"scope\",\n  \"size\"]\n",
                "config.toml, line 3: columns is none of scope, revision, changed: \"size\"",
            ),
            ("[dashboard]\nasci = true\n", "config.toml, line 2: unknown field `asci`"),
            (
                "[verdict]\ncpu = \"much\"\n",
                "config.toml, line 2: cpu in [verdict] is not a number, from 0 on",
            ),
            (
                "[verdict]\nsamples = 1.5\n",
                "config.toml, line 2: samples in [verdict] is not a whole",
            ),
            (
                "[verdict]\nmoon = 1\n",
                "config.toml, line 2: there is no \"moon\" in [verdict]: it has",
            ),
            (
                "[dashboard]\ntheme = \"solarized\"\n",
                "config.toml, line 2: theme is none of auto, dark, light, terminal, high-contrast, colour-blind: \"solarized\"",
            ),
            (
                "[theme]\n\nbad = \"reddish\"\n",
                "config.toml, line 3: bad in [theme] is no colour: \"reddish\"; use a name",
            ),
            (
                "[theme]\nbad = 200\ngood = 256\n",
                "config.toml, line 3: good in [theme] is no colour: \"256\"",
            ),
            ("[theme]\nbad = true\n", "config.toml, line 2: bad in [theme] is no text in quotes"),
            ("[dashboard]\nascii = 1\n", "config.toml, line 2: "),
            (
                "[[target]]\nplatform = \"cf\"\nname = true\n",
                "config.toml, line 3: name is no text in quotes",
            ),
            (
                "[[target]]\nplatform = \"cf\"\nname = \"\"\n",
                "config.toml, line 3: \"\" is no name for a target",
            ),
            (
                "[[target]]\nplatform = \"cf\"\nname = \"cf:eu\"\n",
                "config.toml, line 3: \"cf:eu\" is what a platform is called in --target",
            ),
            ("[[target]]\nname = \"a\"\n", "config.toml, line 1: this target says no platform"),
            (
                "[[target]]\nplatform = \"heroku\"\n",
                "config.toml, line 2: no platform \"heroku\" in this revdeck: it has cloud-foundry",
            ),
            (
                "[[target]]\nplatform = \"cf\"\nregion = \"x\"\n",
                "config.toml, line 3: there is no \"region\" in a target of cloud-foundry: it has name, platform, location, home",
            ),
            (
                "[[target]]\nplatform = \"cf\"\n\n[[target]]\nplatform = \"cf\"\n",
                "config.toml, line 4: the target \"cloud-foundry\" is named twice, first in line 1",
            ),
            (
                "[[target]]\nplatform = \"cf\"\nlocation = \"a/b/c\"\n",
                "config.toml, line 3: \"a/b/c\" is no ORG or ORG/SPACE",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(said), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let registry = Registry::built_in();
        let flags = Flags { order: Some(Order::Name), ascii: true, ..Flags::default() };
        let text = "[dashboard]\norder = \"scope\"\nread-only = true\n";
        let config =
            Config::parse(Some((Path::new("config.toml"), text)), &registry, &flags).unwrap();
        assert_eq!(config.order, Setting { value: Order::Name, origin: Origin::Flag("--order") });
        assert_eq!(config.read_only, Setting { value: true, origin: Origin::File(3) });
        assert_eq!(config.only_active.origin, Origin::Default);
    }

    #[test]
    fn what_is_set_for_one_run_wins_over_the_file_and_not_over_a_flag() {
        let text = "[dashboard]\nascii = true\norder = \"scope\"\ncolumns = [\"scope\"]\n";
        let with = |set: &[&str], flags: Flags| {
            let set = set.iter().map(|one| (*one).to_owned()).collect();
            let file = Some((Path::new("config.toml"), text));
            Config::parse(file, &Registry::built_in(), &Flags { set, ..flags })
                .map_err(|error| error.to_string())
        };
        let set = [
            "dashboard.ascii=false",
            "dashboard.order = name",
            "notify.bell = false",
            "notify.message=9",
        ];
        let config = with(&set, Flags::default()).unwrap();
        let said = Origin::Flag("--set");
        assert_eq!(config.ascii, Setting { value: false, origin: said.clone() });
        assert_eq!(config.order, Setting { value: Order::Name, origin: said.clone() });
        assert_eq!(config.columns.origin, Origin::File(4));
        assert!(config.notify.settings().contains(&("bell", "false".to_owned(), &said)));
        assert!(config.notify.settings().contains(&("message", "\"9\"".to_owned(), &said)));
        let flags = Flags { order: Some(Order::Need), ..Flags::default() };
        assert_eq!(with(&set, flags).unwrap().order.origin, Origin::Flag("--order"));

        for (set, said) in [
            ("ascii", "--set ascii: it is SECTION.NAME=VALUE, such as notify.bell=false"),
            ("dashboard.asci=true", "--set dashboard.asci=true: unknown field `asci`"),
            ("ascii=true", "--set ascii=true: it is SECTION.NAME=VALUE, such as"),
            ("sound.bell=true", "--set sound.bell=true: unknown field `sound`"),
            ("dashboard.order=size", "--set dashboard.order=size: order is none of need, name"),
            ("dashboard.columns=[\"size\"]", "--set dashboard.columns=[\"size\"]: columns is none"),
            ("dashboard.ascii=maybe", "--set dashboard.ascii=maybe: invalid type: string"),
            (
                "verdict.samples=1.5",
                "--set verdict.samples=1.5: samples in [verdict] is not a whole",
            ),
            ("theme.bad=reddish", "--set theme.bad=reddish: bad in [theme] is no colour"),
            ("dashboard=", "--set dashboard=: it is SECTION.NAME=VALUE"),
            ("dashboard.ascii=1", "--set dashboard.ascii=1: invalid type: "),
            ("\"target\".name=a", "--set \"target\".name=a: a target is said with --target"),
            ("=", "--set =: "),
            ("a b=1", "--set a b=1: it is SECTION.NAME=VALUE"),
            ("a b.c=1", "--set a b.c=1: "),
            ("target.name=a", "--set target.name=a: a target is said with --target"),
        ] {
            // One that is well stands before it.
            let error = with(&["theme.good=7", set], Flags::default()).unwrap_err();
            assert!(error.starts_with(said), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[cfg(feature = "gitops")]
    #[test]
    fn the_settings_of_a_target_are_checked() {
        for (setting, said) in [
            (
                "push = \"whenever\"",
                "push = \"whenever\" is neither \"direct\" nor \"pull-request\"",
            ),
            (
                "forge = \"gitub\"",
                "forge = \"gitub\" is none of github, gitlab, gitea, forgejo or none",
            ),
            ("patience = \"soon\"", "patience = \"soon\" is no number of seconds, from 1 on"),
            ("patience = 0", "patience = \"0\" is no number of seconds, from 1 on"),
            ("forge-api = \"notaurl\"", "forge-api = \"notaurl\" is no address"),
        ] {
            let error =
                read(&format!("[[target]]\nplatform = \"gitops\"\n{setting}\n")).unwrap_err();
            assert!(error.starts_with(&format!("config.toml, line 3: {said}")), "{error}");
        }
        // What is empty is not said, and a number may be one.
        assert!(read("[[target]]\nplatform = \"gitops\"\nforge = \"\"\npatience = 30\n").is_ok());
    }
}
