//! What was seen of revisions where a platform keeps no record of it: which were well, and which failed. It outlives the
//! program, so that a release that failed an hour ago is not proposed as the way back by the next one who looks.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use crate::domain::TrackRecord;
use crate::platform::sync::lock;

/// The file in the directory of the state.
const FILE: &str = "sightings";
/// A file larger than this is begun anew with the newer half of its lines, in bytes.
const LARGE: u64 = 256 * 1_024;

/// Revisions by their identifiers, and whether they were well when they were seen last. A line of the file is `+` or `-`
/// and an identifier; the last one of a revision counts.
#[derive(Debug, Default)]
pub struct Sightings {
    file: Option<PathBuf>,
    seen: Mutex<HashMap<String, bool>>,
}

impl Sightings {
    /// Those of this directory; without one they last as long as the program.
    pub fn read(directory: Option<&Path>) -> Self {
        let file = directory.map(|directory| directory.join(FILE));
        let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let seen = text.lines().filter_map(|line| match line.split_at_checked(1)? {
            ("+", revision) => Some((revision.to_owned(), true)),
            ("-", revision) => Some((revision.to_owned(), false)),
            _ => None,
        });
        Self { seen: Mutex::new(seen.collect()), file }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        lock(&self.seen)
    }

    /// Notes that a revision was seen well, or failing. One that was well once is not called failing later: what it runs
    /// on has changed, and not the revision. Nothing is lost where it cannot be written but the memory of it.
    pub fn note(&self, revision: &str, well: bool) {
        {
            let mut seen = self.seen();
            let known = seen.get(revision).copied();
            if known == Some(well) || known == Some(true) {
                return;
            }
            seen.insert(revision.to_owned(), well);
        }
        if let Some(file) = &self.file
            && let Err(error) = append(file, revision, well)
        {
            tracing::debug!(%error, "what was seen cannot be kept");
        }
    }

    /// What was seen of a revision.
    pub fn of(&self, revision: &str) -> TrackRecord {
        match self.seen().get(revision) {
            Some(true) => TrackRecord::Served,
            Some(false) => TrackRecord::Unfinished,
            None => TrackRecord::Unknown,
        }
    }

    /// Forgets a revision that was pruned, for this run.
    pub fn forget(&self, revision: &str) {
        self.seen().remove(revision);
    }
}

fn append(file: &Path, revision: &str, well: bool) -> std::io::Result<()> {
    if fs::metadata(file).is_ok_and(|known| known.len() > LARGE) {
        let text = fs::read_to_string(file)?;
        let lines: Vec<_> = text.lines().collect();
        fs::write(file, lines[lines.len() / 2..].join("\n") + "\n")?;
    }
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
    file.write_all(format!("{}{revision}\n", if well { '+' } else { '-' }).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_outlives_the_program() {
        let directory = tempfile::tempdir().unwrap();
        let read = || Sightings::read(Some(directory.path()));
        let first = read();
        first.note("a", false);
        first.note("b", true);
        first.note("b", false);
        first.note("c", false);
        first.note("c", true);
        let next = read();
        assert_eq!(next.of("a"), TrackRecord::Unfinished);
        assert_eq!(next.of("b"), TrackRecord::Served, "it was well once");
        assert_eq!(next.of("c"), TrackRecord::Served);
        assert_eq!(next.of("d"), TrackRecord::Unknown);
        let text = fs::read_to_string(directory.path().join(FILE)).unwrap();
        assert_eq!(text.lines().count(), 4);
        // A directory that cannot be written loses nothing but the memory.
        let nowhere = Sightings::read(Some(Path::new("/nonexistent/at/all")));
        nowhere.note("a", false);
        assert_eq!(nowhere.of("a"), TrackRecord::Unfinished);
    }
}
