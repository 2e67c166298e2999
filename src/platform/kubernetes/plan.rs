//! Plans: what an operation would do, from data read now, tried as a dry run on the server.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Connection, Kubernetes, convert, facts,
    store::{Address, Kind, Kinded},
    wire::{self, ReplicaSet, Template, Workload},
};
use crate::{
    domain::{
        AppId, Goal, History, Note, Operation, Plan, PlanEnd, Request, Revision, Source,
        differences, last_good, text::clean,
    },
    platform::{Error, http::WriteError},
};

/// Who the server is told makes the change.
pub(super) const MANAGER: &str = "revdeck";
pub(super) const JSON_PATCH: &str = "application/json-patch+json";

/// What is needed to carry a plan out, and to see whether the world has changed since.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Recipe {
    pub(super) path: String,
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) patch: Value,
    /// Pods to be deleted after the patch, since nothing else frees their StatefulSet.
    pub(super) pods: Vec<String>,
    pub(super) clue: Clue,
}

/// What is needed to recognise an operation later.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Clue {
    /// The template that was asked for, by its hash; none where the template stays.
    pub(super) template: Option<u64>,
    /// The template before.
    pub(super) before: Option<u64>,
    /// The generation before.
    pub(super) generation: i64,
    /// Whether it is to be paused afterwards, or no longer.
    pub(super) paused: Option<bool>,
    /// How the end is worded: `back on rev 3`.
    pub(super) goal: String,
    pub(super) leaving: Option<String>,
    pub(super) sent_at: Option<jiff::Timestamp>,
}

/// The state that a plan stands on.
struct Ground {
    address: Address,
    whole: Value,
    workload: Kinded,
    history: History,
    rolling: bool,
}

impl Ground {
    async fn read(cluster: &Kubernetes, app: &AppId) -> Result<Self, Error> {
        let address = cluster.address(app)?;
        let whole = cluster.whole(&address).await?;
        if whole["metadata"]["uid"] != app.as_str() {
            return Err(Error::NotFound {
                what: format!(
                    "{} was deleted and made anew since it was shown",
                    clean(&address.name)
                ),
            });
        }
        let object: Workload =
            serde_json::from_value(whole.clone()).map_err(|error| Error::Garbled {
                api: cluster.connection.api.clone(),
                place: address.path(),
                why: clean(&error.to_string()),
            })?;
        let deployment = address.kind == Kind::Deployment;
        let sets =
            if deployment { cluster.whole_sets(&address, &whole).await? } else { Vec::new() };
        let history = cluster.history(app).await?;
        let workload = Kinded { kind: address.kind, object };
        let mut store = super::store::Store::default();
        store.workloads.put(workload.clone());
        for set in sets {
            if let Ok(set) = serde_json::from_value::<ReplicaSet>(set) {
                store.sets.put(set);
            }
        }
        let shown = store.app(&cluster.target, app.as_str(), (cluster.now)());
        let rolling = shown.is_some_and(|app| app.rollout.is_some());
        Ok(Self { address, whole, workload, history, rolling })
    }

    fn deployed(&self) -> Option<&Revision> {
        self.history
            .revisions
            .iter()
            .find(|one| one.incoming)
            .or_else(|| self.history.revisions.iter().find(|one| one.deployed))
    }

    fn template(&self) -> &Value {
        &self.whole["spec"]["template"]
    }

    fn paused(&self) -> bool {
        self.whole["spec"]["paused"] == true
    }

    /// The tests that make a patch void as soon as anybody else has changed the specification.
    fn guards(&self) -> Vec<Value> {
        vec![
            json!({ "op": "test", "path": "/metadata/uid", "value": self.whole["metadata"]["uid"] }),
            json!({ "op": "test", "path": "/metadata/generation", "value": self.whole["metadata"]["generation"] }),
        ]
    }

    /// Why, where the platform keeps it.
    fn cause(&self, reason: &str) -> Vec<Value> {
        let mut steps = Vec::new();
        if !self.whole["metadata"]["annotations"].is_object() {
            steps.push(json!({ "op": "add", "path": "/metadata/annotations", "value": {} }));
        }
        steps.push(json!({ "op": "add", "path": "/metadata/annotations/kubernetes.io~1change-cause", "value": reason }));
        steps
    }
}

fn end(one: &Revision) -> PlanEnd {
    PlanEnd {
        name: format!("rev {}", one.label),
        artifact: Some(one.description.clone()),
        remark: None,
    }
}

