//! How an operation runs, on every platform: what the plan stands on is read again, each step is sent once, a lost
//! answer is settled by reading, and what comes of it is told in the same words.
//!
//! An adapter says how a step is sent and what is to be seen of it; order, time limits, findings and sentences are here.

mod settle;
mod words;

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

pub use settle::settle;
pub use words::{BEGUN_SINCE, back_on, supersedes, took_the_place};

use super::{Error, Platform, http::WriteError};
use crate::domain::{
    App, AppKey, Confirmed, Goal, LOOKING, Outcome, Phase, Receipt, Recipe, RevisionRef, RolloutId,
    Step, Target, Verb,
};

/// How often the effect of a lost step is looked for before it is left to [`settle()`].
const LOOKS: u32 = 3;

/// What an operation says while it is being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressLine {
    /// One line.
    pub text: String,
    /// Whether it replaces the line before, as a count does.
    pub replaces: bool,
}

/// Where an operation says what it is doing.
pub type Progress = mpsc::UnboundedSender<ProgressLine>;

/// A name that no other operation has, ever.
pub fn new_id() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

/// Says what an operation is doing; nobody may be listening.
pub fn say(progress: &Progress, text: impl Into<String>) {
    let _ = progress.send(ProgressLine { text: text.into(), replaces: false });
}

/// What sending an operation led to.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    /// The platform has taken it; [`settle()`] tells how it goes.
    Accepted(Receipt),
    /// It was sent and the answer was lost; [`settle()`] finds out.
    Lost(Receipt),
    /// It is over already: refused, or failed before anything was begun.
    Ended(Outcome),
    /// What is left of it was not sent, since it could not be written down, for this reason. It can be gone on with later.
    Unrecorded(Receipt, String),
}

/// A step that is to be sent. Only this module makes one, of a confirmed plan or of the receipt of one.
#[derive(Debug)]
pub struct Order<'a> {
    receipt: &'a Receipt,
    step: &'a Step,
}

impl Order<'_> {
    /// The step.
    pub fn step(&self) -> &Step {
        self.step
    }

    /// The operation that it belongs to.
    pub fn receipt(&self) -> &Receipt {
        self.receipt
    }
}

/// What the answer to a step has told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// The rollout that it made or changed.
    pub rollout: Option<RolloutId>,
    /// What the app will be, where that is known only now.
    pub goal: Option<Goal>,
    /// What the adapter needs later, in place of what it needed before.
    pub tracking: Option<serde_json::Value>,
    /// What the operator should know of it when it is over, in a clause.
    pub remark: Option<String>,
}

/// Why a step was not done, or is not known to be.
#[derive(Debug)]
pub enum StepError {
    /// It is certain that it had no effect.
    NoEffect(Error),
    /// It was not sent, since the world is another one than the plan was made for: how, in a clause.
    Changed(String),
    /// It may have had its effect: the answer was lost.
    Lost(Error),
    /// It failed without changing anything that runs.
    Failed(String),
}

impl From<WriteError> for StepError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoEffect(error) => Self::NoEffect(error),
            WriteError::Lost(error) => Self::Lost(error),
        }
    }
}

impl From<Error> for StepError {
    /// A reading that a step needed before it could be sent.
    fn from(error: Error) -> Self {
        Self::NoEffect(error)
    }
}

/// Where receipts are kept before they are needed.
#[async_trait]
pub trait Record: Send + Sync {
    /// Notes that the next step of this receipt is about to be sent.
    ///
    /// # Errors
    /// Why it cannot be noted; the step is not sent then.
    async fn sending(&self, receipt: &Receipt) -> Result<(), String>;
}

/// Keeps no receipts.
pub struct NoRecord;

#[async_trait]
impl Record for NoRecord {
    async fn sending(&self, _: &Receipt) -> Result<(), String> {
        Ok(())
    }
}

/// Carries out a plan, once: reads again what it stands on, refuses if that has changed, and sends its steps.
pub async fn execute(
    platform: &dyn Platform,
    plan: Confirmed,
    progress: &Progress,
    record: &dyn Record,
) -> Sent {
    let (request, name) = (&plan.plan().request, plan.plan().app.clone());
    let Some(recipe) = plan.plan().recipe.clone() else {
        return Sent::Ended(Outcome::Refused("this plan cannot be carried out".to_owned()));
    };
    let Target { id, api, .. } = platform.target();
    let app = AppKey::new(id, request.app.clone());
    let unsent = Receipt::unsent(app, name, request.operation.verb(), recipe);
    let receipt = Receipt { api, ..unsent };
    match platform.changed(&receipt.app.app, &receipt.recipe.guard).await {
        Ok(None) => {}
        Ok(Some(what)) => return Sent::Ended(words::unsent(&words::changed(&what))),
        Err(error) => {
            return Sent::Ended(Outcome::Refused(format!("nothing was sent: {error}")));
        }
    }
    Run { platform, receipt, progress, record, began: false }.steps().await
}

