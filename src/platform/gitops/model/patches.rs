//! Patches of kustomizations: strategic merges, and operations of RFC 6902, in files of their own or as texts within. Images
//! that stand in a text are shown, and not edited: a value there has no place of its own in the file.
//!
//! Kustomize: `api/types/patch.go`, `api/internal/builtins/PatchTransformer.go`; Flux: `spec.patches` of a Kustomization
//! (`docs/spec/v1/kustomizations.md`).

use super::{
    objects::{Object, Spot},
    places::{Form, Place, PlaceScan, base_of, is_containers},
    yaml::{self, Node, Scalar},
};

/// Which objects a patch is for. Names are regular expressions that match the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Target {
    pub(in crate::platform::gitops) group: Option<String>,
    pub(in crate::platform::gitops) version: Option<String>,
    pub(in crate::platform::gitops) kind: Option<String>,
    pub(in crate::platform::gitops) name: Option<String>,
    pub(in crate::platform::gitops) namespace: Option<String>,
    pub(in crate::platform::gitops) labels: Option<String>,
    pub(in crate::platform::gitops) annotations: Option<String>,
}

/// An operation of RFC 6902.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Operation {
    pub(in crate::platform::gitops) op: String,
    pub(in crate::platform::gitops) pointer: Vec<String>,
    pub(in crate::platform::gitops) from: Vec<String>,
    /// The `name` of its value.
    pub(in crate::platform::gitops) named: Option<String>,
    /// Images in its value, by their way from there.
    pub(in crate::platform::gitops) spots: Vec<Spot>,
}

/// What a patch does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Body {
    /// Strategic merges.
    pub(in crate::platform::gitops) merges: Vec<Object>,
    pub(in crate::platform::gitops) operations: Vec<Operation>,
}

/// Where a patch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) enum Source {
    File(String),
    Within(Body),
}

/// A patch of a kustomization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Patch {
    pub(in crate::platform::gitops) target: Option<Target>,
    pub(in crate::platform::gitops) source: Source,
}

/// The patches in a list of a kustomization; what stands within is added to the places.
pub(super) fn within(list: Option<&Node>, places: &mut Vec<Place>) -> Vec<Patch> {
    list.into_iter().flat_map(Node::items).filter_map(|item| patch(item, places)).collect()
}

fn patch(item: &Node, places: &mut Vec<Place>) -> Option<Patch> {
    let target = item.get("target").map(|target| {
        let text = |key: &str| target.text(key).map(str::to_owned);
        Target {
            group: text("group"),
            version: text("version"),
            kind: text("kind"),
            name: text("name"),
            namespace: text("namespace"),
            labels: text("labelSelector"),
            annotations: text("annotationSelector"),
        }
    });
    let text = item.scalar().or_else(|| item.get("patch").and_then(Node::scalar));
    let written = |text: &Scalar| text.text.contains('\n') || text.text.starts_with('{');
    let Some(text) = text.filter(|text| item.scalar().is_none() || written(text)) else {
        let path = item.text("path").or_else(|| item.scalar().map(|path| path.text.as_str()))?;
        return Some(Patch { target, source: Source::File(path.to_owned()) });
    };
    let stream = yaml::read(&text.text).ok()?;
    let mut scan = PlaceScan::new(&text.text, &stream);
    scan.places = std::mem::take(places);
    let from = scan.places.len();
    let named = target.as_ref();
    let named = named.and_then(|of| Some(format!("{}/{}", of.kind.as_ref()?, of.name.as_ref()?)));
    let named = named.unwrap_or_default();
    let mut body = Body::default();
    for document in &stream.documents {
        if let Node::List(operations) = document {
            let operation = |one: &Node| {
                let path = format!("{named}{}", one.text("path").unwrap_or_default());
                operation(one, &path, &mut scan)
            };
            body.operations.extend(operations.iter().filter_map(operation));
            continue;
        }
        scan.helm = document.text("kind") == Some("HelmRelease");
        scan.walk(document, &base_of(document).unwrap_or_default(), false);
        body.merges.push(Object::read(document, scan.of_object()));
    }
    *places = scan.places;
    let why = format!("line {} is a patch within a text", text.line);
    for at in from..places.len() {
        // Two patches may say the same of different objects.
        let twins = places[..at].iter().filter(|one| one.path == places[at].path).count();
        let place = &mut places[at];
        if twins > 0 {
            place.path = format!("{}#{}", place.path, twins + 1);
        }
        place.form = Form::Patch;
        place.fixed = Some(why.clone());
        place.markers.clear();
        (place.tag_at, place.digest_at, place.name_at) = (None, None, None);
    }
    Some(Patch { target, source: Source::Within(body) })
}

/// An operation of RFC 6902; the images in its value are called by `path`.
pub(super) fn operation(item: &Node, path: &str, scan: &mut PlaceScan<'_>) -> Option<Operation> {
    let op = item.text("op")?.to_owned();
    let pointer = tokens(item.text("path")?);
    let last = pointer.last().map(String::as_str).unwrap_or_default();
    let list = pointer.len().checked_sub(2).map(|at| pointer[at].as_str()).unwrap_or_default();
    if matches!(op.as_str(), "add" | "replace") {
        match item.get("value") {
            Some(Node::Scalar(value)) if last == "image" => scan.value(value, path),
            Some(Node::Scalar(value)) if last == "tag" => scan.tag(value, path),
            Some(value @ Node::Map(_)) => scan.walk(value, path, is_containers(list)),
            Some(Node::List(items)) => scan.items(items, path, is_containers(last)),
            _ => {}
        }
    }
    let spots = std::mem::take(&mut scan.spots);
    let named = item.get("value").and_then(|value| value.text("name")).map(str::to_owned);
    let from = tokens(item.text("from").unwrap_or_default());
    Some(Operation { op, pointer, from, named, spots })
}

/// The parts of a JSON Pointer.
fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}
