//! Amazon ECS under the contract.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use revdeck::{
    domain::{
        AppId, Condition, Consent, LogLine, LogQuery, Note, Operation, Outcome, Plan, Request,
        RevisionId, RollBackTo, Settlement, SideName, Standing, TargetId,
    },
    platform::{
        Environment, Platform,
        ecs::{Ecs, Options},
        operation::{self, Sent},
    },
    simulator::{self, Simulator, clock::Clock},
};

use crate::harness::{Deck, Fault, Fixture, Harness, Role, done};

/// A simulated region, and what holds of it from beginning to end.
pub struct Simulated {
    /// As `--faults` takes it.
    pub standing: &'static str,
    /// How long the adapter waits.
    pub timeout: Duration,
}

/// As it is, with little patience.
const PLAIN: Simulated = Simulated { standing: "", timeout: Duration::from_millis(800) };

struct Region {
    simulator: Simulator<simulator::ecs::Region>,
    platform: Arc<Ecs>,
    standing: &'static str,
}

impl Region {
    fn faults(&self, more: &str) {
        let all = [self.standing, more].into_iter().filter(|one| !one.is_empty());
        self.simulator.faults().set(&all.collect::<Vec<_>>().join(",")).unwrap();
    }
}

/// The cluster that the login looks at, of two.
pub fn open(
    simulator: &Simulator<simulator::ecs::Region>,
    timeout: Duration,
    clock: Clock,
) -> Arc<Ecs> {
    let environment = Environment::default().with(simulator.environment());
    let options = Options { cluster: Some("retail".to_owned()), timeout, ..Options::default() };
    let now = Arc::new(move || clock.now());
    Arc::new(Ecs::open(TargetId::new("ecs"), &options, &environment, now).unwrap())
}

#[async_trait]
impl Harness for Simulated {
    async fn start(&self) -> Box<dyn Fixture> {
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let options = simulator::Options { keep_log: true, ..simulator::Options::default() };
        let simulator = Simulator::ecs_at(&options, clock.clone()).await.unwrap();
        simulator.faults().set(self.standing).unwrap();
        let platform = open(&simulator, self.timeout, clock);
        Box::new(Region { simulator, platform, standing: self.standing })
    }
}

impl Fixture for Region {
    fn platform(&self) -> Arc<dyn Platform> {
        self.platform.clone()
    }

    fn name(&self, role: Role) -> &'static str {
        match role {
            Role::Stuck => "orders-api",
            Role::Healthy => "search",
            Role::Waiting => "quotes",
            Role::CancelledRollBack => "notify",
            Role::NoWayBack => "ledger",
        }
    }

    fn pass(&self, seconds: f64) {
        self.simulator.clock().advance(seconds);
    }

    fn break_reads(&self, fault: Fault, times: Option<u32>) {
        let count = times.map(|times| format!("#{times}")).unwrap_or_default();
        self.faults(&format!("{}@GET:/{count}", fault.specification()));
    }

    fn break_writes(&self, fault: Fault) {
        self.faults(&format!("{}@POST:/#1", fault.specification()));
    }

    fn mend(&self) {
        self.faults("");
    }

    fn short_logins(&self) {
        self.faults("401@GET:/DescribeServices#1");
    }

    fn page_costs(&self) -> f64 {
        2.0
    }

    fn requests(&self) -> Option<usize> {
        Some(self.simulator.world().log().len())
    }

    fn writes(&self) -> usize {
        self.simulator.world().log().iter().filter(|line| line.starts_with("POST")).count()
    }
}

crate::contract!(PLAIN);

fn definition(name: &str) -> RevisionId {
    RevisionId::new(format!("arn:aws:ecs:eu-west-1:111122223333:task-definition/{name}"))
}

async fn roll_back(deck: &Deck, app: &AppId, to: &str) -> Plan {
    let operation = Operation::RollBack(RollBackTo::Revision(definition(to)));
    deck.platform.plan(Request::new(app.clone(), operation)).await.unwrap()
}

fn warnings(plan: &Plan) -> Vec<&str> {
    let warned = |note: &&Note| matches!(note, Note::Warning(_));
    plan.notes.iter().filter(warned).map(Note::text).collect()
}

