//! `[verdict]`: from where on new instances count as worse than old ones.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use toml::Spanned;

use super::source::{ConfigError, ConfigText, Origin, Row};
use crate::domain::Thresholds;

/// What the file says, by name.
pub(super) type Table = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

/// Where a setting is kept.
enum Slot<'a> {
    Number(&'a mut f64),
    Count(&'a mut u32),
    Seconds(&'a mut SignedDuration),
}

type Pick = fn(&mut Thresholds) -> Slot<'_>;

const SETTINGS: [(&str, Pick); 11] = [
    ("crashes", |it| Slot::Number(&mut it.crashes)),
    ("least-crashes", |it| Slot::Count(&mut it.least_crashes)),
    ("memory-share", |it| Slot::Number(&mut it.memory_share)),
    ("memory", |it| Slot::Number(&mut it.memory)),
    ("cpu", |it| Slot::Number(&mut it.cpu)),
    ("least-cpu", |it| Slot::Number(&mut it.least_cpu)),
    ("cpu-seconds", |it| Slot::Seconds(&mut it.cpu_for)),
    ("errors", |it| Slot::Number(&mut it.errors)),
    ("least-errors", |it| Slot::Count(&mut it.least_errors)),
    ("ready-seconds", |it| Slot::Seconds(&mut it.ready_for)),
    ("samples", |it| Slot::Count(&mut it.samples)),
];

/// The thresholds in force, and where each came from, in the order of the shipped configuration.
#[derive(Clone, Debug)]
pub struct VerdictSettings {
    /// The thresholds.
    pub thresholds: Thresholds,
    origins: Vec<Origin>,
}

impl VerdictSettings {
    pub(super) fn read(source: &ConfigText<'_>, table: &Table) -> Result<Self, ConfigError> {
        let mut read = Self {
            thresholds: Thresholds::default(),
            origins: vec![Origin::Default; SETTINGS.len()],
        };
        for (name, value) in table {
            let at = SETTINGS.iter().position(|(known, _)| known == name.get_ref());
            let Some(at) = at else {
                let known: Vec<_> = SETTINGS.iter().map(|(name, _)| *name).collect();
                let text = format!(
                    "there is no {:?} in [verdict]: it has {}",
                    name.get_ref(),
                    known.join(", ")
                );
                return Err(source.wrong(name.span().start, text));
            };
            let number = match value.get_ref() {
                toml::Value::Integer(whole) => Some(*whole as f64),
                toml::Value::Float(number) => Some(*number),
                _ => None,
            };
            let number = number.filter(|number| (0.0..1e9).contains(number));
            let whole = number.filter(|number| number.fract() == 0.0);
            let wanted = match (SETTINGS[at].1)(&mut read.thresholds) {
                Slot::Number(slot) => number.map(|number| *slot = number).ok_or("a number"),
                Slot::Count(slot) => {
                    whole.map(|number| *slot = number as u32).ok_or("a whole number")
                }
                Slot::Seconds(slot) => whole
                    .map(|number| *slot = SignedDuration::from_secs(number as i64))
                    .ok_or("a whole number of seconds"),
            };
            if let Err(wanted) = wanted {
                let text = format!("{} in [verdict] is not {wanted}, from 0 on", name.get_ref());
                return Err(source.wrong(value.span().start, text));
            }
            read.origins[at] = source.origin(value.span().start);
        }
        Ok(read)
    }

    /// Every setting as name, value in TOML, and where it came from.
    pub fn settings(&self) -> Vec<Row<'_>> {
        let mut thresholds = self.thresholds;
        let rows = SETTINGS.iter().zip(&self.origins).map(|((name, pick), origin)| {
            let value = match pick(&mut thresholds) {
                Slot::Number(number) => number.to_string(),
                Slot::Count(count) => count.to_string(),
                Slot::Seconds(span) => span.as_secs().to_string(),
            };
            (*name, value, origin)
        });
        rows.collect()
    }
}
