//! The sides of a rollout: a bar each, what is out of order, alike ones together, and a dot for each instance where a
//! bar has too few columns.

use jiff::{SignedDuration, Timestamp};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::{
    text::{cut, fit, piece},
    theme::{Role, Theme},
    widgets::{bar, glyph},
};
use crate::{
    dashboard::plan_view::wrap,
    domain::{Instance, InstanceState, RevisionRef, Side, text::brief},
};

/// So long an instance may be on its way before that is worth a line.
const SLOW: SignedDuration = SignedDuration::from_secs(30);
/// So many lines of its own a reason may have.
const REASON: usize = 2;
/// So many kinds of problem are told of a side.
const KINDS: usize = 4;
/// A bar takes at least so many columns where there are.
const SHORT: usize = 5;
/// Dots are counted by tens.
const TEN: usize = 10;

/// The columns of the sides of a rollout: all bars have one scale.
pub(super) struct Scale {
    head: usize,
    bar: usize,
    /// How many instances a bar stands for.
    total: usize,
    wanted: u32,
}

impl Scale {
    pub(super) fn of<'a>(
        sides: impl Iterator<Item = (&'a str, Option<&'a RevisionRef>, &'a Side)>,
        wanted: u32,
        width: usize,
    ) -> Self {
        let (mut head, mut total) = (11, wanted);
        for (word, revision, side) in sides {
            head = head.max(named(word, revision).width());
            let there = side.instances.as_ref().map_or(0, Vec::len) as u32;
            total = total.max(side.desired).max(there);
        }
        let tail = " of  run".len() + 2 * total.to_string().len();
        let bar = width.saturating_sub(head + tail + 1).min(48);
        Self { head, bar, total: total as usize, wanted }
    }

    /// Whether instances share columns.
    pub(super) fn coarse(&self) -> bool {
        self.bar < self.total
    }

    /// `old rev 7  ████████████░░░ 4 of 5 run`
    pub(super) fn line(
        &self,
        theme: &Theme,
        word: &str,
        revision: Option<&RevisionRef>,
        side: &Side,
        role: Role,
    ) -> Line<'static> {
        let count = side.count();
        let running = count.running.map_or_else(|| "?".to_owned(), |running| running.to_string());
        let digits = self.total.to_string().len();
        // What goes is wanted no more: there, one number is enough.
        let tail = match count.running {
            Some(alone) if alone >= count.desired && role == Role::Old => {
                format!(" {alone:>digits$} run")
            }
            _ => format!(" {running:>digits$} of {:>digits$} run", count.desired),
        };
        let head = fit(&named(word, revision), self.head);
        let mut line = Line::from(vec![piece(head, theme.style(role))]);
        // The numbers stand beside the bars.
        let columns = self.bar.min(self.total.max(SHORT));
        line.spans.extend(bar(theme, side, role, self.wanted, columns));
        line.push_span(piece(tail, theme.style(role)));
        line
    }
}

fn named(word: &str, revision: Option<&RevisionRef>) -> String {
    format!("{word} {} ", revision.map_or_else(|| "-".to_owned(), RevisionRef::name))
}

/// A side, and how it is shown.
pub(super) struct Shown<'a> {
    pub(super) theme: &'a Theme,
    pub(super) word: &'a str,
    pub(super) side: &'a Side,
    pub(super) role: Role,
    /// The app, whose name need not stand before that of each instance.
    pub(super) app: &'a str,
    pub(super) now: Timestamp,
    pub(super) width: usize,
}

/// Instances of one state, for one reason.
struct Alike<'a> {
    state: InstanceState,
    reason: Option<&'a str>,
    since: Option<Timestamp>,
    names: Vec<&'a str>,
    count: usize,
}

/// What comes first, and what is told at all: what runs is in the bar, and what goes is expected to.
fn rank(state: InstanceState) -> Option<usize> {
    use InstanceState::{Crashed, Down, NotReady, Running, Starting, Stopping, Unknown};
    match state {
        Crashed => Some(0),
        Down => Some(1),
        NotReady => Some(2),
        Starting => Some(3),
        Unknown => Some(4),
        Running | Stopping => None,
    }
}

