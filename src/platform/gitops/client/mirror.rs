//! The private copy of a repository: bare, below the cache directory, with one branch and its history. Nothing is ever done
//! in a clone of the operator's; its objects are borrowed, and what it configures is passed on.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    address::bare_address,
    git::{Git, Ran},
};
use crate::{
    domain::{ProblemKind, text::clean},
    platform::{Error, OpenError, http::WRITES_WAIT},
};

/// Where the remote's branches are kept in the copy.
pub(in crate::platform::gitops) const KEPT: &str = "refs/revdeck/";
/// The oldest git that is taken: configuration from the environment is of 2.31, and the simulated forge merges with 2.38.
const OLDEST: (u32, u32) = (2, 38);
/// How many objects are read in one go.
const BATCH: usize = 500;
/// What a first copy may take, as a multiple of what anything else may.
const FIRST: u32 = 20;
/// What of the operator's clone is passed on: who commits and how it is signed, and how the remote is reached.
const PASSED_ON: [&str; 9] = [
    "user.",
    "author.",
    "committer.",
    "gpg.",
    "commit.gpgsign",
    "credential.",
    "core.sshcommand",
    "http.",
    "url.",
];

/// A commit, tree or blob.
pub(in crate::platform::gitops) type ObjectId = String;

/// A repository's private copy.
#[derive(Clone, Debug)]
pub(in crate::platform::gitops) struct Mirror {
    pub(in crate::platform::gitops) git: Git,
    /// What git is given as the remote.
    pub(in crate::platform::gitops) url: String,
    /// What it is given to push to, or why nothing is pushed.
    pub(in crate::platform::gitops) push_to: Result<String, String>,
    /// The branch that is asked for; the remote's own where none is.
    branch: Option<String>,
}

