//! A panic in the middle of the dashboard.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use portable_pty::CommandBuilder;
use revdeck::{
    dashboard::Keymap,
    domain::TargetId,
    platform::cloud_foundry::{CloudFoundry, Options},
    runtime::{self, Setup, clock, journal::Journal},
    simulator::{self, Simulator},
    ui::theme::{Depth, Theme},
};

use crate::screen::Screen;

#[test]
fn a_panic_leaves_the_terminal_usable_and_the_message_readable() {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["panicking::dashboard_that_panics", "--exact", "--ignored", "--nocapture"]);
    command.env("RUST_BACKTRACE", "0");
    let mut screen = Screen::start_command(100, 30, command, false);
    assert_eq!(screen.ends(), Some(101), "{}", screen.text());
    screen.is_left_usable();
    assert!(screen.text().contains("on purpose"), "{}", screen.text());
}

#[test]
#[ignore = "it is started in a terminal of its own by the test above"]
fn dashboard_that_panics() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (own, looks) = (thread::current().id(), AtomicU32::new(0));
    let system = clock::system();
    // The loop itself asks for the time; a panic there is one in the middle of its work.
    let now = Arc::new(move || {
        let panics = thread::current().id() == own && looks.fetch_add(1, Ordering::Relaxed) == 12;
        assert!(!panics, "on purpose");
        system()
    });
    runtime.block_on(async {
        let options =
            simulator::Options { scenario: "rolling".to_owned(), ..simulator::Options::default() };
        let simulator = Simulator::cloud_foundry(&options).await.unwrap();
        let options = Options { home: simulator.home_buf(), ..Options::default() };
        let platform = CloudFoundry::open(TargetId::new("cf"), &options, clock::system()).unwrap();
        let setup = Setup {
            platforms: vec![Arc::new(platform)],
            now,
            keymap: Keymap::shipped().unwrap(),
            theme_on: None,
            theme: Theme::new(Depth::Sixteen, false),
            journal: Journal::nowhere(clock::system()),
            open: Vec::new(),
            complaints: Vec::new(),
            sort: revdeck::dashboard::Sort::Need,
            only_active: false,
            scope: revdeck::domain::Scope::Home,
            thresholds: revdeck::domain::Thresholds::default(),
            mouse: true,
            view: revdeck::dashboard::view::View::default(),
            channels: revdeck::dashboard::notify::Channels::default(),
            demo: true,
            speed: 1.0,
            read_only: false,
        };
        let ran = tokio::time::timeout(Duration::from_secs(20), runtime::dashboard(setup)).await;
        panic!("the dashboard did not panic: {ran:?}");
    });
}