/// Works out a plan.
pub(super) async fn make(cluster: &Kubernetes, request: Request) -> Result<Plan, Error> {
    let ground = Ground::read(cluster, &request.app).await?;
    let name = clean(&ground.address.name);
    let mut plan = Plan {
        title: format!("{} {name}", request.operation.verb().to_uppercase()),
        app: name.clone(),
        refused: None,
        way: String::new(),
        from: ground.deployed().map(end),
        to: None,
        differs: Vec::new(),
        capacity: Vec::new(),
        notes: Vec::new(),
        by_hand: Vec::new(),
        calls: Vec::new(),
        checked_at: (cluster.now)(),
        recipe: Value::Null,
        request,
    };
    let built = match plan.request.operation.clone() {
        Operation::RollBack(goal) => roll_back(cluster, &ground, &mut plan, &goal).await?,
        Operation::Cancel => cancel(cluster, &ground, &mut plan).await?,
        Operation::Deploy(source) => deploy(&ground, &mut plan, &source),
        Operation::Restart => restart(cluster, &ground, &mut plan),
        Operation::Continue => hold(&ground, &mut plan, false),
        Operation::Pause => hold(&ground, &mut plan, true),
        Operation::EnableRevisions => {
            Err("Kubernetes keeps revisions by itself: see revisionHistoryLimit".to_owned())
        }
    };
    let change = match built {
        Ok(change) => change,
        Err(why) => {
            plan.refused = Some(why);
            return Ok(plan);
        }
    };
    finish(cluster, &ground, plan, change).await
}

/// A patch, and how to tell that it took effect.
struct Change {
    patch: Value,
    template: Option<Value>,
    goal: String,
    leaving: Option<String>,
    paused: Option<bool>,
    pods: Vec<String>,
}

/// A patch that puts a template in place, out of a pause too.
fn template_patch(ground: &Ground, template: &Value, reason: Option<&str>) -> Value {
    let mut steps = ground.guards();
    steps.push(json!({ "op": "replace", "path": "/spec/template", "value": template }));
    if ground.paused() {
        steps.push(json!({ "op": "remove", "path": "/spec/paused" }));
    }
    steps.extend(reason.map(|reason| ground.cause(reason)).unwrap_or_default());
    Value::Array(steps)
}

async fn roll_back(
    cluster: &Kubernetes,
    ground: &Ground,
    plan: &mut Plan,
    goal: &Goal,
) -> Result<Result<Change, String>, Error> {
    let name = plan.app.clone();
    let revisions = &ground.history.revisions;
    let (wanted, sure) = match goal {
        Goal::LastGood => match last_good(revisions, ground.rolling) {
            Some(found) => found,
            None => {
                let why = ground
                    .history
                    .remark
                    .clone()
                    .unwrap_or_else(|| format!("{name} has no earlier revision to go back to"));
                return Ok(Err(if why.contains(&name) { why } else { format!("{name}: {why}") }));
            }
        },
        Goal::Revision(id) => match revisions.iter().find(|one| one.id == *id) {
            Some(one) => (one, true),
            None => {
                return Ok(Err(format!(
                    "this revision of {name} is gone: it was pruned (revisionHistoryLimit)"
                )));
            }
        },
    };
    let template = cluster.template(&plan.request.app, &wanted.id).await?;
    back_to(
        cluster,
        ground,
        plan,
        wanted,
        template,
        if *goal == Goal::LastGood { Some(sure) } else { None },
    )
    .await
}

