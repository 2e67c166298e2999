//! Repositories with real history in them, and clients that nobody here wrote against the simulated delivery.

#![cfg(feature = "gitops")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may"
)]

#[path = "support/skipped.rs"]
mod skipped;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use jiff::Timestamp;
use revdeck::{
    domain::{Operation, Request, RollBackTo, Scope, TargetId},
    platform::{Environment, Platform, Registry, TargetSpec},
    simulator::{self, Simulator, clock::Clock, gitops::Delivery},
};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
struct Change {
    file: String,
    form: String,
    image: String,
    old: String,
    new: String,
    marker: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Commit {
    date: Timestamp,
    author: String,
    subject: String,
    changes: Vec<Change>,
}

fn git(directory: &Path, arguments: &[&str], input: Option<&str>) -> String {
    let mut child = Command::new("git")
        .current_dir(directory)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let feeding = child.stdin.take().zip(input.map(str::to_owned));
    let feeder = feeding.map(|(mut stdin, input)| {
        std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap())
    });
    let output = child.wait_with_output().unwrap();
    if let Some(feeder) = feeder {
        feeder.join().unwrap();
    }
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The images of a file: name to form, tag and marker.
type Images = BTreeMap<String, (String, String, Option<String>)>;

/// A file that names some images, in its form, with quotes, comments and line ends of several kinds.
fn text(file: &str, images: &Images) -> String {
    let mut text = "# kept as it is\n".to_owned();
    if file.ends_with("kustomization.yaml") {
        text += "resources: [all.yaml]\nimages:\n";
        for (number, (name, (_, tag, _))) in images.iter().enumerate() {
            let tag = match number % 3 {
                0 => tag.clone(),
                1 => format!("\"{tag}\"   # why not"),
                _ => format!("'{tag}'"),
            };
            let _ = write!(text, "- name: {name}\n  newTag: {tag}\n");
        }
        return text;
    }
    text += "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: all\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n";
    for (number, (name, (_, tag, marker))) in images.iter().enumerate() {
        let marker = marker.as_ref().map(|marker| format!(" # {marker}")).unwrap_or_default();
        let _ = write!(text, "      - name: c{number}\n        image: {name}:{tag}{marker}\n");
    }
    if file.len().is_multiple_of(2) { text.replace('\n', "\r\n") } else { text }
}

/// A repository with the history of a fixture, as `git fast-import` writes it; what people did in between, which the fixture
/// does not have, is a commit of theirs.
struct Replayed {
    home: tempfile::TempDir,
    commits: Vec<Commit>,
}

fn replay(fixture: &str) -> Option<Replayed> {
    let file =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/gitops").join(fixture);
    let Ok(json) = fs::read_to_string(file) else {
        skipped::skipped("fixtures", "the real histories are not at hand");
        return None;
    };
    let commits: Vec<Commit> = serde_json::from_str(&json).unwrap();
    let mut files: BTreeMap<String, Images> = BTreeMap::new();
    for change in commits.iter().flat_map(|commit| &commit.changes) {
        let images = files.entry(change.file.clone()).or_default();
        let state = (change.form.clone(), change.old.clone(), change.marker.clone());
        images.entry(change.image.clone()).or_insert(state);
    }
    let mut stream = String::new();
    let mut write = |by: &str,
                     at: Timestamp,
                     subject: &str,
                     files: &BTreeMap<String, Images>,
                     changed: &BTreeSet<String>| {
        let _ = writeln!(
            stream,
            "commit refs/heads/main\nauthor {by} <{by}@example.org> {} +0000",
            at.as_second()
        );
        let _ = writeln!(stream, "committer {by} <{by}@example.org> {} +0000", at.as_second());
        let _ = writeln!(stream, "data {}\n{subject}", subject.len());
        for file in changed {
            let text = text(file, &files[file]);
            let _ = writeln!(stream, "M 100644 inline {file}\ndata {}\n{text}", text.len());
        }
    };
    let first = commits[0].date.checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    write("start", first, "Start", &files, &files.keys().cloned().collect());
    for commit in &commits {
        let off = |change: &&Change| files[&change.file][&change.image].1 != change.old;
        let between: Vec<_> = commit.changes.iter().filter(off).cloned().collect();
        if !between.is_empty() {
            for change in &between {
                files
                    .get_mut(&change.file)
                    .unwrap()
                    .get_mut(&change.image)
                    .unwrap()
                    .1
                    .clone_from(&change.old);
            }
            let changed = between.iter().map(|change| change.file.clone()).collect();
            write("people", commit.date, "In between", &files, &changed);
        }
        for change in &commit.changes {
            files
                .get_mut(&change.file)
                .unwrap()
                .get_mut(&change.image)
                .unwrap()
                .1
                .clone_from(&change.new);
        }
        let changed = commit.changes.iter().map(|change| change.file.clone()).collect();
        write(&commit.author, commit.date, &commit.subject, &files, &changed);
    }
    let home = tempfile::tempdir().unwrap();
    let bare = home.path().join("history.git");
    fs::create_dir(&bare).unwrap();
    git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"], None);
    git(&bare, &["fast-import", "--quiet"], Some(&stream));
    git(&bare, &["config", "user.name", "Hana Okoye"], None);
    git(&bare, &["config", "user.email", "hana@example.org"], None);
    Some(Replayed { home, commits })
}

impl Replayed {
    fn bare(&self) -> PathBuf {
        self.home.path().join("history.git")
    }