/// All lines of a log that is not followed.
async fn read(platform: &dyn Platform, app: &AppId, query: &LogQuery) -> Vec<LogLine> {
    let (sender, mut batches) = tokio::sync::mpsc::channel(64);
    platform.log(app, query, sender).await.unwrap();
    let mut all = Vec::new();
    while let Some(batch) = batches.recv().await {
        all.extend(batch.lines);
    }
    all
}

/// What containers print comes from CloudWatch Logs: by task, with its side, also of those that have fallen over; one log
/// that may not be read hides nothing else.
#[tokio::test]
async fn what_tasks_print_is_read() {
    let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
    let simulator = Simulator::ecs_at(&simulator::Options::default(), clock.clone()).await.unwrap();
    let platform = open(&simulator, PLAIN.timeout, clock.clone());
    clock.advance(60.0);
    let search = platform.app("search").await.unwrap();
    let lines = platform.logs(&search.id).await.unwrap();
    let tasks = platform.instances(&search.id).await.unwrap().instances;
    for task in &tasks {
        let own = lines.iter().filter(|line| Some(&line.source) == task.instance.name.as_ref());
        let own: Vec<_> = own.collect();
        // One line in five seconds, of the last two minutes; nothing rolls, so that they have no side.
        assert!((24..=25).contains(&own.len()), "{}", own.len());
        assert!(own.iter().all(|line| line.side.is_none() && line.text.starts_with("GET /health")));
    }
    // Of one task, by what people call it.
    let id = &tasks[0].id;
    let name = tasks[0].instance.name.clone().unwrap();
    for called in [id.clone(), id[..6].to_owned(), format!("old/{name}")] {
        let query = LogQuery { instance: Some(called.clone()), ..LogQuery::default() };
        let one = read(platform.as_ref(), &search.id, &query).await;
        assert!(!one.is_empty(), "{called}");
        assert!(one.iter().all(|line| Some(&line.source) == tasks[0].instance.name.as_ref()));
    }
    // Of what crashes, its last words stand beside what ECS says of it.
    let orders = platform.app("orders-api").await.unwrap();
    let lines = platform.logs(&orders.id).await.unwrap();
    let said =
        |text: &str, side| lines.iter().any(|line| line.text.contains(text) && line.side == side);
    assert!(said("fatal: cannot open the index", Some(SideName::New)), "{lines:#?}");
    assert!(said("exited with 137", None) && said("GET /health", Some(SideName::Old)));
    // Of the runs before, however long ago they ended.
    let query = LogQuery { previous: true, ..LogQuery::default() };
    let before = read(platform.as_ref(), &orders.id, &query).await;
    let fatal = before.iter().filter(|line| line.text.contains("fatal: cannot open the index"));
    let old = fatal.filter(|line| clock.now().duration_since(line.at).as_secs() > 120);
    assert!(old.count() > 0, "{before:#?}");
    let faults = "403@GET:/FilterLogEvents";
    simulator.faults().set(faults).unwrap();
    let lines = platform.logs(&orders.id).await.unwrap();
    let told: Vec<_> =
        lines.iter().filter(|line| line.text.contains("/ecs/orders-api cannot be read")).collect();
    assert_eq!(told.len(), 1, "{lines:#?}");
    assert!(lines.iter().any(|line| line.text.contains("exited with 137")));
}

/// ECS Exec is of the task: one that was started without it has none.
#[tokio::test]
async fn a_shell_needs_a_task_that_was_started_with_exec() {
    let deck = Deck::open(&PLAIN).await;
    for (name, wanted) in [
        ("search", "aws ecs execute-command --cluster retail --task "),
        ("orders-api", "was started without ECS Exec"),
    ] {
        let Ok(app) = deck.platform.app(name).await else { panic!("there is no {name}") };
        let reading = deck.platform.instances(&app.id).await.unwrap();
        let task = reading.instances.iter().find(|one| one.instance.state.word() == "running");
        let told = match deck.platform.shell(&app.id, &task.unwrap().id).await {
            Ok(shell) => shell.line(),
            Err(error) => error.to_string(),
        };
        assert!(told.contains(wanted), "{told}");
        assert!(name != "search" || told.contains("--container app --interactive"), "{told}");
    }
}

