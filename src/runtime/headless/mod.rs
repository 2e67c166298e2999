//! The same without a screen: commands for scripts, and for those who cannot open a dashboard.

mod instances;
mod json;
mod logs;
mod operate;
mod show;

use std::{
    io::{self, Write},
    sync::Arc,
};

use futures_util::future::join_all;
use jiff::{Timestamp, tz::TimeZone};

pub use operate::{Consenting, journal, operate, resume, watch};

use super::{incident::Incident, journal::Journal, names};
use crate::{
    domain::{App, Outcome, Problem, ProblemKind, Scope, TargetId, Thresholds, differences},
    platform::{Error, Now, OpenError, Platform},
};

/// Exit codes, as the README documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// What was asked for is so.
    Done = 0,
    /// It was begun and did not get there.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// It was refused; nothing has changed.
    Refused = 3,
    /// It was sent, and nobody knows.
    Unknown = 4,
    /// Nobody is logged in, or the login has run out.
    Login = 5,
    /// The API cannot be reached.
    Unreachable = 6,
}

/// Why a command ended early: a code and a sentence.
#[derive(Debug)]
pub struct Exit {
    /// The exit code.
    pub code: Code,
    /// One sentence for standard error; empty where there is nothing to say.
    pub text: String,
    /// Whether the result has been printed: a script finds an end on standard output whatever it is.
    printed: bool,
}

impl Exit {
    /// An exit with a sentence.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), printed: false }
    }

    pub(super) fn of_outcome(outcome: &Outcome) -> Code {
        match outcome {
            Outcome::Done(_) => Code::Done,
            Outcome::Failed(_) => Code::Failed,
            Outcome::Refused(_) => Code::Refused,
            Outcome::Unknown(_) => Code::Unknown,
        }
    }
}

impl From<Error> for Exit {
    fn from(error: Error) -> Self {
        error.problem().into()
    }
}

impl From<Problem> for Exit {
    fn from(problem: Problem) -> Self {
        let code = match problem.kind {
            ProblemKind::Login => Code::Login,
            ProblemKind::Forbidden | ProblemKind::NotFound | ProblemKind::Refused => Code::Refused,
            ProblemKind::Unreachable | ProblemKind::RateLimited | ProblemKind::Garbled => {
                Code::Unreachable
            }
        };
        Self::new(code, problem.text)
    }
}

impl From<OpenError> for Exit {
    fn from(error: OpenError) -> Self {
        error.problem().into()
    }
}

impl From<io::Error> for Exit {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever reads has seen enough.
            return Self::new(Code::Done, "");
        }
        Self::new(Code::Failed, format!("cannot write the result: {error}"))
    }
}

/// What every command needs.
pub struct Context {
    /// The platforms that are asked, at least one.
    pub platforms: Vec<Arc<dyn Platform>>,
    /// Whether JSON is wanted.
    pub json: bool,
    /// The clock.
    pub now: Now,
    /// Where operations are written down.
    pub journal: Journal,
    /// Whether every operation is refused.
    pub read_only: bool,
    /// How much is looked at.
    pub scope: Scope,
    /// From where on the new side of a rollout counts as worse than the old one.
    pub thresholds: Thresholds,
}

