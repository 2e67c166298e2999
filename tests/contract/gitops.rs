//! A repository that Flux applies, under the contract: real git over HTTP, a forge, and a simulated cluster.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use revdeck::{
    domain::TargetId,
    platform::{Environment, Platform, Registry, TargetSpec},
    simulator::{self, Simulator, clock::Clock, gitops::Delivery},
};

use crate::harness::{Fault, Fixture, Harness, Role};

/// A simulated delivery, with git given little patience.
pub struct Simulated;

pub struct Repository {
    pub simulator: Arc<Simulator<Delivery>>,
    pub platform: Arc<dyn Platform>,
}

/// How long git may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The deck's view of a simulated delivery, with some variables other than its own.
pub fn open(simulator: &Simulator<Delivery>, more: &[(&str, &str)]) -> Arc<dyn Platform> {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let patience = ("REVDECK_GITOPS_PATIENCE".to_owned(), PATIENCE.as_secs().to_string());
    let environment =
        Environment::default().with(simulator.environment()).with([patience]).with(more);
    let clock = simulator.clock().clone();
    let now: revdeck::platform::Now = Arc::new(move || clock.now());
    let spec = TargetSpec { id: TargetId::new("gitops"), ..TargetSpec::new("gitops", None) };
    Registry::built_in().open(&[spec], &environment, &now).unwrap().remove(0)
}

pub async fn start() -> Simulator<Delivery> {
    start_with(&simulator::Options::default().scenario).await
}

/// The same with another scenario.
pub async fn start_with(scenario: &str) -> Simulator<Delivery> {
    let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
    let options = simulator::Options {
        keep_log: true,
        scenario: scenario.to_owned(),
        ..simulator::Options::default()
    };
    Simulator::gitops_at(&options, clock).await.unwrap()
}

#[async_trait]
impl Harness for Simulated {
    async fn start(&self) -> Box<dyn Fixture> {
        let simulator = start().await;
        let platform = open(&simulator, &[]);
        Box::new(Repository { simulator: Arc::new(simulator), platform })
    }
}

impl Fixture for Repository {
    fn platform(&self) -> Arc<dyn Platform> {
        self.platform.clone()
    }

    fn name(&self, role: Role) -> &'static str {
        match role {
            Role::Stuck => "ticketing",
            Role::Healthy => "loyalty",
            Role::Waiting => "seatmap",
            Role::CancelledRollBack => "newsletter",
            Role::NoWayBack => "frontdoor",
        }
    }

    fn pass(&self, seconds: f64) {
        self.simulator.clock().advance(seconds);
        self.simulator.world().catch_up();
    }

    fn break_reads(&self, fault: Fault, times: Option<u32>) {
        let count = times.map(|times| format!("#{times}")).unwrap_or_default();
        self.simulator
            .faults()
            .set(&format!("{}@GET:/acme{count}", fault.specification()))
            .unwrap();
    }

    fn break_writes(&self, fault: Fault) {
        self.simulator.faults().set(&format!("{}@POST:/acme#1", fault.specification())).unwrap();
    }

    fn mend(&self) {
        self.simulator.faults().set("").unwrap();
    }

    fn short_logins(&self) {
        self.simulator.faults().set("401@GET:/acme#1").unwrap();
    }

    fn requests(&self) -> Option<usize> {
        Some(self.simulator.world().log().len())
    }

    fn writes(&self) -> usize {
        let log = self.simulator.world().log();
        log.iter()
            .filter(|line| {
                line.starts_with("POST") || line.starts_with("PATCH") || line.starts_with("PUT")
            })
            .count()
    }
}

crate::contract!(Simulated);

/// What only a repository can get wrong.
mod own {
    use revdeck::{
        domain::{
            Condition, Consent, Note, Operation, Outcome, Plan, Receipt, Request, RollBackTo,
            Settlement,
        },
        platform::operation::{self, NoRecord, Record, Sent},
    };
    use tokio::sync::mpsc;

    use super::{Arc, Delivery, Platform, Repository, Simulator, open, start, start_with};
    use crate::harness::{Deck, Role, done};

    const FILE: &str = "apps/bases/kustomization.yaml";

    fn kustomization(tag: &str) -> String {
        format!(
            "images:\n- name: gcr.io/track-compliance/api\n  newTag: master-4003aac\n- name: gcr.io/track-compliance/api-js\n  newTag: {tag}\n- name: gcr.io/track-compliance/autoscan\n  newTag: master-0000000\n"
        )
    }

    type Opened = (Deck, Arc<Simulator<Delivery>>, Arc<dyn Platform>);

    fn deck(simulator: Simulator<Delivery>, more: &[(&str, &str)]) -> Opened {
        let platform = open(&simulator, more);
        let simulator = Arc::new(simulator);
        let fixture =
            Box::new(Repository { simulator: simulator.clone(), platform: platform.clone() });
        (Deck { fixture, platform: platform.clone() }, simulator, platform)
    }

    fn warnings(plan: &Plan) -> Vec<&str> {
        let warned = |note: &&Note| matches!(note, Note::Warning(_));
        plan.notes.iter().filter(warned).map(Note::text).collect()
    }

    async fn plan(platform: &dyn Platform, name: &str, options: &[(&str, &str)]) -> Plan {
        let app = platform.app(name).await.unwrap();
        let operation = Operation::RollBack(RollBackTo::LastGood);
        let request =
            options.iter().fold(Request::new(app.id, operation), |request, (name, value)| {
                request.with(name, value)
            });
        platform.plan(request).await.unwrap()
    }

    async fn execute(platform: &dyn Platform, plan: Plan, record: &dyn Record) -> Sent {
        let (progress, _lines) = mpsc::unbounded_channel();
        operation::execute(platform, plan.confirm(Consent::Flag).unwrap(), &progress, record).await
    }

