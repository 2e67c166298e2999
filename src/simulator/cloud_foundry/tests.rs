//! The updater's state table, row by row and tick by tick.

use jiff::Timestamp;

use super::{
    deploy::Wish,
    health::Health,
    updater::TICK,
    world::{App, World},
};
use crate::simulator::{
    clock::{Clock, after},
    scenario::Scenario,
};

/// A world of one app, whose new instances are ready by the next tick.
struct Row {
    world: World,
    at: Timestamp,
}

impl Row {
    fn new(instances: u32) -> Self {
        Self::with(&format!("instances = {instances}"), "")
    }

    fn with(app: &str, space: &str) -> Self {
        let scenario: Scenario = toml::from_str(&format!(
            "[[org]]\nname = \"o\"\nspaces = [{{ name = \"s\" {space} }}]\n[[app]]\nname = \"a\"\nspace = \"o/s\"\n{app}\n\
             revision = [{{ age = \"9d\" }}, {{ age = \"5d\" }}, {{ age = \"1d\" }}]\n"
        ))
        .unwrap();
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        let world = World::build(&scenario, Clock::manual(at), 1, 0).unwrap();
        Self { world, at }
    }

    fn app(&self) -> &App {
        &self.world.apps[0]
    }

    /// A deployment of a new droplet that fares like this.
    fn deploy(&mut self, health: &str, wish: Wish) -> String {
        let (seed, now) = (self.world.seed, self.world.now);
        let health = Health::parse(health).unwrap();
        let droplet = super::build::add_droplet(self.world.app(0), seed, now, health);
        self.deploy_wish(Wish { droplet: Some(droplet), ..wish })
    }

    fn deploy_wish(&mut self, wish: Wish) -> String {
        let wish = Wish { max_in_flight: wish.max_in_flight.max(1), ..wish };
        self.world.deploy(0, &wish, "me").unwrap()
    }

    fn roll_back(&mut self, version: u32) -> Result<String, String> {
        let revisions = &self.world.app(0).history.revisions;
        let revision = revisions.iter().find(|r| r.version == version).map(|r| r.guid.clone());
        let wish = Wish { revision, max_in_flight: 1, ..Wish::default() };
        self.world.deploy(0, &wish, "me").map_err(|error| error.detail().to_owned())
    }

    fn tick(&mut self) {
        self.at = after(self.at, TICK);
        self.world.play_to(self.at);
    }

    /// Desired instances of the web processes, oldest first, and the newest deployment's status.
    fn shape(&self) -> (Vec<u32>, String) {
        let counts = self.app().web_processes().map(super::world::Process::instances).collect();
        let deployment = self.app().history.deployments.last().unwrap();
        (counts, format!("{}/{}", deployment.value(), deployment.reason()))
    }

    /// Ticks until something changes, at most so often; the shapes on the way.
    fn trace(&mut self, ticks: usize) -> Vec<Vec<u32>> {
        let mut seen = vec![self.shape().0];
        for _ in 0..ticks {
            self.tick();
            let shape = self.shape().0;
            if seen.last() != Some(&shape) {
                seen.push(shape);
            }
        }
        seen
    }
}

fn rolling(max_in_flight: u32, web_instances: Option<u32>) -> Wish {
    Wish { max_in_flight, web_instances, ..Wish::default() }
}

fn canary(steps: &[u64]) -> Wish {
    Wish { canary: true, steps: steps.to_vec(), max_in_flight: 1, ..Wish::default() }
}

