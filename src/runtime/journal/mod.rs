//! The audit trail: what is about to be sent is on disk before it is sent, with all that is needed to follow it after a
//! restart, and how it ended is added.
//!
//! A file of JSON lines, one an event: `intent` (the plan, and who agreed to it), `sent` before each step (with the
//! receipt), `resumed` where another run goes on with it, and `ended`. All lines of an operation have its name, which no
//! other operation has.

mod claim;
mod read;

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use claim::{Claims, Hold};
pub use read::{Entry, Open, Story};

use crate::{
    domain::{AppKey, Confirmed, Operation, Outcome, Receipt, Request, START_WITH, Target, Verb},
    platform::{Now, operation::Record},
};

/// The version of the lines.
const VERSION: u64 = 1;
/// A journal larger than this is put aside when the program starts, in bytes.
const LARGE: u64 = 4 * 1_048_576;
/// How much of a run is remembered where nothing is written, in bytes.
const REMEMBERED: usize = 1_048_576;
/// How many journals that were put aside are kept.
const KEPT: u32 = 3;

/// Who goes on with an operation of an earlier run.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// This program, with what is known of it by now.
    Ours(Box<Receipt>),
    /// Another one that runs.
    Followed,
    /// Nobody: another one has ended it, so.
    Ended(Outcome),
}

/// A journal; clones write into the same one.
#[derive(Clone)]
pub struct Journal {
    file: Option<PathBuf>,
    skipped: Arc<AtomicBool>,
    claims: Arc<Mutex<Claims>>,
    /// The lines of this run, where none are written.
    memory: Arc<Mutex<String>>,
    now: Now,
}

impl Journal {
    /// The journal in this directory; without one nothing can be written, and so nothing sent.
    pub fn in_directory(directory: Option<PathBuf>, now: Now) -> Self {
        let file = directory.map(|directory| directory.join("journal.jsonl"));
        Self { file, skipped: Arc::default(), claims: Arc::default(), memory: Arc::default(), now }
    }

    /// A journal that is forgotten with the program, for demos and tests, and for those who asked for none.
    pub fn nowhere(now: Now) -> Self {
        let journal = Self::in_directory(None, now);
        journal.skip();
        journal
    }

    /// Writes nothing from here on: somebody has agreed to that.
    pub fn skip(&self) {
        self.skipped.store(true, Ordering::Relaxed);
    }

