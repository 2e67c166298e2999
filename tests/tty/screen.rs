//! A pseudo-terminal with a program in it, read through a terminal emulator.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

pub struct Screen {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    seen: Arc<Mutex<Seen>>,
    wrapped: bool,
    reading: Option<thread::JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
}

fn number(value: u16) -> NonZeroU16 {
    NonZeroU16::new(value).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the program under test runs on the real clock")]
fn now() -> Instant {
    Instant::now()
}

impl Screen {
    pub fn start(columns: u16, rows: u16, args: &[&str]) -> Self {
        Self::start_wrapped(columns, rows, args, false)
    }

    /// With `wrapped` the program is the child of a shell that ignores the hang-up signal, as sudo or a wrapper does.
    pub fn start_wrapped(columns: u16, rows: u16, args: &[&str], wrapped: bool) -> Self {
        let binary = env!("CARGO_BIN_EXE_revdeck");
        let command = if wrapped {
            let mut command = CommandBuilder::new("sh");
            command.args(["-c", &format!("trap '' HUP; {binary} {}; exit 0", args.join(" "))]);
            command
        } else {
            let mut command = CommandBuilder::new(binary);
            command.args(args);
            command
        };
        Self::start_command(columns, rows, command, wrapped)
    }

    pub fn start_command(
        columns: u16,
        rows: u16,
        mut command: CommandBuilder,
        wrapped: bool,
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let home = std::env::temp_dir().join("revdeck-tests");
        for (name, value) in
            [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8")]
        {
            command.env(name, value);
        }
        if command.get_env("XDG_STATE_HOME").is_none() {
            command.env("XDG_STATE_HOME", &home);
        }
        command.env("XDG_CONFIG_HOME", &home);
        command.env_remove("NO_COLOR");
        command.env_remove("CF_HOME");
        command.env_remove("KUBECONFIG");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = vt100::Parser::new(number(rows), number(columns), 0);
        let seen = Arc::new(Mutex::new(Seen { parser, raw: Vec::new() }));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (seen.clone(), stop.clone());
        let reading = thread::spawn(move || {
            let mut bytes = vec![0; 65_536];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let mut seen = shared.lock().unwrap();
                seen.parser.process(&bytes[..count]);
                seen.raw.extend_from_slice(&bytes[..count]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let (master, reading) = (Some(pair.master), Some(reading));
        Self { child, master, writer: Some(writer), seen, wrapped, reading, stop }
    }

    pub fn text(&self) -> String {
        self.seen.lock().unwrap().parser.screen().contents()
    }

    /// Whether anything is drawn in a colour that is not one of the terminal's own sixteen.
    pub fn has_fixed_colours(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        let screen = seen.parser.screen();
        let (rows, columns) = screen.size();
        let cells =
            (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        cells
            .filter_map(|(row, column)| screen.cell(row, column))
            .any(|cell| matches!(cell.fgcolor(), vt100::Color::Idx(16..)))
    }

    pub fn row_with(&self, text: &str) -> String {
        self.text().lines().find(|line| line.contains(text)).unwrap_or_default().to_owned()
    }

    pub fn bytes(&self) -> usize {
        self.seen.lock().unwrap().raw.len()
    }

    /// Whether the program has written some bytes, wherever they are shown.
    pub fn has_written(&self, bytes: &[u8]) -> bool {
        self.seen.lock().unwrap().raw.windows(bytes.len()).any(|window| window == bytes)
    }

    /// Waits until it has.
    pub fn expect_written(&self, bytes: &[u8], timeout: Duration) {
        let until = now() + timeout;
        while !self.has_written(bytes) {
            assert!(
                now() < until,
                "{:?} is not written; it was:\n{:?}",
                String::from_utf8_lossy(bytes),
                String::from_utf8_lossy(&self.seen.lock().unwrap().raw)
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn expect(&mut self, text: &str, timeout: Duration) {
        let until = now() + timeout;
        while !self.text().contains(text) {
            assert!(now() < until, "{text:?} does not come; the screen was:\n{}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets the program go on.
    pub fn settle(time: Duration) {
        thread::sleep(time);
    }

    pub fn press(&mut self, keys: &str) {
        // A plan must have been seen for a moment before it can be confirmed.
        thread::sleep(Duration::from_millis(350));
        self.write(keys.as_bytes());
    }

    pub fn write(&mut self, bytes: &[u8]) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(bytes).unwrap();
        writer.flush().unwrap();
    }

    /// Ends the program as nothing can be done about.
    #[allow(dead_code, reason = "the contract's toy uses it")]
    pub fn kill(&mut self) {
        // What the library calls so is a hang-up, which is an orderly end.
        let id = self.child.process_id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        let _ = self.child.wait();
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        // The emulator first: what the program then paints must find it ready.
        self.seen.lock().unwrap().parser.screen_mut().set_size(number(rows), number(columns));
        self.master.as_ref().unwrap().resize(size).unwrap();
    }

    /// The process of revdeck itself.
    pub fn program(&self) -> u32 {
        let pid = self.child.process_id().unwrap();
        if !self.wrapped {
            return pid;
        }
        let found = Command::new("pgrep").args(["-P", &pid.to_string()]).output().unwrap();
        String::from_utf8_lossy(&found.stdout).trim().parse().unwrap()
    }

    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([&format!("-{name}"), &self.program().to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Closes the other end of the terminal.
    pub fn hang_up(&mut self) {
        // The reader holds the terminal open too: a repaint wakes it, so that it lets go.
        self.stop.store(true, Ordering::Release);
        self.resize(90, 30);
        self.reading.take().unwrap().join().unwrap();
        self.writer = None;
        self.master = None;
    }

    /// Waits for the end; the exit code, or `None` where it goes on.
    pub fn ends(&mut self) -> Option<u32> {
        let until = now() + Duration::from_secs(10);
        while now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(50));
                return Some(status.exit_code());
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Whether the program is told of the mouse.
    #[allow(dead_code, reason = "the contract's toy needs none")]
    /// Waits until the program has the mouse, or has it no longer: what it writes takes its time.
    pub fn expect_mouse(&self, wanted: bool, timeout: Duration) {
        let has = || {
            let seen = self.seen.lock().unwrap();
            seen.parser.screen().mouse_protocol_mode() != vt100::MouseProtocolMode::None
        };
        let until = now() + timeout;
        while has() != wanted {
            assert!(now() < until, "whether it has the mouse stays {}", !wanted);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The alternate screen is left, the cursor shown, and pastes are plain again. What the program wrote last may
    /// still be on its way when it has ended.
    pub fn is_left_usable(&self) {
        let until = now() + Duration::from_secs(3);
        let state = || {
            let seen = self.seen.lock().unwrap();
            let screen = seen.parser.screen();
            (screen.alternate_screen(), screen.hide_cursor(), screen.bracketed_paste())
        };
        while state() != (false, false, false) && now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        let (alternate, hidden, bracketed) = state();
        self.expect_mouse(false, Duration::from_secs(3));
        assert!(!alternate, "the alternate screen is not left");
        assert!(!hidden, "the cursor is hidden");
        assert!(!bracketed, "pastes are bracketed");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether a process ends in time; a zombie has ended.
pub fn gone(pid: u32, timeout: Duration) -> bool {
    reaches(pid, timeout, |state| matches!(state, None | Some('Z' | 'X')))
}

/// Whether a process stops in time.
pub fn stopped(pid: u32, timeout: Duration) -> bool {
    reaches(pid, timeout, |state| state == Some('T'))
}

fn reaches(pid: u32, timeout: Duration, met: impl Fn(Option<char>) -> bool) -> bool {
    let until = now() + timeout;
    while now() < until {
        if met(state_of(pid)) {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}
