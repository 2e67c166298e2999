//! Building the region's world: from a scenario, or hundreds of plain services.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    definitions,
    health::Health,
    scaling, services,
    world::{Status, World, digest_of, stamp},
};
use crate::simulator::{
    clock::{Clock, after},
    guid::scramble,
    scenario::{DefinitionPlan, Scenario, ServicePlan},
};

const WORDS: [&str; 8] = ["billing", "cart", "feed", "ledger", "mail", "report", "search", "stock"];
/// Among how many clusters plain services are spread.
const CLUSTERS: usize = 5;
/// Seconds in which a deployment of the past has come to its end.
const LONG: f64 = 600.0;

impl World {
    /// The world of a scenario, played up to the clock's present, with plain services added up to `apps` in all.
    pub(crate) fn build(
        scenario: &Scenario,
        clock: Clock,
        seed: u64,
        apps: usize,
    ) -> Result<Self, String> {
        let present = clock.now();
        let mut world = Self::new(clock, seed);
        for plan in &scenario.service {
            world.stand(plan, present)?;
        }
        for index in scenario.service.len()..apps {
            let mixed = scramble(seed ^ index as u64);
            let name = format!("{}-{index:05}", WORDS[(mixed % 8) as usize]);
            let cluster = format!("cluster-{}", (mixed >> 8) as usize % CLUSTERS + 1);
            world.stand(&ServicePlan::plain(&name, &cluster, 1 + mixed as u32 % 4), present)?;
        }
        let scripts = scenario
            .service
            .iter()
            .enumerate()
            .flat_map(|(at, plan)| plan.script.iter().map(move |step| (at, plan, step)));
        let mut scripts: Vec<_> = scripts.collect();
        scripts.sort_by(|a, b| b.2.ago.total_cmp(&a.2.ago));
        let begins = scripts.iter().map(|(_, _, step)| step.ago).fold(0.0, f64::max);
        world.now = after(present, -begins);
        world.next_tick = world.now;
        for (index, plan, step) in scripts {
            world.play_to(after(present, -step.ago));
            match step.action.as_str() {
                "deploy" => {
                    let text = |name: &str| {
                        format!("scenario service {:?}: deploy needs {name}", plan.name)
                    };
                    let number = step.to.ok_or_else(|| text("`to`"))?;
                    let family = plan.family();
                    let arn = world.definition(&format!("{family}:{number}"));
                    let arn =
                        arn.and_then(|one| one["taskDefinitionArn"].as_str()).map(str::to_owned);
                    world.begin(index, &arn.ok_or_else(|| text("a task definition that exists"))?);
                }
                "stop" => {
                    let now = world.now;
                    let service = &mut world.services[index];
                    if let Some(live) = service.live() {
                        let one = &mut service.history[live];
                        one.status = Status::RollbackRequested;
                        one.updated_at = now;
                        one.reason = Some(
                            "Service deployment rolled back because of a user request.".to_owned(),
                        );
                    }
                }
                other => {
                    return Err(format!(
                        "scenario service {:?}: there is no step {other:?}",
                        plan.name
                    ));
                }
            }
        }
        world.play_to(present);
        Ok(world)
    }

