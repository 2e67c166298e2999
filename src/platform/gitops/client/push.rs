//! Making a commit, and pushing it so that nobody's work is overwritten: its only parent is the head that was planned on,
//! and the push is a compare-and-set on that head.

use std::{fmt::Write as _, path::PathBuf};

use super::{
    address::{bare_address, without_credentials},
    git::{Git, Ran, Unrun, never_pushed},
    mirror::{Mirror, ObjectId},
};
use crate::{
    domain::text::clean,
    platform::{Error, gitops::options::OURS, http::WRITES_WAIT, operation::StepError},
};

/// Who makes a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Author {
    pub(in crate::platform::gitops) name: String,
    pub(in crate::platform::gitops) mail: String,
}

/// A file as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Changed {
    pub(in crate::platform::gitops) path: String,
    pub(in crate::platform::gitops) text: String,
}

/// A line of a server without what it begins with: `error:` says nothing that the sentence around it does not say.
fn without_marks(line: &str) -> &str {
    let mut line = line.trim();
    while let Some(rest) = line.strip_prefix("error:") {
        line = rest.trim();
    }
    line
}

/// How it is known that a branch is not where it was planned on: `git push --porcelain` writes `!` and one of these.
const MOVED: [&str; 5] = [
    "(stale info)",
    "(fetch first)",
    "(non-fast-forward)",
    "(needs force)",
    "(incorrect old value provided)",
];
/// What the server says of a branch that moves while it takes the push (git's `refs/files-backend.c`), and how the line then
/// ends (`builtin/receive-pack.c`).
const MOVING: [&str; 2] = [" but expected ", "reference already exists"];
const NOT_UPDATED: [&str; 2] = ["(failed to update ref)", "(cannot lock ref "];

/// Whether a push was refused since its branch is not where it was.
fn moved(line: &str, stderr: &str) -> bool {
    let locked = NOT_UPDATED.iter().any(|words| line.contains(words));
    let told = stderr.lines().filter(|line| line.starts_with("remote:")).chain([line]);
    let moving = |line: &str| MOVING.iter().any(|words| line.contains(words));
    MOVED.iter().any(|words| line.contains(words)) || (locked && told.into_iter().any(moving))
}

/// Why a commit was not made: what the program that signs has said, rather than what git says of it.
fn cause(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let own = |line: &&str| {
        line.starts_with("fatal: failed to write") || line.contains("failed to sign the data")
    };
    let mut told = lines().filter(|line| !own(line) && !line.starts_with("[GNUPG:]"));
    let told = told.next_back().or_else(|| lines().next()).unwrap_or("git gave no reason");
    clean(told.trim_start_matches("error: ").trim_start_matches("fatal: "))
}

impl Mirror {
    /// A value of the configuration that holds here.
    pub(in crate::platform::gitops) async fn setting(&self, name: &str) -> Option<String> {
        let ran = self.git.run(&["config", "--get", name], None, &[]).await.ok()?;
        ran.ok.then(|| ran.text()).filter(|text| !text.is_empty())
    }

    /// Who would be the author of a commit.
    pub(in crate::platform::gitops) async fn author(&self) -> Result<Author, Error> {
        let unknown = |why: &str| Error::Refused {
            what: format!(
                "git does not know who you are ({why}): `git config --global user.name` and `user.email`"
            ),
        };
        let strict = [("GIT_AUTHOR_DATE", "@0 +0000".to_owned())];
        let arguments = ["-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"];
        let ran = self
            .git
            .run(&arguments, None, &strict)
            .await
            .map_err(|unrun| self.git.unrun(&unrun))?;
        if !ran.ok {
            return Err(unknown("no name and address are configured"));
        }
        let text = ran.text();
        let (name, rest) =
            text.split_once(" <").ok_or_else(|| unknown("an identity without an address"))?;
        let mail = rest.split('>').next().unwrap_or_default();
        Ok(Author { name: name.to_owned(), mail: mail.to_owned() })
    }