    /// The walk that a team wrote down for its roll backs: find the commit, branch `rollback-d4cc490`, `git revert`, push,
    /// open the pull request.
    #[tokio::test]
    async fn the_walk_by_hand_is_one_key() {
        let simulator = start().await;
        let world = simulator.world();
        world
            .commit("fluxcd", "Start", &[(FILE.to_owned(), kustomization("master-f01225d"))])
            .unwrap();
        let subject = "Auto-release gcr.io/track-compliance/api-js:master-26a4b87\n\n[ci skip]";
        let bad = world
            .commit("fluxcd", subject, &[(FILE.to_owned(), kustomization("master-26a4b87"))])
            .unwrap();
        let platform = open(&simulator, &[("REVDECK_GITOPS_PUSH", "pull-request")]);
        let plan = plan(platform.as_ref(), "api-js", &[]).await;
        assert_eq!(plan.refused, None);
        let branch = format!("rollback-{}", &bad[..7]);
        assert_eq!(
            plan.by_hand,
            [
                format!("git switch --create {branch} origin/main"),
                format!("git revert {bad}"),
                format!("git push origin {branch}")
            ]
        );
        assert!(matches!(execute(platform.as_ref(), plan, &NoRecord).await, Sent::Accepted(_)));
        let commit = world.head(&branch).expect("the branch is there");
        let message = world.git(&["log", "-1", "--format=%an <%ae>%n%B", &commit]).unwrap();
        let expected = format!(
            "Hana Okoye <hana@acme.example>\nRevert \"Auto-release gcr.io/track-compliance/api-js:master-26a4b87\"\n\nThis reverts commit {bad}."
        );
        assert!(message.starts_with(&expected), "{message}");
        let diff = world.git(&["diff", "--numstat", &format!("{commit}~1"), &commit]).unwrap();
        assert_eq!(diff, format!("1\t1\t{FILE}"));
        assert_eq!(
            world.git(&["show", &format!("{commit}:{FILE}")]).unwrap() + "\n",
            kustomization("master-f01225d")
        );
        assert!(
            world.log().iter().any(|line| line == "POST /api/v3/repos/acme/shop-config/pulls"),
            "it is opened"
        );
        let app = platform.app("api-js").await.unwrap();
        let rollout = app.rollout.as_ref().unwrap();
        assert_eq!(
            (app.condition(), rollout.stages[2].name.as_str()),
            (Condition::Paused, "pull request")
        );
    }

    /// A plain `git revert` conflicts from the next release of the same image on; the tag again does not.
    #[tokio::test]
    async fn later_releases_of_the_image_are_no_conflict() {
        let simulator = start().await;
        let world = simulator.world();
        for tag in ["master-f01225d", "master-26a4b87", "master-67ef9e1", "master-aaaaaaa"] {
            let subject = format!("Auto-release gcr.io/track-compliance/api-js:{tag}");
            world.commit("fluxcd", &subject, &[(FILE.to_owned(), kustomization(tag))]).unwrap();
        }
        let platform = open(&simulator, &[]);
        let app = platform.app("api-js").await.unwrap();
        let history = platform.revisions(&app.id).await.unwrap();
        let wanted = history.revisions.iter().find(|one| one.label == "master-f01225d").unwrap();
        let operation = Operation::RollBack(RollBackTo::Revision(wanted.id.clone()));
        let plan = platform.plan(Request::new(app.id.clone(), operation)).await.unwrap();
        assert_eq!(plan.refused, None);
        assert!(matches!(execute(platform.as_ref(), plan, &NoRecord).await, Sent::Accepted(_)));
        let message = world.git(&["log", "-1", "--format=%B", "main"]).unwrap();
        assert!(
            message.starts_with("Roll back gcr.io/track-compliance/api-js to master-f01225d\n"),
            "{message}"
        );
        assert_eq!(message.matches("This reverts commit ").count(), 3, "{message}");
        assert_eq!(
            world.git(&["show", &format!("main:{FILE}")]).unwrap() + "\n",
            kustomization("master-f01225d")
        );
    }

    /// Argo CD is read, and the way back is the same commit; whether it syncs by itself is said before. What the simulated
    /// one does is argo-cd's `controller/appcontroller.go`.
    #[tokio::test]
    async fn argo_cd_takes_the_place_of_flux() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("argo.toml");
        let world = include_str!("../../assets/scenarios/default.toml");
        std::fs::write(&file, format!("argo_cd = true\n{world}")).unwrap();
        let (deck, simulator, platform) = deck(start_with(&file.display().to_string()).await, &[]);
        deck.fixture.pass(1.0);
        let app = deck.app(Role::Healthy).await;
        assert_eq!((app.condition(), app.instances.running), (Condition::Ok, Some(2)));
        for operation in [Operation::Pause, Operation::Reconcile] {
            let refused = deck.plan(Role::Healthy, operation).await.refused.unwrap();
            assert!(refused.contains("Argo CD applies it"), "{refused}");
        }
        let plan = back(platform.as_ref(), "loyalty").await;
        let told: Vec<_> = plan.notes.iter().map(Note::text).collect();
        assert!(told.iter().any(|text| text.starts_with("Argo CD syncs it by itself")), "{told:?}");
        let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
        deck.fixture.pass(30.0);
        assert_eq!(deck.app(Role::Healthy).await.condition(), Condition::Rolling);
        let outcome = deck.follow(receipt).await;
        assert!(done(&outcome).contains("back on 1.3.0: 2 of 2 running"), "{outcome:?}");

