//! The shell around the pure heart: the loop, the terminal, and what carries effects out.

mod background;
mod clipboard;
mod executor;
mod files;
mod input;
mod multiplexer;
pub mod names;
mod pace;
mod painter;
mod pen;
mod shell;
mod signals;
mod terminal;
pub mod views;

pub mod clock;
pub mod headless;
pub mod incident;
pub mod journal;
mod notify;

use std::{
    collections::HashMap,
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use ratatui::layout::Rect;
use rustix::process::Signal;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use self::{
    executor::Executor,
    input::{Act, Input},
    journal::Journal,
    pace::Pace,
    painter::Painter,
    shell::Lent,
    signals::{Heard, Signals},
    terminal::Terminal,
};
use crate::{
    dashboard::{
        Effect, Event, Keymap, Sort, Start, State, begin, notify::Channels, update, view::View,
    },
    domain::{Interest, Receipt, Report, Scope, TargetId, Thresholds},
    platform::{Now, Platform, http::Backoff},
    ui::{
        self,
        theme::{Background, Theme},
    },
};

/// How often ages are looked at while something moves, and while nothing does.
const LIVELY: Duration = Duration::from_secs(1);
const CALM: Duration = Duration::from_secs(20);
/// How many events may wait.
const WAITING: usize = 256;

/// What the dashboard needs.
pub struct Setup {
    /// The platforms on the deck, at least one.
    pub platforms: Vec<Arc<dyn Platform>>,
    /// The clock.
    pub now: Now,
    /// The key table.
    pub keymap: Keymap,
    /// How it looks.
    pub theme: Theme,
    /// How it looks once the terminal has told its background; `None` where that is known or does not matter.
    pub theme_on: Option<Theme>,
    /// Where operations are written down.
    pub journal: Journal,
    /// Operations of earlier runs that have no end yet.
    pub open: Vec<Receipt>,
    /// What could not be read of the journal.
    pub complaints: Vec<String>,
    /// Whether this is the demo.
    pub demo: bool,
    /// How many seconds of the clock pass in a real one.
    pub speed: f64,
    /// Whether every operation is refused.
    pub read_only: bool,
    /// How the apps are ordered at first.
    pub sort: Sort,
    /// Whether only what is rolling or broken is listed at first.
    pub only_active: bool,
    /// How much is looked at, at first.
    pub scope: Scope,
    /// From where on the new side of a rollout counts as worse than the old one.
    pub thresholds: Thresholds,
    /// How somebody is told who looks elsewhere.
    pub channels: Channels,
    /// Whether the mouse selects and scrolls at first.
    pub mouse: bool,
    /// How the deck was left last.
    pub view: View,
}

/// Why the loop goes round once more, or ends.
enum Turn {
    Act(Act),
    Event(Event),
    Background(Option<Background>),
    Quit,
    Suspend,
    /// The terminal that was lent is ours again, and what is to be said of it.
    Back(String),
    Nothing,
    Paint,
}

/// Runs the dashboard until the operator leaves, or the terminal is gone.
///
/// # Errors
/// Where the terminal cannot be set up.
pub async fn dashboard(setup: Setup) -> io::Result<()> {
    // From here on a signal is heard: none may end the program while it has the terminal.
    let mut signals = Signals::hear()?;
    let mut sizes = signal(SignalKind::window_change())?;
    let terminal = Terminal::enter()?;
    let size = terminal::size()?;
    let mut state = State::new(Start {
        targets: setup.platforms.iter().map(|platform| platform.target()).collect(),
        demo: setup.demo,
        speed: setup.speed,
        read_only: setup.read_only,
        keymap: setup.keymap.clone(),
        size,
        now: (setup.now)(),
        open: setup.open.clone(),
        complaints: setup.complaints.clone(),
        sort: setup.sort,
        only_active: setup.only_active,
        scope: setup.scope.clone(),
        thresholds: setup.thresholds,
        mouse: setup.mouse,
        pinned: setup.view.pinned.clone(),
        last: setup.view.app.clone(),
    });
    let mut theme = setup.theme.clone();
    if setup.theme_on.is_some() {
        background::ask()?;
    }
    let mut painter = Painter::new(size);
    // The first frame comes before anything is asked of any platform.
    painter.paint(|area, buffer| ui::draw(&state, &theme, area, buffer));

    let (events, mut incoming) = mpsc::channel(WAITING);
    let (mut interests, mut watching) = (HashMap::new(), Vec::new());
    for platform in &setup.platforms {
        let wanted = Interest { scope: setup.scope.clone(), ..Interest::default() };
        let (interest, interested) = watch::channel(wanted);
        interests.insert(platform.target().id, interest);
        watching.push(watch_platform(platform.clone(), interested, events.clone()));
    }
    let told = events.clone();
    let executor = Executor::new(&setup, events, interests);
    let (mut input, mut background) = Input::start(setup.theme_on.is_some());
    let mut theme_on = setup.theme_on.clone();
    for effect in begin(&mut state) {
        executor.carry_out(effect);
    }

    let mut dirty = false;
    let mut urgent = false;
    let mut pace = Pace::new();
    let mut next_tick = now() + LIVELY;
    // While the terminal is lent nothing is painted and no key is read; all else goes on.
    let mut lent: Option<Lent> = None;
    let mut ended_by = Signal::TERM;
    'running: loop {
        let may_paint = lent.is_none();
        let turn = tokio::select! {
            biased;
            heard = signals.next(lent.is_some()) => match (heard, &lent) {
                (Heard::End(signal), _) => {
                    ended_by = signal;
                    Turn::Quit
                }
                // A program that stops would leave nobody to type to.
                (Heard::Stop, Some(lent)) => {
                    lent.tell(Signal::CONT);
                    Turn::Nothing
                }
                (Heard::Stop, None) => Turn::Suspend,
                (Heard::Theirs, _) => Turn::Nothing,
            },
            text = shell::over(&mut lent) => Turn::Back(text),
            _ = sizes.recv() => Turn::Event(Event::Tick),
            answer = &mut background, if theme_on.is_some() => Turn::Background(answer.ok()),
            act = input.next() => act.map_or(Turn::Quit, Turn::Act),
            event = incoming.recv() => event.map_or(Turn::Quit, Turn::Event),
            () = painter.idle(), if may_paint && dirty && painter.busy() => Turn::Paint,
            () = sleep_until(pace.due(urgent).unwrap_or_else(now)), if may_paint && dirty && !painter.busy() => Turn::Paint,
            () = sleep_until(next_tick) => Turn::Event(Event::Tick),
        };
        let mut events = Vec::new();
        match turn {
            Turn::Quit => break,
            Turn::Suspend => {
                suspend(&terminal, &mut painter, &mut dirty).await?;
                urgent = true;
            }
            Turn::Act(act) => events.extend(meant(&state, act)),
            Turn::Event(event) => {
                // A change of size may have come before anybody listened for it.
                if matches!(event, Event::Tick)
                    && let Some((columns, rows)) =
                        terminal::size().ok().filter(|size| *size != state.size)
                {
                    events.push(Event::Resize(columns, rows));
                }
                events.push(event);
            }
            Turn::Background(told) => {
                // One answer is all there is.
                let known = theme_on.take();
                if let Some((background, known)) = told.zip(known) {
                    theme = known.on(background);
                    (dirty, urgent) = (true, true);
                }
            }
            Turn::Back(text) => {
                terminal.take()?;
                // Who reads what is typed is changed only now: what came before was not for us.
                lent = None;
                painter.resize(terminal::size()?);
                events.push(Event::ShellEnded { text });
                (dirty, urgent) = (true, true);
            }
            Turn::Nothing | Turn::Paint => {}
        }
        // What is ready is taken at once, keys first, so that one frame shows it all.
        while events.len() < WAITING {
            if let Some(act) = input.ready() {
                events.extend(meant(&state, act));
            } else if let Ok(event) = incoming.try_recv() {
                events.push(event);
            } else {
                break;
            }
        }
        for event in events {
            if let Event::Resize(columns, rows) = event {
                painter.resize((columns, rows));
            }
            dirty = true;
            match &event {
                Event::Report { report: Report::Apps { .. }, .. } => pace.reported(now()),
                // What a dialog may answer changes with time.
                event => urgent |= !waits(event) || !state.layers.is_empty(),
            }
            for effect in update(&mut state, event, (setup.now)()) {
                match effect {
                    Effect::Quit => break 'running,
                    Effect::Suspend => suspend(&terminal, &mut painter, &mut dirty).await?,
                    Effect::HandOver(_) if lent.is_some() => {}
                    Effect::HandOver(shell) => {
                        painter.finish().await;
                        let left = input.leave();
                        terminal.give_back();
                        match Lent::start(&shell, left) {
                            Ok(started) => lent = Some(started),
                            Err(text) => {
                                terminal.take()?;
                                painter.resize(terminal::size()?);
                                let ended = Event::ShellEnded { text };
                                for effect in update(&mut state, ended, (setup.now)()) {
                                    executor.carry_out(effect);
                                }
                                (dirty, urgent) = (true, true);
                            }
                        }
                    }
                    Effect::ShowNow => urgent = true,
                    Effect::Copy { text, shown } => {
                        painter.extra(&clipboard::offer(&text));
                        clipboard::put(text, shown, told.clone());
                    }
                    Effect::Notify(text) => {
                        // Where another program has the terminal, nothing is written into it.
                        if lent.is_none() {
                            let message = notify::written(&setup.channels, &text);
                            painter.extra(&multiplexer::through(&message));
                            if setup.channels.bell {
                                painter.extra(b"\x07");
                            }
                        }
                        notify::start(&setup.channels, &text);
                        (dirty, urgent) = (true, true);
                    }
                    effect => executor.carry_out(effect),
                }
            }
        }
        if now() >= next_tick {
            next_tick = now() + if lively(&state) { LIVELY } else { CALM };
        } else if lively(&state) {
            next_tick = next_tick.min(now() + LIVELY);
        }
        if dirty
            && lent.is_none()
            && pace.due(urgent).is_none_or(|due| now() >= due)
            && !painter.busy()
        {
            if setup.channels.title {
                painter.name(&state.title());
            }
            painter.capture_mouse(state.mouse_wanted());
            let bytes = painter.paint(|area, buffer| ui::draw(&state, &theme, area, buffer));
            pace.painted(bytes, urgent, now());
            urgent = false;
            for effect in update(&mut state, Event::Painted, (setup.now)()) {
                executor.carry_out(effect);
            }
            dirty = false;
            // What a plan may answer changes a moment after it was seen, and what rests is looked at.
            if !state.layers.is_empty() || state.resting.is_some() {
                next_tick = next_tick.min(now() + Duration::from_millis(300));
            }
        }
    }
    if let Some(lent) = lent.take() {
        lent.end(ended_by).await;
    }
    watching.iter().for_each(tokio::task::JoinHandle::abort);
    painter.finish().await;
    drop(terminal);
    names::keep(&setup.journal, state.apps.values().map(|known| &known.app));
    let view = state.view(setup.sort, setup.only_active, &setup.scope, &setup.view);
    let targets = state.targets.iter().map(|one| &one.target.id);
    views::keep(&setup.journal, targets, &setup.view, &view);
    say_what_goes_on(&setup, &state);
    Ok(())
}