    /// The text of a file at a commit; `None` where there is none.
    pub(in crate::platform::gitops) async fn file(
        &self,
        commit: &str,
        path: &str,
    ) -> Result<Option<String>, Error> {
        let object = format!("{commit}:{path}");
        let ran = self.git.run(&["cat-file", "blob", &object], None, &[]).await;
        let ran = ran.map_err(|unrun| self.git.unrun(&unrun))?;
        if !ran.ok {
            return Ok(None);
        }
        String::from_utf8(ran.stdout)
            .map(Some)
            .map_err(|_| Error::Refused { what: format!("{} is no UTF-8", clean(path)) })
    }

    /// The tree of a commit with some files changed. Nothing but objects is written, by an index of its own.
    pub(in crate::platform::gitops) async fn tree(
        &self,
        commit: &str,
        files: &[Changed],
    ) -> Result<ObjectId, Error> {
        let index = tempfile::Builder::new()
            .prefix("index-")
            .tempdir_in(&self.git.directory)
            .map_err(|error| Error::Refused { what: format!("no place for an index: {error}") })?;
        let own: PathBuf = index.path().join("index");
        let own = [("GIT_INDEX_FILE", own.display().to_string())];
        let run = async |arguments: &[&str], input: Option<Vec<u8>>| -> Result<String, Error> {
            let ran = self
                .git
                .run(arguments, input, &own)
                .await
                .map_err(|unrun| self.git.unrun(&unrun))?;
            if ran.ok { Ok(ran.text()) } else { Err(self.git.complaint(&ran.stderr)) }
        };
        run(&["read-tree", commit], None).await?;
        let mut lines = String::new();
        for file in files {
            let known = run(&["ls-tree", commit, "--", &file.path], None).await?;
            let mode = known
                .split(' ')
                .next()
                .filter(|mode| !mode.is_empty())
                .unwrap_or("100644")
                .to_owned();
            let blob = run(
                &["hash-object", "-w", "--no-filters", "--stdin"],
                Some(file.text.clone().into_bytes()),
            )
            .await?;
            let _ = write!(lines, "{mode} {blob}\t{}\0", file.path);
        }
        run(&["update-index", "-z", "--index-info"], Some(lines.into_bytes())).await?;
        run(&["write-tree"], None).await
    }

    /// What differs between two commits or trees, as a unified diff.
    pub(in crate::platform::gitops) async fn diff(
        &self,
        from: &str,
        to: &str,
    ) -> Result<String, Error> {
        let arguments = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", from, to];
        self.git.text(&arguments).await
    }

    /// Makes a commit of a tree, as its author; signed where that is configured. `seconds` is the time.
    pub(in crate::platform::gitops) async fn commit(
        &self,
        tree: &str,
        parent: &str,
        message: &str,
        author: &Author,
        seconds: i64,
    ) -> Result<ObjectId, Error> {
        let time = format!("@{seconds} +0000");
        let mut who = vec![
            ("GIT_AUTHOR_NAME", author.name.clone()),
            ("GIT_AUTHOR_EMAIL", author.mail.clone()),
            ("GIT_AUTHOR_DATE", time.clone()),
            ("GIT_COMMITTER_NAME", author.name.clone()),
            ("GIT_COMMITTER_EMAIL", author.mail.clone()),
            ("GIT_COMMITTER_DATE", time),
        ];
        let mut arguments = vec!["commit-tree", tree, "-p", parent];
        // `commit-tree` does not look at the setting by itself.
        let signed = self.signs().await;
        if signed {
            arguments.push("-S");
            // `ssh-keygen` would ask for a passphrase at the terminal, over the screen.
            if std::env::var_os("SSH_ASKPASS_REQUIRE").is_none() {
                who.push(("SSH_ASKPASS_REQUIRE", "force".to_owned()));
            }
        }
        let ran = self.git.run(&arguments, Some(message.as_bytes().to_vec()), &who).await;
        let ran = ran.map_err(|unrun| match unrun {
            Unrun::TimedOut(_) if signed => Error::Refused {
                what: "signing did not come to an end: unlock your agent and plan again".to_owned(),
            },
            other => self.git.unrun(&other),
        })?;
        if ran.ok {
            return Ok(ran.text());
        }
        let why = cause(&ran.stderr);
        Err(Error::Refused {
            what: if signed {
                format!("the commit cannot be signed ({why}): unlock your agent and plan again")
            } else {
                format!("the commit cannot be made: {why}")
            },
        })
    }

