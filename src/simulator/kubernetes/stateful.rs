//! The StatefulSet controller: Pods with numbers, replaced one by one from the highest down.
//!
//! One that does not become ready stops it for ever, even when the template is put right: only its deletion frees it.

use serde_json::{Value, json};

use super::{
    history, pods,
    resources::PODS,
    store::Key,
    world::{World, number, without_zeros},
};

/// One look at a StatefulSet. Whether it still moves.
pub(crate) fn sync(world: &mut World, key: &Key, object: &Value) -> bool {
    let (update, _) = history::current(world, key, object);
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let wanted = number(object, "/spec/replicas");
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    let rolls = object["spec"]["updateStrategy"]["type"] != "OnDelete";
    let current = object["status"]["currentRevision"].as_str().unwrap_or(&update).to_owned();
    let mut moving = pods::live(world, key);
    let all = world.store.owned(&uid, PODS);
    let ordinal = |name: &str| {
        name.rsplit('-').next().and_then(|text| text.parse::<i64>().ok()).unwrap_or(-1)
    };
    let find = |number: i64| all.iter().find(|(pod, _)| ordinal(&pod.name) == number);
    let hash = |pod: &Value| {
        pod["metadata"]["labels"]["controller-revision-hash"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let ready = |pod: &Value| pods::ready_since(pod).is_some() && !pods::ending(pod);
    // From the lowest up: a missing one is made, and the next one waits until it is ready.
    let mut waits = false;
    for number_of in 0..wanted {
        match find(number_of) {
            None => {
                let name = format!("{}-{number_of}", key.name);
                // Below the partition it is made of the revision that it had (`newVersionedStatefulSetPod`).
                let old = (rolls && number_of < partition)
                    .then(|| history::template(world, key, &current))
                    .flatten();
                let (revision, template) = match &old {
                    Some(template) => (current.as_str(), template),
                    None => (update.as_str(), &object["spec"]["template"]),
                };
                let label = [("controller-revision-hash", revision)];
                pods::spawn(world, key, object, Some(name), template, &label);
                (moving, waits) = (true, true);
                break;
            }
            Some((_, pod)) if !ready(pod) => {
                waits = true;
                break;
            }
            Some(_) => {}
        }
    }
    let surplus =
        all.iter().filter(|(pod, one)| ordinal(&pod.name) >= wanted && !pods::ending(one));
    for (pod, _) in surplus {
        pods::end(world, pod);
        moving = true;
    }
    if !waits && rolls {
        let stale = (partition..wanted)
            .rev()
            .find_map(|number| find(number).filter(|(_, pod)| hash(pod) != update));
        if let Some((pod, one)) = stale
            && !pods::ending(one)
        {
            pods::end(world, pod);
            moving = true;
        }
    }
    let all = world.store.owned(&uid, PODS);
    let count =
        |met: &dyn Fn(&Value) -> bool| all.iter().filter(|(_, pod)| met(pod)).count() as i64;
    let updated = count(&|pod| hash(pod) == update);
    let up = count(&ready);
    // Only a rolling update is ever completed (`completeRollingUpdate`): with OnDelete currentRevision stays.
    let complete = rolls && updated == wanted && up == wanted;
    let current = if complete { update.clone() } else { current };
    let mut status = without_zeros(json!({
        "readyReplicas": up, "availableReplicas": up, "updatedReplicas": updated,
        "currentReplicas": count(&|pod| hash(pod) == current), "collisionCount": 0,
    }));
    status["replicas"] = all.len().into();
    status["currentRevision"] = current.into();
    status["updateRevision"] = update.into();
    status["observedGeneration"] = object["metadata"]["generation"].clone();
    world.change(key, |object| object["status"] = status);
    moving
}
