//! A dashboard without a terminal: an incident to press keys in.

use jiff::{SignedDuration, Timestamp};

use super::super::{Effect, Event, Keymap, Notice, Sort, Start, State, key::Key, update::update};
use crate::domain::{
    App, AppId, AppKey, AppState, Count, Deployable, History, Instance, InstanceState, OptionKind,
    OptionSpec, Phase, Plan, PlatformKind, Receipt, Recipe, Report, Request, Revision, RevisionId,
    RevisionRef, Rollout, RolloutId, Scope, Side, Strategy as How, Target, TargetId, TrackRecord,
    Verb, VerbOptions,
};

/// A platform that can deploy images, in steps too.
pub(crate) const KIND: PlatformKind = PlatformKind {
    name: "cloud-foundry",
    short: "cf",
    options: &[VerbOptions {
        verbs: &[Verb::Deploy],
        options: &[
            OptionSpec {
                name: "image",
                short: None,
                value: "IMAGE",
                hint: "a container image",
                kind: OptionKind::Text,
                artifact: true,
                with: None,
            },
            OptionSpec {
                name: "strategy",
                short: None,
                value: "STRATEGY",
                hint: "rolling or canary",
                kind: OptionKind::Choice(&["rolling", "canary"]),
                artifact: false,
                with: None,
            },
        ],
    }],
};

pub(super) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) struct Script {
    pub(crate) state: State,
    pub(crate) at: Timestamp,
    pub(crate) effects: Vec<Effect>,
}

impl Script {
    pub(crate) fn new() -> Self {
        let target = Target {
            id: TargetId::new("cf"),
            platform: KIND,
            api: "https://api.example.org".to_owned(),
            scope_label: "acme/prod".to_owned(),
            user: "hana@acme.example".to_owned(),
            badge: None,
        };
        let state = State::new(Start {
            targets: vec![target],
            demo: false,
            speed: 1.0,
            read_only: false,
            keymap: Keymap::shipped().unwrap(),
            size: (80, 24),
            now: start(),
            open: Vec::new(),
            complaints: Vec::new(),
            sort: Sort::Need,
            only_active: false,
            scope: Scope::Home,
            thresholds: crate::domain::Thresholds::default(),
            mouse: false,
            pinned: std::collections::BTreeSet::new(),
            last: None,
        });
        Self { state, at: start(), effects: Vec::new() }
    }

    /// A deck with an app whose rollout is stuck, and two that are well.
    pub(crate) fn incident() -> Self {
        let mut script = Self::new();
        script.apps(vec![
            app("quiet", None),
            app("checkout", Some(Phase::Stuck)),
            app("web", None),
        ]);
        script.event(Event::Report {
            target: TargetId::new("cf"),
            report: Report::History { app: AppId::new("checkout"), history: history() },
        });
        script
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.effects = update(&mut self.state, event, self.at);
    }

    pub(super) fn apps(&mut self, changed: Vec<App>) {
        let fresh_for = SignedDuration::from_secs(5);
        self.event(Event::Report {
            target: TargetId::new("cf"),
            report: Report::Apps { changed, gone: Vec::new(), at: self.at, fresh_for },
        });
    }

    pub(super) fn pass(&mut self, milliseconds: i64) {
        self.at = self.at.checked_add(SignedDuration::from_millis(milliseconds)).unwrap();
    }

    /// Presses keys, written as in the key table, with a frame painted after each.
    pub(crate) fn keys(&mut self, keys: &str) {
        for key in keys.split_whitespace() {
            let key: Key = key.parse().unwrap();
            self.event(Event::Key(key));
            let effects = std::mem::take(&mut self.effects);
            self.event(Event::Painted);
            self.effects = effects;
        }
    }

    /// Answers the plan that was asked for.
    pub(super) fn planned(&mut self) {
        let asked = self.effects.iter().find_map(|effect| match effect {
            Effect::Plan { id, request, .. } => Some((*id, request.clone())),
            _ => None,
        });
        let (id, request) = asked.expect("no plan was asked for");
        self.event(Event::Planned { id, plan: Box::new(Ok(plan(request, self.at))) });
        self.event(Event::Painted);
    }

    /// Rolls the selected app back, to where it is being sent.
    pub(super) fn roll_back(&mut self) -> u64 {
        self.keys("R");
        self.planned();
        self.pass(1_000);
        self.keys("y");
        self.executed().unwrap()
    }

