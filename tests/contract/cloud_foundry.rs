//! Cloud Foundry under the contract.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use revdeck::{
    domain::{Operation, Request, TargetId},
    platform::{
        Platform,
        cloud_foundry::{CloudFoundry, Options},
        operation::{self, NoRecord, Sent},
    },
    simulator::{self, Simulator, clock::Clock},
};

use crate::harness::{Fault, Fixture, Harness, Role};

/// A simulated foundation, and what holds of it from beginning to end.
pub struct Simulated {
    /// As `--faults` takes it: a role, a version of the API, something that is broken.
    pub standing: &'static str,
    /// How long the adapter waits.
    pub timeout: Duration,
}

/// As it is, with little patience.
const PLAIN: Simulated = Simulated { standing: "", timeout: Duration::from_millis(800) };

struct Foundation {
    simulator: Simulator<simulator::cloud_foundry::Foundation>,
    platform: Arc<CloudFoundry>,
    standing: &'static str,
}

impl Foundation {
    fn faults(&self, more: &str) {
        let all = [self.standing, more].into_iter().filter(|one| !one.is_empty());
        self.simulator.faults().set(&all.collect::<Vec<_>>().join(",")).unwrap();
    }
}

#[async_trait]
impl Harness for Simulated {
    async fn start(&self) -> Box<dyn Fixture> {
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let options = simulator::Options { keep_log: true, ..simulator::Options::default() };
        let simulator = Simulator::cloud_foundry_at(&options, clock.clone()).await.unwrap();
        simulator.faults().set(self.standing).unwrap();
        let (home, timeout) = (simulator.home_buf(), self.timeout);
        let options = Options { home, timeout, ..Options::default() };
        let now = Arc::new(move || clock.now());
        let platform = Arc::new(CloudFoundry::open(TargetId::new("cf"), &options, now).unwrap());
        Box::new(Foundation { simulator, platform, standing: self.standing })
    }
}

#[async_trait]
impl Fixture for Foundation {
    fn platform(&self) -> Arc<dyn Platform> {
        self.platform.clone()
    }

    fn name(&self, role: Role) -> &'static str {
        match role {
            Role::Stuck => "checkout",
            Role::Healthy => "catalog",
            Role::Waiting => "payments",
            Role::CancelledRollBack => "basket",
            Role::NoWayBack => "legacy",
        }
    }

    fn pass(&self, seconds: f64) {
        self.simulator.clock().advance(seconds);
    }

    fn break_reads(&self, fault: Fault, times: Option<u32>) {
        let count = times.map(|times| format!("#{times}")).unwrap_or_default();
        self.faults(&format!("{}@GET:/v3{count}", fault.specification()));
    }

    fn break_writes(&self, fault: Fault) {
        self.faults(&format!("{}@POST:/v3/deployments#1", fault.specification()));
    }

    fn break_scaling(&self, fault: Fault) {
        self.faults(&format!("{}@POST:/v3/processes#1", fault.specification()));
    }

    fn mend(&self) {
        self.faults("");
    }

    fn short_logins(&self) {
        self.faults("token=5s,401@GET:/v3/apps#1");
    }

    fn requests(&self) -> Option<usize> {
        Some(self.simulator.world().log().len())
    }

    fn writes(&self) -> usize {
        let log = self.simulator.world().log();
        log.iter().filter(|line| !line.starts_with("GET") && !line.contains("/oauth/token")).count()
    }
}

crate::contract!(PLAIN);

