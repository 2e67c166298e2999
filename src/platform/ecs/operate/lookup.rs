//! What steps have left behind, found by reading: for those whose answer was lost.

use serde_json::{Value, json};

use crate::domain::Receipt;
use crate::platform::{
    Error,
    ecs::{
        client::api::Service as Of,
        model::wire,
        operate::receipt::Action,
        read::{
            definition::{registrable, same},
            scaling::suspended,
        },
        region::Region,
    },
};

/// The task definition that a step registered, found by its content above the newest one that was there.
pub(in crate::platform::ecs) async fn find_registered(
    region: &Region,
    action: &Action,
) -> Result<Option<String>, Error> {
    let Action::Register { family, above, body } = action else { return Ok(None) };
    // It may have been deregistered since.
    for status in ["ACTIVE", "INACTIVE"] {
        let list =
            json!({ "familyPrefix": family, "status": status, "sort": "DESC", "maxResults": 10 });
        let page: wire::DefinitionArns =
            region.connection.ask(Of::Ecs, "ListTaskDefinitions", &list).await?;
        for arn in page.task_definition_arns {
            let number = wire::family(&arn).1.parse::<u64>().unwrap_or(0);
            if number > *above && same(&registrable(&region.definition(&arn).await?), body) {
                return Ok(Some(arn));
            }
        }
    }
    Ok(None)
}

/// The task definition that a step of this operation registered, where one did.
pub(in crate::platform::ecs) async fn registered_by(
    region: &Region,
    receipt: &Receipt,
) -> Result<Option<String>, Error> {
    for step in &receipt.recipe.steps {
        if let register @ Action::Register { .. } = region.read_own("the receipt", &step.action)? {
            return find_registered(region, &register).await;
        }
    }
    Ok(None)
}

/// Whether auto scaling is as a step wants it; `None` where the step is about something else, or nothing scales the service.
pub(in crate::platform::ecs) async fn scaled(
    region: &Region,
    action: &Value,
) -> Result<Option<bool>, Error> {
    let Action::Scaling { resource, state } = region.read_own("the receipt", action)? else {
        return Ok(None);
    };
    let target = region.scalable_of(&resource).await?;
    Ok(target.map(|target| suspended(&target) == state))
}
