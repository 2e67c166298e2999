//! The service scheduler: starts and stops tasks, tick by tick, within the bounds of the deployment configuration.
//!
//! Its rules are those of the developer guide's pages on rolling deployments, the deployment circuit breaker and stopping
//! service deployments: the old tasks go as the new ones come, a failed deployment starts no more tasks, and a roll back is
//! a deployment of its own whose tasks take the place of all others, of those of the same revision, too.

use jiff::Timestamp;

use super::{
    health::Health,
    traffic,
    world::{
        Deployment, Service, ServiceDeployment, ServiceRevision, Status, Stopped, Task, World,
    },
};
use crate::simulator::clock::{after, seconds_between};

/// Seconds between two looks of the scheduler.
const TICK: f64 = 1.0;
/// Seconds until a crashing task has crashed, and until one whose image is missing is given up.
const FALLS: f64 = 3.0;
/// Seconds that an unhealthy task runs before its health checks have failed.
const ENDURES: f64 = 8.0;
/// The longest time that failures hold the next task back, in seconds.
const HELD_BACK: f64 = 20.0;

impl World {
    /// Plays the world up to the clock's time.
    pub(crate) fn catch_up(&mut self) {
        self.play_to(self.clock.now());
    }

    pub(crate) fn play_to(&mut self, until: Timestamp) {
        while self.next_tick <= until {
            if self.moving.is_empty() {
                let ahead = seconds_between(self.next_tick, until);
                self.next_tick = after(self.next_tick, (ahead / TICK).floor() * TICK);
            }
            self.now = self.next_tick;
            for index in self.moving.iter().copied().collect::<Vec<_>>() {
                let mut service = std::mem::take(&mut self.services[index]);
                if !self.tick(&mut service) {
                    self.moving.remove(&index);
                }
                self.services[index] = service;
            }
            self.next_tick = after(self.next_tick, TICK);
        }
        self.now = until;
    }

    /// Begins a deployment of a task definition, given by its ARN.
    pub(crate) fn begin(&mut self, index: usize, task_definition: &str) {
        let now = self.now;
        let mut service = std::mem::take(&mut self.services[index]);
        let number = self.number();
        let images = self.images(task_definition);
        let revision = service.revision_arn(number);
        service.revisions.push(ServiceRevision {
            number,
            task_definition: task_definition.to_owned(),
            images,
            created_at: now,
            settings: service.settings.clone(),
        });
        if let Some(live) = service.live() {
            let one = &mut service.history[live];
            one.end(Status::Stopped, now);
            one.reason = Some("Service deployment was replaced by a newer one.".to_owned());
        }
        let mut source: Vec<_> =
            service.deployments.iter().map(|one| one.revision.clone()).collect();
        source.dedup();
        let id = format!("ecs-svc/{}", self.number());
        let deployment = Deployment::new(&id, &revision, task_definition, now);
        service.deployments.insert(0, deployment);
        service.task_definition = task_definition.to_owned();
        let short = self.short();
        service.history.push(ServiceDeployment {
            id: short,
            deployment: id,
            status: Status::Pending,
            reason: None,
            created_at: now,
            started_at: None,
            updated_at: now,
            stopped_at: None,
            finished_at: None,
            source,
            target: revision,
            rollback: None,
            failures: 0,
            triggered: false,
            traffic: None,
        });
        self.services[index] = service;
        self.moving.insert(index);
    }

    /// The images of a task definition with the digests that they have now.
    fn images(&self, task_definition: &str) -> Vec<(String, String, String)> {
        let Some(definition) = self.definition(task_definition) else { return Vec::new() };
        let containers = definition["containerDefinitions"].as_array().into_iter().flatten();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        containers
            .map(|one| (text(&one["name"]), text(&one["image"])))
            .map(|(name, image)| {
                let digest = self.digest(&image);
                (name, image, digest)
            })
            .collect()
    }