/// Where a branch and its neighbours point to on the remote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Remote {
    /// The branch's name.
    pub(in crate::platform::gitops) branch: String,
    /// Its head.
    pub(in crate::platform::gitops) head: ObjectId,
    /// Branches that revdeck made, by name.
    pub(in crate::platform::gitops) ours: Vec<(String, ObjectId)>,
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn own_directory(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

impl Mirror {
    /// The copy of a repository that is named by a path or an address; nobody is spoken to yet. `cache` is the directory
    /// for copies.
    pub(in crate::platform::gitops) fn open(
        repository: &str,
        branch: Option<&str>,
        cache: &Path,
        variables: Vec<(String, String)>,
        patience: Duration,
    ) -> Result<Self, OpenError> {
        let mut git = Git {
            directory: cache.to_owned(),
            config: Vec::new(),
            variables,
            patience,
            remote: bare_address(repository),
        };
        let local = Path::new(repository);
        let mut url = repository.to_owned();
        let mut pushes = Vec::new();
        let mut borrowed = None;
        let path = !repository.contains("://")
            && !repository.split('/').next().unwrap_or_default().contains(':');
        if path && !local.is_dir() {
            let text = format!("there is no repository at {repository}");
            return Err(OpenError { kind: ProblemKind::NotFound, text });
        }
        if path {
            let clone = Clone::read(&git, local)?;
            url = clone.url;
            pushes = clone.pushes;
            git.remote = bare_address(&url);
            git.config = clone.config;
            borrowed = clone.objects;
        }
        let bare = bare_address(repository);
        let name = bare.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        // What borrows from a clone is of no use without it.
        let lender = borrowed.as_ref().map(|of| format!("#{}", of.display())).unwrap_or_default();
        let directory = cache.join(format!(
            "{}-{:016x}.git",
            name.trim_end_matches(".git"),
            hash(&format!("{url}#{}{lender}", branch.unwrap_or_default()))
        ));
        let failed = |why: String| {
            OpenError::login(format!(
                "the copy of {} at {} cannot be used: {why}",
                git.remote,
                directory.display()
            ))
        };
        own_directory(&directory).map_err(|error| failed(error.to_string()))?;
        git.directory = directory.clone();
        if !directory.join("HEAD").exists() {
            let made = std::process::Command::new("git")
                .args(["init", "--quiet", "--bare", "."])
                .current_dir(&directory)
                .env_remove("GIT_DIR")
                .output();
            match made {
                Ok(made) if made.status.success() => {}
                Ok(made) => {
                    return Err(failed(String::from_utf8_lossy(&made.stderr).trim().to_owned()));
                }
                Err(error) => {
                    return Err(OpenError::login(format!(
                        "the git program cannot be run ({error}): install git 2.38 or newer"
                    )));
                }
            }
        }
        if let Some(objects) = borrowed {
            let info = directory.join("objects/info");
            let written = fs::create_dir_all(&info).and_then(|()| {
                fs::write(info.join("alternates"), format!("{}\n", objects.display()))
            });
            written.map_err(|error| failed(error.to_string()))?;
        }
        // It is given to git as a variable, which comes before what the operator has for all repositories.
        if !git.config.iter().any(|(name, _)| name == "core.sshcommand")
            && let Some(command) = everywhere(&git, "core.sshcommand")
        {
            git.config.push(("core.sshcommand".to_owned(), command));
        }
        // A line that has gone dead is given up before the time for a whole copy is over.
        let slow = [("http.lowspeedlimit", "1"), ("http.lowspeedtime", "30")];
        let defaults = slow.map(|(name, value)| (name.to_owned(), value.to_owned()));
        git.config.splice(0..0, defaults);
        let by_hand = "nothing is pushed for it";
        let push_to = match pushes.as_slice() {
            [] => Ok(url.clone()),
            [to] if is_place(to) => Ok(to.clone()),
            [to] => Err(format!(
                "the clone {repository} forbids to push (remote.origin.pushurl is {}): {by_hand}",
                clean(&bare_address(to))
            )),
            several => Err(format!(
                "the clone {repository} pushes to {} places (remote.origin.pushurl): {by_hand}",
                several.len()
            )),
        };
        Ok(Self { git, url, push_to, branch: branch.map(str::to_owned) })
    }

    /// Where it is pushed to, as it stands in sentences.
    pub(in crate::platform::gitops) fn pushes_to(&self) -> String {
        self.push_to.as_ref().map_or_else(|_| self.git.remote.clone(), |to| bare_address(to))
    }

    /// Refuses a git that is too old.
    pub(in crate::platform::gitops) async fn check_version(&self) -> Result<String, Error> {
        let text = self.git.text(&["version"]).await?;
        let number = text.trim_start_matches("git version ").to_owned();
        let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if version < OLDEST {
            let what = format!("git {number} is too old: revdeck needs git 2.38 or newer");
            return Err(Error::Refused { what });
        }
        Ok(number)
    }

    /// Asks the remote where its branches are: one request. `ours` is how the names of branches of ours begin.
    pub(in crate::platform::gitops) async fn look(&self, ours: &[&str]) -> Result<Remote, Error> {
        let branch = self.branch.as_deref();
        let head =
            branch.map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}"));
        let patterns: Vec<_> = ours.iter().map(|begin| format!("refs/heads/{begin}*")).collect();
        let mut arguments =
            vec!["ls-remote", "--symref", "--end-of-options", &self.url, head.as_str()];
        arguments.extend(patterns.iter().map(String::as_str));
        let text = self.git.read(&arguments, None).await?.text();
        let mut remote =
            Remote { branch: branch.unwrap_or_default().to_owned(), ..Remote::default() };
        for line in text.lines() {
            let Some((left, name)) = line.split_once('\t') else { continue };
            if let Some(target) = left.strip_prefix("ref: ") {
                if name == "HEAD" && branch.is_none() {
                    remote.branch = target.trim_start_matches("refs/heads/").to_owned();
                }
            } else if name == head {
                remote.head = left.to_owned();
            } else if let Some(name) = name.strip_prefix("refs/heads/") {
                remote.ours.push((name.to_owned(), left.to_owned()));
            }
        }
        if remote.head.is_empty() {
            let api = &self.git.remote;
            let what = match branch {
                Some(branch) => {
                    format!("{api} has no branch {branch:?}: see `git ls-remote --heads {api}`")
                }
                None => {
                    format!("{api} has no commit yet, or no default branch: name one with #BRANCH")
                }
            };
            return Err(Error::NotFound { what });
        }
        Ok(remote)
    }

    /// Where one branch points to on the remote; `None` where there is none.
    pub(in crate::platform::gitops) async fn head_of(
        &self,
        branch: &str,
    ) -> Result<Option<ObjectId>, Error> {
        let name = format!("refs/heads/{branch}");
        let text =
            self.git.read(&["ls-remote", "--end-of-options", &self.url, &name], None).await?.text();
        let found =
            text.lines().filter_map(|line| line.split_once('\t')).find(|(_, known)| *known == name);
        Ok(found.map(|(id, _)| id.to_owned()))
    }

    /// Brings branches here, by name.
    pub(in crate::platform::gitops) async fn fetch(&self, branches: &[&str]) -> Result<(), Error> {
        let wanted: Vec<_> =
            branches.iter().map(|branch| format!("+refs/heads/{branch}:{KEPT}{branch}")).collect();
        let mut arguments = vec![
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--end-of-options",
            &self.url,
        ];
        arguments.extend(wanted.iter().map(String::as_str));
        let known = ["for-each-ref", "--count=1", KEPT];
        let first = self.git.text(&known).await?.is_empty();
        let times = if first { FIRST } else { WRITES_WAIT };
        let patient = Git { patience: self.git.patience * times, ..self.git.clone() };
        patient.read(&arguments, None).await.map(drop)
    }

    /// Whether a commit is here.
    pub(in crate::platform::gitops) async fn has(&self, id: &str) -> bool {
        let object = format!("{id}^{{commit}}");
        matches!(
            self.git.run(&["cat-file", "-e", &object], None, &[]).await,
            Ok(Ran { ok: true, .. })
        )
    }

    /// What a commit says; nothing where it is not here.
    pub(in crate::platform::gitops) async fn message(&self, id: &str) -> String {
        let arguments = ["log", "-1", "--format=%B", "--end-of-options", id];
        match self.git.run(&arguments, None, &[]).await {
            Ok(ran) if ran.ok => ran.text(),
            _ => String::new(),
        }
    }

    /// Whether one commit is the other, or one of those before it. Both must be here.
    pub(in crate::platform::gitops) async fn contains(
        &self,
        newer: &str,
        older: &str,
    ) -> Result<bool, Error> {
        if newer == older {
            return Ok(true);
        }
        let arguments = ["merge-base", "--is-ancestor", older, newer];
        match self.git.run(&arguments, None, &[]).await {
            Ok(ran) if ran.ok => Ok(true),
            Ok(Ran { code: Some(1), .. }) => Ok(false),
            Ok(ran) => Err(self.git.complaint(&ran.stderr)),
            Err(unrun) => Err(self.git.unrun(&unrun)),
        }
    }

    /// Files of a commit that may say what runs, path and blob; and the paths of all others.
    pub(in crate::platform::gitops) async fn files(
        &self,
        commit: &str,
    ) -> Result<(Vec<(String, ObjectId)>, Vec<String>), Error> {
        let ran = self.git.read(&["ls-tree", "-r", "-z", "--end-of-options", commit], None).await?;
        let text = String::from_utf8_lossy(&ran.stdout);
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for entry in text.split('\0') {
            let Some((left, path)) = entry.split_once('\t') else { continue };
            let mut parts = left.split(' ');
            let (mode, kind, id) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
            if kind == Some("blob") && mode != Some("120000") && is_yaml(path) {
                files.push((path.to_owned(), id.to_owned()));
            } else {
                others.push(path.to_owned());
            }
        }
        Ok((files, others))
    }

    /// The blobs of these identifiers, in order; `None` for one that is not there.
    pub(in crate::platform::gitops) async fn blobs(
        &self,
        ids: &[ObjectId],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut blobs = Vec::with_capacity(ids.len());
        for some in ids.chunks(BATCH) {
            let mut input = String::new();
            for id in some {
                let _ = writeln!(input, "{id}");
            }
            let ran = self.git.read(&["cat-file", "--batch"], Some(input.into_bytes())).await?;
            let mut rest = ran.stdout.as_slice();
            for _ in some {
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                let head =
                    String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
                rest = rest.get(end + 1..).unwrap_or_default();
                let size = head.rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
                blobs.push(size.and_then(|size| {
                    let body = rest.get(..size)?.to_vec();
                    rest = rest.get(size + 1..).unwrap_or_default();
                    Some(body)
                }));
            }
        }
        Ok(blobs)
    }
}

