//! What revdeck concludes of Cloud Foundry where its servers, logins and runtime are not as one would wish: each test names
//! where the server's own rule stands.

use std::{sync::Arc, time::Duration};

use revdeck::{
    domain::{
        App, AppState, Condition, Consent, InstanceState, Interest, Operation, Outcome, Phase,
        Plan, ProblemKind, Receipt, Report, Request, RollBackTo, Scope, Settlement, TargetId, Verb,
    },
    platform::{
        Platform,
        cloud_foundry::{CloudFoundry, Options},
        operation::{self, NoRecord, Record, Sent},
    },
    simulator::{self, Simulator, clock::Clock},
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::harness::done;

struct Bench {
    simulator: Simulator<simulator::cloud_foundry::Foundation>,
    platform: CloudFoundry,
    client: reqwest::Client,
    token: String,
}

impl Bench {
    async fn start() -> Self {
        Self::with("default").await
    }

    async fn with(scenario: &str) -> Self {
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let scenario = scenario.to_owned();
        let options =
            simulator::Options { scenario, keep_log: true, ..simulator::Options::default() };
        let simulator = Simulator::cloud_foundry_at(&options, clock.clone()).await.unwrap();
        let home = simulator.home_buf();
        // A write is waited for four times as long.
        let timeout = Duration::from_millis(150);
        let options = Options { home, timeout, ..Options::default() };
        let now = Arc::new(move || clock.now());
        let platform = CloudFoundry::open(TargetId::new("cf"), &options, now).unwrap();
        let file = CloudFoundry::session_file(simulator.home());
        let session: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let token = session["AccessToken"].as_str().unwrap().to_owned();
        Self { simulator, platform, client: reqwest::Client::new(), token }
    }

    fn faults(&self, faults: &str) {
        self.simulator.faults().set(faults).unwrap();
    }

    fn pass(&self, seconds: f64) {
        self.simulator.clock().advance(seconds);
    }

    /// What somebody else does with the API.
    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.platform.target().api);
        let request = self.client.request(method.parse().unwrap(), url);
        let request = request.header("authorization", &self.token).body(body.to_string());
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn environment(&self, app: &App) -> Value {
        let path = format!("/v3/apps/{}/environment_variables", app.id);
        self.call("GET", &path, Value::Null).await["var"].clone()
    }

    async fn set_environment(&self, app: &App, var: Value) {
        let path = format!("/v3/apps/{}/environment_variables", app.id);
        self.call("PATCH", &path, json!({ "var": var })).await;
    }

    async fn deployments(&self, app: &App) -> Vec<Value> {
        let path = format!("/v3/deployments?app_guids={}", app.id);
        self.call("GET", &path, Value::Null).await["resources"].as_array().unwrap().clone()
    }

    async fn app(&self, name: &str) -> App {
        self.platform.app(name).await.unwrap()
    }

    async fn plan(&self, name: &str, operation: Operation) -> Plan {
        let app = self.app(name).await.id;
        self.platform.plan(Request::new(app, operation)).await.unwrap()
    }

    async fn execute(&self, plan: Plan) -> Sent {
        assert_eq!(plan.refused, None);
        let (progress, _lines) = mpsc::unbounded_channel();
        let confirmed = plan.confirm(Consent::Flag).unwrap();
        operation::execute(&self.platform, confirmed, &progress, &NoRecord).await
    }

    async fn follow(&self, mut receipt: Receipt) -> Outcome {
        for _ in 0..200 {
            self.pass(5.0);
            match operation::settle(&self.platform, &receipt).await.unwrap() {
                Settlement::Ended(outcome) | Settlement::Open(outcome) => return outcome,
                Settlement::Pending { receipt: learned, .. } => receipt = *learned,
                Settlement::Unfinished(learned) => {
                    let (progress, _lines) = mpsc::unbounded_channel();
                    match operation::resume(&self.platform, *learned, &progress, &NoRecord).await {
                        Sent::Unrecorded(_, why) => panic!("{why}"),
                        Sent::Ended(outcome) => return outcome,
                        Sent::Accepted(learned) | Sent::Lost(learned) => receipt = learned,
                    }
                }
            }
        }
        panic!("it never ends: {receipt:#?}");
    }

    async fn run(&self, plan: Plan) -> Outcome {
        match self.execute(plan).await {
            Sent::Accepted(receipt) | Sent::Lost(receipt) => self.follow(receipt).await,
            Sent::Unrecorded(_, why) => panic!("{why}"),
            Sent::Ended(outcome) => outcome,
        }
    }

    async fn look(&self, receipt: &Receipt) -> Settlement {
        operation::settle(&self.platform, receipt).await.unwrap()
    }
}

