//! `revdeck instances`, and the verdict of `revdeck status`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Code, Context, Exit, json, show};
use crate::{
    domain::{App, AppId, Judgement, PACE, Recording, Verdict, text::span},
    platform::Platform,
};

/// What is less than this is not worth another reading.
const LEAST: SignedDuration = SignedDuration::from_secs(2);
/// The longest that instances are watched by one command.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

impl Context {
    /// `revdeck instances APP`.
    pub async fn instances(&self, name: &str, watch: Option<&str>) -> Result<(), Exit> {
        let watch = watch.map(parse).transpose()?.unwrap_or_default();
        let (platform, mut app) = self.find(name).await?;
        let until = self.now() + watch;
        let mut recording = Recording::default();
        loop {
            let reading = platform.instances(&app.id).await?;
            let (at, pace) = (reading.at, reading.pace);
            recording.take(reading);
            if at + LEAST > until {
                break;
            }
            if recording.samples().count() == 1 {
                let every = span(pace);
                Self::say(&format!("reading every {every} for {}", span(until.duration_since(at))));
            }
            // The last one is at the end, however short that is after the one before.
            let next = (at + pace).min(until);
            let pause = next.duration_since(self.now()).max(SignedDuration::ZERO);
            tokio::time::sleep(Duration::try_from(pause).unwrap_or_default()).await;
            // What rolls may have ended, or begun.
            app = platform.app(app.id.as_str()).await?;
        }
        let Some(reading) = recording.latest() else { return Ok(()) };
        let rolls = app.rolls();
        let verdict = if rolls { Verdict::of(&recording, &self.thresholds) } else { None };
        let text = if self.json {
            json::pretty(&json::reading(reading, verdict.as_ref()))
        } else {
            let mut text = show::reading(reading, rolls, self.now());
            if let Some(verdict) = verdict {
                text += &format!("{}  {}\n", verdict.judgement.word(), verdict.why());
            }
            text
        };
        Ok(Self::print(&text)?)
    }

    /// What one reading says of a rollout; nothing where it cannot be read, which is no reason to fail.
    pub(super) async fn verdict(&self, platform: &dyn Platform, app: &App) -> Option<Verdict> {
        if !app.rolls() {
            return None;
        }
        let mut recording = Recording::default();
        recording.take(platform.instances(&app.id).await.ok()?);
        let mut verdict = Verdict::of(&recording, &self.thresholds)?;
        if verdict.judgement == Judgement::TooEarly {
            let more =
                format!("this was one look: `revdeck instances {} --for 1m` takes more", app.name);
            verdict.reasons.push(more);
        }
        Some(verdict)
    }
}

/// What is said of a rollout while it is watched.
#[derive(Debug, Default)]
pub(super) struct Judge {
    recording: Recording,
    next: Option<Timestamp>,
    said: Option<Judgement>,
}

impl Judge {
    /// Reads the instances where it is time for that, and says it where the judgement is another one. What cannot be read
    /// is no reason to fail: it is tried again.
    pub(super) async fn look(&mut self, context: &Context, platform: &dyn Platform, app: &AppId) {
        if self.next.is_some_and(|next| context.now() < next) {
            return;
        }
        self.next = Some(context.now() + PACE);
        let Ok(reading) = platform.instances(app).await else { return };
        self.next = Some(reading.at + reading.pace);
        self.recording.take(reading);
        let Some(verdict) = Verdict::of(&self.recording, &context.thresholds) else { return };
        if self.said != Some(verdict.judgement) {
            self.said = Some(verdict.judgement);
            Context::say(&format!("{}: {}", verdict.judgement.word(), verdict.why()));
        }
    }
}

fn parse(text: &str) -> Result<SignedDuration, Exit> {
    let span = text.parse::<SignedDuration>().ok();
    span.filter(|span| (SignedDuration::ZERO..=LONGEST).contains(span)).ok_or_else(|| {
        Exit::new(
            Code::Usage,
            format!("--for {text:?} is no time up to an hour, such as 90s or 5m"),
        )
    })
}
