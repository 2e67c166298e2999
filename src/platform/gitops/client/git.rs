//! The `git` program: run without a shell and without a terminal to ask at, within a time limit, and what its complaints
//! mean.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use super::address::without_credentials;
use crate::{
    domain::text::{clean, quoted},
    platform::Error,
};

/// Variables that would make git work somewhere else than it is told to, or ask at the terminal.
const FOREIGN: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_COMMON_DIR",
    "GIT_CEILING_DIRECTORIES",
    // By it gpg's agent would draw over the screen and share its keyboard.
    "GPG_TTY",
];
/// How often a reading is tried where the fault may pass, and how long is waited in between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);
/// How git says that it does not send a push as it is configured to.
const NOT_SUPPORTED: &str = "fatal: the receiving end does not support ";
const NOT_SIGNED: &str = "fatal: failed to sign the push certificate";
/// The longest complaint that is shown, in characters.
const LONGEST: usize = 300;

/// How git is run.
#[derive(Clone, Debug)]
pub(in crate::platform::gitops) struct Git {
    /// The directory that it works in: a repository without a work tree, or somebody's clone.
    pub(in crate::platform::gitops) directory: PathBuf,
    /// What the operator's clone configures, as names and values.
    pub(in crate::platform::gitops) config: Vec<(String, String)>,
    /// Variables of the environment, such as `HOME`.
    pub(in crate::platform::gitops) variables: Vec<(String, String)>,
    /// The longest that anything may take.
    pub(in crate::platform::gitops) patience: Duration,
    /// The remote's address as it stands in sentences, without credentials.
    pub(in crate::platform::gitops) remote: String,
}

/// What one run of git came to.
#[derive(Debug)]
pub(in crate::platform::gitops) struct Ran {
    pub(in crate::platform::gitops) ok: bool,
    pub(in crate::platform::gitops) code: Option<i32>,
    pub(in crate::platform::gitops) stdout: Vec<u8>,
    pub(in crate::platform::gitops) stderr: String,
}

