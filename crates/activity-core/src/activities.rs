//! The handle that a service holds: every operation on activities, over whichever store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::id::RequestIds;
use crate::lease::{LEASE_TTL, Leases};
use crate::request::{Change as Requested, CreateActivity, UpdateActivity};
use crate::{
    ActivityStore, AgentId, Attempt, Batch, CancelOutcome, CancelRequest, Change, Counts, Detail, Error,
    ListCursor, ListQuery, LogQuery, Message, Messages, Page, Percent, Scope, StopRequest, WatchFrom,
    WatchStream, Write, Written,
};

/// How long [`Activities::shutdown`] waits for writes that are under way.
pub const SHUTDOWN_WAIT: Duration = Duration::from_secs(10);

type Redact = dyn Fn(&str) -> String + Send + Sync;

/// Every operation on activities, over whichever store. Clones share the store and its settings.
///
/// Builders that it returns (`create`, `update`, `complete`, `error`, `cancel`) do nothing until they are
/// awaited. Dropping a future before it is ready leaves open whether the store carried the operation out.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), agentexec_activity_core::Error> {
/// use agentexec_activity_core::{Activities, MemoryStore, Scope};
///
/// let activities = Activities::new(MemoryStore::new());
/// let id = activities.create("research").metadata("org", "acme").await?;
/// activities.update(id, "Reading sources").percentage(30).await?;
/// activities.complete(id).await?;
///
/// let detail = activities.detail(&Scope::all(), id).await?.unwrap();
/// let log: Vec<&str> = detail.log.iter().map(|entry| entry.message.as_str()).collect();
/// assert_eq!(log, ["Waiting to start.", "Reading sources", "Task completed successfully."]);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Activities {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn ActivityStore>,
    pub(crate) leases: Leases,
    messages: Messages,
    redact: Option<Arc<Redact>>,
    requests: RequestIds,
    under_way: AtomicUsize,
    settled: Notify,
}

impl Activities {
    /// Activities in `store`, with the default messages and no redaction.
    pub fn new(store: impl ActivityStore) -> Self {
        Self::builder(store).build()
    }

    /// Activities in `store`, to be set up further.
    pub fn builder(store: impl ActivityStore) -> ActivitiesBuilder {
        ActivitiesBuilder {
            store: Arc::new(store),
            messages: Messages::default(),
            redact: None,
            owner: None,
            lease: LEASE_TTL,
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ActivityStore> {
        &self.inner.store
    }

    /// What the log says when the lifecycle speaks.
    #[must_use]
    pub fn messages(&self) -> &Messages {
        &self.inner.messages
    }

    /// A new queued activity of this type; awaiting gives its id.
    pub fn create(&self, activity_type: impl Into<String>) -> CreateActivity<'_> {
        CreateActivity::new(self, activity_type.into())
    }

    /// Says how it goes. A queued activity starts with this.
    pub fn update(&self, id: AgentId, message: impl Into<Message>) -> UpdateActivity<'_> {
        UpdateActivity::new(self, id, Requested::Progress, Some(message.into()))
    }

