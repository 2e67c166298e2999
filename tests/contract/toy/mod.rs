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
        App, AppEvent, AppId, Capabilities, Capability, Detail, Fact, Finding, Group, History,
        Interest, LogLine, Note, Observation, Operation, OptionKind, OptionSpec, Overtaken, Plan,
        PlatformKind, Reading, Receipt, Recipe, Report, Request, RevisionId, RevisionSummary,
        RollBackTo, RolloutId, Scope, Secret, Step, Target, TargetId, Verb, VerbOptions,
        differences, last_good,
    },
    platform::{
        Environment, Error, Now, OpenError, Platform, Setting, TargetSpec, feed,
        operation::{self, Learned, Order, Progress, StepError},
        registry,
    },
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

pub use self::world::{Answer, World};
use self::world::{Ending, Letter};

/// What kind of platform this is. Its deploy has an option of its own.
pub const KIND: PlatformKind = PlatformKind {
    name: "toy",
    short: "toy",
    options: &[VerbOptions {
        verbs: &[Verb::Deploy],
        options: &[OptionSpec {
            name: "letter",
            short: None,
            value: "TEXT",
            hint: "what the new letter says",
            kind: OptionKind::Text,
            artifact: true,
        }],
    }],
};

/// How long it rests between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// A toy, seen with one login.
#[derive(Clone)]
pub struct Toy {
    target: TargetId,
    world: Arc<Mutex<World>>,
    now: Now,
}

/// Finds and opens toys.
pub struct Provider;

impl registry::Provider for Provider {
    fn kind(&self) -> PlatformKind {
        KIND
    }

    fn usage(&self) -> &'static str {
        "toy"
    }

    fn login_hint(&self) -> &'static str {
        "name a toy's file in TOY_FILE"
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting {
            name: "file",
            variable: "TOY_FILE",
            flag: None,
            value: "FILE",
            help: "The toy",
        }]
    }

    fn discover(&self, environment: &Environment) -> Vec<TargetSpec> {
        let file = environment.variable("TOY_FILE");
        file.map(|_| TargetSpec::new(KIND.name, None)).into_iter().collect()
    }

    fn check_location(&self, location: &str) -> Result<(), String> {
        Err(format!("{location:?}: a toy has no places"))
    }

    fn open(
        &self,
        spec: &TargetSpec,
        environment: &Environment,
        now: &Now,
    ) -> Result<Arc<dyn Platform>, OpenError> {
        let file = environment.variable("TOY_FILE");
        let file = file.ok_or_else(|| OpenError::login("TOY_FILE names no toy"))?;
        let world = World::open(file, now()).map_err(OpenError::login)?;
        Ok(Arc::new(Toy::new(spec.id.clone(), world, now.clone())))
    }
}

impl Toy {
    pub fn new(target: TargetId, world: World, now: Now) -> Self {
        Self { target, world: Arc::new(Mutex::new(world)), now }
    }

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

    fn seen(&self, letter: &Letter) -> App {
        letter.app(&self.target, (self.now)())
    }

    fn refuse(mut plan: Plan, why: impl Into<String>) -> Plan {
        plan.refused = Some(why.into());
        plan
    }
}

#[async_trait]
impl Platform for Toy {
    fn target(&self) -> Target {
        Target {
            id: self.target.clone(),
            platform: KIND,
            api: "memory:".to_owned(),
            scope_label: "desk".to_owned(),
            user: "child".to_owned(),
            badge: None,
        }
    }

    async fn capabilities(&self) -> Result<Capabilities, Error> {
        drop(self.read()?);
        let no = |what: &str| Capability::No(format!("a toy {what}"));
        Ok(Capabilities::all()
            .with(Verb::Pause, no("cannot be held"))
            .with(Verb::Release, no("holds nothing back"))
            .with(Verb::Scale, no("has the size that it has"))
            .with(Verb::Stop, no("cannot be stopped"))
            .with(Verb::Start, no("cannot be stopped"))
            .with(Verb::Reconcile, no("is applied by nobody"))
            .with(Verb::EnableRevisions, no("keeps revisions by itself")))
    }

