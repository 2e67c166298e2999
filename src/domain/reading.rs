//! What the instances of an app do and use: one reading, and what is kept of those of the last minutes.

use std::collections::{HashMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::{App, Instance, InstanceState, RevisionRef, Side};

/// How often instances are read while somebody looks at them, where a platform does not ask for less.
pub const PACE: SignedDuration = SignedDuration::from_secs(15);
/// For how long figures are kept.
const KEPT: SignedDuration = SignedDuration::from_mins(15);
/// How many figures of one instance are kept: as many as a screen can show.
const POINTS: usize = 60;

/// Which side of a rollout an instance is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SideName {
    /// What was there before; all that runs, where nothing rolls.
    Old,
    /// What comes.
    New,
}

impl SideName {
    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

/// How much of something an instance uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Processors in cores, memory in bytes.
    pub used: f64,
    /// The part of what it may use at most, 1 being all of it; `None` where it has no limit or none is known.
    pub share: Option<f64>,
}

impl Usage {
    /// A figure with its limit; `None` where it makes no sense.
    pub fn of(used: Option<f64>, limit: Option<f64>) -> Option<Self> {
        let used = used.filter(|used| used.is_finite() && *used >= 0.0)?;
        let limit = limit.filter(|limit| limit.is_finite() && *limit > 0.0);
        Some(Self { used, share: limit.map(|limit| used / limit) })
    }
}

/// How often an instance was started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarts {
    /// How often.
    pub count: u32,
    /// Since when that is counted.
    pub since: Timestamp,
}

/// One instance, with what the platform measures of it.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceReading {
    /// What it is told apart by on its platform: a Pod's name, a process and an index.
    pub id: String,
    /// Its side.
    pub side: SideName,
    /// What it runs, where that is known.
    pub revision: Option<RevisionRef>,
    /// What it does.
    pub instance: Instance,
    /// When its present run began, as far as that is known.
    pub began_at: Option<Timestamp>,
    /// How long after its beginning it is still starting: until then it is not judged.
    pub grace: SignedDuration,
    /// How often it was started anew.
    pub restarts: Option<Restarts>,
    /// Processors.
    pub cpu: Option<Usage>,
    /// Memory.
    pub memory: Option<Usage>,
    /// What else the platform tells of it, such as its node: a name and a value each.
    pub facts: Vec<(String, String)>,
}

impl InstanceReading {
    /// Whether it has had its time to start.
    pub fn settled(&self, now: Timestamp) -> bool {
        let began = self.began_at.or(self.instance.since);
        began.is_some_and(|began| now.duration_since(began) >= self.grace)
    }

    /// How often it fell over; one that lies there and was not started anew yet has fallen over once.
    pub fn crashes(&self) -> Option<u32> {
        let lies = u32::from(self.instance.state == InstanceState::Crashed);
        self.restarts.map(|restarts| restarts.count.max(lies))
    }
}

/// Lines of a log that tell of an error, of one side. Counted are those of instances that had started before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorCount {
    /// How many there were.
    pub lines: u32,
    /// Of how many instances.
    pub instances: u32,
}

/// Lines that tell of errors on both sides, in the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorLines {
    /// From when on they were counted.
    pub since: Timestamp,
    /// Those of the old side.
    pub old: ErrorCount,
    /// Those of the new side.
    pub new: ErrorCount,
}

impl ErrorLines {
    /// Those of one side.
    pub fn of(&self, side: SideName) -> ErrorCount {
        match side {
            SideName::Old => self.old,
            SideName::New => self.new,
        }
    }
}

/// All instances of an app at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// When it was read.
    pub at: Timestamp,
    /// When the figures were measured, where the platform says so.
    pub measured_at: Option<Timestamp>,
    /// Why figures are missing, in a clause.
    pub unmeasured: Option<String>,
    /// After how long it is worth reading again.
    pub pace: SignedDuration,
    /// The instances, those of the new side first. What is on its way out is not among them.
    pub instances: Vec<InstanceReading>,
    /// Error lines, where they were counted.
    pub errors: Option<ErrorLines>,
}

