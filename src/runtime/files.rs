//! Files that an operator asks for: the record of an incident, the lines of a log.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::journal::{self, Journal};

/// How many files of one name are made in one second.
const SAME_SECOND: u32 = 20;

/// Puts a text in the place of what a file has, at once and for its owner alone.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn replace(file: &Path, text: &str) -> io::Result<()> {
    // Two programs at once have a file each.
    let new = file.with_extension(format!("{}.new", std::process::id()));
    let mut opened = journal::open_private(&new)?;
    opened.set_len(0)?;
    opened.write_all(text.as_bytes())?;
    fs::rename(new, file)
}

/// A directory of one's own among those for what is temporary, which all users share.
fn temporary() -> io::Result<PathBuf> {
    let own = rustix::process::getuid().as_raw();
    let directory = std::env::temp_dir().join(format!("revdeck-{own}"));
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let known = fs::symlink_metadata(&directory)?;
    if known.is_dir() && known.uid() == own && known.permissions().mode() & 0o777 == 0o700 {
        return Ok(directory);
    }
    Err(io::Error::other(format!("{} is not one's own alone", directory.display())))
}

/// Writes a file for its owner alone, in a directory beside the journal, or that for what is temporary where there is no
/// journal. Its name says what it is of, and when; one that is there already is left as it is.
///
/// # Errors
/// Where it cannot be made.
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
    let directory = journal.beside().map_or_else(temporary, Ok)?.join(directory);
    let plain = |letter: char| if letter.is_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = name.chars().map(plain).take(60).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let at = at.strftime("%Y%m%d-%H%M%S");
    for number in 1..=SAME_SECOND {
        let more = if number == 1 { String::new() } else { format!("-{number}") };
        let file = directory.join(format!("{name}-{at}{more}.{ending}"));
        // What is there already is somebody's.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
            Ok(mut opened) => {
                opened.write_all(text.as_bytes())?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("there are too many of this second"))
}
