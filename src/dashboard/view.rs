//! How an operator left the deck, so that it is found like that again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Sort, State};
use crate::domain::{AppKey, Scope};

/// What is kept of the deck from one run to the next: what the operator has changed by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// How the apps are ordered.
    pub order: Option<Sort>,
    /// Whether only what is rolling or broken is listed.
    pub only_active: Option<bool>,
    /// How much is looked at.
    pub scope: Option<Scope>,
    /// The app that was selected last. It is selected again where nothing needs somebody more.
    pub app: Option<AppKey>,
    /// Apps that stand above others of their class.
    pub pinned: BTreeSet<AppKey>,
}

impl View {
    /// What has changed since `before`, over what is kept now.
    #[must_use]
    pub fn over(&self, before: &Self, present: Self) -> Self {
        let mut pinned = present.pinned;
        pinned.retain(|key| self.pinned.contains(key) || !before.pinned.contains(key));
        pinned.extend(self.pinned.difference(&before.pinned).cloned());
        let other = |changed: bool| changed.then_some(self);
        Self {
            order: other(self.order != before.order).map_or(present.order, |own| own.order),
            only_active: other(self.only_active != before.only_active)
                .map_or(present.only_active, |own| own.only_active),
            scope: other(self.scope != before.scope).map_or(present.scope, |own| own.scope.clone()),
            app: other(self.app != before.app).map_or(present.app, |own| own.app.clone()),
            pinned,
        }
    }
}

impl State {
    /// How the deck is left that began with these settings: what is still as it was then stays as it was kept before.
    pub fn view(&self, order: Sort, only_active: bool, scope: &Scope, before: &View) -> View {
        View {
            order: (self.sort != order).then_some(self.sort).or(before.order),
            only_active: (self.only_active != only_active)
                .then_some(self.only_active)
                .or(before.only_active),
            scope: (self.attention.scope != *scope)
                .then(|| self.attention.scope.clone())
                .or_else(|| before.scope.clone()),
            app: self.last.clone(),
            pinned: self.pinned.clone(),
        }
    }
}