/// The circuit breaker puts the old task definition back as a deployment of its own, and the service is stable: that is
/// a failure of what was asked for (`ROLLBACK_SUCCESSFUL` of the service deployment, API model of ECS).
#[tokio::test]
async fn the_breakers_roll_back_is_told_as_failure() {
    let deck = Deck::open(&PLAIN).await;
    let app = deck.app(Role::Healthy).await;
    let plan = roll_back(&deck, &app.id, "search:3").await;
    assert!(warnings(&plan).iter().any(|text| text.contains("rev 3 FAILED")), "{plan:?}");
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    let outcome = deck.follow(receipt).await;
    let Outcome::Failed(text) = &outcome else { panic!("{outcome:?}") };
    assert!(text.contains("circuit breaker") && text.contains("rev 4 is back"), "{text}");
    let after = deck.app(Role::Healthy).await;
    assert_eq!((after.condition(), after.deployed), (Condition::Ok, app.deployed));
}

/// A hook that waits is answered; it is not stopped.
#[tokio::test]
async fn a_paused_hook_is_rolled_back_by_answering_it() {
    let deck = Deck::open(&PLAIN).await;
    let plan = deck.plan(Role::Waiting, Operation::RollBack(RollBackTo::LastGood)).await;
    let calls: Vec<_> = plan.calls().collect();
    assert_eq!(calls, ["ContinueServiceDeployment action=ROLLBACK"]);
    let waiting = deck.app(Role::Waiting).await.rollout.unwrap();
    let stage = waiting.stages.iter().find_map(|stage| stage.detail.clone()).unwrap_or_default();
    assert!(stage.contains("rolls back in 5"), "{stage}");
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    done(&deck.follow(receipt).await);
    assert_eq!(deck.app(Role::Waiting).await.condition(), Condition::Ok);
}

/// A new deployment of an old task definition resolves its tags anew: that is not what ran.
#[tokio::test]
async fn a_tag_that_has_moved_is_warned_of() {
    let deck = Deck::open(&PLAIN).await;
    let app = deck.platform.app("platform/edge").await.unwrap();
    let plan = roll_back(&deck, &app.id, "edge:1").await;
    let warned = warnings(&plan);
    assert!(
        warned.iter().any(|text| text.contains("the tag of edge:stable has moved")),
        "{warned:?}"
    );
    // What ran can be had: by its digest, in a task definition of its own.
    let operation = Operation::RollBack(RollBackTo::Revision(definition("edge:1")));
    let request = Request::new(app.id.clone(), operation).with("re-register", "yes");
    let plan = deck.platform.plan(request).await.unwrap();
    assert!(!warnings(&plan).iter().any(|text| text.contains("moved")), "{plan:?}");
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    done(&deck.follow(receipt).await);
    let history = deck.platform.revisions(&app.id).await.unwrap();
    let artifact = history.revisions[0].artifact.clone().unwrap();
    assert!(artifact.starts_with("public.ecr.aws/acme/edge@sha256:"), "{artifact}");
    let search = deck.app(Role::Healthy).await;
    let plan = roll_back(&deck, &search.id, "search:2").await;
    assert!(!warnings(&plan).iter().any(|text| text.contains("moved")), "{plan:?}");
}

