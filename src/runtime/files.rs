//! Files that an operator asks for: the record of an incident, the lines of a log.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
};

use jiff::Timestamp;

use super::journal::Journal;

/// Writes a file for its owner alone, in a directory beside the journal, or that for what is temporary where there is no
/// journal. Its name says what it is of, and when.
///
/// # Errors
/// Where it cannot be made, also because there is one of that name.
pub(super) fn keep(
    journal: &Journal,
    what: &str,
    name: &str,
    at: Timestamp,
    text: &str,
) -> io::Result<PathBuf> {
    let (directory, ending) = match what {
        "log" => ("revdeck-logs", "log"),
        _ => ("revdeck-incidents", "md"),
    };
    let directory = journal.beside().unwrap_or_else(std::env::temp_dir).join(directory);
    let plain = |letter: char| if letter.is_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = name.chars().map(plain).take(60).collect();
    let file = directory.join(format!("{name}-{}.{ending}", at.strftime("%Y%m%d-%H%M%S")));
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    // What is there already is somebody's.
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?;
    opened.write_all(text.as_bytes())?;
    Ok(file)
}