impl Ran {
    /// The output as text, without the end of its last line.
    pub(in crate::platform::gitops) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

/// Why git did not come to an end.
#[derive(Debug)]
pub(in crate::platform::gitops) enum Unrun {
    /// It could not be started.
    Missing(io::Error),
    /// It took too long and was ended.
    TimedOut(Duration),
}

impl Git {
    /// Runs git once.
    pub(in crate::platform::gitops) async fn run<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        input: Option<Vec<u8>>,
        more: &[(&str, String)],
    ) -> Result<Ran, Unrun> {
        let mut command = Command::new("git");
        command.current_dir(&self.directory).args(arguments);
        for name in FOREIGN {
            command.env_remove(name);
        }
        let number = self.config.len();
        command.env("GIT_CONFIG_COUNT", number.to_string());
        for (at, (name, value)) in self.config.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{at}"), name);
            command.env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.envs(more.iter().map(|(name, value)| (*name, value)));
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            // A file may be called `:(glob)x`.
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_SSH_COMMAND", self.ssh())
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What it starts, such as ssh, ends with it; and none of them may read the keyboard.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(Unrun::Missing)?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let stdin = child.stdin.take();
        let feed = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // It may have ended without reading all; its complaint says why.
                let _ = stdin.write_all(&input).await;
            }
        };
        let ended =
            timeout(self.patience, async { tokio::join!(feed, child.wait_with_output()).1 });
        let Ok(output) = ended.await else {
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            return Err(Unrun::TimedOut(self.patience));
        };
        let output = output.map_err(Unrun::Missing)?;
        Ok(Ran {
            ok: output.status.success(),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Reads with git. What concerns the remote is tried again where the fault may pass.
    pub(in crate::platform::gitops) async fn read<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        input: Option<Vec<u8>>,
    ) -> Result<Ran, Error> {
        let mut tried = 0;
        loop {
            tried += 1;
            let error = match self.run(arguments, input.clone(), &[]).await {
                Ok(ran) if ran.ok => return Ok(ran),
                Ok(ran) => self.complaint(&ran.stderr),
                Err(unrun) => return Err(self.unrun(&unrun)),
            };
            // A password may be asked for in vain once: proxies lose it.
            let passes = matches!(
                error,
                Error::Unreachable { .. } | Error::Login { .. } | Error::Api { status: 500.., .. }
            );
            if !passes || tried >= TRIES {
                return Err(error);
            }
            tokio::time::sleep(PAUSE * tried).await;
        }
    }

    /// The same of local things, as text.
    pub(in crate::platform::gitops) async fn text<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
    ) -> Result<String, Error> {
        Ok(self.read(arguments, None).await?.text())
    }

    /// The ssh command that asks nothing: what the operator has, where git would look for it and in that order, with one
    /// option more.
    fn ssh(&self) -> OsString {
        let own = |name: &str| {
            let given = self.variables.iter().find(|(known, _)| known == name);
            let text = given.map(|(_, value)| value.clone()).or_else(|| std::env::var(name).ok());
            text.filter(|text| !text.is_empty())
        };
        let configured = || {
            let found = self.config.iter().rfind(|(name, _)| name == "core.sshcommand");
            found.map(|(_, value)| value.clone())
        };
        let program = || own("GIT_SSH").map(|path| quoted(&path));
        let command = own("GIT_SSH_COMMAND")
            .or_else(configured)
            .or_else(program)
            .unwrap_or_else(|| "ssh".to_owned());
        let name = command.split(' ').next().unwrap_or_default().to_lowercase();
        let quiet = if name.contains("plink") { "-batch" } else { "-oBatchMode=yes" };
        OsString::from(format!("{command} {quiet}"))
    }

    /// What it means that git did not come to an end.
    pub(in crate::platform::gitops) fn unrun(&self, unrun: &Unrun) -> Error {
        match unrun {
            Unrun::Missing(error) => Error::Refused {
                what: format!("the git program cannot be run ({error}): install git 2.38 or newer"),
            },
            Unrun::TimedOut(waited) => Error::Silent { api: self.remote.clone(), waited: *waited },
        }
    }

    /// What a complaint of git means. Its words are those of git 2.39 to 2.47 with `LC_ALL=C` (`http.c`, `remote-curl.c`,
    /// `connect.c`).
    pub(in crate::platform::gitops) fn complaint(&self, stderr: &str) -> Error {
        let stderr = &without_credentials(stderr);
        let api = self.remote.clone();
        let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
        let said = lines()
            .find(|line| line.starts_with("fatal:") || line.starts_with("error:"))
            .or_else(|| lines().next_back())
            .unwrap_or("git gave no reason");
        let why: String = clean(said.trim_start_matches("fatal: ").trim_start_matches("error: "));
        let why: String = why.chars().take(LONGEST).collect();
        let own = own_words(stderr);
        let has = |words: &[&str]| words.iter().any(|word| own.contains(word));
        let status = status(stderr);
        let login = |why: String| Error::Login {
            api: api.clone(),
            why,
            command: format!("git ls-remote {api}"),
        };
        match status {
            Some(401) => return login("401".to_owned()),
            Some(403) => return Error::Forbidden { api, what: why },
            Some(429) => {
                return Error::RateLimited {
                    api,
                    after: Duration::from_secs(30),
                    said: String::new(),
                };
            }
            Some(404) => {
                return Error::NotFound {
                    what: format!("there is no repository at {api}, or this login may not see it"),
                };
            }
            Some(status) => {
                let title = "HTTP".to_owned();
                return Error::Api { api, status, code: 0, title, detail: why, page: false };
            }
            None => {}
        }
        let line = |words: &str| lines().find(|line| line.contains(words)).map(clean);
        if has(&["cannot lock ref", ".lock': File exists"]) {
            let why = "another program works in its private copy".to_owned();
            return Error::Unreachable { api, why };
        }
        if has(&[NOT_SUPPORTED, NOT_SIGNED]) {
            let set = "that git is configured to (push.gpgSign, push.pushOption)";
            return Error::Refused { what: format!("git does not push to {api}: {why}, {set}") };
        }
        if has(&["Host key verification failed"]) {
            let why = "its host key is not known here: connect once by hand, with ssh".to_owned();
            return Error::Unreachable { api, why };
        }
        if has(&[
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "terminal prompts disabled",
            "Permission denied (",
        ]) {
            return login(line("Permission denied (").unwrap_or(why));
        }
        if has(&[
            "Could not resolve host",
            "Failed to connect",
            "Connection refused",
            "Connection reset",
            "Connection timed out",
            "Couldn't connect",
            "Empty reply from server",
            "early EOF",
            "hung up unexpectedly",
            "Could not read from remote repository",
            "Recv failure",
            "transfer closed",
        ]) && !has(&["does not appear to be a git repository"])
        {
            return Error::Unreachable { api, why };
        }
        if has(&["certificate"]) {
            let advice = "name its CA for git (http.sslCAInfo)";
            return Error::Tls { api, why, advice };
        }
        if has(&[
            "does not appear to be a git repository",
            "repository not found",
            "Repository not found",
            "' not found",
            "not a git repository",
        ]) {
            return Error::NotFound { what: format!("there is no repository at {api}") };
        }
        if has(&[
            "not valid: is this a git repository",
            "protocol error",
            "bad line length",
            "invalid server response",
            "unexpected flush",
        ]) {
            return Error::Garbled { api, location: "the list of branches".to_owned(), why };
        }
        Error::Refused { what: format!("git says of {api}: {why}") }
    }
}