#[test]
fn rolling_rows() {
    type Expected = &'static [&'static [u32]];
    let rows: [(u32, Wish, Expected); 6] = [
        (4, rolling(1, None), &[&[4, 1], &[3, 2], &[2, 3], &[1, 4], &[4]]),
        (5, rolling(2, None), &[&[5, 2], &[3, 4], &[1, 5], &[5]]),
        (3, rolling(5, None), &[&[3, 3], &[3]]),
        (1, rolling(1, None), &[&[1, 1], &[1]]),
        (4, rolling(2, Some(6)), &[&[4, 2], &[4, 4], &[2, 6], &[6]]),
        // Nothing is ready at the first tick, and yet the old ones are cut at once.
        (4, rolling(1, Some(2)), &[&[4, 1], &[2, 1], &[1, 2], &[2]]),
    ];
    for (instances, wish, expected) in rows {
        let mut row = Row::new(instances);
        let cut_early = wish.web_instances == Some(2);
        row.deploy(if cut_early { "good=6" } else { "good=4" }, wish.clone());
        assert_eq!(row.trace(12), expected, "{instances} instances, {wish:?}");
        assert_eq!(row.shape().1, "FINALIZED/DEPLOYED");
    }
}

#[test]
fn only_one_of_two_ready_slides_the_window() {
    let mut row = Row::new(5);
    row.deploy("good=4", rolling(2, None));
    let now = row.at;
    row.world.apps[0].processes[1].started[1] = after(now, 3.0);
    row.tick();
    assert_eq!(row.shape().0, [4, 3]);
}

#[test]
fn canary_pauses_and_goes_on() {
    let mut row = Row::new(4);
    let guid = row.deploy("good=4", canary(&[]));
    assert_eq!(row.trace(3), [[4, 1]]);
    assert_eq!(row.shape().1, "ACTIVE/PAUSED");
    row.world.go_on(0, &guid, "me").unwrap();
    let expected: [&[u32]; 5] = [&[4, 1], &[3, 2], &[2, 3], &[1, 4], &[4]];
    assert_eq!(row.trace(8), expected);
}

#[test]
fn canary_steps() {
    let mut row = Row::new(10);
    let guid = row.deploy("good=4", canary(&[20, 60, 100]));
    assert_eq!(row.trace(4), [[10, 1], [10, 2], [9, 2]]);
    assert_eq!(row.shape().1, "ACTIVE/PAUSED");
    row.world.go_on(0, &guid, "me").unwrap();
    assert_eq!(row.trace(6), [[9, 2], [9, 3], [8, 4], [7, 5], [6, 6], [5, 6]]);
    row.world.go_on(0, &guid, "me").unwrap();
    assert_eq!(row.trace(6), [[5, 6], [4, 7], [3, 8], [2, 9], [1, 10], [0, 10]]);
    assert_eq!(row.shape().1, "ACTIVE/PAUSED");
    row.world.go_on(0, &guid, "me").unwrap();
    assert_eq!(row.trace(2).last(), Some(&vec![10]));
    assert_eq!(row.shape().1, "FINALIZED/DEPLOYED");
}

#[test]
fn canary_counts_match_the_documented_table() {
    let mut row = Row::new(10);
    row.deploy("good=4", canary(&[1, 20, 45, 80, 100]));
    let deployment = row.app().history.deployments.last().unwrap();
    let steps: Vec<_> = (0..5).map(|step| super::updater::canary_step(deployment, step)).collect();
    assert_eq!(steps, [(1, 10), (2, 9), (5, 6), (8, 3), (10, 0)]);
}

#[test]
fn a_crash_loop_never_ends_and_never_fails() {
    for health in ["crash", "unplaced", "unready"] {
        let mut row = Row::new(4);
        row.deploy(health, rolling(1, None));
        assert_eq!(row.trace(200), [[4, 1]], "{health}");
        assert_eq!(row.shape().1, "ACTIVE/DEPLOYING");
    }
    let mut row = Row::new(2);
    row.deploy("crash", rolling(1, None));
    row.trace(4);
    let crashes = row.app().history.events.iter().filter(|e| e.kind == "audit.app.process.crash");
    assert!(crashes.count() >= 4);
    // It resumes by itself once the instance is healthy.
    row.world.apps[0].processes[1].health = Health::Good(0.0);
    let expected: [&[u32]; 3] = [&[2, 1], &[1, 2], &[2]];
    assert_eq!(row.trace(6), expected);
}

