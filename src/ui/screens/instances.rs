//! The page of instances: old and new with their totals, one line each, and whether the new ones are worse.

use jiff::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::super::{
    text::{age, cut, fit, piece, put, right},
    theme::{Role, Theme},
    widgets::{glyph, levels, page as sheet},
};
use crate::{
    dashboard::{
        Command, Known, State,
        dialog::InstancesPage,
        instance_rows::{InstanceRow, folded, of_side, ordered},
        plan_view::wrap,
    },
    domain::{
        App, InstanceReading, InstanceState, Judgement, Reading, Recording, Series, SideName,
        Usage, Verdict, revision_names,
        text::{brief, span},
    },
};

/// From so many columns on old and new stand beside each other, with what they used before.
const WIDE: usize = 138;
/// How many columns of a wide page show what was used before.
const HISTORY: usize = 8;
/// Stands for what was not measured.
const NOT_MEASURED: &str = "·";

pub(crate) fn draw(
    state: &State,
    page: &InstancesPage,
    theme: &Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let known = state.apps.get(&page.app);
    let inside = sheet(theme, area, &title(state, page, known), buffer);
    let width = usize::from(inside.width);
    let Some((known, recording, reading)) = read(known) else {
        let (text, role) = match (&page.problem, known) {
            (_, None) => (format!("{} is gone", page.name), Role::Warn),
            (Some(problem), _) => (problem.text.clone(), Role::Bad),
            (None, _) => ("reading …".to_owned(), Role::Dim),
        };
        for (row, line) in wrap(&text, width).into_iter().enumerate() {
            put(buffer, inside, row as u16, &Line::styled(line, theme.style(role)));
        }
        return;
    };
    let mut lines = head(state, page, known, reading, theme, width);
    let rule = theme.glyphs.across.to_string().repeat(width);
    lines.push(Line::styled(rule.clone(), theme.style(Role::Rule)));
    let rows = ordered(&reading.instances, page.order);
    let selected = page.selected.as_deref().filter(|id| rows.iter().any(|one| one.id == *id));
    let selected = selected.or_else(|| rows.first().map(|one| one.id.as_str()));
    let chosen = rows.iter().copied().find(|one| Some(one.id.as_str()) == selected);
    let facts = chosen.filter(|_| page.whole).map(|one| whole(one, theme, width, state.now));
    let facts = facts.unwrap_or_default();
    // What is told of one leaves it and its neighbours in sight.
    let left = usize::from(inside.height).saturating_sub(lines.len());
    let below = facts.len().min(left.saturating_sub(4));
    let room = left.saturating_sub(1 + below + usize::from(below > 0));
    let rolls = known.app.rolls();
    let table = Table { theme, now: state.now, rolls, selected, recording };
    if width >= WIDE && rolls {
        lines.extend(table.beside(&rows, width, room));
    } else {
        lines.push(table.heading(width, true));
        lines.extend(table.scrolled(&folded(rows, room, selected), width, room, true));
    }
    if below > 0 {
        lines.resize(usize::from(inside.height) - below - 1, Line::default());
        lines.push(Line::styled(rule, theme.style(Role::Rule)));
        lines.extend(facts.into_iter().take(below));
    }
    for (row, line) in lines.iter().enumerate() {
        put(buffer, inside, row as u16, line);
    }
}

fn read(known: Option<&Known>) -> Option<(&Known, &Recording, &Reading)> {
    let known = known?;
    let recording = known.recording.as_ref()?;
    Some((known, recording, recording.latest()?))
}

/// `INSTANCES of checkout   rev 7→8  STUCK   read 6s ago`
fn title(state: &State, page: &InstancesPage, known: Option<&Known>) -> String {
    let mut title = format!("INSTANCES of {}", page.name);
    let Some(known) = known else { return title };
    if let Some(rollout) = &known.app.rollout {
        let names = revision_names(rollout.from.as_ref(), rollout.to.as_ref(), "→");
        title += &format!("   {names}");
    }
    title += &format!("  {}", known.app.condition());
    if let Some(reading) = known.recording.as_ref().and_then(Recording::latest) {
        let refresh = state.keymap.hint(Command::Refresh);
        let pace = span(reading.pace);
        let age = age(Some(reading.at), state.now, true);
        title += &format!("   read {age} ago, every {pace}; {refresh} now");
    }
    title
}

