//! Whatever happens to the watches, the deck ends up with what the server has.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use revdeck::{
    domain::{App, Condition, Count, Interest, Report, RevisionId, Scope, TargetId},
    platform::{
        Platform,
        kubernetes::{Kubernetes, Options},
    },
    simulator::{self, Simulator, clock::Clock},
};
use tokio::sync::{mpsc, watch};

/// What happens to the cluster, or to the way to it.
#[derive(Clone, Debug)]
enum Step {
    Image(&'static str, u8),
    Delete(&'static str),
    Fault(&'static str),
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let name = prop::sample::select(vec!["inventory", "wishlist", "mailroom", "storefront"]);
    let fault = prop::sample::select(vec![
        "410@GET:/apis#2",
        "410@GET:/api#9",
        "reset-before@GET:/apis#3",
        "503~50%@GET:/api",
        "watch=100ms",
        "html@GET:/apis#1",
        "",
    ]);
    prop_oneof![
        4 => (name.clone(), any::<u8>()).prop_map(|(name, tag)| Step::Image(name, tag)),
        1 => name.prop_map(Step::Delete),
        3 => fault.prop_map(Step::Fault),
        4 => (0_u8..8).prop_map(Step::Pass),
    ]
}

type Shown = BTreeMap<String, (Condition, Option<RevisionId>, Count)>;

fn shown<'a>(apps: impl Iterator<Item = &'a App>) -> Shown {
    let row = |app: &App| {
        let deployed = app.deployed.as_ref().map(|of| of.id.clone());
        (app.name.clone(), (app.condition(), deployed, app.instances))
    };
    apps.map(row).collect()
}

fn take(apps: &mut BTreeMap<String, App>, report: Report) {
    if let Report::Apps { changed, gone, .. } = report {
        for id in gone {
            apps.remove(id.as_str());
        }
        for app in changed {
            apps.insert(app.id.to_string(), app);
        }
    }
}

async fn plays(steps: Vec<Step>) {
    let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
    let options = simulator::Options::default();
    let simulator = Simulator::kubernetes_at(&options, clock.clone()).await.unwrap();
    let banner: serde_json::Value = serde_json::from_str(simulator.banner()).unwrap();
    let base =
        format!("{}/apis/apps/v1/namespaces/shop/deployments", banner["api"].as_str().unwrap());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
    let options = Options {
        kubeconfig: Some(simulator.home().join("kubeconfig")),
        timeout: Duration::from_millis(800),
        ..Options::default()
    };
    let time = clock.clone();
    let platform =
        Kubernetes::open(TargetId::new("k8s"), &options, Arc::new(move || time.now())).unwrap();
    let (_interest, interested) = watch::channel(Interest::default());
    let (sender, mut reports) = mpsc::channel(64);
    let watching = platform.clone();
    let task = tokio::spawn(async move { watching.watch(interested, sender).await });
    let mut apps = BTreeMap::new();
    for step in steps {
        match step {
            Step::Image(name, tag) => {
                let body = format!(
                    r#"{{"spec":{{"template":{{"spec":{{"containers":[{{"name":"app","image":"x:{tag}"}}]}}}}}}}}"#
                );
                let request = http.patch(format!("{base}/{name}"));
                let request =
                    request.header("content-type", "application/strategic-merge-patch+json");
                let _ = request.body(body).send().await;
            }
            Step::Delete(name) => drop(http.delete(format!("{base}/{name}")).send().await),
            Step::Fault(fault) => simulator.faults().set(fault).unwrap(),
            Step::Pass(seconds) => {
                clock.advance(f64::from(seconds));
                simulator.world().catch_up();
            }
        }
        while let Ok(report) = reports.try_recv() {
            take(&mut apps, report);
        }
    }
    simulator.faults().set("").unwrap();
    for _ in 0..40 {
        clock.advance(5.0);
        simulator.world().catch_up();
    }
    let wanted = shown(platform.apps(&Scope::Home).await.unwrap().iter());
    let settled = async {
        while shown(apps.values()) != wanted {
            take(&mut apps, reports.recv().await.expect("the watch has ended"));
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(10), settled).await;
    task.abort();
    assert!(
        settled.is_ok(),
        "it shows {:#?}\nand the server has {wanted:#?}",
        shown(apps.values())
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_deck_converges_to_the_server(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(plays(steps));
    }
}
