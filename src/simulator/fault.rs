//! Faults that the simulators inject: how an API behaves on a bad day.
//!
//! A specification is a comma-separated list of `KIND[=VALUE][~PERCENT%][@METHOD:/path][#COUNT]`:
//!
//! | kind | what happens |
//! |---|---|
//! | `latency=300ms` | every answer waits so long |
//! | `hang` | no answer comes for an hour |
//! | `reset-before` | the connection is closed before the request takes effect |
//! | `reset-after` | the request takes effect, then the connection is closed without an answer |
//! | `late=20s` | the request takes effect so much later, whether the client is still there or not, and is not answered |
//! | `500`, `502`, `503`, `401`, `403`, `404`, `409`, `422` … | that status with the platform's error body |
//! | `429=5s` | too many requests, `Retry-After: 5` |
//! | `html` | status 200 with an HTML page |
//! | `html-502` | status 502 with an HTML page, as a proxy makes it |
//! | `truncate` | the JSON ends half-way |
//! | `token=30s` | access tokens live so long (Cloud Foundry, a setting, not a chance) |
//! | `watch=1s` | every watch ends after so long (Kubernetes, a setting) |
//! | `410` | a watch, or a page of a list, is told that its place in the history is forgotten (Kubernetes) |
//! | `future` | a list or watch from a revision is told that the server has not reached that yet (Kubernetes) |
//! | `admission=digests` | an admission plugin puts digests in place of tags (Kubernetes, a setting) |
//! | `redirect` | status 302, to a login page, as a proxy makes it |
//! | `role=supporter` | the login is a space `auditor`, `supporter`, `manager` or `developer` (Cloud Foundry, a setting) |
//! | `api=3.195` | the API is of this version, without what came later (Cloud Foundry, a setting) |
//! | `diego` | the runtime cannot be asked for instances: 503 for what needs them (Cloud Foundry, a setting) |
//! | `stale=5s` | what is read is without the changes of the last so many seconds (Amazon ECS, a setting) |
//! | `limit=2000` | so many requests an hour, with the headers that tell what is left (Cloud Foundry, a setting) |
//!
//! Without a percentage a fault strikes always; with `#COUNT` only so often, and `revdeck simulator` tells on stderr when
//! it does. `@POST:/v3/deployments` limits it to
//! requests whose method and path begin so; `@/v3/apps` to any method.

use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{broadcast, watch};

/// The kinds of faults that every simulator has, as the command line names them.
pub const KINDS: &str = "latency=TIME, hang, late=TIME, reset-before, reset-after, truncate, html, html-502, redirect, 429=TIME, and any status from 400 to 599";

/// So many strikes are kept for one who listens slowly.
const STRIKES: usize = 256;

/// What a fault does to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The answer waits.
    Latency(Duration),
    /// No answer comes.
    Hang,
    /// The connection is closed, nothing has happened.
    ResetBefore,
    /// The request takes effect, the answer is lost.
    ResetAfter,
    /// The request takes effect after so long, and is not answered.
    Late(Duration),
    /// This status, with the platform's own error body.
    Status(u16),
    /// Status 429 with `Retry-After` in seconds.
    RateLimited(u64),
    /// An HTML page with this status.
    Html(u16),
    /// The JSON body is cut in the middle.
    Truncate,
    /// Access tokens live so long.
    TokenLife(Duration),
    /// So many requests an hour.
    Limit(u32),
    /// Every watch ends after so long.
    WatchLife(Duration),
    /// The history of changes is forgotten, so that a watch cannot go on where it was.
    Compact,
    /// The server was restored from a backup: it has not reached the revision that is asked for.
    Future,
    /// An admission plugin puts digests in place of tags.
    Digests,
    /// Status 302, to a login page.
    Redirect,
    /// The login has only this role.
    Role(Role),
    /// The API is of this version.
    Api(u32, u32),
    /// The runtime cannot be asked for instances.
    Diego,
    /// What is read is without the changes of so long.
    Stale(Duration),
}

/// What a login of Cloud Foundry is in its space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Sees everything but what is secret.
    Auditor,
    /// The same, and manages apps.
    Supporter,
    /// Sees apps, and manages the space.
    Manager,
    /// Everything.
    #[default]
    Developer,
}

