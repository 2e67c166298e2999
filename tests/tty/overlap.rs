//! Two logins that reach the same apps: a row for each, and each acts with its own rights.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use portable_pty::CommandBuilder;
use serde_json::Value;

use crate::{LONG, screen::Screen};

pub struct Simulated {
    process: Child,
    pub kubeconfig: String,
}

impl Simulated {
    pub fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_revdeck"))
            .args(["simulator", "kubernetes", "--speed", "10"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let banner: Value = serde_json::from_str(&line).unwrap();
        let kubeconfig = banner["kubeconfig"].as_str().unwrap().to_owned();
        Self { process, kubeconfig }
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn each_of_two_logins_has_its_row_and_its_rights() {
    let simulated = Simulated::start();
    let state = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new("sh");
    let program = format!(
        "KUBECONFIG={} exec {} --target kubernetes:demo --target kubernetes:viewer/shop",
        simulated.kubeconfig,
        env!("CARGO_BIN_EXE_revdeck")
    );
    command.args(["-c", &program]);
    command.env("HOME", "/nonexistent");
    command.env("XDG_STATE_HOME", state.path());
    let mut screen = Screen::start_command(110, 30, command, false);
    let rows = |screen: &Screen, scope: &str| {
        let row = |row: &&str| row.contains("storefront") && row.contains(scope);
        screen.text().lines().filter(row).count()
    };
    screen.expect("demo          STUCK", LONG);
    screen.expect("viewer/shop   STUCK", LONG);
    screen.expect("old rev 3", LONG);
    assert_eq!((rows(&screen, " demo "), rows(&screen, " viewer/shop ")), (1, 1));
    // The selected one may roll back, the other one may not: nothing of the first is in its way.
    screen.press("/");
    screen.press("storefront");
    screen.write(b"\r");
    screen.write(b"\x1b[B");
    Screen::settle(LONG / 60);
    assert!(screen.row_with("▌storefront").contains("viewer/shop"), "{}", screen.text());
    screen.press("R");
    screen.expect("viewer may not patch deployments in shop", LONG);
    screen.write(b"\x1b[A");
    screen.press("R");
    screen.expect("y roll back", LONG);
    Screen::settle(LONG / 60);
    screen.press("y");
    screen.expect("DONE  storefront is back on rev 3", LONG);
    // Both have seen it.
    assert_eq!((rows(&screen, " demo "), rows(&screen, " viewer/shop ")), (1, 1));
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
    screen.is_left_usable();
}
