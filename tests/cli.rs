//! The commands without a screen, against a foundation in another process: what they print and how they end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// A program that does not see the logins of whoever runs the tests.
fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_remove("KUBECONFIG").env("HOME", "/nonexistent");
    command
}

fn revdeck() -> Command {
    quiet(env!("CARGO_BIN_EXE_revdeck"))
}

struct Foundation {
    process: Child,
    home: String,
}

impl Foundation {
    fn start(args: &[&str]) -> Self {
        let mut process = revdeck()
            .args(["simulator", "cloud-foundry", "--speed", "40"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let banner: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(banner["platform"], "cloud-foundry");
        Self { process, home: banner["cf_home"].as_str().unwrap().to_owned() }
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(revdeck().env("CF_HOME", &self.home).args(args))
    }
}

impl Drop for Foundation {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn ran(command: &mut Command) -> Ran {
    let state = std::env::temp_dir().join("revdeck-tests");
    let Output { status, stdout, stderr } = command
        .env("XDG_STATE_HOME", &state)
        .env("XDG_CONFIG_HOME", &state)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }
}

#[test]
fn the_whole_story_without_a_screen() {
    let foundation = Foundation::start(&[]);
    let apps = foundation.run(&["apps", "--output", "json"]).json();
    let checkout = apps.as_array().unwrap().iter().find(|app| app["name"] == "checkout").unwrap();
    assert_eq!(checkout["state"], "stuck");
    for key in
        ["target", "platform", "id", "name", "scope", "state", "instances", "deployed", "rollout"]
    {
        assert!(!checkout[key].is_null(), "{key}");
    }
    for key in ["id", "phase", "reason", "strategy", "old", "new", "started_at"] {
        assert!(!checkout["rollout"][key].is_null(), "{key}");
    }
    assert_eq!(checkout["deployed"]["label"], "7");

    let why = checkout["rollout"]["reason"].as_str().unwrap();
    assert!(why.contains("out of memory"), "why is told by the list, too: {why}");
    assert_eq!(
        checkout["instances"]["desired"], 5,
        "what is wanted, and not the sum of both sides"
    );

    let status = foundation.run(&["status", "checkout"]);
    assert!(status.out.contains("2 of 5 wanted; old 2, new 0 of 4"), "{}", status.out);
    let wrong = foundation.run(&["apps", "--bogus"]);
    assert!(wrong.code == 2 && !wrong.err.contains("--cf-home"), "{}", wrong.err);
    assert!(status.out.contains("STUCK") && status.out.contains("out of memory"), "{}", status.out);

    let dry = foundation.run(&["rollback", "checkout", "--dry-run"]);
    assert_eq!(dry.code, 0);
    assert!(
        dry.out.contains("ROLL BACK checkout to rev 7")
            && dry.out.contains("cf cancel-deployment checkout"),
        "{}",
        dry.out
    );

    let asked = foundation.run(&["rollback", "checkout"]);
    assert_eq!(asked.code, 3);
    assert!(asked.err.contains("--yes"), "{}", asked.err);

    let refused = foundation.run(&["rollback", "checkout", "--yes", "--read-only"]);
    assert_eq!(refused.code, 3);

    let done = foundation.run(&["rollback", "checkout", "--yes", "--reason", "out of memory"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(
        done.out.starts_with("DONE  checkout is back on rev 7: 5 of 5 running"),
        "{}",
        done.out
    );
    assert_eq!(
        foundation.run(&["status", "checkout", "--output", "json"]).json()["rollout"],
        Value::Null
    );

    let revisions = foundation.run(&["revisions", "checkout", "--output", "json"]).json();
    for key in [
        "id",
        "label",
        "description",
        "created_at",
        "deployable",
        "deployed",
        "incoming",
        "by",
        "record",
    ] {
        assert!(!revisions[0][key].is_null(), "{key}");
    }
    assert_eq!(revisions[0]["record"], "unfinished", "it is what was gone back from");
    let diff = foundation.run(&["diff", "checkout", "--to", "8"]);
    assert!(diff.out.contains("MEMORY_LIMIT •••• → ••••"), "{}", diff.out);
    // While something else comes, the way to what serves is the way back.
    let diff = foundation.run(&["diff", "payments", "--to", "3"]);
    assert!(diff.out.starts_with("rev 4 → rev 3"), "{}", diff.out);
    let diff = foundation.run(&["diff", "checkout", "--to", "8", "--reveal"]);
    assert!(diff.out.contains("MEMORY_LIMIT 512m → 64m"), "{}", diff.out);

    // The roll back that the platform refuses to repeat.
    let repeated = foundation.run(&["rollback", "basket", "--to", "2", "--yes"]);
    assert_eq!(repeated.code, 0, "{}", repeated.err);

    let watched = foundation.run(&["restart", "orders", "--yes", "--no-wait"]);
    assert_eq!(watched.code, 0, "{}", watched.err);
    let watched = foundation.run(&["watch", "orders"]);
    assert_eq!(watched.code, 0, "{}", watched.err);
    assert!(watched.out.contains("rolling") && watched.out.contains("DONE"), "{}", watched.out);
    // What is known of its instances is judged on the way.
    let judged = ["TOO EARLY: ", "CANNOT TELL: ", "NO WORSE: "];
    assert!(judged.iter().any(|word| watched.err.contains(word)), "{}", watched.err);
}

#[test]
fn every_step_of_a_canary_has_a_command() {
    let foundation = Foundation::start(&[]);
    let plan = foundation.run(&["continue", "suggestions", "--dry-run"]);
    assert!(plan.out.contains("the new side is "), "{} {}", plan.out, plan.err);
    let done = foundation.run(&["continue", "payments", "--yes"]);
    assert!(done.out.contains("waits at step 3 of 4"), "{} {}", done.out, done.err);
    let done = foundation.run(&["cancel", "payments", "--yes"]);
    assert!(done.out.contains("back on rev 3"), "{} {}", done.out, done.err);
    let none = foundation.run(&["cancel", "payments", "--yes"]);
    assert_eq!(none.code, 3);
    assert!(none.err.contains("no rollout in progress"), "{}", none.err);
    let canary =
        ["restart", "orders", "--strategy", "canary", "--instance-steps", "50,100", "--yes"];
    let done = foundation.run(&canary);
    assert!(done.out.contains("waits at step 1 of 2"), "{} {}", done.out, done.err);
    let on = foundation.run(&["enable-revisions", "acme/test/search", "--yes"]);
    assert_eq!(on.code, 0, "{}", on.err);
    assert_eq!(foundation.run(&["enable-revisions", "acme/test/search", "--yes"]).code, 3);
    let wrong = foundation.run(&["restart", "orders", "--instance-steps", "50,10", "--yes"]);
    assert_eq!(wrong.code, 3);
}

#[test]
fn bad_input_gets_one_sentence_and_its_code() {
    let foundation = Foundation::start(&[]);
    let said = |args: &[&str], code: i32, word: &str| {
        let ran = foundation.run(args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(word), "{args:?}: {}", ran.err);
    };
    said(&["status", "nothing"], 3, "there is no app \"nothing\"");
    said(&["rollback", "checkout", "--to", "99", "--yes"], 3, "there is no revision \"99\"");
    said(&["frobnicate"], 2, "unrecognized");
    said(&["apps", "--target", "mesos"], 2, "cloud-foundry[:ORG[/SPACE]]");
    said(&["apps", "--target", "cloud-foundry:nowhere"], 3, "there is no organization \"nowhere\"");
    said(&["keys", "--keys", "/no/such/file"], 2, "cannot read the key table");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("keys.toml");
    std::fs::write(&file, "[deck]\nquit = [\"R\"]\n").unwrap();
    said(&["keys", "--keys", file.to_str().unwrap()], 2, "line 2");
    // Not a terminal.
    said(&[], 2, "needs a terminal");
}

#[test]
fn logins_that_do_not_work_say_so() {
    let home = tempfile::tempdir().unwrap();
    let run = || ran(revdeck().env("CF_HOME", home.path()).arg("apps"));
    let none = run();
    assert_eq!(none.code, 5);
    assert!(none.err.contains("cf login") && none.err.contains("revdeck demo"), "{}", none.err);
    let directory = home.path().join(".cf");
    std::fs::create_dir(&directory).unwrap();
    let session = |api: &str| {
        let config = serde_json::json!({ "ConfigVersion": 4, "Target": api, "AccessToken": "bearer a.b.c", "RefreshToken": "r" });
        std::fs::write(directory.join("config.json"), config.to_string()).unwrap();
    };
    session("http://127.0.0.1:9");
    let unreachable = run();
    assert_eq!(unreachable.code, 6);
    assert!(
        unreachable.err.contains("http://127.0.0.1:9 cannot be reached"),
        "{}",
        unreachable.err
    );
    std::fs::write(directory.join("config.json"), "{").unwrap();
    assert_eq!(run().code, 5);
}

#[test]
fn faults_have_their_codes() {
    let cases = [("html", 6), ("truncate", 6), ("503", 6), ("429=1s", 6), ("403", 3), ("404", 3)];
    for (fault, code) in cases {
        let foundation = Foundation::start(&["--faults", &format!("{fault}@GET:/v3")]);
        let ran = foundation.run(&["apps"]);
        assert_eq!(ran.code, code, "{fault}: {}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{fault}: {}", ran.err);
    }
    let lost = Foundation::start(&["--faults", "reset-after@POST:/v3/deployments#1"]);
    let ran = lost.run(&["rollback", "catalog", "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("the answer was lost after the request left: looking"), "{}", ran.err);
    let revisions = lost.run(&["revisions", "catalog", "--output", "json"]).json();
    assert_eq!(revisions[0]["label"], "10", "exactly one deployment was made");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let foundation = Foundation::start(&["--apps", "3000"]);
    let binary = env!("CARGO_BIN_EXE_revdeck");
    let script = format!("{binary} apps --scope all | head -n 1; exit ${{PIPESTATUS[0]}}");
    let ran = ran(quiet("bash").env("CF_HOME", &foundation.home).args(["-c", &script]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.err, "");
}

#[test]
fn the_key_table_is_printed() {
    let ran = ran(revdeck().args(["keys", "--output", "json"]));
    let keys = ran.json();
    assert!(
        keys.as_array()
            .unwrap()
            .iter()
            .any(|row| row["command"] == "roll-back-last-good" && row["keys"][0] == "R")
    );
}

/// One login that cannot be opened, or reached, keeps no other out.
#[cfg(feature = "kubernetes")]
#[test]
fn one_dead_login_hides_no_other_targets_apps() {
    let foundation = Foundation::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let kubeconfig = home.path().join("kubeconfig");
    let both = |text: &str| {
        std::fs::write(&kubeconfig, text).unwrap();
        let mut command = revdeck();
        command.env("CF_HOME", &foundation.home).env("KUBECONFIG", &kubeconfig);
        ran(command.args(["apps", "--output", "json"]))
    };
    let no_context = both("apiVersion: v1\nkind: Config\n");
    assert_eq!(no_context.code, 5, "{}", no_context.err);
    assert!(no_context.err.contains("kubernetes: the kubeconfig cannot be used"));
    assert_eq!(no_context.err.lines().count(), 1, "{}", no_context.err);
    let dead = both(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters:\n- name: c\n  cluster: { server: \"http://127.0.0.1:9\" }\n\
         contexts:\n- name: here\n  context: { cluster: c, user: me }\nusers:\n- name: me\n  user: { token: t }\n",
    );
    assert_eq!(dead.code, 6, "{}", dead.err);
    assert!(dead.err.contains("http://127.0.0.1:9 cannot be reached"), "{}", dead.err);
    for ran in [no_context, dead] {
        let apps: Value = serde_json::from_str(&ran.out).unwrap();
        let known = |app: &&Value| app["name"] == "checkout" && app["target"] == "cloud-foundry";
        assert!(apps.as_array().unwrap().iter().any(|app| known(&app)));
    }
}

/// Two foundations with the same apps, by the names that somebody gave them, and one that is dead: each row says whose it is,
/// nothing is changed where another target might be meant, and a command that is copied leads to the same login.
#[test]
fn targets_that_look_alike_are_told_apart() {
    let (eu, us) = (Foundation::start(&[]), Foundation::start(&["--seed", "8"]));
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.toml");
    let target = |name: &str, home: &str| {
        format!("[[target]]\nname = \"{name}\"\nplatform = \"cf\"\nhome = \"{home}\"\n")
    };
    let none = home.path().join("none").display().to_string();
    let text = target("prod-eu", &eu.home) + &target("prod-us", &us.home) + &target("dead", &none);
    std::fs::write(&config, text).unwrap();
    let run = |args: &[&str]| {
        let home = tempfile::tempdir().unwrap();
        let mut command = revdeck();
        command.arg("--config").arg(&config).args(args).env("XDG_STATE_HOME", home.path());
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    };
    let apps = run(&["apps"]);
    assert_eq!(apps.code, 5, "{}", apps.err);
    assert!(apps.err.contains("dead: "), "{}", apps.err);
    for name in ["prod-eu", "prod-us"] {
        let row = format!("checkout {name}");
        let squeezed = apps.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed.contains(&row), "{}", apps.out);
    }
    let unsaid = run(&["rollback", "checkout", "--yes"]);
    assert_eq!(unsaid.code, 3, "{}", unsaid.err);
    assert!(
        unsaid.err.contains("is an app of prod-eu and prod-us: say --target"),
        "{}",
        unsaid.err
    );

    let beside = ["--target", "prod-eu", "--target", "dead"];
    let refused =
        run(&[&beside[..], &["rollback", "checkout", "--yes", "--output", "json"]].concat());
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("dead could not be asked and may have an app"), "{}", refused.err);
    let told: Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!(told["outcome"], "refused", "{told}");
    assert!(told["text"].as_str().unwrap().ends_with("say --target prod-eu"), "{told}");
    // Reading does no harm, and says the same.
    let plan = run(&[&beside[..], &["rollback", "checkout", "--dry-run"]].concat());
    assert_eq!(plan.code, 0, "{}", plan.err);
    assert!(plan.err.contains("note: dead: "), "{}", plan.err);
    let line = |start: &str| plan.out.lines().find(|line| line.trim().starts_with(start)).unwrap();
    assert!(line("target").ends_with("prod-eu"), "{}", plan.out);
    assert!(line("by hand").contains(&format!("CF_HOME={} cf ", eu.home)), "{}", plan.out);
    // Who has said where has nothing to repeat.
    let plain = eu.run(&["rollback", "checkout", "--dry-run"]);
    assert!(plain.out.contains("by hand  cf cancel-deployment checkout"), "{}", plain.out);
}

#[test]
fn a_target_that_no_platform_reads_is_a_usage_error() {
    for (text, why) in [
        ("heroku", "no platform \"heroku\" in this revdeck: use cloud-foundry[:ORG[/SPACE]]"),
        ("cloud-foundry:", "there is nothing after the colon"),
        ("cf:a/b/c", "is no ORG or ORG/SPACE"),
    ] {
        let ran = ran(revdeck().args(["apps", "--target", text]));
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
}

#[test]
fn the_configuration_is_read_and_shown() {
    let foundation = Foundation::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("own.toml");
    let text = format!(
        "[dashboard]\norder = \"name\"\n\n[[target]]\nname = \"prod\"\nplatform = \"cloud-foundry\"\nhome = {:?}\n",
        foundation.home
    );
    std::fs::write(&file, text).unwrap();
    let config = file.display().to_string();
    let run = |args: &[&str]| ran(revdeck().args(["--config", &config]).args(args));
    let shown = run(&["config", "--output", "json", "--read-only"]).json();
    assert_eq!(shown["dashboard"]["order"]["from"], "line 2");
    assert_eq!(shown["dashboard"]["read-only"]["from"], "--read-only");
    assert_eq!(shown["targets"][0]["name"], "prod");
    let apps = run(&["apps", "--output", "json"]).json();
    assert_eq!(apps[0]["target"], "prod");
    assert_eq!(run(&["status", "checkout", "--target", "prod"]).code, 0);
    std::fs::write(&file, "[dashboard]\norder = \"size\"\n").unwrap();
    let wrong = run(&["apps"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("own.toml, line 2: order is none of"), "{}", wrong.err);
}

/// A proxy of the environment is used for a cluster, except where `NO_PROXY` leaves the cluster out.
#[cfg(feature = "kubernetes")]
#[test]
fn a_cluster_may_be_left_out_of_the_proxy() {
    let mut simulator = revdeck()
        .args(["simulator", "kubernetes", "--tls", "--scenario", "quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(simulator.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let banner: Value = serde_json::from_str(&line).unwrap();
    // Nobody listens at the port that is given to nobody.
    let apps = |no_proxy: &str| {
        let mut command = revdeck();
        command.env("KUBECONFIG", banner["kubeconfig"].as_str().unwrap());
        command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", no_proxy);
        ran(command.args(["apps", "--target", "kubernetes"]))
    };
    let (through, past) = (apps(""), apps("127.0.0.0/8"));
    let _ = simulator.kill();
    let _ = simulator.wait();
    assert_eq!(through.code, 6, "{}", through.err);
    assert_eq!(past.code, 0, "{}", past.err);
}

/// A shell completes verbs, options and the names of the apps that were read last, without asking anybody.
#[test]
fn a_shell_completes_the_names_of_apps() {
    let foundation = Foundation::start(&[]);
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = foundation.run(&["completion", shell]);
        assert_eq!(script.code, 0, "{}", script.err);
        assert!(script.out.contains("REVDECK_COMPLETE"), "{}", script.out);
    }
    let state = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)], words: &[&str]| {
        let mut command = revdeck();
        command.env("CF_HOME", &foundation.home).env("XDG_STATE_HOME", state.path());
        command.env("XDG_CONFIG_HOME", state.path()).envs(variables.iter().copied()).args(words);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let complete = |words: &[&str]| {
        let index = (words.len() - 1).to_string();
        let variables = [
            ("REVDECK_COMPLETE", "bash"),
            ("_CLAP_COMPLETE_INDEX", &index),
            ("_CLAP_COMPLETE_COMP_TYPE", "9"),
        ];
        run(&variables, &[&["--"], words].concat())
    };
    assert!(!complete(&["revdeck", "rollback", "ch"]).contains("checkout"), "nothing was read yet");
    assert!(run(&[], &["apps"]).contains("checkout"));
    assert_eq!(complete(&["revdeck", "rollback", "ch"]).trim(), "checkout");
    assert!(complete(&["revdeck", "status", ""]).contains("payments"));
    assert!(complete(&["revdeck", "roll"]).contains("rollback"));
}
