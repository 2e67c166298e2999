//! From places, commits and the cluster to apps, revisions and rollouts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    cluster::{Seen, Workload},
    delivery::Kustomization,
    history::{Commit, ImageChange, Past},
    snapshot::{Entry, Snapshot},
};
use crate::domain::{
    App, AppState, Count, Deployable, History, Revision, RevisionId, RevisionRef, Side, TargetId,
    TrackRecord, text::clean,
};
use crate::platform::gitops::{client::forge::Pull, model::image::Version, options::KIND};

/// All that is known of a repository at a moment.
#[derive(Clone, Debug, Default)]
pub(in crate::platform::gitops) struct View {
    pub(in crate::platform::gitops) branch: String,
    pub(in crate::platform::gitops) snapshot: Snapshot,
    pub(in crate::platform::gitops) past: Past,
    /// What the cluster tells; `None` where none is known, or it cannot be read.
    pub(in crate::platform::gitops) seen: Option<Seen>,
    /// Changes that wait on branches of their own.
    pub(in crate::platform::gitops) proposals: Vec<Proposal>,
    /// Of the commits that Flux names: which of the branch's changes each holds.
    pub(in crate::platform::gitops) reached: BTreeMap<(String, String), bool>,
}

/// A change on a branch of revdeck's, with its pull request where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform::gitops) struct Proposal {
    pub(in crate::platform::gitops) branch: String,
    /// Where the branch is: at our commit, or at one that somebody has put on top of it.
    pub(in crate::platform::gitops) head: String,
    pub(in crate::platform::gitops) commit: Commit,
    pub(in crate::platform::gitops) pull: Option<Pull>,
    /// Why it is not known whether it has a pull request.
    pub(in crate::platform::gitops) unseen: Option<String>,
}

impl Proposal {
    /// The version that it brings to an app.
    pub(in crate::platform::gitops) fn version(&self, entry: &Entry) -> Option<&Version> {
        let mine = self.commit.changes.iter().find(|change| {
            entry.is_called(&change.image) && entry.places.iter().any(|one| one.file == change.file)
        });
        mine.and_then(|change| change.new.as_ref())
    }
}

/// What converting needs besides the view.
#[derive(Clone, Debug)]
pub(in crate::platform::gitops) struct Setting {
    pub(in crate::platform::gitops) target: TargetId,
    /// The repository's name.
    pub(in crate::platform::gitops) repository: String,
    pub(in crate::platform::gitops) now: Timestamp,
}

/// How an app stands: what the branch says, what serves, and who runs it.
pub(in crate::platform::gitops) struct EntryState<'a> {
    pub(in crate::platform::gitops) entry: &'a Entry,
    /// What the branch says.
    pub(in crate::platform::gitops) wanted: Version,
    /// What serves; `None` where it is not known.
    pub(in crate::platform::gitops) serving: Option<Version>,
    pub(in crate::platform::gitops) workloads: Vec<&'a Workload>,
    pub(in crate::platform::gitops) revisions: Vec<(&'a Commit, Version)>,
    pub(in crate::platform::gitops) kustomization: Option<&'a Kustomization>,
    pub(in crate::platform::gitops) proposal: Option<&'a Proposal>,
}

impl View {
    /// The entry of an identifier.
    pub(in crate::platform::gitops) fn entry(&self, id: &str) -> Option<&Entry> {
        self.snapshot.entries.iter().find(|one| one.id.as_str() == id)
    }

