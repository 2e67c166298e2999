//! Whether the new instances of a rollout are worse than the old ones: advice, with its reasons. It never acts.

use jiff::{SignedDuration, Timestamp};

use super::{ErrorCount, InstanceState, Note, Reading, Recording, Sample, SideName, text::span};

/// From where on a difference counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// How many times as often the new side must crash.
    pub crashes: f64,
    /// How often it must have crashed at least.
    pub least_crashes: u32,
    /// The share of its memory that an instance of the new side must use, 1 being all of it.
    pub memory_share: f64,
    /// How many times as much as the old side's that must be.
    pub memory: f64,
    /// How many times as much processor the new side must use.
    pub cpu: f64,
    /// The cores below which that says nothing.
    pub least_cpu: f64,
    /// For how long it must.
    pub cpu_for: SignedDuration,
    /// How many times as many error lines the new side must write.
    pub errors: f64,
    /// How many it must have written at least.
    pub least_errors: u32,
    /// For how long an instance of the new side must have been ready before it is called no worse.
    pub ready_for: SignedDuration,
    /// From how many readings on.
    pub samples: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            crashes: 2.0,
            least_crashes: 2,
            memory_share: 0.9,
            memory: 1.5,
            cpu: 2.0,
            least_cpu: 0.02,
            cpu_for: SignedDuration::from_secs(60),
            errors: 3.0,
            least_errors: 5,
            ready_for: SignedDuration::from_secs(60),
            samples: 3,
        }
    }
}

/// What is said of the new side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// It is worse than the old one.
    Worse,
    /// Nothing of what is compared is worse.
    NoWorse,
    /// It has not run for long enough.
    TooEarly,
    /// Something that would have to be known is not.
    CannotTell,
}

impl Judgement {
    /// The word on screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Worse => "WORSE",
            Self::NoWorse => "NO WORSE",
            Self::TooEarly => "TOO EARLY",
            Self::CannotTell => "CANNOT TELL",
        }
    }
}

/// A judgement with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is said.
    pub judgement: Judgement,
    /// Why, a clause each.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// The reasons in one line.
    pub fn why(&self) -> String {
        self.reasons.join("; ")
    }

    /// What a plan says of it that lets the rollout go on: a warning where the new side is worse.
    pub fn note(&self) -> Note {
        let why = self.why();
        match self.judgement {
            Judgement::Worse => Note::Warning(format!("the new side is WORSE: {why}")),
            Judgement::NoWorse => Note::Info(format!("the new side is NO WORSE: {why}")),
            Judgement::TooEarly => {
                Note::Info(format!("it is TOO EARLY to judge the new side: {why}"))
            }
            Judgement::CannotTell => {
                Note::Info(format!("nobody CAN TELL whether the new side is worse: {why}"))
            }
        }
    }

    /// Judges the new side of a rollout by what was read of it; `None` where there is no new side.
    pub fn of(recording: &Recording, thresholds: &Thresholds) -> Option<Self> {
        let reading = recording.latest()?;
        reading.side(SideName::New).next()?;
        let samples: Vec<_> = recording.samples().copied().collect();
        let compared = Compared { reading, samples: &samples, thresholds };
        Some(compared.verdict())
    }
}

struct Compared<'a> {
    reading: &'a Reading,
    samples: &'a [Sample],
    thresholds: &'a Thresholds,
}

/// How often a side fell over, and in how many minutes of its instances.
#[derive(Clone, Copy, Debug)]
struct Crashes {
    count: u32,
    instances: u32,
    minutes: f64,
    since: Timestamp,
}

