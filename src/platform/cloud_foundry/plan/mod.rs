//! Plans: what an operation would do, from data read now.

mod capacity;
mod deploy;
mod draft;
mod first_aid;
mod recipe;
mod roll_back;
mod rollout;
mod snapshot;

use snapshot::Snapshot;

use crate::{
    domain::{INSTANCE, Operation, Plan, Request, text::quoted},
    platform::{
        Error,
        cloud_foundry::{
            foundation::CloudFoundry,
            options::{NO_PAUSE, NOT_APPLIED, NOTHING_HELD},
        },
    },
};

/// Works out a plan.
pub(super) async fn make(foundation: &CloudFoundry, request: Request) -> Result<Plan, Error> {
    let snapshot = Snapshot::read(foundation, &request.app).await?;
    let mut plan = of_operation(foundation, &snapshot, request).await?;
    // What is copied into a shell must lead to the same foundation there.
    if let Some(home) = &foundation.own_home {
        let home = quoted(&home.display().to_string());
        for command in plan.by_hand.iter_mut().filter(|command| command.starts_with("cf ")) {
            command.insert_str(0, &format!("CF_HOME={home} "));
        }
    }
    Ok(plan)
}

async fn of_operation(
    foundation: &CloudFoundry,
    snapshot: &Snapshot,
    request: Request,
) -> Result<Plan, Error> {
    match request.operation.clone() {
        Operation::RollBack(goal) => roll_back::plan(foundation, snapshot, request, &goal).await,
        Operation::Deploy => deploy::plan(foundation, snapshot, request).await,
        Operation::Restart if request.options.get(INSTANCE.name).is_some() => {
            first_aid::restart_instance(foundation, snapshot, request).await
        }
        Operation::Scale => Ok(first_aid::scale(foundation, snapshot, request).await),
        Operation::Stop => Ok(first_aid::stop(snapshot, request)),
        Operation::Start => Ok(first_aid::start(foundation, snapshot, request).await),
        Operation::Restart => deploy::restart(foundation, snapshot, request).await,
        Operation::Cancel => rollout::cancel(foundation, snapshot, request).await,
        Operation::Continue => Ok(rollout::go_on(snapshot, request)),
        Operation::Pause => {
            Ok(draft::blank(snapshot, request, format!("PAUSE {}", snapshot.name)).refuse(NO_PAUSE))
        }
        Operation::Release => {
            Ok(draft::blank(snapshot, request, format!("RELEASE {}", snapshot.name))
                .refuse(NOTHING_HELD))
        }
        Operation::Reconcile => {
            Ok(draft::blank(snapshot, request, format!("RECONCILE {}", snapshot.name))
                .refuse(NOT_APPLIED))
        }
        Operation::EnableRevisions => Ok(rollout::enable_revisions(snapshot, request)),
    }
}
