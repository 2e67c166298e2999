//! Kustomizations, of kustomize and of Flux: what they build on, and what they change in it.

use super::{
    patches::{self, Patch},
    places::Place,
    yaml::Node,
};

/// An entry of `images:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct ImageEntry {
    /// Which images it is for: a regular expression.
    pub(in crate::platform::gitops) name: String,
    pub(in crate::platform::gitops) renamed: Option<String>,
    pub(in crate::platform::gitops) tag: Option<String>,
    pub(in crate::platform::gitops) digest: Option<String>,
    pub(in crate::platform::gitops) suffix: Option<String>,
    /// Which of the file's places it is, where it says a version.
    pub(in crate::platform::gitops) place: Option<usize>,
}

/// What a Kustomization of Flux has beside one of kustomize.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct OfFlux {
    pub(in crate::platform::gitops) name: String,
    /// Kind, namespace and name of its source.
    pub(in crate::platform::gitops) source: (String, Option<String>, String),
    /// What it puts in for `${…}`: names and values; `None` where it puts in nothing.
    pub(in crate::platform::gitops) variables: Option<Vec<(String, String)>>,
    /// Whether more of that is in the cluster.
    pub(in crate::platform::gitops) more_variables: bool,
}

/// A kustomization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Kustomization {
    pub(in crate::platform::gitops) of_flux: Option<OfFlux>,
    /// Paths of files and directories that it builds on: of the directory; of one of Flux the repository's directory.
    pub(in crate::platform::gitops) resources: Vec<String>,
    /// Whether it only changes what others build on.
    pub(in crate::platform::gitops) is_component: bool,
    /// Directories that change what it builds on.
    pub(in crate::platform::gitops) components: Vec<String>,
    /// Patches in the order that they are applied in.
    pub(in crate::platform::gitops) patches: Vec<Patch>,
    /// Those that come after names and namespaces have been changed.
    pub(in crate::platform::gitops) late_patches: Vec<Patch>,
    pub(in crate::platform::gitops) images: Vec<ImageEntry>,
    pub(in crate::platform::gitops) namespace: Option<String>,
    pub(in crate::platform::gitops) prefix: String,
    pub(in crate::platform::gitops) suffix: String,
    pub(in crate::platform::gitops) labels: Vec<(String, String)>,
    /// Files and texts of transformers.
    pub(in crate::platform::gitops) transformers: Vec<String>,
    /// What else it does that may set an image, and is not worked out.
    pub(in crate::platform::gitops) beyond: Option<&'static str>,
    /// Whether it builds on more than files of the repository.
    pub(in crate::platform::gitops) generates: bool,
}

/// Whether a file is a kustomization of kustomize, by its name.
pub(in crate::platform::gitops) fn is_one(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name)
}

/// The texts of lists.
fn texts(node: &Node, lists: &[&str]) -> Vec<String> {
    let items = lists.iter().filter_map(|list| node.get(list)).flat_map(Node::items);
    items.filter_map(Node::scalar).map(|scalar| scalar.text.clone()).collect()
}

fn entries(images: Option<&Node>, places: &[Option<usize>]) -> Vec<ImageEntry> {
    let items = images.into_iter().flat_map(Node::items).zip(places);
    let entry = |(item, place): (&Node, &Option<usize>)| {
        let text = |key: &str| item.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(ImageEntry {
            name: text("name")?,
            renamed: text("newName"),
            tag: text("newTag"),
            digest: text("digest"),
            suffix: text("tagSuffix"),
            place: *place,
        })
    };
    items.filter_map(entry).collect()
}

/// Labels that are put on everything: of `commonLabels`, and of `labels`.
fn labels(document: &Node) -> Vec<(String, String)> {
    let common = document.get("commonLabels");
    let more = document.get("labels").into_iter().flat_map(Node::items);
    let maps = common.into_iter().chain(more.filter_map(|item| item.get("pairs")));
    let mut found = Vec::new();
    for map in maps {
        if let Node::Map(pairs) = map {
            let pair = |(key, value): &(super::yaml::Scalar, Node)| {
                Some((key.text.clone(), value.scalar()?.text.clone()))
            };
            found.extend(pairs.iter().filter_map(pair));
        }
    }
    found
}

