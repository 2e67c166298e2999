//! The options of verbs on a repository.

use crate::domain::{OptionKind, OptionSpec, Verb, VerbOptions};

pub(in crate::platform::gitops) const IMAGE: &str = "image";
pub(in crate::platform::gitops) const NO_HOLD: &str = "no-hold";
pub(in crate::platform::gitops) const SUSPEND: &str = "suspend-automation";
pub(in crate::platform::gitops) const PULL: &str = "pull-request";
pub(in crate::platform::gitops) const DIRECT: &str = "direct";

const fn flag(name: &'static str, hint: &'static str) -> OptionSpec {
    OptionSpec { name, short: None, value: "yes|no", hint, kind: OptionKind::Flag, artifact: false }
}

/// All of them.
pub(in crate::platform::gitops) const OPTIONS: &[VerbOptions] = &[
    VerbOptions {
        verbs: &[Verb::Deploy],
        options: &[OptionSpec {
            name: IMAGE,
            short: None,
            value: "TAG",
            hint: "a tag, or NAME:TAG of the same image",
            kind: OptionKind::Text,
            artifact: true,
        }],
    },
    VerbOptions {
        verbs: &[Verb::RollBack, Verb::Deploy],
        options: &[
            flag(NO_HOLD, "image automation is not held back, and may take it away at once"),
            flag(
                SUSPEND,
                "image automation of the whole namespace is suspended instead of the marker removed",
            ),
        ],
    },
    VerbOptions {
        verbs: &[Verb::RollBack, Verb::Deploy, Verb::Release],
        options: &[
            flag(
                PULL,
                "it goes on a branch of its own, with a pull request where there is a forge",
            ),
            flag(DIRECT, "it is pushed to the branch, whatever the target says"),
        ],
    },
];
