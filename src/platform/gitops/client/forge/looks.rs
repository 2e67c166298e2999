//! Watching a pull request in one request a look: it and its checks take turns, and where one of them has changed, all is
//! read again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::platform::{Error, http::Http, sync::lock};

/// What was read of a pull request.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The pull request itself.
    pub(super) one: Value,
    /// Its checks with their addresses, where they matter.
    pub(super) checks: Vec<(String, Value)>,
    /// Its reviews. A review changes the pull request, too, a check does not.
    pub(super) reviews: Value,
    /// The branch that it is for, with what it asks of a pull request.
    pub(super) base: Value,
}

/// The pull requests that were read, by number, with whose turn the next look is: first its checks, then itself.
#[derive(Clone, Default)]
pub(super) struct Looks(Arc<Mutex<HashMap<u64, (Seen, usize)>>>);

impl Looks {
    /// Keeps what was read.
    pub(super) fn keep(&self, number: u64, seen: Seen) -> Seen {
        lock(&self.0).insert(number, (seen.clone(), 0));
        seen
    }

    /// Looks at one, whose address is `at`: what is known of it, or `None` where it is to be read whole.
    pub(super) async fn look(
        &self,
        http: &Http,
        number: u64,
        at: &str,
    ) -> Result<Option<Seen>, Error> {
        let Some((seen, turn)) = lock(&self.0).get(&number).cloned() else { return Ok(None) };
        // What could not be read at first is left alone.
        let mut checks = seen.checks.iter().filter(|(_, known)| !known.is_null());
        let check = checks.nth(turn).map(|(path, known)| (path.as_str(), known));
        let (path, known) = check.unwrap_or((at, &seen.one));
        // What has not changed comes from what was kept, which is newer than this where the reading after it has failed; and a
        // forge that does not say whether something has changed sends all of it.
        let (told, _) = http.get_changed::<Value>(path).await?;
        if told != *known {
            return Ok(None);
        }
        let next = if check.is_some() { turn + 1 } else { 0 };
        lock(&self.0).insert(number, (seen.clone(), next));
        Ok(Some(seen))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Forge, ForgeKind};
    use crate::simulator::{self, Simulator, clock::Clock};

    const PROJECT: &str = "acme/shop-config";

    /// Looks at the proposal of the scenario, with what the forge was asked since.
    #[tokio::test]
    async fn a_look_is_one_request_and_sees_what_changes() {
        for (kind, conditional) in
            [(ForgeKind::GitHub, true), (ForgeKind::GitLab, true), (ForgeKind::Gitea, false)]
        {
            let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
            let options = simulator::Options { keep_log: true, ..simulator::Options::default() };
            let simulator = Simulator::gitops_at(&options, clock.clone()).await.unwrap();
            let base = simulator.world().repository();
            let (_, host) = base.split_once('@').unwrap();
            let (host, _) = host.split_once('/').unwrap();
            let token = "simulated-token".to_owned().into();
            let wait = Duration::from_secs(10);
            let forge = Forge::open(kind, &kind.api("http", host), PROJECT, &token, wait).unwrap();
            let api = kind.api("", "");
            let (_, api) = api.split_once("///").unwrap();
            let asked = |from: usize| -> Vec<String> {
                let log = simulator.world().log();
                let own = log.into_iter().skip(from).filter(|line| line.contains(api));
                own.map(|line| line.replace(&format!("/{api}/"), "")).collect()
            };
            let branch = {
                let commit = ("notes.txt".to_owned(), "checked".to_owned());
                let head = simulator.world().commit("Noor", "a change", &[commit]).unwrap();
                simulator.world().force("change", Some(&head)).unwrap();
                let before = simulator.world().git(&["rev-parse", "main~1"]).unwrap();
                simulator.world().force("main", Some(before.trim())).unwrap();
                "change"
            };
            let opening =
                super::super::Opening { branch, base: "main", title: "A change", body: "" };
            let number = forge.create(&opening).await.unwrap().number;
            let whole = forge.read(number).await.unwrap();
            assert!(whole.open);
            let at = simulator.world().log().len();
            for _ in 0..6 {
                assert_eq!(forge.look(number).await.unwrap(), whole, "{kind:?}");
            }
            let requests = asked(at);
            let sent = requests.iter().filter(|line| line.starts_with("GET")).count();
            let unchanged = requests.iter().filter(|line| line.starts_with("304")).count();
            assert_eq!((sent, unchanged), (6, if conditional { 6 } else { 0 }), "{requests:#?}");
            // Checks that have come to their end are seen within three looks, and so is a merge; also where the reading that
            // was to tell of it has failed.
            clock.advance(60.0);
            simulator.faults().set("503@GET:/api/v3/repos/acme/shop-config/pulls").unwrap();
            let failed = forge.look(number).await.is_err();
            assert_eq!(failed, kind == ForgeKind::GitHub, "{kind:?}");
            simulator.faults().set("").unwrap();
            let (one, two) = (forge.look(number).await, forge.look(number).await);
            let after = two.unwrap();
            assert_eq!(after, forge.read(number).await.unwrap(), "{kind:?}: {one:?}");
            assert_ne!(after.missing, whole.missing, "{kind:?}");
            forge.merge(number, &after.head, None).await.unwrap();
            let mut merged = false;
            for _ in 0..3 {
                merged |= forge.look(number).await.unwrap().merged;
            }
            assert!(merged, "{kind:?}");
        }
    }
}
