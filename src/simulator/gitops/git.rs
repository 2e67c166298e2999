//! The real repository of the world: plumbing commands of git in a bare repository, at simulated times.

use std::{
    fmt::Write as _,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use jiff::Timestamp;

/// The branch that is applied.
pub(crate) const BRANCH: &str = "main";

/// Who makes a commit, and when.
#[derive(Clone, Debug)]
pub(crate) struct Who<'a> {
    pub(crate) name: &'a str,
    pub(crate) at: Timestamp,
}

/// A bare repository.
#[derive(Clone, Debug)]
pub(crate) struct Bare {
    pub(crate) directory: PathBuf,
}

impl Bare {
    /// Makes an empty one, open to pushes over HTTP.
    pub(crate) fn make(directory: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
        let bare = Self { directory: directory.to_owned() };
        bare.run(&["init", "--quiet", "--bare", "--initial-branch", BRANCH, "."], None)?;
        bare.run(&["config", "http.receivepack", "true"], None)?;
        Ok(bare)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(&self.directory)
            .env_remove("GIT_DIR")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C");
        command
    }

    fn ran(
        mut command: Command,
        arguments: &[&str],
        input: Option<&[u8]>,
    ) -> Result<Vec<u8>, String> {
        command
            .args(arguments)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("git cannot be run: {error}"))?;
        let feeding =
            input.and_then(|input| child.stdin.take().map(|stdin| (stdin, input.to_vec())));
        let feeder =
            feeding.map(|(mut stdin, input)| std::thread::spawn(move || stdin.write_all(&input)));
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if let Some(feeder) = feeder {
            let _ = feeder.join();
        }
        if output.status.success() {
            return Ok(output.stdout);
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(format!("git {}: {}", arguments.first().unwrap_or(&""), why.trim()))
    }

    /// Runs git, and returns what it prints.
    pub(crate) fn run(&self, arguments: &[&str], input: Option<&[u8]>) -> Result<String, String> {
        let told = Self::ran(self.command(), arguments, input)?;
        Ok(String::from_utf8_lossy(&told).trim_end().to_owned())
    }

    /// Where a branch points to.
    pub(crate) fn head(&self, branch: &str) -> Option<String> {
        let loose = self.directory.join("refs/heads").join(branch);
        if let Ok(text) = std::fs::read_to_string(loose) {
            return Some(text.trim().to_owned());
        }
        self.run(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")], None).ok()
    }

    /// All files of a commit below a directory, with their text.
    pub(crate) fn files(&self, commit: &str, below: &str) -> Result<Vec<(String, String)>, String> {
        let listed = self.run(
            &["ls-tree", "-r", "-z", commit, "--", if below.is_empty() { "." } else { below }],
            None,
        )?;
        let entries: Vec<(&str, &str)> = listed
            .split('\0')
            .filter_map(|entry| {
                let (left, path) = entry.split_once('\t')?;
                Some((path, left.rsplit(' ').next()?))
            })
            .collect();
        let mut input = String::new();
        for (_, id) in &entries {
            let _ = writeln!(input, "{id}");
        }
        let told = Self::ran(self.command(), &["cat-file", "--batch"], Some(input.as_bytes()))?;
        let mut rest = told.as_slice();
        let mut files = Vec::new();
        for (path, _) in entries {
            let end =
                rest.iter().position(|byte| *byte == b'\n').ok_or("a short answer of cat-file")?;
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            let size: usize =
                head.rsplit(' ').next().and_then(|size| size.parse().ok()).unwrap_or(0);
            let body = rest.get(end + 1..end + 1 + size).ok_or("a short answer of cat-file")?;
            files.push((path.to_owned(), String::from_utf8_lossy(body).into_owned()));
            rest = rest.get(end + 2 + size..).unwrap_or_default();
        }
        Ok(files)
    }

    /// Makes a commit of some files on top of others, and returns it. The branch is not moved.
    pub(crate) fn commit(
        &self,
        parents: &[&str],
        tree: &str,
        message: &str,
        who: &Who<'_>,
    ) -> Result<String, String> {
        let time = format!("@{} +0000", who.at.as_second());
        let mail = format!("{}@acme.example", who.name.to_lowercase().replace(' ', "."));
        let mut command = self.command();
        command
            .env("GIT_AUTHOR_NAME", who.name)
            .env("GIT_AUTHOR_EMAIL", &mail)
            .env("GIT_AUTHOR_DATE", &time)
            .env("GIT_COMMITTER_NAME", who.name)
            .env("GIT_COMMITTER_EMAIL", &mail)
            .env("GIT_COMMITTER_DATE", &time);
        let mut arguments = vec!["commit-tree", tree];
        for parent in parents {
            arguments.extend(["-p", parent]);
        }
        let told = Self::ran(command, &arguments, Some(message.as_bytes()))?;
        Ok(String::from_utf8_lossy(&told).trim().to_owned())
    }

    /// The tree of a commit with some files as they shall be.
    pub(crate) fn tree(
        &self,
        commit: Option<&str>,
        files: &[(String, String)],
    ) -> Result<String, String> {
        let index = tempfile::tempdir_in(&self.directory).map_err(|error| error.to_string())?;
        let own = || {
            let mut command = self.command();
            command.env("GIT_INDEX_FILE", index.path().join("index"));
            command
        };
        if let Some(commit) = commit {
            Self::ran(own(), &["read-tree", commit], None)?;
        }
        let mut lines = String::new();
        for (path, text) in files {
            let blob = self.run(&["hash-object", "-w", "--stdin"], Some(text.as_bytes()))?;
            let _ = write!(lines, "100644 {blob}\t{path}\0");
        }
        Self::ran(own(), &["update-index", "-z", "--index-info"], Some(lines.as_bytes()))?;
        let told = Self::ran(own(), &["write-tree"], None)?;
        Ok(String::from_utf8_lossy(&told).trim().to_owned())
    }

    /// Moves a branch, if it is where it was.
    pub(crate) fn move_branch(&self, branch: &str, to: &str, from: &str) -> Result<(), String> {
        self.run(&["update-ref", &format!("refs/heads/{branch}"), to, from], None).map(drop)
    }

    /// Removes a branch.
    pub(crate) fn remove_branch(&self, branch: &str) -> Result<(), String> {
        self.run(&["update-ref", "-d", &format!("refs/heads/{branch}")], None).map(drop)
    }

    /// Writes a whole history in one go, as `git fast-import` takes it.
    pub(crate) fn import(&self, stream: &str) -> Result<(), String> {
        self.run(&["fast-import", "--quiet", "--force"], Some(stream.as_bytes())).map(drop)
    }
}

/// A commit for `git fast-import`: files as they are after it.
pub(crate) fn imported(
    stream: &mut String,
    branch: &str,
    (who, at): (&str, Timestamp),
    message: &str,
    files: &[(String, String)],
) {
    let mail = format!("{}@acme.example", who.to_lowercase().replace(' ', "."));
    let _ = writeln!(stream, "commit refs/heads/{branch}");
    let _ = writeln!(stream, "author {who} <{mail}> {} +0000", at.as_second());
    let _ = writeln!(stream, "committer {who} <{mail}> {} +0000", at.as_second());
    let _ = writeln!(stream, "data {}\n{message}", message.len());
    for (path, text) in files {
        let _ = writeln!(stream, "M 100644 inline {path}\ndata {}\n{text}", text.len());
    }
    stream.push('\n');
}
