//! What the screens look like, at the sizes that people have.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may"
)]

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Color,
};
use revdeck::{
    dashboard::{Effect, Event, Keymap, Start, State, TargetState, mouse::Spot, update::update},
    domain::{Interest, LogQuery, Problem, ProblemKind, Report, TargetId},
    platform::{
        Platform,
        cloud_foundry::{CloudFoundry, Options},
    },
    simulator::{self, Simulator, clock::Clock, cloud_foundry::Foundation},
    ui::{
        draw, spot,
        theme::{Background, Depth, Role, Theme},
    },
};
use tokio::sync::{mpsc, watch};

/// A dashboard on a foundation whose time stands still.
struct Deck {
    state: State,
    platform: Arc<CloudFoundry>,
    at: Timestamp,
    clock: Clock,
    _simulator: Simulator<Foundation>,
}

impl Deck {
    async fn open(size: (u16, u16)) -> Self {
        Self::of(simulator::Options::default(), size).await
    }

    async fn of(options: simulator::Options, size: (u16, u16)) -> Self {
        let at: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let clock = Clock::manual(at);
        let simulator = Simulator::cloud_foundry_at(&options, clock.clone()).await.unwrap();
        let options = Options { home: simulator.home_buf(), ..Options::default() };
        let now = clock.clone();
        let platform =
            CloudFoundry::open(TargetId::new("cf"), &options, Arc::new(move || now.now())).unwrap();
        let mut target = platform.target();
        target.api = "https://api.example.test".to_owned();
        let keymap = Keymap::shipped().unwrap();
        let start = Start {
            targets: vec![target],
            demo: true,
            speed: 1.0,
            read_only: false,
            keymap,
            size,
            now: at,
            open: Vec::new(),
            complaints: Vec::new(),
            sort: revdeck::dashboard::Sort::Need,
            only_active: false,
            scope: revdeck::domain::Scope::Home,
            thresholds: revdeck::domain::Thresholds::default(),
            mouse: false,
            pinned: std::collections::BTreeSet::new(),
            last: None,
        };
        Self {
            state: State::new(start),
            platform: Arc::new(platform),
            at,
            clock,
            _simulator: simulator,
        }
    }

    /// Takes in what the watch reports until revisions and events are there.
    async fn load(&mut self) {
        let (interest, interested) = watch::channel(Interest::default());
        let (sender, mut reports) = mpsc::channel(64);
        let platform = self.platform.clone();
        let task = tokio::spawn(async move { platform.watch(interested, sender).await });
        loop {
            let report = tokio::time::timeout(Duration::from_secs(20), reports.recv())
                .await
                .unwrap()
                .unwrap();
            let last = matches!(report, Report::Events { .. });
            let _ = update(
                &mut self.state,
                Event::Report { target: TargetId::new("cf"), report },
                self.at,
            );
            let focus = self.state.selected.as_ref().map(|key| key.app.clone());
            interest.send_modify(|interest| interest.focus = focus);
            if last {
                break;
            }
        }
        while let Ok(Some(report)) =
            tokio::time::timeout(Duration::from_millis(100), reports.recv()).await
        {
            let _ = update(
                &mut self.state,
                Event::Report { target: TargetId::new("cf"), report },
                self.at,
            );
        }
        task.abort();
    }

    fn keys(&mut self, keys: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys.split_whitespace() {
            effects = update(&mut self.state, Event::Key(key.parse().unwrap()), self.at);
        }
        effects
    }

    async fn plan(&mut self, keys: &str) {
        let effects = self.keys(keys);
        let Some(Effect::Plan { id, request, .. }) = effects.first() else { panic!("{effects:?}") };
        let plan = self.platform.plan(request.clone()).await.map_err(|error| error.problem());
        let _ = update(&mut self.state, Event::Planned { id: *id, plan: Box::new(plan) }, self.at);
        let _ = update(&mut self.state, Event::Painted, self.at);
        self.at = self.at.checked_add(jiff::SignedDuration::from_millis(400)).unwrap();
        let _ = update(&mut self.state, Event::Tick, self.at);
    }

    /// Lets time pass, on the platform as well.
    fn pass(&mut self, seconds: u32) {
        self.clock.advance(f64::from(seconds));
        self.at += jiff::SignedDuration::from_secs(i64::from(seconds));
    }

