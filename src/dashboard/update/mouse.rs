//! What the mouse does on the deck.

use super::{
    super::{
        Command, Effect, Notice, State,
        mouse::{DOUBLE, Gesture, Spot},
    },
    deck, dispatch,
};

/// Takes a gesture at what was under it. While a page, a plan or the filter is open nothing is done.
pub(super) fn apply(
    state: &mut State,
    spot: &Spot,
    at: (u16, u16),
    gesture: Gesture,
) -> Vec<Effect> {
    if !state.mouse_wanted() || state.filtering {
        return Vec::new();
    }
    state.notifying.pressed_at = Some(state.now);
    // As with the first key, the selection stays from then on where it is.
    state.chosen |= state.selected.is_some();
    if matches!(state.notice, Some(Notice::Hint(_))) {
        state.notice = None;
    }
    let command = match gesture {
        Gesture::WheelUp => Command::Up,
        Gesture::WheelDown => Command::Down,
        Gesture::Click => return click(state, spot, at),
    };
    let panel = std::mem::replace(&mut state.panel, spot.panel());
    deck::dispatch(state, command);
    state.panel = panel;
    Vec::new()
}

fn click(state: &mut State, spot: &Spot, at: (u16, u16)) -> Vec<Effect> {
    let before = state.mouse.clicked.take();
    let again =
        before.is_some_and(|(place, then)| place == at && state.now.duration_since(then) <= DOUBLE);
    // A click may have moved the rows: the second one is for what the first one selected.
    if again && !matches!(spot, Spot::Heading) {
        return dispatch(state, Command::Open, None);
    }
    state.panel = spot.panel();
    match spot {
        Spot::Heading => return dispatch(state, Command::Sort, None),
        Spot::App(app) => deck::select(state, app.clone()),
        Spot::Revision(revision) => state.revision = Some(revision.clone()),
        Spot::Panel(_) => {}
    }
    state.mouse.clicked = Some((at, state.now));
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
        script.state.mouse.on = true;
        script
    }

    impl Script {
        fn mouse(&mut self, spot: Spot, gesture: Gesture) {
            // Each spot is somewhere else.
            let at = match &spot {
                Spot::Heading => (1, 1),
                Spot::App(app) => (2, u16::try_from(app.app.as_str().len()).unwrap()),
                Spot::Revision(_) => (3, 1),
                Spot::Panel(_) => (4, 1),
            };
            self.event(Event::Mouse { spot, at, gesture });
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
    fn the_second_click_is_for_what_the_first_one_selected() {
        let mut script = incident();
        script.event(Event::Mouse {
            spot: Spot::App(key("web")),
            at: (5, 5),
            gesture: Gesture::Click,
        });
        // The list has scrolled, and another app is under the pointer now.
        script.event(Event::Mouse {
            spot: Spot::App(key("quiet")),
            at: (5, 5),
            gesture: Gesture::Click,
        });
        assert_eq!(
            (script.state.panel, &script.state.selected),
            (Panel::Revisions, &Some(key("web")))
        );
    }

    #[test]
    fn without_being_asked_for_it_does_nothing() {
        let mut script = Script::incident();
        let before = script.state.selected.clone();
        script.mouse(Spot::App(key("web")), Gesture::Click);
        assert_eq!(script.state.selected, before);
    }
}