/// Sends what is left of an operation that was cut short, as far as it is right to send it later than it was agreed to.
pub async fn resume(
    platform: &dyn Platform,
    mut receipt: Receipt,
    progress: &Progress,
    record: &dyn Record,
) -> Sent {
    if let Some(outcome) = receipt.outcome.clone() {
        return Run { platform, receipt, progress, record, began: true }.close(outcome).await;
    }
    if receipt.lost
        && let Some(step) = receipt.recipe.steps.get(receipt.done)
    {
        match platform.took_effect(&receipt, step).await {
            Ok(Some(true)) => {
                receipt.done += 1;
                receipt.lost = false;
            }
            Ok(Some(false)) if settle::may_resend(platform, &receipt, step) => {
                receipt.lost = false;
                receipt.resent = true;
            }
            // Whether it comes yet is for the next look to say.
            Ok(_) | Err(_) => return Sent::Lost(receipt),
        }
    }
    if receipt.complete() {
        return if receipt.lost { Sent::Lost(receipt) } else { Sent::Accepted(receipt) };
    }
    let left = &receipt.recipe.steps[receipt.done..];
    let cut_short = if left.iter().any(|step| !step.completes && !step.optional) {
        Some("it was not gone on with in time".to_owned())
    } else {
        // What completes an operation would undo what somebody has done since.
        match platform.outdated(&receipt).await {
            Ok(outdated) => outdated,
            Err(_) => return Sent::Lost(Receipt { lost: true, ..receipt }),
        }
    };
    let run = Run { platform, receipt, progress, record, began: true };
    match cut_short.map(|why| words::cut_short(&run.receipt, &why)) {
        None => run.steps().await,
        Some(outcome) if run.receipt.promises() => run.close(outcome).await,
        Some(outcome) => Sent::Ended(outcome),
    }
}

/// A receipt for the rollout in progress of an app, whoever began it, so that its end can be told.
pub fn follow(platform: &dyn Platform, app: &App) -> Option<Receipt> {
    let rollout = app.rollout.as_ref()?;
    let undoes = matches!(rollout.phase, Phase::Cancelling | Phase::Cancelled);
    let (goal, leaving) =
        if undoes { (&rollout.from, &rollout.to) } else { (&rollout.to, &rollout.from) };
    let goal = match goal {
        Some(goal) if undoes => back_on(goal.name()),
        Some(goal) => format!("on {}", goal.name()).into(),
        None => Goal::default(),
    };
    let verb = if undoes { Verb::Cancel } else { Verb::Deploy };
    let recipe = Recipe {
        goal,
        leaving: leaving.as_ref().map(RevisionRef::name),
        undoes,
        rollout: Some(rollout.id.clone()),
        tracking: platform.tracking(app)?,
        ..Recipe::default()
    };
    let unsent = Receipt::unsent(app.key(), app.name.clone(), verb, recipe);
    Some(Receipt { sent_at: rollout.started_at, theirs: true, ..unsent })
}

struct Run<'a> {
    platform: &'a dyn Platform,
    receipt: Receipt,
    progress: &'a Progress,
    record: &'a dyn Record,
    /// Whether an earlier run began it, so that something of it was sent.
    began: bool,
}

