//! `agentexec watch`.

use agentexec::activity::{Activities, Activity, AgentId, Error, Percent, Status, Timestamp, WatchEvent};
use clap::Args;
use console::{Style, truncate_str};
use serde::Serialize;
use serde_json::json;

use super::follow::{Changes, Seen, present};
use super::record::{self, Record};
use crate::exit::Exit;
use crate::store::Place;
use crate::terminal::{self, Line, Unwritten, one_line};

/// `2026-01-31T12:00:00Z`
const TIME: usize = 20;
/// The part of it before the time of the day.
const DATE: usize = 11;
const ID: usize = 36;
/// The longest status.
const STATUS: usize = 8;
/// `100%`
const PERCENT: usize = 4;
const GAP: usize = 2;
/// Where less than this would be left of a text it is shown whole, over several lines.
const LEAST_TEXT: usize = 24;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  the activity completed
  1  it ended in error
  2  the command line or the file is wrong
  3  there is no such activity, or no more
  4  the store could not be used
  5  the activity was canceled
A watch of all activities goes on until it is interrupted, or nobody reads it any more.")]
pub(crate) struct Watch {
    /// The activity; without it, all of them.
    id: Option<AgentId>,

    /// Print the events as JSON, one a line; of one activity, its present record comes first, as the event `state`.
    #[arg(long)]
    json: bool,
}

/// The record of the activity that is watched, as it is now.
#[derive(Serialize)]
struct State<'a> {
    event: &'static str,
    #[serde(flatten)]
    record: Record<'a>,
}

pub(crate) async fn watch(args: &Watch, place: &Place) -> anyhow::Result<Exit> {
    let activities = super::activities(place).await?;
    match args.id {
        Some(id) => one(&activities, id, args.json).await,
        None => all(&activities, place, args.json).await,
    }
}

async fn all(activities: &Activities, place: &Place, json: bool) -> anyhow::Result<Exit> {
    let mut changes = Changes::begin(activities, None).await?;
    if !json {
        terminal::err("", &format!("watching {place}; Ctrl-C ends it"));
    }
    loop {
        show(&changes.next().await?, true, json)?;
    }
}

/// Follows one activity to its end. Its changes are watched before its record is read, so that none falls between.
async fn one(activities: &Activities, id: AgentId, json: bool) -> anyhow::Result<Exit> {
    let mut changes = Changes::begin(activities, Some(id)).await?;
    let (mut status, mut newest) = show_state(activities, id, json).await?;
    while !status.is_terminal() {
        let seen = changes.next().await?;
        if matches!(&seen, Seen::Event(WatchEvent::Logged { entry, .. }) if entry.seq <= newest) {
            continue;
        }
        show(&seen, false, json)?;
        match seen {
            Seen::Event(WatchEvent::Logged { entry, .. }) => (status, newest) = (entry.status, entry.seq),
            Seen::Event(WatchEvent::Purged { .. }) => return Err(Error::NotFound { id }.into()),
            Seen::Event(WatchEvent::Lagged { .. }) | Seen::Break => {
                (status, newest) = show_state(activities, id, json).await?;
            }
            Seen::Event(_) => {}
        }
    }
    Ok(Exit::of_status(status))
}

/// Shows the record as it is now; gives its status, and the number of its newest log entry.
async fn show_state(activities: &Activities, id: AgentId, json: bool) -> anyhow::Result<(Status, u64)> {
    let (activity, newest) = present(activities, id).await?;
    if json {
        terminal::json(&State { event: "state", record: Record::new(&activity) })?;
    } else {
        let Activity { status, percentage, updated, .. } = activity;
        Happening { at: Some(updated), id: None, label: Label::Status(status, percentage) }
            .print(activity.message.as_str())?;
    }
    Ok((activity.status, newest))
}

/// Shows an event, with the id of its activity where there are several.
fn show(seen: &Seen, with_id: bool, json: bool) -> Result<(), Unwritten> {
    let event = match seen {
        Seen::Event(event) => event,
        Seen::Break if json => return terminal::json(&json!({"event": "lagged", "from": null, "to": null})),
        Seen::Break => return Happening::noted(None, "lagged").print("the store has begun its events anew"),
    };
    if json {
        return terminal::json(event);
    }
    let id = event.id().filter(|_| with_id);
    match event {
        WatchEvent::Logged { entry, .. } => {
            let label = Label::Status(entry.status, entry.percentage);
            Happening { at: Some(entry.at), id, label }.print(entry.message.as_str())
        }
        WatchEvent::CancelRequested { reason, .. } => {
            Happening::noted(id, "asked").print(&format!("to stop: {reason}"))
        }
        WatchEvent::Purged { .. } => Happening::noted(id, "purged").print("the record was removed"),
        WatchEvent::Lagged { .. } => {
            Happening::noted(id, "lagged").print("some events could not be shown in time")
        }
        _ => Ok(()),
    }
}

/// What stands before the text of a line.
struct Happening {
    /// Unknown of what is in no log.
    at: Option<Timestamp>,
    id: Option<AgentId>,
    label: Label,
}

enum Label {
    Status(Status, Percent),
    Word(&'static str),
}

impl Happening {
    fn noted(id: Option<AgentId>, word: &'static str) -> Self {
        Self { at: None, id, label: Label::Word(word) }
    }

    /// Writes the line, in a terminal cut to its width where that leaves enough of the text.
    fn print(&self, text: &str) -> Result<(), Unwritten> {
        let room = terminal::width();
        let at = self.at.map(record::moment).unwrap_or_default();
        // A terminal is looked at today.
        let (at, width) =
            if room.is_some() { (at.get(DATE..).unwrap_or_default(), TIME - DATE) } else { (&*at, TIME) };
        let mut line = Line::default();
        let mut taken = add(&mut line, at, width, &Style::new().dim());
        if let Some(id) = self.id {
            taken += add(&mut line, &id.to_string(), ID, &Style::new());
        }
        let (word, style, percentage) = match &self.label {
            Label::Status(status, percentage) => {
                (status.as_str(), record::style(*status), percentage.to_string())
            }
            Label::Word(word) => (*word, Style::new().yellow(), String::new()),
        };
        taken += add(&mut line, word, STATUS, &style);
        taken += add(&mut line, &percentage, PERCENT, &Style::new());
        let text = one_line(text);
        match room.map(|room| room.saturating_sub(taken)) {
            Some(left) if left >= LEAST_TEXT => line.add(&truncate_str(&text, left, "…"), &Style::new()),
            _ => line.add(&text, &Style::new()),
        }
        line.print()
    }
}

/// Adds a text of this width and a gap; gives how much room that took.
fn add(line: &mut Line, text: &str, width: usize, style: &Style) -> usize {
    line.add(text, style);
    line.add_gap(width.saturating_sub(text.len()) + GAP);
    width + GAP
}