fn back() -> Operation {
    Operation::RollBack(RollBackTo::LastGood)
}

/// A scenario of one app, with another start time or health of its newest release.
fn scenario(directory: &std::path::Path, app: &str) -> String {
    let head = "[[org]]\nname = \"acme\"\nspaces = [{ name = \"prod\" }]\n\n[[app]]\nspace = \"acme/prod\"\n";
    let file = directory.join("scenario.toml");
    std::fs::write(&file, format!("{head}{app}")).unwrap();
    file.display().to_string()
}

/// Puma goes on with a request whose client has left, and gorouter lets it for 15 minutes: what comes late is found.
#[tokio::test]
async fn a_late_effect_is_found_and_nothing_is_sent_twice() {
    let bench = Bench::start().await;
    let app = bench.app("catalog").await;
    let before = bench.deployments(&app).await.len();
    let plan = bench.plan("catalog", Operation::Restart).await;
    bench.faults("late=20s@POST:/v3/deployments#1");
    let Sent::Lost(receipt) = bench.execute(plan).await else { panic!("the answer is lost") };
    bench.pass(15.0);
    let looked = bench.look(&receipt).await;
    assert!(matches!(looked, Settlement::Pending { .. }), "{looked:?}");
    bench.pass(10.0);
    // The server needs a moment to notice that its time has come.
    let mut seen = 0;
    while bench.deployments(&app).await.len() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
        seen += 1;
        assert!(seen < 500, "it never takes effect");
    }
    done(&bench.follow(receipt).await);
    assert_eq!(bench.deployments(&app).await.len(), before + 1);
}

/// While it may still come, that it is safe to try again is not said; when it cannot come any more, it is.
#[tokio::test]
async fn what_may_still_come_is_unknown() {
    let bench = Bench::start().await;
    let plan = bench.plan("catalog", Operation::Restart).await;
    bench.faults("reset-before@POST:/v3/deployments#1");
    let Sent::Lost(receipt) = bench.execute(plan).await else { panic!("the answer is lost") };
    for seconds in [13.0, 60.0, 60.0] {
        bench.pass(seconds);
        let looked = bench.look(&receipt).await;
        assert!(matches!(looked, Settlement::Pending { .. }), "{looked:?}");
    }
    bench.pass(60.0);
    let looked = bench.look(&receipt).await;
    let Settlement::Open(Outcome::Unknown(text)) = looked else { panic!("{looked:?}") };
    assert!(text.contains("it may still take effect") && !text.contains("safe"), "{text}");
    bench.pass(900.0);
    let looked = bench.look(&receipt).await;
    let Settlement::Ended(Outcome::Failed(text)) = looked else { panic!("{looked:?}") };
    assert!(text.contains("It is safe to try again"), "{text}");
}

/// A space supporter may deploy and not read the environment of revisions (`permissions.rb`): what cannot be read is not
/// called the same, and the platform itself puts the environment back.
#[tokio::test]
async fn a_supporter_rolls_the_environment_back() {
    let bench = Bench::start().await;
    let app = bench.app("catalog").await;
    let good = bench.environment(&app).await;
    bench.set_environment(&app, json!({ "FEATURE": "broken" })).await;
    let plan = bench.plan("catalog", Operation::Restart).await;
    done(&bench.run(plan).await);
    assert_ne!(bench.environment(&app).await, good);
    bench.faults("role=supporter");
    let plan = bench.plan("catalog", back()).await;
    assert!(plan.title.contains("to rev 9"), "{}", plan.title);
    let calls: Vec<_> = plan.calls().map(str::to_owned).collect();
    assert_eq!(calls, ["POST /v3/deployments"]);
    let hand = plan.by_hand.join(" ");
    assert!(hand.starts_with("cf rollback"), "of the revision, not of its droplet: {hand}");
    let notes = format!("{:?}", plan.notes);
    assert!(notes.contains("may not read the environment of revisions"), "{notes}");
    done(&bench.run(plan).await);
    bench.faults("");
    assert_eq!(bench.environment(&app).await, good, "the platform has put it back");
    // What was cancelled would keep the environment of the new revision: it is rolled back by its revision, too.
    bench.faults("role=supporter");
    let plan = bench.plan("checkout", back()).await;
    let calls: Vec<_> = plan.calls().map(str::to_owned).collect();
    assert_eq!(calls, ["POST /v3/deployments"], "{:?}", plan.notes);
    done(&bench.run(plan).await);
    bench.faults("");
    let checkout = bench.app("checkout").await;
    assert_eq!(bench.environment(&checkout).await["MEMORY_LIMIT"], "512m");
}