/// The verdict, what could not be measured, and the totals of both sides.
fn head(
    state: &State,
    page: &InstancesPage,
    known: &Known,
    reading: &Reading,
    theme: &Theme,
    width: usize,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let rolls = known.app.rolls();
    match known.verdict(&state.thresholds, state.now) {
        Some(verdict) => lines.extend(verdict_lines(&verdict, theme, width, 3)),
        None if !rolls => {
            let text = "nothing is rolling: there is no new side to compare with";
            lines.push(Line::styled(cut(text, width), theme.style(Role::Dim)));
        }
        None => {
            let text = "what was read is too old to be judged, or nothing new is there yet";
            lines.push(Line::styled(cut(text, width), theme.style(Role::Dim)));
        }
    }
    if let Some(problem) = &page.problem {
        let text = wrap(&problem.text, width);
        lines.extend(text.into_iter().take(2).map(|it| Line::styled(it, theme.style(Role::Bad))));
    }
    if let Some(why) = &reading.unmeasured {
        lines.push(Line::styled(cut(why, width), theme.style(Role::Warn)));
    }
    let heading =
        format!("{}  run ready restarts cpu avg of quota  mem avg of quota err/min", fit("", 10));
    lines.push(Line::styled(cut(&heading, width), theme.style(Role::Dim)));
    for side in [SideName::Old, SideName::New] {
        let own: Vec<_> = reading.side(side).collect();
        if own.is_empty() && !(side == SideName::New && rolls) {
            continue;
        }
        lines.push(total(reading, &own, side, rolls, theme, width));
    }
    lines
}

/// The verdict in as many lines as it may take.
pub(super) fn verdict_lines(
    verdict: &Verdict,
    theme: &Theme,
    width: usize,
    most: usize,
) -> Vec<Line<'static>> {
    let role = match verdict.judgement {
        Judgement::Worse => Role::Bad,
        Judgement::NoWorse => Role::Good,
        Judgement::TooEarly => Role::Dim,
        Judgement::CannotTell => Role::Warn,
    };
    let text = format!("{}  {}", verdict.judgement.word(), verdict.why());
    let lines = wrap(&text, width).into_iter().take(most);
    lines.map(|line| Line::styled(line, theme.style(role))).collect()
}

fn total(
    reading: &Reading,
    own: &[&InstanceReading],
    side: SideName,
    rolls: bool,
    theme: &Theme,
    width: usize,
) -> Line<'static> {
    let mean = |figures: Vec<f64>| {
        (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
    };
    let of = |pick: &dyn Fn(&InstanceReading) -> Option<f64>| {
        own.iter().filter_map(|one| pick(one)).collect::<Vec<_>>()
    };
    let cpu = mean(of(&|one| one.cpu.map(|cpu| cpu.used)));
    let cpu_share = mean(of(&|one| one.cpu.and_then(|cpu| cpu.share)));
    let memory = mean(of(&|one| one.memory.map(|memory| memory.used)));
    let fullest = of(&|one| one.memory.and_then(|it| it.share)).into_iter().reduce(f64::max);
    let up = |one: &&&InstanceReading| {
        matches!(one.instance.state, InstanceState::Running | InstanceState::NotReady)
    };
    let runs = own.iter().filter(up).count();
    let ready = own.iter().filter(|one| one.instance.state == InstanceState::Running).count();
    let restarts: Option<u32> = own.iter().map(|one| one.crashes()).sum();
    // What has not stood through the minute that is counted says nothing, which is not zero.
    let errors = reading.errors.filter(|errors| errors.of(side).instances > 0).map(|errors| {
        let count = errors.of(side).lines;
        let minutes = reading.at.duration_since(errors.since).as_secs_f64().max(1.0) / 60.0;
        format!("{:.0}", f64::from(count) / minutes)
    });
    let revision = own.first().and_then(|one| one.revision.as_ref());
    let revision = revision.map(|of| of.shown().to_owned()).unwrap_or_default();
    let word = if rolls { side.word() } else { "now" };
    let role = if side == SideName::New { Role::New } else { Role::Old };
    let dot = || NOT_MEASURED.to_owned();
    let full = fullest.is_some_and(|share| share > 0.9);
    let parts = [
        (fit(&format!("{word} {}", cut(&revision, 6)), 10), role),
        (right(&format!("{runs}/{}", own.len()), 5), Role::Text),
        (right(&ready.to_string(), 6), if ready < own.len() { Role::Warn } else { Role::Text }),
        (
            right(&restarts.map_or_else(dot, |count| count.to_string()), 9),
            if restarts.unwrap_or(0) > 0 { Role::Bad } else { Role::Text },
        ),
        (right(&cpu.map_or_else(dot, percent), 8), Role::Text),
        (right(&cpu_share.map_or_else(dot, percent), 9), Role::Text),
        (right(&memory.map_or_else(dot, bytes), 9), Role::Text),
        (right(&fullest.map_or_else(dot, percent), 9), if full { Role::Bad } else { Role::Text }),
        (right(&errors.unwrap_or_else(dot), 8), Role::Text),
    ];
    let mut line = Line::default();
    for (text, role) in parts {
        if line.width() + text.chars().count() > width {
            break;
        }
        line.push_span(piece(text, theme.style(role)));
    }
    line
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Bytes in at most seven columns.
fn bytes(count: f64) -> String {
    const MEGA: f64 = 1_048_576.0;
    match count / MEGA {
        mega if mega < 1.0 => format!("{:.0} kB", count / 1_024.0),
        mega if mega < 10_000.0 => format!("{mega:.0} MB"),
        mega => format!("{:.0} GB", mega / 1_024.0),
    }
}

struct Table<'a> {
    theme: &'a Theme,
    now: Timestamp,
    /// Whether there are two sides.
    rolls: bool,
    selected: Option<&'a str>,
    recording: &'a Recording,
}

