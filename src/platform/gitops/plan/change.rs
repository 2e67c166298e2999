//! Roll back, deploy, and putting back what was held.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Draft, branch::Writing};
use crate::domain::{
    Deployable, Goal, Note, Plan, RevisionSummary, RollBackTo, Step, last_good, revision_name,
    text::clean,
};
use crate::platform::operation::{back_on, supersedes};
use crate::platform::{
    Error,
    gitops::{
        client::{flux::FluxKind, mirror::is_yaml},
        model::{
            edit::{self, Markers, Wanted},
            image::{self, Version},
            places,
        },
        operate::receipt::Action,
        options,
        read::history::{Commit, ImageChange},
    },
};

/// So many of the commits that are undone are looked through for what else they changed.
const LOOKED_THROUGH: usize = 20;

/// A file without its comments, which change nothing that runs.
fn effective(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or(line).trim_end());
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    // Whether a tag needs quotes is no change.
    lines.map(|line| line.replace(['"', '\''], "")).collect()
}

/// How much of a commit's identifier is shown.
const SHORT: usize = 7;

pub(super) fn short(commit: &str) -> &str {
    commit.get(..SHORT).unwrap_or(commit)
}

/// A text as a branch's name may hold it.
pub(super) fn slug(text: &str) -> String {
    let letters = text
        .chars()
        .map(|one| if one.is_ascii_alphanumeric() || "._-".contains(one) { one } else { '-' });
    letters
        .collect::<String>()
        .trim_matches(['.', '-'])
        .replace("..", ".")
        .chars()
        .take(60)
        .collect()
}

