//! Building a directory as kustomize does: what it takes in, and what each kustomization then changes, in the order of
//! `api/internal/target/kusttarget.go` and `kusttarget_configplugin.go`.

use std::collections::{BTreeMap, BTreeSet};

use super::object::{Built, Image, Origin, PlaceAt, pattern_of};
use crate::platform::gitops::model::{
    kustomizations::{ImageEntry, Kustomization},
    objects::{Object, Segment, Way},
    patches::{Body, Patch, Source, Target},
};

/// How many kustomizations may build on one another.
const DEEPEST: usize = 16;
/// Kinds of transformers that change no image.
const HARMLESS: [&str; 6] = [
    "AnnotationsTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "ReplicaCountTransformer",
];

/// The files of a commit, as far as they were read.
pub(super) struct Tree<'a> {
    pub(super) files: BTreeMap<&'a str, Origin<'a>>,
    /// All that were read, those too that say nothing.
    pub(super) paths: BTreeSet<&'a str>,
    /// The kustomizations of directories.
    pub(super) directories: BTreeMap<&'a str, (Origin<'a>, &'a Kustomization)>,
}

/// What a kustomization has come to so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources<'a> {
    pub(super) objects: Vec<Built<'a>>,
    /// Whether all that it builds on is here: else what matches nothing may match something.
    pub(super) whole: bool,
    /// Files that are part of it.
    pub(super) files: BTreeSet<&'a str>,
    /// Places that took part in it, whatever became of them.
    pub(super) met: BTreeSet<PlaceAt<'a>>,
}