async fn back_to(
    cluster: &Kubernetes,
    ground: &Ground,
    plan: &mut Plan,
    wanted: &Revision,
    mut template: Value,
    last: Option<bool>,
) -> Result<Result<Change, String>, Error> {
    let name = plan.app.clone();
    wire::strip(&mut template);
    let mut now = ground.template().clone();
    wire::strip(&mut now);
    plan.title = format!(
        "ROLL BACK {name} to rev {}{}",
        wanted.label,
        if last.is_some() { " (last good)" } else { "" }
    );
    plan.to = Some(end(wanted));
    if now == template && !(ground.paused() && ground.rolling) {
        return Ok(Err(format!(
            "nothing would change: {name} has the template of rev {} already",
            wanted.label
        )));
    }
    plan.differs = differences(&facts::of_template(&now), &facts::of_template(&template));
    plan.way = if ground.rolling {
        format!(
            "the template of rev {} again: old instances still serve, and the rollout turns round",
            wanted.label
        )
    } else {
        format!("the template of rev {} again, as a rollout of its own", wanted.label)
    };
    if last == Some(false) {
        plan.notes.push(Note::Warning(format!(
            "that rev {} was well is inferred: the platform keeps no record of it",
            wanted.label
        )));
    }
    if ground.paused() {
        plan.notes.push(Note::Info("the rollout is paused: the pause ends with this".to_owned()));
    }
    plan.notes.push(Note::Info(
        "ConfigMaps, Secrets and the number of instances do not roll back".to_owned(),
    ));
    let target = format!("{}/{}", ground.address.kind.word(), ground.address.name);
    plan.by_hand.push(format!(
        "kubectl --context {} -n {} rollout undo {target} --to-revision={}",
        cluster.connection.context, ground.address.namespace, wanted.label
    ));
    let leaving = ground.deployed().map(|one| format!("rev {}", one.label));
    let reason = plan.request.reason.clone();
    let reason = reason.unwrap_or_else(|| format!("roll back to rev {}", wanted.label));
    let patch = template_patch(ground, &template, Some(&reason));
    let pods = stuck_pods(cluster, ground, wanted).await?;
    if !pods.is_empty() {
        plan.notes.push(Note::Warning(format!(
            "a StatefulSet waits for ever for a Pod that does not become ready: {} will be deleted after the patch", pods.join(", ")
        )));
        plan.calls.extend(pods.iter().map(|pod| {
            format!("DELETE /api/v1/namespaces/{}/pods/{pod}", ground.address.namespace)
        }));
    }
    Ok(Ok(Change {
        patch,
        template: Some(template),
        goal: format!("back on rev {}", wanted.label),
        leaving,
        paused: None,
        pods,
    }))
}

/// Pods of a StatefulSet that are not ready and not of the revision that is gone back to: they hold it up for ever.
async fn stuck_pods(
    cluster: &Kubernetes,
    ground: &Ground,
    wanted: &Revision,
) -> Result<Vec<String>, Error> {
    let spec = ground.workload.object.spec.as_ref();
    let ordered = spec.is_some_and(|spec| spec.pod_management_policy != "Parallel");
    if ground.address.kind != Kind::StatefulSet || !ordered {
        return Ok(Vec::new());
    }
    let selector = spec.map(|spec| spec.selector.query()).unwrap_or_default();
    let path = format!("/api/v1/namespaces/{}/pods", ground.address.namespace);
    let (pods, _) = super::stream::list::<wire::Pod>(cluster, &path, &selector).await?;
    let stuck = |pod: &&wire::Pod| {
        let own = pod
            .metadata
            .labels
            .get("controller-revision-hash")
            .is_some_and(|hash| hash == wanted.id.as_str());
        !own && !matches!(
            convert::instance(pod, 0).state,
            crate::domain::InstanceState::Running | crate::domain::InstanceState::Stopping
        )
    };
    Ok(pods.iter().filter(stuck).map(|pod| pod.metadata.name.clone()).collect())
}

/// There is no cancel: it is going back to what was live when this rollout began.
async fn cancel(
    cluster: &Kubernetes,
    ground: &Ground,
    plan: &mut Plan,
) -> Result<Result<Change, String>, Error> {
    let name = plan.app.clone();
    if !ground.rolling {
        return Ok(Err(format!("{name} has no rollout to cancel")));
    }
    let before = ground.history.revisions.iter().find(|one| one.deployed && !one.incoming);
    let Some(before) = before.cloned() else {
        return Ok(Err(format!(
            "{name} had nothing before this rollout that it could go back to: roll back to a revision instead"
        )));
    };
    let template = cluster.template(&plan.request.app, &before.id).await?;
    let change = back_to(cluster, ground, plan, &before, template, None).await?;
    plan.title = format!("CANCEL the rollout of {name}: back to rev {}", before.label);
    plan.way = format!(
        "Kubernetes has no cancel: the template of rev {} again, which was live when this began",
        before.label
    );
    Ok(change)
}