impl Kustomization {
    /// What both kinds say alike. `entries` are the places of its `images:`.
    fn read(document: &Node, of_entries: &[Option<usize>], places: &mut Vec<Place>) -> Self {
        let text = |key: &str| document.text(key).map(str::to_owned);
        let mut early = patches::within(document.get("patchesStrategicMerge"), places);
        early.extend(patches::within(document.get("patches"), places));
        Self {
            components: texts(document, &["components"]),
            patches: early,
            late_patches: patches::within(document.get("patchesJson6902"), places),
            images: entries(document.get("images"), of_entries),
            prefix: text("namePrefix").unwrap_or_default(),
            suffix: text("nameSuffix").unwrap_or_default(),
            ..Self::default()
        }
    }

    /// One of kustomize.
    pub(super) fn of_kustomize(
        document: &Node,
        of_entries: &[Option<usize>],
        places: &mut Vec<Place>,
    ) -> Self {
        let has = |key: &str| document.get(key).is_some_and(|list| !list.items().is_empty());
        let mentions = |key: &str| document.get(key).is_some_and(mentions_image);
        let beyond = if mentions("replacements") {
            Some("replacements")
        } else if has("vars") {
            Some("vars")
        } else {
            let schemas = document.get("openapi").is_some();
            (has("configurations") || schemas).then_some("configurations")
        };
        Self {
            resources: texts(document, &["resources", "bases"]),
            is_component: document.text("kind") == Some("Component"),
            namespace: document.text("namespace").map(str::to_owned),
            labels: labels(document),
            transformers: texts(document, &["transformers"]),
            beyond,
            generates: ["helmCharts", "helmChartInflationGenerator", "generators"]
                .iter()
                .any(|key| has(key)),
            ..Self::read(document, of_entries, places)
        }
    }

    /// One of Flux.
    pub(super) fn of_flux(
        document: &Node,
        spec: &Node,
        of_entries: &[Option<usize>],
        places: &mut Vec<Place>,
    ) -> Self {
        let build = spec.get("postBuild");
        let variables = build.map(|build| match build.get("substitute") {
            Some(Node::Map(entries)) => entries
                .iter()
                .filter_map(|(key, value)| Some((key.text.clone(), value.scalar()?.text.clone())))
                .collect(),
            _ => Vec::new(),
        });
        let more = build.and_then(|build| build.get("substituteFrom"));
        let source = spec.get("sourceRef");
        let of_source = |key: &str| source.and_then(|source| source.text(key)).map(str::to_owned);
        let own = document.get("metadata").and_then(|metadata| metadata.text("namespace"));
        let metadata = document.get("metadata");
        let name = metadata.and_then(|metadata| metadata.text("name")).unwrap_or_default();
        let of_flux = OfFlux {
            name: name.to_owned(),
            source: (
                of_source("kind").unwrap_or_default(),
                of_source("namespace").or_else(|| own.map(str::to_owned)),
                of_source("name").unwrap_or_default(),
            ),
            variables,
            more_variables: more.is_some_and(|list| !list.items().is_empty()),
        };
        Self {
            of_flux: Some(of_flux),
            resources: vec![spec.text("path").unwrap_or("./").to_owned()],
            namespace: spec.text("targetNamespace").map(str::to_owned),
            ..Self::read(spec, of_entries, places)
        }
    }
}

/// Whether anything in a value speaks of an image, or of what holds one, or is elsewhere.
fn mentions_image(node: &Node) -> bool {
    match node {
        Node::Scalar(scalar) | Node::Alias(scalar) => {
            let text = scalar.text.as_str();
            let whole = ["spec", "spec.template", "spec.template.spec"].contains(&text);
            whole || text.contains("image") || text.contains("ontainers")
        }
        Node::Map(entries) => {
            entries.iter().any(|(key, value)| key.text == "path" || mentions_image(value))
        }
        Node::List(items) => items.iter().any(mentions_image),
    }
}
