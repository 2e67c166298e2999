//! `revdeck logs`.

use tokio::sync::mpsc;

use super::{Context, Exit, json, operate};
use crate::domain::{LogBatch, LogLine, LogQuery};

impl Context {
    /// Prints what of a log is wanted, until its end, or for as long as it is followed.
    pub async fn logs(
        &self,
        name: &str,
        mut query: LogQuery,
        since: Option<&str>,
    ) -> Result<(), Exit> {
        query.since = since.map(|text| operate::since_when(text, self.now())).transpose()?;
        let (platform, app) = self.find(name).await?;
        if query.side.is_some() && !app.rolls() {
            Self::say("note: nothing is rolling: there are no sides, and all lines are shown");
        }
        let (sender, mut batches) = mpsc::channel::<LogBatch>(64);
        let read = platform.log(&app.id, &query, sender);
        let print = async {
            // The lines of several instances are put in order where they come together.
            let mut held = Vec::new();
            while let Some(batch) = batches.recv().await {
                if let Some(mark) = batch.mark {
                    Self::say(&format!("note: {mark}"));
                }
                held.extend(batch.lines);
                if query.follow && batches.is_empty() {
                    self.print_lines(&mut held)?;
                }
            }
            self.print_lines(&mut held)
        };
        tokio::pin!(read, print);
        tokio::select! {
            // Whoever reads has seen enough.
            printed = &mut print => printed,
            read = &mut read => {
                print.await?;
                Ok(read?)
            }
        }
    }

    fn print_lines(&self, lines: &mut Vec<LogLine>) -> Result<(), Exit> {
        lines.sort_by_key(|line| line.at);
        let mut text = String::new();
        for line in lines.drain(..) {
            if self.json {
                text += &format!("{}\n", json::line(&line));
                continue;
            }
            let side = line.side.map_or("", crate::domain::SideName::word);
            let at = line.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
            let error = if line.error { "ERR" } else { "OUT" };
            text += &format!("{at} {side:<3} {:<8} {error} {}\n", line.source, line.text);
        }
        if text.is_empty() {
            return Ok(());
        }
        Ok(Self::print(&text)?)
    }
}