impl Reading {
    /// What an app tells of its instances without anything being measured: their states, by side.
    pub fn of(app: &App, at: Timestamp) -> Self {
        let rollout = app.rollout.as_ref().filter(|_| app.rolls());
        let of = |side: SideName, from: &Side, revision: Option<&RevisionRef>| {
            let instances = from.instances.iter().flatten().enumerate();
            let reading = |(number, one): (usize, &Instance)| InstanceReading {
                id: one.name.clone().unwrap_or_else(|| format!("{} {number}", side.word())),
                side,
                revision: revision.cloned(),
                instance: one.clone(),
                began_at: None,
                grace: SignedDuration::ZERO,
                restarts: None,
                cpu: None,
                memory: None,
                facts: Vec::new(),
            };
            instances.map(reading).collect::<Vec<_>>()
        };
        let instances = match (rollout, &app.serving) {
            (Some(rollout), _) => {
                let mut all = of(SideName::New, &rollout.new, rollout.to.as_ref());
                all.extend(of(SideName::Old, &rollout.old, rollout.from.as_ref()));
                all
            }
            (None, Some(serving)) => of(SideName::Old, serving, app.deployed.as_ref()),
            (None, None) => {
                let running = app.instances.running.unwrap_or(0) as usize;
                let state = InstanceState::Running;
                let one = Instance { name: None, state, since: None, reason: None };
                let side =
                    Side { desired: app.instances.desired, instances: Some(vec![one; running]) };
                of(SideName::Old, &side, app.deployed.as_ref())
            }
        };
        let unmeasured = Some("nothing was measured".to_owned());
        Self { at, measured_at: None, unmeasured, pace: PACE, instances, errors: None }
    }

    /// The instances of one side.
    pub fn side(&self, side: SideName) -> impl Iterator<Item = &InstanceReading> {
        self.instances.iter().filter(move |one| one.side == side)
    }

    /// The instance that a text names: its identifier, its name, or `old/NAME` and `new/NAME`.
    ///
    /// # Errors
    /// One sentence where there is none, or several.
    pub fn find(&self, text: &str) -> Result<&InstanceReading, String> {
        let whole = |one: &InstanceReading| one.instance.name.clone().unwrap_or_default();
        let named = |one: &&InstanceReading| {
            let name = whole(one);
            // The end of a Pod's name, or the beginning of a task's, is what people say.
            let short = text.len() >= 5
                && (one.id.rsplit('-').next() == Some(text)
                    || (!one.id.contains('-') && one.id.starts_with(text)));
            one.id == text || name == text || format!("{}/{name}", one.side.word()) == text || short
        };
        let found: Vec<_> = self.instances.iter().filter(named).collect();
        let list = |instances: &mut dyn Iterator<Item = &InstanceReading>| {
            let names = instances.take(12).map(|one| format!("{}/{}", one.side.word(), whole(one)));
            names.collect::<Vec<_>>().join(", ")
        };
        match found.as_slice() {
            [one] => Ok(one),
            [] => Err(format!(
                "there is no instance {:?} now: {}",
                super::text::clean(text),
                list(&mut self.instances.iter())
            )),
            several => Err(format!(
                "{:?} names several instances: say {}",
                super::text::clean(text),
                list(&mut several.iter().copied())
            )),
        }
    }

    /// Whether there is a new side.
    pub fn rolls(&self) -> bool {
        self.side(SideName::New).next().is_some()
    }

    /// What an instance is called in a sentence: with its side, where there are two.
    pub fn called(&self, one: &InstanceReading, name: &str) -> String {
        if self.rolls() {
            format!("the {} instance {name}", one.side.word())
        } else {
            name.to_owned()
        }
    }

    /// How many instances are ready, of both sides.
    pub fn ready(&self) -> usize {
        let ready = |one: &&InstanceReading| one.instance.state == InstanceState::Running;
        self.instances.iter().filter(ready).count()
    }
}

