//! Scenarios: the worlds that the simulators start with, written in TOML.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::fault;

/// The worlds that are shipped with the program, by name.
const SHIPPED: [(&str, &str); 3] = [
    ("default", include_str!("../../assets/scenarios/default.toml")),
    ("quiet", include_str!("../../assets/scenarios/quiet.toml")),
    ("rolling", include_str!("../../assets/scenarios/rolling.toml")),
];

/// A whole world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Who is logged in.
    #[serde(default = "operator")]
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) org: Vec<OrgPlan>,
    #[serde(default)]
    pub(crate) app: Vec<AppPlan>,
    /// What a simulated cluster has.
    #[serde(default)]
    pub(crate) workload: Vec<WorkloadPlan>,
    /// What a simulated region of Amazon ECS has.
    #[serde(default)]
    #[cfg_attr(
        not(feature = "ecs"),
        expect(dead_code, reason = "its simulator is not in this build")
    )]
    pub(crate) service: Vec<ServicePlan>,
    /// What the repository of a simulated GitOps world has.
    #[serde(default)]
    #[cfg_attr(
        not(feature = "gitops"),
        expect(dead_code, reason = "its simulator is not in this build")
    )]
    pub(crate) image: Vec<PlacePlan>,
    /// Whether Argo CD applies it, in place of Flux.
    #[serde(default)]
    #[cfg_attr(
        not(feature = "gitops"),
        expect(dead_code, reason = "its simulator is not in this build")
    )]
    pub(crate) argo_cd: bool,
    /// Whether its Flux gives up waiting for the health of a revision when there is a newer one.
    #[serde(default)]
    #[cfg_attr(
        not(feature = "gitops"),
        expect(dead_code, reason = "its simulator is not in this build")
    )]
    pub(crate) cancel_health_checks: bool,
}

/// An image that a repository names, and the Deployment that runs it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(feature = "gitops"),
    expect(dead_code, reason = "its simulator is not in this build")
)]
pub(crate) struct PlacePlan {
    /// Without a tag.
    pub(crate) name: String,
    /// The directory of its manifest.
    pub(crate) directory: String,
    /// Whether its tag stands in a kustomization rather than in the manifest.
    #[serde(default)]
    pub(crate) kustomized: bool,
    pub(crate) namespace: String,
    #[serde(default = "one")]
    pub(crate) replicas: u32,
    /// The policy of image automation whose marker stands beside it.
    pub(crate) policy: Option<String>,
    /// The tags that the branch has had, oldest first.
    pub(crate) release: Vec<TagPlan>,
    /// A change on a branch of its own.
    pub(crate) proposal: Option<ProposalPlan>,
}

/// A tag that somebody put on the branch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(feature = "gitops"),
    expect(dead_code, reason = "its simulator is not in this build")
)]
pub(crate) struct TagPlan {
    #[serde(deserialize_with = "seconds")]
    pub(crate) age: f64,
    pub(crate) tag: String,
    #[serde(default = "bot")]
    pub(crate) by: String,
    pub(crate) subject: Option<String>,
}

/// A change on a branch of its own, with a pull request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(feature = "gitops"),
    expect(dead_code, reason = "its simulator is not in this build")
)]
pub(crate) struct ProposalPlan {
    #[serde(deserialize_with = "seconds")]
    pub(crate) age: f64,
    pub(crate) tag: String,
    /// Whether it was closed without being merged.
    #[serde(default)]
    pub(crate) closed: bool,
}

fn bot() -> String {
    "fluxbot".to_owned()
}

/// A service of Amazon ECS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "ecs"), expect(dead_code, reason = "its simulator is not in this build"))]
pub(crate) struct ServicePlan {
    pub(crate) name: String,
    pub(crate) cluster: String,
    #[serde(default = "one")]
    pub(crate) desired: u32,
    #[serde(default = "replica")]
    pub(crate) scheduling: String,
    #[serde(default = "ecs")]
    pub(crate) controller: String,
    #[serde(default = "rolling")]
    pub(crate) strategy: String,
    /// `deploymentConfiguration`, as the API has it.
    pub(crate) configuration: Option<toml::Table>,
    /// Least and most tasks of auto scaling.
    pub(crate) scaling: Option<(u32, u32)>,
    /// Whether its tasks are started with ECS Exec.
    #[serde(default)]
    pub(crate) exec: bool,
    /// Whether an Express gateway service manages it.
    #[serde(default)]
    pub(crate) express: bool,
    /// The task definitions of its family, oldest first.
    pub(crate) definition: Vec<DefinitionPlan>,
    /// What happened lately, played through the real scheduler.
    #[serde(default)]
    pub(crate) script: Vec<ServiceStep>,
}