/// The overview of any number of apps costs a handful of list requests.
#[tokio::test]
async fn the_overview_costs_a_handful_of_requests() {
    let options =
        simulator::Options { keep_log: true, apps: 2_000, ..simulator::Options::default() };
    let simulator = Simulator::cloud_foundry(&options).await.unwrap();
    let options = Options { home: simulator.home_buf(), ..Options::default() };
    let platform =
        CloudFoundry::open(TargetId::new("cf"), &options, revdeck::runtime::clock::system())
            .unwrap();
    let (interest, interested) = tokio::sync::watch::channel(revdeck::domain::Interest {
        scope: revdeck::domain::Scope::Everything,
        ..revdeck::domain::Interest::default()
    });
    let (reports, mut reported) = tokio::sync::mpsc::channel(8);
    let first = async {
        loop {
            if let Some(revdeck::domain::Report::Apps { changed, .. }) = reported.recv().await {
                return changed.len();
            }
        }
    };
    let watching = platform.watch(interested, reports);
    let seen = tokio::select! { seen = first => seen, () = watching => 0 };
    assert_eq!(seen, 2_000);
    let log = simulator.world().log();
    assert!(log.len() <= 6, "{log:#?}");
    drop(interest);
}

/// A renewed login is written back for the cf CLI, and one that the CLI renewed is taken up.
#[tokio::test]
async fn the_login_is_shared_with_the_cf_cli() {
    let simulator = Simulator::cloud_foundry(&simulator::Options::default()).await.unwrap();
    let file = CloudFoundry::session_file(simulator.home());
    let open = || {
        let options = Options { home: simulator.home_buf(), ..Options::default() };
        CloudFoundry::open(TargetId::new("cf"), &options, revdeck::runtime::clock::system())
            .unwrap()
    };
    let (ours, theirs) = (open(), open());
    let before = std::fs::read_to_string(&file).unwrap();
    // The server refuses the first token once: one renewal, with a refresh token that is used up by it.
    simulator.faults().set("401@GET:/v3/apps#1").unwrap();
    ours.apps(&revdeck::domain::Scope::Home).await.unwrap();
    let after = std::fs::read_to_string(&file).unwrap();
    assert_ne!(before, after, "the renewed tokens are written back");
    // The other one finds its own refresh token used up, and the new tokens in the file.
    simulator.faults().set("401@GET:/v3/apps#1").unwrap();
    theirs.apps(&revdeck::domain::Scope::Home).await.unwrap();
    ours.apps(&revdeck::domain::Scope::Home).await.unwrap();
}

/// Many requests at once renew the login once.
#[tokio::test]
async fn renewal_is_single_flight() {
    let options = simulator::Options { keep_log: true, ..simulator::Options::default() };
    let simulator = Simulator::cloud_foundry(&options).await.unwrap();
    let options = Options { home: simulator.home_buf(), ..Options::default() };
    let platform =
        CloudFoundry::open(TargetId::new("cf"), &options, revdeck::runtime::clock::system())
            .unwrap();
    platform.capabilities().await.unwrap();
    simulator.faults().set("401@GET:/v3#3").unwrap();
    platform.apps(&revdeck::domain::Scope::Home).await.unwrap();
    let renewals =
        simulator.world().log().iter().filter(|line| line.contains("/oauth/token")).count();
    assert_eq!(renewals, 1);
}

/// A login that cannot be renewed says how to log in.
#[tokio::test]
async fn a_dead_login_names_the_way_back() {
    let simulator = Simulator::cloud_foundry(&simulator::Options::default()).await.unwrap();
    let file = CloudFoundry::session_file(simulator.home());
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    config["RefreshToken"] = "used-up".into();
    config["AccessToken"] = "bearer expired".into();
    std::fs::write(&file, config.to_string()).unwrap();
    let options = Options { home: simulator.home_buf(), ..Options::default() };
    let platform =
        CloudFoundry::open(TargetId::new("cf"), &options, revdeck::runtime::clock::system())
            .unwrap();
    let error = platform.apps(&revdeck::domain::Scope::Home).await.unwrap_err();
    assert_eq!(error.kind(), revdeck::domain::ProblemKind::Login);
    assert!(error.to_string().contains("cf login -a http://127.0.0.1"), "{error}");
}