    fn open(&self) -> Arc<dyn Platform> {
        let cache = self.home.path().join("cache").display().to_string();
        let environment = Environment::default().with([("XDG_CACHE_HOME".to_owned(), cache)]);
        let now: revdeck::platform::Now = Arc::new(|| "2026-11-01T12:00:00Z".parse().unwrap());
        let location = self.bare().display().to_string();
        let spec =
            TargetSpec { id: TargetId::new("git"), ..TargetSpec::new("gitops", Some(&location)) };
        Registry::built_in().open(&[spec], &environment, &now).unwrap().remove(0)
    }

    /// The private copy.
    fn copy(&self) -> PathBuf {
        let directory = self.home.path().join("cache/revdeck/git");
        fs::read_dir(directory).unwrap().next().unwrap().unwrap().path()
    }
}

/// Every change of a real history is told: the app, the tag before and the tag after.
async fn changes_are_told(fixture: &str) -> usize {
    let Some(replayed) = replay(fixture) else { return 0 };
    let platform = replayed.open();
    let mut told = BTreeSet::new();
    for app in platform.apps(&Scope::Everything).await.unwrap() {
        let image = app.id.as_str().split_once('|').unwrap().1.to_owned();
        let history = platform.revisions(&app.id).await.unwrap();
        assert!(!history.truncated);
        let overridden = |one: &&revdeck::domain::Revision| {
            one.note.as_deref() == Some("in a file that a kustomization overrides")
        };
        let ran: Vec<_> = history.revisions.iter().filter(|one| !overridden(one)).collect();
        let beside = history.revisions.iter().filter(overridden);
        told.extend(
            beside.map(|one| {
                (image.clone(), String::new(), one.label.clone(), one.description.clone())
            }),
        );
        for pair in ran.windows(2) {
            told.insert((
                image.clone(),
                pair[1].label.clone(),
                pair[0].label.clone(),
                pair[0].description.clone(),
            ));
        }
    }
    let (mut found, mut overridden) = (0, 0);
    for commit in &replayed.commits {
        for change in &commit.changes {
            let (image, subject) = (&change.image, &commit.subject);
            let key = (image.clone(), change.old.clone(), change.new.clone(), subject.clone());
            let new = |one: &(String, String, String, String)| {
                (&one.0, &one.2, &one.3) == (image, &change.new, subject)
            };
            if change.old != change.new && !told.contains(&key) {
                // What a patch says is overridden by the kustomization beside it: its new tag is told, and what ran before.
                assert!(change.form == "inline" && told.iter().any(new), "not told: {key:?}");
                overridden += 1;
            }
            found += 1;
        }
    }
    assert!(overridden <= 1, "{overridden}");
    found
}

#[tokio::test]
async fn every_change_of_real_histories_is_told() {
    let kustomize = changes_are_told("tracker-releases-kustomize.json").await;
    let markers = changes_are_told("tracker-releases-markers.json").await;
    if kustomize > 0 {
        assert_eq!((kustomize, markers), (408, 109));
    }
}

/// A roll back to any revision changes the lines of that app alone, byte for byte; and what kustomize makes of it differs in
/// that image alone.
#[tokio::test]
async fn a_roll_back_changes_nothing_else() {
    let kubectl = Command::new("kubectl")
        .arg("version")
        .arg("--client")
        .output()
        .is_ok_and(|told| told.status.success());
    if !kubectl {
        skipped::skipped("kubectl", "it is not on the PATH");
    }
    let mut random = fastrand::Rng::with_seed(12);
    for (fixture, number) in
        [("tracker-releases-kustomize.json", 30), ("tracker-releases-markers.json", 20)]
    {
        let Some(replayed) = replay(fixture) else { return };
        let platform = replayed.open();
        let apps = platform.apps(&Scope::Everything).await.unwrap();
        let head = git(&replayed.bare(), &["rev-parse", "main"], None).trim().to_owned();
        let mut all = Vec::new();
        for app in &apps {
            for one in platform.revisions(&app.id).await.unwrap().revisions {
                if one.deployable == revdeck::domain::Deployable::Yes
                    && app.deployed.as_ref().is_some_and(|of| of.label.as_ref() != Some(&one.label))
                {
                    all.push((app.clone(), one));
                }
            }
        }
        random.shuffle(&mut all);
        assert!(all.len() >= number);
        for (at, (app, revision)) in all.into_iter().take(number).enumerate() {
            let operation = Operation::RollBack(RollBackTo::Revision(revision.id.clone()));
            let request = Request::new(app.id.clone(), operation)
                .with("no-hold", if at % 2 == 0 { "yes" } else { "no" });
            let plan = platform.plan(request).await.unwrap();
            assert_eq!(plan.refused, None, "{} to {}", app.name, revision.label);
            let image = app.id.as_str().split_once('|').unwrap().1;
            let commit =
                plan.recipe.as_ref().unwrap().rollout.as_ref().unwrap().as_str().to_owned();
            let copy = replayed.copy();
            let names = git(&copy, &["diff", "--name-only", &head, &commit], None);
            for file in names.lines() {
                let show = |commit: &str| git(&copy, &["show", &format!("{commit}:{file}")], None);
                let (before, after) = (show(&head), show(&commit));
                assert_eq!(before.lines().count(), after.lines().count());
                let (was, is): (Vec<_>, Vec<_>) =
                    (before.split('\n').collect(), after.split('\n').collect());
                for (line, (was, is)) in was.iter().zip(&is).enumerate() {
                    if was == is {
                        continue;
                    }
                    let own = was.contains(&format!("{image}:"))
                        || (line > 0
                            && before
                                .split('\n')
                                .nth(line - 1)
                                .unwrap()
                                .trim_end()
                                .ends_with(image));
                    assert!(own && is.contains(&revision.label), "{file}: {was} -> {is}");
                    // Around the value nothing changes: its quotes, its comment, the end of the line.
                    assert_eq!(was.ends_with('\r'), is.ends_with('\r'));
                    assert_eq!(
                        was.contains('"') && !was.contains("imagepolicy"),
                        is.contains('"') && !is.contains("imagepolicy")
                    );
                    assert_eq!(was.contains("why not"), is.contains("why not"));
                    if at % 2 == 0 {
                        assert_eq!(
                            was.contains("imagepolicy"),
                            is.contains("imagepolicy"),
                            "the marker stays where nothing is held"
                        );
                    } else {
                        assert!(!is.contains("imagepolicy"), "the marker goes");
                    }
                }
                if kubectl {
                    let (was, is) = (rendered(file, &before, image), rendered(file, &after, image));
                    assert_eq!(was.len(), is.len());
                    let differ: Vec<_> =
                        was.iter().zip(&is).filter(|(was, is)| was != is).collect();
                    assert!(
                        !differ.is_empty()
                            && differ.iter().all(
                                |(was, is)| was.contains(image) && is.contains(&revision.label)
                            ),
                        "{differ:?}"
                    );
                }
            }
        }
    }
}

/// What kustomize makes of a file: its kustomization, or a manifest in one.
fn rendered(file: &str, text: &str, image: &str) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    if file.ends_with("kustomization.yaml") {
        let manifest = format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: all\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: one\n        image: {image}\n"
        );
        fs::write(place.path().join("all.yaml"), manifest).unwrap();
        fs::write(place.path().join("kustomization.yaml"), text).unwrap();
    } else {
        fs::write(place.path().join("all.yaml"), text).unwrap();
        fs::write(place.path().join("kustomization.yaml"), "resources: [all.yaml]\n").unwrap();
    }
    let told = Command::new("kubectl").arg("kustomize").arg(place.path()).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8_lossy(&told.stdout).lines().map(str::to_owned).collect()
}

