//! A promise outlives the program: killed in the middle of an operation and started again, revdeck finds it, ends it, and
//! the journal tells the story.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::Value;

/// Between the two steps of a roll back: the cancel took effect, its answer was lost, and the look for it hangs.
const BETWEEN: &str = "reset-after@POST:/v3/deployments#1,hang@GET:/v3/deployments/#1";
/// How long a request may take to leave before it counts as stuck.
const PATIENCE: Duration = Duration::from_mins(2);

fn revdeck(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revdeck"));
    command.env_remove("KUBECONFIG").env("HOME", "/nonexistent").stdin(Stdio::null());
    command.env("XDG_STATE_HOME", state).env("XDG_CONFIG_HOME", state.join("config"));
    command.env("XDG_CACHE_HOME", state.join("cache"));
    command
}

struct Foundation {
    process: Child,
    strikes: Receiver<String>,
    login: Vec<(&'static str, String)>,
    state: tempfile::TempDir,
}

impl Foundation {
    fn start(faults: &str) -> Self {
        Self::simulate("cloud-foundry", faults, &[("CF_HOME", "cf_home")])
    }

    /// A simulated platform; `login` says which variables are which members of its banner.
    fn simulate(platform: &str, faults: &str, login: &[(&'static str, &str)]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let elsewhere = state.path().join("simulator");
        let mut process = revdeck(&elsewhere)
            .args(["simulator", platform, "--speed", "40", "--faults", faults])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (strike, strikes) = mpsc::channel();
        let told = BufReader::new(process.stderr.take().unwrap());
        thread::spawn(move || {
            told.lines().map_while(Result::ok).try_for_each(|line| strike.send(line))
        });
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let banner: Value = serde_json::from_str(&line).unwrap();
        let told = |member: &str| banner[member].as_str().unwrap().to_owned();
        let login = login.iter().map(|(name, member)| (*name, told(member))).collect();
        Self { process, strikes, login, state }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = revdeck(self.state.path());
        command.envs(self.login.iter().map(|(name, value)| (name, value))).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn journal(&self) -> Vec<Value> {
        let (code, out, err) = self.run(&["journal", "--output", "json"]);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// Runs a command and kills it while a request of it hangs: it is written down and has left, and has no answer.
    fn kill_while_hanging(&self, args: &[&str]) {
        let mut process = self.command(args).stderr(Stdio::null()).spawn().unwrap();
        while !self.strikes.recv_timeout(PATIENCE).unwrap().contains("Hang") {}
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Makes what was sent an hour old.
    fn age(&self) {
        let file = self.state.path().join("revdeck/journal.jsonl");
        let lines = fs::read_to_string(&file).unwrap();
        let aged = lines.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if let Some(at) = line["receipt"]["sent_at"].as_str() {
                let at: jiff::Timestamp = at.parse().unwrap();
                let earlier = at.checked_sub(jiff::SignedDuration::from_hours(1)).unwrap();
                line["receipt"]["sent_at"] = earlier.to_string().into();
            }
            format!("{line}\n")
        });
        fs::write(&file, aged.collect::<String>()).unwrap();
    }

    fn events(&self) -> Vec<String> {
        let events = self.journal();
        events.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Foundation {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whoever interrupts what is being sent is told how to find out what became of it.
#[test]
fn an_interrupt_while_sending_says_what_to_do() {
    let foundation = Foundation::start("hang@POST:/v3/deployments#1");
    let mut command = foundation.command(&["rollback", "catalog", "--yes", "--output", "json"]);
    let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !foundation.strikes.recv_timeout(PATIENCE).unwrap().contains("Hang") {}
    let killed = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let Output { status, stdout, .. } = process.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(4));
    let told: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(told["outcome"], "unknown", "{told}");
    assert!(told["text"].as_str().unwrap().contains("`revdeck resume` finds out"), "{told}");
    let (_, out, _) = foundation.run(&["resume", "--list", "--output", "json"]);
    let open: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(open[0]["operation"], told["operation"], "{open}");
}

/// What may hide an operation without an end is not called over.
#[test]
fn a_journal_that_cannot_be_read_is_not_at_its_end() {
    let foundation = Foundation::start("");
    let directory = foundation.state.path().join("revdeck");
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("journal.jsonl");
    let line =
        r#"{"version":1,"at":"2026-01-01T00:00:00Z","operation":"a","event":"sent","receipt":7}"#;
    fs::write(&file, format!("{line}\n")).unwrap();
    let (code, out, err) = foundation.run(&["resume"]);
    assert_eq!((code, out.trim()), (4, "nothing that can be read is without its end"), "{err}");
    assert!(err.contains("line 1 of the journal") && err.contains("cannot read"), "{err}");
    // Of a newer revdeck: its operations are its own, and its lines stay.
    let newer = line.replace("\"version\":1", "\"version\":2");
    fs::write(&file, format!("{newer}\n")).unwrap();
    let (code, out, err) = foundation.run(&["resume"]);
    assert_eq!((code, out.trim()), (0, "nothing that can be read is without its end"));
    assert!(err.contains("is of a newer revdeck: it is left to that"), "{err}");
    assert!(fs::read_to_string(&file).unwrap().contains(&newer));
}

/// The request hangs when the program is killed: it never arrives, and that is found out and said.
#[test]
fn killed_between_the_request_and_its_answer() {
    let foundation = Foundation::start("hang@POST:/v3/deployments#1");
    foundation.kill_while_hanging(&["rollback", "catalog", "--yes"]);
    let (code, out, _) = foundation.run(&["resume", "--list"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("catalog") && out.contains("roll back") && out.contains("nobody"),
        "{out}"
    );
    foundation.age();
    let (code, _, err) = foundation.run(&["resume"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("never took effect") && err.contains("safe to try again"), "{err}");
    assert_eq!(foundation.events(), ["intent", "sent", "resumed", "ended"]);
    let (code, out, _) = foundation.run(&["resume", "--list"]);
    assert_eq!((code, out.trim()), (0, "every operation in the journal has its end"));
    // It can be done again, under a name of its own.
    let (code, _, err) = foundation.run(&["rollback", "catalog", "--yes"]);
    assert_eq!(code, 0, "{err}");
    let journal = foundation.journal();
    assert_ne!(journal[0]["operation"], journal[4]["operation"]);
}

/// The login of that name leads to another foundation by now: nothing is concluded from what is not there.
#[test]
fn a_login_that_leads_elsewhere_closes_nothing() {
    let foundation = Foundation::start("hang@POST:/v3/deployments#1");
    foundation.kill_while_hanging(&["rollback", "catalog", "--yes"]);
    foundation.age();
    let other = Foundation::start("");
    let mut command = foundation.command(&["resume"]);
    command.envs(other.login.iter().map(|(name, value)| (name, value)));
    let told = command.output().unwrap();
    let err = String::from_utf8(told.stderr).unwrap();
    assert_eq!(told.status.code(), Some(4), "{err}");
    assert!(err.contains("was sent to http://") && err.contains("log in there again"), "{err}");
    assert_eq!(foundation.events(), ["intent", "sent"]);
    let (code, _, err) = foundation.run(&["resume"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("never took effect"), "{err}");
}

/// Who agreed to write nothing is told of what was written before.
#[test]
fn without_a_journal_what_is_open_is_still_read() {
    let foundation = Foundation::start("hang@POST:/v3/deployments#1");
    foundation.kill_while_hanging(&["rollback", "catalog", "--yes"]);
    let (code, out, err) = foundation.run(&["resume", "--list", "--no-journal"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("catalog") && out.contains("roll back"), "{out}");
}

/// The cancel has taken effect, the environment was not yet put back: started again, that is done, once.
#[test]
fn killed_between_the_cancel_and_the_environment() {
    let foundation = Foundation::start(BETWEEN);
    let app = "checkout";
    let plan = foundation.run(&["rollback", app, "--dry-run", "--output", "json"]).1;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let calls: Vec<_> = plan["calls"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert!(calls[0].contains("actions/cancel"), "{calls:?}");
    assert!(calls[1].contains("environment_variables"), "{calls:?}");
    foundation.kill_while_hanging(&["rollback", app, "--yes"]);
    assert_eq!(foundation.events(), ["intent", "sent"]);
    let (code, out, err) = foundation.run(&["resume"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("DONE  checkout is back on rev 7"), "{out}");
    assert!(err.contains("put the environment back"), "{err}");
    let told = foundation.run(&["journal", "--app", app]).1;
    assert!(told.contains("step 2 of 2: put the environment back"), "{told}");
    assert_eq!(foundation.events(), ["intent", "sent", "sent", "ended"]);
}

/// The same where the second step was on its way: it is looked for, and what did not come is sent.
#[test]
fn killed_while_the_environment_was_on_its_way() {
    let foundation = Foundation::start("hang@PATCH:/v3/apps#1");
    foundation.kill_while_hanging(&["rollback", "checkout", "--yes"]);
    foundation.age();
    let (code, out, err) = foundation.run(&["resume"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("DONE  checkout is back on rev 7"), "{out}");
    assert!(err.contains("put the environment back"), "{err}");
}

/// Two at once: one of them sends what is left, the other leaves it to that one.
#[test]
fn two_at_once_send_nothing_twice() {
    let foundation = Foundation::start(BETWEEN);
    foundation.kill_while_hanging(&["rollback", "checkout", "--yes"]);
    let resume = || {
        foundation
            .command(&["resume"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let told = [resume(), resume(), resume()].map(|process| {
        let output = process.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    });
    let sent = told.iter().filter(|told| told.contains("put the environment back")).count();
    assert_eq!(sent, 1, "{told:#?}");
    assert_eq!(foundation.events(), ["intent", "sent", "sent", "ended"]);
}

/// What completes an operation is not sent over what somebody has done since.
#[test]
fn what_came_since_is_not_undone() {
    let foundation = Foundation::start(BETWEEN);
    foundation.kill_while_hanging(&["rollback", "checkout", "--yes"]);
    // The cancel comes to its end, and then somebody rolls out something else.
    foundation.run(&["watch", "checkout"]);
    let (code, _, err) = foundation.run(&["restart", "checkout", "--yes", "--no-journal"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = foundation.run(&["resume"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("another rollout has begun since"), "{err}");
    assert!(err.contains("Done: cancel the rollout; not done: put the environment back"), "{err}");
}

/// Auto scaling was suspended for a roll back that never arrived: what was promised is kept by the next one who looks.
#[cfg(feature = "ecs")]
#[test]
fn what_was_held_back_is_released_after_a_crash() {
    let login = [
        ("AWS_CONFIG_FILE", "config_file"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials_file"),
        ("AWS_REGION", "region"),
        ("AWS_ACCESS_KEY_ID", "access_key_id"),
        ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
        ("AWS_ENDPOINT_URL", "endpoint"),
    ];
    let region = Foundation::simulate("ecs", "hang@POST:/UpdateService#1", &login);
    let held = |region: &Foundation| {
        let plan = region.run(&["restart", "search", "--dry-run"]).1;
        plan.contains("auto scaling of this service is suspended")
    };
    assert!(!held(&region));
    region.kill_while_hanging(&["rollback", "search", "--to", "2", "--hold", "--yes"]);
    assert!(held(&region), "it was suspended first");
    assert_eq!(region.events(), ["intent", "sent", "sent"]);
    region.age();
    let (code, _, err) = region.run(&["resume"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("never took effect"), "{err}");
    assert!(err.contains("afterwards: release auto scaling"), "{err}");
    assert!(!held(&region), "and released");
    let told = region.run(&["journal", "--app", "search"]).1;
    assert!(told.contains("afterwards, step 1 of 1: release auto scaling"), "{told}");
    let (_, out, _) = region.run(&["resume", "--list"]);
    assert_eq!(out.trim(), "every operation in the journal has its end");
}

#[test]
fn nobody_else_can_read_what_was_done() {
    let foundation = Foundation::start("");
    let state = foundation.state.path().join("revdeck");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    let journal = state.join("journal.jsonl");
    fs::write(&journal, "{\"half").unwrap();
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, err) = foundation.run(&["restart", "catalog", "--yes", "--no-wait"]);
    assert_eq!(code, 0, "{err}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&journal)), (0o700, 0o600));
    for file in fs::read_dir(&state).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    // What was cut in half is said, and loses nothing else.
    let (_, out, err) = foundation.run(&["resume", "--list"]);
    let said = format!("line 1 of the journal {} is cut in half", journal.display());
    assert!(err.contains(&said), "{err}");
    assert!(out.contains("catalog"), "{out}");
}

#[test]
fn without_a_journal_nothing_is_sent_unless_somebody_agrees() {
    let foundation = Foundation::start("");
    // A file where the directory should be, since tests may run with all rights.
    fs::write(foundation.state.path().join("revdeck"), "").unwrap();
    let (code, _, err) = foundation.run(&["restart", "catalog", "--yes"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("the journal cannot be written") && err.contains("--no-journal"), "{err}");
    let (code, _, err) =
        foundation.run(&["restart", "catalog", "--yes", "--no-wait", "--no-journal"]);
    assert_eq!(code, 0, "{err}");
}

/// A repository, with what a login of it needs.
#[cfg(feature = "gitops")]
const REPOSITORY: [(&str, &str); 5] = [
    ("REVDECK_GITOPS_REPOSITORY", "repository"),
    ("REVDECK_GITOPS_BRANCH", "branch"),
    ("REVDECK_GITOPS_CLUSTER", "cluster"),
    ("REVDECK_GITOPS_KUBECONFIG", "kubeconfig"),
    ("GIT_CONFIG_GLOBAL", "gitconfig"),
];

#[cfg(feature = "gitops")]
fn commits(foundation: &Foundation) -> usize {
    let repository = &foundation.login[0].1;
    let place = tempfile::tempdir().unwrap();
    let clone = ["clone", "--quiet", "--bare", repository, "."];
    assert!(Command::new("git").current_dir(place.path()).args(clone).status().unwrap().success());
    let count = Command::new("git")
        .current_dir(place.path())
        .args(["rev-list", "--count", "main"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&count.stdout).trim().parse().unwrap()
}

/// Killed between the journal and the push: the commit is not there, and the next run says so.
#[cfg(feature = "gitops")]
#[test]
fn killed_while_a_push_hangs() {
    let foundation = Foundation::simulate("gitops", "hang@POST:/acme#1", &REPOSITORY);
    let before = commits(&foundation);
    foundation.kill_while_hanging(&["rollback", "loyalty", "--yes"]);
    foundation.age();
    let (code, _, err) = foundation.run(&["resume"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("never took effect") && err.contains("safe to try again"), "{err}");
    assert_eq!(foundation.events(), ["intent", "sent", "resumed", "ended"]);
    assert_eq!(commits(&foundation), before);
}

/// Killed after the push: the next run finds the commit by its identifier, sends nothing, and follows it to the Pods.
#[cfg(feature = "gitops")]
#[test]
fn killed_after_a_push() {
    let foundation = Foundation::simulate("gitops", "", &REPOSITORY);
    let before = commits(&foundation);
    let mut process = foundation
        .command(&["rollback", "loyalty", "--yes"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for look in 0.. {
        assert!(look < 300, "nothing is pushed");
        if commits(&foundation) > before {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let (code, out, err) = foundation.run(&["resume"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("loyalty is back on 1.3.0: 2 of 2 running"), "{out}{err}");
    assert_eq!(foundation.events(), ["intent", "sent", "resumed", "ended"]);
    assert_eq!(commits(&foundation), before + 1);
}

/// One that waits for a review keeps nobody from hearing how another one ended.
#[cfg(feature = "gitops")]
#[test]
fn one_that_waits_keeps_no_other_from_being_told() {
    let foundation = Foundation::simulate("gitops", "", &REPOSITORY);
    let begun = |arguments: &[&str]| {
        let (code, _, err) = foundation.run(&[arguments, &["--yes", "--no-wait"]].concat());
        assert_eq!(code, 0, "{err}");
    };
    begun(&["rollback", "loyalty", "--pull-request"]);
    begun(&["rollback", "ticketing"]);
    let mut process = foundation
        .command(&["resume"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap());
    let told = BufRead::lines(lines).map_while(Result::ok);
    let end = told.into_iter().find(|line| line.contains("DONE")).unwrap_or_default();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(end.contains("ticketing is back on"), "{end}");
}
