//! The operator's clipboard, as far as a program in a terminal can reach it.

use std::{io, process::Stdio, time::Duration};

use crossterm::{clipboard::CopyToClipboard, queue};
use tokio::{io::AsyncWriteExt, process::Command, sync::mpsc, time::timeout};

use super::multiplexer::{self, Multiplexer};
use crate::dashboard::{Copied, Event};

/// How long tmux may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What offers text to the terminal's clipboard (OSC 52). Nothing tells whether it is taken.
pub(super) fn offer(text: &str) -> Vec<u8> {
    let mut offer = Vec::new();
    // Writing to memory cannot fail.
    let _ = queue!(offer, CopyToClipboard::to_clipboard_from(text));
    multiplexer::through(&offer)
}

/// Puts text where what is around keeps it, and says where it is then. tmux by its defaults takes no offer of a program; it
/// takes a buffer, and offers that to the terminal itself.
pub(super) fn put(text: String, shown: String, events: mpsc::Sender<Event>) {
    tokio::spawn(async move {
        let how = match multiplexer::around() {
            None if multiplexer::far() => Copied::Through,
            None => Copied::Offered,
            Some(Multiplexer::Screen) => Copied::Through,
            Some(Multiplexer::Tmux) => match timeout(PATIENCE, load(&text)).await {
                Ok(Ok(())) => Copied::InTmux,
                failed => {
                    tracing::debug!(?failed, "tmux takes no buffer");
                    Copied::Through
                }
            },
        };
        // The dashboard may have ended.
        let _ = events.send(Event::Copied { shown, how }).await;
    });
}

async fn load(text: &str) -> io::Result<()> {
    let mut child = Command::new("tmux")
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).await?;
    }
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}