/// A revision of a task definition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "ecs"), expect(dead_code, reason = "its simulator is not in this build"))]
pub(crate) struct DefinitionPlan {
    #[serde(deserialize_with = "seconds")]
    pub(crate) age: f64,
    pub(crate) image: String,
    /// What the image's tag points to from then on; any text stands for a digest.
    pub(crate) digest: Option<String>,
    #[serde(default = "pipeline")]
    pub(crate) by: String,
    /// What its tasks do, as the variable `SIMULATE` says it.
    pub(crate) health: Option<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Whether it was deployed when it was registered.
    #[serde(default = "yes")]
    pub(crate) deployed: bool,
    /// Whether that deployment was taken back by the circuit breaker.
    #[serde(default)]
    pub(crate) failed: bool,
    /// Whether it was deregistered.
    #[serde(default)]
    pub(crate) inactive: bool,
}

/// Something done to a service lately: `deploy` a revision, or `stop` the deployment under way.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "ecs"), expect(dead_code, reason = "its simulator is not in this build"))]
pub(crate) struct ServiceStep {
    #[serde(deserialize_with = "seconds")]
    pub(crate) ago: f64,
    #[serde(rename = "do")]
    pub(crate) action: String,
    pub(crate) to: Option<u32>,
}

fn replica() -> String {
    "REPLICA".to_owned()
}
fn ecs() -> String {
    "ECS".to_owned()
}
fn rolling() -> String {
    "ROLLING".to_owned()
}

#[cfg(feature = "ecs")]
impl ServicePlan {
    /// The family of its task definitions.
    pub(crate) fn family(&self) -> &str {
        &self.name
    }

    /// A service like many others.
    pub(crate) fn plain(name: &str, cluster: &str, desired: u32) -> Self {
        let definition = |age: f64, tag: &str| DefinitionPlan {
            age: age * 86_400.0,
            image: format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/{name}:{tag}"),
            digest: None,
            by: pipeline(),
            health: None,
            env: BTreeMap::new(),
            deployed: true,
            failed: false,
            inactive: false,
        };
        Self {
            name: name.to_owned(),
            cluster: cluster.to_owned(),
            desired,
            scheduling: replica(),
            controller: ecs(),
            strategy: rolling(),
            configuration: None,
            scaling: None,
            exec: false,
            express: false,
            definition: vec![definition(60.0, "1.0.0"), definition(9.0, "1.1.0")],
            script: Vec::new(),
        }
    }
}

/// A Deployment, StatefulSet, DaemonSet or Rollout.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkloadPlan {
    pub(crate) name: String,
    pub(crate) namespace: String,
    #[serde(default = "deployment")]
    pub(crate) kind: String,
    #[serde(default = "one")]
    pub(crate) replicas: u32,
    /// What a Pod may use at most, such as `256Mi`; it may use half a core then, too.
    pub(crate) memory: Option<String>,
    /// `progressDeadlineSeconds`.
    pub(crate) deadline: Option<u64>,
    /// `revisionHistoryLimit`.
    pub(crate) history: Option<u64>,
    /// Of a Rollout: the weights in percent at which it waits.
    #[serde(default)]
    pub(crate) steps: Vec<u32>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// The history, oldest first; the last one runs.
    pub(crate) revision: Vec<ImagePlan>,
    /// What happened lately, played through the real controllers.
    #[serde(default)]
    pub(crate) script: Vec<ImageStep>,
}

/// An image that was rolled out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImagePlan {
    #[serde(deserialize_with = "seconds")]
    pub(crate) age: f64,
    pub(crate) image: String,
    #[serde(default = "pipeline")]
    pub(crate) by: String,
    /// The change-cause.
    pub(crate) cause: Option<String>,
}

/// Something done to a workload lately.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageStep {
    #[serde(deserialize_with = "seconds")]
    pub(crate) ago: f64,
    pub(crate) image: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) paused: Option<bool>,
    #[serde(default = "pipeline")]
    pub(crate) by: String,
}

fn deployment() -> String {
    "Deployment".to_owned()
}
fn pipeline() -> String {
    "ci".to_owned()
}

#[cfg(feature = "gitops")]
impl PlacePlan {
    /// The last part of the image's name.
    pub(crate) fn short(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The Deployment of it, with what was released in the last hour played through the controllers.
    pub(crate) fn workload(&self) -> WorkloadPlan {
        const RECENT: f64 = 3_600.0;
        let image = |tag: &str| format!("{}:{tag}", self.name);
        let old = self.release.iter().filter(|one| one.age >= RECENT);
        let new = self.release.iter().filter(|one| one.age < RECENT);
        let by = || "kustomize-controller".to_owned();
        WorkloadPlan {
            replicas: self.replicas,
            revision: old
                .map(|one| ImagePlan {
                    age: one.age,
                    image: image(&one.tag),
                    by: by(),
                    cause: None,
                })
                .collect(),
            script: new
                .map(|one| ImageStep {
                    ago: one.age,
                    image: Some(image(&one.tag)),
                    cause: None,
                    paused: None,
                    by: by(),
                })
                .collect(),
            ..WorkloadPlan::plain(self.short(), &self.namespace, 1)
        }
    }
}

impl WorkloadPlan {
    /// A Deployment like many others.
    pub(crate) fn plain(name: &str, namespace: &str, replicas: u32) -> Self {
        let image = |age: f64, tag: &str| ImagePlan {
            age: age * 86_400.0,
            image: format!("registry.acme.example/{name}:{tag}"),
            by: pipeline(),
            cause: None,
        };
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            kind: deployment(),
            replicas,
            memory: None,
            deadline: None,
            history: None,
            steps: Vec::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            revision: vec![image(60.0, "1.0.0"), image(9.0, "1.1.0")],
            script: Vec::new(),
        }
    }
}

