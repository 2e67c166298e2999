//! Operations and watching, from a command.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    time::Duration,
};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    super::journal::{Entry, Open, Taken},
    Code, Context, Exit,
    instances::Judge,
    json, show,
};
use crate::{
    domain::{
        App, Consent, History, LOOKING, Operation, Outcome, Plan, Receipt, Request, Revision,
        RollBackTo, Settlement, Standing, TargetId, text::span,
    },
    platform::{
        Platform,
        operation::{self, Progress, ProgressLine, Sent},
    },
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
    // Identifiers may be paths, of which the last part is what people say.
    let last = |id: &str| id.rsplit('/').next() == Some(label);
    let named =
        |one: &&Revision| one.label == bare || one.id.as_str() == label || last(one.id.as_str());
    let found = history.revisions.iter().find(named);
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
    request: Request,
    to: Option<&str>,
    consenting: Consenting,
) -> Result<(), Exit> {
    let ended = Box::pin(carry_out(context, name, request, to, consenting)).await;
    if let Err(exit) = &ended
        && context.json
        && !exit.printed
    {
        // Whatever kept it from being sent.
        Context::print(&json::pretty(&json::outcome("", "refused", &exit.text)))?;
    }
    ended
}

async fn carry_out(
    context: &Context,
    name: &str,
    mut request: Request,
    to: Option<&str>,
    consenting: Consenting,
) -> Result<(), Exit> {
    let (platform, app) = if consenting.dry_run {
        context.find(name).await?
    } else {
        context.find_to_change(name).await?
    };
    request.app = app.id.clone();
    let verb = request.operation.verb();
    if let Some(label) = to {
        let history = platform.revisions(&app.id).await?;
        request.operation =
            Operation::RollBack(RollBackTo::Revision(revision(&history, label)?.id.clone()));
    }
    let request = context.journal.complete(&platform.target(), request);
    let mut plan = platform.plan(request).await?;
    let target = (context.platforms.len() > 1).then_some(&app.target);
    // Who lets a rollout go on should know what is seen of its new side.
    if plan.request.operation == Operation::Continue
        && let Some(verdict) = context.verdict(platform.as_ref(), &app).await
    {
        plan.notes.push(verdict.note());
    }
    if context.json && consenting.dry_run {
        Context::print(&json::pretty(&json::plan(&plan)))?;
    } else if consenting.dry_run {
        Context::print(&text(&plan, target))?;
    } else {
        Context::say(&text(&plan, target));
    }
    if let Some(reason) = &plan.refused {
        let exit = Exit::new(Code::Refused, format!("REFUSED: {reason}"));
        // The plan says it.
        return Err(Exit { printed: consenting.dry_run, ..exit });
    }
    if consenting.dry_run {
        return Ok(());
    }
    if context.read_only {
        return Err(Exit::new(Code::Refused, "REFUSED: revdeck was started with --read-only"));
    }
    let consent = if consenting.yes { Consent::Flag } else { ask(context, &plan)? };
    let confirmed = plan.confirm(consent).map_err(|reason| Exit::new(Code::Refused, reason))?;
    let operation = confirmed.plan().recipe.as_ref().map(|recipe| recipe.id.clone());
    context.journal.intend(&platform.target(), &confirmed).map_err(|error| {
        let outcome = Outcome::no_journal(&error.to_string(), "--no-journal");
        Exit::new(Code::Refused, format!("{}: {}", outcome.word(), outcome.text()))
    })?;
    let operation = operation.unwrap_or_default();
    let sending = platform.as_ref();
    let sent = telling("", |progress| async move {
        operation::execute(sending, confirmed, &progress, &context.journal).await
    });
    let what = format!("the {} of {name}", verb.words());
    let sent = match unless_interrupted(context, &operation, &what, sent).await? {
        Ok(sent) => sent,
        Err(left) => {
            let outcome = note_end(context, &operation, left);
            return finish(context, &operation, &outcome);
        }
    };
    let outcome = match sent {
        Sent::Ended(outcome) => Followed::Ended(outcome),
        Sent::Accepted(_) if consenting.no_wait => {
            let text = if context.journal.is_skipped() {
                "accepted; not waiting for the end"
            } else {
                "accepted; not waiting for the end (`revdeck resume` follows it)"
            };
            if context.json {
                Context::print(&json::pretty(&json::outcome(&operation, "accepted", text)))?;
            }
            Context::say(text);
            return Ok(());
        }
        Sent::Unrecorded(receipt, why) => unrecorded(&receipt, &why),
        Sent::Lost(receipt) => {
            Context::say(LOOKING);
            follow(context, platform.as_ref(), receipt, None, "").await?
        }
        Sent::Accepted(receipt) => follow(context, platform.as_ref(), receipt, None, "").await?,
    };
    let outcome = note_end(context, &operation, outcome);
    finish(context, &operation, &outcome)
}

