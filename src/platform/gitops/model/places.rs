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

/// A marker of Flux' image automation beside or above a value: `{"$imagepolicy": "NAMESPACE:NAME"}`.
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
    /// Whether it stands on the line above the value.
    pub(in crate::platform::gitops) above: bool,
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
    /// What kustomize puts behind the tag.
    pub(in crate::platform::gitops) suffix: String,
    pub(in crate::platform::gitops) markers: Vec<Marker>,
    /// Why it cannot be edited.
    pub(in crate::platform::gitops) fixed: Option<String>,
    /// The scalar of the whole reference or of the tag, and that of the digest.
    pub(in crate::platform::gitops) tag_at: Option<Scalar>,
    pub(in crate::platform::gitops) digest_at: Option<Scalar>,
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
    let stream = yaml::read(text)?;
    Ok(of(path, text, &stream))
}

/// The places of a file that was read.
pub(in crate::platform::gitops) fn of(path: &str, text: &str, stream: &Stream) -> Vec<Place> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let kustomization =
        ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name);
    let mut finding = Finding { text, stream, places: Vec::new(), sealed: None };
    for (number, document) in stream.documents.iter().enumerate() {
        // <https://github.com/getsops/sops>: a file whose values are encrypted has this member.
        finding.sealed = document.get("sops").map(|_| "it is encrypted by SOPS".to_owned());
        let kind = document.text("kind").unwrap_or_default();
        let group = document.text("apiVersion").unwrap_or_default();
        let of_flux = group.starts_with("kustomize.toolkit.fluxcd.io/");
        let own = document.get("metadata").and_then(|metadata| metadata.text("name"));
        let base = match own {
            Some(own) => format!("{kind}/{own}"),
            None => format!("{number}"),
        };
        if kustomization && !of_flux {
            finding.entries(document.get("images"), &format!("{base}:images"));
        } else if of_flux {
            let images = document.get("spec").and_then(|spec| spec.get("images"));
            finding.entries(images, &format!("{base}:spec.images"));
        } else {
            finding.walk(document, &base, false);
        }
    }
    finding.places
}

struct Finding<'a> {
    text: &'a str,
    stream: &'a Stream,
    places: Vec<Place>,
    sealed: Option<String>,
}

impl Finding<'_> {
    /// The marker of a value: in the comment beside it, or in the one above.
    fn marker(&self, scalar: &Scalar) -> Option<Marker> {
        let beside =
            self.stream.comments.iter().filter(|one| one.beside && one.line == scalar.line);
        let above =
            self.stream.comments.iter().filter(|one| !one.beside && one.line + 1 == scalar.line);
        beside.chain(above).find_map(|comment| {
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
                above: !comment.beside,
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
    fn entries(&mut self, images: Option<&Node>, base: &str) {
        let Some(images) = images else { return };
        for (number, entry) in images.items().iter().enumerate() {
            let Some(name) = entry.text("name") else { continue };
            let scalar = |key: &str| entry.get(key).and_then(Node::scalar).cloned();
            let alias = |key: &str| matches!(entry.get(key), Some(Node::Alias(_)));
            let (tag, digest, renamed) = (scalar("newTag"), scalar("digest"), scalar("newName"));
            if tag.is_none() && digest.is_none() && !alias("newTag") && !alias("digest") {
                continue;
            }
            let suffix = entry.text("tagSuffix").unwrap_or_default().to_owned();
            let version = Version {
                tag: tag.as_ref().map(|tag| format!("{}{suffix}", tag.text)),
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
                suffix,
                markers,
                fixed,
                tag_at: tag,
                digest_at: digest,
            });
        }
    }

    /// Looks for references below a value. `contained` says that it is an item of a list of containers.
    fn walk(&mut self, node: &Node, path: &str, contained: bool) {
        match node {
            Node::Map(entries) => {
                for (key, value) in entries {
                    let below = format!("{path}.{}", key.text);
                    if let Node::Scalar(scalar) = value {
                        self.scalar(node, key, scalar, &below, contained);
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

    fn scalar(&mut self, map: &Node, key: &Scalar, scalar: &Scalar, path: &str, contained: bool) {
        let marker = self.marker(scalar);
        match marker.as_ref().map(|marker| marker.part.as_str()) {
            Some("tag" | "digest") => {
                let digest = marker.as_ref().is_some_and(|marker| marker.part == "digest");
                self.value(map, scalar, path, marker, digest);
            }
            Some("name") => {}
            Some(_) => {
                let fixed = self.fixed(scalar);
                self.reference(scalar, path, marker.into_iter().collect(), fixed);
            }
            // Values of a chart that nothing marks: told, and left to whoever wrote them.
            None if key.text == "tag" && map.text("repository").is_some() => {
                self.value(map, scalar, path, None, false);
            }
            None if contained && key.text == "image" => {
                let fixed = self.fixed(scalar);
                self.reference(scalar, path, Vec::new(), fixed);
            }
            None => {}
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
            suffix: String::new(),
            markers,
            fixed,
            tag_at: Some(scalar.clone()),
            digest_at: None,
        });
    }

    /// A tag or digest with a marker of its own, such as in Helm values; the image's name stands beside it.
    fn value(
        &mut self,
        map: &Node,
        scalar: &Scalar,
        path: &str,
        marker: Option<Marker>,
        digest: bool,
    ) {
        let names = ["repository", "name", "image"];
        let Some(name) = names.iter().find_map(|name| map.text(name)) else { return };
        let image = match map.text("registry") {
            Some(registry) => format!("{registry}/{name}"),
            None => name.to_owned(),
        };
        let text = Some(scalar.text.clone());
        let version = if digest {
            Version { tag: None, digest: text }
        } else {
            Version { tag: text, digest: None }
        };
        let unmarked = marker
            .is_none()
            .then(|| "it is a value of a chart without a marker of image automation".to_owned());
        let fixed = self.fixed(scalar).or(unmarked);
        let (tag_at, digest_at) =
            if digest { (None, Some(scalar.clone())) } else { (Some(scalar.clone()), None) };
        self.places.push(Place {
            path: path.to_owned(),
            form: Form::Value,
            image,
            sets: None,
            version,
            suffix: String::new(),
            markers: marker.into_iter().collect(),
            fixed,
            tag_at,
            digest_at,
        });
    }
}

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
            one("e", "v1-x", Some("flux-system:e")),
        ];
        assert_eq!(seen("k/kustomization.yaml", text), expected);
        // In another file it is no kustomization, and only a marker tells a tag.
        assert_eq!(seen("k/other.yaml", text), [one("e", "v1", Some("flux-system:e"))]);
    }

    #[test]
    fn references_of_manifests() {
        let text = "kind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: reg:5000/web:1 # {\"$imagepolicy\": \"flux-system:web\"}\n      initContainers:\n      - image: 'init:2'\n---\nkind: Other\nspec:\n  image: not/contained:1\n  # {\"$imagepolicy\": \"apps:knative\"}\n  picture: reg/k:3\n";
        let expected = [
            one("reg:5000/web", "1", Some("flux-system:web")),
            one("init", "2", None),
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
