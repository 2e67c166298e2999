//! The simulated cluster with a client that nobody here wrote: kubectl, where it is at hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

#[path = "support/skipped.rs"]
mod skipped;

use std::{path::Path, process::Command};

use revdeck::simulator::{Options, Simulator};

const MANIFEST: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-deploy
spec:
  replicas: 5
  selector:
    matchLabels:
      app: web-deploy
  template:
    metadata:
      labels:
        app: web-deploy
    spec:
      containers:
      - name: nginx
        image: nginx:1.16
";

fn at_hand() -> bool {
    let at_hand = Command::new("kubectl").args(["version", "--client"]).output().is_ok();
    if !at_hand {
        skipped::skipped("kubectl", "kubectl is not at hand");
    }
    at_hand
}

fn kubectl(kubeconfig: &Path, args: &[&str]) -> String {
    let output =
        Command::new("kubectl").arg("--kubeconfig").arg(kubeconfig).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "kubectl {args:?}: {text}{error}");
    text
}

/// Apply, a new image, its history, going back, and what kubectl says of each.
#[tokio::test(flavor = "multi_thread")]
async fn the_walk_of_a_rollout() {
    if !at_hand() {
        return;
    }
    let options = Options { scenario: "quiet".to_owned(), speed: 10.0, ..Options::default() };
    let simulator = Simulator::kubernetes(&options).await.unwrap();
    let home = simulator.home_buf();
    let walk = tokio::task::spawn_blocking(move || {
        let kubeconfig = home.join("kubeconfig");
        let run = |args: &[&str]| kubectl(&kubeconfig, args);
        let manifest = home.join("web.yml");
        std::fs::write(&manifest, MANIFEST).unwrap();
        let file = manifest.to_str().unwrap();
        assert!(run(&["apply", "-f", file]).contains("created"));
        assert!(
            run(&["rollout", "status", "deployment/web-deploy", "--timeout=60s"])
                .contains("successfully")
        );
        std::fs::write(&manifest, MANIFEST.replace("1.16", "1.17")).unwrap();
        assert!(run(&["apply", "-f", file]).contains("configured"));
        assert!(
            run(&["rollout", "status", "deployment/web-deploy", "--timeout=60s"])
                .contains("successfully")
        );
        let sets = run(&["get", "rs", "-l", "app=web-deploy"]);
        assert_eq!(sets.lines().count(), 3, "{sets}");
        let history = run(&["rollout", "history", "deployment/web-deploy"]);
        assert!(history.contains("\n1 ") && history.contains("\n2 "), "{history}");
        let described = run(&["describe", "deployment", "web-deploy"]);
        assert!(
            described.contains("nginx:1.17") && described.contains("Scaled up replica set"),
            "{described}"
        );
        assert!(
            described.contains("5 desired | 5 updated | 5 total | 5 available | 0 unavailable"),
            "{described}"
        );
        assert!(run(&["rollout", "undo", "deployment/web-deploy"]).contains("rolled back"));
        assert!(
            run(&["rollout", "status", "deployment/web-deploy", "--timeout=60s"])
                .contains("successfully")
        );
        let history = run(&["rollout", "history", "deployment/web-deploy"]);
        assert!(
            !history.contains("\n1 ") && history.contains("\n3 "),
            "the old one has a new number: {history}"
        );
        assert!(run(&["describe", "deployment", "web-deploy"]).contains("nginx:1.16"));
        assert!(run(&["rollout", "pause", "deployment/web-deploy"]).contains("paused"));
        assert!(
            run(&["set", "image", "deployment/web-deploy", "nginx=nginx:1.18"])
                .contains("image updated")
        );
        assert!(run(&["rollout", "resume", "deployment/web-deploy"]).contains("resumed"));
        assert!(
            run(&["rollout", "status", "deployment/web-deploy", "--timeout=60s"])
                .contains("successfully")
        );
        assert!(run(&["rollout", "restart", "deployment/web-deploy"]).contains("restarted"));
        assert!(run(&["delete", "deployment", "web-deploy"]).contains("deleted"));
    });
    walk.await.unwrap();
}

/// Each context may what its login may, for kubectl too, which sends no token over plain HTTP.
#[tokio::test(flavor = "multi_thread")]
async fn contexts_have_their_rights() {
    if !at_hand() {
        return;
    }
    let simulator = Simulator::kubernetes(&Options::default()).await.unwrap();
    let home = simulator.home_buf();
    let walk = tokio::task::spawn_blocking(move || {
        let may = |context: &str, asked: &[&str]| {
            let output = Command::new("kubectl")
                .arg("--kubeconfig")
                .arg(home.join("kubeconfig"))
                .args(["--context", context, "auth", "can-i"])
                .args(asked)
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).trim() == "yes"
        };
        for (context, patch, patch_all, list_sets) in [
            ("demo", true, true, true),
            ("viewer", false, false, true),
            ("tenant", true, false, true),
            ("junior", true, true, false),
        ] {
            assert_eq!(may(context, &["patch", "deployments"]), patch, "{context}");
            assert_eq!(may(context, &["patch", "deployments", "-A"]), patch_all, "{context}");
            assert_eq!(may(context, &["list", "replicasets"]), list_sets, "{context}");
        }
    });
    walk.await.unwrap();
}
