//! A shell in an instance: the terminal is handed to the platform's own program, and comes back.

use std::{fs, os::unix::fs::PermissionsExt};

use portable_pty::CommandBuilder;

use crate::{LONG, overlap::Simulated, screen::Screen};

/// Says how it was called, reads a line, and fails. What it reads nobody else may have read.
const KUBECTL: &str = "#!/bin/sh\necho \"CALLED $* with $KUBECONFIG\"\nread line\necho \"READ $line\"\nread rest\nexit 3\n";

fn start(simulated: &Simulated, home: &tempfile::TempDir, more: &str, path: &str) -> Screen {
    let mut command = CommandBuilder::new("sh");
    let program = format!(
        "PATH={path} KUBECONFIG={} exec {} --target kubernetes {more}",
        simulated.kubeconfig,
        env!("CARGO_BIN_EXE_revdeck")
    );
    command.args(["-c", &program]);
    command.env("HOME", "/nonexistent");
    command.env("XDG_STATE_HOME", home.path());
    let mut screen = Screen::start_command(120, 30, command, false);
    screen.expect("inventory", LONG);
    screen.press("/");
    screen.press("inventory");
    screen.write(b"\r");
    screen.press("i");
    screen.expect("INSTANCES of inventory", LONG);
    screen.expect("● running", LONG);
    screen
}

#[test]
fn a_shell_has_the_terminal_and_gives_it_back() {
    let (simulated, home) = (Simulated::start(), tempfile::tempdir().unwrap());
    let program = home.path().join("kubectl");
    fs::write(&program, KUBECTL).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let mut screen = start(&simulated, &home, "", &path);
    screen.write(b"\x14");
    screen.expect("CALLED --context demo -n shop exec -it inventory-", LONG);
    screen.expect("-- sh -c", LONG);
    screen.expect(&simulated.kubeconfig, LONG);
    // Whatever is typed is the shell's, also what would be a key of the deck, and an interrupt is its own business.
    screen.write(b"hello q\n");
    screen.expect("READ hello q", LONG);
    screen.write(b"R\n");
    // What it has said stays until it was read.
    screen.expect("kubectl has ended with exit status: 3. Enter leads back", LONG);
    screen.write(b"\n");
    screen.expect("INSTANCES of inventory", LONG);
    // And what is typed now is ours.
    screen.press("?");
    screen.expect("KEYS", LONG);
    screen.write(b"\x1b");
    Screen::settle(LONG / 60);
    screen.write(b"\x1b");
    screen.expect("showing", LONG);
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
    screen.is_left_usable();
}

/// A `kubectl` of this text in a directory that is all of the `PATH`, with these programs.
fn instead_of_kubectl(home: &tempfile::TempDir, text: &str, programs: &[&str]) -> String {
    let program = home.path().join("kubectl");
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for name in programs {
        let from = ["/bin", "/usr/bin"].map(|at| std::path::Path::new(at).join(name));
        let from = from.iter().find(|file| file.exists()).unwrap();
        std::os::unix::fs::symlink(from, home.path().join(name)).unwrap();
    }
    home.path().display().to_string()
}

/// What is run in the Pod is run here: it is the better shell that there is, with a prompt, its errors and its interrupts.
#[test]
fn the_shell_is_one_to_work_in() {
    const AS_IN_A_POD: &str =
        "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"\n";
    for shells in [&["sh", "bash"][..], &["sh"][..]] {
        let (simulated, home) = (Simulated::start(), tempfile::tempdir().unwrap());
        let path = instead_of_kubectl(&home, AS_IN_A_POD, shells);
        let mut screen = start(&simulated, &home, "", &path);
        // Who presses twice means one shell.
        screen.write(b"\x14\x14");
        screen.expect("leaving it leads back", LONG);
        Screen::settle(LONG / 60);
        // What is typed is on the screen, too, and is no answer.
        screen.write(b"case $- in *i*) echo inter${NO}active;; esac\n");
        screen.expect("interactive", LONG);
        if shells.contains(&"bash") {
            screen.write(b"echo by${NO}:${BASH}\n");
            screen.expect("by:/", LONG);
        }
        screen.write(b"no-such-command\n");
        screen.expect("not found", LONG);
        screen.write(b"\x03\x1c\n");
        Screen::settle(LONG / 60);
        screen.write(b"exit 0\n");
        screen.expect("INSTANCES of inventory", LONG);
        screen.expect("back from the shell", LONG);
        screen.write(b"\x1b");
        screen.expect("showing", LONG);
        screen.press("q");
        assert_eq!(screen.ends(), Some(0));
        screen.is_left_usable();
    }
}

/// One that dies with the terminal in modes of its own leaves it in ours; what was typed for it is no key of the deck.
#[test]
fn a_program_that_dies_leaves_nothing_behind() {
    const DIES: &str = "#!/bin/sh\nstty raw -echo\necho READY\nsleep 1\nkill -9 $$\n";
    let (simulated, home) = (Simulated::start(), tempfile::tempdir().unwrap());
    let path = instead_of_kubectl(&home, DIES, &["sh", "stty", "sleep"]);
    let mut screen = start(&simulated, &home, "", &path);
    screen.write(b"\x14");
    screen.expect("READY", LONG);
    screen.write(b"R\rqqq\x1c");
    screen.expect("Enter leads back", LONG);
    screen.write(b"\r");
    screen.expect("INSTANCES of inventory", LONG);
    screen.write(b"\x1b");
    screen.expect("showing", LONG);
    screen.press("q");
    assert_eq!(screen.ends(), Some(0));
    screen.is_left_usable();
}

#[test]
fn without_the_program_or_the_right_there_is_none() {
    let (simulated, home) = (Simulated::start(), tempfile::tempdir().unwrap());
    let mut screen = start(&simulated, &home, "", "/nonexistent");
    screen.write(b"\x14");
    screen.expect("kubectl is not on the PATH", LONG);
    screen.kill();
    let mut screen = start(&simulated, &home, "--read-only", "/nonexistent");
    screen.write(b"\x14");
    screen.expect("revdeck was started with --read-only", LONG);
    screen.kill();
}
