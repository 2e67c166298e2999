//! Carrying effects out, each in a task of its own; the loop never waits for one.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    Setup, files,
    incident::Incident,
    journal::{Journal, Taken},
};
use crate::{
    dashboard::{Effect, Event, Hindrance},
    domain::{
        AppEvent, AppKey, Confirmed, Interest, LogBatch, LogQuery, Outcome, Problem, ProblemKind,
        Receipt, TargetId, Thresholds,
    },
    platform::{
        self, Now, Platform,
        operation::{self, Progress, Sent},
    },
};

/// For how long the lines of a log are gathered before they are told.
const GATHER: Duration = Duration::from_millis(100);
/// From when on the record of an incident is written.
const SINCE: SignedDuration = SignedDuration::from_hours(1);
/// How many of them are told at most at a time.
const SHOWN: usize = 2_000;

pub(super) struct Executor {
    platforms: HashMap<TargetId, Arc<dyn Platform>>,
    events: mpsc::Sender<Event>,
    journal: Journal,
    interests: HashMap<TargetId, watch::Sender<Interest>>,
    read_only: bool,
    thresholds: Thresholds,
    now: Now,
    /// The logs that are followed, by the page that reads them. Dropped, a log is followed no more.
    logs: Mutex<HashMap<u64, AbortOnDrop>>,
}

