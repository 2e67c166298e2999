//! From the command line to what it asks for.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::broadcast::error::RecvError,
};

use super::{
    Action, Command, Global, Invocation, Operate, OperationArgs, Output, SimulatorArgs, command,
    completion,
};
use crate::{
    config::{self, Colour, Column, Config, Origin, Paths, ThemeWord},
    dashboard::{Keymap, keymap::COMMANDS},
    domain::{AppId, LogQuery, Operation, Request, SideName},
    platform::{Environment, Now, Platform, Registry, TargetSpec},
    runtime::{
        self, Setup, clock,
        headless::{self, Code, Consenting, Context, Exit},
        journal::Journal,
        views,
    },
    simulator::{self, SIMULATED, StartError, clock::Clock},
    telemetry,
    ui::theme::{Background, Colours, Columns, Depth, Theme},
};

/// Does what the command line asks for.
pub async fn run(registry: &Registry, invocation: Invocation) -> Result<(), Exit> {
    let paths = Paths::find();
    let _logs = paths.state.as_deref().and_then(telemetry::start);
    let Invocation { global, action } = invocation;
    let config = Config::read(
        global.config.as_deref(),
        paths.config_file().as_deref(),
        registry,
        &global.flags(),
    );
    let config = config.map_err(|error| Exit::new(Code::Usage, error.to_string()))?;
    let setup = Invoked { registry, global: &global, config: &config, paths: &paths };
    let now = clock::system();
    let journal = Journal::in_directory(paths.state.clone(), now.clone());
    if global.no_journal {
        journal.skip();
    }
    if let Err(error) = journal.rotate() {
        tracing::warn!(%error, "the journal cannot be put aside");
    }
    let unopened = || Context {
        platforms: Vec::new(),
        json: global.output == Output::Json,
        now: now.clone(),
        journal: journal.clone(),
        read_only: config.read_only.value,
        scope: config.scope.value.into(),
        thresholds: config.verdict.thresholds,
    };
    let context =
        || -> Result<Context, Exit> { Ok(Context { platforms: setup.open(&now)?, ..unopened() }) };
    match action {
        Action::Dashboard => {
            let platforms = setup.open(&now)?;
            setup.dashboard(platforms, now.clone(), journal.clone(), None).await
        }
        Action::Operate(operate) => carry_out(&context()?, operate).await,
        Action::Command(Command::Demo(args)) => setup.demo(&args).await,
        Action::Command(Command::Simulator { platform, args }) => serve(&platform, &args).await,
        Action::Command(Command::Completion { shell }) => {
            Ok(io::stdout().lock().write_all(&completion::script(shell)?)?)
        }
        Action::Command(Command::Man) => {
            let mut out = Vec::new();
            manual(setup.registry, &mut out)?;
            Ok(io::stdout().lock().write_all(&out)?)
        }
        Action::Command(Command::Keys) => setup.keys(),
        Action::Command(Command::Config { shipped: true }) => Ok(print(config::SHIPPED)?),
        Action::Command(Command::Config { shipped: false }) => setup.show_config(),
        Action::Command(Command::Journal { app, since }) => {
            headless::journal(&unopened(), app.as_deref(), since.as_deref())
        }
        Action::Command(Command::Resume { list: true }) => {
            headless::resume(&unopened(), true).await
        }
        Action::Command(command) => show(&context()?, command).await,
    }
}

/// What a command is carried out with.
struct Invoked<'a> {
    registry: &'a Registry,
    global: &'a Global,
    config: &'a Config,
    paths: &'a Paths,
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

