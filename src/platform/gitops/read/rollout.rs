//! The rollout of an app: from the commit, through its pull request and Flux, to the Pods.

use jiff::Timestamp;

use super::{
    apps::{EntryState, Proposal, View, note},
    cluster::Workload,
    history::Commit,
};
use crate::domain::{
    App, Instance, InstanceState, Phase, RevisionId, RevisionRef, Rollout, RolloutId, Side, Stage,
    StageState, Strategy, Stuck, text::clean,
};
use crate::platform::gitops::model::image::Version;

impl View {
    /// The rollout in progress of an app: a change that waits on a branch, one that Flux has not brought out yet, or Pods
    /// that come and go.
    pub(in crate::platform::gitops) fn rollout(
        &self,
        entry_state: &EntryState<'_>,
        now: Timestamp,
    ) -> Option<Rollout> {
        let entry = entry_state.entry;
        let moving: Vec<_> =
            entry_state.workloads.iter().filter_map(|one| one.app.rollout.as_ref()).collect();
        let head = entry_state.revisions.first().map(|(commit, _)| *commit);
        // Pods on their way tell of this change only where they bring what it says.
        let other = |one: &Workload| {
            one.coming(&entry.image).is_some_and(|coming| *coming != entry_state.wanted)
        };
        let behind =
            entry_state.serving.as_ref().is_some_and(|serving| *serving != entry_state.wanted)
                || entry_state.workloads.iter().any(|one| other(one));
        if let Some(proposal) = entry_state.proposal {
            return Some(self.proposed(entry_state, proposal));
        }
        if !behind && moving.is_empty() {
            return None;
        }
        let head = head?;
        let (olds, news, overlap) = entry_state.sides(Some(&entry_state.wanted));
        let mut rollout = Rollout {
            id: RolloutId::new(&head.id),
            phase: Phase::Accepted,
            proposed: false,
            reason: String::new(),
            strategy: Strategy::Rolling,
            max_in_flight: None,
            limits: moving.first().and_then(|one| one.limits.clone()),
            stages: Vec::new(),
            wanted: entry_state.workloads.iter().map(|one| one.app.instances.desired).sum(),
            old: Side::sum(olds.iter()),
            overlap,
            new: Side::sum(news.iter()),
            from: Some(entry_state.leaving()),
            to: Some(RevisionRef {
                id: RevisionId::new(&head.id),
                label: Some(clean(&entry_state.wanted.label())),
            }),
            started_at: Some(head.committed),
            moved_at: moving.iter().filter_map(|one| one.moved_at).chain([head.committed]).max(),
            deadline: None,
            stuck: None,
            held: moving.iter().find_map(|one| one.held.clone()),
            error: moving.iter().find_map(|one| one.error.clone()),
            note: note(&head.body),
        };
        let worst = moving.iter().map(|one| one.phase).max_by_key(|phase| match phase {
            Phase::Stuck => 5,
            Phase::Slow => 4,
            Phase::Paused => 3,
            Phase::Rolling => 2,
            _ => 1,
        });
        let brings = entry_state
            .workloads
            .iter()
            .any(|one| one.coming(&entry.image) == Some(&entry_state.wanted));
        match worst {
            Some(phase) if brings || !behind => {
                rollout.phase = phase;
                rollout.deadline = moving.iter().filter_map(|one| one.deadline).max();
                rollout.moved_at = moving.iter().filter_map(|one| one.moved_at).max();
                rollout.stuck = moving.iter().find_map(|one| one.stuck.clone());
                rollout.reason = moving.first().map(|one| one.reason.clone()).unwrap_or_default();
            }
            _ => self.not_out_yet(entry_state, head, &mut rollout, now),
        }
        rollout.stages = self.stages(entry_state, head, &rollout, None);
        Some(rollout)
    }

