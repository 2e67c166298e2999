//! All apps, what needs somebody first.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::super::{
    text::{age, cut, fit, fit_middle, names, piece, put, right, within},
    theme::{Role, Theme},
    widgets::bar,
};
use crate::{
    dashboard::{Command, Known, Liveness, Panel, Sort, State, plan_view::wrap, wide::FIGURES},
    domain::{App, AppKey, Condition, Count, Judgement, Phase, Rollout},
};

/// `APPS 14   1 STUCK  2 rolling` and the filter.
pub(crate) fn draw_counts(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let role = if state.panel == Panel::Apps { Role::Title } else { Role::Dim };
    let (all, listed) = (state.apps.len(), state.listed.len());
    let count =
        if listed == all { format!("{all} apps") } else { format!("{listed} of {all} apps") };
    let mut line = Line::from(vec![piece(format!(" {count}"), theme.style(role))]);
    let kinds = [
        (Condition::Stuck, "STUCK", Role::Bad),
        (Condition::Slow, "slow", Role::Warn),
        (Condition::Rolling, "rolling", Role::New),
        (Condition::Cancelling, "cancelling", Role::Warn),
        (Condition::Paused, "paused", Role::Warn),
        (Condition::Down, "DOWN", Role::Bad),
        (Condition::Degraded, "degraded", Role::Warn),
    ];
    for (condition, word, role) in kinds {
        let is = |known: &&Known| known.app.condition() == condition && !state.is_off(&known.app);
        let count = state.apps.values().filter(is).count();
        if count > 0 {
            line.push_span(piece(format!("  {count} {word}"), theme.style(role)));
        }
    }
    let hidden: Vec<_> =
        state.targets.iter().flat_map(|one| &one.connection.status.hidden).cloned().collect();
    if !hidden.is_empty() {
        let text = format!("  not shown: {}", hidden.join(", "));
        line.push_span(piece(
            cut(&text, width.saturating_sub(line.width() + 32)),
            theme.style(Role::Warn),
        ));
    }
    let hint = |command| state.keymap.hint(command);
    let sort = match state.sort {
        Sort::Need => "",
        Sort::Name => "by name  ",
        Sort::Scope => "by scope  ",
    };
    let key = hint(Command::OnlyActive);
    let off = state.targets.iter().filter(|one| one.off).count();
    let only = if off > 0 {
        let logins = if off == 1 { "login" } else { "logins" };
        format!("{off} {logins} NOT LISTED · {} lists", hint(Command::Targets))
    } else if state.only_active {
        format!("only active · {key} all")
    } else {
        format!("showing all · {key} only active")
    };
    let filter = match (state.filtering, state.filter.is_empty()) {
        (true, _) => format!("search: {}▏", state.filter),
        (false, false) => format!("search: {} · Esc all", state.filter),
        (false, true) => format!("{} search", hint(Command::Filter)),
    };
    let shown = format!("{sort}{only} · {filter} ");
    let used = line.width();
    let shown = cut(&shown, width.saturating_sub(used + 2));
    line.push_span(" ".repeat(width.saturating_sub(used + shown.width())));
    let role = if off > 0 {
        Role::Warn
    } else if state.filtering || !state.filter.is_empty() || state.only_active {
        Role::Key
    } else {
        Role::Dim
    };
    line.push_span(piece(shown, theme.style(role)));
    put(buffer, area, 0, &line);
}

