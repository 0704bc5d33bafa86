//! `agentexec show`.

use agentexec::activity::{Activities, Activity, AgentId, Detail, Error, LogEntry, LogQuery, Timestamp};
use clap::Args;
use console::Style;
use serde::Serialize;

use super::record::{self, Record};
use crate::exit::Exit;
use crate::store::Place;
use crate::table::{Cell, Column, Table};
use crate::terminal::{self, Line, Unwritten};

/// The most pages of a log that are read. Stores keep far fewer entries than these hold.
const LOG_PAGES: usize = 100;
/// How wide the names of fields are.
const NAME: usize = 8;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  done
  2  the command line or the file is wrong
  3  there is no such activity
  4  the store could not be used")]
pub(crate) struct Show {
    /// The activity.
    id: AgentId,

    /// Show its log, too.
    #[arg(long)]
    logs: bool,

    /// Print one JSON document: the record; with --logs its entries in `log`, of which progress below
    /// `trimmed_before` may be missing.
    #[arg(long)]
    json: bool,
}

/// A record as it is printed.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    record: Record<'a>,
    #[serde(flatten)]
    log: Option<Log<'a>>,
}

#[derive(Serialize)]
struct Log<'a> {
    log: &'a [LogEntry],
    trimmed_before: u64,
    next: Option<u64>,
}

pub(crate) async fn show(args: &Show, place: &Place) -> anyhow::Result<Exit> {
    let activities = super::activities(place).await?;
    let detail = read(&activities, args).await?;
    if args.json {
        let Detail { activity, log, trimmed_before, next, .. } = &detail;
        let log = args.logs.then_some(Log { log, trimmed_before: *trimmed_before, next: *next });
        terminal::json(&Shown { record: Record::new(activity), log })?;
        return Ok(Exit::Complete);
    }
    let now = activities.store().now().await?;
    print(&detail.activity, now)?;
    if args.logs {
        print_log(&detail)?;
    }
    Ok(Exit::Complete)
}

/// The record, with all of its log where that is wanted.
async fn read(activities: &Activities, args: &Show) -> Result<Detail, Error> {
    if !args.logs {
        return super::detail(activities, args.id, LogQuery::new().limit(0)).await;
    }
    let mut detail = super::detail(activities, args.id, LogQuery::new()).await?;
    for _ in 1..LOG_PAGES {
        let Some(from) = detail.next else { break };
        let page = super::detail(activities, args.id, LogQuery::new().from(from)).await?;
        let log = [std::mem::take(&mut detail.log), page.log].concat();
        detail = Detail::new(page.activity, log, page.trimmed_before, page.next);
    }
    Ok(detail)
}

fn print(activity: &Activity, now: Timestamp) -> Result<(), Unwritten> {
    let plain = Style::new();
    let since = |at: Timestamp| format!("{}, {} ago", record::moment(at), record::age(now.since(at)));
    field("id", &activity.id.to_string(), &plain)?;
    field("type", &activity.activity_type, &plain)?;
    field("status", activity.status.as_str(), &record::style(activity.status))?;
    field("percent", &activity.percentage.to_string(), &plain)?;
    field("message", activity.message.as_str(), &plain)?;
    if let Some(reason) = &activity.cancel_requested {
        field("asked", &format!("to stop: {reason}"), &Style::new().yellow())?;
    }
    if activity.attempt.number() > 1 {
        field("attempt", &activity.attempt.to_string(), &plain)?;
    }
    let (created, updated) = (Some(activity.created), Some(activity.updated));
    let times = [
        ("created", created),
        ("started", activity.started),
        ("updated", updated),
        ("ended", activity.ended),
    ];
    for (name, at) in times.into_iter().filter_map(|(name, at)| Some((name, at?))) {
        field(name, &since(at), &plain)?;
    }
    if let Some(elapsed) = activity.elapsed(now).filter(|_| activity.ended.is_some()) {
        field("took", &humantime::format_duration(elapsed).to_string(), &plain)?;
    }
    activity.metadata.iter().try_for_each(|(key, value)| field("meta", &format!("{key}={value}"), &plain))
}

fn field(name: &str, text: &str, style: &Style) -> Result<(), Unwritten> {
    let mut line = Line::default();
    line.add_gap(NAME.saturating_sub(name.len()));
    line.add(name, &Style::new().dim());
    line.add_gap(2);
    line.add(text, style);
    line.print()
}

fn print_log(detail: &Detail) -> Result<(), Unwritten> {
    let mut table = Table::new([
        Column::whole("SEQ"),
        Column::whole("TIME"),
        Column::whole("STATUS"),
        Column::whole("%"),
        Column::cut("MESSAGE", 8),
    ]);
    for entry in &detail.log {
        table.row([
            Cell::new(entry.seq.to_string()),
            Cell::new(record::moment(entry.at)),
            record::status(entry.status),
            record::percentage(entry.percentage),
            Cell::new(entry.message.as_str()),
        ]);
    }
    terminal::out("")?;
    table.print()?;
    if detail.trimmed_before > 0 {
        let text = format!("progress below {} may have been trimmed", detail.trimmed_before);
        terminal::err("", &text);
    }
    Ok(())
}
