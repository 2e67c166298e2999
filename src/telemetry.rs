//! What happened, in a log file that rolls: never on the screen, never with secrets.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tracing_appender::{
    non_blocking::{NonBlockingBuilder, WorkerGuard},
    rolling::{RollingFileAppender, Rotation},
};
use tracing_subscriber::EnvFilter;

/// How many days of logs are kept.
const KEPT: usize = 5;
/// How many lines may wait to be written: the room for them is taken at once.
const WAITING: usize = 2_000;

/// Starts logging into this directory. The guard writes what is left when it is dropped; `None` where logging is not
/// possible, which is no reason not to start.
pub fn start(directory: &Path) -> Option<WorkerGuard> {
    // Names of apps and addresses are nobody else's business.
    private(directory).ok()?;
    let appender = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("revdeck")
        .filename_suffix("log")
        .max_log_files(KEPT)
        .build(directory)
        .ok()?;
    let _ = files_private(directory);
    let private = Private { inner: appender, directory: directory.to_owned(), day: Vec::new() };
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(WAITING).finish(private);
    let filter =
        EnvFilter::try_from_env("REVDECK_LOG").unwrap_or_else(|_| EnvFilter::new("revdeck=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .try_init()
        .ok()?;
    Some(guard)
}

/// A log whose every file is its owner's alone, also those of the days to come.
struct Private<W> {
    inner: W,
    directory: PathBuf,
    /// The day of the latest line, as it begins.
    day: Vec<u8>,
}

impl<W: io::Write> io::Write for Private<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        // Every line begins with its time, as 2026-01-31T…, and the first of a day has made a file.
        let day = bytes.get(..10).unwrap_or_default();
        if self.day != day {
            self.day = day.to_vec();
            let _ = files_private(&self.directory);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Makes the directory, and takes rights on it and on what it holds from others.
fn private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

fn files_private(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use io::Write as _;

    use super::*;

    #[test]
    fn the_log_of_the_next_day_is_nobody_elses_either() {
        let place = tempfile::tempdir().unwrap();
        let mode = |file: &str| {
            fs::metadata(place.path().join(file)).unwrap().permissions().mode() & 0o777
        };
        let make = |file: &str| {
            fs::write(place.path().join(file), "").unwrap();
            fs::set_permissions(place.path().join(file), fs::Permissions::from_mode(0o644))
                .unwrap();
        };
        let directory = place.path().to_owned();
        let mut log = Private { inner: io::sink(), directory, day: Vec::new() };
        make("first.log");
        log.write_all(b"2026-01-31T23:59:59Z  INFO one\n").unwrap();
        make("second.log");
        log.write_all(b"2026-01-31T23:59:59Z  INFO two\n").unwrap();
        assert_eq!((mode("first.log"), mode("second.log")), (0o600, 0o644), "once a day");
        log.write_all(b"2026-02-01T00:00:00Z  INFO three\n").unwrap();
        assert_eq!(mode("second.log"), 0o600);
    }
}
