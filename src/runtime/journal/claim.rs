//! Who follows an operation: a locked file of the operation's name beside the journal. The kernel gives the lock back when
//! the program that holds it ends, however it ends.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::open_private;

/// How often a lock is tried that another program has, and how soon again.
const LOOKS: u32 = 3;
const LOOK: Duration = Duration::from_millis(10);
const PREFIX: &str = "following-";
const SUFFIX: &str = ".lock";

/// The operations that this program follows.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<String, File>);

fn file_of(directory: &Path, operation: &str) -> PathBuf {
    // The name stands in a file that somebody may have edited.
    let name: String = operation.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    directory.join(format!("{PREFIX}{name}{SUFFIX}"))
}

/// Locks a file; `false` where another program has it. A file system without locks has nobody else on it.
fn lock(file: &File, how: FlockOperation) -> io::Result<bool> {
    match flock(file, how) {
        Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// While somebody has this, nobody else puts the journal aside; exclusively, nobody writes into it either.
pub(super) struct Hold(#[expect(dead_code, reason = "its lock goes when it is dropped")] File);

impl Hold {
    /// Of who writes a line.
    pub(super) fn shared(journal: &Path) -> io::Result<Self> {
        Self::take(journal, FlockOperation::LockShared)
    }

    /// Of who puts the journal aside.
    pub(super) fn exclusive(journal: &Path) -> io::Result<Self> {
        Self::take(journal, FlockOperation::LockExclusive)
    }

    fn take(journal: &Path, how: FlockOperation) -> io::Result<Self> {
        let file = open_private(&journal.with_extension("lock"))?;
        lock(&file, how)?;
        Ok(Self(file))
    }
}

impl Claims {
    /// Whether this program follows an operation.
    pub(super) fn has(&self, operation: &str) -> bool {
        self.0.contains_key(operation)
    }

    /// Takes an operation; `false` where another program follows it.
    pub(super) fn take(&mut self, directory: &Path, operation: &str) -> io::Result<bool> {
        if self.has(operation) {
            return Ok(true);
        }
        let path = file_of(directory, operation);
        for tried in 0.. {
            let file = open_private(&path)?;
            if !lock(&file, FlockOperation::NonBlockingLockExclusive)? {
                // Somebody may only have looked at this moment.
                if tried < LOOKS {
                    thread::sleep(LOOK);
                    continue;
                }
                return Ok(false);
            }
            // Another program may have swept the file away between its opening and the lock.
            let (own, there) = (file.metadata()?, fs::metadata(&path));
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())) {
                self.0.insert(operation.to_owned(), file);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives an operation back that has its end.
    pub(super) fn give_back(&mut self, directory: &Path, operation: &str) {
        // The file goes while it is still locked: whoever opened it before finds the end in the journal.
        if let Some(file) = self.0.remove(operation) {
            let _ = fs::remove_file(file_of(directory, operation));
            drop(file);
        }
    }

    /// Whether another program follows an operation.
    pub(super) fn another_has(&self, directory: &Path, operation: &str) -> bool {
        let taken = || {
            let file = File::open(file_of(directory, operation)).ok()?;
            // A shared one: whoever takes the operation up at this moment is not told that another has it.
            lock(&file, FlockOperation::NonBlockingLockShared).ok().map(|ours| !ours)
        };
        !self.has(operation) && taken().unwrap_or(false)
    }
}

/// Removes what programs that were killed have left behind, but not of these operations.
pub(super) fn sweep(directory: &Path, open: &[&str]) {
    let kept: Vec<_> = open.iter().map(|operation| file_of(directory, operation)).collect();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX));
        if ours
            && !kept.contains(&entry.path())
            && File::open(entry.path()).is_ok_and(|file| {
                lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap_or(false)
            })
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_at_a_time_follows_an_operation() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        // Each opens the file anew, as two programs do.
        let (mut one, mut other) = (Claims::default(), Claims::default());
        assert!(one.take(at, "a").unwrap() && one.take(at, "a").unwrap());
        assert!(!other.take(at, "a").unwrap());
        assert!(other.another_has(at, "a") && !one.another_has(at, "a"));
        assert!(other.take(at, "b").unwrap());
        // One that is killed gives back what it had.
        drop(one);
        assert!(!other.another_has(at, "a") && other.take(at, "a").unwrap());
        other.give_back(at, "a");
        other.give_back(at, "b");
        assert_eq!(fs::read_dir(at).unwrap().count(), 0);
        // What is left behind goes, but not what is open or followed.
        let mut third = Claims::default();
        assert!(third.take(at, "c").unwrap());
        fs::write(file_of(at, "d"), "").unwrap();
        fs::write(file_of(at, "e"), "").unwrap();
        sweep(at, &["e"]);
        assert!(file_of(at, "c").exists() && file_of(at, "e").exists());
        assert!(!file_of(at, "d").exists());
    }
}
