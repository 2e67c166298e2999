//! Pieces that several screens share.

mod bar;
mod page;
mod panel;
mod popup;

pub(super) use bar::{bar, glyph, levels};
pub(super) use page::page;
pub(super) use panel::panel;
pub(super) use popup::popup;