async fn delivery() -> Simulator<Delivery> {
    let options = simulator::Options::default();
    Simulator::gitops_at(&options, Clock::running(5.0)).await.unwrap()
}

fn run(simulator: &Simulator<Delivery>, program: &str, arguments: &[&str]) -> (bool, String) {
    let kubeconfig = simulator
        .environment()
        .into_iter()
        .find(|(name, _)| name == "REVDECK_GITOPS_KUBECONFIG")
        .unwrap()
        .1;
    let told = Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr)
    );
    (told.status.success(), text)
}

/// Plain git clones and pushes, and is refused without a login and by a rule of the server.
#[tokio::test(flavor = "multi_thread")]
async fn plain_git_clones_and_pushes() {
    let simulator = delivery().await;
    let place = tempfile::tempdir().unwrap();
    let clone = place.path().join("clone").display().to_string();
    let (ok, told) =
        run(&simulator, "git", &["clone", "--quiet", &simulator.world().repository(), &clone]);
    assert!(ok, "{told}");
    fs::write(format!("{clone}/README.md"), "changed\n").unwrap();
    let commit = [
        "-C",
        &clone,
        "-c",
        "user.name=N",
        "-c",
        "user.email=n@example.org",
        "commit",
        "--quiet",
        "-am",
        "Change",
    ];
    assert!(run(&simulator, "git", &commit).0);
    simulator.world().protect("GH006: protected branch").unwrap();
    let (ok, told) = run(&simulator, "git", &["-C", &clone, "push", "origin", "HEAD:main"]);
    assert!(!ok && told.contains("GH006") && told.contains("pre-receive hook declined"), "{told}");
    simulator.world().protect("").unwrap();
    let (ok, told) = run(&simulator, "git", &["-C", &clone, "push", "origin", "HEAD:main"]);
    assert!(ok, "{told}");
    assert!(
        simulator.world().git(&["log", "-1", "--format=%s", "main"]).unwrap().contains("Change")
    );
    let bare = simulator.world().repository().replace("hana:simulated@", "");
    let (ok, told) = run(&simulator, "git", &["ls-remote", &bare]);
    assert!(!ok && told.contains("could not read Username"), "{told}");
}

