//! Writing the final status, whatever happens to the run.

use std::time::Duration;

use agentexec_activity_core::{
    self as activity, Activities, AgentId, Attempt, Change, Message, Write, Written,
};
use tokio::runtime::Handle;
use tokio::time::sleep;

/// How often the final status is written again when the store fails.
const REWRITES: u32 = 6;
/// The wait before the first of them; it doubles each time, so all of them take about 12 seconds.
const REWRITE_BASE: Duration = Duration::from_millis(200);

/// The duty to write a final status. Dropped before it was done, the write goes on in the background: then the
/// run was dropped, or was dropped while it wrote.
#[derive(Debug)]
pub(crate) struct Ending {
    activities: Activities,
    id: AgentId,
    attempt: Attempt,
    runtime: Option<Handle>,
    due: Option<Write>,
}

impl Ending {
    /// From here on the activity is running and owes a final status: for now, that it was dropped.
    pub(crate) fn owed(activities: &Activities, id: AgentId, attempt: Attempt) -> Self {
        let reason = activities.messages().canceled("dropped before it finished");
        let due = activities.named_write(id, Some(attempt), Change::Cancel, Message::new(reason));
        let runtime = Handle::try_current().ok();
        Self { activities: activities.clone(), id, attempt, runtime, due: Some(due) }
    }

    /// Writes how the run ended, again and again for a while when the store fails. Dropped in between, the write
    /// goes on in the background.
    pub(crate) async fn write(
        mut self,
        change: Change,
        message: Message,
    ) -> Result<Written, activity::Error> {
        let due = self.activities.named_write(self.id, Some(self.attempt), change, message);
        self.due = Some(due.clone());
        let written = write_persistently(&self.activities, due).await;
        self.due = None;
        written
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(due) = self.due.take() else { return };
        let id = due.id;
        let Some(runtime) = &self.runtime else {
            tracing::error!(%id, "a run was dropped outside a runtime: its activity still says running");
            return;
        };
        let activities = self.activities.clone();
        let under_way = activities.write_under_way();
        runtime.spawn(async move {
            if let Err(error) = write_persistently(&activities, due).await {
                tracing::error!(%id, %error, "the final status of a dropped run could not be recorded");
            }
            drop(under_way);
        });
    }
}

/// The same write each time, so that one whose answer was lost is not carried out twice.
async fn write_persistently(activities: &Activities, due: Write) -> Result<Written, activity::Error> {
    let mut wait = REWRITE_BASE;
    for _ in 0..REWRITES {
        match activities.store().write(due.clone()).await {
            Err(error) if error.is_retryable() => {
                tracing::warn!(id = %due.id, %error, "the final status could not be recorded; trying again");
            }
            written => return written,
        }
        sleep(wait).await;
        wait = wait.saturating_mul(2);
    }
    activities.store().write(due).await
}