impl Run<'_> {
    async fn steps(mut self) -> Sent {
        while let Some(step) = self.receipt.recipe.steps.get(self.receipt.done).cloned() {
            match self.step(&step).await {
                None => {}
                Some(Sent::Ended(outcome)) if self.receipt.done > 0 => {
                    let outcome = words::remarked(&self.receipt, outcome);
                    // What was held back for it is released, however far it came.
                    if self.receipt.promises() {
                        return self.close(outcome).await;
                    }
                    return Sent::Ended(outcome);
                }
                Some(sent) => return sent,
            }
            self.receipt.done += 1;
            self.receipt.lost = false;
            self.receipt.resent = false;
        }
        Sent::Accepted(self.receipt)
    }

    /// Sends one step; `Some` where nothing more is to be sent now.
    async fn step(&mut self, step: &Step) -> Option<Sent> {
        if let Some(guard) = &step.guard {
            match self.platform.changed(&self.receipt.app.app, guard).await {
                Ok(None) => {}
                Ok(Some(what)) => return Some(self.unsent(&words::changed(&what))),
                Err(error) => return Some(self.stopped(&error.to_string())),
            }
        }
        // Before the answer is here, it counts as lost: that is what a restart would find.
        let before = self.receipt.clone();
        self.receipt.sent_at = Some(self.platform.now());
        self.receipt.lost = true;
        if let Err(why) = self.record.sending(&self.receipt).await {
            if !self.began && before.done == 0 {
                self.receipt.lost = false;
                return Some(self.unsent(&words::no_journal(&why)));
            }
            // One that was to be sent once more may still arrive from the first time.
            let again = before.resent;
            let left = Receipt { lost: again, resent: false, ..before };
            return Some(Sent::Unrecorded(left, why));
        }
        say(self.progress, step.label.clone());
        let order = Order { receipt: &self.receipt, step };
        match self.platform.send(order, self.progress).await {
            Ok(learned) => {
                let recipe = &mut self.receipt.recipe;
                recipe.rollout = learned.rollout.or(recipe.rollout.take());
                if let Some(goal) = learned.goal {
                    recipe.goal = goal;
                }
                if let Some(tracking) = learned.tracking {
                    recipe.tracking = tracking;
                }
                self.receipt.remark = learned.remark.or(self.receipt.remark.take());
                None
            }
            Err(StepError::NoEffect(error)) if step.optional => {
                say(self.progress, format!("NOT done: {} ({error})", step.label));
                None
            }
            Err(StepError::Changed(what)) if step.optional => {
                say(self.progress, format!("NOT done: {} ({what})", step.label));
                None
            }
            Err(StepError::Lost(error)) if step.optional => {
                say(self.progress, format!("not known to be done: {} ({error})", step.label));
                None
            }
            Err(StepError::NoEffect(error)) => {
                self.receipt.lost = false;
                Some(self.stopped(&error.to_string()))
            }
            Err(StepError::Changed(what)) => {
                self.receipt.lost = false;
                Some(self.unsent(&words::changed(&what)))
            }
            Err(StepError::Failed(why)) => {
                self.receipt.lost = false;
                let text = format!("{why}. Nothing that runs has changed");
                Some(Sent::Ended(match self.receipt.done {
                    0 => Outcome::Failed(text),
                    _ => words::cut_short(&self.receipt, &why),
                }))
            }
            Err(StepError::Lost(error)) => {
                tracing::warn!(%error, step = step.label, "the answer was lost");
                self.look_for(step).await
            }
        }
    }

    /// Sends what was promised for the end, and tells the end with it.
    async fn close(mut self, outcome: Outcome) -> Sent {
        self.receipt.outcome = Some(outcome.clone());
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        while let Some(step) = self.receipt.recipe.afterwards.get(self.receipt.closed).cloned() {
            if !step.only_if_done || matches!(outcome, Outcome::Done(_)) {
                if let Err(why) = self.record.sending(&self.receipt).await {
                    return Sent::Unrecorded(self.receipt, why);
                }
                match self.afterwards(&step).await {
                    Ok(()) => done.push(step.label),
                    Err(why) => failed.push(words::not_afterwards(&step, &why)),
                }
            }
            self.receipt.closed += 1;
        }
        Sent::Ended(words::closed(outcome, &done, &failed))
    }

    /// Sends one of the steps that come afterwards; one that was lost is looked for, and sent once more.
    async fn afterwards(&self, step: &Step) -> Result<(), String> {
        say(self.progress, step.label.clone());
        let mut lost = String::new();
        for look in 1..=LOOKS {
            let order = Order { receipt: &self.receipt, step };
            match self.platform.send(order, self.progress).await {
                Ok(_) => return Ok(()),
                Err(StepError::NoEffect(error)) => return Err(error.to_string()),
                Err(StepError::Changed(why) | StepError::Failed(why)) => return Err(why),
                Err(StepError::Lost(error)) => lost = error.to_string(),
            }
            if let Ok(Some(true)) = self.platform.took_effect(&self.receipt, step).await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(u64::from(look))).await;
        }
        Err(lost)
    }

    /// What comes after a lost step depends on it: its effect is looked for, and it is never sent again.
    async fn look_for(&self, step: &Step) -> Option<Sent> {
        if self.receipt.complete() {
            return Some(Sent::Lost(self.receipt.clone()));
        }
        say(self.progress, LOOKING);
        for look in 1..=LOOKS {
            if let Ok(Some(true)) = self.platform.took_effect(&self.receipt, step).await {
                return None;
            }
            tokio::time::sleep(Duration::from_secs(u64::from(look))).await;
        }
        Some(Sent::Lost(self.receipt.clone()))
    }

    /// The end of an operation of which the next step was not sent.
    fn unsent(&self, why: &str) -> Sent {
        Sent::Ended(match self.receipt.done {
            0 => words::unsent(why),
            _ => words::cut_short(&self.receipt, why),
        })
    }

    /// The end of an operation of which the next step is known to have had no effect.
    fn stopped(&self, why: &str) -> Sent {
        Sent::Ended(match self.receipt.done {
            0 => Outcome::Refused(why.to_owned()),
            _ => words::cut_short(&self.receipt, why),
        })
    }
}
