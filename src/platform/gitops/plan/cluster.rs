//! What is done to a pull request, and to objects of Flux.

use serde_json::json;

use super::{Draft, branch::open_step, change::suspend_step};
use crate::domain::{Goal, Note, Plan, Recipe, Step, Verb, revision_name, text::clean};
use crate::platform::{
    gitops::{
        client::{flux::FluxKind, forge::Forge},
        model::image::Version,
        operate::receipt::{Action, Guard, Tracking},
        read::{
            apps::{HELD, Proposal},
            delivery::Kustomization,
        },
    },
    operation,
};

impl Draft<'_> {
    fn tracking(&self) -> Tracking {
        Tracking {
            branch: self.view.branch.clone(),
            blind: self.view.entry_state(self.entry).workloads.is_empty(),
            lead: self.entry.lead().map(|one| (one.file.clone(), one.place.path.clone())),
            ..Tracking::default()
        }
    }

    fn recipe(&mut self, steps: Vec<Step>, goal: impl Into<Goal>, tracking: &Tracking) {
        self.plan.recipe = Some(Recipe {
            id: operation::new_id(),
            guard: json!(Guard {
                head: self.view.snapshot.commit.clone(),
                branch: self.view.branch.clone(),
                commit: None
            }),
            steps,
            goal: goal.into(),
            tracking: json!(tracking),
            ..Recipe::default()
        });
    }

    /// Before the merge: the pull request is closed, and our branch goes if it is still ours.
    pub(super) fn cancel(mut self) -> Plan {
        let name = self.entry.name.clone();
        let entry_state = self.view.entry_state(self.entry);
        let Some(proposal) = entry_state.proposal.cloned() else {
            let app = self.view.app(self.entry, &self.repository.setting());
            return match app.rollout {
                Some(rollout) => {
                    let commit =
                        rollout.id.as_str().get(..12).unwrap_or(rollout.id.as_str()).to_owned();
                    let why = format!(
                        "the change of {name} is on the branch {} already, as {commit}: roll back instead",
                        self.view.branch
                    );
                    self.refuse(why)
                }
                None => self.refuse(format!("{name} has no rollout in progress")),
            };
        };
        let now = entry_state.deployed().name();
        let remote = self.repository.mirror.pushes_to();
        let (branch, commit) = (proposal.branch.clone(), proposal.commit.id.clone());
        let mut steps = Vec::new();
        let ours = proposal.head == commit;
        if !ours && proposal.pull.is_none() {
            let why = format!("somebody has put commits on the branch {branch}: delete it by hand");
            return self.refuse(why);
        }
        if let (Some(pull), Ok(forge)) = (&proposal.pull, &self.repository.forge) {
            steps.push(Step {
                label: format!("close pull request {}", pull.number),
                calls: vec![format!("close pull request {} ({})", pull.number, forge.name)],
                action: json!(Action::Close { number: pull.number }),
                completes: !ours,
                ..Step::default()
            });
        }
        if !ours {
            let text = format!("somebody has put commits on the branch {branch}: it stays");
            self.plan.notes.push(Note::Warning(text));
        }
        let deletes = Step {
            label: format!("delete the branch {branch}"),
            calls: vec![format!(
                "git push --force-with-lease=refs/heads/{branch}:{commit} {remote} :refs/heads/{branch}"
            )],
            action: json!(Action::Push {
                commit: String::new(),
                branch: branch.clone(),
                expected: commit.clone()
            }),
            completes: true,
            ..Step::default()
        };
        steps.extend(Some(deletes).filter(|_| ours));
        if let (Some(why), Ok(_)) = (&proposal.unseen, &self.repository.forge) {
            let text = format!(
                "whether it has a pull request is not known ({why}): the forge closes one whose branch goes"
            );
            self.plan.notes.push(Note::Warning(text));
        }
        let closes = match &proposal.pull {
            Some(pull) => format!("pull request {} is closed, and ", pull.number),
            None => String::new(),
        };
        let goes = if ours { "goes, if it is still what was looked at" } else { "stays" };
        self.plan.method = format!(
            "{closes}the branch {branch} {goes}; the branch {} stays as it is",
            self.view.branch
        );
        self.plan.by_hand = vec![format!("git push origin --delete {branch}")];
        let mut tracking = self.tracking();
        tracking.own = Some(branch);
        commit.clone_into(&mut tracking.commit);
        self.recipe(steps, format!("still on {now}"), &tracking);
        if let Some(recipe) = &mut self.plan.recipe {
            recipe.undoes = true;
            recipe.rollout = Some(crate::domain::RolloutId::new(&commit));
        }
        self.plan
    }

    /// Opens the pull request that a branch of ours lacks: opening it had failed, or somebody has deleted it.
    fn open_pull(mut self, proposal: &Proposal, forge: &Forge, version: &Version) -> Plan {
        let Proposal { branch, commit, .. } = proposal;
        let base = self.view.branch.clone();
        self.plan.method = format!("a pull request is opened from {branch} to {base}");
        self.plan.by_hand = vec![format!("# open a pull request from {branch} to {base}")];
        self.ends(version, None);
        let steps =
            vec![open_step(forge, branch, &commit.id, &base, &commit.subject, &commit.body)];
        let mut tracking = self.tracking();
        tracking.commit.clone_from(&commit.id);
        tracking.own = Some(branch.clone());
        tracking.version = Some(version.clone());
        tracking.held = commit.body.contains(HELD);
        self.recipe(steps, format!("on {}", revision_name(version.label())), &tracking);
        if let Some(recipe) = &mut self.plan.recipe {
            recipe.rollout = Some(crate::domain::RolloutId::new(&commit.id));
        }
        self.plan
    }

    /// Merges the pull request that waits, with the head that was looked at; or lets a suspended object go on.
    pub(super) async fn carry_on(mut self) -> Plan {
        let name = self.entry.name.clone();
        let entry_state = self.view.entry_state(self.entry);
        if let Some(proposal) = entry_state.proposal.cloned() {
            let version = proposal.version(self.entry).cloned().unwrap_or_default();
            let forge = match &self.repository.forge {
                Ok(forge) => forge.clone(),
                Err(why) => {
                    let what = format!(
                        "{name} waits on the branch {}, and {why}: merge it by hand",
                        proposal.branch
                    );
                    return self.refuse(what);
                }
            };
            if let Some(why) = &proposal.unseen {
                let what = format!("whether {name} has a pull request is not known ({why})");
                return self.refuse(what);
            }
            let Some(pull) = proposal.pull.clone() else {
                return self.open_pull(&proposal, &forge, &version);
            };
            if !pull.missing.is_empty() {
                let text = format!("{}: the forge may say no", pull.waits_for());
                self.plan.notes.push(Note::Warning(text));
            }
            if proposal.head != proposal.commit.id {
                let text = format!(
                    "the branch {} has more than this commit: somebody has put others on top",
                    proposal.branch
                );
                self.plan.notes.push(Note::Warning(text));
            }
            let way = forge.way().await;
            let how = way.as_deref().filter(|way| *way != "merge");
            let how = how.map(|way| format!(" ({way})")).unwrap_or_default();
            self.plan.method = format!(
                "pull request {} is merged{how}, if it is still at {}",
                pull.number,
                pull.head.get(..12).unwrap_or(&pull.head)
            );
            let held = proposal.commit.body.contains(HELD);
            let marked =
                self.entry.places.iter().find_map(|one| Some((&one.file, one.place.policy()?)));
            let moves = marked.and_then(|(file, policy)| {
                let seen = self.view.seen.as_ref()?;
                Some((policy.to_owned(), seen.moves(file, policy)?.interval))
            });
            if let Some((policy, interval)) = moves.filter(|_| !held) {
                let soon =
                    interval.map(|one| format!(" within {}", crate::domain::text::span(one)));
                let text = format!(
                    "the pull request leaves the marker of {policy}: image automation will set its own tag again{}",
                    soon.unwrap_or_default()
                );
                self.plan.notes.push(Note::Warning(text));
            }
            self.plan.capacity.push(pull.address.clone());
            self.plan.by_hand = vec![format!("# merge {}", pull.address)];
            self.ends(&version, None);
            if let Some(parent) = &proposal.commit.parent {
                let diff = self.repository.mirror.diff(parent, &proposal.commit.id).await;
                self.plan.patch = diff.ok();
            }
            let remote = self.repository.mirror.pushes_to();
            let (branch, head) = (proposal.branch.clone(), pull.head.clone());
            let tidy = Step {
                label: format!("delete the branch {branch}"),
                calls: vec![format!(
                    "git push --force-with-lease=refs/heads/{branch}:{head} {remote} :refs/heads/{branch}"
                )],
                action: json!(Action::Push { commit: String::new(), branch, expected: head }),
                optional: true,
                ..Step::default()
            };
            let mut steps = vec![Step {
                label: format!("merge pull request {}", pull.number),
                calls: vec![format!(
                    "merge pull request {} at {} ({})",
                    pull.number, pull.head, forge.name
                )],
                action: json!(Action::Merge { number: pull.number, head: pull.head.clone(), way }),
                ..Step::default()
            }];
            steps.push(tidy);
            let mut tracking = self.tracking();
            tracking.commit.clone_from(&pull.head);
            tracking.own = Some(proposal.branch);
            tracking.pull = Some(pull.number);
            tracking.version = Some(version.clone());
            self.recipe(steps, format!("on {}", revision_name(version.label())), &tracking);
            if let Some(recipe) = &mut self.plan.recipe {
                recipe.rollout = Some(crate::domain::RolloutId::new(&pull.head));
            }
            return self.plan;
        }
        let (mut steps, mut by_hand) = (Vec::new(), Vec::new());
        if let Some(kustomization) = entry_state.kustomization {
            let source = self.view.seen.as_ref().and_then(|seen| seen.source(kustomization));
            if let Some(source) = source.filter(|source| source.suspended) {
                steps.push(suspend_step(
                    FluxKind::GitRepository,
                    &source.namespace,
                    &source.name,
                    false,
                ));
                by_hand.push(format!(
                    "flux resume source git {} --namespace {}",
                    source.name, source.namespace
                ));
            }
            if kustomization.suspended {
                steps.push(suspend_step(
                    FluxKind::Kustomization,
                    &kustomization.namespace,
                    &kustomization.name,
                    false,
                ));
                by_hand.push(format!(
                    "flux resume kustomization {} --namespace {}",
                    kustomization.name, kustomization.namespace
                ));
            }
        }
        if steps.is_empty() {
            return self.refuse(format!("{name} does not wait for anybody"));
        }
        let version = entry_state.wanted.clone();
        self.plan.method =
            "what is suspended in the cluster goes on, for all that it applies".to_owned();
        self.plan.by_hand = by_hand;
        let with = self.beside(entry_state.kustomization);
        self.plan.capacity.push(with);
        let mut tracking = self.tracking();
        let head = entry_state.revisions.first().map(|(commit, _)| commit.id.clone());
        tracking.commit = head.unwrap_or_default();
        tracking.version = Some(version.clone());
        self.recipe(steps, format!("on {}", revision_name(version.label())), &tracking);
        self.plan
    }

    /// The apps that a Kustomization applies together.
    fn beside(&self, kustomization: Option<&Kustomization>) -> String {
        let entries = self.view.snapshot.entries.iter();
        let own = entries.filter(|entry| {
            let of = self.view.entry_state(entry).kustomization;
            of.zip(kustomization)
                .is_some_and(|(of, one)| (&of.namespace, &of.name) == (&one.namespace, &one.name))
        });
        let names: Vec<_> = own.map(|entry| entry.name.as_str()).collect();
        format!("it applies {}", clean(&names.join(", ")))
    }

    /// Suspends the Kustomization.
    pub(super) fn pause(mut self) -> Plan {
        let entry_state = self.view.entry_state(self.entry);
        let Some(kustomization) = entry_state.kustomization else {
            return self.refuse(NO_FLUX);
        };
        if kustomization.argo.is_some() {
            return self.refuse(ARGO);
        }
        if kustomization.suspended {
            let what =
                format!("the Kustomization {} is suspended already", clean(&kustomization.name));
            return self.refuse(what);
        }
        let steps = vec![suspend_step(
            FluxKind::Kustomization,
            &kustomization.namespace,
            &kustomization.name,
            true,
        )];
        let with = self.beside(entry_state.kustomization);
        self.plan.capacity.push(with);
        self.plan.method = format!(
            "the Kustomization {}/{} is suspended, for all that it applies; what is applied already goes on",
            kustomization.namespace, kustomization.name
        );
        self.plan.by_hand = vec![format!(
            "flux suspend kustomization {} --namespace {}",
            kustomization.name, kustomization.namespace
        )];
        let mut tracking = self.tracking();
        tracking.state = Some(true);
        tracking.object = Some((kustomization.namespace.clone(), kustomization.name.clone()));
        self.recipe(steps, "held: nothing is applied until it is continued", &tracking);
        self.plan
    }

    /// Has Flux look now: first the source, then what applies it.
    pub(super) fn reconcile(mut self) -> Plan {
        let entry_state = self.view.entry_state(self.entry);
        let found = entry_state.kustomization.zip(self.view.seen.as_ref());
        let found = found.and_then(|(one, seen)| Some((one, seen.source(one)?)));
        let Some((kustomization, source)) = found else {
            return self.refuse(NO_FLUX);
        };
        if kustomization.argo.is_some() {
            return self.refuse(ARGO);
        }
        if let Some(what) =
            [("GitRepository", source.suspended), ("Kustomization", kustomization.suspended)]
                .iter()
                .find(|(_, suspended)| *suspended)
        {
            let what =
                format!("the {} is suspended: Flux refuses to look until it is continued", what.0);
            return self.refuse(what);
        }
        let at = (self.repository.now)().to_string();
        let step = |kind: FluxKind, namespace: &str, name: &str| Step {
            label: format!("have Flux look at {}/{name}", kind.plural()),
            calls: vec![format!(
                "PATCH {} {namespace}/{name} reconcile.fluxcd.io/requestedAt={at}",
                kind.plural()
            )],
            action: json!(Action::Reconcile {
                kind: kind.plural().to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                at: at.clone(),
            }),
            ..Step::default()
        };
        let steps = vec![
            step(FluxKind::GitRepository, &source.namespace, &source.name),
            step(FluxKind::Kustomization, &kustomization.namespace, &kustomization.name),
        ];
        self.plan.method =
            "Flux fetches the branch and applies it now, rather than at its interval".to_owned();
        self.plan.by_hand = vec![format!(
            "flux reconcile kustomization {} --namespace {} --with-source",
            kustomization.name, kustomization.namespace
        )];
        let mut tracking = self.tracking();
        tracking.object = Some((kustomization.namespace.clone(), kustomization.name.clone()));
        tracking.asked = Some(at);
        self.recipe(steps, "reconciled", &tracking);
        self.plan
    }

    /// Lets suspended automations go on.
    pub(super) fn resume_automation(mut self, suspended: &[(String, String)]) -> Plan {
        let steps: Vec<_> = suspended
            .iter()
            .map(|(namespace, name)| suspend_step(FluxKind::Automation, namespace, name, false))
            .collect();
        self.plan.method = "image automation goes on, for all images of its namespace".to_owned();
        let entry_state = self.view.entry_state(self.entry);
        let policies = self.entry.places.iter().filter_map(|one| one.place.policy());
        let seen = self.view.seen.iter().flat_map(|seen| &seen.policies);
        let latest = seen
            .filter(|one| policies.clone().any(|policy| policy == one.name))
            .find_map(|one| one.latest.clone());
        if let Some(latest) =
            latest.filter(|latest| Some(latest) != entry_state.wanted.tag.as_ref())
        {
            let text = format!("the policy wants {latest}: automation will set it at its next run");
            self.plan.notes.push(Note::Warning(text));
        }
        self.plan.by_hand = suspended
            .iter()
            .map(|(namespace, name)| {
                format!("flux resume image update {name} --namespace {namespace}")
            })
            .collect();
        let tracking = self.tracking();
        self.recipe(steps, "released: image automation moves it again", &tracking);
        debug_assert_eq!(self.plan.request.operation.verb(), Verb::Release);
        self.plan
    }
}

pub(in crate::platform::gitops) const NO_FLUX: &str =
    "no Kustomization of Flux that applies it is seen: name a cluster for this target";

const ARGO: &str = "Argo CD applies it, which revdeck only reads: do that there";
