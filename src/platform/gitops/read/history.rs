//! Which commits changed what runs: told by what their diffs do, along the first parents, never by author or subject.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::snapshot::{self, Blobs, Entry, Snapshot};
use crate::platform::{
    Error,
    gitops::{
        client::mirror::{Mirror, ObjectId, is_yaml},
        model::{image::Version, places::Sited},
    },
};

/// How many commits are read before the first answer.
pub(in crate::platform::gitops) const FIRST: usize = 300;
/// How many commits' blobs are looked through in one go.
const CHUNK: usize = 400;
/// The file of what is known, and its form.
const FILE: &str = "revdeck-history.json";
const FORM: u32 = 3;
/// What stands for no blob in a raw diff.
const NONE: &str = "0000000000000000000000000000000000000000";

/// One place's change in a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::platform::gitops) struct ImageChange {
    pub(in crate::platform::gitops) file: String,
    pub(in crate::platform::gitops) place: String,
    pub(in crate::platform::gitops) image: String,
    pub(in crate::platform::gitops) old: Option<Version>,
    pub(in crate::platform::gitops) new: Option<Version>,
}

/// A place: its file, and its path there.
type PlaceId = (String, String);

/// A commit that changed what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::platform::gitops) struct Commit {
    pub(in crate::platform::gitops) id: ObjectId,
    pub(in crate::platform::gitops) parent: Option<ObjectId>,
    /// When its author wrote it, and when it came to be as it is.
    pub(in crate::platform::gitops) written: Timestamp,
    pub(in crate::platform::gitops) committed: Timestamp,
    pub(in crate::platform::gitops) author: String,
    pub(in crate::platform::gitops) subject: String,
    pub(in crate::platform::gitops) body: String,
    pub(in crate::platform::gitops) changes: Vec<ImageChange>,
    /// Places that it moved, from and to: file and path each.
    #[serde(default)]
    pub(in crate::platform::gitops) moves: Vec<(PlaceId, PlaceId)>,
    /// Whether it changed nothing else.
    #[serde(default)]
    pub(in crate::platform::gitops) pure: bool,
}

/// What is known of a branch's history.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::platform::gitops) struct Past {
    form: u32,
    pub(in crate::platform::gitops) head: ObjectId,
    /// Newest first.
    pub(in crate::platform::gitops) commits: Vec<Commit>,
    /// Whether it reaches to the first commit.
    pub(in crate::platform::gitops) complete: bool,
    #[serde(skip)]
    index: OnceLock<Arc<Index>>,
}

/// Which commits are about an image, and which move places, by their numbers.
#[derive(Debug, Default)]
struct Index {
    images: HashMap<String, Vec<usize>>,
    moving: Vec<usize>,
}

/// One commit of the log, with the files that it changed: path, old and new blob.
struct Logged {
    commit: Commit,
    files: Vec<(String, ObjectId, ObjectId)>,
    others: bool,
}

impl Past {
    fn file(mirror: &Mirror) -> PathBuf {
        mirror.git.directory.join(FILE)
    }

    /// What an earlier run has found out.
    pub(in crate::platform::gitops) fn load(mirror: &Mirror) -> Option<Self> {
        let text = fs::read(Self::file(mirror)).ok()?;
        let past: Self = serde_json::from_slice(&text).ok()?;
        (past.form == FORM).then_some(past)
    }

    /// Keeps it for the next run; what cannot be kept is found out again.
    pub(in crate::platform::gitops) fn save(&self, mirror: &Mirror) {
        let kept = Self { form: FORM, ..self.clone() };
        let Ok(text) = serde_json::to_vec(&kept) else { return };
        let file = Self::file(mirror);
        let part = file.with_extension(format!("{}.part", std::process::id()));
        if fs::write(&part, text).and_then(|()| fs::rename(&part, &file)).is_err() {
            tracing::warn!(file = %file.display(), "the history cannot be kept");
        }
    }

    /// What this is at a newer head: commits since are added. A head that is not behind the new one is forgotten.
    pub(in crate::platform::gitops) async fn advance(
        self,
        mirror: &Mirror,
        blobs: &mut Blobs,
        head: &str,
        limit: Option<usize>,
    ) -> Result<Self, Error> {
        if self.head == head && (self.complete || limit.is_some()) {
            return Ok(self);
        }
        let known = self.complete
            && mirror.has(&self.head).await
            && mirror.contains(head, &self.head).await?;
        let range = if known { format!("{}..{head}", self.head) } else { head.to_owned() };
        let limit = limit.filter(|_| !known);
        let logged = log(mirror, &range, limit).await?;
        let complete = known || limit.is_none_or(|limit| logged.len() < limit);
        let mut commits = Vec::new();
        for some in logged.chunks(CHUNK) {
            commits.extend(changed(mirror, blobs, some).await?);
        }
        if known {
            commits.extend(self.commits);
        }
        Ok(Self { form: FORM, head: head.to_owned(), commits, complete, index: OnceLock::new() })
    }