/// Who only looks sees what there is, and is refused by name.
#[tokio::test]
async fn an_auditor_sees_and_is_refused() {
    let bench = Bench::start().await;
    for role in ["auditor", "manager"] {
        bench.faults(&format!("role={role}"));
        assert!(!bench.platform.apps(&Scope::Home).await.unwrap().is_empty());
        let checkout = bench.app("checkout").await;
        assert_eq!(checkout.condition(), Condition::Stuck);
        let history = bench.platform.revisions(&checkout.id).await.unwrap();
        let detail = bench.platform.detail(&checkout.id, &history.revisions[0].id).await.unwrap();
        assert!(!detail.hidden.is_empty(), "the environment is said to be hidden");
        let plan = bench.plan("catalog", Operation::Restart).await;
        let outcome = bench.run(plan).await;
        let Outcome::Refused(text) = outcome else { panic!("{role}: {outcome:?}") };
        assert!(text.contains("You are not authorized"), "{text}");
    }
}

/// A cancel leaves the newest of the superseded processes that runs, else the oldest (`actions/cancel.rb`), and what never
/// finished is never the way back.
#[tokio::test]
async fn in_a_chain_the_last_good_one_is_the_one_that_served() {
    let bench = Bench::start().await;
    // Rev 8 crashes, and is what a restart would start: its droplet is the app's current one
    // (`lib/cloud_controller/deployments/deployment_target_state.rb`).
    let plan = bench.plan("checkout", Operation::Restart).await;
    let ends = [&plan.from, &plan.to].map(|end| end.as_ref().unwrap().name.clone());
    assert_eq!(ends, ["rev 7", "rev 8"]);
    let well = bench.plan("catalog", Operation::Restart).await;
    assert_eq!(well.from, well.to);
    let Sent::Accepted(_) = bench.execute(plan).await else { panic!("not taken") };
    bench.pass(60.0);
    let app = bench.app("checkout").await;
    let rollout = app.rollout.unwrap();
    assert_eq!(rollout.from.unwrap().label.as_deref(), Some("7"));
    let plan = bench.plan("checkout", back()).await;
    assert!(plan.title.contains("to rev 7 (last good"), "{}", plan.title);
    let outcome = bench.run(plan).await;
    assert!(done(&outcome).contains("back on rev 7"), "{outcome:?}");
    let app = bench.app("checkout").await;
    assert_eq!(app.condition(), Condition::Ok);
    // A cancel would have left the app the droplet of rev 8 (`deployment_cancel.rb`), for the next restart to start.
    let history = bench.platform.revisions(&app.id).await.unwrap();
    let seven = history.revisions.iter().find(|one| one.label == "7").unwrap();
    let path = format!("/v3/apps/{}/relationships/current_droplet", app.id);
    let now = bench.call("GET", &path, Value::Null).await["data"]["guid"].clone();
    assert_eq!(now.as_str(), seven.artifact.as_deref());
}

