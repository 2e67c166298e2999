//! What a commit's files say: every place that names an image, and which of them are one app.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::build::{self, Files, Outcome};
use crate::domain::AppId;
use crate::platform::{
    Error,
    gitops::{
        client::mirror::{Mirror, ObjectId},
        model::{
            contents::{self, Contents},
            places::Sited,
        },
    },
};

/// What a blob says of images, or why it cannot be read.
pub(in crate::platform::gitops) type Found = Arc<Result<Contents, String>>;

/// What is known of blobs; they never change.
pub(in crate::platform::gitops) type Blobs = HashMap<ObjectId, HashMap<String, Found>>;

/// Directories below which every entry is an environment of its own.
const HOLDS_ENVIRONMENTS: [&str; 6] =
    ["overlays", "environments", "envs", "clusters", "stages", "tenants"];
/// Words by which a directory is an environment, alone or with others, as in `prod-eu`.
const ENVIRONMENTS: [&str; 20] = [
    "production",
    "prod",
    "prd",
    "live",
    "staging",
    "stage",
    "stg",
    "development",
    "dev",
    "test",
    "testing",
    "tst",
    "qa",
    "uat",
    "acceptance",
    "preprod",
    "preview",
    "integration",
    "sandbox",
    "canary",
];

/// Apart from this: what the identifier of an app is put together with.
const BETWEEN: char = '|';

/// An app of a repository: an image, and the places that are moved together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Entry {
    pub(in crate::platform::gitops) id: AppId,
    /// The image's name.
    pub(in crate::platform::gitops) image: String,
    /// The directory of the environment; empty where the repository has none.
    pub(in crate::platform::gitops) scope: String,
    /// What it is called: as much of the image's end as tells it from others.
    pub(in crate::platform::gitops) name: String,
    pub(in crate::platform::gitops) places: Vec<Sited>,
}

impl Entry {
    /// Whether an image is called so, as it runs or where a kustomization renames it.
    pub(in crate::platform::gitops) fn is_called(&self, image: &str) -> bool {
        self.image == image || self.places.iter().any(|one| one.place.image == image)
    }

    /// The place that speaks for it: the first that can be edited.
    pub(in crate::platform::gitops) fn lead(&self) -> Option<&Sited> {
        self.places.iter().find(|one| one.place.fixed.is_none()).or_else(|| self.places.first())
    }
}

/// What a commit says.
#[derive(Clone, Debug, Default)]
pub(in crate::platform::gitops) struct Snapshot {
    pub(in crate::platform::gitops) commit: ObjectId,
    pub(in crate::platform::gitops) entries: Vec<Entry>,
    /// How many apps an image is.
    counts: HashMap<String, usize>,
    /// Places that say nothing, since a kustomization sets their image: file and path.
    pub(in crate::platform::gitops) overridden: BTreeSet<(String, String)>,
    /// Files that do not parse, with the reason.
    pub(in crate::platform::gitops) unreadable: Vec<(String, String)>,
}

impl Snapshot {
    /// Whether an image is one app alone.
    pub(in crate::platform::gitops) fn is_alone(&self, image: &str) -> bool {
        self.counts.get(image) == Some(&1)
    }
}

/// The environment that a file belongs to: the path down to the directory that names it; empty where none does.
pub(in crate::platform::gitops) fn environment(file: &str) -> String {
    let parts: Vec<&str> = file.split('/').collect();
    let directories = parts.get(..parts.len().saturating_sub(1)).unwrap_or_default();
    let below = directories.iter().position(|part| HOLDS_ENVIRONMENTS.contains(part));
    let named = directories
        .iter()
        .position(|part| part.split(['-', '_', '.']).any(|word| ENVIRONMENTS.contains(&word)));
    let end = match (below, named) {
        (Some(at), _) if at + 1 < directories.len() => at + 2,
        (_, Some(at)) => at + 1,
        _ => return String::new(),
    };
    directories.get(..end).unwrap_or_default().join("/")
}

fn directory(file: &str) -> String {
    file.rsplit_once('/').map_or_else(String::new, |(directory, _)| directory.to_owned())
}