    /// Ends it well, at 100 % unless another percentage is set. It must be running.
    pub fn complete(&self, id: AgentId) -> UpdateActivity<'_> {
        UpdateActivity::new(self, id, Requested::Complete, None)
    }

    /// Ends it with an error, at the percentage it has unless another is set. The error is written as its
    /// alternate form (`{:#}`) says it, redacted, inside the configured message.
    pub fn error(&self, id: AgentId, error: impl fmt::Display) -> UpdateActivity<'_> {
        let message = self.messages().error(self.redacted(&format!("{error:#}")));
        UpdateActivity::new(self, id, Requested::Fail, Some(message.into()))
    }

    /// Records at once that it was stopped, for work that you drive yourself. A run under a lifecycle is then asked
    /// to stop, and its caller hears that its own ending could not be recorded; to cancel it properly use
    /// [`request_cancel`](Self::request_cancel).
    pub fn cancel(&self, id: AgentId, reason: impl fmt::Display) -> UpdateActivity<'_> {
        let message = self.messages().canceled(self.redacted(&reason.to_string()));
        UpdateActivity::new(self, id, Requested::Cancel, Some(message.into()))
    }

    /// Asks for an activity to stop. A queued one is canceled at once, and its log says so in the configured
    /// message; the token of a running one fires, in whichever process it runs.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such activity in the scope.
    pub async fn request_cancel(
        &self,
        scope: &Scope,
        id: AgentId,
        reason: impl fmt::Display,
    ) -> Result<CancelOutcome, Error> {
        let reason = self.redacted(&reason.to_string());
        let message = Message::new(self.messages().canceled(&reason));
        let ask =
            CancelRequest { request: self.inner.requests.next(), reason: Message::new(reason), message };
        self.inner.store.request_cancel(scope, id, ask).await
    }

    /// Cancels every queued activity of the scope, in bounded steps, and says how many there were. Running ones
    /// go on: ask each to stop with [`request_cancel`](Self::request_cancel).
    pub async fn cancel_pending(&self, scope: &Scope, reason: impl fmt::Display) -> Result<u64, Error> {
        let message = Message::new(self.messages().canceled(self.redacted(&reason.to_string())));
        self.in_steps(|after| self.inner.store.cancel_queued(scope, message.clone(), after)).await
    }

    /// Removes the activities of the scope that ended longer than `age` ago, with their logs, in bounded steps,
    /// and says how many there were.
    pub async fn purge(&self, scope: &Scope, age: Duration) -> Result<u64, Error> {
        let before = self.inner.store.now().await?.minus(age);
        self.in_steps(|after| self.inner.store.purge(scope, before, after)).await
    }

    async fn in_steps<F>(&self, step: impl Fn(Option<ListCursor>) -> F) -> Result<u64, Error>
    where
        F: Future<Output = Result<Batch, Error>>,
    {
        let (mut changed, mut after) = (0, None);
        loop {
            let batch = step(after).await?;
            changed += batch.changed;
            after = batch.next;
            if after.is_none() {
                return Ok(changed);
            }
        }
    }

    /// The record and the beginning of its log; nothing when there is no such activity in the scope.
    pub async fn detail(&self, scope: &Scope, id: AgentId) -> Result<Option<Detail>, Error> {
        self.detail_page(scope, id, LogQuery::new()).await
    }

    /// The record and a page of its log; nothing when there is no such activity in the scope.
    pub async fn detail_page(
        &self,
        scope: &Scope,
        id: AgentId,
        log: LogQuery,
    ) -> Result<Option<Detail>, Error> {
        self.inner.store.detail(scope, id, log).await
    }

    /// A page of activities.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the limit or the cursor is out of range.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        self.inner.store.list(query).await
    }

    /// How many activities of the scope there are in each status.
    pub async fn counts(&self, scope: &Scope) -> Result<Counts, Error> {
        self.inner.store.counts(scope).await
    }

    /// The changes of all activities of the scope, from now on.
    pub async fn watch(&self, scope: &Scope) -> Result<WatchStream, Error> {
        self.watch_from(scope, None, WatchFrom::Now).await
    }

    /// The changes of one activity of the scope or of all, from a place on.
    ///
    /// # Errors
    /// [`Error::CursorExpired`] when what is asked for was trimmed.
    pub async fn watch_from(
        &self,
        scope: &Scope,
        id: Option<AgentId>,
        from: WatchFrom,
    ) -> Result<WatchStream, Error> {
        self.inner.store.watch(scope, id, from).await
    }

    /// Starts a queued activity and answers with the attempt that the worker belongs to. It is held without a
    /// lease: nobody takes it for lost, until you end it. Work under a lifecycle is held by a lease.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] when it is running already or has ended.
    pub async fn start(&self, id: AgentId) -> Result<Attempt, Error> {
        let change = Change::Start { lease: None, percentage: Percent::ZERO };
        let message = Message::new(self.messages().started.as_str());
        Ok(self.write(id, None, change, message).await?.attempt)
    }

    /// Makes a running activity of this attempt queued again, as the next attempt.
    ///
    /// # Errors
    /// [`Error::StaleAttempt`] when another attempt has replaced this one; [`Error::Refused`] when it is not
    /// running.
    pub async fn requeue(
        &self,
        id: AgentId,
        attempt: Attempt,
        message: impl Into<Message>,
    ) -> Result<Written, Error> {
        self.write(id, Some(attempt), Change::Requeue, message.into()).await
    }

    /// Makes an activity that ended in error or was canceled queued again, as the next attempt.
    ///
    /// # Errors
    /// [`Error::Refused`] when it has another status.
    pub async fn retry(&self, id: AgentId, message: impl Into<Message>) -> Result<Written, Error> {
        self.write(id, None, Change::Retry, message.into()).await
    }

    /// Carries out any change; the named methods are shorter.
    ///
    /// # Errors
    /// [`Error::NotFound`], and what [`Write::decide`] refuses.
    pub async fn write(
        &self,
        id: AgentId,
        attempt: Option<Attempt>,
        change: Change,
        message: Message,
    ) -> Result<Written, Error> {
        self.inner.store.write(self.named_write(id, attempt, change, message)).await
    }

    /// A write with a request id of its own, to be sent, and sent again, to the store.
    #[must_use]
    pub fn named_write(
        &self,
        id: AgentId,
        attempt: Option<Attempt>,
        change: Change,
        message: Message,
    ) -> Write {
        Write::new(id, self.inner.requests.next(), change, message).of_attempt(attempt)
    }

    /// Waits until the work of this attempt should stop: somebody asked to cancel it, or the attempt is over.
    /// Cancel-safe.
    pub async fn stop_requested(&self, id: AgentId, attempt: Attempt) -> StopRequest {
        self.inner.store.stop_requested(id, attempt).await
    }

    /// The text as it may be stored: what the redaction hook makes of it.
    #[must_use]
    pub fn redacted(&self, text: &str) -> String {
        match &self.inner.redact {
            Some(redact) => redact(text),
            None => text.to_owned(),
        }
    }

    /// Marks a write that goes on although nobody waits for it; [`shutdown`](Self::shutdown) waits until the
    /// mark is dropped.
    #[must_use]
    pub fn write_under_way(&self) -> WriteUnderWay {
        self.inner.under_way.fetch_add(1, Ordering::SeqCst);
        WriteUnderWay(self.clone())
    }

    /// Waits until the writes that nobody waits for (those of dropped runs) are done, at most [`SHUTDOWN_WAIT`],
    /// and says how many were left. Call it before the runtime goes down. Leases are kept until those writes are done;
    /// a run that is left behind after that says running until its lease has run out, and is reaped by another
    /// process then.
    pub async fn shutdown(&self) -> usize {
        let all_settled = async {
            loop {
                let settled = self.inner.settled.notified();
                if self.inner.under_way.load(Ordering::SeqCst) == 0 {
                    return;
                }
                settled.await;
            }
        };
        // A timeout leaves the rest to be counted.
        let _ = tokio::time::timeout(SHUTDOWN_WAIT, all_settled).await;
        self.inner.under_way.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Activities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activities").field("store", &self.inner.store).finish_non_exhaustive()
    }
}

