//! The mouse on the deck: what is under it, and what it does. It selects, scrolls and opens pages; it never acts.

use jiff::{SignedDuration, Timestamp};

use super::Panel;
use crate::domain::{AppKey, RevisionId};

/// Two clicks within this time are a double one.
pub(super) const DOUBLE: SignedDuration = SignedDuration::from_millis(400);

/// What is at a place of the deck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The line above the apps, which says how they are ordered.
    Heading,
    /// An app.
    App(AppKey),
    /// A revision.
    Revision(RevisionId),
    /// A panel, beside what it lists.
    Panel(Panel),
}

impl Spot {
    /// The panel that it is in.
    pub fn panel(&self) -> Panel {
        match self {
            Self::Heading | Self::App(_) => Panel::Apps,
            Self::Revision(_) => Panel::Revisions,
            Self::Panel(panel) => *panel,
        }
    }
}

/// What the mouse does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// The left button is pressed.
    Click,
    /// The wheel is turned away.
    WheelUp,
    /// The wheel is turned towards oneself.
    WheelDown,
}

/// The mouse, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Mouse {
    /// Whether it is wanted.
    pub on: bool,
    /// Where the last click was, and when.
    pub(super) clicked: Option<((u16, u16), Timestamp)>,
}
