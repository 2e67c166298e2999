//! Input: the only file that sees the terminal's own events.

use std::sync::Arc;

use crossterm::event::{self, Event as Raw, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
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
    },
    ui::theme::Ground,
};

/// How many events may wait; more than anybody types.
const WAITING: usize = 1_024;

/// What the operator does, read by a thread of its own: no task, however busy, comes before a key.
pub(super) struct Input {
    events: mpsc::Receiver<Event>,
    gone: Arc<Notify>,
}

impl Input {
    /// Begins to read. Where the terminal was asked for its background, the answer comes by the receiver; what has none
    /// leaves it waiting.
    pub(super) fn start(asked: bool) -> (Self, oneshot::Receiver<Ground>) {
        let (answered, ground) = oneshot::channel();
        let (sender, events) = mpsc::channel(WAITING);
        let gone = Arc::new(Notify::new());
        watch_hangup(gone.clone());
        let closed = gone.clone();
        std::thread::spawn(move || {
            let mut answer = Answer::new(asked, Instant::now());
            let mut answered = Some(answered);
            while let Ok(raw) = event::read() {
                let sorted = answer.sort(raw, Instant::now());
                if let Some(ground) = sorted.ground
                    && let Some(answered) = answered.take()
                {
                    let _ = answered.send(ground);
                }
                for event in sorted.input.into_iter().filter_map(translate) {
                    if sender.blocking_send(event).is_err() {
                        return;
                    }
                }
            }
            closed.notify_one();
        });
        (Self { events, gone }, ground)
    }

    /// The next thing that the operator does; `None` when the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            () = self.gone.notified() => None,
            event = self.events.recv() => event,
        }
    }

    /// What has been done already.
    pub(super) fn ready(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
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

fn translate(raw: Raw) -> Option<Event> {
    match raw {
        Raw::Key(KeyEvent { kind: KeyEventKind::Release, .. }) | Raw::Mouse(_) => None,
        Raw::FocusGained => Some(Event::Focus(true)),
        Raw::FocusLost => Some(Event::Focus(false)),
        Raw::Key(event) => key(event).map(Event::Key),
        Raw::Paste(text) => Some(Event::Paste(text)),
        Raw::Resize(columns, rows) => Some(Event::Resize(columns, rows)),
    }
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
