//! Plans: asked for, shown, confirmed or left.

use jiff::SignedDuration;
use tui_textarea::TextArea;

use super::{
    super::{
        Command, Effect, State,
        dialog::{DeployDialog, Layer, PlanDialog},
        guard,
        key::{Code, Key, Name},
        plan_view,
        state::{Notice, Running},
    },
    is,
};
use crate::domain::{
    App, AppKey, Consent, INSTANCE, Note, Operation, Options, Plan, Problem, Request, RollBackTo,
    SectionKind, TargetId, Verb, text::span,
};

/// For so long after a roll back of ours one more is warned of.
const LATELY: SignedDuration = SignedDuration::from_mins(15);

/// How long a plan must have been on screen before a key can confirm it: what was typed before it was seen does not
/// count.
const SEEN: SignedDuration = SignedDuration::from_millis(250);

/// Opens the dialog of a command and asks for its plan.
pub(super) fn open(state: &mut State, command: Command, key: Option<Key>) -> Vec<Effect> {
    let Some(app) = state.app() else { return Vec::new() };
    let operation = match (command, guard::verb(state, command)) {
        (Command::RollBackSelected, _) => match state.selected_revision() {
            Some(revision) => Operation::RollBack(RollBackTo::Revision(revision.id.clone())),
            None => return Vec::new(),
        },
        (_, Some(verb)) => Operation::from(verb),
        (_, None) => return Vec::new(),
    };
    let (target, request) = (app.target.clone(), Request::new(app.id.clone(), operation));
    ask(state, target, request, key)
}

/// Opens the dialog of a verb without more to be said, and asks for its plan.
pub(super) fn open_verb(state: &mut State, verb: Verb, key: Option<Key>) -> Vec<Effect> {
    let Some(app) = state.app() else { return Vec::new() };
    let request = Request::new(app.id.clone(), Operation::from(verb));
    let target = app.target.clone();
    ask(state, target, request, key)
}

/// Opens the dialog of one instance that is to be started anew.
pub(super) fn open_instance(state: &mut State, app: &AppKey, id: &str, key: Key) -> Vec<Effect> {
    let request = Request::new(app.app.clone(), Operation::Restart).with(INSTANCE.name, id);
    ask(state, app.target.clone(), request, Some(key))
}

fn ask(state: &mut State, target: TargetId, request: Request, key: Option<Key>) -> Vec<Effect> {
    let id = state.fresh_id();
    let app = state.apps.get(&AppKey::new(target.clone(), request.app.clone()));
    let app = app.map(|known| &known.app);
    let dialog = PlanDialog {
        id,
        target: target.clone(),
        name: app.map(|app| app.name.clone()).unwrap_or_default(),
        seen: app.and_then(seen),
        request: request.clone(),
        opened_by: key,
        plan: None,
        shown_at: None,
        read: None,
        void: None,
        scroll: 0,
        reveal: false,
        why: None,
    };
    state.layers.push(Layer::Plan(Box::new(dialog)));
    vec![Effect::Plan { id, target, request }]
}

/// What a plan stands on, as far as the watcher sees it.
pub(super) fn seen(app: &App) -> Option<(String, String)> {
    // Whether it moves is a judgement, not a fact that a plan stands on.
    app.rollout.as_ref().map(|rollout| (rollout.id.to_string(), rollout.reason.clone()))
}

/// Makes the plan of a dialog anew.
fn replan(state: &mut State) -> Vec<Effect> {
    let id = state.fresh_id();
    let apps = &state.apps;
    let Some(Layer::Plan(dialog)) = state.layers.last_mut() else { return Vec::new() };
    dialog.id = id;
    dialog.plan = None;
    dialog.shown_at = None;
    dialog.void = None;
    dialog.scroll = 0;
    dialog.seen = apps.get(&dialog.app()).and_then(|known| seen(&known.app));
    let target = dialog.target.clone();
    vec![Effect::Plan { id, target, request: dialog.request.clone() }]
}

