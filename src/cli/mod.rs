//! The command line: its types, and in [`run`] what they lead to.

pub mod run;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// See every app, watch its rollout, roll it back.
///
/// Without a command the dashboard opens on the login of the cf CLI. `revdeck demo` opens it on an embedded
/// foundation, with nothing to install and nothing to break.
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
    /// Where to look, once or several times: cloud-foundry[:ORG[/SPACE]], kubernetes[:CONTEXT[/NAMESPACE]]
    /// [default: every login that is found]
    #[arg(long, global = true, value_name = "TARGET", value_parser = target)]
    pub target: Vec<TargetSpec>,
    /// The directory that holds the cf CLI's .cf/config.json
    #[arg(long, global = true, env = "CF_HOME", value_name = "DIR")]
    pub cf_home: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Colours: auto follows the terminal and `NO_COLOR`
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
    /// Draw with plain ASCII characters only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Never change anything: every operation is refused
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Key table to merge over the built-in one [default: revdeck/keybindings.toml in the configuration directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub keys: Option<PathBuf>,
}

/// A target as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSpec {
    /// The login of the cf CLI.
    CloudFoundry {
        /// Another organization than the session's, by name.
        org: Option<String>,
        /// Another space than the session's, by name.
        space: Option<String>,
    },
    /// A context of the kubeconfig.
    Kubernetes {
        /// Another context than the current one.
        context: Option<String>,
        /// Another namespace than the context's.
        namespace: Option<String>,
    },
}

fn target(text: &str) -> Result<TargetSpec, String> {
    let (kind, rest) = match text.split_once(':') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (text, None),
    };
    let (first, second) = match rest.map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some(("", _)) => return Err("there is nothing after the colon".to_owned()),
        Some((first, second)) => {
            (Some(first.to_owned()), Some(second.to_owned()).filter(|second| !second.is_empty()))
        }
        None => (None, None),
    };
    match kind {
        "cloud-foundry" | "cf" => Ok(TargetSpec::CloudFoundry { org: first, space: second }),
        "kubernetes" | "k8s" => {
            // The names of contexts on EKS hold colons and slashes: the last part is the namespace.
            let (context, namespace) = match rest.and_then(|rest| rest.rsplit_once('/')) {
                Some((context, namespace)) if !context.starts_with("arn:") => {
                    (Some(context.to_owned()), Some(namespace.to_owned()))
                }
                _ => (rest.map(str::to_owned), None),
            };
            Ok(TargetSpec::Kubernetes { context, namespace })
        }
        _ => Err("use cloud-foundry[:ORG[/SPACE]] or kubernetes[:CONTEXT[/NAMESPACE]]".to_owned()),
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs; the shapes are described in the README.
    Json,
}

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// As the terminal and `NO_COLOR` say.
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the dashboard on an embedded, simulated foundation
    Demo(SimulatorArgs),
    /// Serve a simulated platform on loopback and print one line of JSON that says where
    #[command(subcommand)]
    Simulator(SimulatorCommand),
    /// List apps
    Apps {
        /// How much to look at
        #[arg(long, value_enum, default_value_t = ScopeArg::Home)]
        scope: ScopeArg,
    },
    /// List the revisions of an app
    Revisions {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
    },
    /// Show one app and its rollout
    Status {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
    },
    /// Show what differs between two revisions
    Diff {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
        /// The revision to start from [default: the deployed one]
        #[arg(long, value_name = "REV")]
        from: Option<String>,
        /// The revision to go to
        #[arg(long, value_name = "REV")]
        to: String,
        /// Show the values of environment variables
        #[arg(long)]
        reveal: bool,
    },
    /// Roll back to the last good revision, or to a given one
    Rollback {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
        /// The revision to go back to [default: the last good one]
        #[arg(long, value_name = "REV")]
        to: Option<String>,
        /// How the rollout proceeds
        #[command(flatten)]
        manner: MannerArgs,
        /// Whether to ask and to wait
        #[command(flatten)]
        operation: OperationArgs,
    },
    /// Deploy a directory, an existing droplet or an image
    #[command(group = clap::ArgGroup::new("source").required(true))]
    Deploy {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
        /// A directory to upload and stage
        #[arg(long, value_name = "DIR", group = "source")]
        path: Option<PathBuf>,
        /// An existing droplet, by GUID
        #[arg(long, value_name = "GUID", group = "source")]
        droplet: Option<String>,
        /// A container image
        #[arg(long, value_name = "IMAGE", group = "source")]
        image: Option<String>,
        /// How the rollout proceeds
        #[command(flatten)]
        manner: MannerArgs,
        /// Whether to ask and to wait
        #[command(flatten)]
        operation: OperationArgs,
    },
    /// Cancel the rollout in progress
    Cancel {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
        /// Whether to ask and to wait
        #[command(flatten)]
        operation: OperationArgs,
    },
    /// Let a rollout that waits go on
    Continue {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
        /// Whether to ask and to wait
        #[command(flatten)]
        operation: OperationArgs,
    },
    /// Hold a rollout where it is, where the platform can
    Pause {
        /// Name, NAMESPACE/NAME or UID
        app: String,
        /// Whether to ask and to wait
        #[command(flatten)]
        operation: OperationArgs,
    },
    /// Replace all instances, rolling
    Restart {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
        /// How the rollout proceeds
        #[command(flatten)]
        manner: MannerArgs,
        /// Whether to ask and to wait
        #[command(flatten)]
        operation: OperationArgs,
    },
    /// Have the platform keep revisions of an app
    EnableRevisions {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
        /// Whether to ask and to wait
        #[command(flatten)]
        operation: OperationArgs,
    },
    /// Print a line for every change of a rollout, until it ends
    Watch {
        /// Name, ORG/SPACE/NAME or GUID
        app: String,
    },
    /// Show which login would be used
    Targets,
    /// Show the key table
    Keys,
}