/// Of the rollouts that were superseded a cancel leaves the newest that still has a running instance, and not the oldest
/// process (`actions/cancel.rb`): that is what the plan says, and where it ends.
#[tokio::test]
async fn a_cancel_leaves_the_newest_that_runs() {
    let bench = Bench::start().await;
    let app = bench.app("catalog").await;
    let first: u32 = app.deployed.as_ref().unwrap().label.as_ref().unwrap().parse().unwrap();
    for value in ["one", "two"] {
        bench.set_environment(&app, json!({ "STEP": value })).await;
        let plan = bench.plan("catalog", Operation::Restart).await;
        assert!(matches!(bench.execute(plan).await, Sent::Accepted(_)));
        // The first one gets as far as one instance; the second has just begun.
        if value == "one" {
            loop {
                bench.pass(1.0);
                let rollout = bench.app("catalog").await.rollout.expect("it is not over yet");
                if rollout.new.count().running.is_some_and(|running| running > 0) {
                    break;
                }
            }
        }
    }
    let rolling = bench.app("catalog").await.rollout.unwrap();
    assert_eq!(rolling.from.unwrap().label, Some((first + 1).to_string()));
    let plan = bench.plan("catalog", Operation::Cancel).await;
    let expected = format!("rev {}", first + 1);
    assert_eq!(plan.to.as_ref().unwrap().name, expected, "{plan:?}");
    let outcome = bench.run(plan).await;
    assert!(done(&outcome).contains(&format!("on {expected}")), "{outcome:?}");
    let deployed = bench.app("catalog").await.deployed.unwrap().label;
    assert_eq!(deployed, Some((first + 1).to_string()));
}

/// Somebody's deployment that comes between the steps of a roll back is not superseded by its last one.
struct Between<'a>(&'a Bench, &'a App);

