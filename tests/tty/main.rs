//! The real program in a real terminal: what an operator presses and sees, and that the terminal is left usable.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]
#![cfg(unix)]

mod overlap;
mod panicking;
mod screen;
mod shell;
#[path = "../support/skipped.rs"]
mod skipped;
mod startup_order;
mod tmux;

use std::time::Duration;

use portable_pty::CommandBuilder;
use screen::Screen;

const LONG: Duration = Duration::from_secs(30);

#[test]
fn two_keys_from_start_to_roll_back() {
    let mut screen = Screen::start(80, 24, &["demo", "--speed", "4"]);
    screen.expect("storefront", LONG);
    screen.expect("checkout", LONG);
    screen.expect("▌checkout", LONG);
    assert!(
        screen.row_with("▌").contains("checkout"),
        "the broken app is selected\n{}",
        screen.text()
    );
    screen.expect("old rev 7", LONG);
    screen.press("R");
    screen.expect("y roll back", LONG);
    screen.press("y");
    screen.expect("DONE  checkout is back on rev 7: 5 of 5 running", LONG);
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
    screen.is_left_usable();
}

#[test]
fn the_same_keys_roll_a_cluster_back() {
    let mut screen = Screen::start(100, 30, &["demo", "--speed", "4"]);
    screen.expect("storefront", LONG);
    screen.expect("checkout", LONG);
    screen.press("/");
    for letter in ["s", "t", "o", "r", "e"] {
        screen.press(letter);
    }
    screen.write(b"\r");
    screen.expect("old rev 3", LONG);
    // Where there is no room for the image's name its tag stands alone.
    screen.expect("1.4.0: f", LONG);
    assert!(!screen.text().contains(" :1."), "{}", screen.text());
    screen.press("R");
    screen.expect("y roll back", LONG);
    Screen::settle(Duration::from_millis(500));
    screen.press("y");
    screen.expect("DONE  storefront is back on rev 3 (now rev 5): 5 of 5 running", LONG);
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
    screen.is_left_usable();
}

/// From the start to the record of it: look, its log, more instances, the way back, told in the background, written down.
#[test]
fn an_incident_in_twelve_keys() {
    let state = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_revdeck"));
    command.args(["demo", "--speed", "4"]);
    // The demo keeps nothing; what it is asked to write goes where such things go.
    command.env("XDG_STATE_HOME", state.path());
    command.env("TMPDIR", state.path());
    let mut screen = Screen::start_command(80, 24, command, false);
    screen.expect("storefront", LONG);
    screen.expect("checkout", LONG);
    screen.expect("ticketing", LONG);
    screen.expect("orders-api", LONG);
    screen.press("jj");
    screen.expect("▌storefront", LONG);
    screen.press("i");
    screen.expect(" WORSE  new crashed", LONG);
    screen.press("L");
    screen.expect("LOGS of storefront", LONG);
    screen.expect("fatal: cannot allocate memory", LONG);
    screen.write(b"\x1b");
    screen.expect("INSTANCES of storefront", LONG);
    screen.press("S");
    screen.expect("SCALE storefront", LONG);
    screen.press("6\r");
    screen.expect("y scale", LONG);
    Screen::settle(Duration::from_millis(500));
    screen.press("y");
    screen.expect("it is as asked", LONG);
    screen.press("R");
    screen.expect("y roll back", LONG);
    Screen::settle(Duration::from_millis(500));
    screen.press("y");
    screen.write(b"\x1b[O");
    screen.expect("DONE  storefront is back on rev 3 (now rev 5): 6 of 6 running", LONG);
    screen.expect_written(b"\x07", LONG);
    screen.press("E");
    screen.expect("incident record:", LONG);
    screen.press("q");
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
    let mut own = std::fs::read_dir(state.path()).unwrap().map(|entry| entry.unwrap().path());
    let own = own.find_map(|path| std::fs::read_dir(path.join("revdeck-incidents")).ok());
    let records = own.expect("the record is in a directory of one's own");
    let record = records.map(|entry| entry.unwrap().path()).next().unwrap();
    let text = std::fs::read_to_string(record).unwrap();
    for said in ["storefront", "scale", "roll back", "DONE", "the new side is WORSE: "] {
        assert!(text.contains(said), "{said} is missing:\n{text}");
    }
    // Times and what happens in them differ from run to run; what there is to read, and what was done, does not.
    let done = text.split("## What was done with revdeck").nth(1).unwrap();
    let lines = text.lines().filter(|line| line.starts_with('#') && !line.contains("error lines"));
    let headings = lines.collect::<Vec<_>>().join("\n");
    let timeless = |line: &str| match line.split_once(", after ") {
        Some((before, _)) => format!("{before}, after …"),
        // The two end at about the same moment.
        None if line.starts_with("- how it ended") => "- how it ended: …".to_owned(),
        None => line.to_owned(),
    };
    let done = done.replace("DONE: storefront is at 6 instances: 6 of 6 running, after", "…");
    let done = done.lines().map(timeless).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("incident_in_twelve_keys", format!("{headings}\n\n{done}"));
}

