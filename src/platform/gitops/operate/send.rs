//! Sending one step, once, and looking whether one took effect.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::receipt::{Action, Guard, Tracking};
use crate::domain::{Receipt, Step, text::clean};
use crate::platform::{
    Error,
    gitops::{
        client::{
            flux::{Cluster, FluxKind},
            forge::{Forge, Opening},
        },
        repository::Repository,
    },
    operation::{Learned, Order, StepError},
};

fn kind(plural: &str) -> FluxKind {
    match plural {
        "gitrepositories" => FluxKind::GitRepository,
        "imageupdateautomations" => FluxKind::Automation,
        _ => FluxKind::Kustomization,
    }
}

impl Repository {
    fn cluster(&self) -> Result<&Cluster, Error> {
        self.cluster.as_ref().ok_or_else(|| Error::Refused {
            what: "this target has no cluster any more: say which in the configuration".to_owned(),
        })
    }

    fn forge(&self) -> Result<&Forge, Error> {
        self.forge.as_ref().map_err(|why| Error::Refused { what: why.clone() })
    }

    /// What has changed since a plan was made, in a clause.
    pub(in crate::platform::gitops) async fn changed(
        &self,
        guard: &Value,
    ) -> Result<Option<String>, Error> {
        let guard: Guard = self.read_own("the plan", guard)?;
        let Some(head) = self.mirror.head_of(&guard.branch).await? else {
            return Ok(Some(format!("the branch {} is gone", guard.branch)));
        };
        if head == guard.head {
            return Ok(None);
        }
        self.mirror.fetch(&[&guard.branch]).await?;
        if !self.mirror.contains(&head, &guard.head).await? {
            return Ok(Some(format!("the branch {} was moved back, or rewritten", guard.branch)));
        }
        let range = format!("{}..{head}", guard.head);
        let text = self
            .mirror
            .git
            .text(&["log", "--first-parent", "--format=%an: %s", "--max-count=20", &range])
            .await?;
        let lines: Vec<_> = text.lines().map(clean).collect();
        let more = lines.len().saturating_sub(2);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown = lines.iter().take(2).cloned().collect::<Vec<_>>().join("; ");
        let touched = match &guard.commit {
            Some(commit) => self.touched(&guard.head, commit, &head).await?,
            None => String::new(),
        };
        Ok(Some(format!("{} has new commits ({shown}{more}){touched}", guard.branch)))
    }

    /// Which of the files that a plan changes have been changed on the branch since, in a clause.
    async fn touched(&self, base: &str, planned: &str, head: &str) -> Result<String, Error> {
        let files = async |to: &str| {
            self.mirror.git.text(&["diff", "--name-only", "--no-renames", "-z", base, to]).await
        };
        let (ours, theirs) = (files(planned).await?, files(head).await?);
        let theirs: HashSet<_> = theirs.split_terminator('\0').collect();
        let both: Vec<_> =
            ours.split_terminator('\0').filter(|file| theirs.contains(file)).map(clean).collect();
        Ok(match both.as_slice() {
            [] => ", none of which touches a file that this changes".to_owned(),
            [file] => format!(", and {file} is not what it was"),
            [file, more @ ..] => {
                format!(", and {file} and {} more are not what they were", more.len())
            }
        })
    }