#[async_trait::async_trait]
impl Record for Between<'_> {
    async fn sending(&self, receipt: &Receipt) -> Result<(), String> {
        if receipt.done + 2 == receipt.recipe.steps.len() {
            let app = json!({ "app": { "data": { "guid": self.1.id.as_str() } } });
            self.0.call("POST", "/v3/deployments", json!({ "relationships": app })).await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_deployment_between_two_steps_stops_the_last_one() {
    let bench = Bench::start().await;
    let app = bench.app("basket").await;
    let history = bench.platform.revisions(&app.id).await.unwrap();
    let two = history.revisions.iter().find(|one| one.label == "2").unwrap().id.clone();
    bench.set_environment(&app, json!({ "FEATURE": "on" })).await;
    let plan = bench.plan("basket", Operation::RollBack(RollBackTo::Revision(two))).await;
    let steps = plan.recipe.as_ref().unwrap().steps.len();
    assert!(steps > 1, "{plan:?}");
    let (progress, _lines) = mpsc::unbounded_channel();
    let plan = plan.confirm(Consent::Flag).unwrap();
    let before = bench.deployments(&app).await.len();
    let record = Between(&bench, &app);
    let sent = operation::execute(&bench.platform, plan, &progress, &record).await;
    let Sent::Ended(outcome) = sent else { panic!("{sent:?}") };
    assert!(outcome.text().contains("CHANGED"), "{outcome:?}");
    assert_eq!(bench.deployments(&app).await.len(), before + 1, "theirs alone");
}

/// A restart has the revision that is there (`revision_resolver.rb`): the way back from one is that very revision, and one
/// that was cancelled says nothing of what it runs.
#[tokio::test]
async fn a_restart_is_no_proof_against_its_revision() {
    let bench = Bench::start().await;
    let restart = bench.plan("catalog", Operation::Restart).await;
    assert!(matches!(bench.execute(restart).await, Sent::Accepted(_)));
    bench.pass(6.0);
    let plan = bench.plan("catalog", back()).await;
    assert!(plan.title.contains("to rev 9 (last good"), "{}", plan.title);
    assert!(plan.calls().next().unwrap().contains("/actions/cancel"));
    done(&bench.run(plan).await);
    let app = bench.app("catalog").await;
    let history = bench.platform.revisions(&app.id).await.unwrap();
    let nine = history.revisions.iter().find(|one| one.label == "9").unwrap();
    assert_ne!(nine.track_record, revdeck::domain::TrackRecord::Unfinished);
}

/// Killed between the cancel and the environment: what somebody has set since is not taken away by the run that goes on.
#[tokio::test]
async fn a_variable_set_since_is_not_undone_by_a_later_run_either() {
    let bench = Bench::start().await;
    let app = bench.app("checkout").await;
    let plan = bench.plan("checkout", back()).await;
    bench.faults("hang@PATCH:/v3/apps#1");
    let Sent::Lost(mut receipt) = bench.execute(plan).await else { panic!("it hangs") };
    // As if it had been killed just before the second step.
    (receipt.done, receipt.lost) = (1, false);
    bench.faults("");
    bench.set_environment(&app, json!({ "FEATURE": "off" })).await;
    let (progress, _lines) = mpsc::unbounded_channel();
    let sent = operation::resume(&bench.platform, receipt, &progress, &NoRecord).await;
    let Sent::Ended(Outcome::Failed(text)) = sent else { panic!("{sent:?}") };
    assert!(text.contains("its environment or sidecars were changed since"), "{text}");
    assert_eq!(bench.environment(&app).await["FEATURE"], "off");
}

/// The platform moves `last_successful_healthcheck` only when it adds an instance (`up_scaler.rb`): an app that needs 150
/// seconds to start is slow, and not stuck.
#[tokio::test]
async fn a_slow_start_is_not_a_failure() {
    let directory = tempfile::tempdir().unwrap();
    let text = "name = \"slow\"\ninstances = 2\nrevision = [{ age = \"9d\" }, { age = \"3d\" }]\nscript = [{ ago = \"1s\", do = \"deploy\", health = \"good=150\" }]\n";
    let bench = Bench::with(&scenario(directory.path(), text)).await;
    bench.pass(140.0);
    let app = bench.app("slow").await;
    assert_eq!(app.condition(), Condition::Slow, "{app:#?}");
    let receipt = operation::follow(&bench.platform, &app).unwrap();
    done(&bench.follow(receipt).await);
}

/// Lists embed no `routable` (`embed_process_instances_decorator.rb`): whether what runs is ready is asked for.
#[tokio::test]
async fn readiness_and_placement_are_asked_for() {
    for (health, state, why) in [
        ("unready", InstanceState::NotReady, "readiness check does not pass"),
        ("unplaced", InstanceState::Down, "find no place: insufficient resources: memory"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let text = format!(
            "name = \"odd\"\ninstances = 2\nrevision = [{{ age = \"9d\" }}, {{ age = \"3d\" }}]\nscript = [{{ ago = \"1s\", do = \"deploy\", health = \"{health}\" }}]\n"
        );
        let bench = Bench::with(&scenario(directory.path(), &text)).await;
        bench.pass(200.0);
        let app = bench.app("odd").await;
        let rollout = app.rollout.clone().unwrap();
        assert_eq!(rollout.phase, Phase::Stuck, "{health}: {app:#?}");
        let one = &rollout.new.instances.unwrap()[0];
        assert_eq!(one.state, state, "{health}");
        let told = rollout.stuck.unwrap().why;
        assert!(told.contains(why), "{told}");
    }
}

/// Where a cell has not taken an instance yet it is told as DOWN for a moment (`instances_stats_reporter.rb`).
#[tokio::test]
async fn what_was_just_asked_for_is_on_its_way() {
    let bench = Bench::start().await;
    let plan = bench.plan("catalog", Operation::Restart).await;
    let Sent::Accepted(_) = bench.execute(plan).await else { panic!("not taken") };
    bench.pass(0.5);
    let app = bench.app("catalog").await;
    assert_eq!(app.condition(), Condition::Rolling, "{app:#?}");
    let new = app.rollout.unwrap().new;
    assert_eq!(new.tally(&[InstanceState::Starting]), Some(new.desired));
}

/// Letting a canary go on has no precondition (`deployment_continue.rb`): one that somebody else has let go on is not let
/// go on by the same plan once more.
#[tokio::test]
async fn a_canary_goes_one_step_at_a_time() {
    let bench = Bench::start().await;
    let app = bench.app("payments").await;
    let plan = bench.plan("payments", Operation::Continue).await;
    let active = bench.deployments(&app).await.pop().unwrap();
    let path = format!("/v3/deployments/{}/actions/continue", active["guid"].as_str().unwrap());
    bench.call("POST", &path, Value::Null).await;
    bench.pass(300.0);
    assert_eq!(bench.app("payments").await.rollout.unwrap().phase, Phase::Paused);
    let outcome = bench.run(plan).await;
    let Outcome::Refused(text) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("from ACTIVE/PAUSED at step 2 to ACTIVE/PAUSED at step 3"), "{text}");
}

/// What would be overwritten is looked at again: an emergency variable is not taken away by a plan that did not know it.
#[tokio::test]
async fn a_variable_set_since_is_not_undone() {
    let bench = Bench::start().await;
    let app = bench.app("checkout").await;
    let plan = bench.plan("checkout", back()).await;
    assert!(plan.calls().any(|call| call.contains("environment_variables")));
    bench.set_environment(&app, json!({ "FEATURE": "off" })).await;
    let outcome = bench.run(plan).await;
    let Outcome::Refused(text) = outcome else { panic!("{outcome:?}") };
    assert!(
        text.contains("its environment or sidecars were changed, which this would undo"),
        "{text}"
    );
    assert_eq!(bench.environment(&app).await["FEATURE"], "off");
    // Where nothing is overwritten it does not matter.
    let catalog = bench.app("catalog").await;
    let plan = bench.plan("catalog", Operation::Restart).await;
    bench.set_environment(&catalog, json!({ "FEATURE": "off" })).await;
    done(&bench.run(plan).await);
}

/// The API has no conditional requests: what began between the last look and the request is told.
#[tokio::test]
async fn a_rollout_in_between_is_told() {
    let bench = Bench::start().await;
    let app = bench.app("catalog").await;
    let plan = bench.plan("catalog", Operation::Restart).await;
    bench.faults("latency=300ms@POST:/v3/deployments#1");
    let body = json!({ "relationships": { "app": { "data": { "guid": app.id.as_str() } } } });
    let (sent, ()) = tokio::join!(bench.execute(plan), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.call("POST", "/v3/deployments", body).await;
        bench.pass(1.0);
    });
    let Sent::Accepted(receipt) = sent else { panic!("{sent:?}") };
    let outcome = bench.follow(receipt).await;
    let text = done(&outcome);
    assert!(text.contains("had begun a moment before, and this one took its place"), "{text}");
}

/// The runtime's 503 for instances (`bbs_instances_client.rb`) hides instances and nothing else.
#[tokio::test]
async fn without_the_runtime_the_rest_is_there() {
    let bench = Bench::start().await;
    bench.faults("diego");
    let apps = bench.platform.apps(&Scope::Home).await.unwrap();
    let catalog = apps.iter().find(|app| app.name == "catalog").unwrap();
    assert_eq!((catalog.state, catalog.instances.running), (AppState::Unknown, None));
    let plan = bench.plan("checkout", back()).await;
    assert_eq!(plan.refused, None);
    assert!(matches!(bench.execute(plan).await, Sent::Accepted(_)));
}

/// Older servers have no embedded instances, no options and no canaries: what they have works, the rest is refused by name.
#[tokio::test]
async fn older_servers_are_understood() {
    for (version, canary) in [("3.99", false), ("3.195", true), ("3.228", true)] {
        let bench = Bench::start().await;
        bench.faults(&format!("api={version}"));
        assert!(!bench.platform.apps(&Scope::Home).await.unwrap().is_empty());
        let catalog = bench.app("catalog").await;
        assert_eq!(catalog.condition(), Condition::Ok, "{version}: asked by itself it is told");
        let checkout = bench.app("checkout").await;
        assert_eq!(checkout.condition(), Condition::Stuck, "{version}");
        let request = Request::new(catalog.id.clone(), Operation::Restart);
        let request = request.with("strategy", "canary");
        let refused = bench.platform.plan(request).await.unwrap().refused;
        if canary {
            assert_eq!(refused, None, "{version}");
        } else {
            assert_eq!(refused.as_deref(), Some("API 3.99.0 has no canary deployments"));
        }
        let plan = bench.plan("checkout", back()).await;
        done(&bench.run(plan).await);
        let plan = bench.plan("catalog", Operation::Restart).await;
        done(&bench.run(plan).await);
    }
}

/// Each crash is recorded of the process and of the app (`app_crashed_controller.rb`): it is told once.
#[tokio::test]
async fn a_crash_is_told_once() {
    let bench = Bench::start().await;
    let app = bench.app("checkout").await;
    let events = bench.platform.events(&app.id).await.unwrap();
    assert!(events.iter().any(|event| event.what.contains("crashed")), "{events:?}");
    assert!(events.iter().all(|event| event.what != "app crash"), "{events:?}");
}

/// The cf CLI keeps no client's secret (`actor/v7action/auth.go`): an empty one is not tried, and the advice is the right one.
#[tokio::test]
async fn a_client_without_a_secret_is_told_how_to_log_in() {
    let bench = Bench::start().await;
    let file = CloudFoundry::session_file(bench.simulator.home());
    let mut session: Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    session["UAAGrantType"] = "client_credentials".into();
    session["UAAOAuthClient"] = "pipeline".into();
    session["UAAOAuthClientSecret"] = "".into();
    session["RefreshToken"] = "".into();
    session["AccessToken"] = "bearer expired".into();
    std::fs::write(&file, session.to_string()).unwrap();
    let options = Options { home: bench.simulator.home_buf(), ..Options::default() };
    let clock = bench.simulator.clock().clone();
    let now = Arc::new(move || clock.now());
    let platform = CloudFoundry::open(TargetId::new("cf"), &options, now).unwrap();
    let error = platform.apps(&Scope::Home).await.unwrap_err();
    assert_eq!(error.kind(), ProblemKind::Login);
    let text = error.to_string();
    assert!(text.contains("cf auth pipeline SECRET --client-credentials"), "{text}");
    // An empty secret counts as a failed login: it is not tried.
    let log = bench.simulator.world().log();
    assert!(!log.iter().any(|line| line.contains("/oauth/token")), "{log:#?}");
}

/// A proxy that sends a write to its login page has not let it through.
#[tokio::test]
async fn a_redirect_is_no_answer() {
    let bench = Bench::start().await;
    let plan = bench.plan("checkout", Operation::Cancel).await;
    bench.faults("redirect@POST:/v3/deployments#1");
    let outcome = bench.run(plan).await;
    let Outcome::Refused(text) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("is a proxy in between?"), "{text}");
    assert!(bench.app("checkout").await.rollout.is_some());
}

