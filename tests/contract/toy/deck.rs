//! The toy on the deck of the whole program: its keys, its own option, its stages, its patch, and a receipt that
//! outlives the program.

use std::{ffi::OsString, time::Duration};

use portable_pty::CommandBuilder;
use revdeck::{
    cli::{self, run},
    platform::Registry,
};

use crate::screen::Screen;

const LONG: Duration = Duration::from_secs(30);

/// The program as it is, with one line more in its registry.
#[test]
#[ignore = "it is started in a terminal of its own by the tests below"]
fn program() {
    let registry = Registry::built_in().with(super::Provider);
    let words = std::env::var("TOY_WORDS").unwrap_or_default();
    let words = ["revdeck"].into_iter().chain(words.split_whitespace()).map(OsString::from);
    let invocation = cli::parse(&registry, words).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let done = runtime.block_on(run::run(&registry, invocation));
    if let Err(exit) = done {
        println!("\nexit {}: {}", exit.code as u8, exit.text);
    }
}

fn start(home: &tempfile::TempDir, words: &str) -> Screen {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["toy::deck::program", "--exact", "--ignored", "--nocapture"]);
    command.env("TOY_FILE", home.path().join("toy.json"));
    command.env("TOY_WORDS", words);
    command.env("HOME", home.path());
    command.env("XDG_STATE_HOME", home.path().join("state"));
    Screen::start_command(120, 40, command, false)
}

#[test]
fn a_toy_opens_on_the_deck_and_its_receipt_outlives_the_program() {
    let home = tempfile::tempdir().unwrap();
    let mut screen = start(&home, "");
    // Its stages, with more to say of one of them.
    screen.expect("written active", LONG);
    screen.expect("by hand, with ink", LONG);
    // Its own option in the form, and a plan with the patch.
    screen.press("/");
    screen.press("greeting\r");
    screen.press("d");
    screen.expect("what the new letter says", LONG);
    screen.press("dear all\r");
    screen.expect("+dear all", LONG);
    screen.expect("-dear 4", LONG);
    screen.press("y");
    screen.expect("4→5", LONG);
    screen.kill();
    // Started again, the deck takes it up and tells its end.
    let mut screen = start(&home, "");
    screen.expect("DONE  greeting is on rev 5: 4 of 4 running", LONG);
    screen.press("q");
    screen.ends();
    let mut screen = start(&home, "journal --app greeting");
    screen.expect("ended", LONG);
    let text = screen.text();
    for event in ["intent", "sent", "resumed"] {
        assert!(text.contains(event), "{text}");
    }
    screen.ends();
}

/// What the platform cannot do is greyed with its reason, and an option of another platform is refused by name.
#[test]
fn keys_and_options_are_those_of_the_platform() {
    let home = tempfile::tempdir().unwrap();
    let mut screen = start(&home, "");
    screen.expect("torn", LONG);
    screen.press("p");
    screen.expect("a toy cannot be held", LONG);
    screen.press("q");
    screen.ends();
    let mut screen = start(&home, "deploy greeting --image x --dry-run");
    screen.expect("toy has no option \"image\" for deploy; it has letter", LONG);
    screen.ends();
}