    /// Sends one step.
    pub(in crate::platform::gitops) async fn send(
        &self,
        order: Order<'_>,
    ) -> Result<Learned, StepError> {
        let action: Action = self.read_own("the step", &order.step().action)?;
        self.forget_looks();
        match action {
            Action::Push { commit, branch, expected } => {
                if !commit.is_empty() && !self.mirror.has(&commit).await {
                    let what =
                        "the commit is not in the private copy any more: plan again".to_owned();
                    return Err(Error::Refused { what }.into());
                }
                self.mirror.push(&commit, &branch, &expected).await?;
                let tracking: Tracking =
                    self.read_own("the receipt", &order.receipt().recipe.tracking)?;
                // On a branch of its own it holds nothing back yet.
                let arrives = tracking.own.is_none() && !commit.is_empty();
                let held = "image automation is held back until it is released";
                let remark = (tracking.held && arrives).then(|| held.to_owned());
                Ok(Learned { remark, ..Learned::default() })
            }
            Action::Open { branch, base, title, body, .. } => {
                let forge = self.forge()?;
                let opening = Opening { branch: &branch, base: &base, title: &title, body: &body };
                let pull = forge.create(&opening).await?;
                let mut tracking: Tracking =
                    self.read_own("the receipt", &order.receipt().recipe.tracking)?;
                tracking.pull = Some(pull.number);
                let held = if tracking.held {
                    "; with it, image automation is held back until it is released"
                } else {
                    ""
                };
                Ok(Learned {
                    tracking: Some(json!(tracking)),
                    remark: Some(format!("{}{held}", clean(&pull.address))),
                    ..Learned::default()
                })
            }
            Action::Merge { number, head, way } => {
                let forge = self.forge()?;
                forge.merge(number, &head, way.as_deref()).await?;
                Ok(Learned::default())
            }
            Action::Close { number } => {
                let forge = self.forge()?;
                forge.close(number).await?;
                Ok(Learned::default())
            }
            Action::Suspend { kind: of, namespace, name, on } => {
                let patch = json!({ "spec": { "suspend": on } });
                self.cluster()?.patch(kind(&of), &namespace, &name, &patch).await?;
                Ok(Learned::default())
            }
            Action::Reconcile { kind: of, namespace, name, at } => {
                let patch = json!({ "metadata": { "annotations": { "reconcile.fluxcd.io/requestedAt": at } } });
                self.cluster()?.patch(kind(&of), &namespace, &name, &patch).await?;
                Ok(Learned::default())
            }
        }
    }

    /// Why a pull request is not opened later than it was agreed to: its branch is not what it was.
    pub(in crate::platform::gitops) async fn outdated(
        &self,
        receipt: &Receipt,
    ) -> Result<Option<String>, Error> {
        for step in receipt.recipe.steps.iter().skip(receipt.done) {
            let action: Action = self.read_own("the step", &step.action)?;
            let Action::Open { branch, commit, .. } = action else { continue };
            match self.mirror.head_of(&branch).await? {
                Some(head) if head == commit => {}
                Some(_) => return Ok(Some(format!("somebody has changed the branch {branch}"))),
                None => return Ok(Some(format!("the branch {branch} is gone"))),
            }
        }
        Ok(None)
    }

    /// Whether a step took effect.
    pub(in crate::platform::gitops) async fn took_effect(
        &self,
        _: &Receipt,
        step: &Step,
    ) -> Result<Option<bool>, Error> {
        let action: Action = self.read_own("the step", &step.action)?;
        Ok(Some(match action {
            Action::Push { commit, branch, expected } => {
                match self.mirror.head_of(&branch).await? {
                    None => commit.is_empty(),
                    Some(head) if commit.is_empty() => head != expected,
                    Some(head) if head == commit => true,
                    Some(head) if head == expected => false,
                    Some(head) => {
                        self.mirror.fetch(&[&branch]).await?;
                        self.mirror.has(&commit).await
                            && self.mirror.contains(&head, &commit).await?
                    }
                }
            }
            Action::Open { branch, commit, body, .. } => {
                let forge = self.forge()?;
                // One that somebody has closed or merged since was opened all the same: a second one would override them.
                forge.find(&branch, &commit, &body).await?.is_some()
            }
            Action::Merge { number, .. } => {
                let forge = self.forge()?;
                forge.read(number).await?.merged
            }
            Action::Close { number } => {
                let forge = self.forge()?;
                !forge.read(number).await?.open
            }
            Action::Suspend { kind: of, namespace, name, on } => {
                let object = self.cluster()?.get(kind(&of), &namespace, &name).await?;
                (object["spec"]["suspend"] == true) == on
            }
            Action::Reconcile { kind: of, namespace, name, at } => {
                let object = self.cluster()?.get(kind(&of), &namespace, &name).await?;
                object["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"] == at
            }
        }))
    }
}
