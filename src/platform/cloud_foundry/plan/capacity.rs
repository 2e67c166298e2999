//! How an operation will run, and whether there is room for it.

use super::snapshot::Snapshot;
use crate::{
    domain::{Note, Plan, Strategy},
    platform::cloud_foundry::{foundation::CloudFoundry, model::wire, options::RolloutOptions},
};

/// A memory limit that applies.
struct Limit {
    place: String,
    allowed: u64,
    used: u64,
}

/// Says how a new deployment will run and what it needs.
pub(super) async fn describe(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    options: &RolloutOptions,
    plan: &mut Plan,
) {
    let web = snapshot.web();
    let Some(newest) = web.last() else { return };
    let (_, wanted) = Snapshot::running(&web);
    if snapshot.stopped() {
        plan.capacity.push(
            "the app is stopped: it starts at once, all instances at the same time".to_owned(),
        );
        plan.notes.push(Note::Warning("the app is stopped and will be started by this".to_owned()));
        return;
    }
    let in_flight = options.max_in_flight.unwrap_or(1);
    plan.capacity.push(match options.strategy {
        Strategy::Rolling => {
            format!("rolling, {in_flight} at a time: old instances serve until new ones are ready")
        }
        Strategy::Canary if options.steps.is_empty() => {
            "canary: one new instance beside the old ones, then it waits for you to continue"
                .to_owned()
        }
        Strategy::Canary => format!(
            "canary in {} steps, {in_flight} at a time; it waits for you after each",
            options.steps.len()
        ),
    });
    let needed = newest.memory_in_mb * u64::from(in_flight.min(wanted.max(1)));
    room(foundation, snapshot, needed, plan).await;
    bulk(snapshot, plan);
}

/// Says whether there is room for so many megabytes more.
pub(super) async fn room(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    needed: u64,
    plan: &mut Plan,
) {
    let limits = limits(foundation, &snapshot.app).await;
    let mut tight = false;
    for limit in &limits {
        let free = limit.allowed.saturating_sub(limit.used);
        if free < needed {
            tight = true;
            plan.capacity.push(format!(
                "NOT ENOUGH ROOM: needs {needed} MB more, {} has {free} MB left",
                limit.place
            ));
            plan.notes.push(Note::Warning(format!(
                "the platform will refuse this or stall: {} allows {} MB and {} MB are in use",
                limit.place, limit.allowed, limit.used
            )));
        }
    }
    if !tight {
        let room = match limits.iter().map(|limit| limit.allowed.saturating_sub(limit.used)).min() {
            Some(free) => format!("quota is enough ({free} MB left)"),
            None => "no quota was found that limits it".to_owned(),
        };
        plan.capacity.push(format!("needs {needed} MB more on the way; {room}"));
    }
}

/// Warns of processes that restart all at once.
pub(super) fn bulk(snapshot: &Snapshot, plan: &mut Plan) {
    let others: Vec<_> = snapshot
        .processes
        .iter()
        .filter(|process| process.kind != "web" && process.instances > 0)
        .map(|process| {
            format!("{} ({})", crate::domain::text::clean(&process.kind), process.instances)
        })
        .collect();
    if !others.is_empty() {
        plan.notes
            .push(Note::Warning(format!("{} restart all at once at the end", others.join(", "))));
    }
}

/// The memory limits of the app's organization and space, as far as the login may see them.
async fn limits(foundation: &CloudFoundry, app: &wire::App) -> Vec<Limit> {
    let mut limits = Vec::new();
    let Some(space) = app.relationships.space.guid() else { return limits };
    let path = format!("/v3/spaces/{space}");
    let Ok(space) = foundation.http.get::<wire::Named>(&path, &[]).await else { return limits };
    if let Some(quota) = space.relationships.quota.guid() {
        limits.extend(
            limit(
                foundation,
                &path,
                &format!("/v3/space_quotas/{quota}"),
                format!("space {}", space.name),
            )
            .await,
        );
    }
    let Some(org) = space.relationships.organization.guid() else { return limits };
    let path = format!("/v3/organizations/{org}");
    let Ok(org) = foundation.http.get::<wire::Named>(&path, &[]).await else { return limits };
    if let Some(quota) = org.relationships.quota.guid() {
        limits.extend(
            limit(
                foundation,
                &path,
                &format!("/v3/organization_quotas/{quota}"),
                format!("organization {}", org.name),
            )
            .await,
        );
    }
    limits
}

async fn limit(
    foundation: &CloudFoundry,
    owner: &str,
    quota: &str,
    place: String,
) -> Option<Limit> {
    let usage = format!("{owner}/usage_summary");
    let (quota, usage) = tokio::join!(
        foundation.http.get::<wire::Quota>(quota, &[]),
        foundation.http.get::<wire::Usage>(&usage, &[]),
    );
    let (allowed, used) =
        (quota.ok()?.apps.total_memory_in_mb?, usage.ok()?.usage_summary.memory_in_mb);
    Some(Limit { place: crate::domain::text::clean(&place), allowed, used })
}
