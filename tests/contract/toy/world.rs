//! What a toy is: letters on desks, in memory, and in a file where they are to outlive a program.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp};
use revdeck::{
    domain::{
        App, AppEvent, AppId, AppState, Count, Deployable, History, Instance, InstanceState,
        LogLine, Phase, Revision, RevisionId, RevisionRef, Rollout, RolloutId, Side, Stage,
        StageState, Strategy, Stuck, TargetId, TrackRecord,
    },
    platform::{Error, operation::StepError},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::KIND;
use crate::harness::Fault;

/// How many desks a letter lies on, and how long it takes to bring it to one.
const DESKS: u32 = 4;
const PACE: i64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    Done,
    Cancelled,
    Superseded,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rolling {
    pub id: String,
    pub to: usize,
    pub began: Timestamp,
    pub step: u32,
    pub paused: bool,
    pub torn: bool,
}

/// One app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Letter {
    pub name: String,
    pub far: bool,
    /// The text of each revision; they are numbered from 1.
    pub texts: Vec<String>,
    pub serving: usize,
    pub rolling: Option<Rolling>,
    pub over: BTreeMap<String, Ending>,
    pub generation: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct World {
    pub letters: Vec<Letter>,
    #[serde(skip)]
    pub file: Option<PathBuf>,
    #[serde(skip)]
    pub reads: Option<(Fault, Option<u32>)>,
    #[serde(skip)]
    pub writes: Option<Fault>,
    #[serde(skip)]
    pub written: usize,
}

fn error(fault: Fault) -> Error {
    let api = "memory:".to_owned();
    let text = "the toy is broken just now, look at it again".to_owned();
    match fault {
        Fault::Status(401) => Error::Login { api, why: text, command: "toy login".to_owned() },
        Fault::Status(403) => Error::Forbidden { api, what: text },
        Fault::Status(404) => Error::NotFound { what: text },
        Fault::Status(status) => {
            Error::Api { api, status, code: 0, title: text, detail: String::new(), page: false }
        }
        Fault::RateLimited => {
            Error::RateLimited { api, after: Duration::from_secs(7), said: String::new() }
        }
        Fault::Html | Fault::CutJson => {
            Error::Garbled { api, location: "it".to_owned(), why: text }
        }
        Fault::Hang | Fault::Slow => Error::Silent { api, waited: Duration::from_secs(1) },
        Fault::ResetBefore | Fault::ResetAfter => Error::Unreachable { api, why: text },
    }
}

impl World {
    pub fn new(now: Timestamp) -> Self {
        let letter = |name: &str, revisions: usize| Letter {
            name: name.to_owned(),
            far: false,
            texts: (1..=revisions).map(|number| format!("dear {number}")).collect(),
            serving: revisions,
            rolling: None,
            over: BTreeMap::new(),
            generation: 1,
        };
        let rolling = |paused: bool, torn: bool| {
            Some(Rolling { id: "first".to_owned(), to: 3, began: now, step: 1, paused, torn })
        };
        let under_way = |name: &str, paused, torn| Letter {
            serving: 2,
            rolling: rolling(paused, torn),
            ..letter(name, 3)
        };
        let letters = vec![
            under_way("torn", false, true),
            letter("greeting", 4),
            under_way("novel", true, false),
            letter("postcard", 3),
            letter("diary", 1),
            Letter { far: true, ..letter("elsewhere", 2) },
        ];
        Self { letters, ..Self::default() }
    }

    /// The world of a file; a new one where there is none yet.
    pub fn open(file: &str, now: Timestamp) -> Result<Self, String> {
        let world = match fs::read_to_string(file) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string())?,
            Err(_) => Self::new(now),
        };
        Ok(Self { file: Some(file.into()), ..world })
    }

    pub fn pass(&mut self, now: Timestamp) {
        for letter in &mut self.letters {
            let Some(rolling) = &letter.rolling else { continue };
            if !rolling.torn && !rolling.paused && rolling.step == 0 && rolling.desks(now) >= DESKS
            {
                letter.end(Ending::Done);
            } else if let Some(rolling) = letter.rolling.as_mut().filter(|one| {
                one.step > 0
                    && !one.paused
                    && !one.torn
                    && now.duration_since(one.began).as_secs() >= PACE
            }) {
                rolling.paused = true;
            }
        }
    }

    /// Reads; faults that pass are tried over.
    pub fn ask(&mut self) -> Result<(), Error> {
        for _ in 0..3 {
            match &mut self.reads {
                None | Some((Fault::Slow, _) | (_, Some(0))) => return Ok(()),
                Some((_, Some(times))) => *times -= 1,
                Some((fault, None)) => return Err(error(*fault)),
            }
        }
        Ok(())
    }

    pub fn find(&self, name: &str) -> Result<&Letter, Error> {
        let bare = name.rsplit('/').next().unwrap_or(name);
        self.letters.iter().find(|one| one.name == bare).ok_or_else(|| Error::NotFound {
            what: format!("there is no letter {name:?} on any desk"),
        })
    }

    /// Takes a write, or does not, as the fault that waits for it says.
    pub fn write(
        &mut self,
        name: &str,
        mark: &str,
        action: &Value,
        now: Timestamp,
    ) -> Result<(), StepError> {
        self.written += 1;
        let fault = self.writes.take();
        match fault {
            None | Some(Fault::Slow | Fault::Status(401)) => {
                self.carry_out(name, mark, action, now)
            }
            Some(Fault::ResetAfter | Fault::CutJson) => {
                self.carry_out(name, mark, action, now)?;
                Err(StepError::Lost(error(Fault::ResetAfter)))
            }
            Some(
                fault @ (Fault::ResetBefore | Fault::Hang | Fault::Html | Fault::Status(500..)),
            ) => Err(StepError::Lost(error(fault))),
            Some(fault) => Err(StepError::NoEffect(error(fault))),
        }
    }

    fn carry_out(
        &mut self,
        name: &str,
        mark: &str,
        action: &Value,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let letter = self.letters.iter_mut().find(|one| one.name == name);
        let Some(letter) = letter else { return Err(StepError::Failed("it is gone".to_owned())) };
        letter.generation += 1;
        letter.texts.extend(action["text"].as_str().map(str::to_owned));
        if action["undoes"] == true {
            letter.end(Ending::Cancelled);
        } else if action["verb"] == "continue" {
            if let Some(rolling) = &mut letter.rolling {
                (rolling.step, rolling.paused, rolling.began) = (rolling.step + 1, false, now);
            }
        } else {
            letter.end(Ending::Superseded);
            let to = action["to"].as_u64().unwrap_or(1) as usize;
            let id = mark.to_owned();
            letter.rolling =
                Some(Rolling { id, to, began: now, step: 0, paused: false, torn: false });
        }
        if let Some(file) = &self.file {
            let text = serde_json::to_string(self).unwrap_or_default();
            fs::write(file, text).map_err(|error| StepError::Failed(error.to_string()))?;
        }
        Ok(())
    }
}