    /// One look at a service; whether anything is left to be done.
    fn tick(&mut self, service: &mut Service) -> bool {
        self.tasks(service);
        if let Some(live) = service.live() {
            self.proceed(service, live);
        }
        match service.live().filter(|live| service.history[*live].traffic.is_some()) {
            Some(live) => traffic::scale(self, service, live),
            None => self.scale(service),
        }
        self.finish(service);
        let steady = service.deployments.len() <= 1
            && service.deployments.iter().all(|one| {
                one.running() == service.desired
                    && one.pending() == 0
                    && one.tasks.iter().all(|task| task.health != Health::Unhealthy)
            });
        !steady || service.live().is_some()
    }

    /// Tasks come up, and fail.
    fn tasks(&mut self, service: &mut Service) {
        let now = self.now;
        let mut fallen = Vec::new();
        let mut recovered = false;
        for (place, deployment) in service.deployments.iter_mut().enumerate() {
            let mut kept = Vec::new();
            for mut task in deployment.tasks.drain(..) {
                let age = seconds_between(task.created_at, now);
                let fell = match (&task.health, task.running_at) {
                    (Health::Good(seconds), None) if age >= *seconds => {
                        task.running_at = Some(now);
                        deployment.failed = 0;
                        recovered |= place == 0;
                        None
                    }
                    (Health::Crash(code), None) if age >= FALLS => Some((
                        "EssentialContainerExited",
                        "Essential container in task exited".to_owned(),
                        Some(*code),
                    )),
                    (Health::Image, None) if age >= FALLS => Some((
                        "TaskFailedToStart",
                        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref: not found".to_owned(),
                        None,
                    )),
                    (Health::Unhealthy, None) if age >= FALLS => {
                        task.running_at = Some(now);
                        None
                    }
                    (Health::Unhealthy, Some(_)) if age >= FALLS + ENDURES => {
                        Some(("ServiceSchedulerInitiated", "Task failed container health checks".to_owned(), None))
                    }
                    _ => None,
                };
                match fell {
                    None => kept.push(task),
                    Some((code, reason, exit)) => {
                        task.stopped = Some(Stopped { at: now, code, reason, exit });
                        deployment.failed += 1;
                        let wait = (2.0 * f64::from(deployment.failed)).min(HELD_BACK);
                        deployment.resumes_at = after(now, wait);
                        fallen.push((place, task));
                    }
                }
            }
            deployment.tasks = kept;
        }
        let live = service.live();
        if let (true, Some(live)) = (recovered, live) {
            service.history[live].failures = 0;
        }
        for (place, task) in fallen {
            if let (0, Some(live)) = (place, live) {
                service.history[live].failures += 1;
            }
            if task.health == Health::Unhealthy {
                let id = self.hex();
                service.tell(
                    now,
                    id,
                    &format!("(task {}) failed container health checks.", task.id),
                );
            }
            service.bury(task);
        }
    }

    /// The states of a service deployment.
    fn proceed(&mut self, service: &mut Service, live: usize) {
        let now = self.now;
        match service.history[live].status {
            Status::Pending => {
                let strategy = service.strategy();
                let one = &mut service.history[live];
                one.status = Status::InProgress;
                one.started_at = Some(now);
                one.updated_at = now;
                if strategy != "ROLLING" && !one.source.is_empty() {
                    one.traffic = Some(traffic::Traffic::new(now));
                }
            }
            Status::RollbackRequested => self.take_back(service, live),
            Status::InProgress if service.history[live].traffic.is_some() => {
                traffic::proceed(self, service, live);
            }
            Status::InProgress => {
                let Some((threshold, rolls_back)) = service.breaker() else { return };
                if service.history[live].failures < threshold {
                    return;
                }
                service.history[live].triggered = true;
                let id = service.history[live].deployment.clone();
                if let Some(failed) = service.deployments.iter_mut().find(|one| one.id == id) {
                    failed.state = "FAILED";
                    failed.reason =
                        "ECS deployment circuit breaker: tasks failed to start.".to_owned();
                    failed.updated_at = now;
                }
                let event = self.hex();
                service.tell(
                    now,
                    event,
                    &format!("(deployment {id}) deployment failed: tasks failed to start."),
                );
                let reason = "Service deployment rolled back because the circuit breaker threshold was exceeded.";
                if rolls_back && service.way_back(live).is_some() {
                    service.history[live].reason = Some(reason.to_owned());
                    self.take_back(service, live);
                } else {
                    let one = &mut service.history[live];
                    one.end(Status::Stopped, now);
                    one.reason = Some("Deployment circuit breaker was triggered.".to_owned());
                }
            }
            _ => {}
        }
    }

