//! From a change of files to a commit, and the steps that bring it to the branch.

use std::collections::BTreeMap;

use serde_json::json;

use super::Draft;
use crate::domain::{Goal, Note, Plan, Recipe, Step, text::clean};
use crate::platform::{
    Error,
    gitops::{
        client::{forge::Forge, push::Changed},
        model::{
            edit::{self, Markers, Wanted},
            image::Version,
        },
        operate::receipt::{Action, Guard, Tracking},
        options::{self, Push},
        read::{apps::HELD, history::note_line},
    },
    operation,
};

/// What a commit says and does.
pub(super) struct Writing {
    /// What becomes of each place, by file.
    pub(super) wanted: BTreeMap<String, Vec<Wanted>>,
    /// The first line, and what follows it before note and trailers.
    pub(super) subject: String,
    pub(super) body: Vec<String>,
    /// Policies that are held back by it.
    pub(super) held: Vec<String>,
    /// What a branch of its own would be called.
    pub(super) branch: String,
    /// The version that the app has afterwards.
    pub(super) version: Version,
    pub(super) goal: Goal,
    pub(super) leaving: Option<String>,
    /// Steps that come before the push.
    pub(super) before: Vec<Step>,
}

/// The step that opens a pull request for a commit on a branch of its own.
pub(super) fn open_step(
    forge: &Forge,
    branch: &str,
    commit: &str,
    base: &str,
    title: &str,
    body: &str,
) -> Step {
    Step {
        label: "open the pull request".to_owned(),
        calls: vec![format!("open a pull request from {branch} to {base} ({})", forge.name)],
        action: json!(Action::Open {
            branch: branch.to_owned(),
            commit: commit.to_owned(),
            base: base.to_owned(),
            title: title.to_owned(),
            body: body.to_owned()
        }),
        completes: true,
        ..Step::default()
    }
}