/// Reads the blobs that are not known yet.
pub(in crate::platform::gitops) async fn learn(
    mirror: &Mirror,
    blobs: &mut Blobs,
    wanted: impl Iterator<Item = (&String, &ObjectId)>,
) -> Result<(), Error> {
    let new: Vec<(String, ObjectId)> = wanted
        .filter(|(file, id)| !blobs.get(*id).is_some_and(|known| known.contains_key(*file)))
        .map(|(file, id)| (file.clone(), id.clone()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    for some in new.chunks(500) {
        let ids: Vec<_> = some.iter().map(|(_, id)| id.clone()).collect();
        let bodies = mirror.blobs(&ids).await?;
        for ((file, id), body) in some.iter().zip(bodies) {
            let found = body.map_or_else(
                || Err("it is not there".to_owned()),
                |body| contents::find(file, &body),
            );
            blobs.entry(id.clone()).or_default().insert(file.clone(), Arc::new(found));
        }
    }
    Ok(())
}

/// What a commit's files say.
pub(in crate::platform::gitops) async fn read(
    mirror: &Mirror,
    blobs: &mut Blobs,
    commit: &str,
) -> Result<Snapshot, Error> {
    let (files, others) = mirror.files(commit).await?;
    learn(mirror, blobs, files.iter().map(|(file, id)| (file, id))).await?;
    let mut snapshot = Snapshot { commit: commit.to_owned(), ..Snapshot::default() };
    let mut read = Vec::new();
    for (file, id) in &files {
        match blobs.get(id).and_then(|known| known.get(file)).map(AsRef::as_ref) {
            Some(Ok(contents)) => read.push((file.as_str(), contents)),
            Some(Err(why)) => snapshot.unreadable.push((file.clone(), why.clone())),
            None => {}
        }
    }
    let others = others.iter().map(String::as_str).collect();
    let Outcome { said, overridden, unread } =
        build::build(&Files { read, others }, &mirror.git.remote);
    let why = "a kustomization takes it, and it is no YAML file by its name";
    snapshot.unreadable.extend(unread.into_iter().map(|file| (file, why.to_owned())));
    snapshot.overridden = overridden.into_iter().map(|one| (one.file, one.place.path)).collect();
    snapshot.entries = entries(said);
    for one in &snapshot.entries {
        *snapshot.counts.entry(one.image.clone()).or_default() += 1;
    }
    Ok(snapshot)
}

/// Sorts places into apps: those of one image in one environment. Where they say different versions there, each directory
/// is an app of its own.
fn entries(sited: Vec<Sited>) -> Vec<Entry> {
    let mut groups: BTreeMap<(String, String), Vec<Sited>> = BTreeMap::new();
    for one in sited {
        let key = (environment(&one.file), one.image.clone());
        groups.entry(key).or_default().push(one);
    }
    let mut entries = Vec::new();
    for ((scope, image), places) in groups {
        let policies = |places: &[Sited]| {
            let mut all: Vec<_> = places.iter().filter_map(|one| one.place.policy()).collect();
            all.dedup();
            all.len() == 1 && places.iter().all(|one| one.place.policy().is_some())
        };
        let mut split: BTreeMap<String, Vec<Sited>> = BTreeMap::new();
        if agree(&places) || policies(&places) {
            split.insert(scope, places);
        } else {
            for one in places {
                split.entry(directory(&one.file)).or_default().push(one);
            }
            // Two that run in one directory, such as a canary beside the stable one, are told apart by what they are.
            let mixed: Vec<String> =
                split.iter().filter(|(_, some)| !agree(some)).map(|(key, _)| key.clone()).collect();
            for key in mixed {
                let mut whats: BTreeMap<String, Vec<Sited>> = BTreeMap::new();
                for one in split.remove(&key).unwrap_or_default() {
                    let what = one.place.path.split(['.', ':']).next().unwrap_or_default();
                    whats.entry(format!("{key}/{what}")).or_default().push(one);
                }
                for (what, some) in whats {
                    if agree(&some) {
                        split.entry(what).or_default().extend(some);
                        continue;
                    }
                    // Two containers of one object.
                    for one in some {
                        split.entry(format!("{key}/{}", one.place.path)).or_default().push(one);
                    }
                }
            }
        }
        for (scope, places) in split {
            let id = AppId::new(format!("{scope}{BETWEEN}{image}"));
            let name = short(&image, 1);
            entries.push(Entry { id, image: image.clone(), scope, name, places });
        }
    }
    // Two images whose names end alike are told apart by more of them.
    for length in 2..5 {
        let mut names: HashMap<(String, String), usize> = HashMap::new();
        for one in &entries {
            *names.entry((one.scope.clone(), one.name.clone())).or_default() += 1;
        }
        for entry in &mut entries {
            if names.get(&(entry.scope.clone(), entry.name.clone())).is_some_and(|many| *many > 1) {
                entry.name = short(&entry.image, length);
            }
        }
    }
    entries
}

/// Whether places say one version.
fn agree(places: &[Sited]) -> bool {
    places.windows(2).all(|pair| pair[0].place.version == pair[1].place.version)
}

/// The last parts of an image's name.
fn short(image: &str, parts: usize) -> String {
    let all: Vec<_> = image.split('/').collect();
    all[all.len().saturating_sub(parts)..].join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::gitops::model::places::Place;

    #[test]
    fn files_belong_to_environments() {
        for (file, scope) in [
            ("app/bases/kustomization.yaml", ""),
            ("platform/overlays/gke/kustomization.yaml", "platform/overlays/gke"),
            ("apps/production/shop/web.yaml", "apps/production"),
            ("overlays/kustomization.yaml", ""),
            ("clusters/eu/apps/web.yaml", "clusters/eu"),
            ("k8s/prod-eu/web.yaml", "k8s/prod-eu"),
        ] {
            assert_eq!(environment(file), scope, "{file}");
        }
    }

    fn sited(file: &str, text: &str) -> Vec<Sited> {
        let places = contents::find(file, text.as_bytes()).unwrap().places;
        let image = |place: &Place| place.image.clone();
        let sited =
            |place| Sited { file: file.to_owned(), image: image(&place), place, built: Vec::new() };
        places.into_iter().map(sited).collect()
    }

    #[test]
    fn one_image_in_several_files_is_one_app_and_two_overlays_are_two() {
        let pod = |tag: &str| {
            format!("kind: Job\nspec:\n  containers:\n  - name: a\n    image: reg/app:{tag}\n")
        };
        let overlay = |tag: &str| format!("images:\n- name: reg/app\n  newTag: {tag}\n");
        let mut all = sited("base/a/deployment.yaml", &pod("v1"));
        all.extend(sited("base/b/job.yaml", &pod("v1")));
        all.extend(sited("overlays/eu/kustomization.yaml", &overlay("v2")));
        all.extend(sited("overlays/us/kustomization.yaml", &overlay("v2")));
        let found = entries(all);
        let of: Vec<_> = found.iter().map(|one| (one.scope.as_str(), one.places.len())).collect();
        assert_eq!(of, [("", 2), ("overlays/eu", 1), ("overlays/us", 1)]);
        // Where they differ without a reason, moving them together would be a guess.
        let mut all = sited("base/a/deployment.yaml", &pod("v1"));
        all.extend(sited("base/b/job.yaml", &pod("v2")));
        assert_eq!(entries(all).len(), 2);
    }
}