pub(crate) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    if state.listed.is_empty() {
        let width = usize::from(area.width).saturating_sub(4);
        for (row, text) in wrap(&empty(state), width).into_iter().enumerate() {
            put(
                buffer,
                area,
                row as u16,
                &Line::styled(format!("   {text}"), theme.style(Role::Text)),
            );
        }
        return;
    }
    let height = usize::from(area.height);
    let selected = state.selected_at().unwrap_or(0);
    let first = first_row(state, height);
    let rows = state.listed.iter().skip(first).take(height);
    let apps: Vec<_> = rows.filter_map(|id| state.apps.get(id)).map(|known| &known.app).collect();
    let whole: Vec<_> = apps.iter().map(|app| app.name.as_str()).collect();
    let names = names(&whole, widths(theme, usize::from(area.width)).0);
    for (row, (app, name)) in apps.into_iter().zip(names).enumerate() {
        let is_selected = first + row == selected;
        let line = row_line(state, theme, (app, name), is_selected, usize::from(area.width));
        put(buffer, area, row as u16, &line);
        if is_selected {
            // Bars stand on the same background everywhere: they are read by colour, and two backgrounds take more bytes.
            let width =
                if app.rollout.is_some() { head_width(theme, area.width) } else { area.width };
            let row_area = Rect { y: area.y + row as u16, height: 1, width, ..area };
            buffer.set_style(row_area, theme.selected());
        }
    }
}

/// The first app in sight: the selected one is kept inside, with what comes before it.
fn first_row(state: &State, height: usize) -> usize {
    (state.selected_at().unwrap_or(0) + 1).saturating_sub(height)
}

/// The app in a row of the list.
pub(crate) fn row_at(state: &State, area: Rect, row: usize) -> Option<&AppKey> {
    state.listed.get(first_row(state, usize::from(area.height)) + row)
}

fn empty(state: &State) -> String {
    let mut unread = None;
    for target in &state.targets {
        match target.connection.liveness(state.now) {
            Liveness::Lost { problem, read_at: None, .. } => return problem.to_string(),
            Liveness::Unread => unread = unread.or(Some(target)),
            _ => {}
        }
    }
    if let Some(target) = unread {
        return format!("reading the apps of {} …", target.name());
    }
    if !state.targets.is_empty() && state.targets.iter().all(|one| one.off) {
        let key = state.keymap.hint(Command::Targets);
        return format!("no login is listed; {key} lists one again");
    }
    if !state.apps.is_empty() {
        return "no app matches; Esc clears the filter, f shows all".to_owned();
    }
    format!("there are no apps here; {} looks elsewhere", state.keymap.hint(Command::Targets))
}

/// How wide the figures of a rollout are.
const USED: usize = 36;
const STATE: usize = 11;
const REVISION: usize = 9;
/// How wide names and scopes are on 80 columns, and at most.
const NAME: (usize, usize) = (15, 40);
const SCOPE: (usize, usize) = (6, 24);
/// From so many columns on there is room to say when an app was changed.
const WIDE: usize = 110;

/// How wide the columns before the bars are: name, scope and revision. What a wider terminal has more is theirs first.
fn widths(theme: &Theme, width: usize) -> (usize, usize, usize) {
    let columns = theme.columns;
    let width = width - figures_width(width);
    // Two versions stand beside each other there, and the new one is the one to be read.
    let wanted = if width >= WIDE { REVISION + 8 } else { REVISION };
    let revision = if columns.revision { wanted + 1 } else { 0 };
    let spare = (width + REVISION + 1).saturating_sub(80 + revision);
    if !columns.scope {
        return ((NAME.0 + SCOPE.0 + 1 + spare * 5 / 6).min(NAME.1), 0, revision);
    }
    let name = (NAME.0 + spare / 2).min(NAME.1);
    let scope = (SCOPE.0 + spare / 3).min(SCOPE.1);
    (name, scope + 1, revision)
}

/// The columns that are kept for figures of rollouts.
fn figures_width(width: usize) -> usize {
    if width >= usize::from(FIGURES) { USED } else { 0 }
}

/// The columns before the bars.
fn head_width(theme: &Theme, width: u16) -> u16 {
    let (name, scope, revision) = widths(theme, usize::from(width));
    (1 + name + 1 + scope + STATE + revision) as u16
}

