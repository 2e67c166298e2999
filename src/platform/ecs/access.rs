//! What can be done with a service, as far as it is known.

use super::{
    model::wire::{Service, last},
    options::NOT_APPLIED,
    read::convert::read_only,
    region::Region,
};
use crate::domain::{Capabilities, Verb};

impl Region {
    /// What can be done at all.
    pub(in crate::platform::ecs) fn capabilities() -> Capabilities {
        Capabilities::all()
            .without(Verb::Reconcile, NOT_APPLIED)
            .without(Verb::Pause, "Amazon ECS cannot hold a rollout where it is")
            .without(Verb::EnableRevisions, "Amazon ECS keeps task definitions by itself")
    }

    /// The same for one service. What the login may not do is known only once it was refused.
    pub(in crate::platform::ecs) fn allowed(&self, service: &Service) -> Capabilities {
        if let Some(why) = read_only(service) {
            let verbs = [
                Verb::RollBack,
                Verb::Deploy,
                Verb::Cancel,
                Verb::Continue,
                Verb::Restart,
                Verb::Scale,
                Verb::Stop,
                Verb::Start,
            ];
            let stops = [Verb::RollBack, Verb::Cancel, Verb::Continue];
            let under_way = service.express() && service.deployments.len() > 1;
            return verbs
                .into_iter()
                .filter(|verb| !(under_way && stops.contains(verb)))
                .fold(Self::capabilities(), |all, verb| all.without(verb, why.clone()));
        }
        let still = service.deployments.len() < 2;
        let needs = [
            (Verb::Deploy, "UpdateService"),
            (Verb::Restart, "UpdateService"),
            (Verb::Scale, "UpdateService"),
            (Verb::Stop, "UpdateService"),
            (Verb::Start, "UpdateService"),
            (Verb::RollBack, if still { "UpdateService" } else { "StopServiceDeployment" }),
            (Verb::Cancel, "StopServiceDeployment"),
            (Verb::Continue, "ContinueServiceDeployment"),
        ];
        let cluster = last(&service.cluster_arn);
        needs.into_iter().fold(Self::capabilities(), |all, (verb, operation)| {
            if !self.connection.denied(operation, cluster) {
                return all;
            }
            let why = format!("this login lacks the permission ecs:{operation} there");
            all.without(verb, why)
        })
    }
}
