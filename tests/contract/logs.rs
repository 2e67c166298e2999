//! Following a log.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use revdeck::domain::{LogBatch, LogLine, LogQuery, SideName};
use tokio::{sync::mpsc, time::sleep};

use crate::harness::{Deck, Fault, Harness, Role};

type Key = (jiff::Timestamp, String, String);

fn key(line: &LogLine) -> Key {
    (line.at, line.source.clone(), line.text.clone())
}

/// Every line comes once and in its order, also where reading fails for a while, and is on its side.
pub async fn a_log_is_followed_line_by_line(harness: &dyn Harness) {
    let deck = Deck::open(harness).await;
    let app = deck.app(Role::Waiting).await;
    let query = LogQuery { follow: true, ..LogQuery::default() };
    let (sender, mut batches) = mpsc::channel::<LogBatch>(64);
    let (platform, id) = (deck.platform.clone(), app.id.clone());
    let follows = tokio::spawn(async move { platform.log(&id, &query, sender).await });
    let came = Arc::new(Mutex::new(Vec::<LogLine>::new()));
    let kept = came.clone();
    let gathers = tokio::spawn(async move {
        while let Some(batch) = batches.recv().await {
            kept.lock().unwrap().extend(batch.lines);
        }
    });
    let settle = async || {
        // What is written now has come when nothing more does.
        let mut known = usize::MAX;
        for _ in 0..20 {
            sleep(Duration::from_millis(400)).await;
            let now = came.lock().unwrap().len();
            if now == known {
                break;
            }
            known = now;
        }
    };
    settle().await;
    deck.fixture.pass(7.0);
    settle().await;
    deck.fixture.break_reads(Fault::Status(503), Some(3));
    deck.fixture.pass(7.0);
    sleep(Duration::from_secs(3)).await;
    deck.fixture.mend();
    deck.fixture.pass(7.0);
    sleep(Duration::from_secs(3)).await;
    settle().await;
    let shown = deck.platform.logs(&app.id).await.unwrap_or_default();
    sleep(Duration::from_secs(3)).await;
    follows.abort();
    let _ = gathers.await;

    let lines = came.lock().unwrap().clone();
    let keys: HashSet<Key> = lines.iter().map(key).collect();
    assert_eq!(keys.len(), lines.len(), "no line comes twice");
    let sources: HashSet<_> = lines.iter().map(|line| (line.side, &line.source)).collect();
    for source in &sources {
        let own = lines.iter().filter(|line| (line.side, &line.source) == *source);
        assert!(own.is_sorted_by_key(|line| line.at), "{source:?} is in order");
    }
    let (Some(first), Some(last)) = (lines.first(), lines.iter().map(|line| line.at).max()) else {
        return;
    };
    let first = lines.iter().map(|line| line.at).min().unwrap_or(first.at);
    let missing: Vec<_> = shown
        .iter()
        .filter(|line| line.at >= first && line.at <= last && !keys.contains(&key(line)))
        .collect();
    assert!(missing.is_empty(), "nothing is missing: {missing:?}");
    if sources.len() > 2 {
        let sides: HashSet<_> = lines.iter().filter_map(|line| line.side).collect();
        assert_eq!(sides, HashSet::from([SideName::Old, SideName::New]));
    }

    let only = LogQuery { side: Some(SideName::New), ..LogQuery::default() };
    let (sender, mut batches) = mpsc::channel::<LogBatch>(64);
    let read = deck.platform.log(&app.id, &only, sender);
    let gather = async {
        let mut lines = Vec::new();
        while let Some(batch) = batches.recv().await {
            lines.extend(batch.lines);
        }
        lines
    };
    let (read, lines) = tokio::join!(read, gather);
    read.unwrap();
    assert!(lines.iter().all(|line| line.side != Some(SideName::Old)));
}