impl Compared<'_> {
    fn verdict(&self) -> Verdict {
        let say = |judgement, reasons| Verdict { judgement, reasons };
        let worse: Vec<_> =
            [self.crashes(), self.readiness(), self.memory(), self.cpu(), self.errors()]
                .into_iter()
                .flatten()
                .collect();
        if !worse.is_empty() {
            return say(Judgement::Worse, worse);
        }
        if self.reading.side(SideName::Old).next().is_none() {
            return say(
                Judgement::CannotTell,
                vec!["there is no old instance to compare with".to_owned()],
            );
        }
        if let Some(early) = self.early() {
            return say(Judgement::TooEarly, vec![early]);
        }
        let missing = self.missing();
        if !missing.is_empty() {
            return say(Judgement::CannotTell, missing);
        }
        say(Judgement::NoWorse, self.alike())
    }

    fn latest(&self) -> Option<&Sample> {
        self.samples.last()
    }

    /// The crashes of a side; `None` where they are not known of each of its instances.
    fn crashes_of(&self, side: SideName) -> Option<Crashes> {
        let mut sum = Crashes { count: 0, instances: 0, minutes: 0.0, since: self.reading.at };
        for one in self.reading.side(side) {
            let restarts = one.restarts?;
            sum.count = sum.count.saturating_add(one.crashes()?);
            sum.instances += 1;
            sum.minutes +=
                self.reading.at.duration_since(restarts.since).as_secs_f64().max(1.0) / 60.0;
            sum.since = sum.since.min(restarts.since);
        }
        (sum.minutes > 0.0).then_some(sum)
    }

    fn crashes(&self) -> Option<String> {
        let new = self.crashes_of(SideName::New)?;
        if new.count < self.thresholds.least_crashes {
            return None;
        }
        let old = self.crashes_of(SideName::Old);
        let rate = |side: &Crashes| f64::from(side.count) / side.minutes;
        let each = |side: &Crashes| f64::from(side.count) / f64::from(side.instances.max(1));
        // Where it is not known of the old side, what was replaced had run; where nothing is left of it, likewise. One that
        // falls over once while it starts, as the old ones did a month ago, is no worse than they were.
        let as_before = |old: Crashes| {
            rate(&new) <= self.thresholds.crashes * rate(&old)
                || (each(&new) <= 1.0 && each(&old) >= each(&new))
        };
        if old.is_some_and(as_before) {
            return None;
        }
        let ready = self.reading.side(SideName::New);
        let ready = ready.filter(|one| one.instance.state == InstanceState::Running).count();
        let none = if ready == 0 { ", none is ready" } else { "" };
        let against = old.map(|old| {
            let since = span(self.reading.at.duration_since(old.since));
            format!(", old {} in {since}", times(old.count))
        });
        Some(format!("new crashed {}{none}{}", times(new.count), against.unwrap_or_default()))
    }

    fn readiness(&self) -> Option<String> {
        let below = |sample: &&Sample| {
            let Sample { old, new, .. } = sample;
            let known = new.settled > 0 && old.settled > 0;
            known && new.ready * old.settled < old.ready * new.settled
        };
        // One look may have come at the wrong moment.
        let twice = self.samples.iter().rev().take(2).filter(below).count() == 2;
        let Sample { old, new, .. } = self.latest()?;
        twice.then(|| {
            format!(
                "{} of {} new are ready after their time to start, {} of {} old",
                new.ready, new.settled, old.ready, old.settled
            )
        })
    }

    fn memory(&self) -> Option<String> {
        let sample = self.latest()?;
        let (old, new) = (sample.old.memory?, sample.new.memory?);
        let worse = new > self.thresholds.memory_share && new >= self.thresholds.memory * old;
        worse.then(|| format!("memory {} of its limit against {}", percent(new), percent(old)))
    }

    fn cpu(&self) -> Option<String> {
        let above = |sample: &&Sample| match (sample.old.cpu, sample.new.cpu) {
            (Some(old), Some(new)) => {
                new >= self.thresholds.cpu * old && new >= self.thresholds.least_cpu
            }
            _ => false,
        };
        let mut run: Vec<&Sample> = Vec::new();
        for sample in self.samples.iter().rev().take_while(above) {
            // What was not looked at for a while is not known to have been so all the time.
            if run
                .last()
                .is_some_and(|next| next.at.duration_since(sample.at) > self.reading.pace * 3)
            {
                break;
            }
            run.push(sample);
        }
        let (last, first) = (run.first()?, run.last()?);
        let lasted = last.at.duration_since(first.at);
        if lasted < self.thresholds.cpu_for {
            return None;
        }
        let (old, new) = (last.old.cpu?, last.new.cpu?);
        let cores = |used: f64| format!("{:.0} %", used * 100.0);
        Some(format!(
            "processor {} of a core against {} for {}",
            cores(new),
            cores(old),
            span(lasted)
        ))
    }

    fn errors(&self) -> Option<String> {
        let errors = self.reading.errors?;
        let minutes = self.reading.at.duration_since(errors.since).as_secs_f64().max(1.0) / 60.0;
        let rate = |count: ErrorCount| {
            (count.instances > 0)
                .then(|| f64::from(count.lines) / minutes / f64::from(count.instances))
        };
        let (old, new) = (rate(errors.old)?, rate(errors.new)?);
        let worse =
            errors.new.lines >= self.thresholds.least_errors && new > self.thresholds.errors * old;
        worse.then(|| format!("{new:.0} error lines a minute and instance against {old:.0}"))
    }

    /// Why it is too early to say that nothing is worse.
    fn early(&self) -> Option<String> {
        let ready = self
            .reading
            .side(SideName::New)
            .filter(|one| one.instance.state == InstanceState::Running)
            .filter_map(|one| one.instance.since)
            .map(|since| self.reading.at.duration_since(since))
            .max();
        let Some(ready) = ready else { return Some("no new instance is ready yet".to_owned()) };
        if ready < self.thresholds.ready_for {
            let wanted = span(self.thresholds.ready_for);
            return Some(format!("the first new instance has been ready for less than {wanted}"));
        }
        let settled = self.samples.iter().filter(|sample| sample.new.settled > 0).count();
        let wanted = self.thresholds.samples as usize;
        (settled < wanted).then(|| match settled {
            0 => "no new instance has had its time to start".to_owned(),
            _ => format!("{settled} of {wanted} readings of new instances that have started"),
        })
    }

    /// What would have to be known.
    fn missing(&self) -> Vec<String> {
        let sides = [SideName::Old, SideName::New];
        let known = |check: &dyn Fn(SideName) -> bool| sides.iter().all(|side| check(*side));
        let mut missing = Vec::new();
        let sample =
            |side| self.latest().map(|one| if side == SideName::Old { one.old } else { one.new });
        if !known(&|side| self.crashes_of(side).is_some()) {
            missing.push("restarts are not known");
        }
        let cpu = known(&|side| sample(side).is_some_and(|one| one.cpu.is_some()));
        let memory = known(&|side| sample(side).is_some_and(|one| one.memory.is_some()));
        match (cpu, memory) {
            (false, false) => missing.push("processor and memory are not known"),
            (false, true) => missing.push("the processor is not known"),
            (true, false) => missing.push("the share of memory is not known"),
            (true, true) => {}
        }
        let mut missing: Vec<_> = missing.into_iter().map(str::to_owned).collect();
        if !missing.is_empty() {
            missing.extend(self.reading.unmeasured.clone());
        }
        missing
    }

    /// What was compared, where nothing was worse.
    fn alike(&self) -> Vec<String> {
        let mut said = Vec::new();
        let crashes = (self.crashes_of(SideName::New), self.crashes_of(SideName::Old));
        if let (Some(new), Some(old)) = crashes {
            said.push(match (new.count, old.count) {
                (0, 0) => "no crashes on either side".to_owned(),
                (new, old) => format!("crashed {} against {}", times(new), times(old)),
            });
        }
        if let Some(sample) = self.latest() {
            if let (Some(new), Some(old)) = (sample.new.cpu, sample.old.cpu) {
                let (new, old) = (new * 100.0, old * 100.0);
                said.push(format!("processor {new:.0} % against {old:.0} %"));
            }
            if let (Some(new), Some(old)) = (sample.new.memory, sample.old.memory) {
                said.push(format!("memory {} against {}", percent(new), percent(old)));
            }
        }
        let counted =
            |errors: super::ErrorLines| errors.old.instances > 0 && errors.new.instances > 0;
        if !self.reading.errors.is_some_and(counted) {
            said.push("log lines were not compared".to_owned());
        }
        said
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn times(count: u32) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        many => format!("{many} times"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{ErrorLines, Instance, InstanceReading, PACE, Restarts, Usage};

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    /// What one side is like: each of its instances, by restarts, cores, and share of memory.
    #[derive(Clone, Debug)]
    struct Like {
        side: SideName,
        states: Vec<InstanceState>,
        restarts: Option<u32>,
        cpu: Option<f64>,
        memory: Option<f64>,
        age: i64,
    }

    impl Like {
        fn well(side: SideName) -> Self {
            Self {
                side,
                states: vec![InstanceState::Running; 4],
                restarts: Some(0),
                cpu: Some(0.1),
                memory: Some(0.3),
                age: 600,
            }
        }

        fn instances(&self, at: Timestamp) -> Vec<InstanceReading> {
            let born = at - SignedDuration::from_secs(self.age);
            let reading = |(number, state): (usize, &InstanceState)| InstanceReading {
                id: format!("{}/{number}", self.side.word()),
                side: self.side,
                revision: None,
                instance: Instance { name: None, state: *state, since: Some(born), reason: None },
                began_at: Some(born),
                grace: SignedDuration::from_secs(30),
                restarts: self.restarts.map(|count| Restarts { count, since: born }),
                cpu: Usage::of(self.cpu, None),
                memory: Usage::of(self.memory, Some(1.0)),
                facts: Vec::new(),
            };
            self.states.iter().enumerate().map(reading).collect()
        }
    }

    /// So many readings, one every 15 seconds.
    fn recorded(old: &Like, new: &Like, errors: Option<(u32, u32)>, readings: i32) -> Recording {
        let mut recording = Recording::default();
        for number in 0..readings {
            let at = START + PACE * number;
            let mut instances = new.instances(at);
            instances.extend(old.instances(at));
            let since = at - SignedDuration::from_secs(60);
            let counted = |lines| ErrorCount { lines, instances: 4 };
            let errors =
                errors.map(|(old, new)| ErrorLines { since, old: counted(old), new: counted(new) });
            recording.take(Reading {
                at,
                measured_at: Some(at),
                unmeasured: None,
                pace: PACE,
                instances,
                errors,
            });
        }
        recording
    }

    fn judged(old: &Like, new: &Like, errors: Option<(u32, u32)>, readings: i32) -> Judgement {
        let recording = recorded(old, new, errors, readings);
        Verdict::of(&recording, &Thresholds::default()).unwrap().judgement
    }

    /// What it is called, what is to be said, the new side, error lines old and new, and how many readings.
    type Case = (&'static str, Judgement, Like, Option<(u32, u32)>, i32);

    #[test]
    fn each_side_of_every_threshold() {
        use Judgement::{CannotTell, NoWorse, TooEarly, Worse};
        let old = Like::well(SideName::Old);
        let new = |change: fn(&mut Like)| {
            let mut new = Like::well(SideName::New);
            change(&mut new);
            new
        };
        let cases: [Case; 17] = [
            ("alike", NoWorse, new(|_| {}), None, 5),
            // Four instances of which each was started anew once are four crashes.
            ("crashed four times", Worse, new(|it| it.restarts = Some(1)), None, 1),
            ("memory at 90 %", NoWorse, new(|it| it.memory = Some(0.9)), None, 5),
            ("memory above 90 %", Worse, new(|it| it.memory = Some(0.91)), None, 1),
            ("twice the processor for 45 s", NoWorse, new(|it| it.cpu = Some(0.2)), None, 4),
            ("twice the processor for 60 s", Worse, new(|it| it.cpu = Some(0.2)), None, 5),
            ("a little less than twice", NoWorse, new(|it| it.cpu = Some(0.199)), None, 5),
            ("four errors", NoWorse, new(|_| {}), Some((0, 4)), 5),
            ("five errors", Worse, new(|_| {}), Some((0, 5)), 5),
            ("three times as many errors", NoWorse, new(|_| {}), Some((4, 12)), 5),
            ("more than that", Worse, new(|_| {}), Some((4, 13)), 5),
            ("two readings", TooEarly, new(|_| {}), None, 2),
            ("ready for 59 s", TooEarly, new(|it| it.age = 59), None, 5),
            ("no figures", CannotTell, new(|it| (it.cpu, it.memory) = (None, None)), None, 5),
            ("no restarts", CannotTell, new(|it| it.restarts = None), None, 5),
            (
                "one of four not ready",
                Worse,
                new(|it| it.states[0] = InstanceState::NotReady),
                None,
                2,
            ),
            (
                "not ready for one look",
                TooEarly,
                new(|it| it.states[0] = InstanceState::NotReady),
                None,
                1,
            ),
        ];
        for (name, wanted, new, errors, readings) in cases {
            assert_eq!(judged(&old, &new, errors, readings), wanted, "{name}");
        }
        // One crash of one instance is bad luck; two are not, unless the old ones do the same.
        let once = Like { restarts: Some(1), states: vec![InstanceState::Running], ..new(|_| {}) };
        assert_eq!(judged(&old, &once, None, 5), NoWorse);
        let twice = Like { restarts: Some(2), ..once };
        assert_eq!(judged(&old, &twice, None, 5), Worse);
        let crashing = Like { restarts: Some(1), ..old.clone() };
        assert_eq!(judged(&crashing, &twice, None, 5), NoWorse, "twice as often, no more");
        // Each fell over once when it started, a month ago or just now.
        let started = Like { restarts: Some(1), age: 30 * 86_400, ..old.clone() };
        assert_eq!(judged(&started, &new(|it| it.restarts = Some(1)), None, 5), NoWorse);
        assert_eq!(judged(&started, &new(|it| it.restarts = Some(3)), None, 5), Worse);
        // Memory that is nearly full on both sides is no news.
        let full = Like { memory: Some(0.7), ..old.clone() };
        assert_eq!(judged(&full, &new(|it| it.memory = Some(0.95)), None, 5), NoWorse);
    }

    #[test]
    fn what_is_younger_than_its_start_takes_is_not_judged() {
        let old = Like::well(SideName::Old);
        let young = Like {
            age: 20,
            states: vec![InstanceState::Starting; 4],
            memory: Some(0.99),
            ..Like::well(SideName::New)
        };
        assert_eq!(judged(&old, &young, None, 5), Judgement::TooEarly);
    }

    #[test]
    fn the_sentence_says_why() {
        let old = Like::well(SideName::Old);
        let crashing = Like {
            restarts: Some(6),
            states: vec![InstanceState::Crashed; 4],
            cpu: None,
            memory: None,
            ..Like::well(SideName::New)
        };
        let recording = recorded(&old, &crashing, None, 1);
        let verdict = Verdict::of(&recording, &Thresholds::default()).unwrap();
        assert_eq!(verdict.reasons, ["new crashed 24 times, none is ready, old never in 10m"]);
        assert!(Verdict::of(&recorded(&old, &old, None, 1), &Thresholds::default()).is_none());
    }

    fn any_like() -> impl Strategy<Value = Like> {
        let states = prop::collection::vec(
            prop::sample::select(vec![
                InstanceState::Running,
                InstanceState::NotReady,
                InstanceState::Crashed,
                InstanceState::Starting,
            ]),
            1..6,
        );
        let figure = || prop::option::of(0.0..2.0_f64);
        (states, prop::option::of(0_u32..9), figure(), figure(), 0_i64..900).prop_map(
            |(states, restarts, cpu, memory, age)| Like {
                side: SideName::New,
                states,
                restarts,
                cpu,
                memory,
                age,
            },
        )
    }

    proptest! {
        #[test]
        fn equal_sides_are_never_worse(
            new in any_like(), errors in prop::option::of(0_u32..40), readings in 1..8_i32,
        ) {
            let old = Like { side: SideName::Old, ..new.clone() };
            let errors = errors.map(|count| (count, count));
            prop_assert_ne!(judged(&old, &new, errors, readings), Judgement::Worse);
        }

        #[test]
        fn nothing_is_said_to_be_no_worse_that_was_not_measured(
            new in any_like(), readings in 1..8_i32,
        ) {
            let old = Like::well(SideName::Old);
            let known = new.restarts.is_some() && new.cpu.is_some() && new.memory.is_some();
            let said = judged(&old, &new, None, readings);
            prop_assert!(known || said != Judgement::NoWorse);
        }
    }
}
