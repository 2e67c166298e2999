//! The commands that change something, drawn from the table of verbs and from the options that platforms declare.

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args, Command, FromArgMatches};

use super::OperationArgs;
use crate::{
    domain::{OptionKind, OptionSpec, Options, VERBS, Verb, VerbSpec},
    platform::Registry,
};

/// A verb with all that was said with it.
#[derive(Clone, Debug)]
pub struct Operate {
    /// The verb.
    pub verb: Verb,
    /// The app, as it was written.
    pub app: String,
    /// The revision to roll back to, as it was written.
    pub to: Option<String>,
    /// Its options.
    pub options: Options,
    /// Whether to ask and to wait.
    pub operation: OperationArgs,
}

/// The options of a verb on any platform, each with the names of the platforms that have it.
fn options_of(registry: &Registry, verb: Verb) -> Vec<(OptionSpec, Vec<&'static str>)> {
    let mut all: Vec<(OptionSpec, Vec<&'static str>)> = Vec::new();
    for kind in registry.providers().map(crate::platform::Provider::kind) {
        for spec in kind.options(verb) {
            match all.iter_mut().find(|(known, _)| known.name == spec.name) {
                Some((_, platforms)) => platforms.push(kind.name),
                None => all.push((spec, vec![kind.name])),
            }
        }
    }
    all
}

/// The commands of all verbs.
pub(super) fn commands(registry: &Registry) -> impl Iterator<Item = Command> {
    VERBS.iter().map(|spec| command(registry, spec))
}

fn command(registry: &Registry, verb: &VerbSpec) -> Command {
    let app = Arg::new("app").value_name("APP").required(true).index(1).help(super::APP);
    let mut command = Command::new(verb.command).arg(app);
    if verb.verb == Verb::RollBack {
        let help = "The revision to go back to [default: the last good one]";
        command = command
            .arg(Arg::new("to").long("to").visible_alias("revision").value_name("REV").help(help));
    }
    let several = registry.providers().count() > 1;
    let mut artifacts = Vec::new();
    for (spec, platforms) in options_of(registry, verb.verb) {
        let only = if several { format!(" ({})", platforms.join(", ")) } else { String::new() };
        let help = capitalized(spec.hint);
        let mut arg = Arg::new(spec.name);
        // `scale APP N` is what everybody types.
        let bare = verb.verb == Verb::Scale && spec.artifact;
        arg = if bare { arg.index(2).required(true) } else { arg.long(spec.name) };
        arg =
            arg.value_name(spec.value).help(help + &only).value_parser(
                move |value: &str| match spec.kind {
                    // Whether steps make sense is for the platform to say.
                    OptionKind::Percentages => Ok(value.to_owned()),
                    // What a script left unset would be read as nothing said.
                    _ if value.trim().is_empty() => Err(format!("{} is empty", spec.name)),
                    _ => spec.check(value).map(|()| value.to_owned()),
                },
            );
        if spec.kind == OptionKind::Flag {
            arg = arg
                .value_name("yes|no")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("yes");
            arg = arg.hide_possible_values(true);
        }
        if let Some(short) = spec.short {
            arg = arg.short(short);
        }
        if let Some(other) = spec.with {
            arg = arg.requires(other);
        }
        command = command.arg(arg);
        if spec.artifact && !bare {
            artifacts.push(spec.name);
        }
    }
    if !artifacts.is_empty() {
        command = command.group(ArgGroup::new("artifact").args(artifacts).required(true));
    }
    let other = Arg::new("option")
        .long("option")
        .value_name("NAME=VALUE")
        .action(ArgAction::Append)
        .hide(true)
        .help("Any option, by name");
    // The options bring a description of their own with them.
    OperationArgs::augment_args(command.arg(other)).about(capitalized(verb.does)).long_about(None)
}

/// A text as clap's own begin, with a capital.
fn capitalized(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get(..1) {
        text.replace_range(..1, &first.to_uppercase());
    }
    text
}

/// Reads what was said with a verb.
pub(super) fn read(
    registry: &Registry,
    verb: Verb,
    matches: &ArgMatches,
) -> Result<Operate, clap::Error> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let options =
        options_of(registry, verb).into_iter().fold(Options::default(), |all, (spec, _)| {
            all.with(spec.name, &text(spec.name).unwrap_or_default())
        });
    let more = matches.get_many::<String>("option").into_iter().flatten();
    let options = more.fold(options, |all, pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, "yes"));
        all.with(name, value)
    });
    Ok(Operate {
        verb,
        app: text("app").unwrap_or_default(),
        to: if verb == Verb::RollBack { text("to") } else { None },
        options,
        operation: OperationArgs::from_arg_matches(matches)?,
    })
}