pub(super) fn planned(state: &mut State, id: u64, mut plan: Result<Plan, Problem>) {
    let (apps, thresholds, now) = (&state.apps, &state.thresholds, state.now);
    let rolled_back = &state.rolled_back;
    for layer in &mut state.layers {
        if let Layer::Plan(dialog) = layer
            && dialog.id == id
        {
            // Who lets a rollout go on should know what was seen of its new side.
            if let Ok(plan) = &mut plan
                && plan.request.operation == Operation::Continue
                && let Some(known) = apps.get(&dialog.app())
                && let Some(verdict) = known.verdict(thresholds, now)
            {
                plan.notes.push(verdict.note());
            }
            // Pressed once more by nerves, it would leave what it has just brought back.
            if let Ok(plan) = &mut plan
                && plan.request.operation == Operation::RollBack(RollBackTo::LastGood)
                && plan.refused.is_none()
                && apps.get(&dialog.app()).is_some_and(|known| known.app.rollout.is_none())
                && let Some(at) = rolled_back.get(&dialog.app())
                && now.duration_since(*at) < LATELY
            {
                let text = format!(
                    "a roll back of {} ended well {} ago: this goes one further back",
                    plan.app,
                    span(now.duration_since(*at))
                );
                plan.notes.insert(0, Note::Warning(text));
            }
            // A reason is nothing that is to be read again.
            let told = plan.as_ref().ok().map(told);
            let read = dialog.read.take().filter(|(_, read)| told.as_ref() == Some(read));
            dialog.shown_at = read.map(|(at, _)| at);
            dialog.plan = Some(plan);
            return;
        }
    }
}

/// What a plan tells, but for the calls, which hold its reason.
fn told(plan: &Plan) -> Vec<(&'static str, String)> {
    let call = SectionKind::Call.label();
    plan.lines(true).into_iter().filter(|(label, _)| *label != call).collect()
}

/// A frame is on its way: a plan whose last line is on it has been on screen whole.
pub(super) fn painted(state: &mut State) {
    let (now, size) = (state.now, state.size);
    if let Some(Layer::Plan(dialog)) = state.layers.last_mut() {
        let complete = matches!(dialog.plan, Some(Ok(_)));
        let view = plan_view::lay_out(dialog, size);
        if complete && dialog.shown_at.is_none() && dialog.scroll >= view.most() {
            dialog.shown_at = Some(now);
        }
    }
}

/// Why the confirming key does nothing now.
pub fn confirm_blocker(state: &State, dialog: &PlanDialog) -> Option<String> {
    if let Some(what) = &dialog.void {
        let key = state.keymap.hint(Command::Replan);
        return Some(format!("CHANGED: {what}; {key} plans anew"));
    }
    match &dialog.plan {
        None => return Some("the plan is still being made".to_owned()),
        Some(Err(_)) => return Some("there is no plan".to_owned()),
        Some(Ok(plan)) if plan.refused.is_some() => return Some("it is refused".to_owned()),
        Some(Ok(_)) => {}
    }
    if let Err(reason) = guard::blind(state, &dialog.target) {
        return Some(reason);
    }
    match dialog.shown_at {
        None => {
            Some(format!("scroll to its end first ({})", state.keymap.hint(Command::ScrollDown)))
        }
        Some(at) if state.now.duration_since(at) < SEEN => Some("read it first".to_owned()),
        Some(_) => None,
    }
}

/// A key in a plan dialog.
pub(super) fn press(state: &mut State, key: Key) -> Vec<Effect> {
    let size = state.size;
    if let Some(Layer::Plan(dialog)) = state.layers.last_mut()
        && dialog.why.is_some()
    {
        return type_why(state, key);
    }
    let Some(command) = state.keymap.plan(key) else { return Vec::new() };
    let Some(Layer::Plan(dialog)) = state.layers.last_mut() else { return Vec::new() };
    match command {
        Command::Confirm => return confirm(state, key),
        Command::Leave => drop(state.layers.pop()),
        Command::ScrollUp => dialog.scroll = dialog.scroll.saturating_sub(1),
        Command::ScrollDown => {
            let page = plan_view::lay_out(dialog, size);
            dialog.scroll = (dialog.scroll + page.height.div_ceil(2)).min(page.most());
        }
        Command::Reveal => {
            dialog.reveal = !dialog.reveal;
            dialog.scroll = 0;
        }
        Command::Why => {
            let text = dialog.request.reason.clone().unwrap_or_default();
            let mut area = TextArea::new(text.lines().map(str::to_owned).collect());
            area.move_cursor(tui_textarea::CursorMove::End);
            dialog.why = Some(Box::new(area));
        }
        Command::CopyByHand => {
            if let Some(Ok(plan)) = &dialog.plan {
                let text = plan.by_hand.join("\n");
                let shown = plan.by_hand.first().cloned().unwrap_or_default();
                return vec![Effect::Copy { text, shown }];
            }
        }
        Command::Replan => return replan(state),
        _ => {}
    }
    Vec::new()
}