/// A directory is zipped, uploaded, staged and deployed; a failing staging changes nothing that runs.
#[tokio::test]
async fn a_directory_is_pushed() {
    let options = simulator::Options { speed: 50.0, ..simulator::Options::default() };
    let simulator = Simulator::cloud_foundry(&options).await.unwrap();
    let clock = simulator.clock().clone();
    let options = Options { home: simulator.home_buf(), ..Options::default() };
    let platform =
        CloudFoundry::open(TargetId::new("cf"), &options, Arc::new(move || clock.now())).unwrap();
    let app = platform.app("orders").await.unwrap();
    let source = tempfile::tempdir().unwrap();
    std::fs::write(source.path().join("app.sh"), "echo hello").unwrap();
    let push = |text: Option<&'static str>| {
        if let Some(text) = text {
            std::fs::write(source.path().join("simulate"), text).unwrap();
        }
        let request = Request::new(app.id.clone(), Operation::Deploy)
            .with("path", &source.path().display().to_string());
        let platform = &platform;
        async move {
            let plan = platform.plan(request).await.unwrap();
            let notes = format!("{:?}", plan.notes);
            assert!(notes.contains("restart all at once"), "{notes}");
            let (progress, mut lines) = tokio::sync::mpsc::unbounded_channel();
            let confirmed = plan.confirm(revdeck::domain::Consent::Flag).unwrap();
            let sent = operation::execute(platform, confirmed, &progress, &NoRecord).await;
            let mut said = Vec::new();
            while let Ok(line) = lines.try_recv() {
                said.push(line);
            }
            (sent, said.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n"))
        }
    };
    let (sent, said) = push(None).await;
    assert!(matches!(sent, Sent::Accepted(_)), "{sent:?}");
    assert!(
        said.contains("] 100% of ")
            && said.contains("staging: ")
            && said.contains("rolling to rev 4"),
        "{said}"
    );
    let (sent, _) = push(Some("staging-failure")).await;
    let Sent::Ended(revdeck::domain::Outcome::Failed(text)) = sent else { panic!("{sent:?}") };
    assert!(
        text.contains("staging failed") && text.contains("Nothing that runs has changed"),
        "{text}"
    );
}

/// A foundation on a clock of the test's own, with faults, and the adapter for it.
pub async fn foundation(
    faults: &str,
) -> (Simulator<simulator::cloud_foundry::Foundation>, CloudFoundry) {
    behind(faults, 0).await
}

/// The same, seen by a machine whose clock is so many seconds behind.
pub async fn behind(
    faults: &str,
    seconds: i64,
) -> (Simulator<simulator::cloud_foundry::Foundation>, CloudFoundry) {
    let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
    let options = simulator::Options::default();
    let simulator = Simulator::cloud_foundry_at(&options, clock.clone()).await.unwrap();
    let options = Options {
        home: simulator.home_buf(),
        timeout: Duration::from_millis(800),
        ..Options::default()
    };
    let behind = jiff::SignedDuration::from_secs(seconds);
    let now = Arc::new(move || clock.now() - behind);
    let platform = CloudFoundry::open(TargetId::new("cf"), &options, now).unwrap();
    simulator.faults().set(faults).unwrap();
    (simulator, platform)
}

async fn sent(platform: &CloudFoundry, request: Request) -> Sent {
    let plan = platform.plan(request).await.unwrap();
    let confirmed = plan.confirm(revdeck::domain::Consent::Flag).unwrap();
    let (progress, _lines) = tokio::sync::mpsc::unbounded_channel();
    operation::execute(platform, confirmed, &progress, &NoRecord).await
}

/// A change that took effect and whose answer was lost is not called refused because reading fails for a moment.
#[tokio::test]
async fn a_lost_switch_is_looked_for_until_it_is_seen() {
    let (simulator, platform) = foundation("").await;
    let app = platform.app("acme/test/search").await.unwrap();
    simulator.faults().set("reset-after@PATCH:/v3/apps#1").unwrap();
    let receipt = match sent(&platform, Request::new(app.id, Operation::EnableRevisions)).await {
        Sent::Lost(receipt) => receipt,
        other => panic!("{other:?}"),
    };
    simulator.faults().set("503@GET:/v3/apps").unwrap();
    operation::settle(&platform, &receipt)
        .await
        .expect_err("it cannot be read, so nothing is said");
    simulator.faults().set("").unwrap();
    let settled = operation::settle(&platform, &receipt).await.unwrap();
    let revdeck::domain::Settlement::Ended(outcome) = settled else { panic!("{settled:?}") };
    assert_eq!(outcome.word(), "DONE", "{outcome:?}");
}

