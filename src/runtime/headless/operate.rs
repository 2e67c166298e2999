//! Operations and watching, from a command.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{Code, Context, Exit, json, show};
use crate::{
    domain::{
        App, Consent, History, Operation, Outcome, Plan, Receipt, Request, Revision, RollBackTo,
        Settlement, Stage, text::span,
    },
    platform::{Platform, Sent},
};

/// How often a rollout is looked at: the platform's own rhythm.
const LOOK: Duration = Duration::from_secs(5);
/// How often a reading may fail in a row before the outcome is called unknown.
const PATIENCE: u32 = 24;

/// Whether and how the operator agrees.
#[derive(Clone, Copy, Debug)]
pub struct Consenting {
    /// Only the plan is wanted.
    pub dry_run: bool,
    /// No question is asked.
    pub yes: bool,
    /// The end is not waited for.
    pub no_wait: bool,
}

/// A revision by its label or identifier.
pub(super) fn revision<'a>(history: &'a History, label: &str) -> Result<&'a Revision, Exit> {
    let bare = label.trim_start_matches("rev").trim();
    let found = history.revisions.iter().find(|one| one.label == bare || one.id.as_str() == label);
    found.ok_or_else(|| {
        let known: Vec<_> =
            history.revisions.iter().take(12).map(|one| one.label.as_str()).collect();
        Exit::new(
            Code::Refused,
            format!("there is no revision {label:?}; there are {}", known.join(", ")),
        )
    })
}

/// Plans an operation, asks, carries it out and follows it. `to` is the label of the revision to roll back to.
pub async fn operate(
    context: &Context,
    name: &str,
    mut request: Request,
    to: Option<&str>,
    consenting: Consenting,
) -> Result<(), Exit> {
    let (platform, app) = context.find(name).await?;
    request.app = app.id.clone();
    if let Some(label) = to {
        let history = platform.revisions(&app.id).await?;
        request.operation =
            Operation::RollBack(RollBackTo::Revision(revision(&history, label)?.id.clone()));
    }
    let plan = platform.plan(request).await?;
    if context.json && consenting.dry_run {
        Context::print(&json::pretty(&json::plan(&plan)))?;
    } else if consenting.dry_run {
        Context::print(&text(&plan))?;
    } else {
        Context::say(&text(&plan));
    }
    if let Some(reason) = &plan.refused {
        return Err(Exit::new(Code::Refused, format!("REFUSED: {reason}")));
    }
    if consenting.dry_run {
        return Ok(());
    }
    if context.read_only {
        return Err(Exit::new(Code::Refused, "REFUSED: revdeck was started with --read-only"));
    }
    let consent = if consenting.yes { Consent::Flag } else { ask(context, &plan)? };
    let confirmed = plan.confirm(consent).map_err(|reason| Exit::new(Code::Refused, reason))?;
    let id = fastrand::u64(..);
    let target = platform.target();
    context.journal.intend(context.now(), id, &target, &confirmed).map_err(|error| {
        Exit::new(
            Code::Refused,
            format!("REFUSED: the journal cannot be written ({error}), so nothing was sent"),
        )
    })?;
    let (progress, mut lines) = mpsc::unbounded_channel();
    let execution = platform.execute(confirmed, progress);
    let telling = async {
        while let Some(line) = lines.recv().await {
            Context::say(&line);
        }
    };
    let (sent, ()) = tokio::join!(execution, telling);
    let outcome = match sent {
        Sent::Ended(outcome) => outcome,
        Sent::Accepted(_) if consenting.no_wait => {
            Context::say("taken; not waiting for the end");
            return Ok(());
        }
        Sent::Lost(receipt) => {
            Context::say("the answer was lost after the request left: looking (it is sent once)");
            follow(context, platform.as_ref(), receipt).await?
        }
        Sent::Accepted(receipt) => follow(context, platform.as_ref(), receipt).await?,
    };
    context.journal.end(context.now(), id, &outcome);
    finish(context, &outcome)
}

