//! Plans: what an operation would do, from data read now.

mod around;
mod change;
mod deploy;
mod first_aid;
mod roll_back;
mod rollout;
mod snapshot;
mod warnings;

use self::snapshot::Snapshot;
use crate::domain::{INSTANCE, Operation, Plan, Recipe, Request};
use crate::platform::{
    Error,
    ecs::{options::NOT_APPLIED, read::convert::read_only, region::Region},
    operation,
};

/// Works out a plan.
pub(in crate::platform::ecs) async fn make(
    region: &Region,
    request: Request,
) -> Result<Plan, Error> {
    let snapshot = Snapshot::read(region, &request.app).await?;
    let name = snapshot.name().to_owned();
    let title = format!("{} {name}", request.operation.verb().words().to_uppercase());
    let mut plan = Plan::draft(request, name.clone(), title, (region.now)());
    plan.from = snapshot.deployed().map(|one| snapshot.end(one));
    let built = match plan.request.operation.clone() {
        ref operation if let Some(why) = forbidden(&snapshot, operation) => Err(why),
        Operation::RollBack(goal) => roll_back::plan(region, &snapshot, &mut plan, &goal).await?,
        Operation::Cancel => rollout::cancel(&snapshot, &mut plan),
        Operation::Continue => rollout::carry_on(&snapshot, &mut plan),
        Operation::Scale | Operation::Stop | Operation::Start => {
            first_aid::scale(region, &snapshot, &mut plan).await?
        }
        Operation::Restart if plan.request.options.get(INSTANCE.name).is_some() => {
            first_aid::stop_task(region, &snapshot, &mut plan).await?
        }
        Operation::Restart => Ok(deploy::restart(&snapshot, &mut plan)),
        Operation::Deploy => deploy::deploy(region, &snapshot, &mut plan).await?,
        Operation::Release => around::release(region, &snapshot, &mut plan).await?,
        Operation::Reconcile => Err(NOT_APPLIED.to_owned()),
        Operation::Pause => Err("Amazon ECS cannot hold a rollout where it is".to_owned()),
        Operation::EnableRevisions => Err("Amazon ECS keeps task definitions by itself".to_owned()),
    };
    // Of an Express service only what is under way can be stopped.
    let only_stops = snapshot.service.express();
    let built = built.and_then(|change| match read_only(&snapshot.service) {
        Some(why)
            if only_stops && !change.undoes && plan.request.operation != Operation::Continue =>
        {
            Err(format!("{name} cannot be changed here: {why}"))
        }
        _ => Ok(change),
    });
    let mut change = match built {
        Ok(change) => change,
        Err(why) => {
            return Ok(plan.refuse(why));
        }
    };
    let aid = change.tracking.scaled.is_some() || change.tracking.stopped.is_some();
    if !aid && !matches!(plan.request.operation, Operation::Continue | Operation::Release) {
        warnings::common(&snapshot, &mut plan, change.undoes);
        around::add(region, &snapshot, &mut plan, &mut change).await?;
    }
    plan.recipe = Some(Recipe {
        id: operation::new_id(),
        guard: snapshot.guard(),
        steps: change.steps,
        afterwards: change.afterwards,
        goal: change.goal,
        leaving: change.leaving,
        undoes: change.undoes,
        former: change.tracking.scaled.map(|(before, _)| before),
        rollout: change.rollout,
        tracking: change.tracking.json(),
    });
    Ok(plan)
}

/// Why a service cannot be changed so, in a sentence.
fn forbidden(snapshot: &Snapshot, operation: &Operation) -> Option<String> {
    let why = read_only(&snapshot.service)?;
    let stops =
        matches!(operation, Operation::Cancel | Operation::Continue | Operation::RollBack(_));
    if snapshot.service.express() && snapshot.live.is_some() && stops {
        return None;
    }
    Some(format!("{} cannot be changed here: {why}", snapshot.name()))
}
