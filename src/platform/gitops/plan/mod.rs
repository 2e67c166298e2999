//! What an operation would do, worked out from the branch as it is now, with the commit made and not yet sent.

mod branch;
mod change;
mod cluster;
mod places;
mod release;

use crate::domain::{Note, Operation, Plan, Request};
use crate::platform::{
    Error,
    gitops::{
        options::{ENABLE, NUMBER, RESTART},
        repository::Repository,
    },
};

/// Works a plan out.
pub(in crate::platform::gitops) async fn make(
    repository: &Repository,
    request: Request,
) -> Result<Plan, Error> {
    let view = repository.look_at(true, false).await?;
    let entry = repository.entry(&view, &request.app)?.clone();
    let now = (repository.now)();
    let title = format!("{} {}", request.operation.verb().words().to_uppercase(), entry.name);
    let operation = request.operation.clone();
    let mut plan = Plan::draft(request, entry.name.clone(), title, now);
    let (cluster, forge) = repository.problems();
    if let Some(why) = cluster {
        let known = if view.seen.is_some() { "as it was seen before" } else { "not known" };
        let text = format!("the cluster cannot be read, so that what runs is {known}: {why}");
        plan.notes.push(Note::Warning(text));
    }
    if let Some(why) = forge {
        plan.notes.push(Note::Warning(format!("pull requests cannot be read: {why}")));
    }
    let draft = Draft { repository, view: &view, entry: &entry, plan };
    Ok(match operation {
        Operation::RollBack(to) => draft.roll_back(&to).await?,
        Operation::Deploy => draft.deploy().await?,
        Operation::Release => draft.release().await?,
        Operation::Cancel => draft.cancel(),
        Operation::Continue => draft.carry_on().await,
        Operation::Pause => draft.pause(),
        Operation::Reconcile => draft.reconcile(),
        Operation::Restart => draft.refuse(RESTART),
        Operation::Scale | Operation::Stop | Operation::Start => draft.refuse(NUMBER),
        Operation::EnableRevisions => draft.refuse(ENABLE),
    })
}

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
