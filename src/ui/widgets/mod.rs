//! Pieces that several screens share.

mod bar;
mod popup;

pub(super) use bar::{bar, glyph, levels};
pub(super) use popup::popup;
