//! The rollout of the selected app: old going, new coming.

use jiff::SignedDuration;
use ratatui::{buffer::Buffer, layout::Rect, text::Line};
use unicode_width::UnicodeWidthStr;

use super::{
    super::{
        text::{age, cut, piece},
        theme::{Role, Theme},
        widgets::{levels, panel},
    },
    instances,
    sides::{Scale, Shown},
};
use crate::{
    dashboard::{Command, Known, Panel, SAMPLE, State, plan_view::wrap},
    domain::{App, Condition, Phase, Rollout, Stage, StageState, text::span},
};

pub(crate) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let inside = panel(theme, area, buffer);
    let Some(app) = state.app() else { return };
    let width = usize::from(inside.width);
    let role = if state.panel == Panel::Rollout { Role::Title } else { Role::Dim };
    let lines = match &app.rollout {
        Some(rollout) => rolling(state, theme, app, rollout, width, inside.height),
        None => resting(state, theme, app, width),
    };
    // Alone on the screen it says whose it is.
    let title =
        if state.zoomed { format!(" ROLLOUT {} ", app.name) } else { " ROLLOUT ".to_owned() };
    buffer.set_string(area.x + 1, area.y, cut(&title, width), theme.style(role));
    let lines = with_own(state, theme, app, lines, width);
    let most = lines.len().saturating_sub(usize::from(inside.height));
    let skipped = usize::from(state.scrolled).min(most);
    for (row, line) in lines.iter().skip(skipped).take(usize::from(inside.height)).enumerate() {
        buffer.set_line(inside.x, inside.y + row as u16, line, inside.width);
    }
    if !state.live() {
        buffer.set_style(inside, theme.style(Role::Dim));
    }
}

/// The stages: in one line where nothing more is to be said of them, else one each.
fn stages(state: &State, theme: &Theme, rollout: &Rollout, width: usize) -> Vec<Line<'static>> {
    let role = |stage: &Stage| match stage.state {
        StageState::Failed => Role::Bad,
        StageState::Waiting => Role::Warn,
        StageState::Active => Role::New,
        StageState::Done => Role::Text,
        StageState::Pending | StageState::Unknown => Role::Dim,
    };
    let text = |stage: &Stage| {
        let since = stage.since.map(|at| age(Some(at), state.now, false));
        let since = since.map(|since| format!(" {since}")).unwrap_or_default();
        match stage.state {
            // What has not begun needs no word, and takes none of a narrow line.
            StageState::Pending => stage.name.clone(),
            state => format!("{} {}{since}", stage.name, state.word()),
        }
    };
    if rollout.stages.iter().any(|stage| stage.detail.is_some()) {
        let line = |stage: &Stage| {
            let detail = stage.detail.as_deref().unwrap_or_default();
            let text = format!("{}  {detail}", text(stage));
            Line::styled(cut(text.trim_end(), width), theme.style(role(stage)))
        };
        return rollout.stages.iter().map(line).collect();
    }
    let mut lines = vec![Line::default()];
    for stage in &rollout.stages {
        let text = text(stage);
        let full = lines.last().is_some_and(|line| {
            !line.spans.is_empty() && line.width() + theme.glyphs.dot.width() + text.width() > width
        });
        if full {
            lines.push(Line::default());
        }
        let Some(line) = lines.last_mut() else { continue };
        if !line.spans.is_empty() {
            line.push_span(piece(theme.glyphs.dot, theme.style(Role::Dim)));
        }
        line.push_span(piece(text, theme.style(role(stage))));
    }
    lines.retain(|line| !line.spans.is_empty());
    lines
}

/// How it rolls: `step 2/4 · canary · surge 1, unavailable 0`.
fn options(rollout: &Rollout) -> Vec<String> {
    let mut options: Vec<_> = rollout
        .step()
        .into_iter()
        .map(|step| format!("step {}/{}", step.current, step.total))
        .collect();
    options.push(rollout.strategy.to_string());
    options.extend(rollout.max_in_flight.map(|most| format!("{most} at a time")));
    options.extend(rollout.limits.clone());
    options
}

