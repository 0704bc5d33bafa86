//! The store in this process's memory: for tests, for programs that need no history, and as the model that the
//! other stores are held against.
//!
//! It keeps everything until it is purged or dropped. One lock guards it all: every operation is a few map
//! look-ups, so a lock per activity would cost more than it saves, and events need one order anyway.

mod clock;
mod events;
mod index;
mod record;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use self::state::{State, StopWait};
use crate::{
    Activity, ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Counts, Detail, Error,
    ExpiredLease, ListCursor, ListQuery, LogQuery, Message, NewActivity, Page, Scope, StopRequest, Timestamp,
    WatchFrom, WatchStream, Write, Written,
};

/// How many progress entries of an activity's log are kept.
pub const PROGRESS_KEPT: usize = 256;
/// How many events are kept for watchers who fall behind or come back.
pub const EVENTS_KEPT: usize = 16_384;

/// The store in this process's memory. Clones share what they keep.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), agentexec_activity_core::Error> {
/// use agentexec_activity_core::{Activities, MemoryStore, Scope};
///
/// let activities = Activities::new(MemoryStore::new());
/// activities.create("research").await?;
/// assert_eq!(activities.counts(&Scope::all()).await?.queued, 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// Rung whenever an event was added, and when the store goes away.
    bell: Arc<Notify>,
}

impl Inner {
    /// A panic while the lock was held cannot leave a half-made change: every step checks before it changes.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.bell.notify_waiters();
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Carries out a step that may add events, then wakes the watchers.
    fn change<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        let done = step(&mut self.inner.lock());
        self.inner.bell.notify_waiters();
        done
    }
}

/// How much it keeps, and nothing of what it keeps.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.inner.lock().counts(&Scope::all());
        f.debug_struct("MemoryStore").field("activities", &counts.total()).finish_non_exhaustive()
    }
}

#[async_trait]
impl ActivityStore for MemoryStore {
    fn is_durable(&self) -> bool {
        false
    }

    async fn create(&self, new: NewActivity) -> Result<Activity, Error> {
        self.change(|state| state.create(&new))
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        self.change(|state| state.write(write))
    }

    async fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Result<Option<Detail>, Error> {
        Ok(self.inner.lock().detail(scope, id, log))
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        query.check()?;
        Ok(self.inner.lock().list(query))
    }

    async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        Ok(self.inner.lock().counts(scope))
    }

    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error> {
        let next = self.inner.lock().events.position(from)?;
        Ok(events::watch(&self.inner, scope.clone(), id, next))
    }

    async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        ask: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        self.change(|state| state.request_cancel(scope, id, ask))
    }

    async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest {
        let wait = self.inner.lock().wait_for_stop(id, attempt);
        match wait {
            StopWait::Now(request) => request,
            // The sender is dropped when the attempt is over, whatever ended it.
            StopWait::Later(asked) => asked.await.unwrap_or(StopRequest::Superseded),
        }
    }

    async fn cancel_queued(
        &self,
        scope: &Scope,
        reason: Message,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        Ok(self.change(|state| state.cancel_queued(scope, &reason, after)))
    }

    async fn purge(
        &self,
        scope: &Scope,
        ended_before: Timestamp,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        Ok(self.change(|state| state.purge(scope, ended_before, after)))
    }

    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error> {
        let mut state = self.inner.lock();
        Ok(held.iter().map(|(id, attempt)| state.renew(*id, *attempt, ttl)).collect())
    }

    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        Ok(self.inner.lock().expired(limit))
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        Ok(self.inner.lock().now())
    }
}