fn row_line(
    state: &State,
    theme: &Theme,
    (app, name): (&App, String),
    selected: bool,
    width: usize,
) -> Line<'static> {
    let live = state.live_app(app);
    let dim = |role: Role| theme.style(if live { role } else { Role::Dim });
    let (_, scope_width, revision_width) = widths(theme, width);
    let whole = scope(state, app);
    let last = whole.rsplit('/').next().unwrap_or_default();
    let scope = if whole.width() < scope_width { whole } else { last };
    let mark = match state.pinned.contains(&app.key()) {
        _ if selected => theme.glyphs.select,
        true => '*',
        false => ' ',
    };
    let mut line = Line::default();
    line.push_span(piece(mark.to_string(), theme.style(Role::Key)));
    line.push_span(piece(name, dim(Role::Text)));
    line.push_span(" ");
    if let Some(scope_width) = scope_width.checked_sub(1) {
        line.push_span(piece(fit_middle(scope, scope_width), dim(Role::Dim)));
        line.push_span(" ");
    }
    let (word, role) = state_word(state, app);
    line.push_span(piece(fit(&word, STATE), dim(role)));
    line.push_span(" ");
    if let Some(revision_width) = revision_width.checked_sub(1) {
        line.push_span(piece(fit(&revision(theme, app), revision_width), dim(Role::Text)));
        line.push_span(" ");
    }
    let left = width.saturating_sub(line.width() + 1);
    match (&app.rollout, &app.serving) {
        (Some(rollout), _) => {
            let figures = figures_width(width);
            line.spans.extend(bars(theme, rollout, left.saturating_sub(figures), live));
            if figures > 0 {
                let room = width.saturating_sub(line.width());
                line.spans.extend(used(state, theme, app, room, live));
            }
        }
        (None, Some(serving)) => {
            let text = count(serving.count());
            let bar_width = left.saturating_sub(text.width() + 6).clamp(3, 24);
            line.push_span(piece("now ", theme.style(Role::Dim)));
            line.spans.extend(bar(theme, serving, Role::Old, serving.desired, bar_width));
            let used = bar_width + 4;
            line.push_span(piece(right(&text, left.saturating_sub(used)), dim(Role::Warn)));
        }
        (None, None) => {
            let (updated, role) = match &app.on_hold {
                Some(what) => (format!("{what} on hold"), Role::Warn),
                None => (format!("changed {} ago", within(app.updated_at, state.now)), Role::Dim),
            };
            let shown = count(app.instances);
            let room = left.saturating_sub(shown.width() + 1);
            let wide = width >= WIDE && theme.columns.changed;
            let updated =
                if wide || app.on_hold.is_some() { cut(&updated, room) } else { String::new() };
            line.push_span(piece(fit(&updated, room), dim(role)));
            line.push_span(piece(right(&shown, left.saturating_sub(room)), dim(Role::Text)));
        }
    }
    line
}

/// Where an app is; where two logins reach the same one, through which of them this row acts.
fn scope<'a>(state: &State, app: &'a App) -> &'a str {
    let twin = state.targets.iter().map(|one| &one.target.id).any(|target| {
        *target != app.target
            && state.apps.contains_key(&AppKey::new(target.clone(), app.id.clone()))
    });
    let target = app.target.as_str();
    if twin { target.split_once(':').map_or(target, |(_, rest)| rest) } else { &app.scope }
}

fn count(count: Count) -> String {
    match count.running {
        Some(running) => format!("{running}/{}", count.desired),
        None => format!("?/{}", count.desired),
    }
}

fn state_word(state: &State, app: &App) -> (String, Role) {
    let rollout = app.rollout.as_ref();
    match app.condition() {
        Condition::Stuck => {
            let since = rollout.and_then(|rollout| rollout.stuck.as_ref()).map(|stuck| stuck.since);
            (format!("STUCK {}", age(since, state.now, false)), Role::Bad)
        }
        Condition::Slow => {
            let since = rollout.and_then(|rollout| rollout.moved_at);
            (format!("slow {}", age(since, state.now, false)), Role::Warn)
        }
        Condition::Rolling => ("rolling".to_owned(), Role::New),
        Condition::Cancelling => ("cancelling".to_owned(), Role::Warn),
        Condition::Paused if rollout.is_some_and(|one| one.phase == Phase::Cancelled) => {
            ("CANCELLED".to_owned(), Role::Warn)
        }
        Condition::Paused => match rollout.and_then(Rollout::step) {
            Some(step) => (format!("PAUSED {}/{}", step.current, step.total), Role::Warn),
            None => ("PAUSED".to_owned(), Role::Warn),
        },
        Condition::Down => ("DOWN".to_owned(), Role::Bad),
        Condition::Degraded => ("degraded".to_owned(), Role::Warn),
        Condition::Unknown => ("unknown".to_owned(), Role::Dim),
        Condition::Ok => ("ok".to_owned(), Role::Good),
        Condition::Stopped => ("stopped".to_owned(), Role::Dim),
    }
}

