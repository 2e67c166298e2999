//! Kustomizations, of kustomize and of Flux: what they build on, and what they say of it that the files below then no longer
//! do.

use super::{
    places::{Form, Place},
    yaml::Node,
};

/// A kustomization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Kustomization {
    /// Whether paths are the repository's, as those of Flux; else they are the directory's.
    pub(in crate::platform::gitops) of_flux: bool,
    /// Paths of files and directories that it builds on.
    pub(in crate::platform::gitops) takes: Vec<String>,
    /// Those of the directories that are components: what they set they set in all that this one builds on.
    pub(in crate::platform::gitops) components: Vec<String>,
    /// Files of patches.
    pub(in crate::platform::gitops) patches: Vec<String>,
    /// Its entries of `images:`, and what its patches hold.
    pub(in crate::platform::gitops) sets: Vec<Place>,
    /// What Flux puts in for `${…}`: names and values.
    pub(in crate::platform::gitops) variables: Vec<(String, String)>,
}

/// Whether a file is a kustomization of kustomize, by its name.
pub(in crate::platform::gitops) fn is_one(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name)
}

fn paths(node: &Node, lists: &[&str]) -> Vec<String> {
    let items = lists.iter().filter_map(|list| node.get(list)).flat_map(Node::items);
    let path = |item: &Node| {
        let text = item.scalar().map(|scalar| scalar.text.as_str()).or_else(|| item.text("path"));
        text.filter(|text| !text.contains('\n')).map(str::to_owned)
    };
    items.filter_map(path).collect()
}

impl Kustomization {
    /// One of kustomize, which sets these places.
    pub(super) fn of_kustomize(document: &Node, sets: Vec<Place>) -> Self {
        Self {
            takes: paths(document, &["resources", "bases", "components", "helmCharts"]),
            components: paths(document, &["components"]),
            patches: paths(document, &["patches", "patchesStrategicMerge", "patchesJson6902"]),
            sets,
            ..Self::default()
        }
    }

    /// One of Flux, which sets these places.
    pub(super) fn of_flux(spec: &Node, sets: Vec<Place>) -> Self {
        let substitute = spec.get("postBuild").and_then(|build| build.get("substitute"));
        let variables = match substitute {
            Some(Node::Map(entries)) => entries
                .iter()
                .filter_map(|(key, value)| Some((key.text.clone(), value.scalar()?.text.clone())))
                .collect(),
            _ => Vec::new(),
        };
        let path = spec.text("path").unwrap_or("./").to_owned();
        Self { of_flux: true, takes: vec![path], sets, variables, ..Self::default() }
    }

    /// Whether it sets what a manifest's line says of an image. Patches are told by the object and the path in it, and those
    /// of RFC 6902 by the object and the image; `files` are the places of its files of patches.
    pub(in crate::platform::gitops) fn sets(&self, line: &Place, files: &[&Place]) -> bool {
        self.sets.iter().chain(files.iter().copied()).any(|one| match one.form {
            // Image automation moves a line with a marker all the same.
            Form::Entry => {
                line.markers.is_empty() && one.sets.as_deref() == Some(line.image.as_str())
            }
            _ => same_line(&one.path, &line.path) || (is_pointer(&one.path) && replaces(one, line)),
        })
    }
}

/// Kind and name of the object that a path is in, and the path in it.
fn object(path: &str) -> (&str, &str, &str) {
    let end = path.find(['.']).map_or(path.len(), |first| path.find(".spec").unwrap_or(first));
    let (head, rest) = path.split_at(end);
    let kind = head.split('/').next().unwrap_or_default();
    (kind, head.rsplit('/').next().unwrap_or_default(), rest)
}

fn same_line(one: &str, other: &str) -> bool {
    object(one) == object(other)
}

/// Whether a place was named by an operation of RFC 6902: `KIND/NAME/spec/…`, or by its number in a file of its own.
fn is_pointer(path: &str) -> bool {
    path.contains("/spec/") || path.ends_with("].value")
}

fn replaces(operation: &Place, line: &Place) -> bool {
    let (kind, name, _) = object(&line.path);
    let aimed = operation.path.split("/spec/").next().unwrap_or_default();
    let anything = aimed.is_empty() || aimed.ends_with("].value");
    operation.image == line.image && (anything || aimed == format!("{kind}/{name}"))
}