/// A task definition travels as it is: with members that this build does not know, and that it does not need to.
#[tokio::test]
async fn members_that_are_not_known_survive_a_deploy() {
    let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
    let options = simulator::Options { keep_log: true, ..simulator::Options::default() };
    let simulator = Simulator::ecs_at(&options, clock.clone()).await.unwrap();
    simulator.world().amend(
        "ledger",
        1,
        &serde_json::json!({ "quantumIsolation": { "mode": "full" } }),
    );
    let platform = open(&simulator, Duration::from_secs(2), clock);
    let app = platform.app("ledger").await.unwrap();
    let request = Request::new(app.id, Operation::Deploy).with("image", "ledger:2");
    let plan = platform.plan(request).await.unwrap();
    assert_eq!(plan.refused, None);
    let (progress, _lines) = tokio::sync::mpsc::unbounded_channel();
    let confirmed = plan.confirm(Consent::Flag).unwrap();
    let record = operation::NoRecord;
    let sent = operation::execute(platform.as_ref(), confirmed, &progress, &record);
    assert!(matches!(sent.await, Sent::Accepted(_)));
    let log = simulator.world().log();
    let registered =
        log.iter().find(|line| line.starts_with("POST /RegisterTaskDefinition")).unwrap();
    assert!(registered.contains(r#""quantumIsolation":{"mode":"full"}"#), "{registered}");
    for told in ["registeredAt", "requiresAttributes", "\"revision\""] {
        assert!(!registered.contains(told), "{told}: {registered}");
    }
}

/// What something else rolls out is read and not changed.
#[tokio::test]
async fn what_code_deploy_rolls_out_is_read_only() {
    let deck = Deck::open(&PLAIN).await;
    let app = deck.platform.app("statements").await.unwrap();
    assert_eq!(app.condition(), Condition::Ok);
    let plan = deck.platform.plan(Request::new(app.id, Operation::Restart)).await.unwrap();
    let refused = plan.refused.unwrap();
    assert!(refused.contains("AWS CodeDeploy"), "{refused}");
}

/// An Express service is changed by calls of its own; the deployment that is under way can be stopped all the same.
#[tokio::test]
async fn of_an_express_service_only_what_is_under_way_is_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = directory.path().join("express.toml");
    let service = |name: &str, script: &str| {
        let definition = |n: u32, deployed: bool| {
            let health = if deployed { "" } else { ", health = \"crash=1\"" };
            let age = 9 - n;
            format!("{{ age = \"{age}d\", image = \"shop:{n}\", deployed = {deployed}{health} }}")
        };
        let all = [definition(1, true), definition(2, true), definition(3, false)].join(", ");
        format!(
            "[[service]]\nname = {name:?}\ncluster = \"retail\"\ndesired = 2\nexpress = true\n{script}\ndefinition = [{all}]\n"
        )
    };
    let text = service("calm", "")
        + &service("moving", "script = [{ ago = \"20s\", do = \"deploy\", to = 3 }]");
    std::fs::write(&scenario, text).unwrap();
    let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
    let options = simulator::Options {
        scenario: scenario.display().to_string(),
        keep_log: true,
        ..simulator::Options::default()
    };
    let simulator = Simulator::ecs_at(&options, clock.clone()).await.unwrap();
    let platform = open(&simulator, PLAIN.timeout, clock);
    let plan = async |name: &str, operation: Operation| {
        let app = platform.app(name).await.unwrap();
        platform.plan(Request::new(app.id, operation)).await.unwrap()
    };
    for operation in [Operation::Restart, Operation::RollBack(RollBackTo::LastGood)] {
        let why = plan("calm", operation).await.refused.unwrap();
        assert!(why.contains("UpdateExpressGatewayService"), "{why}");
    }
    // Further back than what is being left needs an update.
    let further = Operation::RollBack(RollBackTo::Revision(definition("moving:1")));
    let why = plan("moving", further).await.refused.unwrap();
    assert!(why.contains("UpdateExpressGatewayService"), "{why}");
    let back = plan("moving", Operation::RollBack(RollBackTo::LastGood)).await;
    assert_eq!(back.refused, None);
    let (progress, _lines) = tokio::sync::mpsc::unbounded_channel();
    let confirmed = back.confirm(Consent::Flag).unwrap();
    let sent = operation::execute(platform.as_ref(), confirmed, &progress, &operation::NoRecord);
    assert!(matches!(sent.await, Sent::Accepted(_)));
    let log = simulator.world().log();
    let changes: Vec<_> = log.iter().filter(|line| line.starts_with("POST")).collect();
    assert!(
        matches!(changes.as_slice(), [one] if one.contains("/StopServiceDeployment")),
        "{changes:?}"
    );
}

/// A program that has just been started knows nothing of the answer, and what it reads first may be older than that: it
/// waits, and says of nothing that it was superseded.
#[tokio::test]
async fn what_is_read_too_early_ends_nothing() {
    let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
    let simulator = Simulator::ecs_at(&simulator::Options::default(), clock.clone()).await.unwrap();
    simulator.faults().set("stale=20s").unwrap();
    let platform = open(&simulator, PLAIN.timeout, clock.clone());
    let app = platform.app("search").await.unwrap();
    let request = Request::new(app.id, Operation::RollBack(RollBackTo::LastGood));
    let plan = platform.plan(request).await.unwrap();
    let (progress, _lines) = tokio::sync::mpsc::unbounded_channel();
    let confirmed = plan.confirm(Consent::Flag).unwrap();
    let sent = operation::execute(platform.as_ref(), confirmed, &progress, &operation::NoRecord);
    let Sent::Accepted(receipt) = sent.await else { panic!("not taken") };
    let another = open(&simulator, PLAIN.timeout, clock.clone());
    let look = operation::settle(another.as_ref(), &receipt).await.unwrap();
    assert!(matches!(&look, Settlement::Pending { standing: Standing::Accepted, .. }), "{look:?}");
    clock.advance(600.0);
    let look = operation::settle(another.as_ref(), &receipt).await.unwrap();
    assert!(matches!(&look, Settlement::Ended(Outcome::Done(_))), "{look:?}");
}

/// The old task is gone before the new one runs, and its entry with it: what was before is still known, and the way back.
#[tokio::test]
async fn the_way_back_is_known_when_nothing_of_the_old_runs() {
    let deck = Deck::open(&PLAIN).await;
    let app = deck.platform.app("platform/edge").await.unwrap();
    let request = Request::new(app.id.clone(), Operation::Deploy).with("image", "edge:new");
    let plan = deck.platform.plan(request).await.unwrap();
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    let rollout = loop {
        deck.fixture.pass(0.5);
        let rollout = deck.platform.app(app.id.as_str()).await.unwrap().rollout.expect("it rolls");
        if rollout.old.desired == 0 {
            break rollout;
        }
    };
    assert_eq!(rollout.from, app.deployed);
    let history = deck.platform.revisions(&app.id).await.unwrap();
    let deployed: Vec<_> = history.revisions.iter().filter(|one| one.deployed).collect();
    assert_eq!(deployed.len(), 1);
    assert_eq!(Some(&deployed[0].id), app.deployed.as_ref().map(|of| &of.id));
    let plan = deck.platform.plan(Request::new(app.id.clone(), Operation::Cancel)).await.unwrap();
    assert_eq!(plan.refused, None);
    let Sent::Accepted(cancel) = deck.execute(plan).await else { panic!("not taken") };
    done(&deck.follow(cancel).await);
    let outcome = deck.follow(receipt).await;
    assert!(matches!(&outcome, Outcome::Failed(text) if text.contains("cancelled")), "{outcome:?}");
}

/// A lost update that came and was taken back by the breaker leaves nothing in `deployments[]`; the record tells of it.
#[tokio::test]
async fn a_lost_update_that_came_and_went_is_not_safe_to_try_again() {
    let deck = Deck::open(&PLAIN).await;
    let app = deck.app(Role::Healthy).await;
    let plan = roll_back(&deck, &app.id, "search:3").await;
    deck.fixture.break_writes(Fault::ResetAfter);
    let Sent::Lost(receipt) = deck.execute(plan).await else { panic!("not lost") };
    deck.fixture.pass(900.0);
    let outcome = deck.follow(receipt).await;
    let Outcome::Failed(text) = &outcome else { panic!("{outcome:?}") };
    assert!(text.contains("circuit breaker") && !text.contains("safe"), "{text}");
}

/// What was suspended and left so is released by a verb of its own.
#[tokio::test]
async fn suspended_scaling_is_released() {
    let deck = Deck::open(&PLAIN).await;
    let app = deck.app(Role::Healthy).await;
    let release = || Request::new(app.id.clone(), Operation::Release);
    let refused = deck.platform.plan(release()).await.unwrap().refused.unwrap();
    assert!(refused.contains("is not suspended"), "{refused}");
    let request = Request::new(app.id.clone(), Operation::Restart);
    let plan = deck.platform.plan(request.with("suspend-auto-scaling", "yes")).await.unwrap();
    assert!(warnings(&plan).iter().any(|text| text.contains("stays suspended")), "{plan:?}");
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    done(&deck.follow(receipt).await);
    let plan = deck.platform.plan(release()).await.unwrap();
    assert_eq!(plan.refused, None);
    let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
    let outcome = deck.follow(receipt).await;
    assert_eq!(done(&outcome), "search is released: auto scaling may change its number of tasks");
}

/// Every change is one request, whatever becomes of it.
#[tokio::test]
async fn every_change_is_sent_once() {
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Status(500),
        Fault::Status(503),
        Fault::RateLimited,
        Fault::Hang,
    ];
    for fault in faults {
        for (role, operation) in [
            (Role::Stuck, Operation::Cancel),
            (Role::Waiting, Operation::Continue),
            (Role::Healthy, Operation::Restart),
            (Role::Healthy, Operation::RollBack(RollBackTo::LastGood)),
        ] {
            let deck = Deck::open(&PLAIN).await;
            let plan = deck.plan(role, operation.clone()).await;
            deck.fixture.break_writes(fault);
            let outcome = match deck.execute(plan).await {
                Sent::Accepted(receipt) | Sent::Lost(receipt) => deck.follow(receipt).await,
                Sent::Unrecorded(_, why) => panic!("{why}"),
                Sent::Ended(outcome) => outcome,
            };
            let text = outcome.text();
            match fault {
                Fault::ResetAfter => {
                    done(&outcome);
                }
                Fault::RateLimited => assert!(matches!(outcome, Outcome::Refused(_)), "{text}"),
                _ => assert!(text.contains("never took effect"), "{operation:?} {fault:?}: {text}"),
            }
            assert_eq!(deck.fixture.writes(), 1, "{operation:?} under {fault:?}");
        }
    }
}