fn deploy(ground: &Ground, plan: &mut Plan, source: &Source) -> Result<Change, String> {
    let name = plan.app.clone();
    let Source::Image(text) = source else {
        return Err(format!("{name} runs images: say an image, or CONTAINER=IMAGE"));
    };
    let mut template = ground.template().clone();
    let (container, image) = match text.split_once('=') {
        Some((container, image)) => (Some(container.trim()), image.trim()),
        None => (None, text.trim()),
    };
    if image.is_empty() || image.chars().any(char::is_whitespace) {
        return Err(format!("{image:?} is no image"));
    }
    let Some(containers) = template["spec"]["containers"].as_array_mut() else {
        return Err(format!("{name} has no containers"));
    };
    let names: Vec<_> =
        containers.iter().filter_map(|one| one["name"].as_str()).map(clean).collect();
    let at = match container {
        Some(container) => containers.iter().position(|one| one["name"] == container),
        None if containers.len() == 1 => Some(0),
        None => None,
    };
    let Some(at) = at else {
        return Err(format!(
            "say which container of {name}: CONTAINER=IMAGE, one of {}",
            names.join(", ")
        ));
    };
    containers[at]["image"] = image.into();
    let mut now = ground.template().clone();
    wire::strip(&mut now);
    let mut stripped = template.clone();
    wire::strip(&mut stripped);
    if now == stripped {
        return Err(format!("nothing would change: {name} runs {image} already"));
    }
    plan.title = format!("DEPLOY {image} to {name}");
    plan.to = Some(PlanEnd {
        name: "a new revision".to_owned(),
        artifact: Some(clean(image)),
        remark: None,
    });
    plan.differs = differences(&facts::of_template(&now), &facts::of_template(&stripped));
    "a new image, as a rollout".clone_into(&mut plan.way);
    plan.by_hand.push(format!(
        "kubectl -n {} set image {}/{} {}={image}",
        ground.address.namespace,
        ground.address.kind.word(),
        ground.address.name,
        names[at]
    ));
    let reason = plan.request.reason.clone();
    Ok(Change {
        patch: template_patch(ground, &template, reason.as_deref()),
        template: Some(stripped),
        goal: format!("on {}", clean(image)),
        leaving: ground.deployed().map(|one| format!("rev {}", one.label)),
        paused: None,
        pods: Vec::new(),
    })
}

fn restart(cluster: &Kubernetes, ground: &Ground, plan: &mut Plan) -> Result<Change, String> {
    if ground.paused() {
        return Err(format!("{} is paused: let it go on first", plan.app));
    }
    let mut template = ground.template().clone();
    let at = (cluster.now)().strftime("%Y-%m-%dT%H:%M:%S.%fZ").to_string();
    if !template["metadata"].is_object() {
        template["metadata"] = json!({});
    }
    if !template["metadata"]["annotations"].is_object() {
        template["metadata"]["annotations"] = json!({});
    }
    template["metadata"]["annotations"][wire::RESTARTED] = at.into();
    plan.to.clone_from(&plan.from);
    "the same template with a new mark: every instance is replaced, as a new revision"
        .clone_into(&mut plan.way);
    plan.by_hand.push(format!(
        "kubectl -n {} rollout restart {}/{}",
        ground.address.namespace,
        ground.address.kind.word(),
        ground.address.name
    ));
    let reason = plan.request.reason.clone();
    let patch = template_patch(ground, &template, reason.as_deref());
    wire::strip(&mut template);
    Ok(Change {
        patch,
        template: Some(template),
        goal: "on new instances".to_owned(),
        leaving: Some("what ran before".to_owned()),
        paused: None,
        pods: Vec::new(),
    })
}

/// Pausing and going on.
fn hold(ground: &Ground, plan: &mut Plan, pause: bool) -> Result<Change, String> {
    let name = plan.app.clone();
    if ground.address.kind != Kind::Deployment {
        return Err(format!(
            "{name} is a {}: only Deployments can be paused",
            ground.address.kind.word()
        ));
    }
    match (pause, ground.paused()) {
        (true, true) => return Err(format!("{name} is paused already")),
        (false, false) => {
            return Err(format!("{name} does not wait for anybody: it is not paused"));
        }
        _ => {}
    }
    plan.to.clone_from(&plan.from);
    let verb = if pause { "pause" } else { "resume" };
    plan.way = if pause {
        "instances stay as they are now, old and new; the deadline stops".to_owned()
    } else {
        "the rollout goes on where it was held".to_owned()
    };
    plan.by_hand.push(format!(
        "kubectl -n {} rollout {verb} deployment/{}",
        ground.address.namespace, ground.address.name
    ));
    let mut steps = ground.guards();
    steps.push(if pause {
        json!({ "op": "add", "path": "/spec/paused", "value": true })
    } else {
        json!({ "op": "remove", "path": "/spec/paused" })
    });
    let shown = plan
        .from
        .as_ref()
        .map_or_else(|| "on what it was".to_owned(), |from| format!("on {}", from.name));
    Ok(Change {
        patch: Value::Array(steps),
        template: None,
        goal: if pause { "held".to_owned() } else { shown },
        leaving: None,
        paused: Some(pause),
        pods: Vec::new(),
    })
}