fn rolling(
    state: &State,
    theme: &Theme,
    app: &App,
    rollout: &Rollout,
    width: usize,
    height: u16,
) -> Vec<Line<'static>> {
    let mut sides: Vec<_> = match rollout.overlap.as_slice() {
        [] => vec![("old", rollout.from.as_ref(), &rollout.old, Role::Old)],
        many => many.iter().map(|(of, side)| ("old", Some(of), side, Role::Old)).collect(),
    };
    sides.push(("new", rollout.to.as_ref(), &rollout.new, Role::New));
    let named = sides.iter().map(|&(word, of, side, _)| (word, of, side));
    let scale = Scale::of(named, rollout.wanted, width);
    let mut lines: Vec<_> = sides
        .iter()
        .map(|&(word, of, side, role)| scale.line(theme, word, of, side, role))
        .collect();
    lines.extend(in_short(state, theme, rollout, width));
    let verdict = state.known().and_then(|known| known.verdict(&state.thresholds, state.now));
    lines.extend(verdict.iter().flat_map(|one| instances::verdict_lines(one, theme, width, 3)));
    let told = rollout.stuck.as_ref().map_or("", |stuck| stuck.why.as_str());
    let tall = height >= TALL;
    let shown =
        |word, side, role| Shown { theme, word, side, role, app: &app.name, now: state.now, width };
    let both = [shown("old", &rollout.old, Role::Old), shown("new", &rollout.new, Role::New)];
    lines.extend(both.iter().flat_map(|side| side.problems(told)));
    lines.extend(stages(state, theme, rollout, width));
    lines.push(dim(theme, &options(rollout).join(theme.glyphs.dot), width));
    let begun = age(rollout.started_at, state.now, false);
    lines.push(dim(theme, &format!("began {begun} ago, {}", rollout.reason), width));
    lines.extend(on_hold(state, theme, app, width));
    if let Some(note) = &rollout.note {
        lines.push(Line::styled(cut(&format!("why: {note}"), width), theme.style(Role::Text)));
    }
    let trend = trend(state, theme, rollout, width);
    if !trend.is_empty() {
        lines.extend(tall.then(Line::default));
        lines.extend(trend);
    }
    if scale.coarse() {
        lines.extend(tall.then(Line::default));
        lines.extend(both.iter().flat_map(|side| side.dots(rollout.wanted)));
    }
    if width >= ROOMY {
        let room = usize::from(height).saturating_sub(lines.len() + 1);
        let own = instances::in_panel(state, theme, app, width, room / 2);
        if !own.is_empty() {
            lines.push(Line::default());
            lines.extend(own);
        }
    }
    let room = usize::from(height).saturating_sub(lines.len() + 1);
    if rollout.stuck.is_some() && room > 1 {
        let logged = crash_lines(state, theme, app, width, room);
        if !logged.is_empty() {
            lines.push(Line::default());
            lines.extend(logged);
        }
    }
    lines
}

/// From so many columns on there is room for instances.
const ROOMY: usize = 80;
/// From so many rows on there is room for empty ones.
const TALL: u16 = 14;

fn dim(theme: &Theme, text: &str, width: usize) -> Line<'static> {
    Line::styled(cut(text, width), theme.style(Role::Dim))
}

/// What an operation of ours on this app is saying stands on top while it has nothing else to show.
fn with_own(
    state: &State,
    theme: &Theme,
    app: &App,
    lines: Vec<Line<'static>>,
    width: usize,
) -> Vec<Line<'static>> {
    let key = app.key();
    let own = state.running.iter().find(|one| one.app == key && one.receipt.is_none());
    let Some(own) = own.filter(|own| own.said.len() > 1) else { return lines };
    let said = own.said.iter().rev().take(12).rev();
    let mut all: Vec<_> =
        said.map(|text| Line::styled(cut(text, width), theme.style(Role::New))).collect();
    all.push(Line::default());
    all.extend(lines);
    all
}

/// The last things that a crashing app logged.
fn crash_lines(
    state: &State,
    theme: &Theme,
    app: &App,
    width: usize,
    most: usize,
) -> Vec<Line<'static>> {
    // Where the log stands beside it, they are there.
    let log = state.wide.log.as_ref().filter(|page| page.app == app.key());
    if !state.zoomed && log.is_some_and(|page| page.shown().next().is_some()) {
        return Vec::new();
    }
    let Some(logged) = state.apps.get(&app.key()).map(|known| &known.crash_logs) else {
        return Vec::new();
    };
    let shown = logged.iter().skip(logged.len().saturating_sub(most));
    shown
        .map(|line| {
            let text = format!("{} {} {}", line.at.strftime("%H:%M:%S"), line.source, line.text);
            Line::styled(
                cut(&text, width),
                theme.style(if line.error { Role::Bad } else { Role::Dim }),
            )
        })
        .collect()
}