    /// Whether nothing is written.
    pub fn is_skipped(&self) -> bool {
        self.skipped.load(Ordering::Relaxed)
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory(&self) -> Option<&Path> {
        self.file.as_deref().filter(|_| !self.is_skipped())?.parent()
    }

    /// Writes down what somebody has agreed to.
    ///
    /// # Errors
    /// The operation must not be sent where this fails.
    pub fn intend(&self, target: &Target, plan: &Confirmed) -> io::Result<()> {
        let consent = format!("{:?}", plan.consent());
        let plan = plan.plan();
        let lines = plan.lines(false).into_iter();
        let lines: Vec<_> = lines.map(|(label, text)| format!("{label}: {text}")).collect();
        let id = plan.recipe.as_ref().map(|recipe| recipe.id.clone()).unwrap_or_default();
        if let Some(directory) = self.directory()
            && !self.claims().take(directory, &id)?
        {
            return Err(io::Error::other("another program follows this very operation"));
        }
        self.write(&id, "intent", json!({
            "target": target.id.as_str(), "platform": target.platform.name, "api": target.api, "user": target.user,
            "app": plan.request.app.as_str(), "name": plan.app, "verb": plan.request.operation.verb(),
            "title": plan.title, "reason": plan.request.reason, "consent": consent, "plan": lines,
            "process": std::process::id(),
        }))
    }

    /// Writes down that the next step of an operation is about to be sent.
    ///
    /// # Errors
    /// The step must not be sent where this fails.
    pub fn sent(&self, receipt: &Receipt) -> io::Result<()> {
        let (steps, at) = match receipt.outcome {
            Some(_) => (&receipt.recipe.afterwards, receipt.closed),
            None => (&receipt.recipe.steps, receipt.done),
        };
        let step = steps.get(at).map(|step| step.label.as_str());
        self.write(&receipt.recipe.id, "sent", json!({
            "step": at + 1, "of": steps.len(), "doing": step, "afterwards": receipt.outcome.is_some(), "name": receipt.name,
            "process": std::process::id(), "receipt": receipt,
        }))
    }

    /// Takes up an operation of an earlier run, with what is known of it by now. No two programs take up the same one.
    ///
    /// # Errors
    /// Where it cannot be written down: nothing of it may be sent then.
    pub fn take_up(&self, receipt: &Receipt) -> io::Result<Taken> {
        let ours = || Ok(Taken::Ours(Box::new(receipt.clone())));
        let id = &receipt.recipe.id;
        let Some(directory) = self.file.as_deref().and_then(Path::parent) else {
            return ours();
        };
        if self.claims().has(id) {
            return ours();
        }
        match self.claims().take(directory, id) {
            Ok(true) => {}
            Ok(false) => return Ok(Taken::Followed),
            // Who has agreed to write nothing goes on without a claim where none can be had.
            Err(_) if self.is_skipped() => return ours(),
            Err(error) => return Err(error),
        }
        // Whoever had it until now may have gone on with it.
        let story = self.read();
        let open = story.open().into_iter().find(|one| one.receipt.recipe.id == *id);
        let Some(Open { receipt, .. }) = open else {
            self.claims().give_back(directory, id);
            return match story.end_of(id) {
                Some(outcome) => Ok(Taken::Ended(outcome)),
                None if story.is_of_newer(id) => Ok(Taken::Followed),
                // Whatever became of its lines, nothing says that it is over.
                None => Err(io::Error::other("it does not tell how to go on with it")),
            };
        };
        // Where a step is left to be sent, that is written down instead.
        if receipt.complete() {
            let fields = json!({ "name": receipt.name, "process": std::process::id() });
            // Who cannot write it down leaves it to others, and tries again.
            if let Err(error) = self.write(id, "resumed", fields) {
                self.claims().give_back(directory, id);
                return Err(error);
            }
        }
        Ok(Taken::Ours(Box::new(receipt)))
    }

    /// Adds how an operation ended; where another program follows it, that one does.
    ///
    /// # Errors
    /// Where it cannot be written down: the next run looks for its end again.
    pub fn ended(&self, operation: &str, outcome: &Outcome) -> io::Result<()> {
        let directory = self.directory();
        match directory.map(|directory| self.claims().take(directory, operation)) {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => return Ok(()),
            Some(Err(error)) => tracing::warn!(%error, "an operation cannot be claimed"),
        }
        let fields = json!({ "outcome": outcome.word().to_lowercase(), "text": outcome.text() });
        let written = self.write(operation, "ended", fields);
        if let Some(directory) = directory {
            self.claims().give_back(directory, operation);
        }
        written
    }

    fn write(&self, operation: &str, event: &str, fields: Value) -> io::Result<()> {
        let mut line = json!({
            "version": VERSION, "at": (self.now)().to_string(), "operation": operation, "event": event,
        });
        if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
            line.extend(fields);
        }
        if self.is_skipped() {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            if memory.len() < REMEMBERED {
                memory.push_str(&format!("{line}\n"));
            }
            return Ok(());
        }
        let Some(file) = &self.file else {
            return Err(io::Error::other("there is no directory for it: set XDG_STATE_HOME"));
        };
        // A journal that is put aside at this moment would take the line with it.
        let _hold = Hold::shared(file)?;
        let mut file = open_private(file)?;
        // One write, so that two programs at once do not mix their lines; a line that was cut in half stays alone.
        let broken = if ends_in_a_line(self.file.as_deref()) { "" } else { "\n" };
        file.write_all(format!("{broken}{line}\n").as_bytes())?;
        file.sync_data()
    }

    /// Puts a journal aside that has grown large, and takes over the lines of what has no end yet.
    ///
    /// # Errors
    /// Where a file cannot be moved or written.
    pub fn rotate(&self) -> io::Result<()> {
        self.rotate_beyond(LARGE)
    }