/// kubectl sees the objects of Flux, and the `flux` CLI reconciles, traces, suspends and resumes them.
#[tokio::test(flavor = "multi_thread")]
async fn kubectl_and_flux_work_against_it() {
    let simulator = delivery().await;
    let is_there = |program: &str, argument: &str| {
        Command::new(program)
            .args(argument.split(' '))
            .output()
            .is_ok_and(|told| told.status.success())
    };
    if is_there("kubectl", "version --client") {
        let (ok, told) = run(
            &simulator,
            "kubectl",
            &["get", "kustomizations,gitrepositories", "-n", "flux-system"],
        );
        assert!(ok && told.contains("kustomization.kustomize.toolkit.fluxcd.io/apps"), "{told}");
        assert!(told.contains("gitrepository.source.toolkit.fluxcd.io/shop-config"), "{told}");
    } else {
        skipped::skipped("kubectl", "it is not on the PATH");
    }
    let flux = std::env::var("REVDECK_TEST_FLUX").unwrap_or_else(|_| "flux".to_owned());
    if !is_there(&flux, "--version") {
        skipped::skipped("flux", "it is not on the PATH, nor named by REVDECK_TEST_FLUX");
        return;
    }
    let (ok, told) = run(&simulator, &flux, &["get", "kustomizations"]);
    assert!(ok && told.contains("apps") && told.contains("main@sha1:"), "{told}");
    let (ok, told) = run(&simulator, &flux, &["get", "images", "policy"]);
    assert!(ok && told.contains("ticketing"), "{told}");
    let kind = ["--kind", "deployment", "--api-version", "apps/v1", "-n", "box-office"];
    let (ok, told) = run(&simulator, &flux, &[&["trace", "loyalty"], &kind[..]].concat());
    assert!(ok && told.contains("Managed by Flux") && told.contains("shop-config"), "{told}");
    let (ok, told) = run(&simulator, &flux, &["suspend", "kustomization", "infrastructure"]);
    assert!(ok && told.contains("suspended"), "{told}");
    let (ok, told) =
        run(&simulator, &flux, &["resume", "kustomization", "infrastructure", "--timeout=60s"]);
    assert!(ok && told.contains("resumed"), "{told}");
    let (ok, told) = run(
        &simulator,
        &flux,
        &["reconcile", "kustomization", "infrastructure", "--with-source", "--timeout=60s"],
    );
    assert!(ok && told.contains("applied revision"), "{told}");
}
