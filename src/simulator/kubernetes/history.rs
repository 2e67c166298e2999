//! ControllerRevisions: the history of StatefulSets and DaemonSets.

use serde_json::{Value, json};

use super::{
    resources::CONTROLLER_REVISIONS,
    store::Key,
    world::{World, hash_of, number, owner_reference},
};

/// The ControllerRevision of a workload's present template: its name and hash. Going back gives an old one the
/// highest number.
pub(crate) fn current(world: &mut World, key: &Key, object: &Value) -> (String, String) {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let hash = hash_of(&object["spec"]["template"]);
    let name = format!("{}-{hash}", key.name);
    let all = world.store.owned(&uid, CONTROLLER_REVISIONS);
    let highest = all.iter().map(|(_, one)| number(one, "/revision")).max().unwrap_or(0);
    if let Some((own, one)) = all.iter().find(|(own, _)| own.name == name) {
        if number(one, "/revision") < highest {
            world.change(own, |one| one["revision"] = (highest + 1).into());
        }
        return (name, hash);
    }
    let mut template = object["spec"]["template"].clone();
    template["$patch"] = "replace".into();
    let revision = json!({
        "metadata": {
            "name": name, "ownerReferences": owner_reference(key, object),
            "labels": { "controller.kubernetes.io/hash": hash, "controller-revision-hash": hash },
            "annotations": object["metadata"]["annotations"],
        },
        "data": { "spec": { "template": template } },
        "revision": highest + 1,
    });
    let mut revision = revision;
    for (label, value) in
        object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten()
    {
        revision["metadata"]["labels"][label] = value.clone();
    }
    world.create(CONTROLLER_REVISIONS, &key.namespace, revision);
    (name, hash)
}

/// The Pod template of a ControllerRevision.
pub(crate) fn template(world: &World, key: &Key, name: &str) -> Option<Value> {
    let revision = Key::new(CONTROLLER_REVISIONS, key.namespace.clone(), name);
    let mut template = world.store.get(&revision)?["data"]["spec"]["template"].clone();
    template.as_object_mut()?.remove("$patch");
    Some(template)
}
