//! Logins to a cluster that do not work: each gets one sentence of what is wrong, where, and what to do.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use revdeck::{
    domain::{Operation, ProblemKind, Request, Scope, TargetId, Verb},
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
    let (_, user) = plugin(here, "printf 'Password: ' >&2; read password || exit 4; sleep 3");
    let error = refusal(here, &server, &user).await.to_string();
    assert!(error.contains("Password"), "{error}");
    let (_, user) = plugin(here, "exec sleep 3");
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

/// A SOCKS 5 proxy without a login (RFC 1928), as `ssh -D` is one; it counts the connections that it has made.
async fn socks() -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("socks5://{}", listener.local_addr().unwrap());
    let made = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = made.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut greeting = [0; 2];
                client.read_exact(&mut greeting).await?;
                client.read_exact(&mut vec![0; greeting[1].into()]).await?;
                client.write_all(&[5, 0]).await?;
                let mut request = [0; 4];
                client.read_exact(&mut request).await?;
                let host = if request[3] == 1 {
                    let mut host = [0; 4];
                    client.read_exact(&mut host).await?;
                    std::net::Ipv4Addr::from(host).to_string()
                } else {
                    let length = client.read_u8().await?;
                    let mut host = vec![0; length.into()];
                    client.read_exact(&mut host).await?;
                    String::from_utf8_lossy(&host).into_owned()
                };
                let port = client.read_u16().await?;
                let mut server = tokio::net::TcpStream::connect((host, port)).await?;
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (address, made)
}

/// The way to a cluster behind a bastion, as the Kubernetes documentation has it.
#[tokio::test]
async fn a_cluster_is_reached_through_a_socks_proxy() {
    let simulator = Simulator::kubernetes(&simulator::Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (proxy, made) = socks().await;
    let server = format!("{}\", proxy-url: \"{proxy}", url(&simulator));
    let cluster = open(folder.path(), &config(&server, "{}")).unwrap();
    assert!(!cluster.apps(&Scope::Home).await.unwrap().is_empty());
    assert!(made.load(std::sync::atomic::Ordering::Relaxed) > 0, "not past the proxy");
}

/// Several files as kubectl merges them (`clientcmd/loader.go`): one that is missing is passed over, and a value that is
/// empty in the first is that of the next.
#[tokio::test]
async fn several_kubeconfigs_are_one() {
    let simulator = Simulator::kubernetes(&simulator::Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let whole = config(&url(&simulator), "{}");
    fs::write(file("first"), "apiVersion: v1\nkind: Config\ncurrent-context: \"\"\n").unwrap();
    fs::write(file("second"), whole).unwrap();
    let list = std::env::join_paths([file("missing"), file("first"), file("second")]).unwrap();
    let options = Options { kubeconfig: Some(list.into()), ..Options::default() };
    let now = revdeck::runtime::clock::system();
    let cluster = Kubernetes::open(TargetId::new("k8s"), &options, now).unwrap();
    assert!(!cluster.apps(&Scope::Home).await.unwrap().is_empty());
}

/// `kubectl --as`: what somebody else may do is what may be done, and what is told to do by hand says so.
#[tokio::test]
async fn one_acts_as_somebody_else() {
    let simulator = Simulator::kubernetes(&simulator::Options::default()).await.unwrap();
    let open = |name: &str| {
        let options = Options {
            kubeconfig: Some(simulator.home().join("kubeconfig")),
            impersonate: Some((name.to_owned(), vec!["on-call".to_owned()])),
            ..Options::default()
        };
        let now = revdeck::runtime::clock::system();
        Kubernetes::open(TargetId::new("k8s"), &options, now).unwrap()
    };
    let can = open("viewer").capabilities().await.unwrap();
    assert!(can.reason(Verb::RollBack).is_some_and(|why| why.contains("patch deployments")));
    let admin = open("admin");
    assert!(admin.target().user.starts_with("admin (as "), "{}", admin.target().user);
    let app = admin.app("inventory").await.unwrap();
    let plan = admin.plan(Request::new(app.id, Operation::Restart)).await.unwrap();
    let hand = plan.by_hand.join(" ");
    assert!(hand.contains(" --as admin --as-group on-call "), "{hand}");
}
