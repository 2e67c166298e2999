//! Objects of manifests and of patches, as far as images go: what they are called, and where in them an image stands.

use super::yaml::{Node, Style};

/// Lists of containers that `images:` of a kustomization looks through, at any depth (kustomize:
/// `api/filters/imagetag/legacy.go`).
const LOOKED_THROUGH: [&str; 2] = ["containers", "initContainers"];

/// A step on the way from an object to a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) enum Segment {
    Key(String),
    /// An item of a list: its number, and its `name` where it has one.
    Item(usize, Option<String>),
}

/// The way to a value.
pub(in crate::platform::gitops) type Way = Vec<Segment>;

/// Where an image stands, and which of the file's places that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Spot {
    pub(in crate::platform::gitops) way: Way,
    pub(in crate::platform::gitops) place: usize,
}

/// What a patch takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) enum Removal {
    /// The value itself: `$patch: delete`, or a null.
    Whole,
    /// Whatever else is in it: `$patch: replace`.
    Others,
}

/// An object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Object {
    pub(in crate::platform::gitops) group: String,
    pub(in crate::platform::gitops) version: String,
    pub(in crate::platform::gitops) kind: String,
    pub(in crate::platform::gitops) name: String,
    pub(in crate::platform::gitops) namespace: Option<String>,
    pub(in crate::platform::gitops) labels: Vec<(String, String)>,
    pub(in crate::platform::gitops) annotations: Vec<(String, String)>,
    pub(in crate::platform::gitops) spots: Vec<Spot>,
    /// Names of images that stand alone in values of a release, by the way to where its tag would be.
    pub(in crate::platform::gitops) renames: Vec<(Way, String)>,
    /// Of a patch.
    pub(in crate::platform::gitops) removals: Vec<(Way, Removal)>,
    /// Lists of mappings, with the names of their items.
    pub(in crate::platform::gitops) lists: Vec<(Way, Vec<Option<String>>)>,
}

/// Whether `images:` of a kustomization looks at a value.
pub(in crate::platform::gitops) fn is_looked_at(way: &[Segment]) -> bool {
    let [.., Segment::Key(list), Segment::Item(..), Segment::Key(key)] = way else { return false };
    key == "image" && LOOKED_THROUGH.contains(&list.as_str())
}

/// Whether it does so a second time, since the value is at one of the usual fields, too
/// (`api/internal/konfig/builtinpluginconsts/images.go`): what is added to a tag is added twice.
pub(in crate::platform::gitops) fn is_looked_at_twice(way: &[Segment]) -> bool {
    let keys = |keys: &[&str], steps: &[Segment]| {
        keys.len() == steps.len()
            && keys.iter().zip(steps).all(|(key, step)| *step == Segment::Key((*key).to_owned()))
    };
    let Some(above) = way.len().checked_sub(3).map(|above| &way[..above]) else { return false };
    is_looked_at(way) && (keys(&["spec"], above) || keys(&["spec", "template", "spec"], above))
}

/// The scalars of a mapping at a key of an object's metadata.
fn pairs(metadata: Option<&Node>, key: &str) -> Vec<(String, String)> {
    let Some(Node::Map(entries)) = metadata.and_then(|metadata| metadata.get(key)) else {
        return Vec::new();
    };
    let pair = |(key, value): &(super::yaml::Scalar, Node)| {
        Some((key.text.clone(), value.scalar()?.text.clone()))
    };
    entries.iter().filter_map(pair).collect()
}

impl Object {
    /// What a document calls itself, with these spots and names.
    pub(super) fn read(document: &Node, (spots, renames): (Vec<Spot>, Vec<(Way, String)>)) -> Self {
        let text = |key: &str| document.text(key).unwrap_or_default();
        let metadata = document.get("metadata");
        let named = |key: &str| metadata.and_then(|metadata| metadata.text(key));
        let (group, version) = match text("apiVersion").rsplit_once('/') {
            Some((group, version)) => (group, version),
            None => ("", text("apiVersion")),
        };
        let mut object = Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text("kind").to_owned(),
            name: named("name").unwrap_or_default().to_owned(),
            namespace: named("namespace").map(str::to_owned),
            labels: pairs(metadata, "labels"),
            annotations: pairs(metadata, "annotations"),
            spots,
            renames,
            ..Self::default()
        };
        object.look_through(document, &mut Vec::new());
        object
    }

    /// Whether items of its lists are merged by their names: kustomize knows the schemas of Kubernetes' own kinds.
    pub(in crate::platform::gitops) fn merges_lists(&self) -> bool {
        !self.group.contains('.') || self.group.ends_with(".k8s.io")
    }

    /// Looks for what it takes away as a patch, and for its lists.
    fn look_through(&mut self, node: &Node, way: &mut Way) {
        match node {
            Node::Map(entries) => {
                match node.text("$patch") {
                    Some("delete") => self.removals.push((way.clone(), Removal::Whole)),
                    Some("replace") => self.removals.push((way.clone(), Removal::Others)),
                    _ => {}
                }
                for (key, value) in entries {
                    way.push(Segment::Key(key.text.clone()));
                    if is_null(value) {
                        self.removals.push((way.clone(), Removal::Whole));
                    }
                    self.look_through(value, way);
                    way.pop();
                }
            }
            Node::List(items) => {
                let alone = |item: &&Node| {
                    matches!(item, Node::Map(entries) if entries.len() == 1)
                        && item.text("$patch") == Some("replace")
                };
                if items.iter().any(|item| alone(&item)) {
                    self.removals.push((way.clone(), Removal::Others));
                }
                let items: Vec<_> = items.iter().filter(|item| !alone(item)).collect();
                if items.iter().any(|item| matches!(item, Node::Map(_))) {
                    let stay = items.iter().filter(|item| item.text("$patch") != Some("delete"));
                    let names = stay.map(|item| item.text("name").map(str::to_owned));
                    self.lists.push((way.clone(), names.collect()));
                }
                for (number, item) in items.into_iter().enumerate() {
                    way.push(Segment::Item(number, item.text("name").map(str::to_owned)));
                    self.look_through(item, way);
                    way.pop();
                }
            }
            Node::Scalar(_) | Node::Alias(_) => {}
        }
    }
}

fn is_null(value: &Node) -> bool {
    value.scalar().is_some_and(|scalar| {
        scalar.style == Style::Plain && ["", "~", "null"].contains(&scalar.text.as_str())
    })
}
