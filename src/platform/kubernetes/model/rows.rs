//! The Pods of a workload as instances, and how they are asked for.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::wire::Container;
use crate::domain::{AppId, InstanceReading};

/// The Pods of a workload as instances, without figures.
#[derive(Clone, Debug)]
pub(in crate::platform::kubernetes) struct Rows {
    pub(in crate::platform::kubernetes) namespace: String,
    pub(in crate::platform::kubernetes) selector: String,
    pub(in crate::platform::kubernetes) instances: Vec<InstanceReading>,
    /// The containers of each, without those that prepare it or run beside them, by the Pod's name.
    pub(in crate::platform::kubernetes) containers: HashMap<String, Vec<Container>>,
    /// What tells a Pod from another one of its name.
    pub(in crate::platform::kubernetes) uids: HashMap<String, String>,
}

/// A question to who watches the Pods of a workload anyway.
pub(in crate::platform::kubernetes) struct RowsAsked {
    pub(in crate::platform::kubernetes) app: AppId,
    /// Answered with nothing where its Pods are not watched.
    pub(in crate::platform::kubernetes) answer: oneshot::Sender<Option<Rows>>,
}
