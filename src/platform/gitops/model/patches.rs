//! Patches that set an image within a kustomization: a strategic merge, or the operations of RFC 6902, as a text. They are
//! shown, and not edited: a value within a text has no place of its own in the file.
//!
//! Kustomize: `api/types/patch.go`; Flux: `spec.patches` of a Kustomization (`docs/spec/v1/kustomizations.md`).

use super::{
    places::{Form, Place, PlaceScan, base_of},
    yaml::{self, Node, Scalar},
};

/// What JSON Pointers to an image end with.
const IMAGE: &str = "/image";

/// The places that the patches of a kustomization hold.
pub(super) fn within(kustomization: &Node) -> Vec<Place> {
    let lists = ["patches", "patchesStrategicMerge", "patchesJson6902"];
    let items = lists.iter().filter_map(|list| kustomization.get(list)).flat_map(Node::items);
    items.flat_map(of_item).collect()
}

fn of_item(item: &Node) -> Vec<Place> {
    let text = item.scalar().or_else(|| item.get("patch").and_then(Node::scalar));
    let Some(text) = text.filter(|scalar| scalar.text.contains("image")) else { return Vec::new() };
    let Ok(stream) = yaml::read(&text.text) else { return Vec::new() };
    let why = format!("line {} is a patch within a text", text.line);
    let mut scan = PlaceScan::new(&text.text, &stream);
    for document in &stream.documents {
        scan.walk(document, &base_of(document).unwrap_or_default(), false);
    }
    let mut found = scan.places;
    let target = item.get("target");
    let named = target
        .and_then(|target| Some(format!("{}/{}", target.text("kind")?, target.text("name")?)));
    for operation in stream.documents.iter().flat_map(Node::items) {
        let Some(value) = value(operation) else { continue };
        let pointer = operation.text("path").unwrap_or_default();
        let path = format!("{}{pointer}", named.as_deref().unwrap_or_default());
        let mut scan = PlaceScan::new(&text.text, &stream);
        scan.value(value, &path);
        found.extend(scan.places);
    }
    for place in &mut found {
        place.form = Form::Patch;
        place.fixed = Some(why.clone());
        place.markers.clear();
        (place.tag_at, place.digest_at, place.name_at) = (None, None, None);
    }
    found
}

/// The value of an operation of RFC 6902 that sets an image.
pub(super) fn value(operation: &Node) -> Option<&Scalar> {
    let sets = matches!(operation.text("op")?, "add" | "replace");
    let image = operation.text("path")?.ends_with(IMAGE);
    operation.get("value").and_then(Node::scalar).filter(|_| sets && image)
}
