//! Where a file says which image runs: `images:` and patches of a kustomization, `image:` of a manifest, `spec.images` and
//! `spec.patches` of a Flux Kustomization, and values that carry a marker of Flux' image automation.
//!
//! Kustomize: `api/filters/imagetag/updater.go`, `api/internal/image/image.go`; markers: `kyaml/fieldmeta/fieldmeta.go` and
//! the documentation of image-automation-controller (`docs/spec/v1`).

use std::ops::Range;

use super::{
    image::{self, Version},
    objects::{Segment, Spot, Way},
    yaml::{Node, Scalar, Stream, Style},
};

/// Lists of containers, as kustomize looks for them.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Whether a key's value is a list of containers.
pub(super) fn is_containers(key: &str) -> bool {
    CONTAINERS.contains(&key)
}

/// A marker of Flux' image automation beside a value: `{"$imagepolicy": "NAMESPACE:NAME"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Marker {
    /// Namespace and name.
    pub(in crate::platform::gitops) policy: String,
    /// What of the image the value is: `name`, `tag` or `digest`; all of it where it is empty.
    pub(in crate::platform::gitops) part: String,
    /// Where the comment stands, with its `#`.
    pub(in crate::platform::gitops) span: Range<usize>,
    /// The comment as it is, with the blanks before it.
    pub(in crate::platform::gitops) text: String,
}

/// What kind of place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) enum Form {
    /// An entry of `images:`, of kustomize or of Flux.
    Entry,
    /// A whole reference.
    Reference,
    /// A tag or digest of its own, as in Helm values.
    Value,
    /// A whole reference in the text of a patch.
    Patch,
}

/// A place that says which version of an image runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Place {
    /// What it is called within its file, stable over changes of the version.
    pub(in crate::platform::gitops) path: String,
    pub(in crate::platform::gitops) form: Form,
    /// The image's name, as it runs.
    pub(in crate::platform::gitops) image: String,
    pub(in crate::platform::gitops) version: Version,
    pub(in crate::platform::gitops) markers: Vec<Marker>,
    /// Why it cannot be edited.
    pub(in crate::platform::gitops) fixed: Option<String>,
    /// The scalar of the whole reference or of the tag, and that of the digest.
    pub(in crate::platform::gitops) tag_at: Option<Scalar>,
    pub(in crate::platform::gitops) digest_at: Option<Scalar>,
    /// The scalar of the name, where it stands apart.
    pub(in crate::platform::gitops) name_at: Option<Scalar>,
}

/// One place with its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Sited {
    pub(in crate::platform::gitops) file: String,
    pub(in crate::platform::gitops) place: Place,
    /// The image that runs: another one than the place names where a kustomization renames it.
    pub(in crate::platform::gitops) image: String,
    /// The directories that are built with it.
    pub(in crate::platform::gitops) built: Vec<String>,
}

impl Place {
    /// The policy that would move it.
    pub(in crate::platform::gitops) fn policy(&self) -> Option<&str> {
        self.markers.first().map(|marker| marker.policy.as_str())
    }
}

/// What an object is called at the beginning of paths: its kind, namespace and name.
pub(super) fn base_of(document: &Node) -> Option<String> {
    let kind = document.text("kind").unwrap_or_default();
    let metadata = document.get("metadata")?;
    let name = metadata.text("name")?;
    Some(match metadata.text("namespace") {
        Some(namespace) => format!("{kind}/{namespace}/{name}"),
        None => format!("{kind}/{name}"),
    })
}

/// Looks for places in the documents of a file.
pub(super) struct PlaceScan<'a> {
    text: &'a str,
    stream: &'a Stream,
    pub(super) places: Vec<Place>,
    /// Where in the object that is being looked through each of them stands.
    pub(super) spots: Vec<Spot>,
    /// Names of images that stand alone in values of a release, by the way to where its tag would be.
    pub(super) renames: Vec<(Way, String)>,
    /// The way to what is being looked at.
    pub(super) way: Way,
    /// Why nothing of the document can be edited.
    pub(super) sealed: Option<String>,
    /// Whether the document is a `HelmRelease`.
    pub(super) helm: bool,
    /// Whether it is no manifest, so that only a marker makes a reference one to what runs.
    pub(super) foreign: bool,
}

impl<'a> PlaceScan<'a> {
    /// Of a file that was read.
    pub(super) fn new(text: &'a str, stream: &'a Stream) -> Self {
        Self {
            text,
            stream,
            places: Vec::new(),
            spots: Vec::new(),
            renames: Vec::new(),
            way: Vec::new(),
            sealed: None,
            helm: false,
            foreign: false,
        }
    }
}