/// What one side is like, at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SideSample {
    /// How many instances have had their time to start.
    pub settled: u32,
    /// How many of those run and take requests.
    pub ready: u32,
    /// Cores that one of the settled ones uses on average; `None` where one of them was not measured.
    pub cpu: Option<f64>,
    /// The largest share of its memory that one of the settled ones uses; `None` where one of them was not measured.
    pub memory: Option<f64>,
}

impl SideSample {
    fn of(reading: &Reading, side: SideName) -> Self {
        let settled: Vec<_> = reading.side(side).filter(|one| one.settled(reading.at)).collect();
        // One that lies on the background uses nothing, which says nothing of what the others use.
        let up = || settled.iter().filter(|one| !one.instance.state.bad());
        let cpu: Option<Vec<f64>> = up().map(|one| Some(one.cpu?.used)).collect();
        let memory: Option<Vec<f64>> = up().map(|one| one.memory?.share).collect();
        let ready = settled.iter().filter(|one| one.instance.state == InstanceState::Running);
        Self {
            settled: settled.len() as u32,
            ready: ready.count() as u32,
            cpu: cpu
                .filter(|all| !all.is_empty())
                .map(|all| all.iter().sum::<f64>() / all.len() as f64),
            memory: memory.and_then(|all| all.into_iter().reduce(f64::max)),
        }
    }
}

/// Both sides at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was read.
    pub at: Timestamp,
    /// When its figures were measured, where the platform says so.
    pub measured_at: Option<Timestamp>,
    /// The old side.
    pub old: SideSample,
    /// The new side.
    pub new: SideSample,
}

/// Figures of one instance over time, the latest last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Cores.
    pub cpu: VecDeque<Option<f64>>,
    /// Shares of memory.
    pub memory: VecDeque<Option<f64>>,
}

/// The last reading of an app, and what is kept of those before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    latest: Option<Reading>,
    samples: VecDeque<Sample>,
    series: HashMap<String, Series>,
}

impl Recording {
    /// Takes a reading. What was kept of another rollout, in which these instances were on the other side, is forgotten.
    pub fn take(&mut self, reading: Reading) {
        let sides = |reading: &Reading| -> HashMap<String, SideName> {
            reading.instances.iter().map(|one| (one.id.clone(), one.side)).collect()
        };
        if let Some(before) = self.latest.as_ref().map(sides) {
            let moved =
                |one: &InstanceReading| before.get(&one.id).is_some_and(|side| *side != one.side);
            let comes = |reading: &Reading| -> HashSet<RevisionRef> {
                reading.side(SideName::New).filter_map(|one| one.revision.clone()).collect()
            };
            let was = self.latest.as_ref().map(comes).unwrap_or_default();
            let is = comes(&reading);
            let another = !was.is_empty() && !is.is_empty() && was.is_disjoint(&is);
            if another || reading.instances.iter().any(moved) {
                self.samples.clear();
            }
        }
        let sample = Sample {
            at: reading.at,
            measured_at: reading.measured_at,
            old: SideSample::of(&reading, SideName::Old),
            new: SideSample::of(&reading, SideName::New),
        };
        // Figures that were read twice were measured once.
        let again =
            |last: &Sample| sample.measured_at.is_some() && last.measured_at == sample.measured_at;
        if self.samples.back().is_some_and(again) {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        let oldest = reading.at - KEPT;
        self.samples.retain(|sample| sample.at >= oldest);
        self.series.retain(|id, _| reading.instances.iter().any(|one| one.id == *id));
        for one in &reading.instances {
            let series = self.series.entry(one.id.clone()).or_default();
            series.cpu.push_back(one.cpu.map(|cpu| cpu.used));
            series.memory.push_back(one.memory.and_then(|memory| memory.share));
            for kept in [&mut series.cpu, &mut series.memory] {
                let surplus = kept.len().saturating_sub(POINTS);
                kept.drain(..surplus);
            }
        }
        self.latest = Some(reading);
    }

    /// The last reading.
    pub fn latest(&self) -> Option<&Reading> {
        self.latest.as_ref()
    }

    /// Both sides at each reading, the latest last.
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.samples.iter()
    }

    /// The figures of one instance.
    pub fn series(&self, id: &str) -> Option<&Series> {
        self.series.get(id)
    }
}
