//! What kind of platform this is, the options of its verbs, and why some of them cannot be done.

use crate::domain::{OptionKind, OptionSpec, PlatformKind, Verb, VerbOptions};

/// What kind of platform this is.
pub const KIND: PlatformKind = PlatformKind { name: "gitops", short: "git", options: OPTIONS };

/// How the names of our branches begin.
pub(in crate::platform::gitops) const OURS: [&str; 2] = ["rollback-", "revdeck-"];

/// Why some verbs cannot be done.
pub(in crate::platform::gitops) const RESTART: &str =
    "git holds no restart; restart it on the cluster's target";
pub(in crate::platform::gitops) const NUMBER: &str = "how many instances there are stands in git (replicas of its manifest, or of a kustomization): change it there";
pub(in crate::platform::gitops) const ENABLE: &str = "git keeps every revision by itself";

/// Where a commit goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Push {
    /// To the branch.
    #[default]
    Direct,
    /// To a branch of its own, for a pull request.
    PullRequest,
}

pub(in crate::platform::gitops) const IMAGE: &str = "image";
pub(in crate::platform::gitops) const NO_HOLD: &str = "no-hold";
pub(in crate::platform::gitops) const SUSPEND: &str = "suspend-automation";
pub(in crate::platform::gitops) const PULL: &str = "pull-request";
pub(in crate::platform::gitops) const DIRECT: &str = "direct";

/// All of them.
const OPTIONS: &[VerbOptions] = &[
    VerbOptions {
        verbs: &[Verb::Deploy],
        options: &[OptionSpec {
            name: IMAGE,
            short: None,
            value: "TAG",
            hint: "a tag, or NAME:TAG of the same image",
            kind: OptionKind::Text,
            artifact: true,
            with: None,
        }],
    },
    VerbOptions {
        verbs: &[Verb::RollBack, Verb::Deploy],
        options: &[
            OptionSpec::flag(
                NO_HOLD,
                "image automation is not held back, and may take it away at once",
            ),
            OptionSpec::flag(
                SUSPEND,
                "image automation of the whole namespace is suspended instead of the marker removed",
            ),
        ],
    },
    VerbOptions {
        verbs: &[Verb::RollBack, Verb::Deploy, Verb::Release],
        options: &[
            OptionSpec::flag(
                PULL,
                "it goes on a branch of its own, with a pull request where there is a forge",
            ),
            OptionSpec::flag(DIRECT, "it is pushed to the branch, whatever the target says"),
        ],
    },
];