/// What the operator should know: stuck, waiting, or how long still.
fn in_short(state: &State, theme: &Theme, rollout: &Rollout, width: usize) -> Vec<Line<'static>> {
    let (text, role) = match (&rollout.stuck, rollout.phase) {
        (Some(stuck), _) => {
            let since = age(Some(stuck.since), state.now, false);
            let end = match rollout.deadline.map(|at| at.duration_since(state.now)) {
                Some(left) if left.is_positive() => {
                    format!("The platform calls it failed in under {}", roughly(left))
                }
                _ => "The platform goes on trying".to_owned(),
            };
            (format!("STUCK for {since}: {}. {end}", stuck.why), Role::Bad)
        }
        (None, Phase::Paused) if let Some(held) = &rollout.held => {
            (format!("WAITS: {held}"), Role::Warn)
        }
        (None, Phase::Slow) => {
            let since = age(rollout.moved_at, state.now, false);
            let known = if rollout.new.instances.is_none() {
                "what its instances do cannot be read"
            } else {
                "nothing is known to be broken"
            };
            (format!("SLOW: nothing has moved for {since}, and {known}"), Role::Warn)
        }
        (None, Phase::Paused) => {
            let (go_on, cancel) =
                (state.keymap.hint(Command::Continue), state.keymap.hint(Command::Cancel));
            (format!("WAITS for you: {go_on} continues, {cancel} cancels"), Role::Warn)
        }
        (None, Phase::Cancelled) => {
            let (back, again) = (
                state.keymap.hint(Command::RollBackLastGood),
                state.keymap.hint(Command::Continue),
            );
            let text = format!(
                "CANCELLED: the old instances serve, but the new revision is still asked for: {back} takes it back, {again} tries it again"
            );
            (text, Role::Warn)
        }
        (None, Phase::Cancelling) => {
            ("being cancelled: the old instances come back".to_owned(), Role::Warn)
        }
        (None, _) => match time_left(state, rollout) {
            _ if idle(state, rollout) => (waning(state, rollout), Role::Warn),
            Some(left) => (format!("under {} left", roughly(left)), Role::Text),
            None => ("waiting for the first new instance".to_owned(), Role::Dim),
        },
    };
    let mut lines: Vec<_> =
        wrap(&text, width).into_iter().map(|line| Line::styled(line, theme.style(role))).collect();
    if let Some(error) = &rollout.error {
        lines.extend(
            wrap(&format!("the platform says: {error}"), width)
                .into_iter()
                .map(|line| Line::styled(line, theme.style(Role::Bad))),
        );
    }
    lines
}

/// For so long nothing need move before that is worth a word.
const IDLE: SignedDuration = SignedDuration::from_secs(30);

fn idle(state: &State, rollout: &Rollout) -> bool {
    rollout.moved_at.is_some_and(|moved| state.now.duration_since(moved) >= IDLE)
}

/// How long nothing has moved, and when the platform gives up.
fn waning(state: &State, rollout: &Rollout) -> String {
    let since = age(rollout.moved_at, state.now, false);
    let end = rollout.deadline.map_or(String::new(), |at| {
        let left = at.duration_since(state.now).max(SignedDuration::ZERO);
        format!("; the platform calls it failed in under {}", roughly(left))
    });
    format!("nothing has moved for {since}{end}")
}

fn time_left(state: &State, rollout: &Rollout) -> Option<SignedDuration> {
    let now = rollout.time_left(state.now)?;
    let kept = state.known().and_then(Known::trend).and_then(|trend| trend.end);
    Some(kept.map_or(now, |end| end.duration_since(state.now)).max(SignedDuration::ZERO))
}

/// An upper bound, which must not flicker: in steps of half a minute, later of minutes.
fn roughly(left: SignedDuration) -> String {
    let step = if left.as_secs() < 60 { 30 } else { 60 };
    span(SignedDuration::from_secs((left.as_secs() / step + 1) * step))
}

