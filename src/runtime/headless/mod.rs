//! The same without a screen: commands for scripts, and for those who cannot open a dashboard.

mod json;
mod operate;
mod show;

use std::io::{self, Write};

use jiff::Timestamp;

pub use operate::{Consenting, operate, watch};

use super::journal::Journal;
use crate::{
    domain::{Outcome, Scope, Trouble, TroubleKind, differences},
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
}

impl Exit {
    /// An exit with a sentence.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
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
        error.trouble().into()
    }
}

impl From<Trouble> for Exit {
    fn from(trouble: Trouble) -> Self {
        let code = match trouble.kind {
            TroubleKind::Login => Code::Login,
            TroubleKind::Forbidden | TroubleKind::NotFound | TroubleKind::Refused => Code::Refused,
            TroubleKind::Unreachable | TroubleKind::RateLimited | TroubleKind::Garbled => {
                Code::Unreachable
            }
        };
        Self::new(code, trouble.text)
    }
}

impl From<OpenError> for Exit {
    fn from(error: OpenError) -> Self {
        let code = match error {
            OpenError::NoSession { .. } | OpenError::BadSession { .. } => Code::Login,
            OpenError::Client { .. } => Code::Unreachable,
        };
        Self::new(code, error.to_string())
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
pub struct Context<'a> {
    /// The platform.
    pub platform: &'a dyn Platform,
    /// Whether JSON is wanted.
    pub json: bool,
    /// The clock.
    pub now: Now,
    /// Where operations are written down.
    pub journal: Journal,
    /// Whether every operation is refused.
    pub read_only: bool,
}

impl Context<'_> {
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

    /// `revdeck apps`.
    pub async fn apps(&self, scope: &Scope) -> Result<(), Exit> {
        let mut apps = self.platform.apps(scope).await?;
        apps.sort_by(|a, b| a.condition().cmp(&b.condition()).then_with(|| a.name.cmp(&b.name)));
        let text = if self.json {
            json::list(apps.iter().map(json::app))
        } else {
            show::apps(&apps, self.now())
        };
        Ok(Self::print(&text)?)
    }

    /// `revdeck revisions APP`.
    pub async fn revisions(&self, name: &str) -> Result<(), Exit> {
        let app = self.platform.app(name).await?;
        let history = self.platform.revisions(&app.id).await?;
        let text = if self.json {
            json::list(history.revisions.iter().map(json::revision))
        } else {
            show::revisions(&history, self.now())
        };
        Ok(Self::print(&text)?)
    }

    /// `revdeck status APP`.
    pub async fn status(&self, name: &str) -> Result<(), Exit> {
        let app = self.platform.app(name).await?;
        let text =
            if self.json { json::pretty(&json::app(&app)) } else { show::status(&app, self.now()) };
        Ok(Self::print(&text)?)
    }

    /// `revdeck diff APP`.
    pub async fn diff(
        &self,
        name: &str,
        from: Option<&str>,
        to: &str,
        reveal: bool,
    ) -> Result<(), Exit> {
        let app = self.platform.app(name).await?;
        let history = self.platform.revisions(&app.id).await?;
        let from = match from {
            Some(label) => operate::revision(&history, label)?,
            None => {
                let deployed = history.revisions.iter().rfind(|one| one.deployed);
                deployed.ok_or_else(|| {
                    Exit::new(
                        Code::Refused,
                        format!("{} has no deployed revision: say --from", app.name),
                    )
                })?
            }
        };
        let to = operate::revision(&history, to)?;
        let (before, after) = tokio::try_join!(
            self.platform.detail(&app.id, &from.id),
            self.platform.detail(&app.id, &to.id)
        )?;
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
        let target = self.platform.target();
        let reached = self.platform.capabilities().await;
        let text = if self.json {
            json::list(std::iter::once(json::target(&target, reached.is_ok())))
        } else {
            show::target(&target, reached.as_ref().err())
        };
        Self::print(&text)?;
        reached.map(drop).map_err(Exit::from)
    }
}