/// One fault and when it strikes.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    kind: Kind,
    chance: f64,
    method: Option<String>,
    path: String,
    left: Option<u32>,
}

/// The faults of one simulator; clones share them, and tests may change them while it runs.
#[derive(Clone, Debug)]
pub struct Faults {
    all: Arc<Mutex<Vec<Fault>>>,
    changes: watch::Sender<u64>,
    strikes: broadcast::Sender<String>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            all: Arc::default(),
            changes: watch::Sender::default(),
            strikes: broadcast::Sender::new(STRIKES),
        }
    }
}

impl Faults {
    /// Replaces all faults by those of a specification; an empty one removes them.
    pub fn set(&self, specification: &str) -> Result<(), String> {
        let faults = parse(specification)?;
        *self.all.lock().unwrap_or_else(PoisonError::into_inner) = faults;
        self.changes.send_modify(|epoch| *epoch += 1);
        Ok(())
    }

    /// The faults that strike this request, counted as having struck.
    pub(crate) fn strike(&self, method: &str, path: &str) -> Vec<Kind> {
        let mut faults = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kinds = Vec::new();
        for fault in faults.iter_mut() {
            let meant = fault.method.as_deref().is_none_or(|wanted| wanted == method)
                && path.starts_with(&fault.path)
                && fault.left != Some(0);
            if meant && (fault.chance >= 1.0 || fastrand::f64() < fault.chance) {
                if let Some(left) = &mut fault.left {
                    *left -= 1;
                    let _ = self.strikes.send(format!("{:?}: {method} {path}", fault.kind));
                }
                kinds.push(fault.kind.clone());
            }
        }
        kinds
    }

    /// A line for each counted fault that strikes from now on, with the request that it strikes.
    pub fn strikes(&self) -> broadcast::Receiver<String> {
        self.strikes.subscribe()
    }

    /// Changes with every change of the faults: what is under way then, such as a watch, ends.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How many requests are allowed an hour, where a fault says so.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.setting(|kind| match kind {
            Kind::Limit(limit) => Some(*limit),
            _ => None,
        })
    }

    /// How long a watch lives, where a fault says so.
    pub(crate) fn watch_life(&self) -> Option<Duration> {
        self.setting(|kind| match kind {
            Kind::WatchLife(life) => Some(*life),
            _ => None,
        })
    }

    fn setting<T>(&self, wanted: impl Fn(&Kind) -> Option<T>) -> Option<T> {
        let faults = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().find_map(|fault| wanted(&fault.kind))
    }

    /// The role of the login.
    pub(crate) fn role(&self) -> Role {
        let role = |kind: &Kind| if let Kind::Role(role) = kind { Some(*role) } else { None };
        self.setting(role).unwrap_or_default()
    }

    /// The version of the API, where a setting says so.
    pub(crate) fn api(&self) -> Option<(u32, u32)> {
        self.setting(
            |kind| {
                if let Kind::Api(major, minor) = kind { Some((*major, *minor)) } else { None }
            },
        )
    }

    /// Whether the runtime cannot be asked for instances.
    pub(crate) fn diego_is_away(&self) -> bool {
        self.setting(|kind| (*kind == Kind::Diego).then_some(())).is_some()
    }

    /// How long a change is not seen by those who read, where a setting says so.
    #[cfg(feature = "ecs")]
    pub(crate) fn stale(&self) -> Option<Duration> {
        self.setting(|kind| match kind {
            Kind::Stale(age) => Some(*age),
            _ => None,
        })
    }

    /// Whether an admission plugin puts digests in place of tags.
    pub(crate) fn digests(&self) -> bool {
        self.setting(|kind| (*kind == Kind::Digests).then_some(())).is_some()
    }

    /// How long access tokens live, where a fault says so.
    pub(crate) fn token_life(&self) -> Option<Duration> {
        self.setting(|kind| match kind {
            Kind::TokenLife(life) => Some(*life),
            _ => None,
        })
    }
}