/// Ends a task when nobody has it any more.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Executor {
    pub(super) fn new(
        setup: &Setup,
        events: mpsc::Sender<Event>,
        interests: HashMap<TargetId, watch::Sender<Interest>>,
    ) -> Self {
        let named = |platform: &Arc<dyn Platform>| (platform.target().id, platform.clone());
        Self {
            platforms: setup.platforms.iter().map(named).collect(),
            events,
            journal: setup.journal.clone(),
            interests,
            read_only: setup.read_only,
            thresholds: setup.thresholds,
            now: setup.now.clone(),
            logs: Mutex::default(),
        }
    }

    pub(super) fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Attention(attention) => {
                for (target, interest) in &self.interests {
                    let own = attention.of(target);
                    interest.send_if_modified(|known| {
                        let new = *known != own;
                        *known = own;
                        new
                    });
                }
            }
            Effect::Plan { id, target, request } => {
                let journal = self.journal.clone();
                self.ask(&target, move |platform| async move {
                    let target = platform.target();
                    let known = request.clone();
                    let completed =
                        tokio::task::spawn_blocking(move || journal.complete(&target, known)).await;
                    let plan = platform.plan(completed.unwrap_or(request)).await;
                    Event::Planned { id, plan: Box::new(plan.map_err(|error| error.problem())) }
                });
            }
            Effect::Execute { id, target, plan } => self.execute(id, &target, *plan),
            Effect::Settle { id, receipt } => {
                let target = receipt.app.target.clone();
                self.ask(&target, move |platform| async move {
                    let settlement = operation::settle(platform.as_ref(), &receipt).await;
                    let settlement = settlement.map_err(|error| error.problem());
                    Event::Settled { id, settlement: Box::new(settlement) }
                });
            }
            Effect::Resume { id, receipt } => self.resume(id, *receipt),
            Effect::Journal { operation, outcome } => {
                let journal = self.journal.clone();
                self.answer(async move {
                    let ended =
                        tokio::task::spawn_blocking(move || journal.ended(&operation, &outcome));
                    let failed = match ended.await {
                        Ok(Ok(())) => None,
                        Ok(Err(error)) => Some(error.to_string()),
                        Err(error) => Some(error.to_string()),
                    };
                    Event::Journalled { failed }
                });
            }
            Effect::WithoutJournal => self.journal.skip(),
            Effect::Details { id, app: AppKey { target, app }, from, to } => {
                self.ask(&target, move |platform| async move {
                    let details =
                        tokio::try_join!(platform.detail(&app, &from), platform.detail(&app, &to));
                    let details = details.map_err(|error| error.problem());
                    Event::Details { id, details: Box::new(details) }
                });
            }
            Effect::Instances { id, app } => {
                let target = app.target.clone();
                self.ask(&target, move |platform| async move {
                    let reading = platform.instances(&app.app).await;
                    let reading = Box::new(reading.map_err(|error| error.problem()));
                    Event::Instances { id, app, reading }
                });
            }
            Effect::Shell { id, app: AppKey { target, app }, instance } => {
                self.ask(&target, move |platform| async move {
                    let shell = platform.shell(&app, &instance).await;
                    Event::Shell { id, shell: shell.map_err(|error| error.problem()) }
                });
            }
            Effect::Incident { app, seen } => self.write_incident(app, seen),
            Effect::SaveLog { name, text } => self.save_log(name, text),
            Effect::Log { id, app, query } => self.follow(id, app, query),
            Effect::EndLog { id } => drop(self.logs().remove(&id)),
            Effect::Events { id, app: AppKey { target, app } } => {
                self.ask(&target, move |platform| async move {
                    let events = platform.events(&app).await.map_err(|error| error.problem());
                    Event::Events { id, events }
                });
            }
            // The loop has these itself.
            Effect::ShowNow
            | Effect::Notify(_)
            | Effect::HandOver(_)
            | Effect::Copy { .. }
            | Effect::Suspend
            | Effect::Quit => {}
        }
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<u64, AbortOnDrop>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the record of an incident into a file of its own, which nobody else may read.
    fn write_incident(&self, app: AppKey, seen: Vec<AppEvent>) {
        let (journal, thresholds) = (self.journal.clone(), self.thresholds);
        self.ask(&app.target.clone(), move |platform| async move {
            let text = async {
                let app = platform.app(app.app.as_str()).await?;
                let (name, since) = (app.name.clone(), platform.now() - SINCE);
                let mut record =
                    Incident::read(platform.as_ref(), app, &journal, since, &thresholds).await?;
                record.saw(seen);
                Ok::<_, platform::Error>((name, record.markdown(&TimeZone::system())))
            };
            let what = "incident record";
            match text.await {
                Ok((name, text)) => write(journal, what, name, platform.now(), text).await,
                Err(error) => Event::Written { what, file: Err(error.problem()) },
            }
        });
    }

    /// Writes lines of a log into a file of its own, which nobody else may read.
    fn save_log(&self, name: String, text: String) {
        let (journal, at) = (self.journal.clone(), (self.now)());
        self.answer(async move { write(journal, "log", name, at, text).await });
    }

    /// Follows a log until its page is closed. What comes faster than anybody reads is left out, and counted.
    fn follow(&self, id: u64, app: AppKey, query: LogQuery) {
        let Some(platform) = self.platforms.get(&app.target).cloned() else { return };
        let events = self.events.clone();
        let task = tokio::spawn(async move {
            let (sender, batches) = mpsc::channel(64);
            let read = platform.log(&app.app, &query, sender);
            let told = tell(id, batches, &events);
            let (how, ()) = tokio::join!(read, told);
            let how = how.map_err(|error| error.problem());
            let _ = events.send(Event::LogEnded { id, how }).await;
        });
        self.logs().insert(id, AbortOnDrop(task.abort_handle()));
    }

    /// Asks a target in a task of its own; one that is not on the deck is asked nothing.
    fn ask<F>(&self, target: &TargetId, work: impl FnOnce(Arc<dyn Platform>) -> F)
    where
        F: Future<Output = Event> + Send + 'static,
    {
        if let Some(platform) = self.platforms.get(target) {
            self.answer(work(platform.clone()));
        }
    }

    fn answer(&self, work: impl Future<Output = Event> + Send + 'static) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let _ = events.send(work.await).await;
        });
    }

    fn end(&self, id: u64, outcome: Outcome) {
        self.answer(async move { Event::Ended { id, outcome } });
    }

    /// The platform that an operation may be sent to.
    fn target_of(&self, id: u64, target: &TargetId) -> Option<Arc<dyn Platform>> {
        if self.read_only {
            // The keys refuse it before; whatever they forget ends here.
            let text = "revdeck was started with --read-only: nothing was sent".to_owned();
            self.end(id, Outcome::Refused(text));
            return None;
        }
        self.platforms.get(target).cloned()
    }

    /// Where an operation says what it is doing.
    fn progress(&self, id: u64) -> Progress {
        let (progress, mut lines) = mpsc::unbounded_channel::<operation::ProgressLine>();
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                let (line, replaces) = (line.text, line.replaces);
                let _ = events.send(Event::Progress { id, line, replaces }).await;
            }
        });
        progress
    }

    /// The intent is on disk before anything is sent; where it cannot be, nothing is sent.
    fn execute(&self, id: u64, target: &TargetId, plan: Confirmed) {
        let Some(platform) = self.target_of(id, target) else { return };
        let (journal, progress) = (self.journal.clone(), self.progress(id));
        self.answer(ended_by_panic(id, async move {
            let target = platform.target();
            let written = tokio::task::spawn_blocking({
                let (journal, plan) = (journal.clone(), plan.clone());
                move || journal.intend(&target, &plan)
            });
            let failed = match written.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = failed {
                return Event::NoJournal { id, why };
            }
            sent(id, operation::execute(platform.as_ref(), plan, &progress, &journal).await)
        }));
    }

    fn resume(&self, id: u64, receipt: Receipt) {
        let Some(platform) = self.target_of(id, &receipt.app.target) else { return };
        let (journal, progress) = (self.journal.clone(), self.progress(id));
        self.answer(ended_by_panic(id, async move {
            let taken = tokio::task::spawn_blocking({
                let (journal, receipt) = (journal.clone(), receipt.clone());
                move || journal.take_up(&receipt)
            });
            let why = match taken.await {
                Ok(Ok(Taken::Ours(receipt))) => {
                    let resumed =
                        operation::resume(platform.as_ref(), *receipt, &progress, &journal);
                    return sent(id, resumed.await);
                }
                Ok(Ok(Taken::Ended(outcome))) => return Event::EndedElsewhere { id, outcome },
                Ok(Ok(Taken::Followed)) => Hindrance::Followed,
                // Where nothing is left to be sent, looking needs no journal.
                _ if !receipt.may_send() => {
                    return Event::Accepted { id, receipt: Box::new(receipt) };
                }
                Ok(Err(error)) => Hindrance::Journal(error.to_string()),
                Err(error) => Hindrance::Journal(error.to_string()),
            };
            Event::NotTakenUp { id, receipt: Box::new(receipt), why }
        }));
    }
}

