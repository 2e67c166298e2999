//! What kind of platform this is, the options of its verbs, and why one of them cannot be done.

use crate::domain::{
    IMAGE, INSTANCE, OptionKind, OptionSpec, PlatformKind, SCALE_TO, START_WITH, Verb, VerbOptions,
};

/// What kind of platform this is.
pub const KIND: PlatformKind = PlatformKind { name: "ecs", short: "ecs", options: OPTIONS };

/// Nothing is applied from elsewhere.
pub(in crate::platform::ecs) const NOT_APPLIED: &str =
    "Amazon ECS applies no repository: this is for GitOps";

pub(in crate::platform::ecs) const TASK_DEFINITION: &str = "task-definition";

pub(in crate::platform::ecs) const HOLD: &str = "hold";
pub(in crate::platform::ecs) const SUSPEND: &str = "suspend-auto-scaling";
pub(in crate::platform::ecs) const RESUME: &str = "resume-auto-scaling";
pub(in crate::platform::ecs) const DEREGISTER: &str = "deregister";

pub(in crate::platform::ecs) const REGISTER: &str = "re-register";

/// What can be held back meanwhile.
const AROUND: [OptionSpec; 3] = [
    OptionSpec::flag(HOLD, "auto scaling is suspended before and released when it is over"),
    OptionSpec::flag(SUSPEND, "auto scaling is suspended before, and stays so"),
    OptionSpec::flag(RESUME, "auto scaling is released when it is over"),
];

/// All of them.
const OPTIONS: &[VerbOptions] = &[
    VerbOptions {
        verbs: &[Verb::Deploy],
        options: &[
            IMAGE,
            OptionSpec {
                name: TASK_DEFINITION,
                short: None,
                value: "FAMILY:N",
                hint: "a task definition that is registered",
                kind: OptionKind::Text,
                artifact: true,
                with: None,
            },
        ],
    },
    VerbOptions { verbs: &[Verb::Scale], options: &[SCALE_TO] },
    VerbOptions { verbs: &[Verb::Start], options: &[START_WITH] },
    VerbOptions { verbs: &[Verb::Restart], options: &[INSTANCE] },
    VerbOptions {
        verbs: &[Verb::RollBack, Verb::Deploy, Verb::Cancel, Verb::Restart],
        options: &AROUND,
    },
    VerbOptions {
        verbs: &[Verb::RollBack, Verb::Deploy, Verb::Cancel],
        options: &[OptionSpec::flag(
            DEREGISTER,
            "the task definition that is left is deregistered when it is done",
        )],
    },
    VerbOptions {
        verbs: &[Verb::RollBack],
        options: &[OptionSpec::flag(
            REGISTER,
            "the task definition is registered again, with the images that it ran by digest",
        )],
    },
];