#[test]
fn who_looks_elsewhere_is_told() {
    let home = tempfile::tempdir().unwrap();
    let (config, told) = (home.path().join("config.toml"), home.path().join("told"));
    let command = format!("printf '%s' \"$REVDECK_MESSAGE\" > {}", told.display());
    let text = format!("[notify]\nmessage = \"9\"\ncommand = [\"sh\", \"-c\", {command:?}]\n");
    std::fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let mut screen = Screen::start(80, 24, &["demo", "--speed", "4", "--config", &config]);
    screen.expect("old rev 7", LONG);
    // The title that was there is put aside first.
    screen.expect_written(b"\x1b[22;2t", LONG);
    screen.expect_written(b"\x1b]2;STUCK ", LONG);
    screen.press("R");
    screen.expect("y roll back", LONG);
    screen.press("y");
    // The window goes to the background.
    screen.write(b"\x1b[O");
    screen.expect("DONE  checkout is back on rev 7", LONG);
    screen.expect_written(b"\x1b]9;DONE checkout is back on rev 7", LONG);
    screen.expect_written(b"\x07", LONG);
    // The command runs by itself.
    let mut waits = 0;
    while std::fs::read_to_string(&told).unwrap_or_default().is_empty() && waits < 500 {
        Screen::settle(Duration::from_millis(10));
        waits += 1;
    }
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
    screen.expect_written(b"\x1b[23;2t", LONG);
    screen.is_left_usable();
    let told = std::fs::read_to_string(told).unwrap();
    assert!(told.starts_with("DONE checkout is back on rev 7"), "{told}");
}

/// On a slow link the terminal's answer about its background comes late, between keys.
#[test]
fn a_late_answer_of_the_terminal_is_no_key() {
    let mut screen = Screen::start(80, 24, &["demo", "--scenario", "quiet"]);
    screen.expect("shop", LONG);
    screen.expect("R back", LONG);
    assert!(!screen.has_fixed_colours(), "the terminal's own, until it has answered");
    screen.write(b"\x1b]11;rgb:ffff/");
    Screen::settle(Duration::from_millis(300));
    screen.write(b"ffff/ffff\x1b\\");
    screen.write(b"?");
    screen.expect("KEYS", LONG);
    assert!(screen.has_fixed_colours(), "the answer was not heard");
    screen.write(b"\x1b");
    // Its characters would have filtered, deployed, and more.
    screen.expect("R back", LONG);
    let text = screen.text();
    assert!(text.contains("showing all") && !text.contains("DEPLOY"), "{text}");
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
}

