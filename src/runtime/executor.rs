//! Carrying effects out, each in a task of its own; the loop never waits for one.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{mpsc, watch};

use super::{Setup, journal::Journal};
use crate::{
    dashboard::{Effect, Event},
    domain::{AppKey, Confirmed, Interest, Outcome, TargetId},
    platform::{Now, Platform, Sent},
};

pub(super) struct Executor {
    platforms: HashMap<TargetId, Arc<dyn Platform>>,
    events: mpsc::Sender<Event>,
    journal: Journal,
    now: Now,
    interests: HashMap<TargetId, watch::Sender<Interest>>,
    read_only: bool,
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
            now: setup.now.clone(),
            interests,
            read_only: setup.read_only,
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
            Effect::Plan { id, target, request } => self.ask(&target, move |platform| async move {
                let plan = platform.plan(request).await.map_err(|error| error.problem());
                Event::Planned { id, plan: Box::new(plan) }
            }),
            Effect::Execute { id, target, plan } => self.execute(id, &target, *plan),
            Effect::Settle { id, target, receipt } => {
                self.ask(&target, move |platform| async move {
                    let settlement =
                        platform.settle(&receipt).await.map_err(|error| error.problem());
                    Event::Settled { id, settlement: Box::new(settlement) }
                });
            }
            Effect::Journal { id, outcome } => {
                let (journal, at) = (self.journal.clone(), (self.now)());
                tokio::task::spawn_blocking(move || journal.end(at, id, &outcome));
            }
            Effect::Details { id, app: AppKey { target, app }, from, to } => {
                self.ask(&target, move |platform| async move {
                    let details =
                        tokio::try_join!(platform.detail(&app, &from), platform.detail(&app, &to));
                    let details = details.map_err(|error| error.problem());
                    Event::Details { id, details: Box::new(details) }
                });
            }
            Effect::Logs { id, app: AppKey { target, app } } => {
                self.ask(&target, move |platform| async move {
                    let lines = platform.logs(&app).await.map_err(|error| error.problem());
                    Event::Logs { id, lines }
                })
            }
            Effect::Events { id, app: AppKey { target, app } } => {
                self.ask(&target, move |platform| async move {
                    let events = platform.events(&app).await.map_err(|error| error.problem());
                    Event::Events { id, events }
                })
            }
            // The loop has these itself.
            Effect::ShowNow | Effect::Copy(_) | Effect::Suspend | Effect::Quit => {}
        }
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

    /// The intent is on disk before the request is sent; where it cannot be, nothing is sent.
    fn execute(&self, id: u64, target: &TargetId, plan: Confirmed) {
        if self.read_only {
            // The keys refuse it before; whatever they forget ends here.
            let text = "revdeck was started with --read-only: nothing was sent".to_owned();
            return self
                .answer(async move { Event::Ended { id, outcome: Outcome::Refused(text) } });
        }
        let Some(platform) = self.platforms.get(target).cloned() else { return };
        let (journal, at) = (self.journal.clone(), (self.now)());
        let (progress, mut lines) = mpsc::unbounded_channel();
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                let _ = events.send(Event::Progress { id, line }).await;
            }
        });
        self.answer(async move {
            let target = platform.target();
            let written = tokio::task::spawn_blocking({
                let plan = plan.clone();
                move || journal.intend(at, id, &target, &plan)
            });
            let failed = match written.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = failed {
                let text = format!("the journal cannot be written ({why}), so nothing was sent");
                return Event::Ended { id, outcome: Outcome::Refused(text) };
            }
            match platform.execute(plan, progress).await {
                Sent::Ended(outcome) => Event::Ended { id, outcome },
                Sent::Accepted(receipt) | Sent::Lost(receipt) => Event::Accepted { id, receipt },
            }
        });
    }
}
