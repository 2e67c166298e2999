//! Telling somebody who looks elsewhere: a bell, a message of the terminal, a command.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;

use crate::{
    dashboard::notify::{Channels, Message},
    domain::text::clean,
};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The variable by which a command is told what to say.
const MESSAGE: &str = "REVDECK_MESSAGE";

/// What is written to the terminal. The text is free of control characters.
pub(super) fn written(channels: &Channels, text: &str) -> Vec<u8> {
    let text = clean(text);
    let mut bytes = String::new();
    match channels.message {
        Message::None => {}
        Message::Osc9 => bytes += &format!("\x1b]9;{text}\x1b\\"),
        // A semicolon would end the text.
        Message::Osc777 => {
            bytes += &format!("\x1b]777;notify;revdeck;{}\x1b\\", text.replace(';', ","));
        }
    }
    bytes.into_bytes()
}

/// Starts the command, and waits for it elsewhere; what it prints is nobody's.
pub(super) fn start(channels: &Channels, text: &str) {
    let Some((program, arguments)) = channels.command.split_first() else { return };
    let spawned = Command::new(program)
        .args(arguments)
        .env(MESSAGE, clean(text))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let program = program.clone();
    match spawned {
        Ok(mut child) => drop(tokio::spawn(async move {
            match tokio::time::timeout(PATIENCE, child.wait()).await {
                Ok(Ok(status)) if status.success() => {}
                Ok(ended) => tracing::warn!(program, ?ended, "the notify command failed"),
                Err(_) => tracing::warn!(program, "the notify command hangs, and was ended"),
            }
        })),
        Err(error) => tracing::warn!(program, %error, "the notify command cannot be started"),
    }
}

/// What sets the title of a terminal.
pub(super) fn title(text: &str) -> Vec<u8> {
    format!("\x1b]2;{}\x1b\\", clean(text)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_holds_no_control_characters_of_others() {
        let channels = Channels { message: Message::Osc777, ..Channels::default() };
        let written = written(&channels, "STUCK a;b\x1b]0;evil\x07");
        assert_eq!(written, b"\x1b]777;notify;revdeck;STUCK a,b]0,evil\x1b\\");
        assert_eq!(title("STUCK \x07x"), b"\x1b]2;STUCK x\x1b\\");
        assert!(super::written(&Channels::default(), "x").is_empty());
    }
}