    fn rotate_beyond(&self, large: u64) -> io::Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| !self.is_skipped()) else { return Ok(()) };
        // One of an earlier version, that is only read, is nobody else's either.
        tighten(file, 0o600);
        let story = self.read();
        if let Some(directory) = file.parent() {
            let open = story.open();
            let open: Vec<_> = open.iter().map(|one| one.receipt.recipe.id.as_str()).collect();
            claim::sweep(directory, &open);
        }
        let is_large = || fs::metadata(file).is_ok_and(|known| known.len() > large);
        if !is_large() {
            return Ok(());
        }
        let _hold = Hold::exclusive(file)?;
        // Another program may have put it aside until now.
        if !is_large() {
            return Ok(());
        }
        let kept = self.read().open_lines();
        for number in (1..KEPT).rev() {
            if aside(file, number).exists() {
                fs::rename(aside(file, number), aside(file, number + 1))?;
            }
        }
        // What has no end is on disk before anything is moved.
        let fresh = file.with_file_name("journal.new.jsonl");
        let mut written = open_private(&fresh)?;
        written.set_len(0)?;
        written.write_all(kept.as_bytes())?;
        written.sync_data()?;
        fs::rename(file, aside(file, 1))?;
        fs::rename(fresh, file)
    }

    /// A request with what this journal knows of the app: to how many instances it is started that has none.
    pub fn complete(&self, target: &Target, request: Request) -> Request {
        let asks =
            target.platform.options(Verb::Start).iter().any(|one| one.name == START_WITH.name);
        let silent = request.options.get(START_WITH.name).is_none();
        if request.operation != Operation::Start || !asks || !silent {
            return request;
        }
        let app = AppKey::new(target.id.clone(), request.app.clone());
        match self.history().former(&app) {
            Some(former) => request.with(START_WITH.name, &former.to_string()),
            None => request,
        }
    }

    /// What the journal tells, without those that were put aside: all that has no end yet is in it. A journal that is
    /// not there tells nothing.
    pub fn read(&self) -> Story {
        // Who writes nothing reads all the same.
        let mut story = self
            .file
            .as_ref()
            .map(|file| read_file(file, &format!("the journal {}", file.display())));
        if self.is_skipped() {
            let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            let own = Story::parse(&memory, "what is remembered of this run");
            story = Some(match story {
                Some(kept) => kept.followed_by(own),
                None => own,
            });
        }
        let mut story = story.unwrap_or_default();
        if let Some(directory) = self.file.as_deref().and_then(Path::parent) {
            let claims = self.claims();
            story.find_followed(|operation| claims.another_has(directory, operation));
        }
        story
    }

    /// What the journal tells with those that were put aside, as far back as they are kept.
    pub fn history(&self) -> Story {
        let newest = self.read();
        let Some(file) = self.file.as_ref() else { return newest };
        let earlier = (1..=KEPT).rev().map(|number| {
            read_file(
                &aside(file, number),
                &format!("the journal put aside as journal.{number}.jsonl"),
            )
        });
        earlier.chain([newest]).reduce(Story::followed_by).unwrap_or_default()
    }

    /// Where files belong that are kept beside it; `None` where nothing is written.
    pub fn beside(&self) -> Option<PathBuf> {
        self.directory().map(Path::to_owned)
    }

    /// When an operation of an earlier run was seen last.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }
}

/// Where a journal is put aside; 1 is the latest one.
fn aside(file: &Path, number: u32) -> PathBuf {
    file.with_file_name(format!("journal.{number}.jsonl"))
}

/// What one file tells, which is called so in complaints.
fn read_file(file: &Path, called: &str) -> Story {
    match fs::read(file) {
        Ok(bytes) => Story::parse(&String::from_utf8_lossy(&bytes), called),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Story::default(),
        Err(error) => Story::unreadable(called, &error),
    }
}

/// Whether the next line may follow at once.
fn ends_in_a_line(file: Option<&Path>) -> bool {
    let last = || -> io::Result<Option<u8>> {
        let Some(file) = file else { return Ok(None) };
        let mut file = fs::File::open(file)?;
        if file.seek(SeekFrom::End(0))? == 0 {
            return Ok(None);
        }
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(Some(byte[0]))
    };
    last().ok().flatten().is_none_or(|byte| byte == b'\n')
}

/// Opens a file for appending that nobody else may read, in a directory that nobody else may enter.
pub fn open_private(file: &Path) -> io::Result<fs::File> {
    if let Some(directory) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        tighten(directory, 0o700);
    }
    // Over NFS a shared lock needs a file that may be read (flock(2)).
    let opened = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(file)?;
    tighten(file, 0o600);
    Ok(opened)
}

/// Takes rights from others that an earlier version has given; what belongs to somebody else stays as it is.
fn tighten(path: &Path, mode: u32) {
    if let Ok(known) = fs::metadata(path)
        && known.permissions().mode() & 0o777 & !mode != 0
    {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    }
}

