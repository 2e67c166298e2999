//! Inside tmux, which keeps to itself what a program tells the terminal unless it is asked not to.

use std::{process::Command, time::Duration};

use portable_pty::CommandBuilder;

use crate::{LONG, screen::Screen, skipped::skipped};

/// A tmux of its own with revdeck in it.
struct Tmux {
    socket: String,
    screen: Screen,
    _home: tempfile::TempDir,
}

impl Tmux {
    /// With these lines of configuration; `None` where there is no tmux here.
    fn start(name: &str, lines: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skipped("tmux", "it is not installed");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let (config, own) = (home.path().join("tmux.conf"), home.path().join("config.toml"));
        // What rang is remembered.
        let hook = "set-hook -g alert-bell 'set-option -g @rang yes'\n";
        std::fs::write(&config, format!("{hook}{lines}")).unwrap();
        std::fs::write(&own, "[notify]\nmessage = \"9\"\n").unwrap();
        let socket = format!("revdeck-{}-{name}", std::process::id());
        let mut command = CommandBuilder::new("tmux");
        command.args(["-L", &socket, "-f", &config.display().to_string(), "new-session"]);
        let program = env!("CARGO_BIN_EXE_revdeck");
        command.arg(format!("{program} demo --speed 4 --config {}", own.display()));
        command.env_remove("TMUX");
        let screen = Screen::start_command(100, 30, command, false);
        Some(Self { socket, screen, _home: home })
    }

    fn ask(&self, words: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.socket]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn expect(&self, words: &[&str], wanted: impl Fn(&str) -> bool) {
        for _ in 0..1_000 {
            if wanted(&self.ask(words)) {
                return;
            }
            Screen::settle(Duration::from_millis(20));
        }
        panic!("{words:?} says {:?}; the screen was:\n{}", self.ask(words), self.screen.text());
    }

    /// Rolls the selected app back, and looks at another one meanwhile.
    fn roll_back(&mut self) {
        self.screen.expect("old rev 7", LONG);
        self.screen.press("R");
        self.screen.expect("y roll back", LONG);
        self.screen.press("y");
        self.screen.press("j");
        self.screen.expect("DONE  checkout is back on rev 7", LONG);
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.ask(&["kill-server"]);
    }
}

#[test]
fn title_bell_and_copy_arrive_in_tmux_as_it_is() {
    let Some(mut tmux) = Tmux::start("plain", "") else { return };
    tmux.screen.expect("checkout", LONG);
    tmux.expect(&["display-message", "-p", "#{pane_title}"], |title| {
        title == "STUCK checkout · revdeck"
    });
    tmux.screen.expect("old rev 7", LONG);
    tmux.screen.press("y");
    tmux.screen.expect("checkout   (in tmux's buffer, and offered to your terminal's", LONG);
    assert_eq!(tmux.ask(&["show-buffer"]), "checkout");
    // "checkout" in base64.
    tmux.screen.expect_written(b"Y2hlY2tvdXQ=", LONG);
    tmux.roll_back();
    tmux.expect(&["show-option", "-gqv", "@rang"], |rang| rang == "yes");
    // It does not pass messages on by its defaults, and shows no part of one.
    assert!(!tmux.screen.has_written(b"]9;DONE"));
    assert!(!tmux.screen.text().contains("]9;"), "{}", tmux.screen.text());
    tmux.screen.press("q");
    assert_eq!(tmux.screen.ends(), Some(0));
}

#[test]
fn a_message_passes_tmux_where_it_may() {
    let Some(mut tmux) = Tmux::start("through", "set -g allow-passthrough on\n") else { return };
    tmux.roll_back();
    // Of two messages in the same moment tmux may drop the second: one of them comes.
    tmux.screen.expect_written(b"\x1b]9;", LONG);
    tmux.screen.press("q");
    assert_eq!(tmux.screen.ends(), Some(0));
}
