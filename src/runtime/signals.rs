//! The signals that the dashboard hears: none may end it while it has the terminal, or has lent it.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

/// The signals that the loop hears.
pub(super) struct Signals {
    hangups: unix::Signal,
    ends: unix::Signal,
    interrupts: unix::Signal,
    quits: unix::Signal,
    stops: unix::Signal,
}

impl Signals {
    pub(super) fn hear() -> io::Result<Self> {
        Ok(Self {
            hangups: signal(SignalKind::hangup())?,
            ends: signal(SignalKind::terminate())?,
            interrupts: signal(SignalKind::interrupt())?,
            quits: signal(SignalKind::quit())?,
            stops: signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?,
        })
    }

    /// The next one, and what it means. To a program that has the terminal its own signals are left: it is in the same
    /// group.
    pub(super) async fn next(&mut self, lent: bool) -> Heard {
        tokio::select! {
            biased;
            _ = self.hangups.recv() => Heard::End(Signal::HUP),
            _ = self.ends.recv() => Heard::End(Signal::TERM),
            _ = self.interrupts.recv() => if lent { Heard::Theirs } else { Heard::End(Signal::INT) },
            _ = self.quits.recv() => if lent { Heard::Theirs } else { Heard::End(Signal::QUIT) },
            _ = self.stops.recv() => Heard::Stop,
        }
    }
}

/// What a signal means.
pub(super) enum Heard {
    /// The program is to end; so is one that has the terminal, by this signal.
    End(Signal),
    /// It was for the program that has the terminal.
    Theirs,
    /// The program is to stop for a while.
    Stop,
}