impl Rolling {
    fn desks(&self, now: Timestamp) -> u32 {
        if self.torn {
            return 0;
        }
        (now.duration_since(self.began).as_secs() / PACE).clamp(0, i64::from(DESKS)) as u32
    }
}

/// What the postman tells of a letter.
pub fn torn(at: Timestamp) -> AppEvent {
    let (who, what) = ("postman".to_owned(), "a letter was torn".to_owned());
    AppEvent { at, who, what, bad: true, routine: false }
}

/// What a letter says of it.
pub fn ouch(at: Timestamp) -> LogLine {
    let (source, text) = ("desk/0".to_owned(), "ouch".to_owned());
    LogLine { at, source, revision: None, side: None, text, error: true }
}

fn reference(number: usize) -> RevisionRef {
    RevisionRef { id: RevisionId::new(number.to_string()), label: Some(number.to_string()) }
}

fn side(desired: u32, states: impl Iterator<Item = InstanceState>) -> Side {
    let instance = |state| Instance { name: None, state, since: None, reason: None };
    Side { desired, instances: Some(states.map(instance).collect()) }
}

impl Letter {
    fn end(&mut self, ending: Ending) {
        if let Some(rolling) = self.rolling.take() {
            if ending == Ending::Done {
                self.serving = rolling.to;
            }
            self.over.insert(rolling.id, ending);
        }
    }

