//! One target on the deck: what it is, what it can do, and how the connection to it is doing.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Capabilities, Problem, Status, Target};

/// A target and what is known of it.
#[derive(Clone, Debug)]
pub struct TargetState {
    /// What it is.
    pub target: Target,
    /// What it can do.
    pub capabilities: Capabilities,
    /// How the connection is doing.
    pub connection: Connection,
    /// Whether its apps are left out of the list, and nothing is said of them, in this run. It is watched all the same, so
    /// that they are there at once.
    pub off: bool,
}

impl TargetState {
    /// A target of which nothing is known yet.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            capabilities: Capabilities::all(),
            connection: Connection::default(),
            off: false,
        }
    }

    /// What it is called on screen: the name that somebody gave it, else where it looks.
    pub fn name(&self) -> &str {
        self.target.own_name().unwrap_or_else(|| self.scope_label())
    }

    /// Where it looks: what the target says, else what the login says.
    pub fn scope_label(&self) -> &str {
        self.connection.status.scope_label.as_ref().unwrap_or(&self.target.scope_label)
    }
}

/// How the connection is doing.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// What the target says of itself.
    pub status: Status,
    /// When data last came.
    pub read_at: Option<Timestamp>,
    /// How long it stays fresh.
    pub fresh_for: SignedDuration,
    /// What went wrong with the last reading, and when it is tried again.
    pub problem: Option<(Problem, Timestamp)>,
    /// How many seconds of the clock pass in a real one, in a demo that is in a hurry: readings come in real time.
    pub speed: f64,
}

/// Whether what a target shows can be relied on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Liveness<'a> {
    /// Nothing has been read yet.
    Unread,
    /// What is shown is no older than it may be.
    Live,
    /// What is shown is older than it may be, though no reading is known to have failed.
    Stale {
        /// When it was read.
        read_at: Timestamp,
    },
    /// The last reading failed.
    Lost {
        /// What went wrong.
        problem: &'a Problem,
        /// When it is tried again.
        retry_at: Timestamp,
        /// When what is shown was read; `None` where nothing was.
        read_at: Option<Timestamp>,
    },
}

impl Connection {
    /// Whether what is shown can be relied on, and if not, why not.
    pub fn liveness(&self, now: Timestamp) -> Liveness<'_> {
        let limit = (self.fresh_for * 2 + SignedDuration::from_secs(5)).as_secs_f64();
        match (&self.problem, self.read_at) {
            (Some((problem, retry_at)), read_at) => {
                Liveness::Lost { problem, retry_at: *retry_at, read_at }
            }
            (None, None) => Liveness::Unread,
            (None, Some(at))
                if now.duration_since(at).as_secs_f64() <= limit * self.speed.max(1.0) =>
            {
                Liveness::Live
            }
            (None, Some(read_at)) => Liveness::Stale { read_at },
        }
    }

    /// Whether what is shown can be relied on.
    pub fn live(&self, now: Timestamp) -> bool {
        self.liveness(now) == Liveness::Live
    }
}
