//! What can go wrong between an adapter and its platform.

use std::time::Duration;

use crate::domain::{Problem, ProblemKind};

/// A failed call. Its text is one sentence of what, where and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The login has run out or is not accepted.
    #[error("the login at {api} is no longer accepted ({why}): log in again with `{command}`")]
    Login {
        /// The API.
        api: String,
        /// What it said.
        why: String,
        /// The command that logs in.
        command: String,
    },
    /// The target could not be opened.
    #[error(transparent)]
    Unopened(super::OpenError),
    /// The login may not do this.
    #[error("{api} does not let this login do that ({what}): ask for the role")]
    Forbidden {
        /// The API.
        api: String,
        /// What was asked for.
        what: String,
    },
    /// There is no such thing, or the login may not see it.
    #[error("{what}")]
    NotFound {
        /// What is missing, as a whole sentence.
        what: String,
    },
    /// What was asked for makes no sense here.
    #[error("{what}")]
    Refused {
        /// Why, as a whole sentence.
        what: String,
    },
    /// The API asks for fewer requests.
    #[error("{api} asks for fewer requests: trying again in {} s", after.as_secs())]
    RateLimited {
        /// The API.
        api: String,
        /// How long it asks to wait.
        after: Duration,
        /// What it says of why; empty where it says nothing.
        said: String,
    },
    /// A connection and no answer.
    #[error("{api} did not answer within {} s: it is overloaded, or something in between holds the answer back", waited.as_secs_f64().ceil())]
    Silent {
        /// The API.
        api: String,
        /// How long was waited.
        waited: Duration,
    },
    /// No connection.
    #[error("{api} cannot be reached ({why}): check the network, VPN and proxy")]
    Unreachable {
        /// The API.
        api: String,
        /// What the connection said.
        why: String,
    },
    /// The server's certificate is not trusted.
    #[error("the certificate of {api} is not trusted ({why}): {advice}")]
    Tls {
        /// The API.
        api: String,
        /// What is wrong with it.
        why: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The API answered with an error of its own.
    #[error("{api} says: {detail} ({status} {title})")]
    Api {
        /// The API.
        api: String,
        /// The HTTP status.
        status: u16,
        /// The platform's number of the error, 0 where it gave none.
        code: u32,
        /// The platform's name of the error.
        title: String,
        /// The platform's text, cleaned.
        detail: String,
        /// Whether a page for a browser came in place of the API's own error.
        page: bool,
    },
    /// The answer is not what the API's documents promise.
    #[error(
        "{api} sent something that makes no sense at {location} ({why}): is a proxy in between?"
    )]
    Garbled {
        /// The API.
        api: String,
        /// The path of the request, and of the value in the JSON.
        location: String,
        /// What is wrong.
        why: String,
    },
}

impl Error {
    /// What kind of problem it is.
    pub fn kind(&self) -> ProblemKind {
        match self {
            Self::Login { .. } => ProblemKind::Login,
            Self::Unopened(error) => error.kind,
            Self::Forbidden { .. } => ProblemKind::Forbidden,
            Self::NotFound { .. } => ProblemKind::NotFound,
            Self::RateLimited { .. } => ProblemKind::RateLimited,
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Tls { .. } => {
                ProblemKind::Unreachable
            }
            Self::Api { status: 500.., .. } => ProblemKind::Unreachable,
            Self::Api { .. } | Self::Refused { .. } => ProblemKind::Refused,
            Self::Garbled { .. } => ProblemKind::Garbled,
        }
    }

    /// The same as the rest of the program knows it.
    pub fn problem(&self) -> Problem {
        Problem { kind: self.kind(), text: self.to_string() }
    }

    /// How long the server asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { after, .. } => Some(*after),
            _ => None,
        }
    }
}
