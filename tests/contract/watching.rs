//! Watching: only changes travel, problems are reported, recovery is by itself.

use std::{collections::HashMap, time::Duration};

use revdeck::{
    domain::{App, AppId, Condition, Interest, Operation, ProblemKind, Report, RollBackTo, Scope},
    platform::operation::Sent,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::harness::{Deck, Fault, Harness, Role};

/// A watch, and what it has told so far.
struct Watch {
    interest: watch::Sender<Interest>,
    reports: mpsc::Receiver<Report>,
    apps: HashMap<AppId, App>,
    task: JoinHandle<()>,
}

impl Watch {
    fn start(deck: &Deck) -> Self {
        let (interest, interested) = watch::channel(Interest::default());
        let (sender, reports) = mpsc::channel(64);
        let platform = deck.platform.clone();
        let task = tokio::spawn(async move { platform.watch(interested, sender).await });
        Self { interest, reports, apps: HashMap::new(), task }
    }

    /// Has everything read again now.
    fn nudge(&self) {
        self.interest.send_modify(|interest| interest.nudge += 1);
    }

    async fn next(&mut self) -> Report {
        let report = tokio::time::timeout(Duration::from_secs(20), self.reports.recv()).await;
        let report = report.expect("the watch is silent").expect("the watch has ended");
        if let Report::Apps { changed, gone, .. } = &report {
            for app in changed {
                self.apps.insert(app.id.clone(), app.clone());
            }
            for id in gone {
                self.apps.remove(id);
            }
        }
        report
    }

    async fn until(&mut self, met: impl Fn(&Report) -> bool) -> Report {
        loop {
            let report = self.next().await;
            if met(&report) {
                return report;
            }
        }
    }

    async fn apps(&mut self) {
        self.until(|report| matches!(report, Report::Apps { .. })).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A rollout that is turned round is over when all instances are there (`DeploymentComplete` in
/// `deployment/util/deployment_util.go`), not when the last of those that it had begun with is gone.
#[cfg(feature = "kubernetes")]
pub async fn a_rollout_that_turns_round_goes_on_to_its_end(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let mut watch = Watch::start(&deck);
    watch.apps().await;
    let app = deck.app(Role::Stuck).await;
    let plan = deck.plan(Role::Stuck, Operation::RollBack(RollBackTo::LastGood)).await;
    assert!(matches!(deck.execute(plan).await, Sent::Accepted(_)));
    let turned = |app: &App| app.rollout.as_ref().is_none_or(|rollout| rollout.stuck.is_none());
    while !turned(&watch.apps[&app.id]) {
        watch.apps().await;
    }
    for _ in 0..100 {
        let app = &watch.apps[&app.id];
        if app.rollout.is_none() {
            assert_eq!(app.condition(), Condition::Ok, "{app:?}");
            return;
        }
        deck.fixture.pass(0.5);
        watch.nudge();
        watch.apps().await;
    }
    panic!("it never ends");
}

pub async fn the_watch_follows_a_rollout_to_its_end(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let mut watch = Watch::start(&deck);
    watch.apps().await;
    let app = deck.app(Role::Healthy).await;
    watch.interest.send_modify(|interest| interest.focus = Some(app.id.clone()));
    watch.until(|report| matches!(report, Report::History { .. })).await;
    let plan = deck.plan(Role::Healthy, Operation::RollBack(RollBackTo::LastGood)).await;
    assert!(matches!(deck.execute(plan).await, Sent::Accepted(_)));
    let mut shapes = Vec::new();
    for _ in 0..100 {
        watch.nudge();
        watch.apps().await;
        match &watch.apps[&app.id].rollout {
            Some(rollout) => shapes.push((rollout.old.desired, rollout.new.desired)),
            None if !shapes.is_empty() => break,
            None => {}
        }
        deck.fixture.pass(2.0);
    }
    assert!(shapes.len() > 2, "{shapes:?}");
    assert!(
        shapes.is_sorted_by(|a, b| a.0 >= b.0 && a.1 <= b.1),
        "old goes and new comes: {shapes:?}"
    );
    assert_eq!(watch.apps[&app.id].condition(), Condition::Ok);
    let label = watch.apps[&app.id].deployed.as_ref().and_then(|of| of.label.clone());
    assert!(label.is_some(), "what is deployed now has its label");
}

pub async fn the_watch_recovers_and_keeps_what_it_had(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let mut watch = Watch::start(&deck);
    watch.apps().await;
    let known = watch.apps.len();
    for fault in
        [Fault::Status(503), Fault::Html, Fault::CutJson, Fault::ResetBefore, Fault::RateLimited]
    {
        deck.fixture.break_reads(fault, None);
        watch.nudge();
        let report = watch.until(|report| matches!(report, Report::Problem { .. })).await;
        let Report::Problem { problem, .. } = report else { unreachable!() };
        assert!(problem.text.len() > 20, "{problem:?}");
        if fault == Fault::RateLimited {
            assert_eq!(problem.kind, ProblemKind::RateLimited);
        }
        assert_eq!(watch.apps.len(), known, "what was there stays");
        deck.fixture.mend();
        watch.nudge();
        watch.apps().await;
    }
}

pub async fn the_watch_sends_only_changes(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let mut watch = Watch::start(&deck);
    watch.apps().await;
    watch.nudge();
    let report = watch.until(|report| matches!(report, Report::Apps { .. })).await;
    let Report::Apps { changed, gone, .. } = report else { unreachable!() };
    assert!(changed.is_empty() && gone.is_empty(), "nothing changed, and yet: {changed:#?}");
}

pub async fn the_scope_can_be_widened(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let mut watch = Watch::start(&deck);
    watch.apps().await;
    let few = watch.apps.len();
    watch.interest.send_modify(|interest| interest.scope = Scope::Everything);
    watch.until(|report| matches!(report, Report::Reset)).await;
    watch.apps.clear();
    watch.apps().await;
    assert!(watch.apps.len() > few);
}