/// A write that goes on although nobody waits for it.
#[derive(Debug)]
pub struct WriteUnderWay(Activities);

impl Drop for WriteUnderWay {
    fn drop(&mut self) {
        self.0.inner.under_way.fetch_sub(1, Ordering::SeqCst);
        self.0.inner.settled.notify_waiters();
    }
}

/// Sets up [`Activities`].
#[must_use = "a builder does nothing until `build`"]
pub struct ActivitiesBuilder {
    store: Arc<dyn ActivityStore>,
    messages: Messages,
    redact: Option<Arc<Redact>>,
    owner: Option<String>,
    lease: Duration,
}

impl ActivitiesBuilder {
    /// Sets what the log says when the lifecycle speaks. Default: [`Messages::default`].
    pub fn messages(mut self, messages: Messages) -> Self {
        self.messages = messages;
        self
    }

    /// Sets a hook that errors and reasons pass before they are stored, to take out what must not be kept (a key
    /// in a URL, a customer's name). Default: none.
    pub fn redact(mut self, hook: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.redact = Some(Arc::new(hook));
        self
    }

    /// Sets who holds the leases of runs, for people; at most [`OWNER_LIMIT`](crate::OWNER_LIMIT) bytes are kept.
    /// Default: the host and the process, as `web-3/4711`.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Sets how long the lease of a run in a durable store holds; it is renewed four times in that time. A run
    /// whose process dies says running until its lease has run out. Default: [`LEASE_TTL`]; less than
    /// [`LEASE_TTL_MIN`](crate::LEASE_TTL_MIN) is taken as that, and more than
    /// [`LEASE_TTL_MAX`](crate::LEASE_TTL_MAX) as that.
    pub fn lease(mut self, ttl: Duration) -> Self {
        self.lease = ttl;
        self
    }

    /// The handle.
    #[must_use]
    pub fn build(self) -> Activities {
        let Self { store, messages, redact, owner, lease } = self;
        let leases = Leases::new(owner, lease);
        let (requests, under_way) = (RequestIds::new(), AtomicUsize::new(0));
        let inner = Inner { store, leases, messages, redact, requests, under_way, settled: Notify::new() };
        Activities { inner: Arc::new(inner) }
    }
}

impl fmt::Debug for ActivitiesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivitiesBuilder").field("messages", &self.messages).finish_non_exhaustive()
    }
}
