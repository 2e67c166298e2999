//! From the command line to what it asks for.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    Cli, Colour, Command, Global, MannerArgs, OperationArgs, Output, ScopeArg, SimulatorArgs,
    SimulatorCommand, StrategyArg, TargetSpec,
};
#[cfg(feature = "kubernetes")]
use crate::platform::kubernetes::{self, Kubernetes};
use crate::{
    config::{self, Paths},
    dashboard::{Keymap, keymap::COMMANDS},
    domain::{
        AppId, Operation, Request, RollBackTo, RolloutOptions, Scope, Source, Strategy, TargetId,
    },
    platform::{
        Now, OpenError, Platform,
        cloud_foundry::{self, CloudFoundry},
    },
    runtime::{
        self, Setup, clock,
        headless::{self, Code, Consenting, Context, Exit},
        journal::Journal,
    },
    simulator::{self, Simulator, StartError, clock::Clock},
    telemetry,
    ui::theme::{Depth, Theme},
};

/// Does what the command line asks for.
pub async fn run(cli: Cli) -> Result<(), Exit> {
    let paths = Paths::find();
    let _logs = paths.state.as_deref().and_then(telemetry::start);
    let global = &cli.global;
    match cli.command {
        None => {
            let platforms = open(global, &paths, &clock::system())?;
            let journal = Journal::in_directory(paths.state.clone());
            dashboard(global, &paths, platforms, clock::system(), journal, false).await
        }
        Some(Command::Demo(args)) => demo(global, &paths, &args).await,
        Some(Command::Simulator(SimulatorCommand::CloudFoundry(args))) => {
            let simulator = Simulator::cloud_foundry(&options(&args)).await;
            serve(simulator.map_err(not_started)?.banner()).await
        }
        Some(Command::Simulator(SimulatorCommand::Kubernetes(args))) => {
            let simulator = Simulator::kubernetes(&options(&args)).await;
            serve(simulator.map_err(not_started)?.banner()).await
        }
        Some(Command::Keys) => keys(global, &paths),
        Some(command) => {
            let context = Context {
                platforms: open(global, &paths, &clock::system())?,
                json: global.output == Output::Json,
                now: clock::system(),
                journal: Journal::in_directory(paths.state.clone()),
                read_only: global.read_only,
            };
            headless_command(&context, command).await
        }
    }
}

/// The platforms that were asked for; where none was named, every login that is found.
fn open(global: &Global, paths: &Paths, now: &Now) -> Result<Vec<Arc<dyn Platform>>, OpenError> {
    if !global.target.is_empty() {
        // Given twice, it would be shown and operated on twice.
        let mut specs: Vec<&TargetSpec> = Vec::new();
        for spec in &global.target {
            if !specs.contains(&spec) {
                specs.push(spec);
            }
        }
        return specs.into_iter().map(|spec| open_one(global, paths, spec, now)).collect();
    }
    let foundation = TargetSpec::CloudFoundry { org: None, space: None };
    let first = open_one(global, paths, &foundation, now);
    if !cfg!(feature = "kubernetes") || !paths.has_kubeconfig() {
        return Ok(vec![first?]);
    }
    let cluster = TargetSpec::Kubernetes { context: None, namespace: None };
    let cluster = open_one(global, paths, &cluster, now)?;
    match first {
        Ok(first) => Ok(vec![first, cluster]),
        Err(OpenError::NoSession { .. }) => Ok(vec![cluster]),
        Err(error) => Err(error),
    }
}

fn open_one(
    global: &Global,
    paths: &Paths,
    spec: &TargetSpec,
    now: &Now,
) -> Result<Arc<dyn Platform>, OpenError> {
    match spec {
        TargetSpec::CloudFoundry { org, space } => {
            let home = global.cf_home.clone().or_else(|| paths.home.clone());
            let target = target_id("cloud-foundry", org.as_deref(), space.as_deref());
            let options = cloud_foundry::Options {
                home: home.unwrap_or_else(|| PathBuf::from(".")),
                org: org.clone(),
                space: space.clone(),
                ..cloud_foundry::Options::default()
            };
            Ok(Arc::new(CloudFoundry::open(target, &options, now.clone())?))
        }
        TargetSpec::Kubernetes { context, namespace } => {
            cluster(None, context.clone(), namespace.clone(), now)
        }
    }
}

/// What a target is called in reports: as it was asked for.
fn target_id(platform: &str, first: Option<&str>, second: Option<&str>) -> TargetId {
    let mut id = platform.to_owned();
    id.extend(first.map(|first| format!(":{first}")));
    id.extend(second.map(|second| format!("/{second}")));
    TargetId::new(id)
}