/// The plan in text, as the dry run prints it.
fn text(plan: &Plan) -> String {
    let lines = plan.lines(false);
    let lines: Vec<_> = lines.iter().map(|(label, text)| format!("  {label:<8} {text}")).collect();
    format!("{}\n{}\n", plan.title, lines.join("\n"))
}

fn ask(_context: &Context, plan: &Plan) -> Result<Consent, Exit> {
    if !io::stdin().is_terminal() {
        return Err(Exit::new(
            Code::Refused,
            "REFUSED: nobody can answer here; look at --dry-run, then add --yes",
        ));
    }
    Context::say("");
    let mut err = io::stderr().lock();
    write!(err, "{}? Type yes: ", plan.request.operation.verb().words())?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim().eq_ignore_ascii_case("yes") {
        return Ok(Consent::Answered);
    }
    Err(Exit::new(Code::Refused, "left as it is: nothing was sent"))
}

fn finish(context: &Context, outcome: &Outcome) -> Result<(), Exit> {
    let line = format!("{}  {}", outcome.word(), outcome.text());
    match Exit::of_outcome(outcome) {
        Code::Done if !context.json => Ok(Context::print(&line)?),
        Code::Done => Ok(Context::print(&json::pretty(
            &serde_json::json!({ "outcome": "done", "text": outcome.text() }),
        ))?),
        code => Err(Exit::new(code, line)),
    }
}

/// Looks until the operation has ended, with a line for every change.
async fn follow(
    context: &Context,
    platform: &dyn Platform,
    mut receipt: Receipt,
) -> Result<Outcome, Exit> {
    let (mut said, mut failures) = (String::new(), 0);
    loop {
        match platform.settle(&receipt).await {
            Ok(Settlement::Ended(outcome)) => return Ok(outcome),
            Ok(Settlement::Pending { stage, receipt: learned, rollout }) => {
                failures = 0;
                receipt = *learned;
                let line = match (&rollout, stage) {
                    (Some(rollout), _) => {
                        let mut line = format!(
                            "{}: {}",
                            rollout.phase.word(),
                            show::short(rollout, context.now())
                        );
                        if let Some(stuck) = &rollout.stuck {
                            line += &format!(
                                " (for {}: {})",
                                span(context.now().duration_since(stuck.since)),
                                stuck.why
                            );
                        }
                        line
                    }
                    (None, Stage::Converging) => {
                        "the rollout is over, the last instances are starting".to_owned()
                    }
                    (None, _) => "waiting for the platform".to_owned(),
                };
                if changed(&said, &line) {
                    Context::say(&line);
                    said = line;
                }
            }
            Err(error) => {
                failures += 1;
                Context::say(&error.to_string());
                if failures >= PATIENCE {
                    return Ok(Outcome::Unknown(format!(
                        "it was sent for {}, and {error}; `revdeck status` will tell",
                        receipt.name
                    )));
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether two lines differ in more than an age.
fn changed(before: &str, after: &str) -> bool {
    let bare =
        |text: &str| text.rsplit_once(", ").map_or(text.to_owned(), |(line, _)| line.to_owned());
    bare(before) != bare(after)
}

/// `revdeck watch APP`: a line for every change until the rollout ends.
pub async fn watch(context: &Context, name: &str) -> Result<(), Exit> {
    let (platform, app) = context.find(name).await?;
    let Some(receipt) = platform.follow(&app) else {
        return Ok(Context::print(&line(context, &app))?);
    };
    Context::print(&line(context, &app))?;
    let outcome = follow(context, platform.as_ref(), receipt).await?;
    finish(context, &outcome)
}

fn line(context: &Context, app: &App) -> String {
    if context.json {
        return json::pretty(&json::app(app));
    }
    match &app.rollout {
        Some(rollout) => {
            format!("{} {}: {}", app.name, app.condition(), show::short(rollout, context.now()))
        }
        None => format!("{} {}: nothing is rolling", app.name, app.condition()),
    }
}