/// What git and ssh say themselves: no line of the server (`sideband.c` begins them with `remote:`), and nothing that they
/// quote, such as an address or the name of a branch.
fn own_words(stderr: &str) -> String {
    let mut own = String::new();
    for line in stderr.lines().filter(|line| !line.trim_start().starts_with("remote:")) {
        for word in without_quotes(line).split_inclusive(' ') {
            own.push_str(if word.contains("://") { " " } else { word });
        }
        own.push('\n');
    }
    own
}

/// A line with nothing between its quotes.
fn without_quotes(line: &str) -> String {
    let mut left = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('\'') {
        let (before, quoted) = rest.split_at(at);
        left.push_str(before);
        left.push('\'');
        let quoted = quoted.get(1..).unwrap_or_default();
        // An apostrophe stands between two letters.
        let opens = !before.ends_with(char::is_alphanumeric);
        rest = match quoted.find('\'').filter(|_| opens) {
            Some(end) => quoted.get(end..).map_or("", |rest| {
                left.push('\'');
                rest.get(1..).unwrap_or_default()
            }),
            None => quoted,
        };
    }
    left.push_str(rest);
    left
}

/// The HTTP status in a complaint, as `The requested URL returned error: 403` or `RPC failed; HTTP 500`.
fn status(stderr: &str) -> Option<u16> {
    let own = own_words(stderr);
    let after =
        ["returned error: ", "RPC failed; HTTP "].iter().find_map(|words| own.split_once(words))?.1;
    after.get(..3)?.parse().ok()
}