impl PlaceScan<'_> {
    /// What was found in an object, whose own it is then.
    pub(super) fn of_object(&mut self) -> (Vec<Spot>, Vec<(Way, String)>) {
        (std::mem::take(&mut self.spots), std::mem::take(&mut self.renames))
    }

    /// The marker of a value: in the comment beside it. One above a mapping's key is none to image automation, which reads
    /// the comments of values (`internal/update/filter.go`).
    fn marker(&self, scalar: &Scalar) -> Option<Marker> {
        let beside =
            self.stream.comments.iter().filter(|one| one.beside && one.line == scalar.line);
        beside.into_iter().find_map(|comment| {
            let json = comment.text.trim();
            let value: serde_json::Value = serde_json::from_str(json).ok()?;
            let policy = value.get("$imagepolicy")?.as_str()?;
            let mut parts = policy.splitn(3, ':');
            let (namespace, name) = (parts.next()?, parts.next()?);
            let before = self.text.get(..comment.span.start).unwrap_or_default();
            let blanks = &before[before.trim_end_matches([' ', '\t']).len()..];
            Some(Marker {
                policy: format!("{namespace}:{name}"),
                part: parts.next().unwrap_or_default().to_owned(),
                span: comment.span.clone(),
                text: format!("{blanks}#{}", comment.text.trim_end()),
            })
        })
    }

    /// Why a scalar cannot be replaced.
    fn fixed(&self, scalar: &Scalar) -> Option<String> {
        if let Some(why) = &self.sealed {
            return Some(why.clone());
        }
        if scalar.style == Style::Block {
            return Some(format!("line {} is a block of text", scalar.line));
        }
        if scalar.anchored {
            return Some(format!("line {} is an anchor, which others may refer to", scalar.line));
        }
        scalar
            .text
            .contains("${")
            .then(|| format!("line {} is filled in by a substitution", scalar.line))
    }

    /// `images:` of a kustomization, or of a Flux Kustomization: which place each entry is that says a version.
    pub(super) fn entries(&mut self, images: Option<&Node>, base: &str) -> Vec<Option<usize>> {
        let Some(images) = images else { return Vec::new() };
        let mut found = vec![None; images.items().len()];
        for (number, entry) in images.items().iter().enumerate() {
            let Some(name) = entry.text("name") else { continue };
            // An empty one is none to kustomize.
            let scalar = |key: &str| {
                let found = entry.get(key).and_then(Node::scalar).cloned();
                found.filter(|scalar| !scalar.text.is_empty())
            };
            let alias = |key: &str| matches!(entry.get(key), Some(Node::Alias(_)));
            let (tag, digest, renamed) = (scalar("newTag"), scalar("digest"), scalar("newName"));
            if tag.is_none() && digest.is_none() && !alias("newTag") && !alias("digest") {
                continue;
            }
            // A `tagSuffix` counts only where there is neither (`updater.go`).
            let version = Version {
                tag: tag.as_ref().map(|tag| tag.text.clone()),
                digest: digest.as_ref().map(|digest| digest.text.clone()),
            };
            let scalars = [&tag, &digest, &renamed].into_iter().flatten();
            let markers: Vec<_> = scalars.filter_map(|scalar| self.marker(scalar)).collect();
            let image = renamed
                .as_ref()
                .map_or_else(|| image::parse(name).0, |renamed| renamed.text.clone());
            let fixed = if alias("newTag") || alias("digest") {
                Some("it is an alias of another value".to_owned())
            } else {
                [&tag, &digest].into_iter().flatten().find_map(|scalar| self.fixed(scalar))
            };
            // The last of two entries for one name wins: each is a place of its own.
            let before = images.items()[..number]
                .iter()
                .filter(|one| one.text("name") == Some(name))
                .count();
            found[number] = Some(self.places.len());
            let number = if before > 0 { format!("#{}", before + 1) } else { String::new() };
            self.places.push(Place {
                path: format!("{base}[{name}]{number}"),
                form: Form::Entry,
                image,
                version,
                markers,
                fixed,
                tag_at: tag,
                digest_at: digest,
                name_at: renamed,
            });
        }
        found
    }

    /// Looks for references below a value. `contained` says that it is an item of a list of containers.
    pub(super) fn walk(&mut self, node: &Node, path: &str, contained: bool) {
        match node {
            Node::Map(entries) => {
                let chart = self.chart(node, path);
                for (key, value) in entries {
                    let below = format!("{path}.{}", key.text);
                    self.way.push(Segment::Key(key.text.clone()));
                    match value {
                        Node::Scalar(scalar) => {
                            if !chart || !VALUES.contains(&key.text.as_str()) {
                                self.scalar(key, scalar, &below, contained);
                            }
                        }
                        Node::Alias(alias) if key.text == "image" && contained => {
                            let why = Some("it is an alias of another value".to_owned());
                            self.reference(alias, &below, Vec::new(), why);
                        }
                        Node::List(items) => self.items(items, &below, is_containers(&key.text)),
                        Node::Map(_) | Node::Alias(_) => self.walk(value, &below, false),
                    }
                    self.way.pop();
                }
            }
            Node::List(items) => self.items(items, path, false),
            Node::Scalar(_) | Node::Alias(_) => {}
        }
    }

    /// Looks for references in the items of a list.
    pub(super) fn items(&mut self, items: &[Node], path: &str, contained: bool) {
        for (number, item) in items.iter().enumerate() {
            let name = item.text("name").map(str::to_owned);
            let called = name.clone().unwrap_or_else(|| number.to_string());
            self.way.push(Segment::Item(number, name));
            self.walk(item, &format!("{path}[{called}]"), contained);
            self.way.pop();
        }
    }

    fn scalar(&mut self, key: &Scalar, scalar: &Scalar, path: &str, contained: bool) {
        let marker = self.marker(scalar);
        let whole = marker.as_ref().is_some_and(|marker| marker.part.is_empty());
        // Resources of other kinds name an image, too; only with a version it is one beyond doubt.
        let named = key.text == "image"
            && (contained || image::parse(&scalar.text).1 != Version::default());
        if whole || (named && marker.is_none() && !self.foreign) {
            let fixed = self.fixed(scalar);
            self.reference(scalar, path, marker.into_iter().collect(), fixed);
        }
    }

    /// A whole reference, as a value somewhere.
    pub(super) fn value(&mut self, scalar: &Scalar, path: &str) {
        let fixed = self.fixed(scalar);
        let markers = self.marker(scalar).into_iter().collect();
        self.reference(scalar, path, markers, fixed);
    }

    /// A tag of a chart's value, of an image that is named elsewhere.
    pub(super) fn tag(&mut self, scalar: &Scalar, path: &str) {
        self.spots.push(Spot { way: self.way.clone(), place: self.places.len() });
        self.places.push(Place {
            path: path.to_owned(),
            form: Form::Value,
            image: String::new(),
            version: Version { tag: Some(scalar.text.clone()), digest: None },
            markers: self.marker(scalar).into_iter().collect(),
            fixed: self.fixed(scalar),
            tag_at: Some(scalar.clone()),
            digest_at: None,
            name_at: None,
        });
    }

    fn reference(
        &mut self,
        scalar: &Scalar,
        path: &str,
        markers: Vec<Marker>,
        fixed: Option<String>,
    ) {
        let (image, version) = image::parse(&scalar.text);
        // A template of a chart is no manifest yet.
        if image.is_empty() || scalar.text.contains("{{") {
            return;
        }
        self.spots.push(Spot { way: self.way.clone(), place: self.places.len() });
        self.places.push(Place {
            path: path.to_owned(),
            form: Form::Reference,
            image,
            version,
            markers,
            fixed,
            tag_at: Some(scalar.clone()),
            digest_at: None,
            name_at: None,
        });
    }

    /// Values of a chart: a tag or digest of its own beside a repository, or beside a name where a marker says so.
    fn chart(&mut self, map: &Node, path: &str) -> bool {
        let scalar = |key: &str| map.get(key).and_then(Node::scalar).cloned();
        // An empty one is how charts say that there is none.
        let given = |key: &str| scalar(key).filter(|scalar| !scalar.text.is_empty());
        let (tag, digest) = (given("tag"), given("digest"));
        let own: Vec<Marker> =
            [&tag, &digest].into_iter().flatten().filter_map(|one| self.marker(one)).collect();
        let marked = own.iter().any(|marker| !marker.part.is_empty());
        let names: &[&str] =
            if marked { &["repository", "name", "image"] } else { &["repository"] };
        let name = names.iter().find_map(|name| given(name));
        let template = |one: &&Scalar| one.text.contains("{{");
        if [&tag, &digest, &name].into_iter().flatten().any(|one| template(&one)) {
            return false;
        }
        let mut way = self.way.clone();
        way.push(Segment::Key("tag".to_owned()));
        if tag.is_none() && digest.is_none() {
            // What a release below says of a version is then said of another image.
            if let (Some(name), true) = (name, self.helm) {
                self.renames.push((way, name.text));
            }
            return false;
        }
        let policy = own.iter().find(|marker| !marker.part.is_empty());
        let image = match (&name, map.text("registry"), policy) {
            (Some(name), Some(registry), _) => format!("{registry}/{}", name.text),
            (Some(name), None, _) => name.text.clone(),
            // The chart has the image's name: image automation's policy is called like it.
            (None, _, Some(marker)) => {
                marker.policy.split(':').next_back().unwrap_or_default().to_owned()
            }
            // A release below may say of which image it is; nothing is shown of it by itself.
            (None, _, None) if self.helm => String::new(),
            (None, _, None) => return false,
        };
        let of_name = name.as_ref().and_then(|name| self.marker(name));
        let markers: Vec<_> = own.iter().cloned().chain(of_name).collect();
        let unmarked = (markers.is_empty() && !self.helm)
            .then(|| "it is a value of a chart without a marker of image automation".to_owned());
        let fixed = [&tag, &digest].into_iter().flatten().find_map(|one| self.fixed(one));
        self.spots.push(Spot { way, place: self.places.len() });
        self.places.push(Place {
            path: format!("{path}.tag"),
            form: Form::Value,
            image,
            version: Version {
                tag: tag.as_ref().map(|tag| tag.text.clone()),
                digest: digest.as_ref().map(|digest| digest.text.clone()),
            },
            markers,
            fixed: fixed.or(unmarked),
            tag_at: tag,
            digest_at: digest,
            name_at: name,
        });
        true
    }
}

/// The keys of a chart's values that are one place.
const VALUES: [&str; 5] = ["tag", "digest", "repository", "name", "image"];
