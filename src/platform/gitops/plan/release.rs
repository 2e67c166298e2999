//! Putting back what was held: the markers of image automation, and what was suspended.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Draft,
    branch::Writing,
    change::{short, slug},
    places::{only_then, place_then},
};
use crate::domain::{Note, Plan, text::clean};
use crate::platform::{
    Error,
    gitops::{
        model::edit::{Markers, Wanted},
        read::apps::HELD,
    },
};

impl Draft<'_> {
    /// The markers that a roll back took away, put back as they were.
    pub(super) async fn release(mut self) -> Result<Plan, Error> {
        let name = self.entry.name.clone();
        let mut wanted: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
        let mut of = BTreeSet::new();
        let entry_state = self.view.entry_state(self.entry);
        for (commit, _) in &entry_state.revisions {
            let Some(parent) = commit.parent.as_ref() else { continue };
            let before = self.repository.snapshot(parent).await?;
            let mut found = false;
            for one in &self.entry.places {
                let was = place_then(&before, &one.file, &one.place.path)
                    .or_else(|| only_then(&before, &one.image));
                let Some(was) =
                    was.filter(|was| !was.place.markers.is_empty() && one.place.markers.is_empty())
                else {
                    continue;
                };
                let markers = Markers::Restore(was.place.markers.clone());
                of.extend(was.place.policy().map(str::to_owned));
                wanted.entry(one.file.clone()).or_default().push(Wanted {
                    path: one.place.path.clone(),
                    version: None,
                    markers,
                });
                found = true;
            }
            if found {
                // After a merge the trailer is in what was merged; after a squash it may be nowhere.
                let range = format!("{parent}..{}", commit.id);
                let told = self.repository.mirror.git.text(&["log", "--format=%B", &range]).await?;
                if !told.contains(HELD) {
                    let text = format!(
                        "no record says that revdeck removed the marker: {} did, in {}",
                        clean(&commit.author),
                        short(&commit.id)
                    );
                    self.plan.notes.push(Note::Warning(text));
                }
                break;
            }
        }
        let suspended = self.view.suspended(self.entry);
        if wanted.is_empty() && suspended.is_empty() {
            let why = format!(
                "nothing holds {name} back: no marker was removed by revdeck, and no automation is suspended"
            );
            return Ok(self.refuse(why));
        }
        if wanted.is_empty() {
            return Ok(self.resume_automation(&suspended));
        }
        for policy in &of {
            let latest = self.view.seen.as_ref().and_then(|seen| {
                seen.policies
                    .iter()
                    .find(|one| one.name == *policy)
                    .and_then(|one| one.latest.clone())
            });
            let text = match latest {
                Some(latest) if Some(&latest) != entry_state.wanted.tag.as_ref() => {
                    Note::Warning(format!(
                        "the policy {policy} wants {latest}: automation will set it at its next run"
                    ))
                }
                Some(_) => Note::Info(format!("the policy {policy} wants what is there")),
                None => Note::Info(format!(
                    "what the policy {policy} wants is not known: automation may set another tag at its next run"
                )),
            };
            self.plan.notes.push(text);
        }
        let version = entry_state.wanted.clone();
        self.ends(&version, None);
        let goal = "released: image automation moves it again".into();
        let writing = Writing {
            wanted,
            subject: format!("Release {} to image automation", self.entry.image),
            body: vec!["The markers that a roll back had removed are put back.".to_owned()],
            held: Vec::new(),
            branch: format!("revdeck-release-{}", slug(&name)),
            version,
            goal,
            leaving: None,
            before: Vec::new(),
        };
        self.write(writing).await
    }
}
