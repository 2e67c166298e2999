//! What an operator's own git brings to a repository: how it is reached, who signs, and a clone to borrow from.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use revdeck::{
    domain::{Consent, Operation, Plan, Request, RollBackTo, Scope},
    platform::{
        Platform,
        operation::{self, NoRecord, Sent},
    },
};
use tokio::sync::mpsc;

use crate::gitops::{open, start};

fn program(path: &Path, text: &str) -> String {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn gitconfig(path: &Path, more: &str) -> String {
    let text = format!("[user]\n\tname = Hana Okoye\n\temail = hana@acme.example\n{more}");
    fs::write(path, text).unwrap();
    path.display().to_string()
}

async fn roll_back(platform: &dyn Platform) -> Plan {
    let app = platform.app("loyalty").await.unwrap();
    let operation = Operation::RollBack(RollBackTo::LastGood);
    platform.plan(Request::new(app.id, operation).with("direct", "yes")).await.unwrap()
}

async fn pushed(platform: &dyn Platform, plan: Plan) -> String {
    let commit = plan.recipe.as_ref().unwrap().rollout.as_ref().unwrap().as_str().to_owned();
    let (progress, _lines) = mpsc::unbounded_channel();
    let plan = plan.confirm(Consent::Flag).unwrap();
    let sent = operation::execute(platform, plan, &progress, &NoRecord).await;
    assert!(matches!(sent, Sent::Accepted(_)), "{sent:?}");
    commit
}

/// `GIT_SSH_COMMAND`, then `core.sshCommand`, then `GIT_SSH` (git's `connect.c`, `get_ssh_command`): one of them that is not
/// heard takes another key, or none.
#[tokio::test]
async fn ssh_is_run_as_the_operator_has_it_and_asks_nothing() {
    let place = tempfile::tempdir().unwrap();
    let simulator = start().await;
    let log = place.path().join("log");
    let text =
        format!("echo \"$@\" >> {}\nfor last; do :; done\nexec sh -c \"$last\"", log.display());
    let ssh = program(&place.path().join("ssh"), &text);
    let address = format!("ssh://git@forge.example{}", simulator.world().directory().display());
    let configured =
        gitconfig(&place.path().join("config"), &format!("[core]\n\tsshCommand = {ssh} -4\n"));
    for (name, value, given) in [
        ("GIT_SSH_COMMAND", format!("{ssh} -i key"), "-i key -oBatchMode=yes"),
        ("GIT_CONFIG_GLOBAL", configured, "-4 -oBatchMode=yes"),
        ("GIT_SSH", ssh.clone(), "-oBatchMode=yes"),
    ] {
        let _ = fs::remove_file(&log);
        let cache = place.path().join(format!("cache of {name}")).display().to_string();
        let platform = open(
            &simulator,
            &[("REVDECK_GITOPS_REPOSITORY", &address), ("XDG_CACHE_HOME", &cache), (name, &value)],
        );
        let told = platform.apps(&Scope::Home).await;
        assert!(told.is_ok(), "{name} {told:?} {:?}", fs::read_to_string(&log));
        let lines = fs::read_to_string(&log).unwrap();
        assert!(lines.lines().count() >= 2, "{lines}");
        for line in lines.lines().filter(|line| !line.starts_with("-G ")) {
            assert!(line.starts_with(given), "{name}: {line}");
        }
    }
    let platform =
        open(&simulator, &[("REVDECK_GITOPS_REPOSITORY", &address), ("GIT_SSH_COMMAND", &ssh)]);
    let plan = roll_back(platform.as_ref()).await;
    let commit = pushed(platform.as_ref(), plan).await;
    assert_eq!(simulator.world().head("main").as_deref(), Some(commit.as_str()));

    for (complaint, words) in [
        ("Host key verification failed.", "its host key is not known here"),
        ("git@forge.example: Permission denied (publickey).", "Permission denied (publickey)"),
        ("ssh: connect to host forge.example port 22: Connection refused", "cannot be reached"),
    ] {
        let ssh = program(&place.path().join("ssh"), &format!("echo '{complaint}' >&2\nexit 255"));
        let platform =
            open(&simulator, &[("REVDECK_GITOPS_REPOSITORY", &address), ("GIT_SSH_COMMAND", &ssh)]);
        let said = platform.apps(&Scope::Home).await.unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}

/// `git commit-tree` does not look at `commit.gpgsign`; what cannot be signed is not sent.
#[tokio::test]
async fn a_commit_is_signed_where_git_is_configured_to() {
    let place = tempfile::tempdir().unwrap();
    let simulator = start().await;
    let gpg = place.path().join("gpg");
    let sign = "[commit]\n\tgpgsign = on\n[gpg]\n\tprogram = ";
    let config = gitconfig(
        &place.path().join("config"),
        &format!(
            "{sign}{}\n",
            program(&gpg, "echo 'gpg: signing failed: No pinentry' >&2; exit 2")
        ),
    );
    let platform = open(&simulator, &[("GIT_CONFIG_GLOBAL", &config)]);
    let before = simulator.world().head("main");
    let refused = roll_back(platform.as_ref()).await.refused.unwrap();
    // git 2.39 keeps what the program said to itself.
    let told = ["gpg: signing failed: No pinentry", "gpg failed to sign the data"];
    let sentence = |why: &str| {
        format!("the commit cannot be signed ({why}): unlock your agent and plan again")
    };
    assert!(told.map(sentence).contains(&refused), "{refused}");
    assert_eq!(simulator.world().head("main"), before);

    // The words of gpg's `--status-fd` that git waits for (`gpg-interface.c`, `sign_buffer_gpg`).
    program(
        &gpg,
        "cat > /dev/null\necho '-----BEGIN PGP SIGNATURE-----'\nprintf '\\n[GNUPG:] SIG_CREATED D 1\\n' >&2",
    );
    let plan = roll_back(platform.as_ref()).await;
    assert!(plan.capacity.iter().any(|line| line.ends_with(", signed")), "{:?}", plan.capacity);
    let commit = pushed(platform.as_ref(), plan).await;
    let text = simulator.world().git(&["cat-file", "commit", &commit]).unwrap();
    assert!(text.contains("gpgsig -----BEGIN PGP SIGNATURE-----"), "{text}");

    let gone = "/nonexistent/gpg";
    let config = gitconfig(&place.path().join("config"), &format!("{sign}{gone}\n"));
    let platform = open(&simulator, &[("GIT_CONFIG_GLOBAL", &config)]);
    let refused = roll_back(platform.as_ref()).await.refused.unwrap();
    assert!(refused.contains(gone), "{refused}");
}

/// What a partial clone lacks git would ask for one by one, and the copy that borrows from it could not.
#[tokio::test]
async fn nothing_is_borrowed_from_a_partial_clone() {
    let place = tempfile::tempdir().unwrap();
    let simulator = start().await;
    let world = simulator.world();
    world.git(&["config", "uploadpack.allowFilter", "true"]).unwrap();
    let from = format!("file://{}", world.directory().display());
    for (name, filter) in [("whole", None), ("partial", Some("--filter=blob:none"))] {
        let mut command = Command::new("git");
        command.current_dir(place.path()).env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.args(["clone", "-q", "--no-checkout", "-c", "user.name=Noor"]);
        command.args(["-c", "user.email=noor@acme.example", &from, name]).args(filter);
        assert!(command.output().unwrap().status.success());
        let clone = place.path().join(name).display().to_string();
        let cache = place.path().join(format!("cache of {name}"));
        let at = cache.display().to_string();
        let platform =
            open(&simulator, &[("REVDECK_GITOPS_REPOSITORY", &clone), ("XDG_CACHE_HOME", &at)]);
        assert!(!platform.apps(&Scope::Home).await.unwrap().is_empty(), "{name}");
        let app = platform.app("loyalty").await.unwrap();
        assert!(platform.revisions(&app.id).await.unwrap().revisions.len() > 1, "{name}");
        let copies: Vec<_> = walk(&cache);
        let borrows = copies.iter().any(|file| file.ends_with("objects/info/alternates"));
        assert_eq!(borrows, filter.is_none(), "{name}");
        let plan = roll_back(platform.as_ref()).await;
        assert!(plan.capacity.iter().any(|line| line.contains("by Noor <")), "{:?}", plan.capacity);
    }
}

/// A clone that is fetched here and pushed there, or nowhere: `git push` in it hears that, and so does this.
#[tokio::test]
async fn it_is_pushed_where_the_clone_pushes_to() {
    let place = tempfile::tempdir().unwrap();
    let simulator = start().await;
    let world = simulator.world();
    let from = format!("file://{}", world.directory().display());
    let clone = place.path().join("clone").display().to_string();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(place.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").args(arguments);
        let told = command.output().unwrap();
        assert!(told.status.success(), "{told:?}");
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    };
    git(&["clone", "-q", "-c", "user.name=Noor", "-c", "user.email=n@x", &from, &clone]);
    git(&["init", "-q", "--bare", "elsewhere"]);
    let elsewhere = place.path().join("elsewhere").display().to_string();
    git(&["-C", &clone, "push", "-q", &elsewhere, "HEAD:main"]);
    let cache = place.path().join("cache").display().to_string();
    let variables = [("REVDECK_GITOPS_REPOSITORY", clone.as_str()), ("XDG_CACHE_HOME", &cache)];
    let before = world.head("main");
    git(&["-C", &clone, "config", "remote.origin.pushurl", "no_push"]);
    let platform = open(&simulator, &variables);
    let refused = roll_back(platform.as_ref()).await.refused.unwrap();
    assert!(refused.contains("forbids to push (remote.origin.pushurl is no_push)"), "{refused}");
    git(&["-C", &clone, "config", "remote.origin.pushurl", &elsewhere]);
    let platform = open(&simulator, &variables);
    let plan = roll_back(platform.as_ref()).await;
    assert!(plan.recipe.as_ref().unwrap().steps[0].calls[0].contains(&elsewhere), "{plan:?}");
    let commit = pushed(platform.as_ref(), plan).await;
    assert_eq!(git(&["-C", &elsewhere, "rev-parse", "main"]), commit);
    assert_eq!(world.head("main"), before, "nothing came here");
    git(&["-C", &clone, "config", "--add", "remote.origin.pushurl", &from]);
    let refused = roll_back(open(&simulator, &variables).as_ref()).await.refused.unwrap();
    assert!(refused.contains("pushes to 2 places"), "{refused}");
}

/// What git itself refuses to send was not sent, and why is said: git 2.39 `send-pack.c`.
#[tokio::test]
async fn a_push_that_git_does_not_send_is_no_fault_of_the_network() {
    let place = tempfile::tempdir().unwrap();
    let simulator = start().await;
    let before = simulator.world().head("main");
    let options = "[push]\n\tpushOption = ci.skip\n";
    for (more, says) in [
        (options, "the receiving end does not support push options"),
        ("[push]\n\tgpgSign = true\n", "the receiving end does not support --signed push"),
    ] {
        let config = gitconfig(&place.path().join("config"), more);
        let platform = open(&simulator, &[("GIT_CONFIG_GLOBAL", &config)]);
        let plan = roll_back(platform.as_ref()).await;
        let (progress, _lines) = mpsc::unbounded_channel();
        let plan = plan.confirm(Consent::Flag).unwrap();
        let sent = operation::execute(platform.as_ref(), plan, &progress, &NoRecord).await;
        let Sent::Ended(outcome) = sent else { panic!("{sent:?}") };
        let text = outcome.text();
        assert!(text.contains(says) && text.contains("push.gpgSign, push.pushOption"), "{text}");
    }
    assert_eq!(simulator.world().head("main"), before);
}

/// Somebody else's push that arrives while the server takes this one: told by the server, after the hooks
/// (git's `refs/files-backend.c`), and not a rule that a pull request would go around.
#[tokio::test]
async fn a_branch_that_moves_during_the_push_has_moved() {
    let simulator = start().await;
    let world = simulator.world();
    let platform = open(&simulator, &[]);
    let plan = roll_back(platform.as_ref()).await;
    // A hook sees what is to be updated before the branch is locked.
    let hook = world.directory().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    program(&hook, "unset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main main~1\nexit 0");
    let (progress, _lines) = mpsc::unbounded_channel();
    let plan = plan.confirm(Consent::Flag).unwrap();
    let sent = operation::execute(platform.as_ref(), plan, &progress, &NoRecord).await;
    let Sent::Ended(outcome) = sent else { panic!("{sent:?}") };
    assert!(outcome.text().contains("main has moved since it was looked at"), "{outcome:?}");
}

fn walk(place: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