    pub(super) fn executed(&self) -> Option<u64> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Execute { id, .. } => Some(*id),
            _ => None,
        })
    }

    pub(super) fn hint(&self) -> &str {
        match &self.state.notice {
            Some(Notice::Hint(text)) => text,
            _ => "",
        }
    }
}

pub(super) fn plan(request: Request, at: Timestamp) -> Plan {
    let title = "ROLL BACK checkout to rev 7".to_owned();
    Plan {
        method: "cancel the rollout".to_owned(),
        by_hand: vec!["cf cancel-deployment checkout".to_owned()],
        recipe: Some(Recipe { id: "op-1".to_owned(), ..Default::default() }),
        ..Plan::draft(request, "checkout".to_owned(), title, at)
    }
}

/// The receipt of a cancel of `checkout`.
pub(super) fn receipt(rollout: Option<&str>, lost: bool) -> Receipt {
    let recipe = Recipe { rollout: rollout.map(RolloutId::new), ..Recipe::default() };
    let unsent = Receipt::unsent(key("checkout"), "checkout".to_owned(), Verb::Cancel, recipe);
    Receipt { lost, ..unsent }
}

pub(crate) fn side(desired: u32, states: &[InstanceState]) -> Side {
    let instances = states.iter().enumerate().map(|(index, state)| Instance {
        name: Some(format!("web/{index}")),
        state: *state,
        since: Some(start()),
        reason: None,
    });
    Side { desired, instances: Some(instances.collect()) }
}

pub(crate) fn reference(label: &str) -> RevisionRef {
    RevisionRef { id: RevisionId::new(format!("rev-{label}")), label: Some(label.to_owned()) }
}

pub(crate) fn app(name: &str, phase: Option<Phase>) -> App {
    use InstanceState::{Crashed, Running, Starting};
    let rollout = phase.map(|phase| Rollout {
        id: RolloutId::new("rollout-1"),
        phase,
        reason: "ACTIVE/DEPLOYING".to_owned(),
        strategy: How::Rolling,
        max_in_flight: Some(1),
        limits: None,
        stages: Vec::new(),
        wanted: 5,
        old: side(4, &[Running; 4]),
        overlap: Vec::new(),
        new: side(3, &[Crashed, Crashed, Starting]),
        from: Some(reference("7")),
        to: Some(reference("8")),
        started_at: Some(start()),
        moved_at: Some(start()),
        deadline: None,
        stuck: (phase == Phase::Stuck).then(|| crate::domain::Stuck {
            since: start(),
            why: "new instances crash: Exited with status 137 (out of memory)".to_owned(),
            late: false,
        }),
        proposed: false,
        held: None,
        error: None,
        note: None,
    });
    App {
        target: TargetId::new("cf"),
        platform: KIND,
        id: AppId::new(name),
        name: name.to_owned(),
        scope: "acme/prod".to_owned(),
        state: AppState::Ok,
        instances: Count { desired: 4, running: Some(4) },
        deployed: Some(reference("7")),
        rollout,
        serving: None,
        updated_at: Some(start()),
        versioned: Some(true),
        paused: false,
        on_hold: None,
        takes: &[],
    }
}

pub(crate) fn key(name: &str) -> AppKey {
    AppKey::new(TargetId::new("cf"), AppId::new(name))
}

pub(crate) fn history() -> History {
    let one = |label: &str, track_record, deployed, incoming| Revision {
        id: RevisionId::new(format!("rev-{label}")),
        label: label.to_owned(),
        description: "New droplet deployed.".to_owned(),
        created_at: Some(start()),
        by: Some("hana@acme.example".to_owned()),
        deployable: if label == "5" {
            Deployable::No("its droplet no longer exists".to_owned())
        } else {
            Deployable::Yes
        },
        deployed,
        incoming,
        artifact: Some(format!("droplet-{label}")),
        made_from: None,
        track_record,
        served: None,
        served_until: None,
        note: None,
    };
    History {
        revisions: vec![
            one("8", TrackRecord::Unfinished, true, true),
            one("7", TrackRecord::Served, true, false),
            one("6", TrackRecord::Served, false, false),
            one("5", TrackRecord::Served, false, false),
        ],
        remark: None,
        truncated: false,
    }
}
