//! What an operation would do, worked out from the branch as it is now, with the commit made and not yet sent.

mod branch;
mod change;
mod cluster;
pub(super) mod options;

use crate::domain::{Operation, Plan, Request};
use crate::platform::{Error, gitops::Repository};

/// Works a plan out.
pub(in crate::platform::gitops) async fn make(
    repository: &Repository,
    request: Request,
) -> Result<Plan, Error> {
    let view = repository.look(true).await?;
    let entry = repository.entry(&view, &request.app)?.clone();
    let now = (repository.now)();
    let title = format!("{} {}", request.operation.verb().words().to_uppercase(), entry.name);
    let operation = request.operation.clone();
    let plan = Plan::draft(request, entry.name.clone(), title, now);
    let draft = Draft { repository, view: &view, entry: &entry, plan };
    Ok(match operation {
        Operation::RollBack(to) => draft.roll_back(&to).await?,
        Operation::Deploy => draft.deploy().await?,
        Operation::Release => draft.release().await?,
        Operation::Cancel => draft.cancel(),
        Operation::Continue => draft.carry_on(),
        Operation::Pause => draft.pause(),
        Operation::Reconcile => draft.reconcile(),
        Operation::Restart => draft.refuse(RESTART),
        Operation::EnableRevisions => draft.refuse(ENABLE),
    })
}

pub(in crate::platform::gitops) const RESTART: &str =
    "git holds no restart; restart it on the cluster's target";
pub(in crate::platform::gitops) const ENABLE: &str = "git keeps every revision by itself";

/// A plan that is being worked out.
struct Draft<'a> {
    repository: &'a Repository,
    view: &'a crate::platform::gitops::read::apps::View,
    entry: &'a crate::platform::gitops::read::snapshot::Entry,
    plan: Plan,
}

impl Draft<'_> {
    fn refuse(mut self, why: impl Into<String>) -> Plan {
        self.plan.refused = Some(why.into());
        self.plan.recipe = None;
        self.plan
    }
}
