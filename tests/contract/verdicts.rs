//! What is said of the rollouts of the demo, read as an open page of instances reads them.

use revdeck::{
    domain::{Judgement, Recording, Thresholds, Verdict},
    platform::Platform,
    simulator::clock::Clock,
};

use super::cloud_foundry;

/// What is said of an app after each of so many readings, a pace apart.
async fn judged(
    platform: &dyn Platform,
    clock: &Clock,
    name: &str,
    readings: usize,
) -> Vec<Verdict> {
    let app = platform.app(name).await.unwrap();
    let (mut recording, mut verdicts) = (Recording::default(), Vec::new());
    for _ in 0..readings {
        let reading = platform.instances(&app.id).await.unwrap();
        let pace = reading.pace;
        recording.take(reading);
        verdicts.extend(Verdict::of(&recording, &Thresholds::default()));
        clock.advance(pace.as_secs_f64());
    }
    verdicts
}

/// The judgements in their order, each said once.
fn story(verdicts: &[Verdict]) -> Vec<Judgement> {
    let mut story: Vec<_> = verdicts.iter().map(|one| one.judgement).collect();
    story.dedup();
    story
}

#[tokio::test]
async fn what_crashes_is_worse_at_the_first_look() {
    let (simulator, platform) = cloud_foundry::foundation("").await;
    let verdicts = judged(&platform, simulator.clock(), "checkout", 3).await;
    assert_eq!(story(&verdicts), [Judgement::Worse], "{verdicts:?}");
    assert!(verdicts[0].why().contains("new crashed"), "{}", verdicts[0].why());
}

#[tokio::test]
async fn what_lives_and_is_worse_is_told_with_its_figures() {
    let (simulator, platform) = cloud_foundry::foundation("").await;
    let verdicts = judged(&platform, simulator.clock(), "suggestions", 6).await;
    let last = verdicts.last().unwrap();
    assert_eq!(last.judgement, Judgement::Worse, "{verdicts:?}");
    for what in ["memory ", "processor ", "error lines a minute"] {
        assert!(last.why().contains(what), "{}", last.why());
    }
}

#[tokio::test]
async fn a_slow_starter_is_waited_for_and_then_no_worse() {
    let (simulator, platform) = cloud_foundry::foundation("").await;
    let verdicts = judged(&platform, simulator.clock(), "statements", 12).await;
    assert_eq!(story(&verdicts), [Judgement::TooEarly, Judgement::NoWorse], "{verdicts:?}");
    assert_eq!(verdicts[0].why(), "no new instance is ready yet");
}

/// A machine whose clock goes wrong counts no more error lines than there were in a minute.
#[tokio::test]
async fn a_clock_that_is_behind_makes_nothing_worse() {
    let mut counted = Vec::new();
    for seconds in [0, 600] {
        let (_simulator, platform) = cloud_foundry::behind("", seconds).await;
        let app = platform.app("suggestions").await.unwrap();
        let errors = platform.instances(&app.id).await.unwrap().errors.unwrap();
        counted.push(errors.new.lines);
    }
    assert!(counted[0] > 0, "{counted:?}");
    // The minute ends with the newest line, which may be some seconds old; eleven minutes had many times as many.
    assert!(counted[1] <= counted[0] * 3 / 2, "{counted:?}");
}

#[cfg(feature = "kubernetes")]
#[tokio::test]
async fn what_is_well_is_no_worse() {
    let (simulator, platform) = super::kubernetes::cluster().await;
    let verdicts = judged(&platform, simulator.clock(), "invoices", 4).await;
    assert_eq!(verdicts.last().unwrap().judgement, Judgement::NoWorse, "{verdicts:?}");
}
