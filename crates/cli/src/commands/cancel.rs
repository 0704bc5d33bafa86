//! `agentexec cancel`.

use std::time::Duration;

use agentexec::activity::{
    Activities, Activity, AgentId, CancelOutcome, Error, LogQuery, Message, Scope, Status, WatchEvent,
};
use clap::Args;
use humantime::format_duration;
use serde::Serialize;
use tokio::time::timeout;

use super::follow::{Changes, Seen};
use crate::exit::Exit;
use crate::store::Place;
use crate::{args, terminal};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0    it was asked to stop; with --wait it has ended, whichever way
  2    the command line or the file is wrong
  3    there is no such activity
  4    the store could not be used
  124  it has not ended within --timeout")]
pub(crate) struct Cancel {
    /// The activity.
    id: AgentId,

    /// Why, as its record will say.
    #[arg(long, value_name = "TEXT", default_value = "asked to by an operator")]
    reason: String,

    /// Wait until it has ended. Without this, a running one has only been asked to.
    #[arg(long)]
    wait: bool,

    /// How long to wait at the most. One whose process is dead ends when its lease has run out.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = args::duration, requires = "wait")]
    timeout: Duration,

    /// Print one JSON document: what became of the request in `outcome` (canceled, requested or already_ended), and
    /// the `status` and `message` of the record after it.
    #[arg(long)]
    json: bool,
}

/// What has become of the request.
#[derive(Serialize)]
struct Asked {
    id: AgentId,
    outcome: Outcome,
    status: Status,
    message: Message,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// It was queued.
    Canceled,
    /// It is running, or was when it was asked.
    Requested,
    AlreadyEnded,
}

pub(crate) async fn cancel(args: &Cancel, place: &Place) -> anyhow::Result<Exit> {
    let activities = super::activities(place).await?;
    let (asked, exit) = ask(&activities, args).await?;
    if args.json {
        terminal::json(&asked)?;
    } else {
        terminal::out(&told(&asked))?;
    }
    if exit == Exit::TimedOut {
        let waited = format_duration(args.timeout);
        terminal::error(&format!("{} was asked to stop and has not ended within {waited}", args.id));
    }
    Ok(exit)
}

/// Asks, and waits where that is wanted.
async fn ask(activities: &Activities, args: &Cancel) -> Result<(Asked, Exit), Error> {
    let id = args.id;
    let outcome = activities.request_cancel(&Scope::all(), id, &args.reason).await?;
    let waited = match outcome {
        CancelOutcome::Requested if args.wait => timeout(args.timeout, end(activities, id)).await,
        _ => Ok(Ok(())),
    };
    let exit = match waited {
        Ok(ended) => ended.map(|()| Exit::Complete)?,
        Err(_) => Exit::TimedOut,
    };
    let activity = record(activities, id).await?;
    let outcome = match outcome {
        CancelOutcome::Canceled => Outcome::Canceled,
        CancelOutcome::AlreadyEnded(_) => Outcome::AlreadyEnded,
        _ => Outcome::Requested,
    };
    Ok((Asked { id, outcome, status: activity.status, message: activity.message }, exit))
}

/// Whether an activity goes on after what was seen.
fn goes_on(seen: &Seen) -> bool {
    matches!(seen, Seen::Event(WatchEvent::Logged { entry, .. }) if !entry.status.is_terminal())
}

/// Waits until an activity has ended. Its changes are watched before its record is read, so that none falls between.
async fn end(activities: &Activities, id: AgentId) -> Result<(), Error> {
    let mut changes = Changes::begin(activities, Some(id)).await?;
    while !record(activities, id).await?.status.is_terminal() {
        while goes_on(&changes.next().await?) {}
    }
    Ok(())
}

async fn record(activities: &Activities, id: AgentId) -> Result<Activity, Error> {
    Ok(super::detail(activities, id, LogQuery::new().limit(0)).await?.activity)
}

fn told(asked: &Asked) -> String {
    let Asked { outcome, status, message, .. } = asked;
    match outcome {
        Outcome::AlreadyEnded => format!("had ended already: {status}: {message}"),
        _ if status.is_terminal() => format!("{status}: {message}"),
        _ => format!("asked to stop; it is {status}: {message}"),
    }
}
