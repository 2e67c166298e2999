//! Copies of what stands, for worlds of thousands.

use serde_json::Value;

use super::{store::Key, world::World};

impl World {
    /// Puts a copy of an object at rest, and of all that it controls, beside it: with UIDs of its own, and its name
    /// wherever the old one stands.
    pub(crate) fn copy(&mut self, model: &Key, name: &str) {
        let names = (model.name.clone(), name.to_owned());
        self.copy_tree(model, &names, None);
    }

    fn copy_tree(&mut self, model: &Key, names: &(String, String), owner: Option<&str>) {
        let Some(object) = self.store.get(model).cloned() else { return };
        let mut copy = (*object).clone();
        rename(&mut copy, names);
        let uid = self.uid();
        let metadata = &mut copy["metadata"];
        metadata["uid"] = uid.clone().into();
        if let Some(owner) = owner {
            metadata["ownerReferences"][0]["uid"] = owner.into();
        }
        let key = Key { name: model.name.replacen(&names.0, &names.1, 1), ..model.clone() };
        self.touched.insert(uid.clone(), self.now);
        self.store.put(key, copy);
        for dependent in
            self.store.dependents(object["metadata"]["uid"].as_str().unwrap_or_default())
        {
            self.copy_tree(&dependent, names, Some(&uid));
        }
    }
}

/// Puts one name in the place of another in every text.
fn rename(value: &mut Value, names: &(String, String)) {
    match value {
        Value::String(text) if text.contains(&names.0) => *text = text.replace(&names.0, &names.1),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        Value::Object(fields) => fields.values_mut().for_each(|field| rename(field, names)),
        _ => {}
    }
}
