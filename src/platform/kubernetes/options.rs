//! What kind of platform this is, the options of its verbs, and why some of them cannot be done.

use crate::domain::{IMAGE, INSTANCE, PlatformKind, SCALE_TO, START_WITH, Verb, VerbOptions};

/// What kind of platform this is.
pub const KIND: PlatformKind = PlatformKind {
    name: "kubernetes",
    short: "k8s",
    options: &[
        VerbOptions { verbs: &[Verb::Scale], options: &[SCALE_TO] },
        VerbOptions { verbs: &[Verb::Start], options: &[START_WITH] },
        VerbOptions { verbs: &[Verb::Restart], options: &[INSTANCE] },
        VerbOptions { verbs: &[Verb::Deploy], options: &[IMAGE] },
    ],
};

/// Why some verbs cannot be done.
pub(in crate::platform::kubernetes) const NOT_APPLIED: &str =
    "its controllers look by themselves: this is for GitOps targets";
pub(in crate::platform::kubernetes) const NOTHING_HELD: &str =
    "revdeck holds nothing of a cluster back: continue what is paused";