#[async_trait]
impl Record for Journal {
    async fn sending(&self, receipt: &Receipt) -> Result<(), String> {
        let (journal, receipt) = (self.clone(), receipt.clone());
        match tokio::task::spawn_blocking(move || journal.sent(&receipt)).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AppId, Recipe, TargetId};

    fn journal(directory: &Path) -> Journal {
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        Journal::in_directory(Some(directory.to_owned()), Arc::new(move || at))
    }

    fn receipt(operation: &str) -> Receipt {
        let recipe = Recipe { id: operation.to_owned(), former: Some(3), ..Recipe::default() };
        let app = AppKey::new(TargetId::new("cf"), AppId::new("guid"));
        Receipt::unsent(app, "checkout".to_owned(), Verb::Stop, recipe)
    }

    fn told(story: &Story) -> Vec<String> {
        let told = |entry: &Entry| format!("{} {}", entry.operation, entry.event);
        story.entries.iter().map(told).collect()
    }

    #[test]
    fn what_is_put_aside_is_still_told_and_what_is_open_goes_on() {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (journal(place.path()), journal(place.path()));
        let done = Outcome::Done("it is".to_owned());
        for number in 0..5 {
            one.sent(&receipt(&format!("ended-{number}"))).unwrap();
            one.ended(&format!("ended-{number}"), &done).unwrap();
            one.sent(&receipt(&format!("open-{number}"))).unwrap();
            one.rotate_beyond(0).unwrap();
            // One that is small stays where it is, whoever looks.
            other.rotate_beyond(1_000_000).unwrap();
            other.sent(&receipt("open-0")).unwrap();
        }
        // What has no end is in the journal itself, however often it was put aside.
        let open: Vec<_> = one.read().open().into_iter().map(|one| one.receipt.recipe.id).collect();
        assert_eq!(open, ["open-0", "open-1", "open-2", "open-3", "open-4"]);
        // The others are told as far back as they are kept, each line once.
        let told = told(&one.history());
        let count = |line: &str| told.iter().filter(|one| *one == line).count();
        for number in 2..5 {
            assert_eq!(count(&format!("ended-{number} ended")), 1, "{told:?}");
            assert_eq!(count(&format!("open-{number} sent")), 1, "{told:?}");
        }
        assert_eq!(count("ended-0 ended"), 0, "{told:?}");
        let kept = fs::read_dir(place.path()).unwrap();
        let kept: Vec<_> = kept.map(|file| file.unwrap().file_name()).collect();
        assert_eq!(kept.len(), 5, "three, the journal and its lock: {kept:?}");
    }

    #[test]
    fn nothing_is_written_into_a_journal_while_it_is_put_aside() {
        let place = tempfile::tempdir().unwrap();
        let one = journal(place.path());
        one.sent(&receipt("first")).unwrap();
        let hold = Hold::exclusive(one.file.as_deref().unwrap()).unwrap();
        let writer = std::thread::spawn({
            let other = journal(place.path());
            move || other.sent(&receipt("second")).unwrap()
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(told(&one.read()), ["first sent"]);
        drop(hold);
        writer.join().unwrap();
        assert_eq!(told(&one.read()), ["first sent", "second sent"]);
    }

    /// Who cannot write it down does not keep an operation from others, nor from itself later.
    #[test]
    fn what_cannot_be_written_down_is_not_taken() {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (journal(place.path()), journal(place.path()));
        one.sent(&receipt("a")).unwrap();
        let lock = place.path().join("journal.lock");
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        assert!(one.take_up(&receipt("a")).is_err());
        assert!(one.take_up(&receipt("a")).is_err(), "nor the second time");
        fs::remove_dir(&lock).unwrap();
        assert!(matches!(other.take_up(&receipt("a")).unwrap(), Taken::Ours(_)));
        assert_eq!(one.take_up(&receipt("a")).unwrap(), Taken::Followed);
        let outcome = Outcome::Done("it is".to_owned());
        other.ended("a", &outcome).unwrap();
        assert_eq!(one.take_up(&receipt("a")).unwrap(), Taken::Ended(outcome));
        // That nothing can be read is no end.
        other.sent(&receipt("b")).unwrap();
        let file = place.path().join("journal.jsonl");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(one.take_up(&receipt("b")).is_err());
    }
}
