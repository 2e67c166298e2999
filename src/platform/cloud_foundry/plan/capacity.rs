//! How an operation will run, and whether there is room for it.

use super::snapshot::Snapshot;
use crate::{
    domain::{Note, Plan, Strategy},
    platform::cloud_foundry::{foundation::CloudFoundry, model::wire, options::RolloutOptions},
};

/// What is needed on top of what there is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Need {
    pub(super) megabytes: u64,
    pub(super) instances: u64,
}

/// A limit that applies.
struct Limit {
    place: String,
    /// What is counted, as it stands behind a number.
    unit: &'static str,
    allowed: u64,
    used: u64,
}

impl Limit {
    fn free(&self) -> u64 {
        self.allowed.saturating_sub(self.used)
    }

    fn needed(&self, need: Need) -> u64 {
        if self.unit == MEGABYTES { need.megabytes } else { need.instances }
    }
}

const MEGABYTES: &str = "MB";
const INSTANCES: &str = "instances";

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
    let instances = u64::from(in_flight.min(wanted.max(1)));
    let need = Need { megabytes: newest.memory_in_mb * instances, instances };
    room(foundation, snapshot, need, plan).await;
    bulk(snapshot, plan);
}

/// Says whether there is room for so much more.
pub(super) async fn room(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    need: Need,
    plan: &mut Plan,
) {
    let limits = limits(foundation, &snapshot.app).await;
    let mut tight = false;
    for limit in limits.iter().filter(|limit| limit.free() < limit.needed(need)) {
        tight = true;
        let Limit { place, unit, allowed, used } = limit;
        plan.capacity.push(format!(
            "NOT ENOUGH ROOM: needs {} {unit} more, {place} has {} {unit} left",
            limit.needed(need),
            limit.free()
        ));
        plan.notes.push(Note::Warning(format!(
            "the platform will refuse this or stall: {place} allows {allowed} {unit} and {used} {unit} are in use"
        )));
    }
    if !tight {
        let least = |unit| limits.iter().filter(|one| one.unit == unit).map(Limit::free).min();
        let left: Vec<_> = [MEGABYTES, INSTANCES]
            .into_iter()
            .filter_map(|unit| Some(format!("{} {unit}", least(unit)?)))
            .collect();
        let room = if left.is_empty() {
            "no quota was found that limits it".to_owned()
        } else {
            format!("quota is enough ({} left)", left.join(" and "))
        };
        plan.capacity.push(format!("needs {} MB more on the way; {room}", need.megabytes));
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

/// The limits of the app's organization and space, as far as the login may see them.
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

async fn limit(foundation: &CloudFoundry, owner: &str, quota: &str, place: String) -> Vec<Limit> {
    let usage = format!("{owner}/usage_summary");
    let (quota, usage) = tokio::join!(
        foundation.http.get::<wire::Quota>(quota, &[]),
        foundation.http.get::<wire::Usage>(&usage, &[]),
    );
    let (Ok(quota), Ok(usage)) = (quota, usage) else { return Vec::new() };
    let place = crate::domain::text::clean(&place);
    let (apps, used) = (quota.apps, usage.usage_summary);
    let one = |unit, allowed: Option<u64>, used| {
        allowed.map(|allowed| Limit { place: place.clone(), unit, allowed, used })
    };
    [
        one(MEGABYTES, apps.total_memory_in_mb, used.memory_in_mb),
        one(INSTANCES, apps.total_instances, used.started_instances),
    ]
    .into_iter()
    .flatten()
    .collect()
}
