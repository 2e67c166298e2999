//! The contract under what may hold of a platform for as long as one looks: who has logged in, which version answers, what
//! is broken or in between; with the time limits as they are shipped, on time that stands still.

use std::{cell::Cell, time::Duration};

use async_trait::async_trait;
use revdeck::{
    domain::{Operation, Outcome, RollBackTo},
    platform::operation::Sent,
};

#[cfg(feature = "ecs")]
use crate::ecs;
#[cfg(feature = "kubernetes")]
use crate::kubernetes;
use crate::{
    cloud_foundry, faults,
    harness::{Deck, Fixture, Harness, Role},
    operations, reading, watching,
};

/// As it is shipped.
const SHIPPED: Duration = revdeck::platform::http::TIMEOUT;

/// Promises, one after the other, each in a world of its own.
macro_rules! keep {
    ($harness:expr; $($module:ident: $($name:ident),+;)+) => {{
        let harness = Paused($harness);
        $($($module::$name(&harness).await;)+)+
    }};
}

/// Everything that only looks, and depends on nobody's knowing what runs.
macro_rules! keep_looking {
    ($harness:expr) => {
        keep!($harness;
            reading: revisions_come_newest_first, one_app_by_name, unknown_names_are_refused_in_a_sentence,
                events_and_logs_are_clean;
            operations: a_plan_sends_nothing;
            watching: the_watch_recovers_and_keeps_what_it_had, the_watch_sends_only_changes;
            faults: reads_survive_or_say_why;
        )
    };
}

/// Everything but what names the same revision again: a supporter's roll back brings a new one.
macro_rules! keep_most {
    ($harness:expr) => {{
        keep_looking!($harness);
        keep!($harness;
            reading: apps_are_listed_with_their_condition, details_differ;
            operations: a_chosen_revision_is_rolled_back, a_restart_replaces_all, a_canary_goes_on, a_newer_rollout_supersedes, what_cannot_be_is_refused,
                a_changed_world_refuses_the_plan, taken_back_is_failed;
            watching: the_watch_follows_a_rollout_to_its_end;
            faults: a_lost_answer_is_settled_by_reading, a_lost_request_is_known_to_be_lost, refusals_change_nothing,
                a_slow_platform_is_waited_for, tokens_are_renewed;
        );
    }};
}

/// Everything.
macro_rules! keep_all {
    ($harness:expr) => {{
        keep_most!($harness);
        keep!($harness;
            operations: the_stuck_rollout_is_rolled_back, a_rollout_is_cancelled, a_cancelled_roll_back_is_repeated,
                a_rollout_of_somebody_else_is_followed;
        );
    }};
}

/// A login that may not change anything is refused by name, and nothing is changed.
async fn what_is_forbidden_is_refused_by_name(harness: &dyn Harness) {
    for operation in [Operation::Restart, Operation::RollBack(RollBackTo::LastGood)] {
        let deck = Deck::open(harness).await;
        let before = deck.app(Role::Healthy).await;
        let plan = deck.plan(Role::Healthy, operation).await;
        let why = match plan.refused.clone() {
            Some(why) => why,
            None => match deck.execute(plan).await {
                Sent::Ended(Outcome::Refused(why)) => why,
                other => panic!("it went through: {other:?}"),
            },
        };
        let named = ["not authorized", "forbidden", "may not"];
        assert!(named.iter().any(|word| why.contains(word)), "{why}");
        deck.fixture.pass(60.0);
        assert_eq!(deck.app(Role::Healthy).await.deployed, before.deployed);
    }
}

fn foundation(standing: &'static str) -> cloud_foundry::Simulated {
    cloud_foundry::Simulated { standing, timeout: SHIPPED }
}

#[tokio::test]
async fn a_developer_may_all() {
    keep_all!(foundation("role=developer"));
}