    /// Begins to go back from a service deployment that is under way.
    pub(crate) fn take_back(&mut self, service: &mut Service, live: usize) {
        let now = self.now;
        let Some(revision) = service.way_back(live) else {
            service.history[live].end(Status::RollbackFailed, now);
            return;
        };
        let definition =
            service.revision(&revision).map(|one| one.task_definition.clone()).unwrap_or_default();
        let one = &mut service.history[live];
        let shifted = one.traffic.take().is_some();
        let reason = one.reason.clone().unwrap_or_default();
        one.status = Status::RollbackInProgress;
        one.updated_at = now;
        one.rollback = Some((reason, now, revision.clone()));
        let breaker = one.triggered;
        // Where traffic is shifted the old tasks still run; else new ones of the old revision are started.
        let standing = service.deployments.iter().position(|one| one.revision == revision);
        match standing.filter(|_| shifted) {
            Some(place) => {
                let mut old = service.deployments.remove(place);
                old.state = "IN_PROGRESS";
                old.updated_at = now;
                service.deployments.insert(0, old);
            }
            None => {
                let id = format!("ecs-svc/{}", self.number());
                let mut back = Deployment::new(&id, &revision, &definition, now);
                if breaker {
                    back.reason = format!(
                        "ECS deployment circuit breaker: rolling back to deploymentId {id}."
                    );
                }
                service.deployments.insert(0, back);
            }
        }
        service.task_definition = definition;
    }

    /// Starts what is missing and stops what is too much, one of each a tick.
    pub(crate) fn scale(&mut self, service: &mut Service) {
        let (least, most) = service.bounds();
        let total: u32 = service.deployments.iter().map(|one| one.tasks.len() as u32).sum();
        let desired = service.desired;
        let Some(primary) = service.deployments.first() else { return };
        let short = (primary.tasks.len() as u32) < desired;
        if short && (total < most.max(1)) {
            self.start(service);
        }
        let now = self.now;
        let running: u32 = service.deployments.iter().map(Deployment::running).sum();
        let too_many = service.deployments[0].tasks.len() as u32 > desired;
        let spare = running > least || running > desired;
        let victim = if too_many {
            Some(0)
        } else {
            // What does not run goes first, then the oldest.
            let mut old = service.deployments.iter().enumerate().skip(1);
            let idle = old.clone().find(|(_, one)| one.pending() > 0);
            let oldest = || old.rfind(|(_, one)| spare && !one.tasks.is_empty());
            idle.or_else(oldest).map(|(place, _)| place)
        };
        if let Some(place) = victim {
            let deployment = &mut service.deployments[place];
            let at =
                deployment.tasks.iter().position(|task| task.running_at.is_none()).unwrap_or(0);
            let mut task = deployment.tasks.remove(at);
            let was_running = task.running_at.is_some();
            task.stopped = Some(Stopped {
                at: now,
                code: "ServiceSchedulerInitiated",
                reason: format!("Scaling activity initiated by (deployment {})", deployment.id),
                exit: Some(143).filter(|_| was_running),
            });
            let event = self.hex();
            let what = if was_running {
                format!("has stopped 1 running tasks: (task {}).", task.id)
            } else {
                "stopped 1 pending tasks.".to_owned()
            };
            service.tell(now, event, &what);
            service.bury(task);
        }
        let mut place = 0;
        service.deployments.retain(|one| {
            place += 1;
            place == 1 || !one.tasks.is_empty()
        });
    }

