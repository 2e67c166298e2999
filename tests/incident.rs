//! The record of an incident that was played on the simulated foundation: what happened, what was done, what is not known.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::sync::Arc;

use jiff::{SignedDuration, tz::TimeZone};
use revdeck::{
    domain::{Consent, Operation, Request, RollBackTo, Settlement, TargetId, Thresholds},
    platform::{
        Platform,
        cloud_foundry::{CloudFoundry, Options},
        operation::{self, Sent},
    },
    runtime::{incident::Incident, journal::Journal},
    simulator::{self, Simulator, clock::Clock},
};
use tokio::sync::mpsc;

#[tokio::test]
async fn the_record_of_an_incident() {
    let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
    let options = simulator::Options::default();
    let simulator = Simulator::cloud_foundry_at(&options, clock.clone()).await.unwrap();
    let options = Options { home: simulator.home_buf(), ..Options::default() };
    let time = clock.clone();
    let now: revdeck::platform::Now = Arc::new(move || time.now());
    let platform = CloudFoundry::open(TargetId::new("cf"), &options, now.clone()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let journal = Journal::in_directory(Some(state.path().to_owned()), now);

    let app = platform.app("checkout").await.unwrap();
    let mut request = Request::new(app.id.clone(), Operation::RollBack(RollBackTo::LastGood));
    request.reason = Some("it runs out of memory | see the graph".to_owned());
    let plan = platform.plan(request).await.unwrap().confirm(Consent::AtScreen).unwrap();
    let operation = plan.plan().recipe.as_ref().unwrap().id.clone();
    journal.intend(&platform.target(), &plan).unwrap();
    let (progress, _lines) = mpsc::unbounded_channel();
    let Sent::Accepted(mut receipt) =
        operation::execute(&platform, plan, &progress, &journal).await
    else {
        panic!("it is taken")
    };
    let during = record(&platform, &journal).await;
    assert!(during.contains("it has no end yet"), "{during}");
    assert!(during.contains("WORSE") || during.contains("TOO EARLY"), "{during}");
    let outcome = loop {
        clock.advance(5.0);
        match operation::settle(&platform, &receipt).await.unwrap() {
            Settlement::Ended(outcome) => break outcome,
            Settlement::Pending { receipt: learned, .. } => receipt = *learned,
            other => panic!("{other:?}"),
        }
    };
    journal.ended(&operation, &outcome).unwrap();
    let after = record(&platform, &journal).await;
    // Names of variables, and never what they hold.
    assert!(!after.contains("64m") && !after.contains("512m"), "{after}");
    insta::assert_snapshot!(
        "incident",
        after.replace(&platform.target().api, "https://api.example")
    );
}

async fn record(platform: &CloudFoundry, journal: &Journal) -> String {
    let app = platform.app("checkout").await.unwrap();
    let since = platform.now() - SignedDuration::from_hours(1);
    let read = Incident::read(platform, app, journal, since, &Thresholds::default()).await.unwrap();
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    read.markdown(&zone)
}
