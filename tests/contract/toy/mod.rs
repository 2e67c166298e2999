//! The toy: a platform in memory, as small as one can be that keeps every promise. It is the example of how a platform is
//! added (see ARCHITECTURE.md): an adapter and its provider here, one line in a registry, one harness.

mod deck;
mod harness;
mod world;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use revdeck::{
    domain::{
        App, AppEvent, AppId, Capabilities, Detail, Fact, Finding, Group, History, Interest,
        LogLine, Observation, Operation, OptionKind, OptionSpec, Overtaken, Plan, PlatformKind,
        Receipt, Recipe, Report, Request, RevisionId, RevisionSummary, RollBackTo, RolloutId,
        Scope, Secret, Step, Target, TargetId, Verb, VerbOptions, differences, last_good,
    },
    platform::{
        Environment, Error, Now, OpenError, Platform, Setting, TargetSpec, feed,
        operation::{self, Learned, Order, Progress, StepError},
        registry,
    },
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use self::world::Ending;
pub use self::world::World;

/// What kind of platform this is. Its deploy has an option of its own.
const LETTER: OptionSpec = OptionSpec {
    name: "letter",
    short: None,
    value: "TEXT",
    hint: "what the new letter says",
    kind: OptionKind::Text,
    artifact: true,
    with: None,
};
pub const KIND: PlatformKind = PlatformKind {
    name: "toy",
    short: "toy",
    options: &[VerbOptions { verbs: &[Verb::Deploy], options: &[LETTER] }],
};
const FILE: Setting =
    Setting { name: "file", variable: "TOY_FILE", flag: None, value: "FILE", help: "The toy" };

/// A toy, seen with one login.
#[derive(Clone)]
pub struct Toy {
    pub target: TargetId,
    pub world: Arc<Mutex<World>>,
    pub now: Now,
}

/// Finds and opens toys.
pub struct Provider;

impl registry::Provider for Provider {
    fn kind(&self) -> PlatformKind {
        KIND
    }

    fn login_hint(&self) -> &'static str {
        "name a toy's file in TOY_FILE"
    }

    fn settings(&self) -> &'static [Setting] {
        &[FILE]
    }

    fn discover(&self, environment: &Environment) -> Vec<TargetSpec> {
        let file = environment.variable(FILE.variable);
        file.map(|_| TargetSpec::new(KIND.name, None)).into_iter().collect()
    }

    fn open(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
    ) -> Result<Arc<dyn Platform>, OpenError> {
        let file = environment.variable(FILE.variable);
        let file = file.ok_or_else(|| OpenError::login("TOY_FILE names no toy"))?;
        let world = Arc::new(Mutex::new(World::open(file, now()).map_err(OpenError::login)?));
        Ok(Arc::new(Toy { target: spec.id.clone(), world, now: now.clone() }))
    }
}

impl Toy {
    /// The world as it is now.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.pass((self.now)());
        world
    }

    fn read(&self) -> Result<MutexGuard<'_, World>, Error> {
        let mut world = self.world();
        world.ask()?;
        Ok(world)
    }
}

#[async_trait]
impl Platform for Toy {
    fn target(&self) -> Target {
        let (id, badge) = (self.target.clone(), None);
        let [api, scope_label, user] = ["memory:", "desk", "child"].map(str::to_owned);
        Target { id, platform: KIND, api, scope_label, user, badge }
    }

    async fn capabilities(&self) -> Result<Capabilities, Error> {
        drop(self.read()?);
        let size = [Verb::Scale, Verb::Stop, Verb::Start];
        let fixed = |all: Capabilities, verb| all.without(verb, "a toy has the size that it has");
        Ok(size
            .into_iter()
            .fold(Capabilities::all(), fixed)
            .without(Verb::Pause, "a toy cannot be held")
            .without(Verb::Release, "a toy holds nothing back")
            .without(Verb::Reconcile, "a toy is applied by nobody")
            .without(Verb::EnableRevisions, "a toy keeps revisions by itself"))
    }

    async fn watch(&self, interest: watch::Receiver<Interest>, reports: mpsc::Sender<Report>) {
        feed::poll(self, interest, reports, Duration::from_millis(500)).await;
    }

    async fn apps(&self, scope: &Scope) -> Result<Vec<App>, Error> {
        let world = self.read()?;
        let wanted = world.letters.iter().filter(|one| *scope != Scope::Home || !one.far);
        Ok(wanted.map(|one| one.app(&self.target, self.now())).collect())
    }

    async fn app(&self, name: &str) -> Result<App, Error> {
        Ok(self.read()?.find(name)?.app(&self.target, self.now()))
    }

    async fn revisions(&self, app: &AppId) -> Result<History, Error> {
        Ok(self.read()?.find(app.as_str())?.history())
    }

    async fn detail(&self, app: &AppId, revision: &RevisionId) -> Result<Detail, Error> {
        let value = Secret::new(self.read()?.find(app.as_str())?.text(revision)?.to_owned());
        let fact = Fact { group: Group::Artifact, key: "text".to_owned(), value, secret: false };
        Ok(Detail { facts: vec![fact], hidden: Vec::new() })
    }

