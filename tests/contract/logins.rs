//! Logins to a cluster that do not work: each gets one sentence of what is wrong, where, and what to do.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use revdeck::{
    domain::{ProblemKind, Scope, TargetId},
    platform::{
        Error, OpenError, Platform,
        kubernetes::{Kubernetes, Options},
    },
    simulator::{self, Simulator, kubernetes::Cluster},
};

/// Opens a cluster with a kubeconfig of this text.
fn open(folder: &Path, text: &str) -> Result<Kubernetes, OpenError> {
    let file = folder.join("config");
    fs::write(&file, text).unwrap();
    let timeout = Duration::from_millis(600);
    let options = Options { kubeconfig: Some(file), timeout, ..Options::default() };
    Kubernetes::open(TargetId::new("k8s"), &options, revdeck::runtime::clock::system())
}

/// A kubeconfig for a server, with this login.
fn config(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters:\n- name: c\n  cluster: {{ server: \"{server}\" }}\n\
         contexts:\n- name: here\n  context: {{ cluster: c, user: me, namespace: shop }}\nusers:\n- name: me\n  user: {user}\n"
    )
}

fn url(simulator: &Simulator<Cluster>) -> String {
    let banner: serde_json::Value = serde_json::from_str(simulator.banner()).unwrap();
    banner["api"].as_str().unwrap().to_owned()
}

async fn refusal(folder: &Path, server: &str, user: &str) -> Error {
    let cluster = open(folder, &config(server, user)).unwrap();
    cluster.apps(&Scope::Home).await.unwrap_err()
}

fn plugin(folder: &Path, script: &str) -> (PathBuf, String) {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.join("get-token");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let user = exec(&file.display().to_string());
    (file, user)
}

fn exec(command: &str) -> String {
    format!(
        "{{ exec: {{ apiVersion: client.authentication.k8s.io/v1, command: \"{command}\", interactiveMode: IfAvailable }} }}"
    )
}

#[test]
fn a_kubeconfig_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let server = "http://127.0.0.1:9";
    for (text, wanted) in [
        ("{ not yaml", "cannot be used"),
        ("apiVersion: v1\nkind: Config\n", "names no current context"),
        (&config(server, "{}").replace("cluster: c,", "cluster: d,"), "names no server"),
        (
            &config(server, "{}").replace("current-context: here", "current-context: there"),
            "there are here",
        ),
    ] {
        let error = open(folder.path(), text).err().unwrap().to_string();
        assert!(error.contains(wanted) && !error.contains('\n'), "{error}");
    }
    let options = Options { kubeconfig: Some(folder.path().join("none")), ..Options::default() };
    let error = Kubernetes::open(TargetId::new("k8s"), &options, revdeck::runtime::clock::system());
    let error = error.err().unwrap().to_string();
    assert!(error.contains("revdeck demo"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_gives_no_login_is_named() {
    let simulator = Simulator::kubernetes(&simulator::Options::default()).await.unwrap();
    let (folder, server) = (tempfile::tempdir().unwrap(), url(&simulator));
    let here = folder.path();
    let error = refusal(here, &server, &exec("/nonexistent/get-token")).await;
    assert_eq!(error.problem().kind, ProblemKind::Login);
    assert!(error.to_string().contains("/nonexistent/get-token"), "{error}");
    let (file, user) = plugin(here, "echo 'your session has expired: run sso login' >&2; exit 3");
    let error = refusal(here, &server, &user).await.to_string();
    assert!(error.contains("run sso login") && error.contains(&*file.to_string_lossy()), "{error}");
    let (_, user) = plugin(here, "echo not json");
    let error = refusal(here, &server, &user).await;
    assert_eq!(error.problem().kind, ProblemKind::Login, "{error}");
    // One that asks gets no answer; one that takes for ever is not waited for.
    let (_, user) = plugin(here, "printf 'Password: ' >&2; read password || exit 4; sleep 60");
    let error = refusal(here, &server, &user).await.to_string();
    assert!(error.contains("Password"), "{error}");
    let (_, user) = plugin(here, "exec sleep 60");
    let error = refusal(here, &server, &user).await.to_string();
    assert!(error.contains("has not answered"), "{error}");
    let ready = r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"operator-token"}}'"#;
    let (_, user) = plugin(here, ready);
    let cluster = open(here, &config(&server, &user)).unwrap();
    assert!(!cluster.apps(&Scope::Home).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_login_that_has_run_out_says_how_to_get_another() {
    let simulator = Simulator::kubernetes(&simulator::Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(folder.path(), &url(&simulator), "{ token: stale }").await;
    assert_eq!(error.problem().kind, ProblemKind::Login);
    let text = error.to_string();
    assert!(text.contains("kubectl --context here"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refusal(folder.path(), &format!("http://{free}"), "{ token: any }").await;
    assert_eq!(error.problem().kind, ProblemKind::Unreachable);
    assert!(error.to_string().contains(&free.to_string()), "{error}");
}

/// Speaks TLS with a certificate that nobody knows, to whoever comes.
async fn unknown_server() -> std::net::SocketAddr {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_that_nobody_knows_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let server = format!("https://{}", unknown_server().await);
    let error = refusal(folder.path(), &server, "{ token: any }").await;
    assert_eq!(error.problem().kind, ProblemKind::Unreachable);
    let text = error.to_string();
    assert!(text.contains("certificate") && text.contains(&server), "{text}");
    assert!(!text.contains("skip"), "it does not talk anybody into trusting blindly: {text}");
}
