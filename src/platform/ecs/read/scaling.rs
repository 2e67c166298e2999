//! Application Auto Scaling, as far as it moves the number of a service's tasks:
//! <https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html>.

use serde_json::{Value, json};

use crate::platform::{
    Error,
    ecs::{
        client::api::Service as Of,
        model::wire::{Service, last},
        region::Region,
    },
};

/// What Application Auto Scaling calls the number of tasks.
pub(in crate::platform::ecs) const DIMENSION: &str = "ecs:service:DesiredCount";

/// The parts of scaling that can be suspended.
pub(in crate::platform::ecs) const PARTS: [&str; 3] =
    ["DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"];

impl Region {
    /// The scalable target of a service; `None` where nothing scales it.
    pub(in crate::platform::ecs) async fn scalable(
        &self,
        service: &Service,
    ) -> Result<Option<Value>, Error> {
        self.scalable_of(&resource(service)).await
    }

    pub(in crate::platform::ecs) async fn scalable_of(
        &self,
        resource: &str,
    ) -> Result<Option<Value>, Error> {
        let body = json!({ "ServiceNamespace": "ecs", "ResourceIds": [resource], "ScalableDimension": DIMENSION });
        let told: Value =
            self.connection.ask(Of::Scaling, "DescribeScalableTargets", &body).await?;
        Ok(told["ScalableTargets"].as_array().and_then(|all| all.first()).cloned())
    }
}

/// What a service is called there.
pub(in crate::platform::ecs) fn resource(service: &Service) -> String {
    format!("service/{}/{}", last(&service.cluster_arn), service.service_name)
}

/// The body of the call that suspends or releases.
pub(in crate::platform::ecs) fn scaling_body(resource: &str, state: &Value) -> Value {
    json!({ "ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": DIMENSION, "SuspendedState": state })
}

/// A state in which all parts are suspended, or none.
pub(in crate::platform::ecs) fn state(suspended: bool) -> Value {
    let parts = PARTS.iter().map(|part| ((*part).to_owned(), json!(suspended)));
    Value::Object(parts.collect())
}

/// Which parts of a scalable target are suspended.
pub(in crate::platform::ecs) fn suspended(target: &Value) -> Value {
    let is = |part: &str| json!(target["SuspendedState"][part] == true);
    Value::Object(PARTS.iter().map(|part| ((*part).to_owned(), is(part))).collect())
}