    /// Opens the page of instances, and reads it four times at its pace.
    async fn instances(&mut self) {
        let effects = self.keys("i");
        let asked = effects.iter().find_map(|effect| match effect {
            Effect::Instances { id, app, .. } => Some((*id, app.clone())),
            _ => None,
        });
        let (id, app) = asked.unwrap();
        for _ in 0..4 {
            self.pass(20);
            let reading = self.platform.instances(&app.app).await;
            let reading = Box::new(reading.map_err(|error| error.problem()));
            let _ = update(
                &mut self.state,
                Event::Instances { id, app: app.clone(), reading },
                self.at,
            );
        }
    }

    /// Opens the log, and takes in what there is of it.
    async fn log(&mut self) {
        let effects = self.keys("L");
        let asked = effects.iter().find_map(|effect| match effect {
            Effect::Log { id, app, query, .. } => Some((*id, app.clone(), query.clone())),
            _ => None,
        });
        let (id, app, query) = asked.unwrap();
        let (sender, mut batches) = mpsc::channel(64);
        let query = LogQuery { follow: false, ..query };
        self.platform.log(&app.app, &query, sender).await.unwrap();
        while let Some(batch) = batches.recv().await {
            let _ = update(&mut self.state, Event::Log { id, batch }, self.at);
        }
    }

    fn drawn(&self, theme: &Theme) -> Buffer {
        let (columns, rows) = self.state.size;
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        draw(&self.state, theme, area, &mut buffer);
        buffer
    }

    /// What is shown, and below it for each row which columns have a colour, and what that means; in capitals where the row
    /// is selected.
    fn coloured(&self) -> String {
        let [dark, light] = [Background::Dark, Background::Light].map(|background| {
            let theme = theme().on(background);
            meanings(&self.drawn(&theme), &theme)
        });
        assert_eq!(dark, light, "a background changes what colours mean");
        format!("{}\n{dark}", self.shown(&theme()))
    }

