//! The push of a roll back on every kind of bad day: exactly one commit or none on the branch, and the right word in the
//! journal, whether it goes to the branch itself or to one of its own.

use std::{fmt::Write as _, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use revdeck::{
    domain::{Consent, Operation, Plan, Receipt, Request, RollBackTo},
    platform::{
        Now, Platform,
        operation::{self, Record, Sent},
    },
    runtime::journal::Journal,
    simulator::{Simulator, gitops::Delivery},
};
use tokio::sync::mpsc;

use crate::{
    gitops::{Repository, open, start},
    harness::Deck,
};

/// Keeps receipts in a journal, and does something else between that and the push.
struct Between<'a> {
    journal: &'a Journal,
    then: Then<'a>,
}

enum Then<'a> {
    Nothing,
    /// The branch is moved there.
    Move(&'a Simulator<Delivery>, String),
    /// It never goes on.
    Die,
}

#[async_trait]
impl Record for Between<'_> {
    async fn sending(&self, receipt: &Receipt) -> Result<(), String> {
        self.journal.sending(receipt).await?;
        match &self.then {
            Then::Nothing => {}
            Then::Move(simulator, to) => simulator.world().force("main", Some(to))?,
            Then::Die => std::future::pending::<()>().await,
        }
        Ok(())
    }
}

async fn plan(platform: &dyn Platform, own: bool) -> Plan {
    let app = platform.app("loyalty").await.unwrap();
    let request = Request::new(app.id, Operation::RollBack(RollBackTo::LastGood));
    let way = if own { "pull-request" } else { "direct" };
    platform.plan(request.with(way, "yes")).await.unwrap()
}

fn journal(place: &Path, simulator: &Simulator<Delivery>) -> Journal {
    let clock = simulator.clock().clone();
    let now: Now = Arc::new(move || clock.now());
    Journal::in_directory(Some(place.to_owned()), now)
}

async fn execute(platform: &dyn Platform, plan: Plan, record: &dyn Record) -> Sent {
    let (progress, _lines) = mpsc::unbounded_channel();
    operation::execute(platform, plan.confirm(Consent::Flag).unwrap(), &progress, record).await
}

/// What happens, how many commits are there in the end where it goes to the branch, and how it ends; and the same where it goes
/// to a branch of its own, with a pull request that somebody merges.
const TABLE: [(&str, usize, &str, usize, &str); 14] = [
    ("nothing", 1, "DONE", 1, "DONE"),
    ("lost before", 0, "FAILED", 0, "FAILED"),
    ("lost after", 1, "DONE", 1, "DONE"),
    ("cut short after", 1, "DONE", 1, "DONE"),
    ("no answer", 0, "FAILED", 0, "FAILED"),
    ("a server error", 0, "FAILED", 0, "FAILED"),
    ("refused by a hook", 0, "REFUSED", 0, "REFUSED"),
    ("moved forward", 0, "REFUSED", 0, "REFUSED"),
    ("moved forward, same file", 0, "REFUSED", 0, "REFUSED"),
    ("moved back", 0, "REFUSED", 0, "REFUSED"),
    // The pull request is merged by the forge, into what is there then.
    ("moved back at the last", 0, "REFUSED", 1, "DONE"),
    ("name taken", 1, "DONE", 0, "REFUSED"),
    ("killed before the push", 0, "FAILED", 0, "FAILED"),
    ("killed after the push", 1, "DONE", 1, "DONE"),
];

#[tokio::test]
async fn a_push_is_sent_once_whatever_happens() {
    let mut table = format!(
        "{:<26} {:<8} {:>7} {:>8}  journal\n",
        "what happens", "branch", "commits", "requests"
    );
    let cells = TABLE.iter().flat_map(|(what, direct, direct_word, own, own_word)| {
        [(*what, false, *direct, *direct_word), (*what, true, *own, *own_word)]
    });
    let walks = stream::iter(cells).map(|(what, own, commits, word)| async move {
        (what, own, commits, word, walk(what, own).await)
    });
    let mut walks = walks.buffered(4);
    while let Some((what, own, commits, word, (made, requests, told))) = walks.next().await {
        let of = if own { "its own" } else { "main" };
        let _ = writeln!(table, "{what:<26} {of:<8} {made:>7} {requests:>8}  {told}");
        assert_eq!(made, commits, "{table}");
        assert!(told.starts_with(&format!("ended {word}")), "{word}\n{table}");
        assert!(requests <= 1, "{table}");
    }
    println!("{table}");
}

