//! What a login of a cluster may do and see, and where a context points.

use std::time::Duration;

use revdeck::{
    domain::{Condition, Interest, Report, Scope, TargetId, Verb},
    platform::{
        OpenError, Platform,
        kubernetes::{Kubernetes, Options},
    },
    runtime::clock,
    simulator::{self, Simulator, kubernetes::Cluster},
};
use tokio::sync::{mpsc, watch};

/// Opens a cluster with another context of its kubeconfig.
pub fn open(simulator: &Simulator<Cluster>, context: &str) -> Result<Kubernetes, OpenError> {
    let options = Options {
        kubeconfig: Some(simulator.home().join("kubeconfig")),
        context: Some(context.to_owned()),
        ..Options::default()
    };
    Kubernetes::open(TargetId::new("k8s"), &options, clock::system())
}

/// Reports of a watch until one is the wanted one.
async fn until<T>(
    reports: &mut mpsc::Receiver<Report>,
    wanted: impl Fn(&Report) -> Option<T>,
) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(&reports.recv().await.expect("the watch goes on")) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("it is reported")
}

/// A login with few rights sees what it may, is told what it does not see, and knows what it may do with each app.
#[tokio::test]
async fn few_rights_are_told_one_by_one() {
    let simulator = Simulator::kubernetes(&simulator::Options::default()).await.unwrap();
    let junior = open(&simulator, "junior").unwrap();
    let (interest, interested) = watch::channel(Interest::default());
    let (reports, mut reported) = mpsc::channel(64);
    let watching = junior.clone();
    let task = tokio::spawn(async move { watching.watch(interested, reports).await });
    let apps = until(&mut reported, |report| match report {
        Report::Apps { changed, .. } if !changed.is_empty() => Some(changed.clone()),
        _ => None,
    });
    let apps = apps.await;
    let app = |name: &str| apps.iter().find(|app| app.name == name).unwrap();
    assert_eq!(app("inventory").condition(), Condition::Ok, "judged without its ReplicaSets");
    assert!(app("storefront").rollout.is_some());
    assert!(apps.iter().all(|app| app.name != "agent"), "DaemonSets may not be seen");
    let hidden = until(&mut reported, |report| match report {
        Report::Status(status) if !status.hidden.is_empty() => Some(status.hidden.clone()),
        _ => None,
    });
    assert_eq!(hidden.await, ["daemonsets", "replicasets"]);
    // Who reads once is told, too.
    assert!(!junior.apps(&Scope::Home).await.unwrap().is_empty());
    assert_eq!(junior.unseen().await, ["daemonsets", "replicasets"]);
    for (name, roll_back, restart) in [
        ("inventory", "junior may not list replicasets in shop", None),
        ("db", "junior may not patch statefulsets in shop", Some("patch statefulsets")),
    ] {
        let focus = app(name).id.clone();
        interest.send_modify(|interest| interest.focus = Some(focus.clone()));
        let can = until(&mut reported, |report| match report {
            Report::Allowed { app, capabilities } if *app == focus => Some(capabilities.clone()),
            _ => None,
        });
        let can = can.await;
        assert_eq!(can.reason(Verb::RollBack), Some(roll_back));
        assert_eq!(can.reason(Verb::Restart).is_some(), restart.is_some(), "{can:?}");
    }
    let error = junior.logs(&app("inventory").id).await.unwrap_err();
    assert!(error.to_string().contains("pods/log"), "{error}");
    task.abort();
}

/// Where neither the operator nor the context names a namespace, all of them are meant.
#[tokio::test]
async fn a_context_without_a_namespace_is_the_whole_cluster() {
    let simulator = Simulator::kubernetes(&simulator::Options::default()).await.unwrap();
    let text = std::fs::read_to_string(simulator.home().join("kubeconfig")).unwrap();
    let kubeconfig = simulator.home().join("without");
    std::fs::write(&kubeconfig, text.replace(", namespace: shop", "")).unwrap();
    let open = |namespace: Option<&str>| {
        let options = Options {
            kubeconfig: Some(kubeconfig.clone()),
            namespace: namespace.map(str::to_owned),
            ..Options::default()
        };
        Kubernetes::open(TargetId::new("k8s"), &options, clock::system()).unwrap()
    };
    let (all, shop) = (open(None), open(Some("shop")));
    assert_eq!(
        (all.target().scope_label, shop.target().scope_label),
        ("demo/*".into(), "demo/shop".into())
    );
    let scopes = async |platform: &Kubernetes| {
        let apps = platform.apps(&Scope::Home).await.unwrap();
        apps.into_iter().map(|app| app.scope).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(
        scopes(&all).await.into_iter().collect::<Vec<_>>(),
        ["kube-system", "media", "shop"]
    );
    assert_eq!(scopes(&shop).await.into_iter().collect::<Vec<_>>(), ["shop"]);
    assert_eq!(all.app("thumbnails").await.unwrap().scope, "media");
}

/// What the login may not do is known before anything is tried.
#[tokio::test]
async fn a_viewer_is_told_beforehand() {
    let simulator = Simulator::kubernetes(&simulator::Options::default()).await.unwrap();
    let open = |context: &str| open(&simulator, context);
    let viewer = open("viewer").unwrap();
    let can = viewer.capabilities().await.unwrap();
    let why = can.reason(Verb::RollBack);
    assert!(why.is_some_and(|why| why.contains("patch deployments")), "{why:?}");
    // One who knows a single namespace is shown that, also when everything is asked for.
    let tenant = open("tenant").unwrap();
    let apps = tenant.apps(&Scope::Everything).await.unwrap();
    assert!(!apps.is_empty() && apps.iter().all(|app| app.scope == "shop"));
    let error = open("nowhere").err().unwrap().to_string();
    assert!(
        error.contains("there is no context \"nowhere\"") && error.contains("viewer"),
        "{error}"
    );
}
