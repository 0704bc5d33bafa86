//! The work of a worker process, all of it through the public interface.

mod agent;
mod hold;
mod write;

use std::sync::Arc;

use agentexec::activity::{ActivityStore, Scope, Timestamp, WatchEvent, WatchFrom};
use agentexec::prelude::*;
use agentexec::runner::{RunError, TrackedError};
use anyhow::Result;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::job::{Job, Work};
use crate::journal::Journal;
use crate::line::{End, Line, Teller};

pub use self::agent::{TOOL_DROPPED, TOOL_STARTED};

/// Does a job on a store and tells what it does; ends when the work does, or some time after `stop` fires.
///
/// # Errors
/// When the store refuses what the work cannot do without.
pub async fn carry_out(
    job: &Job,
    store: Arc<dyn ActivityStore>,
    teller: Teller,
    stop: CancellationToken,
) -> Result<()> {
    let journal = Journal::new(store, teller.clone());
    let activities = Activities::builder(journal).owner(&*job.name).lease(job.lease).build();
    teller.tell(Line::Up { clock: Timestamp::now() });
    match &job.work {
        Work::Write { at_once, message_bytes, pause } => {
            let settings =
                write::Settings { at_once: *at_once, message_bytes: *message_bytes, pause: *pause };
            write::until(&stop, &activities, &teller, job, settings).await;
        }
        Work::Hold { runs, pause } => hold::all(&stop, &activities, &teller, *runs, *pause).await?,
        Work::Reap => {
            tokio::select! {
                () = activities.keep_reaping() => {}
                () = stop.cancelled() => {}
            }
        }
        Work::Watch => {
            tokio::select! {
                watched = watch(&activities, &teller) => watched?,
                () = stop.cancelled() => {}
            }
        }
        Work::Agent { model } => agent::run(&activities, &teller, model).await?,
    }
    // What a dropped run still has to say. What is left then has told its call, and got no answer.
    activities.shutdown().await;
    Ok(())
}

async fn watch(activities: &Activities, teller: &Teller) -> Result<()> {
    let mut events = activities.watch_from(&Scope::all(), None, WatchFrom::Now).await?;
    teller.tell(Line::Watching);
    while let Some(event) = events.next().await {
        match event? {
            WatchEvent::Logged { id, entry, .. } => {
                teller.tell(Line::Seen { id, seq: entry.seq, status: entry.status });
            }
            WatchEvent::Lagged { .. } => teller.tell(Line::Lagged),
            _ => {}
        }
    }
    Ok(())
}

/// How a run ended for its caller.
fn end_of<T, E>(outcome: Result<T, TrackedError<T, E>>, text: impl FnOnce(T) -> String) -> End {
    match outcome {
        Ok(_) => End::Output,
        Err(TrackedError::NotStarted(_)) => End::NotStarted,
        Err(TrackedError::Unrecorded { outcome, source }) => {
            let source = agentexec::runner::error_chain(&source);
            End::Unrecorded { output: outcome.ok().map(text), source }
        }
        Err(TrackedError::Run(RunError::Canceled { .. })) => End::Canceled,
        Err(_) => End::Failed,
    }
}
