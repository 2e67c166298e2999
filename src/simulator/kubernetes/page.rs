//! Lists in pages: `limit` and `continue`, in the order of names.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{error::ApiError, resources::Kind, selector::Selector, store::Store};

/// Some of a list.
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    /// The revision that the whole list stands for: that of its first page.
    pub(super) revision: u64,
    /// Where the next one begins, if there is one.
    pub(super) next: Option<String>,
}

/// Where a page begins: after an object, in a list that stands for a revision.
struct Mark {
    revision: u64,
    after: (String, String),
}

impl Mark {
    fn write(&self) -> String {
        let (namespace, name) = &self.after;
        let text = json!({ "rv": self.revision, "namespace": namespace, "name": name }).to_string();
        BASE64_URL_SAFE_NO_PAD.encode(text)
    }

    fn read(token: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let mark: Value = serde_json::from_slice(&bytes).ok()?;
        let text = |field: &str| mark[field].as_str().map(str::to_owned);
        Some(Self { revision: mark["rv"].as_u64()?, after: (text("namespace")?, text("name")?) })
    }
}

/// The page of a list that a query asks for.
pub(super) fn read(
    store: &Store,
    (kind, namespace): (Kind, Option<&str>),
    selector: &Selector,
    query: &BTreeMap<String, String>,
    forgotten: bool,
) -> Result<Page, ApiError> {
    let asked = |name: &str| query.get(name).map_or("", String::as_str);
    let limit = asked("limit").parse().ok().filter(|limit| *limit > 0);
    // What may be of any age comes from a cache, which has no pages.
    let limit = limit.filter(|_| asked("resourceVersion") != "0").unwrap_or(usize::MAX);
    let mark = match asked("continue") {
        "" => None,
        token => Some(Mark::read(token).ok_or_else(|| {
            ApiError::new(400, "BadRequest", "continue key is not valid: it cannot be read")
        })?),
    };
    if let Some(mark) = &mark
        && (forgotten || store.since(mark.revision).is_none())
    {
        return Err(ApiError::new(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
        ));
    }
    let mut items = Vec::new();
    let mut last = None;
    let mut next = None;
    let revision = mark.as_ref().map_or_else(|| store.revision(), |mark| mark.revision);
    for (key, object) in store.list(kind, namespace) {
        let place = || (key.namespace.clone(), key.name.clone());
        if mark.as_ref().is_some_and(|mark| place() <= mark.after) || !selector.matches(object) {
            continue;
        }
        if items.len() == limit {
            next = last.map(|after| Mark { revision, after }.write());
            break;
        }
        items.push((**object).clone());
        last = Some(place());
    }
    Ok(Page { items, revision, next })
}
