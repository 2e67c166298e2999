//! From the command line to what it asks for.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    Action, Colour, Command, Global, Invocation, Operate, OperationArgs, Output, ScopeArg,
    SimulatorArgs,
};
use crate::{
    config::{self, Paths},
    dashboard::{Keymap, keymap::COMMANDS},
    domain::{AppId, Operation, Request, Scope},
    platform::{Environment, Now, Platform, Registry, TargetSpec},
    runtime::{
        self, Setup, clock,
        headless::{self, Code, Consenting, Context, Exit},
        journal::Journal,
    },
    simulator::{self, SIMULATED, StartError, clock::Clock},
    telemetry,
    ui::theme::{Depth, Theme},
};

/// Does what the command line asks for.
pub async fn run(registry: &Registry, invocation: Invocation) -> Result<(), Exit> {
    let paths = Paths::find();
    let _logs = paths.state.as_deref().and_then(telemetry::start);
    let Invocation { global, action } = invocation;
    let now = clock::system();
    let journal = if global.no_journal {
        Journal::nowhere(now.clone())
    } else {
        Journal::in_directory(paths.state.clone(), now.clone())
    };
    if let Err(error) = journal.rotate() {
        tracing::warn!(%error, "the journal cannot be put aside");
    }
    let unopened = |global: &Global| Context {
        platforms: Vec::new(),
        json: global.output == Output::Json,
        now: now.clone(),
        journal: journal.clone(),
        read_only: global.read_only,
    };
    let context = |global: &Global| -> Result<Context, Exit> {
        Ok(Context { platforms: open(registry, global, &paths, &now)?, ..unopened(global) })
    };
    match action {
        Action::Dashboard => {
            let platforms = open(registry, &global, &paths, &now)?;
            dashboard(&global, &paths, platforms, now.clone(), journal.clone(), false).await
        }
        Action::Operate(operate) => carry_out(&context(&global)?, operate).await,
        Action::Command(Command::Demo(args)) => demo(registry, &global, &paths, &args).await,
        Action::Command(Command::Simulator { platform, args }) => serve(&platform, &args).await,
        Action::Command(Command::Keys) => keys(&global, &paths),
        Action::Command(Command::Journal { app, since }) => {
            headless::journal(&unopened(&global), app.as_deref(), since.as_deref())
        }
        Action::Command(Command::Resume { list: true }) => {
            headless::resume(&unopened(&global), true).await
        }
        Action::Command(command) => show(&context(&global)?, command).await,
    }
}

/// The targets that were asked for, each once.
fn targets(registry: &Registry, global: &Global) -> Result<Vec<TargetSpec>, Exit> {
    let mut specs: Vec<TargetSpec> = Vec::new();
    for text in &global.target {
        let spec = registry.target(text);
        let spec = spec.map_err(|why| Exit::new(Code::Usage, format!("--target {text}: {why}")))?;
        // Given twice, it would be shown and operated on twice.
        if !specs.contains(&spec) {
            specs.push(spec);
        }
    }
    Ok(specs)
}

/// The platforms that were asked for; where none was named, every login that is found.
fn open(
    registry: &Registry,
    global: &Global,
    paths: &Paths,
    now: &Now,
) -> Result<Vec<Arc<dyn Platform>>, Exit> {
    let environment = Environment::new(paths.home.clone())
        .with(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
        .with(global.variables.clone());
    let mut specs = targets(registry, global)?;
    if specs.is_empty() {
        specs = registry.discover(&environment);
    }
    if specs.is_empty() {
        return Err(registry.nobody().into());
    }
    Ok(registry.open(&specs, &environment, now)?)
}

async fn dashboard(
    global: &Global,
    paths: &Paths,
    platforms: Vec<Arc<dyn Platform>>,
    now: Now,
    journal: Journal,
    demo: bool,
) -> Result<(), Exit> {
    let story = journal.read();
    for complaint in &story.complaints {
        tracing::warn!(complaint);
    }
    let open = story.open().into_iter().filter(|one| !one.followed);
    let setup = Setup {
        open: open.map(|one| one.receipt).collect(),
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

/// The dashboard on simulated platforms in the same process, on their clock.
async fn demo(
    registry: &Registry,
    global: &Global,
    paths: &Paths,
    args: &SimulatorArgs,
) -> Result<(), Exit> {
    let clock = Clock::running(args.speed.max(f64::MIN_POSITIVE));
    let time = clock.clone();
    let now: Now = Arc::new(move || time.now());
    let asked = targets(registry, global)?;
    // They live as long as the dashboard.
    let (mut simulators, mut platforms) = (Vec::new(), Vec::new());
    for simulated in SIMULATED {
        let own: Vec<_> =
            asked.iter().filter(|spec| spec.platform == simulated.name).cloned().collect();
        if registry.provider(simulated.name).is_none() || (own.is_empty() && !asked.is_empty()) {
            continue;
        }
        // A large world is asked for by `--apps`, not several; and the first has the port that was named.
        let first = simulators.is_empty();
        let apps = if first { args.apps } else { 0 };
        let listen = if first { args.listen } else { SocketAddr::new(args.listen.ip(), 0) };
        let options = simulator::Options { apps, listen, ..options(args) };
        let simulator = (simulated.start)(options, clock.clone()).await.map_err(not_started)?;
        let environment = Environment::default().with(simulator.environment());
        let found = || registry.discover(&environment);
        let specs = if own.is_empty() { found() } else { own };
        platforms.extend(registry.open(&specs, &environment, &now)?);
        simulators.push(simulator);
    }
    let journal = Journal::nowhere(now.clone());
    dashboard(global, paths, platforms, now, journal, true).await
}

/// Serves a simulated platform, says where it is, and ends with a signal.
async fn serve(platform: &str, args: &SimulatorArgs) -> Result<(), Exit> {
    let Some(simulated) = SIMULATED.iter().find(|one| one.name == platform) else {
        return Err(Exit::new(Code::Usage, format!("there is no simulator of {platform}")));
    };
    let simulator = (simulated.start)(options(args), Clock::running(args.speed)).await;
    let simulator = simulator.map_err(not_started)?;
    {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", simulator.banner())?;
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

async fn show(context: &Context, command: Command) -> Result<(), Exit> {
    match command {
        Command::Apps { scope } => {
            let scope = match scope {
                ScopeArg::Home => Scope::Home,
                ScopeArg::Org => Scope::Organization,
                ScopeArg::All => Scope::Everything,
            };
            context.apps(&scope).await
        }
        Command::Revisions { app } => context.revisions(&app).await,
        Command::Status { app } => context.status(&app).await,
        Command::Diff { app, from, to, reveal } => {
            context.diff(&app, from.as_deref(), &to, reveal).await
        }
        Command::Watch { app } => headless::watch(context, &app).await,
        Command::Targets => context.targets().await,
        Command::Resume { list } => headless::resume(context, list).await,
        Command::Journal { .. } | Command::Demo(_) | Command::Simulator { .. } | Command::Keys => {
            Ok(())
        }
    }
}

async fn carry_out(context: &Context, operate: Operate) -> Result<(), Exit> {
    let Operate { verb, app, to, options, operation } = operate;
    let OperationArgs { dry_run, yes, no_wait, reason } = operation;
    let request =
        Request { options, reason, ..Request::new(AppId::default(), Operation::from(verb)) };
    let consenting = Consenting { dry_run, yes, no_wait };
    headless::operate(context, &app, request, to.as_deref(), consenting).await
}