        // Where it does not sync by itself it waits for somebody who does.
        simulator.world().sync_by_hand(true);
        let again = plan_to(platform.as_ref(), "loyalty", "1.4.0").await;
        let said = warnings(&again).join("\n");
        assert!(said.contains("Argo CD does not sync it by itself"), "{said}");
        let Sent::Accepted(receipt) = deck.execute(again).await else { panic!("not taken") };
        deck.fixture.pass(300.0);
        assert!(matches!(deck.look(&receipt).await, Settlement::Pending { .. }));
        let waiting = deck.app(Role::Healthy).await.rollout.unwrap();
        assert!(waiting.reason.contains("Argo CD does not sync it by itself"), "{waiting:?}");
        assert_eq!(deck.app(Role::Healthy).await.deployed.unwrap().label.as_deref(), Some("1.3.0"));
        simulator.world().sync_by_hand(false);
        deck.fixture.pass(121.0);
        done(&deck.follow(receipt).await);
    }

    async fn plan_to(platform: &dyn Platform, name: &str, label: &str) -> Plan {
        let app = platform.app(name).await.unwrap();
        let history = platform.revisions(&app.id).await.unwrap();
        let wanted = history.revisions.iter().find(|one| one.label == label).unwrap();
        let operation = Operation::RollBack(RollBackTo::Revision(wanted.id.clone()));
        platform.plan(Request::new(app.id, operation).with("direct", "yes")).await.unwrap()
    }

    /// While the health of a bad revision is awaited the next one is not applied, unless the controller is told to give that
    /// up: both are followed to the same end (kustomize-controller 1.9.5, `internal/controller/kustomization_controller.go`).
    #[tokio::test]
    async fn a_roll_back_waits_for_the_health_of_the_bad_revision_or_does_not() {
        let mut waited = Vec::new();
        for cancels in [false, true] {
            let (deck, simulator, platform) = deck(start().await, &[]);
            if cancels {
                simulator.world().cancel_health_checks();
            }
            // It tries anew now and then, and waits each time.
            let mut looks = 0;
            let plan = loop {
                deck.fixture.pass(5.0);
                let plan = plan(platform.as_ref(), "ticketing", &[]).await;
                if warnings(&plan).iter().any(|text| text.contains("still waits")) {
                    break plan;
                }
                looks += 1;
                assert!(looks < 60, "{plan:?}");
            };
            let Sent::Accepted(mut receipt) = deck.execute(plan).await else { panic!("not taken") };
            let mut looks = 0;
            loop {
                match deck.look(&receipt).await {
                    Settlement::Ended(outcome) => {
                        done(&outcome);
                        break;
                    }
                    Settlement::Pending { receipt: learned, .. } => receipt = *learned,
                    other => panic!("{other:?}"),
                }
                deck.fixture.pass(5.0);
                looks += 1;
                assert!(looks < 200, "no end");
            }
            waited.push(looks * 5);
        }
        let [patient, quick] = waited[..] else { panic!("{waited:?}") };
        assert!(quick + 30 <= patient, "{waited:?}");
    }

    /// Each of five roll backs that people made by hand in one repository was taken away by automation, after 22 seconds to
    /// nine minutes, with the very tag that they had left.
    #[tokio::test]
    async fn automation_takes_a_roll_back_away_unless_it_is_held() {
        let (deck, _, platform) = deck(start().await, &[]);
        let without = plan(platform.as_ref(), "ticketing", &[("no-hold", "yes")]).await;
        let said = warnings(&without).join("\n");
        assert!(said.contains("flux-system:ticketing") && said.contains("within 1m"), "{said}");
        let Sent::Accepted(receipt) = deck.execute(without).await else { panic!("not taken") };
        let outcome = deck.follow(receipt).await;
        let Outcome::Failed(text) = &outcome else { panic!("{outcome:?}") };
        assert!(
            text.contains("fluxbot (5.3.0-crash)") && text.contains("took its place"),
            "{text}"
        );

        let held = plan(platform.as_ref(), "ticketing", &[]).await;
        let Sent::Accepted(receipt) = deck.execute(held).await else { panic!("not taken") };
        done(&deck.follow(receipt).await);
        for _ in 0..120 {
            deck.fixture.pass(5.0);
        }
        let after = deck.app(Role::Stuck).await;
        assert_eq!(
            after.deployed.and_then(|of| of.label).as_deref(),
            Some("5.2.0"),
            "ten minutes later"
        );
        assert_eq!(after.on_hold.as_deref(), Some("image automation"));
        assert_eq!(deck.app(Role::Healthy).await.on_hold, None);
        // The others go on, and the very line comes back.
        let released = Request::new(after.id.clone(), Operation::Release);
        let released = platform.plan(released).await.unwrap();
        assert!(
            warnings(&released).iter().any(|text| text.contains("wants 5.3.0-crash")),
            "{released:?}"
        );
        let patch = released.patch.clone().unwrap();
        assert!(patch.contains("+          image: registry.acme.example/ticketing:5.2.0 # {\"$imagepolicy\": \"flux-system:ticketing\"}"), "{patch}");
        let Sent::Accepted(receipt) = deck.execute(released).await else { panic!("not taken") };
        deck.follow(receipt).await;
        assert_eq!(deck.app(Role::Stuck).await.on_hold, None, "it is let go");
    }

    /// What the rules of a branch ask for is said before the forge says no, and what it allows is how it is merged. A real
    /// Gitea 1.26 calls a pull request mergeable that lacks its reviews.
    #[tokio::test]
    async fn what_a_forge_asks_for_is_said_before_it_says_no() {
        for (forge, api, token, way) in [
            ("github", "v3", "GH_TOKEN", " (squash)"),
            ("gitlab", "v4", "GITLAB_TOKEN", ""),
            ("gitea", "v1", "GITEA_TOKEN", " (squash)"),
        ] {
            let simulator = start().await;
            let base = simulator.environment().into_iter();
            let base = base.into_iter().find(|(name, _)| name == "REVDECK_GITOPS_FORGE_API");
            let api = base.unwrap().1.replace("v3", api);
            simulator.world().protect_by_review(1, forge != "gitlab");
            let more = [
                ("REVDECK_GITOPS_FORGE", forge),
                ("REVDECK_GITOPS_FORGE_API", &api),
                (token, "simulated-token"),
            ];
            let (deck, simulator, platform) = deck(simulator, &more);
            let plan = plan(platform.as_ref(), "loyalty", &[("pull-request", "yes")]).await;
            let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("{forge}") };
            deck.fixture.pass(40.0);
            let waits = async || {
                // It, its checks and what others report are looked at in turn.
                for _ in 0..2 {
                    deck.fixture.pass(40.0);
                    deck.app(Role::Healthy).await;
                }
                deck.fixture.pass(40.0);
                deck.app(Role::Healthy).await.rollout.unwrap().reason
            };
            assert_eq!(waits().await, "pull request 3 waits: a review", "{forge}");
            if forge == "github" {
                let branch = receipt.recipe.tracking["own"].as_str().unwrap();
                simulator.world().report(branch, "ci/jenkins", "failure");
                let told = waits().await;
                assert!(told.contains("failed checks (ci/jenkins)"), "{told}");
                simulator.world().report(branch, "ci/jenkins", "success");
                assert_eq!(waits().await, "pull request 3 waits: a review");
            }
            let early = deck.plan(Role::Healthy, Operation::Continue).await;
            assert!(warnings(&early).iter().any(|text| text.contains("a review")), "{early:?}");
            let Sent::Ended(Outcome::Refused(why)) = deck.execute(early).await else {
                panic!("{forge}: taken")
            };
            assert!(why.contains("Does not have enough approvals"), "{why}");
            simulator.world().review(3, "noor", false);
            assert!(waits().await.contains("changes that a review asks for"), "{forge}");
            simulator.world().review(3, "noor", true);
            assert_eq!(waits().await, "pull request 3 waits to be merged", "{forge}");
            let merging = deck.plan(Role::Healthy, Operation::Continue).await;
            let method = format!("pull request 3 is merged{way}, if it is still at ");
            assert!(merging.method.starts_with(&method), "{forge}: {}", merging.method);
            let Sent::Accepted(_) = deck.execute(merging).await else {
                panic!("{forge}: not merged")
            };
            done(&deck.follow(receipt).await);
        }
    }

    /// A forge that cannot be asked is found out before the branch is pushed; what waits on a branch without a pull request
    /// says which of both it is, and gets one with the same key that merges it.
    #[tokio::test]
    async fn a_branch_without_a_pull_request_gets_one() {
        let (deck, simulator, platform) = deck(start().await, &[]);
        let offered = async |platform: &dyn Platform| {
            plan(platform, "loyalty", &[("pull-request", "yes")]).await
        };
        simulator.faults().set("401@/api").unwrap();
        let early = offered(platform.as_ref()).await;
        assert!(early.method.ends_with("no pull request is opened"), "{}", early.method);
        let told: Vec<_> = early.notes.iter().map(Note::text).collect();
        assert!(told.iter().any(|text| text.contains("open the pull request by hand")), "{told:?}");
        simulator.faults().set("").unwrap();
        let late = offered(platform.as_ref()).await;
        simulator.faults().set("401@/api").unwrap();
        let Sent::Ended(Outcome::Failed(why)) = execute(platform.as_ref(), late, &NoRecord).await
        else {
            panic!("it was opened")
        };
        assert!(why.contains("not done: open the pull request"), "{why}");
        let reason = async || deck.app(Role::Healthy).await.rollout.unwrap().reason;
        let said = reason().await;
        assert!(said.contains("whether it has a pull request is not known"), "{said}");
        let blind = deck.plan(Role::Healthy, Operation::Continue).await.refused.unwrap();
        assert!(blind.contains("is not known"), "{blind}");
        simulator.faults().set("").unwrap();
        deck.fixture.pass(40.0);
        assert!(reason().await.ends_with("nobody has opened a pull request"));
        let opening = deck.plan(Role::Healthy, Operation::Continue).await;
        assert!(opening.method.starts_with("a pull request is opened from "), "{opening:?}");
        let Sent::Accepted(opened) = deck.execute(opening).await else { panic!("not opened") };
        deck.fixture.pass(40.0);
        assert!(reason().await.starts_with("pull request 3 waits"), "{}", reason().await);
        let merging = deck.plan(Role::Healthy, Operation::Continue).await;
        let Sent::Accepted(merged) = deck.execute(merging).await else { panic!("not merged") };
        done(&deck.follow(merged).await);
        done(&deck.follow(opened).await);
    }

    /// The answer to opening a pull request was lost, and somebody has dealt with it before revdeck looks again: it is not
    /// opened a second time, over their decision, and its end is told as it is.
    #[tokio::test]
    async fn a_pull_request_that_ended_meanwhile_is_not_opened_again() {
        for (what, word, says) in [
            ("left open", "DONE", "back on 1.3.0"),
            ("closed", "FAILED", "was cancelled"),
            ("merged", "DONE", "back on 1.3.0"),
            ("merged, and its branch deleted", "DONE", "back on 1.3.0"),
            ("never opened, and its branch deleted", "FAILED", "the branch rollback-"),
            ("never opened, and its branch changed", "FAILED", "somebody has changed the branch"),
        ] {
            let (deck, simulator, platform) = deck(start().await, &[]);
            let plan = plan(platform.as_ref(), "loyalty", &[("pull-request", "yes")]).await;
            let world = simulator.world();
            let never = what.starts_with("never");
            let when = if never { "before" } else { "after" };
            let opens = "POST:/api/v3/repos/acme/shop-config/pulls";
            simulator.faults().set(&format!("reset-{when}@{opens}#1")).unwrap();
            let Sent::Lost(receipt) = deck.execute(plan).await else { panic!("{what}: not lost") };
            let branch = receipt.recipe.tracking["own"].as_str().unwrap().to_owned();
            match what {
                "left open" => {}
                "closed" => world.close(3),
                "never opened, and its branch changed" => {
                    let main = world.head("main").unwrap();
                    world.force(&branch, Some(&main)).unwrap();
                }
                _ => {
                    if !never {
                        world.merge(3, "squash").unwrap();
                    }
                    if what.ends_with("deleted") {
                        world.force(&branch, None).unwrap();
                    }
                }
            }
            deck.fixture.pass(200.0);
            // A later run has nothing but the receipt.
            let text = serde_json::to_string(&receipt).unwrap();
            let receipt: Receipt = serde_json::from_str(&text).unwrap();
            if what == "left open" {
                let standing = deck.look(&receipt).await;
                assert!(matches!(standing, Settlement::Pending { .. }), "{standing:?}");
                world.merge(3, "merge").unwrap();
            }
            let outcome = deck.follow(receipt).await;
            assert_eq!(outcome.word(), word, "{what}: {outcome:?}");
            assert!(outcome.text().contains(says), "{what}: {outcome:?}");
            let opened = world
                .log()
                .iter()
                .filter(|line| line.starts_with(&opens.replace(':', " ")))
                .count();
            assert_eq!(opened, 1, "{what}");
        }
    }

    /// "Update branch" at the forge, or a reviewer's fix, puts commits on a branch of ours: it still waits, can be merged and
    /// closed, and is found again by a run that has nothing but the journal, also when it is squashed and gone.
    #[tokio::test]
    async fn what_others_put_on_top_makes_it_no_other_pull_request() {
        let on_top = |world: &Delivery, branch: &str| {
            let head = world.head(branch).unwrap();
            let files = [("README.md".to_owned(), "more\n".to_owned())];
            let main = world.commit("Noor", "More", &files).unwrap();
            let tree = world.git(&["merge-tree", "--write-tree", &head, &main]).unwrap();
            let who = ["-c", "user.name=Noor", "-c", "user.email=n@x", "commit-tree"];
            let merge = [tree.lines().next().unwrap(), "-p", &head, "-p", &main, "-m", "Update"];
            let merged = world.git(&[&who[..], &merge[..]].concat()).unwrap();
            world.force(branch, Some(&merged)).unwrap();
        };
        let begun = async || {
            let (deck, simulator, platform) = deck(start().await, &[]);
            let offered = plan(platform.as_ref(), "loyalty", &[("pull-request", "yes")]).await;
            let Sent::Accepted(receipt) = deck.execute(offered).await else { panic!("not sent") };
            let branch = receipt.recipe.tracking["own"].as_str().unwrap().to_owned();
            on_top(simulator.world(), &branch);
            deck.fixture.pass(40.0);
            (deck, simulator, receipt, branch)
        };
        let (deck, simulator, receipt, branch) = begun().await;
        let app = deck.app(Role::Healthy).await;
        assert!(app.rollout.unwrap().reason.starts_with("pull request 3 waits"));
        let merging = deck.plan(Role::Healthy, Operation::Continue).await;
        assert!(
            warnings(&merging).iter().any(|text| text.contains("somebody has put others on top"))
        );
        // What the answer has told is not in the journal: as after a kill.
        let mut tracking = receipt.recipe.tracking.clone();
        tracking["pull"] = serde_json::Value::Null;
        let mut lost = Receipt { lost: true, done: 1, ..receipt };
        lost.recipe.tracking = tracking;
        simulator.world().merge(3, "squash").unwrap();
        simulator.world().force(&branch, None).unwrap();
        deck.fixture.pass(200.0);
        assert!(done(&deck.follow(lost).await).contains("back on 1.3.0"));
        let (deck, simulator, _, branch) = begun().await;
        let closing = deck.plan(Role::Healthy, Operation::Cancel).await;
        assert!(warnings(&closing).iter().any(|text| text.ends_with("it stays")), "{closing:?}");
        let Sent::Accepted(receipt) = deck.execute(closing).await else { panic!("not closed") };
        assert_eq!(deck.follow(receipt).await.word(), "DONE");
        assert!(simulator.world().head(&branch).is_some(), "what somebody has put there stays");
        assert!(deck.app(Role::Healthy).await.rollout.is_none());
    }

    /// A closed pull request of an earlier branch of the same name is not what waits on the one that is there now.
    #[tokio::test]
    async fn a_closed_pull_request_of_an_earlier_try_is_not_what_waits() {
        let (deck, simulator, platform) = deck(start().await, &[]);
        let world = simulator.world();
        let offered = async || plan(platform.as_ref(), "loyalty", &[("pull-request", "yes")]).await;
        let Sent::Accepted(first) = deck.execute(offered().await).await else { panic!("not sent") };
        let branch = first.recipe.tracking["own"].as_str().unwrap().to_owned();
        world.close(3);
        deck.fixture.pass(40.0);
        assert!(deck.app(Role::Healthy).await.rollout.is_none(), "nobody waits for it");
        world.force(&branch, None).unwrap();
        let again = offered().await;
        simulator.faults().set("401@POST:/api").unwrap();
        let Sent::Ended(outcome) = deck.execute(again).await else { panic!("it was opened") };
        assert!(outcome.text().contains("not done: open the pull request"), "{outcome:?}");
        assert!(world.head(&branch).is_some(), "it is the same branch");
        simulator.faults().set("").unwrap();
        deck.fixture.pass(40.0);
        let app = deck.app(Role::Healthy).await;
        assert!(app.rollout.unwrap().reason.ends_with("nobody has opened a pull request"));
        let opening = deck.plan(Role::Healthy, Operation::Continue).await;
        assert!(opening.method.starts_with("a pull request is opened from "), "{opening:?}");
        let Sent::Accepted(opened) = deck.execute(opening).await else { panic!("not opened") };
        assert_eq!(opened.recipe.tracking["pull"], 4);
    }

    /// A pull request merged in any way is followed to the Pods, though its commit is another then.
    #[tokio::test]
    async fn every_way_of_merging_is_followed_on_every_forge() {
        for (forge, api, token, how) in [
            ("github", "v3", "GH_TOKEN", "merge"),
            ("github", "v3", "GH_TOKEN", "squash"),
            ("gitlab", "v4", "GITLAB_TOKEN", "rebase"),
            ("gitea", "v1", "GITEA_TOKEN", "merge"),
        ] {
            let simulator = start().await;
            let base = simulator
                .environment()
                .into_iter()
                .find(|(name, _)| name == "REVDECK_GITOPS_FORGE_API")
                .unwrap()
                .1;
            let api = base.replace("v3", api);
            let (deck, simulator, platform) = deck(
                simulator,
                &[
                    ("REVDECK_GITOPS_FORGE", forge),
                    ("REVDECK_GITOPS_FORGE_API", &api),
                    (token, "simulated-token"),
                ],
            );
            let plan = plan(platform.as_ref(), "loyalty", &[("pull-request", "yes")]).await;
            let Sent::Accepted(mut receipt) = deck.execute(plan).await else {
                panic!("{forge}: not taken")
            };
            for _ in 0..5 {
                let Settlement::Pending { receipt: learned, standing, .. } =
                    deck.look(&receipt).await
                else {
                    panic!("{forge}: it waits")
                };
                assert_eq!(standing, revdeck::domain::Standing::Paused, "{forge}");
                receipt = *learned;
                deck.fixture.pass(20.0);
            }
            // The receipt is what a later run has.
            let text = serde_json::to_string(&receipt).unwrap();
            let receipt: Receipt = serde_json::from_str(&text).unwrap();
            let wanted = deck.plan(Role::Healthy, Operation::Continue).await;
            assert_eq!(wanted.refused, None, "{forge}");
            if how == "merge" {
                let Sent::Accepted(merged) = deck.execute(wanted).await else {
                    panic!("{forge}: not merged")
                };
                done(&deck.follow(merged).await);
            } else {
                simulator.world().merge(3, how).unwrap();
            }
            let outcome = deck.follow(receipt).await;
            assert!(
                done(&outcome).contains("back on 1.3.0: 2 of 2 running"),
                "{forge}: {outcome:?}"
            );
        }
    }

    /// What is on its branch can be taken back; somebody's later commit on that branch survives.
    #[tokio::test]
    async fn cancelling_deletes_nothing_that_is_not_ours() {
        let (deck, simulator, platform) = deck(start().await, &[]);
        let cancel = deck.plan(Role::Waiting, Operation::Cancel).await;
        let branch = "rollback-seatmap";
        let own = simulator.world().head(branch).unwrap();
        let tree = simulator.world().git(&["rev-parse", &format!("{own}^{{tree}}")]).unwrap();
        let more = simulator
            .world()
            .git(&[
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@y",
                "commit-tree",
                &tree,
                "-p",
                &own,
                "-m",
                "more",
            ])
            .unwrap();
        simulator.world().force(branch, Some(&more)).unwrap();
        let outcome = match execute(platform.as_ref(), cancel, &NoRecord).await {
            Sent::Unrecorded(_, why) => panic!("{why}"),
            Sent::Ended(outcome) => outcome,
            Sent::Accepted(receipt) | Sent::Lost(receipt) => deck.follow(receipt).await,
        };
        assert!(
            matches!(&outcome, Outcome::Failed(text) if text.contains("has moved")),
            "{outcome:?}"
        );
        assert_eq!(simulator.world().head(branch), Some(more), "it is still there");
    }

    async fn back(platform: &dyn Platform, name: &str) -> Plan {
        plan(platform, name, &[("direct", "yes")]).await
    }

    /// A branch that only has such a name is somebody's work: neither shown, nor merged, nor deleted.
    #[tokio::test]
    async fn a_branch_of_somebody_else_is_left_alone() {
        let (deck, simulator, _) = deck(start().await, &[]);
        let world = simulator.world();
        let tree = world.git(&["rev-parse", "main~1^{tree}"]).unwrap();
        let by_hand = [
            "-c",
            "user.name=N",
            "-c",
            "user.email=n@x",
            "commit-tree",
            &tree,
            "-p",
            "main",
            "-m",
            "Mine",
        ];
        let commit = world.git(&by_hand).unwrap();
        world.force("rollback-mine", Some(&commit)).unwrap();
        let app = deck.app(Role::Stuck).await;
        assert_ne!(app.condition(), Condition::Paused);
        let refused = deck.plan(Role::Healthy, Operation::Cancel).await.refused;
        assert!(refused.is_some_and(|why| why.contains("no rollout")));
        assert_eq!(world.head("rollback-mine"), Some(commit));
    }

    /// Rolled back twice: the second goes further back, and not to what the first has left.
    #[tokio::test]
    async fn going_back_twice_goes_further_back() {
        let (deck, _, platform) = deck(start().await, &[]);
        let Sent::Accepted(receipt) = deck.execute(back(platform.as_ref(), "loyalty").await).await
        else {
            panic!("not taken")
        };
        assert!(done(&deck.follow(receipt).await).contains("back on 1.3.0"));
        let again = back(platform.as_ref(), "loyalty").await;
        assert_eq!(again.to.map(|end| end.name).as_deref(), Some("1.2.0"));
    }

    /// What is proposed keeps nobody from going back at once.
    #[tokio::test]
    async fn a_proposal_is_no_rollout() {
        let (_deck, _, platform) = deck(start().await, &[]);
        let plan = back(platform.as_ref(), "seatmap").await;
        assert_eq!(plan.refused, None);
        assert_eq!(plan.to.map(|end| end.name).as_deref(), Some("2.1.0"));
    }

    /// With the forge and the cluster down, git still goes back; what is not known is said.
    #[tokio::test]
    async fn a_forge_or_a_cluster_that_is_down_keeps_nobody_from_going_back() {
        let (_deck, simulator, platform) = deck(start().await, &[]);
        platform.app("loyalty").await.unwrap();
        simulator.faults().set("503@/api,503@/apis").unwrap();
        let plan = back(platform.as_ref(), "loyalty").await;
        assert_eq!(plan.refused, None);
        let said = warnings(&plan).join("\n");
        assert!(said.contains("the cluster cannot be read"), "{said}");
        // A deck that is opened now has rows, too.
        let fresh = open(&simulator, &[]);
        let app = fresh.app("loyalty").await.unwrap();
        assert_eq!(
            (app.condition(), app.deployed.and_then(|of| of.label).as_deref()),
            (Condition::Unknown, Some("1.4.0"))
        );
    }

    /// What a merge brought is released as well: its trailer is in what was merged.
    #[tokio::test]
    async fn markers_come_back_after_a_merge() {
        let (deck, _, platform) = deck(start().await, &[]);
        let merged = deck.plan(Role::Waiting, Operation::Continue).await;
        let Sent::Accepted(receipt) = deck.execute(merged).await else { panic!("not taken") };
        done(&deck.follow(receipt).await);
        let app = deck.app(Role::Waiting).await;
        let release = platform.plan(Request::new(app.id, Operation::Release)).await.unwrap();
        assert_eq!(release.refused, None);
        assert!(!warnings(&release).iter().any(|text| text.contains("no record")), "{release:?}");
        assert!(
            release.patch.is_some_and(
                |patch| patch.contains("# {\"$imagepolicy\": \"flux-system:seatmap\"}")
            )
        );
    }

    /// A file that does not parse is said by who reads once, too; and one that a kustomization takes and nobody reads.
    #[tokio::test]
    async fn what_is_not_read_is_said() {
        let simulator = start().await;
        let files = [
            ("other/kustomization.yaml".to_owned(), "resources: [web.json]\n".to_owned()),
            ("other/web.json".to_owned(), "{}\n".to_owned()),
        ];
        simulator.world().commit("Noor", "More", &files).unwrap();
        let platform = open(&simulator, &[]);
        platform.apps(&revdeck::domain::Scope::Home).await.unwrap();
        let unseen = platform.unseen().await.join(", ");
        assert!(unseen.contains("other/web.json (a kustomization takes it"), "{unseen}");
        let broken = [("more/kustomization.yaml".to_owned(), "images: [\n".to_owned())];
        simulator.world().commit("Noor", "Even more", &broken).unwrap();
        platform.apps(&revdeck::domain::Scope::Home).await.unwrap();
        let unseen = platform.unseen().await.join(", ");
        assert!(unseen.contains("more/kustomization.yaml and 1 more"), "{unseen}");
    }

    /// Another team's objects of Flux in the same cluster, with the same paths, are not ours to suspend.
    #[tokio::test]
    async fn another_repositorys_kustomizations_are_not_ours() {
        let (deck, _, _) = deck(start().await, &[("REVDECK_GITOPS_BRANCH", "main")]);
        let pause = deck.plan(Role::Healthy, Operation::Pause).await;
        assert!(pause.calls().any(|call| call.contains("flux-system/apps")), "{pause:?}");
        let simulator = start().await;
        simulator.world().force("other", Some("main")).unwrap();
        let platform = open(&simulator, &[("REVDECK_GITOPS_BRANCH", "other")]);
        let app = platform.app("loyalty").await.unwrap();
        let pause = platform.plan(Request::new(app.id, Operation::Pause)).await.unwrap();
        assert!(pause.refused.is_some_and(|why| why.contains("no Kustomization")));
    }

    /// The suspended Kustomization is said, waits, and goes on; reconciling waits for what was fetched.
    #[tokio::test]
    async fn what_is_suspended_waits_and_goes_on() {
        let (deck, _, platform) = deck(start().await, &[]);
        done(&deck.carry_out(Role::Healthy, Operation::Pause).await);
        let refused = deck.plan(Role::Healthy, Operation::Reconcile).await.refused;
        assert!(refused.is_some_and(|why| why.contains("suspended")));
        let plan = back(platform.as_ref(), "loyalty").await;
        assert!(warnings(&plan).iter().any(|text| text.contains("suspended")), "{plan:?}");
        let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
        deck.fixture.pass(30.0);
        assert_eq!(deck.app(Role::Healthy).await.condition(), Condition::Paused);
        done(&deck.carry_out(Role::Healthy, Operation::Continue).await);
        done(&deck.follow(receipt).await);
        // That another app of the same Kustomization is ill is not what was asked.
        done(&deck.carry_out(Role::Healthy, Operation::Reconcile).await);
    }

    /// Bad input: one clear sentence each.
    #[tokio::test]
    async fn what_is_no_repository_says_so() {
        let place = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let own =
                ["-c", "user.name=N", "-c", "user.email=n@x", "-c", "init.defaultBranch=main"];
            let mut command = std::process::Command::new("git");
            command
                .current_dir(place.path())
                .args(own)
                .args(arguments)
                .env("GIT_CONFIG_GLOBAL", "/dev/null");
            assert!(command.output().unwrap().status.success(), "{arguments:?}");
        };
        git(&["init", "-q", "--bare", "empty.git"]);
        git(&["init", "-q", "full"]);
        std::fs::write(
            place.path().join("full/a.yaml"),
            "kind: Pod\nspec:\n  containers:\n  - image: a:1\n",
        )
        .unwrap();
        std::fs::write(place.path().join("full/bad.yaml"), "image: [\n").unwrap();
        git(&["-C", "full", "add", "."]);
        git(&["-C", "full", "commit", "-qm", "one"]);
        git(&["-C", "full", "commit", "-q", "--allow-empty", "-m", "two"]);
        let full = format!("file://{}", place.path().join("full").display());
        git(&["clone", "-q", "--depth=1", &full, "shallow"]);
        git(&["clone", "-q", "--bare", "full", "full.git"]);
        git(&["-C", "full.git", "remote", "remove", "origin"]);
        std::fs::create_dir(place.path().join("none")).unwrap();
        let simulator = start().await;
        let at = |name: &str| place.path().join(name).display().to_string();
        for (repository, branch, words) in [
            (at("missing"), "main", "no repository at"),
            (at("none"), "main", "it is none"),
            (at("full"), "main", "no remote `origin`"),
            (at("empty.git"), "main", "has no branch \"main\""),
            (at("full.git"), "nowhere", "has no branch \"nowhere\""),
            (at("shallow"), "main", "shallow"),
            ("http://127.0.0.1:9/x.git".to_owned(), "main", "cannot be reached"),
            (
                simulator.world().repository().replace("hana:simulated@", ""),
                "main",
                "no longer accepted",
            ),
            (
                simulator.world().repository().replace("shop-config", "other"),
                "main",
                "there is no repository",
            ),
        ] {
            let more = [
                ("REVDECK_GITOPS_REPOSITORY", repository.as_str()),
                ("REVDECK_GITOPS_BRANCH", branch),
            ];
            let opened =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open(&simulator, &more)));
            let said = match opened {
                Ok(platform) => {
                    platform.apps(&revdeck::domain::Scope::Home).await.unwrap_err().to_string()
                }
                Err(error) => *error.downcast::<String>().unwrap(),
            };
            assert!(said.contains(words), "{repository} {branch}: {said}");
            assert!(!said.contains("simulated@"), "{said}");
        }
        // A file that does not parse hides no other.
        let more = [
            ("REVDECK_GITOPS_REPOSITORY", at("full.git")),
            ("REVDECK_GITOPS_CLUSTER", "none".to_owned()),
            ("REVDECK_GITOPS_PATHS", String::new()),
        ];
        let more = more.each_ref().map(|(name, value)| (*name, value.as_str()));
        let platform = open(&simulator, &more);
        assert_eq!(platform.app("a").await.unwrap().condition(), Condition::Unknown);
    }

    fn set(world: &Delivery, images: &[&str], by: &str, subject: &str, tags: &[(&str, &str)]) {
        let files = images.iter().map(|image| {
            let file = ["deployment.yaml", "kustomization.yaml"]
                .map(|file| format!("apps/{image}/{file}"));
            let read =
                |file: &String| world.git(&["show", &format!("main:{file}")]).unwrap() + "\n";
            let (_, old, new) = tags
                .iter()
                .map(|(old, new)| (0, *old, *new))
                .find(|(_, old, _)| file.iter().any(|file| read(file).contains(old)))
                .unwrap();
            let file = file.into_iter().find(|file| read(file).contains(old)).unwrap();
            let text = read(&file).replace(old, new);
            (file, text)
        });
        let files: Vec<_> = files.collect();
        world.commit(by, subject, &files).unwrap();
    }

    /// A commit that changed more than the image is taken back in part: what stays is said (met on real controllers, where a
    /// roll back of the image alone left the request for 9,000 processors that kept the Pods from starting).
    #[tokio::test]
    async fn what_a_commit_changed_beside_the_image_stays_and_is_said() {
        let (_deck, simulator, platform) = deck(start().await, &[]);
        assert!(
            !warnings(&back(platform.as_ref(), "frontdoor").await)
                .iter()
                .any(|text| text.contains("stays"))
        );
        let more = ("        - name: app\n", "        - name: app\n          tty: true\n");
        set(simulator.world(), &["frontdoor"], "Noor", "frontdoor 1.1.0", &[("1.0.0", "1.1.0")]);
        let plan = back(platform.as_ref(), "frontdoor").await;
        assert!(!warnings(&plan).iter().any(|text| text.contains("stays")), "{:?}", plan.notes);
        let file = "apps/frontdoor/deployment.yaml".to_owned();
        let text = simulator.world().git(&["show", &format!("main:{file}")]).unwrap() + "\n";
        let text = text.replace("1.1.0", "1.2.0").replace(more.0, more.1);
        // What is no YAML is no reason to refuse the plan.
        let picture = ("apps/frontdoor/logo.png".to_owned(), "\u{89}PNG".to_owned());
        let files = [(file, text), picture];
        let commit = simulator.world().commit("Noor", "frontdoor 1.2.0", &files).unwrap();
        let plan = back(platform.as_ref(), "frontdoor").await;
        let wanted = format!(
            "only the image goes back: what else was changed in apps/frontdoor/deployment.yaml ({0}), apps/frontdoor/logo.png ({0}) stays",
            &commit[..7]
        );
        assert!(warnings(&plan).contains(&&*wanted), "{:?}", plan.notes);
    }

    /// kustomize-controller 1.9 tries again what was not healthy in time: its conditions speak of the present try alone, its
    /// history of what came of the one before.
    #[tokio::test]
    async fn what_is_tried_again_is_not_merely_under_way() {
        let (deck, simulator, platform) = deck(start().await, &[]);
        let stage = async || {
            let app = platform.app("ticketing").await.unwrap();
            let stages = app.rollout.unwrap().stages;
            let one = stages.into_iter().find(|one| one.name == "healthy").unwrap();
            format!("{:?} {}", one.state, one.detail.unwrap_or_default())
        };
        let mut seen = Vec::new();
        for _ in 0..40 {
            deck.fixture.pass(5.0);
            let now = stage().await;
            if seen.last() != Some(&now) {
                seen.push(now);
            }
        }
        let tried = "Failed it was not healthy in time, and Flux tries again";
        assert!(seen.iter().any(|one| one == tried), "{seen:#?}");
        drop(simulator);
    }

    /// The five roll backs that people made by hand in one repository: each was taken away by automation, with the very tag
    /// that they had left, after the time that it took then. With ours the tag stands for ten minutes, while the other
    /// images go on; and the release puts the very lines back.
    #[tokio::test]
    async fn the_five_incidents_do_not_happen_again() {
        let back = [("5.3.0-crash", "5.2.0"), ("1.0.0", "0.9.0")];
        for (when, interval, images) in [
            ("2021-02-03", "8m55s", &["ticketing"][..]),
            ("2021-03-30", "22s", &["ticketing"]),
            ("2022-02-14", "1m21s", &["ticketing", "newsletter"]),
            ("2023-05-25", "31s", &["newsletter"]),
            ("2024-02-29", "24s", &["ticketing"]),
        ] {
            let (deck, simulator, platform) = deck(start().await, &[]);
            let world = simulator.world();
            world.automate_every(interval);
            let says = |image: &str, tag: &str| {
                let text = world.git(&["grep", "-h", tag, "main", "--", &format!("apps/{image}")]);
                text.is_ok_and(|text| !text.is_empty())
            };
            let original: Vec<_> = images
                .iter()
                .map(|image| {
                    world
                        .git(&["grep", "-h", "imagepolicy", "main", "--", &format!("apps/{image}")])
                        .unwrap()
                })
                .collect();
            set(world, images, "Noor", "Revert by hand", &back);
            assert!(
                images.iter().all(|image| !says(image, "5.3.0-crash") && !says(image, "\"1.0.0\"")),
                "{when}"
            );
            for _ in 0..120 {
                deck.fixture.pass(5.0);
            }
            let left = |image: &str| if image == "ticketing" { "5.3.0-crash" } else { "1.0.0" };
            assert!(
                images.iter().all(|image| says(image, left(image))),
                "{when}: it was taken away"
            );

            for image in images {
                let said = plan(platform.as_ref(), image, &[("no-hold", "yes")]).await;
                let said = warnings(&said).join("\n");
                assert!(
                    said.contains(&format!("flux-system:{image}"))
                        && said.contains("will set its own tag again"),
                    "{when}: {said}"
                );
                let wanted = back.iter().find(|(bad, _)| *bad == left(image)).unwrap().1;
                let app = platform.app(image).await.unwrap();
                let history = platform.revisions(&app.id).await.unwrap();
                let to =
                    history.revisions.iter().find(|one| one.label == wanted).unwrap().id.clone();
                let request = Request::new(app.id, Operation::RollBack(RollBackTo::Revision(to)));
                let held = platform.plan(request).await.unwrap();
                assert_eq!(held.refused, None, "{when}");
                assert!(matches!(
                    execute(platform.as_ref(), held, &NoRecord).await,
                    Sent::Accepted(_)
                ));
            }
            world.publish("seatmap", "2.3.0");
            for _ in 0..120 {
                deck.fixture.pass(5.0);
            }
            assert!(says("seatmap", "2.3.0"), "{when}: the others go on");
            assert!(images.iter().all(|image| !says(image, left(image))), "{when}: it stands");
            for (image, line) in images.iter().zip(&original) {
                let app = platform.app(image).await.unwrap();
                let release =
                    platform.plan(Request::new(app.id, Operation::Release)).await.unwrap();
                assert_eq!(release.refused, None, "{when}");
                let wanted = back.iter().find(|(bad, _)| *bad == left(image)).unwrap().1;
                let line = line.trim_start_matches("main:").replace(left(image), wanted);
                assert!(
                    release.patch.as_ref().is_some_and(|patch| patch.contains(line.trim())),
                    "{when}: {line} {release:?}"
                );
            }
        }
    }

    /// What a workload runs cannot be read for a moment, by a program that has not seen it before: that is no end.
    #[tokio::test]
    async fn what_cannot_be_read_is_not_done() {
        let (deck, simulator, platform) = deck(start().await, &[]);
        let plan = plan(platform.as_ref(), "loyalty", &[]).await;
        let Sent::Accepted(receipt) = deck.execute(plan).await else { panic!("not taken") };
        let later = open(&simulator, &[]);
        simulator.faults().set("503@GET:/apis/apps/v1/namespaces").unwrap();
        let told = operation::settle(later.as_ref(), &receipt).await;
        assert!(!matches!(told, Ok(Settlement::Ended(_))), "{told:?}");
        simulator.faults().set("").unwrap();
        done(&deck.follow(receipt).await);
    }

    /// Our name for a branch is taken by somebody else's: another one is found, theirs stays.
    #[tokio::test]
    async fn a_name_that_is_taken_is_left() {
        let (deck, simulator, platform) = deck(start().await, &[]);
        let first = plan(platform.as_ref(), "loyalty", &[("pull-request", "yes")]).await;
        let branch = first
            .calls()
            .find_map(|call| Some(call.split("refs/heads/").nth(1)?.split(':').next()?.to_owned()))
            .unwrap();
        let theirs = simulator.world().git(&["rev-parse", "main~3"]).unwrap();
        simulator.world().force(&branch, Some(&theirs)).unwrap();
        let outcome = deck.execute(first).await;
        assert!(matches!(&outcome, Sent::Ended(Outcome::Refused(_))), "{outcome:?}");
        let second = plan(platform.as_ref(), "loyalty", &[("pull-request", "yes")]).await;
        assert!(matches!(deck.execute(second).await, Sent::Accepted(_)));
        assert_eq!(simulator.world().head(&branch), Some(theirs), "theirs is where it was");
        assert!(simulator.world().head(&format!("{branch}-2")).is_some());
    }

    /// What an idle watch costs, printed: `cargo test --test contract idle_repository -- --ignored --nocapture`.
    #[tokio::test]
    #[ignore = "it measures for a minute"]
    async fn what_an_idle_repository_costs() {
        let simulator = start().await;
        // Nothing moves: what was stuck is taken back before.
        let (deck, simulator, platform) = deck(simulator, &[]);
        let Sent::Accepted(receipt) =
            deck.execute(plan(platform.as_ref(), "ticketing", &[]).await).await
        else {
            panic!("not taken")
        };
        done(&deck.follow(receipt).await);
        let (_interest, interested) =
            tokio::sync::watch::channel(revdeck::domain::Interest::default());
        let (sender, mut reports) = mpsc::channel(64);
        let watched = open(&simulator, &[]);
        let task = tokio::spawn(async move { watched.watch(interested, sender).await });
        tokio::spawn(async move { while reports.recv().await.is_some() {} });
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        let before = simulator.world().log();
        tokio::time::sleep(std::time::Duration::from_mins(1)).await;
        let log = simulator.world().log();
        task.abort();
        let mut counts = std::collections::BTreeMap::<&str, usize>::new();
        for line in &before {
            *counts.entry(line).or_default() += 0;
        }
        let mut left = before.clone();
        for line in &log {
            match left.iter().position(|known| known == line) {
                Some(at) => drop(left.swap_remove(at)),
                None => *counts.entry(line).or_default() += 1,
            }
        }
        counts.retain(|_, count| *count > 0);
        println!("in 60 s: {counts:#?}");
    }
}

/// A repository is shown without its cluster, which comes to life as soon as its kubeconfig is there.
#[tokio::test]
async fn a_cluster_that_can_be_opened_later_is() {
    let simulator = start().await;
    let home = tempfile::tempdir().unwrap();
    let later = home.path().join("kubeconfig");
    let deck = open(&simulator, &[("REVDECK_GITOPS_KUBECONFIG", later.to_str().unwrap())]);
    let read = || async {
        let apps = deck.apps(&revdeck::domain::Scope::Home).await.unwrap();
        let ticketing = apps.into_iter().find(|app| app.name == "ticketing").unwrap();
        (ticketing.instances.running, deck.unseen().await.join("; "))
    };
    let (running, unseen) = read().await;
    assert_eq!(running, None);
    assert!(unseen.contains("the cluster (") && unseen.contains("kubeconfig"), "{unseen}");
    let environment = simulator.environment();
    let named = |one: &&(String, String)| one.0 == "REVDECK_GITOPS_KUBECONFIG";
    std::fs::copy(&environment.iter().find(named).unwrap().1, &later).unwrap();
    simulator.clock().advance(60.0);
    let (running, unseen) = read().await;
    assert!(running.is_some() && !unseen.contains("the cluster ("), "{running:?} {unseen}");
}
