//! Lending the terminal to another program until it ends. Meanwhile the dashboard goes on without it: what was promised for
//! the end of an operation is kept.

use std::{
    future,
    io::{self, Write},
    process::ExitStatus,
    time::Duration,
};

use rustix::{
    process::{Pid, Signal, kill_process},
    termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr},
};
use tokio::{
    process::{Child, Command},
    sync::oneshot,
    time::timeout,
};

use super::input::Left;
use crate::domain::Shell;

/// How long a program may take to end that is told to.
const ENDS: Duration = Duration::from_secs(2);

/// The terminal while another program has it.
pub(super) struct Lent {
    program: &'static str,
    holder: Holder,
    /// The modes that the terminal had when it was lent.
    modes: Option<Termios>,
    /// What is typed is read by the other program meanwhile.
    _left: Left,
}

enum Holder {
    /// The program runs.
    Runs(Box<Child>),
    /// It has failed: what it has said is being read, until Enter.
    Read(String, oneshot::Receiver<()>),
}

impl Lent {
    /// Starts a program on the terminal, which is not ours meanwhile and has its usual modes.
    ///
    /// # Errors
    /// One sentence where it cannot be started.
    pub(super) fn start(shell: &Shell, left: Left) -> Result<Self, String> {
        let line = shell.line();
        tracing::info!(%line, "the terminal is lent");
        let modes = tcgetattr(rustix::stdio::stdin()).ok();
        // The terminal may be gone.
        let _ = writeln!(io::stdout(), "revdeck: {line}\r\nrevdeck: leaving it leads back\r");
        let environment = shell.environment.iter().map(|(name, value)| (name, value));
        let program = shell.program;
        let child = Command::new(program).args(&shell.arguments).envs(environment).spawn();
        let child = child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{program} is not on the PATH: install it, or run elsewhere: {line}")
            }
            _ => format!("{program} cannot be started: {error}"),
        })?;
        Ok(Self { program, holder: Holder::Runs(Box::new(child)), modes, _left: left })
    }

    /// Waits until the terminal is ours again, and says what became of the program.
    async fn over(&mut self) -> String {
        loop {
            match &mut self.holder {
                Holder::Runs(child) => {
                    let status = child.wait().await;
                    self.put_right();
                    match told(self.program, status) {
                        Ok(text) => return text,
                        Err(text) => {
                            // What it has said last is worth reading.
                            let _ = writeln!(io::stdout(), "revdeck: {text}. Enter leads back");
                            self.holder = Holder::Read(text, entered());
                        }
                    }
                }
                Holder::Read(text, entered) => {
                    let _ = entered.await;
                    return text.clone();
                }
            }
        }
    }

    /// Sends the program a signal.
    pub(super) fn tell(&self, signal: Signal) {
        let Holder::Runs(child) = &self.holder else { return };
        let own = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        // It may have ended by now.
        let _ = own.map(|own| kill_process(own, signal));
    }

    /// Ends the program, since this one ends: what has the terminal for longer would keep it from the operator.
    pub(super) async fn end(mut self, signal: Signal) {
        self.tell(signal);
        if let Holder::Runs(child) = &mut self.holder
            && timeout(ENDS, child.wait()).await.is_err()
        {
            let _ = child.kill().await;
        }
        self.put_right();
    }

    /// The modes that the terminal had: a program that was killed has put nothing back. What was typed for it is not for us.
    fn put_right(&self) {
        let stdin = rustix::stdio::stdin();
        if let Some(modes) = &self.modes {
            let _ = tcsetattr(stdin, OptionalActions::Now, modes);
        }
        let _ = tcflush(stdin, QueueSelector::IFlush);
    }
}

/// Waits until a terminal that is lent is ours again, and says what became of the program.
pub(super) async fn over(lent: &mut Option<Lent>) -> String {
    match lent {
        Some(lent) => lent.over().await,
        None => future::pending().await,
    }
}

/// Waits for a line, in a thread of its own: whoever waits for the program's end must not wait for it.
fn entered() -> oneshot::Receiver<()> {
    let (enter, entered) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::stdin().lines().next();
        let _ = enter.send(());
    });
    entered
}

/// What is to be said; an error where the program has failed.
fn told(program: &str, status: io::Result<ExitStatus>) -> Result<String, String> {
    match status {
        Ok(status) if status.success() => Ok("back from the shell".to_owned()),
        Ok(status) => Err(format!("{program} has ended with {status}")),
        Err(error) => Err(format!("what became of {program} is not known: {error}")),
    }
}
