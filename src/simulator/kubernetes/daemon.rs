//! The DaemonSet controller: a Pod on every node, replaced one by one.

use serde_json::{Value, json};

use super::{
    history, pods,
    resources::{NODES, PODS},
    store::Key,
    world::{World, without_zeros},
};

/// One look at a DaemonSet. Whether it still moves.
pub(crate) fn sync(world: &mut World, key: &Key, object: &Value) -> bool {
    let (_, update) = history::current(world, key, object);
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let mut moving = pods::live(world, key);
    let wanted = world.store.list(NODES, None).len();
    let all = world.store.owned(&uid, PODS);
    let hash = |pod: &Value| {
        pod["metadata"]["labels"]["controller-revision-hash"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let active: Vec<_> = all.iter().filter(|(_, pod)| !pods::ending(pod)).collect();
    for _ in active.len()..wanted {
        let labels = [("controller-revision-hash", update.as_str())];
        pods::spawn(world, key, object, None, &object["spec"]["template"], &labels);
        moving = true;
    }
    let unready = active.iter().filter(|(_, pod)| pods::ready_since(pod).is_none()).count()
        + (all.len() - active.len());
    let stale = active.iter().find(|(_, pod)| hash(pod) != update);
    if let Some((pod, one)) = stale
        && object["spec"]["updateStrategy"]["type"] != "OnDelete"
        && (unready == 0 || pods::ready_since(one).is_none())
    {
        pods::end(world, pod);
        moving = true;
    }
    let all = world.store.owned(&uid, PODS);
    let ready = all
        .iter()
        .filter(|(_, pod)| pods::ready_since(pod).is_some() && !pods::ending(pod))
        .count();
    let updated = all.iter().filter(|(_, pod)| hash(pod) == update && !pods::ending(pod)).count();
    let mut status = without_zeros(json!({
        "updatedNumberScheduled": updated, "numberAvailable": ready, "numberUnavailable": wanted.saturating_sub(ready),
    }));
    status["desiredNumberScheduled"] = wanted.into();
    status["currentNumberScheduled"] = all.len().min(wanted).into();
    status["numberReady"] = ready.into();
    status["numberMisscheduled"] = 0.into();
    status["observedGeneration"] = object["metadata"]["generation"].clone();
    world.change(key, |object| object["status"] = status);
    moving
}
