//! What is to be seen of an operation: where its commit is, what became of its pull request, and what the Pods run.

use std::sync::atomic::Ordering;

use jiff::SignedDuration;

use crate::domain::{
    App, Count, Finding, Observation, Overtaken, Receipt, RolloutId, Verb, text::clean,
};
use crate::platform::sync::lock;
use crate::platform::{
    Error,
    gitops::{
        client::{flux::FluxKind, forge::Pull},
        operate::receipt::Tracking,
        read::{apps::View, snapshot::Entry},
        repository::Repository,
    },
};

/// How often a pull request is asked for that an operation waits for.
const AWAITED: SignedDuration = SignedDuration::from_secs(10);

fn seen(finding: Finding, app: &App) -> Observation {
    Observation { finding, rollout: app.rollout.clone(), id: None }
}

fn overtaken(what: Overtaken, by: Option<String>) -> Finding {
    Finding::Overtaken { what, by }
}

impl Repository {
    /// Looks how an operation stands.
    pub(in crate::platform::gitops) async fn observe(
        &self,
        receipt: &Receipt,
    ) -> Result<Observation, Error> {
        let tracking: Tracking = self.read_own("the receipt", &receipt.recipe.tracking)?;
        // First, since what it says decides what the branches mean.
        let pull = self.pull(&tracking).await?;
        let view = self.look(true).await?;
        let Some(entry) = Self::tracked(&view, receipt, &tracking) else {
            return Ok(overtaken(Overtaken::Deleted, None).into());
        };
        if self.cluster.is_some()
            && view.seen.is_none()
            && !tracking.blind
            && tracking.version.is_some()
        {
            let why = "the cluster cannot be read".to_owned();
            return Err(Error::Unreachable { api: self.mirror.git.remote.clone(), why });
        }
        let app = view.app(entry, &self.setting());
        if let Some((namespace, name)) = &tracking.object {
            let entry_state = view.entry_state(entry);
            let source = view.seen.as_ref().zip(entry_state.kustomization);
            let source = source.and_then(|(seen, one)| seen.source(one)?.fetched.clone());
            return self.object(receipt, &tracking, (namespace, name), (&app, source)).await;
        }
        if receipt.verb == Verb::Cancel {
            return self.cancelled(&tracking, pull.as_ref(), &app).await;
        }
        if tracking.version.is_none() {
            // Automation that goes on: its step is its end.
            return Ok(seen(Finding::Arrived { count: None, label: None }, &app));
        }
        let commit = match &pull {
            None => tracking.commit.clone(),
            Some(pull) if pull.merged => {
                pull.merge_commit.clone().unwrap_or_else(|| tracking.commit.clone())
            }
            Some(pull) if pull.open => return Ok(seen(Finding::Moving, &app)),
            Some(_) => return Ok(seen(overtaken(Overtaken::Cancelled, None), &app)),
        };
        let head = &view.snapshot.commit;
        let there = self.mirror.has(&commit).await && self.mirror.contains(head, &commit).await?;
        if !there {
            return self.not_there(receipt, &tracking, &view, (entry, &app)).await;
        }
        self.arrived(receipt, &tracking, &view, (entry, &app), &commit).await
    }

