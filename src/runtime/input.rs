//! Input: the only file that sees the terminal's own events.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crossterm::event::{
    self, Event as Raw, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use ratatui::layout::Position;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

use super::background::Answer;
use crate::{
    dashboard::{
        Event,
        key::{Code, Key, Name},
        mouse::Gesture,
    },
    ui::theme::Background,
};

/// How long the terminal library may take to see what is there to be read.
const SEEN: Duration = Duration::from_millis(20);
/// How many events may wait; more than anybody types.
const WAITING: usize = 1_024;

/// What the operator does.
#[derive(Debug)]
pub(super) enum Act {
    /// It means the same wherever things are on screen.
    Event(Event),
    /// The mouse did something there.
    Mouse(Position, Gesture),
}

/// What the operator does, read by a thread of its own: no task, however busy, comes before a key.
pub(super) struct Input {
    acts: mpsc::Receiver<Act>,
    gone: Arc<Notify>,
    turns: Arc<Turns>,
}

impl Input {
    /// Begins to read. Where the terminal was asked for its background, the answer comes by the receiver; what has none
    /// leaves it waiting.
    pub(super) fn start(asked: bool) -> (Self, oneshot::Receiver<Background>) {
        let (answered, background) = oneshot::channel();
        let (sender, acts) = mpsc::channel(WAITING);
        let gone = Arc::new(Notify::new());
        watch_hangup(gone.clone());
        let (closed, turns) = (gone.clone(), Arc::new(Turns::default()));
        let own = turns.clone();
        std::thread::spawn(move || {
            let mut answer = Answer::new(asked, Instant::now());
            let mut answered = Some(answered);
            while let Ok(read) = read(&own) {
                for raw in read {
                    let sorted = answer.sort(raw, Instant::now());
                    if let Some(background) = sorted.background
                        && let Some(answered) = answered.take()
                    {
                        let _ = answered.send(background);
                    }
                    for act in sorted.input.into_iter().filter_map(translate) {
                        if sender.blocking_send(act).is_err() {
                            return;
                        }
                    }
                }
            }
            closed.notify_one();
        });
        (Self { acts, gone, turns }, background)
    }

    /// Leaves what is typed to another program, until what is returned is dropped.
    pub(super) fn leave(&self) -> Left {
        *self.turns.others() = true;
        Left(self.turns.clone())
    }

    /// The next thing that the operator does; `None` when the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Act> {
        tokio::select! {
            biased;
            () = self.gone.notified() => None,
            act = self.acts.recv() => act,
        }
    }

    /// What has been done already.
    pub(super) fn ready(&mut self) -> Option<Act> {
        self.acts.try_recv().ok()
    }
}

/// Who reads what is typed.
#[derive(Default)]
struct Turns {
    /// Whether another program does. Locked while we do.
    others: Mutex<bool>,
    /// Told when it is our turn again.
    ours: Condvar,
}

impl Turns {
    fn others(&self) -> MutexGuard<'_, bool> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While somebody has this, another program reads what is typed.
pub(super) struct Left(Arc<Turns>);

impl Drop for Left {
    fn drop(&mut self) {
        *self.0.others() = false;
        self.0.ours.notify_one();
    }
}

/// Waits until something is typed, and reads all of it. Nobody reads while another program has the terminal.
fn read(turns: &Turns) -> io::Result<Vec<Raw>> {
    let stdin = rustix::stdio::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut watched, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    if watched[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    let mut others = turns.others();
    while *others {
        others = turns.ours.wait(others).unwrap_or_else(PoisonError::into_inner);
    }
    let mut read = Vec::new();
    // Whoever had the terminal in between may have read it all.
    while event::poll(if read.is_empty() { SEEN } else { Duration::ZERO })? {
        read.push(event::read()?);
    }
    Ok(read)
}

/// The terminal library's reader spins for ever on a terminal that has hung up, and under a parent that ignores the
/// hang-up signal none comes: so the terminal itself is watched, by a thread that sleeps until then.
fn watch_hangup(gone: Arc<Notify>) {
    std::thread::spawn(move || {
        loop {
            let stdin = rustix::stdio::stdin();
            // With nothing asked for, only a hang-up or an error wakes it.
            let mut watched = [PollFd::new(&stdin, PollFlags::empty())];
            match poll(&mut watched, None) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
        gone.notify_one();
    });
}

fn translate(raw: Raw) -> Option<Act> {
    let event = match raw {
        Raw::Key(KeyEvent { kind: KeyEventKind::Release, .. }) => return None,
        Raw::Mouse(event) => {
            let gesture = match event.kind {
                MouseEventKind::Down(MouseButton::Left) => Gesture::Click,
                MouseEventKind::ScrollUp => Gesture::WheelUp,
                MouseEventKind::ScrollDown => Gesture::WheelDown,
                _ => return None,
            };
            return Some(Act::Mouse(Position { x: event.column, y: event.row }, gesture));
        }
        Raw::FocusGained => Event::Focus(true),
        Raw::FocusLost => Event::Focus(false),
        Raw::Key(event) => Event::Key(key(event)?),
        Raw::Paste(text) => Event::Paste(text),
        Raw::Resize(columns, rows) => Event::Resize(columns, rows),
    };
    Some(Act::Event(event))
}

fn key(event: KeyEvent) -> Option<Key> {
    let named = |name| Some(Code::Named(name));
    let code = match event.code {
        KeyCode::Char(' ') => named(Name::Space),
        // The terminal's own control characters carry no case.
        KeyCode::Char(letter) if event.modifiers.contains(KeyModifiers::CONTROL) => {
            Some(Code::Char(letter.to_ascii_lowercase()))
        }
        KeyCode::Char(letter) if event.modifiers.contains(KeyModifiers::SHIFT) => {
            Some(Code::Char(letter.to_uppercase().next().unwrap_or(letter)))
        }
        KeyCode::Char(letter) => Some(Code::Char(letter)),
        KeyCode::F(number) => Some(Code::F(number)),
        KeyCode::Up => named(Name::Up),
        KeyCode::Down => named(Name::Down),
        KeyCode::Left => named(Name::Left),
        KeyCode::Right => named(Name::Right),
        KeyCode::Home => named(Name::Home),
        KeyCode::End => named(Name::End),
        KeyCode::PageUp => named(Name::PgUp),
        KeyCode::PageDown => named(Name::PgDn),
        KeyCode::Enter => named(Name::Enter),
        KeyCode::Esc => named(Name::Esc),
        KeyCode::Tab => named(Name::Tab),
        KeyCode::BackTab => named(Name::BackTab),
        KeyCode::Backspace => named(Name::Backspace),
        KeyCode::Delete => named(Name::Delete),
        _ => None,
    };
    Some(Key {
        code: code?,
        ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
        alt: event.modifiers.contains(KeyModifiers::ALT),
    })
}