/// The directory of a file; empty for one at the root.
pub(super) fn directory(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A path below a directory, without `.` and `..`.
pub(super) fn resolve(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

pub(super) fn is_below(file: &str, directory: &str) -> bool {
    directory.is_empty() || file.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// The way that stands for an image of something that is not here.
fn unseen_way() -> Way {
    let key = |key: &str| Segment::Key(key.to_owned());
    vec![key("containers"), Segment::Item(0, None), key("image")]
}

impl<'a> Resources<'a> {
    fn extend(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.whole &= other.whole;
        self.files.extend(other.files);
        self.met.extend(other.met);
    }

    /// Takes the objects of a file in.
    fn take(&mut self, origin: Origin<'a>) {
        self.files.insert(origin.file);
        self.objects.extend(origin.contents.objects.iter().map(|one| Built::read(one, origin)));
        let spots = origin.contents.objects.iter().flat_map(|one| &one.spots);
        self.met.extend(spots.map(|spot| (origin.file, spot.place)));
    }

    /// Says of all images why what comes out is not known.
    pub(super) fn doubt(&mut self, why: &str, about: impl Fn(&Image<'a>) -> bool) {
        let images = self.objects.iter_mut().flat_map(|one| &mut one.images);
        for (_, image) in images.filter(|(_, image)| about(image)) {
            image.altered.get_or_insert_with(|| why.to_owned());
        }
    }

    fn merge(&mut self, target: Option<&Target>, patch: &Object, origin: Origin<'a>) {
        self.met.extend(patch.spots.iter().map(|spot| (origin.file, spot.place)));
        let mut doubtful = Vec::new();
        let about: Vec<bool> = match target {
            Some(target) => self
                .objects
                .iter()
                .enumerate()
                .map(|(at, one)| match one.is_target(target) {
                    Some(is) => is,
                    None => {
                        doubtful.push(at);
                        false
                    }
                })
                .collect(),
            None => {
                let named: Vec<_> = self.objects.iter().map(|one| one.is_named_by(patch)).collect();
                // kustomize refuses a patch that is for none, or for several.
                let exact = named.iter().any(|(_, exact)| *exact);
                named.into_iter().map(|(any, same)| if exact { same } else { any }).collect()
            }
        };
        let why = format!("a patch in {} may be for it", origin.file);
        for at in doubtful {
            for (_, image) in &mut self.objects[at].images {
                image.altered.get_or_insert_with(|| why.clone());
            }
        }
        if !about.contains(&true) && !self.whole {
            let unseen = Built::read(patch, origin).aimed_at(target);
            self.objects.push(unseen);
            return;
        }
        let mut about = about.into_iter();
        self.objects.retain_mut(|one| about.next() != Some(true) || one.merge(patch, origin));
    }

    fn operate(&mut self, target: Option<&Target>, body: &Body, origin: Origin<'a>) {
        for operation in &body.operations {
            self.met.extend(operation.spots.iter().map(|spot| (origin.file, spot.place)));
            let mut any = false;
            for one in &mut self.objects {
                match target.map_or(Some(false), |target| one.is_target(target)) {
                    Some(true) => {
                        one.operate(operation, origin);
                        any = true;
                    }
                    Some(false) => {}
                    None => {
                        let why = format!("a patch in {} may be for it", origin.file);
                        for (_, image) in &mut one.images {
                            image.altered.get_or_insert_with(|| why.clone());
                        }
                    }
                }
            }
            if any || self.whole {
                continue;
            }
            for spot in &operation.spots {
                let image = Image::at(origin, spot.place);
                self.objects.push(Built::unseen(unseen_way(), image).aimed_at(target));
            }
        }
    }

    fn patch(&mut self, patch: &'a Patch, origin: Origin<'a>, tree: &Tree<'a>) {
        let target = patch.target.as_ref();
        match &patch.source {
            Source::Within(body) => {
                for merge in &body.merges {
                    self.merge(target, merge, origin);
                }
                self.operate(target, body, origin);
            }
            Source::File(path) => {
                let path = resolve(directory(origin.file), path);
                let Some(of) = tree.files.get(path.as_str()).copied() else {
                    if !tree.paths.contains(path.as_str()) {
                        let why = format!("{path}, a patch of {}, is not read", origin.file);
                        self.doubt(&why, |_| true);
                    }
                    return;
                };
                self.files.insert(of.file);
                for merge in &of.contents.objects {
                    self.merge(target, merge, of);
                }
                let operations = of.contents.operations.clone();
                self.operate(target, &Body { operations, ..Body::default() }, of);
            }
        }
    }

    /// Applies an entry of `images:`; `by` is where it stands, where it says a version, and `from` the file of its list.
    fn set(&mut self, entry: &ImageEntry, by: Option<(Origin<'a>, usize)>, from: &'a str) {
        let mut any = false;
        let place = by.map(|(origin, place)| (origin.file, place));
        if let Some(pattern) = pattern_of(entry) {
            for one in &mut self.objects {
                any |= one.set((entry, &pattern), from, place);
            }
        }
        if let (false, false, Some((origin, place))) = (any, self.whole, by) {
            let image = Image::at(origin, place);
            self.objects.push(Built::unseen(unseen_way(), image));
        }
    }
}

impl<'a> Tree<'a> {
    /// What a path brings: a file, or the directory of a kustomization.
    fn resource(&self, from: &str, path: &str, depth: usize) -> Resources<'a> {
        let mut resources = Resources { whole: true, ..Resources::default() };
        // `https://…`, `git@…:…` and `github.com/…?ref=…` are elsewhere.
        let elsewhere = path.contains("://") || path.contains('?') || path.contains("git@");
        let at = resolve(from, path);
        if elsewhere {
            resources.whole = false;
        } else if let Some(directory) = self.directories.get_key_value(at.as_str()) {
            resources = self.directory(directory.0, None, depth + 1);
        } else if let Some(origin) = self.files.get(at.as_str()) {
            resources.take(*origin);
        } else {
            resources.whole = self.paths.contains(at.as_str());
        }
        resources
    }

    /// What is built of a directory that has a kustomization; with what a Kustomization of Flux adds to that.
    pub(super) fn directory(
        &self,
        directory: &str,
        flux: Option<(Origin<'a>, &'a Kustomization)>,
        depth: usize,
    ) -> Resources<'a> {
        let Some((origin, of)) = self.directories.get(directory).copied() else {
            return Resources::default();
        };
        let mut resources =
            Resources { whole: !of.resources.is_empty() && !of.generates, ..Resources::default() };
        if depth > DEEPEST {
            resources.whole = false;
            return resources;
        }
        resources.files.insert(origin.file);
        for path in &of.resources {
            resources.extend(self.resource(directory, path, depth));
        }
        self.apply(&mut resources, (origin, of), flux, depth);
        resources
    }

    /// What Flux makes of a directory without a kustomization: all files below, and what is built of directories in it that
    /// have one (`github.com/fluxcd/pkg/kustomize`, `scanManifests`).
    pub(super) fn plain(&self, of: &str, flux: (Origin<'a>, &'a Kustomization)) -> Resources<'a> {
        let mut resources = Resources { whole: true, ..Resources::default() };
        let own = |at: &str| {
            let mut at = at;
            while at.len() > of.len() {
                if self.directories.contains_key(at) {
                    return false;
                }
                at = directory(at);
            }
            true
        };
        for (file, origin) in &self.files {
            if is_below(file, of) && own(directory(file)) {
                resources.take(*origin);
            }
        }
        for at in self.directories.keys().filter(|at| is_below(at, of) && own(directory(at))) {
            resources.extend(self.directory(at, None, 1));
        }
        resources.whole &= !resources.files.is_empty();
        self.apply(&mut resources, flux, None, 0);
        resources
    }

    /// Applies what a kustomization changes.
    fn apply(
        &self,
        resources: &mut Resources<'a>,
        (origin, of): (Origin<'a>, &'a Kustomization),
        flux: Option<(Origin<'a>, &'a Kustomization)>,
        depth: usize,
    ) {
        let layers = || [(origin, of)].into_iter().chain(flux);
        // Paths of components are the directory's, wherever they are named.
        let from = match &of.of_flux {
            Some(_) => resolve("", of.resources.first().map_or("", String::as_str)),
            None => directory(origin.file).to_owned(),
        };
        for path in layers().flat_map(|(_, of)| &of.components) {
            let at = resolve(&from, path);
            match self.directories.get(at.as_str()) {
                Some((origin, component)) if depth < DEEPEST => {
                    resources.files.insert(origin.file);
                    for path in &component.resources {
                        resources.extend(self.resource(&at, path, depth + 1));
                    }
                    self.apply(resources, (*origin, component), None, depth + 1);
                }
                _ => resources.whole = false,
            }
        }
        for (origin, of) in layers() {
            for patch in &of.patches {
                resources.patch(patch, origin, self);
            }
        }
        let last = |text: fn(&Kustomization) -> &str| {
            let said = layers().map(|(_, of)| text(of)).filter(|text| !text.is_empty());
            said.fold("", |_, last| last).to_owned()
        };
        let namespace = last(|of| of.namespace.as_deref().unwrap_or_default());
        let (prefix, suffix) = (last(|of| &of.prefix), last(|of| &of.suffix));
        for one in &mut resources.objects {
            if !namespace.is_empty() || !prefix.is_empty() || !suffix.is_empty() {
                let namespace = Some(namespace.as_str()).filter(|namespace| !namespace.is_empty());
                one.rename(&prefix, &suffix, namespace);
            }
            one.label(&of.labels);
        }
        for (origin, of) in layers() {
            for patch in &of.late_patches {
                resources.patch(patch, origin, self);
            }
        }
        for (origin, of) in layers() {
            let places = of.images.iter().filter_map(|entry| entry.place);
            resources.met.extend(places.map(|place| (origin.file, place)));
        }
        for (entry, by) in entries((origin, of), flux) {
            resources.set(&entry, by, origin.file);
        }
        if let Some(what) = of.beyond {
            let why = format!("{} has {what}, which are not worked out", origin.file);
            let variable = |image: &Image<'_>| {
                let text = image.version.whole();
                text.contains("$(") || image.name.contains("$(")
            };
            resources.doubt(&why, |image| what != "vars" || variable(image));
        }
        let own = |path: &&String| !self.is_harmless(directory(origin.file), path);
        if of.transformers.iter().any(|path| own(&path)) {
            let why = format!("{} has transformers, which are not worked out", origin.file);
            resources.doubt(&why, |_| true);
        }
    }

    /// Whether a transformer changes no image, by its text or by what its file says.
    fn is_harmless(&self, from: &str, transformer: &str) -> bool {
        if transformer.contains('\n') {
            return HARMLESS.iter().any(|kind| transformer.contains(kind));
        }
        let at = resolve(from, transformer);
        match self.files.get(at.as_str()) {
            Some(origin) => {
                let mut kinds = origin.contents.objects.iter().map(|one| one.kind.as_str());
                kinds.all(|kind| HARMLESS.contains(&kind))
            }
            // It was read, and speaks of no image.
            None => self.paths.contains(at.as_str()),
        }
    }
}

/// The entries of `images:` with their places: those of Flux are put into what the kustomization has under the same name
/// (`github.com/fluxcd/pkg/kustomize`, `GenerateManifest`).
fn entries<'a>(
    (origin, of): (Origin<'a>, &'a Kustomization),
    flux: Option<(Origin<'a>, &'a Kustomization)>,
) -> Vec<(ImageEntry, Option<(Origin<'a>, usize)>)> {
    let at = |origin: Origin<'a>, entry: &ImageEntry| Some((origin, entry.place?));
    // Over a directory without a kustomization they are put into an empty list.
    let (own, flux) = match &of.of_flux {
        Some(_) => (None, Some((origin, of))),
        None => (Some(&of.images), flux),
    };
    let own = own.into_iter().flatten();
    let mut found: Vec<_> = own.map(|entry| (entry.clone(), at(origin, entry))).collect();
    for (origin, entry) in
        flux.iter().flat_map(|(of, flux)| flux.images.iter().map(|one| (*of, one)))
    {
        let Some((known, by)) = found.iter_mut().find(|(known, _)| known.name == entry.name) else {
            found.push((entry.clone(), at(origin, entry)));
            continue;
        };
        if entry.renamed.is_some() {
            known.renamed.clone_from(&entry.renamed);
        }
        if entry.place.is_some() {
            (known.tag, known.digest) = (entry.tag.clone(), entry.digest.clone());
            *by = at(origin, entry);
        }
    }
    found
}