/// How following an operation ended.
enum Followed {
    /// It has its end.
    Ended(Outcome),
    /// It was left without one: the next run follows it.
    Left(Outcome),
}

/// What is said where an end is not on disk.
fn unwritten(error: &io::Error) -> String {
    format!("its end could not be written down ({error}): the next run looks again")
}

/// Writes down how an operation ended, where it did.
fn note_end(context: &Context, operation: &str, followed: Followed) -> Outcome {
    match followed {
        Followed::Ended(outcome) => {
            if let Err(error) = context.journal.ended(operation, &outcome) {
                Context::say(&unwritten(&error));
            }
            outcome
        }
        Followed::Left(outcome) => outcome,
    }
}

/// What is said of an operation of which a part could not be written down, and so was not sent.
fn unrecorded(receipt: &Receipt, why: &str) -> Followed {
    let (verb, name) = (receipt.verb.words(), &receipt.name);
    Followed::Left(Outcome::Unknown(format!(
        "a part of the {verb} of {name} is left to be sent, since the journal cannot be written ({why}); `revdeck resume` goes on with it, with --no-journal where it must"
    )))
}

/// Sends, unless somebody interrupts it: then how it is left. `what` is the operation in words.
async fn unless_interrupted(
    context: &Context,
    operation: &str,
    what: &str,
    sending: impl Future<Output = Sent>,
) -> io::Result<Result<Sent, Followed>> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    tokio::select! {
        sent = sending => return Ok(Ok(sent)),
        _ = interrupts.recv() => {}
    }
    let story = context.journal.read();
    let sent = |entry: &Entry| entry.operation == operation && entry.event == "sent";
    Ok(Err(if !story.entries.iter().any(sent) {
        let text = format!("{what} was interrupted before anything of it was sent");
        Followed::Ended(Outcome::Refused(text))
    } else if context.journal.is_skipped() {
        Followed::Left(Outcome::Unknown(format!(
            "{what} was left while it was being sent: look what runs before you try again"
        )))
    } else {
        Followed::Left(Outcome::Unknown(format!(
            "{what} was left while it was being sent; `revdeck resume` finds out what became of it"
        )))
    }))
}

/// Says what an operation says while it is sent.
async fn telling<F>(voice: &str, work: impl FnOnce(Progress) -> F) -> F::Output
where
    F: Future,
{
    let (progress, mut lines) = mpsc::unbounded_channel::<ProgressLine>();
    let telling = async {
        while let Some(line) = lines.recv().await {
            Context::say(&format!("{voice}{}", line.text));
        }
    };
    tokio::join!(work(progress), telling).0
}