#[test]
fn a_crash_after_some_progress_does_not_bring_the_old_back() {
    let mut row = Row::new(4);
    row.deploy("good=4", rolling(1, None));
    row.tick();
    row.tick();
    assert_eq!(row.shape().0, [2, 3]);
    row.world.apps[0].processes[1].health = Health::parse("crash").unwrap();
    assert_eq!(row.trace(20), [[2, 3]]);
}

#[test]
fn cancel_restores_droplet_and_count_but_not_the_environment() {
    let mut row = Row::new(4);
    let before = row.app().droplet.clone();
    row.world.app(0).env.insert("NEW".to_owned(), "1".to_owned());
    let guid = row.deploy("good=4", rolling(1, None));
    row.tick();
    row.world.cancel(0, &guid, "me").unwrap();
    assert_eq!(row.shape().1, "ACTIVE/CANCELING");
    assert_eq!(row.app().droplet, before);
    row.world.cancel(0, &guid, "me").unwrap();
    row.tick();
    assert_eq!(row.shape(), (vec![4], "FINALIZED/CANCELED".to_owned()));
    assert!(row.app().env.contains_key("NEW"));
    assert_eq!(
        row.app().latest_revision().unwrap().version,
        4,
        "the cancelled revision stays newest"
    );
}

#[test]
fn a_second_deployment_supersedes_and_drains_oldest_first() {
    let mut row = Row::new(3);
    row.deploy("good=4", rolling(1, None));
    row.tick();
    assert_eq!(row.shape().0, [2, 2]);
    row.deploy("good=4", rolling(1, None));
    let first = &row.app().history.deployments[row.app().history.deployments.len() - 2];
    assert_eq!((first.value(), first.reason()), ("FINALIZED", "SUPERSEDED"));
    let trace = row.trace(8);
    assert_eq!(trace[0], [2, 2, 1]);
    assert_eq!(trace.last().unwrap(), &[3]);
    // The very oldest process stands with no instances until the end, the superseded one goes at 0.
    assert!(trace.contains(&vec![0, 1, 3]) || trace.contains(&vec![0, 2, 2]), "{trace:?}");
}

#[test]
fn superseding_a_canceling_deployment_stops_its_process() {
    let mut row = Row::new(3);
    let guid = row.deploy("crash", rolling(1, None));
    row.world.cancel(0, &guid, "me").unwrap();
    row.deploy("good=4", rolling(1, None));
    row.tick();
    assert_eq!(
        row.app()
            .web_processes()
            .filter(|p| p.health == Health::parse("crash").unwrap())
            .map(super::world::Process::instances)
            .sum::<u32>(),
        0
    );
}

#[test]
fn a_stopped_app_starts_at_once() {
    let mut row = Row::with("instances = 2\nstopped = true", "");
    row.deploy("good=4", rolling(1, None));
    assert_eq!(row.shape(), (vec![2], "FINALIZED/DEPLOYED".to_owned()));
    assert!(row.app().started);
    assert!(row.app().history.deployments.last().unwrap().process.is_none());
}

#[test]
fn stopping_the_app_stalls_the_deployment() {
    let mut row = Row::new(3);
    row.deploy("good=4", rolling(1, None));
    row.world.app(0).started = false;
    assert_eq!(row.trace(10), [[3, 1]]);
    assert_eq!(row.shape().1, "ACTIVE/DEPLOYING");
}

#[test]
fn other_processes_restart_all_at_once_at_the_end() {
    let mut row = Row::with("instances = 2\nprocesses = { worker = 3 }", "");
    row.deploy("good=4", rolling(1, None));
    row.trace(4);
    let revision = row.app().latest_revision().unwrap().guid.clone();
    let worker = row.app().processes.iter().find(|process| process.kind == "worker").unwrap();
    assert_eq!(worker.revision.as_ref(), Some(&revision));
    assert!(worker.started.iter().all(|started| *started == worker.started[0]));
    assert!(worker.started[0] > "2026-01-01T00:00:00Z".parse().unwrap());
}

