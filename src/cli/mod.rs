//! The command line: its types, and in [`run`] what they lead to.

pub mod completion;
mod operate;
pub mod run;

use std::{collections::BTreeMap, ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{
    Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    builder::PossibleValuesParser, parser::ValueSource,
};

pub use operate::Operate;

use crate::{
    config::{Colour, Column, Flags, Order, ScopeWord, ThemeWord},
    domain::Verb,
    platform::{Provider, Registry, Setting},
    simulator::{SIMULATED, fault},
};

/// How an app is named.
const APP: &str = "Name, SCOPE/NAME or identifier";

/// See every app, watch its rollout, roll it back.
///
/// Without a command the dashboard opens on every login that is found. `revdeck demo` opens it on embedded, simulated
/// platforms, with nothing to install and nothing to break.
///
/// Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 unknown outcome, 5 login needed, 6 unreachable.
#[derive(Debug, Parser)]
#[command(name = "revdeck", version, max_term_width = 100)]
pub struct Cli {
    /// What to do; the dashboard when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where to look, for all commands.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Where to look, once or several times [default: the configured targets, else every login that is found]
    #[arg(long, global = true, value_name = "TARGET")]
    pub target: Vec<String>,
    /// Variables that flags of platforms have set.
    #[arg(skip)]
    pub variables: BTreeMap<String, String>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// The configuration [default: revdeck/config.toml in the configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A setting of the configuration for this run, once or several times: notify.bell=false
    #[arg(long, global = true, value_name = "SECTION.NAME=VALUE")]
    pub set: Vec<String>,
    /// How much to look at
    #[arg(long, global = true, value_enum)]
    pub scope: Option<ScopeWord>,
    /// How the dashboard orders apps
    #[arg(long, global = true, value_enum)]
    pub order: Option<Order>,
    /// The dashboard lists only what is rolling or broken
    #[arg(long, global = true)]
    pub only_active: bool,
    /// Colours: auto follows the terminal and `NO_COLOR`
    #[arg(long, global = true, value_enum)]
    pub color: Option<Colour>,
    /// What the dashboard's colours are made for
    #[arg(long, global = true, value_enum)]
    pub theme: Option<ThemeWord>,
    /// The columns of the list of apps besides name, state and instances
    #[arg(long, global = true, value_enum, value_delimiter = ',')]
    pub columns: Option<Vec<Column>>,
    /// Draw with plain ASCII characters only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// The mouse selects and scrolls on the dashboard
    #[arg(long, global = true)]
    pub mouse: bool,
    /// Never change anything: every operation is refused
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Write nothing into the journal
    #[arg(long, global = true)]
    pub no_journal: bool,
    /// Key table to merge over the built-in one [default: revdeck/keybindings.toml in the configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub keys: Option<PathBuf>,
}

impl Global {
    /// What the flags say of what a configuration may say, too.
    pub fn flags(&self) -> Flags {
        Flags {
            order: self.order,
            scope: self.scope,
            color: self.color,
            theme: self.theme,
            columns: self.columns.clone(),
            only_active: self.only_active,
            ascii: self.ascii,
            mouse: self.mouse,
            read_only: self.read_only,
            keys: self.keys.clone(),
            set: self.set.clone(),
        }
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs; the shapes are described in the README.
    Json,
    /// For people, where a command writes a document; else the same as a table.
    Markdown,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the dashboard on embedded, simulated platforms
    Demo(SimulatorArgs),
    /// Serve a simulated platform on loopback and print one line of JSON that says where
    Simulator {
        /// Which platform
        #[arg(value_parser = PossibleValuesParser::new(SIMULATED.iter().map(|one| one.name)))]
        platform: String,
        /// What it is to be
        #[command(flatten)]
        args: SimulatorArgs,
    },
    /// List apps
    Apps,
    /// List the revisions of an app
    Revisions {
        /// Name, SCOPE/NAME or identifier
        app: String,
    },
    /// Show one app and its rollout
    Status {
        /// Name, SCOPE/NAME or identifier
        app: String,
    },
    /// List the instances of an app, old and new, and say whether the new ones are worse
    Instances {
        /// Name, SCOPE/NAME or identifier
        app: String,
        /// Read again and again for so long before it is judged: 90s, 5m
        #[arg(long = "for", value_name = "TIME")]
        watch: Option<String>,
    },
    /// Print the log of an app
    Logs {
        /// Name, SCOPE/NAME or identifier
        app: String,
        /// Go on with what is written from now on
        #[arg(long, short)]
        follow: bool,
        /// Only of one instance, as `revdeck instances` calls it
        #[arg(long, value_name = "INSTANCE")]
        instance: Option<String>,
        /// Only of one container, where an instance has several
        #[arg(long, value_name = "CONTAINER")]
        container: Option<String>,
        /// Only of the old side of a rollout
        #[arg(long, conflicts_with = "new")]
        old: bool,
        /// Only of the new side of a rollout
        #[arg(long)]
        new: bool,
        /// Of the run before the crash
        #[arg(long, conflicts_with = "follow")]
        previous: bool,
        /// Only from then on: 5m, 2h, or a time
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
    /// Show what differs between two revisions, or what the rollout in progress changes
    Diff {
        /// Name, SCOPE/NAME or identifier
        app: String,
        /// The revision to start from [default: the deployed one]
        #[arg(long, value_name = "REV")]
        from: Option<String>,
        /// The revision to go to [default: the one that the rollout brings, else the one before the deployed one]
        #[arg(long, value_name = "REV")]
        to: Option<String>,
        /// Show the values of environment variables
        #[arg(long)]
        reveal: bool,
    },
    /// Print a line for every change of a rollout, until it ends
    Watch {
        /// Name, SCOPE/NAME or identifier
        app: String,
    },
    /// Follow operations of earlier runs that have no end yet, and send what completes them
    Resume {
        /// Only list them
        #[arg(long)]
        list: bool,
    },
    /// Write the record of an incident: a time line, what was done, and what is not known
    Incident {
        /// Name, SCOPE/NAME or identifier
        app: String,
        /// From then on: 30m, 2h, 7d, or a time
        #[arg(long, value_name = "TIME", default_value = "1h")]
        since: String,
    },
    /// Show what was done, and how it ended
    Journal {
        /// Only of this app
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
        /// Only from then on: 30m, 2h, 7d, or a time
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
    /// Print what completes the command line in a shell
    Completion {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in the notation of man
    Man,
    /// Show which login would be used
    Targets,
    /// Show the key table
    Keys,
    /// Show the configuration in force, and where each value came from
    Config {
        /// Print the shipped one, documented in place, to begin with
        #[arg(long)]
        shipped: bool,
    },
}

/// Options of everything that changes something.
#[derive(Clone, Debug, Args)]
pub struct OperationArgs {
    /// Print the plan and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Do not wait for the end
    #[arg(long)]
    pub no_wait: bool,
    /// Why; in the journal, and with the rollout where the platform keeps it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Options of a simulator.
#[derive(Clone, Debug, Args)]
pub struct SimulatorArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Serve TLS, with a certificate of its own that the login trusts
    #[arg(long)]
    pub tls: bool,
    /// How many simulated seconds pass in a real one
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,
    /// Makes the world repeatable
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// default, quiet, rolling, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "default")]
    pub scenario: String,
    /// Faults, such as latency=300ms,503~5%,reset-after@POST:/#1
    #[arg(long, value_name = "SPEC", default_value = "")]
    pub faults: String,
    /// The version of the API, such as 3.195, where the platform has several
    #[arg(long, value_name = "VERSION")]
    pub api_version: Option<String>,
    /// At least so many apps, each with 100 revisions
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub apps: usize,
}

/// What the command line asks for.
#[derive(Debug)]
pub struct Invocation {
    /// Options of every command.
    pub global: Global,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Open the dashboard.
    Dashboard,
    /// Change something.
    Operate(Operate),
    /// One of the other commands.
    Command(Command),
}

impl Action {
    /// Whether platforms are simulated in this process.
    pub fn simulates(&self) -> bool {
        matches!(self, Self::Command(Command::Demo(_) | Command::Simulator { .. }))
    }
}

/// The settings of all platforms that have a flag.
fn flags(registry: &Registry) -> impl Iterator<Item = (&'static str, &'static Setting)> {
    let settings = registry.providers().flat_map(Provider::settings);
    settings.filter_map(|setting| Some((setting.flag?, setting)))
}

/// Says which kinds of faults there are, those of every simulator and those of one alone.
fn faults_help(faults: Arg) -> Arg {
    let short = faults.get_help().map(ToString::to_string).unwrap_or_default();
    let own = SIMULATED.iter().map(|one| format!("{} also {}", one.name, one.faults));
    let own: Vec<_> = own.collect();
    faults.long_help(format!(
        "{short}\n\nComma-separated `KIND[=VALUE][~PERCENT%][@METHOD:/PATH][#COUNT]`; kinds are {}; {}",
        fault::KINDS,
        own.join("; ")
    ))
}

/// The whole command line, with the verbs, options and flags of these platforms.
pub fn command(registry: &Registry) -> clap::Command {
    let usage = registry.usage();
    let mut command = Cli::command().mut_arg("target", |arg| {
        arg.help(format!(
            "Where to look, once or several times: {usage}, or the name of a configured target [default: those of the configuration, else every login that is found]"
        ))
    });
    for (flag, setting) in flags(registry) {
        let arg = Arg::new(flag).long(flag).value_name(setting.value);
        let help = format!("{} [env: {}]", setting.help, setting.variable);
        command = command.arg(arg.help(help).global(true));
    }
    command = command.subcommands(operate::commands(registry));
    for name in ["demo", "simulator"] {
        command = command.mut_subcommand(name, |one| one.mut_arg("faults", faults_help));
    }
    // Names of apps are completed from what was read last.
    command.mut_subcommands(|one| {
        let takes_an_app = one.get_arguments().any(|arg| arg.get_id() == "app");
        if takes_an_app { one.mut_arg("app", |arg| arg.add(completion::apps())) } else { one }
    })
}

/// Reads a command line.
///
/// # Errors
/// What clap says of it; help and version come as errors, too.
pub fn parse(
    registry: &Registry,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Invocation, clap::Error> {
    let matches = command(registry).try_get_matches_from(words)?;
    let mut global = Global::from_arg_matches(&matches)?;
    for (flag, setting) in flags(registry) {
        if matches.value_source(flag) == Some(ValueSource::CommandLine)
            && let Some(value) = matches.get_one::<String>(flag)
        {
            global.variables.insert(setting.variable.to_owned(), value.clone());
        }
    }
    let action = match matches.subcommand() {
        None => Action::Dashboard,
        Some((name, inner)) => match Verb::of_command(name) {
            Some(verb) => Action::Operate(operate::read(registry, verb, inner)?),
            None => Action::Command(Command::from_arg_matches(&matches)?),
        },
    };
    Ok(Invocation { global, action })
}