impl Table<'_> {
    fn heading(&self, width: usize, side: bool) -> Line<'static> {
        const LAST: &str = "  last word";
        let side = if side { "side  " } else { "" };
        let history =
            if width >= 64 && side.is_empty() { " ".repeat(HISTORY + 1) } else { String::new() };
        let mut text = format!(
            " {side}{}{} since restarts   cpu{history}    mem   of{history}",
            fit("instance", 10),
            fit("state", 11)
        );
        if text.len() + LAST.len() <= width {
            text += LAST;
        }
        Line::styled(cut(&text, width), self.theme.style(Role::Dim))
    }

    /// Old and new beside each other, each in its own half.
    fn beside(&self, rows: &[&InstanceReading], width: usize, room: usize) -> Vec<Line<'static>> {
        let half = width / 2 - 1;
        let lines = |side| {
            let mut lines = vec![self.heading(half, false)];
            let own = folded(of_side(rows, side), room, self.selected);
            lines.extend(self.scrolled(&own, half, room, false));
            lines
        };
        let (old, new) = (lines(SideName::Old), lines(SideName::New));
        let beside = format!("{} ", self.theme.glyphs.beside);
        let longest = old.len().max(new.len());
        let row = |at: usize| {
            let mut line = Line::from(old.get(at).map(|it| it.spans.clone()).unwrap_or_default());
            let gap = half.saturating_sub(line.width());
            line.push_span(Span::raw(" ".repeat(gap)));
            line.push_span(piece(beside.clone(), self.theme.style(Role::Rule)));
            line.spans.extend(new.get(at).cloned().unwrap_or_default().spans);
            line
        };
        (0..longest).map(row).collect()
    }

    /// As many rows as there is room for, the selected one among them.
    fn scrolled(
        &self,
        rows: &[InstanceRow<'_>],
        width: usize,
        room: usize,
        side: bool,
    ) -> Vec<Line<'static>> {
        let is = |row: &InstanceRow<'_>| match row {
            InstanceRow::One(one) => Some(one.id.as_str()) == self.selected,
            InstanceRow::Alike(_) => false,
        };
        let at = rows.iter().position(is).unwrap_or(0);
        let skipped = (at + 1).saturating_sub(room);
        let shown = rows.iter().skip(skipped).take(room);
        shown.map(|row| self.row(row, width, side)).collect()
    }

    fn row(&self, row: &InstanceRow<'_>, width: usize, with_side: bool) -> Line<'static> {
        let Some(one) = row.first() else { return Line::default() };
        let theme = self.theme;
        let (side_role, state) = match one.side {
            SideName::Old => (Role::Old, one.instance.state),
            SideName::New => (Role::New, one.instance.state),
        };
        let (sign, role) = glyph(&theme.glyphs, state, side_role);
        let chosen = Some(one.id.as_str()) == self.selected;
        let mut line = Line::default();
        let mut put = |text: String, role: Role| line.push_span(piece(text, theme.style(role)));
        put(if chosen { theme.glyphs.select.to_string() } else { " ".to_owned() }, Role::Title);
        if with_side {
            put(fit(if self.rolls { one.side.word() } else { "now" }, 6), side_role);
        }
        let state = format!("{sign} {}", state.word());
        if let InstanceRow::Alike(many) = row {
            put(fit(&format!("{} alike", many.len()), 10), Role::Text);
            put(fit(&state, 11), role);
            let reason = one.instance.reason.clone().unwrap_or_default();
            put(cut(&format!("  {reason}"), width.saturating_sub(29)), Role::Dim);
            return line;
        }
        let name = one.instance.name.as_deref().unwrap_or("?");
        put(fit(&short_name(name, 9), 10), Role::Text);
        put(fit(&state, 11), role);
        let since = one
            .instance
            .since
            .map_or_else(|| NOT_MEASURED.to_owned(), |since| brief(self.now.duration_since(since)));
        put(right(&since, 6), Role::Text);
        let crashes = one.crashes();
        let text = crashes.map_or_else(|| NOT_MEASURED.to_owned(), |count| count.to_string());
        put(right(&text, 9), if crashes.unwrap_or(0) > 0 { Role::Bad } else { Role::Text });
        let history = !with_side && width >= 64;
        let word = one.instance.reason.clone().unwrap_or_default();
        if one.cpu.is_none() && one.memory.is_none() && !word.is_empty() && history {
            let used = line.width() + 2;
            let text = format!("  {}", fit(&word, width.saturating_sub(used)));
            line.push_span(piece(text, theme.style(Role::Dim)));
            return self.chosen(line, chosen);
        }
        let series = self.recording.series(&one.id);
        let dot = || NOT_MEASURED.to_owned();
        put(right(&one.cpu.map_or_else(dot, |cpu| percent(cpu.used)), 6), Role::Text);
        if history {
            put(format!(" {}", self.history(series, |it| &it.cpu, 1.0)), Role::Dim);
        }
        put(right(&one.memory.map_or_else(dot, |memory| bytes(memory.used)), 7), Role::Text);
        let share = one.memory.and_then(|Usage { share, .. }| share);
        let role = if share.is_some_and(|share| share > 0.9) { Role::Bad } else { Role::Text };
        put(right(&share.map_or_else(dot, percent), 5), role);
        if history {
            put(format!(" {}", self.history(series, |it| &it.memory, 1.0)), Role::Dim);
        }
        let used = line.width() + 2;
        if width > used {
            let text = format!("  {}", fit(&word, width - used));
            line.push_span(piece(text, theme.style(Role::Dim)));
        }
        self.chosen(line, chosen)
    }

    /// The same line, with the background of the selected row where it is that.
    fn chosen(&self, mut line: Line<'static>, chosen: bool) -> Line<'static> {
        if chosen {
            for span in &mut line.spans {
                span.style = span.style.patch(self.theme.selected());
            }
        }
        line
    }

    /// The last figures, the largest of them as high as a line is.
    fn history(
        &self,
        series: Option<&Series>,
        pick: impl Fn(&Series) -> &std::collections::VecDeque<Option<f64>>,
        least: f64,
    ) -> String {
        let Some(series) = series else { return " ".repeat(HISTORY) };
        let all = pick(series);
        let most = all.iter().flatten().copied().fold(least * 0.1, f64::max);
        let figures: Vec<u32> =
            all.iter().map(|one| one.map_or(0, |one| (one / most * 800.0) as u32)).collect();
        fit(&levels(&self.theme.glyphs, &figures, 800, HISTORY), HISTORY)
    }
}

/// What tells an instance from the others of its app: of a Pod what comes last in its name.
fn short_name(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    cut(name.rsplit('-').next().unwrap_or(name), width)
}

/// Everything that the platform tells of one instance.
fn whole(one: &InstanceReading, theme: &Theme, width: usize, now: Timestamp) -> Vec<Line<'static>> {
    let mut pairs = vec![
        ("instance".to_owned(), one.instance.name.clone().unwrap_or_else(|| one.id.clone())),
        ("state".to_owned(), format!("{} {}", one.side.word(), one.instance.state.word())),
    ];
    if let Some(of) = &one.revision {
        pairs.push(("revision".to_owned(), of.shown().to_owned()));
    }
    if let Some(began) = one.began_at {
        pairs.push((
            "runs since".to_owned(),
            format!("{} ({})", began, span(now.duration_since(began))),
        ));
    }
    if let Some(restarts) = one.restarts {
        let since = span(now.duration_since(restarts.since));
        pairs.push(("restarts".to_owned(), format!("{} in {since}", restarts.count)));
    }
    if let Some(why) = &one.instance.reason {
        pairs.push(("why".to_owned(), why.clone()));
    }
    pairs.extend(one.facts.iter().cloned());
    let mut lines = Vec::new();
    for (name, value) in pairs {
        let mut lead = fit(&name, 18);
        for text in wrap(&value, width.saturating_sub(20).max(10)) {
            lines.push(Line::from(vec![
                piece(lead.clone(), theme.style(Role::Dim)),
                piece(text, theme.style(Role::Text)),
            ]));
            lead = " ".repeat(18);
        }
    }
    lines
}

/// The instances of a rollout in a panel, where somebody looked at them lately.
pub(super) fn in_panel(
    state: &State,
    theme: &Theme,
    app: &App,
    width: usize,
    room: usize,
) -> Vec<Line<'static>> {
    let known = state.apps.get(&app.key());
    let Some((known, recording, reading)) = read(known) else { return Vec::new() };
    let old = state.now.duration_since(reading.at) > reading.pace * 3;
    if old || reading.instances.is_empty() || room < 3 {
        return Vec::new();
    }
    let rolls = known.app.rolls();
    let table = Table { theme, now: state.now, rolls, selected: None, recording };
    let rows = ordered(&reading.instances, crate::dashboard::dialog::InstanceOrder::Side);
    let mut lines = vec![table.heading(width, true)];
    lines.extend(table.scrolled(&folded(rows, room - 1, None), width, room - 1, true));
    lines
}
