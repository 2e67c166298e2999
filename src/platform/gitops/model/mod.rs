//! What files of a repository say of what runs, and how that is changed without touching anything else.

pub(super) mod contents;
pub(super) mod edit;
pub(super) mod image;
pub(super) mod kustomizations;
pub(super) mod objects;
pub(super) mod patches;
pub(super) mod places;
pub(super) mod yaml;