impl Draft<'_> {
    /// Makes the commit and lays out how it is pushed.
    pub(super) async fn write(mut self, writing: Writing) -> Result<Plan, Error> {
        if self.plan.refused.is_some() {
            return Ok(self.plan);
        }
        let (repository, mirror) = (self.repository, &self.repository.mirror);
        if let Err(why) = &mirror.push_to {
            return Ok(self.refuse(why.clone()));
        }
        let head = self.view.snapshot.commit.clone();
        let mut files = Vec::new();
        for (path, wanted) in &writing.wanted {
            let Some(text) = mirror.file(&head, path).await? else {
                let what = format!(
                    "{} cannot be read at {}: nothing is changed",
                    clean(path),
                    self.view.branch
                );
                return Ok(self.refuse(what));
            };
            match edit::change(path, &text, wanted) {
                Ok(changed) if changed == text => {}
                Ok(changed) => files.push(Changed { path: path.clone(), text: changed }),
                Err(why) => {
                    let what = format!(
                        "{} cannot be changed in {}: {}",
                        self.entry.name,
                        clean(path),
                        clean(&why)
                    );
                    return Ok(self.refuse(what));
                }
            }
        }
        if files.is_empty() {
            let what = format!(
                "nothing would change: no file of {} would differ on {}",
                self.entry.name, self.view.branch
            );
            return Ok(self.refuse(what));
        }
        let tree = mirror.tree(&head, &files).await?;
        self.plan.patch = Some(mirror.diff(&head, &tree).await?);
        let author = match mirror.author().await {
            Ok(author) => author,
            Err(error) => return Ok(self.refuse(error.to_string())),
        };
        let id = operation::new_id();
        let mut message = vec![writing.subject.clone(), String::new()];
        message.extend(writing.body.clone());
        if let Some(reason) = self.plan.request.reason.as_deref() {
            message.extend([String::new(), note_line(reason)]);
        }
        message.push(String::new());
        message.push(format!("Revdeck-Operation: {id}"));
        message.extend(writing.held.iter().map(|policy| format!("{HELD}{policy}")));
        let message = message.join("\n") + "\n";
        let commit = match mirror
            .commit(&tree, &head, &message, &author, (repository.now)().as_second())
            .await
        {
            Ok(commit) => commit,
            Err(error) => return Ok(self.refuse(error.to_string())),
        };
        let signed = if mirror.signs().await { ", signed" } else { ", not signed" };
        self.plan.capacity.push(format!(
            "commit {} by {} <{}>{signed}",
            &commit[..12.min(commit.len())],
            clean(&author.name),
            clean(&author.mail)
        ));
        if let Some(hooks) = mirror.setting("core.hookspath").await {
            self.plan
                .capacity
                .push(format!("the pre-push hook of {} runs, no other", clean(&hooks)));
        }
        self.steps(writing, &head, &commit, &id, &message).await
    }

    /// The steps that bring a commit to the branch.
    async fn steps(
        mut self,
        writing: Writing,
        head: &str,
        commit: &str,
        id: &str,
        message: &str,
    ) -> Result<Plan, Error> {
        let repository = self.repository;
        let options = &self.plan.request.options;
        let direct = match (options.flag(options::PULL), options.flag(options::DIRECT)) {
            (true, true) => return Ok(self.refuse("say either pull-request or direct")),
            (true, _) => false,
            (_, true) => true,
            _ => repository.push == Push::Direct,
        };
        let base = self.view.branch.clone();
        let remote = repository.mirror.pushes_to();
        let mut steps = writing.before;
        let mut tracking = Tracking {
            commit: commit.to_owned(),
            branch: base.clone(),
            version: Some(writing.version.clone()),
            held: !writing.held.is_empty(),
            blind: self.view.entry_state(self.entry).workloads.is_empty(),
            lead: self.entry.lead().map(|one| (one.file.clone(), one.place.path.clone())),
            ..Tracking::default()
        };
        let push = |branch: &str, expected: &str| {
            format!(
                "git push --force-with-lease=refs/heads/{branch}:{expected} {remote} {commit}:refs/heads/{branch}"
            )
        };
        if direct {
            self.plan.method = format!(
                "one commit on {base}, pushed only if it is still at {}",
                &head[..12.min(head.len())]
            );
            steps.push(Step {
                label: format!("push the commit to {base}"),
                calls: vec![push(&base, head)],
                action: json!(Action::Push {
                    commit: commit.to_owned(),
                    branch: base.clone(),
                    expected: head.to_owned()
                }),
                ..Step::default()
            });
        } else {
            let branch = self.free_name(&writing.branch, commit).await?;
            tracking.own = Some(branch.clone());
            steps.push(Step {
                label: format!("push the branch {branch}"),
                calls: vec![push(&branch, "")],
                action: json!(Action::Push {
                    commit: commit.to_owned(),
                    branch: branch.clone(),
                    expected: String::new()
                }),
                ..Step::default()
            });
            let forge = match &repository.forge {
                Ok(forge) => forge.check().await.map(|()| forge).map_err(|error| error.to_string()),
                Err(why) => Err(why.clone()),
            };
            match forge {
                Ok(forge) => {
                    self.plan.method =
                        format!("one commit on the branch {branch}, and a pull request to {base}");
                    let (title, body) = message.split_once("\n\n").unwrap_or((message, ""));
                    steps.push(open_step(forge, &branch, commit, &base, title, body));
                }
                Err(why) => {
                    self.plan.method =
                        format!("one commit on the branch {branch}; no pull request is opened");
                    self.plan
                        .notes
                        .push(Note::Warning(format!("{why}; open the pull request by hand")));
                }
            }
        }
        let own = tracking.own.clone().unwrap_or(writing.branch);
        self.by_hand(&writing.subject, &own, &base, direct);
        self.plan.recipe = Some(Recipe {
            id: id.to_owned(),
            guard: json!(Guard {
                head: head.to_owned(),
                branch: base,
                commit: Some(commit.to_owned())
            }),
            steps,
            goal: writing.goal,
            leaving: writing.leaving,
            rollout: Some(crate::domain::RolloutId::new(commit)),
            tracking: json!(tracking),
            ..Recipe::default()
        });
        Ok(self.plan)
    }

    /// The same with git alone.
    fn by_hand(&mut self, subject: &str, branch: &str, base: &str, direct: bool) {
        let reverts = self.plan.by_hand.clone();
        let mut lines = vec![if direct {
            format!("git switch --detach origin/{base}")
        } else {
            format!("git switch --create {branch} origin/{base}")
        }];
        if reverts.is_empty() {
            lines.push(format!(
                "# change the lines of the patch; git commit --all --message={}",
                crate::domain::text::quoted(subject)
            ));
        }
        lines.extend(reverts);
        lines.push(if direct {
            format!("git push origin HEAD:{base}")
        } else {
            format!("git push origin {branch}")
        });
        self.plan.by_hand = lines;
    }

    /// A name that no branch has yet; one that has our commit is taken as it is.
    async fn free_name(&self, wanted: &str, commit: &str) -> Result<String, Error> {
        let mut name = wanted.to_owned();
        for number in 2.. {
            match self.repository.mirror.head_of(&name).await? {
                Some(other) if other != commit => name = format!("{wanted}-{number}"),
                _ => break,
            }
        }
        Ok(name)
    }

    /// What becomes of a place's markers, and which policies are held back by that.
    pub(super) fn hold(&self) -> Markers {
        let options = &self.plan.request.options;
        if options.flag(options::NO_HOLD) || options.flag(options::SUSPEND) {
            return Markers::Keep;
        }
        Markers::Remove
    }
}