impl Shown<'_> {
    /// What is out of order, `new ✖ 2 crashed 4m web/0 web/1` and why, unless that is `told` already.
    pub(super) fn problems(&self, told: &str) -> Vec<Line<'static>> {
        let Some(instances) = &self.side.instances else {
            return vec![self.dim(&format!("{} instances cannot be read", self.word))];
        };
        let kinds = self.kinds(instances);
        let mut lines = Vec::new();
        for (at, kind) in kinds.iter().take(KINDS).enumerate() {
            lines.push(self.head(at, kind));
            let untold = kind.reason.filter(|reason| !told.contains(reason));
            let text = untold.map(|reason| wrap(reason, self.width.saturating_sub(4)));
            lines.extend(
                text.into_iter()
                    .flatten()
                    .take(REASON)
                    .map(|text| Line::styled(format!("    {text}"), self.theme.style(Role::Text))),
            );
        }
        let more: usize = kinds.iter().skip(KINDS).map(|kind| kind.count).sum();
        if more > 0 {
            lines.push(self.dim(&format!("    and {more} more")));
        }
        lines
    }

    fn dim(&self, text: &str) -> Line<'static> {
        Line::styled(cut(text, self.width), self.theme.style(Role::Dim))
    }

    fn kinds<'a>(&self, instances: &'a [Instance]) -> Vec<Alike<'a>> {
        let mut kinds: Vec<Alike<'_>> = Vec::new();
        for one in instances {
            let passed = one.since.map(|since| self.now.duration_since(since));
            let quick = one.state == InstanceState::Starting && passed.is_none_or(|age| age < SLOW);
            if quick || rank(one.state).is_none() {
                continue;
            }
            let reason = one.reason.as_deref();
            let name = one.name.as_deref();
            let known =
                kinds.iter_mut().find(|kind| (kind.state, kind.reason) == (one.state, reason));
            match known {
                Some(kind) => {
                    kind.count += 1;
                    kind.names.extend(name);
                    kind.since = kind.since.into_iter().chain(one.since).min();
                }
                None => kinds.push(Alike {
                    state: one.state,
                    reason,
                    since: one.since,
                    names: name.into_iter().collect(),
                    count: 1,
                }),
            }
        }
        kinds.sort_by_key(|kind| rank(kind.state));
        kinds
    }

    fn head(&self, at: usize, kind: &Alike<'_>) -> Line<'static> {
        let (mark, role) = glyph(&self.theme.glyphs, kind.state, self.role);
        let word = if at == 0 { format!("{:<4}", self.word) } else { "    ".to_owned() };
        let age = kind.since.map(|since| self.now.duration_since(since));
        // Younger than a minute goes without saying.
        let age = age.filter(|age| age.as_secs() >= 60).map(|age| format!(" {}", brief(age)));
        let text =
            format!("{mark} {} {}{}", kind.count, kind.state.word(), age.unwrap_or_default());
        let room = self.width.saturating_sub(word.width() + text.width());
        Line::from(vec![
            piece(word, self.theme.style(Role::Dim)),
            piece(text, self.theme.style(role)),
            piece(self.names(&kind.names, room), self.theme.style(Role::Dim)),
        ])
    }

    /// As many names as fit, without that of the app, and how many more there are.
    fn names(&self, names: &[&str], room: usize) -> String {
        let own = |name: &&str| {
            let own = name.strip_prefix(self.app).and_then(|name| name.strip_prefix('-'));
            format!(" {}", own.unwrap_or(name))
        };
        let all: String = names.iter().map(own).collect();
        if all.width() <= room {
            return all;
        }
        let mut shown = String::new();
        for (at, name) in names.iter().enumerate() {
            let (name, more) = (own(name), format!(" +{}", names.len() - at));
            if shown.width() + name.width() + more.width() > room {
                return shown + &more;
            }
            shown += &name;
        }
        shown
    }

    /// A dot for each instance. What is below stays where it is while instances come and go.
    pub(super) fn dots(&self, wanted: u32) -> Vec<Line<'static>> {
        let Some(instances) = &self.side.instances else { return Vec::new() };
        let tens = (self.width.saturating_sub(4) / (TEN + 1)).max(1);
        let mut lines: Vec<Line<'static>> = Vec::new();
        for (at, row) in instances.chunks(tens * TEN).enumerate() {
            let lead = if at == 0 { format!("{:<4}", self.word) } else { "    ".to_owned() };
            let mut line = Line::from(vec![piece(lead, self.theme.style(Role::Dim))]);
            for (at, one) in row.iter().enumerate() {
                let (mark, role) = glyph(&self.theme.glyphs, one.state, self.role);
                let gap = if at % TEN == TEN - 1 { " " } else { "" };
                line.push_span(Span::styled(format!("{mark}{gap}"), self.theme.style(role)));
            }
            lines.push(line);
        }
        let most = (wanted as usize).div_ceil(tens * TEN);
        lines.resize(lines.len().max(most), Line::default());
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::Depth;

    fn told(side: &Side, told: &str, width: usize) -> Vec<String> {
        let theme = Theme::new(Depth::None, false);
        let now = "2026-03-01T12:00:00Z".parse().unwrap_or_default();
        let (word, role, app) = ("new", Role::New, "web");
        let shown = Shown { theme: &theme, word, side, role, app, now, width };
        shown.problems(told).iter().map(ToString::to_string).collect()
    }

    fn pod(name: &str, state: InstanceState, since: &str, reason: Option<&str>) -> Instance {
        Instance {
            name: Some(format!("web-7d-{name}")),
            state,
            since: since.parse().ok(),
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn alike_instances_are_told_together_the_worst_first() {
        use InstanceState::{Crashed, Running, Starting};
        let (long, now) = ("2026-03-01T11:56:00Z", "2026-03-01T11:59:59Z");
        let why = Some("app exits with 1");
        let instances = vec![
            pod("a", Running, long, None),
            pod("b", Starting, now, None),
            pod("c", Starting, long, None),
            pod("d", Crashed, long, why),
            pod("e", Crashed, now, why),
        ];
        let side = Side { desired: 5, instances: Some(instances) };
        let (head, slow) = ("new ✖ 2 crashed 4m 7d-d 7d-e", "    ◌ 1 starting 4m 7d-c");
        assert_eq!(told(&side, "", 60), [head, "    app exits with 1", slow]);
        assert_eq!(told(&side, "new instances crash: app exits with 1", 60), [head, slow]);
        assert_eq!(told(&side, "app exits with 1", 28)[0], head);
        assert_eq!(told(&side, "app exits with 1", 27)[0], "new ✖ 2 crashed 4m 7d-d +1");
        assert_eq!(told(&Side { desired: 5, instances: None }, "", 60).len(), 1);
        assert!(told(&Side { desired: 0, instances: Some(Vec::new()) }, "", 60).is_empty());
    }
}
