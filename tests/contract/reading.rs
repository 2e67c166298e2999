//! Reading: apps, revisions, details, events, logs.

use revdeck::domain::{
    AppId, Condition, InstanceState, Judgement, ProblemKind, Recording, Scope, SideName,
    Thresholds, TrackRecord, Verdict, differences, last_good,
};

use crate::harness::{Deck, Harness, Role};

pub async fn apps_are_listed_with_their_condition(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let apps = deck.platform.apps(&Scope::Home).await.unwrap();
    let condition = |role| {
        let name = deck.fixture.name(role);
        apps.iter().find(|app| app.name == name).map(revdeck::domain::App::condition)
    };
    assert_eq!(condition(Role::Stuck), Some(Condition::Stuck));
    assert_eq!(condition(Role::Waiting), Some(Condition::Paused));
    assert_eq!(condition(Role::Healthy), Some(Condition::Ok));
    let stuck = apps.iter().find(|app| app.name == deck.fixture.name(Role::Stuck)).unwrap();
    let rollout = stuck.rollout.as_ref().unwrap();
    assert!(rollout.old.count().running > Some(0), "old instances still serve");
    assert!(rollout.new.has_bad());
    let why = rollout.stuck.as_ref().map(|stuck| stuck.why.as_str()).unwrap_or_default();
    assert!(why.contains("crash") || why.contains("Unschedulable"), "{why}");
    assert_ne!(rollout.from, rollout.to);
    assert!(apps.iter().all(|app| app.deployed.as_ref().is_none_or(|of| of.label.is_some())));
}

pub async fn revisions_come_newest_first(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let app = deck.app(Role::Healthy).await;
    let history = deck.platform.revisions(&app.id).await.unwrap();
    assert!(history.revisions.len() > 2);
    assert!(history.revisions.is_sorted_by(|newer, older| newer.created_at >= older.created_at));
    let deployed: Vec<_> = history.revisions.iter().filter(|one| one.deployed).collect();
    assert_eq!(deployed.len(), 1);
    assert_eq!(Some(&deployed[0].id), app.deployed.as_ref().map(|of| &of.id));
    let (good, sure) = last_good(&history.revisions, false).unwrap();
    assert!(!good.deployed);
    assert_eq!(
        sure,
        good.track_record == TrackRecord::Served,
        "what is inferred is told from what is known"
    );

    let stuck = deck.app(Role::Stuck).await;
    let history = deck.platform.revisions(&stuck.id).await.unwrap();
    assert_eq!(history.revisions.iter().filter(|one| one.incoming).count(), 1);
    let (good, _) = last_good(&history.revisions, true).unwrap();
    assert!(good.deployed && !good.incoming, "the old side is the way back");
}

pub async fn one_app_by_name(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let app = deck.app(Role::Healthy).await;
    let again = deck.platform.app(app.id.as_str()).await.unwrap();
    assert_eq!(app.id, again.id);
    let whole = format!("{}/{}", app.scope, app.name);
    assert_eq!(deck.platform.app(&whole).await.unwrap().id, app.id);
}

pub async fn details_differ(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let app = deck.app(Role::Stuck).await;
    let history = deck.platform.revisions(&app.id).await.unwrap();
    let detail = |at: usize| deck.platform.detail(&app.id, &history.revisions[at].id);
    let (new, old) = tokio::try_join!(detail(0), detail(1)).unwrap();
    assert!(!differences(&old, &new).is_empty());
    assert!(differences(&old, &old).is_empty());
}

pub async fn unknown_names_are_refused_in_a_sentence(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let error = deck.platform.app("no-such-app").await.unwrap_err();
    assert_eq!(error.kind(), ProblemKind::NotFound);
    assert!(error.to_string().contains("no-such-app"));
    assert!(deck.platform.revisions(&AppId::new("nowhere")).await.is_err());
}

pub async fn events_and_logs_are_clean(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let app = deck.app(Role::Stuck).await;
    let events = deck.platform.events(&app.id).await.unwrap();
    assert!(events.iter().any(|one| one.bad), "crashes are on record");
    assert!(events.is_sorted_by(|newer, older| newer.at >= older.at));
    let logs = deck.platform.logs(&app.id).await.unwrap();
    assert!(logs.iter().any(|line| line.error));
    assert!(logs.is_sorted_by(|older, newer| older.at <= newer.at));
    for app in deck.platform.apps(&Scope::Everything).await.unwrap() {
        let mut texts = vec![app.name, app.scope];
        for one in deck.platform.revisions(&app.id).await.unwrap().revisions {
            texts.extend([one.description, one.by.unwrap_or_default()]);
        }
        assert!(texts.iter().all(|text| !text.chars().any(char::is_control)), "{texts:?}");
    }
}

pub async fn instances_stand_on_their_side(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let app = deck.app(Role::Stuck).await;
    let reading = deck.platform.instances(&app.id).await.unwrap();
    let states = |side| reading.side(side).map(|one| one.instance.state).collect::<Vec<_>>();
    let (old, new) = (states(SideName::Old), states(SideName::New));
    assert!(old.contains(&InstanceState::Running), "the old ones serve: {old:?}");
    assert!(new.iter().any(|state| state.bad()), "the new ones are broken: {new:?}");
    assert!(!new.contains(&InstanceState::Running), "{new:?}");
    for one in &reading.instances {
        assert!(reading.find(&one.id).is_ok_and(|found| found == one), "{} is not found", one.id);
        let shares = [one.cpu, one.memory].into_iter().flatten().filter_map(|usage| usage.share);
        assert!(shares.into_iter().all(|share| (0.0..100.0).contains(&share)), "{one:?}");
        let broken = one.instance.state.bad();
        assert!(!broken || one.memory.is_none(), "what does not run uses nothing: {one:?}");
    }
    let mut recording = Recording::default();
    recording.take(reading);
    let verdict = Verdict::of(&recording, &Thresholds::default()).unwrap();
    assert_ne!(verdict.judgement, Judgement::NoWorse, "{}", verdict.why());

    let app = deck.app(Role::Healthy).await;
    let reading = deck.platform.instances(&app.id).await.unwrap();
    assert_eq!(Some(reading.ready() as u32), app.instances.running);
    assert!(reading.side(SideName::New).next().is_none(), "nothing rolls");
    assert!(reading.find("no-such-instance").is_err());
}

/// What is read again and again is sparing: an open page of instances costs at most so many requests a minute, and what was
/// learned by the first reading is not asked again.
pub async fn an_open_page_of_instances_is_sparing(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let Some(_) = deck.fixture.requests() else { return };
    for role in [Role::Stuck, Role::Healthy] {
        let app = deck.app(role).await;
        deck.platform.instances(&app.id).await.unwrap();
        let before = deck.fixture.requests().unwrap();
        let reading = deck.platform.instances(&app.id).await.unwrap();
        let cost = deck.fixture.requests().unwrap() - before;
        let a_minute = cost as f64 * 60.0 / reading.pace.as_secs_f64();
        let pace = reading.pace;
        assert!(
            a_minute <= deck.fixture.page_costs(),
            "{cost} requests every {pace:#}, {a_minute} a minute"
        );
    }
}
