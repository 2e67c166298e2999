//! What happened, in a log file that rolls: never on the screen, never with secrets.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
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
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(WAITING).finish(appender);
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