#[test]
fn a_quota_that_is_too_small_is_refused_or_stalls() {
    let mut row = Row::with("instances = 4\nmemory = 500", ", memory = 2000");
    let droplet = row.app().droplet.clone();
    let wish = Wish { droplet, max_in_flight: 1, ..Wish::default() };
    let error = row.world.deploy(0, &wish, "me").unwrap_err();
    assert!(error.detail().starts_with("memory space_quota_exceeded for space s."), "{error:?}");
    let mut row = Row::with("instances = 4\nmemory = 500", ", memory = 2600");
    row.deploy("good=4", rolling(3, None));
    row.world.spaces[0].memory_limit = Some(2_000);
    row.deploy_wish_fails_to_grow();
}

impl Row {
    fn deploy_wish_fails_to_grow(&mut self) {
        self.world.apps[0].processes[1].scale(1, self.at);
        self.tick();
        self.tick();
        let deployment = self.app().history.deployments.last().unwrap();
        assert_eq!(deployment.error.as_deref(), Some("memory space_quota_exceeded"));
        assert_eq!(deployment.value(), "ACTIVE");
    }
}

#[test]
fn rolling_back_after_a_cancelled_roll_back_is_refused_and_the_droplet_works() {
    let mut row = Row::new(4);
    let guid = row.roll_back(2).unwrap();
    let latest = row.app().latest_revision().unwrap();
    assert_eq!(
        (latest.version, latest.description.as_str()),
        (4, "New droplet deployed. Rolled back to revision 2.")
    );
    row.tick();
    row.world.cancel(0, &guid, "me").unwrap();
    row.tick();
    let refused = row.roll_back(2).unwrap_err();
    assert_eq!(
        refused,
        "Unable to rollback. The code and configuration you are rolling back to is the same as the deployed revision."
    );
    let droplet = row.app().history.revisions[1].droplet.clone();
    row.deploy_wish(Wish { droplet: Some(droplet), ..Wish::default() });
    assert_eq!(
        row.app().latest_revision().unwrap().version,
        4,
        "the cancelled revision is used again"
    );
    row.trace(8);
    assert_eq!(row.shape().1, "FINALIZED/DEPLOYED");
}

#[test]
fn a_restart_keeps_the_revision_on_both_sides() {
    let mut row = Row::new(2);
    row.deploy_wish(Wish::default());
    let revisions: Vec<_> =
        row.app().web_processes().map(|process| process.revision.clone()).collect();
    assert_eq!(revisions.len(), 2);
    assert_eq!(revisions[0], revisions[1]);
}

#[test]
fn undeployable_and_unversioned_are_refused() {
    let mut row = Row::with("instances = 1\ndroplets_kept = 0", "");
    assert_eq!(
        row.roll_back(1).unwrap_err(),
        "Unable to deploy this revision, the droplet for this revision no longer exists."
    );
    let mut row = Row::new(1);
    row.world.app(0).revisions_enabled = false;
    assert_eq!(
        row.roll_back(1).unwrap_err(),
        "Cannot create deployment from a revision for an app without revisions enabled"
    );
}

#[test]
fn ten_thousand_apps_stay_small() {
    let scenario = Scenario::load("quiet").unwrap();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut world = World::build(&scenario, Clock::manual(at), 1, 10_000).unwrap();
    assert_eq!(world.apps.len(), 10_000);
    assert!(world.apps.iter().skip(2).all(|app| app.history.revisions.is_empty()));
    let app = world.app(9_999);
    assert_eq!(app.history.revisions.len(), 100);
    let deployed = app.processes[0].revision.clone().unwrap();
    assert_eq!(app.latest_revision().map(|revision| &revision.guid), Some(&deployed));
    assert_eq!(super::super::guid::read(&deployed).map(|(_, owner, _)| owner), Some(9_999));
}
