//! What a store must do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Activity, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Counts, Detail, Error, ListCursor,
    ListQuery, LogQuery, Message, NewActivity, Page, Scope, StopRequest, Timestamp, WatchFrom, WatchStream,
    Write, Written,
};

/// Where activities are kept.
///
/// Each operation is one atomic step: it is carried out whole or not at all, and what it decides (by
/// [`Write::decide`]) it decides on the state that it changes. Dropping a future leaves open whether the step
/// was carried out; repeating it is safe, since creates are idempotent by activity id and writes by request id.
///
/// A new store is held against the conformance suite (feature `conformance`).
#[async_trait]
pub trait ActivityStore: Send + Sync + std::fmt::Debug + 'static {
    /// Whether what it keeps outlives this process. Runs in such a store are held by leases, so that one whose
    /// process dies does not say running for ever.
    fn is_durable(&self) -> bool;

    /// Creates a queued activity. Creating it again with the same type and metadata answers with the record as
    /// it is now.
    ///
    /// # Errors
    /// [`Error::IdTaken`] when the id belongs to another activity.
    async fn create(&self, new: NewActivity) -> Result<Activity, Error>;

    /// Carries out a change. A write whose request id is among the activity's last
    /// [`REMEMBERED_REQUESTS`](crate::REMEMBERED_REQUESTS) changes nothing and answers as it did then.
    ///
    /// # Errors
    /// [`Error::NotFound`], and what [`Write::decide`] refuses.
    async fn write(&self, write: Write) -> Result<Written, Error>;

    /// The record and a page of its log; nothing when there is no such activity in the scope.
    async fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Result<Option<Detail>, Error>;

    /// A page of activities.
    ///
    /// # Errors
    /// What [`ListQuery::check`] refuses.
    async fn list(&self, query: &ListQuery) -> Result<Page, Error>;

    /// How many there are in each status. For [`Scope::all`] the cost does not grow with their number.
    async fn counts(&self, scope: &Scope) -> Result<Counts, Error>;

    /// The changes within the scope, of one activity or of all.
    ///
    /// # Errors
    /// [`Error::CursorExpired`] when what is asked for was trimmed.
    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error>;

    /// Asks for an activity to stop: a queued one becomes canceled at once, a running one is flagged and whoever
    /// waits in [`stop_requested`](Self::stop_requested) learns of it. The first reason is kept. A request that
    /// was carried out and is among the activity's last [`REMEMBERED_REQUESTS`](crate::REMEMBERED_REQUESTS)
    /// changes nothing and answers as it did then, so that a late copy cannot stop the next attempt.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such activity in the scope.
    async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        ask: CancelRequest,
    ) -> Result<CancelOutcome, Error>;

    /// Waits until the work of this attempt should stop: at once when it was asked to already.
    ///
    /// Cancel-safe. It waits as long as nobody asks; a store that loses its connection goes on waiting when it
    /// is back.
    async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest;

    /// Cancels queued activities of the scope, looking at a bounded number of them. `after` is where the step
    /// before this one ended.
    async fn cancel_queued(
        &self,
        scope: &Scope,
        reason: Message,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error>;

    /// Removes activities of the scope that ended before a moment, with their logs, looking at a bounded number
    /// of them. `after` is where the step before this one ended.
    async fn purge(
        &self,
        scope: &Scope,
        ended_before: Timestamp,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error>;

    /// Renews leases, all in one step, and says for each whether it is still held. A lease that has expired and
    /// was not reaped yet is held again.
    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error>;

    /// Running activities whose lease has expired, those that expired first first, at most `limit`.
    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error>;

    /// The time by the store's clock.
    async fn now(&self) -> Result<Timestamp, Error>;
}

/// A lease that was not renewed in time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpiredLease {
    /// The activity.
    pub id: AgentId,
    /// The attempt that held it.
    pub attempt: Attempt,
    /// Who held it.
    pub owner: String,
    /// When it was renewed last, by the store's clock.
    pub renewed: Timestamp,
}

impl ExpiredLease {
    /// A lease of this activity and attempt that was last renewed then.
    #[must_use]
    pub fn new(id: AgentId, attempt: Attempt, owner: String, renewed: Timestamp) -> Self {
        Self { id, attempt, owner, renewed }
    }
}

#[async_trait]
impl<S: ActivityStore + ?Sized> ActivityStore for Arc<S> {
    fn is_durable(&self) -> bool {
        (**self).is_durable()
    }

    async fn create(&self, new: NewActivity) -> Result<Activity, Error> {
        (**self).create(new).await
    }

    async fn write(&self, write: Write) -> Result<Written, Error> {
        (**self).write(write).await
    }

    async fn detail(&self, scope: &Scope, id: AgentId, log: LogQuery) -> Result<Option<Detail>, Error> {
        (**self).detail(scope, id, log).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        (**self).list(query).await
    }

    async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        (**self).counts(scope).await
    }

    async fn watch(&self, scope: &Scope, id: Option<AgentId>, from: WatchFrom) -> Result<WatchStream, Error> {
        (**self).watch(scope, id, from).await
    }

    async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        ask: CancelRequest,
    ) -> Result<CancelOutcome, Error> {
        (**self).request_cancel(scope, id, ask).await
    }

    async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest {
        (**self).stop_requested(id, attempt).await
    }

    async fn cancel_queued(
        &self,
        scope: &Scope,
        reason: Message,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        (**self).cancel_queued(scope, reason, after).await
    }

    async fn purge(
        &self,
        scope: &Scope,
        ended_before: Timestamp,
        after: Option<ListCursor>,
    ) -> Result<Batch, Error> {
        (**self).purge(scope, ended_before, after).await
    }

    async fn renew(&self, held: &[(AgentId, Attempt)], ttl: Duration) -> Result<Vec<bool>, Error> {
        (**self).renew(held, ttl).await
    }

    async fn expired(&self, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        (**self).expired(limit).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        (**self).now().await
    }
}