impl Context {
    fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Prints lines to standard output.
    fn print(text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Says something to whoever watches, beside the result.
    fn say(text: &str) {
        // Nobody to say it to is no failure.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// An app by name, and the platform that has it. Targets that could not be asked are named, and may have one, too.
    ///
    /// # Errors
    /// Where no platform has it, or several do.
    async fn find(&self, name: &str) -> Result<(Arc<dyn Platform>, App), Exit> {
        self.look_for(name).await.map(|(platform, app, _)| (platform, app))
    }

    /// The same, for something that is to be changed: it must be the only one of that name for certain.
    ///
    /// # Errors
    /// Also where a target could not be asked, unless the name is an identifier.
    async fn find_to_change(&self, name: &str) -> Result<(Arc<dyn Platform>, App), Exit> {
        let (platform, app, unread) = self.look_for(name).await?;
        if let Some(other) = unread.first().filter(|_| app.id.as_str() != name) {
            let own = &app.target;
            let text = format!(
                "REFUSED: {other} could not be asked and may have an app {name:?}, too: say --target {own}"
            );
            return Err(Exit::new(Code::Refused, text));
        }
        Ok((platform, app))
    }

    /// An app by name, the platform that has it, and the targets that could not be asked for it.
    async fn look_for(&self, name: &str) -> Result<(Arc<dyn Platform>, App, Vec<TargetId>), Exit> {
        if let [platform] = self.platforms.as_slice() {
            return Ok((platform.clone(), platform.app(name).await?, Vec::new()));
        }
        let asked = self.platforms.iter().map(|platform| platform.app(name));
        let (mut found, mut missing, mut failed) = (Vec::new(), None, Vec::new());
        for (platform, app) in self.platforms.iter().zip(join_all(asked).await) {
            match app {
                Ok(app) => found.push((platform.clone(), app)),
                Err(error @ Error::NotFound { .. }) => missing = missing.or(Some(error)),
                Err(error) => failed.push((platform.target().id, error)),
            }
        }
        if found.len() > 1 {
            let targets: Vec<_> = found.iter().map(|(_, app)| app.target.as_str()).collect();
            let text = format!("{name:?} is an app of {}: say --target", targets.join(" and "));
            return Err(Exit::new(Code::Refused, text));
        }
        if let Some((platform, app)) = found.pop() {
            for (target, error) in &failed {
                Self::say(&format!("note: {target}: {error}"));
            }
            let unread = failed.into_iter().map(|(target, _)| target).collect();
            return Ok((platform, app, unread));
        }
        // That an app is nowhere else says less than that a target could not be asked.
        self.incomplete(failed)?;
        let nowhere = || Exit::new(Code::Refused, format!("there is no app {name:?}"));
        Err(missing.map_or_else(nowhere, Exit::from))
    }

    /// `revdeck apps`.
    pub async fn apps(&self, scope: &Scope) -> Result<(), Exit> {
        let lists = join_all(self.platforms.iter().map(|platform| platform.apps(scope))).await;
        let (mut apps, mut failed) = (Vec::new(), Vec::new());
        for (platform, list) in self.platforms.iter().zip(lists) {
            match list {
                Ok(list) => apps.extend(list),
                Err(error) => failed.push((platform.target().id, error)),
            }
        }
        apps.sort_by(|a, b| a.condition().cmp(&b.condition()).then_with(|| a.name.cmp(&b.name)));
        names::keep(&self.journal, apps.iter());
        let text = if self.json {
            json::list(apps.iter().map(json::app))
        } else {
            show::apps(&apps, self.now(), self.platforms.len() > 1)
        };
        // Where there is only one target its failure is the result.
        if failed.len() < self.platforms.len() || self.platforms.len() > 1 {
            Self::print(&text)?;
        }
        for platform in &self.platforms {
            let unseen = platform.unseen().await;
            if !unseen.is_empty() {
                let target = platform.target().id;
                Self::say(&format!("note: not shown of {target}: {}", unseen.join(", ")));
            }
        }
        self.incomplete(failed)
    }

    /// What could not be read is said after the rows of what could: one sentence a target, and the code of the first.
    fn incomplete(&self, failed: Vec<(TargetId, Error)>) -> Result<(), Exit> {
        let named = |(target, error): (TargetId, Error)| {
            let exit = Exit::from(error);
            let several = self.platforms.len() > 1;
            let text = if several { format!("{target}: {}", exit.text) } else { exit.text };
            Exit::new(exit.code, text)
        };
        let mut failed = failed.into_iter().map(named);
        let Some(first) = failed.next() else { return Ok(()) };
        let others: Vec<_> = failed.map(|exit| format!("\nrevdeck: {}", exit.text)).collect();
        Err(Exit::new(first.code, first.text + &others.concat()))
    }

    /// `revdeck revisions APP`.
    pub async fn revisions(&self, name: &str) -> Result<(), Exit> {
        let (platform, app) = self.find(name).await?;
        let history = platform.revisions(&app.id).await?;
        let text = if self.json {
            json::list(history.revisions.iter().map(json::revision))
        } else {
            show::revisions(&history, self.now())
        };
        Ok(Self::print(&text)?)
    }

    /// `revdeck status APP`.
    pub async fn status(&self, name: &str) -> Result<(), Exit> {
        let (platform, app) = self.find(name).await?;
        let verdict = self.verdict(platform.as_ref(), &app).await;
        let text = if self.json {
            let mut whole = json::app(&app);
            whole["verdict"] = verdict.as_ref().map(json::verdict).into();
            json::pretty(&whole)
        } else {
            let mut text = show::status(&app, self.now());
            if let Some(verdict) = verdict {
                text += &format!("{:<10} {}\n", verdict.judgement.word(), verdict.why());
            }
            text
        };
        Ok(Self::print(&text)?)
    }

    /// `revdeck incident APP`.
    pub async fn incident(&self, name: &str, since: &str) -> Result<(), Exit> {
        let since = operate::since_when(since, self.now())?;
        let (platform, app) = self.find(name).await?;
        let record =
            Incident::read(platform.as_ref(), app, &self.journal, since, &self.thresholds).await?;
        let text = if self.json {
            json::pretty(&record.json())
        } else {
            record.markdown(&TimeZone::system())
        };
        Ok(Self::print(&text)?)
    }

    /// `revdeck diff APP`.
    pub async fn diff(
        &self,
        name: &str,
        from: Option<&str>,
        to: Option<&str>,
        reveal: bool,
    ) -> Result<(), Exit> {
        let (platform, app) = self.find(name).await?;
        let history = platform.revisions(&app.id).await?;
        let said = from.is_some();
        let from = match from {
            Some(label) => operate::revision(&history, label)?,
            None => {
                // The one that serves: what a rollout brings is not what one starts from.
                let mut serving = history.revisions.iter().filter(|one| one.deployed);
                let deployed = serving.find(|one| !one.incoming);
                let deployed =
                    deployed.or_else(|| history.revisions.iter().find(|one| one.deployed));
                deployed.ok_or_else(|| {
                    Exit::new(
                        Code::Refused,
                        format!("{} has no deployed revision: say --from", app.name),
                    )
                })?
            }
        };
        let incoming = history.revisions.iter().find(|one| one.incoming);
        let to = match to {
            Some(label) => operate::revision(&history, label)?,
            None => {
                let before = || {
                    let mut older = history.revisions.iter().skip_while(|one| one.id != from.id);
                    older.nth(1)
                };
                incoming.or_else(before).ok_or_else(|| {
                    let text = format!("{} has no other revision to compare with", app.name);
                    Exit::new(Code::Refused, text)
                })?
            }
        };
        // To what serves: that is the way back from what a rollout brings.
        let from = if from.id == to.id && !said { incoming.unwrap_or(from) } else { from };
        let (before, after) =
            tokio::try_join!(platform.detail(&app.id, &from.id), platform.detail(&app.id, &to.id))?;
        for hidden in &after.hidden {
            Self::say(&format!("note: {hidden}"));
        }
        let differs = differences(&before, &after);
        let text = if self.json {
            json::list(differs.iter().map(|one| json::difference(one, reveal)))
        } else {
            show::differences(&from.label, &to.label, &differs, reveal)
        };
        Ok(Self::print(&text)?)
    }

    /// `revdeck targets`.
    pub async fn targets(&self) -> Result<(), Exit> {
        let reached = join_all(self.platforms.iter().map(|platform| platform.capabilities())).await;
        let targets: Vec<_> = self.platforms.iter().map(|platform| platform.target()).collect();
        let rows = || targets.iter().zip(&reached);
        let text = if self.json {
            json::list(rows().map(|(target, reached)| json::target(target, reached.is_ok())))
        } else {
            show::targets(rows().map(|(target, reached)| (target, reached.as_ref().err())))
        };
        Self::print(&text)?;
        reached.into_iter().find_map(Result::err).map_or(Ok(()), |error| Err(error.into()))
    }
}