/// Auto scaling is held back for as long as it takes, and released however it ends.
#[tokio::test]
async fn scaling_is_released_when_it_is_over() {
    for (to, well) in [("search:2", true), ("search:3", false)] {
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let options = simulator::Options { keep_log: true, ..simulator::Options::default() };
        let simulator = Simulator::ecs_at(&options, clock.clone()).await.unwrap();
        let platform = open(&simulator, Duration::from_secs(2), clock);
        let deck = Deck {
            platform: platform.clone(),
            fixture: Box::new(Region { simulator, platform, standing: "" }),
        };
        let app = deck.app(Role::Healthy).await;
        let operation = Operation::RollBack(RollBackTo::Revision(definition(to)));
        let request = Request::new(app.id, operation).with("hold", "yes").with("deregister", "yes");
        let plan = deck.platform.plan(request).await.unwrap();
        let calls: Vec<_> = plan.calls().map(str::to_owned).collect();
        assert_eq!(calls.len(), 4, "{calls:?}");
        let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
        let outcome = deck.follow(receipt).await;
        assert_eq!(matches!(outcome, Outcome::Done(_)), well, "{outcome:?}");
        let text = outcome.text();
        assert!(text.contains("afterwards: release auto scaling"), "{text}");
        // What did not get there leaves everything to go back to.
        assert_eq!(text.contains("deregister search:4"), well, "{text}");
        assert_eq!(deck.fixture.writes(), if well { 4 } else { 3 });
    }
}

