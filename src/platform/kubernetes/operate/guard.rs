//! What a plan stands on, and what of that has changed since.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    domain::text::clean,
    platform::kubernetes::model::wire::{Template, hash},
};

/// What a plan stands on. Scaling and annotations move an object's generation and do not matter.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(in crate::platform::kubernetes) struct Guard {
    pub(in crate::platform::kubernetes) path: String,
    pub(in crate::platform::kubernetes) uid: String,
    /// The Pod template, by its hash.
    template: u64,
    paused: bool,
    /// How Pods are replaced, by its hash: a partition that was lowered since lets all of them roll.
    strategy: u64,
}

impl Guard {
    /// That of an object as the server sends it.
    pub(in crate::platform::kubernetes) fn of(path: &str, object: &Value) -> Self {
        Self {
            path: path.to_owned(),
            uid: object["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            template: Template::read(object["spec"]["template"].clone()).hash,
            paused: object["spec"]["paused"] == true,
            strategy: hash(&json!([object["spec"]["strategy"], object["spec"]["updateStrategy"]])),
        }
    }

    /// What of an object is not as it was, in a clause.
    pub(in crate::platform::kubernetes) fn difference(&self, now: &Value) -> Option<String> {
        let own = Self::of(&self.path, now);
        let who = || by_whom(now);
        match () {
            () if own.uid != self.uid => Some("it was deleted and made anew".to_owned()),
            () if own.template != self.template => {
                Some(format!("{} has changed its template", who()))
            }
            () if own.strategy != self.strategy => {
                Some(format!("{} has changed how its Pods are replaced", who()))
            }
            () if own.paused && !self.paused => Some(format!("{} has paused it", who())),
            () if self.paused && !own.paused => Some(format!("{} has let it go on", who())),
            () => None,
        }
    }
}

/// Who changed an object last.
pub(super) fn by_whom(now: &Value) -> String {
    let managers = now["metadata"]["managedFields"].as_array();
    let theirs = managers
        .into_iter()
        .flatten()
        .filter(|one| one["subresource"].as_str().is_none_or(str::is_empty));
    let last = theirs.max_by_key(|one| one["time"].as_str().unwrap_or_default().to_owned());
    last.and_then(|one| one["manager"].as_str()).map_or_else(|| "somebody".to_owned(), clean)
}