fn parse(specification: &str) -> Result<Vec<Fault>, String> {
    specification
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect()
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("fault {text:?}: {what}");
        let (rest, left) = match text.rsplit_once('#') {
            Some((rest, count)) => {
                (rest, Some(count.parse().map_err(|_| wrong("the count after # is no number"))?))
            }
            None => (text, None),
        };
        let (rest, place) = rest.split_once('@').unwrap_or((rest, ""));
        let (method, path) = match place.split_once(':') {
            Some((method, path)) => (Some(method.to_ascii_uppercase()), path),
            None => (None, place),
        };
        let (rest, chance) = match rest.split_once('~') {
            Some((rest, percent)) => {
                let percent = percent.trim_end_matches('%').parse::<f64>();
                (rest, percent.map_err(|_| wrong("the chance after ~ is no percentage"))? / 100.0)
            }
            None => (rest, 1.0),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let span = |default: Duration| match value {
            Some(value) => {
                duration(value).ok_or_else(|| wrong("the value is no time such as 300ms, 5s, 2m"))
            }
            None => Ok(default),
        };
        let kind = match name {
            "latency" => Kind::Latency(span(Duration::from_millis(300))?),
            "hang" => Kind::Hang,
            "reset-before" => Kind::ResetBefore,
            "reset-after" => Kind::ResetAfter,
            "html" => Kind::Html(200),
            "html-502" => Kind::Html(502),
            "truncate" => Kind::Truncate,
            "limit" => Kind::Limit(
                value
                    .unwrap_or("2000")
                    .parse()
                    .map_err(|_| wrong("the limit is no number of requests"))?,
            ),
            "watch" => Kind::WatchLife(span(Duration::from_secs(1))?),
            "410" => Kind::Compact,
            "future" => Kind::Future,
            "late" => Kind::Late(span(Duration::from_secs(20))?),
            "redirect" => Kind::Redirect,
            "diego" => Kind::Diego,
            "stale" => Kind::Stale(span(Duration::from_secs(5))?),
            "role" => Kind::Role(match value {
                Some("auditor") => Role::Auditor,
                Some("supporter") => Role::Supporter,
                Some("manager") => Role::Manager,
                Some("developer") => Role::Developer,
                _ => {
                    return Err(wrong(
                        "the role is none of auditor, supporter, manager, developer",
                    ));
                }
            }),
            "api" => {
                let mut parts = value.unwrap_or_default().split('.').map(str::parse::<u32>);
                match (parts.next(), parts.next()) {
                    (Some(Ok(major)), Some(Ok(minor))) => Kind::Api(major, minor),
                    _ => return Err(wrong("the version is none such as 3.195")),
                }
            }
            "admission" => match value {
                Some("digests") => Kind::Digests,
                _ => return Err(wrong("there is admission=digests")),
            },
            "token" => Kind::TokenLife(span(Duration::from_secs(30))?),
            "429" => Kind::RateLimited(span(Duration::from_secs(5))?.as_secs()),
            code => match code.parse::<u16>() {
                Ok(code @ 400..=599) => Kind::Status(code),
                _ => return Err(wrong("no such fault; see `revdeck simulator --help`")),
            },
        };
        Ok(Self { kind, chance, method, path: path.to_owned(), left })
    }
}

/// Reads `300ms`, `5s`, `4m`, `2h`, `31d` or a plain number of seconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number =
        digits.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)?;
    let unit = match text.get(digits.len()..)? {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_where_and_as_often_as_said() {
        let faults = Faults::default();
        faults.set("reset-after@POST:/v3/deployments#1, latency=5ms").unwrap();
        let latency = Kind::Latency(Duration::from_millis(5));
        assert_eq!(faults.strike("GET", "/v3/apps"), std::slice::from_ref(&latency));
        assert_eq!(faults.strike("POST", "/v3/deployments"), [Kind::ResetAfter, latency.clone()]);
        assert_eq!(faults.strike("POST", "/v3/deployments"), [latency]);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for wrong in ["potato", "429=soon", "500~many", "html#x", "700"] {
            let said = Faults::default().set(wrong).unwrap_err();
            assert!(said.contains(wrong), "{said}");
        }
    }

    #[test]
    fn what_help_names_is_known() {
        let own = crate::simulator::SIMULATED.iter().map(|one| one.faults);
        for kind in own.chain([KINDS]).flat_map(|kinds| kinds.split(", ")) {
            let name = kind.split('=').next().unwrap_or(kind);
            let known = match name.parse::<Fault>() {
                Err(why) => !why.contains("no such fault"),
                Ok(_) => true,
            };
            assert!(known || name.starts_with("and any status"), "{name}");
        }
    }
}