/// What git is configured to for all of the operator's repositories.
fn everywhere(git: &Git, name: &str) -> Option<String> {
    let mut command = std::process::Command::new("git");
    command.current_dir(&git.directory).args(["config", "--get", name]).env_remove("GIT_DIR");
    command.envs(git.variables.iter().map(|(name, value)| (name, value)));
    let told = command.output().ok().filter(|told| told.status.success())?;
    Some(String::from_utf8_lossy(&told.stdout).trim_end().to_owned())
}

/// Whether a file may say what runs.
pub(in crate::platform::gitops) fn is_yaml(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "Kustomization"
        || Path::new(name).extension().is_some_and(|end| end == "yaml" || end == "yml")
}

/// Whether git could push to it, however it is called: an address, or a path.
fn is_place(address: &str) -> bool {
    address.contains([':', '/'])
}

/// A clone of the operator's.
struct Clone {
    url: String,
    /// Where it pushes to, where that is said apart.
    pushes: Vec<String>,
    /// Where its objects are; nothing of one that lacks some is borrowed, since git would ask for them one by one.
    objects: Option<PathBuf>,
    config: Vec<(String, String)>,
}

impl Clone {
    /// Reads where a clone comes from and what it configures.
    fn read(git: &Git, path: &Path) -> Result<Self, OpenError> {
        let bad = |why: &str| OpenError {
            kind: ProblemKind::NotFound,
            text: format!("{} cannot be used as a repository: {why}", path.display()),
        };
        let ask = |arguments: &[&str]| {
            let mut command = std::process::Command::new("git");
            command.arg("-C").arg(path).args(arguments).env("LC_ALL", "C").env_remove("GIT_DIR");
            command.envs(git.variables.iter().map(|(name, value)| (name, value)));
            command
                .output()
                .map_err(|error| bad(&format!("the git program cannot be run ({error})")))
        };
        let directory = ask(&["rev-parse", "--absolute-git-dir", "--git-path", "objects"])?;
        if !directory.status.success() {
            return Err(bad("it is none"));
        }
        let told = String::from_utf8_lossy(&directory.stdout).into_owned();
        let mut lines = told.lines();
        let (own, objects) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        if Path::new(own).join("shallow").exists() {
            return Err(bad(
                "it is a shallow clone, and the history is what matters: `git fetch --unshallow`",
            ));
        }
        let objects = path.join(objects);
        let objects = objects.canonicalize().unwrap_or(objects);
        let config = ask(&["config", "--list", "-z", "--includes"])?;
        let config: Vec<(String, String)> = String::from_utf8_lossy(&config.stdout)
            .split('\0')
            .filter_map(|entry| entry.split_once('\n'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let get = |name: &str| {
            config.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        // A bare repository without a remote is the place itself; into somebody's clone nothing is pushed.
        if get("remote.origin.url").is_none() && get("core.bare").as_deref() != Some("true") {
            return Err(bad("it has no remote `origin` to push to"));
        }
        // Of several git fetches from the first.
        let url = config.iter().find(|(name, _)| name == "remote.origin.url");
        let url = url.map_or_else(|| own.to_owned(), |(_, url)| url.clone());
        let placed = |url: String| {
            if url.contains("://") || !Path::new(&url).is_relative() || url.contains(':') {
                url
            } else {
                path.join(&url).display().to_string()
            }
        };
        let url = placed(url);
        let pushes = config.iter().filter(|(name, _)| name == "remote.origin.pushurl");
        let pushes =
            pushes.map(|(_, to)| if is_place(to) { placed(to.clone()) } else { to.clone() });
        let pushes = pushes.collect();
        let partial = config.iter().any(|(name, value)| {
            name == "extensions.partialclone"
                || (name.starts_with("remote.") && name.ends_with(".promisor") && value == "true")
        });
        let objects = (!partial).then_some(objects);
        let passed = |name: &str| PASSED_ON.iter().any(|prefix| name.starts_with(prefix));
        let config = config.into_iter().filter(|(name, _)| passed(name)).collect();
        Ok(Self { url, pushes, objects, config })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_may_say_what_runs() {
        for (path, yes) in
            [("a/b.yaml", true), ("b.yml", true), ("x/Kustomization", true), ("a.json", false)]
        {
            assert_eq!(is_yaml(path), yes, "{path}");
        }
    }
}