/// How often a large region is asked, by kind of request, while one of its services rolls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures for two minutes: cargo test --test contract large_region -- --ignored --nocapture"]
async fn a_large_region_is_asked_at_a_pace() {
    let options = simulator::Options { keep_log: true, apps: 300, ..simulator::Options::default() };
    let simulator = Simulator::ecs(&options).await.unwrap();
    let environment = Environment::default().with(simulator.environment());
    let now = revdeck::runtime::clock::system();
    let platform = Ecs::open(TargetId::new("ecs"), &Options::default(), &environment, now).unwrap();
    let focus = Some(platform.app("orders-api").await.unwrap().id);
    let asked = simulator.world().log().len();
    let interest = revdeck::domain::Interest { focus, ..revdeck::domain::Interest::default() };
    let (_interest, interested) = tokio::sync::watch::channel(interest);
    let (reports, mut reported) = tokio::sync::mpsc::channel(64);
    let began = tokio::time::Instant::now();
    let told = async {
        let (mut first, mut all) = (None, std::collections::HashSet::new());
        while began.elapsed() < Duration::from_mins(2) {
            let next = tokio::time::timeout(Duration::from_secs(1), reported.recv()).await;
            let Ok(Some(revdeck::domain::Report::Apps { changed, .. })) = next else { continue };
            first.get_or_insert_with(|| began.elapsed());
            let before = all.len();
            all.extend(changed.into_iter().map(|app| app.id));
            if before < 300 && all.len() >= 300 {
                println!("all {} services after {:?}", all.len(), began.elapsed());
            }
        }
        println!("the first rows after {first:?}");
    };
    tokio::select! { () = told => {}, () = platform.watch(interested, reports) => {} }
    let mut counts = std::collections::BTreeMap::new();
    for line in &simulator.world().log()[asked..] {
        let operation = line.split(' ').nth(1).unwrap_or_default().to_owned();
        *counts.entry(operation).or_insert(0_u32) += 1;
    }
    for (operation, count) in counts {
        println!("{operation}: {count}, {:.2} a second", f64::from(count) / 120.0);
    }
}