    fn shown(&self, theme: &Theme) -> String {
        let (columns, rows) = self.state.size;
        let buffer = self.drawn(theme);
        let mut text = String::new();
        for row in 0..rows {
            let mut skip = 0;
            for column in 0..columns {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                let symbol = buffer[(column, row)].symbol();
                text.push_str(symbol);
                skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

/// What the colours of a screen mean, a line for each row: `column-column meaning`.
fn meanings(buffer: &Buffer, theme: &Theme) -> String {
    const ROLES: [(Role, &str); 11] = [
        (Role::Text, "text"),
        (Role::Dim, "dim"),
        (Role::Title, "title"),
        (Role::Old, "old"),
        (Role::New, "new"),
        (Role::Bad, "bad"),
        (Role::Warn, "warn"),
        (Role::Good, "good"),
        (Role::Key, "key"),
        (Role::Badge, "badge"),
        (Role::Rule, "rule"),
    ];
    let selected = theme.selected().bg.unwrap();
    let meaning = |column: u16, row: u16| {
        let cell = &buffer[(column, row)];
        let on_selected = cell.bg == selected;
        let role = ROLES.iter().find(|(role, _)| {
            let style = theme.style(*role);
            let background = style.bg.unwrap_or(Color::Reset);
            cell.fg == style.fg.unwrap_or(Color::Reset)
                && (on_selected || cell.bg == background)
                && cell.modifier == style.add_modifier
        });
        let (_, word) = role.unwrap_or_else(|| panic!("{column},{row}: {cell:?}"));
        if on_selected { word.to_uppercase() } else { (*word).to_owned() }
    };
    let mut text = String::new();
    for row in 0..buffer.area.height {
        let mut runs: Vec<(u16, u16, String)> = Vec::new();
        for column in 0..buffer.area.width {
            let word = meaning(column, row);
            match runs.last_mut() {
                Some((_, last, before)) if *before == word => *last = column,
                _ => runs.push((column, column, word)),
            }
        }
        let coloured = runs.iter().filter(|(.., word)| word != "text");
        let said: Vec<_> = coloured.map(|(from, to, word)| format!("{from}-{to} {word}")).collect();
        if !said.is_empty() {
            text += &format!("{row}: {}\n", said.join(", "));
        }
    }
    text
}

fn theme() -> Theme {
    Theme::new(Depth::Many, false)
}

#[tokio::test]
async fn the_deck() {
    let mut deck = Deck::open((60, 15)).await;
    deck.load().await;
    insta::assert_snapshot!("deck_60x15", deck.shown(&theme()));
}

/// The screens that matter most, at the sizes that people have, with what every letter means by its colour. Both backgrounds
/// say the same.
#[tokio::test]
async fn in_light_and_dark_at_every_size() {
    for size in [(80, 24), (105, 30), (160, 50), (220, 60)] {
        let of = format!("{}x{}", size.0, size.1);
        let mut deck = Deck::open(size).await;
        deck.load().await;
        insta::assert_snapshot!(format!("deck_{of}"), deck.coloured());
        deck.plan("R").await;
        insta::assert_snapshot!(format!("plan_{of}"), deck.coloured());
        deck.keys("Esc");
        deck.instances().await;
        insta::assert_snapshot!(format!("instances_{of}"), deck.coloured());
        deck.keys("Esc");
        deck.log().await;
        insta::assert_snapshot!(format!("logs_{of}"), deck.coloured());
    }
}

/// Apps whose names differ in their middle only, at whose end, or at their beginning.
#[tokio::test]
async fn no_two_long_names_look_alike() {
    let long = [
        "customer-notification-dispatcher-blue-eu-central-1-primary",
        "customer-notification-dispatcher-green-eu-central-1-primary",
        "customer-notification-dispatcher-blue-eu-central-2-primary",
        "customer-notification-dispatcher-blue-eu-central-1-standby",
        "customer-notification-receiver-blue-eu-central-1-primary",
        "merchant-notification-dispatcher-blue-eu-central-1-primary",
    ];
    let mut scenario = "[[org]]\nname = \"acme\"\nspaces = [{ name = \"prod\" }]\n".to_owned();
    for name in long {
        scenario += &format!(
            "[[app]]\nname = {name:?}\nspace = \"acme/prod\"\nrevision = [{{ age = \"5d\", by = \"ci\" }}]\n"
        );
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), scenario).unwrap();
    for size in [(80, 24), (105, 30), (160, 50), (220, 60)] {
        let scenario = file.path().display().to_string();
        let mut deck = Deck::of(simulator::Options { scenario, ..Default::default() }, size).await;
        deck.load().await;
        let text = deck.shown(&theme());
        let row = |line: &&str| line.contains("prod") && line.contains("ok");
        // The name alone: what stands after it is the same in all.
        let name = |line: &str| line.split(" acme/").next().unwrap().chars().take(40).collect();
        let shown: Vec<String> = text.lines().filter(row).map(name).collect();
        let different: std::collections::BTreeSet<_> = shown.iter().collect();
        assert_eq!((shown.len(), different.len()), (long.len(), long.len()), "{text}");
    }
}

#[tokio::test]
async fn plain_characters_only() {
    let mut deck = Deck::open((80, 24)).await;
    deck.load().await;
    let shown = deck.shown(&Theme::new(Depth::None, true));
    let foreign: String = shown
        .chars()
        .filter(|letter| !letter.is_ascii() && !"在庫サービス".contains(*letter))
        .collect();
    assert_eq!(foreign, "");
    insta::assert_snapshot!("deck_ascii_80x24", shown);
}

#[tokio::test]
async fn dialogs() {
    let mut deck = Deck::open((80, 24)).await;
    deck.load().await;
    deck.plan("R").await;
    deck.keys("Esc ?");
    insta::assert_snapshot!("help_80x24", deck.shown(&theme()));
    deck.keys("Esc : r o l l");
    insta::assert_snapshot!("palette_80x24", deck.shown(&theme()));
    deck.keys("Esc d");
    insta::assert_snapshot!("deploy_80x24", deck.shown(&theme()));
}

/// Where another target may have an app of that name a plan says whose it is; the name that somebody gave comes before a scope.
#[tokio::test]
async fn a_plan_says_whose_it_is_where_two_might_be_meant() {
    let mut deck = Deck::open((100, 24)).await;
    deck.load().await;
    deck.plan("R").await;
    assert!(
        !deck.shown(&theme()).contains(", on "),
        "there is one target:\n{}",
        deck.shown(&theme())
    );
    let mut other = deck.state.targets[0].target.clone();
    other.id = TargetId::new("prod-us");
    deck.state.targets.push(TargetState::new(other));
    let picture = deck.shown(&theme());
    assert!(picture.contains("ROLL BACK checkout to rev 7 (last good), on acme/prod"), "{picture}");
    assert!(picture.contains("cf · acme/prod  cf · prod-us"), "{picture}");
}

#[tokio::test]
async fn what_stands_around_a_rollout() {
    for (size, of) in [((80, 24), "80x24"), ((160, 50), "160x50"), ((60, 15), "60x15")] {
        let mut deck = Deck::open(size).await;
        deck.load().await;
        deck.instances().await;
        let small = size == (60, 15);
        if small {
            insta::assert_snapshot!(format!("instances_{of}"), deck.shown(&theme()));
        }
        deck.keys("Esc");
        insta::assert_snapshot!(format!("judged_{of}"), deck.shown(&theme()));
        if small {
            deck.log().await;
            insta::assert_snapshot!(format!("logs_{of}"), deck.shown(&theme()));
        }
        if size == (160, 50) {
            deck.log().await;
            deck.keys("|");
            insta::assert_snapshot!(format!("logs_beside_{of}"), deck.shown(&theme()));
        }
    }
}

#[tokio::test]
async fn out_of_reach_keeps_what_was_there() {
    let mut deck = Deck::open((80, 24)).await;
    let problem = || {
        Problem { kind: ProblemKind::Unreachable, text: "https://api.example.test cannot be reached (connection refused): check the network, VPN and proxy".to_owned() }
    };
    let retry_at = deck.at.checked_add(jiff::SignedDuration::from_secs(30)).unwrap();
    let _ = update(
        &mut deck.state,
        Event::Report {
            target: TargetId::new("cf"),
            report: Report::Problem { problem: problem(), retry_at },
        },
        deck.at,
    );
    insta::assert_snapshot!("never_read_80x24", deck.shown(&theme()));
    deck.load().await;
    deck.at = deck.at.checked_add(jiff::SignedDuration::from_secs(90)).unwrap();
    let retry_at = deck.at.checked_add(jiff::SignedDuration::from_secs(30)).unwrap();
    let _ = update(
        &mut deck.state,
        Event::Report {
            target: TargetId::new("cf"),
            report: Report::Problem { problem: problem(), retry_at },
        },
        deck.at,
    );
    insta::assert_snapshot!("blind_80x24", deck.shown(&theme()));
}

/// What is under the mouse is what is drawn there.
#[tokio::test]
async fn a_place_holds_what_is_drawn_there() {
    for size in [(80, 24), (160, 50)] {
        let mut deck = Deck::open(size).await;
        deck.load().await;
        let area = Rect::new(0, 0, size.0, size.1);
        let text = deck.shown(&theme());
        let (mut apps, mut revisions) = (0, 0);
        for (y, line) in text.lines().enumerate() {
            let at = |x: u16| Position { x, y: u16::try_from(y).unwrap() };
            match spot(&deck.state, area, at(3)) {
                Some(Spot::App(key)) => {
                    let name = &deck.state.apps[&key].app.name;
                    assert!(line.contains(name.as_str()), "{name} is not in {line:?}");
                    apps += 1;
                }
                Some(Spot::Revision(id)) => {
                    let history = deck.state.history().unwrap();
                    let one = history.revisions.iter().find(|one| one.id == id).unwrap();
                    assert!(line[..12].contains(&one.label), "{} is not in {line:?}", one.label);
                    revisions += 1;
                }
                Some(Spot::Heading) => assert!(line.contains("apps"), "{line:?}"),
                Some(Spot::Panel(_)) | None => {}
            }
        }
        assert!(apps >= 9 && revisions == 8, "{apps} apps, {revisions} revisions");
    }
}

#[test]
fn no_size_panics() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut deck = Deck::open((80, 24)).await;
        deck.load().await;
        for open in [
            "Esc", "?", "Esc :", "Esc d", "Esc t", "Esc e", "Esc L", "Esc D", "Esc i", "Esc S",
            "Esc X", "Esc z", "2", "3", "z", "L |",
        ] {
            deck.keys(open);
            every_size(&mut deck);
        }
        // Those that have to be filled first.
        let mut deck = Deck::open((80, 24)).await;
        deck.load().await;
        deck.plan("R").await;
        every_size(&mut deck);
        deck.keys("Esc");
        deck.instances().await;
        every_size(&mut deck);
        deck.keys("Esc");
        deck.log().await;
        every_size(&mut deck);
    });
}

/// Draws it, and asks what is where, from one column and one row on.
fn every_size(deck: &mut Deck) {
    for columns in (1..=130).step_by(7) {
        for rows in (1..=60).step_by(3) {
            let _ = update(&mut deck.state, Event::Resize(columns, rows), deck.at);
            let _ = deck.shown(&theme());
            let area = Rect::new(0, 0, columns, rows);
            for at in area.rows().flat_map(|row| {
                [row.x, row.width / 4, row.width - 1].map(|x| Position { x, y: row.y })
            }) {
                let _ = spot(&deck.state, area, at);
            }
        }
    }
    let _ = update(&mut deck.state, Event::Resize(80, 24), deck.at);
}
