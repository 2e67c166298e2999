//! What the mouse does on the deck.

use super::{
    super::{
        Command, Effect, Notice, State,
        mouse::{DOUBLE, Gesture, Spot},
    },
    deck, dispatch,
};

/// Takes a gesture at what was under it. While a page, a plan or the filter is open nothing is done.
pub(super) fn apply(state: &mut State, spot: Spot, gesture: Gesture) -> Vec<Effect> {
    if !state.mouse_wanted() || state.filtering {
        return Vec::new();
    }
    state.notifying.pressed_at = Some(state.now);
    if matches!(state.notice, Some(Notice::Hint(_))) {
        state.notice = None;
    }
    let command = match gesture {
        Gesture::WheelUp => Command::Up,
        Gesture::WheelDown => Command::Down,
        Gesture::Click => return click(state, spot),
    };
    let panel = std::mem::replace(&mut state.panel, spot.panel());
    deck::dispatch(state, command);
    state.panel = panel;
    Vec::new()
}

fn click(state: &mut State, spot: Spot) -> Vec<Effect> {
    let again = state
        .mouse
        .clicked
        .take()
        .is_some_and(|(before, at)| before == spot && state.now.duration_since(at) <= DOUBLE);
    state.panel = spot.panel();
    match &spot {
        Spot::Heading => return dispatch(state, Command::Sort, None),
        Spot::App(app) => deck::select(state, app.clone()),
        Spot::Revision(revision) => {
            state.revision = Some(revision.clone());
            state.chosen = true;
        }
        Spot::Panel(_) => {}
    }
    if again {
        return dispatch(state, Command::Open, None);
    }
    state.mouse.clicked = Some((spot, state.now));
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::{Event, Panel, Sort, dialog::Layer},
            script::{Script, key},
        },
        *,
    };

    fn incident() -> Script {
        let mut script = Script::incident();
        script.keys("M");
        script
    }

    impl Script {
        fn mouse(&mut self, spot: Spot, gesture: Gesture) {
            self.event(Event::Mouse { spot, gesture });
        }
    }

    #[test]
    fn a_click_selects_and_a_second_one_opens() {
        let mut script = incident();
        script.mouse(Spot::App(key("web")), Gesture::Click);
        assert_eq!(script.state.selected, Some(key("web")));
        script.pass(1_000);
        script.mouse(Spot::App(key("web")), Gesture::Click);
        assert_eq!(script.state.panel, Panel::Apps, "two clicks a second apart are no double one");
        script.pass(100);
        script.mouse(Spot::App(key("web")), Gesture::Click);
        assert_eq!(script.state.panel, Panel::Revisions);
        script.mouse(Spot::App(key("checkout")), Gesture::Click);
        assert_eq!(
            (script.state.panel, &script.state.selected),
            (Panel::Apps, &Some(key("checkout")))
        );
        let revision = script.state.history().unwrap().revisions.last().unwrap().id.clone();
        for _ in 0..2 {
            script.mouse(Spot::Revision(revision.clone()), Gesture::Click);
        }
        assert_eq!(script.state.revision, Some(revision));
        assert!(matches!(script.state.layers.last(), Some(Layer::Diff(_))));
    }

    #[test]
    fn the_wheel_moves_what_is_under_it_and_a_heading_sorts() {
        let mut script = incident();
        let first = script.state.selected.clone();
        script.keys("Tab");
        script.mouse(Spot::App(key("web")), Gesture::WheelDown);
        assert_ne!(script.state.selected, first);
        assert_eq!(script.state.panel, Panel::Revisions, "the keys stay where they are");
        script.mouse(Spot::App(key("web")), Gesture::WheelUp);
        assert_eq!(script.state.selected, first);
        script.mouse(Spot::Heading, Gesture::Click);
        assert_eq!(script.state.sort, Sort::Name);
    }

    #[test]
    fn a_click_never_confirms() {
        let mut script = incident();
        script.keys("R");
        script.planned();
        script.pass(1_000);
        for spot in [Spot::Heading, Spot::App(key("web")), Spot::Panel(Panel::Rollout)] {
            for _ in 0..3 {
                script.mouse(spot.clone(), Gesture::Click);
                assert!(script.effects.is_empty(), "{:?}", script.effects);
            }
        }
        assert_eq!(script.state.selected, Some(key("checkout")));
        assert_eq!(script.state.layers.len(), 1);
    }

    #[test]
    fn without_being_asked_for_it_does_nothing() {
        let mut script = Script::incident();
        let before = script.state.selected.clone();
        script.mouse(Spot::App(key("web")), Gesture::Click);
        assert_eq!(script.state.selected, before);
    }
}
