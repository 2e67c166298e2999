//! The terminal as a guard: whatever happens, it is left as it was found.

use std::{
    io::{self, IsTerminal, Write},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ThreadId},
};

use crossterm::{
    cursor, event, execute,
    style::ResetColor,
    terminal::{self, EnterAlternateScreen, LeaveAlternateScreen},
};

/// What asks for buttons and wheel of the mouse, in columns and rows that may be large (xterm's `ctlseqs`, 1000 and 1006).
pub(super) const MOUSE: &[u8] = b"\x1b[?1000h\x1b[?1006h";
/// What leaves the mouse to the terminal.
pub(super) const NO_MOUSE: &[u8] = b"\x1b[?1006l\x1b[?1000l";

/// Whether the terminal is ours at the moment.
static OURS: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal in raw mode, on its alternate screen.
#[derive(Debug)]
pub(super) struct Terminal(());

#[expect(clippy::unused_self, reason = "whoever holds it owns the terminal")]
impl Terminal {
    pub(super) fn enter() -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::other(
                "the dashboard needs a terminal for input and output; `revdeck apps` and the other commands do not",
            ));
        }
        hook(thread::current().id());
        // Dropping it puts everything back, however far taking got.
        let terminal = Self(());
        terminal.take()?;
        Ok(terminal)
    }

    /// Takes the terminal, for the first time or after it was given back.
    pub(super) fn take(&self) -> io::Result<()> {
        terminal::enable_raw_mode()?;
        OURS.store(true, Ordering::SeqCst);
        // Its title is put aside, and comes back with the last line below (XTWINOPS 22 and 23).
        io::stdout().write_all(b"\x1b[22;2t")?;
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            event::EnableBracketedPaste,
            event::EnableFocusChange,
            cursor::Hide
        )
    }

    /// Gives the terminal back for a while.
    pub(super) fn give_back(&self) {
        restore();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    if OURS.swap(false, Ordering::SeqCst) {
        // A terminal that is gone cannot be put right.
        let mut out = io::stdout();
        let _ = out.write_all(NO_MOUSE);
        let _ = execute!(
            out,
            ResetColor,
            event::DisableFocusChange,
            event::DisableBracketedPaste,
            cursor::Show,
            LeaveAlternateScreen
        );
        let _ = out.write_all(b"\x1b[23;2t");
        let _ = terminal::disable_raw_mode();
        let _ = out.flush();
    }
}

/// A panic of the loop must be readable; one of a task becomes a log line, since the dashboard goes on.
fn hook(main: ThreadId) {
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == main {
                restore();
                usual(info);
            } else if OURS.load(Ordering::SeqCst) {
                tracing::error!(%info, "a task panicked");
            } else {
                usual(info);
            }
        }));
    });
}

/// Columns and rows.
pub(super) fn size() -> io::Result<(u16, u16)> {
    terminal::size()
}