/// A cluster; two contexts are two targets, and two namespaces too.
#[cfg(feature = "kubernetes")]
fn cluster(
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    namespace: Option<String>,
    now: &Now,
) -> Result<Arc<dyn Platform>, OpenError> {
    let id = target_id("kubernetes", context.as_deref(), namespace.as_deref());
    let options =
        kubernetes::Options { kubeconfig, context, namespace, ..kubernetes::Options::default() };
    Ok(Arc::new(Kubernetes::open(id, &options, now.clone())?))
}

#[cfg(not(feature = "kubernetes"))]
fn cluster(
    _: Option<PathBuf>,
    _: Option<String>,
    _: Option<String>,
    _: &Now,
) -> Result<Arc<dyn Platform>, OpenError> {
    let why = "this revdeck was built without the feature `kubernetes`".to_owned();
    Err(OpenError::Kubeconfig { why })
}

async fn dashboard(
    global: &Global,
    paths: &Paths,
    platforms: Vec<Arc<dyn Platform>>,
    now: Now,
    journal: Journal,
    demo: bool,
) -> Result<(), Exit> {
    let setup = Setup {
        platforms,
        now,
        keymap: keymap(global, paths)?,
        theme: theme(global),
        journal,
        demo,
        read_only: global.read_only,
    };
    runtime::dashboard(setup).await.map_err(|error| Exit::new(Code::Usage, error.to_string()))
}

fn keymap(global: &Global, paths: &Paths) -> Result<Keymap, Exit> {
    config::keymap(global.keys.as_deref(), paths.keys().as_deref())
        .map_err(|text| Exit::new(Code::Usage, text))
}

fn theme(global: &Global) -> Theme {
    let variable = |name: &str| std::env::var(name).ok();
    let depth = match global.color {
        Colour::Never => Depth::None,
        Colour::Auto => Depth::detect(variable),
        Colour::Always => {
            Depth::detect(|name| if name == "NO_COLOR" { None } else { variable(name) })
        }
    };
    // An environment that names no UTF-8 locale gets plain characters, unless it names none at all.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()));
    let plain = locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    });
    Theme::new(depth, global.ascii || plain)
}