    /// How an app stands.
    pub(in crate::platform::gitops) fn entry_state<'a>(
        &'a self,
        entry: &'a Entry,
    ) -> EntryState<'a> {
        let wanted = entry.lead().map(|lead| lead.place.version.clone()).unwrap_or_default();
        let kustomization = self
            .seen
            .as_ref()
            .and_then(|seen| entry.places.iter().find_map(|one| seen.applies(&one.file)));
        let runs = |workload: &&Workload| {
            workload.serving(&entry.image).is_some() || workload.coming(&entry.image).is_some()
        };
        let all = self.seen.iter().flat_map(|seen| &seen.workloads).filter(runs);
        let alone = self.snapshot.is_alone(&entry.image);
        let workloads: Vec<_> = all
            .filter(|workload| {
                let own = (workload.app.scope.clone(), workload.app.name.clone());
                // Of several environments each has the workloads that its Kustomization applied.
                alone || kustomization.is_some_and(|one| one.inventory.contains(&own))
            })
            .collect();
        let serving = match &self.seen {
            None => None,
            Some(_) => {
                let mut versions = workloads.iter().filter_map(|one| one.serving(&entry.image));
                let differs = versions.clone().find(|version| **version != wanted);
                differs.or_else(|| versions.next()).cloned()
            }
        };
        // What is filled in elsewhere is what runs, as far as the branch tells.
        let open = wanted.tag.as_ref().is_some_and(|tag| tag.contains("${"));
        let wanted = serving.clone().filter(|_| open).unwrap_or(wanted);
        // What the branch says already waits for nobody, whatever became of its branch.
        let waits = |one: &&Proposal| one.version(entry).is_some_and(|version| *version != wanted);
        let proposal = self.proposals.iter().find(waits);
        let revisions = self.past.of(entry, &self.snapshot, false);
        EntryState { entry, wanted, serving, workloads, revisions, kustomization, proposal }
    }

    /// All apps, as the deck shows them.
    pub(in crate::platform::gitops) fn apps(&self, setting: &Setting) -> Vec<App> {
        self.snapshot.entries.iter().map(|entry| self.app(entry, setting)).collect()
    }

    /// One app.
    pub(in crate::platform::gitops) fn app(&self, entry: &Entry, setting: &Setting) -> App {
        let entry_state = self.entry_state(entry);
        let workloads = &entry_state.workloads;
        let count = Count {
            desired: workloads.iter().map(|one| one.app.instances.desired).sum(),
            running: workloads
                .iter()
                .map(|one| one.app.instances.running)
                .try_fold(0, |sum, running| Some(sum + running?))
                .filter(|_| !workloads.is_empty()),
        };
        let state = if workloads.is_empty() {
            AppState::Unknown
        } else if workloads.iter().all(|one| one.app.state == AppState::Stopped) {
            AppState::Stopped
        } else {
            AppState::judge(count)
        };
        let scope = match entry.scope.as_str() {
            "" => setting.repository.clone(),
            scope => format!("{}/{scope}", setting.repository),
        };
        let rollout = self.rollout(&entry_state, setting.now);
        let serving = workloads.iter().filter_map(|one| one.app.serving.as_ref());
        let serving =
            (rollout.is_none() && serving.clone().next().is_some()).then(|| Side::sum(serving));
        App {
            target: setting.target.clone(),
            platform: KIND,
            id: entry.id.clone(),
            name: clean(&entry.name),
            scope: clean(&scope),
            state,
            instances: count,
            deployed: Some(entry_state.deployed()),
            rollout,
            serving,
            updated_at: entry_state.revisions.first().map(|(commit, _)| commit.committed),
            versioned: Some(true),
            paused: entry_state.kustomization.is_some_and(|one| one.suspended),
            on_hold: self.on_hold(&entry_state),
            takes: &[],
        }
    }

    /// What would move an app and is held back: its markers were taken away by a commit that says so, or who would follow
    /// them is suspended.
    fn on_hold(&self, entry_state: &EntryState<'_>) -> Option<String> {
        let entry = entry_state.entry;
        let marked = entry.places.iter().any(|one| one.place.policy().is_some());
        let held = |(commit, _): &(&Commit, Version)| commit.body.contains(HELD);
        let removed = !marked && entry_state.revisions.iter().any(held);
        (removed || !self.suspended(entry).is_empty()).then(|| "image automation".to_owned())
    }

    /// The suspended automations that would move an app: namespace and name.
    pub(in crate::platform::gitops) fn suspended(&self, entry: &Entry) -> Vec<(String, String)> {
        let policies = entry.places.iter().filter_map(|one| one.place.policy());
        let namespaces: Vec<_> = policies.filter_map(|policy| policy.split(':').next()).collect();
        let seen = self.seen.iter().flat_map(|seen| &seen.automations);
        let suspended =
            seen.filter(|one| one.suspended && namespaces.contains(&one.namespace.as_str()));
        suspended.map(|one| (one.namespace.clone(), one.name.clone())).collect()
    }

    /// The revisions of an app, newest first. `records` are the versions that the cluster has a record of.
    pub(in crate::platform::gitops) fn history(
        &self,
        entry: &Entry,
        records: &[(Version, TrackRecord)],
        now: Timestamp,
    ) -> History {
        let entry_state = self.entry_state(entry);
        let app_rolls = self.rollout(&entry_state, now);
        let deployed = entry_state.deployed().id;
        let all = self.past.of(entry, &self.snapshot, true);
        let newest = entry_state.revisions.first().map(|(commit, _)| commit.id.as_str());
        let mut revisions = Vec::new();
        if let Some(proposal) = entry_state.proposal {
            let version = proposal.version(entry).cloned().unwrap_or_default();
            let mut one = revision(&proposal.commit, &version);
            one.incoming = true;
            one.track_record = TrackRecord::Unfinished;
            one.deployable = Deployable::No("it waits for its pull request".to_owned());
            revisions.push(one);
        }
        for (at, (commit, version)) in all.iter().enumerate() {
            let mut one = revision(commit, version);
            let until = at.checked_sub(1).map_or(now, |newer| all[newer].0.committed);
            let lived = until.duration_since(commit.committed).max(SignedDuration::ZERO);
            one.deployed = deployed == one.id;
            one.incoming = newest == Some(commit.id.as_str())
                && !one.deployed
                && app_rolls.is_some()
                && entry_state.proposal.is_none();
            let healthy = entry_state
                .kustomization
                .is_some_and(|kustomization| kustomization.healthy.contains(&commit.id));
            let recorded =
                records.iter().filter(|(known, _)| known == version).map(|(_, record)| *record);
            one.track_record = if one.incoming {
                TrackRecord::Unfinished
            } else if healthy || recorded.clone().any(|record| record == TrackRecord::Served) {
                TrackRecord::Served
            } else if lived < BRIEF
                && recorded.clone().next().is_some_and(|record| record == TrackRecord::Unfinished)
            {
                TrackRecord::Unfinished
            } else {
                TrackRecord::Unknown
            };
            if !entry_state.revisions.iter().any(|(ran, _)| ran.id == commit.id) {
                one.note = Some(OVERRIDDEN.to_owned());
                one.deployable = Deployable::No(format!("it is {OVERRIDDEN}"));
                one.track_record = TrackRecord::Unfinished;
            }
            one.served = Some(lived);
            // The same version again is a way back to where it came from.
            let again = all
                .get(at + 1..)
                .is_some_and(|older| older.iter().any(|(_, known)| known == version));
            one.made_from = again.then(|| one.label.clone());
            revisions.push(one);
        }
        let remark = match (&self.seen, entry_state.workloads.is_empty()) {
            (None, _) => Some("no cluster is read: what runs is taken from the branch".to_owned()),
            (Some(_), true) => {
                Some("nothing in the cluster runs this image: what runs is not known".to_owned())
            }
            _ => None,
        };
        let renamed = self.renamed(entry).map(|(image, commit)| {
            let short = commit.get(..7).unwrap_or(commit);
            format!("until {short} it was {}: those revisions are of that image", clean(image))
        });
        let remarks: Vec<_> = remark.into_iter().chain(renamed).collect();
        let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        History { revisions, remark, truncated: !self.past.complete }
    }
}