    pub fn number(&self, id: &RevisionId) -> Result<usize, Error> {
        let number =
            id.as_str().parse().ok().filter(|number| (1..=self.texts.len()).contains(number));
        number.ok_or_else(|| Error::NotFound { what: format!("there is no revision {id}") })
    }

    pub fn text(&self, id: &RevisionId) -> Result<&str, Error> {
        Ok(&self.texts[self.number(id)? - 1])
    }

    pub fn history(&self) -> History {
        let incoming = self.rolling.as_ref().map(|rolling| rolling.to);
        let one = |number: usize| Revision {
            id: RevisionId::new(number.to_string()),
            label: number.to_string(),
            description: self.texts[number - 1].clone(),
            created_at: Timestamp::from_second(number as i64 * 3_600).ok(),
            by: None,
            deployable: Deployable::Yes,
            deployed: number == self.serving,
            incoming: incoming == Some(number) && number != self.serving,
            artifact: Some(self.texts[number - 1].clone()),
            made_from: None,
            track_record: TrackRecord::Served,
            served: None,
            served_until: None,
            note: None,
        };
        let revisions = (1..=self.texts.len()).rev().map(one).collect();
        History { revisions, ..History::default() }
    }

    pub fn app(&self, target: &TargetId, now: Timestamp) -> App {
        let rollout = self.rolling.as_ref().map(|rolling| self.rollout(rolling, now));
        App {
            target: target.clone(),
            platform: KIND,
            id: AppId::new(&self.name),
            name: self.name.clone(),
            scope: "desk".to_owned(),
            state: AppState::Ok,
            instances: Count { desired: DESKS, running: Some(DESKS) },
            deployed: Some(reference(self.serving)),
            rollout,
            serving: None,
            updated_at: None,
            versioned: Some(true),
            paused: false,
            on_hold: None,
            takes: &[],
        }
    }

    fn rollout(&self, rolling: &Rolling, now: Timestamp) -> Rollout {
        use InstanceState::{Crashed, Running, Starting};
        let new = rolling.desks(now);
        let state = if rolling.torn { Crashed } else { Starting };
        let coming = (0..new).map(|_| Running).chain((new < DESKS).then_some(state));
        let phase = match () {
            () if rolling.torn => Phase::Stuck,
            () if rolling.paused => Phase::Paused,
            () => Phase::Rolling,
        };
        let names = ["written", "half", "all"].map(str::to_owned);
        let current = if rolling.step > 0 { rolling.step } else { 2 };
        let state = if rolling.paused { StageState::Waiting } else { StageState::Active };
        let mut stages = Stage::sequence(names, current, state, Some(rolling.began));
        stages[0].detail = Some("by hand, with ink".to_owned());
        Rollout {
            id: RolloutId::new(&rolling.id),
            phase,
            reason: "on its way".to_owned(),
            strategy: Strategy::Canary,
            max_in_flight: None,
            limits: None,
            stages,
            wanted: DESKS,
            old: side(DESKS - new, (new..DESKS).map(|_| Running)),
            overlap: Vec::new(),
            new: side((new + 1).min(DESKS), coming),
            from: Some(reference(self.serving)),
            to: Some(reference(rolling.to)),
            started_at: Some(rolling.began),
            moved_at: Some(rolling.began),
            deadline: None,
            stuck: rolling.torn.then(|| Stuck {
                since: rolling.began.checked_sub(SignedDuration::from_secs(60)).unwrap_or(now),
                why: "new letters crash".to_owned(),
                late: false,
            }),
            proposed: false,
            held: None,
            error: None,
            note: None,
        }
    }
}