    /// Whether commits are signed.
    pub(in crate::platform::gitops) async fn signs(&self) -> bool {
        let asked = ["config", "--type=bool", "--get", "commit.gpgsign"];
        self.git.run(&asked, None, &[]).await.is_ok_and(|ran| ran.ok && ran.text() == "true")
    }

    /// Pushes a commit to a branch, if the branch is where it was planned on: at `expected`, or not there where that is
    /// empty. An empty `commit` deletes the branch.
    ///
    /// A plain push would not do: it is also taken where the branch has been moved back meanwhile.
    pub(in crate::platform::gitops) async fn push(
        &self,
        commit: &str,
        branch: &str,
        expected: &str,
    ) -> Result<(), StepError> {
        let lease = format!("--force-with-lease=refs/heads/{branch}:{expected}");
        let what = format!("{commit}:refs/heads/{branch}");
        let to = match &self.push_to {
            Ok(to) => to,
            Err(why) => return Err(StepError::NoEffect(Error::Refused { what: why.clone() })),
        };
        let arguments =
            ["push", "--porcelain", "--no-follow-tags", &lease, "--end-of-options", to, &what];
        // A server works on after its client has left: leaving early only loses the answer.
        let patient = Git {
            patience: self.git.patience * WRITES_WAIT,
            remote: bare_address(to),
            ..self.git.clone()
        };
        match patient.run(&arguments, None, &[]).await {
            Ok(ran) => Self::pushed(&patient, &ran, branch),
            Err(unrun @ Unrun::Missing(_)) => Err(StepError::NoEffect(patient.unrun(&unrun))),
            Err(unrun) => Err(StepError::Lost(patient.unrun(&unrun))),
        }
    }

    /// What became of a push, by the flag of its one line; without one, whether it can have arrived.
    fn pushed(git: &Git, ran: &Ran, branch: &str) -> Result<(), StepError> {
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        let line = text
            .lines()
            .find(|line| line.contains('\t') && line.contains(&format!("refs/heads/{branch}")));
        let Some(line) = line else {
            let error = git.complaint(&ran.stderr);
            return Err(if never_pushed(&ran.stderr) {
                StepError::NoEffect(error)
            } else {
                StepError::Lost(error)
            });
        };
        match line.chars().next() {
            Some('!') if line.contains("remote failed to report status") => {
                Err(StepError::Lost(git.complaint(&ran.stderr)))
            }
            Some('!') if moved(line, &ran.stderr) => {
                Err(StepError::Changed(format!("{branch} has moved since it was looked at")))
            }
            Some('!') => Err(StepError::NoEffect(Self::refused(&ran.stderr, line, branch))),
            _ => Ok(()),
        }
    }

    /// A push that the server has refused.
    fn refused(stderr: &str, line: &str, branch: &str) -> Error {
        let said: Vec<_> = stderr
            .lines()
            .filter_map(|line| line.strip_prefix("remote:"))
            .map(|line| clean(without_marks(&without_credentials(line))))
            .filter(|line| !line.is_empty())
            .take(3)
            .collect();
        let why = line.rsplit('(').next().unwrap_or_default().trim_end_matches(')');
        let said = if said.is_empty() { clean(why) } else { said.join(" ") };
        let own = OURS.iter().any(|begin| branch.starts_with(begin));
        let advice = if own { "" } else { "; plan it again as a pull request" };
        let what = format!(
            "the server does not take this push to {branch} ({said}): nothing was pushed{advice}"
        );
        Error::Refused { what }
    }
}