impl View {
    /// The image that an app's place named before, and the commit that changed that.
    fn renamed(&self, entry: &Entry) -> Option<(&str, &str)> {
        let lead = entry.lead()?;
        let at =
            |change: &&ImageChange| change.file == lead.file && change.place == lead.place.path;
        let mut newer: Option<&Commit> = None;
        for commit in &self.past.commits {
            let Some(change) = commit.changes.iter().find(at) else { continue };
            if !entry.is_called(&change.image) {
                return Some((&change.image, &newer?.id));
            }
            newer = Some(commit);
        }
        None
    }
}

impl EntryState<'_> {
    /// The revision that serves: the newest with that version. Without a cluster, what the branch says.
    pub(in crate::platform::gitops) fn deployed(&self) -> RevisionRef {
        self.reference(self.serving.as_ref().unwrap_or(&self.wanted))
    }

    /// The newest revision with a version.
    pub(in crate::platform::gitops) fn reference(&self, version: &Version) -> RevisionRef {
        let found = self.revisions.iter().find(|(_, known)| known == version);
        let id = found.map_or_else(|| version.whole(), |(commit, _)| commit.id.clone());
        RevisionRef { id: RevisionId::new(id), label: Some(clean(&version.label())) }
    }
}

/// The trailer of a commit that takes a policy's marker away.
pub(in crate::platform::gitops) const HELD: &str = "Revdeck-Held: ";

/// What stood on the branch for longer than this was not given up at once, whatever its ReplicaSet looks like since it was
/// left.
const BRIEF: SignedDuration = SignedDuration::from_mins(10);

/// What is said of a change that changed nothing that runs.
const OVERRIDDEN: &str = "in a file that a kustomization overrides";

fn revision(commit: &Commit, version: &Version) -> Revision {
    Revision {
        id: RevisionId::new(&commit.id),
        label: clean(&version.label()),
        description: clean(&commit.subject),
        created_at: Some(commit.written),
        by: Some(clean(&commit.author)).filter(|by| !by.is_empty()),
        deployable: Deployable::Yes,
        deployed: false,
        incoming: false,
        artifact: Some(version.whole()),
        made_from: None,
        track_record: TrackRecord::Unknown,
        served: None,
        served_until: None,
        note: note(&commit.body),
    }
}

/// Why somebody made a commit: its body without trailers and what git writes by itself.
pub(in crate::platform::gitops) fn note(body: &str) -> Option<String> {
    let lines = body.lines().map(str::trim).filter(|line| {
        let trailer = line.split_once(": ").is_some_and(|(name, _)| {
            !name.contains(' ')
                && name.contains('-')
                && name.starts_with(|first: char| first.is_ascii_uppercase())
        });
        !line.is_empty()
            && !trailer
            && !line.starts_with("This reverts commit ")
            && *line != "[ci skip]"
    });
    let text = clean(&lines.collect::<Vec<_>>().join(" "));
    (!text.is_empty()).then_some(text)
}