fn revision(theme: &Theme, app: &App) -> String {
    let label = |of: Option<&crate::domain::RevisionRef>| {
        of.map_or("-".to_owned(), |of| of.shown().to_owned())
    };
    match &app.rollout {
        Some(rollout) => {
            let (from, to) = (label(rollout.from.as_ref()), label(rollout.to.as_ref()));
            format!("{from}{}{to}", theme.glyphs.arrow)
        }
        None => match &app.deployed {
            Some(deployed) => deployed.name(),
            None => "-".to_owned(),
        },
    }
}

fn bars(theme: &Theme, rollout: &Rollout, width: usize, live: bool) -> Vec<Span<'static>> {
    let old = rollout.old.count();
    let going = old.running.filter(|running| *running >= old.desired);
    let texts =
        [going.map_or_else(|| count(old), |alone| alone.to_string()), count(rollout.new.count())];
    let digits = texts.iter().map(|text| text.width()).max().unwrap_or(0).max(5);
    let room = width.saturating_sub(2 * (digits + 6)) / 2;
    let bar_width = room.clamp(3, 24);
    let mut spans = Vec::new();
    let sides = [("old ", &rollout.old, Role::Old), ("new ", &rollout.new, Role::New)];
    for ((word, side, role), text) in sides.into_iter().zip(texts) {
        let role = if live { role } else { Role::Dim };
        spans.push(piece(word, theme.style(Role::Dim)));
        spans.extend(bar(theme, side, role, rollout.wanted, bar_width));
        spans.push(piece(format!(" {} ", fit(&text, digits)), theme.style(role)));
    }
    spans
}

/// What an instance of each side uses, old and new, and whether the new ones are worse: `cpu 0.11→0.24  mem 33→98 %  WORSE`.
fn used(state: &State, theme: &Theme, app: &App, room: usize, live: bool) -> Vec<Span<'static>> {
    let known = state.apps.get(&app.key());
    let recording = known.and_then(|known| known.recording.as_ref());
    // What is old is not shown as present.
    let recording = recording.filter(|recording| {
        recording.latest().is_some_and(|read| state.now.duration_since(read.at) <= read.pace * 3)
    });
    let Some(sample) = recording.and_then(|recording| recording.samples().next_back()) else {
        return Vec::new();
    };
    let figure = |value: Option<f64>, digits: usize, times: f64| {
        value.map_or_else(|| "·".to_owned(), |value| format!("{:.digits$}", value * times))
    };
    let arrow = theme.glyphs.arrow;
    let both = |old: Option<f64>, new: Option<f64>, digits: usize, times: f64| {
        (old.is_some() || new.is_some())
            .then(|| format!("{}{arrow}{}", figure(old, digits, times), figure(new, digits, times)))
    };
    let (old, new) = (&sample.old, &sample.new);
    let mut text = String::new();
    if let Some(cpu) = both(old.cpu, new.cpu, 2, 1.0) {
        text.push_str(&format!(" cpu {cpu}"));
    }
    if let Some(memory) = both(old.memory, new.memory, 0, 100.0) {
        text.push_str(&format!("  mem {memory} %"));
    }
    let verdict = known.and_then(|known| known.verdict(&state.thresholds, state.now));
    let worse = verdict.is_some_and(|verdict| verdict.judgement == Judgement::Worse);
    let word = if worse { "WORSE" } else { "" };
    let dim = theme.style(Role::Dim);
    let left = room.min(USED).saturating_sub(word.len() + 1);
    let role = if live { Role::Bad } else { Role::Dim };
    vec![piece(fit(&text, left), dim), piece(word, theme.style(role))]
}