/// One of them: how many commits were made, how many pushes were sent, and the end in the journal.
async fn walk(what: &str, own: bool) -> (usize, usize, String) {
    let simulator = Arc::new(start().await);
    let platform = open(&simulator, &[]);
    let fixture = Repository { simulator: simulator.clone(), platform: platform.clone() };
    let deck = Deck { fixture: Box::new(fixture), platform: platform.clone() };
    let place = tempfile::tempdir().unwrap();
    let kept = journal(place.path(), &simulator);
    let plan = plan(platform.as_ref(), own).await;
    let recipe = plan.recipe.clone().unwrap();
    let branch = recipe.tracking["own"].as_str().unwrap_or("main").to_owned();
    let id = recipe.id.clone();
    let confirmed = plan.clone().confirm(Consent::Flag).unwrap();
    kept.intend(&platform.target(), &confirmed).unwrap();
    let world = simulator.world();
    let mut before = world.head("main").unwrap();
    let mut then = Then::Nothing;
    let faults = simulator.faults();
    let push = "@POST:/acme#1";
    match what {
        "lost before" => faults.set(&format!("reset-before{push}")).unwrap(),
        "lost after" => faults.set(&format!("reset-after{push}")).unwrap(),
        "cut short after" => faults.set(&format!("truncate{push}")).unwrap(),
        "no answer" => faults.set(&format!("hang{push}")).unwrap(),
        "a server error" => faults.set(&format!("500{push}")).unwrap(),
        "refused by a hook" => world.protect("GH006: protected branch").unwrap(),
        "moved forward" => {
            let files = [("README.md".to_owned(), "more\n".to_owned())];
            before = world.commit("Noor", "More", &files).unwrap();
        }
        "moved forward, same file" => {
            let patch = plan.patch.clone().unwrap();
            let file = patch.lines().find_map(|line| line.strip_prefix("+++ b/"));
            let file = file.unwrap_or_else(|| panic!("{patch}")).to_owned();
            let text = world.git(&["show", &format!("main:{file}")]).unwrap();
            before = world.commit("Noor", "More", &[(file, format!("{text}\n# more\n"))]).unwrap();
        }
        "moved back" => {
            before = world.git(&["rev-parse", "main~1"]).unwrap();
            world.force("main", Some(&before)).unwrap();
        }
        // Between the check and the push: a plain push would bring back what was taken away.
        "moved back at the last" => {
            before = world.git(&["rev-parse", "main~1"]).unwrap();
            then = Then::Move(&simulator, before.clone());
        }
        "name taken" if own => {
            let theirs = world.git(&["rev-parse", "main~3"]).unwrap();
            world.force(&branch, Some(&theirs)).unwrap();
        }
        "killed before the push" => then = Then::Die,
        _ => {}
    }
    let taken = world.head(&branch).filter(|_| own);
    let record = Between { journal: &kept, then };
    let sent = if what.starts_with("killed") {
        let landed = async {
            let gone =
                |what: &str| what == "killed before the push" && !kept.read().open().is_empty();
            let there = || {
                world.head(&branch).is_some_and(|head| {
                    Some(head) != taken && (own || world.head("main").as_ref() != Some(&before))
                })
            };
            while !gone(what) && !there() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            sent = execute(platform.as_ref(), plan, &record) => Some(sent),
            () = landed => None,
        }
    } else {
        Some(execute(platform.as_ref(), plan, &record).await)
    };
    let requests = || {
        let log = world.log();
        let pushes =
            log.iter().filter(|line| line.starts_with("POST") && line.contains("git-receive-pack"));
        pushes.count()
    };
    // One who was killed is started again, with nothing but the journal.
    let (deck, kept, sent) = match sent {
        Some(sent) => (deck, kept, sent),
        None => {
            drop(kept);
            deck.fixture.pass(200.0);
            let platform = open(&simulator, &[]);
            let fixture = Repository { simulator: simulator.clone(), platform: platform.clone() };
            let deck = Deck { fixture: Box::new(fixture), platform: platform.clone() };
            let kept = journal(place.path(), &simulator);
            let receipt = kept.read().open().remove(0).receipt;
            let (progress, _lines) = mpsc::unbounded_channel();
            let sent = operation::resume(platform.as_ref(), receipt, &progress, &kept).await;
            (deck, kept, sent)
        }
    };
    let outcome = match sent {
        Sent::Unrecorded(_, why) => panic!("{why}"),
        Sent::Ended(outcome) => outcome,
        Sent::Accepted(receipt) | Sent::Lost(receipt) => {
            if own && world.head(&branch).is_some_and(|head| Some(head) != taken) {
                let merged = world.merge(3, "merge");
                assert!(merged.is_ok(), "{what}: {merged:?}");
            }
            deck.follow(receipt).await
        }
    };
    kept.ended(&id, &outcome).unwrap();
    let made = if own {
        let there = world.head(&branch).is_some_and(|head| Some(head) != taken);
        let merged = world.git(&["log", "--format=%B", &format!("{before}..main")]).unwrap();
        usize::from(there || merged.contains("Revdeck-Operation"))
    } else {
        world.git(&["rev-list", "--count", &format!("{before}..main")]).unwrap().parse().unwrap()
    };
    let says = match what {
        "moved forward" => "(Noor: More), none of which touches a file that this changes",
        "moved forward, same file" => "kustomization.yaml is not what it was",
        _ => "",
    };
    assert!(outcome.text().contains(says), "{what}: {outcome:?}");
    let story = journal(place.path(), &simulator).read();
    assert!(story.open().is_empty(), "{what}");
    let last = story.entries.last().unwrap();
    (made, requests(), format!("{} {}", last.event, last.text))
}
