//! One contract for every platform: what an adapter promises through the port, held against its simulator over real
//! HTTP. It is written against the port; an adapter brings a [`harness::Harness`] and passes it as it stands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

#[cfg(feature = "kubernetes")]
mod argo;
#[cfg(feature = "gitops")]
mod clones;
mod cloud_foundry;
mod conditions;
#[cfg(feature = "kubernetes")]
mod converge;
#[cfg(feature = "ecs")]
mod ecs;
mod faults;
mod first_aid;
mod foundations;
#[cfg(feature = "gitops")]
mod gitops;
mod harness;
#[cfg(feature = "kubernetes")]
mod kubernetes;
#[cfg(feature = "gitops")]
mod kustomize;
#[cfg(feature = "kubernetes")]
mod logins;
mod logs;
mod operations;
#[cfg(feature = "gitops")]
mod pushes;
mod reading;
#[cfg(feature = "kubernetes")]
mod referee;
mod releases;
#[cfg(feature = "kubernetes")]
mod rights;
#[path = "../tty/screen.rs"]
#[allow(dead_code, reason = "the tests of the terminal use the rest")]
mod screen;
#[cfg(feature = "kubernetes")]
#[path = "../support/skipped.rs"]
mod skipped;
mod toy;
#[cfg(feature = "kubernetes")]
mod transport;
mod verdicts;
mod watching;
#[cfg(feature = "kubernetes")]
mod workloads;

/// Runs every promise against a harness.
macro_rules! contract {
    ($harness:expr) => {
        crate::promises!($harness;
            reading: apps_are_listed_with_their_condition, revisions_come_newest_first, one_app_by_name, details_differ,
                unknown_names_are_refused_in_a_sentence, events_and_logs_are_clean, instances_stand_on_their_side,
                an_open_page_of_instances_is_sparing;
            operations: the_stuck_rollout_is_rolled_back, a_chosen_revision_is_rolled_back, a_restart_replaces_all,
                a_rollout_is_cancelled, a_canary_goes_on, a_newer_rollout_supersedes, what_cannot_be_is_refused,
                a_changed_world_refuses_the_plan, a_cancelled_roll_back_is_repeated, taken_back_is_failed,
                a_rollout_of_somebody_else_is_followed, every_rollout_is_followed, a_plan_sends_nothing;
            first_aid: an_app_is_scaled, an_app_is_stopped_and_started, one_instance_is_started_anew,
                a_shell_leads_into_an_instance,
                a_lost_scale_is_settled_by_reading;
            logs: a_log_is_followed_line_by_line;
            watching: the_watch_follows_a_rollout_to_its_end, the_watch_recovers_and_keeps_what_it_had,
                the_watch_sends_only_changes, the_scope_can_be_widened;
            faults: reads_survive_or_say_why, a_lost_answer_is_settled_by_reading, a_lost_request_is_known_to_be_lost,
                refusals_change_nothing, a_slow_platform_is_waited_for, tokens_are_renewed;
        );
    };
}

/// A test for each promise, by module.
#[macro_export]
macro_rules! promises {
    ($harness:expr; $($module:ident: $($name:ident),+;)+) => {
        $($(
            #[tokio::test]
            async fn $name() {
                $crate::$module::$name(&$harness).await;
            }
        )+)+
    };
}

pub(crate) use contract;
