//! Tables for people.

use jiff::{SignedDuration, Timestamp};
use unicode_width::UnicodeWidthStr;

use super::super::journal::{Entry, Open};

use crate::{
    domain::{
        App, Count, Deployable, Difference, History, Phase, Reading, RevisionRef, Rollout, Target,
        TrackRecord, revision_name, revision_names,
        text::{clean, span},
    },
    platform::Error,
};

/// Columns as wide as their widest cell; the last one is not padded.
fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut widths: Vec<_> = header.iter().map(|cell| cell.width()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    let header = header.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(header).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| {
                format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn count(count: Count) -> String {
    match count.running {
        Some(running) => format!("{running}/{}", count.desired),
        None => format!("?/{}", count.desired),
    }
}

fn label(reference: Option<&RevisionRef>) -> String {
    reference.map_or_else(|| "-".to_owned(), |one| one.shown().to_owned())
}

fn called(reference: Option<&RevisionRef>) -> String {
    reference.map_or_else(|| "-".to_owned(), RevisionRef::name)
}

fn age(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "?".to_owned(), |at| span(now.duration_since(at)))
}

/// With `targets` each says whose it is.
pub(super) fn apps(apps: &[App], now: Timestamp, targets: bool) -> String {
    let rows: Vec<Vec<String>> = apps
        .iter()
        .map(|app| {
            let rollout =
                app.rollout.as_ref().map(|rollout| short(rollout, now)).unwrap_or_default();
            vec![
                app.name.clone(),
                app.scope.clone(),
                app.condition().to_string(),
                count(app.instances),
                label(app.deployed.as_ref()),
                rollout,
            ]
        })
        .collect();
    let mut titles = vec!["APP", "SCOPE", "STATE", "RUNNING", "REV", "ROLLOUT"];
    if !targets {
        return table(&titles, rows);
    }
    titles.insert(1, "TARGET");
    let with_target = |(mut row, app): (Vec<String>, &App)| {
        row.insert(1, app.target.to_string());
        row
    };
    table(&titles, rows.into_iter().zip(apps).map(with_target).collect())
}

/// `rev 7→8, old 5/5, new 0/1, 4m`.
pub(super) fn short(rollout: &Rollout, now: Timestamp) -> String {
    let step = rollout.step().map(|step| format!(", step {} of {}", step.current, step.total));
    // A rollout that has just begun may not have told yet of what.
    let known = |of: &Option<RevisionRef>| of.as_ref().is_some_and(|of| of.label.is_some());
    let revisions = if known(&rollout.from) || known(&rollout.to) {
        format!("{}, ", revision_names(rollout.from.as_ref(), rollout.to.as_ref(), "→"))
    } else {
        String::new()
    };
    format!(
        "{revisions}old {}, new {}{}, {}",
        count(rollout.old.count()),
        count(rollout.new.count()),
        step.unwrap_or_default(),
        age(rollout.started_at, now)
    )
}

pub(super) fn revisions(history: &History, now: Timestamp) -> String {
    let rows = history
        .revisions
        .iter()
        .map(|one| {
            let marks = match (one.deployed, one.incoming) {
                (_, true) => "new",
                (true, false) => "deployed",
                _ => "",
            };
            let deployable = match &one.deployable {
                Deployable::Yes => "yes".to_owned(),
                Deployable::No(reason) => format!("no: {reason}"),
                Deployable::Unknown => "?".to_owned(),
            };
            let track_record = match one.track_record {
                TrackRecord::Served => "served",
                TrackRecord::Unfinished => "never finished",
                TrackRecord::Unknown => "no record",
            };
            vec![
                one.label.clone(),
                marks.to_owned(),
                age(one.created_at, now),
                one.by.clone().unwrap_or_else(|| "-".to_owned()),
                deployable,
                track_record.to_owned(),
                one.description.clone(),
            ]
        })
        .collect();
    let mut text = table(&["REV", "", "AGE", "BY", "DEPLOYABLE", "RECORD", "WHAT CHANGED"], rows);
    if let Some(remark) = &history.remark {
        text.push_str(remark);
        text.push('\n');
    }
    text
}

pub(super) fn status(app: &App, now: Timestamp) -> String {
    let mut lines = vec![
        format!("app        {} ({})", app.name, app.scope),
        format!("state      {}", app.condition()),
        instances(app),
        format!("deployed   {}", called(app.deployed.as_ref())),
    ];
    if app.paused && app.rollout.is_none() {
        lines.push("paused     nothing new rolls out until it goes on".to_owned());
    }
    if let Some(what) = &app.on_hold {
        lines.push(format!("on hold    {what} is held back until `revdeck release {}`", app.name));
    }
    if let Some(rollout) = &app.rollout {
        lines.push(format!(
            "rollout    {} {} ({}), since {}",
            rollout.strategy,
            rollout.phase.word(),
            rollout.reason,
            age(rollout.started_at, now)
        ));
        let alone = [(rollout.from.clone(), &rollout.old)];
        let each = rollout.overlap.iter().map(|(revision, side)| (Some(revision.clone()), side));
        let sides = if rollout.overlap.is_empty() {
            alone.into_iter().collect()
        } else {
            each.collect::<Vec<_>>()
        };
        for (revision, side) in sides {
            let revision = called(revision.as_ref());
            lines.push(format!("old        {revision}, {} running", count(side.count())));
        }
        lines.push(format!(
            "new        {}, {} running",
            called(rollout.to.as_ref()),
            count(rollout.new.count())
        ));
        if let Some(step) = rollout.step() {
            lines.push(format!("step       {} of {}", step.current, step.total));
            lines.extend(rollout.stages.iter().map(|stage| {
                let detail = stage.detail.as_deref().map(|text| format!(", {text}"));
                let since = stage.since.map(|at| format!(" for {}", span(now.duration_since(at))));
                let (since, detail) = (since.unwrap_or_default(), detail.unwrap_or_default());
                format!("stage      {} {}{since}{detail}", stage.name, stage.state.word())
            }));
        }
        if let Some(moved) = rollout.moved_at {
            lines.push(format!("moved      {} ago", span(now.duration_since(moved))));
        }
        if let Some(stuck) = &rollout.stuck {
            lines.push(format!(
                "STUCK      for {}: {}; the platform goes on trying",
                span(now.duration_since(stuck.since)),
                stuck.why
            ));
        } else if let Some(left) = rollout.time_left(now) {
            lines.push(format!("left       about {} at this pace", span(left)));
        }
        if let Some(at) = rollout.deadline {
            let left = at.duration_since(now).max(SignedDuration::ZERO);
            lines.push(format!("deadline   in {} if nothing moves", span(left)));
        }
        if let Some(held) = &rollout.held {
            lines.push(format!("waits      {held}"));
        } else if rollout.phase == Phase::Paused {
            lines.push("waits      for `revdeck continue` or `revdeck cancel`".to_owned());
        }
        if let Some(note) = &rollout.note {
            lines.push(format!("why        {note}"));
        }
    }
    lines.join("\n") + "\n"
}

/// `2 of 5 wanted run: old 2, new 0 of 4`
fn instances(app: &App) -> String {
    let shown = |running: Option<u32>| running.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let Count { desired, running } = app.instances;
    let mut line = format!("instances  {} of {desired} wanted", shown(running));
    if let Some(rollout) = &app.rollout {
        let (old, new) = (rollout.old.count(), rollout.new.count());
        line +=
            &format!("; old {}, new {} of {}", shown(old.running), shown(new.running), new.desired);
    }
    line
}

pub(super) fn reading(reading: &Reading, rolls: bool, now: Timestamp) -> String {
    let dash = || "-".to_owned();
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let rows = reading.instances.iter().map(|one| {
        let memory = one.memory.map(|it| format!("{:.0} MB", it.used / 1_048_576.0));
        vec![
            if rolls { one.side.word() } else { "now" }.to_owned(),
            label(one.revision.as_ref()),
            one.instance.name.clone().unwrap_or_else(dash),
            one.instance.state.word().to_owned(),
            age(one.instance.since, now),
            one.crashes().map_or_else(dash, |count| count.to_string()),
            one.cpu.map_or_else(dash, |cpu| percent(cpu.used)),
            memory.unwrap_or_else(dash),
            one.memory.and_then(|it| it.share).map_or_else(dash, percent),
            one.instance.reason.clone().unwrap_or_default(),
        ]
    });
    let header =
        ["SIDE", "REV", "INSTANCE", "STATE", "SINCE", "RESTARTS", "CPU", "MEM", "OF", "LAST WORD"];
    let mut text = table(&header, rows.collect());
    if let Some(why) = &reading.unmeasured {
        text += &format!("{why}\n");
    }
    text
}

pub(super) fn differences(from: &str, to: &str, differs: &[Difference], reveal: bool) -> String {
    if differs.is_empty() {
        return format!("{} and {} do not differ\n", revision_name(from), revision_name(to));
    }
    let lines: Vec<_> =
        differs.iter().map(|one| format!("{:<9} {}", one.group.word(), one.line(reveal))).collect();
    format!("{} → {}\n{}\n", revision_name(from), revision_name(to), lines.join("\n"))
}

pub(super) fn targets<'a>(
    targets: impl Iterator<Item = (&'a Target, Option<&'a Error>)>,
) -> String {
    let row = |(target, error): (&Target, Option<&Error>)| {
        let state = error.map_or_else(|| "reached".to_owned(), ToString::to_string);
        vec![
            target.id.to_string(),
            target.api.clone(),
            target.scope_label.clone(),
            target.user.clone(),
            state,
        ]
    };
    let rows = targets.map(row).collect();
    table(&["TARGET", "API", "SCOPE", "USER", "STATE"], rows)
}

