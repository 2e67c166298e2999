//! How the deck was left, in a file beside the journal: one view for each set of targets.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{files, journal::Journal};
use crate::{dashboard::view::View, domain::TargetId};

/// So many sets of targets are kept, those that were used last.
const KEPT: usize = 50;

fn name<'a>(targets: impl Iterator<Item = &'a TargetId>) -> String {
    let mut targets: Vec<_> = targets.map(TargetId::as_str).collect();
    targets.sort_unstable();
    targets.join(" ")
}

fn file(journal: &Journal) -> Option<PathBuf> {
    journal.beside().map(|directory| directory.join("views.json"))
}

/// The views that are kept, by the names of their targets. One that cannot be read is kept as it is.
fn read(journal: &Journal) -> Vec<(String, Value)> {
    let text = file(journal).and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// How the deck of these targets was left.
pub fn kept<'a>(journal: &Journal, targets: impl Iterator<Item = &'a TargetId>) -> Option<View> {
    let name = name(targets);
    let found = read(journal).into_iter().find(|(of, _)| *of == name);
    found.and_then(|(_, view)| serde_json::from_value(view).ok())
}

/// Keeps what has changed between `before` and `after`, over what another program may have kept meanwhile. That it cannot
/// be kept is no reason to trouble anybody.
pub(super) fn keep<'a>(
    journal: &Journal,
    targets: impl Iterator<Item = &'a TargetId> + Clone,
    before: &View,
    after: &View,
) {
    let present = kept(journal, targets.clone()).unwrap_or_default();
    let name = name(targets);
    let mut views = read(journal);
    views.retain(|(of, _)| *of != name);
    views.insert(0, (name, json!(after.over(before, present))));
    views.truncate(KEPT);
    if let Some(file) = file(journal)
        && let Err(error) = files::replace(&file, &json!(views).to_string())
    {
        tracing::warn!(%error, "how the deck was left cannot be kept");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::{
        dashboard::Sort,
        domain::{AppId, AppKey, Scope},
    };

    #[test]
    fn each_set_of_targets_has_a_view_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let now: crate::platform::Now = Arc::new(|| Timestamp::UNIX_EPOCH);
        let journal = Journal::in_directory(Some(home.path().join("revdeck")), now.clone());
        let (cf, k8s) = (TargetId::new("cf"), TargetId::new("kubernetes:prod"));
        let key = AppKey::new(cf.clone(), AppId::new("checkout"));
        let view = View {
            order: Some(Sort::Name),
            only_active: Some(true),
            scope: Some(Scope::Everything),
            app: Some(key.clone()),
            pinned: [key].into(),
        };
        assert_eq!(kept(&journal, [&cf].into_iter()), None);
        keep(&journal, [&cf, &k8s].into_iter(), &View::default(), &view);
        assert_eq!(kept(&journal, [&k8s, &cf].into_iter()), Some(view.clone()));
        assert_eq!(kept(&journal, [&cf].into_iter()), None);
        // Another program began before that, and has pinned another app.
        let pinned = AppKey::new(cf.clone(), AppId::new("web"));
        let other = View { pinned: [pinned.clone()].into(), ..View::default() };
        keep(&journal, [&cf, &k8s].into_iter(), &View::default(), &other);
        let both = kept(&journal, [&cf, &k8s].into_iter()).unwrap();
        assert_eq!((both.order, both.pinned.len()), (Some(Sort::Name), 2));
        let none = View { pinned: [].into(), ..both.clone() };
        keep(&journal, [&cf, &k8s].into_iter(), &both, &none);
        assert!(kept(&journal, [&cf, &k8s].into_iter()).unwrap().pinned.is_empty());
        // Somebody's scribbles are no view, and no reason to stop.
        fs::write(home.path().join("revdeck/views.json"), "{").unwrap();
        assert_eq!(kept(&journal, [&cf, &k8s].into_iter()), None);
        // A demo keeps nothing.
        assert_eq!(kept(&Journal::nowhere(now), [&cf].into_iter()), None);
    }
}