/// What an app's lifecycle takes is what a deploy of it is offered.
#[tokio::test]
async fn an_app_is_offered_what_it_takes() {
    let bench = Bench::start().await;
    assert_eq!(bench.app("catalog").await.takes, ["path", "droplet"]);
    let spaces = bench.call("GET", "/v3/spaces?names=prod", Value::Null).await;
    let space = spaces["resources"][0]["guid"].clone();
    let body = json!({
        "name": "boxed", "lifecycle": { "type": "docker", "data": {} },
        "relationships": { "space": { "data": { "guid": space } } },
    });
    bench.call("POST", "/v3/apps", body).await;
    assert_eq!(bench.app("boxed").await.takes, ["droplet", "image"]);
}

/// Who may only read is told before a key is pressed: `ROLES_FOR_APP_MANAGING` of `lib/cloud_controller/permissions.rb` are
/// developer and supporter, and `GET /v3/roles` tells everybody their own.
#[tokio::test]
async fn a_role_that_only_reads_is_known_beforehand() {
    for (role, wanted) in [
        ("auditor", Some("this login is Space Auditor of this space")),
        ("manager", Some("this login is Space Manager of this space")),
        ("supporter", None),
        ("developer", None),
    ] {
        let bench = Bench::start().await;
        bench.faults(&format!("role={role}"));
        let app = bench.platform.app("checkout").await.unwrap();
        let focus = Some(app.id.clone());
        let interest = Interest { scope: Scope::Everything, focus, ..Interest::default() };
        let (_interest, interested) = watch::channel(interest);
        let (sender, mut reports) = mpsc::channel(64);
        let told = async {
            loop {
                if let Some(Report::Allowed { app: of, capabilities }) = reports.recv().await
                    && of == app.id
                {
                    return capabilities;
                }
            }
        };
        let told = tokio::select! {
            told = told => told,
            () = bench.platform.watch(interested, sender) => panic!("it watches no more"),
        };
        for verb in [Verb::RollBack, Verb::Deploy, Verb::Scale, Verb::Stop] {
            let reason = told.reason(verb);
            match wanted {
                Some(wanted) => {
                    assert!(reason.is_some_and(|why| why.starts_with(wanted)), "{role}");
                }
                None => assert_eq!(reason, None, "{role}"),
            }
        }
    }
}
