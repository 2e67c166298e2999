//! The order of the list, and what stays selected in it.

use super::{
    super::{Event, Sort, view::View},
    script::{Script, app, key},
};
use crate::domain::{AppState, Condition, Phase, Scope};

#[test]
fn the_selection_stays_with_the_app_that_was_acted_on() {
    let mut script = Script::incident();
    script.keys("R");
    script.planned();
    script.pass(1_000);
    script.keys("y");
    script.apps(vec![app("checkout", None), app("web", Some(Phase::Stuck))]);
    // Its row stays where the operator's eyes are, as long as the operation is open.
    assert_eq!(script.state.listed[..2], [key("checkout"), key("web")]);
    assert_eq!(script.state.app().unwrap().name, "checkout");
}

#[test]
fn an_app_that_lacks_instances_for_a_moment_keeps_its_place() {
    let mut script = Script::incident();
    let listed = script.state.listed.clone();
    let mut middle = script.state.apps[&listed[1]].app.clone();
    for state in [AppState::Degraded, AppState::Ok] {
        middle.state = state;
        script.apps(vec![middle.clone()]);
        assert_eq!(script.state.listed, listed);
    }
    let last = script.state.listed.last().unwrap().clone();
    let mut short = script.state.apps[&last].app.clone();
    assert_eq!(short.condition(), Condition::Ok);
    short.state = AppState::Degraded;
    script.apps(vec![short.clone()]);
    assert_eq!(script.state.listed.last(), Some(&last), "it stays where it is");
    assert_eq!(script.state.apps[&last].app.condition(), Condition::Degraded, "and says so");
    script.pass(11_000);
    script.event(Event::Tick);
    assert_ne!(script.state.listed.last(), Some(&last), "then it comes up");
}

#[test]
fn an_app_that_is_well_again_keeps_its_place_while_it_is_looked_at() {
    let mut script = Script::incident();
    let (checkout, web) = (key("checkout"), key("web"));
    let mut short = app("checkout", None);
    short.state = AppState::Degraded;
    script.apps(vec![short]);
    script.apps(vec![app("checkout", None)]);
    assert_eq!(script.state.apps[&checkout].held.unwrap().by, Condition::Stuck);
    assert_eq!(script.state.listed[0], checkout, "its end is seen where its way was watched");
    script.pass(90_000);
    script.event(Event::Tick);
    assert_eq!(script.state.selected, Some(checkout.clone()), "nothing jumps by itself");
    script.apps(vec![app("web", Some(Phase::Rolling))]);
    script.keys("j");
    script.event(Event::Tick);
    assert_eq!(script.state.listed[0], web);
    script.apps(vec![app("web", None)]);
    script.keys("G");
    script.pass(50_000);
    script.event(Event::Tick);
    assert_eq!(script.state.listed, [web, checkout, key("quiet")], "for a minute");
    script.pass(20_000);
    script.event(Event::Tick);
    assert_eq!(script.state.listed[2], key("web"));
}

#[test]
fn filter_as_you_type_and_escape() {
    let mut script = Script::incident();
    script.keys("/ w e b");
    assert_eq!(script.state.listed, [key("web")]);
    assert_eq!(script.state.app().unwrap().name, "web");
    script.keys("Enter");
    assert!(!script.state.filtering);
    script.keys("Esc");
    assert_eq!(script.state.listed.len(), 3);
    script.event(Event::Paste("\u{1b}[31mR\ny".to_owned()));
    assert!(script.state.layers.is_empty(), "a paste never works as keys");
}

#[test]
fn what_is_pinned_stands_above_its_like_and_nothing_else() {
    let mut script = Script::incident();
    assert_eq!(script.state.listed, [key("checkout"), key("quiet"), key("web")]);
    script.keys("G *");
    assert_eq!(script.state.listed, [key("checkout"), key("web"), key("quiet")]);
    assert_eq!(script.state.selected, Some(key("web")), "it stays selected");
    let view = script.state.view(Sort::Need, false, &Scope::Home, &View::default());
    assert!(view.pinned.contains(&key("web")));
    assert_eq!((view.order, view.only_active, view.scope), (None, None, None));
    script.keys("*");
    assert_eq!(script.state.listed, [key("checkout"), key("quiet"), key("web")]);
}

#[test]
fn who_comes_back_finds_the_app_that_they_left_unless_something_needs_them_more() {
    for (phase, selected) in [(None, "web"), (Some(Phase::Stuck), "checkout")] {
        let mut script = Script::new();
        script.state.last = Some(key("web"));
        script.apps(vec![app("checkout", phase), app("quiet", None), app("web", None)]);
        assert_eq!(script.state.selected, Some(key(selected)));
    }
}

#[test]
fn what_was_changed_by_hand_is_kept_and_nothing_else() {
    let mut script = Script::incident();
    let before = View { only_active: Some(true), ..View::default() };
    script.keys("o");
    let view = script.state.view(Sort::Need, false, &Scope::Home, &before);
    assert_eq!((view.order, view.only_active), (Some(Sort::Name), Some(true)));
    // It began as a flag had it, which is of that run alone.
    let view = script.state.view(Sort::Name, false, &Scope::Home, &before);
    assert_eq!(view.order, None);
}
