//! From the files of a tree to the Deployments that they declare, and from those to the cluster: as far as the worlds need
//! it, which name, tag and pin images by `images:`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::simulator::kubernetes::{resources::DEPLOYMENTS, store::Key, world::World};

/// A Deployment of the tree, with its image.
pub(crate) struct Built {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) image: String,
}

/// Builds the tree below a path: manifests, with the entries of their kustomizations from the inside out.
pub(crate) fn build(files: &[(String, String)], root: &str) -> Result<Vec<Built>, String> {
    let mut entries: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut deployments = Vec::new();
    for (file, text) in files {
        let (directory, name) = file.rsplit_once('/').unwrap_or(("", file));
        let end = std::path::Path::new(file).extension();
        if !end.is_some_and(|end| end == "yaml" || end == "yml") {
            continue;
        }
        for document in yaml_serde::Deserializer::from_str(text) {
            let value: Value = serde::Deserialize::deserialize(document)
                .map_err(|error| format!("kustomize build failed: {file}: {error}"))?;
            if name == "kustomization.yaml" {
                let images = value["images"].as_array().cloned().unwrap_or_default();
                if images.iter().any(|image| image["newTag"].is_number()) {
                    return Err(format!(
                        "kustomize build failed: {file}: cannot unmarshal number into Go struct field .images.newTag of type string"
                    ));
                }
                entries.insert(directory.to_owned(), images);
            } else if value["kind"] == "Deployment" {
                let image =
                    value.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str);
                let metadata = &value["metadata"];
                deployments.push((
                    directory.to_owned(),
                    Built {
                        namespace: metadata["namespace"].as_str().unwrap_or("default").to_owned(),
                        name: metadata["name"].as_str().unwrap_or_default().to_owned(),
                        image: image.unwrap_or_default().to_owned(),
                    },
                ));
            }
        }
    }
    let mut built = Vec::new();
    for (directory, mut one) in deployments {
        let mut at = Some(directory.as_str());
        while let Some(here) = at.filter(|here| here.len() >= root.len()) {
            for entry in entries.get(here).into_iter().flatten() {
                one.image = renamed(&one.image, entry);
            }
            at = here.rsplit_once('/').map(|(above, _)| above);
        }
        built.push(one);
    }
    Ok(built)
}

/// An image after an entry of `images:`.
fn renamed(image: &str, entry: &Value) -> String {
    let (rest, digest) =
        image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[slash..].rfind(':') {
        Some(at) => (&rest[..slash + at], Some(&rest[slash + at + 1..])),
        None => (rest, None),
    };
    if entry["name"] != name {
        return image.to_owned();
    }
    let text = |key: &str| entry[key].as_str();
    let name = text("newName").unwrap_or(name);
    let (tag, digest) = match (text("newTag"), text("digest")) {
        (Some(tag), Some(digest)) => (Some(tag), Some(digest)),
        (Some(tag), None) => (Some(tag), None),
        (None, Some(digest)) => (None, Some(digest)),
        (None, None) => (tag, digest),
    };
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{name}{tag}{digest}")
}

impl Built {
    pub(crate) fn key(&self) -> Key {
        Key::new(DEPLOYMENTS, self.namespace.clone(), self.name.clone())
    }

    /// Whether the cluster has it with another image.
    pub(crate) fn differs(&self, world: &World) -> bool {
        let image = |object: &Value| {
            object
                .pointer("/spec/template/spec/containers/0/image")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        world
            .store
            .get(&self.key())
            .and_then(|object| image(object))
            .is_some_and(|now| now != self.image)
    }
}

/// Applies the Deployments that are in the cluster, as this field manager.
pub(crate) fn apply(world: &mut World, built: &[Built], manager: &str) {
    for one in built {
        if one.differs(world) {
            world.apply(&one.key(), Some(&one.image), None, None, manager);
        }
    }
}

/// Whether a Deployment has come to its end, as kstatus tells it.
pub(crate) fn healthy(object: &Value) -> bool {
    let (spec, status) = (&object["spec"], &object["status"]);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let count = |name: &str| status[name].as_i64().unwrap_or(0);
    status["observedGeneration"] == object["metadata"]["generation"]
        && count("updatedReplicas") >= wanted
        && count("replicas") <= wanted
        && count("availableReplicas") >= wanted
}