/// An app with a variable that somebody has set since, and the request that takes it back to where it had none: the
/// environment must be put back before the old droplet starts.
async fn with_another_environment(
    simulator: &Simulator<simulator::cloud_foundry::Foundation>,
    platform: &CloudFoundry,
) -> Request {
    let app = platform.app("basket").await.unwrap();
    let session = std::fs::read_to_string(CloudFoundry::session_file(simulator.home())).unwrap();
    let session: serde_json::Value = serde_json::from_str(&session).unwrap();
    let set = reqwest::Client::new()
        .patch(format!("{}/v3/apps/{}/environment_variables", platform.target().api, app.id))
        .header("authorization", session["AccessToken"].as_str().unwrap())
        .header("content-type", "application/json")
        .body(r#"{"var":{"SET_SINCE":"yes"}}"#);
    assert!(set.send().await.unwrap().status().is_success());
    let history = platform.revisions(&app.id).await.unwrap();
    let wanted = history.revisions.iter().find(|one| one.label == "2").unwrap();
    let to = revdeck::domain::RollBackTo::Revision(wanted.id.clone());
    Request::new(app.id, Operation::RollBack(to))
}

/// The environment was put back and the answer lost: that it cannot be read for a moment is neither a refusal nor an end.
#[tokio::test]
async fn a_lost_environment_is_looked_for_until_it_is_seen() {
    let (simulator, platform) = foundation("").await;
    let request = with_another_environment(&simulator, &platform).await;
    let plan = platform.plan(request).await.unwrap();
    let confirmed = plan.confirm(revdeck::domain::Consent::Flag).unwrap();
    simulator.faults().set("reset-after@PATCH:/v3/apps#1").unwrap();
    let (progress, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let running = operation::execute(&platform, confirmed, &progress, &NoRecord);
    let breaking = async {
        while let Some(line) = lines.recv().await {
            if line.text.contains("looking") {
                simulator.faults().set("503@GET:/v3/revisions").unwrap();
            }
        }
    };
    let sent = tokio::select! {
        sent = running => sent,
        () = breaking => unreachable!("progress is told until the end"),
    };
    let Sent::Lost(receipt) = sent else { panic!("it is not known: {sent:?}") };
    assert_eq!(receipt.done, 0);
    operation::settle(&platform, &receipt)
        .await
        .expect_err("it cannot be read, so nothing is said");
    simulator.faults().set("").unwrap();
    let settled = operation::settle(&platform, &receipt).await.unwrap();
    assert!(matches!(settled, revdeck::domain::Settlement::Unfinished(_)), "{settled:?}");
}

/// The environment was put back, the deployment never arrived: what was done and what was not are both named.
#[tokio::test]
async fn a_recipe_that_is_cut_short_names_what_was_done() {
    let (simulator, platform) = foundation("").await;
    let request = with_another_environment(&simulator, &platform).await;
    let plan = platform.plan(request.clone()).await.unwrap();
    let steps: Vec<_> = plan.recipe.unwrap().steps.into_iter().map(|step| step.label).collect();
    assert_eq!(steps, ["put the environment back", "ask for the rollout"]);
    simulator.faults().set("reset-before@POST:/v3/deployments#1").unwrap();
    let Sent::Lost(receipt) = sent(&platform, request).await else { panic!("the answer is lost") };
    assert_eq!(receipt.done, 1);
    simulator.clock().advance(1_000.0);
    let settled = operation::settle(&platform, &receipt).await.unwrap();
    let revdeck::domain::Settlement::Ended(outcome) = settled else { panic!("{settled:?}") };
    let text = outcome.text();
    assert!(
        text.contains("Done: put the environment back; not done: ask for the rollout"),
        "{text}"
    );
    assert!(!text.contains("nothing has changed"), "{text}");
}

/// A disk that is full from this step on.
struct Full(usize);

#[async_trait]
impl operation::Record for Full {
    async fn sending(&self, receipt: &revdeck::domain::Receipt) -> Result<(), String> {
        if receipt.done < self.0 { Ok(()) } else { Err("no space left on device".to_owned()) }
    }
}

/// What cannot be written down is not sent; it is no end, and is gone on with when it can.
#[tokio::test]
async fn what_cannot_be_written_down_is_gone_on_with_later() {
    let (simulator, platform) = foundation("").await;
    let app = platform.app("checkout").await.unwrap();
    let back = Operation::RollBack(revdeck::domain::RollBackTo::LastGood);
    let plan = platform.plan(Request::new(app.id, back)).await.unwrap();
    let plan = plan.confirm(revdeck::domain::Consent::Flag).unwrap();
    let (progress, _lines) = tokio::sync::mpsc::unbounded_channel();
    let patches = || {
        let log = simulator.world().log();
        log.iter().filter(|line| line.contains("PATCH")).count()
    };
    // The cancel was sent; to put the environment back was not.
    let sent = operation::execute(&platform, plan, &progress, &Full(1)).await;
    let Sent::Unrecorded(receipt, why) = sent else { panic!("{sent:?}") };
    assert_eq!((receipt.done, receipt.lost, why.as_str()), (1, false, "no space left on device"));
    let again = operation::resume(&platform, receipt, &progress, &Full(0)).await;
    let Sent::Unrecorded(receipt, _) = again else { panic!("{again:?}") };
    assert_eq!(patches(), 0);
    // One that was lost once stays lost, and may be sent once more yet.
    simulator.faults().set("reset-before@PATCH:/v3/apps").unwrap();
    let lost = operation::resume(&platform, receipt, &progress, &NoRecord).await;
    let Sent::Lost(receipt) = lost else { panic!("{lost:?}") };
    simulator.faults().set("").unwrap();
    simulator.clock().advance(200.0);
    let full = operation::resume(&platform, receipt, &progress, &Full(0)).await;
    let Sent::Unrecorded(receipt, _) = full else { panic!("{full:?}") };
    assert_eq!((receipt.done, receipt.lost, receipt.resent), (1, true, false));
    let done = operation::resume(&platform, receipt, &progress, &NoRecord).await;
    assert!(matches!(done, Sent::Accepted(_)), "{done:?}");
}

/// The cancel was answered, and putting the environment back is lost twice: it is sent once more, and never a third time.
#[tokio::test]
async fn a_step_that_completes_is_sent_once_more_at_most() {
    let (simulator, platform) = foundation("reset-before@PATCH:/v3/apps").await;
    let app = platform.app("checkout").await.unwrap();
    let back = Operation::RollBack(revdeck::domain::RollBackTo::LastGood);
    let Sent::Lost(receipt) = sent(&platform, Request::new(app.id, back)).await else {
        panic!("the answer to the second step is lost")
    };
    assert_eq!((receipt.done, receipt.resent), (1, false));
    simulator.clock().advance(200.0);
    let settled = operation::settle(&platform, &receipt).await.unwrap();
    let revdeck::domain::Settlement::Unfinished(receipt) = settled else { panic!("{settled:?}") };
    let (progress, _lines) = tokio::sync::mpsc::unbounded_channel();
    let again = operation::resume(&platform, *receipt, &progress, &NoRecord).await;
    let Sent::Lost(receipt) = again else { panic!("it is lost again: {again:?}") };
    assert_eq!((receipt.done, receipt.resent), (1, true));
    simulator.clock().advance(1_000.0);
    let settled = operation::settle(&platform, &receipt).await.unwrap();
    let revdeck::domain::Settlement::Ended(outcome) = settled else { panic!("{settled:?}") };
    let text = outcome.text();
    assert!(
        text.contains("Done: cancel the rollout; not done: put the environment back"),
        "{text}"
    );
}