/// `permissions.rb`: may manage apps, may not read the environment of revisions. Whether that of a cancelled roll back is
/// the same is then known to the server alone, which refuses to repeat it (`revision_resolver.rb`) in its own words.
#[tokio::test]
async fn a_supporter_may_most() {
    let supporter = || foundation("role=supporter");
    keep_most!(supporter());
    keep!(supporter(); operations: a_rollout_is_cancelled, a_rollout_of_somebody_else_is_followed;);
    let deck = Deck::open(&supporter()).await;
    let app = deck.app(Role::CancelledRollBack).await;
    let history = deck.platform.revisions(&app.id).await.unwrap();
    let at = history.revisions.iter().position(|one| one.deployed).unwrap();
    let wanted = RollBackTo::Revision(history.revisions[at + 1].id.clone());
    let outcome = deck.carry_out(Role::CancelledRollBack, Operation::RollBack(wanted)).await;
    assert!(
        matches!(&outcome, Outcome::Refused(why) if why.contains("is the same as the deployed revision")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_auditor_and_a_manager_may_look() {
    for standing in ["role=auditor", "role=manager"] {
        keep_looking!(foundation(standing));
        keep!(foundation(standing); reading: apps_are_listed_with_their_condition;);
        what_is_forbidden_is_refused_by_name(&Paused(foundation(standing))).await;
    }
}

/// Before 3.211 no list tells of instances.
#[tokio::test]
async fn api_3_195_is_enough() {
    keep_all!(foundation("api=3.195"));
}

/// Before canaries and options of deployments.
#[tokio::test]
async fn api_3_99_is_enough() {
    keep_all!(foundation("api=3.99"));
}

#[tokio::test]
async fn api_3_228_is_what_is_there_today() {
    keep_all!(foundation("api=3.228"));
}

/// Without Diego's BBS nobody knows of instances; the rest answers.
#[tokio::test]
async fn without_the_runtime_the_rest_is_kept() {
    keep_looking!(foundation("diego"));
}

#[cfg(feature = "ecs")]
fn region(standing: &'static str) -> ecs::Simulated {
    ecs::Simulated { standing, timeout: SHIPPED }
}

/// "The result of an API command you run that affects your Amazon ECS resources might not be immediately visible to all
/// subsequent commands you run" (API reference, `RunTask`).
#[cfg(feature = "ecs")]
#[tokio::test]
async fn what_is_seen_late_is_waited_for() {
    keep_all!(region("stale=4s"));
}

/// Every operation of the API may be refused by itself.
#[cfg(feature = "ecs")]
#[tokio::test]
async fn who_may_not_change_a_region_may_look() {
    keep_looking!(region("403@POST:/"));
    keep!(region("403@POST:/"); reading: apps_are_listed_with_their_condition;);
    what_is_forbidden_is_refused_by_name(&Paused(region("403@POST:/"))).await;
}

/// Emulators and older policies know nothing of service deployments: `deployments[]` are what is left.
#[cfg(feature = "ecs")]
#[tokio::test]
async fn without_service_deployments_most_is_kept() {
    let without = || {
        region(
            "403@GET:/ListServiceDeployments,403@GET:/DescribeServiceDeployments,403@GET:/DescribeServiceRevisions",
        )
    };
    keep_looking!(without());
    keep!(without(); operations: a_chosen_revision_is_rolled_back, a_restart_replaces_all, a_newer_rollout_supersedes,
        what_cannot_be_is_refused, a_changed_world_refuses_the_plan;);
}

/// Calls that break hide only what they tell; what became of a deployment that was replaced is unknown then.
#[cfg(feature = "ecs")]
#[tokio::test]
async fn while_service_deployments_break_the_rest_is_kept() {
    let broken = || {
        region(
            "500@GET:/ListServiceDeployments,500@GET:/DescribeServiceDeployments,500@GET:/DescribeServiceRevisions",
        )
    };
    keep_looking!(broken());
    keep!(broken(); operations: a_chosen_revision_is_rolled_back, a_restart_replaces_all, what_cannot_be_is_refused,
        a_changed_world_refuses_the_plan;);
}

#[cfg(feature = "kubernetes")]
fn cluster(standing: &'static str) -> kubernetes::Simulated {
    kubernetes::Simulated { standing, context: None, timeout: SHIPPED }
}

/// Who knows one namespace may do everything there.
#[cfg(feature = "kubernetes")]
#[tokio::test]
async fn a_tenant_may_all_at_home() {
    keep_all!(kubernetes::Simulated { context: Some("tenant"), ..cluster("") });
}

#[cfg(feature = "kubernetes")]
#[tokio::test]
async fn a_viewer_may_look() {
    let viewer = || kubernetes::Simulated { context: Some("viewer"), ..cluster("") };
    keep_looking!(viewer());
    keep!(viewer(); reading: apps_are_listed_with_their_condition;);
    what_is_forbidden_is_refused_by_name(&Paused(viewer())).await;
}

/// Admission puts digests in the place of tags: going back makes a template that was not there before, under a new number.
#[cfg(feature = "kubernetes")]
#[tokio::test]
async fn under_admission_most_is_kept() {
    let changed = || cluster("admission=digests");
    keep_looking!(changed());
    keep!(changed();
        operations: a_canary_goes_on, a_newer_rollout_supersedes, what_cannot_be_is_refused,
            a_changed_world_refuses_the_plan;
        watching: the_watch_follows_a_rollout_to_its_end;
        faults: a_lost_answer_is_settled_by_reading, a_lost_request_is_known_to_be_lost, refusals_change_nothing;
    );
}

/// A conversion webhook that is down takes one kind away, and a proxy in between ends every watch soon.
#[cfg(feature = "kubernetes")]
#[tokio::test]
async fn without_an_aggregated_kind_and_with_short_watches_all_is_kept() {
    keep_all!(cluster("503@GET:/apis/argoproj.io,watch=20s"));
}

/// A harness with the time limits as they are shipped, whose worlds begin to stand still once the login stands: from then on
/// the time of the runtime, which the simulator and the adapter share, goes on by what is waited for.
struct Paused<H>(H);

thread_local! {
    /// Whether time stands still in the runtime of this test.
    static PAUSED: Cell<bool> = const { Cell::new(false) };
}

#[async_trait]
impl<H: Harness> Harness for Paused<H> {
    async fn start(&self) -> Box<dyn Fixture> {
        if PAUSED.replace(true) {
            tokio::time::resume();
        }
        let fixture = self.0.start().await;
        fixture.platform().capabilities().await.unwrap();
        tokio::time::pause();
        fixture
    }
}

#[cfg(feature = "kubernetes")]
#[tokio::test]
async fn a_cluster_within_the_shipped_time_limits() {
    keep_all!(cluster(""));
}