fn options(args: &SimulatorArgs) -> simulator::Options {
    simulator::Options {
        listen: args.listen,
        speed: args.speed,
        seed: args.seed,
        scenario: args.scenario.clone(),
        faults: args.faults.clone(),
        apps: args.apps,
        keep_log: false,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` calls takes it so")]
fn not_started(error: StartError) -> Exit {
    Exit::new(Code::Usage, error.to_string())
}

/// The dashboard on a simulated foundation and cluster in the same process, on their clock.
async fn demo(global: &Global, paths: &Paths, args: &SimulatorArgs) -> Result<(), Exit> {
    let clock = Clock::running(args.speed.max(f64::MIN_POSITIVE));
    let time = clock.clone();
    let now: Now = Arc::new(move || time.now());
    let mut platforms: Vec<Arc<dyn Platform>> = Vec::new();
    let asked = |kind: fn(&TargetSpec) -> bool| {
        let specs = &global.target;
        specs.is_empty().then_some(None).or_else(|| specs.iter().find(|one| kind(one)).map(Some))
    };
    // Both live as long as the dashboard.
    let (mut foundation, mut simulated) = (None, None);
    if let Some(spec) = asked(|spec| matches!(spec, TargetSpec::CloudFoundry { .. })) {
        let simulator = Simulator::cloud_foundry_at(&options(args), clock.clone()).await;
        let simulator = foundation.insert(simulator.map_err(not_started)?);
        let (org, space) = match spec {
            Some(TargetSpec::CloudFoundry { org, space }) => (org.clone(), space.clone()),
            _ => (None, None),
        };
        let home = simulator.home_buf();
        let options = cloud_foundry::Options { home, org, space, ..Default::default() };
        let target = TargetId::new("cloud-foundry");
        platforms.push(Arc::new(CloudFoundry::open(target, &options, now.clone())?));
    }
    if cfg!(feature = "kubernetes")
        && let Some(spec) = asked(|spec| matches!(spec, TargetSpec::Kubernetes { .. }))
    {
        // A large foundation is asked for by `--apps`, not a large cluster beside it.
        let few = if foundation.is_some() { 0 } else { args.apps };
        let options = simulator::Options { apps: few, listen: loopback(args), ..options(args) };
        let simulator = Simulator::kubernetes_at(&options, clock).await;
        let simulator = simulated.insert(simulator.map_err(not_started)?);
        let (context, namespace) = match spec {
            Some(TargetSpec::Kubernetes { context, namespace }) => {
                (context.clone(), namespace.clone())
            }
            _ => (None, None),
        };
        let kubeconfig = Some(simulator.home().join("kubeconfig"));
        platforms.push(cluster(kubeconfig, context, namespace, &now)?);
    }
    dashboard(global, paths, platforms, now, Journal::nowhere(), true).await
}

/// Any port of the address that was asked for: the first simulator has the port that was named.
fn loopback(args: &SimulatorArgs) -> SocketAddr {
    SocketAddr::new(args.listen.ip(), 0)
}

/// Says where a simulator is, and lets it serve until a signal ends it.
async fn serve(banner: &str) -> Result<(), Exit> {
    {
        let mut out = io::stdout().lock();
        writeln!(out, "{banner}")?;
        out.flush()?;
    }
    let mut ends = signal(SignalKind::terminate())?;
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = ends.recv() => {}
        _ = hangups.recv() => {}
    }
    Ok(())
}

fn keys(global: &Global, paths: &Paths) -> Result<(), Exit> {
    let keymap = keymap(global, paths)?;
    let rows = COMMANDS.iter().map(|(command, table, name, text)| {
        let keys: Vec<_> = keymap.keys(*command).iter().map(ToString::to_string).collect();
        (*table, *name, keys, *text)
    });
    let text = if global.output == Output::Json {
        let rows: Vec<_> = rows
            .map(|(table, name, keys, text)| serde_json::json!({ "table": table, "command": name, "keys": keys, "does": text }))
            .collect();
        format!("{:#}\n", serde_json::Value::Array(rows))
    } else {
        let mut text = String::new();
        for (table, name, keys, does) in rows {
            text += &format!("{table:<5} {:<18} {name:<21} {does}\n", keys.join(" "));
        }
        if let Some(file) = paths.keys() {
            text += &format!("\nYour own table is read from {}\n", file.display());
        }
        text
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn manner(args: MannerArgs) -> RolloutOptions {
    RolloutOptions {
        strategy: match args.strategy {
            StrategyArg::Rolling => Strategy::Rolling,
            StrategyArg::Canary => Strategy::Canary,
        },
        steps: args.instance_steps,
        max_in_flight: args.max_in_flight,
        instances: args.instances,
    }
}

async fn headless_command(context: &Context, command: Command) -> Result<(), Exit> {
    let unnamed = || AppId::new("");
    let plain = |operation: Operation| Request::new(unnamed(), operation);
    let (app, mut request, to, args) = match command {
        Command::Apps { scope } => {
            let scope = match scope {
                ScopeArg::Home => Scope::Home,
                ScopeArg::Org => Scope::Organization,
                ScopeArg::All => Scope::Everything,
            };
            return context.apps(&scope).await;
        }
        Command::Revisions { app } => return context.revisions(&app).await,
        Command::Status { app } => return context.status(&app).await,
        Command::Diff { app, from, to, reveal } => {
            return context.diff(&app, from.as_deref(), &to, reveal).await;
        }
        Command::Watch { app } => return headless::watch(context, &app).await,
        Command::Targets => return context.targets().await,
        Command::Rollback { app, to, manner: how, operation } => {
            let request =
                Request { manner: manner(how), ..plain(Operation::RollBack(RollBackTo::LastGood)) };
            (app, request, to, operation)
        }
        Command::Deploy { app, path, droplet, image, manner: how, operation } => {
            let source = match (path, droplet, image) {
                (Some(path), ..) => Source::Directory(path),
                (_, Some(droplet), _) => Source::Artifact(droplet),
                (.., image) => Source::Image(image.unwrap_or_default()),
            };
            (
                app,
                Request { manner: manner(how), ..plain(Operation::Deploy(source)) },
                None,
                operation,
            )
        }
        Command::Cancel { app, operation } => (app, plain(Operation::Cancel), None, operation),
        Command::Continue { app, operation } => (app, plain(Operation::Continue), None, operation),
        Command::Pause { app, operation } => (app, plain(Operation::Pause), None, operation),
        Command::EnableRevisions { app, operation } => {
            (app, plain(Operation::EnableRevisions), None, operation)
        }
        Command::Restart { app, manner: how, operation } => {
            (app, Request { manner: manner(how), ..plain(Operation::Restart) }, None, operation)
        }
        Command::Demo(_) | Command::Simulator(_) | Command::Keys => return Ok(()),
    };
    let OperationArgs { dry_run, yes, no_wait, reason } = args;
    request.reason = reason;
    let consenting = Consenting { dry_run, yes, no_wait };
    headless::operate(context, &app, request, to.as_deref(), consenting).await
}
