//! How fast the heart and the screens are with ten thousand apps, and the first look at a large cluster: `cargo bench`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may")]

#[cfg(feature = "kubernetes")]
use std::sync::Arc;

use divan::{Bencher, black_box};
use jiff::{SignedDuration, Timestamp};
use ratatui::{buffer::Buffer, layout::Rect};
use revdeck::{
    dashboard::{Event, Keymap, Start, State, update::update},
    domain::{
        App, AppId, AppState, Count, Instance, InstanceState, Phase, Report, RevisionId,
        RevisionRef, Rollout, RolloutId, Scope, Side, Strategy, Target, TargetId,
    },
    platform::cloud_foundry::KIND,
    ui::{
        draw,
        theme::{Depth, Theme},
    },
};
#[cfg(feature = "kubernetes")]
use revdeck::{
    domain::Interest,
    platform::{
        Now, Platform,
        kubernetes::{self, Kubernetes},
    },
    simulator::{self, SIMULATED, clock::Clock},
};
#[cfg(feature = "kubernetes")]
use tokio::sync::{mpsc, watch};

fn main() {
    divan::main();
}

const APPS: usize = 10_000;

fn at() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn app(number: usize) -> App {
    let side = |count: u32| Side {
        desired: count,
        instances: Some(
            (0..count)
                .map(|index| Instance {
                    name: Some(format!("web/{index}")),
                    state: InstanceState::Running,
                    since: Some(at()),
                    reason: None,
                })
                .collect(),
        ),
    };
    let revision = |label: &str| {
        Some(RevisionRef { id: RevisionId::new(label), label: Some(label.to_owned()) })
    };
    App {
        target: TargetId::new("cf"),
        platform: KIND,
        id: AppId::new(format!("app-{number}")),
        name: format!("service-{number:05}"),
        scope: "acme/prod".to_owned(),
        state: AppState::Ok,
        instances: Count { desired: 4, running: Some(4) },
        deployed: revision("7"),
        rollout: number.is_multiple_of(100).then(|| Rollout {
            proposed: false,
            id: RolloutId::new(format!("rollout-{number}")),
            phase: Phase::Rolling,
            reason: "ACTIVE/DEPLOYING".to_owned(),
            strategy: Strategy::Rolling,
            max_in_flight: Some(1),
            limits: None,
            stages: Vec::new(),
            wanted: 20,
            old: side(12),
            overlap: Vec::new(),
            new: side(9),
            from: revision("7"),
            to: revision("8"),
            started_at: Some(at()),
            moved_at: Some(at()),
            deadline: None,
            stuck: None,
            held: None,
            error: None,
            note: None,
        }),
        serving: None,
        updated_at: Some(at()),
        versioned: Some(true),
        paused: false,
        on_hold: None,
        takes: &[],
    }
}

fn report() -> Event {
    let changed = (0..APPS).map(app).collect();
    Event::Report {
        target: TargetId::new("cf"),
        report: Report::Apps {
            changed,
            gone: Vec::new(),
            at: at(),
            fresh_for: SignedDuration::from_secs(30),
        },
    }
}

fn empty() -> State {
    let target = Target {
        id: TargetId::new("cf"),
        platform: KIND,
        api: "https://api.example.org".to_owned(),
        scope_label: "acme/prod".to_owned(),
        user: "hana".to_owned(),
        badge: None,
    };
    let keymap = Keymap::shipped().unwrap();
    State::new(Start {
        targets: vec![target],
        demo: false,
        speed: 1.0,
        read_only: false,
        keymap,
        size: (160, 50),
        open: Vec::new(),
        complaints: Vec::new(),
        sort: revdeck::dashboard::Sort::Need,
        only_active: false,
        scope: Scope::Home,
        thresholds: revdeck::domain::Thresholds::default(),
        mouse: false,
        pinned: std::collections::BTreeSet::new(),
        last: None,
        now: at(),
    })
}

fn full() -> State {
    let mut state = empty();
    let _ = update(&mut state, report(), at());
    state
}

#[divan::bench]
fn take_in_a_snapshot(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| (empty(), report())).bench_values(|(mut state, report)| {
        let _ = update(&mut state, report, at());
        state
    });
}

#[divan::bench]
fn take_in_one_changed_app(bencher: Bencher<'_, '_>) {
    let mut state = full();
    bencher
        .with_inputs(|| {
            let mut one = app(100);
            one.instances.running = Some(fastrand::u32(0..4));
            Event::Report {
                target: TargetId::new("cf"),
                report: Report::Apps {
                    changed: vec![one],
                    gone: Vec::new(),
                    at: at(),
                    fresh_for: SignedDuration::from_secs(30),
                },
            }
        })
        .bench_local_values(|report| update(&mut state, report, at()));
}

#[divan::bench]
fn move_the_selection(bencher: Bencher<'_, '_>) {
    let mut state = full();
    bencher.bench_local(|| update(&mut state, Event::Key("j".parse().unwrap()), at()));
}

#[divan::bench]
fn type_a_filter(bencher: Bencher<'_, '_>) {
    let state = full();
    bencher.with_inputs(|| state.clone()).bench_local_values(|mut state| {
        for key in ["/", "9", "9"] {
            let _ = update(&mut state, Event::Key(key.parse().unwrap()), at());
        }
        state
    });
}

#[divan::bench(args = [(80, 24), (160, 50)])]
fn draw_a_frame(bencher: Bencher<'_, '_>, size: (u16, u16)) {
    let state = full();
    let theme = Theme::new(Depth::Many, false);
    let area = Rect::new(0, 0, size.0, size.1);
    let mut buffer = Buffer::empty(area);
    bencher.bench_local(|| {
        buffer.reset();
        draw(&state, &theme, area, &mut buffer);
        black_box(&buffer);
    });
}

/// From opening a cluster to its last app, over HTTP and on one thread, as the program does it. Twice the apps are to take
/// twice as long.
#[cfg(feature = "kubernetes")]
#[divan::bench(args = [1_000, 2_000, 4_000], sample_count = 3, sample_size = 1)]
fn take_in_a_cluster(bencher: Bencher<'_, '_>, apps: usize) {
    let server =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = simulator::Options { apps, ..simulator::Options::default() };
    let kind = SIMULATED.iter().find(|one| one.name == "kubernetes").unwrap();
    let simulator = server.block_on((kind.start)(options, Clock::manual(at()))).unwrap();
    let environment = simulator.environment();
    let kubeconfig = environment.into_iter().find(|(name, _)| name == "KUBECONFIG").unwrap().1;
    bencher.bench_local(|| {
        let options = kubernetes::Options {
            kubeconfig: Some(kubeconfig.clone().into()),
            ..kubernetes::Options::default()
        };
        let now: Now = Arc::new(at);
        let cluster = Kubernetes::open(TargetId::new("k8s"), &options, now).unwrap();
        client.block_on(async {
            let everything = Interest { scope: Scope::Everything, ..Interest::default() };
            let (_interest, interested) = watch::channel(everything);
            let (sender, mut reports) = mpsc::channel(64);
            let listening = async {
                let mut seen = 0;
                while seen < apps {
                    if let Some(Report::Apps { changed, .. }) = reports.recv().await {
                        seen += changed.len();
                    }
                }
            };
            tokio::select! {
                () = listening => {}
                () = cluster.watch(interested, sender) => {}
            }
        });
    });
}
