//! A store that fails on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agentexec_activity_core::{
    Activity, ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Counts, Detail, Error,
    ExpiredLease, ListCursor, ListQuery, LogQuery, MemoryStore, Message, NewActivity, Page, Scope,
    StopRequest, Timestamp, WatchFrom, WatchStream, Write, Written,
};
use async_trait::async_trait;

/// A store that fails on demand, over another. Clones share the demand.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agentexec_activity_core::Activities;
/// use agentexec_runner_core::testing::FailingStore;
///
/// let store = FailingStore::default();
/// let activities = Activities::new(store.clone());
/// let id = activities.create("test").await?;
///
/// store.fail_next(1);
/// assert!(activities.update(id, "Working").await.unwrap_err().is_retryable());
/// assert!(activities.update(id, "Working").await.is_ok());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FailingStore<S = MemoryStore> {
    store: S,
    demand: Arc<Demand>,
}

impl Default for FailingStore {
    /// A new store in memory that works until it is told to fail.
    fn default() -> Self {
        Self::new(MemoryStore::new())
    }
}

#[derive(Debug, Default)]
struct Demand {
    fail: AtomicU32,
    lose: AtomicU32,
    stall: AtomicU32,
}

impl<S> FailingStore<S> {
    /// A store over `store` that works until it is told to fail.
    pub fn new(store: S) -> Self {
        Self { store, demand: Arc::default() }
    }

    /// The store below.
    pub fn inner(&self) -> &S {
        &self.store
    }

    /// Lets the next `operations` fail without an effect. `u32::MAX` stands for "until told otherwise", 0 for
    /// "no more".
    pub fn fail_next(&self, operations: u32) {
        self.demand.fail.store(operations, Ordering::SeqCst);
    }

    /// Lets the next `operations` take effect and then lose their answer. `u32::MAX` stands for "until told
    /// otherwise", 0 for "no more".
    pub fn lose_next_answers(&self, operations: u32) {
        self.demand.lose.store(operations, Ordering::SeqCst);
    }

    /// Lets the next `operations` take effect and then never answer. `u32::MAX` stands for "until told
    /// otherwise", 0 for "no more".
    pub fn stall_next_answers(&self, operations: u32) {
        self.demand.stall.store(operations, Ordering::SeqCst);
    }

    async fn perform<T>(&self, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        if taken(&self.demand.fail) {
            return Err(Error::unavailable("failing", "told to fail"));
        }
        let answer = operation.await;
        if taken(&self.demand.stall) {
            return std::future::pending().await;
        }
        if taken(&self.demand.lose) {
            return Err(Error::unavailable("failing", "told to lose the answer"));
        }
        answer
    }
}

fn taken(demand: &AtomicU32) -> bool {
    let less = |left: u32| match left {
        0 => None,
        u32::MAX => Some(u32::MAX),
        left => Some(left - 1),
    };
    demand.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
}

#[async_trait]
impl<S: ActivityStore> ActivityStore for FailingStore<S> {
    fn is_durable(&self) -> bool {
        self.store.is_durable()
    }

    async fn create(&self, new: NewActivity) -> Result<Activity, Error> {
        self.perform(self.store.create(new)).await
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        self.perform(self.store.write(write)).await
    }

    async fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Result<Option<Detail>, Error> {
        self.perform(self.store.detail(scope, id, log)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.perform(self.store.list(query)).await
    }

    async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        self.perform(self.store.counts(scope)).await
    }

    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error> {
        self.perform(self.store.watch(scope, id, from)).await
    }

    async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        ask: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        self.perform(self.store.request_cancel(scope, id, ask)).await
    }

    async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest {
        self.store.stop_requested(id, attempt).await
    }

    async fn cancel_queued(
        &self,
        scope: &Scope,
        reason: Message,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        self.perform(self.store.cancel_queued(scope, reason, after)).await
    }

    async fn purge(
        &self,
        scope: &Scope,
        ended_before: Timestamp,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        self.perform(self.store.purge(scope, ended_before, after)).await
    }

    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error> {
        self.perform(self.store.renew(held, ttl)).await
    }

    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        self.perform(self.store.expired(limit)).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        self.perform(self.store.now()).await
    }
}
