//! The kinds of objects that the cluster has, and where they are found.

/// One kind of object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) short: &'static [&'static str],
    pub(crate) namespaced: bool,
    pub(crate) subresources: &'static [&'static str],
}

/// A kind, as an index into [`ALL`].
pub(crate) type Kind = usize;

macro_rules! resources {
    ($($constant:ident $group:literal $version:literal $plural:literal $kind:literal $short:expr, $namespaced:literal, $subresources:expr;)*) => {
        resources!(@count 0; $($constant)*);
        pub(crate) const ALL: &[Resource] = &[$(Resource {
            group: $group, version: $version, plural: $plural, kind: $kind, short: $short,
            namespaced: $namespaced, subresources: $subresources,
        }),*];
    };
    (@count $number:expr; $head:ident $($tail:ident)*) => {
        #[allow(dead_code, reason = "every kind has its name")]
        pub(crate) const $head: Kind = $number;
        resources!(@count $number + 1; $($tail)*);
    };
    (@count $number:expr;) => {};
}

resources! {
    NAMESPACES "" "v1" "namespaces" "Namespace" &["ns"], false, &["status"];
    NODES "" "v1" "nodes" "Node" &["no"], false, &["status"];
    PODS "" "v1" "pods" "Pod" &["po"], true, &["status", "log", "eviction"];
    EVENTS "" "v1" "events" "Event" &["ev"], true, &[];
    SERVICES "" "v1" "services" "Service" &["svc"], true, &["status"];
    CONFIG_MAPS "" "v1" "configmaps" "ConfigMap" &["cm"], true, &[];
    SECRETS "" "v1" "secrets" "Secret" &[], true, &[];
    SERVICE_ACCOUNTS "" "v1" "serviceaccounts" "ServiceAccount" &["sa"], true, &[];
    DEPLOYMENTS "apps" "v1" "deployments" "Deployment" &["deploy"], true, &["status", "scale"];
    REPLICA_SETS "apps" "v1" "replicasets" "ReplicaSet" &["rs"], true, &["status", "scale"];
    STATEFUL_SETS "apps" "v1" "statefulsets" "StatefulSet" &["sts"], true, &["status", "scale"];
    DAEMON_SETS "apps" "v1" "daemonsets" "DaemonSet" &["ds"], true, &["status"];
    CONTROLLER_REVISIONS "apps" "v1" "controllerrevisions" "ControllerRevision" &[], true, &[];
    AUTOSCALERS "autoscaling" "v2" "horizontalpodautoscalers" "HorizontalPodAutoscaler" &["hpa"], true, &["status"];
    DISRUPTION_BUDGETS "policy" "v1" "poddisruptionbudgets" "PodDisruptionBudget" &["pdb"], true, &["status"];
    POD_METRICS "metrics.k8s.io" "v1beta1" "pods" "PodMetrics" &[], true, &[];
    GIT_REPOSITORIES "source.toolkit.fluxcd.io" "v1" "gitrepositories" "GitRepository" &["gitrepo"], true, &["status"];
    KUSTOMIZATIONS "kustomize.toolkit.fluxcd.io" "v1" "kustomizations" "Kustomization" &["ks"], true, &["status"];
    IMAGE_REPOSITORIES "image.toolkit.fluxcd.io" "v1" "imagerepositories" "ImageRepository" &["imgrepo", "imagerepo"], true, &["status"];
    IMAGE_POLICIES "image.toolkit.fluxcd.io" "v1" "imagepolicies" "ImagePolicy" &["imgpol", "imagepol"], true, &["status"];
    IMAGE_AUTOMATIONS "image.toolkit.fluxcd.io" "v1" "imageupdateautomations" "ImageUpdateAutomation" &["iua", "imgupd", "imgauto"], true, &["status"];
    APPLICATIONS "argoproj.io" "v1alpha1" "applications" "Application" &["app", "apps"], true, &[];
    ROLLOUTS "argoproj.io" "v1alpha1" "rollouts" "Rollout" &["ro"], true, &["status", "scale"];
}

/// The groups other than the core, in the order of discovery.
pub(crate) const GROUPS: &[&str] = &[
    "apps",
    "autoscaling",
    "policy",
    "authorization.k8s.io",
    "metrics.k8s.io",
    "source.toolkit.fluxcd.io",
    "kustomize.toolkit.fluxcd.io",
    "image.toolkit.fluxcd.io",
    "argoproj.io",
];

impl Resource {
    /// `apps/v1`, or `v1` for the core.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// The kind at a group and plural.
pub(crate) fn find(group: &str, plural: &str) -> Option<Kind> {
    ALL.iter().position(|one| one.group == group && one.plural == plural)
}

/// The version of a group.
pub(crate) fn version(group: &str) -> &'static str {
    ALL.iter().find(|one| one.group == group).map_or("v1", |one| one.version)
}
