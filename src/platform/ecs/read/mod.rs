//! What is read of a region, and what it means.

pub(super) mod convert;
pub(super) mod definition;
pub(super) mod events;
pub(super) mod history;
pub(super) mod instances;
pub(super) mod lists;
mod logs;
pub(super) mod scaling;
mod shell;
pub(super) mod stages;
