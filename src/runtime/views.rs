//! How the deck was left, in a file beside the journal: one view for each set of targets.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use super::journal::{self, Journal};
use crate::{dashboard::view::View, domain::TargetId};

/// So many sets of targets are kept, those that were used last.
const KEPT: usize = 50;

type Views = Vec<(String, View)>;

fn name<'a>(targets: impl Iterator<Item = &'a TargetId>) -> String {
    let mut targets: Vec<_> = targets.map(TargetId::as_str).collect();
    targets.sort_unstable();
    targets.join(" ")
}

fn file(journal: &Journal) -> Option<PathBuf> {
    journal.beside().map(|directory| directory.join("views.json"))
}

/// The views that are kept; none where there is no file, or it is another program's.
fn read(journal: &Journal) -> Views {
    let text = file(journal).and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let views: BTreeMap<String, Views> = serde_json::from_str(&text).unwrap_or_default();
    views.into_values().next().unwrap_or_default()
}

/// How the deck of these targets was left.
pub fn kept<'a>(journal: &Journal, targets: impl Iterator<Item = &'a TargetId>) -> Option<View> {
    let name = name(targets);
    read(journal).into_iter().find(|(of, _)| *of == name).map(|(_, view)| view)
}

/// Keeps how it is left now. That it cannot be kept is no reason to trouble anybody.
pub(super) fn keep<'a>(
    journal: &Journal,
    targets: impl Iterator<Item = &'a TargetId>,
    view: &View,
) {
    let name = name(targets);
    let mut views = read(journal);
    views.retain(|(of, _)| *of != name);
    views.insert(0, (name, view.clone()));
    views.truncate(KEPT);
    if let Some(file) = file(journal)
        && let Err(error) = write(&file, &views)
    {
        tracing::warn!(%error, "how the deck was left cannot be kept");
    }
}

fn write(file: &std::path::Path, views: &Views) -> io::Result<()> {
    use io::Write as _;
    let new = file.with_extension("new");
    let text = serde_json::json!({ "views": views }).to_string();
    let mut opened = journal::open_private(&new)?;
    opened.set_len(0)?;
    opened.write_all(text.as_bytes())?;
    fs::rename(new, file)
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
        keep(&journal, [&cf, &k8s].into_iter(), &view);
        assert_eq!(kept(&journal, [&k8s, &cf].into_iter()), Some(view.clone()));
        assert_eq!(kept(&journal, [&cf].into_iter()), None);
        let other = View { order: None, ..view };
        keep(&journal, [&cf, &k8s].into_iter(), &other);
        assert_eq!(kept(&journal, [&cf, &k8s].into_iter()), Some(other));
        // Somebody's scribbles are no view, and no reason to stop.
        fs::write(home.path().join("revdeck/views.json"), "{").unwrap();
        assert_eq!(kept(&journal, [&cf, &k8s].into_iter()), None);
        // A demo keeps nothing.
        assert_eq!(kept(&Journal::nowhere(now), [&cf].into_iter()), None);
    }
}