impl Invoked<'_> {
    /// The targets that were asked for, each once; those of the configuration by name.
    fn targets(&self) -> Result<Vec<TargetSpec>, Exit> {
        let configured = || self.config.targets.iter().map(|one| &one.value);
        let mut specs: Vec<TargetSpec> = Vec::new();
        for text in &self.global.target {
            let named = configured().find(|spec| spec.id.as_str() == text).cloned();
            let spec = match named {
                Some(spec) => spec,
                None => self.registry.target(text).map_err(|why| {
                    let shown = self.registry.shown(text);
                    Exit::new(Code::Usage, format!("--target {shown}: {why}"))
                })?,
            };
            // Given twice, it would be shown and operated on twice.
            if !specs.contains(&spec) {
                specs.push(spec);
            }
        }
        Ok(specs)
    }

    /// The platforms that were asked for; else those of the configuration, else every login that is found.
    fn open(&self, now: &Now) -> Result<Vec<Arc<dyn Platform>>, Exit> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let environment = Environment::new(self.paths.home.clone())
            .keeping(self.paths.state.clone())
            .with(variables)
            .over(&self.global.variables);
        let mut specs = self.targets()?;
        if specs.is_empty() {
            specs.extend(self.config.targets.iter().map(|one| one.value.clone()));
        }
        if specs.is_empty() {
            specs = self.registry.discover(&environment);
        }
        if specs.is_empty() {
            return Err(self.registry.nobody().into());
        }
        Ok(self.registry.open(&specs, &environment, now)?)
    }

    async fn dashboard(
        &self,
        platforms: Vec<Arc<dyn Platform>>,
        now: Now,
        journal: Journal,
        demo: Option<f64>,
    ) -> Result<(), Exit> {
        let story = journal.read();
        for complaint in &story.complaints {
            tracing::warn!(complaint);
        }
        let open = story.open().into_iter().filter(|one| !one.followed);
        let (theme, theme_on) = self.theme();
        let ids: Vec<_> = platforms.iter().map(|platform| platform.target().id).collect();
        let view = views::kept(&journal, ids.iter()).unwrap_or_default();
        // What somebody asks for in this run comes first, then how they left it, then what the file says.
        let asked = |origin: &Origin| matches!(origin, Origin::Flag(_));
        let Config { order, only_active, scope, .. } = self.config;
        let kept_order = view.order.filter(|_| !asked(&order.origin));
        let kept_only = view.only_active.filter(|_| !asked(&only_active.origin));
        let kept_scope = view.scope.clone().filter(|_| !asked(&scope.origin));
        let setup = Setup {
            open: open.map(|one| one.receipt).collect(),
            complaints: story.complaints.clone(),
            platforms,
            now,
            keymap: self.keymap()?,
            theme,
            theme_on,
            journal,
            demo: demo.is_some(),
            speed: demo.unwrap_or(1.0),
            read_only: self.config.read_only.value,
            sort: kept_order.unwrap_or(order.value.into()),
            only_active: kept_only.unwrap_or(only_active.value),
            scope: kept_scope.unwrap_or_else(|| scope.value.into()),
            thresholds: self.config.verdict.thresholds,
            channels: self.config.notify.channels(),
            mouse: self.config.mouse.value,
            view,
        };
        runtime::dashboard(setup).await.map_err(|error| Exit::new(Code::Usage, error.to_string()))
    }

    fn keymap(&self) -> Result<Keymap, Exit> {
        config::keymap(self.config.keys.value.as_deref(), self.paths.keys().as_deref())
            .map_err(|text| Exit::new(Code::Usage, text))
    }

    /// How the dashboard looks; and how, once the terminal has told its background, where it has to be asked for that.
    fn theme(&self) -> (Theme, Option<Theme>) {
        let variable = |name: &str| std::env::var(name).ok();
        let depth = match self.config.color.value {
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
        let asked = self.config.theme.value;
        let depth = match (asked, depth) {
            (ThemeWord::Terminal, Depth::Many) => Depth::Sixteen,
            (_, depth) => depth,
        };
        let background = match asked {
            ThemeWord::Light => Some(Background::Light),
            ThemeWord::Auto | ThemeWord::HighContrast | ThemeWord::ColourBlind => {
                Background::detect(variable)
            }
            ThemeWord::Dark | ThemeWord::Terminal => Some(Background::Dark),
        };
        let colours = match asked {
            ThemeWord::HighContrast => Colours::HighContrast,
            ThemeWord::ColourBlind => Colours::ColourBlind,
            _ => Colours::Standard,
        };
        let shown = |column| self.config.columns.value.contains(&column);
        let columns = Columns {
            scope: shown(Column::Scope),
            revision: shown(Column::Revision),
            changed: shown(Column::Changed),
        };
        let ascii = self.config.ascii.value || plain;
        let own = &self.config.colours.colours;
        let theme = |depth| Theme::new(depth, ascii).with(columns).coloured(colours, own.clone());
        match background {
            Some(background) => (theme(depth).on(background), None),
            // The terminal's own colours can be read on its own background, whichever that is.
            None if depth == Depth::Many => (theme(Depth::Sixteen), Some(theme(depth))),
            None => (theme(depth), None),
        }
    }

    /// The dashboard on simulated platforms in the same process, on their clock.
    async fn demo(&self, args: &SimulatorArgs) -> Result<(), Exit> {
        let clock = Clock::running(args.speed.max(f64::MIN_POSITIVE));
        let time = clock.clone();
        let now: Now = Arc::new(move || time.now());
        let asked = self.targets()?;
        // They live as long as the dashboard.
        let (mut simulators, mut platforms) = (Vec::new(), Vec::new());
        for simulated in SIMULATED {
            let own: Vec<_> =
                asked.iter().filter(|spec| spec.platform == simulated.name).cloned().collect();
            let unasked = own.is_empty() && !asked.is_empty();
            if self.registry.provider(simulated.name).is_none() || unasked {
                continue;
            }
            // A large world is asked for by `--apps`, not several; and the first has the port that was named.
            let first = simulators.is_empty();
            let apps = if first { args.apps } else { 0 };
            let listen = if first { args.listen } else { SocketAddr::new(args.listen.ip(), 0) };
            let options = simulator::Options { listen, apps, ..options(args) };
            let simulator = (simulated.start)(options, clock.clone()).await.map_err(not_started)?;
            let environment = Environment::default().with(simulator.environment());
            let specs = if own.is_empty() { self.registry.discover(&environment) } else { own };
            platforms.extend(self.registry.open(&specs, &environment, &now)?);
            simulators.push(simulator);
        }
        let journal = Journal::nowhere(now.clone());
        self.dashboard(platforms, now, journal, Some(args.speed)).await
    }

    fn keys(&self) -> Result<(), Exit> {
        let keymap = self.keymap()?;
        let rows = COMMANDS.iter().map(|(command, table, name, text)| {
            let keys: Vec<_> = keymap.keys(*command).iter().map(ToString::to_string).collect();
            (*table, *name, keys, *text)
        });
        let text = if self.global.output == Output::Json {
            let rows: Vec<_> = rows
                .map(|(table, name, keys, text)| serde_json::json!({ "table": table, "command": name, "keys": keys, "does": text }))
                .collect();
            format!("{:#}\n", serde_json::Value::Array(rows))
        } else {
            let mut text = String::new();
            for (table, name, keys, does) in rows {
                text += &format!("{table:<5} {:<18} {name:<21} {does}\n", keys.join(" "));
            }
            if let Some(file) = self.paths.keys() {
                text += &format!("\nYour own table is read from {}\n", file.display());
            }
            text
        };
        Ok(print(&text)?)
    }

    /// What a target says of itself, without what logs in.
    fn shown(&self, spec: &TargetSpec, text: &str) -> String {
        let provider = self.registry.provider(spec.platform);
        provider.map_or_else(|| text.to_owned(), |provider| provider.shown(text))
    }

    /// The configuration in force, in its own notation, with where each value came from.
    fn show_config(&self) -> Result<(), Exit> {
        let config = self.config;
        if self.global.output == Output::Json {
            let as_json = |(name, value, origin): (&str, String, &Origin)| {
                let value: serde_json::Value =
                    serde_json::from_str(&value).unwrap_or(serde_json::Value::Null);
                (name.to_owned(), serde_json::json!({ "value": value, "from": origin.to_string() }))
            };
            let targets = config.targets.iter().map(|target| {
                let spec = &target.value;
                let variables = spec.variables.iter();
                let variables: BTreeMap<_, _> =
                    variables.map(|(name, value)| (name, self.shown(spec, value))).collect();
                let location = spec.location.as_ref().map(|location| self.shown(spec, location));
                serde_json::json!({
                    "name": spec.id.as_str(), "platform": spec.platform, "location": location,
                    "variables": variables, "from": target.origin.to_string(),
                })
            });
            let mut whole = serde_json::json!({
                "file": config.file, "targets": targets.collect::<Vec<_>>(),
            });
            for (section, settings) in config.sections() {
                let settings = settings.into_iter().map(as_json);
                whole[section] = settings.collect::<serde_json::Map<_, _>>().into();
            }
            return Ok(print(&format!("{whole:#}\n"))?);
        }
        let mut text = match (&config.file, self.paths.config_file()) {
            (Some(file), _) => format!("# read from {}\n", file.display()),
            (None, Some(usual)) => format!("# there is no {}\n", usual.display()),
            (None, None) => String::new(),
        };
        text += "# A deck that was left otherwise opens as it was left: order, scope and only-active. A flag, or --set, comes before that.\n";
        for (section, settings) in config.sections() {
            text += &format!("[{section}]\n");
            for (name, value, origin) in settings {
                text += &format!("{:<28} # {origin}\n", format!("{name} = {value}"));
            }
            text += "\n";
        }
        for target in &config.targets {
            let spec = &target.value;
            text += &format!("[[target]]                   # {}\n", target.origin);
            text += &format!("name = {:?}\nplatform = {:?}\n", spec.id.as_str(), spec.platform);
            if let Some(location) = &spec.location {
                text += &format!("location = {:?}\n", self.shown(spec, location));
            }
            let settings = self.registry.provider(spec.platform).map(|one| one.settings());
            for setting in settings.into_iter().flatten() {
                if let Some(value) = spec.variables.get(setting.variable) {
                    text += &format!("{} = {:?}\n", setting.name, self.shown(spec, value));
                }
            }
            text += "\n";
        }
        Ok(print(&format!("{}\n", text.trim_end()))?)
    }
}