/// Writes a file beside the journal.
async fn write(
    journal: Journal,
    what: &'static str,
    name: String,
    at: Timestamp,
    text: String,
) -> Event {
    let kept = tokio::task::spawn_blocking(move || files::keep(&journal, what, &name, at, &text));
    let file = match kept.await {
        Ok(Ok(file)) => Ok(file.display().to_string()),
        Ok(Err(error)) => Err(format!("the file cannot be written: {error}")),
        Err(error) => Err(error.to_string()),
    };
    let file = file.map_err(|text| Problem { kind: ProblemKind::Refused, text });
    Event::Written { what, file }
}

/// Tells the lines of a log a few times a second; of a flood the latest ones.
async fn tell(id: u64, mut batches: mpsc::Receiver<LogBatch>, events: &mpsc::Sender<Event>) {
    while let Some(LogBatch { mut lines, mut mark }) = batches.recv().await {
        let until = Instant::now() + GATHER;
        while let Ok(Some(more)) = timeout_at(until, batches.recv()).await {
            if more.mark.is_some() {
                // What stood before it is told first, so that it stands at its place.
                let before = LogBatch { lines: std::mem::take(&mut lines), mark };
                if events.send(Event::Log { id, batch: before }).await.is_err() {
                    return;
                }
                mark = more.mark;
            }
            lines.extend(more.lines);
        }
        lines.sort_by_key(|line| line.at);
        let surplus = lines.len().saturating_sub(SHOWN);
        if surplus > 0 {
            lines.drain(..surplus);
            let flood = format!("{surplus} lines not shown: they come faster than anybody reads");
            mark = Some(mark.map_or(flood.clone(), |mark| format!("{mark}; {flood}")));
        }
        if events.send(Event::Log { id, batch: LogBatch { lines, mark } }).await.is_err() {
            return;
        }
    }
}

fn sent(id: u64, sent: Sent) -> Event {
    match sent {
        Sent::Ended(outcome) => Event::Ended { id, outcome },
        Sent::Accepted(receipt) | Sent::Lost(receipt) => {
            Event::Accepted { id, receipt: Box::new(receipt) }
        }
        Sent::Unrecorded(receipt, why) => {
            Event::NotTakenUp { id, receipt: Box::new(receipt), why: Hindrance::Journal(why) }
        }
    }
}

/// An adapter that panics must not leave an operation "being sent" for ever: what became of it is not known.
async fn ended_by_panic(id: u64, work: impl Future<Output = Event>) -> Event {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
        let text = "revdeck failed while it was sending (see its log): look what runs before you try again";
        Event::Ended { id, outcome: Outcome::Unknown(text.to_owned()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AppId, Consent, Operation, Plan, Recipe, Request, Verb};

    #[tokio::test]
    async fn a_panic_ends_an_operation_as_unknown() {
        let event = ended_by_panic(7, async { panic!("an adapter's mistake") }).await;
        let Event::Ended { id: 7, outcome: Outcome::Unknown(text) } = event else {
            panic!("{event:?}")
        };
        assert!(text.contains("look what runs before you try again"), "{text}");
    }

    /// Whatever the keys forget: with `--read-only` nothing is sent and nothing is written down.
    #[tokio::test]
    async fn read_only_is_held_where_effects_are_carried_out() {
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (events, mut told) = mpsc::channel(8);
        let target = TargetId::new("cf");
        let executor = Executor {
            platforms: HashMap::new(),
            events,
            journal: Journal::nowhere(Arc::new(move || at)),
            interests: HashMap::new(),
            read_only: true,
            thresholds: Thresholds::default(),
            now: Arc::new(move || at),
            logs: Mutex::default(),
        };
        let request = Request::new(AppId::new("guid"), Operation::Restart);
        let plan = Plan::draft(request, "checkout".to_owned(), "RESTART".to_owned(), at);
        let plan = Plan { recipe: Some(Recipe::default()), ..plan };
        let app = AppKey::new(target.clone(), AppId::new("guid"));
        let receipt = Receipt::unsent(app, "checkout".to_owned(), Verb::Restart, Recipe::default());
        let plan = Box::new(plan.confirm(Consent::Flag).unwrap());
        for effect in [
            Effect::Execute { id: 1, target, plan },
            Effect::Resume { id: 2, receipt: Box::new(receipt) },
        ] {
            executor.carry_out(effect);
            let Some(Event::Ended { outcome: Outcome::Refused(why), .. }) = told.recv().await
            else {
                panic!("it was not refused");
            };
            assert!(why.contains("--read-only") && why.contains("nothing was sent"), "{why}");
        }
        assert!(executor.journal.read().entries.is_empty());
    }
}
