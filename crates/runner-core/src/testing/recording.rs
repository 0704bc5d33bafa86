//! What was recorded of an activity, as plain values for assertions.

use agentexec_activity_core::{
    ActivityStore, AgentId, Detail, LogQuery, MemoryStore, Percent, Scope, Status,
};
use futures_util::FutureExt;

use super::FailingStore;

/// Shows what a store in memory recorded of an activity, without awaiting: for assertions in tests. An unknown
/// activity has recorded nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agentexec_activity_core::{Activities, MemoryStore, Status};
/// use agentexec_runner_core::testing::Recorded;
/// use agentexec_runner_core::{RunExt, from_fn};
///
/// let store = MemoryStore::new();
/// let activities = Activities::new(store.clone());
/// let failing = from_fn(|_cx, ()| async { Err::<(), _>("no route to host") });
///
/// let id = activities.create("test").await?;
/// assert!(failing.tracked(&activities).run(id, ()).await.is_err());
/// assert_eq!(store.statuses(id), [Status::Queued, Status::Running, Status::Error]);
/// assert_eq!(store.messages(id).last().unwrap(), "Task failed with error: no route to host");
/// # Ok(()) }
/// ```
pub trait Recorded {
    /// The record and its log; nothing for an unknown activity.
    fn recorded(&self, id: AgentId) -> Option<Detail>;

    /// The statuses that it went through, progress within one left out.
    fn statuses(&self, id: AgentId) -> Vec<Status> {
        let log = self.recorded(id).map(|detail| detail.log).unwrap_or_default();
        log.iter().filter(|entry| !entry.progress).map(|entry| entry.status).collect()
    }

    /// The messages of its log, oldest first.
    fn messages(&self, id: AgentId) -> Vec<String> {
        let log = self.recorded(id).map(|detail| detail.log).unwrap_or_default();
        log.iter().map(|entry| entry.message.to_string()).collect()
    }

    /// The percentages of its log, oldest first.
    fn percentages(&self, id: AgentId) -> Vec<u8> {
        let log = self.recorded(id).map(|detail| detail.log).unwrap_or_default();
        log.iter().map(|entry| Percent::get(entry.percentage)).collect()
    }
}

impl Recorded for MemoryStore {
    fn recorded(&self, id: AgentId) -> Option<Detail> {
        // The memory store never waits, so its answers are there at the first poll.
        self.detail(&Scope::all(), id, LogQuery::new()).now_or_never()?.ok()?
    }
}

impl<S: Recorded> Recorded for FailingStore<S> {
    fn recorded(&self, id: AgentId) -> Option<Detail> {
        self.inner().recorded(id)
    }
}
