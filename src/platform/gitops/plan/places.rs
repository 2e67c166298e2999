//! The places of an app: what shall stand at each, and what that changes.

use std::collections::BTreeMap;

use super::Draft;
use crate::domain::{Detail, Fact, Group, Note, Secret, differences, text::clean};
use crate::platform::{
    Error,
    gitops::{
        model::{
            edit::Wanted,
            image::{self, Version},
            places,
        },
        read::{history::Commit, snapshot::Snapshot},
    },
};

/// What becomes of places, by file.
pub(super) type ByFile = BTreeMap<String, Vec<Wanted>>;

impl Draft<'_> {
    /// Whether some place says another version than it said at a commit, though the leading one does not.
    pub(super) async fn differs_at(&self, commit: &Commit) -> Result<bool, Error> {
        let then = self.repository.snapshot(&commit.id).await?;
        Ok(self.entry.places.iter().any(|one| {
            version_then(&then, &one.file, &one.place.path, &self.entry.image)
                .is_some_and(|version| version != one.place.version && one.place.fixed.is_none())
        }))
    }

    /// Why nothing of an app can be edited.
    pub(super) fn immovable(&self, wanted: &ByFile) -> Option<String> {
        let lead = self.entry.lead().filter(|_| wanted.is_empty())?;
        let why = lead.place.fixed.as_deref().unwrap_or("there is no place");
        Some(format!(
            "{} cannot be changed in {}: {}",
            self.entry.name,
            clean(&lead.file),
            clean(why)
        ))
    }

    /// What shall stand at each place, by file, and the policies whose markers stand there.
    pub(super) fn places(
        &mut self,
        version: &Version,
        then: Option<&Snapshot>,
    ) -> (ByFile, Vec<(String, String)>) {
        let markers = self.hold();
        let mut wanted: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
        let (mut held, mut fixed, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for one in &self.entry.places {
            if let Some(why) = &one.place.fixed {
                fixed.push(format!("{} ({why})", one.file));
                continue;
            }
            let was = then
                .and_then(|then| version_then(then, &one.file, &one.place.path, &self.entry.image));
            if then.is_some() && was.is_none() {
                new.push(one.file.clone());
            }
            held.extend(one.place.policy().map(|policy| (one.file.clone(), policy.to_owned())));
            wanted.entry(one.file.clone()).or_default().push(Wanted {
                path: one.place.path.clone(),
                version: Some(was.unwrap_or_else(|| version.clone())),
                markers: markers.clone(),
            });
        }
        if !fixed.is_empty() {
            let text = format!("not changed, by hand: {}", clean(&fixed.join(", ")));
            self.plan.notes.push(Note::Warning(text));
        }
        // A file that was moved is no new place: the image had one place then, and has one now.
        let moved = then.is_some_and(|then| {
            let before = then
                .entries
                .iter()
                .filter(|one| one.image == self.entry.image)
                .map(|one| one.places.len())
                .sum::<usize>();
            before >= self.entry.places.len()
        });
        if !new.is_empty() && !moved {
            let text = format!(
                "not there at that time, and set to {} too: {}",
                version.label(),
                clean(&new.join(", "))
            );
            self.plan.notes.push(Note::Warning(text));
        }
        (wanted, held)
    }

    /// The version that the place gets that speaks for the app; where others did not agree with it then, that is said.
    pub(super) fn leads_to(&mut self, wanted: &ByFile, version: Version) -> Version {
        let of = |file: &str, path: &str| {
            let found = wanted.get(file)?.iter().find(|wanted| wanted.path == path)?;
            found.version.clone()
        };
        let lead = self.entry.lead().and_then(|lead| of(&lead.file, &lead.place.path));
        let version = lead.unwrap_or(version);
        let others = self.entry.places.iter().filter_map(|one| {
            let gets = of(&one.file, &one.place.path).filter(|gets| *gets != version)?;
            Some(format!("{} to {}", clean(&one.file), clean(&gets.label())))
        });
        let others: Vec<_> = others.collect();
        if !others.is_empty() {
            let text = format!("its places did not agree at that time: {}", others.join(", "));
            self.plan.notes.push(Note::Warning(text));
        }
        version
    }

    /// What differs between now and then.
    pub(super) fn differing(&mut self, wanted: &ByFile) {
        let (mut now, mut then) = (Detail::default(), Detail::default());
        for one in &self.entry.places {
            let all = wanted.get(&one.file).into_iter().flatten();
            let own = all.into_iter().find(|wanted| wanted.path == one.place.path);
            let Some(version) = own.and_then(|wanted| wanted.version.as_ref()) else { continue };
            let fact = |version: &Version| Fact {
                group: Group::Artifact,
                key: clean(&format!("{} {}", one.file, one.place.path)),
                value: Secret::new(clean(&image::write(&one.image, version))),
                secret: false,
            };
            now.facts.push(fact(&one.place.version));
            then.facts.push(fact(version));
        }
        self.plan.differs = differences(&now, &then);
        let digest = |version: &Version| version.digest.clone();
        let same = self.entry.places.iter().any(|one| {
            let all = wanted.get(&one.file).into_iter().flatten();
            all.filter(|wanted| wanted.path == one.place.path)
                .filter_map(|wanted| wanted.version.as_ref())
                .any(|version| {
                    let (was, is) = (digest(&one.place.version), digest(version));
                    was.is_some() && was == is && one.place.version.tag != version.tag
                })
        });
        if same {
            let text = "the digest stays as it is, and it is what is pulled: another tag beside it changes nothing that runs";
            self.plan.notes.push(Note::Warning(text.to_owned()));
        }
    }
}

pub(super) fn place_then<'a>(
    then: &'a Snapshot,
    file: &str,
    path: &str,
) -> Option<&'a places::Sited> {
    let places = then.entries.iter().flat_map(|one| &one.places);
    places.into_iter().find(|one| one.file == file && one.place.path == path)
}

/// The one place that named an image at a time, wherever it was.
pub(super) fn only_then<'a>(then: &'a Snapshot, image: &str) -> Option<&'a places::Sited> {
    let mut places = then.entries.iter().flat_map(|one| &one.places);
    let first = places.by_ref().find(|one| one.image == image)?;
    places.all(|one| one.image != image).then_some(first)
}

/// The version that a place had at a time; where the file was elsewhere then, that of the image's one place.
fn version_then(then: &Snapshot, file: &str, path: &str, image: &str) -> Option<Version> {
    if let Some(place) = place_then(then, file, path) {
        return (place.image == image).then(|| place.place.version.clone());
    }
    None
}
