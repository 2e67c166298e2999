//! What grows with the number of apps grows as they do: told by what is allocated, since time is no test's business.

#![cfg(feature = "kubernetes")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;

use revdeck::{
    domain::{Interest, Report, Scope, TargetId},
    platform::{
        Now, Platform,
        kubernetes::{self, Kubernetes},
    },
    simulator::{self, SIMULATED, clock::Clock},
};
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
};

/// How many bytes the first look at a cluster of so many Deployments allocates, on the thread that takes it in.
fn allocated(apps: usize) -> u64 {
    let at = "2026-03-01T12:00:00Z".parse().unwrap();
    let server = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = Builder::new_current_thread().enable_all().build().unwrap();
    let options = simulator::Options { apps, ..simulator::Options::default() };
    let kind = SIMULATED.iter().find(|one| one.name == "kubernetes").unwrap();
    let simulator = server.block_on((kind.start)(options, Clock::manual(at))).unwrap();
    let environment = simulator.environment();
    let kubeconfig = environment.into_iter().find(|(name, _)| name == "KUBECONFIG").unwrap().1;
    let options = kubernetes::Options {
        kubeconfig: Some(kubeconfig.into()),
        ..kubernetes::Options::default()
    };
    let now: Now = Arc::new(move || at);
    let cluster = Kubernetes::open(TargetId::new("k8s"), &options, now).unwrap();
    let measured = allocation_counter::measure(|| {
        client.block_on(async {
            let everything = Interest { scope: Scope::Everything, ..Interest::default() };
            let (_interest, interested) = watch::channel(everything);
            let (sender, mut reports) = mpsc::channel(64);
            let listening = async {
                let mut seen = 0;
                while seen < apps {
                    if let Some(Report::Apps { changed, .. }) = reports.recv().await {
                        seen += changed.len();
                    }
                }
            };
            tokio::select! {
                () = listening => {}
                () = cluster.watch(interested, sender) => {}
            }
        });
    });
    measured.bytes_total
}

/// Copying what is known of all apps for each one of them allocated ten times as much for four times the apps.
#[test]
fn a_first_look_at_four_times_the_apps_costs_about_four_times_as_much() {
    let (few, many) = (allocated(1_500), allocated(6_000));
    let factor = many as f64 / few as f64;
    assert!((3.0..6.0).contains(&factor), "{few} bytes, and {many}: {factor:.2} times as many");
}
