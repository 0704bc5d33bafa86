//! A store that says each call before it is sent and each answer after it came.
//!
//! It stands between the handle and the real store, so whatever is written passes it: what a program writes by
//! hand, what a lifecycle writes and sends again, what a reaper writes, and what is written in the background for a
//! run that was dropped. A call whose future was dropped has no answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agentexec::activity::{
    Activity, ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Counts, Detail, Error,
    ExpiredLease, ListCursor, ListQuery, LogQuery, Message, NewActivity, Page, Scope, StopRequest, Timestamp,
    WatchFrom, WatchStream, Write, Written,
};
use async_trait::async_trait;

use crate::line::{Answer, Ask, Line, Step, Teller, percentage_of};

/// The store below, whose calls are told.
#[derive(Debug)]
pub struct Journal {
    store: Arc<dyn ActivityStore>,
    teller: Teller,
    calls: AtomicU64,
}

impl Journal {
    /// Tells what is asked of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn ActivityStore>, teller: Teller) -> Self {
        Self { store, teller, calls: AtomicU64::new(1) }
    }

    async fn told<T>(
        &self,
        id: AgentId,
        ask: Ask,
        operation: impl Future<Output = Result<T, Error>>,
        answer: impl FnOnce(&T) -> Answer,
    ) -> Result<T, Error> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        self.teller.tell(Line::Sent { call, id, ask });
        let result = operation.await;
        let answer = result.as_ref().map_or_else(Answer::of_error, answer);
        self.teller.tell(Line::Answered { call, answer });
        result
    }
}

#[async_trait]
impl ActivityStore for Journal {
    fn is_durable(&self) -> bool {
        self.store.is_durable()
    }

    async fn create(&self, new: NewActivity) -> Result<Activity, Error> {
        let ask = Ask::Create { message: new.message.clone() };
        self.told(new.id, ask, self.store.create(new), |_| Answer::Created).await
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        let step = Step::of(&write.change).expect("a change that the checker knows");
        let Write { id, request, attempt, .. } = write;
        let (percentage, message) = (percentage_of(&write.change), write.message.clone());
        let ask = Ask::Write { request, attempt, step, percentage, message };
        self.told(id, ask, self.store.write(write), |written| Answer::Written((*written).into())).await
    }

    async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        ask: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        let told = Ask::Cancel { request: ask.request, message: ask.message.clone() };
        let operation = self.store.request_cancel(scope, id, ask);
        self.told(id, told, operation, |outcome| Answer::of_cancel(*outcome)).await
    }

    async fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Result<Option<Detail>, Error> {
        self.store.detail(scope, id, log).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.store.list(query).await
    }

    async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        self.store.counts(scope).await
    }

    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error> {
        self.store.watch(scope, id, from).await
    }

    async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest {
        self.store.stop_requested(id, attempt).await
    }

    async fn cancel_queued(
        &self,
        _scope: &Scope,
        _reason: Message,
        _after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        Err(Error::invalid("operation", "what is done in bulk is not in the history; cancel them one by one"))
    }

    async fn purge(
        &self,
        _scope: &Scope,
        _ended_before: Timestamp,
        _after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        Err(Error::invalid("operation", "what was purged cannot be held against the history"))
    }

    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error> {
        self.store.renew(held, ttl).await
    }

    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        self.store.expired(limit).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        self.store.now().await
    }
}