/// One page with all commands, each with its options.
fn manual(registry: &Registry, out: &mut Vec<u8>) -> io::Result<()> {
    let whole = command(registry);
    clap_mangen::Man::new(whole.clone()).render(out)?;
    for one in whole.get_subcommands().filter(|one| one.get_name() != "help") {
        let named = one.clone().bin_name(format!("revdeck {}", one.get_name()));
        let page = clap_mangen::Man::new(named);
        page.render_synopsis_section(out)?;
        page.render_description_section(out)?;
        page.render_options_section(out)?;
    }
    Ok(())
}

fn options(args: &SimulatorArgs) -> simulator::Options {
    simulator::Options {
        listen: args.listen,
        speed: args.speed,
        seed: args.seed,
        scenario: args.scenario.clone(),
        faults: match &args.api_version {
            Some(version) => format!("api={version},{}", args.faults),
            None => args.faults.clone(),
        },
        apps: args.apps,
        keep_log: false,
        tls: args.tls,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` calls takes it so")]
fn not_started(error: StartError) -> Exit {
    Exit::new(Code::Usage, error.to_string())
}

/// Serves a simulated platform, says where it is, and ends with a signal.
async fn serve(platform: &str, args: &SimulatorArgs) -> Result<(), Exit> {
    let Some(simulated) = SIMULATED.iter().find(|one| one.name == platform) else {
        return Err(Exit::new(Code::Usage, format!("there is no simulator of {platform}")));
    };
    let simulator = (simulated.start)(options(args), Clock::running(args.speed)).await;
    let simulator = simulator.map_err(not_started)?;
    let mut strikes = simulator.faults().strikes();
    {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", simulator.banner())?;
        out.flush()?;
    }
    let mut ends = signal(SignalKind::terminate())?;
    let mut hangups = signal(SignalKind::hangup())?;
    let told = async {
        loop {
            match strikes.recv().await {
                // Nobody has to listen.
                Ok(strike) => {
                    let _ = writeln!(io::stderr(), "fault {strike}");
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending::<()>().await,
            }
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = ends.recv() => {}
        _ = hangups.recv() => {}
        () = told => {}
    }
    Ok(())
}

async fn show(context: &Context, command: Command) -> Result<(), Exit> {
    match command {
        Command::Apps => context.apps(&context.scope).await,
        Command::Revisions { app } => context.revisions(&app).await,
        Command::Status { app } => context.status(&app).await,
        Command::Logs { app, follow, instance, container, old, new, previous, since } => {
            let side = match (old, new) {
                (true, _) => Some(SideName::Old),
                (_, true) => Some(SideName::New),
                _ => None,
            };
            let query = LogQuery { since: None, instance, container, side, previous, follow };
            context.logs(&app, query, since.as_deref()).await
        }
        Command::Incident { app, since } => context.incident(&app, &since).await,
        Command::Instances { app, watch } => context.instances(&app, watch.as_deref()).await,
        Command::Diff { app, from, to, reveal } => {
            context.diff(&app, from.as_deref(), to.as_deref(), reveal).await
        }
        Command::Watch { app } => headless::watch(context, &app).await,
        Command::Targets => context.targets().await,
        Command::Resume { list } => headless::resume(context, list).await,
        Command::Journal { .. }
        | Command::Completion { .. }
        | Command::Man
        | Command::Config { .. }
        | Command::Demo(_)
        | Command::Simulator { .. }
        | Command::Keys => Ok(()),
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
