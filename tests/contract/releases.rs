//! What Cloud Controller refuses of a release, and what is said of it before: quotas, registries, sidecars of buildpacks.

use std::{path::Path, sync::Arc};

use revdeck::{
    domain::{Consent, Note, Operation, Outcome, Plan, Request, RollBackTo, Settlement, TargetId},
    platform::{
        Platform,
        cloud_foundry::{CloudFoundry, Options},
        operation::{self, NoRecord, Sent},
    },
    simulator::{self, Simulator, clock::Clock, cloud_foundry::Foundation},
};

use crate::harness::done;

struct Bench {
    simulator: Simulator<Foundation>,
    platform: CloudFoundry,
}

impl Bench {
    /// A world of one space with these limits, and an app with these settings.
    async fn with(place: &Path, limits: &str, app: &str, password: Option<&str>) -> Self {
        let file = place.join("world.toml");
        let revisions = "[[app.revision]]\nage = \"9000s\"\n[[app.revision]]\nage = \"900s\"\nenv = { A = \"b\" }\n";
        let world = format!(
            "[[org]]\nname = \"o\"\nspaces = [{{ name = \"s\"{limits} }}]\n[[app]]\nname = \"web\"\nspace = \"o/s\"\nmemory = 100\n{app}\n{revisions}"
        );
        std::fs::write(&file, world).unwrap();
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let scenario = file.display().to_string();
        let options = simulator::Options { scenario, ..simulator::Options::default() };
        let simulator = Simulator::cloud_foundry_at(&options, clock.clone()).await.unwrap();
        let options = Options {
            home: simulator.home_buf(),
            docker_password: password.map(Into::into),
            ..Options::default()
        };
        let now = Arc::new(move || clock.now());
        let platform = CloudFoundry::open(TargetId::new("cf"), &options, now).unwrap();
        Self { simulator, platform }
    }

    async fn plan(&self, operation: Operation, options: &[(&str, &str)]) -> Plan {
        let app = self.platform.app("web").await.unwrap();
        let request = Request::new(app.id, operation);
        let request =
            options.iter().fold(request, |request, (name, value)| request.with(name, value));
        self.platform.plan(request).await.unwrap()
    }

    async fn back_to(&self, label: &str) -> Plan {
        let app = self.platform.app("web").await.unwrap();
        let history = self.platform.revisions(&app.id).await.unwrap();
        let wanted = history.revisions.iter().find(|one| one.label == label).unwrap();
        self.plan(Operation::RollBack(RollBackTo::Revision(wanted.id.clone())), &[]).await
    }

    /// Carries a plan out to its end, while the world goes on.
    async fn carry_out(&self, plan: Plan) -> Outcome {
        let (progress, _lines) = tokio::sync::mpsc::unbounded_channel();
        let plan = plan.confirm(Consent::Flag).unwrap();
        let passing = async {
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                self.simulator.clock().advance(2.0);
            }
        };
        let work = async {
            let sent = operation::execute(&self.platform, plan, &progress, &NoRecord).await;
            let mut receipt = match sent {
                Sent::Unrecorded(_, why) => panic!("{why}"),
                Sent::Ended(outcome) => return outcome,
                Sent::Accepted(receipt) | Sent::Lost(receipt) => receipt,
            };
            loop {
                match operation::settle(&self.platform, &receipt).await.unwrap() {
                    Settlement::Ended(outcome) => return outcome,
                    Settlement::Pending { receipt: learned, .. } => receipt = *learned,
                    Settlement::Unfinished(learned) => receipt = *learned,
                    Settlement::Open(_) => {}
                }
                self.simulator.clock().advance(5.0);
            }
        };
        tokio::select! {
            outcome = work => outcome,
            () = passing => unreachable!("time does not end"),
        }
    }
}

fn warnings(plan: &Plan) -> String {
    let warned = |note: &&Note| matches!(note, Note::Warning(_));
    plan.notes.iter().filter(warned).map(Note::text).collect::<Vec<_>>().join("\n")
}

/// A quota may count instances, and not memory alone (`constraints/max_app_instances_policy.rb`).
#[tokio::test]
async fn a_quota_of_instances_is_said_before_it_refuses() {
    let place = tempfile::tempdir().unwrap();
    let bench = Bench::with(place.path(), ", instances = 3", "instances = 3", None).await;
    let plan = bench.plan(Operation::Restart, &[]).await;
    assert!(
        warnings(&plan).contains("space s allows 3 instances and 3 instances are in use"),
        "{plan:?}"
    );
    let outcome = bench.carry_out(plan).await;
    let words = "app_instance_limit space_app_instance_limit_exceeded for space s.";
    assert!(outcome.text().contains(words), "{outcome:?}");
    let bench = Bench::with(place.path(), ", instances = 9", "instances = 3", None).await;
    let plan = bench.plan(Operation::Restart, &[]).await;
    assert!(
        plan.capacity.iter().any(|line| line.contains("quota is enough (6 instances left)")),
        "{:?}",
        plan.capacity
    );
    done(&bench.carry_out(plan).await);
}

/// An image of a registry that wants a login is staged with the user that is named and the cf CLI's variable.
#[tokio::test]
async fn a_private_image_is_read_with_a_login() {
    let place = tempfile::tempdir().unwrap();
    let docker = "docker = \"private.example/web:1\"";
    let image = ("image", "private.example/web:2");
    let bench = Bench::with(place.path(), "", docker, None).await;
    let refused =
        bench.plan(Operation::Deploy, &[image, ("docker-username", "hana")]).await.refused;
    assert!(refused.unwrap().starts_with("CF_DOCKER_PASSWORD is not set"));
    let without = bench.plan(Operation::Deploy, &[image]).await;
    let outcome = bench.carry_out(without).await;
    assert!(
        matches!(&outcome, Outcome::Failed(why) if why.contains("StagingError")),
        "{outcome:?}"
    );

    let bench = Bench::with(place.path(), "", docker, Some("simulated")).await;
    let plan = bench.plan(Operation::Deploy, &[image, ("docker-username", "hana")]).await;
    assert!(!format!("{plan:?}").contains("simulated"), "{plan:?}");
    assert!(plan.by_hand[0].contains("--docker-username hana"), "{:?}", plan.by_hand);
    done(&bench.carry_out(plan).await);
    let next = bench.plan(Operation::Deploy, &[("image", "private.example/web:3")]).await;
    assert!(warnings(&next).contains("was read from its registry as hana"), "{next:?}");
}

/// A roll back makes what the buildpack brought the app's own, and the next one is refused for it: that is said before, and
/// what helps is said with the refusal.
#[tokio::test]
async fn sidecars_of_a_buildpack_stand_in_the_way_after_a_roll_back() {
    let place = tempfile::tempdir().unwrap();
    let app = "buildpack_sidecars = { agent = \"./agent\" }";
    let bench = Bench::with(place.path(), "", app, None).await;
    let first = bench.back_to("1").await;
    assert!(warnings(&first).contains("sidecars of the buildpack (agent)"), "{first:?}");
    done(&bench.carry_out(first).await);
    let second = bench.back_to("2").await;
    assert!(!warnings(&second).contains("of the buildpack"), "{second:?}");
    let outcome = bench.carry_out(second).await;
    let Outcome::Refused(why) = &outcome else { panic!("{outcome:?}") };
    assert!(why.contains("Buildpack defined sidecar 'agent' conflicts"), "{why}");
    assert!(why.contains("Delete the app's own first"), "{why}");
}