    async fn prepare(&self, request: Request) -> Result<Plan, Error> {
        let letter = self.read()?.find(request.app.as_str())?.clone();
        let (name, serving, rolling) = (&letter.name, letter.serving, letter.rolling.as_ref());
        let verb = request.operation.verb();
        let text = request.options.get("letter").map(str::to_owned);
        let title = format!("{} {name}", verb.words().to_uppercase());
        let mut plan = Plan::draft(request.clone(), name.clone(), title, self.now());
        plan.from = Some(RevisionSummary::named(format!("rev {serving}")));
        let to = match (&request.operation, rolling) {
            (Operation::RollBack(RollBackTo::Revision(id)), _) => letter.number(id)?,
            (Operation::RollBack(RollBackTo::LastGood), _) => {
                match last_good(&letter.history().revisions, rolling.is_some()) {
                    Some((good, _)) => letter.number(&good.id)?,
                    None => return Ok(plan.refuse(format!("{name} has no earlier revision"))),
                }
            }
            (Operation::Deploy, _) => letter.texts.len() + 1,
            (Operation::Restart, _) | (Operation::Cancel, Some(_)) => serving,
            (Operation::Continue, Some(rolling)) if rolling.paused => rolling.to,
            (_, Some(_)) => return Ok(plan.refuse(format!("{name} does not wait for anybody"))),
            _ => return Ok(plan.refuse(format!("{name} has no rollout in progress"))),
        };
        let back = verb == Verb::RollBack;
        let undoes = verb == Verb::Cancel || (back && rolling.is_some() && to == serving);
        if back && !undoes && to == serving {
            return Ok(plan.refuse(format!("nothing would change: {name} is on rev {to}")));
        }
        if rolling.is_some() && !undoes && verb != Verb::Continue {
            plan.notes.push(operation::supersedes("", ""));
        }
        plan.to = Some(RevisionSummary::named(format!("rev {to}")));
        plan.method = "the postman".to_owned();
        plan.capacity.push("one desk after the other".to_owned());
        plan.by_hand.push(format!("write {name}"));
        let old = &letter.texts[serving - 1];
        let new = text.as_ref().or(letter.texts.get(to - 1)).unwrap_or(old);
        plan.patch = (old != new).then(|| format!("@@ letter @@\n-{old}\n+{new}"));
        let id = |number: usize| RevisionId::new(number.to_string());
        if let Ok(wanted) = self.detail(&request.app, &id(to)).await {
            plan.differs = differences(&self.detail(&request.app, &id(serving)).await?, &wanted);
        }
        let rollout = rolling.filter(|_| undoes || verb == Verb::Continue);
        let step = Step {
            label: "send the postman".to_owned(),
            calls: vec![format!("POST {name}")],
            action: json!({ "verb": verb, "to": to, "text": text, "undoes": undoes }),
            ..Step::default()
        };
        plan.recipe = Some(Recipe {
            id: operation::new_id(),
            guard: json!(letter.generation),
            steps: vec![step],
            goal: if back || undoes {
                operation::back_on(format!("rev {to}"))
            } else {
                format!("on rev {to}").into()
            },
            undoes,
            rollout: rollout.map(|one| RolloutId::new(&one.id)),
            tracking: json!(rollout.map(|one| (one.id.clone(), one.step))),
            ..Recipe::default()
        });
        Ok(plan)
    }

    async fn changed(&self, app: &AppId, guard: &Value) -> Result<Option<String>, Error> {
        let generation = self.read()?.find(app.as_str())?.generation;
        Ok((json!(generation) != *guard).then(|| "somebody was quicker".to_owned()))
    }

    async fn send(&self, order: Order<'_>, _: &Progress) -> Result<Learned, StepError> {
        let (app, mark) = (&order.receipt().app.app, &order.receipt().recipe.id);
        self.world().write(app.as_str(), mark, &order.step().action, self.now())?;
        Ok(Learned::default())
    }

    async fn took_effect(&self, receipt: &Receipt, _: &Step) -> Result<Option<bool>, Error> {
        Ok(Some(self.observe(receipt).await?.finding != Finding::NotArrived))
    }

    async fn observe(&self, receipt: &Receipt) -> Result<Observation, Error> {
        let letter = self.read()?.find(receipt.app.app.as_str())?.clone();
        let app = letter.app(&self.target, self.now());
        let Recipe { undoes, tracking, id, .. } = &receipt.recipe;
        // What begins a rollout is known by its mark, what changes one by that one's identifier.
        let tracked: Option<(String, u32)> =
            serde_json::from_value(tracking.clone()).unwrap_or_default();
        let id = tracked.as_ref().map_or(id, |(id, _)| id);
        let overtaken = |what| Finding::Overtaken { what, by: None };
        let label = Some(letter.serving.to_string());
        let arrived = Finding::Arrived { count: Some(app.instances), label };
        let Some(rolling) = letter.rolling.as_ref().filter(|one| one.id == *id) else {
            return Ok(Observation::from(match letter.over.get(id) {
                None => Finding::NotArrived,
                Some(Ending::Done) if *undoes => overtaken(Overtaken::Finished),
                Some(Ending::Cancelled) if !undoes => overtaken(Overtaken::Cancelled),
                Some(Ending::Superseded) => overtaken(Overtaken::Superseded),
                Some(Ending::Done | Ending::Cancelled) => arrived,
            }));
        };
        let same_step = tracked.is_some_and(|(_, step)| step == rolling.step && rolling.paused);
        let finding = match () {
            () if (*undoes || same_step) && !receipt.theirs => Finding::NotArrived,
            () if rolling.paused && !undoes => Finding::Waiting(Some((rolling.step, 3))),
            () => Finding::Moving,
        };
        let id = Some(RolloutId::new(&rolling.id));
        Ok(Observation { finding, rollout: app.rollout, id })
    }

    fn tracking(&self, app: &App) -> Option<Value> {
        Some(json!((app.rollout.as_ref()?.id.as_str(), 0)))
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error> {
        self.read()?.find(app.as_str())?;
        Ok(vec![world::torn(self.now())])
    }

    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error> {
        self.read()?.find(app.as_str())?;
        Ok(vec![world::ouch(self.now())])
    }
}