    /// A change that the branch has and the Pods do not: how far Flux is, and what keeps it.
    fn not_out_yet(
        &self,
        entry_state: &EntryState<'_>,
        head: &Commit,
        rollout: &mut Rollout,
        now: Timestamp,
    ) {
        rollout.phase = Phase::Accepted;
        let Some((seen, kustomization)) = self.seen.as_ref().zip(entry_state.kustomization) else {
            "nothing that applies it was found in the cluster".clone_into(&mut rollout.reason);
            return;
        };
        let who = kustomization.by();
        let source = seen.source(kustomization);
        let fetched = source.and_then(|source| source.fetched.as_ref());
        let fetched = fetched.is_some_and(|at| self.holds(at, &head.id));
        let attempted = kustomization.attempted.as_ref().is_some_and(|at| self.holds(at, &head.id));
        let blocked = if source.is_some_and(|source| source.suspended) {
            Some(
                "the GitRepository is suspended: nothing is fetched until it is resumed".to_owned(),
            )
        } else if kustomization.suspended {
            Some(format!(
                "the Kustomization {} is suspended: nothing is applied until it is resumed",
                kustomization.name
            ))
        } else if let Some(ready) =
            source.and_then(|source| source.ready.as_ref()).filter(|one| one.status == "False")
        {
            Some(format!("{who} cannot fetch ({}): {}", ready.reason, ready.message))
        } else if let Some(ready) = kustomization.ready.as_ref().filter(|one| {
            // What failed of the one before does not keep this one, but for what all of them wait for.
            let general = ["DependencyNotReady", "ArtifactFailed"].contains(&one.reason.as_str());
            one.status == "False" && (attempted || general)
        }) {
            let stage = match ready.reason.as_str() {
                "DependencyNotReady" => "waits for another Kustomization",
                "BuildFailed" => "cannot build it",
                "ArtifactFailed" => "has nothing to apply",
                "HealthCheckFailed" | "Degraded" | "Missing" => "has found it unhealthy",
                _ => "cannot apply it",
            };
            Some(format!("{who} {stage} ({}): {}", ready.reason, ready.message))
        } else {
            None
        };
        let by_hand = kustomization.argo == Some(false);
        rollout.reason = match (&blocked, fetched, attempted) {
            (Some(why), ..) => why.clone(),
            (None, false, _) => format!("on the branch; {who} has not fetched it yet"),
            (None, true, false) => match &kustomization.reconciling {
                Some(doing) if kustomization.checking => format!(
                    "the Kustomization {} still waits for the health of what it applied before{}, and applies this after that",
                    kustomization.name,
                    doing
                        .waits(now)
                        .map(|left| format!(", for {left} at most"))
                        .unwrap_or_default()
                ),
                _ if by_hand => format!("fetched; {who} does not sync it by itself: sync it there"),
                _ => format!("fetched; {who} has not applied it yet"),
            },
            (None, true, true) => "applied; the Pods have not changed yet".to_owned(),
        };
        let suspended = kustomization.suspended || source.is_some_and(|source| source.suspended);
        if suspended || (by_hand && fetched && !attempted) {
            // Somebody did that, and it goes on when it is continued.
            rollout.phase = Phase::Paused;
        } else if let Some(why) = blocked {
            let since = rollout.moved_at.unwrap_or(now);
            rollout.phase = Phase::Stuck;
            rollout.stuck = Some(Stuck { since, why, late: false });
        } else if fetched || attempted {
            rollout.phase = Phase::Rolling;
        }
    }

    /// A change that waits on a branch of its own.
    fn proposed(&self, entry_state: &EntryState<'_>, proposal: &Proposal) -> Rollout {
        let version = proposal.version(entry_state.entry).cloned().unwrap_or_default();
        let pull = proposal.pull.as_ref();
        let missing = match pull {
            None => match &proposal.unseen {
                Some(why) => format!(
                    "on the branch {}: whether it has a pull request is not known ({why})",
                    proposal.branch
                ),
                None => {
                    format!("on the branch {}: nobody has opened a pull request", proposal.branch)
                }
            },
            Some(pull) => pull.waits_for(),
        };
        let (olds, _, overlap) = entry_state.sides(Some(&version));
        let known = self.seen.is_some();
        let mut rollout = Rollout {
            id: RolloutId::new(&proposal.commit.id),
            phase: Phase::Paused,
            proposed: true,
            reason: missing,
            strategy: Strategy::Rolling,
            max_in_flight: None,
            limits: None,
            stages: Vec::new(),
            wanted: entry_state.workloads.iter().map(|one| one.app.instances.desired).sum(),
            old: if known { Side::sum(olds.iter()) } else { Side::default() },
            overlap,
            new: Side { desired: 0, instances: known.then(Vec::new) },
            from: Some(entry_state.reference(&entry_state.wanted)),
            to: Some(RevisionRef {
                id: RevisionId::new(&proposal.commit.id),
                label: Some(clean(&version.label())),
            }),
            started_at: Some(proposal.commit.committed),
            moved_at: Some(proposal.commit.committed),
            deadline: None,
            stuck: None,
            held: None,
            error: None,
            note: note(&proposal.commit.body),
        };
        rollout.stages = self.stages(entry_state, &proposal.commit, &rollout, Some(proposal));
        rollout
    }

    /// Whether a commit that Flux names holds one of the branch's, as far as that was looked up.
    pub(in crate::platform::gitops) fn holds(&self, at: &str, commit: &str) -> bool {
        at == commit
            || self.reached.get(&(at.to_owned(), commit.to_owned())).copied().unwrap_or(false)
    }