fn operator() -> String {
    "hana@acme.example".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrgPlan {
    pub(crate) name: String,
    pub(crate) spaces: Vec<SpacePlan>,
    /// Memory limit of the organization in MB; none when left out.
    pub(crate) memory: Option<u64>,
    /// The most instances of its apps; as many as wanted when left out.
    pub(crate) instances: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpacePlan {
    pub(crate) name: String,
    /// Memory limit of the space in MB; none when left out.
    pub(crate) memory: Option<u64>,
    /// The most instances of its apps; as many as wanted when left out.
    pub(crate) instances: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppPlan {
    pub(crate) name: String,
    /// `ORG/SPACE`.
    pub(crate) space: String,
    /// Names and commands of sidecars that its buildpack brings with every droplet.
    #[serde(default)]
    pub(crate) buildpack_sidecars: BTreeMap<String, String>,
    #[serde(default = "one")]
    pub(crate) instances: u32,
    #[serde(default = "small")]
    pub(crate) memory: u64,
    #[serde(default)]
    pub(crate) stopped: bool,
    #[serde(default = "yes")]
    pub(crate) revisions: bool,
    /// Other processes: type to number of instances.
    #[serde(default)]
    pub(crate) processes: BTreeMap<String, u32>,
    pub(crate) docker: Option<String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// How many staged droplets the platform has kept, besides the current one.
    #[serde(default = "five")]
    pub(crate) droplets_kept: usize,
    /// The history, oldest first.
    pub(crate) revision: Vec<RevisionPlan>,
    /// What happened lately, played through the real state machine.
    #[serde(default)]
    pub(crate) script: Vec<Step>,
}

fn one() -> u32 {
    1
}
fn small() -> u64 {
    256
}
fn five() -> usize {
    5
}
fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevisionPlan {
    /// How long ago.
    #[serde(deserialize_with = "seconds")]
    pub(crate) age: f64,
    #[serde(default = "operator")]
    pub(crate) by: String,
    /// See [`crate::simulator::cloud_foundry`]'s health words; that of the revision before when left out.
    pub(crate) health: Option<String>,
    /// Whether a new droplet came with it.
    #[serde(default = "yes")]
    pub(crate) droplet: bool,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) command: Option<String>,
    /// Sidecar name to command.
    #[serde(default)]
    pub(crate) sidecars: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    #[serde(deserialize_with = "seconds")]
    pub(crate) ago: f64,
    #[serde(default = "operator")]
    pub(crate) by: String,
    #[serde(flatten)]
    pub(crate) action: Action,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Action {
    /// A new droplet, and environment where given, rolled out.
    Deploy {
        health: Option<String>,
        #[serde(default)]
        env: BTreeMap<String, String>,
        #[serde(default)]
        sidecars: BTreeMap<String, String>,
        #[serde(default)]
        canary: Vec<u64>,
        max_in_flight: Option<u64>,
    },
    /// A roll back to that version.
    RollBack { to: u32 },
    /// The active deployment is cancelled.
    Cancel,
    /// A paused canary goes on.
    Continue,
}

fn seconds<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    let text = String::deserialize(input)?;
    fault::duration(&text)
        .map(|span| span.as_secs_f64())
        .ok_or_else(|| D::Error::custom(format!("{text:?} is no time such as 90s, 4m, 2h, 31d")))
}

impl Scenario {
    /// A shipped scenario by its name, or one from a file.
    pub(crate) fn load(name_or_file: &str) -> Result<Self, String> {
        if let Some((_, text)) = SHIPPED.iter().find(|(name, _)| *name == name_or_file) {
            return toml::from_str(text)
                .map_err(|error| format!("scenario {name_or_file}: {error}"));
        }
        let names: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
        let text = std::fs::read_to_string(Path::new(name_or_file)).map_err(|error| {
            format!(
                "scenario {name_or_file:?} is neither shipped ({}) nor a file: {error}",
                names.join(", ")
            )
        })?;
        toml::from_str(&text).map_err(|error| format!("scenario {name_or_file}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_scenarios_load() {
        for (name, _) in SHIPPED {
            Scenario::load(name).unwrap();
        }
    }
}
