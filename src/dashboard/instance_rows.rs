//! The instances of a page in the order that the operator wants, those that are alike together where there are many.

use std::cmp::Reverse;

use super::dialog::InstanceOrder;
use crate::domain::{InstanceReading, InstanceState, SideName};

/// From how many alike ones on they are put together.
const ALIKE: usize = 3;

/// A row of the page.
#[derive(Clone, Debug, PartialEq)]
pub enum InstanceRow<'a> {
    /// One instance.
    One(&'a InstanceReading),
    /// Several that do the same, for the same reason.
    Alike(Vec<&'a InstanceReading>),
}

impl<'a> InstanceRow<'a> {
    /// The first of its instances.
    pub fn first(&self) -> Option<&'a InstanceReading> {
        match self {
            Self::One(one) => Some(one),
            Self::Alike(many) => many.first().copied(),
        }
    }
}

/// How bad a state is, the worst first.
fn badness(state: InstanceState) -> u8 {
    match state {
        InstanceState::Crashed => 0,
        InstanceState::Down => 1,
        InstanceState::NotReady => 2,
        InstanceState::Unknown => 3,
        InstanceState::Starting => 4,
        InstanceState::Stopping => 5,
        InstanceState::Running => 6,
    }
}

/// A figure as a key that sorts the largest first; what was not measured comes last.
fn largest(figure: Option<f64>) -> Reverse<i64> {
    Reverse(figure.map_or(-1, |figure| (figure * 1e6) as i64))
}

/// The instances in an order.
pub fn ordered(instances: &[InstanceReading], order: InstanceOrder) -> Vec<&InstanceReading> {
    let mut rows: Vec<_> = instances.iter().collect();
    let usual =
        |one: &InstanceReading| (Reverse(one.side), badness(one.instance.state), natural(one));
    match order {
        InstanceOrder::Side => rows.sort_by_cached_key(|one| usual(one)),
        InstanceOrder::State => {
            rows.sort_by_cached_key(|one| (badness(one.instance.state), usual(one)));
        }
        InstanceOrder::Restarts => {
            rows.sort_by_cached_key(|one| (Reverse(one.restarts.map(|it| it.count)), usual(one)));
        }
        InstanceOrder::Cpu => {
            rows.sort_by_cached_key(|one| (largest(one.cpu.map(|cpu| cpu.used)), usual(one)));
        }
        InstanceOrder::Memory => rows.sort_by_cached_key(|one| {
            let share = one.memory.map(|memory| memory.share.unwrap_or(memory.used / 1e15));
            (largest(share), usual(one))
        }),
        InstanceOrder::Since => {
            rows.sort_by_cached_key(|one| (Reverse(one.instance.since), usual(one)));
        }
    }
    rows
}

/// A name with its number as a number: `web/10` comes after `web/9`.
fn natural(one: &InstanceReading) -> (String, u64) {
    let name = one.instance.name.as_deref().unwrap_or_default();
    let head = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    (head.to_owned(), name[head.len()..].parse().unwrap_or(0))
}

/// As many rows as there is room for: where there are more, those that do the same for the same reason are put together,
/// but for the selected one.
pub fn folded<'a>(
    rows: Vec<&'a InstanceReading>,
    room: usize,
    selected: Option<&str>,
) -> Vec<InstanceRow<'a>> {
    if rows.len() <= room {
        return rows.into_iter().map(InstanceRow::One).collect();
    }
    let mut folded: Vec<InstanceRow<'a>> = Vec::new();
    for one in rows {
        let chosen = selected == Some(one.id.as_str());
        let same = |row: &&mut InstanceRow<'a>| match row {
            InstanceRow::One(_) => false,
            InstanceRow::Alike(many) => many.first().is_some_and(|first| alike(first, one)),
        };
        match folded.iter_mut().find(same) {
            Some(InstanceRow::Alike(many)) if !chosen => many.push(one),
            _ if chosen => folded.push(InstanceRow::One(one)),
            _ => folded.push(InstanceRow::Alike(vec![one])),
        }
    }
    let apart = |row: InstanceRow<'a>| match row {
        InstanceRow::Alike(many) if many.len() < ALIKE => {
            many.into_iter().map(InstanceRow::One).collect()
        }
        row => vec![row],
    };
    folded.into_iter().flat_map(apart).collect()
}

fn alike(a: &InstanceReading, b: &InstanceReading) -> bool {
    let restarted = |one: &InstanceReading| one.restarts.is_some_and(|it| it.count > 0);
    (a.side, a.instance.state, restarted(a)) == (b.side, b.instance.state, restarted(b))
        && a.instance.reason == b.instance.reason
}

/// The instances of one side, of those in an order.
pub fn of_side<'a>(rows: &[&'a InstanceReading], side: SideName) -> Vec<&'a InstanceReading> {
    rows.iter().copied().filter(|one| one.side == side).collect()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::domain::{Instance, Usage};

    fn one(id: &str, side: SideName, state: InstanceState, cpu: f64) -> InstanceReading {
        let name = Some(id.to_owned());
        InstanceReading {
            id: format!("{side:?}/{id}"),
            side,
            revision: None,
            instance: Instance { name, state, since: Some(Timestamp::UNIX_EPOCH), reason: None },
            began_at: None,
            grace: SignedDuration::ZERO,
            restarts: None,
            cpu: Usage::of(Some(cpu), None),
            memory: None,
            facts: Vec::new(),
        }
    }

    fn names(rows: &[&InstanceReading]) -> Vec<String> {
        rows.iter().map(|one| one.id.clone()).collect()
    }

    #[test]
    fn the_worst_stand_first() {
        use InstanceState::{Crashed, Running};
        let all = [
            one("web/10", SideName::Old, Running, 0.5),
            one("web/9", SideName::Old, Running, 0.9),
            one("web/0", SideName::New, Running, 0.1),
            one("web/1", SideName::New, Crashed, 0.0),
        ];
        let order = |order| names(&ordered(&all, order));
        assert_eq!(
            order(InstanceOrder::Side),
            ["New/web/1", "New/web/0", "Old/web/9", "Old/web/10"]
        );
        assert_eq!(order(InstanceOrder::Cpu)[0], "Old/web/9");
        assert_eq!(order(InstanceOrder::State)[0], "New/web/1");
    }

    #[test]
    fn many_that_are_alike_take_one_row_and_the_selected_one_its_own() {
        let mut all: Vec<_> = (0..40)
            .map(|at| one(&format!("web/{at}"), SideName::Old, InstanceState::Running, 0.1))
            .collect();
        all.push(one("web/0", SideName::New, InstanceState::Crashed, 0.0));
        let rows = folded(ordered(&all, InstanceOrder::Side), 10, Some("Old/web/7"));
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0], InstanceRow::One(&all[40]));
        let (InstanceRow::Alike(many), InstanceRow::One(chosen)) = (&rows[1], &rows[2]) else {
            panic!("{rows:?}")
        };
        assert_eq!((many.len(), chosen.id.as_str()), (39, "Old/web/7"));
        assert_eq!(folded(ordered(&all, InstanceOrder::Side), 41, None).len(), 41);
    }
}
