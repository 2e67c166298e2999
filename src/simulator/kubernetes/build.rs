//! Building the cluster's world: from a scenario, or thousands of plain Deployments.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;

use super::{
    defaults, deployment, history, pods,
    resources::{
        DAEMON_SETS, DEPLOYMENTS, Kind, NAMESPACES, NODES, REPLICA_SETS, ROLLOUTS, STATEFUL_SETS,
    },
    rollout,
    store::Key,
    world::{World, hash_of, owner_reference},
};
use crate::simulator::{
    clock::{Clock, after},
    guid::scramble,
    scenario::{Scenario, WorkloadPlan},
};

const WORDS: [&str; 8] = ["billing", "cart", "feed", "ledger", "mail", "report", "search", "stock"];

impl World {
    /// The world of a scenario, played up to the clock's present, with plain Deployments added up to `apps` in all.
    pub(crate) fn build(
        scenario: &Scenario,
        clock: Clock,
        seed: u64,
        apps: usize,
    ) -> Result<Self, String> {
        let present = clock.now();
        let mut world = Self::new(clock, seed);
        world.now = after(present, -90.0 * 86_400.0);
        for number in 1..=3 {
            let node = json!({ "metadata": { "name": format!("node-{number}") }, "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
            world.create(NODES, "", node);
        }
        for name in ["default", "kube-system"] {
            world.namespace(name);
        }
        for plan in &scenario.workload {
            world.namespace(&plan.namespace);
            world.workload(plan, present)?;
        }
        let spaces = ["shop", "staging"];
        // The first of a kind is built and settled; the others are like it but for their names.
        let (mut models, mut copies) = (HashMap::new(), Vec::new());
        for index in scenario.workload.len()..apps {
            let mixed = scramble(seed ^ index as u64);
            let name = format!("{}-{index:05}", WORDS[(mixed % 8) as usize]);
            let (space, replicas) = (spaces[(mixed >> 8) as usize % 2], 1 + mixed as u32 % 4);
            if let Some(model) = models.get(&(space, replicas)) {
                copies.push((Key::clone(model), name));
                continue;
            }
            world.namespace(space);
            world.workload(&WorkloadPlan::plain(&name, space, replicas), present)?;
            models.insert((space, replicas), Key::new(DEPLOYMENTS, space, name));
        }
        world.settle(present);
        for (model, name) in copies {
            world.copy(&model, &name);
        }
        let mut scripts: Vec<_> = scenario
            .workload
            .iter()
            .flat_map(|plan| plan.script.iter().map(move |step| (plan, step)))
            .collect();
        scripts.sort_by(|a, b| b.1.ago.total_cmp(&a.1.ago));
        for (plan, step) in scripts {
            world.play_to(after(present, -step.ago));
            let key = Key::new(kind_of(plan)?, plan.namespace.clone(), plan.name.clone());
            world.apply(&key, step.image.as_deref(), step.cause.as_deref(), step.paused, &step.by);
        }
        world.play_to(present);
        Ok(world)
    }

    fn namespace(&mut self, name: &str) {
        let key = Key::new(NAMESPACES, "", name);
        if self.store.get(&key).is_none() {
            self.create(NAMESPACES, "", json!({
                "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } }, "status": { "phase": "Active" },
            }));
        }
    }

    /// Everything that stands is as it will be, and nothing moves.
    fn settle(&mut self, present: Timestamp) {
        self.now = after(present, -3_600.0);
        for _ in 0..3 {
            self.now = after(self.now, 1.0);
            self.look();
        }
    }

    fn workload(&mut self, plan: &WorkloadPlan, present: Timestamp) -> Result<(), String> {
        let kind = kind_of(plan)?;
        let Some(first) = plan.revision.first() else {
            return Err(format!("scenario workload {:?} has no revision", plan.name));
        };
        self.now = after(present, -first.age);
        let labels = json!({ "app": plan.name });
        let mut object = json!({
            "metadata": { "name": plan.name, "labels": plan.labels, "annotations": plan.annotations },
            "spec": {
                "replicas": plan.replicas, "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "app", "image": first.image }] } },
            },
        });
        object["metadata"]["labels"]["app"] = plan.name.clone().into();
        if let Some(memory) = &plan.memory {
            let limits = json!({ "cpu": "500m", "memory": memory });
            object["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = limits;
        }
        if kind == STATEFUL_SETS {
            object["spec"]["serviceName"] = plan.name.clone().into();
        }
        if let Some(deadline) = plan.deadline {
            object["spec"]["progressDeadlineSeconds"] = deadline.into();
        }
        if let Some(limit) = plan.history {
            object["spec"]["revisionHistoryLimit"] = limit.into();
        }
        if kind == ROLLOUTS {
            let pairs = plan.steps.iter();
            let steps: Vec<_> = pairs
                .flat_map(|weight| [json!({ "setWeight": weight }), json!({ "pause": {} })])
                .collect();
            object["spec"]["strategy"] = json!({ "canary": { "steps": steps } });
        }
        defaults::fill(kind, &mut object);
        let key = Key::new(kind, plan.namespace.clone(), plan.name.clone());
        if kind == DAEMON_SETS
            && let Some(spec) = object["spec"].as_object_mut()
        {
            spec.remove("replicas");
        }
        self.create(kind, &plan.namespace, object);
        for (index, revision) in plan.revision.iter().enumerate() {
            self.now = after(present, -revision.age);
            if index > 0 {
                self.apply(
                    &key,
                    Some(&revision.image),
                    revision.cause.as_deref(),
                    None,
                    &revision.by,
                );
            } else if let Some(cause) = &revision.cause {
                self.change(&key, |object| {
                    object["metadata"]["annotations"]["kubernetes.io/change-cause"] =
                        cause.clone().into();
                });
            }
            let last = index + 1 == plan.revision.len();
            match kind {
                DEPLOYMENTS => {
                    let marks = ("pod-template-hash", deployment::REVISION);
                    self.stand_deployment(&key, marks, index as i64 + 1, last);
                }
                ROLLOUTS => {
                    let marks = (rollout::HASH, rollout::REVISION);
                    self.stand_deployment(&key, marks, index as i64 + 1, last);
                }
                _ => self.stand_other(&key, kind, last),
            }
        }
        self.manage(&key, &plan.revision[plan.revision.len() - 1].by);
        Ok(())
    }

    /// A revision of a Deployment or Rollout, by the label and the annotation that its controller marks it with.
    fn stand_deployment(
        &mut self,
        key: &Key,
        (label, annotation): (&str, &str),
        number: i64,
        last: bool,
    ) {
        let Some(object) = self.store.get(key).cloned() else { return };
        let mut template = defaults::whole(&object["spec"]["template"]);
        let hash = hash_of(&template);
        template["metadata"]["labels"][label] = hash.clone().into();
        let mut selector = object["spec"]["selector"].clone();
        selector["matchLabels"][label] = hash.clone().into();
        let mut annotations = object["metadata"]["annotations"].clone();
        if !annotations.is_object() {
            annotations = json!({});
        }
        annotations[annotation] = number.to_string().into();
        let replicas = if last { object["spec"]["replicas"].clone() } else { 0.into() };
        let set = json!({
            "metadata": {
                "name": format!("{}-{hash}", key.name), "labels": template["metadata"]["labels"],
                "annotations": annotations, "ownerReferences": owner_reference(key, &object),
            },
            "spec": { "replicas": replicas, "selector": selector, "template": template },
            "status": { "replicas": 0 },
        });
        self.create(REPLICA_SETS, &key.namespace, set);
        self.change(key, |object| {
            object["metadata"]["annotations"][annotation] = number.to_string().into();
        });
        if last {
            let set = Key::new(REPLICA_SETS, key.namespace.clone(), format!("{}-{hash}", key.name));
            pods::scale(self, &set);
        }
    }

    fn stand_other(&mut self, key: &Key, kind: Kind, last: bool) {
        let Some(object) = self.store.get(key).cloned() else { return };
        let (name, hash) = history::current(self, key, &object);
        if !last {
            return;
        }
        let (count, label) = if kind == STATEFUL_SETS {
            (object["spec"]["replicas"].as_i64().unwrap_or(1), name)
        } else {
            (3, hash)
        };
        for number in 0..count {
            let own = (kind == STATEFUL_SETS).then(|| format!("{}-{number}", key.name));
            pods::spawn(
                self,
                key,
                &object,
                own,
                &object["spec"]["template"],
                &[("controller-revision-hash", &label)],
            );
        }
    }

    /// What an operator or a pipeline does to a workload.
    pub(in crate::simulator) fn apply(
        &mut self,
        key: &Key,
        image: Option<&str>,
        cause: Option<&str>,
        paused: Option<bool>,
        by: &str,
    ) {
        self.change(key, |object| {
            if let Some(image) = image {
                object["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
            }
            if let Some(cause) = cause {
                object["metadata"]["annotations"]["kubernetes.io/change-cause"] = cause.into();
            }
            if let Some(paused) = paused {
                object["spec"]["paused"] = paused.into();
            }
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = (generation + 1).into();
        });
        self.manage(key, by);
        let uid = self
            .store
            .get(key)
            .and_then(|object| object["metadata"]["uid"].as_str().map(str::to_owned));
        if let Some(uid) = uid {
            self.touched.insert(uid, self.now);
        }
        self.stir(key);
    }

    fn manage(&mut self, key: &Key, by: &str) {
        let at = super::world::stamp(self.now);
        self.change(key, |object| {
            object["metadata"]["managedFields"] = json!([{
                "manager": by, "operation": "Update", "apiVersion": "apps/v1", "time": at, "fieldsType": "FieldsV1", "fieldsV1": {},
            }]);
        });
    }

    fn play_to(&mut self, until: Timestamp) {
        self.run_to(until);
        self.now = self.now.max(until);
    }
}

fn kind_of(plan: &WorkloadPlan) -> Result<Kind, String> {
    match plan.kind.as_str() {
        "Deployment" => Ok(DEPLOYMENTS),
        "StatefulSet" => Ok(STATEFUL_SETS),
        "DaemonSet" => Ok(DAEMON_SETS),
        "Rollout" => Ok(ROLLOUTS),
        other => Err(format!("scenario workload {:?}: there is no kind {other:?}", plan.name)),
    }
}
