//! Sample responses of AWS and of others' servers, where they are at hand: every one must decode and be told, also with
//! words that nobody knows yet and with members missing.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{
    domain::{Count, Phase, TargetId},
    platform::ecs::{
        model::wire,
        read::{
            convert::{Known, app},
            definition::detail,
            events,
        },
    },
    skipped,
};

/// The samples in which one of the members is found, by name.
fn samples() -> Vec<(String, Value)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/ecs");
    let mut found = Vec::new();
    for folder in ["awscli", "botocore", "moto", "real", "constructed"] {
        let Ok(files) = fs::read_dir(directory.join(folder)) else { continue };
        for file in files.map(Result::unwrap) {
            let text = fs::read_to_string(file.path()).unwrap();
            // Some hold markers of templates, or a line before the JSON.
            if let Ok(value) = serde_json::from_str(&text) {
                let name = file.path().strip_prefix(&directory).unwrap().display().to_string();
                found.push((name, value));
            }
        }
    }
    if found.is_empty() {
        skipped::skipped("fixtures", "the sample responses are not at hand");
    }
    found
}

/// The object with a member of this name, wherever it is: examples wrap it in input and output.
fn with<'a>(value: &'a Value, member: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map)
            if map.get(member).is_some_and(|inner| inner.is_object() || inner.is_array()) =>
        {
            Some(value)
        }
        Value::Object(map) => map.values().find_map(|inner| with(inner, member)),
        Value::Array(all) => all.iter().find_map(|inner| with(inner, member)),
        _ => None,
    }
}

fn read<T: serde::de::DeserializeOwned>(name: &str, value: &Value) -> T {
    serde_path_to_error::deserialize(value).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn tell(service: &wire::Service, current: Option<&wire::ServiceDeployment>) -> crate::domain::App {
    // A few seconds after what the samples tell of.
    let now = jiff::Timestamp::from_second(1_795_238_740).unwrap();
    events::events(service, &[]);
    app(&TargetId::new("ecs"), service, Known { current, ..Known::default() }, now)
}

#[test]
fn every_sample_decodes_and_is_told() {
    let samples = samples();
    let mut counts = [0; 4];
    for (name, value) in &samples {
        if let Some(services) = with(value, "services").filter(|one| one["services"][0].is_object())
        {
            for service in read::<wire::Services>(name, services).services {
                tell(&service, None);
                counts[0] += 1;
            }
        }
        if let Some(one) =
            with(value, "service").filter(|one| one["service"]["serviceArn"].is_string())
        {
            tell(&read::<wire::Service>(name, &one["service"]), None);
            counts[0] += 1;
        }
        if let Some(all) = with(value, "serviceDeployments") {
            let all: wire::ServiceDeployments = read(name, all);
            let service = wire::Service::default();
            for one in &all.service_deployments {
                tell(&service, Some(one));
                counts[1] += 1;
            }
        }
        if let Some(all) = with(value, "tasks").filter(|one| one["tasks"][0].is_object()) {
            for task in read::<wire::Tasks>(name, all).tasks {
                assert!(!events::reason(&task).is_empty());
                counts[2] += 1;
            }
        }
        if let Some(one) =
            with(value, "taskDefinition").filter(|one| one["taskDefinition"].is_object())
        {
            detail(&one["taskDefinition"]);
            counts[3] += 1;
        }
    }
    assert!(samples.is_empty() || counts.iter().all(|count| *count > 0), "{counts:?}");
}

fn sample(name: &str) -> Option<Value> {
    samples().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

#[test]
fn a_rollout_midway_has_both_sides() {
    let Some(services) = sample("constructed/describe-services-rolling-midway.json") else {
        return;
    };
    let Some(deployments) = sample("constructed/describe-service-deployments-rolling.json") else {
        return;
    };
    let service = read::<wire::Services>("", &services).services.remove(0);
    let current = read::<wire::ServiceDeployments>("", &deployments).service_deployments.remove(0);
    let rollout = tell(&service, Some(&current)).rollout.unwrap();
    assert_eq!(rollout.phase, Phase::Rolling);
    assert_eq!(rollout.old.count(), Count { desired: 2, running: Some(2) });
    assert_eq!(rollout.new.count(), Count { desired: 3, running: Some(2) });
    let names = (rollout.from.unwrap().name(), rollout.to.unwrap().name());
    assert_eq!(names, ("rev 2".to_owned(), "rev 3".to_owned()));
}

#[test]
fn three_deployments_are_two_old_sides() {
    let Some(services) = sample("constructed/describe-services-three-deployments.json") else {
        return;
    };
    let service = read::<wire::Services>("", &services).services.remove(0);
    let rollout = tell(&service, None).rollout.unwrap();
    assert_eq!((rollout.old.desired, rollout.overlap.len()), (4, 2));
    assert_eq!(rollout.from.unwrap().name(), "rev 2", "what served before all of it");
    assert_eq!(rollout.to.unwrap().name(), "rev 4");
}

#[test]
fn the_breakers_way_back_is_no_way_forward() {
    let Some(services) = sample("constructed/describe-services-circuit-breaker-rollback.json")
    else {
        return;
    };
    let service = read::<wire::Services>("", &services).services.remove(0);
    let rollout = tell(&service, None).rollout.unwrap();
    assert_eq!(rollout.phase, Phase::Cancelling);
    assert_eq!(
        (rollout.from.unwrap().name(), rollout.to.unwrap().name()),
        ("rev 2".to_owned(), "rev 3".to_owned())
    );
}

#[test]
fn a_canary_that_waits_says_for_what() {
    let Some(services) = sample("constructed/describe-services-rolling-midway.json") else {
        return;
    };
    let Some(deployments) = sample("constructed/describe-service-deployments-canary-paused.json")
    else {
        return;
    };
    let mut service = read::<wire::Services>("", &services).services.remove(0);
    let current = read::<wire::ServiceDeployments>("", &deployments).service_deployments.remove(0);
    let configuration = &deployments["serviceDeployments"][0]["deploymentConfiguration"];
    service.deployment_configuration = read("", configuration);
    let rollout = tell(&service, Some(&current)).rollout.unwrap();
    assert_eq!(rollout.phase, Phase::Paused);
    let step = rollout.step().unwrap();
    assert_eq!((rollout.stages[step.current as usize - 1].name.as_str(), step.total), ("10 %", 6));
    let detail = rollout.stages[step.current as usize - 1].detail.clone().unwrap();
    assert!(detail.contains("rolls back in"), "{detail}");
}
