//! The connection to a cluster: one for everything, and a dead one is noticed.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use revdeck::{
    domain::{Interest, Report, TargetId},
    platform::{
        Platform,
        kubernetes::{Kubernetes, Options},
    },
    runtime::clock,
    simulator::{self, Simulator},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};

/// A relay, as a firewall is one: it can forget every connection that stands, without a word to either side.
struct Relay {
    address: String,
    made: Arc<AtomicUsize>,
    forget: watch::Sender<()>,
}

impl Relay {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (forget, _) = watch::channel(());
        let (made, forgetting) = (Arc::new(AtomicUsize::new(0)), forget.clone());
        let count = made.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (server, mut forgotten) = (server.clone(), forgetting.subscribe());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = forgotten.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, made, forget }
    }
}

/// A login through a relay to a simulator that serves TLS.
async fn through(simulator_home: &Path, timeout: Duration) -> (Relay, Kubernetes) {
    let file = simulator_home.join("kubeconfig");
    let config = std::fs::read_to_string(&file).unwrap();
    let (_, rest) = config.split_once("https://").expect("it serves TLS");
    let server = rest.split(['"', '/']).next().unwrap().to_owned();
    let relay = Relay::to(server.clone()).await;
    std::fs::write(&file, config.replace(&server, &relay.address)).unwrap();
    let options = Options { kubeconfig: Some(file), timeout, ..Options::default() };
    let cluster = Kubernetes::open(TargetId::new("k8s"), &options, clock::system()).unwrap();
    (relay, cluster)
}

async fn served() -> Simulator<simulator::kubernetes::Cluster> {
    let options = simulator::Options { tls: true, ..simulator::Options::default() };
    Simulator::kubernetes(&options).await.unwrap()
}

/// Waits until a watch reports apps.
async fn apps(reports: &mut mpsc::Receiver<Report>, when: &str) {
    let reported = timeout(Duration::from_secs(20), async {
        while let Some(report) = reports.recv().await {
            if matches!(report, Report::Apps { .. }) {
                return;
            }
        }
        panic!("the watch has ended");
    });
    assert!(reported.await.is_ok(), "no apps came {when}");
}

/// A start costs one handshake, not one a request.
#[tokio::test]
async fn one_connection_serves_everything() {
    let simulator = served().await;
    let (relay, cluster) = through(simulator.home(), Duration::from_secs(15)).await;
    let (_interest, interested) = watch::channel(Interest::default());
    let (sender, mut reports) = mpsc::channel(64);
    let watching = tokio::spawn(async move { cluster.watch(interested, sender).await });
    apps(&mut reports, "at the start").await;
    assert_eq!(relay.made.load(Ordering::Relaxed), 1);
    watching.abort();
}

/// What a firewall has forgotten answers nothing and says nothing: pings tell, long before a bookmark is missed.
#[tokio::test]
async fn a_dead_connection_is_noticed_and_replaced() {
    let simulator = served().await;
    let (relay, cluster) = through(simulator.home(), Duration::from_millis(900)).await;
    let (_interest, interested) = watch::channel(Interest::default());
    let (sender, mut reports) = mpsc::channel(64);
    let watching = tokio::spawn(async move { cluster.watch(interested, sender).await });
    apps(&mut reports, "at the start").await;
    relay.forget.send(()).unwrap();
    let reconnected = timeout(Duration::from_secs(20), async {
        while relay.made.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    reconnected.await.expect("the dead connection was not given up");
    // Whoever was told of the problem is told of its end.
    apps(&mut reports, "after the connection was replaced").await;
    watching.abort();
}