/// Tries the patch on the server without effect, and adds what applies to every change.
async fn finish(
    cluster: &Kubernetes,
    ground: &Ground,
    mut plan: Plan,
    change: Change,
) -> Result<Plan, Error> {
    let path = ground.address.path();
    let dry = Connection::address(&path, &[("dryRun", "All"), ("fieldManager", MANAGER)]);
    match cluster
        .connection
        .write(&cluster.meter, Method::PATCH, &dry, JSON_PATCH, &change.patch)
        .await
    {
        Ok(_) => {}
        Err(WriteError::NoEffect(error @ (Error::Api { .. } | Error::Forbidden { .. }))) => {
            plan.refused = Some(format!("the server would refuse it: {error}"));
        }
        // Nothing can have had an effect: it was a dry run.
        Err(WriteError::NoEffect(error) | WriteError::Lost(error)) => return Err(error),
    }
    plan.calls.insert(0, format!("PATCH {path}"));
    surroundings(cluster, ground, &mut plan).await;
    let hash = |template: &Value| Template::read(template.clone()).hash;
    let recipe = Recipe {
        path,
        uid: ground.whole["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
        generation: ground.whole["metadata"]["generation"].as_i64().unwrap_or(0),
        patch: change.patch,
        pods: change.pods,
        clue: Clue {
            template: change.template.as_ref().map(hash),
            before: Some(hash(ground.template())),
            generation: ground.whole["metadata"]["generation"].as_i64().unwrap_or(0),
            paused: change.paused,
            goal: change.goal,
            leaving: change.leaving,
            sent_at: None,
        },
    };
    plan.recipe = serde_json::to_value(recipe).unwrap_or_default();
    Ok(plan)
}

/// How it will run, and who may fight it.
async fn surroundings(cluster: &Kubernetes, ground: &Ground, plan: &mut Plan) {
    let object = &ground.workload.object;
    let spec = object.spec.as_ref();
    let replicas = spec.and_then(|spec| spec.replicas);
    match (ground.address.kind, spec) {
        (Kind::Deployment, Some(spec)) if spec.strategy.kind == "Recreate" => {
            plan.capacity
                .push("Recreate: ALL AT ONCE, nothing serves until the new ones are up".to_owned());
        }
        (Kind::Deployment, Some(spec)) => {
            plan.capacity.push(format!(
                "rolling, {}: {} instances",
                convert::limits(spec),
                replicas.unwrap_or(1)
            ));
        }
        (Kind::StatefulSet, _) => {
            plan.capacity.push("one by one, from the highest number down".to_owned());
        }
        (Kind::DaemonSet, _) => plan.capacity.push("node by node".to_owned()),
        _ => {}
    }
    if ground.rolling
        && !matches!(
            plan.request.operation,
            Operation::Cancel | Operation::Continue | Operation::Pause
        )
    {
        plan.notes.push(Note::Warning("the rollout in progress is superseded by this".to_owned()));
    }
    let (labels, annotations) = (&object.metadata.labels, &object.metadata.annotations);
    let owner = if annotations.contains_key("argocd.argoproj.io/tracking-id")
        || labels.contains_key("argocd.argoproj.io/instance")
    {
        Some("Argo CD")
    } else if labels.keys().any(|label| {
        label.starts_with("kustomize.toolkit.fluxcd.io/")
            || label.starts_with("helm.toolkit.fluxcd.io/")
    }) {
        Some("Flux")
    } else if annotations.contains_key("meta.helm.sh/release-name")
        || labels.get("app.kubernetes.io/managed-by").is_some_and(|by| by == "Helm")
    {
        Some("Helm")
    } else {
        None
    };
    if let Some(owner) = owner {
        plan.notes.push(Note::Warning(format!(
            "{owner} owns this and will put it back: change it in git as well"
        )));
    }
    if object.metadata.manager.as_ref().is_some_and(|manager| manager.applies) {
        plan.notes.push(Note::Warning("a pipeline applies this on the server's side: its next run will conflict unless it forces".to_owned()));
    }
    if spec.is_some_and(|spec| spec.revision_history_limit == Some(0)) {
        plan.notes.push(Note::Warning(
            "revisionHistoryLimit is 0: there will be no way back from this".to_owned(),
        ));
    }
    let namespace = &ground.address.namespace;
    let scaled: Result<wire::List<Value>, _> = cluster
        .connection
        .get(
            &cluster.meter,
            &format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"),
            &[],
        )
        .await;
    let aims = |one: &&Value| one["spec"]["scaleTargetRef"]["name"] == ground.address.name.as_str();
    if let Ok(list) = scaled
        && let Some(one) = list.items.iter().find(aims)
    {
        plan.notes.push(Note::Info(format!(
            "autoscaler {} is in play ({} to {} instances)",
            clean(one["metadata"]["name"].as_str().unwrap_or_default()),
            one["spec"]["minReplicas"].as_i64().unwrap_or(1),
            one["spec"]["maxReplicas"].as_i64().unwrap_or(1)
        )));
    }
}
