//! What kind of platform this is, the options of its verbs, and why some of them cannot be done; options as `POST /v3/deployments` and the cf CLI have them.

use crate::domain::{
    INSTANCE, OptionKind, OptionSpec, Options, PlatformKind, SCALE_TO, Strategy, Verb, VerbOptions,
};

/// What kind of platform this is.
pub const KIND: PlatformKind =
    PlatformKind { name: "cloud-foundry", short: "cf", options: OPTIONS };

/// Why some verbs cannot be done.
pub(super) const NOT_APPLIED: &str = "Cloud Foundry applies no repository: this is for GitOps";
pub(super) const NOTHING_HELD: &str = "revdeck holds nothing of Cloud Foundry back";
pub(super) const NO_PAUSE: &str = "Cloud Foundry cannot hold a rollout: cancel it";

const TEXT: OptionSpec = OptionSpec {
    name: "",
    short: None,
    value: "TEXT",
    hint: "",
    kind: OptionKind::Text,
    artifact: false,
    with: None,
};
pub(super) const PATH: &str = "path";
pub(super) const DROPLET: &str = "droplet";
pub(super) const IMAGE: &str = "image";
pub(super) const DOCKER_USERNAME: &str = "docker-username";
/// Where the cf CLI and this look for the password of a registry.
pub(super) const DOCKER_PASSWORD: &str = "CF_DOCKER_PASSWORD";
const STRATEGY: &str = "strategy";
const STEPS: &str = "instance-steps";
const IN_FLIGHT: &str = "max-in-flight";
const INSTANCES: &str = "instances";

/// What this platform's verbs take.
const OPTIONS: &[VerbOptions] = &[
    VerbOptions {
        verbs: &[Verb::Deploy],
        options: &[
            OptionSpec {
                name: PATH,
                value: "DIR",
                hint: "a directory to upload and stage",
                artifact: true,
                ..TEXT
            },
            OptionSpec {
                name: DROPLET,
                value: "GUID",
                hint: "an existing droplet, by GUID",
                artifact: true,
                ..TEXT
            },
            OptionSpec {
                name: IMAGE,
                value: "IMAGE",
                hint: "a container image",
                artifact: true,
                ..TEXT
            },
            OptionSpec {
                name: DOCKER_USERNAME,
                value: "USER",
                hint: "who reads the image from its registry, with CF_DOCKER_PASSWORD",
                with: Some(IMAGE),
                ..TEXT
            },
        ],
    },
    VerbOptions { verbs: &[Verb::Scale], options: &[SCALE_TO] },
    VerbOptions { verbs: &[Verb::Restart], options: &[INSTANCE] },
    VerbOptions {
        verbs: &[Verb::RollBack, Verb::Deploy, Verb::Restart],
        options: &[
            OptionSpec {
                name: STRATEGY,
                value: "STRATEGY",
                hint: "rolling, or canary: in steps, waiting at each",
                kind: OptionKind::Choice(&["rolling", "canary"]),
                ..TEXT
            },
            OptionSpec {
                name: STEPS,
                value: "PERCENT",
                hint: "canary steps in per cent of the instances, such as 10,50,100",
                kind: OptionKind::Percentages,
                ..TEXT
            },
            OptionSpec {
                name: IN_FLIGHT,
                value: "N",
                hint: "how many instances may be on their way at a time",
                kind: OptionKind::Number(1),
                ..TEXT
            },
            OptionSpec {
                name: INSTANCES,
                short: Some('i'),
                value: "N",
                hint: "how many instances there shall be at the end; as many as now if not said",
                kind: OptionKind::Number(0),
                ..TEXT
            },
        ],
    },
];

/// The options of a rollout, read.
#[derive(Clone, Debug, Default)]
pub(super) struct RolloutOptions {
    pub(super) strategy: Strategy,
    /// The share of instances after each canary step in per cent; empty for one step of one instance.
    pub(super) steps: Vec<u32>,
    pub(super) max_in_flight: Option<u32>,
    pub(super) instances: Option<u32>,
}

impl RolloutOptions {
    pub(super) fn read(options: &Options) -> Self {
        let canary = options.get(STRATEGY) == Some("canary");
        Self {
            strategy: if canary { Strategy::Canary } else { Strategy::Rolling },
            steps: options.percentages(STEPS),
            max_in_flight: options.number(IN_FLIGHT),
            instances: options.number(INSTANCES),
        }
    }

    /// What is wrong with them, before anything is asked; `canary` is why the API has no canary deployments.
    pub(super) fn unfit(&self, canary: Option<&str>) -> Option<String> {
        if self.strategy == Strategy::Canary {
            return canary.map(str::to_owned);
        }
        (!self.steps.is_empty())
            .then(|| "steps belong to the canary strategy: add --strategy canary".to_owned())
    }

    /// The flags of the cf CLI that say the same.
    pub(super) fn cli_flags(&self) -> String {
        let mut flags = format!("--strategy {}", self.strategy);
        if let Some(most) = self.max_in_flight {
            flags += &format!(" --max-in-flight {most}");
        }
        if !self.steps.is_empty() {
            let steps: Vec<_> = self.steps.iter().map(u32::to_string).collect();
            flags += &format!(" --instance-steps {}", steps.join(","));
        }
        // `cf rollback` and `cf restart` have no flag for the number of instances.
        flags
    }
}