    /// The app of a receipt: by its identifier, or by the place that the operation was about, since places are sorted anew
    /// when versions meet or part.
    fn tracked<'a>(view: &'a View, receipt: &Receipt, tracking: &Tracking) -> Option<&'a Entry> {
        let has = |one: &&Entry| {
            tracking.lead.as_ref().is_some_and(|(file, path)| {
                one.places.iter().any(|place| place.file == *file && place.place.path == *path)
            })
        };
        let by_place = view.snapshot.entries.iter().find(has);
        by_place.or_else(|| view.entry(receipt.app.app.as_str()))
    }

    /// The pull request of an operation, where it has one.
    async fn pull(&self, tracking: &Tracking) -> Result<Option<Pull>, Error> {
        let (Some(own), Ok(forge)) = (&tracking.own, &self.forge) else { return Ok(None) };
        let known = lock(&self.latest).pulls.get(own).cloned();
        let now = (self.now)();
        let sent = self.sent.load(Ordering::Acquire);
        let pull = match (tracking.pull, known) {
            // Somebody waits for it, and nobody's quota is worth a request every few seconds.
            (Some(number), Some((at, Ok(Some(pull)))))
                if !sent && pull.number == number && now.duration_since(at).abs() < AWAITED =>
            {
                return Ok(Some(pull));
            }
            (Some(number), Some(_)) => Some(forge.look(number).await?),
            (Some(number), None) => Some(forge.read(number).await?),
            (None, _) => {
                let message = self.mirror.message(&tracking.commit).await;
                forge.find(own, &tracking.commit, &message).await?
            }
        };
        lock(&self.latest).pulls.insert(own.clone(), (now, Ok(pull.clone())));
        Ok(pull)
    }

    /// The branch does not have the commit.
    async fn not_there(
        &self,
        receipt: &Receipt,
        tracking: &Tracking,
        view: &View,
        (entry, app): (&Entry, &App),
    ) -> Result<Observation, Error> {
        let wanted = entry.lead().map(|lead| &lead.place.version);
        // Squashed or rebased by hand: the effect is what counts.
        if tracking.own.is_some() && !receipt.lost && wanted == tracking.version.as_ref() {
            return self
                .arrived(receipt, tracking, view, (entry, app), &view.snapshot.commit)
                .await;
        }
        if let Some(own) = &tracking.own {
            // On a branch of its own, without a forge: it waits there until somebody merges it.
            return Ok(match self.mirror.head_of(own).await? {
                Some(_) => seen(Finding::Moving, app),
                None if receipt.lost => Finding::NotArrived.into(),
                None => seen(overtaken(Overtaken::Cancelled, None), app),
            });
        }
        if receipt.lost || receipt.done == 0 {
            return Ok(Finding::NotArrived.into());
        }
        Ok(seen(overtaken(Overtaken::MovedBack(tracking.branch.clone()), None), app))
    }

    /// The branch has the commit: whether it still says what was asked for, and what the Pods run.
    async fn arrived(
        &self,
        receipt: &Receipt,
        tracking: &Tracking,
        view: &View,
        (entry, app): (&Entry, &App),
        commit: &str,
    ) -> Result<Observation, Error> {
        let entry_state = view.entry_state(entry);
        let id = Some(RolloutId::new(commit));
        let told = |finding: Finding| Observation {
            finding,
            rollout: app.rollout.clone(),
            id: id.clone(),
        };
        if tracking.version.as_ref() != Some(&entry_state.wanted) {
            let by = entry_state.revisions.first().map(|(newest, version)| {
                format!("{} ({})", clean(&newest.author), clean(&version.label()))
            });
            return Ok(told(overtaken(Overtaken::Superseded, by)));
        }
        let label = Some(clean(&entry_state.wanted.label()));
        if entry_state.workloads.is_empty() && !tracking.blind && self.cluster.is_some() {
            let why = "nothing in the cluster runs this image any more".to_owned();
            return Ok(told(Finding::Failed(why)));
        }
        if entry_state.workloads.is_empty() || receipt.verb == Verb::Release {
            return Ok(told(Finding::Arrived { count: None, label }));
        }
        // Pods that run it by chance, before Flux has got there, may yet be given what was fetched before.
        if let Some(kustomization) = entry_state.kustomization {
            let named: Vec<_> =
                [&kustomization.attempted, &kustomization.applied].into_iter().flatten().collect();
            let mut there = named.is_empty();
            for at in named {
                there |= self.mirror.has(at).await && self.mirror.contains(at, commit).await?;
            }
            if !there {
                return Ok(told(Finding::Moving));
            }
        }
        let all = entry_state.serving.as_ref() == Some(&entry_state.wanted);
        if app.rolls() || !all {
            return Ok(told(Finding::Moving));
        }
        let count = app.instances;
        Ok(told(match count {
            Count { desired, running: Some(running) } if running >= desired => {
                Finding::Arrived { count: Some(count), label }
            }
            count => Finding::Settling { count, since: None },
        }))
    }

    /// A change that was to be taken back before it was merged.
    async fn cancelled(
        &self,
        tracking: &Tracking,
        pull: Option<&Pull>,
        app: &App,
    ) -> Result<Observation, Error> {
        if pull.is_some_and(|pull| pull.merged) {
            return Ok(seen(overtaken(Overtaken::Finished, None), app));
        }
        let open = pull.is_some_and(|pull| pull.open);
        let there = match &tracking.own {
            Some(own) => {
                self.mirror.head_of(own).await?.is_some_and(|head| head == tracking.commit)
            }
            None => false,
        };
        if open || there {
            return Ok(Finding::NotArrived.into());
        }
        Ok(seen(Finding::Arrived { count: None, label: None }, app))
    }

    /// An object of Flux that was to be suspended, or to look.
    async fn object(
        &self,
        receipt: &Receipt,
        tracking: &Tracking,
        (namespace, name): (&str, &str),
        (app, fetched): (&App, Option<String>),
    ) -> Result<Observation, Error> {
        let Some(cluster) = &self.cluster else { return Ok(Finding::NotArrived.into()) };
        let object = cluster.get(FluxKind::Kustomization, namespace, name).await?;
        let arrived = Finding::Arrived { count: None, label: None };
        if let Some(state) = tracking.state {
            let is = (object["spec"]["suspend"] == true) == state;
            return Ok(if is { seen(arrived, app) } else { Finding::NotArrived.into() });
        }
        let handled = object["status"]["lastHandledReconcileAt"].as_str();
        if handled.is_none() || handled != tracking.asked.as_deref() {
            let asked =
                object["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"].as_str();
            let there = asked == tracking.asked.as_deref();
            let finding =
                if there || !receipt.lost { Finding::Moving } else { Finding::NotArrived };
            return Ok(finding.into());
        }
        // It was asked to look together with its source: what it has looked at must be what that has fetched.
        let attempted = object["status"]["lastAttemptedRevision"].as_str().unwrap_or_default();
        if fetched.is_some_and(|id| !attempted.ends_with(&id)) {
            return Ok(Finding::Moving.into());
        }
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let ready = conditions.clone().find(|one| one["type"] == "Ready");
        Ok(match ready.map(|one| (one["status"].as_str().unwrap_or_default(), one)) {
            // How healthy what it applied is, is not what was asked.
            Some(("False", one)) if one["reason"] == "HealthCheckFailed" => seen(arrived, app),
            Some(("False", one)) => {
                let why = format!(
                    "{}: {}",
                    one["reason"].as_str().unwrap_or_default(),
                    one["message"].as_str().unwrap_or_default()
                );
                seen(Finding::Failed(clean(&why)), app)
            }
            Some(_) | None => seen(arrived, app),
        })
    }
}