/// How a rollout proceeds.
#[derive(Clone, Debug, Default, Args)]
pub struct MannerArgs {
    /// How the rollout proceeds
    #[arg(long, value_enum, default_value_t = StrategyArg::Rolling)]
    pub strategy: StrategyArg,
    /// Canary steps in per cent of the instances, such as 10,50,100
    #[arg(long, value_delimiter = ',', value_name = "PERCENT")]
    pub instance_steps: Vec<u32>,
    /// How many instances may be on their way at a time
    #[arg(long, value_name = "N")]
    pub max_in_flight: Option<u32>,
    /// How many instances there shall be at the end
    #[arg(short, long, value_name = "N")]
    pub instances: Option<u32>,
}

/// How a rollout proceeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StrategyArg {
    /// Instance by instance.
    #[default]
    Rolling,
    /// In steps.
    Canary,
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

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScopeArg {
    /// The targeted space.
    Home,
    /// The targeted organization.
    Org,
    /// All that the login may see.
    All,
}

/// Platforms that can be simulated.
#[derive(Debug, Subcommand)]
pub enum SimulatorCommand {
    /// Cloud Foundry: API v3, UAA and log-cache
    CloudFoundry(SimulatorArgs),
    /// Kubernetes: workloads, their rollouts, and the controllers behind them
    Kubernetes(SimulatorArgs),
}

/// Options of a simulator.
#[derive(Clone, Debug, Args)]
pub struct SimulatorArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// How many simulated seconds pass in a real one
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,
    /// Makes the world repeatable
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// default, quiet, rolling, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "default")]
    pub scenario: String,
    /// Faults, such as latency=300ms,503~5%,reset-after@POST:/v3/deployments#1
    ///
    /// Comma-separated KIND[=VALUE][~PERCENT%][@<METHOD:/path>][#COUNT]; kinds are latency=TIME, hang, reset-before,
    /// reset-after, truncate, html, html-502, 429=TIME, token=TIME, limit=N, and any status from 400 to 599.
    #[arg(long, value_name = "SPEC", default_value = "")]
    pub faults: String,
    /// At least so many apps, each with 100 revisions
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub apps: usize,
}