    /// The commits that are about images, or move places, newest first.
    fn about<'a>(&'a self, names: impl Iterator<Item = &'a String>) -> Vec<&'a Commit> {
        let index = self.index.get_or_init(|| {
            let mut index = Index::default();
            for (at, commit) in self.commits.iter().enumerate() {
                for change in &commit.changes {
                    let of = index.images.entry(change.image.clone()).or_default();
                    if of.last() != Some(&at) {
                        of.push(at);
                    }
                }
                if !commit.moves.is_empty() {
                    index.moving.push(at);
                }
            }
            Arc::new(index)
        });
        let of = names.filter_map(|name| index.images.get(name)).flatten();
        let all: BTreeSet<usize> = of.chain(&index.moving).copied().collect();
        all.into_iter().filter_map(|at| self.commits.get(at)).collect()
    }

    /// The commits that changed an app, newest first, each with the version that it left the app at; with `all`
    /// also those of places that a kustomization overrides.
    pub(in crate::platform::gitops) fn of<'a>(
        &'a self,
        entry: &'a Entry,
        snapshot: &'a Snapshot,
        all: bool,
    ) -> Vec<(&'a Commit, Version)> {
        let id = |change: &ImageChange| (change.file.clone(), change.place.clone());
        let lead = entry.lead().map(|lead| (lead.file.clone(), lead.place.path.clone()));
        let places = entry.places.iter();
        // Where its places were, from now back: along moves, and where one came anew, in places that have gone since.
        let mut own: HashSet<PlaceId> =
            places.map(|one| (one.file.clone(), one.place.path.clone())).collect();
        let mut gone: Vec<&ImageChange> = Vec::new();
        let alone = snapshot.is_alone(&entry.image);
        let mut replaces_since = false;
        let mut told: Vec<(&Commit, Version)> = Vec::new();
        let mut comes: Vec<bool> = Vec::new();
        let names = entry.places.iter().map(|one| &one.place.image).chain([&entry.image]);
        for commit in self.about(names) {
            let called = commit.changes.iter().filter(|change| entry.is_called(&change.image));
            let mine: Vec<_> = called
                .clone()
                .filter(|change| {
                    if !snapshot.overridden.contains(&id(change)) {
                        return own.contains(&id(change));
                    }
                    // What was replaced is told beside; before there was anything above it, it was what ran.
                    let of = snapshot::environment(&change.file);
                    let near = alone || of == entry.scope || (replaces_since && of.is_empty());
                    near && (all || replaces_since)
                })
                .collect();
            let brings = mine.iter().filter(|change| change.new.is_some());
            let led = brings.clone().find(|change| Some(id(change)) == lead);
            let version = led.or_else(|| brings.clone().next());
            if let Some(version) = version.and_then(|change| change.new.clone()) {
                comes.push(mine.iter().all(|change| change.old.is_none()));
                told.push((commit, version));
            }
            let moved: Vec<_> =
                commit.moves.iter().filter(|(_, to)| own.contains(to)).cloned().collect();
            let anew = mine.iter().any(|change| {
                change.old.is_none() && !moved.iter().any(|(_, to)| *to == id(change))
            });
            replaces_since |= anew;
            if anew {
                let near = |change: &&&ImageChange| {
                    let of = snapshot::environment(&change.file);
                    of.is_empty() || entry.scope.starts_with(&of)
                };
                own.extend(gone.iter().filter(near).map(|change| id(change)));
            }
            own.extend(moved.into_iter().map(|(from, _)| from));
            gone.extend(called.filter(|change| change.new.is_none() && !own.contains(&id(change))));
        }
        // A second place that comes with the version of the first is no revision.
        let versions: Vec<_> = told.iter().map(|(_, version)| version.clone()).collect();
        let mut at = 0;
        told.retain(|(_, version)| {
            at += 1;
            !comes[at - 1] || versions.get(at).is_none_or(|older| older != version)
        });
        told
    }
}

/// A note as one paragraph of a commit's message: no line of it can be taken for a trailer.
pub(in crate::platform::gitops) fn note_line(text: &str) -> String {
    crate::domain::text::clean(text).trim().to_owned()
}

