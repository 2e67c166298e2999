//! The stages of a rollout: steps of a canary, links of a delivery chain, phases of a lifecycle.

use jiff::Timestamp;

/// How far one stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StageState {
    /// It has not begun.
    Pending,
    /// It is under way.
    Active,
    /// It is held until somebody lets it go on.
    Waiting,
    /// It is over, and well.
    Done,
    /// It is over, and not well.
    Failed,
    /// It cannot be seen.
    Unknown,
}

impl StageState {
    /// The word that scripts and screens show.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Waiting => "waits",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One stage of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What it is called, such as `20 %` or `merged`.
    pub name: String,
    /// How far it is.
    pub state: StageState,
    /// Since when it is in that state, where that is known.
    pub since: Option<Timestamp>,
    /// More about it in one clause, such as a pull request's address.
    pub detail: Option<String>,
}

impl Stage {
    /// Stages that follow one another: those before the current one, counted from 1, are done.
    pub fn sequence(
        names: impl IntoIterator<Item = String>,
        current: u32,
        state: StageState,
        since: Option<Timestamp>,
    ) -> Vec<Self> {
        let state_of = |number: u32| match number.cmp(&current) {
            std::cmp::Ordering::Less => StageState::Done,
            std::cmp::Ordering::Equal => state,
            std::cmp::Ordering::Greater => StageState::Pending,
        };
        (1..)
            .zip(names)
            .map(|(number, name)| Self {
                name,
                state: state_of(number),
                since: since.filter(|_| number == current),
                detail: None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_is_done_and_what_comes_after_is_not() {
        let names = ["10 %", "50 %", "100 %"].map(str::to_owned);
        let stages = Stage::sequence(names, 2, StageState::Waiting, None);
        let states: Vec<_> = stages.iter().map(|stage| stage.state).collect();
        assert_eq!(states, [StageState::Done, StageState::Waiting, StageState::Pending]);
    }
}
