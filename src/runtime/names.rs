//! The names of the apps that were read last, so that a shell can complete them without a request.

use std::{collections::BTreeMap, fs, path::Path};

use super::{files, journal::Journal};
use crate::domain::App;

const FILE: &str = "names";

/// Keeps the names of these apps in place of those before: each as it is typed, with its scope where the name alone would
/// be several. That they cannot be kept is no reason to trouble anybody.
pub(super) fn keep<'a>(journal: &Journal, apps: impl Iterator<Item = &'a App> + Clone) {
    let Some(directory) = journal.beside() else { return };
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for app in apps.clone() {
        *count.entry(&app.name).or_default() += 1;
    }
    let mut names: Vec<_> = apps
        .map(|app| match count.get(app.name.as_str()) {
            Some(1) => app.name.clone(),
            _ => format!("{}/{}", app.scope, app.name),
        })
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return;
    }
    if let Err(error) = files::replace(&directory.join(FILE), &(names.join("\n") + "\n")) {
        tracing::warn!(%error, "the names of the apps cannot be kept");
    }
}

/// The names that are kept in a state directory; none where nothing was read yet.
pub fn kept(state: &Path) -> Vec<String> {
    let text = fs::read_to_string(state.join(FILE)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