/// Whether a complaint of `git push` shows that nothing of it can have been taken: it comes from before the commit was
/// sent, or the server has refused the request that carried it.
///
/// The words are those of git 2.39 to 2.47: `remote-curl.c` says `unable to access` only of the reading that comes before
/// (`discover_refs`), and `RPC failed` of the push itself; `connect.c` and `send-pack.c` of the rest.
pub(in crate::platform::gitops) fn never_pushed(stderr: &str) -> bool {
    let own = own_words(stderr);
    let refused = own.contains("RPC failed; HTTP ")
        && status(stderr).is_some_and(|status| (400..500).contains(&status));
    refused
        || own.lines().any(|line| {
            [
                "fatal: unable to access '",
                "fatal: could not read Username",
                "fatal: could not read Password",
                "fatal: Authentication failed for",
                "fatal: repository '",
                "fatal: unable to connect to ",
                "fatal: unable to look up ",
                // `send-pack.c` says these before it sends anything.
                NOT_SUPPORTED,
                NOT_SIGNED,
                "ssh: connect to host ",
                "ssh: Could not resolve hostname ",
                "Host key verification failed.",
            ]
            .iter()
            .any(|begin| line.starts_with(begin))
                || line.contains(": Permission denied (")
                || line.ends_with("' does not appear to be a git repository")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProblemKind;

    #[test]
    fn a_push_that_may_have_landed_is_never_said_to_have_had_no_effect() {
        for landed in [
            "remote: Failed to connect to the scanner: Connection refused\nfatal: the remote end hung up unexpectedly",
            "remote: pre-push: HTTP 404, The requested URL returned error: 404\nerror: RPC failed; curl 56 Recv failure",
            "remote: fatal: unable to access 'https://x/': gone\nfatal: the remote end hung up unexpectedly",
            "error: RPC failed; curl 52 Empty reply from server\nerror: failed to push some refs to 'https://x/pre-push/Failed to connect'",
            "error: RPC failed; HTTP 504 curl 22 The requested URL returned error: 504",
            "send-pack: unexpected disconnect while reading sideband packet\nfatal: the remote end hung up unexpectedly",
            "error: failed to push some refs to 'https://x/ssh: connect to host '",
            "error: failed to push some refs to 'me@x: Permission denied (publickey)'",
            "",
        ] {
            assert!(!never_pushed(landed), "{landed}");
        }
        for unsent in [
            "fatal: unable to access 'https://x/': Could not resolve host: x",
            "fatal: unable to access 'https://x/': Failed to connect to x port 443 after 0 ms: Couldn't connect to server",
            "fatal: unable to access 'https://x/': The requested URL returned error: 503",
            "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://x/'",
            "fatal: could not read Username for 'https://x': terminal prompts disabled",
            "error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413\nfatal: the remote end hung up unexpectedly",
            "ssh: connect to host x port 22: Connection refused\nfatal: Could not read from remote repository.",
            "git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            "fatal: 'x' does not appear to be a git repository\nfatal: Could not read from remote repository.",
            "fatal: the receiving end does not support --signed push",
            "fatal: the receiving end does not support push options\nfatal: the remote end hung up unexpectedly",
            "error: gpg failed to sign the data\nfatal: failed to sign the push certificate\nfatal: the remote end hung up unexpectedly",
        ] {
            assert!(never_pushed(unsent), "{unsent}");
        }
    }

    #[test]
    fn complaints_are_told_apart() {
        let git = Git {
            directory: PathBuf::from("/"),
            config: Vec::new(),
            variables: Vec::new(),
            patience: Duration::from_secs(1),
            remote: "https://git.example.org/shop".to_owned(),
        };
        for (said, kind) in [
            (
                "fatal: unable to access 'https://x/': The requested URL returned error: 403",
                ProblemKind::Forbidden,
            ),
            (
                "fatal: unable to access 'https://x/': The requested URL returned error: 429",
                ProblemKind::RateLimited,
            ),
            (
                "fatal: could not read Username for 'https://x': terminal prompts disabled",
                ProblemKind::Login,
            ),
            (
                "fatal: repository 'https://x/' not found\nfatal: unable to access 'x': The requested URL returned error: 404",
                ProblemKind::NotFound,
            ),
            (
                "fatal: unable to access 'https://x/': Could not resolve host: x",
                ProblemKind::Unreachable,
            ),
            (
                "error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500\nfatal: the remote end hung up unexpectedly",
                ProblemKind::Unreachable,
            ),
            (
                "remote: Authentication failed for the mirror\nerror: RPC failed; curl 56 Recv failure: Connection reset by peer",
                ProblemKind::Unreachable,
            ),
            (
                "fatal: unable to access 'https://x/certificate': Couldn't connect to server",
                ProblemKind::Unreachable,
            ),
            (
                "Host key verification failed.\nfatal: Could not read from remote repository.",
                ProblemKind::Unreachable,
            ),
            (
                "fatal: 'x' does not appear to be a git repository\nfatal: Could not read from remote repository.",
                ProblemKind::NotFound,
            ),
            (
                "fatal: https://x/info/refs not valid: is this a git repository?",
                ProblemKind::Garbled,
            ),
        ] {
            let error = git.complaint(said);
            assert_eq!(error.kind(), kind, "{said}: {error}");
        }
    }
}