/// `partly` is whether not all of the journal could be read.
pub(super) fn open(open: &[Open], now: Timestamp, partly: bool) -> String {
    match (open.is_empty(), partly) {
        (false, _) => {}
        (true, false) => return "every operation in the journal has its end\n".to_owned(),
        (true, true) => return "nothing that can be read is without its end\n".to_owned(),
    }
    let row = |one: &Open| {
        let receipt = &one.receipt;
        vec![
            receipt.name.clone(),
            receipt.app.target.to_string(),
            receipt.verb.words().to_owned(),
            receipt.recipe.goal.to_string(),
            format!("{} ago", span(now.duration_since(one.at))),
            if one.followed { "another revdeck".to_owned() } else { "nobody".to_owned() },
        ]
    };
    let rows = open.iter().map(row).collect();
    table(&["APP", "TARGET", "WHAT", "TO BE", "SENT", "FOLLOWED BY"], rows)
}

pub(super) fn journal(entries: &[&Entry]) -> String {
    let row = |entry: &&Entry| {
        vec![
            entry.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            entry.operation.chars().take(8).collect(),
            entry.app.clone(),
            entry.event.clone(),
            clean(&entry.text),
        ]
    };
    table(&["AT", "OPERATION", "APP", "EVENT", "WHAT"], entries.iter().map(row).collect())
}
