//! Handing the terminal to another program until it ends.

use std::{
    io::{self, Write},
    process::ExitStatus,
};

use futures_util::FutureExt;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{process::Command, signal::unix, sync::oneshot};

use crate::domain::Shell;

/// The signals of the terminal and of who stops the program, as the loop hears them.
pub(super) struct Signals {
    pub(super) hangups: unix::Signal,
    pub(super) ends: unix::Signal,
    pub(super) interrupts: unix::Signal,
    pub(super) stops: unix::Signal,
}

/// How it went.
pub(super) enum Ended {
    /// The program is over; what is to be said of it.
    Over(String),
    /// This program is to end, too.
    Quit,
}

/// Runs a program on the terminal, which is not ours meanwhile.
pub(super) async fn run(shell: &Shell, signals: &mut Signals) -> Ended {
    let line = shell.line();
    tracing::info!(%line, "the terminal is handed over");
    // The terminal may be gone.
    let _ = writeln!(io::stdout(), "revdeck: {line}\r\nrevdeck: leaving it leads back\r");
    let environment = shell.environment.iter().map(|(name, value)| (name, value));
    let started = Command::new(shell.program).args(&shell.arguments).envs(environment).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let program = shell.program;
            return Ended::Over(format!(
                "{program} is not on the PATH: install it, or run elsewhere: {line}"
            ));
        }
        Err(error) => return Ended::Over(format!("{} cannot be started: {error}", shell.program)),
    };
    let own = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let tell = |signal| own.map(|own| kill_process(own, signal));
    let text = loop {
        tokio::select! {
            status = child.wait() => break told(shell, status),
            _ = signals.hangups.recv() => { tell(Signal::HUP); return Ended::Quit }
            _ = signals.ends.recv() => { tell(Signal::TERM); return Ended::Quit }
            // The program's own business: it has the terminal.
            _ = signals.interrupts.recv() => {}
            // A program that stops would leave nobody to type to.
            _ = signals.stops.recv() => drop(tell(Signal::CONT)),
        }
    };
    tracing::info!(%line, "the terminal is back");
    let text = match text {
        Ok(text) => return Ended::Over(text),
        Err(text) => text,
    };
    // What it has said last is worth reading.
    let _ = writeln!(io::stdout(), "revdeck: {text}. Enter leads back");
    let ended = tokio::select! {
        () = entered() => Ended::Over(text),
        _ = signals.hangups.recv() => Ended::Quit,
        _ = signals.ends.recv() => Ended::Quit,
    };
    // What was meant for the program is not for us.
    while signals.interrupts.recv().now_or_never().is_some() {}
    ended
}

/// Waits for a line, in a thread of its own: whoever waits for the program's end must not wait for it.
async fn entered() {
    let (enter, entered) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::stdin().lines().next();
        let _ = enter.send(());
    });
    let _ = entered.await;
}

/// What is to be said; an error where the program has failed.
fn told(shell: &Shell, status: io::Result<ExitStatus>) -> Result<String, String> {
    match status {
        Ok(status) if status.success() => Ok("back from the shell".to_owned()),
        Ok(status) => Err(format!("{} has ended with {status}", shell.program)),
        Err(error) => Err(format!("what became of {} is not known: {error}", shell.program)),
    }
}