/// How high a full step of a trend is, and over how long its samples go.
fn scales(most: u32, samples: usize) -> [String; 2] {
    let count = i32::try_from(samples).unwrap_or(i32::MAX);
    [format!(" of {most}"), format!(" in {}", span(SAMPLE * count))]
}

/// Old and new running instances over time.
fn trend(state: &State, theme: &Theme, rollout: &Rollout, width: usize) -> Vec<Line<'static>> {
    let trend = state.known().and_then(Known::trend);
    let Some(trend) = trend.filter(|trend| trend.samples.len() > 1) else {
        return Vec::new();
    };
    let most = trend
        .samples
        .iter()
        .map(|(old, new)| (*old).max(*new))
        .max()
        .unwrap_or(1)
        .max(rollout.wanted);
    let scales = scales(most, trend.samples.len());
    let room = width.saturating_sub(4 + scales.iter().map(String::len).max().unwrap_or(0));
    let row = |word: &str, values: Vec<u32>, role: Role, scale: &str| {
        let steps = levels(&theme.glyphs, &values, most, room);
        Line::from(vec![
            piece(format!("{word} "), theme.style(Role::Dim)),
            piece(steps, theme.style(role)),
            piece(scale.to_owned(), theme.style(Role::Dim)),
        ])
    };
    let (old, new) = trend.samples.iter().copied().unzip();
    vec![row("old", old, Role::Old, &scales[0]), row("new", new, Role::New, &scales[1])]
}

/// What would move the app and is held back, and how it is released.
fn on_hold(state: &State, theme: &Theme, app: &App, width: usize) -> Vec<Line<'static>> {
    let Some(what) = &app.on_hold else { return Vec::new() };
    let key = state.keymap.hint(Command::Release);
    let palette = || format!("{} release", state.keymap.hint(Command::Palette));
    let release = if key.is_empty() { palette() } else { key };
    let text = format!("ON HOLD: {what} is held back until {release} lets it go");
    wrap(&text, width).into_iter().map(|line| Line::styled(line, theme.style(Role::Warn))).collect()
}

/// No rollout: what runs, and what happened last.
fn resting(state: &State, theme: &Theme, app: &App, width: usize) -> Vec<Line<'static>> {
    let running =
        app.instances.running.map_or_else(|| "?".to_owned(), |running| running.to_string());
    let (text, role) = match app.condition() {
        Condition::Stopped => {
            let start = state.keymap.hint(Command::StopOrStart);
            (format!("stopped by somebody: {start} starts it"), Role::Dim)
        }
        Condition::Paused => {
            let go_on = state.keymap.hint(Command::Continue);
            let text = format!("PAUSED: nothing new rolls out until {go_on} lets it go on");
            (text, Role::Warn)
        }
        Condition::Down => {
            (format!("DOWN: 0 of {} instances run", app.instances.desired), Role::Bad)
        }
        _ => (
            format!("nothing is rolling; {running} of {} instances run", app.instances.desired),
            Role::Text,
        ),
    };
    let mut lines: Vec<_> =
        wrap(&text, width).into_iter().map(|line| Line::styled(line, theme.style(role))).collect();
    if let Some(serving) = &app.serving {
        let of = app.deployed.as_ref();
        let scale = Scale::of([("now", of, serving)].into_iter(), serving.desired, width);
        lines.push(scale.line(theme, "now", of, serving, Role::Old));
        let shown = Shown {
            theme,
            word: "now",
            side: serving,
            role: Role::Old,
            app: &app.name,
            now: state.now,
            width,
        };
        lines.extend(shown.problems(""));
        if scale.coarse() {
            lines.extend(shown.dots(serving.desired));
        }
    }
    lines.extend(on_hold(state, theme, app, width));
    lines.push(Line::default());
    // A tall screen has them at its bottom already.
    let events = state.apps.get(&app.key()).and_then(|known| known.events.as_ref());
    let events = events.filter(|_| state.size.1 < super::super::TALL);
    for one in events.into_iter().flatten().filter(|one| !one.routine) {
        let who = one.who.split('@').next().unwrap_or(&one.who);
        let text = format!("{:>4} {who} {}", age(Some(one.at), state.now, false), one.what);
        let role = if one.bad { Role::Bad } else { Role::Dim };
        lines.push(Line::styled(cut(&text, width), theme.style(role)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_says_its_scale() {
        assert_eq!(scales(20, 15), [" of 20", " in 1m"]);
    }
}