impl Draft<'_> {
    /// Back to an earlier revision: the version that each place had then, and no other line.
    pub(super) async fn roll_back(mut self, to: &RollBackTo) -> Result<Plan, Error> {
        let name = self.entry.name.clone();
        let history = self.repository.history(self.view, self.entry).await;
        let app = self.view.app(self.entry, &self.repository.setting());
        let chosen = match to {
            RollBackTo::LastGood => {
                let Some((good, known)) = last_good(&history.revisions, app.rolls()) else {
                    let fixed = self.entry.lead().and_then(|lead| lead.place.fixed.as_deref());
                    let fixed = fixed.map(|why| format!(" ({})", clean(why))).unwrap_or_default();
                    let why = format!("{name} has no earlier revision to go back to{fixed}");
                    return Ok(self.refuse(why));
                };
                if !known {
                    let text = format!(
                        "that {} was well is inferred from how long it stood on the branch: the cluster has no record of it",
                        good.name()
                    );
                    self.plan.notes.push(Note::Warning(text));
                }
                good.clone()
            }
            RollBackTo::Revision(id) => {
                let found = history.revisions.iter().find(|one| one.id == *id);
                let Some(found) = found else {
                    let why = format!("{name} has no revision {id}");
                    return Ok(self.refuse(why));
                };
                found.clone()
            }
        };
        if let Deployable::No(why) = &chosen.deployable {
            let why = format!("{name} cannot be deployed from {}: {why}", chosen.name());
            return Ok(self.refuse(why));
        }
        let entry_state = self.view.entry_state(self.entry);
        let Some(at) =
            entry_state.revisions.iter().position(|(commit, _)| commit.id == chosen.id.as_str())
        else {
            let why = format!("{name} has no revision {}", chosen.id);
            return Ok(self.refuse(why));
        };
        let (commit, version) = entry_state.revisions[at].clone();
        if version == entry_state.wanted && !self.differs_at(commit).await? {
            let serves = entry_state.serving.as_ref().is_some_and(|serving| *serving != version);
            let more = if serves { "; the cluster has not followed yet" } else { "" };
            let why = format!(
                "nothing would change: the branch {} says {} of {name} already{more}",
                self.view.branch,
                version.label()
            );
            return Ok(self.refuse(why));
        }
        let then = self.repository.snapshot(&commit.id).await?;
        let undone: Vec<&Commit> =
            entry_state.revisions[..at].iter().map(|(commit, _)| *commit).collect();
        let (wanted, held) = self.places(&version, Some(&then));
        if let Some(why) = self.immovable(&wanted) {
            return Ok(self.refuse(why));
        }
        let version = self.leads_to(&wanted, version);
        let newest = match undone.as_slice() {
            [only] => self.reverts(only, &wanted).await?,
            _ => false,
        };
        let (subject, mut body) = match undone.as_slice() {
            [only] if newest => (format!("Revert \"{}\"", only.subject), Vec::new()),
            _ => (format!("Roll back {} to {}", self.entry.image, version.label()), Vec::new()),
        };
        let of = if newest || undone.len() > 1 {
            "This reverts commit"
        } else {
            "This takes the image back of commit"
        };
        if !newest {
            self.stays(&undone, &wanted).await?;
        }
        body.extend(undone.iter().map(|commit| format!("{of} {}.", commit.id)));
        if newest {
            self.plan.by_hand = vec![format!("git revert {}", undone[0].id)];
            let policies: BTreeSet<_> = held.iter().map(|(_, policy)| policy.clone()).collect();
            if self.hold() == Markers::Remove && !policies.is_empty() {
                let names = policies.into_iter().collect::<Vec<_>>().join(", ");
                let line = format!(
                    "# and remove the marker of {names}, or automation undoes it: git commit --amend --all --no-edit"
                );
                self.plan.by_hand.push(line);
            }
        }
        let first = undone.first().map_or("", |commit| short(&commit.id));
        self.ends(&version, Some(&clean(&commit.subject)));
        self.differing(&wanted);
        let label = revision_name(version.label());
        let goal = self.goal(back_on(label));
        let leaving = Some(revision_name(entry_state.wanted.label()));
        let branch = format!("rollback-{first}");
        let before = self.around(&held);
        let writing = Writing {
            wanted,
            subject,
            body,
            held: self.held(held),
            branch,
            version,
            goal,
            leaving,
            before,
        };
        self.write(writing).await
    }

    /// Whether a change is all that a commit did, taken back: then it is a revert, but for the markers that go with it.
    async fn reverts(
        &self,
        commit: &Commit,
        wanted: &BTreeMap<String, Vec<Wanted>>,
    ) -> Result<bool, Error> {
        let mirror = &self.repository.mirror;
        let Some(parent) = &commit.parent else { return Ok(false) };
        let parents =
            mirror.git.text(&["rev-list", "--parents", "--max-count=1", &commit.id]).await?;
        let names = mirror.git.text(&["diff", "--name-only", "-z", parent, &commit.id]).await?;
        let names: BTreeSet<_> =
            names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if parents.split(' ').count() > 2 || !names.iter().eq(wanted.keys()) {
            return Ok(false);
        }
        for (file, wanted) in wanted {
            let (before, after) =
                (mirror.file(parent, file).await?, mirror.file(&commit.id, file).await?);
            let kept: Vec<_> =
                wanted.iter().map(|one| Wanted { markers: Markers::Keep, ..one.clone() }).collect();
            let back = after.map(|after| edit::change(file, &after, &kept));
            if before != back.and_then(Result::ok) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Warns of what the commits that are undone changed beside the images, where the app's files are: that stays.
    async fn stays(
        &mut self,
        undone: &[&Commit],
        wanted: &BTreeMap<String, Vec<Wanted>>,
    ) -> Result<(), Error> {
        let directory = |file: &str| file.rsplit_once('/').map_or("", |(of, _)| of).to_owned();
        let own: BTreeSet<_> = wanted.keys().map(|file| directory(file)).collect();
        let mirror = &self.repository.mirror;
        let mut stays = BTreeSet::new();
        for commit in undone.iter().take(LOOKED_THROUGH) {
            let Some(parent) = &commit.parent else { continue };
            let names = mirror.git.text(&["diff", "--name-only", "-z", parent, &commit.id]).await?;
            let near = |file: &&str| own.contains(&directory(file));
            for file in names.split_terminator('\0').filter(near) {
                if !is_yaml(file) {
                    stays.insert(format!("{} ({})", clean(file), short(&commit.id)));
                    continue;
                }
                let before = mirror.file(parent, file).await?.unwrap_or_default();
                let after = mirror.file(&commit.id, file).await?.unwrap_or_default();
                // Another image that it moved stays as well.
                let own = |one: &&ImageChange| one.file == file && self.entry.is_called(&one.image);
                let images = commit.changes.iter().filter(own);
                let images: Vec<_> = images
                    .map(|one| Wanted {
                        path: one.place.clone(),
                        version: one.new.clone(),
                        markers: Markers::Keep,
                    })
                    .collect();
                let images_alone = edit::change(file, &before, &images);
                if images_alone.map_or(true, |text| effective(&text) != effective(&after)) {
                    stays.insert(format!("{} ({})", clean(file), short(&commit.id)));
                }
            }
        }
        if !stays.is_empty() {
            let files = stays.into_iter().collect::<Vec<_>>().join(", ");
            let text = format!("only the image goes back: what else was changed in {files} stays");
            self.plan.notes.push(Note::Warning(text));
        }
        Ok(())
    }

    /// A tag that nobody deployed before, or one of old.
    pub(super) async fn deploy(mut self) -> Result<Plan, Error> {
        let text = self.plan.request.options.get(options::IMAGE).unwrap_or_default().to_owned();
        let name = self.entry.name.clone();
        let (of, version) = if image::is_tag(&text) {
            (None, Version { tag: Some(text.clone()), digest: None })
        } else {
            let (of, version) = image::parse(&text);
            (Some(of), version)
        };
        if of.is_some_and(|of| of != self.entry.image) {
            let why = format!(
                "{} is another image than {}: say a tag of it",
                clean(&text),
                self.entry.image
            );
            return Ok(self.refuse(why));
        }
        if version == Version::default()
            || version.tag.as_deref().is_some_and(|tag| !image::is_tag(tag))
        {
            let why = format!("{:?} is no tag", clean(&text));
            return Ok(self.refuse(why));
        }
        let entry_state = self.view.entry_state(self.entry);
        let says = |place: &places::Place| place.fixed.is_some() || place.version == version;
        if version == entry_state.wanted && self.entry.places.iter().all(|one| says(&one.place)) {
            let why = format!(
                "nothing would change: the branch {} says {} of {name} already",
                self.view.branch,
                version.label()
            );
            return Ok(self.refuse(why));
        }
        if !entry_state.revisions.iter().any(|(_, known)| *known == version) {
            let what = format!(
                "{} was never on this branch: whether the registry has it is not looked up",
                version.label()
            );
            self.plan.notes.push(Note::Warning(what));
        }
        let (wanted, held) = self.places(&version, None);
        if let Some(why) = self.immovable(&wanted) {
            return Ok(self.refuse(why));
        }
        self.ends(&version, None);
        let label = revision_name(version.label());
        let goal = self.goal(format!("on {label}").into());
        let leaving = Some(revision_name(entry_state.wanted.label()));
        let subject = format!("Release {}", image::write(&self.entry.image, &version));
        let branch = format!("revdeck-{}-{}", slug(&name), slug(&version.label()));
        let before = self.around(&held);
        let writing = Writing {
            wanted,
            subject,
            body: Vec::new(),
            held: self.held(held),
            branch,
            version,
            goal,
            leaving,
            before,
        };
        self.write(writing).await
    }

    /// The policies that a commit holds back, as its trailers name them.
    fn held(&self, held: Vec<(String, String)>) -> Vec<String> {
        if self.hold() == Markers::Keep {
            return Vec::new();
        }
        held.into_iter().map(|(_, policy)| policy).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What the plan says of automation, and the steps that suspend it where that is asked for.
    fn around(&mut self, held: &[(String, String)]) -> Vec<Step> {
        let options = self.plan.request.options.clone();
        let seen = self.view.seen.as_ref();
        let policies: BTreeSet<_> = held.iter().map(|(_, policy)| policy.clone()).collect();
        let names = policies.iter().cloned().collect::<Vec<_>>().join(", ");
        let automation = held.iter().find_map(|(file, policy)| seen?.moves(file, policy));
        if options.flag(options::SUSPEND) && options.flag(options::NO_HOLD) {
            self.plan.refused = Some("say either no-hold or suspend-automation".to_owned());
        }
        let soon = automation.map_or_else(
            || "at its next run".to_owned(),
            |one| {
                let interval = one.interval.map(crate::domain::text::span).unwrap_or_default();
                format!("within {interval} ({}/{})", one.namespace, one.name)
            },
        );
        let mut steps = Vec::new();
        if policies.is_empty() {
            if options.flag(options::SUSPEND) {
                self.plan.notes.push(Note::Info(
                    "no marker of image automation stands there: nothing is suspended".to_owned(),
                ));
            }
        } else if options.flag(options::SUSPEND) {
            match (automation, &self.repository.cluster) {
                (Some(one), Some(_)) => {
                    let text = format!(
                        "the automation {}/{} is suspended in the cluster: it stops for ALL images of its namespace, a run that has begun still pushes, and git takes the suspension back where it declares it",
                        one.namespace, one.name
                    );
                    self.plan.notes.push(Note::Warning(text));
                    steps.push(suspend_step(FluxKind::Automation, &one.namespace, &one.name, true));
                }
                _ => self.plan.notes.push(Note::Warning(
                    "no automation that could be suspended is seen in the cluster".to_owned(),
                )),
            }
        } else if options.flag(options::NO_HOLD) {
            let text = format!(
                "the policy {names} is not held back: image automation will set its own tag again {soon}"
            );
            self.plan.notes.push(Note::Warning(text));
        } else {
            let text = format!(
                "image automation ({names}) would set its own tag again {soon}: its marker is removed in the same commit; `release` puts it back"
            );
            self.plan.notes.push(Note::Info(text));
        }
        if let Some(kustomization) = self.view.entry_state(self.entry).kustomization {
            let source = seen.and_then(|seen| seen.source(kustomization));
            match kustomization.argo {
                Some(true) => {
                    let text = "Argo CD syncs it by itself; its own roll back is refused while it does, and the commit is the way back";
                    self.plan.notes.push(Note::Info(text.to_owned()));
                }
                Some(false) => {
                    let text = "Argo CD does not sync it by itself: sync it there after the commit";
                    self.plan.notes.push(Note::Warning(text.to_owned()));
                }
                None => {}
            }
            if kustomization.suspended || source.is_some_and(|source| source.suspended) {
                let what = if kustomization.suspended { "Kustomization" } else { "GitRepository" };
                let text = format!(
                    "the {what} is suspended: the commit will not be applied until it is continued"
                );
                self.plan.notes.push(Note::Warning(text));
            }
            if let Some(doing) =
                kustomization.reconciling.as_ref().filter(|_| kustomization.checking)
            {
                let now = (self.repository.now)();
                let left = doing.waits(now).map(|left| format!(", for {left} at most"));
                let text = format!(
                    "the Kustomization {} still waits for the health of what it applied before{}, and applies this after that, or at once where its controller has CancelHealthCheckOnNewRevision",
                    kustomization.name,
                    left.unwrap_or_default()
                );
                self.plan.notes.push(Note::Warning(text));
            }
        }
        if let Some(proposal) = self.view.entry_state(self.entry).proposal {
            let what = match &proposal.pull {
                Some(pull) => format!("pull request {}", pull.number),
                None => format!("the branch {}", proposal.branch),
            };
            let text = format!(
                "{what} of this app waits already: continue or cancel it, or there will be two"
            );
            self.plan.notes.push(Note::Warning(text));
        }
        let app = self.view.app(self.entry, &self.repository.setting());
        if app.rolls() {
            self.plan.notes.push(supersedes("", ""));
        }
        steps
    }

    /// What runs now, and what will.
    pub(super) fn ends(&mut self, version: &Version, remark: Option<&str>) {
        let entry_state = self.view.entry_state(self.entry);
        let now = &entry_state.wanted;
        let end = |version: &Version, remark: Option<String>| RevisionSummary {
            name: revision_name(clean(&version.label())),
            artifact: Some(clean(&image::write(&self.entry.image, version))),
            remark,
        };
        let runs = match (&entry_state.serving, &self.view.seen) {
            (Some(serving), _) if *serving != entry_state.wanted => {
                Some(format!("what the branch says; {} serves", clean(&serving.label())))
            }
            (Some(_), _) => None,
            (None, None) => Some("what the branch says; no cluster is read".to_owned()),
            (None, Some(_)) => {
                Some("what the branch says; nothing in the cluster runs it".to_owned())
            }
        };
        self.plan.from = Some(end(now, runs));
        self.plan.to = Some(end(version, remark.map(str::to_owned)));
        let files: BTreeSet<_> = self.entry.places.iter().map(|one| one.file.as_str()).collect();
        self.plan.capacity.push(format!(
            "{} of {}",
            if files.len() == 1 { "one file".to_owned() } else { format!("{} files", files.len()) },
            self.repository.mirror.git.remote
        ));
    }

    /// What the app will be, as far as that can be seen.
    pub(super) fn goal(&self, goal: Goal) -> Goal {
        let entry_state = self.view.entry_state(self.entry);
        if entry_state.workloads.is_empty() {
            let why = if self.view.seen.is_some() {
                "nothing in the cluster runs it"
            } else {
                "no cluster is read"
            };
            return format!(
                "{goal} on the branch {} ({why}: whether it runs is not known)",
                self.view.branch
            )
            .into();
        }
        goal
    }
}

/// A step that suspends an object of Flux, or lets it go on.
pub(super) fn suspend_step(kind: FluxKind, namespace: &str, name: &str, on: bool) -> Step {
    let verb = if on { "suspend" } else { "resume" };
    Step {
        label: format!("{verb} {}/{name}", kind.plural()),
        calls: vec![format!(
            "PATCH {} {namespace}/{name} {{\"spec\":{{\"suspend\":{on}}}}}",
            kind.plural()
        )],
        action: json!(Action::Suspend {
            kind: kind.plural().to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            on,
        }),
        ..Step::default()
    }
}