/// The mouse selects where it is asked to; plans leave it to the terminal, and so does the end, whichever it is.
#[test]
fn the_mouse_is_taken_on_the_deck_and_given_back() {
    let mut screen = Screen::start(80, 24, &["demo", "--mouse"]);
    screen.expect("▌checkout", LONG);
    // All that moves rows has come.
    for app in ["storefront", "orders-api", "ticketing"] {
        screen.expect(app, LONG);
    }
    screen.expect_mouse(true, LONG);
    let row = screen.text().lines().position(|line| line.contains("storefront")).unwrap() + 1;
    screen.write(format!("\x1b[<0;5;{row}M\x1b[<0;5;{row}m").as_bytes());
    screen.expect("▌storefront", LONG);
    screen.press("R");
    screen.expect("y roll back", LONG);
    // The text of a plan can be selected.
    screen.expect_mouse(false, LONG);
    screen.press("n");
    screen.expect("▌storefront", LONG);
    screen.expect_mouse(true, LONG);
    let program = screen.program();
    screen.press("\x1a");
    assert!(screen::stopped(program, LONG));
    screen.expect_mouse(false, LONG);
    screen.signal("CONT");
    screen.expect_mouse(true, LONG);
    screen.signal("TERM");
    assert_eq!(screen.ends(), Some(0));
    screen.is_left_usable();
}

#[test]
fn signals_leave_the_terminal_usable() {
    for signal in ["TERM", "HUP", "INT"] {
        let mut screen = Screen::start(80, 24, &["demo", "--scenario", "quiet"]);
        screen.expect("shop", LONG);
        screen.signal(signal);
        assert!(screen.ends().is_some(), "SIG{signal} does not end it");
        screen.is_left_usable();
    }
}

#[test]
fn a_hang_up_ends_it_even_under_a_parent_that_ignores_the_signal() {
    for wrapped in [false, true] {
        let mut screen = Screen::start_wrapped(80, 24, &["demo", "--scenario", "quiet"], wrapped);
        screen.expect("shop", LONG);
        let pid = screen.program();
        screen.hang_up();
        let gone = screen::gone(pid, Duration::from_secs(2));
        assert!(gone, "still there after the terminal hung up, wrapped: {wrapped}");
    }
}

#[test]
fn a_tiny_terminal_a_resize_storm_and_a_large_paste_do_no_harm() {
    let mut screen = Screen::start(20, 5, &["demo", "--scenario", "quiet"]);
    screen.expect("window larger", LONG);
    for step in 0..60_u16 {
        screen.resize(20 + step * 3 % 120, 5 + step % 50);
    }
    screen.resize(100, 30);
    screen.expect("REVISIONS", LONG);
    screen.write(b"\x1b[200~");
    screen.write(&vec![b'R'; 1_000_000]);
    screen.write(b"\x1b[201~");
    screen.press("?");
    screen.expect("KEYS", LONG);
    screen.write(b"\x1b");
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
}

#[test]
fn an_idle_screen_writes_nothing() {
    let mut screen = Screen::start(120, 40, &["demo", "--scenario", "quiet"]);
    screen.expect("began a rollout", LONG);
    Screen::settle(Duration::from_millis(500));
    let before = screen.bytes();
    Screen::settle(Duration::from_secs(2));
    assert_eq!(screen.bytes() - before, 0);
}

#[test]
fn without_a_login_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let mut screen = Screen::start(120, 24, &["--cf-home", home.path().to_str().unwrap()]);
    screen.expect("cf login", LONG);
    screen.expect("revdeck demo", LONG);
    assert_eq!(screen.ends(), Some(5));
}

#[test]
fn control_z_gives_the_shell_back_and_fg_returns() {
    let mut screen = Screen::start(80, 24, &["demo", "--scenario", "quiet"]);
    screen.expect("shop", LONG);
    screen.write(b"\x1a");
    let pid = screen.program();
    assert!(screen::stopped(pid, Duration::from_secs(5)), "it does not stop");
    screen.is_left_usable();
    screen.signal("CONT");
    screen.expect("REVISIONS", LONG);
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
}
