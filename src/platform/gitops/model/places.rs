//! Where a file says which image runs: `images:` of a kustomization, `image:` of a manifest, `spec.images` of a Flux
//! Kustomization, and values that carry a marker of Flux' image automation.
//!
//! Kustomize: `api/filters/imagetag/updater.go`, `api/internal/image/image.go`; markers: `kyaml/fieldmeta/fieldmeta.go` and
//! the documentation of image-automation-controller (`docs/spec/v1`).

use std::ops::Range;

use super::{
    image::{self, Version},
    yaml::{self, Node, Scalar, Stream, Style},
};

/// Files that are larger than this are passed over: they hold definitions, not images.
const LARGEST: usize = 2 * 1_048_576;
/// Lists of containers, as kustomize looks for them.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

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
}

/// A place that says which version of an image runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Place {
    /// What it is called within its file, stable over changes of the version.
    pub(in crate::platform::gitops) path: String,
    pub(in crate::platform::gitops) form: Form,
    /// The image's name, as it runs.
    pub(in crate::platform::gitops) image: String,
    /// Of an entry: the name in manifests that it is for.
    pub(in crate::platform::gitops) sets: Option<String>,
    pub(in crate::platform::gitops) version: Version,
    /// Of an entry: what the kustomization takes in, as it names it.
    pub(in crate::platform::gitops) takes: Vec<String>,
    pub(in crate::platform::gitops) markers: Vec<Marker>,
    /// Why it cannot be edited.
    pub(in crate::platform::gitops) fixed: Option<String>,
    /// The scalar of the whole reference or of the tag, and that of the digest.
    pub(in crate::platform::gitops) tag_at: Option<Scalar>,
    pub(in crate::platform::gitops) digest_at: Option<Scalar>,
    /// The scalar of the name, where it stands apart.
    pub(in crate::platform::gitops) name_at: Option<Scalar>,
}

impl Place {
    /// The policy that would move it.
    pub(in crate::platform::gitops) fn policy(&self) -> Option<&str> {
        self.markers.first().map(|marker| marker.policy.as_str())
    }
}

/// The places of a file, or why it cannot be read.
pub(in crate::platform::gitops) fn find(path: &str, bytes: &[u8]) -> Result<Vec<Place>, String> {
    if bytes.len() > LARGEST {
        return Ok(Vec::new());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Err("it is no UTF-8".to_owned()) };
    // Most files hold no image at all, and need no parser.
    if !["image", "$imagepolicy"].iter().any(|word| text.contains(word)) {
        return Ok(Vec::new());
    }
    // What defines kinds is the largest of all files, and names no image that runs.
    let kinds = text.lines().filter(|line| line.starts_with("kind: "));
    let defines = |line: &str| line.trim_end() == "kind: CustomResourceDefinition";
    let (mut all, mut definitions) = (0, 0);
    for line in kinds {
        (all, definitions) = (all + 1, definitions + usize::from(defines(line)));
    }
    if all > 0 && all == definitions {
        return Ok(Vec::new());
    }
    let stream = yaml::read(text)?;
    Ok(of(path, text, &stream))
}

/// The places of a file that was read.
pub(in crate::platform::gitops) fn of(path: &str, text: &str, stream: &Stream) -> Vec<Place> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let kustomization =
        ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name);
    let mut finding = PlaceScan { text, stream, places: Vec::new(), sealed: None, helm: false };
    let mut bases: Vec<String> = Vec::new();
    for (number, document) in stream.documents.iter().enumerate() {
        // <https://github.com/getsops/sops>: a file whose values are encrypted has this member.
        finding.sealed = document.get("sops").map(|_| "it is encrypted by SOPS".to_owned());
        let kind = document.text("kind").unwrap_or_default();
        let group = document.text("apiVersion").unwrap_or_default();
        let of_flux = group.starts_with("kustomize.toolkit.fluxcd.io/");
        // What defines kinds has descriptions of images, and none that runs.
        if kind == "CustomResourceDefinition" {
            continue;
        }
        finding.helm = kind == "HelmRelease";
        let metadata = document.get("metadata");
        let own = metadata.and_then(|metadata| metadata.text("name"));
        let namespace = metadata.and_then(|metadata| metadata.text("namespace"));
        let base = match (namespace, own) {
            (Some(namespace), Some(own)) => format!("{kind}/{namespace}/{own}"),
            (None, Some(own)) => format!("{kind}/{own}"),
            (_, None) => format!("{number}"),
        };
        let twins = bases.iter().filter(|known| **known == base).count();
        bases.push(base.clone());
        let base = if twins > 0 { format!("{base}#{}", twins + 1) } else { base };
        if kustomization && !of_flux {
            let takes = taken(document);
            finding.entries(document.get("images"), &format!("{base}:images"), &takes);
        } else if of_flux {
            let images = document.get("spec").and_then(|spec| spec.get("images"));
            finding.entries(images, &format!("{base}:spec.images"), &[]);
        } else {
            finding.walk(document, &base, false);
        }
    }
    finding.places
}