fn confirm(state: &mut State, key: Key) -> Vec<Effect> {
    let Some(Layer::Plan(dialog)) = state.layers.last() else { return Vec::new() };
    if dialog.opened_by == Some(key) {
        return Vec::new();
    }
    if let Some(reason) = confirm_blocker(state, dialog) {
        state.notice = Some(Notice::Hint(format!("not confirmed: {reason}")));
        return Vec::new();
    }
    let Some(Layer::Plan(dialog)) = state.layers.pop() else { return Vec::new() };
    let app = dialog.app();
    let Some(Ok(plan)) = dialog.plan else { return Vec::new() };
    let Ok(confirmed) = plan.confirm(Consent::AtScreen) else { return Vec::new() };
    let operation = confirmed.plan().recipe.as_ref().map(|recipe| recipe.id.clone());
    let id = state.fresh_id();
    state.notice = None;
    state.running.push(Running {
        id,
        app,
        name: dialog.name,
        verb: dialog.request.operation.verb(),
        operation,
        receipt: None,
        standing: None,
        line: "sending".to_owned(),
        said: Vec::new(),
        looking: false,
        look_at: state.now,
        resumed: false,
        hindered: None,
        began: state.now,
    });
    super::deck::keep_places(state);
    vec![Effect::Execute { id, target: dialog.target, plan: Box::new(confirmed) }]
}

/// A key while the reason is typed: Enter or Esc ends it, and a changed reason makes a new plan.
fn type_why(state: &mut State, key: Key) -> Vec<Effect> {
    let Some(Layer::Plan(dialog)) = state.layers.last_mut() else { return Vec::new() };
    let Some(area) = &mut dialog.why else { return Vec::new() };
    if is(key, Name::Esc) {
        dialog.why = None;
        return Vec::new();
    }
    if is(key, Name::Enter) && !key.alt {
        let text = area.lines().join("\n");
        let reason = (!text.trim().is_empty()).then(|| text.trim().to_owned());
        dialog.why = None;
        if dialog.request.reason == reason {
            return Vec::new();
        }
        dialog.request.reason = reason;
        let plan = dialog.plan.as_ref().and_then(|plan| plan.as_ref().ok());
        let read = dialog.shown_at.zip(plan.map(told));
        let effects = replan(state);
        if let Some(Layer::Plan(dialog)) = state.layers.last_mut() {
            dialog.read = read;
        }
        return effects;
    }
    area.input(input(key));
    Vec::new()
}

fn input(key: Key) -> tui_textarea::Input {
    use tui_textarea::Key as To;
    let to = match key.code {
        Code::Char(letter) => To::Char(letter),
        Code::F(number) => To::F(number),
        Code::Named(name) => match name {
            Name::Up => To::Up,
            Name::Down => To::Down,
            Name::Left => To::Left,
            Name::Right => To::Right,
            Name::Home => To::Home,
            Name::End => To::End,
            Name::PgUp => To::PageUp,
            Name::PgDn => To::PageDown,
            Name::Enter => To::Enter,
            Name::Esc => To::Esc,
            Name::Tab | Name::BackTab => To::Tab,
            Name::Space => To::Char(' '),
            Name::Backspace => To::Backspace,
            Name::Delete => To::Delete,
        },
    };
    tui_textarea::Input { key: to, ctrl: key.ctrl, alt: key.alt, shift: false }
}

/// Asks for the plan of what the fields of a form say.
pub(super) fn deploy(
    state: &mut State,
    dialog: &DeployDialog,
    key: Key,
) -> Result<Vec<Effect>, String> {
    let filled = dialog.fields.iter().zip(&dialog.values);
    let options =
        filled.fold(Options::default(), |all, (field, value)| all.with(field.name, value));
    options.check(dialog.platform.name, dialog.verb, &dialog.fields)?;
    let AppKey { target, app } = dialog.app.clone();
    let request = Request { options, ..Request::new(app, Operation::from(dialog.verb)) };
    Ok(ask(state, target, request, Some(key)))
}