    /// The stages of a change, each as far as it can be seen.
    fn stages(
        &self,
        entry_state: &EntryState<'_>,
        commit: &Commit,
        rollout: &Rollout,
        proposal: Option<&Proposal>,
    ) -> Vec<Stage> {
        let stage = |name: &str,
                     state: StageState,
                     since: Option<Timestamp>,
                     detail: Option<String>| Stage {
            name: name.to_owned(),
            state,
            since,
            detail: detail.map(|text| clean(&text)),
        };
        let mut stages = vec![
            stage(
                "committed",
                StageState::Done,
                Some(commit.written),
                Some(format!("by {}", commit.author)),
            ),
            stage("pushed", StageState::Done, Some(commit.committed), None),
        ];
        if let Some(proposal) = proposal {
            let detail = proposal.pull.as_ref().map(|pull| pull.address.clone());
            stages.push(stage("pull request", StageState::Waiting, Some(commit.committed), detail));
            stages.push(stage("merged", StageState::Pending, None, None));
        }
        let Some((seen, kustomization)) = self.seen.as_ref().zip(entry_state.kustomization) else {
            let state = if self.seen.is_some() && proposal.is_none() {
                StageState::Unknown
            } else {
                StageState::Pending
            };
            let state = if self.seen.is_none() { StageState::Unknown } else { state };
            stages.push(stage("applied", state, None, None));
            stages.push(stage(
                "Pods",
                if self.seen.is_some() { StageState::Pending } else { StageState::Unknown },
                None,
                None,
            ));
            return stages;
        };
        let source = seen.source(kustomization);
        let fetched = source
            .and_then(|one| one.fetched.as_ref())
            .is_some_and(|at| self.holds(at, &commit.id));
        let attempted =
            kustomization.attempted.as_ref().is_some_and(|at| self.holds(at, &commit.id));
        let applied = kustomization.applied.as_ref().is_some_and(|at| self.holds(at, &commit.id));
        let broken = rollout.stuck.is_some();
        let state = |done: bool, before: bool| match (done, before) {
            (true, _) => StageState::Done,
            (false, true) if broken => StageState::Failed,
            (false, true) => StageState::Active,
            (false, false) => StageState::Pending,
        };
        let merged = proposal.is_none();
        stages.push(stage(
            "fetched",
            state(fetched, merged),
            source.and_then(|one| one.fetched_at).filter(|_| fetched),
            None,
        ));
        let doing = kustomization.reconciling.as_ref().or(kustomization.ready.as_ref());
        let said = doing.map(|one| one.message.clone()).filter(|_| fetched && !applied);
        // Before it is attempted, Flux speaks of the one before.
        let before = (fetched && !attempted && kustomization.checking)
            .then(|| "waits for the health of the one before".to_owned());
        let waiting = said.filter(|_| attempted);
        stages.push(stage("applied", state(attempted, fetched), None, before));
        if kustomization.waits {
            let checking = kustomization.reconciling.is_some() && attempted && !applied;
            let ill = checking && kustomization.ill.iter().any(|at| self.holds(at, &commit.id));
            let (healthy, said) = match (ill, checking) {
                // It was looked at before, and is again: the conditions speak of now alone.
                (true, _) => {
                    let text = "it was not healthy in time, and Flux tries again";
                    (StageState::Failed, Some(text.to_owned()))
                }
                (false, true) => (StageState::Active, waiting),
                (false, false) => (state(applied, attempted), waiting),
            };
            stages.push(stage("healthy", healthy, None, said));
        }
        let pods = match rollout.phase {
            Phase::Rolling | Phase::Slow if attempted => StageState::Active,
            Phase::Stuck if attempted => StageState::Failed,
            _ => StageState::Pending,
        };
        stages.push(stage("Pods", pods, None, None));
        stages
    }
}

impl EntryState<'_> {
    /// The sides of what moves: what goes, what comes, and each of what goes where that is several. What is on its way and
    /// is not what is wanted is to go, as what serves is.
    fn sides(&self, wanted: Option<&Version>) -> (Vec<Side>, Vec<Side>, Vec<(RevisionRef, Side)>) {
        let image = &self.entry.image;
        let (mut olds, mut news, mut overlap) = (Vec::new(), Vec::new(), Vec::new());
        for one in &self.workloads {
            let Some(rollout) = &one.app.rollout else {
                olds.push(one.app.serving.clone().unwrap_or_else(|| running(&one.app)));
                continue;
            };
            olds.push(rollout.old.clone());
            match one.coming(image).filter(|coming| Some(*coming) != wanted) {
                None => news.push(rollout.new.clone()),
                Some(version) => {
                    let serves = one.serving(image).cloned().unwrap_or_default();
                    overlap.push((self.reference(&serves), rollout.old.clone()));
                    overlap.push((self.reference(version), rollout.new.clone()));
                    olds.push(rollout.new.clone());
                }
            }
        }
        (olds, news, overlap)
    }

    /// What is left behind: what the branch said before, where the Pods were on their way to it, else what serves.
    fn leaving(&self) -> RevisionRef {
        let other = self
            .workloads
            .iter()
            .find_map(|one| one.coming(&self.entry.image).filter(|coming| **coming != self.wanted));
        other.map_or_else(|| self.deployed(), |version| self.reference(version))
    }
}

/// The instances of a workload at rest.
fn running(app: &App) -> Side {
    let one = Instance { name: None, state: InstanceState::Running, since: None, reason: None };
    Side {
        desired: app.instances.desired,
        instances: app.instances.running.map(|number| vec![one; number as usize]),
    }
}