/// What a kustomization takes in: paths of files and directories.
fn taken(kustomization: &Node) -> Vec<String> {
    let lists =
        ["resources", "bases", "components", "patchesStrategicMerge", "patches", "helmCharts"];
    let items = lists.iter().filter_map(|list| kustomization.get(list)).flat_map(Node::items);
    let path = |item: &Node| {
        let text = item.scalar().map(|scalar| scalar.text.as_str()).or_else(|| item.text("path"));
        text.map(|text| text.trim_start_matches("./").trim_end_matches('/').to_owned())
    };
    items.filter_map(path).collect()
}

struct PlaceScan<'a> {
    text: &'a str,
    stream: &'a Stream,
    places: Vec<Place>,
    sealed: Option<String>,
    /// Whether the document is a `HelmRelease`.
    helm: bool,
}

impl PlaceScan<'_> {
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

    /// `images:` of a kustomization, or of a Flux Kustomization.
    fn entries(&mut self, images: Option<&Node>, base: &str, takes: &[String]) {
        let Some(images) = images else { return };
        for (number, entry) in images.items().iter().enumerate() {
            let Some(name) = entry.text("name") else { continue };
            let scalar = |key: &str| entry.get(key).and_then(Node::scalar).cloned();
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
            let number = if before > 0 { format!("#{}", before + 1) } else { String::new() };
            self.places.push(Place {
                path: format!("{base}[{name}]{number}"),
                form: Form::Entry,
                image,
                sets: Some(image::parse(name).0),
                version,
                takes: takes.to_vec(),
                markers,
                fixed,
                tag_at: tag,
                digest_at: digest,
                name_at: renamed,
            });
        }
    }

    /// Looks for references below a value. `contained` says that it is an item of a list of containers.
    fn walk(&mut self, node: &Node, path: &str, contained: bool) {
        match node {
            Node::Map(entries) => {
                let chart = self.chart(node, path);
                for (key, value) in entries {
                    let below = format!("{path}.{}", key.text);
                    if let Node::Scalar(scalar) = value {
                        if chart && VALUES.contains(&key.text.as_str()) {
                            continue;
                        }
                        self.scalar(key, scalar, &below, contained);
                        continue;
                    }
                    if let (Node::Alias(alias), "image", true) =
                        (value, key.text.as_str(), contained)
                    {
                        self.reference(
                            alias,
                            &below,
                            Vec::new(),
                            Some("it is an alias of another value".to_owned()),
                        );
                        continue;
                    }
                    let containers = CONTAINERS.contains(&key.text.as_str());
                    if containers && let Node::List(items) = value {
                        for (number, item) in items.iter().enumerate() {
                            let name =
                                item.text("name").map_or_else(|| number.to_string(), str::to_owned);
                            self.walk(item, &format!("{below}[{name}]"), true);
                        }
                        continue;
                    }
                    self.walk(value, &below, false);
                }
            }
            Node::List(items) => {
                for (number, item) in items.iter().enumerate() {
                    let name = item.text("name").map_or_else(|| number.to_string(), str::to_owned);
                    self.walk(item, &format!("{path}[{name}]"), false);
                }
            }
            Node::Scalar(_) | Node::Alias(_) => {}
        }
    }

    fn scalar(&mut self, key: &Scalar, scalar: &Scalar, path: &str, contained: bool) {
        let marker = self.marker(scalar);
        let whole = marker.as_ref().is_some_and(|marker| marker.part.is_empty());
        // Resources of other kinds name an image, too; only with a version it is one beyond doubt.
        let named = key.text == "image"
            && (contained || image::parse(&scalar.text).1 != Version::default());
        if whole || (named && marker.is_none()) {
            let fixed = self.fixed(scalar);
            self.reference(scalar, path, marker.into_iter().collect(), fixed);
        }
    }

    fn reference(
        &mut self,
        scalar: &Scalar,
        path: &str,
        markers: Vec<Marker>,
        fixed: Option<String>,
    ) {
        let (image, version) = image::parse(&scalar.text);
        if image.is_empty() {
            return;
        }
        self.places.push(Place {
            path: path.to_owned(),
            form: Form::Reference,
            image,
            sets: None,
            version,
            takes: Vec::new(),
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
        let (tag, digest) = (scalar("tag"), scalar("digest"));
        let own: Vec<Marker> =
            [&tag, &digest].into_iter().flatten().filter_map(|one| self.marker(one)).collect();
        let marked = own.iter().any(|marker| !marker.part.is_empty());
        let names: &[&str] =
            if marked { &["repository", "name", "image"] } else { &["repository"] };
        let Some(name) = names.iter().find_map(|name| scalar(name)) else { return false };
        if tag.is_none() && digest.is_none() {
            return false;
        }
        let image = match map.text("registry") {
            Some(registry) => format!("{registry}/{}", name.text),
            None => name.text.clone(),
        };
        let markers: Vec<_> = own.into_iter().chain(self.marker(&name)).collect();
        let unmarked = (markers.is_empty() && !self.helm)
            .then(|| "it is a value of a chart without a marker of image automation".to_owned());
        let fixed = [&tag, &digest].into_iter().flatten().find_map(|one| self.fixed(one));
        self.places.push(Place {
            path: format!("{path}.tag"),
            form: Form::Value,
            image,
            sets: None,
            version: Version {
                tag: tag.as_ref().map(|tag| tag.text.clone()),
                digest: digest.as_ref().map(|digest| digest.text.clone()),
            },
            takes: Vec::new(),
            markers,
            fixed: fixed.or(unmarked),
            tag_at: tag,
            digest_at: digest,
            name_at: Some(name),
        });
        true
    }
}

/// The keys of a chart's values that are one place.
const VALUES: [&str; 5] = ["tag", "digest", "repository", "name", "image"];

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str, text: &str) -> Vec<(String, String, Option<String>)> {
        let places = find(path, text.as_bytes()).unwrap();
        places
            .into_iter()
            .map(|one| (one.image.clone(), one.version.whole(), one.policy().map(str::to_owned)))
            .collect()
    }

    fn one(image: &str, version: &str, policy: Option<&str>) -> (String, String, Option<String>) {
        (image.to_owned(), version.to_owned(), policy.map(str::to_owned))
    }

    #[test]
    fn entries_of_a_kustomization() {
        let text = "images:\n- name: a\n  newTag: v1\n- name: b\n  newName: reg/b2\n  digest: sha256:12\n- name: c\n  newName: d\n- name: e\n  newTag: v1 # {\"$imagepolicy\": \"flux-system:e:tag\"}\n  tagSuffix: -x\n";
        let expected = [
            one("a", "v1", None),
            one("reg/b2", "@sha256:12", None),
            one("e", "v1", Some("flux-system:e")),
        ];
        assert_eq!(seen("k/kustomization.yaml", text), expected);
        // In another file it is no kustomization, and only a marker tells a tag.
        assert_eq!(seen("k/other.yaml", text), []);
    }

    #[test]
    fn references_of_manifests() {
        let text = "kind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: reg:5000/web:1 # {\"$imagepolicy\": \"flux-system:web\"}\n      initContainers:\n      - image: 'init:2'\n---\nkind: Other\nspec:\n  image: not/contained:1\n  # {\"$imagepolicy\": \"apps:none\"}\n  above: reg/n:3\n  picture: reg/k:3 # {\"$imagepolicy\": \"apps:knative\"}\n";
        let expected = [
            one("reg:5000/web", "1", Some("flux-system:web")),
            one("init", "2", None),
            one("not/contained", "1", None),
            one("reg/k", "3", Some("apps:knative")),
        ];
        assert_eq!(seen("a/web.yaml", text), expected);
    }

    #[test]
    fn values_of_helm_and_what_cannot_be_edited() {
        let text = "kind: HelmRelease\nspec:\n  values:\n    image:\n      repository: reg/h\n      tag: 1.0.0 # {\"$imagepolicy\": \"flux-system:h:tag\"}\n";
        assert_eq!(seen("h.yaml", text), [one("reg/h", "1.0.0", Some("flux-system:h"))]);
        let text = "spec:\n  containers:\n  - image: app:${TAG}\n  - image: &shared app:1\n  - image: *shared\n  - image: >-\n      app:2\n";
        let places = find("m.yaml", text.as_bytes()).unwrap();
        assert_eq!(places.len(), 4);
        assert!(places.iter().all(|one| one.fixed.is_some()), "{places:#?}");
        assert!(find("m.yaml", b"image: [").is_err());
    }
}
