//! From its start on, a run owes its activity a final status, whatever happens to the run.

use std::time::Duration;

use agentexec_activity_core::{
    self as activity, Activities, AgentId, Attempt, Change, HeldLease, Message, Percent, Write, Written,
};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::answer::answered;
use crate::error::error_chain;

/// How long a start is sent again while the store fails: the caller waits for it.
const START_PATIENCE: Duration = Duration::from_secs(2);
/// How long a final status is sent again while the store fails. A store that fails at once is given up within
/// the time that [`Activities::shutdown`] waits.
const FINAL_PATIENCE: Duration = Duration::from_secs(8);
/// The wait before a write is sent again. It doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The most that the wait grows to.
const LONGEST_WAIT: Duration = Duration::from_millis(1600);

/// The duty to write a final status. Dropped before it was done, the write goes on in the background: then the
/// run was dropped, perhaps while it started or while it wrote its status.
#[derive(Debug)]
pub(crate) struct Ending {
    activities: Activities,
    id: AgentId,
    runtime: Option<Handle>,
    due: Due,
    lease: Option<HeldLease>,
}

/// What is to be written when the run is dropped now.
#[derive(Clone, Debug)]
enum Due {
    /// The start was sent at this moment first, and whether it was carried out is not known yet.
    Start(Write, Instant),
    /// That the run was dropped.
    Dropped(Attempt),
    /// How it ended.
    Final(Write),
    Nothing,
}

impl Ending {
    /// Makes a queued activity running. From here on a final status is owed.
    pub(crate) async fn start(
        activities: &Activities,
        id: AgentId,
    ) -> Result<(Self, Attempt), activity::Error> {
        let change = Change::Start { lease: activities.lease_terms(), percentage: Percent::ZERO };
        let message = Message::new(activities.messages().started.as_str());
        let start = activities.named_write(id, None, change, message);
        let runtime = Handle::try_current().ok();
        let sent = Instant::now();
        let due = Due::Start(start.clone(), sent);
        let mut ending = Self { activities: activities.clone(), id, runtime, due, lease: None };
        let started = persist(activities, start, START_PATIENCE).await;
        ending.due = started.as_ref().map_or(Due::Nothing, |written| Due::Dropped(written.attempt));
        let attempt = started?.attempt;
        ending.lease = hold(activities, id, attempt, sent);
        Ok((ending, attempt))
    }

    /// The lease that the run is held by; nothing in a store that is not durable.
    pub(crate) fn lease(&self) -> Option<&HeldLease> {
        self.lease.as_ref()
    }

    /// Writes how the run ended, again and again for a while when the store fails.
    pub(crate) async fn write(
        mut self,
        attempt: Attempt,
        change: Change,
        message: Message,
    ) -> Result<Written, activity::Error> {
        let last = self.activities.named_write(self.id, Some(attempt), change, message);
        self.due = Due::Final(last.clone());
        let written = persist(&self.activities, last, FINAL_PATIENCE).await;
        self.due = Due::Nothing;
        written
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let due = std::mem::replace(&mut self.due, Due::Nothing);
        if matches!(due, Due::Nothing) {
            return;
        }
        let unsettled = Unsettled(Some(self.id));
        let Some(runtime) = &self.runtime else { return };
        let (activities, id) = (self.activities.clone(), self.id);
        let under_way = activities.write_under_way();
        let lease = self.lease.take();
        runtime.spawn(async move {
            let settled = settle(&activities, id, due, lease).await;
            unsettled.ended(settled);
            drop(under_way);
        });
    }
}

/// Keeps the lease of a run that started, and has it renewed; nothing in a store that is not durable.
fn hold(activities: &Activities, id: AgentId, attempt: Attempt, sent: Instant) -> Option<HeldLease> {
    activities.lease_terms()?;
    let lease = activities.hold(id, attempt, sent);
    if let (Ok(runtime), Some(heartbeat)) = (Handle::try_current(), activities.heartbeat()) {
        runtime.spawn(heartbeat);
    }
    Some(lease)
}

/// Writes what is due; the lease is kept until that is done.
async fn settle(
    activities: &Activities,
    id: AgentId,
    due: Due,
    mut lease: Option<HeldLease>,
) -> Result<(), activity::Error> {
    let attempt = match due {
        Due::Nothing => return Ok(()),
        Due::Final(last) => return persist(activities, last, FINAL_PATIENCE).await.map(drop),
        Due::Dropped(attempt) => attempt,
        // Sending the start again tells its attempt, and an earlier sending that is still on its way changes
        // nothing any more.
        Due::Start(start, sent) => match persist(activities, start, FINAL_PATIENCE).await {
            Ok(written) => {
                lease = hold(activities, id, written.attempt, sent);
                written.attempt
            }
            Err(refused) if !refused.is_retryable() => return Ok(()),
            Err(error) => return Err(error),
        },
    };
    let reason = activities.messages().canceled("dropped before it finished");
    let canceled = activities.named_write(id, Some(attempt), Change::Cancel, Message::new(reason));
    let canceled = persist(activities, canceled, FINAL_PATIENCE).await.map(drop);
    drop(lease);
    canceled
}

/// A dropped run whose status is not settled yet. Dropped itself, it says so: there is no runtime (any more)
/// that could write.
struct Unsettled(Option<AgentId>);

impl Unsettled {
    fn ended(mut self, settled: Result<(), activity::Error>) {
        let Some(id) = self.0.take() else { return };
        if let Err(error) = settled {
            let error = error_chain(&error);
            tracing::error!(%id, error, "the final status of a dropped run could not be recorded");
        }
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            tracing::error!(%id, "a run was dropped without a runtime: its activity may still say running");
        }
    }
}

/// Sends a write until the store has carried it out or refused it, or `patience` is over. It is the same write
/// each time, so one whose answer was lost is not carried out twice.
async fn persist(
    activities: &Activities,
    write: Write,
    patience: Duration,
) -> Result<Written, activity::Error> {
    let (mut give_up, mut wait) = (None, FIRST_WAIT);
    loop {
        let error = match answered(activities.store().write(write.clone())).await {
            Err(error) if error.is_retryable() => error,
            answer => return answer,
        };
        let now = Instant::now();
        if now + wait > *give_up.get_or_insert(now + patience) {
            return Err(error);
        }
        let (id, error) = (write.id, error_chain(&error));
        tracing::warn!(%id, error, "a change of status could not be recorded; trying again");
        sleep(wait).await;
        wait = wait.saturating_mul(2).min(LONGEST_WAIT);
    }
}
