//! What a file of a repository says of images: its places, and the kustomizations that build on other files.

use super::{
    kustomizations::{self, Kustomization},
    objects::Object,
    patches::{self, Operation},
    places::{Place, PlaceScan, base_of},
    yaml::{self, Node, Stream},
};

/// Files that are larger than this are passed over.
const LARGEST: usize = 4 * 1_048_576;
/// A file without any of these says nothing of images, and takes none away from others.
const WORDS: [&str; 6] =
    ["image", "$imagepolicy", "ustomiz", "containers", "$patch", "kind: GitRepository"];

/// What a file says of images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Contents {
    pub(in crate::platform::gitops) places: Vec<Place>,
    /// The kustomizations in it, of kustomize or of Flux, which build on other files.
    pub(in crate::platform::gitops) kustomizations: Vec<Kustomization>,
    /// The objects in it, or what it merges into others as a patch.
    pub(in crate::platform::gitops) objects: Vec<Object>,
    /// The repositories that Flux takes what it applies from: namespace, name and address.
    pub(in crate::platform::gitops) sources: Vec<(Option<String>, String, String)>,
    /// The operations in it, as a patch.
    pub(in crate::platform::gitops) operations: Vec<Operation>,
}

/// What a file says of images, or why it cannot be read.
pub(in crate::platform::gitops) fn find(path: &str, bytes: &[u8]) -> Result<Contents, String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Err("it is no UTF-8".to_owned()) };
    // Most files hold no image at all, and need no parser.
    if !WORDS.iter().any(|word| text.contains(word)) && !kustomizations::is_one(path) {
        return Ok(Contents::default());
    }
    // What defines kinds is the largest of all files, and names no image that runs.
    let kinds = text.lines().filter(|line| line.starts_with("kind: "));
    let defines = |line: &str| line.trim_end() == "kind: CustomResourceDefinition";
    let (mut all, mut definitions) = (0, 0);
    for line in kinds {
        (all, definitions) = (all + 1, definitions + usize::from(defines(line)));
    }
    if all > 0 && all == definitions {
        return Ok(Contents::default());
    }
    if text.len() > LARGEST {
        return Err(format!("it is larger than {} MiB, and is not read", LARGEST / 1_048_576));
    }
    let stream = yaml::read(text)?;
    Ok(of(path, text, &stream))
}

/// What a file that was read says of images.
pub(in crate::platform::gitops) fn of(path: &str, text: &str, stream: &Stream) -> Contents {
    let kustomization = kustomizations::is_one(path);
    let (mut kustomizations, mut objects, mut operations) = (Vec::new(), Vec::new(), Vec::new());
    let mut sources = Vec::new();
    let mut finding = PlaceScan::new(text, stream);
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
        let base = base_of(document).unwrap_or_else(|| number.to_string());
        let twins = bases.iter().filter(|known| **known == base).count();
        bases.push(base.clone());
        let base = if twins > 0 { format!("{base}#{}", twins + 1) } else { base };
        if kustomization && !of_flux {
            let entries = finding.entries(document.get("images"), &format!("{base}:images"));
            let places = &mut finding.places;
            kustomizations.push(Kustomization::of_kustomize(document, &entries, places));
        } else if let Some(spec) = document.get("spec").filter(|_| of_flux) {
            let entries = finding.entries(spec.get("images"), &format!("{base}:spec.images"));
            let places = &mut finding.places;
            kustomizations.push(Kustomization::of_flux(document, spec, &entries, places));
        } else if let Node::List(items) = document {
            for (number, item) in items.iter().enumerate() {
                let path = format!("{base}[{number}].value");
                operations.extend(patches::operation(item, &path, &mut finding));
            }
        } else if let Some(items) = document.get("items").filter(|_| kind.ends_with("List")) {
            for (number, item) in items.items().iter().enumerate() {
                finding.walk(item, &format!("{base}.items[{number}]"), false);
                objects.push(Object::read(item, finding.of_object()));
            }
        } else {
            // Without a kind it is no manifest, and what it says of images is for somebody else, such as a pipeline; values of
            // charts are shown all the same.
            finding.foreign = document.get("kind").is_none();
            finding.walk(document, &base, false);
            finding.foreign = false;
            let object = Object::read(document, finding.of_object());
            let url = document.get("spec").and_then(|spec| spec.text("url"));
            if let Some(url) = url.filter(|_| object.kind == "GitRepository") {
                sources.push((object.namespace.clone(), object.name.clone(), url.to_owned()));
            }
            objects.push(object);
        }
    }
    Contents { places: finding.places, kustomizations, objects, sources, operations }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str, text: &str) -> Vec<(String, String, Option<String>)> {
        let places = find(path, text.as_bytes()).unwrap().places;
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
        let text = "kind: Pod\nspec:\n  containers:\n  - image: app:${TAG}\n  - image: &shared app:1\n  - image: *shared\n  - image: >-\n      app:2\n";
        let places = find("m.yaml", text.as_bytes()).unwrap().places;
        assert_eq!(places.len(), 4);
        assert!(places.iter().all(|one| one.fixed.is_some()), "{places:#?}");
        assert!(find("m.yaml", b"image: [").is_err());
    }
}