    /// A service with its history; the last task definition that was deployed runs.
    fn stand(&mut self, plan: &ServicePlan, present: Timestamp) -> Result<(), String> {
        if !self.clusters.contains(&plan.cluster) {
            self.clusters.push(plan.cluster.clone());
        }
        let mut settings = Map::new();
        let mut set = |name: &str, value: Value| settings.insert(name.to_owned(), value);
        set("schedulingStrategy", plan.scheduling.clone().into());
        set("deploymentController", json!({ "type": plan.controller }));
        set(
            "networkConfiguration",
            json!({ "awsvpcConfiguration": {
            "subnets": ["subnet-0a1", "subnet-0b2"], "securityGroups": ["sg-0c3"], "assignPublicIp": "DISABLED",
        } }),
        );
        set("enableExecuteCommand", plan.exec.into());
        set("resourceManagementType", if plan.express { "ECS" } else { "CUSTOMER" }.into());
        let mut configuration = plan
            .configuration
            .as_ref()
            .map_or(Ok(json!({})), serde_json::to_value)
            .map_err(|error| error.to_string())?;
        configuration["strategy"] = plan.strategy.clone().into();
        set("deploymentConfiguration", configuration);
        let first = plan.definition.first().map_or(0.0, |one| one.age);
        self.now = after(present, -first);
        let index = services::add(self, &plan.cluster, &plan.name, plan.desired, settings);
        let mut last = None;
        for (number, one) in plan.definition.iter().enumerate() {
            self.now = after(present, -one.age);
            let arn = self.define(plan, one, number);
            if one.deployed {
                self.begin(index, &arn);
                self.settle(index, one);
                last = Some(arn);
            }
            if one.inactive {
                let all = self.definitions.get_mut(plan.family());
                if let Some(definition) = all.and_then(|all| all.last_mut()) {
                    definition["status"] = "INACTIVE".into();
                    definition["deregisteredAt"] = stamp(present);
                }
            }
        }
        if last.is_none() {
            return Err(format!("scenario service {:?} runs nothing", plan.name));
        }
        if let Some((least, most)) = plan.scaling {
            let resource = format!("service/{}/{}", plan.cluster, plan.name);
            let mut target = scaling::scalable(&resource, &stamp(self.now));
            target["MinCapacity"] = least.into();
            target["MaxCapacity"] = most.into();
            self.scalable.insert(resource, target);
        }
        self.moving.remove(&index);
        Ok(())
    }

    fn define(&mut self, plan: &ServicePlan, one: &DefinitionPlan, number: usize) -> String {
        let mut environment = vec![json!({ "name": "RELEASE", "value": (number + 1).to_string() })];
        if let Some(health) = &one.health {
            environment.push(json!({ "name": "SIMULATE", "value": health }));
        }
        for (name, value) in &one.env {
            environment.push(json!({ "name": name, "value": value }));
        }
        if let Some(digest) = &one.digest {
            self.digests.insert(one.image.clone(), digest_of(digest));
        }
        let body = json!({
            "containerDefinitions": [{
                "name": "app", "image": one.image, "cpu": 256, "memory": 512, "essential": true, "environment": environment,
                "portMappings": [{ "containerPort": 8080, "hostPort": 8080, "protocol": "tcp" }], "mountPoints": [], "volumesFrom": [],
                "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": format!("/ecs/{}", plan.name), "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "app" } },
            }],
            "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
            "executionRoleArn": "arn:aws:iam::111122223333:role/ecsTaskExecutionRole",
        });
        let by = format!("arn:aws:sts::111122223333:assumed-role/deployer/{}", one.by);
        let definition = definitions::add(self, plan.family(), body, &by);
        definition["taskDefinitionArn"].as_str().unwrap_or_default().to_owned()
    }

    /// A deployment of the past: it went well, or was taken back.
    fn settle(&mut self, index: usize, one: &DefinitionPlan) {
        let began = self.now;
        let ended = after(began, LONG.min(one.age / 2.0));
        let mut service = std::mem::take(&mut self.services[index]);
        let Some(live) = service.live() else { return };
        service.history[live].started_at = Some(began);
        if one.failed {
            self.now = ended;
            service.history[live].triggered = true;
            service.history[live].reason = Some("Service deployment rolled back because the circuit breaker threshold was exceeded.".to_owned());
            self.take_back(&mut service, live);
            service.history[live].end(Status::RollbackSuccessful, ended);
        } else {
            service.history[live].end(Status::Successful, ended);
        }
        service.deployments.truncate(1);
        let desired = service.desired;
        let definition = service.task_definition.clone();
        let health = match self.health(&definition) {
            // What stands, stands; only what comes later fails.
            Health::Crash(_) | Health::Image | Health::Unplaced => Health::default(),
            other => other,
        };
        for _ in 0..desired {
            self.start(&mut service);
        }
        if let Some(primary) = service.deployments.first_mut() {
            primary.state = "COMPLETED";
            primary.reason = format!("ECS deployment {} completed.", primary.id);
            primary.updated_at = ended;
            primary.begun = true;
            for task in &mut primary.tasks {
                task.health = health.clone();
                task.running_at = Some(ended);
            }
        }
        service.events.clear();
        let event = self.hex();
        service.tell(ended, event, "has reached a steady state.");
        self.services[index] = service;
    }
}