/// Reads the log along the first parents, newest first.
async fn log(mirror: &Mirror, range: &str, limit: Option<usize>) -> Result<Vec<Logged>, Error> {
    let number = limit.map(|limit| format!("--max-count={limit}"));
    let mut arguments = vec![
        "-c",
        "log.showRoot=true",
        "log",
        "--first-parent",
        "-m",
        "--raw",
        "--no-renames",
        "--no-abbrev",
        "-z",
        "--no-show-signature",
        "--format=%x01%H%x1f%P%x1f%at%x1f%ct%x1f%an%x1f%s%x1f%b",
    ];
    arguments.extend(number.as_deref());
    arguments.extend(["--end-of-options", range]);
    let ran = mirror.git.read(&arguments, None).await?;
    let text = String::from_utf8_lossy(&ran.stdout);
    let mut logged: Vec<Logged> = Vec::new();
    let mut tokens = text.split('\0');
    while let Some(token) = tokens.next() {
        let token = token.trim_start_matches('\n');
        if let Some(header) = token.strip_prefix('\u{1}') {
            let mut fields = header.splitn(7, '\u{1f}');
            let mut next = || fields.next().unwrap_or_default().to_owned();
            let (id, parents, written, committed) = (next(), next(), next(), next());
            let (author, subject, body) = (next(), next(), next());
            let time =
                |text: &str| text.parse().ok().and_then(|at| Timestamp::from_second(at).ok());
            let commit = Commit {
                id,
                parent: parents.split(' ').next().filter(|id| !id.is_empty()).map(str::to_owned),
                written: time(&written).unwrap_or_default(),
                committed: time(&committed).unwrap_or_default(),
                author,
                subject,
                body: body.trim_end().to_owned(),
                changes: Vec::new(),
                moves: Vec::new(),
                pure: false,
            };
            logged.push(Logged { commit, files: Vec::new(), others: false });
        } else if let Some(raw) = token.strip_prefix(':') {
            let Some(file) = tokens.next() else { break };
            let Some(last) = logged.last_mut() else { continue };
            let parts: Vec<_> = raw.split(' ').collect();
            let [_, _, old, new, ..] = parts.as_slice() else { continue };
            if is_yaml(file) {
                last.files.push((file.to_owned(), (*old).to_owned(), (*new).to_owned()));
            } else {
                last.others = true;
            }
        }
    }
    Ok(logged)
}

/// Those of some commits that changed what runs.
async fn changed(
    mirror: &Mirror,
    blobs: &mut Blobs,
    logged: &[Logged],
) -> Result<Vec<Commit>, Error> {
    let sides = logged.iter().flat_map(|one| &one.files);
    let wanted = sides.flat_map(|(file, old, new)| [(file, old), (file, new)]);
    snapshot::learn(mirror, blobs, wanted.filter(|(_, id)| *id != NONE)).await?;
    let none: &[_] = &[];
    let commits = logged.iter().filter_map(|one| {
        let side = |new: bool| -> Vec<Sited> {
            let places = one.files.iter().flat_map(|(file, before, after)| {
                let id = if new { after } else { before };
                let found = blobs.get(id).and_then(|known| known.get(file));
                let places = found
                    .and_then(|found| found.as_ref().as_ref().ok())
                    .map_or(none, |contents| contents.places.as_slice());
                places.iter().map(|place| Sited {
                    file: file.clone(),
                    place: place.clone(),
                    image: place.image.clone(),
                    built: Vec::new(),
                })
            });
            places.collect()
        };
        let (changes, moves) = difference(side(false), side(true));
        let pure = !one.others;
        let any = !changes.is_empty() || !moves.is_empty();
        any.then(|| Commit { changes, moves, pure, ..one.commit.clone() })
    });
    Ok(commits.collect())
}

/// What differs between the places of changed files before and after, and which of them have moved.
fn difference(
    before: Vec<Sited>,
    after: Vec<Sited>,
) -> (Vec<ImageChange>, Vec<(PlaceId, PlaceId)>) {
    let key = |one: &Sited| (one.file.clone(), one.place.path.clone());
    let mut old: HashMap<_, _> = before.into_iter().map(|one| (key(&one), one)).collect();
    let (mut changes, mut added) = (Vec::new(), Vec::new());
    for one in after {
        let Some(was) = old.remove(&key(&one)) else {
            added.push(one);
            continue;
        };
        if was.place.image != one.place.image || was.place.version != one.place.version {
            changes.push(change(&one, Some(was.place.version)));
        }
    }
    // What vanishes in one file and comes in another has moved.
    let mut moves = Vec::new();
    let mut gone: Vec<_> = old.into_values().collect();
    gone.sort_by(|a, b| (&a.file, &a.place.path).cmp(&(&b.file, &b.place.path)));
    for one in added {
        let same = |was: &Sited, version: bool| {
            was.place.image == one.place.image
                && (!version || was.place.version == one.place.version)
        };
        let at = gone
            .iter()
            .position(|was| same(was, true))
            .or_else(|| gone.iter().position(|was| same(was, false)));
        let was = at.map(|at| gone.remove(at));
        moves.extend(was.as_ref().map(|was| (key(was), key(&one))));
        match was {
            Some(was) if was.place.version == one.place.version => {}
            was => changes.push(change(&one, was.map(|was| was.place.version))),
        }
    }
    changes.extend(
        gone.into_iter()
            .map(|was| ImageChange { new: None, ..change(&was, Some(was.place.version.clone())) }),
    );
    (changes, moves)
}

fn change(one: &Sited, old: Option<Version>) -> ImageChange {
    ImageChange {
        file: one.file.clone(),
        place: one.place.path.clone(),
        image: one.place.image.clone(),
        old,
        new: Some(one.place.version.clone()),
    }
}