    async fn watch(&self, interest: watch::Receiver<Interest>, reports: mpsc::Sender<Report>) {
        feed::poll(self, interest, reports, PAUSE).await;
    }

    async fn apps(&self, scope: &Scope) -> Result<Vec<App>, Error> {
        let world = self.read()?;
        let far = *scope != Scope::Home;
        Ok(world.letters.iter().filter(|one| far || !one.far).map(|one| self.seen(one)).collect())
    }

    async fn app(&self, name: &str) -> Result<App, Error> {
        Ok(self.seen(self.read()?.find(name)?))
    }

    async fn revisions(&self, app: &AppId) -> Result<History, Error> {
        Ok(self.read()?.find(app.as_str())?.history())
    }

    async fn detail(&self, app: &AppId, revision: &RevisionId) -> Result<Detail, Error> {
        let world = self.read()?;
        let text = world.find(app.as_str())?.text(revision)?.to_owned();
        let value = Secret::new(text);
        let fact = Fact { group: Group::Artifact, key: "text".to_owned(), value, secret: false };
        Ok(Detail { facts: vec![fact], hidden: Vec::new() })
    }

    async fn prepare(&self, request: Request) -> Result<Plan, Error> {
        let letter = self.read()?.find(request.app.as_str())?.clone();
        let now = self.seen(&letter);
        let history = letter.history();
        let name = letter.name.clone();
        let end = |revision: usize| RevisionSummary {
            name: format!("rev {revision}"),
            artifact: None,
            remark: None,
        };
        let verb = request.operation.verb();
        let title = format!("{} {name}", verb.words().to_uppercase());
        let mut plan = Plan::draft(request.clone(), name.clone(), title, (self.now)());
        plan.method = "the postman".to_owned();
        plan.from = Some(end(letter.serving));
        plan.capacity.push("one desk after the other".to_owned());
        plan.by_hand.push(format!("write {name}"));
        let rolling = letter.rolling.as_ref();
        let mut text = None;
        let to = match &request.operation {
            Operation::RollBack(RollBackTo::LastGood) => {
                let Some((good, _)) = last_good(&history.revisions, rolling.is_some()) else {
                    return Ok(Self::refuse(plan, format!("{name} has no earlier revision")));
                };
                letter.number(&good.id)?
            }
            Operation::RollBack(RollBackTo::Revision(id)) => letter.number(id)?,
            Operation::Deploy => {
                text = request.options.get("letter").map(str::to_owned);
                letter.texts.len() + 1
            }
            Operation::Restart => letter.serving,
            Operation::Cancel | Operation::Continue if rolling.is_none() => {
                return Ok(Self::refuse(plan, format!("{name} has no rollout in progress")));
            }
            Operation::Continue if !rolling.is_some_and(|one| one.paused) => {
                return Ok(Self::refuse(plan, format!("{name} does not wait for anybody")));
            }
            Operation::Cancel => letter.serving,
            Operation::Continue => rolling.map_or(letter.serving, |one| one.to),
            _ => return Ok(Self::refuse(plan, "a toy cannot do that")),
        };
        let back = verb == Verb::RollBack;
        let undoes = verb == Verb::Cancel || (back && rolling.is_some() && to == letter.serving);
        if back && !undoes && to == letter.serving {
            return Ok(Self::refuse(plan, format!("nothing would change: {name} is on rev {to}")));
        }
        if rolling.is_some() && !undoes && verb != Verb::Continue {
            let text = "the rollout in progress is superseded by this".to_owned();
            plan.notes.push(Note::Warning(text));
        }
        plan.to = Some(end(to));
        let old = letter.texts.get(letter.serving - 1).cloned().unwrap_or_default();
        let new = text.clone().or_else(|| letter.texts.get(to - 1).cloned()).unwrap_or_default();
        if old != new {
            plan.patch = Some(format!("@@ letter @@\n-{old}\n+{new}"));
            let id = |number: usize| RevisionId::new(number.to_string());
            let (from, to) = (id(letter.serving), id(to));
            let details = (self.detail(&now.id, &from), self.detail(&now.id, &to));
            if let (Ok(from), Ok(to)) = tokio::join!(details.0, details.1) {
                plan.differs = differences(&from, &to);
            }
        }
        let action = json!({ "verb": verb, "to": to, "text": text, "undoes": undoes });
        let rollout = rolling.filter(|_| undoes || verb == Verb::Continue);
        let goal =
            if back || undoes { format!("back on rev {to}") } else { format!("on rev {to}") };
        plan.recipe = Some(Recipe {
            id: operation::new_id(),
            guard: json!(letter.generation),
            steps: vec![Step {
                label: "send the postman".to_owned(),
                calls: vec![format!("POST {name}")],
                action,
                ..Step::default()
            }],
            goal,
            leaving: None,
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
        let (receipt, action) = (order.receipt(), &order.step().action);
        let mut world = self.world();
        let answer = world.send();
        if let Answer::Refused(error) = answer {
            return Err(StepError::NoEffect(error));
        }
        if !matches!(answer, Answer::LostBefore(_)) {
            world.carry_out(receipt.app.app.as_str(), &receipt.recipe.id, action, (self.now)())?;
        }
        match answer {
            Answer::LostBefore(error) | Answer::LostAfter(error) => Err(StepError::Lost(error)),
            _ => Ok(Learned::default()),
        }
    }

    async fn took_effect(&self, receipt: &Receipt, _: &Step) -> Result<Option<bool>, Error> {
        let seen = self.observe(receipt).await?;
        Ok(Some(seen.finding != Finding::NotArrived))
    }

    async fn observe(&self, receipt: &Receipt) -> Result<Observation, Error> {
        let letter = self.read()?.find(receipt.app.app.as_str())?.clone();
        let tracked: Option<(String, u32)> =
            serde_json::from_value(receipt.recipe.tracking.clone()).unwrap_or_default();
        // What begins a rollout is known by its mark, what changes one by that one's identifier.
        let id = tracked.as_ref().map_or(&receipt.recipe.id, |(id, _)| id);
        let app = self.seen(&letter);
        let arrived = || Finding::Arrived {
            count: Some(app.instances),
            label: Some(letter.serving.to_string()),
        };
        let overtaken = |what| Finding::Overtaken { what, by: None };
        let undoes = receipt.recipe.undoes;
        if let Some(rolling) = letter.rolling.as_ref().filter(|one| one.id == *id) {
            let waits = rolling.paused && !undoes;
            let untouched = tracked.is_some_and(|(_, step)| {
                (undoes || waits && rolling.step == step) && !receipt.theirs
            });
            let finding = match () {
                () if untouched => Finding::NotArrived,
                () if waits => Finding::Waiting(Some((rolling.step, 3))),
                () => Finding::Moving,
            };
            let id = Some(RolloutId::new(&rolling.id));
            return Ok(Observation { finding, rollout: app.rollout, id });
        }
        Ok(match letter.over.get(id) {
            None => Finding::NotArrived,
            Some(Ending::Done) if undoes => overtaken(Overtaken::Finished),
            Some(Ending::Done) => arrived(),
            Some(Ending::Cancelled) if undoes => arrived(),
            Some(Ending::Cancelled) => overtaken(Overtaken::Cancelled),
            Some(Ending::Superseded) => overtaken(Overtaken::Superseded),
        }
        .into())
    }

    fn tracking(&self, app: &App) -> Option<Value> {
        Some(json!((app.rollout.as_ref()?.id.as_str(), 0)))
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    async fn events(&self, app: &AppId) -> Result<Vec<AppEvent>, Error> {
        self.read()?.find(app.as_str())?;
        let (who, what) = ("postman".to_owned(), "a letter was torn".to_owned());
        Ok(vec![AppEvent { at: (self.now)(), who, what, bad: true, routine: false }])
    }

    async fn instances(&self, app: &AppId) -> Result<Reading, Error> {
        Ok(Reading::of(&self.seen(self.read()?.find(app.as_str())?), (self.now)()))
    }

    async fn logs(&self, app: &AppId) -> Result<Vec<LogLine>, Error> {
        self.read()?.find(app.as_str())?;
        let (source, text) = ("desk/0".to_owned(), "ouch".to_owned());
        Ok(vec![LogLine {
            at: (self.now)(),
            source,
            revision: None,
            side: None,
            text,
            error: true,
        }])
    }
}