/// What an act of the operator means where things are on screen now.
fn meant(state: &State, act: Act) -> Option<Event> {
    match act {
        Act::Event(event) => Some(event),
        Act::Mouse(at, gesture) => {
            let area = Rect::new(0, 0, state.size.0, state.size.1);
            let spot = ui::spot(state, area, at)?;
            Some(Event::Mouse { spot, at: (at.x, at.y), gesture })
        }
    }
}

/// Leaves a line in the shell for every operation that the platform has and that nobody follows now. The simulated
/// platform ends with the program.
fn say_what_goes_on(setup: &Setup, state: &State) {
    let mut err = io::stderr().lock();
    for one in state.running.iter().filter(|_| !setup.demo) {
        let Some(receipt) = &one.receipt else { continue };
        let follows = if receipt.theirs || setup.journal.is_skipped() { "watch" } else { "resume" };
        let (words, name) = (one.verb.words(), &one.name);
        // The terminal may be gone.
        let _ =
            writeln!(err, "revdeck: the {words} of {name} goes on; `revdeck {follows}` follows it");
    }
}

fn now() -> Instant {
    Instant::now()
}

/// Whether an event may wait a moment where many of its kind come: nobody has asked for it.
fn waits(event: &Event) -> bool {
    match event {
        Event::Report { report, .. } => matches!(report, Report::Status(_)),
        event => matches!(event, Event::Tick | Event::Capabilities { .. }),
    }
}