/// The plan in text, as the dry run prints it; with the target where there are several.
fn text(plan: &Plan, target: Option<&TargetId>) -> String {
    let target = target.map(|target| ("target", target.to_string()));
    let lines: Vec<_> = target.into_iter().chain(plan.lines(false)).collect();
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

/// Tells how an operation ended, by its code as well; `operation` is its name in the journal, empty where it has none.
fn finish(context: &Context, operation: &str, outcome: &Outcome) -> Result<(), Exit> {
    let line = format!("{}  {}", outcome.word(), outcome.text());
    if context.json {
        let word = outcome.word().to_lowercase();
        Context::print(&json::pretty(&json::outcome(operation, &word, outcome.text())))?;
    }
    match Exit::of_outcome(outcome) {
        Code::Done if context.json => Ok(()),
        Code::Done => Ok(Context::print(&line)?),
        code => Err(Exit { printed: context.json, ..Exit::new(code, line) }),
    }
}

/// Looks until the operation has ended, with a line for every change. `voice` is what each begins with.
async fn follow(
    context: &Context,
    platform: &dyn Platform,
    mut receipt: Receipt,
    mut judge: Option<Judge>,
    voice: &str,
) -> Result<Followed, Exit> {
    let (mut said, mut failures) = (String::new(), 0);
    // From here on an interrupt is remembered, also one that comes while something is read.
    let mut interrupts = signal(SignalKind::interrupt())?;
    loop {
        if let Some(judge) = &mut judge {
            judge.look(context, platform, &receipt.app.app).await;
        }
        match operation::settle(platform, &receipt).await {
            Ok(Settlement::Ended(outcome)) => return Ok(Followed::Ended(outcome)),
            Ok(Settlement::Open(outcome)) => return Ok(Followed::Left(outcome)),
            Ok(Settlement::Pending { standing, receipt: learned, rollout }) => {
                failures = 0;
                receipt = *learned;
                let line = match (&rollout, standing) {
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
                    (None, Standing::Converging) => {
                        "it is as asked, and the last instances are on their way".to_owned()
                    }
                    (None, _) => "waiting for the platform".to_owned(),
                };
                if changed(&said, &line) {
                    Context::say(&format!("{voice}{line}"));
                    said = line;
                }
            }
            Ok(Settlement::Unfinished(_)) if context.read_only => {
                return Ok(Followed::Left(Outcome::Unknown(format!(
                    "the {} of {} has a part left to be sent, and revdeck was started with --read-only",
                    receipt.verb.words(),
                    receipt.name
                ))));
            }
            Ok(Settlement::Unfinished(learned)) => {
                let what = match &learned.outcome {
                    Some(_) => "it is over: what was promised for its end is sent",
                    None => "its first part has taken effect: going on",
                };
                Context::say(&format!("{voice}{what}"));
                let operation = learned.recipe.id.clone();
                let left = format!("the {} of {}", learned.verb.words(), learned.name);
                let sent = telling(voice, |progress| async move {
                    operation::resume(platform, *learned, &progress, &context.journal).await
                });
                let sent = match unless_interrupted(context, &operation, &left, sent).await? {
                    Ok(sent) => sent,
                    Err(left) => return Ok(left),
                };
                match sent {
                    Sent::Ended(outcome) => return Ok(Followed::Ended(outcome)),
                    Sent::Unrecorded(receipt, why) => return Ok(unrecorded(&receipt, &why)),
                    Sent::Accepted(learned) => {
                        receipt = learned;
                        continue;
                    }
                    // The next look tells more, after a while.
                    Sent::Lost(learned) => receipt = learned,
                }
            }
            Err(error) => {
                failures += 1;
                Context::say(&format!("{voice}{error}"));
                if failures >= PATIENCE {
                    return Ok(Followed::Left(Outcome::Unknown(format!(
                        "it was sent for {}, and {error}; `revdeck resume` will tell",
                        receipt.name
                    ))));
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = interrupts.recv() => {
                return Ok(Followed::Left(Outcome::Unknown(left(context, &receipt))));
            }
        }
    }
}

/// What is said of an operation that is left before its end.
fn left(context: &Context, receipt: &Receipt) -> String {
    let what = format!("the {} of {} goes on", receipt.verb.words(), receipt.name);
    let follows = if receipt.theirs || context.journal.is_skipped() { "watch" } else { "resume" };
    format!("{what}; `revdeck {follows}` follows it")
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
    let Some(receipt) = operation::follow(platform.as_ref(), &app) else {
        return Ok(Context::print(&line(context, &app))?);
    };
    Context::print(&line(context, &app))?;
    let judge = app.rolls().then(Judge::default);
    match follow(context, platform.as_ref(), receipt, judge, "").await? {
        Followed::Ended(outcome) | Followed::Left(outcome) => finish(context, "", &outcome),
    }
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

/// `revdeck resume`: operations of earlier runs that have no end, listed, or followed to it.
pub async fn resume(context: &Context, list: bool) -> Result<(), Exit> {
    let story = context.journal.read();
    for complaint in &story.complaints {
        Context::say(&format!("note: {complaint}"));
    }
    let open = story.open();
    if list || open.is_empty() {
        let text = if context.json {
            json::list(open.iter().map(json::open))
        } else {
            show::open(&open, context.now(), !story.complaints.is_empty())
        };
        Context::print(&text)?;
        // What was complained of may be an operation without an end.
        return if story.uncertain { Err(Exit::new(Code::Unknown, "")) } else { Ok(()) };
    }
    // One that takes days keeps none of the others from being told.
    let several = open.len() > 1;
    let ends = open.into_iter().map(|one| async move {
        let voice = if several { one.receipt.name.clone() + ": " } else { String::new() };
        let end = resume_one(context, one, &voice).await;
        match end {
            Err(exit) if several && !exit.text.is_empty() => {
                Context::say(&exit.text);
                Err(Exit::new(exit.code, ""))
            }
            end => end,
        }
    });
    let ended: Result<(), Exit> = join_all(ends).await.into_iter().collect();
    ended?;
    if story.uncertain { Err(Exit::new(Code::Unknown, "")) } else { Ok(()) }
}

/// Follows one of them to its end. `voice` is what its lines begin with.
async fn resume_one(context: &Context, one: Open, voice: &str) -> Result<(), Exit> {
    let (verb, name) = (one.receipt.verb.words(), one.receipt.name.clone());
    if one.followed {
        Context::say(&format!("the {verb} of {name} is followed by another revdeck"));
        return Ok(());
    }
    let target = &one.receipt.app.target;
    let here = context.platforms.iter().find(|one| one.target().id == *target);
    let Some(platform) = here.filter(|platform| one.receipt.is_of(&platform.target())) else {
        let (api, kind) = (&one.receipt.api, &one.platform);
        Context::say(&match here {
            Some(other) => format!(
                "the {verb} of {name} was sent to {api}, and {target} leads to {} now: log in there again",
                other.target().api
            ),
            None => format!(
                "the {verb} of {name} is on {target} ({kind}), which is not here: say --target {target}, with a revdeck that knows {kind}"
            ),
        });
        return Err(Exit::new(Code::Unknown, ""));
    };
    let operation = one.receipt.recipe.id.clone();
    let sent = if context.read_only {
        Context::say(&format!("following the {verb} of {name}"));
        Sent::Accepted(one.receipt)
    } else {
        match context.journal.take_up(&one.receipt) {
            Ok(Taken::Ours(receipt)) => {
                Context::say(&format!("following the {verb} of {name}"));
                let platform = platform.as_ref();
                let work = telling(voice, |progress| async move {
                    operation::resume(platform, *receipt, &progress, &context.journal).await
                });
                let what = format!("the {verb} of {name}");
                match unless_interrupted(context, &operation, &what, work).await? {
                    Ok(sent) => sent,
                    Err(left) => {
                        let outcome = note_end(context, &operation, left);
                        return finish(context, &operation, &outcome);
                    }
                }
            }
            Ok(Taken::Followed) => {
                Context::say(&format!("the {verb} of {name} was taken up by another revdeck"));
                return Ok(());
            }
            Ok(Taken::Ended(outcome)) => return finish(context, &operation, &outcome),
            // Where nothing is left to be sent, looking needs no journal.
            Err(_) if !one.receipt.may_send() => {
                Context::say(&format!("following the {verb} of {name}"));
                Sent::Accepted(one.receipt)
            }
            Err(error) => {
                let outcome = Outcome::no_journal(&error.to_string(), "--no-journal");
                Context::say(&format!("{verb} of {name}: {}", outcome.text()));
                return Err(Exit::new(Code::Refused, ""));
            }
        }
    };
    let outcome = match sent {
        Sent::Ended(outcome) => Followed::Ended(outcome),
        Sent::Unrecorded(receipt, why) => unrecorded(&receipt, &why),
        Sent::Accepted(receipt) | Sent::Lost(receipt) => {
            follow(context, platform.as_ref(), receipt, None, voice).await?
        }
    };
    let outcome = note_end(context, &operation, outcome);
    finish(context, &operation, &outcome)
}

/// `revdeck journal`: what was done, oldest first.
pub fn journal(context: &Context, app: Option<&str>, since: Option<&str>) -> Result<(), Exit> {
    let from = since.map(|text| since_when(text, context.now())).transpose()?;
    let story = context.journal.history();
    for complaint in &story.complaints {
        Context::say(&format!("note: {complaint}"));
    }
    if let Some(app) = app.filter(|app| !story.entries.iter().any(|entry| entry.app == *app)) {
        Context::say(&format!("note: nothing in the journal is of an app called {app}"));
    }
    let wanted = |entry: &&Entry| {
        app.is_none_or(|app| entry.app == app) && from.is_none_or(|from| entry.at >= from)
    };
    let entries: Vec<_> = story.entries.iter().filter(wanted).collect();
    let text = if context.json {
        json::list(entries.iter().map(|entry| entry.line.clone()))
    } else {
        show::journal(&entries)
    };
    Ok(Context::print(&text)?)
}

/// A time such as `2h`, `30m`, `7d`, or a timestamp.
pub(super) fn since_when(text: &str, now: Timestamp) -> Result<Timestamp, Exit> {
    let ago = text.parse::<jiff::SignedDuration>().ok().or_else(|| {
        let days: i64 = text.strip_suffix('d')?.parse().ok()?;
        Some(jiff::SignedDuration::from_hours(days.checked_mul(24)?))
    });
    let at = match ago {
        Some(ago) => now.checked_sub(ago).ok(),
        None => text.parse().ok(),
    };
    at.ok_or_else(|| {
        Exit::new(
            Code::Usage,
            format!("--since {text:?}: use 30m, 2h, 7d, or a time such as {now}"),
        )
    })
}
