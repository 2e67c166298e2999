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
    sync::lock,
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

/// How many resources one call describes, as the API allows.
const AT_ONCE: usize = 50;

impl Region {
    /// Learns of which services auto scaling is suspended. What cannot be told is left as it was known.
    pub(in crate::platform::ecs) async fn learn_suspended(
        &self,
        services: &[Service],
        paced: bool,
    ) {
        let resources: Vec<_> = services.iter().map(resource).collect();
        for some in resources.chunks(AT_ONCE) {
            if paced {
                self.connection.pace().wait("DescribeScalableTargets").await;
            }
            let body = json!({ "ServiceNamespace": "ecs", "ResourceIds": some, "ScalableDimension": DIMENSION });
            let told: Result<Value, Error> =
                self.connection.ask(Of::Scaling, "DescribeScalableTargets", &body).await;
            // Who may not see it is not asked about it again for each fifty.
            let Ok(told) = told else { return };
            let targets = told["ScalableTargets"].as_array().map(Vec::as_slice).unwrap_or_default();
            for one in some {
                let target = targets.iter().find(|target| target["ResourceId"] == one.as_str());
                let state = target.map(suspended).unwrap_or_default();
                self.note_suspended(one, &state);
            }
        }
    }

    /// Notes which parts of a service's scaling are suspended.
    pub(in crate::platform::ecs) fn note_suspended(&self, resource: &str, state: &Value) {
        let is = |part: &&&str| state[**part] == true;
        let mut all = lock(&self.suspended);
        match PARTS.iter().filter(is).count() {
            0 => all.remove(resource),
            whole if whole == PARTS.len() => {
                all.insert(resource.to_owned(), "auto scaling".to_owned())
            }
            _ => all.insert(resource.to_owned(), "part of auto scaling".to_owned()),
        };
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