    /// Starts one task of the primary deployment.
    pub(crate) fn start(&mut self, service: &mut Service) {
        let now = self.now;
        let Some(primary) = service.deployments.first() else { return };
        if primary.state == "FAILED" || primary.resumes_at > now {
            return;
        }
        let definition = primary.task_definition.clone();
        let health = self.health(&definition);
        let (id, event) = (self.hex(), self.hex());
        let exec = service.setting("enableExecuteCommand") == true;
        let primary = &mut service.deployments[0];
        primary.begun = true;
        primary.updated_at = now;
        if health == Health::Unplaced {
            primary.resumes_at = after(now, 60.0);
            service.tell(now, event, "was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance i-0abc) has insufficient memory available.");
            return;
        }
        primary.tasks.push(Task {
            id: id.clone(),
            deployment: primary.id.clone(),
            definition,
            health,
            exec,
            created_at: now,
            running_at: None,
            stopped: None,
        });
        service.tell(now, event, &format!("has started 1 tasks: (task {id})."));
    }

    /// Ends what has got there.
    fn finish(&mut self, service: &mut Service) {
        let now = self.now;
        let desired = service.desired;
        let Some(primary) = service.deployments.first() else { return };
        let whole = primary.running() == desired && primary.pending() == 0;
        if !whole || service.deployments.len() > 1 || primary.state != "IN_PROGRESS" {
            return;
        }
        let live = service.live();
        if live.is_some_and(|live| {
            service.history[live].traffic.as_ref().is_some_and(|one| one.stage != "CLEAN_UP")
        }) {
            return;
        }
        let (first, second) = (self.hex(), self.hex());
        let primary = &mut service.deployments[0];
        primary.state = "COMPLETED";
        primary.reason = format!("ECS deployment {} completed.", primary.id);
        primary.updated_at = now;
        let id = primary.id.clone();
        if let Some(live) = live {
            let one = &mut service.history[live];
            let end = if one.status == Status::RollbackInProgress {
                Status::RollbackSuccessful
            } else {
                Status::Successful
            };
            one.end(end, now);
        }
        service.tell(now, first, &format!("(deployment {id}) deployment completed."));
        service.tell(now, second, "has reached a steady state.");
    }
}

impl Deployment {
    pub(crate) fn new(id: &str, revision: &str, task_definition: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            revision: revision.to_owned(),
            task_definition: task_definition.to_owned(),
            created_at: now,
            updated_at: now,
            state: "IN_PROGRESS",
            reason: format!("ECS deployment {id} in progress."),
            failed: 0,
            resumes_at: now,
            begun: false,
            tasks: Vec::new(),
        }
    }
}

impl ServiceDeployment {
    pub(crate) fn end(&mut self, status: Status, now: Timestamp) {
        self.status = status;
        self.updated_at = now;
        self.finished_at = Some(now);
        self.traffic = None;
        if status == Status::Stopped {
            self.stopped_at = Some(now);
        }
    }
}

impl Service {
    /// The service revision that a roll back goes to: that of the last deployment that was successful, else what ran before.
    pub(crate) fn way_back(&self, live: usize) -> Option<String> {
        let served = |one: &ServiceDeployment| match one.status {
            Status::Successful => Some(one.target.clone()),
            Status::RollbackSuccessful => one.rollback.as_ref().map(|(_, _, to)| to.clone()),
            _ => None,
        };
        let last = self.history[..live].iter().rev().find_map(served);
        last.or_else(|| self.history[live].source.first().cloned())
    }
}
