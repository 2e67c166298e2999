//! The documented sample responses, where they are at hand: every one that is read must decode, also with fields and
//! words that nobody knows yet.

use std::{fs, path::PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    platform::cloud_foundry::{
        model::wire::{self, Page},
        read::convert,
    },
    skipped,
};

fn directory() -> Option<PathBuf> {
    let directory =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/cloud-foundry");
    if directory.is_dir() {
        return Some(directory);
    }
    skipped::skipped("fixtures", "the documented samples are not at hand");
    None
}

fn decodes<T: DeserializeOwned>(names: &[&str]) {
    let Some(directory) = directory() else { return };
    for name in names {
        let text = fs::read_to_string(directory.join(name)).unwrap();
        let sample: Value = serde_json::from_str(&text).unwrap();
        for value in [sample.clone(), strange(sample)] {
            let text = value.to_string();
            let mut json = serde_json::Deserializer::from_str(&text);
            let decoded: Result<T, _> = serde_path_to_error::deserialize(&mut json);
            if let Err(error) = decoded {
                panic!("{name}: {error}");
            }
        }
    }
}

/// The same with an unknown field in every object, and unknown words for states.
fn strange(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let texts = ["state", "value", "reason", "strategy"];
            // Maps of names to texts stay what they are.
            let is_map = map.values().all(Value::is_string);
            let mut map: serde_json::Map<_, _> = map
                .into_iter()
                .map(|(key, value)| {
                    let odd = texts.contains(&key.as_str()) && value.is_string();
                    (key, if odd { json!("SOMETHING_NEW") } else { strange(value) })
                })
                .collect();
            if !is_map && !map.is_empty() {
                map.insert("added_later".to_owned(), json!({ "x": [1, null] }));
            }
            Value::Object(map)
        }
        Value::Array(list) => list.into_iter().map(strange).collect(),
        other => other,
    }
}

#[test]
fn single_resources_decode() {
    decodes::<wire::Root>(&["root/global_root.json"]);
    decodes::<wire::App>(&["apps/get.json", "apps/object.json"]);
    decodes::<wire::Feature>(&["app_features/get.json", "app_features/update.json"]);
    decodes::<wire::Revision>(&[
        "revisions/get.json",
        "revisions/object.json",
        "revisions/update.json",
    ]);
    decodes::<wire::Environment>(&[
        "revisions/environment_variables.json",
        "apps/environment_variables.json",
    ]);
    decodes::<wire::Deployment>(&[
        "deployments/get.json",
        "deployments/create.json",
        "deployments/object.json",
        "deployments/update.json",
    ]);
    decodes::<wire::Process>(&[
        "processes/get.json",
        "processes/get.2.json",
        "processes/object.json",
    ]);
    decodes::<wire::Stats>(&["processes/stats.json"]);
    decodes::<wire::Droplet>(&["droplets/get.json", "droplets/object.json"]);
    decodes::<wire::Package>(&[
        "packages/get.json",
        "packages/create.json",
        "packages/upload_bits.json",
    ]);
    decodes::<wire::Build>(&["builds/get.json", "builds/create.json", "builds/object.json"]);
    decodes::<wire::Named>(&["organizations/object.json", "spaces/object.json"]);
    decodes::<wire::Usage>(&[
        "organizations/get_usage_summary.json",
        "spaces/get_usage_summary.json",
    ]);
    decodes::<wire::AuditEvent>(&["audit_events/get.json", "audit_events/object.json"]);
}

#[test]
fn lists_decode() {
    decodes::<Page<wire::App>>(&["apps/list.json"]);
    decodes::<Page<wire::Revision>>(&["revisions/list.json", "revisions/deployed_list.json"]);
    decodes::<Page<wire::Deployment>>(&["deployments/list.json"]);
    decodes::<Page<wire::Process>>(&["processes/list.json", "processes/list_for_app.json"]);
    decodes::<Page<wire::Droplet>>(&["droplets/list.json", "droplets/list_for_app.json"]);
    decodes::<Page<wire::AuditEvent>>(&["audit_events/list.json"]);
    decodes::<Page<wire::Sidecar>>(&["sidecars/list_for_app.json"]);
    decodes::<Page<wire::Named>>(&["organizations/list.json", "spaces/list.json"]);
}

#[test]
fn old_servers_are_understood() {
    let deployment = |text: &str| -> wire::Deployment { serde_json::from_str(text).unwrap() };
    let phase = |text: &str| convert::phase(&deployment(text)).word();
    assert_eq!(phase(r#"{"guid":"d","state":"DEPLOYING"}"#), "rolling");
    assert_eq!(phase(r#"{"guid":"d","state":"DEPLOYED"}"#), "done");
    assert_eq!(
        phase(r#"{"guid":"d","status":{"value":"ACTIVE","reason":"CANCELLING"}}"#),
        "cancelling"
    );
    assert_eq!(
        phase(r#"{"guid":"d","status":{"value":"FINALIZED","reason":"CANCELLED"}}"#),
        "cancelled"
    );
    assert_eq!(
        phase(
            r#"{"guid":"d","status":{"value":"FINALIZED","reason":"DEGENERATE","details":null}}"#
        ),
        "failed"
    );
    let revision: wire::Revision =
        serde_json::from_str(r#"{"guid":"r","version":3,"droplet":{"guid":null}}"#).unwrap();
    let shown = convert::revision(&revision, &[], &[], None, true);
    assert_eq!(shown.deployable, crate::domain::Deployable::Unknown);
    let process: wire::Process =
        serde_json::from_str(r#"{"guid":"p","type":"web","relationships":{"revision":null}}"#)
            .unwrap();
    assert_eq!(process.relationships.revision.guid(), None);
}

#[test]
fn unknown_states_are_shown_as_such() {
    use crate::domain::InstanceState;
    assert_eq!(convert::instance_state("RUNNING", None), InstanceState::Running);
    assert_eq!(convert::instance_state("RUNNING", Some(false)), InstanceState::NotReady);
    assert_eq!(convert::instance_state("LIMBO", None), InstanceState::Unknown);
}