/// Whether something on screen moves by itself.
fn lively(state: &State) -> bool {
    !state.running.is_empty()
        || !state.waiting.is_empty()
        || state.apps.values().any(|known| known.held.is_some_and(|held| held.until > state.now))
        || state.targets.iter().any(|place| place.connection.problem.is_some())
        || state.app().is_some_and(|app| app.rollout.is_some())
}

async fn suspend(terminal: &Terminal, painter: &mut Painter, dirty: &mut bool) -> io::Result<()> {
    // A frame that came later would be the shell's.
    painter.finish().await;
    terminal.give_back();
    rustix::process::kill_process(rustix::process::getpid(), Signal::STOP)?;
    terminal.take()?;
    painter.resize(terminal::size()?);
    *dirty = true;
    Ok(())
}

/// Watches in a task of its own; its reports become events.
fn watch_platform(
    platform: Arc<dyn Platform>,
    interest: watch::Receiver<Interest>,
    events: mpsc::Sender<Event>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let (reports, mut reported) = mpsc::channel(16);
        let target = platform.target().id;
        let asked = interest.clone();
        let capable = ask_capabilities(platform.as_ref(), &target, asked, &events);
        let passing = async {
            while let Some(report) = reported.recv().await {
                let target = target.clone();
                if events.send(Event::Report { target, report }).await.is_err() {
                    break;
                }
            }
        };
        // Asking goes on for as long as somebody watches.
        tokio::select! {
            () = async { tokio::join!(platform.watch(interest, reports), passing); } => {}
            () = capable => {}
        }
    })
}

/// Asks what a target can do, until it answers, and again whenever everything is read anew: a failure must not leave
/// keys that seem to work.
async fn ask_capabilities(
    platform: &dyn Platform,
    target: &TargetId,
    mut interest: watch::Receiver<Interest>,
    events: &mpsc::Sender<Event>,
) {
    let mut failures = 0;
    loop {
        let nudge = interest.borrow_and_update().nudge;
        match platform.capabilities().await {
            Ok(capabilities) => {
                failures = 0;
                let target = target.clone();
                let _ = events.send(Event::Capabilities { target, capabilities }).await;
            }
            Err(error) => {
                failures += 1;
                tracing::debug!(%error, "what the target can do is not known");
            }
        }
        let anew = async {
            loop {
                interest.changed().await?;
                if interest.borrow().nudge != nudge {
                    return Ok::<(), watch::error::RecvError>(());
                }
            }
        };
        if failures == 0 {
            if anew.await.is_err() {
                // Only the watch ends the watching.
                return std::future::pending().await;
            }
            continue;
        }
        let wait = Backoff::PATIENT.delay(failures, fastrand::f64());
        if let Ok(Err(_)) = tokio::time::timeout(wait, anew).await {
            return std::future::pending().await;
        }
    }
}
